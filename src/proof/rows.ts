/** A few generated rows in every table of a shadow database, and what became of them. */
import type { ColumnInfo, Connection, Engine, TableInfo } from '../../engines/engine.js'

/** How many rows each table gets. Two: enough to meet unique constraints and foreign keys. */
const ROWS = 2

export interface Filled {
  /** Qualified names of the tables that hold generated rows. */
  readonly tables: readonly string[]
  /** Tables that could not be filled (CHECK constraints, triggers, types without a made-up value). */
  readonly empty: readonly string[]
}

/** The key of a table in maps, and its name in messages: `public.User` or `User`. */
export function tableKey(table: { readonly schema?: string | undefined; readonly name: string }): string {
  return table.schema === undefined ? table.name : `${table.schema}.${table.name}`
}

/** The quoted, qualified name of a table. */
export function qualified(
  engine: Engine,
  table: { readonly schema?: string | undefined; readonly name: string },
): string {
  const name = engine.quote(table.name)
  return table.schema === undefined ? name : `${engine.quote(table.schema)}.${name}`
}

/**
 * Puts rows into every table, parents before children. Row n of a child points to row n of its parent, because a
 * foreign key column takes the value that the referenced column has in row n.
 */
export async function fillTables(connection: Connection, schemas: readonly string[]): Promise<Filled> {
  const tables = await connection.tables(schemas)
  const byKey = new Map(tables.map((table) => [tableKey(table), table]))
  const filled = await fillAtOnce(connection, tables, byKey)
  let waiting = tables.filter((table) => !filled.includes(tableKey(table)))
  // Each pass inserts what its parents allow; a cycle of required foreign keys stays empty.
  for (let pass = 0; waiting.length > 0 && pass < tables.length + 1; pass += 1) {
    const next: TableInfo[] = []
    for (const table of waiting) {
      if (await fillTable(connection, table, byKey)) filled.push(tableKey(table))
      else next.push(table)
    }
    if (next.length === waiting.length) break
    waiting = next
  }
  return { tables: filled, empty: waiting.map(tableKey) }
}

/**
 * All tables in one message, where that is possible: most schemas need no second try, and a server may be far away. Returns
 * the keys of those that have rows now.
 */
async function fillAtOnce(
  connection: Connection,
  tables: readonly TableInfo[],
  all: ReadonlyMap<string, TableInfo>,
): Promise<string[]> {
  const placed = new Map<string, string>()
  let waiting = [...tables]
  for (let before = -1; waiting.length !== before; ) {
    before = waiting.length
    waiting = waiting.filter((table) => {
      const parents = table.foreignKeys.map(({ references }) =>
        tableKey({ schema: references.schema, name: references.table }),
      )
      const insert = insertOf(connection.engine, table, all, false)
      if (insert === undefined || parents.some((key) => key !== tableKey(table) && !placed.has(key))) return true
      placed.set(tableKey(table), insert)
      return false
    })
  }
  try {
    await connection.batch([...placed.values()])
    return [...placed.keys()]
  } catch {
    // What is not undone by itself: children before their parents.
    const deletes = [...placed.keys()]
      .reverse()
      .map((key) => `DELETE FROM ${qualified(connection.engine, all.get(key)!)}`)
    await connection.batch(deletes).catch(() => undefined)
    return []
  }
}

async function fillTable(
  connection: Connection,
  table: TableInfo,
  all: ReadonlyMap<string, TableInfo>,
): Promise<boolean> {
  for (const nullForeignKeys of [false, true]) {
    const insert = insertOf(connection.engine, table, all, nullForeignKeys)
    if (insert === undefined) return false
    try {
      await connection.raw(insert)
      return true
    } catch {
      // A table without transactions (MyISAM) keeps the rows before the one that it refused.
      await connection.raw(`DELETE FROM ${qualified(connection.engine, table)}`).catch(() => undefined)
    }
  }
  return false
}

