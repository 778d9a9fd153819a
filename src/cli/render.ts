/** Results as text for a person. */
import type { AdoptResult } from '../commands/adopt.js'
import type { InitResult } from '../commands/init.js'
import type { MakeMigrationResult } from '../commands/makemigration.js'
import type { MigrateResult } from '../commands/migrate.js'
import type { PrepareResult } from '../commands/prepare.js'
import type { PushResult } from '../commands/push.js'
import { shortPath } from '../commands/schema-file.js'
import type { StatusResult } from '../commands/status.js'
import type { Config } from '../config/config.js'
import { duration, type Terminal } from './terminal.js'

const lines = (...parts: (string | false | undefined)[]) =>
  parts.filter((part) => part !== false && part !== undefined && part !== '').join('\n')
const next = (terminal: Terminal, command: string) => `${terminal.paint('dim', 'Next:')} ${command}`
const indent = (text: string) => text.replace(/^(?=.)/gm, '  ')

export function init(result: InitResult, terminal: Terminal, config: Config): string {
  return lines(
    `Wrote ${shortPath(config, result.file)} (schema ${result.schemaPath}, migrations ${result.migrationsDir}, URL from ${result.variable}).`,
    !result.hasSchema && `There is no ${result.schemaPath} yet: write your Prisma schema first.`,
    !result.hasUrl && `${result.variable} is not set yet: put it into .env or the environment.`,
    next(terminal, 'rays makemigration --name init for a new project, rays prepare for an existing database.'),
  )
}

export function prepare(result: PrepareResult, terminal: Terminal): string {
  return lines(
    result.introspected && 'The schema was written from the database.',
    `Wrote ${result.migration.name} and recorded it as applied in ${result.target}. ${result.reset ? 'The database was emptied first.' : 'No data was touched.'}`,
    next(terminal, 'edit the schema, then rays makemigration --name <name>.'),
  )
}

export function makeMigration(result: MakeMigrationResult, terminal: Terminal, config: Config, check: boolean): string {
  if (check) {
    return result.changes
      ? lines(
          'A migration is missing:',
          indent(result.summary.trim()),
          next(terminal, 'rays makemigration --name <name>'),
        )
      : 'No migration is missing.'
  }
  if (result.migrations.length === 0)
    return lines(result.summary, next(terminal, 'edit the schema, or write an empty migration: --blank.'))
  const parts = result.migrations.map((migration) =>
    lines(
      result.written
        ? `${terminal.paint('green', 'Wrote')} ${shortPath(config, migration.directory)}`
        : `Would write ${migration.name}:`,
      ...migration.operations.map((operation) => `  ${operation}`),
      migration.operations.length === 0 && '  (no operations: add your own [up, down] pairs to migration.js)',
      !result.written && indent(migration.script.trim()),
      !result.written && migration.down !== '' && indent(`-- down\n${migration.down}`),
      migration.proof === 'proven' &&
        terminal.paint('dim', '  Proven: up, down and up again on a shadow database, with rows.'),
      migration.proof === 'proven on empty tables' &&
        terminal.paint('dim', '  Proven: up, down and up again on a shadow database.'),
    ),
  )
  return lines(
    result.summary.trim() !== '' &&
      result.migrations.some((m) => m.operations.length > 0) &&
      indent(result.summary.trim()),
    ...parts,
    result.written && next(terminal, result.recorded ? 'rays status' : 'rays migrate'),
  )
}

export function migrate(result: MigrateResult, terminal: Terminal): string {
  const { migrations, direction, dryRun } = result
  if (migrations.length === 0) {
    return lines(
      dryRun
        ? 'Nothing would run.'
        : `Nothing to do: ${result.target === null ? 'no migration is applied' : `the database is at ${result.target}`}.`,
      schemaLine(result),
    )
  }
  if (dryRun) {
    return lines(
      `Would ${direction === 'up' ? 'apply' : 'unapply'}${result.singleTransaction ? ' in one transaction' : ''}:`,
      ...migrations.map(
        (step) =>
          `  ${direction === 'up' ? '+' : '-'} ${step.name} (${step.operations} operation${step.operations === 1 ? '' : 's'})`,
      ),
      ...result.hazards
        .filter((hazard) => hazard.rows !== 0)
        .map((hazard) => `  ! ${hazard.migration}: ${hazard.message}`),
      next(terminal, 'rays migrate without --plan runs it.'),
    )
  }
  const total = migrations.reduce((sum, step) => sum + step.milliseconds, 0)
  const verb = result.fake
    ? direction === 'up'
      ? 'Recorded as applied'
      : 'Recorded as not applied'
    : direction === 'up'
      ? 'Applied'
      : 'Unapplied'
  return lines(
    `${verb}: ${migrations.length} migration${migrations.length === 1 ? '' : 's'} in ${duration(total)}${result.singleTransaction ? ', in one transaction' : ''}${result.target === null ? '; no migration is applied now' : `; the database is at ${result.target}`}.`,
    result.fake && 'Neither the schema of the database nor the schema file was changed.',
    schemaLine(result),
    next(terminal, direction === 'up' ? 'rays status' : 'rays migrate goes forward again.'),
  )
}

function schemaLine(result: MigrateResult): string | undefined {
  if (result.schemaFile?.state !== 'replaced') return undefined
  return `The schema file is that of ${result.schemaFile.migration} now.`
}

