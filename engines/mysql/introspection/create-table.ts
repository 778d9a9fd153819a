/**
 * `SHOW CREATE TABLE`, column by column. It tells what `information_schema` does not tell of a column, or gets wrong: there
 * MySQL doubles backslashes and breaks letters of defaults, and bytes end at the first NUL.
 */
import type { StatementSyntax } from '../../engine.js'
import { type Token, tokens } from '../../sql/tokens.js'
import { unquote } from '../values.js'

/** The rest of a column's definition behind its type. */
export interface ShownColumn {
  /** The SQL behind DEFAULT, without the parentheses around an expression of MySQL. */
  readonly default: string | undefined
  /** The default stood in parentheses (MySQL: it is an expression). */
  readonly inParentheses: boolean
  /** `GENERATED ALWAYS AS (...) STORED` */
  readonly generated: string | undefined
  /** `ON UPDATE CURRENT_TIMESTAMP` */
  readonly onUpdate: boolean
  readonly invisible: boolean
  readonly comment: string | undefined
  /** `CHECK (...)` of the column itself (MariaDB; MySQL has all checks in the table). */
  readonly check: string | undefined
  /** The spatial reference system, as a clause. */
  readonly reference: string | undefined
}

/** What follows a default. */
const BEHIND = new Set(
  'ON COMMENT INVISIBLE CHECK COLUMN_FORMAT STORAGE WITH WITHOUT COMPRESSED SRID AUTO_INCREMENT GENERATED UNIQUE VISIBLE ENGINE_ATTRIBUTE SECONDARY_ENGINE_ATTRIBUTE COLLATE'.split(
    ' ',
  ),
)

interface Part extends Token {
  readonly text: string
  readonly depth: number
}

/** The tokens between the outermost parentheses, each with the parentheses that it stands in beside those. */
function partsOf(sql: string, syntax: StatementSyntax): Part[] {
  const parts: Part[] = []
  let depth = -1
  for (const token of tokens(sql, syntax)) {
    const text = sql.slice(token.start, token.end)
    if (text === ')') depth--
    if (depth < 0 && text === ')') break
    if (depth >= 0) parts.push({ ...token, text, depth })
    if (text === '(') depth++
  }
  return parts
}

function columnsOf(parts: readonly Part[]): Part[][] {
  const items: Part[][] = [[]]
  for (const part of parts) {
    if (part.text === ',' && part.depth === 0) items.push([])
    else items.at(-1)?.push(part)
  }
  return items.filter(([first]) => first?.kind === 'identifier')
}

/** Whether the parenthesis that opens the SQL closes at its end. */
export function enclosed(sql: string): boolean {
  if (!sql.startsWith('(')) return false
  let depth = 0
  const pieces = sql.matchAll(/'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|[()]/gs)
  for (const { 0: piece, index } of pieces) {
    if (piece === '(') depth++
    else if (piece === ')') depth--
    if (depth === 0 && piece === ')') return index === sql.length - 1
  }
  return false
}

const wordAt = (parts: readonly Part[], word: string, from = 0) =>
  parts.findIndex(
    (part, i) => i >= from && part.depth === 0 && part.kind === 'word' && part.text.toUpperCase() === word,
  )

function shownColumn(sql: string, parts: readonly Part[]): ShownColumn {
  const between = (from: number, to: number) => {
    const [first, last] = [parts[from], parts[to - 1]]
    return first && last && to > from ? sql.slice(first.start, last.end) : undefined
  }
  const starts = wordAt(parts, 'DEFAULT')
  const ends = parts.findIndex(
    ({ depth, text, kind }, i) => i > starts + 1 && depth === 0 && (kind === 'hint' || BEHIND.has(text.toUpperCase())),
  )
  const text = starts === -1 ? undefined : between(starts + 1, ends === -1 ? parts.length : ends)
  const inParentheses = text !== undefined && enclosed(text)
  const generated = wordAt(parts, 'GENERATED')
  const kind = Math.max(...['STORED', 'VIRTUAL', 'PERSISTENT'].map((word) => wordAt(parts, word, generated + 1)))
  const comment = parts[wordAt(parts, 'COMMENT') + 1]
  const update = wordAt(parts, 'ON')
  const check = wordAt(parts, 'CHECK')
  const closes = parts.findIndex(({ depth, text }, i) => i > check + 1 && depth === 0 && text === ')')
  const reference = Math.max(wordAt(parts, 'SRID'), wordAt(parts, 'REF_SYSTEM_ID'))
  const referenceEnds = parts.findIndex(({ kind, text }, i) => i > reference && (kind === 'number' || text === ')'))
  return {
    default: inParentheses ? text.slice(1, -1) : text,
    inParentheses,
    generated: generated === -1 ? undefined : between(generated, kind + 1),
    onUpdate: update !== -1 && parts[update + 1]?.text.toUpperCase() === 'UPDATE',
    invisible: wordAt(parts, 'INVISIBLE') !== -1,
    check: check === -1 || closes === -1 ? undefined : between(check, closes + 1),
    reference: reference === -1 ? undefined : between(reference, referenceEnds + 1),
    comment: comment?.kind === 'string' && wordAt(parts, 'COMMENT') !== -1 ? unquote(comment.text) : undefined,
  }
}

/** A name without its quotes. */
function bare(name: string): string {
  const quote = name.charAt(0)
  return name.slice(1, -1).replaceAll(quote + quote, quote)
}

/** The columns by name. */
export function readCreateTable(sql: string, syntax: StatementSyntax): Map<string, ShownColumn> {
  return new Map(
    columnsOf(partsOf(sql, syntax)).map(([name, ...parts]) => [bare(name?.text ?? ''), shownColumn(sql, parts)]),
  )
}
