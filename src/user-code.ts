/** Runs code of the user's so that it cannot end rays, or leave it waiting for nothing, unnoticed. */
import { inspect, types } from 'node:util'

export interface UserCode {
  /** What is run, for messages: `operation 2 of 20261120130501_init`. */
  readonly what: string
  /** Milliseconds it may take; 0 is no limit. */
  readonly timeoutMs?: number
  /** Called once when the limit has passed, before the promise is rejected. */
  readonly onTimeout?: () => void
  /** Ends the waiting when it is rejected. */
  readonly until?: Promise<never>
}

/**
 * Races the work against its time limit, `process.exit`, a rejection that nobody handles, and an event loop that has
 * nothing left to do.
 * @throws what the work throws, the unhandled rejection, or an Error that says which of the others it was
 */
export async function guardUserCode<T>(
  { what, timeoutMs = 0, onTimeout, until }: UserCode,
  work: () => T,
): Promise<Awaited<T>> {
  const exit = process.exit
  let timer: NodeJS.Timeout | undefined
  let onEmpty = () => {}
  let onUnhandled: (reason: unknown) => void = () => {}
  let exited: Error | undefined
  const watchdogs = new Promise<never>((_, reject) => {
    if (timeoutMs > 0) {
      timer = setTimeout(() => {
        onTimeout?.()
        reject(new Error(`${what} did not end within ${timeoutMs / 1000} s`))
      }, timeoutMs)
    }
    onEmpty = () =>
      reject(new Error(`${what} never finished: nothing is left that could end it (a promise that never settles)`))
    onUnhandled = reject
    process.once('beforeExit', onEmpty)
    process.on('unhandledRejection', onUnhandled)
    process.on('uncaughtException', onUnhandled)
    process.exit = ((code?: number | string) => {
      exited = new Error(`${what} called process.exit(${code ?? ''})`)
      reject(exited)
      throw exited
    }) as typeof process.exit
  })
  // The work may throw before anybody looks at the watchdogs.
  watchdogs.catch(() => undefined)
  try {
    const result = await Promise.race([(async () => work())(), watchdogs, ...(until ? [until] : [])])
    // The call threw, and somebody caught it: it was meant to end the program all the same.
    if (exited) throw exited
    return result as Awaited<T>
  } catch (thrown) {
    throw readable(thrown)
  } finally {
    process.exit = exit
    clearTimeout(timer)
    process.removeListener('beforeExit', onEmpty)
    process.removeListener('unhandledRejection', onUnhandled)
    process.removeListener('uncaughtException', onUnhandled)
  }
}

/** What code of the user's threw, if its words can be read; else an Error that says that they cannot. */
export function readable(thrown: unknown): unknown {
  try {
    if (types.isProxy(thrown)) return new Error('it threw a proxy, whose words cannot be read')
    if (!(thrown instanceof Error)) {
      // A driver's error is told by its code.
      const { code } = (thrown ?? {}) as { code?: unknown }
      return typeof code === 'object' ? new Error(saying(thrown)) : thrown
    }
    const { message, stack = '', name, cause } = thrown
    const words = [message, stack, name]
    if (words.some((word) => typeof word !== 'string')) return new Error(saying(thrown))
    if (cause !== undefined && readable(cause) !== cause) return new Error(message)
    return thrown
  } catch {
    return new Error('it threw an object that cannot be read')
  }
}

/** A thrown value in words, whatever it is. */
export function saying(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return String(thrown.message || thrown.name)
    if (thrown === undefined) return 'it was rejected with undefined'
    return `it threw ${JSON.stringify(thrown) ?? String(thrown)}`
  } catch {
    return `it threw ${inspect(thrown, { depth: 1, breakLength: Number.POSITIVE_INFINITY, customInspect: false }).slice(0, 300)}`
  }
}
