/** Migrations that a person writes or completes by hand. */
import { describeDatabases } from '../support/databases.js'
import { quoted, type Workspace, workspace } from '../support/workspace.js'

const MODEL = 'model Item {\n  id Int @id\n}'
const code = (ws: Workspace, name: string, text: string) =>
  ws.project.write({ [`prisma/migrations/${ws.folder(name)}/migration.js`]: text })

describeDatabases('operations written by hand', (on) => {
  let ws: Workspace
  const item = quoted(on, 'Item')
  beforeAll(async () => {
    ws = await workspace(on, { schema: MODEL })
    await ws.given('makemigration --name init')
    await ws.ok('migrate')
  })
  afterAll(() => ws.drop())

  test('a blank migration is a place for them', async () => {
    const { stdout } = await ws.ok('makemigration --name data --blank')
    expect(stdout).toContain('no operations')
    expect(ws.migration('data', 'migration.sql')).toBe('-- This is an empty migration.')
    expect(ws.migration('data', 'migration.schema.prisma')).toBe(ws.read('prisma/schema.prisma'))
  })

  test('they read and write rows with parameters, in the migration and on the way back', async () => {
    code(
      ws,
      'data',
      `const fill = async ({ client }) => {
  for (const id of [1, 2, 3]) await client.execute('INSERT INTO ${item} (id) VALUES (:?)', [id])
  const rows = await client.query(${JSON.stringify(`SELECT id, ':?' AS mark FROM ${item} WHERE id > :? AND id < :? -- :?`)}, [1, 3])
  if (JSON.stringify(rows) !== '[{"id":2,"mark":":?"}]') throw new Error(JSON.stringify(rows))
}
const empty = async ({ client }) => { await client.execute('DELETE FROM ${item} WHERE id IN (:?, :?, :?)', [1, 2, 3]) }
module.exports = [[fill, empty]]
`,
    )
    await ws.ok('migrate')
    expect(await ws.sql('SELECT id FROM "Item" ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    await ws.ok('migrate --name -1 --y')
    expect(await ws.sql('SELECT id FROM "Item"')).toEqual([])
  })

  test('an attempt to smuggle SQL in by a parameter is only text', async () => {
    code(
      ws,
      'data',
      `module.exports = [[async ({ client }) => {
  const rows = await client.query('SELECT id FROM ${item} WHERE CAST(id AS CHAR(50)) = :?', ["0' OR '1'='1"])
  if (rows.length > 0) throw new Error('injected')
}, async () => {}]]`,
    )
    await ws.sql('INSERT INTO "Item" (id) VALUES (9)')
    await ws.ok('migrate')
    await ws.ok('migrate --name -1')
    await ws.sql('DELETE FROM "Item"')
  })

  test('a step between the generated ones fills a required column before it must be filled', async () => {
    await ws.ok('migrate')
    await ws.sql('INSERT INTO "Item" (id) VALUES (5)')
    ws.project.schema('model Item {\n  id Int @id\n  code String?\n}')
    await ws.ok('makemigration --name add_code')
    ws.project.schema('model Item {\n  id Int @id\n  code String\n}')
    await ws.ok('makemigration --name require_code')
    const generated = ws.migration('add_code')
    expect(generated).toMatch(/module\.exports = \[\s*\[?/)
    code(
      ws,
      'add_code',
      generated.replace(
        /module\.exports = \[([\s\S]*)\];?\s*$/,
        (_all, pairs: string) =>
          `module.exports = [${pairs.trim().replace(/,$/, '')},
  [async ({ client }) => client.execute('UPDATE ${item} SET code = :? WHERE code IS NULL', ['none']), async () => {}],
]
`,
      ),
    )
    await ws.ok('migrate')
    expect(await ws.sql('SELECT id, code FROM "Item"')).toEqual([{ id: 5, code: 'none' }])
    await ws.ok('migrate --name init --y')
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([{ id: 5 }])
  })

  test('named functions are told by their names when they fail', async () => {
    ws.project.schema(MODEL)
    await ws.ok('migrate --name init --y')
    code(
      ws,
      'data',
      `async function countSheep({ client }) { await client.query('SELECT nothing FROM nowhere') }
module.exports = [[countSheep, countSheep]]`,
    )
    const { stderr } = await ws.fails(1, 'migrate --name data')
    expect(stderr).toContain('countSheep')
    expect(stderr).toContain('SELECT nothing FROM nowhere')
    expect(stderr).toContain(ws.folder('data'))
  })
})

describeDatabases('code that cannot be run', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: MODEL })
    await ws.given('makemigration --name init')
    await ws.ok('makemigration --name second --blank')
  })
  afterAll(() => ws.drop())

  test.each([
    ['does not parse', 'module.exports = [', /cannot be loaded/],
    ['throws when it is loaded', "throw new Error('not today')", /not today/],
    ['requires what is not there', "require('./nowhere')", /nowhere/],
    ['exports something else', 'module.exports = 5', /must export an array/],
    ['exports the pairs of an older format', 'module.exports = { up() {}, down() {} }', /prisma-rays 1\.x/],
    ['has a comma too many', 'const op = [() => {}, () => {}]; module.exports = [op, , op]', /operation 1 is missing/],
    ['lacks a down', 'module.exports = [[async () => {}]]', /operation 0 has no down/],
    ['holds what is no function', "module.exports = [['x', null]]", /operation 0: the up is a string/],
    ['ends the process', 'process.exit(0)', /process\.exit/],
  ])('%s: nothing runs, not even the migrations before it', async (_what, text, message) => {
    code(ws, 'second', text)
    const { stderr } = await ws.fails(2, 'migrate')
    expect(stderr).toMatch(message)
    expect(stderr).toContain(ws.folder('second'))
    expect(await ws.tables()).toEqual([])
  })

  test.each([
    ['throws what is no error', 'throw undefined', /rejected with undefined|threw/],
    ['never ends', 'await new Promise(() => {})', /never finished/],
    ['ends the process', 'process.exit(0)', /process\.exit/],
    ['is not awaited', "client.execute('SELECT 1 FROM nowhere')", /nowhere/],
  ])('an operation that %s fails, and its migration is not applied', async (_what, text, message) => {
    code(ws, 'second', `module.exports = [[async ({ client }) => { ${text} }, async () => {}]]`)
    const { stderr } = await ws.fails(1, 'migrate')
    expect(stderr).toMatch(message)
    expect(await ws.applied()).toEqual(['init'])
  })

  test('an operation that takes longer than --op-timeout is stopped', async () => {
    code(ws, 'second', 'module.exports = [[() => new Promise((done) => setTimeout(done, 60_000)), null]]')
    const started = Date.now()
    const { stderr } = await ws.fails(1, 'migrate --op-timeout 1')
    expect(stderr).toContain('did not end within 1 s')
    expect(Date.now() - started).toBeLessThan(20_000)
  })
})

