/** Default expressions that Prisma's engine reads as texts, put right in what it is told and in what it answers. */
import type { DefaultExpressions, StatementSyntax } from '../../engines/engine.js'
import { blocksOf, unquote } from '../../engines/psl.js'
import type { SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { withEdits } from './edits.js'
import { attributeOf, type Field, type Model, modelsOf } from './fields.js'

/** An engine that is told of the database through {@link DefaultExpressions.adapter}, seen as one that reads expressions. */
export function withExpressions(
  engine: SchemaEngine,
  expressions: DefaultExpressions,
  syntax: StatementSyntax,
): SchemaEngine {
  const { plain } = expressions
  return {
    ...engine,
    diff: async (from, to, options) => {
      const run = (added: ReadonlySet<string>) => engine.diff(told(from, new Set()), told(to, added), options)
      const told = (state: SchemaState, added: ReadonlySet<string>) => marked(state, expressions, added)
      const first = await run(new Set())
      const added = addedIn(first.script, plain, syntax)
      // A new column cannot have an expression where there are rows: then the table is built anew, as for any other type.
      const diff = added.size === 0 ? first : await run(added)
      return { ...diff, script: plain(diff.script), summary: plain(diff.summary) }
    },
    introspect: async (connection, context) =>
      withEnumsOf(
        context,
        (await engine.introspect(connection, context)).map((file) => ({ ...file, content: unmarked(file, plain) })),
      ),
  }
}

/** The database holds no enums: those of what was read are the schema's own, of which the engine loses the `@map` of values. */
function withEnumsOf(context: readonly SchemaFile[], files: readonly SchemaFile[]): SchemaFile[] {
  const enums = (all: readonly SchemaFile[]) =>
    all.flatMap((file) => blocksOf(file)).filter(({ keyword }) => keyword === 'enum')
  const own = new Map(enums(context).map(({ name, file, start, end }) => [name, file.content.slice(start, end)]))
  return withEdits(
    files,
    enums(files).flatMap(({ name, file, start, end }) => {
      const text = own.get(name)
      return text === undefined ? [] : [{ path: file.path, start, end, text }]
    }),
  )
}

const key = (table: string, column: string) => `${table}\0${column}`

/** The columns that a script adds with a mark. */
function addedIn(script: string, plain: DefaultExpressions['plain'], syntax: StatementSyntax): Set<string> {
  if (plain(script) === script) return new Set()
  const effects = splitStatements(script, syntax)
    .filter(({ text }) => /\bADD COLUMN\b/.test(text) && plain(text) !== text)
    .flatMap(({ text }) => describeStatement(text, syntax) ?? [])
  return new Set(effects.flatMap(({ table, name }) => (table === undefined ? [] : [key(table, name)])))
}

/** @param added columns whose expressions stay what they are */
function marked(state: SchemaState, expressions: DefaultExpressions, added: ReadonlySet<string>): SchemaState {
  if (state.kind !== 'schema') return state
  const changes = modelsOf(state.files).flatMap((model) =>
    model.fields.flatMap((field) => changeOf(model, field, expressions, added)),
  )
  return changes.length === 0 ? state : { kind: 'schema', files: withEdits(state.files, changes) }
}

function changeOf(model: Model, field: Field, { marked }: DefaultExpressions, added: ReadonlySet<string>) {
  const found = attributeOf(field, 'default')
  const [call, , literal] = found?.arguments ?? []
  if (found === undefined || call?.text !== 'dbgenerated' || literal?.kind !== 'string') return []
  const mark = marked(unquote(literal.text), field.type)
  if (mark === undefined || added.has(key(model.table, field.column))) return []
  const text = (value: string) => JSON.stringify(value)
  const isText = field.type === 'String' || field.type === 'Json'
  const value = mark.now ? 'now()' : isText ? text(mark.mark) : `dbgenerated(${text(`'${mark.mark}'`)})`
  return [{ path: model.block.file.path, start: found.start, end: found.end, text: `@default(${value})` }]
}

/** A file as the engine wrote it, with expressions in place of marks. */
function unmarked({ content }: SchemaFile, plain: DefaultExpressions['plain']): string {
  return content.replace(/@default\((?:dbgenerated\()?"((?:'|\\")*\w+(?:'|\\")*)"\)?\)/g, (all, text: string) => {
    const expression = plain(unquote(`"${text}"`))
    return expression === unquote(`"${text}"`) ? all : `@default(dbgenerated(${JSON.stringify(expression)}))`
  })
}
