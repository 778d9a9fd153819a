/** The whole structure of a MySQL or MariaDB database as text, as the server itself writes it. */

import type { Connection, DatabaseObject, Repair, Row, Structure } from '../engine.js'
import { MARK } from '../shadow-mark.js'
import { quote } from './values.js'

/** Who made an object says nothing about what it is. */
const withoutDefiner = (sql: string) => sql.replace(/\sDEFINER\s*=\s*(?:`[^`]*`@`[^`]*`|\S+)(?=\s)/i, '')

const LISTS = [
  'SELECT TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME',
  'SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS kind FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_NAME',
  'SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME',
  'SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME',
]

/** Something that SHOW CREATE tells. */
interface Shown {
  readonly kind: 'table' | 'function' | 'procedure' | 'view' | 'trigger' | 'event'
  readonly name: string
  readonly table?: string
}

/** Reads the structure of the connection's database. */
export async function readStructure(connection: Connection): Promise<Structure> {
  const [tables, routines, triggers, events] = (await connection.batch(LISTS)) as [Row[], Row[], Row[], Row[]]
  const isView = (row: Row) => /VIEW$/.test(String(row.kind))
  const named = (rows: readonly Row[], kind: (row: Row) => Shown['kind']): Shown[] =>
    rows.map((row) => ({ kind: kind(row), name: String(row.name), ...(row.t != null && { table: String(row.t) }) }))
  const own = tables.filter((row) => !isView(row) && row.name !== '_prisma_migrations' && row.name !== MARK)
  const shown = [
    ...named(own, () => 'table'),
    ...named(
      routines.filter((row) => row.kind === 'FUNCTION' || row.kind === 'PROCEDURE'),
      (row) => (row.kind === 'FUNCTION' ? 'function' : 'procedure'),
    ),
    ...named(tables.filter(isView), () => 'view'),
    ...named(triggers, () => 'trigger'),
    ...named(events, () => 'event'),
  ]
  const created = await connection.batch(
    shown.map(({ kind, name }) => `SHOW CREATE ${kind.toUpperCase()} ${quote(name)}`),
  )
  const lines: string[] = []
  const objects: DatabaseObject[] = []
  for (const [k, { kind, name, table }] of shown.entries()) {
    const [row] = created[k]!
    // `Create Table`, `Create Function`, ..., and of a trigger `SQL Original Statement`.
    const column = kind === 'trigger' ? /statement$/i : new RegExp(`^create ${kind}$`, 'i')
    const make = withoutDefiner(String(Object.entries(row ?? {}).find(([key]) => column.test(key))?.[1] ?? ''))
    if (kind === 'table') lines.push(...tableLines(name, make))
    else
      objects.push({
        kind,
        name,
        identity: name,
        ...(table !== undefined && { table }),
        make: make === '' ? undefined : make,
        remove: `DROP ${kind.toUpperCase()} IF EXISTS ${quote(name)}`,
      })
  }
  const described = objects.map(({ kind, name, make }) => `${kind} ${name} ${make ?? ''}`)
  objects.push(...(await checks(connection)))
  const repairs = new Map(lines.flatMap((line) => repairOf(line) ?? []))
  return { lines: [...lines, ...described].sort(), objects, repairs }
}

/** SHOW CREATE TABLE, a line for each column, key and check, so that their order does not count. */
function tableLines(name: string, sql: string): string[] {
  const text = sql.replace(/ AUTO_INCREMENT=\d+/, '')
  return text
    .split('\n')
    .slice(1)
    .map((line) => `table ${name}: ${line.trim().replace(/,$/, '')}`)
}

/** What puts a line of SHOW CREATE TABLE right. */
function repairOf(line: string): [string, Repair][] | undefined {
  const [, table, part] = /^table (.*?): (.*)$/s.exec(line) ?? []
  if (table === undefined || part === undefined || part.startsWith(')')) return undefined
  const of = `ALTER TABLE ${quote(table)}`
  const name = /`((?:[^`]|``)+)`/.exec(part)?.[0]
  if (part.startsWith('`')) return [[line, { order: 1, make: [`${of} MODIFY ${part}`], remove: [] }]]
  if (part.startsWith('PRIMARY KEY')) return undefined
  if (/^CONSTRAINT .* FOREIGN KEY /s.test(part))
    return [[line, { order: 3, make: [`${of} ADD ${part}`], remove: [`${of} DROP FOREIGN KEY ${name}`] }]]
  if (part.startsWith('CONSTRAINT'))
    return [[line, { order: 3, make: [`${of} ADD ${part}`], remove: [`${of} DROP CONSTRAINT ${name}`] }]]
  if (/^(?:UNIQUE |FULLTEXT |SPATIAL )?KEY /.test(part))
    return [[line, { order: 2, make: [`${of} ADD ${part}`], remove: [`DROP INDEX ${name} ON ${quote(table)}`] }]]
  return undefined
}

/** Checks of tables, but for the one by which MariaDB knows a JSON column. */
async function checks(connection: Connection): Promise<DatabaseObject[]> {
  const rows: Row[] = await connection
    .raw(
      "SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND LEVEL = 'Table' ORDER BY TABLE_NAME, CONSTRAINT_NAME",
    )
    // MySQL: the table is in another view, and there is no level.
    .catch(() =>
      connection
        .raw(
          "SELECT t.TABLE_NAME AS t, t.CONSTRAINT_NAME AS name, c.CHECK_CLAUSE AS clause FROM information_schema.TABLE_CONSTRAINTS t JOIN information_schema.CHECK_CONSTRAINTS c ON c.CONSTRAINT_SCHEMA = t.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = t.CONSTRAINT_NAME WHERE t.CONSTRAINT_TYPE = 'CHECK' AND t.CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1, 2",
        )
        .catch(() => []),
    )
  return rows.map((row) => ({
    kind: 'check constraint',
    name: String(row.name),
    table: String(row.t),
    identity: `${row.t}.${row.name}`,
    make: `ALTER TABLE ${quote(String(row.t))} ADD CONSTRAINT ${quote(String(row.name))} CHECK (${row.clause})`,
    remove: `ALTER TABLE ${quote(String(row.t))} DROP CONSTRAINT ${quote(String(row.name))}`,
  }))
}
