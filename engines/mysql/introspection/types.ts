/** `information_schema.COLUMNS` -> the type of a column (Prisma: by `data_type`; display widths mean nothing). */
import type { ColumnType, NativeName, Scalar } from '../planner/tables.js'

/** One column as the catalog tells it. */
export interface CatalogColumn {
  /** In lower case. */
  readonly dataType: string
  readonly columnType: string
  readonly length: number | undefined
  readonly precision: number | undefined
  readonly scale: number | undefined
  /** Digits of a fraction of a second. */
  readonly fraction: number | undefined
  readonly default: string | undefined
  /** The default is SQL text (MariaDB), not the bare value. */
  readonly sqlDefaults: boolean
  /** The server marks the default as an expression (MySQL 8). */
  readonly expression: boolean
  /** The default is as SHOW CREATE TABLE has it: MySQL's expressions are not escaped once more. */
  readonly shown?: boolean
}

const INTEGERS: Readonly<Record<string, NativeName>> = {
  tinyint: 'TinyInt',
  smallint: 'SmallInt',
  mediumint: 'MediumInt',
  int: 'Int',
  integer: 'Int',
  bigint: 'BigInt',
}

const LENGTHS: Readonly<Record<string, readonly [Scalar, NativeName]>> = {
  char: ['String', 'Char'],
  varchar: ['String', 'VarChar'],
  binary: ['Bytes', 'Binary'],
  varbinary: ['Bytes', 'VarBinary'],
}

const TIMES: Readonly<Record<string, NativeName>> = { time: 'Time', datetime: 'DateTime', timestamp: 'Timestamp' }

const PLAIN: Readonly<Record<string, readonly [Scalar, NativeName]>> = {
  float: ['Float', 'Float'],
  double: ['Float', 'Double'],
  tinytext: ['String', 'TinyText'],
  text: ['String', 'Text'],
  mediumtext: ['String', 'MediumText'],
  longtext: ['String', 'LongText'],
  tinyblob: ['Bytes', 'TinyBlob'],
  blob: ['Bytes', 'Blob'],
  mediumblob: ['Bytes', 'MediumBlob'],
  longblob: ['Bytes', 'LongBlob'],
  date: ['DateTime', 'Date'],
  year: ['Int', 'Year'],
  json: ['Json', 'Json'],
}

const native = (scalar: Scalar, name: NativeName, ...args: number[]): ColumnType => ({
  kind: 'native',
  scalar,
  name,
  args,
})

/** Prisma: `tinyint(1)` is a Boolean, unless its default is a number other than 0 and 1. */
function isBoolean(column: CatalogColumn): boolean {
  if (!/^tinyint\(1\)(?!.*unsigned)/i.test(column.columnType)) return false
  const number = /^'?(-?\d+)'?$/.exec(column.default ?? '')?.[1]
  return number === undefined || number === '0' || number === '1'
}

/** The type of a column. Enums come without a name. */
export function readType(column: CatalogColumn, enumValues: (columnType: string) => string[]): ColumnType {
  const { dataType } = column
  const integer = INTEGERS[dataType]
  if (integer) {
    if (isBoolean(column)) return native('Boolean', 'TinyInt')
    // Prisma: `unsigned zerofill` reads as signed.
    const name = /unsigned$/i.test(column.columnType) ? (`Unsigned${integer}` as NativeName) : integer
    return native(integer === 'BigInt' ? 'BigInt' : 'Int', name)
  }
  const sized = LENGTHS[dataType]
  if (sized) return native(sized[0], sized[1], column.length ?? 0)
  const time = TIMES[dataType]
  if (time) return native('DateTime', time, column.fraction ?? 0)
  const plain = PLAIN[dataType]
  if (plain) return native(...plain)
  switch (dataType) {
    case 'decimal':
      return native('Decimal', 'Decimal', column.precision ?? 10, column.scale ?? 0)
    case 'bit': {
      const width = column.precision ?? 1
      return native(width === 1 ? 'Boolean' : 'Bytes', 'Bit', width)
    }
    case 'enum':
      return { kind: 'enum', name: '', values: enumValues(column.columnType) }
    case 'set':
      return { kind: 'untyped', text: column.columnType }
    default:
      return { kind: 'unsupported', text: column.columnType }
  }
}
