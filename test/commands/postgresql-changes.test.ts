/** PostgreSQL: what a change means to the rows, where Prisma's SQL alone would mean something else. */
import { describeDatabases } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

describeDatabases(
  'a change on PostgreSQL',
  (on) => {
    let ws: Workspace
    afterEach(() => ws.drop())
    const begin = async (schema: string, ...statements: string[]) => {
      ws = await workspace(on, { schema, config: { generate: false } })
      await ws.given('makemigration --name init')
      await ws.ok('migrate')
      for (const sql of statements) await ws.sql(sql)
    }
    const becomes = async (schema: string, ...words: string[]) => {
      ws.project.schema(schema)
      await ws.ok(['makemigration', '--name', 'next', ...words])
      await ws.ok('migrate --y')
    }

    test.each([
      ['Int', 'integer'],
      ['BigInt', 'bigint'],
    ])('gives a column back its numbers (%s): name, type and where they go on', async (type, sql) => {
      const model = (id: string) => `model Long_Table_Name_${'x'.repeat(40)} {\n  id ${id}\n  t  String?\n}\n`
      const table = `Long_Table_Name_${'x'.repeat(40)}`
      await begin(model(`${type} @id @default(autoincrement())`))
      const sequence = async () => {
        const [row] = await ws.sql(`SELECT pg_get_serial_sequence('"${table}"', 'id') AS name`)
        const kinds = await ws.sql(
          `SELECT format_type(seqtypid, NULL) AS type FROM pg_sequence WHERE seqrelid = '${row!.name}'::regclass`,
        )
        return [row!.name, kinds[0]!.type]
      }
      const before = await sequence()
      expect(before[1]).toBe(sql)
      await ws.sql(`INSERT INTO "${table}" (t) VALUES ('a'), ('b'), ('c')`)
      await becomes(model(`${type} @id`))
      await ws.ok('migrate --name -1 --y')
      expect(await sequence()).toEqual(before)
      await ws.sql(`INSERT INTO "${table}" (t) VALUES ('d')`)
      expect(await ws.sql(`SELECT max(id)::int AS id FROM "${table}"`)).toEqual([{ id: 4 }])
      await ws.ok('migrate')
      await ws.ok('status --check')
    })

    test.each([
      ['beside another model that has numbers', 'A', 'model B {\n  id Int @id @default(autoincrement())\n}\n', ''],
      ['in a table of any letters', 'A', '', '@@map("Größe")'],
    ])('gives numbers to a column with rows, takes them and gives them back: %s', async (_, name, more, map) => {
      const table = map === '' ? name : 'Größe'
      const schema = (id: string) => `model ${name} {\n  id Int @id${id}\n  t  String?\n\n  ${map}\n}\n${more}`
      await begin(schema(''), `INSERT INTO "${table}" VALUES (1), (2)`)
      await becomes(schema(' @default(autoincrement())'))
      const next = async () => {
        await ws.sql(`INSERT INTO "${table}" (t) VALUES ('x')`)
        return (await ws.sql(`SELECT max(id)::int AS id FROM "${table}"`))[0]!.id
      }
      expect(await next()).toBe(3)
      await ws.ok('migrate --name -1 --y')
      expect(await ws.sql(`SELECT relname FROM pg_class WHERE relkind = 'S' AND relname LIKE '${table}%'`)).toEqual([])
      await ws.ok('migrate')
      expect(await next()).toBe(4)
      ws.project.schema(schema(''))
      await ws.ok('makemigration --name without')
      await ws.ok('migrate --y')
      await ws.ok('migrate --name -1 --y')
      expect(await next()).toBe(5)
      await ws.ok('migrate')
      await ws.ok('status --check')
    })

    test('keeps what a time means when it gets a zone and when it loses it, wherever the server is', async () => {
      await begin('model P {\n  id Int      @id\n  t  DateTime @db.Timestamp(0)\n  u  DateTime @db.Timestamptz(6)\n}\n')
      await ws.sql(`ALTER DATABASE "${ws.db.name}" SET timezone = 'Pacific/Auckland'`)
      await ws.sql(`INSERT INTO "P" VALUES (1, '2024-06-01 12:00', '2024-06-01 12:00+00')`)
      const seen = async () => (await ws.sql(`SELECT t::text AS t, (u AT TIME ZONE 'UTC')::text AS u FROM "P"`))[0]
      const before = await seen()
      await becomes(
        'model P {\n  id Int      @id\n  t  DateTime @db.Timestamptz(0)\n  u  DateTime @db.Timestamp(6)\n}\n',
      )
      expect(await ws.sql(`SELECT (t AT TIME ZONE 'UTC')::text AS t, u::text AS u FROM "P"`)).toEqual([before])
      expect(ws.migration('next', 'migration.sql')).toMatch(/USING "t" AT TIME ZONE 'UTC'/)
      await ws.ok('migrate --name -1 --y')
      expect(await seen()).toEqual(before)
    })

    test('of two enums at once, one of which loses its default, is two migrations with a valid schema between them', async () => {
      const schema = (status: string, kinds: readonly string[], kind: string) =>
        `enum Status {\n  ${status}\n  OLD\n}\n\nenum Kind {\n  ${kinds.join('\n  ')}\n}\n\nmodel Item {\n  id     Int    @id\n  status Status @default(${status})\n  kind   Kind   @default(${kind})\n}\n`
      await begin(schema('NEW', ['A', 'B'], 'A'), `INSERT INTO "Item" VALUES (1, 'OLD', 'B')`)
      await becomes(schema('OPEN', ['A', 'B', 'C @map("is c")'], 'C'))
      await ws.sql('INSERT INTO "Item" (id) VALUES (2)')
      expect(await ws.sql('SELECT id, status::text AS status, kind::text AS kind FROM "Item" ORDER BY id')).toEqual([
        { id: 1, status: 'OLD', kind: 'B' },
        { id: 2, status: 'OPEN', kind: 'is c' },
      ])
      await ws.ok('status --check')
    })
  },
  (provider) => provider === 'postgresql',
)
