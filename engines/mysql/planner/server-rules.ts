/** What the server refuses, or does by itself, where Prisma's rules know nothing of it. */
import { supports } from './database-view.js'
import type { KeyOf, TablePair } from './steps.js'
import type { Index, Table } from './tables.js'

/**
 * The kept foreign keys that would make the server refuse a step, so that they must be dropped before and added again
 * after: keys that lose the last index they are looked up in (error 1553), on either side, keys that refer to a column
 * whose type changes (error 1833), and on either side those of a column that begins or ceases to number itself (MySQL: 1832,
 * 1833).
 */
export function keysInTheWay(
  pairs: readonly TablePair[],
  dropped: ReadonlySet<Index>,
  kept: readonly KeyOf[],
): KeyOf[] {
  const pairOf = (name: string) => pairs.find(({ previous }) => previous.name === name)
  return kept.filter(({ table, key }) => {
    const own = pairOf(table.name)
    const target = pairOf(key.references.table)
    if (own && (losesSupport(own, dropped, key.columns) || renumbers(own, key.columns))) return true
    if (!target) return false
    const { columns } = key.references
    return losesSupport(target, dropped, columns) || retypes(target, columns) || renumbers(target, columns)
  })
}

/** Whether the table has an index for these columns before its steps and none that stays through all of them. */
function losesSupport(
  { previous, clauses }: TablePair,
  dropped: ReadonlySet<Index>,
  columns: readonly string[],
): boolean {
  const keyDropped = clauses.some(({ kind }) => kind === 'DropPrimaryKey')
  const before = supporting(previous, columns)
  if (!before.primaryKey && before.indexes.length === 0) return false
  if (before.primaryKey && !keyDropped) return false
  if (before.indexes.some((index) => !dropped.has(index))) return false
  const added = clauses.find((clause) => clause.kind === 'AddPrimaryKey')
  if (!added || !supports(added.columns, columns)) return true
  if (before.primaryKey) return false
  // Indexes are dropped before the key is there, but for a unique index that becomes the first primary key.
  const names = added.columns.map(({ name }) => name)
  return !(previous.primaryKey === undefined && before.indexes.some((index) => isUniqueOver(index, names)))
}

function isUniqueOver(index: Index, names: readonly string[]): boolean {
  return index.type === 'unique' && index.columns.length === names.length && supports(index.columns, names)
}

function supporting({ primaryKey, indexes }: Table, columns: readonly string[]) {
  return {
    primaryKey: primaryKey !== undefined && supports(primaryKey, columns),
    indexes: indexes.filter((index) => index.type !== 'fulltext' && supports(index.columns, columns)),
  }
}

function renumbers({ columns }: TablePair, names: readonly string[]): boolean {
  return columns.some(({ from, autoIncrementChanged }) => autoIncrementChanged && names.includes(from.name))
}

function retypes({ columns }: TablePair, names: readonly string[]): boolean {
  return columns.some(({ from, cast }) => cast !== 'none' && names.includes(from.name))
}

/** Whether the index is one that the server made for a foreign key: it bears the key's name and has exactly its columns. */
export function isServerMade(table: Pick<Table, 'foreignKeys'>, index: Index): boolean {
  return (
    index.implicit === true ||
    (index.type === 'normal' &&
      table.foreignKeys.some(
        (key) =>
          key.name === index.name &&
          key.columns.length === index.columns.length &&
          supports(index.columns, key.columns),
      ))
  )
}

/**
 * Indexes that must come or go in the ALTER TABLE of their table, because an AUTO_INCREMENT column has no other key (error
 * 1075: it must be defined as a key).
 */
export function autoIncrementIndexes(
  { previous, next }: TablePair,
  dropped: ReadonlySet<Index>,
  created: ReadonlySet<Index>,
): { readonly dropped: readonly Index[]; readonly created: readonly Index[] } {
  return { dropped: onlyKeys(previous, dropped), created: onlyKeys(next, created) }
}

/** Those of the indexes without which the table's AUTO_INCREMENT column leads no key. */
function onlyKeys({ columns, primaryKey, indexes }: Table, among: ReadonlySet<Index>): Index[] {
  const numbered = columns.find(({ autoIncrement }) => autoIncrement)
  if (!numbered) return []
  const leads = (key: readonly { readonly name: string }[] | undefined) => key?.[0]?.name === numbered.name
  const leading = indexes.filter((index) => leads(index.columns))
  if (leads(primaryKey) || leading.some((index) => !among.has(index))) return []
  return leading.slice(0, 1)
}
