/** What Knex is given as its list of migrations: the folders of rays and Prisma and the project's own Knex files, in one order. */
import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { DecisionError, UsageError } from '../errors.js'
import { type MigrationRecord, nextBatch, Recorder } from '../history/recorder.js'
import { checksum, listMigrations, readScript } from '../migrations/directory.js'
import { type LoadOptions, loadMigration } from '../migrations/load.js'
import type { LoadedMigration, Migration } from '../migrations/migration.js'
import { compareNames } from '../text.js'
import { type KnexForm, needsForeignKeysOff } from './form.js'
import { type KnexTable, knexNames, readHistory } from './histories.js'
import { folderNameOf } from './names.js'
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

  constructor(options: SourceOptions) {
    this.#options = options
  }

  getMigrations(loadExtensions: readonly string[]): Promise<Entry[]> {
    this.foreignKeysOff = false
    return this.#list(loadExtensions)
  }

  async #list(loadExtensions?: readonly string[]): Promise<Entry[]> {
    const source = this.#options.own()
    const specs = await source.getMigrations((this.#options.loadExtensions ?? loadExtensions) as readonly string[])
    const own = specs.map((spec) => ({ file: source.getMigrationName(spec), own: { spec } }))
    const folders = await listMigrations(await this.#options.migrationsDir())
    return merge(own, folders)
  }

  getMigrationName(entry: Entry): string {
    return entry.file
  }

  /** Knex's name of each folder. */
  async names(): Promise<Map<string, string>> {
    const entries = await this.#list()
    return new Map(entries.flatMap(({ file, folder }) => (folder ? [[folder.name, file] as const] : [])))
  }

  async getMigration(entry: Entry): Promise<Knex.Migration> {
    const { folder, own } = entry
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
    const transaction = configured(code) ?? loaded.transaction
    const run = (direction: 'up' | 'down') => (knex: Knex) => this.#run(knex, loaded, code, direction)
    const migration: KnexForm = { up: run('up'), down: run('down'), config: { transaction } }
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
  async #recordKnown(session: KnexSession, recorder: Recorder, current: string): Promise<void> {
    const ran = await knexNames(session, this.#options.table())
    const folders = await listMigrations(await this.#options.migrationsDir())
    const names = await this.names()
    const at = new Date()
    for (const folder of folders) {
      if (folder.name === current || !ran.has(names.get(folder.name) ?? '')) continue
      await recorder.insertApplied(folder.name, checksum(await readScript(folder)), at)
    }
  }

  /** One direction of a folder's migration and its row in Prisma's table, on Knex's connection. */
  async #run(knex: Knex, loaded: LoadedMigration, code: KnexForm | undefined, direction: 'up' | 'down') {
    const { name } = loaded.migration
    const lockTimeoutMs = await this.#options.lockTimeoutMs()
    if (direction === 'down' && code === undefined) refuseMissingDown(loaded)
    await KnexSession.on(knex, async (session) => {
      await session.lock(lockTimeoutMs)
      const known = await readHistory(session)
      const recorder = new Recorder(session)
      const inTransaction = session.engine.transactionalDdl && session.client.transacting === true
      if (known !== undefined) refuseFailed(known)
      else {
        await recorder.create()
        await this.#recordKnown(session, recorder, name)
      }
      // rays or Prisma may have been there while Knex waited for the lock: then only Knex's own row is missing.
      const applied = known !== undefined && (await isApplied(session, name))
      if (applied === (direction === 'up')) return
      const record = direction === 'up' ? await begin(session, recorder, loaded, known ?? []) : undefined
      if (code) await code[direction](knex)
      else {
        const again = await this.#load(loaded.migration, {
          runScript: (script) => session.script(script),
          ...(inTransaction && { inTransaction: session.syntax }),
        })
        await runOperations(session, again, direction)
      }
      if (record) await record()
      else await recorder.remove(name)
    })
  }
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

/**
 * Records the migration: at its end where a failure undoes it, and where it does not, before it, so that what a failure
 * leaves behind shows as failed to Prisma and rays.
 * @returns what to do at the end
 */
async function begin(
  session: KnexSession,
  recorder: Recorder,
  loaded: LoadedMigration,
  known: readonly MigrationRecord[],
): Promise<() => Promise<unknown>> {
  const id = randomUUID()
  const note = { rays: 1, batch: nextBatch(known), ...(loaded.codeHash && { js: loaded.codeHash }) }
  const steps = Math.max(1, loaded.operations.length)
  const row = { id, name: loaded.migration.name, checksum: loaded.checksum, startedAt: new Date() }
  const logs = JSON.stringify(note)
  if (session.engine.transactionalDdl && session.client.transacting) {
    return () => recorder.insert({ ...row, finishedAt: new Date(), logs, steps })
  }
  await recorder.insert({ ...row, finishedAt: null, logs: '', steps: 0 })
  return () => recorder.update(id, { finishedAt: new Date(), logs, steps })
}

/** Runs one direction of a migration on Knex's connection. */
async function runOperations(session: KnexSession, loaded: LoadedMigration, direction: 'up' | 'down'): Promise<void> {
  const client = {
    query: (sql: string, params?: readonly unknown[]) => session.query(sql, params),
    execute: (sql: string, params?: readonly unknown[]) => session.execute(sql, params),
  }
  const pairs = direction === 'up' ? loaded.operations : [...loaded.operations].reverse()
  for (const pair of pairs) await pair[direction === 'up' ? 0 : 1]!({ client })
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
  throw new DecisionError(`A migration has failed before, and the database needs a decision: ${failed.join(', ')}.`, {
    code: 'E_FAILED_ROW',
    hint: `If its changes are in the database: rays migrate --fake --name ${failed[0]}. If they are not, or were removed by hand: prisma migrate resolve --rolled-back ${failed[0]}.`,
  })
}
