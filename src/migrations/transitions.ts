import type { Effect, EffectObject } from '../../engines/sql/statements.js'

/** What a step does to one thing in the end: intermediate names (`new_User`, `Role_new`) are gone. */
export interface Transition {
  readonly kind: 'create' | 'drop' | 'change' | 'rename'
  readonly object: 'table' | 'column' | 'index' | 'constraint' | 'enum' | 'schema' | 'extension'
  readonly schema: string | undefined
  /** The table of a column or constraint, and of an index where the script tells. */
  readonly table: string | undefined
  readonly name: string
  readonly newName?: string
}

const OBJECTS: Partial<Record<EffectObject, Transition['object']>> = {
  table: 'table',
  column: 'column',
  index: 'index',
  uniqueIndex: 'index',
  constraint: 'constraint',
  foreignKey: 'constraint',
  primaryKey: 'constraint',
  enum: 'enum',
  enumValue: 'enum',
  schema: 'schema',
  extension: 'extension',
}

interface Entry {
  readonly object: Transition['object']
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly name: string
  /** The thing existed before the step under this name. */
  readonly existed: boolean
  /** What has the name now: nothing, a new thing, or the thing that had this key before. */
  now: 'gone' | 'new' | string
  altered: boolean
}

/**
 * The net transitions of a step, in the order in which it touches things. What happens to columns and keys of a table that
 * is itself created, dropped or built anew is part of that.
 */
export function transitionsOf(effects: Iterable<Effect>): Transition[] {
  const entries = new Map<string, Entry>()
  const key = (object: string, schema?: string, table?: string, name?: string) =>
    [object, schema ?? '', object === 'index' ? '' : (table ?? ''), name].join('\0')

  for (const effect of effects) {
    const object = OBJECTS[effect.object]
    if (object === undefined || effect.action === 'control' || effect.action === 'insert') continue
    const { schema } = effect
    const table = object === 'table' ? undefined : effect.table
    const isValue = effect.object === 'enumValue'
    const name = isValue ? (effect.type ?? '') : effect.name
    const entry = (called: string, existed: boolean): Entry => {
      const id = key(object, schema, table, called)
      const found = entries.get(id)
      if (found) return found
      const fresh: Entry = { object, schema, table, name: called, existed, now: existed ? id : 'gone', altered: false }
      entries.set(id, fresh)
      return fresh
    }
    if (isValue || effect.action === 'alter') entry(name, true).altered = true
    else if (effect.action === 'create') entry(name, false).now = 'new'
    else if (effect.action === 'drop') entry(name, true).now = 'gone'
    else {
      const from = entry(name, true)
      const to = entry(effect.newName ?? '', false)
      to.now = from.now
      to.altered ||= from.altered
      from.now = 'gone'
    }
  }

  const transitions: Transition[] = []
  const whole = new Set<string>()
  for (const [id, { object, schema, table, name, existed, now, altered }] of entries) {
    const add = (kind: Transition['kind'], newName?: string) =>
      transitions.push({ kind, object, schema, table, name, ...(newName === undefined ? {} : { newName }) })
    const origin = now === 'gone' || now === 'new' ? undefined : entries.get(now)
    if (existed && now === 'gone') {
      const moved = [...entries.values()].find((other) => other.now === id)
      if (!moved) add('drop')
    } else if (!existed && now === 'new') add('create')
    else if (!existed && origin)
      transitions.push({ kind: 'rename', object, schema, table, name: origin.name, newName: name })
    else if (existed && (now !== id || altered)) add('change')
    else continue
    if (object === 'table') whole.add(`${schema ?? ''}\0${name}`)
  }
  // Retyping the columns of an enum that is built anew is part of that.
  const enums = transitions.some(({ kind, object }) => kind === 'change' && object === 'enum')
  return transitions.filter(({ kind, object, schema, table }) => {
    if (object === 'table') return true
    return !whole.has(`${schema ?? ''}\0${table}`) && !(enums && kind === 'change' && object === 'column')
  })
}

/** A text that two steps share when one undoes the other: `signature(up) === signature(inverted(down))`. */
export function signature(transitions: readonly Transition[]): string {
  return transitions
    .map(({ kind, object, schema, table, name, newName }) =>
      JSON.stringify([kind, object, schema ?? '', object === 'index' ? '' : (table ?? ''), name, newName ?? '']),
    )
    .sort()
    .join('\n')
}

/** The transitions that lead back. */
export function inverted(transitions: readonly Transition[]): Transition[] {
  return transitions.map((transition) => {
    if (transition.kind === 'create') return { ...transition, kind: 'drop' }
    if (transition.kind === 'drop') return { ...transition, kind: 'create' }
    if (transition.kind === 'rename') return { ...transition, name: transition.newName!, newName: transition.name }
    return transition
  })
}
