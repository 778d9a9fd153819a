import { command } from '../command.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/lock.js')).lock, {})

export const lock = command({
  name: 'lock',
  purpose: 'show who holds the migration lock; takes and changes nothing',
  options: {},
  examples: [['rays lock', 'whom is a deployment waiting for?']],
  library: { lock: WORK },
  run: ({ context }) => WORK.run(context, {}),
  text: ({ holder, target }) =>
    holder === null ? `Nobody holds the migration lock of ${target}.` : `Held by ${holder}.`,
})
