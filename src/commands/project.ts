/** Opens what every command works on: the schema, the engine, the database, the lock. */
import type { Connection, ConnectOptions, Engine, Provider, Shadow, ShadowRequest } from '../../engines/engine.js'
import {
  CommitUnknownError,
  EngineError,
  LockTimeoutError,
  MissingDriverError,
  ShadowNotApartError,
  ShadowRefusedError,
} from '../../engines/engine.js'
import { engineFor, providerOfUrl } from '../../engines/index.js'
import type { DiffOptions, SchemaEngine, SchemaFile } from '../../engines/schema-engine.js'
import { DatabaseUrl, redact } from '../../engines/url.js'
import type { Config } from '../config/config.js'
import { refuseUnfitUrl } from '../config/unfit-url.js'
import {
  ConfigError,
  DecisionError,
  FailedError,
  inTheWayHint,
  isInTheWay,
  LockError,
  MigrationInvalidError,
  notFree,
  RaysError,
  refusal,
  UsageError,
} from '../errors.js'
import { stopIfInterrupted } from '../interruption.js'
import { listMigrations, readLockProvider, readSnapshot } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { enumTypesOf } from '../schema/fields.js'
import { type Datasource, datasourceOf, type PrismaSchema, readSchema, tableNames } from '../schema/prisma-schema.js'
import { createSchemaEngine } from '../schema/schema-engine.js'
import type { Context, Host } from './host.js'

/** Tables of other migration tools that are never drift. */
const OTHER_TOOLS = ['knex_migrations', 'knex_migrations_lock']

export interface Project {
  readonly config: Config
  readonly engine: Engine
  readonly schema: PrismaSchema
  readonly datasource: Datasource
  readonly schemaEngine: SchemaEngine
  readonly filter: DiffOptions
  /** The namespaces that the schema names; empty for the connection's own. */
  readonly schemas: readonly string[]
}

/**
 * Reads the schema and picks the engine.
 * @throws {ConfigError}, {SchemaInvalidError}; {@link MigrationInvalidError} when migration_lock.toml names another provider
 */
export async function openProject({ config }: Context): Promise<Project> {
  const schema = await readSchema(config.schemaPath)
  const datasource = datasourceOf(schema.files)
  const engine = await engineFor(datasource.provider)
  checkUrl(config, datasource.provider, engine)
  await checkLockFile(config.migrationsDir, datasource.provider)
  const namespace = namespaceOf(config, engine)
  const schemaEngine = await createSchemaEngine(config.schemaEngine, engine, {
    root: config.root,
    schemaPath: config.schemaPath,
    ...(config.databaseUrl && { url: config.databaseUrl }),
    ...(namespace !== undefined && { namespace }),
  })
  return {
    config,
    engine,
    schema,
    datasource,
    schemaEngine,
    schemas: datasource.schemas,
    filter: {
      externalTables: [
        ...config.externalTables,
        ...OTHER_TOOLS.map((table) => (namespace === undefined ? table : `${namespace}.${table}`)),
      ],
      externalEnums: config.externalEnums,
    },
  }
}

/** The namespace of unqualified names. Prisma: external tables are named with it (P3023). */
export function namespaceOf(config: Config, engine: Engine): string | undefined {
  return engine.namespace(config.databaseUrl ?? new DatabaseUrl(`${engine.schemes[0]}://localhost/db`, config.root))
}

function checkUrl(config: Config, provider: Provider, engine: Engine): void {
  refuseUnfitUrl(config)
  const url = config.databaseUrl
  if (url === undefined) return
  const meant = providerOfUrl(url)
  if (meant !== provider) {
    throw new ConfigError(
      `The database URL (${config.origins.databaseUrl}) is ${meant === undefined ? `of an unknown kind, ${url.scheme}:` : `for ${meant}`}, and the schema's provider is ${provider}.`,
      { hint: `A ${provider} URL begins with ${engine.schemes.map((scheme) => `${scheme}:`).join(' or ')}.` },
    )
  }
  try {
    engine.describe(url)
  } catch (error) {
    throw new ConfigError(
      `The database URL (${config.origins.databaseUrl}) cannot be used: ${redact(messageOf(error), url.secrets)}`,
      {
        cause: error,
        hint: 'Special characters in user and password must be percent-encoded (@ is %40, / is %2F).',
      },
    )
  }
}

