/** The process, the connection or the server is gone in the middle: nothing is lost, and the next run knows what to do. */

import { rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, freshMysql, freshPostgres } from '../support/databases.js'
import { type FaultCase, fault, M1, M2, M3, pause, SECOND } from '../support/faults.js'
import { numbers } from '../support/numbers.js'
import { proxy } from '../support/proxy.js'
import { startMysql, startPostgres } from '../support/servers.mjs'
import { type Workspace, workspace } from '../support/workspace.js'

const KILL = `process.kill(process.pid, 'SIGKILL'); await new Promise((r) => setTimeout(r, 10_000))`

/** The journal of the second migration. */
async function journal(c: FaultCase): Promise<Record<string, unknown>> {
  const row = (await c.history()).find((each) => each.migration_name === M2)
  expect(row).toMatchObject({ finished_at: null, rolled_back_at: null })
  return { ...JSON.parse(String(row!.logs)), steps: row!.applied_steps_count }
}

for (const when of ['before', 'after'] as const)
  for (const k of [0, 1, 2]) {
    fault(`a process killed ${when} the statement of operation ${k} loses nothing`, async (c) => {
      const up = when === 'before' ? `${KILL}\n  ${SECOND[k]!.up}` : `${SECOND[k]!.up}\n  ${KILL}`
      await c.fixture({ [k]: { up } })
      const before = await c.state()
      const run = await c.rays(['migrate'])
      expect(run.code).toBe(137)
      if (c.atomic) {
        await c.clean(before)
        c.repair()
        await c.next()
        return
      }
      await c.gone()
      expect(await journal(c)).toMatchObject({ op: k, state: 'running', steps: k, dir: 'up' })
      const doubt = new RegExp(`operation ${k} was started and is in doubt`)
      await c.next({ refused: { code: 3, says: doubt } })
      const status = await c.rays(['status'])
      expect(status.stdout).toMatch(/doubt/)
      // Both ways out need a word about the operation in doubt, and the code as it was.
      const undecided = await c.rays(['migrate', '--resume'])
      expect({ code: undecided.code, stderr: undecided.stderr }).toEqual({
        code: 3,
        stderr: expect.stringMatching(/--skip-op/),
      })
      // DDL that had been sent was committed by itself; the insert went with its transaction.
      const done = when === 'after' && k !== 1
      const decision = [done ? '--skip-op' : '--retry-op', String(k)]
      const back = await c.rays(['migrate', '--undo', ...decision])
      expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await c.state()).toEqual(before)
      await c.rays(['migrate']).then((again) => expect(again.code).toBe(137))
      // Going on runs the rest of the very same file; only the killing is over.
      const resumed = await c.rays(['migrate', '--resume', ...decision], { env: { ALIVE: '1' } })
      if (!done) {
        expect(resumed.code).toBe(137)
        await c.rays(['migrate', '--undo', ...decision]).then((undone) => expect(undone.code).toBe(0))
        c.repair()
      } else expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      await c.next()
      expect(await c.tables()).toEqual(['a', 'b', 'c', 'd'])
      expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    })
  }

fault(
  'an operation in doubt can be run again, and the file must not have been edited meanwhile',
  async (c) => {
    const once = `if (!process.env.ALIVE) { ${KILL} }\n  ${SECOND[1]!.up}`
    await c.fixture({ 1: { up: once } })
    expect((await c.rays(['migrate'])).code).toBe(137)
    await c.gone()
    c.repair()
    const edited = await c.rays(['migrate', '--resume', '--retry-op', '1'])
    expect({ code: edited.code, stderr: edited.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/edited since it was begun/),
    })
    c.folder(M2, [SECOND[0]!, { ...SECOND[1]!, up: once }, SECOND[2]!])
    const wrong = await c.rays(['migrate', '--resume', '--retry-op', '2'])
    expect({ code: wrong.code, stderr: wrong.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/operation in question is 1/),
    })
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '1'], { env: { ALIVE: '1' } })
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
    await c.next()
  },
  { on: ['mysql'] },
)

