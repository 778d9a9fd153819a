/** Foreign keys as relation fields on both sides, and join tables as implicit many-to-many relations. */
import { foreignKeyName, joinTableNames } from '../planner/names.js'
import { byBytes, type ForeignKey, type Table } from '../planner/tables.js'
import { type ModelNames, Names, sanitize } from './names.js'

/** A relation field, ready to be written. */
export interface RelationField {
  readonly name: string
  readonly type: string
  readonly arity: '' | '?' | '[]'
  /** What stands in `@relation(...)`, or ''. */
  readonly relation: string
  /** The other model. */
  readonly target: string
}

/** Whether Prisma Client can address rows of the table: a key of required columns of known types. */
export function isAddressable(table: Table): boolean {
  const required = (names: readonly string[]) =>
    names.every((name) => {
      const column = table.columns.find((each) => each.name === name)
      return column !== undefined && !column.nullable && column.type.kind !== 'unsupported'
    })
  const keys = [
    table.primaryKey,
    ...table.indexes.filter((index) => index.type === 'unique').map((index) => index.columns),
  ]
  return keys.some((key) => key !== undefined && required(key.map((column) => column.name)))
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name))
}

/** Whether the columns are a key of the table: each value occurs once. */
export function isKey(table: Table, columns: readonly string[]): boolean {
  const keys = [
    table.primaryKey,
    ...table.indexes.filter((index) => index.type === 'unique').map((index) => index.columns),
  ]
  return keys.some(
    (key) =>
      key?.every((column) => column.length === undefined) &&
      sameSet(
        key.map((column) => column.name),
        columns,
      ),
  )
}

/**
 * The relation that a join table stands for. Servers with `lower_case_table_names` lose its capitals in the name of the
 * table, not in those of the indexes.
 */
function relationName(table: Table): string {
  const spelled = table.indexes.find((index) => index.type === 'unique')?.name.replace(/_AB_unique$/, '')
  return (spelled?.toLowerCase() === table.name ? spelled : table.name).slice(1)
}

/** Prisma's join table, exactly as Prisma makes it from the models it joins; anything else is a model of its own. */
export function isJoinTable(table: Table, models: ReadonlyMap<string, ModelNames>): boolean {
  const names = joinTableNames(relationName(table))
  if (!table.name.startsWith('_') || names.table.length !== table.name.length) return false
  if (table.primaryKey || table.indexes.length !== 2) return false
  if (table.columns.length !== 2 || table.columns.some((column, i) => column.nullable || column.name !== 'AB'[i]))
    return false
  const has = (type: string, name: string, columns: string) =>
    table.indexes.some(
      (index) =>
        index.type === type && index.name === name && index.columns.map((each) => each.name).join('') === columns,
    )
  if (!has('unique', names.unique, 'AB') || !has('normal', names.index, 'B') || table.foreignKeys.length !== 2)
    return false
  const sides = ['A', 'B'].map((column) => table.foreignKeys.find((key) => key.columns.join() === column))
  const targets = sides.map((key) => key && models.get(key.references.table))
  const [a, b] = targets
  // Column A belongs to the model whose name comes first; a renamed model can turn that round.
  if (!a || !b || byBytes(a.name, b.name) > 0) return false
  return sides.every((key, i) => {
    const target = targets[i]?.table as Table
    const id = target.primaryKey?.[0]?.name
    const type = target.columns.find((column) => column.name === id)?.type
    return (
      key?.onDelete === 'CASCADE' &&
      key.onUpdate === 'CASCADE' &&
      target.primaryKey?.length === 1 &&
      key.references.columns.join() === id &&
      JSON.stringify(type) === JSON.stringify(table.columns[i]?.type)
    )
  })
}

interface Relation {
  readonly owner: ModelNames
  readonly target: ModelNames
  /** Undefined for a join table. */
  readonly key: ForeignKey | undefined
  /** Of a join table, without its underscore. */
  readonly joinName: string | undefined
}

function relationsOf(models: ReadonlyMap<string, ModelNames>, joins: readonly Table[]): Relation[] {
  const found: Relation[] = []
  for (const owner of models.values()) {
    for (const key of owner.table.foreignKeys) {
      const target = models.get(key.references.table)
      if (target) found.push({ owner, target, key, joinName: undefined })
    }
  }
  for (const join of joins) {
    const side = (column: string) =>
      models.get(join.foreignKeys.find((key) => key.columns.join() === column)?.references.table ?? '') as ModelNames
    found.push({ owner: side('A'), target: side('B'), key: undefined, joinName: relationName(join) })
  }
  return found
}

