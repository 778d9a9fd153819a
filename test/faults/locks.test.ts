/** Several deployers, a lock that is held, poolers, tables and statements that hang. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type FaultCase, fault, M1, M2, M3, pause, type Running, SECOND, table } from '../support/faults.js'

fault('five deployers at once run every operation exactly once', async (c) => {
  // The first goes on once another one waits for it, however long this machine takes to start five processes.
  const { wait, open } = c.gate()
  await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  ${wait}\n  await client.execute('UPDATE runs SET n = n + 1')` } })
  await c.db.query('CREATE TABLE runs (n INTEGER)')
  await c.db.query('INSERT INTO runs VALUES (0)')
  const running = [1, 2, 3, 4, 5].map(() => c.start(['migrate', '--lock-timeout', '40']))
  const waits = /Waiting for the migration lock, held by/
  await Promise.any(running.map((each) => each.said(waits)))
  open()
  const runs = await Promise.all(running.map((each) => each.output))
  for (const run of runs)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.db.query('SELECT n FROM runs')).toEqual([{ n: 1 }])
  expect((await c.history()).map((row) => row.migration_name)).toEqual([M1, M2, M3])
  expect(runs.filter((run) => waits.test(run.stderr)).length).toBeGreaterThan(0)
  expect(runs.filter((run) => /^Applied 20260102000000_b/m.test(run.stderr))).toHaveLength(1)
  expect(runs.filter((run) => /^Applied 20260103000000_c/m.test(run.stderr))).toHaveLength(1)
  await c.gone()
  await c.next()
})

/** Holds the migration lock in another session. */
async function hold(c: FaultCase): Promise<() => Promise<void>> {
  const other = await c.db.session()
  await other.query(
    c.by({
      postgresql: 'SELECT pg_advisory_lock(72707369)',
      mysql: "SELECT GET_LOCK('prisma_migrate', 30)",
      sqlite: 'BEGIN IMMEDIATE',
    }),
  )
  return async () => {
    await other.query(
      c.by({
        postgresql: 'SELECT pg_advisory_unlock(72707369)',
        mysql: "SELECT RELEASE_LOCK('prisma_migrate')",
        sqlite: 'ROLLBACK',
      }),
    )
  }
}

const HOLDER = { postgresql: /test, session \d+/, mysql: /session \d+ \(user root/, sqlite: /another process/ }

fault('a lock that is held longer than the limit ends the run, and its holder is named', async (c) => {
  await c.fixture()
  const before = await c.state()
  const release = await hold(c)
  const shown = await c.rays(['lock'])
  expect({ code: shown.code, stdout: shown.stdout }).toEqual({ code: 0, stdout: expect.stringMatching(c.by(HOLDER)) })
  const running = c.start(['migrate', '--lock-timeout', '2'])
  // From here on it waits: what a busy machine needs to start a process is not the lock's.
  await running.said(/Waiting for the migration lock/)
  const started = performance.now()
  const run = await running.output
  const waited = performance.now() - started
  expect(waited).toBeGreaterThan(1000)
  expect(waited).toBeLessThan(4000)
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(c.by(HOLDER)) })
  expect(run.stderr).toContain('--lock-timeout')
  await release()
  await c.clean(before)
  if (c.provider !== 'mysql') expect((await c.rays(['lock'])).stdout).toContain('Nobody holds')
  await c.next()
})

fault('SIGTERM while waiting for the lock leaves nothing held', async (c) => {
  await c.fixture()
  const before = await c.state()
  const release = await hold(c)
  const running = c.start(['migrate', '--lock-timeout', '30'])
  await running.said(/Waiting for the migration lock/)
  const started = performance.now()
  running.child.kill('SIGTERM')
  const run = await running.output
  expect(performance.now() - started).toBeLessThan(3000)
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 143, stderr: expect.stringMatching(/nterrupted/) })
  expect(run.stderr).not.toMatch(/fault in rays/)
  await release()
  await c.clean(before)
  await c.next()
})

