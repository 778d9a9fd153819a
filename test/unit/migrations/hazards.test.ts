import { findHazards, splitUnsafeEnum } from '../../../src/migrations/hazards.js'
import { syntaxes } from '../sql/syntaxes.js'

const { postgresql, sqlite, mysql } = syntaxes
const found = (script: string, syntax = postgresql, reverse = '') =>
  findHazards(script, syntax, reverse).map(({ kind, table, column, columns }) => [kind, table, column ?? columns])

describe('what a script destroys, or may fail on, is named:', () => {
  const table: [string, unknown[][]][] = [
    ['DROP TABLE "s"."T"', [['drop-table', 'T', undefined]]],
    ['ALTER TABLE "T" DROP COLUMN "a"', [['drop-column', 'T', 'a']]],
    ['ALTER TABLE "T" DROP COLUMN "a", ADD COLUMN "a" INTEGER', [['recreate-column', 'T', 'a']]],
    ['ALTER TABLE "T" ADD COLUMN "a" INTEGER NOT NULL', [['required-column', 'T', 'a']]],
    [
      'ALTER TABLE "T" ADD COLUMN "a" INTEGER NOT NULL DEFAULT 1, ADD COLUMN "b" SERIAL NOT NULL, ADD COLUMN "c" TEXT',
      [],
    ],
    ['ALTER TABLE "T" ALTER COLUMN "a" SET NOT NULL', [['set-required', 'T', 'a']]],
    ['ALTER TABLE "T" ALTER COLUMN "a" SET DATA TYPE INTEGER', [['type-change', 'T', 'a']]],
    ['CREATE UNIQUE INDEX "i" ON "T"("a", "b")', [['unique', 'T', ['a', 'b']]]],
    ['CREATE TABLE "T" ("a" TEXT NOT NULL); CREATE UNIQUE INDEX "i" ON "T"("a")', []],
    ['ALTER TABLE "T" ADD CONSTRAINT "p" PRIMARY KEY ("a")', [['primary-key', 'T', ['a']]]],
    ['DROP TYPE "R"', [['drop-enum', 'R', undefined]]],
    ['CREATE INDEX "i" ON "T"("a"); DROP INDEX "j"; SELECT 1', []],
  ]
  for (const [script, hazards] of table) test(script, () => expect(found(script)).toEqual(hazards))

  test('an enum that loses values, and not the columns that are only retyped for it', () => {
    const script = `BEGIN; CREATE TYPE "R_new" AS ENUM ('A'); ALTER TABLE "U" ALTER COLUMN "r" TYPE "R_new" USING ("r"::text::"R_new"); ALTER TYPE "R" RENAME TO "R_old"; ALTER TYPE "R_new" RENAME TO "R"; DROP TYPE "R_old"; COMMIT;`
    expect(found(script)).toEqual([['drop-enum-value', 'R', undefined]])
  })

  test('a MySQL column that is redefined', () => {
    expect(found('ALTER TABLE `T` MODIFY `a` INTEGER NOT NULL', mysql)).toEqual([
      ['type-change', 'T', 'a'],
      ['set-required', 'T', 'a'],
    ])
  })

  test('a SQLite table that is built anew: a column of another type', () => {
    const rebuild = (type: string) =>
      `CREATE TABLE "new_T" ("id" INTEGER NOT NULL PRIMARY KEY, "a" ${type}); INSERT INTO "new_T" ("id", "a") SELECT "id", "a" FROM "T"; DROP TABLE "T"; ALTER TABLE "new_T" RENAME TO "T";`
    const types = (...args: Parameters<typeof found>) => found(...args).filter(([kind]) => kind === 'type-change')
    expect(types(rebuild('INTEGER'), sqlite, rebuild('TEXT'))).toEqual([['type-change', 'T', 'a']])
    expect(types(rebuild('INTEGER'), sqlite, rebuild('integer'))).toEqual([])
  })

  test('a SQLite table that is built anew: a column that becomes required', () => {
    const rebuild = (mark: string, selected = '"a"') =>
      `CREATE TABLE "new_T" ("id" INTEGER NOT NULL PRIMARY KEY, "a" TEXT${mark}); INSERT INTO "new_T" ("id", "a") SELECT "id", ${selected} FROM "T"; DROP TABLE "T"; ALTER TABLE "new_T" RENAME TO "T";`
    const required = (...args: Parameters<typeof found>) => found(...args).filter(([kind]) => kind === 'set-required')
    expect(required(rebuild(' NOT NULL'), sqlite, rebuild(''))).toEqual([['set-required', 'T', 'a']])
    expect(required(rebuild(' NOT NULL'), sqlite, rebuild(' NOT NULL'))).toEqual([])
    expect(required(rebuild(' NOT NULL DEFAULT 5', 'coalesce("a", 5) AS "a"'), sqlite, rebuild(''))).toEqual([])
    expect(required(rebuild(''), sqlite, rebuild(' NOT NULL'))).toEqual([])
  })

  test('a SQLite table that is built anew: a unique key that it did not have', () => {
    const rebuild = (...keys: string[]) =>
      `CREATE TABLE "new_T" ("id" INTEGER NOT NULL PRIMARY KEY, "a" TEXT, "b" TEXT); INSERT INTO "new_T" ("id", "a", "b") SELECT "id", "a", "b" FROM "T"; DROP TABLE "T"; ALTER TABLE "new_T" RENAME TO "T";${keys.map((key) => ` CREATE UNIQUE INDEX "T_${key}_key" ON "T"("${key}");`).join('')}`
    const uniques = (...args: Parameters<typeof found>) => found(...args).filter(([kind]) => kind === 'unique')
    expect(uniques(rebuild('a', 'b'), sqlite, rebuild('a'))).toEqual([['unique', 'T', ['b']]])
    expect(uniques(rebuild('a', 'b'), sqlite)).toEqual([
      ['unique', 'T', ['a']],
      ['unique', 'T', ['b']],
    ])
  })

  test('a SQLite table that is built anew: what is not copied, known from the way back', () => {
    const rebuild = (columns: string, copied: string) =>
      `CREATE TABLE "new_T" ("id" INTEGER NOT NULL PRIMARY KEY${columns}); INSERT INTO "new_T" (${copied}) SELECT ${copied} FROM "T"; DROP TABLE "T"; ALTER TABLE "new_T" RENAME TO "T"; CREATE UNIQUE INDEX "i" ON "T"("x");`
    expect(found(rebuild(', "x" TEXT NOT NULL', '"id"'), sqlite, rebuild(', "y" TEXT', '"id"'))).toEqual([
      ['rebuild-table', 'T', ['id']],
      ['drop-column', 'T', 'y'],
      ['required-column', 'T', 'x'],
    ])
    expect(found(rebuild('', '"id"').replace(/INSERT[^;]*;/, ''), sqlite)).toEqual([['drop-table', 'T', undefined]])
  })

  test.each<[string, unknown[][], typeof mysql]>([
    [
      'DROP TABLE IF EXISTS a, "B" CASCADE',
      [
        ['drop-table', 'a', undefined],
        ['drop-table', 'B', undefined],
      ],
      postgresql,
    ],
    ['DROP TABLE Users', [['drop-table', 'users', undefined]], postgresql],
    [
      'TRUNCATE TABLE ONLY a, b RESTART IDENTITY',
      [
        ['delete-rows', 'a', undefined],
        ['delete-rows', 'b', undefined],
      ],
      postgresql,
    ],
    ['DELETE FROM a AS x WHERE x.id = 1 RETURNING *', [['delete-rows', 'a', undefined]], postgresql],
    [
      'WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone',
      [['delete-rows', 'a', undefined]],
      postgresql,
    ],
    ['DO $$ BEGIN IF true THEN DROP TABLE a; END IF; END $$', [['drop-table', 'a', undefined]], postgresql],
    ['DROP SCHEMA s CASCADE', [['drop-schema', 's', undefined]], postgresql],
    ['DROP SCHEMA s', [], postgresql],
    ['ALTER TABLE a ENABLE ROW LEVEL SECURITY, DROP COLUMN b RESTRICT', [['drop-column', 'a', 'b']], postgresql],
    ['CREATE TEMP TABLE x AS SELECT * FROM a; DROP TABLE a', [['drop-table', 'a', undefined]], postgresql],
    ['CREATE TABLE IF NOT EXISTS a (id INT); DROP TABLE a', [['drop-table', 'a', undefined]], postgresql],
    ['/*!40000 DROP TABLE `a` */', [['drop-table', 'a', undefined]], mysql],
    ['ALTER TABLE a DROP PARTITION p', [['delete-rows', 'a', undefined]], mysql],
    ['CREATE OR REPLACE TABLE a (id INT)', [['drop-table', 'a', undefined]], mysql],
    ['CREATE TABLE n LIKE a; INSERT INTO n SELECT * FROM a; DROP TABLE a; RENAME TABLE n TO a', [], mysql],
    ['CREATE TABLE n AS SELECT * FROM a; DROP TABLE a; ALTER TABLE n RENAME TO a', [], sqlite],
    ['CREATE TABLE n AS SELECT * FROM a; DROP TABLE a; DROP TABLE n', [['drop-table', 'n', undefined]], sqlite],
    ['CREATE TABLE n (id INT); DELETE FROM n; DROP TABLE n', [], sqlite],
    ['UPDATE a SET b = NULL; SELECT 1; INSERT INTO a VALUES (1)', [], sqlite],
  ])('as a person writes it: %s', (script, hazards, syntax) => expect(found(script, syntax)).toEqual(hazards))

  test('every hazard is told in a sentence', () => {
    expect(findHazards('ALTER TABLE "a"."T" DROP COLUMN "c"', postgresql)).toEqual([
      { kind: 'drop-column', schema: 'a', table: 'T', column: 'c', message: 'Column T.c is dropped with its values.' },
    ])
  })
})

