/**
 * The migration lock of PostgreSQL: Prisma's advisory lock (Prisma: `pg_advisory_lock(72707369)`), taken by asking again
 * and again. Waiting inside the server would deadlock with CREATE INDEX CONCURRENTLY, which waits for every transaction.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, LockLostError, type LockOptions, LockTimeoutError } from '../engine.js'
import { oneLine } from '../foreign.js'
import type { Session } from './session.js'

const KEY = 72707369
const OWN = `EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = ${KEY} AND objsubid = 1
  AND granted AND pid = pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`
const HOLDER = `SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'local') AS address, a.state,
    extract(epoch FROM now() - a.state_change)::int AS seconds
  FROM pg_stat_activity a JOIN pg_locks l USING (pid)
  WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = ${KEY} AND l.objsubid = 1 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`

const POOLER =
  'A transaction pooler (pgbouncer, Supavisor, RDS Proxy) between rays and the server moves statements between sessions: connect to the server directly, or add pgbouncer=true to the URL.'

/** Prisma: any value but `0` and the empty one switches the lock off. */
function disabled(): boolean {
  const value = process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK
  return value !== undefined && value !== '' && value !== '0'
}

/** Waits 50 to 1000 ms between tries, a little at random, so that many deployers do not knock at once. */
async function poll(session: Session, options: LockOptions, attempt: () => Promise<boolean>): Promise<void> {
  const started = performance.now()
  // The first word after 300 ms, then one a second.
  let told = -700
  for (let pause = 50; ; pause = Math.min(pause * 1.6, 1000)) {
    refuseAborted(options)
    if (await attempt()) return
    const waited = performance.now() - started
    if (waited >= options.timeoutMs) throw new LockTimeoutError(await holder(session), Math.round(waited))
    if (waited - told >= 1000) {
      told = waited
      options.onWait(await holder(session))
    }
    const wait = Math.min(pause * (0.75 + Math.random() / 2), options.timeoutMs - waited)
    await sleep(Math.max(wait, 1), undefined, { ...(options.signal && { signal: options.signal }) }).catch(
      () => undefined,
    )
  }
}

/** @throws EngineError when the caller's signal said stop */
export function refuseAborted({ signal }: LockOptions): void {
  if (signal?.aborted)
    throw new EngineError('interrupted while waiting for the migration lock', { cause: signal.reason })
}

async function findHolder(session: Session): Promise<string | undefined> {
  const row = (await session.send(HOLDER))[0]?.rows[0]
  if (!row) return undefined
  const name = row.application_name ? `${row.application_name}, ` : ''
  const state = row.state === null ? '' : `, ${row.state} for ${row.seconds ?? 0} s`
  return oneLine(`${name}session ${row.pid} from ${row.address}${state}`)
}

async function holder(session: Session): Promise<string> {
  try {
    return (await findHolder(session)) ?? 'a session that has just ended'
  } catch {
    return 'another session'
  }
}

/** What this process knows of the lock. */
export class MigrationLock {
  #held: 'no' | 'session' | 'transaction' | 'disabled' = 'no'
  /** The backend that took the lock; behind a pooler it need not be the one that runs the next statement. */
  #pid = 0
  #options: LockOptions | undefined

  constructor(
    private readonly session: Session,
    private readonly perTransaction: boolean,
  ) {}

