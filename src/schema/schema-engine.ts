/** The contract of whatever diffs and introspects schemas, and the choice between the implementations. */
import { type Connection, type Engine, InvalidSchemaError } from '../../engines/engine.js'
import type { DatabaseUrl } from '../../engines/url.js'
import { SchemaInvalidError } from '../errors.js'

/** One file of a Prisma schema. `path` is relative to the schema's root, with forward slashes. */
export interface SchemaFile {
  readonly path: string
  readonly content: string
}

/** A state of a database schema. */
export type SchemaState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'schema'; readonly files: readonly SchemaFile[] }
  | {
      readonly kind: 'database'
      readonly connection: Connection
      /** The project's schema: its datasource block tells namespaces and relation mode. */
      readonly context: readonly SchemaFile[]
    }

/** One step of a plan with its exact inverse, each a list of single statements without a final semicolon. */
export interface ReversibleStep {
  readonly up: readonly string[]
  readonly down: readonly string[]
  /** What the down cannot bring back, in one sentence. */
  readonly lossy?: string
}

export interface SchemaDiff {
  readonly empty: boolean
  /** The SQL, as Prisma's engine writes it: '' or one statement block after another. `-- This is an empty migration.` when empty. */
  readonly script: string
  /** Prisma's human-readable summary: `[+] Added tables ...`. */
  readonly summary: string
  /** Steps with inverses, where the planner knows them (databases without transactional DDL). */
  readonly steps?: readonly ReversibleStep[]
  /** What data the steps lose or may fail on, in Prisma's words (`You are about to drop ...`). */
  readonly warnings?: readonly string[]
}

export interface DiffOptions {
  /** Tables and enums that are managed elsewhere (`tables.external` of prisma.config.ts). */
  readonly externalTables?: readonly string[]
  readonly externalEnums?: readonly string[]
  /** Skip the human-readable summary (it is a second pass of the engine). */
  readonly summary?: boolean
}

export interface SchemaEngine {
  /**
   * The way from one state to another. Between two schema texts no database is touched.
   * @throws {SchemaInvalidError} with the engine's own message, file and line
   */
  diff(from: SchemaState, to: SchemaState, options?: DiffOptions): Promise<SchemaDiff>
  /** The live database as Prisma schema files, keeping the datasource and generator blocks of `context`. */
  introspect(connection: Connection, context: readonly SchemaFile[]): Promise<SchemaFile[]>
  /** @throws {SchemaInvalidError} */
  validate(files: readonly SchemaFile[]): Promise<void>
}

export interface SchemaEngineOptions {
  /** Absolute path of the project: its own Prisma is found from there. */
  readonly root: string
  /** Absolute path of the schema file or folder. */
  readonly schemaPath: string
  /** The main database, for Prisma's CLI: it connects by itself. */
  readonly url?: DatabaseUrl
  /** The namespace that the main database's URL selects; `public` where it selects none. */
  readonly namespace?: string
  readonly onLog?: (level: string, message: string) => void
}

/**
 * The schema engine of a project: the database's own planner where it has one, else Prisma's engine in this process;
 * with `prisma-cli` the project's own Prisma.
 */
export async function createSchemaEngine(
  kind: 'wasm' | 'prisma-cli',
  engine: Engine,
  options: SchemaEngineOptions,
): Promise<SchemaEngine> {
  if (kind === 'prisma-cli') return (await import('./prisma-cli.js')).createPrismaCliEngine(engine, options)
  if (engine.planner) return inOurWords(await engine.planner())
  return (await import('./wasm-engine.js')).createWasmEngine(options)
}

/** Engines know nothing of rays' errors: an invalid schema is told as one. */
function inOurWords(planner: SchemaEngine): SchemaEngine {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof InvalidSchemaError) throw new SchemaInvalidError(error.message, { cause: error })
      throw error
    }
  }
  return {
    diff: (from, to, options) => told(planner.diff(from, to, options)),
    introspect: (connection, context) => told(planner.introspect(connection, context)),
    validate: (files) => told(planner.validate(files)),
  }
}
