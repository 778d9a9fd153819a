/** `rays redo`: the last migrations down and up again. */
import { DecisionError, LockError, UsageError } from '../errors.js'
import { plan } from '../history/plan.js'
import type { MigrationRecord } from '../history/recorder.js'
import { refuseBranches } from './branches.js'
import type { Context } from './host.js'
import { type Agreed, type MigrateResult, migrateInTurn, previewed, refuseLosses, type Turn } from './migrate.js'
import { folders, openProject } from './project.js'

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

/** @throws {RaysError}; where it is known beforehand that the way up would be refused, nothing was undone */
export async function redo(
  context: Context,
  { count = 1, y, generate, ...rest }: RedoOptions = {},
): Promise<RedoResult> {
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError('The number of migrations to redo is 1 or more.', { hint: 'rays redo 2' })
  }
  const name = `-${count}`
  // Everything is loaded by this, so that code that cannot be loaded is known before anything is undone.
  const { agreed, known } = await previewed(context, { name, plan: true })
  // Whoever else took them back meanwhile does not want them applied again.
  const leaving = { ...agreed, whole: true }
  const returning: Agreed = {
    direction: 'up',
    names: leaving.names.toReversed(),
    base: leaving.base.after('down', leaving.names),
  }
  await expectWayUp(context, returning, known)
  if (rest.failOnDestructive) await refuseLosses(context, returning.names)
  const newest = returning.names.at(-1)
  const turns: Turn[] = [
    { options: { ...rest, name, y: y === true, generate: false }, agreed: leaving },
    {
      options: {
        ...(newest !== undefined && { name: newest }),
        ...rest,
        // What the way up loses is what the way down made, and that was agreed to.
        y: true,
        ...(generate !== undefined && { generate }),
      },
      agreed: returning,
      failed: (error) => {
        // The same command once more would undo other migrations.
        if (!(error instanceof LockError) || returning.names.length === 0) return error
        return new DecisionError(`${error.message} ${leaving.names.join(', ')} stays undone.`, {
          cause: error,
          code: 'E_UNFINISHED',
          where: error.where,
          data: error.data,
          hint: `When nobody is in the way: rays migrate --name ${newest}.`,
        })
      },
    },
  ]
  const [down, up] = await migrateInTurn(context, turns)
  return { down: down!, up: up! }
}

/**
 * What went down comes up again, and nothing else with it: that is found out before the down, which loses values.
 * @throws {RaysError} what the way up would be refused with
 */
async function expectWayUp(context: Context, returning: Agreed, known: readonly MigrationRecord[]): Promise<void> {
  const newest = returning.names.at(-1)
  if (newest === undefined) return
  const project = await openProject(context)
  const all = await folders(project)
  const back = new Set(returning.names)
  const wayUp = plan(
    all,
    known.filter((record) => !back.has(record.name)),
    { target: newest, allowOutOfOrder: true },
  )
  const others = wayUp.migrations.filter((migration) => !back.has(migration.name)).map((migration) => migration.name)
  if (others.length > 0) {
    throw new DecisionError(
      `${others.join(', ')} ${others.length === 1 ? 'is' : 'are'} not applied and older than ${newest}: the way up would apply ${others.length === 1 ? 'it' : 'them'}, too. Nothing was undone.`,
      {
        code: 'E_OUT_OF_ORDER',
        data: { outOfOrder: others, newest },
        hint: 'Rename the folder to a newer timestamp, or apply it late: rays migrate --allow-out-of-order. Then rays redo again.',
      },
    )
  }
  await refuseBranches(project, all, wayUp.migrations)
}