export function adopt(result: AdoptResult, terminal: Terminal): string {
  const { adopted, counts } = result
  if (adopted.length === 0) return lines('Every migration has its way back already.', next(terminal, 'rays status'))
  const losing = adopted.filter((migration) => migration.down !== 'verified')
  return lines(
    `${result.written ? 'Adopted' : 'Would adopt'} ${adopted.length} migration${adopted.length === 1 ? '' : 's'} in ${duration(result.milliseconds)}: ${counts.verified} with a proven way back, ${counts.partial} with data changes that nothing undoes, ${counts.missing} without a way back.`,
    ...losing.map((migration) => `  ${migration.down === 'partial' ? '~' : '!'} ${migration.name}`),
    losing.length > 0 && 'Where a down is null, README.md says why; write it in migration.js if you know it.',
    'No database and no migration.sql was changed.',
    next(terminal, 'rays status'),
  )
}

export function push(result: PushResult, terminal: Terminal): string {
  if (!result.changed) return `Nothing to do: ${result.target} matches the schema.`
  return lines(
    result.summary.trim() !== '' && indent(result.summary.trim()),
    `${result.target} matches the schema now.`,
    next(terminal, 'rays commit <name> once the schema is settled.'),
  )
}

export function status(result: StatusResult, terminal: Terminal): string {
  const { paint } = terminal
  const marks = {
    applied: paint('green', '[x]'),
    pending: '[ ]',
    running: paint('yellow', '[>]'),
    failed: paint('red', '[!]'),
    missing: paint('yellow', '[?]'),
    archived: paint('dim', '[-]'),
  }
  const rows = result.migrations.map((migration) => {
    const facts = [
      migration.state === 'applied'
        ? migration.appliedAt?.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
        : migration.state === 'running'
          ? 'being applied'
          : migration.state,
      migration.batch !== null && `batch ${migration.batch}`,
      migration.edited && paint('yellow', `edited: ${migration.edited}`),
      migration.state === 'missing' && 'no folder here',
      migration.state === 'archived' && 'applied, its folder was deleted',
    ].filter(Boolean)
    return lines(
      `${marks[migration.state]} ${migration.name}  ${paint('dim', facts.join(', '))}`,
      migration.failure !== null && indent(indent(migration.failure)),
    )
  })
  const { counts } = result
  return lines(
    `${paint('bold', result.target)} ${paint('dim', `(${result.provider})`)}`,
    ...rows,
    countsLine(counts),
    driftLines(result),
    schemaLines(result),
    next(terminal, result.next),
  )
}

/** What `rays` alone found: no project yet, a project that lacks its schema or its database, or its status. */
export type Overview =
  | { readonly state: 'no-project'; readonly next: string }
  | {
      readonly state: 'incomplete'
      readonly missing: 'schema' | 'database URL' | 'database'
      readonly migrations: number
      readonly next: string
    }
  | { readonly state: 'status'; readonly status: StatusResult; readonly next: string }

export function overview(result: Overview, terminal: Terminal): string {
  const help = terminal.paint('dim', 'rays --help lists the commands.')
  if (result.state === 'no-project') {
    return lines('There is no Prisma schema and no raysconfig here yet.', next(terminal, result.next), help)
  }
  if (result.state === 'incomplete') {
    const many = `${result.migrations} migration${result.migrations === 1 ? '' : 's'}`
    return lines(`${many} in the folder; the ${result.missing} is missing.`, next(terminal, result.next), help)
  }
  const { counts, target, drift, schema } = result.status
  const notes = [
    drift.state === 'drift' && 'the database was changed without a migration',
    schema.state === 'changed' && 'the schema has changes that no migration has yet',
  ].filter(Boolean)
  return lines(
    `${terminal.paint('bold', target)}: ${countsLine(counts)}${notes.length > 0 ? `; ${notes.join('; ')}` : ''}.`,
    next(terminal, result.next),
    help,
  )
}

function countsLine(counts: StatusResult['counts']): string {
  const rare = (['running', 'failed', 'missing', 'edited'] as const).filter((kind) => counts[kind] > 0)
  return [
    `${counts.applied} applied`,
    `${counts.pending} pending`,
    ...rare.map((kind) => `${counts[kind]} ${kind === 'running' ? 'being applied' : kind}`),
  ].join(', ')
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

export interface ConfigValue {
  readonly name: string
  readonly value: unknown
  readonly origin: string
}

export function configValues(config: Config): ConfigValue[] {
  const { origins } = config
  const values: [string, unknown, string?][] = [
    ['config file', config.file ?? 'none', 'found'],
    ['prisma config', config.prismaConfigFile ?? 'none', 'found'],
    ['schemaPath', config.schemaPath],
    ['migrationsDir', config.migrationsDir],
    ['databaseUrl', config.databaseUrl?.toString() ?? 'not set'],
    ['shadowDatabaseName', config.shadowDatabaseName],
    ['shadowDatabaseUrl', config.shadowDatabaseUrl?.toString() ?? null],
    ['verboseLogging', config.verboseLogging],
    ['schemaEngine', config.schemaEngine],
    ['generate', config.generate],
    ['lockTimeout', config.lockTimeoutMs / 1000],
    ['statementTimeout', config.statementTimeoutMs / 1000],
    ['connectTimeout', config.connectTimeoutMs / 1000],
    ['operationTimeout', config.operationTimeoutMs / 1000],
    ['singleTransaction', config.singleTransaction],
    ['lock', config.lock],
    ['externalTables', config.externalTables],
    ['externalEnums', config.externalEnums],
  ]
  return values.map(([name, value, origin]) => ({ name, value, origin: origin ?? origins[name] ?? 'default' }))
}

export function config(values: readonly ConfigValue[], terminal: Terminal): string {
  const width = Math.max(...values.map((value) => value.name.length))
  return values
    .map(({ name, value, origin }) => {
      const shown = typeof value === 'string' ? value : JSON.stringify(value)
      return `${name.padEnd(width)}  ${shown}  ${terminal.paint('dim', `(${origin})`)}`
    })
    .join('\n')
}
