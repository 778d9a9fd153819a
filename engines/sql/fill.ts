/** Makes a down script run on tables with rows: columns that are required again get a neutral value. */
import type { Engine } from '../engine.js'
import type { ScriptFacts } from './facts.js'
import type { Effect } from './statements.js'
import { tokens } from './tokens.js'

/** A statement with its effects (undefined: opaque). */
export interface DescribedStatement {
  readonly text: string
  readonly effects: readonly Effect[] | undefined
}

/** A column that a down makes required again. */
export interface Fill {
  readonly schema: string | undefined
  readonly table: string
  readonly column: string
  /** `add`: the column comes back; `set`: it exists and may hold NULL. */
  readonly kind: 'add' | 'set'
  /** The SQL that rows get, or undefined where none is right. */
  readonly value: string | undefined
  /** Why none is right. */
  readonly reason: string | undefined
}

/** What filling needs of an engine. */
export type FillingEngine = Pick<Engine, 'syntax' | 'quote' | 'neutral' | 'seeingAllRows'> & {
  /** Whether rows of a table may be hidden from whoever fills it. */
  readonly hidesRows?: ((schema: string | undefined, table: string) => boolean) | undefined
}

export interface FillOptions {
  readonly engine: FillingEngine
  /** The state before the script runs, as far as it is known. */
  readonly before: ScriptFacts
  /** The state after it. */
  readonly after: ScriptFacts
  /**
   * The SQL that a person gave for the rows of a column. With it only those columns are filled, after they were added as
   * optional: the SQL may name other columns of the row, which no default may.
   */
  readonly given?: (schema: string | undefined, table: string, column: string) => string | undefined
}

/**
 * Fills the required columns of one step (statements that belong together). Columns that have a default are left alone;
 * columns of keys too, since no value can be right for more than one row, and the caller is told.
 */
export function fillRequired(
  step: readonly DescribedStatement[],
  options: FillOptions,
): { statements: string[]; fills: Fill[] } {
  const fills: Fill[] = []
  const statements: string[] = []
  const tables = new Map<string, Effect>()
  for (const { text, effects } of step) {
    const [first] = effects ?? []
    if (first?.object === 'table' && first.action === 'create') tables.set(first.name, first)
    const created = first?.action === 'insert' && first.from !== undefined ? tables.get(first.name) : undefined
    if (first && created) statements.push(fillCopy(text, first, created, options, fills))
    else if (effects?.some(({ object, action }) => object === 'column' && action !== 'drop'))
      statements.push(...fillAlter(text, effects, options, fills))
    else statements.push(text)
  }
  return { statements, fills }
}

/** ALTER TABLE: what has to run before it, itself, and what has to run after it. */
function fillAlter(text: string, effects: readonly Effect[], options: FillOptions, fills: Fill[]): string[] {
  const { engine, before, after } = options
  const first: string[] = []
  const last: string[] = []
  const lastClauses: string[] = []
  let altered = text
  let table = ''
  const decide = (effect: Effect, kind: Fill['kind'], type: string | undefined, preset?: string) => {
    const fill = decideFill(effect, effect.table!, effect.name, kind, type, options, preset)
    fills.push(fill)
    return fill.value
  }
  const update = ({ schema, table: bare = '', name }: Effect, value: string): string[] => {
    const sql = `UPDATE ${table} SET ${engine.quote(name)} = ${value} WHERE ${engine.quote(name)} IS NULL`
    const apart = engine.hidesRows?.(schema, bare) ? engine.seeingAllRows : undefined
    return apart ? [apart.before, sql, apart.after] : [sql]
  }
  const filled: { effect: Effect; value: string }[] = []
  for (const effect of effects) {
    if (effect.object !== 'column') continue
    const { schema, name } = effect
    table = (schema === undefined ? '' : `${engine.quote(schema)}.`) + engine.quote(effect.table!)
    const known = before.column(schema, effect.table!, name)
    const also = (change: Effect['change']) => effects.find((other) => other.name === name && other.change === change)
    if (effect.action === 'create' && effect.notNull && !effect.hasDefault) {
      const value = decide(effect, 'add', effect.type)
      if (value !== undefined) filled.push({ effect, value })
    } else if (effect.change === 'set-not-null') {
      // The rows are filled before the type changes, so the value is one of the type that the column has now.
      const retyped = also('type') !== undefined
      const type = known?.type ?? (retyped ? undefined : after.column(schema, effect.table!, name)?.type)
      const value = decide(effect, 'set', type, retyped ? undefined : also('set-default')?.default)
      if (value !== undefined) first.push(...update(effect, value))
    } else if (effect.change === 'definition' && effect.notNull && known?.notNull === false) {
      const value = decide(effect, 'set', known.type, known.type === effect.type ? effect.default : undefined)
      if (value !== undefined) first.push(...update(effect, value))
    }
  }
  // From the last clause to the first, so that the offsets of the others stay right.
  for (const { effect, value } of filled.reverse()) {
    const [start, end] = effect.span!
    const clause = text.slice(start, end)
    const name = engine.quote(effect.name)
    if (engine.syntax.dialect === 'mysql' || options.given) {
      // MySQL: TEXT, BLOB and JSON take no literal default, so the column is nullable until its rows are filled.
      altered = altered.slice(0, start) + nullable(clause, options) + altered.slice(end)
      const required =
        engine.syntax.dialect === 'mysql'
          ? `MODIFY ${name} ${definition(clause, options)}`
          : `ALTER COLUMN ${name} SET NOT NULL`
      last.unshift(...update(effect, value), `ALTER TABLE ${table} ${required}`)
    } else {
      altered = `${altered.slice(0, end)} DEFAULT ${value}${altered.slice(end)}`
      lastClauses.unshift(`ALTER COLUMN ${name} DROP DEFAULT`)
    }
  }
  if (lastClauses.length > 0) last.push(`ALTER TABLE ${table} ${lastClauses.join(',\n')}`)
  return [...first, altered, ...last]
}