fault('a migration outside of its transaction is journalled wherever it runs', async (c) => {
  const once = `if (!process.env.ALIVE) { ${KILL} }\n  ${SECOND[1]!.up}`
  await c.fixture({ 1: { up: once } }, { transaction: false })
  expect((await c.rays(['migrate'])).code).toBe(137)
  await c.gone()
  expect(await journal(c)).toMatchObject({ op: 1, state: 'running', dir: 'up', steps: 1 })
  await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt/ } })
  const resumed = await c.rays(['migrate', '--resume', '--retry-op', '1'], { env: { ALIVE: '1' } })
  expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  await c.next()
  expect(await c.tables()).toEqual(['a', 'b', 'c', 'd'])
})

for (const at of ['hold-before', 'hold-after'] as const)
  fault(
    `a process killed ${at === 'hold-before' ? 'before' : 'right after'} its COMMIT reached the server`,
    async (c) => {
      await c.fixture()
      const before = await c.state()
      // MySQL commits each operation; the second is the one with data.
      const between = await proxy(c.href, at, c.atomic ? 1 : 2)
      try {
        const running = c.start(['migrate'], { env: { DATABASE_URL: between.href } })
        await between.reached
        running.child.kill('SIGKILL')
        expect((await running.output).code).toBe(137)
      } finally {
        await between.close()
      }
      if (!c.atomic) {
        await c.gone()
        const committed = at === 'hold-after'
        expect(await journal(c)).toMatchObject(committed ? { op: 2, state: 'idle' } : { op: 1, state: 'running' })
        expect(await c.db.query('SELECT id FROM a')).toHaveLength(committed ? 2 : 0)
        await c.next({ refused: { code: 3, says: /--resume/ } })
        const resumed = await c.rays(['migrate', '--resume', ...(committed ? [] : ['--retry-op', '1'])])
        expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        return void (await c.next())
      }
      if (at === 'hold-before') await c.clean(before)
      else {
        await c.gone()
        expect(await c.applied()).toEqual([M1, M2])
        const again = await c.rays(['migrate', '--name', M2])
        expect({ code: again.code, stdout: again.stdout }).toEqual({
          code: 0,
          stdout: expect.stringMatching(/nothing|up to date|already/i),
        })
      }
      await c.next()
    },
    { on: ['postgresql', 'mysql'] },
  )

fault(
  'a process killed right after the COMMIT of a migration keeps that migration',
  async (c) => {
    await c.fixture()
    // The next one kills it before it has done anything: no proxy stands between rays and a file.
    const third = c.folders.get(M3)!
    c.code(M3, third.replace('await client', `${KILL}\n  await client`))
    expect((await c.rays(['migrate'])).code).toBe(137)
    await c.gone()
    expect({ applied: await c.applied(), tables: await c.tables() }).toEqual({
      applied: [M1, M2],
      tables: ['a', 'b', 'c'],
    })
    await c.agrees()
    const again = await c.rays(['migrate', '--name', M2])
    expect({ code: again.code, stdout: again.stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/nothing|up to date|already/i),
    })
    c.code(M3, third)
    await c.next()
  },
  { on: ['sqlite'] },
)

