/** How results, failures and answers are printed. This file alone decides between the formats. */
import { oneLine } from '../../engines/foreign.js'
import { type ExitCode, RaysError } from '../errors.js'
import { saying } from '../user-code.js'
import { type Paint, type Terminal, under } from './terminal.js'

export type Format = 'text' | 'json'

/** A text for a person, or one that another program reads (SQL), which is printed as it is. */
export type Text = string | { readonly raw: string }

/** What came of a command. */
export interface Outcome<Data = unknown> {
  readonly data: Data
  readonly exitCode: number
  readonly text: (paint: Paint) => Text
}

export interface Printer {
  /** What `--help` and `--version` print. */
  readonly answer: (command: string, data: Readonly<Record<string, string>>) => void
  readonly result: (command: string, outcome: Outcome) => void
  /** @returns the exit code */
  readonly failure: (command: string, error: unknown) => ExitCode
}

const PRINTERS: Readonly<Record<Format, (terminal: Terminal) => Printer>> = { text: textPrinter, json: jsonPrinter }

export function formatOf(values: { readonly json?: unknown }): Format {
  return values.json === true ? 'json' : 'text'
}

export function printerFor(format: Format, terminal: Terminal): Printer {
  return PRINTERS[format](terminal)
}

/** One document, whatever happens; the same fields for every command. */
function jsonPrinter(terminal: Terminal): Printer {
  return {
    answer: (command, data) => terminal.document({ command, ok: true, data, warnings: [] }),
    result: (command, { data, exitCode }) =>
      terminal.document({ command, ok: exitCode === 0, data: data ?? null, warnings: terminal.warnings }),
    failure: (command, error) => {
      const known = error instanceof RaysError ? error : undefined
      const body = {
        code: known?.code ?? INTERNAL,
        message: messageOf(error),
        hint: known?.hint ?? null,
        ...(known?.where && { where: known.where }),
        ...(known?.data && { data: known.data }),
      }
      terminal.document({ command, ok: false, data: null, warnings: terminal.warnings, error: body })
      return known?.exitCode ?? 1
    },
  }
}

const INTERNAL = 'E_INTERNAL'

function textPrinter(terminal: Terminal): Printer {
  return {
    answer: (_command, data) => terminal.out(Object.values(data).join()),
    result: (_command, outcome) => {
      const text = outcome.text(terminal.paint)
      if (typeof text !== 'string') terminal.raw(text.raw)
      else if (text !== '') terminal.out(text)
    },
    failure: (_command, error) => {
      const known = error instanceof RaysError ? error : undefined
      terminal.note(`${terminal.paintNote('red', 'Error:')} ${under(messageOf(error))}`)
      if (known?.where) terminal.note(known.where.replace(/^/gm, '    '))
      for (const line of partlyDone(known?.data)) terminal.note(line)
      if (known?.hint) terminal.note(`${terminal.paintNote('cyan', 'Fix:')} ${under(known.hint)}`)
      if (!known) {
        const stack = error instanceof Error ? (error.stack ?? '') : ''
        terminal.note(`This is a fault in rays itself; please report it with these lines:\n${stack}`)
      }
      return known?.exitCode ?? 1
    },
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : saying(error)
}

/** What a run had done before it failed, and what it has not begun. */
function partlyDone(data: RaysError['data'] = {}): string[] {
  const { done, notRun } = data
  if (!Array.isArray(done)) return []
  return [
    ...(done.length > 0 ? [`Done before it, and kept: ${done.join(', ')}.`] : []),
    ...(Array.isArray(notRun) && notRun.length > 0 ? [`Not run: ${notRun.join(', ')}.`] : []),
  ]
}

/** What has lines of its own: scripts, and what engines and rays say of schemas. */
const OF_LINES = new Set(['script', 'sql', 'down', 'statements', 'summary', 'failure', 'lines', 'reason', 'text'])

/** A result with every name and value on one line. */
export function linewise<T>(result: T): T {
  return onOneLine(result) as T
}

function onOneLine(value: unknown, key = ''): unknown {
  if (OF_LINES.has(key)) return value
  if (typeof value === 'string') return oneLine(value)
  if (Array.isArray(value)) return value.map((part) => onOneLine(part))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, onOneLine(part, name)]))
}
