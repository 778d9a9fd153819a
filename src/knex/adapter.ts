/** A knexfile that runs the project's Prisma and rays migrations beside its own Knex migrations. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Knex } from 'knex'
import { sqlitePath } from '../../engines/sqlite/url.js'
import { DatabaseUrl } from '../../engines/url.js'
import type { Config } from '../config/config.js'
import { refuseUnfitUrl } from '../config/unfit-url.js'
import { ConfigError } from '../errors.js'
import { dialectOf, type KnexClient, type KnexQuery, requireKnex } from './dialects.js'
import { insertOnce, type KnexTable, noteBatch, syncToKnex } from './histories.js'
import { folderNameOf } from './names.js'
import { KnexSession } from './session.js'
import { PrismaMigrationSource, toldWhole } from './source.js'

/** Where the project's migrations are; what is not given is found as the rays command finds it. */
export interface AdapterOptions {
  /** The project's folder; default: the folder in which Knex runs, which is that of the knexfile. */
  readonly root?: string
  /** The folder of the migrations, from `root`. */
  readonly migrationsDir?: string
}

/** A configuration of Knex's, one for each environment, or a function that returns either. */
export type Knexfile =
  | Knex.Config
  | { readonly [environment: string]: Knex.Config }
  | (() => Knexfile | Promise<Knexfile>)

/**
 * Wraps a knexfile: `knex migrate:*` and `knex.migrate.*` then run the project's migrations of rays and Prisma, forwards
 * and backwards, and its own Knex migrations, in one order, and keep `_prisma_migrations` in step with Knex's history.
 * Every other option stays as it is.
 * @throws {ConfigError} where Knex is not installed or its client is of no database that Prisma has
 */
export function knexFilePrismaAdapter<T extends Knexfile>(knexfile: T, options: AdapterOptions = {}): T {
  if (typeof knexfile === 'function') {
    return (async () => knexFilePrismaAdapter(await knexfile(), options)) as unknown as T
  }
  if (isConfig(knexfile)) return adapt(knexfile, options, typedEnvironment()) as T
  const environments = Object.entries(knexfile as Record<string, unknown>)
  if (!environments.some(([, config]) => isConfig(config))) {
    throw new ConfigError("The knexfile names no client: it needs client: 'pg', 'mysql2' or 'better-sqlite3'.", {
      hint: 'rays knex init writes a knexfile.',
    })
  }
  return Object.fromEntries(
    environments.map(([name, config]) => [name, isConfig(config) ? adapt(config, options, name) : config]),
  ) as T
}

function isConfig(value: unknown): value is Knex.Config {
  const { client, dialect } = (value ?? {}) as Record<string, unknown>
  return ['string', 'function'].includes(typeof (client ?? dialect))
}

/** Knex's own list, and `.mjs`: beside a knexfile.mjs Knex makes such files, but would not load them. */
const LOADED = ['.js', '.cjs', '.mjs', '.ts', '.co', '.coffee', '.eg', '.iced', '.litcoffee', '.ls']

type ClientClass = new (config: Knex.Config) => KnexClient

/** `knex --env production` with a knexfile that has no environments: it is said for rays' configuration all the same. */
function typedEnvironment(): string | undefined {
  const { argv } = process
  if (!/(?:^|[\\/])(?:knex|knex[\\/]bin[\\/]cli\.js)$/.test(argv[1] ?? '')) return undefined
  const at = argv.findIndex((word) => word === '--env' || word.startsWith('--env='))
  return at === -1 ? undefined : argv[at]!.split('=')[1] || argv[at + 1]
}

