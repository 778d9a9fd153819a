import type { Provider } from '../../../engines/engine.js'
import { describeStatement } from '../../../engines/sql/statements.js'
import { syntaxes } from './syntaxes.js'

const described: [Provider, string, object[] | undefined][] = [
  ['postgresql', 'CREATE SCHEMA IF NOT EXISTS "auth"', [{ action: 'create', object: 'schema', name: 'auth' }]],
  [
    'postgresql',
    'CREATE EXTENSION IF NOT EXISTS "citext" WITH SCHEMA "public"',
    [{ action: 'create', object: 'extension', name: 'citext' }],
  ],
  [
    'postgresql',
    `CREATE TYPE "a"."R" AS ENUM ('X', 'it''s')`,
    [{ action: 'create', object: 'enum', schema: 'a', name: 'R', values: ['X', "it's"] }],
  ],
  [
    'postgresql',
    `ALTER TYPE "R" ADD VALUE IF NOT EXISTS 'Y' AFTER 'X'`,
    [{ action: 'create', object: 'enumValue', type: 'R', name: 'Y' }],
  ],
  [
    'postgresql',
    'CREATE UNIQUE INDEX "i" ON "a"."T" USING HASH ("x" DESC, lower("y"))',
    [{ action: 'create', object: 'uniqueIndex', schema: 'a', table: 'T', name: 'i', columns: ['x', 'LOWER'] }],
  ],
  ['postgresql', 'ALTER INDEX "a" RENAME TO "b"', [{ action: 'rename', object: 'index', name: 'a', newName: 'b' }]],
  ['postgresql', 'DROP INDEX "a"."i"', [{ action: 'drop', object: 'index', schema: 'a', name: 'i' }]],
  ['postgresql', 'DROP TABLE IF EXISTS "T" CASCADE', [{ action: 'drop', object: 'table', table: 'T', name: 'T' }]],
  [
    'postgresql',
    `ALTER TABLE "T" ADD COLUMN     "a" VARCHAR(3)[] NOT NULL DEFAULT ARRAY['x', 'NOT']::TEXT[], DROP COLUMN "b", ALTER COLUMN "c" SET DATA TYPE "R" USING ("c"::text::"R"), ALTER COLUMN "c" SET DEFAULT 'a,b'`,
    [
      {
        action: 'create',
        object: 'column',
        name: 'a',
        type: 'VARCHAR(3)[]',
        notNull: true,
        hasDefault: true,
        default: `ARRAY['x', 'NOT']::TEXT[]`,
      },
      { action: 'drop', object: 'column', name: 'b' },
      { action: 'alter', object: 'column', name: 'c', change: 'type', type: '"R"' },
      { action: 'alter', object: 'column', name: 'c', change: 'set-default', default: `'a,b'` },
    ],
  ],
  [
    'postgresql',
    'ALTER TABLE "T" DROP CONSTRAINT "p", ADD CONSTRAINT "p" PRIMARY KEY ("a","b"), RENAME CONSTRAINT "x" TO "y"',
    [
      { action: 'drop', object: 'constraint', name: 'p' },
      { action: 'create', object: 'primaryKey', name: 'p', columns: ['a', 'b'] },
      { action: 'rename', object: 'constraint', name: 'x', newName: 'y' },
    ],
  ],
  [
    'postgresql',
    'ALTER TABLE "T" ADD CONSTRAINT "f" FOREIGN KEY ("a") REFERENCES "s"."U"("id") ON DELETE SET NULL ON UPDATE CASCADE',
    [{ action: 'create', object: 'foreignKey', table: 'T', name: 'f', columns: ['a'] }],
  ],
  [
    'sqlite',
    'CREATE TABLE "new_T" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "d" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "n" TEXT DEFAULT NULL, CONSTRAINT "f" FOREIGN KEY ("n") REFERENCES "U" ("id"))',
    [
      {
        action: 'create',
        object: 'table',
        name: 'new_T',
        definition: {
          columns: [
            { name: 'id', type: 'INTEGER', notNull: true, hasDefault: true, primaryKey: true, unique: false },
            {
              name: 'd',
              type: 'DATETIME',
              notNull: true,
              hasDefault: true,
              default: 'CURRENT_TIMESTAMP',
              primaryKey: false,
              unique: false,
            },
            {
              name: 'n',
              type: 'TEXT',
              notNull: false,
              hasDefault: false,
              default: 'NULL',
              primaryKey: false,
              unique: false,
            },
          ],
          keys: [{ kind: 'foreignKey', name: 'f', columns: ['n'] }],
        },
      },
    ],
  ],
  [
    'sqlite',
    'INSERT INTO "new_T" ("a", "b") SELECT "a", coalesce("b", 1) AS "b" FROM "T"',
    [
      {
        action: 'insert',
        object: 'table',
        table: 'new_T',
        columns: ['a', 'b'],
        selected: ['"a"', 'coalesce("b", 1) AS "b"'],
        from: 'T',
      },
    ],
  ],
  ['sqlite', 'PRAGMA foreign_keys=off', [{ action: 'control', object: 'pragma', name: 'foreign_keys' }]],
  [
    'mysql',
    "CREATE TABLE `T` (`id` INTEGER UNSIGNED NOT NULL AUTO_INCREMENT, `e` ENUM('a', 'NOT NULL') NOT NULL, UNIQUE INDEX `u`(`e`), FULLTEXT INDEX `x`(`e`(10)), PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4",
    [
      {
        action: 'create',
        object: 'table',
        definition: {
          columns: [
            { name: 'id', type: 'INTEGER UNSIGNED', notNull: true, hasDefault: true, primaryKey: false, unique: false },
            {
              name: 'e',
              type: "ENUM('a', 'NOT NULL')",
              notNull: true,
              hasDefault: false,
              primaryKey: false,
              unique: false,
            },
          ],
          keys: [
            { kind: 'uniqueIndex', name: 'u', columns: ['e'] },
            { kind: 'index', name: 'x', columns: ['e'] },
            { kind: 'primaryKey', name: '', columns: ['id'] },
          ],
        },
      },
    ],
  ],
  [
    'mysql',
    'ALTER TABLE `T` MODIFY `a` VARCHAR(191) NULL, DROP FOREIGN KEY `f`, DROP PRIMARY KEY, ADD PRIMARY KEY (`b`), ADD UNIQUE INDEX `u`(`c`), RENAME INDEX `x` TO `y`, DROP INDEX `z`',
    [
      { action: 'alter', object: 'column', name: 'a', type: 'VARCHAR(191)', notNull: false, change: 'definition' },
      { action: 'drop', object: 'foreignKey', name: 'f' },
      { action: 'drop', object: 'primaryKey' },
      { action: 'create', object: 'primaryKey', columns: ['b'] },
      { action: 'create', object: 'uniqueIndex', name: 'u', columns: ['c'] },
      { action: 'rename', object: 'index', name: 'x', newName: 'y' },
      { action: 'drop', object: 'index', name: 'z' },
    ],
  ],
  ['mysql', 'DROP INDEX `i` ON `T`', [{ action: 'drop', object: 'index', name: 'i', table: 'T' }]],
  ['postgresql', 'CREATE VIEW v AS SELECT 1', undefined],
  ['postgresql', 'UPDATE "T" SET a = 1', undefined],
  ['postgresql', 'ALTER TABLE "T" ADD COLUMN "a" TEXT, ENABLE ROW LEVEL SECURITY', undefined],
  ['sqlite', 'CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END', undefined],
]

describe('the effects of DDL are read clause by clause, and what is unknown is left alone:', () => {
  for (const [provider, sql, effects] of described)
    test(`${sql.slice(0, 90)} (${provider})`, () => {
      const actual = describeStatement(sql, syntaxes[provider])
      if (effects === undefined) expect(actual).toBeUndefined()
      else {
        expect(actual).toHaveLength(effects.length)
        expect(actual).toMatchObject(effects)
      }
    })
})
