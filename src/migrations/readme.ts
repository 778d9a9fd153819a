/** README.md of a migration: what changes, a diagram of it, what is lost or refused, and the SQL both ways. Pure. */
import { enumsOf, type Field, type Model, modelsOf, relationName } from '../schema/fields.js'
import { diffSchemas, diffText } from '../schema/schema-diff.js'
import type { SchemaFile } from '../schema/schema-engine.js'

export interface ReadmeInput {
  /** The migration's name. */
  readonly name: string
  /** Prisma's human-readable summary of the difference; '' where there is none. */
  readonly schemaDiffSummary: string
  /** The schema before and after; without them nothing is said of models and fields. */
  readonly schemas?: {
    readonly before: readonly SchemaFile[] | undefined
    readonly after: readonly SchemaFile[]
    /** `User:Person`, `User.name:fullName`: what is not removed and new, but the same under another name. */
    readonly renames?: readonly string[]
  }
  readonly up: string
  readonly down: string
  /** What the up loses or may fail on. */
  readonly warnings: readonly string[]
  /** What the down fills, loses or refuses. */
  readonly notes: readonly string[]
}

/** The text of README.md. */
export function renderReadme(input: ReadmeInput): string {
  const { name, schemaDiffSummary, schemas, up, down, warnings, notes } = input
  const list = (items: readonly string[]) => items.map((item) => `- ${plainLine(item)}`).join('\n')
  const diff = schemas ? diffSchemas(schemas.before, schemas.after) : []
  const blocks = [`# ${plainLine(name)}`]
  if (schemaDiffSummary.trim() !== '' || diff.length > 0) blocks.push('## Changes')
  if (schemas && diff.length > 0) {
    const changes = changesOf(schemas)
    const lines = [...changes.flatMap(changeLines), ...enumLines(schemas.before ?? [], schemas.after)]
    if (lines.length > 0) blocks.push(lines.join('\n'))
    const models = [...modelsOf(schemas.before ?? []), ...modelsOf(schemas.after)]
    if (changes.length > 0) blocks.push(fenced(diagram(changes, models), 'mermaid'))
    blocks.push(fenced(diffText(diff), 'diff'))
  }
  if (schemaDiffSummary.trim() !== '') blocks.push(fenced(schemaDiffSummary, ''))
  if (warnings.length > 0) blocks.push('## Before you apply it', list(warnings))
  if (notes.length > 0) blocks.push('## Before you undo it', list(notes))
  blocks.push('## Up', sql(up), '## Down', sql(down))
  return `${blocks.join('\n\n')}\n`
}

type Mark = 'new' | 'removed' | 'renamed' | 'changed' | undefined

interface FieldChange {
  readonly field: Field
  readonly mark: Mark
  /** The field's name before it was renamed; else its name. */
  readonly from: string
  /** Type and attributes before and after; '' where there was no such field. */
  readonly was: string
  readonly is: string
}

interface ModelChange {
  readonly model: Model
  readonly mark: Mark
  /** The model's name before it was renamed; else its name. */
  readonly from: string
  /** The fields of both sides, those that are gone last. */
  readonly fields: readonly FieldChange[]
  /** Fields that relate it to another model. */
  readonly relations: readonly FieldChange[]
}

/** A pair of the old and the new; either is undefined where there is none. */
interface Pair<T> {
  readonly was: T | undefined
  readonly is: T | undefined
}

/** Each of the new with the old of its name, or of the name it had; what is gone comes last. */
function pairs<T extends { readonly name: string }>(
  old: readonly T[],
  now: readonly T[],
  nameBefore: (of: T) => string,
): Pair<T>[] {
  const known = now.map((is) => ({ was: old.find(({ name }) => name === nameBefore(is)), is }))
  const gone = old.filter((was) => !known.some((pair) => pair.was === was))
  return [...known, ...gone.map((was) => ({ was, is: undefined }))]
}

