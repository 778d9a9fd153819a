/** The Prisma schema of a project: one file or a folder of files. Reading never writes; writing is one function. */
import { promises as fs } from 'node:fs'
import path from 'node:path'
import type { Provider } from '../../engines/engine.js'
import { type Block, blocksOf, isConfig, lineAt, type Property, propertiesOf, type Value } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { DatabaseUrl } from '../../engines/url.js'
import { ConfigError, SchemaInvalidError, UsageError } from '../errors.js'
import { makeFolder, replaceFile, syncFolder } from '../files.js'
import { compareNames } from '../text.js'
import { decodeUtf8, NotUtf8Error } from '../utf8.js'
import type { SchemaChange, SchemaSource } from './models.js'

export { replaceModels, type SchemaChange, sameModels, sameModelsAs } from './models.js'

/** A migration's snapshot: a file of this name, or where the schema is a folder, a folder. */
export const SNAPSHOT = 'migration.schema.prisma'

export interface PrismaSchema extends SchemaSource {
  /** Absolute paths of snapshots below the folder that Prisma takes for a part of the schema. They are not among the files. */
  readonly snapshots: readonly string[]
}

/** A value that is written into the schema or named as an environment variable there. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'env'; readonly name: string }

export interface Datasource {
  /** The block's own name, usually `db`. */
  readonly name: string
  readonly provider: Provider
  readonly url: Expression | undefined
  readonly directUrl: Expression | undefined
  readonly shadowDatabaseUrl: Expression | undefined
  /** `schemas = [...]`; empty where the block names none. */
  readonly schemas: readonly string[]
  readonly relationMode: string | undefined
}

export interface Generator {
  readonly name: string
  readonly provider: Expression | undefined
  readonly previewFeatures: readonly string[]
}

/** The folder that the paths of the schema's files start from. */
export function schemaRoot(schema: PrismaSchema): string {
  return schema.layout === 'file' ? path.dirname(schema.path) : schema.path
}

/**
 * Reads a schema file, or every `.prisma` file below a folder, as Prisma does: links are followed, each folder once.
 * Snapshots are no part of it, although Prisma takes them for one.
 * @throws {ConfigError} where there is nothing to read; {@link SchemaInvalidError} for bytes that are not UTF-8
 */
export async function readSchema(location: string): Promise<PrismaSchema> {
  const absolute = path.resolve(location)
  try {
    if ((await fs.stat(absolute)).isFile()) {
      return {
        path: absolute,
        layout: 'file',
        files: [await readFile(absolute, path.basename(absolute))],
        snapshots: [],
      }
    }
    const names = await prismaFiles(absolute, '', new Set())
    const isSnapshot = (name: string) => name.split('/').includes(SNAPSHOT)
    const files: SchemaFile[] = []
    for (const name of names.filter((name) => !isSnapshot(name)).sort(compareNames))
      files.push(await readFile(path.join(absolute, name), name))
    const snapshots = names.filter(isSnapshot).map((name) => path.join(absolute, name))
    if (files.length > 0) return { path: absolute, layout: 'folder', files, snapshots }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (error instanceof SchemaInvalidError) throw error
    throw new ConfigError(`The Prisma schema ${absolute} cannot be read: ${code ?? String(error)}`, {
      cause: error,
      hint: 'Set `schemaPath` in raysconfig.js (rays config shows where it comes from), or create the file.',
    })
  }
  throw new ConfigError(`The schema folder ${absolute} holds no .prisma file`, {
    hint: 'Set `schemaPath` in raysconfig.js to the schema file or to the folder that holds the schema files.',
  })
}

async function prismaFiles(root: string, relative: string, seen: Set<string>): Promise<string[]> {
  const folder = path.join(root, relative)
  const real = await fs.realpath(folder)
  if (seen.has(real)) return []
  seen.add(real)
  const files: string[] = []
  for (const name of await fs.readdir(folder)) {
    const child = relative === '' ? name : `${relative}/${name}`
    const stat = await fs.stat(path.join(root, child)).catch(() => undefined)
    if (stat?.isDirectory()) files.push(...(await prismaFiles(root, child, seen)))
    else if (stat?.isFile() && name.endsWith('.prisma')) files.push(child)
  }
  return files
}

async function readFile(file: string, name: string): Promise<SchemaFile> {
  const bytes = await fs.readFile(file)
  try {
    return { path: name, content: decodeUtf8(bytes, file) }
  } catch (error) {
    if (error instanceof NotUtf8Error) throw new SchemaInvalidError(error.message, { cause: error, hint: error.hint })
    throw error
  }
}

// PROVIDERS: what a datasource block may say, and the engine it means.
const PROVIDERS: Readonly<Record<string, Provider>> = {
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  sqlite: 'sqlite',
}

