/** The commands of the development loop: words, options, examples. */
import type { CommandSpec } from './commands.js'
import {
  CLEAR_SHADOW,
  CREATE_DB,
  FAIL_ON_DESTRUCTIVE,
  GENERATE,
  MAKING_OPTIONS,
  type Options,
  SINGLE_TRANSACTION,
  VERIFY,
} from './options.js'

const STEPPING = {
  preview: { type: 'boolean', alias: 'p', describe: 'show the changes; run nothing' },
  'auto-approve': { type: 'boolean', describe: 'do not ask' },
  verbose: { type: 'boolean', describe: 'show whole statements' },
  'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
  'single-transaction': SINGLE_TRANSACTION,
  generate: GENERATE,
} as const satisfies Options

export const DEVELOP_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'save',
    usage: 'save [words..]',
    purpose: "write a migration from the schema's changes, after showing them and asking for its name",
    options: {
      name: { type: 'string', alias: 'n', describe: 'the name of the migration' },
      'create-db': CREATE_DB,
      autoresolve: { type: 'boolean', describe: 'group operations whose ups and downs do not pair, without a note' },
      verify: VERIFY,
      'clear-shadow': CLEAR_SHADOW,
      'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
      ...MAKING_OPTIONS,
    },
    examples: [
      ['rays save', 'asks for the name'],
      ['rays save --name "add unique to email"', ''],
    ],
  },
  {
    name: 'up',
    usage: 'up [target]',
    counts: true,
    purpose: 'apply migrations, after showing what changes and asking',
    options: { ...STEPPING, 'create-db': CREATE_DB },
    examples: [
      ['rays up', 'to the newest'],
      ['rays up 1', 'by one migration'],
      ['rays up add_first_name', 'to that migration, by its name or timestamp'],
      ['rays up --preview', 'show the changes only'],
    ],
  },
  {
    name: 'down',
    usage: 'down [target]',
    counts: true,
    purpose: 'undo migrations, after showing what changes and asking',
    options: STEPPING,
    examples: [
      ['rays down', 'by one migration'],
      ['rays down 2', 'by two'],
      ['rays down 20261120130501', 'to that migration, which stays applied'],
    ],
  },
  {
    name: 'commit',
    usage: 'commit [words..]',
    purpose: 'make a migration of what was pushed to the database, recorded as applied; no data is touched',
    options: {
      name: { type: 'string', alias: 'n', describe: 'the name of the migration' },
      ...MAKING_OPTIONS,
      autoresolve: { type: 'boolean', describe: 'group operations whose ups and downs do not pair, without a note' },
      verify: VERIFY,
      'clear-shadow': CLEAR_SHADOW,
      'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
    },
    examples: [['rays push && rays commit add_users', 'once the schema is settled']],
  },
  {
    name: 'redo',
    usage: 'redo [count]',
    counts: true,
    purpose: 'undo the last migrations and apply them again',
    options: { 'fail-on-destructive': FAIL_ON_DESTRUCTIVE, generate: GENERATE },
    examples: [
      ['rays redo', 'the last one'],
      ['rays redo 2', 'the last two'],
    ],
  },
  {
    name: 'sqlmigrate',
    usage: 'sqlmigrate <name>',
    purpose: 'print the SQL of a migration; needs no database',
    options: {
      down: { type: 'boolean', describe: 'the way down' },
      trace: { type: 'boolean', describe: 'run it in a transaction that is rolled back, and print what it sends' },
    },
    examples: [
      ['rays sqlmigrate add_lastname --down', ''],
      ['rays sqlmigrate add_lastname --trace', 'what code of your own sends'],
    ],
  },
  {
    name: 'reset',
    usage: 'reset',
    purpose: 'empty the database, apply all migrations, and seed it',
    options: {
      confirm: { type: 'string', describe: 'the name of the database, so that it is the right one' },
      seed: { type: 'boolean', default: true, describe: 'run the seed command (--no-seed skips it)' },
      generate: GENERATE,
    },
    examples: [['rays reset --confirm=app_dev', '']],
  },
  {
    name: 'seed',
    usage: 'seed',
    purpose: 'run the seed command of prisma.config.ts',
    options: {},
    examples: [['rays seed', '']],
  },
  {
    name: 'docs',
    usage: 'docs [topic]',
    purpose: 'list the documentation that came with rays, or print a topic of it',
    options: {},
    examples: [['rays docs development | less', '']],
  },
]
