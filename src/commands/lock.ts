/** `rays lock`: who holds the migration lock. Reads only. */
import type { Context } from './host.js'
import { openProject, withConnection } from './project.js'

export interface LockResult {
  readonly target: string
  /** Who it is, as far as the database tells; null when the lock is free. */
  readonly holder: string | null
}

/** @throws {RaysError} when the database cannot be read */
export async function lock(context: Context): Promise<LockResult> {
  const project = await openProject(context)
  return withConnection(project, context.host, {}, async (connection) => ({
    target: connection.target,
    holder: (await connection.lockHolder()) ?? null,
  }))
}
