/** `rays migrate`: brings the database to a migration, up or down. */

import type { Connection, Engine } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { shortPath } from '../config/short-path.js'
import { FailedError, InterruptedError, LockError, RaysError, UsageError } from '../errors.js'
import { AppliedSet, doneAlready } from '../history/applied-set.js'
import { resumeBehind } from '../history/around.js'
import { execute, step } from '../history/executor.js'
import { closeHook, isBehind, isForAll, isThere, recordOf, waysOn } from '../history/hook-notes.js'
import { Journal } from '../history/journal.js'
import { withLeftovers } from '../history/leftovers.js'
import { type HookNote, isHookNote } from '../history/note.js'
import { type Plan, plan, refuseFailed } from '../history/plan.js'
import { type HistoryRow, type MigrationRecord, nextBatch, Recorder, records } from '../history/recorder.js'
import type { ExecuteOptions, Progress, StepResult } from '../history/running.js'
import { absorbed, asAbsorbed, historyOf, recordAbsorbed } from '../history/squashed.js'
import { journalOf, readAtRest, unfinished } from '../history/under-way.js'
import { courseOf, sqlOfCourse } from '../migrations/course.js'
import { checksumMatches, readScript, targetOf } from '../migrations/directory.js'
import { runForeign } from '../migrations/foreign.js'
import { warnOfNearHooks } from '../migrations/hooks.js'
import { loadMigration } from '../migrations/load.js'
import type { LoadedMigration, Migration } from '../migrations/migration.js'
import { compareNames } from '../text.js'
import { refuseBranches } from './branches.js'
import { afterwards } from './files.js'
import { guardOf, hazardsOf, ownCode, refuseLosing } from './guard.js'
import type { CountedHazard } from './hazards.js'
import { callForAll, programsAround, runForAll, withFolderHooks, withFunctions } from './hooks.js'
import type { Context } from './host.js'
import { knexHistory } from './knex-history.js'
import {
  askUnlocked,
  changedWhileAsking,
  folders,
  openProject,
  type Project,
  reconnect,
  withConnection,
  withLastingLock,
  withLock,
} from './project.js'
import { type Followed, followTarget, type Generated, generateClient } from './schema-file.js'
import { type Traced, trace } from './trace.js'

export interface MigrateOptions {
  readonly name?: string
  readonly fake?: boolean
  readonly plan?: boolean
  readonly sql?: boolean
  /** With `sql`: the statements are found by running the migrations in a transaction that is rolled back. */
  readonly trace?: boolean
  readonly check?: boolean
  readonly createDb?: boolean
  readonly generate?: boolean
  readonly ignoreMissing?: boolean
  readonly allowOutOfOrder?: boolean
  readonly failOnDestructive?: boolean
  readonly y?: boolean
  readonly resume?: boolean
  readonly undo?: boolean
  readonly retryOp?: number
  readonly skipOp?: number
  /** The hook that is unfinished counts as ended; goes with `resume`, which it implies. */
  readonly skipHook?: boolean
}

export interface MigrateResult {
  readonly direction: 'up' | 'down'
  readonly target: string | null
  /** What was done, in order; for a dry run what would be done. */
  readonly migrations: readonly StepResult[]
  readonly dryRun: boolean
  readonly fake: boolean
  readonly batch: number | null
  /** All in one transaction (option singleTransaction). */
  readonly singleTransaction: boolean
  readonly sql?: string
  /** With `sql`: the statements of each migration, in the order in which they would run. */
  readonly commands?: readonly { readonly name: string; readonly statements: readonly string[] }[]
  readonly schemaFile?: Followed
  readonly generated?: Generated
  readonly hazards: readonly CountedHazard[]
}

/** A hook that counts as ended in the run that goes on. */
interface Skipped {
  readonly migration: string
  readonly hook: string
}

/** What was shown, or worked out, before the lock was taken. */
export interface Agreed {
  readonly direction: 'up' | 'down'
  /** In the order in which they run. */
  readonly names: readonly string[]
  /** The applied set that it was made from. */
  readonly base: AppliedSet
  /** What another run has done of it is not what was agreed to. */
  readonly whole?: boolean
}

/**
 * @param agreed what of it another run has done meanwhile is not done again; where the database or the folders have become
 * others than it was made from, nothing is run
 * @throws {RaysError} see docs/troubleshooting.md
 */
export function migrate(context: Context, options: MigrateOptions = {}, agreed?: Agreed): Promise<MigrateResult> {
  return migrateOn(context, options, agreed)
}

