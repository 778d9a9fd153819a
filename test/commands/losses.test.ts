/** What loses data is refused where nobody agreed to it, whichever part of a migration would do it; and nothing else is. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { quoted, type Workspace, workspace } from '../support/workspace.js'

const ITEM = 'model Item {\n  id Int @id\n  note String @default("")\n}'
const STRICT = 'migrate --fail-on-destructive --no-generate'

/** A migration as a person writes it: what it says in SQL, and what its code does. */
function byHand(ws: Workspace, name: string, pairs: string, sql = '-- by hand\n'): void {
  ws.project.write({
    [`prisma/migrations/${name}/migration.sql`]: sql,
    [`prisma/migrations/${name}/migration.js`]: `const fs = require('node:fs')\nmodule.exports = ${pairs}\n`,
  })
}

const WIPE = '20990101000000_wipe'
const PRODUCTION = (ws: Workspace) => ({
  'raysconfig.js': `module.exports = { migrationsDir: 'prisma/migrations', schemaPath: 'prisma/schema.prisma', environments: { production: { databaseUrl: ${JSON.stringify(ws.db.href)}, generate: false } } }\n`,
})

describeDatabases('rows that nobody agreed to lose', (on) => {
  let ws: Workspace
  const q = (name: string) => quoted(on, name)
  const text = (sql: string) => JSON.stringify(sql.replaceAll('"', on.provider === 'mysql' ? '`' : '"'))
  const rows = async () => (await ws.sql('SELECT id FROM "Item" ORDER BY id')).map((row) => row.id)
  beforeAll(async () => {
    ws = await workspace(on, { schema: ITEM })
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'a'), (2, 'b')`)
  })
  afterEach(async () => {
    rmSync(path.join(ws.project.folder, 'prisma/migrations', WIPE), { recursive: true, force: true })
    expect(await rows()).toEqual([1, 2])
  })
  afterAll(() => ws.drop())

  const known: [string, string][] = [
    ['a table', 'DROP TABLE "Item"'],
    ['one of several tables', 'DROP TABLE IF EXISTS "Nothing", "Item"'],
    ['a column', 'ALTER TABLE "Item" DROP COLUMN "note"'],
    ['all rows', 'DELETE FROM "Item"'],
    ['some rows', 'DELETE FROM "Item" WHERE id = 2'],
    ['what a comment stands before', '-- away\nDROP TABLE "Item"'],
  ]
  const several = on.provider === 'sqlite' ? known.filter(([title]) => title !== 'one of several tables') : known
  if (on.provider !== 'sqlite') several.push(['all rows, at once', 'TRUNCATE TABLE "Item"'])
  test.each(several)('migration.js takes away %s: refused before anything is run', async (_, sql) => {
    byHand(ws, WIPE, `[[async ({ client }) => { await client.execute(${text(sql)}) }, null]]`)
    const { stderr } = await ws.fails(1, STRICT)
    expect(stderr).toMatch(/Refused by --fail-on-destructive[\s\S]*Item[\s\S]*[12] rows?/)
    expect(await ws.applied()).toEqual(['init'])
  })

  test.each([
    ['a text that is put together', `await client.execute(['DROP', 'TABLE', '${q('Item')}'].join(' '))`],
    ['a loop', `for (const t of ['Item']) await client.execute('DELETE FROM ' + '${q('Item')}')`],
    ['a parameter', `await client['execute'](${text('DELETE FROM "Item" WHERE id = :?')}, [2])`],
    ['an error that is caught', `try { await client['query'](${text('DELETE FROM "Item"')}) } catch {}`],
    ['nobody who waits', `client['execute'](${text('DELETE FROM "Item"')})`],
  ])('code of its own, with %s: the statement is refused before it is sent', async (_, code) => {
    byHand(ws, WIPE, `[[async function wipe({ client }) { ${code} }, null]]`)
    const { stderr } = await ws.fails(1, STRICT)
    expect(stderr).toMatch(/not looked at beforehand: 20990101000000_wipe, operation 0 \(wipe\)/)
    expect(stderr).toMatch(/Operation 0 \(wipe\) of 20990101000000_wipe.*loses data: .*Item/)
    expect(stderr).toContain('as it was before it')
    expect(await ws.applied()).toEqual(['init'])
  })

  test('what was done before the refused statement is taken back', async () => {
    const add = text('CREATE TABLE "Extra" (id INTEGER)')
    const remove = text('DROP TABLE "Extra"')
    byHand(
      ws,
      WIPE,
      `[[async ({ client }) => { await client.execute(${add}) }, async ({ client }) => { await client.execute(${remove}) }], [async function wipe({ client }) { await client['execute'](${text('DELETE FROM "Item"')}) }, null]]`,
    )
    await ws.fails(1, STRICT)
    expect(await ws.tables()).toEqual(['Item'])
    await ws.ok('status')
  })

  test('in production, unasked, it is refused; with -y it is done', async () => {
    const before = ws.read('raysconfig.js')
    ws.project.write(PRODUCTION(ws))
    byHand(
      ws,
      WIPE,
      `[[async ({ client }) => { await client['execute'](${text('UPDATE "Item" SET note = note')}); await client['execute'](${text('DELETE FROM "Item" WHERE id = 3')}) }, null]]`,
    )
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (3, 'c')`)
    const { stderr } = await ws.fails(1, 'migrate --env production')
    expect(stderr).toMatch(/Item[\s\S]*Fix: .*-y/)
    expect(await rows()).toEqual([1, 2, 3])
    await ws.ok('migrate --env production -y')
    await ws.sql(`DELETE FROM "_prisma_migrations" WHERE migration_name = '${WIPE}'`)
    ws.project.write({ 'raysconfig.js': before })
  })

  test('code of its own that loses nothing needs no -y in production', async () => {
    const before = ws.read('raysconfig.js')
    ws.project.write(PRODUCTION(ws))
    const own = [
      'CREATE TABLE "Mine" (id INTEGER)',
      'INSERT INTO "Mine" SELECT id FROM "Item"',
      'DELETE FROM "Mine"',
      'DROP TABLE "Mine"',
    ]
    byHand(
      ws,
      WIPE,
      `[[async ({ client }) => { for (const sql of [${own.map(text).join(', ')}]) await client.execute(sql); await client.execute(${text('DELETE FROM "Item" WHERE id > :?')}, [100]) }, null]]`,
    )
    await ws.ok('migrate --env production')
    await ws.sql(`DELETE FROM "_prisma_migrations" WHERE migration_name = '${WIPE}'`)
    ws.project.write({ 'raysconfig.js': before })
  })

  test('a down that deletes rows asks, and one that shows it only when it runs is refused', async () => {
    byHand(
      ws,
      WIPE,
      `[[() => undefined, async ({ client }) => { await client.execute(${text('DELETE FROM "Item"')}) }]]`,
    )
    await ws.ok('migrate --no-generate')
    expect((await ws.fails(2, 'migrate --name -1')).stderr).toMatch(/Item[\s\S]*2 rows/)
    await ws.fails(1, 'redo --fail-on-destructive')
    byHand(
      ws,
      WIPE,
      `[[() => undefined, async ({ client }) => { await client['execute'](${text('DELETE FROM "Item"')}) }]]`,
    )
    expect((await ws.fails(1, 'migrate --name -1')).stderr).toMatch(/Item[\s\S]*-y/)
    expect((await ws.fails(1, ['rollback'])).stderr).toMatch(/Item/)
    byHand(ws, WIPE, '[[() => undefined, () => undefined]]')
    await ws.ok('migrate --name -1 --no-generate')
  })
})