fault('rays and prisma migrate deploy at once apply everything once', async (c) => {
  const sql = (name: string) => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY);\n`
  const gate = c.gate()
  const wait = `await client.query('SELECT 1 AS locked')\n  ${gate.wait}`
  c.folder(M1, [{ ...table('a'), up: `${wait}\n  ${table('a').up}` }], { sql: sql('a') })
  c.folder(M2, [table('b')], { sql: sql('b') })
  const running = c.start(['migrate'])
  await running.said(/SELECT 1 AS locked/)
  const deploying = c.prismaDeploys()
  // Prisma on SQLite does not wait: a busy file is an error, and whoever deploys tries again.
  if (c.provider === 'sqlite') await expect(deploying).rejects.toMatchObject({ code: 'P1008' })
  else {
    const queued = c.by({
      postgresql: `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      mysql: "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT GET_LOCK%'",
      sqlite: '',
    })
    while ((await c.db.query(queued)).length === 0) await pause(20)
  }
  gate.open()
  const run = await running.output
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await (c.provider === 'sqlite' ? c.prismaDeploys() : deploying)).toEqual([])
  expect((await c.history()).map((row) => row.migration_name)).toEqual([M1, M2])
  if (c.provider === 'sqlite') return c.next()
  // The other way round: Prisma has the lock, and rays waits for it to find nothing to do.
  const { shut, open, pass } = c.by({
    postgresql: {
      shut: 'SELECT pg_advisory_lock(1)',
      open: 'SELECT pg_advisory_unlock(1)',
      pass: 'SELECT pg_advisory_xact_lock(1);',
    },
    mysql: {
      shut: `SELECT GET_LOCK('${c.db.name}', 30)`,
      open: `SELECT RELEASE_LOCK('${c.db.name}')`,
      pass: `DO GET_LOCK('${c.db.name}', 30);`,
    },
    sqlite: { shut: '', open: '', pass: '' },
  })
  const other = await c.db.session()
  await other.query(shut)
  c.folder(M3, [table('c')], { sql: `${pass}\n${sql('c')}` })
  const first = c.prismaDeploys()
  while (!(await c.history()).some((row) => row.migration_name === M3)) await pause(20)
  const second = c.start(['migrate'])
  await second.said(/Waiting for the migration lock/)
  await other.query(open)
  expect(await first).toEqual([M3])
  const last = await second.output
  expect({ code: last.code, stdout: last.stdout, stderr: last.stderr }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/nothing|up to date|already/i),
    stderr: expect.any(String),
  })
  expect((await c.history()).map((row) => row.migration_name)).toEqual([M1, M2, M3])
  await c.gone()
  await c.next()
})

fault(
  'an index is built concurrently while another deployer waits',
  async (c) => {
    await c.fixture()
    const cic = {
      up: `await client.query('SELECT pg_advisory_lock(1)')\n  await client.execute('CREATE INDEX CONCURRENTLY slow_v ON a (v)')`,
      down: `await client.execute('DROP INDEX slow_v')`,
    }
    c.folder(M2, [cic], { transaction: false })
    const other = await c.db.session()
    await other.query('SELECT pg_advisory_lock(1)')
    const first = c.start(['migrate', '--lock-timeout', '30'])
    await first.said(/pg_try_advisory_lock/)
    const second = c.start(['migrate', '--lock-timeout', '30'])
    await second.said(/Waiting for the migration lock/)
    await other.query('SELECT pg_advisory_unlock(1)')
    const runs = await Promise.all([first.output, second.output])
    for (const run of runs)
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(runs.map((run) => run.stderr).join()).not.toContain('40P01')
    expect(await c.db.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'slow_v'::regclass")).toEqual([
      { indisvalid: true },
    ])
    await c.next()
  },
  { on: ['postgresql'] },
)

