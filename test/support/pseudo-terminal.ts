/** rays on a terminal, as a person sees it: util-linux' `script` lends one to the process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Whether this machine has a `script` that takes `-c` and passes exit codes on (util-linux). */
export const hasTerminal = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')

export interface Typed {
  readonly code: number
  /** What was on the screen, without control sequences. */
  readonly screen: string
}

/**
 * Runs rays on a terminal.
 * @param onScreen told of the whole screen whenever it changes
 * @param talk for each text that is waited for, what is typed then; `\r` is Enter, `\u0003` is Ctrl-C
 */
export function onTerminal(
  folder: string,
  line: string,
  env: Readonly<Record<string, string | undefined>>,
  talk: readonly (readonly [RegExp, string])[],
  onScreen: (child: ChildProcess, screen: string) => void = () => {},
): Promise<Typed> {
  const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const command = [process.execPath, path.join(ROOT, 'bin/rays.js'), ...line.split(' ')].map(quote).join(' ')
  // Wide enough that no line is broken.
  const child = spawn('script', ['-q', '-e', '-c', `stty cols 400; exec ${command}`, '/dev/null'], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: undefined, CI: undefined, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // It may have ended before the last is typed.
  child.stdin.on('error', () => undefined)
  let screen = ''
  let seen = 0
  const steps = [...talk]
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    screen += chunk.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '')
    onScreen(child, screen)
    const match = steps[0]?.[0].exec(screen.slice(seen))
    if (!match) return
    seen = screen.length
    const [, typed] = steps.shift()!
    // A person reads before typing; and the prompt is drawn before it listens.
    setTimeout(() => child.stdin.write(typed), 100)
  })
  // A question that nobody answers must not go on holding the lock of a server.
  const limit = setTimeout(() => child.kill('SIGKILL'), 40_000)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(limit)
      child.stdin.end()
      resolve({ code: code ?? -1, screen })
    })
  })
}
