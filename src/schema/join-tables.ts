/** The tables behind implicit many-to-many relations, which are named after the models they join. Pure. */

import type { Engine } from '../../engines/engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { renameDialect, renameTable } from '../../engines/sql/renames.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'
import { modelsOf, relationName } from './fields.js'
import { capital, type Rename, type RenameStep, renamed } from './renames.js'

/** A join table whose name, or the meaning of whose columns, changes with the names of its models. */
export interface JoinTableMove {
  readonly from: string
  readonly to: string
  /** Prisma: column A refers to the model whose name comes first, by bytes. */
  readonly swapped: boolean
}

/** The join tables that renamed models take along. */
export function joinTableMoves(before: readonly SchemaFile[], renames: readonly Rename[]): JoinTableMove[] {
  const models = modelsOf(before)
  const names = new Map<string, string>()
  for (const rename of renames) if (rename.kind === 'model') names.set(rename.from.name, rename.to.name)
  const now = (name: string) => names.get(name) ?? name
  const moves = new Map<string, JoinTableMove>()
  for (const model of models) {
    for (const field of model.fields) {
      const other = models.find(({ name }) => name === field.type)
      if (field.arity !== 'list' || !other || byBytes(model.name, other.name) > 0) continue
      const relation = relationName(field)
      const back = other.fields.some(
        (end) => end !== field && end.type === model.name && end.arity === 'list' && relationName(end) === relation,
      )
      if (!back) continue
      const from = relation ?? pair(model.name, other.name)
      const to = relation ?? pair(now(model.name), now(other.name))
      const swapped = model !== other && byBytes(now(model.name), now(other.name)) > 0
      if (from !== to || swapped) moves.set(from, { from: `_${from}`, to: `_${to}`, swapped })
    }
  }
  return [...moves.values()]
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const pair = (a: string, b: string) => [a, b].sort(byBytes).join('To')

type JoinEngine = Pick<Engine, 'provider' | 'quote' | 'syntax'>

/**
 * The steps that bring the rows of join tables to their new places: `first` goes before the renames of the models, `last`
 * after all other renames, so that each statement finds the models under the names it uses, on the way down as well.
 * @param before the script that builds the schema before the renames from nothing, which tells how the tables are made
 * @param after the same for the schema with the renames
 */
export function joinTableSteps(
  moves: readonly JoinTableMove[],
  before: string,
  after: string,
  engine: JoinEngine,
): { readonly first: RenameStep[]; readonly last: RenameStep[] } {
  const first: RenameStep[] = []
  const last: RenameStep[] = []
  for (const move of moves) {
    const [old, now] = [madeBy(before, move.from, engine), madeBy(after, move.to, engine)]
    if (!old || !now) continue
    const adding = (table: JoinTable) => table.keys.map(({ text }) => text)
    if (old.keys.length > 0)
      first.push(
        part('DropForeignKey', ['drop the keys of', 'add the keys of'], old, dropKeys(old, engine), adding(old)),
      )
    last.push(...(move.swapped ? rebuilt(old, now, engine) : [moved(old, now, engine)]))
    if (now.keys.length > 0)
      last.push(part('AddForeignKey', ['add the keys of', 'drop the keys of'], now, adding(now), dropKeys(now, engine)))
  }
  return { first, last }
}

/** A step with the words for it, up and down. */
function part(
  comment: string,
  [does, undoes]: readonly [string, string],
  { name }: { readonly name: string },
  up: readonly string[],
  down: readonly string[],
): RenameStep {
  const called = (words: string) => {
    const [first = '', ...rest] = words.split(' ')
    return first + rest.map(capital).join('') + capital(name.replace(/^_/, ''))
  }
  return { comment, summary: `${does} ${name}`, names: { up: called(does), down: called(undoes) }, up, down }
}

interface JoinTable {
  readonly name: string
  readonly schema: string | undefined
  readonly create: string
  readonly primaryKey: string | undefined
  /** Indexes that the table is created with. */
  readonly inner: readonly string[]
  /** Indexes that are created after it. */
  readonly outer: readonly { readonly name: string; readonly text: string }[]
  /** Foreign keys that are added after it. */
  readonly keys: readonly { readonly name: string; readonly text: string }[]
}

function madeBy(script: string, name: string, engine: JoinEngine): JoinTable | undefined {
  let create: { text: string; effect: Effect } | undefined
  const outer: { name: string; text: string }[] = []
  const keys: { name: string; text: string }[] = []
  for (const { text } of splitStatements(script, engine.syntax)) {
    for (const effect of describeStatement(text, engine.syntax) ?? []) {
      if (effect.action !== 'create' || effect.table !== name) continue
      if (effect.object === 'table') create = { text, effect }
      else if (effect.object === 'foreignKey') keys.push({ name: effect.name, text })
      else outer.push({ name: effect.name, text })
    }
  }
  if (!create) return undefined
  const declared = create.effect.definition?.keys ?? []
  return {
    name,
    schema: create.effect.schema,
    create: create.text,
    primaryKey: declared.find(({ kind }) => kind === 'primaryKey')?.name || undefined,
    inner: declared.filter(({ kind }) => kind === 'index' || kind === 'uniqueIndex').map((key) => key.name),
    outer,
    keys,
  }
}

const qualified = (table: Pick<JoinTable, 'schema' | 'name'>, engine: JoinEngine) =>
  `${table.schema === undefined ? '' : `${engine.quote(table.schema)}.`}${engine.quote(table.name)}`

function dropKeys(table: JoinTable, engine: JoinEngine): string[] {
  const { dropForeignKey } = renameDialect(engine)
  return table.keys.map(({ name }) => `ALTER TABLE ${qualified(table, engine)} ${dropForeignKey} ${engine.quote(name)}`)
}

/** The same rows in the same columns: only names change. */
function moved(old: JoinTable, now: JoinTable, engine: JoinEngine): RenameStep {
  const { renameIndex } = renameDialect(engine)
  const way = (a: JoinTable, b: JoinTable) => {
    const indexes: [string, string][] = [...a.inner, ...a.outer.map(({ name }) => name)].map((name, i) => [
      name,
      [...b.inner, ...b.outer.map((index) => index.name)][i] ?? name,
    ])
    // Prisma before 6 gave the table a unique index in place of its primary key.
    if (a.primaryKey && b.primaryKey)
      indexes.push([a.primaryKey, b.primaryKey], [`${a.name}_AB_unique`, `${b.name}_AB_unique`])
    return [
      ...renameTable(engine, a.schema, a.name, b.name),
      ...(renameIndex
        ? indexes.map(([from, to]) => renameIndex({ schema: b.schema, table: b.name, from, to }))
        : [...a.outer.map(({ name }) => `DROP INDEX ${engine.quote(name)}`), ...b.outer.map(({ text }) => text)]),
    ]
  }
  return { comment: 'RenameTable', ...renamed([old.name, now.name]), up: way(old, now), down: way(now, old) }
}

/**
 * The columns change places: the table is made anew and filled from a copy of the rows, always kept in the old order, so
 * that every step can be undone at any moment.
 */
function rebuilt(old: JoinTable, now: JoinTable, engine: JoinEngine): RenameStep[] {
  const copy = qualified({ schema: old.schema, name: `${old.name}_copy` }, engine)
  const [a, b] = ['A', 'B'].map((name) => engine.quote(name)) as [string, string]
  const make = (table: JoinTable) => [table.create, ...table.outer.map(({ text }) => text)]
  const drop = (table: string) => [`DROP TABLE ${table}`]
  const [from, to] = [qualified(old, engine), qualified(now, engine)]
  return [
    part(
      'CreateTable',
      ['set aside the rows of', 'drop the copy of'],
      old,
      [`CREATE TABLE ${copy} AS SELECT ${a}, ${b} FROM ${from}`],
      drop(copy),
    ),
    part('DropTable', ['drop', 'restore'], old, drop(from), [
      ...make({ ...old, create: withTargetsOf(old.create, now.create) }),
      `INSERT INTO ${from} (${a}, ${b}) SELECT ${a}, ${b} FROM ${copy}`,
    ]),
    part(
      'CreateTable',
      ['create', 'drop'],
      now,
      [...make(now), `INSERT INTO ${to} (${a}, ${b}) SELECT ${b}, ${a} FROM ${copy}`],
      drop(to),
    ),
    part('DropTable', ['drop the copy of', 'set aside the rows of'], old, drop(copy), [
      `CREATE TABLE ${copy} AS SELECT ${b} AS ${a}, ${a} AS ${b} FROM ${to}`,
    ]),
  ]
}

/**
 * The statement that makes the old table, while the models still have their new names. Only where keys are declared inside
 * of it (SQLite): renaming the models back renames what the keys refer to.
 */
function withTargetsOf(old: string, now: string): string {
  const key = /(FOREIGN KEY \("([AB])"\) )(REFERENCES [^\n]*?)(?=,?\n)/g
  const targets = new Map([...now.matchAll(key)].map(([, , column, target]) => [column, target]))
  return old.replace(key, (text, start: string, column: string) => {
    const target = targets.get(column === 'A' ? 'B' : 'A')
    return target === undefined ? text : start + target
  })
}
