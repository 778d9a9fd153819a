/** Faults inside an operation: what fails, what is swallowed, what is not awaited, what never ends. */
import { type FaultCase, fault, M1, M2, M3, SECOND, type State, table } from '../support/faults.js'

/** MySQL: what was done is undone by its downs, and the row says so. Elsewhere nothing is left at all. */
async function undone(c: FaultCase, before: State): Promise<void> {
  if (c.atomic) return c.clean(before)
  const after = await c.state()
  const known = before.history.length
  expect({ ...after, history: after.history.slice(0, known) }).toEqual(before)
  for (const row of after.history.slice(known)) {
    expect(row).toMatchObject({ migration_name: M2, finished_at: null, applied_steps_count: 0 })
    expect(row.rolled_back_at).not.toBeNull()
    expect(String(row.logs)).toMatch(/operation \d/i)
  }
  await c.gone()
}

const FIRST = (c: FaultCase) => c.by({ postgresql: '42P01', mysql: 'ER_NO_SUCH_TABLE', sqlite: 'SQLITE_ERROR' })

for (const k of [0, 1, 2]) {
  fault(`a statement that fails in operation ${k} leaves the database as it was`, async (c) => {
    await c.fixture({ [k]: { up: `await client.execute('SELEC 1')` } })
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(M2)
    expect(run.stderr).toMatch(new RegExp(`operation ${k}\\b`, 'i'))
    expect(run.stderr).toContain('SELEC 1')
    expect(run.stderr).toMatch(c.by({ postgresql: /42601/, mysql: /ER_PARSE_ERROR/, sqlite: /SQLITE_ERROR/ }))
    await undone(c, before)
    c.repair()
    await c.next()
  })
}

fault('an exception in an operation, of whatever kind, leaves the database as it was', async (c) => {
  await c.fixture()
  const before = await c.state()
  const throwers = [
    [`throw new Error('lost my keys')`, /lost my keys/],
    [`throw 'only a text'`, /only a text/],
    [`throw Object.create(null)`, /failed: it threw/],
    [`await Promise.reject(undefined)`, /rejected with undefined/],
  ] as const
  for (const [thrower, says] of throwers) {
    c.folder(
      M2,
      SECOND.map((op, k) => (k === 1 ? { ...op, up: `${op.up}\n  ${thrower}` } : op)),
    )
    const now = { ...before, files: (await c.state()).files }
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(says) })
    expect(run.stderr).toMatch(/operation 1\b/i)
    if (thrower.includes('new Error')) expect(run.stderr).toContain(c.file(M2))
    await undone(c, now)
  }
  c.repair()
  await c.next()
})

fault('an error that an operation swallows does not pass for success', async (c) => {
  const swallowed = `try { await client.execute('SELECT * FROM nowhere') } catch {}`
  for (const up of [`${swallowed}\n  ${SECOND[1]!.up}`, `${SECOND[1]!.up}\n  ${swallowed}`]) {
    if (!c.folders.size) await c.fixture({ 1: { up } })
    else c.folder(M2, [SECOND[0]!, { ...SECOND[1]!, up }, SECOND[2]!])
    const before = await c.state()
    const run = await c.rays(['migrate', '--name', M2])
    if (c.provider !== 'postgresql') {
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await c.applied()).toEqual([M1, M2])
      break
    }
    expect(run.code).toBe(1)
    expect(run.stderr).not.toMatch(/^Applied/m)
    await c.clean(before)
  }
  c.repair()
  await c.next()
})

fault('a statement that is not awaited still belongs to its operation, slow or failing', async (c) => {
  const slow = c.by({
    postgresql: `client.query('SELECT pg_sleep(0.7)')`,
    mysql: `client.query('SELECT SLEEP(0.7)')`,
    sqlite: `new Promise((done) => setTimeout(done, 50))`,
  })
  await c.fixture({ 1: { up: `${slow}\n  client.execute("INSERT INTO a VALUES (1, 'x'), (2, 'y')")` } })
  await c.rays(['migrate', '--name', M2]).then((run) => expect(run.code).toBe(0))
  expect(await c.db.query('SELECT id FROM a ORDER BY id')).toHaveLength(2)
  c.folder('20260102000001_late', [table('e'), { up: `client.execute('INSERT INTO nowhere VALUES (1)')`, down: '' }])
  const before = await c.state()
  const run = await c.rays(['migrate', '--name', 'late'])
  expect(run.code).toBe(1)
  expect(run.stderr).toMatch(/operation 1\b/i)
  expect(run.stderr).toContain(FIRST(c))
  if (c.atomic) await c.clean(before)
  else expect((await c.state()).schema).toBe(before.schema)
  c.folder('20260102000001_late', [table('e')])
  await c.next()
})

