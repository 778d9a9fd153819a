/** The statements that code sends, written down instead of sent, or while they are sent. */
import type { Client, Row } from '../../engines/engine.js'
import type { Operation } from '../migrations/migration.js'
import type { Statement } from './form.js'

export interface Recording {
  readonly statements: readonly Statement[]
  /** The code asked for rows, so what it sends may depend on them. */
  readonly reads: boolean
}

/** Statements that ask for what the schema is, as query builders do. */
const CATALOG =
  /\b(information_schema|pg_catalog|pg_class|sqlite_master|sqlite_schema|to_regclass|version\s*\(|current_schema)\b|^\s*PRAGMA\b/i
const READS = /^\s*(SELECT|SHOW|DESCRIBE|EXPLAIN|PRAGMA\s+\w+\s*\(|PRAGMA\s+\w+\s*$|PRAGMA\s+\w+\s*;?\s*$)/i
const CONTROL = /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/i

/** Whether a statement changes something by itself: it neither reads nor begins or ends a transaction. */
export function isChange(sql: string): boolean {
  return !READS.test(sql) && !CONTROL.test(sql)
}

/** A client that notes what goes through it to `next`, or to nothing. */
export class RecordingClient implements Client {
  readonly statements: Statement[] = []
  reads = false
  readonly #next: Client | undefined

  constructor(next?: Client) {
    this.#next = next
  }

  query = async (sql: string, params?: readonly unknown[]): Promise<Row[]> => {
    if (READS.test(sql)) this.reads ||= !CATALOG.test(sql)
    else if (isChange(sql)) this.statements.push({ sql, ...(params && params.length > 0 && { params }) })
    return (await this.#next?.query(sql, params)) ?? []
  }

  execute = async (sql: string, params?: readonly unknown[]): Promise<void> => {
    await this.query(sql, params)
  }
}

/**
 * What one direction of operations would send. Undefined where one has no such direction, or fails without a database.
 */
export async function recordOperations(
  operations: readonly Operation[],
  direction: 'up' | 'down',
): Promise<Recording | undefined> {
  const client = new RecordingClient()
  const { query, execute } = client
  const order = direction === 'up' ? operations : [...operations].reverse()
  for (const pair of order) {
    const operation = pair[direction === 'up' ? 0 : 1]
    if (operation === null) return undefined
    try {
      await operation({ client: { query, execute } })
    } catch {
      return { statements: client.statements, reads: true }
    }
  }
  return { statements: client.statements, reads: client.reads }
}
