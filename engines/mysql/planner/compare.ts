/** When two columns, indexes or keys count as the same. */

import { unquote } from '../values.js'
import { type CompareOptions, castBetween, shown } from './casts.js'
import type { ColumnPair } from './steps.js'
import type { Column, ColumnDefault, Index, KeyColumn } from './tables.js'
import { plainTime, serverTime, splitOnUpdate } from './times.js'

/** What differs between two columns of the same name. */
export function compareColumns(from: Column, to: Column, options: CompareOptions): ColumnPair {
  return {
    from,
    to: withoutOnUpdate(from, keepUnknownDefault(from, to, options)),
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

const saysOnUpdate = ({ default: value }: Column) =>
  value?.kind === 'dbgenerated' && splitOnUpdate(value.text ?? '').onUpdate

/** A schema that said ON UPDATE and says it no longer wants it gone. */
function withoutOnUpdate(from: Column, to: Column): Column {
  if (!to.beside?.onUpdate || !saysOnUpdate(from) || saysOnUpdate(to)) return to
  const { onUpdate: _, ...beside } = to.beside
  return { ...to, beside }
}

/** Whether the defaults of two columns differ. Prisma: the first rule that applies decides. */
export function defaultsDiffer(from: Column, to: Column, options: CompareOptions): boolean {
  const knowsJson = options.serverDefaults && !options.plainDefaults
  if ((isJson(from) || isJson(to)) && !knowsJson) return false
  const previous = options.serverDefaults ? storedDefault(from) : from.default
  const next = options.serverDefaults ? storedDefault(to) : to.default
  if (next?.kind === 'dbgenerated' && next.text === undefined) return false
  if (!previous || !next) return previous !== next
  if (options.serverDefaults) {
    const [a, b] = [canonicalDefault(previous, from), canonicalDefault(next, to)]
    return options.live ? shown(a) !== shown(b) : a !== b
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

/** A literal default of Bytes never reaches the database, and NULL is none. */
function storedDefault(column: Column): ColumnDefault | undefined {
  const value = column.default
  if (value?.kind === 'dbgenerated' && /^\s*\(*\s*null\s*\)*\s*$/i.test(value.text ?? '')) return undefined
  return value && isLiteral(value, 'bytes') ? undefined : value
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

/** A string of SQL, with what tells the server its character set. */
const STRING = /((?:_utf8(?:mb[34])?)?'(?:[^'\\]|\\.|'')*')/is

/**
 * A default as the server understands it, whatever its spelling: MariaDB stores expressions in lower case, with its own
 * parentheses and blanks, and `NOW()` as `current_timestamp()`; MySQL names the character set of every text.
 */
export function canonicalDefault(value: ColumnDefault, column: Column): string {
  if (value.kind === 'now') return 'current_timestamp'
  if (value.kind === 'literal') {
    if (value.of === 'number') return numberText(value.text)
    if (value.of === 'boolean') return value.text === 'true' ? '1' : '0'
    if (value.of === 'datetime') return `'${serverTime(value.text, column.type)}'`
    return `'${value.text}'`
  }
  const { text, onUpdate } = splitOnUpdate(value.text ?? '')
  return onUpdate ? `${canonicalText(text, column)} on update` : canonicalText(text, column)
}

function canonicalText(sql: string, { type }: Column): string {
  const pieces = sql.split(STRING)
  const plain = pieces.map((piece, i) =>
    i % 2 ? `'${unquote(piece.slice(piece.indexOf("'")))}'` : piece.replace(/\s+/g, '').toLowerCase(),
  )
  let text = plain.join('')
  while (/^\(.*\)$/s.test(text) && closes(text)) text = text.slice(1, -1)
  text = text.replace(/^(?:now|current_timestamp|localtime|localtimestamp)(?:\(\d*\))?$/, 'current_timestamp')
  const native = type.kind === 'native' ? type.name : undefined
  // What `now()` is to these types (see render.ts), as servers show it.
  if (native === 'Date') text = text.replace(/^(?:curdate|current_date)(?:\(\))?$/, 'current_timestamp')
  if (native === 'Time') text = text.replace(/^(?:curtime|current_time)(?:\(\d*\))?$/, 'current_timestamp')
  text = text.replace(/^b'([01]{1,64})'$/, (_, bits: string) => String(BigInt(`0b${bits}`)))
  if (text.startsWith("'")) {
    const content = text.slice(1, -1)
    return `'${type.kind === 'native' && type.scalar === 'DateTime' ? plainTime(content) : content}'`
  }
  if (type.kind === 'native' && type.scalar === 'Bytes')
    text = text.replace(/^(?:x'([0-9a-f]*)'|0x([0-9a-f]+))$/i, (_, a = '', b = '') => `0x${a}${b}`.toLowerCase())
  return numberText(text === 'true' ? '1' : text === 'false' ? '0' : text)
}

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
