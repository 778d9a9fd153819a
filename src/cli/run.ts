/** Runs one command and prints its result as text, unless JSON is wanted. */
import { existsSync } from 'node:fs'
import { configure } from '../commands/configure.js'
import type { Context } from '../commands/host.js'
import type { Config } from '../config/config.js'
import type { OptionName } from '../config/options.js'
import { RaysError } from '../errors.js'
import type { CommandSpec, ParsedArguments } from './commands.js'
import { answersIn, DEVELOP_HANDLERS, makingOptions } from './develop.js'
import { HISTORIES_HANDLERS } from './histories.js'
import { KNEX_HANDLERS } from './knex.js'
import { clearShadowOf, given, type Handler, type Outcome, show } from './outcome.js'
import * as text from './render.js'
import type { Terminal } from './terminal.js'

/** @throws {RaysError} */
export async function runCommand(spec: CommandSpec, args: ParsedArguments, terminal: Terminal): Promise<Outcome> {
  const config = await configured(args)
  for (const url of [config.databaseUrl, config.shadowDatabaseUrl]) if (url) terminal.hide(url.secrets)
  for (const warning of config.warnings) terminal.warn(warning)
  if (args.log === true || config.verboseLogging) terminal.verbose()
  const { onStatement: _, ...quiet } = terminal
  const host = args.log === true || config.verboseLogging ? terminal : quiet
  const { data, exitCode } = await HANDLERS[spec.name]!({ config, host }, args, terminal)
  return { data, ...(exitCode !== undefined && { exitCode }) }
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  init: async (context, args, terminal) => {
    const { init } = await import('../commands/init.js')
    const data = await init(context, { force: args.force === true })
    return show(data, (told) => text.init(told, terminal, context.config), args, terminal)
  },
  prepare: async (context, args, terminal) => {
    const { prepare } = await import('../commands/prepare.js')
    const data = await prepare(context, {
      name: given(args, 'name') ?? 'init',
      reset: args.reset === true,
      y: args.y === true,
      verify: args.verify !== false,
      clearShadow: clearShadowOf(args),
    })
    return show(data, (told) => text.prepare(told, terminal), args, terminal)
  },
  makemigration: async (context, args, terminal) => {
    const { makeCollapsing } = await import('../commands/development.js')
    const data = await makeCollapsing(context, {
      ...makingOptions(args, 'makemigration'),
      blank: args.blank === true,
      check: args.check === true,
      dryRun: args.dryRun === true,
      from: args.from as 'snapshot' | 'migrations',
    })
    return show(
      data,
      (told) => text.makeMigration(told, terminal, context.config, args.check === true),
      args,
      terminal,
      args.check === true && data.changes ? 1 : undefined,
    )
  },
  migrate: async (context, args, terminal) => {
    const { migrate } = await import('../commands/migrate.js')
    const name = given(args, 'name')
    const flag = (key: string) => args[key] === true
    const number = (key: string) => (args[key] === undefined ? {} : { [key]: args[key] as number })
    const data = await migrate(context, {
      ...(name !== undefined && { name }),
      fake: flag('fake'),
      plan: flag('plan'),
      sql: flag('sql'),
      trace: flag('trace'),
      check: flag('check'),
      createDb: flag('createDb'),
      ...(args.generate !== undefined && { generate: flag('generate') }),
      ignoreMissing: flag('ignoreMissing'),
      allowOutOfOrder: flag('allowOutOfOrder'),
      failOnDestructive: flag('failOnDestructive'),
      y: flag('y'),
      resume: flag('resume'),
      undo: flag('undo'),
      ...number('retryOp'),
      ...number('skipOp'),
      skipHook: flag('skipHook'),
    })
    if (data.sql !== undefined && args.json !== true) {
      terminal.raw(data.sql.trimEnd())
      return { data }
    }
    return show(
      data,
      (told) => text.migrate(told, terminal),
      args,
      terminal,
      args.check === true && data.migrations.length > 0 ? 1 : undefined,
    )
  },
  adopt: async (context, args, terminal) => {
    const { adopt } = await import('../commands/adopt.js')
    const data = await adopt(context, { dryRun: args.dryRun === true, clearShadow: clearShadowOf(args) })
    return show(data, (told) => text.adopt(told, terminal), args, terminal)
  },
  push: async (context, args, terminal) => {
    const { push } = await import('../commands/push.js')
    const data = await push(context, {
      y: args.y === true,
      forceReset: args.forceReset === true,
      failOnDestructive: args.failOnDestructive === true,
      createDb: args.createDb === true,
      ...answersIn(args),
      ...(args.generate !== undefined && { generate: args.generate === true }),
    })
    return show(data, (told) => text.push(told, terminal), args, terminal)
  },
  status: async (context, args, terminal) => {
    const { status } = await import('../commands/status.js')
    const data = await status(context)
    const bad = (args.check === true && !data.clean) || (args.strict === true && !data.strictlyClean)
    return show(data, (told) => text.status(told, terminal), args, terminal, bad ? 1 : undefined)
  },
  prisma: async (context, args) => {
    const { prisma } = await import('../commands/prisma.js')
    const words = ((args.words as unknown[] | undefined) ?? []).map(String)
    const data = await prisma(context, [...words, ...((args.rest as string[] | undefined) ?? [])], {
      clearShadow: clearShadowOf(args),
    })
    return { data, exitCode: data.exitCode }
  },
  lock: async (context, args, terminal) => {
    const { lock } = await import('../commands/lock.js')
    const data = await lock(context)
    const line = ({ holder, target }: typeof data) =>
      holder === null ? `Nobody holds the migration lock of ${target}.` : `Held by ${holder}.`
    return show(data, line, args, terminal)
  },
  overview: async (context, args, terminal) => {
    const data = await overview(context)
    return show(data, (told) => text.overview(told, terminal), args, terminal)
  },
  ...DEVELOP_HANDLERS,
  ...HISTORIES_HANDLERS,
  ...KNEX_HANDLERS,
  config: async (context, args, terminal) => {
    if (context.config.refusal !== undefined) terminal.warn(context.config.refusal)
    const data = text.configValues(context.config)
    return show(data, (told) => text.config(told, terminal), args, terminal)
  },
}

