import { command } from '../command.js'
import { steps } from '../format/steps.js'
import { CREATE_DB, STEPPING_OPTIONS } from '../options.js'
import { STEPPING } from '../stepping.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/up-down.js')).up, STEPPING)

export const up = command({
  name: 'up',
  words: '[target]',
  completes: { target: 'migrations' },
  counts: true,
  purpose: 'apply migrations, after showing what changes and asking',
  options: { ...STEPPING_OPTIONS, 'create-db': CREATE_DB },
  examples: [
    ['rays up', 'to the newest'],
    ['rays up 1', 'by one migration'],
    ['rays up add_first_name', 'to that migration, by its name or timestamp'],
    ['rays up --preview', 'show the changes only'],
  ],
  library: { up: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: steps,
})
