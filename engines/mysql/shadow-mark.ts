/**
 * Whose a configured shadow database is while rays works in it. The mark is a table that no introspection shows; after each
 * statement of the proof it says when that was, by the server's clock: what was made or written later is somebody else's.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LockTimeoutError, type Row } from '../engine.js'
import { MARK, newMark } from '../shadow-mark.js'
import type { MysqlConnection } from './connection.js'
import { isLost } from './errors.js'
import { literal, quote } from './values.js'

type Query = (sql: string, params?: readonly unknown[]) => Promise<Row[]>

/** The server knows such locks by a name of its own, not by the database. */
function lockName({ database }: MysqlConnection): string {
  return `rays_shadow_${createHash('sha256').update(database).digest('hex').slice(0, 40)}`
}

/**
 * Takes the database for this session until it ends.
 * @param timeoutMs how long to wait for another run that has it
 * @throws {LockTimeoutError}
 */
export async function claim(connection: MysqlConnection, timeoutMs: number): Promise<void> {
  if (connection.lockless) return
  const name = literal(lockName(connection))
  const started = performance.now()
  for (let pause = 50; ; pause = Math.min(pause * 1.6, 1000)) {
    const [row] = await connection.raw(`SELECT GET_LOCK(${name}, 0) AS got`)
    if (Number(row?.got ?? 0) === 1) return
    const waited = performance.now() - started
    if (waited >= timeoutMs) {
      const [holder] = await connection.raw(`SELECT IS_USED_LOCK(${name}) AS id`).catch(() => [])
      throw new LockTimeoutError(holder?.id ? `session ${holder.id}` : 'another session', Math.round(waited))
    }
    await sleep(Math.max(1, Math.min(pause, timeoutMs - waited)))
  }
}

export interface Marked {
  readonly id: string
  /** Takes the mark away. Never throws. */
  remove(): Promise<void>
}

/** Marks an empty database. */
export async function writeMark(connection: MysqlConnection): Promise<Marked> {
  const { id, pid, host } = newMark()
  const table = `${quote(connection.database)}.${quote(MARK)}`
  const remove = () => connection.raw(`DROP TABLE IF EXISTS ${quote(MARK)}`)
  await remove()
  await connection.raw(
    `CREATE TABLE ${quote(MARK)} (id VARCHAR(36) NOT NULL, pid INT NOT NULL, host VARCHAR(100) NOT NULL, seen DECIMAL(20, 6) NOT NULL)` +
      ` COMMENT = 'rays works in this database and empties it: it is a shadow database'`,
  )
  try {
    await connection.raw(
      `INSERT INTO ${quote(MARK)} VALUES (${literal(id)}, ${pid}, ${literal(host)}, UNIX_TIMESTAMP(NOW(6)))`,
    )
  } catch (error) {
    await remove().catch(() => undefined)
    throw error
  }
  connection.endEachWith(`UPDATE ${table} SET seen = UNIX_TIMESTAMP(NOW(6))`, MARK)
  return {
    id,
    remove: async () => {
      connection.endEachWith('')
      await remove().catch(() => undefined)
    },
  }
}

/**
 * Whether this very mark is found in another database.
 * @param database undefined: that of the query's session
 */
export async function sees(query: Query, database: string | undefined, { id }: Marked): Promise<boolean> {
  const where = database === undefined ? (['DATABASE()', []] as const) : (['?', [database]] as const)
  const sql = `SELECT TABLE_SCHEMA AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${where[0]} AND TABLE_NAME = ${literal(MARK)}`
  const [found] = await query(sql, where[1])
  if (found === undefined) return false
  const table = `${quote(String(found.name))}.${quote(MARK)}`
  const rows = await query(`SELECT 1 AS one FROM ${table} WHERE id = ${literal(id)}`).catch((error: unknown) => {
    if (isLost(error)) throw error
    return []
  })
  return rows.length > 0
}

/**
 * Whether there is a mark, and nothing was made or written since the last statement of the marked run. The server keeps
 * these times in seconds, and forgets when rows were written as it starts anew.
 */
export async function isLeftToItself(connection: MysqlConnection): Promise<boolean> {
  const query: Query = (sql, params) => connection.raw(sql, params)
  const marks = await query(`SELECT seen FROM ${quote(MARK)}`).catch((error: unknown) => {
    if (isLost(error)) throw error
    return []
  })
  if (marks.length !== 1) return false
  const seen = Number(marks[0]?.seen)
  const { database } = connection
  // MySQL 8 shows such times from a cache of a day.
  if (!connection.facts.mariadb) await query('SET SESSION information_schema_stats_expiry = 0').catch(() => [])
  try {
    const times = [
      ...(await query(
        'SELECT UNIX_TIMESTAMP(CREATE_TIME) AS made, UNIX_TIMESTAMP(UPDATE_TIME) AS written FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME <> ?',
        [database, MARK],
      )),
      ...(await query(
        'SELECT UNIX_TIMESTAMP(LAST_ALTERED) AS made, NULL AS written FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?',
        [database],
      )),
      ...(await query(
        'SELECT UNIX_TIMESTAMP(LAST_ALTERED) AS made, NULL AS written FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?',
        [database],
      )),
    ]
    if (times.some(({ made, written }) => Number(made ?? 0) > seen || Number(written ?? 0) > seen)) return false
    const [up] = await query("SHOW GLOBAL STATUS LIKE 'Uptime'")
    const [now] = await query('SELECT UNIX_TIMESTAMP(NOW(6)) AS now')
    const started = Number(now?.now) - Number(up?.Value ?? 0)
    return Number.isFinite(started) && started < seen + 1
  } catch (error) {
    if (isLost(error)) throw error
    // What cannot be looked at may be somebody's.
    return false
  }
}
