import { command } from '../command.js'
import { duration } from '../terminal.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/seed.js')).seed, {})

export const seed = command({
  name: 'seed',
  purpose: 'run the seed command of prisma.config.ts',
  options: {},
  examples: [['rays seed', '']],
  library: { seed: WORK },
  run: ({ context }) => WORK.run(context, {}),
  text: ({ milliseconds }) => `Seeded in ${duration(milliseconds)}.`,
})
