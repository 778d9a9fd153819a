/** Runs a plan: per migration one transaction with the operations and the row, or the journal where there is none. */
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
import { DecisionError, FailedError, type InterruptedError, LockError, RaysError, UsageError } from '../errors.js'
import { cancellable, interrupted } from '../interruption.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { bullets } from '../text.js'
import { Journal } from './journal.js'
import { operationError, runOperation } from './operation.js'
import {
  countOf,
  countSql,
  insertion,
  type MigrationRecord,
  type OtherHistory,
  Recorder,
  records,
  removal,
} from './recorder.js'

export interface ExecuteOptions {
  /** The session that holds the lock. */
  readonly connection: Connection
  readonly direction: 'up' | 'down'
  /** In the order in which they run. */
  readonly migrations: readonly LoadedMigration[]
  readonly records: readonly MigrationRecord[]
  /** Change the record only. */
  readonly fake: boolean
  readonly batch: number
  /** Another tool's history, out of which a migration is taken in the transaction that unapplies it. */
  readonly other?: OtherHistory | undefined
  /** Milliseconds an operation may take; 0 is no limit. */
  readonly operationTimeoutMs: number
  /** Passwords that no error in the history may tell. */
  readonly secrets?: readonly string[]
  /** On a database without transactional DDL: leave what was done when an operation fails. */
  readonly noUndo?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** Opens a new session with the lock, to find out what became of a COMMIT whose answer was lost. */
  readonly reconnect: () => Promise<Connection>
  /** What runs around each migration, outside of its transaction. Where `after` fails, the migration is undone. */
  readonly around?:
    | {
        readonly before: (migration: LoadedMigration) => Promise<void>
        readonly after: (migration: LoadedMigration) => Promise<void>
      }
    | undefined
  /** Called between the work and COMMIT of each transactional migration (project hooks); its failure undoes the migration. */
  readonly beforeCommit?: (migration: LoadedMigration) => Promise<void>
}

export type Progress =
  | {
      readonly kind: 'start'
      readonly name: string
      readonly direction: 'up' | 'down'
      readonly index: number
      readonly total: number
    }
  | { readonly kind: 'operation'; readonly name: string; readonly operation: number; readonly operations: number }
  /** Another rays was first. */
  | { readonly kind: 'elsewhere'; readonly name: string; readonly direction: 'up' | 'down' }
  | { readonly kind: 'done'; readonly name: string; readonly direction: 'up' | 'down'; readonly milliseconds: number }

export interface StepResult {
  readonly name: string
  readonly direction: 'up' | 'down'
  readonly operations: number
  readonly milliseconds: number
}

/** An error that knows what of the plan had been done before it. */
export interface PartialFailure {
  readonly done: readonly StepResult[]
}

/**
 * Runs the migrations one after another. What was done stays done when a later one fails.
 * @throws {FailedError} (1) the failed migration left nothing behind; {@link DecisionError} (3) the database needs a
 * person; {@link LockError} (4); {@link InterruptedError}. Each carries `data.done`, the migrations that were done.
 */
export async function execute(options: ExecuteOptions): Promise<StepResult[]> {
  if (options.direction === 'down' && !options.fake) refuseMissingDowns(options.migrations)
  const done: StepResult[] = []
  let connection = options.connection
  for (const [index, migration] of options.migrations.entries()) {
    const { name } = migration.migration
    try {
      interruptedBefore(options.signal, name)
      options.onProgress?.({
        kind: 'start',
        name,
        direction: options.direction,
        index,
        total: options.migrations.length,
      })
      const started = performance.now()
      await options.around?.before(migration)
      connection = (await step({ ...options, connection }, migration)) ?? connection
      await runAfter({ ...options, connection }, migration)
      const milliseconds = performance.now() - started
      done.push({
        name,
        direction: options.direction,
        operations: options.fake ? 0 : migration.operations.length,
        milliseconds,
      })
      options.onProgress?.({ kind: 'done', name, direction: options.direction, milliseconds })
    } catch (error) {
      if (error instanceof DoneElsewhere) {
        options.onProgress?.({ kind: 'elsewhere', name, direction: options.direction })
        continue
      }
      throw withDone(error, done, options.migrations, index)
    }
  }
  return done
}

/** What was to be done is there already: another rays was first, where the lock is taken by each transaction anew. */
class DoneElsewhere extends Error {}

function refuseMissingDowns(migrations: readonly LoadedMigration[]): void {
  const missing = migrations.flatMap(({ migration, operations }) => {
    const without = operations.flatMap((pair, index) => (pair[1] === null ? [index] : []))
    if (without.length === 0) return []
    return [
      migration.codeFile === undefined
        ? `${migration.name} (made by Prisma: it has no migration.js)`
        : `${migration.name}, operation ${without.join(', ')}`,
    ]
  })
  if (missing.length === 0) return
  throw new UsageError(`The way down is missing, so nothing was run:\n${bullets(missing)}`, {
    code: 'E_NO_DOWN',
    hint: 'rays adopt writes downs for migrations made by Prisma; or write the down in migration.js.',
  })
}

