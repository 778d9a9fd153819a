/** Where Prisma's engine mistakes defaults: those it takes for the same, and those it writes without quotes. */

import { unquote } from '../../engines/psl.js'
import type { SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { attributeOf, columnsOf, enumsOf, type Field, modelsOf } from './fields.js'

/**
 * Prisma's engine with its mistakes about defaults put right (measured on 8.1.0-2.59be4fd):
 * - between two schema texts it takes a literal of a DateTime for the same as `now()` or any other literal, and one of a
 *   Json for the same as a text's, so the database kept the old default;
 * - on SQLite, and only there, it writes the literal of a Json bare (`DEFAULT {}`), which no SQLite accepts;
 * - it writes an enum's value as it is mapped, and one that holds a quote (`@map("it's")`) ends its literal early.
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
  }
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
  const cuts: { path: string; start: number; end: number }[] = []
  for (const model of modelsOf(from.files)) {
    for (const field of model.fields) {
      const next = after.get(key(model.schema, model.table, field.column))
      const before = attributeOf(field, 'default')
      if (!next || !before || !mistaken(field, next)) continue
      cuts.push({ path: model.block.file.path, start: before.start, end: before.end })
    }
  }
  if (cuts.length === 0) return from
  const files = from.files.map((file) => {
    let { content } = file
    for (const { path, start, end } of cuts)
      if (path === file.path) content = content.slice(0, start) + ' '.repeat(end - start) + content.slice(end)
    return { path: file.path, content }
  })
  return { kind: 'schema', files }
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
    .reduce((quoted, value) => quoted.replaceAll(`'${value}'`, `'${value.replaceAll("'", "''")}'`), script)
}

/** `DEFAULT {}` becomes `DEFAULT '{}'`, for the literals that the schemas give to Json fields. */
function quoteJsonDefaults(script: string, files: readonly SchemaFile[]): string {
  let quoted = script
  for (const literal of new Set(modelsOf(files).flatMap(({ fields }) => fields.flatMap(jsonDefault)))) {
    for (const start of [`JSONB DEFAULT ${literal}`, `JSONB NOT NULL DEFAULT ${literal}`]) {
      const sql = `${start.slice(0, -literal.length)}'${literal.replaceAll("'", "''")}'`
      for (const end of [',\n', '\n', ';']) quoted = quoted.replaceAll(start + end, sql + end)
    }
  }
  return quoted
}

function jsonDefault(field: Field): string[] {
  const literal = field.type === 'Json' ? literalDefault(field)?.arguments?.[0] : undefined
  return literal ? [unquote(literal.text)] : []
}
