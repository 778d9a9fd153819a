/** Runs a script that is no migration's: all of it, or what stays of it is said. */
import { CommitUnknownError, type Connection, type ErrorInfo } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { redact } from '../../engines/url.js'
import { InterruptedError, inTheWayHint, refusal } from '../errors.js'
import { cancellable, interrupted, stopIfInterrupted } from '../interruption.js'
import { splitUnsafeEnum } from '../migrations/hazards.js'
import { bullets } from '../text.js'

export interface ScriptRun {
  readonly signal?: AbortSignal
  /** What the command has done before, in words: no rollback takes it back. */
  readonly before?: readonly string[]
  /** What helps where the database refuses a statement, in place of what it says itself. */
  readonly hint?: string | ((error: ErrorInfo) => string)
  /** Finds out what became of a change whose answer was lost with the connection. Resolves where all of it is done. */
  readonly onLost?: (cause: unknown) => Promise<void>
}

/**
 * Runs a script in one transaction where the database has that; a new enum value is committed before it is used.
 * @throws {RaysError} which says what stays, {@link InterruptedError}, too
 */
export async function runScript(connection: Connection, script: string, run: ScriptRun = {}): Promise<void> {
  const { transactionalDdl } = connection.engine
  const { signal } = run
  // What no rollback takes back.
  const stays = [...(run.before ?? [])]
  const stop = async () => signal && stopIfInterrupted({ signal }, 'Interrupted.')
  try {
    for (const part of splitUnsafeEnum(script, connection.syntax) ?? [script]) {
      const own: string[] = []
      const statements = splitStatements(part, connection.syntax).map(({ text }) => text)
      const work = async () => {
        for (const sql of statements) {
          if (transactionalDdl && /^(BEGIN|COMMIT)$/i.test(sql)) continue
          await stop()
          await connection.raw(sql).catch((error: unknown) => {
            throw Object.assign(error as Error, { statement: sql })
          })
          const kept = transactionalDdl ? own : stays
          kept.push(redact(sql.replace(/\s+/g, ' ').slice(0, 200)))
        }
        if (transactionalDdl) await stop()
      }
      const foreignKeysOff = /PRAGMA\s+foreign_keys\s*=\s*off/i.test(part)
      if (transactionalDdl)
        await cancellable(signal, connection, () => connection.transaction({ foreignKeysOff }, work))
      else await work()
      stays.push(...own)
    }
  } catch (error) {
    const info = connection.engine.explain(error)
    const unknown = error instanceof CommitUnknownError || (!transactionalDdl && info.kind === 'connection')
    if (unknown && run.onLost) return run.onLost(error)
    if (!unknown && signal?.aborted && (transactionalDdl || error instanceof InterruptedError))
      throw interrupted(signal, `Interrupted while the change was being applied. ${whatStays(stays)}`)
    throw refused(error, info, stays, run)
  }
}

/** What was done all the same, for the end of a message. */
export function whatStays(stays: readonly string[]): string {
  return stays.length === 0 ? 'Nothing was changed.' : `What was done before it stays:\n${bullets(stays)}`
}

/** A statement that the database refused. */
function refused(error: unknown, info: ErrorInfo, stays: readonly string[], run: ScriptRun): unknown {
  if (info.code === '') return error
  const { statement } = error as { statement?: string }
  const message = `The database refused a statement: ${info.message} (${info.code}). ${whatStays(stays)}`
  const told = typeof run.hint === 'function' ? run.hint(info) : (info.hint ?? run.hint)
  const options = {
    cause: error,
    code: 'E_OPERATION',
    ...(statement && { where: redact(statement) }),
    hint: inTheWayHint(info.kind) ?? told,
  }
  return refusal(info.kind, redact(message), options, stays.length > 0)
}
