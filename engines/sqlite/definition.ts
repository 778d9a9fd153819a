/** A CREATE TABLE taken apart into columns and constraints, and put together again. Pure. */
import { EngineError, type StatementSyntax } from '../engine.js'
import { quotedName } from '../sql/quoting.js'
import { type Token, tokens } from '../sql/tokens.js'

export interface Word extends Token {
  readonly text: string
}

/** The tokens of a statement with their texts, without comments. */
export function wordsOf(sql: string, syntax: StatementSyntax): Word[] {
  return [...tokens(sql, syntax)]
    .filter(({ kind }) => kind !== 'comment')
    .map((token) => ({ ...token, text: sql.slice(token.start, token.end) }))
}

interface Item {
  readonly text: string
  /** Of a column: its name, in lower case. */
  readonly column: string | undefined
  /** `COLLATE NOCASE`. */
  readonly collation: string | undefined
  /** It is computed from others. */
  readonly generated: boolean
  /** With their names: `CONSTRAINT positive CHECK (price > 0)`. */
  readonly checks: readonly string[]
  readonly foreignKeys: readonly ForeignKey[]
  /** Of a UNIQUE that says more than its columns: those, and `ON CONFLICT REPLACE`. */
  readonly special: { readonly columns: readonly string[]; readonly conflict: string } | undefined
}

interface ForeignKey {
  /** What refers to what, but for the columns that it refers to. */
  readonly from: string
  /** The columns that it refers to; empty: the primary key. */
  readonly to: string
  /** `DEFERRABLE INITIALLY DEFERRED`. */
  readonly deferral: string | undefined
  /** Where in the item's text it ends. */
  readonly end: number
}

export interface Definition {
  readonly sql: string
  readonly items: readonly Item[]
  /** Where the list begins and ends: behind the opening parenthesis and before the closing one. */
  readonly start: number
  readonly end: number
  /** `STRICT`, `WITHOUT ROWID`, as written behind the list. */
  readonly options: string
}

const CONSTRAINT = /^(?:constraint|primary|unique|check|foreign)$/i

/** Reads a CREATE TABLE with a list of columns. */
export function definitionOf(sql: string, syntax: StatementSyntax): Definition {
  const words = wordsOf(sql, syntax)
  const open = words.findIndex(({ text }) => text === '(')
  const items: Item[] = []
  let depth = 0
  let from = open + 1
  let close = words.length
  for (let i = open; i >= 0 && i < words.length; i++) {
    const { text } = words[i]!
    if (text === '(') depth++
    else if (text === ')') depth--
    if (!(depth === 0 || (depth === 1 && text === ','))) continue
    items.push(itemOf(sql, words.slice(from, i), syntax))
    from = i + 1
    if (depth === 0) {
      close = i
      break
    }
  }
  const end = words[close]
  return {
    sql,
    items,
    start: words[open]?.end ?? sql.length,
    end: end?.start ?? sql.length,
    options: end ? sql.slice(end.end).trim() : '',
  }
}

function itemOf(sql: string, words: readonly Word[], syntax: StatementSyntax): Item {
  const [first] = words
  const is = (i: number, pattern: RegExp) => words[i]?.kind === 'word' && pattern.test(words[i]!.text)
  const column = first && !is(0, CONSTRAINT) ? bareName(first.text) : undefined
  const checks: string[] = []
  let collation: string | undefined
  let generated = false
  let depth = 0
  for (let i = 1; i < words.length; i++) {
    const { text } = words[i]!
    if (text === '(') depth++
    else if (text === ')') depth--
    if (depth !== 0) continue
    if (is(i, /^collate$/i)) collation = sql.slice(words[i]!.start, words[i + 1]?.end)
    if (is(i, /^as$/i) && words[i + 1]?.text === '(') generated = true
  }
  for (let i = 0; i < words.length; i++) {
    if (!is(i, /^check$/i)) continue
    const start = words[is(i - 2, /^constraint$/i) ? i - 2 : i]!.start
    let nested = 0
    for (i++; i < words.length; i++) {
      if (words[i]!.text === '(') nested++
      else if (words[i]!.text === ')') nested--
      if (nested === 0) break
    }
    if (words[i]) checks.push(sql.slice(start, words[i]!.end))
  }
  const text = first ? sql.slice(first.start, words.at(-1)!.end) : ''
  const foreignKeys = foreignKeysOf(sql, words, column)
  return {
    text,
    column,
    collation: column === undefined ? undefined : collation,
    generated,
    checks,
    foreignKeys,
    special: specialIn(text, column, syntax),
  }
}

