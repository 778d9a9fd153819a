/** rays' side of Knex: setting it up, converting, filling, importing, exporting, and Knex's words. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { CLIENTS, type KnexProject, knexProject, type Ran } from '../support/knex.js'
import { prisma } from '../support/prisma.js'
import type { Output } from '../support/project.js'
import { hasTerminal, onTerminal } from '../support/pseudo-terminal.js'

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
  const ran = ok(await project.rays(['make', '--name', name, '--json', '--no-verify']))
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

  /** What the real Prisma would still change; its configuration has the URL. */
  const differs = (config = '') => {
    project.write({
      'prisma.config.ts':
        config ||
        `export default {\n  schema: 'prisma/schema.prisma',\n  datasource: { url: process.env.DATABASE_URL },\n}\n`,
    })
    const words = 'migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code'
    return prisma(project.folder, words.split(' '), { url: db.href })
  }
  const NO_URL = (models: string) => `datasource db {\n  provider = "${provider}"\n}\n\n${models}\n`

  test('rays knex init sets everything up, asks about each step, and may be repeated', async () => {
    await start(NO_URL(USER), { files: { 'knexfile.mjs': '' } })
    const unasked = await project.rays(['knex', 'init', '--no-input'])
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('--y')])
    await make(project, 'first')
    ok(await project.rays(['migrate']))
    rmSync(path.join(project.folder, 'knexfile.mjs'))
    // The questions are the same on every database.
    const typing = hasTerminal && provider === 'sqlite'
    if (typing) {
      const typed = await onTerminal(project.folder, 'knex init', { DATABASE_URL: db.href }, [
        [/Write knexfile\.mjs\?/, 'y\r'],
        [/Add the script create-migration to package\.json\?/, 'n\r'],
        [/Add models for Knex's tables/, 'n\r'],
        [/Copy the history of/, 'n\r'],
      ])
      expect([typed.code, typed.screen]).toEqual([0, expect.stringContaining('The history was not copied')])
      expect(await dumpSchema(db)).not.toContain('knex_migrations')
    }
    const run = ok(await project.rays(['knex', 'init', '--y', '--json']))
    type Steps = { data: { steps: { step: string; state: string }[] } }
    expect(run.json<Steps>().data.steps.map(({ step, state }) => [step, state])).toEqual([
      ['knexfile', typing ? 'present' : 'done'],
      ['script', 'done'],
      ['tables', 'done'],
      ['history', 'done'],
    ])
    expect(readFileSync(path.join(project.folder, 'knexfile.mjs'), 'utf8')).toContain('knexFilePrismaAdapter')
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
    expect(await differs()).toMatchObject({ code: 0, stdout: expect.stringContaining('No difference detected') })
    if (provider !== 'sqlite') return
    // The script that it added makes the migration of a change in Prisma, and its way down.
    project.write({
      'prisma/schema.prisma': readFileSync(path.join(project.folder, 'prisma/schema.prisma'), 'utf8').replace(
        'email String @unique',
        'email String @unique\n  age   Int    @default(7)',
      ),
    })
    ok(await project.npm('create-migration'))
    const last = folders(project).at(-1)!
    const code = readFileSync(path.join(project.folder, 'prisma/migrations', last, 'migration.mjs'), 'utf8')
    expect(code).toMatch(/export async function down\(knex\) \{\n {2}await knex\.raw/)
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('1 migrations')
  })

  test('rays knex init names the tables in prisma.config.ts, and records what Knex had run before', async () => {
    const options = `{ client: '${CLIENTS[provider]}', connection: process.env.DATABASE_URL, migrations: { tableName: 'my_history' } }`
    await start(NO_URL(USER), {
      files: {
        'prisma.config.ts': `export default {\n  schema: 'prisma/schema.prisma',\n  datasource: { url: process.env.DATABASE_URL },\n}\n`,
        'knexfile.mjs': `export default ${options}\n`,
      },
    })
    byPrisma('20260101000000_first', createUser)
    await db.query(
      `CREATE TABLE my_history (id ${id}, name VARCHAR(255), batch INTEGER, migration_time ${provider === 'postgresql' ? 'timestamptz' : 'timestamp NULL'})`,
    )
    await db.query("INSERT INTO my_history (name, batch) VALUES ('20260101000000_first', 1)")
    for (const statement of createUser.split(';\n').filter(Boolean)) await db.query(statement)
    // The knexfile is not wrapped yet, and ./migrations is not there.
    const first = ok(await project.rays(['knex', 'init', '--y']))
    expect(first.stdout).toContain('1 that Knex had run are now in _prisma_migrations')
    expect(first.stdout).toMatch(/knexfile\.mjs is yours[\s\S]*When knexfile\.mjs is wrapped, repeat this/)
    expect(await names(db)).toEqual(['20260101000000_first'])
    project.write({
      'knexfile.mjs': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'\nexport default knexFilePrismaAdapter(${options})\n`,
    })
    expect(ok(await project.rays(['knex', 'init', '--y'])).stdout).toContain('Knex knows 1 applied migrations')
    const config = readFileSync(path.join(project.folder, 'prisma.config.ts'), 'utf8')
    expect(config).toMatch(/tables: \{ external: \['(public\.)?my_history', '(public\.)?my_history_lock'\] \}/)
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
    expect(await differs(config)).toMatchObject({ code: 0, stdout: expect.stringContaining('No difference detected') })
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
    await db.query('UPDATE my_history_lock SET is_locked = 1')
    expect(ok(await project.rays(['unlock'])).stdout).toContain("Freed Knex's lock")
    expect((await project.knex('migrate:rollback')).stderr).toContain('has no way down')
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
    const missing = await project.rays(['knex', 'fill', 'nowhere.js', '--no-rename'])
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('There is no file nowhere.js')])

    // A file that is older than the newest migration, in TypeScript, with a rename and a value for the rows.
    if (provider !== 'postgresql') return
    await db.query(`INSERT INTO ${q('User')} (email, age) VALUES ('a', 8)`)
    project.schema(WITH_AGE.replace('age   Int    @default(7)', 'years Int    @default(7)\n  size  Int'))
    project.write({ 'migrations/20200101000000_years.ts': '' })
    const renaming = ['--no-verify', '--rename', 'User.age:years', '--default', 'User.size=40 + 2']
    const late = ok(await project.rays(['knex', 'fill', 'migrations/20200101000000_years.ts', ...renaming]))
    expect(late.stderr).toContain('it must be newer than')
    expect(late.stdout + late.stderr).not.toContain('proven')
    const typed = readdirSync(path.join(project.folder, 'migrations')).filter((name) => name.endsWith('.ts'))
    expect(typed).toEqual([expect.stringMatching(/^20[23]\d{11}_years\.ts$/)])
    expect(typed[0]! > file!).toBe(true)
    const text = readFileSync(path.join(project.folder, 'migrations', typed[0]!), 'utf8')
    expect(text).toContain('export async function down(knex: Knex): Promise<void>')
    ok(await project.rays(['migrate']))
    expect(await db.query(`SELECT years, size FROM ${q('User')}`)).toEqual([{ years: 8, size: 42 }])
    ok(await project.rays(['migrate', '--name', '-1', '--y']))
    expect(await db.query(`SELECT age FROM ${q('User')}`)).toEqual([{ age: 8 }])
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

    // TypeScript, outside of a transaction, and looking at rows.
    project.write({
      'typed/20260201000000_copies.ts': `import type { Knex } from 'knex'
export const config = { transaction: false }
export async function up(knex: Knex): Promise<void> {
  const rows = await knex('users').select('email')
  await knex.schema.createTable('copies', (table) => { table.string('email') })
  for (const { email } of rows) await knex('copies').insert({ email })
}
export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('copies')
}
`,
    })
    const typed = ok(await project.rays(['import', 'knex', 'typed']))
    expect(typed.stderr).toContain('20260201000000_copies: Its up reads rows')
    const copies = path.join(project.folder, 'prisma/migrations/20260201000000_copies')
    expect(readFileSync(path.join(copies, 'migration.js'), 'utf8')).toMatch(/transaction = false/)
    const [reads, plain] = ['29990101000000_reads', '29990102000000_plain']
    project.write({
      [`prisma/migrations/${reads}/migration.sql`]: '-- reads\n',
      [`prisma/migrations/${reads}/migration.js`]: `module.exports = [[
  async ({ client }) => { for (const { email } of await client.query('SELECT email FROM users')) await client.execute('INSERT INTO copies VALUES (:?)', [email]) },
  ({ client }) => client.execute('DELETE FROM copies'),
]]
module.exports.transaction = false
`,
      [`prisma/migrations/${plain}/migration.sql`]: `-- two\nINSERT INTO copies VALUES ('what; is?');\nINSERT INTO copies VALUES ('b');\n`,
    })
    const exported = ok(await project.rays(['export', 'knex', 'plain']))
    expect(exported.stderr).toContain(`${reads} asks for rows`)
    expect(readdirSync(path.join(project.folder, 'plain'))).toEqual([
      '00000000000001_initial.js',
      '20260101000000_phone.js',
      '20260201000000_copies.js',
      `${reads}.js`,
      `${plain}.js`,
    ])
    const written = (name: string) => readFileSync(path.join(project.folder, 'plain', `${name}.js`), 'utf8')
    for (const name of ['20260201000000_copies', reads]) expect(written(name)).toContain('{ transaction: false }')
    expect(written(reads)).toContain('Bring over by hand')
    expect(written(plain)).toContain('This migration cannot be undone')
    expect(written(plain)).not.toContain('transaction')
    const other = await fresh()
    try {
      const connection =
        provider === 'sqlite' ? `{ filename: '${other.href.replace('file:', '')}' }` : `'${other.href}'`
      ok(
        await project.node(`import knexModule from 'knex'
const knex = knexModule({ client: '${CLIENTS[provider]}', connection: ${connection}, useNullAsDefault: true, migrations: { directory: './plain' } })
await knex.migrate.to({ name: '${reads}.js' })
await knex.migrate.rollback()
await knex.migrate.latest()
await knex.destroy()`),
      )
      expect(await other.query('SELECT email FROM users')).toEqual([{ email: "it's ?" }])
      expect(await other.query('SELECT email FROM copies')).toEqual(
        ["it's ?", 'what; is?', 'b'].map((email) => ({ email })),
      )
    } finally {
      await other.drop()
    }
  })

  test("a migration in Knex's form is told keys and numbers of rows by rays as by Knex; where it uses them, its import says so", async () => {
    await start('')
    byPrisma('20260101000000_keys', '-- see migration.mjs\n')
    const key =
      provider === 'postgresql'
        ? "const [{ id }] = await knex('org').insert({ name: 'x' }, ['id'])"
        : "const [id] = await knex('org').insert({ name: 'x' })"
    const code = `export async function up(knex) {
  await knex.schema.createTable('org', (t) => { t.increments(); t.string('name') })
  await knex.schema.createTable('usr', (t) => { t.increments(); t.integer('org_id'); t.dateTime('at') })
  const add = (org_id) => knex('usr').insert({ org_id })
  await knex('org').insert({ name: 'zero' })
  ${key}
  await knex('usr').insert({ org_id: id, at: new Date(86400000) })
  if ((await knex('usr').update({ org_id: id })) === 0) await add(999)
  await add(100 + (await knex('usr').where({ id: 77 }).del()))
  const rows = await knex.with('a', knex('usr').select('org_id')).select('*').from('a')
  await add(1000 + rows.length)
  const answer = await knex.raw('UPDATE usr SET org_id = org_id + 1 WHERE org_id < 1000')
  await add(2000 + (answer.rowCount ?? answer.changes ?? answer[0].affectedRows))
  if ((await knex('usr').whereIn('org_id', [3, 101]).del()) !== 2) await add(998)
}
export async function down(knex) {
  await knex.schema.dropTable('usr')
  await knex.schema.dropTable('org')
}
`
    project.write({ 'prisma/migrations/20260101000000_keys/migration.mjs': code })
    const rows = () => db.query('SELECT * FROM usr ORDER BY id')
    ok(await project.knex('migrate:latest'))
    const expected = await rows()
    expect(expected.map((row) => row.org_id)).toEqual([1002, 2002])
    ok(await project.knex('migrate:rollback'))
    ok(await project.rays(['migrate']))
    expect(await rows()).toEqual(expected)
    ok(await project.rays(['migrate', '--name', 'zero', '--y']))

    project.write({ 'migrations/20260102000000_keys.mjs': code.replace(/const rows = .*\n.*\n/, '') })
    expect(ok(await project.rays(['export', 'knex', 'plain'])).stderr).toContain('20260101000000_keys asks for rows')
    rmSync(path.join(project.folder, 'prisma/migrations'), { recursive: true })
    const imported = ok(await project.rays(['import', 'knex', 'migrations']))
    expect(imported.stderr).toContain('20260102000000_keys: Its up ')
    expect(imported.stderr).toContain(provider === 'postgresql' ? 'reads rows' : 'may use their keys or their number')
    expect(imported.stderr).not.toContain('Its down')
  })

  test('rays import knex writes every value and text as Knex sends it, also where the database does not exist yet', async () => {
    await start('')
    const pg = provider === 'postgresql'
    // Where there are no parameters, Knex takes a question mark for one on PostgreSQL only, in a default even an escaped one.
    const mark = pg ? '\\\\?' : '?'
    const object = { a: [1, 'x?', "it's"], b: null }
    const list = ['a', 'it\'s "b"', 'c\\d', '', 'NULL', '{e,f}', null]
    const values = pg
      ? `{ j: ${JSON.stringify(object)}, tags: ${JSON.stringify(list)}, grid: [[1, null], [3, 4]], bytes: [Buffer.from([0, 92, 255])], times: [new Date(0)] }`
      : `{ j: ${JSON.stringify(JSON.stringify(object))} }`
    project.write({
      'migrations/20260101000000_values.js': `exports.up = async (knex) => {
  await knex.schema.createTable('things', (t) => {
    t.increments()
    t.json('j')
    t.string('s').defaultTo('so${pg ? '' : ':?'}')
    ${pg ? "t.specificType('tags', 'text[]'); t.specificType('grid', 'int[]'); t.specificType('bytes', 'bytea[]'); t.specificType('times', 'timestamptz[]')" : ''}
  })
  await knex('things').insert(${values})
  await knex('things').insert({ s: 'it\\'s :? \\\\ ok' })
  await knex.raw("INSERT INTO things (s) VALUES ('what:${mark}')")
  await knex.raw("INSERT INTO things (s) VALUES ('a:${provider === 'sqlite' ? '' : '\\\\?'}'), (?)", ['x:?'])
}
exports.down = (knex) => knex.schema.dropTable('things')
`,
    })
    const rows = () => db.query('SELECT * FROM things ORDER BY id')
    ok(await project.knex('migrate:latest'))
    const expected = await rows()
    expect(expected.map((row) => row.s)).toEqual([
      pg ? 'so' : 'so:?',
      "it's :? \\ ok",
      'what:?',
      provider === 'sqlite' ? 'a:' : 'a:?',
      'x:?',
    ])
    ok(await project.knex('migrate:rollback'))
    const missing = {
      DATABASE_URL: provider === 'sqlite' ? `${db.href}.missing` : db.href.replace(/(\?|$)/, '_missing$1'),
    }
    for (const answer of ['20260101000000_values', 'imported already'])
      expect(ok(await project.rays(['import', 'knex', 'migrations'], { env: missing })).stdout).toContain(answer)
    ok(await project.rays(['migrate']))
    expect(await rows()).toEqual(expected)
  })

  // Files and names are the same on every database.
  ;(provider === 'sqlite' ? test : test.skip)(
    'rays export knex leaves out what has a file of any extension, or with a shorter number',
    async () => {
      await start(USER)
      const add = (name: string) => `ALTER TABLE "User" ADD COLUMN ${name} TEXT`
      byPrisma('00000000000001_init', createUser)
      byPrisma('20260102000000_age', `${add('age')};\n`)
      byPrisma('20260103000000_city', `${add('city')};\n`)
      byPrisma('20260104000000_town', `${add('town')};\n`)
      const file = (...statements: string[]) =>
        `export const up = async (knex) => {\n${statements.map((sql) => `  await knex.raw(\`${sql}\`)\n`).join('')}}\nexport const down = () => {}\n`
      project.write({
        'migrations/001_init.mjs': file(...createUser.trim().split('\n')),
        'migrations/20260103000000_city.ts': file(add('city')).replaceAll('(knex)', '(knex: any)'),
        'migrations/20260104000000_town.mjs': file(add('town')),
      })
      const run = ok(await project.rays(['export', 'knex', '--json']))
      expect(run.json<{ data: unknown }>().data).toMatchObject({
        written: [expect.stringContaining('20260102000000_age.js')],
        already: 3,
      })
      rmSync(path.join(project.folder, 'migrations/20260103000000_city.ts'))
      expect(ok(await project.knex('migrate:latest')).stdout).toContain('4 migrations')
      expect(ok(await project.rays(['export', 'knex', '--json'])).json<{ data: unknown }>().data).toMatchObject({
        written: [expect.stringContaining('20260103000000_city.js')],
        already: 3,
      })
    },
  )

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
    // Knexes that began at the same moment left a row each: Knex then never gets its lock, whatever the rows say.
    await db.query('INSERT INTO knex_migrations_lock (is_locked) VALUES (0)')
    expect(ok(await project.rays(['unlock'])).stdout).toContain("Freed Knex's lock")
    await db.query('DELETE FROM knex_migrations_lock')
    ok(await project.rays(['unlock']))
    expect(await db.query('SELECT is_locked FROM knex_migrations_lock')).toEqual([{ is_locked: 0 }])
    expect(ok(await project.rays(['unlock'])).stdout).toContain('was free')
    ok(await project.knex('migrate:rollback'))
    expect(ok(await project.rays(['list'])).stdout).toContain(first)
    expect(existsSync(path.join(project.folder, 'prisma/migrations', third))).toBe(true)
  })

  test('rays rollback undoes one batch, and not half of another where two are at work; what Prisma applied goes alone', async () => {
    await start(USER)
    const folder = (name: string, down = '') => {
      project.write({
        [`prisma/migrations/${name}/migration.sql`]: '',
        [`prisma/migrations/${name}/migration.js`]: `module.exports = [[async () => {}, async () => {${down}}]]\n`,
      })
      return name
    }
    const first = folder('20990101000000_first')
    const second = folder('20990102000000_second')
    ok(await project.rays(['migrate', '--no-generate']))
    const slow = folder('20990103000000_slow', ' await new Promise((done) => setTimeout(done, 3000)) ')
    folder('20990104000000_fourth')
    ok(await project.rays(['migrate']))
    const both = await Promise.all([1, 2].map(() => project.rays(['rollback', '--y'])))
    // The one that comes second finds the batch undone that it was to undo, and goes no further.
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(both.filter(({ stderr }) => stderr.includes('was unapplied by another rays meanwhile'))).toHaveLength(1)
    expect(await names(db)).toEqual([first, second])
    // Prisma notes no batch.
    ok(await project.rays(['migrate', '--fake', '--name', slow]))
    ok(await project.rays(['rollback', '--y']))
    expect(await names(db)).toEqual([first, second])
    ok(await project.rays(['rollback', '--y']))
    expect(await names(db)).toEqual([])
  })

  test('--env selects an environment, and production asks before it loses data', async () => {
    await start(WITH_AGE)
    const config = (url: string) =>
      `module.exports = { schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations', generate: false, environments: { development: { databaseUrl: 'file:./nowhere.db' }, production: { databaseUrl: ${url} }, staging: { databaseUrl: process.env.STAGING_URL } } }\n`
    project.write({ 'raysconfig.js': config('process.env.REAL_URL') })
    const env = { REAL_URL: db.href, DATABASE_URL: undefined, RAYS_ENV: 'production' }
    ok(await project.rays(['makemigration', '--name', 'first'], { env }))
    project.write({ '.env.staging': `STAGING_URL="${db.href}"\n` })
    ok(await project.rays(['migrate', '--env', 'staging'], { env: { ...env, REAL_URL: undefined } }))
    const unknown = await project.rays(['status', '--env', 'testing'], { env })
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there is no environment testing')])
    await db.query(`INSERT INTO ${q('User')} (email) VALUES ('a')`)
    project.schema(USER)
    ok(await project.rays(['makemigration', '--name', 'second', '--no-rename'], { env }))
    const asked = await project.rays(['migrate'], { env })
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('in production')])
    ok(await project.rays(['migrate', '--y'], { env }))
  })
})
