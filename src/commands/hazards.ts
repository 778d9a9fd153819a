/** What a migration would lose, with the number of rows where the database can be asked. */
import type { ColumnInfo, Connection, TableInfo } from '../../engines/engine.js'
import type { Hazard, HazardKind } from '../migrations/hazards.js'
import { qualified } from '../proof/rows.js'

export interface CountedHazard extends Hazard {
  readonly migration: string
  /** Rows that the step concerns; undefined where they could not be counted in time, or where it concerns no table. */
  readonly rows: number | undefined
  /** Data is lost for good where there are rows; the others fail on rows that do not fit. */
  readonly destructive: boolean
}

/** Milliseconds for counting the rows of one table. */
const COUNT_LIMIT_MS = 2000
/** With more tables than this it is worth asking first whether there are any: a new database has none. */
const FEW = 3

const DESTRUCTIVE: ReadonlySet<HazardKind> = new Set([
  'drop-table',
  'drop-column',
  'rebuild-table',
  'recreate-column',
  'type-change',
])
const OF_AN_ENUM: ReadonlySet<HazardKind> = new Set(['drop-enum', 'drop-enum-value'])

type Found = Hazard & { readonly migration: string }

/** The hazards where no database can be asked. */
export function uncounted(hazards: readonly Found[]): CountedHazard[] {
  return hazards
    .filter((hazard) => hazard.kind !== 'rebuild-table')
    .map((hazard) => ({ ...hazard, rows: undefined, destructive: DESTRUCTIVE.has(hazard.kind) }))
}

/**
 * Counts the rows that each hazard concerns; a table that does not exist has none, a slow count is left out. What the
 * live table shows to be harmless (a column that is required already, an enum that only grows) is no hazard.
 */
export async function countHazards(
  connection: Connection,
  hazards: readonly Found[],
  schemas: readonly string[] = [],
): Promise<CountedHazard[]> {
  const many = new Set(hazards.map(({ table }) => table)).size > FEW
  const asks = many || hazards.some((hazard) => ASKS_THE_TABLE.has(hazard.kind))
  const live = asks ? await connection.tables(schemas) : []
  const empty = asks && live.length === 0
  const counts = new Map<string, number | undefined>()
  const counted: CountedHazard[] = []
  for (const hazard of hazards.flatMap((found) => rebuilt(found, hazards, live))) {
    const destructive = DESTRUCTIVE.has(hazard.kind)
    if (OF_AN_ENUM.has(hazard.kind)) {
      counted.push({ ...hazard, rows: undefined, destructive })
      continue
    }
    if (hazard.kind === 'unique' && isKeyed(hazard, live)) continue
    const column = columnOf(hazard, live)
    if (column && isHarmless(hazard, column)) continue
    const { quote } = connection.engine
    const table = tableOf(connection, hazard)
    if (table === undefined) {
      counted.push({ ...hazard, rows: undefined, destructive })
      continue
    }
    const nulls = hazard.kind === 'set-required' && column !== undefined
    const from = nulls ? `${table} WHERE ${quote(column.name)} IS NULL` : table
    const isHere = hazard.schema === undefined || schemas.includes(hazard.schema)
    if (!counts.has(from)) counts.set(from, empty && isHere ? 0 : await countRows(connection, from))
    const rows = counts.get(from)
    const told = nulls ? nullsText(rows) : rowsText(rows)
    counted.push({ ...hazard, rows, destructive, message: `${hazard.message}${told}` })
  }
  return counted
}

/** Undefined where no table can have the name: a script by hand may write what the database then cuts or refuses. */
function tableOf({ engine }: Connection, hazard: Found): string | undefined {
  try {
    return qualified(engine, { schema: hazard.schema, name: nowCalled(hazard) })
  } catch {
    return undefined
  }
}

const ASKS_THE_TABLE: ReadonlySet<HazardKind> = new Set(['rebuild-table', 'set-required', 'type-change', 'unique'])

/** The name that the table, or a column of it, still has in the database: the same script renames it first. */
function nowCalled({ table, before }: Hazard, column?: string): string {
  if (column === undefined) return before?.table ?? table
  return before?.columns[column] ?? column
}

function columnOf(hazard: Found, live: readonly TableInfo[]): ColumnInfo | undefined {
  const table = live.find((candidate) => candidate.name === nowCalled(hazard))
  return table?.columns.find(({ name }) => hazard.column !== undefined && name === nowCalled(hazard, hazard.column))
}

/** A redefinition (MySQL) repeats the whole column, also what does not change. */
function isHarmless(hazard: Found, column: ColumnInfo): boolean {
  if (hazard.kind === 'set-required') return !column.nullable
  if (hazard.kind !== 'type-change' || hazard.type === undefined) return false
  const [was, becomes] = [column.type, hazard.type].map(plainType) as [string, string]
  if (was === becomes) return true
  const values = (type: string) => /^enum\((.*)\)$/.exec(type)?.[1]?.split(',')
  const [had, has] = [values(was), values(becomes)]
  return had !== undefined && has !== undefined && had.every((value) => has.includes(value))
}

function plainType(type: string): string {
  return type
    .toLowerCase()
    .replace(/\s*,\s*/g, ',')
    .replace(/^integer\b/, 'int')
    .replace(/^(tiny|small|medium|big)?int\(\d+\)/, '$1int')
    .trim()
}

function nullsText(rows: number | undefined): string {
  if (rows === undefined) return ''
  return rows === 0 ? ' None is NULL now.' : ` It holds NULL in ${rows} ${rows === 1 ? 'row' : 'rows'}.`
}

function rowsText(rows: number | undefined): string {
  if (rows === undefined) return ''
  return rows === 0 ? ' The table is empty.' : ` The table is not empty (${rows} ${rows === 1 ? 'row' : 'rows'}).`
}

/** A table that is built anew loses the columns that are not copied: those that the script itself does not tell of. */
function rebuilt(hazard: Found, all: readonly Found[], live: readonly TableInfo[]): Found[] {
  if (hazard.kind !== 'rebuild-table') return [hazard]
  const { columns: kept, ...rest } = hazard
  const told = (name: string) =>
    all.some((other) => other.kind === 'drop-column' && other.table === hazard.table && other.column === name)
  const table = live.find((candidate) => candidate.name === nowCalled(hazard))
  return (table?.columns ?? [])
    .filter(({ name }) => !told(name) && !kept?.some((copied) => nowCalled(hazard, copied) === name))
    .map(({ name }) => ({
      ...rest,
      kind: 'drop-column' as const,
      column: name,
      message: `Column ${hazard.table}.${name} is dropped with its values.`,
    }))
}

/** The table has the unique key already. */
function isKeyed(hazard: Found, live: readonly TableInfo[]): boolean {
  const table = live.find((candidate) => candidate.name === nowCalled(hazard))
  const wanted = (hazard.columns ?? []).map((name) => nowCalled(hazard, name))
  return (table?.uniques ?? []).some((key) => key.join('\0') === wanted.join('\0'))
}

async function countRows(connection: Connection, table: string): Promise<number | undefined> {
  let timer: NodeJS.Timeout | undefined
  let late = false
  try {
    timer = setTimeout(() => {
      late = true
      void connection.cancel()
    }, COUNT_LIMIT_MS)
    const rows = await connection.raw(`SELECT COUNT(*) AS n FROM ${table}`)
    return Number(rows[0]?.n)
  } catch (error) {
    return !late && connection.engine.explain(error).kind === 'missing-table' ? 0 : undefined
  } finally {
    clearTimeout(timer)
  }
}