/** The words between the parenthesis at this place and the one that closes it, and the place behind that. */
function namesIn(words: readonly Word[], at: number): { readonly names: string; readonly next: number } {
  if (words[at]?.text !== '(') return { names: '', next: at }
  const length = words.slice(at).findIndex(({ text }) => text === ')')
  const next = length === -1 ? words.length : at + length + 1
  // Of each member its name: an index's may have a collation and a direction behind it.
  const inside = words.slice(at + 1, next - 1)
  const names = inside.filter((_, i) => i === 0 || inside[i - 1]?.text === ',')
  return { names: JSON.stringify(names.map(({ text }) => bareName(text))), next }
}

function foreignKeysOf(sql: string, words: readonly Word[], column: string | undefined): ForeignKey[] {
  const is = (i: number, pattern: RegExp) => words[i]?.kind === 'word' && pattern.test(words[i]!.text)
  const found: ForeignKey[] = []
  let columns = JSON.stringify([column])
  let depth = 0
  for (let i = 0; i < words.length; i++) {
    if (words[i]!.text === '(') depth++
    else if (words[i]!.text === ')') depth--
    if (depth !== 0) continue
    if (column === undefined && is(i, /^foreign$/i)) columns = namesIn(words, i + 2).names
    if (!is(i, /^references$/i) || !words[i + 1]) continue
    const from = `${columns} ${bareName(words[i + 1]!.text)}`
    const { names: to, next } = namesIn(words, i + 2)
    let end = next
    let deferral: string | undefined
    for (;;) {
      if (is(end, /^on$/i)) end += is(end + 2, /^(?:set|no)$/i) ? 4 : 3
      else if (is(end, /^match$/i)) end += 2
      else if (is(end, /^deferrable$/i) || (is(end, /^not$/i) && is(end + 1, /^deferrable$/i))) {
        const start = end
        end += is(end, /^not$/i) ? 2 : 1
        if (is(end, /^initially$/i)) end += 2
        deferral = sql.slice(words[start]!.start, words[Math.min(end, words.length) - 1]!.end)
      } else break
    }
    const last = Math.min(end, words.length) - 1
    found.push({ from, to, deferral, end: words[last]!.end - words[0]!.start })
    i = last
  }
  return found
}

/**
 * The list of columns and constraints without the UNIQUE on these columns, as one text; undefined where there is none.
 * @param columns in its order
 */
export function withoutUnique(
  { items }: Definition,
  columns: readonly string[],
  syntax: StatementSyntax,
): string | undefined {
  const wanted = JSON.stringify(columns.map((column) => column.toLowerCase()))
  let found = false
  const texts = items.flatMap(({ text, column }) => {
    const cut = uniqueIn(text, column, syntax)
    if (cut?.columns !== wanted) return [text]
    found = true
    // The end of a line may be that of a comment.
    return column === undefined ? [] : [`${text.slice(0, cut.start)}${text.slice(cut.end)}\n`]
  })
  return found ? texts.join(', ') : undefined
}

/**
 * What a UNIQUE says beyond its columns: another collation, what is done on a conflict. The index that Prisma makes in its place
 * says neither.
 * @param now the columns that are there
 */
function specialUniques(old: Definition, next: Definition, now: ReadonlySet<string>): string[] {
  const had = new Set(next.items.map(({ text }) => squeezed(text)))
  return old.items.flatMap(({ text, column, special }) => {
    if (special === undefined || !special.columns.every((name) => now.has(name))) return []
    const unique = column === undefined ? text : `UNIQUE (${quotedName(column)})${special.conflict}`
    return had.has(squeezed(unique)) ? [] : [unique]
  })
}

function specialIn(text: string, column: string | undefined, syntax: StatementSyntax): Item['special'] {
  const unique = uniqueIn(text, column, syntax)
  if (unique === undefined) return undefined
  const conflict = /\s+ON\s+CONFLICT\s+\w+$/i.exec(text.slice(unique.start, unique.end))?.[0] ?? ''
  const collated = column === undefined && /\bCOLLATE\b/i.test(text.slice(unique.start, unique.end))
  return conflict === '' && !collated ? undefined : { columns: JSON.parse(unique.columns) as string[], conflict }
}

/** The definition as if the UNIQUE on these columns said nothing beyond them. */
export function withoutSpecial(definition: Definition, columns: readonly string[] | undefined): Definition {
  if (columns === undefined) return definition
  const given = JSON.stringify(columns.map((column) => column.toLowerCase()))
  const items = definition.items.map((item) =>
    item.special && JSON.stringify(item.special.columns) === given ? { ...item, special: undefined } : item,
  )
  return { ...definition, items }
}

