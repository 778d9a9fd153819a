/** The statements that code sends, written down while they are sent. */
import type { Answer, AnsweringClient, Row } from '../../engines/engine.js'
import type { Statement } from './form.js'

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

/** A client that notes what goes through it to `next`. */
export class RecordingClient implements AnsweringClient {
  readonly statements: Statement[] = []
  reads = false
  readonly answer?: (sql: string, params?: readonly unknown[]) => Promise<Answer>
  readonly #next: AnsweringClient

  constructor(next: AnsweringClient) {
    this.#next = next
    if (next.answer === undefined) return
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
    return this.#next.query(sql, params)
  }

  #note(sql: string, params?: readonly unknown[]): void {
    if (READS.test(sql)) this.reads ||= !CATALOG.test(sql)
    else if (isChange(sql)) this.statements.push({ sql, ...(params && params.length > 0 && { params }) })
  }
}
