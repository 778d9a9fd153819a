/** One session of mysql2: sending, exact values, the server's status flags, and the loss of the session. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import * as nodeTls from 'node:tls'
import type { ConnectionOptions, FieldPacket, Connection as Mysql2Connection, TypedParameter } from 'mysql2'
import { MissingDriverError, type Row } from '../engine.js'
import { serverError, withoutTls } from './errors.js'
import type { MysqlTarget, TlsTarget } from './url.js'
import { parameters } from './values.js'

type Driver = typeof import('mysql2')

const IN_TRANSACTION = 1
const LONGLONG = 8

/** What a statement answered. */
export interface Answer {
  /** Rows of the first result set; empty where the statement has none. */
  readonly rows: Row[]
  /** Whether there was a result set. */
  readonly yields: boolean
  /** Rows that the statement matched (UPDATE) or changed. */
  readonly affected: number
  /** The key that the server gave to the first new row; 0 for none. */
  readonly insertId: number | string
}

const NOTHING: Answer = { rows: [], yields: false, affected: 0, insertId: 0 }

interface OkPacket {
  readonly affectedRows: number
  readonly insertId: number | string
  readonly serverStatus: number
}

async function driver(): Promise<Driver> {
  try {
    const module = (await import('mysql2')) as Driver & { default?: Driver }
    return module.default ?? module
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new MissingDriverError('the package mysql2 is not installed; install it with: npm install mysql2', {
      cause: error,
    })
  }
}

function tlsFile(path: string | undefined, parameter: string): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path)
  } catch (error) {
    throw serverError('ENOENT', 0, `the file of ${parameter} cannot be read: ${path}`, error)
  }
}

export interface SessionOptions {
  readonly connectTimeoutMs: number
  readonly onStatement?: (sql: string, milliseconds: number) => void
}

/** Options of the driver. Nothing of the URL's query goes through: each option is set here. */
function optionsFor(
  target: MysqlTarget,
  database: string | undefined,
  { connectTimeoutMs }: SessionOptions,
): ConnectionOptions {
  const tls = target.tls
  return {
    ...(target.socketPath === undefined ? { host: target.host, port: target.port } : { socketPath: target.socketPath }),
    user: target.user,
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(database === undefined ? {} : { database }),
    connectTimeout: target.connectTimeoutMs ?? connectTimeoutMs,
    // For {@link Session.sendAll}. Who hands over a text of a migration sees to it that it is one statement.
    multipleStatements: true,
    namedPlaceholders: false,
    stringifyObjects: true,
    supportBigNumbers: true,
    // Dates are the wall clock that the session shows, read as UTC: the reading of Prisma Client.
    timezone: 'Z',
    dateStrings: false,
    // LOCAL_FILES would let the server ask for files of this machine. IGNORE_SPACE would make names of functions
    // reserved words, so that a migration reads differently here and in Prisma Migrate.
    flags: ['-LOCAL_FILES', '-IGNORE_SPACE'],
    maxPreparedStatements: 64,
    connectAttributes: { program_name: 'rays' },
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            rejectUnauthorized: tls.verify,
            verifyIdentity: tls.verifyHost,
            ...(tls.ca === undefined ? {} : { ca: tlsFile(tls.ca, 'sslcert') as Buffer }),
          },
        }),
  }
}

interface TlsInternals {
  stream: nodeTls.TLSSocket
  packetParser: { execute(data: Buffer): void }
  _handleNetworkError(error: Error): void
  startTLS(done: (error?: Error) => void): void
}

/**
 * mysql2 knows no PKCS#12 files (`sslidentity`) and does not compare a certificate with an IP address (`sslaccept=strict`).
 * Node does both: for these the upgrade of the socket is done here.
 */
function needsOwnUpgrade(host: string, tls: TlsTarget): boolean {
  return tls.identity !== undefined || (tls.verifyHost && isIP(host) !== 0)
}

/** @throws where a later mysql2 no longer has the method that is replaced */
function replaceUpgrade(connection: Mysql2Connection, host: string, tls: TlsTarget): void {
  const internals = connection as unknown as TlsInternals
  if (typeof internals.startTLS !== 'function') {
    throw new Error(
      'this version of mysql2 cannot be used with sslidentity, or with sslaccept=strict and an IP address',
    )
  }
  const pfx = tlsFile(tls.identity, 'sslidentity')
  const ca = tlsFile(tls.ca, 'sslcert')
  internals.startTLS = (done) => {
    const plain = internals.stream
    plain.removeAllListeners('data')
    let secured = false
    let socket: nodeTls.TLSSocket
    try {
      socket = nodeTls.connect({
        socket: plain,
        pfx,
        ca,
        passphrase: tls.passphrase,
        rejectUnauthorized: tls.verify,
        ...(isIP(host) ? {} : { servername: host }),
        ...(tls.verifyHost ? { host } : { checkServerIdentity: () => undefined }),
      })
    } catch (error) {
      done(error as Error)
      return
    }
    socket.once('secureConnect', () => {
      secured = true
      done()
    })
    socket.on('error', (error) => (secured ? internals._handleNetworkError(error) : done(error)))
    socket.on('data', (data: Buffer) => internals.packetParser.execute(data))
    internals.stream = socket
  }
}

