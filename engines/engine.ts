/**
 * The contract between rays and a database. Everything that differs between databases is a capability flag, a text or a
 * method here; no other folder asks which provider it talks to.
 *
 * To add a database:
 *  1. a folder with an `index.ts` that exports an {@link Engine}, and one line in `engines/index.ts`;
 *  2. a {@link StatementSyntax} that tells the scanner its lexical rules;
 *  3. a {@link Connection}: one session that holds the lock, runs the operations and writes the history;
 *  4. shadow databases, and `identify` so that a shadow can never be the main database; `close` leaves the session as it was found;
 *  5. either a {@link Connection.adapter} for Prisma's engine in this process or a planner of its own (`Engine.planner`);
 *  6. the contract suite in `test/engines` must pass for it.
 */
import type { AdapterFactory } from './prisma-adapter.js'
import type { SchemaEngine } from './schema-engine.js'
import type { DatabaseUrl } from './url.js'

export type Provider = 'postgresql' | 'mysql' | 'sqlite'

export type Row = Record<string, unknown>

/** What an operation of a migration is given. `:?` in the SQL marks a parameter. */
export interface Client {
  /** Runs one statement and returns its rows. */
  query(sql: string, params?: readonly unknown[]): Promise<Row[]>
  /** Runs one statement whose result is of no interest. */
  execute(sql: string, params?: readonly unknown[]): Promise<void>
}

/** All that a database answers to one statement. */
export interface Answer {
  readonly rows: Row[]
  /** Whether the statement is one that yields rows, be there any or not. */
  readonly yields: boolean
  /** How many rows it changed; where it yields rows, how many these are. */
  readonly changes: number
  /** The key that the database gave to a new row, where it tells: of several MySQL tells the first, SQLite the last. */
  readonly insertId?: number | bigint | string
  /** What was done, in the database's own word, where it tells: `INSERT`. */
  readonly command?: string
}

/** A client that tells more than rows, for query builders that run on it. */
export interface AnsweringClient extends Client {
  /** Runs one statement and returns all that was answered. */
  answer?(sql: string, params?: readonly unknown[]): Promise<Answer>
}

/** The lexical rules by which a SQL script is read. */
export interface StatementSyntax {
  readonly dialect: Provider
  /** `"x"` is a string, not an identifier (MySQL without ANSI_QUOTES). */
  readonly doubleQuotedStrings: boolean
  /** `\` escapes inside every string (MySQL without NO_BACKSLASH_ESCAPES). */
  readonly backslashEscapes: boolean
  /** `E'..'` strings with backslash escapes, `$tag$..$tag$` bodies (PostgreSQL). */
  readonly dollarQuotes: boolean
  /** `` `x` `` is an identifier (MySQL, SQLite). */
  readonly backticks: boolean
  /** `[x]` is an identifier (SQLite). */
  readonly brackets: boolean
  /** Block comments nest (PostgreSQL). */
  readonly nestedComments: boolean
  /** `#` starts a comment (MySQL). */
  readonly hashComments: boolean
  /** `--` starts a comment only before white space or the end (MySQL). */
  readonly dashNeedsSpace: boolean
  /** A name without quotes is stored in lower case (PostgreSQL). */
  readonly foldsNames?: boolean
  /** Bodies that contain semicolons: none, triggers (SQLite), stored programs (MySQL), BEGIN ATOMIC (PostgreSQL). */
  readonly compound: 'trigger' | 'stored-program' | 'atomic'
  /** The text of the n-th parameter, from 1. */
  placeholder(n: number): string
}

