import { command } from '../command.js'
import { steps } from '../format/steps.js'
import { STEPPING_OPTIONS } from '../options.js'
import { STEPPING } from '../stepping.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/up-down.js')).down, STEPPING)

export const down = command({
  name: 'down',
  words: '[target]',
  completes: { target: 'migrations' },
  counts: true,
  purpose: 'undo migrations, after showing what changes and asking',
  options: STEPPING_OPTIONS,
  examples: [
    ['rays down', 'by one migration'],
    ['rays down 2', 'by two'],
    ['rays down 20261120130501', 'to that migration, which stays applied'],
  ],
  library: { down: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: steps,
})
