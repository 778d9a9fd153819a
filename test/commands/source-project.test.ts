/** The workflow of prisma-rays 4, whose users know these commands by heart. */
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { quoted, type Workspace, workspace } from '../support/workspace.js'

const user = (...fields: string[]) =>
  `model User {\n  id Int @id @default(autoincrement())\n  ${fields.join('\n  ')}\n}`

describeDatabases('the workflow of the source project', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    // The configuration as the source project's init wrote it, and the URL from .env.
    ws = await workspace(on, {
      schema: user('email String'),
      files: {
        'raysconfig.js': `module.exports = {
  migrationsDir: './prisma/migrations',
  schemaPath: './prisma/schema.prisma',
  databaseUrl: process.env.DATABASE_URL,
  shadowDatabaseName: null,
  verboseLogging: false,
}
`,
      },
    })
  })
  afterAll(() => ws.drop())

  test('a brand new database gets its tables by push --y', async () => {
    await ws.ok('push --y')
    expect(await ws.tables()).toEqual(['User'])
    await ws.sql(`INSERT INTO "User" (email) VALUES ('ada@example.com')`)
  })

  test('prepare --y starts managing it once; what is in the tables stays', async () => {
    await ws.ok('prepare --y')
    expect(await ws.applied()).toEqual(['init'])
    expect(await ws.sql('SELECT email FROM "User"')).toEqual([{ email: 'ada@example.com' }])
    await ws.fails(2, 'prepare --y')
  })

  test('migrations are made without being applied, at any state of the database', async () => {
    ws.project.schema(user('email String', 'nick String?'))
    await ws.ok('makemigration --name add_nick')
    ws.project.schema(user('email String', 'nick String?', 'age Int?'))
    await ws.ok('makemigrations --name add_age')
    expect(await ws.applied()).toEqual(['init'])
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init', 'add_nick', 'add_age'])
  })

  test('nothing changed: nothing is written; --blank writes an empty one', async () => {
    expect((await ws.ok('makemigration --name nothing')).stdout).toContain('No schema changes detected')
    expect(ws.folders()).toHaveLength(3)
    await ws.ok('makemigration --name blank --blank')
    expect(ws.folders()).toHaveLength(4)
  })

  test('each migration keeps code with both ways, the script for Prisma, and a copy of the schema', () => {
    const folder = path.join(ws.project.folder, 'prisma/migrations', ws.folder('add_nick'))
    expect(readdirSync(folder).sort()).toEqual([
      'README.md',
      'migration.js',
      'migration.schema.prisma',
      'migration.sql',
    ])
    expect(ws.migration('add_nick')).toMatch(/\[\s*addUserNick,\s*dropUserNick\s*\]/)
    expect(ws.migration('add_nick', 'migration.sql')).toContain('nick')
    expect(ws.migration('add_nick', 'migration.schema.prisma')).not.toContain('age')
  })

  test('migrate --name goes up to it, and down to it', async () => {
    await ws.ok(['migrate', '--name', ws.folder('add_nick')])
    expect(await ws.applied()).toEqual(['init', 'add_nick'])
    expect(ws.read('prisma/schema.prisma')).toBe(ws.migration('add_nick', 'migration.schema.prisma'))
    await ws.ok(['migrate', '--name', ws.folder('init'), '--y'])
    expect(await ws.applied()).toEqual(['init'])
    expect(ws.read('prisma/schema.prisma')).toBe(ws.migration('init', 'migration.schema.prisma'))
    await ws.ok('migrate')
    expect(await ws.applied()).toEqual(['init', 'add_nick', 'add_age', 'blank'])
    expect(await ws.sql('SELECT email, nick, age FROM "User"')).toEqual([
      { email: 'ada@example.com', nick: null, age: null },
    ])
  })

  test('--fake changes the state only, both ways, with and without a name', async () => {
    const structure = (text: string) =>
      text
        .split('\n')
        .filter((line) => !line.includes('_prisma_migrations'))
        .join('\n')
    const before = structure(await dumpSchema(ws.db))
    await ws.ok(['migrate', '--fake', '--name', ws.folder('init')])
    expect(await ws.applied()).toEqual(['init'])
    await ws.ok('migrate --fake')
    expect(await ws.applied()).toHaveLength(4)
    expect(structure(await dumpSchema(ws.db))).toBe(before)
  })

  test('own operations between the generated ones use the client and its parameters', async () => {
    const users = quoted(on, 'User')
    ws.project.write({
      [`prisma/migrations/${ws.folder('blank')}/migration.js`]: `
const setNicks = async ({ client }) => {
  const rows = await client.query('SELECT id, email FROM ${users} WHERE email = :? AND nick IS NULL', ['ada@example.com'])
  for (const row of rows) await client.execute('UPDATE ${users} SET nick = :? WHERE id = :?', [row.email.split('@')[0], row.id])
}
const clearNicks = async ({ client }) => client.execute('UPDATE ${users} SET nick = NULL')
module.exports = [[setNicks, clearNicks]]
`,
    })
    await ws.ok('migrate --fake --name -1')
    await ws.ok('migrate')
    expect(await ws.sql('SELECT nick FROM "User"')).toEqual([{ nick: 'ada' }])
    await ws.ok('migrate --name -1')
    expect(await ws.sql('SELECT nick FROM "User"')).toEqual([{ nick: null }])
    await ws.ok('migrate')
  })

  test('status tells migrations and schema', async () => {
    const { stdout } = await ws.ok('status')
    expect(stdout).toContain('4 applied, 0 pending')
    expect(stdout).toContain('Database: as the applied migrations made it.')
    expect(stdout).toContain('Schema: as the newest migration has it.')
  })

  test('the database is checked against the folder before anything is done', async () => {
    const rows = await history(ws.db)
    await ws.sql(`UPDATE _prisma_migrations SET migration_name = '20200101000000_other' WHERE id = '${rows[2]!.id}'`)
    ws.project.schema(user('email String', 'nick String?', 'age Int?', 'more Int?'))
    await ws.ok('makemigration --name more --no-verify')
    const { stderr } = await ws.fails(3, 'migrate')
    expect(stderr).toContain(ws.folder('add_age'))
    await ws.sql(
      `UPDATE _prisma_migrations SET migration_name = '${rows[2]!.migration_name}' WHERE id = '${rows[2]!.id}'`,
    )
    await ws.ok('migrate')
  })

  test('messages are short: no log of Prisma’s and no statement, unless --log asks for them', async () => {
    const quiet = await ws.ok('migrate --name -1 --y')
    expect((quiet.stdout + quiet.stderr).trim().split('\n').length).toBeLessThan(10)
    expect(quiet.stdout + quiet.stderr).not.toMatch(/ALTER TABLE|SELECT/)
    const verbose = await ws.ok('migrate --log')
    expect(verbose.stderr).toMatch(/\[\d+\.\d ms\] .*ALTER TABLE/)
  })

  test('a project of Prisma Migrate is taken over by deleting its folders and preparing', async () => {
    const lock = ws.read('prisma/migrations/migration_lock.toml')
    for (const folder of ws.folders()) {
      rmSync(path.join(ws.project.folder, 'prisma/migrations', folder), { recursive: true })
    }
    await ws.sql('DROP TABLE _prisma_migrations')
    await ws.ok('prepare --y')
    expect(ws.read('prisma/migrations/migration_lock.toml')).toBe(lock)
    expect(await ws.applied()).toEqual(['init'])
    expect(await ws.sql('SELECT nick FROM "User"')).toEqual([{ nick: 'ada' }])
    await ws.ok('status --check --strict')
  })
})

