import type { Connection } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { createSchemaEngine } from '../../src/schema/schema-engine.js'
import { createWasmEngine, staticAdapter } from '../../src/schema/wasm-engine.js'
import { createWasmRuntime } from '../../src/schema/wasm-runtime.js'
import { connectOptions, describeDatabases, type FreshDatabase } from '../support/databases.js'

const datasource = (provider: string, more = '') => `datasource db {\n  provider = "${provider}"\n${more}}\n`
const file = (content: string): SchemaFile[] => [{ path: 'schema.prisma', content }]
const schema = (content: string): SchemaState => ({ kind: 'schema', files: file(content) })
const EMPTY: SchemaState = { kind: 'empty' }
const USER = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}\n'

describe('without any database', () => {
  const engine = createWasmEngine()

  test.each([
    ['sqlite', 'CREATE TABLE "User" (\n    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,'],
    ['postgresql', 'CREATE TABLE "User" (\n    "id" SERIAL NOT NULL,'],
    ['postgres', 'CREATE TABLE "User" (\n    "id" SERIAL NOT NULL,'],
  ])('two schema texts are compared: %s', async (provider, sql) => {
    const up = await engine.diff(schema(datasource(provider)), schema(datasource(provider) + USER))
    expect(up.empty).toBe(false)
    expect(up.script).toContain(sql)
    expect(up.summary).toMatch(/^\[\+\] Added tables\n {2}- User\n/)
    const down = await engine.diff(schema(datasource(provider) + USER), schema(datasource(provider)), {
      summary: false,
    })
    expect(down.script).toContain('DROP TABLE "User"')
    expect(down.summary).toBe('')
  })

  test('equal schemas need nothing, and nothing is equal to nothing', async () => {
    const same = await engine.diff(schema(datasource('sqlite') + USER), schema(datasource('sqlite') + USER))
    expect(same).toEqual({ empty: true, script: '-- This is an empty migration.', summary: '' })
    expect(await engine.diff(EMPTY, EMPTY)).toMatchObject({ empty: true })
  })

  test.each([
    ['Prisma 7', ''],
    ['Prisma 6', '  url = env("DATABASE_URL")\n'],
    ['Prisma 5 with all URLs', '  url = env("A")\n  directUrl = env("B")\n  shadowDatabaseUrl = env("C")\n'],
    ['the relation mode of old', '  referentialIntegrity = "prisma"\n'],
    ['a relation mode', '  relationMode = "prisma"\n'],
  ])('every style of datasource is understood: %s', async (_, lines) => {
    const generator =
      'generator c {\n  provider = "prisma-client-js"\n  previewFeatures = ["metrics", "multiSchema", "tracing"]\n}\n'
    const diff = await engine.diff(EMPTY, schema(generator + datasource('postgresql', lines) + USER))
    expect(diff.script).toContain('CREATE TABLE "User"')
  })

  test('Windows line ends and a byte order mark change nothing', async () => {
    const text = datasource('sqlite') + USER
    const plain = await engine.diff(EMPTY, schema(text))
    expect(await engine.diff(EMPTY, schema(`\uFEFF${text.replaceAll('\n', '\r\n')}`))).toEqual(plain)
  })

  test('a relation mode of "prisma" makes no foreign keys', async () => {
    const models =
      'model A {\n  id Int @id\n  bs B[]\n}\nmodel B {\n  id Int @id\n  a A @relation(fields: [aId], references: [id])\n  aId Int\n  @@index([aId])\n}\n'
    const with_ = await engine.diff(EMPTY, schema(datasource('postgresql') + models))
    const without = await engine.diff(EMPTY, schema(datasource('postgresql', '  relationMode = "prisma"\n') + models))
    expect(with_.script).toContain('FOREIGN KEY')
    expect(without.script).not.toContain('FOREIGN KEY')
  })

  test('namespaces are those of the schema, or of the URL', async () => {
    const text = `${datasource('postgresql', '  schemas = ["app", "auth"]\n')}model A {\n  id Int @id\n  @@schema("auth")\n}\n`
    expect((await engine.diff(EMPTY, schema(text))).script).toContain('CREATE TABLE "auth"."A"')
    const other = createWasmEngine({ namespace: 'tenant' })
    expect((await other.diff(EMPTY, schema(datasource('postgresql') + USER))).script).toContain(
      'CREATE SCHEMA IF NOT EXISTS "tenant"',
    )
  })

  test('what is managed elsewhere is left alone', async () => {
    const from = schema(`${datasource('postgresql') + USER}model Spatial {\n  id Int @id\n}\n`)
    const to = schema(datasource('postgresql') + USER)
    expect((await engine.diff(from, to)).script).toContain('DROP TABLE "Spatial"')
    expect(await engine.diff(from, to, { externalTables: ['public.Spatial'] })).toMatchObject({ empty: true })
  })

  test("an invalid schema is refused in the engine's words, with file and line, in a folder, too", async () => {
    const files = [
      { path: 'base.prisma', content: datasource('sqlite', '  url = env("X")\n') },
      { path: 'models/user.prisma', content: 'model User {\n  id Wrong @id\n}\n' },
    ]
    const error = expect.objectContaining({
      code: 'E_SCHEMA',
      exitCode: 2,
      message: expect.stringMatching(/Type "Wrong" is neither a built-in type[\s\S]*-->\s+models\/user\.prisma:2/),
    })
    await expect(engine.validate(files)).rejects.toEqual(error)
    await expect(engine.diff(EMPTY, { kind: 'schema', files })).rejects.toEqual(error)
    await expect(engine.validate(files)).rejects.not.toThrow(/\u001b/)
  })

  test("a datasource on one line is Prisma's own error, not a crash", async () => {
    await expect(engine.validate(file(`datasource db { provider = "sqlite" }\n${USER}`))).rejects.toThrow(
      /not a valid definition within a datasource/,
    )
  })

  test('schemas of two databases are not compared', async () => {
    await expect(engine.diff(schema(datasource('sqlite')), schema(datasource('postgresql')))).rejects.toThrow(
      /for different databases: sqlite and postgresql/,
    )
  })

  test('a crash of the engine is an error, and the next call works', async () => {
    const runtime = createWasmRuntime()
    const open = () => runtime.open(staticAdapter('postgresql', 'public'))
    const [first, second] = [await open(), await open()]
    await expect(first.call('debugPanic', null)).rejects.toMatchObject({
      code: 'E_ENGINE_PANIC',
      message: expect.stringMatching(/crashed: panicked at .*artificial panic/s),
    })
    // The second shares the spoiled instance.
    await expect(second.call('version', null)).rejects.toMatchObject({ code: 'E_ENGINE_PANIC' })
    expect(await (await open()).call('version', null)).toMatch(/PostgreSQL/)
  })

  test('two engines in one process do not disturb each other', async () => {
    const [first, second] = [createWasmEngine(), createWasmEngine()]
    const both = await Promise.all([first, second].map((each) => each.diff(EMPTY, schema(datasource('sqlite') + USER))))
    expect(both[0]).toEqual(both[1])
  })
})

