/** What a migration would lose, with the number of rows where the database can be asked. */
import type { ColumnInfo, Connection, Engine, TableInfo } from '../../engines/engine.js'
import { droppedColumn, ruleOf } from '../migrations/hazards/rules.js'
import type { Hazard } from '../migrations/hazards.js'
import { qualified } from '../proof/rows.js'

export interface CountedHazard extends Hazard {
  readonly migration: string
  /** Rows that the step concerns; undefined where they could not be counted, or where it concerns no table. */
  readonly rows: number | undefined
  /** Data is lost for good where there are rows; the others fail on rows that do not fit. */
  readonly destructive: boolean
  /** Policies of the table may hide rows from whoever asks. */
  readonly hidden?: boolean
}

/** Milliseconds for counting the rows of one table. */
const COUNT_LIMIT_MS = 2000
/** With more tables than this it is worth asking first whether there are any: a new database has none. */
const FEW = 3

type Found = Hazard & { readonly migration: string }

/** The hazards where no database can be asked. */
export function uncounted(hazards: readonly Found[], engine: Pick<Engine, 'keepsValues'>): CountedHazard[] {
  return hazards
    .filter((hazard) => hazard.kind !== 'rebuild-table' && !keeps(engine, hazard.was, hazard))
    .map((hazard) => ({ ...hazard, rows: undefined, destructive: ruleOf(hazard.kind).destructive }))
}

/**
 * Counts the rows that each hazard concerns; a table that does not exist has none, and where a count fails the number is
 * unknown. What the live table shows to be harmless (a column that is required already, an enum that only grows, a type that
 * takes every value) is no hazard.
 */
export async function countHazards(
  connection: Connection,
  hazards: readonly Found[],
  schemas: readonly string[] = [],
): Promise<CountedHazard[]> {
  const many = new Set(hazards.map(({ table }) => table)).size > FEW
  const hides = connection.engine.seeingAllRows !== undefined
  const asks = hazards.length > 0 && (many || hides || hazards.some(({ kind }) => ruleOf(kind).asksTheTable))
  const live = asks ? await connection.tables(schemas) : []
  const counter = new Counter(connection, live, { asked: asks, schemas })
  const counted: CountedHazard[] = []
  for (const hazard of hazards.flatMap((found) => rebuilt(found, hazards, live)))
    counted.push(...(await counter.counted(hazard)))
  return counted
}

/** Whether rows of a table may be hidden from whoever asks. */
export function hidingAmong(tables: readonly TableInfo[]): (schema: string | undefined, table: string) => boolean {
  const hiding = tables.filter(({ hidesRows }) => hidesRows)
  return (schema, table) =>
    hiding.some((each) => each.name === table && (schema === undefined || each.schema === schema))
}

interface Asked {
  /** Whether the live tables were read at all. */
  readonly asked: boolean
  readonly schemas: readonly string[]
}

class Counter {
  readonly #counts = new Map<string, Count>()

  constructor(
    readonly connection: Connection,
    readonly live: readonly TableInfo[],
    readonly of: Asked,
  ) {}

  /** The hazard with its rows; none where it is none. */
  async counted(hazard: Found): Promise<CountedHazard[]> {
    const rule = ruleOf(hazard.kind)
    const base = { ...hazard, destructive: rule.destructive }
    if (rule.rows === 'none') return [{ ...base, rows: undefined }]
    if (rule.rows === 'schema') return [await this.#ofSchema(base)]
    const table = tableOf(hazard, this.live)
    const column = columnOf(hazard, table)
    if (hazard.kind === 'unique' && isKeyed(hazard, table)) return []
    if (column && isHarmless(hazard, column, this.connection.engine)) return []
    // A column that the table does not have comes with the script itself: what it holds then is what it is given.
    if (hazard.kind === 'type-change' && table && hazard.column !== undefined && !column) return []
    if (!column && keeps(this.connection.engine, hazard.was, hazard)) return []
    const nulls = rule.rows === 'null' && column !== undefined
    const count = await this.#count(hazard, nulls ? column.name : undefined)
    const told = nulls ? nullsText(count) : rowsText(count)
    return [
      { ...base, rows: count.rows, ...(table?.hidesRows && { hidden: true }), message: `${hazard.message}${told}` },
    ]
  }

  async #ofSchema(base: CountedHazardOf): Promise<CountedHazard> {
    const tables = await this.connection.tables([base.table]).catch(() => undefined)
    let rows: number | undefined = tables && 0
    for (const { schema, name } of tables ?? []) {
      const own = await this.#ask(qualified(this.connection.engine, { schema, name }))
      rows = rows === undefined || own.rows === undefined ? undefined : rows + own.rows
    }
    return { ...base, rows, message: `${base.message}${rows === 0 ? ' It holds no rows.' : ''}` }
  }

  /** @param nullable the column whose NULLs are counted */
  async #count(hazard: Found, nullable: string | undefined): Promise<Count> {
    const { quote } = this.connection.engine
    const table = nameOf(this.connection, hazard)
    if (table === undefined) return { rows: undefined }
    // Where there is no table at all none needs to be asked for.
    const isHere = hazard.schema === undefined || this.of.schemas.includes(hazard.schema)
    if (this.of.asked && this.live.length === 0 && isHere) return { rows: 0 }
    if (nullable !== undefined) return this.#ask(`${table} WHERE ${quote(nullable)} IS NULL`)
    const whole = await this.#ask(table)
    const params = hazard.marks ? (hazard.params ?? []) : []
    const told = hazard.taken !== undefined && hazard.before === undefined && (hazard.marks ?? 0) === params.length
    if (!told || hazard.taken === undefined || whole.rows === 0) return whole
    const taken = await countRows(this.connection, hazard.taken, params)
    // What cannot be counted so is at the most the whole.
    return taken.rows === undefined ? whole : { ...taken, exact: true }
  }

  async #ask(from: string): Promise<Count> {
    const known = this.#counts.get(from)
    if (known) return known
    const count = await countRows(this.connection, from)
    this.#counts.set(from, count)
    return count
  }
}

