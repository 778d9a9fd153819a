/** The configuration: found, checked, resolved and frozen; every problem reported at once. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Provider } from '../../engines/engine.js'
import { DatabaseUrl, redact } from '../../engines/url.js'
import { ConfigError } from '../errors.js'
import { defaultExport, loadModule } from '../modules.js'
import { bullets } from '../text.js'
import { readUtf8 } from '../utf8.js'
import { loadDotenv } from './dotenv.js'
import { selectEnvironment, urlFromParts } from './environment.js'
import type { ProjectHooks } from './hooks.js'
import { checkOption, OPTIONS, type OptionName, variableName } from './options.js'
import { findPrismaConfig, type PrismaConfig, type PrismaEnvironment, readPrismaConfig } from './prisma-config.js'
import { directAddresses, isPrismaAddress } from './prisma-postgres.js'
import { compareWithPrisma, type Named } from './two-databases.js'

/** Values that the datasource block of a schema can give. */
export interface DatasourceUrls {
  readonly url?: { readonly kind: 'literal'; readonly value: string } | { readonly kind: 'env'; readonly name: string }
  readonly directUrl?: DatasourceUrls['url']
  readonly shadowDatabaseUrl?: DatasourceUrls['url']
  readonly provider?: Provider
}

export interface Config {
  /** The project's folder: where raysconfig is, or where rays was started. */
  readonly root: string
  readonly file: string | undefined
  /** The environment of the configuration that is in force; undefined where there is none. */
  readonly environment: string | undefined
  readonly prismaConfigFile: string | undefined
  readonly schemaPath: string
  readonly migrationsDir: string
  /** One line each, told by whatever command it is. */
  readonly warnings: readonly string[]
  /** Why no command may open the database: rays would take for it what Prisma takes for another. */
  readonly refusal: string | undefined
  /** Undefined where nothing names a database; commands that need one say so. */
  readonly databaseUrl: DatabaseUrl | undefined
  readonly shadowDatabaseName: string | null
  readonly shadowDatabaseUrl: DatabaseUrl | undefined
  readonly verboseLogging: boolean
  readonly schemaEngine: 'wasm' | 'prisma-cli'
  readonly generate: boolean
  readonly lockTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly operationTimeoutMs: number
  readonly singleTransaction: boolean
  readonly lock: 'session' | 'transaction'
  readonly externalTables: readonly string[]
  readonly externalEnums: readonly string[]
  readonly seed: string | undefined
  /** Functions of raysconfig that run around migrations. */
  readonly hooks: ProjectHooks
  /** Where each value came from: `raysconfig.js`, `DATABASE_URL`, `.env`, `prisma.config.ts`, `schema.prisma`, `default`. */
  readonly origins: Readonly<Record<string, string>>
}

export interface LoadConfigOptions {
  readonly cwd: string
  /** `--conf`: which file; a missing one is an error. */
  readonly conf?: string
  /** Options given on the command line, already of the right type. */
  /** `--env`: which environment of the configuration. */
  readonly environment?: string
  readonly flags?: Partial<Record<OptionName, unknown>>
  readonly env?: NodeJS.ProcessEnv
  /** Reads the datasource block of a schema; problems with the schema are reported by the commands that need it. */
  readonly readDatasource: (schemaPath: string) => Promise<DatasourceUrls | undefined>
}

interface Found {
  readonly value: unknown
  readonly origin: string
}

/**
 * Loads the configuration. `.env` is read first, because raysconfig reads the environment.
 * @throws {ConfigError} listing all problems
 */
