import path from 'node:path'
import { command } from '../command.js'
import { onlyKnex } from '../knex.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/export-knex.js')).exportKnex, {
  folder: { type: 'string', describe: "where they are written; default: migrations in the project's folder" },
})

export const exportCommand = command({
  name: 'export',
  words: '<format> [folder]',
  completes: { format: ['knex'], folder: 'folders' },
  purpose: 'make migrations of another tool (knex) from those of rays',
  options: {},
  examples: [['rays export knex ./migrations', 'plain Knex migrations']],
  library: { exportKnex: WORK },
  run: async ({ context, args }) => {
    onlyKnex(args.format, 'export')
    return WORK.run(context, args)
  },
  text: ({ written }, { config }) =>
    written.map((file) => `Wrote ${path.relative(config.root, file) || file}`).join('\n') ||
    'All migrations have a file already.',
})
