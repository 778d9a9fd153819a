/** What a process knows of itself and of others. */
import { setImmediate } from 'node:timers/promises'

/** Whether a process of this number runs on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}

/**
 * Lets the process hear of signals, which are told in a turn of the event loop. What runs after a poll gets to the next poll
 * in the second turn.
 */
export async function hearSignals(): Promise<void> {
  await setImmediate()
  await setImmediate()
}
