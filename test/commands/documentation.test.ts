/** What the documentation shows is typed and run as it stands there. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { COMMANDS } from '../../src/cli/commands/index.js'
import { GLOBAL_OPTIONS } from '../../src/cli/options.js'
import { databases, describeDatabases, type FreshDatabase } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const PAGES = [
  'README.md',
  ...readdirSync(ROOT).filter((name) => name === 'SECURITY.md'),
  ...readdirSync(path.join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((page) => page.endsWith('.md'))
const textOf = (page: string) => readFileSync(path.join(ROOT, page), 'utf8')

interface Block {
  readonly language: string
  readonly text: string
}
function blocksOf(page: string, language?: string): Block[] {
  const blocks = [...textOf(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, lang, text]) => ({
    language: lang!,
    text: text!,
  }))
  return language === undefined ? blocks : blocks.filter((block) => block.language === language)
}

test('the page of commands is what --help prints', () => {
  const run = spawnSync(process.execPath, [path.join(ROOT, 'scripts', 'docs.mjs'), '--check'], { encoding: 'utf8' })
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
})

describe('every rays command line that a page shows is one that rays understands', () => {
  const lines = PAGES.filter((page) => page !== 'docs/commands.md').flatMap((page) => {
    const code = [
      ...blocksOf(page).flatMap((block) => block.text.split('\n')),
      ...[...textOf(page).matchAll(/`([^`\n]+)`/g)].map((m) => m[1]!),
    ]
    return code.flatMap((line) => {
      const match = /^(?:\$ )?(?:npx )?rays ([a-z][\w-]*)(.*)$/.exec(line.trim())
      return match ? [[page, line.trim(), match[1]!, match[2]!] as const] : []
    })
  })
  test('there are some', () => expect(lines.length).toBeGreaterThan(20))
  test.each(lines)('%s: %s', (_page, _line, command, rest) => {
    const spec = COMMANDS.find((candidate) => [candidate.name, ...(candidate.aliases ?? [])].includes(command))
    expect(spec && [spec.name, ...(spec.aliases ?? [])]).toContain(command)
    const known = Object.entries({ ...GLOBAL_OPTIONS, ...spec!.options }).flatMap(([name, option]) => [
      name,
      ...[(option as { alias?: string | string[] }).alias ?? []].flat(),
    ])
    // What follows a pipe, a comment or a dash-dash is not rays' own.
    const own = rest.split(/ -- | [|#>] |&&|;/)[0]!
    for (const [, flag] of own.matchAll(/(?:^|\s)--?([a-zA-Z][\w-]*)/g)) {
      const plain = flag!.replace(/^no-/, '')
      expect([...known, 'help', 'h', 'version']).toContain(known.includes(flag!) ? flag : plain)
    }
  })
})

describe('configuration files', () => {
  test.each(blocksOf('docs/configuration.md', 'js').map((block, index) => [index + 1, block.text] as const))(
    'number %i loads',
    async (_n, text) => {
      const example = project({
        provider: 'sqlite',
        schema: 'model A {\n  id Int @id\n}',
        url: 'file:./dev.db',
        files: { 'raysconfig.js': text },
      })
      try {
        const run = await example.rays(['config', '--json'], { env: { DATABASE_URL: 'file:./dev.db' } })
        expect(run.stderr).toBe('')
        expect(run.code).toBe(0)
      } finally {
        example.remove()
      }
    },
  )

  test('raysconfig.example.js loads as it is', async () => {
    const example = project({
      provider: 'sqlite',
      schema: 'model A {\n  id Int @id\n}',
      url: 'file:./dev.db',
      files: { 'raysconfig.js': textOf('raysconfig.example.js') },
    })
    try {
      expect((await example.rays(['config'], { env: { DATABASE_URL: 'file:./dev.db' } })).code).toBe(0)
    } finally {
      example.remove()
    }
  })
})

describeDatabases('migration files as the page shows them', ({ provider, fresh }) => {
  let database: FreshDatabase
  let example: TestProject
  beforeAll(async () => {
    database = await fresh()
    example = project({ provider, schema: 'model User {\n  id Int @id\n}', url: database.href })
    expect((await example.rays(['makemigration', '--name', 'init', '--no-verify'])).code).toBe(0)
    expect((await example.rays(['migrate'])).code).toBe(0)
  })
  afterAll(async () => {
    example.remove()
    await database.drop()
  })

  const snippets = blocksOf('docs/migration-files.md', 'js').map((block) => block.text)
  test.each(snippets.map((text, index) => [index, text] as const))(
    'example %i runs up and down',
    async (index, text) => {
      const folder = `20990101000${String(index).padStart(3, '0')}_example`
      const functions = [...text.matchAll(/^async function (\w+)/gm)].map((match) => match[1]!)
      const helpers = [...text.matchAll(/\b(createIndexSlowly|dropIndexSlowly)\b/g)].map((match) => match[1]!)
      const missing = [...new Set(helpers)]
        .filter((name) => !functions.includes(name))
        .map((name) => `async function ${name}() {}\n`)
      const exports = /module\.exports/.test(text) ? '' : `\nmodule.exports = [[${functions[0]}, async () => {}]]\n`
      const quoted =
        provider === 'mysql' ? text.replace(/"User"|"lastname"/g, (name) => `\\\`${name.slice(1, -1)}\\\``) : text
      // In a template literal a backtick is escaped, in a plain string it is not.
      const source =
        provider === 'mysql' ? quoted.replace(/'([^'\n]*)'/g, (whole) => whole.replaceAll('\\`', '`')) : quoted
      example.write({
        [`prisma/migrations/${folder}/migration.js`]: `${missing.join('')}${source}${exports}`,
        [`prisma/migrations/${folder}/migration.sql`]: '-- This is an empty migration.',
      })
      // Examples build upon the column of the first one, which is applied and stays.
      const up = await example.rays(['migrate', '--no-generate'])
      expect([up.code, up.stderr]).toEqual([0, expect.stringContaining(`Applied ${folder}`)])
      if (index === 0) return
      const down = await example.rays(['migrate', '--name', '-1', '--y', '--no-generate'])
      expect([down.code, down.stderr]).toEqual([0, expect.stringContaining(`Unapplied ${folder}`)])
      expect((await example.rays(['migrate', '--no-generate'])).code).toBe(0)
    },
  )
})

describe('the three lines of the README', () => {
  const sqlite = databases.find((database) => database.provider === 'sqlite')!
  test('make a migration and a database', async () => {
    const lines = blocksOf('README.md', 'sh')[1]!
      .text.split('\n')
      .filter((line) => line.startsWith('npx rays '))
    expect(lines.length).toBeGreaterThan(1)
    const database = await sqlite.fresh()
    const example = project({ provider: 'sqlite', schema: 'model User {\n  id Int @id\n}', url: 'file:./new.db' })
    try {
      for (const line of lines) {
        const run = await example.rays(line.replace('npx rays ', '').split(' '), {
          env: { DATABASE_URL: 'file:./new.db' },
        })
        expect([line, run.code, run.stderr]).toEqual([line, 0, expect.any(String)])
      }
    } finally {
      example.remove()
      await database.drop()
    }
  })
})

describeDatabases('the lines for CI and deployment, one after the other', ({ provider, fresh }) => {
  test('all end with 0, and the entrypoint of a container is one of them', async () => {
    const database = await fresh()
    const model = (...fields: string[]) => `model User {\n  id Int @id\n${fields.join('')}}`
    const example = project({ provider, schema: model(), url: database.href })
    try {
      await example.given(['makemigration', '--name', 'init'])
      example.schema(model('  name String?\n'))
      await example.given(['makemigration', '--name', 'name'])
      const lines = blocksOf('docs/deploying.md', 'sh').flatMap(({ text }) => text.trim().split('\n'))
      expect(lines.length).toBeGreaterThan(6)
      for (const line of lines) {
        const run = await example.rays(line.replace('npx rays ', '').split(' '))
        expect([line, run.code, run.stderr]).toEqual([line, 0, expect.any(String)])
      }
      const others = ['yaml', 'dockerfile'].flatMap((language) => blocksOf('docs/deploying.md', language))
      const typed = others.flatMap(({ text }) => [...text.matchAll(/npx rays [^&"\n]*[^&"\n ]/g)].map(([line]) => line))
      expect(typed.length).toBeGreaterThan(3)
      for (const line of typed) expect(lines.some((known) => known.startsWith(line))).toBe(true)
    } finally {
      example.remove()
      await database.drop()
    }
  })
})
