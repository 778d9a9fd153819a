/** Prisma's own schema engine in this process: PostgreSQL and SQLite, without a download and without a child process. */
import type { Connection, Provider } from '../../engines/engine.js'
import { type AdapterFactory, adapterFactory, ColumnType, withoutPartialIndexes } from '../../engines/prisma-adapter.js'
import type { DiffOptions, SchemaDiff, SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { FailedError, invalidSchema, RaysError, SchemaInvalidError, UsageError } from '../errors.js'
import { replaceModels } from './models.js'
import { datasourceOf, forEngine, generatorsOf } from './prisma-schema.js'
import { createWasmRuntime, type EngineLog, EngineRefusal, type OpenEngine } from './wasm-runtime.js'

export interface WasmEngineOptions {
  /** The namespace that unqualified names mean when no database is asked: the URL's `schema`. Default `public`. */
  readonly namespace?: string
  readonly onLog?: EngineLog
  /** Put around the adapter of each database that the engine is to read. */
  readonly adapter?: Around
}

type Around = (factory: AdapterFactory) => AdapterFactory

/** What Prisma's engine writes for two equal states (Prisma: sql-migration-connector, render_script). */
const EMPTY_SCRIPT = '-- This is an empty migration.'

/** The schema engine over `@prisma/schema-engine-wasm`. The module is loaded at the first call. */
export function createWasmEngine(options: WasmEngineOptions = {}): SchemaEngine {
  const runtime = createWasmRuntime(options.onLog)
  const around = options.adapter ?? ((factory) => factory)

  async function withEngine<T>(adapter: unknown, work: (engine: OpenEngine) => Promise<T>): Promise<T> {
    let engine: OpenEngine | undefined
    try {
      engine = await runtime.open(adapter)
      return await work(engine)
    } catch (error) {
      throw engineError(error)
    } finally {
      engine?.free()
    }
  }

  return {
    diff: async (from, to, diffOptions = {}) => {
      const plan = await planDiff(from, to, options.namespace ?? 'public', around)
      if (plan === undefined) return { empty: true, script: EMPTY_SCRIPT, summary: '' }
      return withEngine(plan.adapter, async (engine) => {
        const run = (script: boolean) =>
          engine.call<{ exitCode: number; stdout: string | null }>('diff', {
            from: plan.from,
            to: plan.to,
            script,
            exitCode: true,
            shadowDatabaseUrl: null,
            filters: filters(diffOptions),
          })
        const { exitCode, stdout } = await run(true)
        const empty = exitCode === 0
        const summary = empty || diffOptions.summary === false ? '' : ((await run(false)).stdout ?? '')
        return { empty, script: (stdout ?? '').trimEnd(), summary: summary.trim() } satisfies SchemaDiff
      })
    },

    introspect: async (connection, context) => {
      const schema = { path: '/', layout: context.length > 1 ? 'folder' : 'file', files: context } as const
      const datasource = datasourceOf(context)
      const found = await withEngine(await liveAdapter(around, { connection, context }), (engine) =>
        engine.call<{ schema: { files: SchemaFile[] } }>('introspect', {
          schema: { files: forEngine(context) },
          baseDirectoryPath: '/',
          force: false,
          compositeTypeDepth: 0,
          namespaces: datasource.schemas.length > 0 ? datasource.schemas : null,
        }),
      ).catch((error: unknown) => {
        // Prisma: P4001, the introspected database was empty.
        if (error instanceof RaysError && error.data?.prismaCode === 'P4001') return { schema: { files: [] } }
        throw error
      })
      const { write, remove } = replaceModels(schema, found.schema.files)
      const files = new Map(context.map((file) => [file.path, file]))
      for (const file of write) files.set(file.path, file)
      for (const name of remove) files.delete(name)
      return [...files.values()]
    },

    validate: async (files) => {
      const target = { tag: 'schemaDatamodel', files: forEngine(files) }
      await withEngine(staticAdapter(datasourceOf(files).provider, 'public'), (engine) =>
        engine.call('diff', {
          from: target,
          to: target,
          script: false,
          exitCode: null,
          shadowDatabaseUrl: null,
          filters: filters({}),
        }),
      )
    },
  }
}

interface DiffPlan {
  readonly adapter: unknown
  readonly from: unknown
  readonly to: unknown
}

/** The engine's words for a diff, and the database it goes to; undefined where nothing is compared with nothing. */
async function planDiff(
  from: SchemaState,
  to: SchemaState,
  namespace: string,
  around: Around,
): Promise<DiffPlan | undefined> {
  const states = [from, to]
  const schemas = states.flatMap((state) =>
    state.kind === 'schema' ? [state.files] : state.kind === 'database' ? [state.context] : [],
  )
  if (schemas[0] === undefined) return undefined
  const providers = schemas.map((files) => datasourceOf(files).provider)
  if (providers[1] !== undefined && providers[0] !== providers[1]) {
    throw new SchemaInvalidError(
      `The two schemas are for different databases: ${providers[0]} and ${providers[1]}. A migration cannot lead from one to the other.`,
      { hint: 'Set the provider back, or start a new migrations folder.' },
    )
  }
  const live = states.flatMap((state) => (state.kind === 'database' ? [state] : []))
  const [first, second] = live
  return {
    adapter: first ? await liveAdapter(around, first, second) : staticAdapter(providers[0]!, namespace),
    from: target(from, false, providers[0]!),
    to: target(to, from.kind === 'database', providers[0]!),
  }
}

function target(state: SchemaState, second: boolean, provider: Provider): unknown {
  if (state.kind === 'empty') return { tag: 'empty' }
  if (state.kind === 'schema') return { tag: 'schemaDatamodel', files: forEngine(state.files) }
  if (!second) return { tag: 'schemaDatasource', files: forEngine(state.context), configDir: '/' }
  // The engine connects to one database. The other is described as the shadow database of a history without migrations.
  return {
    tag: 'migrations',
    baseDir: '/',
    lockfile: { path: 'migration_lock.toml', content: `provider = "${provider}"` },
    shadowDbInitScript: '',
    migrationDirectories: [],
  }
}

function filters(options: DiffOptions): { externalTables: readonly string[]; externalEnums: readonly string[] } {
  return { externalTables: options.externalTables ?? [], externalEnums: options.externalEnums ?? [] }
}

interface Live {
  readonly connection: Connection
  readonly context: readonly SchemaFile[]
}

/** A live session, and a second one where two databases are compared. */
async function liveAdapter(around: Around, live: Live, other?: Live): Promise<unknown> {
  const adapter = around(await adapterOver(live))
  if (!other) return adapter
  const second = around(await adapterOver(other))
  return { ...adapter, connectToShadowDb: () => second.connect() }
}

async function adapterOver({ connection, context }: Live): Promise<AdapterFactory> {
  const shadow = async (): Promise<Connection> => {
    throw new Error('a comparison of two states needs no shadow database')
  }
  const adapter = (await connection.adapter?.({ shadow })) as AdapterFactory | undefined
  if (adapter) {
    const modelled = generatorsOf(context).some(({ previewFeatures }) => previewFeatures.includes('partialIndexes'))
    return modelled ? adapter : withoutPartialIndexes(adapter)
  }
  throw new UsageError(`Prisma's engine in this process cannot read ${connection.target}`, {
    hint: 'Set `schemaEngine: "prisma-cli"` in raysconfig.js to use the project\'s own Prisma for this database.',
  })
}

/**
 * A database that only tells what it is: enough for the engine to compare two schema texts. SQLite is asked nothing,
 * PostgreSQL for its namespace and version; the version is the oldest that has everything Prisma writes.
 */
export function staticAdapter(provider: Provider, namespace: string): AdapterFactory {
  const version = {
    columnNames: ['exists', 'version', 'numeric_version'],
    columnTypes: [ColumnType.Boolean, ColumnType.Text, ColumnType.Int32],
    rows: [[true, 'PostgreSQL 16.0', 160000]],
  }
  const nowhere = async () => {
    throw new Error('a diff of two schema texts must not ask a database')
  }
  const driver = {
    provider: provider === 'sqlite' ? ('sqlite' as const) : ('postgres' as const),
    connectionInfo: { schemaName: namespace, maxBindValues: 999, supportsRelationJoins: true },
    query: async ({ sql }: { sql: string }) => (/\bversion\(\)/.test(sql) ? version : nowhere()),
    execute: nowhere,
    script: nowhere,
    explain: (error: unknown) => ({ kind: 'postgres', code: 'XX000', severity: 'ERROR', message: String(error) }),
    dispose: async () => undefined,
  }
  return adapterFactory(driver, nowhere)
}

/** An answer of the engine in rays' words: a fault of the schema, or of what was asked. */
function engineError(error: unknown): unknown {
  if (!(error instanceof EngineRefusal)) return error
  if (error.code === 'P1012') {
    return invalidSchema(error.message, error)
  }
  return new FailedError(`Prisma's engine refused: ${error.message}${error.code ? ` (${error.code})` : ''}`, {
    cause: error,
    code: 'E_ENGINE',
    data: { prismaCode: error.code },
  })
}
