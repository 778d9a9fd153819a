import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { groupOperations, type OperationPlan, planOperations } from '../../../src/migrations/operations.js'
import { renderMigration } from '../../../src/migrations/writer.js'
import { engines } from './engines.js'

const { postgresql, sqlite, mysql } = engines
const names = ({ operations }: OperationPlan) => operations.map(({ up, down }) => [up.name, down?.name])
const downs = ({ operations }: OperationPlan) => [...operations].reverse().flatMap(({ down }) => down?.statements ?? [])
const pg = (up: string, down: string, base = '') => planOperations({ up, down, base, engine: postgresql })

const USER_AND_POST = {
  up: `-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "Role" AS ENUM ('A');

-- CreateTable
CREATE TABLE "User" (
    "id" SERIAL NOT NULL,
    "email" TEXT NOT NULL,
    "role" "Role" NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Post" (
    "id" INTEGER NOT NULL,
    "authorId" INTEGER NOT NULL,

    CONSTRAINT "Post_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");

-- AddForeignKey
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
`,
  down: `-- DropForeignKey
ALTER TABLE "public"."Post" DROP CONSTRAINT "Post_authorId_fkey";

-- DropTable
DROP TABLE "public"."User";

-- DropTable
DROP TABLE "public"."Post";

-- DropEnum
DROP TYPE "public"."Role";
`,
}

describe('every up is paired with its one inverse, never by position:', () => {
  test('new tables are dropped in the reverse order, dependants first, whatever order the down script had', () => {
    const plan = pg(USER_AND_POST.up, USER_AND_POST.down)
    expect(plan.grouped).toBe(false)
    expect(names(plan)).toEqual([
      ['createPublicSchema', 'keepPublicSchema'],
      ['createRoleEnum', 'dropRoleEnum'],
      ['createUserTable', 'dropUserTable'],
      ['createPostTable', 'dropPostTable'],
      ['addPostAuthorIdForeignKey', 'dropPostAuthorIdForeignKey'],
    ])
    expect(downs(plan)).toEqual([
      'ALTER TABLE "Post" DROP CONSTRAINT "Post_authorId_fkey"',
      'DROP TABLE "Post"',
      'DROP TABLE "User"',
      'DROP TYPE "Role"',
    ])
    expect(plan.operations[2]!.up.statements).toHaveLength(2)
  })

  test('a schema is kept on the way down, and the code says so', () => {
    const [schema] = pg(USER_AND_POST.up, USER_AND_POST.down).operations
    expect(schema!.down).toEqual({
      name: 'keepPublicSchema',
      statements: [],
      note: 'Schema public is kept: other objects may be using it.',
    })
  })

  test('a dropped table comes back with its indexes, and a note that its rows do not', () => {
    const plan = pg(
      '-- DropTable\nDROP TABLE "T";\n',
      '-- CreateTable\nCREATE TABLE "T" (\n "id" INTEGER NOT NULL\n);\n\n-- CreateIndex\nCREATE INDEX "T_id_idx" ON "T"("id");\n',
    )
    expect(names(plan)).toEqual([['dropTTable', 'createTTable']])
    expect(downs(plan)).toHaveLength(2)
    expect(plan.notes).toEqual(['The down brings table T back without its rows.'])
  })

  test('a foreign key that is dropped and added anew gives two operations around what lies between', () => {
    const script = (change: string, action: string) => `-- DropForeignKey
ALTER TABLE "P" DROP CONSTRAINT "P_fkey";

-- AlterTable
ALTER TABLE "P" ALTER COLUMN "a" SET DATA TYPE ${change};

-- AddForeignKey
ALTER TABLE "P" ADD CONSTRAINT "P_fkey" FOREIGN KEY ("a") REFERENCES "U"("id") ON DELETE ${action};
`
    const plan = pg(script('BIGINT', 'CASCADE'), script('INTEGER', 'RESTRICT'))
    expect(plan.operations.map(({ down }) => down!.statements[0]!.replace(/ FOREIGN.*/, ''))).toEqual([
      'ALTER TABLE "P" ADD CONSTRAINT "P_fkey"',
      'ALTER TABLE "P" ALTER COLUMN "a" SET DATA TYPE INTEGER',
      'ALTER TABLE "P" DROP CONSTRAINT "P_fkey"',
    ])
    expect(names(plan).map(([up]) => up)).toEqual(['dropPAForeignKey', 'changePAType', 'addPAForeignKey2'])
  })

  test('several clauses for one table are one operation', () => {
    const plan = pg(
      '-- AlterTable\nALTER TABLE "U" ADD COLUMN     "a" TEXT,\nADD COLUMN     "b" INTEGER;\n',
      '-- AlterTable\nALTER TABLE "U" DROP COLUMN "a",\nDROP COLUMN "b";\n',
    )
    expect(names(plan)).toEqual([['addUAAndB', 'dropUAAndB']])
  })

  test('renames are undone by the opposite rename', () => {
    const plan = pg(
      '-- RenameIndex\nALTER INDEX "a" RENAME TO "b";\n\n-- RenameForeignKey\nALTER TABLE "U" RENAME CONSTRAINT "c" TO "d";\n',
      '-- RenameForeignKey\nALTER TABLE "U" RENAME CONSTRAINT "d" TO "c";\n\n-- RenameIndex\nALTER INDEX "b" RENAME TO "a";\n',
    )
    expect(names(plan)).toEqual([
      ['renameAToB', 'renameBToA'],
      ['renameCToD', 'renameDToC'],
    ])
  })

  test('what is left over makes the whole migration one operation, in the order of the scripts', () => {
    const up =
      '-- AlterTable\nALTER TABLE "U" DROP COLUMN "c",\nADD COLUMN     "c" INTEGER;\n\n-- CreateIndex\nCREATE INDEX "i" ON "U"("c");\n'
    const plan = pg(up, '-- AlterTable\nALTER TABLE "U" ALTER COLUMN "c" SET DATA TYPE TEXT;\n')
    expect(plan.grouped).toBe(true)
    expect(names(plan)).toEqual([['applyChanges', 'revertChanges']])
    expect(plan.operations[0]!.up.statements).toHaveLength(2)
  })

  test('what is not understood makes it one operation too', () => {
    const plan = pg('CREATE VIEW v AS SELECT 1;', 'DROP VIEW v;')
    expect(plan).toMatchObject({ grouped: true, operations: [{ up: { statements: ['CREATE VIEW v AS SELECT 1'] } }] })
  })

  test('the grouped form can be asked for, and an empty migration has no operation', () => {
    expect(groupOperations({ ...USER_AND_POST, engine: postgresql }).operations).toHaveLength(1)
    expect(pg('-- This is an empty migration.', '-- This is an empty migration.').operations).toEqual([])
  })
})

