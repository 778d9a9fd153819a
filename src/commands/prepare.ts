/** `rays prepare`: an existing database gets its first migration, recorded as applied. All data stays. */
import { CommitUnknownError, type Connection } from '../../engines/engine.js'
import { FailedError, InterruptedError, RaysError, UsageError } from '../errors.js'
import { appliedNames, Recorder } from '../history/recorder.js'
import { stopIfInterrupted } from '../interruption.js'
import { checksum, listMigrations, readScript, rememberFolder } from '../migrations/directory.js'
import { datasourceOf, hasModels, type PrismaSchema, readSchema, writeSchema } from '../schema/prisma-schema.js'
import { expectWritable } from './files.js'
import type { Context, Host } from './host.js'
import { knexHistory } from './knex-history.js'
import { type MadeMigration, makeMigration } from './makemigration.js'
import { type ClearShadow, folders, lookAgain, openProject, type Project, withConnection, withLock } from './project.js'
import { resetWithConsent } from './push.js'
import { runScript } from './script.js'

export interface PrepareOptions {
  readonly name?: string
  readonly reset?: boolean
  readonly y?: boolean
  readonly verify?: boolean
  readonly clearShadow?: ClearShadow | undefined
}

export interface PrepareResult {
  readonly migration: MadeMigration
  readonly target: string
  /** Whether the schema's models were written from the database. */
  readonly introspected: boolean
  readonly reset: boolean
}

/** @throws {RaysError} */
export async function prepare(context: Context, options: PrepareOptions = {}): Promise<PrepareResult> {
  const { host, config } = context
  let project = await openProject(context)
  await refuseInitialised(project)
  await expectWritable([config.migrationsDir])
  let forgotten: readonly string[] = []
  const introspected = await withConnection(project, host, {}, async (connection) => {
    if (!options.reset) forgotten = await oldHistory(context, connection, options.y === true)
    return !hasModels(project.schema.files) && (await introspect(project, context, connection))
  })
  const { schema } = project
  if (introspected) project = await openProject(context)
  await project.schemaEngine.validate(project.schema.files)
  const prepared = withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, async () => {
      if (options.reset) {
        await resetWithConsent(project, host, connection, options.y === true)
        const script = await project.schemaEngine.diff(
          { kind: 'empty' },
          { kind: 'schema', files: project.schema.files },
          project.filter,
        )
        const { signal } = host
        await runScript(connection, script.script, {
          signal,
          before: [`${connection.target} was emptied`],
          hint: 'Correct the schema and run rays prepare --reset again.',
          onLost: (cause) => {
            throw new FailedError(
              `The connection was lost while the tables were being made: ${connection.target} was emptied, and may have them.`,
              { cause, code: 'E_CONNECTION', hint: 'rays prepare --reset begins again.' },
            )
          },
        })
      } else await requireSync(project, connection)
      const other = forgotten.length > 0 ? await knexHistory(context, connection) : undefined
      const recorder = new Recorder(connection, other)
      // Before anything is written: a user who may not create it learns so while there is nothing to take back. And before
      // the transaction: PostgreSQL ends one in which a table was asked for that is not there.
      const created = (await recorder.read()) === undefined
      if (created) await recorder.create()
      const make = async () => {
        const made = await makeMigration(context, {
          name: options.name ?? 'init',
          verify: options.verify !== false,
          clearShadow: options.clearShadow,
        })
        if (made.migrations.length > 0) return made
        throw new UsageError('The schema has no models, so there is nothing to prepare.', {
          hint: 'Add a model, then rays makemigration.',
        })
      }
      // By the end the connection may be lost, and what was done is done.
      const collations = (await project.schemaEngine.beside?.(connection))?.collations ?? []
      const { migrations } = await makeRecorded({ context, project, connection }, make, { recorder, forgotten }).catch(
        async (error) => {
          if (created) await dropUnused(connection, recorder)
          throw error
        },
      )
      const migration = migrations[0]!
      noteCollations(host, collations)
      if (forgotten.length > 0)
        host.note(`Forgot ${forgotten.length} applied migrations; ${migration.name} stands for them now.`)
      return { migration, target: connection.target, introspected, reset: options.reset === true }
    }),
  )
  return prepared.catch(async (error) => {
    // Interrupted, it has written nothing.
    if (introspected && error instanceof InterruptedError) await putBack(schema)
    throw error
  })
}

/** Tables may be unlike those that Prisma makes: a foreign key does not lead from the one kind to the other. */
function noteCollations(host: Host, collations: readonly string[]): void {
  if (collations.length === 0) return
  host.note(
    `Tables here have another collation than those that Prisma makes (${collations.join(', ')}). The migration makes them as they are, and a new column that refers to a text of theirs gets its collation.`,
  )
}

/** The schema as it was before its models were written. */
async function putBack(schema: PrismaSchema): Promise<void> {
  const known = new Set(schema.files.map((file) => file.path))
  const now = await readSchema(schema.path)
  const remove = now.files.map((file) => file.path).filter((file) => !known.has(file))
  await writeSchema(now, { write: schema.files, remove })
}

/** Drops a history that this run created and nothing was recorded in. */
async function dropUnused(connection: Connection, recorder: Recorder): Promise<void> {
  try {
    // In a transaction, which has the lock where a session cannot hold one.
    await connection.transaction({}, async () => {
      if ((await recorder.read())?.length === 0) await connection.script(`DROP TABLE ${connection.history.table}`)
    })
  } catch {
    // An empty history says nothing, and why the command failed is told already.
  }
}

