/** A live database as the planner's {@link Tables}: what Prisma's introspection of MySQL sees, and nothing more. */

import type { Row } from '../../engine.js'
import { MARK } from '../../shadow-mark.js'
import { type Ask, type Batch, enumValues, jsonColumns } from '../catalog.js'
import {
  type Beside,
  byBytes,
  type Column,
  type ForeignKey,
  type Index,
  type ReferentialAction,
  type ServerFlags,
  type Table,
  type Tables,
} from '../planner/tables.js'
import { syntaxFor } from '../settings.js'
import { quote } from '../values.js'
import { readCreateTable, type ShownColumn } from './create-table.js'
import { readDefault } from './defaults.js'
import { trueEnum, withTrueDefaults } from './letters.js'
import { isKey } from './relations.js'
import { readType } from './types.js'

/** What the server is, as far as it decides how its catalog reads. */
export interface ServerKind {
  readonly mariadb: boolean
  readonly version: string
  readonly lowerCaseTableNames: number
  readonly sqlMode?: string
}

/** A live database. */
export interface LiveDatabase {
  readonly tables: Tables
  readonly flags: ServerFlags
  /** MariaDB's JSON columns as `table\0column`. To the planner they are LongText, as to Prisma. */
  readonly json: ReadonlySet<string>
}

/** Whether the version is that one or later. */
function isAtLeast({ version }: ServerKind, wanted: readonly [number, number, number]): boolean {
  const found = (/(\d+)\.(\d+)\.(\d+)/.exec(version.replace(/^5\.5\.5-/, '')) ?? []).slice(1).map(Number)
  const at = wanted.findIndex((number, i) => number !== (found[i] ?? 0))
  return at === -1 || (found[at] ?? 0) > (wanted[at] ?? 0)
}

/** Whether defaults are shown as SQL (MariaDB 10.2.7 and later) and not as bare text. */
const showsSql = (server: ServerKind) => server.mariadb && isAtLeast(server, [10, 2, 7])

