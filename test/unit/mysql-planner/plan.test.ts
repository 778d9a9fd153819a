import { planOf, sqlOf } from './support.js'

const model = (fields: string, name = 'T') => `model ${name} {\n  id Int @id\n  ${fields}\n}`

describe('a plan is the SQL that Prisma writes', () => {
  test('a new database', async () => {
    const schema = `
      model Author {
        id    Int     @id @default(autoincrement())
        email String  @unique
        name  String?
        role  Role    @default(reader)
        since DateTime @default(now())
        posts Post[]
      }
      model Post {
        id       Int    @id @default(autoincrement())
        title    String @default("it's")
        authorId Int
        author   Author @relation(fields: [authorId], references: [id])
        @@index([title(length: 10), authorId(sort: Desc)])
      }
      enum Role {
        reader
        writer @map("w")
      }`
    expect(await sqlOf('', schema)).toBe(`-- CreateTable
CREATE TABLE \`Author\` (
    \`id\` INTEGER NOT NULL AUTO_INCREMENT,
    \`email\` VARCHAR(191) NOT NULL,
    \`name\` VARCHAR(191) NULL,
    \`role\` ENUM('reader', 'w') NOT NULL DEFAULT 'reader',
    \`since\` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),

    UNIQUE INDEX \`Author_email_key\`(\`email\`),
    PRIMARY KEY (\`id\`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- CreateTable
CREATE TABLE \`Post\` (
    \`id\` INTEGER NOT NULL AUTO_INCREMENT,
    \`title\` VARCHAR(191) NOT NULL DEFAULT 'it''s',
    \`authorId\` INTEGER NOT NULL,

    INDEX \`Post_title_authorId_idx\`(\`title\`(10), \`authorId\` DESC),
    PRIMARY KEY (\`id\`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- AddForeignKey
ALTER TABLE \`Post\` ADD CONSTRAINT \`Post_authorId_fkey\` FOREIGN KEY (\`authorId\`) REFERENCES \`Author\`(\`id\`) ON DELETE RESTRICT ON UPDATE CASCADE;
`)
  })

  test.each([
    ['begins', '', ' @default(autoincrement())'],
    ['ceases', ' @default(autoincrement())', ''],
  ])('a column that others refer to %s to number itself while no key refers to it', async (_, from, to) => {
    const schema = (id: string) => `
      model P {
        id  BigInt @id${id}
        cs  C[]
        pid BigInt?
        p   P?     @relation("tree", fields: [pid], references: [id])
        ps  P[]    @relation("tree")
      }
      model C {
        id  Int    @id
        pid BigInt
        p   P      @relation(fields: [pid], references: [id])
      }`
    const { script } = await planOf(schema(from), schema(to))
    expect(script.match(/^ALTER TABLE `\w+` (?:DROP FOREIGN KEY|MODIFY|ADD CONSTRAINT) `\w+`/gm)).toEqual([
      'ALTER TABLE `C` DROP FOREIGN KEY `C_pid_fkey`',
      'ALTER TABLE `P` DROP FOREIGN KEY `P_pid_fkey`',
      'ALTER TABLE `P` MODIFY `id`',
      'ALTER TABLE `P` ADD CONSTRAINT `P_pid_fkey`',
      'ALTER TABLE `C` ADD CONSTRAINT `C_pid_fkey`',
    ])
  })

  test('nothing to do', async () => {
    const plan = await planOf(model('a String'), model('a String'))
    expect(plan).toMatchObject({ empty: true, script: '-- This is an empty migration.', steps: [], summary: '' })
  })

  test('the clauses of one table: drops and additions by name, changes by position', async () => {
    const before = model('gone Int\n  b Int @default(1)\n  a String\n  early Int')
    const after = model('z Int?\n  y Int?\n  a String @db.Text\n  b Int')
    expect(await sqlOf(before, after)).toBe(`-- AlterTable
ALTER TABLE \`T\` DROP COLUMN \`early\`,
    DROP COLUMN \`gone\`,
    ADD COLUMN \`y\` INTEGER NULL,
    ADD COLUMN \`z\` INTEGER NULL,
    ALTER COLUMN \`b\` DROP DEFAULT,
    MODIFY \`a\` TEXT NOT NULL;
`)
  })

  test('a type without a cast drops and adds the column', async () => {
    expect(await sqlOf(model('a Int'), model('a DateTime'))).toBe(`-- AlterTable
ALTER TABLE \`T\` DROP COLUMN \`a\`,
    ADD COLUMN \`a\` DATETIME(3) NOT NULL;
`)
  })

  test('a changed primary key is dropped and added in one statement', async () => {
    const before = 'model T {\n  a Int\n  b Int\n  @@id([a, b])\n}'
    const after = 'model T {\n  a Int\n  b Int\n  @@id([b, a])\n}'
    expect(await sqlOf(before, after)).toBe(`-- AlterTable
ALTER TABLE \`T\` DROP PRIMARY KEY,
    ADD PRIMARY KEY (\`b\`, \`a\`);
`)
  })

  test('a unique index that becomes the primary key goes when the key is there', async () => {
    const before = 'model T {\n  a Int @unique\n}'
    const after = 'model T {\n  a Int @id\n}'
    expect(await sqlOf(before, after)).toBe(`-- AlterTable
ALTER TABLE \`T\` ADD PRIMARY KEY (\`a\`);

-- DropIndex
DROP INDEX \`T_a_key\` ON \`T\`;
`)
  })

  test('a renamed index is renamed, and redefined on MariaDB', async () => {
    const before = model('a Int\n  @@index([a], map: "one")')
    const after = model('a Int\n  @@index([a], map: "two")')
    expect(await sqlOf(before, after)).toBe('-- RenameIndex\nALTER TABLE `T` RENAME INDEX `one` TO `two`;\n')
    expect(await sqlOf(before, after, { mariadb: true })).toBe(
      '-- RedefineIndex\nCREATE INDEX `two` ON `T`(`a`);\nDROP INDEX `one` ON `T`;\n',
    )
  })

  const parent = 'model P {\n  id Int @id\n  ts T[]\n}\n'
  const child = (rest: string) => `${parent}model T {\n  id Int @id\n  pId Int\n  ${rest}\n}`
  const relation = 'p P @relation(fields: [pId], references: [id]'

  test('a changed onDelete replaces the key, and the index that the server made for it', async () => {
    const before = child(`${relation})`)
    const after = child(`${relation}, onDelete: Cascade)`)
    expect(await sqlOf(before, after)).toBe(`-- DropForeignKey
ALTER TABLE \`T\` DROP FOREIGN KEY \`T_pId_fkey\`;

-- DropIndex
DROP INDEX \`T_pId_fkey\` ON \`T\`;

-- AddForeignKey
ALTER TABLE \`T\` ADD CONSTRAINT \`T_pId_fkey\` FOREIGN KEY (\`pId\`) REFERENCES \`P\`(\`id\`) ON DELETE CASCADE ON UPDATE CASCADE;
`)
    expect(await sqlOf(before, after, { view: 'schema' })).not.toContain('DropIndex')
  })

  test('an index that serves a foreign key stays, and a unique one goes while the key is away', async () => {
    const indexed = child(`${relation})\n  @@index([pId])`)
    expect(await sqlOf(indexed, child(`${relation})`))).toBe('-- This is an empty migration.')
    const unique = child(`${relation})\n  @@unique([pId, id])`)
    expect((await sqlOf(unique, child(`${relation})`))).match(/-- .*/g)).toEqual([
      '-- DropForeignKey',
      '-- DropIndex',
      '-- AddForeignKey',
    ])
  })

  test('with lower_case_table_names = 1 the old table is spelled as the server has it', async () => {
    const sql = await sqlOf(model('a Int', 'Post'), model('a Int\n  b Int?', 'Post'), { lowerCaseTableNames: true })
    expect(sql).toBe('-- AlterTable\nALTER TABLE `post` ADD COLUMN `b` INTEGER NULL;\n')
  })

  test('external tables are left alone on both sides', async () => {
    const options = { externalTables: ['Theirs', 'db.Other'] }
    const theirs = `${model('a Int', 'Theirs')}\n${model('a Int', 'Other')}`
    expect(await sqlOf(theirs, model('a Int'), options)).not.toMatch(/Theirs|Other/)
    expect(await sqlOf(model('a Int'), `${model('a Int')}\n${theirs}`, options)).toBe('-- This is an empty migration.')
  })

  test.each([
    [
      'an enum with one more value',
      'a E',
      'enum E {\n  x\n}',
      'enum E {\n  x\n  y\n}',
      "MODIFY `a` ENUM('x', 'y') NOT NULL",
    ],
    [
      'an enum in another order',
      'a E',
      'enum E {\n  x\n  y\n}',
      'enum E {\n  y\n  x\n}',
      "MODIFY `a` ENUM('y', 'x') NOT NULL",
    ],
  ])('%s is one MODIFY without a warning', async (_, field, before, after, clause) => {
    const plan = await planOf(`${model(field)}\n${before}`, `${model(field)}\n${after}`)
    expect(plan.script).toBe(`-- AlterTable\nALTER TABLE \`T\` ${clause};\n`)
    expect(plan.warnings).toEqual([])
  })
})

