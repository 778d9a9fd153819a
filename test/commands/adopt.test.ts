/** Taking over a project whose migrations Prisma made. */
import { describeDatabases, dumpSchema, history, type TestDatabase } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const FIRST = '20240101000000_init'
const OBJECTS = '20240102000000_by_hand'
const ROWS = '20240103000000_fill'
const LAST = '20240104000000_last'

/** A history with what people write into migration.sql themselves. */
function historyOf(on: TestDatabase): Record<string, string> {
  const q = (text: string) => (on.provider === 'mysql' ? text.replaceAll('"', '`') : text)
  const text = on.provider === 'mysql' ? 'VARCHAR(191)' : 'TEXT'
  const now = on.provider === 'postgresql' ? 'TIMESTAMP(3)' : on.provider === 'mysql' ? 'DATETIME(3)' : 'DATETIME'
  const key = on.provider === 'mysql' ? ', PRIMARY KEY ("id")' : ', CONSTRAINT "T_pkey" PRIMARY KEY ("id")'
  const table = (name: string, columns: string) =>
    q(`-- CreateTable\nCREATE TABLE "${name}" ("id" INTEGER NOT NULL, ${columns}${key.replace('T_', `${name}_`)});\n`)
  const trigger = {
    postgresql: `CREATE FUNCTION "touch"() RETURNS trigger AS $$ BEGIN NEW."name" := trim(NEW."name"); RETURN NEW; END; $$ LANGUAGE plpgsql;
CREATE TRIGGER "user_touch" BEFORE INSERT ON "User" FOR EACH ROW EXECUTE FUNCTION "touch"();
ALTER TABLE "User" ADD CONSTRAINT "name_is_short" CHECK (length("name") < 100);
CREATE INDEX "User_named" ON "User" ("name") WHERE "name" <> '';`,
    mysql:
      'CREATE TRIGGER "user_touch" BEFORE INSERT ON "User" FOR EACH ROW SET NEW."name" = TRIM(NEW."name");\nALTER TABLE "User" ADD CONSTRAINT "name_is_short" CHECK (length("name") < 100);',
    sqlite: `CREATE TRIGGER "user_touch" AFTER INSERT ON "User" BEGIN UPDATE "User" SET "name" = trim("name") WHERE "id" = NEW."id"; END;
CREATE INDEX "User_named" ON "User" ("name") WHERE "name" <> '';`,
  }[on.provider]
  return {
    [FIRST]: table('User', `"name" ${text} NOT NULL`),
    [OBJECTS]: `${q(trigger)}\n${table('Post', `"title" ${text} NOT NULL`)}`,
    [ROWS]: q(`INSERT INTO "User" ("id", "name") VALUES (1, ' Ada ');\n`),
    [LAST]: q(`-- AlterTable\nALTER TABLE "User" ADD COLUMN "seen" ${now};\n`),
  }
}

const SCHEMA = `/// People.
model User {
  id   Int       @id
  name String
  seen DateTime?
}

model Post {
  id    Int    @id
  title String
}
`

interface Adopted {
  data: {
    adopted: { name: string; down: string; irreversible: string[] }[]
    counts: { verified: number; partial: number; missing: number }
    schema: string
  }
}