type CountedHazardOf = Found & { readonly destructive: boolean }

/** Undefined where no table can have the name: a script by hand may write what the database then cuts or refuses. */
function nameOf({ engine }: Connection, hazard: Found): string | undefined {
  try {
    return qualified(engine, { schema: hazard.schema, name: nowCalled(hazard) })
  } catch {
    return undefined
  }
}

/** The name that the table, or a column of it, still has in the database: the same script renames it first. */
function nowCalled({ table, before }: Hazard, column?: string): string {
  if (column === undefined) return before?.table ?? table
  return before?.columns[column] ?? column
}

/** By its name; where names are not told apart by their case, by that. */
function named<T extends { readonly name: string }>(list: readonly T[], name: string): T | undefined {
  const exact = list.find((each) => each.name === name)
  return exact ?? list.find((each) => each.name.toLowerCase() === name.toLowerCase())
}

function tableOf(hazard: Found, live: readonly TableInfo[]): TableInfo | undefined {
  const { schema } = hazard
  const inSchema = live.filter((table) => schema === undefined || table.schema === schema)
  return named(inSchema, nowCalled(hazard))
}

function columnOf(hazard: Found, table: TableInfo | undefined): ColumnInfo | undefined {
  return hazard.column === undefined ? undefined : named(table?.columns ?? [], nowCalled(hazard, hazard.column))
}

/** A redefinition (MySQL) repeats the whole column, also what does not change. */
function isHarmless(hazard: Found, column: ColumnInfo, engine: Pick<Engine, 'keepsValues'>): boolean {
  if (hazard.kind === 'set-required') return !column.nullable
  return keeps(engine, column.type, hazard)
}

function keeps(engine: Pick<Engine, 'keepsValues'>, was: string | undefined, { kind, type }: Hazard): boolean {
  if (kind !== 'type-change' || was === undefined || type === undefined) return false
  return engine.keepsValues(was, type)
}

function nullsText({ rows, why }: Count): string {
  if (rows === undefined) return unknownText(why)
  return rows === 0 ? ' None is NULL now.' : ` It holds NULL in ${rowsOf(rows)}.`
}

function rowsText({ rows, why, exact }: Count): string {
  if (rows === undefined) return unknownText(why)
  if (exact) return rows === 0 ? ' There is none now.' : ` There are ${rowsOf(rows)} of them now.`
  return rows === 0 ? ' The table is empty.' : ` The table is not empty (${rowsOf(rows)}).`
}

const rowsOf = (rows: number) => `${rows} ${rows === 1 ? 'row' : 'rows'}`

function unknownText(why: string | undefined): string {
  return why === undefined ? '' : ` How many rows there are is unknown: ${why}`
}

/** A table that is built anew loses the columns that are not copied: those that the script itself does not tell of. */
function rebuilt(hazard: Found, all: readonly Found[], live: readonly TableInfo[]): Found[] {
  if (hazard.kind !== 'rebuild-table') return [hazard]
  const { columns: kept = [], ...rest } = hazard
  const told = (name: string) =>
    all.some((other) => other.kind === 'drop-column' && other.table === hazard.table && other.column === name)
  return (tableOf(hazard, live)?.columns ?? [])
    .filter(({ name }) => !told(name) && !kept.some((copied) => sameName(nowCalled(hazard, copied), name)))
    .map(({ name }) => ({
      ...rest,
      kind: 'drop-column' as const,
      column: name,
      message: droppedColumn({ ...rest, column: name }),
    }))
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The table has the unique key already. */
function isKeyed(hazard: Found, table: TableInfo | undefined): boolean {
  const wanted = (hazard.columns ?? []).map((name) => nowCalled(hazard, name))
  return (table?.uniques ?? []).some((key) => key.join('\0') === wanted.join('\0'))
}

/** How many rows, or why that is unknown. */
interface Count {
  readonly rows: number | undefined
  readonly why?: string
  /** These are the very rows that would go, and not all that there are. */
  readonly exact?: true
}

async function countRows(connection: Connection, from: string, params: readonly unknown[] = []): Promise<Count> {
  try {
    const rows = await (connection.countRows?.(from, params, COUNT_LIMIT_MS) ?? counting(connection, from, params))
    return Number.isNaN(rows) ? { rows: undefined } : { rows }
  } catch (error) {
    const { kind, message, hint } = connection.engine.explain(error)
    if (kind === 'missing-table') return { rows: 0 }
    if (kind === 'cancelled' || kind === 'statement-timeout')
      return { rows: undefined, why: `counting them took more than ${COUNT_LIMIT_MS / 1000} seconds.` }
    return { rows: undefined, why: [`${message.replace(/\.?$/, '.')}`, hint].filter(Boolean).join(' ') }
  }
}

async function counting(connection: Connection, from: string, params: readonly unknown[]): Promise<number> {
  const timer = setTimeout(() => void connection.cancel(), COUNT_LIMIT_MS)
  try {
    const sql = `SELECT COUNT(*) AS n FROM ${from}`
    const [row] = await (params.length > 0 ? connection.query(sql, params) : connection.raw(sql))
    return Number(row?.n)
  } finally {
    clearTimeout(timer)
  }
}
