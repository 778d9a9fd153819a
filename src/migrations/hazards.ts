/** What a script may destroy, and where it may fail on rows that exist: read from the script alone, rows are counted elsewhere. */
import type { StatementSyntax } from '../../engines/engine.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'

export type HazardKind =
  | 'drop-table'
  | 'drop-column'
  /** A table is built anew (SQLite) and only `columns` are copied: what else it holds is lost. */
  | 'rebuild-table'
  /** A column is dropped and added again under its name: its values are lost. */
  | 'recreate-column'
  /** A column without a default is added as required: fails where the table has rows. */
  | 'required-column'
  /** A column becomes required: fails where it holds NULL. */
  | 'set-required'
  | 'type-change'
  /** A unique key is added: fails where values repeat. */
  | 'unique'
  | 'primary-key'
  | 'drop-enum'
  /** An enum is built anew without some of its values: fails where they are in use. */
  | 'drop-enum-value'

export interface Hazard {
  readonly kind: HazardKind
  readonly schema?: string
  /** The table; the enum where the hazard is one of an enum. */
  readonly table: string
  readonly column?: string
  /** Of a changed type: the new one, as written. */
  readonly type?: string
  /** Of a key: all its columns. */
  readonly columns?: readonly string[]
  /** What the script has renamed before: the table's former name, and those of its columns by their new ones. */
  readonly before?: { readonly table: string; readonly columns: Readonly<Record<string, string>> }
  readonly message: string
}

/** Without any of these words a script has no hazard: most need not be read further. */
const SUSPECT = /\b(?:drop|rename|modify|change|null|unique|primary|type|alter\s+column)\b/i

/**
 * The hazards of a script, in its order. Statements that are not understood have none.
 * @param reverse the script of the other direction, if there is one: only it names the columns that a table built anew
 *   (SQLite) loses. Without it, compare the `columns` of a `rebuild-table` with those of the live table.
 */
