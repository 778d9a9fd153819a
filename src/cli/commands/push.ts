import { command } from '../command.js'
import { indent, lines, next } from '../format/text.js'
import {
  CREATE_DB,
  FAIL_ON_DESTRUCTIVE,
  GENERATE,
  GLOBAL_OPTIONS,
  LOCK_TIMEOUT,
  MAKING_OPTIONS,
  type Options,
  STATEMENT_TIMEOUT,
} from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  ...MAKING_OPTIONS,
  'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
  'force-reset': { type: 'boolean', describe: 'empty the database first' },
  'create-db': CREATE_DB,
  generate: GENERATE,
  'lock-timeout': LOCK_TIMEOUT,
  'statement-timeout': STATEMENT_TIMEOUT,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/push.js')).push, {
  y: GLOBAL_OPTIONS.y,
  forceReset: OPTIONS['force-reset'],
  createDb: CREATE_DB,
  generate: GENERATE,
  failOnDestructive: FAIL_ON_DESTRUCTIVE,
  rename: MAKING_OPTIONS.rename,
  defaults: MAKING_OPTIONS.default,
})

export const push = command({
  name: 'push',
  purpose: 'make the database match the schema, without migrations',
  options: OPTIONS,
  examples: [['rays push', 'shows what would be lost and asks']],
  library: { push: WORK },
  run: ({ context, args }) => WORK.run(context, { ...args, defaults: args.default }),
  text: ({ changed, target, summary }, view) =>
    changed
      ? lines(
          indent(summary.trim()),
          `${target} matches the schema now.`,
          next(view, 'rays commit <name> once the schema is settled.'),
        )
      : `Nothing to do: ${target} matches the schema.`,
})
