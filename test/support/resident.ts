/**
 * The built rays in a process that stays for the whole of a test file, for command lines that need no process of their own.
 * What such a line gets and prints is the same; it only need not wait for Node and rays to be loaded. RAYS_TEST_FRESH=1
 * gives every line its own process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'resident-process.mjs')
/** Prisma's engine keeps the memory of its instances; a process that has run so many lines is replaced. */
const LINES = 60

export interface Line {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly limitMs: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

let idle: { readonly child: ChildProcess; lines: number } | undefined
let running = false

/** Whether a line can be run here now: one at a time. */
export function residentIsFree(): boolean {
  return process.env.RAYS_TEST_FRESH === undefined && !running
}

/** A command that hangs is a failure of the test that ran it, not of the whole run. */
export function killAfter(limitMs: number, child: ChildProcess, tell: (text: string) => void): NodeJS.Timeout {
  return setTimeout(() => {
    tell(`\nThe test stopped rays after ${limitMs / 1000} s.\n`)
    child.kill('SIGKILL')
  }, limitMs)
}

/** Runs the line. Where it ends the process, or leaves a timer behind in it, the next one gets a new process. */
export async function runResident({ args, cwd, env, limitMs }: Line): Promise<Ended> {
  running = true
  const resident = idle ?? { child: await start(), lines: 0 }
  idle = undefined
  const { child } = resident
  const mark = `\u0000${randomUUID()}:`
  const output = { stdout: '', stderr: '' }
  let spent = false
  const known = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
  const ended = await new Promise<Ended>((resolve) => {
    const codes: number[] = []
    const streams = (['stdout', 'stderr'] as const).map((name) => {
      const onData = (chunk: string) => {
        output[name] += chunk
        const at = output[name].indexOf(mark)
        if (at === -1 || !output[name].endsWith('\n')) return
        const [code, left] = output[name]
          .slice(at + mark.length)
          .trim()
          .split(' ')
        codes.push(Number(code))
        spent ||= left !== undefined
        output[name] = output[name].slice(0, at)
        if (codes.length === 2) finish(codes[0]!, null)
      }
      child[name]!.on('data', onData)
      return () => child[name]!.off('data', onData)
    })
    const limit = killAfter(limitMs, child, (text) => {
      output.stderr += text
    })
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      clearTimeout(limit)
      child.off('close', finish)
      for (const stop of streams) stop()
      resolve({ code, signal, ...output })
    }
    child.on('close', finish)
    child.send({ args, cwd, env: known, mark })
  })
  resident.lines += 1
  if (child.exitCode === null && child.signalCode === null && !spent && resident.lines < LINES) idle = resident
  else if (child.connected) child.disconnect()
  running = false
  return ended
}

async function start(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  child.stdout!.setEncoding('utf8')
  child.stderr!.setEncoding('utf8')
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`rays could not be loaded: exit code ${code}`)))
  })
  return child
}

afterAll(() => {
  if (idle?.child.connected) idle.child.disconnect()
  idle = undefined
})