/** `INSERT INTO "new_X" (...) SELECT ... FROM "X"` of a table that is built anew (SQLite). */
function fillCopy(text: string, copy: Effect, created: Effect, options: FillOptions, fills: Fill[]): string {
  const { engine, before } = options
  const columns = [...copy.columns!]
  const selected = [...copy.selected!]
  const table = copy.from!
  for (const column of created.definition!.columns) {
    // SQLite: an INTEGER PRIMARY KEY numbers itself.
    if (!column.notNull || (column.primaryKey && /^integer$/i.test(column.type))) continue
    const at = columns.indexOf(column.name)
    const known = before.column(copy.schema, table, column.name)
    if (at === -1 && !column.hasDefault) {
      const fill = decideFill(copy, table, column.name, 'add', column.type, options)
      fills.push(fill)
      if (fill.value === undefined) continue
      columns.push(column.name)
      selected.push(fill.value)
    } else if (at !== -1 && known?.notNull === false && selected[at] === engine.quote(column.name)) {
      const fill = decideFill(copy, table, column.name, 'set', column.type, options)
      fills.push(fill)
      if (fill.value === undefined) continue
      const name = engine.quote(column.name)
      selected[at] = `coalesce(${name}, ${fill.value}) AS ${name}`
    }
  }
  const unchanged = columns.length === copy.columns!.length && selected.every((item, i) => item === copy.selected![i])
  if (unchanged) return text
  const list = columns.map((name) => engine.quote(name)).join(', ')
  return `INSERT INTO ${engine.quote(copy.name)} (${list}) SELECT ${selected.join(', ')} FROM ${engine.quote(table)}`
}

/** @param preset the column's own default, where rows can take it */
function decideFill(
  { schema }: Effect,
  table: string,
  column: string,
  kind: Fill['kind'],
  type: string | undefined,
  { engine, after, given }: FillOptions,
  preset?: string,
): Fill {
  if (given) return { schema, table, column, kind, value: given(schema, table, column), reason: undefined }
  const key = after.key(schema, table, column)
  const value = key ? undefined : (preset ?? (type === undefined ? undefined : engine.neutral(type)))
  const reason = key
    ? `it is part of a ${key.kind}`
    : value !== undefined
      ? undefined
      : type === undefined
        ? 'its type is not known here'
        : `no value of type ${type} is neutral`
  return { schema, table, column, kind, value, reason }
}

/** A column clause with NULL in the place of NOT NULL. */
function nullable(clause: string, { engine }: FillOptions): string {
  let not: number | undefined
  for (const token of tokens(clause, engine.syntax)) {
    const word = token.kind === 'word' ? clause.slice(token.start, token.end).toUpperCase() : ''
    if (word === 'NULL' && not !== undefined) return `${clause.slice(0, not)}NULL${clause.slice(token.end)}`
    not = word === 'NOT' ? token.start : undefined
  }
  return clause
}

/** What follows the name in an ADD COLUMN clause. */
function definition(clause: string, { engine }: FillOptions): string {
  let end = 0
  for (const token of tokens(clause, engine.syntax)) {
    const word = token.kind === 'word' ? clause.slice(token.start, token.end).toUpperCase() : ''
    end = token.end
    if (token.kind === 'identifier' || (word !== 'ADD' && word !== 'COLUMN')) break
  }
  return clause.slice(end).trim()
}
