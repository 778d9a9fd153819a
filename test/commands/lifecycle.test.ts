/** The main job: a schema is edited, migrations are made, applied, undone and applied again. */
import { createHash } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const FIRST = `model User {
  id    Int    @id @default(autoincrement())
  email String @unique
  name  String
  posts Post[]
}

model Post {
  id       Int    @id @default(autoincrement())
  title    String
  author   User   @relation(fields: [authorId], references: [id])
  authorId Int
}`
const SECOND = FIRST.replace('  name  String\n', '  name  String\n  lastname String @default("Doe")\n').replace(
  '  authorId Int\n',
  '  authorId Int\n  stars Int?\n\n  @@index([title])\n',
)

describeDatabases('the main job, from init to a database that goes both ways', (on) => {
  let ws: Workspace
  let structure: string
  beforeAll(async () => {
    ws = await workspace(on, { schema: FIRST, files: { 'raysconfig.js': '' } })
  })
  afterAll(() => ws.drop())

  test('init writes a configuration that names no secret', async () => {
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    const { stdout } = await ws.ok('init')
    expect(stdout).toContain('Wrote raysconfig.js')
    expect(stdout).toContain('rays makemigration')
    const config = ws.read('raysconfig.js')
    expect(config).toContain("schemaPath: 'prisma/schema.prisma'")
    expect(config).toContain('databaseUrl: process.env.DATABASE_URL')
    expect(config).not.toContain(ws.db.name)
    const again = await ws.fails(2, 'init')
    expect(again.stderr).toContain('exists already')
    expect(ws.read('raysconfig.js')).toBe(config)
  })

  test('makemigration writes a whole folder and touches neither database nor schema', async () => {
    const schema = ws.read('prisma/schema.prisma')
    const { stdout } = await ws.ok('makemigration --name init')
    expect(stdout).toContain('Proven')
    const [name] = ws.folders()
    expect(name).toMatch(/^\d{14}_init$/)
    const files = ['README.md', 'migration.js', 'migration.schema.prisma', 'migration.sql']
    for (const file of files) expect(ws.migration('init', file)).not.toBe('')
    expect(ws.migration('init', 'migration.schema.prisma')).toBe(schema)
    expect(ws.read('prisma/migrations/migration_lock.toml')).toContain(`provider = "${on.provider}"`)
    expect(ws.read('prisma/schema.prisma')).toBe(schema)
    expect(await ws.tables()).toEqual([])
    expect(await history(ws.db)).toEqual([])
  })

  test('migrate creates the tables and records the migration as Prisma does', async () => {
    const { stdout, stderr } = await ws.ok('migrate')
    expect(stderr).toContain(`Applied ${ws.folder('init')}`)
    expect(stdout).toContain('Applied: 1 migration')
    expect(await ws.tables()).toEqual(['Post', 'User'])
    const [row, ...others] = await history(ws.db)
    expect(others).toEqual([])
    expect(row).toMatchObject({
      migration_name: ws.folder('init'),
      checksum: createHash('sha256').update(ws.migration('init', 'migration.sql')).digest('hex'),
      rolled_back_at: null,
    })
    expect(row!.finished_at).not.toBeNull()
    expect(Number(row!.applied_steps_count)).toBeGreaterThan(0)
    structure = await dumpSchema(ws.db)
  })

  test('a second migrate has nothing to do', async () => {
    expect((await ws.ok('migrate')).stdout).toContain('Nothing to do')
  })

  test('a second migration is made and applied while the tables hold rows', async () => {
    await ws.sql(`INSERT INTO "User" (email, name) VALUES ('ada@example.com', 'Ada'), ('alan@example.com', 'Alan')`)
    await ws.sql(`INSERT INTO "Post" (title, "authorId") VALUES ('Notes', 1)`)
    ws.project.schema(SECOND)
    await ws.ok('makemigration --name add_lastname')
    await ws.ok('migrate')
    expect(await ws.sql('SELECT email, name, lastname FROM "User" ORDER BY id')).toEqual([
      { email: 'ada@example.com', name: 'Ada', lastname: 'Doe' },
      { email: 'alan@example.com', name: 'Alan', lastname: 'Doe' },
    ])
    expect(await ws.sql('SELECT title, "authorId", stars FROM "Post"')).toEqual([
      { title: 'Notes', authorId: 1, stars: null },
    ])
    expect(await ws.applied()).toEqual(['init', 'add_lastname'])
  })

  test('going down by one restores the very structure, and keeps what the older schema can hold', async () => {
    const { stdout } = await ws.ok('migrate --name -1 --y')
    expect(stdout).toContain('Unapplied: 1 migration')
    expect(await dumpSchema(ws.db)).toBe(structure)
    expect(await ws.sql('SELECT email, name FROM "User" ORDER BY id')).toHaveLength(2)
    expect(await ws.sql('SELECT title, "authorId" FROM "Post"')).toEqual([{ title: 'Notes', authorId: 1 }])
    expect(await ws.applied()).toEqual(['init'])
  })

  test('the schema file follows the target when it was the newest snapshot', () => {
    expect(ws.read('prisma/schema.prisma')).toBe(ws.migration('init', 'migration.schema.prisma'))
  })

  test('a migration on top of an older schema is refused while newer ones wait, with the ways out', async () => {
    const { stderr } = await ws.fails(2, 'makemigration --name again')
    expect(stderr).toContain(ws.folder('add_lastname'))
    expect(stderr).toContain('rays migrate')
    expect(ws.folders()).toHaveLength(2)
  })

  test('going forward again brings structure, record and schema file back', async () => {
    const { stdout } = await ws.ok('migrate')
    expect(stdout).toContain('The schema file is that of')
    expect(await ws.applied()).toEqual(['init', 'add_lastname'])
    expect(ws.read('prisma/schema.prisma')).toBe(ws.migration('add_lastname', 'migration.schema.prisma'))
    expect(await ws.sql('SELECT lastname FROM "User"')).toEqual([{ lastname: 'Doe' }, { lastname: 'Doe' }])
  })

  test('a schema with edits of its own is never overwritten', async () => {
    const edited = SECOND.replace('stars Int?', 'stars Int?\n  likes Int?')
    ws.project.schema(edited)
    const before = ws.read('prisma/schema.prisma')
    const { stderr } = await ws.ok('migrate --name -1 --y')
    expect(ws.read('prisma/schema.prisma')).toBe(before)
    expect(stderr).toContain('The schema file was left as it is')
    await ws.ok('migrate')
    expect(ws.read('prisma/schema.prisma')).toBe(before)
    ws.project.schema(SECOND)
  })

  test('zero undoes everything, asks for nothing twice, and leaves the schema file', async () => {
    const schema = ws.read('prisma/schema.prisma')
    const { stdout } = await ws.ok('migrate --name zero --y')
    expect(stdout).toContain('no migration is applied')
    expect(await ws.tables()).toEqual([])
    expect(await history(ws.db)).toEqual([])
    expect(ws.read('prisma/schema.prisma')).toBe(schema)
    expect((await ws.ok('migrate --name zero')).stdout).toContain('Nothing to do')
  })

  test('the way up from nothing leads to the same structure as the way there in steps', async () => {
    await ws.ok('migrate')
    const whole = await dumpSchema(ws.db)
    await ws.ok('migrate --name init --y')
    await ws.ok('migrate --name add_lastname')
    expect(await dumpSchema(ws.db)).toBe(whole)
    expect((await ws.ok('status --check --strict')).stdout).toContain('Everything is in step')
  })
})

