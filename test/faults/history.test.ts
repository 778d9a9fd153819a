/** The history and the folders disagree, are odd, or are being repaired; going down; the clock is wrong. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type FaultCase, fault, M1, M2, M3, SECOND, table } from '../support/faults.js'

const remove = (c: FaultCase, name: string) => {
  rmSync(path.dirname(c.file(name)), { recursive: true })
  c.folders.delete(name)
}

fault('an applied migration.sql that was edited is named; another kind of line end is no edit', async (c) => {
  await c.fixture()
  // Nothing else is to be told of: what `--strict` says is said of the edit alone.
  await c.next()
  const file = c.file(M1, 'migration.sql')
  const original = `-- ${M1}\n`
  const edits: [string | Buffer, boolean][] = [
    [original, false],
    [original.replaceAll('\n', '\r\n'), false],
    [`${original}-- later\n`, true],
    [`\ufeff${original}`, true],
  ]
  for (const [content, edited] of edits) {
    writeFileSync(file, content)
    const strict = await c.rays(['status', '--strict', '--json'])
    const { data } = strict.json<{ data: { migrations: { name: string; edited: string | null }[] } }>()
    expect({ code: strict.code, edited: data.migrations.filter((each) => each.edited !== null) }).toEqual({
      code: edited ? 1 : 0,
      edited: edited ? [expect.objectContaining({ name: M1, edited: 'migration.sql' })] : [],
    })
    if (edited) expect((await c.rays(['status', '--check'])).code).toBe(0)
    expect((await c.prismaSays()).edited).toEqual(edited ? [M1] : [])
  }
  // Later steps go on, with a warning.
  c.folder('20260104000000_d', [table('e')])
  const run = await c.next()
  expect(run.stderr).toMatch(/20260101000000_a: migration.sql was edited/)
  writeFileSync(file, original.replaceAll('\n', '\r\n'))
  expect((await c.next()).stderr).not.toMatch(/edited/)
})

fault('the folder of an applied migration is gone', async (c) => {
  await c.fixture()
  await c.next({ args: ['--name', M2], applied: [M1, M2] })
  const kept = readFileSync(c.file(M1))
  remove(c, M1)
  // The oldest: a pruned history.
  const pruned = await c.rays(['migrate'])
  expect({ code: pruned.code, stderr: pruned.stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/without a folder here: 20260101000000_a/),
  })
  const past = await c.rays(['migrate', '--name', 'zero', '--y'])
  expect({ code: past.code, stderr: past.stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/20260101000000_a/),
  })
  expect(await c.applied()).toEqual([M1, M2, M3])
  await c.agrees()
  c.code(M1, kept.toString())
  // One in the middle: somebody else's work.
  remove(c, M2)
  c.folder('20260104000000_d', [table('e')])
  const before = await c.state()
  const refused = await c.rays(['migrate'])
  expect({ code: refused.code, stderr: refused.stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/20260102000000_b[\s\S]*--ignore-missing/),
  })
  await c.clean(before)
  expect((await c.rays(['status', '--check'])).code).toBe(1)
  const through = await c.rays(['migrate', '--name', M1, '--y'])
  expect({ code: through.code, stderr: through.stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/20260102000000_b/),
  })
  await c.clean(before)
  const ignoring = await c.rays(['migrate', '--ignore-missing'])
  expect({ code: ignoring.code, stderr: ignoring.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.applied()).toEqual([M1, M2, M3, '20260104000000_d'])
  await c.agrees()
})

fault('folders out of order, of one second, or that differ in case only', async (c) => {
  await c.fixture()
  // One that is older, and one of the very second of what is applied, whose name differs in case only.
  const [old, twin] = ['20251231000000_old', '20260101000000_A']
  for (const late of [old, twin]) {
    c.folder(late, [table(late === old ? 'old' : 'twin')])
    const before = await c.state()
    const refused = await c.rays(['migrate'])
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(new RegExp(`${late} is older than ${M1}[\\s\\S]*--allow-out-of-order`)),
    })
    await c.clean(before)
    if (late === old) remove(c, old)
  }
  c.folder(old, [table('old')])
  c.folder('20260105000000_B', [table('e')])
  c.folder('20260105000000_a', [table('f')])
  c.folder('20260105000000_b', [table('g')])
  const confusable = [
    new RegExp(`${twin}, ${M1} differ in case only`),
    /20260105000000_B, 20260105000000_b differ in case only/,
    new RegExp(`${twin}, ${M1} have the same timestamp`),
    /20260105000000_B, 20260105000000_a, 20260105000000_b have the same timestamp/,
  ]
  const status = await c.rays(['status'])
  for (const says of confusable) expect(status.stderr).toMatch(says)
  const run = await c.rays(['migrate', '--allow-out-of-order'])
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  const order = [...run.stderr.matchAll(/^Applied (\S+)/gm)].map(([, name]) => name)
  expect(order).toEqual([old, twin, M2, M3, '20260105000000_B', '20260105000000_a', '20260105000000_b'])
  for (const says of confusable) expect(run.stderr).toMatch(says)
  expect(run.stderr).toMatch(/Prisma would apply them the other way round/)
  expect((await c.applied()).sort()).toEqual([...c.folders.keys()].sort())
  await c.agrees()
  // Each has a row of its own, also where the server compares texts without regard to case.
  const back = await c.rays(['migrate', '--name', twin, '--y'])
  expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect((await c.applied()).sort()).toEqual([old, twin])
  expect(await c.tables()).toEqual(['old', 'twin'])
  await c.agrees()
})

fault('odd rows in the history are read as Prisma reads them', async (c) => {
  await c.fixture()
  const time = c.by({
    postgresql: "'2026-01-01T00:00:00Z'",
    mysql: "'2026-01-01 00:00:00.000'",
    sqlite: '1767225600000',
  })
  const row = (id: string, name: string, finished: string, rolledBack: string, logs = 'NULL') =>
    c.db.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at, logs, applied_steps_count) VALUES ('${id}', '', '${name}', ${time}, ${finished}, ${rolledBack}, ${logs}, 1)`,
    )
  // Two applied rows of one name, and a rolled-back one before an applied one.
  await row('twice', M1, time, 'NULL')
  await row('old', M2, 'NULL', time, "'an old failure'")
  if (c.provider === 'sqlite') await row('iso', M1, "'2026-01-01T00:00:00.000+00:00'", 'NULL')
  if (c.provider === 'sqlite') await row('text', M1, "'2026-01-01 00:00:00'", 'NULL')
  await row('both', '20251201000000_gone', time, time)
  const status = await c.rays(['status', '--json'])
  const { data } = status.json<{ data: { migrations: { name: string; state: string; appliedAt: string }[] } }>()
  expect(data.migrations.map(({ name, state }) => [name, state])).toEqual([
    [M1, 'applied'],
    [M2, 'pending'],
    [M3, 'pending'],
  ])
  expect((await c.rays(['migrate'])).code).toBe(0)
  const down = await c.rays(['migrate', '--name', 'zero', '--y'])
  expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect((await c.history()).filter((each) => each.migration_name === M1)).toEqual([])
  expect(await c.tables()).toEqual([])
  await c.agrees()
  // A failure that Prisma recorded.
  await row('failed', M1, 'NULL', 'NULL', "'Prisma said no'")
  const refused = await c.rays(['migrate'])
  expect({ code: refused.code, stderr: refused.stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/Prisma said no/),
  })
  expect((await c.prismaSays()).failed).toEqual([M1])
  await c.agrees()
  expect((await c.rays(['status', '--check'])).code).toBe(1)
})

fault('a journal that says where nobody can be is left to a person, whatever is asked for', async (c) => {
  await c.fixture({}, { transaction: false })
  const op = (more: object) =>
    JSON.stringify({ rays: 1, batch: 2, dir: 'up', ops: 3, op: 1, state: 'running', ...more })
  // What else there may be is in the unit tests.
  const odd = [op({ op: 99 }), op({ dir: 'sideways' }), op({ dir: 'down', finished: 'soon' }), op({}).slice(0, -9)]
  for (const logs of odd) {
    await c.db.query('DELETE FROM _prisma_migrations WHERE finished_at IS NULL')
    await c.db.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, applied_steps_count) VALUES ('odd', '', '${M2}', '${logs}', 0)`,
    )
    const before = await c.state()
    for (const args of [['migrate'], ['migrate', '--resume', '--skip-op', '99'], ['migrate', '--undo']]) {
      const run = await c.rays(args)
      expect({ logs, args, code: run.code, stderr: run.stderr }).toEqual({
        logs,
        args,
        code: 3,
        stderr: expect.stringMatching(/journal cannot be read[\s\S]*--rolled-back 20260102000000_b/),
      })
      expect(run.stderr).not.toMatch(/fault in rays/)
    }
    const status = await c.rays(['status'])
    expect({ code: status.code, stdout: status.stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/cannot be read/),
    })
    await c.clean(before)
  }
  // A journal of a file that had more operations is none for this one.
  await c.db.query(`UPDATE _prisma_migrations SET logs = '${op({ ops: 9, op: 9, state: 'idle' })}' WHERE id = 'odd'`)
  const other = await c.rays(['migrate', '--resume'])
  expect({ code: other.code, stderr: other.stderr }).toEqual({
    code: 3,
    stderr: expect.stringMatching(/edited since it was begun/),
  })
  await c.db.query("DELETE FROM _prisma_migrations WHERE id = 'odd'")
  await c.next()
})

fault('recording without running changes the record only, whatever the history holds', async (c) => {
  await c.fixture()
  await c.db.query(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name, applied_steps_count) VALUES ('f', '', '20260102000000_b', 0)",
  )
  c.folder('20251231000000_old', [{ up: 'throw new Error("never run")', down: null }])
  const { schema, rows, files } = await c.state()
  const up = await c.rays(['migrate', '--fake', '--name', M3])
  expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  const history = await c.history()
  const applied = history.filter((row) => row.migration_name === M2 && row.rolled_back_at === null)
  expect(applied).toHaveLength(1)
  expect(applied[0]).toMatchObject({ logs: '', applied_steps_count: 0 })
  expect(String(applied[0]!.started_at)).toBe(String(applied[0]!.finished_at))
  expect(history.find((row) => row.id === 'f')!.rolled_back_at).not.toBeNull()
  expect(await c.state()).toMatchObject({ schema, rows, files })
  await c.agrees()
  remove(c, M2)
  const down = await c.rays(['migrate', '--fake', '--name', 'zero', '--y'])
  expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.applied()).toEqual([])
  expect(await c.state()).toMatchObject({ schema, rows })
  await c.agrees()
})

fault('folders and files that are no migrations are refused before anything runs', async (c) => {
  await c.fixture()
  const before = await c.state()
  const root = path.join(c.project.folder, 'prisma/migrations')
  const cases: [string, (at: string) => void, RegExp][] = [
    ['.git', (at) => mkdirSync(at), /\.git has neither/],
    ['20260110000000_empty', (at) => mkdirSync(at), /has neither migration\.js nor migration\.sql/],
    [
      '20260110000000_nested',
      (at) => {
        mkdirSync(path.join(at, 'migration.js'), { recursive: true })
        writeFileSync(path.join(at, 'migration.sql'), '')
      },
      /migration\.js is not a file/,
    ],
    ['20260110000000_link', (at) => symlinkSync(path.join(root, M1), at), /symbolic link/],
  ]
  for (const [name, make, says] of cases) {
    const at = path.join(root, name)
    make(at)
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
    expect(run.stderr).toContain(at)
    rmSync(at, { recursive: true })
  }
  await c.clean(before)
  await c.next()
})

fault('code that cannot be used is refused before anything of any migration runs', async (c) => {
  await c.fixture()
  const before = await c.state()
  const broken: [string, RegExp][] = [
    ['module.exports = [[', /cannot be loaded/],
    ['module.exports = {}', /array of \[up, down\]/],
    ['module.exports = function up() {}', /array of \[up, down\]/],
    ['module.exports = [[async () => {}]]', /has no down/],
    ['throw new Error("not today")', /not today/],
    ['process.exit(0)', /process\.exit/],
    ['module.exports = [[async () => {}, 3]]', /the down is a number/],
  ]
  for (const [code, says] of broken) {
    c.code(M3, code)
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
    expect(run.stderr).toContain(M3)
    // Not even the row with which a migration begins where its journal is kept (MySQL).
    expect(await c.history()).toEqual(before.history)
  }
  c.folder(M3, [table('d')])
  await c.clean(before)
  await c.next()
})

fault('migration_lock.toml of another database is refused; a missing one is not', async (c) => {
  await c.fixture()
  const file = path.join(c.project.folder, 'prisma/migrations/migration_lock.toml')
  const other = c.provider === 'mysql' ? 'sqlite' : 'mysql'
  for (const [text, says] of [
    [`provider = "${other}"\n`, new RegExp(`migrations are for ${other}`)],
    ['garbage\n', /names no provider/],
  ] as const) {
    writeFileSync(file, text)
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
  }
  rmSync(file)
  await c.next()
})

/** What faketime does to a process, where it need not be installed. */
const SKEWED = `const RealDate = Date
let now = RealDate.UTC(2001, 5, 1)
globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length > 0) super(...args)
    else super(Date.now())
  }
  static now() {
    now -= 60_000
    return now
  }
}
`

