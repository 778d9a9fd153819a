/** A live database as the planner's {@link Tables}: what Prisma's introspection of MySQL sees, and nothing more. */

import type { Row } from '../../engine.js'
import { MARK } from '../../shadow-mark.js'
import { type Ask, enumValues, jsonColumns } from '../catalog.js'
import {
  byBytes,
  type Column,
  type ForeignKey,
  type Index,
  type ReferentialAction,
  type ServerFlags,
  type Table,
  type Tables,
} from '../planner/tables.js'
import { readDefault } from './defaults.js'
import { isKey } from './relations.js'
import { readType } from './types.js'

/** What the server is, as far as it decides how its catalog reads. */
export interface ServerKind {
  readonly mariadb: boolean
  readonly version: string
  readonly lowerCaseTableNames: number
}

/** A live database. */
export interface LiveDatabase {
  readonly tables: Tables
  readonly flags: ServerFlags
  /** MariaDB's JSON columns as `table\0column`. To the planner they are LongText, as to Prisma. */
  readonly json: ReadonlySet<string>
}

/** Whether defaults are shown as SQL (MariaDB 10.2.7 and later) and not as bare text. */
function showsSql({ mariadb, version }: ServerKind): boolean {
  if (!mariadb) return false
  const [major = 0, minor = 0, patch = 0] = (/(\d+)\.(\d+)\.(\d+)/.exec(version.replace(/^5\.5\.5-/, '')) ?? [])
    .slice(1)
    .map(Number)
  return major > 10 || (major === 10 && (minor > 2 || (minor === 2 && patch >= 7)))
}

/** The flags that the planner asks for. */
export function flagsOf(server: ServerKind): ServerFlags {
  return {
    mariadb: server.mariadb,
    mysql56: !server.mariadb && server.version.startsWith('5.6'),
    lowerCaseTableNames: server.lowerCaseTableNames === 1,
  }
}

function group(rows: readonly Row[], key: string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const name = String(row[key])
    const found = groups.get(name)
    if (found) found.push(row)
    else groups.set(name, [row])
  }
  return groups
}

const asJson = (column: Column): Column =>
  column.type.kind === 'native' ? { ...column, type: { ...column.type, json: true } } : column

function columnOf(row: Row, sqlDefaults: boolean): Column {
  const extra = String(row.extra).toLowerCase()
  const column = {
    dataType: String(row.dataType).toLowerCase(),
    columnType: String(row.columnType),
    length: row.length === null ? undefined : Number(row.length),
    precision: row.precision === null ? undefined : Number(row.precision),
    scale: row.scale === null ? undefined : Number(row.scale),
    fraction: row.fraction === null ? undefined : Number(row.fraction),
    default: row.default === null ? undefined : String(row.default),
    sqlDefaults,
    expression: extra.startsWith('default_generated'),
  }
  const type = readType(column, enumValues)
  return {
    name: String(row.name),
    type: type.kind === 'enum' ? { ...type, name: `${row.t}_${row.name}` } : type,
    nullable: row.nullable === 'YES',
    default: readDefault(column, type),
    autoIncrement: extra === 'auto_increment',
  }
}

interface Keys {
  readonly primaryKey: Table['primaryKey']
  readonly indexes: Index[]
}

/**
 * Whether a Prisma schema can say the index. It cannot: parts that are expressions, spatial indexes, and texts as a whole
 * (MariaDB makes a hash of them).
 */
function hasForm(parts: readonly Row[], columns: readonly Row[]): boolean {
  const kind = String(parts[0]?.kind).toUpperCase()
  if (kind === 'SPATIAL') return false
  return parts.every((part) => {
    const type = String(columns.find((column) => column.name === part.c)?.dataType)
    return part.c !== null && (kind === 'FULLTEXT' || part.length !== null || !/(?:text|blob)$/i.test(type))
  })
}

function keysOf(rows: readonly Row[], tableColumns: readonly Row[]): Keys {
  const keys = [...group(rows, 'name')].flatMap(([name, parts]) => {
    if (!hasForm(parts, tableColumns)) return []
    const columns = parts.map((part) => ({
      name: String(part.c),
      ...(part.length === null ? {} : { length: Number(part.length) }),
      ...(part.sort === 'D' ? { sort: 'desc' as const } : {}),
    }))
    const kind = String(parts[0]?.kind).toUpperCase()
    const type = kind === 'FULLTEXT' ? 'fulltext' : Number(parts[0]?.nonUnique) === 0 ? 'unique' : 'normal'
    return [{ name, type, columns } as const]
  })
  return {
    primaryKey: keys.find((key) => key.name === 'PRIMARY')?.columns,
    indexes: keys.filter((key) => key.name !== 'PRIMARY').sort((a, b) => byBytes(a.name, b.name)),
  }
}

