/**
 * The MySQL planner: what Prisma's schema engine does, for the one provider of which it has no WebAssembly build. Pure: no
 * database is touched. Each stage can be read and tested apart: `read-schema` (schema -> tables), `database-view`, `diff`
 * (tables -> steps), `render` (steps -> SQL), `inverse` (steps -> ups and downs), `warnings`, `summary`.
 */
import type { ReversibleStep } from '../../schema-engine.js'
import { databaseView } from './database-view.js'
import { diffTables, type PlanOptions } from './diff.js'
import { reversible } from './inverse.js'
import { renderScript } from './render.js'
import { summaryOf } from './summary.js'
import type { Tables } from './tables.js'
import { warningsOf } from './warnings.js'

export { InvalidSchemaError } from '../../engine.js'
export { databaseView } from './database-view.js'
export type { PlanOptions } from './diff.js'
export { readSchema, readTables, validateSchema } from './read-schema.js'
export { EMPTY_SCRIPT } from './render.js'
export * from './tables.js'
export { warningsComment } from './warnings.js'

export interface PlanRequest extends PlanOptions {
  readonly from: Tables
  readonly to: Tables
  /**
   * `schema`: `from` is compared as it is; this is also right for tables read from a database. `database`: `from` comes
   * from a schema and is seen as a server would report it, which is how `migrate dev` orders its statements.
   */
  readonly view: 'schema' | 'database'
}

export interface MigrationPlan {
  readonly empty: boolean
  /** The SQL as Prisma writes it, without the comment of warnings (`warningsComment`). */
  readonly script: string
  readonly steps: readonly ReversibleStep[]
  /** Prisma's warnings in the order of its comment. */
  readonly warnings: readonly string[]
  readonly summary: string
}

/** The way from one state to another. */
export function planMigration({ from, to, view, ...options }: PlanRequest): MigrationPlan {
  const previous = view === 'database' ? databaseView(from, options) : from
  const steps = diffTables(previous, to, options)
  return {
    empty: steps.length === 0,
    script: renderScript(steps, options),
    steps: reversible(steps, previous, options),
    warnings: warningsOf(steps, previous, to),
    summary: summaryOf(steps),
  }
}
