/** A connection of Knex's, seen as what rays' migrations and history need: a client, and a session for the recorder. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Client, Engine, HistoryDialect, Leftover, Row, StatementSyntax } from '../../engines/engine.js'
import { LockTimeoutError } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import { bindPlaceholders } from '../../engines/sql/placeholders.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { holderOf, RELEASE_MS } from '../../engines/sqlite/lasting-lock.js'
import { isInTheWay, LockError, notFree } from '../errors.js'
import type { JournalSession } from '../history/journal.js'
import { type Dialect, dialectOf, type KnexClient, retryWhile, type Shutting } from './dialects.js'

/** What ends the locks that a connection holds until Knex gets it back. */
interface Held {
  migration?: string
  history?: string
}

/** One connection that Knex handed out. Statements go to the driver as they are: Knex's own `?` means nothing in them. */
export class KnexSession implements Client, JournalSession {
  static readonly #held = new WeakMap<object, Held>()

  #connection: object
  #rebuilds: ReturnType<NonNullable<Engine['rebuilds']>> | undefined

  private constructor(
    readonly client: KnexClient,
    connection: object,
    readonly engine: Engine,
    readonly dialect: Dialect,
    readonly history: HistoryDialect,
  ) {
    this.#connection = connection
  }

  /** A session over a connection that Knex's client holds. */
  static async over(client: KnexClient, connection: object): Promise<KnexSession> {
    const dialect = dialectOf(client)
    const engine = await engineFor(dialect.provider)
    const sql = dialect.namespace
    const query = sql === undefined ? undefined : await client._query(connection, { sql, bindings: [], method: 'raw' })
    const namespace = query ? String(dialect.rows(query)[0]?.namespace ?? '') : ''
    return new KnexSession(client, connection, engine, dialect, engine.history(namespace))
  }

  /** Runs the work on one connection: the transaction's own, or one that is taken from the pool and given back. */
  static async on<T>(knex: Knex, work: (session: KnexSession) => Promise<T>): Promise<T> {
    const client = knex.client as KnexClient
    const connection = (await client.acquireConnection()) as object
    let session: KnexSession | undefined
    try {
      session = await KnexSession.over(client, connection)
      return await work(session)
    } finally {
      await client.releaseConnection(session ? session.#connection : connection)
    }
  }

  get syntax(): StatementSyntax {
    return this.engine.syntax
  }

  /** Whether Knex has a transaction on the connection; on MySQL it may be over all the same. */
  get transacting(): boolean {
    return this.client.transacting === true
  }

  async #send(sql: string, params: readonly unknown[] = [], method = 'raw') {
    this.#rebuilds ??= this.engine.rebuilds?.(async (own, values) =>
      this.dialect.rows(await this.#sendOne(own, values)),
    )
    const send = (text: string) => this.#sendOne(text, params, method)
    return this.#rebuilds ? this.#rebuilds.run(sql, send) : send(sql)
  }

  async #sendOne(sql: string, params: readonly unknown[] = [], method = 'raw') {
    const bindings = this.client.prepBindings([...params])
    this.client.emit('query', { sql, bindings, method })
    try {
      return await this.client._query(this.#connection, { sql, bindings, method, options: {} })
    } catch (error) {
      if (error instanceof Error && !error.message.includes(sql)) error.message = `${sql} - ${error.message}`
      throw error
    }
  }

  async raw(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return this.dialect.rows(await this.#send(sql, params))
  }

  async change(sql: string, params?: readonly unknown[]): Promise<number> {
    return this.dialect.changes(await this.#send(sql, params, 'update'))
  }

  async query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return this.raw(params === undefined ? sql : bindPlaceholders(sql, params.length, this.syntax), params)
  }

  async execute(sql: string, params?: readonly unknown[]): Promise<void> {
    await this.query(sql, params)
  }

  /**
   * Statement by statement: not every driver of Knex's takes more than one.
   * @throws the driver's error, with the number of statements that ended well as `completed`
   */
  async script(sql: string): Promise<void> {
    let completed = 0
    for (const { text } of splitStatements(sql, this.syntax)) {
      try {
        await this.#foreign(text)
        completed += 1
      } catch (error) {
        if (error instanceof Error) {
          Object.defineProperty(error, 'completed', { value: completed, configurable: true })
          Object.defineProperty(error, 'statement', { value: text, configurable: true })
        }
        throw error
      }
    }
  }

  /** A statement of Prisma's, as Prisma reads it. */
  async #foreign(sql: string): Promise<void> {
    try {
      await this.raw(sql)
    } catch (error) {
      const mended = await this.#rebuilds?.asPrismaReads(sql, error)
      if (mended === undefined) throw error
      await this.raw(mended)
    }
  }

  /** One transaction where the journal asks for it; on MySQL it ends the one that Knex began. */
  async transaction<T>(_options: object, work: () => Promise<T>): Promise<T> {
    await this.raw('BEGIN')
    try {
      const result = await work()
      await this.raw('COMMIT')
      return result
    } catch (error) {
      await this.raw('ROLLBACK').catch(() => undefined)
      throw error
    }
  }