fault('an operation that never settles is noticed, with and without a time limit', async (c) => {
  await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  await new Promise(() => {})` } })
  const before = await c.state()
  const run = await c.rays(['migrate'])
  expect({ code: run.code, stderr: run.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/operation 1 [\s\S]*never finished/i),
  })
  await undone(c, before)
  c.folder(M2, [SECOND[0]!, { up: 'await new Promise(() => setInterval(() => {}, 1000))', down: '' }, SECOND[2]!])
  const now = { ...before, files: (await c.state()).files }
  const limited = await c.rays(['migrate', '--op-timeout', '1'])
  expect({ code: limited.code, stderr: limited.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/operation 1 [\s\S]*did not end within 1 s/i),
  })
  expect(limited.milliseconds).toBeLessThan(10_000)
  await undone(c, now)
  c.repair()
  await c.next()
})

for (const [what, up] of [
  ['COMMIT', `await client.execute('COMMIT')`],
  ['ROLLBACK', `await client.execute('ROLLBACK')`],
  [
    'COMMIT, DDL and BEGIN',
    `await client.execute('COMMIT'); await client.execute('CREATE TABLE own (id INTEGER)'); await client.execute('BEGIN')`,
  ],
] as const) {
  fault(`an operation that ends the transaction by ${what} is found out`, async (c) => {
    await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  ${up}` } })
    const run = await c.rays(['migrate'])
    if (!c.atomic) {
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      return c.next()
    }
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/operation 1 of 20260102000000_b ended the transaction/i),
    })
    const rows = await c.history()
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatchObject({
      migration_name: M2,
      finished_at: null,
      rolled_back_at: null,
      applied_steps_count: 0,
    })
    await c.gone()
    await c.next({ refused: { code: 3, says: /ended the transaction/ } })
    // The way out that the message names: put the database right, and record it.
    const fake = await c.rays(['migrate', '--fake', '--name', M2])
    expect(fake.code).toBe(0)
    return c.next()
  })
}

fault(
  'a lock that an operation gives away is taken again before anybody else has it',
  async (c) => {
    const release = c.by({
      postgresql: `await client.query('SELECT pg_advisory_unlock_all()')`,
      mysql: `await client.query('SELECT RELEASE_ALL_LOCKS()')`,
      sqlite: '',
    })
    await c.fixture({ 0: { up: `${SECOND[0]!.up}\n  ${release}` } })
    await c.next()
    await c.gone()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a lock that another session has taken meanwhile stops the run where it is',
  async (c) => {
    await c.fixture({
      0: {
        up: `${SECOND[0]!.up}
  await client.query('SELECT RELEASE_ALL_LOCKS()')
  while ((await client.query("SELECT IS_USED_LOCK('prisma_migrate') AS id"))[0].id === null) await new Promise((r) => setTimeout(r, 50))`,
      },
    })
    const other = await c.db.session()
    const running = c.start(['migrate'])
    await running.said(/CREATE TABLE b/)
    expect(await other.query("SELECT GET_LOCK('prisma_migrate', 20) AS got")).toEqual([{ got: 1 }])
    const run = await running.output
    await other.query("SELECT RELEASE_LOCK('prisma_migrate')")
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/lock was lost/) })
    const [, row] = await c.history()
    expect(row).toMatchObject({ migration_name: M2, finished_at: null, rolled_back_at: null })
    expect(JSON.parse(String(row!.logs))).toMatchObject({ op: 1, state: 'idle', dir: 'up' })
    await c.gone()
    await c.next({ refused: { code: 3, says: /--resume/ } })
    c.repair()
    await c.next({ refused: { code: 3, says: /--resume/ } })
  },
  { on: ['mysql'] },
)

