/** Every command of the command line in one table: words, options, examples. What they do is in src/commands. */
import { DEVELOP_COMMANDS } from './develop-commands.js'
import { HISTORIES_COMMANDS } from './histories-commands.js'
import { KNEX_COMMANDS } from './knex-commands.js'
import {
  CLEAR_SHADOW,
  CREATE_DB,
  FAIL_ON_DESTRUCTIVE,
  GENERATE,
  LOCK_TIMEOUT,
  MAKING_OPTIONS,
  type NumberOption,
  type Options,
  SINGLE_TRANSACTION,
  VERIFY,
} from './options.js'

/** What was given, read: flags in camel case, and the command's words by their names. */
export type ParsedArguments = Readonly<Record<string, unknown>>

export interface CommandSpec {
  readonly name: string
  /** With the words that it takes: `<needed>`, `[optional]`, `[many..]`. */
  readonly usage: string
  /** Its word may be a number, so that a 1 behind a switch is not the switch's. */
  readonly counts?: true
  readonly aliases?: readonly string[]
  /** One line: what it is for. */
  readonly purpose: string
  readonly options: Options
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [string, string])[]
}

export const GLOBAL_OPTIONS = {
  conf: { type: 'string', describe: 'which raysconfig file' },
  env: { type: 'string', describe: 'which of the environments of the configuration' },
  log: { type: 'boolean', describe: 'show every statement with its time' },
  json: { type: 'boolean', describe: 'print one JSON document' },
  input: { type: 'boolean', describe: 'ask questions (--no-input never asks)', default: true },
  color: { type: 'boolean', describe: 'colours (--no-color for none)', default: true },
  y: { type: 'boolean', alias: 'yes', describe: 'answer yes where data would be lost' },
} as const satisfies Options

