/** What a database contains: its tables as the proof sees them, and everything that a reset removes. */
import type { ColumnInfo, Row, TableInfo } from '../engine.js'
import { MARK } from '../shadow-mark.js'
import { explain } from './errors.js'
import type { Session } from './session.js'
import { literal, quote, unquote } from './values.js'

/** Sends a query and gives its rows; columns are named by aliases, because MySQL 8 answers in capitals. */
export type Ask = (sql: string, params: readonly unknown[]) => Promise<Row[]>

/** Sends several queries without parameters and gives the rows of each. */
export type Batch = (queries: readonly string[]) => Promise<Row[][]>

/**
 * Whether the table can be seen to exist. It is asked for itself, not for its entry in information_schema: that hides
 * what this user may not read, and an unreadable table must not pass for a missing one.
 */
export async function hasTable(session: Session, database: string, name: string): Promise<boolean> {
  try {
    await session.send(`SELECT 1 FROM ${quote(database)}.${quote(name)} LIMIT 0`)
    return true
  } catch (error) {
    if (explain(error).kind === 'missing-table') return false
    throw error
  }
}

/** The values of `enum('a','b''c')`, in order. */
export function enumValues(columnType: string): string[] {
  const inner = /^(?:enum|set)\((.*)\)/is.exec(columnType)?.[1] ?? ''
  return [...inner.matchAll(/'(?:[^'\\]|\\.|'')*'/gs)].map(([value]) => unquote(value))
}

function group(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const found = groups.get(key(row))
    if (found) found.push(row)
    else groups.set(key(row), [row])
  }
  return groups
}

const table = (row: Row) => String(row.t)

async function checkRows(ask: Ask, database: string): Promise<Row[]> {
  try {
    // MariaDB names the table here, MySQL only in TABLE_CONSTRAINTS (which MariaDB leaves without column checks).
    return await ask(
      'SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?',
      [database],
    )
  } catch (error) {
    if (explain(error).kind === 'connection') throw error
  }
  return ask(
    "SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS name, '' AS clause FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_TYPE = 'CHECK' AND CONSTRAINT_SCHEMA = ?",
    [database],
  )
}

function jsonChecks(checks: readonly Row[]): Set<string> {
  const found = new Set<string>()
  for (const row of checks) {
    const match = /^\(?json_valid\(`((?:[^`]|``)+)`\)\)?$/i.exec(String(row.clause))
    if (match) found.add(`${table(row)}\0${(match[1] as string).replaceAll('``', '`')}`)
  }
  return found
}

/** The JSON columns of a MariaDB database, as `table\0column`: it keeps JSON as longtext with the check `json_valid(column)`. */
export async function jsonColumns(ask: Ask, database: string): Promise<Set<string>> {
  return jsonChecks(await checkRows(ask, database))
}

function columnOf(row: Row, json: ReadonlySet<string>): ColumnInfo {
  const name = String(row.name)
  const type = String(row.type)
  const extra = String(row.extra).toLowerCase()
  const isJson = json.has(`${table(row)}\0${name}`)
  return {
    name,
    // Names of types in lower case; the values of an enum as they are.
    type: isJson ? 'json' : type.replace(/^[^']*/, (head) => head.toLowerCase()),
    nullable: row.nullable === 'YES',
    hasDefault:
      extra.includes('auto_increment') || (row.default !== null && !(row.nullable === 'YES' && row.default === 'NULL')),
    // `DEFAULT_GENERATED` is an expression default, not a generated column.
    generated: /\b(?:virtual|stored|persistent)\b(?: generated)?/.test(extra) || extra.includes('invisible system'),
    ...(/^enum\(/i.test(type) ? { enumValues: enumValues(type) } : {}),
  }
}

function foreignKeysOf(rows: readonly Row[]): TableInfo['foreignKeys'] {
  return [...group(rows, (row) => String(row.name)).values()].map((parts) => ({
    columns: parts.map((part) => String(part.c)),
    references: { table: String(parts[0]?.rt), columns: parts.map((part) => String(part.rc)) },
  }))
}

/** All ordinary tables of a database, by name, without `_prisma_migrations`. */
export async function readTables(ask: Ask, batch: Batch, database: string): Promise<TableInfo[]> {
  const here = literal(database)
  const [names = [], allColumns = [], allKeys = [], allReferences = []] = await batch([
    `SELECT TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${here} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME NOT IN ('_prisma_migrations', '${MARK}') ORDER BY TABLE_NAME`,
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS \`default\`, EXTRA AS extra FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${here} ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    `SELECT TABLE_NAME AS t, INDEX_NAME AS name, COLUMN_NAME AS c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ${here} AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
    `SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS name, COLUMN_NAME AS c, REFERENCED_TABLE_NAME AS rt, REFERENCED_COLUMN_NAME AS rc FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = ${here} AND REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA AND REFERENCED_COLUMN_NAME IS NOT NULL ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`,
  ])
  const columns = group(allColumns, table)
  const keys = group(allKeys, table)
  const references = group(allReferences, table)
  const checks = await checkRows(ask, database)
  const json = jsonChecks(checks)
  const checksOf = group(checks, table)
  return names.map((row) => {
    const name = String(row.t)
    const unique = group(keys.get(name) ?? [], (key) => String(key.name))
    const named = [...unique].map(([key, parts]) => [key, parts.map((part) => String(part.c))] as const)
    return {
      name,
      columns: (columns.get(name) ?? []).map((column) => columnOf(column, json)),
      primaryKey: named.find(([key]) => key === 'PRIMARY')?.[1] ?? [],
      // A part that is an expression has no column.
      uniques: named.filter(([key, parts]) => key !== 'PRIMARY' && !parts.includes('null')).map(([, parts]) => parts),
      foreignKeys: foreignKeysOf(references.get(name) ?? []),
      checks: (checksOf.get(name) ?? []).filter((check) => jsonChecks([check]).size === 0).length,
    }
  })
}

