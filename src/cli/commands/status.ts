import type { StatusResult } from '../../commands/status.js'
import { command, type View } from '../command.js'
import { countsLine } from '../format/state.js'
import { indent, lines, next } from '../format/text.js'
import type { Paint } from '../terminal.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/status.js')).status, {})

export const status = command({
  name: 'status',
  aliases: ['showmigrations', 'list'],
  purpose: 'compare migrations, history, live schema and schema.prisma; changes nothing',
  options: {
    check: { type: 'boolean', describe: 'exit 1 for pending, missing, failed and drift' },
    strict: { type: 'boolean', describe: 'as --check, and for edited migrations too' },
  },
  examples: [
    ['rays status', ''],
    ['rays status --check', 'in CI'],
  ],
  library: { status: WORK },
  run: ({ context }) => WORK.run(context, {}),
  text: statusText,
  exitCode: ({ clean, strictlyClean }, { check, strict }) => ((check && !clean) || (strict && !strictlyClean) ? 1 : 0),
})

type Migration = StatusResult['migrations'][number]

function statusText(result: StatusResult, view: View): string {
  const { paint } = view
  return lines(
    `${paint('bold', result.target)} ${paint('dim', `(${result.provider})`)}`,
    ...result.migrations.map((migration) =>
      lines(
        `${markOf(migration, paint)} ${migration.name}  ${paint('dim', factsOf(migration, paint).join(', '))}`,
        migration.failure !== null && indent(indent(migration.failure)),
      ),
    ),
    countsLine(result.counts),
    driftLines(result),
    schemaLines(result),
    next(view, result.next),
  )
}

function markOf({ state }: Migration, paint: Paint): string {
  const marks = {
    applied: () => paint('green', '[x]'),
    pending: () => '[ ]',
    running: () => paint('yellow', '[>]'),
    failed: () => paint('red', '[!]'),
    missing: () => paint('yellow', '[?]'),
    archived: () => paint('dim', '[-]'),
  }
  return marks[state]()
}

function factsOf({ state, appliedAt, batch, edited }: Migration, paint: Paint): string[] {
  const since = appliedAt?.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
  const standing = state === 'applied' ? since : state === 'running' ? 'being applied' : state
  return [
    standing ?? '',
    batch === null ? '' : `batch ${batch}`,
    edited ? paint('yellow', `edited: ${edited}`) : '',
    state === 'missing' ? 'no folder here' : '',
    state === 'archived' ? 'applied, its folder was deleted' : '',
  ].filter((fact) => fact !== '')
}

function driftLines({ drift }: StatusResult): string {
  if (drift.state === 'none') return `Database: as the applied migrations made it. ${drift.summary}`.trim()
  if (drift.state === 'unknown') return `Database: not compared. ${drift.summary}`
  return lines('Database: changed without a migration (drift):', indent(drift.summary))
}

function schemaLines({ schema }: StatusResult): string {
  if (schema.state === 'in-sync') return 'Schema: as the newest migration has it.'
  if (schema.state === 'unknown' || schema.state === 'invalid') return `Schema: not compared. ${schema.summary}`
  return lines('Schema: changes that no migration has yet:', indent(schema.summary))
}
