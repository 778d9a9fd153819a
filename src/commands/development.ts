/**
 * `rays dev` and `rays draft`: the database follows the schema while it is being worked on. Each change is applied by a
 * migration of its own that is kept beside the migrations, not among them: Prisma takes every folder there for one. The
 * next `makemigration` or `save` puts all of them into one migration and records it; no data is touched.
 */

import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { CommitUnknownError, type Connection, type Structure } from '../../engines/engine.js'
import { DecisionError, FailedError, InterruptedError, RaysError, UsageError } from '../errors.js'
import { renameDurably } from '../files.js'
import { isAtomic, runDirection } from '../history/direction.js'
import { OperationFailure, operationError, runOperation } from '../history/operation.js'
import { appliedOf } from '../history/squashed.js'
import { cancellable, interrupted, stopIfInterrupted } from '../interruption.js'
import { type Answers, composeAnswers, readAnswers } from '../migrations/answers.js'
import { BASE, developmentOf, folderOf } from '../migrations/development.js'
import { EMPTY_SCRIPT, listMigrations, readSnapshot, replaceSnapshot } from '../migrations/directory.js'
import { runForeign } from '../migrations/foreign.js'
import { loadMigration, operationName } from '../migrations/load.js'
import type { LoadedMigration, Migration } from '../migrations/migration.js'
import { snapshotOf } from '../schema/prisma-schema.js'
import type { SchemaState } from '../schema/schema-engine.js'
import { bullets } from '../text.js'
import { afterwards, expectWritable } from './files.js'
import type { Context, Host } from './host.js'
import { type MakeMigrationOptions, type MakeMigrationResult, makeMigration } from './makemigration.js'
import { makeRecorded } from './prepare.js'
import { folders, lookAgain, openProject, type Project, withConnection, withLock } from './project.js'
import { type Generated, generateClient, insideSchemaFolder } from './schema-file.js'
import { whatStays } from './script.js'
import { changesIn } from './watch.js'

export interface DraftOptions extends Pick<MakeMigrationOptions, 'rename' | 'defaults' | 'clearShadow'> {
  /** Undo what was applied without a migration. */
  readonly undo?: boolean
  readonly y?: boolean
  readonly generate?: boolean
}

export interface DraftResult {
  /** What was applied, or undone, newest last. */
  readonly applied: readonly { readonly name: string; readonly summary: string }[]
  readonly undone: readonly string[]
  /** Everything that is applied without a migration now. */
  readonly pending: readonly string[]
  readonly generated: Generated
}

export interface DevOptions extends Pick<MakeMigrationOptions, 'clearShadow'> {
  readonly y?: boolean
  readonly generate?: boolean
  /** Called after each change. */
  readonly onChange?: (result: DraftResult) => void
}

export interface DevResult {
  readonly applied: readonly { readonly name: string; readonly summary: string }[]
}

/** Applies the schema's changes without a migration. @throws {RaysError}, which says what is applied all the same */
export async function draft(context: Context, options: DraftOptions = {}): Promise<DraftResult> {
  const { config, host } = context
  const undone = options.undo ? await undo(context, options.y === true) : []
  const applied = options.undo ? undefined : await step(context, options)
  const changed = undone.length > 0 || applied !== undefined
  const generated = await generateClient(config, host, changed && (options.generate ?? config.generate))
  return {
    applied: applied ? [applied] : [],
    undone,
    pending: (await developmentOf(config)).map(({ name }) => name),
    generated,
  }
}

/** Watches the schema and applies each change, until the signal. Errors of the schema are told and waited out. */
export async function dev(context: Context, options: DevOptions = {}): Promise<DevResult> {
  const { host } = context
  const applied: { name: string; summary: string }[] = []
  const follow = async () => {
    try {
      const result = await draft(context, options)
      applied.push(...result.applied)
      options.onChange?.(result)
    } catch (error) {
      // Who declines a change goes on with the schema.
      const end = error instanceof InterruptedError && !(error instanceof Declined)
      if (!(error instanceof RaysError) || end) throw error
      host.warn([error.message, error.where, error.hint && `Fix: ${error.hint}`].filter(Boolean).join('\n'))
    }
  }
  await requireApplied(context)
  await follow()
  const { layout, path: schemaPath } = (await openProject(context)).schema
  host.note(`Watching ${schemaPath}. Ctrl-C ends it; rays save makes one migration of everything.`)
  for await (const _ of changesIn({ path: schemaPath, layout }, host.signal, host.warn)) await follow()
  return { applied }
}