/** The models that differ. */
function changesOf({ before = [], after, renames = [] }: NonNullable<ReadmeInput['schemas']>): ModelChange[] {
  const old = modelsOf(before)
  const now = modelsOf(after)
  const names = new Set([...old, ...now].map(({ name }) => name))
  /** `User:Person`, and `Person.name:fullName` or `User.name:fullName`. */
  const nameBefore = (owners: readonly string[] | undefined, name: string): string => {
    const renamed = renames.find((text) => {
      const [, owner, to] = /^(?:(\w+)\.)?\w+:(?:\w+\.)?(\w+)$/.exec(text) ?? []
      return to === name && (owners === undefined ? owner === undefined : owners.includes(owner ?? ''))
    })
    return renamed === undefined ? name : renamed.split(':')[0]!.split('.').at(-1)!
  }
  return pairs(old, now, ({ name }) => nameBefore(undefined, name)).flatMap(({ was, is }): ModelChange[] => {
    const model = (is ?? was)!
    const owners = [was?.name ?? model.name, model.name]
    const all = pairs(was?.fields ?? [], is?.fields ?? [], ({ name }) => nameBefore(owners, name)).map(
      ({ was: a, is: b }): FieldChange => {
        const [before, after] = [a ? fieldText(a, was!) : '', b ? fieldText(b, is!) : '']
        const mark = !a
          ? 'new'
          : !b
            ? 'removed'
            : a.name !== b.name
              ? 'renamed'
              : before === after
                ? undefined
                : 'changed'
        return { field: b ?? a!, mark, from: (a ?? b!).name, was: before, is: after }
      },
    )
    const attributes = (of: Model | undefined) =>
      of?.attributes.map((each) => source(of, each.start, each.end)).join('\n')
    const touched =
      was?.name !== is?.name || all.some(({ mark }) => mark !== undefined) || attributes(was) !== attributes(is)
    if (!touched) return []
    return [
      {
        model,
        mark: !was ? 'new' : !is ? 'removed' : was.name !== is.name ? 'renamed' : 'changed',
        from: (was ?? is!).name,
        fields: all.filter(({ field }) => !names.has(field.type)),
        relations: all.filter(({ field }) => names.has(field.type)),
      },
    ]
  })
}

function source(model: Model, start: number, end: number): string {
  return model.block.file.content.slice(start, end).replace(/\s+/g, ' ')
}

/** The type and attributes of a field as written, on one line. */
function fieldText(field: Field, model: Model): string {
  const attributes = field.attributes.map(({ start, end }) => source(model, start, end))
  return [source(model, field.typeStart, field.typeEnd), ...attributes].join(' ')
}

/** A model that is there before and after, so that its fields are told one by one. */
const stays = ({ mark }: ModelChange) => mark === 'changed' || mark === 'renamed'

function changeLines(change: ModelChange): string[] {
  const { model, mark, from, fields, relations } = change
  const word = { new: 'is new', removed: 'is removed', changed: 'changes', renamed: `is renamed to \`${model.name}\`` }
  const lines = stays(change) ? [...fields, ...relations] : []
  return [
    `- Model \`${mark === 'renamed' ? from : model.name}\` ${word[mark!]}.`,
    ...lines.flatMap(({ field, mark, from, was, is }) => {
      if (mark === undefined) return []
      const becomes = `\`${was}\` becomes \`${is}\``
      if (mark === 'changed') return [`  - Field \`${field.name}\`: ${becomes}.`]
      if (mark === 'renamed')
        return [`  - Field \`${from}\` is renamed to \`${field.name}\`${was === is ? '' : `; ${becomes}`}.`]
      return [`  - Field \`${field.name}\` \`${is || was}\` is ${mark}.`]
    }),
  ]
}

