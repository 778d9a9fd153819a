/** The clauses of one ALTER TABLE. */
import { changed, sameKeyColumns } from './compare.js'
import type { Clause, ColumnPair } from './steps.js'
import { byBytes, type Table } from './tables.js'

/** Prisma: key dropped, columns dropped and added by the bytes of their names, columns changed by position, key added. */
export function clauses(previous: Table, next: Table, columns: readonly ColumnPair[]): Clause[] {
  const old = previous.primaryKey
  const retyped = old?.some(({ name }) => columns.some(({ from, cast }) => from.name === name && cast !== 'none'))
  const keyStays = old && next.primaryKey && !retyped && sameKeyColumns(old, next.primaryKey)
  const missing = (from: Table, other: Table) =>
    from.columns
      .filter(({ name }) => !other.columns.some((column) => column.name === name))
      .sort((a, b) => byBytes(a.name, b.name))
  return [
    ...(old && !keyStays ? [{ kind: 'DropPrimaryKey', columns: old } as const] : []),
    ...missing(previous, next).map((column) => ({ kind: 'DropColumn', column }) as const),
    ...missing(next, previous).map((column) => ({ kind: 'AddColumn', column }) as const),
    ...columns.filter(changed).map((pair) => ({ kind: clauseKind(pair), ...pair }) as const),
    ...(next.primaryKey && !keyStays ? [{ kind: 'AddPrimaryKey', columns: next.primaryKey } as const] : []),
  ]
}

function clauseKind(pair: ColumnPair): 'RecreateColumn' | 'DropDefault' | 'ModifyColumn' {
  if (pair.cast === 'impossible') return 'RecreateColumn'
  const onlyDefault = pair.cast === 'none' && !pair.arityChanged && !pair.autoIncrementChanged
  return onlyDefault && pair.to.default === undefined ? 'DropDefault' : 'ModifyColumn'
}
