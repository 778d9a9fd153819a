/** Names, literals, parameters, result values and made-up values of PostgreSQL. */
import type pg from 'pg'
import type { ColumnInfo } from '../engine.js'
import { quotedName } from '../sql/quoting.js'

/** NAMEDATALEN - 1. PostgreSQL cuts longer names silently; rays refuses them. */
export const IDENTIFIER_LIMIT = 63

/** @throws Error for a name that PostgreSQL would cut or cannot hold */
export function quote(identifier: string): string {
  if (identifier === '') throw new Error('an empty name cannot be quoted')
  if (identifier.includes('\0')) throw new Error('a name must not contain a NUL character')
  if (Buffer.byteLength(identifier) > IDENTIFIER_LIMIT)
    throw new Error(
      `the name ${JSON.stringify(identifier)} is longer than ${IDENTIFIER_LIMIT} bytes: PostgreSQL would cut it`,
    )
  return quotedName(identifier)
}

function noNul(text: string, what: string): string {
  if (text.includes('\0')) throw new TypeError(`${what} contains a NUL character, which PostgreSQL text cannot hold`)
  return text
}

/** `2026-11-20 12:41:33.741+00`, the spelling that every date and time type reads as UTC. */
function utcText(at: Date): string {
  if (Number.isNaN(at.getTime())) throw new TypeError('an invalid Date cannot be stored')
  const year = at.getUTCFullYear()
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return `${shown}-${at.toISOString().slice(-19).replace('T', ' ').replace('Z', '+00')}${year > 0 ? '' : ' BC'}`
}

/** A list in the notation of PostgreSQL's arrays, as the driver sends it. */
function arrayText(list: readonly unknown[]): string {
  const items = list.map((item) => {
    if (item === null || item === undefined) return 'NULL'
    if (Array.isArray(item)) return arrayText(item)
    const sent = parameter(item, 'an item of the list')
    const text = sent instanceof Uint8Array ? `\\x${Buffer.from(sent).toString('hex')}` : String(sent)
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  })
  return `{${items.join(',')}}`
}

/** Lists are arrays and objects are JSON, as in {@link parameters}. @throws TypeError for what has no literal */
export function literal(value: unknown): string {
  if (value === null) return 'NULL'
  switch (typeof value) {
    case 'string': {
      noNul(value, 'the text')
      const doubled = value.replaceAll("'", "''")
      // E'' reads the same whatever standard_conforming_strings says.
      return value.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
    }
    case 'number':
      if (!Number.isFinite(value)) return `'${value}'::double precision`
      return Object.is(value, -0) ? "'-0'::double precision" : String(value)
    case 'bigint':
      return String(value)
    case 'boolean':
      return value ? 'TRUE' : 'FALSE'
  }
  if (value instanceof Date) return `'${utcText(value)}'`
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'::bytea`
  if (Array.isArray(value)) return literal(arrayText(value))
  if (typeof value === 'object') return literal(parameter(value, 'the value'))
  throw new TypeError(`a value of type ${typeof value} has no SQL literal`)
}

function parameter(value: unknown, at: string): unknown {
  if (value === null) return null
  switch (typeof value) {
    case 'undefined':
      throw new TypeError(`${at} is undefined; use null for NULL`)
    case 'function':
    case 'symbol':
      throw new TypeError(`${at} is a ${typeof value}`)
    case 'string':
      return noNul(value, at)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
  }
  if (value instanceof Date) return utcText(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  // A list is a PostgreSQL array, as in the driver; for a JSON column pass JSON.stringify(list).
  if (Array.isArray(value)) return value.map((item, i) => parameter(item, `${at}[${i}]`))
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? String(inner) : inner))
}

/** Parameters as text, so that the server gives them the type it needs and no digit is lost. Objects become JSON. */
export function parameters(values: readonly unknown[]): unknown[] {
  return values.map((value, i) => parameter(value, `parameter ${i + 1}`))
}

const TIMESTAMP = /^(\d{4,6})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-]\d\d(?::\d\d){0,2})?)?( BC)?$/

