/** Loads the code of a migration, whatever kind of module it is, and checks it before anything runs. */
import { hash } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { StatementSyntax } from '../../engines/engine.js'
import { standsAlone } from '../../engines/sql/transactions.js'
import { MigrationInvalidError, RaysError } from '../errors.js'
import { LOADS_OTHERS, refuseCodeIn } from '../imports.js'
import { FOREIGN_KEYS_OFF, isKnexForm, needsForeignKeysOff, overClient } from '../knex/form.js'
import { loadModule } from '../modules.js'
import { readable, saying } from '../user-code.js'
import { checksum, EMPTY_SCRIPT, readLockProvider, readScript } from './directory.js'
import { withoutTransactions } from './foreign.js'
import type { KnexForm, LoadedMigration, Migration, Operation, OperationFunction } from './migration.js'
import { sendsScript } from './plain.js'
import { readText, statementsIn } from './texts.js'

export interface LoadOptions {
  /** Runs a whole script, as the server reads it; used for folders with migration.sql only. */
  readonly runScript: (script: string) => Promise<unknown>
  /** Where the script runs in a transaction: the lexical rules by which its own BEGIN and COMMIT are found and left out. */
  readonly inTransaction?: StatementSyntax
  /** The lexical rules by which the script must be readable. */
  readonly syntax?: StatementSyntax
}

/**
 * Loads one migration.
 * @throws {MigrationInvalidError} for code that does not parse, throws, or does not export an array of [up, down]
 */
export async function loadMigration(migration: Migration, options: LoadOptions): Promise<LoadedMigration> {
  const script = await readScript(migration)
  const shared = { migration, script, checksum: checksum(script) }
  if (migration.codeFile === undefined) {
    // What cannot be split into statements is told before the first statement of any migration runs.
    if (options.syntax && migration.sqlFile) statementsIn(migration.sqlFile, script, options.syntax)
    const alone = options.inTransaction !== undefined && standsAlone(script, options.inTransaction)
    return {
      ...shared,
      operations: isEmptyScript(script) ? [[nothing, nothing]] : [[scriptOperation(script, options, alone), null]],
      transaction: !alone,
      foreignKeysOff: FOREIGN_KEYS_OFF.test(script),
      codeHash: undefined,
    }
  }
  const source = readText(migration.codeFile)
  const loaded = await evaluate(migration.codeFile, source)
  const knex = readExports(migration.codeFile, () =>
    /\.m[jt]s$/.test(migration.codeFile ?? '') && isKnexForm(loaded) ? loaded : undefined,
  )
  if (knex) return { ...shared, ...(await knexOperations(migration, knex, source)) }
  const file = migration.codeFile
  const { operations, transaction } = readExports(file, () => checkExports(loaded, file))
  return {
    ...shared,
    operations,
    transaction,
    foreignKeysOff:
      FOREIGN_KEYS_OFF.test(source) ||
      operations.some((pair) =>
        pair.some((f) => f !== null && FOREIGN_KEYS_OFF.test(Function.prototype.toString.call(f))),
      ),
    codeHash: hash('sha256', source),
  }
}

/** A migration.mjs in Knex's form (`rays knex convert`) is one operation, run by Knex over the client. */
async function knexOperations(
  { directory }: Migration,
  knex: KnexForm,
  source: string,
): Promise<Omit<LoadedMigration, 'migration' | 'script' | 'checksum'>> {
  const root = path.dirname(directory)
  const provider = await readLockProvider(root)
  if (provider !== 'postgresql' && provider !== 'mysql' && provider !== 'sqlite') {
    throw new MigrationInvalidError(
      `${directory} has Knex's form, and no migration_lock.toml beside it names the database.`,
      {
        hint: 'Restore migration_lock.toml from version control.',
      },
    )
  }
  return {
    operations: [[overClient(knex.up, provider, root), overClient(knex.down, provider, root)]],
    transaction: knex.config?.transaction !== false,
    foreignKeysOff: FOREIGN_KEYS_OFF.test(source) || needsForeignKeysOff(knex),
    codeHash: hash('sha256', source),
    knex,
  }
}

function nothing(): void {}

function isEmptyScript(script: string): boolean {
  return script.trim() === '' || script.trim() === EMPTY_SCRIPT
}

