/** What to run, from what is on disk, what is applied, and where to go. Pure: it reads nothing and changes nothing. */
import { closest, distance } from 'fastest-levenshtein'
import { DecisionError, UsageError } from '../errors.js'
import type { Migration } from '../migrations/migration.js'
import { bullets, compareNames } from '../text.js'
import { waysOn, whereItStands } from './hook-notes.js'
import { isHookNote } from './note.js'
import type { MigrationRecord } from './recorder.js'

/** Which way, and which migrations in the order in which they run. */
export interface Plan {
  readonly direction: 'up' | 'down'
  readonly migrations: readonly Migration[]
  /** The newest applied migration once the plan has run; undefined for none. */
  readonly target: Migration | undefined
  readonly warnings: readonly string[]
}

export interface PlanOptions {
  /** `zero`, `+N`, `-N`, a full name, a timestamp or a unique part of a name; undefined for the newest. */
  readonly target?: string
  /** The target as {@link safeName} writes it: what a migration is called that was made by this name. */
  readonly slug?: string
  /** Go up although applied migrations have no folder. */
  readonly ignoreMissing?: boolean
  /** Apply folders that are older than the newest applied migration. */
  readonly allowOutOfOrder?: boolean
  /** Only the record changes: failed, missing and out-of-order migrations do not stop it. */
  readonly fake?: boolean
  /** False where nothing holds the lock between two transactions (default true). */
  readonly lockedBetween?: boolean
}

/**
 * @throws {UsageError} for a target that is unknown or ambiguous; {@link DecisionError} for a history that must be
 * repaired first
 */
export function plan(
  folders: readonly Migration[],
  records: readonly MigrationRecord[],
  options: PlanOptions = {},
): Plan {
  const known = new Map(records.map((record) => [record.name, record]))
  const applied = records.filter((record) => record.state === 'applied')
  const isApplied = (name: string) => known.get(name)?.state === 'applied'
  const target = resolveTarget(folders, records, applied, options)

  if (!options.fake) refuseFailed(records, options.lockedBetween)
  const direction = directionTo(target, folders, isApplied, options.target)
  if (direction === 'down')
    return planDown(folders, options.fake ? records.filter((r) => r.state !== 'absent') : applied, target, options)
  return planUp(folders, records, applied, isApplied, target as Migration | undefined, options)
}

const ZERO = Symbol('zero')
type Target = Migration | typeof ZERO | undefined

function directionTo(
  target: Target,
  folders: readonly Migration[],
  isApplied: (name: string) => boolean,
  given?: string,
): 'up' | 'down' {
  if (target === ZERO) return 'down'
  if (given === undefined || target === undefined) return 'up'
  if (!isApplied(target.name)) return 'up'
  // An applied target: down, unless what is older than it and pending is all that is left to do.
  const laterApplied = folders.some((m) => isApplied(m.name) && compareNames(m.name, target.name) > 0)
  const olderPending = folders.some((m) => !isApplied(m.name) && compareNames(m.name, target.name) < 0)
  return !laterApplied && olderPending ? 'up' : 'down'
}

/**
 * @param lockedBetween false where nothing holds the lock between two transactions: the run that began it may be at it still
 * @throws {DecisionError} where a migration was left unfinished
 */
export function refuseFailed(records: readonly MigrationRecord[], lockedBetween = true): void {
  const failed = records.filter((record) => record.state === 'failed')
  if (failed.length === 0) return
  const hook = failed.map(({ note }) => note).find(isHookNote)
  const journal = failed.some((record) => record.note?.dir !== undefined)
  throw new DecisionError(
    `${failed.length === 1 ? 'A migration has' : `${failed.length} migrations have`} failed before, and the database needs a decision:\n${bullets(failed.map(describeFailure))}`,
    {
      code: 'E_FAILED_ROW',
      data: { failed: failed.map((record) => record.name) },
      hint: hook
        ? `${lockedBetween ? '' : `Behind a transaction pooler nothing shows whether the run that began ${hook.hook} is still at it: look before you go on. `}${waysOn(hook)}`
        : journal
          ? 'rays migrate --resume goes on, rays migrate --undo goes back.'
          : `If its changes are in the database: rays migrate --fake --name ${failed[0]!.name}. If they are not, or were removed by hand: prisma migrate resolve --rolled-back ${failed[0]!.name}, then rays migrate.`,
    },
  )
}

