import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { CLEAR_SHADOW, GLOBAL_OPTIONS, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  verify: {
    type: 'boolean',
    default: true,
    describe: 'prove that migration.sql alone leads to the same structure',
  },
  'dry-run': { type: 'boolean', describe: 'show what would be moved; move nothing' },
  'clear-shadow': CLEAR_SHADOW,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/eject.js')).eject, {
  y: GLOBAL_OPTIONS.y,
  verify: OPTIONS.verify,
  clearShadow: CLEAR_SHADOW,
  dryRun: OPTIONS['dry-run'],
})

export const eject = command({
  name: 'eject',
  purpose: "go back to Prisma Migrate: what is rays' own is moved out, the history stays",
  options: OPTIONS,
  examples: [['rays eject --y', '']],
  library: { eject: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ written, moved, to }, view) =>
    lines(
      written ? `Moved ${moved.length} files to ${to}; delete it when you are sure.` : `Would move to ${to}:`,
      ...(written ? [] : moved.map((file) => `  ${file}`)),
      'Folders, migration.sql, migration_lock.toml and the history are as they were.',
      next(view, 'npx prisma migrate status, npm uninstall prisma-rays'),
    ),
})