describe('PostgreSQL enums:', () => {
  const rebuild = (extra = '') => `-- AlterEnum
BEGIN;
CREATE TYPE "R_new" AS ENUM ('A', 'B');
ALTER TABLE "U" ALTER COLUMN "r" TYPE "R_new" USING ("r"::text::"R_new");
ALTER TYPE "R" RENAME TO "R_old";
ALTER TYPE "R_new" RENAME TO "R";
DROP TYPE "R_old";
COMMIT;
${extra}`

  test('an added value is undone by building the enum anew, within the transaction of rays', () => {
    const plan = pg(`-- AlterEnum\nALTER TYPE "R" ADD VALUE 'C';\n`, rebuild())
    expect(names(plan)).toEqual([['addCToR', 'removeCFromR']])
    expect(downs(plan)[0]).toBe(`CREATE TYPE "R_new" AS ENUM ('A', 'B')`)
    expect(downs(plan).at(-1)).toBe('DROP TYPE "R_old"')
    expect(plan.notes[0]).toMatch(/Enum R keeps only A, B: fails where other values are in use/)
  })

  test('a table of that enum is dropped before the enum is built anew', () => {
    const plan = pg(
      `-- AlterEnum\nALTER TYPE "R" ADD VALUE 'C';\n\n-- CreateTable\nCREATE TABLE "T" (\n "r" "R"\n);\n`,
      rebuild('\n-- DropTable\nDROP TABLE "T";\n'),
    )
    expect(plan.grouped).toBe(false)
    expect(downs(plan)[0]).toBe('DROP TABLE "T"')
  })

  test('adding a value moves behind the dropping of columns of that enum, so that undoing finds none', () => {
    const plan = pg(
      `-- AlterEnum\nALTER TYPE "R" ADD VALUE 'C';\n\n-- DropTable\nDROP TABLE "T";\n`,
      rebuild('\n-- CreateTable\nCREATE TABLE "T" (\n "r" "R"\n);\n'),
    )
    expect(names(plan).map(([up]) => up)).toEqual(['dropTTable', 'addCToR'])
  })

  test('a default that changes along with the enum keeps all in one operation', () => {
    const plan = pg(
      `-- AlterEnum\nALTER TYPE "R" ADD VALUE 'C';\n\n-- AlterTable\nALTER TABLE "U" ALTER COLUMN "r" SET DEFAULT 'C';\n`,
      rebuild(`\n-- AlterTable\nALTER TABLE "U" ALTER COLUMN "r" SET DEFAULT 'A';\n`),
    )
    expect(plan.grouped).toBe(true)
  })

  test('a rebuild that the script puts too early is moved behind what it needs', () => {
    const plan = pg(
      rebuild('\n-- DropTable\nDROP TABLE "T";\n'),
      `-- AlterEnum\nALTER TYPE "R" ADD VALUE 'C';\n\n-- CreateTable\nCREATE TABLE "T" (\n "r" "R"\n);\n`,
    )
    expect(plan.operations.map(({ up }) => up.name)).toEqual(['dropTTable', 'removeCFromR'])
  })
})

