/**
 * Applies a migration where no transaction can hold all of it (MySQL, or a migration that opted out): every operation is
 * journalled in the migration's row. While the row is unfinished Prisma takes the migration for failed and deploys
 * nothing, which is right.
 *
 * `op` is the boundary between what is applied and what is not: going up it is the next operation to run, going down
 * (or undoing) it is the operation whose down runs next. `state: running` means that this one is in doubt: it was begun, or
 * was about to be. The row is written as running the first operation, and what notes the last one finishes the row: a
 * migration of one operation costs two entries.
 */
import { randomUUID } from 'node:crypto'
import { type Client, CommitUnknownError, type Connection, LockTimeoutError } from '../../engines/engine.js'
import { redactOwn } from '../../engines/url.js'
import { DecisionError, FailedError, InterruptedError, LockError, RaysError, UsageError } from '../errors.js'
import { interrupted } from '../interruption.js'
import { operationName } from '../migrations/load.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { bullets, capital } from '../text.js'
import { halfDone, leftIn, leftOf, leftSince, refuseSkip, takeAway, wayOut } from './leftovers.js'
import { isHookNote, type JournalNote, logsOf, parseNote } from './note.js'
import { OperationFailure, operationError, runOperation } from './operation.js'
import { bothEnds, type HistoryRow, type HistorySession, type MigrationRecord, Recorder } from './recorder.js'
import { appliedNote, begunRow, stepsOf } from './rows.js'
import type { ExecuteOptions } from './running.js'
import { journalOf } from './under-way.js'

/** What the journal needs of the session that holds the lock: rays' own connection, or one of another program's. */
export type JournalSession = HistorySession &
  Client &
  Pick<
    Connection,
    'engine' | 'leftovers' | 'holdsLock' | 'acquireLock' | 'restoreSettings' | 'cancel' | 'keepAlive'
  > & {
    transaction<T>(options: object, work: () => Promise<T>): Promise<T>
    inTransaction(): boolean | Promise<boolean>
  }

export interface JournalOptions
  extends Pick<
    ExecuteOptions,
    | 'direction'
    | 'records'
    | 'batch'
    | 'other'
    | 'operationTimeoutMs'
    | 'secrets'
    | 'noUndo'
    | 'signal'
    | 'onProgress'
    | 'guard'
  > {
  readonly connection: JournalSession
  /** See {@link ExecuteOptions.reconnect}; another program's session cannot be opened anew. */
  readonly reconnect?: () => Promise<JournalSession>
  /** See {@link RunOperation.unguarded}. */
  readonly unguarded?: boolean
  /** A program that runs behind the migration: the row stays unfinished, for it. */
  readonly hook?: string | undefined
}

export interface Resumption {
  /** Go on from the row, or go back. */
  readonly mode: 'resume' | 'undo'
  /** The operation in doubt counts as not done (and is run again when resuming). */
  readonly retry?: number
  /** The operation in doubt, or the one that comes next, counts as done. */
  readonly skip?: number
}

/** What was only tried is rolled back. */
class Tried extends Error {}

/** The answer to the COMMIT of an operation was lost; a new session found that nothing of it had been done. */
class RolledBackAtCommit extends OperationFailure {}

/** An operation ended well, and what it was to make is half-done. */
class HalfDone extends Error {}

export class Journal {
  #options: JournalOptions
  readonly #loaded: LoadedMigration
  #recorder: Recorder
  #id: string = randomUUID()
  #note: JournalNote
  /** Whether the rollback of the failed operation's transaction took back all of its statements. */
  #takenBack = false
  /** The last entry finished the row. */
  #finished = false

