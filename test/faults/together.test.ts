/** Two runs that go different ways at once: where each transaction takes the lock anew, and where the session has it. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { databases, serverUrl } from '../support/databases.js'
import { type FaultCase, fault, M1, M2, M3, pause, type Running } from '../support/faults.js'

/** A run that has read the history and made its plan, and waits before it begins. */
interface Held {
  readonly run: Running
  goesOn(): void
}

/** The migrations, of which one waits while it is loaded, in the runs that {@link held} starts. */
async function project(c: FaultCase, of: string) {
  await c.fixture()
  const at = (name: string) => JSON.stringify(path.join(c.project.folder, name))
  const file = `prisma/migrations/${of}/migration.js`
  const code = readFileSync(path.join(c.project.folder, file), 'utf8')
  const wait = `if (process.env.WAITS) {
  const { existsSync, writeFileSync } = require('node:fs')
  writeFileSync(${at('waiting')}, '')
  while (!existsSync(${at('go')})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
}
`
  c.project.write({ [file]: wait + code })
}

async function held(c: FaultCase, args: readonly string[]): Promise<Held> {
  const at = (name: string) => path.join(c.project.folder, name)
  const run = c.start([...args], { env: { ...EACH, WAITS: '1' } })
  const ended = run.output.then(({ stderr }) => {
    throw new Error(`it ended before: ${stderr}`)
  })
  while (!existsSync(at('waiting'))) await Promise.race([pause(20), ended])
  ended.catch(() => undefined)
  return { run, goesOn: () => writeFileSync(at('go'), '') }
}

/** On PostgreSQL as behind a transaction pooler. */
const EACH = { RAYS_LOCK: 'transaction' }
const ANEW = { on: ['sqlite', 'postgresql'] } as const

fault(
  'a run that meets one in the other direction stops where it is, and the history has no hole',
  async (c) => {
    await project(c, M2)
    await c.ends(['migrate', '--name', M2], 0, /Applied/)
    const back = await held(c, ['migrate', '--name', 'zero', '--y'])
    const up = await c.rays(['migrate'], { env: EACH })
    expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/Applied .*_c/) })
    const before = await c.state()
    back.goesOn()
    const run = await back.run.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/Another run applied 20260103000000_c meanwhile[\s\S]*rays status/),
    })
    expect(await c.applied()).toEqual([M1, M2, M3])
    expect((await c.state()).schema).toBe(before.schema)
    await c.next()
  },
  ANEW,
)

fault(
  'a run whose database is emptied meanwhile stops, and records nothing',
  async (c) => {
    await project(c, M2)
    const up = await held(c, ['migrate'])
    await c.ends(['push', '--force-reset', '--y'], 0, /./)
    up.goesOn()
    const run = await up.run.output
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/Another run .*meanwhile/),
    })
    expect(await c.tables()).toEqual(['a'])
    await c.db.query('DROP TABLE a')
    await c.next()
  },
  ANEW,
)

const STEPS = [
  ['migrate', '--name', '-1', '--y'],
  ['down', '--auto-approve'],
  ['rollback', '--y'],
]

/** The three applied, in a run each. */
async function applied(c: FaultCase) {
  await project(c, M3)
  await c.ends(['migrate', '--name', M2], 0, /Applied/)
  await c.ends(['migrate'], 0, /Applied/)
}

for (const args of STEPS)
  fault(`two ${args[0]} ${args[1]} at once undo one migration`, async (c) => {
    await applied(c)
    const first = await held(c, args)
    const second = c.start(args, { env: EACH })
    // It is done, or waits for the lock that the first has.
    await Promise.race([second.output, second.said(/Waiting for the migration lock/)])
    first.goesOn()
    const runs = await Promise.all([first.run.output, second.output])
    for (const run of runs)
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(runs.map(({ stderr }) => /was unapplied by another rays meanwhile/.test(stderr)).sort()).toEqual([
      false,
      true,
    ])
    expect(await c.applied()).toEqual([M1, M2])
    await c.next()
  })

fault('a redo does not bring back what another run has taken down meanwhile', async (c) => {
  await applied(c)
  const redo = await held(c, ['redo', '--y'])
  const down = await c.rays(['down', '--auto-approve'], { env: EACH })
  redo.goesOn()
  expect([down.code, (await redo.run.output).code]).toEqual([0, 4])
  expect(await c.applied()).toEqual([M1, M2])
  await c.next()
})

fault('while a hook runs nobody else moves the history, and whoever waited goes on behind it', async (c) => {
  await c.fixture()
  const at = (name: string) => path.join(c.project.folder, name)
  c.project.write({
    [`prisma/migrations/${M2}/after.sh`]: `[ "$DIRECTION" = up ] || exit 0\ntouch '${at('waiting')}'\nwhile [ ! -e '${at('go')}' ]; do sleep 0.05; done\n`,
  })
  const up = c.start(['migrate'])
  while (!existsSync(at('waiting'))) await pause(20)
  const back = c.start(['migrate', '--name', 'zero', '--y'])
  await back.said(/Waiting for the migration lock/)
  writeFileSync(at('go'), '')
  expect([(await up.output).code, (await back.output).code]).toEqual([0, 0])
  expect(await c.applied()).toEqual([])
  await c.next()
})

for (const { provider, available } of databases)
  for (const pooled of provider === 'postgresql' ? [false, true] : [false]) {
    const title = `a few rounds of runs at random${pooled ? ', with a lock for each transaction' : ''} (${provider})`
    const run = available ? test : test.skip
    run(
      title,
      async () => {
        const url = serverUrl(provider)!
        const args = ['test/faults/chaos.mjs', '--database', provider, '--rounds', '8', '--seed', '1']
        const child = spawn(process.execPath, [
          ...args,
          ...(provider === 'sqlite' ? [] : ['--url', url]),
          ...(pooled ? ['--pooled'] : []),
        ])
        let said = ''
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk) => {
            said += chunk
          })
        const code = await new Promise((resolve) => child.on('close', resolve))
        expect({ code, said }).toEqual({ code: 0, said: expect.stringMatching(/^8 rounds, /m) })
      },
      180_000,
    )
  }
