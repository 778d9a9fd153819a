/**
 * Prisma's JSON-RPC where rays has a planner of its own (MySQL): the same questions, answered by the planner, the
 * introspection and the recorder. What each method takes and returns is read off Prisma's own engine.
 */
import type { Connection, Engine, Shadow } from '../../engines/engine.js'
import type { DiffOptions, SchemaDiff, SchemaEngine, SchemaState } from '../../engines/schema-engine.js'
import { redact } from '../../engines/url.js'
import { countHazards } from '../commands/hazards.js'
import { type HistoryRow, Recorder } from '../history/recorder.js'
import { checksum, checksumMatches, EMPTY_SCRIPT, nextTimestamp } from '../migrations/directory.js'
import { findHazards, type HazardKind } from '../migrations/hazards.js'
import type { SchemaFile } from '../schema/schema-engine.js'
import { PrismaError, prismaError, type Target } from './database.js'

type Params = Record<string, unknown>

export interface PlannerContext {
  readonly engine: Engine
  readonly planner: SchemaEngine
  /** The session with the main database, opened when first needed. */
  live(): Promise<{ readonly connection: Connection; readonly target: Target }>
  /** An empty database, dropped when the call has ended. */
  shadow(): Promise<Shadow>
  /** The schema that the engine was started with. */
  schema(): Promise<readonly SchemaFile[]>
}

/** Prisma: MigrationDirectory and MigrationList of schema-engine's json-rpc-api. */
interface MigrationList {
  readonly lockfile: { readonly content: string | null }
  readonly migrationDirectories: readonly {
    readonly path: string
    readonly migrationFile: {
      readonly path: string
      readonly content: { readonly tag: string; readonly value: string }
    }
  }[]
  readonly shadowDbInitScript?: string
}

interface Script {
  readonly name: string
  readonly read: () => string
}

/** Prisma: ADVISORY_LOCK_TIMEOUT. */
const LOCK_TIMEOUT_MS = 10_000
/** Prisma: user-facing-errors, migration names of at most this many bytes. */
const NAME_LIMIT = 200

type Method = (context: PlannerContext, params: Params) => Promise<unknown>

/** @throws {PrismaError} */
export async function answerByPlanner(context: PlannerContext, method: string, params: Params): Promise<unknown> {
  const answer = METHODS[method]
  if (!answer) throw new PrismaError(undefined, `rays does not answer "${method}" for ${context.engine.provider}.`)
  return answer(context, params)
}

const METHODS: Readonly<Record<string, Method>> = {
  applyMigrations,
  createMigration,
  devDiagnostic,
  diagnoseMigrationHistory: async (context, params) => {
    const {
      drift,
      errorInUnapplied: _,
      ...told
    } = await diagnose(context, params, params.optInToShadowDatabase === true)
    return { ...told, ...(drift !== undefined && { drift: { diagnostic: 'driftDetected', summary: drift } }) }
  },
  diff,
  dbExecute: async (context, params) => {
    const { connection } = await context.live()
    await connection.script(String(params.script))
    return null
  },
  ensureConnectionValidity: async (context) => {
    await context.live()
    return {}
  },
  evaluateDataLoss: async (context, params) => {
    const { connection } = await context.live()
    const change = await fromMigrations(context, listOf(params), schemaOf(params), optionsOf(params))
    return { migrationSteps: stepsOf(change), ...(await lossOf(connection, change)) }
  },
  getDatabaseVersion: async (context) => (await context.live()).connection.version,
  introspect: async (context, params) => {
    const { connection } = await context.live()
    // Prisma: P4001, after which the command says what to do.
    if ((await connection.tables()).length === 0) throw new PrismaError('P4001', 'The introspected database was empty.')
    const files = await context.planner.introspect(connection, schemaOf(params))
    return { schema: { files }, views: null, warnings: null }
  },
  markMigrationApplied,
  markMigrationRolledBack,
  reset: async (context, params) => {
    const { externalTables, externalEnums } = optionsOf({ filters: params.filter })
    if ((externalTables?.length ?? 0) + (externalEnums?.length ?? 0) > 0)
      throw new PrismaError(undefined, 'rays empties a database wholly or not at all: it has external tables or enums.')
    const { connection } = await context.live()
    await connection.reset()
    return null
  },
  schemaPush,
}

