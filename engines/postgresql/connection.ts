/** A PostgreSQL session as the contract wants it. */

import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendMessage } from '../at-once.js'
import {
  type Answer,
  CommitRefusedError,
  CommitUnknownError,
  type Connection,
  type Engine,
  EngineError,
  type Expected,
  type HistoryDialect,
  type Leftover,
  type LockOptions,
  OpenTransactionError,
  type PlainText,
  type Row,
  type SentAtOnce,
  type TableInfo,
  type Transaction,
  TransactionEndedError,
  type TransactionOptions,
  type WholeTransaction,
  withCompleted,
} from '../engine.js'
import { oneLine } from '../foreign.js'
import { bindPlaceholders } from '../sql/placeholders.js'
import { commits } from '../sql/transactions.js'
import { postgresAdapter } from './adapter.js'
import { doBlock, emptySchemaSql, leftover, leftoversSql, readTables } from './catalog.js'
import { explainPostgres } from './errors.js'
import { leave, readState, type SessionState, STATE } from './leaving.js'
import { MigrationLock, refuseAborted } from './lock.js'
import { isPlain, orFail, orStop, readPlain, unchanged, WholeMessage } from './message.js'
import { endClient, type Result, type Session } from './session.js'
import { describePostgres } from './url.js'
import { literal, quote } from './values.js'

export class PostgresConnection implements Connection {
  readonly target: string
  readonly database: string
  readonly place: string
  readonly history: HistoryDialect
  readonly #lock: MigrationLock
  readonly #pooled: boolean
  /** What puts back whatever a migration, or a function or trigger that it called, has set. */
  readonly #settled: readonly string[]
  /** The same, and what else a session can hand on to the next migration. */
  readonly #cleared: readonly string[]

  private constructor(
    readonly engine: Engine,
    /** For the shadow databases and Prisma's adapter, which need the driver's handle. */
    readonly session: Session,
    readonly version: string,
    private readonly pid: number,
    /** The server's version as a number where it takes {@link NEWER}, otherwise 0. */
    newer: number,
    /** How the session was before; undefined where it is set to nothing. */
    private readonly before: SessionState | undefined,
  ) {
    const { url, options } = session
    this.target = describePostgres(url)
    this.database = url.database
    this.place = this.database
    this.#pooled = options.transactionLock === true || url.pooled
    this.#settled = [
      ...RESET,
      ...settingsSql(session, this.#pooled ? 'LOCAL' : 'SESSION'),
      ...NEWER.flatMap(({ since, name, value }) => (newer >= since ? [`SET ${name} = '${value}'`] : [])),
    ]
    // What was there before is somebody else's. Behind a pooler so may be what another client has prepared in the same session.
    const prepared = this.#pooled || (this.before?.prepared.length ?? 0) > 0
    this.#cleared = [
      ...(this.#pooled ? RESET : this.#settled),
      'CLOSE ALL',
      ...(this.before && this.before.temporary.length > 0 ? [] : ['DISCARD TEMP']),
      ...(prepared ? [] : ['DEALLOCATE ALL']),
    ]
    this.#lock = new MigrationLock(session, this.#pooled)
    this.history = historyDialect(url.schema)
  }

  /** Prepares a session that has just been opened. */
  static async start(engine: Engine, session: Session): Promise<PostgresConnection> {
    const { pooled } = session.url
    const facts = `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS num, pg_backend_pid() AS pid`
    // Behind a transaction pooler a setting would go to whoever uses the backend next; there each transaction sets its own.
    const local = pooled || session.options.transactionLock === true
    const settings = settingsSql(session, 'SESSION').join('; ')
    const more = NEWER.map(
      ({ since, name, value }) =>
        `SELECT set_config('${name}', '${value}', false) WHERE current_setting('server_version_num')::int >= ${since}`,
    ).join('; ')
    let newer = !local
    const results = await (local
      ? session.send(facts)
      : session.send(`${STATE}; ${settings}; ${more}; ${facts}`).catch((error: unknown) => {
          if (session.lost) throw error
          newer = false
          return session.send(`${STATE}; ${settings}; ${facts}`)
        }))
    const row = results.at(-1)!.rows[0]!
    const version = oneLine(String(row.version)).split(' ')[0]
    const before = local ? undefined : readState(results[0]?.rows[0])
    const number = newer ? Number(row.num) : 0
    return new PostgresConnection(engine, session, `PostgreSQL ${version}`, Number(row.pid), number, before)
  }

