import { command } from '../command.js'
import { drafted } from '../format/drafted.js'
import { CLEAR_SHADOW, GENERATE, GLOBAL_OPTIONS, MAKING_OPTIONS, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  'clear-shadow': CLEAR_SHADOW,
  ...MAKING_OPTIONS,
  undo: { type: 'boolean', describe: 'take back what was applied without a migration' },
  generate: GENERATE,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/development.js')).draft, {
  undo: OPTIONS.undo,
  y: GLOBAL_OPTIONS.y,
  generate: GENERATE,
  clearShadow: CLEAR_SHADOW,
  rename: MAKING_OPTIONS.rename,
  defaults: MAKING_OPTIONS.default,
})

export const draft = command({
  name: 'draft',
  purpose: "apply the schema's changes without a migration; the next makemigration holds all of them",
  options: OPTIONS,
  examples: [
    ['rays draft', 'try the changes'],
    ['rays draft --undo', 'take them back'],
  ],
  library: { draft: WORK },
  run: ({ context, args }) => WORK.run(context, { ...args, defaults: args.default }),
  text: drafted,
})