async function migrateOn(
  context: Context,
  options: MigrateOptions,
  agreed?: Agreed,
  skipped?: Skipped,
): Promise<MigrateResult> {
  checkOptions(options)
  const project = await openProject(context)
  const dry = options.plan || options.sql || options.check
  if (dry) return (await previewed(context, options)).result
  if (options.resume || options.undo || options.skipHook) return resume(project, context, options)
  const result = await withConnection(
    project,
    context.host,
    { createDatabase: options.createDb === true },
    async (connection) => {
      const meant = agreed ?? (await meantBy(project, connection, options))
      return withLock(project.config, context.host, connection, () =>
        run(project, context, connection, options, meant, skipped),
      )
    },
  )
  return finish(project, context, options, result)
}

/** One of several runs under one lock. */
export interface Turn {
  readonly options: MigrateOptions
  readonly agreed: Agreed
  /** What its error means where the runs before it are done. */
  readonly failed?: (error: unknown) => unknown
}

/**
 * Several of them, one after the other, while no other run comes in between.
 * @throws {RaysError} of the first that fails; those before it are done
 */
export async function migrateInTurn(context: Context, turns: readonly Turn[]): Promise<MigrateResult[]> {
  const project = await openProject(context)
  const { host, config } = context
  const ran: Ran[] = []
  const work = async (connection: Connection) => {
    for (const { options, agreed, failed } of turns)
      ran.push(
        await run(project, context, connection, options, agreed).catch((error: unknown) => {
          throw failed ? failed(error) : error
        }),
      )
  }
  // Where somebody may be asked nobody is to wait for the answer.
  const lock = turns.every(({ options }) => options.y) ? withLastingLock : withLock
  const failed = await withConnection(project, host, {}, (connection) =>
    lock(config, host, connection, () => work(connection)),
  ).then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  const results: MigrateResult[] = []
  for (const [k, each] of ran.entries()) results.push(await finish(project, context, turns[k]!.options, each))
  if (failed) throw failed.error
  return results
}

export interface Previewed {
  readonly result: MigrateResult
  /** What {@link migrate} is given to do this and nothing else. */
  readonly agreed: Agreed
  /** What the history said. */
  readonly known: readonly MigrationRecord[]
}

/** What would be done, with nothing changed. @throws {RaysError} */
export async function previewed(context: Context, options: MigrateOptions): Promise<Previewed> {
  const project = await openProject(context)
  try {
    return await withConnection(project, context.host, { readOnly: options.trace !== true }, (connection) =>
      options.trace
        ? withLock(context.config, context.host, connection, () => preview(project, context, connection, options))
        : preview(project, context, connection, options),
    )
  } catch (error) {
    if (!(error instanceof FailedError) || error.code !== 'E_NO_DATABASE') throw error
    throw new FailedError(error.message, {
      cause: error,
      code: error.code,
      hint: 'Nothing is created to look at it: rays migrate --create-db creates it and applies all migrations. Or correct the database URL.',
    })
  }
}

/**
 * A number of steps is counted from where the database is when the command is given: whoever waits for another run that goes
 * one step down does not go a second one. Undefined for every other target, and where it cannot be told.
 */
async function meantBy(project: Project, connection: Connection, options: MigrateOptions): Promise<Agreed | undefined> {
  if (!isRelative(options.name)) return undefined
  const all = await folders(project)
  try {
    const known = asBegun(await historyOf(connection, all))
    return agreedOf(plan(all, known, await planOptions(options, connection)), AppliedSet.of(known))
  } catch (error) {
    // It is told once the lock is held, if it still holds then.
    if (error instanceof RaysError) return undefined
    throw error
  }
}

function isRelative(name: string | undefined): boolean {
  return /^[+-]\d+$/.test(name ?? '')
}

/** Where nothing rolls back, what is under way shows in its row: it counts as it did before it was begun. */
function asBegun(known: readonly MigrationRecord[]): MigrationRecord[] {
  return known.map((record) => {
    const { dir } = record.note ?? {}
    if (record.state !== 'failed' || dir === undefined) return record
    return { ...record, state: dir === 'down' ? ('applied' as const) : ('absent' as const) }
  })
}

function checkOptions(options: MigrateOptions): void {
  const modes = (['fake', 'plan', 'sql', 'check', 'resume', 'undo'] as const).filter((mode) => options[mode])
  if (modes.length > 1 && !modes.every((mode) => mode === 'plan' || mode === 'check')) {
    throw new UsageError(`--${modes[0]} and --${modes[1]} exclude each other.`)
  }
  if (options.trace && !options.sql)
    throw new UsageError('--trace goes with --sql.', { hint: 'rays migrate --sql --trace' })
  const decides = options.retryOp !== undefined || options.skipOp !== undefined
  if (options.skipHook && (decides || modes.some((mode) => mode !== 'resume'))) {
    const other = decides ? '--retry-op and --skip-op' : `--${modes.find((mode) => mode !== 'resume')}`
    throw new UsageError(`--skip-hook and ${other} exclude each other.`, { hint: 'rays migrate --skip-hook' })
  }
  if (decides && !options.resume && !options.undo) {
    throw new UsageError('--retry-op and --skip-op go with --resume or --undo.', {
      hint: 'rays migrate --resume --skip-op 3',
    })
  }
  if (options.retryOp !== undefined && options.skipOp !== undefined) {
    throw new UsageError('--retry-op says that the operation was not done, --skip-op that it was: give one of them.')
  }
}

