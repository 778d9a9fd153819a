/** Migrations that stand for others: what a database that has applied the others is told. */
import type { Connection } from '../../engines/engine.js'
import { DecisionError } from '../errors.js'
import { checksum, readScript } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { bullets, compareNames } from '../text.js'
import type { AppliedNote } from './note.js'
import { type HistorySession, type MigrationRecord, Recorder, records } from './recorder.js'

export interface Absorbed {
  readonly migration: Migration
  /** The applied migrations that it stands for. */
  readonly replaced: readonly MigrationRecord[]
}

/**
 * The squashed migrations whose originals are all applied, so that they are applied themselves. Originals that are still
 * in the folder are not replaced.
 * @throws {DecisionError} where only some of the originals are applied: neither they nor the whole can be run
 */
export function absorbed(folders: readonly Migration[], records: readonly MigrationRecord[]): Absorbed[] {
  const applied = new Map(records.flatMap((r) => (r.state === 'applied' ? [[r.name, r] as const] : [])))
  const here = new Set(folders.map((migration) => migration.name))
  return folders.flatMap((migration) => {
    const originals = (migration.replaces ?? []).filter((name) => !here.has(name))
    const replaced = originals.flatMap((name) => applied.get(name) ?? [])
    if (replaced.length === 0) return []
    if (replaced.length < originals.length && !applied.has(migration.name)) {
      const rest = originals.filter((name) => !applied.has(name))
      throw new DecisionError(
        `${migration.name} stands for ${originals.length} migrations, and this database has only some of them. Not applied:\n${bullets(rest)}`,
        {
          code: 'E_SQUASHED_PARTLY',
          data: { migration: migration.name, missing: rest },
          hint: `Bring the database to ${originals.at(-1)} with the folders as they were before the squash (git checkout), then come back and run rays migrate.`,
        },
      )
    }
    return [{ migration, replaced }]
  })
}

/** The records as they will be once the squashed migrations are recorded. */
export async function asAbsorbed(
  records: readonly MigrationRecord[],
  found: readonly Absorbed[],
): Promise<MigrationRecord[]> {
  if (found.length === 0) return [...records]
  const gone = new Set(found.flatMap(({ replaced }) => replaced.map(({ name }) => name)))
  const known = new Set(records.flatMap(({ name, state }) => (state === 'absent' ? [] : [name])))
  const added: MigrationRecord[] = []
  for (const { migration, replaced } of found) {
    if (known.has(migration.name)) continue
    gone.add(migration.name)
    const last = replaced.at(-1)!
    const row = { ...last.row, checksum: checksum(await readScript(migration)) }
    added.push({ ...last, name: migration.name, note: noteOf(replaced), row })
  }
  return [...records.filter(({ name }) => !gone.has(name)), ...added].sort((a, b) => compareNames(a.name, b.name))
}

/** The whole belongs to the batch in which the last of its originals was applied: undoing that batch undoes it. */
function noteOf(replaced: readonly MigrationRecord[]): AppliedNote | undefined {
  const batches = replaced.flatMap(({ note }) => note?.batch ?? [])
  return batches.length === 0 ? undefined : { rays: 1, batch: Math.max(...batches) }
}

/**
 * The history of a database as it counts for these folders, whether or not the squashed migrations are recorded yet. What
 * asks which migrations are applied asks here: by the rows alone, what the originals made would have been made by nobody.
 * @throws {DecisionError} see {@link absorbed}
 */
export async function historyOf(session: HistorySession, folders: readonly Migration[]): Promise<MigrationRecord[]> {
  const read = records((await new Recorder(session).read()) ?? [])
  return asAbsorbed(read, absorbed(folders, read))
}

/** The names of the migrations that a database has applied, by {@link historyOf}. */
export async function appliedOf(session: HistorySession, folders: readonly Migration[]): Promise<Set<string>> {
  return appliedIn(await historyOf(session, folders))
}

export function appliedIn(known: readonly MigrationRecord[]): Set<string> {
  return new Set(known.flatMap((record) => (record.state === 'applied' ? [record.name] : [])))
}

/**
 * Records the squashed migrations as applied in place of their originals, in one transaction: for Prisma as for rays the
 * history is then that of the folders.
 */
export async function recordAbsorbed(connection: Connection, found: readonly Absorbed[]): Promise<void> {
  const recorder = new Recorder(connection)
  for (const { migration, replaced } of found) {
    const sum = checksum(await readScript(migration))
    await connection.transaction({}, async () => {
      if ((await recorder.count(migration.name)) === 0)
        await recorder.insertApplied(migration.name, sum, new Date(), noteOf(replaced))
      // Another run may have recorded it since the history was read.
      for (const { name } of replaced) if ((await recorder.count(name)) > 0) await recorder.remove(name)
    })
  }
}
