/** `rays push`: the database becomes what the schema says, without a migration. */
import type { Connection } from '../../engines/engine.js'
import { redact } from '../../engines/url.js'
import { DecisionError, FailedError, InterruptedError, inTheWayHint, isInTheWay, UsageError } from '../errors.js'
import { Recorder, records } from '../history/recorder.js'
import { cancellable, interrupted, stopIfInterrupted } from '../interruption.js'
import { type Answers, NO_ANSWERS } from '../migrations/answers.js'
import { Comparison } from '../migrations/change.js'
import { fillScript } from '../migrations/given.js'
import { findHazards } from '../migrations/hazards.js'
import { scriptWithRenames } from '../migrations/rename-operations.js'
import { refuseUnfitNames } from '../schema/unfit-names.js'
import { bullets } from '../text.js'
import { type CountedHazard, countHazards, hidingAmong } from './hazards.js'
import type { Context, Host } from './host.js'
import type { MakeMigrationOptions } from './makemigration.js'
import { differsByItself } from './noise.js'
import {
  askingUnlocked,
  askUnlocked,
  changedWhileAsking,
  lookAgain,
  namespaceOf,
  openProject,
  type Project,
  withConnection,
  withLock,
} from './project.js'
import { resolveGiven, resolveRenames } from './schema-changes.js'
import { type Generated, generateClient } from './schema-file.js'
import { runScript } from './script.js'

export interface PushOptions extends Pick<MakeMigrationOptions, 'rename' | 'defaults'> {
  readonly y?: boolean
  readonly forceReset?: boolean
  readonly createDb?: boolean
  readonly generate?: boolean
  readonly failOnDestructive?: boolean
}

export interface PushResult {
  readonly changed: boolean
  readonly reset: boolean
  readonly target: string
  readonly script: string
  readonly summary: string
  readonly hazards: readonly CountedHazard[]
  readonly generated: Generated
}

/** @throws {RaysError} */
export async function push(context: Context, options: PushOptions = {}): Promise<PushResult> {
  const { host, config } = context
  const project = await openProject(context)
  await project.schemaEngine.validate(project.schema.files)
  refuseUnfitNames(project.engine, project.schema.files, undefined, namespaceOf(project.config, project.engine))
  const pushed = await withConnection(project, host, { createDatabase: options.createDb === true }, (connection) =>
    withLock(config, host, connection, () => pushLocked(project, context, connection, options)),
  )
  const generated = await generateClient(config, host, options.generate ?? config.generate)
  return { ...pushed, generated }
}

/** What is to be run, and what is lost or refused by it. */
interface Change {
  readonly script: string
  readonly summary: string
  readonly hazards: readonly CountedHazard[]
  /** What was answered, as `--rename` and `--default` say it. */
  readonly answers: Answers
}

/**
 * The way from the database to the schema. Undefined: it is there. Where something is dropped, or answers are given, the
 * database's own schema tells what was renamed and what needs a value; rows are kept by that as in a migration.
 */
async function changeOf(
  project: Project,
  host: Host,
  connection: Connection,
  options: PushOptions,
): Promise<Change | undefined> {
  const { schemaEngine, engine, filter } = project
  const next = { kind: 'schema' as const, files: project.schema.files }
  const live = { kind: 'database' as const, connection, context: project.schema.files }
  const diff = await schemaEngine.diff(live, next, { ...filter, summary: true })
  if (diff.empty || (await differsByItself(project, next.files, diff.script, 'schema'))) return undefined
  const count = async (script: string) => {
    const found = findHazards(script, connection.syntax).map((hazard) => ({ ...hazard, migration: 'push' }))
    return countHazards(connection, found, project.schemas)
  }
  const plain = { script: diff.script, summary: diff.summary, hazards: await count(diff.script), answers: NO_ANSWERS }
  const answered = (options.rename || []).length + (options.defaults ?? []).length > 0
  if (plain.hazards.length === 0 && !answered) return plain

  const before = await schemaEngine.introspect(connection, next.files)
  const compare = new Comparison(engine, schemaEngine, filter)
  const renamed = await resolveRenames(host, compare, before, next.files, options)
  const start = renamed ? renamed.apply(before) : before
  const from = renamed ? ({ kind: 'schema', files: start } as const) : live
  const beside = renamed && (await schemaEngine.beside?.(connection))?.alsoNamed(renamed.names)
  const kept = { ...filter, ...(beside && { beside }), summary: true }
  const change = renamed ? await schemaEngine.diff(from, next, kept) : diff
  const steps = renamed?.steps ?? []
  const hazards = renamed ? await count(scriptWithRenames(change.script, steps)) : plain.hazards
  const given = await resolveGiven(host, start, next.files, hazards, options)
  const hidesRows = given && engine.seeingAllRows && hidingAmong(await connection.tables(project.schemas))
  const filling = { ...engine, hidesRows }
  const script = given ? fillScript(change.script, await compare.build(start), filling, given.value) : change.script
  return {
    script: scriptWithRenames(change.empty ? '' : script, steps),
    summary: [...steps.map((step) => `[*] ${step.summary}`), change.summary].join('\n').trim(),
    hazards: hazards.filter(
      ({ schema, table, column }) => !given || column === undefined || given.value(schema, table, column) === undefined,
    ),
    answers: { renames: renamed?.flags ?? [], defaults: given?.flags ?? [] },
  }
}

