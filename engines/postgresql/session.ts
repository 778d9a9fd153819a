/** One session with a PostgreSQL server: opening it, sending statements, and noticing that it is gone. */
import { createRequire } from 'node:module'
import type pg from 'pg'
import { type ConnectOptions, EngineError, MissingDriverError } from '../engine.js'
import type { DatabaseUrl } from '../url.js'
import { explainPostgres, notePosition } from './errors.js'
import { isLoopback, type PostgresUrl, parsePostgresUrl } from './url.js'
import { parameters, typeParsers } from './values.js'

/** Raised for statements after the session was lost. */
export class SessionLostError extends EngineError {
  override readonly name = 'SessionLostError'
  readonly kind = 'connection'
}

function loadDriver(): typeof pg {
  const require = createRequire(import.meta.url)
  // Node 20 has no `navigator`. Without one the driver makes a Response to learn where it runs, and Node loads all of fetch
  // for that, a quarter of the time of a short command. Nothing else runs while it is there.
  const stands = !('navigator' in globalThis)
  if (stands)
    Object.defineProperty(globalThis, 'navigator', {
      value: { userAgent: `Node.js/${process.versions.node}` },
      configurable: true,
    })
  try {
    return require('pg') as typeof pg
  } catch (cause) {
    throw new MissingDriverError('The PostgreSQL driver is not installed. Run: npm install pg', { cause })
  } finally {
    if (stands) Reflect.deleteProperty(globalThis, 'navigator')
  }
}

const NO_TLS = /does not support SSL/i
const TLS_NEEDED = /no encryption|SSL off|requires? (?:SSL|encryption)/i

/**
 * Connects as the URL says. `prefer` tries TLS first and plain text where the server has none; on this machine the other
 * way round, which spares a connection.
 */
export async function open(url: DatabaseUrl, options: ConnectOptions): Promise<Session> {
  const driver = loadDriver()
  const parsed = parsePostgresUrl(url)
  const attempts =
    parsed.tls === 'prefer' ? (isLoopback(parsed.host) ? [false, true] : [true, false]) : [parsed.tls === 'require']
  for (const [i, tls] of attempts.entries()) {
    const client = newClient(driver, parsed, options, tls)
    // Before anything can fail: an 'error' event without a listener ends the process.
    const session = new Session(client, parsed, options, () => newClient(driver, parsed, options, tls))
    try {
      await client.connect()
      return session
    } catch (error) {
      await endClient(client)
      const message = error instanceof Error ? error.message : ''
      if (i === attempts.length - 1 || !(tls ? NO_TLS : TLS_NEEDED).test(message)) throw unreachable(error, parsed)
    }
  }
  throw new Error('unreachable')
}

/** The driver's own text for a connection that took too long says neither what nor where. */
function unreachable(error: unknown, url: PostgresUrl): unknown {
  const { message, code } = error as { message?: string; code?: string }
  if (code === undefined && message && /timeout expired|Connection terminated/i.test(message))
    return new SessionLostError(`no connection to ${url.host}:${url.port}: ${message}`, { cause: error })
  return error
}

function newClient(driver: typeof pg, url: PostgresUrl, options: ConnectOptions, tls: boolean): pg.Client {
  return new driver.Client({
    host: url.host,
    port: url.port,
    user: url.user,
    // Hidden from the driver's own objects and never taken from the environment of another tool when the URL has one.
    ...(url.password !== '' && { password: () => url.password }),
    database: url.database,
    ssl: tls ? url.tlsOptions() : false,
    application_name: url.applicationName,
    ...(url.options !== undefined && { options: url.options }),
    connectionTimeoutMillis: url.connectTimeoutMs ?? options.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: typeParsers(driver),
  })
}

/** Says goodbye; a server that does not answer is left after a second. */
export async function endClient(client: pg.Client): Promise<void> {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection
  const timer = setTimeout(() => stream.destroy(), 1000)
  await client.end().catch(() => undefined)
  clearTimeout(timer)
}

/** Result of one statement. */
export type Result = pg.QueryResult<Record<string, unknown>>

/** Statements on one client; knows whether the server is still there. */
export class Session {
  #running = 0
  #completed = 0
  #lost: Error | undefined
  #closing = false
  /** The running statement is being stopped from outside. */
  #stopping: Promise<void> | undefined
  readonly #listeners: ((error: Error) => void)[] = []

  constructor(
    /** The driver's handle, for Prisma's adapter. */
    readonly client: pg.Client,
    readonly url: PostgresUrl,
    readonly options: ConnectOptions,
    readonly another: () => pg.Client,
  ) {
    client.on('error', (error) => this.#lose(error))
    client.on('end', () => this.#lose(new SessionLostError('the server closed the connection')))
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
    connection.on('commandComplete', () => {
      this.#completed++
    })
  }

  #lose(error: Error): void {
    if (this.#closing || this.#lost) return
    this.#lost = error
    // A statement in flight is rejected by the driver: that is where the loss surfaces, once.
    if (this.#running === 0) for (const listener of this.#listeners) listener(error)
  }

  get lost(): boolean {
    return this.#lost !== undefined || this.#closing
  }

  /** A statement is under way. */
  get busy(): boolean {
    return this.#running > 0
  }

  onLost(listener: (error: Error) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Has the running statement stopped from outside. What is sent later waits until the request is through: it must hit no
   * other statement.
   * @param request must not reject
   */
  stop(request: () => Promise<void>): Promise<void> {
    this.#stopping ??= request().finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  /**
   * Sends one statement with parameters, or any number without: one message, one answer for each statement.
   * @param options.told whether {@link ConnectOptions.onStatement} hears of it
   * @throws TypeError before anything is sent, for values and texts that PostgreSQL cannot take. The driver's errors are told
   * how many statements of the message had ended well: `ended`.
   */
  async send(sql: string, params?: readonly unknown[], { told = true } = {}): Promise<Result[]> {
    if (this.#lost) throw new SessionLostError(`the connection was lost: ${this.#lost.message}`, { cause: this.#lost })
    // The protocol ends a text at the first NUL: the server would run a part of the statement.
    if (sql.includes('\0')) throw new TypeError('the statement contains a NUL character, which PostgreSQL cannot read')
    const values = params && params.length > 0 ? parameters(params) : undefined
    if (this.#stopping) await this.#stopping
    const started = performance.now()
    this.#running++
    this.#completed = 0
    try {
      const result = await this.client.query(values ? { text: sql, values } : sql)
      return (Array.isArray(result) ? result : [result]) as Result[]
    } catch (error) {
      notePosition(error, sql)
      if (error instanceof Error) Object.defineProperty(error, 'ended', { value: this.#completed, configurable: true })
      if (explainPostgres(error).kind === 'connection') this.#lost ??= error as Error
      // The driver rejects before the server has said how the transaction stands: an empty message waits for that.
      else await this.client.query('').catch(() => undefined)
      throw error
    } finally {
      this.#running--
      if (told) this.options.onStatement?.(sql, performance.now() - started)
    }
  }

  /** `I` idle, `T` in a transaction, `E` in a failed one; null before the first answer. */
  get status(): string | null {
    return this.client.getTransactionStatus()
  }

  keepAlive(on: boolean): void {
    const { stream } = (this.client as unknown as { connection: { stream: { ref?(): void; unref?(): void } } })
      .connection
    if (on) stream.ref?.()
    else stream.unref?.()
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    await endClient(this.client)
  }
}
