/** What the difference of two schemas leaves open: renames, and values for new required fields. Flags answer, or a person. */

import { textLiteral } from '../../engines/sql/quoting.js'
import { UsageError } from '../errors.js'
import type { Comparison, Given, Renamed, Schema } from '../migrations/change.js'
import type { GivenValue } from '../migrations/given.js'
import { columnsOf, enumsOf, type Field, type Model, modelsOf } from '../schema/fields.js'
import { joinTableMoves, joinTableSteps } from '../schema/join-tables.js'
import {
  applyRenames,
  fieldCandidates,
  modelCandidates,
  type Rename,
  renameSteps,
  renameText,
} from '../schema/renames.js'
import type { AlsoNamed, SchemaFile } from '../schema/schema-engine.js'
import type { CountedHazard } from './hazards.js'
import type { Host } from './host.js'

export interface RenameOptions {
  /** `User.name:fullName`, `User:Person`; false: nothing was renamed, and nobody is asked. */
  readonly rename?: readonly string[] | false
  /** Renames that were answered before: taken where they fit. */
  readonly knownRenames?: readonly string[]
}

/**
 * @throws {UsageError} for a rename that the schemas do not bear out
 */
export async function resolveRenames(
  host: Host,
  compare: Comparison,
  before: Schema,
  after: readonly SchemaFile[],
  options: RenameOptions,
): Promise<Renamed | undefined> {
  const { engine } = compare
  if (before === undefined) {
    if (options.rename && options.rename.length > 0)
      throw unknownRename(options.rename[0]!, 'there is no migration yet')
    return undefined
  }
  const known = options.knownRenames ?? []
  const strict = new Set(options.rename || [])
  const wanted = new Set([...strict, ...known])
  const asking = options.rename !== false
  const models = await choose(host, modelCandidates(before, after), wanted, asking, namedModel(before, after))
  const fields = await choose(
    host,
    fieldCandidates(before, after, models),
    wanted,
    asking,
    namedField(before, after, models),
  )
  const unused = [...wanted].find((text) => strict.has(text))
  if (unused !== undefined) throw unknownRename(unused, 'no such model or field is gone while the other is new')
  const chosen = [...models, ...fields]
  if (chosen.length === 0) return undefined
  const apply = (files: readonly SchemaFile[]) => applyRenames(files, chosen, engine)
  const moves = joinTableMoves(before, models)
  const { first, last } =
    moves.length === 0
      ? { first: [], last: [] }
      : joinTableSteps(moves, await compare.build(before), await compare.build(apply(before)), engine)
  const steps = [...first, ...renameSteps(chosen, engine), ...last]
  return { apply, flags: chosen.map(renameText), steps, names: chosen.map(inDatabase) }
}

function inDatabase(rename: Rename): AlsoNamed {
  if (rename.kind === 'model') return { table: rename.from.table, toTable: rename.to.table }
  const { model, toModel, from, to } = rename
  return { table: model.table, toTable: toModel.table, column: from.column, toColumn: to.column }
}

type Named = (text: string) => Rename | undefined

async function choose(
  host: Host,
  candidates: readonly Rename[],
  wanted: Set<string>,
  asking: boolean,
  named: Named,
): Promise<Rename[]> {
  const chosen: Rename[] = []
  for (const text of wanted) {
    const rename = named(text)
    if (!rename) continue
    chosen.push(rename)
    wanted.delete(text)
  }
  if (!asking) return chosen
  for (const candidate of candidates) {
    if (chosen.some((other) => overlap(other, candidate))) continue
    const [from, to] = ends(candidate)
    const flag = `--rename ${renameText(candidate)}`
    if (host.canAsk) {
      if (await host.confirm({ message: `Was ${from} renamed to ${to}? (A rename keeps the data.)`, flag })) {
        chosen.push(candidate)
      }
    } else {
      host.warn(
        `${from} is gone and ${to} is new. If it was renamed, ${flag} keeps the data; --no-rename says that it was not.`,
      )
    }
  }
  return chosen
}

function ends(rename: Rename): [string, string] {
  if (rename.kind === 'model') return [model(rename.from), model(rename.to)]
  const field = (owner: string, { name, column }: { name: string; column: string }) =>
    `${owner}.${name}${rename.from.name === rename.to.name ? ` (column ${column})` : ''}`
  return [field(rename.model.name, rename.from), field(rename.toModel.name, rename.to)]
  function model({ name, table }: Model) {
    return rename.kind === 'model' && rename.from.name === rename.to.name ? `${name} (table ${table})` : name
  }
}

function overlap(a: Rename, b: Rename): boolean {
  if (a.kind === 'model' && b.kind === 'model') return a.from === b.from || a.to === b.to || sameModel(a, b)
  if (a.kind !== 'field' || b.kind !== 'field' || a.model.name !== b.model.name) return false
  return a.from.name === b.from.name || a.to.name === b.to.name
}

const sameModel = (a: { from: Model; to: Model }, b: { from: Model; to: Model }) =>
  a.from.name === b.from.name || a.to.name === b.to.name

function namedModel(before: readonly SchemaFile[], after: readonly SchemaFile[]): Named {
  return (text) => {
    const match = /^(\w+):(\w+)$/.exec(text)
    const old = modelsOf(before)
    const now = modelsOf(after)
    const from = old.find(({ name }) => name === match?.[1])
    const to = now.find(({ name }) => name === match?.[2])
    if (!from || !to || from.schema !== to.schema) return undefined
    const free =
      from.name === to.name || (!now.some((m) => m.name === from.name) && !old.some((m) => m.name === to.name))
    return free ? { kind: 'model', from, to } : undefined
  }
}