describe('SQLite tables that are built anew:', () => {
  const redefine = (table: string, columns: string, copied: string, more = '') => `-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_${table}" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT${columns}
);
INSERT INTO "new_${table}" (${copied}) SELECT ${copied} FROM "${table}";
DROP TABLE "${table}";
ALTER TABLE "new_${table}" RENAME TO "${table}";
${more}PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
`
  const lite = (up: string, down: string) => planOperations({ up, down, engine: sqlite })

  test('a column added in place is undone by the block, whole and with its PRAGMAs', () => {
    const plan = lite('-- AlterTable\nALTER TABLE "U" ADD COLUMN "x" TEXT;\n', redefine('U', '', '"id"'))
    expect(names(plan)).toEqual([['addUX', 'dropUX']])
    expect(downs(plan)).toHaveLength(8)
    expect(downs(plan)[0]).toBe('PRAGMA defer_foreign_keys=ON')
  })

  test('indexes that only one side names go with their table', () => {
    const plan = lite(
      '-- AlterTable\nALTER TABLE "U" ADD COLUMN "x" TEXT;\n\n-- CreateTable\nCREATE TABLE "P" (\n "id" TEXT\n);\n\n-- CreateIndex\nCREATE INDEX "U_x_idx" ON "U"("x");\n',
      `-- DropTable\nPRAGMA foreign_keys=off;\nDROP TABLE "P";\nPRAGMA foreign_keys=on;\n\n${redefine('U', '', '"id"')}`,
    )
    expect(names(plan)).toEqual([
      ['addUX', 'dropUX'],
      ['createPTable', 'dropPTable'],
    ])
    expect(plan.operations[0]!.up.statements).toHaveLength(2)
  })

  test('blocks of different tables are not paired', () => {
    expect(lite(redefine('U', '', '"id"'), redefine('V', '', '"id"')).grouped).toBe(true)
  })

  test('a required column that comes back is filled in the copy', () => {
    const plan = lite(
      redefine('U', '', '"id"'),
      redefine('U', ',\n    "x" TEXT NOT NULL,\n    "n" DATETIME NOT NULL', '"id"'),
    )
    expect(downs(plan)[3]).toBe(`INSERT INTO "new_U" ("id", "x") SELECT "id", '' FROM "U"`)
    expect(plan.notes).toEqual([
      "The down brings U.x back with '' in every row; the old values are lost.",
      'The down refuses while the table has rows: U.n becomes required again and cannot be filled, because no value of type DATETIME is neutral.',
      'The down brings column U.n back without its values.',
    ])
    expect(plan.operations[0]!.down!.note).toBe(plan.notes.join('\n'))
  })

  test('NULLs of a column that becomes required again are filled in the copy', () => {
    const column = (more: string) => redefine('U', `,\n    "x" TEXT${more}`, '"id", "x"')
    const plan = lite(column(''), column(' NOT NULL'))
    expect(downs(plan)[3]).toBe(`INSERT INTO "new_U" ("id", "x") SELECT "id", coalesce("x", '') AS "x" FROM "U"`)
  })

  test('a column of a unique key is left as it is', () => {
    const unique = 'CREATE UNIQUE INDEX "U_x_key" ON "U"("x");\n'
    const plan = lite(redefine('U', '', '"id"'), redefine('U', ',\n    "x" TEXT NOT NULL', '"id"', unique))
    expect(downs(plan)[3]).toBe('INSERT INTO "new_U" ("id") SELECT "id" FROM "U"')
    expect(plan.notes[0]).toMatch(/^The down refuses while the table has rows: U.x .* part of a unique key/)
  })
})

