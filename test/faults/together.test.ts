/** Two runs that go different ways at once: where each transaction takes the lock anew, and where the session has it. */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { databases, serverUrl } from '../support/databases.js'
import { type FaultCase, fault, M1, M2, M3, pause, type Running } from '../support/faults.js'

/** The three applied, in a run each; the last but `of` waits in a hook, outside of its transaction, going this way. */
async function waiting(c: FaultCase, of: string, direction: 'up' | 'down') {
  const at = (name: string) => path.join(c.project.folder, name)
  await c.fixture()
  if (direction === 'down') {
    await c.ends(['migrate', '--name', M2], 0, /Applied/)
    await c.next()
  }
  const hook = direction === 'up' ? 'before.sh' : 'after.sh'
  c.project.write({
    [`prisma/migrations/${of}/${hook}`]: `[ "$DIRECTION" = ${direction} ] || exit 0\ntouch '${at('waiting')}'\nwhile [ ! -e '${at('go')}' ]; do sleep 0.05; done\n`,
  })
  return {
    go: () => writeFileSync(at('go'), ''),
    async comes(running: Running) {
      const ended = running.output.then(({ stderr }) => {
        throw new Error(`it ended before: ${stderr}`)
      })
      while (!existsSync(at('waiting'))) await Promise.race([pause(20), ended])
      ended.catch(() => undefined)
    },
  }
}

/** On PostgreSQL as behind a transaction pooler. */
const EACH = { RAYS_LOCK: 'transaction' }
const ANEW = { on: ['sqlite', 'postgresql'] } as const

fault(
  'a run that meets one in the other direction stops where it is, and the history has no hole',
  async (c) => {
    const hook = await waiting(c, M2, 'down')
    const before = await c.state()
    const back = c.start(['migrate', '--name', 'zero', '--y'], { env: EACH })
    await hook.comes(back)
    const up = await c.rays(['migrate'], { env: EACH })
    expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/Applied .*_c/) })
    hook.go()
    const run = await back.output
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
    const hook = await waiting(c, M2, 'up')
    const up = c.start(['migrate'], { env: EACH })
    await hook.comes(up)
    await c.ends(['push', '--force-reset', '--y'], 0, /./)
    hook.go()
    const run = await up.output
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

for (const args of STEPS)
  fault(`two ${args[0]} ${args[1]} at once undo one migration`, async (c) => {
    const hook = await waiting(c, M3, 'down')
    const first = c.start(args, { env: EACH })
    await hook.comes(first)
    const second = c.start(args, { env: EACH })
    // It has seen where the database is when it waits: for the lock, or in the hook.
    await second.said(c.provider === 'mysql' ? /Waiting for the migration lock/ : /Running after.sh/)
    hook.go()
    const runs = await Promise.all([first.output, second.output])
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
  const hook = await waiting(c, M3, 'down')
  const down = c.start(['down', '--auto-approve'])
  await hook.comes(down)
  const redo = c.start(['redo', '--y'])
  await redo.said(c.provider === 'sqlite' ? /Running after.sh/ : /Waiting for the migration lock/)
  hook.go()
  const codes = [(await down.output).code, (await redo.output).code]
  // One after the other where the second was faster than the first.
  expect([
    [0, 4],
    [0, 0],
  ]).toContainEqual(codes)
  expect(await c.applied()).toEqual([M1, M2])
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
