import type { Effect } from './statements.js'

/** What a script tells of a column. Undefined where it does not say. */
export interface ColumnFact {
  readonly type: string | undefined
  readonly notNull: boolean | undefined
}

export interface KeyFact {
  readonly kind: 'primary key' | 'unique key' | 'foreign key'
  readonly columns: readonly string[]
}

/** What a script tells of the state in which it leaves the database. */
export class ScriptFacts {
  readonly #columns = new Map<string, Map<string, ColumnFact>>()
  readonly #keys = new Map<string, KeyFact[]>()

  constructor(effects: Iterable<Effect>) {
    for (const effect of effects) this.#add(effect)
  }

  column(schema: string | undefined, table: string, column: string): ColumnFact | undefined {
    return this.#columns.get(id(schema, table))?.get(column)
  }

  /** The first key of the table that the column is part of. */
  key(schema: string | undefined, table: string, column: string): KeyFact | undefined {
    return this.#keys.get(id(schema, table))?.find((key) => key.columns.includes(column))
  }

  #add(effect: Effect) {
    const { action, object, schema, table } = effect
    if (table === undefined) return
    const here = id(schema, table)
    if (object === 'table') {
      if (action === 'create') {
        const columns = effect.definition?.columns ?? []
        this.#columns.set(here, new Map(columns.map(({ name, type, notNull }) => [name, { type, notNull }])))
        this.#keys.set(here, [])
        for (const key of effect.definition?.keys ?? []) this.#key(here, key.kind, key.columns)
        for (const { name, primaryKey, unique } of columns) {
          if (primaryKey) this.#key(here, 'primaryKey', [name])
          if (unique) this.#key(here, 'uniqueIndex', [name])
        }
      } else if (action === 'drop') {
        this.#columns.delete(here)
        this.#keys.delete(here)
      } else if (action === 'rename') {
        const there = id(schema, effect.newName ?? '')
        for (const facts of [this.#columns, this.#keys] as Map<string, never>[]) {
          const moved = facts.get(here)
          if (moved) facts.set(there, moved)
          facts.delete(here)
        }
      }
    } else if (object === 'column') {
      const columns = this.#columns.get(here) ?? new Map<string, ColumnFact>()
      this.#columns.set(here, columns)
      if (action === 'drop') columns.delete(effect.name)
      else {
        const known = action === 'create' ? undefined : columns.get(effect.name)
        columns.set(effect.newName ?? effect.name, {
          type: effect.type ?? known?.type,
          notNull: effect.notNull ?? known?.notNull,
        })
      }
    } else if (action === 'create') this.#key(here, object, effect.columns ?? [])
  }

  #key(table: string, object: string, columns: readonly string[]) {
    const kinds: Record<string, KeyFact['kind']> = {
      primaryKey: 'primary key',
      uniqueIndex: 'unique key',
      foreignKey: 'foreign key',
    }
    const kind = kinds[object]
    if (kind === undefined) return
    const keys = this.#keys.get(table) ?? []
    this.#keys.set(table, keys)
    keys.push({ kind, columns })
  }
}

const id = (schema: string | undefined, table: string) => `${schema ?? ''}\0${table}`
