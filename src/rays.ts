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

/** Each command is loaded when it is first called. */
const COMMANDS = {
  adopt: async () => (await import('./commands/adopt.js')).adopt,
  commit: async () => (await import('./commands/commit.js')).commit,
  dev: async () => (await import('./commands/development.js')).dev,
  doctor: async () => (await import('./commands/doctor.js')).doctor,
  down: async () => (await import('./commands/up-down.js')).down,
  draft: async () => (await import('./commands/development.js')).draft,
  eject: async () => (await import('./commands/eject.js')).eject,
  init: async () => (await import('./commands/init.js')).init,
  lock: async () => (await import('./commands/lock.js')).lock,
  makemigration: async () => (await import('./commands/development.js')).makeCollapsing,
  migrate: async () => (await import('./commands/migrate.js')).migrate,
  prepare: async () => (await import('./commands/prepare.js')).prepare,
  push: async () => (await import('./commands/push.js')).push,
  rebase: async () => (await import('./commands/rebase.js')).rebase,
  redo: async () => (await import('./commands/redo.js')).redo,
  reset: async () => (await import('./commands/reset.js')).reset,
  rollback: async () => (await import('./commands/rollback.js')).rollback,
  save: async () => (await import('./commands/save.js')).save,
  seed: async () => (await import('./commands/seed.js')).seed,
  sqlmigrate: async () => (await import('./commands/sqlmigrate.js')).sqlMigrate,
  squash: async () => (await import('./commands/squash.js')).squash,
  status: async () => (await import('./commands/status.js')).status,
  unlock: async () => (await import('./commands/unlock.js')).unlock,
  upgrade: async () => (await import('./commands/upgrade.js')).upgrade,
  up: async () => (await import('./commands/up-down.js')).up,
} as const satisfies Record<string, () => Promise<Command>>

type Table = typeof COMMANDS
type FunctionOf<Name extends keyof Table> = Awaited<ReturnType<Table[Name]>>
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
  const call = (load: () => Promise<Command>) => async (given: unknown) => {
    const command = await load()
    if (options.signal?.aborted) throw new InterruptedError('Interrupted before it began; nothing was changed.')
    return command({ config: await configuration(options), host: hostOf(options) }, given)
  }
  const commands = Object.entries<() => Promise<Command>>(COMMANDS).map(([name, load]) => [name, call(load)])
  const config = async () => (await import('./cli/render.js')).configValues(await configuration(options))
  return { ...Object.fromEntries(commands), config }
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
