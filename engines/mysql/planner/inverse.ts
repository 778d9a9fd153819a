/**
 * Steps -> ups and downs. MySQL commits every DDL statement by itself, so each reversible step has one statement on the
 * way up wherever that is possible, and its down leads from the state after the step to the state before it. Downs run
 * last to first.
 */
import type { ReversibleStep } from '../../schema-engine.js'
import { addKey, type Down, withoutKeys } from './down.js'
import { alterDown } from './inverse-alter.js'
import {
  alterTable,
  createIndex,
  createTable,
  quote,
  type RenderOptions,
  statements,
  swapIndex,
  withZeroDates,
} from './render.js'
import { ServerState } from './server-state.js'
import type { Step } from './steps.js'
import type { ServerFlags, Tables } from './tables.js'

/** The steps with their inverses. `previous` is the state that the steps start from. */
export function reversible(
  steps: readonly Step[],
  previous: Tables,
  options: RenderOptions & ServerFlags,
): ReversibleStep[] {
  const state = new ServerState(previous, options)
  const guards: string[] = []
  const result = steps.flatMap((step): ReversibleStep[] => {
    const inverse = downOf(step, state, options)
    state.apply(step)
    guards.push(...(inverse.guards ?? []))
    const up = statements(step, options)
    if (up.length === 2 && inverse.down.length === 2) {
      // A redefined index: two statements, each with its own inverse.
      const [create, drop] = up as [string, string]
      const [recreate, dropNew] = inverse.down as [string, string]
      return [
        { up: withZeroDates(step, [create], options), down: withZeroDates(step, [dropNew], options) },
        { up: withZeroDates(step, [drop], options), down: withZeroDates(step, [recreate], options) },
      ]
    }
    const [there, back] = [up, inverse.down].map((sql) => withZeroDates(step, sql, options)) as [string[], string[]]
    return [{ up: there, down: back, ...(inverse.lossy ? { lossy: inverse.lossy } : {}) }]
  })
  const last = result.at(-1)
  // What makes a later down impossible is asked before the first one: there is no way back from halfway.
  if (last && guards.length > 0) result[result.length - 1] = { ...last, down: [...new Set(guards), ...last.down] }
  return result
}

/** `state` is the state before the step. */
function downOf(step: Step, state: ServerState, options: RenderOptions): Down {
  const q = (name: string) => quote(name, options)
  const table = step.table.name
  switch (step.kind) {
    case 'DropForeignKey':
      return { down: [addKey(table, step.key, options)] }
    case 'DropIndex': {
      const columns = step.index.columns.map(({ name }) => q(name)).join(', ')
      return {
        down: [createIndex(table, step.index, options)],
        ...(step.index.type === 'unique'
          ? { lossy: `The down refuses while rows of ${q(table)} are alike in (${columns}).` }
          : {}),
      }
    }
    case 'AlterTable':
      return alterDown(step, state, options)
    case 'DropTable':
      return {
        down: [createTable({ ...step.table, indexes: state.of(table).indexes }, options)],
        lossy: `The rows of ${q(table)} are not brought back.`,
      }
    case 'CreateTable':
      return { down: [`DROP TABLE ${q(table)}`] }
    case 'CreateIndex':
      return {
        down: withoutKeys(
          table,
          state.takenOver(table, step.index),
          [`DROP INDEX ${q(step.index.name)} ON ${q(table)}`],
          options,
        ),
      }
    case 'AddForeignKey': {
      const drop = `DROP FOREIGN KEY ${q(step.key.name)}`
      const before = state.of(table).indexes
      const after = state.preview(step).of(table).indexes
      const made = after.filter((index) => !before.includes(index)).map((index) => `DROP INDEX ${q(index.name)}`)
      return { down: [alterTable(table, [drop, ...made], options)] }
    }
    case 'RenameIndex':
      return { down: [`ALTER TABLE ${q(table)} RENAME INDEX ${q(step.to.name)} TO ${q(step.from.name)}`] }
    case 'RedefineIndex': {
      if (step.swap) return { down: [swapIndex(table, step.to, step.from, options)] }
      const drop = `DROP INDEX ${q(step.to.name)} ON ${q(table)}`
      return { down: [createIndex(table, step.from, options), drop] }
    }
  }
}
