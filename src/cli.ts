/** The command line: arguments in, text and an exit code out. Nothing else prints, prompts or sets an exit code. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Argv, Options } from 'yargs'
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, OVERVIEW, type ParsedArguments } from './cli/commands.js'
import { createTerminal, type Terminal } from './cli/terminal.js'
import { RaysError, UsageError } from './errors.js'
import { expectShortRun } from './short-run.js'

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Runs one command line and sets the process's exit code. @param line the arguments after `rays` */
export async function main(line: readonly string[]): Promise<void> {
  expectShortRun()
  const { argv, rest } = separate(line)
  const controller = new AbortController()
  const json = argv.includes('--json')
  const color = !argv.includes('--no-color')
  const input = !argv.includes('--no-input')
  const terminal = createTerminal({ json, color, input, signal: controller.signal })
  const release = onSignals(controller, terminal)
  const stray = onStray(terminal)
  const abandoned = onAbandoned()
  ignoreClosedPipes()
  let command = commandOf(wordsOf(argv)[0])?.name ?? ''
  try {
    const parsed = await parse(argv, terminal)
    if (parsed === undefined) return
    command = parsed.spec.name
    const { runCommand } = await import('./cli/run.js')
    const outcome = await runCommand(parsed.spec, rest ? { ...parsed.args, rest } : parsed.args, terminal)
    if (json)
      terminal.out(
        JSON.stringify(
          { command, ok: !outcome.exitCode, data: outcome.data ?? null, warnings: terminal.warnings },
          replacer,
          2,
        ),
      )
    process.exitCode = outcome.exitCode ?? 0
  } catch (error) {
    process.exitCode = report(error, command, terminal, json)
  } finally {
    abandoned()
    release()
    if (stray.seen) process.exitCode ||= 1
    leaveSoon()
  }
}

/** `rays prisma -- migrate status --schema x`: what stands behind `--` is for Prisma, whatever it looks like. */
function separate(line: readonly string[]): { argv: readonly string[]; rest?: readonly string[] } {
  const at = line.indexOf('--')
  if (at === -1 || wordsOf(line)[0] !== 'prisma') return { argv: line }
  return { argv: line.slice(0, at), rest: line.slice(at + 1) }
}

/** Timers and sockets that the code of a migration left open must not keep a finished command from ending. */
function leaveSoon(): void {
  const exit = process.exit.bind(process)
  const check = () => {
    const writing = process.stdout.writableLength + process.stderr.writableLength > 0
    if (writing) setTimeout(check, 100).unref()
    else exit()
  }
  setTimeout(check, 500).unref()
}

/**
 * Node ends with 13 and without a word where nothing is left to wait for and the command has not ended. Returns what
 * says that it has.
 */
function onAbandoned(): () => void {
  const handler = (code: number) => {
    if (code !== 13) return
    process.stderr.write(
      'Error: rays stopped before its work was done: nothing was left to wait for. rays status shows where things stand.\n',
    )
    process.exitCode = 1
  }
  process.on('exit', handler)
  return () => void process.removeListener('exit', handler)
}

/** Code of a migration can fail after its operation ended: it was not waited for, so it is told, and the run has failed. */
function onStray(terminal: Terminal): { readonly seen: boolean } {
  const stray = { seen: false }
  process.on('unhandledRejection', (reason) => {
    stray.seen = true
    process.exitCode ||= 1
    terminal.warn(
      `Something that nobody waited for has failed: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`,
    )
  })
  return stray
}

/** bigint has no JSON of its own. */
function replacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

/** The first signal asks the command to stop; the second stops the process. */
function onSignals(controller: AbortController, terminal: Terminal): () => void {
  const exit = process.exit.bind(process)
  const handlers = Object.entries(SIGNALS).map(([signal, code]) => {
    const handler = () => {
      if (controller.signal.aborted) exit(code)
      terminal.note(`${signal}: stopping after the current step; once more stops at once.`)
      controller.abort(code)
    }
    process.on(signal, handler)
    return [signal, handler] as const
  })
  return () => {
    for (const [signal, handler] of handlers) process.removeListener(signal, handler)
  }
}

/** A closed pipe (`rays status | head -1`) or a full disk under a log must not stop a migration half-way. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

/** The version of rays, from its own package.json. */
export function version(): string {
  const here = path.dirname(fileURLToPath(import.meta.url))
  const file = [path.join(here, '..', '..', 'package.json'), path.join(here, '..', 'package.json')].find(
    (candidate) => {
      try {
        return JSON.parse(readFileSync(candidate, 'utf8')).name === 'prisma-rays'
      } catch {
        return false
      }
    },
  )
  return JSON.parse(readFileSync(file!, 'utf8')).version
}

