/** Results of the development loop as text for a person. */
import type { CommitResult } from '../commands/commit.js'
import type { DocsResult } from '../commands/docs.js'
import type { RedoResult } from '../commands/redo.js'
import type { ResetResult } from '../commands/reset.js'
import type { SaveResult } from '../commands/save.js'
import { shortPath } from '../commands/schema-file.js'
import type { StepsResult } from '../commands/up-down.js'
import type { Config } from '../config/config.js'
import { duration, type Terminal } from './terminal.js'

const lines = (...parts: (string | false | undefined)[]) =>
  parts.filter((part) => part !== false && part !== undefined && part !== '').join('\n')
const next = (terminal: Terminal, command: string) => `${terminal.paint('dim', 'Next:')} ${command}`
const count = (n: number) => `${n} migration${n === 1 ? '' : 's'}`

export function save(result: SaveResult, terminal: Terminal, config: Config): string {
  if (result.migrations.length === 0) return lines(result.summary, next(terminal, 'edit the schema.'))
  const folders = result.files.flatMap(({ migration, files }, index) => {
    const last = index === result.files.length - 1
    return [
      `  ${last ? '└─' : '├─'} ${migration}/`,
      ...files.map((file, at) => `  ${last ? ' ' : '│'}  ${at === files.length - 1 ? '└─' : '├─'} ${file}`),
    ]
  })
  return lines(
    `rays just created your ${result.migrations.length === 1 ? 'migration' : 'migrations'}:\n`,
    `  ${shortPath(config, config.migrationsDir)}/`,
    ...folders,
    result.migrations.some(({ proof }) => proof !== 'skipped') &&
      terminal.paint('dim', '\nProven: up, down and up again on a shadow database.'),
    next(terminal, result.recorded ? 'rays status' : 'rays up applies it.'),
  )
}

export function steps(result: StepsResult, terminal: Terminal, config: Config, verbose: boolean): string {
  const { migrations, direction, dryRun } = result
  if (migrations.length === 0) {
    const at = result.target === null ? '' : `: the database is at ${result.target}`
    return direction === 'up' || at !== '' ? `Already in sync${at}.` : 'Already in sync: no migration is applied.'
  }
  const { paint } = terminal
  const table = commandTable(result, verbose)
  if (dryRun) {
    return lines(
      `Would ${direction === 'up' ? 'apply' : 'roll back'} ${count(migrations.length)}:`,
      table,
      next(terminal, `rays ${direction} without --preview runs it.`),
    )
  }
  const total = migrations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const newest = migrations.at(-1)!.name
  return lines(
    table,
    !verbose &&
      paint(
        'dim',
        `rays ${direction} --verbose shows whole statements; ${shortPath(config, config.migrationsDir)}/${newest}/README.md tells more.`,
      ),
    result.schemaFile?.state === 'replaced' && `The schema file is that of ${result.schemaFile.migration} now.`,
    `${direction === 'up' ? 'Done' : 'Rolled back'} with ${count(migrations.length)} in ${duration(total)}.`,
    next(terminal, direction === 'up' ? 'rays status' : 'rays up goes forward again.'),
  )
}

const WIDTH = 48

/** Status, migration and its statements, one a line. */
function commandTable({ commands, dryRun }: StepsResult, verbose: boolean): string {
  const rows = commands.flatMap(({ name, statements }) => {
    const shown = statements.flatMap((statement) => (verbose ? statement.split('\n') : [shorten(statement)]))
    const status = dryRun ? 'Pending' : 'Complete'
    return (shown.length > 0 ? shown : ['(none)']).map((command, index) =>
      index === 0 ? [status, name, command] : ['', '', command],
    )
  })
  const all = [['Status', 'Migration', 'Raw commands'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]!.length)))
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [rule, line(all[0]!), rule, ...rows.map(line), rule].join('\n')
}

function shorten(statement: string): string {
  const text = statement.replace(/\s+/g, ' ').trim()
  return text.length <= WIDTH ? text : `${text.slice(0, WIDTH - 1).trimEnd()}…`
}

export function commit(result: CommitResult, terminal: Terminal): string {
  const names = result.migrations.map(({ name }) => name).join(', ')
  return lines(
    `Wrote ${names} and recorded ${result.migrations.length === 1 ? 'it' : 'them'} as applied in ${result.target}. No data was touched.`,
    next(terminal, 'commit the folder to version control; elsewhere rays migrate applies it.'),
  )
}

export function redo({ up }: RedoResult, terminal: Terminal): string {
  const total = up.migrations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  return lines(
    `Undone and applied again: ${up.migrations.map(({ name }) => name).join(', ')} (${duration(total)}).`,
    next(terminal, 'rays status'),
  )
}

export function reset({ target, migrated, seeded }: ResetResult, terminal: Terminal): string {
  return lines(
    `Emptied ${target} and applied ${count(migrated.migrations.length)}.`,
    seeded !== null && `Seeded in ${duration(seeded.milliseconds)}.`,
    next(terminal, 'rays status'),
  )
}

export function docs({ topics }: DocsResult, terminal: Terminal): string {
  const width = Math.max(...topics.map(({ topic }) => topic.length))
  return lines(
    ...topics.map(({ topic, title, file }) => `${topic.padEnd(width)}  ${title}  ${terminal.paint('dim', file)}`),
    next(terminal, 'rays docs <topic> prints one.'),
  )
}