function namedField(before: readonly SchemaFile[], after: readonly SchemaFile[], models: readonly Rename[]): Named {
  return (text) => {
    const match = /^(\w+)\.(\w+):(?:\w+\.)?(\w+)$/.exec(text)
    if (!match) return undefined
    const [, owner, oldName, newName] = match as unknown as [string, string, string, string]
    const [old, now] = [modelsOf(before), modelsOf(after)]
    const renamed = models.find((r) => r.kind === 'model' && [r.from.name, r.to.name].includes(owner))
    const model = renamed?.kind === 'model' ? renamed.from : old.find(({ name }) => name === owner)
    const toModel = renamed?.kind === 'model' ? renamed.to : now.find(({ name }) => name === owner)
    const from = model && columnsOf(model, old).find(({ name }) => name === oldName)
    const to = toModel && columnsOf(toModel, now).find(({ name }) => name === newName)
    if (!model || !toModel || !from || !to) return undefined
    const gone = !columnsOf(toModel, now).some(({ column }) => column === from.column)
    const fresh = !columnsOf(model, old).some(({ column }) => column === to.column)
    return gone && fresh ? { kind: 'field', model, from, toModel, to } : undefined
  }
}

function unknownRename(text: string, why: string): UsageError {
  return new UsageError(`--rename ${text} fits nothing in the schema: ${why}.`, {
    code: 'E_RENAME',
    hint: 'Write it with the names of the schema, the old one first: --rename User.name:fullName, --rename User:Person.',
  })
}

export interface GivenOptions {
  /** `User.age=0`: SQL for the rows that exist. */
  readonly defaults?: readonly string[]
  /** The same, answered before: taken where they fit. */
  readonly knownDefaults?: readonly string[]
}

/**
 * The values for new required fields, from the flags and, where rows are waiting for one, from the person.
 * @param before the first schema, renames included
 * @param hazards what the migration may fail on, with the number of rows
 * @throws {UsageError} for a field that needs none
 */
export async function resolveGiven(
  host: Host,
  before: readonly SchemaFile[] | undefined,
  after: readonly SchemaFile[],
  hazards: readonly CountedHazard[],
  options: GivenOptions,
): Promise<Given | undefined> {
  const models = modelsOf(after)
  const values = new Map<string, string>()
  const flags: string[] = []
  const waiting = hazards.filter(({ kind }) => kind === 'required-column' || kind === 'set-required')
  const strict = new Set(options.defaults ?? [])
  for (const text of [...(options.knownDefaults ?? []), ...strict]) {
    const match = /^(\w+)\.(\w+)=(.*)$/s.exec(text)
    const model = models.find(({ name }) => name === match?.[1])
    const field = model?.fields.find(({ name }) => name === match?.[2])
    const needs = model !== undefined && field?.arity === 'required' && becomesRequired(model, field, before ?? [])
    if (!match || !model || !field || !needs || match[3]!.trim() === '') {
      if (!strict.has(text)) continue
      throw new UsageError(
        match && field
          ? `--default ${match[1]}.${match[2]}: the field does not become required in this migration, or no value is given.`
          : `--default ${text} names no field of the schema.`,
        {
          code: 'E_DEFAULT',
          hint: "--default User.age=0, --default 'User.slug=lower(name)': SQL for the rows that exist.",
        },
      )
    }
    values.set(key(model.schema, model.table, field.column), asSql(match[3]!.trim(), field.type, after))
    flags.push(text)
  }
  for (const hazard of waiting) {
    const model = models.find(({ table }) => table === hazard.table)
    const field = model?.fields.find(({ column }) => column === hazard.column)
    if (!model || !field || hazard.kind !== 'required-column' || hazard.rows === 0) continue
    if (values.has(key(model.schema, model.table, field.column))) continue
    const flag = `--default ${model.name}.${field.name}=<SQL>`
    if (!host.canAsk) {
      host.warn(`${model.name}.${field.name} is required and new: ${flag} gives the rows that exist a value.`)
      continue
    }
    const rows = hazard.rows === undefined ? 'rows that exist need' : `${hazard.rows} rows need`
    const answer = await host.ask({
      message: `${model.name}.${field.name} is required and new; ${rows} a value, as SQL (0, 'x', lower(name)):`,
      flag,
    })
    if (answer.trim() !== '') {
      values.set(key(model.schema, model.table, field.column), asSql(answer.trim(), field.type, after))
      flags.push(`${model.name}.${field.name}=${answer.trim()}`)
    }
  }
  if (values.size === 0) return undefined
  const value: GivenValue = (schema, table, column) =>
    values.get(key(schema, table, column)) ?? values.get(key(undefined, table, column))
  return { value, flags }
}

/** Rows of before may have no value: the column is new, or was optional. */
function becomesRequired(model: Model, field: Field, before: readonly SchemaFile[]): boolean {
  const was = modelsOf(before).find(({ table, schema }) => table === model.table && schema === model.schema)
  const column = was?.fields.find((other) => other.column === field.column)
  return was !== undefined && column?.arity !== 'required'
}

const key = (schema: string | undefined, table: string, column: string) => [schema ?? '', table, column].join('\0')

/** A bare value of an enum stands for its literal; everything else is SQL already. */
function asSql(text: string, type: string, files: readonly SchemaFile[]): string {
  const value = enumsOf(files).get(type)?.get(text)
  return value === undefined ? text : textLiteral(value)
}