/** @param environment the name that Knex has for the configuration; rays' configuration is that of the same name */
function adapt(config: Knex.Config, options: AdapterOptions, environment: string | undefined): Knex.Config {
  const { directory = './migrations', sortDirsSeparately, migrationSource, ...others } = config.migrations ?? {}
  const { loadExtensions = LOADED, ...rest } = others
  const settings = lazily(() => readSettings(options, environment))
  const state: { directory: string | readonly string[] } = { directory }
  const own = () => {
    // A project without Knex migrations of its own need not have a folder for them.
    const folders = [state.directory].flat().filter((folder) => existsSync(path.resolve(folder)))
    return migrationSource ?? new (fsMigrations())(folders, sortDirsSeparately === true, loadExtensions)
  }
  // `--migrations-table-name` of the command line is set later.
  const target: Record<string | symbol, unknown> = { ...rest, directory: undefined }
  const table = (): KnexTable => ({
    name: (target.tableName as string | undefined) ?? 'knex_migrations',
    schema: (target.schemaName as string | undefined) ?? undefined,
  })
  const source = new PrismaMigrationSource({
    own,
    table,
    loadExtensions,
    migrationsDir: async () => (await settings()).migrationsDir,
    lockTimeoutMs: async () => (await settings()).lockTimeoutMs,
  })
  target.migrationSource = source
  const Base = clientClass(config)
  return {
    ...config,
    ...connectionOf(config, Base, settings),
    client: watching(Base, table, source) as unknown as typeof Knex.Client,
    migrations: copiesHaveDirectory(target, state),
  }
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

interface Settings extends Pick<Config, 'migrationsDir' | 'lockTimeoutMs'> {
  readonly config: Config
}

async function readSettings(
  { root = process.cwd(), migrationsDir }: AdapterOptions,
  environment: string | undefined,
): Promise<Settings> {
  const [{ loadConfig }, { datasourceOf, readSchema }] = await Promise.all([
    import('../config/config.js'),
    import('../schema/prisma-schema.js'),
  ])
  const config = await loadConfig({
    cwd: path.resolve(root),
    ...(environment !== undefined && { environment }),
    readDatasource: async (schemaPath) => datasourceOf((await readSchema(schemaPath)).files),
  })
  return {
    config,
    lockTimeoutMs: config.lockTimeoutMs,
    migrationsDir: migrationsDir === undefined ? config.migrationsDir : path.resolve(root, migrationsDir),
  }
}

type FsMigrations = new (
  directory: string | readonly string[],
  sortDirsSeparately: boolean,
  loadExtensions: readonly string[] | undefined,
) => Knex.MigrationSource<unknown>

function fsMigrations(): FsMigrations {
  return requireKnex<{ FsMigrations: FsMigrations }>(
    process.cwd(),
    'knex/lib/migrations/migrate/sources/fs-migrations.js',
  ).FsMigrations
}

function clientClass({ client, dialect }: Knex.Config): ClientClass {
  if (typeof client === 'function') return client as unknown as ClientClass
  // Without a connection Knex opens nothing and loads no driver.
  const knex = requireKnex()({ client: client ?? dialect!, useNullAsDefault: true })
  return knex.client.constructor as ClientClass
}

/** What a Prisma URL says that Knex would not understand; without any connection, the database that rays uses. */
function connectionOf(config: Knex.Config, Base: ClientClass, settings: () => Promise<Settings>): Partial<Knex.Config> {
  const { connection } = config
  const { provider } = dialectOf(Base.prototype as KnexClient)
  const given = connection || undefined
  const file = typeof given === 'string' && provider === 'sqlite' && /^(file|sqlite):/i.test(given) ? given : undefined
  if (given === undefined || file !== undefined) {
    const provided = async () => {
      const own = (await settings()).config
      refuseUnfitUrl(own)
      const url = own.databaseUrl
      if (file !== undefined && url?.reveal() !== file)
        return { filename: sqlitePath(new DatabaseUrl(file, process.cwd())) }
      if (url === undefined)
        throw new ConfigError('No database URL is set.', { hint: 'Set DATABASE_URL, or connection in the knexfile.' })
      if (provider === 'sqlite') return { filename: sqlitePath(url) }
      const parsed = parseConnection(url.reveal())
      const namespace = provider === 'postgresql' ? schemaOf(url.reveal()) : undefined
      if (namespace === undefined || config.searchPath !== undefined) return parsed
      // Prisma's `?schema=`; Knex itself could be told only before the URL is known.
      return { ...parsed, options: `-c search_path=${JSON.stringify(namespace).replace(/[\\ ]/g, '\\$&')}` }
    }
    // Knex looks for a file name on whatever it is given, and a function has none.
    return { connection: Object.assign(provided, { filename: '' }), useNullAsDefault: config.useNullAsDefault ?? true }
  }
  const href = typeof given === 'string' ? given : (given as { connectionString?: unknown }).connectionString
  const schema = typeof href === 'string' && provider === 'postgresql' ? schemaOf(href) : undefined
  return schema !== undefined && config.searchPath === undefined ? { searchPath: [schema] } : {}
}

/** The namespace that a Prisma URL names. */
function schemaOf(href: string): string | undefined {
  const schema = /[?&]schema=([^&#]+)/.exec(href)?.[1]
  return schema === undefined ? undefined : decodeURIComponent(schema)
}

function parseConnection(href: string): Knex.StaticConnectionConfig {
  const parse = requireKnex<(text: string) => { connection: Knex.StaticConnectionConfig }>(
    process.cwd(),
    'knex/lib/knex-builder/internal/parse-connection.js',
  )
  return parse(href).connection
}

/**
 * The client, which looks at the queries on Knex's history: before it is read, it is brought in step with Prisma's. This
 * happens on the connection and in the transaction of the query, so that it holds under Knex's lock, too. No state may be
 * on the client: Knex copies clients without running their constructors.
 */
function watching(Base: ClientClass, table: () => KnexTable, source: PrismaMigrationSource): ClientClass {
  const Parent = Base as unknown as new (
    config: Knex.Config,
  ) => {
    _query(connection: object, query: KnexQuery): Promise<KnexQuery>
    releaseConnection(connection: object): Promise<void>
    transaction(container: unknown, config?: object, outerTx?: unknown): unknown
  }
  const isHistory = (sql: string) => [`"${table().name}"`, `\`${table().name}\``].some((name) => sql.includes(name))
  /** Clients that read the history: each belongs to one use of `knex.migrate`, never to the application. */
  const migrating = new WeakSet<object>()
  class WatchingClient extends Parent {
    override async _query(connection: object, query: KnexQuery): Promise<KnexQuery> {
      const client = this as unknown as KnexClient
      if (typeof query === 'string' || !isHistory(query.sql ?? '')) {
        const surplus = typeof query === 'string' ? undefined : surplusLocks(query, table())
        if (surplus !== undefined) await super._query(connection, { sql: surplus, bindings: [], method: 'raw' })
        const answer = await super._query(connection, query).catch(async (error: unknown) => {
          // Knex takes a transaction whose COMMIT fails for ended, and SQLite leaves it open to whoever gets the connection next.
          if (migrating.has(this) && /^\s*COMMIT\b/i.test(typeof query === 'string' ? query : query.sql))
            await super._query(connection, { sql: 'ROLLBACK', bindings: [], method: 'raw' }).catch(() => undefined)
          throw error
        })
        source.ended(typeof query === 'string' ? query : query.sql, client.transacting === true)
        return answer
      }
      migrating.add(this)
      const send = () => super._query(connection, query)
      if (query.method === 'insert') return inserted(client, connection, query, table(), source, send)
      if (query.method === 'select') await sync(client, connection, table(), source)
      const answer = await send()
      if (query.method === 'select' && /\bas\s+["`]?max_batch\b/i.test(query.sql)) {
        source.lastBatch = Number(dialectOf(client).rows(answer)[0]?.max_batch ?? 0)
      }
      return answer
    }

    override async releaseConnection(connection: object): Promise<void> {
      await KnexSession.releaseLock(this as unknown as KnexClient, connection)
      return super.releaseConnection(connection)
    }

    override transaction(container: unknown, config?: object, outerTx?: unknown): unknown {
      // SQLite ignores the pragma inside a transaction, and dropping the old table would then empty its children.
      const off = source.foreignKeysOff && migrating.has(this) && !outerTx
      return super.transaction(container, off ? { ...config, enforceForeignCheck: false } : config, outerTx)
    }
  }
  return WatchingClient as unknown as ClientClass
}

/**
 * What brings the table of Knex's lock to one row, where the query takes the lock. Processes that make the table at the
 * same moment each put a row into it, and Knex takes two free rows for a lock that somebody holds.
 */
function surplusLocks({ sql = '', method }: KnexQuery, { name }: KnexTable): string | undefined {
  const [, locks] = method === 'update' ? (/^update\s+(\S+)\s+set\b.*\bwhere\b/is.exec(sql) ?? []) : []
  const quote = locks?.at(-1)
  if (!locks?.endsWith(`${quote}${name}_lock${quote}`)) return undefined
  const index = `${quote}index${quote}`
  return `delete from ${locks} where ${index} > (select least from (select min(${index}) as least from ${locks}) as first_lock)`
}

async function sync(client: KnexClient, connection: object, table: KnexTable, source: PrismaMigrationSource) {
  const session = await KnexSession.over(client, connection)
  const { removed, absorbed, untold } = await syncToKnex(
    session,
    table,
    await source.listed(),
    await source.lockTimeoutMs(),
  ).catch((error: unknown) => {
    throw toldWhole(error)
  })
  for (const { migration, replaced } of absorbed) {
    client.logger.warn?.(
      `Recorded ${migration.name} as applied in place of the ${replaced.length} migrations that it stands for.`,
    )
  }
  for (const name of removed) {
    client.logger.warn?.(
      `${name} was rolled back, as _prisma_migrations tells, and counts as pending. (If its changes are in the database: rays migrate --fake --name ${folderNameOf(name)}.)`,
    )
  }
  for (const name of source.firstTime(untold)) {
    client.logger.warn?.(
      `${name} is in ${table.name} and not in _prisma_migrations: Knex takes it for applied, rays and Prisma for pending. If Knex ran it, rays knex init tells them (once in each environment). If it is not applied, delete its row from ${table.name}.`,
    )
  }
}

/** Knex records a migration: once, and which batch it is in is noted in Prisma's table, for rays' own batches. */
async function inserted(
  client: KnexClient,
  connection: object,
  query: KnexQuery,
  table: KnexTable,
  source: PrismaMigrationSource,
  send: () => Promise<KnexQuery>,
): Promise<KnexQuery> {
  const values = query.bindings ?? []
  const batch = values.find((value) => typeof value === 'number')
  const [folder, file] = [...(await source.listed()).names].find(([, name]) => values.includes(name)) ?? []
  if (batch === undefined || folder === undefined || file === undefined) return send()
  const session = await KnexSession.over(client, connection)
  const answer = await insertOnce(session, table, { name: file, batch }, await source.lockTimeoutMs(), send)
  await noteBatch(session, folder, batch)
  if (answer !== undefined) return answer
  return Object.assign(query, session.dialect.answer({ rows: [], yields: false, changes: 1 }, query.sql))
}

/**
 * Knex makes new files in `directory`, and lets it take the place of a migration source wherever both are given. It
 * looks at the option itself for the latter and at a copy of all options for the former: only copies have the directory.
 */
function copiesHaveDirectory(
  migrations: Record<string | symbol, unknown>,
  state: { directory: string | readonly string[] },
): Knex.MigratorConfig {
  let copying = false
  return new Proxy<Record<string | symbol, unknown>>(migrations, {
    getOwnPropertyDescriptor(target, key) {
      copying = key === 'directory'
      return Reflect.getOwnPropertyDescriptor(target, key)
    },
    get(target, key) {
      const whole = copying && key === 'directory'
      copying = false
      return whole ? state.directory : target[key]
    },
    // `--migrations-directory` of the command line.
    set(target, key, value) {
      if (key === 'directory') state.directory = value as string
      else target[key] = value
      return true
    },
    defineProperty(target, key, descriptor) {
      if (key !== 'directory') return Reflect.defineProperty(target, key, descriptor)
      state.directory = descriptor.value as string
      return true
    },
  }) as Knex.MigratorConfig
}
