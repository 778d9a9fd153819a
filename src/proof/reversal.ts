/** Finds the way back of a script by trying it: on a shadow database that holds the structure after the script. */
import type { Connection, DatabaseObject, Structure } from '../../engines/engine.js'
import type { OperationPlan } from '../migrations/operations.js'
import { planTakeover, type Takeover, type TakeoverPlan, withoutDowns } from '../migrations/takeover.js'

export interface ReversalRequest extends Omit<Takeover, 'remove' | 'repair' | 'reverse' | 'tables'> {
  /** At the structure `after`; left there. */
  readonly connection: Connection
  readonly schemas: readonly string[]
  readonly before: Structure
  readonly after: Structure
  /** Ways back, as scripts, the likeliest first; each is asked for only when the one before was not right. */
  readonly reverses: readonly (() => Promise<string>)[]
  /** The script runs in one transaction. */
  readonly transaction: boolean
  /** Brings the shadow back to `after` where a failed try could not be rolled back. */
  readonly rebuild: () => Promise<void>
}

export interface Reversal {
  readonly plan: TakeoverPlan
  /** verified: down and up again led to the same structures. missing: no way back was found. */
  readonly state: 'verified' | 'missing'
}

/** A try went well so far, and everything it did is rolled back. */
class Undo extends Error {}

/** The way back of the script, verified; or its operations without one, and why. */
export async function findReversal(request: ReversalRequest): Promise<Reversal> {
  const failures: string[] = []
  const remove = addedObjects(request.before, request.after)
  for (const reverseOf of request.reverses) {
    const reverse = await reverseOf()
    for (const [first, paired] of waysDown(remove)) {
      const { tables } = request.before
      const takeover = { ...request, reverse, remove: first, repair: [], ...(tables && { tables }) }
      const plan = planTakeover(takeover, paired)
      if (paired && plan.grouped) continue
      const tried = await attempt(request, plan)
      if (tried.failure !== undefined) {
        failures.push(tried.failure)
        continue
      }
      if (tried.repair.length === 0) return { plan, state: 'verified' }
      return { plan: planTakeover({ ...takeover, repair: tried.repair }, false), state: 'verified' }
    }
  }
  const plan = planTakeover({ ...request, reverse: '', remove, repair: [] }, false)
  return {
    plan: withoutDowns(plan, [`No way back restores the structure before it: ${failures[0] ?? 'none was found'}`]),
    state: 'missing',
  }
}

/**
 * What goes before the tables do, and whether operations are paired. A routine stands on a new table that its body names, or
 * below one whose trigger or default calls it: where it cannot go before the tables, it is what is left after them.
 */
function waysDown(remove: readonly DatabaseObject[]): (readonly [readonly DatabaseObject[], boolean])[] {
  const others = remove.filter(({ kind }) => !ROUTINES.has(kind))
  return [[remove, true], [remove, false], ...(others.length < remove.length ? [[others, false] as const] : [])]
}

const ROUTINES: ReadonlySet<string> = new Set(['function', 'procedure', 'aggregate'])

/**
 * The statements that the way back of a plan lacks: what it does not bring back of things that Prisma does not model.
 * @param connection a shadow database at the structure before the plan; it is of no use afterwards
 * @throws {Error} where the plan does not run there, or leaves a difference that cannot be put right
 */
export async function missingInWayBack(
  connection: Connection,
  schemas: readonly string[],
  { operations }: Pick<OperationPlan, 'operations'>,
): Promise<{ readonly statements: readonly string[]; readonly before: Structure }> {
  const look = () => connection.engine.structure(connection, schemas)
  const before = await look()
  const way = [
    ...operations.flatMap(({ up }) => up.statements),
    ...[...operations].reverse().flatMap(({ down }) => down?.statements ?? []),
  ]
  let statements: string[] = []
  const work = async () => {
    for (const statement of way) await run(connection, statement)
    statements = repairs(before, await look())
    for (const statement of statements) await run(connection, statement)
    expectSame('after the way back', before, await look())
  }
  if (connection.engine.transactionalDdl) await connection.transaction({ foreignKeysOff: true }, work)
  else await work()
  return { statements, before }
}

/** What the script made of the things that Prisma does not model, last first. What stands on a new table goes with it. */
function addedObjects(before: Structure, after: Structure): DatabaseObject[] {
  const had = new Set(before.objects.map(keyOf))
  return after.objects
    .filter((object) => object.kind !== 'extension' && !had.has(keyOf(object)))
    .filter((object) => object.table === undefined || hasTable(before, object.table))
    .reverse()
}