function listOf(params: Params): MigrationList {
  return params.migrationsList as MigrationList
}

function schemaOf(params: Params): readonly SchemaFile[] {
  return (params.schema as { files: SchemaFile[] }).files
}

function optionsOf({ filters }: Params): DiffOptions {
  const { externalTables = [], externalEnums = [] } = (filters ?? {}) as DiffOptions
  return { externalTables, externalEnums }
}

function scriptsOf(list: MigrationList): Script[] {
  return list.migrationDirectories.map(({ path, migrationFile }) => ({
    name: path,
    read: () => {
      if (migrationFile.content.tag === 'ok') return migrationFile.content.value
      throw new PrismaError(
        'P3015',
        `Could not find the migration file at ${path}/${migrationFile.path}. Delete the directory or restore the file.`,
      )
    },
  }))
}

function checkLockfile({ engine }: PlannerContext, { lockfile }: MigrationList): void {
  const line = lockfile.content?.split(/\r?\n/).find((candidate) => candidate.startsWith('provider'))
  if (!lockfile.content) return
  const locked = /^provider\s*=\s*"?([a-z]+)"?\s*$/.exec(line ?? '')?.[1]
  if (locked === engine.provider) return
  throw new PrismaError(
    'P3019',
    `The datasource provider \`${engine.provider}\` is not the one of migration_lock.toml, \`${locked ?? ''}\`.`,
  )
}

const isOpen = (row: HistoryRow) => row.finishedAt === null && row.rolledBackAt === null
const counts = (row: HistoryRow) => row.rolledBackAt === null

async function applyMigrations(context: PlannerContext, params: Params): Promise<unknown> {
  const list = listOf(params)
  checkLockfile(context, list)
  const { connection, target } = await context.live()
  await connection.acquireLock({ timeoutMs: LOCK_TIMEOUT_MS, onWait: () => undefined })
  try {
    const recorder = new Recorder(connection)
    const rows = (await recorder.read()) ?? (await initialize(connection, recorder))
    const failed = rows.filter(isOpen)
    if (failed.length > 0) {
      const told = failed.map((row) => `The \`${row.name}\` migration started at ${time(row)} failed`)
      throw new PrismaError(
        'P3009',
        `There are failed migrations in the target database, so new ones are not applied: https://pris.ly/d/migrate-resolve\n${told.join('\n')}`,
      )
    }
    const applied = new Set(rows.filter(counts).map((row) => row.name))
    const pending = scriptsOf(list).filter(({ name }) => !applied.has(name))
    for (const script of pending) await apply(connection, target, recorder, script)
    return { appliedMigrationNames: pending.map(({ name }) => name) }
  } finally {
    await connection.releaseLock()
  }
}

/** Prisma: the history begins in an empty database only (P3005). */
async function initialize(connection: Connection, recorder: Recorder): Promise<HistoryRow[]> {
  if ((await connection.tables()).length > 0) {
    throw new PrismaError(
      'P3005',
      'The database schema is not empty. How to baseline an existing database: https://pris.ly/d/migrate-baseline',
    )
  }
  await recorder.create()
  return []
}

function time({ startedAt }: HistoryRow): string {
  return startedAt === null ? 'an unknown time' : `${startedAt.toISOString().replace('T', ' ').replace('Z', '')} UTC`
}

