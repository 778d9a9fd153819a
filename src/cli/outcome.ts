/** What every command's handler is made of. */
import type { Context } from '../commands/host.js'
import type { ParsedArguments } from './commands.js'
import type { Terminal } from './terminal.js'

export interface Outcome {
  readonly data?: unknown
  readonly exitCode?: number
}

export type Handler = (context: Context, args: ParsedArguments, terminal: Terminal) => Promise<Outcome>

/** The text of an argument, or undefined where it was not given. */
export function given(args: ParsedArguments, name: string): string | undefined {
  const value = args[name]
  return value === undefined || value === null ? undefined : String(value)
}

/** Prints a result for a person, unless JSON is wanted. */
export function show(data: unknown, lines: string, args: ParsedArguments, terminal: Terminal, exitCode?: 1): Outcome {
  if (args.json !== true && lines !== '') terminal.out(lines)
  return { data, ...(exitCode && { exitCode }) }
}