for (const [at, stayDown] of [
  ['cut-before', false],
  ['cut-after', false],
  ['cut-after', true],
] as const)
  fault(
    `a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got COMMIT${stayDown ? ', and no way back' : ''} is never guessed about`,
    async (c) => {
      await c.fixture()
      const before = await c.state()
      // MySQL commits each operation; the second is the one with data.
      const between = await proxy(c.href, at, c.atomic ? 1 : 2, { stayDown })
      // That long it tries to come back.
      const env = { DATABASE_URL: between.href, ...(stayDown && { RAYS_CONNECT_TIMEOUT: '2' }) }
      const run = await c.rays(['migrate'], { env }).finally(() => between.close())
      await c.gone()
      const said = { code: run.code, stderr: run.stderr }
      if (stayDown) {
        expect(said).toEqual({ code: 3, stderr: expect.stringMatching(/unknown[\s\S]*rays status/) })
        if (c.atomic) expect(await c.applied()).toEqual([M1, M2])
        else {
          expect(await journal(c)).toMatchObject({ op: 2, state: 'idle', dir: 'up', steps: 2 })
          await c.next({ refused: { code: 3, says: /--resume/ } })
          // What is gone on with may lose its connection, too.
          const again = await proxy(c.href, 'cut-after', 1)
          const resumed = await c
            .rays(['migrate', '--resume'], { env: { DATABASE_URL: again.href } })
            .finally(() => again.close())
          expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        }
      } else if (at === 'cut-after') {
        expect(said).toEqual({ code: 0, stderr: expect.any(String) })
        expect(await c.applied()).toEqual([M1, M2, M3])
      } else {
        expect(said).toEqual({ code: 1, stderr: expect.stringMatching(/rolled back/) })
        expect(run.stderr).toMatch(/connection/i)
        await c.undone(before, /connection[\s\S]*rolled back/i)
      }
      await c.next()
      expect(await c.db.query('SELECT id FROM a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
    },
    { on: ['postgresql', 'mysql'] },
  )

fault(
  'a connection cut at a COMMIT that is not that of the whole operation leaves it in doubt',
  async (c) => {
    const own = `await client.execute('CREATE TABLE own (id INTEGER)'); await client.execute('START TRANSACTION')`
    await c.fixture({ 1: { up: `${own}\n  ${SECOND[1]!.up}` } })
    const before = await c.state()
    const between = await proxy(c.href, 'cut-before', 2)
    const run = await c.rays(['migrate'], { env: { DATABASE_URL: between.href } }).finally(() => between.close())
    await c.gone()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/connection was lost during operation 1/),
    })
    expect(await journal(c)).toMatchObject({ op: 1, state: 'running', dir: 'up', steps: 1 })
    expect(await c.tables()).toEqual(['a', 'b', 'own'])
    await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt/ } })
    await c.db.query('DROP TABLE own')
    const undone = await c.rays(['migrate', '--undo', '--retry-op', '1'])
    expect({ code: undone.code, stderr: undone.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.undone(before, /connection was lost during operation 1/)
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)

fault(
  'a connection cut after the last operation, before the row says that all is done',
  async (c) => {
    await c.fixture()
    const between = await proxy(c.href, 'cut-before', 1, { when: /finished_at = \?/ })
    const run = await c.rays(['migrate'], { env: { DATABASE_URL: between.href } }).finally(() => between.close())
    await c.gone()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/connection was lost during operation 2[\s\S]*--resume/),
    })
    // One entry tells that the last operation is done and that the migration is.
    expect(await journal(c)).toMatchObject({ op: 2, state: 'running', dir: 'up', steps: 2 })
    expect(await c.tables()).toEqual(['a', 'b', 'c'])
    await c.next({ refused: { code: 3, says: /operation 2 was started and is in doubt/ } })
    const resumed = await c.rays(['migrate', '--resume', '--skip-op', '2'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
    expect(await c.db.query('SELECT id FROM a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
  },
  { on: ['mysql'] },
)

/** Each entry that the journal makes while the second migration is applied, by what the message holds. */
const ENTRIES: readonly [what: string, when: RegExp, lost: { readonly before: 0 | 1 | 3; readonly after: 0 | 1 }][] = [
  ['that it begins', /"op":0,"state":"running"/, { before: 1, after: 0 }],
  ['that the first operation is done', /"op":1,"state":"idle"/, { before: 3, after: 0 }],
  ['that the second one runs', /"op":1,"state":"running"/, { before: 0, after: 0 }],
  // Rows and entry are one transaction, which ends with the connection.
  ['that the second one is done', /"op":2,"state":"idle"/, { before: 1, after: 1 }],
  ['that the third one runs', /"op":2,"state":"running"/, { before: 0, after: 0 }],
  ['that all is done', /\{"rays":1,"batch":2,"js":"\w+"\}/, { before: 3, after: 0 }],
]

for (const [what, when, lost] of ENTRIES)
  for (const at of ['cut-before', 'cut-after'] as const)
    fault(
      `a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got the entry ${what}`,
      async (c) => {
        await c.fixture()
        const before = await c.state()
        const between = await proxy(c.href, at, 1, { when })
        const run = await c.rays(['migrate'], { env: { DATABASE_URL: between.href } }).finally(() => between.close())
        await between.reached
        await c.gone()
        const expected = at === 'cut-before' ? lost.before : lost.after
        expect({ code: run.code, stderr: run.stderr }).toEqual({
          code: expected,
          stderr: expected === 0 ? expect.any(String) : expect.stringMatching(/connection/i),
        })
        const open = (await c.history()).filter((row) => row.finished_at === null && row.rolled_back_at === null)
        expect(open).toHaveLength(expected === 3 ? 1 : 0)
        if (expected === 1 && what === 'that it begins') await c.clean(before)
        else if (expected === 1) await c.undone(before, /connection/i)
        else if (expected === 3) {
          const { op } = await journal(c)
          const resumed = await c.rays(['migrate', '--resume', '--skip-op', String(op)])
          expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        }
        await c.next()
        expect(await c.tables()).toEqual(['a', 'b', 'c', 'd'])
        expect(await c.db.query('SELECT id FROM a')).toHaveLength(2)
      },
      { on: ['mysql'] },
    )

for (const [together, quote] of [
  ['several migrations in a message', '`'],
  ['one by one', "'"],
] as const)
  fault(
    `an entry that the server refuses at the very end undoes what was done (${together})`,
    async (c) => {
      await c.fixture()
      await c.next({ args: ['--name', M2], applied: [M1, M2] })
      const one = (name: string, sql: string) =>
        `async function ${name}({ client }) {\n  await client.execute(${quote}${sql}${quote})\n}`
      c.code(
        M3,
        `${one('up', 'CREATE TABLE d (id INTEGER)')}\n\n${one('down', 'DROP TABLE d')}\n\nmodule.exports = [[up, down]]\n`,
      )
      const before = await c.state()
      await c.db.query(`CREATE TRIGGER no_end BEFORE UPDATE ON _prisma_migrations FOR EACH ROW
        BEGIN IF NEW.finished_at IS NOT NULL THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'; END IF; END`)
      const run = await c.rays(['migrate'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/not today/) })
      expect(run.stderr).not.toMatch(/connection was lost/)
      await c.db.query('DROP TRIGGER no_end')
      await c.undone(before, /not today/, M3)
      await c.next()
    },
    { on: ['mysql'] },
  )

fault(
  'a connection cut at the first entry, and no way back, is not taken for nothing done',
  async (c) => {
    await c.fixture()
    const [, when] = ENTRIES[0]!
    const between = await proxy(c.href, 'cut-after', 1, { when, stayDown: true })
    const env = { DATABASE_URL: between.href, RAYS_CONNECT_TIMEOUT: '2' }
    const run = await c.rays(['migrate'], { env }).finally(() => between.close())
    await c.gone()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/unknown how far[\s\S]*rays status/),
    })
    expect(await journal(c)).toMatchObject({ op: 0, state: 'running', dir: 'up', steps: 0 })
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
  },
  { on: ['mysql'] },
)

