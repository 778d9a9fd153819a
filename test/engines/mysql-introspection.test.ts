import type { Connection } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { createMysqlSchemaEngine } from '../../engines/mysql/schema-engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { describeMysql, inDatabase } from './mysql-databases.js'

const engine = createMysqlSchemaEngine()
const source = 'datasource db {\n  provider = "mysql"\n}\n'
const schema = (models: string): SchemaFile[] => [{ path: 'schema.prisma', content: `${source}\n${models}` }]
const live = (connection: Connection) => ({ kind: 'database', connection, context: schema('') }) as const
const text = (files: readonly SchemaFile[]) => ({ kind: 'schema', files }) as const

/** The models of the introspected schema, without the datasource. */
async function models(db: Connection): Promise<string> {
  const [file] = await engine.introspect(db, schema(''))
  return (file as SchemaFile).content.replace(source, '').trim()
}

/** Introspected, valid, equal to its database, and reproduced by a database made from it. */
async function expectFixedPoint(db: Connection): Promise<void> {
  const found = await engine.introspect(db, schema(''))
  await engine.validate(found)
  expect((await engine.diff(live(db), text(found))).script).toBe('-- This is an empty migration.')
  expect((await engine.diff(text(found), live(db))).script).toBe('-- This is an empty migration.')
  const plan = await engine.diff({ kind: 'empty' }, text(found))
  await inDatabase(async (copy) => {
    await copy.script(plan.script)
    expect(await engine.introspect(copy, schema(''))).toEqual(found)
    expect((await engine.diff(live(db), live(copy))).empty).toBe(true)
  })
}