/**
 * The datasource block of a schema.
 * @throws {SchemaInvalidError} where there is none, more than one, or one for a database that rays does not know
 */
export function datasourceOf(files: readonly SchemaFile[]): Datasource {
  const blocks = files.flatMap((file) => blocksOf(file)).filter((block) => block.keyword === 'datasource')
  const block = blocks[0]
  if (!block) {
    throw new SchemaInvalidError(`The Prisma schema has no datasource block (${files.map((f) => f.path).join(', ')})`, {
      hint: 'Add `datasource db { provider = "postgresql" }`, on three lines, with the provider of your database.',
    })
  }
  if (blocks[1]) {
    throw new SchemaInvalidError('The Prisma schema has more than one datasource block', {
      where: `${place(block)} and ${place(blocks[1])}`,
      hint: 'Keep one.',
    })
  }
  const values = new Map(propertiesOf(block).map((property) => [property.name, property.value]))
  return {
    name: block.name,
    provider: providerOf(block, values.get('provider')),
    url: expression(values.get('url')),
    directUrl: expression(values.get('directUrl')),
    shadowDatabaseUrl: expression(values.get('shadowDatabaseUrl')),
    schemas: strings(values.get('schemas')),
    relationMode: strings(values.get('relationMode') ?? values.get('referentialIntegrity'))[0],
  }
}

function providerOf(block: Block, value: Value | undefined): Provider {
  const written = value?.kind === 'string' ? value.value : undefined
  const provider = written === undefined ? undefined : PROVIDERS[written.toLowerCase()]
  if (provider) return provider
  throw new SchemaInvalidError(
    written === undefined
      ? `The datasource block "${block.name}" names no provider`
      : `The provider "${written}" is not supported by rays`,
    { where: place(block), hint: 'rays manages postgresql, mysql (with MariaDB) and sqlite.' },
  )
}

/** The generator blocks of a schema. */
export function generatorsOf(files: readonly SchemaFile[]): Generator[] {
  const blocks = files.flatMap((file) => blocksOf(file)).filter((block) => block.keyword === 'generator')
  return blocks.map((block) => {
    const values = new Map(propertiesOf(block).map((property) => [property.name, property.value]))
    return {
      name: block.name,
      provider: expression(values.get('provider')),
      previewFeatures: strings(values.get('previewFeatures')),
    }
  })
}

function expression(value: Value | undefined): Expression | undefined {
  if (value?.kind === 'string') return { kind: 'literal', value: value.value }
  const argument = value?.kind === 'call' && value.name === 'env' ? value.args[0] : undefined
  return argument?.kind === 'string' ? { kind: 'env', name: argument.value } : undefined
}

function strings(value: Value | undefined): string[] {
  const items = value?.kind === 'list' ? value.items : value ? [value] : []
  return items.flatMap((item) => (item.kind === 'string' || item.kind === 'word' ? [item.value] : []))
}

function place(block: Block): string {
  return `${block.file.path}:${lineAt(block.file.content, block.start)}`
}

/** Whether the schema holds anything that a database would: a model, an enum, a type or a view. */
export function hasModels(files: readonly SchemaFile[]): boolean {
  return files.some((file) => blocksOf(file).some((block) => !isConfig(block)))
}

/** The names of the schema's tables as the database knows them: `@@map` before the model's own name. */
export function tableNames(files: readonly SchemaFile[]): string[] {
  const models = files.flatMap((file) => blocksOf(file)).filter((block) => block.keyword === 'model')
  return models.map((block) => {
    const code = block.body.filter((token) => token.kind !== 'comment' && token.kind !== 'newline')
    const at = code.findIndex(
      (token, i) => token.text === 'map' && code[i - 1]?.text === '@' && code[i - 2]?.text === '@',
    )
    const name = at === -1 ? undefined : code.slice(at + 1).find((token) => token.kind === 'string')
    return name ? name.text.slice(1, -1) : block.name
  })
}

// URLS: Prisma 7 and later refuse these in the schema; Prisma 6 and older require the first.
const URLS: Readonly<Record<string, string>> = {
  url: 'DATABASE_URL',
  directUrl: 'DIRECT_URL',
  shadowDatabaseUrl: 'SHADOW_DATABASE_URL',
}

/** Preview features of Prisma 5 and 6 that the engine no longer knows and that never concerned the database. */
const FORGOTTEN_FEATURES = ['metrics', 'fullTextSearchPostgres']

/**
 * The schema as every version of Prisma's engine in this process accepts it: without URLs and byte order marks. Every
 * other character stays on its line and column, so that the engine's errors point into the files as they are.
 */
