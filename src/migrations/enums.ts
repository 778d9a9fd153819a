/**
 * PostgreSQL cannot remove a value from an enum, so Prisma's engine builds the enum anew and retypes the columns that have it
 * in both states. It writes that first, which fails where a column of the enum is only dropped later in the script.
 */
import type { Effect } from '../../engines/sql/statements.js'
import { typeName } from './hazards.js'
import { effectsOf, type Step } from './steps.js'

/** An operation in the making. */
export interface Pair {
  readonly ups: readonly Step[]
  readonly downs: readonly Step[]
  /** The side that does nothing, because what the other makes if it is missing is kept. */
  readonly kept?: 'up' | 'down'
}

export interface Rebuild {
  readonly enums: ReadonlySet<string>
  readonly retyped: readonly Effect[]
}

const effectsIn = (steps: readonly Step[]) => steps.flatMap(({ statements }) => effectsOf(statements))

/** The enums that the step builds anew and the columns that it retypes for them. */
export function rebuildOf({ statements }: Step): Rebuild | undefined {
  const effects = effectsOf(statements)
  const enums = effects.flatMap(({ action, object, name }) => (action === 'rename' && object === 'enum' ? [name] : []))
  if (enums.length === 0) return undefined
  return { enums: new Set(enums), retyped: effects.filter(({ change }) => change === 'type') }
}

/** The columns of one of the enums that the effects make, in new tables or old ones. */
export function madeOf(enums: ReadonlySet<string>, effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    const columns = effect.object === 'table' ? (effect.definition?.columns ?? []) : [effect]
    return columns
      .filter(({ type }) => type !== undefined && effect.table !== undefined && enums.has(typeName(type)))
      .map(({ name }) => columnId({ ...effect, name }))
  })
}

/** Identifies a column among all. */
export const columnId = ({ schema, table, name }: Pick<Effect, 'schema' | 'table' | 'name'>) =>
  [schema ?? '', table, name].join('\0')

/**
 * Puts the pairs in an order in which every rebuild meets exactly the columns that it retypes, or returns undefined. Columns
 * of the enum that the ups make come after it and those that the ups drop before it, except that a rebuild may retype a
 * column which its own script adds: that one must be there. Only the adding of values may move; it depends on nothing.
 */
export function orderEnums(pairs: readonly Pair[]): Pair[] | undefined {
  const ordered = [...pairs]
  for (const pair of pairs) {
    const there = pair.ups.flatMap((step) => rebuildOf(step) ?? [])
    const back = pair.downs.flatMap((step) => rebuildOf(step) ?? [])
    const enums = new Set([...there, ...back].flatMap((rebuild) => [...rebuild.enums]))
    if (enums.size === 0) continue
    const retypedThere = columnsOf(there)
    const retypedBack = columnsOf(back)
    let earliest = 0
    let latest = ordered.length - 1
    const others = ordered.filter((each) => each !== pair)
    for (const [i, other] of others.entries()) {
      const ups = effectsIn(other.ups)
      const downs = effectsIn(other.downs)
      if (changes(ups, downs, retypedThere) || changes(downs, ups, retypedBack)) return undefined
      const made = madeOf(enums, ups)
      const dropped = madeOf(enums, downs)
      const before = [
        ...made.filter((column) => retypedThere.has(column)),
        ...dropped.filter((column) => !retypedBack.has(column)),
      ]
      const after = [
        ...made.filter((column) => !retypedThere.has(column)),
        ...dropped.filter((column) => retypedBack.has(column)),
      ]
      if (before.length > 0) earliest = Math.max(earliest, i + 1)
      if (after.length > 0) latest = Math.min(latest, i)
    }
    const place = ordered.indexOf(pair)
    if (place >= earliest && place <= latest) continue
    if (earliest > latest || there.length > 0) return undefined
    others.splice(place < earliest ? earliest : latest, 0, pair)
    ordered.splice(0, ordered.length, ...others)
  }
  return ordered
}

const columnsOf = (rebuilds: readonly Rebuild[]) => new Set(rebuilds.flatMap(({ retyped }) => retyped.map(columnId)))

/** Whether another step does anything to a retyped column but add it in the same script (and drop it in the other). */
function changes(same: readonly Effect[], other: readonly Effect[], retyped: ReadonlySet<string>): boolean {
  const touched = (effects: readonly Effect[], but: Effect['action']) =>
    effects.some((effect) => effect.object === 'column' && effect.action !== but && retyped.has(columnId(effect)))
  return touched(same, 'create') || touched(other, 'drop')
}