/** The flags that the planner asks for. */
export function flagsOf(server: ServerKind): ServerFlags {
  return {
    mariadb: server.mariadb,
    mysql56: !server.mariadb && server.version.startsWith('5.6'),
    lowerCaseTableNames: server.lowerCaseTableNames === 1,
    plainDefaults: !isAtLeast(server, server.mariadb ? [10, 2, 1] : [8, 0, 13]),
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

/** The default as it is shown, in place of what the catalog makes of it. */
function shownDefault(row: Row, shown: ShownColumn, sqlDefaults: boolean) {
  const sql = shown.default
  if (row.default === null || sql === undefined || sql.toUpperCase() === 'NULL') return undefined
  const bytes = /^(?:bit|binary|varbinary|(?:tiny|medium|long)?blob)$/i.test(String(row.dataType))
  if (sqlDefaults) return { default: sql, shown: true }
  if (shown.inParentheses) return { default: withLetters(sql, String(row.default)), shown: true, expression: true }
  if (bytes) return { default: sql, shown: true }
  const digits = /^0x((?:[0-9a-f]{2})*)$/i.exec(sql)?.[1]
  // MySQL writes a text with letters beyond U+FFFF as its bytes.
  return digits === undefined ? undefined : { default: Buffer.from(digits, 'hex').toString('utf8') }
}

/**
 * Of an expression MySQL shows letters beyond U+FFFF as question marks. Its catalog has them, escaped once more and byte
 * for byte.
 */
function withLetters(shown: string, catalog: string): string {
  if (!shown.includes('????')) return shown
  const known = Buffer.from(catalog.replace(/\\([\s\S])/g, '$1'), 'latin1').toString('utf8')
  return known.replace(/[\u{10000}-\u{10ffff}]/gu, '????') === shown ? known : shown
}

const hasBytes = (rows: readonly Row[]) => (column: string) =>
  rows.some(({ name, dataType }) => name === column && /^(?:bit|(?:var)?binary|.*blob)$/i.test(String(dataType)))

/** The rows with the values of enums as they are. */
async function withLettersOf(table: string, rows: readonly Row[], batch: Batch): Promise<Row[]> {
  const known: Row[] = []
  for (const row of rows)
    known.push({ ...row, columnType: await trueEnum(table, String(row.name), String(row.columnType), batch) })
  return known
}

/** What a Prisma schema does not say of the column. */
function besideOf(row: Row, extra: string, shown: ShownColumn | undefined): Beside | undefined {
  const collation = row.collation === null ? undefined : String(row.collation)
  const beside: Beside = {
    ...(collation !== undefined && collation !== row.tableCollation && { collation }),
    ...(shown?.generated !== undefined && { generated: shown.generated }),
    ...(extra.includes('on update') && { onUpdate: true as const }),
    ...(/\binvisible\b/.test(extra) && { invisible: true as const }),
    ...(shown?.reference !== undefined && { reference: shown.reference }),
    // The check by which MariaDB knows a JSON column comes with its type.
    ...(shown?.check !== undefined && !/^CHECK \(json_valid\(/i.test(shown.check) && { check: shown.check }),
    ...(shown?.comment !== undefined && shown.comment !== '' && { comment: shown.comment }),
  }
  return Object.keys(beside).length === 0 ? undefined : beside
}

function columnOf(row: Row, sqlDefaults: boolean, shown: ShownColumn | undefined): Column {
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
    ...(shown && shownDefault(row, shown, sqlDefaults)),
  }
  const type = readType(column, enumValues)
  const beside = besideOf(row, extra, shown)
  return {
    name: String(row.name),
    type: type.kind === 'enum' ? { ...type, name: `${row.t}_${row.name}` } : type,
    nullable: row.nullable === 'YES',
    default: readDefault(column, type),
    autoIncrement: /\bauto_increment\b/.test(extra),
    ...(beside && { beside }),
  }
}

/** A default that the catalog surely tells right: a number, a plain text, the present time. */
const PLAIN = /^(?:-?[\d.]+|'?[\w .:-]*'?|current_timestamp(?:\(\d*\))?)$/i

/** Whether SHOW CREATE TABLE has to be asked for this column. */
function wantsMore(row: Row, checked: ReadonlySet<unknown>): boolean {
  if (checked.has(row.t) || /geometry|point|linestring|polygon/i.test(String(row.dataType))) return true
  const extra = String(row.extra)
    .toLowerCase()
    .replace(/^default_generated(?= on update|$)/, '')
  if (/generated|on update/.test(extra) || String(row.comment) !== '') return true
  return row.default !== null && (!PLAIN.test(String(row.default)) || /binary|blob/i.test(String(row.dataType)))
}

/** The tables of which a column has a check of its own. */
async function checkedTables(ask: Ask, database: string): Promise<ReadonlySet<unknown>> {
  const rows = await ask(CHECKS, [database]).catch(() => [])
  return new Set(rows.map(({ t }) => t))
}

/** The columns of these tables as SHOW CREATE TABLE has them; what may not be looked at is left out. */
async function showTables(
  names: readonly string[],
  batch: Batch,
  syntax: ReturnType<typeof syntaxFor>,
): Promise<Map<string, ReadonlyMap<string, ShownColumn>>> {
  const queries = names.map((name) => `SHOW CREATE TABLE ${quote(name)}`)
  const one = (query: string) => batch([query]).catch(() => [])
  const shown =
    queries.length === 0
      ? []
      : await batch(queries).catch(async () => {
          const found: Row[][] = []
          for (const query of queries) found.push((await one(query)).flat())
          return found
        })
  return new Map(
    names.map((name, i) => {
      const row = shown[i]?.[0] ?? {}
      const sql = Object.entries(row).find(([key]) => /^create table$/i.test(key))?.[1]
      return [name, sql == null ? new Map() : readCreateTable(String(sql), syntax)]
    }),
  )
}

/** Whether it is the key that MySQL can make by itself where a table has none, or one just like it. */
function isHiddenKey(table: Table, all: readonly Table[]): boolean {
  const [key, ...more] = table.primaryKey ?? []
  const column = table.columns.find(({ name }) => name === key?.name)
  if (key?.name !== 'my_row_id' || more.length > 0 || !column?.autoIncrement || !column.beside?.invisible) return false
  const uses = (names: readonly string[]) => names.includes(key.name)
  return !all.some(
    (other) =>
      other.foreignKeys.some(({ references }) => references.table === table.name && uses(references.columns)) ||
      (other === table && other.indexes.some(({ columns }) => uses(columns.map(({ name }) => name)))),
  )
}

/** Nobody asked for such a key, and where it is wanted the server makes it again. */
function withoutHiddenKeys(tables: readonly Table[]): Table[] {
  return tables.map((table) => {
    if (!isHiddenKey(table, tables)) return table
    return { ...table, columns: table.columns.filter(({ name }) => name !== 'my_row_id'), primaryKey: undefined }
  })
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

const TABLES = `SELECT TABLE_NAME AS t, TABLE_COLLATION AS collation FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN ('_prisma_migrations', '${MARK}')`

const COLUMNS = `SELECT TABLE_NAME AS t, COLUMN_NAME AS name, DATA_TYPE AS dataType, COLUMN_TYPE AS columnType,
    CHARACTER_MAXIMUM_LENGTH AS length, NUMERIC_PRECISION AS \`precision\`, NUMERIC_SCALE AS scale,
    DATETIME_PRECISION AS fraction, COLUMN_DEFAULT AS \`default\`, IS_NULLABLE AS nullable, EXTRA AS extra,
    COLLATION_NAME AS collation, COLUMN_COMMENT AS comment
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

const CHECKS = `SELECT DISTINCT TABLE_NAME AS t FROM information_schema.CHECK_CONSTRAINTS
  WHERE CONSTRAINT_SCHEMA = ? AND LEVEL = 'Column' AND CHECK_CLAUSE NOT LIKE 'json_valid(%'`

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
export async function readDatabase(
  ask: Ask,
  database: string,
  server: ServerKind,
  batch: Batch = async (queries) => {
    const answers: Row[][] = []
    for (const query of queries) answers.push(await ask(query, []))
    return answers
  },
): Promise<LiveDatabase> {
  const found = await ask(TABLES, [database])
  const collations = new Map(found.map((row) => [String(row.t), row.collation]))
  const columns = group(await ask(COLUMNS, [database]), 't')
  // A table without a column that this user may see is not there for Prisma.
  const names = [...collations.keys()].sort(byBytes).filter((name) => columns.has(name))
  const indexes = group(await ask(INDEXES, [database]), 't')
  const foreignKeys = group(await ask(FOREIGN_KEYS, [database]), 't')
  const sqlDefaults = showsSql(server)
  const json: ReadonlySet<string> = server.mariadb ? await jsonColumns(ask, database) : new Set()
  const checked = server.mariadb ? await checkedTables(ask, database) : new Set()
  const wanted = names.filter((name) => columns.get(name)?.some((row) => wantsMore(row, checked)))
  const shown = await showTables(wanted, batch, syntaxFor(server.sqlMode ?? ''))
  const tables: Table[] = []
  for (const name of names) {
    const { primaryKey, indexes: other } = keysOf(indexes.get(name) ?? [], columns.get(name) ?? [])
    const collation = collations.get(name)
    const rows = await withLettersOf(name, columns.get(name) ?? [], batch)
    const known = await withTrueDefaults(name, shown.get(name) ?? new Map(), hasBytes(rows), batch)
    tables.push({
      name,
      columns: rows.map((row) => {
        const column = columnOf({ ...row, tableCollation: collation }, sqlDefaults, known.get(String(row.name)))
        return json.has(`${name}\0${column.name}`) ? asJson(column) : column
      }),
      primaryKey,
      indexes: other,
      foreignKeys: foreignKeysOf(foreignKeys.get(name) ?? []).map((key) => spelledAs(key, names, server)),
      ...(collation != null && { collation: String(collation) }),
    })
  }
  return { tables: { tables: withoutHiddenKeys(withoutLooseKeys(tables)) }, flags: flagsOf(server), json }
}
