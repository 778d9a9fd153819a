/** `rays adopt`: migrations that Prisma made get a snapshot and a way back, by replaying them once on a shadow database. */

import type { Connection, Structure } from '../../engines/engine.js'
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { takesBack } from '../../engines/sql/transactions.js'
import { FailedError, RaysError, UsageError } from '../errors.js'
import { isAtomic } from '../history/direction.js'
import { operationError } from '../history/operation.js'
import { stopIfInterrupted } from '../interruption.js'
import { readScript, readSnapshot } from '../migrations/directory.js'
import { completeFrom, type Draft } from '../migrations/draft.js'
import { runForeign, withoutTransactions } from '../migrations/foreign.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import { replay } from '../proof/replay.js'
import { findReversal, type Reversal } from '../proof/reversal.js'
import { replaceModels } from '../schema/prisma-schema.js'
import type { Context } from './host.js'
import { type ClearShadow, folders, openProject, openShadow, type Project } from './project.js'
import { keepSnapshotsApart, placeOf } from './schema-file.js'

export interface AdoptOptions {
  readonly dryRun?: boolean
  readonly clearShadow?: ClearShadow | undefined
}

export interface AdoptedMigration {
  readonly name: string
  /** verified: down and up again on the shadow database led to the same structures. partial: but for data changes. */
  readonly down: 'verified' | 'partial' | 'missing'
  readonly operations: number
  /** What nothing undoes, as SQL. */
  readonly irreversible: readonly string[]
  readonly notes: readonly string[]
}

export interface AdoptResult {
  /** Those that got a way back now. */
  readonly adopted: readonly AdoptedMigration[]
  /** Those that had one. */
  readonly already: number
  readonly counts: { readonly verified: number; readonly partial: number; readonly missing: number }
  /** Whether the migrations lead to the present schema, as far as Prisma models it. */
  readonly schema: 'in-sync' | 'changed'
  readonly written: boolean
  readonly milliseconds: number
}

/** @throws {UsageError} where there is nothing to adopt; {@link FailedError} when a migration does not apply */
export async function adopt(context: Context, options: AdoptOptions = {}): Promise<AdoptResult> {
  const started = performance.now()
  const project = await openProject(context)
  await project.schemaEngine.validate(project.schema.files)
  const all = await folders(project)
  if (all.length === 0) {
    throw new UsageError('There are no migrations to adopt.', {
      hint: 'rays prepare starts managing a database that has none.',
    })
  }
  const open = all.filter((migration) => migration.codeFile === undefined || migration.snapshotPath === undefined)
  const walk = new Walk(context, project, all)
  const shadow = await openShadow(project, context.host, 'rays', {
    clear: options.clearShadow,
    known: [project.schema.files],
  })
  let found: readonly Found[]
  let inSync: boolean
  try {
    found = open.length === 0 ? [] : await walk.run(shadow.connection)
    inSync = open.length === 0 ? await walk.snapshotInSync() : await walk.inSync(shadow.connection)
  } finally {
    await shadow.dispose()
  }
  if (!options.dryRun) {
    await write(project, found, inSync && found.at(-1)?.migration === all.at(-1))
    await keepSnapshotsApart(context, project.schema)
  }
  const adopted = found.flatMap(({ migration, reversal }) => (reversal ? [summary(migration, reversal)] : []))
  for (const { name, down, notes } of adopted) {
    if (down !== 'verified') for (const note of notes) context.host.warn(`${name}: ${note}`)
  }
  if (!inSync) context.host.warn('The schema has changes that no migration holds: rays makemigration writes one.')
  const count = (down: AdoptedMigration['down']) => adopted.filter((migration) => migration.down === down).length
  return {
    adopted,
    already: all.length - adopted.length,
    counts: { verified: count('verified'), partial: count('partial'), missing: count('missing') },
    schema: inSync ? 'in-sync' : 'changed',
    written: !options.dryRun && found.length > 0,
    milliseconds: performance.now() - started,
  }
}