/** Where the UNIQUE of a column or constraint stands in its text, with its name and what is done on a conflict. */
function uniqueIn(text: string, column: string | undefined, syntax: StatementSyntax) {
  const words = wordsOf(text, syntax)
  const is = (i: number, pattern: RegExp) => words[i]?.kind === 'word' && pattern.test(words[i]?.text ?? '')
  let depth = 0
  for (const [i, word] of words.entries()) {
    if (word.text === '(') depth++
    else if (word.text === ')') depth--
    if (depth !== 0 || !is(i, /^unique$/i) || (i === 0 && column !== undefined)) continue
    const named = is(i - 2, /^constraint$/i) ? i - 2 : i
    const { names, next } = namesIn(words, i + 1)
    const last = is(next, /^on$/i) && is(next + 1, /^conflict$/i) ? next + 2 : next - 1
    return {
      start: words[named]?.start ?? 0,
      end: words[last]?.end ?? text.length,
      columns: column === undefined ? names : JSON.stringify([column]),
    }
  }
  return undefined
}

const bareName = (text: string) => text.replace(/^["'`[]|["'`\]]$/g, '').toLowerCase()
const squeezed = (check: string) => check.replace(/^CONSTRAINT\s+\S+\s+/i, '').replace(/\s+/g, '')

/** The item's text, with foreign keys checked at COMMIT where they were so before. */
function deferred({ text, foreignKeys }: Item, before: readonly ForeignKey[]): string {
  return foreignKeys.reduceRight((whole, key) => {
    const same = before.find(({ from, to }) => from === key.from && (to === key.to || to === '' || key.to === ''))
    if (same?.deferral === undefined || key.deferral !== undefined) return whole
    return `${whole.slice(0, key.end)} ${same.deferral}${whole.slice(key.end)}`
  }, text)
}

/** @throws {EngineError} where it is computed from a column that goes */
function computedAsBefore(
  { text, column }: Item,
  gone: readonly string[],
  mentions: (text: string, columns: readonly string[]) => boolean,
): string {
  if (!mentions(text, gone)) return text
  throw new EngineError(
    `the column ${column} is computed from others (${text}), of which one goes; drop it, or write into migration.js how it is computed from now on`,
  )
}

/**
 * The statement `next` with what `old` has beyond it: checks, collations, generated columns, deferred foreign keys and table options. Checks and
 * generated columns that mention a column which `next` does not have are left out, as other databases drop them with it.
 */
export function merged(
  old: Definition,
  next: Definition,
  mentions: (text: string, columns: readonly string[]) => boolean,
): string {
  const now = new Set(next.items.flatMap(({ column }) => column ?? []))
  const generated = old.items.filter((item) => item.generated && !now.has(item.column!))
  const gone = old.items.flatMap(({ column, generated: computed }) =>
    column === undefined || computed || now.has(column) ? [] : [column],
  )
  const had = new Set(next.items.flatMap(({ checks }) => checks.map(squeezed)))
  const checks = old.items
    .filter((item) => !item.generated)
    .flatMap((item) => item.checks)
    .filter((check) => !had.has(squeezed(check)) && !mentions(check, gone))
  const keys = old.items.flatMap(({ foreignKeys }) => foreignKeys)
  const items = next.items.map((item) => {
    const before = old.items.find(({ column }) => column !== undefined && column === item.column)
    // A schema names a computed column as any other.
    if (before?.generated && !item.generated) return computedAsBefore(before, gone, mentions)
    const text = deferred(item, keys)
    return before?.collation && item.collation === undefined ? `${text} ${before.collation}` : text
  })
  // Columns come before constraints.
  const firstConstraint = next.items.findIndex(({ column }) => column === undefined)
  const at = firstConstraint === -1 ? items.length : firstConstraint
  items.splice(at, 0, ...generated.filter(({ text }) => !mentions(text, gone)).map(({ text }) => text))
  items.push(...checks, ...specialUniques(old, next, now))
  const options = next.options === '' && old.options !== '' ? ` ${old.options}` : ''
  const same = items.length === next.items.length && items.every((text, i) => text === next.items[i]!.text)
  if (same && options === '') return next.sql
  const list = same ? next.sql.slice(next.start, next.end) : `\n${items.map((text) => `    ${text}`).join(',\n')}\n`
  return `${next.sql.slice(0, next.start)}${list}${next.sql.slice(next.end)}${options}`
}