/** mysql2 gives integers beyond 2^53 as text: they become bigints, so that no other text does. */
function exact(rows: Row[], fields: readonly FieldPacket[] | undefined): Row[] {
  const names = (fields ?? []).filter((field) => field.columnType === LONGLONG).map((field) => field.name)
  for (const name of names) {
    for (const row of rows) if (typeof row[name] === 'string') row[name] = BigInt(row[name] as string)
  }
  return rows
}

/** Of texts and bytes, the only parameters that can be large; objects are sent as JSON text. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  return value instanceof Uint8Array ? value.byteLength : 16
}

function bytesOf(value: unknown): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : sizeOf(value)
}

function isOk(value: unknown): value is OkPacket {
  return typeof value === 'object' && value !== null && value.constructor?.name === 'ResultSetHeader'
}

export class Session {
  readonly #connection: Mysql2Connection
  readonly #types: TypedParameter
  readonly #onStatement: ((sql: string, milliseconds: number) => void) | undefined
  #lost: Error | undefined
  #listeners: ((error: Error) => void)[] = []
  #status = 0
  #closing = false
  #running = 0
  /** Resolves when what was sent so far has ended. */
  #turn: Promise<void> = Promise.resolve()
  /** The running statement is being stopped from outside. */
  #stopping: Promise<void> | undefined
  /** The server refuses larger statements and closes the session over them; 0 is unknown. */
  maxPacket = 0

  private constructor(
    connection: Mysql2Connection,
    types: TypedParameter,
    onStatement: ((sql: string, milliseconds: number) => void) | undefined,
  ) {
    this.#connection = connection
    this.#types = types
    this.#onStatement = onStatement
    connection.on('error', (error: Error) => this.#lose(error))
    connection.on('end', () => {
      if (!this.#closing) this.#lose(serverError('PROTOCOL_CONNECTION_LOST', 0, 'the server closed the connection'))
    })
  }

  /**
   * @param database undefined opens a session without a database
   */
  static async open(target: MysqlTarget, database: string | undefined, options: SessionOptions): Promise<Session> {
    const { createConnection, TypedParameter: types } = await driver()
    const connection = createConnection(optionsFor(target, database, options))
    if (target.tls && needsOwnUpgrade(target.host, target.tls)) {
      try {
        replaceUpgrade(connection, target.host, target.tls)
      } catch (error) {
        connection.on('error', () => {})
        connection.destroy()
        throw error
      }
    }
    await new Promise<void>((resolve, reject) => {
      // Stays: a handshake that fails twice (timeout, then socket error) must not become an unhandled event.
      connection.on('error', reject)
      connection.connect((error) => (error ? reject(error) : resolve()))
    }).catch((error: unknown) => {
      connection.destroy()
      throw target.tls ? error : withoutTls(error)
    })
    return new Session(connection, types, options.onStatement)
  }

  /** True while the last OK packet says that a transaction is open. */
  get inTransaction(): boolean {
    return (this.#status & IN_TRANSACTION) !== 0
  }

  /** Why the session is gone, or undefined. */
  get lost(): Error | undefined {
    return (
      this.#lost ?? (this.#closing ? serverError('PROTOCOL_CONNECTION_LOST', 0, 'the session is closed') : undefined)
    )
  }

  /** A statement is under way. */
  get busy(): boolean {
    return this.#running > 0
  }

  onLost(listener: (error: Error) => void): void {
    this.#listeners.push(listener)
  }

  #lose(error: Error): void {
    if (this.#lost || this.#closing) return
    this.#lost = error
    // A running statement gets the error itself.
    if (this.#running === 0) for (const listener of this.#listeners) listener(error)
  }

  /**
   * Has the running statement stopped from outside. What is sent later waits until the request is through: it must hit no
   * other statement.
   * @param request must not reject
   */
  stop(request: () => Promise<void>): Promise<void> {
    this.#stopping ??= request()
    return this.#stopping
  }

  async #stopped(): Promise<void> {
    while (this.#stopping) {
      await this.#stopping
      this.#stopping = undefined
      if (this.#lost || this.#closing) return
      // Where the request came when nothing ran, a server may keep it for the next statement: that is this one.
      await this.#run('DO 0', undefined, (result, fields) => this.#answer(result, fields)).catch(() => {})
    }
  }

  /**
   * Sends one statement: with parameters as a prepared statement, without as plain text. Statements are sent one after the
   * other, so that each can be timed, and stopped, for itself.
   * @param begun called when it is its turn
   * @throws the driver's error
   */
  async send(sql: string, params: readonly unknown[] = [], begun?: () => void): Promise<Answer> {
    return this.#inTurn(() => {
      begun?.()
      return this.#sent(sql, params, (result, fields) => this.#answer(result, fields))
    })
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn
    let end = () => {}
    this.#turn = new Promise((resolve) => {
      end = resolve
    })
    await before
    try {
      await this.#stopped()
      return await work()
    } finally {
      end()
    }
  }

  /**
   * Sends several statements in one message; the rows of each.
   * @param options.told whether {@link SessionOptions.onStatement} hears of it
   * @throws the driver's error of the first that fails, which knows how many before it without rows have `ended` well
   */
  async sendAll(statements: readonly string[], { told = true } = {}): Promise<Row[][]> {
    if (statements.length < 2) return Promise.all(statements.map(async (sql) => (await this.send(sql)).rows))
    const read = (results: unknown, fields: unknown) =>
      (results as unknown[]).map((result, k) =>
        Array.isArray(result) ? exact(result as Row[], (fields as FieldPacket[][])[k]) : [],
      )
    return this.#inTurn(() => this.#sent(statements.join(';\n'), [], read, told))
  }

  async #sent<T>(
    sql: string,
    params: readonly unknown[],
    read: (result: unknown, fields: unknown) => T,
    told = true,
  ): Promise<T> {
    if (this.#lost) {
      throw serverError('PROTOCOL_CONNECTION_LOST', 0, `the connection was lost: ${this.#lost.message}`, this.#lost)
    }
    this.#fits(sql, params)
    const values = params.length === 0 ? undefined : parameters(params, this.#types)
    const started = performance.now()
    this.#running += 1
    try {
      return await this.#run(sql, values, read)
    } catch (error) {
      if ((error as { fatal?: boolean }).fatal) {
        this.#lost ??= error as Error
      } else if (!this.#closing && this.inTransaction) {
        await this.#stopping
        // An error packet has no status flags, and some errors (deadlock) end the transaction.
        await this.#run('DO 0', undefined, (result, fields) => this.#answer(result, fields)).catch(() => {})
      }
      throw error
    } finally {
      this.#running -= 1
      if (told) this.#onStatement?.(sql, performance.now() - started)
    }
  }

  /** A server closes the session over a packet that is too large; so it is not sent. */
  #fits(sql: string, params: readonly unknown[]): void {
    // A UTF-16 unit has three bytes at most: most statements need no counting.
    const longest = params.reduce<number>((sum, value) => sum + sizeOf(value), sql.length)
    if (this.maxPacket === 0 || longest * 3 < this.maxPacket) return
    const bytes = params.reduce<number>((sum, value) => sum + bytesOf(value), Buffer.byteLength(sql)) + 16
    if (bytes <= this.maxPacket) return
    throw serverError(
      'ER_NET_PACKET_TOO_LARGE',
      1153,
      `the statement has ${bytes} bytes and the server takes no more than ${this.maxPacket} (max_allowed_packet)`,
    )
  }

  #run<T>(sql: string, values: unknown[] | undefined, read: (result: unknown, fields: unknown) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let ended = 0
      const done = (error: Error | null, result: unknown, fields?: unknown) => {
        if (error) {
          reject(Object.assign(error, { sql, ended }))
          return
        }
        resolve(read(result, fields))
      }
      try {
        if (values === undefined) this.#connection.query(sql, done).on('result', () => void ended++)
        else this.#connection.execute(sql, values as never[], done)
      } catch (error) {
        reject(error)
      }
    })
  }

  /** A CALL answers with a list: its result sets, then an OK packet. */
  #answer(result: unknown, fields: unknown): Answer {
    if (isOk(result)) {
      this.#status = result.serverStatus
      return { rows: [], yields: false, affected: result.affectedRows, insertId: result.insertId }
    }
    if (!Array.isArray(result)) return NOTHING
    const ok = result.findLast(isOk)
    if (!ok) return { ...NOTHING, rows: exact(result as Row[], fields as FieldPacket[]), yields: true }
    this.#status = ok.serverStatus
    const first = result.findIndex(Array.isArray)
    const answer = { rows: [], yields: first !== -1, affected: ok.affectedRows, insertId: ok.insertId }
    if (first === -1) return answer
    return { ...answer, rows: exact(result[first] as Row[], (fields as FieldPacket[][])[first]) }
  }

  /** See Connection.keepAlive. A statement under way is waited for all the same: see OperationClient. */
  keepAlive(on: boolean): void {
    const { stream } = this.#connection as unknown as { stream?: { ref?(): void; unref?(): void } }
    if (on) stream?.ref?.()
    else stream?.unref?.()
  }

  /** Says good-bye to the server; a session that is lost or busy is simply cut. Never throws. */
  async close(): Promise<void> {
    if (this.#closing) return
    const cut = this.#lost !== undefined || this.#running > 0
    this.#closing = true
    if (!cut) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#connection.end(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    // mysql2's destroy() only ends the stream politely, which a server that hangs can ignore.
    this.#connection.destroy()
    ;(this.#connection as unknown as { stream?: { destroy?(): void } }).stream?.destroy?.()
  }
}