async function apply(
  connection: Connection,
  target: Target,
  recorder: Recorder,
  { name, read }: Script,
): Promise<void> {
  const script = read()
  const row = { name, checksum: checksum(script), startedAt: new Date(), finishedAt: null, logs: null, steps: 0 }
  const id = await recorder.insert(row)
  try {
    await connection.script(script)
  } catch (error) {
    await connection.restoreSettings()
    const info = target.engine.explain(error)
    const message = [
      'A migration failed to apply. New migrations cannot be applied before it is recovered from: https://pris.ly/d/migrate-resolve',
      `Migration name: ${name}`,
      `Database error code: ${info.code}`,
      `Database error:\n${redact(info.message, target.url.secrets)}`,
    ].join('\n\n')
    await recorder.update(id, { logs: message })
    throw new PrismaError('P3018', message, { cause: error })
  }
  await connection.restoreSettings()
  // Prisma: the whole script counts as one step.
  await recorder.update(id, { finishedAt: new Date(), steps: 1 })
}

/** The database that the scripts make, and what of it is wanted. */
async function onShadow<T>(
  context: PlannerContext,
  scripts: readonly Script[],
  init: string | undefined,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { connection } = await context.shadow()
  if (init) await connection.script(init)
  for (const { name, read } of scripts) {
    await connection.script(read()).catch((error: unknown) => {
      const { message } = prismaError(error, context.engine)
      throw new PrismaError(
        'P3006',
        `Migration \`${name}\` failed to apply cleanly to the shadow database.\nError:\n${message}`,
      )
    })
    await connection.restoreSettings()
  }
  return work(connection)
}

async function fromMigrations(
  context: PlannerContext,
  list: MigrationList,
  files: readonly SchemaFile[],
  options: DiffOptions,
): Promise<SchemaDiff> {
  const to: SchemaState = { kind: 'schema', files }
  const scripts = scriptsOf(list)
  if (scripts.length === 0 && !list.shadowDbInitScript) return context.planner.diff({ kind: 'empty' }, to, options)
  return onShadow(context, scripts, list.shadowDbInitScript, (connection) =>
    context.planner.diff({ kind: 'database', connection, context: files }, to, options),
  )
}

async function createMigration(context: PlannerContext, params: Params): Promise<unknown> {
  const list = listOf(params)
  const given = String(params.migrationName)
  if (Buffer.byteLength(given) > NAME_LIMIT)
    throw new PrismaError('P3010', `The name of the migration is too long: it may have ${NAME_LIMIT} bytes.`)
  checkLockfile(context, list)
  const change = await fromMigrations(context, list, schemaOf(params), optionsOf(params))
  const shared = { connectorType: context.engine.provider, extension: 'sql' }
  if (change.empty && params.draft !== true) return { ...shared, generatedMigrationName: null, migrationScript: null }
  const script = change.empty ? EMPTY_SCRIPT : `${warningsComment(change)}${change.script.trimEnd()}\n`
  const generatedMigrationName = `${nextTimestamp(new Date(), undefined)}_${given}`
  return { ...shared, generatedMigrationName, migrationScript: script }
}

/** Prisma: the comment above a created migration. */
function warningsComment({ warnings = [] }: SchemaDiff): string {
  return warnings.length === 0 ? '' : `/*\n  Warnings:\n\n${warnings.map((text) => `  - ${text}\n`).join('')}\n*/\n`
}

interface Diagnosis {
  readonly hasMigrationsTable: boolean
  readonly failedMigrationNames: readonly string[]
  readonly editedMigrationNames: readonly string[]
  readonly history: Readonly<Record<string, unknown>> | null
  /** How the live database differs from what the applied migrations make. */
  readonly drift: string | undefined
  readonly errorInUnapplied: unknown
}

