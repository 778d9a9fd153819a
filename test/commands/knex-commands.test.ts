/** rays' side of Knex: setting it up, converting, filling, importing, exporting, and Knex's words. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { type KnexProject, knexProject, type Ran } from '../support/knex.js'
import type { Output } from '../support/project.js'

const USER = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}'
const WITH_AGE = USER.replace('@unique', '@unique\n  age   Int    @default(7)')

function ok<T extends Ran | Output>(ran: T): T {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

async function names(db: FreshDatabase): Promise<string[]> {
  const rows = await history(db)
  return rows
    .filter((row) => row.finished_at !== null && row.rolled_back_at === null)
    .map((row) => String(row.migration_name))
}

/** SQLite keeps the text of a table as it was written. */
const shape = async (db: FreshDatabase) => (await dumpSchema(db)).replace(/\s+/g, '')

const folders = (project: KnexProject) =>
  readdirSync(path.join(project.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))

async function make(project: KnexProject, name: string): Promise<string> {
  const ran = ok(await project.rays(['makemigration', '--name', name, '--json', '--no-verify']))
  return ran.json<{ data: { migrations: { name: string }[] } }>().data.migrations[0]!.name
}

describeDatabases('rays and Knex', ({ fresh, provider }) => {
  const q = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  let db: FreshDatabase
  let project: KnexProject
  const start = async (schema: string, options = {}) => {
    db = await fresh()
    project = knexProject(db, { schema, config: { generate: false }, ...options })
  }
  afterEach(async () => {
    project.remove()
    await db.drop()
  })

  /** As Prisma writes it: a folder with SQL only. */
  const byPrisma = (name: string, sql: string) =>
    project.write({
      [`prisma/migrations/${name}/migration.sql`]: sql,
      'prisma/migrations/migration_lock.toml': `provider = "${provider}"\n`,
    })
  const id = {
    sqlite: 'INTEGER PRIMARY KEY AUTOINCREMENT',
    postgresql: 'SERIAL PRIMARY KEY',
    mysql: 'INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY',
  }[provider]
  const createUser = `CREATE TABLE ${q('User')} (${q('id')} ${provider === 'sqlite' ? 'INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT' : id}, ${q('email')} ${provider === 'mysql' ? 'VARCHAR(191)' : 'TEXT'} NOT NULL);\nCREATE UNIQUE INDEX ${q('User_email_key')} ON ${q('User')}(${q('email')});\n`

  test('rays knex init sets everything up, asks about each step, and may be repeated', async () => {
    await start(USER, { files: { 'knexfile.mjs': '' } })
    const unasked = await project.rays(['knex', 'init', '--no-input'])
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('--y')])
    project.write({ 'knexfile.mjs': '' })
    await make(project, 'first')
    ok(await project.rays(['migrate']))
    const { rmSync } = await import('node:fs')
    rmSync(path.join(project.folder, 'knexfile.mjs'))
    const run = ok(await project.rays(['knex', 'init', '--y', '--json']))
    type Steps = { data: { steps: { step: string; state: string }[] } }
    expect(run.json<Steps>().data.steps.map(({ step, state }) => [step, state])).toEqual([
      ['knexfile', 'done'],
      ['script', 'done'],
      ['tables', 'done'],
      ['history', 'done'],
    ])
    expect(readFileSync(path.join(project.folder, 'knexfile.mjs'), 'utf8')).toContain('knexFilePrismaAdapter')
    const manifest = JSON.parse(readFileSync(path.join(project.folder, 'package.json'), 'utf8'))
    expect(manifest.scripts['create-migration']).toBe('prisma migrate dev --create-only && rays knex convert')
    expect(readFileSync(path.join(project.folder, 'prisma/schema.prisma'), 'utf8')).toContain(
      'model knex_migrations_lock',
    )
    expect((await db.query('SELECT name FROM knex_migrations')).map((row) => row.name)).toEqual([folders(project)[0]])
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('1 migrations')
    expect(await names(db)).toEqual(folders(project))
    const again = ok(await project.rays(['knex', 'init', '--y', '--json'])).json<Steps>()
    expect(again.data.steps.map(({ state }) => state)).toEqual(['present', 'present', 'present', 'done'])
    expect(ok(await project.rays(['makemigration', '--check'])).code).toBe(0)
    ok(await project.knex('migrate:rollback'))
    ok(await project.knex('migrate:latest'))
  })

  test('rays knex init names the tables in prisma.config.ts, and records what Knex had run before', async () => {
    await start(USER, {
      files: {
        'prisma.config.ts': "export default {\n  schema: 'prisma/schema.prisma',\n}\n",
      },
    })
    byPrisma('20260101000000_first', createUser)
    await db.query(
      `CREATE TABLE knex_migrations (id ${id}, name VARCHAR(255), batch INTEGER, migration_time ${provider === 'postgresql' ? 'timestamptz' : 'timestamp NULL'})`,
    )
    await db.query("INSERT INTO knex_migrations (name, batch) VALUES ('20260101000000_first', 1)")
    await db.query(createUser)
    const run = ok(await project.rays(['knex', 'init', '--y']))
    expect(run.stdout).toContain('1 that Knex had run are now in _prisma_migrations')
    expect(await names(db)).toEqual(['20260101000000_first'])
    const config = readFileSync(path.join(project.folder, 'prisma.config.ts'), 'utf8')
    expect(config).toMatch(
      /tables: \{ external: \['(public\.)?knex_migrations', '(public\.)?knex_migrations_lock'\] \}/,
    )
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
  })

  test('rays knex convert gives Prisma migrations a file in Knex form with a down, which Knex and rays both run', async () => {
    await start(WITH_AGE)
    byPrisma('20260101000000_first', createUser)
    byPrisma('20260102000000_age', `ALTER TABLE ${q('User')} ADD COLUMN ${q('age')} INTEGER NOT NULL DEFAULT 7;\n`)
    const refused = await project.knex('migrate:latest')
    ok(refused)
    const noDown = await project.knex('migrate:down')
    expect([noDown.code, noDown.stderr]).toEqual([1, expect.stringContaining('has no way down')])
    const run = ok(await project.rays(['knex', 'convert']))
    expect(run.stdout.match(/its down is proven/g)).toHaveLength(2)
    const file = path.join(project.folder, 'prisma/migrations/20260102000000_age/migration.mjs')
    expect(readFileSync(file, 'utf8')).toContain('export async function down(knex)')
    expect(ok(await project.rays(['knex', 'convert'])).stdout).toContain('All migrations are converted')
    const full = await shape(db)
    expect(ok(await project.knex('migrate:down')).stdout).toContain('20260102000000_age')
    expect(await names(db)).toEqual(['20260101000000_first'])
    ok(await project.rays(['migrate']))
    expect(await shape(db)).toBe(full)
    ok(await project.rays(['migrate', '--name', 'zero', '--y']))
    expect(await names(db)).toEqual([])
    ok(await project.knex('migrate:latest'))
    expect(await shape(db)).toBe(full)
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
  })

  test("knex migrate:make | rays knex fill puts the schema's changes into Knex's file, and all three know it", async () => {
    await start(USER)
    await make(project, 'first')
    project.schema(WITH_AGE)
    const made = ok(await project.knex('migrate:make', 'add_age')).stdout
    const filled = ok(await project.rays(['knex', 'fill'], { input: made }))
    expect(filled.stdout).toMatch(/Filled migrations\/\d{14}_add_age/)
    const [file] = readdirSync(path.join(project.folder, 'migrations'))
    const stem = path.parse(file!).name
    expect(folders(project)).toContain(stem)
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('2 migrations')
    expect(await names(db)).toEqual(folders(project))
    expect((await db.query('SELECT name FROM knex_migrations ORDER BY id')).at(-1)!.name).toBe(file)
    const full = await dumpSchema(db)
    ok(await project.rays(['migrate', '--name', '-1', '--y']))
    expect(ok(await project.knex('migrate:list')).stdout).toContain('Found 1 Pending')
    ok(await project.rays(['migrate']))
    expect(await dumpSchema(db)).toBe(full)
    ok(await project.knex('migrate:down'))
    ok(await project.knex('migrate:up'))
    expect(await dumpSchema(db)).toBe(full)
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
    const none = ok(await project.rays(['knex', 'fill', `migrations/${file}`]))
    expect(none.stdout).toContain('No schema changes detected')
    expect((await project.rays(['knex', 'fill', 'nowhere.js'])).code).toBe(2)
  })

  test('rays import knex makes migrations of plain Knex ones; rays export knex makes the way back', async () => {
    await start('')
    const write = (name: string, up: string, down: string) =>
      project.write({
        [`migrations/${name}.js`]: `exports.up = async (knex) => { ${up} }\nexports.down = async (knex) => { ${down} }\n`,
      })
    write(
      '001_initial',
      "await knex.schema.createTable('users', (t) => { t.increments('id'); t.string('email') })",
      "await knex.schema.dropTable('users')",
    )
    write(
      '20260101000000_phone',
      "await knex.schema.table('users', (t) => { t.string('phone').nullable() }); await knex('users').insert({ email: 'it\\'s ?' })",
      "await knex('users').del(); await knex.schema.table('users', (t) => { t.dropColumn('phone') })",
    )
    ok(await project.knex('migrate:latest'))
    const run = ok(await project.rays(['import', 'knex', 'migrations', '--json']))
    const { data } = run.json<{ data: { imported: { name: string; down: string }[]; recorded: number } }>()
    expect(data.imported.map(({ name, down }) => [name, down])).toEqual([
      ['00000000000001_initial', 'verified'],
      ['20260101000000_phone', 'verified'],
    ])
    expect(data.recorded).toBe(2)
    expect(readFileSync(path.join(project.folder, 'prisma/schema.prisma'), 'utf8')).toContain('model users')
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
    expect(ok(await project.knex('migrate:list')).stdout).toContain('Found 2 Completed')
    const full = await dumpSchema(db)
    ok(await project.rays(['migrate', '--name', 'zero', '--y']))
    ok(await project.rays(['migrate']))
    expect((await db.query('SELECT email FROM users')).map((row) => row.email)).toEqual(["it's ?"])
    const withoutKnex = (text: string) =>
      text
        .split('\n')
        .filter((line) => !/knex_/.test(line))
        .join('\n')
    expect(withoutKnex(await dumpSchema(db))).toBe(withoutKnex(full))
    expect(ok(await project.rays(['import', 'knex', 'migrations'])).stdout).toContain('imported already')

    ok(await project.rays(['export', 'knex', 'plain']))
    expect(readdirSync(path.join(project.folder, 'plain'))).toEqual([
      '00000000000001_initial.js',
      '20260101000000_phone.js',
    ])
    const other = await fresh()
    try {
      const { CLIENTS } = await import('../support/knex.js')
      const connection =
        provider === 'sqlite' ? `{ filename: '${other.href.replace('file:', '')}' }` : `'${other.href}'`
      ok(
        await project.node(`import knexModule from 'knex'
const knex = knexModule({ client: '${CLIENTS[provider]}', connection: ${connection}, useNullAsDefault: true, migrations: { directory: './plain' } })
await knex.migrate.latest()
await knex.migrate.rollback()
await knex.migrate.latest()
await knex.destroy()`),
      )
      expect(await other.query('SELECT email FROM users')).toEqual([{ email: "it's ?" }])
    } finally {
      await other.drop()
    }
  })

  test('rays rollback undoes the last run, rollback --all everything; unlock frees what Knex left', async () => {
    await start(USER)
    const first = await make(project, 'first')
    ok(await project.rays(['migrate']))
    project.schema(WITH_AGE)
    const second = await make(project, 'second')
    project.schema(WITH_AGE.replace('@default(7)', '@default(7)\n  city  String?'))
    const third = await make(project, 'third')
    ok(await project.knex('migrate:latest'))
    expect(await names(db)).toEqual([first, second, third])
    ok(await project.rays(['rollback', '--y']))
    expect(await names(db)).toEqual([first])
    ok(await project.rays(['migrate']))
    ok(await project.rays(['rollback', '--all', '--y']))
    expect(await names(db)).toEqual([])
    ok(await project.rays(['latest']))
    await db.query('UPDATE knex_migrations_lock SET is_locked = 1')
    expect(ok(await project.rays(['unlock'])).stdout).toContain("Freed Knex's lock")
    expect(ok(await project.rays(['unlock'])).stdout).toContain('was free')
    ok(await project.knex('migrate:rollback'))
    expect(ok(await project.rays(['list'])).stdout).toContain(first)
    expect(existsSync(path.join(project.folder, 'prisma/migrations', third))).toBe(true)
  })

  test('--env selects an environment, and production asks before it loses data', async () => {
    await start(WITH_AGE)
    const config = (url: string) =>
      `module.exports = { schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations', generate: false, environments: { development: { databaseUrl: 'file:./nowhere.db' }, production: { databaseUrl: ${url} } } }\n`
    project.write({ 'raysconfig.js': config('process.env.REAL_URL') })
    const env = { REAL_URL: db.href, DATABASE_URL: undefined, RAYS_ENV: 'production' }
    ok(await project.rays(['makemigration', '--name', 'first'], { env }))
    ok(await project.rays(['migrate', '--env', 'production'], { env: { ...env, RAYS_ENV: undefined } }))
    const unknown = await project.rays(['status', '--env', 'staging'], { env })
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there is no environment staging')])
    await db.query(`INSERT INTO ${q('User')} (email) VALUES ('a')`)
    project.schema(USER)
    ok(await project.rays(['makemigration', '--name', 'second', '--no-rename'], { env }))
    const asked = await project.rays(['migrate'], { env })
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('in production')])
    ok(await project.rays(['migrate', '--y'], { env }))
  })
})
