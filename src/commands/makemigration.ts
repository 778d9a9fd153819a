/** `rays makemigration`: a migration from the schema's changes, proven, and written whole or not at all. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Connection, EngineError } from '../../engines/engine.js'
import type { SchemaDiff, SchemaFile } from '../../engines/schema-engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { shortPath } from '../config/short-path.js'
import { FailedError, RaysError, UsageError } from '../errors.js'
import { appliedOf } from '../history/squashed.js'
import { stopIfInterrupted } from '../interruption.js'
import type { Answers } from '../migrations/answers.js'
import { type Change, Comparison, type Given, type Renamed, type Schema } from '../migrations/change.js'
import { EMPTY_SCRIPT, readSnapshot, rememberFolder, safeName } from '../migrations/directory.js'
import { type Draft, downOf, layOut, writeDraft } from '../migrations/draft.js'
import { findHazards, splitUnsafeEnum } from '../migrations/hazards.js'
import { warnOfNearHooks } from '../migrations/hooks.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import type { OperationPlan } from '../migrations/operations.js'
import { type Proof, ProofError, prove } from '../proof/proof.js'
import { replay } from '../proof/replay.js'
import { withEnumsOf } from '../schema/enum-values.js'
import { sameModelsAs } from '../schema/prisma-schema.js'
import { refuseUnfitNames } from '../schema/unfit-names.js'
import { refuseBranches } from './branches.js'
import { type CountedHazard, countHazards, hidingAmong, uncounted } from './hazards.js'
import type { Context } from './host.js'
import {
  type ClearShadow,
  folders,
  namespaceOf,
  openProject,
  openShadow,
  type Project,
  withConnection,
} from './project.js'
import { resolveGiven, resolveRenames } from './schema-changes.js'
import { keepSnapshotsApart, placeOf } from './schema-file.js'
import { withUnmodelled } from './unmodelled.js'

export interface MakeMigrationOptions {
  readonly name?: string
  readonly blank?: boolean
  readonly autoresolve?: boolean
  readonly check?: boolean
  readonly dryRun?: boolean
  readonly verify?: boolean
  readonly from?: 'snapshot' | 'migrations'
  readonly clearShadow?: ClearShadow | undefined
  readonly failOnDestructive?: boolean
  /** `User.name:fullName`, `User:Person`; false: nothing was renamed, and nobody is asked. */
  readonly rename?: readonly string[] | false
  /** What was answered before about the same changes: taken where it fits. */
  readonly known?: Answers
  /** The schema may be that of an older migration. */
  readonly anyState?: boolean
  /** `User.age=0`: SQL for the rows that a new required field meets. */
  readonly defaults?: readonly string[]
}

export interface MadeMigration {
  readonly name: string
  readonly directory: string
  readonly operations: readonly string[]
  readonly grouped: boolean
  readonly script: string
  readonly down: string
  readonly proof: 'proven' | 'proven on empty tables' | 'skipped'
  readonly notes: readonly string[]
}

export interface MakeMigrationResult {
  readonly changes: boolean
  readonly summary: string
  readonly migrations: readonly MadeMigration[]
  readonly hazards: readonly CountedHazard[]
  readonly written: boolean
  /** The database had the changes already (rays dev, rays draft): the migrations are recorded as applied. */
  readonly recorded?: boolean
}

