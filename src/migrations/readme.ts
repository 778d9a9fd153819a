/** README.md of a migration: what changes, a diagram of it, what is lost or refused, and the SQL both ways. Pure. */
import { type Field, type Model, modelsOf } from '../schema/fields.js'
import { diffSchemas, diffText } from '../schema/schema-diff.js'
import type { SchemaFile } from '../schema/schema-engine.js'

export interface ReadmeInput {
  /** The migration's name. */
  readonly name: string
  /** Prisma's human-readable summary of the difference; '' where there is none. */
  readonly schemaDiffSummary: string
  /** The schema before and after; without them nothing is said of models and fields. */
  readonly schemas?: { readonly before: readonly SchemaFile[] | undefined; readonly after: readonly SchemaFile[] }
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
    const changes = changesOf(schemas.before ?? [], schemas.after)
    if (changes.length > 0) blocks.push(changes.flatMap(changeLines).join('\n'), fenced(diagram(changes), 'mermaid'))
    blocks.push(fenced(diffText(diff), 'diff'))
  }
  if (schemaDiffSummary.trim() !== '') blocks.push(fenced(schemaDiffSummary, ''))
  if (warnings.length > 0) blocks.push('## Before you apply it', list(warnings))
  if (notes.length > 0) blocks.push('## Before you undo it', list(notes))
  blocks.push('## Up', sql(up), '## Down', sql(down))
  return `${blocks.join('\n\n')}\n`
}

type Mark = 'new' | 'removed' | 'changed' | undefined

interface FieldChange {
  readonly field: Field
  readonly mark: Mark
  /** Type and attributes before and after; '' where there was no such field. */
  readonly was: string
  readonly is: string
}

interface ModelChange {
  readonly model: Model
  readonly mark: Mark
  /** The fields of both sides, those that are gone last. */
  readonly fields: readonly FieldChange[]
  /** Models that it has a relation field to. */
  readonly relations: readonly FieldChange[]
}

/** The models that differ. */
function changesOf(before: readonly SchemaFile[], after: readonly SchemaFile[]): ModelChange[] {
  const old = modelsOf(before)
  const now = modelsOf(after)
  const names = new Set([...old, ...now].map(({ name }) => name))
  const pairs = [
    ...now.map((model) => ({ was: old.find(({ name }) => name === model.name), is: model })),
    ...old.flatMap((model) => (now.some(({ name }) => name === model.name) ? [] : [{ was: model, is: undefined }])),
  ]
  return pairs.flatMap(({ was, is }): ModelChange[] => {
    const model = (is ?? was)!
    const field = (name: string, of: Model | undefined) => of?.fields.find((candidate) => candidate.name === name)
    const all = [...(is?.fields ?? []), ...(was?.fields ?? []).filter(({ name }) => !field(name, is))].map((known) => {
      const [a, b] = [field(known.name, was), field(known.name, is)]
      const [before, after] = [a ? fieldText(a, was!) : '', b ? fieldText(b, is!) : '']
      const mark: Mark = !a ? 'new' : !b ? 'removed' : before === after ? undefined : 'changed'
      return { field: b ?? a!, mark, was: before, is: after }
    })
    const attributes = (of: Model | undefined) =>
      of?.attributes.map((each) => source(of, each.start, each.end)).join('\n')
    const touched = all.some(({ mark }) => mark !== undefined) || attributes(was) !== attributes(is)
    if (!touched) return []
    const mark: Mark = !was ? 'new' : !is ? 'removed' : 'changed'
    return [
      {
        model,
        mark,
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

function changeLines({ model, mark, fields, relations }: ModelChange): string[] {
  const word = { new: 'is new', removed: 'is removed', changed: 'changes' }[mark!]
  const lines = mark === 'changed' ? [...fields, ...relations] : []
  return [
    `- Model \`${model.name}\` ${word}.`,
    ...lines.flatMap(({ field, mark, was, is }) => {
      if (mark === undefined) return []
      if (mark === 'changed') return [`  - Field \`${field.name}\`: \`${was}\` becomes \`${is}\`.`]
      return [`  - Field \`${field.name}\` \`${is || was}\` is ${mark}.`]
    }),
  ]
}

/** Mermaid: the changed models with their columns, each change named beside it, and their relations. */
function diagram(changes: readonly ModelChange[]): string {
  const lines = ['erDiagram']
  for (const { model, mark, fields } of changes) {
    const label = mark === 'changed' ? '' : `["${model.name} (${mark})"]`
    lines.push(`  ${model.name}${label} {`)
    for (const { field, mark: fieldMark } of fields) {
      const keys = field.attributes.flatMap(({ name }) => (name === 'id' ? ['PK'] : name === 'unique' ? ['UK'] : []))
      const type = field.type.replace(/\W+/g, '_') + (field.arity === 'list' ? '[]' : '')
      const note = [field.arity === 'optional' && 'optional', mark === 'changed' && fieldMark]
        .filter(Boolean)
        .join(', ')
      lines.push(`    ${[type, field.name, keys.join(', '), note && `"${note}"`].filter(Boolean).join(' ')}`)
    }
    lines.push('  }')
  }
  for (const { model, mark, relations } of changes) {
    for (const { field, mark: fieldMark } of relations) {
      if (field.arity === 'list') continue
      const scalar = field.attributes.some(({ name, arguments: list }) => {
        return name === 'relation' && list?.some(({ text }) => text === 'fields')
      })
      if (!scalar) continue
      const note = fieldMark === undefined || mark !== 'changed' ? '' : ` (${fieldMark})`
      lines.push(
        `  ${field.type} ${field.arity === 'optional' ? '|o' : '||'}--o{ ${model.name} : "${field.name}${note}"`,
      )
    }
  }
  return lines.join('\n')
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