async function requireApplied(context: Context): Promise<void> {
  const project = await openProject(context)
  const all = await folders(project)
  await withConnection(project, context.host, { readOnly: true }, async (connection) => {
    const applied = await appliedOf(connection, all)
    const pending = all.filter(({ name }) => !applied.has(name))
    if (pending.length === 0) return
    throw new UsageError(`Not applied yet:\n${bullets(pending.map(({ name }) => name))}`, {
      code: 'E_PENDING',
      hint: 'rays migrate, then go on.',
    })
  })
}

/** One change of the schema, applied. Undefined: there was none. */
async function step(
  context: Context,
  options: DraftOptions,
): Promise<{ readonly name: string; readonly summary: string } | undefined> {
  const { config, host } = context
  await requireApplied(context)
  const project = await openProject(context)
  const root = folderOf(config)
  await layBase(project, root)
  const inside: Context = { config: { ...config, migrationsDir: root }, host }
  const leave = async () => {
    if ((await developmentOf(config)).length === 0) await rm(root, { recursive: true, force: true })
  }
  const make = makeMigration(inside, {
    name: 'watch',
    verify: false,
    clearShadow: options.clearShadow,
    autoresolve: true,
    ...(options.rename !== undefined && { rename: options.rename }),
    // An edit that is taken back is a change like any other.
    anyState: true,
    ...(options.defaults && { defaults: options.defaults }),
  })
  const made = await make.catch(async (error) => {
    await leave()
    throw error
  })
  if (made.migrations.length === 0) {
    await leave()
    return undefined
  }
  const names: string[] = []
  const done: string[] = []
  try {
    for (const { name } of made.migrations) names.push(await asWatched(root, name))
    const own = (await developmentOf(config)).filter(({ name }) => names.includes(name))
    await consent(context, made, options.y === true)
    await withConnection(project, host, {}, (connection) =>
      withLock(config, host, connection, async () => {
        for (const migration of own) {
          const there = await run({ project, host, connection }, migration, 'up', done.map(firstPart))
          done.push(migration.name)
          if (!there && migration !== own.at(-1)) throw goneBefore(`${done.join(', ')} was applied`, 'rays draft')
        }
      }),
    )
  } catch (error) {
    // What is applied, or may be, is known as long as its folder is there.
    const unknown = error instanceof DecisionError && error.code === 'E_COMMIT_UNKNOWN'
    const open = unknown ? [] : names.filter((name) => !done.includes(name))
    for (const name of open) await rm(path.join(root, name), { recursive: true, force: true })
    await leave()
    throw error
  }
  return { name: names.at(-1)!, summary: made.summary }
}

const firstPart = (name: string) => `${name}, which is the first part of the change: rays draft --undo takes it back`

/** What was done last is done, and nothing can be done any more. */
function goneBefore(what: string, again: string): FailedError {
  return new FailedError(`The connection was lost. ${what}, the rest was not.`, {
    code: 'E_CONNECTION',
    hint: `Run ${again} again: it goes on from there.`,
  })
}

/** The newest migration's snapshot is what the first change starts from. */
async function layBase(project: Project, root: string): Promise<void> {
  const { config, schema } = project
  if ((await developmentOf(config)).length > 0) return
  await rm(root, { recursive: true, force: true })
  await mkdir(root, { recursive: true })
  await writeFile(path.join(root, '.gitignore'), '*\n')
  const newest = (await folders(project)).at(-1)
  if (newest === undefined) return
  const snapshot = await readSnapshot(newest)
  if (snapshot === undefined) throw new UsageError(`${newest.name} has no snapshot.`, { hint: 'rays adopt first.' })
  const base = path.join(root, BASE)
  await mkdir(base)
  await writeFile(path.join(base, 'migration.sql'), EMPTY_SCRIPT)
  await replaceSnapshot(base, {
    layout: snapshot.length > 1 || schema.layout === 'folder' ? 'folder' : 'file',
    files: snapshotOf(snapshot),
    insideSchemaFolder: insideSchemaFolder({ ...config, migrationsDir: root }, schema),
  })
}

/** `20261120130501_watch` becomes `watch-20261120130501`. */
async function asWatched(root: string, name: string): Promise<string> {
  let stamp = BigInt(name.slice(0, 14))
  for (;;) {
    try {
      await renameDurably(path.join(root, name), path.join(root, `watch-${stamp}`))
      return `watch-${stamp}`
    } catch (error) {
      if (!/ENOTEMPTY|EEXIST/.test(String((error as NodeJS.ErrnoException).code))) throw error
      stamp += 1n
    }
  }
}

/** Somebody was asked and said no. */
class Declined extends InterruptedError {}

