/** The rows of `_prisma_migrations`: read and written as Prisma does, so that either tool understands the other's. */
import { randomUUID } from 'node:crypto'
import type { Connection, Engine, HistoryDialect, Row } from '../../engines/engine.js'
import { DecisionError, FailedError, isInTheWay } from '../errors.js'
import { compareNames } from '../text.js'
import { logsOf, type RaysNote, readNote } from './note.js'

/** One row of `_prisma_migrations`. */
export interface HistoryRow {
  readonly id: string
  readonly name: string
  readonly checksum: string
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly rolledBackAt: Date | null
  readonly logs: string | null
  readonly steps: number
}

/** What a migration's rows say together (see docs/how-it-works.md, "Rows"). */
export interface MigrationRecord {
  readonly name: string
  /** applied: finished and not rolled back. failed: started, and neither finished nor rolled back. absent: rolled back only. */
  readonly state: 'applied' | 'failed' | 'absent'
  /** The row that decides the state. */
  readonly row: HistoryRow
  readonly rows: readonly HistoryRow[]
  readonly note: RaysNote | undefined
  /** Why its note cannot be read, where rays, or another version of it, seems to have written one. */
  readonly damaged?: string
  /** What the operation in doubt left half-done, in words. */
  readonly left?: readonly string[]
}

/** More rows than any project has; beyond it something else writes the table. */
const MAX_ROWS = 100_000
const MAX_NOTE = 1024 * 1024

/** What reading and writing the history needs of a session. */
export type HistorySession = Pick<Connection, 'raw' | 'change' | 'script' | 'history' | 'syntax'> & {
  readonly engine: Pick<Engine, 'explain'>
}

/** Another tool's history of the same migrations, in the same database. */
export interface OtherHistory {
  /** What it is called, for messages. */
  readonly title: string
  /** The statement, without parameters, that takes a migration out of it; it may find nothing to do. */
  removal(name: string): string
  /**
   * The statement, likewise, that puts a migration into it as applied, unless it is there; undefined where it learns of that
   * by itself later.
   */
  addition?(name: string): string
}

/** Reads and writes the history over one connection. */
export class Recorder {
  readonly #connection: HistorySession
  readonly #other: OtherHistory | undefined

  /** @param other the history from which a migration is removed together with its rows */
  constructor(connection: HistorySession, other?: OtherHistory) {
    this.#connection = connection
    this.#other = other
  }

  /**
   * All rows, or undefined where the table does not exist. Any other failure to read is an error, never an empty history.
   * @throws {FailedError} when the user may not read it, or it has another shape: nothing that rays could be told to do next
   * would help, so it is a failure that changed nothing, and no decision
   */
  async read(): Promise<HistoryRow[] | undefined> {
    const { history, engine } = this.#connection
    const times = ['started_at', 'finished_at', 'rolled_back_at']
      .map((c) => `${history.timeColumn(c)} AS ${c}`)
      .join(', ')
    const sql = `SELECT id, checksum, migration_name, logs, applied_steps_count, ${times} FROM ${history.table} LIMIT ${MAX_ROWS + 1}`
    let rows: Row[]
    try {
      rows = await this.#connection.raw(sql)
    } catch (error) {
      const info = engine.explain(error)
      if (info.kind === 'missing-table') return undefined
      if (info.kind === 'connection' || info.kind === 'cancelled' || isInTheWay(info.kind)) throw error
      throw new FailedError(`The migration history ${history.table} cannot be read: ${info.message} (${info.code})`, {
        cause: error,
        code: 'E_HISTORY_UNREADABLE',
        hint: 'Grant the user SELECT on it, or restore its columns. rays never takes an unreadable history for an empty one.',
      })
    }
    if (rows.length > MAX_ROWS) throw new DecisionError(`The migration history has more than ${MAX_ROWS} rows.`)
    return rows.map((row) => this.#parse(row))
  }

  #parse(row: Row): HistoryRow {
    const { history } = this.#connection
    return {
      id: String(row.id),
      name: String(row.migration_name),
      checksum: String(row.checksum ?? ''),
      startedAt: history.readTime(row.started_at),
      finishedAt: history.readTime(row.finished_at),
      rolledBackAt: history.readTime(row.rolled_back_at),
      logs: row.logs === null || row.logs === undefined ? null : String(row.logs).slice(0, MAX_NOTE),
      steps: Number(row.applied_steps_count ?? 0),
    }
  }

  /** Creates the table where it is missing. Only while holding the lock. */
  async create(): Promise<void> {
    await this.#connection.script(this.#connection.history.createTable)
  }

