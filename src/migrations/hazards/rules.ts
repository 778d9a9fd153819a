/** What destroys data, or may fail on rows that exist: one entry for each kind of hazard. */
import type { StatementSyntax } from '../../../engines/engine.js'
import type { Act } from './acts.js'
import type { Finding, HazardKind } from './kinds.js'
import { bare, type Copy, namesIn, type Scene } from './scene.js'

export interface Rule {
  readonly kind: HazardKind
  /** Data is gone for good where there are rows; the others fail on rows that do not fit. */
  readonly destructive: boolean
  /** Which rows it concerns: all of the table, those that hold NULL, those that a clause finds, those of a schema; or none can be told. */
  readonly rows: 'all' | 'null' | 'taken' | 'schema' | 'none'
  /** What the live table tells more of. */
  readonly asksTheTable: boolean
  readonly find: (act: Act, scene: Scene) => readonly Finding[]
  readonly words: (finding: Finding, syntax: StatementSyntax) => string
}

const LOSS = { destructive: true, rows: 'all', asksTheTable: false } as const
const FAILURE = { destructive: false, rows: 'all', asksTheTable: false } as const
const NONE: readonly Finding[] = []

/** In the order in which the findings of one statement are told. */
export const RULES: readonly Rule[] = [
  {
    kind: 'drop-table',
    ...LOSS,
    find: (act, scene) => {
      if (!isDrop(act, 'table') || scene.isFresh(act, act.name) || scene.copyOf(act, act.name)) return NONE
      const replaced = scene.isReplaced('table', act.name)
      return [{ ...at(act, act.name, scene), ...(replaced && { how: 'copies-nothing' as const }) }]
    },
    words: ({ table, how }) =>
      how === 'copies-nothing'
        ? `Table ${table} is built anew and no row is copied.`
        : `Table ${table} is dropped with its rows.`,
  },
  {
    kind: 'drop-schema',
    ...LOSS,
    rows: 'schema',
    find: (act, scene) => {
      const own = scene.all.some(
        ({ action, object, name }) => action === 'create' && object === 'schema' && name === act.name,
      )
      return isDrop(act, 'schema') && !own ? [{ table: act.name }] : NONE
    },
    words: ({ table }) => `Schema ${table} is dropped with its tables.`,
  },
  {
    kind: 'delete-rows',
    ...LOSS,
    rows: 'taken',
    find: (act, scene) => {
      if (act.action !== 'delete' || scene.isFresh(act, act.name)) return NONE
      const { taken, marks } = act
      return [{ ...at(act, act.name, scene), ...(taken === undefined ? {} : { taken }), ...(marks && { marks }) }]
    },
    words: ({ table }) => `Rows of ${table} are deleted.`,
  },
  {
    kind: 'rebuild-table',
    ...LOSS,
    asksTheTable: true,
    find: (act, scene) =>
      rebuilt(act, scene).flatMap(({ copy, where }) => (copy.kept ? [{ ...where, columns: copy.kept }] : [])),
    words: ({ table, columns = [] }) => `Table ${table} is built anew; only ${columns.join(', ')} are kept.`,
  },
  {
    kind: 'drop-column',
    ...LOSS,
    find: (act, scene) => {
      if (!isColumn(act, 'drop', scene)) return lostColumns(act, scene)
      return isAdded(act, scene) ? NONE : [{ ...at(act, act.table, scene), column: act.name }]
    },
    words: droppedColumn,
  },
  {
    kind: 'recreate-column',
    ...LOSS,
    find: (act, scene) =>
      isColumn(act, 'drop', scene) && isAdded(act, scene) ? [{ ...at(act, act.table, scene), column: act.name }] : NONE,
    words: (finding) => `Column ${of(finding)} is dropped and added again: its values are lost.`,
  },
  {
    kind: 'required-column',
    ...FAILURE,
    find: (act, scene) => {
      if (!isColumn(act, 'create', scene)) return unfilledColumns(act, scene)
      return act.notNull && !act.hasDefault ? [{ ...at(act, act.table, scene), column: act.name }] : NONE
    },
    words: (finding, syntax) =>
      `Column ${of(finding)} is added as required without a default: ${syntax.dialect === 'mysql' ? "rows that exist get '' or 0." : 'fails where the table has rows.'}`,
  },
  {
    kind: 'type-change',
    ...LOSS,
    asksTheTable: true,
    find: retyped,
    words: (finding) =>
      `Column ${of(finding)} ${finding.how === 'redefined' ? 'is redefined as' : 'becomes'} ${finding.type}: values may be lost or refused.`,
  },
  {
    kind: 'set-required',
    ...FAILURE,
    rows: 'null',
    asksTheTable: true,
    find: required,
    words: (finding) =>
      `Column ${of(finding)} ${finding.how === 'is-required' ? 'is' : 'becomes'} required: fails where it holds NULL.`,
  },
  {
    kind: 'unique',
    ...FAILURE,
    asksTheTable: true,
    find: (act, scene) => {
      const { table = '', columns = [] } = act
      if (act.object !== 'uniqueIndex' || act.action !== 'create' || scene.isFresh(act, table)) return NONE
      // A table that is built anew gets the keys that it had as well.
      const had = scene.isRebuilt(act, table) && scene.back.some((other) => sameUnique(other, act))
      return had ? NONE : [{ ...at(act, table, scene), columns }]
    },
    words: ({ table, columns = [] }) =>
      `${table} gets a unique key on ${columns.join(', ')}: fails where values repeat.`,
  },
  {
    kind: 'primary-key',
    ...FAILURE,
    find: (act, scene) => {
      const { table = '', columns = [] } = act
      if (act.object !== 'primaryKey' || act.action !== 'create' || scene.isFresh(act, table)) return NONE
      return [{ ...at(act, table, scene), columns }]
    },
    words: ({ table, columns = [] }) =>
      `${table} gets the primary key ${columns.join(', ')}: fails where values repeat or are NULL.`,
  },
  {
    kind: 'drop-enum-value',
    ...FAILURE,
    rows: 'none',
    find: ({ action, object, name, values = [], ...act }, scene) => {
      const becomes = object === 'enum' && action === 'create' ? scene.finalName('enum', name) : undefined
      return becomes === undefined ? NONE : [{ ...schemaOf(act), table: becomes, values }]
    },
    words: ({ table, values = [] }) =>
      `Enum ${table} keeps only ${values.join(', ')}: fails where other values are in use.`,
  },
  {
    kind: 'drop-enum',
    ...FAILURE,
    rows: 'none',
    find: (act, scene) =>
      isDrop(act, 'enum') && !scene.isReplaced('enum', act.name) ? [{ ...schemaOf(act), table: act.name }] : NONE,
    words: ({ table }) => `Enum ${table} is dropped.`,
  },
]

