/**
 * Whose a configured shadow database is while rays works in it. The mark is a namespace of its own, and each transaction of
 * the proof ends by writing its row anew: what is newer than that row was done by somebody else, after rays.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LockTimeoutError, type Row } from '../engine.js'
import { MARK, newMark } from '../shadow-mark.js'
import { doBlock } from './catalog.js'
import type { PostgresConnection } from './connection.js'
import { explainPostgres } from './errors.js'
import type { Session } from './session.js'
import { literal, quote } from './values.js'

type Query = (sql: string, params?: readonly unknown[]) => Promise<Row[]>

const TABLE = `${quote(MARK)}.mark`
/** Of the two numbers of an advisory lock that is not the migration lock: "rays", and the shadow. */
const LOCK = '1918990707, 1'

/** In a subtransaction, which is younger than all that the transaction did before. A role of the migration may not do it. */
const TOUCH = doBlock(`BEGIN
  UPDATE ${TABLE} SET steps = steps + 1;
EXCEPTION WHEN OTHERS THEN NULL;
END`).replace(/;$/, '')

const HOLDER = `SELECT a.pid, coalesce(host(a.client_addr), 'local') AS address, a.application_name AS name
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND (l.classid, l.objid) = (1918990707, 1) AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`

/**
 * Takes the database for this session until it ends.
 * @param timeoutMs how long to wait for another run that has it
 * @throws {LockTimeoutError}
 */
export async function claim(session: Session, timeoutMs: number): Promise<void> {
  const started = performance.now()
  for (let pause = 50; ; pause = Math.min(pause * 1.6, 1000)) {
    const [result] = await session.send(`SELECT pg_try_advisory_lock(${LOCK}) AS taken`)
    if (result?.rows[0]?.taken === true) return
    const waited = performance.now() - started
    if (waited >= timeoutMs) {
      const row = (await session.send(HOLDER).catch(() => []))[0]?.rows[0]
      throw new LockTimeoutError(
        row ? `session ${row.pid} from ${row.address} (${row.name})` : 'another session',
        Math.round(waited),
      )
    }
    await sleep(Math.max(1, Math.min(pause, timeoutMs - waited)))
  }
}

export interface Marked {
  readonly id: string
  /** Takes the mark away. Never throws. */
  remove(): Promise<void>
}

/** Marks an empty database. Undefined where the user may not make a namespace: what a killed run leaves is then asked about. */
export async function writeMark(connection: PostgresConnection): Promise<Marked | undefined> {
  const { id, pid, host } = newMark()
  try {
    await connection.session.send(`DROP SCHEMA IF EXISTS ${quote(MARK)} CASCADE; CREATE SCHEMA ${quote(MARK)};
      CREATE TABLE ${TABLE} (id text NOT NULL, pid int NOT NULL, host text NOT NULL, begun timestamptz NOT NULL DEFAULT now(), steps int NOT NULL DEFAULT 0);
      COMMENT ON SCHEMA ${quote(MARK)} IS 'rays works in this database and empties it: it is a shadow database';
      INSERT INTO ${TABLE} (id, pid, host) VALUES (${literal(id)}, ${pid}, ${literal(host)})`)
  } catch (error) {
    if (explainPostgres(error).kind !== 'permission') throw error
    return undefined
  }
  connection.endEachWith(TOUCH)
  return {
    id,
    remove: async () => {
      connection.endEachWith('')
      await connection.session.send(`DROP SCHEMA IF EXISTS ${quote(MARK)} CASCADE`).catch(() => undefined)
    },
  }
}

/** Whether this very mark is found in the database of the query. */
export async function sees(query: Query, { id }: Marked): Promise<boolean> {
  const [found] = await query(`SELECT to_regclass(${literal(TABLE)}) IS NOT NULL AS found`)
  if (found?.found !== true) return false
  const rows = await query(`SELECT 1 AS one FROM ${TABLE} WHERE id = ${literal(id)}`).catch(() => [])
  return rows.length > 0
}

/** Younger than the mark. Numbers of transactions go round, ages do not. */
const younger = (xmin: string) => `age(${xmin}) < (SELECT age(xmin) FROM ${TABLE})`

/** Anything that was made or changed in the namespaces, as the catalogs tell. Statistics and indexes change in place. */
const NEWER = `
  SELECT 1 AS one FROM pg_namespace n WHERE n.nspname = ANY($1) AND ${younger('n.xmin')}
  UNION ALL SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1) AND c.relkind <> 'i' AND ${younger('c.xmin')}
  UNION ALL SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1) AND ${younger('p.xmin')}
  UNION ALL SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = ANY($1) AND ${younger('t.xmin')}
  LIMIT 1`

/** Each table on which rows are, partitions by themselves. */
const HEAPS = `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY($1) AND c.relkind = 'r'`

/** Whether there is a mark, and nobody has made, changed or written anything since the last transaction of the marked run. */
export async function isLeftToItself(query: Query, schemas: readonly string[]): Promise<boolean> {
  const [found] = await query(`SELECT to_regclass(${literal(TABLE)}) IS NOT NULL AS found`)
  if (found?.found !== true) return false
  try {
    const marks = await query(`SELECT id FROM ${TABLE}`)
    if (marks.length !== 1) return false
    if ((await query(NEWER, [[...schemas]])).length > 0) return false
    for (const { name } of await query(HEAPS, [[...schemas]]))
      if ((await query(`SELECT 1 AS one FROM ${name} t WHERE ${younger('t.xmin')} LIMIT 1`)).length > 0) return false
    return true
  } catch (error) {
    if (explainPostgres(error).kind === 'connection') throw error
    // What cannot be looked at may be somebody's.
    return false
  }
}