  inTransaction(): Promise<boolean> {
    return this.dialect.inTransaction(this.#shutting(), this.#connection)
  }

  async leftovers(): Promise<readonly Leftover[]> {
    const { leftovers } = this.dialect
    return leftovers === undefined ? [] : (await this.raw(leftovers.ask)).map(leftovers.read)
  }

  /** What an operation left open is taken back. Knex's settings of the session are its own. */
  async restoreSettings(): Promise<void> {
    if (!this.transacting && (await this.inTransaction())) await this.raw('ROLLBACK')
  }

  async holdsLock(): Promise<boolean> {
    return this.dialect.lock === undefined || KnexSession.#held.get(this.#connection)?.migration !== undefined
  }

  acquireLock({ timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    return this.lock(timeoutMs)
  }

  /** Knex ends its own statements. */
  async cancel(): Promise<void> {}

  #shutting(): Shutting {
    return {
      transacting: this.transacting,
      raw: (sql) => this.raw(sql),
      send: (sql) => this.#sendOne(sql),
      isBusy: (error) => this.engine.explain(error).kind === 'busy',
    }
  }

  /**
   * Runs the work while no other session can do the same with the table.
   * @param table its name as SQL
   * @throws {LockError} when another is at it all the while
   */
  async alone<T>(table: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const end = await this.dialect.alone(this.#shutting(), table, timeoutMs).catch((error: unknown) => {
      const { kind } = this.engine.explain(error)
      if (!(error instanceof LockTimeoutError) && !isInTheWay(kind)) throw error
      throw new LockError(`Knex's history was not free within ${timeoutMs / 1000} s: another Knex is migrating.`, {
        cause: error,
        hint: 'Run the command again when the other has ended.',
      })
    })
    if (end.later !== undefined) this.#hold({ history: end.later })
    try {
      const result = await work()
      if (end.done !== undefined) await this.raw(end.done)
      return result
    } catch (error) {
      if (end.failed !== undefined) await this.raw(end.failed).catch(() => undefined)
      throw error
    }
  }

  #hold(held: Held): void {
    KnexSession.#held.set(this.#connection, { ...KnexSession.#held.get(this.#connection), ...held })
  }

  /**
   * Takes the lock that rays and Prisma take: for the transaction where the database can, else until the connection
   * goes back to Knex (see {@link releaseLock}).
   * @throws {LockError} when another holds it all the while
   */
  async lock(timeoutMs: number): Promise<void> {
    const { lock } = this.dialect
    if (lock === undefined) return this.#waitForLasting(timeoutMs)
    if (await this.holdsLock()) return
    const started = performance.now()
    const { transacting } = this
    for (let pause = 20; ; pause = Math.min(pause * 1.6, 500)) {
      const got = (await this.raw(transacting ? lock.inTransaction : lock.session))[0]?.got
      if (Number(got) === 1) break
      const waited = performance.now() - started
      if (waited >= timeoutMs) {
        throw new LockError(
          `The migration lock was not free within ${timeoutMs / 1000} s: rays or Prisma is migrating.`,
          {
            cause: new LockTimeoutError('another session', Math.round(waited)),
            hint: 'Wait for the other migration to end; rays lock tells who holds it.',
          },
        )
      }
      await sleep(pause)
    }
    if (!transacting || lock.inTransaction === lock.session) this.#hold({ migration: lock.release })
  }

  async #waitForLasting(timeoutMs: number): Promise<void> {
    const lasting = this.dialect.lasting?.(this.#connection)
    if (lasting) await this.#patiently(timeoutMs, async () => lasting.refuseHeld())
  }

  /**
   * Where the lock belongs to each transaction: holds it between them, too. Call it outside of a transaction.
   * @throws {LockError} when another holds it all the while
   */
  async holdLock(timeoutMs: number): Promise<() => Promise<void>> {
    const lasting = this.dialect.lasting?.(this.#connection)
    if (!lasting) return async () => undefined
    await this.#patiently(timeoutMs, () => this.#writing(timeoutMs, () => lasting.take()))
    return async () => {
      await this.restoreSettings()
      await this.#writing(RELEASE_MS, () => lasting.release(true)).catch(() => lasting.release(false))
    }
  }

  /** What is done while nobody else can write. */
  async #writing(timeoutMs: number, work: () => void): Promise<void> {
    const end = await this.dialect.alone(this.#shutting(), '', timeoutMs)
    try {
      work()
    } finally {
      if (end.failed !== undefined) await this.raw(end.failed)
    }
  }

  /** @throws {LockError} */
  async #patiently(timeoutMs: number, work: () => Promise<void>): Promise<void> {
    const { isBusy } = this.#shutting()
    await retryWhile(isBusy, timeoutMs, work).catch((error: unknown) => {
      if (!isBusy(error)) throw error
      throw notFree({ holder: holderOf(error) }, timeoutMs)
    })
  }

  /**
   * Runs work of Knex's that needs a connection. Where the pool has no other, it is this one, and the migration lock stays
   * with it.
   */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    const { pool } = this.client as { pool?: { max?: number } }
    if (this.transacting || pool?.max !== 1) return work()
    const connection = this.#connection
    const held = KnexSession.#held.get(connection)
    KnexSession.#held.delete(connection)
    await this.client.releaseConnection(connection)
    try {
      return await work()
    } finally {
      this.#connection = (await this.client.acquireConnection()) as object
      // Another connection means that the old one was lost, and the lock with it.
      if (held && this.#connection === connection) KnexSession.#held.set(connection, held)
    }
  }

  /** Gives back the locks that a connection still holds; called when Knex puts it back into its pool. */
  static async releaseLock(client: KnexClient, connection: object): Promise<void> {
    const held = KnexSession.#held.get(connection)
    if (held === undefined) return
    KnexSession.#held.delete(connection)
    for (const sql of [held.migration, held.history]) {
      if (sql !== undefined)
        await client._query(connection, { sql, bindings: [], method: 'raw', options: {} }).catch(() => undefined)
    }
  }
}
