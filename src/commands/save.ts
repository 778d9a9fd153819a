/** `rays save`: makemigration as a conversation: the name is asked, the schema's changes and the files are shown. */
import { readdir } from 'node:fs/promises'
import { readSnapshot } from '../migrations/directory.js'
import { type BlockDiff, diffSchemas } from '../schema/schema-diff.js'
import { makeCollapsing } from './development.js'
import type { Context } from './host.js'
import type { MakeMigrationOptions, MakeMigrationResult } from './makemigration.js'
import { connect, folders, openProject } from './project.js'

export interface SaveOptions extends MakeMigrationOptions {
  /** Create the database where it is missing. */
  readonly createDb?: boolean
}

export interface SaveResult extends MakeMigrationResult {
  readonly diff: readonly BlockDiff[]
  /** Each written folder with its files, in byte order. */
  readonly files: readonly { readonly migration: string; readonly files: readonly string[] }[]
}

/** @throws {RaysError} as makeMigration */
export async function save(context: Context, options: SaveOptions = {}): Promise<SaveResult> {
  const project = await openProject(context)
  if (options.createDb) await (await connect(project, context.host, { createDatabase: true })).close()
  const newest = (await folders(project)).at(-1)
  const before = newest && (await readSnapshot(newest))
  // Without a snapshot (made by Prisma) there is no text to compare with.
  const diff = newest && !before ? [] : diffSchemas(before, project.schema.files)
  context.host.changes(diff)
  const made = await makeCollapsing(context, options)
  const files = made.written
    ? await Promise.all(
        made.migrations.map(async ({ name, directory }) => ({
          migration: name,
          files: (await readdir(directory)).sort(),
        })),
      )
    : []
  return { ...made, diff, files }
}
