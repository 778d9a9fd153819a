/** Ordinary edits of a schema that once could not be written, or were told wrongly. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const item = (...fields: string[]) => `model Item {\n${fields.map((field) => `  ${field}\n`).join('')}}\n`

/** The edit goes up, down and up again, and nothing is drift on the way. */
async function evolve(ws: Workspace, before: string, after: string, ...flags: string[]): Promise<string> {
  ws.project.schema(before)
  await ws.given('makemigration --name before')
  await ws.ok('migrate')
  ws.project.schema(after)
  const { stderr } = await ws.ok(['makemigration', '--name', 'after', ...flags])
  await ws.ok('migrate')
  for (const line of ['migrate --name -1 --y', 'migrate']) {
    await ws.ok(line)
    expect((await ws.ok('status --json')).json<{ data: { drift: unknown } }>().data.drift).toMatchObject({
      state: 'none',
    })
  }
  return stderr
}

describeDatabases('an edit of the schema', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { config: { generate: false } })
  })
  afterEach(() => ws.drop())

  test('a key that numbers itself becomes wider', async () => {
    await evolve(ws, item('id Int @id @default(autoincrement())'), item('id BigInt @id @default(autoincrement())'))
    // SQLite numbers INTEGER keys only, and Prisma writes BIGINT: https://www.sqlite.org/autoinc.html.
    if (on.provider === 'sqlite') return
    await ws.sql(`INSERT INTO "Item" ${on.provider === 'mysql' ? 'VALUES ()' : 'DEFAULT VALUES'}`)
    expect(await ws.sql('SELECT COUNT(*) AS n FROM "Item"')).toEqual([{ n: expect.anything() }])
  })

  test('what was added is taken away again, once it is applied', async () => {
    await evolve(ws, item('id Int @id'), item('id Int @id', 'n Int?'))
    ws.project.schema(item('id Int @id'))
    await ws.ok('makemigration --name back')
    await ws.ok('migrate')
    await ws.ok('status --check')
  })

  test('bytes have a default, and that is no drift', async () => {
    const bytes = item('id Int @id', 'b Bytes @default("aGVsbG8=")')
    await evolve(ws, item('id Int @id'), bytes)
    expect((await ws.ok('push')).stdout).toContain('Nothing to do')
  })

  test('a text has a default of any characters, and that is no drift', async () => {
    await evolve(ws, item('id Int @id'), item('id Int @id', `s String @default("a😀b'c?\\"d")`))
    await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
    expect(await ws.sql('SELECT "s" FROM "Item"')).toEqual([{ s: `a😀b'c?"d` }])
    ws.project.schema(item('id Int @id', `s String @default("a?b'c?\\"d")`))
    await ws.fails(1, 'makemigration --check')
  })

  test('a schema that is not valid is not in step', async () => {
    await evolve(ws, item('id Int @id'), item('id Int @id', 'n Int?'))
    ws.project.schema(`${item('id Int @id', 'n Int?')}\nmodel Bad {\n  id Foo\n}\n`)
    const { stdout } = await ws.fails(1, 'status --check')
    expect(stdout).toContain('Next: Correct the schema')
    expect((await ws.fails(2, 'makemigration --check')).stderr).toContain('The Prisma schema is not valid.')
  })

  test('folders that were deleted on purpose are forgotten by prepare, once that is confirmed; no row is touched', async () => {
    await evolve(ws, item('id Int @id'), item('id Int @id', 'n Int?'))
    await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
    for (const name of ws.folders())
      rmSync(path.join(ws.project.folder, 'prisma/migrations', name), { recursive: true })
    expect((await ws.fails(2, 'prepare')).stderr).toContain('--y')
    expect(await ws.applied()).toEqual(['before', 'after'])
    await ws.ok('prepare --y')
    expect(await ws.applied()).toEqual(['init'])
    expect(await ws.sql('SELECT "id" FROM "Item"')).toEqual([{ id: 1 }])
    await ws.ok('status --check --strict')
    await ws.ok('migrate --name zero --y')
    expect(await ws.tables()).toEqual([])
  })
})

