/** One call of Prisma's JSON-RPC: which database it needs, and what its words mean to the engine in this process. */
import { readFile } from 'node:fs/promises'
import { type Connection, type Engine, LockTimeoutError, type Shadow } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import type { AdapterError, AdapterFactory } from '../../engines/prisma-adapter.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { redact } from '../../engines/url.js'
import { replaceModels } from '../schema/models.js'
import { datasourceOf, type Expression, forEngine, tableNames } from '../schema/prisma-schema.js'
import { createSchemaEngine, type SchemaEngine } from '../schema/schema-engine.js'
import { staticAdapter } from '../schema/wasm-engine.js'
import { createWasmRuntime, type OpenEngine } from '../schema/wasm-runtime.js'
import type { EngineArguments } from './arguments.js'
import { connect, createDatabase, openShadow, PrismaError, prismaError, type Target, targetOf } from './database.js'
import { answerByPlanner, type PlannerContext } from './planner-calls.js'

type Params = Record<string, unknown>

/** Calls that change the database or its history. Where the lock is the session's, Prisma's engine takes it itself. */
const WRITES = new Set([
  'applyMigrations',
  'markMigrationApplied',
  'markMigrationRolledBack',
  'reset',
  'schemaPush',
  'dbExecute',
])

/** Answers calls, one after the other, on one session that is opened when a call first needs it. */
export interface Calls {
  /** @throws {PrismaError} */
  answer(method: string, params: Params): Promise<unknown>
  /** Drops what shadow databases there are and closes the session. Never throws. */
  close(): Promise<void>
}

/** Prisma's names that the engine in this process knows by another one. */
const RENAMED: Readonly<Record<string, string>> = { getDatabaseVersion: 'version' }

