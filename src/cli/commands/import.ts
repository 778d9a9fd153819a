import { command } from '../command.js'
import { lines } from '../format/text.js'
import { onlyKnex } from '../knex.js'
import { CLEAR_SHADOW } from '../options.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/import-knex.js')).importKnex, {
  folder: { type: 'string', describe: 'the folder of the migrations of Knex' },
  clearShadow: CLEAR_SHADOW,
})

export const importCommand = command({
  name: 'import',
  words: '<format> <folder>',
  completes: { format: ['knex'], folder: 'folders' },
  purpose: 'make migrations of rays from those of another tool (knex)',
  options: { 'clear-shadow': CLEAR_SHADOW },
  examples: [['rays import knex ./migrations', 'plain Knex migrations, with snapshots']],
  library: { importKnex: WORK },
  run: async ({ context, args }) => {
    onlyKnex(args.format, 'import')
    return WORK.run(context, args)
  },
  text: ({ imported, recorded }) =>
    lines(
      ...imported.map(({ name }) => `Wrote ${name}`),
      imported.length === 0 && 'All of them are imported already.',
      recorded > 0 && `${recorded} of them were applied by Knex, and are recorded so.`,
    ),
})
