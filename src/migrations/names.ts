import type { Effect } from '../../engines/sql/statements.js'
import { capital } from '../text.js'
import { effectsOf, type Step } from './steps.js'
import type { Transition } from './transitions.js'

export interface OperationNames {
  readonly up: string
  readonly down: string
  /** What the up does, in a few words. */
  readonly summary: string
  /** The thing it is about. */
  readonly subject: string
}

/** A pair of names before they are made unique, and the words for the up. */
type Draft = readonly [up: string, down: string, summary: string]

/** So that `async function name({ client }) {` fits a line of 80. */
const LONGEST = 51

/** Gives the functions of one migration names that say what they do, each once. */
export class Names {
  readonly #taken = new Set<string>()

  of(ups: readonly Step[], downs: readonly Step[], grouped: boolean): OperationNames {
    const there = ups.flatMap((step) => step.transitions ?? [])
    const back = downs.flatMap((step) => step.transitions ?? [])
    const upEffects = ups.flatMap((step) => effectsOf(step.statements))
    const downEffects = downs.flatMap((step) => effectsOf(step.statements))
    const understood = [...ups, ...downs].every(({ transitions }) => transitions !== undefined)
    const [up, down, summary] =
      grouped || !understood
        ? (['applyChanges', 'revertChanges', 'all changes together'] as const)
        : draft(there, back, upEffects, downEffects)
    const [only] = there.length > 0 ? there : back
    const subject = only ? `${capital(only.object)} ${only.name}` : 'It'
    return { up: this.#unique(up), down: this.#unique(down), summary, subject }
  }

  #unique(name: string): string {
    const bare = shorten(name, LONGEST)
    for (let n = 1; ; n++) {
      const suffix = n === 1 ? '' : String(n)
      const candidate = shorten(bare, LONGEST - suffix.length) + suffix
      if (this.#taken.has(candidate)) continue
      this.#taken.add(candidate)
      return candidate
    }
  }
}

function draft(
  there: readonly Transition[],
  back: readonly Transition[],
  ups: readonly Effect[],
  downs: readonly Effect[],
): Draft {
  if (there.length === 0 && back.length === 0) return ['applyChange', 'revertChange', 'change']
  if (there.length === 0) return kept(draft(back, [], downs, []))
  if (back.length === 0 && there.every(({ object }) => object === 'schema' || object === 'extension')) {
    const [up, , summary] = draft(there, there, ups, downs)
    return [up, `keep${up.slice(up.startsWith('create') ? 6 : 0)}`, summary]
  }
  // Indexes that come with a column or table are not what the operation is about.
  const apart = (side: readonly Transition[]) => {
    const others = side.filter(({ object }) => object !== 'index')
    return others.length > 0 ? others : side
  }
  const columns = columnChanges(apart(there), apart(back), ups, downs)
  if (columns) return columns
  // An index or a table may come with others of the same step; the table speaks for them.
  const main = there.find(({ object }) => object === 'table') ?? there[0]!
  const tables = new Set(there.map(({ object, table, name }) => (object === 'table' ? name : table)))
  if (there.length === 1 || main.object === 'table') {
    const alike = there.every(({ kind, object }) => kind === main.kind && object === 'table')
    if (there.length === 1 || (alike && there.length > 1)) return one(main, there, ups, downs)
  }
  const [table] = tables
  if (tables.size === 1 && table !== undefined)
    return [`change${pascal(table)}Table`, `restore${pascal(table)}Table`, `change table ${table}`]
  if (there.every(({ object }) => object === 'index')) {
    const [first] = there
    return [`replace${pascal(first!.name)}Index`, `restore${pascal(first!.name)}Index`, `replace index ${first!.name}`]
  }
  return one(main, [main], ups, downs)
}

/** A thing that is only looked for on the way up: the pair of its creation, turned round. */
function kept([up, , summary]: Draft): Draft {
  return [up.replace(/^create/, 'keep'), up, `keep ${summary.replace(/^create /, '')}`]
}

function one(main: Transition, all: readonly Transition[], ups: readonly Effect[], downs: readonly Effect[]): Draft {
  const { kind, object, name, newName, table } = main
  const title = pascal(name)
  const owner = pascal(table ?? '')
  const pairOf = (create: string, drop: string, thing: string, text: string): Draft => {
    if (kind === 'drop') return [`${drop}${thing}`, `${create}${thing}`, `${drop} ${text}`]
    if (kind === 'create') return [`${create}${thing}`, `${drop}${thing}`, `${create} ${text}`]
    if (kind === 'rename')
      return [
        `rename${title}To${pascal(newName!)}`,
        `rename${pascal(newName!)}To${title}`,
        `rename ${text} to ${newName}`,
      ]
    return [`change${thing}`, `restore${thing}`, `change ${text}`]
  }
  switch (object) {
    case 'table': {
      const names = all.map((transition) => transition.name)
      if (kind === 'change') {
        const thing = `${joined(names)}Table${names.length > 1 ? 's' : ''}`
        return [`rebuild${thing}`, `restore${thing}`, `rebuild table ${names.join(', ')}`]
      }
      return pairOf('create', 'drop', `${title}Table`, `table ${name}`)
    }
    case 'index': {
      const created = [...ups, ...downs].find(
        (e) => e.action === 'create' && /index/i.test(e.object) && e.name === name,
      )
      const columns = created?.columns ?? []
      const unique = created?.object === 'uniqueIndex' ? 'Unique' : ''
      const thing =
        created?.table !== undefined && columns.length > 0
          ? `${pascal(created.table)}${joined(columns)}${unique}Index`
          : `${title}Index`
      return pairOf('create', 'drop', thing, `${unique === '' ? '' : 'unique '}index ${name}`)
    }
    case 'constraint': {
      const created = [...ups, ...downs].find((e) => e.action === 'create' && e.name === name && e.table === table)
      if (created?.object === 'foreignKey')
        return pairOf(
          'add',
          'drop',
          `${owner}${joined(created.columns ?? [])}ForeignKey`,
          `foreign key ${name} of ${table}`,
        )
      if (created?.object === 'primaryKey')
        return pairOf('add', 'drop', `${owner}PrimaryKey`, `primary key of ${table}`)
      return pairOf('add', 'drop', `${owner}${title}Constraint`, `constraint ${name} of ${table}`)
    }
    case 'column':
      return pairOf('add', 'drop', `${owner}${title}`, `column ${table}.${name}`)
    case 'enum': {
      const values = (effects: readonly Effect[]) => effects.filter((e) => e.object === 'enumValue' && e.type === name)
      const added = values(ups)
      const removed = values(downs)
      if (added.length > 0)
        return [
          `add${joined(added.map((e) => e.name))}To${title}`,
          `remove${joined(added.map((e) => e.name))}From${title}`,
          `add ${added.map((e) => e.name).join(', ')} to enum ${name}`,
        ]
      if (removed.length > 0)
        return [
          `remove${joined(removed.map((e) => e.name))}From${title}`,
          `add${joined(removed.map((e) => e.name))}To${title}`,
          `remove ${removed.map((e) => e.name).join(', ')} from enum ${name}`,
        ]
      return pairOf('create', 'drop', `${title}Enum`, `enum ${name}`)
    }
    case 'schema':
      return pairOf('create', 'drop', `${title}Schema`, `schema ${name}`)
    case 'extension':
      return pairOf('create', 'drop', `${title}Extension`, `extension ${name}`)
  }
}

/** Names for an operation that does one kind of thing to columns of one table, seen from the side that says more. */
function columnChanges(
  there: readonly Transition[],
  back: readonly Transition[],
  ups: readonly Effect[],
  downs: readonly Effect[],
): Draft | undefined {
  const columnsOnly = (side: readonly Transition[]) =>
    side.length > 0 && side.every(({ object, table }) => object === 'column' && table === side[0]!.table)
  if (columnsOnly(there)) {
    const table = there[0]!.table!
    const names = there.map(({ name }) => name)
    const kinds = new Set(there.map(({ kind }) => kind))
    if (kinds.size !== 1) return undefined
    if (kinds.has('create')) return columns('add', 'drop', table, names)
    if (kinds.has('drop')) return columns('drop', 'add', table, names)
    if (kinds.has('rename') || names.length > 1) return undefined
    return oneColumn(table, names[0]!, ups, downs)
  }
  if (columnsOnly(back) && back.every(({ kind }) => kind === back[0]!.kind) && there.length === 1) {
    const names = back.map(({ name }) => name)
    if (back[0]!.kind === 'create') return columns('drop', 'add', back[0]!.table!, names)
    if (back[0]!.kind === 'drop') return columns('add', 'drop', back[0]!.table!, names)
  }
  // A table built anew both ways: its two definitions tell what the difference is.
  const [first, ...more] = there
  if (first?.object !== 'table' || first.kind !== 'change' || more.length > 0) return undefined
  const defined = (effects: readonly Effect[]) => {
    const renamed = effects.find((e) => e.action === 'rename' && e.object === 'table' && e.newName === first.name)
    return effects.find((e) => e.action === 'create' && e.object === 'table' && e.name === renamed?.name)?.definition
      ?.columns
  }
  const after = defined(ups)?.map(({ name }) => name)
  const before = defined(downs)?.map(({ name }) => name)
  if (!after || !before) return undefined
  const added = after.filter((name) => !before.includes(name))
  const dropped = before.filter((name) => !after.includes(name))
  if (added.length > 0 && dropped.length === 0) return columns('add', 'drop', first.name, added)
  if (dropped.length > 0 && added.length === 0) return columns('drop', 'add', first.name, dropped)
  return undefined
}

function columns(up: string, down: string, table: string, names: readonly string[]): Draft {
  const thing = `${pascal(table)}${names.length > 3 ? 'Columns' : joined(names)}`
  return [`${up}${thing}`, `${down}${thing}`, `${up} ${names.map((name) => `${table}.${name}`).join(', ')}`]
}

function oneColumn(table: string, name: string, ups: readonly Effect[], downs: readonly Effect[]): Draft {
  const thing = `${pascal(table)}${pascal(name)}`
  const where = `${table}.${name}`
  const changes = (effects: readonly Effect[]) =>
    new Set(
      effects.map((effect) =>
        effect.object === 'column' && effect.action === 'alter' ? effect.change : effect.action,
      ),
    )
  const up = changes(ups)
  const [change] = up
  if (up.size === 1 && changes(downs).size === 1) {
    if (change === 'set-not-null') return [`make${thing}Required`, `make${thing}Optional`, `make ${where} required`]
    if (change === 'drop-not-null') return [`make${thing}Optional`, `make${thing}Required`, `make ${where} optional`]
    if (change === 'set-default') return [`set${thing}Default`, `restore${thing}Default`, `set the default of ${where}`]
    if (change === 'drop-default')
      return [`drop${thing}Default`, `restore${thing}Default`, `drop the default of ${where}`]
    if (change === 'type') return [`change${thing}Type`, `restore${thing}Type`, `change the type of ${where}`]
  }
  return [`change${thing}`, `restore${thing}`, `change ${where}`]
}

const joined = (names: readonly string[]) =>
  names.length > 3 ? `${pascal(names[0]!)}AndOthers` : names.map(pascal).join('And')

/** The letters and digits of a name, each part with a capital first; safe behind a verb as part of an identifier. */
export function pascal(name: string): string {
  const parts = name.normalize('NFC').match(/[\p{L}\p{Nd}\p{Nl}\p{Mn}\p{Mc}]+/gu) ?? []
  return parts
    .map((part) => {
      const [first = '', ...rest] = part
      const capital = first.toUpperCase()
      return (capital.length === first.length ? capital : first) + rest.join('')
    })
    .join('')
}

/** Cuts a name to a width, never within a character. Beyond Latin letters a character may be two columns wide. */
function shorten(name: string, most: number): string {
  let short = ''
  let width = 0
  for (const character of name) {
    width += character.codePointAt(0)! < 0x300 ? 1 : 2
    if (width > most) break
    short += character
  }
  return short
}
