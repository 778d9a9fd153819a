/**
 * UNIQUE that is written into a table (`email TEXT UNIQUE`). SQLite makes an index for it that it names by itself,
 * `sqlite_autoindex_User_1`: nobody can make an index of such a name, or drop it. To a schema it is the unique index that
 * Prisma would make, under the name that Prisma would give it.
 */
import type { Row } from '../engine.js'

export interface InlineUnique {
  /** SQLite's name of its index. */
  readonly index: string
  readonly table: string
  readonly columns: readonly string[]
  /** The name that it goes by; undefined where an index with a name of its own says the same, and it adds nothing. */
  readonly alias: string | undefined
}

/** Prisma: `User_email_key`. */
const aliasOf = (table: string, columns: readonly string[]) => `${table}_${columns.join('_')}_key`

const QUERY = `SELECT m.name AS tab, l.name AS idx, l.origin AS origin, i.name AS col
  FROM sqlite_schema m, pragma_index_list(m.name) l, pragma_index_info(l.name) i
  WHERE m.type = 'table' AND l."unique" = 1 AND l.partial = 0 AND l.origin IN ('u', 'c')
  ORDER BY m.name, l.name, i.seqno`

/** @param read answers a query */
export async function inlineUniques(read: (sql: string) => readonly Row[] | Promise<readonly Row[]>) {
  const found = new Map<string, { index: string; table: string; origin: string; columns: string[] }>()
  for (const { tab, idx, origin, col } of await read(QUERY)) {
    const index = String(idx)
    const known = found.get(index) ?? { index, table: String(tab), origin: String(origin), columns: [] }
    known.columns.push(String(col))
    found.set(index, known)
  }
  const all = [...found.values()]
  const same = (a: (typeof all)[number], b: (typeof all)[number]) =>
    a.table === b.table && a.columns.join('\0') === b.columns.join('\0')
  return all
    .filter(({ origin }) => origin === 'u')
    .map((each): InlineUnique => {
      const { index, table, columns } = each
      const doubled = all.some(
        (other) => other !== each && same(other, each) && (other.origin === 'c' || other.index < index),
      )
      return { index, table, columns, alias: doubled ? undefined : aliasOf(table, columns) }
    })
}
