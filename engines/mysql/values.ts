/** Names and values as SQL text, in a spelling that every `sql_mode` reads alike. */
import type { TypedParameter, TypedParameterValue } from 'mysql2'
import type { ColumnInfo } from '../engine.js'
import { textLiteral } from '../sql/quoting.js'

/** Longest name of a database, table, column or index, in characters. */
export const NAME_LIMIT = 64

/** @throws Error for names that MySQL cannot have */
export function quote(identifier: string): string {
  if (identifier === '') throw new Error('an empty name cannot be quoted')
  if (identifier.includes('\0')) throw new Error('a name must not contain a NUL character')
  // MySQL: permitted in quoted names is the Basic Multilingual Plane; the rest is refused or becomes a question mark.
  if (/[\u{10000}-\u{10ffff}]/u.test(identifier))
    throw new Error(
      `the name ${identifier.slice(0, 20)} has a character beyond U+FFFF, which MySQL's names cannot hold`,
    )
  if ([...identifier].length > NAME_LIMIT) {
    throw new Error(`the name ${identifier.slice(0, 20)}... is longer than ${NAME_LIMIT} characters`)
  }
  return `\`${identifier.replaceAll('`', '``')}\``
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', Z: '\x1a', b: '\b' }

/** The value of `'it''s'` as a server writes it: control characters and backslashes are escaped. */
export function unquote(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(.)|''/gs, (_, escaped?: string) => (escaped === undefined ? "'" : (ESCAPES[escaped] ?? escaped)))
}

/** A text as DDL has it, where a backslash escapes. */
export function escapedText(text: string): string {
  return textLiteral(text.replaceAll('\\', '\\\\'))
}

function utcText(at: Date): string {
  if (Number.isNaN(at.getTime())) throw new TypeError('an invalid Date cannot be stored')
  return at.toISOString().replace('T', ' ').replace('Z', '')
}

/**
 * The value as a literal. A string with a backslash is written in hexadecimal, because `NO_BACKSLASH_ESCAPES` decides
 * what a backslash means and the literal must not depend on it.
 */
export function literal(value: unknown): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') {
    if (/[\\\0\x1a]/.test(value)) return `_utf8mb4 X'${Buffer.from(value, 'utf8').toString('hex').toUpperCase()}'`
    return textLiteral(value)
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} is not a number that MySQL can store`)
    return Object.is(value, -0) ? '-0e0' : String(value)
  }
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE'
  if (value instanceof Date) return `'${utcText(value)}'`
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex').toUpperCase()}'`
  if (typeof value === 'object') return literal(plain(value, 1))
  throw new TypeError(`a value of type ${value === undefined ? 'undefined' : typeof value} has no SQL literal`)
}

/** What a parameter stands for: a plain object or list is JSON text, a number that is whole is an integer. */
function plain(value: unknown, position: number): string | number | bigint | boolean | Date | Buffer | null {
  const refuse = (what: string): never => {
    throw new TypeError(`parameter ${position} is ${what}; use null for NULL`)
  }
  if (value === null) return null
  switch (typeof value) {
    case 'undefined':
      return refuse('undefined')
    case 'function':
    case 'symbol':
      return refuse(`a ${typeof value}`)
    case 'string':
    case 'boolean':
    case 'bigint':
      return value
    case 'number':
      if (!Number.isFinite(value)) return refuse(String(value))
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return refuse('an invalid Date')
    return value
  }
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return JSON.stringify(value) ?? refuse('an object without a JSON form')
}

/** Parameters for the binary protocol. Integers keep all their digits; objects can never become SQL. */
export function parameters(values: readonly unknown[], types: TypedParameter): (TypedParameterValue | unknown)[] {
  return values.map((value, i) => {
    const result = plain(value, i + 1)
    if (typeof result !== 'bigint') return result
    if (BigInt.asIntN(64, result) === result) return types.LONGLONG(result)
    return BigInt.asUintN(64, result) === result ? types.LONGLONG.unsigned(result) : String(result)
  })
}

/** The same parameter as a literal, for statements that the server cannot prepare. */
export function parameterLiteral(value: unknown, position: number): string {
  return literal(plain(value, position))
}

const INTEGER_BITS: Readonly<Record<string, number>> = {
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  integer: 32,
  bigint: 63,
}

