/** Finding and repairing what does not agree. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const SCHEMA = 'model User {\n  id   Int    @id\n  name String\n}\n'
const MORE = `${SCHEMA}\nmodel Post {\n  id Int @id\n}\n`

interface Told {
  data: {
    findings: { code: string; about: string; fix: string }[]
    objects: { kind: string; name: string; table?: string }[]
    done: { action: string; migration?: string } | null
  }
}

describeDatabases('doctor', (on) => {
  let ws: Workspace
  const doctor = async (line = '') => (await ws.ok(`doctor --json${line}`)).json<Told>().data
  const codes = async () => [...new Set((await doctor()).findings.map(({ code }) => code))]
  const byHand = async () => {
    await ws.sql('ALTER TABLE "User" ADD COLUMN "nick" INTEGER')
    await ws.sql('CREATE INDEX "User_nick" ON "User"("nick")')
    await ws.sql(
      {
        postgresql: `CREATE FUNCTION "f"() RETURNS trigger AS $$ BEGIN RETURN NEW; END; $$ LANGUAGE plpgsql;
          CREATE TRIGGER "by_hand" BEFORE INSERT ON "User" FOR EACH ROW EXECUTE FUNCTION "f"()`,
        mysql: 'CREATE TRIGGER "by_hand" BEFORE INSERT ON "User" FOR EACH ROW SET NEW."nick" = 7',
        sqlite: 'CREATE TRIGGER "by_hand" AFTER INSERT ON "User" BEGIN UPDATE "User" SET "nick" = 7; END',
      }[on.provider],
    )
  }

  beforeAll(async () => {
    ws = await workspace(on, { schema: SCHEMA })
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    await ws.sql(`INSERT INTO "User" ("id", "name") VALUES (1, 'Ada')`)
  })
  afterAll(() => ws.drop())

  test('a database in order has no findings', async () => {
    expect((await ws.ok('doctor --check')).stdout).toContain('Nothing to repair')
  })

  test('what was changed by hand is named part by part, with a command; nothing is changed by looking', async () => {
    await byHand()
    const before = [await dumpSchema(ws.db), ws.snapshot()]
    const { findings, objects } = await doctor()
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['drift']))
    expect(findings.every(({ fix }) => fix === 'rays doctor --adopt <name>')).toBe(true)
    const about = findings.map((finding) => finding.about).join('\n')
    for (const name of ['nick', 'User_nick', 'by_hand']) expect(about).toContain(name)
    expect(objects).toContainEqual({ kind: 'trigger', name: 'by_hand', table: 'User' })
    await ws.fails(1, 'doctor --check')
    expect([await dumpSchema(ws.db), ws.snapshot()]).toEqual(before)
  })

  test('--revert undoes exactly that, and asks first where rows hold values', async () => {
    await ws.sql('UPDATE "User" SET "nick" = 5')
    const { stderr } = await ws.fails(2, 'doctor --revert')
    expect(stderr).toContain('--y')
    expect((await doctor(' --revert --y')).done?.action).toBe('reverted')
    await ws.ok('doctor --check')
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, name: 'Ada' }])
    expect(await ws.applied()).toEqual(['init'])
  })

  test('--adopt makes it a migration that is recorded as applied, with its way back; the schema follows', async () => {
    await byHand()
    const before = await dumpSchema(ws.db)
    const { done } = await doctor(' --adopt hand_made')
    expect(done?.migration).toBe(ws.folder('hand_made'))
    expect(await dumpSchema(ws.db)).toBe(before)
    expect(await ws.applied()).toEqual(['init', 'hand_made'])
    expect(ws.read('prisma/schema.prisma')).toContain('nick')
    await ws.ok('doctor --check')
    await ws.ok('status --check --strict')
    await ws.ok('makemigration --check')
    await ws.ok('migrate --name -1 --y --no-generate')
    expect(await dumpSchema(ws.db)).not.toMatch(/nick|by_hand/)
    await ws.ok('migrate --no-generate')
    expect((await dumpSchema(ws.db)).split('\n').sort()).toEqual(before.split('\n').sort())
    await ws.ok('doctor --check')
  })

  test('--ignore leaves an object alone from then on', async () => {
    await ws.sql('CREATE TABLE "Elsewhere" ("id" INTEGER NOT NULL PRIMARY KEY)')
    expect(await codes()).toEqual(['drift'])
    await ws.ok('doctor --ignore Elsewhere')
    await ws.ok('doctor --check')
    expect(ws.read('prisma/migrations/rays-ignore.txt')).toContain('Elsewhere')
    expect(await ws.tables()).toContain('Elsewhere')
    await ws.sql('DROP TABLE "Elsewhere"')
  })

  test('without changes by hand there is nothing to adopt or revert', async () => {
    await ws.fails(2, 'doctor --adopt nothing')
    await ws.fails(2, 'doctor --revert')
  })

  test('a changed schema, a pending, an edited and a missing migration each have their own code and command', async () => {
    ws.project.schema(MORE.replace('name String', 'name String\n  nick Int?\n  @@index([nick], map: "User_nick")'))
    expect(await codes()).toEqual(['schema-changed'])
    await ws.given('makemigration --name post')
    expect(await doctor()).toMatchObject({ findings: [{ code: 'pending', fix: 'rays migrate' }] })
    const file = `prisma/migrations/${ws.folder('init')}/migration.sql`
    const text = ws.read(file)
    ws.project.write({ [file]: `${text}\n-- edited\n` })
    expect((await doctor()).findings.map(({ code }) => code)).toEqual(['edited', 'pending'])
    ws.project.write({ [file]: text })
    await ws.ok('migrate --no-generate')
    rmSync(path.join(ws.project.folder, 'prisma/migrations', ws.folder('post')), { recursive: true })
    expect(await codes()).toContain('missing-folder')
    expect((await history(ws.db)).length).toBe(3)
  })
})

describeDatabases(
  'doctor, where extensions were made by hand',
  (on) => {
    test('--adopt takes the extension along that an index or a column needs', async () => {
      const ws = await workspace(on, { schema: SCHEMA })
      try {
        await ws.given('makemigration --name init')
        await ws.ok('migrate --no-generate')
        await ws.sql('CREATE EXTENSION pg_trgm')
        await ws.sql('CREATE INDEX "User_trigrams" ON "User" USING gin ("name" gin_trgm_ops)')
        await ws.ok('doctor --adopt trigrams')
        expect(ws.migration('trigrams', 'migration.sql')).toMatch(
          /CREATE EXTENSION IF NOT EXISTS pg_trgm;[\s\S]*gin_trgm_ops/,
        )
        await ws.ok('status --check --strict')
        await ws.ok('migrate --name zero --y --no-generate')
        await ws.sql('DROP EXTENSION pg_trgm')
        await ws.ok('migrate --no-generate')
        await ws.ok('doctor --check')
        await ws.ok('squash init trigrams --name all')
        expect(ws.migration('all', 'migration.sql')).toContain('CREATE EXTENSION IF NOT EXISTS pg_trgm')
        await ws.ok('status --check')
      } finally {
        await ws.drop()
      }
    })
  },
  (provider) => provider === 'postgresql',
)

describeDatabases('doctor --revert that rows do not allow', (on) => {
  test('changes nothing, and says what helps here', async () => {
    const ws = await workspace(on, { schema: 'model User {\n  id   Int @id\n  code Int @unique\n}\n' })
    try {
      await ws.given('makemigration --name init')
      await ws.ok('migrate --no-generate')
      await ws.sql(`DROP INDEX "User_code_key"${on.provider === 'mysql' ? ' ON "User"' : ''}`)
      await ws.sql('INSERT INTO "User" VALUES (1, 7), (2, 7)')
      const before = await dumpSchema(ws.db)
      const { stderr } = await ws.fails(1, 'doctor --revert --y')
      expect(stderr).toMatch(
        /Nothing was changed\.[\s\S]*Fix: Correct the rows that do not fit\. Or: rays doctor --adopt/,
      )
      expect(await dumpSchema(ws.db)).toBe(before)
      await ws.sql('DELETE FROM "User" WHERE "id" = 2')
      await ws.ok('doctor --revert')
      await ws.ok('doctor --check')
    } finally {
      await ws.drop()
    }
  })
})
