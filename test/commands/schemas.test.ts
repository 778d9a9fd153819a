/** What Prisma schemas hold, taken there and back with rows in the tables. */
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

/** Applies `before`, runs `fill`, makes and applies `after`, and goes back by one. */
async function thereAndBack(ws: Workspace, before: string, after: string, fill: () => Promise<void>) {
  ws.project.schema(before)
  await ws.given('makemigration --name before')
  await ws.ok('migrate')
  await fill()
  const structure = await dumpSchema(ws.db)
  ws.project.schema(after)
  const made = await ws.ok('makemigration --name after')
  await ws.ok('migrate')
  return {
    made,
    back: async () => {
      await ws.ok('migrate --name before --y')
      expect(await dumpSchema(ws.db)).toBe(structure)
    },
  }
}

describeDatabases('schemas there and back, with rows', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on)
  })
  afterEach(() => ws.drop())

  test('renamed tables and columns (@map, @@map) and a relation to itself', async () => {
    const model = (more: string) => `model Employee {
  id     Int        @id @map("employee_id")
  name   String     @map("full_name")
  bossId Int?       @map("boss_id")
  boss   Employee?  @relation("boss", fields: [bossId], references: [id])
  team   Employee[] @relation("boss")
${more}
  @@map("employees")
}`
    const { back } = await thereAndBack(
      ws,
      model(''),
      model('  badge  String?    @unique @map("badge_no")\n\n  @@index([name])'),
      async () => {
        await ws.sql(`INSERT INTO employees (employee_id, full_name, boss_id) VALUES (1, 'Ada', NULL)`)
        await ws.sql(`INSERT INTO employees (employee_id, full_name, boss_id) VALUES (2, 'Alan', 1)`)
      },
    )
    const rows = 'SELECT employee_id, full_name, boss_id FROM employees ORDER BY employee_id'
    const expected = [
      { employee_id: 1, full_name: 'Ada', boss_id: null },
      { employee_id: 2, full_name: 'Alan', boss_id: 1 },
    ]
    expect(await ws.sql(rows)).toEqual(expected)
    await back()
    expect(await ws.sql(rows)).toEqual(expected)
  })

  test('an implicit many-to-many relation appears and disappears; the models keep their rows', async () => {
    const models = (post: string, tag: string) =>
      `model Post {\n  id Int @id\n${post}}\n\nmodel Tag {\n  id Int @id\n${tag}}`
    const { back } = await thereAndBack(ws, models('', ''), models('  tags Tag[]\n', '  posts Post[]\n'), async () => {
      await ws.sql('INSERT INTO "Post" (id) VALUES (1)')
      await ws.sql('INSERT INTO "Tag" (id) VALUES (7)')
    })
    await ws.sql('INSERT INTO "_PostToTag" ("A", "B") VALUES (1, 7)')
    await back()
    expect(await ws.tables()).toEqual(['Post', 'Tag'])
    expect(await ws.sql('SELECT id FROM "Tag"')).toEqual([{ id: 7 }])
    await ws.ok('migrate')
    expect(await ws.sql('SELECT * FROM "_PostToTag"')).toEqual([])
  })

  test('changing a parent table keeps the rows of its children, whose foreign key cascades', async () => {
    const models = (type: string) => `model Parent {
  id    Int     @id
  name  ${type}
  children Child[]
}

model Child {
  id       Int    @id
  parent   Parent @relation(fields: [parentId], references: [id], onDelete: Cascade)
  parentId Int
}`
    const { back } = await thereAndBack(ws, models('String?'), models('String  @default("none")'), async () => {
      await ws.sql(`INSERT INTO "Parent" (id, name) VALUES (1, 'Eve')`)
      await ws.sql('INSERT INTO "Child" (id, "parentId") VALUES (1, 1), (2, 1), (3, 1)')
    })
    expect(await ws.sql('SELECT * FROM "Child"')).toHaveLength(3)
    await back()
    expect(await ws.sql('SELECT * FROM "Child"')).toHaveLength(3)
    expect(await ws.sql('SELECT name FROM "Parent"')).toEqual([{ name: 'Eve' }])
    // The foreign key still works afterwards.
    if (on.provider !== 'sqlite') {
      await ws.sql('DELETE FROM "Parent"')
      expect(await ws.sql('SELECT * FROM "Child"')).toEqual([])
    }
  })

  test('a column and a table that are dropped come back: neutral values, no rows, all else kept', async () => {
    const before = `model Keep {
  id      Int      @id
  text    String
  flag    Boolean
  number  Int
  at      DateTime
  chosen  Int      @default(5)
  maybe   String?
}

model Gone {
  id Int @id
}`
    const value = on.provider === 'postgresql' ? 'true' : '1'
    const { made, back } = await thereAndBack(ws, before, 'model Keep {\n  id Int @id\n}', async () => {
      await ws.sql(
        `INSERT INTO "Keep" (id, text, flag, number, at, maybe) VALUES (1, 'a', ${value}, 2, '2024-01-02 03:04:05', 'm')`,
      )
      await ws.sql('INSERT INTO "Gone" (id) VALUES (1)')
    })
    expect(made.stderr).toMatch(/Gone.*\(1 row\)/)
    await back()
    const [row] = await ws.sql('SELECT id, text, number, chosen, maybe FROM "Keep"')
    expect(row).toEqual({ id: 1, text: '', number: 0, chosen: 5, maybe: null })
    expect(await ws.sql('SELECT * FROM "Gone"')).toEqual([])
  })

  test('a required column without a default is written as an operation to be filled by hand', async () => {
    const { made } = await (async () => {
      ws.project.schema('model Item {\n  id Int @id\n}')
      await ws.given('makemigration --name before')
      await ws.ok('migrate')
      await ws.sql('INSERT INTO "Item" (id) VALUES (1)')
      ws.project.schema('model Item {\n  id Int @id\n  code String\n}')
      return { made: await ws.ok('makemigration --name after') }
    })()
    expect(made.stderr).toMatch(/code.*required without a default.*\(1 row\)/)
    if (on.provider === 'mysql') return
    const { stderr } = await ws.fails(1, 'migrate')
    expect(stderr).toContain('The rows in the table do not fit')
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([{ id: 1 }])
    expect(await ws.applied()).toEqual(['before'])
  })
})

