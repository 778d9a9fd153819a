/**
 * One session with a MySQL or MariaDB database.
 *
 * Transactions: DDL ends one, and MySQL says so in the status flags of its answer. `check()` tolerates that, because the
 * executor keeps a journal on this engine; whether all of the operation's work is still uncommitted is what
 * `inTransaction()` tells after it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sendMessage } from '../at-once.js'
import {
  type Answer,
  CommitUnknownError,
  type Connection,
  type ConnectOptions,
  type Engine,
  type Expected,
  type HistoryDialect,
  LockLostError,
  type LockOptions,
  type PlainText,
  type Row,
  type SentAtOnce,
  type StatementSyntax,
  type TableInfo,
  type Transaction,
  type TransactionOptions,
  type WholeTransaction,
} from '../engine.js'
import { bindPlaceholders } from '../sql/placeholders.js'
import { splitStatements, tokens } from '../sql/scanner.js'
import { dropEverything, hasTable, readTables } from './catalog.js'
import { atOffset, explain, isLost, serverError } from './errors.js'
import { historyDialect, LATE, SENT } from './history.js'
import { acquire, holder, holds, lockDisabled, NOT_HELD, release } from './lock.js'
import { Session, type Answer as SessionAnswer } from './session.js'
import { begin, leave, readFacts, readSettings, restore, type ServerFacts, syntaxFor } from './settings.js'
import { describeTarget, type MysqlTarget } from './url.js'
import { parameterLiteral, quote } from './values.js'

const NOT_PREPARABLE = 1295
/** Milliseconds that putting back settings may take before the session is closed as it is. */
const PATIENCE_MS = 3000
/**
 * Statements whose parameters are sent apart. Elsewhere they are literals: DDL takes no parameters, and MariaDB prepares
 * CREATE TRIGGER and keeps the `?` in its body.
 */
const PREPARED = /^(?:select|insert|update|delete|replace|with|values|call|do|set)$/i
/** Any server takes a text of this length: the least `max_allowed_packet` is 1 MiB by default. */
const LONG = 100_000
const READS = /^\s*(?:SELECT|SHOW|SET|USE)\b/i
/** Statements that call no function and no trigger, which can change any setting of the session. */
const QUIET = /^\s*(?:ALTER|CREATE|DROP|RENAME)\b(?![\s\S]*\bSELECT\b)/i
/** Statements that leave the session in its database: no function can change that. */
const STAYS = /^\s*(?:ALTER|CREATE|DROP|RENAME|SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SET|CALL|DO)\b/i
const MENTIONS_MODE = /\bsql_mode\b/i
/** Statements that may end a transaction and begin another one, which the status flag does not tell from the first. */
const MAY_BEGIN_ANEW = /^(?:begin|start|commit|rollback|call|execute|xa)$/i
const TO_SAVEPOINT = /\bto\b/i
/** Statements that do not commit what was done before them. */
const ROWS_ONLY = /^(?:select|insert|update|delete|replace|with)$/i

export class MysqlConnection implements Connection {
  readonly engine: Engine
  readonly target: string
  readonly database: string
  readonly place: string
  readonly version: string
  readonly history: HistoryDialect
  /** What the server told when the session began. */
  readonly facts: ServerFacts
  readonly #session: Session
  readonly #where: MysqlTarget
  readonly #options: ConnectOptions
  #syntax: StatementSyntax
  /** The lock was taken and not given back by {@link releaseLock}: it must still be there. */
  #locked = false
  /** A statement, or a function or trigger that it called, may have changed settings of the session. */
  #unsettled = true
  /** More was sent than questions: it may have left locks, or a transaction. */
  #foreign = false
  /** A statement may have changed the session's database. */
  #moved = true
  /** Nothing has ended the transaction that {@link transaction} began. */
  #whole = false
  /** The server took everything back that was in the transaction, and nothing was sent since. */
  #takenBack = false
  #takesSeveral: Promise<boolean> | undefined