const ACTIONS = {
  CASCADE: 'Cascade',
  RESTRICT: 'Restrict',
  'NO ACTION': 'NoAction',
  'SET NULL': 'SetNull',
  'SET DEFAULT': 'SetDefault',
} as const

/** The arguments of `@relation` on the side that holds the key; what the schema would mean anyway is left out. */
function keyArguments(
  key: ForeignKey,
  owner: ModelNames,
  target: ModelNames,
  mode: 'foreignKeys' | 'prisma',
): string[] {
  const field = (model: ModelNames, column: string) => model.fields.get(column)?.name ?? column
  const anyRequired = key.columns.some((name) => !owner.table.columns.find((column) => column.name === name)?.nullable)
  const onDelete = anyRequired ? 'RESTRICT' : 'SET NULL'
  const named = mode === 'foreignKeys' && key.name !== foreignKeyName(owner.table.name, key.columns)
  return [
    `fields: [${key.columns.map((column) => field(owner, column)).join(', ')}]`,
    `references: [${key.references.columns.map((column) => field(target, column)).join(', ')}]`,
    ...(key.onDelete === onDelete ? [] : [`onDelete: ${ACTIONS[key.onDelete]}`]),
    ...(key.onUpdate === 'CASCADE' ? [] : [`onUpdate: ${ACTIONS[key.onUpdate]}`]),
    ...(named ? [`map: ${JSON.stringify(key.name)}`] : []),
  ]
}

const attribute = (args: readonly string[]) => (args.length === 0 ? '' : `@relation(${args.join(', ')})`)

/**
 * The relation fields of each table: those of its own keys, then the other sides, then many-to-many.
 * Names are Prisma's: the other model, and where two models have several relations, the relation's name behind it.
 */
export function relationFields(
  models: ReadonlyMap<string, ModelNames>,
  joins: readonly Table[],
  mode: 'foreignKeys' | 'prisma',
): Map<string, RelationField[]> {
  const relations = relationsOf(models, joins)
  const pair = ({ owner, target }: Relation) => [owner.name, target.name].sort(byBytes).join('\0')
  const counts = new Map<string, number>()
  for (const relation of relations) counts.set(pair(relation), (counts.get(pair(relation)) ?? 0) + 1)
  const names = new Names()
  const own = new Map<string, RelationField[]>()
  const back = new Map<string, RelationField[]>()
  const many = new Map<string, RelationField[]>()
  const add = (
    to: Map<string, RelationField[]>,
    model: ModelNames,
    wanted: string,
    rest: Omit<RelationField, 'name'>,
  ) => {
    const field = { name: model.taken.take(wanted), ...rest }
    to.set(model.table.name, [...(to.get(model.table.name) ?? []), field])
  }
  for (const relation of relations) {
    const { owner, target, key, joinName } = relation
    const self = owner === target
    const several = (counts.get(pair(relation)) ?? 0) > 1
    if (!key) {
      const usual = [owner.name, target.name].sort(byBytes).join('To')
      const label = joinName === usual && !several && !self ? [] : [JSON.stringify(joinName)]
      const field = (other: ModelNames) =>
        ({ type: other.name, arity: '[]', relation: attribute(label), target: other.table.name }) as const
      const suffix = several ? `_${sanitize(joinName as string)}` : ''
      // Column A belongs to the smaller field name in a self relation.
      add(many, owner, self ? `${owner.name}_A${suffix}` : `${target.name}${suffix}`, field(target))
      add(many, target, self ? `${owner.name}_B${suffix}` : `${owner.name}${suffix}`, field(owner))
      continue
    }
    const label = names.take(
      several
        ? sanitize(`${owner.name}_${key.columns.map(sanitize).join('_')}To${target.name}`)
        : `${owner.name}To${target.name}`,
    )
    const first = several || self ? [JSON.stringify(label)] : []
    const suffix = several ? `_${label}` : ''
    const optional = key.columns.some((name) => owner.table.columns.find((column) => column.name === name)?.nullable)
    add(own, owner, `${target.name}${suffix}`, {
      type: target.name,
      arity: optional ? '?' : '',
      relation: attribute([...first, ...keyArguments(key, owner, target, mode)]),
      target: target.table.name,
    })
    add(back, target, `${self ? 'other_' : ''}${owner.name}${suffix}`, {
      type: owner.name,
      arity: isKey(owner.table, key.columns) ? '?' : '[]',
      relation: attribute(first),
      target: owner.table.name,
    })
  }
  return new Map(
    [...models.keys()].map((table) => [table, [own, back, many].flatMap((fields) => fields.get(table) ?? [])]),
  )
}
