/** `COLUMN_DEFAULT` -> the default of a column. MySQL shows the bare value, MariaDB the SQL text. */
import { textLiteral } from '../../sql/quoting.js'
import type { ColumnDefault, ColumnType } from '../planner/tables.js'
import { unquote } from '../values.js'
import { enclosed } from './create-table.js'
import type { CatalogColumn } from './types.js'

const isQuoted = (text: string) => /^'(?:[^'\\]|\\.|'')*'$/s.test(text)

function literal(of: 'string' | 'enum' | 'number' | 'boolean', text: string): ColumnDefault {
  return { kind: 'literal', of, text }
}

/** Prisma: the text of an expression stands in parentheses. */
function expression(text: string, { sqlDefaults, shown }: CatalogColumn): ColumnDefault {
  // In its catalog MySQL escapes what it would show.
  const sql = sqlDefaults || shown ? text : text.replace(/\\([\s\S])/g, '$1')
  return { kind: 'dbgenerated', text: enclosed(sql) ? sql : `(${sql})` }
}

function isNow(text: string): boolean {
  return /^(?:current_timestamp|now)(?:\(\d*\))?$/i.test(text)
}

/** Text and enum defaults. `_utf8mb4'x'` is how MySQL shows a text given as an expression. */
function textDefault(column: CatalogColumn, text: string, of: 'string' | 'enum'): ColumnDefault {
  if (column.sqlDefaults) return isQuoted(text) ? literal(of, unquote(text)) : expression(text, column)
  if (!column.expression) return literal(of, text)
  const plain = (column.shown ? text : text.replaceAll("\\'", "'")).replace(/^_utf8mb[34]/, '')
  return of === 'enum' && isQuoted(plain) ? literal(of, unquote(plain)) : expression(text, column)
}

function otherDefault(column: CatalogColumn, text: string): ColumnDefault {
  if (column.sqlDefaults) return isQuoted(text) ? { kind: 'dbgenerated', text } : expression(text, column)
  return column.expression ? expression(text, column) : { kind: 'dbgenerated', text: textLiteral(text) }
}

/** A text that stands for bytes, in digits: what is beyond printing is cut or replaced in a text. */
function bytes(text: string): ColumnDefault {
  // Not even shown whole: some default that the schema does not know.
  if (text.includes('\ufffd')) return { kind: 'dbgenerated', text: undefined }
  const plain = /^'[ -~]*'$/.test(text) && !text.includes('\\')
  return { kind: 'dbgenerated', text: plain ? text : `0x${Buffer.from(unquote(text)).toString('hex')}` }
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
      return expression(text, column)
    case 'Int':
    case 'BigInt':
    case 'Float':
    case 'Decimal':
      return numeral(bare) ?? expression(text, column)
    case 'DateTime':
      return isNow(text) ? { kind: 'now' } : otherDefault(column, text)
    case 'Bytes':
      if (column.expression) return expression(text, column)
      // Bits and, on MySQL, bytes are shown as SQL.
      if (/^(?:b'[01]*'|0x[0-9a-f]*|x'[0-9a-f]*')$/i.test(text)) return { kind: 'dbgenerated', text }
      return column.shown && isQuoted(text) ? bytes(text) : otherDefault(column, text)
    default:
      return otherDefault(column, text)
  }
}