  async acquire(options: LockOptions): Promise<void> {
    if (disabled()) {
      this.#held = 'disabled'
      return
    }
    if (this.#held === 'session' && (await this.holds())) return
    this.#options = options
    if (this.perTransaction) {
      // Only to wait here rather than in the first migration: each transaction takes the lock anew.
      await poll(this.session, options, () => this.#try(`SELECT pg_try_advisory_xact_lock(${KEY}) AS taken`))
      this.#held = 'transaction'
      return
    }
    await poll(this.session, options, async () => {
      const sql = `SELECT pg_backend_pid() AS pid, ${OWN} AS had; SELECT pg_try_advisory_lock(${KEY}) AS taken`
      const [before, after] = await this.session.send(sql)
      const row = before!.rows[0]!
      if (row.had === true) {
        // The lock counts: this gives back what was just taken, and leaves the count of the stranger who shares the backend.
        await this.session.send(`SELECT pg_advisory_unlock(${KEY})`)
        throw new LockLostError(`The migration lock is already held by this very session. ${POOLER}`)
      }
      this.#pid = Number(row.pid)
      return after!.rows[0]!.taken === true
    })
    this.#held = 'session'
  }

  /** Who holds the lock, if anybody does. */
  holder(): Promise<string | undefined> {
    return findHolder(this.session)
  }

  async #try(sql: string): Promise<boolean> {
    return (await this.session.send(sql))[0]!.rows[0]!.taken === true
  }

  async holds(): Promise<boolean> {
    if (this.#held !== 'session') return this.#held !== 'no'
    const [result] = await this.session.send(`SELECT ${OWN} AND pg_backend_pid() = ${this.#pid} AS own`)
    return result!.rows[0]!.own === true
  }

  /**
   * An expression for the first message of a transaction, whose answer goes to {@link refused}. A try inside the transaction succeeds
   * for the session that holds the lock, and for nobody else while it is held; the transaction then holds it as well, and
   * nothing an operation does can take that away before the end.
   */
  get begin(): string {
    return this.#held === 'session' || this.#held === 'transaction' ? `pg_try_advisory_xact_lock(${KEY})` : 'true'
  }

  /** Where the lock is per transaction: how long to wait for it. */
  get waiting(): LockOptions | undefined {
    return this.#held === 'transaction' ? this.#options : undefined
  }

  timeout(): Promise<never> {
    return holder(this.session).then((text) => {
      throw new LockTimeoutError(text, this.#options?.timeoutMs ?? 0)
    })
  }

  /** @throws always */
  async refused(): Promise<never> {
    const by = await holder(this.session)
    throw new LockLostError(`The migration lock is no longer this session's; it is held by ${by}. ${POOLER}`)
  }

  /**
   * The last statements of a transaction that holds the lock: an operation, or a function that it called, may have given away
   * the session's share (`pg_advisory_unlock_all`), and no more than that. Giving it back once and taking it again leaves
   * exactly one share, whatever was done, before anybody else can have it.
   */
  get kept(): string[] {
    if (this.#held !== 'session') return []
    return [`SELECT pg_catalog.pg_advisory_unlock(${KEY}), pg_catalog.pg_try_advisory_lock(${KEY})`]
  }

  async release(): Promise<void> {
    const held = this.#held
    this.#held = 'no'
    if (held !== 'session' || this.session.lost) return
    const [result] = await this.session.send(`SELECT pg_advisory_unlock(${KEY}) AS released, pg_backend_pid() AS pid`)
    const row = result!.rows[0]!
    if (row.released === true || Number(row.pid) === this.#pid) return
    await this.#releaseThere()
  }

  /**
   * Behind a pooler the lock stays with a backend that rays may never meet again, and would lock everybody out until the
   * pooler closes it. The backend is ended, but only while it is idle: it may be serving somebody else by now.
   */
  async #releaseThere(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      const [result] = await this.session.send(
        `SELECT CASE WHEN a.pid = pg_backend_pid() THEN pg_advisory_unlock(${KEY})
            WHEN a.state = 'idle' THEN pg_terminate_backend(a.pid) ELSE false END AS done
          FROM pg_stat_activity a WHERE a.pid = ${this.#pid} AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid
            AND l.locktype = 'advisory' AND l.classid = 0 AND l.objid = ${KEY} AND l.objsubid = 1 AND l.granted)`,
      )
      if (result!.rows.length === 0 || result!.rows[0]!.done === true) return
      await sleep(100)
    }
  }
}
