/** Knex's own history in a project: where its knexfile says that it is, and what Prisma has not been told of it. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Knex } from 'knex'
import type { Connection } from '../../engines/engine.js'
import type { Config } from '../config/config.js'
import { UsageError } from '../errors.js'
import { type OtherHistory, Recorder, records } from '../history/recorder.js'
import { type KnexTable, quoted } from '../knex/histories.js'
import { folderNameOf } from '../knex/names.js'
import { checksum, readScript } from '../migrations/directory.js'
import { defaultExport, loadModule } from '../modules.js'
import type { Context } from './host.js'
import { folders, messageOf, type Project } from './project.js'

/** In Knex's order; it finds the last one only when it is told of it. */
const KNEXFILES = ['js', 'mjs', 'ts', 'cjs'].map((extension) => `knexfile.${extension}`)

/** The project's knexfile, or undefined. */
export function knexfileOf({ root }: Config): string | undefined {
  return KNEXFILES.map((name) => path.join(root, name)).find((file) => existsSync(file))
}

/** Works in the project's folder: Knex's relative paths start from the folder in which it runs. */
export async function inRoot<T>({ root }: Config, work: () => Promise<T>): Promise<T> {
  const folder = process.cwd()
  process.chdir(root)
  try {
    return await work()
  } finally {
    process.chdir(folder)
  }
}

/** What a knexfile says for the environment. @throws {UsageError} when it cannot be loaded */
export async function loadKnexfile(config: Config, file: string): Promise<Knex.Config> {
  try {
    return await inRoot(config, async () => {
      const loaded = defaultExport(await loadModule(file))
      const all = (typeof loaded === 'function' ? await loaded() : loaded) as Record<string, Knex.Config>
      return all[config.environment ?? (process.env.NODE_ENV || 'development')] ?? (all as Knex.Config)
    })
  } catch (error) {
    throw new UsageError(`${path.basename(file)} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      hint: 'Correct it: npx knex migrate:list has to work.',
    })
  }
}

/** Where a configuration of Knex's keeps the history. */
export function tableOf({ migrations }: Knex.Config): KnexTable {
  return { name: migrations?.tableName || 'knex_migrations', schema: migrations?.schemaName || undefined }
}

/** Where Knex keeps its history; where no knexfile can be read, its own default. */
export async function knexTable({ config, host }: Context): Promise<KnexTable> {
  const file = knexfileOf(config)
  if (file === undefined) return tableOf({})
  try {
    return tableOf(await loadKnexfile(config, file))
  } catch (error) {
    host.warn(`${messageOf(error)} Knex's table is taken to be knex_migrations.`)
    return tableOf({})
  }
}

/** Whether there is such a table of Knex's. */
export async function hasKnexTable(connection: Connection, { name, schema }: KnexTable): Promise<boolean> {
  if (schema === undefined) return connection.hasTable(name)
  const { literal } = connection.engine
  const rows = await connection.raw(
    `SELECT 1 AS found FROM information_schema.tables WHERE table_schema = ${literal(schema)} AND table_name = ${literal(name)}`,
  )
  return rows.length > 0
}

/**
 * Knex's history, out of which a migration goes when rays unapplies it: what stays there counts as applied for Knex, because
 * it may have run it before anybody told Prisma. Undefined where the database has no such table, as in most projects.
 */
export async function knexHistory(context: Context, connection: Connection): Promise<OtherHistory | undefined> {
  const table = await knexTable(context)
  if (!(await hasKnexTable(connection, table))) return undefined
  const { literal } = connection.engine
  const target = table.schema === undefined ? connection.history.beside(table.name) : quoted(connection, table)
  // Where a folder belongs to a file of Knex's, the file's name is there.
  const found = (await connection.raw(`SELECT name FROM ${target}`)).map((row) => String(row.name))
  return {
    title: `Knex's history ${table.name}`,
    removal(name) {
      const names = new Set([name, ...found.filter((other) => folderNameOf(other) === name)])
      return `DELETE FROM ${target} WHERE name IN (${[...names].map(literal).join(', ')})`
    },
  }
}

/**
 * What Knex ran in this database before anybody told Prisma counts as applied. Only while holding the lock.
 * @returns how many migrations were recorded
 */
export async function recordKnexRuns(project: Project, connection: Connection, table: KnexTable): Promise<number> {
  if (!(await hasKnexTable(connection, table))) return 0
  const rows = await connection.raw(`SELECT name FROM ${quoted(connection, table)}`)
  const ran = new Set(rows.flatMap((row) => [String(row.name), folderNameOf(String(row.name))]))
  const recorder = new Recorder(connection)
  const read = await recorder.read()
  const known = new Set(records(read ?? []).map((record) => record.name))
  const missing = (await folders(project)).filter(({ name }) => ran.has(name) && !known.has(name))
  if (missing.length > 0 && read === undefined) await recorder.create()
  const at = new Date()
  for (const migration of missing)
    await recorder.insertApplied(migration.name, checksum(await readScript(migration)), at)
  return missing.length
}