/** The whole grammar. Also used to print the help of every command into the documentation. */
export function grammar(argv: readonly string[], onCommand: (spec: CommandSpec, args: ParsedArguments) => void): Argv {
  const own = commandOf(wordsOf(argv)[0])
  // The CommonJS form of yargs 17 wraps lines between words, which its ES module does not, and loads in a quarter of the
  // time of yargs 18: every command pays for it.
  const yargs = createRequire(import.meta.url)('yargs/yargs') as (argv: readonly string[]) => Argv
  const parser = yargs([...argv])
    .scriptName('rays')
    .usage('Migrations for Prisma that go both ways.\n\nUsage: $0 <command> [options]')
    .example('rays init', 'begin in a project')
    .example('rays makemigration --name add_lastname', "write a migration from the schema's changes")
    .example('rays migrate', 'apply what is pending')
    .example('rays migrate --name -1', 'undo the last one')
    .example('rays status', 'see where things stand')
    .parserConfiguration({ 'strip-aliased': true, 'greedy-arrays': false })
    .options(GLOBAL_OPTIONS)
    // Groups are printed in the order in which they are named: a command's own options before those of every command.
    .group(Object.keys(own?.options ?? {}), 'Options:')
    .group(Object.keys(GLOBAL_OPTIONS).concat('help', 'version'), 'Everywhere:')
    .version(version())
    .help()
    .alias('help', 'h')
    .wrap(100)
    .strict()
    .recommendCommands()
    .epilog('docs/commands.md describes every command; rays <command> --help prints its options.')
  for (const spec of COMMANDS) {
    parser.command(
      [spec.usage, ...(spec.aliases ?? [])],
      spec.purpose,
      (builder) => {
        builder.usage(`${sentence(spec.purpose)}\n\nUsage: rays ${spec.usage} [options]`).options(spec.options)
        for (const [line, what] of spec.examples) builder.example(line, what)
        return builder
      },
      (args) => onCommand(spec, args as ParsedArguments),
    )
  }
  return parser
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

async function parse(
  line: readonly string[],
  terminal: Terminal,
): Promise<{ spec: CommandSpec; args: ParsedArguments } | undefined> {
  // `rays help migrate`, as git and npm have it.
  const argv = wordsOf(line)[0] === 'help' ? [...line.filter((word) => word !== 'help'), '--help'] : line
  let chosen: { spec: CommandSpec; args: ParsedArguments } | undefined
  let failure: Error | undefined
  const parser = grammar(argv, (spec, args) => {
    chosen = { spec, args }
    // yargs would go on and write the command's help, which takes longer than all the rest of the parsing.
    throw chosen
  })
    .exitProcess(false)
    .fail((message, error) => {
      failure = error ?? new Error(message)
    })
  let printed = ''
  let args: unknown
  try {
    args = await parser.parseAsync([...argv], {}, (_error: unknown, _args: unknown, output: string) => {
      printed = output
    })
  } catch (error) {
    if (error !== chosen) throw error
  }
  if (failure) throw await usageError(failure.message, argv)
  if (printed) {
    const data = argv.includes('--version') ? { version: printed.trim() } : { help: printed }
    const document = { command: commandOf(wordsOf(argv)[0])?.name ?? '', ok: true, data, warnings: [] }
    terminal.out(argv.includes('--json') ? JSON.stringify(document, null, 2) : printed)
    return undefined
  }
  const result = chosen ?? { spec: OVERVIEW, args: args as ParsedArguments }
  refuseRepeated(result.spec, result.args)
  return result
}

/** yargs makes a list of an option that is given twice; which of the two was meant is not for rays to guess. */
function refuseRepeated(spec: CommandSpec, args: ParsedArguments): void {
  for (const [name, option] of Object.entries<Options>({ ...GLOBAL_OPTIONS, ...spec.options })) {
    if (option.type === 'array' || option.array === true || !Array.isArray(args[name])) continue
    throw new UsageError(`--${name} is given ${args[name].length} times.`, { hint: 'Give it once.' })
  }
}

/** The words of a command line that are neither options nor their values. */
function wordsOf(argv: readonly string[], spec?: CommandSpec): string[] {
  const options = Object.entries<Options>({ ...GLOBAL_OPTIONS, ...spec?.options })
  const takesValue = (word: string) =>
    options.some(
      ([name, option]) =>
        option.requiresArg === true &&
        [name, option.alias ?? []].flat().some((n) => word === `--${n}` || (n.length === 1 && word === `-${n}`)),
    )
  return argv.filter((word, index) => !word.startsWith('-') && !(index > 0 && takesValue(argv[index - 1]!)))
}

function commandOf(word: string | undefined): CommandSpec | undefined {
  return COMMANDS.find((candidate) => [candidate.name, ...(candidate.aliases ?? [])].includes(word ?? ''))
}

async function usageError(message: string, argv: readonly string[]): Promise<UsageError> {
  const word = wordsOf(argv)[0]
  const spec = commandOf(word)
  const { closest, distance } = await import('fastest-levenshtein')
  if (!spec && word !== undefined) {
    const near = closest(
      word,
      COMMANDS.flatMap((candidate) => [candidate.name, ...(candidate.aliases ?? [])]),
    )
    const meant = distance(word, near) <= 3 ? `Did you mean rays ${near}? ` : ''
    return new UsageError(`Unknown command: ${word}.`, { hint: `${meant}rays --help lists the commands.` })
  }
  const help = spec ? `rays ${spec.name} --help` : 'rays --help'
  const unknown = /^Unknown arguments?: (.+)$/m.exec(message)?.[1]?.split(', ')
  if (!unknown) return new UsageError(message.trim(), { hint: `${help} lists the options.` })
  const extra = wordsOf(argv, spec).slice(1)
  if (spec && unknown.every((given) => extra.includes(given))) {
    const meant = 'name' in spec.options ? `Did you mean --name ${unknown[0]}? ` : ''
    return new UsageError(`rays ${spec.name} takes no ${unknown.join(', ')}.`, {
      hint: `${meant}${help} lists the options.`,
    })
  }
  const names = optionNames({ ...GLOBAL_OPTIONS, ...spec?.options })
  const given = unknown.find((name) => !extra.includes(name))!
  const near = closest(given, names)
  const meant = distance(given, near) <= 3 ? `Did you mean --${near}? ` : ''
  return new UsageError(`Unknown option: ${given.length === 1 ? '-' : '--'}${given}.`, {
    hint: `${meant}${help} lists the options.`,
  })
}

function optionNames(options: Record<string, Options>): string[] {
  return Object.entries(options)
    .flatMap(([name, option]) => [name, option.alias ?? []].flat())
    .filter((name) => name.length > 1)
    .concat('help', 'version')
}

/** Prints an error and returns the exit code. */
function report(error: unknown, command: string, terminal: Terminal, json: boolean): number {
  const known = error instanceof RaysError ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  const code = known?.code ?? 'E_INTERNAL'
  if (json) {
    const body = {
      code,
      message,
      hint: known?.hint ?? null,
      ...(known?.where && { where: known.where }),
      ...(known?.data && { data: known.data }),
    }
    // Cleaned value by value: a secret may be spelt differently once it is JSON.
    const clean = (key: string, value: unknown) =>
      typeof value === 'string' && key !== 'command' && key !== 'code' ? terminal.clean(value) : replacer(key, value)
    const document = { command, ok: false, data: null, warnings: terminal.warnings, error: body }
    terminal.out(JSON.stringify(document, clean, 2))
    return known?.exitCode ?? 1
  }
  terminal.note(`${terminal.paintNote('red', 'Error:')} ${message}`)
  if (known?.where) terminal.note(known.where.replace(/^/gm, '    '))
  if (known?.data && Array.isArray(known.data.done))
    describePartial(known.data as { done: string[]; notRun?: string[] }, terminal)
  if (known?.hint) terminal.note(`${terminal.paintNote('cyan', 'Fix:')} ${known.hint}`)
  if (!known) {
    const stack = error instanceof Error ? (error.stack ?? '') : ''
    terminal.note(`This is a fault in rays itself; please report it with these lines:\n${stack}`)
  }
  return known?.exitCode ?? 1
}

function describePartial({ done, notRun }: { done: string[]; notRun?: string[] }, terminal: Terminal): void {
  if (done.length > 0) terminal.note(`Done before it, and kept: ${done.join(', ')}.`)
  if (notRun && notRun.length > 0) terminal.note(`Not run: ${notRun.join(', ')}.`)
}