export function findHazards(script: string, syntax: StatementSyntax, reverse = ''): Hazard[] {
  if (!SUSPECT.test(script)) return []
  const back = splitStatements(reverse, syntax).flatMap(({ text }) => describeStatement(text, syntax) ?? [])
  const statements = splitStatements(script, syntax).map(({ text }) => describeStatement(text, syntax) ?? [])
  const all = statements.flat()
  const hazards: Hazard[] = []
  const created = new Set<string>()
  const rebuilt = new Set<string>()
  const createdColumns = new Set<string>()
  const former = new Map<string, NonNullable<Hazard['before']>>()
  const id = ({ schema }: Effect, name: string) => `${schema ?? ''}\0${name}`
  const has = (test: (effect: Effect) => boolean) => all.some(test)
  /** The name that a table or type which is built under another name gets in the end. */
  const finalName = (object: 'table' | 'enum', name: string) =>
    all.find((other) => other.action === 'rename' && other.object === object && other.name === name)?.newName

  for (const effects of statements)
    for (const effect of effects) {
      const { action, object, name, table } = effect
      const add = (kind: HazardKind, where: string, message: string, more: Partial<Hazard> = {}) =>
        hazards.push({
          kind,
          ...(effect.schema === undefined ? {} : { schema: effect.schema }),
          table: where,
          ...(former.has(id(effect, where)) && { before: former.get(id(effect, where))! }),
          ...more,
          message,
        })
      if (object === 'table' && action === 'create') {
        created.add(id(effect, name))
        const becomes = finalName('table', name)
        if (becomes !== undefined) {
          if (all.some((other) => other.action === 'insert' && other.name === name)) rebuilt.add(id(effect, becomes))
          rebuiltTable(effect, becomes, all, back, add)
        }
      } else if (object === 'table' && action === 'rename') {
        if (created.has(id(effect, name))) created.add(id(effect, effect.newName!))
        else former.set(id(effect, effect.newName!), former.get(id(effect, name)) ?? { table: name, columns: {} })
      } else if (object === 'table' && action === 'drop') {
        const replaced = has((other) => other.action === 'rename' && other.object === 'table' && other.newName === name)
        // CREATE TABLE ... AS SELECT: the rows were set aside.
        const copied = has((other) => other.action === 'create' && other.object === 'table' && other.from === name)
        if (!replaced && !copied && !created.has(id(effect, name)))
          add('drop-table', name, `Table ${name} is dropped with its rows.`)
      } else if (object === 'column' && table !== undefined && !created.has(id(effect, table))) {
        const where = `${table}.${name}`
        const column = { column: name }
        const same = (other: Effect) => other.object === 'column' && other.table === table && other.name === name
        if (action === 'rename') {
          const known = former.get(id(effect, table)) ?? { table, columns: {} }
          const columns = { ...known.columns, [effect.newName!]: known.columns[name] ?? name }
          former.set(id(effect, table), { ...known, columns })
        } else if (action === 'drop') {
          if (has((other) => same(other) && other.action === 'create'))
            add('recreate-column', table, `Column ${where} is dropped and added again: its values are lost.`, column)
          else add('drop-column', table, `Column ${where} is dropped with its values.`, column)
        } else if (action === 'create') {
          createdColumns.add(`${id(effect, table)}\0${name}`)
          if (effect.notNull && !effect.hasDefault)
            add(
              'required-column',
              table,
              `Column ${where} is added as required without a default: ${withoutValue(syntax)}`,
              column,
            )
        } else if (createdColumns.has(`${id(effect, table)}\0${name}`)) {
          // Whoever adds a column and makes it required afterwards has filled it in between.
        } else if (effect.change === 'set-not-null')
          add('set-required', table, `Column ${where} becomes required: fails where it holds NULL.`, column)
        else if (effect.change === 'type' && !isBuiltAnew(effect.type, all))
          add('type-change', table, `Column ${where} becomes ${effect.type}: values may be lost or refused.`, {
            ...column,
            type: effect.type!,
          })
        else if (effect.change === 'definition') {
          add('type-change', table, `Column ${where} is redefined as ${effect.type}: values may be lost or refused.`, {
            ...column,
            type: effect.type!,
          })
          if (effect.notNull)
            add('set-required', table, `Column ${where} is required: fails where it holds NULL.`, column)
        }
      } else if (object === 'uniqueIndex' && action === 'create') {
        const fresh = created.has(id(effect, table ?? '')) && !rebuilt.has(id(effect, table ?? ''))
        const columns = effect.columns ?? []
        // A table that is built anew gets the keys that it had as well.
        const had = rebuilt.has(id(effect, table ?? '')) && back.some((other) => sameUnique(other, effect))
        if (fresh || had) continue
        add('unique', table ?? '', `${table} gets a unique key on ${columns.join(', ')}: fails where values repeat.`, {
          columns,
        })
      } else if (object === 'primaryKey' && action === 'create') {
        const columns = effect.columns ?? []
        add(
          'primary-key',
          table!,
          `${table} gets the primary key ${columns.join(', ')}: fails where values repeat or are NULL.`,
          { columns },
        )
      } else if (object === 'enum' && action === 'create') {
        const rebuilt = finalName('enum', name)
        if (rebuilt !== undefined)
          add(
            'drop-enum-value',
            rebuilt,
            `Enum ${rebuilt} keeps only ${effect.values!.join(', ')}: fails where other values are in use.`,
          )
      } else if (object === 'enum' && action === 'drop') {
        if (!has((other) => other.action === 'rename' && other.object === 'enum' && other.newName === name))
          add('drop-enum', name, `Enum ${name} is dropped.`)
      }
    }
  return hazards
}

/** MySQL: rows get the implicit default of the type. */
function withoutValue({ dialect }: StatementSyntax): string {
  return dialect === 'mysql' ? "rows that exist get '' or 0." : 'fails where the table has rows.'
}

function sameUnique(a: Effect, b: Effect): boolean {
  const key = ({ action, object, schema, table, columns }: Effect) =>
    JSON.stringify([action, object, schema, table, columns])
  return key(a) === key(b)
}

type Add = (kind: HazardKind, table: string, message: string, more?: Partial<Hazard>) => void

