/** `rays status`: folders, history, live schema and schema.prisma, compared. Reads only. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Connection } from '../../engines/engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { SchemaInvalidError } from '../errors.js'
import { whereItStands } from '../history/hook-notes.js'
import { withLeftovers } from '../history/leftovers.js'
import { isHookNote } from '../history/note.js'
import { alikeNames } from '../history/plan.js'
import type { MigrationRecord } from '../history/recorder.js'
import { historyOf } from '../history/squashed.js'
import { running } from '../history/under-way.js'
import { developmentSnapshot } from '../migrations/development.js'
import { checksumMatches, readScript, readSnapshot } from '../migrations/directory.js'
import { warnOfNearHooks } from '../migrations/hooks.js'
import type { Migration } from '../migrations/migration.js'
import { snapshotOf } from '../schema/prisma-schema.js'
import { compareNames } from '../text.js'
import type { Context } from './host.js'
import { differsByItself } from './noise.js'
import { folders, messageOf, namespaceOf, openProject, type Project, withConnection } from './project.js'

export interface StatusOptions {
  readonly check?: boolean
  readonly strict?: boolean
}

export interface MigrationStatus {
  readonly name: string
  /** running: being applied or unapplied at this moment. missing: applied, but without a folder here. archived: the same, and older than every folder: those were deleted. */
  readonly state: 'applied' | 'pending' | 'running' | 'failed' | 'missing' | 'archived'
  readonly appliedAt: string | null
  readonly batch: number | null
  /** Which file was edited after it was applied. */
  readonly edited: 'migration.sql' | 'migration.js' | null
  /** Where a failed or a running one stands. */
  readonly failure: string | null
  /** What runs around it and has not ended: a program of its folder, `beforeAll` or `afterAll`. */
  readonly hook: string | null
  /** It has no way down yet (made by Prisma). */
  readonly upOnly: boolean
}

export interface StatusResult {
  readonly target: string
  readonly provider: string
  readonly migrations: readonly MigrationStatus[]
  readonly counts: {
    readonly applied: number
    readonly pending: number
    readonly running: number
    readonly failed: number
    readonly missing: number
    readonly edited: number
  }
  /** The live schema against the newest applied migration: what was changed without one. */
  readonly drift: { readonly state: 'none' | 'drift' | 'unknown'; readonly summary: string }
  /** schema.prisma against the newest migration. */
  readonly schema: { readonly state: 'in-sync' | 'changed' | 'unknown' | 'invalid'; readonly summary: string }
  /** What a statement outside of a transaction left half-done: invalid indexes, which cost time and are never used. */
  readonly halfDone: readonly { readonly what: string; readonly fix: string }[]
  /** Whether the exit code should say that something is to be done. */
  readonly clean: boolean
  readonly strictlyClean: boolean
  readonly next: string
}

/** @throws {RaysError} when the database or the history cannot be read */
export async function status(context: Context): Promise<StatusResult> {
  const project = await openProject(context)
  const all = await folders(project)
  return withConnection(project, context.host, { readOnly: true }, async (connection) => {
    const known = await withLeftovers(connection, await historyOf(connection, all))
    const now = (await running(connection, known))?.record.name
    const migrations = await listStatus(all, known, now)
    const pending = new Set(migrations.filter(({ state }) => state === 'pending').map(({ name }) => name))
    for (const warning of alikeNames(
      all,
      all.filter(({ name }) => pending.has(name)),
    ))
      context.host.warn(warning)
    warnOfNearHooks(all, context.host.warn)
    const drift = await driftOf(project, connection, all, known, now)
    const schema = await schemaState(project, all)
    const halfDone = await halfDoneIn(project, connection)
    for (const { what, fix } of halfDone) context.host.warn(`${what}: ${fix}`)
    return summarise(connection, migrations, drift, schema, halfDone)
  })
}

/** @param now the migration that is being applied or unapplied */
async function listStatus(
  all: readonly Migration[],
  known: readonly MigrationRecord[],
  now: string | undefined,
): Promise<MigrationStatus[]> {
  const byName = new Map(known.map((record) => [record.name, record]))
  const present = await Promise.all(all.map((migration) => statusOf(migration, byName.get(migration.name), now)))
  const names = new Set(all.map((migration) => migration.name))
  const oldest = all[0]?.name
  const missing = known
    .filter((record) => !names.has(record.name) && record.state !== 'absent')
    .map((record) => ({
      ...fromRecord(record, now),
      state:
        record.state === 'failed'
          ? stateOf(record, now)
          : oldest !== undefined && compareNames(record.name, oldest) < 0
            ? ('archived' as const)
            : ('missing' as const),
      edited: null,
      upOnly: false,
    }))
  return [...present, ...missing].sort((a, b) => compareNames(a.name, b.name))
}

