/**
 * The tables of a schema as Prisma's introspection would report them from a server that holds them. `migrate dev` compares
 * with a database, so this view yields the statements (and their order) that it writes, without a server.
 */
import { withArguments } from './casts.js'
import {
  byBytes,
  type Column,
  type ColumnType,
  type ForeignKey,
  type Index,
  type ServerFlags,
  type Table,
  type Tables,
} from './tables.js'

/** Sorts and completes the tables as a server reports them. Tables that come from a database are returned unchanged. */
export function databaseView(tables: Tables, { lowerCaseTableNames }: ServerFlags = {}): Tables {
  const { tables: complete } = withForeignKeyIndexes(tables)
  const stored = lowerCaseTableNames ? complete.map(lowerCased) : complete
  return { tables: stored.map(introspected).sort(byName) }
}

/** With lower_case_table_names = 1 the server keeps the names of tables in lower case, and only those. */
function lowerCased(table: Table): Table {
  return {
    ...table,
    name: table.name.toLowerCase(),
    foreignKeys: table.foreignKeys.map((key) => ({
      ...key,
      references: { ...key.references, table: key.references.table.toLowerCase() },
    })),
  }
}

const byName = (a: { readonly name: string }, b: { readonly name: string }) => byBytes(a.name, b.name)

function introspected(table: Table): Table {
  return {
    ...table,
    columns: table.columns.map((column) => introspectedColumn(table, column)),
    indexes: [...table.indexes].sort(byName),
    foreignKeys: [...table.foreignKeys].sort(byName),
  }
}

function introspectedType(table: Table, { name, type }: Column): ColumnType {
  if (type.kind === 'native') return withArguments(type)
  return type.kind === 'enum' ? { ...type, name: `${table.name}_${name}` } : type
}

function introspectedColumn(table: Table, column: Column): Column {
  const { clientDefault: _, ...known } = column
  const isNow = column.default?.kind === 'dbgenerated' && column.default.text?.toUpperCase() === 'CURRENT_TIMESTAMP'
  return {
    ...known,
    type: introspectedType(table, column),
    default: isNow ? { kind: 'now' } : column.default,
  }
}

/** Whether these columns lead the index, so that the server can look a foreign key up in it. */
export function supports(
  index: readonly { readonly name: string; readonly length?: number }[],
  key: readonly string[],
) {
  return key.every((column, i) => index[i]?.name === column && index[i].length === undefined)
}

/** The index that lets the server look up this foreign key, the primary key included. */
export function hasSupport(table: Pick<Table, 'primaryKey' | 'indexes'>, key: ForeignKey): boolean {
  if (table.primaryKey && supports(table.primaryKey, key.columns)) return true
  return table.indexes.some((index) => index.type !== 'fulltext' && supports(index.columns, key.columns))
}

/** The index that the server makes for a foreign key that has none; it bears the key's name. */
export function implicitIndex(key: ForeignKey): Index {
  return { name: key.name, type: 'normal', columns: key.columns.map((name) => ({ name })), implicit: true }
}

/** Adds the indexes that the server makes for foreign keys (InnoDB makes one where no index leads with the key's columns). */
export function withForeignKeyIndexes(tables: Tables): Tables {
  return {
    tables: tables.tables.map((table) => {
      const indexes = [...table.indexes]
      for (const key of table.foreignKeys) {
        if (!hasSupport({ primaryKey: table.primaryKey, indexes }, key)) indexes.push(implicitIndex(key))
      }
      return { ...table, indexes }
    }),
  }
}