/** A driver's error, told in one vocabulary. */
export interface ErrorInfo {
  readonly kind:
    | 'connection' // unreachable, refused, lost, terminated
    | 'authentication'
    | 'missing-database'
    | 'missing-table'
    | 'permission'
    | 'read-only'
    | 'data' // rows do not fit: null, unique, foreign key, cast
    | 'lock-timeout' // another session holds a table or row
    | 'conflict' // another session was in the way, and the database gave up this one: a deadlock, a serialization failure
    | 'statement-timeout'
    | 'busy' // the whole database is locked (SQLite)
    | 'needs-no-transaction' // the statement cannot run in a transaction (CREATE INDEX CONCURRENTLY)
    | 'unsafe-enum' // a new enum value used in the transaction that added it (PostgreSQL)
    | 'aborted-transaction' // an earlier error was swallowed (PostgreSQL 25P02)
    | 'disk-full'
    | 'packet-too-large'
    | 'cancelled'
    | 'syntax'
    | 'other'
  /** SQLSTATE or the driver's code: `42P01`, `SQLITE_ERROR`, `ER_PARSE_ERROR`. */
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** 0-based offset into the statement where the database says the fault is. */
  readonly position?: number
}

export interface ConnectOptions {
  /** Milliseconds until a connection attempt counts as failed. */
  readonly connectTimeoutMs: number
  /** Milliseconds a statement waits for another session's table lock. */
  readonly lockTimeoutMs: number
  /** Milliseconds a statement may run; 0 is no limit. */
  readonly statementTimeoutMs: number
  /** Open for reading only; nothing may be created, not even the file. */
  readonly readOnly?: boolean
  /** Lock per transaction instead of per session (transaction poolers). */
  readonly transactionLock?: boolean
  /** Called with every statement that is sent and how long it took, in milliseconds. Parameters are never passed. */
  readonly onStatement?: (sql: string, milliseconds: number) => void
}

export interface LockOptions {
  /** Milliseconds to wait for the lock. */
  readonly timeoutMs: number
  /** Called at most about once a second while waiting, with what is known of the holder. */
  readonly onWait: (holder: string) => void
  readonly signal?: AbortSignal
}

export interface TransactionOptions {
  /** Foreign keys must be off while this migration runs (SQLite table redefinitions); ignored by other engines. */
  readonly foreignKeysOff?: boolean
  /** One query without parameters that may be sent along with BEGIN, behind the lock; see {@link Transaction.answer}. */
  readonly ask?: string
  /** Several migrations share it: {@link Transaction.begin} and {@link Transaction.next} are called around each. */
  readonly shared?: boolean
}

/** A text of statements without parameters, read by {@link Connection.readPlain}. */
export interface PlainText {
  readonly text: string
  /** Each without the comments around it, and where it begins in the text. */
  readonly statements: readonly { readonly text: string; readonly start: number }[]
}

/** What failed: the text, by its index, and the statement of it; how many before that had ended well. */
export interface FailedText {
  readonly text: number
  readonly completed: number
  readonly statement: string
}

/** All that a transaction is to do, where that is known before it begins; a whole migration where no transaction holds DDL. */
export interface WholeTransaction {
  /** Where no transaction holds DDL: what is sent first, as a statement that fails under a condition. */
  readonly first?: (stop: string) => string
  readonly texts: readonly PlainText[]
  /** One statement without parameters; where it changes no row, everything is rolled back. */
  readonly last: string
}

/** What a query without parameters must count, as `n`, for anything to be done. */
export interface Expected {
  readonly ask: string
  readonly n: number
}

/** What became of several transactions that were sent at once. */
export interface SentAtOnce {
  /** How many milliseconds each of those that were committed took. */
  readonly committed: readonly number[]
  /** Why the next one was rolled back; the others were not begun. */
  readonly failure?: {
    /** The driver's error, or {@link CommitUnknownError}: then any of the transactions may be committed. */
    readonly error: unknown
    readonly at?: FailedText
  }
}

