/** Runs code of the user's so that it cannot end rays, or leave it waiting for nothing, unnoticed. */

export interface UserCode {
  /** What is run, for messages: `operation 2 of 20261120130501_init`. */
  readonly what: string
  /** Milliseconds it may take; 0 is no limit. */
  readonly timeoutMs?: number
  /** Called once when the limit has passed, before the promise is rejected. */
  readonly onTimeout?: () => void
}

/**
 * Races the work against its time limit, `process.exit`, a rejection that nobody handles, and an event loop that has
 * nothing left to do.
 * @throws what the work throws, the unhandled rejection, or an Error that says which of the others it was
 */
export async function guardUserCode<T>(
  { what, timeoutMs = 0, onTimeout }: UserCode,
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
    process.exit = ((code?: number | string) => {
      exited = new Error(`${what} called process.exit(${code ?? ''})`)
      reject(exited)
      throw exited
    }) as typeof process.exit
  })
  // The work may throw before anybody looks at the watchdogs.
  watchdogs.catch(() => undefined)
  try {
    const result = await Promise.race([(async () => work())(), watchdogs])
    // The call threw, and somebody caught it: it was meant to end the program all the same.
    if (exited) throw exited
    return result as Awaited<T>
  } finally {
    process.exit = exit
    clearTimeout(timer)
    process.removeListener('beforeExit', onEmpty)
    process.removeListener('unhandledRejection', onUnhandled)
  }
}
