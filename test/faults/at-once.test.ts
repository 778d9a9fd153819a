/** Migrations that are nothing but statements go to the server several at a time, and leave what they leave one by one. */
import { writeFileSync } from 'node:fs'
import { type FaultCase, fault, M1, M2, M3, type Op, pause } from '../support/faults.js'
import { proxy } from '../support/proxy.js'

const M4 = '20260104000000_d'

/** An operation in the form that rays writes. */
function plain(up: string, down: string): Op {
  const statement = (sql: string) => `await client.execute(\`${sql.replaceAll('`', '\\`')}\`);`
  return { up: statement(up), down: statement(down) }
}

function made(name: string): Op {
  return plain(`CREATE TABLE ${name} (id INTEGER PRIMARY KEY)`, `DROP TABLE ${name}`)
}

const row = (id: number) => plain(`INSERT INTO a VALUES (${id}, 'x')`, `DELETE FROM a WHERE id = ${id}`)

/** How many migrations each message of a run has done. */
function messages(stderr: string): number[] {
  return [...stderr.matchAll(/-- (\d+) of \d+ migrations done, in one message/g)].map(([, done]) => Number(done))
}

function ends(c: FaultCase, code: number, says: RegExp, args: readonly string[] = ['migrate']) {
  return c.ends(args, code, says)
}

/** Prisma reads the history in the order in which the migrations were started. */
async function timesInOrder(c: FaultCase): Promise<number[]> {
  const rows = await c.history()
  const times = rows.flatMap((row) => [row.started_at, row.finished_at]).map((at) => new Date(String(at)).getTime())
  expect(times).toEqual([...times].sort((a, b) => a - b))
  return times
}

/** Waits until a statement of rays' sleeps. */
async function asleep(c: FaultCase) {
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
  while ((await c.db.query(sleeping)).length === 0) await pause(20)
}

const ON = { on: ['postgresql'] } as const

fault(
  'what is sent together is recorded one by one, up and down',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b'), row(1), made('c')])
    c.folder(M3, [made('d')])
    c.folder(M4, [row(2)])
    const run = await ends(c, 0, /Applied 20260104000000_d/)
    expect(messages(run.stderr)).toEqual([3])
    const told = [...run.stderr.matchAll(/^Applied (\S+)/gm)].map(([, name]) => name)
    expect(told).toEqual([M2, M3, M4])
    const rows = await c.history()
    expect(rows.map((each) => [each.migration_name, each.applied_steps_count])).toEqual([
      [M1, 1],
      [M2, 3],
      [M3, 1],
      [M4, 1],
    ])
    const times = await timesInOrder(c)
    expect(Math.abs(Date.now() - times.at(-1)!)).toBeLessThan(60_000)
    await c.next()
    await ends(c, 0, /Unapplied 20260102000000_b/, ['migrate', '--name', M1, '--y'])
    expect(await c.applied()).toEqual([M1])
    expect(await c.tables()).toEqual(['a'])
    expect(await c.db.query('SELECT id FROM a')).toEqual([])
    await c.next()
  },
  ON,
)