/** An open transaction, seen by the executor. */
export interface Transaction {
  /** The rows of {@link TransactionOptions.ask}, where asking along with BEGIN spares a round trip; otherwise undefined. */
  readonly answer?: readonly Row[]
  /**
   * Called after each operation.
   * @throws {TransactionEndedError} when the operation ended the transaction; {@link LockLostError} when it gave the lock away.
   */
  check(): Promise<void>
  /**
   * Called before anything but the last statement is written to a history: the session's own settings and rights apply again,
   * whatever an operation, or a function that it called, has set.
   */
  record?(): Promise<void>
  /**
   * Hands over one last statement without parameters, to be sent along with COMMIT where that spares a round trip; the
   * session's own settings and rights apply to it. When it changes no row, everything is rolled back, and {@link Connection.transaction} rejects.
   */
  last?(sql: string): void
  /**
   * Before each of several migrations that share the transaction ({@link TransactionOptions.shared}): whether this one itself
   * must run with foreign keys off.
   */
  begin?(migration: { readonly foreignKeysOff: boolean }): void
  /**
   * After each of them: records it with a statement without parameters, and ends what would have ended with its own
   * transaction: settings, savepoints, cursors. What is put off to COMMIT stays so.
   * @throws {EngineError} when the statement changes no row; {@link ForeignKeyError}; the driver's error
   */
  next?(sql: string): Promise<void>
}

/** One column as the database describes it. */
export interface ColumnInfo {
  readonly name: string
  /** The database's own name of the type, in lower case: `integer`, `character varying(191)`, `timestamp(3) without time zone`, `enum('a','b')`. */
  readonly type: string
  readonly nullable: boolean
  readonly hasDefault: boolean
  /** Generated or identity-always: no value may be given. */
  readonly generated: boolean
  /** Values of an enum type, in order. */
  readonly enumValues?: readonly string[]
  readonly isArray?: boolean
}

export interface TableInfo {
  /** The namespace (PostgreSQL schema); undefined where the database has none. */
  readonly schema?: string
  readonly name: string
  readonly columns: readonly ColumnInfo[]
  readonly primaryKey: readonly string[]
  readonly uniques: readonly (readonly string[])[]
  readonly foreignKeys: readonly {
    readonly columns: readonly string[]
    readonly references: { readonly schema?: string; readonly table: string; readonly columns: readonly string[] }
  }[]
  /** Rows may be hidden from whoever asks (row-level security). */
  readonly hidesRows?: boolean
  /** Number of CHECK constraints; rows generated for the proof may not satisfy them. */
  readonly checks: number
}

/** How this database keeps `_prisma_migrations`. */
export interface HistoryDialect {
  /** The table's qualified and quoted name. */
  readonly table: string
  /** The qualified and quoted name of another table beside it: an operation may have changed where names are looked for. */
  beside(table: string): string
  /** Prisma's own CREATE TABLE (see docs/how-it-works.md); must be a no-op where the table exists. */
  readonly createTable: string
  /** A parameter value for a point in time, as Prisma stores it (UTC). */
  time(at: Date): unknown
  /** A time read back, in any form in which Prisma ever stored one. */
  readTime(value: unknown): Date | null
  /** SQL that yields the time column so that `readTime` understands it exactly: usually just the quoted column. */
  timeColumn(column: string): string
  /** SQL for a point in time: `sent` (SQL as well), and what has passed since the message came ({@link Connection.atOnce}). */
  since?(sent: string): string
  /** An INSERT that fails under a condition. Where there is {@link Connection.atOnce}, and no transaction holds DDL. */
  insertUnless?(columns: string, values: string, stop: string): string
  /** The condition that a row is that of a migration: of this very name, byte for byte. @param name a SQL expression */
  isNamed(name: string): string
}

/**
 * One session with a database. The session that holds the lock runs the operations and writes the history, so losing it
 * loses lock, transaction and row together.
 */