describeDatabases('adopt', (on) => {
  let ws: Workspace
  const scripts = historyOf(on)
  beforeAll(async () => {
    ws = await workspace(on, { schema: SCHEMA })
    const files = Object.entries(scripts).map(([name, sql]) => [`prisma/migrations/${name}/migration.sql`, sql])
    ws.project.write({
      ...Object.fromEntries(files),
      'prisma/migrations/migration_lock.toml': `provider = "${on.provider}"\n`,
    })
    await ws.ok('migrate --no-generate')
  })
  afterAll(() => ws.drop())

  test('a dry run tells what would be written, and writes nothing', async () => {
    const before = ws.snapshot()
    const { stdout } = await ws.ok('adopt --dry-run')
    expect(stdout).toContain('Would adopt 4 migrations')
    expect(ws.snapshot()).toEqual(before)
  })

  test('every migration gets a proven way back but the one that changes rows, which is named', async () => {
    const result = (await ws.ok('adopt --json')).json<Adopted>()
    expect(result.data.adopted.map(({ name, down }) => [name, down])).toEqual([
      [FIRST, 'verified'],
      [OBJECTS, 'verified'],
      [ROWS, 'partial'],
      [LAST, 'verified'],
    ])
    expect(result.data.adopted[2]!.irreversible.join()).toContain('INSERT INTO')
    expect(result.data.schema).toBe('in-sync')
    expect(ws.migration('fill', 'README.md')).toContain('Rows are changed that nothing undoes')
  })

  test('names and scripts stay as they are, and each folder has a snapshot', () => {
    expect(ws.folders()).toEqual(Object.keys(scripts))
    for (const [name, sql] of Object.entries(scripts)) {
      expect(ws.read(`prisma/migrations/${name}/migration.sql`)).toBe(sql)
      expect(ws.exists(`prisma/migrations/${name}/migration.schema.prisma`)).toBe(true)
    }
    expect(ws.migration('init', 'migration.schema.prisma')).not.toContain('Post')
    expect(ws.migration('last', 'migration.schema.prisma')).toBe(ws.read('prisma/schema.prisma'))
  })

  test('the database and its history are untouched, and nothing differs from the migrations', async () => {
    const rows = await history(ws.db)
    expect(rows.map((row) => row.migration_name)).toEqual(Object.keys(scripts))
    await ws.ok('status --check --strict')
    await ws.ok('makemigration --check')
  })

  test('a second run finds nothing left to do', async () => {
    const before = ws.snapshot()
    expect((await ws.ok('adopt')).stdout).toContain('Every migration has its way back already')
    expect(ws.snapshot()).toEqual(before)
  })

  test('going down over the change of rows is refused before anything runs', async () => {
    const before = await dumpSchema(ws.db)
    const { stderr } = await ws.fails(2, 'migrate --name zero --y --no-generate')
    expect(stderr).toContain(ROWS)
    expect(await dumpSchema(ws.db)).toBe(before)
  })

  test('once a person has written that down, triggers, checks and indexes go and come back', async () => {
    const full = await dumpSchema(ws.db)
    const file = `prisma/migrations/${ROWS}/migration.js`
    ws.project.write({ [file]: ws.read(file).replace(', null]', ', async () => {}]') })
    await ws.ok('migrate --name init --y --no-generate')
    expect(await ws.tables()).toEqual(['User'])
    expect(await dumpSchema(ws.db)).not.toContain('user_touch')
    await ws.sql('DELETE FROM "User"')
    await ws.ok('migrate --no-generate')
    expect(await dumpSchema(ws.db)).toBe(full)
    expect(await ws.sql('SELECT name FROM "User"')).toEqual([{ name: 'Ada' }])
  })
})

describeDatabases('adopt, where it cannot', (on) => {
  test('a migration that does not apply stops it with its name, and nothing is written', async () => {
    const ws = await workspace(on, { schema: SCHEMA })
    try {
      ws.project.write({ [`prisma/migrations/${FIRST}/migration.sql`]: 'ALTER TABLE nowhere ADD COLUMN x INTEGER;\n' })
      const before = ws.snapshot()
      const { stderr } = await ws.fails(1, 'adopt')
      expect(stderr).toContain(FIRST)
      expect(stderr).toContain('your database was not touched')
      expect(ws.snapshot()).toEqual(before)
    } finally {
      await ws.drop()
    }
  })

  test('without migrations it names prepare', async () => {
    const ws = await workspace(on, { schema: SCHEMA })
    try {
      expect((await ws.fails(2, 'adopt')).stderr).toContain('rays prepare')
    } finally {
      await ws.drop()
    }
  })
})
