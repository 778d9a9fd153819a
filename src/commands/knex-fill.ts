/** `rays knex fill`: the schema's changes, both ways, for the file that `knex migrate:make` just made. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { UsageError } from '../errors.js'
import { renameDurably, replaceFile } from '../files.js'
import { renderKnexMigration } from '../knex/form.js'
import { folderNameOf, moduleOf } from '../knex/names.js'
import { writtenStatements } from '../migrations/course.js'
import { loadMigration } from '../migrations/load.js'
import { compareNames } from '../text.js'
import type { Context } from './host.js'
import { type MakeMigrationOptions, makeMigration } from './makemigration.js'
import { isEsm } from './module-kind.js'
import { type ClearShadow, folders, openProject } from './project.js'

export interface KnexFillOptions extends Pick<MakeMigrationOptions, 'rename' | 'defaults'> {
  /** The file, or what `knex migrate:make` printed about it. */
  readonly file: string
  readonly verify?: boolean
  readonly clearShadow?: ClearShadow | undefined
}

export interface KnexFillResult {
  readonly file: string
  /** The folder that makes Prisma and rays know the migration; null where nothing changed. */
  readonly folder: string | null
  readonly summary: string
}

/** @throws {UsageError} where there is no such file; {@link RaysError} as makemigration */
export async function knexFill(context: Context, options: KnexFillOptions): Promise<KnexFillResult> {
  const { config, host } = context
  const given = fileOf(options.file)
  const file = path.resolve(config.root, given)
  if (!existsSync(file)) {
    throw new UsageError(`There is no file ${given || '(nothing was given)'}.`, {
      hint: 'npx knex migrate:make <name> | npx rays knex fill',
    })
  }
  const project = await openProject(context)
  const stem = folderNameOf(file)
  const { rename, defaults } = options
  const made = await makeMigration(context, {
    ...(rename !== undefined && { rename }),
    ...(defaults !== undefined && { defaults }),
    name: stem.replace(/^\d{14}_?/, '') || 'migration',
    verify: options.verify !== false,
    clearShadow: options.clearShadow,
  })
  const last = made.migrations.at(-1)
  if (last === undefined) return { file, folder: null, summary: made.summary }
  const all = await folders(project)
  const others = all.filter((migration) => migration.name !== last.name)
  // The newest migration it must be, in Knex's order as in rays'.
  const newest = others.at(-1)?.name
  const keeps = newest === undefined || compareNames(stem, newest) > 0
  const name = keeps ? stem : last.name
  const directory = path.join(config.migrationsDir, name)
  if (name !== last.name) await renameDurably(path.join(config.migrationsDir, last.name), directory)
  const target = keeps ? file : path.join(path.dirname(file), `${name}${path.extname(file)}`)
  if (target !== file) {
    await renameDurably(file, target)
    host.note(`Renamed to ${path.basename(target)}: it must be newer than ${newest}.`)
  }
  await fill(context, target, directory, last.notes)
  return { file: target, folder: directory, summary: made.summary }
}

/** The path in Knex's words: `Created Migration: /app/migrations/20260101000000_name.js`, perhaps in colours. */
function fileOf(text: string): string {
  const plain = text.replace(/\u001b\[[0-9;]*m/g, '')
  const created = /Created Migration: (.+)/.exec(plain)?.[1]
  return (created ?? plain.trim().split('\n').at(-1) ?? '').trim()
}

/** The statements go into Knex's file, and the folder's code into what points to it. */
async function fill({ config }: Context, file: string, directory: string, notes: readonly string[]): Promise<void> {
  const project = await openProject({ config } as Context)
  const migration = (await folders(project)).find((candidate) => candidate.directory === directory)!
  const loaded = await loadMigration(migration, { runScript: () => Promise.reject(new Error('there is no database')) })
  const up = writtenStatements(loaded.operations, 'up')
  const down = writtenStatements(loaded.operations, 'down')
  const module = moduleOf(file, await isEsm(path.dirname(file)))
  await replaceFile(
    file,
    renderKnexMigration({
      up: up ?? [],
      down: down,
      notes,
      provider: project.engine.provider,
      module,
      transaction: loaded.transaction,
    }),
  )
  const relative = path.relative(directory, file).split(path.sep).join('/')
  const code = path.join(directory, module === 'typescript' ? 'migration.mts' : 'migration.mjs')
  await replaceFile(
    code,
    [
      `// The code of this migration is a file of Knex's. rays runs it from here.`,
      `import * as migration from '${relative}'`,
      '',
      'export const { up, down, config } = migration.default ?? migration',
      '',
    ].join('\n'),
  )
  if (migration.codeFile !== undefined && migration.codeFile !== code) await rm(migration.codeFile)
}
