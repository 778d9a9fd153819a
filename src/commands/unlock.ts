/** `rays unlock`: frees the lock that Knex left behind, and tells who holds rays' own. */
import { quoted } from '../knex/histories.js'
import type { Context } from './host.js'
import { hasKnexTable, knexTable } from './knex-history.js'
import { openProject, withConnection } from './project.js'

export interface UnlockResult {
  readonly target: string
  /** Whether Knex's lock was taken and is free now. */
  readonly freed: boolean
  /** Who holds the lock of rays and Prisma, which ends with its session; null when it is free. */
  readonly holder: string | null
}

/** @throws {RaysError} when the database cannot be reached */
export async function unlock(context: Context): Promise<UnlockResult> {
  const project = await openProject(context)
  const { name, schema } = await knexTable(context)
  const table = { name: `${name}_lock`, schema }
  return withConnection(project, context.host, {}, async (connection) => {
    const holder = (await connection.lockHolder()) ?? null
    const freed =
      (await hasKnexTable(connection, table)) &&
      (await connection.change(`UPDATE ${quoted(connection, table)} SET is_locked = 0 WHERE is_locked <> 0`)) > 0
    return { target: connection.target, freed, holder }
  })
}
