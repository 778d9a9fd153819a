/** Which files of a migration's folder run as hooks, and what is refused or named that would not. */
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const NAME = '20260101000000_a'
const FOLDER = `prisma/migrations/${NAME}`

let db: FreshDatabase
let app: TestProject

function given(files: Record<string, string | Buffer> = {}): void {
  app = project({
    provider: db.provider,
    url: db.href,
    schema: 'model A {\n  id Int @id\n}\n',
    config: { generate: false },
  })
  app.write({
    'prisma/migrations/migration_lock.toml': `provider = "${db.provider}"\n`,
    [`${FOLDER}/migration.sql`]: 'CREATE TABLE "A" ("id" INTEGER NOT NULL PRIMARY KEY);\n'.replaceAll(
      '"',
      db.provider === 'mysql' ? '`' : '"',
    ),
    [`${FOLDER}/migration.js`]:
      "module.exports = [[({ client }) => client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY, x VARCHAR(20))'), ({ client }) => client.execute('DROP TABLE a')]]\n",
  })
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(app.folder, FOLDER, name), content)
}

const refused = async (told: RegExp) => {
  for (const line of [['migrate'], ['migrate', '--plan'], ['up', '--y']]) {
    const { code, stderr } = await app.rays(line)
    expect({ line, code, stderr }).toEqual({ line, code: 2, stderr: expect.stringMatching(told) })
    expect(stderr).not.toMatch(/\n\s+at /)
  }
  const table = await db.query('SELECT * FROM a').then(
    () => 'there',
    () => 'not there',
  )
  expect(table).toBe('not there')
}

