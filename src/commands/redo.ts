/** `rays redo`: the last migrations down and up again. */
import { UsageError } from '../errors.js'
import type { Context } from './host.js'
import { type MigrateResult, migrate } from './migrate.js'

export interface RedoOptions {
  /** How many migrations; default 1. */
  readonly count?: number
  readonly y?: boolean
  readonly generate?: boolean
  readonly failOnDestructive?: boolean
}

export interface RedoResult {
  readonly down: MigrateResult
  readonly up: MigrateResult
}

/** @throws {RaysError} */
export async function redo(
  context: Context,
  { count = 1, y, generate, ...rest }: RedoOptions = {},
): Promise<RedoResult> {
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError('The number of migrations to redo is 1 or more.', { hint: 'rays redo 2' })
  }
  const down = await migrate(context, { ...rest, name: `-${count}`, y: y === true, generate: false })
  const newest = down.migrations[0]?.name
  const up = await migrate(context, {
    ...(newest !== undefined && { name: newest }),
    ...(generate !== undefined && { generate }),
  })
  return { down, up }
}
