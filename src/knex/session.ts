/** A connection of Knex's, seen as what rays' migrations and history need: a client, and a session for the recorder. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Client, Engine, HistoryDialect, Row, StatementSyntax } from '../../engines/engine.js'
import { LockTimeoutError } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import { bindPlaceholders } from '../../engines/sql/placeholders.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { LockError } from '../errors.js'
import type { HistorySession } from '../history/recorder.js'
import { type Dialect, dialectOf, type KnexClient } from './dialects.js'

/** One connection that Knex handed out. Statements go to the driver as they are: Knex's own `?` means nothing in them. */
export class KnexSession implements Client, HistorySession {
  /** Connections that hold the migration lock until Knex gives them back. */
  static readonly #locked = new WeakMap<object, string>()

  #rebuilds: ReturnType<NonNullable<Engine['rebuilds']>> | undefined

  private constructor(
    readonly client: KnexClient,
    readonly connection: object,
    readonly engine: Engine,
    readonly dialect: Dialect,
    readonly history: HistoryDialect,
  ) {}

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
    try {
      return await work(await KnexSession.over(client, connection))
    } finally {
      await client.releaseConnection(connection)
    }
  }

  get syntax(): StatementSyntax {
    return this.engine.syntax
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
      return await this.client._query(this.connection, { sql, bindings, method, options: {} })
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

  /** Statement by statement: not every driver of Knex's takes more than one. */
  async script(sql: string): Promise<void> {
    for (const { text } of splitStatements(sql, this.syntax)) await this.raw(text)
  }

  /**
   * Takes the lock that rays and Prisma take: for the transaction where the database can, else until the connection
   * goes back to Knex (see {@link releaseLock}).
   * @throws {LockError} when another holds it all the while
   */
  async lock(timeoutMs: number): Promise<void> {
    const { lock } = this.dialect
    if (lock === undefined || KnexSession.#locked.has(this.connection)) return
    const started = performance.now()
    const transacting = this.client.transacting === true
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
    if (!transacting || lock.inTransaction === lock.session) KnexSession.#locked.set(this.connection, lock.release)
  }

  /** Gives back the lock that a connection still holds; called when Knex puts it back into its pool. */
  static async releaseLock(client: KnexClient, connection: object): Promise<void> {
    const release = KnexSession.#locked.get(connection)
    if (release === undefined) return
    KnexSession.#locked.delete(connection)
    await client._query(connection, { sql: release, bindings: [], method: 'raw', options: {} }).catch(() => undefined)
  }
}