/** @param base the folder that relative SQLite paths start from */
export function createCalls(args: EngineArguments, base: string): Calls {
  const runtime = createWasmRuntime()
  const shadows: Shadow[] = []
  let session: Session | undefined
  let scriptError: AdapterError | undefined
  let open: { readonly adapter: AdapterFactory; readonly engine: OpenEngine } | undefined

  async function live(href: string | undefined): Promise<Session> {
    if (session && (href === undefined || session.href === href)) return session
    await session?.connection.close()
    session = undefined
    const url = href ?? (await urls()).url
    const target = await targetOf(url, base)
    const connection = await connect(target)
    const over = await connection.adapter?.({ shadow: async () => (await shadowOf(target)).connection })
    const adapter =
      over === undefined
        ? undefined
        : remembering(over as AdapterFactory, (error) => {
            scriptError = error
          })
    session = { href: url ?? '', target, connection, adapter }
    return session
  }

  /** The main session, or none where only texts and shadow databases are compared. */
  async function adapterFor(method: string, params: Params): Promise<AdapterFactory> {
    const sides = method === 'diff' ? [params.from as Side, params.to as Side] : []
    const needsLive = method !== 'diff' || sides.some((side) => side.tag === 'schemaDatasource' || side.tag === 'url')
    if (!needsLive) {
      const adapter = staticAdapter(await providerOf(sides), await namespace())
      return { ...adapter, connectToShadowDb: () => shadowAdapter(anyTarget) }
    }
    return (await live(sides.map(urlOfSide).find((url) => url !== undefined))).adapter!
  }

  async function shadowOf(target: Target): Promise<Shadow> {
    const { shadowUrl } = await urls()
    // A configured one is the same for all that a call asks for, one after the other.
    if (shadowUrl !== undefined) await dispose()
    const files = args.datamodels.length > 0 ? await schemaFiles() : []
    const shadow = await openShadow(target, shadowUrl, tableNames(files))
    shadows.push(shadow)
    return shadow
  }

  async function shadowAdapter(find: () => Promise<Target>): ReturnType<AdapterFactory['connectToShadowDb']> {
    try {
      const { connection } = await shadowOf(await find())
      const adapter = (await connection.adapter!({ shadow: async () => connection })) as AdapterFactory
      return await adapter.connect()
    } catch (error) {
      const message = prismaError(error).message
      return { ok: false, error: { kind: 'postgres', code: 'XX000', severity: 'ERROR', message } }
    }
  }

  async function namespace(): Promise<string> {
    const { url: main } = await urls()
    if (main === undefined) return 'public'
    const { engine, url } = await targetOf(main, base)
    return engine.namespace(url) ?? 'public'
  }

  async function providerOf(sides: readonly Side[]) {
    const files = sides.find((side) => side.files)?.files
    if (files) return datasourceOf(files).provider
    return (await anyTarget()).engine.provider
  }

  /** Prisma 7 says where the database is; Prisma 6 sends the schema that does. */
  async function urls(): Promise<{ readonly url: string | undefined; readonly shadowUrl: string | undefined }> {
    if (args.url !== undefined || args.datamodels.length === 0) return args
    const { directUrl, url, shadowDatabaseUrl } = datasourceOf(await schemaFiles())
    return { url: resolved(directUrl) ?? resolved(url), shadowUrl: args.shadowUrl ?? resolved(shadowDatabaseUrl) }
  }

  async function anyTarget(): Promise<Target> {
    const { url, shadowUrl } = await urls()
    return targetOf(url ?? shadowUrl, base)
  }

  function schemaFiles(): Promise<SchemaFile[]> {
    return Promise.all(args.datamodels.map(async (file) => ({ path: file, content: await readFile(file, 'utf8') })))
  }

  async function datamodels(): Promise<[string, string][] | undefined> {
    if (args.datamodels.length === 0) return undefined
    const files = await schemaFiles()
    return forEngine(files).map((file) => [file.path, file.content])
  }

  /** The engine of the database that a call is about. */
  async function engineOf({ from, to, schema }: Params): Promise<Engine> {
    const files = [from, to, schema].map((side) => (side as Partial<Side> | undefined)?.files).find((found) => found)
    const provider = files && datasourceOf(files).provider
    return provider ? engineFor(provider) : (await anyTarget()).engine
  }

  function plannerContext(engine: Engine, planner: SchemaEngine, { from, to, datasourceType }: Params): PlannerContext {
    const own = [from, to].map((side) => (side ? urlOfSide(side as Side) : undefined)).find((url) => url !== undefined)
    const href = own ?? (datasourceType as { url?: string } | undefined)?.url
    return {
      engine,
      planner,
      live: () => live(href),
      shadow: async () => shadowOf(session?.target ?? (await anyTarget())),
      schema: async () =>
        args.datamodels.length > 0
          ? schemaFiles()
          : [{ path: 'schema.prisma', content: `datasource db {\n  provider = "${engine.provider}"\n}\n` }],
    }
  }

  async function answer(method: string, params: Params): Promise<unknown> {
    if (method === 'createDatabase') return { databaseName: await create(params) }
    const engine = await engineOf(params)
    if (engine.planner) {
      const planner = await createSchemaEngine('wasm', engine, { root: base, schemaPath: '' })
      try {
        return await answerByPlanner(plannerContext(engine, planner, params), method, params)
      } finally {
        await dispose()
      }
    }
    return answerByWasm(method, params)
  }

  async function answerByWasm(method: string, params: Params): Promise<unknown> {
    const engine = await engineOver(method, params)
    try {
      if (WRITES.has(method) && session) await refuseMigrating(session)
      if (method === 'reset') return await reset(engine, params)
      const result = await engine.call<unknown>(
        RENAMED[method] ?? method,
        method === 'diff' ? diffParams(params) : withoutUrls(params),
      )
      return method === 'introspect' ? withUrls(result as Introspection, params) : (result ?? null)
    } finally {
      await dispose()
    }
  }

  /** One engine for all calls on the main database: some of Prisma's calls go on where the one before left off. */
  async function engineOver(method: string, params: Params): Promise<OpenEngine> {
    const adapter = await adapterFor(method, params)
    if (open?.adapter !== adapter) {
      open?.engine.free()
      open = { adapter, engine: await runtime.open(adapter, await datamodels()) }
    }
    return open.engine
  }

  /** The engine in this process empties SQLite's tables where the native one drops them; so it is done here. */
  async function reset(engine: OpenEngine, params: Params): Promise<null> {
    const filter = params.filter as { externalTables?: string[]; externalEnums?: string[] } | undefined
    const kept = [...(filter?.externalTables ?? []), ...(filter?.externalEnums ?? [])]
    if (kept.length > 0) {
      await engine.call('reset', params)
      return null
    }
    const { connection } = await live(undefined)
    await connection.reset(await schemas())
    // An engine remembers what it has seen of the database.
    engine.free()
    open = undefined
    return null
  }

  async function schemas(): Promise<readonly string[]> {
    const files = (await datamodels())?.map(([name, content]) => ({ path: name, content }))
    return files === undefined ? [] : datasourceOf(files).schemas
  }

  async function create(params: Params): Promise<string> {
    const datasource = params.datasource as { url?: string } | undefined
    const target = await targetOf(datasource?.url ?? (await urls()).url, base)
    await createDatabase(target)
    const connection = await connect(target)
    await connection.close()
    return connection.database
  }

  async function dispose(): Promise<void> {
    for (const shadow of shadows.splice(0)) await shadow.dispose()
  }

  return {
    answer: async (method, params) => {
      scriptError = undefined
      try {
        return await answer(method, params)
      } catch (error) {
        if (method === 'applyMigrations' && scriptError && session) throw await applyError(session, scriptError)
        throw prismaError(error, session?.target.engine, session?.target.url)
      }
    },
    close: async () => {
      await dispose()
      open?.engine.free()
      await session?.connection.close().catch(() => undefined)
    },
  }
}

