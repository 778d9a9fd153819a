/** What statements do to rows, read widely: also what no planner writes, of which the rest is not understood. */
import type { StatementSyntax } from '../../../engines/engine.js'
import { splitStatements, tokens } from '../../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../../engines/sql/statements.js'

export interface Act extends Omit<Effect, 'action'> {
  readonly action: Effect['action'] | 'delete'
  /** Of what deletes rows: the FROM clause that finds them, where one can be told. */
  readonly taken?: string
  /** How many parameters that clause has; the statement has no others. */
  readonly marks?: number
  /** A table that is made only if it is missing: it may have been there. */
  readonly perhaps?: boolean
  /** A table that goes with the session. */
  readonly temporary?: boolean
}

interface Lexeme {
  readonly text: string
  /** In upper case; empty for anything but a word. */
  readonly word: string
  readonly kind: string
  readonly start: number
  readonly end: number
}

/** What every statement of a script does, in its order. What is not understood does nothing. */
export function actsOf(script: string, syntax: StatementSyntax): Act[] {
  return splitStatements(script, syntax).flatMap(({ text }) => readActs(text, syntax))
}

/** What one statement does, as far as it can be told from it. */
export function readActs(statement: string, syntax: StatementSyntax): readonly Act[] {
  const text = withoutHints(statement, syntax)
  const known = describeStatement(text, syntax)
  const reader = new Reader(text, syntax)
  // Words between CREATE and TABLE, IF NOT EXISTS, lists: what a planner need not tell apart.
  const read = READERS[reader.at(0)?.word ?? '']
  return read?.(reader, known) ?? known ?? []
}

/** MySQL runs what stands in a hint. */
function withoutHints(text: string, syntax: StatementSyntax): string {
  if (!text.includes('/*')) return text
  let plain = ''
  let from = 0
  for (const { kind, start, end } of tokens(text, syntax)) {
    if (kind !== 'hint') continue
    plain += `${text.slice(from, start)} `
    from = end
  }
  return plain + text.slice(from)
}

type Read = (reader: Reader, known: readonly Effect[] | undefined) => readonly Act[] | undefined

/** The lexemes of one statement. */
class Reader {
  readonly lexemes: readonly Lexeme[]

  constructor(
    readonly text: string,
    readonly syntax: StatementSyntax,
  ) {
    this.lexemes = [...tokens(text, syntax)].flatMap(({ kind, start, end }) => {
      const own = text.slice(start, end)
      return kind === 'comment' ? [] : [{ text: own, word: kind === 'word' ? own.toUpperCase() : '', kind, start, end }]
    })
  }

  at(index: number): Lexeme | undefined {
    return this.lexemes[index]
  }

  /** The index behind these words, where they stand here; otherwise the same. */
  skip(index: number, ...words: readonly string[]): number {
    return words.every((word, i) => this.at(index + i)?.word === word) ? index + words.length : index
  }

  /** A name, perhaps with that of its schema; undefined where none stands here. */
  named(index: number): { readonly schema?: string; readonly name: string; readonly next: number } | undefined {
    const first = this.#name(index)
    if (first === undefined) return undefined
    const second = this.at(index + 1)?.text === '.' ? this.#name(index + 2) : undefined
    if (second === undefined) return { name: first, next: index + 1 }
    return { schema: first, name: second, next: index + 3 }
  }

  #name(index: number): string | undefined {
    const { kind, text } = this.at(index) ?? {}
    if (kind === 'word') return this.syntax.foldsNames ? text!.toLowerCase() : text
    const quote = text?.[0]
    if (kind !== 'identifier' && !(kind === 'string' && quote === '"')) return undefined
    const inside = text!.slice(1, -1)
    return quote === '[' ? inside : inside.replaceAll(`${quote}${quote}`, quote!)
  }

  /** The text from one lexeme up to another, or to the end. */
  from(start: number, end = this.lexemes.length): string {
    const last = this.at(end - 1)
    return last === undefined || end <= start ? '' : this.text.slice(this.at(start)!.start, last.end)
  }

  /** Ranges between the commas outside of parentheses. */
  parts(from: number): (readonly [start: number, end: number])[] {
    const parts: [number, number][] = []
    let depth = 0
    let start = from
    for (let i = from; i < this.lexemes.length; i++) {
      const { text } = this.lexemes[i]!
      if (text === '(' || text === '[') depth++
      else if (text === ')' || text === ']') depth--
      else if (text === ',' && depth === 0) {
        parts.push([start, i])
        start = i + 1
      }
    }
    return start < this.lexemes.length ? [...parts, [start, this.lexemes.length]] : parts
  }

  /** The index of a word outside of parentheses, or -1. */
  find(word: string, from: number): number {
    let depth = 0
    for (let i = from; i < this.lexemes.length; i++) {
      const lexeme = this.lexemes[i]!
      if (lexeme.text === '(') depth++
      else if (lexeme.text === ')') depth--
      else if (depth === 0 && lexeme.word === word) return i
    }
    return -1
  }
}

