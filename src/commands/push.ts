/** `rays push`: the database becomes what the schema says, without a migration. */

import type { Connection } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { redact } from '../../engines/url.js'
import { FailedError, InterruptedError } from '../errors.js'
import { Recorder, records } from '../history/recorder.js'
import { findHazards, splitUnsafeEnum } from '../migrations/hazards.js'
import { bullets } from '../text.js'
import { type CountedHazard, countHazards } from './hazards.js'
import type { Context } from './host.js'
import { differsByItself } from './noise.js'
import { askUnlocked, changedWhileAsking, openProject, type Project, withConnection, withLock } from './project.js'
import { type Generated, generateClient } from './schema-file.js'

export interface PushOptions {
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
  const pushed = await withConnection(project, host, { createDatabase: options.createDb === true }, (connection) =>
    withLock(config, host, connection, () => pushLocked(project, context, connection, options)),
  )
  const generated = await generateClient(config, host, options.generate ?? config.generate)
  return { ...pushed, generated }
}

async function pushLocked(project: Project, { host, config }: Context, connection: Connection, options: PushOptions) {
  if (options.forceReset) await resetWithConsent(project, host, connection, options.y === true)
  const next = { kind: 'schema' as const, files: project.schema.files }
  const live = { kind: 'database' as const, connection, context: project.schema.files }
  const diff = await project.schemaEngine.diff(live, next, { ...project.filter, summary: true })
  const base = { reset: options.forceReset === true, target: connection.target, summary: diff.summary }
  if (diff.empty || (await differsByItself(project, project.schema.files, diff.script, 'schema'))) {
    return { ...base, changed: options.forceReset === true, script: '', hazards: [] }
  }

  const found = findHazards(diff.script, connection.syntax).map((hazard) => ({ ...hazard, migration: 'push' }))
  const hazards = await countHazards(connection, found, project.schemas)
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
    const yes = await askUnlocked(config, host, connection, () => host.confirm(question))
    if (!yes) throw new InterruptedError('Not confirmed; nothing was changed.')
    const again = await project.schemaEngine.diff(live, next, project.filter)
    if (again.script !== diff.script) throw changedWhileAsking()
  }
  await runScript(project, connection, diff.script)
  const history = await new Recorder(connection).read().catch(() => undefined)
  if (history && records(history).some((record) => record.state === 'applied')) {
    host.note('The database has migrations: write one for this change, too (rays makemigration).')
  }
  return { ...base, changed: true, script: diff.script, hazards }
}

/** Empties the database after its name was typed. @throws {UsageError} where nobody can be asked; {@link InterruptedError} for another name */
export async function resetWithConsent(
  project: Project,
  host: Context['host'],
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
  await connection.reset(project.schemas)
  host.note(`Emptied ${connection.target}.`)
}

/** Runs a script in one transaction where the database has that; a new enum value is committed before it is used. */
export async function runScript(
  project: Project,
  connection: Connection,
  script: string,
  hint = 'Correct the schema and run rays push again.',
): Promise<void> {
  const parts = splitUnsafeEnum(script, connection.syntax) ?? [script]
  try {
    for (const part of parts) {
      const statements = splitStatements(part, connection.syntax).map((s) => s.text)
      const work = async () => {
        for (const sql of statements) {
          if (connection.engine.transactionalDdl && /^(BEGIN|COMMIT)$/i.test(sql)) continue
          await connection.raw(sql).catch((error: unknown) => {
            throw Object.assign(error as Error, { statement: sql })
          })
        }
      }
      const foreignKeysOff = /PRAGMA\s+foreign_keys\s*=\s*off/i.test(part)
      if (project.engine.transactionalDdl) await connection.transaction({ foreignKeysOff }, work)
      else await work()
    }
  } catch (error) {
    const info = connection.engine.explain(error)
    if (info.code === '') throw error
    const { statement } = error as { statement?: string }
    throw new FailedError(
      redact(
        `The database refused a statement: ${info.message} (${info.code}). ${connection.engine.transactionalDdl ? 'Nothing was changed.' : 'The statements before it stay.'}`,
      ),
      {
        cause: error,
        code: 'E_OPERATION',
        ...(statement && { where: redact(statement) }),
        hint:
          info.kind === 'data'
            ? 'The rows in the table do not fit the new schema: correct them, or rays push --force-reset to start from nothing.'
            : (info.hint ?? hint),
      },
    )
  }
}