describe('a plan warns in the words of Prisma', () => {
  test.each([
    [
      'a dropped column',
      'a Int',
      '',
      'You are about to drop the column `a` on the `T` table. All the data in the column will be lost.',
    ],
    [
      'a required column',
      '',
      'a Int',
      'Added the required column `a` to the `T` table without a default value. This is not possible if the table is not empty.',
    ],
    [
      'a required column with a default of the client',
      '',
      'a String @default(cuid())',
      'The required column `a` was added to the `T` table with a prisma-level default value. This is not possible if the table is not empty. Please add this column as optional, then populate it before making it required.',
    ],
    [
      'a column that becomes required',
      'a Int?',
      'a Int',
      'Made the column `a` on table `T` required. This step will fail if there are existing NULL values in that column.',
    ],
    [
      'a narrower type',
      'a String',
      'a String @db.VarChar(5)',
      'You are about to alter the column `a` on the `T` table. The data in that column could be lost. The data in that column will be cast from `VarChar(191)` to `VarChar(5)`.',
    ],
    [
      'a new unique index',
      'a Int',
      'a Int @unique',
      'A unique constraint covering the columns `[a]` on the table `T` will be added. If there are existing duplicate values, this will fail.',
    ],
    [
      'a type without a cast',
      'a Int',
      'a DateTime',
      'Changed the type of `a` on the `T` table. No cast exists, the column would be dropped and recreated, which cannot be done if there is data, since the column is required.',
    ],
    [
      'an optional type without a cast',
      'a Int?',
      'a DateTime?',
      'The `a` column on the `T` table would be dropped and recreated. This will lead to data loss if there is data in the column.',
    ],
  ])('%s', async (_, before, after, warning) => {
    expect((await planOf(model(before), model(after))).warnings).toEqual([warning])
  })

  test('removed enum values are named', async () => {
    const plan = await planOf(`${model('a E')}\nenum E {\n  x\n  y\n}`, `${model('a E')}\nenum E {\n  y\n}`)
    expect(plan.warnings).toEqual([
      'The values [x] on the enum `T_a` will be removed. If these variants are still used in the database, this will fail.',
    ])
  })

  test('what loses data comes before what fails', async () => {
    const plan = await planOf(`${model('a Int')}\n${model('', 'U')}`, model('b Int'))
    expect(plan.warnings.map((text) => text.slice(0, 30))).toEqual([
      'You are about to drop the colu',
      'You are about to drop the `U` ',
      'Added the required column `b` ',
    ])
  })
})

