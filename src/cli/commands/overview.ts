import { existsSync } from 'node:fs'
import type { Context } from '../../commands/host.js'
import type { StatusResult } from '../../commands/status.js'
import { RaysError } from '../../errors.js'
import { command, type View } from '../command.js'
import { countsLine } from '../format/state.js'
import { counted, lines, next } from '../format/text.js'

/** What `rays` alone does. Not in the table, because it has no word. */
export const OVERVIEW = command({
  name: 'overview',
  purpose: 'print where things stand, shortly, and the likely next command; changes nothing',
  options: {},
  examples: [],
  library: {},
  run: ({ context }) => overviewOf(context),
  text: overviewText,
})

/** No project yet, a project that lacks its schema or its database, or its status. */
type Overview =
  | { readonly state: 'no-project'; readonly next: string }
  | {
      readonly state: 'incomplete'
      readonly missing: 'schema' | 'database URL' | 'database'
      readonly migrations: number
      readonly next: string
    }
  | { readonly state: 'status'; readonly status: StatusResult; readonly next: string }

/** Where things stand: reads only. */
async function overviewOf(context: Context): Promise<Overview> {
  const { config } = context
  const hasSchema = existsSync(config.schemaPath)
  if (!hasSchema && config.file === undefined) {
    return {
      state: 'no-project',
      next: 'rays init writes raysconfig.js; write your Prisma schema to prisma/schema.prisma.',
    }
  }
  const { listMigrations } = await import('../../migrations/directory.js')
  if (!hasSchema || config.databaseUrl === undefined) {
    return {
      state: 'incomplete',
      missing: hasSchema ? 'database URL' : 'schema',
      migrations: (await listMigrations(config.migrationsDir)).length,
      next: hasSchema
        ? 'set DATABASE_URL in the environment or in .env, then rays status.'
        : `write your Prisma schema to ${config.schemaPath}.`,
    }
  }
  const { status } = await import('../../commands/status.js')
  try {
    const result = await status(context)
    return { state: 'status', status: result, next: result.next }
  } catch (error) {
    if (!(error instanceof RaysError) || error.code !== 'E_NO_DATABASE') throw error
    const migrations = (await listMigrations(config.migrationsDir)).length
    const next =
      migrations === 0
        ? 'rays makemigration --name init writes the first migration.'
        : 'rays migrate --create-db creates the database and applies them.'
    return { state: 'incomplete', missing: 'database', migrations, next }
  }
}

function overviewText(result: Overview, view: View): string {
  const help = view.paint('dim', 'rays --help lists the commands.')
  if (result.state === 'no-project') {
    return lines('There is no Prisma schema and no raysconfig here yet.', next(view, result.next), help)
  }
  if (result.state === 'incomplete') {
    const many = counted(result.migrations, 'migration')
    return lines(`${many} in the folder; the ${result.missing} is missing.`, next(view, result.next), help)
  }
  const { counts, target, drift, schema } = result.status
  const facts = [
    countsLine(counts),
    ...(drift.state === 'drift' ? ['the database was changed without a migration'] : []),
    ...(schema.state === 'changed' ? ['the schema has changes that no migration has yet'] : []),
  ]
  return lines(`${view.paint('bold', target)}: ${facts.join('; ')}.`, next(view, result.next), help)
}
