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
import { type Client, CommitUnknownError, type Connection } from '../../engines/engine.js'
import { redactOwn } from '../../engines/url.js'
import { DecisionError, InterruptedError, LockError, RaysError, UsageError } from '../errors.js'
import { interrupted } from '../interruption.js'
import { operationName } from '../migrations/load.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { bullets, capital } from '../text.js'
import type { ExecuteOptions } from './executor.js'
import { OperationFailure, operationError, runOperation } from './operation.js'
import {
  bothEnds,
  type HistoryRow,
  type HistorySession,
  type MigrationRecord,
  parseNote,
  type RaysNote,
  Recorder,
} from './recorder.js'

/** What the journal needs of the session that holds the lock: rays' own connection, or one of another program's. */
export type JournalSession = HistorySession &
  Client &
  Pick<Connection, 'engine' | 'invalid' | 'holdsLock' | 'acquireLock' | 'restoreSettings' | 'cancel' | 'keepAlive'> & {
    transaction<T>(options: object, work: () => Promise<T>): Promise<T>
    inTransaction(): boolean | Promise<boolean>
  }

export interface JournalOptions
  extends Pick<
    ExecuteOptions,
    'direction' | 'records' | 'batch' | 'other' | 'operationTimeoutMs' | 'secrets' | 'noUndo' | 'signal' | 'onProgress'
  > {
  readonly connection: JournalSession
  /** See {@link ExecuteOptions.reconnect}; another program's session cannot be opened anew. */
  readonly reconnect?: () => Promise<JournalSession>
  /** See {@link RunOperation.unguarded}. */
  readonly unguarded?: boolean
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

export class Journal {
  #options: JournalOptions
  readonly #loaded: LoadedMigration
  #recorder: Recorder
  #id: string = randomUUID()
  #note: RaysNote
  /** Whether the rollback of the failed operation's transaction took back all of its statements. */
  #takenBack = false
  /** The last entry finished the row. */
  #finished = false
  /** Invalid indexes that were there before. */
  #invalidBefore: readonly string[] = []

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

  /** Runs the migration from its beginning. */
  async run(): Promise<void> {
    const present = await this.#recorder.count(this.#name)
    await this.#tryElsewhere()
    if (this.#options.direction === 'up') {
      if (present > 0) throw this.#changedMeanwhile()
      if (this.#loaded.operations.length > 0) this.#note = { ...this.#note, state: 'running' }
      await this.#recorder.insert({ id: this.#id, ...this.#beginning() })
    } else {
      const record = this.#options.records.find((candidate) => candidate.name === this.#name)
      if (present === 0 || !record) throw this.#changedMeanwhile()
      this.#id = record.row.id
      this.#note = {
        ...this.#note,
        ...(this.#loaded.operations.length > 0 && { state: 'running' }),
        batch: record.note?.batch,
        knex: record.note?.knex,
        finished: record.row.finishedAt?.toISOString(),
      } as RaysNote
      await this.#recorder.update(this.#id, { finishedAt: null, logs: JSON.stringify(this.#note) })
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
    return error instanceof OperationFailure ? this.#failed(error) : this.#unrecorded(error)
  }

  /** The row that is written before anything is done. */
  #beginning() {
    const { checksum } = this.#loaded
    const logs = JSON.stringify(this.#note)
    return { name: this.#name, checksum, startedAt: new Date(), finishedAt: null, logs, steps: 0 }
  }

  /** What the row of an applied migration notes. */
  #endLogs(): string {
    const { batch, knex, js } = this.#note
    return JSON.stringify({ rays: 1, batch, knex, ...(js && { js }) })
  }

  /** Goes on with, or goes back from, a migration that an earlier run left unfinished. */
  async resume(record: MigrationRecord, how: Resumption): Promise<'applied' | 'unapplied'> {
    const note = record.note
    if (note?.dir === undefined || note.op === undefined) {
      throw new DecisionError(`${this.#name} was not left unfinished by rays; its row has no journal.`, {
        hint: `rays migrate --fake --name ${this.#name} if its changes are in the database; prisma migrate resolve --rolled-back ${this.#name} if they are not.`,
      })
    }
    if (note.js !== this.#loaded.codeHash || note.ops !== this.#loaded.operations.length) {
      throw new DecisionError(`${this.#name} was edited since it was begun, so its operations cannot be told apart.`, {
        code: 'E_EDITED',
        hint: 'Restore migration.js as it was (version control), then run the command again.',
      })
    }
    this.#id = record.row.id
    this.#note = this.#decideDoubt(note, how)
    // The way on: an unfinished up goes on upwards, and back downwards; an unfinished down the other way round. What was
    // being undone is undone by either word.
    const forward = how.mode === 'resume' || note.dir === 'undo' ? note.dir : note.dir === 'up' ? 'undo' : 'up'
    const boundary = this.#note.op!
    const turned = forward !== note.dir
    const op = !turned ? boundary : forward === 'up' ? boundary + 1 : boundary - 1
    if (forward !== 'up') this.#refuseMissingDowns(op)
    // Why it stopped is kept for the row that is rolled back in the end; what goes on may have another reason to stop.
    const { error, ...rest } = this.#note
    this.#note = { ...rest, dir: forward, op, state: 'idle', ...(forward === 'undo' && error && { error }) }
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

  #decideDoubt(note: RaysNote, how: Resumption): RaysNote {
    const ahead = note.dir === 'up' ? 1 : -1
    if (note.state !== 'running') {
      const named = how.retry ?? how.skip
      if (named !== undefined && named !== note.op) throw this.#wrongOperation(named, note)
      // It was not done by rays; a person may have done it since.
      const byHand = how.skip !== undefined && this.#loaded.operations[note.op!] !== undefined
      return byHand ? { ...note, op: note.op! + ahead } : note
    }
    if (how.skip !== undefined) {
      if (how.skip !== note.op) throw this.#wrongOperation(how.skip, note)
      return { ...note, op: note.op! + ahead }
    }
    if (how.retry !== undefined) {
      if (how.retry !== note.op) throw this.#wrongOperation(how.retry, note)
      return note
    }
    const command = `rays migrate --${how.mode}`
    const way = note.dir === 'up' ? 'up' : 'down'
    const pair = this.#loaded.operations[note.op!]!
    throw new DecisionError(
      `Operation ${note.op} of ${this.#name} (${operationName(way === 'up' ? pair[0] : pair[1])}) is in doubt: it was started, and whether it was done is not recorded.`,
      {
        code: 'E_IN_DOUBT',
        data: { migration: this.#name, operation: note.op },
        hint: `Look at the database. If its changes are there: ${command} --skip-op ${note.op}. If they are not: ${command} --retry-op ${note.op}.`,
      },
    )
  }

  #wrongOperation(given: number, note: RaysNote): UsageError {
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
    this.#invalidBefore = (await this.#options.connection.invalid?.()) ?? []
    try {
      while (up ? this.#note.op! < this.#loaded.operations.length : this.#note.op! >= 0) {
        await this.#pauseIfInterrupted()
        await this.#runOne()
      }
    } catch (error) {
      throw await this.#failed(error)
    }
    try {
      await this.#finish()
    } catch (error) {
      this.#finished = false
      const { kind } = this.#options.connection.engine.explain(error)
      throw await (kind === 'connection' ? this.#unrecorded(error) : this.#failed(error))
    }
  }

  /** All operations were done, and their row could not be brought to its end. */
  async #unrecorded(error: unknown): Promise<unknown> {
    const { connection } = this.#options
    if (connection.engine.explain(error).kind !== 'connection') return error
    const direction = this.#note.dir === 'up' ? ('up' as const) : ('down' as const)
    return this.#leave(
      operationError(error, { connection, direction }, this.#loaded, ''),
      'The connection was lost after the last operation, before its row was brought to its end.',
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

  /** One operation and its journal entry; a data operation and its entry commit together. */
  async #runOne(): Promise<void> {
    const { connection } = this.#options
    const up = this.#note.dir === 'up'
    const operation = this.#note.op!
    const next = up ? operation + 1 : operation - 1
    this.#options.onProgress?.({
      kind: 'operation',
      name: this.#name,
      operation,
      operations: this.#loaded.operations.length,
    })
    // Of the first operation the row said so when it was written.
    if (this.#note.state !== 'running') await this.#write({ state: 'running' })
    const inTransaction = this.#loaded.transaction && !connection.engine.transactionalDdl
    let whole = false
    let done = false
    const work = async () => {
      try {
        await runOperation({ ...this.#options, loaded: this.#loaded, operation, direction: up ? 'up' : 'down' })
        done = true
        await this.#noteDone(next)
      } catch (error) {
        // DDL commits what came before it; without any, the transaction is still open and takes everything back.
        this.#takenBack = inTransaction && (await connection.inTransaction())
        throw error
      }
      whole = await connection.inTransaction()
    }
    try {
      if (inTransaction) await connection.transaction({}, work)
      else await work()
    } catch (error) {
      // The note in memory may be ahead of what was committed; where the operation stays, and could only not be noted, it is not.
      const lost = error instanceof CommitUnknownError || connection.engine.explain(error).kind === 'connection'
      const stays = done && !this.#takenBack && !lost
      this.#note = { ...this.#note, ...(stays ? { op: next, state: 'idle' } : { op: operation, state: 'running' }) }
      this.#finished = false
      if (!(error instanceof CommitUnknownError)) throw error
      await this.#afterUnknownCommit(error, next, whole)
    }
    await this.#options.connection.restoreSettings()
    if (!this.#finished) await this.#holdLock()
  }

  /** What was done is noted whoever has the lock by now; without it nothing more is begun, and nothing finished. */
  async #noteDone(next: number): Promise<void> {
    const more = this.#note.dir === 'up' ? next < this.#loaded.operations.length : next >= 0
    if (more || !(await this.#locked())) return this.#write({ op: next, state: 'idle' })
    this.#note = { ...this.#note, op: next, state: 'idle' }
    await this.#finish()
  }

  /** An up that failed and was undone stays in the history, as rolled back; what was unapplied does not. */
  #keepsRow(): boolean {
    return this.#note.dir === 'undo' && this.#note.error !== undefined && this.#note.finished === undefined
  }

  /** Whether the row is as {@link #finish} leaves it. */
  #isFinished(row: HistoryRow | undefined): boolean {
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
    const operation = this.#note.op!
    const what = `The connection was lost while operation ${operation} of ${this.#name} was being committed`
    const { reconnect } = this.#options
    if (reconnect === undefined) throw lost
    let connection: JournalSession
    try {
      connection = await reconnect()
    } catch (error) {
      if (error instanceof RaysError && error.exitCode !== 1) throw error
      throw new DecisionError(
        `${what}, and the database cannot be reached: it is unknown whether the operation was done.`,
        {
          cause: lost,
          code: 'E_COMMIT_UNKNOWN',
          hint: 'When the database is back: rays status tells, rays migrate --resume goes on, rays migrate --undo goes back.',
        },
      )
    }
    this.#options = { ...this.#options, connection }
    this.#recorder = new Recorder(connection, this.#options.other)
    const row = ((await this.#recorder.read()) ?? []).find(({ id }) => id === this.#id)
    const note = parseNote(row?.logs ?? null)
    if (this.#isFinished(row)) {
      this.#note = { ...this.#note, op: next, state: 'idle' }
      this.#finished = true
      return
    }
    if (note?.dir !== this.#note.dir) throw this.#changedMeanwhile()
    if (note?.op === next && note.state === 'idle') {
      this.#note = note
      return
    }
    if (note?.op !== operation || note.state !== 'running') throw this.#changedMeanwhile()
    if (!whole) throw lost
    const pair = this.#loaded.operations[operation]!
    const work = note.dir === 'up' ? pair[0] : pair[1]
    throw new RolledBackAtCommit(operation, operationName(work), 'COMMIT', 0, lost)
  }

  async #write(change: Partial<RaysNote>): Promise<void> {
    this.#note = { ...this.#note, ...change }
    const { op, ops, dir } = this.#note
    await this.#recorder.update(this.#id, {
      logs: JSON.stringify(this.#note),
      steps: dir === 'up' ? op! : Math.min(ops!, op! + 1),
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
    const operation = this.#note.op!
    if (halfDone) {
      await this.#write({ state: 'running' }).catch(() => undefined)
      return this.#leave(
        told(''),
        `${failure.completed} statement${failure.completed === 1 ? '' : 's'} of operation ${operation} had been run and cannot be rolled back here.`,
      )
    }
    const invalid = ((await connection.invalid?.().catch(() => [])) ?? []).filter(
      (name) => !this.#invalidBefore.includes(name),
    )
    if (invalid.length > 0) {
      await this.#write({ state: 'running' }).catch(() => undefined)
      return this.#leave(
        told(''),
        `Its statement left invalid indexes behind, which cost time and are never used; drop them: ${invalid.join(', ')}.`,
      )
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
    if (missing !== -1) return this.#leave(told(''), `It could not be undone: operation ${missing} has no down.`, false)
    const failed = told('')
    this.#note = {
      ...this.#note,
      dir: 'undo',
      op: operation - 1,
      state: 'idle',
      error: this.#clean(failed.message).slice(0, 4000),
    }
    try {
      await this.#write({})
      while (this.#note.op! >= 0) {
        const at = this.#note.op!
        await this.#runOne()
        undone.push(`operation ${at}: ${operationName(this.#loaded.operations[at]![1])}`)
      }
      await this.#finish()
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
    this.#note = { ...this.#note, dir: 'up', op: operation + 1, state: 'idle' }
    try {
      await this.#write({})
      while (this.#note.op! < this.#loaded.operations.length) await this.#runOne()
      await this.#finish()
    } catch (error) {
      const second = operationError(error, { connection: this.#options.connection, direction: 'up' }, this.#loaded, '')
      return this.#leave(failed, `Putting back what it had unapplied failed too: ${second.message}`)
    }
    return told('What it had unapplied was put back: the migration is applied as before.')
  }

  /**
   * The row stays unfinished, with what a person needs to decide.
   * @param undoable whether going back can be tried
   */
  async #leave(failed: RaysError, what: string, undoable = true): Promise<DecisionError> {
    const applied = this.#loaded.operations.slice(
      0,
      Math.max(0, this.#note.dir === 'up' ? this.#note.op! : this.#note.op! + 1),
    )
    const stays =
      applied.length === 0
        ? ''
        : `\nIn the database:\n${bullets(applied.map((pair, index) => `operation ${index}: ${operationName(pair[0])}`))}`
    const message = `${failed.message.trim()} ${what}${stays}`
    await this.#write({ error: this.#clean(message).slice(0, 8000) }).catch(() => undefined)
    return new DecisionError(message, {
      cause: failed.cause,
      code: 'E_UNFINISHED',
      where: failed.where,
      data: { ...failed.data, operation: this.#note.op, state: this.#note.state },
      hint: `${failed.hint ? `${failed.hint} ` : ''}Then: rays migrate --resume goes on, ${undoable ? 'rays migrate --undo goes back, ' : ''}rays migrate --fake --name ${this.#name} records it as applied.`,
    })
  }
}

/**
 * A migration that is being applied or undone operation by operation at this moment: its row is unfinished, and the lock is
 * held. Without that it has failed. Where it stopped for a reason, nobody is at it, whoever has the lock.
 */
export async function running(
  connection: Pick<Connection, 'lockHolder'>,
  records: readonly MigrationRecord[],
): Promise<{ readonly record: MigrationRecord; readonly holder: string } | undefined> {
  const record = unfinished(records)
  if (!record || (record.note?.error !== undefined && record.note.dir !== 'undo')) return undefined
  const holder = await connection.lockHolder({ migrating: true })
  return holder === undefined ? undefined : { record, holder }
}

/** @throws {LockError} while a migration is being applied or unapplied: nobody can tell yet what will be left to do */
export async function refuseRunning(
  connection: Pick<Connection, 'lockHolder'>,
  known: readonly MigrationRecord[],
): Promise<void> {
  const found = await running(connection, known)
  if (found === undefined) return
  throw new LockError(
    `${found.record.name} is being ${found.record.note?.dir === 'up' ? 'applied' : 'unapplied'} at this moment: the migration lock is held by ${found.holder}.`,
    { hint: 'Wait for it to end: rays status shows how far it is.' },
  )
}

/** A migration's record that rays left unfinished, if there is one. */
export function unfinished(records: readonly MigrationRecord[]): MigrationRecord | undefined {
  return records.find((record) => record.state === 'failed' && record.note?.dir !== undefined)
}
