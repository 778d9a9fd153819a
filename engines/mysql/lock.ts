/**
 * The migration lock: the name that Prisma Migrate uses (Prisma: `SELECT GET_LOCK('prisma_migrate', 10)`), so the two
 * exclude each other. The name is known to the whole server, not to one database. Prisma does not look at the answer and
 * goes on without the lock after 10 seconds; here only the answer 1 counts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, type LockOptions, LockTimeoutError } from '../engine.js'
import { oneLine } from '../foreign.js'
import type { Session } from './session.js'

const LOCK = 'prisma_migrate'
/** The condition that this session does not hold it. */
export const NOT_HELD = `NOT COALESCE(IS_USED_LOCK('${LOCK}') = CONNECTION_ID(), FALSE)`

/** Prisma: `PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK`, any text but '' and '0'. */
export function lockDisabled(): boolean {
  const value = process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK
  return value !== undefined && value !== '' && value !== '0'
}

/**
 * Who holds the lock, without the text of its statement; undefined for nobody.
 * @param here only a session that is seen to be at this database: the lock is one for the whole server
 */
export async function holder(session: Session, here = false): Promise<string | undefined> {
  const { rows } = await session.send(`SELECT IS_USED_LOCK('${LOCK}') AS id`)
  const id = rows[0]?.id
  if (id === null || id === undefined) return undefined
  const found = await session.send(
    'SELECT USER AS user, HOST AS host, DB AS db, DB = DATABASE() AS here, COMMAND AS command, TIME AS seconds FROM information_schema.PROCESSLIST WHERE ID = ?',
    [id],
  )
  const row = found.rows[0]
  if (here && Number(row?.here ?? 0) !== 1) return undefined
  if (!row) return `session ${id} of another user`
  const doing = row.command === 'Sleep' ? 'idle' : `busy (${row.command})`
  return oneLine(
    `session ${id} (user ${row.user}, host ${row.host}, database ${row.db ?? '-'}, ${doing} for ${row.seconds} s)`,
  )
}

/** Never throws. */
async function holderOf(session: Session): Promise<string> {
  try {
    return (await holder(session)) ?? 'a session that has just ended'
  } catch {
    return 'another session'
  }
}

/**
 * @param statementTimeoutMs a limit on statements also limits the server's own waiting, so a short one means asking often
 * @throws {LockTimeoutError} at the limit; the signal's reason when it is aborted
 */
export async function acquire(session: Session, options: LockOptions, statementTimeoutMs: number): Promise<void> {
  const started = performance.now()
  const patient = statementTimeoutMs === 0 || statementTimeoutMs > 2000
  let told = 0
  for (;;) {
    options.signal?.throwIfAborted()
    const left = options.timeoutMs - (performance.now() - started)
    // The first question does not wait, so that the holder is named at once.
    const wait = patient && told > 0 && left >= 1000 ? 1 : 0
    const { rows } = await session.send(`SELECT GET_LOCK('${LOCK}', ${wait}) AS got`)
    const got = rows[0]?.got
    if (Number(got) === 1 && got !== null) return
    if (got === null || got === undefined) {
      throw new EngineError(
        'the server could not take the migration lock: GET_LOCK answered NULL (out of memory or interrupted)',
      )
    }
    const waited = performance.now() - started
    if (waited >= options.timeoutMs) throw new LockTimeoutError(await holderOf(session), Math.round(waited))
    if (told === 0 || waited - told >= 1000) {
      options.onWait(await holderOf(session))
      told = Math.max(waited, 1)
    }
    if (wait === 0)
      await sleep(Math.max(1, Math.min(250, options.timeoutMs - waited)), undefined, { signal: options.signal })
  }
}

/** Gives the lock away, however often it was taken: the server counts. */
export async function release(session: Session): Promise<void> {
  for (;;) {
    const { rows } = await session.send(`SELECT RELEASE_LOCK('${LOCK}') AS released`)
    if (Number(rows[0]?.released ?? 0) !== 1) return
  }
}

/** Whether this very session holds the lock. */
export async function holds(session: Session): Promise<boolean> {
  const { rows } = await session.send(`SELECT IS_USED_LOCK('${LOCK}') = CONNECTION_ID() AS held`)
  return Number(rows[0]?.held ?? 0) === 1
}