describeDatabases(
  "Prisma's engine on a live database",
  (database) => {
    let fresh: FreshDatabase
    let connection: Connection
    const provider = database.provider
    const header = datasource(provider, '  url = env("DATABASE_URL")\n')
    beforeEach(async () => {
      fresh = await database.fresh()
      connection = await (await engineFor(provider)).connect(fresh.url, connectOptions)
    })
    afterEach(async () => {
      await connection.close()
      await fresh.drop()
    })
    const engine = async () => createSchemaEngine('wasm', await engineFor(provider), { root: '/', schemaPath: '/x' })
    const live = (context = header): SchemaState => ({ kind: 'database', connection, context: file(context) })
    const MODELS = `${USER}model Post {
  id     Int      @id
  title  String   @default("a'b")
  price  Decimal  @default(1.5)
  at     DateTime @default(now())
  data   Bytes?
  author User     @relation(fields: [userId], references: [id])
  userId Int
  @@index([title, userId])
}
`.replace('email String @unique\n', 'email String @unique\n  posts Post[]\n')

    test('a script of the engine leads exactly to the schema, and back to nothing', async () => {
      const wasm = await engine()
      const up = await wasm.diff(live(), schema(header + MODELS))
      await connection.script(up.script)
      expect(await wasm.diff(live(), schema(header + MODELS))).toMatchObject({ empty: true })
      const down = await wasm.diff(live(), schema(header))
      expect(down.script).toContain('DROP TABLE "Post"')
      await connection.script(down.script)
      expect(await wasm.diff(live(), schema(header))).toMatchObject({ empty: true })
    })

    test('the live schema is read as Prisma models; the configuration stays as it was written', async () => {
      const wasm = await engine()
      await connection.script((await wasm.diff(EMPTY, schema(header + MODELS))).script)
      const generator = '\ngenerator client {\n  provider = "prisma-client"\n}\n'
      const [read] = await wasm.introspect(connection, file(header + generator))
      expect(read!.content).toContain(header)
      expect(read!.content).toContain(generator.trim())
      expect(read!.content).toMatch(/model Post \{[\s\S]*@@index\(\[title, userId\]\)/)
      expect(await wasm.diff(live(), schema(read!.content))).toMatchObject({ empty: true })
    })

    test('an empty database is read as no models, and `_prisma_migrations` is none', async () => {
      const wasm = await engine()
      expect(await wasm.introspect(connection, file(header))).toEqual(file(header))
      await connection.script(connection.history.createTable)
      expect(await wasm.introspect(connection, file(header + MODELS))).toEqual(file(header))
      expect(await wasm.diff(live(), schema(header))).toMatchObject({ empty: true })
    })

    test('two databases are compared', async () => {
      const wasm = await engine()
      const other = await database.fresh()
      const second = await (await engineFor(provider)).connect(other.url, connectOptions)
      try {
        await connection.script((await wasm.diff(EMPTY, schema(header + USER))).script)
        const there: SchemaState = { kind: 'database', connection: second, context: file(header) }
        expect((await wasm.diff(there, live())).script).toMatch(/CREATE TABLE ("public"\.)?"User"/)
        expect((await wasm.diff(live(), there)).script).toMatch(/DROP TABLE ("public"\.)?"User"/)
        await second.script((await wasm.diff(there, live())).script)
        expect(await wasm.diff(there, live())).toMatchObject({ empty: true })
        expect((await second.tables()).map((table) => table.name)).toEqual(['User'])
      } finally {
        await second.close()
        await other.drop()
      }
    })

    test('the session stays open and usable after the engine was done with it', async () => {
      await (await engine()).diff(live(), schema(header + USER))
      expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })

    test("an error of the database is told in the database's words", async () => {
      const runtime = createWasmRuntime()
      const adapter = await connection.adapter!({ shadow: async () => connection })
      const open = await runtime.open(adapter)
      const script = 'CREATE TABLE a (id INTEGER); INSERT INTO nowhere VALUES (1);'
      await expect(open.call('dbExecute', { script, datasourceType: { tag: 'url', url: 'x' } })).rejects.toThrow(
        /nowhere/,
      )
      open.free()
    })
  },
  (provider) => provider !== 'mysql',
)
