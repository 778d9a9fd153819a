/** Knex's history and Prisma's kept in step: of the migrations in the project's folder both tell the same. */
import type { Engine } from '../../engines/engine.js'
import { logsOf } from '../history/note.js'
import { type MigrationRecord, nextBatch, type OtherHistory, Recorder, records } from '../history/recorder.js'
import { type Absorbed, absorbed, asAbsorbed } from '../history/squashed.js'
import { checksum, readScript } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { compareNames } from '../text.js'
import { folderNameOf } from './names.js'
import type { KnexSession } from './session.js'

/** Where Knex keeps its history. */
export interface KnexTable {
  readonly name: string
  readonly schema: string | undefined
}

/** The migrations that Knex is given. */
export interface Listed {
  readonly folders: readonly Migration[]
  /** Knex's name of each folder, by the folder's name. */
  readonly names: ReadonlyMap<string, string>
  /** Knex's name of every migration, the project's own Knex files included. */
  readonly files: ReadonlySet<string>
}

/** What was written to the histories. */
export interface Synced {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** The squashed migrations that were recorded in place of their originals. */
  readonly absorbed: readonly Absorbed[]
  /** Migrations that Knex has run as far as its table tells, and of which Prisma's table holds nothing. */
  readonly untold: readonly string[]
}

const NOTHING: Synced = { added: [], removed: [], absorbed: [], untold: [] }

/** The table's name as SQL. */
export function quoted({ engine }: { readonly engine: Pick<Engine, 'quote'> }, { name, schema }: KnexTable): string {
  const { quote } = engine
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`
}

/**
 * Knex's history, told of a migration together with Prisma's: what Knex itself does after it has run one would come too late
 * where it fails.
 * @param names Knex's name of each folder, by the folder's name
 * @param batch the one that Knex runs; undefined: the next
 */
export function besidePrisma(
  session: KnexSession,
  table: KnexTable,
  names: Listed['names'],
  batch: number | undefined,
): Required<OtherHistory> {
  const target = quoted(session, table)
  const { literal } = session.engine
  const named = (name: string) => literal(names.get(name) ?? name)
  const next =
    batch === undefined ? `(SELECT COALESCE(MAX(batch), 0) + 1 AS batch FROM ${target})` : `(SELECT ${batch} AS batch)`
  return {
    title: `Knex's history ${table.name}`,
    removal: (name) => `DELETE FROM ${target} WHERE name = ${named(name)}`,
    addition: (name) =>
      `INSERT INTO ${target} (name, batch, migration_time) SELECT ${named(name)}, run.batch, ${session.dialect.now()} FROM ${next} AS run WHERE NOT EXISTS (SELECT 1 FROM ${target} AS same WHERE same.name = ${named(name)})`,
  }
}

/** The names in Knex's history. */
export async function knexNames(session: KnexSession, table: KnexTable): Promise<Set<string>> {
  const rows = await session.raw(`SELECT name FROM ${quoted(session, table)}`)
  return new Set(rows.map((row) => String(row.name)))
}

/** The migrations that Prisma's table knows; undefined where there is no such table. Asked first: an error would end a transaction. */
export async function readHistory(session: KnexSession): Promise<MigrationRecord[] | undefined> {
  if ((await session.raw(session.dialect.historyExists)).length === 0) return undefined
  const rows = await new Recorder(session).read()
  return rows && records(rows)
}

/** A row of Knex's history. */
interface KnexRow {
  readonly id: number
  readonly name: string
  readonly batch: number
}

/** In what Knex's table and Prisma's differ. */
interface Differences {
  /** Knex's names of today, by those that are in the table. */
  readonly renamed: ReadonlyMap<string, string>
  /** What Prisma's table says was rolled back. */
  readonly removed: readonly string[]
  /** See {@link Synced.untold}. */
  readonly untold: readonly string[]
  readonly same: boolean
  /** Squashed migrations whose originals are applied. */
  readonly squashed: readonly Absorbed[]
  /**
   * Rows whose migration is nowhere, and rolled back or an original that a squashed migration stands for: Knex takes a row
   * without a migration for a corrupt folder.
   */
  readonly gone: readonly KnexRow[]
  /** Rows beyond the first of a name. */
  readonly twice: readonly KnexRow[]
  readonly missing: readonly { readonly name: string; readonly batch: number; readonly at: Date }[]
}

