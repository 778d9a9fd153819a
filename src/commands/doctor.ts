/** `rays doctor`: rows, folders, checksums, snapshots, live schema and schema.prisma compared; each finding with its repair. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Connection, DatabaseObject } from '../../engines/engine.js'
import { shortPath } from '../config/short-path.js'
import { DecisionError, FailedError, InterruptedError, RaysError, UsageError } from '../errors.js'
import { replaceFile } from '../files.js'
import { AppliedSet } from '../history/applied-set.js'
import { appliedIn, historyOf } from '../history/squashed.js'
import { readAtRest } from '../history/under-way.js'
import { stopIfInterrupted } from '../interruption.js'
import { developmentOf } from '../migrations/development.js'
import { safeName } from '../migrations/directory.js'
import { type Draft, writeDraft } from '../migrations/draft.js'
import { findHazards } from '../migrations/hazards.js'
import type { Migration } from '../migrations/migration.js'
import { replaceModels, sameModels, writeSchema } from '../schema/prisma-schema.js'
import { bullets } from '../text.js'
import { compare, type Drift, explain, withReplayed } from './drift.js'
import { afterwards } from './files.js'
import { countHazards } from './hazards.js'
import type { Context } from './host.js'
import { makeRecorded } from './prepare.js'
import {
  type ClearShadow,
  folders,
  messageOf,
  openProject,
  type Project,
  withConnection,
  withLastingLock,
} from './project.js'
import { placeOf } from './schema-file.js'
import { runScript } from './script.js'
import { status } from './status.js'

export interface DoctorOptions {
  /** Writes a migration for what was changed by hand, under this name, and records it as applied. */
  readonly adopt?: string
  /** Undoes what was changed by hand. */
  readonly revert?: boolean
  /** Objects that are to be left alone from now on. */
  readonly ignore?: readonly string[]
  readonly y?: boolean
  readonly clearShadow?: ClearShadow | undefined
}

export type FindingCode =
  | 'running' // a migration is being applied at this moment
  | 'failed' // a migration has failed and needs a decision
  | 'missing-folder' // applied, and its folder is not here
  | 'pending' // not applied yet
  | 'out-of-order' // not applied, and older than one that is
  | 'edited' // changed after it was applied
  | 'no-way-back' // made by Prisma: no down, no snapshot
  | 'does-not-replay' // the applied migrations do not apply to an empty database
  | 'drift' // the database was changed by hand
  | 'schema-changed' // schema.prisma has changes that no migration holds
  | 'half-done' // a statement outside of a transaction left an invalid index, or a partition detached by half
  | 'snapshot-in-schema' // Prisma takes the snapshot of a migration for a part of the schema

export interface Finding {
  readonly code: FindingCode
  /** The migration or the object that it is about. */
  readonly about: string
  readonly cause: string
  /** The one command that repairs it. */
  readonly fix: string
}

export interface DoctorResult {
  readonly target: string
  readonly findings: readonly Finding[]
  /** What Prisma does not model. rays never drops any of these by itself. */
  readonly objects: readonly Pick<DatabaseObject, 'kind' | 'name' | 'table'>[]
  readonly ignored: readonly string[]
  /** What was done about drift, if that was asked for. */
  readonly done: {
    readonly action: 'adopted' | 'reverted'
    readonly migration?: string
    readonly script: string
  } | null
}

/** Beside the migrations, where neither Prisma nor rays takes it for one. */
const IGNORE_FILE = 'rays-ignore.txt'

/** @throws {FailedError} where drift cannot be repaired as asked; nothing was changed then */
export async function doctor(context: Context, options: DoctorOptions = {}): Promise<DoctorResult> {
  if (options.adopt !== undefined && options.revert) throw new UsageError('--adopt and --revert exclude each other.')
  const project = await openProject(context)
  const ignored = await ignoreList(project, options.ignore ?? [])
  const repairing = options.adopt !== undefined || options.revert === true
  const stand = await status(context)
  const findings: Finding[] = stand.migrations.flatMap((migration) => findingsOf(migration, stand.migrations, context))
  const all = await folders(project)
  const objectsAt = async (connection: Connection) => {
    const { objects } = await project.engine.structure(connection, project.schemas)
    return objects.map(({ kind, name, table }) => ({ kind, name, ...(table !== undefined && { table }) }))
  }
  return withConnection(project, context.host, { readOnly: !repairing }, async (connection) => {
    const read = () => historyOf(connection, all)
    const known = repairing ? await readAtRest(connection, read) : await read()
    const names = appliedIn(known)
    const applied = all.filter((migration) => names.has(migration.name))
    const pruned = stand.migrations.some(({ state }) => state === 'archived')
    const orderly = stand.counts.missing + stand.counts.failed + stand.counts.running === 0
    const work = () => drifted({ project, context, connection, applied, ignored, options, findings, pruned })
    const repair = () =>
      withLastingLock(context.config, context.host, connection, async () => {
        // What another run has applied meanwhile is no drift.
        const before = AppliedSet.of(known)
        before.doneElsewhere(AppliedSet.of(await historyOf(connection, all)), 'up', [])
        return work()
      })
    const done = orderly ? await (repairing ? repair() : work()) : null
    if (repairing && !orderly) {
      throw new FailedError(`First repair the history:\n${bullets(findings.map(({ cause }) => cause))}`, {
        code: 'E_HISTORY',
        hint: findings[0]!.fix,
      })
    }
    if (stand.schema.state === 'changed' && done?.action !== 'adopted') {
      findings.push({
        code: 'schema-changed',
        about: 'schema',
        cause: `The schema has changes that no migration holds:\n${stand.schema.summary}`,
        fix: 'rays makemigration --name <name>',
      })
    }
    findings.push(
      ...stand.halfDone.map(({ what, fix }) => ({ code: 'half-done' as const, about: 'database', cause: what, fix })),
    )
    findings.push(...snapshotFindings(project))
    return {
      target: connection.target,
      findings,
      // What repaired may have lost its connection at the very end, and told what became of it.
      objects: await (repairing
        ? withConnection(project, context.host, { readOnly: true }, objectsAt)
        : objectsAt(connection)),
      ignored,
      done,
    }
  })
}

