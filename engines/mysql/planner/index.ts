/**
 * The MySQL planner: what Prisma's schema engine does for MySQL, which has no WebAssembly build. Pure: no database is
 * touched. Each stage can be read and tested apart: `read-schema` (schema -> tables), `database-view`, `diff` (tables ->
 * steps), `render` (steps -> SQL), `inverse` (steps -> ups and downs), `warnings`, `summary`.
 */
import { databaseView } from './database-view.js'
import { diffTables, type PlanOptions } from './diff.js'
import { renderScript } from './render.js'
import type { Tables } from './tables.js'
import { warningsComment, warningsOf } from './warnings.js'

export function planMigration({
  from,
  to,
  view,
  ...options
}: { from: Tables; to: Tables; view: 'schema' | 'database' } & PlanOptions) {
  const previous = view === 'database' ? databaseView(from, options) : from
  const steps = diffTables(previous, to, options)
  const w = warningsOf(steps, previous, to)
  return { script: renderScript(steps, options), comment: warningsComment(w) }
}
export { readSchema } from './read-schema.js'
export * from './tables.js'
