/** `rays unlock`: frees the lock that Knex left behind, and tells who holds rays' own. */
import type { Connection } from '../../engines/engine.js'
import { type KnexTable, quoted } from '../knex/histories.js'
import type { Context } from './host.js'
import { hasKnexTable, knexTable } from './knex-history.js'
import { openProject, withConnection } from './project.js'

export interface UnlockResult {
  readonly target: string
  /** Whether Knex could not have got its lock, and can now: it was taken, or its table had not the one row that it needs. */
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
    const freed = (await hasKnexTable(connection, table)) && (await free(connection, table))
    return { target: connection.target, freed, holder }
  })
}

/**
 * Knex has its lock when it could change exactly one row from 0 to 1: with several rows, which Knexes that began at the
 * same moment leave, it never has it. Returns whether there was anything else than one free row.
 */
async function free(connection: Connection, table: KnexTable): Promise<boolean> {
  const target = quoted(connection, table)
  const rows = await connection.raw(`SELECT is_locked FROM ${target}`)
  if (rows.length === 1 && String(rows[0]!.is_locked) === '0') return false
  await connection.script(`DELETE FROM ${target}; INSERT INTO ${target} (is_locked) VALUES (0);`)
  return true
}