  /** Inserts a row. Returns its id. @throws when not exactly one row was written */
  async insert(row: NewRow): Promise<string> {
    const { history, syntax } = this.#connection
    const values = valuesOf(row, history)
    const changed = await this.#connection.change(
      insertSql(
        history,
        values.map((_, i) => syntax.placeholder(i + 1)),
      ),
      values,
    )
    if (changed !== 1) throw new Error(`the row of ${row.name} was not written to ${history.table}`)
    return String(values[0])
  }

  /**
   * Inserts the row of a migration whose changes are in the database already. Prisma: `migrate resolve --applied` writes the
   * same time twice, empty logs and no steps.
   */
  insertApplied(name: string, checksum: string, at = new Date(), note?: RaysNote): Promise<string> {
    const logs = note === undefined ? '' : logsOf(note)
    return this.insert({ name, checksum, startedAt: at, finishedAt: at, logs, steps: 0 })
  }

  /** Puts a migration into the other history, if it has to be told. */
  async addElsewhere(name: string): Promise<void> {
    const sql = this.#other?.addition?.(name)
    if (sql !== undefined) await this.#connection.change(sql)
  }

  /**
   * Takes a migration out of the other history, if there is one. First, so that where no transaction holds both, a failure
   * leaves a row that says that the migration is unfinished.
   */
  async removeElsewhere(name: string): Promise<void> {
    if (this.#other) await this.#connection.change(this.#other.removal(name))
  }

  /** Deletes every row of a migration. @throws when there was none */
  async remove(name: string): Promise<number> {
    const { history, syntax } = this.#connection
    await this.removeElsewhere(name)
    const changed = await this.#connection.change(deleteSql(history, syntax.placeholder(1)), [name])
    if (changed < 1)
      throw new Error(`no row of ${name} was left in ${history.table}: another program changed the history meanwhile`)
    return changed
  }

  /** Deletes one row. @throws when it was gone */
  async drop(id: string): Promise<void> {
    const { history, syntax } = this.#connection
    const changed = await this.#connection.change(`DELETE FROM ${history.table} WHERE id = ${syntax.placeholder(1)}`, [
      id,
    ])
    if (changed !== 1)
      throw new Error(`a row of ${history.table} is gone: another program changed the history meanwhile`)
  }

  /** Makes every row of a migration that counts an unfinished one. @throws when there was none */
  async reopen(name: string, logs: string): Promise<void> {
    const { history, syntax } = this.#connection
    const sql = reopenSql(history, syntax.placeholder(1), syntax.placeholder(2))
    if ((await this.#connection.change(sql, [logs, name])) < 1)
      throw new Error(`no row of ${name} was left in ${history.table}: another program changed the history meanwhile`)
  }

  /** Updates one row. */
  async update(
    id: string,
    change: {
      readonly steps?: number
      readonly logs?: string | null
      readonly finishedAt?: Date | null
      readonly rolledBackAt?: Date
      readonly checksum?: string
    },
  ): Promise<void> {
    const { history, syntax } = this.#connection
    const columns: string[] = []
    const values: unknown[] = []
    const set = (column: string, value: unknown) => {
      values.push(value)
      columns.push(`${column} = ${syntax.placeholder(values.length)}`)
    }
    if (change.steps !== undefined) set('applied_steps_count', change.steps)
    if (change.logs !== undefined) set('logs', change.logs)
    if (change.finishedAt !== undefined)
      set('finished_at', change.finishedAt === null ? null : history.time(change.finishedAt))
    if (change.rolledBackAt !== undefined) set('rolled_back_at', history.time(change.rolledBackAt))
    if (change.checksum !== undefined) set('checksum', change.checksum)
    values.push(id)
    await this.#connection.change(
      `UPDATE ${history.table} SET ${columns.join(', ')} WHERE id = ${syntax.placeholder(values.length)}`,
      values,
    )
  }

  /** Marks the open rows of a migration as rolled back, as `prisma migrate resolve` does. Returns how many there were. */
  async rollBackOpenRows(name: string, at: Date): Promise<number> {
    const { history, syntax } = this.#connection
    return this.#connection.change(
      `UPDATE ${history.table} SET rolled_back_at = ${syntax.placeholder(1)} WHERE ${history.isNamed(syntax.placeholder(2))} AND finished_at IS NULL AND rolled_back_at IS NULL`,
      [history.time(at), name],
    )
  }

  /** Whether there is a row with this id. */
  async find(id: string): Promise<boolean> {
    const { history, syntax } = this.#connection
    const rows = await this.#connection.raw(`SELECT id FROM ${history.table} WHERE id = ${syntax.placeholder(1)}`, [id])
    return rows.length > 0
  }

  /** How many rows say that the migration is applied or failed; read again inside each transaction. */
  async count(name: string): Promise<number> {
    const { history, syntax } = this.#connection
    return countOf(await this.#connection.raw(countSql(history, syntax.placeholder(1)), [name]))
  }
}

/** A row to be written; without an id it gets a new one. */
export interface NewRow {
  readonly name: string
  readonly checksum: string
  readonly startedAt: Date
  readonly finishedAt: Date | null
  readonly logs: string | null
  readonly steps: number
  readonly id?: string
}

/**
 * The statement that {@link Recorder.insert} sends, as one without parameters.
 * @param times as SQL, where only the database will know them
 */
export function insertion(
  row: NewRow,
  history: HistoryDialect,
  literal: (value: unknown) => string,
  times?: { readonly startedAt: string; readonly finishedAt: string },
): string {
  const values = valuesOf(row, history).map(literal)
  if (times) values.splice(2, 2, times.startedAt, times.finishedAt)
  return insertSql(history, values)
}

