/** `rays makemigration`: a migration from the schema's changes, proven, and written whole or not at all. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Connection, EngineError } from '../../engines/engine.js'
import type { Beside, DiffOptions, SchemaDiff, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { FailedError, RaysError, UsageError } from '../errors.js'
import { appliedOf } from '../history/squashed.js'
import { stopIfInterrupted } from '../interruption.js'
import type { Answers } from '../migrations/answers.js'
import { EMPTY_SCRIPT, readSnapshot, rememberFolder, safeName, writeMigration } from '../migrations/directory.js'
import { fillScript, type GivenValue } from '../migrations/given.js'
import { findHazards, splitUnsafeEnum } from '../migrations/hazards.js'
import { warnOfNearHooks } from '../migrations/hooks.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import { groupOperations, type OperationPlan, planOperations } from '../migrations/operations.js'
import { scriptWithRenames, withRenames } from '../migrations/rename-operations.js'
import { repairScript } from '../migrations/repair.js'
import { renderMigration, renderReadme } from '../migrations/writer.js'
import { type Proof, ProofError, prove } from '../proof/proof.js'
import { replay } from '../proof/replay.js'
import { withEnumsOf } from '../schema/enum-values.js'
import { sameModelsAs, snapshotOf } from '../schema/prisma-schema.js'
import { refuseUnfitNames } from '../schema/unfit-names.js'
import { refuseBranches } from './branches.js'
import { type CountedHazard, countHazards, uncounted } from './hazards.js'
import type { Context } from './host.js'
import { isEsm } from './module-kind.js'
import {
  type ClearShadow,
  folders,
  namespaceOf,
  openProject,
  openShadow,
  type Project,
  withConnection,
} from './project.js'
import { type Given, type Renamed, resolveGiven, resolveRenames } from './schema-changes.js'
import { insideSchemaFolder, keepSnapshotsApart, shortPath } from './schema-file.js'
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
  const forward = await maker.diff(from, next)
  if (forward.empty) return maker.unchanged(slug)
  if (!options.anyState) await refuseOldSchema(context, project, all, next)
  if (options.check) {
    return { changes: true, summary: forward.summary, migrations: [], hazards: [], written: false }
  }
  const renamed = await resolveRenames(
    host,
    project.engine,
    from,
    next,
    { ...options, knownRenames: options.known?.renames ?? [] },
    (files) => maker.build(files),
  )
  if (renamed) maker.rename(renamed)
  const start = renamed && from ? renamed.apply(from) : from
  const change = renamed ? await maker.diff(start, next) : forward
  const backward = await maker.diff(next, start, false)
  const reverse = backward.empty ? '' : backward.script
  const repaired = repairScript(change.script, reverse, project.engine.syntax)
  const found = await maker.hazards(scriptWithRenames(repaired, renamed?.steps ?? []), reverse, slug)
  const answered = await resolveGiven(host, start, next, found, {
    ...options,
    knownDefaults: options.known?.defaults ?? [],
  })
  const given = answered?.value
  const hazards = found.filter(
    ({ schema, table, column }) => !given || column === undefined || given(schema, table, column) === undefined,
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
  let state = from
  try {
    for (const part of maker.parts(forward, from, next, slug)) {
      const last = part.files === next
      const changes = last ? { renamed, answered } : {}
      made.push(await maker.make(state, part.files, part.slug, last ? forward : undefined, hazards, changes))
      state = part.files
    }
  } catch (error) {
    // Of two migrations for one change, none or both.
    if (!options.dryRun && made.length > 0) await takeBack(made.map(({ name }) => name))
    throw error
  }
  if (!options.dryRun) await keepSnapshotsApart(context, project.schema)
  const renames = renamed?.steps.map((step) => `[*] ${step.summary}`) ?? []
  const summary = [...renames, change.summary].join('\n').trim()
  return { changes: true, summary, migrations: made, hazards, written: !options.dryRun }
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
  const maker = new Maker(silent, project, [], {})
  const renamed = await resolveRenames(
    silent.host,
    project.engine,
    from,
    next,
    { rename: false, knownRenames: known.renames },
    (files) => maker.build(files),
  )
  if (renamed) maker.rename(renamed)
  const start = renamed && from ? renamed.apply(from) : from
  const answered = await resolveGiven(silent.host, start, next, [], { knownDefaults: known.defaults })
  const { script, paired, group } = await maker.planned(from, next, undefined, { renamed, answered })
  return { script, plans: [paired(), group()] }
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

class Maker {
  readonly #context: Context
  readonly #project: Project
  readonly #all: readonly Migration[]
  #newest: string | undefined
  readonly #options: MakeMigrationOptions

  constructor(context: Context, project: Project, all: readonly Migration[], options: MakeMigrationOptions) {
    this.#context = context
    this.#project = project
    this.#all = all
    this.#newest = all.at(-1)?.name
    this.#options = options
  }

  /**
   * The schema after the newest migration: its snapshot. Where Prisma made it there is none, and the migrations are
   * replayed on a shadow database, as `--from migrations` always does. Undefined: there are no migrations.
   */
  async startingState(): Promise<readonly SchemaFile[] | undefined> {
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
    const known = [this.#project.schema.files, ...(this.#known ? [this.#known] : [])]
    return openShadow(this.#project, this.#context.host, purpose, { clear: this.#options.clearShadow, known })
  }
  #known: readonly SchemaFile[] | undefined

  diff(
    from: readonly SchemaFile[] | undefined,
    to: readonly SchemaFile[] | undefined,
    summary = true,
  ): Promise<SchemaDiff> {
    if (from !== undefined) this.#known = from
    const state = (files: readonly SchemaFile[] | undefined): SchemaState =>
      files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
    return this.filter().then((filter) =>
      this.#project.schemaEngine.diff(state(from), state(to), { ...filter, summary }),
    )
  }

  /** What is left out, and what the live database has beside its schema: what the steps write anew is to keep that. */
  async filter(): Promise<DiffOptions> {
    const { schemaEngine, filter } = this.#project
    // Whether anything differs does not depend on it.
    if (this.#options.check) return filter
    this.#beside ??= schemaEngine.beside
      ? fromLive(this.#context, this.#project, schemaEngine.beside)
      : Promise.resolve(undefined)
    const beside = await this.#beside
    return beside === undefined ? filter : { ...filter, beside }
  }

  /** What is renamed keeps what the live database has of it under its old name. */
  rename({ names }: Renamed): void {
    this.#beside = this.#beside?.then((beside) => beside?.alsoNamed(names))
  }
  #beside: Promise<Beside | undefined> | undefined

  /** The script that builds a schema from nothing. */
  async build(files: readonly SchemaFile[]): Promise<string> {
    return (await this.diff(undefined, files, false)).script
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
    const plan: OperationPlan = { operations: [], grouped: false, notes: [] }
    const name = await this.#write(slug, plan, EMPTY_SCRIPT, this.#project.schema.files, {
      summary: 'Nothing in the schema changes.',
      down: '',
      warnings: [],
      notes: [],
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

  /** One migration, or two where PostgreSQL needs an enum value committed before it is used. */
  parts(forward: SchemaDiff, from: readonly SchemaFile[] | undefined, next: readonly SchemaFile[], slug: string) {
    if (from === undefined || !splitUnsafeEnum(forward.script, this.#project.engine.syntax))
      return [{ files: next, slug }]
    this.#context.host.note('An enum value is added and used at once: PostgreSQL needs two migrations for that.')
    return [
      { files: withEnumsOf(from, next), slug: `${slug}_enum_values`.slice(0, 200) },
      { files: next, slug },
    ]
  }

  async hazards(script: string, reverse: string, slug: string): Promise<CountedHazard[]> {
    const found = findHazards(script, this.#project.engine.syntax, reverse).map((hazard) => ({
      ...hazard,
      migration: slug,
    }))
    if (found.length === 0) return []
    const count = (connection: Connection) => countHazards(connection, found, this.#project.schemas)
    return (await fromLive(this.#context, this.#project, count)) ?? uncounted(found)
  }

  /** The script that leads from one schema to the other, and its operations: paired, or all in one. */
  async planned(
    from: readonly SchemaFile[] | undefined,
    to: readonly SchemaFile[],
    known: SchemaDiff | undefined,
    { renamed, answered }: { renamed?: Renamed | undefined; answered?: Given | undefined },
  ) {
    // Renames come first: everything else leads from the renamed state to the next and back.
    const start = renamed && from ? renamed.apply(from) : from
    const steps = renamed?.steps ?? []
    const given = answered?.value
    const forward = known && from === undefined ? known : await this.diff(start, to)
    const backward = await this.diff(to, start, false)
    const reverse = backward.empty ? '' : backward.script
    const repaired = forward.empty ? '' : repairScript(forward.script, reverse, this.#project.engine.syntax)
    // How the state before is built tells the types of columns and the keys that both scripts take for granted.
    const base = start === undefined ? '' : await this.build(start)
    const filled = given ? fillScript(repaired, base, this.#project.engine, given) : repaired
    const input = {
      up: repaired,
      down: reverse,
      base,
      engine: this.#project.engine,
      ...(forward.steps && { steps: forward.steps }),
      ...(given && { given }),
    }
    return {
      forward,
      script: scriptWithRenames(filled, steps),
      paired: () => withRenames(planOperations(input), steps),
      group: () => withRenames(groupOperations(input), steps),
    }
  }

  async make(
    from: readonly SchemaFile[] | undefined,
    to: readonly SchemaFile[],
    slug: string,
    known: SchemaDiff | undefined,
    hazards: readonly CountedHazard[],
    { renamed, answered }: { renamed?: Renamed | undefined; answered?: Given | undefined } = {},
  ): Promise<MadeMigration> {
    const steps = renamed?.steps ?? []
    const given = answered?.value
    const { forward, script, paired, group } = await this.planned(from, to, known, { renamed, answered })
    let plan = paired()
    let proof: Proof | undefined
    let proven = false
    if (this.#options.verify !== false && this.#canProve()) {
      const result = await this.#prove(from, to, script, plan, group, given)
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
    const down = [...plan.operations].reverse().flatMap((operation) => operation.down?.statements ?? [])
    const written = await this.#write(slug, plan, script, to, {
      summary: [...steps.map((step) => `[*] ${step.summary}`), forward.summary].join('\n').trim(),
      down: down.map((statement) => `${statement};`).join('\n'),
      warnings: hazards.map((hazard) => hazard.message),
      notes,
      before: from,
      answers: { renames: renamed?.flags ?? [], defaults: answered?.flags ?? [] },
    })
    return {
      ...written,
      operations: plan.operations.map((operation) => operation.summary),
      grouped: plan.grouped,
      script,
      down: down.join(';\n'),
      proof: !proven ? 'skipped' : proof!.rows === 'kept' || from === undefined ? 'proven' : 'proven on empty tables',
      notes,
    }
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

  async #prove(
    from: readonly SchemaFile[] | undefined,
    to: readonly SchemaFile[],
    script: string,
    paired: OperationPlan,
    group: () => OperationPlan,
    given: GivenValue | undefined,
  ): Promise<{ plan: OperationPlan; proof: Proof | undefined }> {
    try {
      return { plan: paired, proof: await this.#proveOnce(from, to, script, paired, given) }
    } catch (error) {
      if (error instanceof RaysError && error.code === 'E_CONNECTION' && !(error instanceof ProofError)) {
        this.#context.host.note(`The migration is not proven: ${error.message}`)
        return { plan: paired, proof: undefined }
      }
      if (!(error instanceof ProofError) || paired.grouped) throw error
      const grouped = group()
      return { plan: grouped, proof: await this.#proveOnce(from, to, script, grouped, given) }
    }
  }

  async #proveOnce(
    from: readonly SchemaFile[] | undefined,
    to: readonly SchemaFile[],
    script: string,
    plan: OperationPlan,
    given: GivenValue | undefined,
  ): Promise<Proof> {
    const { config } = this.#project
    const draft = await mkdtemp(path.join(tmpdir(), 'rays-proof-'))
    try {
      const codeFile = path.join(draft, 'migration.cjs')
      const sqlFile = path.join(draft, 'migration.sql')
      await writeFile(codeFile, renderMigration(plan, { module: 'commonjs' }))
      await writeFile(sqlFile, script)
      const migration: Migration = {
        name: 'the new migration',
        directory: draft,
        timestamp: undefined,
        codeFile,
        sqlFile,
        snapshotPath: undefined,
      }
      return await prove({
        schemaEngine: this.#project.schemaEngine,
        previous: from,
        next: to,
        script,
        load: (connection) => loadMigration(migration, { runScript: (text) => connection.script(text) }),
        openShadow: (purpose) => this.#shadow(purpose),
        // Two names that a person gave may mean one database.
        apart: config.shadowDatabaseName === null && config.shadowDatabaseUrl === undefined,
        replay: this.#all.length > 0 ? (connection) => replay(connection, this.#all, this.#context.host) : undefined,
        schemas: this.#project.schemas,
        filter: await this.filter(),
        filled: given && ((schema, table, column) => given(schema, table, column) !== undefined),
      })
    } catch (error) {
      if (error instanceof EngineError)
        throw new FailedError(`The proof on the shadow database failed: ${error.message}`, { cause: error })
      throw error
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
  }

  async #write(
    slug: string,
    plan: OperationPlan,
    script: string,
    files: readonly SchemaFile[],
    readme: {
      readonly summary: string
      readonly down: string
      readonly warnings: readonly string[]
      readonly notes: readonly string[]
      readonly before?: readonly SchemaFile[] | undefined
      readonly answers?: Answers
    },
  ): Promise<{ name: string; directory: string }> {
    const { config, schema, datasource } = this.#project
    await stopIfInterrupted(this.#context.host, `Interrupted before ${slug} was written.`)
    const module = (await isEsm(config.root)) ? ('esm' as const) : ('commonjs' as const)
    if (this.#options.dryRun) return { name: slug, directory: shortPath(config, config.migrationsDir) }
    const written = await writeMigration(config.migrationsDir, {
      safeName: slug,
      script,
      code: renderMigration(plan, {
        module,
        follows: this.#newest ?? null,
        ...(readme.answers && { answers: readme.answers }),
      }),
      codeExtension: 'js',
      readme: renderReadme({
        name: slug,
        schemaDiffSummary: readme.summary,
        ...('before' in readme && {
          schemas: {
            before: readme.before && snapshotOf(readme.before),
            after: snapshotOf(files),
            renames: readme.answers?.renames ?? [],
          },
        }),
        up: script,
        down: readme.down,
        warnings: readme.warnings,
        notes: readme.notes,
      }),
      snapshot: {
        layout: schema.layout,
        files: snapshotOf(files),
        insideSchemaFolder: insideSchemaFolder(config, schema),
      },
      provider: datasource.provider,
      at: this.#context.host.now(),
    })
    this.#newest = written.name
    return written
  }
}
