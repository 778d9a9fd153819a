import { command } from '../command.js'
import { migrated } from '../format/migrated.js'
import {
  CREATE_DB,
  GENERATE,
  GLOBAL_OPTIONS,
  LOCK_TIMEOUT,
  type Options,
  SINGLE_TRANSACTION,
  STATEMENT_TIMEOUT,
} from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  name: {
    type: 'string',
    alias: ['to', 'target'],
    completes: 'targets',
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
  'op-timeout': {
    type: 'number',
    takes: 'seconds',
    sets: 'operationTimeout',
    describe: 'seconds an operation may take',
  },
  resume: { type: 'boolean', describe: 'go on with a migration that was left unfinished' },
  undo: { type: 'boolean', describe: 'go back from a migration that was left unfinished' },
  'retry-op': { type: 'number', takes: 'an operation', describe: 'the operation in doubt was not done' },
  'skip-op': {
    type: 'number',
    takes: 'an operation',
    describe: 'the operation in doubt, or the next one, was done',
  },
  'skip-hook': { type: 'boolean', describe: 'go on as if the hook that is unfinished had ended well' },
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/migrate.js')).migrate, {
  name: OPTIONS.name,
  fake: OPTIONS.fake,
  plan: OPTIONS.plan,
  sql: OPTIONS.sql,
  trace: OPTIONS.trace,
  check: OPTIONS.check,
  createDb: CREATE_DB,
  generate: GENERATE,
  ignoreMissing: OPTIONS['ignore-missing'],
  allowOutOfOrder: OPTIONS['allow-out-of-order'],
  failOnDestructive: OPTIONS['fail-on-destructive'],
  y: GLOBAL_OPTIONS.y,
  resume: OPTIONS.resume,
  undo: OPTIONS.undo,
  retryOp: OPTIONS['retry-op'],
  skipOp: OPTIONS['skip-op'],
  skipHook: OPTIONS['skip-hook'],
})

export const migrate = command({
  name: 'migrate',
  aliases: ['latest', 'deploy'],
  purpose: 'bring the database to a migration, up or down',
  options: OPTIONS,
  examples: [
    ['rays migrate', 'apply all pending migrations'],
    ['rays migrate --name add_lastname', 'go to that migration, up or down'],
    ['rays migrate --name -1', 'undo the last one'],
    ['rays migrate --name zero', 'undo all'],
    ['rays migrate --single-transaction', 'apply all pending migrations, or none of them'],
    ['rays migrate --fake', 'record all as applied without running them'],
  ],
  library: { migrate: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: (result, view) => (result.sql === undefined ? migrated(result, view) : { raw: result.sql.trimEnd() }),
  exitCode: ({ migrations }, { check }) => (check && migrations.length > 0 ? 1 : 0),
})