fault(
  'the first that fails is named with its operation and statement; what is before it stays, what comes after is not begun',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M4, [made('e')])
    const failing = [
      // One of several statements of a text, while it is planned, while it is run, by a row, and at the very beginning of what is sent.
      { up: 'INSERT INTO nowhere (id) VALUES (1)', says: /operation 1 \(up1\).*nowhere.*42P01/i },
      {
        up: 'DELETE FROM a;\nINSERT INTO nowhere (id) VALUES (2)',
        says: /operation 1 \(up1\)[\s\S]*\n {4}INSERT INTO nowhere \(id\) VALUES \(2\)\n {16}\^/i,
      },
      { up: 'UPDATE a SET id = id / (id - id)', says: /operation 1 \(up1\).*division by zero \(22012\)/i },
      { up: "INSERT INTO a VALUES (7, 'y')", says: /operation 1 \(up1\).*23505/i },
      { up: 'CREATE TABEL f (id INTEGER)', says: /operation 1 \(up1\).*42601/i },
    ]
    for (const [k, { up, says }] of failing.entries()) {
      c.folder(M3, [row(7), plain(up, 'DELETE FROM a')])
      const run = await ends(c, 1, says)
      expect(run.stderr).toMatch(/it was rolled back: the database is as it was before it/i)
      expect(run.stderr).toContain(up.split('\n').at(-1))
      expect(/^Applied 20260102000000_b/m.test(run.stderr)).toBe(k === 0)
      expect(run.stderr).not.toMatch(/^Applied 2026010[34]/m)
      expect(await c.applied()).toEqual([M1, M2])
      expect(await c.tables()).toEqual(['a', 'b'])
      expect(await c.db.query('SELECT id FROM a')).toEqual([])
    }
    const json = await c.rays(['migrate', '--json'])
    expect(json.code).toBe(1)
    expect(json.stdout + json.stderr).toMatch(/"operation":\s*1/)
    c.folder(M3, [row(7)])
    await c.next()
  },
  ON,
)

fault(
  'a fault is pointed at in the statement, not in what is sent around it',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [plain('INSERT INTO a VALUES (1, nothing)', 'DELETE FROM a')])
    const run = await ends(c, 1, /42703/)
    const lines = run.stderr.split('\n')
    const at = lines.findIndex((line) => /^\s*\^$/.test(line))
    expect(lines[at - 1]!.slice(lines[at]!.indexOf('^'))).toMatch(/^nothing\)/)
  },
  ON,
)

fault(
  'what is put off to COMMIT fails its own migration',
  async (c) => {
    await c.fixture()
    c.folder(M2, [
      plain(
        'CREATE TABLE b (id INTEGER PRIMARY KEY, up INTEGER REFERENCES b (id) DEFERRABLE INITIALLY DEFERRED)',
        'DROP TABLE b',
      ),
    ])
    c.folder(M3, [plain('INSERT INTO b VALUES (1, 2)', 'DELETE FROM b')])
    c.folder(M4, [made('e')])
    const run = await ends(c, 1, /^Applied 20260102000000_b/m)
    expect(run.stderr).toMatch(/20260103000000_c failed: .*23503/)
    expect(await c.applied()).toEqual([M1, M2])
    c.folder(M3, [plain('INSERT INTO b VALUES (1, 2), (2, 1)', 'DELETE FROM b')])
    await c.next()
  },
  ON,
)

fault(
  'texts that end in a comment, hold a semicolon or are not complete do not reach into what follows',
  async (c) => {
    await c.fixture()
    c.folder(M2, [plain("INSERT INTO a VALUES (1, '; so --') -- and so on", 'DELETE FROM a /* all */')])
    c.folder(M3, [plain('CREATE TABLE d (id INTEGER);\n\nCREATE TABLE e (id INTEGER);', 'DROP TABLE d; DROP TABLE e')])
    const run = await ends(c, 0, /Applied 20260103000000_c/)
    expect(messages(run.stderr)).toEqual([2])
    expect(await c.db.query('SELECT v FROM a')).toEqual([{ v: '; so --' }])
    expect(await c.tables()).toEqual(['a', 'd', 'e'])
    for (const open of ["INSERT INTO a VALUES (3, 'x", 'DELETE FROM a /* all', 'INSERT INTO a VALUES (3, $$x']) {
      c.folder(M4, [plain(open, 'DELETE FROM a')])
      await ends(c, 1, /operation 0 \(up0\).*42601/i)
      expect(await c.applied()).toEqual([M1, M2, M3])
    }
    c.folder(M4, [plain('COMMIT', 'DELETE FROM a')])
    await ends(c, 3, /ended the transaction/)
  },
  ON,
)

