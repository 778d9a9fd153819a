/** The command line: arguments in, text and an exit code out. Nothing else prints, prompts or sets an exit code. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import yargs, { type Argv } from 'yargs'
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type ParsedArguments } from './cli/commands.js'
import { createTerminal, type Terminal } from './cli/terminal.js'
import { RaysError, UsageError } from './errors.js'

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Runs one command line and sets the process's exit code. @param argv the arguments after `rays` */
export async function main(argv: readonly string[]): Promise<void> {
  const controller = new AbortController()
  const json = argv.includes('--json')
  const color = !argv.includes('--no-color')
  const input = !argv.includes('--no-input')
  const terminal = createTerminal({ json, color, input, signal: controller.signal })
  const release = onSignals(controller, terminal)
  ignoreClosedPipes()
  let command = ''
  try {
    const parsed = await parse(argv, terminal)
    if (parsed === undefined) return
    command = parsed.spec.name
    const { runCommand } = await import('./cli/run.js')
    const outcome = await runCommand(parsed.spec, parsed.args, terminal)
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
    release()
  }
}

/** bigint and Map have no JSON of their own. */
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

/** A closed pipe (`rays status | head -1`) must not stop a migration half-way. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
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
  const parser = yargs([...argv])
    .scriptName('rays')
    .usage('Migrations for Prisma that go both ways.\n\nUsage: $0 <command> [options]')
    .parserConfiguration({ 'strip-aliased': true, 'duplicate-arguments-array': false })
    .options(GLOBAL_OPTIONS)
    .group(Object.keys(GLOBAL_OPTIONS).concat('help', 'version'), 'Everywhere:')
    .version(version())
    .help()
    .alias('h', 'help')
    .wrap(100)
    .strict()
    .recommendCommands()
    .epilog('docs/commands.md describes every command; rays <command> --help prints its options.')
  for (const spec of COMMANDS) {
    parser.command(
      [spec.usage, ...(spec.aliases ?? [])],
      spec.purpose,
      (builder) => {
        builder.options(spec.options)
        for (const [line, what] of spec.examples) builder.example(line, what)
        return builder
      },
      (args) => onCommand(spec, args as ParsedArguments),
    )
  }
  return parser
}

async function parse(
  argv: readonly string[],
  terminal: Terminal,
): Promise<{ spec: CommandSpec; args: ParsedArguments } | undefined> {
  let chosen: { spec: CommandSpec; args: ParsedArguments } | undefined
  let failure: Error | undefined
  const parser = grammar(argv, (spec, args) => {
    chosen = { spec, args }
  })
    .exitProcess(false)
    .fail((message, error) => {
      failure = error ?? new Error(message)
    })
  let printed = ''
  await parser.parseAsync([...argv], {}, (_error: unknown, _args: unknown, output: string) => {
    printed = output
  })
  if (failure) throw await usageError(failure.message, argv)
  if (printed) {
    terminal.out(printed)
    return undefined
  }
  return chosen
}

async function usageError(message: string, argv: readonly string[]): Promise<UsageError> {
  const words = argv.filter((word) => !word.startsWith('-'))
  const spec = COMMANDS.find((candidate) => [candidate.name, ...(candidate.aliases ?? [])].includes(words[0] ?? ''))
  const unknown = /^Unknown arguments?: (.+)$/m.exec(message)?.[1]
  const { closest, distance } = await import('fastest-levenshtein')
  if (unknown && spec) {
    const names = [...Object.keys(GLOBAL_OPTIONS), ...Object.keys(spec.options)]
    const given = unknown.split(',')[0]!.trim()
    const near = closest(given, names)
    const meant = distance(given, near) <= 3 ? `Did you mean --${near}? ` : ''
    return new UsageError(`Unknown option: ${unknown}.`, {
      hint: `${meant}rays ${spec.name} --help lists the options.`,
    })
  }
  if (!spec && words[0] !== undefined) {
    const names = COMMANDS.flatMap((candidate) => [candidate.name, ...(candidate.aliases ?? [])])
    const near = closest(words[0], names)
    const meant = distance(words[0], near) <= 3 ? `Did you mean rays ${near}? ` : ''
    return new UsageError(`Unknown command: ${words[0]}.`, { hint: `${meant}rays --help lists the commands.` })
  }
  return new UsageError(message.trim(), { hint: `rays ${spec?.name ?? ''}${spec ? ' ' : ''}--help` })
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
    terminal.out(
      JSON.stringify({ command, ok: false, data: null, warnings: terminal.warnings, error: body }, replacer, 2),
    )
    return known?.exitCode ?? 1
  }
  terminal.note(`${terminal.paint('red', 'Error:')} ${message}`)
  if (known?.where) terminal.note(known.where.replace(/^/gm, '    '))
  if (known?.data && Array.isArray(known.data.done))
    describePartial(known.data as { done: string[]; notRun?: string[] }, terminal)
  if (known?.hint) terminal.note(`${terminal.paint('cyan', 'Fix:')} ${known.hint}`)
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
