/** The hooks of a migration folder: files called before and after. */
import { type Dirent, promises as fs, readdirSync } from 'node:fs'
import path from 'node:path'
import type { StatementSyntax } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { MigrationInvalidError } from '../errors.js'
import type { LoadedMigration, Migration, Operation, OperationFunction, ProgramHook } from './migration.js'

/** A script that runs in the migration's transaction: going up, or with `.down.sql` going down. */
export interface SqlHook {
  readonly when: 'before' | 'after'
  readonly kind: 'sql'
  readonly direction: 'up' | 'down'
  readonly file: string
}

const NAME = /^(before|after)(?:\.(sh|bash|js|ts|(?:(up|down)\.)?sql))?$/

/** The names of the hooks among the entries of a migration's folder. */
export function hookFiles(entries: Iterable<Dirent>): string[] {
  return [...entries].filter((entry) => entry.isFile() && NAME.test(entry.name)).map(({ name }) => name)
}

/**
 * The hooks of a folder.
 * @throws {MigrationInvalidError} for more than one `before` or `after`; the two ways of SQL count as one
 */
export async function listHooks(migration: Migration): Promise<(ProgramHook | SqlHook)[]> {
  const names = migration.hookFiles ?? hookFiles(readdirSync(migration.directory, { withFileTypes: true }))
  const hooks = [...names].sort().map((entry): ProgramHook | SqlHook => {
    const [, name, extension, way] = NAME.exec(entry)!
    const when = name as 'before' | 'after'
    const file = path.join(migration.directory, entry)
    if (extension?.endsWith('sql')) return { when, kind: 'sql', direction: way === 'down' ? 'down' : 'up', file }
    return { when, kind: (extension ?? 'executable') as ProgramHook['kind'], file }
  })
  for (const when of ['before', 'after'] as const) {
    const own = hooks.filter((hook) => hook.when === when)
    const ways = new Set(own.map((hook) => (hook.kind === 'sql' ? hook.direction : 'program')))
    if (own.length <= 1 || (own.every(({ kind }) => kind === 'sql') && ways.size === own.length)) continue
    throw new MigrationInvalidError(
      `${migration.name} has more than one ${when} hook: ${own.map(({ file }) => path.basename(file)).join(', ')}.`,
      { hint: `Keep one; ${when}.up.sql and ${when}.down.sql go together.` },
    )
  }
  return hooks
}

/** The migration with its SQL hooks as its first and last operation, and its programs. */
export async function withHooks(
  loaded: LoadedMigration,
  hooks: readonly (ProgramHook | SqlHook)[],
  syntax: StatementSyntax,
): Promise<LoadedMigration> {
  if (hooks.length === 0) return loaded
  const operation = async (when: 'before' | 'after'): Promise<Operation[]> => {
    const own = hooks.filter((hook) => hook.kind === 'sql' && hook.when === when) as SqlHook[]
    if (own.length === 0) return []
    const way = async (direction: 'up' | 'down') => {
      const hook = own.find((candidate) => candidate.direction === direction)
      return hook ? script(await fs.readFile(hook.file, 'utf8'), path.basename(hook.file), syntax) : nothing
    }
    return [[await way('up'), await way('down')]]
  }
  const [before, after] = [await operation('before'), await operation('after')]
  const programs = hooks.filter((hook) => hook.kind !== 'sql')
  return { ...loaded, operations: [...before, ...loaded.operations, ...after], programs }
}

function nothing(): void {}

function script(text: string, name: string, syntax: StatementSyntax): OperationFunction {
  const statements = splitStatements(text, syntax)
  const run: OperationFunction = async ({ client }) => {
    for (const statement of statements) await client.execute(statement.text)
  }
  Object.defineProperty(run, 'name', { value: name })
  return run
}
