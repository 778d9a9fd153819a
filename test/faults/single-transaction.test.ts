/** `--single-transaction`: all migrations of a run are done, or none. */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type FaultCase, fault, M1, M2, M3, SECOND, say, table } from '../support/faults.js'
import { proxy } from '../support/proxy.js'

const WITH_DDL = { on: ['postgresql', 'sqlite'] } as const
const TOGETHER = ['migrate', '--single-transaction'] as const

/** Ends with this code, and says this. */
function ends(c: FaultCase, code: number, says: RegExp, args: readonly string[] = TOGETHER) {
  return c.ends(args, code, says)
}

fault(
  'all migrations of a run are applied in one transaction, each with its row, and unapplied so',
  async (c) => {
    await c.fixture()
    const seen = c.by({
      postgresql: 'SELECT txid_current()::text AS id',
      sqlite: "SELECT count(*) AS id FROM _prisma_migrations WHERE migration_name = '20260102000000_b'",
      mysql: '',
    })
    const keep = `globalThis.seen = [...(globalThis.seen ?? []), (await client.query(${JSON.stringify(seen)}))[0].id]`
    c.folder(M2, [...SECOND, { up: keep, down: keep }])
    c.folder(M3, [{ ...table('d'), up: `${table('d').up}\n  ${keep}\n  console.error('seen', ...globalThis.seen)` }])
    const plan = await c.rays([...TOGETHER, '--plan'])
    expect(plan.stdout).toMatch(/Would apply in one transaction:/)
    const run = await ends(c, 0, /^seen (\d+) (\d+)$/m)
    const [, first, second] = /^seen (\d+) (\d+)$/m.exec(run.stderr)!
    // The second finds the row of the first, of which nobody else knows yet.
    expect([first, second]).toEqual(c.provider === 'sqlite' ? ['0', '1'] : [first, first])
    expect(run.stdout).toMatch(
      /^Applied: 2 migrations in .*, in one transaction; the database is at 20260103000000_c\.$/m,
    )
    // Told once they are there for good.
    expect(run.stderr.indexOf(`Applied ${M2}`)).toBeGreaterThan(run.stderr.indexOf('seen'))
    const rows = await c.history()
    expect(rows.map((row) => [row.migration_name, JSON.parse(String(row.logs)).batch])).toEqual([
      [M1, 1],
      [M2, 2],
      [M3, 2],
    ])
    await c.gone()
    await c.next()
    await ends(c, 0, /Unapplied 20260102000000_b/, [...TOGETHER, '--name', M1, '--y'])
    expect(await c.applied()).toEqual([M1])
    expect(await c.tables()).toEqual(['a'])
    await c.next()
  },
  WITH_DDL,
)

fault(
  'the failure of one takes all others of the run back, up and down',
  async (c) => {
    await c.fixture()
    const before = await c.state()
    c.folder(M3, [{ ...table('d'), up: `await client.execute('INSERT INTO nowhere (id) VALUES (1)')` }])
    const files = await c.state()
    const run = await ends(c, 1, /operation 0 .* of 20260103000000_c failed: .*the whole run was rolled back/i)
    expect(run.stderr).not.toMatch(/^Applied/m)
    await c.clean(files)
    // Alone, the first would have stayed.
    c.folder(M3, [table('d')])
    await c.clean(before)
    await ends(c, 0, /Applied 20260103000000_c/)
    c.folder(M2, [...SECOND, { up: '', down: `throw new Error('not back')` }])
    const there = await c.state()
    await ends(c, 1, /not back\. The whole run was rolled back/, [...TOGETHER, '--name', M1, '--y'])
    await c.clean(there)
    c.folder(M2, SECOND)
    await c.next()
  },
  WITH_DDL,
)

fault(
  'a process that is killed between two of them leaves nothing of either',
  async (c) => {
    await c.fixture()
    c.folder(M3, [
      {
        ...table('d'),
        up: `${table('d').up}\n  await client.query('SELECT 1 AS waiting')\n  await new Promise((r) => setTimeout(r, 5_000))`,
      },
    ])
    const before = await c.state()
    const running = c.start(TOGETHER)
    await running.said(/SELECT 1 AS waiting/)
    running.child.kill('SIGKILL')
    expect((await running.output).code).toBe(137)
    await c.clean(before)
    const stopped = c.start(TOGETHER)
    await stopped.said(/SELECT 1 AS waiting/)
    stopped.child.kill('SIGTERM')
    const run = await stopped.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 143,
      stderr: expect.stringMatching(/during 20260103000000_c; the whole run was rolled back/),
    })
    await c.clean(before)
    c.folder(M3, [table('d')])
    await c.next()
  },
  WITH_DDL,
)

