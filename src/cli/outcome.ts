/** What every command's handler is made of. */
import { oneLine } from '../../engines/foreign.js'
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

/** Consent to emptying a shadow database: to any, or to the one that is named. */
export function clearShadowOf(args: ParsedArguments): boolean | string {
  const value = args.clearShadow
  return typeof value === 'string' ? value : value === true
}

/**
 * Prints a result for a person, unless JSON is wanted.
 * @param render is given the result with every name and value on one line: they come from a database or a folder, and none
 * may begin a line of its own
 */
export function show<T>(
  data: T,
  render: (data: T) => string,
  args: ParsedArguments,
  terminal: Terminal,
  exitCode?: 1,
): Outcome {
  if (args.json !== true) {
    const text = render(linewise(data) as T)
    if (text !== '') terminal.out(text)
  }
  return { data, ...(exitCode && { exitCode }) }
}

/** What has lines of its own: scripts, and what engines and rays say of schemas. */
const OF_LINES = new Set(['script', 'sql', 'down', 'statements', 'summary', 'failure', 'lines', 'reason', 'text'])

function linewise(value: unknown, key = ''): unknown {
  if (OF_LINES.has(key)) return value
  if (typeof value === 'string') return oneLine(value)
  if (Array.isArray(value)) return value.map((part) => linewise(part))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, linewise(part, name)]))
}
