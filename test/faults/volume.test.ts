/** Sizes that nobody should have, and that must work all the same. */
import { existsSync, readFileSync } from 'node:fs'
import { databases, freshMysql } from '../support/databases.js'
import { fault, M2, table } from '../support/faults.js'
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
    const running = c.start(['migrate'], quiet)
    const memory = peakOf(running.child.pid!)
    const run = await running.output
    const peak = memory.stop()
    expect({ code: run.code, stderr: run.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(peak).toBeLessThan(512 * MEGABYTE)
    expect(Number((await c.db.query('SELECT count(*) AS n FROM a'))[0]!.n)).toBe(10_000)
  },
  { timeoutMs: 120_000, fresh },
)

fault(
  'a hundred thousand operations take less than a minute and half a gigabyte',
  async (c) => {
    await c.fixture()
    c.code(
      M2,
      `const one = (i) => [({ client }) => client.execute('UPDATE a SET id = id'), null]
module.exports = Array.from({ length: 100_000 }, (_, i) => one(i))`,
    )
    const started = performance.now()
    const running = c.start(['migrate'], quiet)
    const memory = peakOf(running.child.pid!)
    const run = await running.output
    const peak = memory.stop()
    expect({ code: run.code, stderr: run.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(performance.now() - started).toBeLessThan(60_000)
    expect(peak).toBeLessThan(512 * MEGABYTE)
    const row = (await c.history()).find((each) => each.migration_name === M2)
    expect(Number(row!.applied_steps_count)).toBe(100_000)
  },
  { on: ['sqlite', 'postgresql'], timeoutMs: 120_000, fresh },
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
    const running = c.start(['migrate', '--name', M2], quiet)
    const run = await running.output
    if (c.provider === 'mysql') {
      expect({ code: run.code, stderr: run.stderr.slice(0, 3000) }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/max_allowed_packet/),
      })
      expect((await c.state()).schema).toBe(before.schema)
    } else
      expect({ code: run.code, stderr: run.stderr.slice(0, 2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    c.repair()
    if (c.provider === 'mysql') await c.next()
  },
  { timeoutMs: 120_000, fresh },
)

fault(
  'a thousand migrations go up and down to nothing on one connection',
  async (c) => {
    for (let i = 1; i <= 1000; i++) c.folder(`20260101${String(i).padStart(6, '0')}_m`, [table(`t${i}`)])
    const started = performance.now()
    const up = await c.rays(['migrate'], quiet)
    expect({ code: up.code, stderr: up.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.history()).toHaveLength(1000)
    const status = await c.rays(['status', '--json'], quiet)
    expect(status.code).toBe(0)
    expect(status.json<{ data: { counts: object } }>().data.counts).toMatchObject({ applied: 1000, pending: 0 })
    const down = await c.rays(['migrate', '--name', 'zero', '--y'], quiet)
    expect({ code: down.code, stderr: down.stderr.slice(-2000) }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(performance.now() - started).toBeLessThan(120_000)
    expect(await c.history()).toEqual([])
    expect(await c.tables()).toEqual([])
  },
  { timeoutMs: 150_000, fresh },
)