describe('a new enum value is not used in the transaction that adds it:', () => {
  const add = `-- AlterEnum\n-- two values; really\n\nALTER TYPE "R" ADD VALUE 'C';\nALTER TYPE "R" ADD VALUE 'D''s';\n\n`
  const use = `-- AlterTable\nALTER TABLE "U" ALTER COLUMN "r" SET DEFAULT 'D''s';\n`

  test('a script that does both becomes two, with nothing lost', () => {
    expect(splitUnsafeEnum(`${use}\n${add}${use}`, postgresql)).toEqual([`${add.trim()}\n`, `${use}\n${use}`])
  })

  for (const [title, script] of [
    ['a new table with such a default', 'CREATE TABLE "T" ("r" "R" NOT NULL DEFAULT \'C\');'],
    ['a list with such a default', 'ALTER TABLE "T" ADD COLUMN "r" "R"[] DEFAULT ARRAY[\'C\']::"R"[];'],
    ['a statement that is not understood', 'UPDATE "U" SET r = \'C\';'],
  ] as const)
    test(`${title} uses it`, () => expect(splitUnsafeEnum(add + script, postgresql)).toHaveLength(2))

  for (const [title, script] of [
    ['nothing', ''],
    ['the same word in a column of another type', 'ALTER TABLE "T" ADD COLUMN "t" TEXT NOT NULL DEFAULT \'C\';'],
    ['the same word in another enum', 'CREATE TYPE "S" AS ENUM (\'C\');'],
    ['another value', 'ALTER TABLE "U" ALTER COLUMN "r" SET DEFAULT \'A\';'],
  ] as const)
    test(`${title} does not`, () => expect(splitUnsafeEnum(add + script, postgresql)).toBeUndefined())

  test('a script that adds no value is left alone', () => expect(splitUnsafeEnum(use, postgresql)).toBeUndefined())
})