  constructor(options: JournalOptions, loaded: LoadedMigration) {
    this.#options = options
    this.#loaded = loaded
    this.#recorder = new Recorder(options.connection, options.other)
    this.#note = {
      rays: 1,
      batch: options.batch,
      ...(loaded.codeHash && { js: loaded.codeHash }),
      dir: options.direction,
      ops: loaded.operations.length,
      op: options.direction === 'up' ? 0 : loaded.operations.length - 1,
      state: 'idle',
    }
  }

  get #name(): string {
    return this.#loaded.migration.name
  }

  /**
   * Runs the migration from its beginning.
   * @throws {FailedError} or {@link LockError} where nothing of it is in the database; {@link DecisionError} where something
   * is, or may be
   */
  async run(): Promise<void> {
    try {
      await this.#tryElsewhere()
      await (this.#options.direction === 'up' ? this.#beginUp() : this.#beginDown())
    } catch (error) {
      if (error instanceof RaysError) throw error
      throw operationError(error, this.#options, this.#loaded, 'Nothing of it was done.')
    }
    await this.#go()
  }

  /**
   * Tries what the other history is told in the end, and takes it back: what refuses it (a trigger, a right, a full disk) is
   * met before anything is done, and nothing has to be brought back. Going down, rows would be gone by then.
   * @throws {FailedError} nothing was run
   */
  async #tryElsewhere(): Promise<void> {
    const { connection, direction, other } = this.#options
    const tried = direction === 'up' ? other?.addition?.(this.#name) : other?.removal(this.#name)
    if (other === undefined || tried === undefined) return
    try {
      await connection.transaction({}, async () => {
        await connection.change(tried)
        throw new Tried()
      })
    } catch (error) {
      if (error instanceof Tried) return
      const what = `${capital(other.title)} could not be told of it, so nothing of it was run.`
      throw operationError(error, { connection, direction }, this.#loaded, what)
    }
  }

  async #beginUp(): Promise<void> {
    if ((await this.#recorder.count(this.#name)) > 0) throw this.#changedMeanwhile()
    await this.#start()
    const row = { id: this.#id, ...this.#beginning() }
    const written = (found: HistoryRow | undefined) => found !== undefined
    await this.#orLook(() => this.#recorder.insert(row), this.#begun(written))
  }

  async #beginDown(): Promise<void> {
    const present = await this.#recorder.count(this.#name)
    const record = this.#options.records.find((candidate) => candidate.name === this.#name)
    if (present === 0 || !record) throw this.#changedMeanwhile()
    this.#id = record.row.id
    const { batch, knex } = record.note ?? {}
    const finished = record.row.finishedAt?.toISOString()
    const { batch: _, ...note } = this.#note
    this.#note = {
      ...note,
      ...(batch !== undefined && { batch }),
      ...(knex !== undefined && { knex }),
      ...(finished !== undefined && { finished }),
    }
    await this.#start()
    const logs = logsOf(this.#note)
    const change = { finishedAt: null, logs }
    await this.#orLook(
      () => this.#recorder.update(this.#id, change),
      this.#begun((row) => row?.logs === logs),
    )
  }

  /** The first entry says that the first operation runs. */
  async #start(): Promise<void> {
    if (this.#loaded.operations.length === 0) return
    this.#note = { ...this.#note, state: 'running', ...(await this.#halfDone()) }
  }

  /** The answer to the first entry was lost, and by the row a new session knows whether it was written. */
  #begun(written: (row: HistoryRow | undefined) => boolean) {
    return (row: HistoryRow | undefined, lost: unknown) => {
      if (written(row)) return
      throw new FailedError(`The connection was lost before ${this.#name} was begun: nothing of it was done.`, {
        cause: lost,
        code: 'E_CONNECTION',
        hint: 'Run the command again.',
      })
    }
  }

  async #halfDone(): Promise<Pick<JournalNote, 'invalid'>> {
    const invalid = this.#note.invalid ?? (await halfDone(this.#options.connection))
    return invalid === undefined ? {} : { invalid }
  }

  /** What it would write of an up of one operation, to be sent together with that ({@link Connection.atOnce}). */
  ahead(): { readonly id: string; readonly first: (stop: string) => string; readonly last: string } {
    const { history, engine } = this.#options.connection
    this.#note = { ...this.#note, state: 'running' }
    const row = { ...this.#beginning(), id: this.#id }
    const end = { steps: 1, logs: this.#endLogs() }
    return { id: this.#id, ...bothEnds(row, end, history, engine.literal) }
  }

  /**
   * What was sent {@link ahead} failed: it is undone or left as if the journal had run it. Returns what to tell.
   * @param error an {@link OperationFailure}, or what kept the row from being brought to its end
   */
  async failedAhead(error: unknown, connection = this.#options.connection): Promise<unknown> {
    this.#options = { ...this.#options, connection }
    this.#recorder = new Recorder(connection, this.#options.other)
    if (error instanceof OperationFailure) return this.#failed(error)
    if (this.#isLost(error)) return this.#unrecorded(error)
    this.#note = { ...this.#note, op: this.#loaded.operations.length, state: 'idle' }
    return this.#failed(error)
  }

  /** The row that is written before anything is done. */
  #beginning() {
    return begunRow(this.#loaded, this.#note)
  }

  /** What the row of an applied migration notes. */
  #endLogs(): string {
    return logsOf(appliedNote(this.#note))
  }

  /**
   * Goes on with, or goes back from, a migration that an earlier run left unfinished.
   * @throws {DecisionError} where its row cannot be read, the code is another, or the operation in doubt needs a word
   */
  async resume(record: MigrationRecord, how: Resumption): Promise<'applied' | 'unapplied'> {
    const note = journalOf(record)
    if (note.js !== this.#loaded.codeHash || note.ops !== this.#loaded.operations.length) {
      throw new DecisionError(`${this.#name} was edited since it was begun, so its operations cannot be told apart.`, {
        code: 'E_EDITED',
        hint: 'Restore migration.js as it was (version control), then run the command again.',
      })
    }
    this.#id = record.row.id
    this.#note = await this.#decideDoubt(note, how)
    // The way on: an unfinished up goes on upwards, and back downwards; an unfinished down the other way round. What was
    // being undone is undone by either word.
    const forward = how.mode === 'resume' || note.dir === 'undo' ? note.dir : note.dir === 'up' ? 'undo' : 'up'
    const boundary = this.#note.op
    const turned = forward !== note.dir
    const op = !turned ? boundary : forward === 'up' ? boundary + 1 : boundary - 1
    if (forward !== 'up') this.#refuseMissingDowns(op)
    const doubt = { loaded: this.#loaded, note }
    const retried = note.state === 'running' && how.retry !== undefined
    if (retried) await takeAway(this.#options.connection, doubt)
    // Why it stopped is kept for the row that is rolled back in the end; what goes on may have another reason to stop. What
    // was half-done before an operation is so before it is run again, too.
    const { error, invalid, ...rest } = this.#note
    this.#note = {
      ...rest,
      dir: forward,
      op,
      state: 'idle',
      ...(forward === 'undo' && error !== undefined && { error }),
      ...(retried && !turned && invalid && { invalid }),
    }
    await this.#write({})
    await this.#go()
    return forward === 'up' ? 'applied' : 'unapplied'
  }

  /** @param from the operation whose down would run first */
  #refuseMissingDowns(from: number): void {
    const missing = this.#loaded.operations
      .slice(0, from + 1)
      .flatMap((pair, index) => (pair[1] === null ? [index] : []))
    if (missing.length === 0) return
    throw new UsageError(
      `The way down is missing, so nothing was run: operation ${missing.join(', ')} of ${this.#name}.`,
      {
        code: 'E_NO_DOWN',
        data: { migration: this.#name, operations: missing },
        hint: `rays migrate --resume goes on. Or put the database as it was before ${this.#name} by hand, then: prisma migrate resolve --rolled-back ${this.#name}.`,
      },
    )
  }

  async #decideDoubt(note: JournalNote, how: Resumption): Promise<JournalNote> {
    const ahead = note.dir === 'up' ? 1 : -1
    if (note.state !== 'running') {
      const named = how.retry ?? how.skip
      if (named !== undefined && named !== note.op) throw this.#wrongOperation(named, note)
      // It was not done by rays; a person may have done it since.
      const byHand = how.skip !== undefined && this.#loaded.operations[note.op] !== undefined
      return byHand ? { ...note, op: note.op + ahead } : note
    }
    const { connection } = this.#options
    const doubt = { loaded: this.#loaded, note }
    const command = `rays migrate --${how.mode}`
    if (how.skip !== undefined) {
      if (how.skip !== note.op) throw this.#wrongOperation(how.skip, note)
      // What is undone next takes away what was left of it.
      if (how.mode === 'resume' || note.dir !== 'up') await refuseSkip(connection, doubt, command)
      return { ...note, op: note.op + ahead }
    }
    if (how.retry !== undefined) {
      if (how.retry !== note.op) throw this.#wrongOperation(how.retry, note)
      return note
    }
    const pair = this.#loaded.operations[note.op]
    const work = (note.dir === 'up' ? pair?.[0] : pair?.[1]) ?? null
    const left = await leftIn(connection, doubt)
    const seen = left.length === 0 ? '' : `\nIt is not done:\n${bullets(left.map(({ what }) => what))}`
    throw new DecisionError(
      `Operation ${note.op} of ${this.#name} (${operationName(work)}) is in doubt: it was started, and whether it was done is not recorded.${seen}`,
      {
        code: 'E_IN_DOUBT',
        data: { migration: this.#name, operation: note.op, ...(left.length > 0 && { left: left.map((l) => l.what) }) },
        hint:
          left.length > 0
            ? wayOut(left, doubt, command)
            : `Look at the database. If its changes are there: ${command} --skip-op ${note.op}. If they are not: ${command} --retry-op ${note.op}.`,
      },
    )
  }

  #wrongOperation(given: number, note: JournalNote): UsageError {
    return new UsageError(`The operation in question is ${note.op}, not ${given}.`, {
      hint: `rays status shows it. --retry-op ${note.op} or --skip-op ${note.op}.`,
    })
  }

  #changedMeanwhile(): DecisionError {
    return new DecisionError(`${this.#name} was changed by another program while rays held the lock.`, {
      code: 'E_CHANGED_MEANWHILE',
      hint: 'rays status shows where things stand.',
    })
  }

  /** Runs on from the note to the end of its direction. */
  async #go(): Promise<void> {
    const up = this.#note.dir === 'up'
    try {
      while (up ? this.#note.op < this.#loaded.operations.length : this.#note.op >= 0) {
        await this.#pauseIfInterrupted()
        await this.#runOne()
      }
    } catch (error) {
      throw await this.#failed(error)
    }
    await this.#end().catch(async (error: unknown) => {
      this.#finished = false
      if (error instanceof RaysError) throw error
      throw await (this.#isLost(error) ? this.#unrecorded(error) : this.#failed(error))
    })
  }

  /** All operations were done, and the connection was lost before their row was brought to its end. */
  async #unrecorded(error: unknown): Promise<unknown> {
    const { connection } = this.#options
    const direction = this.#note.dir === 'up' ? ('up' as const) : ('down' as const)
    return this.#leave(
      operationError(error, { connection, direction }, this.#loaded, ''),
      'The connection was lost after the last operation, before its row was brought to its end.',
    )
  }

  #isLost(error: unknown): boolean {
    return error instanceof CommitUnknownError || this.#options.connection.engine.explain(error).kind === 'connection'
  }

  /**
   * Writes to the row outside of a transaction. Where the answer is lost with the connection, a new session looks what became
   * of it: the lock says that nobody else has written meanwhile.
   * @param decide told of the row that the new session found
   * @throws {DecisionError} where there is no way back
   */
  async #orLook(
    write: () => Promise<unknown>,
    decide: (row: HistoryRow | undefined, lost: unknown) => unknown,
  ): Promise<void> {
    try {
      await write()
    } catch (error) {
      if (!this.#isLost(error)) throw error
      const what = `The connection was lost while the history was told of ${this.#name}`
      await decide(await this.#reconnected(error, what, 'how far it is recorded'), error)
    }
  }

  /** Brings the row to its end, and does not take a lost answer for a failure. */
  #end(): Promise<void> {
    return this.#orLook(
      () => this.#finish(),
      (row) => {
        if (this.#isFinished(row)) return
        this.#finished = false
        return this.#finish()
      },
    )
  }

  async #finish(): Promise<void> {
    if (this.#finished) return
    this.#finished = true
    const { connection, other } = this.#options
    const both = this.#note.dir === 'up' ? other?.addition !== undefined : other !== undefined && !this.#keepsRow()
    // Of two histories neither is ahead of the other.
    if (both && !(await connection.inTransaction())) await connection.transaction({}, () => this.#writeEnd())
    else await this.#writeEnd()
  }

  async #writeEnd(): Promise<void> {
    if (this.#hook !== undefined) return this.#leaveToHook(this.#hook)
    if (this.#note.dir === 'up') {
      const { finished } = this.#note
      await this.#recorder.addElsewhere(this.#name)
      await this.#recorder.update(this.#id, {
        finishedAt: finished ? new Date(finished) : new Date(),
        logs: this.#endLogs(),
        steps: Math.max(1, this.#loaded.operations.length),
      })
    } else if (this.#keepsRow()) {
      await this.#recorder.update(this.#id, { rolledBackAt: new Date(), logs: this.#note.error, steps: 0 })
    } else {
      await this.#recorder.remove(this.#name)
    }
  }

  /** What runs behind it, where it goes the way that was wanted; not where it goes back. */
  get #hook(): string | undefined {
    const { dir, finished } = this.#note
    const back = dir !== this.#options.direction || (dir === 'up' && finished !== undefined)
    return back ? undefined : this.#options.hook
  }

  /** The operations are done, and the row is finished when the program behind them has ended. */
  async #leaveToHook(hook: string): Promise<void> {
    const ops = this.#loaded.operations.length
    const up = this.#note.dir === 'up'
    if (!up) await this.#recorder.removeElsewhere(this.#name)
    this.#note = { ...this.#note, op: up ? ops : -1, state: 'idle', hook }
    const steps = up ? stepsOf(this.#loaded.operations) : 0
    await this.#recorder.update(this.#id, { finishedAt: null, logs: logsOf(this.#note), steps })
  }

  /** One operation and its journal entry; a data operation and its entry commit together. */
  async #runOne(): Promise<void> {
    const up = this.#note.dir === 'up'
    const operation = this.#note.op
    const next = up ? operation + 1 : operation - 1
    this.#options.onProgress?.({
      kind: 'operation',
      name: this.#name,
      operation,
      operations: this.#loaded.operations.length,
    })
    // Of the first operation the row said so when it was written.
    if (this.#note.state !== 'running') await this.#write({ state: 'running', ...(await this.#halfDone()) })
    const { connection } = this.#options
    const inTransaction = this.#loaded.transaction && !connection.engine.transactionalDdl
    let whole = false
    let done = false
    const work = async () => {
      try {
        const direction = up ? ('up' as const) : ('down' as const)
        // What is only taken back or put back was agreed to with what it takes back.
        const guard = this.#note.dir === this.#options.direction ? this.#options.guard : undefined
        await runOperation({ ...this.#options, loaded: this.#loaded, operation, direction, guard })
      } catch (error) {
        // DDL commits what came before it; without any, the transaction is still open and takes everything back.
        this.#takenBack = inTransaction && (await connection.inTransaction())
        throw error
      }
      whole = await connection.inTransaction()
      this.#takenBack = inTransaction && whole
      // What the operation set must not reach the row; inside of a transaction it stays until that has ended.
      if (!inTransaction) await connection.restoreSettings()
      await this.#refuseHalfDone()
      done = true
      await this.#noteDone(next).catch(async (error: unknown) => {
        if (error instanceof CommitUnknownError || !this.#isLost(error)) {
          this.#takenBack = inTransaction && (await connection.inTransaction())
          throw error
        }
        throw new CommitUnknownError('the connection was lost', { cause: error })
      })
    }
    try {
      if (inTransaction) await connection.transaction({}, work)
      else await work()
    } catch (error) {
      // The note in memory may be ahead of what was committed; where the operation stays, and could only not be noted, it is not.
      const stays = done && !this.#takenBack && !this.#isLost(error)
      this.#note = { ...this.#note, ...(stays ? { op: next, state: 'idle' } : { op: operation, state: 'running' }) }
      this.#finished = false
      if (!(error instanceof CommitUnknownError)) {
        await connection.restoreSettings().catch(() => undefined)
        throw error
      }
      await this.#afterUnknownCommit(error, next, whole)
    }
    await this.#goOnWithSession(inTransaction)
  }

  /** An operation failed, in this statement. */
  #failure(statement: string, completed: number, cause: unknown, op = this.#note.op): OperationFailure {
    const { dir } = this.#note
    const pair = this.#loaded.operations[op]
    return new OperationFailure(
      op,
      operationName((dir === 'up' ? pair?.[0] : pair?.[1]) ?? null),
      statement,
      completed,
      cause,
    )
  }

  /** An operation may end well and leave half-done what it was to make: IF NOT EXISTS finds an invalid index good enough. */
  async #refuseHalfDone(): Promise<void> {
    const doubt = { loaded: this.#loaded, note: this.#note }
    const left = await leftOf(this.#options.connection, doubt)
    if (left.length === 0) return
    throw this.#failure('', 1, new HalfDone(left.map(({ what }) => what).join('; ')))
  }

  /**
   * Between two operations: the session is as it was set up, and has the lock.
   * @param unsettled what the operation set has not been put back yet
   */
  async #goOnWithSession(unsettled: boolean): Promise<void> {
    const ready = async () => {
      if (unsettled) await this.#options.connection.restoreSettings()
      if (!this.#finished) await this.#holdLock()
    }
    // With the row at its end nothing of this migration can be lost any more.
    const lost = async (error: unknown) => {
      if (!this.#isLost(error)) throw error
      const what = `The connection was lost after an operation of ${this.#name}`
      const back = this.#reconnected(error, what, 'whether it can go on')
      await (this.#finished ? back.catch(() => undefined) : back)
    }
    await ready().catch(lost)
  }

  /** What was done is noted whoever has the lock by now; without it nothing more is begun, and nothing finished. */
  async #noteDone(next: number): Promise<void> {
    const more = this.#note.dir === 'up' ? next < this.#loaded.operations.length : next >= 0
    if (more || !(await this.#locked())) return this.#put({ op: next, state: 'idle', invalid: undefined })
    this.#note = { ...this.#note, op: next, state: 'idle' }
    await this.#finish()
  }

  /** An up that failed and was undone stays in the history, as rolled back; what was unapplied does not. */
  #keepsRow(): boolean {
    return this.#note.dir === 'undo' && this.#note.error !== undefined && this.#note.finished === undefined
  }

  /** Whether the row is as {@link #finish} leaves it. */
  #isFinished(row: HistoryRow | undefined): boolean {
    if (isHookNote(parseNote(row?.logs ?? null))) return true
    if (this.#note.dir === 'up') return row !== undefined && row.finishedAt !== null
    return this.#keepsRow() ? row !== undefined && row.rolledBackAt !== null : row === undefined
  }

  /**
   * The answer to the COMMIT of an operation was lost. The row tells a new session what became of it, because the
   * operation and its entry are committed together.
   * @param whole everything that the operation did was in the transaction that was being committed
   * @throws {RolledBackAtCommit} when nothing of the operation was done; {@link DecisionError} when nobody can tell
   */
  async #afterUnknownCommit(lost: CommitUnknownError, next: number, whole: boolean): Promise<void> {
    const operation = this.#note.op
    const what = `The connection was lost while operation ${operation} of ${this.#name} was being committed`
    // What was lost is the connection, whatever it was doing.
    const cause = lost.cause ?? lost
    const row = await this.#reconnected(cause, what, 'whether the operation was done')
    const note = parseNote(row?.logs ?? null)
    if (this.#isFinished(row)) {
      this.#note = { ...this.#note, op: next, state: 'idle' }
      this.#finished = true
      return
    }
    if (note?.dir === undefined || note.dir !== this.#note.dir) throw this.#changedMeanwhile()
    if (note.op === next && note.state === 'idle') {
      this.#note = note
      return
    }
    if (note.op !== operation || note.state !== 'running') throw this.#changedMeanwhile()
    if (!whole) throw cause
    const { functionName, statement, completed } = this.#failure('COMMIT', 0, lost)
    throw new RolledBackAtCommit(operation, functionName, statement, completed, lost)
  }

  /**
   * Goes on with a new session that has the lock. Returns the row as it finds it.
   * @param unknown what nobody can tell where there is no way back, in words
   * @throws {DecisionError}; the lost connection's error where no other can be opened
   */
  async #reconnected(lost: unknown, what: string, unknown: string): Promise<HistoryRow | undefined> {
    const { reconnect } = this.#options
    if (reconnect === undefined) throw lost
    try {
      const connection = await reconnect()
      this.#options = { ...this.#options, connection }
      this.#recorder = new Recorder(connection, this.#options.other)
      return ((await this.#recorder.read()) ?? []).find(({ id }) => id === this.#id)
    } catch (error) {
      if (error instanceof RaysError && error.exitCode !== 1) throw error
      const why =
        error instanceof LockTimeoutError
          ? `${error.holder} has the migration lock by now`
          : 'the database cannot be reached'
      throw new DecisionError(`${what}, and ${why}: it is unknown ${unknown}.`, {
        cause: lost,
        code: 'E_COMMIT_UNKNOWN',
        hint: 'When the database is back: rays status tells, rays migrate --resume goes on, rays migrate --undo goes back.',
      })
    }
  }

  /** Writes an entry, whatever becomes of the connection meanwhile. */
  #write(change: Partial<JournalNote>): Promise<void> {
    return this.#orLook(
      () => this.#put(change),
      (row) => {
        if (row === undefined) throw this.#changedMeanwhile()
        return row.logs === logsOf(this.#note) ? undefined : this.#put({})
      },
    )
  }

  /** Writes an entry. @param change what is undefined is taken out */
  async #put(change: { readonly [K in keyof JournalNote]?: JournalNote[K] | undefined }): Promise<void> {
    this.#note = Object.fromEntries(
      Object.entries({ ...this.#note, ...change }).filter(([, value]) => value !== undefined),
    ) as unknown as JournalNote
    const { op, ops, dir } = this.#note
    await this.#recorder.update(this.#id, {
      logs: logsOf(this.#note),
      steps: dir === 'up' ? op : Math.min(ops, op + 1),
    })
  }

  async #locked(): Promise<boolean> {
    const { connection } = this.#options
    if (await connection.holdsLock()) return true
    return connection.acquireLock({ timeoutMs: 0, onWait: () => undefined }).then(
      () => true,
      () => false,
    )
  }

  async #holdLock(): Promise<void> {
    if (await this.#locked()) return
    throw new LockError(
      `The migration lock was lost during ${this.#name}: an operation released it, or the connection is shared by a pooler.`,
      {
        hint: 'rays status shows where things stand; rays migrate --resume goes on.',
      },
    )
  }

  async #pauseIfInterrupted(): Promise<void> {
    const { signal } = this.#options
    if (!signal?.aborted) return
    if (this.#note.state === 'running') await this.#write({ state: 'idle' })
    throw interrupted(
      signal,
      `Interrupted before operation ${this.#note.op} of ${this.#name}; the operations before it are done and recorded.`,
      {
        hint: 'rays migrate --resume goes on; rays migrate --undo goes back.',
      },
    )
  }

  /** After a failure with the process alive: undo what was done, where that is possible without guessing. */
  async #failed(error: unknown): Promise<RaysError> {
    const { connection } = this.#options
    if (error instanceof InterruptedError || error instanceof LockError) return error
    if (error instanceof UsageError || error instanceof DecisionError) return error
    const info = connection.engine.explain(error instanceof OperationFailure ? error.cause : error)
    const rolledBack = error instanceof RolledBackAtCommit
    // What failed going up is told so, whichever way the journal goes by then.
    const direction = this.#note.dir === 'up' ? ('up' as const) : ('down' as const)
    const before = rolledBack ? 'It was being committed, and was rolled back. ' : ''
    const told = (after: string) => operationError(error, { connection, direction }, this.#loaded, `${before}${after}`)
    if (info.kind === 'connection' && !rolledBack) {
      return this.#leave(told(''), `The connection was lost during operation ${this.#note.op} of ${this.#name}.`)
    }
    const failure = error instanceof OperationFailure ? error : undefined
    // DML of a failed operation was rolled back with its transaction; DDL that had succeeded before the fault stays.
    const halfDone = failure !== undefined && failure.completed > 0 && !this.#takenBack
    const operation = this.#note.op
    const doubt = { loaded: this.#loaded, note: this.#note }
    const looked = failure?.cause instanceof HalfDone ? leftIn(connection, doubt) : leftSince(connection, doubt.note)
    const left = await looked.catch(() => [])
    if (halfDone || left.length > 0) {
      await this.#write({ state: 'running' }).catch(() => undefined)
      const many = failure?.completed === 1 ? '' : 's'
      const what =
        left.length > 0
          ? `Something is half-done:\n${bullets(left.map((each) => each.what))}`
          : `${failure?.completed} statement${many} of operation ${operation} had been run and cannot be rolled back here.`
      return this.#leave(told(''), what, left.length > 0 ? wayOut(left, doubt, 'rays migrate --resume') : undefined)
    }
    await this.#write({ state: 'idle' }).catch(() => undefined)
    if (this.#options.noUndo || this.#options.signal?.aborted) {
      return this.#leave(told(''), `The operations before it stay as they are.`)
    }
    // What was applied before is put back; what never was is undone, and where that was being done nothing else is tried.
    if (this.#note.finished !== undefined) return this.#redo(told, operation)
    return this.#note.dir === 'up' ? this.#undo(told, operation) : this.#leave(told(''), 'Undoing it failed.')
  }

  #clean(text: string): string {
    return redactOwn(text, this.#options.secrets)
  }

  /** An up failed: the downs of what it had done, last to first. */
  async #undo(told: (after: string) => RaysError, operation: number): Promise<RaysError> {
    const undone: string[] = []
    const missing = this.#loaded.operations.slice(0, operation).findIndex((pair) => pair[1] === null)
    if (missing !== -1) {
      const what = `It could not be undone: operation ${missing} has no down.`
      return this.#leave(told(''), what, this.#onOrBack(false))
    }
    const failed = told('')
    const { invalid: _, ...note } = this.#note
    this.#note = {
      ...note,
      dir: 'undo',
      op: operation - 1,
      state: 'idle',
      error: this.#clean(failed.message).slice(0, 4000),
    }
    try {
      await this.#write({})
      while (this.#note.op >= 0) {
        const at = this.#note.op
        await this.#runOne()
        undone.push(`operation ${at}: ${operationName(this.#loaded.operations[at]![1])}`)
      }
      await this.#end()
    } catch (error) {
      const second = operationError(
        error,
        { connection: this.#options.connection, direction: 'down' },
        this.#loaded,
        '',
      )
      return this.#leave(failed, `Undoing it failed too: ${second.message}`)
    }
    const said =
      undone.length === 0
        ? 'Nothing of it had been done: the database is as it was before it.'
        : `What it had done was undone, and the database is as it was before it:\n${bullets(undone)}`
    return told(said)
  }

  /** A down failed: the ups of what it had undone, so that the migration is applied as before. */
  async #redo(told: (after: string) => RaysError, operation: number): Promise<RaysError> {
    const failed = told('')
    if (this.#note.dir === 'up') return this.#leave(failed, 'Going back up failed.')
    const { invalid: _, ...note } = this.#note
    this.#note = { ...note, dir: 'up', op: operation + 1, state: 'idle' }
    try {
      await this.#write({})
      while (this.#note.op < this.#loaded.operations.length) await this.#runOne()
      await this.#end()
    } catch (error) {
      const second = operationError(error, { connection: this.#options.connection, direction: 'up' }, this.#loaded, '')
      return this.#leave(failed, `Putting back what it had unapplied failed too: ${second.message}`)
    }
    return told('What it had unapplied was put back: the migration is applied as before.')
  }

  /**
   * The row stays unfinished, with what a person needs to decide.
   * @param way what helps, where it is not to go on or back as it is
   */
  async #leave(failed: RaysError, what: string, way = this.#onOrBack()): Promise<DecisionError> {
    const applied = this.#loaded.operations.slice(
      0,
      Math.max(0, this.#note.dir === 'up' ? this.#note.op : this.#note.op + 1),
    )
    const stays =
      applied.length === 0
        ? ''
        : `\nIn the database:\n${bullets(applied.map((pair, index) => `operation ${index}: ${operationName(pair[0])}`))}`
    const message = `${failed.message.trim()} ${what}${stays}`
    await this.#put({ error: this.#clean(message).slice(0, 8000) }).catch(() => undefined)
    return new DecisionError(message, {
      cause: failed.cause,
      code: 'E_UNFINISHED',
      where: failed.where,
      data: { ...failed.data, operation: this.#note.op, state: this.#note.state },
      hint: `${failed.hint ? `${failed.hint} ` : ''}${way}`,
    })
  }

  /** @param undoable whether going back can be tried */
  #onOrBack(undoable = true): string {
    const back = undoable ? 'rays migrate --undo goes back, ' : ''
    return `Then: rays migrate --resume goes on, ${back}rays migrate --fake --name ${this.#name} records it as applied.`
  }
}