/** @throws {RaysError} */
export async function makeMigration(
  context: Context,
  options: MakeMigrationOptions = {},
): Promise<MakeMigrationResult> {
  const { host } = context
  if (options.name === undefined && !options.check && !options.dryRun) {
    const name = await host.ask({ message: 'Name of the migration:', flag: '--name <name>' })
    return makeMigration(context, { ...options, name })
  }
  const slug = await safeName(options.name ?? 'migration')
  const project = await openProject(context)
  const all = await folders(project)
  warnOfNearHooks(all, context.host.warn, ({ meant }) => meant)
  // Before the schema is looked at: after a merge it may hold the marks of a conflict.
  await refuseBranches(project, all)
  await project.schemaEngine.validate(project.schema.files)
  const maker = new Maker(context, project, all, options)
  const from = await maker.startingState()
  const next = project.schema.files
  refuseUnfitNames(project.engine, next, from, namespaceOf(project.config, project.engine))
  const { compare } = maker
  const plain = await compare.diff(from, next)
  if (plain.empty) return maker.unchanged(slug)
  if (!options.anyState) await refuseOldSchema(context, project, all, next)
  if (options.check) {
    return { changes: true, summary: plain.summary, migrations: [], hazards: [], written: false }
  }
  const renames = { ...options, knownRenames: options.known?.renames ?? [] }
  const renamed = await resolveRenames(host, compare, from, next, renames)
  const bare = await compare.change(from, next, renamed, plain)
  const found = await maker.hazards(bare, slug)
  const answered = await resolveGiven(host, bare.start, next, found, {
    ...options,
    knownDefaults: options.known?.defaults ?? [],
  })
  const whole = bare.with(answered)
  const hazards = found.filter(
    ({ schema, table, column }) =>
      !whole.given || column === undefined || whole.given(schema, table, column) === undefined,
  )
  if (options.failOnDestructive && hazards.some((hazard) => hazard.destructive)) {
    throw new FailedError(`Refused by --fail-on-destructive:\n${hazards.map((h) => `  - ${h.message}`).join('\n')}`, {
      code: 'E_DESTRUCTIVE',
      hint: 'Run it without --fail-on-destructive once the loss is wanted.',
    })
  }
  for (const hazard of hazards) host.warn(hazard.message)
  const made: MadeMigration[] = []
  const takeBack = await rememberFolder(project.config.migrationsDir)
  try {
    for (const part of await partsOf(compare, whole, { plain, renamed, answered, slug, host }))
      made.push(await maker.make(part.change, part.slug, hazards))
  } catch (error) {
    // Of two migrations for one change, none or both.
    if (!options.dryRun && made.length > 0) await takeBack(made.map(({ name }) => name))
    throw error
  }
  if (!options.dryRun) await keepSnapshotsApart(context, project.schema)
  return { changes: true, summary: whole.summary, migrations: made, hazards, written: !options.dryRun }
}

function comparisonOf(context: Context, project: Project): Comparison {
  const { engine, schemaEngine, filter } = project
  const { beside } = schemaEngine
  return new Comparison(engine, schemaEngine, filter, beside && (() => fromLive(context, project, beside)))
}

/** One migration, or two where PostgreSQL needs an enum value committed before it is used. */
async function partsOf(
  compare: Comparison,
  whole: Change,
  at: {
    readonly plain: SchemaDiff
    readonly renamed: Renamed | undefined
    readonly answered: Given | undefined
    readonly slug: string
    readonly host: Context['host']
  },
): Promise<readonly { readonly change: Change; readonly slug: string }[]> {
  const { from, to } = whole
  const { renamed, answered, slug } = at
  if (from === undefined || !splitUnsafeEnum(at.plain.script, compare.engine.syntax)) return [{ change: whole, slug }]
  at.host.note('An enum value is added and used at once: PostgreSQL needs two migrations for that.')
  const between = withEnumsOf(from, to)
  return [
    { change: await compare.change(from, between), slug: `${slug}_enum_values`.slice(0, 200) },
    { change: (await compare.change(between, to, renamed)).with(answered), slug },
  ]
}

/** What rays writes for the step from one schema to another. */
export interface Generated {
  readonly script: string
  /** The operations as they are written, which of the two depends on the proof. */
  readonly plans: readonly Pick<OperationPlan, 'operations'>[]
}

/**
 * What {@link makeMigration} writes for two schemas and what was answered about them; nobody is asked and nothing is
 * written. By it a migration is told from one that a person has worked on.
 */