  get syntax() {
    return this.engine.syntax
  }

  async query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.#last(sql, params))?.rows ?? []
  }

  async answer(sql: string, params?: readonly unknown[]): Promise<Answer> {
    const result = await this.#last(sql, params)
    return {
      rows: result?.rows ?? [],
      yields: (result?.fields ?? []).length > 0,
      changes: result?.rowCount ?? 0,
      ...(result?.command && { command: result.command }),
    }
  }

  /** What the last statement of the text answered. */
  async #last(sql: string, params: readonly unknown[] | undefined): Promise<Result | undefined> {
    this.#note(sql)
    return (await this.#send(params ? bindPlaceholders(sql, params.length, this.syntax) : sql, params)).at(-1)
  }

  async execute(sql: string, params?: readonly unknown[]): Promise<void> {
    await this.query(sql, params)
  }

  async raw(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.#send(sql, params)).at(-1)?.rows ?? []
  }

  async batch(statements: readonly string[]): Promise<Row[][]> {
    if (statements.length === 0) return []
    return (await this.#send(statements.join(';\n'))).map(({ rows }) => rows)
  }

  async change(sql: string, params?: readonly unknown[]): Promise<number> {
    return (await this.#send(sql, params)).at(-1)?.rowCount ?? 0
  }

  async script(sql: string): Promise<void> {
    this.#note(sql)
    await this.#send(withoutMark(sql))
  }

  async foreignScript(sql: string): Promise<string> {
    const inside = this.session.status !== 'I'
    try {
      await this.script(sql)
      if (!inside && this.session.status !== 'I') {
        await this.session.send('ROLLBACK')
        throw new OpenTransactionError()
      }
      return sql
    } catch (error) {
      // All of a message is undone, but for what stands before a COMMIT in it.
      throw withCompleted(error, !inside && commits(sql, this.syntax) ? 1 : 0)
    }
  }

  /**
   * From now on each of the session's transactions that may change something runs this statement as well, as its last one.
   * @param sql one statement that never fails; '' for none
   */
  endEachWith(sql: string): void {
    this.#tail = sql
  }
  #tail = ''

  async #send(sql: string, params?: readonly unknown[]): Promise<Result[]> {
    const alone = this.#tail === '' || (params?.length ?? 0) > 0 || this.session.status !== 'I' || READS.test(sql)
    if (alone) return this.session.send(sql, params)
    try {
      return (await this.session.send(`${sql}\n;${this.#tail}`)).slice(0, -1)
    } catch (error) {
      // Together they are a transaction, which not every statement takes.
      if (explainPostgres(error).kind !== 'needs-no-transaction') throw error
    }
    const results = await this.session.send(sql)
    await this.session.send(this.#tail)
    return results
  }

  /**
   * Whatever a statement says, a function or a trigger that it calls may change the session: that is put back in any case.
   * What ends the transaction can be told from the statement: no function can do it.
   */
  #note(sql: string): void {
    // It would act when all migrations are done, and until then hide or hold what the others are to find.
    if (this.#shared && /\bon\s+commit\s+(?:drop|delete)\b/i.test(sql))
      throw new EngineError('ON COMMIT acts at the end of the transaction, which other migrations share here')
    this.#foreign = true
    this.#unsettled = true
    if (!isPlain(sql)) this.#unchecked = true
  }
  /** An operation may have ended the transaction, or begun another. */
  #unchecked = false
  /** An operation may have changed what the session is set to. */
  #unsettled = false
  /** Code of a migration, or Prisma's engine, has had the session. */
  #foreign = false
  /** Several migrations share the transaction that is open. */
  #shared = false

  async hasTable(name: string): Promise<boolean> {
    const [row] = await this.raw(
      `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')) AS found`,
      [this.session.url.schema, name],
    )
    return row!.found === true
  }

  #schemas(schemas: readonly string[] | undefined): readonly string[] {
    return schemas && schemas.length > 0 ? schemas : [this.session.url.schema]
  }

  tables(schemas?: readonly string[]): Promise<TableInfo[]> {
    return readTables((queries) => this.batch(queries), this.#schemas(schemas))
  }

  /** In a part of the transaction that is taken back, so that nothing of it reaches what a migration has set. */
  async countRows(from: string, params: readonly unknown[], limitMs: number): Promise<number> {
    if (this.session.status === 'E') throw new CommitRefusedError('the transaction cannot go on after an error')
    const open = this.session.status !== 'I'
    const begin = open ? [`SAVEPOINT ${COUNT}`] : this.#beginning()
    const end = open ? [`ROLLBACK TO SAVEPOINT ${COUNT}`, `RELEASE SAVEPOINT ${COUNT}`] : ['ROLLBACK']
    const set = ['transaction_read_only = on', 'row_security = off', `statement_timeout = ${limitMs}`]
    try {
      await this.session.send([...begin, ...set.map((setting) => `SET LOCAL ${setting}`)].join('; '))
      const sql = `SELECT count(*)::text AS n FROM ${from}`
      const [counted] =
        params.length > 0
          ? await this.session.send(bindPlaceholders(sql, params.length, this.syntax), params)
          : await this.session.send(sql)
      return Number(counted?.rows[0]?.n)
    } finally {
      if (!this.session.lost) await this.session.send(end.join('; '))
    }
  }

  /** One message, and so one transaction: after a failure everything is there as before. */
  async reset(schemas?: readonly string[]): Promise<void> {
    const parts: string[] = []
    for (const schema of new Set([this.session.url.schema, ...this.#schemas(schemas)]))
      parts.push(await emptySchemaSql((sql, params) => this.raw(sql, params), schema))
    const script = parts.filter((part) => part !== '').join('\n')
    if (script !== '') await this.#send(script)
  }

  get lockPerTransaction(): boolean {
    return this.#pooled
  }

  acquireLock(options: LockOptions): Promise<void> {
    return this.#lock.acquire(options)
  }

  releaseLock(): Promise<void> {
    return this.#lock.release()
  }

  lockHolder(): Promise<string | undefined> {
    return this.#lock.holder()
  }

  async leftovers(): Promise<readonly Leftover[]> {
    return (await this.raw(leftoversSql(Number(/\d+/.exec(this.version)?.[0] ?? 0)))).map(leftover)
  }

  holdsLock(): Promise<boolean> {
    return this.#lock.holds()
  }

  async transaction<T>(options: TransactionOptions, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.inTransaction()) throw new EngineError('a transaction is already open on this connection')
    const { txid, answer } = await this.#begin(options.ask)
    this.#unchecked = false
    this.#shared = options.shared === true
    let result: T
    let last: string | undefined
    try {
      if (this.#shared) await this.session.send(`SAVEPOINT ${MARK}`)
      result = await work({
        last: (sql) => {
          last = sql
        },
        check: () => this.#check(txid),
        record: () => this.#record(),
        next: (sql) => this.#next(sql),
        ...(options.ask !== undefined && { answer }),
      })
      await this.#check(txid)
    } catch (error) {
      await this.#rollback()
      throw error
    } finally {
      this.#shared = false
    }
    await this.#commit(last)
    return result
  }

  /** The server runs the statements of a message one after the other, and leaves out what follows an error. */
  async atOnce(transactions: readonly WholeTransaction[], { ask, n }: Expected): Promise<SentAtOnce> {
    // Before PostgreSQL 13 such a limit may be one for the whole message.
    if (this.session.lost || this.inTransaction() || this.session.options.statementTimeoutMs > 0)
      return { committed: [] }
    this.#foreign = true
    const begin = [...this.#beginning(), orStop(`${IN_TIME} AND ${this.#lock.begin}`)]
    const message = new WholeMessage({
      begin,
      // A statement of its own: it sees what was committed before the lock was there.
      first: orStop(`(${ask}) = ${n}`),
      settled: this.#ending(),
      cleared: this.#afterwards(),
    })
    for (const transaction of transactions) message.add(transaction)
    return sendMessage(
      transactions,
      {
        send: async () => message.times(await this.session.send(message.text, undefined, { told: false })),
        isLost: (error) => explainPostgres(error).kind === 'connection',
        failed: async (error, elapsed) => {
          this.#unsettled = true
          await this.restoreSettings().catch(() => undefined)
          return message.failed(error, elapsed)
        },
      },
      this.session.options.onStatement,
    )
  }

  readPlain(text: string): PlainText | undefined {
    return readPlain(withoutMark(text), this.syntax)
  }

  /**
   * Behind a pooler a setting is the transaction's. There the lock is taken in it, too, so what is read next has to be read
   * anew: in a transaction that sees one state only, that would be the state before the lock was there.
   */
  #beginning(): string[] {
    if (!this.#pooled) return ['BEGIN']
    return ['BEGIN', 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED', ...settingsSql(this.session, 'LOCAL')]
  }

  /**
   * Once a transaction has ended. In one of its own: the next BEGIN of the message would go on with what begins here, and with
   * what it began with (`default_transaction_read_only`).
   */
  #afterwards(): string[] {
    return ['BEGIN', ...this.#cleared, 'COMMIT']
  }

  /** The last statements before the history's: by whom, where and with which lock a row is written no migration decides. */
  #ending(): string[] {
    return [...this.#settled, ...this.#lock.kept]
  }

  /** Opens the transaction with the lock in it, in one message. Returns its id, and what was asked once the lock was there. */
  async #begin(ask: string | undefined): Promise<{ txid: string; answer: readonly Row[] }> {
    const deadline = performance.now() + (this.#lock.waiting?.timeoutMs ?? 0)
    for (;;) {
      const taken = `SELECT ${this.#lock.begin} AS taken, txid_current()::text AS txid`
      const results = await this.session
        .send([...this.#beginning(), taken, ...(ask === undefined ? [] : [ask])].join('; '))
        .catch(async (error) => {
          await this.#rollback()
          throw error
        })
      const row = results.at(ask === undefined ? -1 : -2)!.rows[0]!
      if (row.taken === true) return { txid: String(row.txid), answer: results.at(-1)!.rows }
      await this.#rollback()
      const { waiting } = this.#lock
      if (!waiting) return this.#lock.refused()
      refuseAborted(waiting)
      if (performance.now() >= deadline) return this.#lock.timeout()
      await sleep(100 + Math.random() * 200)
    }
  }

  async #check(txid: string): Promise<void> {
    if (this.session.status === 'I')
      throw new TransactionEndedError('the transaction was ended by a COMMIT or ROLLBACK')
    if (this.session.status === 'E')
      throw new CommitRefusedError(
        'an earlier statement failed and its error was caught, so the transaction cannot go on',
      )
    if (!this.#unchecked) return
    const [now] = await this.session.send('SELECT txid_current()::text AS txid')
    if (now!.rows[0]!.txid !== txid)
      throw new TransactionEndedError('the transaction was ended and another one was begun')
    this.#unchecked = false
  }

  async #record(): Promise<void> {
    await this.session.send(this.#ending().join('; '))
  }

  /** Ends what would have ended with a transaction of the migration's own, and begins the next one's savepoint. */
  async #next(sql: string): Promise<void> {
    const ends = [`RELEASE SAVEPOINT ${MARK}`, ...this.#cleared, `SAVEPOINT ${MARK}`]
    await this.session.send([...this.#ending(), orFail(sql), ...ends].join('; ')).catch((error: unknown) => {
      throw unchanged(error) ?? error
    })
  }

  /** Settings go back with the transaction; what a session hands on besides them does not. */
  async #rollback(): Promise<void> {
    if (this.session.lost || this.session.status === 'I') return
    // A failure to roll back means that the session is gone, and the server rolls back by itself.
    await this.session.send(['ROLLBACK', ...this.#afterwards()].join('; ')).then(
      () => {
        this.#unsettled = false
      },
      () => undefined,
    )
  }

  async #commit(last: string | undefined): Promise<void> {
    const before = [
      ...this.#ending(),
      ...(last === undefined ? [] : [orFail(last)]),
      ...(this.#tail === '' ? [] : [this.#tail]),
    ]
    let result: Result | undefined
    try {
      // What is put off to COMMIT, a trigger, may set something as well.
      const results = await this.session.send([...before, 'COMMIT', ...this.#afterwards()].join('; '))
      result = results[before.length]
    } catch (error) {
      if (explainPostgres(error).kind === 'connection')
        throw new CommitUnknownError('the connection was lost while committing', { cause: error })
      // It is committed, and whoever uses the session next puts back the rest.
      if (((error as { ended?: number }).ended ?? 0) > before.length) return
      await this.#rollback()
      throw (last !== undefined && unchanged(error)) || error
    }
    if (result?.command !== 'COMMIT')
      throw new CommitRefusedError(`the server answered COMMIT with ${result?.command ?? 'nothing'}`)
    this.#unsettled = false
  }

  inTransaction(): boolean {
    return this.session.status === 'T' || this.session.status === 'E'
  }

  cancel(): Promise<void> {
    return this.session.stop(() => this.#cancel())
  }

  async #cancel(): Promise<void> {
    try {
      if (this.#pooled) return await this.#cancelRequest()
      const client = this.session.another()
      client.on('error', () => undefined)
      try {
        await client.connect()
        await client.query('SELECT pg_cancel_backend($1)', [this.pid])
      } finally {
        await endClient(client)
      }
    } catch {
      await this.#cancelRequest().catch(() => undefined)
    }
  }

  /** PostgreSQL protocol, CancelRequest: a pooler passes it to the backend that runs the statement now. */
  async #cancelRequest(): Promise<void> {
    const { processID, secretKey } = this.session.client as unknown as { processID: number; secretKey: number }
    const { host, port } = this.session.url
    const socket = host.startsWith('/') ? net.connect(`${host}/.s.PGSQL.${port}`) : net.connect(port, host)
    const message = Buffer.alloc(16)
    for (const [i, field] of [16, 80877102, processID, secretKey].entries()) message.writeInt32BE(field, i * 4)
    await new Promise<void>((resolve) => {
      socket.setTimeout(5000, () => socket.destroy())
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.on('connect', () => socket.end(message))
    })
  }

  async restoreSettings(): Promise<void> {
    if (this.session.lost) return
    await this.#rollback()
    if (this.#pooled || !this.#unsettled) return
    await this.session.send(this.#afterwards().join('; '))
    this.#unsettled = false
  }

  /**
   * The server by its start (to the microsecond) and port, the database by its number. Every role may read these, unlike
   * `pg_control_system()`: two roles get the same answer.
   */
  async identify(): Promise<string> {
    const [row] = await this.raw(
      `SELECT extract(epoch FROM pg_postmaster_start_time())::text AS start, current_setting('port') AS port, oid::text AS oid
        FROM pg_database WHERE datname = current_database()`,
    )
    return `postgresql:${row!.start}:${row!.port}:${row!.oid}`
  }

  onLost(listener: (error: Error) => void): void {
    this.session.onLost(listener)
  }

  adapter(options: { shadow(): Promise<Connection> }): unknown {
    this.#foreign = true
    return postgresAdapter({
      client: this.session.client,
      ...(this.#tail !== '' && { script: (sql: string) => this.script(sql) }),
      namespace: this.session.url.schema,
      readOnly: this.session.options.readOnly === true,
      shadow: async () => {
        const connection = await options.shadow()
        if (!(connection instanceof PostgresConnection))
          throw new EngineError('the shadow is not a PostgreSQL database')
        return { client: connection.session.client, dispose: () => connection.close() }
      },
    })
  }

  keepAlive(on: boolean): void {
    this.session.keepAlive(on)
  }

  async close(): Promise<void> {
    if (!this.session.lost && !this.session.busy) {
      await this.#lock.release().catch(() => undefined)
      if (this.before) await leave(this.session, this.before, this.#foreign)
    }
    await this.session.close()
  }
}

/** The message has not been worked on for long: who sent it is to hear of what was done, and to be heard. */
const IN_TIME = "clock_timestamp() < now() + interval '1 s'"

/** Queries, as the proof and its guards send them. */
const READS = /^\s*(?:select|with|show|explain)\b(?![\s\S]*\b(?:insert|update|delete|into)\b)/i

const RESET = ['RESET SESSION AUTHORIZATION', 'RESET ROLE', 'RESET ALL']

/** The savepoint in which rows are counted. */
const COUNT = '"rays count"'

/** The savepoint of a migration that shares its transaction: it takes those that the migration leaves with it. */
const MARK = '"rays migration"'

/**
 * Settings that came with PostgreSQL 14 and 17 (a limit for whole transactions). The client check ends the statement of a
 * killed rays within seconds; it needs the help of the server's platform, and where that is missing rays does without.
 */
const NEWER = [
  { since: 140000, name: 'idle_session_timeout', value: '0' },
  { since: 140000, name: 'client_connection_check_interval', value: '2s' },
  { since: 170000, name: 'transaction_timeout', value: '0' },
]

/** What every session of rays sets, whatever the server's defaults: work in JavaScript between statements is not idleness. */
function settingsSql({ url, options }: Pick<Session, 'url' | 'options'>, scope: 'SESSION' | 'LOCAL'): string[] {
  return [
    `SET ${scope} search_path = ${quote(url.schema)}`,
    `SET ${scope} lock_timeout = ${options.lockTimeoutMs}`,
    `SET ${scope} statement_timeout = ${options.statementTimeoutMs}`,
    `SET ${scope} idle_in_transaction_session_timeout = 0`,
    `SET ${scope} datestyle = ISO`,
    ...(options.readOnly
      ? [scope === 'LOCAL' ? 'SET TRANSACTION READ ONLY' : 'SET default_transaction_read_only = on']
      : []),
  ]
}

/** Prisma: `CREATE TABLE _prisma_migrations` of the PostgreSQL flavour, in the URL's schema. */
export function historyDialect(schema: string): HistoryDialect {
  const table = `${quote(schema)}."_prisma_migrations"`
  // Not IF NOT EXISTS: it asks for the right to create even where there is nothing to create.
  const createTable = doBlock(`BEGIN
IF to_regnamespace(${literal(quote(schema))}) IS NULL THEN CREATE SCHEMA ${quote(schema)}; END IF;
IF to_regclass(${literal(table)}) IS NULL THEN
CREATE TABLE ${table} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
);
END IF;
END`)
  return {
    table,
    beside: (name) => `${quote(schema)}.${quote(name)}`,
    createTable,
    time: (at) => at,
    readTime: (value) => (value instanceof Date ? value : null),
    timeColumn: quote,
    since: (sent) => `${sent}::timestamptz + (clock_timestamp() - now())`,
    isNamed: (name) => `migration_name = ${name}`,
  }
}

/** The server takes the byte order mark of a file for a part of its first word. */
function withoutMark(script: string): string {
  return script.startsWith('\ufeff') ? script.slice(1) : script
}
