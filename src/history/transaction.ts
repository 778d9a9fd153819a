/** Migrations whose operations and rows are in a transaction: each in one of its own, or all of a run in one. */
import { randomUUID } from 'node:crypto'
import {
  CommitRefusedError,
  CommitUnknownError,
  type Connection,
  ForeignKeyError,
  LockLostError,
  type Transaction,
  TransactionEndedError,
} from '../../engines/engine.js'
import { DecisionError, FailedError, type InterruptedError, LockError, RaysError } from '../errors.js'
import { cancellable, interrupted } from '../interruption.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { capital } from '../text.js'
import { AppliedSet, changedMeanwhile, doneAlready, statesSql } from './applied-set.js'
import { runOperations } from './direction.js'
import { isThere, noteBehind, recordOf } from './hook-notes.js'
import { isHookNote, logsOf } from './note.js'
import { operationError } from './operation.js'
import { countOf, countSql, finishedAtSql, insertion, Recorder, records, removal, reopening } from './recorder.js'
import { appliedRow, failedRow } from './rows.js'
import type { ExecuteOptions, Running, StepResult } from './running.js'

/** What was to be done is there already: another rays was first, where the lock is taken by each transaction anew. */
export class DoneElsewhere extends Error {
  /** @param count how many of the next migrations it did */
  constructor(readonly count: number) {
    super()
  }
}

/**
 * Where each transaction takes the lock anew: that the applied set is still the one of the plan.
 * @throws {DoneElsewhere}; {@link LockError} (4) where another run went another way
 */
export function refuseMoved(options: Running, name: string, now: AppliedSet): void {
  const count = doneElsewhere(options, name, now)
  if (count > 0) throw new DoneElsewhere(count)
}

/** How many of the migrations from this one on another run has done. */
function doneElsewhere({ expected, direction, migrations, whole }: Running, from: string, now: AppliedSet): number {
  const names = migrations.map(({ migration }) => migration.name)
  const left = names.slice(names.indexOf(from))
  const count = expected.doneElsewhere(now, direction, left)
  if (whole && count > 0) throw doneAlready(direction, left.slice(0, count))
  return count
}

/** @throws {InterruptedError} where a signal has come */
export function refuseInterrupted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted) throw stopped(signal, `before ${name} began`)
}

/** The error for a signal: what was stopped, and how things stand. */
function stopped(signal: AbortSignal, when: string): InterruptedError {
  return interrupted(signal, `Interrupted ${when}.`, { hint: 'rays migrate goes on from here.' })
}

/**
 * One migration in a transaction of its own. Returns the connection to go on with where it is another one: the old one was
 * lost while committing.
 */
export async function inItsOwn(options: Running, loaded: LoadedMigration): Promise<Connection | undefined> {
  const { connection, direction } = options
  const { migration } = loaded
  const { name } = migration
  const recorder = new Recorder(connection, options.other)
  const recording = recordingOf(options, loaded)
  let moved: Connection | undefined
  let asked = false
  try {
    const { history, engine, lockPerTransaction } = connection
    const ask = lockPerTransaction ? statesSql(history) : countSql(history, engine.literal(name))
    const work = async (transaction: Transaction) => {
      const answer = transaction.answer ?? (await connection.raw(ask))
      asked = true
      if (lockPerTransaction) refuseMoved(options, name, AppliedSet.read(answer))
      else if (direction === 'up' ? countOf(answer) > 0 : countOf(answer) === 0) throw changedHere(name, direction)
      await runAll(options, loaded, transaction)
      if (transaction.last) {
        if (direction === 'down') await removeElsewhere(options, recorder, transaction, name)
        transaction.last(recording.sql())
      } else if (direction === 'up') await recorder.insert(recording.row())
      else if (recording.note) {
        await recorder.removeElsewhere(name)
        await recorder.reopen(name, logsOf(recording.note))
      } else await recorder.remove(name)
    }
    const { foreignKeysOff } = loaded
    await cancellable(options.signal, connection, () => connection.transaction({ foreignKeysOff, ask }, work))
  } catch (error) {
    if (error instanceof CommitUnknownError) moved = await afterUnknownCommit(options, loaded, recording.id, error)
    else if (!asked && isGone(connection, error)) throw changedMeanwhile([], [])
    else throw await stepError(error, options, loaded, recording.id)
  }
  await (moved ?? connection).restoreSettings()
  return moved
}

