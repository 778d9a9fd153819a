/** Renames of models and fields: found by comparing two schemas, and written into the first of them. Pure. */
import type { Engine } from '../../engines/engine.js'
import type { ReversibleStep, SchemaFile } from '../../engines/schema-engine.js'
import { renameColumn, renameDialect, renameSequence, renameTable } from '../../engines/sql/renames.js'
import { capital as upperFirst } from '../text.js'
import {
  type Attribute,
  attributeOf,
  columnsOf,
  type Field,
  listArgument,
  type Model,
  modelsOf,
  textArgument,
} from './fields.js'

export type Rename =
  | { readonly kind: 'model'; readonly from: Model; readonly to: Model }
  | { readonly kind: 'field'; readonly model: Model; readonly from: Field; readonly toModel: Model; readonly to: Field }

/** How a person writes it: `User:Person`, `User.name:fullName`. */
export function renameText(rename: Rename): string {
  return rename.kind === 'model'
    ? `${rename.from.name}:${rename.to.name}`
    : `${rename.toModel.name}.${rename.from.name}:${rename.to.name}`
}

/** Models that are gone and models that are new, where at least half of the columns agree; and those whose `@@map` changed. */
export function modelCandidates(before: readonly SchemaFile[], after: readonly SchemaFile[]): Rename[] {
  const old = modelsOf(before)
  const now = modelsOf(after)
  const key = ({ schema, table }: Model) => `${schema ?? ''}.${table}`
  const gone = old.filter((model) => !now.some((other) => key(other) === key(model)))
  const fresh = now.filter((model) => !old.some((other) => key(other) === key(model)))
  const found = gone.flatMap((from) =>
    fresh.flatMap((to) => {
      const likeness = from.name === to.name ? 2 : similarity(columnsOf(from, old), columnsOf(to, now))
      return likeness >= 0.5 && from.schema === to.schema ? [{ kind: 'model' as const, from, to, likeness }] : []
    }),
  )
  return found.sort((a, b) => b.likeness - a.likeness).map(({ likeness: _, ...rename }) => rename)
}

function similarity(a: readonly Field[], b: readonly Field[]): number {
  const same = a.filter((field) => b.some((other) => other.column === field.column && other.type === field.type))
  return same.length / Math.max(a.length, b.length, 1)
}

/** Fields of one model that are gone and that are new, of one type; those whose `@map` changed come first. */
export function fieldCandidates(
  before: readonly SchemaFile[],
  after: readonly SchemaFile[],
  models: readonly Rename[],
): Rename[] {
  const old = modelsOf(before)
  const now = modelsOf(after)
  return old.flatMap((model) => {
    const toModel = successor(model, now, models)
    if (!toModel) return []
    const [columns, others] = [columnsOf(model, old), columnsOf(toModel, now)]
    const gone = columns.filter(({ column }) => !others.some((other) => other.column === column))
    const fresh = others.filter(({ column }) => !columns.some((other) => other.column === column))
    const pairs = gone.flatMap((from) =>
      fresh.flatMap((to) =>
        from.type === to.type && (from.arity === 'list') === (to.arity === 'list')
          ? [{ kind: 'field' as const, model, from, toModel, to }]
          : [],
      ),
    )
    return pairs.sort((a, b) => Number(b.from.name === b.to.name) - Number(a.from.name === a.to.name))
  })
}

/** The model that holds the rows of an older one. */
export function successor(model: Model, now: readonly Model[], models: readonly Rename[]): Model | undefined {
  const renamed = models.find((rename) => rename.kind === 'model' && rename.from.name === model.name)
  if (renamed?.kind === 'model') return renamed.to
  return now.find((other) => other.table === model.table && other.schema === model.schema)
}

/**
 * The first schema as it is once the rows' tables and columns have their new names, while keys and indexes still have the
 * old ones: from there Prisma's engine renames those itself.
 */
export function applyRenames(
  files: readonly SchemaFile[],
  renames: readonly Rename[],
  engine: Pick<Engine, 'provider'>,
): SchemaFile[] {
  if (renames.length === 0) return [...files]
  const models = modelsOf(files)
  const edits = new Map<string, { start: number; end: number; text: string }[]>()
  const edit = (model: Model, start: number, end: number, text: string) => {
    const { path } = model.block.file
    edits.set(path, [...(edits.get(path) ?? []), { start, end, text }])
  }
  for (const model of models) {
    const moved = renames.find((rename) => rename.kind === 'model' && rename.from.name === model.name)
    const to = moved?.kind === 'model' ? moved.to : undefined
    const columns = new Map<string, string>()
    for (const rename of renames) {
      if (rename.kind === 'field' && rename.model.name === model.name) columns.set(rename.from.name, rename.to.column)
    }
    for (const field of model.fields) {
      const type = renames.find((rename) => rename.kind === 'model' && rename.from.name === field.type)
      if (type?.kind === 'model') edit(model, field.typeStart, field.typeStart + field.type.length, type.to.name)
      const column = columns.get(field.name)
      if (column === undefined) continue
      const map = attributeOf(field, 'map')
      if (map) edit(model, map.start, map.end, `@map(${JSON.stringify(column)})`)
      else edit(model, field.typeEnd, field.typeEnd, ` @map(${JSON.stringify(column)})`)
    }
    if (to) {
      const { content } = model.block.file
      const name = content.indexOf(model.name, model.block.start + model.block.keyword.length)
      edit(model, name, name + model.name.length, to.name)
      const map = attributeOf(model, 'map')
      if (map) edit(model, map.start, map.end, `@@map(${JSON.stringify(to.table)})`)
      else edit(model, model.block.end - 1, model.block.end - 1, `\n  @@map(${JSON.stringify(to.table)})\n`)
    }
    if (to || columns.size > 0) {
      pinNames(model, to !== undefined, new Set(columns.keys()), engine, (attribute, name) => {
        const text = JSON.stringify(name)
        if (attribute.arguments === undefined) edit(model, attribute.end, attribute.end, `(map: ${text})`)
        else {
          const comma = attribute.arguments.length === 0 ? '' : ', '
          edit(model, attribute.end - 1, attribute.end - 1, `${comma}map: ${text}`)
        }
      })
    }
  }
  return files.map((file) => {
    const own = [...(edits.get(file.path) ?? [])].sort((a, b) => b.start - a.start || b.end - a.end)
    let { content } = file
    for (const { start, end, text } of own) content = content.slice(0, start) + text + content.slice(end)
    return { path: file.path, content }
  })
}

