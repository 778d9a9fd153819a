/**
 * One loaded migration, run in one direction: the one place where its operations are gone through, for the executor, for the
 * proof, and for everybody else who runs a migration.
 */
import type { Connection } from '../../engines/engine.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { type RunOperation, runOperation } from './operation.js'

export type Direction = 'up' | 'down'

/** The indexes of the operations in the order in which a direction runs them. */
export function inOrder({ operations }: Pick<LoadedMigration, 'operations'>, direction: Direction): number[] {
  const order = [...operations.keys()]
  return direction === 'up' ? order : order.reverse()
}

export interface RunOperations extends Omit<RunOperation, 'operation' | 'operationTimeoutMs'> {
  /** Milliseconds each may take; default: no limit. */
  readonly operationTimeoutMs?: number
  /** Before each of them; may throw, and nothing more is run. */
  readonly before?: (operation: number) => Promise<void> | void
  /** After each of them that ended well. */
  readonly after?: (operation: number) => Promise<void> | void
}

/** The operations one after the other, in whatever transaction is open. @throws {OperationFailure} */
export async function runOperations({ before, after, ...run }: RunOperations): Promise<void> {
  for (const operation of inOrder(run.loaded, run.direction)) {
    await before?.(operation)
    await runOperation({ operationTimeoutMs: 0, ...run, operation })
    await after?.(operation)
  }
}

export interface RunDirection extends RunOperations {
  readonly connection: TransactionSession
  /** In the transaction, once the operations are done; not run where there is none. */
  readonly last?: () => Promise<void> | void
}

/** A session that can begin a transaction. */
export type TransactionSession = RunOperations['connection'] & Pick<Connection, 'transaction'>

/** Whether the migration is in a transaction of its own, so that all of it is done or nothing. */
export function isAtomic({ engine }: Pick<Connection, 'engine'>, { transaction }: LoadedMigration): boolean {
  return engine.transactionalDdl && transaction
}

/** The operations, in a transaction where the database has them and the migration wants one. @throws {OperationFailure} */
export async function runDirection({ last, ...run }: RunDirection): Promise<void> {
  const { connection, loaded } = run
  if (!isAtomic(connection, loaded)) return runOperations(run)
  await connection.transaction({ foreignKeysOff: loaded.foreignKeysOff }, async () => {
    await runOperations(run)
    await last?.()
  })
}
