/** Migrations that were made on two branches from the same snapshot, found by their snapshots and scripts. */
import { readFileSync } from 'node:fs'
import { splitStatements } from '../../engines/sql/scanner.js'
import { FailedError } from '../errors.js'
import { readScript, readSnapshot } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { readFollows } from '../migrations/writer.js'
import { type BlockChange, changesOf, lacking, overlap } from '../schema/merge.js'
import type { SchemaFile, SchemaState } from '../schema/schema-engine.js'
import type { Project } from './project.js'

/** How many of the newest migrations are looked at: a branch that is older was merged long ago. */
const NEWEST = 20

export interface Branch {
  /** The newest migration that both know; undefined: both began with nothing. */
  readonly base: Migration | undefined
  /** Between the base and `second`, and unknown to it. */
  readonly first: readonly Migration[]
  readonly second: Migration
  /** Models and fields that both sides touch. */
  readonly overlap: readonly string[]
}

/** Migrations whose snapshot lacks what migrations before them did, and whose own script does not undo it either. */
export async function findBranches(project: Project, all: readonly Migration[]): Promise<Branch[]> {
  const newest = all.slice(-NEWEST)
  const snapshots = new Map<Migration, readonly SchemaFile[] | undefined>()
  for (const migration of all.slice(-NEWEST - 1)) snapshots.set(migration, await readSnapshot(migration))
  const branches: Branch[] = []
  for (const second of newest.slice(1)) {
    const index = all.indexOf(second)
    const own = snapshots.get(second)
    const before = snapshots.get(all[index - 1]!)
    const told = toldParent(all, second)
    if (own === undefined || before === undefined || told === index - 1) continue
    if (lacking(changesBetween(snapshots, all, index - 1), own).length === 0) continue
    const parent = told ?? (await parentOf(project, all, index, snapshots))
    if (parent === index - 1) continue
    const first = all
      .slice(parent + 1, index)
      .filter((one) => lacking(changesBetween(snapshots, all, all.indexOf(one)), own).length > 0)
    if (first.length === 0) continue
    const base = parent === -1 ? undefined : all[parent]
    const theirs = first.flatMap((one) => changesBetween(snapshots, all, all.indexOf(one)))
    branches.push({ base, first, second, overlap: overlap(theirs, changesOf(base && snapshots.get(base), own)) })
  }
  return branches
}

/** What a migration changed, taken from its snapshot and the one before it. */
function changesBetween(
  snapshots: ReadonlyMap<Migration, readonly SchemaFile[] | undefined>,
  all: readonly Migration[],
  index: number,
): BlockChange[] {
  const after = snapshots.get(all[index]!)
  const before = index === 0 ? [] : snapshots.get(all[index - 1]!)
  return after === undefined || before === undefined ? [] : changesOf(before, after)
}

/** The index of the migration from whose snapshot this one was made, as its code tells. -1: none; undefined: it does not tell. */
export function toldParent(all: readonly Migration[], { codeFile }: Migration): number | undefined {
  const follows = codeFile === undefined ? undefined : readFollows(readFileSync(codeFile, 'utf8'))
  if (follows === null) return -1
  const told = all.findIndex(({ name }) => name === follows)
  return told === -1 ? undefined : told
}

/** The same for code that does not tell (another tool or a person wrote it): whose difference is its script, to the statement. */
async function parentOf(
  project: Project,
  all: readonly Migration[],
  index: number,
  snapshots: ReadonlyMap<Migration, readonly SchemaFile[] | undefined>,
): Promise<number> {
  const migration = all[index]!
  const own = snapshots.get(migration)!
  const wanted = statementsOf(project, await readScript(migration))
  for (let candidate = index - 1; candidate >= -1 && candidate >= index - NEWEST; candidate--) {
    const files = candidate === -1 ? undefined : snapshots.get(all[candidate]!)
    if (candidate !== -1 && files === undefined) continue
    const from: SchemaState = files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
    const diff = await project.schemaEngine.diff(
      from,
      { kind: 'schema', files: own },
      { ...project.filter, summary: false },
    )
    const found = statementsOf(project, diff.empty ? '' : diff.script)
    if (found.size === wanted.size && [...found].every((statement) => wanted.has(statement))) return candidate
  }
  return index - 1
}

/** The statements of a script, however they are laid out. */
export function statementsOf({ engine }: Project, script: string): Set<string> {
  return new Set(
    splitStatements(script, engine.syntax).map(({ text }) => text.replace(/\s+/g, ' ').replaceAll('"public".', '')),
  )
}

/**
 * @param applying only branches whose second side is among these count: they are about to be applied
 * @throws {FailedError} explaining each branch, where there is one
 */
export async function refuseBranches(
  project: Project,
  all: readonly Migration[],
  applying?: readonly Migration[],
): Promise<void> {
  const found = await findBranches(project, all)
  const branches = applying ? found.filter(({ second }) => applying.includes(second)) : found
  if (branches.length === 0) return
  const anyway = applying ? '; rays migrate --allow-out-of-order applies them as they are' : ''
  throw new FailedError(branches.map(explainBranch).join('\n'), {
    code: 'E_BRANCHES',
    data: {
      branches: branches.map(({ base, first, second, overlap }) => ({
        base: base?.name ?? null,
        first: first.map(({ name }) => name),
        second: second.name,
        overlap,
      })),
    },
    hint: `rays rebase puts your own migrations after the others, made anew from the newest snapshot${anyway}.`,
  })
}

/** One branch in words. */
export function explainBranch({ base, first, second, overlap }: Branch): string {
  const others = first.map(({ name }) => name).join(', ')
  const from = base === undefined ? 'nothing' : `the same snapshot, ${base.name}`
  const touched = overlap.length === 0 ? 'They touch different models.' : `Both touch ${overlap.join(', ')}.`
  return `${others} and ${second.name} were made on two branches, from ${from}. ${touched}`
}
