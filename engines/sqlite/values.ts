/** Names, literals, parameters, result values and made-up values of SQLite. */
import type { ColumnInfo, HistoryDialect, Row } from '../engine.js'
import { quotedName, textLiteral } from '../sql/quoting.js'

/** @throws Error for a name that SQLite cannot hold */
export function quote(identifier: string): string {
  if (identifier === '') throw new Error('an empty name cannot be quoted')
  if (identifier.includes('\0')) throw new Error('a name must not contain a NUL character')
  return quotedName(identifier)
}

/** Prisma 7 (better-sqlite3 adapter): `2026-11-20T12:41:33.741+00:00`. */
function isoText(at: Date): string {
  if (Number.isNaN(at.getTime())) throw new TypeError('an invalid Date cannot be stored')
  return at.toISOString().replace('Z', '+00:00')
}

function wholeText(text: string): string {
  // SQL text ends at a NUL, so it is put in from outside.
  const parts = text.split('\0').map(textLiteral)
  return parts.length === 1 ? parts[0]! : `(${parts.join('||char(0)||')})`
}

/** @throws TypeError for what has no literal */
export function literal(value: unknown): string {
  if (value === null) return 'NULL'
  switch (typeof value) {
    case 'string':
      return wholeText(value)
    case 'number':
      if (Number.isNaN(value)) throw new TypeError('SQLite has no NaN')
      if (!Number.isFinite(value)) return value > 0 ? '9e999' : '-9e999'
      return Object.is(value, -0) ? '-0.0' : String(value)
    case 'bigint':
      return String(value)
    case 'boolean':
      return value ? '1' : '0'
  }
  if (value instanceof Date) return `'${isoText(value)}'`
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex').toUpperCase()}'`
  if (typeof value === 'object') return literal(parameter(value, 1))
  throw new TypeError(`a value of type ${typeof value} has no SQL literal`)
}

function parameter(value: unknown, position: number): unknown {
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
    case 'bigint':
      return value
    case 'boolean':
      return value ? 1 : 0
    case 'number':
      if (Number.isNaN(value)) return refuse('NaN')
      // The driver binds a number beyond 32 bits as REAL; a bigint stays INTEGER.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
  }
  if (value instanceof Date) return isoText(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? String(inner) : inner))
}

/** Parameters for the driver: booleans 0 and 1, Dates ISO text in UTC, objects and lists JSON text, integers exact. */
export function parameters(values: readonly unknown[]): unknown[] {
  return values.map((value, i) => parameter(value, i + 1))
}

/** Integers as numbers where they are exact, else as bigints: the same rule on every database. */
export function exactRow(row: Row): Row {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) row[name] = Number(value)
  }
  return row
}

/** A time in any form in which Prisma ever stored one: integer milliseconds, ISO, `YYYY-MM-DD HH:MM:SS` (UTC), RFC 2822. */
export function readTime(value: unknown): Date | null {
  if (typeof value === 'bigint' || typeof value === 'number') return valid(new Date(Number(value)))
  if (typeof value !== 'string') return null
  const text = value.trim()
  if (/^-?\d{9,}$/.test(text)) return valid(new Date(Number(text)))
  if (/^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(text))
    return valid(new Date(`${text.replace(' ', 'T')}Z`))
  return valid(new Date(text))
}

function valid(date: Date): Date | null {
  return Number.isNaN(date.getTime()) ? null : date
}

/** Prisma: `CREATE TABLE _prisma_migrations` of the SQLite flavour; its native engine writes integer milliseconds. */
export const historyDialect: HistoryDialect = {
  table: '"_prisma_migrations"',
  beside: quote,
  createTable: `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`,
  time: (at) => at.getTime(),
  readTime,
  timeColumn: quote,
  isNamed: (name) => `migration_name = ${name}`,
}

const day = (n: number) => new Date(Date.UTC(2000, 0, 1 + n)).toISOString().slice(0, 10)

/** SQLite: the rules of column affinity, in their order, after the types that mean more than their affinity. */
function madeUp(type: string): { neutral: string; sample: (n: number) => string } | undefined {
  const declared = type.trim().toLowerCase()
  if (/^datetime|^timestamp/.test(declared))
    return { neutral: "'1970-01-01 00:00:00'", sample: (n) => `'${day(n)}T00:00:00.000+00:00'` }
  if (/^date$/.test(declared)) return { neutral: "'1970-01-01'", sample: (n) => `'${day(n)}'` }
  if (/^bool/.test(declared)) return { neutral: '0', sample: (n) => String(n % 2) }
  if (/^json/.test(declared)) return { neutral: "'{}'", sample: (n) => `'{"n":${n}}'` }
  if (/int/.test(declared)) return { neutral: '0', sample: String }
  if (/char|clob|text/.test(declared)) return { neutral: "''", sample: (n) => `'r${n}'` }
  if (/blob/.test(declared)) return { neutral: "X''", sample: (n) => `X'${n.toString(16).padStart(8, '0')}'` }
  if (/real|floa|doub|num|dec/.test(declared)) return { neutral: '0', sample: String }
  return undefined
}

/** See Engine.sample. */
export function sample(column: ColumnInfo, n: number): string | undefined {
  return madeUp(column.type)?.sample(n)
}

/** See Engine.neutral. */
export function neutral(type: string): string | undefined {
  return madeUp(type)?.neutral
}