const BY_KIND = new Map(RULES.map((rule) => [rule.kind, rule]))

/** The rule that finds hazards of a kind. */
export function ruleOf(kind: HazardKind): Rule {
  const rule = BY_KIND.get(kind)
  if (rule === undefined) throw new Error(`there is no rule for ${kind}`)
  return rule
}

/** Of a column that goes by itself, or with a table that is built anew. */
export function droppedColumn(finding: Finding): string {
  return `Column ${of(finding)} is dropped with its values.`
}

const of = ({ table, column }: Finding) => `${table}.${column}`
const schemaOf = ({ schema }: { readonly schema?: string }) => (schema === undefined ? {} : { schema })

function at(act: Act, table: string, scene: Scene): Finding {
  const before = scene.before(act, table)
  return { ...schemaOf(act), table, ...(before && { before }) }
}

function isDrop({ action, object }: Act, what: Act['object']): boolean {
  return action === 'drop' && object === what
}

type OfColumn = Act & { readonly table: string }

/** What is done to a column of a table that was there before. */
function isColumn(act: Act, action: Act['action'], scene: Scene): act is OfColumn {
  return act.object === 'column' && act.action === action && act.table !== undefined && !scene.isFresh(act, act.table)
}

/** A column that is dropped is added under its name as well. */
function isAdded({ table, name }: Act, scene: Scene): boolean {
  return scene.all.some(
    (act) => act.object === 'column' && act.action === 'create' && act.table === table && act.name === name,
  )
}

function sameUnique(a: Act, b: Act): boolean {
  const key = ({ action, object, schema, table, columns }: Act) =>
    JSON.stringify([action, object, schema, table, columns])
  return key(a) === key(b)
}

interface Rebuilt {
  readonly copy: Copy
  /** The name that it has in the end. */
  readonly table: string
  readonly where: Finding
}

