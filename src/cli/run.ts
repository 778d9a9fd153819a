/** Runs one command on the project that the line and the working directory name. */
import { configure } from '../commands/configure.js'
import type { Context } from '../commands/host.js'
import type { Config } from '../config/config.js'
import type { OptionName } from '../config/options.js'
import type { Value } from './command.js'
import type { Outcome } from './format.js'
import type { CommandLine } from './grammar.js'
import { camelCase, GLOBAL_OPTIONS, type Option } from './options.js'
import type { Terminal } from './terminal.js'

/** @throws {RaysError} */
export function runCommand(line: CommandLine, terminal: Terminal): Promise<Outcome> {
  const { command, args } = line
  return command.run({ args, terminal, open: () => open(line, terminal) })
}

async function open(line: CommandLine, terminal: Terminal): Promise<Context> {
  const config = await configured(line)
  for (const url of [config.databaseUrl, config.shadowDatabaseUrl]) if (url) terminal.hide(url.secrets)
  for (const warning of config.warnings) terminal.warn(warning)
  const verbose = line.args.log === true || config.verboseLogging
  if (verbose) terminal.verbose()
  const { onStatement: _, ...quiet } = terminal
  return { config, host: verbose ? terminal : quiet }
}

function configured({ command, args }: CommandLine): Promise<Config> {
  const flags: Partial<Record<OptionName, Value>> = {}
  for (const [name, option] of Object.entries<Option>({ ...GLOBAL_OPTIONS, ...command.options })) {
    const value = args[camelCase(name)]
    if (option.sets !== undefined && value !== undefined) flags[option.sets] = value
  }
  const { conf, env } = args
  return configure({
    cwd: process.cwd(),
    ...(typeof conf === 'string' && { conf }),
    ...(typeof env === 'string' && { environment: env }),
    flags,
  })
}
