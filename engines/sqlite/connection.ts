/** A SQLite file as the contract wants it. */
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Database } from 'better-sqlite3'
import {
  type Answer,
  type Connection,
  type ConnectOptions,
  type Engine,
  EngineError,
  ForeignKeyError,
  type LockOptions,
  LockTimeoutError,
  OpenTransactionError,
  type Row,
  type TableInfo,
  type Transaction,
  TransactionEndedError,
  type TransactionOptions,
  withCompleted,
} from '../engine.js'
import { bindPlaceholders } from '../sql/placeholders.js'
import { splitStatements } from '../sql/scanner.js'
import { sqliteAdapter } from './adapter.js'
import { dropEverything, readTables } from './catalog.js'
import { isBusy } from './errors.js'
import { holderOf, LastingLock, MIGRATOR, RELEASE_MS, WRITER } from './lasting-lock.js'
import { Rebuilds, type Send } from './rebuilds.js'
import { retryBusy, turns } from './session.js'
import { exactRow, historyDialect, parameters } from './values.js'
import { newViolations, type Violations, violationsIn } from './violations.js'

/** Marks rays' own transaction: a COMMIT takes it away, and a later BEGIN does not bring it back. */
const MARK = '"rays transaction"'
const FOREIGN_KEYS_OFF =
  /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*PRAGMA\s+(?:\w+\s*\.\s*)?foreign_keys\s*[=(]\s*['"]?(?:off|0|false|no)\b/i

/** The switch has no effect inside a transaction, and rows would be lost in silence. */
class ForeignKeysSwitchError extends EngineError {
  override readonly name = 'ForeignKeysSwitchError'
  constructor() {
    super(
      'PRAGMA foreign_keys=OFF has no effect inside a transaction: redefining a table would delete the rows that refer to it.',
    )
  }
  readonly hint =
    'Write the pragma literally in migration.js or migration.sql, so that rays switches foreign keys off before the transaction.'
}

/**
 * Statements that end no transaction and change no setting of the session. In a transaction, where migrations have them,
 * these pragmas do nothing, or nothing beyond its end.
 */
const QUIET = /^\s*(?:ALTER|CREATE|DROP|INSERT|UPDATE|DELETE|SELECT)\b/i
const QUIET_PRAGMA = /^\s*PRAGMA\s+(?:defer_)?foreign_keys\b/i

/** What an operation may have changed, and what may be changed in a transaction. */
const SETTINGS =
  'PRAGMA ignore_check_constraints = OFF; PRAGMA legacy_alter_table = OFF; PRAGMA writable_schema = OFF; PRAGMA query_only = OFF; PRAGMA recursive_triggers = OFF; PRAGMA case_sensitive_like = OFF; PRAGMA reverse_unordered_selects = OFF; PRAGMA cell_size_check = OFF; PRAGMA read_uncommitted = OFF; PRAGMA locking_mode = NORMAL'

/** What does the same with foreign keys off as with foreign keys on. */
const WITHOUT_KEYS =
  /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(?:SELECT|EXPLAIN|PRAGMA|ANALYZE|REINDEX|CREATE|ALTER(?![\s\S]*\bREFERENCES\b)|DROP\s+(?:INDEX|VIEW|TRIGGER)|SAVEPOINT|RELEASE)\b/i

class ForeignKeysBorrowedError extends EngineError {
  constructor() {
    super(
      'foreign keys are off in this transaction, because another migration of the run rebuilds a table, and what this statement does depends on them',
    )
  }
}

/** Finds something where a foreign key is put off to COMMIT by its definition. */
const DEFERS = "SELECT 1 FROM sqlite_schema WHERE sql LIKE '%DEFERRABLE%' LIMIT 1"

const NOTHING: Answer = { rows: [], yields: false, changes: 0 }

export class SqliteConnection implements Connection {
  readonly history = historyDialect
  readonly lockPerTransaction = true
  readonly version: string
  readonly database: string
  readonly place: string
  readonly #memoryId = randomUUID()
  readonly #rebuilds: Rebuilds
  readonly #lasting: LastingLock
  readonly #turn = turns()
  #lockTimeoutMs: number
  /** How {@link acquireLock} waited: each transaction, and {@link holdLock}, waits in the same way. */
  #waiting: LockOptions | undefined
  /**
   * Rows without a parent as the transaction found them, where SQLite may not notice new ones: foreign keys are off, or put
   * off to COMMIT. SQLite: `PRAGMA defer_foreign_keys = OFF` forgets what was put off.
   */
  #before: Violations | undefined
  /** Foreign keys are off for the sake of another migration that shares the transaction. */
  #borrows = false
  /** An operation may have ended the transaction, or begun another. */
  #unchecked = true
  /** An operation may have changed settings of the session. */
  #unsettled = true
  /** Prisma's engine sends statements that do not come by here. */
  #shared = false

  constructor(
    readonly engine: Engine,
    /** For the shadow databases and Prisma's adapter, which need the driver's handle. */
    readonly handle: Database,
    readonly target: string,
    private readonly options: ConnectOptions,
  ) {
    this.#lockTimeoutMs = options.lockTimeoutMs
    this.database = basename(handle.name)
    this.place = handle.name
    this.#lasting = new LastingLock(handle)
    const send: Send = (sql, params = []) =>
      retryBusy(this.#lockTimeoutMs, () => this.#once(sql, parameters(params)).rows)
    this.#rebuilds = new Rebuilds(send, engine.syntax)
    this.version = `SQLite ${handle.prepare('SELECT sqlite_version()').pluck().get()}`
  }

  get syntax() {
    return this.engine.syntax
  }

  async query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.answer(sql, params)).rows
  }

  async answer(sql: string, params?: readonly unknown[]): Promise<Answer> {
    return this.#run(params ? bindPlaceholders(sql, params.length, this.syntax) : sql, params)
  }

  async execute(sql: string, params?: readonly unknown[]): Promise<void> {
    await this.query(sql, params)
  }

  async raw(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.#run(sql, params)).rows
  }

  /** There are no messages to be spared. */
  async batch(statements: readonly string[]): Promise<Row[][]> {
    const rows: Row[][] = []
    for (const sql of statements) rows.push(await this.raw(sql))
    return rows
  }

  async change(sql: string, params?: readonly unknown[]): Promise<number> {
    return (await this.#run(sql, params)).changes
  }

  /** Statement by statement: where another process is in the way, only the one that was refused is sent again. */
  async script(sql: string): Promise<void> {
    for (const statement of splitStatements(sql, this.syntax)) await this.#run(statement.text)
  }

  async foreignScript(sql: string): Promise<string> {
    const inside = this.handle.inTransaction
    let [ran, at, completed] = ['', 0, 0]
    try {
      for (const { text, start, end } of splitStatements(sql, this.syntax)) {
        ran += sql.slice(at, start) + (await this.#foreign(text))
        at = end
        completed += 1
      }
      if (!inside && this.handle.inTransaction) throw new OpenTransactionError()
    } catch (error) {
      if (!inside && this.handle.inTransaction) this.handle.exec('ROLLBACK')
      throw withCompleted(error, inside ? 0 : completed)
    }
    return ran + sql.slice(at)
  }

  /** Returns the statement that was run. */
  async #foreign(sql: string): Promise<string> {
    try {
      await this.#run(sql)
      return sql
    } catch (error) {
      const mended = await this.#rebuilds.asPrismaReads(sql, error)
      if (mended === undefined) throw error
      await this.#run(mended)
      return mended
    }
  }

  async #run(sql: string, params: readonly unknown[] = []): Promise<Answer> {
    if (sql.includes('\0')) throw new TypeError('the statement contains a NUL character, which SQLite cannot read')
    const values = parameters(params)
    const quiet = QUIET.test(sql) || (this.handle.inTransaction && QUIET_PRAGMA.test(sql))
    if (!quiet) this.#unchecked = this.#unsettled = true
    if (this.handle.inTransaction && FOREIGN_KEYS_OFF.test(sql) && this.#foreignKeys())
      throw new ForeignKeysSwitchError()
    if (this.#borrows && !WITHOUT_KEYS.test(sql)) throw new ForeignKeysBorrowedError()
    if (this.handle.inTransaction && /defer/i.test(sql)) this.#before ??= violationsIn(this.handle)
    const started = performance.now()
    // Inside a transaction SQLite has the lock already, and only COMMIT can be held up, by a reader.
    const limit = this.handle.inTransaction && !/^\s*(?:COMMIT|END)\b/i.test(sql) ? 0 : this.#lockTimeoutMs
    try {
      const answer = await this.#rebuilds.run(sql, (text) => retryBusy(limit, () => this.#once(text, values)))
      await this.#turn()
      return answer
    } catch (error) {
      // The driver prepares exactly one statement: none is nothing to do, several are a script.
      const { name, message } = error as Error
      if (name !== 'RangeError') throw error
      if (/contains no statements/.test(message)) return NOTHING
      if (!/more than one statement/.test(message)) throw error
      if (values.length > 0) throw new EngineError('parameters can be given to one statement only', { cause: error })
    } finally {
      this.options.onStatement?.(sql, performance.now() - started)
    }
    await this.script(sql)
    return NOTHING
  }

  #once(sql: string, values: readonly unknown[]): Answer {
    const statement = this.handle.prepare<unknown[]>(sql)
    if (!statement.reader) {
      const { changes, lastInsertRowid } = statement.run(...values)
      return { rows: [], yields: false, changes, insertId: lastInsertRowid }
    }
    const rows = (statement.safeIntegers(true).all(...values) as Row[]).map(exactRow)
    return { rows, yields: true, changes: rows.length }
  }

  async hasTable(name: string): Promise<boolean> {
    const rows = await this.raw("SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = ?", [name])
    return rows.length > 0
  }

  async tables(): Promise<TableInfo[]> {
    return retryBusy(this.#lockTimeoutMs, () => readTables(this.handle))
  }

  async reset(): Promise<void> {
    await this.transaction({ foreignKeysOff: true }, async () => dropEverything(this.handle))
  }

  /**
   * The lock belongs to the transaction: SQLite lets one process write at a time. Here rays only waits until it could
   * write, so that a busy file is told before anything is read.
   */
  async acquireLock(options: LockOptions): Promise<void> {
    this.#lockTimeoutMs = options.timeoutMs
    this.#waiting = options
    if (this.handle.inTransaction) return
    await this.#begin()
    this.handle.exec('ROLLBACK')
  }

  async holdLock(): Promise<() => Promise<void>> {
    if (this.#lasting.isOwn) return async () => undefined
    await this.#begin(() => this.#lasting.take())
    this.handle.exec('ROLLBACK')
    return () => this.#letGo()
  }

  /** The file of the lock goes only while nobody else can write; where that takes too long, it is left for the next. */
  async #letGo(): Promise<void> {
    if (!this.handle.open) return this.#lasting.release(false)
    if (this.handle.inTransaction) this.handle.exec('ROLLBACK')
    const alone = await retryBusy(RELEASE_MS, () => this.handle.exec('BEGIN IMMEDIATE')).then(
      () => true,
      () => false,
    )
    this.#lasting.release(alone)
    if (alone) this.handle.exec('ROLLBACK')
  }

  /**
   * Begins a transaction that may write, once nobody else writes or is at the database operation by operation.
   * @param first done in it at once; where another process stands in the way, all is tried again
   */
  async #begin(first?: () => void): Promise<void> {
    const started = performance.now()
    let told = -700
    try {
      await retryBusy(
        this.#lockTimeoutMs,
        () => this.#beginAlone(first),
        (waited, error) => {
          const { signal } = this.#waiting ?? {}
          if (signal?.aborted)
            throw new EngineError('interrupted while waiting for the database', { cause: signal.reason })
          if (waited - told < 1000) return
          told = waited
          this.#waiting?.onWait(holderOf(error))
        },
      )
    } catch (error) {
      if (!isBusy(error)) throw error
      throw new LockTimeoutError(holderOf(error), Math.round(performance.now() - started), { cause: error })
    }
  }

  #beginAlone(first?: () => void): void {
    // First without the write lock, so that whoever waits is not in the way of the one that is waited for.
    this.#lasting.refuseHeld()
    this.handle.exec('BEGIN IMMEDIATE')
    try {
      this.#lasting.clear()
      first?.()
    } catch (error) {
      this.handle.exec('ROLLBACK')
      throw error
    }
  }

  async releaseLock(): Promise<void> {
    this.#lockTimeoutMs = this.options.lockTimeoutMs
    this.#waiting = undefined
  }

  /** SQLite tells that somebody is writing, not who. */
  async lockHolder(options: { readonly migrating?: boolean } = {}): Promise<string | undefined> {
    if (this.#lasting.isHeld()) return MIGRATOR
    if (options.migrating) return undefined
    try {
      this.handle.exec('BEGIN IMMEDIATE; ROLLBACK')
      return undefined
    } catch (error) {
      if (!isBusy(error)) throw error
      return WRITER
    }
  }

  async holdsLock(): Promise<boolean> {
    return true
  }

  async transaction<T>(options: TransactionOptions, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.handle.inTransaction) throw new EngineError('a transaction is already open on this connection')
    if (!options.foreignKeysOff) return this.#transaction(work, options)
    this.handle.exec('PRAGMA foreign_keys = OFF')
    if (this.#foreignKeys()) throw new EngineError('SQLite did not switch foreign keys off')
    try {
      return await this.#transaction(work, options)
    } finally {
      this.handle.exec('PRAGMA foreign_keys = ON')
    }
  }

  async #transaction<T>(work: (transaction: Transaction) => Promise<T>, options: TransactionOptions): Promise<T> {
    await this.#begin()
    // Where nothing is put off, foreign keys that are on need not be looked at until #run says so.
    const look = () => {
      const looks = options.foreignKeysOff || this.handle.prepare(DEFERS).get() !== undefined
      this.#before = looks ? violationsIn(this.handle) : undefined
    }
    try {
      this.#before = undefined
      if (!options.shared) look()
      this.handle.exec(`SAVEPOINT ${MARK}`)
      this.#unchecked = false
      const begin = ({ foreignKeysOff }: { readonly foreignKeysOff: boolean }) => {
        this.#borrows = options.foreignKeysOff === true && !foreignKeysOff
        if (!this.#borrows) look()
      }
      const next = async (sql: string) => {
        this.#borrows = false
        if ((await this.change(sql)) === 0) throw new EngineError('another program changed the history meanwhile')
        this.#refuseViolations()
        this.#dropTemporary()
        this.handle.exec(`PRAGMA defer_foreign_keys = OFF${this.#unsettled ? `; ${SETTINGS}` : ''}`)
        this.#unsettled = false
        this.#before = undefined
        // With it go the savepoints that the migration left.
        this.#unchecked = true
        this.#check()
      }
      const result = await work({ check: async () => this.#check(), begin, next })
      this.#check()
      this.#refuseViolations()
      await retryBusy(this.#lockTimeoutMs, () => this.handle.exec('COMMIT'))
      return result
    } catch (error) {
      // SQLite has rolled back by itself after a full disk and the like; a second ROLLBACK would fail.
      if (this.handle.inTransaction) this.handle.exec('ROLLBACK')
      throw error
    } finally {
      this.#borrows = false
    }
  }

  #check(): void {
    if (!this.handle.inTransaction)
      throw new TransactionEndedError('the transaction was ended by a COMMIT, a ROLLBACK or an error that ends it')
    if (!this.#unchecked) return
    try {
      this.handle.exec(`RELEASE ${MARK}; SAVEPOINT ${MARK}`)
    } catch (error) {
      if (!/no such savepoint/.test((error as Error).message)) throw error
      throw new TransactionEndedError('the transaction was ended and another one was begun', { cause: error })
    }
    this.#unchecked = false
  }

  #foreignKeys(): boolean {
    return this.handle.pragma('foreign_keys', { simple: true }) === 1
  }

  /** Rows that were wrong before are not this migration's doing. */
  #refuseViolations(): void {
    if (this.#before === undefined) return
    const found = newViolations(this.#before, violationsIn(this.handle))
    if (found.length === 0) return
    const more = found.length > 10 ? ` and ${found.length - 10} more` : ''
    throw new ForeignKeyError(`rows refer to rows that do not exist: ${found.slice(0, 10).join(', ')}${more}`)
  }

  inTransaction(): boolean {
    return this.handle.inTransaction
  }

  /** SQLite runs inside this process: while a statement runs nothing else does, so there is nothing to stop. */
  async cancel(): Promise<void> {}

  async restoreSettings(): Promise<void> {
    if (!this.handle.open) return
    if (this.handle.inTransaction) this.handle.exec('ROLLBACK')
    this.#dropTemporary()
    if (!this.#unsettled && !this.#shared) return
    for (const { name } of this.handle.pragma('database_list') as { name: string }[])
      if (name !== 'main' && name !== 'temp') this.handle.exec(`DETACH ${this.engine.quote(name)}`)
    this.handle.exec(`PRAGMA foreign_keys = ON; ${SETTINGS}`)
    this.#unsettled = false
  }

  /** A temporary table hides the one of its name from the next migration. */
  #dropTemporary(): void {
    const left = this.handle
      .prepare(
        "SELECT type, name FROM sqlite_temp_schema WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite^_%' ESCAPE '^'",
      )
      .all() as { type: string; name: string }[]
    for (const { type, name } of left) this.handle.exec(`DROP ${type} IF EXISTS temp.${this.engine.quote(name)}`)
  }

  /** The file itself, however it is called: two hard links and a symbolic one are the same. */
  async identify(): Promise<string> {
    if (this.handle.memory) return `sqlite:memory:${this.#memoryId}`
    const { dev, ino } = statSync(this.handle.name, { bigint: true })
    return `sqlite:${dev}:${ino}`
  }

  /** There is no server that could leave. */
  onLost(): void {}

  adapter(options: { shadow(): Promise<Connection> }): unknown {
    this.#shared = true
    return sqliteAdapter({
      database: this.handle,
      shadow: async () => {
        const connection = await options.shadow()
        if (!(connection instanceof SqliteConnection)) throw new EngineError('the shadow is not a SQLite database')
        return { database: connection.handle, dispose: () => connection.close() }
      },
    })
  }

  async close(): Promise<void> {
    this.#lasting.release(false)
    if (this.handle.open) this.handle.close()
  }
}