async function checkLockFile(migrationsDir: string, provider: Provider): Promise<void> {
  const locked = await readLockProvider(migrationsDir)
  if (locked === undefined || locked === provider || (locked === 'postgres' && provider === 'postgresql')) return
  throw new MigrationInvalidError(
    `The migrations are for ${locked} (migration_lock.toml), and the schema's provider is ${provider}.`,
    {
      hint: `Migrations cannot be carried from one database to another: set the provider back to ${locked}, or start a new migrations folder.`,
    },
  )
}

/** The database URL. @throws {ConfigError} where nothing names one */
export function requireUrl(config: Config): DatabaseUrl {
  refuseUnfitUrl(config)
  if (config.databaseUrl) return config.databaseUrl
  throw new ConfigError('No database URL is set.', {
    hint: 'Set DATABASE_URL in the environment or in .env, or databaseUrl in raysconfig.js.',
  })
}

export function connectOptions(config: Config, host: Host, extra: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    connectTimeoutMs: config.connectTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    statementTimeoutMs: config.statementTimeoutMs,
    transactionLock: config.lock === 'transaction',
    ...(host.onStatement && { onStatement: host.onStatement }),
    ...extra,
  }
}

export interface OpenOptions {
  readonly readOnly?: boolean
  readonly createDatabase?: boolean
}

/** Connects to the main database. @throws {FailedError} unreachable; {@link ConfigError} driver or URL */
export async function connect(
  project: Pick<Project, 'config' | 'engine'>,
  host: Host,
  open: OpenOptions = {},
): Promise<Connection> {
  const { config, engine } = project
  const url = requireUrl(config)
  const options = connectOptions(config, host, { readOnly: open.readOnly === true })
  try {
    if (open.createDatabase && (await engine.createDatabase(url, options)))
      host.note(`Created the database ${engine.describe(url)}.`)
    return await engine.connect(url, options)
  } catch (error) {
    throw connectError(error, engine, url)
  }
}

function connectError(error: unknown, engine: Engine, url: DatabaseUrl): unknown {
  if (error instanceof RaysError) return error
  if (error instanceof MissingDriverError)
    return new ConfigError(error.message, { cause: error, hint: `npm install ${engine.driver}` })
  const info = engine.explain(error)
  const target = engine.describe(url)
  const why = redact(`${info.message}${info.code ? ` (${info.code})` : ''}`, url.secrets)
  switch (info.kind) {
    case 'missing-database':
      return new FailedError(`The database does not exist: ${target}. ${why}`, {
        cause: error,
        code: 'E_NO_DATABASE',
        hint: 'Create it with rays migrate --create-db, or correct the database URL.',
      })
    case 'authentication':
      return new FailedError(`The database refused the user or the password: ${target}. ${why}`, {
        cause: error,
        code: 'E_AUTHENTICATION',
        hint: info.hint ?? 'Check user and password in the database URL; special characters must be percent-encoded.',
      })
    case 'permission':
      return new FailedError(`The user may not use the database: ${target}. ${why}`, {
        cause: error,
        code: 'E_PERMISSION',
        hint: info.hint ?? 'Grant the user access to it.',
      })
    default:
      return refusal(
        info.kind,
        `The database cannot be ${isInTheWay(info.kind) ? 'used now' : 'reached'}: ${target}. ${why}`,
        {
          cause: error,
          code: 'E_CONNECTION',
          hint:
            inTheWayHint(info.kind) ??
            info.hint ??
            (engine.needsServer
              ? 'Is the server running, and is host and port right?'
              : 'Check the path in the database URL.'),
        },
      )
  }
}