function describeFailure(record: MigrationRecord): string {
  const since = record.row.startedAt ? ` (started ${record.row.startedAt.toISOString()})` : ''
  const { note } = record
  if (isHookNote(note)) {
    return `${record.name}${since}: ${note.hook} was begun going ${note.dir} and has not ended; ${whereItStands(note)}`
  }
  if (note?.dir !== undefined) {
    const doing =
      note.state === 'running'
        ? `operation ${note.op} was started and is in doubt`
        : `it stopped before operation ${note.op}`
    const left = record.left === undefined ? '' : `. Not done: ${record.left.join('; ')}`
    return `${record.name}${since}: ${doing}, of ${note.ops} operations, going ${note.dir}${left}${quoted(note.error)}`
  }
  if (record.damaged !== undefined)
    return `${record.name}${since}: its journal cannot be read, ${record.damaged}${quoted(record.row.logs?.trim())}`
  return `${record.name}${since}${quoted(record.row.logs?.trim())}`
}

function quoted(reason: string | undefined): string {
  return reason ? `:\n    ${reason.slice(0, 2000).replace(/\n/g, '\n    ')}` : ''
}

function planUp(
  folders: readonly Migration[],
  records: readonly MigrationRecord[],
  applied: readonly MigrationRecord[],
  isApplied: (name: string) => boolean,
  target: Migration | undefined,
  options: PlanOptions,
): Plan {
  const warnings: string[] = []
  const last = target ?? folders.at(-1)
  const pending = folders.filter(
    (m) => !isApplied(m.name) && (last === undefined || compareNames(m.name, last.name) <= 0),
  )
  if (!options.fake) checkMissing(folders, applied, options.ignoreMissing === true, warnings)
  const here = new Set(folders.map((m) => m.name))
  const newest = applied.findLast((r) => here.has(r.name))
  const late = newest === undefined ? [] : pending.filter((m) => compareNames(m.name, newest.name) < 0)
  if (late.length > 0 && !options.fake && !options.allowOutOfOrder) {
    throw new DecisionError(
      `${late.map((m) => m.name).join(', ')} ${late.length === 1 ? 'is' : 'are'} older than ${newest!.name}, which is applied already.`,
      {
        code: 'E_OUT_OF_ORDER',
        data: { outOfOrder: late.map((m) => m.name), newest: newest!.name },
        hint: 'Rename the folder to a newer timestamp, or apply it late: rays migrate --allow-out-of-order.',
      },
    )
  }
  for (const record of records) {
    const count = record.rows.filter((row) => row.finishedAt !== null && row.rolledBackAt === null).length
    if (count > 1) warnings.push(`${record.name} is recorded as applied ${count} times.`)
  }
  warnings.push(...alikeNames(folders, pending))
  warnOfOrder(pending, warnings)
  const planned = new Set(pending)
  return {
    direction: 'up',
    migrations: pending,
    target: folders.findLast((m) => isApplied(m.name) || planned.has(m)),
    warnings,
  }
}

/**
 * Pending migrations that are easily taken for others: of the same second, so that only their names tell which is first,
 * or with names that are one name where files have no case. Prisma accepts both, and so does rays.
 */
