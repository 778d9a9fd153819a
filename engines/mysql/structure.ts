/** The whole structure of a MySQL or MariaDB database as text, as the server itself writes it. */
import type { Connection, DatabaseObject, Repair, Row, Structure } from '../engine.js'
import { quote } from './values.js'

/** Who made an object says nothing about what it is. */
const withoutDefiner = (sql: string) => sql.replace(/\sDEFINER\s*=\s*(?:`[^`]*`@`[^`]*`|\S+)(?=\s)/i, '')

/** Reads the structure of the connection's database. */
export async function readStructure(connection: Connection): Promise<Structure> {
  const lines: string[] = []
  const objects: DatabaseObject[] = []
  const ask = (sql: string) => connection.raw(sql)
  const created = async (kind: string, name: string, column: RegExp): Promise<string> => {
    const [row] = await ask(`SHOW CREATE ${kind} ${quote(name)}`)
    const found = Object.entries(row ?? {}).find(([key]) => column.test(key))
    return withoutDefiner(String(found?.[1] ?? ''))
  }
  const add = (kind: string, name: string, make: string, table?: string) =>
    objects.push({
      kind,
      name,
      identity: name,
      ...(table !== undefined && { table }),
      make: make === '' ? undefined : make,
      remove: `DROP ${kind.toUpperCase()} IF EXISTS ${quote(name)}`,
    })
  const tables = await ask(
    'SELECT TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME',
  )
  for (const row of tables) {
    const name = String(row.name)
    if (name === '_prisma_migrations') continue
    if (/VIEW$/.test(String(row.kind))) continue
    lines.push(...tableLines(name, await created('TABLE', name, /^create table$/i)))
  }
  for (const routine of await ask(
    'SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS kind FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_NAME',
  )) {
    const kind = String(routine.kind)
    if (kind === 'FUNCTION' || kind === 'PROCEDURE')
      add(
        kind.toLowerCase(),
        String(routine.name),
        await created(kind, String(routine.name), /^create (?:function|procedure)$/i),
      )
  }
  for (const row of tables) {
    if (!/VIEW$/.test(String(row.kind))) continue
    add('view', String(row.name), await created('VIEW', String(row.name), /^create view$/i))
  }
  for (const row of await ask(
    'SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME',
  ))
    add('trigger', String(row.name), await created('TRIGGER', String(row.name), /statement$/i), String(row.t))
  for (const row of await ask(
    'SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME',
  ))
    add('event', String(row.name), await created('EVENT', String(row.name), /^create event$/i))
  const own = objects.map(({ kind, name, make }) => `${kind} ${name} ${make ?? ''}`)
  objects.push(...(await checks(connection)))
  const repairs = new Map(lines.flatMap((line) => repairOf(line) ?? []))
  return { lines: [...lines, ...own].sort(), objects, repairs }
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