fault('a wrong clock and another zone change neither the order nor the times', async (c) => {
  await c.fixture({}, { apply: false })
  const env = { TZ: 'Pacific/Kiritimati' }
  const run = await c.rays(['migrate'], { env })
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(run.stderr).not.toMatch(/\(-\d/)
  const { data } = (await c.rays(['status', '--json'], { env })).json<{
    data: { migrations: { appliedAt: string }[] }
  }>()
  for (const { appliedAt } of data.migrations)
    expect(Math.abs(Date.parse(appliedAt) - Date.now())).toBeLessThan(120_000)
  // A row from the future, in a server of another zone: what is done later still comes after it, in the order of the names.
  const future = c.by({
    postgresql: "'2030-01-01T00:00:00Z'",
    mysql: "'2030-01-01 00:00:00.000'",
    sqlite: String(Date.UTC(2030, 0, 1)),
  })
  await c.db.query(
    `UPDATE _prisma_migrations SET started_at = ${future}, finished_at = ${future} WHERE migration_name = '${M1}'`,
  )
  if (c.provider === 'postgresql') await c.db.query(`ALTER DATABASE ${c.db.name} SET timezone = 'Pacific/Kiritimati'`)
  c.folder('20260104000000_d', [table('e')])
  const later = await c.next()
  expect(later.stderr).not.toMatch(/\(-\d/)
  const status = await c.rays(['status', '--json'], { env })
  const seen = status.json<{ data: { migrations: { name: string; state: string; appliedAt: string }[] } }>().data
  expect(seen.migrations.map(({ name, state }) => [name, state])).toEqual(
    [M1, M2, M3, '20260104000000_d'].map((name) => [name, 'applied']),
  )
  expect(seen.migrations[0]!.appliedAt).toBe('2030-01-01T00:00:00.000Z')
  expect(Math.abs(Date.parse(seen.migrations[3]!.appliedAt) - Date.now())).toBeLessThan(120_000)
  // Down and up again by the clock of a process that is years behind, and goes back a minute whenever it is looked at.
  const clock = path.join(c.project.folder, 'clock.cjs')
  writeFileSync(clock, SKEWED)
  const skewed = { env: { ...env, NODE_OPTIONS: `--require ${JSON.stringify(clock)}` } }
  for (const [args, applied] of [
    [
      ['--name', '-1', '--y'],
      [M1, M2, M3],
    ],
    [[], [M1, M2, M3, '20260104000000_d']],
  ] as const) {
    const run = await c.rays(['migrate', ...args], skewed)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(run.stdout + run.stderr).not.toMatch(/\(-\d/)
    expect((await c.applied()).sort()).toEqual(applied)
    await c.agrees()
  }
  const [last] = (await c.history()).slice(-1) as [{ started_at: string | Date }]
  expect(new Date(last.started_at).getUTCFullYear()).toBe(2001)
  // A folder from the future: the next one comes after it all the same.
  c.code('20991231235959_future', undefined, '')
  const made = await c.rays(['makemigration', '--blank', '--name', 'later', '--no-verify', '--json'], skewed)
  if (made.code !== 0) throw new Error(made.stdout + made.stderr)
  expect(made.stdout).toMatch(/2100010100000\d_later/)
  c.found()
  await c.agrees()
})

fault('an operation that fails on the way down leaves the migration applied as before', async (c) => {
  await c.fixture({ 0: { down: `await client.execute('SELEC 1')` } })
  await c.next({ args: ['--name', M2], applied: [M1, M2] })
  const before = await c.state()
  const why = c.by({ postgresql: /42601/, mysql: /ER_PARSE_ERROR/, sqlite: /SQLITE_ERROR/ })
  const run = await c.rays(['migrate', '--name', M1, '--y'])
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/operation 0\b/i) })
  expect(run.stderr).toMatch(why)
  // MySQL has put back what it had taken down; elsewhere nothing had been done. The row is the one that was there.
  await c.clean(before)
  await c.agrees()
  c.repair()
  const down = await c.rays(['migrate', '--name', M1, '--y'])
  expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.tables()).toEqual(['a'])
  await c.next()
})