async function pushLocked(project: Project, { host, config }: Context, connection: Connection, options: PushOptions) {
  if (options.forceReset) await resetWithConsent(project, host, connection, options.y === true)
  const base = { reset: options.forceReset === true, target: connection.target }
  let asked = false
  const unlocked = askingUnlocked(config, host, connection, () => {
    asked = true
  })
  // Who agreed to everything beforehand is told, not asked.
  const asking: Host = { ...unlocked, canAsk: host.canAsk && !options.y }
  const change = await changeOf(project, asking, connection, options)
  if (change === undefined) return { ...base, changed: base.reset, script: '', summary: '', hazards: [] }

  const { hazards } = change
  const losing = hazards.filter((hazard) => hazard.rows !== 0)
  if (options.failOnDestructive && losing.some((hazard) => hazard.destructive)) {
    throw new FailedError(`Refused by --fail-on-destructive:\n${bullets(losing.map(({ message }) => message))}`, {
      code: 'E_DESTRUCTIVE',
      hint: 'Run it without --fail-on-destructive once the loss is wanted.',
    })
  }
  for (const hazard of losing) host.warn(hazard.message)
  if (losing.some((hazard) => hazard.destructive) && !options.y) {
    const question = { message: `This loses data in ${connection.target}. Go on?`, flag: '--y' }
    if (!(await asking.confirm(question))) throw new InterruptedError('Not confirmed; nothing was changed.')
  }
  if (asked && (await leftOf(change, project, host, connection))?.script !== change.script) throw changedWhileAsking()
  await runScript(connection, change.script, {
    signal: host.signal,
    before: options.forceReset ? [`${connection.target} was emptied`] : [],
    hint: ({ kind, hint }) =>
      kind === 'data'
        ? 'The rows in the table do not fit the new schema: correct them, or rays push --force-reset to start from nothing.'
        : (hint ?? 'Correct the schema and run rays push again.'),
    onLost: (cause) => afterLostAnswer(change, project, host, { connection, cause, emptied: base.reset }),
  })
  const history = await new Recorder(connection).read().catch(() => undefined)
  if (history && records(history).some((record) => record.state === 'applied')) {
    host.note('The database has migrations: make one of this change, too (rays commit <name>).')
  }
  const { renames, defaults } = change.answers
  if (renames.length + defaults.length > 0) {
    const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
    const again = [...renames.map((text) => `--rename ${text}`), ...defaults.map((text) => `--default ${quoted(text)}`)]
    host.note(`Other databases have rows to keep, too: rays commit <name> ${again.join(' ')}`)
  }
  return { ...base, changed: true, script: change.script, summary: change.summary, hazards }
}

/** What is still to be done of a change, with the answers that were given. Undefined: all of it is there. */
async function leftOf(
  { answers: { renames, defaults } }: Change,
  project: Project,
  host: Host,
  connection: Connection,
): Promise<Change | undefined> {
  const silent: Host = { ...host, canAsk: false, warn: () => undefined }
  const rename = renames.length > 0 ? renames : (false as const)
  return changeOf(project, silent, connection, { rename, defaults })
}

/** @throws {FailedError} where the change is not there, or a part of it; {@link DecisionError} where nobody can tell */
async function afterLostAnswer(
  change: Change,
  project: Project,
  host: Host,
  lost: { readonly connection: Connection; readonly cause: unknown; readonly emptied: boolean },
): Promise<void> {
  const at = { ...lost, what: 'the change was applied', hint: 'rays status tells, rays push goes on from there.' }
  const left = await lookAgain(project, host, at, async (session) => {
    try {
      return await leftOf(change, project, host, session)
    } catch (error) {
      // A rename that was done already cannot be answered again.
      if (!(error instanceof UsageError)) throw error
      return leftOf({ ...change, answers: NO_ANSWERS }, project, host, session)
    }
  })
  if (left === undefined) return host.note('The change is applied.')
  const whole = left.script === change.script
  const before = lost.emptied ? `${lost.connection.target} was emptied before.` : 'Nothing was changed.'
  throw new FailedError(
    whole
      ? `The connection was lost while the change was being applied; it was not. ${before}`
      : 'The connection was lost while the change was being applied; a part of it is. What is left:',
    {
      cause: lost.cause,
      code: 'E_CONNECTION',
      ...(!whole && { where: left.script.trim() }),
      hint: whole ? 'Run the command again.' : 'rays push goes on from there.',
    },
  )
}

/** Empties the database after its name was typed. @throws {UsageError} where nobody can be asked; {@link InterruptedError} for another name */
export async function resetWithConsent(
  project: Project,
  host: Host,
  connection: Connection,
  yes: boolean,
): Promise<void> {
  if (!yes) {
    const question = {
      message: `All data in ${connection.target} will be lost. Type its name, ${connection.database}, to empty it:`,
      flag: '--y',
    }
    const typed = await askUnlocked(project.config, host, connection, () => host.ask(question))
    if (typed.trim() !== connection.database) throw new InterruptedError('That is not its name; nothing was changed.')
  }
  await emptyDatabase(project, host, connection)
}

/** Empties the database, whole. @throws {InterruptedError} before it, or where a rollback brings everything back */
export async function emptyDatabase(project: Project, host: Host, connection: Connection): Promise<void> {
  const nothing = 'Interrupted before the database was emptied; nothing was changed.'
  await stopIfInterrupted(host, nothing)
  const work = () => connection.reset(project.schemas)
  try {
    if (connection.engine.transactionalDdl) await cancellable(host.signal, connection, work)
    else await work()
  } catch (error) {
    if (host.signal.aborted && connection.engine.explain(error).kind === 'cancelled')
      throw interrupted(host.signal, nothing)
    const { kind, message, code } = connection.engine.explain(error)
    if (connection.engine.transactionalDdl || !isInTheWay(kind)) throw error
    throw new DecisionError(
      redact(`Another session was in the way, and ${connection.target} may be emptied by half: ${message} (${code})`),
      { cause: error, code: 'E_UNFINISHED', hint: `${inTheWayHint(kind)} The same command empties the rest.` },
    )
  }
  host.note(`Emptied ${connection.target}.`)
}
