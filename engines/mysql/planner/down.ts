/** What the ways back from steps have in common. */
import { alterTable, foreignKey, quote, type RenderOptions } from './render.js'
import type { ForeignKey } from './tables.js'

/** A down, and what it cannot do. */
export interface Down {
  readonly down: readonly string[]
  /** Queries that fail where the down must not run: they go before the first statement of the whole way down. */
  readonly guards?: readonly string[]
  readonly lossy?: string
}

/** Adds a foreign key that was there before. */
export function addKey(table: string, key: ForeignKey, options: RenderOptions): string {
  return alterTable(table, [`ADD ${foreignKey(key, options)}`], options)
}

/** Runs the statements while the foreign keys are away; when they come back the server makes the indexes that they lack. */
export function withoutKeys(
  table: string,
  keys: readonly ForeignKey[],
  statements: readonly string[],
  options: RenderOptions,
): string[] {
  return [
    ...keys.map((key) => alterTable(table, [`DROP FOREIGN KEY ${quote(key.name, options)}`], options)),
    ...statements,
    ...keys.map((key) => addKey(table, key, options)),
  ]
}