interface Session {
  readonly href: string
  readonly target: Target
  readonly connection: Connection
  /** Undefined where rays has a planner of its own. */
  readonly adapter: AdapterFactory | undefined
}

/** Prisma does not wait for a SQLite file, so neither is waited here. @throws {PrismaError} P1002 */
async function refuseMigrating({ connection }: Session): Promise<void> {
  const holder = connection.holdLock && (await connection.lockHolder({ migrating: true }))
  if (holder !== undefined) throw new LockTimeoutError(holder, 0)
}

/** The factory, with the error of the last script that the database refused told to the listener. */
function remembering(factory: AdapterFactory, onError: (error: AdapterError) => void): AdapterFactory {
  return {
    ...factory,
    connect: async () => {
      const outcome = await factory.connect()
      if (!outcome.ok) return outcome
      const executeScript = async (sql: string) => {
        const result = await outcome.value.executeScript(sql)
        if (!result.ok) onError(result.error)
        return result
      }
      return { ok: true, value: { ...outcome.value, executeScript } }
    },
  }
}

/** Prisma: P3018 (user-facing-errors, ApplyMigrationError). The engine in this process loses the database's own words. */
async function applyError({ connection, target }: Session, error: AdapterError): Promise<PrismaError> {
  const { table } = connection.history
  const open = `SELECT migration_name FROM ${table} WHERE finished_at IS NULL AND rolled_back_at IS NULL ORDER BY started_at DESC`
  const rows = await connection.raw(open).catch(() => [])
  const message = [
    'A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve',
    `Migration name: ${rows[0]?.migration_name ?? ''}`,
    `Database error code: ${error.originalCode ?? ''}`,
    `Database error:\n${redact(error.originalMessage ?? error.kind, target.url.secrets)}`,
  ]
  return new PrismaError('P3018', message.join('\n\n'))
}

interface Side {
  readonly tag: string
  readonly files?: readonly SchemaFile[]
  readonly url?: string
}

/** Where a side of a diff names its database itself. */
function urlOfSide({ tag, url, files }: Side): string | undefined {
  if (tag === 'url') return url
  if (tag !== 'schemaDatasource' || !files) return undefined
  const datasource = datasourceOf(files)
  return resolved(datasource.directUrl) ?? resolved(datasource.url)
}

function resolved(expression: Expression | undefined): string | undefined {
  return expression?.kind === 'env' ? process.env[expression.name] : expression?.value
}

interface Introspection {
  readonly schema: { readonly files: readonly SchemaFile[] }
}

/** Prisma 6 sends schemas with their URLs, which the engine refuses. */
function withoutUrls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUrls)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, entry]) =>
    key === 'files' && Array.isArray(entry) ? [key, forEngine(entry as SchemaFile[])] : [key, withoutUrls(entry)],
  )
  return Object.fromEntries(entries)
}

/** A URL as a side of a diff (Prisma 6) is the database that the session was opened with. */
function diffParams(params: Params): unknown {
  const side = (value: unknown) => {
    const { tag, url } = value as Side
    if (tag !== 'url' || url === undefined) return withoutUrls(value)
    const provider = /^(file|sqlite):/i.test(url) ? 'sqlite' : 'postgresql'
    const content = `datasource db {\n  provider = "${provider}"\n}\n`
    return { tag: 'schemaDatasource', files: [{ path: 'schema.prisma', content }], configDir: '/' }
  }
  return { ...params, from: side(params.from), to: side(params.to) }
}

/** The datasource blocks come back as they were sent. */
function withUrls(result: Introspection, params: Params): Introspection {
  const sent = (params.schema as { files?: SchemaFile[] } | undefined)?.files ?? []
  if (forEngine(sent).every((file, i) => file.content === sent[i]!.content)) return result
  const layout = sent.length > 1 ? 'folder' : 'file'
  const { write } = replaceModels({ path: '/', layout, files: sent }, result.schema.files)
  const changed = new Map(write.map((file) => [file.path, file]))
  return { ...result, schema: { files: result.schema.files.map((file) => changed.get(file.path) ?? file) } }
}
