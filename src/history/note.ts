/**
 * What rays notes in the `logs` of its rows, and how it is read back: a row is anybody's to write, so what is not exactly
 * what rays writes is none of its notes. Prisma reads the logs of failed rows only, and shows them as text.
 */

interface Common {
  readonly rays: 1
  /** The run of `rays migrate` in which the migration was applied, from 1. */
  readonly batch?: number
  /** The batch of Knex's in which it was applied, where Knex ran it. */
  readonly knex?: number
  /** sha256 of migration.js. */
  readonly js?: string
}

/** In the row of a migration that is applied. */
export interface AppliedNote extends Common {
  readonly dir?: undefined
}

/** The journal of a migration that is not in one transaction. */
export interface JournalNote extends Common {
  readonly dir: 'up' | 'down' | 'undo'
  /** Number of operations. */
  readonly ops: number
  /**
   * The boundary between what is applied and what is not: going up the next operation, from 0 to `ops`; going down the last
   * one that is still applied, from `ops - 1` to -1.
   */
  readonly op: number
  /** `running`: the operation was started and is not known to have ended. */
  readonly state: 'idle' | 'running'
  /** While undoing or unapplying: when the migration was applied, to be put back. */
  readonly finished?: string
  /** Why the migration is being undone. */
  readonly error?: string
  /** What was half-done in the database before the operation, by {@link Leftover.identity}. */
  readonly invalid?: readonly string[]
  /**
   * What runs around the migration and has not ended: a program of its folder, `beforeAll` or `afterAll`. No operation is in
   * doubt then.
   */
  readonly hook?: string
  /** The migrations that `beforeAll` or `afterAll` is about, in the order in which they run. */
  readonly run?: readonly string[]
}

export type RaysNote = AppliedNote | JournalNote

/** A note about a hook. */
export type HookNote = JournalNote & { readonly hook: string; readonly dir: 'up' | 'down' }

export function isHookNote(note: RaysNote | undefined): note is HookNote {
  return note?.dir !== undefined && note.dir !== 'undo' && note.hook !== undefined
}

/** A note as it stands in a row. */
export function logsOf(note: RaysNote): string {
  return JSON.stringify(note)
}

/** A note; or why what begins like one is none; or neither, where another wrote the logs. */
export interface ReadNote {
  readonly note?: RaysNote
  readonly damaged?: string
}

/** Reads the logs of a row. Never throws. */
export function readNote(logs: string | null): ReadNote {
  if (logs === null || !/^\s*\{[\s\S]*"rays"\s*:/.test(logs.slice(0, 1000))) return {}
  let parsed: unknown
  try {
    parsed = JSON.parse(logs)
  } catch {
    return /^\s*\{\s*"rays"\s*:/.test(logs) ? { damaged: 'it is cut off, or was changed' } : {}
  }
  const note = parsed as Record<string, unknown>
  if (!Object.hasOwn(note, 'rays')) return {}
  if (note.rays !== 1) return { damaged: 'another version of rays wrote it' }
  const damaged = wrongField(note) ?? (note.dir === undefined ? undefined : wrongPlace(note))
  return damaged === undefined ? { note: note as unknown as RaysNote } : { damaged }
}

/** The note of rays in a row's logs, or undefined where another wrote them, or wrote something else into them. */
export function parseNote(logs: string | null): RaysNote | undefined {
  return readNote(logs).note
}

const isText = (value: unknown) => typeof value === 'string'
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const isTime = (value: unknown) => isText(value) && !Number.isNaN(Date.parse(value as string))
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  batch: isCount,
  knex: isCount,
  js: isText,
  dir: (value) => value === 'up' || value === 'down' || value === 'undo',
  ops: isCount,
  op: (value) => value === -1 || isCount(value),
  state: (value) => value === 'idle' || value === 'running',
  finished: isTime,
  error: isText,
  invalid: isTexts,
  hook: isText,
  run: isTexts,
}

function wrongField(note: Readonly<Record<string, unknown>>): string | undefined {
  const wrong = Object.keys(FIELDS).find((name) => Object.hasOwn(note, name) && !FIELDS[name]!(note[name]))
  return wrong === undefined ? undefined : `its "${wrong}" is ${JSON.stringify(note[wrong])?.slice(0, 100)}`
}

/** Where the journal says that it stands must be a place that there is. */
function wrongPlace(note: Readonly<Record<string, unknown>>): string | undefined {
  const missing = ['ops', 'op', 'state'].find((name) => !Object.hasOwn(note, name))
  if (missing !== undefined) return `its "${missing}" is missing`
  const [op, ops] = [Number(note.op), Number(note.ops)]
  const begun = note.state === 'running'
  const [least, most] = note.dir === 'up' ? [0, begun ? ops - 1 : ops] : [begun ? 0 : -1, ops - 1]
  return op >= least && op <= most ? undefined : `it stands at operation ${op} of ${ops}, going ${note.dir}`
}