/** The enums that differ, and their values. */
function enumLines(before: readonly SchemaFile[], after: readonly SchemaFile[]): string[] {
  const [old, now] = [enumsOf(before), enumsOf(after)]
  const word = (name: string) => (!old.has(name) ? 'is new' : !now.has(name) ? 'is removed' : 'changes')
  return [...new Set([...now.keys(), ...old.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name) ?? new Map<string, string>(), now.get(name) ?? new Map<string, string>()]
    const lines = [...new Set([...is.keys(), ...was.keys()])].flatMap((value) => {
      const [a, b] = [was.get(value), is.get(value)]
      if (a === b) return []
      if (a === undefined || b === undefined)
        return [`  - Value \`${value}\` is ${a === undefined ? 'new' : 'removed'}.`]
      return [`  - Value \`${value}\`: \`${a}\` becomes \`${b}\` in the database.`]
    })
    const reordered = lines.length === 0 && [...was.keys()].join() !== [...is.keys()].join()
    if (lines.length === 0 && !reordered) return []
    const told = word(name) === 'changes' ? lines : []
    return [`- Enum \`${name}\` ${word(name)}.`, ...told, ...(reordered ? ['  - Its values have another order.'] : [])]
  })
}

/** Mermaid: the changed models with their columns, each change named beside it, and their relations. */
function diagram(changes: readonly ModelChange[], models: readonly Model[]): string {
  const lines = ['erDiagram']
  const told = (mark: Mark, from: string) => (mark === 'renamed' ? `renamed from ${from}` : mark)
  for (const change of changes) {
    const { model, mark, from, fields } = change
    const label = mark === 'changed' ? '' : `["${model.name} (${told(mark, from)})"]`
    lines.push(`  ${model.name}${label} {`)
    for (const { field, mark: fieldMark, from } of fields) {
      const keys = field.attributes.flatMap(({ name }) => (name === 'id' ? ['PK'] : name === 'unique' ? ['UK'] : []))
      const type = field.type.replace(/\W+/g, '_') + (field.arity === 'list' ? '[]' : '')
      const note = [field.arity === 'optional' && 'optional', stays(change) && told(fieldMark, from)]
        .filter(Boolean)
        .join(', ')
      lines.push(`    ${[type, field.name, keys.join(', '), note && `"${note}"`].filter(Boolean).join(' ')}`)
    }
    lines.push('  }')
  }
  const drawn = new Set<string>()
  for (const change of changes) {
    for (const { field, mark, from } of change.relations) {
      const note = mark === undefined || !stays(change) ? '' : ` (${told(mark, from)})`
      const { name } = change.model
      if (field.arity !== 'list') {
        // The other end of a one-to-one relation has no columns: it is drawn from this end only.
        if (!hasColumns(field)) continue
        const one = field.arity === 'optional' ? '|o' : '||'
        lines.push(`  ${field.type} ${one}--o{ ${name} : "${field.name}${note}"`)
      } else if (joinsMany(change.model, field, models)) {
        const relation = [[name, field.type].sort().join(), relationName(field) ?? ''].join(':')
        if (!drawn.has(relation)) lines.push(`  ${name} }o--o{ ${field.type} : "${field.name}${note}"`)
        drawn.add(relation)
      }
    }
  }
  return lines.join('\n')
}

function hasColumns(field: Field): boolean {
  return field.attributes.some(
    ({ name, arguments: list }) => name === 'relation' && list?.some(({ text }) => text === 'fields'),
  )
}

/** Whether the other end of a list is a list, too: an implicit many-to-many relation. */
function joinsMany(model: Model, field: Field, models: readonly Model[]): boolean {
  return models.some(
    (other) =>
      other.name === field.type &&
      other.fields.some(
        (end) => end.type === model.name && end.arity === 'list' && relationName(end) === relationName(field),
      ),
  )
}

const sql = (script: string) => (script.trim() === '' ? 'Nothing to do.' : fenced(script, 'sql'))

/** A code block whose fence is longer than any run of backticks in it. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${text.replace(/\r\n?/g, '\n').replace(/^\n+|\s+$/g, '')}\n${fence}`
}

/** A text that stays on its line and shows what it holds. */
export function plainLine(text: string): string {
  return text
    .replace(/[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu, ' ')
    .trim()
}