async function diagnose(context: PlannerContext, params: Params, replay: boolean): Promise<Diagnosis> {
  const list = listOf(params)
  checkLockfile(context, list)
  const { connection } = await context.live()
  const rows = await new Recorder(connection).read()
  const scripts = scriptsOf(list)
  const recorded = new Map((rows ?? []).filter(counts).map((row) => [row.name, row]))
  const unapplied = scripts.filter(({ name }) => !recorded.has(name))
  const applied = scripts.filter(({ name }) => recorded.has(name))
  const local = new Set(scripts.map(({ name }) => name))
  const told = {
    hasMigrationsTable: rows !== undefined,
    failedMigrationNames: [...new Set((rows ?? []).filter(isOpen).map((row) => row.name))],
    editedMigrationNames: applied
      .filter(({ name, read }) => !checksumMatches(recorded.get(name)!.checksum, read()))
      .map(({ name }) => name),
    history: historyOf(
      unapplied.map(({ name }) => name),
      [...recorded.keys()].filter((name) => !local.has(name)),
      applied.at(-1)?.name ?? null,
    ),
  }
  if (!replay) return { ...told, drift: undefined, errorInUnapplied: undefined }
  const files = await context.schema()
  const state = (at: Connection): SchemaState => ({ kind: 'database', connection: at, context: files })
  const change = await onShadow(context, applied, list.shadowDbInitScript, (shadow) =>
    context.planner.diff(state(shadow), state(connection), optionsOf(params)),
  )
  const errorInUnapplied =
    unapplied.length === 0
      ? undefined
      : await onShadow(context, scripts, list.shadowDbInitScript, async () => undefined).catch(
          (error: unknown) => error,
        )
  return { ...told, drift: change.empty ? undefined : change.summary, errorInUnapplied }
}

function historyOf(unapplied: readonly string[], missing: readonly string[], last: string | null) {
  if (unapplied.length === 0 && missing.length === 0) return null
  if (missing.length === 0) return { diagnostic: 'databaseIsBehind', unappliedMigrationNames: unapplied }
  const unpersistedMigrationNames = missing
  if (unapplied.length === 0) return { diagnostic: 'migrationsDirectoryIsBehind', unpersistedMigrationNames }
  return {
    diagnostic: 'historiesDiverge',
    unappliedMigrationNames: unapplied,
    unpersistedMigrationNames,
    lastCommonMigrationName: last,
  }
}

/** Whether `migrate dev` can go on, or must ask for a reset and why. */
async function devDiagnostic(context: PlannerContext, params: Params): Promise<unknown> {
  const found = await diagnose(context, params, true)
  if (found.errorInUnapplied) throw found.errorInUnapplied
  const missing = (found.history?.unpersistedMigrationNames as string[] | undefined) ?? []
  const reasons = [
    ...found.failedMigrationNames.map((name) => `The migration \`${name}\` failed.`),
    ...found.editedMigrationNames.map((name) => `The migration \`${name}\` was modified after it was applied.`),
    ...(missing.length > 0
      ? [`Applied to the database, but not in the migrations directory: ${missing.join(', ')}`]
      : []),
    ...(found.drift === undefined ? [] : [`The database is not as the migrations make it:\n\n${found.drift}`]),
  ]
  return { action: reasons.length > 0 ? { tag: 'reset', reason: reasons.join('\n') } : { tag: 'createMigration' } }
}

async function markMigrationApplied(context: PlannerContext, params: Params): Promise<unknown> {
  const name = String(params.migrationName)
  const script = scriptsOf(listOf(params)).find((candidate) => candidate.name === name)
  if (!script) throw new PrismaError('P3017', `The migration ${name} could not be found. Give its whole name.`)
  const text = script.read()
  const { connection } = await context.live()
  await connection.acquireLock({ timeoutMs: LOCK_TIMEOUT_MS, onWait: () => undefined })
  try {
    const recorder = new Recorder(connection)
    const rows = await recorder.read()
    if (rows === undefined) await recorder.create()
    if (rows?.some((row) => row.name === name && row.finishedAt !== null && counts(row)))
      throw new PrismaError('P3008', `The migration \`${name}\` is already recorded as applied in the database.`)
    const at = new Date()
    await recorder.rollBackOpenRows(name, at)
    await recorder.insertApplied(name, checksum(text), at)
    return {}
  } finally {
    await connection.releaseLock()
  }
}

