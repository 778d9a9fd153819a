/**
 * Default expressions of SQLite on their way through Prisma's engine: it takes the expression of a text column for a text
 * (`DEFAULT (datetime('now'))` for `DEFAULT 'datetime(''now'')'`), and loses the parentheses of others, without which SQLite
 * reads none. So it is given a mark in place of each, as the text that it takes it for, and the mark is taken out of what it
 * answers.
 */
import type { DefaultExpressions } from '../engine.js'
import { type AdapterFactory, type ResultSet, withResults } from '../prisma-adapter.js'

const MARK = '__rays_expression_'
const MARKED = new RegExp(`${MARK}([0-9a-f]*)__`, 'g')
/** In a document the engine writes it without the quotes of SQL. */
const QUOTED = new RegExp(`'?"${MARK}([0-9a-f]*)__"'?|'${MARK}([0-9a-f]*)__'`, 'g')

/** What SQLite itself calls a value: numbers, texts, bytes, names of values; a name alone is a text, too. */
const LITERALS = [
  /^[+-]?\s*(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i,
  /^[+-]?\s*0x[0-9a-f]+$/i,
  /^'(?:[^']|'')*'$/,
  /^"(?:[^"]|"")*"$/,
  /^x'[0-9a-f]*'$/i,
  /^\w+$/,
]
const KEYWORD = /^current_(?:timestamp|date|time)$/i
/** Prisma: sql-schema-describer, what it takes for `now()`; they are the same times. */
const NOW = /^(?:current_timestamp|datetime\(\s*'now'\s*\))$/i
const DOCUMENTS = /^jsonb?$/i
const TIMES = /^(?:datetime|timestamp|date)$/i

/** Without the parentheses around all of it. */
function bare(expression: string): string {
  const text = expression.trim()
  return text.startsWith('(') && text.endsWith(')') && isOne(text) ? bare(text.slice(1, -1)) : text
}

/** Whether the first parenthesis is closed by the last. */
function isOne(text: string): boolean {
  let depth = 0
  for (const [token] of text.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[()]|./gs)) {
    text = text.slice(token.length)
    if (token === '(') depth++
    if (token === ')') depth--
    if (depth === 0) return text === ''
  }
  return false
}

function isExpression(text: string): boolean {
  return KEYWORD.test(text) || !LITERALS.some((literal) => literal.test(text))
}

const decoded = (hex: string) => {
  const text = Buffer.from(hex, 'hex').toString()
  return KEYWORD.test(text) ? text : `(${text})`
}

export const expressions: DefaultExpressions = {
  marked(expression, type) {
    const text = bare(expression)
    if (!isExpression(text)) return undefined
    if (TIMES.test(type) && NOW.test(text)) return { now: true }
    const mark = `${MARK}${Buffer.from(text).toString('hex')}__`
    return { now: false, mark: DOCUMENTS.test(type) ? `"${mark}"` : mark }
  },
  plain: (text) =>
    text
      .replace(QUOTED, (_, document: string | undefined, value: string) => decoded(document ?? value))
      .replace(MARKED, (_, hex: string) => decoded(hex)),
  adapter: (factory: AdapterFactory) => withResults(factory, withMarks),
}

/** Prisma: what sql-schema-describer asks for, `PRAGMA table_info`. */
function withMarks(result: ResultSet): ResultSet {
  const [value, type] = ['dflt_value', 'type'].map((name) => result.columnNames.indexOf(name)) as [number, number]
  if (value === -1 || type === -1) return result
  const rows = result.rows.map((row) => {
    const text = row[value]
    const marked = typeof text === 'string' ? expressions.marked(text, String(row[type])) : undefined
    if (marked === undefined) return row
    const told = marked.now ? 'CURRENT_TIMESTAMP' : `'${marked.mark}'`
    return row.map((each, i) => (i === value ? told : each))
  })
  return { ...result, rows }
}