/** A migration outside of a transaction that waits in its second operation until it is told to go. */
async function outside(c: FaultCase): Promise<{ running: Running; go(): void }> {
  const gate = c.gate()
  const wait = `await client.query('SELECT 1 AS waiting')\n  ${gate.wait}`
  await c.fixture({ 1: { up: `${wait}\n  ${SECOND[1]!.up}` } }, { transaction: false })
  const running = c.start(['migrate'])
  await running.said(/SELECT 1 AS waiting/)
  return { running, go: gate.open }
}

/** What lies in the folder of the database. */
function beside(c: FaultCase): string[] {
  const file = c.href.replace(/^file:/, '')
  return readdirSync(path.dirname(file)).filter((name) => name.startsWith(path.basename(file)))
}

const BETWEEN = /another rays that is applying a migration operation by operation/
const ON_SQLITE = { on: ['sqlite'] } as const

fault(
  'a migration outside of a transaction is waited for, and is nowhere told as failed meanwhile',
  async (c) => {
    const { running, go } = await outside(c)
    expect(beside(c)).toHaveLength(2)
    const second = c.start(['migrate'])
    await second.said(/Waiting for the migration lock, held by another rays/)
    const [lock, status, plan, doctor] = await Promise.all([
      c.rays(['lock']),
      c.rays(['status', '--json']),
      c.rays(['migrate', '--plan']),
      c.rays(['doctor', '--json']),
    ])
    expect(lock.stdout).toMatch(BETWEEN)
    const told = JSON.parse(status.stdout).data
    expect(told.counts).toMatchObject({ applied: 1, running: 1, failed: 0, pending: 1 })
    expect(told.migrations[1]).toMatchObject({ name: M2, state: 'running' })
    expect(told.next).toMatch(/being applied/)
    expect({ code: plan.code, stderr: plan.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(BETWEEN) })
    expect(JSON.parse(doctor.stdout).data.findings).toContainEqual(
      expect.objectContaining({ code: 'running', about: M2 }),
    )
    go()
    for (const run of await Promise.all([running.output, second.output]))
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect((await second.output).stderr).not.toMatch(/^Applied/m)
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    expect((await c.rays(['lock'])).stdout).toContain('Nobody holds')
    expect(beside(c)).toHaveLength(1)
    await c.next()
  },
  ON_SQLITE,
)

fault(
  'while a migration outside of a transaction runs nobody else changes anything, and a dead one holds nobody up',
  async (c) => {
    const { running, go } = await outside(c)
    const before = await c.state()
    const refused = [
      ['migrate'],
      ['migrate', '--resume', '--retry-op', '1'],
      ['migrate', '--undo', '--skip-op', '1'],
      ['migrate', '--fake', '--name', M2],
      ['down'],
      ['push', '--y'],
      ['doctor', '--revert', '--y'],
    ]
    const runs = await Promise.all(refused.map((args) => c.rays(args, { env: { RAYS_LOCK_TIMEOUT: '1' } })))
    for (const [k, run] of runs.entries())
      expect({ args: refused[k], code: run.code, stderr: run.stderr }).toEqual({
        args: refused[k],
        code: 4,
        stderr: expect.stringMatching(BETWEEN),
      })
    await expect(c.prismaDeploys()).rejects.toMatchObject({ code: 'P1002', message: expect.stringMatching(BETWEEN) })
    expect(await c.state()).toEqual(before)
    running.child.kill('SIGKILL')
    await running.output
    expect(beside(c)).toHaveLength(2)
    await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt/ } })
    go()
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '1', '--lock-timeout', '1'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    expect(beside(c)).toHaveLength(1)
    await c.next()
  },
  ON_SQLITE,
)

