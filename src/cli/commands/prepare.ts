import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { CLEAR_SHADOW, GLOBAL_OPTIONS, LOCK_TIMEOUT, type Options, VERIFY } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  name: { type: 'string', default: 'init', describe: 'the name of the first migration' },
  reset: { type: 'boolean', describe: 'empty the database first' },
  verify: VERIFY,
  'clear-shadow': CLEAR_SHADOW,
  'lock-timeout': LOCK_TIMEOUT,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/prepare.js')).prepare, {
  name: OPTIONS.name,
  reset: OPTIONS.reset,
  y: GLOBAL_OPTIONS.y,
  verify: VERIFY,
  clearShadow: CLEAR_SHADOW,
})

export const prepare = command({
  name: 'prepare',
  aliases: ['baseline'],
  purpose: 'start managing an existing database: the first migration, recorded as applied',
  options: OPTIONS,
  examples: [['rays prepare', 'keep all data and record the present schema as the first migration']],
  library: { prepare: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ introspected, migration, target, reset }, view) =>
    lines(
      introspected && 'The schema was written from the database.',
      `Wrote ${migration.name} and recorded it as applied in ${target}. ${reset ? 'The database was emptied first.' : 'No data was touched.'}`,
      next(view, 'edit the schema, then rays makemigration --name <name>.'),
    ),
})