describe('a plan works where the server refuses what Prisma writes', () => {
  test('an AUTO_INCREMENT column comes and goes together with its index', async () => {
    const plain = 'model T {\n  id String @id\n}'
    const numbered = 'model T {\n  id String @id\n  n Int @unique @default(autoincrement())\n}'
    expect(await sqlOf(plain, numbered)).toBe(
      '-- AlterTable\nALTER TABLE `T` ADD COLUMN `n` INTEGER NOT NULL AUTO_INCREMENT,\n    ADD UNIQUE INDEX `T_n_key`(`n`);\n',
    )
    expect(await sqlOf(numbered, plain)).toBe(
      '-- AlterTable\nALTER TABLE `T` DROP INDEX `T_n_key`,\n    DROP COLUMN `n`;\n',
    )
  })

  test('now() has the precision of its column', async () => {
    const schema = model('a DateTime @default(now()) @db.Timestamp\n  b DateTime @default(now()) @db.Date')
    expect(await sqlOf('', schema)).toContain(
      '`a` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP(0),\n    `b` DATE NOT NULL DEFAULT (CURRENT_DATE)',
    )
    expect(await sqlOf('', schema, { copyPrisma: true })).toContain('`b` DATE NOT NULL DEFAULT CURRENT_TIMESTAMP(3)')
  })

  test('backslashes, quotes and backticks are escaped', async () => {
    const schema = `${model('a String @default("a\\\\b")\n  e E @map("x`y")')}\nenum E {\n  one @map("it's")\n}`
    const sql = await sqlOf('', schema)
    expect(sql).toContain("DEFAULT 'a\\\\b'")
    expect(sql).toContain("`x``y` ENUM('it''s')")
  })

  test('an index survives when its column is dropped and added again', async () => {
    expect((await sqlOf(model('a Int\n  @@index([a])'), model('a DateTime\n  @@index([a])'))).match(/-- .*/g)).toEqual([
      '-- DropIndex',
      '-- AlterTable',
      '-- CreateIndex',
    ])
  })

  test('a foreign key is away while the type of the column it refers to changes', async () => {
    const schema = (type: string) =>
      `model P {\n  id String @id @db.VarChar(${type})\n  ts T[]\n}\nmodel T {\n  id Int @id\n  pId String\n  p P @relation(fields: [pId], references: [id])\n}`
    const sql = await sqlOf(schema('50'), schema('60'))
    expect(sql.match(/-- .*/g)).toEqual(['-- DropForeignKey', '-- AlterTable', '-- AddForeignKey'])
  })

  test('types without arguments and spellings of now() are no differences', async () => {
    const schema = model(
      'a DateTime? @db.Timestamp\n  b Decimal? @db.Decimal\n  c DateTime? @default(dbgenerated("CURRENT_TIMESTAMP")) @db.Timestamp(0)',
    )
    expect(await sqlOf(schema, schema)).toBe('-- This is an empty migration.')
    expect(await sqlOf(schema, schema, { copyPrisma: true })).toContain('MODIFY `a` TIMESTAMP NULL')
  })
})

describe('a plan tells people what changes', () => {
  test('tables first, then the changes of each table', async () => {
    const plan = await planOf(
      `${model('a Int')}\n${model('', 'Old')}`,
      `${model('a Int?\n  b Int @unique')}\n${model('', 'New')}`,
    )
    expect(plan.summary).toBe(`[+] Added tables
  - New

[-] Removed tables
  - Old

[*] Changed the \`T\` table
  [+] Added column \`b\`
  [*] Altered column \`a\` (changed from Required to Nullable)
  [+] Added unique index on columns (b)`)
  })
})
