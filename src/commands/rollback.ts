/** `rays rollback`: undoes the last batch, as Knex's word means it. */
import { UsageError } from '../errors.js'
import { Recorder, records } from '../history/recorder.js'
import type { Context } from './host.js'
import { type MigrateResult, migrate } from './migrate.js'
import { openProject, withConnection } from './project.js'

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
export async function rollback(context: Context, { all, ...options }: RollbackOptions = {}): Promise<MigrateResult> {
  if (all) return migrate(context, { ...options, name: 'zero' })
  const project = await openProject(context)
  const count = await withConnection(project, context.host, { readOnly: true }, async (connection) => {
    const known = records((await new Recorder(connection).read()) ?? []).filter((record) => record.state !== 'absent')
    const newest = known.at(-1)
    if (newest === undefined) return 0
    const last = known.reduce((a, b) => ((b.note?.batch ?? 0) > (a.note?.batch ?? 0) ? b : a), newest)
    const batch = newest.note?.batch
    if (last.note?.batch !== batch) {
      // Only from the newest on can anything be undone.
      throw new UsageError(
        `The last batch holds ${last.name}, and ${newest.name} of an earlier batch comes after it: it cannot be undone alone.`,
        { code: 'E_BATCH', hint: 'rays migrate --name <migration> goes back to the one that is to stay.' },
      )
    }
    if (batch === undefined) return 1
    const older = known.toReversed().findIndex((record) => record.note?.batch !== batch)
    return older === -1 ? known.length : older
  })
  return migrate(context, { ...options, name: count === 0 ? 'zero' : `-${count}` })
}
