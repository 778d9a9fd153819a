/** The two commands that begin without migrations: push for a new schema, prepare for an existing database. */
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}`

describeDatabases('push', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: model('note String?') })
  })
  afterAll(() => ws.drop())

  test('makes the database match the schema, without a migration or a history', async () => {
    const { stdout } = await ws.ok('push')
    expect(stdout).toContain('matches the schema now')
    expect(await ws.tables()).toEqual(['Item'])
    expect(await history(ws.db)).toEqual([])
    expect(ws.folders()).toEqual([])
    expect((await ws.ok('push')).stdout).toContain('Nothing to do')
  })

  test('without loss it keeps every row and asks nothing', async () => {
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'x'), (2, 'y')`)
    ws.project.schema(model('note String?', 'stars Int?'))
    await ws.ok('push')
    expect(await ws.sql('SELECT * FROM "Item" ORDER BY id')).toEqual([
      { id: 1, note: 'x', stars: null },
      { id: 2, note: 'y', stars: null },
    ])
  })

  test('with loss it says what is lost and asks; without a terminal it names --y and changes nothing', async () => {
    const before = await dumpSchema(ws.db)
    ws.project.schema(model('stars Int?'))
    const { stderr } = await ws.fails(2, 'push')
    expect(stderr).toMatch(/note.*\(2 rows\)/)
    expect(stderr).toContain('--y')
    expect(await dumpSchema(ws.db)).toBe(before)
    await ws.ok('push --y')
    expect(await ws.sql('SELECT * FROM "Item" ORDER BY id')).toEqual([
      { id: 1, stars: null },
      { id: 2, stars: null },
    ])
  })

  test('rows that do not fit the new schema stop it, and the database is as before', async () => {
    ws.project.schema(model('stars Int?', 'must Int'))
    const before = await dumpSchema(ws.db)
    const { stderr } = await ws.rays('push --y')
    if (on.provider === 'mysql') expect(await dumpSchema(ws.db)).toContain('must')
    else {
      expect(stderr).toContain('--force-reset')
      expect(await dumpSchema(ws.db)).toBe(before)
    }
  })

  test('--force-reset empties first: it asks, and --y answers', async () => {
    const { stderr } = await ws.fails(2, 'push --force-reset')
    expect(stderr).toContain('--y')
    expect(await ws.sql('SELECT id FROM "Item"')).toHaveLength(2)
    await ws.sql('CREATE TABLE leftover (id INTEGER PRIMARY KEY)')
    await ws.ok('push --force-reset --y')
    expect(await ws.tables()).toEqual(['Item'])
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
  })

  test('answers in JSON with what was done', async () => {
    ws.project.schema(model())
    const document = (await ws.ok('push --json')).json<{
      command: string
      ok: boolean
      data: Record<string, unknown>
    }>()
    expect(document).toMatchObject({ command: 'push', ok: true, data: { changed: true, reset: false } })
  })
})