const STATEMENT_TIMEOUT: NumberOption = { type: 'number', takes: 'seconds', describe: 'seconds a statement may run' }

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'init',
    usage: 'init',
    purpose: 'write raysconfig.js from what the project already says',
    options: { force: { type: 'boolean', describe: 'replace an existing raysconfig' } },
    examples: [['rays init', 'write raysconfig.js']],
  },
  {
    name: 'prepare',
    usage: 'prepare',
    aliases: ['baseline'],
    purpose: 'start managing an existing database: the first migration, recorded as applied',
    options: {
      name: { type: 'string', default: 'init', describe: 'the name of the first migration' },
      reset: { type: 'boolean', describe: 'empty the database first' },
      verify: VERIFY,
      'clear-shadow': CLEAR_SHADOW,
      'lock-timeout': LOCK_TIMEOUT,
    },
    examples: [['rays prepare', 'keep all data and record the present schema as the first migration']],
  },
  {
    name: 'makemigration',
    usage: 'makemigration [words..]',
    aliases: ['makemigrations', 'make'],
    purpose: "write a migration from the schema's changes, without applying it",
    options: {
      name: { type: 'string', alias: 'n', describe: 'the name of the migration' },
      blank: { type: 'boolean', describe: 'write an empty migration where nothing changed' },
      autoresolve: { type: 'boolean', describe: 'group operations whose ups and downs do not pair, without a note' },
      check: { type: 'boolean', describe: 'exit 1 if a migration is missing; write nothing' },
      'dry-run': { type: 'boolean', describe: 'show the migration; write nothing' },
      verify: VERIFY,
      from: {
        type: 'string',
        choices: ['snapshot', 'migrations'],
        default: 'snapshot',
        describe: 'where the present state is taken from',
      },
      'clear-shadow': CLEAR_SHADOW,
      'fail-on-destructive': { type: 'boolean', describe: 'exit 1 instead of writing a migration that loses data' },
      ...MAKING_OPTIONS,
    },
    examples: [
      ['rays makemigration --name add_lastname', 'write a migration'],
      ['rays makemigration --check', 'in CI: is a migration missing?'],
    ],
  },
  {
    name: 'migrate',
    usage: 'migrate',
    aliases: ['latest', 'deploy'],
    purpose: 'bring the database to a migration, up or down',
    options: {
      name: {
        type: 'string',
        alias: ['to', 'target'],
        describe: 'target: a name or a unique part, a timestamp, zero, +N, -N',
      },
      fake: { type: 'boolean', describe: 'change the record only' },
      plan: { type: 'boolean', describe: 'list what would run' },
      sql: { type: 'boolean', describe: 'print the SQL that would run' },
      trace: {
        type: 'boolean',
        describe: 'with --sql: run it in a transaction that is rolled back, and print what it sends',
      },
      check: { type: 'boolean', describe: 'exit 1 if anything would run' },
      'create-db': CREATE_DB,
      generate: GENERATE,
      'single-transaction': SINGLE_TRANSACTION,
      'ignore-missing': { type: 'boolean', describe: 'go up although applied migrations have no folder here' },
      'allow-out-of-order': {
        type: 'boolean',
        describe: 'apply folders older than the newest applied migration, and those made on two branches',
      },
      'fail-on-destructive': { type: 'boolean', describe: 'refuse migrations that lose data' },
      'lock-timeout': LOCK_TIMEOUT,
      'statement-timeout': STATEMENT_TIMEOUT,
      'op-timeout': { type: 'number', takes: 'seconds', describe: 'seconds an operation may take' },
      resume: { type: 'boolean', describe: 'go on with a migration that was left unfinished' },
      undo: { type: 'boolean', describe: 'go back from a migration that was left unfinished' },
      'retry-op': { type: 'number', takes: 'an operation', describe: 'the operation in doubt was not done' },
      'skip-op': {
        type: 'number',
        takes: 'an operation',
        describe: 'the operation in doubt, or the next one, was done',
      },
      'skip-hook': { type: 'boolean', describe: 'go on as if the hook that is unfinished had ended well' },
    },
    examples: [
      ['rays migrate', 'apply all pending migrations'],
      ['rays migrate --name add_lastname', 'go to that migration, up or down'],
      ['rays migrate --name -1', 'undo the last one'],
      ['rays migrate --name zero', 'undo all'],
      ['rays migrate --single-transaction', 'apply all pending migrations, or none of them'],
      ['rays migrate --fake', 'record all as applied without running them'],
    ],
  },
  {
    name: 'adopt',
    usage: 'adopt',
    purpose: 'give migrations that Prisma made a snapshot and a proven way back; changes no database',
    options: {
      'dry-run': { type: 'boolean', describe: 'show what would be written; write nothing' },
      'clear-shadow': CLEAR_SHADOW,
    },
    examples: [['rays adopt', 'once, in a project that has used prisma migrate']],
  },
  {
    name: 'push',
    usage: 'push',
    purpose: 'make the database match the schema, without migrations',
    options: {
      ...MAKING_OPTIONS,
      'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
      'force-reset': { type: 'boolean', describe: 'empty the database first' },
      'create-db': CREATE_DB,
      generate: GENERATE,
      'lock-timeout': LOCK_TIMEOUT,
      'statement-timeout': STATEMENT_TIMEOUT,
    },
    examples: [['rays push', 'shows what would be lost and asks']],
  },
  {
    name: 'status',
    usage: 'status',
    aliases: ['showmigrations', 'list'],
    purpose: 'compare migrations, history, live schema and schema.prisma; changes nothing',
    options: {
      check: { type: 'boolean', describe: 'exit 1 for pending, missing, failed and drift' },
      strict: { type: 'boolean', describe: 'as --check, and for edited migrations too' },
    },
    examples: [
      ['rays status', ''],
      ['rays status --check', 'in CI'],
    ],
  },
  {
    name: 'prisma',
    usage: 'prisma [words..]',
    purpose: "run Prisma's own command line offline, with rays in place of the engine that it downloads",
    options: { 'clear-shadow': CLEAR_SHADOW },
    examples: [
      ['rays prisma -- migrate status', 'is Prisma of the same opinion?'],
      ['rays prisma -- migrate diff --from-empty --to-schema prisma/schema.prisma', ''],
      ['rays prisma -- db pull --print', ''],
    ],
  },
  {
    name: 'lock',
    usage: 'lock',
    purpose: 'show who holds the migration lock; takes and changes nothing',
    options: {},
    examples: [['rays lock', 'whom is a deployment waiting for?']],
  },
  {
    name: 'config',
    usage: 'config',
    purpose: 'print each configuration value and where it came from',
    options: {},
    examples: [['rays config', '']],
  },
  ...DEVELOP_COMMANDS,
  ...HISTORIES_COMMANDS,
  ...KNEX_COMMANDS,
]

/** What `rays` alone does. Not in the table, because it has no word. */
export const OVERVIEW: CommandSpec = {
  name: 'overview',
  usage: '',
  purpose: 'print where things stand, shortly, and the likely next command; changes nothing',
  options: {},
  examples: [],
}