interface Ran {
  readonly all: readonly Migration[]
  readonly plan: Plan
  readonly steps: readonly StepResult[]
  readonly batch: number
  readonly hazards: readonly CountedHazard[]
}

/** Reads, plans, loads everything, and only then runs. The lock is held. */
async function run(
  project: Project,
  { host, config }: Context,
  connection: Connection,
  options: MigrateOptions,
  agreed: Agreed | undefined,
  skipped?: Skipped,
): Promise<Ran> {
  const recorder = new Recorder(connection)
  const all = await folders(project)
  const rows = await readSettled(connection, recorder)
  const read = records(rows ?? [])
  const squashed = absorbed(all, read)
  await recordAbsorbed(connection, squashed)
  for (const { migration, replaced } of squashed)
    host.note(`Recorded ${migration.name} as applied in place of the ${replaced.length} migrations that it stands for.`)
  let known = await withLeftovers(connection, await asAbsorbed(read, squashed))
  const base = AppliedSet.of(known)
  const planned = agreed
    ? await planAgain(all, known, options, agreed, { host, connection })
    : plan(all, known, await planOptions(options, connection))
  for (const warning of planned.warnings) host.warn(warning)
  warnOfNearHooks(planned.migrations, host.warn)
  await warnOfEdits(all, known, host.warn)
  const batch = nextBatch(known)
  if (planned.migrations.length === 0) return { all, plan: planned, steps: [], batch, hazards: [] }
  // What was made from an older snapshot may take back what others made since (a table that is built anew).
  if (planned.direction === 'up' && !options.fake && !options.allowOutOfOrder)
    await refuseBranches(project, all, planned.migrations)
  let loaded =
    options.fake && planned.direction === 'down'
      ? planned.migrations.map(recordOnly)
      : await loadAll(planned.migrations, connection, options.fake === true)
  if (!options.fake) {
    refuseUnlocked(project, config, loaded)
    noteAlone(loaded, host)
    if (config.singleTransaction) refuseApart(project, config, loaded)
  }
  const hazards = options.fake ? [] : await hazardsOf(project, connection, planned, loaded)
  const asked = await consent(hazards, planned, options, { host, config }, connection)
  if (asked) {
    // The lock was free meanwhile.
    known = await historyOf(connection, await folders(project))
    const left = await planAgain(await folders(project), known, options, agreedOf(planned, base), {
      host,
      connection,
    })
    loaded = loaded.slice(loaded.length - left.migrations.length)
    if (loaded.length === 0) return { all, plan: left, steps: [], batch, hazards }
  }
  if (rows === undefined) await createHistory(connection, recorder)
  const { direction } = planned
  const forAll = (name: 'beforeAll' | 'afterAll', at: Connection) =>
    options.fake || name === skipped?.hook
      ? undefined
      : runForAll(name, { host, config }, at, { direction, migrations: loaded, batch })
  const around = options.fake ? undefined : programsAround({ host, config }, direction, skipped)
  let session = connection
  const own = ownCode(loaded, direction)
  const consented = asked ? hazards : []
  const guard = guardOf(project, { host, config }, options, {
    session: () => session,
    direction,
    own,
    agreed: consented,
  })
  // A program that fails after a migration takes it back.
  const removes = planned.direction === 'down' || around !== undefined
  const other = removes ? await knexHistory({ host, config }, connection) : undefined
  await forAll('beforeAll', connection)
  const steps = await execute({
    connection,
    direction: planned.direction,
    migrations: options.fake ? loaded : loaded.map((migration) => withFunctions(migration, config.hooks)),
    records: known,
    fake: options.fake === true,
    whole: agreed?.whole === true,
    singleTransaction: config.singleTransaction,
    batch,
    other,
    operationTimeoutMs: config.operationTimeoutMs,
    secrets: secretsOf(config),
    signal: host.signal,
    onProgress: host.progress,
    around,
    guard,
    reconnect: async () => {
      session = await reconnect(project, host, session)
      return session
    },
  })
    .then(async (done) => {
      await forAll('afterAll', session)
      return done
    })
    .catch((error: unknown) => {
      throw withTarget(error, planned, options.name)
    })
    .finally(() => (session === connection ? undefined : session.close().catch(() => undefined)))
  return { all, plan: planned, steps, batch, hazards }
}