for (const at of ['cut-before', 'cut-after'] as const)
  fault(
    `a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got their COMMIT is asked for again`,
    async (c) => {
      await c.fixture()
      const before = await c.state()
      const between = await proxy(c.href, at)
      const run = await c.rays(TOGETHER, { env: { DATABASE_URL: between.href } }).finally(() => between.close())
      const said = { code: run.code, stderr: run.stderr }
      if (at === 'cut-after')
        expect(said).toEqual({ code: 0, stderr: expect.stringMatching(/Applied 20260103000000_c/) })
      else {
        expect(said).toEqual({ code: 1, stderr: expect.stringMatching(/connection was lost[\s\S]*rolled back/) })
        await c.clean(before)
      }
      await c.gone()
      await c.next()
    },
    { on: ['postgresql'] },
  )

fault(
  'a COMMIT in one of them leaves those before it applied, and itself for a person',
  async (c) => {
    await c.fixture()
    c.folder(M3, [{ ...table('d'), up: `${table('d').up}\n  await client.execute('COMMIT')` }])
    await ends(c, 3, /Operation 0 of 20260103000000_c ended the transaction/)
    expect(await c.applied()).toEqual([M1, M2])
    const rows = await c.history()
    expect(rows.at(-1)).toMatchObject({ migration_name: M3, finished_at: null, rolled_back_at: null })
    await c.gone()
    await c.next({ refused: { code: 3, says: /ended the transaction/ } })
    expect((await c.rays(['migrate', '--fake', '--name', M3])).code).toBe(0)
    await c.next()
  },
  WITH_DDL,
)

fault(
  'two deployers at once run every operation exactly once',
  async (c) => {
    const gate = c.gate()
    const wait = `await client.query('SELECT 1 AS waiting')\n  ${gate.wait}`
    await c.fixture()
    c.folder(M3, [{ ...table('d'), up: `${wait}\n  ${table('d').up}` }])
    const first = c.start(TOGETHER)
    await first.said(/SELECT 1 AS waiting/)
    const second = c.start(TOGETHER)
    await second.said(/Waiting for the migration lock/)
    gate.open()
    const runs = await Promise.all([first.output, second.output])
    for (const run of runs)
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(runs.filter((run) => /^Applied 20260102000000_b/m.test(run.stderr))).toHaveLength(1)
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    await c.next()
  },
  WITH_DDL,
)

const [M4, M5, M6] = ['20260104000000_p', '20260105000000_q', '20260106000000_r'] as const

fault(
  'what one sets does not reach the next, and what is put off to COMMIT is checked there',
  async (c) => {
    await c.fixture({}, { apply: false })
    await c.next()
    const parent = 'CREATE TABLE p (id INTEGER PRIMARY KEY)'
    const child = 'CREATE TABLE k (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)'
    const settings = c.by({
      postgresql: ["SET search_path = 'pg_catalog'; SET LOCAL statement_timeout = '7s'; SET ROLE pg_monitor"],
      sqlite: ['PRAGMA ignore_check_constraints = ON; PRAGMA defer_foreign_keys = ON; PRAGMA recursive_triggers = ON'],
      mysql: [],
    })
    const read = c.by({
      postgresql: `SELECT current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || (current_user = session_user) AS said`,
      sqlite: `SELECT (SELECT ignore_check_constraints FROM pragma_ignore_check_constraints) || ' ' || (SELECT defer_foreign_keys FROM pragma_defer_foreign_keys) || ' ' || (SELECT recursive_triggers FROM pragma_recursive_triggers) AS said`,
      mysql: '',
    })
    const down = `${say('DROP TABLE k')}\n  ${say('DROP TABLE p')}`
    c.folder(M4, [{ up: [parent, child, ...settings].map(say).join('\n  '), down }])
    c.folder(M5, [
      {
        up: `const rows = await client.query(${JSON.stringify(read)})\n  console.error('said', rows[0].said)\n  ${say('INSERT INTO k VALUES (2, 6)')}\n  ${say('INSERT INTO p VALUES (6)')}`,
        down: `${say('DELETE FROM k')}\n  ${say('DELETE FROM p')}`,
      },
    ])
    c.folder(M6, [{ up: say('INSERT INTO k VALUES (3, 7)'), down: null }])
    const before = await c.state()
    await ends(
      c,
      1,
      c.by({
        postgresql: /20260106000000_r failed: .*foreign key constraint.* The whole run was rolled back/s,
        sqlite: /20260106000000_r and with it the whole run were rolled back: rows refer to rows that do not exist/,
        mysql: /./,
      }),
    )
    await c.clean(before)
    c.folder(M6, [{ up: say('INSERT INTO p VALUES (7)'), down: say('DELETE FROM p WHERE id = 7') }])
    const run = await ends(c, 0, /^said /m)
    const said = /^said (.*)$/m.exec(run.stderr)![1]
    expect(said).toMatch(c.by({ postgresql: /^"?public"? 0 true$/, sqlite: /^0 0 0$/, mysql: /./ }))
    await c.gone()
    await c.next()
  },
  WITH_DDL,
)