describeDatabases('a migration outside of a transaction', (on) => {
  test('runs what no transaction allows, forwards and backwards', async () => {
    const ws = await workspace(on, { schema: MODEL })
    await ws.given('makemigration --name init')
    await ws.ok('makemigration --name index --blank')
    const index = {
      postgresql: 'CREATE INDEX CONCURRENTLY slow',
      mysql: 'CREATE INDEX slow',
      sqlite: 'CREATE INDEX slow',
    }
    const drop = on.provider === 'mysql' ? 'DROP INDEX slow ON `Item`' : 'DROP INDEX slow'
    const text = `const create = ({ client }) => client.execute(${JSON.stringify(`${index[on.provider]} ON ${quoted(on, 'Item')} (id)`)})
const drop = ({ client }) => client.execute(${JSON.stringify(drop)})
module.exports = [[create, drop]]
`
    code(ws, 'index', text)
    if (on.provider === 'postgresql') {
      const { stderr } = await ws.fails(1, 'migrate')
      expect(stderr).toContain('module.exports.transaction = false')
      expect(await ws.applied()).toEqual(['init'])
    }
    code(ws, 'index', `${text}module.exports.transaction = false\n`)
    await ws.ok('migrate')
    expect(await ws.applied()).toEqual(['init', 'index'])
    await ws.ok('migrate --name -1')
    expect(await ws.applied()).toEqual(['init'])
    await ws.drop()
  })
})

describeDatabases('a folder that Prisma made', (on) => {
  test('is applied from its script, and has no way down', async () => {
    const ws = await workspace(on, { schema: MODEL })
    const sql = `CREATE TABLE ${quoted(on, 'Item')} (id INTEGER NOT NULL PRIMARY KEY);\n-- a comment; with a semicolon\n`
    ws.project.write({ 'prisma/migrations/20240101000000_by_prisma/migration.sql': sql })
    await ws.ok('migrate')
    expect(await ws.tables()).toEqual(['Item'])
    expect(await ws.applied()).toEqual(['by_prisma'])
    const { stderr } = await ws.fails(2, 'migrate --name zero --y')
    expect(stderr).toContain('made by Prisma')
    ws.project.schema('model Item {\n  id Int @id\n  note String?\n}')
    await ws.ok('makemigration --name note')
    expect(ws.migration('note', 'migration.sql')).not.toContain('CREATE TABLE')
    await ws.ok('migrate')
    await ws.ok('migrate --name -1 --y')
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    await ws.drop()
  })
})
