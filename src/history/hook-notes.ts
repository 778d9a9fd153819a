/**
 * What a migration's row says of a hook that runs outside of its transaction, before the hook begins: whatever ends the
 * process meanwhile, the row is unfinished and names the hook. For Prisma the migration has then failed, and it deploys
 * nothing, which is right: what the hook was to do may be missing.
 */
import { randomUUID } from 'node:crypto'
import type { LoadedMigration } from '../migrations/migration.js'
import { type HookNote, logsOf } from './note.js'
import { type MigrationRecord, type Recorder, records } from './recorder.js'
import { appliedNote, begunRow } from './rows.js'
import type { ExecuteOptions } from './running.js'

/** Whether the hook runs behind the migration's own work, in the direction of the note. */
export function isBehind({ hook, dir }: HookNote): boolean {
  if (isForAll(hook)) return hook === 'afterAll'
  return hook.startsWith('after') === (dir === 'up')
}

/** Whether the hook is one of raysconfig's, for a whole run. */
export function isForAll(hook: string): hook is 'beforeAll' | 'afterAll' {
  return hook === 'beforeAll' || hook === 'afterAll'
}

/** Whether what the migration itself does is in the database. */
export function isThere(note: HookNote): boolean {
  return isBehind(note) === (note.dir === 'up')
}

/** How things stand, as the end of a sentence about a migration. */
export function whereItStands(note: HookNote): string {
  if (note.dir === 'up') return isThere(note) ? 'the migration itself is applied' : 'nothing of the migration was done'
  return isThere(note) ? 'the migration itself is still applied' : 'the migration itself is undone'
}

/** What can be done about it. */
export function waysOn(note: HookNote): string {
  const back = note.hook === 'afterAll' ? '' : ', rays migrate --undo goes back'
  return `rays migrate --resume runs ${note.hook} again, rays migrate --skip-hook goes on as if it had ended well${back}.`
}

/**
 * What the row notes once the migration's own work is done, where a program runs behind it; undefined where none does.
 */
export function noteBehind(
  { around, direction, batch, records }: Pick<ExecuteOptions, 'around' | 'direction' | 'batch' | 'records'>,
  loaded: LoadedMigration,
): HookNote | undefined {
  const hook = around?.hookOf(loaded, 'behind')
  if (hook === undefined) return undefined
  const ops = loaded.operations.length
  const shared = { rays: 1, dir: direction, ops, state: 'idle', hook } as const
  if (direction === 'up') return { ...shared, batch, ...(loaded.codeHash && { js: loaded.codeHash }), op: ops }
  const before = records.find(({ name }) => name === loaded.migration.name)?.note
  return { ...shared, batch: before?.batch ?? batch, ...(before?.js && { js: before.js }), op: -1 }
}

/**
 * Notes that a hook begins which no step of the migration notes: one ahead of the migration, or one of a whole run. Returns
 * the note, and what takes it away again and leaves the rows as they were.
 */
export async function noteHook(
  recorder: Recorder,
  { migration, checksum, operations, codeHash }: LoadedMigration,
  what: {
    readonly hook: string
    readonly direction: 'up' | 'down'
    readonly batch: number
    readonly run?: readonly string[]
  },
): Promise<{ readonly note: HookNote; readonly remove: (recorder: Recorder) => Promise<void> }> {
  const { hook, direction, run } = what
  const { name } = migration
  const ops = operations.length
  const shared = { dir: direction, ops, state: 'idle', hook, ...(run && { run }) } as const
  const present = await recordOf(recorder, name)
  if (present === undefined || present.state === 'absent') {
    const note = {
      rays: 1 as const,
      ...shared,
      batch: what.batch,
      ...(codeHash && { js: codeHash }),
      op: direction === 'up' ? 0 : -1,
    }
    const id = randomUUID()
    await recorder.insert({ id, ...begunRow({ migration, checksum }, note) })
    return { note, remove: (session) => session.drop(id) }
  }
  const { id, finishedAt, logs } = present.row
  const { rays: _, ...before } = present.note ?? { rays: 1 }
  const finished = finishedAt && { finished: finishedAt.toISOString() }
  const note = { rays: 1 as const, ...before, ...shared, op: direction === 'up' ? ops : ops - 1, ...finished }
  await recorder.update(id, { finishedAt: null, logs: logsOf(note) })
  return { note, remove: (session) => session.update(id, { finishedAt, logs }) }
}

/** The hook has ended well, or counts as ended, or is not to be: the row says what is true of the migration itself. */
export async function closeHook(recorder: Recorder, { name, row }: MigrationRecord, note: HookNote): Promise<void> {
  if (isThere(note)) {
    const { finished } = note
    const logs = logsOf(appliedNote(note))
    await recorder.update(row.id, { finishedAt: finished ? new Date(finished) : new Date(), logs })
  } else if (isBehind(note) && !isForAll(note.hook)) await recorder.remove(name)
  else await recorder.drop(row.id)
}

/** What the history says of a migration now. */
export async function recordOf(recorder: Recorder, name: string): Promise<MigrationRecord | undefined> {
  return records((await recorder.read()) ?? []).find((record) => record.name === name)
}
