/** What a project needs before Knex runs its migrations: Prisma's configuration, and types in every setting of modules. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase } from '../support/databases.js'
import { type KnexProject, knexProject } from '../support/knex.js'

const ENTRIES =
  "schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' }, datasource: { url: process.env.DATABASE_URL }"
const LINES = `\n  ${ENTRIES.replaceAll(', ', ',\n  ')},\n`
const IMPORT = "import { defineConfig } from 'prisma/config'\n\n"

describeDatabases(
  'setting up Knex',
  ({ fresh }) => {
    let db: FreshDatabase
    let project: KnexProject
    const start = async (files: Readonly<Record<string, string>>) => {
      db = await fresh()
      project = knexProject(db, {
        schema: 'datasource db {\n  provider = "sqlite"\n}\n\nmodel A {\n  id Int @id\n}\n',
        config: { generate: false },
        files,
      })
    }
    afterEach(async () => {
      project.remove()
      await db.drop()
    })
    const text = (file: string) => readFileSync(path.join(project.folder, file), 'utf8')

    test.each([
      ['on one line', 'prisma.config.ts', `${IMPORT}export default defineConfig({ ${ENTRIES} })\n`],
      ['without any space', 'prisma.config.ts', `export default {${ENTRIES}}`],
      [
        'with line ends of Windows',
        'prisma.config.ts',
        `${IMPORT}export default defineConfig({${LINES}})\n`.replace(/\n/g, '\r\n'),
      ],
      [
        'in a variable',
        'prisma.config.ts',
        `${IMPORT}const config = defineConfig({${LINES}})\n\nexport default config\n`,
      ],
      [
        'in a variable with a type',
        'prisma.config.ts',
        `${IMPORT}const config: object = {${LINES}}\nexport default defineConfig(config)\n`,
      ],
      ['exported by name', 'prisma.config.ts', `const config = {${LINES}}\nexport { config as default }\n`],
      ['that satisfies a type', 'prisma.config.mts', `export default {${LINES}} satisfies object\n`],
      [
        'in CommonJS',
        'prisma.config.cjs',
        `const { defineConfig } = require('prisma/config')\n\nmodule.exports = defineConfig({${LINES}})\n`,
      ],
      ['in CommonJS, in a variable', 'prisma.config.cjs', `const config = { ${ENTRIES} }\nmodule.exports = config\n`],
      [
        'with other tables',
        'prisma.config.ts',
        `export default {\n  experimental: { externalTables: true },\n  tables: { external: ['mine'] },${LINES}}\n`,
      ],
      [
        'with other experiments',
        'prisma.config.ts',
        `export default {\n  experimental: {\n    studio: true,\n  },${LINES}}\n`,
      ],
      ['with an empty list', 'prisma.config.ts', `export default { tables: { external: [] }, ${ENTRIES} }\n`],
    ])('rays knex init names its tables in a configuration %s', async (_, file, before) => {
      await start({ [file]: before })
      const run = await project.rays(['knex', 'init', '--y', '--json'])
      expect([run.code, run.stderr]).toEqual([0, expect.not.stringContaining('Left to do')])
      const after = text(file)
      expect(after).toMatch(/externalTables: true/)
      expect(after).toMatch(/external: \['knex_migrations', 'knex_migrations_lock'(?:, 'mine')?\]/)
      expect(after.replace(/\r\n/g, '').includes('\n')).toBe(!before.includes('\r') && after.includes('\n'))
      // Nothing else has changed.
      const rest = (each: string) => each.replace(/\s*\b(?:experimental|tables): \{[^{}]*\},?|\s/g, '')
      expect(rest(after)).toBe(rest(before))
      // Node keeps a CommonJS module that it has loaded.
      if (file.endsWith('.cjs')) return
      const again = await project.rays(['knex', 'init', '--y', '--json'])
      expect(again.json<{ data: { steps: { step: string; state: string }[] } }>().data.steps).toContainEqual(
        expect.objectContaining({ step: 'tables', state: 'present' }),
      )
      expect(text(file)).toBe(after)
    })

    test.each([
      ['that is computed', `const make = () => ({ ${ENTRIES} })\nexport default make()\n`],
      ['whose list is computed', `const list = []\nexport default { tables: { external: list }, ${ENTRIES} }\n`],
      [
        'that another part overrides',
        `const rest = JSON.parse('{"tables":{"external":[]}}')\nexport default { ${ENTRIES}, ...rest }\n`,
      ],
      ['that refuses external tables', `export default { experimental: { externalTables: false }, ${ENTRIES} }\n`],
    ])('a configuration %s is left as it is: rays knex init says so, and ends with 1', async (_, before) => {
      await start({ 'prisma.config.ts': before })
      const run = await project.rays(['knex', 'init', '--y'])
      expect([run.code, run.stderr]).toEqual([
        1,
        expect.stringMatching(/Left to do: prisma\.config\.ts .*by hand[\s\S]*knex_migrations_lock/),
      ])
      // The other steps are done.
      expect(run.stdout).toContain('Added the script create-migration')
      expect(text('prisma.config.ts')).toBe(before)
    })

    test('a typed knexfile passes the checks of TypeScript in every setting of modules, and both entries are one module', async () => {
      await start({
        'knexfile.ts':
          "import { type AdapterOptions, knexFilePrismaAdapter } from 'prisma-rays/knex'\n\nconst options: AdapterOptions = { root: '.' }\nexport default knexFilePrismaAdapter({ client: 'pg', migrations: { directory: './migrations' } }, options)\n",
        'wrong.ts': "import { knexFilePrismaAdapter } from 'prisma-rays/knex'\n\nknexFilePrismaAdapter(7)\n",
      })
      const out = await project.node(`import ts from 'typescript'
const said = []
for (const [module, moduleResolution] of [['CommonJS', 'Node10'], ['Node16', 'Node16'], ['NodeNext', 'NodeNext'], ['ESNext', 'Bundler']])
  for (const file of ['knexfile.ts', 'wrong.ts']) {
    const program = ts.createProgram([file], {
      module: ts.ModuleKind[module],
      moduleResolution: ts.ModuleResolutionKind[moduleResolution],
      target: ts.ScriptTarget.ES2022,
      strict: true,
      noEmit: true,
      esModuleInterop: true,
      skipLibCheck: true,
      preserveSymlinks: true,
      types: ['node'],
    })
    said.push([moduleResolution, file, ts.getPreEmitDiagnostics(program).map(({ code }) => code)])
  }
console.log(JSON.stringify(said))`)
      expect(JSON.parse(out.stdout)).toEqual(
        ['Node10', 'Node16', 'NodeNext', 'Bundler'].flatMap((resolution) => [
          [resolution, 'knexfile.ts', []],
          [resolution, 'wrong.ts', [2345]],
        ]),
      )
      const same = await project.node(`import { createRequire } from 'node:module'
import { knexFilePrismaAdapter } from 'prisma-rays/knex'
console.log(createRequire(import.meta.url)('prisma-rays/knex').knexFilePrismaAdapter === knexFilePrismaAdapter)`)
      expect(same.stdout).toBe('true\n')
    })
  },
  (provider) => provider === 'sqlite',
)