export function alikeNames(folders: readonly Migration[], pending: readonly Migration[]): string[] {
  const alike = (key: (migration: Migration) => string | undefined, says: string) => {
    const wanted = new Set(pending.map(key))
    const names = new Map<string, string[]>()
    for (const migration of folders) {
      const own = key(migration)
      if (own !== undefined && wanted.has(own)) names.set(own, [...(names.get(own) ?? []), migration.name])
    }
    return [...names.values()].flatMap((same) => (same.length > 1 ? [`${same.join(', ')} ${says}`] : []))
  }
  return [
    ...alike(
      ({ timestamp }) => timestamp,
      'have the same timestamp: they are applied in this order. Rename those that are not applied yet, so that the timestamps tell it.',
    ),
    ...alike(
      ({ name }) => name.toLowerCase(),
      'differ in case only: macOS and Windows keep one of them. Rename those that are not applied yet.',
    ),
  ]
}

/** Prisma sorts by locale (Prisma: listMigrations.ts), rays by bytes: told where the two differ. */
function warnOfOrder(pending: readonly Migration[], warnings: string[]): void {
  // Where the digits tell the order, they tell it in any locale; the first comparison by locale takes a while.
  if (pending.every((m, i) => i === 0 || m.timestamp! > pending[i - 1]!.timestamp!)) return
  const names = pending.map((m) => m.name)
  const theirs = [...names].sort((a, b) => a.localeCompare(b))
  const first = names.findIndex((name, index) => name !== theirs[index])
  if (first === -1) return
  warnings.push(
    `rays applies ${names[first]} before ${theirs[first]}; Prisma would apply them the other way round. Give them different timestamps.`,
  )
}

function checkMissing(
  folders: readonly Migration[],
  applied: readonly MigrationRecord[],
  ignore: boolean,
  warnings: string[],
): void {
  const names = new Set(folders.map((m) => m.name))
  const missing = applied.filter((record) => !names.has(record.name)).map((record) => record.name)
  if (missing.length === 0) return
  const oldest = folders[0]
  const pruned = oldest !== undefined && missing.every((name) => compareNames(name, oldest.name) < 0)
  if (pruned || ignore) {
    warnings.push(`Applied, but without a folder here: ${missing.join(', ')}.`)
    return
  }
  throw new DecisionError(`The database has migrations that are not in the migrations folder:\n${bullets(missing)}`, {
    code: 'E_MISSING_FOLDER',
    data: { missing },
    hint: 'Get the folders (git pull), or go on without them: rays migrate --ignore-missing.',
  })
}

function planDown(
  folders: readonly Migration[],
  present: readonly MigrationRecord[],
  target: Target,
  options: PlanOptions,
): Plan {
  const after = (name: string) => target === ZERO || target === undefined || compareNames(name, target.name) > 0
  const names = new Map(folders.map((m) => [m.name, m]))
  const leaving = present.filter((record) => after(record.name)).reverse()
  const missing = leaving.filter((record) => !names.has(record.name)).map((record) => record.name)
  if (missing.length > 0 && !options.fake) {
    throw new DecisionError(
      `These applied migrations have no folder, so there is no down to run:\n${bullets(missing)}`,
      {
        code: 'E_MISSING_FOLDER',
        data: { missing },
        hint: 'Get the folders (git pull) and run the command again.',
      },
    )
  }
  return {
    direction: 'down',
    migrations: leaving.map((record) => names.get(record.name) ?? folderless(record.name)),
    target: target === ZERO ? undefined : target,
    warnings: [],
  }
}

/** A migration of which only the record is left: enough to remove the record. */
function folderless(name: string): Migration {
  return {
    name,
    directory: '',
    timestamp: /^\d{14}/.exec(name)?.[0],
    codeFile: undefined,
    sqlFile: undefined,
    snapshotPath: undefined,
  }
}

/**
 * The migration that a person means.
 * @throws {UsageError} when it is none or more than one
 */
