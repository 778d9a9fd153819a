/** What Knex is given as its list of migrations: the folders of rays and Prisma and the project's own Knex files, in one order. */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Knex } from 'knex'
import { DecisionError, RaysError, UsageError } from '../errors.js'
import { inOrder } from '../history/direction.js'
import { Journal } from '../history/journal.js'
import { type MigrationRecord, nextBatch, type OtherHistory, Recorder } from '../history/recorder.js'
import { appliedRow } from '../history/rows.js'
import { checksum, listMigrations, readScript } from '../migrations/directory.js'
import { runForeign } from '../migrations/foreign.js'
import { type LoadOptions, loadMigration } from '../migrations/load.js'
import type { KnexForm, LoadedMigration, Migration, OperationFunction } from '../migrations/migration.js'
import { compareNames } from '../text.js'
import { needsForeignKeysOff } from './form.js'
import { besidePrisma, type KnexTable, knexNames, type Listed, readHistory } from './histories.js'
import { folderNameOf } from './names.js'
import { isChange } from './record.js'
import { KnexSession } from './session.js'

/** A migration in Knex's list. Knex prints `file`. */
export interface Entry {
  /** Its name in Knex's history. */
  readonly file: string
  /** The folder, where rays or Prisma has one for it. */
  readonly folder: Migration | undefined
  /** What the project's own source calls it, where it has a file of Knex's. */
  readonly own: { readonly spec: unknown } | undefined
}

export interface SourceOptions {
  readonly migrationsDir: () => Promise<string>
  readonly lockTimeoutMs: () => Promise<number>
  /** Where Knex keeps its history. */
  readonly table: () => KnexTable
  /** The project's own Knex migrations. */
  readonly own: () => Knex.MigrationSource<unknown>
  /** The knexfile's `loadExtensions`; undefined for Knex's. */
  readonly loadExtensions: readonly string[] | undefined
}

/** Knex's contract of a source of migrations, over the project's folders and Knex files. */
export class PrismaMigrationSource implements Knex.MigrationSource<Entry> {
  readonly #options: SourceOptions

  /** Of the migrations that Knex has asked for since it last listed them, one needs SQLite's foreign keys switched off. */
  foreignKeysOff = false

  /** The last batch, where Knex has asked for it: what it runs is in the next one. */
  lastBatch: number | undefined

  constructor(options: SourceOptions) {
    this.#options = options
  }

  getMigrations(loadExtensions: readonly string[]): Promise<Entry[]> {
    this.foreignKeysOff = false
    this.lastBatch = undefined
    return this.#list(loadExtensions)
  }

