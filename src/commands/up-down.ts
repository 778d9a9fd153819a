/** `rays up` and `rays down`: migrate step by step, with the schema's changes shown and asked about first. */
import { InterruptedError, RaysError, UsageError } from '../errors.js'
import { Recorder, records } from '../history/recorder.js'
import { readSnapshot } from '../migrations/directory.js'
import { type BlockDiff, diffSchemas } from '../schema/schema-diff.js'
import type { Context } from './host.js'
import { type MigrateResult, migrate, type Previewed, previewed, previewNew } from './migrate.js'
import { connect, folders, openProject, withConnection } from './project.js'

export interface StepOptions {
  /** A number of migrations, a name or a unique part of one, or a timestamp. */
  readonly target?: string
  readonly preview?: boolean
  readonly autoApprove?: boolean
  /** The same as `autoApprove`, as other commands call it. */
  readonly y?: boolean
  readonly createDb?: boolean
  readonly failOnDestructive?: boolean
  readonly generate?: boolean
}

export interface StepsResult extends MigrateResult {
  readonly diff: readonly BlockDiff[]
  /** The statements of each migration, in the order in which they run. */
  readonly commands: readonly { readonly name: string; readonly statements: readonly string[] }[]
}

/** Goes up, by default to the newest migration. @throws {RaysError} */
export function up(context: Context, options: StepOptions = {}): Promise<StepsResult> {
  const { target } = options
  return walk(context, 'up', target !== undefined && /^\d{1,9}$/.test(target) ? `+${target}` : target, options)
}

/** Goes down, by default by one migration. A named migration stays applied. @throws {RaysError} */
export async function down(context: Context, options: StepOptions = {}): Promise<StepsResult> {
  const { target = '1' } = options
  if (options.target === undefined && !(await anyApplied(context))) return nothing('down')
  return walk(context, 'down', /^\d{1,9}$/.test(target) ? `-${target}` : target, options)
}

async function anyApplied(context: Context): Promise<boolean> {
  const project = await openProject(context)
  return withConnection(project, context.host, { readOnly: true }, async (connection) =>
    records((await new Recorder(connection).read()) ?? []).some((record) => record.state !== 'absent'),
  )
}

async function walk(
  context: Context,
  direction: 'up' | 'down',
  name: string | undefined,
  options: StepOptions,
): Promise<StepsResult> {
  const { host } = context
  const createDb = options.createDb === true && !options.preview
  const target = name === undefined ? {} : { name }
  const { result: planned, agreed } = await plannedFor(context, target, createDb)
  if (planned.migrations.length === 0) {
    if (createDb) await (await connect(await openProject(context), host, { createDatabase: true })).close()
    return { ...nothing(direction), target: planned.target }
  }
  if (planned.direction !== direction) {
    const other = direction === 'up' ? 'down' : 'up'
    throw new UsageError(`${options.target} lies ${other === 'down' ? 'below' : 'above'} where the database is.`, {
      code: 'E_DIRECTION',
      hint: `rays ${other} ${options.target}`,
    })
  }
  const { diff, commands } = await describe(context, planned)
  host.changes(diff)
  for (const hazard of planned.hazards) {
    if (hazard.rows !== 0) host.warn(`${hazard.migration}: ${hazard.message}`)
  }
  if (options.preview) return { ...planned, diff, commands }
  if (!options.autoApprove && !options.y) {
    const many = `${planned.migrations.length} migration${planned.migrations.length === 1 ? '' : 's'}`
    const sure = await host.confirm({
      message: `${direction === 'up' ? 'Apply' : 'Roll back'} ${many}?`,
      flag: '--auto-approve',
    })
    if (!sure) throw new InterruptedError('Not confirmed; nothing was changed.')
  }
  const run = {
    ...target,
    y: true,
    createDb,
    failOnDestructive: options.failOnDestructive === true,
    ...(options.generate !== undefined && { generate: options.generate }),
  }
  const done = await migrate(context, run, agreed)
  return { ...done, diff, commands }
}

/** What is to be done, known before anything is created: to a database that is to be created, all of it. */
async function plannedFor(context: Context, target: { readonly name?: string }, createDb: boolean): Promise<Previewed> {
  try {
    return await previewed(context, { ...target, sql: true })
  } catch (error) {
    if (!createDb || !(error instanceof RaysError) || error.code !== 'E_NO_DATABASE') throw error
    return previewNew(context, { ...target, sql: true })
  }
}

/** The schema's changes along the way, and the statements. */
async function describe(context: Context, planned: MigrateResult): Promise<Pick<StepsResult, 'diff' | 'commands'>> {
  const all = await folders(await openProject(context))
  const index = (name: string | undefined) => all.findIndex((migration) => migration.name === name)
  const first = planned.migrations[0]!.name
  const start = planned.direction === 'up' ? all[index(first) - 1] : all[index(first)]
  const end = all[index(planned.target ?? undefined)]
  const before = start && (await readSnapshot(start))
  const after = end && (await readSnapshot(end))
  // Where Prisma made the folder there is no snapshot, and so no text to compare.
  const known = (start === undefined || before) && (end === undefined || after)
  return { diff: known ? diffSchemas(before, after ?? []) : [], commands: planned.commands ?? [] }
}

function nothing(direction: 'up' | 'down'): StepsResult {
  return {
    direction,
    target: null,
    migrations: [],
    dryRun: false,
    fake: false,
    batch: null,
    singleTransaction: false,
    hazards: [],
    diff: [],
    commands: [],
  }
}