fault(
  'settings that an operation changes do not reach the record or the next migration',
  async (c) => {
    const settings = c.by({
      postgresql: `await client.query("SELECT set_config('search_path', '', false)")
  await client.execute("SET TIME ZONE 'Pacific/Kiritimati'")
  await client.execute('SET statement_timeout = 5000')
  await client.execute('SET ROLE pg_monitor')`,
      mysql: `await client.execute("SET time_zone = '+12:00'")
  await client.execute("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'")
  await client.execute('SET foreign_key_checks = 0')`,
      sqlite: '',
    })
    await c.fixture({ 2: { up: `${SECOND[2]!.up}\n  ${settings}` } })
    const read = c.by({
      postgresql: `current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || current_user || ' ' || (current_setting('timezone') = 'Pacific/Kiritimati')`,
      mysql: `CAST(CONCAT(@@sql_mode LIKE '%ANSI_QUOTES%', ' ', @@time_zone, ' ', @@foreign_key_checks) AS CHAR(200))`,
      sqlite: '',
    })
    c.folder(M3, [{ up: `await client.execute(\`CREATE TABLE d AS SELECT ${read} AS said\`)`, down: '' }])
    await c.next()
    const [{ said }] = (await c.db.query('SELECT said FROM d')) as [{ said: string }]
    expect(said).toMatch(c.by({ postgresql: /^"?public"? 0 postgres false$/, mysql: /^0 SYSTEM (1|ON)$/, sqlite: /./ }))
    for (const row of await c.history())
      expect(Math.abs(new Date(String(row.finished_at)).getTime() - Date.now())).toBeLessThan(60_000)
  },
  { on: ['postgresql', 'mysql'] },
)

fault('process.exit in an operation cannot end the program with success', async (c) => {
  await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  process.exit(0)` } })
  const before = await c.state()
  const run = await c.rays(['migrate'])
  expect({ code: run.code, stderr: run.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/process\.exit\(0\)/),
  })
  if (c.atomic) await c.clean(before)
  else expect((await c.state()).schema).toBe(before.schema)
  c.repair()
  if (!c.atomic) return
  await c.next()
})

fault(
  'an index built concurrently inside a transaction is refused with the way out',
  async (c) => {
    await c.fixture({ 1: { up: `await client.execute('CREATE INDEX CONCURRENTLY slow ON a (v)')` } })
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/transaction = false/),
    })
    expect(run.stderr).toContain('25001')
    await c.clean(before)
    c.repair()
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'an index built concurrently that fails is left to a person, with the invalid index named',
  async (c) => {
    const cic = {
      up: `await client.execute('CREATE UNIQUE INDEX CONCURRENTLY one_v ON a (v)')`,
      down: `await client.execute('DROP INDEX one_v')`,
    }
    await c.fixture()
    c.folder(M2, [cic], { transaction: false })
    await c.db.query("INSERT INTO a VALUES (1, 'same'), (2, 'same')")
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/invalid[\s\S]*one_v/),
    })
    const [, row] = await c.history()
    expect(row).toMatchObject({ migration_name: M2, finished_at: null, rolled_back_at: null, applied_steps_count: 0 })
    await c.gone()
    await c.next({ refused: { code: 3, says: /operation 0/ } })
    await c.db.query('DROP INDEX one_v')
    await c.db.query('DELETE FROM a WHERE id = 2')
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'a failure whose undoing fails too is left to a person with both reasons',
  async (c) => {
    await c.fixture({
      0: { down: `throw new Error('cannot take b away')` },
      2: { up: `await client.execute('SELEC 1')` },
    })
    const run = await c.rays(['migrate'])
    expect(run.code).toBe(3)
    expect(run.stderr).toContain('cannot take b away')
    expect(run.stderr).toContain('ER_PARSE_ERROR')
    expect(run.stderr).toMatch(/In the database:\s+- operation 0/)
    const [, row] = await c.history()
    expect(row).toMatchObject({ migration_name: M2, finished_at: null, rolled_back_at: null })
    expect(String(row!.logs)).toContain('cannot take b away')
    expect(String(row!.logs)).toMatch(/operation 2/i)
    expect(await c.tables()).toEqual(['a', 'b'])
    await c.gone()
    await c.next({ refused: { code: 3, says: /20260102000000_b/ } })
    await c.db.query('DROP TABLE b')
    expect((await c.rays(['migrate', '--undo', '--skip-op', '0'])).code).toBe(0)
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)
