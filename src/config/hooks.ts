/** The functions of raysconfig that run around migrations. */
import type { Client } from '../../engines/engine.js'

export interface HookArgument {
  /** On the session that runs the migrations; in `beforeEach` and `afterEach` in the migration's own transaction. */
  readonly client: Client
  readonly direction: 'up' | 'down'
  /** Names of the migrations that run: all of them, or the one that it is about. */
  readonly migrations: readonly string[]
}

/** What it throws stops the run; in `beforeEach` and `afterEach` it undoes the migration. */
export type Hook = (argument: HookArgument) => unknown

export interface ProjectHooks {
  readonly beforeAll?: Hook
  readonly beforeEach?: Hook
  readonly afterEach?: Hook
  readonly afterAll?: Hook
}