/** Where a number of migrations was asked for and some of them were done, the same command again would do others. */
function withTarget(error: unknown, { target }: Plan, name = ''): unknown {
  if (!(error instanceof LockError) || !/^[+-]\d+$/.test(name)) return error
  const { message, hint, cause, where, data } = error
  if (!Array.isArray(data?.done) || data.done.length === 0) return error
  const rest = `What is left of it: rays migrate --name ${target?.name ?? 'zero'}.`
  return new LockError(message, { cause, where, data, hint: [hint, rest].filter(Boolean).join(' ') })
}

/**
 * The history. Where each transaction takes the lock anew another run may just have begun a migration that has none: what is
 * unfinished is read again once nobody can be at it.
 */
async function readSettled(connection: Connection, recorder: Recorder): Promise<HistoryRow[] | undefined> {
  const rows = await recorder.read()
  if (!connection.holdLock || unfinished(records(rows ?? [])) === undefined) return rows
  return connection.transaction({}, () => recorder.read())
}

/** In a transaction where that has the lock: of two that make the same table at once one would fail. */
async function createHistory(connection: Connection, recorder: Recorder): Promise<void> {
  if (!connection.lockPerTransaction) return recorder.create()
  await connection.transaction({}, () => recorder.create())
}

function namesOf(loaded: readonly LoadedMigration[], chosen: (migration: LoadedMigration) => boolean): string[] {
  return loaded.filter(chosen).map(({ migration }) => migration.name)
}

function isPooled(project: Project, { lock, databaseUrl }: Context['config']): boolean {
  return lock === 'transaction' || (databaseUrl !== undefined && project.engine.pooled(databaseUrl))
}

/** Whether a run can hold the lock between its transactions, so that what is unfinished has nobody at it. */
function locksBetween({ lockPerTransaction, holdLock }: Connection): boolean {
  return !lockPerTransaction || holdLock !== undefined
}

/** Behind a transaction pooler nothing can be locked outside of a transaction. */
function refuseUnlocked(project: Project, config: Context['config'], loaded: readonly LoadedMigration[]): void {
  const outside = namesOf(loaded, ({ transaction }) => !transaction)
  if (!isPooled(project, config) || !project.engine.needsServer || outside.length === 0) return
  throw new UsageError(
    `${outside.join(', ')}: transaction = false needs a session of its own for the lock, and a transaction pooler (pgbouncer=true) gives none. Nothing was run.`,
    { code: 'E_POOLER', hint: 'Run this command with a URL that leads to the server directly.' },
  )
}

/** What a script of Prisma's needs that no transaction can hold all of it. */
function noteAlone(loaded: readonly LoadedMigration[], host: Context['host']): void {
  const alone = namesOf(loaded, ({ transaction, migration }) => !transaction && migration.codeFile === undefined)
  if (alone.length === 0) return
  host.note(
    `Outside of a transaction, as Prisma runs it, for it holds what none can: ${alone.join(', ')}. What is done of it stays where it fails.`,
  )
}

/** Each migration in a transaction of its own, whatever the configuration says. */
export function apart({ config, ...context }: Context): Context {
  return { ...context, config: { ...config, singleTransaction: false } }
}

/** What cannot be in one transaction with others, before anything is run. @throws {UsageError} */
function refuseApart(project: Project, config: Context['config'], loaded: readonly LoadedMigration[]): void {
  const { engine } = project
  const refuse = (message: string) => {
    throw new UsageError(`singleTransaction: ${message} Nothing was run.`, {
      code: 'E_SINGLE_TRANSACTION',
      hint: 'rays migrate --no-single-transaction gives each migration its own; with --name <migration> only as far as wanted.',
    })
  }
  if (!engine.transactionalDdl)
    refuse(
      'MySQL and MariaDB end the transaction at every statement that changes the schema, so there is no single one.',
    )
  if (isPooled(project, config))
    refuse('behind a transaction pooler the settings of one migration would reach the next.')
  const outside = namesOf(loaded, ({ transaction }) => !transaction)
  if (outside.length > 0) refuse(`${outside.join(', ')} cannot run in a transaction (transaction = false).`)
  const around = namesOf(loaded, ({ programs = [] }) => programs.length > 0)
  if (around.length > 0)
    refuse(
      `the programs in the folder of ${around.join(', ')} run outside of the transaction, and would see nothing of it.`,
    )
}