/** A table that is built under another name, filled from the old one and renamed (SQLite). */
function rebuiltTable(effect: Effect, table: string, all: readonly Effect[], back: readonly Effect[], add: Add) {
  const copy = all.find((other) => other.action === 'insert' && other.name === effect.name)
  if (!copy) {
    add('drop-table', table, `Table ${table} is built anew and no row is copied.`)
    return
  }
  const columns = copy.columns ?? []
  add('rebuild-table', table, `Table ${table} is built anew; only ${columns.join(', ')} are kept.`, { columns })
  for (const lost of columnsAfter(back, table))
    if (!columns.includes(lost))
      add('drop-column', table, `Column ${table}.${lost} is dropped with its values.`, { column: lost })
  const was = definitionAfter(back, table)
  for (const { name, notNull, hasDefault, primaryKey, type } of effect.definition?.columns ?? []) {
    const selected = copy.selected?.[columns.indexOf(name)]
    const before = was?.find((column) => column.name === name)
    // Without the way back the live table tells whether it is required already.
    if (notNull && selected !== undefined && bare(selected) === name && !primaryKey && !before?.notNull)
      add('set-required', table, `Column ${table}.${name} becomes required: fails where it holds NULL.`, {
        column: name,
      })
    // SQLite: what does not fit the new type stays as it is, under a type that Prisma cannot read it by.
    if (selected !== undefined && before?.type.toUpperCase() !== type.toUpperCase())
      add('type-change', table, `Column ${table}.${name} becomes ${type}: values may be lost or refused.`, {
        column: name,
        type,
      })
    const numbersItself = primaryKey && /^integer$/i.test(type)
    if (columns.includes(name) || !notNull || hasDefault || numbersItself) continue
    const message = `Column ${table}.${name} is added as required without a default: fails where the table has rows.`
    add('required-column', table, message, { column: name })
  }
}

/** The columns that a script says a table has in the end. */
function columnsAfter(script: readonly Effect[], table: string): string[] {
  const added = script.filter((e) => e.action === 'create' && e.object === 'column' && e.table === table)
  return [...(definitionAfter(script, table) ?? []), ...added].map(({ name }) => name)
}

/** The columns of a table that a script builds anew. */
function definitionAfter(script: readonly Effect[], table: string) {
  const rebuilt = script.find((e) => e.object === 'table' && e.action === 'rename' && e.newName === table)
  const made = script.find((e) => e.action === 'create' && e.object === 'table' && e.name === rebuilt?.name)
  return made?.definition?.columns
}

const bare = (selected: string) => selected.replace(/^["`]|["`]$/g, '')

/** The type belongs to an enum that this script builds anew: the column keeps its values. */
function isBuiltAnew(type: string | undefined, all: readonly Effect[]): boolean {
  const name = type === undefined ? '' : typeName(type)
  return all.some((e) => e.object === 'enum' && e.action === 'rename' && e.name === name)
}

/** The bare name of a type as written: `"public"."Role"[]` is `Role`. */
export function typeName(type: string): string {
  const match = /^(?:"(?:[^"]|"")*"\.)?"((?:[^"]|"")*)"(?:\[\])*$/.exec(type)
  return match?.[1]?.replaceAll('""', '"') ?? type
}

/**
 * PostgreSQL refuses a new enum value in the transaction that added it. Where a script adds a value and uses it,
 * the two scripts that must become two migrations: the values first, the rest second. Otherwise undefined.
 */
export function splitUnsafeEnum(
  script: string,
  syntax: StatementSyntax,
): readonly [values: string, rest: string] | undefined {
  const statements = splitStatements(script, syntax).map((statement) => ({
    ...statement,
    effects: describeStatement(statement.text, syntax),
  }))
  const isAddition = ({ effects }: { effects?: readonly Effect[] | undefined }) => effects?.[0]?.object === 'enumValue'
  const added = statements.filter(isAddition).map(({ effects }) => effects![0]!)
  if (added.length === 0) return undefined
  const holds = (sql: string | undefined, { name }: Effect) => sql?.includes(`'${name.replaceAll("'", "''")}'`) ?? false
  const uses = added.some((value) =>
    statements.some((statement) => {
      if (isAddition(statement) || !holds(statement.text, value)) return false
      if (statement.effects === undefined) return true
      return statement.effects.some((effect) => {
        const columns = effect.definition?.columns ?? [effect]
        return columns.some(
          (column) =>
            holds(column.default, value) && (column.type === undefined || typeName(column.type) === value.type),
        )
      })
    }),
  )
  if (!uses) return undefined
  let values = ''
  let rest = ''
  let at = 0
  for (const [i, statement] of statements.entries()) {
    const gap = script.slice(statement.end, statements[i + 1]?.start)
    const semicolon = [...tokens(gap, syntax)].find(({ kind }) => kind === 'punctuation')
    const end = statement.end + (semicolon?.end ?? 0)
    if (isAddition(statement)) values += script.slice(at, end)
    else rest += script.slice(at, end)
    at = end
  }
  const tidy = (sql: string) => `${sql.trim()}\n`
  return [tidy(values), tidy(rest + script.slice(at))]
}
