/** `COLUMN_DEFAULT` -> the default of a column. MySQL shows the bare value, MariaDB the SQL text. */
import type { ColumnDefault, ColumnType } from '../planner/tables.js'
import { unquote } from '../values.js'
import type { CatalogColumn } from './types.js'

const isQuoted = (text: string) => /^'(?:[^'\\]|\\.|'')*'$/s.test(text)

function literal(of: 'string' | 'enum' | 'number' | 'boolean', text: string): ColumnDefault {
  return { kind: 'literal', of, text }
}

/** Prisma: the text of an expression stands in parentheses. */
function expression(text: string): ColumnDefault {
  // MySQL shows the quotes in an expression with backslashes before them.
  const sql = text.replaceAll("\\'", "'")
  return { kind: 'dbgenerated', text: sql.startsWith('(') ? sql : `(${sql})` }
}

function isNow(text: string): boolean {
  return /^(?:current_timestamp|now)(?:\(\d*\))?$/i.test(text)
}

/** Text and enum defaults. `_utf8mb4'x'` is how MySQL shows a text given as an expression. */
function textDefault(column: CatalogColumn, text: string, of: 'string' | 'enum'): ColumnDefault {
  if (column.sqlDefaults) return isQuoted(text) ? literal(of, unquote(text)) : expression(text)
  if (!column.expression) return literal(of, text)
  const plain = text.replaceAll("\\'", "'").replace(/^_utf8mb[34]/, '')
  return of === 'enum' && isQuoted(plain) ? literal(of, unquote(plain)) : expression(text)
}

function otherDefault(column: CatalogColumn, text: string): ColumnDefault {
  if (column.sqlDefaults) return isQuoted(text) ? { kind: 'dbgenerated', text } : expression(text)
  return column.expression ? expression(text) : { kind: 'dbgenerated', text: `'${text.replaceAll("'", "''")}'` }
}

/** Digits without an exponent, which a Prisma schema cannot write. */
function numeral(text: string): ColumnDefault | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i.exec(text)
  if (!match) return undefined
  const [, sign, whole = '', fraction = '', exponent] = match
  if (exponent === undefined) return literal('number', text)
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const padded = digits.padEnd(point, '0').padStart(digits.length - Math.min(point, 1) + 1, '0')
  const at = Math.max(point, 1)
  const after = padded.slice(at)
  return literal('number', `${sign}${padded.slice(0, at)}${after === '' ? '' : `.${after}`}`)
}

/** The default of a column, or undefined. */
export function readDefault(column: CatalogColumn, type: ColumnType): ColumnDefault | undefined {
  const text = column.default
  if (text === undefined || (column.sqlDefaults && text === 'NULL')) return undefined
  if (type.kind === 'enum') return textDefault(column, text, 'enum')
  if (type.kind !== 'native')
    return type.kind === 'untyped' ? textDefault(column, text, 'string') : otherDefault(column, text)
  const bare = isQuoted(text) ? unquote(text) : text
  switch (type.scalar) {
    case 'String':
      return textDefault(column, text, 'string')
    case 'Boolean':
      if (bare === '0' || bare === '1') return literal('boolean', bare === '1' ? 'true' : 'false')
      if (/^b'[01]'$/i.test(text)) return literal('boolean', text.includes('1') ? 'true' : 'false')
      return expression(text)
    case 'Int':
    case 'BigInt':
    case 'Float':
    case 'Decimal':
      return numeral(bare) ?? expression(text)
    case 'DateTime':
      return isNow(text) ? { kind: 'now' } : otherDefault(column, text)
    case 'Bytes':
      // Bits and, on MySQL, bytes are shown as SQL.
      return /^(?:b'[01]*'|0x[0-9a-f]*)$/i.test(text) ? { kind: 'dbgenerated', text } : otherDefault(column, text)
    default:
      return otherDefault(column, text)
  }
}