  private constructor(
    engine: Engine,
    session: Session,
    where: MysqlTarget,
    facts: ServerFacts,
    options: ConnectOptions,
    /** How the session was set before. */
    private readonly before: ReadonlyMap<string, string>,
  ) {
    this.engine = engine
    this.#session = session
    this.#where = where
    this.#options = options
    this.facts = facts
    this.#syntax = syntaxFor(facts.sqlMode)
    this.target = describeTarget(where)
    // The server's spelling: with lower_case_table_names it may differ from the URL's.
    this.database = facts.database ?? where.database
    this.place = this.database
    this.version = `${facts.mariadb ? 'MariaDB' : facts.vitess ? 'Vitess' : 'MySQL'} ${/^[\d.]+/.exec(facts.version.replace(/^5\.5\.5-(?=\d+\.)/, ''))?.[0] ?? facts.version}`
    this.history = historyDialect(this.database)
  }

  /** Opens a session in the target's database and sets it up. */
  static async open(engine: Engine, where: MysqlTarget, options: ConnectOptions): Promise<MysqlConnection> {
    return settingUp(where, options, async (session) => {
      const facts = await readFacts(session)
      session.maxPacket = facts.maxPacket
      const before = await readSettings(session)
      await begin(session, facts, options)
      return new MysqlConnection(engine, session, where, facts, options, before)
    })
  }

  get syntax(): StatementSyntax {
    return this.#syntax
  }

