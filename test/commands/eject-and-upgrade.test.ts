/** Going back to Prisma Migrate, and coming from older versions of rays. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { prisma, prismaProject } from '../support/prisma.js'
import { quoted, workspace } from '../support/workspace.js'

const ONE = 'model User {\n  id Int @id\n}\n'
const TWO = 'model User {\n  id   Int     @id\n  name String?\n}\n'

describeDatabases('eject', (on) => {
  test('leaves what Prisma reads, and Prisma goes on without a word', async () => {
    const ws = await workspace(on, { schema: ONE })
    try {
      for (const [name, schema] of Object.entries({ one: ONE, two: TWO })) {
        ws.project.schema(schema)
        await ws.ok(`makemigration --name ${name} --no-verify`)
      }
      await ws.ok('migrate --no-generate')
      const scripts = ws.folders().map((name) => ws.read(`prisma/migrations/${name}/migration.sql`))
      const before = [await dumpSchema(ws.db), JSON.stringify(await history(ws.db))]
      const files = ws.snapshot()
      await ws.fails(2, 'eject')
      expect((await ws.ok('eject --dry-run')).stdout).toContain('migration.schema.prisma')
      expect(ws.snapshot()).toEqual(files)
      await ws.ok('eject --y')
      const root = path.join(ws.project.folder, 'prisma/migrations')
      for (const name of ws.folders()) expect(readdirSync(path.join(root, name))).toEqual(['migration.sql'])
      expect(ws.folders().map((name) => ws.read(`prisma/migrations/${name}/migration.sql`))).toEqual(scripts)
      expect(ws.exists('raysconfig.js')).toBe(false)
      expect([await dumpSchema(ws.db), JSON.stringify(await history(ws.db))]).toEqual(before)
      if (on.provider === 'mysql') return // The stand-in for Prisma's engine does not know MySQL.
      await prismaProject(ws.project.folder, ws.read('prisma/schema.prisma').replace(/^\s*url .*$/m, ''))
      for (const command of ['status', 'deploy']) {
        const seen = await prisma(ws.project.folder, ['migrate', command], { url: ws.db.href })
        expect(seen.stdout + seen.stderr).toMatch(/up to date|No pending migrations/)
        expect(seen.code).toBe(0)
      }
    } finally {
      await ws.drop()
    }
  })

  test('is refused where migration.sql alone leads elsewhere; nothing is moved', async () => {
    const ws = await workspace(on, { schema: ONE })
    try {
      await ws.ok('makemigration --name one --no-verify')
      const file = `prisma/migrations/${ws.folder('one')}/migration.js`
      const table = quoted(on, 'Extra')
      ws.project.write({
        [file]: ws
          .read(file)
          .replace(
            'module.exports = [',
            `module.exports = [[({ client }) => client.execute('CREATE TABLE ${table} (id INTEGER NOT NULL PRIMARY KEY)'), ({ client }) => client.execute('DROP TABLE ${table}')], `,
          ),
      })
      const before = ws.snapshot()
      expect((await ws.fails(1, 'eject --y')).stderr).toContain('Extra')
      expect(ws.snapshot()).toEqual(before)
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases('upgrade', (on) => {
  const table = quoted(on, 'User')
  const create = `CREATE TABLE ${table} (${quoted(on, 'id')} INTEGER NOT NULL PRIMARY KEY)`
  const body = `const up = async ({ client }) => {\n  await client.execute(\`${create.replaceAll('`', '\\`')}\`)\n}\nconst down = async ({ client }) => {\n  await client.execute(\`DROP TABLE ${table.replaceAll('`', '\\`')}\`)\n}\n`
  const forms = {
    '20210101000000_first': `${body}\nmodule.exports = { up, down }\n`,
    '20210102000000_second': 'exports.up = async () => {}\nexports.down = async () => {}\n',
    '20210103000000_third': 'module.exports = {\n  up: async () => {},\n  down: async () => {},\n}\n',
    '20230101000000_tuples': 'module.exports = [[async () => {}, async () => {}]]\n',
  }

  test('turns { up, down } into [up, down]; checksums, names and history stay, and both ways work', async () => {
    const ws = await workspace(on, { schema: ONE })
    try {
      for (const [name, code] of Object.entries(forms)) {
        ws.project.write({
          [`prisma/migrations/${name}/migration.js`]: code,
          [`prisma/migrations/${name}/migration.sql`]: name.endsWith('first')
            ? `${create};\n`
            : '-- This is an empty migration.',
          [`prisma/migrations/${name}/migration.schema.prisma`]: ws.read('prisma/schema.prisma'),
        })
      }
      await ws.ok('migrate --fake')
      await ws.sql(create.replaceAll('`', '"'))
      const rows = await history(ws.db)
      await ws.fails(2, 'migrate --name zero --y --no-generate')
      const before = ws.snapshot()
      await ws.ok('upgrade --dry-run')
      expect(ws.snapshot()).toEqual(before)
      const { data } = (await ws.ok('upgrade --json')).json<{
        data: { migrations: { name: string; state: string }[] }
      }>()
      expect(data.migrations.map(({ state }) => state)).toEqual(['rewritten', 'rewritten', 'rewritten', 'unchanged'])
      expect(ws.migration('first')).toBe(`${body}\nmodule.exports = [[up, down]]\n`)
      expect(await history(ws.db)).toEqual(rows)
      await ws.ok('status --check --strict')
      await ws.ok('migrate --name zero --y --no-generate')
      expect(await ws.tables()).toEqual([])
      await ws.ok('migrate --no-generate')
      expect(await ws.tables()).toEqual(['User'])
    } finally {
      await ws.drop()
    }
  })

  test('what does not load is left as it is and named; passwords leave the snapshots', async () => {
    const ws = await workspace(on, { schema: ONE })
    try {
      const name = '20210101000000_broken'
      const snapshot = ws.read('prisma/schema.prisma').replace('env("DATABASE_URL")', '"postgresql://me:s3cret@h/db"')
      ws.project.write({
        [`prisma/migrations/${name}/migration.js`]: 'module.exports = { up, down }\n',
        [`prisma/migrations/${name}/migration.sql`]: '-- This is an empty migration.',
        [`prisma/migrations/${name}/migration.schema.prisma`]: snapshot,
      })
      const { stderr } = await ws.fails(1, 'upgrade')
      expect(stderr).toContain(name)
      expect(ws.migration('broken')).toBe('module.exports = { up, down }\n')
      expect(ws.migration('broken', 'migration.schema.prisma')).not.toContain('s3cret')
    } finally {
      await ws.drop()
    }
  })
})
