/**
 * Migrations whose statements are known before they are run, several in one message, each in a transaction of its own: what
 * they leave, fail with and record is the same as one by one, without waiting for the server between them.
 */
import { CommitUnknownError, type Connection, type WholeTransaction } from '../../engines/engine.js'
import { cancellable } from '../interruption.js'
import { operationName } from '../migrations/load.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { textsOf } from '../migrations/plain.js'
import type { ExecuteOptions, StepResult } from './executor.js'
import { OperationFailure } from './operation.js'
import { presentSql } from './recorder.js'
import { inOrder, isCommitted, recordingOf, refuseInterrupted, reopened, rolledBack, stepError } from './transaction.js'

/** So many go into a message at the most. */
const MOST = 32
/** A longer message is not made, in characters. */
const LONG = 100_000

/** What became of the next migrations. */
export interface Outcome {
  readonly done: readonly StepResult[]
  /** Why the one after them failed. */
  readonly error?: unknown
  /** The connection to go on with, where the old one was lost on the way. */
  readonly moved?: Connection
  /** How many of them another rays had done. */
  readonly passed?: number
}

/** A migration, and what is sent for it. */
interface Sent {
  readonly loaded: LoadedMigration
  readonly id: string
  readonly texts: readonly { readonly operation: number; readonly text: string }[]
  readonly whole: WholeTransaction
}

/**
 * Runs the next migrations of the plan, as many as go together; `left` where the next has to be run for itself.
 * @param from its index
 */
export async function sendAtOnce(options: ExecuteOptions, from: number): Promise<Outcome & { readonly left?: true }> {
  const sent = await gather(options, from)
  const [first] = sent
  if (!first) return { done: [], left: true }
  const { connection, direction, signal } = options
  const names = sent.map(({ loaded }) => loaded.migration.name)
  const done: StepResult[] = []
  const finish = (milliseconds: number) => {
    const name = names[done.length]!
    if (done.length > 0) announce(options, sent[done.length]!, from + done.length)
    options.onProgress?.({ kind: 'done', name, direction, milliseconds })
    done.push({ name, direction, operations: sent[done.length]!.loaded.operations.length, milliseconds })
  }
  try {
    refuseInterrupted(signal, names[0]!)
    announce(options, first, from)
    const started = performance.now()
    const expected = {
      ask: presentSql(connection.history, names.map(connection.engine.literal)),
      n: direction === 'up' ? 0 : names.length,
    }
    const wholes = sent.map(({ whole }) => whole)
    const { committed, failure } = await cancellable(signal, connection, () => connection.atOnce!(wholes, expected))
    for (const milliseconds of committed) finish(milliseconds)
    if (!failure) return done.length > 0 ? { done } : { done, left: true }
    if (failure.error instanceof CommitUnknownError) {
      const each = (performance.now() - started) / sent.length
      return { done, moved: await afterLoss(options, sent, failure.error, () => finish(each)) }
    }
    const failed = sent[done.length]!
    if (done.length > 0) announce(options, failed, from + done.length)
    const error = failure.at ? failureOf(failed, failure.error, failure.at, direction) : failure.error
    return { done, error: await stepError(error, options, failed.loaded, failed.id) }
  } catch (error) {
    return { done, error }
  }
}

/** The migrations that go into the next message; none where the first cannot. */
async function gather(options: ExecuteOptions, from: number): Promise<Sent[]> {
  const { connection, direction, migrations } = options
  // A limit for an operation needs somebody who waits for it; so does what another history is to forget.
  if (!connection.atOnce || options.fake || options.operationTimeoutMs > 0) return []
  if (direction === 'down' && options.other) return []
  const sent: Sent[] = []
  let length = 0
  // Where the lock is taken by each transaction anew, so is what is expected.
  const most = connection.lockPerTransaction ? 1 : MOST
  for (const loaded of migrations.slice(from, from + most)) {
    const next = await read(options, loaded, sent.at(-1)?.id)
    if (next === undefined) break
    length += next.texts.reduce((sum, { text }) => sum + text.length, 0)
    if (sent.length > 0 && length > LONG) break
    sent.push(next)
  }
  return sent
}

/**
 * The connection was lost on the way, and any of the migrations may have been committed. Returns the new one where all were.
 * @param finish called for each that was
 */
async function afterLoss(
  options: ExecuteOptions,
  sent: readonly Sent[],
  cause: CommitUnknownError,
  finish: () => void,
): Promise<Connection> {
  const names = sent.map(({ loaded }) => loaded.migration.name)
  const what = names.length === 1 ? names[0]! : `what lies between ${names[0]} and ${names.at(-1)}`
  const connection = await reopened(options, what, cause)
  for (const [k, { id }] of sent.entries()) {
    if (!(await isCommitted(options, connection, names[k]!, id))) {
      await connection.close()
      throw rolledBack(names[k]!, cause)
    }
    finish()
  }
  return connection
}

/**
 * What the transaction of a migration holds; undefined where that is not known before it is run.
 * @param before the row of the migration before it in the message: this one begins when that one has finished
 */
async function read(
  options: ExecuteOptions,
  loaded: LoadedMigration,
  before: string | undefined,
): Promise<Sent | undefined> {
  const { programs = [] } = loaded
  if (!loaded.transaction || programs.length > 0) return undefined
  const { direction } = options
  const texts: { operation: number; text: string }[] = []
  for (const operation of inOrder(loaded.operations, direction)) {
    const [up, down] = loaded.operations[operation]!
    const own = await textsOf(direction === 'up' ? up : down!)
    if (!own?.every((text) => options.connection.isPlain!(text))) return undefined
    texts.push(...own.map((text) => ({ operation, text })))
  }
  const recording = recordingOf(options, loaded)
  const whole = { texts: texts.map(({ text }) => text), last: recording.sqlAhead(before) }
  return { loaded, id: recording.id, texts, whole }
}

function announce(options: ExecuteOptions, { loaded }: Sent, index: number): void {
  const { direction, migrations, onProgress } = options
  const { name } = loaded.migration
  onProgress?.({ kind: 'start', name, direction, index, total: migrations.length })
  const operations = loaded.operations.length
  for (const operation of inOrder(loaded.operations, direction))
    onProgress?.({ kind: 'operation', name, operation, operations })
}

function failureOf(
  { loaded, texts }: Sent,
  error: unknown,
  at: { readonly text: number; readonly completed: number },
  direction: 'up' | 'down',
): OperationFailure {
  const { operation, text } = texts[at.text]!
  const before = texts.slice(0, at.text).filter((other) => other.operation === operation).length
  const run = loaded.operations[operation]![direction === 'up' ? 0 : 1]
  return new OperationFailure(operation, operationName(run), text, before + at.completed, error)
}
