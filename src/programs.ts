/** Runs a program of the project's: a seed, a hook. Its output goes to the person. */
import path from 'node:path'
import { attend, OWN_GROUP } from './children.js'

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
  /** It did not end by itself: rays was told to stop, or somebody ended it. Nobody knows how far it came. */
  readonly stopped: boolean
}

/**
 * Waits for the end of the program and of what it started. Programs of the project's node_modules are found without a path.
 * Never rejects.
 */
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
  const child = spawn(command, [...args], {
    ...OWN_GROUP,
    cwd,
    shell,
    env: { ...process.env, ...env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onOutput)
  const { code, killedBy, error, stopped } = await attend(child, signal, true)
  if (error) return { code: 127, why: `it could not be started: ${error.code ?? error.message}`, stopped: false }
  if (code === null) return { code: 1, why: `signal ${killedBy}`, stopped: true }
  return { code, why: `exit code ${code}`, stopped }
}
