/** What a row of the history says when it is written: the one place that knows which columns mean what (docs/how-it-works.md). */
import type { LoadedMigration } from '../migrations/migration.js'
import { type AppliedNote, type JournalNote, logsOf } from './note.js'
import type { NewRow } from './recorder.js'

type Loaded = Pick<LoadedMigration, 'migration' | 'checksum' | 'operations' | 'codeHash'>

/** How many steps an applied migration shows: Prisma writes 1 for each, and 0 means that it was only recorded. */
export function stepsOf({ length }: readonly unknown[]): number {
  return Math.max(1, length)
}

/** The note of an applied migration. */
export function appliedNote({ batch, knex, js }: Pick<AppliedNote, 'batch' | 'knex' | 'js'>): AppliedNote {
  return {
    rays: 1,
    ...(batch !== undefined && { batch }),
    ...(knex !== undefined && { knex }),
    ...(js && { js }),
  }
}

/** A migration that has been applied. */
export function appliedRow(loaded: Loaded, at: { readonly startedAt: Date; readonly batch: number }): NewRow {
  const { migration, checksum, operations, codeHash } = loaded
  const logs = logsOf(appliedNote({ batch: at.batch, ...(codeHash && { js: codeHash }) }))
  const { startedAt } = at
  return { name: migration.name, checksum, startedAt, finishedAt: new Date(), logs, steps: stepsOf(operations) }
}

/** A migration that has begun: nothing of it is done. */
export function begunRow(loaded: Pick<Loaded, 'migration' | 'checksum'>, note: JournalNote): NewRow {
  return failedRow(loaded, logsOf(note))
}

/** A migration that has failed, as Prisma leaves one; what it did may be in the database. @param why for a person */
export function failedRow({ migration, checksum }: Pick<Loaded, 'migration' | 'checksum'>, why: string): NewRow {
  return { name: migration.name, checksum, startedAt: new Date(), finishedAt: null, logs: why, steps: 0 }
}
