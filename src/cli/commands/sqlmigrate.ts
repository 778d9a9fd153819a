import { command } from '../command.js'
import { work } from '../work.js'

const DOWN = { type: 'boolean', describe: 'the way down' } as const
const WORK = work(async () => (await import('../../commands/sqlmigrate.js')).sqlMigrate, {
  name: { type: 'string', describe: 'a name, a unique part of one, or a timestamp' },
  down: DOWN,
})

export const sqlmigrate = command({
  name: 'sqlmigrate',
  words: '<name>',
  completes: { name: 'migrations' },
  purpose: 'print the SQL of a migration; needs no database',
  options: { down: DOWN },
  examples: [['rays sqlmigrate add_lastname --down', '']],
  library: { sqlmigrate: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ sql }) => ({ raw: sql.trimEnd() }),
})
