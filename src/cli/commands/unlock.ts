import { command } from '../command.js'
import { lines } from '../format/text.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/unlock.js')).unlock, {})

export const unlock = command({
  name: 'unlock',
  purpose: 'free the lock that Knex left behind; tells who holds that of rays',
  options: {},
  examples: [['rays unlock', 'after a crash of knex']],
  library: { unlock: WORK },
  run: ({ context }) => WORK.run(context, {}),
  text: ({ freed, holder }) =>
    lines(
      freed ? "Freed Knex's lock." : "Knex's lock was free.",
      holder === null
        ? 'Nobody holds the migration lock of rays and Prisma.'
        : `The migration lock of rays and Prisma is held by ${holder}; it ends with that session.`,
    ),
})
