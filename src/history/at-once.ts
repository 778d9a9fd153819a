/**
 * Migrations whose statements are known before they are run, several in one message, each in a transaction of its own: what
 * they leave, fail with and record is the same as one by one, without waiting for the server between them.
 */
import {
  CommitUnknownError,
  type Connection,
  type Expected,
  type FailedText,
  type PlainText,
  type WholeTransaction,
} from '../../engines/engine.js'
import { cancellable } from '../interruption.js'
import { operationName } from '../migrations/load.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { textsOf } from '../migrations/plain.js'
import { exactlySql } from './applied-set.js'
import { inOrder } from './direction.js'
import { Journal } from './journal.js'
import { OperationFailure } from './operation.js'
import { presentSql, Recorder } from './recorder.js'
import type { ExecuteOptions, Running, StepResult } from './running.js'
import { recordingOf, refuseInterrupted, reopened, rolledBack, stepError } from './transaction.js'

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
  /** The operation that each text is of, by its index. */
  readonly operations: readonly number[]
  readonly whole: WholeTransaction
  /** Where no transaction holds it. */
  readonly journal?: Journal
}

/**
 * Runs the next migrations of the plan, as many as go together; undefined where the next has to be run for itself.
 * @param from its index
 */
export async function sendAtOnce(options: Running, from: number): Promise<Outcome | undefined> {
  const sent = await gather(options, from)
  const [first] = sent
  if (!first) return undefined
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
    const expected = expectedOf(options, names)
    const wholes = sent.map(({ whole }) => whole)
    const send = () => connection.atOnce!(wholes, expected)
    // What cannot be rolled back is finished, so that no half of it stays.
    const stops = connection.engine.transactionalDdl
    const { committed, failure } = await (stops ? cancellable(signal, connection, send) : send())
    for (const milliseconds of committed) finish(milliseconds)
    if (!failure) return done.length > 0 ? { done } : undefined
    if (failure.error instanceof CommitUnknownError) {
      const each = (performance.now() - started) / sent.length
      return { done, moved: await afterLoss(options, sent, failure.error, () => finish(each)) }
    }
    const failed = sent[done.length]!
    if (done.length > 0) announce(options, failed, from + done.length)
    const error = failure.at ? failureOf(failed, failure.error, failure.at, direction) : failure.error
    if (failed.journal) return { done, error: await failed.journal.failedAhead(error) }
    return { done, error: await stepError(error, options, failed.loaded, failed.id) }
  } catch (error) {
    return { done, error }
  }
}

/** What the history must say for anything to be begun: with a lock that lasts, of these migrations alone. */
function expectedOf({ connection, direction, expected }: Running, names: readonly string[]): Expected {
  const { history, engine, lockPerTransaction } = connection
  const literals = (texts: readonly string[]) => texts.map((text) => engine.literal(text))
  if (lockPerTransaction) return { ask: exactlySql(history, literals(expected.names)), n: expected.names.length }
  return { ask: presentSql(history, literals(names)), n: direction === 'up' ? 0 : names.length }
}

/** The migrations that go into the next message; none where the first cannot. */
async function gather(options: ExecuteOptions, from: number): Promise<Sent[]> {
  const { connection, direction, migrations } = options
  // A limit for an operation needs somebody who waits for it; so does what another history is to forget, and whoever looks
  // at each statement when those before it are done.
  if (!connection.atOnce || options.fake || options.operationTimeoutMs > 0 || options.guard) return []
  if (direction === 'down' && options.other) return []
  const sent: Sent[] = []
  let length = 0
  // Where the lock is taken by each transaction anew, so is what is expected.
  const most = connection.lockPerTransaction ? 1 : MOST
  for (const loaded of migrations.slice(from, from + most)) {
    const next = await read(options, loaded, sent.at(-1)?.id)
    if (next === undefined) break
    length += next.whole.texts.reduce((sum, { text }) => sum + text.length, 0)
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
  const rows = (await new Recorder(connection).read()) ?? []
  for (const [k, each] of sent.entries()) {
    const own = rows.find(({ id }) => id === each.id)
    const named = rows.some((row) => row.name === names[k] && row.rolledBackAt === null)
    if (options.direction === 'up' ? own?.finishedAt : !named) {
      finish()
      continue
    }
    const left = own && (await each.journal?.failedAhead(lostIn(each, cause), connection))
    await connection.close()
    throw left ?? rolledBack(names[k]!, cause)
  }
  return connection
}

/** The connection was lost in the one operation of a migration. */
function lostIn(sent: Sent, { cause }: CommitUnknownError): OperationFailure {
  return failureOf(sent, cause, { text: 0, completed: 0, statement: sent.whole.texts[0]!.text }, 'up')
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
  const { direction, connection } = options
  if (programs.length > 0 || (connection.engine.transactionalDdl && !loaded.transaction)) return undefined
  const texts: PlainText[] = []
  const operations: number[] = []
  for (const operation of inOrder(loaded, direction)) {
    const [up, down] = loaded.operations[operation]!
    const own = textsOf(direction === 'up' ? up : down!)
    if (own === undefined) return undefined
    for (const text of own) {
      const plain = connection.readPlain!(text)
      if (plain === undefined) return undefined
      texts.push(plain)
      operations.push(operation)
    }
  }
  if (!connection.engine.transactionalDdl) {
    // With more operations a signal would not be heard between them.
    if (direction === 'down' || loaded.operations.length !== 1 || texts.length !== 1) return undefined
    const journal = new Journal(options, loaded)
    const { id, first, last } = journal.ahead()
    return { loaded, id, operations, whole: { first, texts, last }, journal }
  }
  const recording = recordingOf(options, loaded)
  return { loaded, id: recording.id, operations, whole: { texts, last: recording.sqlAhead(before) } }
}

function announce(options: ExecuteOptions, { loaded }: Sent, index: number): void {
  const { direction, migrations, onProgress } = options
  const { name } = loaded.migration
  onProgress?.({ kind: 'start', name, direction, index, total: migrations.length })
  const operations = loaded.operations.length
  for (const operation of inOrder(loaded, direction)) onProgress?.({ kind: 'operation', name, operation, operations })
}

function failureOf(
  { loaded, operations }: Sent,
  error: unknown,
  at: FailedText,
  direction: 'up' | 'down',
): OperationFailure {
  const operation = operations[at.text]!
  const before = at.text - operations.indexOf(operation)
  const run = loaded.operations[operation]![direction === 'up' ? 0 : 1]
  return new OperationFailure(operation, operationName(run), at.statement, before + at.completed, error)
}