describeDatabases('a dropped table with what no schema knows', (on) => {
  const q = on.provider === 'mysql' ? '`' : '"'
  const sql = {
    sqlite: [
      'CREATE TRIGGER "seen" AFTER INSERT ON "Gone" BEGIN UPDATE "Item" SET "n" = 1; END',
      'CREATE INDEX "part" ON "Gone"("id") WHERE "id" > 5',
    ],
    postgresql: [
      'CREATE OR REPLACE FUNCTION "note"() RETURNS trigger LANGUAGE plpgsql AS \'BEGIN RETURN NEW; END\'',
      'CREATE TRIGGER "seen" BEFORE INSERT ON "Gone" FOR EACH ROW EXECUTE FUNCTION "note"()',
      'ALTER TABLE "Gone" ADD CONSTRAINT "small" CHECK ("id" < 1000)',
      'CREATE INDEX "part" ON "Gone"("id") WHERE "id" > 5',
    ],
    mysql: [
      'CREATE TRIGGER `seen` BEFORE INSERT ON `Gone` FOR EACH ROW SET NEW.`id` = NEW.`id`',
      'ALTER TABLE `Gone` ADD CONSTRAINT `small` CHECK (`id` < 1000)',
    ],
  }[on.provider]
  const both = `${item('id Int @id', 'n Int?')}\nmodel Gone {\n  id Int @id\n}\n`

  test('comes back with its triggers, checks and partial indexes; what was made by hand is named', async () => {
    const ws = await workspace(on, { config: { generate: false }, schema: both })
    try {
      await ws.given('makemigration --name init')
      await ws.given('makemigration --name by_hand --blank')
      const folder = `prisma/migrations/${ws.folder('by_hand')}`
      const calls = sql.map((text) => `await client.execute(${JSON.stringify(text)});`).join('\n')
      ws.project.write({
        [`${folder}/migration.js`]: `module.exports = [[async ({ client }) => {\n${calls}\n}, async () => {}]]`,
        [`${folder}/migration.sql`]: sql.map((text) => `${text};\n`).join(''),
      })
      await ws.ok('migrate')
      const before = await dumpSchema(ws.db)
      ws.project.schema(item('id Int @id', 'n Int?'))
      const made = await ws.ok('makemigration --name drop')
      expect(made.stdout).toMatch(/on the way down bring back .*seen/)
      expect(ws.migration('drop')).toContain('DROP TABLE')
      for (const line of ['migrate', 'migrate --name -1 --y']) await ws.ok(line)
      expect(await dumpSchema(ws.db)).toBe(before)
      await ws.ok('migrate')

      await ws.ok('migrate --name zero --y')
      for (const name of ws.folders().slice(1))
        rmSync(path.join(ws.project.folder, 'prisma/migrations', name), { recursive: true })
      await ws.ok('migrate')
      expect(await ws.tables()).toEqual(['Gone', 'Item'])
      for (const text of sql) await ws.db.query(text)
      ws.project.schema(item('id Int @id', 'n Int?'))
      expect((await ws.ok('makemigration --name again')).stderr).toMatch(/what no migration made: .*seen/)
      expect(ws.migration('again')).not.toContain(`CREATE TRIGGER ${q}`)
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases(
  'an edit of an enum',
  (on) => {
    const enumerated = (values: string, one: string, list: string) =>
      `enum Role {\n${values}}\n\n${item('id Int @id', `role Role @default(${one})`, `roles Role[] @default([${list}])`, 'other Role @default(A)')}`

    test('a value that was a default goes, and comes back on the way down', async () => {
      const ws = await workspace(on, { config: { generate: false } })
      try {
        await evolve(ws, enumerated('  A\n  B\n', 'B', 'A, B'), enumerated('  A\n', 'A', 'A'))
        await ws.ok('migrate --name -1 --y')
        await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
        expect(await ws.sql('SELECT "role"::text, "roles"::text, "other"::text FROM "Item"')).toEqual([
          { role: 'B', roles: '{A,B}', other: 'A' },
        ])
      } finally {
        await ws.drop()
      }
    })

    test('a value goes together with the column and the table that had it as their default', async () => {
      const ws = await workspace(on, { config: { generate: false } })
      const enumerated = (values: string, fields: string, more: string) =>
        `enum Role {\n${values}}\n\n${item('id Int @id', 'kept Role @default(A)', fields)}\n${more}`
      try {
        const gone = 'model Gone {\n  id Int @id\n  roles Role[] @default([B])\n}\n'
        await evolve(ws, enumerated('  A\n  B\n', 'role Role @default(B)', gone), enumerated('  A\n', '', ''))
        await ws.ok('migrate --name -1 --y')
        await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
        await ws.sql('INSERT INTO "Gone" ("id") VALUES (1)')
        expect(await ws.sql('SELECT "Item"."role"::text, "kept"::text, "roles"::text FROM "Item", "Gone"')).toEqual([
          { role: 'B', kept: 'A', roles: '{B}' },
        ])
      } finally {
        await ws.drop()
      }
    })

    test('a value is mapped to a text with a quote', async () => {
      const ws = await workspace(on, { config: { generate: false } })
      const enumerated = (values: string) => `enum Kind {\n${values}}\n\n${item('id Int @id', 'kind Kind @default(a)')}`
      try {
        await evolve(ws, enumerated(`  a @map("it's")\n`), enumerated(`  a @map("it's")\n  b @map("'")\n`))
        await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
        expect(await ws.sql('SELECT "kind"::text FROM "Item"')).toEqual([{ kind: "it's" }])
      } finally {
        await ws.drop()
      }
    })
  },
  (provider) => provider === 'postgresql',
)
