import { InvalidSchemaError, readSchema } from '../../../engines/mysql/planner/index.js'
import type { Column, Table } from '../../../engines/mysql/planner/tables.js'
import { DATASOURCE, tablesOf } from './support.js'

async function tableOf(model: string): Promise<Table> {
  const { tables } = await tablesOf(model)
  return tables[0] as Table
}

async function columnOf(field: string, more = ''): Promise<Column> {
  const { columns } = await tableOf(`model T {\n  id Int @id\n  ${field}\n}\n${more}`)
  return columns[1] as Column
}

describe('a Prisma schema is read as tables', () => {
  test('names come from @@map and @map', async () => {
    const table = await tableOf('model User {\n  id Int @id @map("user_id")\n  @@map("users")\n}')
    expect(table.name).toBe('users')
    expect(table.columns.map(({ name }) => name)).toEqual(['user_id'])
    expect(table.primaryKey).toEqual([{ name: 'user_id' }])
  })

  test('ignored models, ignored fields and unsupported types are in the database all the same', async () => {
    const { tables } = await tablesOf(
      'model A {\n  id Int @id\n  old String? @ignore\n  place Unsupported("point")?\n}\nmodel B {\n  x Int\n  @@ignore\n}',
    )
    expect(tables.map(({ name }) => name)).toEqual(['A', 'B'])
    expect(tables[0]?.columns.map(({ name }) => name)).toEqual(['id', 'old', 'place'])
    expect(tables[0]?.columns[2]?.type).toEqual({ kind: 'unsupported', text: 'point' })
  })

  test.each([
    ['String', 'VarChar', [191]],
    ['Int', 'Int', []],
    ['BigInt', 'BigInt', []],
    ['Float', 'Double', []],
    ['Decimal', 'Decimal', [65, 30]],
    ['Boolean', 'TinyInt', []],
    ['DateTime', 'DateTime', [3]],
    ['Json', 'Json', []],
    ['Bytes', 'LongBlob', []],
    ['String @db.Char(4)', 'Char', [4]],
    ['Decimal @db.Decimal(10, 2)', 'Decimal', [10, 2]],
    ['DateTime @db.Timestamp', 'Timestamp', []],
  ])('%s is %s%j', async (field, name, args) => {
    const { type } = await columnOf(`x ${field}`)
    expect(type).toMatchObject({ kind: 'native', name, args })
  })

  test.each([
    ['x Decimal @default(1.50)', { kind: 'literal', of: 'number', text: '1.50' }],
    ['x Float @default(0.0)', { kind: 'literal', of: 'number', text: '0.0' }],
    ['x BigInt @default(9007199254740993)', { kind: 'literal', of: 'number', text: '9007199254740993' }],
    ['x Int @default(-3)', { kind: 'literal', of: 'number', text: '-3' }],
    ['x Boolean @default(true)', { kind: 'literal', of: 'boolean', text: 'true' }],
    ['x String @default("a \\"b\\" // c\\n")', { kind: 'literal', of: 'string', text: 'a "b" // c\n' }],
    ['x DateTime @default(now())', { kind: 'now' }],
    [
      'x DateTime @default("2020-02-03T04:05:06.5Z")',
      { kind: 'literal', of: 'datetime', text: '2020-02-03T04:05:06.500+00:00' },
    ],
    ['x String @default(dbgenerated("(uuid())"))', { kind: 'dbgenerated', text: '(uuid())' }],
    ['x String @default(dbgenerated())', { kind: 'dbgenerated', text: undefined }],
  ])('the default of `%s` keeps what was written', async (field, expected) => {
    expect((await columnOf(field)).default).toEqual(expected)
  })

  test('defaults that the client computes are no defaults of the database', async () => {
    const column = await columnOf('x String @default(uuid())')
    expect(column.default).toBeUndefined()
    expect(column.clientDefault).toBe(true)
  })

  test('enum values have their database names', async () => {
    const column = await columnOf('x E @default(b)', 'enum E {\n  a\n  b @map("be")\n}')
    expect(column.type).toEqual({ kind: 'enum', name: 'E', values: ['a', 'be'] })
    expect(column.default).toEqual({ kind: 'literal', of: 'enum', text: 'be' })
  })

  test('comments hold no fields and no attributes', async () => {
    const table = await tableOf(
      'model T {\n  id Int @id // the key: "x" @unique\n  a String /// doc @map("no")\n  /* b Int\n  @@index([a]) */\n  // c Int\n  b String\n  @@index([a(length: 10, sort: Desc), b], map: "i") // last\n}',
    )
    expect(table.columns.map(({ name }) => name)).toEqual(['id', 'a', 'b'])
    expect(table.indexes).toEqual([
      { name: 'i', type: 'normal', columns: [{ name: 'a', length: 10, sort: 'desc' }, { name: 'b' }] },
    ])
  })

  test('Windows line ends and several files make no difference', async () => {
    const models = 'model A {\n  id Int @id\n  bs B[]\n}\n'
    const more = 'model B {\n  id Int @id\n  aId Int\n  a A @relation(fields: [aId], references: [id])\n}\n'
    const one = await tablesOf(models + more)
    const files = await readSchema([
      { path: 'main.prisma', content: DATASOURCE.replaceAll('\n', '\r\n') },
      { path: 'models/a.prisma', content: models.replaceAll('\n', '\r\n') },
      { path: 'models/b.prisma', content: more.replaceAll('\n', '\r\n') },
    ])
    expect(files).toEqual(one)
  })

  test('indexes come in the order in which Prisma lists them', async () => {
    const table = await tableOf(
      'model T {\n  id Int @id\n  a Int @unique\n  b Int\n  c String\n  @@unique([a, b])\n  @@fulltext([c])\n  @@index(b)\n}',
    )
    expect(table.indexes.map(({ name, type }) => [name, type])).toEqual([
      ['T_a_key', 'unique'],
      ['T_b_idx', 'normal'],
      ['T_a_b_key', 'unique'],
      ['T_c_idx', 'fulltext'],
    ])
  })

  test('names that are too long are cut to 64 bytes at a character, before their suffix', async () => {
    const field = 'x'.repeat(59)
    const table = await tableOf(`model T {\n  id Int @id\n  ${field}y Int @unique @map("${'ä'.repeat(40)}")\n}`)
    const [index] = table.indexes
    expect(index?.name).toBe(`T_${'ä'.repeat(29)}_key`)
  })

  test('a required relation restricts, an optional one sets null', async () => {
    const { tables } = await tablesOf(
      'model A {\n  id Int @id\n  x B[] @relation("x")\n  y B[] @relation("y")\n}\nmodel B {\n  id Int @id\n  xId Int\n  yId Int?\n  x A @relation("x", fields: [xId], references: [id], map: "fx")\n  y A? @relation("y", fields: [yId], references: [id], onUpdate: NoAction)\n}',
    )
    expect(tables[1]?.foreignKeys).toMatchObject([
      { name: 'fx', onDelete: 'RESTRICT', onUpdate: 'CASCADE' },
      { name: 'B_yId_fkey', onDelete: 'SET NULL', onUpdate: 'NO ACTION' },
    ])
  })

  test('with relationMode prisma there are no foreign keys, not even in join tables', async () => {
    const models = 'model A {\n  id Int @id\n  bs B[]\n}\nmodel B {\n  id Int @id\n  as A[]\n}'
    const { tables } = await tablesOf(models, 'datasource db {\n  provider = "mysql"\n  relationMode = "prisma"\n}\n')
    expect(tables.map(({ name }) => name)).toEqual(['A', 'B', '_AToB'])
    expect(tables.flatMap(({ foreignKeys }) => foreignKeys)).toEqual([])
  })

  test('a many-to-many relation of a model with itself has its sides in the order of the field names', async () => {
    const { tables } = await tablesOf(
      'model N {\n  id String @id @db.Char(5)\n  zs N[] @relation("link")\n  as N[] @relation("link")\n}',
    )
    expect(tables[1]).toMatchObject({
      name: '_link',
      primaryKey: undefined,
      columns: [
        { name: 'A', type: { name: 'Char', args: [5] } },
        { name: 'B', type: { name: 'Char', args: [5] } },
      ],
      indexes: [{ name: '_link_AB_unique' }, { name: '_link_B_index' }],
    })
  })

  test('an invalid schema is refused in the words of Prisma, with file and line', async () => {
    const files = [{ path: 'schema.prisma', content: `${DATASOURCE}model A {\n  id Int @id\n  b Nope\n}\n` }]
    await expect(readSchema(files)).rejects.toThrow(InvalidSchemaError)
    await expect(readSchema(files)).rejects.toThrow(/Type "Nope" is neither[\s\S]*schema\.prisma:6/)
  })

  test('a URL in the datasource is no error and never shows in a message', async () => {
    const source = 'datasource db {\n  provider = "mysql"\n  url = "mysql://root:hunter2@localhost/app"\n}\n'
    const { tables } = await tablesOf('model A {\n  id Int @id\n}', source)
    expect(tables).toHaveLength(1)
    const failure = await tablesOf('model A {\n  id Nope @id\n}', source).catch((error: Error) => error)
    expect(String(failure)).toContain('Nope')
    expect(String(failure)).not.toContain('hunter2')
  })
})
