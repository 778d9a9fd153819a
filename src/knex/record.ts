/** The statements that code sends, written down instead of sent, or while they are sent. */
import type { Answer, AnsweringClient, Row } from '../../engines/engine.js'
import type { Operation } from '../migrations/migration.js'
import type { Statement } from './form.js'

export interface Recording {
  readonly statements: readonly Statement[]
  /** The code asked for rows, so what it sends may depend on them. */
  readonly reads: boolean
  /** It changed rows, whose keys and number it was told. */
  readonly counts: boolean
}

/** Statements that ask for what the schema is, as query builders do. */
const CATALOG =
  /\b(information_schema|pg_catalog|pg_class|sqlite_master|sqlite_schema|to_regclass|version\s*\(|current_schema)\b|^\s*PRAGMA\b/i
const READS = /^\s*(SELECT|SHOW|DESCRIBE|EXPLAIN|PRAGMA\s+\w+\s*\(|PRAGMA\s+\w+\s*$|PRAGMA\s+\w+\s*;?\s*$)/i
/** Statements whose answer is a key or a number of rows, but for those by which Knex builds a table of SQLite's anew. */
const COUNTED = /^\s*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|WITH)\b(?!\s+INTO\s+[`"]?_knex_temp)/i
const RETURNING = /^\s*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|WITH)\b[\s\S]*\bRETURNING\b/i
const CONTROL = /^\s*(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)\b/i

/** Whether a statement begins or ends a transaction, or a part of one. */
export function controlsTransaction(sql: string): boolean {
  return CONTROL.test(sql)
}

/** Whether a statement changes something by itself: it neither reads nor begins or ends a transaction. */
export function isChange(sql: string): boolean {
  return !READS.test(sql) && !controlsTransaction(sql)
}

/** A client that notes what goes through it to `next`, or to nothing. */
export class RecordingClient implements AnsweringClient {
  readonly statements: Statement[] = []
  reads = false
  readonly answer?: (sql: string, params?: readonly unknown[]) => Promise<Answer>
  readonly #next: AnsweringClient | undefined
  readonly #control: boolean

  /** @param control statements that begin and end transactions are noted, too */
  constructor(next?: AnsweringClient, control = false) {
    this.#next = next
    this.#control = control
    if (next?.answer === undefined) return
    this.answer = (sql, params) => {
      this.reads ||= RETURNING.test(sql)
      this.#note(sql, params)
      return next.answer!(sql, params)
    }
  }

  /** Whether a statement that changes rows was sent: its answer is a key or a number of rows. */
  get counts(): boolean {
    return this.statements.some(({ sql }) => COUNTED.test(sql))
  }

  query = async (sql: string, params?: readonly unknown[]): Promise<Row[]> => {
    this.reads ||= RETURNING.test(sql)
    return this.#send(sql, params)
  }

  execute = async (sql: string, params?: readonly unknown[]): Promise<void> => {
    await this.#send(sql, params)
  }

  async #send(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    this.#note(sql, params)
    return (await this.#next?.query(sql, params)) ?? []
  }

  #note(sql: string, params?: readonly unknown[]): void {
    if (READS.test(sql)) this.reads ||= !CATALOG.test(sql)
    else if (this.#control || isChange(sql))
      this.statements.push({ sql, ...(params && params.length > 0 && { params }) })
  }
}

/**
 * What one direction of operations would send. Undefined where one has no such direction, or fails without a database.
 * @param control with the statements that begin and end transactions
 */
export async function recordOperations(
  operations: readonly Operation[],
  direction: 'up' | 'down',
  control = false,
): Promise<Recording | undefined> {
  const client = new RecordingClient(undefined, control)
  const { query, execute } = client
  const order = direction === 'up' ? operations : [...operations].reverse()
  for (const pair of order) {
    const operation = pair[direction === 'up' ? 0 : 1]
    if (operation === null) return undefined
    try {
      await operation({ client: { query, execute } })
    } catch {
      return { statements: client.statements, reads: true, counts: client.counts }
    }
  }
  return { statements: client.statements, reads: client.reads, counts: client.counts }
}