const aboutTable = ({ schema, name }: { readonly schema?: string; readonly name: string }) => ({
  object: 'table' as const,
  ...(schema === undefined ? {} : { schema }),
  name,
  table: name,
})

const READERS: Readonly<Record<string, Read>> = {
  CREATE: create,
  DROP: drop,
  DELETE: (reader) => remove(reader, 1),
  TRUNCATE: truncate,
  INSERT: insert,
  ALTER: alter,
  RENAME: rename,
  WITH: (reader, known) => known ?? inside(reader),
  MERGE: merge,
  DO: programs,
  BEGIN: (reader) => (reader.lexemes.length > 2 ? statementsIn(reader.from(1), reader.syntax) : undefined),
}

/** Words that may stand between CREATE and TABLE. */
const OF_A_TABLE = new Set(['OR', 'REPLACE', 'GLOBAL', 'LOCAL', 'TEMP', 'TEMPORARY', 'UNLOGGED'])

function create(reader: Reader, known: readonly Effect[] | undefined): readonly Act[] | undefined {
  let i = 1
  const words = new Set<string>()
  for (; OF_A_TABLE.has(reader.at(i)?.word ?? ''); i++) words.add(reader.at(i)!.word)
  if (reader.at(i)?.word !== 'TABLE') return undefined
  const start = reader.skip(i + 1, 'IF', 'NOT', 'EXISTS')
  const named = reader.named(start)
  if (named === undefined) return undefined
  const plain = known ?? describeStatement(`CREATE TABLE ${reader.from(start)}`, reader.syntax)
  const temporary = words.has('TEMP') || words.has('TEMPORARY')
  const made: Act = {
    ...(plain?.[0] ?? { action: 'create' as const, ...aboutTable(named) }),
    ...(start > i + 1 && { perhaps: true }),
    ...(temporary && { temporary }),
  }
  // MariaDB: CREATE OR REPLACE TABLE drops the one that was there.
  return words.has('REPLACE') ? [{ action: 'drop', ...aboutTable(named) }, made] : [made]
}

function drop(reader: Reader): readonly Act[] | undefined {
  const kind = reader.at(1)?.word === 'TEMPORARY' ? 2 : 1
  const word = reader.at(kind)?.word
  if (word !== 'TABLE' && word !== 'SCHEMA' && word !== 'DATABASE') return undefined
  const start = reader.skip(kind + 1, 'IF', 'EXISTS')
  const names = reader.parts(start).flatMap(([at]) => reader.named(at) ?? [])
  if (word === 'TABLE') return names.map((named) => ({ action: 'drop', ...aboutTable(named) }))
  // PostgreSQL refuses to drop a schema that holds something, unless it is told to; elsewhere all goes.
  const refused = reader.syntax.dialect === 'postgresql' && reader.at(reader.lexemes.length - 1)?.word !== 'CASCADE'
  return refused ? [] : names.map(({ name }) => ({ action: 'drop', object: 'schema', name }))
}

const MODIFIERS = new Set(['LOW_PRIORITY', 'QUICK', 'IGNORE', 'HISTORY'])
/** What makes the rows of a DELETE others than those of its FROM clause: more tables, a limit. */
const BY_OTHERS = new Set(['USING', 'JOIN', 'LIMIT'])

function remove(reader: Reader, from: number): readonly Act[] {
  let i = from
  while (MODIFIERS.has(reader.at(i)?.word ?? '')) i++
  const start = reader.at(i)?.word === 'FROM' ? i + 1 : i
  const named = reader.named(reader.skip(start, 'ONLY'))
  if (named === undefined) return []
  const end = reader.find('RETURNING', start)
  const others = reader.lexemes.some(({ word }, at) => at >= start && BY_OTHERS.has(word))
  const whole = reader.find('WHERE', start) === -1
  const taken = others || start === i || whole ? undefined : reader.from(start, end === -1 ? undefined : end)
  const marks = (taken?.match(/:\?/g) ?? []).length
  return [
    { action: 'delete', ...aboutTable(named), ...(taken !== undefined && { taken }), ...(marks > 0 && { marks }) },
  ]
}