function findingsOf(
  migration: Awaited<ReturnType<typeof status>>['migrations'][number],
  all: Awaited<ReturnType<typeof status>>['migrations'],
  { config }: Context,
): Finding[] {
  const { name } = migration
  const finding = (code: FindingCode, cause: string, fix: string): Finding => ({ code, about: name, cause, fix })
  const file = (base: string) => path.join(shortPath(config, config.migrationsDir), name, base)
  switch (migration.state) {
    case 'running':
      return [finding('running', `It is being applied at this moment: ${migration.failure}`, 'rays lock')]
    case 'failed': {
      const journal = /^going /.test(migration.failure ?? '')
      const fix = journal ? 'rays migrate --undo' : `npx prisma migrate resolve --rolled-back ${name}`
      if (migration.hook) return [finding('failed', `It is unfinished: ${migration.failure}`, 'rays migrate --resume')]
      return [finding('failed', `It has failed before: ${migration.failure}`, fix)]
    }
    case 'archived':
      return []
    case 'missing':
      return [finding('missing-folder', 'It is applied, and its folder is not here.', 'git pull')]
    case 'pending': {
      const late = all.some((other) => other.state === 'applied' && other.name > name)
      return late
        ? [finding('out-of-order', 'It is older than an applied migration.', 'rays migrate --allow-out-of-order')]
        : [finding('pending', 'It is not applied yet.', 'rays migrate')]
    }
    default: {
      const found: Finding[] = []
      if (migration.edited !== null) {
        const cause = `${migration.edited} was edited after it was applied.`
        found.push(finding('edited', cause, `git checkout -- ${file(migration.edited)}`))
      }
      if (migration.upOnly) found.push(finding('no-way-back', 'Prisma made it: it has no way back.', 'rays adopt'))
      return found
    }
  }
}

async function drifted(at: {
  project: Project
  context: Context
  connection: Connection
  applied: readonly Migration[]
  ignored: readonly string[]
  options: DoctorOptions
  findings: Finding[]
  pruned: boolean
}): Promise<DoctorResult['done']> {
  const { project, context, connection, applied, ignored, options, findings } = at
  const repairing = options.adopt !== undefined || options.revert === true
  try {
    const entries = await developmentOf(project.config)
    return await withReplayed(
      project,
      context.host,
      [...applied, ...entries],
      options.clearShadow,
      at.pruned,
      async (shadow) => {
        const drift = await compare(project, shadow, connection, ignored)
        if (drift.missing.length + drift.extra.length === 0) {
          if (!repairing) return null
          throw new UsageError('Nothing was changed by hand: there is nothing to repair.', { code: 'E_NO_CHANGES' })
        }
        if (!repairing) {
          findings.push(...driftFindings(drift, applied.length > 0))
          return null
        }
        const explained = await explain(project, context.host, shadow, connection, [...applied, ...entries], drift)
        return options.revert ? revert(at, explained) : adoptDrift(at, explained)
      },
    )
  } catch (error) {
    if (repairing || !(error instanceof RaysError) || error.code !== 'E_OPERATION') throw error
    findings.push({
      code: 'does-not-replay',
      about: 'migrations',
      cause: error.message,
      fix: 'rays makemigration --check',
    })
    return null
  }
}

function snapshotFindings({ config, schema }: Project): Finding[] {
  const [first] = schema.snapshots
  if (first === undefined) return []
  const more = schema.snapshots.length === 1 ? '' : ` and ${schema.snapshots.length - 1} more`
  const cause = `Prisma reads every .prisma file of the schema folder, snapshots of migrations, too: ${shortPath(config, first)}${more}.`
  return [{ code: 'snapshot-in-schema', about: 'schema', cause, fix: 'rays adopt' }]
}