function foreignKeysOf(rows: readonly Row[]): ForeignKey[] {
  return [...group(rows, 'name')]
    .map(([name, parts]) => ({
      name,
      columns: parts.map((part) => String(part.c)),
      references: { table: String(parts[0]?.rt), columns: parts.map((part) => String(part.rc)) },
      onDelete: String(parts[0]?.onDelete).toUpperCase() as ReferentialAction,
      onUpdate: String(parts[0]?.onUpdate).toUpperCase() as ReferentialAction,
    }))
    .sort((a, b) => byBytes(a.name, b.name))
}

/** Where the server does not tell capitals apart, a key may spell its table differently from the table itself. */
function spelledAs(key: ForeignKey, names: readonly string[], server: ServerKind): ForeignKey {
  if (server.lowerCaseTableNames === 0 || names.includes(key.references.table)) return key
  const table = names.find((name) => name.toLowerCase() === key.references.table.toLowerCase())
  return table === undefined ? key : { ...key, references: { ...key.references, table } }
}

const TABLES = `SELECT TABLE_NAME AS t FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN ('_prisma_migrations', '${MARK}')`

const COLUMNS = `SELECT TABLE_NAME AS t, COLUMN_NAME AS name, DATA_TYPE AS dataType, COLUMN_TYPE AS columnType,
    CHARACTER_MAXIMUM_LENGTH AS length, NUMERIC_PRECISION AS \`precision\`, NUMERIC_SCALE AS scale,
    DATETIME_PRECISION AS fraction, COLUMN_DEFAULT AS \`default\`, IS_NULLABLE AS nullable, EXTRA AS extra
  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY ORDINAL_POSITION`

const INDEXES = `SELECT TABLE_NAME AS t, INDEX_NAME AS name, COLUMN_NAME AS c, SUB_PART AS length, COLLATION AS sort,
    NON_UNIQUE AS nonUnique, INDEX_TYPE AS kind
  FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`

const FOREIGN_KEYS = `SELECT k.TABLE_NAME AS t, k.CONSTRAINT_NAME AS name, k.COLUMN_NAME AS c,
    k.REFERENCED_TABLE_NAME AS rt, k.REFERENCED_COLUMN_NAME AS rc, r.DELETE_RULE AS onDelete, r.UPDATE_RULE AS onUpdate
  FROM information_schema.KEY_COLUMN_USAGE AS k
  JOIN information_schema.REFERENTIAL_CONSTRAINTS AS r
    ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND CAST(r.CONSTRAINT_NAME AS BINARY) = CAST(k.CONSTRAINT_NAME AS BINARY)
    AND CAST(r.TABLE_NAME AS BINARY) = CAST(k.TABLE_NAME AS BINARY)
  WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA AND k.REFERENCED_COLUMN_NAME IS NOT NULL
  ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`

/** MySQL lets a foreign key refer to columns that are no key. A Prisma schema cannot say that: such keys are left alone. */
function withoutLooseKeys(tables: readonly Table[]): Table[] {
  const byName = new Map(tables.map((table) => [table.name, table]))
  return tables.map((table) => ({
    ...table,
    foreignKeys: table.foreignKeys.filter(({ references }) => {
      const target = byName.get(references.table)
      return target === undefined || isKey(target, references.columns)
    }),
  }))
}

/** Reads a database. Tables, indexes and keys come by the bytes of their names, columns by position. */
export async function readDatabase(ask: Ask, database: string, server: ServerKind): Promise<LiveDatabase> {
  const names = (await ask(TABLES, [database])).map((row) => String(row.t)).sort(byBytes)
  const columns = group(await ask(COLUMNS, [database]), 't')
  const indexes = group(await ask(INDEXES, [database]), 't')
  const foreignKeys = group(await ask(FOREIGN_KEYS, [database]), 't')
  const sqlDefaults = showsSql(server)
  const json: ReadonlySet<string> = server.mariadb ? await jsonColumns(ask, database) : new Set()
  const tables = names
    // A table without a column that this user may see is not there for Prisma.
    .filter((name) => columns.has(name))
    .map((name): Table => {
      const { primaryKey, indexes: other } = keysOf(indexes.get(name) ?? [], columns.get(name) ?? [])
      return {
        name,
        columns: (columns.get(name) ?? []).map((row) => {
          const column = columnOf(row, sqlDefaults)
          return json.has(`${name}\0${column.name}`) ? asJson(column) : column
        }),
        primaryKey,
        indexes: other,
        foreignKeys: foreignKeysOf(foreignKeys.get(name) ?? []).map((key) => spelledAs(key, names, server)),
      }
    })
  return {
    tables: { tables: withoutLooseKeys(tables) },
    flags: flagsOf(server),
    json,
  }
}