export async function generatedFor(
  { config, host }: Context,
  project: Project,
  from: readonly SchemaFile[] | undefined,
  next: readonly SchemaFile[],
  known: Answers,
): Promise<Generated> {
  const silent: Context = { config, host: { ...host, canAsk: false, note: () => undefined, warn: () => undefined } }
  const compare = comparisonOf(silent, project)
  const renames = { rename: false as const, knownRenames: known.renames }
  const renamed = await resolveRenames(silent.host, compare, from, next, renames)
  const bare = await compare.change(from, next, renamed)
  const answered = await resolveGiven(silent.host, bare.start, next, [], { knownDefaults: known.defaults })
  const change = await withPolicies(silent, project, bare.with(answered))
  return { script: change.script, plans: [change.paired(), change.grouped()] }
}

/**
 * A schema that is an older snapshot: where newer migrations were not applied yet, its differences from the newest are
 * those. Where all of them are applied, somebody wants the older state back.
 */
async function refuseOldSchema(
  context: Context,
  project: Project,
  all: readonly Migration[],
  next: readonly SchemaFile[],
): Promise<void> {
  // The schema is set back by going down, so it can only be a recent one; older ones are not worth reading.
  const same = sameModelsAs(next)
  for (const migration of all.slice(0, -1).slice(-20).reverse()) {
    const snapshot = await readSnapshot(migration)
    if (snapshot === undefined || !same(snapshot)) continue
    const newer = all.slice(all.indexOf(migration) + 1).map((m) => m.name)
    const applied = await fromLive(context, project, (connection) => appliedOf(connection, all))
    if (applied && newer.every((name) => applied.has(name))) return
    throw new UsageError(
      applied
        ? `The schema is that of ${migration.name}, and newer migrations exist that are not applied: ${newer.filter((name) => !applied.has(name)).join(', ')}.`
        : `The schema is that of ${migration.name}, and newer migrations exist: ${newer.join(', ')}. Without a database it cannot be told whether they are applied.`,
      {
        code: 'E_OLD_SCHEMA',
        hint: 'Apply them (rays migrate brings the schema along), or delete their folders if they are not wanted, then run the command again.',
      },
    )
  }
}

/** What the live database answers; undefined where it cannot be asked: none is needed to write a migration. */
async function fromLive<T>(
  { host }: Context,
  project: Project,
  ask: (connection: Connection) => Promise<T>,
): Promise<T | undefined> {
  if (project.config.databaseUrl === undefined) return undefined
  try {
    return await withConnection(project, host, { readOnly: true }, ask)
  } catch {
    return undefined
  }
}

/** The change as it is made where policies may hide rows of the live database from a fill; asked where something is filled. */
async function withPolicies(context: Context, project: Project, change: Change): Promise<Change> {
  const { syntax, seeingAllRows } = project.engine
  const both = [change.bareScript, change.reverse].flatMap((text) => splitStatements(text, syntax))
  const fills = both.some(({ text }) =>
    describeStatement(text, syntax)?.some(({ change: kind }) => kind === 'set-not-null'),
  )
  if (seeingAllRows === undefined || (change.given === undefined && !fills)) return change
  const tables = await fromLive(context, project, (live) => live.tables(project.schemas))
  return change.where(hidingAmong(tables ?? []))
}

class Maker {
  readonly compare: Comparison
  readonly #context: Context
  readonly #project: Project
  readonly #all: readonly Migration[]
  #newest: string | undefined
  /** What the newest migration leads to. */
  #start: Schema
  readonly #options: MakeMigrationOptions

  constructor(context: Context, project: Project, all: readonly Migration[], options: MakeMigrationOptions) {
    this.#context = context
    this.#project = project
    this.#all = all
    this.#newest = all.at(-1)?.name
    this.#options = options
    // Whether anything differs does not depend on the live database.
    const { engine, schemaEngine, filter } = project
    this.compare = options.check ? new Comparison(engine, schemaEngine, filter) : comparisonOf(context, project)
  }