/**
 * The row of a migration that begins, and its end, as statements that are sent together with what they are about.
 * @param row as it is written first @param end as it is in the end
 */
export function bothEnds(
  row: NewRow & { readonly id: string },
  end: { readonly steps: number; readonly logs: string },
  history: HistoryDialect,
  literal: (value: unknown) => string,
): { first: (stop: string) => string; last: string } {
  const now = history.since!(literal(history.time(row.startedAt)))
  const values = valuesOf(row, history).map(literal)
  values[2] = now
  return {
    first: (stop) => history.insertUnless!(COLUMNS, values.join(', '), stop),
    last: `UPDATE ${history.table} SET applied_steps_count = ${end.steps}, logs = ${literal(end.logs)}, finished_at = ${now} WHERE id = ${literal(row.id)}`,
  }
}

/** When a migration finished, as SQL. @param id that of its row, as SQL */
export function finishedAtSql({ table }: HistoryDialect, id: string): string {
  return `(SELECT finished_at FROM ${table} WHERE id = ${id})`
}

/** The statement that {@link Recorder.remove} sends, as one without parameters. */
export function removal(name: string, history: HistoryDialect, literal: (value: unknown) => string): string {
  return deleteSql(history, literal(name))
}

/** The statement that {@link Recorder.reopen} sends, as one without parameters. */
export function reopening(
  name: string,
  logs: string,
  history: HistoryDialect,
  literal: (value: unknown) => string,
): string {
  return reopenSql(history, literal(logs), literal(name))
}

function valuesOf(row: NewRow, history: HistoryDialect): unknown[] {
  const time = (at: Date | null) => (at === null ? null : history.time(at))
  const { checksum, startedAt, finishedAt, name, logs, steps } = row
  return [row.id ?? randomUUID(), checksum, time(startedAt), time(finishedAt), name, logs, steps]
}

const COLUMNS = 'id, checksum, started_at, finished_at, migration_name, logs, applied_steps_count'

function insertSql({ table }: HistoryDialect, values: readonly string[]): string {
  return `INSERT INTO ${table} (${COLUMNS}) VALUES (${values.join(', ')})`
}

function reopenSql({ table, isNamed }: HistoryDialect, logs: string, name: string): string {
  return `UPDATE ${table} SET finished_at = NULL, applied_steps_count = 0, logs = ${logs} WHERE ${isNamed(name)} AND rolled_back_at IS NULL`
}

function deleteSql({ table, isNamed }: HistoryDialect, name: string): string {
  return `DELETE FROM ${table} WHERE ${isNamed(name)}`
}

/**
 * How many rows say that a migration is applied or failed, to be sent along with another statement; {@link countOf} reads
 * the answer. @param name the migration's name as a SQL expression
 */
export function countSql(history: HistoryDialect, name: string): string {
  return `SELECT COUNT(*) AS n FROM ${history.table} WHERE ${history.isNamed(name)} AND rolled_back_at IS NULL`
}

/** How many of several migrations have a row that says that they are applied or failed. @param names as SQL expressions */
export function presentSql({ table, isNamed }: HistoryDialect, names: readonly string[]): string {
  const any = names.map(isNamed).join(' OR ')
  return `SELECT COUNT(DISTINCT migration_name) AS n FROM ${table} WHERE (${any}) AND rolled_back_at IS NULL`
}

/** The number that {@link countSql} asks for. */
export function countOf(rows: readonly Row[]): number {
  return Number(rows[0]?.n ?? 0)
}

/** What the rows say, per migration, in the order of the names. */
export function records(rows: readonly HistoryRow[]): MigrationRecord[] {
  const byName = new Map<string, HistoryRow[]>()
  for (const row of rows) byName.set(row.name, [...(byName.get(row.name) ?? []), row])
  return [...byName]
    .map(([name, own]) => {
      const failed = own.find((row) => row.finishedAt === null && row.rolledBackAt === null)
      const applied = own.find((row) => row.finishedAt !== null && row.rolledBackAt === null)
      const row = failed ?? applied ?? own[own.length - 1]!
      const state = failed ? ('failed' as const) : applied ? ('applied' as const) : ('absent' as const)
      const { note, damaged } = readNote(row.logs)
      return { name, state, row, rows: own, note, ...(damaged !== undefined && { damaged }) }
    })
    .sort((a, b) => compareNames(a.name, b.name))
}

/** The number of the next batch: one more than the greatest that any row notes. */
export function nextBatch(all: readonly MigrationRecord[]): number {
  return all.reduce((most, r) => (r.state === 'applied' ? Math.max(most, r.note?.batch ?? 0) : most), 0) + 1
}

/** The names of the migrations that a database has applied. @throws where the history is there and cannot be read */
export async function appliedNames(session: HistorySession): Promise<Set<string>> {
  const known = records((await new Recorder(session).read()) ?? [])
  return new Set(known.flatMap((record) => (record.state === 'applied' ? [record.name] : [])))
}
