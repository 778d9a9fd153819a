import { enumValues } from '../../../engines/mysql/catalog.js'
import { readDefault } from '../../../engines/mysql/introspection/defaults.js'
import { valueNames } from '../../../engines/mysql/introspection/names.js'
import { type CatalogColumn, readType } from '../../../engines/mysql/introspection/types.js'

/** A row of `information_schema.COLUMNS`, as MySQL 8 tells it unless said otherwise. */
const column = (columnType: string, more: Partial<CatalogColumn> = {}): CatalogColumn => ({
  dataType: (/^[a-z]+/i.exec(columnType)?.[0] ?? '').toLowerCase(),
  columnType,
  length: undefined,
  precision: undefined,
  scale: undefined,
  fraction: undefined,
  default: undefined,
  sqlDefaults: false,
  expression: false,
  ...more,
})
const typeOf = (row: CatalogColumn) => readType(row, enumValues)
const defaultOf = (row: CatalogColumn) => readDefault(row, typeOf(row))

describe('the types of a catalog', () => {
  test.each([
    ['tinyint(1)', {}, 'Boolean', 'TinyInt'],
    ['tinyint(1)', { default: '1' }, 'Boolean', 'TinyInt'],
    ['tinyint(1)', { default: '7' }, 'Int', 'TinyInt'],
    ['tinyint(1) unsigned', {}, 'Int', 'UnsignedTinyInt'],
    ['tinyint(4)', {}, 'Int', 'TinyInt'],
    ['int', {}, 'Int', 'Int'],
    ['int(11)', {}, 'Int', 'Int'],
    ['int(10) unsigned', {}, 'Int', 'UnsignedInt'],
    ['int(5) unsigned zerofill', {}, 'Int', 'Int'],
    ['bigint unsigned', {}, 'BigInt', 'UnsignedBigInt'],
    ['bit(1)', { precision: 1 }, 'Boolean', 'Bit'],
    ['bit(8)', { precision: 8 }, 'Bytes', 'Bit'],
    ['year', {}, 'Int', 'Year'],
    ['year(4)', {}, 'Int', 'Year'],
    ['json', {}, 'Json', 'Json'],
    ['decimal(5,2)', { precision: 5, scale: 2 }, 'Decimal', 'Decimal'],
    ['datetime', { fraction: 0 }, 'DateTime', 'DateTime'],
    ['varbinary(16)', { length: 16 }, 'Bytes', 'VarBinary'],
  ] as const)('%s with %o is %s @db.%s', (text, more, scalar, name) => {
    expect(typeOf(column(text, more))).toMatchObject({ kind: 'native', scalar, name })
  })

  test('what Prisma does not know is Unsupported, sets have no native type, enums keep their values', () => {
    expect(typeOf(column('geometry'))).toEqual({ kind: 'unsupported', text: 'geometry' })
    expect(typeOf(column("set('a','b')"))).toEqual({ kind: 'untyped', text: "set('a','b')" })
    expect(typeOf(column("enum('a','b,c','it''s','x\\\\y')"))).toMatchObject({ values: ['a', 'b,c', "it's", 'x\\y'] })
  })
})

describe('the defaults of a catalog', () => {
  const literal = (of: string, text: string) => ({ kind: 'literal', of, text })
  const sql = (text: string) => ({ kind: 'dbgenerated', text })
  const mariadb = { sqlDefaults: true }

  const rows: [CatalogColumn, unknown][] = [
    // MySQL shows the value, and marks expressions.
    [column('varchar(9)', { default: "it's NULL" }), literal('string', "it's NULL")],
    [column('varchar(9)', { default: 'NULL' }), literal('string', 'NULL')],
    [column('varchar(9)', { default: "concat(_utf8mb4\\'a\\')", expression: true }), sql("(concat(_utf8mb4'a'))")],
    [column('varchar(36)', { default: 'uuid()', expression: true }), sql('(uuid())')],
    [column('int', { default: '-5' }), literal('number', '-5')],
    [column('int', { default: '(1 + 2)', expression: true }), sql('(1 + 2)')],
    [column('double', { default: '1e30' }), literal('number', '1000000000000000000000000000000')],
    [column('double', { default: '-1.5e-3' }), literal('number', '-0.0015')],
    [column('tinyint(1)', { default: '0' }), literal('boolean', 'false')],
    [column('bit(1)', { precision: 1, default: "b'1'" }), literal('boolean', 'true')],
    [column('bit(3)', { precision: 3, default: "b'101'" }), sql("b'101'")],
    [column('datetime(3)', { default: 'CURRENT_TIMESTAMP(3)', expression: true }), { kind: 'now' }],
    [column('timestamp', { default: 'CURRENT_TIMESTAMP' }), { kind: 'now' }],
    [column('date', { default: '2020-01-01' }), sql("'2020-01-01'")],
    [column('date', { default: 'curdate()', expression: true }), sql('(curdate())')],
    [column("enum('a','b')", { default: 'b' }), literal('enum', 'b')],
    [column("enum('a','b')", { default: "_utf8mb4\\'b\\'", expression: true }), literal('enum', 'b')],
    [column('varbinary(2)', { default: '0x0102' }), sql('0x0102')],
    // MariaDB shows SQL.
    [column('varchar(9)', { ...mariadb, default: 'NULL' }), undefined],
    [column('varchar(9)', { ...mariadb, default: "'NULL'" }), literal('string', 'NULL')],
    [column('varchar(9)', { ...mariadb, default: "'a''b\\\\c\\nd'" }), literal('string', "a'b\\c\nd")],
    [column('varchar(9)', { ...mariadb, default: 'uuid()' }), sql('(uuid())')],
    [column('int(11)', { ...mariadb, default: '00003' }), literal('number', '00003')],
    [column('datetime(3)', { ...mariadb, default: 'current_timestamp(3)' }), { kind: 'now' }],
    [column('date', { ...mariadb, default: "'2020-01-01'" }), sql("'2020-01-01'")],
    [column('longtext', { ...mariadb, default: "'{}'" }), literal('string', '{}')],
  ]
  test.each(
    rows.map(
      ([row, expected]) => [row.sqlDefaults ? 'MariaDB' : 'MySQL', row.columnType, row.default, row, expected] as const,
    ),
  )('on %s, of %s: %s', (_server, _type, _default, row, expected) => {
    expect(defaultOf(row)).toEqual(expected)
  })
})

describe('the values of an enum', () => {
  test('get names that the schema language takes, each once', () => {
    expect(valueNames(['ok', 'b c', 'b-c', '1', '', 'ü', '_x']).map((value) => value.name)).toEqual([
      'ok',
      'b_c',
      'b_c_2',
      'value_1',
      'EMPTY_ENUM_VALUE',
      'value_6',
      'x',
    ])
  })
})
