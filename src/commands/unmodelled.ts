/** What goes with a dropped table or column although no Prisma schema knows it: triggers, checks, partial indexes, comments. */
import type { Connection, DatabaseObject } from '../../engines/engine.js'
import { describeStatement } from '../../engines/sql/statements.js'
import type { OperationPlan, PlannedOperation } from '../migrations/operations.js'
import { missingInWayBack } from '../proof/reversal.js'
import { messageOf, type Project } from './project.js'

export interface Unmodelled {
  /** The plan, with a way back for them where one was found. */
  readonly plan: OperationPlan
  /** What the way back does not bring back: one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Adds to the plan what brings such objects back on the way down, found out on a shadow database that all migrations were
 * run on. Without such objects in the live database there is nothing to do, and no shadow database is opened.
 * @param live reads the live database; undefined where it cannot be asked
 * @param shadow hands out a shadow database that the migrations were replayed on; undefined where nothing is proven
 */
export async function withUnmodelled(
  project: Project,
  plan: OperationPlan,
  live: () => Promise<readonly DatabaseObject[] | undefined>,
  shadow: (<T>(work: (connection: Connection) => Promise<T>) => Promise<T>) | undefined,
): Promise<Unmodelled> {
  const tables = losingTables(plan, project)
  if (tables.size === 0) return { plan, notes: [] }
  const objects = ((await live()) ?? []).filter(({ table }) => table !== undefined && tables.has(bare(table)))
  if (objects.length === 0) return { plan, notes: [] }
  const told = (some: readonly DatabaseObject[]) => some.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  if (shadow === undefined) {
    return { plan, notes: [`The down does not bring back what no Prisma schema knows: ${told(objects)}.`] }
  }
  try {
    const { statements, before } = await shadow((connection) => missingInWayBack(connection, project.schemas, plan))
    const known = new Set(before.objects.map(({ kind, identity }) => `${kind} ${identity}`))
    const byHand = objects.filter(({ kind, identity }) => !known.has(`${kind} ${identity}`))
    const notes =
      byHand.length === 0
        ? []
        : [
            `The down does not bring back what no migration made: ${told(byHand)} (rays doctor --adopt makes one of it).`,
          ]
    if (statements.length === 0) return { plan, notes }
    return { plan: { ...plan, operations: [restoring(statements, told(objects)), ...plan.operations] }, notes }
  } catch (error) {
    return {
      plan,
      notes: [`The down does not bring back what no Prisma schema knows: ${told(objects)} (${messageOf(error)}).`],
    }
  }
}

/** The functions of the operation that brings such objects back. */
export const LEAVING = 'leaveOtherObjects'
export const RESTORING = 'restoreOtherObjects'

/** First on the way up, where it does nothing, and so last on the way down. */
function restoring(statements: readonly string[], what: string): PlannedOperation {
  return {
    up: { name: LEAVING, statements: [], note: `They go with what is dropped: ${what}.` },
    down: { name: RESTORING, statements },
    summary: `on the way down bring back ${what}`,
  }
}

/** The tables that the ups drop, drop a column of, or build anew. */
function losingTables({ operations }: OperationPlan, { engine }: Project): Set<string> {
  const effects = operations.flatMap(({ up }) =>
    up.statements.flatMap((text) => describeStatement(text, engine.syntax) ?? []),
  )
  return new Set(
    effects.flatMap(({ action, object, name, table }) =>
      action !== 'drop' ? [] : object === 'table' ? [name] : object === 'column' && table !== undefined ? [table] : [],
    ),
  )
}

/** An object's table may be written with its schema and quotes. */
const bare = (table: string) => table.replace(/^.*\.(?=[^.]+$)/, '').replace(/^["`]|["`]$/g, '')
