/** Faults inside an operation: what fails, what is swallowed, what is not awaited, what never ends. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { type FaultCase, fault, M1, M2, M3, SECOND, say, table } from '../support/faults.js'

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
    const why = c.by({ postgresql: /42601/, mysql: /ER_PARSE_ERROR/, sqlite: /SQLITE_ERROR/ })
    expect(run.stderr).toMatch(why)
    expect(run.stdout).toBe('')
    await c.undone(before, new RegExp(`operation ${k}\\b[\\s\\S]*${why.source}`, 'i'))
    c.repair()
    await c.next()
  })
}

fault('an exception in an operation, of whatever kind, leaves the database as it was', async (c) => {
  await c.fixture()
  const throwers = [
    [`throw new Error('lost my keys')`, 2, /lost my keys/],
    [`throw 'only a text'`, 0, /only a text/],
    [`throw Object.create(null)`, 1, /failed: it threw/],
    [`await Promise.reject(undefined)`, 2, /rejected with undefined/],
  ] as const
  for (const [thrower, at, says] of throwers) {
    // Where DDL commits, nothing of the operation must have been done before it throws.
    const up = c.atomic || at === 1 ? `${SECOND[at]!.up}\n  ${thrower}` : thrower
    c.folder(
      M2,
      SECOND.map((op, k) => (k === at ? { ...op, up } : op)),
    )
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(says) })
    expect(run.stderr).toMatch(new RegExp(`operation ${at}\\b`, 'i'))
    if (thrower.includes('new Error')) expect(run.stderr).toContain(`${c.file(M2)}:`)
    await c.undone(before, says)
  }
  c.repair()
  await c.next()
})

fault('an error that an operation swallows does not pass for success', async (c) => {
  const swallowed = `try { await client.execute('SELECT * FROM nowhere') } catch {}`
  const variants: [number, string][] = [
    [1, `${swallowed}\n  ${SECOND[1]!.up}`],
    [1, `${SECOND[1]!.up}\n  ${swallowed}`],
    // The last one: only the COMMIT comes after it.
    [2, `${SECOND[2]!.up}\n  await client.execute('SELECT * FROM nowhere').catch(() => {})`],
  ]
  if (c.provider !== 'postgresql') {
    // A failed statement undoes nothing but itself: all is applied.
    await c.fixture({
      0: { up: `${swallowed}\n  ${SECOND[0]!.up}` },
      1: { up: variants[1]![1] },
      2: { up: variants[2]![1] },
    })
    const run = await c.next()
    expect(run.stdout).toMatch(/^Applied: 2\b/m)
    expect(await c.tables()).toEqual(['a', 'b', 'c', 'd'])
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    return
  }
  for (const [k, up] of variants) {
    if (!c.folders.size) await c.fixture({ [k]: { up } })
    else
      c.folder(
        M2,
        SECOND.map((op, at) => (at === k ? { ...op, up } : op)),
      )
    const before = await c.state()
    const run = await c.rays(['migrate', '--name', M2])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/caught the error|25P02/),
    })
    expect(run.stderr).not.toMatch(/^Applied/m)
    expect(run.stdout).not.toMatch(/Applied/)
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
  await c.undone(before, /nowhere/, '20260102000001_late')
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
  await c.undone(before, /never finished/)
  c.folder(M2, [SECOND[0]!, { up: 'await new Promise(() => setInterval(() => {}, 1000))', down: '' }, SECOND[2]!])
  const now = await c.state()
  const limited = await c.rays(['migrate', '--op-timeout', '1'])
  expect({ code: limited.code, stderr: limited.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/operation 1 [\s\S]*did not end within 1 s/i),
  })
  expect(limited.milliseconds).toBeLessThan(10_000)
  await c.undone(now, /did not end within/)
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
    await expect(c.prismaDeploys()).rejects.toMatchObject({ code: 'P3009' })
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
    const held = c.by({
      postgresql: `SELECT count(*)::int AS held FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND pid = pg_backend_pid()`,
      mysql: `SELECT IS_USED_LOCK('prisma_migrate') = CONNECTION_ID() AS held`,
      sqlite: '',
    })
    // In a transaction of PostgreSQL's nobody gets it even now: the transaction has a share that no operation can give away.
    // So a run ends with exit code 4 on MySQL and outside of a transaction alone (the next case).
    const tried = c.by({
      postgresql: `const { Client } = require('pg')
  const other = new Client({ connectionString: process.env.DATABASE_URL })
  await other.connect()
  const { rows } = await other.query('SELECT pg_try_advisory_lock(72707369) AS got')
  await other.end()
  if (rows[0].got) throw new Error('somebody else got the lock')`,
      mysql: '',
      sqlite: '',
    })
    await c.fixture({
      0: { up: `${SECOND[0]!.up}\n  ${release}\n  ${tried}` },
      2: { up: `await client.execute(\`CREATE TABLE c AS ${held}\`)` },
    })
    if (c.provider === 'postgresql') {
      // What would give everything away at once is not possible inside of a transaction: an ordinary failure.
      const second = c.folders.get(M2)!
      c.code(M2, second.replace('await client', "await client.execute('DISCARD ALL')\n  await client"))
      const before = await c.state()
      const run = await c.rays(['migrate'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/25001/) })
      await c.clean(before)
      c.code(M2, second)
    }
    // Outside of a transaction: what it sees is the session's own lock, after the migration that gave it away.
    c.folder(M3, [{ up: `await client.execute(\`CREATE TABLE d AS ${held}\`)`, down: null }], { transaction: false })
    await c.next()
    expect({ next: await c.db.query('SELECT held FROM c'), later: await c.db.query('SELECT held FROM d') }).toEqual({
      next: [{ held: 1 }],
      later: [{ held: 1 }],
    })
    await c.gone()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a lock that another session has taken meanwhile stops the run where it is',
  async (c) => {
    const { release, free, take, give } = c.by({
      postgresql: {
        release: 'SELECT pg_advisory_unlock_all()',
        free: `(await client.query("SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))[0].n === 0`,
        take: 'SELECT 1 AS got FROM (SELECT pg_advisory_lock(72707369)) AS waited',
        give: 'SELECT pg_advisory_unlock(72707369)',
      },
      mysql: {
        release: 'SELECT RELEASE_ALL_LOCKS()',
        free: `(await client.query("SELECT IS_USED_LOCK('prisma_migrate') AS id"))[0].id === null`,
        take: "SELECT GET_LOCK('prisma_migrate', 20) AS got",
        give: "SELECT RELEASE_LOCK('prisma_migrate')",
      },
      sqlite: { release: '', free: '', take: '', give: '' },
    })
    await c.fixture(
      {
        0: {
          up: `${SECOND[0]!.up}
  await client.query('${release}')
  while (${free}) await new Promise((r) => setTimeout(r, 50))`,
        },
      },
      c.atomic ? { transaction: false } : {},
    )
    const other = await c.db.session()
    const running = c.start(['migrate'])
    await running.said(/CREATE TABLE b/)
    expect(await other.query(take)).toEqual([{ got: 1 }])
    const run = await running.output
    await other.query(give)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/lock was lost/) })
    const [, row] = await c.history()
    expect(row).toMatchObject({ migration_name: M2, finished_at: null, rolled_back_at: null, applied_steps_count: 1 })
    expect(JSON.parse(String(row!.logs))).toMatchObject({ op: 1, state: 'idle', dir: 'up' })
    expect(await c.tables()).toEqual(['a', 'b'])
    await c.gone()
    await c.next({ refused: { code: 3, says: /--resume/ } })
    const undone = await c.rays(['migrate', '--undo'])
    expect({ code: undone.code, stderr: undone.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    c.repair()
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
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

fault(
  'rows without a parent are noticed where SQLite forgets that it had put them off',
  async (c) => {
    const parent = [
      'CREATE TABLE p (id INTEGER PRIMARY KEY)',
      'CREATE TABLE k (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id))',
    ]
    c.folder(M1, [{ up: parent.map(say).join('\n  '), down: null }])
    await c.next()
    const before = await c.state()
    const off = (...rows: string[]) =>
      ['PRAGMA defer_foreign_keys = ON', ...rows, 'PRAGMA defer_foreign_keys = OFF'].map(say).join('\n  ')
    const deferrable =
      'CREATE TABLE d (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)'
    for (const up of [
      off('INSERT INTO k VALUES (1, 5)'),
      `${say(deferrable)}\n  ${say('INSERT INTO d VALUES (1, 5)')}\n  ${off()}`,
    ]) {
      c.folder(M2, [{ up, down: null }])
      const run = await c.rays(['migrate'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/rolled back: rows refer to rows that do not exist: [kd]/),
      })
      rmSync(path.dirname(c.file(M2)), { recursive: true })
      await c.clean(before)
    }
    c.folder(M2, [{ up: off('INSERT INTO k VALUES (1, 5)', 'INSERT INTO p VALUES (5)'), down: null }])
    await c.next()
  },
  { on: ['sqlite'] },
)

fault('process.exit in an operation cannot end the program with success', async (c) => {
  await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  process.exit(0)` } })
  const before = await c.state()
  const run = await c.rays(['migrate'])
  expect({ code: run.code, stderr: run.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/process\.exit\(0\)/),
  })
  await c.undone(before, /process\.exit/)
  c.repair()
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
    expect(JSON.parse(String(row!.logs))).toMatchObject({
      op: 0,
      state: 'running',
      dir: 'up',
      error: expect.stringMatching(/^Operation 0 [\s\S]*failed[\s\S]*23505[\s\S]*one_v/),
    })
    expect(await c.db.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_v'::regclass")).toEqual([
      { indisvalid: false },
    ])
    await c.gone()
    await c.next({ refused: { code: 3, says: /operation 0 was started[\s\S]*23505/ } })
    await expect(c.prismaDeploys()).rejects.toMatchObject({ code: 'P3009' })
    await c.db.query('DROP INDEX one_v')
    await c.db.query('DELETE FROM a WHERE id = 2')
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'an invalid index that was there before is no end of an operation that finds it good enough, and status tells of it',
  async (c) => {
    const cic = `await client.execute('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_v ON a (v)')`
    await c.fixture()
    c.folder(M2, [{ up: cic, down: `await client.execute('DROP INDEX one_v')` }], { transaction: false })
    await c.db.query("INSERT INTO a VALUES (1, 'same'), (2, 'same')")
    await c.db.query('CREATE UNIQUE INDEX CONCURRENTLY one_v ON a (v)').catch(() => undefined)
    // Of a partitioned table: invalid until every partition has its own, as it should be.
    await c.db.query(`CREATE TABLE parts (id INTEGER) PARTITION BY RANGE (id);
      CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
      CREATE INDEX parts_id ON ONLY parts (id)`)
    const told = /The index "public"\."one_v" of "a" is invalid: REINDEX INDEX CONCURRENTLY "public"\."one_v"/
    const status = await c.rays(['status'])
    expect({ code: status.code, stderr: status.stderr }).toEqual({ code: 0, stderr: expect.stringMatching(told) })
    expect(status.stderr).not.toContain('parts_id')
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/"one_v" of "a" is invalid[\s\S]*REINDEX INDEX CONCURRENTLY[\s\S]*--skip-op 0/),
    })
    const skipped = await c.rays(['migrate', '--resume', '--skip-op', '0'])
    expect({ code: skipped.code, stderr: skipped.stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/one_v/) })
    await c.db.query('DELETE FROM a WHERE id = 2')
    await c.db.query('REINDEX INDEX CONCURRENTLY one_v')
    const resumed = await c.rays(['migrate', '--resume', '--skip-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
    await c.db.query('DROP INDEX one_v')
    await c.db.query("INSERT INTO a VALUES (2, 'same')")
    await c.db.query('CREATE UNIQUE INDEX CONCURRENTLY one_v ON a (v)').catch(() => undefined)
    for (const flag of ['--check', '--strict']) expect((await c.rays(['status', flag])).code).toBe(1)
    const doctor = await c.rays(['doctor', '--json'])
    expect(JSON.parse(doctor.stdout).data.findings).toContainEqual(expect.objectContaining({ code: 'half-done' }))
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
    expect(JSON.parse(String(row!.logs))).toMatchObject({
      op: 0,
      dir: 'undo',
      error: expect.stringMatching(
        /^Operation 2 [\s\S]*ER_PARSE_ERROR[\s\S]*cannot take b away[\s\S]*In the database:\s+- operation 0[^\n]*$/,
      ),
    })
    expect(await c.tables()).toEqual(['a', 'b'])
    expect(await c.db.query('SELECT id FROM a')).toEqual([])
    await c.gone()
    await c.next({ refused: { code: 3, says: /20260102000000_b[\s\S]*ER_PARSE_ERROR[\s\S]*cannot take b away/ } })
    const status = await c.rays(['status'])
    expect(status.stdout).toMatch(/operation 0 of 3 is in doubt: [\s\S]*ER_PARSE_ERROR[\s\S]*cannot take b away/)
    await expect(c.prismaDeploys()).rejects.toMatchObject({ code: 'P3009', message: expect.stringContaining(M2) })
    // Going back fails once more: what was never applied is not run forwards for that.
    const again = await c.rays(['migrate', '--undo', '--retry-op', '0'])
    expect({ code: again.code, stderr: again.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/cannot take b away[\s\S]*Undoing it failed[\s\S]*operation 0/),
    })
    expect(await c.tables()).toEqual(['a', 'b'])
    expect(await c.db.query('SELECT id FROM a')).toEqual([])
    expect((await c.history())[1]).toMatchObject({ finished_at: null, rolled_back_at: null })
    await c.db.query('DROP TABLE b')
    expect((await c.rays(['migrate', '--undo', '--skip-op', '0'])).code).toBe(0)
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)

fault(
  'what cannot be undone for want of a down is not begun to be undone either',
  async (c) => {
    await c.fixture({ 0: { down: null }, 2: { up: `await client.execute('SELEC 1')` } })
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/could not be undone: operation 0 has no down/),
    })
    const before = await c.state()
    const undo = await c.rays(['migrate', '--undo'])
    expect({ code: undo.code, stderr: undo.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/operation 0[\s\S]*--resume[\s\S]*--rolled-back/),
    })
    expect(await c.state()).toEqual(before)
    await c.next({ refused: { code: 3, says: /operation 0 has no down/ } })
    await c.db.query('DROP TABLE b')
    await c.db.query('DELETE FROM a')
    // As prisma migrate resolve --rolled-back does it.
    await c.db.query('UPDATE _prisma_migrations SET rolled_back_at = NOW(3) WHERE finished_at IS NULL')
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)
