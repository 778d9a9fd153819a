/** The whole structure of a SQLite database as text, read through its pragmas. */
import type { Connection, DatabaseObject, Row, Structure } from '../engine.js'
import { tokens } from '../sql/tokens.js'
import { inlineUniques } from './inline-unique.js'
import { literal, quote } from './values.js'

/** Reads the structure: what tables hold in any order, and the texts of everything else. */
export async function readStructure(connection: Connection): Promise<Structure> {
  const all = await connection.raw(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> '_prisma_migrations' ORDER BY rowid",
  )
  const kinds = await connection.raw("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
  const kindOf = new Map(kinds.map(({ name, type }) => [String(name), String(type)]))
  const uniques = await inlineUniques((sql) => connection.raw(sql))
  const lines: string[] = []
  const objects: DatabaseObject[] = []
  for (const row of all) {
    const name = String(row.name)
    const kind = row.type === 'table' ? kindOf.get(name) : undefined
    // What a virtual table keeps its contents in is its own, and goes with it.
    if (kind === 'shadow') continue
    if (kind === 'virtual') objects.push(virtualTable(row))
    else if (row.type === 'table') lines.push(...(await tableLines(connection, name, String(row.sql))))
    else if (row.type !== 'index') objects.push(objectOf(row))
  }
  const isPlain = (row: Row) => row.type === 'table' && kindOf.get(String(row.name)) === 'table'
  for (const table of all.filter(isPlain)) {
    for (const index of await connection.raw(
      `SELECT name, "unique" AS uniq, origin, partial FROM pragma_index_list(${literal(table.name)}) ORDER BY name`,
    )) {
      const keys = await connection.raw(
        `SELECT name, cid, "desc" AS down, coll FROM pragma_index_xinfo(${literal(index.name)}) WHERE key = 1 ORDER BY seqno`,
      )
      const text = all.find((row) => row.type === 'index' && row.name === index.name)
      if (text && (Number(index.partial) === 1 || keys.some((key) => Number(key.cid) === -2))) {
        objects.push(objectOf(text))
        continue
      }
      if (index.origin === 'pk') continue
      const columns = keys.map((key) => `${key.name}${Number(key.down) === 1 ? ' desc' : ''} ${key.coll}`)
      const unique = uniques.find((each) => each.index === index.name)
      if (unique && unique.alias === undefined) continue
      const shown = unique?.alias ?? String(index.name)
      lines.push(`index ${table.name} ${shown}${Number(index.uniq) === 1 ? ' unique' : ''} (${columns.join(', ')})`)
    }
  }
  // A view may be made of another, a trigger may stand on a view and write to a virtual table: views before triggers, each in
  // the order of its making.
  const rank = ({ kind }: DatabaseObject) => ['virtual table', 'index', 'view', 'trigger'].indexOf(kind)
  objects.sort((a, b) => rank(a) - rank(b))
  const tables = new Map(all.flatMap((row) => (isPlain(row) ? [[String(row.name), String(row.sql)] as const] : [])))
  return {
    lines: [...lines, ...objects.map(({ kind, name, make }) => `${kind} ${name} ${make}`)].sort(),
    objects,
    repairs: new Map(),
    tables,
  }
}

/** A table that a module keeps (full text search, R*Tree): no Prisma schema models it. */
function virtualTable(row: Row): DatabaseObject {
  const name = String(row.name)
  return {
    kind: 'virtual table',
    name,
    identity: name,
    make: String(row.sql),
    remove: `DROP TABLE IF EXISTS ${quote(name)}`,
  }
}

function objectOf(row: Row): DatabaseObject {
  const kind = String(row.type)
  const name = String(row.name)
  return {
    kind,
    name,
    ...(kind !== 'view' && { table: String(row.tbl_name) }),
    identity: name,
    make: String(row.sql),
    remove: `DROP ${kind.toUpperCase()} IF EXISTS ${quote(name)}`,
  }
}

async function tableLines(connection: Connection, name: string, sql: string): Promise<string[]> {
  const lines: string[] = []
  const columns = await connection.raw(
    `SELECT name, type, "notnull" AS required, dflt_value, pk, hidden FROM pragma_table_xinfo(${literal(name)})`,
  )
  for (const column of columns) {
    const facts = [
      String(column.type).toUpperCase(),
      // SQLite: a column of a primary key may say NOT NULL or not.
      Number(column.required) === 1 && Number(column.pk) === 0 ? 'not null' : '',
      Number(column.pk) > 0 ? `key ${column.pk}` : '',
      Number(column.hidden) > 0 ? `hidden ${column.hidden}` : '',
      column.dflt_value === null ? '' : `default ${column.dflt_value}`,
    ]
    lines.push(`column ${name}.${column.name} ${facts.filter(Boolean).join(' ')}`)
  }
  const keys = await connection.raw(
    `SELECT id, "table" AS parent, "from" AS own, "to" AS theirs, on_update, on_delete FROM pragma_foreign_key_list(${literal(name)}) ORDER BY id, seq`,
  )
  for (const id of new Set(keys.map((key) => Number(key.id)))) {
    const parts = keys.filter((key) => Number(key.id) === id)
    const pairs = parts.map((part) => `${part.own} to ${part.theirs ?? 'its key'}`).join(', ')
    lines.push(`foreign key ${name} ${parts[0]!.parent} (${pairs}) ${parts[0]!.on_update} ${parts[0]!.on_delete}`)
  }
  for (const fact of factsOf(connection, sql)) lines.push(`table ${name} ${fact}`)
  return [`table ${name}`, ...lines]
}

/** What no pragma tells: checks, generated values, collations, AUTOINCREMENT, STRICT, WITHOUT ROWID. */
function factsOf(connection: Connection, sql: string): string[] {
  const all = [...tokens(sql, connection.syntax)].filter((token) => token.kind !== 'comment')
  const text = (i: number) => sql.slice(all[i]!.start, all[i]!.end)
  const facts: string[] = []
  for (let i = 0; i < all.length; i++) {
    if (all[i]!.kind !== 'word') continue
    const word = text(i).toUpperCase()
    if (word === 'AUTOINCREMENT' || word === 'STRICT') facts.push(word)
    else if (word === 'WITHOUT' || word === 'COLLATE') facts.push(`${word} ${text(++i).toUpperCase()}`)
    else if (word === 'CHECK' || word === 'AS') {
      let depth = 0
      const parts: string[] = [word]
      for (i++; i < all.length; i++) {
        parts.push(text(i))
        if (text(i) === '(') depth++
        else if (text(i) === ')') depth--
        if (depth === 0) break
      }
      facts.push(parts.join(' '))
    }
  }
  return facts
}