/**
 * Makes Knex's table say of the project's folders what Prisma's table says: a migration that rays or Prisma applied is
 * added, one that was rolled back is removed, and one that failed stays as it is. Where Prisma's table does not exist, or
 * holds nothing of a migration, nothing is known, and nothing is changed: rays takes what it unapplies out of Knex's table
 * itself, so what is left there Knex has run, perhaps before anybody told Prisma. Several may do this at once: only what still differs when nobody else can is
 * changed. A squashed migration whose originals are applied is recorded in Prisma's table first, as rays does it.
 * @throws {LockError} when others are at it all the while; {@link DecisionError} where only some of the originals of a
 * squashed migration are applied
 */
export async function syncToKnex(
  session: KnexSession,
  table: KnexTable,
  listed: Listed,
  lockTimeoutMs: number,
): Promise<Synced> {
  const found = await differences(session, table, listed)
  if (found === undefined) return NOTHING
  if (found.same) return { ...NOTHING, untold: found.untold }
  const target = quoted(session, table)
  // Prisma's table is written under the lock of rays and Prisma; taken first, as a migration takes it.
  if (found.squashed.length > 0) await session.lock(lockTimeoutMs)
  return session.alone(target, lockTimeoutMs, async () => {
    const now = await differences(session, table, listed, session.dialect.latest)
    if (now === undefined) return NOTHING
    const p = session.syntax.placeholder
    const squashed = found.squashed.length > 0 ? now.squashed : []
    for (const each of squashed) await recordSquashed(session, each)
    for (const [before, name] of now.renamed)
      await session.change(`UPDATE ${target} SET name = ${p(1)} WHERE name = ${p(2)}`, [name, before])
    for (const { id } of [...now.twice, ...now.gone])
      await session.change(`DELETE FROM ${target} WHERE id = ${p(1)}`, [id])
    const removed = now.removed.filter((name) => found.removed.includes(name))
    for (const name of removed) await session.change(`DELETE FROM ${target} WHERE name = ${p(1)}`, [name])
    const missing = now.missing.filter(({ name }) => found.missing.some((other) => other.name === name))
    for (const { name, batch, at } of missing) {
      await session.change(`INSERT INTO ${target} (name, batch, migration_time) VALUES (${p(1)}, ${p(2)}, ${p(3)})`, [
        name,
        batch,
        at,
      ])
    }
    return { added: missing.map(({ name }) => name), removed, absorbed: squashed, untold: now.untold }
  })
}

/** The row of a squashed migration in place of those of its originals; again where a failure came between the two. */
async function recordSquashed(session: KnexSession, { migration, replaced }: Absorbed): Promise<void> {
  const { history, syntax, dialect } = session
  const named = history.isNamed(syntax.placeholder(1))
  const rows = await session.raw(
    `SELECT id FROM ${history.table} WHERE ${named} AND rolled_back_at IS NULL${dialect.latest}`,
    [migration.name],
  )
  if (rows.length === 0)
    await new Recorder(session).insertApplied(migration.name, checksum(await readScript(migration)))
  for (const { name } of replaced) await session.change(`DELETE FROM ${history.table} WHERE ${named}`, [name])
}