describeDatabases('push of what has rows', (on) => {
  test('a rename and a value keep the rows, and commit writes them for other databases', async () => {
    const ws = await workspace(on, { schema: model('name String', 'note String?'), config: { generate: false } })
    try {
      await ws.ok('makemigration --name start --no-verify')
      await ws.ok('migrate')
      await ws.sql(`INSERT INTO "Item" (id, name) VALUES (1, 'Ada')`)
      ws.project.schema('model Thing {\n  id Int @id\n  title String\n  note String?\n  stars Int\n}')
      const unanswered = await ws.fails(2, 'push')
      expect(unanswered.stderr).toContain('--rename Item:Thing')
      const answers = ['--rename', 'Item:Thing', '--rename', 'Thing.name:title', '--default', 'Thing.stars=5']
      const pushed = await ws.ok(['push', ...answers])
      expect(pushed.stdout).toContain('rename Item to Thing')
      expect(pushed.stderr).toContain(
        "rays commit <name> --rename Item:Thing --rename Thing.name:title --default 'Thing.stars=5'",
      )
      expect(await ws.sql('SELECT * FROM "Thing"')).toEqual([
        expect.objectContaining({ id: 1, title: 'Ada', stars: 5 }),
      ])
      expect((await ws.ok('push')).stdout).toContain('Nothing to do')
      await ws.ok(['commit', 'things', ...answers])
      expect(ws.migration('things', 'migration.sql')).toContain('RENAME')
      await ws.ok('status --check')
      await ws.ok('migrate --name -1 --y')
      expect(await ws.sql('SELECT id, name FROM "Item"')).toEqual([{ id: 1, name: 'Ada' }])
      await ws.ok('migrate')
      expect(await ws.sql('SELECT id, title FROM "Thing"')).toEqual([{ id: 1, title: 'Ada' }])
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases('prepare', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on)
    await ws.sql('CREATE TABLE "Person" (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL)')
    await ws.sql(`INSERT INTO "Person" (id, name) VALUES (1, 'Ada'), (2, 'Alan')`)
  })
  afterEach(() => ws.drop())

  test('writes the models of the database into a schema that has none, and keeps every row', async () => {
    const { stdout } = await ws.ok('prepare')
    expect(stdout).toContain('No data was touched')
    const schema = ws.read('prisma/schema.prisma')
    expect(schema).toMatch(/^datasource db \{/)
    expect(schema).toMatch(/model Person \{[\s\S]*name\s+String/)
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init'])
    expect(await ws.applied()).toEqual(['init'])
    expect(await ws.sql('SELECT * FROM "Person" ORDER BY id')).toEqual([
      { id: 1, name: 'Ada' },
      { id: 2, name: 'Alan' },
    ])
    await ws.ok('status --check --strict')

    const again = await ws.fails(2, 'prepare')
    expect(again.stderr).toContain('rays migrate --fake')
    expect(ws.folders()).toHaveLength(1)

    await ws.ok('migrate --name zero --y')
    expect(await ws.tables()).toEqual([])
    await ws.ok('migrate')
    expect(await ws.tables()).toEqual(['Person'])
  })

  test('refuses while database and schema differ, with the difference and both ways out', async () => {
    ws.project.schema(model())
    const files = ws.snapshot()
    const { stderr } = await ws.fails(1, 'prepare')
    expect(stderr).toContain('Person')
    expect(stderr).toContain('rays push')
    expect(stderr).toContain('prisma db pull')
    expect(ws.snapshot()).toEqual(files)
    expect(await history(ws.db)).toEqual([])
  })

  test('--reset empties the database first, if --y says so', async () => {
    ws.project.schema(model())
    expect((await ws.fails(2, 'prepare --reset')).stderr).toContain('--y')
    expect(await ws.sql('SELECT * FROM "Person"')).toHaveLength(2)
    const { stdout } = await ws.ok('prepare --reset --y')
    expect(stdout).toContain('emptied')
    expect(await ws.tables()).toEqual(['Item'])
    expect(await ws.applied()).toEqual(['init'])
  })

  test('is also called baseline, takes a name, and needs no shadow database when told so', async () => {
    await ws.ok('baseline --name start --no-verify')
    expect(await ws.applied()).toEqual(['start'])
    const folder = path.join(ws.project.folder, 'prisma/migrations', ws.folder('start'))
    expect(readdirSync(folder).sort()).toEqual([
      'README.md',
      'migration.js',
      'migration.schema.prisma',
      'migration.sql',
    ])
  })

  test('whose record cannot be written leaves nothing behind, and works once it can', async () => {
    await ws.ok('prepare --no-verify')
    rmSync(path.join(ws.project.folder, 'prisma/migrations'), { recursive: true })
    await ws.sql('DELETE FROM "_prisma_migrations"')
    const refuse = {
      sqlite: `CREATE TRIGGER no BEFORE INSERT ON _prisma_migrations BEGIN SELECT RAISE(ABORT, 'not today'); END`,
      postgresql: `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
        CREATE TRIGGER no BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION no()`,
      mysql: `CREATE TRIGGER no BEFORE INSERT ON _prisma_migrations FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'`,
    }[on.provider]
    await ws.db.query(refuse)
    const files = ws.snapshot()
    expect((await ws.fails(1, 'prepare --no-verify')).stderr).toContain('not today')
    expect(ws.snapshot()).toEqual(files)
    expect(ws.exists('prisma/migrations')).toBe(false)
    await ws.db.query(`DROP TRIGGER no${on.provider === 'postgresql' ? ' ON _prisma_migrations' : ''}`)
    await ws.ok('prepare --no-verify')
    expect(await ws.applied()).toEqual(['init'])
  })

  test('refuses a database that others have migrated already', async () => {
    await ws.ok('prepare --no-verify')
    const other = await workspace(on, { url: () => ws.db.href })
    const { stderr } = await other.fails(2, 'prepare')
    expect(stderr).toContain(ws.folder('init'))
    await other.drop()
  })
})

describeDatabases('prepare of what was pushed or is empty', (on) => {
  test('that fails after it made the history leaves no history either', async () => {
    const ws = await workspace(on, { schema: model() })
    try {
      await ws.ok('push')
      const env = { RAYS_SHADOW_DATABASE_NAME: on.provider === 'sqlite' ? ws.db.href.slice(5) : ws.db.name }
      expect((await ws.fails(2, 'prepare', { env })).stderr).toContain('main database')
      expect(await dumpSchema(ws.db)).not.toContain('_prisma_migrations')
      expect(ws.folders()).toEqual([])
    } finally {
      await ws.drop()
    }
  })

  test('with an empty schema says what to do first', async () => {
    const ws = await workspace(on)
    expect((await ws.fails(2, 'prepare')).stderr).toContain('Write your first model')
    await ws.drop()
  })
})
