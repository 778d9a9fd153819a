/** Pairs the statements of an up script with those of a down script. Pure: nothing is read or run. */
import type { Engine } from '../../engines/engine.js'
import type { ReversibleStep } from '../../engines/schema-engine.js'
import { ScriptFacts } from '../../engines/sql/facts.js'
import { type Fill, type FillingEngine, fillRequired } from '../../engines/sql/fill.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { orderEnums, type Pair } from './enums.js'
import { factsOf, fillStatements, type GivenValue } from './given.js'
import { findHazards } from './hazards.js'
import { filledTable, lossesLast } from './losses.js'
import { Names } from './names.js'
import { repairAddedValues, repairScript } from './repair.js'
import { effectsOf, implicitNamespace, readSteps, type Step, stepOf, withoutNamespace } from './steps.js'
import { inverted, signature, type Transition } from './transitions.js'

/** One direction of an operation. */
export interface PlannedFunction {
  readonly name: string
  /** Single statements without a final semicolon, in order. None: nothing has to be done. */
  readonly statements: readonly string[]
  /** What a reader must know of it: one line per fact. */
  readonly note?: string
}

export interface PlannedOperation {
  readonly up: PlannedFunction
  /** Null: cannot be undone. */
  readonly down: PlannedFunction | null
  /** What the up does, in a few words. */
  readonly summary: string
}

export interface OperationPlan {
  readonly operations: readonly PlannedOperation[]
  /** All is one operation, because the scripts do not pair one to one. */
  readonly grouped: boolean
  /** What the downs fill, lose or refuse: one sentence each. */
  readonly notes: readonly string[]
}

export interface OperationInput {
  readonly up: string
  readonly down: string
  readonly engine: FillingEngine & Pick<Engine, 'transactionalDdl' | 'provider'>
  /** Steps with inverses, where the planner knows them. The scripts are not read then. */
  readonly steps?: readonly ReversibleStep[]
  /**
   * The script that builds the state before the migration from nothing. It tells the types and keys of columns that the
   * two scripts do not tell.
   */
  readonly base?: string
  /** The values that a person gave for the rows of new required columns. */
  readonly given?: GivenValue
}

/**
 * The operations of a migration: one per step whose down is found, each down the exact inverse of its up. Ups run first to
 * last and downs last to first, so every down meets the very state that its up left, whatever depends on what. Where a step
 * has no such inverse, or where one step's down would meet the things of another, all is one operation in the order of
 * the scripts.
 */
export function planOperations(input: OperationInput): OperationPlan {
  if (input.steps) return fromSteps(input, input.steps)
  const { ups, downs } = read(input)
  const pairs = pair(ups, downs)
  if (!pairs) return group(ups, downs, input)
  return finish(pairs, false, input)
}

/** The whole migration as one operation, in the order of the scripts both ways. */
export function groupOperations(input: OperationInput): OperationPlan {
  if (input.steps) {
    const whole = {
      up: input.steps.flatMap(({ up }) => up),
      down: [...input.steps].reverse().flatMap(({ down }) => down),
    }
    const plan = fromSteps(input, [whole])
    return { ...plan, grouped: true, notes: [...plan.notes, ...input.steps.flatMap(({ lossy }) => lossy ?? [])] }
  }
  const { ups, downs } = read(input)
  return group(ups, downs, input)
}

function read({ up, down, engine, base = '', given }: OperationInput): { ups: Step[]; downs: Step[] } {
  const { syntax } = engine
  const namespace = implicitNamespace(up, down, syntax)
  const back = namespace === undefined ? down : withoutNamespace(down, namespace, engine)
  const ups = readSteps(repairScript(up, back, syntax), syntax, namespace)
  const downs = readSteps(repairAddedValues(repairScript(back, up, syntax), up, base, syntax), syntax, namespace)
  const before = new ScriptFacts(
    [...readSteps(base, syntax, namespace), ...ups].flatMap((step) => effectsOf(step.statements)),
  )
  const after = new ScriptFacts(
    [...readSteps(base, syntax, namespace), ...downs].flatMap((step) => effectsOf(step.statements)),
  )
  return {
    ups: given ? ups.map((step) => withGiven(step, factsOf(base, engine), engine, given)) : ups,
    downs: downs.map((step) => filled(step, { engine, before, after })),
  }
}

function withGiven(step: Step, before: ScriptFacts, engine: FillingEngine, given: GivenValue): Step {
  return { ...step, sql: fillStatements(step.statements, before, engine, given) }
}

function filled(step: Step, options: Parameters<typeof fillRequired>[1]): Step {
  const { statements, fills } = fillRequired(step.statements, options)
  return { ...step, sql: statements, notes: [...step.notes, ...fills.map(fillNote)] }
}

function fillNote({ table, column, kind, value, reason }: Fill): string {
  const where = `${table}.${column}`
  if (value === undefined) {
    const when = kind === 'add' ? 'while the table has rows' : 'while rows hold NULL in it'
    return `The down refuses ${when}: ${where} becomes required again and cannot be filled, because ${reason}.`
  }
  return kind === 'add'
    ? `The down brings ${where} back with ${value} in every row; the old values are lost.`
    : `The down makes ${where} required again; rows that hold NULL in it get ${value}.`
}