  async query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.#run(sql, params)).rows
  }

  async execute(sql: string, params?: readonly unknown[]): Promise<void> {
    await this.#run(sql, params)
  }

  async answer(sql: string, params?: readonly unknown[]): Promise<Answer> {
    const { rows, yields, affected, insertId } = await this.#run(sql, params)
    return { rows, yields, changes: yields ? rows.length : affected, insertId }
  }

  async raw(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.#send(sql, params)).rows
  }

  async batch(statements: readonly string[]): Promise<Row[][]> {
    const rows: Row[][] = []
    if (!(await this.#several())) for (const sql of statements) rows.push(await this.raw(sql))
    else for (const part of texts(statements)) rows.push(...(await this.#session.sendAll(part)))
    await this.#end(statements.find((sql) => !READS.test(sql)) ?? 'SELECT')
    return rows
  }

  /** Whether texts may hold several statements: not every proxy before a server takes them. */
  #several(): Promise<boolean> {
    this.#takesSeveral ??= this.#session.sendAll(['DO 0', 'DO 0']).then(
      () => true,
      (error) => {
        if (isLost(error)) throw error
        return false
      },
    )
    return this.#takesSeveral
  }

  readPlain(text: string): PlainText | undefined {
    return readLoneDdl(text, this.#syntax)
  }

  /** Each statement is committed by itself; the row tells whether the one that matters was done (see the journal). */
  async atOnce(migrations: readonly WholeTransaction[], { ask, n }: Expected): Promise<SentAtOnce> {
    if (this.#options.statementTimeoutMs > 0 || this.#session.lost || !(await this.#several())) return { committed: [] }
    const lost = this.#lockless() ? 'FALSE' : NOT_HELD
    const three = migrations.map(({ first, texts, last }, k) => [
      first!(`${lost} OR ${k === 0 ? `(${ask}) <> ${n}` : LATE}`),
      texts[0]!.statements[0]!.text,
      last,
    ])
    const each = (count: number, elapsed: number) => Array<number>(count).fill(elapsed / Math.max(count, 1))
    const failed = (error: unknown, elapsed: number): SentAtOnce => {
      const ended = ((error as { ended?: number }).ended ?? 0) - 1
      if (ended < 0) return { committed: [] }
      const k = Math.floor(ended / 3)
      const committed = each(k, elapsed)
      // What was to be the row of the next one was not written: nothing of it was done.
      if (ended % 3 === 0) return { committed }
      const at = { text: 0, completed: 0, statement: three[k]![1]! }
      return { committed, failure: { error, ...(ended % 3 === 1 && { at }) } }
    }
    const send = async (elapsed: () => number) => {
      await this.#session.sendAll([SENT, ...three.flat()], { told: false })
      return each(migrations.length, elapsed())
    }
    return sendMessage(migrations, { send, isLost, failed }, this.#options.onStatement)
  }

  async change(sql: string, params?: readonly unknown[]): Promise<number> {
    return (await this.#send(sql, params)).affected
  }

  async #run(sql: string, params: readonly unknown[] | undefined): Promise<SessionAnswer> {
    if (sql.includes('\0')) refuseNul(sql, this.#syntax)
    refuseSeveral(sql, this.#syntax)
    this.#note(sql)
    if (params === undefined) return this.#send(sql)
    if (params.length > 0 && PREPARED.test(firstWord(sql, this.#syntax))) {
      try {
        return await this.#send(bindPlaceholders(sql, params.length, this.#syntax), params)
      } catch (error) {
        if ((error as { errno?: number }).errno !== NOT_PREPARABLE) throw error
      }
    }
    const placeholder = (n: number) => parameterLiteral(params[n - 1], n)
    return this.#send(bindPlaceholders(sql, params.length, { ...this.#syntax, placeholder }))
  }

  /** What has to be put back after a statement of somebody else's. */
  #note(sql: string): void {
    if (!QUIET.test(sql)) this.#unsettled = true
    if (!STAYS.test(sql)) this.#moved = true
  }

  async #send(sql: string, params?: readonly unknown[]): Promise<SessionAnswer> {
    if (sql.includes('\0')) refuseNul(sql, this.#syntax)
    if (!READS.test(sql) || /\bget_lock\b/i.test(sql)) this.#foreign = true
    const answer = await this.#limited(sql, (begun) => this.#session.send(sql, params, begun)).then(
      (answer) => {
        this.#followTransaction(sql)
        return answer
      },
      (error: unknown) => {
        this.#followTransaction(sql, error)
        throw error
      },
    )
    if (MENTIONS_MODE.test(sql)) await this.#readMode()
    await this.#end(sql)
    return answer
  }

  /** Whether everything since {@link transaction} is still in its transaction, or was taken back by the server. */
  #followTransaction(sql: string, error?: unknown): void {
    const open = this.#session.inTransaction
    const word = firstWord(sql, this.#syntax)
    // What commits by itself does so before it fails; what changes rows does not commit what came before.
    const takenBack = !open && this.#whole && ROWS_ONLY.test(word) && explain(error).kind === 'conflict'
    if ((!open && !takenBack) || this.#mayBeginAnew(sql)) this.#whole = false
    this.#takenBack = takenBack
  }

  #mayBeginAnew(sql: string): boolean {
    const word = firstWord(sql, this.#syntax)
    return MAY_BEGIN_ANEW.test(word) && !(/^rollback$/i.test(word) && TO_SAVEPOINT.test(sql))
  }

  /**
   * MySQL limits the time of SELECT by itself and of nothing else: the rest is stopped from a second session. A `SELECT
   * SLEEP()` that is stopped answers 1, and DO answers as if it had ended: neither changes anything by having ended.
   */
  async #limited(sql: string, send: (begun: () => void) => Promise<SessionAnswer>): Promise<SessionAnswer> {
    const limit = this.#options.statementTimeoutMs
    if (this.facts.mariadb || limit <= 0) return send(() => {})
    let timer: NodeJS.Timeout | undefined
    let started = 0
    let stopped = false
    const over = (cause?: unknown) =>
      serverError('ER_QUERY_TIMEOUT', 3024, `the statement ran for more than ${limit} ms and was stopped`, cause)
    const begun = () => {
      started = performance.now()
      timer = setTimeout(() => {
        stopped = true
        void this.cancel()
      }, limit)
    }
    const answer = await send(begun)
      .catch((error: unknown) => {
        throw stopped && explain(error).kind === 'cancelled' ? over(error) : error
      })
      .finally(() => clearTimeout(timer))
    const late = stopped || performance.now() - started >= limit
    if (late && (answer.yields || /^do$/i.test(firstWord(sql, this.#syntax)))) throw over()
    return answer
  }

  async #readMode(): Promise<void> {
    const { rows } = await this.#session.send('SELECT @@SESSION.sql_mode AS mode')
    this.#syntax = syntaxFor(String(rows[0]?.mode ?? ''))
  }

  /** One statement after the other; the rest of the script is read anew when a statement changed the lexical rules. */
  async script(sql: string): Promise<void> {
    let from = 0
    let completed = 0
    while (from < sql.length) {
      const before = this.#syntax
      const start = from
      let next = sql.length
      for (const statement of splitStatements(sql.slice(start), before)) {
        this.#note(statement.text)
        try {
          await this.#send(statement.text)
          completed += 1
        } catch (error) {
          if (error instanceof Error)
            Object.defineProperty(error, 'completed', { value: completed, configurable: true })
          throw atOffset(error, start + statement.start)
        }
        if (sameRules(before, this.#syntax)) continue
        next = start + statement.end
        break
      }
      from = next
      // What is left begins with the semicolon of the statement before.
      if (sql[from] === ';') from += 1
    }
  }

  hasTable(name: string): Promise<boolean> {
    return hasTable(this.#session, this.database, name)
  }

  tables(): Promise<TableInfo[]> {
    return readTables(
      (sql, params) => this.raw(sql, params),
      (queries) => this.batch(queries),
      this.database,
    )
  }

  reset(): Promise<void> {
    return dropEverything(this.#session, this.database, this.#kept)
  }

  /** PlanetScale has no advisory locks (Prisma: none is taken on its hosts). */
  get lockless(): boolean {
    return this.#where.planetScale || this.facts.vitess
  }

  #lockless(): boolean {
    return this.lockless || lockDisabled()
  }

  /**
   * From now on this statement follows each that may change something.
   * @param sql one statement; '' for none
   * @param kept a table that {@link reset} leaves alone
   */
  endEachWith(sql: string, kept?: string): void {
    this.#tail = sql
    this.#kept = kept
  }
  #tail = ''
  #kept: string | undefined

  async #end(sql: string): Promise<void> {
    if (this.#tail !== '' && !READS.test(sql) && !this.#session.lost) await this.#session.send(this.#tail)
  }

  async acquireLock(options: LockOptions): Promise<void> {
    if (this.#lockless()) return
    await acquire(this.#session, options, this.#options.statementTimeoutMs)
    this.#locked = true
  }

  async releaseLock(): Promise<void> {
    this.#locked = false
    if (!this.#lockless()) await release(this.#session)
  }

  async lockHolder(options: { readonly migrating?: boolean } = {}): Promise<string | undefined> {
    return this.#lockless() ? undefined : holder(this.#session, options.migrating)
  }

  async holdsLock(): Promise<boolean> {
    return this.#lockless() || (await holds(this.#session))
  }

  async transaction<T>(_options: TransactionOptions, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    await this.#session.send('START TRANSACTION')
    this.#whole = true
    this.#takenBack = false
    let result: T
    try {
      result = await work({ check: () => this.#checkLock() })
    } catch (error) {
      // Also where the flag says that no transaction is open: a ROLLBACK too many does nothing.
      if (!this.#session.lost) await this.#session.send('ROLLBACK').catch(() => {})
      throw error
    }
    try {
      await this.#session.send('COMMIT')
      await this.#end('COMMIT')
    } catch (error) {
      if (!isLost(error)) throw error
      throw new CommitUnknownError('the connection was lost while committing', { cause: error })
    }
    return result
  }

  async #checkLock(): Promise<void> {
    if (!this.#locked || (await this.holdsLock())) return
    throw new LockLostError(
      'this session no longer holds the migration lock: the operation released it (RELEASE_ALL_LOCKS, RELEASE_LOCK), or a proxy gave the session to somebody else',
    )
  }

  inTransaction(): boolean {
    return this.#whole && (this.#session.inTransaction || this.#takenBack)
  }

  cancel(): Promise<void> {
    return this.#session.stop(async () => {
      try {
        const other = await Session.open(this.#where, undefined, { connectTimeoutMs: 5000 })
        try {
          await other.send(`KILL QUERY ${this.facts.id}`)
        } finally {
          await other.close()
        }
      } catch {
        // The session is gone or cannot be reached: then nothing runs for us, or nobody can stop it.
      }
    })
  }

  async restoreSettings(): Promise<void> {
    if (!this.#unsettled && !this.#moved) return
    await restore(this.#session, this.facts, this.#options)
    if (this.#moved) await this.#session.send(`USE ${quote(this.database)}`)
    this.#syntax = syntaxFor(this.facts.sqlMode)
    this.#unsettled = this.#moved = false
  }

  async identify(): Promise<string> {
    const server = await this.#serverIdentity()
    const name = this.facts.lowerCaseTableNames === 0 ? this.database : this.database.toLowerCase()
    return `mysql ${server} ${name}`
  }

  /** MySQL has a number for the server; of MariaDB, host name, port and data directory have to do. */
  async #serverIdentity(): Promise<string> {
    try {
      const { rows } = await this.#session.send('SELECT @@GLOBAL.server_uuid AS id')
      if (rows[0]?.id) return String(rows[0].id)
    } catch (error) {
      if (isLost(error)) throw error
    }
    const { rows } = await this.#session.send('SELECT @@hostname AS host, @@port AS port, @@datadir AS dir')
    return `${rows[0]?.host}:${rows[0]?.port}${rows[0]?.dir}`
  }

  onLost(listener: (error: Error) => void): void {
    this.#session.onLost(listener)
  }

  keepAlive(on: boolean): void {
    this.#session.keepAlive(on)
  }

  async close(): Promise<void> {
    if (!this.#session.lost && !this.#session.busy) {
      if (this.#locked) await this.releaseLock().catch(() => undefined)
      const work = leave(this.#session, this.before, quote(this.database), this.#foreign)
      await Promise.race([work, sleep(PATIENCE_MS, undefined, { ref: false })])
    }
    await this.#session.close()
  }
}

/** Opens a session in the target's database; where it cannot be set up, it is closed. */
async function settingUp<T>(
  where: MysqlTarget,
  options: ConnectOptions,
  setUp: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.open(where, where.database, options)
  try {
    return await setUp(session)
  } catch (error) {
    await session.close()
    throw error
  }
}

/** The statements, as many together as make no text longer than {@link LONG}. */
function texts(statements: readonly string[]): string[][] {
  const parts: string[][] = [[]]
  let length = 0
  for (const sql of statements) {
    if (length + sql.length > LONG) {
      parts.push([])
      length = 0
    }
    parts.at(-1)!.push(sql)
    length += sql.length
  }
  return parts
}

/**
 * An operation's text is one statement: one that holds several would be done by half when the second fails.
 * @throws what the server says where it was not asked to take several
 */
function refuseSeveral(sql: string, syntax: StatementSyntax): void {
  const end = sql.indexOf(';')
  if (end === -1 || sql.slice(end + 1).trim() === '') return
  let statements: readonly { readonly start: number }[]
  try {
    statements = splitStatements(sql, syntax)
  } catch {
    // The server tells what is wrong with it.
    return
  }
  const second = statements[1]
  if (second === undefined) return
  const message = `You have an error in your SQL syntax: the text holds several statements, the second near '${sql.slice(second.start, second.start + 80)}'`
  throw atOffset(serverError('ER_PARSE_ERROR', 1064, message), second.start)
}

const DDL = /^(?:ALTER\s+TABLE|CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)|DROP\s+(?:TABLE|INDEX)|RENAME\s+TABLE)\b/i

/** Reads a text of one statement that changes tables, commits by itself, and reads nothing; undefined for any other. */
function readLoneDdl(text: string, syntax: StatementSyntax): PlainText | undefined {
  // Most are told apart without reading them.
  if (/\b(?:select|\w*lock\w*|temporary)\b|\0/i.test(text)) return undefined
  try {
    const statements = splitStatements(text, syntax)
    return statements.length === 1 && DDL.test(statements[0]!.text) ? { text, statements } : undefined
  } catch {
    return undefined
  }
}

/** The word that a statement begins with, after comments and parentheses. */
function firstWord(sql: string, syntax: StatementSyntax): string {
  for (const token of tokens(sql, syntax)) {
    if (token.kind === 'word') return sql.slice(token.start, token.end)
    if (token.kind !== 'comment' && sql[token.start] !== '(') break
  }
  return ''
}

/**
 * MySQL takes a NUL character outside of a string for the end of the statement: what follows would not be run, and nobody
 * told.
 */
function refuseNul(sql: string, syntax: StatementSyntax): void {
  for (const { kind, start, end } of tokens(sql, syntax))
    if (kind !== 'string' && kind !== 'comment' && sql.slice(start, end).includes('\0'))
      throw serverError('ER_PARSE_ERROR', 1064, 'the statement contains a NUL character, which MySQL cannot read')
}

function sameRules(a: StatementSyntax, b: StatementSyntax): boolean {
  return a.doubleQuotedStrings === b.doubleQuotedStrings && a.backslashEscapes === b.backslashEscapes
}