export function forEngine(files: readonly SchemaFile[]): SchemaFile[] {
  return files.map((file) => {
    const content = editProperties(file, (property, text) => {
      const written = text.slice(property.start, property.end)
      if (Object.hasOwn(URLS, property.name)) return written.replace(/[^\r\n]/g, ' ')
      return property.name === 'previewFeatures' ? withoutForgotten(property, written) : undefined
    })
    return { path: file.path, content: content.replace(/^\uFEFF/, '') }
  })
}

function withoutForgotten(property: Property, written: string): string | undefined {
  const features = strings(property.value)
  const kept = features.filter((feature) => !FORGOTTEN_FEATURES.includes(feature))
  if (kept.length === features.length) return undefined
  const list = `previewFeatures=[${kept.map((feature) => JSON.stringify(feature)).join(',')}]`
  // A shorter list in the place of the longer one; the lines below stay where they are.
  return list + written.slice(list.length).replace(/[^\r\n]/g, ' ') + lineEndsBefore(written, list.length)
}

function lineEndsBefore(text: string, length: number): string {
  return text.slice(0, length).replace(/[^\r\n]/g, '')
}

/**
 * The schema as it may be kept in a migration folder and in version control: as it is, but a URL that holds a password
 * is replaced by the environment variable of that purpose.
 */
export function snapshotOf(files: readonly SchemaFile[]): SchemaFile[] {
  return files.map((file) => ({
    path: file.path,
    content: editProperties(file, (property, text) => {
      const variable = URLS[property.name]
      const value = expression(property.value)
      if (variable === undefined || value?.kind !== 'literal') return undefined
      if (new DatabaseUrl(value.value, '').secrets.length === 0) return undefined
      return `${text.slice(property.start, property.valueStart)}env("${variable}")`
    }),
  }))
}

/**
 * The schema with its URL read from an environment variable and without the other two URLs, as Prisma 6 and older need
 * it. A datasource block without a URL gets one on a line of its own.
 */
export function withUrl(files: readonly SchemaFile[], variable: string): SchemaFile[] {
  const value = `env("${variable}")`
  return files.map((file) => {
    let present = false
    const edited = editProperties(file, (property, text) => {
      if (!Object.hasOwn(URLS, property.name)) return undefined
      if (property.name !== 'url') return text.slice(property.start, property.end).replace(/[^\r\n]/g, ' ')
      present = true
      return text.slice(property.start, property.valueStart) + value
    })
    const content = edited.replace(/^\uFEFF/, '')
    const block = blocksOf({ path: file.path, content }).find((found) => found.keyword === 'datasource')
    if (present || !block) return { path: file.path, content }
    const close = content.lastIndexOf('}', block.end)
    return { path: file.path, content: `${content.slice(0, close)}\n  url = ${value}\n${content.slice(close)}` }
  })
}

/** The file with some properties of its datasource and generator blocks written anew; undefined leaves one as it is. */
function editProperties(file: SchemaFile, edit: (property: Property, text: string) => string | undefined): string {
  const properties = blocksOf(file).filter(isConfig).flatMap(propertiesOf)
  let text = file.content
  for (const property of properties.reverse()) {
    const edited = edit(property, file.content)
    if (edited !== undefined) text = text.slice(0, property.start) + edited + text.slice(property.end)
  }
  return text
}

/**
 * Writes a change of the schema's files, each by an atomic rename that keeps the file's mode.
 * @param schema the schema as it was read; where a file on disk is no longer that, nothing is written
 * @throws {UsageError} when a file changed meanwhile or cannot be written
 */
export async function writeSchema(schema: PrismaSchema, change: SchemaChange): Promise<void> {
  const root = schemaRoot(schema)
  const known = new Map(schema.files.map((file) => [file.path, file.content]))
  const inside = (name: string) => {
    const file = path.resolve(root, name)
    if (!file.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) throw outside(name, root)
    return file
  }
  for (const name of [...change.write.map((file) => file.path), ...change.remove]) {
    const file = inside(name)
    const present = await fs.readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (present === known.get(name)) continue
    throw new UsageError(`${file} was changed by someone else meanwhile; it was left as it is`, {
      hint: 'Run the command again.',
    })
  }
  try {
    for (const file of change.write) {
      await makeFolder(path.dirname(inside(file.path)))
      await replaceFile(inside(file.path), file.content, true)
    }
    for (const name of change.remove) {
      await fs.unlink(inside(name))
      await syncFolder(path.dirname(inside(name)))
    }
  } catch (error) {
    const { code, path: where } = error as NodeJS.ErrnoException
    throw new UsageError(`The schema could not be written: ${code ?? String(error)}${where ? ` at ${where}` : ''}`, {
      cause: error,
      hint: `Make ${root} writable for this user.`,
    })
  }
}

function outside(name: string, root: string): UsageError {
  return new UsageError(`${name} lies outside of the schema folder ${root}; it was not written`)
}