/** Of a migration that is recorded. */
function stateOf(record: MigrationRecord, now: string | undefined): 'applied' | 'failed' | 'running' {
  if (record.state === 'applied') return 'applied'
  return record.name === now ? 'running' : 'failed'
}

function fromRecord(record: MigrationRecord, now: string | undefined) {
  const { note, row } = record
  const doubt = record.name === now ? 'is being done' : 'is in doubt'
  const why = note?.dir === undefined || note.error === undefined ? '' : `: ${note.error.slice(0, 2000)}`
  const left = record.left === undefined ? '' : `. Not done: ${record.left.join('; ')}`
  const hook = record.state === 'failed' && isHookNote(note) ? note : undefined
  const journal = hook
    ? `${hook.hook} ${record.name === now ? 'is running' : 'was begun and has not ended'}, going ${hook.dir}: ${whereItStands(hook)}`
    : note?.dir === undefined
      ? undefined
      : `going ${note.dir}, operation ${note.op} of ${note.ops} ${note.state === 'running' ? doubt : 'comes next'}${left}${why}`
  const damaged = record.damaged === undefined ? '' : `its journal cannot be read, ${record.damaged}: `
  return {
    name: record.name,
    appliedAt: record.state === 'applied' ? (row.finishedAt?.toISOString() ?? null) : null,
    batch: record.state === 'applied' ? (note?.batch ?? null) : null,
    failure:
      record.state === 'failed'
        ? (journal ?? `${damaged}${row.logs?.trim().slice(0, 2000) ?? 'no reason was recorded'}`)
        : null,
    hook: hook?.hook ?? null,
  }
}

async function statusOf(
  migration: Migration,
  record: MigrationRecord | undefined,
  now: string | undefined,
): Promise<MigrationStatus> {
  const upOnly = migration.codeFile === undefined
  if (!record || record.state === 'absent') {
    const none = { appliedAt: null, batch: null, edited: null, failure: null, hook: null }
    return { name: migration.name, state: 'pending', ...none, upOnly }
  }
  const edited = record.state === 'applied' ? await editedFile(migration, record) : null
  return { ...fromRecord(record, now), state: stateOf(record, now), edited, upOnly }
}

async function editedFile(migration: Migration, record: MigrationRecord): Promise<MigrationStatus['edited']> {
  if (migration.sqlFile !== undefined && !checksumMatches(record.row.checksum, await readScript(migration)))
    return 'migration.sql'
  const recorded = record.note?.js
  if (recorded === undefined || migration.codeFile === undefined) return null
  const code = readFileSync(migration.codeFile)
  const hash = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')
  if (hash(code) === recorded) return null
  const text = code.toString('utf8')
  const same = [text.replace(/\r\n/g, '\n'), text.replace(/\r?\n/g, '\r\n')].some((other) => hash(other) === recorded)
  return same ? null : 'migration.js'
}

async function driftOf(
  project: Project,
  connection: Connection,
  all: readonly Migration[],
  known: readonly MigrationRecord[],
  now: string | undefined,
): Promise<StatusResult['drift']> {
  const applied = new Set(known.filter((record) => record.state === 'applied').map((record) => record.name))
  const newest = all.filter((migration) => applied.has(migration.name)).at(-1)
  const snapshot = newest === undefined ? undefined : await readSnapshot(newest)
  if (newest !== undefined && snapshot === undefined) {
    return { state: 'unknown', summary: `${newest.name} was made by Prisma and has no snapshot to compare with.` }
  }
  if (now !== undefined)
    return { state: 'unknown', summary: `${now} is being applied; what the schema should be is not known yet.` }
  if (known.some((record) => record.state === 'failed'))
    return { state: 'unknown', summary: 'A migration has failed; what the schema should be is not known.' }
  const from = snapshot === undefined ? { kind: 'empty' as const } : { kind: 'schema' as const, files: snapshot }
  try {
    const live = { kind: 'database' as const, connection, context: snapshot ?? project.schema.files }
    const diff = await project.schemaEngine.diff(from, live, { ...project.filter, summary: true })
    if (diff.empty) return { state: 'none', summary: '' }
    if (await inDevelopment(project, connection))
      return { state: 'none', summary: 'Changes were applied without a migration (rays draft, rays dev).' }
    // Nothing leads back from the database to the schema: an extension of PostgreSQL, say, that is always there.
    const back = await project.schemaEngine.diff(live, from, { ...project.filter, summary: false })
    if (back.empty) return { state: 'none', summary: '' }
    if (snapshot && (await differsByItself(project, snapshot, diff.script, 'database')))
      return { state: 'none', summary: '' }
    return { state: 'drift', summary: diff.summary.trim() || diff.script.trim() }
  } catch (error) {
    return { state: 'unknown', summary: messageOf(error) }
  }
}

