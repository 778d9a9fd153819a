/** What is applied to a development database without a migration (`rays dev`, `rays draft`): a folder beside the migrations. */
import path from 'node:path'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { listMigrations, readSnapshot } from './directory.js'
import type { Migration } from './migration.js'

/** The folder's first entry: the snapshot that the first change starts from. */
export const BASE = '0-base'

/** The folder for a migrations folder. */
export const folderOf = ({ migrationsDir }: { readonly migrationsDir: string }) =>
  path.join(path.dirname(migrationsDir), 'rays-watch')

/** What is applied to the development database without a migration, oldest first. */
export async function developmentOf(config: { readonly migrationsDir: string }): Promise<Migration[]> {
  return (await listMigrations(folderOf(config))).filter(({ name }) => name !== BASE)
}

/** The schema that the database should have in development; undefined where it is that of the migrations. */
export async function developmentSnapshot(config: {
  readonly migrationsDir: string
}): Promise<readonly SchemaFile[] | undefined> {
  const newest = (await developmentOf(config)).at(-1)
  return newest && readSnapshot(newest)
}
