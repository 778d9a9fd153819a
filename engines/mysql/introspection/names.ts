/** Database names as Prisma names (Prisma: `db pull` strips what an identifier cannot hold and keeps the rest in `@map`). */
import type { Table, Tables } from '../planner/tables.js'

/** Words that the generated client cannot have as the name of a type. */
const RESERVED = new Set(
  (
    'PrismaClient Prisma async await break case catch class const continue debugger default delete do else enum export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public return super ' +
    'switch this throw true try typeof undefined using var void while with yield ' +
    'String Int BigInt Float Decimal Boolean DateTime Json Bytes Unsupported'
  ).split(' '),
)

/** Letters, digits and underscores, beginning with a letter; '' where nothing is left. */
export function sanitize(name: string): string {
  return name.replace(/^[^a-zA-Z]+/, '').replace(/[^_a-zA-Z0-9]/g, '_')
}

/** Hands out names that are used once. */
export class Names {
  readonly #used = new Set<string>()

  take(wanted: string): string {
    let name = wanted
    for (let n = 2; this.#used.has(name); n++) name = `${wanted}_${n}`
    this.#used.add(name)
    return name
  }
}

/** A column or enum value with the name that it has in the schema. */
export interface Named {
  readonly name: string
  /** The database's name, where it is another. */
  readonly map: string | undefined
}

export const named = (name: string, database: string): Named => ({
  name,
  map: name === database ? undefined : database,
})

/** The names of one model. */
export interface ModelNames extends Named {
  readonly table: Table
  /** By column, in order. */
  readonly fields: ReadonlyMap<string, Named>
  /** By column: the name of its enum. */
  readonly enums: ReadonlyMap<string, string>
  /** All names of fields; relation fields are taken from it. */
  readonly taken: Names
}

/** The name of a value of an enum; digits and empty values get a word before them. */
export function valueNames(values: readonly string[]): Named[] {
  const taken = new Names()
  return values.map((value, i) =>
    named(
      taken.take(sanitize(value) || (value === '' ? 'EMPTY_ENUM_VALUE' : `value_${sanitizeTail(value) || i + 1}`)),
      value,
    ),
  )
}

const sanitizeTail = (text: string) => text.replace(/[^a-zA-Z0-9]/g, '_').replace(/^_+|_+$/g, '')

function fieldNames(table: Table, taken: Names): Map<string, Named> {
  return new Map(
    table.columns.map((column, i) => {
      const name = sanitize(column.name) || `column_${sanitizeTail(column.name) || i + 1}`
      return [column.name, named(taken.take(name), column.name)]
    }),
  )
}

/** The names of all models and their fields and enums. */
export function nameModels({ tables }: Tables): Map<string, ModelNames> {
  // Models and enums share one space of names; models come first.
  const types = new Names()
  const models = tables.map((table, i) => {
    const plain = sanitize(table.name) || `table_${sanitizeTail(table.name) || i + 1}`
    return types.take(RESERVED.has(plain) ? `Renamed${plain}` : plain)
  })
  return new Map(
    tables.map((table, i) => {
      const taken = new Names()
      const fields = fieldNames(table, taken)
      const enums = table.columns
        .filter((column) => column.type.kind === 'enum')
        .map((column) => [column.name, types.take(sanitize(`${table.name}_${column.name}`) || 'Enum')] as const)
      return [table.name, { ...named(models[i] as string, table.name), table, fields, enums: new Map(enums), taken }]
    }),
  )
}
