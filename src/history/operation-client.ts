/** The client that an operation is given: it follows every statement, awaited or not, until it has ended. */
import type { Answer, AnsweringClient, Connection, Row } from '../../engines/engine.js'

/** Asked about a statement before it is sent. */
export type Look = (sql: string, params: readonly unknown[] | undefined) => Promise<void>

/** What an operation runs on. */
export type OperationSession = AnsweringClient & Pick<Connection, 'engine' | 'cancel' | 'keepAlive'>

/** A promise that knows whether anybody looked at its outcome. */
class ObservedPromise<T> extends Promise<T> {
  observed = false
  // biome-ignore lint/suspicious/noThenProperty: noticing who awaits is this class's purpose
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (onRejected || onFulfilled) this.observed = true
    return super.then(onFulfilled, onRejected)
  }
  // Derived promises are ordinary ones.
  static override get [Symbol.species]() {
    return Promise
  }
}

export class OperationClient implements AnsweringClient {
  readonly #connection: OperationSession
  readonly #beforeEach: () => void
  readonly #look: Look | undefined
  /** The last statement that was looked at, with what became of it: the next one is looked at when it has ended. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #running = new Set<ObservedPromise<unknown>>()
  readonly #failures: { error: unknown; promise: ObservedPromise<unknown> }[] = []
  #ended = false
  #watching = false
  /** For Knex, where the session tells more than rows. */
  readonly answer?: (sql: string, params?: readonly unknown[]) => Promise<Answer>
  /** Number of statements that ended well. */
  completed = 0
  /** The statement that was sent last. */
  lastStatement = ''

  /**
   * @param beforeEach called before each statement is sent; may throw to refuse it (an interruption)
   * @param look asked about each statement when all before it have ended; may reject to refuse it
   */
  constructor(connection: OperationSession, beforeEach: () => void = () => {}, look?: Look) {
    this.#connection = connection
    this.#beforeEach = beforeEach
    this.#look = look
    this.query = this.query.bind(this)
    this.execute = this.execute.bind(this)
    if (connection.answer)
      this.answer = (sql, params) => this.#track(sql, params, () => connection.answer!(sql, params))
  }

  query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return this.#track(sql, params, () => this.#connection.query(sql, params))
  }

  execute(sql: string, params?: readonly unknown[]): Promise<void> {
    return this.#track(sql, params, () => this.#connection.execute(sql, params))
  }

  /** Whether a statement is under way. */
  get busy(): boolean {
    return this.#running.size > 0
  }

  /**
   * While on, an idle session does not keep the process alive: an operation that waits for nothing is noticed because
   * the event loop runs empty. A session with a statement under way always counts.
   */
  watchIdle(on: boolean): void {
    this.#watching = on
    this.#connection.keepAlive?.(!on || this.busy)
  }

  /** Sends the statement; where each is looked at first, in its turn. */
  #send<T>(sql: string, params: readonly unknown[] | undefined, send: () => Promise<T>): Promise<T> {
    const begin = () => {
      this.#beforeEach()
      this.lastStatement = sql
      return send()
    }
    const look = this.#look
    if (look === undefined) return begin()
    const turn = this.#turn.then(async () => {
      this.lastStatement = sql
      await look(sql, params)
      return begin()
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  #track<T>(sql: string, params: readonly unknown[] | undefined, send: () => Promise<T>): Promise<T> {
    // Not followed: the operation is over, so whoever sent it must hear of it, or the process does.
    if (this.#ended) return Promise.reject(new Error(`a statement was sent after its operation had ended: ${sql}`))
    const promise = new ObservedPromise<T>((resolve, reject) => {
      if (typeof sql !== 'string')
        throw new TypeError(`the statement must be a string, not ${sql === null ? 'null' : typeof sql}`)
      this.#send(sql, params, send).then(
        (value) => {
          this.completed += 1
          resolve(value)
        },
        (error) => {
          Object.defineProperty(error instanceof Error ? error : {}, 'statement', { value: sql, configurable: true })
          reject(error)
        },
      )
    })
    this.#running.add(promise)
    this.#connection.keepAlive?.(true)
    const ended = () => {
      this.#running.delete(promise)
      if (this.#watching) this.watchIdle(true)
    }
    // The plain `then` does not count as an observer, and marks the promise as handled: a neglected rejection is a
    // failure of the operation, not of the process.
    Promise.prototype.then.call(promise, ended, (error: unknown) => {
      ended()
      this.#failures.push({ error, promise })
    })
    return promise
  }

  /**
   * Waits for every statement that the operation handed out, and closes the client.
   * @throws the error of a statement whose outcome nobody looked at
   */
  async settle(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.allSettled([...this.#running].map((promise) => Promise.prototype.then.call(promise)))
    }
    this.#ended = true
    // A turn of the event loop, in which Node reports rejections of derived promises (`execute(..).then(..)`) that nobody handles.
    if (this.#failures.length > 0) await new Promise((resolve) => setImmediate(resolve))
    const late = this.#failures.find(({ promise }) => !promise.observed)
    if (late) throw late.error
  }
}