describeMysql('introspection', () => {
  test('finds every native type and default, and its schema makes the same database', () =>
    inDatabase(async (db) => {
      await db.script(`CREATE TABLE t (
        id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
        a TINYINT(1) NOT NULL DEFAULT 1, a2 TINYINT(1) NOT NULL DEFAULT 5, b TINYINT DEFAULT -5, c SMALLINT UNSIGNED, d MEDIUMINT,
        e INT(5) UNSIGNED ZEROFILL DEFAULT 3, f BIGINT DEFAULT 9007199254740993, f2 BIGINT UNSIGNED DEFAULT 18446744073709551615,
        g DECIMAL(5,2) DEFAULT 1.50, g2 DECIMAL(65,30), g3 DECIMAL, h FLOAT DEFAULT 1.5, i DOUBLE DEFAULT 1e30,
        j CHAR(3) DEFAULT 'abc', k VARCHAR(191) DEFAULT 'it''s "q" \\\\ x\\ny', k2 VARCHAR(20) DEFAULT 'NULL', k3 VARCHAR(20) DEFAULT (concat('a','b')),
        l TINYTEXT, m LONGTEXT, n BLOB, n2 LONGBLOB, o BINARY(4), p VARBINARY(2),
        s JSON, t DATE DEFAULT '2020-01-01', u TIME(3), v DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
        v2 DATETIME, v3 DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), w TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP, x YEAR DEFAULT 2020,
        y BIT(3) DEFAULT b'101', y2 BIT(1) DEFAULT b'1', z POINT
      ) CHARACTER SET utf8mb4`)
      // MySQL names the character set of every text.
      const texts = /mariadb/i.test(db.version) ? '' : '_utf8mb4'
      expect(await models(db)).toBe(
        `model t {
  id BigInt                @id @default(autoincrement()) @db.UnsignedBigInt
  a  Boolean               @default(true)
  a2 Int                   @default(5) @db.TinyInt
  b  Int?                  @default(-5) @db.TinyInt
  c  Int?                  @db.UnsignedSmallInt
  d  Int?                  @db.MediumInt
  e  Int?                  @default(3)
  f  BigInt?               @default(9007199254740993)
  f2 BigInt?               @default(dbgenerated("18446744073709551615")) @db.UnsignedBigInt
  g  Decimal?              @default(1.5) @db.Decimal(5, 2)
  g2 Decimal?
  g3 Decimal?              @db.Decimal(10, 0)
  h  Float?                @default(1.5) @db.Float
  i  Float?                @default(1000000000000000000000000000000)
  j  String?               @default("abc") @db.Char(3)
  k  String?               @default("it's \\"q\\" \\\\ x\\ny")
  k2 String?               @default("NULL") @db.VarChar(20)
  k3 String?               @default(dbgenerated("(concat(${texts}'a',${texts}'b'))")) @db.VarChar(20)
  l  String?               @db.TinyText
  m  String?               @db.LongText
  n  Bytes?                @db.Blob
  n2 Bytes?
  o  Bytes?                @db.Binary(4)
  p  Bytes?                @db.VarBinary(2)
  s  Json?
  t  DateTime?             @default(dbgenerated("'2020-01-01'")) @db.Date
  u  DateTime?             @db.Time(3)
  v  DateTime?             @default(now()) @db.DateTime(6)
  v2 DateTime?             @db.DateTime(0)
  v3 DateTime              @default(now())
  w  DateTime?             @default(now()) @db.Timestamp(0)
  x  Int?                  @default(2020) @db.Year
  y  Bytes?                @default(dbgenerated("b'101'")) @db.Bit(3)
  y2 Boolean?              @default(true) @db.Bit(1)
  z  Unsupported("point")?
}`,
      )
      await expectFixedPoint(db)
    }))

  test('keeps what a Prisma name cannot hold in @map, and never uses a name twice', () =>
    inDatabase(async (db) => {
      await db.script(`
        CREATE TABLE \`1 weird-näme\` (id INT PRIMARY KEY, \`2nd\` INT, \`a b\` INT, \`a-b\` INT, \`日本\` INT,
          q ENUM('ok','b c','b-c','3','','ü','it''s','x,y','back\\\\slash') NOT NULL DEFAULT 'it''s');
        CREATE TABLE class (id INT PRIMARY KEY);
        CREATE TABLE async (id INT PRIMARY KEY);
      `)
      const found = await models(db)
      expect(found).toContain('model weird_n_me {')
      for (const line of [
        /nd +Int\? +@map\("2nd"\)/,
        /a_b +Int\? +@map\("a b"\)/,
        /a_b_2 +Int\? +@map\("a-b"\)/,
        /column_5 +Int\? +@map\("日本"\)/,
      ]) {
        expect(found).toMatch(line)
      }
      for (const line of [
        /b_c +@map\("b c"\)/,
        /b_c_2 +@map\("b-c"\)/,
        /value_3 +@map\("3"\)/,
        /EMPTY_ENUM_VALUE +@map\(""\)/,
        /x_y +@map\("x,y"\)/,
        /back_slash +@map\("back\\\\slash"\)/,
      ]) {
        expect(found).toMatch(line)
      }
      expect(found).toMatch(/@default\(it_s\)/)
      expect(found).toMatch(/model Renamedclass \{[^}]*@@map\("class"\)/)
      expect(found).toMatch(/model Renamedasync \{[^}]*@@map\("async"\)/)
      await expectFixedPoint(db)
    }))

  test('turns foreign keys into relations on both sides and join tables into many-to-many', () =>
    inDatabase(async (db) => {
      const join = (name: string, a: string, b: string) => `CREATE TABLE _${name} (A INT NOT NULL, B INT NOT NULL,
        UNIQUE INDEX _${name}_AB_unique (A, B), INDEX _${name}_B_index (B),
        CONSTRAINT _${name}_A_fkey FOREIGN KEY (A) REFERENCES ${a}(id) ON DELETE CASCADE ON UPDATE CASCADE,
        CONSTRAINT _${name}_B_fkey FOREIGN KEY (B) REFERENCES ${b}(id) ON DELETE CASCADE ON UPDATE CASCADE);`
      await db.script(`
        CREATE TABLE user (id INT AUTO_INCREMENT PRIMARY KEY, bossId INT,
          CONSTRAINT user_bossId_fkey FOREIGN KEY (bossId) REFERENCES user(id) ON DELETE SET NULL ON UPDATE CASCADE);
        CREATE TABLE post (id INT PRIMARY KEY, authorId INT NOT NULL, editorId INT, user INT,
          CONSTRAINT post_authorId_fkey FOREIGN KEY (authorId) REFERENCES user(id) ON DELETE CASCADE ON UPDATE CASCADE,
          CONSTRAINT edits FOREIGN KEY (editorId) REFERENCES user(id) ON DELETE RESTRICT ON UPDATE RESTRICT);
        CREATE TABLE profile (id INT PRIMARY KEY, userId INT NOT NULL UNIQUE, FOREIGN KEY (userId) REFERENCES user(id));
        CREATE TABLE tag (id INT PRIMARY KEY);
        CREATE TABLE zebra (id INT PRIMARY KEY);
        ${join('postTotag', 'post', 'tag')}
        ${join('friends', 'user', 'user')}
        ${join('turned', 'zebra', 'tag')}
      `)
      const found = await models(db)
      for (const line of [
        // Two relations of user with itself: their names tell the fields apart.
        /user_user_bossIdTouser +user\? +@relation\("user_bossIdTouser", fields: \[bossId\], references: \[id\]\)/,
        /other_user_user_bossIdTouser +user\[\] +@relation\("user_bossIdTouser"\)/,
        /user_A_friends +user\[\] +@relation\("friends"\)/,
        /user_B_friends +user\[\] +@relation\("friends"\)/,
        /user_post_authorIdTouser +user +@relation\("post_authorIdTouser", fields: \[authorId\], references: \[id\], onDelete: Cascade\)/,
        /user_post_editorIdTouser +user\? +@relation\("post_editorIdTouser", .*onDelete: Restrict, onUpdate: Restrict, map: "edits"\)/,
        /profile +profile\?\n/,
        /tag +tag\[\]\n/,
        // Its column A does not belong to the model that comes first, so it is a model of its own.
        /model turned \{[^}]*@@map\("_turned"\)/,
      ]) {
        expect(found).toMatch(line)
      }
      expect(found).not.toMatch(/model (postTotag|friends)/)
      await expectFixedPoint(db)
    }))

  test('keeps prefixes, directions, full text, compound keys and second unique indexes', () =>
    inDatabase(async (db) => {
      await db.script(`CREATE TABLE t (a INT NOT NULL, b VARCHAR(100) NOT NULL, c VARCHAR(191), d TEXT,
        PRIMARY KEY (b(20), a), UNIQUE KEY t_a_key (a), UNIQUE KEY again (a), UNIQUE KEY ca (c, a),
        KEY down (c DESC, a), KEY prefix (d(10)), FULLTEXT KEY t_c_d_idx (c, d))`)
      expect(await models(db)).toBe(`model t {
  a Int     @unique(map: "again")
  b String  @db.VarChar(100)
  c String?
  d String? @db.Text

  @@id([b(length: 20), a])
  @@unique([c, a], map: "ca")
  @@unique([a])
  @@index([c(sort: Desc), a], map: "down")
  @@index([d(length: 10)], map: "prefix")
  @@fulltext([c, d])
}`)
      await expectFixedPoint(db)
    }))

  test('ignores tables without a usable key, views, and what a schema cannot say', () =>
    inDatabase(async (db) => {
      // MySQL from 8.4 refuses keys on columns that are not unique, unless it is told otherwise.
      await db.raw('SET SESSION restrict_fk_on_non_standard_key = OFF').catch(() => undefined)
      await db.script(`
        CREATE TABLE parent (id INT PRIMARY KEY, k INT, KEY parent_k_idx (k), geo POINT NOT NULL, SPATIAL KEY s (geo));
        CREATE TABLE nokey (x INT, p INT, FOREIGN KEY (p) REFERENCES parent(id));
        CREATE TABLE loose (id INT PRIMARY KEY, k INT, KEY loose_k_idx (k), FOREIGN KEY (k) REFERENCES parent(k));
        CREATE VIEW v AS SELECT 1 AS one;
        CREATE TABLE _prisma_migrations (id INT);
      `)
      const found = await models(db)
      expect(found).toMatch(/model nokey \{[^}]*@@ignore\n\}/)
      expect(found).toMatch(/nokey +nokey\[\] +@ignore/)
      expect(found).not.toMatch(/model (v|prisma_migrations)/)
      const files = await engine.introspect(db, schema(''))
      await engine.validate(files)
      expect((await engine.diff(live(db), text(files))).empty).toBe(true)
    }))

  test('keeps the datasource and generator blocks of every file, with their comments', () =>
    inDatabase(async (db) => {
      await db.script('CREATE TABLE t (id INT PRIMARY KEY, s TEXT)')
      const files = await engine.introspect(db, [
        { path: 'a/models.prisma', content: 'model Gone {\n  id Int @id\n}\n' },
        {
          path: 'base.prisma',
          content: '// The main database\r\ndatasource main {\r\n  provider = "mysql"\r\n  // } not yet\r\n}\r\n',
        },
        {
          path: 'gen.prisma',
          content: 'generator client {\n  provider = "prisma-client-js"\n}\n\nenum Gone {\n  a\n}\n',
        },
      ])
      expect(files.map((file) => file.path)).toEqual(['base.prisma', 'gen.prisma'])
      expect(files[0]?.content).toMatch(/\/\/ The main database\r?\ndatasource main \{/)
      expect(files[0]?.content).toMatch(/s +String\? +@main\.Text/)
      expect(files[1]?.content).toBe('generator client {\n  provider = "prisma-client-js"\n}\n')
      await engine.validate(files)
    }))
})