export interface Connection extends AnsweringClient {
  readonly engine: Engine
  /** `postgresql 127.0.0.1:5432/app, schema public`; never holds a password. */
  readonly target: string
  /** The lexical rules of this session (sql_mode can change MySQL's). */
  readonly syntax: StatementSyntax
  readonly history: HistoryDialect
  /** The name of the database, as a person would confirm it. */
  readonly database: string
  /** The name by which `Engine.withDatabase` leads to this database: of a file its absolute path. */
  readonly place: string
  /** Server product and version, for messages: `PostgreSQL 15.19`, `MariaDB 10.11.19`. */
  readonly version: string
  /**
   * Like query and execute, but the SQL is sent as it is: `:?` means nothing, and parameters use the database's own
   * placeholders ({@link StatementSyntax.placeholder}).
   */
  raw(sql: string, params?: readonly unknown[]): Promise<Row[]>
  /**
   * Several statements without parameters in as few messages as possible, and the rows of each. Where one of them fails,
   * those before it may be done.
   */
  batch(statements: readonly string[]): Promise<Row[][]>
  /** Like query, and returns all that was answered. */
  answer(sql: string, params?: readonly unknown[]): Promise<Answer>
  /** Like raw, and returns the number of rows the statement changed. */
  change(sql: string, params?: readonly unknown[]): Promise<number>
  /**
   * Runs a script of any number of statements as the server itself reads it. Never adds a transaction.
   * @throws the driver's error; where nothing rolls back, its `completed` is the number of statements that ended well
   */
  script(sql: string): Promise<void>
  /**
   * Runs a script that Prisma would run, as Prisma's own database reads it, and returns it as it was run. Outside of a
   * transaction it must end outside of one. Undefined where {@link script} does the same.
   * @throws the driver's error; what of the script had ended well before it may stay, and is counted as `completed`
   */
  foreignScript?(sql: string): Promise<string>
  /** Whether the table exists in the connection's namespace. */
  hasTable(name: string): Promise<boolean>
  /** All ordinary tables of the connection's namespaces, without `_prisma_migrations`. `schemas` names the namespaces (multi-schema). */
  tables(schemas?: readonly string[]): Promise<TableInfo[]>
  /**
   * Counts rows where some may be hidden from whoever asks (row-level security): all of them, or it fails. Changes nothing,
   * also not what a transaction that is open is set to. Undefined where a plain query sees every row.
   * @param from what stands behind FROM @param limitMs it fails when it takes longer
   */
  countRows?(from: string, params: readonly unknown[], limitMs: number): Promise<number>
  /** Removes every object in the connection's namespaces, `_prisma_migrations` included. */
  reset(schemas?: readonly string[]): Promise<void>
  /**
   * Takes the migration lock: the one that Prisma Migrate takes, so that the two exclude each other.
   * @throws {LockTimeoutError} at the limit, naming the holder.
   */
  acquireLock(options: LockOptions): Promise<void>
  releaseLock(): Promise<void>
  /**
   * The lock is taken anew by each transaction, so between two of them another rays may have done what was planned here
   * (SQLite, transaction poolers).
   */
  readonly lockPerTransaction?: boolean
  /**
   * Where the lock belongs to each transaction: holds it between them, too, until the function that is returned is called or
   * the process ends. Waits as {@link acquireLock} did, which comes first. Undefined where the session holds the lock.
   * @throws {LockTimeoutError} at the limit, naming the holder.
   */
  holdLock?(): Promise<() => Promise<void>>
  /**
   * Who holds the migration lock now, for a person; undefined when it is free. Takes nothing.
   * @param options.migrating only who may be applying a migration to this very database operation by operation
   */
  lockHolder(options?: { readonly migrating?: boolean }): Promise<string | undefined>
  /** What statements outside of a transaction left half-done in the database when they failed, or their process died. */
  leftovers?(): Promise<readonly Leftover[]>
  /** Whether this session still holds the lock (true where the lock belongs to the transaction). */
  holdsLock(): Promise<boolean>
  /**
   * Runs the work in one transaction on this session.
   * @throws {CommitUnknownError} when the connection was lost while committing.
   */
  transaction<T>(options: TransactionOptions, work: (transaction: Transaction) => Promise<T>): Promise<T>
  /**
   * Runs whole transactions one after the other, all in one message; the first that fails is the last. What cannot be begun
   * is left out, with all that follows: where the lock is not to be had, or not all is as expected once it is there, or the
   * message has been worked on for a second. {@link transaction} does that, or tells why not.
   */
  atOnce?(transactions: readonly WholeTransaction[], expected: Expected): Promise<SentAtOnce>
  /**
   * Reads a text that surely neither ends the transaction nor changes the session; where no transaction holds DDL, one
   * statement that is done or not. Undefined for any other. Where there is {@link atOnce}.
   */
  readPlain?(text: string): PlainText | undefined
  /**
   * True while a transaction is open. MySQL: while the one that {@link transaction} began is open, so that its rollback takes
   * back everything since.
   */
  inTransaction(): boolean
  /** Stops the running statement from outside (a second session). Resolves when the request was sent; never throws. */
  cancel(): Promise<void>
  /**
   * After a step: settings that an operation, or a function that it called, may have changed (search_path, role, time zone,
   * sql_mode) are put back. Where a transaction was committed, its own end has done so.
   */
  restoreSettings(): Promise<void>
  /** What identifies the live database beyond its URL, for the shadow guard; equal for two sessions with the same database. */
  identify(): Promise<string>
  /** Called when the server drops the session while nothing runs. */
  onLost(listener: (error: Error) => void): void
  /** For Prisma's engine in this process: a driver adapter over this session. Undefined where `Engine.planner` is used. */
  adapter?(options: { shadow(): Promise<Connection> }): unknown
  /** Whether the idle session alone keeps the process alive (default true); lets rays notice an operation that never ends. */
  keepAlive?(on: boolean): void
  close(): Promise<void>
}