for (const at of ['cut-before', 'cut-after'] as const)
  fault(
    `a connection cut ${at === 'cut-before' ? 'before' : 'after'} the server got the entry that a way down begins`,
    async (c) => {
      await c.fixture()
      await c.next({ args: ['--name', M2], applied: [M1, M2] })
      const before = await c.state()
      const between = await proxy(c.href, at, 1, { when: /"op":2,"state":"running"/ })
      const run = await c
        .rays(['migrate', '--name', M1, '--y'], { env: { DATABASE_URL: between.href } })
        .finally(() => between.close())
      await c.gone()
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: at === 'cut-before' ? 1 : 0,
        stderr: expect.any(String),
      })
      if (at === 'cut-before') await c.clean(before)
      else expect(await c.applied()).toEqual([M1])
      await c.next()
    },
    { on: ['mysql'] },
  )

/** Begins to build an index, and is killed in the middle of it: another session's transaction keeps it waiting. */
async function killedWhileIndexing(c: FaultCase, building: string): Promise<void> {
  await c.db.query('CREATE SCHEMA aside; CREATE TABLE aside.seen (id INTEGER)')
  const reader = await c.db.session()
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await reader.query('SELECT * FROM aside.seen')
  const running = c.start(['migrate', '--lock-timeout', '60'])
  while (((await c.db.query('SELECT 1 FROM pg_index WHERE NOT indisvalid')) as unknown[]).length === 0) await pause(20)
  running.child.kill('SIGKILL')
  await running.output
  const ours = `FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE '${building}%' AND pid <> pg_backend_pid()`
  await c.db.query(`SELECT pg_terminate_backend(pid) ${ours}`)
  while ((await c.db.query(`SELECT 1 ${ours}`)).length > 0) await pause(20)
  await reader.query('ROLLBACK')
  await c.gone()
}

