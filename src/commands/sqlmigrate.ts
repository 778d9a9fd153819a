/** `rays sqlmigrate`: the statements of one migration, one way. Needs no database, but to trace them. */
import { UsageError } from '../errors.js'
import { plan } from '../history/plan.js'
import { historyOf } from '../history/squashed.js'
import { targetOf } from '../migrations/directory.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import type { Context } from './host.js'
import { loadAll, planOptions, sqlOfTraced, sqlOfWay } from './migrate.js'
import { folders, openProject, type Project, withConnection, withLock } from './project.js'
import { trace } from './trace.js'

export interface SqlMigrateOptions {
  /** A name, a unique part of one, or a timestamp. */
  readonly name: string
  readonly down?: boolean
  /** Find the statements by running the migration in a transaction that is rolled back. */
  readonly trace?: boolean
}

export interface SqlMigrateResult {
  readonly name: string
  readonly direction: 'up' | 'down'
  readonly sql: string
}

/** @throws {UsageError} for an unknown name, and for what cannot be traced */
export async function sqlMigrate(context: Context, options: SqlMigrateOptions): Promise<SqlMigrateResult> {
  const project = await openProject(context)
  const all = await folders(project)
  const migration = plan(all, [], { ...(await targetOf(options.name)), fake: true }).target!
  const direction = options.down ? ('down' as const) : ('up' as const)
  if (options.trace)
    return { name: migration.name, direction, sql: await traced(context, project, migration, direction) }
  const loaded = await loadMigration(migration, { runScript: async () => undefined })
  return { name: migration.name, direction, sql: await sqlOfWay(loaded, direction) }
}

/** What it sends where its turn has come: what lies before it on that way is run and taken back with it. */
async function traced(
  context: Context,
  project: Project,
  { name }: Migration,
  direction: 'up' | 'down',
): Promise<string> {
  const { host, config } = context
  return withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, async () => {
      const all = await folders(project)
      const before = all[all.findIndex((each) => each.name === name) - 1]?.name ?? 'zero'
      const target = direction === 'up' ? name : before
      const planned = plan(all, await historyOf(connection, all), await planOptions({}, connection, target))
      if (planned.direction !== direction || planned.migrations.at(-1)?.name !== name) {
        throw new UsageError(
          `${name} is ${direction === 'up' ? 'applied' : 'not applied'} here, so its way ${direction} cannot be traced. Nothing was run.`,
          { code: 'E_TRACE', hint: 'Without --trace the source is shown, and nothing is run.' },
        )
      }
      const ran = await trace(context, connection, await loadAll(planned.migrations, connection, false), direction)
      const own = ran.find((each) => each.name === name)
      return own ? sqlOfTraced(own) : ''
    }),
  )
}