/** Something that a statement outside of a transaction left half-done: an invalid index, say. */
export interface Leftover {
  /** For a person: `The index "public"."tn" of "t" is invalid`. */
  readonly what: string
  /** Equal for the same thing seen again, never for another of its name. */
  readonly identity: string
  readonly schema: string
  /** What a statement that leaves it calls it. */
  readonly name: string
  readonly table: string
  /** The server made up its name, from that of the table or of another index. */
  readonly nameMadeUp: boolean
  /** There is nothing wrong with it, unless an operation was to do away with it: a constraint that is not validated. */
  readonly legal: boolean
  /** The statement that takes it away, before the operation is run again. */
  readonly remove?: string
  /** The statement that brings it to its end. */
  readonly finish?: string
}

export interface ShadowRequest {
  readonly url: DatabaseUrl
  /** `rays` or `prisma`: which of the two shadow databases. */
  readonly purpose: 'rays' | 'prisma'
  /** A database to use instead of a new one: a name on the same server, or a URL. */
  readonly configured?: { readonly name: string } | { readonly url: DatabaseUrl }
  /**
   * Tables that may be in a configured shadow as long as they hold no rows: those of the project's snapshots. Whatever else
   * would go when it is emptied is refused: rows, other tables, views, sequences, routines, types, events, namespaces.
   */
  readonly knownTables: readonly string[]
  /** Enums that may be in it, where they are objects of their own. */
  readonly knownEnums?: readonly string[]
  /** Namespaces that may be in it beside the URL's own: those that the datasource names. */
  readonly schemas?: readonly string[]
  /** The user consents to emptying a configured shadow that holds something: any, or the one of this name ({@link Engine.nameOf}). */
  readonly clear: boolean | string
  readonly connect: ConnectOptions
  /** Another process has to reach it as well: a file, never this process's memory. */
  readonly shared?: boolean
}

/** Something in a database that a Prisma schema does not model: a view, trigger, function, check, partial index, extension. */
export interface DatabaseObject {
  /** `trigger`, `view`, `function`, `check constraint`, `index`, `extension`, ... */
  readonly kind: string
  readonly name: string
  /** The table it belongs to. */
  readonly table?: string
  /** Unique among those of its kind. */
  readonly identity: string
  /** The statement that makes it; undefined where the database does not tell. */
  readonly make: string | undefined
  /** The statement that removes it. */
  readonly remove: string
}

/** How a line of a {@link Structure} is put right, where the database can do that for the line alone. */
export interface Repair {
  /** Repairs are made in ascending order: columns and keys before the foreign keys that need them; undone in descending. */
  readonly order: number
  /** The statements that make it, or that bring what has its name into this state. */
  readonly make: readonly string[]
  /** The statements that remove it; none where making another line replaces it. */
  readonly remove: readonly string[]
}

/** Everything in a database but its rows and its history. */
export interface Structure {
  /** One line for each part of each object, sorted: equal lines are equal structures, whatever the order of columns. */
  readonly lines: readonly string[]
  /** By line. */
  readonly repairs: ReadonlyMap<string, Repair>
  /** What a Prisma schema does not model, in an order in which it can be made. */
  readonly objects: readonly DatabaseObject[]
  /** The statement that makes each table, where the database keeps it as it was written (SQLite): checks are only there. */
  readonly tables?: ReadonlyMap<string, string>
}