/** Connects, works, closes. */
export async function withConnection<T>(
  project: Pick<Project, 'config' | 'engine'>,
  host: Host,
  open: OpenOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(project, host, open)
  connection.onLost(() => undefined)
  try {
    return await work(connection)
  } catch (error) {
    throw explained(error, connection)
  } finally {
    await connection.close().catch(() => undefined)
  }
}

/** Drivers' errors that no command has put into words. */
function explained(error: unknown, connection: Connection): unknown {
  if (error instanceof RaysError) return error
  const info = connection.engine.explain(error)
  const known = info.code !== '' && info.kind !== 'other'
  if (error instanceof LockTimeoutError) return notFree(error, error.waitedMs)
  if (error instanceof CommitUnknownError)
    return new DecisionError('The connection was lost while committing: it is unknown whether the change was made.', {
      cause: error,
      code: 'E_COMMIT_UNKNOWN',
      hint: 'When the database is back: rays status shows where things stand.',
    })
  if (error instanceof EngineError && !isInTheWay(info.kind))
    return new FailedError(error.message, { cause: error, ...(info.hint !== undefined && { hint: info.hint }) })
  if (!known) return error
  return refusal(info.kind, redact(`The database said: ${info.message} (${info.code})`), {
    cause: error,
    code: info.kind === 'connection' ? 'E_CONNECTION' : 'E_DATABASE',
    where: info.detail ?? connection.target,
    hint:
      inTheWayHint(info.kind) ??
      info.hint ??
      (info.kind === 'permission' ? 'Grant the user the right to do this.' : 'rays status shows where things stand.'),
  })
}

/** Holds the migration lock during the work. @throws {LockError} exit 4, naming the holder */
export async function withLock<T>(
  config: Config,
  host: Host,
  connection: Connection,
  work: () => Promise<T>,
): Promise<T> {
  await takeLock(config, host, connection)
  try {
    return await work()
  } finally {
    await connection.releaseLock().catch(() => undefined)
  }
}

/** The same, and nobody comes in between two transactions of the work, whatever the database. */
export async function withLastingLock<T>(
  config: Config,
  host: Host,
  connection: Connection,
  work: () => Promise<T>,
): Promise<T> {
  return withLock(config, host, connection, async () => {
    const release = await waitForLock(config, host, async () => connection.holdLock?.())
    try {
      return await work()
    } finally {
      await release?.()
    }
  })
}

/**
 * Asks a person without holding the migration lock meanwhile: nobody else should wait for an answer. What was read
 * before must be read again afterwards.
 */
export async function askUnlocked<T>(
  config: Config,
  host: Host,
  connection: Connection,
  ask: () => Promise<T>,
): Promise<T> {
  await connection.releaseLock()
  const answer = await ask()
  await takeLock(config, host, connection)
  return answer
}

/** A host whose questions are asked without the lock. @param onQuestion called before each: what was planned may be old after it */
export function askingUnlocked(config: Config, host: Host, connection: Connection, onQuestion: () => void): Host {
  const unlocked = <T>(ask: () => Promise<T>): Promise<T> => {
    onQuestion()
    return askUnlocked(config, host, connection, ask)
  }
  return {
    ...host,
    confirm: (question) => unlocked(() => host.confirm(question)),
    ask: (question) => unlocked(() => host.ask(question)),
  }
}

/** What was agreed to is no longer what would be done. */
export function changedWhileAsking(): DecisionError {
  return new DecisionError('The database or the migrations were changed meanwhile; nothing was done.', {
    code: 'E_CHANGED_MEANWHILE',
    hint: 'Run the command again.',
  })
}

async function takeLock(config: Config, host: Host, connection: Connection): Promise<void> {
  let waited = false
  const onWait = (holder: string) => {
    if (!waited) host.note(`Waiting for the migration lock, held by ${holder} …`)
    waited = true
  }
  await waitForLock(config, host, () =>
    connection.acquireLock({ timeoutMs: config.lockTimeoutMs, signal: host.signal, onWait }),
  )
}