fault(
  'who is slow is not sent more, so that what is done is told and signals are heard',
  async (c) => {
    await c.fixture()
    for (const [k, name] of [M2, M3, M4].entries())
      c.folder(name, [plain(`INSERT INTO a SELECT ${k}, pg_sleep(1.2)::text`, `DELETE FROM a WHERE id = ${k}`)])
    const running = c.start(['migrate'])
    await running.said(/Applied 20260102000000_b/)
    running.child.kill('SIGTERM')
    const run = await running.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 143,
      stderr: expect.stringMatching(/Interrupted (?:before|during) 20260103000000_c/),
    })
    expect(await c.applied()).toEqual([M1, M2])
    await c.gone()
    await c.next()
  },
  ON,
)

fault(
  'a signal stops the statement that runs, and its migration is rolled back',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [made('d'), plain('INSERT INTO a SELECT 1, pg_sleep(60)::text', 'DELETE FROM a')])
    const running = c.start(['migrate'])
    await asleep(c)
    running.child.kill('SIGINT')
    const run = await running.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 130,
      stderr: expect.stringMatching(/Interrupted during 20260103000000_c; it was rolled back/),
    })
    expect(await c.applied()).toEqual([M1, M2])
    expect(await c.tables()).toEqual(['a', 'b'])
    c.folder(M3, [made('d')])
    await c.next()
  },
  ON,
)

fault(
  'a process that is killed meanwhile leaves whole migrations, each with its row',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [made('d'), plain('INSERT INTO a SELECT 1, pg_sleep(3)::text', 'DELETE FROM a')])
    c.folder(M4, [made('e')])
    const running = c.start(['migrate'])
    await asleep(c)
    running.child.kill('SIGKILL')
    expect((await running.output).code).toBe(137)
    await c.gone(15_000)
    const applied = await c.applied()
    const tables = await c.tables()
    expect(tables.slice(1)).toEqual(['b', 'd', 'e'].slice(0, applied.length - 1))
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(applied.includes(M3) ? 1 : 0)
    await c.next()
  },
  ON,
)

for (const at of ['cut-before', 'cut-after'] as const)
  for (const stayDown of [false, true])
    fault(
      `a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got the message is ${stayDown ? 'told where the server stays away' : 'asked for again'}`,
      async (c) => {
        await c.fixture()
        c.folder(M2, [made('b')])
        c.folder(M3, [made('d')])
        const before = await c.state()
        const between = await proxy(c.href, at, 1, { stayDown })
        const run = await c.rays(['migrate'], { env: { DATABASE_URL: between.href } }).finally(() => between.close())
        const said = { code: run.code, stderr: run.stderr }
        if (stayDown)
          expect(said).toEqual({ code: 3, stderr: expect.stringMatching(/cannot be reached: it is unknown/) })
        else if (at === 'cut-after')
          expect(said).toEqual({ code: 0, stderr: expect.stringMatching(/Applied 20260103000000_c/) })
        else
          expect(said).toEqual({
            code: 1,
            stderr: expect.stringMatching(/connection was lost[\s\S]*20260102000000_b[\s\S]*rolled back/),
          })
        await c.gone()
        if (at === 'cut-before') await c.clean(before)
        else expect(await c.applied()).toEqual([M1, M2, M3])
        await c.next()
      },
      ON,
    )

fault(
  'what needs somebody between its statements is run for itself, in its place',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [{ up: `console.error('in between', (await client.query('SELECT id FROM b')).length)`, down: '' }])
    c.folder(M4, [made('e')])
    const run = await ends(c, 0, /^in between 0$/m)
    expect(await c.applied()).toEqual([M1, M2, M3, M4])
    expect(run.stderr.indexOf('in between')).toBeGreaterThan(run.stderr.indexOf(`Applied ${M2}`))
    expect(run.stderr.indexOf('in between')).toBeLessThan(run.stderr.indexOf(`Applied ${M4}`))
    await ends(c, 0, /Unapplied/, ['migrate', '--name', M1, '--y'])
    // A limit for an operation is kept by somebody who waits for it.
    const limited = await ends(c, 0, /Applied 20260104000000_d/, ['migrate', '--op-timeout', '60'])
    expect(messages(limited.stderr)).toEqual([])
  },
  ON,
)