/** A database to experiment in. Empty when it is handed out. */
export interface Shadow {
  readonly connection: Connection
  /** Drops the database (or empties the configured one) and closes the connection. Never throws. */
  dispose(): Promise<void>
}

/** `perhaps`: a pooler may stand before it, or it is another place in the same one. */
export type Relation = 'same' | 'perhaps' | 'other'

export interface Engine {
  readonly provider: Provider
  /** The driver's package name, for the message when it is not installed. */
  readonly driver: string
  /** DDL takes part in transactions and is undone by a rollback. */
  readonly transactionalDdl: boolean
  /** A server must be running (false: a file). */
  readonly needsServer: boolean
  readonly syntax: StatementSyntax
  /** URL schemes, in lower case. */
  readonly schemes: readonly string[]
  /** Largest name in bytes, or undefined. */
  readonly identifierLimit?: number
  quote(identifier: string): string
  /** The value as a SQL literal: strings, numbers, bigints, booleans, null, Uint8Array, Date; what else is an object as in a parameter. */
  literal(value: unknown): string
  /** Checks and describes a URL without connecting: `postgresql 127.0.0.1:5432/app, schema public`. @throws Error with a clear message for a malformed URL */
  describe(url: DatabaseUrl): string
  /** The namespace that the URL selects (PostgreSQL `schema=`), or undefined. */
  namespace(url: DatabaseUrl): string | undefined
  /** True where a URL asks for transaction pooling (`pgbouncer=true`). */
  pooled(url: DatabaseUrl): boolean
  /** Whether two URLs of this database mean one, by what they say alone. @throws Error for a malformed URL */
  relation(a: DatabaseUrl, b: DatabaseUrl): Relation
  /** @throws Error whose `explain` has kind connection, authentication, missing-database ... */
  connect(url: DatabaseUrl, options: ConnectOptions): Promise<Connection>
  /** Creates the database where it is missing. Returns whether it was created. */
  createDatabase(url: DatabaseUrl, options: ConnectOptions): Promise<boolean>
  /**
   * Where tables are changed by building them anew: what stands around each statement of a session, so that the tables keep
   * what no schema models. Connections of the engine do it by themselves.
   * @param send sends one statement of its own
   */
  rebuilds?(send: (sql: string, params?: readonly unknown[]) => Promise<Row[]>): {
    run<T>(sql: string, work: (sql: string) => Promise<T>): Promise<T>
    /** A statement of a script of Prisma's that was refused, as Prisma reads it; undefined where that is no other one. */
    asPrismaReads(sql: string, error: unknown): Promise<string | undefined>
  }
  /** The name of the URL's database, as a person would confirm it: of a file its absolute path. @throws {BadUrlError} */
  nameOf(url: DatabaseUrl): string
  /** A plain copy of the URL that names another database on the same server. */
  withDatabase(url: DatabaseUrl, name: string): DatabaseUrl
  openShadow(request: ShadowRequest): Promise<Shadow>
  explain(error: unknown): ErrorInfo
  /** What stands around a statement that must see every row of a table that hides some ({@link TableInfo.hidesRows}). */
  readonly seeingAllRows?: { readonly before: string; readonly after: string }
  /** How `_prisma_migrations` is kept in a namespace (PostgreSQL: a schema, MySQL: a database). */
  history(namespace: string): HistoryDialect
  /** A value for the n-th generated row of the proof, as a SQL literal or expression; undefined where none can be made up. */
  sample(column: ColumnInfo, n: number): string | undefined
  /** The neutral value of a SQL type (as written in a statement, e.g. `TEXT`, `"Role"`, `VARCHAR(191)`) as SQL; undefined where none is right. */
  neutral(type: string): string | undefined
  /** Whether every value of one SQL type survives as one of another, as written or as the catalog calls them. */
  keepsValues(from: string, to: string): boolean
  /** Reads the structure of the namespaces (none: the connection's own). Extensions count as objects, not as structure. */
  structure(connection: Connection, schemas?: readonly string[]): Promise<Structure>
  /** Why statements that fit their schema do not fit the tables that are there, for a person; undefined where they do. */
  unfit?(statements: readonly string[], structure: Structure): string | undefined
  /** Where Prisma's engine in this process mistakes default expressions. */
  readonly expressions?: DefaultExpressions
  /** The database's own diff and introspection, where Prisma's engine in this process has none. */
  planner?(): Promise<SchemaEngine>
}

