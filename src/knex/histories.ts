/** Knex's history and Prisma's kept in step: of the migrations in the project's folder both tell the same. */
import type { Row } from '../../engines/engine.js'
import { type MigrationRecord, nextBatch, Recorder, records } from '../history/recorder.js'
import { compareNames } from '../text.js'
import type { KnexSession } from './session.js'

/** Where Knex keeps its history. */
export interface KnexTable {
  readonly name: string
  readonly schema: string | undefined
}

/** What was written to Knex's table. */
export interface Synced {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The table's name as SQL. */
export function quoted(session: KnexSession, { name, schema }: KnexTable): string {
  const { quote } = session.engine
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`
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

/**
 * Makes Knex's table say of the project's folders what Prisma's table says: a migration that rays or Prisma applied is
 * added, one that they unapplied is removed. Where Prisma's table does not exist nothing is known, and nothing is changed.
 * @param names Knex's name of each folder, by the folder's name
 */
export async function syncToKnex(
  session: KnexSession,
  table: KnexTable,
  names: ReadonlyMap<string, string>,
): Promise<Synced> {
  const known = await readHistory(session)
  if (known === undefined) return { added: [], removed: [] }
  const target = quoted(session, table)
  const rows = await session.raw(`SELECT name, batch FROM ${target}`)
  const present = new Set(rows.map((row) => String(row.name)))
  // A migration that got a file of Knex's, or lost it, has another name there.
  for (const [folder, name] of names) {
    if (folder === name || present.has(name) || !present.delete(folder)) continue
    const p = session.syntax.placeholder
    await session.change(`UPDATE ${target} SET name = ${p(1)} WHERE name = ${p(2)}`, [name, folder])
    present.add(name)
  }
  const applied = known.filter((record) => record.state === 'applied' && names.has(record.name))
  const mirrored = new Set(applied.map((record) => names.get(record.name)!))
  const removed = [...names.values()].filter((name) => present.has(name) && !mirrored.has(name))
  const missing = applied.filter((record) => !present.has(names.get(record.name)!))
  for (const name of removed)
    await session.change(`DELETE FROM ${target} WHERE name = ${session.syntax.placeholder(1)}`, [name])
  for (const { record, batch } of inBatches(missing, rows)) {
    const p = session.syntax.placeholder
    await session.change(`INSERT INTO ${target} (name, batch, migration_time) VALUES (${p(1)}, ${p(2)}, ${p(3)})`, [
      names.get(record.name),
      batch,
      record.row.finishedAt ?? new Date(),
    ])
  }
  return { added: missing.map((record) => names.get(record.name)!), removed }
}

/** Each run of rays becomes a batch of its own after Knex's; what Prisma applied, which has no runs, is one batch. */
function inBatches(missing: readonly MigrationRecord[], rows: readonly Row[]) {
  let last = rows.reduce((most, row) => Math.max(most, Number(row.batch ?? 0)), 0)
  const numbers = new Map<number | undefined, number>()
  return [...missing].sort(byTime).map((record) => {
    const key = record.note?.batch
    const batch = numbers.get(key) ?? ++last
    numbers.set(key, batch)
    return { record, batch }
  })
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
  const logs = JSON.stringify({ ...record.note, batch, knex: knexBatch })
  await new Recorder(session).update(record.row.id, { logs })
}