/** @param latest appended to the SELECT, so that it sees what was committed since the transaction began */
async function differences(
  session: KnexSession,
  table: KnexTable,
  { folders, names, files }: Listed,
  latest = '',
): Promise<Differences | undefined> {
  const read = await readHistory(session)
  if (read === undefined) return undefined
  const squashed = absorbed(folders, read)
  const known = await asAbsorbed(read, squashed)
  const found = await session.raw(`SELECT id, name, batch FROM ${quoted(session, table)} ORDER BY id${latest}`)
  const rows = found.map((row) => ({ id: Number(row.id), name: String(row.name), batch: Number(row.batch ?? 0) }))
  const present = new Set(rows.map((row) => row.name))
  const own = new Set(names.values())
  const twice = rows.filter(({ id, name }) => own.has(name) && rows.find((row) => row.name === name)!.id !== id)
  // A migration that got a file of Knex's, or lost it, has another name there.
  const renamed = new Map<string, string>()
  for (const { name: before } of rows) {
    const name = files.has(before) ? undefined : (names.get(before) ?? names.get(folderNameOf(before)))
    if (name === undefined || present.has(name)) continue
    present.delete(before)
    renamed.set(before, name)
    present.add(name)
  }
  const states = new Map(known.map((record) => [record.name, record.state]))
  const inState = (state: MigrationRecord['state'] | undefined) =>
    [...names].flatMap(([folder, name]) => (present.has(name) && states.get(folder) === state ? [name] : []))
  const removed = inState('absent')
  const untold = inState(undefined)
  const originals = new Set(
    folders.flatMap(({ name, replaces = [] }) => (states.get(name) === 'applied' ? replaces : [])),
  )
  const gone = rows.filter(
    ({ name }) =>
      !files.has(name) &&
      !renamed.has(name) &&
      [name, folderNameOf(name)].some((folder) => originals.has(folder) || states.get(folder) === 'absent'),
  )
  const applied = known.filter((record) => record.state === 'applied' && names.has(record.name))
  const today = rows.map((row) => ({ ...row, name: renamed.get(row.name) ?? row.name }))
  const missing = inBatches(applied, names, today)
    .filter(({ name }) => !present.has(name))
    .map(({ name, batch, record }) => ({ name, batch, at: record.row.finishedAt ?? new Date() }))
  const lists = [removed, squashed, gone, twice, missing]
  const same = renamed.size === 0 && lists.every((list) => list.length === 0)
  return { same, renamed, removed, untold, squashed, gone, twice, missing }
}

/**
 * Each run of rays is a batch of its own after Knex's, also where a part of it is in Knex's table already. What Prisma
 * applied has no runs: what stands together, between what others applied, is one batch.
 */
function inBatches(applied: readonly MigrationRecord[], names: ReadonlyMap<string, string>, rows: readonly KnexRow[]) {
  let last = rows.reduce((most, row) => Math.max(most, row.batch), 0)
  const ofRun = new Map<number, number>()
  let before: { readonly run: number | undefined; readonly batch: number; readonly made: boolean } | undefined
  return [...applied].sort(byTime).map((record) => {
    const name = names.get(record.name)!
    const run = record.note?.batch
    const row = rows.find((candidate) => candidate.name === name)
    const goesOn = before?.made && before.run === run ? before.batch : undefined
    const batch = row?.batch ?? (run === undefined ? goesOn : ofRun.get(run)) ?? ++last
    if (run !== undefined) ofRun.set(run, batch)
    before = { run, batch, made: row === undefined }
    return { name, batch, record }
  })
}

/**
 * Knex's own INSERT of a migration that it has run. Its row is there already ({@link besidePrisma}), perhaps in another batch;
 * where others had run it while Knex waited, it may not be.
 * @returns undefined where there was nothing to insert
 */
export async function insertOnce<T>(
  session: KnexSession,
  table: KnexTable,
  { name, batch }: { readonly name: string; readonly batch: number },
  lockTimeoutMs: number,
  insert: () => Promise<T>,
): Promise<T | undefined> {
  const target = quoted(session, table)
  const p = session.syntax.placeholder
  const present = async () => {
    const rows = await session.raw(`SELECT batch FROM ${target} WHERE name = ${p(1)}${session.dialect.latest}`, [name])
    if (rows.some((row) => Number(row.batch) !== batch))
      await session.change(`UPDATE ${target} SET batch = ${p(1)} WHERE name = ${p(2)}`, [batch, name])
    return rows.length > 0
  }
  if (await present()) return undefined
  if (session.engine.transactionalDdl && session.client.transacting) return insert()
  return session.alone(target, lockTimeoutMs, async () => ((await present()) ? undefined : insert()))
}

function byTime(a: MigrationRecord, b: MigrationRecord): number {
  return (a.row.finishedAt?.getTime() ?? 0) - (b.row.finishedAt?.getTime() ?? 0) || compareNames(a.name, b.name)
}

/** Notes in the row of a migration which batch of Knex's it belongs to, and the batch of rays that stands for it. */
export async function noteBatch(session: KnexSession, name: string, knexBatch: number): Promise<void> {
  const known = (await readHistory(session)) ?? []
  const record = known.find((candidate) => candidate.name === name && candidate.state === 'applied')
  if (!record?.note || record.note.knex !== undefined) return
  const same = known.find((other) => other.state === 'applied' && other.note?.knex === knexBatch)
  const batch = same?.note?.batch ?? nextBatch(known)
  const logs = logsOf({ ...record.note, batch, knex: knexBatch })
  await new Recorder(session).update(record.row.id, { logs })
}