function truncate(reader: Reader): readonly Act[] {
  const start = reader.skip(1, 'TABLE')
  return reader.parts(start).flatMap(([at]) => {
    const named = reader.named(reader.skip(at, 'ONLY'))
    return named ? [{ action: 'delete' as const, ...aboutTable(named) }] : []
  })
}

/** `INSERT INTO a SELECT * FROM b`, with nothing behind it: every row of b. */
function insert(reader: Reader, known: readonly Effect[] | undefined): readonly Act[] | undefined {
  const into = reader.named(reader.skip(1, 'INTO'))
  if (known || into === undefined) return known
  const star = reader.skip(into.next, 'SELECT')
  if (star === into.next || reader.at(star)?.text !== '*' || reader.at(star + 1)?.word !== 'FROM') return undefined
  const from = reader.named(star + 2)
  if (from === undefined || from.next < reader.lexemes.length) return undefined
  return [{ action: 'insert', ...aboutTable(into), selected: ['*'], from: from.name }]
}

/** Clause by clause, where one of them is not understood. */
function alter(reader: Reader, known: readonly Effect[] | undefined): readonly Act[] | undefined {
  let i = reader.skip(1, 'IGNORE')
  if (known || reader.at(i)?.word !== 'TABLE') return known
  i = reader.skip(reader.skip(i + 1, 'IF', 'EXISTS'), 'ONLY')
  const named = reader.named(i)
  if (named === undefined) return undefined
  const table = reader.from(i, named.next)
  return reader.parts(named.next).flatMap(([start, end]): readonly Act[] => {
    const verb = reader.at(start)?.word
    if ((verb === 'DROP' || verb === 'TRUNCATE') && reader.at(start + 1)?.word === 'PARTITION')
      return [{ action: 'delete', ...aboutTable(named) }]
    const last = reader.at(end - 1)?.word === 'RESTRICT' ? end - 1 : end
    return describeStatement(`ALTER TABLE ${table} ${reader.from(start, last)}`, reader.syntax) ?? []
  })
}

/** MySQL: several at once, each from the names that those before it have left. */
function rename(reader: Reader, known: readonly Effect[] | undefined): readonly Act[] | undefined {
  if (known || reader.at(1)?.word !== 'TABLE') return known
  return reader
    .parts(2)
    .flatMap(([start, end]) => describeStatement(`RENAME TABLE ${reader.from(start, end)}`, reader.syntax) ?? [])
}

/** What stands in a statement that does something else as well: `WITH moved AS (DELETE FROM ...)`. */
function inside(reader: Reader): readonly Act[] {
  return reader.lexemes.flatMap(({ word }, i): readonly Act[] => {
    const named =
      word === 'DELETE' && reader.at(i + 1)?.word === 'FROM' ? reader.named(reader.skip(i + 2, 'ONLY')) : undefined
    return named ? [{ action: 'delete', ...aboutTable(named) }] : []
  })
}

function merge(reader: Reader): readonly Act[] {
  const named = reader.named(reader.skip(reader.skip(1, 'INTO'), 'ONLY'))
  const deletes = reader.lexemes.some(({ word }) => word === 'DELETE')
  return named && deletes ? [{ action: 'delete', ...aboutTable(named) }] : []
}

/** PostgreSQL: the statements in the body of a DO block, as far as they are written out. */
function programs(reader: Reader): readonly Act[] {
  return reader.lexemes.flatMap(({ kind, text }) => {
    const body = /^(\$\w*\$)([\s\S]*)\1$/.exec(text)?.[2] ?? (text.startsWith("'") ? text.slice(1, -1) : '')
    return kind === 'string' ? statementsIn(body, reader.syntax) : []
  })
}

const VERBS = new Set(['DROP', 'DELETE', 'TRUNCATE', 'ALTER', 'CREATE', 'RENAME', 'WITH'])

function statementsIn(body: string, syntax: StatementSyntax): readonly Act[] {
  let reader: Reader
  try {
    reader = new Reader(body, syntax)
  } catch {
    return []
  }
  const acts: Act[] = []
  let start = -1
  for (const [i, { word, text }] of reader.lexemes.entries()) {
    if (start === -1 && VERBS.has(word)) start = i
    else if (start !== -1 && text === ';') {
      acts.push(...readActs(reader.from(start, i), syntax))
      start = -1
    }
  }
  return start === -1 ? acts : [...acts, ...readActs(reader.from(start), syntax)]
}