/** How default expressions are told to Prisma's engine where it would take them for texts. */
export interface DefaultExpressions {
  /**
   * What the engine is told in place of an expression: a mark, which it takes for a text, or that it is the present time.
   * Undefined: it is a value, and none.
   * @param expression as in `dbgenerated`, or as the database tells it @param type of the field, or of the column
   */
  marked(
    expression: string,
    type: string,
  ): { readonly now: true } | { readonly now: false; readonly mark: string } | undefined
  /** A text with expressions in place of marks. */
  plain(text: string): string
  /** The adapter by which the engine is told so of a database. */
  adapter(factory: AdapterFactory): AdapterFactory
}

/** Base of the errors that engines raise on purpose; drivers' errors pass through and are told by `Engine.explain`. */
export class EngineError extends Error {
  override readonly name: string = 'EngineError'
}

/** The lock was not obtained in time. */
export class LockTimeoutError extends EngineError {
  override readonly name = 'LockTimeoutError'
  constructor(
    readonly holder: string,
    readonly waitedMs: number,
    options?: ErrorOptions,
  ) {
    super(`the migration lock is held by ${holder}`, options)
  }
}

/** The session no longer holds the lock it took. */
export class LockLostError extends EngineError {
  override readonly name = 'LockLostError'
}

/** An operation ended the transaction in which it ran. */
export class TransactionEndedError extends EngineError {
  override readonly name = 'TransactionEndedError'
}

/** A script began a transaction and did not end it. */
export class OpenTransactionError extends EngineError {
  override readonly name = 'OpenTransactionError'
  constructor() {
    super('the script ends inside a transaction that it began; what it did in there was rolled back')
  }
}

/** The error of a script, with how many of its statements had ended well and may stay. */
export function withCompleted(error: unknown, completed: number): unknown {
  if (completed > 0 && typeof error === 'object' && error !== null)
    Object.defineProperty(error, 'completed', { value: completed, configurable: true })
  return error
}

/** The transaction was rolled back by the server although COMMIT was asked for (an operation swallowed an error). */
export class CommitRefusedError extends EngineError {
  override readonly name = 'CommitRefusedError'
}

/** The connection was lost while committing: committed or not, nobody here knows. */
export class CommitUnknownError extends EngineError {
  override readonly name = 'CommitUnknownError'
}

/** Rows violate foreign keys after a step that ran with foreign keys off. */
export class ForeignKeyError extends EngineError {
  override readonly name = 'ForeignKeyError'
  /** See {@link ErrorInfo.kind}. */
  readonly kind = 'data'
}

/** A shadow database was refused before anything in it was touched. */
export class ShadowRefusedError extends EngineError {
  override readonly name = 'ShadowRefusedError'
  /**
   * @param clearable whether consent ({@link ShadowRequest.clear}) makes it usable
   * @param database the name to consent to
   */
  constructor(
    message: string,
    readonly clearable = false,
    readonly database?: string,
  ) {
    super(message)
  }
}

/** What was made for a shadow is not another database than the main one: the server leads every name to one. */
export class ShadowNotApartError extends ShadowRefusedError {}

/** The driver's package is not installed. */
export class MissingDriverError extends EngineError {
  override readonly name = 'MissingDriverError'
}

/** A database URL that cannot be used. */
export class BadUrlError extends EngineError {
  override readonly name = 'BadUrlError'
}

/** A Prisma schema that a planner refuses; the message is the validator's own, with file and line. */
export class InvalidSchemaError extends EngineError {
  override readonly name = 'InvalidSchemaError'
}
