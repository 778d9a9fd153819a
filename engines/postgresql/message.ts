/** What is sent in one message besides what was asked for, and how its answers and errors are read. */
import { EngineError, type PlainText, type SentAtOnce, type StatementSyntax, type WholeTransaction } from '../engine.js'
import { ScriptError, splitStatements } from '../sql/scanner.js'
import { movePosition } from './errors.js'
import type { Result } from './session.js'

const PLAIN = /^\s*(?:create|alter|drop|comment|insert|update|delete)\b/i
const TOUCHY =
  /\b(?:commit|rollback|abort|end|prepare|set_config|role|authorization|function|procedure|trigger|discard|\w*advisory\w*)\b/i

/**
 * Whether a text is one ordinary statement that neither ends the transaction nor gives away the lock nor changes a
 * setting. Most are, and then rays need not ask the server after each; whatever might be otherwise is looked at.
 */
export function isPlain(sql: string): boolean {
  const end = sql.indexOf(';')
  return (end === -1 || sql.slice(end + 1).trim() === '') && isOrdinary(sql)
}

function isOrdinary(statement: string): boolean {
  return PLAIN.test(statement) && !TOUCHY.test(statement)
}

/** Reads a text whose statements are all plain; undefined for any other. */
export function readPlain(text: string, syntax: StatementSyntax): PlainText | undefined {
  if (text.includes('\0')) return undefined
  try {
    const statements = splitStatements(text, syntax)
    return statements.every((statement) => isOrdinary(statement.text)) ? { text, statements } : undefined
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

/** Several transactions in one message. */
export class WholeMessage {
  /** What is to be sent. */
  text = ''
  readonly #transactions: {
    /** How many statements there are before the texts. */
    readonly head: number
    /** Of each text: where it begins in the message, and its statements. */
    readonly texts: readonly { readonly start: number; readonly statements: PlainText['statements'] }[]
    /** How many statements there are in all. */
    readonly count: number
  }[] = []

  /**
   * @param begin the first statements of each transaction
   * @param first what follows them in the first
   */
  constructor(
    private readonly begin: readonly string[],
    private readonly first: string,
  ) {}

  add({ texts, last }: WholeTransaction): void {
    const head = [...this.begin, ...(this.#transactions.length === 0 ? [this.first] : [])]
    for (const sql of head) this.#append(sql)
    const placed = texts.map(({ text, statements }) => ({ start: this.#append(text), statements }))
    this.#append(orFail(last, TOOK))
    this.#append('COMMIT')
    const count = placed.reduce((sum, { statements }) => sum + statements.length, head.length + 2)
    this.#transactions.push({ head: head.length, texts: placed, count })
  }

  #append(sql: string): number {
    if (this.text !== '') this.text += JOIN
    const start = this.text.length
    this.text += sql
    return start
  }

  /** How many milliseconds each transaction took. @param results those of all statements */
  times(results: readonly Result[]): number[] {
    let end = 0
    let before = 0
    return this.#transactions.map(({ count }) => {
      end += count
      const ms = Number(results[end - 2]!.rows[0]!.ms)
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
    const committed = Array<number>(k).fill(elapsed / (k + 1))
    const { head, texts } = this.#transactions[k]!
    ended -= head
    // Nothing of it was done; whoever begins it for itself hears why.
    if (ended < 0) return { committed }
    for (const [text, { start, statements }] of texts.entries()) {
      const failed = statements[ended]
      if (failed) {
        movePosition(error, start + failed.start)
        return { committed, failure: { error, at: { text, completed: ended, statement: failed.text } } }
      }
      ended -= statements.length
    }
    return { committed, failure: { error: (ended === 0 && unchanged(error)) || error } }
  }
}
