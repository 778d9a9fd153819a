/** `rays upgrade`: projects of prisma-rays 1.x (`{ up, down }`) to 4.x become today's; checksums and history stay. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { RaysError } from '../errors.js'
import { replaceFile } from '../files.js'
import { readSnapshot, replaceSnapshot } from '../migrations/directory.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import { snapshotOf } from '../schema/prisma-schema.js'
import type { Context } from './host.js'
import { folders, openProject, type Project } from './project.js'
import { insideSchemaFolder } from './schema-file.js'

export interface UpgradeOptions {
  readonly dryRun?: boolean
}

export interface UpgradedMigration {
  readonly name: string
  /** rewritten: its exports are [up, down] now. unchanged: they were. unusable: a person has to look at it. */
  readonly state: 'rewritten' | 'unchanged' | 'unusable'
  readonly reason: string | null
}

export interface UpgradeResult {
  readonly migrations: readonly UpgradedMigration[]
  /** Snapshots from which a password was taken out. */
  readonly cleaned: readonly string[]
  /** What a person should change in the configuration. */
  readonly advice: readonly string[]
  readonly written: boolean
}

/** @throws {RaysError} */
export async function upgrade(context: Context, options: UpgradeOptions = {}): Promise<UpgradeResult> {
  const project = await openProject(context)
  const write = options.dryRun !== true
  const migrations: UpgradedMigration[] = []
  const cleaned: string[] = []
  for (const migration of await folders(project)) {
    migrations.push(await upgradeCode(migration, write))
    if (await cleanSnapshot(project, migration, write)) cleaned.push(migration.name)
  }
  for (const { name, reason } of migrations) if (reason !== null) context.host.warn(`${name}: ${reason}`)
  return { migrations, cleaned, advice: await adviceOn(project), written: write }
}

async function upgradeCode(migration: Migration, write: boolean): Promise<UpgradedMigration> {
  const { name, codeFile } = migration
  if (codeFile === undefined) return { name, state: 'unchanged', reason: null }
  const source = await readFile(codeFile, 'utf8')
  const load = () => loadMigration(migration, { runScript: async () => undefined })
  const failure = await load().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure === undefined) return { name, state: 'unchanged', reason: null }
  if (!(failure instanceof RaysError)) throw failure
  if (!failure.message.includes('{ up, down }')) return { name, state: 'unusable', reason: failure.message }
  if (!write) return { name, state: 'rewritten', reason: null }
  await replaceFile(codeFile, asPairs(source))
  try {
    await load()
    return { name, state: 'rewritten', reason: null }
  } catch (error) {
    // A file that still does not load is left as its owner wrote it.
    await replaceFile(codeFile, source)
    return { name, state: 'unusable', reason: error instanceof Error ? error.message : String(error) }
  }
}

/** The same functions as one operation. Everything else in the file stays as it is. */
function asPairs(source: string): string {
  const whole = /module\.exports\s*=\s*\{\s*(?:up\s*,\s*down|down\s*,\s*up)\s*,?\s*\}(?:[^\S\n]*;)?/
  if (whole.test(source)) return source.replace(whole, 'module.exports = [[up, down]]')
  const shorthand = /export\s+default\s*\{\s*(?:up\s*,\s*down|down\s*,\s*up)\s*,?\s*\}(?:[^\S\n]*;)?/
  if (shorthand.test(source)) return source.replace(shorthand, 'export default [[up, down]]')
  const named = /^\s*export\s+(?:async\s+)?(?:function|const|let|var)\s+up\b/m.test(source)
  const last = named ? 'export default [[up, down]]' : 'module.exports = [[module.exports.up, module.exports.down]]'
  return `${source.trimEnd()}\n\n${last}\n`
}

/** Old versions copied the schema as it was, with whatever URL was in it. */
async function cleanSnapshot(project: Project, migration: Migration, write: boolean): Promise<boolean> {
  const files = await readSnapshot(migration)
  if (files === undefined) return false
  const clean = snapshotOf(files)
  if (clean.every((file, i) => file.content === files[i]!.content)) return false
  if (write) {
    await replaceSnapshot(migration.directory, {
      layout: files.length > 1 ? 'folder' : 'file',
      files: clean,
      insideSchemaFolder: insideSchemaFolder(project.config, project.schema),
    })
  }
  return true
}

async function adviceOn({ config }: Project): Promise<string[]> {
  if (config.file === undefined || config.databaseUrl === undefined) return []
  const text = await readFile(config.file, 'utf8').catch(() => '')
  const secret = config.databaseUrl.secrets.some((password) => password.length > 3 && text.includes(password))
  if (!secret) return []
  return [`${path.basename(config.file)} holds the password: write databaseUrl: process.env.DATABASE_URL instead.`]
}
