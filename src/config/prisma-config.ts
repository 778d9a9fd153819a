/** What rays takes from the project's prisma.config.ts. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultExport, loadModule } from '../modules.js'
import { runPlainModule } from './plain-module.js'

export interface PrismaConfig {
  readonly file: string
  readonly schema?: string
  readonly migrations?: string
  readonly url?: string
  readonly directUrl?: string
  readonly shadowDatabaseUrl?: string
  readonly externalTables: readonly string[]
  readonly externalEnums: readonly string[]
  readonly seed?: string
}

const EXTENSIONS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs']

/** Prisma: prisma.config.* in the project's folder, or .config/prisma.*. */
export function findPrismaConfig(root: string): string | undefined {
  return EXTENSIONS.flatMap((extension) => [
    path.join(root, `prisma.config.${extension}`),
    path.join(root, '.config', `prisma.${extension}`),
  ]).find((file) => existsSync(file))
}

/** @throws Error when the file cannot be loaded or exports no object */
export async function readPrismaConfig(file: string): Promise<PrismaConfig> {
  const here = path.dirname(fileURLToPath(import.meta.url))
  const stub = ['prisma-config-stub.js', 'prisma-config-stub.ts']
    .map((f) => path.join(here, f))
    .find((f) => existsSync(f))!
  // rays has read .env already; newer dotenv prints a line to stdout, which belongs to results.
  const alias = { 'prisma/config': stub, '@prisma/config': stub, 'dotenv/config': stub }
  const plain = await runPlainModule(file, readFileSync(file, 'utf8'), alias)
  const loaded = defaultExport(plain ?? (await loadModule(file, { alias })))
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
  }
  return {
    file,
    externalTables: list(section('tables').external),
    externalEnums: list(section('enums').external),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as typeof optional),
  } as PrismaConfig
}
