/**
 * Rows that refer to rows that do not exist, told apart from those that did so before. A table that is built anew numbers
 * its rows anew, so a row is known by its primary key, and a foreign key by its columns.
 */
import type { Database } from 'better-sqlite3'
import { quote } from './values.js'

interface Violation {
  readonly table: string
  readonly parent: string
  /** The columns that refer. */
  readonly columns: string
  /** Null: the table has no rowid, and SQLite does not tell the row. */
  readonly rowid: string | null
  /** The values of the primary key; undefined where there is none, or the row is not told. */
  readonly key: string | undefined
  readonly values: string | undefined
}

interface Table {
  /** Where its rows are: another place means that it was built anew. */
  readonly root: string
  /** The columns of the primary key. */
  readonly key: string
  /** What its foreign keys refer to, and the columns that do. */
  readonly foreignKeys: ReadonlySet<string>
}

export interface Violations {
  readonly found: readonly Violation[]
  readonly tables: ReadonlyMap<string, Table>
}

/** Every row that refers to a row that does not exist. */
export function violationsIn(database: Database): Violations {
  const read = (sql: string, ...params: unknown[]) =>
    database
      .prepare<unknown[]>(sql)
      .safeIntegers(true)
      .all(...params) as Record<string, unknown>[]
  const checked = read('PRAGMA foreign_key_check')
  const tables = new Map<string, Table>()
  const found: Violation[] = []
  const byTable = new Map<string, Record<string, unknown>[]>()
  for (const row of checked) {
    const own = byTable.get(String(row.table))
    if (own) own.push(row)
    else byTable.set(String(row.table), [row])
  }
  for (const [name, own] of byTable) {
    const columns = read('SELECT name, pk FROM pragma_table_info(?) ORDER BY pk', name)
    const key = columns.flatMap(({ name, pk }) => (Number(pk) > 0 ? [String(name)] : []))
    const referring = new Map<string, string[]>()
    const parents = new Map<string, string>()
    for (const row of read('SELECT id, "table", "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq', name)) {
      referring.set(String(row.id), [...(referring.get(String(row.id)) ?? []), String(row.from)])
      parents.set(String(row.id), String(row.table))
    }
    const [root] = read("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?", name)
    tables.set(name, {
      root: String(root?.rootpage),
      key: textOf(key),
      foreignKeys: new Set([...referring].map(([id, from]) => foreignKey(parents.get(id)!, textOf(from)))),
    })
    const taken = new Set(columns.map(({ name }) => String(name).toLowerCase()))
    const rowid = ['rowid', '_rowid_', 'oid'].find((word) => !taken.has(word))
    const wanted = [...key, ...new Set([...referring.values()].flat())]
    const told = rowid !== undefined && own.some(({ rowid }) => rowid !== null)
    const row = told
      ? database
          .prepare<unknown[]>(`SELECT ${wanted.map(quote).join(', ')} FROM ${quote(name)} WHERE ${rowid} = ?`)
          .safeIntegers(true)
          .raw(true)
      : undefined
    for (const violation of own) {
      const from = referring.get(String(violation.fkid)) ?? []
      const values = violation.rowid === null ? undefined : (row?.get(violation.rowid) as unknown[] | undefined)
      found.push({
        table: name,
        parent: String(violation.parent),
        columns: textOf(from),
        rowid: violation.rowid === null ? null : String(violation.rowid),
        key: values && key.length > 0 ? textOf(values.slice(0, key.length)) : undefined,
        values: values && textOf(from.map((column) => values[wanted.lastIndexOf(column)])),
      })
    }
  }
  return { found, tables }
}

/** The violations that were not there before, each as a person finds its row. */
export function newViolations(before: Violations, after: Violations): string[] {
  const shared = (table: string, key: string) =>
    before.tables.get(table)?.foreignKeys.has(key) === true && after.tables.get(table)?.foreignKeys.has(key) === true
  // The columns of a foreign key may have been given other names.
  const scopeOf = ({ table, parent, columns }: Violation) =>
    `${table}\0${parent}\0${shared(table, foreignKey(parent, columns)) ? columns : ''}`
  const rebuilt = ({ table }: Violation) => before.tables.get(table)?.root !== after.tables.get(table)?.root
  const sameKey = ({ table }: Violation) => before.tables.get(table)?.key === after.tables.get(table)?.key
  const untold = new Set(
    [...before.found, ...after.found].flatMap(({ table, rowid }) => (rowid === null ? [table] : [])),
  )
  // Each takes away what was there before, and each of those once: what is sure comes first.
  const identities: readonly ((violation: Violation, scope: string) => string | undefined)[] = [
    (v, scope) => (v.key !== undefined && sameKey(v) ? `${scope}\0${v.key}` : undefined),
    (v, scope) => (v.rowid !== null && !rebuilt(v) ? `${scope}\0${v.rowid}` : undefined),
    // Nothing tells the rows apart but what they refer to.
    (v, scope) => (v.rowid !== null && rebuilt(v) && !(v.key && sameKey(v)) ? `${scope}\0${v.values}` : undefined),
    (v, scope) => (untold.has(v.table) ? scope : undefined),
  ]
  let old = before.found
  let rest = after.found
  for (const identity of identities) {
    const known = new Map<string, Violation[]>()
    const open = new Set(old)
    for (const violation of old) {
      const id = identity(violation, scopeOf(violation))
      if (id === undefined) continue
      const same = known.get(id)
      if (same) same.push(violation)
      else known.set(id, [violation])
    }
    rest = rest.filter((violation) => {
      const id = identity(violation, scopeOf(violation))
      const match = id === undefined ? undefined : known.get(id)?.pop()
      if (match) open.delete(match)
      return !match
    })
    old = [...open]
  }
  return rest.map(shown)
}

function shown({ table, parent, rowid, key }: Violation): string {
  const row = key === undefined ? rowid : (JSON.parse(key) as string[]).join(', ')
  return `${table}${row === null ? '' : ` row ${row}`} (refers to ${parent})`
}

/** As text: a column may be given another type on the way. */
function textOf(values: readonly unknown[]): string {
  return JSON.stringify(
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value))),
  )
}

function foreignKey(parent: string, columns: string): string {
  return `${parent}\0${columns}`
}