function interruptedBefore(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted) throw stopped(signal, `before ${name} began`)
}

/** The error for a signal: what was stopped, and how things stand. */
function stopped(signal: AbortSignal, when: string): InterruptedError {
  return interrupted(signal, `Interrupted ${when}.`, { hint: 'rays migrate goes on from here.' })
}

function withDone(
  error: unknown,
  done: readonly StepResult[],
  all: readonly LoadedMigration[],
  index: number,
): unknown {
  if (!(error instanceof RaysError)) return error
  const failed = all[index]!.migration.name
  const notRun = all.slice(index + 1).map((m) => m.migration.name)
  Object.defineProperty(error, 'data', {
    value: { ...error.data, failed, done: done.map((s) => s.name), notRun },
    enumerable: true,
  })
  return error
}

/** One migration. Returns the connection to go on with where it may be another one: the old one was lost while committing. */
async function step(options: ExecuteOptions, loaded: LoadedMigration): Promise<Connection | undefined> {
  if (options.fake) return fakeStep(options, loaded)
  const { connection } = options
  if (connection.engine.transactionalDdl && loaded.transaction) return transactionalStep(options, loaded)
  let session = connection
  const reconnect = async () => {
    session = await options.reconnect()
    return session
  }
  const { name } = loaded.migration
  const release = await connection.holdLock?.().catch(async (error: unknown) => {
    throw await stepError(error, options, loaded, '')
  })
  try {
    if (connection.lockPerTransaction && (await new Recorder(connection).isDone(name, options.direction)))
      throw new DoneElsewhere()
    await new Journal({ ...options, reconnect }, loaded).run()
    await session.restoreSettings()
  } finally {
    await release?.()
  }
  return session
}

/** What runs after a migration; its failure takes the migration back. */
async function runAfter(options: ExecuteOptions, loaded: LoadedMigration): Promise<void> {
  if (!options.around) return
  const { name } = loaded.migration
  const up = options.direction === 'up'
  try {
    await options.around.after(loaded)
  } catch (error) {
    const { message, code, where, hint } = error as RaysError
    const told = { cause: error, code, where, hint }
    try {
      if (up) refuseMissingDowns([loaded])
      const known = records((await new Recorder(options.connection).read()) ?? [])
      const { signal: _, ...rest } = options
      await step({ ...rest, direction: up ? 'down' : 'up', records: known }, loaded)
    } catch (second) {
      const why = second instanceof Error ? second.message : String(second)
      throw new DecisionError(
        `${message} ${name} stays ${up ? 'applied' : 'unapplied'}, for it could not be undone: ${why}`,
        told,
      )
    }
    throw new FailedError(`${message} ${name} was undone: it is ${up ? 'not applied' : 'applied'}, as before.`, told)
  }
}

async function fakeStep(
  { connection, direction, other }: ExecuteOptions,
  { migration, checksum }: LoadedMigration,
): Promise<undefined> {
  const recorder = new Recorder(connection, other)
  const at = new Date()
  await connection.transaction({}, async () => {
    if (direction === 'down') {
      await recorder.remove(migration.name)
      return
    }
    // Prisma: resolve --applied rolls back the open rows and writes a row with the same time twice and no steps.
    await recorder.rollBackOpenRows(migration.name, at)
    await recorder.insertApplied(migration.name, checksum, at)
  })
  return undefined
}

async function transactionalStep(options: ExecuteOptions, loaded: LoadedMigration): Promise<Connection | undefined> {
  const { connection, direction, signal } = options
  const { migration, operations, checksum, codeHash } = loaded
  const recorder = new Recorder(connection, options.other)
  const id = randomUUID()
  const startedAt = new Date()
  let moved: Connection | undefined
  try {
    const ask = countSql(connection.history, connection.engine.literal(migration.name))
    const work = async (transaction: Transaction) => {
      const present = transaction.answer ? countOf(transaction.answer) : await recorder.count(migration.name)
      if (direction === 'up' ? present > 0 : present === 0) {
        if (connection.lockPerTransaction && (await recorder.isDone(migration.name, direction)))
          throw new DoneElsewhere()
        throw changedMeanwhile(migration.name, direction)
      }
      const order = direction === 'up' ? operations.keys() : [...operations.keys()].reverse()
      for (const k of order) {
        options.onProgress?.({ kind: 'operation', name: migration.name, operation: k, operations: operations.length })
        await runOperation({ ...options, loaded, operation: k, direction })
        await checkTransaction(transaction, k)
      }
      if (signal?.aborted) throw stopped(signal, `during ${migration.name}; it was rolled back`)
      await options.beforeCommit?.(loaded)
      await transaction.record?.()
      const { name } = migration
      const { history, engine } = connection
      if (direction === 'down') {
        if (transaction.last) {
          await recorder.removeElsewhere(name)
          transaction.last(removal(name, history, engine.literal))
        } else await recorder.remove(name)
      } else {
        const logs = JSON.stringify({ rays: 1, batch: options.batch, ...(codeHash && { js: codeHash }) })
        const steps = Math.max(1, operations.length)
        const row = { id, name, checksum, startedAt, finishedAt: new Date(), logs, steps }
        if (transaction.last) transaction.last(insertion(row, history, engine.literal))
        else await recorder.insert(row)
      }
    }
    const { foreignKeysOff } = loaded
    await cancellable(signal, connection, () => connection.transaction({ foreignKeysOff, ask }, work))
  } catch (error) {
    if (error instanceof CommitUnknownError) moved = await afterUnknownCommit(options, loaded, id, error)
    else throw await stepError(error, options, loaded, id)
  }
  await (moved ?? connection).restoreSettings()
  return moved
}

