/** The shapes that projects have: folders, module kinds, styles of the datasource block, places of the configuration. */
import { existsSync, mkdirSync, renameSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { prisma } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const MODEL = 'model Item {\n  id Int @id\n}\n'
const MORE = 'model Item {\n  id   Int     @id\n  note String?\n}\n'
const bare = (provider: string, more = '') => `datasource db {\n  provider = "${provider}"\n${more}}\n\n`

/** init, makemigration, migrate, change, makemigration, migrate, back. */
async function mainJob(ws: Workspace, change: () => void): Promise<void> {
  await ws.ok('makemigration --name one --no-verify')
  await ws.ok('migrate')
  expect(await ws.tables()).toEqual(['Item'])
  change()
  await ws.ok('makemigration --name two')
  await ws.ok('migrate')
  await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'x')`)
  await ws.ok('migrate --name -1 --y')
  expect(await ws.sql('SELECT * FROM "Item"')).toEqual([{ id: 1 }])
  await ws.ok('migrate')
  await ws.ok('status --check --strict')
}

describeDatabases('projects of different shapes', (on) => {
  let ws: Workspace
  afterEach(() => ws.drop())

  test('ES modules: configuration and migrations are ES modules', async () => {
    ws = await workspace(on, { schema: MODEL, files: { 'package.json': '{ "type": "module" }' } })
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    await ws.ok('init')
    expect(ws.read('raysconfig.js')).toContain('export default')
    await mainJob(ws, () => ws.project.schema(MORE))
    expect(ws.migration('one')).toContain('export default')
    expect(ws.migration('one')).not.toContain('module.exports')
  })

  test('a folder of schema files that also holds the migrations', async () => {
    ws = await workspace(on, {
      files: {
        'prisma/base.prisma': bare(on.provider),
        'prisma/models/item.prisma': MODEL,
      },
      config: { schemaPath: 'prisma' },
    })
    unlinkSync(path.join(ws.project.folder, 'prisma/schema.prisma'))
    await mainJob(ws, () => ws.project.write({ 'prisma/models/item.prisma': MORE }))
    expect(ws.migration('one', 'migration.schema.prisma/models/item.prisma.txt')).toBe(MODEL)
    expect(ws.migration('two', 'migration.schema.prisma/base.prisma.txt')).toBe(bare(on.provider))
    await ws.ok('migrate --name -1 --y')
    expect(ws.read('prisma/models/item.prisma')).toBe(MODEL)
    expect(ws.read('prisma/base.prisma')).toBe(bare(on.provider))
  })

  /** A project with a migration, whose schema file is a part of a schema folder from now on: Prisma's, and rays'. */
  const fileThatBecameFolder = async () => {
    const config = (schema: string) =>
      `export default {\n  schema: '${schema}',\n  migrations: { path: 'prisma/migrations' },\n  datasource: { url: process.env.DATABASE_URL },\n}\n`
    ws = await workspace(on, {
      schema: `${bare(on.provider)}${MODEL}`,
      files: { 'prisma.config.ts': config('prisma/schema.prisma') },
    })
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    await ws.ok('makemigration --name one --no-verify')
    await ws.ok('migrate')
    ws.project.write({ 'prisma.config.ts': config('prisma') })
    return () => prisma(ws.project.folder, ['validate'], { url: ws.db.href })
  }

  test('a schema file that becomes a folder around the migrations: the next migration makes it one to Prisma, too', async () => {
    const validate = await fileThatBecameFolder()
    await ws.ok('status --check')
    const { data } = (await ws.ok('doctor --json')).json<{ data: { findings: { code: string; fix: string }[] } }>()
    expect(data.findings).toMatchObject([{ code: 'snapshot-in-schema', fix: 'rays adopt' }])
    expect((await validate()).code).toBe(1)
    ws.project.write({ 'prisma/models/more.prisma': 'model More {\n  id Int @id\n}\n' })
    const { stderr } = await ws.ok('makemigration --name two')
    expect(stderr).toContain(`prisma/migrations/${ws.folder('one')}/migration.schema.prisma.txt`)
    expect(ws.migration('one', 'migration.schema.prisma.txt')).toBe(ws.read('prisma/schema.prisma'))
    expect(ws.exists(`prisma/migrations/${ws.folder('one')}/migration.schema.prisma`)).toBe(false)
    expect(ws.migration('two', 'migration.schema.prisma/models/more.prisma.txt')).toContain('model More')
    expect(await validate()).toMatchObject({ code: 0 })
    await ws.ok('migrate')
    expect((await ws.ok('doctor --json')).json<{ data: { findings: object[] } }>().data.findings).toEqual([])
    await ws.ok('migrate --name -1 --y')
    expect(await ws.tables()).toEqual(['Item'])
    expect(ws.exists('prisma/models/more.prisma')).toBe(false)
    await ws.ok('migrate')
    await ws.ok('status --check --strict')
  })

  test('a schema file that becomes a folder around the migrations: adopt makes it one to Prisma, too', async () => {
    const validate = await fileThatBecameFolder()
    ws.project.write({
      'prisma/generator.prisma': 'generator client {\n  provider = "prisma-client"\n  output = "../client"\n}\n',
    })
    const { stderr } = await ws.ok('migrate --name -1 --y --generate')
    expect(stderr).toMatch(/prisma generate failed[\s\S]*rays adopt/)
    await ws.ok('adopt')
    expect(ws.exists(`prisma/migrations/${ws.folder('one')}/migration.schema.prisma.txt`)).toBe(true)
    expect(await validate()).toMatchObject({ code: 0 })
  })

  test('a folder of schema files with the migrations beside it', async () => {
    ws = await workspace(on, {
      files: { 'db/schema/base.prisma': bare(on.provider), 'db/schema/item.prisma': MODEL },
      config: { schemaPath: './db/schema', migrationsDir: './db/steps' },
      migrationsDir: 'db/steps',
    })
    await mainJob(ws, () => ws.project.write({ 'db/schema/item.prisma': MORE }))
    expect(ws.migration('one', 'migration.schema.prisma/item.prisma')).toBe(MODEL)
    expect(ws.exists('db/steps/migration_lock.toml')).toBe(true)
    expect(ws.exists('prisma/migrations')).toBe(false)
  })

  test('prisma.config.ts names schema, migrations and URL, and there is no raysconfig (Prisma 7)', async () => {
    ws = await workspace(on, {
      schema: `${bare(on.provider)}${MODEL}`,
      migrationsDir: 'db/history',
      files: {
        'prisma.config.ts': `import { defineConfig, env } from 'prisma/config'
export default defineConfig({
  schema: 'db/main.prisma',
  migrations: { path: 'db/history' },
  datasource: { url: env('SHOP_URL') },
})
`,
      },
    })
    mkdirSync(path.join(ws.project.folder, 'db'))
    renameSync(path.join(ws.project.folder, 'prisma/schema.prisma'), path.join(ws.project.folder, 'db/main.prisma'))
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    const env = { DATABASE_URL: undefined, SHOP_URL: ws.db.href }
    await ws.ok('makemigration --name one', { env })
    await ws.ok('migrate', { env })
    expect(await ws.tables()).toEqual(['Item'])
    expect(ws.folders()).toHaveLength(1)
    expect((await ws.ok('config', { env })).stdout).toMatch(/databaseUrl .*\(prisma.config.ts\)/)
  })

  test('the URL stands in the schema, under any name, with a direct URL before it (Prisma 5 and 6)', async () => {
    ws = await workspace(on, {
      schema: `datasource warehouse {
  url               = env("POOLED_URL") // not for migrations
  provider          = "${on.provider}"
  shadowDatabaseUrl = env("NOT_SET")
  directUrl         = env("DIRECT_URL")
}

generator client {
  provider        = "prisma-client-js"
  previewFeatures = ["metrics", "fullTextSearchPostgres"]
}

${MODEL}`,
    })
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    const env = { DATABASE_URL: undefined, DIRECT_URL: ws.db.href, POOLED_URL: 'postgresql://nobody@127.0.0.1:1/x' }
    await ws.ok('makemigration --name one', { env })
    await ws.ok('migrate --no-generate', { env })
    expect(await ws.tables()).toEqual(['Item'])
    expect(ws.migration('one', 'migration.schema.prisma')).toBe(ws.read('prisma/schema.prisma'))
  })

  test('.env gives the URL, a schema has Windows line ends, and rays is typed in a folder below', async () => {
    ws = await workspace(on, {
      schema: `${bare(on.provider)}${MODEL}`.replace(/\n/g, '\r\n'),
      files: { 'deep/er/file.txt': '' },
    })
    unlinkSync(path.join(ws.project.folder, 'raysconfig.js'))
    ws.project.write({ '.env': `DATABASE_URL="${ws.db.href}"\n` })
    const options = { env: { DATABASE_URL: undefined }, cwd: path.join(ws.project.folder, 'deep/er') }
    await ws.ok('makemigration --name one', options)
    await ws.ok('migrate', options)
    expect(await ws.tables()).toEqual(['Item'])
    expect((await ws.ok('config --json', options)).stdout).toContain('.env')
    expect((await ws.ok('makemigration --name none')).stdout).toContain('No schema changes detected')
  })

  test('--conf chooses the configuration, and wins over DATABASE_URL', async () => {
    ws = await workspace(on, {
      schema: MODEL,
      files: {
        'staging.mjs':
          "export default { databaseUrl: process.env.STAGING, schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations' }",
      },
    })
    const env = { DATABASE_URL: `${on.provider}://nobody@127.0.0.1:1/nowhere`, STAGING: ws.db.href }
    await ws.ok('makemigration --name one --no-verify --conf staging.mjs', { env })
    await ws.ok('migrate --conf ./staging.mjs', { env })
    expect(await ws.tables()).toEqual(['Item'])
    expect((await ws.fails(2, 'status --conf nowhere.js')).stderr).toContain('nowhere.js')
  })

  test('the configuration of the source project works as it is', async () => {
    ws = await workspace(on, {
      schema: MODEL,
      migrationsDir: 'history',
      files: {
        'raysconfig.js': `module.exports = {
  migrationsDir: './history',
  schemaPath: './prisma/schema.prisma',
  databaseUrl: process.env.DATABASE_URL,
  shadowDatabaseName: null,
  verboseLogging: true,
}
`,
      },
    })
    await ws.ok('makemigration --name one')
    const { stderr } = await ws.ok('migrate')
    expect(stderr).toMatch(/\[\d+\.\d ms\] CREATE TABLE/)
    expect(existsSync(path.join(ws.project.folder, 'history', ws.folder('one')))).toBe(true)
  })
})
