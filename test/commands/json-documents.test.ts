/** What `--json` prints is what docs/schemas says. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { COMMANDS } from '../../src/cli/commands/index.js'
import { describeDatabases, type FreshDatabase } from '../support/databases.js'
import { problemsOf, type Schema } from '../support/json-schema.js'
import { project, type TestProject } from '../support/project.js'

const FOLDER = path.resolve('docs/schemas')
const schemaOf = (command: string) => JSON.parse(readFileSync(path.join(FOLDER, `${command}.json`), 'utf8')) as Schema

test('docs/schemas has every command, as its types are', () => {
  const names = [...COMMANDS.map(({ name }) => name), 'overview'].map((name) => `${name}.json`)
  expect(readdirSync(FOLDER).sort()).toEqual(names.sort())
  const run = spawnSync(process.execPath, ['scripts/schemas.mjs', '--check'], { encoding: 'utf8' })
  expect([run.stderr, run.status]).toEqual(['', 0])
})

test('a document that is another is noticed', () => {
  const schema = schemaOf('lock')
  const fits = { command: 'lock', ok: true, data: { holder: null, target: 'x' }, warnings: [] }
  expect(problemsOf(schema, fits)).toEqual([])
  for (const [wrong, problem] of [
    [{ ...fits, command: 'unlock' }, '/command is "unlock"'],
    [{ ...fits, ok: 1 }, '/ok is number, not boolean'],
    [{ ...fits, data: { holder: null } }, '/data/target is missing'],
    [{ ...fits, data: { ...fits.data, more: 1 } }, '/data/more is not in the schema'],
    [{ ...fits, data: { ...fits.data, holder: 1 } }, '/data/holder is number, not string'],
    [{ ...fits, warnings: [1] }, '/warnings/0 is number, not string'],
  ] as const)
    expect(problemsOf(schema, wrong)).toEqual([problem])
})

const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}\n`

describeDatabases('the documents', ({ provider, fresh }) => {
  let database: FreshDatabase
  let example: TestProject
  const seen = new Set<string>()
  beforeAll(async () => {
    database = await fresh()
    example = project({ provider, schema: model('a Int?'), url: database.href })
  })
  afterAll(async () => {
    example.remove()
    await database.drop()
  })

  /** Runs a line with --json, and holds its document against the schema of its command. */
  async function run(line: string, expected: 'ok' | 'error' | 'not ok' = 'ok'): Promise<void> {
    const { stdout, code } = await example.rays([...line.split(' ').filter((word) => word !== ''), '--json'])
    const document = JSON.parse(stdout) as { command: string; ok: boolean; error?: unknown }
    const state = document.ok ? 'ok' : document.error === undefined ? 'not ok' : 'error'
    expect([line, code === 0, state, document.error]).toEqual([
      line,
      expected === 'ok',
      expected,
      expected === 'error' ? expect.anything() : undefined,
    ])
    expect([line, problemsOf(schemaOf(document.command), document)]).toEqual([line, []])
    if (document.ok) seen.add(document.command)
  }

  test('of every command are as their schemas say', async () => {
    await run('')
    await run('config')
    await run('docs')
    await run('docs library')
    await run('completion bash')
    await run('lock')
    await run('makemigration --check', 'not ok')
    await run('makemigration --dry-run')
    await run('makemigration first')
    await run('makemigration first again', 'ok')
    await run('migrate --plan')
    await run('migrate --sql')
    await run('migrate --check', 'not ok')
    await run('migrate --name nowhere', 'error')
    await run('migrate --no-generate')
    await run('migrate')
    await run('status')
    await run('')
    await run('sqlmigrate first --down')
    example.schema(model('a Int?', 'b String?'))
    await run('status')
    await run('save second')
    await run('up --preview')
    await run('up --auto-approve --no-generate')
    await run('redo --y --no-generate')
    await run('down --preview')
    await run('down --y --no-generate')
    await run('rollback --plan')
    await run('up --y --no-generate')
    await run('doctor')
    await run('squash first second --dry-run')
    await run('squash nowhere', 'error')
    await run('rebase')
    await run('upgrade --dry-run')
    await run('eject --dry-run')
    await run('adopt --dry-run')
    await run('export knex')
    example.schema(model('a Int?', 'b String?', 'c Int?'))
    await run('push --no-generate')
    await run('commit third')
    example.schema(model('a Int?', 'b String?', 'c Int?', 'd Int?'))
    await run('draft --no-generate')
    await run('draft --undo --y --no-generate')
    example.schema(model('a Int?', 'b String?', 'c Int?'))
    await run('rollback --y --no-generate')
    await run('reset --confirm=wrong', 'error')
    await run('status --check', 'not ok')
    await run('seed', 'error')
    await run('init', 'error')
    await run('knex nothing', 'error')
    await run(`reset --confirm=${database.name} --no-generate`)
    await run('init --force')
    // These need a project of another kind, or end with a signal only; their schemas are held by their types.
    const others = ['prepare', 'prisma', 'seed', 'unlock', 'knex', 'import', 'dev']
    const every = COMMANDS.map(({ name }) => name).filter((name) => !others.includes(name))
    expect([...seen].sort()).toEqual([...every, 'overview'].sort())
  })
})
