/** SQLite databases as people have them: with what no Prisma schema says, and what Prisma's engine mistakes. */
import { describeDatabases } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

describeDatabases(
  'a SQLite database',
  (on) => {
    let ws: Workspace
    afterEach(() => ws.drop())
    const begin = async (schema: string, ...statements: string[]) => {
      ws = await workspace(on, { schema, config: { generate: false } })
      for (const sql of statements) await ws.sql(sql)
    }
    const byPrisma = (name: string, script: string) =>
      ws.project.write({
        [`prisma/migrations/${name}/migration.sql`]: script,
        'prisma/migrations/migration_lock.toml': 'provider = "sqlite"\n',
      })
    const edit = (from: string | RegExp, to: string) => {
      const schema = ws.read('prisma/schema.prisma')
      expect(schema).toMatch(from)
      ws.project.write({ 'prisma/schema.prisma': schema.replace(from, to) })
    }
    const definition = async (table: string) =>
      String((await ws.sql(`SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '${table}'`))[0]!.sql)
    const refused = (sql: string) => ws.sql(sql).then(() => '', String)

    describe('with UNIQUE written into a table', () => {
      const table =
        'CREATE TABLE member (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, email TEXT NOT NULL UNIQUE, n INTEGER)'

      test('is taken over, is in step, and goes on with its rows', async () => {
        await begin('', table, "INSERT INTO member VALUES (1, 'a', 2)")
        await ws.ok('prepare')
        expect(ws.read('prisma/schema.prisma')).toMatch(/email +String +@unique\n/)
        await ws.ok('status --check --strict')
        expect((await ws.ok('push --y')).stdout).toMatch(/nothing|in step|already/i)
        await ws.ok('doctor --check')
        edit('@unique', '@unique\n  level Int @default(3)')
        await ws.ok('makemigration --name level')
        await ws.ok('migrate')
        expect(await ws.sql('SELECT * FROM member')).toEqual([{ id: 1, email: 'a', n: 2, level: 3 }])
        expect(await refused("INSERT INTO member (email) VALUES ('a')")).toMatch(/UNIQUE/)
      })

      test.each([
        'email TEXT NOT NULL UNIQUE, n INTEGER',
        'email TEXT CONSTRAINT one UNIQUE ON CONFLICT ABORT NOT NULL, n INTEGER',
        'email TEXT NOT NULL, n INTEGER, UNIQUE (email)',
        'email TEXT NOT NULL, n INTEGER, CHECK (n > 0), CONSTRAINT one UNIQUE ("email")',
      ])('gives it up where the schema does: %s', async (columns) => {
        await begin(
          '',
          `CREATE TABLE member (id INTEGER PRIMARY KEY, ${columns})`,
          'CREATE INDEX by_n ON member (n)',
          "INSERT INTO member VALUES (1, 'a', 2)",
        )
        await ws.ok('prepare --no-verify')
        edit(' @unique', '')
        await ws.ok('makemigration --name loose')
        await ws.ok('migrate --y')
        await ws.sql("INSERT INTO member (email, n) VALUES ('a', 1)")
        expect(await ws.sql("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'member'")).toEqual([
          { name: 'by_n' },
        ])
        if (columns.includes('CHECK'))
          expect(await refused("INSERT INTO member (email, n) VALUES ('b', 0)")).toMatch(/CHECK/)
        await ws.ok('status --check')
      })

      test.each([
        ['of several columns', 'email TEXT NOT NULL, n INTEGER, UNIQUE (email, n)', / *@@unique\(\[email, n\]\)\n/],
        ['said twice', 'email TEXT NOT NULL UNIQUE, n INTEGER, UNIQUE (email)', / @unique/],
        ['with another collation', 'email TEXT NOT NULL, n INTEGER, UNIQUE (email COLLATE NOCASE)', / @unique/],
        ['behind a comment', 'email TEXT NOT NULL -- the mail\n UNIQUE, n INTEGER', / @unique/],
        ['of a name in quotes', "'email' TEXT UNIQUE NOT NULL, n INTEGER", / @unique/],
      ])('gives it up: one %s', async (_, columns, attribute) => {
        await begin(
          '',
          `CREATE TABLE member (id INTEGER PRIMARY KEY, ${columns})`,
          "INSERT INTO member VALUES (1, 'a', 2)",
        )
        await ws.ok('prepare --no-verify')
        edit(attribute, '')
        await ws.ok('makemigration --name loose')
        await ws.ok('migrate --y')
        await ws.sql("INSERT INTO member (email, n) VALUES ('a', 2)")
        expect(await ws.sql('SELECT email, n FROM member')).toHaveLength(2)
        await ws.ok('status --check')
      })

      test.each([
        ['its table', 'model member', 'model person', '--rename member:person'],
        ['its column', /email/g, 'mail', '--rename member.email:mail'],
      ])('goes along where %s is renamed', async (_, from, to, words) => {
        await begin('', table, "INSERT INTO member VALUES (1, 'a', 2)")
        await ws.ok('prepare --no-verify')
        edit(from, to)
        await ws.ok(`makemigration --name renamed ${words}`)
        await ws.ok('migrate --y')
        const [name, column] = to === 'mail' ? ['member', 'mail'] : ['person', 'email']
        expect(await refused(`INSERT INTO ${name} (${column}) VALUES ('a')`)).toMatch(/UNIQUE/)
        expect(await ws.sql(`SELECT id FROM ${name}`)).toEqual([{ id: 1 }])
        await ws.ok('status --check')
      })

      test.each([
        ['UNIQUE ON CONFLICT REPLACE', '', "INSERT INTO member (email) VALUES ('a')", ''],
        ['', ', UNIQUE (email COLLATE NOCASE)', "INSERT INTO member (email) VALUES ('A')", 'UNIQUE'],
      ])(
        'keeps what it says beyond its columns when its table is built anew: %s%s',
        async (own, other, insert, says) => {
          await begin('', `CREATE TABLE member (id INTEGER PRIMARY KEY, email TEXT NOT NULL ${own}, n INTEGER${other})`)
          await ws.ok('prepare --no-verify')
          edit('Int?', 'String?')
          await ws.ok('makemigration --name text')
          await ws.ok('migrate --y')
          await ws.sql("INSERT INTO member (email) VALUES ('a')")
          expect(await refused(insert)).toMatch(says)
          expect(await ws.sql('SELECT email FROM member')).toHaveLength(1)
        },
      )

      test('does not lose rows of other tables over it', async () => {
        await begin(
          '',
          table,
          'CREATE TABLE post (id INTEGER PRIMARY KEY, m INTEGER REFERENCES member (id) ON DELETE CASCADE)',
        )
        await ws.sql("INSERT INTO member VALUES (1, 'a', 2)")
        await ws.sql('INSERT INTO post VALUES (1, 1)')
        await ws.ok('prepare --no-verify')
        edit(' @unique', '')
        await ws.ok('makemigration --name loose')
        expect((await ws.fails(1, 'migrate --y')).stderr).toMatch(/rows of post refer to it.*foreign_keys=OFF/s)
        expect(await ws.sql('SELECT * FROM post')).toEqual([{ id: 1, m: 1 }])
      })
    })

    test('with virtual tables: they are no models, are listed, and come and go with their migration', async () => {
      const models = 'model Doc {\n  id   Int    @id @default(autoincrement())\n  text String\n}\n'
      await begin(models)
      byPrisma(
        '20250101000000_init',
        'CREATE TABLE "Doc" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "text" TEXT NOT NULL);\n',
      )
      byPrisma(
        '20250102000000_search',
        "CREATE VIRTUAL TABLE found USING fts5(text, content='Doc', content_rowid='id');\nCREATE VIRTUAL TABLE place USING rtree(id, minX, maxX);\nCREATE TRIGGER told AFTER INSERT ON Doc BEGIN INSERT INTO found(rowid, text) VALUES (NEW.id, NEW.text); END;\n",
      )
      const before = ws.read('prisma/schema.prisma')
      await ws.ok('adopt')
      await ws.ok('migrate')
      expect(ws.read('prisma/schema.prisma')).toBe(before)
      await ws.ok('makemigration --check')
      await ws.ok('status --check')
      await ws.sql("INSERT INTO Doc (text) VALUES ('a green door')")
      expect(await ws.sql("SELECT rowid FROM found WHERE found MATCH 'door'")).toEqual([{ rowid: 1 }])
      await ws.ok('migrate --name -1 --y')
      expect(await ws.tables()).toEqual(['Doc'])
      await ws.ok('migrate')
      await ws.sql('DROP TABLE place')
      expect((await ws.fails(1, 'doctor --check')).stdout).toContain('virtual table place')
    })

    test('with a column that is computed and that the schema names: it stays so when its table is built anew', async () => {
      await begin(
        'model C {\n  id   Int     @id @default(autoincrement())\n  a    String\n  gone Int?\n  full String?\n}\n',
      )
      byPrisma(
        '20250101000000_init',
        'CREATE TABLE "C" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "a" TEXT NOT NULL, "gone" INTEGER, "full" TEXT GENERATED ALWAYS AS (a || \'!\') STORED);\n',
      )
      await ws.ok('migrate')
      await ws.sql("INSERT INTO C (a) VALUES ('x')")
      edit('gone Int?', 'gone String?')
      await ws.ok('makemigration --name text')
      await ws.ok('migrate --y')
      await ws.sql("INSERT INTO C (a) VALUES ('y')")
      expect(await ws.sql('SELECT a, "full" FROM C')).toEqual([
        { a: 'x', full: 'x!' },
        { a: 'y', full: 'y!' },
      ])
      expect(await definition('C')).toContain('GENERATED ALWAYS')
      // What it is computed from cannot go alone.
      edit(/ {2}a +String\n/, '')
      await ws.ok('makemigration --name alone --no-verify')
      expect((await ws.fails(1, 'migrate --y')).stderr).toMatch(/full is computed from others/)
      expect(await ws.sql('SELECT a FROM C')).toHaveLength(2)
    })

    test('read back, has the defaults of enums and Json as its schema has them', async () => {
      await begin(
        'enum Level {\n  BASIC\n  GOLD @map("is gold")\n}\n\nmodel A {\n  id   Int   @id\n  one  Level @default(BASIC)\n  two  Level @default(GOLD)\n  meta Json  @default("{\\"a\\": \\"it\'s\\"}")\n}\n',
      )
      await ws.ok('makemigration --name init')
      await ws.ok('migrate')
      await ws.ok('makemigration --check --from migrations')
      await ws.sql('INSERT INTO A (id) VALUES (1)')
      expect(await ws.sql('SELECT * FROM A')).toEqual([{ id: 1, one: 'BASIC', two: 'is gold', meta: '{"a": "it\'s"}' }])
      await ws.sql('ALTER TABLE A ADD COLUMN byhand TEXT')
      const models = ws.read('prisma/schema.prisma')
      await ws.ok('doctor --adopt byhand')
      const now = ws.read('prisma/schema.prisma')
      for (const line of models.split('\n').filter((each) => each.includes('@default')))
        expect(now.replace(/ +/g, ' ')).toContain(line.trim().replace(/ +/g, ' '))
      await ws.ok('status --check')
    })

    test('with texts in double quotes in its migrations, as Prisma takes them', async () => {
      await begin('model A {\n  id   Int    @id\n  text String @default("it\'s")\n}\n')
      byPrisma(
        '20250101000000_init',
        'CREATE TABLE "A" ("id" INTEGER NOT NULL PRIMARY KEY, "text" TEXT NOT NULL DEFAULT "it\'s" CHECK ("text" <> "never"));\n',
      )
      byPrisma(
        '20250102000000_rows',
        'INSERT INTO "A" ("id", "text") VALUES (1, "A"), (2, "a ""b""");\nUPDATE "A" SET "text" = "changed; -- so" WHERE "text" = "A";\n',
      )
      await ws.ok('adopt')
      await ws.ok('migrate')
      expect(await ws.sql('SELECT "text" FROM A')).toEqual([{ text: 'changed; -- so' }, { text: 'a "b"' }])
      await ws.ok('status --check')
    })

    test('of a migration of rays, a column that is gone is an error and never a text', async () => {
      await begin('model U {\n  id   Int    @id\n  name String\n  age  Int?\n}\n')
      await ws.ok('makemigration --name init')
      await ws.ok('migrate')
      await ws.sql("INSERT INTO U VALUES (1, 'ann', 2)")
      edit('Int?', 'Int')
      await ws.ok('makemigration --name age --default U.age=0')
      await ws.sql('ALTER TABLE U RENAME COLUMN name TO whole')
      expect((await ws.fails(1, 'migrate --y')).stderr).toMatch(/name/)
      await ws.sql('ALTER TABLE U RENAME COLUMN whole TO name')
      await ws.ok('migrate --y')
      await ws.ok('makemigration --name own --blank')
      for (const sql of ['DELETE FROM "U" WHERE "gone" IS NOT NULL', 'UPDATE "U" SET "name" = "nmae"']) {
        ws.project.write({
          [`prisma/migrations/${ws.folder('own')}/migration.js`]: `module.exports = [[async ({ client }) => client.execute(${JSON.stringify(sql)}), async () => {}]]\n`,
        })
        await ws.fails(1, 'migrate --y')
      }
      expect(await ws.sql('SELECT name FROM U')).toEqual([{ name: 'ann' }])
    })

    test('gets the defaults of Json into the rows that have no value, and no column of another', async () => {
      await begin('model T {\n  id Int    @id\n  a  String\n  j  Json?\n  k  Json?\n}\n')
      await ws.ok('makemigration --name init')
      await ws.ok('migrate')
      await ws.sql("INSERT INTO T (id, a) VALUES (1, 'secret')")
      ws.project.schema(
        'model T {\n  id Int    @id\n  a  String\n  j  Json   @default("\\"a\\"")\n  k  Json   @default("[]")\n}\n',
      )
      await ws.ok('makemigration --name required')
      await ws.ok('migrate --y')
      expect(await ws.sql('SELECT a, j, k FROM T')).toEqual([{ a: 'secret', j: '"a"', k: '[]' }])
    })

    test('of a script that stands alone keeps what was done and says so, and never takes a transaction that is open for done', async () => {
      await begin('model Item {\n  id Int @id\n}\n')
      byPrisma('20250101000000_init', 'CREATE TABLE "Item" ("id" INTEGER NOT NULL PRIMARY KEY);\n')
      await ws.ok('migrate')
      byPrisma('20250102000000_alone', 'INSERT INTO Item VALUES (1);\nVACUUM;\nINSERT INTO Item VALUES (2), (1);\n')
      const failed = await ws.fails(3, 'migrate')
      expect(failed.stderr).not.toMatch(/as it was before/)
      expect(await ws.sql('SELECT id FROM Item')).toEqual([{ id: 1 }])
      await ws.sql('DELETE FROM Item')
      await ws.ok('migrate --undo --retry-op 0'.split(' ')).catch(() => undefined)
      await ws.sql("DELETE FROM _prisma_migrations WHERE migration_name LIKE '%alone'")
      byPrisma(
        '20250102000000_alone',
        'BEGIN;\nINSERT INTO Item VALUES (3);\nROLLBACK;\nBEGIN;\nINSERT INTO Item VALUES (5);\n',
      )
      expect((await ws.fails(3, 'migrate')).stderr).toMatch(/ends inside a transaction/)
      expect(await ws.applied()).toEqual(['init'])
      expect(await ws.sql('SELECT id FROM Item')).toEqual([])
    })

    test('adopts no script that takes back what it did', async () => {
      await begin('model Item {\n  id Int @id\n}\n')
      byPrisma('20250101000000_init', 'CREATE TABLE "Item" ("id" INTEGER NOT NULL PRIMARY KEY);\n')
      byPrisma('20250102000000_half', 'INSERT INTO Item VALUES (1);\nBEGIN;\nINSERT INTO Item VALUES (2);\nROLLBACK;\n')
      expect((await ws.ok('adopt')).stderr).toMatch(/half rolls something back by itself/)
      expect(ws.exists('prisma/migrations/20250102000000_half/migration.js')).toBe(false)
      await ws.ok('migrate')
      expect(await ws.sql('SELECT id FROM Item')).toEqual([{ id: 1 }])
    })

    test('whose model is renamed in case only keeps its rows, both ways', async () => {
      await begin(
        'model user {\n  id   Int     @id @default(autoincrement())\n  name String?\n\n  @@index([name])\n}\n',
      )
      await ws.ok('makemigration --name init')
      await ws.ok('migrate')
      await ws.sql("INSERT INTO user (name) VALUES ('ann')")
      edit('model user', 'model User')
      await ws.ok('makemigration --name case --rename user:User')
      await ws.ok('migrate --y')
      expect(await ws.tables()).toEqual(['User'])
      await ws.ok('status --check')
      await ws.ok('migrate --name -1 --y')
      expect(await ws.tables()).toEqual(['user'])
      expect(await ws.sql('SELECT name FROM user')).toEqual([{ name: 'ann' }])
    })

    test('with a STRICT table: what it cannot have is refused when it is written, and what it can goes through', async () => {
      await begin('model P {\n  id Int @id\n}\n')
      byPrisma('20250101000000_init', 'CREATE TABLE "P" ("id" INTEGER NOT NULL PRIMARY KEY) STRICT;\n')
      await ws.ok('adopt')
      await ws.ok('migrate')
      const schema = ws.read('prisma/schema.prisma')
      edit('@id', '@id\n  ok Boolean @default(true)')
      expect((await ws.fails(1, 'makemigration --name ok')).stderr).toMatch(/STRICT knows no BOOLEAN, the type of P.ok/)
      expect(ws.folders()).toHaveLength(1)
      ws.project.write({ 'prisma/schema.prisma': schema.replace('@id', '@id\n  n Int @default(1)') })
      await ws.ok('makemigration --name n')
      await ws.ok('migrate')
      expect(await definition('P')).toContain('STRICT')
    })

    test.each([
      ['BEGIN TRANSACTION;', 'COMMIT;'],
      ['BEGIN IMMEDIATE;', 'COMMIT TRANSACTION;'],
      ['begin exclusive transaction;', 'end;'],
    ])('with a script of Prisma between %s and %s: all of it or nothing', async (start, end) => {
      await begin('model Item {\n  id Int @id\n}\n')
      byPrisma('20250101000000_init', 'CREATE TABLE "Item" ("id" INTEGER NOT NULL PRIMARY KEY);\n')
      const rows = `${start}\nINSERT INTO "Item" VALUES (1);\nINSERT INTO "Item" VALUES (1);\n${end}\n`
      byPrisma('20250102000000_rows', rows)
      await ws.fails(1, 'migrate')
      expect(await ws.sql('SELECT * FROM Item')).toEqual([])
      expect(await ws.applied()).toEqual(['init'])
      byPrisma('20250102000000_rows', rows.replace('VALUES (1);\nINSERT', 'VALUES (2);\nINSERT'))
      await ws.ok('migrate')
      expect(await ws.sql('SELECT * FROM Item')).toEqual([{ id: 1 }, { id: 2 }])
    })

    test('whose journal mode a migration of Prisma changes', async () => {
      await begin('model Item {\n  id Int @id\n}\n')
      byPrisma('20250101000000_init', 'CREATE TABLE "Item" ("id" INTEGER NOT NULL PRIMARY KEY);\n')
      byPrisma('20250102000000_wal', '-- more readers\nPRAGMA journal_mode = WAL;\n')
      await ws.ok('migrate')
      expect(await ws.sql('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }])
      await ws.ok('adopt')
      await ws.ok('status --check')
    })
  },
  (provider) => provider === 'sqlite',
)
