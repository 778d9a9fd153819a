/** rays as a library, from the built package. */
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { describeDatabases } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

type Library = typeof import('../../src/index.js')

const SCHEMA = 'model User {\n  id Int @id\n}\n'

/** A script of Node's own that imports the package, run in the project; what it prints. */
const script = (body: string) => `
import { createRays, RaysError } from ${JSON.stringify(pathToFileURL(path.resolve('dist/src/index.js')).href)}
const rays = createRays({ config: { generate: false }, cwd: process.cwd() })
const before = process.exitCode
${body}
`

describeDatabases('the library', (on) => {
  let ws: Workspace
  let run: (body: string) => Promise<string>
  beforeAll(async () => {
    ws = await workspace(on, { schema: SCHEMA })
    run = async (body) => {
      ws.project.write({ 'script.mjs': script(body) })
      const { execFile } = await import('node:child_process')
      return new Promise((resolve, reject) =>
        execFile(
          process.execPath,
          ['script.mjs'],
          { cwd: ws.project.folder, env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: ws.db.href } },
          (error, stdout, stderr) => (error ? reject(new Error(`${stdout}\n${stderr}`)) : resolve(stdout + stderr)),
        ),
      )
    }
  })
  afterAll(() => ws.drop())

  test('makes and applies a migration, says nothing by itself, and returns what --json prints', async () => {
    const printed = JSON.parse(
      await run(`
const made = await rays.makemigration({ name: 'init' })
const steps = []
const watched = createRays({ config: { generate: false }, onProgress: (p) => steps.push(p.kind) })
const done = await watched.migrate()
console.log(JSON.stringify({ made: made.migrations[0].name, done: done.migrations.map((m) => m.name), steps, exit: process.exitCode ?? null }))
`),
    ) as { made: string; done: string[]; steps: string[]; exit: null }
    expect(ws.folders()).toEqual([printed.made])
    expect(printed.done).toEqual(ws.folders())
    expect(printed.steps).toContain('start')
    expect(printed.steps.at(-1)).toBe('done')
    expect(printed.exit).toBeNull()
    const { data } = (await ws.ok('status --json')).json<{ data: unknown }>()
    expect(JSON.parse(await run('console.log(JSON.stringify(await rays.status()))'))).toEqual(data)
  })

  test('its errors are classes with codes, and a question without an answer is one', async () => {
    await ws.sql('INSERT INTO "User" VALUES (1)')
    const printed = await run(`
const told = []
for (const work of [() => rays.migrate({ name: 'nowhere' }), () => rays.migrate({ name: 'zero' }), () => createRays({ config: { nonsense: 1 } }).status()]) {
  await work().catch((e) => told.push([e instanceof RaysError, e.code, e.exitCode]))
}
console.log(JSON.stringify(told))
`)
    expect(JSON.parse(printed)).toEqual([
      [true, 'E_UNKNOWN_TARGET', 2],
      [true, 'E_NO_TERMINAL', 2],
      [true, 'E_CONFIG', 2],
    ])
    expect(await ws.applied()).toEqual(['init'])
  })

  test('an answer and a signal are options', async () => {
    const printed = await run(`
const abort = new AbortController()
abort.abort()
const code = await createRays({ config: { generate: false }, signal: abort.signal }).migrate({ name: 'zero', y: true }).catch((e) => e.code)
const asked = []
await createRays({ config: { generate: false }, confirm: (q) => asked.push(q.flag) > 0 }).migrate({ name: 'zero' })
console.log(JSON.stringify({ code, asked }))
`)
    expect(JSON.parse(printed)).toEqual({ code: 'E_INTERRUPTED', asked: ['--y'] })
    expect(await ws.applied()).toEqual([])
  })
})

test('every command that is typed is a function', async () => {
  const { createRays } = (await import(path.resolve('dist/src/index.js'))) as Library
  const { COMMANDS } = (await import(
    path.resolve('dist/src/cli/commands/index.js')
  )) as typeof import('../../src/cli/commands/index.js')
  // Prisma's commands print for themselves, a completion is for shells; those of Knex are three, and two by their format.
  const others = ['prisma', 'completion', 'knex', 'import', 'export']
  const own = COMMANDS.map(({ name }) => name).filter((name) => !others.includes(name))
  const knex = ['knexInit', 'knexConvert', 'knexFill', 'importKnex', 'exportKnex']
  expect(Object.keys(createRays()).sort()).toEqual([...own, ...knex].sort())
})

test('a misspelt option is an error, not a default, and so is a value of another kind', async () => {
  const { createRays } = (await import(path.resolve('dist/src/index.js'))) as Library
  const given = { nmae: 'zero' } as { name?: string }
  await expect(createRays().migrate(given)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: 'migrate does not know nmae.',
    hint: expect.stringContaining('name, fake, plan'),
  })
  const yes = 'yes' as unknown as boolean
  await expect(createRays().migrate({ y: yes })).rejects.toMatchObject({
    code: 'E_USAGE',
    exitCode: 2,
    message: 'migrate: y must be true or false, not "yes".',
  })
  const [topic] = (await createRays().docs()).topics
  expect((await createRays().docs({ topic: topic!.topic })).text).toContain(`# ${topic!.title}`)
})
