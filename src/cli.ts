/** The command line: arguments in, text and an exit code out. Nothing else prints, prompts or sets an exit code. */
import { commandsFor } from './cli/commands/load.js'
import { OVERVIEW } from './cli/commands/overview.js'
import { formatOf, printerFor } from './cli/format.js'
import { type CommandLine, readLine } from './cli/grammar.js'
import { createTerminal, type Terminal } from './cli/terminal.js'
import { expectShortRun } from './short-run.js'
import { readable, saying } from './user-code.js'

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Runs one command line and sets the process's exit code. @param line the arguments after `rays` */
export async function main(line: readonly string[]): Promise<void> {
  expectShortRun()
  const read = readLine(line, await commandsFor(line))
  const { args } = read
  const controller = new AbortController()
  const format = formatOf(args)
  const terminal = createTerminal({
    quiet: format !== 'text',
    color: args.color !== false,
    input: args.input !== false,
    signal: controller.signal,
  })
  const printer = printerFor(format, terminal)
  const release = onSignals(controller, terminal)
  const exit = ownExit(terminal)
  ignoreClosedPipes()
  let name = read.command === OVERVIEW ? '' : read.command.name
  let code = 0
  try {
    if (read.wants) return printer.answer(name, await answerTo(read))
    if (read.problem) throw await read.problem()
    name = read.command.name
    const { runCommand } = await import('./cli/run.js')
    const outcome = await runCommand(read, terminal)
    printer.result(name, outcome)
    code = outcome.exitCode
  } catch (error) {
    code = printer.failure(name, error)
  } finally {
    release()
    exit.finish(code)
  }
}

/** What `--help` and `--version` say. */
async function answerTo({ wants, command }: CommandLine): Promise<Record<string, string>> {
  if (wants === 'version') return { version: (await import('./cli/version.js')).version() }
  return { help: await (await import('./cli/help.js')).help(command) }
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
