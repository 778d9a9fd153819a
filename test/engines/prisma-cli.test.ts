import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { engineFor } from '../../engines/index.js'
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { createPrismaCliEngine, findPrisma, runGenerate } from '../../src/schema/prisma-cli.js'
import { createWasmEngine } from '../../src/schema/wasm-engine.js'
import { connectOptions, describeDatabases, type FreshDatabase } from '../support/databases.js'
import { type PrismaOptions, prisma, prismaProject } from '../support/prisma.js'

const datasource = (provider: string) => `datasource db {\n  provider = "${provider}"\n}\n`
const USER = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}\n'
const WIDER = USER.replace('@unique\n', '@unique\n  name  String?\n')

/** Checkouts without a build have no engine for the prisma command to start. */
const ROOT = process.cwd()

describeDatabases('the prisma command, answered by rays', (database) => {
  const { provider } = database
  let fresh: FreshDatabase
  let project: string
  beforeEach(async () => {
    fresh = await database.fresh()
    project = await prismaProject(await mkdtemp(path.join(tmpdir(), 'rays-prisma-')), datasource(provider) + USER)
  })
  afterEach(async () => {
    await fresh.drop()
    await rm(project, { recursive: true, force: true })
  })
  const quoted = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const run = (args: string[], more: Partial<PrismaOptions> = {}) => prisma(project, args, { url: fresh.href, ...more })
  const write = (models: string) => writeFile(path.join(project, 'prisma/schema.prisma'), datasource(provider) + models)
  const migrations = async () =>
    (await readdir(path.join(project, 'prisma/migrations'))).filter((name) => /^\d{14}_/.test(name)).sort()
  const rows = () =>
    fresh.query(
      'SELECT migration_name, finished_at, applied_steps_count FROM _prisma_migrations ORDER BY migration_name',
    )

  test('makes, applies, resolves and reports migrations', async () => {
    expect(await run(['migrate', 'dev', '--name', 'init'])).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('Error'),
    })
    const [init] = await migrations()
    expect(await rows()).toMatchObject([
      { migration_name: init, finished_at: expect.anything(), applied_steps_count: 1 },
    ])
    expect(await run(['migrate', 'status'])).toMatchObject({ code: 0, stdout: expect.stringContaining('up to date') })

    await write(WIDER)
    expect((await run(['migrate', 'dev', '--create-only', '--name', 'name'])).code).toBe(0)
    const [, name] = await migrations()
    expect(await readFile(path.join(project, 'prisma/migrations', name!, 'migration.sql'), 'utf8')).toMatch(
      /ADD COLUMN +["`]name["`] (TEXT|VARCHAR)/,
    )
    expect(await run(['migrate', 'status'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('have not yet been applied'),
    })
    expect(await run(['migrate', 'deploy'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('All migrations have been successfully applied'),
    })
    expect(await rows()).toHaveLength(2)

    expect(await run(['migrate', 'resolve', '--applied', name!])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('P3008'),
    })
  }, 120_000)

  test('compares, pushes, pulls, executes and resets', async () => {
    expect(
      await run([
        'migrate',
        'diff',
        '--from-config-datasource',
        '--to-schema',
        'prisma/schema.prisma',
        '--script',
        '--exit-code',
      ]),
    ).toMatchObject({
      code: 2,
      stdout: expect.stringContaining(`CREATE TABLE ${quoted('User')}`),
    })
    expect((await run(['db', 'push'])).code).toBe(0)
    expect(
      await run(['migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code']),
    ).toMatchObject({ code: 0 })
    await writeFile(
      path.join(project, 'x.sql'),
      'CREATE TABLE extra (id INTEGER PRIMARY KEY);\nINSERT INTO extra VALUES (1);\n',
    )
    expect((await run(['db', 'execute', '--file', 'x.sql'])).code).toBe(0)
    expect(await run(['db', 'pull', '--print'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/model User[\s\S]*model extra/),
    })
    await write('')
    expect(await run(['db', 'push'])).toMatchObject({ code: 1, stdout: expect.stringContaining('data loss') })
    expect(await fresh.query('SELECT count(*) AS n FROM extra')).toEqual([
      expect.objectContaining({ n: expect.anything() }),
    ])
    await write(USER)
    expect((await run(['migrate', 'reset', '--force'])).code).toBe(0)
    expect(await fresh.query('SELECT * FROM extra').catch((error: Error) => error.message)).toMatch(/extra/)
  }, 120_000)

  test('needs no database to compare texts, and says P1001 or P1003 where there is none', async () => {
    const url =
      provider === 'sqlite' ? `file:${path.join(project, 'none/none.db')}` : `${provider}://u:s3cret@127.0.0.1:1/none`
    expect(
      await run(['migrate', 'diff', '--from-empty', '--to-schema', 'prisma/schema.prisma', '--script'], { url }),
    ).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`CREATE TABLE ${quoted('User')}`),
    })
    const status = await run(['migrate', 'status'], { url })
    expect(status).toMatchObject({ code: 1, stderr: expect.stringMatching(/P1001|P1003/) })
    expect(status.stdout + status.stderr).not.toContain('s3cret')
  }, 60_000)
})