export async function planOptions(options: MigrateOptions, connection?: Connection, target = options.name) {
  return {
    lockedBetween: connection === undefined || locksBetween(connection),
    ...(await targetOf(target)),
    ignoreMissing: options.ignoreMissing === true,
    allowOutOfOrder: options.allowOutOfOrder === true,
    fake: options.fake === true,
  }
}

/** Removing a record needs no file of the migration. */
function recordOnly(migration: Migration): LoadedMigration {
  return {
    migration,
    operations: [],
    transaction: true,
    foreignKeysOff: false,
    checksum: '',
    codeHash: undefined,
  }
}

/** Every planned migration is loaded and checked before the first statement runs. */
export async function loadAll(
  migrations: readonly Migration[],
  connection: Pick<Connection, 'engine' | 'keepAlive' | 'script' | 'syntax'>,
  fake: boolean,
): Promise<LoadedMigration[]> {
  const loaded: LoadedMigration[] = []
  // An idle session must not hide that the code of a migration waits for something that never comes.
  connection.keepAlive?.(false)
  try {
    for (const migration of migrations) {
      // A fake run needs the checksum only: code that no longer loads must not stop the repair of a history.
      const source = fake ? { ...migration, codeFile: undefined } : migration
      const ready = {
        ...(await loadMigration(source, {
          runScript: (script) => runForeign(connection, script),
          ...(connection.engine.transactionalDdl && { inTransaction: connection.syntax }),
          syntax: connection.syntax,
        })),
        migration,
      }
      loaded.push(fake ? ready : withFolderHooks(ready, connection))
    }
  } finally {
    connection.keepAlive?.(true)
  }
  return loaded
}

async function warnOfEdits(
  all: readonly Migration[],
  known: readonly MigrationRecord[],
  warn: (message: string) => void,
): Promise<void> {
  const byName = new Map(all.map((migration) => [migration.name, migration]))
  for (const record of known) {
    const migration = byName.get(record.name)
    if (record.state !== 'applied' || migration?.sqlFile === undefined) continue
    if (!checksumMatches(record.row.checksum, await readScript(migration))) {
      warn(`${record.name}: migration.sql was edited after it was applied.`)
    }
  }
}

/** @throws {FailedError} what going up again would be refused with by `--fail-on-destructive`, before anything is undone */
export async function refuseLosses(context: Context, names: readonly string[]): Promise<void> {
  const project = await openProject(context)
  const migrations = (await folders(project)).filter(({ name }) => names.includes(name))
  const hazards = await withConnection(project, context.host, { readOnly: true }, async (connection) =>
    hazardsOf(project, connection, { direction: 'up' }, await loadAll(migrations, connection, false)),
  )
  refuseLosing(hazards.filter((hazard) => hazard.destructive && hazard.rows !== 0))
}

/** What somebody agreed to in a plan, or in the preview of one. @param base the applied set that it was made from */
function agreedOf({ direction, migrations }: Pick<Plan, 'direction' | 'migrations'>, base: AppliedSet): Agreed {
  return { direction, names: migrations.map(({ name }) => name), base }
}

/**
 * The plan that was agreed to, without what another run has done of it meanwhile.
 * @throws {LockError} (4) where another run went another way; {@link DecisionError} where the folders are others
 */
async function planAgain(
  all: readonly Migration[],
  known: readonly MigrationRecord[],
  options: MigrateOptions,
  { direction, names, base, whole }: Agreed,
  { host, connection }: { readonly host: Context['host']; readonly connection: Connection },
): Promise<Plan> {
  if (!options.fake) refuseFailed(known, locksBetween(connection))
  const passed = base.doneElsewhere(AppliedSet.of(known), direction, names)
  if (whole && passed > 0) throw doneAlready(direction, names.slice(0, passed))
  const target = isRelative(options.name) ? endOf(all, direction, names, base) : options.name
  const planned = plan(all, known, await planOptions(options, connection, target))
  const left = names.slice(passed)
  const same = left.join('\n') === planned.migrations.map(({ name }) => name).join('\n')
  if (!same || (left.length > 0 && planned.direction !== direction)) throw changedWhileAsking()
  for (const name of names.slice(0, passed)) host.progress({ kind: 'elsewhere', name, direction })
  return planned
}

/** Where a number of steps ends. */
function endOf(
  all: readonly Migration[],
  direction: 'up' | 'down',
  names: readonly string[],
  base: AppliedSet,
): string {
  if (direction === 'up' && names.length > 0) return names.at(-1)!
  const stays = new Set(base.after(direction, names).names)
  return all.findLast(({ name }) => stays.has(name))?.name ?? 'zero'
}

