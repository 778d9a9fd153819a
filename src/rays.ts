/** rays as a library: every command as a function that returns what `--json` prints, prints nothing and ends nothing. */
import { COMMANDS } from './cli/commands/index.js'
import { refuseUnfit } from './cli/library-options.js'
import type { OptionsOf, Work } from './cli/work.js'
import { configure } from './commands/configure.js'
import type { Host, Question } from './commands/host.js'
import type { Config } from './config/config.js'
import { OPTIONS, type OptionName } from './config/options.js'
import { ConfigError, InterruptedError, UsageError } from './errors.js'
import type { Progress } from './history/running.js'

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

type Library = Every<(typeof COMMANDS)[number]['library']>
/** All of a union's members at once. */
type Every<Union> = (Union extends unknown ? (member: Union) => void : never) extends (member: infer All) => void
  ? All
  : never

/** A command's work, bound to a project: its options, and its result. */
type Method<Entry> =
  Entry extends Work<infer F>
    ? Parameters<F> extends [unknown]
      ? () => ReturnType<F>
      : undefined extends Parameters<F>[1]
        ? (options?: OptionsOf<F>) => ReturnType<F>
        : (options: OptionsOf<F>) => ReturnType<F>
    : never

/** A project, and what can be done with it. Every function rejects with a {@link RaysError}: a class, a code, an exit code. */
export type Rays = { readonly [Name in keyof Library]: Method<Library[Name]> }

/** A project as a library. Nothing is read before the first command is called; each reads the configuration anew. */
export function createRays(options: RaysOptions = {}): Rays {
  const call = (name: string, { load, takes }: Work) => {
    return async (given: unknown) => {
      refuseUnfit(name, given, takes)
      const task = await load()
      if (options.signal?.aborted) throw new InterruptedError('Interrupted before it began; nothing was changed.')
      const [config, host] = [await configuration(options), hostOf(options)]
      for (const warning of config.warnings) host.warn(warning)
      return task({ config, host }, given)
    }
  }
  const methods = COMMANDS.flatMap(({ library }) => Object.entries<Work>(library))
  return Object.fromEntries(methods.map(([name, work]) => [name, call(name, work)])) as Rays
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