/** The statement that puts all rows into the table; undefined where a required column has no made-up value. */
function insertOf(
  engine: Engine,
  table: TableInfo,
  all: ReadonlyMap<string, TableInfo>,
  nullForeignKeys: boolean,
): string | undefined {
  const columns: string[] = []
  const rows: string[][] = Array.from({ length: ROWS }, () => [])
  for (const column of table.columns) {
    if (column.generated) continue
    const nothing = nullForeignKeys && column.nullable && isForeign(table, column.name)
    const values = rows.map((_row, k) => (nothing ? 'NULL' : sampleOf(engine, table, column, all, k + 1, 0)))
    if (values.some((value) => value === undefined)) {
      if (column.nullable || column.hasDefault) continue
      return undefined
    }
    columns.push(engine.quote(column.name))
    for (const [k, row] of rows.entries()) row.push(values[k]!)
  }
  if (columns.length === 0) return undefined
  const tuples = rows.map((row) => `(${row.join(', ')})`)
  return `INSERT INTO ${qualified(engine, table)} (${columns.join(', ')}) VALUES ${tuples.join(', ')}`
}

function isForeign(table: TableInfo, column: string): boolean {
  return table.foreignKeys.some((key) => key.columns.includes(column))
}

function sampleOf(
  engine: Engine,
  table: TableInfo,
  column: ColumnInfo,
  all: ReadonlyMap<string, TableInfo>,
  n: number,
  depth: number,
): string | undefined {
  const key = table.foreignKeys.find((candidate) => candidate.columns.includes(column.name))
  if (key && depth < 8) {
    const parent = all.get(tableKey({ schema: key.references.schema, name: key.references.table }))
    const referenced = parent?.columns.find((c) => c.name === key.references.columns[key.columns.indexOf(column.name)])
    if (parent && referenced && !(parent === table && referenced === column)) {
      return sampleOf(engine, parent, referenced, all, n, depth + 1)
    }
  }
  return engine.sample(column, n)
}

/** The rows of every table, one text a row and column, for comparison. */
export type Contents = ReadonlyMap<
  string,
  {
    readonly table: { readonly schema?: string | undefined; readonly name: string }
    readonly columns: ReadonlyMap<string, string>
    readonly rows: readonly ReadonlyMap<string, string>[]
  }
>

export async function readContents(connection: Connection, schemas: readonly string[]): Promise<Contents> {
  const contents = new Map<
    string,
    { table: { schema: string | undefined; name: string }; columns: Map<string, string>; rows: Map<string, string>[] }
  >()
  const tables = await connection.tables(schemas)
  const found = await connection.batch(tables.map((table) => `SELECT * FROM ${qualified(connection.engine, table)}`))
  for (const [k, table] of tables.entries()) {
    const rows = found[k]!
    contents.set(tableKey(table), {
      table: { schema: table.schema, name: table.name },
      columns: new Map(table.columns.map((column) => [column.name, column.type])),
      rows: rows.map((row) => new Map(Object.entries(row).map(([name, value]) => [name, textOf(value)]))),
    })
  }
  return contents
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  // MySQL's 0000-00-00 is no time that a Date can hold.
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no date' : value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export type FilledColumns = (schema: string | undefined, table: string, column: string) => boolean

/**
 * What was lost between two moments: rows, or values in columns that `held` (the schemas in between) could hold all the
 * while, with the same name and type.
 * @param filled columns whose NULLs the migration fills
 */
export function lostRows(
  before: Contents,
  after: Contents,
  held: readonly Contents[] = [],
  filled: FilledColumns = () => false,
): string[] {
  const lost: string[] = []
  for (const [name, table] of before) {
    const others = [...held, after].map((contents) => contents.get(name))
    if (others.some((other) => other === undefined)) continue
    const now = after.get(name)!
    if (now.rows.length !== table.rows.length) {
      lost.push(`${name} had ${table.rows.length} rows and has ${now.rows.length}`)
      continue
    }
    const columns = [...table.columns]
      .filter(
        ([column, type]) =>
          !filled(table.table.schema, table.table.name, column) &&
          others.every((other) => other!.columns.get(column) === type),
      )
      .map(([column]) => column)
    const multiset = (rows: readonly ReadonlyMap<string, string>[]) =>
      rows.map((row) => JSON.stringify(columns.map((c) => row.get(c)))).sort()
    const [had, has] = [multiset(table.rows), multiset(now.rows)]
    const differing = had.findIndex((row, index) => row !== has[index])
    if (differing !== -1)
      lost.push(`${name} held ${had[differing]} and holds ${has[differing]} (${columns.join(', ')})`)
  }
  return lost
}