fault(
  'several deployers at once run every operation exactly once outside of a transaction, too',
  async (c) => {
    const wait = 'await new Promise((r) => setTimeout(r, 700))'
    const up = `${SECOND[1]!.up}\n  ${wait}\n  await client.execute('UPDATE runs SET n = n + 1')`
    await c.fixture({ 1: { up } }, { transaction: false })
    await c.db.query('CREATE TABLE runs (n INTEGER)')
    await c.db.query('INSERT INTO runs VALUES (0)')
    // All have the lock, one after the other, before any of them begins.
    c.code(M3, `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)\n${c.folders.get(M3)}`)
    const runs = await Promise.all([1, 2, 3].map(() => c.rays(['migrate'])))
    for (const run of runs)
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.db.query('SELECT n FROM runs')).toEqual([{ n: 1 }])
    expect(runs.filter((run) => /^Applied 20260102000000_b/m.test(run.stderr))).toHaveLength(1)
    expect(runs.filter((run) => /^Applied 20260103000000_c/m.test(run.stderr))).toHaveLength(1)
    expect(beside(c)).toHaveLength(1)
    await c.next()
  },
  ON_SQLITE,
)

const pgbouncer = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'].find((file) =>
  existsSync(file),
)

/** pgbouncer in transaction mode before the case's database, with two server connections that clients share. */
async function pooler(c: FaultCase): Promise<{ href: string; stop(): void }> {
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
  const folder = mkdtempSync(path.join(tmpdir(), 'rays-test-pgbouncer-'))
  const at = new URL(c.href)
  const ini = path.join(folder, 'pgbouncer.ini')
  writeFileSync(
    ini,
    `[databases]
* = host=${at.hostname} port=${at.port} user=${at.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
unix_socket_dir =
ignore_startup_parameters = extra_float_digits,options
`,
  )
  chmodSync(folder, 0o755)
  const user =
    process.getuid?.() === 0 ? Number(spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout) : undefined
  const child = spawn(pgbouncer!, [ini], { ...(user && { uid: user }), stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((resolve, reject) => {
    let log = ''
    child.stderr.on('data', (chunk) => {
      log += chunk
      if (/process up/.test(log)) resolve()
    })
    child.on('exit', () => reject(new Error(log)))
  })
  at.port = String(port)
  return {
    href: at.href,
    stop: () => {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

for (const told of [true, false])
  fault(
    told
      ? 'behind a transaction pooler that the URL names, every transaction takes the lock'
      : 'a transaction pooler that nobody named is found out, and nothing stays locked',
    async (c) => {
      await c.fixture()
      const pool = await pooler(c)
      const { default: pg } = await import('pg')
      const other = new pg.Client({ connectionString: pool.href })
      other.on('error', () => undefined)
      await other.connect()
      try {
        const href = told ? `${pool.href}?pgbouncer=true` : pool.href
        if (told) {
          c.folder(M3, [table('d')], { transaction: false })
          const refused = await c.rays(['migrate'], { env: { DATABASE_URL: href } })
          expect({ code: refused.code, stderr: refused.stderr }).toEqual({
            code: 2,
            stderr: expect.stringMatching(/transaction = false/),
          })
          c.folder(M3, [table('d')])
        }
        // While the code is loaded, after the lock was taken, somebody else uses the server's session that rays had.
        c.code(M2, `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)\n${c.folders.get(M2)}`)
        const before = await c.state()
        const running = c.start(['migrate', '--lock-timeout', '3'], { env: { DATABASE_URL: href } })
        await running.said(/pg_try_advisory_(xact_)?lock[\s\S]*FROM "public"."_prisma_migrations"/)
        await other.query('BEGIN')
        await running.said(/\] BEGIN; /)
        await other.query('COMMIT')
        const run = await running.output
        if (told) expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        else {
          expect({ code: run.code, stderr: run.stderr }).toEqual({
            code: 4,
            stderr: expect.stringMatching(/pooler[\s\S]*pgbouncer=true/),
          })
          expect(await c.state()).toEqual(before)
        }
      } finally {
        await other.end()
        await pause(300)
        const locks = await c.db.query(
          "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        pool.stop()
        expect(locks).toEqual([])
      }
      await c.next()
    },
    {
      on: ['postgresql'],
      skip: pgbouncer ? undefined : 'pgbouncer is not installed (Debian: apt-get install pgbouncer)',
    },
  )

fault(
  'a table that another session holds is not waited for longer than the limit',
  async (c) => {
    await c.fixture({ 1: { up: `await client.execute('ALTER TABLE a ADD COLUMN more INTEGER')`, down: '' } })
    const before = await c.state()
    const other = await c.db.session()
    if (c.provider === 'postgresql') await other.query('BEGIN; SELECT * FROM a')
    else await other.query('LOCK TABLES a READ')
    const running = c.start(['migrate', '--lock-timeout', '2'])
    await running.said(/CREATE TABLE b/)
    // A third session queues behind the ALTER, and must not do so for longer than that.
    const third = await c.db.session()
    const waiting = c.by({
      postgresql: "SELECT 1 FROM pg_locks WHERE relation = 'a'::regclass AND NOT granted",
      mysql: `SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for%' AND info LIKE 'ALTER TABLE a%'`,
      sqlite: '',
    })
    while ((await c.db.query(waiting)).length === 0) await pause(20)
    const started = performance.now()
    await third.query('SELECT count(*) FROM a')
    expect(performance.now() - started).toBeLessThan(3000)
    const run = await running.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(c.by({ postgresql: /55P03/, mysql: /ER_LOCK_WAIT_TIMEOUT|1205/, sqlite: /./ })),
    })
    await other.query(c.provider === 'postgresql' ? 'ROLLBACK' : 'UNLOCK TABLES')
    await c.undone(before, c.by({ postgresql: /./, mysql: /operation 1[\s\S]*ER_LOCK_WAIT_TIMEOUT/i, sqlite: /./ }))
    c.repair()
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a reader that keeps a SQLite file open is not waited for longer than the limit',
  async (c) => {
    await c.fixture()
    const before = await c.state()
    const other = await c.db.session()
    await other.query('BEGIN')
    await other.query('SELECT * FROM a')
    const run = await c.rays(['migrate', '--lock-timeout', '1'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/SQLITE_BUSY/) })
    await other.query('ROLLBACK')
    await c.clean(before)
    await c.next()
  },
  { on: ['sqlite'] },
)

/** What others do to an operation, and what the database says of it. */
const IN_THE_WAY = {
  postgresql: [
    ['a row, and nobody waits', 'SELECT * FROM a WHERE id = 1 FOR UPDATE NOWAIT', /55P03/],
    ['a deadlock', `DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$`, /40P01/],
    ['a conflict of snapshots', `DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$`, /40001/],
  ],
  mysql: [
    ['a row, and nobody waits', 'SELECT * FROM a WHERE id = 1 FOR UPDATE NOWAIT', /LOCK_WAIT_TIMEOUT|LOCK_NOWAIT/],
    ['a row', "UPDATE a SET v = 'z' WHERE id = 1", /LOCK_WAIT_TIMEOUT/],
    ['a deadlock', undefined, /LOCK_DEADLOCK/],
  ],
} as const

for (const provider of ['postgresql', 'mysql'] as const)
  for (const [what, statement, code] of IN_THE_WAY[provider])
    fault(
      `another session is in the way (${what}): try again, and what was done before is told`,
      async (c) => {
        await c.fixture()
        await c.next({ args: ['--name', M2], applied: [M1, M2] })
        const rows = Array.from({ length: 40 }, (_, n) => `(${n + 10}, 'x')`).join(', ')
        await c.db.query(`INSERT INTO a VALUES ${rows}, (95, 'the end of what the other one looks at')`)
        // The other one has changed more, so the server gives up this one.
        const deadlock = `const mysql = require('mysql2/promise')
  const other = await mysql.createConnection(process.env.DATABASE_URL)
  // It holds no row but those that it changes, however the server finds them.
  await other.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  await other.query('START TRANSACTION')
  await other.query("UPDATE a SET v = 'other' WHERE id BETWEEN 2 AND 90")
  await client.execute("UPDATE a SET v = 'own' WHERE id = 1")
  const waits = other.query("UPDATE a SET v = 'other' WHERE id = 1").catch(() => undefined)
  while ((await client.query("SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'UPDATE a SET v = ''other'' WHERE id = 1'")).length === 0) await new Promise((r) => setTimeout(r, 20))
  try {
    await client.execute("UPDATE a SET v = 'own' WHERE id = 2")
  } finally {
    await waits
    await other.query('ROLLBACK')
    await other.end()
  }`
        c.folder('20260104000000_e', [
          {
            up: `await client.execute("INSERT INTO a VALUES (99, 'new')")\n  ${statement ? `await client.query(${JSON.stringify(statement)})` : deadlock}`,
            down: '',
          },
        ])
        const other = await c.db.session()
        if (statement) {
          await other.query('BEGIN')
          await other.query('SELECT * FROM a WHERE id = 1 FOR UPDATE')
        }
        const run = await c.rays(['migrate', '--lock-timeout', '1', '--json'])
        if (statement) await other.query('ROLLBACK')
        expect(run.code).toBe(4)
        expect(run.json()).toMatchObject({
          ok: false,
          error: {
            code: 'E_LOCK',
            message: expect.stringMatching(code),
            hint: expect.stringMatching(/again/),
            data: { failed: '20260104000000_e', done: [M3] },
          },
        })
        expect(await c.db.query('SELECT v FROM a WHERE id IN (1, 2, 99) ORDER BY id')).toEqual([{ v: 'x' }, { v: 'y' }])
        expect(await c.applied()).toEqual([M1, M2, M3])
        await c.gone()
        c.folder('20260104000000_e', [table('e')])
        await c.next()
      },
      { on: [provider] },
    )

fault(
  'another session is in the way, and undoing what was done fails: a decision',
  async (c) => {
    await c.fixture({
      0: { down: `throw new Error('cannot take b away')` },
      1: { up: `await client.execute('ALTER TABLE a ADD COLUMN more INTEGER')` },
    })
    const other = await c.db.session()
    await other.query('LOCK TABLES a READ')
    const run = await c.rays(['migrate', '--lock-timeout', '1'])
    await other.query('UNLOCK TABLES')
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/LOCK_WAIT_TIMEOUT[\s\S]*cannot take b away[\s\S]*operation 0/),
    })
    await c.db.query('DROP TABLE b')
    expect((await c.rays(['migrate', '--undo', '--skip-op', '0'])).code).toBe(0)
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)

fault(
  'a history that another session holds is waited for, never told as unreadable',
  async (c) => {
    await c.fixture()
    const before = await c.state()
    const other = await c.db.session()
    if (c.provider === 'postgresql') await other.query('BEGIN; LOCK TABLE _prisma_migrations')
    else await other.query('LOCK TABLES _prisma_migrations WRITE')
    const run = await c.rays(['migrate', '--lock-timeout', '1'])
    await other.query(c.provider === 'postgresql' ? 'ROLLBACK' : 'UNLOCK TABLES')
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/Try again/) })
    await c.clean(before)
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a statement that hangs is stopped at its limit',
  async (c) => {
    await c.fixture({
      1: {
        up: `await client.query('SELECT 1 AS waiting')
  await client.query('${c.by({ postgresql: 'SELECT pg_sleep(600)', mysql: 'SELECT SLEEP(600)', sqlite: '' })}')`,
      },
    })
    const before = await c.state()
    const running = c.start(['migrate', '--statement-timeout', '1'])
    await running.said(/SELECT 1 AS waiting/)
    const started = performance.now()
    const run = await running.output
    expect(performance.now() - started).toBeLessThan(5000)
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/--statement-timeout/),
    })
    await c.undone(before, /operation 1/i)
    c.repair()
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a statement that hangs inside SQLite ends with the process, and the file is clean',
  async (c) => {
    const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
    await c.fixture({
      1: { up: `${SECOND[1]!.up}\n  await client.query('SELECT 1 AS waiting')\n  await client.query('${endless}')` },
    })
    const before = await c.state()
    const running = c.start(['migrate'])
    await running.said(/SELECT 1 AS waiting/)
    running.child.kill('SIGKILL')
    await running.output
    await c.clean(before)
    c.repair()
    await c.next()
  },
  { on: ['sqlite'] },
)
