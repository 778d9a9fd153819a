/** What a migration sends, one way, as far as that is known without running it: what rays wrote is known from its source. */
import type { StatementSyntax } from '../../engines/engine.js'
import { actsOf } from './hazards/acts.js'
import { findHazards, findIn } from './hazards/find.js'
import type { Hazard } from './hazards/kinds.js'
import type { Scene } from './hazards/scene.js'
import { operationName } from './load.js'
import type { LoadedMigration, Operation, OperationFunction } from './migration.js'
import { toldOf } from './plain.js'
import { type CodeToken, readCode } from './source.js'

/** One statement with its parameters. */
export interface SentStatement {
  readonly sql: string
  readonly params?: readonly unknown[]
}

/** One operation of a migration, one way. */
export interface Part {
  /** Its index, from 0. */
  readonly operation: number
  readonly name: string
  /** The statements that are written out in it, in their order. */
  readonly statements: readonly SentStatement[]
  /** Its source, where it may do anything besides, or send them more than once or not at all. */
  readonly code?: string
  /** There is no such way. */
  readonly missing?: true
}

/** The operations of one way, in the order in which they run. None of them is called. */
export function courseOf(operations: readonly Operation[], direction: 'up' | 'down'): Part[] {
  const parts = operations.map((pair, operation): Part => {
    const run = pair[direction === 'up' ? 0 : 1]
    const base = { operation, name: operationName(run) }
    return run === null ? { ...base, statements: [], missing: true } : { ...base, ...sentBy(run) }
  })
  return direction === 'up' ? parts : parts.reverse()
}

function sentBy(operation: OperationFunction): Pick<Part, 'statements' | 'code'> {
  const told = toldOf(operation)
  if ('texts' in told) return { statements: told.texts.map((sql) => ({ sql })) }
  const code = sourceOf(told.code)
  const read = readCode(code)
  const whole = read && wholeOf(read)
  if (whole) return { statements: whole }
  return { statements: read ? callsIn(read) : [], code }
}

/** Its text, whatever it answers itself. */
function sourceOf(run: unknown): string {
  return typeof run === 'function' ? Function.prototype.toString.call(run) : String(run)
}

/** Goes through the tokens of a piece of code. */
class Cursor {
  at = 0
  constructor(readonly tokens: readonly CodeToken[]) {}

  get next(): CodeToken | undefined {
    return this.tokens[this.at]
  }

  take(...values: readonly string[]): boolean {
    const here = values.every((value, i) => {
      const token = this.tokens[this.at + i]
      return token?.value === value && token.kind !== 'text'
    })
    if (here) this.at += values.length
    return here
  }

  get ended(): boolean {
    return this.at >= this.tokens.length
  }
}

/** The statements of a function that does nothing but send them, each once; otherwise undefined. */
function wholeOf(tokens: readonly CodeToken[]): SentStatement[] | undefined {
  const cursor = new Cursor(tokens)
  cursor.take('async')
  const declared = cursor.take('function')
  if (cursor.next?.kind === 'word') cursor.at++
  if (!takeParameters(cursor)) return undefined
  const arrow = !declared && cursor.take('=>')
  if (!cursor.take('{')) {
    const only = arrow ? takeStatement(cursor) : undefined
    return only && cursor.ended ? [only] : undefined
  }
  const statements: SentStatement[] = []
  while (!cursor.take('}')) {
    if (cursor.take(';')) continue
    const statement = takeStatement(cursor)
    if (statement === undefined) return undefined
    statements.push(statement)
  }
  return cursor.ended ? statements : undefined
}

function takeParameters(cursor: Cursor): boolean {
  return cursor.take('(', '{', 'client', '}', ')') || cursor.take('(', ')') || cursor.take('(', 'knex', ')')
}

function takeStatement(cursor: Cursor): SentStatement | undefined {
  cursor.take('return')
  cursor.take('await')
  const knex = cursor.take('knex', '.', 'raw', '(')
  if (!knex && !cursor.take('client', '.', 'execute', '(') && !cursor.take('client', '.', 'query', '('))
    return undefined
  const { kind, value } = cursor.next ?? {}
  if (kind !== 'text' || value === undefined) return undefined
  cursor.at++
  const params = cursor.take(',') && cursor.next?.value === '[' ? takeValues(cursor) : []
  if (params === undefined) return undefined
  cursor.take(',')
  if (!cursor.take(')')) return undefined
  return { sql: knex ? ofKnex(value, params.length > 0) : value, ...(params.length > 0 && { params }) }
}

/** Knex's marks as rays writes them (see form.ts). */
function ofKnex(sql: string, marked: boolean): string {
  return sql.replace(/\\\?|\?/g, (mark) => (mark === '?' && marked ? ':?' : '?'))
}