/** A point in time from its ISO text; a time without a zone is UTC, as Prisma reads it. `infinity` stays text. */
function parseTime(text: string): Date | string {
  const match = TIMESTAMP.exec(text)
  if (!match) return text
  const [, y, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone, bc] = match
  const year = bc ? 1 - Number(y) : Number(y)
  const date = new Date(0)
  date.setUTCFullYear(year, Number(month) - 1, Number(day))
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3)))
  if (!zone) return date
  const [h, m = '0', s = '0'] = zone.slice(1).split(':')
  const offset = (Number(h) * 3600 + Number(m) * 60 + Number(s)) * 1000
  return new Date(date.getTime() - (zone[0] === '-' ? -offset : offset))
}

/** A number where it is exact, else a bigint: the same rule on every database. */
function parseInt8(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

type Parser = (text: string) => unknown

const json: Parser = (text) => JSON.parse(text)
const asText: Parser = (text) => text

/** Element parser by OID; NUMERIC, time, interval and everything unknown stay text. */
const SCALARS: Readonly<Record<number, Parser>> = {
  16: (text) => text === 't',
  17: (text) => Buffer.from(text.slice(2), 'hex'),
  20: parseInt8,
  21: Number,
  23: Number,
  26: Number,
  114: json,
  700: Number,
  701: Number,
  1082: parseTime,
  1114: parseTime,
  1184: parseTime,
  3802: json,
}

/** Array type to element type. */
const ARRAYS: Readonly<Record<number, number>> = {
  199: 114,
  1000: 16,
  1001: 17,
  1005: 21,
  1007: 23,
  1009: 25,
  1014: 1042,
  1015: 1043,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  1115: 1114,
  1182: 1082,
  1183: 1083,
  1185: 1184,
  1231: 1700,
  2951: 2950,
  3807: 3802,
}

/** How result values are read: exact, times in UTC. Independent of the driver's global settings. */
export function typeParsers(driver: typeof pg): pg.CustomTypesConfig {
  const arrays = (
    driver.types as unknown as { arrayParser: { create(text: string, parse: Parser): { parse(): unknown } } }
  ).arrayParser
  const find = (oid: number): Parser => {
    const element = ARRAYS[oid]
    if (element === undefined) return SCALARS[oid] ?? asText
    const parse = SCALARS[element] ?? asText
    return (text) => arrays.create(text, parse).parse()
  }
  return { getTypeParser: ((oid: number) => find(oid)) as unknown as pg.CustomTypesConfig['getTypeParser'] }
}

interface MadeUp {
  readonly neutral: string
  readonly sample: (n: number) => string
}

const text = (limit = 24): MadeUp => ({ neutral: "''", sample: (n) => `'${`r${n}`.slice(0, limit)}'` })
const number: MadeUp = { neutral: '0', sample: (n) => String(n) }
const day = (n: number) => new Date(Date.UTC(2000, 0, 1 + n)).toISOString().slice(0, 10)
const stamp: MadeUp = { neutral: "'1970-01-01 00:00:00'", sample: (n) => `'${day(n)} 00:00:00'` }
const document: MadeUp = { neutral: "'{}'", sample: (n) => `'{"n":${n}}'` }
const bits = (limit: number): MadeUp => ({
  neutral: `B'${'0'.repeat(limit)}'`,
  sample: (n) => `B'${n.toString(2).padStart(limit, '0').slice(-limit)}'`,
})
const hex = (n: number, digits: number) => n.toString(16).padStart(digits, '0').slice(-digits)

/** By the type's own name and its aliases, without length. */
const MADE_UP: Readonly<Record<string, MadeUp>> = {
  smallint: { neutral: '0', sample: (n) => String(n % 32768) },
  integer: number,
  bigint: number,
  oid: number,
  'double precision': number,
  real: number,
  money: number,
  boolean: { neutral: 'false', sample: (n) => (n % 2 === 0 ? 'true' : 'false') },
  text: text(),
  citext: text(),
  name: text(),
  'character varying': text(),
  uuid: {
    neutral: "'00000000-0000-0000-0000-000000000000'",
    sample: (n) => `'00000000-0000-4000-8000-${hex(n, 12)}'`,
  },
  json: document,
  jsonb: document,
  bytea: { neutral: "'\\x'", sample: (n) => `'\\x${hex(n, 8)}'` },
  date: { neutral: "'1970-01-01'", sample: (n) => `'${day(n)}'` },
  'timestamp without time zone': stamp,
  'timestamp with time zone': stamp,
  'time without time zone': { neutral: "'00:00:00'", sample: (n) => `'00:${hexless(n)}'` },
  'time with time zone': { neutral: "'00:00:00+00'", sample: (n) => `'00:${hexless(n)}+00'` },
  interval: { neutral: "'0'", sample: (n) => `'${n} seconds'` },
  inet: { neutral: "'0.0.0.0'", sample: (n) => `'10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}'` },
  cidr: { neutral: "'0.0.0.0/32'", sample: (n) => `'10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}/32'` },
  macaddr: { neutral: "'00:00:00:00:00:00'", sample: (n) => `'00:00:00:00:${hex(n >> 8, 2)}:${hex(n & 255, 2)}'` },
  xml: { neutral: "''", sample: (n) => `'<r n="${n}"/>'` },
  tsvector: { neutral: "''", sample: (n) => `'r${n}'` },
  tsquery: { neutral: "''", sample: (n) => `'r${n}'` },
  hstore: { neutral: "''", sample: (n) => `'n=>${n}'` },
  ltree: { neutral: "''", sample: (n) => `'r${n}'` },
}

function hexless(n: number): string {
  return `${String(Math.floor(n / 60) % 60).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}`
}

const ALIASES: Readonly<Record<string, string>> = {
  int: 'integer',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  serial: 'integer',
  smallserial: 'smallint',
  bigserial: 'bigint',
  float4: 'real',
  float8: 'double precision',
  float: 'double precision',
  bool: 'boolean',
  varchar: 'character varying',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  time: 'time without time zone',
  timetz: 'time with time zone',
  varbit: 'bit varying',
}

function madeUp(type: string): MadeUp | undefined {
  const match = /^([a-z_0-9 ]+?) ?(?:\((\d+)(?: ?, ?(-?\d+))?\))?( with(?:out)? time zone)?$/.exec(type)
  if (!match) return undefined
  const [, written, size, scale, zone] = match
  const bare = written!.replace(/\s+/g, ' ')
  const base = `${zone ? bare : (ALIASES[bare] ?? bare)}${zone ?? ''}`
  const limit = size === undefined ? undefined : Number(size)
  switch (base) {
    case 'character varying':
      return limit === undefined ? text() : shortText(limit)
    case 'character':
    case 'char':
    case 'bpchar':
      return shortText(limit ?? 1)
    case 'bit':
      return bits(limit ?? 1)
    case 'bit varying':
      return { neutral: "B''", sample: (n) => `B'${n.toString(2).slice(-(limit ?? 64))}'` }
    case 'numeric':
    case 'decimal':
      return decimal(limit, Number(scale ?? 0))
    default:
      return Object.hasOwn(MADE_UP, base) ? MADE_UP[base] : undefined
  }
}

/** As many different texts as fit: digits in base 36, from the right. */
function shortText(limit: number): MadeUp {
  return { neutral: "''", sample: (n) => (limit >= 12 ? `'r${n}'` : `'${n.toString(36).slice(-limit)}'`) }
}

function decimal(precision: number | undefined, scale: number): MadeUp {
  if (precision === undefined) return number
  const wholeDigits = precision - scale
  if (wholeDigits > 0) return { neutral: '0', sample: (n) => String(n % 10 ** Math.min(wholeDigits, 9)) }
  return { neutral: '0', sample: (n) => `${n % 10 ** Math.min(precision, 9)}e-${scale}` }
}

/** See Engine.sample. */
export function sample(column: ColumnInfo, n: number): string | undefined {
  if (column.isArray) return "'{}'"
  const values = column.enumValues
  if (values) return values.length === 0 ? undefined : literal(values[n % values.length])
  return madeUp(column.type)?.sample(n)
}

const QUOTED_TYPE = /^(?:"(?:[^"]|"")+"\.)?"(?:[^"]|"")+"$/

/** See Engine.neutral. A quoted name that is no type of PostgreSQL's own is an enum: Prisma quotes nothing else. */
export function neutral(type: string): string | undefined {
  const written = type.trim()
  if (/\[\s*\d*\s*\]$/.test(written) || /\barray\b/i.test(written)) return "'{}'"
  if (QUOTED_TYPE.test(written)) return `(enum_range(NULL::${written}))[1]`
  return madeUp(written.toLowerCase())?.neutral
}