async function consent({ host }: Context, made: MakeMigrationResult, yes: boolean): Promise<void> {
  const losing = made.hazards.filter((hazard) => hazard.destructive && hazard.rows !== 0)
  if (losing.length === 0 || yes) return
  const sure = await host.confirm({
    message: `${losing.map(({ message }) => message).join('\n')}\nGo on?`,
    flag: '--y',
  })
  if (!sure) throw new Declined('Not confirmed; nothing was applied.')
}

interface At {
  readonly project: Project
  readonly host: Host
  readonly connection: Connection
}

/**
 * Runs one change. Where nothing rolls back, what one had done that failed, or was interrupted, is taken back by its
 * operations' other direction. Returns whether the connection is still there.
 * @param before what the same command has done, in words: it stays
 * @throws {RaysError} which says what stays
 */
async function run(
  at: At,
  migration: Migration,
  direction: 'up' | 'down',
  before: readonly string[],
): Promise<boolean> {
  const { project, host, connection } = at
  const { engine } = connection
  const loaded = await loadMigration(migration, { runScript: (script) => runForeign(connection, script) })
  const done: number[] = []
  const atomic = isAtomic(connection, loaded)
  const { signal } = host
  const check = () => stopIfInterrupted(host, 'Interrupted.')
  const after = (operation: number) => void done.push(operation)
  const work = () => runDirection({ connection, loaded, direction, signal, before: check, after, last: check })
  // By it a change whose answer is lost is found again.
  const found = engine.needsServer ? await engine.structure(connection, project.schemas) : undefined
  try {
    await (atomic ? cancellable(signal, connection, work) : work())
    return true
  } catch (error) {
    const lost = error instanceof CommitUnknownError || (!atomic && isLost(connection, error))
    const became =
      lost && found ? await lookWhatBecame({ ...at, migration, direction, found, atomic, error }) : 'failed'
    if (became === 'done') return false
    const left = atomic || became === 'nothing' ? [] : await takeBack(connection, loaded, direction, done, error)
    const stays = [...before, ...left]
    const after =
      stays.length === 0 && done.length > 0 && !atomic
        ? 'What was done before it was taken back: nothing was changed.'
        : whatStays(stays)
    if (!lost && signal.aborted && (atomic || error instanceof InterruptedError))
      throw interrupted(signal, `Interrupted while ${migration.name} was being ${PARTICIPLE[direction]}. ${after}`)
    throw operationError(error, { connection, direction }, loaded, after, stays.length > 0)
  } finally {
    await connection.restoreSettings().catch(() => undefined)
  }
}

const PARTICIPLE = { up: 'applied', down: 'undone' } as const

function isLost({ engine }: Connection, error: unknown): boolean {
  return engine.explain(error instanceof OperationFailure ? error.cause : error).kind === 'connection'
}

/**
 * What became of a change whose answer was lost with the connection.
 * @throws {DecisionError} where the database cannot be reached
 */
async function lookWhatBecame(
  lost: At & {
    readonly migration: Migration
    readonly direction: 'up' | 'down'
    readonly found: Structure
    readonly atomic: boolean
    readonly error: unknown
  },
): Promise<'done' | 'nothing' | 'part'> {
  const { project, host, connection, migration, direction, found, atomic } = lost
  const { engine, schemas, schemaEngine, filter, config } = project
  const what = `${migration.name} was ${PARTICIPLE[direction]}`
  const hint = 'rays status tells whether it is what the schema says; rays push makes it so.'
  const became = await lookAgain(project, host, { connection, cause: lost.error, what, hint }, async (session) => {
    const now = await engine.structure(session, schemas)
    if (found.lines.join('\n') === now.lines.join('\n')) return 'nothing'
    if (atomic) return 'done'
    const entries = await listMigrations(folderOf(config))
    const index = entries.findIndex(({ name }) => name === migration.name)
    const meant = direction === 'up' ? entries[index] : entries[index - 1]
    const files = meant && (await readSnapshot(meant))
    const wanted: SchemaState = files ? { kind: 'schema', files } : { kind: 'empty' }
    const live: SchemaState = { kind: 'database', connection: session, context: files ?? project.schema.files }
    return (await schemaEngine.diff(live, wanted, filter)).empty ? 'done' : 'part'
  })
  if (became === 'done') host.note(`${what}.`)
  return became
}

