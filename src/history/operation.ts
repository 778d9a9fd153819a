/** Runs one operation, and says what went wrong in it. */

import { type Connection, type ErrorInfo, LockTimeoutError } from '../../engines/engine.js'
import { knownSecrets, redact } from '../../engines/url.js'
import { FailedError, InterruptedError, inTheWayHint, notFree, RaysError, refusal } from '../errors.js'
import { operationName } from '../migrations/load.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { scriptOf } from '../migrations/plain.js'
import { capital } from '../text.js'
import { guardUserCode, readable, saying } from '../user-code.js'
import { DestructiveStatement, type Guard } from './guard.js'
import { type Look, OperationClient, type OperationSession } from './operation-client.js'

export interface RunOperation {
  readonly connection: OperationSession
  readonly loaded: LoadedMigration
  /** Index of the operation, from 0. */
  readonly operation: number
  readonly direction: 'up' | 'down'
  /** Milliseconds it may take; 0 is no limit. */
  readonly operationTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** The process is another program's: its exit, and rejections that nobody handles, are none of the operation's. */
  readonly unguarded?: boolean
  /** Looks at each statement before it is sent. */
  readonly guard?: Guard | undefined
}

/** An operation failed; `completed` says how many of its statements had ended well. */
export class OperationFailure extends Error {
  override readonly name = 'OperationFailure'
  constructor(
    readonly operation: number,
    readonly functionName: string,
    readonly statement: string,
    readonly completed: number,
    cause: unknown,
  ) {
    super(`operation ${operation} failed`, { cause })
  }
}

/**
 * Runs one direction of an operation to its very end: until every statement that it sent has ended, awaited or not.
 * @throws {OperationFailure}
 */
export async function runOperation(run: RunOperation): Promise<OperationClient> {
  const pair = run.loaded.operations[run.operation]!
  const work = run.direction === 'up' ? pair[0] : pair[1]
  if (work === null) throw new Error(`operation ${run.operation} of ${run.loaded.migration.name} has no down`)
  let over = false
  const watch = run.guard && new Watch(run.guard, run)
  const mayBeSent = () => {
    // A statement that is stopped need not fail: MySQL's SLEEP answers 1.
    if (over) throw new Error(`the operation did not end in time`)
    // Databases that roll back stop between statements; the others finish the operation, so that no half of one stays.
    if (run.signal?.aborted && run.connection.engine.transactionalDdl) throw new InterruptedError('Interrupted.')
  }
  const client = new OperationClient(run.connection, mayBeSent, watch?.look)
  // A script runs beside the client, so the client does not know that the session is busy with it.
  const isScript = run.loaded.migration.codeFile === undefined
  const guard = {
    what: `operation ${run.operation} of ${run.loaded.migration.name}`,
    timeoutMs: run.operationTimeoutMs,
    onTimeout: () => {
      over = true
      if (isScript || client.busy) void run.connection.cancel()
    },
  }
  try {
    const whole = async () => {
      const script = scriptOf(work)
      if (script !== undefined) await watch?.look(script, undefined)
      if (!isScript) client.watchIdle(true)
      await work({ client })
      client.watchIdle(false)
      await client.settle()
      watch?.rethrow()
    }
    await (run.unguarded ? whole() : guardUserCode(guard, whole))
    return client
  } catch (thrown) {
    const error = watch?.refused ?? readable(thrown)
    await client.settle().catch(() => undefined)
    throw new OperationFailure(
      run.operation,
      operationName(work),
      statementOf(error) ?? client.lastStatement,
      client.completed + completedOf(error),
      error,
    )
  } finally {
    client.watchIdle(false)
  }
}

/** One operation, of which no statement is sent any more once one was refused, whatever becomes of the error. */
class Watch {
  refused: DestructiveStatement | undefined

  constructor(
    readonly guard: Guard,
    readonly run: Pick<RunOperation, 'loaded' | 'operation' | 'direction'>,
  ) {}

  look: Look = async (sql, params) => {
    this.rethrow()
    const { loaded, operation, direction } = this.run
    try {
      await this.guard.look({ loaded, operation, direction, sql, params })
    } catch (error) {
      if (error instanceof DestructiveStatement) this.refused = error
      throw error
    }
  }

  rethrow(): void {
    if (this.refused) throw this.refused
  }
}

/** How many statements of a script had ended well, which the client did not see (see Connection.script). */
function completedOf(error: unknown): number {
  return typeof error === 'object' && error !== null ? ((error as { completed?: number }).completed ?? 0) : 0
}

function statementOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? (error as { statement?: string }).statement : undefined
}

/**
 * The error of a failed operation, for a person: what, where, why, and what helps.
 * @param stays something of the migration is in the database all the same
 */