/** The history itself is gone: another run has emptied the database. */
function isGone({ engine, lockPerTransaction }: Connection, error: unknown): boolean {
  return lockPerTransaction === true && engine.explain(error).kind === 'missing-table'
}

/**
 * All migrations in one transaction: the first that fails takes all others back.
 * @param begun told which of them is run now, from 0
 */
export async function allInOne(options: Running, begun: (index: number) => void): Promise<StepResult[]> {
  const { connection, direction, migrations, onProgress } = options
  const recorder = new Recorder(connection, options.other)
  const done: StepResult[] = []
  let at = migrations[0]!
  let id = ''
  const work = async (transaction: Transaction) => {
    const now = await AppliedSet.now(recorder)
    const passed = connection.lockPerTransaction ? doneElsewhere(options, at.migration.name, now) : 0
    for (const { migration } of migrations.slice(0, passed))
      onProgress?.({ kind: 'elsewhere', name: migration.name, direction })
    for (const [index, loaded] of migrations.entries()) {
      if (index < passed) continue
      const { name } = loaded.migration
      refuseInterrupted(options.signal, name)
      if ((direction === 'up') === now.names.includes(name)) throw changedHere(name, direction)
      at = loaded
      begun(index)
      onProgress?.({ kind: 'start', name, direction, index, total: migrations.length })
      transaction.begin?.({ foreignKeysOff: loaded.foreignKeysOff })
      const started = performance.now()
      const recording = recordingOf(options, loaded)
      id = recording.id
      await runAll(options, loaded, transaction)
      if (direction === 'down') await removeElsewhere(options, recorder, transaction, name)
      await transaction.next!(recording.sql())
      done.push({
        name,
        direction,
        operations: loaded.operations.length,
        milliseconds: performance.now() - started,
      })
    }
  }
  const foreignKeysOff = migrations.some((loaded) => loaded.foreignKeysOff)
  let moved: Connection | undefined
  try {
    await cancellable(options.signal, connection, () => connection.transaction({ foreignKeysOff, shared: true }, work))
  } catch (error) {
    if (error instanceof CommitUnknownError) moved = await afterUnknownCommit(options, at, id, error)
    else throw await stepError(error, options, at, id)
  }
  await (moved ?? connection).restoreSettings()
  for (const { name, milliseconds } of done) onProgress?.({ kind: 'done', name, direction, milliseconds })
  return done
}

/** Out of the other history, in the session's own settings and rights. */
async function removeElsewhere(options: ExecuteOptions, recorder: Recorder, transaction: Transaction, name: string) {
  if (!options.other) return
  await transaction.record?.()
  await recorder.removeElsewhere(name)
}

/** The operations of one migration, in the order of the direction. */
async function runAll(options: ExecuteOptions, loaded: LoadedMigration, transaction: Transaction): Promise<void> {
  const { connection, direction, operationTimeoutMs, signal, guard } = options
  const { operations, migration } = loaded
  const { length } = operations
  await runOperations({
    connection,
    loaded,
    direction,
    operationTimeoutMs,
    signal,
    guard,
    before: (operation) =>
      options.onProgress?.({ kind: 'operation', name: migration.name, operation, operations: length }),
    after: (operation) => checkTransaction(transaction, operation),
  })
  if (signal?.aborted) throw stopped(signal, `during ${migration.name}`)
}

