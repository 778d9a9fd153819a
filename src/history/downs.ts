/** Whether there is a way back. */
import { UsageError } from '../errors.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { bullets } from '../text.js'

/** @throws {UsageError} naming the operations of the migrations that have no down */
export function refuseMissingDowns(migrations: readonly LoadedMigration[]): void {
  const missing = migrations.flatMap(({ migration, operations }) => {
    const without = operations.flatMap((pair, index) => (pair[1] === null ? [index] : []))
    if (without.length === 0) return []
    return [
      migration.codeFile === undefined
        ? `${migration.name} (made by Prisma: it has no migration.js)`
        : `${migration.name}, operation ${without.join(', ')}`,
    ]
  })
  if (missing.length === 0) return
  throw new UsageError(`The way down is missing, so nothing was run:\n${bullets(missing)}`, {
    code: 'E_NO_DOWN',
    hint: 'rays adopt writes downs for migrations made by Prisma; or write the down in migration.js.',
  })
}