describeDatabases(
  'a file of a migration',
  (database) => {
    beforeEach(async () => {
      db = await database.fresh()
    })
    afterEach(async () => {
      app?.remove()
      await db.drop()
    })

    test.each([
      'Before.sh',
      'AFTER.sql',
      'before.py',
      'after.rb',
      'before.up.sh',
      'After',
      'before.UP.sql',
      'after.jsx',
    ])('that was meant to be a hook and would not run is refused: %s', async (name) => {
      given({ [name]: '' })
      await refused(
        new RegExp(
          `${name} looks like a hook and is none.*\\n.*${FOLDER}/${name}\\n.*Hooks are called before or after`,
        ),
      )
      for (const line of [['status'], ['makemigration', '--check']]) {
        const { stderr } = await app.rays(line)
        expect({ line, stderr }).toEqual({ line, stderr: expect.stringContaining(`${name} looks like a hook`) })
      }
    })

    test.each([
      'before.sql.bak',
      'before.sh~',
      'after.md',
      'pre.sql',
      'post-migrate.sh',
      'beforeAll.js',
      'before_up.sql',
    ])('that resembles a hook is named, and does not stop a migration: %s', async (name) => {
      given({ [name]: '' })
      for (const line of [['status'], ['migrate']]) {
        const { code, stderr } = await app.rays(line)
        expect({ line, code, stderr }).toEqual({
          line,
          code: 0,
          stderr: expect.stringContaining(`${name} looks like a hook`),
        })
      }
    })

    test('any other is nobody’s business', async () => {
      given({ 'afterwards.js': '', 'helper.mjs': '', 'data.csv': Buffer.from([0xff]), 'beforehand.txt': '' })
      const { code, stderr } = await app.rays(['migrate'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('hook') })
    })

    test.each([
      ['before.mjs', "import { writeFileSync } from 'node:fs'\nwriteFileSync('log', 'ran')\n"],
      ['before.cjs', "require('node:fs').writeFileSync('log', 'ran')\n"],
      [
        'before.mts',
        "import { writeFileSync } from 'node:fs'\nconst text: string = 'ran'\nwriteFileSync('log', text)\n",
      ],
      ['before.cts', "const fs = require('node:fs')\nconst text: string = 'ran'\nfs.writeFileSync('log', text)\n"],
      [
        'before.ts',
        "import { writeFileSync } from 'node:fs'\nimport { text } from './text'\nwriteFileSync('log', text)\n",
      ],
    ])('runs as a hook: %s', async (name, code) => {
      given({
        [name]: code,
        'text.ts': "export const text: string = process.argv[1]!.endsWith('before.ts') ? 'ran' : ''\n",
      })
      expect(await app.rays(['migrate'])).toMatchObject({ code: 0 })
      expect(readFileSync(path.join(app.folder, 'log'), 'utf8')).toBe('ran')
    })

    test('a program that cannot be started is told before the migration runs', async () => {
      given({ after: '#!/bin/sh\n' })
      await refused(/after is not executable.*\n.*chmod \+x/)
      chmodSync(path.join(app.folder, FOLDER, 'after'), 0o755)
      expect(await app.rays(['migrate'])).toMatchObject({ code: 0 })
    })

    const latin1 = (text: string) => Buffer.from(text, 'latin1')
    test.each<[string, Record<string, Buffer | string>]>([
      ['after.sql', { 'after.sql': latin1("INSERT INTO a VALUES (1, 'café');\n") }],
      ['before.js', { 'before.js': latin1("console.log('café')\n") }],
      ['before.ts', { 'before.ts': latin1("console.log('café' as string)\n") }],
      ['before.sh', { 'before.sh': latin1('echo café\n') }],
      ['text.mjs', { 'before.mjs': "import './text.mjs'\n", 'text.mjs': latin1("console.log('café')\n") }],
      ['text.cjs', { 'before.js': "require('./te' + 'xt.cjs')\n", 'text.cjs': latin1("console.log('café')\n") }],
    ])('a hook that is not UTF-8, or loads what is not, is refused: %s', async (name, files) => {
      given(files)
      await refused(new RegExp(`${name} is not valid UTF-8: byte \\d+ in line 1 `))
    })

    test('a SQL hook that cannot be split into statements is refused', async () => {
      given({ 'after.sql': "INSERT INTO a VALUES (1, 'x);\n" })
      await refused(/after\.sql cannot be read/)
    })

    test.each(['raysconfig.js', '.env', 'prisma/schema.prisma'])('configuration is UTF-8: %s', async (name) => {
      given()
      const file = path.join(app.folder, name)
      const text = name === '.env' ? 'X=1\n' : readFileSync(file, 'utf8')
      writeFileSync(file, latin1(`${text}\n${name === '.env' ? '#' : '//'} café\n`))
      const { code, stderr } = await app.rays(['status'])
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/is not valid UTF-8: byte \d+ in line/),
      })
    })

    test('nothing that runs is kept in a shared temporary folder', async () => {
      given({ 'before.ts': "const text: string = 'the hook'\nconsole.log(text)\n" })
      const shared = path.join(app.folder, 'shared')
      app.write({ 'shared/.keep': '' })
      const env = { TMPDIR: shared, TMP: shared, TEMP: shared }
      expect(await app.rays(['migrate'], { env })).toMatchObject({ code: 0 })
      const left = readdirSync(shared, { recursive: true, encoding: 'utf8' }).filter(
        (name) => statSync(path.join(shared, name)).isFile() && name !== '.keep',
      )
      expect(left).toEqual([])
    })

    test.each([
      ['status'],
      ['migrate'],
      ['makemigration', '--check'],
      ['doctor'],
      ['adopt'],
      ['squash', 'all'],
      ['rebase', '--y'],
      ['eject', '--y'],
      ['export', 'knex', 'out'],
      ['sqlmigrate', NAME],
      ['up', '--y'],
    ])('that is a link is refused by its path in every command: %s', async (...line) => {
      given()
      symlinkSync('/etc/passwd', path.join(app.folder, FOLDER, 'migration.schema.prisma'))
      const { code, stdout, stderr } = await app.rays(line)
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/migration\.schema\.prisma is not a file but a symbolic link/),
      })
      expect(stdout + stderr).not.toContain('root:')
    })

    test('a folder whose name is not UTF-8 is told without a stack', async () => {
      given()
      const root = path.join(app.folder, 'prisma/migrations')
      const { mkdirSync } = await import('node:fs')
      mkdirSync(Buffer.concat([Buffer.from(`${root}/20260102000000_caf`), Buffer.from([0xe9])]))
      for (const line of [['status'], ['migrate'], ['makemigration', '--check']]) {
        const { code, stderr } = await app.rays(line)
        expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('20260102000000_caf\\xE9') })
        expect(stderr).not.toMatch(/\n\s+at /)
      }
    })
  },
  (provider) => provider === 'sqlite',
)

describeDatabases('a byte order mark', (database) => {
  test('is no part of a script', async () => {
    db = await database.fresh()
    given({
      'migration.js':
        "\ufeffmodule.exports = [[({ client }) => client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY, x VARCHAR(20))'), ({ client }) => client.execute('DROP TABLE a')]]\n",
      'after.sql': "\ufeffINSERT INTO a VALUES (1, 'x');\n",
    })
    const bare = 'prisma/migrations/20260102000000_b'
    app.write({ [`${bare}/migration.sql`]: "\ufeffINSERT INTO a VALUES (2, 'y');\nINSERT INTO a VALUES (3, 'z');\n" })
    try {
      expect(await app.rays(['migrate'])).toMatchObject({ code: 0 })
      expect((await db.query('SELECT id FROM a ORDER BY id')).map(({ id }) => Number(id))).toEqual([1, 2, 3])
      expect(await history(db)).toHaveLength(2)
    } finally {
      app.remove()
      await db.drop()
    }
  })
})