/** A table whose rows were copied before it is dropped. */
function rebuilt(act: Act, scene: Scene): readonly Rebuilt[] {
  const copy = isDrop(act, 'table') && !scene.isFresh(act, act.name) ? scene.copyOf(act, act.name) : undefined
  if (copy === undefined) return []
  const former = scene.before(act, act.name)
  const table = scene.finalName('table', copy.into) ?? former?.table ?? act.name
  const before = former ?? (table === act.name ? undefined : { table: act.name, columns: {} })
  const now = table === act.name ? {} : { now: act.name }
  return [{ copy, table, where: { ...schemaOf(act), table, ...now, ...(before && { before }) } }]
}

/** What the other direction says that the table had, and no copy keeps. */
function lostColumns(act: Act, scene: Scene): readonly Finding[] {
  return rebuilt(act, scene).flatMap(({ copy: { kept }, table, where }) => {
    if (kept === undefined) return []
    const added = scene.back.filter((o) => o.action === 'create' && o.object === 'column' && o.table === table)
    return [...(scene.columnsBefore(table) ?? []), ...added]
      .filter(({ name }) => !kept.includes(name))
      .map(({ name }) => ({ ...where, column: name }))
  })
}

/** Each column of a table that is built anew, what it is filled with, and what the other direction says that it was. */
function columnsOf(act: Act, scene: Scene) {
  return rebuilt(act, scene).flatMap(({ copy, table, where }) => {
    const before = scene.columnsBefore(table)
    return (copy.definition ?? []).map((column) => ({
      where,
      column,
      selected: copy.columns ? copy.selected[copy.columns.indexOf(column.name)] : column.name,
      was: before?.find(({ name }) => name === column.name),
    }))
  })
}

function unfilledColumns(act: Act, scene: Scene): readonly Finding[] {
  return columnsOf(act, scene).flatMap(({ where, column, selected }) => {
    const { name, type, notNull, hasDefault, primaryKey } = column
    const numbersItself = primaryKey && /^integer$/i.test(type)
    if (selected !== undefined || !notNull || hasDefault || numbersItself) return []
    return [{ ...where, column: name }]
  })
}

function retyped(act: Act, scene: Scene): readonly Finding[] {
  if (isColumn(act, 'alter', scene) || isColumn(act, 'rename', scene)) {
    if (act.type === undefined || (act.change !== 'type' && act.change !== 'definition')) return NONE
    if (scene.isNewColumn(act, act.table, act.name) || isOfEnumMadeHere(act.type, scene)) return NONE
    const how = act.change === 'definition' ? { how: 'redefined' as const } : {}
    return [{ ...at(act, act.table, scene), column: act.name, type: act.type, ...how }]
  }
  return columnsOf(act, scene).flatMap(({ where, column: { name, type }, selected, was }) => {
    // What is filled with a value that is in no row before has lost none.
    const copied = selected !== undefined && namesIn(selected, scene.syntax).length > 0
    if (!copied || was?.type.toUpperCase() === type.toUpperCase()) return []
    return [{ ...where, column: name, type, ...(was && { was: was.type }) }]
  })
}

function required(act: Act, scene: Scene): readonly Finding[] {
  if (isColumn(act, 'alter', scene) || isColumn(act, 'rename', scene)) {
    // Whoever adds a column and makes it required afterwards has filled it in between.
    if (!act.notNull || scene.isNewColumn(act, act.table, act.name)) return NONE
    const how = act.change === 'definition' ? { how: 'is-required' as const } : {}
    return [{ ...at(act, act.table, scene), column: act.name, ...how }]
  }
  return columnsOf(act, scene).flatMap(({ where, column: { name, notNull, primaryKey }, selected, was }) => {
    // Without the way back the live table tells whether it is required already.
    const asItIs = selected !== undefined && bare(selected) === name
    return notNull && asItIs && !primaryKey && !was?.notNull ? [{ ...where, column: name }] : []
  })
}

/** The type belongs to an enum that this migration makes: a value that it does not have is refused, not lost. */
function isOfEnumMadeHere(type: string, scene: Scene): boolean {
  const name = typeName(type)
  return scene.all.some((act) => act.object === 'enum' && act.action === 'create' && act.name === name)
}

/** The bare name of a type as written: `"public"."Role"[]` is `Role`. */
export function typeName(type: string): string {
  const match = /^(?:"(?:[^"]|"")*"\.)?"((?:[^"]|"")*)"(?:\[\])*$/.exec(type)
  return match?.[1]?.replaceAll('""', '"') ?? type
}
