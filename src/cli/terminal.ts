/** The person's side: streams, colours, prompts. Everything but a command's result goes to stderr. */
import { styleText } from 'node:util'
import { redact } from '../../engines/url.js'
import type { Host, Question } from '../commands/host.js'
import { UsageError } from '../errors.js'
import type { Progress } from '../history/executor.js'
import type { BlockDiff } from '../schema/schema-diff.js'

export interface Terminal extends Host {
  /** A command's result, to stdout. Composed without secrets; only what looks like a URL with a password is hidden. */
  readonly out: (text: string) => void
  /** A result that another program reads (SQL), to stdout as it is. */
  readonly raw: (text: string) => void
  /** For what goes to stdout. */
  readonly paint: Paint
  /** For what goes to stderr: either stream can be a terminal or a file. */
  readonly paintNote: Paint
  readonly warnings: readonly string[]
  /** Secrets to hide in everything that is printed. */
  readonly hide: (secrets: readonly string[]) => void
  readonly clean: (text: string) => string
  /** Shows each statement from now on. */
  readonly verbose: () => void
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

export interface TerminalOptions {
  readonly json: boolean
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
  const { stdin = process.stdin, stdout = process.stdout, stderr = process.stderr, json } = options
  const secrets = new Set<string>()
  const warnings: string[] = []
  const clean = (text: string) => redact(text, secrets)
  const paintOn =
    (on: boolean): Paint =>
    (style, text) =>
      on ? styleText(style, text, { validateStream: false }) : text
  const paint = paintOn(wantsColor(stdout, process.env, options.color))
  const paintErr = paintOn(wantsColor(stderr, process.env, options.color))
  const err = (text: string) => {
    if (!json) stderr.write(`${clean(text)}\n`)
  }
  const interactive = options.input && stdin.isTTY === true && stderr.isTTY === true && !process.env.CI && !json
  const live = stderr.isTTY === true && !json && process.env.TERM !== 'dumb'
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
    // Not every occurrence of a secret: a password such as `user` or `1` would ruin SQL, JSON and names.
    out: (text) => void stdout.write(`${redact(text)}\n`),
    raw: (text) => void stdout.write(`${text}\n`),
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
      err(`${paintErr('yellow', 'Warning:')} ${message}`)
    },
    output: (text) => {
      if (!json) stderr.write(clean(text))
    },
    changes: (diff) => {
      if (diff.length > 0) err(`\n${paintDiff(diff, paintErr)}\n`)
    },
    canAsk: interactive,
    progress: (progress) => showProgress(progress, err, paintErr, live ? stderr : undefined),
    confirm: async (question) => {
      mustAsk(question)
      const answer = await prompt((inquirer) =>
        asking(inquirer)<{ yes: boolean }>([
          { type: 'confirm', name: 'yes', message: clean(question.message), default: false },
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
            message: clean(question.message),
            ...(question.fallback !== undefined && { default: question.fallback }),
          },
        ]),
      )
      return answer.text
    },
    onStatement: (sql, milliseconds) => {
      if (statements) err(paintErr('dim', `[${milliseconds.toFixed(1)} ms] ${sql}`))
    },
  }
}

function showProgress(
  progress: Progress,
  err: (text: string) => void,
  paint: Paint,
  live: NodeJS.WriteStream | undefined,
): void {
  const verb = 'direction' in progress && progress.direction === 'down' ? 'Unapplying' : 'Applying'
  if (progress.kind === 'start')
    live?.write(`\r\u001b[2K${verb} ${progress.name} (${progress.index + 1}/${progress.total}) …`)
  if (progress.kind === 'elsewhere') {
    live?.write('\r\u001b[2K')
    err(`${progress.name} was ${progress.direction === 'down' ? 'unapplied' : 'applied'} by another rays meanwhile`)
  }
  if (progress.kind !== 'done') return
  live?.write('\r\u001b[2K')
  const done = progress.direction === 'down' ? 'Unapplied' : 'Applied'
  err(`${paint('green', done)} ${progress.name} ${paint('dim', `(${duration(progress.milliseconds)})`)}`)
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