  /**
   * The schema after the newest migration: its snapshot. Where Prisma made it there is none, and the migrations are
   * replayed on a shadow database, as `--from migrations` always does. Undefined: there are no migrations.
   */
  async startingState(): Promise<Schema> {
    this.#start = await this.#stateOfNewest()
    return this.#start
  }

  async #stateOfNewest(): Promise<Schema> {
    const newest = this.#all.at(-1)
    if (newest === undefined) return undefined
    const snapshot = this.#options.from === 'migrations' ? undefined : await readSnapshot(newest)
    if (snapshot) return snapshot
    const { host } = this.#context
    host.note(`Replaying ${this.#all.length} migrations on a shadow database …`)
    const shadow = await this.#shadow('rays')
    try {
      await replay(shadow.connection, this.#all, host)
      return await this.#project.schemaEngine.introspect(shadow.connection, this.#project.schema.files)
    } finally {
      await shadow.dispose()
    }
  }

  #shadow(purpose: 'rays' | 'prisma') {
    const known = [this.#project.schema.files, ...(this.#start ? [this.#start] : [])]
    return openShadow(this.#project, this.#context.host, purpose, { clear: this.#options.clearShadow, known })
  }

  async unchanged(slug: string): Promise<MakeMigrationResult> {
    const nothing = {
      changes: false,
      summary: 'No schema changes detected.',
      migrations: [],
      hazards: [],
      written: false,
    }
    if (!this.#options.blank || this.#options.check) return nothing
    const name = await this.#write({
      slug,
      script: EMPTY_SCRIPT,
      operations: [],
      after: this.#project.schema.files,
      readme: { summary: 'Nothing in the schema changes.', warnings: [], notes: [] },
    })
    const blank: MadeMigration = {
      ...name,
      operations: [],
      grouped: false,
      script: EMPTY_SCRIPT,
      down: '',
      proof: 'skipped',
      notes: [],
    }
    return { ...nothing, migrations: [blank], written: !this.#options.dryRun }
  }

  async hazards({ bareScript, reverse }: Change, slug: string): Promise<CountedHazard[]> {
    const found = findHazards(bareScript, this.#project.engine.syntax, reverse).map((hazard) => ({
      ...hazard,
      migration: slug,
    }))
    if (found.length === 0) return []
    const count = (connection: Connection) => countHazards(connection, found, this.#project.schemas)
    return (await fromLive(this.#context, this.#project, count)) ?? uncounted(found, this.#project.engine)
  }

  async make(bare: Change, slug: string, hazards: readonly CountedHazard[]): Promise<MadeMigration> {
    const change = await withPolicies(this.#context, this.#project, bare)
    const { from, script } = change
    let plan = change.paired()
    await this.#refuseUnfit(plan)
    let proof: Proof | undefined
    let proven = false
    if (this.#options.verify !== false && this.#canProve()) {
      const result = await this.#prove(change, plan)
      plan = result.plan
      proof = result.proof
      proven = proof !== undefined
    }
    if (plan.grouped && !this.#options.autoresolve) {
      this.#context.host.note(
        'Not every statement has one inverse, so the ups and the downs form one operation. Look at migration.js.',
      )
    }
    const { engine, schemas } = this.#project
    const objects = async (connection: Connection) => (await engine.structure(connection, schemas)).objects
    const unmodelled = await withUnmodelled(
      this.#project,
      plan,
      () => fromLive(this.#context, this.#project, objects),
      proven && this.#all.length > 0 ? (work) => this.#onReplayed(work) : undefined,
    )
    plan = unmodelled.plan
    const notes = [...plan.notes, ...(proof?.notes ?? []), ...unmodelled.notes]
    for (const note of notes) this.#context.host.warn(note)
    const written = await this.#write({
      slug,
      script,
      operations: plan.operations,
      answers: change.answers,
      after: change.to,
      readme: {
        summary: change.summary,
        warnings: hazards.map((hazard) => hazard.message),
        notes,
        from: { schema: from },
      },
    })
    return {
      ...written,
      operations: plan.operations.map((operation) => operation.summary),
      grouped: plan.grouped,
      script,
      down: downOf(plan.operations).join(';\n'),
      proof: !proven ? 'skipped' : proof!.rows === 'kept' || from === undefined ? 'proven' : 'proven on empty tables',
      notes,
    }
  }

  /** What the schema alone does not show of the tables that are there. @throws {FailedError} */
  async #refuseUnfit({ operations }: OperationPlan): Promise<void> {
    const { engine, schemas } = this.#project
    if (!engine.unfit) return
    const structure = await fromLive(this.#context, this.#project, (connection) =>
      engine.structure(connection, schemas),
    )
    const why =
      structure &&
      engine.unfit(
        operations.flatMap(({ up }) => up.statements),
        structure,
      )
    if (why === undefined) return
    throw new FailedError(`${why} Nothing was written.`, {
      code: 'E_UNFIT',
      hint: 'Make an ordinary table of it in a migration of its own (rays makemigration --blank), or give the field a type that it knows.',
    })
  }

