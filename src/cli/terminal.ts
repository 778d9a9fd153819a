/**
 * The person's side: streams, colours, prompts. Everything but a command's result goes to stderr. Nothing that rays did not
 * write itself gets there raw: control characters are shown (`\x1b`), and what a CI system would take for a command is not
 * one any more. Only the colours of this file are let through.
 */
import { randomBytes } from 'node:crypto'
import { stripVTControlCharacters } from 'node:util'
import { oneLine, visible, visibleJson, withoutCommands } from '../../engines/foreign.js'
import { redact, redactOwn } from '../../engines/url.js'
import type { Host, Question } from '../commands/host.js'
import { UsageError } from '../errors.js'
import type { Progress } from '../history/running.js'
import type { BlockDiff } from '../schema/schema-diff.js'

export interface Terminal extends Host {
  /** A command's result for a person, to stdout. */
  readonly out: (text: string) => void
  /** A command's result as a JSON document, to stdout. */
  readonly document: (value: unknown) => void
  /** A result that another program reads (SQL), to stdout as it is; a terminal is shown its control characters. */
  readonly raw: (text: string) => void
  /** For what goes to stdout. */
  readonly paint: Paint
  /** For what goes to stderr: either stream can be a terminal or a file. */
  readonly paintNote: Paint
  readonly warnings: readonly string[]
  /** Secrets to hide: in what other programs print, and where they are unmistakable in everything. */
  readonly hide: (secrets: readonly string[]) => void
  readonly clean: (text: string) => string
  /** Shows each statement from now on. */
  readonly verbose: () => void
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

export interface TerminalOptions {
  /** Nothing but the result is printed, and nothing is asked. */
  readonly quiet: boolean
  readonly color: boolean
  readonly input: boolean
  readonly signal: AbortSignal
  readonly stdin?: NodeJS.ReadStream
  readonly stdout?: NodeJS.WriteStream
  readonly stderr?: NodeJS.WriteStream
}

/** Colour only on a terminal that wants it. */
export function wantsColor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv, flag: boolean): boolean {
  return flag && stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdin = process.stdin, stdout = process.stdout, stderr = process.stderr, quiet } = options
  const secrets = new Set<string>()
  const warnings: string[] = []
  // A password such as `rays` stands in rays' own sentences for another reason: there it stays.
  const clean = (text: string) => redactOwn(text, secrets)
  const { paintOn, painted } = colours()
  const shown = (text: string) => painted(withoutCommands(visible(clean(text))))
  const paint = paintOn(wantsColor(stdout, process.env, options.color))
  const paintErr = paintOn(wantsColor(stderr, process.env, options.color))
  const err = (text: string) => {
    if (!quiet) stderr.write(`${shown(text)}\n`)
  }
  const interactive = options.input && stdin.isTTY === true && stderr.isTTY === true && !process.env.CI && !quiet
  const live = stderr.isTTY === true && !quiet && process.env.TERM !== 'dumb'
  let statements = false

  const mustAsk = (question: Question) => {
    if (interactive) return
    throw new UsageError(`${question.message} Nobody can be asked here (no terminal), so nothing was changed.`, {
      code: 'E_NO_TERMINAL',
      hint: `Answer it with ${question.flag}.`,
    })
  }
  const prompt = async <T>(run: (inquirer: typeof import('inquirer').default) => Promise<T>): Promise<T> => {
    const { default: inquirer } = await import('inquirer')
    try {
      return await run(inquirer)
    } catch (error) {
      if (error instanceof Error && /ExitPromptError|AbortPromptError/.test(error.name)) {
        const { interrupted } = await import('../interruption.js')
        throw interrupted(options.signal, 'Cancelled; nothing was changed.')
      }
      throw error
    }
  }
  // inquirer draws on the stream it is given; stdout belongs to the result.
  const asking = (inquirer: typeof import('inquirer').default) =>
    // A signal (the terminal was closed, the machine goes down) ends the question: nobody will answer, and the lock is held.
    inquirer.createPromptModule({ input: stdin, output: stderr, signal: options.signal })

  return {
    signal: options.signal,
    now: () => new Date(),
    out: (text) => void stdout.write(`${shown(text)}\n`),
    document: (value) => void stdout.write(`${visibleJson(toJson(value, clean))}\n`),
    raw: (text) => void stdout.write(`${stdout.isTTY === true ? visible(text) : text}\n`),
    paint,
    paintNote: paintErr,
    warnings,
    clean,
    hide: (more) => {
      for (const secret of more) secrets.add(secret)
    },
    verbose: () => {
      statements = true
    },
    note: (message) => err(message),
    warn: (message) => {
      if (warnings.includes(message)) return
      warnings.push(clean(message))
      err(`${paintErr('yellow', 'Warning:')} ${under(message)}`)
    },
    output: (text) => {
      if (!quiet) stderr.write(outputOf(redact(text, secrets)))
    },
    changes: (diff) => {
      if (diff.length > 0) err(`\n${paintDiff(diff, paintErr)}\n`)
    },
    canAsk: interactive,
    progress: (progress) =>
      showProgress(progress, err, paintErr, live ? (text) => void stderr.write(text) : undefined, shown),
    confirm: async (question) => {
      mustAsk(question)
      const answer = await prompt((inquirer) =>
        asking(inquirer)<{ yes: boolean }>([
          { type: 'confirm', name: 'yes', message: shown(question.message), default: false },
        ]),
      )
      return answer.yes
    },
    ask: async (question) => {
      mustAsk(question)
      const answer = await prompt((inquirer) =>
        asking(inquirer)<{ text: string }>([
          {
            type: 'input',
            name: 'text',
            message: shown(question.message),
            ...(question.fallback !== undefined && { default: oneLine(question.fallback) }),
          },
        ]),
      )
      return answer.text
    },
    onStatement: (sql, milliseconds) => {
      if (statements) err(paintErr('dim', `[${milliseconds.toFixed(1)} ms] ${redact(sql, secrets)}`))
    },
  }
}