describeMysql('a database made from a schema', () => {
  test('shows no difference to it, also where Prisma always sees one', () =>
    inDatabase(async (db) => {
      const files = schema(`
        enum Role {
          A
          B @map("b-b")
        }
        model User {
          id    Int      @id @default(autoincrement())
          uuid  String   @default(dbgenerated("(UUID())")) @db.VarChar(36)
          role  Role     @default(B)
          at    DateTime @default(dbgenerated("CURRENT_TIMESTAMP")) @db.Timestamp
          plain DateTime @db.DateTime
          time  DateTime @db.Time
          money Decimal  @default(2.0) @db.Decimal
          price Decimal  @default(0.0)
          flag  Boolean  @default(true) @db.Bit(1)
          date  DateTime @default(dbgenerated("('2020-01-01')")) @db.Date
          text  String   @default("a'b\\\\c")
          json  Json?
          posts Post[]
          tags  Tag[]
        }
        model Post {
          id     Int   @id
          userId Int?
          user   User? @relation(fields: [userId], references: [id])
        }
        model Tag {
          id    Int    @id
          users User[]
        }
      `)
      await db.script((await engine.diff({ kind: 'empty' }, text(files))).script)
      expect((await engine.diff(live(db), text(files))).script).toBe('-- This is an empty migration.')
      expect((await engine.diff(text(files), live(db))).script).toBe('-- This is an empty migration.')
    }))

  test('is changed and changed back by the steps of a plan', () =>
    inDatabase(async (db) => {
      const before = schema(
        'model A {\n  id Int @id\n  n String?\n  b B[]\n}\nmodel B {\n  id Int @id\n  aId Int\n  a A @relation(fields: [aId], references: [id])\n}\n',
      )
      const after = schema(
        'model A {\n  id Int @id\n  n String @default("x") @db.VarChar(50)\n  m Int @unique\n}\nmodel C {\n  id Int @id\n}\n',
      )
      await db.script((await engine.diff({ kind: 'empty' }, text(before))).script)
      const plan = await engine.diff(live(db), text(after))
      expect(plan).toMatchObject({
        empty: false,
        warnings: expect.arrayContaining([expect.stringMatching(/drop the `B` table/i)]),
      })
      for (const step of plan.steps ?? []) for (const statement of step.up) await db.execute(statement)
      expect((await engine.diff(live(db), text(after))).empty).toBe(true)
      for (const step of [...(plan.steps ?? [])].reverse())
        for (const statement of step.down) await db.execute(statement)
      expect((await engine.diff(live(db), text(before))).empty).toBe(true)
    }))

  test('that is invalid is told in the words of the validator', async () => {
    await expect(engine.validate(schema('model A {\n  id Int\n}\n'))).rejects.toThrow(/unique criteria/)
    expect(mysql.planner).toBeDefined()
  })
})