async function refuseInitialised(project: Project): Promise<void> {
  const existing = await folders(project)
  if (existing.length === 0) return
  const byPrisma = existing.some((migration) => migration.codeFile === undefined)
  throw new UsageError(`The project has ${existing.length} migrations already; prepare is for the first.`, {
    code: 'E_INITIALISED',
    hint: byPrisma
      ? 'Migrations made by Prisma need no preparation: rays migrate applies them, rays makemigration adds to them.'
      : 'rays status shows where things stand, rays migrate applies what is pending. Where its tables are in the database already: rays migrate --fake records it.',
  })
}

/**
 * The applied migrations whose folders were deleted to begin anew (the first migration then stands for all of them).
 * @throws {RaysError} where nobody agrees to forget them
 */
async function oldHistory({ host }: Context, connection: Connection, yes: boolean): Promise<readonly string[]> {
  const names = [...(await appliedNames(connection))].sort()
  if (names.length === 0 || yes) return names
  const sure = await host.confirm({
    message: `${connection.target} has ${names.length} applied migrations (${names[0]} …), and the migrations folder is empty. Forget them, and begin anew with the database as it is? (If the folders are missing by mistake: git pull.)`,
    flag: '--y',
  })
  if (!sure) throw new InterruptedError('Not confirmed; nothing was changed.')
  return names
}

async function introspect(project: Project, { host, config }: Context, connection: Connection): Promise<boolean> {
  const files = await project.schemaEngine.introspect(connection, project.schema.files)
  if (!hasModels(files)) {
    throw new UsageError(`The database is empty and the schema has no models: ${connection.target}.`, {
      code: 'E_EMPTY',
      hint: 'Write your first model into the schema, then: rays makemigration --name init, rays migrate.',
    })
  }
  datasourceOf(files)
  await stopIfInterrupted(host, 'Interrupted; nothing was written.')
  const known = new Map(project.schema.files.map((file) => [file.path, file.content]))
  await writeSchema(project.schema, {
    write: files.filter((file) => known.get(file.path) !== file.content),
    remove: [],
  })
  host.note(`Wrote the models of ${connection.target} to ${config.schemaPath}.`)
  return true
}

async function requireSync(project: Project, connection: Connection): Promise<void> {
  const diff = await project.schemaEngine.diff(
    { kind: 'database', connection, context: project.schema.files },
    { kind: 'schema', files: project.schema.files },
    { ...project.filter, summary: true },
  )
  if (diff.empty) return
  throw new FailedError(
    `The database and the schema differ, so the first migration would be wrong: ${connection.target}.`,
    {
      code: 'E_DRIFT',
      where: diff.summary.trim() || diff.script.trim(),
      hint: 'Make the database like the schema (rays push), or the schema like the database (npx prisma db pull), then rays prepare.',
    },
  )
}

interface At {
  readonly context: Context
  readonly project: Project
  readonly connection: Connection
}

/** How the rows are written, where not just added. */
interface Recording {
  readonly recorder?: Recorder
  /** Applied migrations that the new ones stand for. */
  readonly forgotten?: readonly string[]
}

/**
 * Makes migrations of what the database has already, and records them as applied: both, or neither. Where it is unknown
 * whether they are recorded, they stay: the history may name them.
 */
export async function makeRecorded<T extends { readonly migrations: readonly { readonly name: string }[] }>(
  at: At,
  make: () => Promise<T>,
  recording: Recording = {},
): Promise<T> {
  const takeBack = await rememberFolder(at.context.config.migrationsDir)
  const names: string[] = []
  try {
    const made = await make()
    names.push(...made.migrations.map(({ name }) => name))
    if (names.length > 0) await recordApplied(at, names, recording)
    return made
  } catch (error) {
    if (!(error instanceof RaysError && error.code === 'E_COMMIT_UNKNOWN')) await takeBack(names)
    throw error
  }
}

/**
 * Records migrations as applied without running them: all of them, or none.
 * @throws {FailedError} where they are not recorded; {@link DecisionError} where nobody can tell
 */
async function recordApplied(
  { context: { config, host }, project, connection }: At,
  names: readonly string[],
  { recorder = new Recorder(connection), forgotten = [] }: Recording = {},
): Promise<void> {
  const made = (await listMigrations(config.migrationsDir)).filter(({ name }) => names.includes(name))
  // PostgreSQL ends a transaction in which a table was asked for that is not there.
  if ((await recorder.read()) === undefined) await recorder.create()
  try {
    await connection.transaction({}, async () => {
      for (const migration of made) await recorder.insertApplied(migration.name, checksum(await readScript(migration)))
      for (const name of forgotten) await recorder.remove(name)
    })
  } catch (cause) {
    if (!(cause instanceof CommitUnknownError)) throw cause
    const what = `${names.join(', ')} was recorded as applied`
    const hint = 'rays status tells; where it is pending, rays migrate --fake records it.'
    const known = await lookAgain(project, host, { connection, cause, what, hint }, appliedNames)
    if (names.every((name) => known.has(name))) return
    throw new FailedError(
      `The connection was lost before ${names.join(', ')} was recorded as applied; nothing was recorded, and nothing is written.`,
      { cause, code: 'E_CONNECTION', hint: 'Run the command again.' },
    )
  }
}
