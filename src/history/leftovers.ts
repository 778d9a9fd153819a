/** What an operation outside of a transaction left half-done: whose it is, and what becomes of it. */
import type { Connection, Leftover } from '../../engines/engine.js'
import { DecisionError } from '../errors.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { textsOf } from '../migrations/plain.js'
import { bullets } from '../text.js'
import type { JournalNote } from './note.js'
import type { MigrationRecord } from './recorder.js'

type Session = Pick<Connection, 'leftovers'>

/** An operation in doubt. */
export interface Doubt {
  readonly loaded: LoadedMigration
  readonly note: JournalNote
}

/** What is half-done before an operation begins, as its note keeps it; undefined where the database leaves nothing. */
export async function halfDone(connection: Session): Promise<readonly string[] | undefined> {
  const found = await connection.leftovers?.()
  return found?.filter(({ legal }) => !legal).map(({ identity }) => identity)
}

/** What is half-done since an operation began. */
export async function leftSince(
  connection: Session,
  { invalid = [] }: Pick<JournalNote, 'invalid'>,
): Promise<Leftover[]> {
  const before = new Set(invalid)
  return ((await connection.leftovers?.()) ?? []).filter(({ legal, identity }) => !legal && !before.has(identity))
}

/** What an operation that ended well was to make, or to bring to its end, and is half-done all the same. */
export async function leftOf(connection: Session, { loaded, note }: Doubt): Promise<Leftover[]> {
  const found = (await connection.leftovers?.()) ?? []
  if (found.length === 0) return []
  const text = await textOf({ loaded, note })
  const before = new Set(note.invalid)
  return found.filter((left) => {
    if (left.legal) return isValidated(left, text)
    // What was there before is its own where it asks for it by name, and the database may have found it good enough.
    return before.has(left.identity) ? MAY_FIND.test(text) && mentions(text, left.name) : isNamed(left, text)
  })
}

const MAY_FIND = /\bif\s+not\s+exists\b|\breindex\b/i

/** What an operation in doubt left: it was not done. */
export async function leftIn(connection: Session, doubt: Doubt): Promise<Leftover[]> {
  const [since, own] = [await leftSince(connection, doubt.note), await leftOf(connection, doubt)]
  return [...since, ...own.filter(({ identity }) => !since.some((other) => other.identity === identity))]
}

/** What a person can do about what was left. @param command `rays migrate --resume` */
export function wayOut(left: readonly Leftover[], { note }: Doubt, command: string): string {
  const before = new Set(note.invalid)
  const ends = left.filter(({ identity, remove }) => before.has(identity) || remove === undefined)
  const again = `${command} --retry-op ${note.op}`
  if (ends.length === 0) return `${again} takes away what it left, and runs it again.`
  const statements = ends.flatMap(({ finish }) => finish ?? [])
  if (statements.length === 0) return `${again} runs it again.`
  return `Bring it to its end: ${statements.join('; ')}. Then: ${command} --skip-op ${note.op}.`
}

/** @throws {DecisionError} where the operation cannot count as done */
export async function refuseSkip(connection: Session, doubt: Doubt, command: string): Promise<void> {
  const left = await leftIn(connection, doubt)
  if (left.length === 0) return
  const { name } = doubt.loaded.migration
  throw new DecisionError(
    `Operation ${doubt.note.op} of ${name} cannot count as done: something of it is half-done.\n${bullets(left.map(({ what }) => what))}`,
    {
      code: 'E_HALF_DONE',
      data: { migration: name, operation: doubt.note.op, left: left.map(({ what }) => what) },
      hint: wayOut(left, doubt, command),
    },
  )
}

/**
 * Takes away what an operation in doubt left of its own, so that it can be run again, or gone back from. What the operation
 * itself takes away, and a constraint that it is to validate, stay for it.
 * @throws {DecisionError} for what cannot be told to be the operation's, or cannot be taken away
 */
export async function takeAway(connection: Session & Pick<Connection, 'raw'>, doubt: Doubt): Promise<void> {
  const left = (await leftIn(connection, doubt)).filter(({ legal }) => !legal)
  if (left.length === 0) return
  const { name } = doubt.loaded.migration
  const text = await textOf(doubt)
  const before = new Set(doubt.note.invalid)
  const own = left.filter((each) => isNamed(each, text) && !before.has(each.identity))
  const others = left.filter((each) => !before.has(each.identity) && (!own.includes(each) || each.remove === undefined))
  if (others.length > 0) {
    throw new DecisionError(
      `Operation ${doubt.note.op} of ${name} cannot be run again yet: something is half-done that rays does not take away by itself.\n${bullets(others.map(told))}`,
      {
        code: 'E_HALF_DONE',
        data: { migration: name, operation: doubt.note.op, left: others.map(({ what }) => what) },
        hint: 'Bring it to its end or take it away by hand, with the statement that is named; then run the command again.',
      },
    )
  }
  for (const { remove, name } of own) if (!dropsIndex(name, text)) await connection.raw(remove ?? '')
}

/** The records, with what an operation in doubt left in the database. */
export async function withLeftovers(
  connection: Session,
  known: readonly MigrationRecord[],
): Promise<readonly MigrationRecord[]> {
  const inDoubt = ({ state, note }: MigrationRecord) =>
    state === 'failed' && note?.dir !== undefined && note.state === 'running'
  if (!connection.leftovers || !known.some(inDoubt)) return known
  return Promise.all(
    known.map(async (record) => {
      if (!inDoubt(record) || record.note?.dir === undefined) return record
      const left = await leftSince(connection, record.note)
      return left.length === 0 ? record : { ...record, left: left.map(({ what }) => what) }
    }),
  )
}

function told({ what, finish, remove }: Leftover): string {
  const statement = finish ?? remove
  return statement === undefined ? what : `${what}: ${statement}`
}

/** What the operation in question sends, or the source of its function. */
async function textOf({ loaded, note }: Doubt): Promise<string> {
  const [up, down] = loaded.operations[note.op] ?? []
  const run = note.dir === 'up' ? up : down
  if (!run) return ''
  const texts = await textsOf(run)
  return [
    ...(texts ?? [String(run)]),
    loaded.knex ? String(note.dir === 'up' ? loaded.knex.up : loaded.knex.down) : '',
  ].join('\n')
}

const pattern = (name: string) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function mentions(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w$])${pattern(name)}(?![\\w$])`, 'i').test(text)
}

function isNamed({ name, table, nameMadeUp }: Leftover, text: string): boolean {
  return /\b(?:(?:re)?index|partition)\b/i.test(text) && (mentions(text, name) || (nameMadeUp && mentions(text, table)))
}

function isValidated({ name }: Leftover, text: string): boolean {
  return /\bvalidate\s+constraint\b/i.test(text) && mentions(text, name)
}

function dropsIndex(name: string, text: string): boolean {
  const before = String.raw`\bdrop\s+index(?:\s+concurrently)?(?:\s+if\s+exists)?\s+(?:[\w$"]+\s*\.\s*)?`
  return new RegExp(`${before}"?${pattern(name)}"?(?![\\w$])`, 'i').test(text)
}
