/** `rays reset`: empties the database after its name was confirmed, and applies all migrations again. */
import { InterruptedError, UsageError } from '../errors.js'
import { stopIfInterrupted } from '../interruption.js'
import type { Context } from './host.js'
import { apart, type MigrateResult, migrate } from './migrate.js'
import { folders, openProject, withConnection, withLock } from './project.js'
import { emptyDatabase } from './push.js'
import { type SeedResult, seed, seedCommand } from './seed.js'

export interface ResetOptions {
  /** The name of the database, as a sign that it is the one that is meant. */
  readonly confirm?: string
  /** Run the seed command afterwards, where there is one; default true. */
  readonly seed?: boolean
  readonly generate?: boolean
}

export interface ResetResult {
  readonly target: string
  readonly database: string
  readonly migrated: MigrateResult
  readonly seeded: SeedResult | null
}

/** @throws {UsageError} without the right name: nothing was touched */
export async function reset(context: Context, options: ResetOptions = {}): Promise<ResetResult> {
  const { host, config } = context
  const project = await openProject(context)
  // A folder that cannot be read must not be found out after everything is gone.
  await folders(project)
  const { target, database } = await withConnection(project, host, {}, async (connection) => {
    const { target, database } = connection
    const flag = `--confirm=${database}`
    const name =
      options.confirm ??
      (await host.ask({ message: `All data in ${target} will be lost. Type the name of the database:`, flag }))
    if (name !== database) {
      if (options.confirm === undefined) throw new InterruptedError('Not confirmed; nothing was changed.')
      throw new UsageError(`The database is called ${database}, not ${name}; nothing was changed.`, {
        code: 'E_CONFIRM',
        hint: `rays reset ${flag}`,
      })
    }
    await withLock(config, host, connection, () => emptyDatabase(project, host, connection))
    return { target, database }
  })
  await stopIfInterrupted(host, 'Interrupted; the database was emptied, and no migration is applied.', {
    hint: 'rays migrate applies them.',
  })
  // What is empty needs no way back.
  const migrated = await migrate(apart(context), {
    ...(options.generate !== undefined && { generate: options.generate }),
  })
  const wanted = options.seed !== false && (await seedCommand(config)) !== undefined
  return { target, database, migrated, seeded: wanted ? await seed(context) : null }
}