describeDatabases("code of one's own is not run to look at it", (on) => {
  let ws: Workspace
  const marks = () => {
    const file = path.join(ws.project.folder, 'ran.txt')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
  const NOTES = '20990101000000_notes'
  beforeAll(async () => {
    ws = await workspace(on, { schema: ITEM })
    await ws.given('makemigration --name init')
    const note = `fs.appendFileSync(${JSON.stringify(path.join(ws.project.folder, 'ran.txt'))}, 'x')`
    const insert = `await client.execute("INSERT INTO ${quoted(on, 'Item').replaceAll('"', '\\"')} (id) VALUES (:?)", [7])`
    byHand(
      ws,
      NOTES,
      `[[async function leaveMark({ client }) { ${note}; ${insert} }, async function waitForRow({ client }) { ${note}; while ((await client.query('SELECT 1 AS n')).length === 0); }]]`,
    )
    await ws.ok('migrate --name init --no-generate')
  })
  afterAll(() => ws.drop())

  test('to show it, up or down: its source stands there, with its name', async () => {
    for (const line of [
      'migrate --sql',
      'migrate --plan',
      'migrate --check',
      'sqlmigrate notes',
      'sqlmigrate notes --down',
      'up --preview',
      'export knex plain',
    ]) {
      const shown = await ws.rays(line)
      expect([line, marks()]).toEqual([line, ''])
      if (/sql/.test(line)) expect(shown.stdout).toMatch(/-- .*(?:leaveMark|waitForRow)[\s\S]*-- .*client/)
    }
    expect(readFileSync(path.join(ws.project.folder, 'plain', `${NOTES}.js`), 'utf8')).toMatch(/\/\/ .*leaveMark/)
  })

  test('to go down: a loop that would never end without rows does not hang it, and it runs once', async () => {
    await ws.ok('migrate --no-generate')
    expect(marks()).toBe('x')
    await ws.ok(['migrate', '--name', '-1', '--no-generate', '-y'])
    expect(marks()).toBe('xx')
    writeFileSync(path.join(ws.project.folder, 'ran.txt'), '')
    await ws.sql('DELETE FROM "Item"')
  })

  test('--trace runs it, lists what it sends and takes it back, where a transaction can', async () => {
    if (on.provider === 'mysql') {
      expect((await ws.fails(2, 'sqlmigrate notes --trace')).stderr).toMatch(/transaction/)
      expect((await ws.fails(2, 'migrate --sql --trace')).stderr).toMatch(/transaction/)
      return
    }
    for (const line of ['sqlmigrate notes --trace', 'migrate --sql --trace'])
      expect((await ws.ok(line)).stdout).toContain('INSERT INTO "Item" (id) VALUES (:?); -- 1 parameters')
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    expect(await ws.applied()).toEqual(['init'])
    expect((await ws.fails(2, 'migrate --trace')).stderr).toContain('--sql')
    expect((await ws.fails(2, 'sqlmigrate notes --down --trace')).stderr).toContain('not applied')
  })

  test('--trace ends with the operation timeout, and with COMMIT it is refused before it can stay', async () => {
    if (on.provider === 'mysql') return
    byHand(ws, NOTES, `[[async function waiting({ client }) { for (;;) await client.query('SELECT 1 AS n') }, null]]`)
    expect((await ws.fails(1, 'migrate --sql --trace --op-timeout 1')).stderr).toMatch(
      /waiting[\s\S]*nothing was changed/,
    )
    byHand(
      ws,
      NOTES,
      `[[async ({ client }) => { await client.execute('DELETE FROM "Item"'); await client['execute']('COMMIT') }, null]]`,
    )
    expect((await ws.fails(2, 'migrate --sql --trace')).stderr).toMatch(/COMMIT/)
  })
})

describeDatabases('what loses nothing is not called a loss', (on) => {
  const wider: Record<string, [string, string]> = {
    postgresql: ['n Int\n  s String @db.VarChar(20)', 'n BigInt\n  s String @db.VarChar(30)'],
    mysql: ['n Int\n  s String @db.VarChar(20)', 'n BigInt\n  s String @default("x") @db.VarChar(30)'],
    sqlite: ['n Int\n  s String', 'n BigInt\n  s String @default("x")'],
  }
  const narrower = on.provider === 'sqlite' ? 'n BigInt\n  s Int' : 'n BigInt\n  s String @db.VarChar(3)'

  test('a wider type, a default, a required column that is filled; a narrower type is one', async () => {
    const [first, second] = wider[on.provider]!
    const ws = await workspace(on, { schema: `model T {\n  id Int @id\n  ${first}\n}` })
    try {
      await ws.given('makemigration --name init')
      await ws.ok('migrate --no-generate')
      await ws.sql(`INSERT INTO "T" (id, n, s) VALUES (1, 1, '12345'), (2, 2, 'b')`)
      ws.project.schema(`model T {\n  id Int @id\n  ${second}\n}`)
      expect((await ws.ok('makemigration --name wider')).stderr).not.toMatch(/lost|refused/)
      ws.project.schema(`model T {\n  id Int @id\n  ${second}\n  age Int\n}`)
      await ws.ok('makemigration --name age --default T.age=7')
      const { stderr } = await ws.ok(STRICT)
      expect(stderr).not.toMatch(/lost|refused/)
      expect((await ws.sql('SELECT age FROM "T"')).map((row) => row.age)).toEqual([7, 7])
      ws.project.schema(`model T {\n  id Int @id\n  ${narrower}\n  age Int\n}`)
      await ws.ok('makemigration --name narrower --no-verify')
      expect((await ws.fails(1, STRICT)).stderr).toMatch(/T\.s .*values may be lost/)
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases('rows that a policy hides', (on) => {
  const only = on.provider === 'postgresql' ? test : test.skip
  only('an unknown number is not none, and a fill says so instead of passing over rows', async () => {
    const ws = await workspace(on, { schema: 'model Doc {\n  id Int @id\n  tenant String\n  secret String?\n}' })
    const role = `rays_hidden_${process.pid}`
    try {
      await ws.given('makemigration --name init')
      await ws.ok('migrate --no-generate')
      await ws.sql(`INSERT INTO "Doc" VALUES (1, 'a', 'x'), (2, 'b', NULL)`)
      await ws.sql(
        `CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT ALL ON SCHEMA public TO ${role}; ALTER TABLE "Doc" OWNER TO ${role}; ALTER TABLE "_prisma_migrations" OWNER TO ${role};
         ALTER TABLE "Doc" ENABLE ROW LEVEL SECURITY; ALTER TABLE "Doc" FORCE ROW LEVEL SECURITY; CREATE POLICY mine ON "Doc" USING (tenant = current_setting('app.tenant', true))`,
      )
      const url = new URL(ws.db.href)
      url.username = role
      url.password = 'x'
      const env = { DATABASE_URL: url.href }
      ws.project.schema('model Doc {\n  id Int @id\n  tenant String\n}')
      const made = await ws.ok('makemigration --name drop_secret --no-verify', { env })
      expect(made.stderr).not.toContain('The table is empty')
      expect(made.stderr).toMatch(/Doc\.secret is dropped.*unknown: .*row-level security/)
      const refused = await ws.fails(1, STRICT, { env })
      expect(refused.stderr).toMatch(/unknown: .*row-level security[\s\S]*BYPASSRLS/)
      rmSync(path.join(ws.project.folder, 'prisma/migrations', ws.folder('drop_secret')), { recursive: true })
      ws.project.schema('model Doc {\n  id Int @id\n  tenant String\n  secret String\n}')
      await ws.ok(['makemigration', '--name', 'filled', '--no-verify', '--default', "Doc.secret='-'"], { env })
      for (const file of ['migration.sql', 'migration.js'])
        expect(ws.migration('filled', file)).toMatch(
          /SET LOCAL row_security = off[\s\S]*UPDATE[\s\S]*SET LOCAL row_security TO DEFAULT/,
        )
      expect((await ws.fails(1, 'migrate --no-generate', { env })).stderr).toMatch(/row-level security[\s\S]*BYPASSRLS/)
      await ws.sql(`ALTER TABLE "Doc" NO FORCE ROW LEVEL SECURITY`)
      await ws.ok('migrate --no-generate', { env })
      expect(await ws.sql('SELECT id, secret FROM "Doc" ORDER BY id')).toEqual([
        { id: 1, secret: 'x' },
        { id: 2, secret: '-' },
      ])
    } finally {
      await ws
        .sql(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}`)
        .catch(() => [])
      await ws.drop()
    }
  })
})