  async #onReplayed<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const shadow = await this.#shadow('rays')
    try {
      await replay(shadow.connection, this.#all, this.#context.host)
      return await work(shadow.connection)
    } finally {
      await shadow.dispose()
    }
  }

  #canProve(): boolean {
    if (this.#project.config.databaseUrl !== undefined || !this.#project.engine.needsServer) return true
    this.#context.host.note(
      'The migration is not proven: no database URL is set, so there is no server for shadow databases.',
    )
    return false
  }

  async #prove(change: Change, paired: OperationPlan): Promise<{ plan: OperationPlan; proof: Proof | undefined }> {
    try {
      return { plan: paired, proof: await this.#proveOnce(change, paired) }
    } catch (error) {
      if (error instanceof RaysError && error.code === 'E_CONNECTION' && !(error instanceof ProofError)) {
        this.#context.host.note(`The migration is not proven: ${error.message}`)
        return { plan: paired, proof: undefined }
      }
      if (!(error instanceof ProofError) || paired.grouped) throw error
      const grouped = change.grouped()
      return { plan: grouped, proof: await this.#proveOnce(change, grouped) }
    }
  }

  async #proveOnce(change: Change, plan: OperationPlan): Promise<Proof> {
    const { from, to, script, given } = change
    const { config } = this.#project
    const folder = await mkdtemp(path.join(tmpdir(), 'rays-proof-'))
    try {
      const draft = { slug: '', script, operations: plan.operations, after: to }
      const migration = await layOut(draft, folder, 'the new migration')
      return await prove({
        schemaEngine: this.#project.schemaEngine,
        previous: from,
        next: to,
        build: (files) => this.compare.build(files),
        script,
        load: (connection) => loadMigration(migration, { runScript: (text) => connection.script(text) }),
        openShadow: (purpose) => this.#shadow(purpose),
        // Two names that a person gave may mean one database.
        apart: config.shadowDatabaseName === null && config.shadowDatabaseUrl === undefined,
        replay: this.#all.length > 0 ? (connection) => replay(connection, this.#all, this.#context.host) : undefined,
        schemas: this.#project.schemas,
        filter: await this.compare.options(),
        filled: given && ((schema, table, column) => given(schema, table, column) !== undefined),
      })
    } catch (error) {
      if (error instanceof EngineError)
        throw new FailedError(`The proof on the shadow database failed: ${error.message}`, { cause: error })
      throw error
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #write(draft: Draft): Promise<{ name: string; directory: string }> {
    const { config } = this.#project
    const { host } = this.#context
    await stopIfInterrupted(host, `Interrupted before ${draft.slug} was written.`)
    if (this.#options.dryRun) return { name: draft.slug, directory: shortPath(config, config.migrationsDir) }
    const place = await placeOf(this.#project)
    const written = await writeDraft({ ...draft, follows: this.#newest ?? null }, place, host.now())
    this.#newest = written.name
    return written
  }
}
