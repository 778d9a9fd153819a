/** Fields of a Prisma schema as columns: types, native types and defaults. */
import { argument, attribute, type Expression, type Member } from './members.js'
import type { Column, ColumnDefault, ColumnType, NativeName, Scalar } from './tables.js'

/** Prisma: the native type of a scalar that names none. */
const DEFAULT_TYPES: Readonly<Record<Scalar, readonly [NativeName, ...number[]]>> = {
  String: ['VarChar', 191],
  Int: ['Int'],
  BigInt: ['BigInt'],
  Float: ['Double'],
  Decimal: ['Decimal', 65, 30],
  Boolean: ['TinyInt'],
  DateTime: ['DateTime', 3],
  Json: ['Json'],
  Bytes: ['LongBlob'],
}

/** Whether the word is one of Prisma's scalar types. */
export function isScalar(type: string): type is Scalar {
  return Object.hasOwn(DEFAULT_TYPES, type)
}

/** An enum: Prisma's names of the values in order, each with the name in the database. */
export type EnumValues = ReadonlyMap<string, string>

/** The type of the column behind a scalar, enum or Unsupported field. */
export function columnType(field: Member, values: EnumValues | undefined): ColumnType {
  if (field.unsupported !== undefined) return { kind: 'unsupported', text: field.unsupported }
  if (values) return { kind: 'enum', name: field.type, values: [...values.values()] }
  const scalar = field.type as Scalar
  const native = field.attributes.find((one) => one.name.includes('.'))
  if (!native) {
    const [name, ...args] = DEFAULT_TYPES[scalar]
    return { kind: 'native', scalar, name, args }
  }
  const name = native.name.slice(native.name.indexOf('.') + 1) as NativeName
  const args = native.args.flatMap(({ value }) => (value.kind === 'number' ? [Number(value.text)] : []))
  return { kind: 'native', scalar, name, args }
}

/**
 * Prisma: dates are written in RFC 3339 with an offset, the fraction of a second with 0, 3, 6 or 9 digits as needed.
 */
function dateText(written: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:?\d{2})$/i.exec(written)
  if (!match) return written
  const [, date, time, digits = '', zone = 'Z'] = match
  const significant = digits.replace(/0+$/, '').slice(0, 9)
  const fraction = significant && `.${significant.padEnd(Math.ceil(significant.length / 3) * 3, '0')}`
  return `${date}T${time}${fraction}${zone.toUpperCase() === 'Z' ? '+00:00' : zone}`
}

function literal(value: Expression, type: ColumnType, values: EnumValues | undefined): ColumnDefault | undefined {
  if (value.kind === 'name') {
    if (values) return { kind: 'literal', of: 'enum', text: values.get(value.name) ?? value.name }
    return { kind: 'literal', of: 'boolean', text: value.name }
  }
  if (value.kind !== 'string' && value.kind !== 'number') return undefined
  const written = value.kind === 'string' ? value.value : value.text
  const scalar = type.kind === 'native' ? type.scalar : 'String'
  switch (scalar) {
    case 'Int':
    case 'BigInt':
    case 'Float':
    case 'Decimal':
      return { kind: 'literal', of: 'number', text: written }
    case 'DateTime':
      return { kind: 'literal', of: 'datetime', text: dateText(written) }
    case 'Json':
      return { kind: 'literal', of: 'json', text: written }
    case 'Bytes':
      return { kind: 'literal', of: 'bytes', text: written }
    default:
      return { kind: 'literal', of: 'string', text: written }
  }
}

type Defaults = Pick<Column, 'default' | 'autoIncrement' | 'clientDefault'>

function columnDefault(field: Member, type: ColumnType, values: EnumValues | undefined): Defaults {
  const value = argument(attribute(field, 'default'), 'value', 0)
  if (value?.kind === 'call') {
    switch (value.name) {
      case 'autoincrement':
        return { default: undefined, autoIncrement: true }
      case 'now':
        return { default: { kind: 'now' }, autoIncrement: false }
      case 'dbgenerated': {
        const sql = value.args[0]?.value
        const text = sql?.kind === 'string' ? sql.value : undefined
        return { default: { kind: 'dbgenerated', text }, autoIncrement: false }
      }
      default:
        return { default: undefined, autoIncrement: false, clientDefault: true }
    }
  }
  return { default: value && literal(value, type, values), autoIncrement: false }
}

/** The name in the database: `@map`, or the field's own. */
export function columnName(field: Member): string {
  const mapped = argument(attribute(field, 'map'), 'name', 0)
  return mapped?.kind === 'string' ? mapped.value : field.name
}

/** The column behind a scalar, enum or Unsupported field. */
export function readColumn(field: Member, values: EnumValues | undefined): Column {
  const type = columnType(field, values)
  return {
    name: columnName(field),
    type,
    nullable: field.arity === 'optional',
    ...columnDefault(field, type, values),
  }
}