function hasTable({ lines }: Structure, table: string): boolean {
  return lines.some(
    (line) =>
      new RegExp(`^table ${escaped(table)}(:|$)`).test(line) ||
      new RegExp(`^relation \\S*\\.(?:"?)${escaped(table)}(?:"?) `).test(line),
  )
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const keyOf = ({ kind, identity, make }: DatabaseObject) => `${kind} ${identity} ${make ?? ''}`

interface Tried {
  readonly failure: string | undefined
  /** What had to be put right at the end of the way down. */
  readonly repair: readonly string[]
}

/** Down and up again. Afterwards the shadow is at `after`, whatever happened. */
async function attempt(request: ReversalRequest, plan: TakeoverPlan): Promise<Tried> {
  const { connection, before, after, schemas } = request
  const atomic = connection.engine.transactionalDdl && request.transaction
  const look = () => connection.engine.structure(connection, schemas)
  let repair: string[] = []
  let failure: string | undefined
  const work = async () => {
    for (const operation of [...plan.operations].reverse())
      for (const statement of operation.down?.statements ?? []) await run(connection, statement)
    let now = await look()
    repair = repairs(before, now)
    for (const statement of repair) await run(connection, statement)
    if (repair.length > 0) now = await look()
    expectSame('after the down', before, now)
    // What has no way back was not undone, so it is not done again.
    for (const operation of plan.operations)
      for (const statement of operation.down === null ? [] : operation.up.statements) await run(connection, statement)
    expectSame('after the down and up again', after, await look())
    if (atomic) throw new Undo()
  }
  try {
    if (atomic) await connection.transaction({ foreignKeysOff: turnsForeignKeysOff(plan) }, work)
    else await work()
  } catch (error) {
    if (error instanceof Undo) return { failure: undefined, repair }
    if (connection.engine.explain(error).kind === 'connection') throw error
    failure = error instanceof Error ? error.message : String(error)
    if (!atomic) await request.rebuild()
  }
  return { failure, repair }
}

/** The script that makes the extensions of the one structure that the other lacks: columns and indexes may need them. */
export function missingExtensions(now: Structure, wanted: Structure): string {
  const has = new Set(now.objects.map(keyOf))
  const missing = wanted.objects.filter((object) => object.kind === 'extension' && !has.has(keyOf(object)))
  return missing.map(({ make }) => `${make};`).join('\n')
}

/** The statements that lead from one structure to another, where they differ in parts that can be put right. */
export function repairs(wanted: Structure, now: Structure): string[] {
  const extra = without(now.lines, wanted.lines).flatMap((line) => now.repairs.get(line) ?? [])
  const missing = without(wanted.lines, now.lines).flatMap((line) => wanted.repairs.get(line) ?? [])
  const here = new Set(now.objects.map(keyOf))
  const had = new Set(wanted.objects.map(keyOf))
  const lost = wanted.objects.filter((object) => object.kind !== 'extension' && !here.has(keyOf(object)))
  const added = now.objects.filter((object) => object.kind !== 'extension' && !had.has(keyOf(object)))
  const statements = [
    ...[...added].reverse().map(({ remove }) => remove),
    ...[...extra].sort((a, b) => b.order - a.order).flatMap(({ remove }) => remove),
    ...[...missing].sort((a, b) => a.order - b.order).flatMap(({ make }) => make),
    ...lost.flatMap(({ make }) => make ?? []),
  ]
  // A check or a partial index is a line and an object.
  return [...new Set(statements)]
}

/** SQLite ignores the pragma inside a transaction, so it must be known before. */
function turnsForeignKeysOff({ operations }: TakeoverPlan): boolean {
  const statements = operations.flatMap(({ up, down }) => [...up.statements, ...(down?.statements ?? [])])
  return statements.some((statement) => /PRAGMA\s+foreign_keys\s*=\s*off/i.test(statement))
}

async function run(connection: Connection, statement: string): Promise<void> {
  try {
    await connection.raw(statement)
  } catch (error) {
    const info = connection.engine.explain(error)
    if (info.kind === 'connection') throw error
    throw new Error(`${statement.replace(/\s+/g, ' ').slice(0, 160)}: ${info.message}`, { cause: error })
  }
}

function expectSame(when: string, wanted: Structure, found: Structure): void {
  const missing = without(wanted.lines, found.lines)
  const extra = without(found.lines, wanted.lines)
  if (missing.length + extra.length === 0) return
  const told = [...missing.map((line) => `- ${line}`), ...extra.map((line) => `+ ${line}`)]
  throw new Error(
    `${when} the structure differs: ${told.slice(0, 6).join('; ')}${told.length > 6 ? ` and ${told.length - 6} more` : ''}`,
  )
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others)
  return lines.filter((line) => !known.has(line))
}
