/** Sizes that nobody should have, and that must work all the same. */
import { existsSync, readFileSync } from 'node:fs'
import { databases, freshMysql } from '../support/databases.js'
import { type FaultCase, fault, M2, table } from '../support/faults.js'
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

/** Verbose output of a hundred thousand statements is not what is measured. */
const quiet = { env: { RAYS_VERBOSE_LOGGING: '0' }, limitMs: 110_000 }

/** The most memory that the process had, in bytes, where the system tells. */
function peakOf(pid: number): { stop(): number } {
  let peak = 0
  const timer = setInterval(() => {
    const file = `/proc/${pid}/status`
    if (existsSync(file))
      peak = Math.max(peak, Number(/VmRSS:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) * 1024)
  }, 100)
  return {
    stop: () => {
      clearInterval(timer)
      return peak
    },
  }
}

/** Runs it within a minute and half a gigabyte. */
async function within(c: FaultCase, args: readonly string[]) {
  const running = c.start(args, quiet)
  const started = performance.now()
  const memory = peakOf(running.child.pid!)
  const run = await running.output
  const measured = { seconds: (performance.now() - started) / 1000, megabytes: memory.stop() / MEGABYTE }
  expect(measured.seconds).toBeLessThan(60)
  expect(measured.megabytes).toBeLessThan(512)
  // Where the system tells nothing, nothing is measured.
  if (existsSync('/proc/self/status')) expect(measured.megabytes).toBeGreaterThan(20)
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
  { timeoutMs: 120_000, fresh },
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
    { on, timeoutMs: 120_000, fresh },
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
  { timeoutMs: 120_000, fresh },
)

fault(
  'a thousand migrations go up and down to nothing on one connection',
  async (c) => {
    for (let i = 1; i <= 1000; i++) c.folder(`20260101${String(i).padStart(6, '0')}_m`, [table(`t${i}`)])
    const between = c.provider === 'sqlite' ? undefined : await proxy(c.href, 'cut-before', 0)
    const onOne = { ...quiet, env: { ...quiet.env, ...(between && { DATABASE_URL: between.href }) } }
    const up = await c.rays(['migrate'], onOne)
    expect({ code: up.code, stderr: up.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.history()).toHaveLength(1000)
    if (between) expect(between.connections()).toBe(1)
    // The others of this machine slow it down now and then.
    let fastest = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 3 && fastest >= 2000; attempt++) {
      const status = await c.rays(['status', '--json'], quiet)
      expect(status.code).toBe(0)
      expect(status.json<{ data: { counts: object } }>().data.counts).toMatchObject({ applied: 1000, pending: 0 })
      fastest = Math.min(fastest, status.milliseconds)
    }
    expect(fastest).toBeLessThan(2000)
    const down = await c.rays(['migrate', '--name', 'zero', '--y'], onOne).finally(() => between?.close())
    expect({ code: down.code, stderr: down.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    if (between) expect(between.connections()).toBe(2)
    expect(up.milliseconds + down.milliseconds).toBeLessThan(120_000)
    expect(await c.history()).toEqual([])
    expect(await c.tables()).toEqual([])
    await c.gone()
  },
  { timeoutMs: 150_000, fresh },
)
