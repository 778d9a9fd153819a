/** What is sent in one message besides what was asked for, and how its answers and errors are read. */
import { EngineError, type PlainText, type SentAtOnce, type StatementSyntax, type WholeTransaction } from '../engine.js'
import { ScriptError, splitStatements } from '../sql/scanner.js'
import { movePosition } from './errors.js'
import type { Result } from './session.js'

const PLAIN = /^\s*(?:create|alter|drop|comment|insert|update|delete)\b/i

/**
 * Whether a text is one ordinary statement, which cannot end the transaction: no function that it calls can do that. Most are,
 * and then rays need not ask the server after each.
 */
export function isPlain(sql: string): boolean {
  const end = sql.indexOf(';')
  return (end === -1 || sql.slice(end + 1).trim() === '') && PLAIN.test(sql)
}

/** Reads a text whose statements are all plain; undefined for any other. */
export function readPlain(text: string, syntax: StatementSyntax): PlainText | undefined {
  if (text.includes('\0')) return undefined
  try {
    const statements = splitStatements(text, syntax)
    return statements.every((statement) => PLAIN.test(statement.text)) ? { text, statements } : undefined
  } catch (error) {
    if (error instanceof ScriptError) return undefined
    throw error
  }
}

/**
 * The statement, as one that fails where it changes no row: a message stops at its first error.
 * @param more further columns of its answer, each after a comma
 */
export function orFail(sql: string, more = ''): string {
  return `WITH done AS (${sql} RETURNING 1) SELECT 1 / least(count(*), 1)${more} FROM done`
}

/** What the error of {@link orFail} means; undefined for any other. */
export function unchanged(error: unknown): EngineError | undefined {
  const { code, where } = error as { code?: string; where?: string }
  // A trigger that is put off to COMMIT may divide by zero, too: that one says where.
  if (code !== '22012' || where !== undefined) return undefined
  return new EngineError('another program changed the history meanwhile', { cause: error })
}

/**
 * A query that fails where the condition does not hold. What is constant would be computed, and fail, in any case. The server's
 * log shows the text.
 */
export function orStop(condition: string): string {
  return `SELECT CASE WHEN ${condition} THEN 0 ELSE ('rays begins no more in this message, session ' || pg_backend_pid())::int END`
}

/** A line feed ends a comment in which a text ends. */
const JOIN = '\n;\n'
/** PostgreSQL: a transaction that a message begins counts as begun when the message came. For {@link WholeMessage.times}. */
const TOOK = ', extract(epoch FROM clock_timestamp() - now()) * 1000 AS ms'

/** What stands around the statements of each transaction. */
export interface Around {
  readonly begin: readonly string[]
  /** What follows them in the first transaction. */
  readonly first: string
  /** Before the last statement, which is the history's. */
  readonly settled: readonly string[]
  /** After COMMIT. */
  readonly cleared: readonly string[]
}

/** Several transactions in one message. */
export class WholeMessage {
  /** What is to be sent. */
  text = ''
  readonly #transactions: {
    /** How many statements there are before the texts. */
    readonly head: number
    /** Of each text: where it begins in the message, and its statements. */
    readonly texts: readonly { readonly start: number; readonly statements: PlainText['statements'] }[]
    /** Which statement is the history's, from 0; COMMIT follows it. */
    readonly row: number
    /** How many statements there are in all. */
    readonly count: number
  }[] = []

  constructor(private readonly around: Around) {}

  add({ texts, last }: WholeTransaction): void {
    const { begin, first, settled, cleared } = this.around
    const head = [...begin, ...(this.#transactions.length === 0 ? [first] : [])]
    for (const sql of head) this.#append(sql)
    const placed = texts.map(({ text, statements }) => ({ start: this.#append(text), statements }))
    for (const sql of [...settled, orFail(last, TOOK), 'COMMIT', ...cleared]) this.#append(sql)
    const row = placed.reduce((sum, { statements }) => sum + statements.length, head.length + settled.length)
    this.#transactions.push({ head: head.length, texts: placed, row, count: row + 2 + cleared.length })
  }

  #append(sql: string): number {
    if (this.text !== '') this.text += JOIN
    const start = this.text.length
    this.text += sql
    return start
  }

  /** How many milliseconds each transaction took. @param results those of all statements */
  times(results: readonly Result[]): number[] {
    let begin = 0
    let before = 0
    return this.#transactions.map(({ row, count }) => {
      const ms = Number(results[begin + row]!.rows[0]!.ms)
      begin += count
      const took = ms - before
      before = ms
      return took
    })
  }

  /**
   * What became of the transactions where the message failed, and was rolled back.
   * @param error the driver's, which knows how many statements had `ended` well; where it lies is counted from its text's start
   * @param elapsed milliseconds that the message took: the driver keeps no answers beside an error
   */
  failed(error: unknown, elapsed: number): SentAtOnce {
    let { ended = 0 } = error as { ended?: number }
    const k = this.#transactions.findIndex(({ count }) => {
      if (ended < count) return true
      ended -= count
      return false
    })
    const { head, texts, row } = this.#transactions[k]!
    const done = ended > row + 1 ? k + 1 : k
    const committed = Array<number>(done).fill(elapsed / (k + 1))
    // Nothing of the next was done; whoever begins it for itself hears why.
    if (done > k || ended < head) return { committed }
    ended -= head
    for (const [text, { start, statements }] of texts.entries()) {
      const failed = statements[ended]
      if (failed) {
        movePosition(error, start + failed.start)
        return { committed, failure: { error, at: { text, completed: ended, statement: failed.text } } }
      }
      ended -= statements.length
    }
    return { committed, failure: { error: (ended === this.around.settled.length && unchanged(error)) || error } }
  }
}
