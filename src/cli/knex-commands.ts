/** The commands that have to do with Knex: words, options, examples. */
import type { CommandSpec } from './commands.js'
import { CLEAR_SHADOW, GENERATE, MAKING_OPTIONS, SINGLE_TRANSACTION } from './options.js'

export const KNEX_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'rollback',
    usage: 'rollback',
    purpose: 'undo the last batch: what was applied by one run',
    options: {
      all: { type: 'boolean', describe: 'undo all batches' },
      plan: { type: 'boolean', describe: 'list what would run' },
      'single-transaction': SINGLE_TRANSACTION,
      generate: GENERATE,
    },
    examples: [
      ['rays rollback', 'undo the last run of rays migrate'],
      ['rays rollback --all', 'undo everything'],
    ],
  },
  {
    name: 'unlock',
    usage: 'unlock',
    purpose: 'free the lock that Knex left behind; tells who holds that of rays',
    options: {},
    examples: [['rays unlock', 'after a crash of knex']],
  },
  {
    name: 'knex',
    usage: 'knex <action> [file]',
    purpose: 'let Knex run the migrations: init sets it up, convert and fill write migrations in its form',
    options: {
      verify: { type: 'boolean', default: true, describe: 'fill: prove the migration on shadow databases' },
      'clear-shadow': CLEAR_SHADOW,
      rename: { ...MAKING_OPTIONS.rename, describe: `fill: ${MAKING_OPTIONS.rename.describe}` },
      default: { ...MAKING_OPTIONS.default, describe: `fill: ${MAKING_OPTIONS.default.describe}` },
    },
    examples: [
      ['rays knex init', 'knexfile, script, tables and history; each step is asked about'],
      ['rays knex convert', 'Prisma migrations get a migration.mjs with a way down'],
      ['npx knex migrate:make add_age | npx rays knex fill', "put the schema's changes into the new file"],
    ],
  },
  {
    name: 'import',
    usage: 'import <format> <folder>',
    purpose: 'make migrations of rays from those of another tool (knex)',
    options: { 'clear-shadow': CLEAR_SHADOW },
    examples: [['rays import knex ./migrations', 'plain Knex migrations, with snapshots']],
  },
  {
    name: 'export',
    usage: 'export <format> [folder]',
    purpose: 'make migrations of another tool (knex) from those of rays',
    options: {},
    examples: [['rays export knex ./migrations', 'plain Knex migrations']],
  },
]
