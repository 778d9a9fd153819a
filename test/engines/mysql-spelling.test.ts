/** Defaults in the words of a person, and in those of the server. */
import type { Connection } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { createMysqlSchemaEngine } from '../../engines/mysql/schema-engine.js'
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { describeMysql, inDatabase, OPTIONS } from './mysql-databases.js'

const engine = createMysqlSchemaEngine()
const source = 'datasource db {\n  provider = "mysql"\n}\n'
const schema = (models: string): SchemaFile[] => [{ path: 'schema.prisma', content: `${source}\n${models}` }]
const live = (connection: Connection, context = schema('')): SchemaState => ({ kind: 'database', connection, context })
const text = (files: readonly SchemaFile[]): SchemaState => ({ kind: 'schema', files })
const EMPTY = '-- This is an empty migration.'

const model = (type: string, sql: string, optional = '') =>
  schema(`model T {
  id Int @id @default(autoincrement())
  n  Int?
  x  ${type}${optional} @default(dbgenerated(${JSON.stringify(sql)}))${type === 'String' ? ' @db.VarChar(200)' : ''}
}
`)

async function expectNoDifference(a: SchemaState, b: SchemaState): Promise<void> {
  expect((await engine.diff(a, b)).script).toBe(EMPTY)
  expect((await engine.diff(b, a)).script).toBe(EMPTY)
}

const DEFAULTS: (readonly [type: string, sql: string, same: boolean])[] = [
  ['String', "(replace(uuid(), '-', ''))", false],
  ['String', "(concat('u-', left(uuid(), 8)))", false],
  ['String', "(concat('c:\\\\', 'it''s', \"q\"))", true],
  ['String', "(concat('ünï €', 1))", true],
  ['String', "(concat('😀', 1))", true],
  ['String', "('😀?')", true],
  ['String', "(case when 1 = 1 then 'x' else 'y' end)", true],
  ['String', '(concat(n, 1))', true],
  ['Int', '((1 + 2) * 3)', true],
  ['Int', '(1 + 2 * 3)', true],
  ['Int', '(floor(rand() * 1000))', false],
  ['Int', '(2 between 1 and 3)', true],
  ['DateTime', '(now() + interval 7 day)', false],
  ['DateTime', '(date_add(now(3), interval 1 month))', false],
  ['DateTime', 'NOW(3)', false],
  ['Bytes', "(unhex('00ff00'))", true],
  ['Bytes', "(concat(0xff, 'a'))", true],
  ['Json', "(json_object('a', json_array(1, 2)))", true],
  ['Json', '(\'{"a": "it\'\'s"}\')', true],
  ['Json', 'json_array(1)', true],
  ['Boolean', '(rand() > 0.5)', false],
]

describeMysql('an expression as a default', () => {
  test.each(DEFAULTS)(
    '%s %s is no difference, and is the same in a database made from what was read',
    (type, sql, same) =>
      inDatabase(async (db, url) => {
        const [before, after] = [model(type, sql), model(type, sql, '?')]
        await db.script((await engine.diff({ kind: 'empty' }, text(before))).script)
        const reading = await mysql.connect(url, { ...OPTIONS, readOnly: true })
        await expectNoDifference(live(reading), text(before)).finally(() => reading.close())
        // An ALTER has the server write it down anew, and not as it did before.
        await db.script((await engine.diff(text(before), text(after))).script)
        await expectNoDifference(live(db), text(after))
        expect((await engine.introspect(db, after))[0]?.content).toContain(JSON.stringify(sql))
        const found = await engine.introspect(db, schema(''))
        await expectNoDifference(live(db), text(found))
        await inDatabase(async (copy) => {
          await copy.script((await engine.diff({ kind: 'empty' }, text(found))).script)
          await expectNoDifference(live(copy), text(after))
          if (!same) return
          const value = async (one: Connection) => {
            await one.execute('INSERT INTO T (n) VALUES (3)')
            return (await one.raw('SELECT HEX(x) AS v FROM T'))[0]?.v
          }
          expect(await value(copy)).toBe(await value(db))
        })
      }),
  )

  test('that is another one is a difference', () =>
    inDatabase(async (db) => {
      await db.script((await engine.diff({ kind: 'empty' }, text(model('Int', '(1 + 2 * 3)')))).script)
      expect((await engine.diff(live(db), text(model('Int', '((1 + 2) * 3)')))).empty).toBe(false)
      await db.script('DROP TABLE T')
      await db.script((await engine.diff({ kind: 'empty' }, text(model('String', "(concat('A', 1))")))).script)
      expect((await engine.diff(live(db), text(model('String', "(concat('a', 1))")))).empty).toBe(false)
    }))

  test('of a JSON column is asked for once it is in the schema, and never missed in a database of Prisma', () =>
    inDatabase(async (db) => {
      const [plain, full] = ['', ' @default("{}")'].map((value) =>
        schema(`model T {\n  id Int @id\n  j Json${value}\n}\n`),
      )
      expect((await engine.diff(text(plain!), text(full!))).script).toContain("DEFAULT ('{}')")
      await db.script((await engine.diff({ kind: 'empty' }, text(plain!))).script)
      await expectNoDifference(live(db), text(full!))
    }))
})

