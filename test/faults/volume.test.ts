/** Sizes that nobody should have, and that must work all the same. */
import { existsSync, readFileSync } from 'node:fs'
import { databases, freshMysql } from '../support/databases.js'
import { type FaultCase, fault, M2, table } from '../support/faults.js'
import type { RunOptions } from '../support/project.js'
import { proxy } from '../support/proxy.js'
import type { Server } from '../support/servers.mjs'
import { startMysql } from '../support/servers.mjs'

const MEGABYTE = 1024 * 1024
let server: Server | undefined
afterAll(() => server?.stop())

/** MySQL's lock is the server's: what holds it for long has a server of its own. */
async function fresh(provider: (typeof databases)[number]['provider']) {
  if (provider !== 'mysql') return databases.find((each) => each.provider === provider)!.fresh()
  server ??= await startMysql({ own: true })
  return freshMysql(server!.url)
}

/** Verbose output of a hundred thousand statements is not what is measured. What hangs is stopped, what is slow is not. */
const quiet = { env: { RAYS_VERBOSE_LOGGING: '0' }, limitMs: 280_000 }

/**
 * The seconds that the process ran, and the most memory that it had: others on this machine change neither. Where the system
 * tells nothing, the seconds are those of the clock, and no memory is measured.
 */
function measure(pid: number): { stop(): { seconds: number; megabytes: number | undefined } } {
  const started = performance.now()
  let seconds: number | undefined
  let megabytes: number | undefined
  const look = () => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      megabytes = Math.max(megabytes ?? 0, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
      // After the name in parentheses: user and system time are the fields 14 and 15, in hundredths of a second.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      seconds = (Number(fields[11]) + Number(fields[12])) / 100
    } catch {
      // It has ended, or there is no /proc.
    }
  }
  const timer = setInterval(look, 50)
  return {
    stop: () => {
      clearInterval(timer)
      return { seconds: seconds ?? (performance.now() - started) / 1000, megabytes }
    },
  }
}

/** Runs it and tells how long it worked for it. */
async function measured(c: FaultCase, args: readonly string[], options: RunOptions = quiet) {
  const running = c.start(args, options)
  const meter = measure(running.child.pid!)
  const run = await running.output
  return { run, ...meter.stop() }
}

/** Runs it within a minute and half a gigabyte. */
async function within(c: FaultCase, args: readonly string[]) {
  const { run, seconds, megabytes } = await measured(c, args)
  expect(seconds).toBeLessThan(60)
  expect(megabytes ?? 0).toBeLessThan(512)
  if (existsSync('/proc/self/status')) expect(megabytes).toBeGreaterThan(20)
  return run
}

fault(
  'a migration of 10 MB, made of very many statements, takes less than a minute and half a gigabyte',
  async (c) => {
    await c.fixture()
    // 10 MB of SQL in migration.sql alone: folders that Prisma made are run as they are.
    const rows = Array.from(
      { length: 10_000 },
      (_, i) => `INSERT INTO a VALUES (${i + 1}, '${'x'.repeat(40)}'); -- ${'pad '.repeat(250)}`,
    ).join('\n')
    expect(rows.length).toBeGreaterThan(10 * MEGABYTE)
    c.code(M2, undefined, `${rows}\n`)
    const run = await within(c, ['migrate'])
    expect({ code: run.code, stderr: run.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(Number((await c.db.query('SELECT count(*) AS n FROM a'))[0]!.n)).toBe(10_000)
  },
  { timeoutMs: 300_000, fresh },
)

for (const [words, count, on] of [
  ['a hundred thousand', 100_000, ['sqlite', 'postgresql']],
  // Each is journalled with commits of its own, most of whose time is the server's: a tenth shows the same here.
  ['ten thousand journalled', 10_000, ['mysql']],
] as const)
  fault(
    `${words} operations take less than a minute and half a gigabyte`,
    async (c) => {
      await c.fixture()
      c.code(
        M2,
        `const one = (i) => [({ client }) => client.execute('UPDATE a SET id = id'), null]
module.exports = Array.from({ length: ${count} }, (_, i) => one(i))`,
      )
      const run = await within(c, ['migrate'])
      expect({ code: run.code, stderr: run.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
      const row = (await c.history()).find((each) => each.migration_name === M2)
      expect(Number(row!.applied_steps_count)).toBe(count)
    },
    { on, timeoutMs: 300_000, fresh },
  )

fault(
  'a statement of 64 MB is taken, or refused for what it is',
  async (c) => {
    await c.fixture()
    c.code(
      M2,
      `module.exports = [[async ({ client }) => { await client.query("SELECT length('" + 'x'.repeat(64 * 1024 * 1024) + "') AS n") }, null]]`,
    )
    const before = await c.state()
    const run = await within(c, ['migrate', '--name', M2])
    if (c.provider === 'mysql') {
      expect({ code: run.code, stderr: run.stderr.slice(0, 3000) }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/max_allowed_packet/),
      })
      await c.undone(before, /max_allowed_packet/)
      c.repair()
    } else
      expect({ code: run.code, stderr: run.stderr.slice(0, 2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.next()
  },
  { timeoutMs: 300_000, fresh },
)

fault(
  'a thousand migrations go up and down to nothing on one connection',
  async (c) => {
    for (let i = 1; i <= 1000; i++) c.folder(`20260101${String(i).padStart(6, '0')}_m`, [table(`t${i}`)])
    const between = c.provider === 'sqlite' ? undefined : await proxy(c.href, 'cut-before', 0)
    const onOne = { ...quiet, env: { ...quiet.env, ...(between && { DATABASE_URL: between.href }) } }
    const up = await measured(c, ['migrate'], onOne)
    expect({ code: up.run.code, stderr: up.run.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.history()).toHaveLength(1000)
    if (between) expect(between.connections()).toBe(1)
    const status = await measured(c, ['status', '--json'])
    expect(status.run.code).toBe(0)
    expect(status.run.json<{ data: { counts: object } }>().data.counts).toMatchObject({ applied: 1000, pending: 0 })
    expect(status.seconds).toBeLessThan(2)
    const down = await measured(c, ['migrate', '--name', 'zero', '--y'], onOne).finally(() => between?.close())
    expect({ code: down.run.code, stderr: down.run.stderr.slice(-2000) }).toEqual({
      code: 0,
      stderr: expect.any(String),
    })
    if (between) expect(between.connections()).toBe(2)
    expect(up.seconds + down.seconds).toBeLessThan(120)
    expect(await c.history()).toEqual([])
    expect(await c.tables()).toEqual([])
    await c.gone()
  },
  { timeoutMs: 600_000, fresh },
)
