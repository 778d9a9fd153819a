/** Refuses a statement that loses data when it is about to be sent: what no source has shown beforehand. */
import type { Connection } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { FailedError } from '../errors.js'
import { DestructiveStatement, type Guard, type Sending } from '../history/guard.js'
import type { Plan } from '../history/plan.js'
import { hazardsIn, key, notLookedAt } from '../migrations/course.js'
import { readActs } from '../migrations/hazards/acts.js'
import { lookAt } from '../migrations/hazards/find.js'
import { ruleOf } from '../migrations/hazards/rules.js'
import { Scene } from '../migrations/hazards/scene.js'
import type { Hazard } from '../migrations/hazards.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { type CountedHazard, countHazards } from './hazards.js'
import type { Context } from './host.js'
import type { Project } from './project.js'

export interface Guarding {
  /** The session that the statements are sent on. */
  readonly session: () => Connection
  readonly schemas: readonly string[]
  /** What somebody was told of, and agreed to. */
  readonly agreed: readonly CountedHazard[]
  /** How somebody says that a loss is wanted. */
  readonly hint: string
}

/** For one run: what it has made itself may go again. */
export class LossGuard implements Guard {
  readonly #options: Guarding
  readonly #scene: Scene
  readonly #agreed: ReadonlySet<string>

  constructor(options: Guarding) {
    this.#options = options
    this.#scene = new Scene(options.session().syntax)
    this.#agreed = new Set(options.agreed.map((hazard) => `${hazard.migration}\0${key(hazard)}`))
  }

  async look({ loaded, sql, params }: Sending): Promise<void> {
    const migration = loaded.migration.name
    const found = this.#find(sql).filter(
      (hazard) => ruleOf(hazard.kind).destructive && !this.#agreed.has(`${migration}\0${key(hazard)}`),
    )
    if (found.length === 0) return
    const losing = await this.#counted(found.map((hazard) => ({ ...hazard, migration, ...(params && { params }) })))
    if (losing.length > 0) throw new DestructiveStatement(losing, sql, this.#options.hint)
  }

  #find(sql: string): Hazard[] {
    const { syntax } = this.#options.session()
    try {
      // Names are by now what the statements before have made of them.
      return splitStatements(sql, syntax)
        .flatMap(({ text }) => lookAt(readActs(text, syntax), this.#scene))
        .map(({ before: _, now, ...hazard }) => (now ? { ...hazard, before: { table: now, columns: {} } } : hazard))
    } catch {
      // The database will say what is wrong with it.
      return []
    }
  }

  /** What would be lost, in sentences. */
  async #counted(found: readonly (Hazard & { readonly migration: string })[]): Promise<string[]> {
    const { schemas, session } = this.#options
    const connection = session()
    try {
      const counted = await countHazards(connection, found, schemas)
      return counted
        .filter(
          (hazard) =>
            hazard.destructive && hazard.rows !== 0 && !this.#agreed.has(`${hazard.migration}\0${key(hazard)}`),
        )
        .map(({ message }) => message)
    } catch (error) {
      const { kind, message } = connection.engine.explain(error)
      // After an error that was caught no statement is taken any more, this one neither.
      if (kind === 'aborted-transaction') return []
      return found.map((hazard) => `${hazard.message} How many rows there are is unknown: ${message}`)
    }
  }
}

/** What the migrations would lose, as far as their sources tell. */
export async function hazardsOf(
  project: Pick<Project, 'schemas'>,
  connection: Connection,
  { direction }: Pick<Plan, 'direction'>,
  loaded: readonly LoadedMigration[],
): Promise<CountedHazard[]> {
  // What one migration renames or makes the next one knows by its new name.
  const scene = new Scene(connection.syntax)
  const found = loaded.flatMap((migration) =>
    hazardsIn(migration, direction, scene).map((hazard) => ({ ...hazard, migration: migration.migration.name })),
  )
  return countHazards(connection, found, project.schemas)
}

/** The operations that are code of somebody's own, which only shows when it runs what it sends. */
export function ownCode(loaded: readonly LoadedMigration[], direction: 'up' | 'down'): string[] {
  return loaded.flatMap(({ migration, operations }) =>
    notLookedAt(operations, direction).map((operation) => `${migration.name}, ${operation}`),
  )
}

/** @throws {FailedError} naming all that would be lost */
export function refuseLosing(losing: readonly CountedHazard[]): void {
  if (losing.length === 0) return
  throw new FailedError(
    `Refused by --fail-on-destructive:\n${losing.map((hazard) => `  - ${hazard.migration}: ${hazard.message}`).join('\n')}`,
    { code: 'E_DESTRUCTIVE', hint: WITHOUT_FLAG },
  )
}

const WITHOUT_FLAG = 'Run it without --fail-on-destructive once the loss is wanted.'

export interface GuardOptions {
  readonly fake?: boolean
  readonly failOnDestructive?: boolean
  readonly y?: boolean
}

/** What looks at each statement of a run before it is sent; undefined where every loss is agreed to. */
export function guardOf(
  { schemas }: Pick<Project, 'schemas'>,
  { config, host }: Context,
  options: GuardOptions,
  run: Omit<Guarding, 'schemas' | 'hint'> & { readonly direction: 'up' | 'down'; readonly own: readonly string[] },
): LossGuard | undefined {
  const { direction, own, agreed, session } = run
  const strict = options.failOnDestructive === true
  const unasked = !options.y && (config.environment === 'production' || (direction === 'down' && own.length > 0))
  if (options.fake || (!strict && !unasked)) return undefined
  if (own.length > 0)
    host.note(
      `Code of its own, not looked at beforehand: ${own.join('; ')}. Each statement is looked at before it is sent, and refused if it loses data.`,
    )
  const hint = strict ? WITHOUT_FLAG : 'Once the loss is wanted, give the same command -y.'
  return new LossGuard({ session, schemas, agreed, hint })
}