export async function loadConfig(options: LoadConfigOptions): Promise<Config> {
  const env = options.env ?? process.env
  const problems: string[] = []
  const place = await findRaysConfig(options.cwd, options.conf)
  const root = place.root
  const wanted = options.environment ?? (env.RAYS_ENV || undefined)
  const dotenv = await loadDotenv([root, path.join(root, 'prisma')], env, wanted)
  const selected = selectEnvironment(await readRaysConfig(place.file, problems), wanted, env, problems)
  const raw = selected.values
  const prismaFile = findPrismaConfig(root)
  const prisma =
    prismaFile === undefined ? undefined : await readPrisma(prismaFile, { root, env, added: dotenv }, problems)

  const found = new Map<OptionName, Found>()
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const value = findOption(name, options, env, raw, problems)
    if (value) found.set(name, value)
  }
  const fileName = place.file === undefined ? 'raysconfig.js' : path.basename(place.file)
  const base = place.file === undefined ? root : path.dirname(place.file)

  const schema = schemaPath(found, prisma, root, base)
  if (typeof schema.value === 'string' && schema.origin !== 'default' && !existsSync(schema.value)) {
    problems.push(`schemaPath: there is no ${schema.value} (${schema.origin})`)
  }
  const schemaFolder = isFolder(schema.value) ? schema.value : path.dirname(schema.value)
  for (const [name, file] of await loadDotenv([schemaFolder], env)) dotenv.set(name, file)
  const migrations = migrationsDir(found, prisma, schema.value, schemaFolder, base)

  const datasource = await options.readDatasource(schema.value)
  const url = databaseUrl(found, env, dotenv, prisma, datasource, problems)
  const urlBase = sqliteBase(url, prisma, schemaFolder)
  const shadow = shadowUrl(found, prisma, datasource, env) ?? url?.shadow
  if (problems.length > 0) {
    throw new ConfigError(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${bullets(problems)}`,
      {
        hint: `Correct ${problems.every((problem) => problem.includes(fileName)) ? fileName : 'each where it comes from'}; docs/configuration.md describes every option, rays config shows what is in force.`,
      },
    )
  }
  const main = url && { url: new DatabaseUrl(url.value, urlBase), origin: url.origin }
  const two = main && (await compareWithPrisma(main, databaseOfPrisma(prisma, datasource, env, schemaFolder)))
  const refused = two !== undefined && !two.perhaps && FALLBACKS.has(main?.origin ?? '')
  const get = (name: OptionName) =>
    found.get(name)?.value ??
    ('fallback' in OPTIONS[name] ? (OPTIONS[name] as { fallback: unknown }).fallback : undefined)
  // Whole milliseconds: servers round, and 0 is no limit for them.
  const ms = (name: OptionName) => Math.ceil((get(name) as number) * 1000)
  return Object.freeze({
    root,
    file: place.file,
    environment: selected.name,
    prismaConfigFile: prismaFile,
    schemaPath: schema.value,
    migrationsDir: migrations.value,
    warnings: Object.freeze(two === undefined || refused ? [] : [two.message]),
    refusal: refused ? two.message : undefined,
    databaseUrl: main?.url,
    shadowDatabaseName: get('shadowDatabaseName') as string | null,
    shadowDatabaseUrl: shadow === undefined ? undefined : new DatabaseUrl(shadow.value as string, urlBase),
    verboseLogging: get('verboseLogging') as boolean,
    schemaEngine: get('schemaEngine') as Config['schemaEngine'],
    generate: get('generate') as boolean,
    lockTimeoutMs: ms('lockTimeout'),
    statementTimeoutMs: ms('statementTimeout'),
    connectTimeoutMs: ms('connectTimeout'),
    operationTimeoutMs: ms('operationTimeout'),
    singleTransaction: get('singleTransaction') as boolean,
    lock: get('lock') as Config['lock'],
    externalTables: [...((get('externalTables') as string[] | undefined) ?? prisma?.externalTables ?? [])],
    externalEnums: [...((get('externalEnums') as string[] | undefined) ?? prisma?.externalEnums ?? [])],
    seed: prisma?.seed,
    hooks: Object.freeze(
      Object.fromEntries(
        (['beforeAll', 'beforeEach', 'afterEach', 'afterAll'] as const).flatMap((name) =>
          get(name) === undefined ? [] : [[name, get(name)]],
        ),
      ) as ProjectHooks,
    ),
    origins: Object.freeze({
      ...Object.fromEntries(
        (Object.keys(OPTIONS) as OptionName[]).map((name) => [name, found.get(name)?.origin ?? 'default']),
      ),
      schemaPath: schema.origin,
      migrationsDir: migrations.origin,
      databaseUrl: url?.origin ?? 'not set',
      shadowDatabaseUrl: shadow?.origin ?? 'default',
    }),
  })
}

async function findRaysConfig(
  cwd: string,
  conf: string | undefined,
): Promise<{ file: string | undefined; root: string }> {
  if (conf !== undefined) {
    const file = path.resolve(cwd, conf)
    if (!existsSync(file))
      throw new ConfigError(`There is no configuration file ${file}.`, { hint: 'Check --conf, or run rays init.' })
    return { file, root: path.dirname(file) }
  }
  const { cosmiconfig } = await import('cosmiconfig')
  const places = [
    'raysconfig.js',
    'raysconfig.cjs',
    'raysconfig.mjs',
    'raysconfig.ts',
    'raysconfig.json',
    'package.json',
  ]
  // Only the place is looked for here: .env must be read before the file is run.
  const none = (file: string) => (file.endsWith('package.json') ? undefined : {})
  const explorer = cosmiconfig('rays', {
    searchPlaces: places,
    searchStrategy: 'project',
    // An empty file is somebody's mistake, not a reason to look elsewhere.
    ignoreEmptySearchPlaces: false,
    loaders: {
      '.js': none,
      '.cjs': none,
      '.mjs': none,
      '.ts': none,
      '.json': (file, text) => (path.basename(file) === 'package.json' ? packageSection(text) : {}),
    },
  })
  const result = await explorer.search(cwd)
  if (result) return { file: result.filepath, root: path.dirname(result.filepath) }
  return { file: undefined, root: nearestProject(cwd) }
}

function packageSection(text: string): { rays?: unknown } {
  try {
    const parsed = JSON.parse(text) as { rays?: unknown }
    return parsed.rays === undefined ? {} : { rays: parsed.rays }
  } catch {
    return {}
  }
}

function nearestProject(cwd: string): string {
  for (let folder = cwd; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder
    if (path.dirname(folder) === folder) return cwd
  }
}

async function readRaysConfig(file: string | undefined, problems: string[]): Promise<Record<string, unknown>> {
  if (file === undefined) return {}
  const name = path.basename(file)
  try {
    const loaded = file.endsWith('.json') ? await readJson(file) : defaultExport(await loadModule(file))
    const value = name === 'package.json' ? (loaded as { rays?: unknown }).rays : loaded
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      problems.push(`${name} must export an object`)
      return {}
    }
    const { environments = {}, ...shared } = value as { environments?: Record<string, object> }
    for (const part of [shared, ...Object.values(environments)]) await checkNames({ ...part }, name, problems)
    return value as Record<string, unknown>
  } catch (error) {
    problems.push(`${name} cannot be loaded: ${messageOf(error)}`)
    return {}
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(readUtf8(file).replace(/^\uFEFF/, ''))
  } catch (error) {
    // The parser's message quotes the file, and so perhaps half a URL.
    if (error instanceof SyntaxError) throw new Error('it is not valid JSON')
    throw error
  }
}

function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown }
  return redact(typeof message === 'string' ? message : String(error))
}

async function checkNames(value: Record<string, unknown>, file: string, problems: string[]): Promise<void> {
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(OPTIONS, name))
  if (unknown.length === 0) return
  const { closest, distance } = await import('fastest-levenshtein')
  for (const name of unknown) {
    const near = closest(name, Object.keys(OPTIONS))
    problems.push(`${file}: unknown option ${name}${distance(name, near) <= 4 ? `; did you mean ${near}?` : ''}`)
  }
}

async function readPrisma(
  file: string,
  environment: PrismaEnvironment,
  problems: string[],
): Promise<PrismaConfig | undefined> {
  try {
    return await readPrismaConfig(file, environment)
  } catch (error) {
    problems.push(`${path.relative(environment.root, file)} cannot be loaded: ${messageOf(error)}`)
    return undefined
  }
}

function findOption(
  name: OptionName,
  options: LoadConfigOptions,
  env: NodeJS.ProcessEnv,
  raw: Record<string, unknown>,
  problems: string[],
): Found | undefined {
  const variable = variableName(name)
  const candidates: { value: unknown; origin: string; text: boolean }[] = [
    { value: options.flags?.[name], origin: 'command line', text: true },
    { value: env[variable], origin: variable, text: true },
    { value: raw[name], origin: 'raysconfig', text: false },
  ]
  const first = candidates.find((candidate) => candidate.value !== undefined)
  if (!first) return undefined
  // The source project's configuration writes databaseUrl: process.env.X, which is undefined or '' where X is not set.
  if (first.origin === 'raysconfig' && name !== 'shadowDatabaseName' && first.value === '') return undefined
  const checked = checkOption(name, first.value, first.text)
  if ('problem' in checked) {
    problems.push(
      // Never the value of a URL, in whatever it is wrapped.
      name.endsWith('Url')
        ? `${name} must be the text of a URL, not ${typeof first.value} (${first.origin})`
        : redact(`${checked.problem} (${first.origin})`),
    )
    return undefined
  }
  return { value: checked.value, origin: first.origin }
}

/** Prisma 6 and older: `"prisma": { "schema": "..." }` in package.json. */
function schemaOfPackage(root: string): string | undefined {
  try {
    const { prisma } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      prisma?: { schema?: unknown }
    }
    return typeof prisma?.schema === 'string' ? path.resolve(root, prisma.schema) : undefined
  } catch {
    return undefined
  }
}

function isFolder(file: string): boolean {
  return existsSync(file) && statSync(file).isDirectory()
}

/** Prisma: the schema is named by the config, else it is schema.prisma or prisma/schema.prisma, or the folder prisma/schema. */
function schemaPath(
  found: Map<OptionName, Found>,
  prisma: PrismaConfig | undefined,
  root: string,
  base: string,
): { value: string; origin: string } {
  const given = found.get('schemaPath')
  if (given)
    return {
      value: path.resolve(given.origin === 'raysconfig' ? base : root, given.value as string),
      origin: given.origin,
    }
  if (prisma?.schema) return { value: prisma.schema, origin: prisma.name }
  const inPackage = schemaOfPackage(root)
  if (inPackage !== undefined) return { value: inPackage, origin: 'package.json' }
  const places = ['schema.prisma', path.join('prisma', 'schema.prisma'), path.join('prisma', 'schema')].map((p) =>
    path.join(root, p),
  )
  const existing = places.find((place) => existsSync(place))
  return { value: existing ?? places[1]!, origin: 'default' }
}

function migrationsDir(
  found: Map<OptionName, Found>,
  prisma: PrismaConfig | undefined,
  schema: string,
  schemaFolder: string,
  base: string,
): { value: string; origin: string } {
  const given = found.get('migrationsDir')
  if (given) return { value: path.resolve(base, given.value as string), origin: given.origin }
  if (prisma?.migrations) return { value: prisma.migrations, origin: prisma.name }
  const inside = path.join(schemaFolder, 'migrations')
  const beside = path.join(path.dirname(schemaFolder), 'migrations')
  const folder = isFolder(schema) && !existsSync(inside) && existsSync(beside) ? beside : inside
  return { value: folder, origin: 'default' }
}

function fromSchema(expression: DatasourceUrls['url'], env: NodeJS.ProcessEnv): string | undefined {
  if (expression === undefined) return undefined
  return (expression.kind === 'env' ? env[expression.name] : expression.value) || undefined
}

/** Places that nobody names on purpose for this run: there Prisma's word counts as much. */
const FALLBACKS: ReadonlySet<string> = new Set(['.env', 'the schema', 'SUPABASE_DB_HOST', 'DB_HOST'])

interface FoundUrl extends Found {
  readonly value: string
  /** The shadow database that the address of a local service names. */
  readonly shadow?: Found
}

function databaseUrl(
  found: Map<OptionName, Found>,
  env: NodeJS.ProcessEnv,
  dotenv: Map<string, string>,
  prisma: PrismaConfig | undefined,
  datasource: DatasourceUrls | undefined,
  problems: string[],
): FoundUrl | undefined {
  const direct = fromSchema(datasource?.directUrl, env)
  const indirect = fromSchema(datasource?.url, env)
  const parts = urlFromParts(env, datasource?.provider)
  const ofPrisma = prisma?.name ?? ''
  const candidates = (
    [
      [found.get('databaseUrl')?.value, found.get('databaseUrl')?.origin ?? ''],
      [env.DATABASE_URL, dotenv.has('DATABASE_URL') ? path.basename(dotenv.get('DATABASE_URL')!) : 'DATABASE_URL'],
      [prisma?.directUrl ?? prisma?.url, ofPrisma],
      [direct ?? indirect, 'the schema'],
      [parts?.value, parts?.origin ?? ''],
    ] as const
  ).flatMap(([value, origin]) => (typeof value === 'string' && value !== '' ? [{ value, origin }] : []))
  const first = candidates[0]
  if (!first) return undefined
  if (!/^([a-z][a-z0-9+.-]*:\/\/|file:|sqlite:)/i.test(first.value)) {
    problems.push(
      `databaseUrl (${first.origin}) is no database URL: it must begin with postgresql://, mysql:// or file:`,
    )
    return undefined
  }
  const local = directAddresses(first.value)
  if (local !== undefined) {
    const origin = `${first.origin}, out of its api_key`
    return { value: local.url, origin, ...(local.shadow && { shadow: { value: local.shadow, origin } }) }
  }
  // Prisma has two addresses for a database behind a service: one for queries, and one for migrations.
  return (isPrismaAddress(first.value) && candidates.find(({ value }) => !isPrismaAddress(value))) || first
}