/** @throws {LockError} at the limit; {@link InterruptedError} */
async function waitForLock<T>(config: Config, host: Host, wait: () => Promise<T>): Promise<T> {
  try {
    return await wait()
  } catch (error) {
    await stopIfInterrupted(host, 'Interrupted while waiting for the migration lock; nothing was changed.')
    if (error instanceof LockTimeoutError) throw notFree(error, config.lockTimeoutMs)
    throw error
  }
}

/** A new session with the lock, after the old one was lost while committing. */
export async function reconnect(project: Project, host: Host, lost: Connection): Promise<Connection> {
  await lost.close().catch(() => undefined)
  const deadline = Date.now() + Math.min(10_000, project.config.connectTimeoutMs)
  for (;;) {
    try {
      const connection = await connect(project, host)
      await connection.acquireLock({
        timeoutMs: project.config.lockTimeoutMs,
        onWait: () => undefined,
        signal: host.signal,
      })
      return connection
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
}

/**
 * The connection was lost before the answer to a change had come: a new session with the lock looks what became of it.
 * @param what the change, in words: `the change`, `20261120130501_init`
 * @throws {DecisionError} where the database cannot be reached
 */
export async function lookAgain<T>(
  project: Project,
  host: Host,
  lost: { readonly connection: Connection; readonly cause: unknown; readonly what: string; readonly hint: string },
  look: (session: Connection) => Promise<T>,
): Promise<T> {
  host.note('The connection was lost before the answer had come: looking what became of it …')
  let session: Connection
  try {
    session = await reconnect(project, host, lost.connection)
  } catch {
    throw new DecisionError(
      `The connection was lost before the answer had come, and the database cannot be reached: it is unknown whether ${lost.what}.`,
      { cause: lost.cause, code: 'E_COMMIT_UNKNOWN', hint: `When the database is back: ${lost.hint}` },
    )
  }
  try {
    // Where the lock belongs to transactions, one that is still open has to end first.
    if (session.lockPerTransaction) await session.transaction({}, async () => undefined)
    return await look(session)
  } finally {
    await session.close().catch(() => undefined)
  }
}

/** The migrations on disk. */
export function folders(project: Pick<Project, 'config'>): Promise<Migration[]> {
  return listMigrations(project.config.migrationsDir)
}

/** Consent to emptying a configured shadow database that holds something: any, or the one of this name. */
export type ClearShadow = boolean | string

interface ShadowOptions {
  readonly clear: ClearShadow | undefined
  /** The snapshots and schemas whose tables may be in it. */
  readonly known: readonly (readonly SchemaFile[])[]
}

/** Opens an empty shadow database. @throws {UsageError} when it is refused before anything in it was touched */
export async function openShadow(
  project: Project,
  host: Host,
  purpose: 'rays' | 'prisma',
  options: ShadowOptions,
): Promise<Shadow> {
  const { config } = project
  const consented: ShadowOptions = { ...options, clear: requireNamed(project, options.clear) }
  const name = config.shadowDatabaseName === null ? undefined : { name: config.shadowDatabaseName }
  const url = config.shadowDatabaseUrl === undefined ? undefined : { url: config.shadowDatabaseUrl }
  const configured = purpose === 'rays' ? name : url
  try {
    return await openShadowAt(project, host, purpose, consented, configured)
  } catch (error) {
    // Where the server has one database only, the shadow is on another one: that serves both purposes, one after the other.
    if (!(error instanceof ShadowNotApartError) || url === undefined || configured === url)
      throw shadowError(project, error, purpose)
  }
  return openShadowAt(project, host, purpose, consented, url).catch((error: unknown) => {
    throw shadowError(project, error, 'prisma')
  })
}

/**
 * The consent, with the database's name in full.
 * @throws {UsageError} where it is to a database that is none of the configured shadows
 */
function requireNamed({ config, engine }: Project, clear: ClearShadow | undefined): ClearShadow {
  if (typeof clear !== 'string') return clear === true
  const url = requireUrl(config)
  const urls = [
    ...(config.shadowDatabaseName === null ? [] : [engine.withDatabase(url, config.shadowDatabaseName)]),
    ...(config.shadowDatabaseUrl === undefined ? [] : [config.shadowDatabaseUrl]),
  ]
  const names = [...new Set(urls.map((each) => engine.nameOf(each)))]
  const meant = names.includes(clear) ? clear : engine.nameOf(engine.withDatabase(url, clear))
  if (names.includes(meant)) return meant
  throw new UsageError(
    names.length === 0
      ? `--clear-shadow=${clear} consents to emptying ${clear}, and no shadow database is configured.`
      : `--clear-shadow=${clear} consents to emptying ${clear}, and the shadow database is ${names.join(' or ')}. Nothing was touched.`,
    {
      code: 'E_SHADOW',
      hint:
        names.length === 0
          ? 'Leave it out: rays makes shadow databases of its own, and drops them.'
          : `Look what is in it, and if it may go: --clear-shadow=${shellWord(names[0] ?? '')}`,
    },
  )
}

/** As a word of a shell. */
function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function openShadowAt(
  { config, engine, schemas }: Project,
  host: Host,
  purpose: 'rays' | 'prisma',
  options: ShadowOptions,
  configured: ShadowRequest['configured'] | undefined,
): Promise<Shadow> {
  return engine.openShadow({
    url: requireUrl(config),
    purpose,
    ...(configured && { configured }),
    knownTables: options.known.flatMap((files) => tableNames(files)),
    knownEnums: options.known.flatMap((files) => enumTypesOf(files)),
    clear: options.clear ?? false,
    connect: connectOptions(config, host),
    schemas,
    shared: config.schemaEngine === 'prisma-cli',
  })
}

const APART =
  'Name an empty database of another server in shadowDatabaseUrl, or write the migration unproven: --no-verify.'

/** What the user is told of a shadow database that could not be had. */
function shadowError({ config, engine }: Project, error: unknown, purpose: 'rays' | 'prisma'): unknown {
  const url = requireUrl(config)
  if (error instanceof ShadowRefusedError) {
    const consent =
      error.clearable && error.database !== undefined
        ? `. Or, if all of it may go: --clear-shadow=${shellWord(error.database)} (with it this command empties that database first)`
        : '.'
    return new UsageError(error.message, {
      cause: error,
      code: 'E_SHADOW',
      hint:
        error instanceof ShadowNotApartError
          ? APART
          : `Name another database in shadowDatabaseName or shadowDatabaseUrl${consent}`,
    })
  }
  if (error instanceof LockTimeoutError) {
    const seconds = Math.round(error.waitedMs / 100) / 10
    return new LockError(
      `The shadow database was not free within ${seconds} s: another run of rays works in it (${error.holder}).`,
      { cause: error, hint: 'Run it again when the other one has ended, or wait longer: --lock-timeout <seconds>.' },
    )
  }
  if (error instanceof RaysError) return error
  const info = engine.explain(error)
  if (info.kind === 'permission') {
    return new FailedError(
      `The shadow database could not be created: ${redact(info.message, url.secrets)} (${info.code})`,
      {
        cause: error,
        code: 'E_SHADOW',
        hint: `Name an existing, empty database: ${purpose === 'rays' ? 'shadowDatabaseName in raysconfig.js' : 'shadowDatabaseUrl in prisma.config.ts, the schema or raysconfig.js'}. Or write the migration unproven: --no-verify.`,
      },
    )
  }
  const own = purpose === 'prisma' ? config.shadowDatabaseUrl : undefined
  if (own === undefined) return connectError(error, engine, url)
  if (info.kind === 'missing-database') {
    return new ConfigError(`The shadow database does not exist: ${engine.describe(own)}.`, {
      cause: error,
      hint: 'Create it empty, or take shadowDatabaseUrl out of the configuration: rays then makes one and drops it.',
    })
  }
  return connectError(error, engine, own)
}

/** The snapshot of a migration, or undefined. */
export async function snapshotOfMigration(
  migration: Migration | undefined,
): Promise<readonly SchemaFile[] | undefined> {
  return migration === undefined ? undefined : readSnapshot(migration)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
