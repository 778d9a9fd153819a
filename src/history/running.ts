/** What a run of migrations is given, what it says on its way, and what it has done. */
import type { Connection } from '../../engines/engine.js'
import type { LoadedMigration } from '../migrations/migration.js'
import type { AppliedSet } from './applied-set.js'
import type { Guard } from './guard.js'
import type { HookNote } from './note.js'
import type { MigrationRecord, OtherHistory } from './recorder.js'

export interface ExecuteOptions {
  /** The session that holds the lock. */
  readonly connection: Connection
  readonly direction: 'up' | 'down'
  /** In the order in which they run. */
  readonly migrations: readonly LoadedMigration[]
  readonly records: readonly MigrationRecord[]
  /** Change the record only. */
  readonly fake: boolean
  readonly batch: number
  /** All migrations in one transaction, so that all are done or none: only where the engine has transactional DDL. */
  readonly singleTransaction?: boolean
  /** Another tool's history, out of which a migration is taken in the transaction that unapplies it. */
  readonly other?: OtherHistory | undefined
  /** What another run has done of it is not what was meant: that is an error. */
  readonly whole?: boolean
  /** Milliseconds an operation may take; 0 is no limit. */
  readonly operationTimeoutMs: number
  /** Passwords that no error in the history may tell. */
  readonly secrets?: readonly string[]
  /** On a database without transactional DDL: leave what was done when an operation fails. */
  readonly noUndo?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** Opens a new session with the lock, to find out what became of a COMMIT whose answer was lost. */
  readonly reconnect: () => Promise<Connection>
  /** What runs around each migration, outside of its transaction. */
  readonly around?: Around | undefined
  /** Looks at each statement before it is sent. */
  readonly guard?: Guard | undefined
}

export type Progress =
  | {
      readonly kind: 'start'
      readonly name: string
      readonly direction: 'up' | 'down'
      readonly index: number
      readonly total: number
    }
  | { readonly kind: 'operation'; readonly name: string; readonly operation: number; readonly operations: number }
  /** Another rays was first. */
  | { readonly kind: 'elsewhere'; readonly name: string; readonly direction: 'up' | 'down' }
  | { readonly kind: 'done'; readonly name: string; readonly direction: 'up' | 'down'; readonly milliseconds: number }

export interface StepResult {
  readonly name: string
  readonly direction: 'up' | 'down'
  readonly operations: number
  readonly milliseconds: number
}

/** An error that knows what of the plan had been done before it. */
export interface PartialFailure {
  readonly done: readonly StepResult[]
}

/** A run, and what it takes the history to say. */
export interface Running extends ExecuteOptions {
  /** The applied set that the plan was made from, as it has moved by what the run did. */
  readonly expected: AppliedSet
}

/** The programs of migrations. */
export interface Around {
  /** The program that runs ahead of a migration, or behind it; undefined where there is none. */
  readonly hookOf: (migration: LoadedMigration, place: 'ahead' | 'behind') => string | undefined
  /**
   * Runs it to its end.
   * @throws {FailedError} where it failed by itself; whatever else is thrown leaves it unfinished
   */
  readonly run: (migration: LoadedMigration, note: HookNote) => Promise<void>
}