  async #list(loadExtensions?: readonly string[]): Promise<Entry[]> {
    const source = this.#options.own()
    const specs = await source.getMigrations((this.#options.loadExtensions ?? loadExtensions) as readonly string[])
    const own = specs.map((spec) => ({ file: source.getMigrationName(spec), own: { spec } }))
    const folders = await listMigrations(await this.#options.migrationsDir())
    return merge(own, folders)
  }

  /** Those of the names that were not asked about before: Knex reads its history several times for one command. */
  firstTime(names: readonly string[]): string[] {
    const fresh = names.filter((name) => !this.#told.has(name))
    for (const name of fresh) this.#told.add(name)
    return fresh
  }
  readonly #told = new Set<string>()

  getMigrationName(entry: Entry): string {
    return entry.file
  }

  /** What Knex is given, seen as the histories need it. */
  async listed(): Promise<Listed> {
    const entries = await this.#list()
    return {
      folders: entries.flatMap(({ folder }) => folder ?? []),
      names: new Map(entries.flatMap(({ file, folder }) => (folder ? [[folder.name, file] as const] : []))),
      files: new Set(entries.map(({ file }) => file)),
    }
  }

  async getMigration(entry: Entry): Promise<Knex.Migration> {
    try {
      return await this.#migrationOf(entry)
    } finally {
      // Knex asks for several at once. If one fails, Knex ends the process, and while another is loaded that would count
      // as something that the other's code does.
      await this.#loading
    }
  }

  async #migrationOf({ folder, own }: Entry): Promise<Knex.Migration> {
    if (folder === undefined) {
      const file = await this.#options.own().getMigration(own!.spec)
      if (needsForeignKeysOff(file as KnexForm)) this.foreignKeysOff = true
      return file
    }
    if (folder.sqlFile === undefined) throw new UsageError(`${folder.name} has no migration.sql.`)
    const loaded = await this.#load(folder, {
      runScript: () => Promise.reject(new Error('there is no session yet')),
    })
    const code = own ? ((await this.#options.own().getMigration(own.spec)) as KnexForm) : loaded.knex
    if (loaded.foreignKeysOff || needsForeignKeysOff(code)) this.foreignKeysOff = true
    // Where the migration says nothing, Knex's own options decide.
    const transaction = configured(code) ?? (loaded.transaction ? undefined : false)
    const run = (direction: 'up' | 'down') => (knex: Knex) => this.#run(knex, loaded, code, direction)
    const migration = { up: run('up'), down: run('down'), config: transaction === undefined ? {} : { transaction } }
    return migration as Knex.Migration
  }

  /** One after another: Knex asks for all at once, and the guard of user code is one for the process. */
  #load(folder: Migration, options: LoadOptions): Promise<LoadedMigration> {
    const loaded = this.#loading.then(() => loadMigration(folder, options))
    this.#loading = loaded.catch(() => undefined)
    return loaded
  }
  #loading: Promise<unknown> = Promise.resolve()

  /** Prisma's table is new. What Knex has run of the project's folders is applied; without its row it would be taken for unapplied. */
  async #recordKnown(session: KnexSession, recorder: Recorder, but: string | undefined): Promise<void> {
    const ran = await knexNames(session, this.#options.table())
    const { folders, names } = await this.listed()
    const at = new Date()
    for (const folder of folders) {
      if (folder.name === but || !ran.has(names.get(folder.name) ?? '')) continue
      await recorder.insertApplied(folder.name, checksum(await readScript(folder)), at)
    }
  }

  /** Knex ran it before anybody told Prisma: what rays unapplies, it takes out of Knex's table, too. */
  async #isUntold(session: KnexSession, name: string, known: readonly MigrationRecord[]): Promise<boolean> {
    if (known.some((record) => record.name === name)) return false
    const { names } = await this.listed()
    return (await knexNames(session, this.#options.table())).has(names.get(name) ?? name)
  }

  /** One direction of a folder's migration and its row in Prisma's table, on Knex's connection. */
  async #run(knex: Knex, loaded: LoadedMigration, code: KnexForm | undefined, direction: 'up' | 'down') {
    const lockTimeoutMs = await this.lockTimeoutMs()
    if (direction === 'down' && code === undefined) refuseMissingDown(loaded)
    try {
      await KnexSession.on(knex, async (session) => {
        await session.lock(lockTimeoutMs)
        const release = session.transacting ? undefined : await session.holdLock(lockTimeoutMs)
        try {
          await this.#step({ knex, session, loaded, code, direction })
        } finally {
          await release?.()
        }
      })
    } catch (error) {
      throw toldWhole(error)
    }
  }

  async #step(step: Step): Promise<void> {
    const { knex, session, loaded, code, direction } = step
    const { name } = loaded.migration
    const journalled = !(session.engine.transactionalDdl && session.transacting)
    // The journal ends Knex's transaction as DDL does, and must not read what was true before the lock was there.
    if (journalled && session.transacting) await session.raw('COMMIT')
    const { names } = await this.listed()
    const batch = this.lastBatch === undefined ? undefined : this.lastBatch + 1
    const other = besidePrisma(session, this.#options.table(), names, batch)
    const recorder = new Recorder(session, other)
    let known = await readHistory(session)
    if (known === undefined) {
      await recorder.create()
      await this.#recordKnown(session, recorder, direction === 'up' ? name : undefined)
      known = (await readHistory(session)) ?? []
    }
    refuseFailed(known)
    if ((await isApplied(session, name)) === (direction === 'up')) {
      // rays or Prisma may have been there while Knex waited for the lock: then only Knex's own row is missing, or is left.
      if (direction === 'up' || !(await this.#isUntold(session, name, known))) return
      await recorder.insertApplied(name, loaded.checksum)
      known = (await readHistory(session)) ?? []
    }
    if (journalled) return this.#journal(step, known, other)
    const startedAt = new Date()
    if (code) await code[direction](knex)
    else {
      const again = await this.#load(loaded.migration, {
        runScript: (script) => runForeign(session, script),
        inTransaction: session.syntax,
      })
      await runOperations(session, again, direction)
    }
    if (direction === 'down') await recorder.remove(name)
    else {
      await recorder.insert(appliedRow(loaded, { startedAt, batch: nextBatch(known) }))
      await recorder.addElsewhere(name)
    }
  }

  /** Where no transaction holds the whole migration: with the journal of rays, so that rays can mend what a failure leaves. */
  async #journal(
    { knex, session, loaded, code, direction }: Step,
    known: readonly MigrationRecord[],
    other: OtherHistory,
  ): Promise<void> {
    const { operations } = code
      ? { operations: [[this.#inKnex('up', code, knex, session), this.#inKnex('down', code, knex, session)] as const] }
      : await this.#load(loaded.migration, { runScript: (script) => runForeign(session, script) })
    const options = {
      connection: session,
      direction,
      records: known,
      batch: nextBatch(known),
      other,
      operationTimeoutMs: 0,
      unguarded: true,
    }
    await new Journal(options, { ...loaded, operations, transaction: session.transacting }).run()
  }

  /** One direction of a migration in Knex's form as an operation, with Knex itself and not over the client. */
  #inKnex(direction: 'up' | 'down', code: KnexForm, knex: Knex, session: KnexSession): OperationFunction {
    const operation = async () => {
      const counted = { completed: 0, transactions: session.engine.transactionalDdl }
      try {
        await session.lend(() => this.#statements.run(counted, async () => code[direction](knex)))
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown : new Error(`it threw ${String(thrown)}`, { cause: thrown })
        Object.defineProperty(error, 'completed', { value: counted.completed, configurable: true })
        throw error
      }
    }
    Object.defineProperty(operation, 'name', { value: direction })
    return operation
  }

  /** The statements of the migration in Knex's form that is being run, and of nothing else that uses the same Knex. */
  readonly #statements = new AsyncLocalStorage<{ completed: number; readonly transactions: boolean }>()

  /** Knex has run a statement. What a transaction holds counts when it is committed. */
  ended(sql: string, transacting: boolean): void {
    const counted = this.#statements.getStore()
    if (counted === undefined) return
    const counts = counted.transactions && transacting ? /^\s*COMMIT\b/i.test(sql) : isChange(sql)
    if (counts) counted.completed += 1
  }

  lockTimeoutMs(): Promise<number> {
    return this.#options.lockTimeoutMs()
  }
}

/** Whether a configuration of Knex's went through the adapter. */
export function isWrapped({ migrations }: Knex.Config): boolean {
  const source: unknown = migrations?.migrationSource
  // By its name: the project's rays may be another copy.
  return (source as object | undefined)?.constructor.name === PrismaMigrationSource.name
}

/** One migration, on its way in one direction. */
interface Step {
  readonly knex: Knex
  readonly session: KnexSession
  readonly loaded: LoadedMigration
  /** Its code where it has Knex's form. */
  readonly code: KnexForm | undefined
  readonly direction: 'up' | 'down'
}

/** Knex prints an error's stack and no more: it has to hold where the error was and what helps. */
export function toldWhole(error: unknown): unknown {
  if (!(error instanceof RaysError)) return error
  const { message, stack = '' } = error
  const whole = [message, error.where, error.hint].filter(Boolean).join('\n')
  Object.defineProperty(error, 'message', { value: whole, configurable: true })
  Object.defineProperty(error, 'stack', { value: stack.replace(message, () => whole), configurable: true })
  return error
}

function merge(own: { file: string; own: { spec: unknown } }[], folders: readonly Migration[]): Entry[] {
  const byName = new Map(folders.map((folder) => [folder.name, folder]))
  const paired = own.map((entry): Entry => {
    // `npx rays knex fill` makes a folder of the same name, so that Prisma and rays know the migration, too.
    const folder = byName.get(folderNameOf(entry.file))
    if (folder) byName.delete(folder.name)
    return { ...entry, folder }
  })
  const rest = [...byName.values()].map((folder): Entry => ({ file: folder.name, folder, own: undefined }))
  const merged: Entry[] = []
  // The order of Knex's own list stays, whatever made it.
  for (const entry of paired) {
    while (rest[0] && compareNames(rest[0].file, entry.file) < 0) merged.push(rest.shift()!)
    merged.push(entry)
  }
  return [...merged, ...rest]
}

function configured(code: KnexForm | undefined): boolean | undefined {
  const transaction: unknown = code?.config?.transaction
  return typeof transaction === 'boolean' ? transaction : undefined
}

async function isApplied(session: KnexSession, name: string): Promise<boolean> {
  const rows = await session.raw(
    `SELECT id FROM ${session.history.table} WHERE ${session.history.isNamed(session.syntax.placeholder(1))} AND rolled_back_at IS NULL AND finished_at IS NOT NULL${session.dialect.latest}`,
    [name],
  )
  return rows.length > 0
}

/** Runs one direction of a migration on Knex's connection. */
async function runOperations(session: KnexSession, loaded: LoadedMigration, direction: 'up' | 'down'): Promise<void> {
  const client = {
    query: (sql: string, params?: readonly unknown[]) => session.query(sql, params),
    execute: (sql: string, params?: readonly unknown[]) => session.execute(sql, params),
  }
  for (const operation of inOrder(loaded, direction)) {
    const [up, down] = loaded.operations[operation] ?? [null, null]
    await (direction === 'up' ? up : down)?.({ client })
  }
}

function refuseMissingDown({ migration, operations }: LoadedMigration): void {
  if (operations.every(([, down]) => down !== null)) return
  throw new UsageError(`${migration.name} has no way down, so it was not rolled back.`, {
    code: 'E_NO_DOWN',
    hint: 'rays knex convert writes the downs of migrations made by Prisma; or write the down into the migration by hand.',
  })
}

function refuseFailed(known: readonly MigrationRecord[]): void {
  const failed = known.filter((record) => record.state === 'failed').map((record) => record.name)
  if (failed.length === 0) return
  const journal = known.find((record) => record.name === failed[0])?.note?.dir !== undefined
  throw new DecisionError(`A migration has failed before, and the database needs a decision: ${failed.join(', ')}.`, {
    code: 'E_FAILED_ROW',
    hint: journal
      ? `rays status shows where it stands; rays migrate --resume goes on, rays migrate --undo goes back.`
      : `If its changes are in the database: rays migrate --fake --name ${failed[0]}. If they are not, or were removed by hand: prisma migrate resolve --rolled-back ${failed[0]}.`,
  })
}