describeDatabases(
  'enums',
  (on) => {
    let ws: Workspace
    beforeEach(async () => {
      ws = await workspace(on)
    })
    afterEach(() => ws.drop())
    const schema = (values: string, fallback: string) =>
      `enum Role {\n${values
        .split(' ')
        .map((value) => `  ${value}`)
        .join('\n')}\n}\n\nmodel Person {\n  id Int @id\n  role Role @default(${fallback})\n}`

    test('a value that is added can be used, and going down restores the old list', async () => {
      ws.project.schema(schema('USER ADMIN', 'USER'))
      await ws.given('makemigration --name before')
      await ws.ok('migrate')
      await ws.sql('INSERT INTO "Person" (id) VALUES (1)')
      const structure = await dumpSchema(ws.db)
      ws.project.schema(schema('USER ADMIN GUEST', 'USER'))
      await ws.ok('makemigration --name after')
      await ws.ok('migrate')
      await ws.sql(`INSERT INTO "Person" (id, role) VALUES (2, 'GUEST')`)
      await ws.sql(`DELETE FROM "Person" WHERE id = 2`)
      await ws.ok('migrate --name -1 --y')
      expect(await dumpSchema(ws.db)).toBe(structure)
      expect(await ws.sql('SELECT role FROM "Person"')).toEqual([{ role: 'USER' }])
    })

    test('a value that is removed while in use stops the migration, and nothing changes', async () => {
      ws.project.schema(schema('USER ADMIN', 'USER'))
      await ws.given('makemigration --name before')
      await ws.ok('migrate')
      await ws.sql(`INSERT INTO "Person" (id, role) VALUES (1, 'ADMIN')`)
      const structure = await dumpSchema(ws.db)
      ws.project.schema(schema('USER', 'USER'))
      await ws.ok('makemigration --name after')
      await ws.fails(1, 'migrate')
      expect(await dumpSchema(ws.db)).toBe(structure)
      expect(await ws.sql('SELECT role FROM "Person"')).toEqual([{ role: 'ADMIN' }])
      await ws.sql(`UPDATE "Person" SET role = 'USER'`)
      await ws.ok('migrate')
      await ws.ok('migrate --name -1 --y')
      expect(await dumpSchema(ws.db)).toBe(structure)
    })

    test('a value that is added and used at once becomes two migrations where the database needs that', async () => {
      ws.project.schema(schema('USER ADMIN', 'USER'))
      await ws.given('makemigration --name before')
      ws.project.schema(schema('USER ADMIN GUEST', 'GUEST'))
      await ws.ok('makemigration --name after')
      const names = ws.folders().map((name) => name.slice(15))
      expect(names).toEqual(
        on.provider === 'postgresql' ? ['before', 'after_enum_values', 'after'] : ['before', 'after'],
      )
      await ws.ok('migrate')
      await ws.sql('INSERT INTO "Person" (id) VALUES (1)')
      expect(await ws.sql('SELECT role FROM "Person"')).toEqual([{ role: 'GUEST' }])
      await ws.sql('DELETE FROM "Person"')
      await ws.ok('migrate --name before --y')
      await ws.ok('migrate')
      expect((await ws.ok('status --check')).stdout).toContain('Everything is in step')
    })
  },
  (provider) => provider !== 'sqlite',
)

describeDatabases(
  'several namespaces (@@schema)',
  (on) => {
    test('are created, migrated, compared and undone', async () => {
      const ws = await workspace(on)
      const schema = (field: string) => `datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
  schemas  = ["public", "shop"]
}

model Person {
  id     Int     @id
  orders Order[]
  @@schema("public")
}

model Order {
  id       Int    @id
  person   Person @relation(fields: [personId], references: [id])
  personId Int
${field}  @@schema("shop")
}
`
      ws.project.schema(schema(''))
      await ws.ok('makemigration --name init')
      await ws.ok('migrate')
      await ws.sql('INSERT INTO public."Person" (id) VALUES (1)')
      await ws.sql('INSERT INTO shop."Order" (id, "personId") VALUES (1, 1)')
      ws.project.schema(schema('  note String?\n'))
      await ws.ok('makemigration --name note')
      await ws.ok('migrate')
      expect(await ws.sql('SELECT * FROM shop."Order"')).toEqual([{ id: 1, personId: 1, note: null }])
      await ws.ok('status --check')
      await ws.ok('migrate --name -1 --y')
      expect(await ws.sql('SELECT * FROM shop."Order"')).toEqual([{ id: 1, personId: 1 }])
      await ws.ok('migrate --name zero --y')
      expect(await ws.tables()).toEqual([])
      await ws.drop()
    })
  },
  (provider) => provider === 'postgresql',
)