/** Gives the keys and indexes that Prisma would name after the new names their old names explicitly. */
function pinNames(
  model: Model,
  whole: boolean,
  fields: ReadonlySet<string>,
  engine: Pick<Engine, 'provider'>,
  pin: (attribute: Attribute, name: string) => void,
) {
  const { limit, namedPrimaryKeys, namedForeignKeys } = renameDialect(engine)
  const column = (name: string) => model.fields.find((field) => field.name === name)?.column ?? name
  const named = (columns: readonly string[], suffix: string) =>
    cut([model.table, ...columns].join('_'), limit - suffix.length) + suffix
  const concerns = (names: readonly string[]) => whole || names.some((name) => fields.has(name))
  const add = (attribute: Attribute | undefined, names: readonly string[], name: string) => {
    if (!attribute || !concerns(names) || textArgument(attribute, 'map') !== undefined) return
    pin(attribute, name)
  }
  for (const field of model.fields) {
    if (namedPrimaryKeys && whole) add(attributeOf(field, 'id'), [field.name], named([], '_pkey'))
    add(attributeOf(field, 'unique'), [field.name], named([field.column], '_key'))
    const relation = attributeOf(field, 'relation')
    const scalars = relation ? listArgument(relation, 'fields') : []
    if (namedForeignKeys && scalars.length > 0) add(relation, scalars, named(scalars.map(column), '_fkey'))
  }
  for (const attribute of model.attributes) {
    const names = listArgument(attribute)
    if (attribute.name === 'id' && namedPrimaryKeys && whole) add(attribute, names, named([], '_pkey'))
    if (attribute.name === 'unique') add(attribute, names, named(names.map(column), '_key'))
    if (attribute.name === 'index' || attribute.name === 'fulltext')
      add(attribute, names, named(names.map(column), '_idx'))
  }
}

/** The longest beginning that fits into that many UTF-8 bytes (Prisma: constraint_names.rs). */
function cut(text: string, bytes: number): string {
  const encoded = Buffer.from(text)
  if (encoded.length <= bytes) return text
  let end = bytes
  while (end > 0 && (encoded[end]! & 0xc0) === 0x80) end--
  return encoded.subarray(0, end).toString()
}

/** A rename, or a part of one, as statements both ways, with the words for it. */
export interface RenameStep extends ReversibleStep {
  /** The comment above its statements in the script, as Prisma writes them: `RenameTable`. */
  readonly comment: string
  /** `rename User.name to fullName`. */
  readonly summary: string
  /** The functions that do it and undo it: `renameUserNameToFullName`, `renameUserFullNameToName`. */
  readonly names: { readonly up: string; readonly down: string }
}

/** The statements of the renames, tables first, in the order of the way up. */
export function renameSteps(renames: readonly Rename[], engine: Pick<Engine, 'provider' | 'quote'>): RenameStep[] {
  const steps: RenameStep[] = []
  for (const rename of renames) {
    if (rename.kind !== 'model' || rename.from.table === rename.to.table) continue
    const { from, to } = rename
    const way = (a: string, b: string) => [
      ...renameTable(engine, from.schema, a, b),
      ...from.fields
        .filter(numbersItself)
        .flatMap(({ column }) => renameSequence(engine, from.schema, [a, column], [b, column])),
    ]
    const words = renamed(from.name === to.name ? [from.table, to.table] : [from.name, to.name])
    steps.push({ comment: 'RenameTable', ...words, up: way(from.table, to.table), down: way(to.table, from.table) })
  }
  for (const rename of renames) {
    if (rename.kind !== 'field' || rename.from.column === rename.to.column) continue
    const { from, to, toModel } = rename
    const way = (a: string, b: string) => [
      renameColumn(engine, toModel.schema, toModel.table, a, b),
      ...(numbersItself(from) ? renameSequence(engine, toModel.schema, [toModel.table, a], [toModel.table, b]) : []),
    ]
    const words = renamed(from.name === to.name ? [from.column, to.column] : [from.name, to.name], toModel.name)
    steps.push({
      comment: 'RenameColumn',
      ...words,
      up: way(from.column, to.column),
      down: way(to.column, from.column),
    })
  }
  return steps
}

/** The words of a rename: the schema's names, or the database's where the schema's did not change. */
export function renamed([from, to]: readonly [string, string], owner = ''): Pick<RenameStep, 'summary' | 'names'> {
  const name = (a: string, b: string) => `rename${owner}${capital(a)}To${capital(b)}`
  return {
    summary: `rename ${owner === '' ? '' : `${owner}.`}${from} to ${to}`,
    names: { up: name(from, to), down: name(to, from) },
  }
}

/** A part of a function's name. */
export function capital(text: string): string {
  return upperFirst(text.replace(/\W+/g, '_'))
}

function numbersItself(field: Field): boolean {
  return attributeOf(field, 'default')?.arguments?.some(({ text }) => text === 'autoincrement') ?? false
}
