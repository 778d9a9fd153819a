/** What `migrate` and `rollback` did, or would do. */
import type { MigrateResult } from '../../commands/migrate.js'
import type { View } from '../command.js'
import { duration } from '../terminal.js'
import { counted, lines, next } from './text.js'

export function migrated(result: MigrateResult, view: View): string {
  if (result.migrations.length === 0) return lines(nothing(result), schemaLine(result))
  return result.dryRun ? planned(result, view) : done(result, view)
}

function nothing({ dryRun, target }: MigrateResult): string {
  if (dryRun) return 'Nothing would run.'
  return `Nothing to do: ${target === null ? 'no migration is applied' : `the database is at ${target}`}.`
}

function planned({ migrations, direction, hazards, singleTransaction }: MigrateResult, view: View): string {
  const [verb, sign] = direction === 'up' ? ['apply', '+'] : ['unapply', '-']
  return lines(
    `Would ${verb}${singleTransaction ? ' in one transaction' : ''}:`,
    ...migrations.map(({ name, operations }) => `  ${sign} ${name} (${counted(operations, 'operation')})`),
    ...hazards.filter(({ rows }) => rows !== 0).map(({ migration, message }) => `  ! ${migration}: ${message}`),
    next(view, 'rays migrate without --plan runs it.'),
  )
}

function done(result: MigrateResult, view: View): string {
  const { migrations, direction, target } = result
  const total = migrations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const at = target === null ? '; no migration is applied now' : `; the database is at ${target}`
  const how = result.singleTransaction ? ', in one transaction' : ''
  return lines(
    `${verbOf(result)}: ${counted(migrations.length, 'migration')} in ${duration(total)}${how}${at}.`,
    result.fake && 'Neither the schema of the database nor the schema file was changed.',
    schemaLine(result),
    next(view, direction === 'up' ? 'rays status' : 'rays migrate goes forward again.'),
  )
}

function verbOf({ fake, direction }: MigrateResult): string {
  if (fake) return direction === 'up' ? 'Recorded as applied' : 'Recorded as not applied'
  return direction === 'up' ? 'Applied' : 'Unapplied'
}

/** Where the schema file was replaced. */
export function schemaLine({ schemaFile }: Pick<MigrateResult, 'schemaFile'>): string | undefined {
  if (schemaFile?.state !== 'replaced') return undefined
  return `The schema file is that of ${schemaFile.migration} now.`
}
