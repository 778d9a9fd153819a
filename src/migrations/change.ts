/** A step between two states of the schema, forward and backward, with renames and given values: one value, computed once. */
import type { Engine } from '../../engines/engine.js'
import type {
  AlsoNamed,
  Beside,
  DiffOptions,
  SchemaDiff,
  SchemaEngine,
  SchemaFile,
  SchemaState,
} from '../../engines/schema-engine.js'
import type { FillingEngine } from '../../engines/sql/fill.js'
import type { RenameStep } from '../schema/renames.js'
import type { Answers } from './answers.js'
import { fillScript, type GivenValue } from './given.js'
import { groupOperations, type OperationPlan, planOperations } from './operations.js'
import { scriptWithRenames, withRenames } from './rename-operations.js'
import { repairScript } from './repair.js'

/** The files of a schema; undefined for a database that holds nothing. */
export type Schema = readonly SchemaFile[] | undefined

/** What was renamed between two schemas. */
export interface Renamed {
  /** The renames as `--rename` says them. */
  readonly flags: readonly string[]
  /** The first schema (with or without the enum values of the second) with the renames in it. */
  readonly apply: (before: readonly SchemaFile[]) => readonly SchemaFile[]
  readonly steps: readonly RenameStep[]
  /** By their names in the database. */
  readonly names: readonly AlsoNamed[]
}

/** The values that rows get in new required fields. */
export interface Given {
  readonly value: GivenValue
  /** The values as `--default` says them. */
  readonly flags: readonly string[]
}

/** Compares schemas, each script that builds one from nothing only once. */
export class Comparison {
  readonly #built = new Map<Schema, Promise<string>>()

  #beside: Promise<Beside | undefined> | undefined

  /** @param beside reads what the live database has beside its schema; undefined where it cannot be asked */
  constructor(
    readonly engine: Engine,
    private readonly schemaEngine: SchemaEngine,
    private readonly filter: DiffOptions,
    private readonly beside: () => Promise<Beside | undefined> = async () => undefined,
  ) {}

  /** What is left out, and what the live database has beside its schema: what the steps write anew is to keep that. */
  async options(): Promise<DiffOptions> {
    this.#beside ??= this.beside()
    const beside = await this.#beside
    return beside === undefined ? this.filter : { ...this.filter, beside }
  }

  /** @param summary whether the difference is wanted in words as well */
  async diff(from: Schema, to: Schema, summary = true): Promise<SchemaDiff> {
    return this.schemaEngine.diff(stateOf(from), stateOf(to), { ...(await this.options()), summary })
  }

  /** The script that builds a schema from nothing; '' where there is nothing to build. */
  build(schema: Schema): Promise<string> {
    const known = this.#built.get(schema)
    if (known) return known
    const script = this.#scriptOf(schema)
    this.#built.set(schema, script)
    return script
  }

  async #scriptOf(schema: Schema): Promise<string> {
    if (schema === undefined) return ''
    const { empty, script } = await this.diff(undefined, schema, false)
    return empty ? '' : script
  }

  /** @param known their difference, where it is known already and nothing was renamed */
  async change(from: Schema, to: readonly SchemaFile[], renamed?: Renamed, known?: SchemaDiff): Promise<Change> {
    // What is renamed keeps what the live database has of it under its old name.
    if (renamed) this.#beside = this.#beside?.then((beside) => beside?.alsoNamed(renamed.names))
    // Renames come first: everything else leads from the renamed state to the next and back.
    const start = renamed && from ? renamed.apply(from) : from
    const forward = (renamed ? undefined : known) ?? (await this.diff(start, to))
    const backward = await this.diff(to, start, false)
    return new Change(this.engine, {
      from,
      start,
      to,
      forward,
      reverse: backward.empty ? '' : backward.script,
      // It tells the types of columns and the keys that both scripts take for granted.
      base: await this.build(start),
      renamed,
      given: undefined,
    })
  }
}

function stateOf(files: Schema): SchemaState {
  return files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
}

interface Parts {
  readonly from: Schema
  /** The state before with the renames in it. */
  readonly start: Schema
  readonly to: readonly SchemaFile[]
  readonly forward: SchemaDiff
  readonly reverse: string
  readonly base: string
  readonly renamed: Renamed | undefined
  readonly given: Given | undefined
}

type PlanningEngine = Engine & Pick<FillingEngine, 'hidesRows'>

/** See {@link Comparison.change}. */
export class Change {
  readonly from: Schema
  readonly start: Schema
  readonly to: readonly SchemaFile[]
  /** The script back; '' where nothing has to be done. */
  readonly reverse: string
  readonly #repaired: string

  constructor(
    private readonly engine: PlanningEngine,
    private readonly parts: Parts,
  ) {
    const { from, start, to, forward, reverse } = parts
    this.from = from
    this.start = start
    this.to = to
    this.reverse = reverse
    this.#repaired = forward.empty ? '' : repairScript(forward.script, reverse, engine.syntax)
  }

  /** The same change with values for new required fields. */
  with(given: Given | undefined): Change {
    return given ? new Change(this.engine, { ...this.parts, given }) : this
  }

  /** The same change of a database whose policies may hide rows of these tables. */
  where(hidesRows: FillingEngine['hidesRows']): Change {
    return new Change({ ...this.engine, hidesRows }, this.parts)
  }

  get given(): GivenValue | undefined {
    return this.parts.given?.value
  }

  /** migration.sql, before values are given. */
  get bareScript(): string {
    return scriptWithRenames(this.#repaired, this.#steps)
  }

  /** migration.sql. */
  get script(): string {
    const { base, given } = this.parts
    const filled = given ? fillScript(this.#repaired, base, this.engine, given.value) : this.#repaired
    return scriptWithRenames(filled, this.#steps)
  }

  /** The difference in words, renames first. */
  get summary(): string {
    return [...this.#steps.map(({ summary }) => `[*] ${summary}`), this.parts.forward.summary].join('\n').trim()
  }

  get answers(): Answers {
    return { renames: this.parts.renamed?.flags ?? [], defaults: this.parts.given?.flags ?? [] }
  }

  /** The operations, each with its inverse where every one has exactly one. */
  paired(): OperationPlan {
    return withRenames(planOperations(this.#input), this.#steps)
  }

  /** All in one operation. */
  grouped(): OperationPlan {
    return withRenames(groupOperations(this.#input), this.#steps)
  }

  get #steps(): readonly RenameStep[] {
    return this.parts.renamed?.steps ?? []
  }

  get #input() {
    const { forward, reverse, base, given } = this.parts
    return {
      up: this.#repaired,
      down: reverse,
      base,
      engine: this.engine,
      ...(forward.steps && { steps: forward.steps }),
      ...(given && { given: given.value }),
    }
  }
}