/** Pairs each up with its one inverse, or undefined where that is not possible. */
function pair(allUps: readonly Step[], allDowns: readonly Step[]): Pair[] | undefined {
  if (![...allUps, ...allDowns].every(({ transitions }) => transitions !== undefined)) return undefined
  const [ups, downs] = withIndexes(allUps, allDowns)
  const waiting = new Map<string, Step[]>()
  for (const down of downs) {
    const wanted = signature(inverted(down.transitions!))
    waiting.set(wanted, [...(waiting.get(wanted) ?? []), down])
  }
  const found = new Map<Step, Pair>()
  const leftUps: Step[] = []
  for (const up of ups) {
    const key = signature(up.transitions!)
    const inverses = waiting.get(key) ?? []
    if (inverses.length > 1 || key === '') return undefined
    waiting.delete(key)
    if (inverses.length === 1) found.set(up, { ups: [up], downs: inverses })
    else if (isKept(up)) found.set(up, { ups: [up], downs: [], kept: 'down' })
    else leftUps.push(up)
  }
  const leftDowns = downs.filter((down) => [...waiting.values()].some((steps) => steps.includes(down)))
  // What the down must find but the up did not remove comes last, so that its down runs first.
  const last = leftDowns.filter(isKept).map((down): Pair => ({ ups: [], downs: [down], kept: 'up' }))
  const indexes = new Map(
    [...allUps, ...allDowns]
      .flatMap(({ statements }) => effectsOf(statements))
      .flatMap(({ object, name, table }) => (/index/i.test(object) && table !== undefined ? [[name, table]] : [])),
  )
  const rebuilt = pairRebuilt(
    leftUps,
    leftDowns.filter((down) => !isKept(down)),
    indexes,
  )
  if (!rebuilt) return undefined
  for (const [step, pair] of rebuilt) found.set(step, pair)
  const pairs = [...ups.flatMap((up) => found.get(up) ?? []), ...last]
  return orderEnums(pairs)
}

/** Schemas and extensions are made if they are missing and stay: others may use them. */
function isKept({ transitions }: Step): boolean {
  return transitions!.every(({ kind, object }) => kind === 'create' && (object === 'schema' || object === 'extension'))
}

/** Moves the indexes of a table that a script creates to the table's own step, and the inverse in the other script. */
function withIndexes(ups: readonly Step[], downs: readonly Step[]): [Step[], Step[]] {
  const both = [[...ups], [...downs]] as [Step[], Step[]]
  for (const [here, there] of [both, [both[1], both[0]] as const])
    for (const table of [...here]) {
      const created = onlyTransition(table, 'create', 'table')
      if (!created) continue
      const indexes = here.filter(
        (step) =>
          step.transitions!.every(
            ({ kind, object, table }) => kind === 'create' && object === 'index' && table === created.name,
          ) &&
          step.transitions!.every(({ schema }) => schema === created.schema) &&
          step.transitions!.length > 0,
      )
      if (indexes.length === 0) continue
      replace(here, [table, ...indexes], merge([table, ...indexes], table))
      const dropped = there.find((step) => {
        const drop = onlyTransition(step, 'drop', 'table')
        return drop?.name === created.name && drop.schema === created.schema
      })
      const names = new Set(indexes.flatMap(({ transitions }) => transitions!.map(({ name }) => name)))
      const drops = there.filter((step) => {
        const drop = onlyTransition(step, 'drop', 'index')
        return drop !== undefined && names.has(drop.name)
      })
      if (dropped && drops.length > 0) replace(there, [dropped, ...drops], merge([...drops, dropped], dropped))
    }
  return both
}

function onlyTransition(step: Step, kind: Transition['kind'], object: Transition['object']): Transition | undefined {
  const [only, ...more] = step.transitions!
  return more.length === 0 && only?.kind === kind && only.object === object ? only : undefined
}

/** Puts `merged` where the first of `parts` stands and removes the others. */
function replace(steps: Step[], parts: readonly Step[], merged: Step) {
  steps.splice(steps.indexOf(parts[0]!), 1, merged)
  for (const part of parts.slice(1)) steps.splice(steps.indexOf(part), 1)
}

/** One step of several, whose net effect is that of `main`. */
function merge(steps: readonly Step[], main: Step): Step {
  return {
    ...main,
    statements: steps.flatMap(({ statements }) => statements),
    sql: steps.flatMap(({ sql }) => sql),
    notes: steps.flatMap(({ notes }) => notes),
  }
}

/**
 * A table that is built anew (SQLite) carries its columns, keys and indexes with it, so all steps that are left over for the
 * same tables undo each other together. Undefined where something stays left over.
 */
