/** Where Prisma's engine mistakes defaults: those it takes for the same, and those it writes without quotes. */

import { unquote } from '../../engines/psl.js'
import type { SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { quotedName, textLiteral } from '../../engines/sql/quoting.js'
import { type Edit, withEdits } from './edits.js'
import { attributeOf, columnsOf, enumsOf, type Field, modelsOf } from './fields.js'

/**
 * Prisma's engine with its mistakes about defaults put right (measured on 8.1.0-2.59be4fd):
 * - between two schema texts it takes a literal of a DateTime for the same as `now()` or any other literal, and one of a
 *   Json for the same as a text's, so the database kept the old default;
 * - on SQLite, and only there, it writes the literal of a Json bare (`DEFAULT {}`), which no SQLite accepts;
 * - it writes an enum's value as it is mapped, and one that holds a quote (`@map("it's")`) ends its literal early;
 * - where the database has no enums and no Json (SQLite) it keeps these types of a field that it reads anew, and writes its
 *   default as a text: `@default("BASIC")`, `@default("'{}'")`, which its own validator refuses.
 */
export function withWholeDefaults(engine: SchemaEngine): SchemaEngine {
  return {
    ...engine,
    diff: async (from, to, options) => {
      const diff = await engine.diff(withoutMistaken(from, to), to, options)
      if (diff.empty) return diff
      const files = [from, to].flatMap(filesOf)
      return { ...diff, script: quoteEnumValues(quoteJsonDefaults(diff.script, files), files) }
    },
    introspect: async (connection, context) => withReadableDefaults(await engine.introspect(connection, context)),
  }
}

/** What the engine has read, with defaults of enums and Json fields as a schema has them. */
function withReadableDefaults(files: readonly SchemaFile[]): SchemaFile[] {
  const enums = enumsOf(files)
  const edits = modelsOf(files).flatMap((model) =>
    model.fields.flatMap((field) => {
      const literal = literalDefault(field)?.arguments?.[0]
      const text = literal && readable(field, unquote(literal.text), enums)
      return text === undefined || !literal
        ? []
        : [{ path: model.block.file.path, start: literal.start, end: literal.end, text }]
    }),
  )
  return withEdits(files, edits)
}

/** The default of a field as its type has it; undefined where it is right as it is. */
function readable(field: Field, value: string, enums: ReturnType<typeof enumsOf>): string | undefined {
  const values = enums.get(field.type)
  if (values) return [...values].find(([, mapped]) => mapped === value)?.[0]
  const quoted = field.type === 'Json' ? /^'(.*)'$/s.exec(value)?.[1] : undefined
  return quoted === undefined ? undefined : JSON.stringify(quoted.replaceAll("''", "'"))
}

function filesOf(state: SchemaState): readonly SchemaFile[] {
  return state.kind === 'schema' ? state.files : state.kind === 'database' ? state.context : []
}

/** The first schema without the defaults that the engine would take for those of the second: it then sets the new ones. */
function withoutMistaken(from: SchemaState, to: SchemaState): SchemaState {
  if (from.kind !== 'schema' || to.kind !== 'schema') return from
  const suspicious = from.files.some(({ content }) => /\b(?:DateTime|Json)\b/.test(content))
  if (!suspicious) return from
  const after = new Map<string, Field>()
  const models = modelsOf(to.files)
  for (const model of models)
    for (const field of columnsOf(model, models)) after.set(key(model.schema, model.table, field.column), field)
  const cuts: Edit[] = []
  for (const model of modelsOf(from.files)) {
    for (const field of model.fields) {
      const next = after.get(key(model.schema, model.table, field.column))
      const before = attributeOf(field, 'default')
      if (!next || !before || !mistaken(field, next)) continue
      const { start, end } = before
      cuts.push({ path: model.block.file.path, start, end, text: ' '.repeat(end - start) })
    }
  }
  return cuts.length === 0 ? from : { kind: 'schema', files: withEdits(from.files, cuts) }
}

const key = (schema: string | undefined, table: string, column: string) => [schema ?? '', table, column].join('\0')

function literalDefault(field: Field) {
  const found = attributeOf(field, 'default')
  return found?.arguments?.some(({ kind }) => kind === 'string') && found.arguments.length === 1 ? found : undefined
}

function mistaken(before: Field, after: Field): boolean {
  const text = (field: Field) =>
    attributeOf(field, 'default')
      ?.arguments?.map((token) => token.text)
      .join('')
  if (text(after) === undefined || text(after) === text(before)) return false
  if (before.type === 'Json') return after.type !== 'Json'
  return before.type === 'DateTime' && (literalDefault(before) ?? literalDefault(after)) !== undefined
}

function quoteEnumValues(script: string, files: readonly SchemaFile[]): string {
  const values = [...enumsOf(files).values()].flatMap((names) => [...names.values()])
  return [...new Set(values)]
    .filter((value) => value.includes("'"))
    .reduce((quoted, value) => quoted.replaceAll(`'${value}'`, textLiteral(value)), script)
}

/** `DEFAULT {}` becomes `DEFAULT '{}'`, and so where rows are copied, for the literals that the schemas give to Json fields. */
function quoteJsonDefaults(script: string, files: readonly SchemaFile[]): string {
  let quoted = script
  for (const { column, literal } of modelsOf(files).flatMap(({ fields }) => fields.flatMap(jsonDefault))) {
    const text = textLiteral(literal)
    // What rows get that have no value, where a table is built anew.
    const name = quotedName(column)
    quoted = quoted.replaceAll(`coalesce(${name}, ${literal}) AS ${name}`, `coalesce(${name}, ${text}) AS ${name}`)
    for (const start of [`JSONB DEFAULT ${literal}`, `JSONB NOT NULL DEFAULT ${literal}`]) {
      const sql = start.slice(0, -literal.length) + text
      for (const end of [',\n', '\n', ';']) quoted = quoted.replaceAll(start + end, sql + end)
    }
  }
  return quoted
}

function jsonDefault(field: Field): { readonly column: string; readonly literal: string }[] {
  const literal = field.type === 'Json' ? literalDefault(field)?.arguments?.[0] : undefined
  return literal ? [{ column: field.column, literal: unquote(literal.text) }] : []
}