/** Where things stand, for `rays` alone: reads only. */
async function overview(context: Context): Promise<text.Overview> {
  const { config } = context
  const hasSchema = existsSync(config.schemaPath)
  if (!hasSchema && config.file === undefined) {
    return {
      state: 'no-project',
      next: 'rays init writes raysconfig.js; write your Prisma schema to prisma/schema.prisma.',
    }
  }
  const { listMigrations } = await import('../migrations/directory.js')
  if (!hasSchema || config.databaseUrl === undefined) {
    return {
      state: 'incomplete',
      missing: hasSchema ? 'database URL' : 'schema',
      migrations: (await listMigrations(config.migrationsDir)).length,
      next: hasSchema
        ? 'set DATABASE_URL in the environment or in .env, then rays status.'
        : `write your Prisma schema to ${config.schemaPath}.`,
    }
  }
  const { status } = await import('../commands/status.js')
  try {
    const data = await status(context)
    return { state: 'status', status: data, next: data.next }
  } catch (error) {
    if (!(error instanceof RaysError) || error.code !== 'E_NO_DATABASE') throw error
    const migrations = (await listMigrations(config.migrationsDir)).length
    const next =
      migrations === 0
        ? 'rays makemigration --name init writes the first migration.'
        : 'rays migrate --create-db creates the database and applies them.'
    return { state: 'incomplete', missing: 'database', migrations, next }
  }
}

function configured(args: ParsedArguments): Promise<Config> {
  const flags: Partial<Record<OptionName, unknown>> = {}
  if (args.lockTimeout !== undefined) flags.lockTimeout = args.lockTimeout
  if (args.statementTimeout !== undefined) flags.statementTimeout = args.statementTimeout
  if (args.singleTransaction !== undefined) flags.singleTransaction = args.singleTransaction
  if (args.opTimeout !== undefined) flags.operationTimeout = args.opTimeout
  const conf = given(args, 'conf')
  const environment = given(args, 'env')
  return configure({
    cwd: process.cwd(),
    ...(conf !== undefined && { conf }),
    // One of the configuration's environments.
    ...(environment !== undefined && { environment }),
    flags,
  })
}
