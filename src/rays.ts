/** rays as a library: every command as a function that returns what `--json` prints, prints nothing and ends nothing. */
import type { ConfigValue } from './cli/render.js'
import { configure } from './commands/configure.js'
import type { Context, Host, Question } from './commands/host.js'
import type { Config } from './config/config.js'
import { OPTIONS, type OptionName } from './config/options.js'
import { ConfigError, InterruptedError, UsageError } from './errors.js'
import type { Progress } from './history/executor.js'

/** Options of raysconfig (docs/configuration.md). */
export type RaysConfig = { readonly [Name in OptionName]?: unknown }

export interface RaysOptions {
  /** The folder in which the project is looked for. Default: the process's. */
  readonly cwd?: string
  /** Which raysconfig: a file, or its options as an object, which go before those of a file. */
  readonly config?: string | RaysConfig
  /** One of the configuration's environments. */
  readonly environment?: string
  /** The environment that the configuration reads. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv
  /** Ends what is running: the current step is rolled back or finished, the lock is released. */
  readonly signal?: AbortSignal
  /** Called as migrations begin and end. */
  readonly onProgress?: (progress: Progress) => void
  /** Called with what the command line would write to standard error: one line at a time. */
  readonly onMessage?: (message: { readonly kind: 'note' | 'warning' | 'output'; readonly text: string }) => void
  /** Called with every statement and how long it took, in milliseconds. */
  readonly onStatement?: (sql: string, milliseconds: number) => void
  /** Answers y/N questions. Without it they end in a {@link UsageError} with the code `E_NO_TERMINAL`. */
  readonly confirm?: (question: Question) => boolean | Promise<boolean>
}

// biome-ignore lint/suspicious/noExplicitAny: what commands take and return is told by each of them.
type Command = (context: Context, options: any) => Promise<unknown>

/** Every option of a command, so that a misspelt one is not taken for none. */
type OptionsOf<F extends Command> = { readonly [Name in keyof NonNullable<Parameters<F>[1]>]-?: true }

interface Entry<F extends Command> {
  readonly load: () => Promise<F>
  readonly options: OptionsOf<F>
}

/** A command that is loaded when it is first called. */
const command = <F extends Command>(load: () => Promise<F>, options: OptionsOf<F>): Entry<F> => ({ load, options })

const COMMITTING = {
  name: true,
  autoresolve: true,
  verify: true,
  clearShadow: true,
  failOnDestructive: true,
  rename: true,
  defaults: true,
} as const

const MAKING = {
  ...COMMITTING,
  blank: true,
  check: true,
  dryRun: true,
  from: true,
  known: true,
  anyState: true,
} as const

const STEPS = {
  target: true,
  preview: true,
  autoApprove: true,
  y: true,
  createDb: true,
  failOnDestructive: true,
  generate: true,
} as const

const COMMANDS = {
  adopt: command(async () => (await import('./commands/adopt.js')).adopt, { dryRun: true, clearShadow: true }),
  commit: command(async () => (await import('./commands/commit.js')).commit, COMMITTING),
  dev: command(async () => (await import('./commands/development.js')).dev, {
    y: true,
    generate: true,
    clearShadow: true,
    onChange: true,
  }),
  docs: command(
    async () =>
      async (_: Context, options: { readonly topic?: string } = {}) =>
        (await import('./commands/docs.js')).docs(options),
    { topic: true },
  ),
  doctor: command(async () => (await import('./commands/doctor.js')).doctor, {
    adopt: true,
    revert: true,
    ignore: true,
    y: true,
    clearShadow: true,
  }),
  down: command(async () => (await import('./commands/up-down.js')).down, STEPS),
  draft: command(async () => (await import('./commands/development.js')).draft, {
    undo: true,
    y: true,
    generate: true,
    clearShadow: true,
    rename: true,
    defaults: true,
  }),
  eject: command(async () => (await import('./commands/eject.js')).eject, {
    y: true,
    verify: true,
    clearShadow: true,
    dryRun: true,
  }),
  exportKnex: command(async () => (await import('./commands/export-knex.js')).exportKnex, { folder: true }),
  importKnex: command(async () => (await import('./commands/import-knex.js')).importKnex, {
    folder: true,
    clearShadow: true,
  }),
  init: command(async () => (await import('./commands/init.js')).init, { force: true, y: true }),
  knexConvert: command(async () => (await import('./commands/knex-convert.js')).knexConvert, { clearShadow: true }),
  knexFill: command(async () => (await import('./commands/knex-fill.js')).knexFill, {
    file: true,
    verify: true,
    clearShadow: true,
    rename: true,
    defaults: true,
  }),
  knexInit: command(async () => (await import('./commands/knex-init.js')).knexInit, { y: true }),
  lock: command(async () => (await import('./commands/lock.js')).lock, {}),
  makemigration: command(async () => (await import('./commands/development.js')).makeCollapsing, MAKING),
  migrate: command(async () => (await import('./commands/migrate.js')).migrate, {
    name: true,
    fake: true,
    plan: true,
    sql: true,
    trace: true,
    check: true,
    createDb: true,
    generate: true,
    ignoreMissing: true,
    allowOutOfOrder: true,
    failOnDestructive: true,
    y: true,
    resume: true,
    undo: true,
    retryOp: true,
    skipOp: true,
    skipHook: true,
  }),
  prepare: command(async () => (await import('./commands/prepare.js')).prepare, {
    name: true,
    reset: true,
    y: true,
    verify: true,
    clearShadow: true,
  }),
  push: command(async () => (await import('./commands/push.js')).push, {
    y: true,
    forceReset: true,
    createDb: true,
    generate: true,
    failOnDestructive: true,
    rename: true,
    defaults: true,
  }),
  rebase: command(async () => (await import('./commands/rebase.js')).rebase, {
    own: true,
    y: true,
    generate: true,
    clearShadow: true,
  }),
  redo: command(async () => (await import('./commands/redo.js')).redo, {
    count: true,
    y: true,
    generate: true,
    failOnDestructive: true,
  }),
  reset: command(async () => (await import('./commands/reset.js')).reset, {
    confirm: true,
    seed: true,
    generate: true,
  }),
  rollback: command(async () => (await import('./commands/rollback.js')).rollback, {
    all: true,
    y: true,
    plan: true,
    generate: true,
  }),
  save: command(async () => (await import('./commands/save.js')).save, { ...MAKING, createDb: true }),
  seed: command(async () => (await import('./commands/seed.js')).seed, {}),
  sqlmigrate: command(async () => (await import('./commands/sqlmigrate.js')).sqlMigrate, {
    name: true,
    down: true,
    trace: true,
  }),
  squash: command(async () => (await import('./commands/squash.js')).squash, {
    from: true,
    to: true,
    name: true,
    dryRun: true,
    clearShadow: true,
  }),
  status: command(async () => (await import('./commands/status.js')).status, {}),
  unlock: command(async () => (await import('./commands/unlock.js')).unlock, {}),
  upgrade: command(async () => (await import('./commands/upgrade.js')).upgrade, { dryRun: true }),
  up: command(async () => (await import('./commands/up-down.js')).up, STEPS),
} as const

