import type { MakeMigrationResult } from '../../commands/makemigration.js'
import { shortPath } from '../../config/short-path.js'
import { command, type View } from '../command.js'
import { indent, lines, next } from '../format/text.js'
import { MAKING_ALL, nameOf } from '../making.js'
import { AUTORESOLVE, CLEAR_SHADOW, MAKING_OPTIONS, NAME, type Options, VERIFY } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  name: NAME,
  blank: MAKING_ALL.blank,
  autoresolve: AUTORESOLVE,
  check: MAKING_ALL.check,
  'dry-run': MAKING_ALL.dryRun,
  verify: VERIFY,
  from: MAKING_ALL.from,
  'clear-shadow': CLEAR_SHADOW,
  'fail-on-destructive': { type: 'boolean', describe: 'exit 1 instead of writing a migration that loses data' },
  ...MAKING_OPTIONS,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/development.js')).makeCollapsing, MAKING_ALL)

export const makemigration = command({
  name: 'makemigration',
  words: '[words..]',
  aliases: ['makemigrations', 'make'],
  purpose: "write a migration from the schema's changes, without applying it",
  options: OPTIONS,
  examples: [
    ['rays makemigration --name add_lastname', 'write a migration'],
    ['rays makemigration --check', 'in CI: is a migration missing?'],
  ],
  library: { makemigration: WORK },
  run: ({ context, args }) =>
    WORK.run(context, { ...args, name: nameOf(args, 'makemigration'), defaults: args.default }),
  text: (result, view) => (view.args.check ? missing(result, view) : made(result, view)),
  exitCode: ({ changes }, { check }) => (check && changes ? 1 : 0),
})

function missing({ changes, summary }: MakeMigrationResult, view: View): string {
  if (!changes) return 'No migration is missing.'
  return lines('A migration is missing:', indent(summary.trim()), next(view, 'rays makemigration --name <name>'))
}

function made({ migrations, summary, written, recorded }: MakeMigrationResult, view: View): string {
  if (migrations.length === 0) {
    return lines(summary, next(view, 'edit the schema, or write an empty migration: --blank.'))
  }
  return lines(
    migrations.some(({ operations }) => operations.length > 0) && indent(summary.trim()),
    ...migrations.map((migration) => madeOne(migration, written, view)),
    written && next(view, recorded ? 'rays status' : 'rays migrate'),
  )
}

function madeOne(
  migration: MakeMigrationResult['migrations'][number],
  written: boolean,
  { paint, config }: View,
): string {
  const { operations, script, down, proof } = migration
  return lines(
    written ? `${paint('green', 'Wrote')} ${shortPath(config, migration.directory)}` : `Would write ${migration.name}:`,
    ...operations.map((operation) => `  ${operation}`),
    operations.length === 0 && '  (no operations: add your own [up, down] pairs to migration.js)',
    !written && indent(script.trim()),
    !written && down !== '' && indent(`-- down\n${down}`),
    proof === 'proven' && paint('dim', '  Proven: up, down and up again on a shadow database, with rows.'),
    proof === 'proven on empty tables' && paint('dim', '  Proven: up, down and up again on a shadow database.'),
  )
}
