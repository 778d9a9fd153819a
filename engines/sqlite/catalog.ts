/** What a SQLite database holds, read through its pragmas. */
import type { Database } from 'better-sqlite3'
import type { ColumnInfo, TableInfo } from '../engine.js'
import { quote } from './values.js'

interface TableRow {
  name: string
  type: 'table' | 'view' | 'shadow' | 'virtual'
}

interface ColumnRow {
  name: string
  type: string
  notnull: 0 | 1
  dflt_value: string | null
  /** 1-based position in the primary key. */
  pk: number
  /** 1 hidden column of a virtual table, 2 and 3 generated. */
  hidden: 0 | 1 | 2 | 3
}

/** Tables of the main database but for SQLite's own, ordinary ones first to be dropped last. */
export function listTables(database: Database): TableRow[] {
  const rows = database.prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").all() as TableRow[]
  return rows.filter((row) => !row.name.startsWith('sqlite_'))
}

/** All ordinary tables but the history. */
export function readTables(database: Database): TableInfo[] {
  return listTables(database)
    .filter((table) => table.type === 'table' && table.name !== '_prisma_migrations')
    .map((table) => describeTable(database, table.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function columnRows(database: Database, table: string): ColumnRow[] {
  return database.prepare('SELECT * FROM pragma_table_xinfo(?)').all(table) as ColumnRow[]
}

function primaryKeyOf(columns: readonly ColumnRow[]): string[] {
  return columns
    .filter((column) => column.pk > 0)
    .sort((a, b) => a.pk - b.pk)
    .map((column) => column.name)
}

function describeTable(database: Database, name: string): TableInfo {
  const columns = columnRows(database, name).filter((column) => column.hidden !== 1)
  const primaryKey = primaryKeyOf(columns)
  return {
    name,
    columns: columns.map((column): ColumnInfo => {
      // SQLite: a single INTEGER PRIMARY KEY is the rowid and gets its value by itself.
      const rowid = primaryKey.length === 1 && column.pk === 1 && /^integer$/i.test(column.type)
      return {
        name: column.name,
        type: column.type.toLowerCase(),
        nullable: column.notnull === 0 && column.pk === 0,
        hasDefault: column.dflt_value !== null || rowid,
        generated: column.hidden !== 0,
      }
    }),
    primaryKey,
    uniques: uniques(database, name),
    foreignKeys: foreignKeys(database, name),
    checks: countChecks(database, name),
  }
}

function uniques(database: Database, table: string): string[][] {
  const indexes = database
    .prepare(`SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0 AND origin <> 'pk'`)
    .pluck()
    .all(table) as string[]
  return indexes
    .map((index) => database.prepare('SELECT name FROM pragma_index_info(?)').pluck().all(index) as (string | null)[])
    .filter((names): names is string[] => names.every((column) => column !== null))
}

interface ForeignKeyRow {
  id: number
  table: string
  from: string
  to: string | null
}

function foreignKeys(database: Database, table: string): TableInfo['foreignKeys'] {
  const rows = database
    .prepare('SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq')
    .all(table) as ForeignKeyRow[]
  return [...new Set(rows.map((row) => row.id))].map((id) => {
    const parts = rows.filter((row) => row.id === id)
    const parent = parts[0]!.table
    // Without columns a foreign key means the primary key of its parent.
    const implied = parts[0]!.to === null ? primaryKeyOf(columnRows(database, parent)) : []
    return {
      columns: parts.map((part) => part.from),
      references: { table: parent, columns: parts.map((part, i) => part.to ?? implied[i] ?? '') },
    }
  })
}

/** SQLite keeps no list of checks: the word in the table's text, where a name or comment may only make the count too high. */
function countChecks(database: Database, table: string): number {
  const sql = database.prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?").pluck().get(table) as
    | string
    | undefined
  return sql?.match(/\bCHECK\s*\(/gi)?.length ?? 0
}

/** Drops every view and table; indexes and triggers go with them. To be called in a transaction with foreign keys off. */
export function dropEverything(database: Database): void {
  const drop = (type: TableRow['type']) => {
    for (const table of listTables(database)) {
      if (table.type !== type) continue
      database.exec(`DROP ${type === 'view' ? 'VIEW' : 'TABLE'} IF EXISTS ${quote(table.name)}`)
    }
  }
  drop('view')
  // A virtual table takes its shadow tables along.
  drop('virtual')
  drop('table')
}
