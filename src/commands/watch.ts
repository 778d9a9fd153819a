/** Waits for changes of a schema file, or of the files of a schema folder. */
import path from 'node:path'
import type { FSWatcher } from 'chokidar'
import { FailedError } from '../errors.js'
import { saying } from '../user-code.js'

export interface Watched {
  readonly path: string
  readonly layout: 'file' | 'folder'
}

/** Milliseconds without another change after which a burst of them is over: editors write in several steps. */
const QUIET = 150
/** Milliseconds between two looks at the files, where the system tells of no changes. */
const INTERVAL = 300

/**
 * Yields after each burst of changes, until the signal. Where the system gives no notice of changes (its watches are used up,
 * the folder is on a network), the files are looked at again and again instead, which is warned of once.
 * @throws {FailedError} where they cannot be looked at either
 */
export async function* changesIn(
  watched: Watched,
  signal: AbortSignal,
  warn: (text: string) => void,
): AsyncGenerator<void> {
  const bursts = new Bursts(signal)
  let watcher = await open(watched, false, bursts, fallBack)
  /** Undefined where there is nothing left to try. */
  let polling: Promise<void> | undefined
  function fallBack(error: unknown): void {
    polling ??= (async () => {
      warn(`The system gives no notice of changes (${saying(error)}): the files are looked at every ${INTERVAL} ms.`)
      await watcher.close()
      watcher = await open(watched, true, bursts, (again) =>
        bursts.fail(new FailedError(`${watched.path} can no longer be watched: ${saying(again)}`, { cause: again })),
      )
      // What was changed in between was seen by nobody.
      bursts.change()
    })().catch((again: unknown) => bursts.fail(again))
  }
  try {
    while (await bursts.next()) yield
  } finally {
    bursts.end()
    await polling
    await watcher.close()
  }
}

async function open(
  { path: place, layout }: Watched,
  usePolling: boolean,
  bursts: Bursts,
  onError: (error: unknown) => void,
): Promise<FSWatcher> {
  const { watch } = await import('chokidar')
  const folder = layout === 'file' ? path.dirname(place) : place
  const isSchema = (file: string) =>
    layout === 'file' ? path.basename(file) === path.basename(place) : file.endsWith('.prisma')
  // A file that is replaced by another is watched through its folder.
  const watcher = watch(folder, {
    ignoreInitial: true,
    usePolling,
    interval: INTERVAL,
    ...(layout === 'file' && { depth: 0 }),
    ignored: (file, stats) => stats?.isFile() === true && !isSchema(file),
  })
  watcher.on('all', (_, file) => {
    if (isSchema(file)) bursts.change()
  })
  watcher.on('error', onError)
  return watcher
}

/** Changes that come in bursts, one after the other. */
class Bursts {
  #timer: NodeJS.Timeout | undefined
  #waiting = false
  #failure: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined
  readonly #onAbort = () => this.#wake()

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  change(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#waiting = true
      this.#wake()
    }, QUIET)
  }

  fail(error: unknown): void {
    this.#failure = { error }
    this.#wake()
  }

  /** Waits for the next burst; false once the signal has come. @throws what {@link fail} was given */
  async next(): Promise<boolean> {
    if (!this.#waiting && !this.signal.aborted && !this.#failure)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    if (this.#failure) throw this.#failure.error
    this.#waiting = false
    return !this.signal.aborted
  }

  end(): void {
    clearTimeout(this.#timer)
    this.signal.removeEventListener('abort', this.#onAbort)
  }
}
