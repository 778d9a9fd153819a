/** `rays sqlmigrate`: the statements of one migration, one way. Needs no database. */

import { plan } from '../history/plan.js'
import { targetOf } from '../migrations/directory.js'
import { loadMigration } from '../migrations/load.js'
import type { Context } from './host.js'
import { recordedSql } from './migrate.js'
import { folders, openProject } from './project.js'

export interface SqlMigrateOptions {
  /** A name, a unique part of one, or a timestamp. */
  readonly name: string
  readonly down?: boolean
}

export interface SqlMigrateResult {
  readonly name: string
  readonly direction: 'up' | 'down'
  readonly sql: string
}

/** @throws {UsageError} for an unknown name */
export async function sqlMigrate(context: Context, options: SqlMigrateOptions): Promise<SqlMigrateResult> {
  const project = await openProject(context)
  const migration = plan(await folders(project), [], { ...(await targetOf(options.name)), fake: true }).target!
  const direction = options.down ? ('down' as const) : ('up' as const)
  const loaded = await loadMigration(migration, { runScript: async () => undefined })
  return { name: migration.name, direction, sql: await recordedSql(project, loaded, direction) }
}
