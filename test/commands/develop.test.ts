import { readdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const V1 = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String\n}\n'
const V2 = V1.replace('email String', 'email String\n  name  String?')

describeDatabases('the development loop', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: V1, config: { generate: false } })
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const emails = async () => (await db.query(`SELECT email FROM ${q('User')} ORDER BY id`)).map((row) => row.email)
  const migrations = () => readdirSync(path.join(app.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
  const drift = async () =>
    (await app.rays(['status', '--json'])).json<{ data: { drift: { state: string } } }>().data.drift.state

  test('commit makes a migration of what was pushed, with its down, and loses no row', async () => {
    expect((await app.rays(['push'])).code).toBe(0)
    await db.query(`INSERT INTO ${q('User')} (email) VALUES ('a'), ('b')`)
    const first = await app.rays(['commit', 'init'])
    expect([first.code, first.stdout]).toEqual([
      0,
      expect.stringMatching(/Wrote \d{14}_init and recorded it as applied/),
    ])
    const nothing = await app.rays(['commit', 'again'])
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('no changes')])

    app.schema(V2)
    const early = await app.rays(['commit', 'names'])
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('push first')])
    expect(migrations()).toHaveLength(1)
    expect((await app.rays(['push'])).code).toBe(0)
    const second = await app.rays(['commit', 'names'])
    expect(second.code).toBe(0)
    expect(second.stderr).toMatch(/name/)
    expect(await emails()).toEqual(['a', 'b'])
    expect((await history(db)).map((row) => row.migration_name)).toEqual(migrations())
    expect(await drift()).toBe('none')
    expect((await app.rays(['migrate', '--check'])).code).toBe(0)
    expect((await app.rays(['migrate', '--name', '-1', '--y'])).code).toBe(0)
    expect(await emails()).toEqual(['a', 'b'])
    expect(await drift()).toBe('none')
  })

  test('commit asks for pending migrations to be applied first', async () => {
    await app.given(['save', 'users'])
    expect((await app.rays(['push'])).code).toBe(0)
    const run = await app.rays(['commit', 'users'])
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('--fake')])
  })

  test('redo, sqlmigrate and reset', async () => {
    await app.given(['save', 'users'])
    app.schema(V2)
    await app.given(['save', 'names'])
    const sql = await app.rays(['sqlmigrate', 'names', '--down'], { env: { DATABASE_URL: '' } })
    expect([sql.code, sql.stdout]).toEqual([0, expect.stringMatching(/DROP COLUMN|new_User/)])
    expect(sql.stdout).not.toContain('ADD COLUMN')
    expect((await app.rays(['sqlmigrate', 'users'])).stdout).toContain('CREATE TABLE')
    expect((await app.rays(['sqlmigrate', 'nobody'])).code).toBe(2)

    await app.rays(['up', '--y'])
    await db.query(`INSERT INTO ${q('User')} (email) VALUES ('a')`)
    const redone = await app.rays(['redo', '--y'])
    expect([redone.code, redone.stdout]).toEqual([0, expect.stringMatching(/applied again: \d{14}_names/)])
    expect(await emails()).toEqual(['a'])
    expect(readFileSync(path.join(app.folder, 'prisma/schema.prisma'), 'utf8')).toContain('name')

    const unsure = await app.rays(['reset'])
    expect([unsure.code, unsure.stderr]).toEqual([2, expect.stringContaining(`--confirm=${db.name}`)])
    const wrong = await app.rays(['reset', '--confirm=other', '--y'])
    expect(wrong.code).toBe(2)
    expect(await emails()).toEqual(['a'])
    app.write({
      'package.json': '{ "private": true, "prisma": { "seed": "node seed.cjs" } }',
      'seed.cjs': 'require("node:fs").writeFileSync("seeded", String(process.env.DATABASE_URL))',
    })
    const done = await app.rays(['reset', `--confirm=${db.name}`])
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('Seeded')])
    expect(await emails()).toEqual([])
    expect(readFileSync(path.join(app.folder, 'seeded'), 'utf8')).toBe(db.href)
  })

  test('redo undoes nothing where an older migration is pending: the way up would apply it, too', async () => {
    await app.given(['save', 'users'])
    app.schema(V1.replace('email String', 'email String\n  older Int?'))
    await app.given(['save', 'older'])
    const older = migrations().at(-1)!
    const folder = path.join(app.folder, 'prisma/migrations', older)
    const aside = path.join(app.folder, older)
    renameSync(folder, aside)
    app.schema(V2)
    await app.given(['save', 'younger'])
    await app.rays(['up', '--y'])
    await db.query(`INSERT INTO ${q('User')} (email, name) VALUES ('a', 'Ada')`)
    const refuses = async (code: number, says: RegExp) => {
      const run = await app.rays(['redo', '--y'])
      expect([run.code, run.stderr]).toEqual([code, expect.stringMatching(says)])
      expect(await db.query(`SELECT name FROM ${q('User')}`)).toEqual([{ name: 'Ada' }])
    }
    renameSync(aside, folder)
    await refuses(3, /_older is not applied and older than \d{14}_younger.*Nothing was undone/s)
    // Applied late it is a branch all the same, from which a table may be built anew without the other's columns.
    expect((await app.rays(['migrate', '--allow-out-of-order', '--y'])).code).toBe(0)
    await refuses(1, /made on two branches/)
  })

  test('push loses nothing with --fail-on-destructive, and says how many rows it would lose', async () => {
    await app.rays(['push'])
    await db.query(`INSERT INTO ${q('User')} (email) VALUES ('a'), ('b')`)
    app.schema('model User {\n  id Int @id @default(autoincrement())\n}\n')
    const refused = await app.rays(['push', '--fail-on-destructive', '--y'])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('not empty (2 rows)')])
    expect(await emails()).toEqual(['a', 'b'])
  })
})

test('seed without a command says where to set one; docs prints what came with rays', async () => {
  const app = project({ provider: 'sqlite', url: 'file:./dev.db', schema: V1 })
  try {
    const seed = await app.rays(['seed'])
    expect([seed.code, seed.stderr]).toEqual([2, expect.stringContaining('migrations.seed')])
    app.write({ 'package.json': '{ "prisma": { "seed": "node -e \\"process.exit(3)\\"" } }' })
    const failed = await app.rays(['seed'])
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('exit code 3')])
    expect((await app.rays(['docs'])).stdout).toMatch(/^development +The development loop/m)
    expect((await app.rays(['docs', 'development'])).stdout).toContain('# The development loop')
    expect((await app.rays(['docs', 'nothing'])).code).toBe(2)
  } finally {
    app.remove()
  }
})