fault('a process killed on the way down', async (c) => {
  const kill = `process.kill(process.pid, 'SIGKILL'); await new Promise((r) => setTimeout(r, 10_000))`
  await c.fixture({
    1: {
      down: `if (!process.env.ALIVE && (await client.query('SELECT 1 AS one')).length > 0) { ${kill} }\n  ${SECOND[1]!.down}`,
    },
  })
  await c.next({ args: ['--name', M2], applied: [M1, M2] })
  const before = await c.state()
  expect((await c.rays(['migrate', '--name', M1, '--y'])).code).toBe(137)
  if (c.atomic) {
    await c.clean(before)
    await c.next()
    return
  }
  await c.gone()
  const inDoubt = async () => {
    const rows = (await c.history()).filter((row) => row.migration_name === M2)
    expect(rows).toEqual([
      expect.objectContaining({
        id: before.history[1]!.id,
        finished_at: null,
        rolled_back_at: null,
        applied_steps_count: 2,
      }),
    ])
    expect(JSON.parse(String(rows[0]!.logs))).toMatchObject({ op: 1, state: 'running', dir: 'down', ops: 3 })
    expect(await c.tables()).toEqual(['a', 'b'])
    await c.next({ refused: { code: 3, says: /operation 1 was started and is in doubt[\s\S]*going down/ } })
  }
  await inDoubt()
  // Back is up: what had been taken down is put back, and the migration is applied as it was.
  const back = await c.rays(['migrate', '--undo', '--retry-op', '1'])
  expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.state()).toEqual(before)
  await c.agrees()
  expect((await c.rays(['migrate', '--name', M1, '--y'])).code).toBe(137)
  await c.gone()
  await inDoubt()
  const resumed = await c.rays(['migrate', '--resume', '--retry-op', '1'], { env: { ALIVE: '1' } })
  expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.tables()).toEqual(['a'])
  expect(await c.applied()).toEqual([M1])
  await c.next()
})

fault('targets that cannot be reached are refused, and zero reaches the empty state', async (c) => {
  await c.fixture({ 1: { down: null } })
  await c.next()
  const before = await c.state()
  for (const [target, says] of [
    ['nowhere', /no migration "nowhere"/],
    ['../../x', /no migration/],
    ["a'; DROP TABLE a", /no migration/],
    [M1, /operation 1[\s\S]*rays adopt/],
    ['zero', /operation 1[\s\S]*rays adopt/],
    ['-9', /more than the 3 applied/],
  ] as const) {
    const run = await c.rays(['migrate', `--name=${target}`, '--y'])
    expect({ target, code: run.code, stderr: run.stderr }).toEqual({
      target,
      code: 2,
      stderr: expect.stringMatching(says),
    })
  }
  await c.clean(before)
  c.repair()
  const zero = await c.rays(['migrate', '--name', 'zero', '--y'])
  expect({ code: zero.code, stderr: zero.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.tables()).toEqual([])
  expect(await c.history()).toEqual([])
  await c.next()
})