/** Going up warns; going down asks where rows would be lost. Returns whether somebody was asked. */
async function consent(
  hazards: readonly CountedHazard[],
  planned: Plan,
  options: MigrateOptions,
  { host, config }: Context,
  connection: Connection,
): Promise<boolean> {
  const losing = hazards.filter((hazard) => hazard.destructive && hazard.rows !== 0)
  if (losing.length === 0) return false
  if (options.failOnDestructive) refuseLosing(losing)
  for (const hazard of losing) host.warn(`${hazard.migration}: ${hazard.message}`)
  const asks = planned.direction === 'down' || config.environment === 'production'
  if (!asks || options.y) return false
  const where = config.environment === undefined ? '' : ` in ${config.environment}`
  const message = `Going ${planned.direction} loses this data${where}. Go on?`
  const yes = await askUnlocked(config, host, connection, () => host.confirm({ message, flag: '--y' }))
  if (!yes) throw new InterruptedError('Not confirmed; nothing was changed.')
  return true
}

/** The passwords of the databases that are used. */
function secretsOf({ databaseUrl, shadowDatabaseUrl }: Context['config']): string[] {
  return [databaseUrl, shadowDatabaseUrl].flatMap((url) => url?.secrets ?? [])
}

async function finish(
  project: Project,
  { config, host }: Context,
  options: MigrateOptions,
  ran: Ran,
): Promise<MigrateResult> {
  const fake = options.fake === true
  const base = {
    direction: ran.plan.direction,
    target: ran.plan.target?.name ?? null,
    migrations: ran.steps,
    dryRun: false,
    fake,
    batch: ran.steps.length > 0 && ran.plan.direction === 'up' && !fake ? ran.batch : null,
    singleTransaction: config.singleTransaction && !fake,
    hazards: ran.hazards,
  }
  if (fake) return base
  const { target } = ran.plan
  const followed = await afterwards(
    host,
    {
      what: `the schema file ${shortPath(config, config.schemaPath)} could not be written`,
      instead: `Make it writable, then rays migrate --name ${target?.name}: that writes it and runs nothing more.`,
    },
    () => followTarget(config, ran.all, target),
  )
  const failed = 'failed' in followed
  const schemaFile: Followed = failed
    ? { state: 'left', reason: `it could not be written: ${followed.failed}` }
    : followed
  if (
    !failed &&
    schemaFile.state === 'left' &&
    ran.steps.length > 0 &&
    target !== undefined &&
    !schemaFile.reason.includes('no snapshot')
  ) {
    host.warn(`The schema file was left as it is: ${schemaFile.reason}.`)
  }
  const wanted =
    (options.generate ?? project.config.generate) && (ran.steps.length > 0 || schemaFile.state === 'replaced')
  const generated = await generateClient(config, host, wanted)
  return { ...base, schemaFile, generated }
}

/** What `migrate` would do to a database that does not exist yet. Nothing is created. @throws {RaysError} */
export async function previewNew(context: Context, options: MigrateOptions): Promise<Previewed> {
  return preview(await openProject(context), context, undefined, options)
}

/** @param connection undefined where there is no database yet: nothing is applied there, and no rows are lost */
async function preview(
  project: Project,
  context: Context,
  connection: Connection | undefined,
  options: MigrateOptions,
): Promise<Previewed> {
  const { host, config } = context
  const all = await folders(project)
  const read = async (from: Connection) => withLeftovers(from, await historyOf(from, all))
  const known = connection ? await readAtRest(connection, () => read(connection)) : []
  const planned = plan(all, known, await planOptions(options, connection))
  for (const warning of planned.warnings) host.warn(warning)
  warnOfNearHooks(planned.migrations, host.warn)
  const reader = connection ?? readerOf(project.engine)
  const loaded = await loadAll(planned.migrations, reader, false)
  noteAlone(loaded, host)
  if (config.singleTransaction && !options.check && loaded.length > 0) refuseApart(project, config, loaded)
  const hazards = connection ? await hazardsOf(project, connection, planned, loaded) : []
  const traced = options.trace && connection ? await trace(context, connection, loaded, planned.direction) : undefined
  const sql = options.sql ? await sqlOf(loaded, planned.direction, traced) : undefined
  const commands = sql?.map(({ name, script }) => ({
    name,
    statements: splitStatements(script, reader.syntax).map((statement) => statement.text),
  }))
  const own = options.plan ? ownCode(loaded, planned.direction) : []
  if (own.length > 0) host.note(`Code of its own, which was not looked at: ${own.join('; ')}.`)
  const result = {
    direction: planned.direction,
    target: planned.target?.name ?? null,
    migrations: loaded.map((m) => ({
      name: m.migration.name,
      direction: planned.direction,
      operations: m.operations.length,
      milliseconds: 0,
    })),
    dryRun: true,
    fake: false,
    batch: null,
    singleTransaction: config.singleTransaction,
    hazards,
    ...(sql && { sql: sql.map(({ text }) => text).join('\n') }),
    ...(commands && { commands }),
  }
  return { result, agreed: agreedOf(planned, AppliedSet.of(known)), known }
}