fault(
  'what another program did to the history meanwhile stops it before anything is run',
  async (c) => {
    await c.fixture()
    c.folder(M2, [
      { up: `while (!require('node:fs').existsSync('gate')) await new Promise((r) => setTimeout(r, 20))`, down: '' },
    ])
    c.folder(M3, [made('d')])
    c.folder(M4, [made('e')])
    const running = c.start(['migrate'])
    await running.said(/BEGIN/)
    await c.db.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ('other', 'x', '${M4}', now(), 1)`,
    )
    writeFileSync(`${c.project.folder}/gate`, '')
    const run = await running.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/20260104000000_d was applied by another program/),
    })
    expect(await c.applied()).toEqual([M1, M2, M3, M4])
    expect(await c.tables()).toEqual(['a', 'd'])
  },
  ON,
)

const MYSQL = { on: ['mysql'] } as const

/** Keeps the table from being changed until the function that is returned is called. */
async function hold(c: FaultCase): Promise<() => Promise<void>> {
  const other = await c.db.session()
  await other.query('LOCK TABLES a READ')
  return async () => {
    await other.query('UNLOCK TABLES')
    await other.close()
  }
}

/** Waits until a statement of rays' waits for a table. */
async function blocked(c: FaultCase) {
  const waiting =
    "SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table%'"
  while ((await c.db.query(waiting)).length === 0) await pause(20)
}

/** A run whose second migration of three waits for a table until that is released. */
async function underWay(c: FaultCase) {
  await c.fixture()
  c.folder(M2, [made('b')])
  c.folder(M3, [plain('ALTER TABLE a ADD COLUMN w VARCHAR(9)', 'ALTER TABLE a DROP COLUMN w')])
  c.folder(M4, [made('e')])
  const release = await hold(c)
  const running = c.start(['migrate'])
  await blocked(c)
  return { running, release }
}

fault(
  'where nothing rolls back, each is journalled all the same',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [plain('ALTER TABLE a ADD COLUMN w VARCHAR(9)', 'ALTER TABLE a DROP COLUMN w')])
    c.folder(M4, [plain('-- so\nCREATE TABLE e (id INTEGER PRIMARY KEY); -- and so on', 'DROP TABLE e;')])
    const run = await ends(c, 0, /Applied 20260104000000_d/)
    expect(messages(run.stderr)).toEqual([3])
    const rows = await c.history()
    expect(rows.map((each) => [each.migration_name, each.applied_steps_count, JSON.parse(String(each.logs))])).toEqual(
      [M1, M2, M3, M4].map((name, k) => [name, 1, { rays: 1, batch: k === 0 ? 1 : 2, js: expect.any(String) }]),
    )
    await timesInOrder(c)
    await c.next()
    await ends(c, 0, /Unapplied 20260102000000_b/, ['migrate', '--name', M1, '--y'])
    expect(await c.tables()).toEqual(['a'])
    await c.next()
  },
  MYSQL,
)

fault(
  'where nothing rolls back, the one that fails is undone, and those before it stay',
  async (c) => {
    await c.fixture()
    c.folder(M2, [made('b')])
    c.folder(M3, [made('a')])
    c.folder(M4, [made('e')])
    const run = await ends(c, 1, /operation 0 \(up0\) of 20260103000000_c failed: .*already exists/i)
    expect(run.stderr).toMatch(/^Applied 20260102000000_b/m)
    expect(run.stderr).toContain('CREATE TABLE a (id INTEGER PRIMARY KEY)')
    expect(await c.tables()).toEqual(['a', 'b'])
    const rows = await c.history()
    expect(rows.map((each) => each.migration_name)).toEqual([M1, M2, M3])
    expect(rows.at(-1)).toMatchObject({ finished_at: null, rolled_back_at: expect.anything() })
    c.folder(M3, [made('d')])
    await c.next()
  },
  MYSQL,
)

fault(
  'where nothing rolls back, a signal lets the statement end, and the next is not begun',
  async (c) => {
    const { running, release } = await underWay(c)
    running.child.kill('SIGTERM')
    await pause(1200)
    await release()
    const run = await running.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 143,
      stderr: expect.stringMatching(/Interrupted before 20260104000000_d/),
    })
    expect(await c.applied()).toEqual([M1, M2, M3])
    await c.next()
  },
  MYSQL,
)

fault(
  'where nothing rolls back, a process that is killed meanwhile leaves the one that ran in doubt',
  async (c) => {
    const { running, release } = await underWay(c)
    running.child.kill('SIGKILL')
    expect((await running.output).code).toBe(137)
    expect(await c.applied()).toEqual([M1, M2])
    const [row] = (await c.history()).slice(-1)
    expect(row).toMatchObject({ migration_name: M3, finished_at: null, rolled_back_at: null })
    expect(JSON.parse(String(row!.logs))).toMatchObject({ dir: 'up', ops: 1, op: 0, state: 'running' })
    await release()
    await c.gone(15_000)
    // The server may have gone on until it noticed that nobody listens.
    if (!(await c.applied()).includes(M3)) {
      await c.next({ refused: { code: 3, says: /operation 0 was started and is in doubt/ } })
      const there = await c.db.query(
        "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'w'",
      )
      const decision = [there.length > 0 ? '--skip-op' : '--retry-op', '0']
      await ends(c, 0, /./, ['migrate', '--resume', ...decision])
    }
    await c.next()
  },
  MYSQL,
)

for (const at of ['cut-before', 'cut-after'] as const)
  for (const stayDown of [false, true])
    fault(
      `where nothing rolls back, a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got the message is ${stayDown ? 'told where the server stays away' : 'asked for again'}`,
      async (c) => {
        await c.fixture()
        c.folder(M2, [made('b')])
        c.folder(M3, [made('d')])
        const before = await c.state()
        const between = await proxy(c.href, at, 1, { stayDown, when: /rays_sent = / })
        const run = await c.rays(['migrate'], { env: { DATABASE_URL: between.href } }).finally(() => between.close())
        await c.gone()
        if (stayDown)
          expect({ code: run.code, stderr: run.stderr }).toEqual({
            code: 3,
            stderr: expect.stringMatching(/cannot be reached: it is unknown/),
          })
        if (at === 'cut-before') {
          if (!stayDown)
            expect({ code: run.code, stderr: run.stderr }).toEqual({
              code: 1,
              stderr: expect.stringMatching(/20260102000000_b[\s\S]*rolled back/),
            })
          await c.clean(before)
        }
        // The server may have gone on until it noticed that nobody listens: the rows say how far.
        const unfinished = (await c.history()).find((each) => each.finished_at === null)
        if (!stayDown && at === 'cut-after')
          expect(run.code).toBe(unfinished ? 3 : (await c.applied()).length === 3 ? 0 : 1)
        if (unfinished) {
          const table = unfinished.migration_name === M2 ? 'b' : 'd'
          const decision = [(await c.tables()).includes(table) ? '--skip-op' : '--retry-op', '0']
          await ends(c, 0, /./, ['migrate', '--resume', ...decision])
        }
        await c.next()
        expect(await c.tables()).toEqual(['a', 'b', 'd'])
      },
      MYSQL,
    )

fault(
  'a text with several statements is refused before the first is run',
  async (c) => {
    await c.fixture()
    for (const text of [
      'CREATE TABLE x (id INTEGER); CREATE TABLE y (id INTEGER)',
      "INSERT INTO a VALUES (1, 'x');\nDELETE FROM a",
    ]) {
      c.folder(M2, [{ up: `await client.execute(${JSON.stringify(text)})`, down: '' }])
      await ends(c, 1, /several statements[\s\S]*1064|1064[\s\S]*several statements|ER_PARSE_ERROR/)
      expect(await c.tables()).toEqual(['a'])
      expect(await c.db.query('SELECT id FROM a')).toEqual([])
    }
    c.folder(M2, [{ up: `await client.execute("INSERT INTO a VALUES (1, 'x;y'); -- one ;")`, down: '' }])
    await c.next()
  },
  MYSQL,
)