const isValid = async (c: FaultCase, index: string) =>
  (await c.db.query(`SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('${index}')`))[0]?.indisvalid

fault(
  'an index that a killed process left invalid is never taken for done, and is built anew',
  async (c) => {
    const cic = {
      up: `await client.execute('CREATE INDEX CONCURRENTLY a_by_v ON a (v)')`,
      down: `await client.execute('DROP INDEX CONCURRENTLY a_by_v')`,
    }
    await c.fixture()
    c.folder(M2, [cic], { transaction: false })
    // Somebody else's, from before: it is nobody's of this migration.
    await c.db.query("INSERT INTO a VALUES (1, 'same'), (2, 'same')")
    await c.db.query('CREATE UNIQUE INDEX CONCURRENTLY others ON a (v)').catch(() => undefined)
    expect(await isValid(c, 'others')).toBe(false)
    await c.db.query('DROP INDEX others')
    await killedWhileIndexing(c, 'create index concurrently')
    expect(await isValid(c, 'a_by_v')).toBe(false)
    const named = /"a_by_v" of "a" is invalid/
    await c.next({ refused: { code: 3, says: named } })
    for (const args of [
      ['migrate', '--resume'],
      ['migrate', '--resume', '--skip-op', '0'],
    ]) {
      const run = await c.rays(args)
      expect({ args, code: run.code, stderr: run.stderr }).toEqual({
        args,
        code: 3,
        stderr: expect.stringMatching(/"a_by_v" of "a" is invalid[\s\S]*--retry-op 0/),
      })
    }
    const status = await c.rays(['status', '--check'])
    expect({ code: status.code, stdout: status.stdout }).toEqual({ code: 1, stdout: expect.stringMatching(named) })
    // Back leaves nothing of it either.
    const back = await c.rays(['migrate', '--undo', '--retry-op', '0'])
    expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await isValid(c, 'a_by_v')).toBeUndefined()
    await c.db.query('DROP SCHEMA aside CASCADE')
    await killedWhileIndexing(c, 'create index concurrently')
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await isValid(c, 'a_by_v')).toBe(true)
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'what a killed process left of an index that was built anew is taken away before it is tried again',
  async (c) => {
    await c.fixture()
    await c.db.query('CREATE INDEX a_by_v ON a (v)')
    c.folder(M2, [{ up: `await client.execute('REINDEX TABLE CONCURRENTLY a')`, down: '' }], { transaction: false })
    await killedWhileIndexing(c, 'reindex table concurrently')
    const left = 'SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT indisvalid'
    expect(await c.db.query(left)).not.toEqual([])
    await c.next({ refused: { code: 3, says: /_ccnew" of "a" is invalid/ } })
    const skipped = await c.rays(['migrate', '--resume', '--skip-op', '0'])
    expect({ code: skipped.code, stderr: skipped.stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/_ccnew/) })
    const resumed = await c.rays(['migrate', '--resume', '--retry-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.db.query(left)).toEqual([])
    await c.next()
  },
  { on: ['postgresql'] },
)

/** A server of the tests' own, which may crash. */
type Crashing = { url: string; crash(): Promise<void>; restart(): Promise<void>; stop(): Promise<void> }
const crashing: Partial<Record<string, Crashing>> = {}
afterAll(() => Promise.all(Object.values(crashing).map((server) => server?.stop())))

fault(
  'a server that restarts in the middle of a migration',
  async (c) => {
    const server = crashing[c.provider]!
    const wait = c.by({ postgresql: 'SELECT pg_sleep(30)', mysql: 'SELECT SLEEP(30)', sqlite: '' })
    await c.fixture({
      1: { up: `${SECOND[1]!.up}\n  await client.query('SELECT 1 AS waiting')\n  await client.query('${wait}')` },
    })
    const before = await c.state()
    const running = c.start(['migrate'])
    await running.said(/SELECT 1 AS waiting/)
    await c.db.close()
    await server.crash()
    const run = await running.output
    await server.restart()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: c.atomic ? 1 : 3,
      stderr: expect.stringMatching(/connection|terminat|lost/i),
    })
    expect(run.stderr).toMatch(/operation 1\b/i)
    expect(run.stderr).not.toMatch(/node_modules|fault in rays/)
    if (c.atomic) await c.clean(before)
    else {
      expect(await journal(c)).toMatchObject({ op: 1, state: 'running', dir: 'up', steps: 1 })
      await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt/ } })
      expect((await c.rays(['migrate', '--undo', '--retry-op', '1'])).code).toBe(0)
      expect(await c.state()).toEqual(before)
    }
    c.repair()
    await c.next()
  },
  {
    on: ['postgresql', 'mysql'],
    fresh: async (provider) => {
      const start = provider === 'mysql' ? startMysql : startPostgres
      const server = (await start({
        own: true,
        // What was committed must survive the crash.
        settings:
          provider === 'mysql'
            ? ['--innodb-flush-log-at-trx-commit=1']
            : ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on'],
      })) as Crashing | undefined
      if (!server) throw new Error(`there is no ${provider} to start`)
      crashing[provider] = server
      return provider === 'mysql' ? freshMysql(server.url) : freshPostgres(server.url)
    },
  },
)

