import { command } from '../command.js'
import { drafted } from '../format/drafted.js'
import { CLEAR_SHADOW, GENERATE, GLOBAL_OPTIONS } from '../options.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/development.js')).dev, {
  y: GLOBAL_OPTIONS.y,
  generate: GENERATE,
  clearShadow: CLEAR_SHADOW,
  onChange: { type: 'function', describe: 'called after each change' },
})

export const dev = command({
  name: 'dev',
  purpose: 'watch the schema and apply each change at once; save makes one migration of them',
  options: { 'clear-shadow': CLEAR_SHADOW, generate: GENERATE },
  examples: [['rays dev', 'Ctrl-C ends it']],
  library: { dev: WORK },
  run: ({ context, args, terminal }) =>
    WORK.run(context, {
      ...args,
      onChange: (result) => {
        if (result.applied.length > 0) terminal.note(drafted(result, terminal))
      },
    }),
  text: () => '',
})
