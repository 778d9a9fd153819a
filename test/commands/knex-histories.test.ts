/** Knex, Prisma and rays on one history, and what a project brings along: nobody runs anything twice, no row is lost. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { CLIENTS, type KnexProject, knexProject, type Ran } from '../support/knex.js'
import { prisma } from '../support/prisma.js'
import type { Output } from '../support/project.js'

function ok<T extends Ran | Output>(ran: T): T {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

describeDatabases('one history', ({ fresh, provider }) => {
  const q = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  let db: FreshDatabase
  let project: KnexProject
  const start = async (schema: string, files: Readonly<Record<string, string>> = {}) => {
    db = await fresh()
    project = knexProject(db, { schema, config: { generate: false }, files })
  }
  afterEach(async () => {
    project.remove()
    await db.drop()
  })
  const applied = async () =>
    (await history(db)).filter((row) => row.finished_at !== null).map((row) => String(row.migration_name))
  const migration = (up: string, down: string, config = '') =>
    `exports.up = async (knex) => { ${up} }\nexports.down = async (knex) => { ${down} }\n${config}`
  const USERS = migration(
    "await knex.schema.createTable('users', (t) => { t.increments('id'); t.string('email'); t.string('phone') })",
    "await knex.schema.dropTable('users')",
  )
  const POSTS = migration(
    "await knex.schema.createTable('posts', (t) => { t.increments('id'); t.integer('user').unsigned().references('id').inTable('users').onDelete('CASCADE') })",
    "await knex.schema.dropTable('posts')",
  )
  const WITHOUT_PHONE = migration(
    "await knex.schema.table('users', (t) => { t.dropColumn('phone') })",
    "await knex.schema.table('users', (t) => { t.string('phone') })",
  )
  const rows = async () => {
    await db.query("INSERT INTO users (email) VALUES ('a')")
    await db.query(`INSERT INTO posts (${q('user')}) VALUES (1)`)
  }

  test('Prisma deploys, Knex goes on, Prisma finds all of it applied, and Knex rolls back', async () => {
    const config = `export default { schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } }\n`
    const models = (more = '') =>
      `datasource db {\n  provider = "${provider}"\n}\n\nmodel Item {\n  id Int @id\n${more}}\n`
    await start(models(), { 'prisma.config.ts': config })
    await project.given(['makemigration', '--name', 'one'])
    project.write({ 'prisma/schema.prisma': models('  n Int?\n') })
    await project.given(['makemigration', '--name', 'two'])
    const [one, two] = readdirSync(path.join(project.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
    const asked = (...args: string[]) => prisma(project.folder, args, { url: db.href })
    ok(await project.knex('migrate:up'))
    expect(await applied()).toEqual([one])
    expect(ok(await asked('migrate', 'deploy')).stdout).toContain(two)
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
    ok(await project.knex('migrate:down'))
    const behind = await asked('migrate', 'status')
    expect([behind.code, behind.stdout]).toEqual([1, expect.stringContaining(two!)])
    ok(await project.knex('migrate:latest'))
    expect(ok(await asked('migrate', 'status')).stdout).toContain('up to date')
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
  })

  test('what Knex ran before the project was imported is not run again where it is deployed', async () => {
    await start('', { 'migrations/20200101000000_users.js': USERS })
    const elsewhere = await fresh()
    try {
      // Production, as Knex alone has left it.
      ok(await project.knex('migrate:latest'))
      await db.query('DROP TABLE _prisma_migrations').catch(() => undefined)
      await db.query("INSERT INTO users (email) VALUES ('a')")
      // A developer imports the project, with a database of their own.
      const env = { DATABASE_URL: elsewhere.href }
      ok(await project.rays(['import', 'knex', 'migrations'], { env }))
      project.write({ 'migrations/20200101000000_users.js': USERS })
      // Without Prisma's table, too, a rollback is one.
      ok(await project.knex('migrate:down'))
      expect(await dumpSchema(db)).not.toContain('users')
      expect(await applied()).toEqual([])
      ok(await project.knex('migrate:up'))
      await db.query("INSERT INTO users (email) VALUES ('a')")
      await db.query('DROP TABLE _prisma_migrations')
      ok(await project.rays(['makemigration', '--name', 'more', '--blank'], { env }))
      for (const _ of [1, 2]) ok(await project.knex('migrate:latest'))
      expect(ok(await project.knex('migrate:list')).stdout).toContain('No Pending Migration files Found')
      expect((await applied()).map((name) => name.slice(15))).toEqual(['users', 'more'])
      expect(await db.query('SELECT email FROM users')).toEqual([{ email: 'a' }])
    } finally {
      await elsewhere.drop()
    }
  })

  test('a table that Knex builds anew keeps its children: imported, exported, and beside rays', async () => {
    const files = {
      'migrations/20200101000000_users.js': USERS,
      'migrations/20200102000000_posts.js': POSTS,
      'migrations/20200103000000_phone.js': WITHOUT_PHONE,
    }
    await start('', files)
    // As Knex's own files beside those of rays.
    for (const _ of [1, 2]) ok(await project.knex('migrate:up'))
    await rows()
    ok(await project.knex('migrate:up'))
    expect(await db.query('SELECT id FROM posts')).toHaveLength(1)
    ok(await project.knex('migrate:rollback', '--all'))
    // Imported, and run by rays.
    ok(await project.rays(['import', 'knex', 'migrations']))
    ok(await project.rays(['migrate', '--name', '+2']))
    await rows()
    ok(await project.rays(['migrate']))
    expect(await db.query('SELECT id FROM posts')).toHaveLength(1)
    // Exported, and run by Knex alone.
    ok(await project.rays(['export', 'knex', 'plain']))
    const other = await fresh()
    try {
      const connection =
        provider === 'sqlite' ? `{ filename: '${other.href.replace('file:', '')}' }` : `'${other.href}'`
      ok(
        await project.node(`import knexModule from 'knex'
const knex = knexModule({ client: '${CLIENTS[provider]}', connection: ${connection}, useNullAsDefault: true, migrations: { directory: './plain' } })
await knex.migrate.up()
await knex.migrate.up()
await knex('users').insert({ email: 'a' })
await knex('posts').insert({ user: 1 })
await knex.migrate.up()
await knex.destroy()`),
      )
      expect(await other.query('SELECT id FROM posts')).toHaveLength(1)
    } finally {
      await other.drop()
    }
  })

  test('a way down that does nothing, or fails, is imported with a note, and the next ones stand on the right state', async () => {
    await start('', {
      'migrations/20200101000000_users.js': USERS.replace(/exports\.down[\s\S]*/, 'exports.down = async () => {}\n'),
      'migrations/20200102000000_posts.js': POSTS.replace(
        "dropTable('posts')",
        "dropTable('posts'); throw new Error('no')",
      ),
      'migrations/20200103000000_phone.js': WITHOUT_PHONE,
    })
    const run = ok(await project.rays(['import', 'knex', 'migrations', '--json']))
    const { imported } = run.json<{ data: { imported: { down: string }[] } }>().data
    expect(imported.map(({ down }) => down)).toEqual(['different', 'missing', 'verified'])
    ok(await project.rays(['migrate']))
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
  })

  test.each(['written by hand', 'that rays knex init writes'])(
    'an environment of Knex is that of rays, too, with a knexfile %s',
    async (from) => {
      const byHand = from === 'written by hand'
      await start('model Item {\n  id Int @id\n}', {
        'knexfile.js': `const { knexFilePrismaAdapter } = require('prisma-rays/knex')
const shared = { client: '${CLIENTS[provider]}' }
module.exports = knexFilePrismaAdapter({ development: shared, production: shared, staging: shared })
`,
      })
      const production = await fresh()
      try {
        project.write({
          'raysconfig.js': `module.exports = { generate: false, environments: {
  development: { databaseUrl: process.env.DATABASE_URL },
  production: { databaseUrl: process.env.PRODUCTION_URL },
} }\n`,
          '.env': `DATABASE_URL=${JSON.stringify(db.href)}\n`,
          '.env.production': `PRODUCTION_URL=${JSON.stringify(production.href)}\n`,
        })
        await project.given(['makemigration', '--name', 'one'])
        if (!byHand) {
          for (const name of ['knexfile.js', 'knexfile.mjs']) rmSync(path.join(project.folder, name), { force: true })
          ok(await project.rays(['knex', 'init', '--y', '--env', 'production']))
          expect(existsSync(path.join(project.folder, 'knexfile.mjs'))).toBe(true)
        }
        ok(await project.knex('migrate:latest', '--env', 'production'))
        // The models of Knex's tables have a migration of their own.
        expect(await history(production)).toHaveLength(byHand ? 1 : 2)
        expect(await history(db)).toEqual([])
        const unknown = await project.knex('migrate:latest', '--env', 'staging')
        expect([unknown.code, unknown.stderr + unknown.stdout]).toEqual([1, expect.stringContaining('staging')])
        expect(await history(db)).toEqual([])
        ok(await project.rays(['knex', 'init', '--y', '--env', 'production']))
        expect(await history(db)).toEqual([])
      } finally {
        await production.drop()
      }
    },
  )

  test('a squashed migration takes the place of its originals in both histories, and nothing runs', async () => {
    const models = (...names: string[]) => names.map((name) => `model ${name} {\n  id Int @id\n}`).join('\n\n')
    await start(models('A'))
    const made = () => readdirSync(path.join(project.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
    for (const names of [['A'], ['A', 'B'], ['A', 'B', 'C']]) {
      project.schema(models(...names))
      await project.given(['makemigration', '--name', `with_${names.length}`])
    }
    const knexNames = async () =>
      (await db.query('SELECT name FROM knex_migrations ORDER BY id')).map((row) => row.name)
    const others = [await fresh(), await fresh()] as const
    try {
      ok(await project.knex('migrate:latest'))
      // Elsewhere Knex is new; and elsewhere only one of the originals is applied.
      ok(await project.rays(['migrate'], { env: { DATABASE_URL: others[0].href } }))
      ok(await project.rays(['migrate', '--name', 'with_1'], { env: { DATABASE_URL: others[1].href } }))
      const before = await dumpSchema(db)
      ok(await project.rays(['squash', 'with_2']))
      expect(made()).toHaveLength(2)
      const listed = ok(await project.knex('migrate:list'))
      expect(listed.stdout).toContain('Found 2 Completed')
      expect(listed.stdout + listed.stderr).toContain('in place of the 2 migrations')
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
      expect([await applied(), (await knexNames()).sort()]).toEqual([made(), made()])
      expect(ok(await project.rays(['status', '--check', '--strict'])).code).toBe(0)
      // Where rays was first there is nothing left for Knex but its own table.
      await db.query('DELETE FROM knex_migrations')
      for (const name of ['20000101000000_with_1', ...made()])
        await db.query(`INSERT INTO knex_migrations (name, batch) VALUES ('${name}', 1)`)
      const file = path.join(project.folder, 'prisma/migrations', made()[0]!, 'replaces.txt')
      const replaces = readFileSync(file, 'utf8')
      writeFileSync(file, `20000101000000_with_1\n${replaces}`)
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
      writeFileSync(file, replaces)
      expect(await knexNames()).toEqual(made())
      const at = (database: FreshDatabase) => `import knexModule from 'knex'
process.env.DATABASE_URL = ${JSON.stringify(database.href)}
const { default: config } = await import('./knexfile.mjs')
const knex = knexModule(config)
console.log(JSON.stringify(await knex.migrate.latest()))
console.log(JSON.stringify(await knex.migrate.rollback(undefined, true)))
await knex.destroy()`
      const told = ok(await project.node(at(others[0]))).stdout.split('\n')
      const [latest, back] = told.filter((line) => line.startsWith('['))
      expect(JSON.parse(latest!)[1]).toEqual([])
      expect(JSON.parse(back!)[1].sort()).toEqual(made())
      const partly = await project.node(at(others[1]))
      expect([partly.code, partly.stderr]).toEqual([1, expect.stringMatching(/has only some of them.*git checkout/s)])
      expect(await dumpSchema(db)).toBe(before)
    } finally {
      for (const other of others) await other.drop()
    }
  })

  test('what Knex ran before Prisma was told of it stays applied for Knex, though Prisma has a history', async () => {
    const name = '20200101000000_users'
    await start('', { [`migrations/${name}.js`]: USERS })
    const elsewhere = await fresh()
    try {
      // Production has both histories. A developer imports Knex's files, with a database of their own.
      const env = { DATABASE_URL: elsewhere.href }
      ok(await project.rays(['makemigration', '--name', 'blank', '--blank'], { env }))
      ok(await project.knex('migrate:latest'))
      await db.query("INSERT INTO users (email) VALUES ('a')")
      ok(await project.rays(['import', 'knex', 'migrations'], { env }))
      const listed = ok(await project.knex('migrate:list'))
      expect(listed.stdout).toContain('Found 2 Completed')
      expect((listed.stdout + listed.stderr).split('rays knex init tells them')).toHaveLength(2)
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
      // Going down is going down.
      for (const way of ['down', 'down', 'latest']) ok(await project.knex(`migrate:${way}`))
      expect([await db.query('SELECT email FROM users'), (await applied()).length]).toEqual([[], 2])
      await db.query(`DELETE FROM _prisma_migrations WHERE migration_name = '${name}'`)
      expect(ok(await project.rays(['knex', 'init', '--y'])).stdout).toContain('1 that Knex had run are now in')
      expect((await applied()).sort()[0]).toBe(name)
      // That of Knex's own tables, which init has made.
      ok(await project.knex('migrate:latest'))
      // The file may go: the folder is the migration.
      rmSync(path.join(project.folder, 'migrations'), { recursive: true })
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
      project.write({ [`migrations/${name}.js`]: USERS })
      ok(await project.knex('migrate:list'))
      ok(await project.rays(['migrate', '--name', 'zero', '--y']))
      expect(await db.query('SELECT name FROM knex_migrations')).toEqual([])
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('3 migrations')
    } finally {
      await elsewhere.drop()
    }
  })

  test('what rays unapplies is out of both histories: init does not bring it back, and its folder may go', async () => {
    const models = (...names: string[]) => names.map((name) => `model ${name} {\n  id Int @id\n}`).join('\n\n')
    await start(models('A'), {
      'knexfile.mjs': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'
export default knexFilePrismaAdapter({ client: '${CLIENTS[provider]}', connection: process.env.DATABASE_URL, migrations: { tableName: 'my_history' } })
`,
    })
    for (const names of [['A'], ['A', 'B']]) {
      project.schema(models(...names))
      await project.given(['makemigration', '--name', `with_${names.length}`])
    }
    const ran = async () => (await db.query('SELECT name FROM my_history ORDER BY id')).map((row) => row.name)
    ok(await project.rays(['knex', 'init', '--y']))
    ok(await project.knex('migrate:latest'))
    const [one, ...others] = await applied()
    expect(await ran()).toEqual([one, ...others])
    ok(await project.rays(['migrate', '--name', 'with_1', '--y']))
    expect(await ran()).toEqual([one])
    const init = ok(await project.rays(['knex', 'init', '--y'])).stdout
    expect([init.includes('had run'), init]).toEqual([false, expect.stringContaining('Knex knows 1 applied')])
    expect(await applied()).toEqual([one])
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('2 migrations')
    // The record alone.
    ok(await project.rays(['migrate', '--fake', '--name', 'with_1']))
    expect(await ran()).toEqual([one])
    ok(await project.rays(['migrate', '--fake']))
    ok(await project.knex('migrate:list'))
    ok(await project.rays(['migrate', '--name', 'with_1', '--y']))
    for (const name of others) rmSync(path.join(project.folder, 'prisma/migrations', name), { recursive: true })
    ok(await project.knex('migrate:list'))
    ok(await project.knex('migrate:rollback', '--all'))
    expect([await ran(), await applied()]).toEqual([[], []])
  })

  test('a table of the lock into which several first starts put a row each locks nobody out', async () => {
    await start('model Item {\n  id Int @id\n}')
    await project.given(['makemigration', '--name', 'one'])
    ok(await project.knex('migrate:latest'))
    await db.query('INSERT INTO knex_migrations_lock (is_locked) VALUES (0), (0)')
    ok(await project.knex('migrate:rollback'))
    ok(await project.knex('migrate:latest'))
    expect((await db.query('SELECT is_locked FROM knex_migrations_lock')).map((row) => Number(row.is_locked))).toEqual([
      0,
    ])
    await db.query('UPDATE knex_migrations_lock SET is_locked = 1')
    await db.query('INSERT INTO knex_migrations_lock (is_locked) VALUES (0)')
    const held = await project.knex('migrate:rollback')
    expect([held.code, held.stderr + held.stdout]).toEqual([1, expect.stringContaining('already locked')])
  })

  test('rays knex init in a new project leaves its models to the first migration', async () => {
    await start('model Item {\n  id Int @id\n}')
    ok(await project.rays(['knex', 'init', '--y']))
    const { data } = ok(await project.rays(['makemigration', '--name', 'items', '--json'])).json<{
      data: { changes: boolean; migrations: { script: string }[] }
    }>()
    expect(data.migrations[0]!.script).toMatch(/CREATE TABLE ["`]Item/)
    ok(await project.knex('migrate:latest'))
    expect(await db.query(`SELECT * FROM ${q('Item')}`)).toEqual([])
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
  })
})
