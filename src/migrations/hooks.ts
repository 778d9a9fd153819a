/** The hooks of a migration folder: files called before and after. */
import { accessSync, constants, type Dirent, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { StatementSyntax } from '../../engines/engine.js'
import { MigrationInvalidError } from '../errors.js'
import { LOADS_OTHERS, refuseCodeIn, refuseImports } from '../imports.js'
import { NotUtf8Error } from '../utf8.js'
import type { LoadedMigration, Migration, Operation, OperationFunction, ProgramHook } from './migration.js'
import { sendsStatements } from './plain.js'
import { readText, statementsIn } from './texts.js'

/** A script that runs in the migration's transaction: going up, or with `.down.sql` going down. */
export interface SqlHook {
  readonly when: 'before' | 'after'
  readonly kind: 'sql'
  readonly direction: 'up' | 'down'
  readonly file: string
}

/** A file that looks like a hook and is none. */
export interface NearHook {
  readonly name: string
  /** It says before or after and is of a kind that is run: somebody meant it to run. */
  readonly meant: boolean
}

const NAME = /^(before|after)(?:\.(sh|bash|([cm]?)(js|ts)|(?:(up|down)\.)?sql))?$/
const RUNNABLE = /\.(?:\w*sql|[cm]?[jt]sx?|\w*sh|py|rb|pl|php|ps1|psm1|bat|cmd|exe|com|go|lua|awk)$/i
const DECLARATION = /\.d\.[cm]?ts$/i
/** Names that other tools give to what runs before and after. */
const ALIKE = /^(?:before|after|pre|post)(?:[-_ ]?(?:all|each|up|down|run|hook|apply|deploy|migrat\w*))?$/i

/** What the name of a hook may be, for messages. */
export const HOOK_NAMES =
  'Hooks are called before or after, in lower case, with the ending .sh, .bash, .js, .mjs, .cjs, .ts, .mts, .cts, .sql, .up.sql or .down.sql; or with none, and then they are executable and begin with #!'

/** Whether a file of this name is run as a hook. */
export function isHookName(name: string): boolean {
  return NAME.test(name)
}

/** The names of the hooks among the entries of a migration's folder. */
export function hookFiles(entries: Iterable<Dirent>): string[] {
  return [...entries].filter((entry) => entry.isFile() && NAME.test(entry.name)).map(({ name }) => name)
}

/** What looks like a hook among the entries of a migration's folder, and is not run. */
export function nearHooks(entries: Iterable<Dirent>): NearHook[] {
  return [...entries].flatMap(({ name }) => {
    const said = name.trim()
    const stem = said.split('.')[0] ?? ''
    if (NAME.test(name) || DECLARATION.test(said)) return []
    const runs = RUNNABLE.test(said) || stem === said
    if (/^(?:before|after)$/i.test(stem)) return [{ name, meant: runs }]
    return ALIKE.test(stem) && runs ? [{ name, meant: false }] : []
  })
}

/** A warning for each file of the migrations that looks like a hook and is not run. */
export function warnOfNearHooks(
  migrations: readonly Migration[],
  warn: (message: string) => void,
  which: (near: NearHook) => boolean = () => true,
): void {
  for (const { name, nearHooks = [] } of migrations) {
    const told = nearHooks.filter(which).map((near) => near.name)
    if (told.length > 0) warn(`${name}: ${told.join(', ')} ${isNone(told)}, and not run. ${HOOK_NAMES}.`)
  }
}

function isNone(names: readonly string[]): string {
  return names.length === 1 ? 'looks like a hook and is none' : 'look like hooks and are none'
}

/**
 * The hooks of a folder.
 * @throws {MigrationInvalidError} for more than one `before` or `after`; the two ways of SQL count as one; for what was meant
 * to be a hook and would not run, and for what is not UTF-8
 */
export function listHooks(migration: Migration): (ProgramHook | SqlHook)[] {
  const listed = migration.hookFiles === undefined ? readdirSync(migration.directory, { withFileTypes: true }) : []
  const meant = (migration.nearHooks ?? nearHooks(listed)).filter((near) => near.meant).map(({ name }) => name)
  if (meant.length > 0) {
    throw new MigrationInvalidError(`${migration.name}: ${meant.join(', ')} ${isNone(meant)}, and would not run.`, {
      where: meant.map((name) => path.join(migration.directory, name)).join('\n'),
      hint: `${HOOK_NAMES}. Rename it, or move it out of the folder; nothing was run.`,
    })
  }
  const names = migration.hookFiles ?? hookFiles(listed)
  const hooks = [...names].sort().map((entry): ProgramHook | SqlHook => {
    const [, name, extension, , language, way] = NAME.exec(entry)!
    const when = name as 'before' | 'after'
    const file = path.join(migration.directory, entry)
    if (extension?.endsWith('sql')) return { when, kind: 'sql', direction: way === 'down' ? 'down' : 'up', file }
    return { when, kind: (language ?? extension ?? 'executable') as ProgramHook['kind'], file }
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
  for (const hook of hooks) refuseUnusable(hook)
  return hooks
}

/** What would fail, or run as another text than the one written, once the migration itself is done. */
function refuseUnusable({ kind, file }: ProgramHook | SqlHook): void {
  if (kind === 'executable') {
    refuseNoProgram(file)
    return
  }
  const source = readText(file)
  if (kind !== 'js' && kind !== 'ts') return
  try {
    refuseImports(file, source)
    if (LOADS_OTHERS.test(source)) refuseCodeIn(path.dirname(file))
  } catch (error) {
    if (!(error instanceof NotUtf8Error)) throw error
    throw new MigrationInvalidError(`${file} cannot be run: ${error.message}`, { cause: error, hint: error.hint })
  }
}

function refuseNoProgram(file: string): void {
  try {
    accessSync(file, constants.X_OK)
  } catch (error) {
    throw new MigrationInvalidError(`${file} is not executable, and a hook without an ending is run as a program.`, {
      cause: error,
      hint: `chmod +x ${file} (and git update-index --chmod=+x); or give it an ending, such as .sh. Nothing was run.`,
    })
  }
  // A compiled program is no text.
  if (readFileSync(file).subarray(0, 2).toString('latin1') === '#!') readText(file)
}

/** The migration with its SQL hooks as its first and last operation, and its programs. */
export function withHooks(
  loaded: LoadedMigration,
  hooks: readonly (ProgramHook | SqlHook)[],
  syntax: StatementSyntax,
): LoadedMigration {
  if (hooks.length === 0) return loaded
  const operation = (when: 'before' | 'after'): Operation[] => {
    const own = hooks.filter((hook): hook is SqlHook => hook.kind === 'sql' && hook.when === when)
    if (own.length === 0) return []
    const way = (direction: 'up' | 'down') => {
      const hook = own.find((candidate) => candidate.direction === direction)
      return hook ? script(hook.file, syntax) : nothing
    }
    return [[way('up'), way('down')]]
  }
  const programs = hooks.filter((hook): hook is ProgramHook => hook.kind !== 'sql')
  return { ...loaded, operations: [...operation('before'), ...loaded.operations, ...operation('after')], programs }
}

function nothing(): void {}

function script(file: string, syntax: StatementSyntax): OperationFunction {
  const statements = statementsIn(file, readText(file), syntax)
  const run: OperationFunction = async ({ client }) => {
    for (const statement of statements) await client.execute(statement.text)
  }
  Object.defineProperty(run, 'name', { value: path.basename(file) })
  sendsStatements(
    run,
    statements.map(({ text }) => text),
  )
  return run
}