/**
 * Colours that only this process can write: they are set last, for marks that no foreign text can know, when every other
 * escape character was made visible.
 */
function colours(): { readonly paintOn: (on: boolean) => Paint; readonly painted: (text: string) => string } {
  const mark = randomBytes(12).toString('hex')
  const keys = Object.keys(SEQUENCES).join('|')
  const token = new RegExp(`${mark}(?:(${keys})<|>)`, 'g')
  const painted = (text: string) => {
    const open: Style[] = []
    return text.replace(token, (_, style?: Style) => {
      if (style !== undefined) open.push(style)
      const of = style ?? open.pop()
      return of === undefined ? '' : `\u001b[${SEQUENCES[of][style === undefined ? 1 : 0]}m`
    })
  }
  return { paintOn: (on) => (style, text) => (on ? `${mark}${style}<${text}${mark}>` : text), painted }
}

const SEQUENCES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

/** Secrets are hidden value by value: in the whole document they may be spelt differently. bigint has no JSON of its own. */
function toJson(value: unknown, clean: (text: string) => string): string {
  const plain = (_key: string, part: unknown) =>
    typeof part === 'string' ? clean(part) : typeof part === 'bigint' ? part.toString() : part
  return JSON.stringify(value, plain, 2)
}

/** Further lines of a message stand under it, so that none can be taken for a line of its own. */
export function under(message: string): string {
  return message.replace(/\n(?=\S)/g, '\n  ')
}

/** What another program printed, piece by piece: its colours are left out, its carriage returns are lines. */
function outputOf(text: string): string {
  const plain = stripVTControlCharacters(text).replace(/\r\n?/g, '\n')
  // A piece may end in the middle of a line, so a command to a CI system is one already where it begins.
  return withoutCommands(visible(plain)).replace(/^([^\S\n]*):(?=:|$)/gm, '$1\\x3a')
}

function showProgress(
  progress: Progress,
  err: (text: string) => void,
  paint: Paint,
  live: ((text: string) => void) | undefined,
  shown: (text: string) => string,
): void {
  const verb = 'direction' in progress && progress.direction === 'down' ? 'Unapplying' : 'Applying'
  const name = oneLine(progress.name)
  if (progress.kind === 'start')
    live?.(`\r\u001b[2K${shown(`${verb} ${name} (${progress.index + 1}/${progress.total}) …`)}`)
  if (progress.kind === 'elsewhere') {
    live?.('\r\u001b[2K')
    err(`${name} was ${progress.direction === 'down' ? 'unapplied' : 'applied'} by another rays meanwhile`)
  }
  if (progress.kind !== 'done') return
  live?.('\r\u001b[2K')
  const done = progress.direction === 'down' ? 'Unapplied' : 'Applied'
  err(`${paint('green', done)} ${name} ${paint('dim', `(${duration(progress.milliseconds)})`)}`)
}

/** Lines of the schema behind `+`, `-` or a space; green, red or plain. */
export function paintDiff(diff: readonly BlockDiff[], paint: Paint): string {
  const line = (mark: '+' | '-' | ' ', text: string) => {
    const shown = `${mark} ${text}`.trimEnd()
    return mark === ' ' ? shown : paint(mark === '+' ? 'green' : 'red', shown)
  }
  return diff.map(({ lines }) => lines.map(({ mark, text }) => line(mark, text)).join('\n')).join('\n\n')
}

/** `12 ms`, `3.4 s`, `2 min 5 s`. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds))
  if (ms < 1000) return `${ms} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
