/**
 * Which migrations are applied, as a plan was made from it. Where each transaction takes the lock anew, each asks whether that
 * still holds: between two of them another run may have gone the other way, or further.
 */
import type { HistoryDialect, Row } from '../../engines/engine.js'
import { LockError } from '../errors.js'
import { type MigrationRecord, type Recorder, records } from './recorder.js'

/** Present in the history: applied, or begun and not brought to its end. */
type State = 'applied' | 'failed'

export class AppliedSet {
  private constructor(private readonly states: ReadonlyMap<string, State>) {}

  static of(known: readonly MigrationRecord[]): AppliedSet {
    return new AppliedSet(new Map(known.flatMap(({ name, state }) => (state === 'absent' ? [] : [[name, state]]))))
  }

  /** @param rows the answer to {@link statesSql} */
  static read(rows: readonly Row[]): AppliedSet {
    const states = new Map<string, State>()
    for (const { name, unfinished } of rows) {
      const failed = Number(unfinished) > 0 || states.get(String(name)) === 'failed'
      states.set(String(name), failed ? 'failed' : 'applied')
    }
    return new AppliedSet(states)
  }

  static async now(recorder: Recorder): Promise<AppliedSet> {
    return AppliedSet.of(records((await recorder.read()) ?? []))
  }

  get names(): string[] {
    return [...this.states.keys()]
  }

  /** As it is once these were applied, or unapplied. */
  after(direction: 'up' | 'down', names: readonly string[]): AppliedSet {
    const states = new Map(this.states)
    for (const name of names) {
      if (direction === 'up') states.set(name, 'applied')
      else states.delete(name)
    }
    return new AppliedSet(states)
  }

  /**
   * How many of the migrations that are to be run another run has done meanwhile, which did nothing else.
   * @param now what the history says now
   * @param names what is left of the plan, in its order
   * @throws {LockError} (4) where another run went another way, or is at a migration now
   */
  doneElsewhere(now: AppliedSet, direction: 'up' | 'down', names: readonly string[]): number {
    const changed = [...new Set([...this.names, ...now.names])].filter(
      (name) => this.states.get(name) !== now.states.get(name),
    )
    const wanted = direction === 'up' ? 'applied' : undefined
    const next = new Set(names.slice(0, changed.length))
    if (changed.every((name) => next.has(name) && now.states.get(name) === wanted)) return changed.length
    const unfinished = changed.find((name) => now.states.get(name) === 'failed')
    if (unfinished !== undefined) throw begunElsewhere(unfinished)
    throw changedMeanwhile(
      changed.filter((name) => now.states.has(name)),
      changed.filter((name) => !now.states.has(name)),
    )
  }
}

/** The history's rows that count, for {@link AppliedSet.read}. */
export function statesSql({ table }: HistoryDialect): string {
  return `SELECT migration_name AS name, CASE WHEN finished_at IS NULL THEN 1 ELSE 0 END AS unfinished FROM ${table} WHERE rolled_back_at IS NULL`
}

/** A query that counts `n` as many as there are names only where exactly these are applied. @param names as SQL expressions */
export function exactlySql({ table, isNamed }: HistoryDialect, names: readonly string[]): string {
  const one = names.length === 0 ? '1 = 0' : `(${names.map(isNamed).join(' OR ')})`
  const right = `finished_at IS NOT NULL AND ${one}`
  return `SELECT COUNT(DISTINCT CASE WHEN ${right} THEN migration_name END) - COUNT(CASE WHEN ${right} THEN NULL ELSE 1 END) AS n FROM ${table} WHERE rolled_back_at IS NULL`
}

/** Another run began it, and may be at it still: whoever tries again finds it done, or is told what was left. */
function begunElsewhere(name: string): LockError {
  return new LockError(`Another run began ${name} meanwhile, and has not ended it; nothing more of the plan was run.`, {
    hint: 'Give the command again once that run has ended. Where none is under way rays status shows what it left.',
  })
}

/** Where what another run has done is not what was meant. */
export function doneAlready(direction: 'up' | 'down', names: readonly string[]): LockError {
  return direction === 'up' ? changedMeanwhile(names, []) : changedMeanwhile([], names)
}

/** @param applied now and not before @param unapplied before and not now */
export function changedMeanwhile(applied: readonly string[], unapplied: readonly string[]): LockError {
  const told = [
    ...(applied.length > 0 ? [`applied ${applied.join(', ')}`] : []),
    ...(unapplied.length > 0 ? [`unapplied ${unapplied.join(', ')}`] : []),
  ]
  return new LockError(
    `Another run ${told.join(' and ') || 'emptied the history'} meanwhile, so the plan no longer fits the database; nothing more of it was run.`,
    {
      hint: 'rays status shows where things stand; then give the command again that leads from there.',
    },
  )
}
