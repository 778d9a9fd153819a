/** Runs migrations on a shadow database, to get the state that they lead to. */

import type { Connection } from '../../engines/engine.js'
import { runDirection } from '../history/direction.js'
import { operationError } from '../history/operation.js'
import { stopIfInterrupted } from '../interruption.js'
import { runForeign } from '../migrations/foreign.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'

/**
 * Applies the migrations in order, without recording them.
 * @throws {FailedError} naming the migration and the operation; {@link InterruptedError} between two migrations
 */
export async function replay(
  connection: Connection,
  migrations: readonly Migration[],
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  for (const migration of migrations) {
    await stopIfInterrupted({ signal }, 'Interrupted; nothing was written.')
    const loaded = await loadMigration(migration, {
      runScript: (script) => runForeign(connection, script),
      ...(connection.engine.transactionalDdl && { inTransaction: connection.syntax }),
    })
    try {
      await runDirection({ connection, loaded, direction: 'up' })
      await connection.restoreSettings()
    } catch (error) {
      throw operationError(
        error,
        { connection, direction: 'up' },
        loaded,
        'It was being replayed on a shadow database; your database was not touched.',
      )
    }
  }
}