function driftFindings({ missing, extra }: Drift, managed: boolean): Finding[] {
  const fix = managed ? 'rays doctor --adopt <name>' : 'rays prepare'
  const gone = missing.map((line) => ({ about: line, cause: 'A migration made it, and it is gone or different.' }))
  const there = extra.map((line) => ({ about: line, cause: 'It is in the database, and no migration made it.' }))
  return [...gone, ...there].map((found) => ({ code: 'drift' as const, ...found, fix }))
}

type At = Parameters<typeof drifted>[0]
type Explained = Awaited<ReturnType<typeof explain>>

/** The change becomes a migration that is recorded as applied; the schema follows where it is that of the newest migration. */
async function adoptDrift(
  { project, context, connection, options }: At,
  drift: Explained,
): Promise<DoctorResult['done']> {
  const { schema } = project
  refuseUnrepairable(drift.script, drift)
  const name = await safeName(options.adopt!)
  const { plan } = drift.reversal
  const draft: Draft = {
    slug: name,
    script: drift.script,
    operations: plan.operations,
    after: drift.next,
    readme: { summary: drift.summary, warnings: [], notes: plan.notes },
  }
  const place = await placeOf(project)
  await stopIfInterrupted(context.host, 'Interrupted; nothing was written.')
  const { migrations } = await makeRecorded({ context, project, connection }, async () => ({
    migrations: [await writeDraft(draft, place, context.host.now())],
  }))
  const written = migrations[0]!
  if (sameModels(schema.files, drift.previous)) {
    const instead = 'Make it writable, and write the adopted change into it.'
    await afterwards(context.host, { what: `the schema file ${schema.path} could not be written`, instead }, () =>
      writeSchema(schema, replaceModels(schema, drift.next)),
    )
  } else if (!sameModels(schema.files, drift.next)) {
    context.host.warn('The schema has changes of its own, so it was left: write the adopted change into it, too.')
  }
  return { action: 'adopted', migration: written.name, script: drift.script }
}

/** @throws {FailedError} where no statement leads there: comments, engines and character sets of MySQL's tables */
function refuseUnrepairable(statements: string, { missing, extra }: Explained): void {
  if (statements.trim() !== '') return
  throw new FailedError('What was changed by hand is nothing that a migration can change; nothing was done.', {
    code: 'E_NOT_REPAIRABLE',
    where: [...missing.map((line) => `- ${line}`), ...extra.map((line) => `+ ${line}`)].join('\n'),
    hint: 'Change it back by hand, or rays doctor --ignore <object>.',
  })
}

/** The proven way back, run on the database itself. */
async function revert({ project, context, connection, options }: At, drift: Explained): Promise<DoctorResult['done']> {
  const { reversal } = drift
  if (reversal.state === 'missing' || reversal.plan.irreversible.length > 0) {
    throw new FailedError('There is no proven way back for what was changed by hand; nothing was changed.', {
      code: 'E_NO_DOWN',
      where: reversal.plan.notes.join('\n'),
      hint: 'rays doctor --adopt <name> makes it a migration.',
    })
  }
  const statements = [...reversal.plan.operations].reverse().flatMap((operation) => operation.down?.statements ?? [])
  refuseUnrepairable(statements.join(''), drift)
  const script = statements.map((statement) => `${statement};\n`).join('')
  const found = findHazards(script, connection.syntax).map((hazard) => ({ ...hazard, migration: 'revert' }))
  const losing = (await countHazards(connection, found, project.schemas)).filter(
    (hazard) => hazard.destructive && hazard.rows !== 0,
  )
  for (const hazard of losing) context.host.warn(hazard.message)
  if (losing.length > 0 && !options.y) {
    const yes = await context.host.confirm({ message: `This loses data in ${connection.target}. Go on?`, flag: '--y' })
    if (!yes) throw new InterruptedError('Not confirmed; nothing was changed.')
  }
  await runScript(connection, script, {
    signal: context.host.signal,
    hint: ({ kind, hint }) => {
      const adopt = 'rays doctor --adopt <name> makes a migration of what was changed by hand.'
      return kind === 'data' ? `Correct the rows that do not fit. Or: ${adopt}` : (hint ?? adopt)
    },
    onLost: (cause) => {
      throw new DecisionError(
        'The connection was lost before the answer had come: it is unknown whether the change was undone.',
        { cause, code: 'E_COMMIT_UNKNOWN', hint: 'When the database is back: rays doctor tells.' },
      )
    },
  })
  return { action: 'reverted', script }
}

/** What is to be left alone, with what is added to it now. */
async function ignoreList({ config }: Project, more: readonly string[]): Promise<string[]> {
  const file = path.join(config.migrationsDir, IGNORE_FILE)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`, { hint: 'It is a list of names, one a line.' })
  })
  const known = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const added = more.filter((name) => !known.includes(name))
  if (added.length > 0) {
    const head = '# Objects of the database that are not managed by migrations: rays doctor leaves them alone.'
    await replaceFile(file, `${text === '' ? `${head}\n` : text.replace(/\n*$/, '\n')}${added.join('\n')}\n`)
  }
  return [...known, ...added]
}
