import { command } from '../command.js'
import { counted, lines, next } from '../format/text.js'
import { GENERATE, type Options } from '../options.js'
import { duration } from '../terminal.js'
import { work } from '../work.js'

const OPTIONS = {
  confirm: { type: 'string', describe: 'the name of the database, so that it is the right one' },
  seed: { type: 'boolean', default: true, describe: 'run the seed command (--no-seed skips it)' },
  generate: GENERATE,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/reset.js')).reset, OPTIONS)

export const reset = command({
  name: 'reset',
  purpose: 'empty the database, apply all migrations, and seed it',
  options: OPTIONS,
  examples: [['rays reset --confirm=app_dev', '']],
  library: { reset: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ target, migrated, seeded }, view) =>
    lines(
      `Emptied ${target} and applied ${counted(migrated.migrations.length, 'migration')}.`,
      seeded !== null && `Seeded in ${duration(seeded.milliseconds)}.`,
      next(view, 'rays status'),
    ),
})
