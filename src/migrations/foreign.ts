/** Reads scripts that other hands wrote: which statements change the schema, which change rows, and which nothing undoes. Pure. */
import type { StatementSyntax } from '../../engines/engine.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'

/** What a statement is about. */
export type StatementKind =
  /** Tables, types, functions, triggers ...: whatever the structure of the database shows. */
  | 'schema'
  /** Rows that were there before the migration. */
  | 'data'
  /** Settings of the session, statistics: nothing is left to undo. */
  | 'session'
  /** Rights, calls, and whatever else leaves marks that the structure does not show. */
  | 'other'

export interface ForeignStatement {
  readonly text: string
  readonly kind: StatementKind
}

const SCHEMA = new Set(['CREATE', 'ALTER', 'DROP', 'RENAME', 'COMMENT', 'TRUNCATE'])
const SESSION = new Set(['SET', 'RESET', 'PRAGMA', 'ANALYZE', 'VACUUM', 'REINDEX', 'LOCK', 'UNLOCK', 'USE', 'OPTIMIZE'])
const ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'REPLACE', 'COPY', 'TRUNCATE', 'UPSERT'])
const BODY_ROWS = new Set([...ROWS, 'EXECUTE', 'PERFORM', 'CALL'])

/**
 * The statements of a script but for BEGIN and COMMIT, each with what it is about. A statement that changes only rows of
 * tables or values of columns which the script itself makes counts as schema: they go with what holds them.
 */
export function readForeign(script: string, syntax: StatementSyntax): ForeignStatement[] {
  const statements = splitStatements(script, syntax).map(({ text }) => ({
    text,
    words: wordsOf(text, syntax),
    effects: describeStatement(text, syntax),
  }))
  const made = madeBy(statements.flatMap(({ effects }) => effects ?? []))
  return statements.flatMap(({ text, words, effects }): ForeignStatement[] => {
    if (effects?.[0]?.object === 'transaction' || /^(BEGIN|COMMIT|END|START)$/.test(words[0] ?? '')) return []
    if (effects !== undefined && effects[0]?.object !== 'pragma') return [{ text, kind: 'schema' }]
    return [{ text, kind: kindOf(text, words, syntax, made) }]
  })
}

interface Made {
  readonly tables: ReadonlySet<string>
  /** `table.column`. */
  readonly columns: ReadonlySet<string>
}

function madeBy(effects: readonly Effect[]): Made {
  const created = (object: Effect['object']) => effects.filter((e) => e.action === 'create' && e.object === object)
  // A table that is built anew (SQLite) holds the rows that were there before.
  const renamed = new Set(effects.filter((e) => e.action === 'rename' && e.object === 'table').map((e) => e.name))
  const tables = created('table').map((e) => e.name)
  return {
    tables: new Set(tables.filter((name) => !renamed.has(name))),
    columns: new Set(created('column').map((e) => `${e.table}.${e.name}`)),
  }
}

function wordsOf(text: string, syntax: StatementSyntax): string[] {
  return [...tokens(text, syntax)]
    .filter((token) => token.kind === 'word')
    .map((token) => text.slice(token.start, token.end).toUpperCase())
}

function kindOf(text: string, words: readonly string[], syntax: StatementSyntax, made: Made): StatementKind {
  const first = words[0] ?? ''
  if (first === 'TRUNCATE') return 'data'
  if (SCHEMA.has(first))
    return /^(ALTER|DROP|CREATE)$/.test(first) && /^(ROLE|USER|DATABASE|SYSTEM)$/.test(words[1] ?? '')
      ? 'other'
      : 'schema'
  if (SESSION.has(first)) return 'session'
  if (ROWS.has(first)) return ownRowsOnly(text, first, syntax, made) ? 'schema' : 'data'
  if (first === 'SELECT') return words.includes('SET_CONFIG') ? 'session' : 'other'
  if (first === 'WITH') return words.some((word) => ROWS.has(word)) ? 'data' : 'session'
  if (first === 'DO') return bodyChangesRows(text, syntax) ? 'data' : 'schema'
  return 'other'
}

/** Whether a DO block may change rows. `ON DELETE CASCADE` and `ON UPDATE CASCADE` are none. */
function bodyChangesRows(text: string, syntax: StatementSyntax): boolean {
  const [start, end] = [text.indexOf('$'), text.lastIndexOf('$')]
  const body = text.slice(start, end + 1).replace(/^\$\w*\$|\$\w*\$$/g, '')
  const words = wordsOf(body, syntax)
  return words.some((word, i) => BODY_ROWS.has(word) && !(/^(DELETE|UPDATE)$/.test(word) && words[i - 1] === 'ON'))
}

/** Whether the statement writes only to tables and columns that the script makes. */
function ownRowsOnly(text: string, verb: string, syntax: StatementSyntax, made: Made): boolean {
  const all = [...tokens(text, syntax)].filter((token) => token.kind !== 'comment')
  const raw = (i: number) => (all[i] ? text.slice(all[i].start, all[i].end) : '')
  const word = (i: number) => raw(i).toUpperCase()
  const isName = (i: number) => all[i]?.kind === 'identifier' || all[i]?.kind === 'word'
  let i = 1
  while (/^(INTO|FROM|ONLY|OR|IGNORE|REPLACE|LOW_PRIORITY)$/.test(word(i))) i++
  if (!isName(i)) return false
  let table = bare(raw(i++))
  if (raw(i) === '.' && isName(i + 1)) {
    table = bare(raw(i + 1))
    i += 2
  }
  if (made.tables.has(table)) return verb !== 'UPDATE' || word(i) === 'SET' || word(i) === 'AS' || word(i + 1) === 'SET'
  if (verb !== 'UPDATE') return false
  if (word(i) === 'AS') i++
  if (word(i) !== 'SET') i++
  if (word(i) !== 'SET') return false
  const columns: string[] = []
  let depth = 0
  let expecting = true
  for (i++; i < all.length; i++) {
    if (raw(i) === '(') depth++
    else if (raw(i) === ')') depth--
    if (expecting && depth === 0 && isName(i)) {
      if (raw(i + 1) === '.' && isName(i + 2)) i += 2
      columns.push(bare(raw(i)))
      expecting = false
    } else if (expecting) return false
    else if (depth === 0 && raw(i) === ',') expecting = true
    else if (depth === 0 && /^(WHERE|FROM|RETURNING)$/.test(word(i))) break
  }
  return columns.length > 0 && columns.every((column) => made.columns.has(`${table}.${column}`))
}

function bare(name: string): string {
  const quote = name[0]
  if (quote === '[') return name.slice(1, -1)
  if (quote !== '"' && quote !== '`') return name
  return name.slice(1, -1).replaceAll(quote + quote, quote)
}

/**
 * The script without BEGIN and COMMIT (Prisma writes them around enums that lose values): it is run inside a transaction
 * that must not end before its history row is written. Everything else stays at its place.
 */
export function withoutTransactions(script: string, syntax: StatementSyntax): string {
  let text = script
  for (const { start, end, text: statement } of splitStatements(script, syntax).reverse()) {
    if (describeStatement(statement, syntax)?.[0]?.object !== 'transaction' || /^rollback/i.test(statement)) continue
    text = text.slice(0, start) + ' '.repeat(end - start) + text.slice(end)
  }
  return text
}

/** Runs a script that Prisma would run; returns it as it was run. */
export async function runForeign(
  connection: { script(sql: string): Promise<void>; foreignScript?(sql: string): Promise<string> },
  script: string,
): Promise<string> {
  if (connection.foreignScript) return connection.foreignScript(script)
  await connection.script(script)
  return script
}