describe('the down runs on tables with rows:', () => {
  test('a required column comes back with a neutral value that is no default afterwards', () => {
    const plan = pg(
      '-- AlterTable\nALTER TABLE "s"."U" DROP COLUMN "a",\nDROP COLUMN "b",\nDROP COLUMN "c",\nDROP COLUMN "d";\n',
      `-- AlterTable\nALTER TABLE "s"."U" ADD COLUMN     "a" TEXT NOT NULL,\nADD COLUMN     "b" INTEGER,\nADD COLUMN     "c" BOOLEAN NOT NULL,\nADD COLUMN     "d" TEXT NOT NULL DEFAULT 'x';\n`,
    )
    expect(downs(plan)).toEqual([
      `ALTER TABLE "s"."U" ADD COLUMN     "a" TEXT NOT NULL DEFAULT '',\nADD COLUMN     "b" INTEGER,\nADD COLUMN     "c" BOOLEAN NOT NULL DEFAULT false,\nADD COLUMN     "d" TEXT NOT NULL DEFAULT 'x'`,
      'ALTER TABLE "s"."U" ALTER COLUMN "a" DROP DEFAULT,\nALTER COLUMN "c" DROP DEFAULT',
    ])
    expect(plan.notes).toContain("The down brings U.a back with '' in every row; the old values are lost.")
  })

  test('NULLs get the neutral value of the type that the column has at that moment, or the default', () => {
    const base =
      '-- CreateTable\nCREATE TABLE "U" (\n "a" TEXT NOT NULL,\n "b" TEXT NOT NULL,\n "c" TEXT NOT NULL DEFAULT \'q\'\n);\n'
    const plan = pg(
      '-- AlterTable\nALTER TABLE "U" ALTER COLUMN "a" DROP NOT NULL,\nALTER COLUMN "a" SET DATA TYPE INTEGER,\nALTER COLUMN "b" DROP NOT NULL,\nALTER COLUMN "c" DROP NOT NULL,\nALTER COLUMN "c" DROP DEFAULT;\n',
      '-- AlterTable\nALTER TABLE "U" ALTER COLUMN "a" SET NOT NULL,\nALTER COLUMN "a" SET DATA TYPE TEXT,\nALTER COLUMN "b" SET NOT NULL,\nALTER COLUMN "c" SET NOT NULL,\nALTER COLUMN "c" SET DEFAULT \'q\';\n',
      base,
    )
    expect(downs(plan).slice(0, -1)).toEqual([
      'UPDATE "U" SET "a" = 0 WHERE "a" IS NULL',
      `UPDATE "U" SET "b" = '' WHERE "b" IS NULL`,
      `UPDATE "U" SET "c" = 'q' WHERE "c" IS NULL`,
    ])
  })

  test('a column of a foreign key that the down adds is left as it is, and the note says why', () => {
    const fk = '\n-- AddForeignKey\nALTER TABLE "P" ADD CONSTRAINT "f" FOREIGN KEY ("u") REFERENCES "U"("id");\n'
    const drop = '-- DropForeignKey\nALTER TABLE "P" DROP CONSTRAINT "f";\n\n'
    const plan = pg(
      `${drop}-- AlterTable\nALTER TABLE "P" ALTER COLUMN "u" DROP NOT NULL;\n${fk}`,
      `${drop}-- AlterTable\nALTER TABLE "P" ALTER COLUMN "u" SET NOT NULL;\n${fk}`,
    )
    expect(downs(plan).join('\n')).not.toContain('UPDATE')
    expect(plan.notes).toEqual([
      'The down refuses while rows hold NULL in it: P.u becomes required again and cannot be filled, because it is part of a foreign key.',
    ])
  })

  test('MySQL: a column is nullable until its rows are filled, so that every type can be', () => {
    const plan = planOperations({
      up: '-- AlterTable\nALTER TABLE `U` DROP COLUMN `a`;\n\n-- AlterTable\nALTER TABLE `V` MODIFY `b` INTEGER NULL;\n',
      down: '-- AlterTable\nALTER TABLE `U` ADD COLUMN `a` TEXT NOT NULL;\n\n-- AlterTable\nALTER TABLE `V` MODIFY `b` INTEGER NOT NULL;\n',
      engine: mysql,
    })
    expect(plan.operations[0]!.down!.statements).toEqual([
      'ALTER TABLE `U` ADD COLUMN `a` TEXT NULL',
      "UPDATE `U` SET `a` = '' WHERE `a` IS NULL",
      'ALTER TABLE `U` MODIFY `a` TEXT NOT NULL',
    ])
    expect(plan.operations[1]!.down!.statements[0]).toBe('UPDATE `V` SET `b` = 0 WHERE `b` IS NULL')
  })
})

