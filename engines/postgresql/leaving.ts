/**
 * How a session was found, and how it is left. Poolers give a session to the next client as the last one left it, and some
 * servers have one for everybody: what rays or a migration set there would be set for other programs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from '../engine.js'
import type { Session } from './session.js'
import { literal, quote } from './values.js'

/** Milliseconds that putting back may take before the session is closed as it is. */
const PATIENCE_MS = 3000

/** What {@link PostgresConnection} sets in a session of its own. */
const SET = [
  'search_path',
  'lock_timeout',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'transaction_timeout',
  'client_connection_check_interval',
  'DateStyle',
  'default_transaction_read_only',
  'row_security',
]

const LOCKS = `SELECT CASE objsubid WHEN 1 THEN ((classid::bigint << 32) | objid::bigint)::text
    ELSE (CASE WHEN classid::bigint > 2147483647 THEN classid::bigint - 4294967296 ELSE classid::bigint END) || ', '
      || (CASE WHEN objid::bigint > 2147483647 THEN objid::bigint - 4294967296 ELSE objid::bigint END) END
      || CASE mode WHEN 'ShareLock' THEN ' shared' ELSE '' END
  FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()`

/** One row that {@link readState} reads. */
export const STATE = `SELECT
  (SELECT json_object_agg(name, setting)::text FROM pg_settings WHERE source = 'session' OR name IN (${SET.map(literal).join(', ')})) AS settings,
  CASE WHEN pg_my_temp_schema() = 0 THEN '{}' ELSE ARRAY(SELECT relname::text FROM pg_class
    WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'p', 'v', 'S')) END AS temporary,
  ARRAY(SELECT name::text FROM pg_prepared_statements) AS prepared,
  ARRAY(SELECT pg_listening_channels()) AS channels,
  ARRAY(${LOCKS}) AS locks`

export interface SessionState {
  readonly settings: Readonly<Record<string, string>>
  readonly temporary: readonly string[]
  readonly prepared: readonly string[]
  readonly channels: readonly string[]
  readonly locks: readonly string[]
}

export function readState(row: Row | undefined): SessionState {
  const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : [])
  return {
    settings: JSON.parse(String(row?.settings ?? '{}')) as Record<string, string>,
    temporary: list(row?.temporary),
    prepared: list(row?.prepared),
    channels: list(row?.channels),
    locks: list(row?.locks),
  }
}

function putBack(settings: readonly (readonly [string, string])[]): string {
  return settings.map(([name, value]) => `SELECT set_config(${literal(name)}, ${literal(value)}, false)`).join('; ')
}

const unlock = (lock: string) =>
  lock.endsWith(' shared')
    ? `SELECT pg_advisory_unlock_shared(${lock.slice(0, -' shared'.length)})`
    : `SELECT pg_advisory_unlock(${lock})`

/** The statements that take away what came since. A lock may have been taken more than once: see {@link leave}. */
function takeAway(before: SessionState, now: SessionState): string[] {
  const since = (kind: 'temporary' | 'prepared' | 'channels' | 'locks') =>
    now[kind].filter((name) => !before[kind].includes(name))
  return [
    ...since('temporary').map(
      (name) => `DO $rays$ BEGIN
      EXECUTE (SELECT format('DROP %s IF EXISTS pg_temp.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname)
        FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname = ${literal(name)});
      EXCEPTION WHEN OTHERS THEN NULL; END $rays$`,
    ),
    ...since('prepared').map((name) => `DEALLOCATE ${quote(name)}`),
    ...since('channels').map((name) => `UNLISTEN ${quote(name)}`),
    ...since('locks').map(unlock),
  ]
}

/**
 * Leaves the session as it was found, as far as it is alive. Never throws.
 * @param deep code of a migration, or Prisma's engine, had the session: anything may have come since
 */
export async function leave(session: Session, before: SessionState, deep: boolean): Promise<void> {
  const send = (sql: string) => session.send(sql, undefined, { told: false })
  const work = async () => {
    if (session.status !== 'I') await send('ROLLBACK')
    const own = Object.entries(before.settings)
    if (!deep) return send(putBack(own.filter(([name]) => SET.includes(name))))
    await send('RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL')
    await send(putBack(own))
    for (let round = 0; round < 20; round++) {
      const statements = takeAway(before, readState((await send(STATE)).at(-1)?.rows[0]))
      if (statements.length === 0) return undefined
      for (const sql of statements) await send(sql).catch(() => undefined)
    }
    return undefined
  }
  const timer = new AbortController()
  await Promise.race([work(), sleep(PATIENCE_MS, undefined, { signal: timer.signal })]).catch(() => undefined)
  timer.abort()
}