/** What loads migrations where there is nothing that they could run on. */
function readerOf(engine: Engine): Pick<Connection, 'engine' | 'script' | 'syntax'> {
  const script = () => Promise.reject(new Error('There is no database yet'))
  return { engine, syntax: engine.syntax, script }
}

async function sqlOf(loaded: readonly LoadedMigration[], direction: 'up' | 'down', traced?: readonly Traced[]) {
  const parts: { name: string; script: string; text: string }[] = []
  for (const migration of loaded) {
    const { name } = migration.migration
    const own = traced?.find((each) => each.name === name)
    const script = own ? sqlOfTraced(own) : await sqlOfWay(migration, direction)
    parts.push({ name, script, text: `-- ${name} (${direction})\n${script}` })
  }
  return parts
}

/** What was sent when it was traced. */
export function sqlOfTraced({ name, statements }: Traced): string {
  return sqlOfCourse([{ operation: 0, name, statements }])
}

/** The SQL of one way, to be read: what rays wrote is known from its source, code of somebody's own is shown as it is. */
export async function sqlOfWay(loaded: LoadedMigration, direction: 'up' | 'down'): Promise<string> {
  if (loaded.migration.codeFile !== undefined) return sqlOfCourse(courseOf(loaded.operations, direction))
  return direction === 'up' ? await readScript(loaded.migration) : '-- There is no down.\n'
}

interface Resumed {
  readonly state: 'applied' | 'unapplied'
  /** How the run goes on that was stopped; undefined where a person says what comes next. */
  readonly rest?: () => Promise<MigrateResult>
}

/** `--resume`, `--undo` and `--skip-hook`: a migration, or a hook around one, that was left unfinished. */
async function resume(project: Project, context: Context, options: MigrateOptions): Promise<MigrateResult> {
  const { host, config } = context
  const done: StepResult[] = []
  const started = performance.now()
  const outcome = await withConnection(project, host, {}, (connection) =>
    withLastingLock(config, host, connection, async () => {
      const known = records((await new Recorder(connection).read()) ?? [])
      const record = unfinished(known)
      if (!record) {
        throw new UsageError('No migration was left unfinished by rays.', {
          code: 'E_NOTHING_UNFINISHED',
          hint: 'rays status shows where things stand.',
        })
      }
      journalOf(record)
      const all = await folders(project)
      const migration = all.find((candidate) => candidate.name === record.name)
      if (!migration)
        throw new UsageError(`${record.name} is unfinished, and its folder is not here.`, {
          hint: 'Get the folder (git pull).',
        })
      const [written] = await loadAll([migration], connection, false)
      const loaded = withFunctions(written!, config.hooks)
      refuseUnlocked(project, config, [loaded])
      const resumed = await new Resumption(project, context, connection, known, options).run(record, loaded)
      // Ahead of a migration nothing of it was done.
      if (resumed.moved) {
        const direction = resumed.state === 'applied' ? ('up' as const) : ('down' as const)
        const milliseconds = performance.now() - started
        done.push({ name: record.name, direction, operations: loaded.operations.length, milliseconds })
        host.progress({ kind: 'done', name: record.name, direction, milliseconds })
      }
      return resumed
    }),
  )
  if (outcome.rest && !options.undo) {
    const rest = await outcome.rest()
    return { ...rest, migrations: [...done, ...rest.migrations] }
  }
  return {
    direction: outcome.state === 'applied' ? 'up' : 'down',
    target: null,
    migrations: done,
    dryRun: false,
    fake: false,
    batch: null,
    singleTransaction: false,
    hazards: [],
  }
}

/** Goes on with what was left unfinished, or back from it, with the lock held. */
class Resumption {
  #session: Connection

  constructor(
    readonly project: Project,
    readonly context: Context,
    readonly connection: Connection,
    readonly known: readonly MigrationRecord[],
    readonly options: MigrateOptions,
  ) {
    this.#session = connection
  }