/** @param alone it is run as Prisma runs it: as it is */
function scriptOperation(script: string, options: LoadOptions, alone: boolean): OperationFunction {
  const text = options.inTransaction && !alone ? withoutTransactions(script, options.inTransaction) : script
  const operation = () => options.runScript(text)
  Object.defineProperty(operation, 'name', { value: 'migration.sql' })
  sendsScript(operation, text)
  return operation
}

async function evaluate(file: string, source: string): Promise<unknown> {
  try {
    if (LOADS_OTHERS.test(source)) refuseCodeIn(path.dirname(file))
    return await loadModule(file, { source })
  } catch (error) {
    throw new MigrationInvalidError(`${file} cannot be loaded: ${saying(error)}`, {
      cause: error,
      where: stackLine(error, file),
      hint: 'Correct the file; nothing was run.',
    })
  }
}

/** What a module exports may be code, too: a getter, a proxy. @throws {MigrationInvalidError} */
function readExports<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RaysError) throw error
    const thrown = readable(error)
    throw new MigrationInvalidError(`What ${file} exports cannot be read: ${saying(thrown)}`, {
      cause: thrown,
      hint: 'Export an array of [up, down]: see docs/migration-files.md. Nothing was run.',
    })
  }
}

function stackLine(error: unknown, file: string): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const url = pathToFileURL(file).href
  return stack
    .replace(/\?fresh=[\w-]+/g, '')
    .split('\n')
    .find((line) => line.includes(file) || line.includes(url))
    ?.trim()
}

function checkExports(loaded: unknown, file: string): { operations: Operation[]; transaction: boolean } {
  const namespace = loaded as { default?: unknown; transaction?: unknown; up?: unknown; down?: unknown }
  const candidate = Array.isArray(loaded) ? loaded : Array.isArray(namespace?.default) ? namespace.default : undefined
  if (candidate === undefined) {
    const old = [namespace, namespace?.default as typeof namespace | undefined].some(
      (value) => typeof value?.up === 'function' || typeof value?.down === 'function',
    )
    throw new MigrationInvalidError(
      old
        ? `${file} exports { up, down }, the format of prisma-rays 1.x; rays needs an array of [up, down].`
        : `${file} must export an array of [up, down] operations, and exports ${kindOf(loaded)}.`,
      { hint: old ? 'Write module.exports = [[up, down]].' : 'See docs/migration-files.md.' },
    )
  }
  // Read once, because a getter may answer something else the second time; Array.from, because flatMap would step over the
  // hole that a comma too many leaves.
  const pairs = Array.from(candidate as unknown[], (pair) =>
    Array.isArray(pair) ? Array.from(pair as unknown[]) : pair,
  )
  const problems = pairs.flatMap((pair, index) => {
    if (pair === undefined) return [`operation ${index} is missing: there is a comma too many before it`]
    if (!Array.isArray(pair)) return [`operation ${index} is ${kindOf(pair)}, not [up, down]`]
    if (typeof pair[0] !== 'function') return [`operation ${index}: the up is ${kindOf(pair[0])}, not a function`]
    if (pair.length > 2)
      return [`operation ${index} has ${pair.length} entries: each [up, down] is an array of its own`]
    if (pair.length < 2)
      return [`operation ${index} has no down: write [up, down], or [up, null] if it cannot be undone`]
    if (pair[1] !== null && typeof pair[1] !== 'function')
      return [`operation ${index}: the down is ${kindOf(pair[1])}, not a function or null`]
    return []
  })
  const flag = (candidate as { transaction?: unknown }).transaction ?? namespace.transaction
  if (flag !== undefined && typeof flag !== 'boolean')
    problems.push(`transaction is ${kindOf(flag)}, not true or false`)
  if (problems.length > 0) {
    throw new MigrationInvalidError(
      `${file} is not a list of [up, down]:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
      {
        hint: 'Correct the file; nothing was run.',
      },
    )
  }
  return {
    operations: (pairs as [OperationFunction, OperationFunction | null][]).map(([up, down]) => [up, down] as const),
    transaction: flag !== false,
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return Object.keys(value as object).length === 0 ? 'nothing' : 'an object'
  return value === undefined ? 'undefined' : `a ${typeof value}`
}

/** The name of an operation's function, for messages. */
export function operationName(operation: OperationFunction | null): string {
  try {
    const name: unknown = operation?.name
    return typeof name === 'string' && name !== '' ? name : 'anonymous'
  } catch {
    return 'anonymous'
  }
}
