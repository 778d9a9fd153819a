/** `rays knex convert`: migrations made by Prisma get an editable migration.mjs in Knex's form, with a way down. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { replaceFile } from '../files.js'
import { renderKnexMigration } from '../knex/form.js'
import { writtenStatements } from '../migrations/course.js'
import { loadMigration } from '../migrations/load.js'
import { adopt } from './adopt.js'
import type { Context } from './host.js'
import { type ClearShadow, folders, openProject } from './project.js'

export interface KnexConvertOptions {
  readonly clearShadow?: ClearShadow | undefined
}

export interface KnexConvertResult {
  readonly converted: readonly {
    readonly name: string
    readonly file: string
    readonly down: 'verified' | 'partial' | 'missing'
  }[]
  /** Those that had code already. */
  readonly already: number
}

/** The downs are found and proven by replaying on a shadow database. @throws {RaysError} */
export async function knexConvert(context: Context, options: KnexConvertOptions = {}): Promise<KnexConvertResult> {
  const project = await openProject(context)
  const all = await folders(project)
  if (all.every((migration) => migration.codeFile !== undefined)) return { converted: [], already: all.length }
  const { adopted, already } = await adopt(context, { clearShadow: options.clearShadow })
  const converted: KnexConvertResult['converted'][number][] = []
  for (const migration of await folders(project)) {
    const how = adopted.find(({ name }) => name === migration.name)
    if (how === undefined || migration.codeFile === undefined) continue
    const loaded = await loadMigration(migration, {
      runScript: () => Promise.reject(new Error('there is no database')),
    })
    const up = writtenStatements(loaded.operations, 'up')
    const down = writtenStatements(loaded.operations, 'down')
    const file = path.join(migration.directory, 'migration.mjs')
    await replaceFile(
      file,
      renderKnexMigration({
        up: up ?? [],
        down: down,
        notes: how.notes,
        provider: project.engine.provider,
        module: 'esm',
        transaction: loaded.transaction,
        head: ['Made from migration.sql. Edit it as you like: Knex and rays run this file, Prisma runs migration.sql.'],
      }),
    )
    await rm(migration.codeFile)
    converted.push({ name: migration.name, file, down: how.down })
  }
  return { converted, already }
}