function resolveTarget(
  folders: readonly Migration[],
  records: readonly MigrationRecord[],
  applied: readonly MigrationRecord[],
  { target: given, slug = '' }: PlanOptions,
): Target {
  if (given === undefined) return undefined
  if (given === 'zero' || given === '0') return ZERO
  const relative = /^([+-])(\d+)$/.exec(given)
  if (relative) return relativeTarget(folders, applied, relative[1] === '+', Number(relative[2]))
  const exact = folders.find((m) => m.name === given)
  if (exact) return exact
  const wanted = given.toLowerCase()
  const loose = (text: string) => text.replace(/_/g, '')
  const tiers: ((m: Migration) => boolean)[] = [
    (m) => m.timestamp === given,
    (m) => nameOnly(m) === wanted || (slug !== '' && loose(nameOnly(m)) === loose(slug)),
    (m) => m.name.toLowerCase().includes(wanted) || (slug !== '' && m.name.toLowerCase().includes(slug)),
  ]
  if (wanted !== '') {
    for (const matches of tiers) {
      const found = folders.filter(matches)
      if (found.length === 1) return found[0]
      if (found.length > 1) {
        throw new UsageError(
          `${JSON.stringify(given)} can mean ${found.length} migrations:\n${bullets(found.map((m) => m.name).slice(0, 20))}`,
          {
            code: 'E_AMBIGUOUS_TARGET',
            hint: 'Give more of the name, or the timestamp.',
          },
        )
      }
    }
  }
  if (records.some((record) => record.name === given && record.state !== 'absent')) {
    throw new DecisionError(`${given} is recorded in the database, and its folder is not here.`, {
      code: 'E_MISSING_FOLDER',
      data: { missing: [given] },
      hint: 'Get the folder (git pull) and run the command again.',
    })
  }
  throw new UsageError(`There is no migration ${JSON.stringify(given.slice(0, 300))}.`, {
    code: 'E_UNKNOWN_TARGET',
    hint: suggestion(folders, wanted),
  })
}

function nameOnly(migration: Migration): string {
  return migration.name.replace(/^\d{14}_?/, '').toLowerCase()
}

function suggestion(folders: readonly Migration[], wanted: string): string {
  if (folders.length === 0) return 'There are no migrations yet: rays makemigration --name init.'
  const candidates = folders.map(nameOnly)
  const text = wanted.slice(0, 300)
  // A mistyped part of a name counts as well: `fist` for first_users.
  const parts = candidates.flatMap((name, index) => name.split('_').map((part) => ({ part, index })))
  const part = closest(
    text,
    parts.map((each) => each.part),
  )
  const near = closest(text, candidates)
  const byPart = distance(text, part) <= 1 ? parts.find((each) => each.part === part)?.index : undefined
  const match = folders[byPart ?? candidates.indexOf(near)]!
  const close = byPart !== undefined || distance(text, near) <= Math.max(3, near.length / 2)
  return close
    ? `Did you mean ${match.name}? rays status lists all.`
    : 'rays status lists all migrations; `zero` undoes all.'
}

function relativeTarget(
  folders: readonly Migration[],
  applied: readonly MigrationRecord[],
  forward: boolean,
  count: number,
): Target {
  const names = new Set(applied.map((record) => record.name))
  if (forward) {
    const pending = folders.filter((m) => !names.has(m.name))
    if (count > pending.length)
      throw new UsageError(`+${count} asks for more than the ${pending.length} pending migrations.`, {
        code: 'E_UNKNOWN_TARGET',
        hint: 'rays migrate applies all of them.',
      })
    return pending[count - 1] ?? folders.filter((m) => names.has(m.name)).at(-1) ?? ZERO
  }
  if (count > applied.length)
    throw new UsageError(`-${count} asks for more than the ${applied.length} applied migrations.`, {
      code: 'E_UNKNOWN_TARGET',
      hint: 'rays migrate --name zero undoes all of them.',
    })
  if (count === applied.length) return ZERO
  const stay = applied[applied.length - count - 1]!
  const folder = folders.find((m) => m.name === stay.name)
  if (!folder)
    throw new DecisionError(`${stay.name} is applied but has no folder here.`, {
      code: 'E_MISSING_FOLDER',
      hint: 'Get the folder (git pull).',
    })
  return folder
}