/** A list of plain values; undefined where a part of it is computed. */
function takeValues(cursor: Cursor): unknown[] | undefined {
  const values: unknown[] = []
  cursor.take('[')
  while (!cursor.take(']')) {
    const value = takeValue(cursor)
    if (value === undefined) return undefined
    values.push(value)
    if (!cursor.take(',') && cursor.next?.value !== ']') return undefined
  }
  return values
}

const WORDS: Readonly<Record<string, unknown>> = { null: null, true: true, false: false }

function takeValue(cursor: Cursor): unknown {
  const minus = cursor.take('-')
  const { kind, value } = cursor.next ?? {}
  if (value === undefined || kind === 'other' || (minus && kind !== 'number')) return undefined
  cursor.at++
  if (kind === 'text') return value
  if (kind === 'word') return WORDS[value]
  const digits = value.replaceAll('_', '')
  if (digits.endsWith('n')) return BigInt(`${minus ? '-' : ''}${digits.slice(0, -1)}`)
  return Number(digits) * (minus ? -1 : 1)
}

/** The literals that some call sends, whenever it does. */
function callsIn(tokens: readonly CodeToken[]): SentStatement[] {
  return tokens.flatMap(({ kind, value }, i): SentStatement[] => {
    const method = kind === 'word' && (value === 'execute' || value === 'query' || value === 'raw')
    const text = tokens[i + 2]
    if (!method || tokens[i - 1]?.value !== '.' || tokens[i + 1]?.value !== '(') return []
    if (text?.kind !== 'text' || text.value === undefined || !/^[,)]$/.test(tokens[i + 3]?.value ?? '')) return []
    return [{ sql: text.value }]
  })
}

/**
 * The hazards of a migration, as far as its source shows what it sends. Where code of its own may send more, what migration.sql
 * says is looked at as well.
 * @param scene what is done before it
 */
export function hazardsIn(
  { migration, operations, script = '' }: LoadedMigration,
  direction: 'up' | 'down',
  scene: Scene,
): Hazard[] {
  const parts = courseOf(operations, direction)
  const own = parts.some(({ code }) => code !== undefined)
  const sent = parts.flatMap(({ statements, code }) =>
    statements.map(({ sql, params }) => ({ acts: understood(sql, scene.syntax), params, code })),
  )
  scene.all.push(...sent.flatMap(({ acts }) => acts))
  const found = sent.flatMap(({ acts, params, code }) =>
    findIn(acts, scene)
      // Which rows are meant only shows when it runs.
      .filter(({ marks }) => code === undefined || marks === undefined)
      .map((hazard) => (params ? { ...hazard, params } : hazard)),
  )
  if (!own || direction === 'down' || migration.codeFile === undefined) return found
  const told = new Set(found.map(key))
  return [...found, ...findHazards(script, scene.syntax).filter((hazard) => !told.has(key(hazard)))]
}

/** What it is about: the same in two scripts. */
export const key = ({ kind, schema = '', table, column = '' }: Hazard) => [kind, schema, table, column].join('\0')

function understood(sql: string, syntax: StatementSyntax) {
  try {
    return actsOf(sql, syntax)
  } catch {
    // The database will say what is wrong with it.
    return []
  }
}

/** The operations whose code may send more than it shows, for a person. */
export function notLookedAt(operations: readonly Operation[], direction: 'up' | 'down'): string[] {
  return courseOf(operations, direction).flatMap(({ operation, name, code }) =>
    code === undefined ? [] : [`operation ${operation} (${name})`],
  )
}

/** The statements of one way, which rays wrote; undefined where there is no such way. What code of one's own does is left out. */
export function writtenStatements(
  operations: readonly Operation[],
  direction: 'up' | 'down',
): readonly SentStatement[] | undefined {
  const parts = courseOf(operations, direction)
  if (parts.some(({ missing }) => missing)) return undefined
  return parts.flatMap(({ code, statements }) => (code === undefined ? statements : []))
}

/** As SQL, to be read: what is not known to be sent is shown as the code that it is. */
export function sqlOfCourse(parts: readonly Part[]): string {
  const lines = parts.flatMap(({ operation, name, statements, code, missing }) => {
    if (missing) return ['-- There is no down for this operation.']
    if (code !== undefined)
      return [
        `-- Operation ${operation}, ${name}, is code of its own. It is not run to be looked at; this is its source:`,
        ...code.split(/\r?\n/).map((line) => `--   ${line}`.trimEnd()),
      ]
    return statements.map(
      ({ sql, params }) =>
        `${sql.trimEnd().replace(/;$/, '')};${params && params.length > 0 ? ` -- ${params.length} parameters` : ''}`,
    )
  })
  return lines.map((line) => `${line}\n`).join('')
}
