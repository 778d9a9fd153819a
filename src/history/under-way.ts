/** What a history leaves unfinished: whether somebody is at it at this moment, or it was left so. */
import type { Connection } from '../../engines/engine.js'
import { DecisionError, LockError } from '../errors.js'
import type { JournalNote } from './note.js'
import type { MigrationRecord } from './recorder.js'

/**
 * A migration that is being applied or undone operation by operation at this moment: its row is unfinished, and the lock is
 * held. Without that it has failed. Where it stopped for a reason, nobody is at it, whoever has the lock.
 */
export async function running(
  connection: Pick<Connection, 'lockHolder'>,
  records: readonly MigrationRecord[],
): Promise<{ readonly record: MigrationRecord; readonly holder: string } | undefined> {
  const record = unfinished(records)
  const note = record?.note
  if (!record || !note?.dir || (note.error !== undefined && note.dir !== 'undo')) return undefined
  const holder = await connection.lockHolder({ migrating: true })
  return holder === undefined ? undefined : { record, holder }
}

/** @throws {LockError} while a migration is being applied or unapplied: nobody can tell yet what will be left to do */
async function refuseRunning(
  connection: Pick<Connection, 'lockHolder'>,
  known: readonly MigrationRecord[],
): Promise<void> {
  const found = await running(connection, known)
  if (found === undefined) return
  throw new LockError(
    `${found.record.name} is being ${found.record.note?.dir === 'up' ? 'applied' : 'unapplied'} at this moment: the migration lock is held by ${found.holder}.`,
    { hint: 'Wait for it to end: rays status shows how far it is.' },
  )
}

/** A migration's record that rays left unfinished, if there is one; one whose journal cannot be read, if there is no other. */
export function unfinished(records: readonly MigrationRecord[]): MigrationRecord | undefined {
  const failed = records.filter(({ state }) => state === 'failed')
  return failed.find(({ note }) => note?.dir !== undefined) ?? failed.find(({ damaged }) => damaged !== undefined)
}

/** @throws {DecisionError} where the journal of an unfinished migration says nothing of use */
export function journalOf({ name, note, damaged }: MigrationRecord): JournalNote {
  if (note?.dir !== undefined) return note
  const why = damaged === undefined ? 'its row has no journal' : `its journal cannot be read, ${damaged}`
  throw new DecisionError(`${name} was left unfinished, and nobody can tell where it stands: ${why}.`, {
    code: 'E_NO_JOURNAL',
    hint: `Look at the database. If its changes are there: rays migrate --fake --name ${name}. If they are not, or were removed by hand: prisma migrate resolve --rolled-back ${name}.`,
  })
}

/**
 * Reads the history until it is at rest: a run that is at a migration may end between the reading of its row and the question
 * who holds the lock, and its row is no failure.
 * @throws {LockError} while a migration is being applied or unapplied
 */
export async function readAtRest(
  connection: Pick<Connection, 'lockHolder'>,
  read: () => Promise<readonly MigrationRecord[]>,
): Promise<readonly MigrationRecord[]> {
  let known = await read()
  for (let left = unfinished(known); left !== undefined; ) {
    await refuseRunning(connection, known)
    known = await read()
    const now = unfinished(known)
    if (now?.row.id === left.row.id && now.row.logs === left.row.logs) return known
    left = now
  }
  return known
}
