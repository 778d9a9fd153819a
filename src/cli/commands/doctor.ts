import type { DoctorResult } from '../../commands/doctor.js'
import { command, type View } from '../command.js'
import { lines, next } from '../format/text.js'
import { CLEAR_SHADOW, GLOBAL_OPTIONS, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  adopt: { type: 'string', describe: 'write a migration for what was changed by hand' },
  revert: { type: 'boolean', describe: 'undo what was changed by hand' },
  ignore: {
    type: 'string',
    array: true,
    describe: 'leave an object alone from now on (rays-ignore.txt beside the migrations)',
  },
  check: { type: 'boolean', describe: 'exit 1 if there are findings' },
  'clear-shadow': CLEAR_SHADOW,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/doctor.js')).doctor, {
  adopt: OPTIONS.adopt,
  revert: OPTIONS.revert,
  ignore: OPTIONS.ignore,
  y: GLOBAL_OPTIONS.y,
  clearShadow: CLEAR_SHADOW,
})

export const doctor = command({
  name: 'doctor',
  purpose: 'compare history, folders, database and schema object by object; a repair for each finding',
  options: OPTIONS,
  examples: [
    ['rays doctor', 'changes nothing'],
    ['rays doctor --adopt add_index', 'what was changed by hand becomes a migration'],
    ['rays doctor --revert', 'what was changed by hand is undone'],
  ],
  library: { doctor: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: diagnosis,
  exitCode: ({ findings }, { check }) => (check && findings.length > 0 ? 1 : 0),
})

function diagnosis({ target, findings, objects, done }: DoctorResult, view: View): string {
  const fixes = [...new Set(findings.map(({ fix }) => fix))]
  return lines(
    view.paint('bold', target),
    repaired(done),
    ...findings.map(({ code, about, cause }) => lines(`${view.paint('yellow', `[${code}]`)} ${about}`, `    ${cause}`)),
    findings.length === 0 && done === null && 'Nothing to repair: history, folders, database and schema agree.',
    objects.length > 0 && `Not modelled by Prisma, and never dropped by rays (${objects.length}):`,
    ...objects.map(({ kind, name, table }) => `  ${kind} ${name}${table === undefined ? '' : ` on ${table}`}`),
    fixes.length > 0 && next(view, fixes.join(', or ')),
    findings.some(({ code }) => code === 'drift') &&
      'What was changed by hand can also be undone (rays doctor --revert) or left alone (rays doctor --ignore <object>).',
  )
}

function repaired(done: DoctorResult['done']): string | false {
  if (done === null) return false
  return done.action === 'adopted'
    ? `Wrote ${done.migration} for what was changed by hand, and recorded it as applied. The database was not changed.`
    : `What was changed by hand is undone:\n${done.script.trim().replace(/^/gm, '  ')}`
}