fault(
  'a setting that a function makes for the transaction ends with its migration',
  async (c) => {
    await c.fixture()
    await c.db.query(
      `CREATE FUNCTION mark(by TEXT) RETURNS INTEGER LANGUAGE SQL AS $$ SELECT length(set_config('app.by', by, true)) $$`,
    )
    c.folder(M2, [
      { up: say("INSERT INTO a SELECT mark('one'), current_setting('app.by', true)"), down: say('DELETE FROM a') },
    ])
    c.folder(M3, [
      { up: say("INSERT INTO a VALUES (9, current_setting('app.by', true))"), down: say('DELETE FROM a WHERE id = 9') },
    ])
    await ends(c, 0, /Applied/)
    expect(await c.db.query("SELECT id FROM a WHERE COALESCE(v, '') = ''")).toEqual([{ id: 9 }])
  },
  { on: ['postgresql'] },
)

fault(
  'a savepoint of one is none for the next',
  async (c) => {
    await c.fixture()
    c.folder(M2, [{ ...table('b'), up: `${say('SAVEPOINT s')}\n  ${table('b').up}` }])
    c.folder(M3, [{ ...table('d'), up: `${say('ROLLBACK TO SAVEPOINT s')}\n  ${table('d').up}` }])
    const before = await c.state()
    await ends(c, 1, /20260103000000_c failed: .*savepoint.*The whole run was rolled back/is)
    await c.clean(before)
  },
  WITH_DDL,
)