function pairRebuilt(
  ups: readonly Step[],
  downs: readonly Step[],
  indexes: ReadonlyMap<string, string>,
): Map<Step, Pair> | undefined {
  const pairs = new Map<Step, Pair>()
  const left = new Set([...ups, ...downs])
  const tables = (step: Step) => tablesOf(step, indexes)
  for (const first of left) {
    if (!left.has(first)) continue
    const concerned = tables(first)
    const together = new Set([first])
    for (let size = 0; size !== together.size; ) {
      size = together.size
      for (const step of left)
        if ([...tables(step)].some((table) => concerned.has(table))) {
          together.add(step)
          for (const table of tables(step)) concerned.add(table)
        }
    }
    const those = ups.filter((step) => together.has(step))
    const these = downs.filter((step) => together.has(step))
    const touched = (steps: readonly Step[]) =>
      [...new Set(steps.flatMap((step) => [...tables(step)]))].sort().join('\n')
    const rebuilds = [...together].some(({ transitions }) =>
      transitions!.some(({ kind, object }) => kind === 'change' && object === 'table'),
    )
    if (!rebuilds || those.length === 0 || touched(those) !== touched(these) || touched(those) === '') return undefined
    // An index can move to the step that changes its table: nothing else depends on it.
    const place = those.find(({ transitions }) => transitions!.some(({ object }) => object !== 'index')) ?? those[0]!
    pairs.set(place, { ups: those, downs: these })
    for (const step of together) left.delete(step)
  }
  return pairs
}

/** The tables that a step touches; something that is no table's has its own name there. */
function tablesOf({ transitions }: Step, indexes: ReadonlyMap<string, string>): Set<string> {
  return new Set(
    transitions!.map(({ object, schema, table, name }) => {
      if (object === 'table') return `${schema ?? ''}.${name}`
      const owner = table ?? (object === 'index' ? indexes.get(name) : undefined)
      return owner === undefined ? `${object} ${name}` : `${schema ?? ''}.${owner}`
    }),
  )
}

function group(ups: readonly Step[], downs: readonly Step[], input: OperationInput): OperationPlan {
  if (ups.length === 0 && downs.length === 0) return { operations: [], grouped: false, notes: [] }
  return finish([{ ups, downs }], true, input)
}

function fromSteps({ engine, given, base = '' }: OperationInput, steps: readonly ReversibleStep[]): OperationPlan {
  const describe = (statements: readonly string[]) =>
    stepOf(
      statements.map((text) => ({ text, effects: filledTable(text) ? [] : describeStatement(text, engine.syntax) })),
    )
  const pairs = steps.map(({ up, down, lossy: loss }): Pair => {
    const asWritten = describe(up)
    const there = given ? withGiven(asWritten, factsOf(base, engine), engine, given) : asWritten
    const back = describe(down)

    // The planner has filled what its downs make required again.
    return { ups: [there], downs: [{ ...back, notes: loss === undefined ? [] : [loss] }] }
  })
  return finish(engine.transactionalDdl ? pairs : lossesLast(pairs), false, { engine, up: '', down: '' })
}

function finish(pairs: readonly Pair[], grouped: boolean, { engine }: OperationInput): OperationPlan {
  const names = new Names()
  const notes: string[] = []
  const operations = pairs.map(({ ups, downs, kept }): PlannedOperation => {
    const named = names.of(ups, downs, grouped)
    const up = ups.flatMap(({ sql }) => sql)
    const down = downs.flatMap(({ sql }) => sql)
    const fillNotes = downs.flatMap((step) => step.notes)
    const told = (column: string) => fillNotes.some((note) => note.includes(`${column} back`))
    const facts = [...fillNotes, ...lossNotes(up, down, engine, told)]
    const keptNote = kept === undefined ? [] : [`${named.subject} is kept: other objects may be using it.`]
    notes.push(...facts)
    // Every first migration on PostgreSQL makes sure of its schema; that this stays surprises nobody.
    if (kept === 'down' && !/^CREATE SCHEMA\b/i.test(up[0] ?? '')) notes.push(...keptNote)
    const side = (name: string, statements: readonly string[], lines: readonly string[]): PlannedFunction => ({
      name,
      statements,
      ...(lines.length === 0 ? {} : { note: lines.join('\n') }),
    })
    return {
      up: side(named.up, up, kept === 'up' ? keptNote : []),
      down: side(named.down, down, kept === 'down' ? keptNote : facts),
      summary: named.summary,
    }
  })
  return { operations, grouped, notes }
}

/** What the up destroys, so that the down can bring back the structure only; and what the down refuses. */
function lossNotes(
  up: readonly string[],
  down: readonly string[],
  { syntax }: OperationInput['engine'],
  told: (column: string) => boolean,
): string[] {
  const script = (statements: readonly string[]) => statements.map((text) => `${text};\n`).join('')
  const notes: string[] = []
  for (const { kind, table, column } of findHazards(script(up), syntax, script(down))) {
    if (kind === 'drop-table') notes.push(`The down brings table ${table} back without its rows.`)
    else if ((kind === 'drop-column' || kind === 'recreate-column') && !told(`${table}.${column}`))
      notes.push(`The down brings column ${table}.${column} back without its values.`)
  }
  for (const { kind, message } of findHazards(script(down), syntax, script(up)))
    if (kind === 'drop-enum-value') notes.push(`The down narrows an enum. ${message}`)
  return notes
}