fault(
  'a session that an administrator ends',
  async (c) => {
    const kill = c.by({
      postgresql: `const { Client } = require('pg')
  const other = new Client({ connectionString: process.env.DATABASE_URL })
  await other.connect()
  const [{ pid }] = await client.query('SELECT pg_backend_pid() AS pid')
  await other.query('SELECT pg_terminate_backend($1)', [pid])
  await other.end()
  await new Promise((r) => setTimeout(r, 200))`,
      mysql: `const mysql = require('mysql2/promise')
  const other = await mysql.createConnection(process.env.DATABASE_URL)
  const [{ id }] = await client.query('SELECT CONNECTION_ID() AS id')
  await other.query('KILL ' + id)
  await other.end()
  await new Promise((r) => setTimeout(r, 200))`,
      sqlite: '',
    })
    await c.fixture({ 1: { up: `${kill}\n  ${SECOND[1]!.up}` } })
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: c.atomic ? 1 : 3,
      stderr: expect.stringMatching(/operation 1\b[\s\S]*(connection|terminat|lost)/i),
    })
    expect(run.stderr).not.toMatch(/node_modules|Unhandled|fault in rays/)
    if (c.atomic) await c.clean(before)
    else {
      await c.gone()
      expect(await journal(c)).toMatchObject({ op: 1, state: 'running', dir: 'up', steps: 1 })
      await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt/ } })
      const undone = await c.rays(['migrate', '--undo', '--retry-op', '1'])
      expect({ code: undone.code, stderr: undone.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await c.state()).toEqual(before)
    }
    c.repair()
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a client killed during a long ALTER, which the server finishes',
  async (c) => {
    await c.fixture({ 0: { up: `await client.execute('ALTER TABLE a MODIFY v VARCHAR(70), ALGORITHM=COPY')` } })
    await c.db.query(`INSERT INTO a SELECT seq + 10, 'x' FROM ${numbers(400_000)}`)
    const before = (await c.state()).schema
    const running = c.start(['migrate'])
    const alter = () =>
      c.db.query(
        "SELECT state, id = IS_USED_LOCK('prisma_migrate') AS locks FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'ALTER TABLE a MODIFY%'",
      )
    while (!/copy/i.test(String((await alter())[0]?.state))) await pause(10)
    running.child.kill('SIGKILL')
    await running.output
    // The server goes on without its client, and until it has done the session keeps everybody else out.
    let seen = 0
    for (let [row] = await alter(); row; [row] = await alter()) {
      expect(row.locks).toBe(1)
      seen += 1
      await pause(10)
    }
    expect(seen).toBeGreaterThan(0)
    await c.gone(30_000)
    expect((await c.state()).schema).not.toBe(before)
    expect(await journal(c)).toMatchObject({ op: 0, state: 'running', dir: 'up', steps: 0 })
    await c.next({ refused: { code: 3, says: /operation 0 was started and is in doubt/ } })
    const resumed = await c.rays(['migrate', '--resume', '--skip-op', '0'])
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
  },
  { on: ['mysql'] },
)

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  fault(`${signal} in an operation stops at a safe place`, async (c) => {
    const wait = c.by({
      postgresql: `await client.query('SELECT pg_sleep(600)')`,
      mysql: `await client.query('SELECT SLEEP(1.5)')`,
      sqlite: `await new Promise((r) => setTimeout(r, 1000))\n  await client.query('SELECT 2')`,
    })
    await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  await client.query('SELECT 1 AS waiting')\n  ${wait}` } })
    const before = await c.state()
    const running = c.start(['migrate'])
    await running.said(/SELECT 1 AS waiting/)
    const started = performance.now()
    running.child.kill(signal)
    const run = await running.output
    expect(performance.now() - started).toBeLessThan(5000)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code, stderr: expect.stringMatching(/Interrupted/) })
    if (c.atomic) await c.clean(before)
    else {
      await c.gone()
      expect(await journal(c)).toMatchObject({ op: 2, state: 'idle' })
      await c.next({ refused: { code: 3, says: /--resume/ } })
      expect((await c.rays(['migrate', '--resume'])).code).toBe(0)
      return void (await c.next())
    }
    c.repair()
    await c.next()
  })

fault('a second signal stops at once', async (c) => {
  const wait = c.by({
    postgresql: `await new Promise((r) => setTimeout(r, 30_000))`,
    mysql: `await client.query('SELECT SLEEP(30)')`,
    sqlite: `await new Promise((r) => setTimeout(r, 30_000))`,
  })
  await c.fixture({ 1: { up: `${SECOND[1]!.up}\n  await client.query('SELECT 1 AS waiting')\n  ${wait}` } })
  const before = await c.state()
  const running = c.start(['migrate'])
  await running.said(/SELECT 1 AS waiting/)
  running.child.kill('SIGTERM')
  await running.said(/once more stops at once/)
  const started = performance.now()
  running.child.kill('SIGTERM')
  const run = await running.output
  expect(performance.now() - started).toBeLessThan(3000)
  expect(run.code).toBe(143)
  if (c.atomic) await c.clean(before)
  else {
    await c.gone(20_000)
    expect(await journal(c)).toMatchObject({ op: 1, state: 'running' })
    expect((await c.rays(['migrate', '--undo', '--retry-op', '1'])).code).toBe(0)
  }
  c.repair()
  await c.next()
})

describeDatabases(
  'a change without a migration whose answer is lost',
  (on) => {
    const models = (count: string) =>
      ['Item', 'Other'].map((name) => `model ${name} {\n  id Int @id\n  count Int${count}\n}\n`).join('')
    // Where nothing rolls back, each statement is its own COMMIT; Item is changed before Other.
    const alter = (table: string) => (on.provider === 'mysql' ? { when: new RegExp(`ALTER TABLE .${table}`) } : {})
    let ws: Workspace
    beforeEach(async () => {
      ws = await workspace(on, { schema: models('') })
      await ws.given('makemigration --name init')
      await ws.ok('migrate --no-generate')
      ws.project.schema(models(' @default(1)'))
    })
    afterEach(() => ws.drop())

    /** Runs the command through a proxy that cuts the connection there. */
    async function cut(line: string, at: 'cut-before' | 'cut-after', table = 'Other', stayDown = false) {
      const between = await proxy(ws.db.href, at, 1, { stayDown, ...alter(table) })
      const env = { DATABASE_URL: between.href, ...(stayDown && { RAYS_CONNECT_TIMEOUT: '1' }) }
      return ws.rays(line, { env }).finally(() => between.close())
    }
    const settled = async () => {
      await ws.ok('makemigration --name second --no-verify')
      await ws.ok('status --check')
    }

    test('push: what the server has done is told as done', async () => {
      const { code, stderr } = await cut('push --y --no-generate', 'cut-after')
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/The change is applied/) })
      await ws.ok('commit second --no-verify')
      await ws.ok('status --check')
    })

    test('push: what it has not done is told, and a part of it', async () => {
      const before = await dumpSchema(ws.db)
      const whole = await cut('push --y --no-generate', 'cut-before', 'Item')
      expect({ code: whole.code, stderr: whole.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/connection was lost .*it was not\. Nothing was changed/),
      })
      expect(await dumpSchema(ws.db)).toBe(before)
      if (on.provider === 'mysql') {
        const { code, stderr } = await cut('push --y --no-generate', 'cut-before')
        expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/a part of it is[\s\S]*`Other`/) })
        expect(stderr).not.toMatch(/Nothing was changed|`Item`/)
      }
      await ws.ok('push --y --no-generate')
      await ws.ok('commit second --no-verify')
    })

    test('draft: what the server has done is remembered', async () => {
      const { code, stderr } = await cut('draft --y --no-generate', 'cut-after')
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/watch-\d+ was applied/) })
      await settled()
    })

    test('draft: what it has not done is told and forgotten', async () => {
      const before = { schema: await dumpSchema(ws.db), files: ws.snapshot() }
      const { code, stderr } = await cut('draft --y --no-generate', 'cut-before', 'Item')
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/connection[\s\S]*Nothing was changed/i),
      })
      expect({ schema: await dumpSchema(ws.db), files: ws.snapshot() }).toEqual(before)
      await ws.ok('draft --y --no-generate')
      await settled()
    })

    test('draft --undo: what the server has undone is forgotten', async () => {
      await ws.ok('draft --y --no-generate')
      // Going back, Other comes first.
      const { code, stderr } = await cut('draft --undo --y --no-generate', 'cut-after', 'Item')
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/watch-\d+ was undone/) })
      expect(ws.exists('prisma/rays-watch')).toBe(false)
      ws.project.schema(models(''))
      await ws.ok('status --check')
    })

    for (const [command, at] of [
      ['push', 'cut-after'],
      ['draft', 'cut-after'],
      ['draft', 'cut-before'],
    ] as const)
      test(`${command}, ${at}: where nobody can tell, nothing is claimed, and push puts it right`, async () => {
        const { code, stderr } = await cut(`${command} --y --no-generate`, at, 'Other', true)
        expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/unknown[\s\S]*rays status/) })
        expect(stderr).not.toMatch(/Nothing was changed/)
        await ws.ok('push --y --no-generate')
        if (command === 'draft') await settled()
      })

    const TOLD = { 0: /connection was lost/, 1: /nothing was recorded/, 3: /unknown[\s\S]*rays status/ }
    for (const [at, stayDown, exit] of [
      ['cut-after', false, 0],
      ['cut-before', false, 1],
      ['cut-after', true, 3],
    ] as const)
      test(`commit ${at === 'cut-before' ? 'before' : 'after'} the server got COMMIT${stayDown ? ', and no way back' : ''}: the folder and the row are both there, or neither`, async () => {
        await ws.ok('push --y --no-generate')
        const files = ws.snapshot()
        const between = await proxy(ws.db.href, at, 1, { stayDown })
        const env = { DATABASE_URL: between.href, ...(stayDown && { RAYS_CONNECT_TIMEOUT: '1' }) }
        const { code, stderr } = await ws.rays('commit second --no-verify', { env }).finally(() => between.close())
        expect({ code, stderr }).toEqual({
          code: exit,
          stderr: expect.stringMatching(TOLD[exit]),
        })
        if (exit === 1) {
          expect(ws.snapshot()).toEqual(files)
          await ws.ok('commit second --no-verify')
        }
        expect(await ws.applied()).toEqual(['init', 'second'])
        await ws.ok('status --check')
      })

    for (const command of ['prepare', 'doctor --adopt second'])
      for (const [at, stayDown, exit] of [
        ['cut-after', false, 0],
        ['cut-before', false, 1],
        ['cut-after', true, 3],
      ] as const)
        test(`${command} ${at === 'cut-before' ? 'before' : 'after'} the server got COMMIT${stayDown ? ', and no way back' : ''}: the folder and the row are both there, or neither`, async () => {
          if (command === 'prepare') {
            await ws.sql('DROP TABLE "_prisma_migrations"')
            rmSync(path.join(ws.project.folder, 'prisma/migrations'), { recursive: true })
            ws.project.schema(models(''))
          } else await ws.ok('push --y --no-generate')
          const files = ws.snapshot()
          const between = await proxy(ws.db.href, at, 1, { stayDown, after: /INSERT INTO \S*_prisma_migrations/ })
          const env = { DATABASE_URL: between.href, ...(stayDown && { RAYS_CONNECT_TIMEOUT: '1' }) }
          const { code, stderr } = await ws.rays(command, { env }).finally(() => between.close())
          expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringMatching(TOLD[exit]) })
          if (exit === 1) {
            expect(ws.snapshot()).toEqual(files)
            await ws.ok(command)
          }
          expect(await ws.applied()).toHaveLength(ws.folders().length)
          await ws.ok('status --check')
        })
  },
  (provider) => provider !== 'sqlite',
)
