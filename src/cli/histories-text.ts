/** Results of the commands that repair and reshape histories, as text for a person. */
import type { DraftResult } from '../commands/development.js'
import type { DoctorResult } from '../commands/doctor.js'
import type { EjectResult } from '../commands/eject.js'
import type { RebaseResult } from '../commands/rebase.js'
import type { SquashResult } from '../commands/squash.js'
import type { UpgradeResult } from '../commands/upgrade.js'
import type { Terminal } from './terminal.js'

const lines = (...parts: (string | false | undefined)[]) =>
  parts.filter((part) => part !== false && part !== undefined && part !== '').join('\n')
const next = (terminal: Terminal, command: string) => `${terminal.paint('dim', 'Next:')} ${command}`

export function doctor(result: DoctorResult, terminal: Terminal): string {
  const { findings, objects, done } = result
  const fixes = [...new Set(findings.map(({ fix }) => fix))]
  return lines(
    terminal.paint('bold', result.target),
    done?.action === 'adopted' &&
      `Wrote ${done.migration} for what was changed by hand, and recorded it as applied. The database was not changed.`,
    done?.action === 'reverted' && `What was changed by hand is undone:\n${done.script.trim().replace(/^/gm, '  ')}`,
    ...findings.map(({ code, about, cause }) =>
      lines(`${terminal.paint('yellow', `[${code}]`)} ${about}`, `    ${cause}`),
    ),
    findings.length === 0 && done === null && 'Nothing to repair: history, folders, database and schema agree.',
    objects.length > 0 && `Not modelled by Prisma, and never dropped by rays (${objects.length}):`,
    ...objects.map(({ kind, name, table }) => `  ${kind} ${name}${table === undefined ? '' : ` on ${table}`}`),
    fixes.length > 0 && next(terminal, fixes.join(', or ')),
    findings.some(({ code }) => code === 'drift') &&
      'What was changed by hand can also be undone (rays doctor --revert) or left alone (rays doctor --ignore <object>).',
  )
}

export function squash(result: SquashResult, terminal: Terminal): string {
  return lines(
    result.written ? `${terminal.paint('green', 'Wrote')} ${result.name}` : `Would write ${result.name}:`,
    ...result.replaces.map((name) => `  stands for ${name}`),
    ...result.kept.map((name) => `  keeps the operations of ${name}: code, or a change of rows`),
    !result.written && result.script.trim(),
    result.originals !== null &&
      `The originals are in ${result.originals}; delete them once every database has been migrated.`,
    result.written && next(terminal, 'rays migrate, on each database: it knows that nothing is left to do.'),
  )
}

export function rebase(result: RebaseResult, terminal: Terminal): string {
  if (result.rebased.length === 0) return 'Nothing to rebase: every migration knows those before it.'
  return lines(
    ...result.rebased.map(({ from, to, made }) =>
      to === ''
        ? `${from} is gone: the others did the same.`
        : `${from} is ${to} now${made === 'moved' ? ' (moved as it was: it holds work of your own)' : ''}.`,
    ),
    `They come after ${result.others.join(', ')}.`,
    result.overlap.length > 0 && `Look at what both sides touch: ${result.overlap.join(', ')}.`,
    next(terminal, result.applied === null ? 'rays migrate' : 'rays status'),
  )
}

export function upgrade(result: UpgradeResult, terminal: Terminal): string {
  const of = (state: UpgradeResult['migrations'][number]['state']) =>
    result.migrations.filter((one) => one.state === state)
  const rewritten = of('rewritten')
  return lines(
    rewritten.length > 0
      ? `${result.written ? 'Rewrote' : 'Would rewrite'} the exports of ${rewritten.length} migration${rewritten.length === 1 ? '' : 's'} as [up, down]:`
      : 'Every migration that loads has the present format.',
    ...rewritten.map(({ name }) => `  ${name}`),
    ...of('unusable').map(({ name }) => `  ${terminal.paint('red', '!')} ${name}: a person has to look at it`),
    ...result.cleaned.map((name) => `  ${name}: a password was taken out of the snapshot`),
    ...result.advice,
    'No migration.sql, no name and no history row was changed.',
    next(terminal, 'rays status'),
  )
}

export function eject(result: EjectResult, terminal: Terminal): string {
  return lines(
    result.written
      ? `Moved ${result.moved.length} files to ${result.to}; delete it when you are sure.`
      : `Would move to ${result.to}:`,
    ...(result.written ? [] : result.moved.map((file) => `  ${file}`)),
    'Folders, migration.sql, migration_lock.toml and the history are as they were.',
    next(terminal, 'npx prisma migrate status, npm uninstall prisma-rays'),
  )
}

export function draft(result: DraftResult, terminal: Terminal): string {
  const { applied, undone, pending } = result
  return lines(
    ...applied.map(({ name, summary }) =>
      lines(summary.trim().replace(/^/gm, '  '), `Applied without a migration: ${name}.`),
    ),
    undone.length > 0 && `Undone: ${undone.join(', ')}. The schema was left as it is.`,
    applied.length + undone.length === 0 && 'Nothing to do: the database has every change of the schema.',
    pending.length > 0 && next(terminal, 'rays makemigration --name <name> makes one migration of everything.'),
  )
}
