import { downsOf, planOf } from './support.js'

const model = (fields: string, name = 'T') => `model ${name} {\n  id Int @id\n  ${fields}\n}`

describe('every step has its way back', () => {
  test('a created table is dropped, a dropped one comes back with its indexes', async () => {
    const schema = model('a Int @unique')
    expect(downsOf(await planOf('', schema))).toEqual(['DROP TABLE `T`'])
    const plan = await planOf(schema, '')
    expect(downsOf(plan)).toEqual([
      'CREATE TABLE `T` (\n    `id` INTEGER NOT NULL,\n    `a` INTEGER NOT NULL,\n\n    UNIQUE INDEX `T_a_key`(`a`),\n    PRIMARY KEY (`id`)\n) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci',
    ])
    expect(plan.steps[0]?.lossy).toBe('The rows of `T` are not brought back.')
  })

  test('a dropped column comes back where it was, with a neutral value that is no default afterwards', async () => {
    const plan = await planOf(model('a Int\n  b String\n  c Int'), model('a Int\n  c Int'))
    expect(downsOf(plan)).toEqual([
      "ALTER TABLE `T` ADD COLUMN `b` VARCHAR(191) NOT NULL DEFAULT '' AFTER `a`",
      'ALTER TABLE `T` ALTER COLUMN `b` DROP DEFAULT',
    ])
    expect(plan.steps[0]?.lossy).toBe("The values of `T`.`b` are not brought back: the rows get ''.")
  })

  test('a required column of a type without literal defaults is filled before it is required', async () => {
    const plan = await planOf(model('a Json'), model(''))
    expect(downsOf(plan)).toEqual([
      'ALTER TABLE `T` ADD COLUMN `a` JSON NULL AFTER `id`',
      "UPDATE `T` SET `a` = '{}' WHERE `a` IS NULL",
      'ALTER TABLE `T` MODIFY `a` JSON NOT NULL',
    ])
  })

  test('where no value can be right the down refuses before it changes anything', async () => {
    const plan = await planOf(model('a Int @unique\n  b Int'), model(''))
    expect(downsOf(plan)[0]).toBe(
      'SELECT (SELECT 1 UNION ALL (SELECT 1 FROM `T` LIMIT 1)) AS `fails if there are such rows`',
    )
    expect(plan.steps.at(-1)?.lossy).toContain(
      'the down refuses while `T` has rows: a unique column needs a value of its own',
    )
  })

  test('a column that became optional is filled before it is required again', async () => {
    const plan = await planOf(model('a Int @default(5)'), model('a Int? @default(5)'))
    expect(downsOf(plan)).toEqual([
      'ALTER TABLE `T` MODIFY `a` INTEGER NULL DEFAULT 5',
      'UPDATE `T` SET `a` = 5 WHERE `a` IS NULL',
      'ALTER TABLE `T` MODIFY `a` INTEGER NOT NULL DEFAULT 5',
    ])
    expect(plan.steps[0]?.lossy).toBe('Where `T`.`a` holds NULL the down writes 5.')
  })

  test('a changed column becomes what it was', async () => {
    const plan = await planOf(model('a String @db.VarChar(5)'), model('a String @default("x")'))
    expect(downsOf(plan)).toEqual(['ALTER TABLE `T` MODIFY `a` VARCHAR(5) NOT NULL'])
    expect(plan.steps[0]?.lossy).toBe('The down refuses values of `T`.`a` that VARCHAR(5) cannot hold.')
  })

  test('an added enum value is named as what the down refuses', async () => {
    const plan = await planOf(`${model('a E')}\nenum E {\n  x\n}`, `${model('a E')}\nenum E {\n  x\n  y\n}`)
    expect(plan.steps[0]?.lossy).toBe('The down refuses while `T`.`a` holds one of: y.')
  })

  test('a primary key change is undone in one statement, numbering included', async () => {
    const before = 'model T {\n  id Int @id @default(autoincrement())\n  a String @unique\n}'
    const after = 'model T {\n  a String @id\n}'
    const plan = await planOf(before, after)
    expect(downsOf(plan).at(-2)).toBe(
      'ALTER TABLE `T` DROP PRIMARY KEY,\n    ADD COLUMN `id` INTEGER NOT NULL AUTO_INCREMENT FIRST,\n    ADD PRIMARY KEY (`id`)',
    )
  })

  const parent = 'model P {\n  id Int @id\n  ts T[]\n}\n'
  const child = (rest: string) =>
    `${parent}model T {\n  id Int @id\n  pId Int\n  p P @relation(fields: [pId], references: [id])\n  ${rest}\n}`

  test('an added foreign key goes together with the index that the server made for it', async () => {
    const without = `model P {\n  id Int @id\n}\nmodel T {\n  id Int @id\n  pId Int\n}`
    expect(downsOf(await planOf(without, child('')))).toEqual([
      'ALTER TABLE `T` DROP FOREIGN KEY `T_pId_fkey`,\n    DROP INDEX `T_pId_fkey`',
    ])
    const indexed = `model P {\n  id Int @id\n}\nmodel T {\n  id Int @id\n  pId Int @unique\n}`
    const other = child('').replace('pId Int\n', 'pId Int @unique\n').replace('ts T[]', 't T?')
    expect(downsOf(await planOf(indexed, other))).toEqual(['ALTER TABLE `T` DROP FOREIGN KEY `T_pId_fkey`'])
  })

  test('an index that took over for a foreign key goes while the key is away', async () => {
    const plan = await planOf(child(''), child('@@index([pId, id])'), { view: 'schema' })
    expect(downsOf(plan)).toEqual([
      'ALTER TABLE `T` DROP FOREIGN KEY `T_pId_fkey`',
      'DROP INDEX `T_pId_id_idx` ON `T`',
      'ALTER TABLE `T` ADD CONSTRAINT `T_pId_fkey` FOREIGN KEY (`pId`) REFERENCES `P`(`id`) ON DELETE RESTRICT ON UPDATE CASCADE',
    ])
  })

  test('a redefined index is two steps, each with one statement either way', async () => {
    const plan = await planOf(model('a Int\n  @@index([a], map: "one")'), model('a Int\n  @@index([a], map: "two")'), {
      mariadb: true,
    })
    expect(plan.steps).toEqual([
      { up: ['CREATE INDEX `two` ON `T`(`a`)'], down: ['DROP INDEX `two` ON `T`'] },
      { up: ['DROP INDEX `one` ON `T`'], down: ['CREATE INDEX `one` ON `T`(`a`)'] },
    ])
  })
})
