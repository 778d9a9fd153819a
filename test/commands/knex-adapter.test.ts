/** Knex runs the project's migrations: the real Knex, its command and its programming interface, on real databases. */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { type KnexProject, knexProject, type Ran } from '../support/knex.js'

const FIRST = `model User {
  id    Int    @id @default(autoincrement())
  email String @unique
  posts Post[]
}

model Post {
  id     Int    @id @default(autoincrement())
  title  String
  userId Int
  user   User   @relation(fields: [userId], references: [id], onDelete: Cascade)
}`
const SECOND = FIRST.replace('email String @unique', 'email String @unique\n  age   Int    @default(7)')

function ok(ran: Ran): string {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran.stdout
}

async function names(db: FreshDatabase): Promise<string[]> {
  const rows = await history(db)
  return rows
    .filter((row) => row.finished_at !== null && row.rolled_back_at === null)
    .map((row) => String(row.migration_name))
}

const knexNames = async (db: FreshDatabase) =>
  (await db.query('SELECT name FROM knex_migrations ORDER BY id')).map((row) => String(row.name))

describeDatabases('Knex runs migrations of rays', ({ fresh, provider }) => {
  const q = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  let db: FreshDatabase
  let project: KnexProject
  let made: string[]

  beforeAll(async () => {
    db = await fresh()
    project = knexProject(db, { schema: FIRST })
    const first = await project.rays(['makemigration', '--name', 'first', '--json'])
    project.schema(SECOND)
    const second = await project.rays(['makemigration', '--name', 'second', '--json'])
    made = [first, second].map((ran) => {
      if (ran.code !== 0) throw new Error(ran.stderr)
      return ran.json<{ data: { migrations: { name: string }[] } }>().data.migrations[0]!.name
    })
  })
  afterAll(async () => {
    project?.remove()
    await db?.drop()
  })

  test('migrate:latest applies them, and rays and Prisma find them applied', async () => {
    expect(ok(await project.knex('migrate:latest'))).toContain('Batch 1 run: 2 migrations')
    expect(await names(db)).toEqual(made)
    expect(await knexNames(db)).toEqual(made)
    const status = await project.rays(['status', '--check', '--json'])
    expect({ code: status.code, out: status.code ? status.stdout + status.stderr : '' }).toEqual({ code: 0, out: '' })
    expect(
      (await project.rays(['migrate', '--plan', '--json'])).json<{ data: { migrations: [] } }>().data.migrations,
    ).toEqual([])
    expect(ok(await project.knex('migrate:latest'))).toContain('Already up to date')
  })

  test('list, status and currentVersion tell of them', async () => {
    const listed = ok(await project.knex('migrate:list'))
    expect(listed).toContain('Found 2 Completed')
    expect(listed).toContain(made[1])
    expect(ok(await project.knex('migrate:status'))).toContain('No Pending')
    expect(ok(await project.knex('migrate:currentVersion'))).toContain(made[1]!.slice(0, 14))
  })

  test('what rays unapplies counts as pending, and what rays applies counts as applied', async () => {
    const down = await project.rays(['migrate', '--name', '-1', '--y'])
    if (down.code !== 0) throw new Error(down.stderr)
    expect(ok(await project.knex('migrate:list'))).toContain('Found 1 Pending')
    expect(ok(await project.knex('migrate:currentVersion'))).toContain(made[0]!.slice(0, 14))
    const up = await project.rays(['migrate'])
    if (up.code !== 0) throw new Error(up.stderr)
    expect(ok(await project.knex('migrate:latest'))).toContain('Already up to date')
    expect(await knexNames(db)).toEqual(made)
  })

  test('down and up go by one, with all rows of children kept', async () => {
    await db.query(`INSERT INTO ${q('User')} (id, email) VALUES (1, 'a@b.c')`)
    await db.query(`INSERT INTO ${q('Post')} (id, title, ${q('userId')}) VALUES (1, 't', 1)`)
    const before = await dumpSchema(db)
    expect(ok(await project.knex('migrate:down'))).toContain(made[1])
    expect(await names(db)).toEqual([made[0]])
    expect(ok(await project.knex('migrate:up'))).toContain(made[1])
    expect(await names(db)).toEqual(made)
    expect(await dumpSchema(db)).toEqual(before)
    expect(await db.query(`SELECT id FROM ${q('Post')}`)).toEqual([{ id: 1 }])
    expect((await db.query(`SELECT age FROM ${q('User')}`))[0]!.age).toBe(7)
  })

  test('rollback undoes the last batch, rollback --all everything, and a rehearsal ends where it began', async () => {
    const before = await dumpSchema(db)
    expect(ok(await project.knex('migrate:rollback'))).toContain('1 migrations')
    expect(await names(db)).toEqual([made[0]])
    expect(ok(await project.knex('migrate:rollback', '--all'))).toContain('rolled back: 1 migrations')
    expect(await names(db)).toEqual([])
    expect(ok(await project.knex('migrate:latest'))).toContain('2 migrations')
    expect(await dumpSchema(db)).toEqual(before)
  })

  test('migrate:to and migrate:before stop where they are told', async () => {
    ok(await project.knex('migrate:rollback', '--all'))
    expect(ok(await project.knex('migrate:before', made[1]!))).toContain(made[0])
    expect(await names(db)).toEqual([made[0]])
    expect(ok(await project.knex('migrate:to', made[1]!))).toContain(made[1])
    expect(await names(db)).toEqual(made)
  })

  test('knex.migrate does the same in a program', async () => {
    const out = ok(
      await project.node(`import knexModule from 'knex'
import config from './knexfile.mjs'
const knex = knexModule(config)
const said = []
said.push(await knex.migrate.rollback(undefined, true))
said.push(await knex.migrate.currentVersion())
said.push(await knex.migrate.up())
said.push((await knex.migrate.list()).map((part) => part.length))
said.push(await knex.migrate.status())
said.push(await knex.migrate.latest())
said.push(await knex.migrate.down())
said.push(await knex.migrate.latest())
await knex.migrate.forceFreeMigrationsLock()
await knex.destroy()
console.log(JSON.stringify(said))`),
    )
    const [rolled, version, up, listed, status, latest, down, again] = JSON.parse(out)
    expect(rolled[1].sort()).toEqual([...made].sort())
    expect(version).toBe('none')
    expect([up[1], listed, status]).toEqual([[made[0]], [1, 1], -1])
    expect([latest[1], down[1], again[1]]).toEqual([[made[1]], [made[1]], [made[1]]])
    expect(await names(db)).toEqual(made)
  })

  test('a stuck lock of Knex is freed by migrate:unlock', async () => {
    await db.query('UPDATE knex_migrations_lock SET is_locked = 1')
    const refused = await project.knex('migrate:rollback')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('already locked')])
    ok(await project.knex('migrate:unlock'))
    ok(await project.knex('migrate:rollback'))
    ok(await project.knex('migrate:latest'))
    expect(await names(db)).toEqual(made)
  })

  test("Knex's tables are no drift to rays", async () => {
    const status = await project.rays(['status', '--check', '--json'])
    expect(status.json<{ data: { drift: { state: string } } }>().data.drift.state).not.toBe('drift')
    expect(status.code).toBe(0)
  })

  test('many Knexes that look at the same moment bring the history in step once', async () => {
    const out = ok(
      await project.node(`import knexModule from 'knex'
import config from './knexfile.mjs'
const all = Array.from({ length: 8 }, () => knexModule(config))
const [first] = all
const found = []
for (let round = 0; round < 3; round++) {
  await first('knex_migrations').del()
  const listed = await Promise.all(all.map((knex) => knex.migrate.list()))
  found.push([await first('knex_migrations').orderBy('id').pluck('name'), ...new Set(listed.map(([done]) => done.length))])
}
// What was written twice before is put right, too.
await first.raw("INSERT INTO knex_migrations (name, batch) VALUES ('${made[0]}', 9)")
await first.migrate.list()
found.push([await first('knex_migrations').orderBy('id').pluck('name'), 2])
await Promise.all(all.map((knex) => knex.destroy()))
console.log(JSON.stringify(found))`),
    )
    expect(JSON.parse(out)).toEqual(Array.from({ length: 4 }, () => [made, 2]))
  })

  test('rays and Knex wait for each other where a migration has no transaction', async () => {
    const write = (name: string, gate: string) =>
      project.write({
        [`prisma/migrations/${name}/migration.sql`]: `-- ${name}\n`,
        [`prisma/migrations/${name}/migration.js`]: `const { existsSync, writeFileSync } = require('node:fs')
module.exports = [[async ({ client }) => {
  await client.execute('CREATE TABLE ${gate} (id INTEGER)')
  writeFileSync('${gate}-begun', '')
  while (!existsSync('${gate}')) await new Promise((resolve) => setTimeout(resolve, 20))
}, ({ client }) => client.execute('DROP TABLE ${gate}')]]
module.exports.transaction = false
`,
      })
    const begun = async (gate: string) => {
      while (!existsSync(path.join(project.folder, `${gate}-begun`))) await new Promise((go) => setTimeout(go, 20))
    }
    const [one, two] = ['29980101000000_one', '29980101000001_two']
    write(one, 'one')
    const knex = project.knex('migrate:latest')
    await begun('one')
    const refused = await project.rays(['migrate', '--lock-timeout', '0.5'])
    const holder = provider === 'sqlite' ? /another rays/ : /held by session|held by .*, session/
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringMatching(holder)])
    const waiting = project.rays(['migrate', '--lock-timeout', '40'])
    project.write({ one: '' })
    ok(await knex)
    ok(await waiting)
    write(two, 'two')
    const rays = project.rays(['migrate', '--lock-timeout', '40'])
    await begun('two')
    const latest = project.knex('migrate:latest')
    await new Promise((go) => setTimeout(go, 1500))
    project.write({ two: '' })
    ok(await rays)
    ok(await latest)
    expect(await names(db)).toEqual([...made, one, two])
    expect(await knexNames(db)).toEqual([...made, one, two])
    for (const name of [one, two]) rmSync(path.join(project.folder, 'prisma/migrations', name), { recursive: true })
    await db.query(`DELETE FROM _prisma_migrations WHERE migration_name >= '2998'`)
    await db.query(`DELETE FROM knex_migrations WHERE name >= '2998'`)
    for (const name of ['one', 'two']) await db.query(`DROP TABLE ${name}`)
  })

  test('what a failure leaves behind where nothing rolls back is named by rays, and mended by it', async () => {
    const name = '29990101000000_half'
    const write = (files: Readonly<Record<string, string>>) => project.write(files)
    const before = await dumpSchema(db)
    write({
      [`prisma/migrations/${name}/migration.sql`]: '-- half\n',
      [`prisma/migrations/${name}/migration.mjs`]: `import { existsSync } from 'node:fs'
${provider === 'mysql' ? '' : 'export const config = { transaction: false }\n'}
const orFail = (knex) => existsSync('go') || knex.raw('SELECT * FROM nowhere')
export const up = async (knex) => {
  await knex.schema.createTable('half', (table) => table.increments())
  await orFail(knex)
}
export const down = async (knex) => {
  await knex.schema.dropTable('half')
  await orFail(knex)
}
`,
    })
    const status = async () =>
      (await project.rays(['status', '--json']))
        .json<{ data: { migrations: { name: string; state: string }[] } }>()
        .data.migrations.at(-1)
    const rays = async (line: string) => {
      const ran = await project.rays(line.split(' '))
      return [ran.code, ran.stdout + ran.stderr] as const
    }
    const up = await project.knex('migrate:up')
    expect([up.code, up.stderr]).toEqual([
      1,
      expect.stringMatching(/1 statement of operation 0 .*rays migrate --undo/s),
    ])
    expect(await status()).toMatchObject({ name, state: 'failed' })
    const again = await project.knex('migrate:latest')
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/has failed before.*rays migrate --resume/s)])
    write({ go: '' })
    expect(await rays('migrate --undo --skip-op 0')).toEqual([0, expect.any(String)])
    expect(await dumpSchema(db)).toEqual(before)
    expect(await names(db)).toEqual(made)

    // Another lists between the end of the migration and Knex's own row.
    ok(
      await project.node(`import knexModule from 'knex'
import config from './knexfile.mjs'
const [knex, other] = [knexModule(config), knexModule(config)]
await knex.migrate.up({ afterEach: () => other.migrate.list() })
await Promise.all([knex.destroy(), other.destroy()])`),
    )
    expect(await knexNames(db)).toEqual([...made, name])
    rmSync(path.join(project.folder, 'go'))
    const down = await project.knex('migrate:down')
    expect([down.code, down.stderr]).toEqual([1, expect.stringContaining('1 statement of operation 0')])
    expect(ok(await project.knex('migrate:list'))).toContain('Found 3 Completed')
    expect(await rays('migrate --resume --skip-op 0')).toEqual([0, expect.any(String)])
    expect(ok(await project.knex('migrate:list'))).toContain('Found 1 Pending')
    expect(await names(db)).toEqual(made)
    expect(await dumpSchema(db)).toEqual(before)
    rmSync(path.join(project.folder, 'prisma/migrations', name), { recursive: true })
  })

  test('a failing migration leaves the database and both histories as they were', async () => {
    const name = '29990101000000_wrong'
    const before = await dumpSchema(db)
    const failing = async (text: RegExp) => {
      const failed = await project.knex('migrate:latest')
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(text)])
      expect(await dumpSchema(db)).toEqual(before)
      expect(await names(db)).toEqual(made)
      expect(await knexNames(db)).toEqual(made)
    }
    project.write({
      [`prisma/migrations/${name}/migration.sql`]: '-- wrong\n',
      [`prisma/migrations/${name}/migration.js`]: `module.exports = [
  [({ client }) => client.execute('CREATE TABLE extra (id INTEGER)'), ({ client }) => client.execute('DROP TABLE extra')],
  [({ client }) => client.execute('CREATE TABLE ${q('User')} (id INTEGER)'), null],
]`,
    })
    // Where nothing rolls back, what was done is undone, and everybody is told.
    await failing(provider === 'mysql' ? /exists.*What it had done was undone.*operation 0/s : /exists/)
    const status = await project.rays(['status', '--json'])
    const state = status.json<{ data: { migrations: { name: string; state: string }[] } }>().data.migrations.at(-1)
    expect(state).toMatchObject({ name, state: 'pending' })
    // The transaction is Knex's, whatever the script says of its own. On MySQL rows, but not tables, are taken back by one.
    rmSync(path.join(project.folder, 'prisma/migrations', name, 'migration.js'))
    const script = {
      'migration.sql': 'BEGIN;\nCREATE TABLE extra (id INTEGER);\nCOMMIT;\nCREATE TABLE "User" (id INTEGER);\n',
    }
    const rows = {
      'migration.mjs': `export const up = async (knex) => {
  await knex('User').insert({ id: 77, email: 'x' })
  await knex.schema.raw('CREATE TABLE User (id INTEGER')
}
export const down = async () => {}
`,
    }
    for (const [file, text] of Object.entries(provider === 'mysql' ? rows : script))
      project.write({ [`prisma/migrations/${name}/${file}`]: text })
    await failing(provider === 'mysql' ? /Nothing of it had been done/ : /exists/)
    expect(await db.query(`SELECT id FROM ${q('User')} WHERE id = 77`)).toEqual([])
  })

  test('what fails while others are loaded is told alone', async () => {
    const slow = 'await new Promise((resolve) => setTimeout(resolve, 400))\nexport default []\n'
    const bad = {
      'cannot be loaded': "throw new Error('no good')\n",
      'cannot be run': "module.exports = [[async () => { throw new Error('no good') }, null]]\n",
    }
    const folders = ['29980102000000_bad', '29980103000000_slow', '29980104000000_slow']
    for (const [what, code] of Object.entries(bad)) {
      for (const name of folders) project.write({ [`prisma/migrations/${name}/migration.sql`]: '-- empty\n' })
      project.write({
        [`prisma/migrations/${folders[0]}/migration.js`]: code,
        [`prisma/migrations/${folders[1]}/migration.mjs`]: slow,
        [`prisma/migrations/${folders[2]}/migration.mjs`]: slow,
      })
      const failed = await project.knex('migrate:latest')
      expect([what, failed.code, failed.stderr.includes('no good')]).toEqual([what, 1, true])
      expect(failed.stderr).not.toMatch(/_slow|process\.exit|unhandled/i)
    }
    for (const name of folders)
      rmSync(path.join(project.folder, 'prisma/migrations', name), { recursive: true, force: true })
  })
})
