import { command } from '../command.js'
import { migrated } from '../format/migrated.js'
import { GENERATE, GLOBAL_OPTIONS, type Options, SINGLE_TRANSACTION } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  all: { type: 'boolean', describe: 'undo all batches' },
  plan: { type: 'boolean', describe: 'list what would run' },
  'single-transaction': SINGLE_TRANSACTION,
  generate: GENERATE,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/rollback.js')).rollback, {
  all: OPTIONS.all,
  y: GLOBAL_OPTIONS.y,
  plan: OPTIONS.plan,
  generate: GENERATE,
})

export const rollback = command({
  name: 'rollback',
  purpose: 'undo the last batch: what was applied by one run',
  options: OPTIONS,
  examples: [
    ['rays rollback', 'undo the last run of rays migrate'],
    ['rays rollback --all', 'undo everything'],
  ],
  library: { rollback: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: migrated,
})
