import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const V1 = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String\n}\n'

describeDatabases('hooks', (database) => {
  let db: FreshDatabase
  let app: TestProject
  let folder: string
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: V1, config: { generate: false } })
    await app.rays(['save', 'users', '--no-verify'])
    folder = `prisma/migrations/${readdirSync(path.join(app.folder, 'prisma/migrations')).find((name) => /^\d/.test(name))}`
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const emails = () =>
    db.query(`SELECT email FROM ${q('User')} ORDER BY id`).then(
      (rows) => rows.map((row) => row.email),
      () => 'no table',
    )
  const log = () =>
    existsSync(path.join(app.folder, 'log'))
      ? readFileSync(path.join(app.folder, 'log'), 'utf8').trim().split('\n')
      : []

  test('before and after run around a migration, and in reverse going down, and know what goes on', async () => {
    app.write({
      [`${folder}/before.sh`]: 'echo "before $DIRECTION $RAYS_MIGRATION" >> log\n',
      [`${folder}/after.ts`]:
        "import { appendFileSync } from 'node:fs'\nconst way: string = process.env.DIRECTION!\nappendFileSync('log', ['after', way, process.env.DATABASE_URL].join(' ') + '\\n')\n",
    })
    const name = path.basename(folder)
    expect((await app.rays(['up', '--y'])).code).toBe(0)
    expect(log()).toEqual([`before up ${name}`, `after up ${db.href}`])
    expect((await app.rays(['down', '--y'])).code).toBe(0)
    expect(log().slice(2)).toEqual([`after down ${db.href}`, `before down ${name}`])
  })

  test('a before that fails stops the migration, an after that fails undoes it', async () => {
    app.write({ [`${folder}/before.bash`]: 'exit 3\n' })
    const before = await app.rays(['migrate'])
    expect([before.code, before.stderr]).toEqual([1, expect.stringContaining('exit code 3')])
    expect([await emails(), await history(db)]).toEqual(['no table', []])
    app.write({ [`${folder}/before.bash`]: 'exit 0\n', [`${folder}/after.js`]: 'process.exit(4)\n' })
    const after = await app.rays(['migrate'])
    expect([after.code, after.stderr]).toEqual([1, expect.stringMatching(/exit code 4.* was undone/)])
    expect([await emails(), await history(db)]).toEqual(['no table', []])
    app.write({ [`${folder}/after.js`]: '' })
    expect((await app.rays(['migrate'])).code).toBe(0)
    app.write({ [`${folder}/before.bash`]: 'exit 5\n' })
    const down = await app.rays(['down', '--y'])
    expect([down.code, down.stderr]).toEqual([1, expect.stringContaining('exit code 5')])
    expect(await emails()).toEqual([])
    expect(await history(db)).toHaveLength(1)
  })

  test('SQL hooks run in the transaction of the migration', async () => {
    app.write({
      [`${folder}/after.sql`]: `INSERT INTO ${q('User')} (email) VALUES ('seeded; really');\nINSERT INTO nowhere VALUES (1);\n`,
    })
    expect((await app.rays(['migrate'])).code).toBe(1)
    expect(await emails()).toBe('no table')
    if (db.provider !== 'mysql') expect(await history(db)).toEqual([])
    app.write({ [`${folder}/after.sql`]: `INSERT INTO ${q('User')} (email) VALUES ('seeded; really');\n` })
    expect((await app.rays(['migrate'])).code).toBe(0)
    expect(await emails()).toEqual(['seeded; really'])
    expect((await app.rays(['migrate', '--name', 'zero', '--y'])).code).toBe(0)
  })

  test('two hooks of one kind are refused before anything runs', async () => {
    app.write({ [`${folder}/before.sh`]: '', [`${folder}/before.js`]: '' })
    const run = await app.rays(['migrate'])
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('more than one before hook')])
    expect(await emails()).toBe('no table')
  })

  test('functions of raysconfig run around all and around each migration', async () => {
    const hook = (name: string) =>
      `${name}: async ({ client, direction, migrations }) => {\n` +
      `  require('node:fs').appendFileSync('log', '${name} ' + direction + ' ' + migrations.length + ' ' + (await client.query('SELECT 1 AS n')).length + '\\n')\n` +
      `  if (process.env.FAIL === '${name}' && direction === 'up') throw new Error('on purpose')\n}`
    const hooks = ['beforeAll', 'beforeEach', 'afterEach', 'afterAll'].map(hook).join(',\n')
    app.write({
      'raysconfig.js': `module.exports = { databaseUrl: process.env.DATABASE_URL, generate: false,\n${hooks} }\n`,
    })
    const failed = await app.rays(['migrate'], { env: { FAIL: 'afterEach' } })
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('on purpose')])
    expect(await emails()).toBe('no table')
    if (db.provider !== 'mysql') expect(await history(db)).toEqual([])
    app.write({ log: '' })
    expect((await app.rays(['migrate'])).code).toBe(0)
    expect((await app.rays(['migrate', '--name', 'zero', '--y'])).code).toBe(0)
    const run = (way: string) =>
      ['beforeAll', 'beforeEach', 'afterEach', 'afterAll'].map((name) => `${name} ${way} 1 1`)
    expect(log().filter(Boolean)).toEqual([...run('up'), ...run('down')])
  })
})
