import { command } from '../command.js'
import { work } from '../work.js'

const DOWN = { type: 'boolean', describe: 'the way down' } as const
const TRACE = {
  type: 'boolean',
  describe: 'run it in a transaction that is rolled back, and print what it sends',
} as const
const WORK = work(async () => (await import('../../commands/sqlmigrate.js')).sqlMigrate, {
  name: { type: 'string', describe: 'a name, a unique part of one, or a timestamp' },
  down: DOWN,
  trace: TRACE,
})

export const sqlmigrate = command({
  name: 'sqlmigrate',
  words: '<name>',
  completes: { name: 'migrations' },
  purpose: 'print the SQL of a migration; needs no database',
  options: { down: DOWN, trace: TRACE },
  examples: [
    ['rays sqlmigrate add_lastname --down', ''],
    ['rays sqlmigrate add_lastname --trace', 'what code of your own sends'],
  ],
  library: { sqlmigrate: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ sql }) => ({ raw: sql.trimEnd() }),
})
