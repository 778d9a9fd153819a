/** Runs a program of the project's: a seed, a hook. Its output goes to the person. */
import path from 'node:path'

export interface Program {
  readonly command: string
  readonly args?: readonly string[]
  /** The command is a line for the shell. */
  readonly shell?: boolean
  readonly cwd: string
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>
  readonly onOutput: (text: string) => void
  readonly signal?: AbortSignal
}

export interface Ended {
  /** 0: it did what it should. */
  readonly code: number
  /** `exit code 3`, `signal SIGTERM`, `it could not be started: ENOENT`. */
  readonly why: string
}

/** Waits for the program's end. Programs of the project's node_modules are found without a path. Never rejects. */
export async function runProgram({
  command,
  args = [],
  shell = false,
  cwd,
  env,
  onOutput,
  signal,
}: Program): Promise<Ended> {
  const bin = path.join(cwd, 'node_modules', '.bin')
  const { spawn } = await import('node:child_process')
  return new Promise((resolve) => {
    const child = spawn(command, [...args], {
      cwd,
      shell,
      env: { ...process.env, ...env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const stop = () => child.kill('SIGTERM')
    signal?.addEventListener('abort', stop, { once: true })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onOutput)
    const end = (ended: Ended) => {
      signal?.removeEventListener('abort', stop)
      resolve(ended)
    }
    child.on('error', (error: NodeJS.ErrnoException) =>
      end({ code: 127, why: `it could not be started: ${error.code ?? error.message}` }),
    )
    child.on('close', (code, killed) =>
      end(code === null ? { code: 1, why: `signal ${killed}` } : { code, why: `exit code ${code}` }),
    )
  })
}
