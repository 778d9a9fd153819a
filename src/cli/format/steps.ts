/** What `up` and `down` did, or would do: each migration with its statements. */
import type { StepsResult } from '../../commands/up-down.js'
import { shortPath } from '../../config/short-path.js'
import type { View } from '../command.js'
import { duration } from '../terminal.js'
import { schemaLine } from './migrated.js'
import { counted, lines, next } from './text.js'

type StepsView = View<{ readonly verbose: boolean | undefined }>

export function steps(result: StepsResult, view: StepsView): string {
  const { migrations, direction, dryRun } = result
  const newest = migrations.at(-1)
  if (newest === undefined) return nothing(result)
  const verbose = view.args.verbose === true
  const table = commandTable(result, verbose)
  if (dryRun) {
    return lines(
      `Would ${direction === 'up' ? 'apply' : 'roll back'} ${counted(migrations.length, 'migration')}:`,
      table,
      next(view, `rays ${direction} without --preview runs it.`),
    )
  }
  const total = migrations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const readme = `${shortPath(view.config, view.config.migrationsDir)}/${newest.name}/README.md`
  return lines(
    table,
    !verbose && view.paint('dim', `rays ${direction} --verbose shows whole statements; ${readme} tells more.`),
    schemaLine(result),
    `${direction === 'up' ? 'Done' : 'Rolled back'} with ${counted(migrations.length, 'migration')} in ${duration(total)}.`,
    next(view, direction === 'up' ? 'rays status' : 'rays up goes forward again.'),
  )
}

function nothing({ direction, target }: StepsResult): string {
  if (target !== null) return `Already in sync: the database is at ${target}.`
  return direction === 'up' ? 'Already in sync.' : 'Already in sync: no migration is applied.'
}

const WIDTH = 48
const HEAD = ['Status', 'Migration', 'Raw commands'] as const

/** Status, migration and its statements, one a line. */
function commandTable({ commands, dryRun }: StepsResult, verbose: boolean): string {
  const rows = commands.flatMap(({ name, statements }): (readonly string[])[] => {
    const shown = statements.flatMap((statement) => (verbose ? statement.split('\n') : [shorten(statement)]))
    const [first = '(none)', ...rest] = shown
    return [[dryRun ? 'Pending' : 'Complete', name, first], ...rest.map((command) => ['', '', command])]
  })
  const widths = HEAD.map((_, column) => Math.max(...[HEAD, ...rows].map((row) => row[column]?.length ?? 0)))
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const line = (row: readonly string[]) => `| ${widths.map((width, i) => (row[i] ?? '').padEnd(width)).join(' | ')} |`
  return [rule, line(HEAD), rule, ...rows.map(line), rule].join('\n')
}

function shorten(statement: string): string {
  const text = statement.replace(/\s+/g, ' ').trim()
  return text.length <= WIDTH ? text : `${text.slice(0, WIDTH - 1).trimEnd()}…`
}