describeMysql('literals with letters beyond U+FFFF', () => {
  const files = schema(
    'model T {\n  id Int @id\n  s String @default("😀 ok?")\n  e E @default(b)\n}\n\nenum E {\n  a\n  b @map("😀")\n  c @map("?c")\n}\n',
  )

  test('are no difference, also for a session that only reads, and come back from the database', () =>
    inDatabase(async (db, url) => {
      await db.script((await engine.diff({ kind: 'empty' }, text(files))).script)
      const reading = await mysql.connect(url, { ...OPTIONS, readOnly: true })
      await expectNoDifference(live(reading), text(files)).finally(() => reading.close())
      await expectNoDifference(live(db), text(files))
      const found = (await engine.introspect(db, schema('')))[0]?.content
      expect(found).toContain('@default("😀 ok?")')
      expect(found).toContain('@map("😀")')
      expect(found).toContain('@map("?c")')
    }))
})

describeMysql('ON UPDATE CURRENT_TIMESTAMP', () => {
  const field = (optional: string, value: string) =>
    schema(`model T {\n  id Int @id\n  at DateTime${optional} @default(${value}) @db.Timestamp(3)\n}\n`)
  const kept = 'dbgenerated("CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)")'
  const shown = async (db: Connection) => String(Object.values((await db.raw('SHOW CREATE TABLE T'))[0] ?? {})[1])

  test('in the schema is in step, comes and goes with it, and stays where the column becomes optional', () =>
    inDatabase(async (db) => {
      await db.script((await engine.diff({ kind: 'empty' }, text(field('', kept)))).script)
      await expectNoDifference(live(db), text(field('', kept)))
      const plan = await engine.diff(text(field('', kept)), text(field('?', kept)))
      await db.script(plan.script)
      await db.execute('INSERT INTO T (id, at) VALUES (1, NULL)')
      for (const { down } of [...(plan.steps ?? [])].reverse()) for (const sql of down) await db.raw(sql)
      expect((await db.raw('SELECT at FROM T'))[0]?.at).not.toBeNull()
      expect(await shown(db)).toMatch(/ON UPDATE CURRENT_TIMESTAMP\(3\)/i)
      await db.script((await engine.diff(text(field('', kept)), text(field('', 'now()')))).script)
      expect(await shown(db)).not.toMatch(/ON UPDATE/i)
      expect((await engine.diff(live(db), text(field('', kept)))).empty).toBe(false)
    }))

  test('that only the database knows is no difference, and is not dropped', () =>
    inDatabase(async (db) => {
      await db.script((await engine.diff({ kind: 'empty' }, text(field('', kept)))).script)
      await expectNoDifference(live(db), text(field('', 'now()')))
      await db.script((await engine.diff(live(db), text(field('?', 'now()')))).script)
      expect(await shown(db)).toMatch(/ON UPDATE CURRENT_TIMESTAMP\(3\)/i)
    }))
})

describeMysql('what a database has beside a schema', () => {
  test('stays with every column that is written anew, and with the table that is made again', () =>
    inDatabase(async (db) => {
      await db.script(`CREATE TABLE T (id INT PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_bin NOT NULL COMMENT 'it''s \\\\ so',
        hidden INT INVISIBLE DEFAULT 3, low VARCHAR(20) GENERATED ALWAYS AS (LOWER(code)) STORED) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci`)
      const found = await engine.introspect(db, schema(''))
      const wider = found.map((file) => ({
        ...file,
        content: file.content.replaceAll('VarChar(20)', 'VarChar(30)').replace('@default(3)', '@default(4)'),
      }))
      const table = async (one: Connection) => (await mysql.structure(one)).lines.join('\n')
      const before = await table(db)
      const beside = await engine.beside?.(db)
      expect(beside?.collations).toEqual(['utf8mb4_general_ci'])
      const plan = await engine.diff(text(found), text(wider), beside && { beside })
      for (const { up } of plan.steps ?? []) for (const sql of up) await db.raw(sql)
      const changed = before
        .replaceAll('varchar(20)', 'varchar(30)')
        .replace(/(hidden.*DEFAULT )'?3'?/, (line) => line.replace('3', '4'))
      expect(await table(db)).toBe(changed)
      for (const { down } of [...(plan.steps ?? [])].reverse()) for (const sql of down) await db.raw(sql)
      expect(await table(db)).toBe(before)
      await inDatabase(async (copy) => {
        await copy.script((await engine.diff({ kind: 'empty' }, text(found), beside && { beside })).script)
        expect(await table(copy)).toBe(before)
      })
    }))

  test('the key that MySQL makes for a table without one is nobody’s column', () =>
    inDatabase(async (db) => {
      await db.script('CREATE TABLE T (my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, n INT)')
      const [file] = await engine.introspect(db, schema(''))
      expect(file?.content).not.toContain('my_row_id')
      await expectNoDifference(live(db), text([file as SchemaFile]))
      await db.script('CREATE TABLE S (k INT NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, n INT)')
      expect((await engine.introspect(db, schema('')))[0]?.content).toMatch(/k +Int +@id @default\(autoincrement\(\)\)/)
    }))

  test('a new column has the collation of the text that it refers to', () =>
    inDatabase(async (db) => {
      await db.script('CREATE TABLE A (id CHAR(36) PRIMARY KEY) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci')
      const parent = 'model A {\n  id String @id @db.Char(36)\n'
      const child =
        'model B {\n  id Int @id\n  aId String @db.Char(36)\n  a A @relation(fields: [aId], references: [id])\n}\n'
      const beside = await engine.beside?.(db)
      const plan = await engine.diff(
        text(schema(`${parent}}\n`)),
        text(schema(`${parent}  bs B[]\n}\n${child}`)),
        beside && { beside },
      )
      await db.script(plan.script)
      expect(plan.script).toContain('`aId` CHAR(36) COLLATE utf8mb4_general_ci NOT NULL')
    }))
})
