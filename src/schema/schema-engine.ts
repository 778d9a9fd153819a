/** Picks what diffs and introspects schemas; the contract is engines/schema-engine.ts. */
import { type Engine, InvalidSchemaError } from '../../engines/engine.js'
import type { SchemaEngine, SchemaState } from '../../engines/schema-engine.js'
import type { DatabaseUrl } from '../../engines/url.js'
import { invalidSchema } from '../errors.js'
import { withWholeDefaults } from './defaults.js'
import { withExpressions } from './expressions.js'
import { forEngine } from './prisma-schema.js'

export type * from '../../engines/schema-engine.js'

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
  if (kind === 'prisma-cli')
    return withWholeDefaults(await (await import('./prisma-cli.js')).createPrismaCliEngine(engine, options))
  if (engine.planner) return inOurWords(await engine.planner())
  const { createWasmEngine } = await import('./wasm-engine.js')
  const { expressions, syntax } = engine
  if (expressions === undefined) return withWholeDefaults(createWasmEngine(options))
  const wasm = createWasmEngine({ ...options, adapter: expressions.adapter })
  return withWholeDefaults(withExpressions(wasm, expressions, syntax))
}

/** Engines know nothing of rays' errors, nor of what schemas of older Prisma versions may hold: both are translated here. */
function inOurWords(planner: SchemaEngine): SchemaEngine {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof InvalidSchemaError) throw invalidSchema(error.message, error)
      throw error
    }
  }
  return {
    diff: (from, to, options) => told(planner.diff(readable(from), readable(to), options)),
    introspect: (connection, context) => told(planner.introspect(connection, context)),
    ...(planner.beside && { beside: planner.beside }),
    validate: (files) => told(planner.validate(forEngine(files))),
  }
}

function readable(state: SchemaState): SchemaState {
  return state.kind === 'schema' ? { kind: 'schema', files: forEngine(state.files) } : state
}
