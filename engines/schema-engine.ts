/** The contract of whatever diffs and introspects schemas: Prisma's own engine, or a planner of the database's. */
import type { Connection } from './engine.js'

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
  /** The steps are for this database: where a column or table is written anew, it keeps what no schema says of it. */
  readonly beside?: Beside
}

/** What a database has beside what a schema can say; see {@link SchemaEngine.beside}. */
export interface Beside {
  /** The collations of its tables that are not those of tables that Prisma makes. */
  readonly collations: readonly string[]
  /** The same, where tables and columns are found under the names that they get, too. */
  alsoNamed(names: readonly AlsoNamed[]): Beside
}

/** A new name of a table, or of one of its columns (then the table may have a new one, too). */
export interface AlsoNamed {
  readonly table: string
  readonly toTable: string
  readonly column?: string
  readonly toColumn?: string
}

export interface SchemaEngine {
  /**
   * The way from one state to another. Between two schema texts no database is touched.
   * @throws {SchemaInvalidError} with the engine's own message, file and line
   */
  diff(from: SchemaState, to: SchemaState, options?: DiffOptions): Promise<SchemaDiff>
  /** The live database as Prisma schema files, keeping the datasource and generator blocks of `context`. */
  introspect(connection: Connection, context: readonly SchemaFile[]): Promise<SchemaFile[]>
  /**
   * Where a column is changed by writing it anew, as a whole: reads collations, comments, generated columns and the like,
   * for {@link DiffOptions.beside}.
   */
  beside?(connection: Connection): Promise<Beside>
  /** @throws {SchemaInvalidError} */
  validate(files: readonly SchemaFile[]): Promise<void>
}