async function dropAll(session: Session, kind: string, names: readonly string[], database: string): Promise<void> {
  const of = (name: string) => `${quote(database)}.${quote(name)}`
  if (kind === 'TABLE' && names.length > 0) {
    // One statement: a cycle of foreign keys would stop one after the other even with the checks off (MySQL 8).
    await session.send(`DROP TABLE IF EXISTS ${names.map(of).join(', ')}`)
    return
  }
  for (const name of names) await session.send(`DROP ${kind} IF EXISTS ${of(name)}`)
}

export interface OtherObject {
  /** As DROP calls it. */
  readonly kind: 'EVENT' | 'VIEW' | 'SEQUENCE' | 'PACKAGE' | 'PROCEDURE' | 'FUNCTION'
  readonly name: string
}

/** What is in the database beside its tables and what belongs to these, in the order in which it can be dropped. */
export async function otherObjects(ask: Ask, database: string): Promise<OtherObject[]> {
  const relations = await ask(
    "SELECT TABLE_NAME AS name, CASE WHEN TABLE_TYPE LIKE '%VIEW' THEN 'VIEW' ELSE TABLE_TYPE END AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME",
    [database],
  )
  const routines = await ask(
    'SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS kind FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? ORDER BY ROUTINE_NAME',
    [database],
  )
  const events = await ask(
    "SELECT EVENT_NAME AS name, 'EVENT' AS kind FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY EVENT_NAME",
    [database],
  )
  const all = [...events, ...relations, ...routines]
  return (['EVENT', 'VIEW', 'SEQUENCE', 'PACKAGE', 'PROCEDURE', 'FUNCTION'] as const).flatMap((kind) =>
    all.filter((row) => row.kind === kind).map((row) => ({ kind, name: String(row.name) })),
  )
}

/**
 * Drops what is in the database, piece by piece: the database itself stays, with its character set and its grants, and
 * nobody needs the right to create databases.
 * @param kept a table that stays
 */
export async function dropEverything(session: Session, database: string, kept?: string): Promise<void> {
  const ask: Ask = async (sql, params) => (await session.send(sql, params)).rows
  const tables = await ask(
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
    [database],
  )
  const others = await otherObjects(ask, database)
  const named = (wanted: OtherObject['kind']) => others.filter(({ kind }) => kind === wanted).map(({ name }) => name)
  await session.send('SET SESSION foreign_key_checks = 0')
  try {
    for (const kind of ['EVENT', 'VIEW'] as const) await dropAll(session, kind, named(kind), database)
    const names = tables.map((row) => String(row.name)).filter((name) => name !== kept)
    await dropAll(session, 'TABLE', names, database)
    for (const kind of ['SEQUENCE', 'PACKAGE', 'PROCEDURE', 'FUNCTION'] as const)
      await dropAll(session, kind, named(kind), database)
  } finally {
    if (!session.lost) await session.send('SET SESSION foreign_key_checks = 1')
  }
}
