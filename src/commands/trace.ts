/** What migrations send, found by running them in a transaction that is rolled back (`--trace`). */
import type { Connection } from '../../engines/engine.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { UsageError } from '../errors.js'
import { runOperations } from '../history/direction.js'
import type { Sending } from '../history/guard.js'
import { operationError } from '../history/operation.js'
import { cancellable, interrupted } from '../interruption.js'
import type { SentStatement } from '../migrations/course.js'
import type { LoadedMigration } from '../migrations/migration.js'
import type { Context } from './host.js'

export interface Traced {
  readonly name: string
  readonly statements: readonly SentStatement[]
}

/** Everything was run, and is to be taken back. */
class Ran extends Error {}

/**
 * Runs the migrations one after the other, as they are, and takes all of it back. What their code does outside of the database
 * is done.
 * @throws {UsageError} where it could not be taken back; {@link FailedError} where one of them fails; {@link InterruptedError}
 */
export async function trace(
  { host, config }: Context,
  connection: Connection,
  migrations: readonly LoadedMigration[],
  direction: 'up' | 'down',
): Promise<Traced[]> {
  refuseUntraceable(connection, migrations)
  const traced: { name: string; statements: SentStatement[] }[] = []
  let at = migrations[0]
  const look = async ({ sql, params }: Sending) => {
    refuseControl(sql, connection)
    traced.at(-1)?.statements.push({ sql, ...(params && params.length > 0 && { params }) })
  }
  const run = async () => {
    for (const loaded of migrations) {
      at = loaded
      traced.push({ name: loaded.migration.name, statements: [] })
      const { operationTimeoutMs } = config
      await runOperations({ connection, loaded, direction, operationTimeoutMs, signal: host.signal, guard: { look } })
    }
    throw new Ran()
  }
  try {
    const foreignKeysOff = migrations.some((loaded) => loaded.foreignKeysOff)
    await cancellable(host.signal, connection, () => connection.transaction({ foreignKeysOff }, run))
  } catch (error) {
    if (host.signal.aborted) throw interrupted(host.signal, 'Interrupted while it was traced; nothing was changed.')
    if (!(error instanceof Ran)) throw at ? operationError(error, { connection, direction }, at, TAKEN_BACK) : error
  } finally {
    await connection.restoreSettings().catch(() => undefined)
  }
  return traced
}

const TAKEN_BACK = 'It was only traced, and was rolled back: nothing was changed.'
const WITHOUT = 'Without --trace the source is shown, and nothing is run.'

function refuseUntraceable({ engine }: Connection, migrations: readonly LoadedMigration[]): void {
  if (!engine.transactionalDdl) {
    throw new UsageError(
      '--trace runs migrations in a transaction that is rolled back, and here statements that change the schema end it. Nothing was run.',
      { code: 'E_TRACE', hint: WITHOUT },
    )
  }
  const outside = migrations.filter(({ transaction }) => !transaction).map(({ migration }) => migration.name)
  if (outside.length === 0) return
  throw new UsageError(
    `${outside.join(', ')} cannot run in a transaction (transaction = false), and so not be traced. Nothing was run.`,
    { code: 'E_TRACE', hint: WITHOUT },
  )
}

const CONTROL = /^(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|PREPARE)$/

/** What would end the transaction would leave behind what was only to be traced. */
function refuseControl(sql: string, { syntax }: Connection): void {
  for (const { text } of splitStatements(sql, syntax)) {
    const words = [...tokens(text, syntax)].filter(({ kind }) => kind === 'word')
    const [first = '', second = ''] = words.map(({ start, end }) => text.slice(start, end).toUpperCase())
    const apart = (first === 'ROLLBACK' && second === 'TO') || (first === 'PREPARE' && second !== 'TRANSACTION')
    if (!CONTROL.test(first) || apart) continue
    throw new UsageError(`${text} would end the transaction in which it is traced. What was run was rolled back.`, {
      code: 'E_TRACE',
      hint: WITHOUT,
    })
  }
}
