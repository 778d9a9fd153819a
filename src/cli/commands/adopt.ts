import type { AdoptResult } from '../../commands/adopt.js'
import { command, type View } from '../command.js'
import { counted, lines, next } from '../format/text.js'
import { CLEAR_SHADOW } from '../options.js'
import { duration } from '../terminal.js'
import { work } from '../work.js'

const DRY_RUN = { type: 'boolean', describe: 'show what would be written; write nothing' } as const
const WORK = work(async () => (await import('../../commands/adopt.js')).adopt, {
  dryRun: DRY_RUN,
  clearShadow: CLEAR_SHADOW,
})

export const adopt = command({
  name: 'adopt',
  purpose: 'give migrations that Prisma made a snapshot and a proven way back; changes no database',
  options: { 'dry-run': DRY_RUN, 'clear-shadow': CLEAR_SHADOW },
  examples: [['rays adopt', 'once, in a project that has used prisma migrate']],
  library: { adopt: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: adopted,
})

function adopted({ adopted, counts, written, milliseconds }: AdoptResult, view: View): string {
  if (adopted.length === 0) return lines('Every migration has its way back already.', next(view, 'rays status'))
  const losing = adopted.filter(({ down }) => down !== 'verified')
  return lines(
    `${written ? 'Adopted' : 'Would adopt'} ${counted(adopted.length, 'migration')} in ${duration(milliseconds)}: ${counts.verified} with a proven way back, ${counts.partial} with data changes that nothing undoes, ${counts.missing} without a way back.`,
    ...losing.map(({ down, name }) => `  ${down === 'partial' ? '~' : '!'} ${name}`),
    losing.length > 0 && 'Where a down is null, README.md says why; write it in migration.js if you know it.',
    'No database and no migration.sql was changed.',
    next(view, 'rays status'),
  )
}
