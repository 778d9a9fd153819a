/** Looks at each statement of a migration before it is sent. */
import type { LoadedMigration } from '../migrations/migration.js'

/** A statement that is about to be sent. */
export interface Sending {
  readonly loaded: LoadedMigration
  readonly operation: number
  readonly direction: 'up' | 'down'
  readonly sql: string
  readonly params?: readonly unknown[] | undefined
}

export interface Guard {
  /** @throws {DestructiveStatement} for what may not be sent */
  look(sending: Sending): Promise<void>
}

/** A statement that would lose data was not sent. */
export class DestructiveStatement extends Error {
  override readonly name = 'DestructiveStatement'

  /**
   * @param losses what would be lost, in sentences
   * @param hint how somebody says that the loss is wanted
   */
  constructor(
    readonly losses: readonly string[],
    readonly statement: string,
    readonly hint: string,
  ) {
    super(`it was stopped before a statement that loses data: ${losses.join(' ')}`)
  }
}