describe("the project's own Prisma", () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rays-prisma-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('is the one that is installed there, or none', async () => {
    expect(await findPrisma(ROOT)).toMatchObject({ major: 7, version: expect.stringMatching(/^7\./) })
    expect(await findPrisma(folder)).toBeUndefined()
    const { signal } = new AbortController()
    const options = { root: folder, schemaPath: 'x', env: process.env, onOutput: () => undefined, signal }
    expect(await runGenerate(options)).toEqual({ state: 'missing' })
  })

  test('a failing generate is a result with its reason', async () => {
    const project = await prismaProject(
      folder,
      `generator g {\n  provider = "no-such-generator"\n}\n${datasource('sqlite')}${USER}`,
    )
    const printed: string[] = []
    const result = await runGenerate({
      root: project,
      schemaPath: path.join(project, 'prisma/schema.prisma'),
      env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: 'file:x' },
      onOutput: (text) => printed.push(text),
      signal: new AbortController().signal,
    })
    expect(result).toEqual({ state: 'failed', reason: expect.stringContaining('exit code 1') })
    expect(printed.join('')).toContain('no-such-generator')
  }, 60_000)
})

describeDatabases(
  "the schema engine over the project's own Prisma",
  (database) => {
    const { provider } = database
    const file = (content: string): SchemaFile[] => [{ path: 'schema.prisma', content }]
    const schema = (content: string): SchemaState => ({ kind: 'schema', files: file(datasource(provider) + content) })

    test('answers as the engine in this process does', async () => {
      const fresh = await database.fresh()
      const engine = await engineFor(provider)
      const connection = await engine.connect(fresh.url, connectOptions)
      const before = { ...process.env }
      process.env.PRISMA_SCHEMA_ENGINE_BINARY = path.join(ROOT, 'bin/rays-schema-engine.js')
      process.env.NODE_OPTIONS = ''
      try {
        const cli = await createPrismaCliEngine(engine, { root: ROOT, schemaPath: '/x', url: fresh.url })
        const wasm = createWasmEngine()
        const up = await cli.diff(schema(''), schema(USER))
        expect(up).toEqual(await wasm.diff(schema(''), schema(USER)))
        expect(await cli.diff(schema(USER), schema(USER), { summary: false })).toMatchObject({ empty: true })
        await connection.script(up.script)
        const live: SchemaState = { kind: 'database', connection, context: file(datasource(provider)) }
        expect(await cli.diff(live, schema(WIDER))).toEqual(await wasm.diff(live, schema(WIDER)))
        expect(await cli.introspect(connection, file(datasource(provider)))).toEqual(
          await wasm.introspect(connection, file(datasource(provider))),
        )
        await expect(cli.validate(file(`${datasource(provider)}model A {\n  id Wrong @id\n}\n`))).rejects.toMatchObject(
          {
            code: 'E_SCHEMA',
            message: expect.stringMatching(/Type "Wrong"[\s\S]*schema\.prisma:5/),
          },
        )
      } finally {
        process.env = before
        await connection.close()
        await fresh.drop()
      }
    }, 120_000)
  },
  (provider) => provider !== 'mysql',
)
