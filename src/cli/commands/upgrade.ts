import type { UpgradeResult } from '../../commands/upgrade.js'
import { command, type View } from '../command.js'
import { counted, lines, next } from '../format/text.js'
import { work } from '../work.js'

const DRY_RUN = { type: 'boolean', describe: 'show what would change; write nothing' } as const
const WORK = work(async () => (await import('../../commands/upgrade.js')).upgrade, { dryRun: DRY_RUN })

export const upgrade = command({
  name: 'upgrade',
  purpose: 'bring a project of prisma-rays 1.x to 4.x to the present format; checksums and history stay',
  options: { 'dry-run': DRY_RUN },
  examples: [['rays upgrade', '']],
  library: { upgrade: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: upgraded,
  exitCode: ({ migrations }) => (migrations.some(({ state }) => state === 'unusable') ? 1 : 0),
})

function upgraded({ migrations, written, cleaned, advice }: UpgradeResult, view: View): string {
  const rewritten = migrations.filter(({ state }) => state === 'rewritten')
  const unusable = migrations.filter(({ state }) => state === 'unusable')
  return lines(
    rewritten.length > 0
      ? `${written ? 'Rewrote' : 'Would rewrite'} the exports of ${counted(rewritten.length, 'migration')} as [up, down]:`
      : 'Every migration that loads has the present format.',
    ...rewritten.map(({ name }) => `  ${name}`),
    ...unusable.map(({ name }) => `  ${view.paint('red', '!')} ${name}: a person has to look at it`),
    ...cleaned.map((name) => `  ${name}: a password was taken out of the snapshot`),
    ...advice,
    'No migration.sql, no name and no history row was changed.',
    next(view, 'rays status'),
  )
}