/** Undoes the operations that were done before one failed, last to first. Returns what stays, in words. */
async function takeBack(
  connection: Connection,
  loaded: LoadedMigration,
  direction: 'up' | 'down',
  done: readonly number[],
  failed: unknown,
): Promise<string[]> {
  const describe = (operation: number) =>
    `operation ${operation}: ${operationName(loaded.operations[operation]![direction === 'up' ? 0 : 1])}`
  const stays: string[] = []
  const lost = isLost(connection, failed)
  if (failed instanceof OperationFailure && (failed.completed > 0 || lost)) {
    const what = lost ? 'perhaps' : `${failed.completed} statement${failed.completed === 1 ? '' : 's'} of`
    stays.push(`${what} ${describe(failed.operation)}`)
  }
  const back = direction === 'up' ? ('down' as const) : ('up' as const)
  const left = [...done]
  try {
    // What comes after it builds on it.
    if (stays.length > 0) return [...left.map(describe), ...stays]
    while (left.length > 0) {
      await connection.restoreSettings()
      await runOperation({ connection, loaded, operation: left.at(-1)!, direction: back, operationTimeoutMs: 0 })
      left.pop()
    }
    return []
  } catch (error) {
    const { message } = operationError(error, { connection, direction: back }, loaded, '')
    return left.map((operation, index) =>
      index === left.length - 1
        ? `${describe(operation)}, and taking it back failed: ${message.trim()}`
        : describe(operation),
    )
  }
}

/** Takes back what was applied without a migration, newest first. */
async function undo(context: Context, yes: boolean): Promise<string[]> {
  const { config, host } = context
  const entries = (await developmentOf(config)).reverse()
  if (entries.length === 0) return []
  const project = await openProject(context)
  await expectWritable([folderOf(config), ...entries.map(({ directory }) => directory)])
  if (!yes) {
    const sure = await host.confirm({
      message: `Undo ${entries.length} change${entries.length === 1 ? '' : 's'} of the database, with the values in what they added?`,
      flag: '--y',
    })
    if (!sure) throw new InterruptedError('Not confirmed; nothing was changed.')
  }
  await withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, async () => {
      const undone: string[] = []
      for (const migration of entries) {
        const there = await run({ project, host, connection }, migration, 'down', undone)
        await forget(host, migration.directory)
        undone.push(`${migration.name} is undone`)
        if (!there && migration !== entries.at(-1)) throw goneBefore(undone.join(', '), 'rays draft --undo')
      }
    }),
  )
  await forget(host, folderOf(config))
  return entries.map(({ name }) => name)
}

/** The database is done: what told of the way there must go, or the way would be gone again. */
async function forget(host: Context['host'], folder: string): Promise<void> {
  await afterwards(
    host,
    { what: `${folder} could not be deleted`, instead: 'Delete it by hand before the next rays command.' },
    () => rm(folder, { recursive: true, force: true }),
  )
}

/** What was answered for the changes that are applied without a migration, as if it had been asked once for all of them. */
async function answersOf(config: Context['config']): Promise<Answers> {
  const answers = (await developmentOf(config)).flatMap(({ codeFile }) =>
    codeFile === undefined ? [] : [readAnswers(readFileSync(codeFile, 'utf8'))],
  )
  return composeAnswers(answers)
}

/**
 * `makemigration`: where changes were applied without a migration, all of them become one, which is recorded as applied.
 * @throws {RaysError}
 */
export async function makeCollapsing(
  context: Context,
  options: MakeMigrationOptions = {},
): Promise<MakeMigrationResult> {
  const { config, host } = context
  const entries = await developmentOf(config)
  if (entries.length === 0 || options.check || options.dryRun) return makeMigration(context, options)
  await expectWritable([config.migrationsDir, folderOf(config)])
  await step(context, {
    clearShadow: options.clearShadow,
    ...(options.rename !== undefined && { rename: options.rename }),
    ...(options.defaults && { defaults: options.defaults }),
  })
  const project = await openProject(context)
  return withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, async () => {
      const live = { kind: 'database' as const, connection, context: project.schema.files }
      const diff = await project.schemaEngine.diff(
        live,
        { kind: 'schema', files: project.schema.files },
        project.filter,
      )
      if (!diff.empty) {
        throw new FailedError('The database is not what the schema says, although every change was applied.', {
          code: 'E_DRIFT',
          where: diff.summary,
          hint: 'rays doctor names what was changed by hand.',
        })
      }
      const known = await answersOf(context.config)
      const make = () => makeMigration(context, { ...options, known })
      const made = await makeRecorded({ context, project, connection }, make)
      await forget(host, folderOf(config))
      if (made.migrations.length > 0) host.note('The database has these changes already: recorded as applied.')
      return { ...made, recorded: made.migrations.length > 0 }
    }),
  )
}
