/** What a database has beside what a Prisma schema can say: kept where the schema's columns and tables are written anew. */
import { type Beside, type Column, type ForeignKey, PRISMA_COLLATION, type Table, type Tables } from './tables.js'

const isText = ({ type }: Column) =>
  type.kind === 'enum' || type.kind === 'untyped' || (type.kind === 'native' && type.scalar === 'String')

const keepsTime = ({ type }: Column) => type.kind === 'native' && /^(?:DateTime|Timestamp)$/.test(type.name)

/** Of what a column has, what one of this type can have. */
function fitting(beside: Beside, column: Column): Beside {
  const { collation, generated, onUpdate, reference, ...rest } = beside
  return {
    ...rest,
    ...(collation !== undefined && isText(column) && { collation }),
    // A column that numbers itself, or has a default, computes nothing.
    ...(generated !== undefined && !column.autoIncrement && column.default === undefined && { generated }),
    ...(reference !== undefined && column.type.kind === 'unsupported' && { reference }),
    ...(onUpdate && keepsTime(column) && { onUpdate }),
  }
}

type Fold = (name: string) => string

/**
 * The tables of a schema with what those of a database have beside it. A new column that refers to a text has the collation
 * of that text: the server takes no foreign key over two.
 */
export function withBeside(schema: Tables, live: Tables, ignoreCase = false): Tables {
  const fold: Fold = (name) => (ignoreCase ? name.toLowerCase() : name)
  const known = new Map(live.tables.map((table) => [fold(table.name), table]))
  const tables = schema.tables.map((table) => {
    const other = known.get(fold(table.name))
    if (other === undefined) return table
    return {
      ...table,
      ...(other.collation !== undefined && { collation: other.collation }),
      columns: table.columns.map((column) => {
        const beside = other.columns.find(({ name }) => name === column.name)?.beside
        return beside ? { ...column, beside: fitting(beside, column) } : column
      }),
    }
  })
  const isNew = (table: Table, name: string) =>
    !known.get(fold(table.name))?.columns.some((column) => column.name === name)
  return { tables: referring(tables, isNew, fold) }
}

/** A key may refer to a column that refers to another one: as far as such chains go. */
const CHAIN = 5

function referring(tables: readonly Table[], isNew: (table: Table, name: string) => boolean, fold: Fold): Table[] {
  let now = [...tables]
  for (let round = 0; round < CHAIN; round++) {
    const next = now.map((table) => ({
      ...table,
      columns: table.columns.map((column) =>
        isNew(table, column.name) && isText(column) ? asReferred(column, table, now, fold) : column,
      ),
    }))
    if (next.every((table, i) => table.columns.every((column, k) => column === now[i]?.columns[k]))) break
    now = next
  }
  return now
}

const collationOf = (table: Table, column: Column) => column.beside?.collation ?? table.collation ?? PRISMA_COLLATION

function asReferred(column: Column, table: Table, tables: readonly Table[], fold: Fold): Column {
  const place = (key: ForeignKey) => key.columns.indexOf(column.name)
  const key = table.foreignKeys.find((each) => place(each) !== -1)
  const target = key && tables.find(({ name }) => fold(name) === fold(key.references.table))
  const referred = target?.columns.find(({ name }) => name === key?.references.columns[place(key)])
  if (!target || !referred || !isText(referred)) return column
  const collation = collationOf(target, referred)
  return collation === collationOf(table, column) ? column : { ...column, beside: { ...column.beside, collation } }
}