/** How the history comes to know of the migration once its operations are done. */
export function recordingOf(options: ExecuteOptions, loaded: LoadedMigration) {
  const { history, engine } = options.connection
  const { name } = loaded.migration
  const id = randomUUID()
  const startedAt = new Date()
  // Where a program runs behind it, the row is unfinished until that has ended.
  const note = noteBehind(options, loaded)
  const row = () => ({
    ...appliedRow(loaded, { startedAt, batch: options.batch }),
    id,
    ...(note && { finishedAt: null, logs: logsOf(note) }),
  })
  const sql = () => {
    if (options.direction === 'up') return insertion(row(), history, engine.literal)
    return note ? reopening(name, logsOf(note), history, engine.literal) : removal(name, history, engine.literal)
  }
  /** The same, sent before the operations are done: only the database will know when they are. */
  const sqlAhead = (before: string | undefined) => {
    if (options.direction === 'down') return sql()
    const sent = engine.literal(history.time(startedAt))
    return insertion(row(), history, engine.literal, {
      startedAt: before === undefined ? sent : finishedAtSql(history, engine.literal(before)),
      finishedAt: history.since!(sent),
    })
  }
  return { id, note, row, sql, sqlAhead }
}

async function checkTransaction(transaction: { check(): Promise<void> }, operation: number): Promise<void> {
  try {
    await transaction.check()
  } catch (error) {
    if (error instanceof Error) Object.defineProperty(error, 'operation', { value: operation, configurable: true })
    throw error
  }
}

export function changedHere(name: string, direction: 'up' | 'down'): DecisionError {
  return new DecisionError(
    `${name} was ${direction === 'up' ? 'applied' : 'unapplied'} by another program while rays held the lock.`,
    {
      code: 'E_CHANGED_MEANWHILE',
      hint: 'rays status shows where things stand.',
    },
  )
}

/** What a failed transaction means to the person who runs it. Everything of the migration was rolled back, but for an ended transaction. */
export async function stepError(
  error: unknown,
  options: ExecuteOptions,
  loaded: LoadedMigration,
  id: string,
): Promise<unknown> {
  const { connection, direction, signal } = options
  const { name } = loaded.migration
  const { operation } = error as { operation?: number }
  const where = operation === undefined ? name : `${name}, operation ${operation}`
  const undone = undoneBy(options, name)
  if (error instanceof DoneElsewhere) return error
  if (signal?.aborted) return stopped(signal, `during ${name}; ${undone.all}`)
  if (error instanceof TransactionEndedError) {
    const others = undone.alone ? '' : ` ${await whatBecame(options, name)}`
    const message = `Operation ${operation} of ${name} ended the transaction: what it and the operations before it did may be in the database.${others}`
    if (direction === 'up') await recordFailure(connection, loaded, id, message)
    return new DecisionError(message, {
      cause: error,
      where,
      code: 'E_TRANSACTION_ENDED',
      hint: `Remove COMMIT, ROLLBACK and BEGIN from the migration, put the database right, then: ${undone.alone ? 'rays migrate --fake, or ' : ''}prisma migrate resolve --rolled-back${undone.alone ? '' : ` ${name}, and rays migrate`}.`,
    })
  }
  if (error instanceof LockLostError)
    return new LockError(`${error.message} ${undone.names} rolled back.`, {
      cause: error,
      where,
      hint: 'Run the command again.',
    })
  if (error instanceof CommitRefusedError)
    return new FailedError(`${undone.names} rolled back by the database: ${error.message}`, {
      cause: error,
      where,
      hint: 'An operation caught the error of a statement. In a transaction the database undoes everything after such an error: let it through, or avoid it.',
    })
  if (error instanceof ForeignKeyError)
    return new FailedError(`${undone.names} rolled back: ${error.message}`, {
      cause: error,
      where,
      hint: undone.alone
        ? 'Correct the rows or the migration.'
        : 'Correct the rows or the migration; or give each its own transaction: rays migrate --no-single-transaction.',
    })
  if (error instanceof RaysError) return error
  return operationError(error, { ...options, singleTransaction: !undone.alone }, loaded, `${capital(undone.all)}.`)
}