type Table = typeof COMMANDS
type FunctionOf<Name extends keyof Table> = Awaited<ReturnType<Table[Name]['load']>>
/** The arguments of a command after its context, and its result. */
type Bound<F> = F extends (context: Context, ...options: infer Rest) => infer Result
  ? (...options: Rest) => Result
  : never

/** A project, and what can be done with it. Every function rejects with a {@link RaysError}: a class, a code, an exit code. */
export type Rays = { readonly [Name in keyof Table]: Bound<FunctionOf<Name>> } & {
  /** Each value of the configuration and where it came from. */
  config(): Promise<readonly ConfigValue[]>
}

/** A project as a library. Nothing is read before the first command is called; each reads the configuration anew. */
export function createRays(options: RaysOptions = {}): Rays {
  const call = (name: string, load: () => Promise<Command>, known: object) => async (given: unknown) => {
    refuseUnknown(name, given, known)
    const command = await load()
    if (options.signal?.aborted) throw new InterruptedError('Interrupted before it began; nothing was changed.')
    const [config, host] = [await configuration(options), hostOf(options)]
    for (const warning of config.warnings) host.warn(warning)
    return command({ config, host }, given)
  }
  const commands = Object.entries<Entry<Command>>(COMMANDS).map(([name, entry]) => [
    name,
    call(name, entry.load, entry.options),
  ])
  const config = async () => (await import('./cli/render.js')).configValues(await configuration(options))
  return { ...Object.fromEntries(commands), config }
}

/** @throws {UsageError} for an option that the command does not have */
function refuseUnknown(command: string, given: unknown, known: object): void {
  if (given === undefined) return
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(`${command} takes its options as an object.`, { hint: `await rays.${command}({ ... })` })
  }
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(known, name))
  if (unknown.length === 0) return
  const names = Object.keys(known)
  throw new UsageError(`${command} does not know ${unknown.join(', ')}.`, {
    hint: names.length === 0 ? `${command} takes no options.` : `It takes ${names.join(', ')}.`,
  })
}

async function configuration({ cwd, config, environment, env }: RaysOptions): Promise<Config> {
  const flags = typeof config === 'object' ? config : {}
  const unknown = Object.keys(flags).filter((name) => !Object.hasOwn(OPTIONS, name))
  if (unknown.length > 0) {
    throw new ConfigError(`Unknown options: ${unknown.join(', ')}.`, { hint: 'docs/configuration.md describes them.' })
  }
  return configure({
    cwd: cwd ?? process.cwd(),
    ...(typeof config === 'string' && { conf: config }),
    ...(environment !== undefined && { environment }),
    ...(env !== undefined && { env }),
    flags,
  })
}

/** Nobody sits before a library: messages go to callbacks, and a question that none answers is an error. */
function hostOf(options: RaysOptions): Host {
  const { onMessage, onProgress, onStatement, confirm } = options
  const refuse = ({ message, flag }: Question): never => {
    throw new UsageError(`${message} Nobody can be asked here, so nothing was changed.`, {
      code: 'E_NO_TERMINAL',
      hint: `Answer it with an option: ${flag} on the command line.`,
    })
  }
  return {
    note: (text) => onMessage?.({ kind: 'note', text }),
    warn: (text) => onMessage?.({ kind: 'warning', text }),
    output: (text) => onMessage?.({ kind: 'output', text }),
    progress: (progress) => onProgress?.(progress),
    changes: () => undefined,
    canAsk: false,
    confirm: async (question) => {
      return confirm ? confirm(question) : refuse(question)
    },
    ask: async (question) => refuse(question),
    ...(onStatement && { onStatement }),
    signal: options.signal ?? new AbortController().signal,
    now: () => new Date(),
  }
}
