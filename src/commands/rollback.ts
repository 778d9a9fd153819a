/** `rays rollback`: undoes the last batch, as Knex's word means it. */
import { UsageError } from '../errors.js'
import { AppliedSet } from '../history/applied-set.js'
import type { MigrationRecord } from '../history/recorder.js'
import { historyOf } from '../history/squashed.js'
import type { Context } from './host.js'
import { type MigrateResult, migrate } from './migrate.js'
import { folders, openProject, withConnection } from './project.js'

export interface RollbackOptions {
  /** All batches. */
  readonly all?: boolean
  readonly y?: boolean
  readonly plan?: boolean
  readonly generate?: boolean
}

/**
 * Undoes the migrations that were applied together last: those of the newest one's batch. What Prisma applied is in no
 * batch, so it goes one by one.
 * @throws {RaysError}
 */
export async function rollback(
  context: Context,
  { all: every, ...options }: RollbackOptions = {},
): Promise<MigrateResult> {
  if (every) return migrate(context, { ...options, name: 'zero' })
  const project = await openProject(context)
  const all = await folders(project)
  const known = await withConnection(project, context.host, { readOnly: true }, (connection) =>
    historyOf(connection, all),
  )
  const names = lastBatch(known.filter((record) => record.state !== 'absent'))
  const name = names.length === 0 ? 'zero' : `-${names.length}`
  // Another rollback may be at work: what it leaves is not undone for it.
  return migrate(context, { ...options, name }, { direction: 'down', names, base: AppliedSet.of(known) })
}

/** What is to be undone together, newest first. @param known what is applied, in the order of the names */
function lastBatch(known: readonly MigrationRecord[]): string[] {
  const newest = known.at(-1)
  if (newest === undefined) return []
  const last = known.reduce((a, b) => ((b.note?.batch ?? 0) > (a.note?.batch ?? 0) ? b : a), newest)
  const batch = newest.note?.batch
  const alone = batch === undefined && timeOf(newest) >= timeOf(last)
  if (alone) return [newest.name]
  if (last.note?.batch !== batch) {
    // Only from the newest on can anything be undone.
    throw new UsageError(
      `The last batch holds ${last.name}, and ${newest.name}, which was applied before it, comes after it: it cannot be undone alone.`,
      { code: 'E_BATCH', hint: 'rays migrate --name <migration> goes back to the one that is to stay.' },
    )
  }
  const names = known.toReversed()
  const older = names.findIndex((record) => record.note?.batch !== batch)
  return names.slice(0, older === -1 ? names.length : older).map((record) => record.name)
}

function timeOf({ row }: MigrationRecord): number {
  return (row.finishedAt ?? row.startedAt)?.getTime() ?? 0
}
