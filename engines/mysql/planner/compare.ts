/** When two columns, indexes or keys count as the same. */
import { type CompareOptions, castBetween } from './casts.js'
import type { ColumnPair } from './steps.js'
import type { Column, ColumnDefault, Index, KeyColumn } from './tables.js'
import { plainTime, serverTime } from './times.js'

/** What differs between two columns of the same name. */
export function compareColumns(from: Column, to: Column, options: CompareOptions): ColumnPair {
  return {
    from,
    to: keepUnknownDefault(from, to, options),
    cast: castBetween(from.type, to.type, options),
    arityChanged: from.nullable !== to.nullable,
    defaultChanged: defaultsDiffer(from, to, options),
    autoIncrementChanged: from.autoIncrement !== to.autoIncrement,
  }
}

/** Whether anything differs. */
export function changed(pair: ColumnPair): boolean {
  return pair.cast !== 'none' || pair.arityChanged || pair.defaultChanged || pair.autoIncrementChanged
}

/** `@default(dbgenerated())` stands for whatever default the column has; Prisma keeps only an expression. */
function keepUnknownDefault(from: Column, to: Column, options: CompareOptions): Column {
  if (to.default?.kind !== 'dbgenerated' || to.default.text !== undefined) return to
  const keep = options.serverDefaults || from.default?.kind === 'dbgenerated'
  return keep ? { ...to, default: from.default } : to
}

const isJson = (column: Column) => column.type.kind === 'native' && column.type.name === 'Json'
const isLiteral = (value: ColumnDefault, of: string) => value.kind === 'literal' && value.of === of

/** Prisma: the first rule that applies decides. */
function defaultsDiffer(from: Column, to: Column, options: CompareOptions): boolean {
  if (isJson(from) || isJson(to)) return false
  const previous = options.serverDefaults ? storedDefault(from) : from.default
  const next = options.serverDefaults ? storedDefault(to) : to.default
  if (next?.kind === 'dbgenerated' && next.text === undefined) return false
  if (!previous || !next) return previous !== next
  if (options.serverDefaults) {
    const [a, b] = [canonical(previous, from), canonical(next, to)]
    return options.live && options.mariadb ? shown(a) !== shown(b) : a !== b
  }
  if (isLiteral(previous, 'datetime') || isLiteral(next, 'datetime')) return false
  if (previous.kind === 'now' || next.kind === 'now') return previous.kind !== next.kind
  if (previous.kind === 'dbgenerated' || next.kind === 'dbgenerated') {
    if (previous.kind !== next.kind) return true
    return asciiLower(previous.text ?? '') !== asciiLower((next as { text?: string }).text ?? '')
  }
  if (previous.of === 'number' && next.of === 'number') return numberText(previous.text) !== numberText(next.text)
  return previous.text !== next.text
}

/** A literal default of Bytes or Json never reaches the database. */
function storedDefault(column: Column): ColumnDefault | undefined {
  const value = column.default
  return value && (isLiteral(value, 'bytes') || isLiteral(value, 'json')) ? undefined : value
}

/** ASCII letters only, as Prisma compares expressions. */
export function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** A number without the zeros that do not count; any text that is not a number stays. */
function numberText(text: string): string {
  const match = /^\s*([+-]?)0*(\d+)(?:\.(\d*?)0*)?\s*$/.exec(text)
  if (!match) return text
  const [, sign, whole, fraction] = match
  const digits = fraction ? `${whole}.${fraction}` : (whole ?? '')
  return sign === '-' && /[1-9]/.test(digits) ? `-${digits}` : digits
}

/**
 * A default as the server understands it, whatever its spelling: MariaDB stores expressions in lower case, with its own
 * parentheses and blanks, and `NOW()` as `current_timestamp()`.
 */
function canonical(value: ColumnDefault, { type }: Column): string {
  if (value.kind === 'now') return 'current_timestamp'
  if (value.kind === 'literal') {
    if (value.of === 'number') return numberText(value.text)
    if (value.of === 'boolean') return value.text === 'true' ? '1' : '0'
    if (value.of === 'datetime') return `'${serverTime(value.text, type)}'`
    return `'${value.text}'`
  }
  const parts = (value.text ?? '').split(/('(?:[^'\\]|\\.|'')*')/)
  let text = parts.map((part, i) => (i % 2 ? part : part.replace(/\s+/g, '').toLowerCase())).join('')
  while (/^\(.*\)$/s.test(text) && closes(text)) text = text.slice(1, -1)
  text = text.replace(/^_utf8mb[34](?=')/, '')
  text = text.replace(/^(?:now|current_timestamp|localtime|localtimestamp)(?:\(\d*\))?$/, 'current_timestamp')
  const native = type.kind === 'native' ? type.name : undefined
  // What `now()` is to these types (see render.ts), as servers show it.
  if (native === 'Date') text = text.replace(/^(?:curdate|current_date)(?:\(\))?$/, 'current_timestamp')
  if (native === 'Time') text = text.replace(/^(?:curtime|current_time)(?:\(\d*\))?$/, 'current_timestamp')
  text = text.replace(/^b'([01]{1,64})'$/, (_, bits: string) => String(BigInt(`0b${bits}`)))
  if (text.startsWith("'")) {
    const content = text.slice(1, -1).replace(/''/g, "'")
    return `'${type.kind === 'native' && type.scalar === 'DateTime' ? plainTime(content) : content}'`
  }
  return numberText(text === 'true' ? '1' : text === 'false' ? '0' : text)
}

/** MariaDB's catalogue is of three-byte characters: it shows all others as question marks. */
const shown = (text: string) => text.replace(/[\u{10000}-\u{10ffff}]/gu, '?')

/** Whether the parenthesis that opens the text closes at its end. */
function closes(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length - 1; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    if (depth === 0) return false
  }
  return true
}

/** Same columns, prefix lengths and directions; no direction means ascending. */
export function sameKeyColumns(a: readonly KeyColumn[], b: readonly KeyColumn[]): boolean {
  return (
    a.length === b.length &&
    a.every((column, i) => {
      const other = b[i]
      return (
        column.name === other?.name &&
        column.length === other.length &&
        (column.sort ?? 'asc') === (other.sort ?? 'asc')
      )
    })
  )
}

/** Same kind and columns; the name does not count. */
export function sameIndex(a: Index, b: Index): boolean {
  return a.type === b.type && sameKeyColumns(a.columns, b.columns)
}

/** Same names in the same order. */
export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}
