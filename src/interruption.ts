/** The one way of being interrupted: how a signal is noticed, how it stops what runs, and what a command ends with. */
import type { Connection } from '../engines/engine.js'
import { hearSignals } from '../engines/process.js'
import { InterruptedError, type RaysErrorOptions } from './errors.js'

/** The error that a command ends with, with the exit code of the signal. @param message says what was left */
export function interrupted(signal: AbortSignal, message: string, options?: RaysErrorOptions): InterruptedError {
  const { reason } = signal
  return new InterruptedError(message, reason === 129 || reason === 143 ? reason : 130, options)
}

/**
 * Between two steps, and before the first that writes: neither SQLite nor what is only computed lets the process hear of a
 * signal.
 * @throws {InterruptedError} where a signal has come
 */
export async function stopIfInterrupted(
  { signal }: { readonly signal: AbortSignal },
  message: string,
  options?: RaysErrorOptions,
): Promise<void> {
  await hearSignals()
  if (signal.aborted) throw interrupted(signal, message, options)
}

/**
 * Runs a transaction that a signal stops at once: the statement that runs meanwhile is cancelled, which undoes the whole.
 * What comes after it is not hit any more.
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  connection: Pick<Connection, 'cancel'>,
  work: () => Promise<T>,
): Promise<T> {
  let cancelling: Promise<void> | undefined
  const cancel = () => {
    cancelling = connection.cancel()
  }
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await work()
  } finally {
    signal?.removeEventListener('abort', cancel)
    await cancelling
  }
}
