/** The programs that rays runs end with it: they are asked to when it is told to stop, and made to when they do not. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds that a program has to end after it was asked to. */
const GRACE_MS = 5_000
/** A signal to all processes of a service or a container may reach the program before it reaches rays. */
const LATE_MS = 200

/**
 * Options of spawn for a program that gets a group of processes of its own, so that a signal reaches what it started, too.
 * Such a program cannot read from the terminal.
 */
export const OWN_GROUP = { detached: process.platform !== 'win32' } as const

/** The signals that rays is told to stop with, by its exit code. */
const SIGNALS: Readonly<Record<number, NodeJS.Signals>> = { 129: 'SIGHUP', 130: 'SIGINT', 143: 'SIGTERM' }

export interface End {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly killedBy: NodeJS.Signals | null
  /** Why it could not be started. */
  readonly error?: NodeJS.ErrnoException
  /** rays was told to stop before the program had ended: whether it has done its work is not known. */
  readonly stopped: boolean
}

/**
 * Waits until the program and its output have ended. Never rejects.
 * @param signal that rays is to stop: the program is told to, and after some seconds gets a SIGKILL
 * @param group the program has a group of its own, see {@link OWN_GROUP}
 */
export async function attend(child: ChildProcess, signal: AbortSignal | undefined, group: boolean): Promise<End> {
  const send = (name: NodeJS.Signals | 0): boolean => {
    try {
      if (!group || process.platform === 'win32' || child.pid === undefined) return child.kill(name)
      return process.kill(-child.pid, name)
    } catch {
      return false
    }
  }
  let timer: NodeJS.Timeout | undefined
  let deadline = Number.POSITIVE_INFINITY
  const kill = () => {
    send('SIGKILL')
    // What holds the output still has left the group.
    timer = setTimeout(() => [child.stdout, child.stderr].map((stream) => stream?.destroy()), 1_000)
  }
  const stop = () => {
    deadline = Date.now() + GRACE_MS
    // Programs in the background of a script do not hear SIGINT.
    send(group ? 'SIGTERM' : (SIGNALS[Number(signal?.reason)] ?? 'SIGTERM'))
    timer = setTimeout(kill, GRACE_MS)
  }
  // A second signal ends rays at once.
  const leave = () => void send('SIGKILL')
  process.on('exit', leave)
  if (signal?.aborted) stop()
  else signal?.addEventListener('abort', stop, { once: true })
  try {
    const end = await new Promise<Omit<End, 'stopped'>>((resolve) => {
      child.on('error', (error) => resolve({ code: null, killedBy: null, error }))
      child.on('close', (code, killedBy) => resolve({ code, killedBy }))
    })
    if (signal?.aborted) {
      while (group && child.pid !== undefined && send(0)) {
        if (Date.now() > deadline) send('SIGKILL')
        await pause(20)
      }
    } else if (signal && end.code !== 0 && !end.error) await heard(signal)
    return { ...end, stopped: signal?.aborted === true }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
    process.removeListener('exit', leave)
  }
}

async function heard(signal: AbortSignal): Promise<void> {
  await pause(LATE_MS, undefined, { signal }).catch(() => undefined)
}