describeDatabases('many migrations without applying any', (on) => {
  let ws: Workspace
  const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}`
  beforeAll(async () => {
    ws = await workspace(on, { schema: model() })
  })
  afterAll(() => ws.drop())

  test('each starts where the one before it ends, whatever the state of the database', async () => {
    await ws.ok('makemigration --name one')
    ws.project.schema(model('a Int?'))
    await ws.ok('makemigration --name two')
    ws.project.schema(model('a Int?', 'b Int?'))
    await ws.ok('makemigration --name three')
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['one', 'two', 'three'])
    expect(ws.migration('two', 'migration.sql')).not.toContain('CREATE TABLE "Item"')
    expect(ws.migration('three', 'migration.sql')).toMatch(/\bb\b/)
    expect(await ws.tables()).toEqual([])
  })

  test('no changes and no --blank: nothing is written, and that is no failure', async () => {
    const before = ws.snapshot()
    expect((await ws.ok('makemigration --name none')).stdout).toContain('No schema changes detected')
    expect(ws.snapshot()).toEqual(before)
  })

  test('one run applies them all in order as one batch', async () => {
    const { stdout } = await ws.ok('migrate')
    expect(stdout).toContain('Applied: 3 migrations')
    const status = (await ws.ok('status --json')).json<{ data: { migrations: { batch: number }[] } }>()
    expect(status.data.migrations.map(({ batch }) => batch)).toEqual([1, 1, 1])
  })

  test('a later run is a batch of its own', async () => {
    ws.project.schema(model('a Int?', 'b Int?', 'c Int?'))
    await ws.ok('makemigration --name four')
    await ws.ok('migrate')
    const status = (await ws.ok('status --json')).json<{ data: { migrations: { batch: number }[] } }>()
    expect(status.data.migrations.map(({ batch }) => batch)).toEqual([1, 1, 1, 2])
  })
})

const ENGINE = path.resolve('bin/rays-schema-engine.js')
const onlySqlite = (provider: string) => provider === 'sqlite'

describeDatabases(
  'prisma generate after a migration',
  (on) => {
    let ws: Workspace
    // Prisma's command is the project's own; it looks for its engine even where it needs none.
    const prisma = { env: { PRISMA_SCHEMA_ENGINE_BINARY: ENGINE, CHECKPOINT_DISABLE: '1' } }
    const schema =
      'datasource db {\n  provider = "sqlite"\n}\n\ngenerator client {\n  provider = "node ./generator.mjs"\n}\n\nmodel Item {\n  id Int @id\n}'
    // A generator speaks JSON lines on stderr; this one leaves a mark, or fails when told so.
    const generator = `import { appendFileSync, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line)
  const answer = (body) => process.stderr.write(JSON.stringify({ jsonrpc: '2.0', id, ...body }) + '\\n')
  if (method === 'getManifest') return answer({ result: { manifest: { prettyName: 'a test', defaultOutput: './out' } } })
  if (existsSync('fail')) return answer({ error: { code: -32000, message: 'the generator is broken', data: {} } })
  appendFileSync('generated', 'x')
  answer({ result: null })
})
`
    beforeAll(async () => {
      ws = await workspace(on, { schema, files: { 'generator.mjs': generator } })
      await ws.ok('makemigration --name init --no-verify')
    })
    afterAll(() => ws.drop())

    test('runs once the database has changed', async () => {
      const { data } = (await ws.ok('migrate --json', prisma)).json<{ data: { generated: { state: string } } }>()
      expect(data.generated).toEqual({ state: 'done' })
      expect(ws.read('generated')).toBe('x')
    })

    test('is not run by --no-generate, nor where nothing changed, nor by generate: false', async () => {
      await ws.ok('migrate', prisma)
      await ws.ok('migrate --name zero --y --no-generate', prisma)
      await ws.ok('migrate', { env: { ...prisma.env, RAYS_GENERATE: 'false' } })
      expect(ws.read('generated')).toBe('x')
    })

    test('a failure of it is a warning that names the command; the migration stands', async () => {
      await ws.ok('migrate --name zero --y --no-generate')
      ws.project.write({ fail: '' })
      const { stderr } = await ws.ok('migrate', prisma)
      expect(stderr).toMatch(/Warning: prisma generate failed/)
      expect(stderr).toContain('npx prisma generate')
      expect(await ws.applied()).toEqual(['init'])
    })
  },
  onlySqlite,
)