/** Whether a migration's transaction is its own. */
function isAlone({ singleTransaction, migrations }: ExecuteOptions): boolean {
  return !singleTransaction || migrations.length === 1
}

/** What a failure of the migration takes back, for a person. */
function undoneBy(options: ExecuteOptions, name: string): { alone: boolean; names: string; all: string } {
  if (isAlone(options))
    return { alone: true, names: `${name} was`, all: 'it was rolled back: the database is as it was before it' }
  return {
    alone: false,
    names: `${name} and with it the whole run were`,
    all: 'the whole run was rolled back: the database is as it was before it',
  }
}

/** The migrations that shared the transaction which one of them ended: a COMMIT and a ROLLBACK leave opposite things. */
async function whatBecame({ connection, migrations, direction }: ExecuteOptions, name: string): Promise<string> {
  const before = migrations.map(({ migration }) => migration.name)
  const earlier = before.slice(0, before.indexOf(name))
  if (earlier.length === 0) return ''
  const rows = await new Recorder(connection).read().catch(() => undefined)
  if (rows === undefined) return 'What became of the migrations before it is not known: rays status.'
  const known = new Set(records(rows).flatMap((record) => (record.state === 'absent' ? [] : [record.name])))
  const done = earlier.filter((each) => known.has(each) === (direction === 'up'))
  const told = direction === 'up' ? 'applied' : 'unapplied'
  return done.length === earlier.length
    ? `Before it ${earlier.join(', ')} ${earlier.length === 1 ? 'was' : 'were'} ${told}.`
    : `The migrations before it were taken back, and are not ${told}.`
}

/** A failed row, as Prisma leaves one, written outside of any transaction. */
async function recordFailure(connection: Connection, loaded: LoadedMigration, id: string, logs: string): Promise<void> {
  await new Recorder(connection).insert({ id, ...failedRow(loaded, logs) }).catch(() => undefined)
}

/**
 * The answer to COMMIT was lost. A new session finds out what became of it.
 * @throws {FailedError} when it was rolled back; {@link DecisionError} when nobody can tell
 */
async function afterUnknownCommit(
  options: ExecuteOptions,
  loaded: LoadedMigration,
  id: string,
  cause: CommitUnknownError,
): Promise<Connection> {
  const { name } = loaded.migration
  const what = isAlone(options) ? name : `the run with ${options.migrations.length} migrations`
  const connection = await reopened(options, what, cause)
  const recorder = new Recorder(connection)
  const committed = options.direction === 'up' ? await recorder.find(id) : await isUndone(recorder, name)
  if (committed) return connection
  await connection.close()
  throw rolledBack(what, cause)
}

/** Whether the migration itself is undone; a program behind it may be open. */
async function isUndone(recorder: Recorder, name: string): Promise<boolean> {
  const record = await recordOf(recorder, name)
  if (record === undefined || record.state === 'absent') return true
  return isHookNote(record.note) && !isThere(record.note)
}

/** @throws {DecisionError} where the database cannot be reached any more */
export async function reopened(
  { direction, reconnect }: ExecuteOptions,
  what: string,
  cause: unknown,
): Promise<Connection> {
  try {
    return await reconnect()
  } catch (error) {
    if (error instanceof RaysError && error.exitCode !== 1) throw error
    throw new DecisionError(
      `The connection was lost while ${what} was being committed, and the database cannot be reached: it is unknown whether it was ${direction === 'up' ? 'applied' : 'unapplied'}.`,
      {
        cause,
        code: 'E_COMMIT_UNKNOWN',
        hint: 'When the database is back: rays status tells, rays migrate goes on.',
      },
    )
  }
}

export function rolledBack(what: string, cause: unknown): FailedError {
  return new FailedError(`The connection was lost while ${what} was being committed; it was rolled back.`, {
    cause,
    code: 'E_CONNECTION',
    hint: 'Run the command again.',
  })
}