async function checkTransaction(transaction: { check(): Promise<void> }, operation: number): Promise<void> {
  try {
    await transaction.check()
  } catch (error) {
    if (error instanceof Error) Object.defineProperty(error, 'operation', { value: operation, configurable: true })
    throw error
  }
}

function changedMeanwhile(name: string, direction: 'up' | 'down'): DecisionError {
  return new DecisionError(
    `${name} was ${direction === 'up' ? 'applied' : 'unapplied'} by another program while rays held the lock.`,
    {
      code: 'E_CHANGED_MEANWHILE',
      hint: 'rays status shows where things stand.',
    },
  )
}

/** What a failed transaction means to the person who runs it. Everything of the migration was rolled back, but for an ended transaction. */
async function stepError(
  error: unknown,
  options: ExecuteOptions,
  loaded: LoadedMigration,
  id: string,
): Promise<unknown> {
  const { connection, direction, signal } = options
  const { name } = loaded.migration
  const { operation } = error as { operation?: number }
  const where = operation === undefined ? name : `${name}, operation ${operation}`
  if (error instanceof DoneElsewhere) return error
  if (signal?.aborted)
    return stopped(signal, `during ${name}; it was rolled back, and the database is as it was before it`)
  if (error instanceof TransactionEndedError) {
    const message = `Operation ${operation} of ${name} ended the transaction: what it and the operations before it did may be in the database.`
    if (direction === 'up') await recordFailure(connection, loaded, id, message)
    return new DecisionError(message, {
      cause: error,
      where,
      code: 'E_TRANSACTION_ENDED',
      hint: 'Remove COMMIT, ROLLBACK and BEGIN from the migration, put the database right, then: rays migrate --fake, or prisma migrate resolve --rolled-back.',
    })
  }
  if (error instanceof LockLostError)
    return new LockError(`${error.message} ${name} was rolled back.`, {
      cause: error,
      where,
      hint: 'Run the command again.',
    })
  if (error instanceof CommitRefusedError)
    return new FailedError(`${name} was rolled back by the database: ${error.message}`, {
      cause: error,
      where,
      hint: 'An operation caught the error of a statement. In a transaction the database undoes everything after such an error: let it through, or avoid it.',
    })
  if (error instanceof ForeignKeyError)
    return new FailedError(`${name} was rolled back: ${error.message}`, {
      cause: error,
      where,
      hint: 'Correct the rows or the migration.',
    })
  if (error instanceof RaysError) return error
  return operationError(error, options, loaded)
}

/** A failed row, as Prisma leaves one, written outside of any transaction. */
async function recordFailure(connection: Connection, loaded: LoadedMigration, id: string, logs: string): Promise<void> {
  await new Recorder(connection)
    .insert({
      id,
      name: loaded.migration.name,
      checksum: loaded.checksum,
      startedAt: new Date(),
      finishedAt: null,
      logs,
      steps: 0,
    })
    .catch(() => undefined)
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
  let connection: Connection
  try {
    connection = await options.reconnect()
  } catch (error) {
    if (error instanceof RaysError && error.exitCode !== 1) throw error
    throw new DecisionError(
      `The connection was lost while ${name} was being committed, and the database cannot be reached: it is unknown whether it was ${options.direction === 'up' ? 'applied' : 'unapplied'}.`,
      {
        cause,
        code: 'E_COMMIT_UNKNOWN',
        hint: 'When the database is back: rays status tells, rays migrate goes on.',
      },
    )
  }
  const recorder = new Recorder(connection)
  const committed = options.direction === 'up' ? await recorder.find(id) : (await recorder.count(name)) === 0
  if (committed) return connection
  await connection.close()
  throw new FailedError(`The connection was lost while ${name} was being committed; it was rolled back.`, {
    cause,
    code: 'E_CONNECTION',
    hint: 'Run the command again.',
  })
}