async function markMigrationRolledBack(context: PlannerContext, params: Params): Promise<unknown> {
  const name = String(params.migrationName)
  const { connection } = await context.live()
  await connection.acquireLock({ timeoutMs: LOCK_TIMEOUT_MS, onWait: () => undefined })
  try {
    const recorder = new Recorder(connection)
    const own = ((await recorder.read()) ?? []).filter((row) => row.name === name)
    if (own.length === 0)
      throw new PrismaError('P3011', `Migration \`${name}\` was never applied to the database. Give its whole name.`)
    if (!own.some(isOpen)) throw new PrismaError('P3012', `Migration \`${name}\` is not in a failed state.`)
    await recorder.rollBackOpenRows(name, new Date())
    return {}
  } finally {
    await connection.releaseLock()
  }
}

async function schemaPush(context: PlannerContext, params: Params): Promise<unknown> {
  const { connection } = await context.live()
  const files = schemaOf(params)
  const from: SchemaState = { kind: 'database', connection, context: files }
  const change = await context.planner.diff(from, { kind: 'schema', files }, optionsOf(params))
  const { warnings, unexecutableSteps } = await lossOf(connection, change)
  const told = {
    warnings: warnings.map(({ message }) => message),
    unexecutable: unexecutableSteps.map(({ message }) => message),
  }
  const refused = told.unexecutable.length > 0 || (told.warnings.length > 0 && params.force !== true)
  if (change.empty || refused) return { executedSteps: 0, ...told }
  await connection.script(change.script)
  return { executedSteps: stepsOf(change), ...told }
}

function stepsOf({ empty, steps }: SchemaDiff): number {
  return empty ? 0 : (steps?.length ?? 1)
}

/** Prisma: destructive-change-checker. These fail on the rows that are there; the others lose some of them. */
const UNEXECUTABLE: ReadonlySet<HazardKind> = new Set(['required-column', 'set-required'])

async function lossOf(connection: Connection, { script, empty }: SchemaDiff) {
  const found = empty ? [] : findHazards(script, connection.syntax).map((hazard) => ({ ...hazard, migration: '' }))
  const present = (await countHazards(connection, found)).filter(({ rows }) => rows !== 0)
  const told = (unexecutable: boolean) =>
    present
      .filter(({ kind }) => UNEXECUTABLE.has(kind) === unexecutable)
      .map(({ message }) => ({ message, stepIndex: 0 }))
  return { warnings: told(false), unexecutableSteps: told(true) }
}

interface Side {
  readonly tag: 'empty' | 'schemaDatamodel' | 'schemaDatasource' | 'url' | 'migrations'
  readonly files?: readonly SchemaFile[]
}

async function diff(context: PlannerContext, params: Params): Promise<unknown> {
  const sides = [params.from as Side, params.to as Side] as const
  const files = sides.find((side) => side.files)?.files ?? (await context.schema())
  const state = async (side: Side): Promise<SchemaState> => {
    switch (side.tag) {
      case 'empty':
        return { kind: 'empty' }
      case 'schemaDatamodel':
        return { kind: 'schema', files: side.files! }
      case 'migrations': {
        const list = side as unknown as MigrationList
        checkLockfile(context, list)
        return onShadow(context, scriptsOf(list), list.shadowDbInitScript, async (connection) => ({
          kind: 'database',
          connection,
          context: files,
        }))
      }
      default:
        return { kind: 'database', connection: (await context.live()).connection, context: files }
    }
  }
  const [from, to] = [await state(sides[0]), await state(sides[1])]
  const change = await context.planner.diff(from, to, optionsOf(params))
  const stdout =
    params.script === true
      ? `${change.script.trimEnd()}\n`
      : change.empty
        ? 'No difference detected.\n'
        : change.summary
  return { exitCode: params.exitCode === true && !change.empty ? 2 : 0, stdout }
}
