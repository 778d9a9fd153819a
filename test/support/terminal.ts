/** The rays command in a pseudo-terminal (script(1) of util-linux), for what it asks. */
import { spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Whether there is a script(1) that can run a command. */
export const hasTerminal = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')

export interface Answer {
  /** What must have been shown since the answer before. */
  readonly to: RegExp
  /** What is typed then; `\r` is the enter key. */
  readonly type: string
}

/** Runs rays as a person would, typing each answer when its question is shown. */
export function raysInTerminal(
  folder: string,
  url: string,
  args: readonly string[],
  answers: readonly Answer[],
): Promise<{ readonly code: number | null; readonly shown: string }> {
  const quoted = [process.execPath, path.join(ROOT, 'bin', 'rays.js'), ...args].map((word) => `'${word}'`).join(' ')
  const env: NodeJS.ProcessEnv = { ...process.env, DATABASE_URL: url, NODE_OPTIONS: '', NO_COLOR: '1', TERM: 'xterm' }
  delete env.CI
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['-qfec', quoted, '/dev/null'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
    const waiting = [...answers]
    let shown = ''
    let seen = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
      const next = waiting[0]
      if (!next?.to.test(shown.slice(seen))) return
      waiting.shift()
      seen = shown.length
      // The prompt is drawn before it listens.
      setTimeout(() => child.stdin.write(next.type), 200)
    })
    child.stdin.on('error', () => undefined)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, shown }))
  })
}
