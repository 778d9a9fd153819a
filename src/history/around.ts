/** One migration and the programs around it, which run outside of its transaction. */
import type { Connection } from '../../engines/engine.js'
import { DecisionError, FailedError, RaysError } from '../errors.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { AppliedSet } from './applied-set.js'
import { refuseMissingDowns } from './downs.js'
import { closeHook, noteHook, recordOf, waysOn } from './hook-notes.js'
import { type HookNote, isHookNote, logsOf } from './note.js'
import { type MigrationRecord, Recorder, records } from './recorder.js'
import type { ExecuteOptions, Running } from './running.js'
import { changedHere, refuseMoved, stepError } from './transaction.js'

/** The migration alone. Returns the connection to go on with, where it may be another one. */
export type Step = (options: Running, loaded: LoadedMigration) => Promise<Connection | undefined>

/** The session that holds the lock. A hook may take hours, in which a server closes a connection that nobody uses. */
class Session {
  connection: Connection
  constructor(readonly options: Running) {
    this.connection = options.connection
  }

  get recorder(): Recorder {
    return new Recorder(this.connection, this.options.other)
  }

  /** Writes to the history what has to be written, on a new session where the old one was lost. */
  async write(work: (recorder: Recorder) => Promise<unknown>): Promise<void> {
    try {
      await work(this.recorder)
    } catch (error) {
      if (this.connection.engine.explain(error).kind !== 'connection') throw error
      this.connection = await this.options.reconnect()
      await work(this.recorder)
    }
  }
}

/** One migration, the program ahead of it and that behind it. */
export async function stepWithHooks(
  options: Running,
  loaded: LoadedMigration,
  step: Step,
): Promise<Connection | undefined> {
  const { around, connection } = options
  const ahead = around?.hookOf(loaded, 'ahead')
  const behind = around?.hookOf(loaded, 'behind')
  if (ahead === undefined && behind === undefined) return step(options, loaded)
  const { name } = loaded.migration
  const session = new Session(options)
  // While a program runs nobody may take its row for what a dead process left.
  const release = await holdLock(options, loaded)
  try {
    if (connection.lockPerTransaction) refuseMoved(options, name, await AppliedSet.now(session.recorder))
    if (ahead !== undefined) await runAhead(session, loaded, ahead)
    session.connection = (await step({ ...options, connection: session.connection }, loaded)) ?? session.connection
    if (behind !== undefined) await runBehind(session, loaded, step)
    return session.connection
  } finally {
    await release?.()
  }
}

/** Where each transaction takes the lock anew: nobody comes in between. */
export async function holdLock(options: Running, loaded: LoadedMigration): Promise<(() => Promise<void>) | undefined> {
  return options.connection.holdLock?.().catch(async (error: unknown) => {
    throw await stepError(error, options, loaded, '')
  })
}

async function runAhead(session: Session, loaded: LoadedMigration, hook: string): Promise<void> {
  const { direction, batch, around } = session.options
  const { name } = loaded.migration
  const present = await session.recorder.count(name)
  if (direction === 'up' ? present > 0 : present === 0) throw changedHere(name, direction)
  const { note, remove } = await noteHook(session.recorder, loaded, { hook, direction, batch })
  try {
    await around?.run(loaded, note)
  } catch (error) {
    if (error instanceof FailedError) await session.write(remove)
    throw error
  }
  await session.write(remove)
}

async function runBehind(session: Session, loaded: LoadedMigration, step: Step): Promise<void> {
  const { name } = loaded.migration
  const record = await recordOf(session.recorder, name)
  if (!record || !isHookNote(record.note)) throw changedHere(name, session.options.direction)
  await endBehind(session, loaded, { record, note: record.note, skip: false }, step)
}

interface Open {
  readonly record: MigrationRecord
  readonly note: HookNote
  /** It counts as ended. */
  readonly skip: boolean
}

async function endBehind(session: Session, loaded: LoadedMigration, open: Open, step: Step): Promise<void> {
  const { record, note, skip } = open
  try {
    if (!skip) await session.options.around?.run(loaded, note)
  } catch (error) {
    throw error instanceof FailedError ? await takeBack(session, loaded, note, error, step) : error
  }
  await session.write((recorder) => closeHook(recorder, record, note))
}

/** The program behind a migration failed by itself: the migration is taken back. Returns what to tell. */
async function takeBack(
  session: Session,
  loaded: LoadedMigration,
  note: HookNote,
  error: FailedError,
  step: Step,
): Promise<RaysError> {
  const { name } = loaded.migration
  const up = note.dir === 'up'
  const { message, code, where, hint } = error
  const told = { cause: error, code, where, hint }
  try {
    await turnBack(session, loaded, note, step)
  } catch (second) {
    const why = second instanceof Error ? second.message : String(second)
    const left = await noteAgain(session.recorder, name, note).catch(() => undefined)
    const ways = left ? waysOn(note) : second instanceof RaysError ? second.hint : undefined
    return new DecisionError(
      `${message} ${name} stays ${up ? 'applied' : 'unapplied'}, for it could not be undone: ${why}`,
      { ...told, hint: [hint, ways].filter(Boolean).join(' ') },
    )
  }
  return new FailedError(`${message} ${name} was undone: it is ${up ? 'not applied' : 'applied'}, as before.`, told)
}

/** Undoes what the migration itself did, without its programs. */
async function turnBack(session: Session, loaded: LoadedMigration, note: HookNote, step: Step): Promise<void> {
  const { name } = loaded.migration
  const { signal: _, around: __, guard: ___, ...rest } = session.options
  if (note.dir === 'up') refuseMissingDowns([loaded])
  else await session.write((recorder) => recorder.remove(name))
  const found = records((await session.recorder.read()) ?? [])
  const known = found.map((record) =>
    // To the journal the migration is applied: what cannot be undone is put back.
    record.name === name && record.row.finishedAt === null
      ? { ...record, state: 'applied' as const, row: { ...record.row, finishedAt: new Date() } }
      : record,
  )
  const direction = note.dir === 'up' ? ('down' as const) : ('up' as const)
  const expected = AppliedSet.of(found)
  const options = { ...rest, connection: session.connection, direction, migrations: [loaded], records: known, expected }
  session.connection = (await step(options, loaded)) ?? session.connection
}

/** What could not be undone has an unfinished hook still. Returns whether the row says so. */
async function noteAgain(recorder: Recorder, name: string, note: HookNote): Promise<boolean> {
  const record = await recordOf(recorder, name)
  if (note.dir !== 'up' || !record) return false
  if (isHookNote(record.note)) return true
  if (record.state !== 'applied') return false
  await recorder.update(record.row.id, { finishedAt: null, logs: logsOf(note) })
  return true
}

/**
 * Goes on with, or back from, a migration whose program had not ended behind it.
 * @throws what {@link Around.run} throws; {@link UsageError} where it is to be undone and has no downs
 */
export async function resumeBehind(
  options: ExecuteOptions,
  loaded: LoadedMigration,
  open: Open & { readonly undo: boolean },
  step: Step,
): Promise<'applied' | 'unapplied'> {
  const session = new Session({ ...options, expected: AppliedSet.of(options.records) })
  if (open.undo) await turnBack(session, loaded, open.note, step)
  else await endBehind(session, loaded, open, step)
  return (open.note.dir === 'up') === open.undo ? 'unapplied' : 'applied'
}
