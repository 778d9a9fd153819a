/** Runs a plan: the migrations in transactions, or by the journal where there are none. */
import type { Connection } from '../../engines/engine.js'
import { RaysError } from '../errors.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { AppliedSet } from './applied-set.js'
import { holdLock, stepWithHooks } from './around.js'
import { type Outcome, sendAtOnce } from './at-once.js'
import { refuseMissingDowns } from './downs.js'
import { Journal } from './journal.js'
import { Recorder } from './recorder.js'
import type { ExecuteOptions, Running, StepResult } from './running.js'
import { allInOne, DoneElsewhere, inItsOwn, refuseInterrupted, refuseMoved } from './transaction.js'

/**
 * Runs the migrations one after another. What was done stays done when a later one fails.
 * @throws {FailedError} (1) the failed migration left nothing behind; {@link DecisionError} (3) the database needs a
 * person; {@link LockError} (4); {@link InterruptedError}. Each carries `data.done`, the migrations that were done.
 */
export async function execute(options: ExecuteOptions): Promise<StepResult[]> {
  if (options.direction === 'down' && !options.fake) refuseMissingDowns(options.migrations)
  let expected = AppliedSet.of(options.records)
  if (options.singleTransaction && !options.fake) return inOneTransaction({ ...options, expected })
  const done: StepResult[] = []
  let connection = options.connection
  for (let index = 0; index < options.migrations.length; ) {
    const now = { ...options, connection, expected }
    const outcome = (await sendAtOnce(now, index)) ?? (await runOne(now, index))
    const { done: steps, moved, error, passed = 0 } = outcome
    connection = moved ?? connection
    done.push(...steps)
    const end = index + steps.length + passed
    expected = expected.after(
      options.direction,
      options.migrations.slice(index, end).map(({ migration }) => migration.name),
    )
    index = end
    if (error !== undefined) throw withDone(error, done, options.migrations, index)
  }
  return done
}

/** One migration, and what runs around it. */
async function runOne(options: Running, index: number): Promise<Outcome> {
  const { direction, migrations, onProgress } = options
  const loaded = migrations[index]!
  const { name } = loaded.migration
  try {
    refuseInterrupted(options.signal, name)
    onProgress?.({ kind: 'start', name, direction, index, total: migrations.length })
    const started = performance.now()
    const moved = await stepWithHooks(options, loaded, step)
    const milliseconds = performance.now() - started
    onProgress?.({ kind: 'done', name, direction, milliseconds })
    const operations = options.fake ? 0 : loaded.operations.length
    return { done: [{ name, direction, operations, milliseconds }], ...(moved && { moved }) }
  } catch (error) {
    if (!(error instanceof DoneElsewhere)) return { done: [], error }
    const passed = migrations.slice(index, index + error.count).map(({ migration }) => migration.name)
    for (const each of passed) onProgress?.({ kind: 'elsewhere', name: each, direction })
    return { done: [], passed: passed.length }
  }
}

async function inOneTransaction(options: Running): Promise<StepResult[]> {
  let at = 0
  try {
    return await allInOne(options, (index) => {
      at = index
    })
  } catch (error) {
    const rolledBack = options.migrations.slice(0, at).map(({ migration }) => migration.name)
    throw withDone(error, [], options.migrations, at, { rolledBack })
  }
}

function withDone(
  error: unknown,
  done: readonly StepResult[],
  all: readonly LoadedMigration[],
  index: number,
  more: object = {},
): unknown {
  if (!(error instanceof RaysError)) return error
  const failed = all[index]!.migration.name
  const notRun = all.slice(index + 1).map((m) => m.migration.name)
  Object.defineProperty(error, 'data', {
    value: { ...error.data, failed, done: done.map((s) => s.name), ...more, notRun },
    enumerable: true,
  })
  return error
}

/**
 * One migration, without what runs around it. Returns the connection to go on with where it may be another one: the old one
 * was lost while committing.
 */
export async function step(options: Running, loaded: LoadedMigration): Promise<Connection | undefined> {
  if (options.fake) return fakeStep(options, loaded)
  const { connection } = options
  if (connection.engine.transactionalDdl && loaded.transaction) return inItsOwn(options, loaded)
  let session = connection
  const reconnect = async () => {
    session = await options.reconnect()
    return session
  }
  const { name } = loaded.migration
  const release = await holdLock(options, loaded)
  try {
    if (connection.lockPerTransaction) refuseMoved(options, name, await AppliedSet.now(new Recorder(connection)))
    await new Journal({ ...options, reconnect, hook: options.around?.hookOf(loaded, 'behind') }, loaded).run()
    // Of a session that is lost whoever uses it next will hear.
    await session.restoreSettings().catch((error: unknown) => {
      if (session.engine.explain(error).kind !== 'connection') throw error
    })
  } finally {
    await release?.()
  }
  return session
}

async function fakeStep(options: Running, { migration, checksum }: LoadedMigration): Promise<undefined> {
  const { connection, direction, other } = options
  const recorder = new Recorder(connection, other)
  const at = new Date()
  await connection.transaction({}, async () => {
    if (connection.lockPerTransaction) refuseMoved(options, migration.name, await AppliedSet.now(recorder))
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