interface SqlType {
  readonly base: string
  readonly args: string
  readonly unsigned: boolean
}

function typeOf(text: string): SqlType | undefined {
  const match = /^\s*([a-z]+(?:\s+precision)?)\s*(?:\((.*)\))?\s*([^()]*)$/is.exec(text)
  if (!match) return undefined
  return {
    base: (match[1] as string).toLowerCase(),
    args: match[2] ?? '',
    unsigned: /\bunsigned\b/i.test(match[3] ?? ''),
  }
}

/** The first value of `'a', 'b''c'`, with its quotes. */
function firstValue(args: string): string | undefined {
  return /^\s*('(?:[^']|'')*')/.exec(args)?.[1]
}

/** The value that says nothing: zero, the empty text, the first enum value, the beginning of time. */
export function neutral(type: string): string | undefined {
  const sql = typeOf(type)
  if (!sql) return undefined
  if (sql.base in INTEGER_BITS) return '0'
  switch (sql.base) {
    case 'boolean':
    case 'bool':
      return 'false'
    case 'decimal':
    case 'numeric':
    case 'dec':
    case 'fixed':
    case 'float':
    case 'double':
    case 'double precision':
    case 'real':
      return '0'
    case 'bit':
      return "b'0'"
    case 'char':
    case 'varchar':
    case 'binary':
    case 'varbinary':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
    case 'set':
      return "''"
    case 'enum':
      return firstValue(sql.args)
    case 'json':
      return "'{}'"
    case 'date':
      return "'1970-01-01'"
    case 'time':
      return "'00:00:00'"
    case 'datetime':
      return "'1970-01-01 00:00:00'"
    case 'timestamp':
      // One day later: the epoch itself is out of range east of Greenwich.
      return "'1970-01-02 00:00:00'"
    case 'year':
      return '1970'
    default:
      return undefined
  }
}

function sampleText(n: number, limit: number): string {
  const text = `value ${n}`
  return text.length <= limit ? text : n.toString(36).slice(-limit)
}

/** The n-th value (from 1) for a generated row: distinct for as many rows as the type allows. */
export function sample(column: ColumnInfo, n: number): string | undefined {
  const sql = typeOf(column.type)
  if (!sql) return undefined
  const width = Number.parseInt(sql.args, 10)
  const bits = INTEGER_BITS[sql.base]
  if (bits !== undefined) {
    if (sql.base === 'tinyint' && width === 1) return String(n % 2)
    return String(n % 2 ** Math.min(bits - 1, 50))
  }
  const day = new Date(Date.UTC(2020, 0, 1) + (n % 4000) * 86_400_000).toISOString().slice(0, 10)
  const clock = new Date((n % 86_400) * 1000).toISOString().slice(11, 19)
  switch (sql.base) {
    case 'decimal':
    case 'numeric': {
      const [precision = 10, scale = 0] = sql.args.split(',').map(Number)
      const whole = precision - scale
      return whole > 0 ? String(n % 10 ** Math.min(whole, 15)) : '0'
    }
    case 'float':
    case 'double':
    case 'real':
      return `${n}.5`
    case 'boolean':
      return String(n % 2)
    case 'bit':
      return `b'${(n % 2 ** Math.min(width || 1, 30)).toString(2)}'`
    case 'char':
    case 'varchar':
      return width === 0 ? "''" : `'${sampleText(n, width || 1)}'`
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return `'value ${n}'`
    case 'binary':
    case 'varbinary':
      return width === 0 ? "''" : `'${sampleText(n, width || 1)}'`
    case 'enum': {
      const values = column.enumValues ?? []
      return values.length > 0 ? literal(values[n % values.length] as string) : firstValue(sql.args)
    }
    case 'set':
      return firstValue(sql.args)
    case 'json':
      return `'{"n": ${n}}'`
    case 'date':
      return `'${day}'`
    case 'time':
      return `'${clock}'`
    case 'datetime':
    case 'timestamp':
      return `'${day} ${clock}'`
    case 'year':
      return String(1970 + (n % 100))
    case 'uuid':
      return `'00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}'`
    case 'inet4':
      return `'10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}'`
    case 'point':
      return `ST_GeomFromText('POINT(${n} ${n % 90})')`
    case 'geometry':
      return `ST_GeomFromText('POINT(${n % 180} ${n % 90})')`
    default:
      return undefined
  }
}