describeDatabases('ups and downs of different numbers', (on) => {
  test('are grouped with a note, which --autoresolve leaves out; where they pair, there is no note', async () => {
    const model = (type: string) => `model Item {\n  id   Int   @id\n  code ${type}\n\n  @@index([code])\n}`
    const ws = await workspace(on, { schema: model('Int?') })
    await ws.ok('makemigration --name init --no-verify')
    ws.project.schema(model(on.provider === 'mysql' ? 'BigInt?' : 'String?'))
    const preview = await ws.ok('makemigration --no-verify --dry-run --json')
    const { data } = preview.json<{ data: { migrations: { grouped: boolean; operations: string[] }[] } }>()
    // Going back from a text to a number PostgreSQL's column is built anew, and with it the index: two statements for one.
    expect(data.migrations[0]!.grouped).toBe(on.provider === 'postgresql')
    expect(data.migrations[0]!.operations).toHaveLength(1)
    const spoken = await ws.ok('makemigration --no-verify --dry-run')
    expect(/form one operation/.test(spoken.stderr)).toBe(on.provider === 'postgresql')
    const silent = await ws.ok('makemigration --name text --autoresolve')
    expect(silent.stderr).not.toContain('form one operation')
    await ws.ok('migrate')
    await ws.ok('migrate --name zero --y')
    await ws.drop()
  })
})
