/** `rays commit`: what was pushed to the database becomes a migration that is recorded as applied. No data is touched. */
import { FailedError, UsageError } from '../errors.js'
import { appliedOf } from '../history/squashed.js'
import type { Context } from './host.js'
import { type MadeMigration, type MakeMigrationOptions, makeMigration } from './makemigration.js'
import { differsByItself } from './noise.js'
import { makeRecorded } from './prepare.js'
import { askingUnlocked, folders, openProject, type Project, withConnection, withLock } from './project.js'

export interface CommitOptions
  extends Pick<
    MakeMigrationOptions,
    'verify' | 'clearShadow' | 'autoresolve' | 'failOnDestructive' | 'rename' | 'defaults'
  > {
  readonly name: string
}

export interface CommitResult {
  readonly summary: string
  readonly migrations: readonly MadeMigration[]
  readonly target: string
  /** It is the project's first migration. */
  readonly baseline: boolean
}

/**
 * @throws {FailedError} where the database differs from the schema, or nothing changed since the newest migration;
 * {@link UsageError} where migrations are pending
 */
export async function commit(context: Context, { name, ...options }: CommitOptions): Promise<CommitResult> {
  const { host, config } = context
  const project = await openProject(context)
  await project.schemaEngine.validate(project.schema.files)
  return withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, async () => {
      await requirePushed(project, connection)
      const all = await folders(project)
      const applied = await appliedOf(connection, all)
      const pending = all.filter(({ name }) => !applied.has(name))
      if (pending.length > 0) {
        throw new UsageError(`Not applied yet: ${pending.map((m) => m.name).join(', ')}.`, {
          code: 'E_PENDING',
          hint: 'If their changes are in the database: rays migrate --fake. If not: rays migrate. Then rays commit.',
        })
      }
      const missing = await makeMigration(context, { check: true, clearShadow: options.clearShadow })
      if (!missing.changes) {
        throw new FailedError('There are no changes in the database since the newest migration.', {
          code: 'E_NO_CHANGES',
          hint: 'Edit the schema, rays push, and commit once it is settled.',
        })
      }
      host.note(missing.summary.trim())
      // Here the rows are where they should be already; other databases have theirs to keep.
      let asked = false
      const unlocked = askingUnlocked(config, host, connection, () => {
        asked = true
      })
      const made = await makeRecorded({ context, project, connection }, async () => {
        const result = await makeMigration({ config, host: unlocked }, { ...options, name })
        if (asked) await requirePushed(project, connection)
        return result
      })
      return {
        summary: made.summary,
        migrations: made.migrations,
        target: connection.target,
        baseline: all.length === 0,
      }
    }),
  )
}

async function requirePushed(
  project: Project,
  connection: Parameters<Parameters<typeof withConnection>[3]>[0],
): Promise<void> {
  const diff = await project.schemaEngine.diff(
    { kind: 'database', connection, context: project.schema.files },
    { kind: 'schema', files: project.schema.files },
    { ...project.filter, summary: true },
  )
  if (diff.empty || (await differsByItself(project, project.schema.files, diff.script, 'schema'))) return
  throw new FailedError(`The database and the schema differ: push first. ${connection.target}`, {
    code: 'E_DRIFT',
    where: diff.summary.trim() || diff.script.trim(),
    hint: 'rays push makes the database match the schema; then rays commit.',
  })
}
