import { UsageError } from '../../errors.js'
import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { CLEAR_SHADOW, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  name: { type: 'string', describe: 'the name of the new migration' },
  'dry-run': { type: 'boolean', describe: 'show the migration; write nothing' },
  'clear-shadow': CLEAR_SHADOW,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/squash.js')).squash, {
  from: { type: 'string', describe: 'the first migration; default: the oldest' },
  to: { type: 'string', describe: 'the last migration' },
  name: OPTIONS.name,
  dryRun: OPTIONS['dry-run'],
  clearShadow: CLEAR_SHADOW,
})

export const squash = command({
  name: 'squash',
  words: '<range..>',
  completes: { range: 'migrations' },
  purpose: 'make one migration of many, proven to lead to the same structure',
  options: OPTIONS,
  examples: [
    ['rays squash add_lastname', 'everything up to and with that migration'],
    ['rays squash add_users add_lastname', 'from one to the other'],
  ],
  library: { squash: WORK },
  run: ({ context, args }) => WORK.run(context, { ...args, ...ends(args.range) }),
  text: (result, view) =>
    lines(
      result.written ? `${view.paint('green', 'Wrote')} ${result.name}` : `Would write ${result.name}:`,
      ...result.replaces.map((name) => `  stands for ${name}`),
      ...result.kept.map((name) => `  keeps the operations of ${name}: code, or a change of rows`),
      !result.written && result.script.trim(),
      result.originals !== null &&
        `The originals are in ${result.originals}; delete them once every database has been migrated.`,
      result.written && next(view, 'rays migrate, on each database: it knows that nothing is left to do.'),
    ),
})

function ends(range: readonly string[]): { from?: string; to: string } {
  const [first, second, ...more] = range
  if (first === undefined || more.length > 0) {
    throw new UsageError('squash takes one migration or two: rays squash [<from>] <to>.')
  }
  return second === undefined ? { to: first } : { from: first, to: second }
}