fault(
  'what acts at COMMIT is refused where others would meet it before',
  async (c) => {
    await c.fixture()
    c.folder(M2, [{ up: say('CREATE TEMP TABLE a ON COMMIT DROP AS SELECT 1 AS id'), down: '' }])
    const before = await c.state()
    await ends(c, 1, /20260102000000_b failed: ON COMMIT acts at the end[\s\S]*--no-single-transaction/)
    await c.clean(before)
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'a ROLLBACK in one of them: it is told that those before it are gone, and how to go on',
  async (c) => {
    await c.fixture()
    c.folder(M3, [{ ...table('d'), up: say('ROLLBACK') }])
    const run = await ends(
      c,
      3,
      /ended the transaction[\s\S]*The migrations before it were taken back, and are not applied/,
    )
    expect(run.stderr).toMatch(/prisma migrate resolve --rolled-back 20260103000000_c, and rays migrate/)
    expect(run.stderr).not.toContain('--fake')
    expect(await c.applied()).toEqual([M1])
    expect(await c.tables()).toEqual(['a'])
  },
  WITH_DDL,
)

fault(
  'with foreign keys off for one of them nothing is done by another that depends on them',
  async (c) => {
    c.folder(M1, [
      {
        up: [
          'CREATE TABLE p (id INTEGER PRIMARY KEY)',
          'CREATE TABLE k (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) ON DELETE CASCADE)',
          'INSERT INTO p VALUES (1), (2)',
          'INSERT INTO k VALUES (1, 1), (2, 2)',
        ]
          .map(say)
          .join('\n  '),
        down: `${say('DROP TABLE k')}\n  ${say('DROP TABLE p')}`,
      },
    ])
    await c.next()
    const rebuild = [
      'PRAGMA foreign_keys=OFF',
      'CREATE TABLE new_p (id INTEGER PRIMARY KEY, more TEXT)',
      'INSERT INTO new_p (id) SELECT id FROM p',
      'DROP TABLE p',
      'ALTER TABLE new_p RENAME TO p',
      'PRAGMA foreign_keys=ON',
    ]
    c.folder(M2, [{ up: rebuild.map(say).join('\n  '), down: null }])
    const before = await c.state()
    // Alone, each of them meets foreign keys that are on.
    for (const sql of [
      'DELETE FROM p WHERE id = 1',
      'UPDATE p SET id = 3 WHERE id = 1',
      'REPLACE INTO p VALUES (1)',
      'INSERT INTO k VALUES (3, 9)',
      'DROP TABLE p',
      '-- so\nWITH x AS (SELECT 1) DELETE FROM p',
    ]) {
      c.folder(M3, [{ up: say(sql), down: null }])
      await ends(
        c,
        1,
        /20260103000000_c failed: foreign keys are off in this transaction[\s\S]*--no-single-transaction/,
      )
      c.folder(M3, [{ up: '', down: null }])
    }
    await c.state().then((after) => expect({ ...after, files: '' }).toEqual({ ...before, files: '' }))
    c.folder(M3, [
      {
        up: [
          'CREATE TABLE n (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id))',
          'ALTER TABLE k RENAME TO k2',
          'CREATE INDEX k_p ON k2 (p)',
        ]
          .map(say)
          .join('\n  '),
        down: null,
      },
    ])
    c.folder(M4, [
      {
        up: rebuild
          .map((sql) => sql.replaceAll('more', 'other'))
          .map(say)
          .join('\n  '),
        down: null,
      },
    ])
    await ends(c, 0, /Applied 20260104000000_p/)
    expect(await c.db.query('SELECT id, p FROM k2')).toEqual([
      { id: 1, p: 1 },
      { id: 2, p: 2 },
    ])
    await c.next()
  },
  { on: ['sqlite'] },
)

fault(
  'a new enum value that another of them uses: refused by the database, and told what helps',
  async (c) => {
    await c.fixture()
    c.folder(M2, [{ up: say("CREATE TYPE mood AS ENUM ('fine')"), down: say('DROP TYPE mood') }])
    await c.next()
    c.folder(M4, [{ up: say("ALTER TYPE mood ADD VALUE 'sad'"), down: '' }])
    c.folder(M5, [{ up: say("CREATE TABLE m (v mood DEFAULT 'sad')"), down: say('DROP TABLE m') }])
    const before = await c.state()
    await ends(c, 1, /20260105000000_q failed[\s\S]*--no-single-transaction/)
    await c.clean(before)
    await c.next()
  },
  { on: ['postgresql'] },
)

fault('what cannot be in one transaction with others is refused before anything runs', async (c) => {
  await c.fixture({}, { transaction: false })
  const before = await c.state()
  const says = c.by({
    postgresql: /20260102000000_b cannot run in a transaction/,
    sqlite: /20260102000000_b cannot run in a transaction/,
    mysql: /MySQL and MariaDB end the transaction/,
  })
  for (const args of [TOGETHER, [...TOGETHER, '--plan']]) {
    const run = await ends(c, 2, says, args)
    expect(run.stderr).toContain('--no-single-transaction')
  }
  await c.clean(before)
  if (c.atomic) {
    c.repair()
    writeFileSync(path.join(path.dirname(c.file(M3)), 'after.sh'), 'touch ran\n')
    await ends(c, 2, /the programs in the folder of 20260103000000_c run outside of the transaction/)
    expect(existsSync(path.join(c.project.folder, 'ran'))).toBe(false)
    rmSync(path.join(path.dirname(c.file(M3)), 'after.sh'))
    if (c.provider === 'postgresql') {
      const pooled = await c.rays(TOGETHER, { env: { DATABASE_URL: `${c.href}?pgbouncer=true` } })
      expect({ code: pooled.code, stderr: pooled.stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/behind a transaction pooler/),
      })
    }
    writeFileSync(path.join(path.dirname(c.file(M3)), 'after.sh'), 'touch ran\n')
    expect(await c.applied()).toEqual([M1])
  }
  // Wanted by the environment, and taken back for one run.
  const env = { RAYS_SINGLE_TRANSACTION: '1' }
  expect((await c.rays(['migrate'], { env })).code).toBe(2)
  expect((await c.rays(['migrate', '--check'], { env })).code).toBe(1)
  expect((await c.rays(['migrate', '--no-single-transaction'], { env })).code).toBe(0)
  await c.next()
  expect((await c.rays(['config'], { env })).stdout).toMatch(/singleTransaction\s+true\s+\(RAYS_SINGLE_TRANSACTION\)/)
})
