/** `rays init`: raysconfig.js from what the project already says. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Provider } from '../../engines/engine.js'
import type { Config } from '../config/config.js'
import { urlIn } from '../config/prisma-config.js'
import { shortPath } from '../config/short-path.js'
import { UsageError } from '../errors.js'
import { replaceFile } from '../files.js'
import { type Datasource, datasourceOf, readSchema } from '../schema/prisma-schema.js'
import type { Context } from './host.js'
import { isEsm } from './module-kind.js'

export interface InitOptions {
  readonly force?: boolean
  readonly y?: boolean
}

export interface InitResult {
  readonly file: string
  readonly provider: Provider | null
  readonly schemaPath: string
  readonly migrationsDir: string
  /** The variable with the URL, or the file that names it. */
  readonly variable: string
  readonly hasSchema: boolean
  readonly hasUrl: boolean
}

/** @throws {UsageError} where a raysconfig exists and nobody consents to replacing it */
export async function init(context: Context, options: InitOptions = {}): Promise<InitResult> {
  const { config, host } = context
  const existing = ['js', 'cjs', 'mjs', 'ts', 'json']
    .map((e) => path.join(config.root, `raysconfig.${e}`))
    .find((file) => existsSync(file))
  if (existing && !options.force) {
    throw new UsageError(`${existing} exists already; it was left as it is.`, {
      code: 'E_EXISTS',
      hint: 'rays init --force replaces it.',
    })
  }
  const schema = await readSchema(config.schemaPath).catch(() => undefined)
  const datasource = schema && datasourceOf(schema.files)
  const place = await placeOfUrl(config, datasource)
  const schemaPath = posix(shortPath(config, config.schemaPath))
  const migrationsDir = posix(shortPath(config, config.migrationsDir))
  const file = path.join(config.root, 'raysconfig.js')
  const text = (await exampleText())
    .replace(/schemaPath: '.*?'/, `schemaPath: '${schemaPath}'`)
    .replace(/migrationsDir: '.*?'/, `migrationsDir: '${migrationsDir}'`)
    .replace(/databaseUrl: process\.env\.\w+,/, (line) =>
      place.variable === undefined ? `// ${place.file} names it.` : line.replace('DATABASE_URL', place.variable),
    )
  await replaceFile(file, (await isEsm(config.root)) ? text.replace('module.exports =', 'export default') : text)
  if (existing && existing !== file)
    host.warn(`${path.basename(existing)} exists, too; raysconfig.js is the one that rays reads.`)
  return {
    file,
    provider: datasource?.provider ?? null,
    schemaPath,
    migrationsDir,
    variable: place.variable ?? place.file,
    hasSchema: schema !== undefined,
    hasUrl: config.databaseUrl !== undefined,
  }
}

/** Where the project has its URL. What Prisma's configuration has without a variable stays there: a URL is never copied. */
async function placeOfUrl(
  config: Config,
  datasource: Datasource | undefined,
): Promise<{ readonly variable: string } | { readonly variable?: undefined; readonly file: string }> {
  const file = config.prismaConfigFile
  const named = file === undefined ? undefined : urlIn(await readFile(file, 'utf8'))
  if (file !== undefined && named === 'written') return { file: posix(shortPath(config, file)) }
  if (named !== undefined && named !== 'written') return named
  return { variable: datasource?.url?.kind === 'env' ? datasource.url.name : 'DATABASE_URL' }
}

function posix(file: string): string {
  return file.split(path.sep).join('/')
}

/** raysconfig.example.js of the package: the documented configuration is the very file that init writes. */
async function exampleText(): Promise<string> {
  const here = path.dirname(fileURLToPath(import.meta.url))
  for (let folder = here; path.dirname(folder) !== folder; folder = path.dirname(folder)) {
    const file = path.join(folder, 'raysconfig.example.js')
    if (existsSync(file)) return readFile(file, 'utf8')
  }
  throw new Error('raysconfig.example.js is missing from the package')
}