export function operationError(
  error: unknown,
  run: { connection: Pick<Connection, 'engine'>; direction: 'up' | 'down'; singleTransaction?: boolean },
  loaded: LoadedMigration,
  after = 'It was rolled back: the database is as it was before it.',
  stays = false,
): RaysError {
  const { name } = loaded.migration
  const failure = error instanceof OperationFailure ? error : undefined
  const cause = failure ? failure.cause : error
  if (cause instanceof RaysError && !(cause instanceof InterruptedError)) return cause
  if (cause instanceof LockTimeoutError) return notFree(cause, cause.waitedMs)
  if (cause instanceof DestructiveStatement) return destructive(cause, failure, loaded, { ...run, after })
  const info = run.connection.engine.explain(cause)
  // `ERROR` is what an engine calls an error that is not the database's.
  const fromDatabase = !['', 'UNKNOWN', 'ERROR'].includes(info.code)
  const at = failure ? `operation ${failure.operation} (${failure.functionName}) of ${name}` : name
  const foreign = (text: string) => redact(text, knownSecrets())
  const why = fromDatabase ? `${info.message} (${info.code})` : foreign(saying(cause))
  const where = [
    failure ? `${name}, operation ${failure.operation}, ${run.direction}: ${failure.functionName}` : name,
    failure?.statement && foreign(excerpt(failure.statement, fromDatabase ? info.position : undefined)),
    fromDatabase ? info.detail : foreign(stackIn(cause, loaded.migration.directory) ?? ''),
  ].filter(Boolean)
  const options = {
    cause,
    code: info.kind === 'connection' ? 'E_CONNECTION' : 'E_OPERATION',
    where: where.join('\n'),
    hint: together(hintFor(info, loaded) ?? info.hint, run.singleTransaction),
    data: {
      migration: name,
      operation: failure?.operation,
      databaseCode: fromDatabase ? info.code : undefined,
      statement: failure && foreign(failure.statement.slice(0, 2000)),
    },
  }
  return refusal(info.kind, `${capital(at)} failed: ${why}. ${after}`, options, stays)
}

/** A statement was not sent because of what it would have lost. */
function destructive(
  cause: DestructiveStatement,
  failure: OperationFailure | undefined,
  { migration: { name } }: LoadedMigration,
  { direction, after }: { readonly direction: 'up' | 'down'; readonly after: string },
): RaysError {
  const at = failure ? `operation ${failure.operation} (${failure.functionName}) of ${name}` : name
  const where = failure ? `${name}, operation ${failure.operation}, ${direction}: ${failure.functionName}` : name
  const statement = redact(cause.statement, knownSecrets())
  return new FailedError(`${capital(at)}: ${cause.message} ${after}`.trim(), {
    cause,
    code: 'E_DESTRUCTIVE',
    where: `${where}\n${excerpt(statement, undefined)}`,
    hint: cause.hint,
    data: { migration: name, operation: failure?.operation, losses: cause.losses, statement: statement.slice(0, 2000) },
  })
}

function stackIn(error: unknown, directory: string): string | undefined {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => line.includes(directory)) : []
  return lines.length > 0 ? lines.map((line) => line.trim()).join('\n') : undefined
}

/** The statement, cut to what matters, with a caret below the fault. */
export function excerpt(statement: string, position: number | undefined): string {
  const lines = statement.split('\n')
  if (position === undefined || position > statement.length) return limit(lines.slice(0, 12)).join('\n')
  let offset = 0
  let row = 0
  while (row < lines.length - 1 && offset + lines[row]!.length < position) offset += lines[row++]!.length + 1
  const column = position - offset
  const start = Math.max(0, column - 100)
  const line = lines[row]!.slice(start, start + 200)
  return [...limit(lines.slice(Math.max(0, row - 3), row)), line, `${' '.repeat(column - start)}^`].join('\n')
}

function limit(lines: string[]): string[] {
  return lines.map((line) => (line.length > 200 ? `${line.slice(0, 200)}…` : line))
}

/** What works in a transaction of its own may fail in one that others share. */
function together(hint: string | undefined, singleTransaction = false): string | undefined {
  if (!singleTransaction) return hint
  const apart = 'In a transaction of its own it may be possible: rays migrate --no-single-transaction.'
  return hint === undefined ? apart : `${hint} ${apart}`
}

function hintFor(info: ErrorInfo, loaded: LoadedMigration): string | undefined {
  const { codeFile, name } = loaded.migration
  const file = codeFile ?? `the migration.js that rays adopt gives ${name}`
  switch (info.kind) {
    case 'needs-no-transaction':
      return `This statement cannot run in a transaction. Take the migration out of it: add \`module.exports.transaction = false\` (or \`export const transaction = false\`) to ${file}.`
    case 'unsafe-enum':
      return 'PostgreSQL refuses a new enum value in the transaction that added it: move the use of the value to a migration of its own.'
    case 'aborted-transaction':
      return 'An operation caught the error of an earlier statement. PostgreSQL refuses everything after such an error: let it through, or avoid it.'
    case 'statement-timeout':
      return 'The statement took longer than --statement-timeout allows.'
    case 'permission':
    case 'read-only':
      return (
        info.hint ??
        'The user of the database URL needs the right to change the schema. docs/troubleshooting.md lists the grants.'
      )
    case 'connection':
      return 'Run the command again when the database is reachable.'
    case 'disk-full':
      return 'Free some space for the database and run the command again.'
    case 'data':
      return info.hint ?? 'The rows in the table do not fit. Correct them first, in an operation before this one.'
    default:
      return inTheWayHint(info.kind)
  }
}