/** In the namespaces that the schema is about. */
async function halfDoneIn(project: Project, connection: Connection): Promise<StatusResult['halfDone']> {
  const schemas = [...project.schemas, namespaceOf(project.config, project.engine)]
  const found = (await connection.leftovers?.()) ?? []
  return found
    .filter(({ legal, schema }) => !legal && schemas.includes(schema))
    .map(({ what, finish, remove }) => ({ what, fix: finish ?? remove ?? '' }))
}

/** The database is what `rays dev` or `rays draft` made of it: no drift. */
async function inDevelopment(project: Project, connection: Connection): Promise<boolean> {
  const files = await developmentSnapshot(project.config)
  if (files === undefined) return false
  const live = { kind: 'database' as const, connection, context: files }
  return (await project.schemaEngine.diff({ kind: 'schema', files }, live, { ...project.filter, summary: false })).empty
}

async function schemaState(project: Project, all: readonly Migration[]): Promise<StatusResult['schema']> {
  const newest = all.at(-1)
  const snapshot = newest === undefined ? undefined : await readSnapshot(newest)
  if (newest !== undefined && snapshot === undefined)
    return { state: 'unknown', summary: `${newest.name} has no snapshot to compare with.` }
  if (snapshot !== undefined && sameText(snapshot, snapshotOf(project.schema.files)))
    return { state: 'in-sync', summary: '' }
  const from =
    snapshot === undefined
      ? { kind: 'empty' as const }
      : { kind: 'schema' as const, files: snapshot as readonly SchemaFile[] }
  try {
    const diff = await project.schemaEngine.diff(
      from,
      { kind: 'schema', files: project.schema.files },
      { ...project.filter, summary: true },
    )
    return diff.empty
      ? { state: 'in-sync', summary: '' }
      : { state: 'changed', summary: diff.summary.trim() || diff.script.trim() }
  } catch (error) {
    return { state: error instanceof SchemaInvalidError ? 'invalid' : 'unknown', summary: messageOf(error) }
  }
}

/** A snapshot of a single file does not keep the file's name. */
function sameText(a: readonly SchemaFile[], b: readonly SchemaFile[]): boolean {
  return (
    a.length === b.length &&
    a.every((file, i) => file.content === b[i]!.content && (i === 0 || file.path === b[i]!.path))
  )
}

function summarise(
  connection: Connection,
  migrations: readonly MigrationStatus[],
  drift: StatusResult['drift'],
  schema: StatusResult['schema'],
  halfDone: StatusResult['halfDone'],
): StatusResult {
  const count = (state: MigrationStatus['state']) => migrations.filter((migration) => migration.state === state).length
  const counts = {
    applied: count('applied'),
    pending: count('pending'),
    running: count('running'),
    failed: count('failed'),
    missing: count('missing'),
    edited: migrations.filter((migration) => migration.edited !== null).length,
  }
  const clean =
    counts.pending + counts.running + counts.failed + counts.missing === 0 &&
    drift.state !== 'drift' &&
    schema.state !== 'invalid' &&
    halfDone.length === 0
  return {
    target: connection.target,
    provider: connection.version,
    migrations,
    counts,
    drift,
    schema,
    halfDone,
    clean,
    strictlyClean: clean && counts.edited === 0,
    next: nextCommand(
      counts,
      drift,
      schema,
      halfDone,
      migrations.find(({ hook }) => hook !== null),
    ),
  }
}

function nextCommand(
  counts: StatusResult['counts'],
  drift: StatusResult['drift'],
  schema: StatusResult['schema'],
  halfDone: StatusResult['halfDone'],
  open: MigrationStatus | undefined,
): string {
  if (counts.running > 0) return 'A migration is being applied: wait for it to end. rays lock shows who is at it.'
  if (open) return `${open.hook} of ${open.name} has not ended: rays migrate says what can be done.`
  if (counts.failed > 0) return 'A migration needs a decision: rays migrate says what can be done.'
  if (counts.missing > 0) return 'Get the missing folders: git pull.'
  if (drift.state === 'drift' && counts.applied === 0)
    return counts.pending > 0
      ? 'The database has tables and no history: if they are what the migrations make, rays migrate --fake records them.'
      : 'Start managing this database: rays prepare.'
  if (drift.state === 'drift')
    return 'The database was changed without a migration: write it into the schema, or undo it by hand.'
  if (counts.pending > 0) return 'Apply what is pending: rays migrate.'
  if (schema.state === 'invalid') return 'Correct the schema: prisma validate names the lines.'
  if (schema.state === 'changed') return 'Write a migration for the changed schema: rays makemigration --name <name>.'
  if (drift.state === 'none' && drift.summary !== '')
    return 'The schema is that of the migrations again, the database is not: rays draft brings it along.'
  if (schema.state === 'unknown') return 'Give the migrations that Prisma made snapshots and ways back: rays adopt.'
  if (halfDone.length > 0) return `Bring to its end what is half-done: ${halfDone[0]!.fix}.`
  return 'Everything is in step.'
}