/** Every address that Prisma's configuration has for the database: first the one that Prisma migrates. */
function databaseOfPrisma(
  prisma: PrismaConfig | undefined,
  datasource: DatasourceUrls | undefined,
  env: NodeJS.ProcessEnv,
  schemaFolder: string,
): Named[] {
  const named = (value: string | undefined, base: string, origin: string) =>
    value ? [{ url: new DatabaseUrl(directAddresses(value)?.url ?? value, base), origin }] : []
  const base = prisma?.urlBase ?? schemaFolder
  const ofConfig = [prisma?.directUrl, prisma?.url].flatMap((value) => named(value, base, prisma?.name ?? ''))
  if (ofConfig.length > 0) return ofConfig
  return [datasource?.directUrl, datasource?.url].flatMap((expression) =>
    named(fromSchema(expression, env), schemaFolder, 'the schema'),
  )
}

/** Prisma 7 resolves paths in URLs from the folder where it is run, Prisma 6 from the folder of the schema. */
function sqliteBase(url: Found | undefined, prisma: PrismaConfig | undefined, schemaFolder: string): string {
  const known = url === undefined || url.value === prisma?.url || !['raysconfig', 'the schema'].includes(url.origin)
  return (known ? prisma?.urlBase : undefined) ?? schemaFolder
}

function shadowUrl(
  found: Map<OptionName, Found>,
  prisma: PrismaConfig | undefined,
  datasource: DatasourceUrls | undefined,
  env: NodeJS.ProcessEnv,
): Found | undefined {
  const own = found.get('shadowDatabaseUrl')
  if (own) return own.value === null ? undefined : own
  if (prisma?.shadowDatabaseUrl) return { value: prisma.shadowDatabaseUrl, origin: prisma.name }
  const inSchema = fromSchema(datasource?.shadowDatabaseUrl, env)
  return inSchema === undefined ? undefined : { value: inSchema, origin: 'the schema' }
}