  async run(record: MigrationRecord, loaded: LoadedMigration): Promise<Resumed & { readonly moved: boolean }> {
    const { note } = record
    try {
      if (!isHookNote(note)) return { ...(await this.#operations(record, loaded)), moved: true }
      if (this.options.retryOp !== undefined || this.options.skipOp !== undefined) {
        throw new UsageError(`Not an operation of ${record.name} is unfinished, but ${note.hook}.`, {
          hint: waysOn(note),
        })
      }
      return { ...(await this.#hook(record, note, loaded)), moved: isBehind(note) && !isForAll(note.hook) }
    } finally {
      if (this.#session !== this.connection) await this.#session.close().catch(() => undefined)
    }
  }

  /** What of the unfinished migration itself has to be done, and the program behind it. */
  async #operations(record: MigrationRecord, loaded: LoadedMigration): Promise<Resumed> {
    const { resume: on, retryOp, skipOp, skipHook } = this.options
    if (skipHook) {
      throw new UsageError(`No hook is unfinished, but ${record.name} itself.`, {
        hint: 'rays migrate --resume goes on, rays migrate --undo goes back.',
      })
    }
    const mode = on ? ('resume' as const) : ('undo' as const)
    const options = await this.#executing(record)
    const hook = on ? options.around?.hookOf(loaded, 'behind') : undefined
    const state = await new Journal({ ...options, hook }, loaded).resume(record, {
      mode,
      ...(retryOp !== undefined && { retry: retryOp }),
      ...(skipOp !== undefined && { skip: skipOp }),
    })
    const left = hook === undefined ? undefined : await recordOf(new Recorder(this.#session), record.name)
    if (left && isHookNote(left.note)) {
      const open = { record: left, note: left.note, skip: false, undo: false }
      await resumeBehind({ ...options, connection: this.#session }, loaded, open, step)
    }
    return { state, ...(state === 'applied' && { rest: () => this.#rest(apart(this.context)) }) }
  }

  /** A hook that runs outside of the migration's transaction. */
  async #hook(record: MigrationRecord, note: HookNote, loaded: LoadedMigration): Promise<Resumed> {
    const { undo = false, skipHook = false } = this.options
    if (undo && note.hook === 'afterAll') {
      throw new UsageError('afterAll is about a whole run, and the migrations of it are done.', { hint: waysOn(note) })
    }
    const up = note.dir === 'up'
    if (isBehind(note) && !isForAll(note.hook)) {
      const open = { record, note, skip: skipHook, undo }
      const state = await resumeBehind(await this.#executing(record), loaded, open, step)
      return { state, ...(up && { rest: () => this.#rest(apart(this.context)) }) }
    }
    const state = isThere(note) ? ('applied' as const) : ('unapplied' as const)
    if (isBehind(note)) {
      if (!skipHook) await callForAll(this.context, this.connection, note)
      await closeHook(new Recorder(this.connection), record, note)
      return { state, ...(up && { rest: () => this.#rest(apart(this.context)) }) }
    }
    // It runs again with all that comes after it.
    await closeHook(new Recorder(this.connection), record, note)
    const skipped = skipHook ? { migration: record.name, hook: note.hook } : undefined
    const names = note.run ?? [record.name]
    return { state, rest: () => (up ? this.#rest(this.context, skipped) : this.#restDown(names, skipped)) }
  }

  /** What is pending, each in its own transaction, as this one was. */
  #rest(context: Context, skipped?: Skipped): Promise<MigrateResult> {
    const { resume: _, undo: __, retryOp: ___, skipOp: ____, skipHook: _____, ...options } = this.options
    return migrateOn(context, options, undefined, skipped)
  }

  /** The migrations that were to be undone, to which somebody consented when the run began. */
  #restDown(names: readonly string[], skipped?: Skipped): Promise<MigrateResult> {
    const applied = this.known.filter(({ name, state }) => state === 'applied' && !names.includes(name))
    const name = applied.findLast((each) => names.every((own) => compareNames(each.name, own) < 0))?.name ?? 'zero'
    const options = { name, y: true, ...(this.options.generate !== undefined && { generate: this.options.generate }) }
    // They are applied, the one with the hook as well.
    const base = AppliedSet.of(this.known).after('up', names)
    return migrateOn(this.context, options, { direction: 'down', names, base }, skipped)
  }

  async #executing(record: MigrationRecord): Promise<ExecuteOptions> {
    const { project, context, connection, known } = this
    const { host, config } = context
    const { dir, batch = nextBatch(known) } = journalOf(record)
    const direction = dir === 'up' ? ('up' as const) : ('down' as const)
    return {
      connection,
      direction,
      migrations: [],
      fake: false,
      records: known,
      batch,
      other: await knexHistory(context, connection),
      operationTimeoutMs: config.operationTimeoutMs,
      secrets: secretsOf(config),
      signal: host.signal,
      onProgress: (progress: Progress) => host.progress(progress),
      around: programsAround(context, direction),
      guard: this.options.failOnDestructive
        ? guardOf(project, context, this.options, { session: () => this.#session, direction, own: [], agreed: [] })
        : undefined,
      reconnect: async () => {
        this.#session = await reconnect(project, host, this.#session)
        return this.#session
      },
    }
  }
}