describe('where the database cannot take back a statement', () => {
  const order = (...steps: [up: string, down: string][]) =>
    names(
      planOperations({
        up: '',
        down: '',
        engine: mysql,
        steps: steps.map(([up, down]) => ({ up: [up], down: [down] })),
      }),
    ).map(([up]) => up)
  const drop: [string, string] = ['ALTER TABLE `U` DROP COLUMN `a`', 'ALTER TABLE `U` ADD COLUMN `a` INTEGER NULL']
  const round: [string, string] = ['ALTER TABLE `V` MODIFY `x` INTEGER NULL', 'ALTER TABLE `V` MODIFY `x` DOUBLE NULL']
  const unique: [string, string] = ['CREATE UNIQUE INDEX `U_b` ON `U`(`b`)', 'DROP INDEX `U_b` ON `U`']
  const add: [string, string] = ['ALTER TABLE `W` ADD COLUMN `n` INTEGER NULL', 'ALTER TABLE `W` DROP COLUMN `n`']
  const retype: [string, string] = [
    'ALTER TABLE `W` MODIFY `t` DATETIME(3) NULL',
    'ALTER TABLE `W` MODIFY `t` VARCHAR(191) NULL',
  ]

  test('what may be refused comes first, then what rounds values, then what drops them; what adds is undone last', () => {
    expect(order(drop, round, unique, retype, add)).toEqual([
      'addWN',
      'createUBUniqueIndex',
      'changeWT',
      'changeVX',
      'dropUA',
    ])
  })

  test('but nothing passes what concerns the same column, the same key or a whole table', () => {
    const again: [string, string] = ['ALTER TABLE `U` ADD COLUMN `a` TEXT NULL', 'ALTER TABLE `U` DROP COLUMN `a`']
    expect(order(drop, again)).toEqual(['dropUA', 'addUA2'])
    const key: [string, string] = ['ALTER TABLE `U` ADD PRIMARY KEY (`b`)', 'ALTER TABLE `U` DROP PRIMARY KEY']
    expect(order(drop, key)[0]).toBe('dropUA')
    const refers: [string, string] = [
      'ALTER TABLE `V` ADD CONSTRAINT `f` FOREIGN KEY (`u`) REFERENCES `U`(`id`) ON DELETE SET NULL ON UPDATE CASCADE',
      'ALTER TABLE `V` DROP FOREIGN KEY `f`',
    ]
    const gone: [string, string] = ['DROP TABLE `U`', 'CREATE TABLE `U` (`id` INTEGER NOT NULL, PRIMARY KEY (`id`))']
    expect(order(drop, refers)).toEqual(['addVUForeignKey', 'dropUA'])
    expect(order(gone, refers)[0]).toBe('dropUTable')
  })
})

test('a sequence whose name the engine did not know is found by its column', () => {
  const plan = pg(
    '-- AlterTable\nCREATE SEQUENCE u_id_seq;\nALTER TABLE "U" ALTER COLUMN "id" SET DEFAULT nextval(\'u_id_seq\');\nALTER SEQUENCE u_id_seq OWNED BY "U"."id";\n',
    '-- AlterTable\nALTER TABLE "U" ALTER COLUMN "id" DROP DEFAULT;\nDROP SEQUENCE "";\n',
  )
  expect(plan.grouped).toBe(false)
  expect(downs(plan)[1]).toContain(`pg_get_serial_sequence('"U"', 'id')`)
})

test('function names are unique, short and valid for any name of a table', () => {
  const tables = [
    'user',
    'User',
    '_user',
    'ユーザー',
    '1st',
    '😀',
    'a b-c',
    'x'.repeat(200),
    `${'x'.repeat(200)}y`,
    'é',
  ]
  const script = (text: (name: string) => string) => tables.map((name) => `-- Step\n${text(name)};\n`).join('\n')
  const plan = pg(
    script((name) => `CREATE TABLE "${name}" ("id" INTEGER)`),
    script((name) => `DROP TABLE "${name}"`),
  )
  const all = names(plan).flat()
  expect(plan.grouped).toBe(false)
  expect(new Set(all).size).toBe(tables.length * 2)
  for (const name of all) {
    expect(name!.length).toBeLessThanOrEqual(80)
    expect(() => new Function(`function ${name}() {}`)).not.toThrow()
  }
})

test('the code of a migration is as in the golden file (RAYS_GOLDEN=1 writes it)', () => {
  const golden = fileURLToPath(new URL('../golden/user-and-post.js.txt', import.meta.url))
  const code = renderMigration(pg(USER_AND_POST.up, USER_AND_POST.down), { module: 'commonjs' })
  if (process.env.RAYS_GOLDEN === '1') writeFileSync(golden, code)
  expect(code).toBe(readFileSync(golden, 'utf8'))
})