interface Found {
  readonly migration: Migration
  /** Undefined where the migration had its code already. */
  readonly reversal: Reversal | undefined
  readonly snapshot: readonly SchemaFile[]
  readonly transaction: boolean
  readonly script: string
}

function summary({ name }: Migration, { plan, state }: Reversal): AdoptedMigration {
  return {
    name,
    down: state === 'missing' ? 'missing' : plan.irreversible.length > 0 ? 'partial' : 'verified',
    operations: plan.operations.length,
    irreversible: plan.irreversible,
    notes: plan.notes,
  }
}

/** Goes through the migrations once, each on the structure that the one before left. */
class Walk {
  /** The scripts as they were run, texts in them as Prisma reads them. */
  readonly #asRun = new Map<string, string>()
  readonly #context: Context
  readonly #project: Project
  readonly #all: readonly Migration[]

  constructor(context: Context, project: Project, all: readonly Migration[]) {
    this.#context = context
    this.#project = project
    this.#all = all
  }

  async run(connection: Connection): Promise<Found[]> {
    const { host } = this.#context
    const { engine, schemas } = this.#project
    const found: Found[] = []
    let before = await engine.structure(connection, schemas)
    let previous: readonly SchemaFile[] | undefined
    for (const [index, migration] of this.#all.entries()) {
      await stopIfInterrupted(host, 'Interrupted; nothing was written.')
      if (index % 25 === 0) host.note(`Replaying ${index + 1} of ${this.#all.length} on a shadow database …`)
      const transaction = await this.#apply(connection, migration)
      const after = await engine.structure(connection, schemas)
      const same = previous !== undefined && sameLines(before, after)
      const snapshot = (await readSnapshot(migration)) ?? (same ? previous! : await this.#introspect(connection))
      if (migration.codeFile === undefined && takesBack(await readScript(migration), engine.syntax)) {
        host.note(`${migration.name} rolls something back by itself: it stays as Prisma made it, without a way back.`)
        found.push({ migration, reversal: undefined, snapshot, transaction, script: '' })
      } else if (migration.codeFile === undefined) {
        const reversal = await this.#reversal({
          connection,
          index,
          migration,
          before,
          after,
          previous,
          snapshot,
          transaction,
        })
        found.push({ migration, reversal, snapshot, transaction, script: await readScript(migration) })
      } else if (migration.snapshotPath === undefined) {
        found.push({ migration, reversal: undefined, snapshot, transaction, script: '' })
      }
      before = after
      previous = snapshot
    }
    return found
  }

  /** In the words of the present schema, as far as it knows them. */
  async #introspect(connection: Connection): Promise<readonly SchemaFile[]> {
    const { schema, schemaEngine } = this.#project
    const files = await schemaEngine.introspect(connection, schema.files)
    try {
      await schemaEngine.validate(files)
      return files
    } catch {
      // Without foreign keys (relationMode "prisma") it keeps relations whose columns do not exist yet.
      const { write, remove } = replaceModels(schema, [{ path: schema.files[0]!.path, content: '' }])
      const bare = new Map(schema.files.map((file) => [file.path, file]))
      for (const file of write) bare.set(file.path, file)
      for (const name of remove) bare.delete(name)
      return schemaEngine.introspect(connection, [...bare.values()])
    }
  }

  async #reversal(at: {
    connection: Connection
    index: number
    migration: Migration
    before: Structure
    after: Structure
    previous: readonly SchemaFile[] | undefined
    snapshot: readonly SchemaFile[]
    transaction: boolean
  }): Promise<Reversal> {
    const { connection, previous, snapshot } = at
    const { engine, schemas } = this.#project
    const script = this.#asRun.get(at.migration.name) ?? (await readScript(at.migration))
    const state = (files: readonly SchemaFile[] | undefined): SchemaState =>
      files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
    const live: SchemaState = { kind: 'database', connection, context: snapshot }
    return findReversal({
      connection,
      engine,
      schemas,
      script,
      base: previous === undefined ? '' : await this.#diff(state(undefined), state(previous)),
      before: at.before,
      after: at.after,
      reverses: [() => this.#diff(state(snapshot), state(previous)), () => this.#diff(live, state(previous))],
      transaction: at.transaction,
      rebuild: async () => {
        await connection.reset(schemas)
        for (const migration of this.#all.slice(0, at.index + 1)) await this.#apply(connection, migration)
      },
    })
  }

  async #diff(from: SchemaState, to: SchemaState): Promise<string> {
    const diff = await this.#project.schemaEngine.diff(from, to, { ...this.#project.filter, summary: false })
    return diff.empty ? '' : diff.script
  }

  /** Applies one migration. Returns whether it runs in a transaction. */
  async #apply(connection: Connection, migration: Migration): Promise<boolean> {
    if (migration.codeFile !== undefined) {
      await replay(connection, [migration], this.#context.host)
      return true
    }
    const script = await readScript(migration)
    const loaded = await loadMigration(migration, {
      runScript: (text) => runForeign(connection, text),
      ...(connection.engine.transactionalDdl && { inTransaction: connection.syntax }),
    })
    const atomic = isAtomic(connection, loaded)
    try {
      if (!atomic) {
        this.#asRun.set(migration.name, await runForeign(connection, script))
        return false
      }
      const inside = withoutTransactions(script, connection.syntax)
      await connection.transaction({ foreignKeysOff: loaded.foreignKeysOff }, async () => {
        this.#asRun.set(migration.name, await runForeign(connection, inside))
      })
      return true
    } catch (error) {
      const { kind } = connection.engine.explain(error)
      if (!atomic || (kind !== 'needs-no-transaction' && kind !== 'unsafe-enum'))
        throw this.#failed(connection, loaded, error)
    } finally {
      await connection.restoreSettings()
    }
    try {
      for (const { text } of splitStatements(script, connection.syntax)) await connection.raw(text)
      return false
    } catch (error) {
      throw this.#failed(connection, loaded, error)
    } finally {
      await connection.restoreSettings()
    }
  }

  #failed(connection: Connection, loaded: Awaited<ReturnType<typeof loadMigration>>, error: unknown): unknown {
    if (error instanceof RaysError) return error
    return operationError(
      error,
      { connection, direction: 'up' },
      loaded,
      'It was being replayed on an empty shadow database; your database was not touched, and nothing was written.',
    )
  }

  /** Whether the structure on the shadow is that of the present schema. */
  async inSync(connection: Connection): Promise<boolean> {
    const { schema, schemaEngine, filter } = this.#project
    const live: SchemaState = { kind: 'database', connection, context: schema.files }
    return (await schemaEngine.diff(live, { kind: 'schema', files: schema.files }, { ...filter, summary: false })).empty
  }

  async snapshotInSync(): Promise<boolean> {
    const { schema, schemaEngine, filter } = this.#project
    const snapshot = (await readSnapshot(this.#all.at(-1)!)) ?? []
    const to = { kind: 'schema' as const, files: schema.files }
    return (await schemaEngine.diff({ kind: 'schema', files: snapshot }, to, { ...filter, summary: false })).empty
  }
}

function sameLines(a: Structure, b: Structure): boolean {
  return a.lines.length === b.lines.length && a.lines.every((line, i) => line === b.lines[i])
}

/** The files that were missing. migration.sql and the folders' names stay as they are. */
async function write(project: Project, found: readonly Found[], presentIsLast: boolean): Promise<void> {
  const { schema, engine } = project
  const place = await placeOf(project)
  for (const [index, { migration, reversal, snapshot, transaction, script }] of found.entries()) {
    // The present schema says the same as the database does, in the words of the people who wrote it.
    const after = presentIsLast && index === found.length - 1 ? schema.files : snapshot
    const plan = reversal?.plan
    const draft: Draft = {
      slug: migration.name,
      script,
      operations: plan?.operations,
      transaction: transaction || !engine.transactionalDdl,
      after,
      readme: plan && { summary: '', warnings: [], notes: plan.notes },
    }
    await completeFrom(draft, place, migration)
  }
}
