/** What rays takes from Prisma's own configuration: prisma7.config.ts, or prisma.config.ts. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultExport, loadModule } from '../modules.js'
import { readUtf8 } from '../utf8.js'
import { loadDotenv } from './dotenv.js'
import { runPlainModule } from './plain-module.js'

export interface PrismaConfig {
  readonly file: string
  /** Its path from the project's folder, as a person would say it. */
  readonly name: string
  readonly schema?: string
  readonly migrations?: string
  readonly url?: string
  readonly directUrl?: string
  readonly shadowDatabaseUrl?: string
  /** Where relative paths in URLs start; undefined: at the schema's folder. */
  readonly urlBase?: string
  readonly externalTables: readonly string[]
  readonly externalEnums: readonly string[]
  readonly seed?: string
}

// Prisma 7.10: packages/config/src/loadConfigFromFile.ts. Before it there was no prisma7.config.
const EXTENSIONS = ['js', 'ts', 'mjs', 'cjs', 'mts', 'cts']
const NEW = ['prisma7.config', '.config/prisma7'].flatMap((base) => EXTENSIONS.map((end) => `${base}.${end}`))
const OLD = ['prisma.config', '.config/prisma', '.config/prisma.config'].flatMap((base) => [
  ...EXTENSIONS.map((end) => `${base}.${end}`),
  ...EXTENSIONS.map((end) => `${base}/index.${end}`),
])
const FIRST_WITH_NEW = [7, 10]

/** The file that Prisma reads in the project's folder: of two, the one that the installed Prisma takes. */
export function findPrismaConfig(root: string): string | undefined {
  const find = (names: readonly string[]) =>
    names
      .map((name) => path.join(root, ...name.split('/')))
      .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
  const [newer, older] = [find(NEW), find(OLD)]
  if (newer === undefined || older === undefined) return newer ?? older
  return isBefore(installedVersion(root), FIRST_WITH_NEW) ? older : newer
}

function installedVersion(root: string): string | undefined {
  try {
    const manifest = createRequire(path.join(root, 'package.json')).resolve('prisma/package.json')
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string }).version
  } catch {
    return undefined
  }
}

function isBefore(version: string | undefined, [major, minor]: readonly number[]): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? []
  if (first === undefined || major === undefined || minor === undefined) return false
  return Number(first) < major || (Number(first) === major && Number(second) < minor)
}

const URL_VARIABLE =
  /\burl\s*:\s*(?:process\.env\.([A-Za-z_]\w*)|process\.env\[\s*['"`]([A-Za-z_]\w*)['"`]\s*\]|env\(\s*['"`]([A-Za-z_]\w*)['"`]\s*\))/

/** How the text of a configuration names the database: by a variable, in another way, or not. */
export function urlIn(source: string): { readonly variable: string } | 'written' | undefined {
  const variable = URL_VARIABLE.exec(source)?.slice(1).find(Boolean)
  if (variable !== undefined) return { variable }
  return /\bdatasource\s*:/.test(source) && /\burl\s*[:,}]/.test(source) ? 'written' : undefined
}

export interface PrismaEnvironment {
  readonly root: string
  readonly env: NodeJS.ProcessEnv
  /** What rays has added to the environment from `.env` files; Prisma adds nothing by itself. */
  readonly added: ReadonlyMap<string, string>
}

/**
 * Reads the file as Prisma would, whose environment has what the file itself takes from `.env`. Where it then names no
 * database, as Bun, a shell or a program that reads `.env` first would have it.
 * @throws Error when the file cannot be loaded or exports no object
 */
export async function readPrismaConfig(file: string, { root, env, added }: PrismaEnvironment): Promise<PrismaConfig> {
  const source = readUtf8(file)
  const own: NodeJS.ProcessEnv = { ...env }
  for (const name of added.keys()) delete own[name]
  if (/\bdotenv\/config\b/.test(source)) await loadDotenv([root], own)
  const read = () => evaluate(file, source, root)
  const alone = await within(own, [...Object.keys(env)], read).catch((error: unknown) => ({ error }))
  if (!('error' in alone) && alone.url !== undefined) return alone
  if (added.size === 0) {
    if ('error' in alone) throw alone.error
    return alone
  }
  return within(env, [], read)
}

/** Runs the work with these variables in the process's environment, and without the others of `names`. */
async function within<T>(env: NodeJS.ProcessEnv, names: readonly string[], work: () => Promise<T>): Promise<T> {
  const wanted: NodeJS.ProcessEnv = { DOTENV_CONFIG_QUIET: 'true', ...env }
  const touched = [...new Set([...names, ...Object.keys(wanted)])].filter((name) => process.env[name] !== wanted[name])
  const before = touched.map((name) => [name, process.env[name]] as const)
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const name of touched) set(name, wanted[name])
  try {
    return await work()
  } finally {
    for (const [name, value] of before) set(name, value)
  }
}

async function evaluate(file: string, source: string, root: string): Promise<PrismaConfig> {
  const here = path.dirname(fileURLToPath(import.meta.url))
  const stub = ['prisma-config-stub.js', 'prisma-config-stub.ts']
    .map((f) => path.join(here, f))
    .find((f) => existsSync(f))!
  // What it would add is there already (see readPrismaConfig); newer dotenv prints a line to stdout, which belongs to results.
  const alias = { 'prisma/config': stub, '@prisma/config': stub, 'dotenv/config': stub }
  const plain = await runPlainModule(file, source, alias)
  const exported = defaultExport(plain ?? (await loadModule(file, { alias, source })))
  const loaded: unknown = typeof exported === 'function' ? await exported() : exported
  if (typeof loaded !== 'object' || loaded === null) throw new Error('it exports no configuration object')
  const config = loaded as Record<string, Record<string, unknown> | string | undefined>
  const base = path.dirname(file)
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  const section = (name: string) => (typeof config[name] === 'object' ? (config[name] as Record<string, unknown>) : {})
  const list = (value: unknown) => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [])
  const resolve = (value: unknown) => (text(value) ? path.resolve(base, value as string) : undefined)
  const datasource = section('datasource')
  const optional = {
    schema: resolve(config.schema),
    migrations: resolve(section('migrations').path),
    url: text(datasource.url),
    directUrl: text(datasource.directUrl),
    shadowDatabaseUrl: text(datasource.shadowDatabaseUrl),
    seed: text(section('migrations').seed),
    // Prisma 6, which says so by its engine, starts at the schema. Prisma 7 starts where it is run.
    urlBase:
      config.engine !== 'classic' && (config.datasource !== undefined || path.basename(file).startsWith('prisma7.'))
        ? root
        : undefined,
  }
  return {
    file,
    name: path.relative(root, file).split(path.sep).join('/'),
    externalTables: list(section('tables').external),
    externalEnums: list(section('enums').external),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as typeof optional),
  } as PrismaConfig
}
