/** The command line: arguments in, text and an exit code out. Nothing else prints, prompts or sets an exit code. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Argv } from 'yargs'
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, OVERVIEW } from './cli/commands.js'
import { createTerminal, type Terminal, under } from './cli/terminal.js'
import { type CommandLine, readLine } from './cli/words.js'
import { RaysError } from './errors.js'
import { expectShortRun } from './short-run.js'
import { readable, saying } from './user-code.js'

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Runs one command line and sets the process's exit code. @param line the arguments after `rays` */
export async function main(line: readonly string[]): Promise<void> {
  expectShortRun()
  const read = readLine(line)
  const { spec, args } = read
  const controller = new AbortController()
  const json = args.json === true
  const terminal = createTerminal({
    json,
    color: args.color !== false,
    input: args.input !== false,
    signal: controller.signal,
  })
  const release = onSignals(controller, terminal)
  const exit = ownExit(terminal)
  ignoreClosedPipes()
  let command = spec === OVERVIEW ? '' : spec.name
  let code = 0
  try {
    if (read.wants) return await answer(read, terminal, json)
    if (read.problem) throw await read.problem()
    command = spec.name
    const { runCommand } = await import('./cli/run.js')
    const outcome = await runCommand(spec, args, terminal)
    if (json)
      terminal.document({
        command,
        ok: !outcome.exitCode,
        data: outcome.data ?? null,
        warnings: terminal.warnings,
      })
    code = outcome.exitCode ?? 0
  } catch (error) {
    code = report(error, command, terminal, json)
  } finally {
    release()
    exit.finish(code)
  }
}

/**
 * The exit code is rays' own: code of the project runs in this process, and may end it, name a code, or fail after its
 * operation ended. Until the command has finished, whatever ends the process ends it with an error.
 */
function ownExit(terminal: Terminal): { finish(code: number): void } {
  const leave = process.exit.bind(process)
  let own: number | undefined
  let strayed = false
  const stray = (what: string) => {
    strayed = true
    // Nothing more can be told of a process that is ending.
    if (own !== undefined) own ||= 1
    terminal.warn(what)
  }
  process.exit = ((code?: number | string | null) => {
    if (own !== undefined) leave(own)
    stray(`process.exit(${code ?? ''}) was called by code that nobody waited for; rays goes on.`)
  }) as typeof process.exit
  process.on('unhandledRejection', (reason) => {
    stray(`Something that nobody waited for has failed: ${stackOf(reason)}`)
  })
  const atExit = (code: number) => {
    if (own !== undefined) {
      process.exitCode = own
    } else if (code === 0 || code === NOTHING_LEFT) {
      const what = code === 0 ? 'the process was ended' : 'nothing was left to wait for'
      process.stderr.write(
        `Error: rays stopped before its work was done: ${what}. rays status shows where things stand.\n`,
      )
      process.exitCode = 1
    }
  }
  process.on('exit', atExit)
  return {
    finish(code) {
      own = code || (strayed ? 1 : 0)
      process.exitCode = own
      // After what the project's code does at the end.
      process.removeListener('exit', atExit)
      process.on('exit', atExit)
      leaveSoon(() => leave())
    },
  }
}

/** Node's exit code where nothing is left to wait for, and something waits. */
const NOTHING_LEFT = 13

/** Timers and sockets that the code of a migration left open must not keep a finished command from ending. */
function leaveSoon(leave: () => void): void {
  const check = () => {
    const writing = process.stdout.writableLength + process.stderr.writableLength > 0
    if (writing) setTimeout(check, 100).unref()
    else leave()
  }
  setTimeout(check, 500).unref()
}

function stackOf(reason: unknown): string {
  const thrown = readable(reason)
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : saying(thrown)
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

/** The help of a command, or of all of them. */
async function help(spec: CommandSpec): Promise<string> {
  const words = [...(spec === OVERVIEW ? [] : [spec.name]), '--help']
  let printed = ''
  const keep = (_error: unknown, _args: unknown, output: string) => {
    printed = output
  }
  await helpWriter(words, spec).exitProcess(false).parseAsync(words, {}, keep)
  return printed
}

/** Knows every command, but only for its help: the words of a line are read in cli/words.ts. */
function helpWriter(words: readonly string[], spec: CommandSpec): Argv {
  // The CommonJS form of yargs 17 wraps lines between words, which its ES module does not, and loads in a quarter of the
  // time of yargs 18.
  const yargs = createRequire(import.meta.url)('yargs/yargs') as (argv: readonly string[]) => Argv
  const parser = yargs(words)
    .scriptName('rays')
    .usage('Migrations for Prisma that go both ways.\n\nUsage: $0 <command> [options]')
    .example('rays init', 'begin in a project')
    .example('rays makemigration --name add_lastname', "write a migration from the schema's changes")
    .example('rays migrate', 'apply what is pending')
    .example('rays migrate --name -1', 'undo the last one')
    .example('rays status', 'see where things stand')
    .options(GLOBAL_OPTIONS)
    // Groups are printed in the order in which they are named: a command's own options before those of every command.
    .group(Object.keys(spec.options), 'Options:')
    .group(Object.keys(GLOBAL_OPTIONS).concat('help', 'version'), 'Everywhere:')
    .version(version())
    .help()
    .alias('help', 'h')
    .wrap(100)
    .epilog('docs/commands.md describes every command; rays <command> --help prints its options.')
  for (const { name, usage, aliases = [], purpose, options, examples } of COMMANDS) {
    parser.command([usage, ...aliases], purpose, (builder) => {
      builder.usage(`${sentence(purpose)}\n\nUsage: rays ${usage} [options]`).options(options)
      if (name === spec.name) for (const [line, what] of examples) builder.example(line, what)
      return builder
    })
  }
  return parser
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** What `--help` and `--version` print. */
async function answer({ wants, spec }: CommandLine, terminal: Terminal, json: boolean): Promise<void> {
  const data = wants === 'version' ? { version: version() } : { help: await help(spec) }
  const document = { command: spec === OVERVIEW ? '' : spec.name, ok: true, data, warnings: [] }
  if (json) terminal.document(document)
  else terminal.out(Object.values(data).join())
}

/** Prints an error and returns the exit code. */
function report(error: unknown, command: string, terminal: Terminal, json: boolean): number {
  const known = error instanceof RaysError ? error : undefined
  const message = error instanceof Error ? error.message : saying(error)
  const code = known?.code ?? 'E_INTERNAL'
  if (json) {
    const body = {
      code,
      message,
      hint: known?.hint ?? null,
      ...(known?.where && { where: known.where }),
      ...(known?.data && { data: known.data }),
    }
    terminal.document({ command, ok: false, data: null, warnings: terminal.warnings, error: body })
    return known?.exitCode ?? 1
  }
  terminal.note(`${terminal.paintNote('red', 'Error:')} ${under(message)}`)
  if (known?.where) terminal.note(known.where.replace(/^/gm, '    '))
  if (known?.data && Array.isArray(known.data.done))
    describePartial(known.data as { done: string[]; notRun?: string[] }, terminal)
  if (known?.hint) terminal.note(`${terminal.paintNote('cyan', 'Fix:')} ${under(known.hint)}`)
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
