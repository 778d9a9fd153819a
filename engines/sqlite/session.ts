/** Opening a SQLite file, and waiting for other processes without standing still. */
import { closeSync, readlinkSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type BetterSqlite3 from 'better-sqlite3'
import type { Database } from 'better-sqlite3'
import { type ConnectOptions, MissingDriverError } from '../engine.js'
import { hearSignals } from '../process.js'
import { isBusy, SqliteFileError } from './errors.js'
import { makeEmpty, nodeAt } from './files.js'

/** The driver waits this long inside SQLite, where nothing else of the process runs; the rest is waited outside. */
const BUSY_MS = 100

async function loadDriver(): Promise<typeof BetterSqlite3> {
  try {
    return (await import('better-sqlite3')).default
  } catch (cause) {
    throw missingDriver('The SQLite driver is not installed.', cause)
  }
}

function missingDriver(what: string, cause: unknown): MissingDriverError {
  return new MissingDriverError(
    `${what} Run: npm install better-sqlite3. It has a native part that is downloaded or compiled by an install script: where npm blocks those, allow it for better-sqlite3 (npm approve-scripts) and run npm rebuild better-sqlite3.`,
    { cause },
  )
}

/** Opens a file that exists. @throws {SqliteFileError} telling the path and what is wrong with it */
export async function open(path: string, options: ConnectOptions): Promise<Database> {
  const driver = await loadDriver()
  refuseMissing(path)
  const database = construct(driver, path, { readonly: options.readOnly === true, fileMustExist: true })
  try {
    // The file is read only now; foreign keys as Prisma has them.
    await retryBusy(options.lockTimeoutMs, () =>
      database.exec('PRAGMA foreign_keys = ON; SELECT 1 FROM sqlite_schema LIMIT 1'),
    )
    return database
  } catch (error) {
    database.close()
    if ((error as { code?: string }).code === 'SQLITE_NOTADB')
      throw new SqliteFileError('connection', 'SQLITE_NOTADB', `${path} is not a SQLite database.`, { cause: error })
    throw error
  }
}

/** A database that lives in this process only. */
export async function openInMemory(): Promise<Database> {
  const database = construct(await loadDriver(), ':memory:', {})
  database.exec('PRAGMA foreign_keys = ON')
  return database
}

/**
 * Opens a file that belongs to a database, and makes it where it is missing. With the same copy of the driver: two of them in
 * one process take away each other's locks.
 */
export function openBeside(database: Database, path: string, options: BetterSqlite3.Options = {}): Database {
  return construct(database.constructor as typeof BetterSqlite3, path, options)
}

/**
 * Creates an empty database file. Returns whether it did: false where one has the name by now.
 * @param mode its rights, less the umask
 * @throws {SqliteFileError} where a link of another user has the name
 */
export async function create(path: string, mode = 0o666): Promise<boolean> {
  const driver = await loadDriver()
  const file = missingTarget(path)
  const made = makeEmpty(file, mode)
  if (made === undefined) return false
  closeSync(made)
  const database = construct(driver, file, { fileMustExist: true })
  // SQLite writes nothing for an empty database; one statement makes it a database for good.
  database.exec('PRAGMA user_version = 0; VACUUM')
  database.close()
  return true
}

/** Where a link to nothing points. A link that another user has put there may lead anywhere this user may write. */
function missingTarget(path: string, links = 0): string {
  const found = nodeAt(path)
  // SQLite and the operating system give up on links that lead to each other.
  if (!found?.isSymbolicLink() || links > 40) return path
  const user = process.geteuid?.()
  if (user === undefined || found.uid === user || found.uid === 0)
    return missingTarget(resolve(dirname(path), readlinkSync(path)), links + 1)
  throw new SqliteFileError(
    'permission',
    'EPERM',
    `The database file ${path} cannot be made: it is a symbolic link of another user, to a file that does not exist.`,
    { hint: 'Name the file itself in the database URL, or remove the link.' },
  )
}

function construct(driver: typeof BetterSqlite3, path: string, options: BetterSqlite3.Options): Database {
  try {
    return new driver(path, { timeout: BUSY_MS, ...options })
  } catch (error) {
    const { code = '', message = '' } = error as { code?: string; message?: string }
    if (/bindings file|NODE_MODULE_VERSION|ERR_DLOPEN_FAILED|invalid ELF/.test(`${code} ${message}`))
      throw missingDriver('The SQLite driver is installed, but its native part does not fit this Node.js.', error)
    throw new SqliteFileError('connection', code || 'SQLITE_CANTOPEN', `${path} cannot be opened: ${message}.`, {
      cause: error,
    })
  }
}

function refuseMissing(path: string): void {
  let stats: ReturnType<typeof statSync>
  try {
    stats = statSync(path)
  } catch (error) {
    const { code = '' } = error as { code?: string }
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new SqliteFileError('missing-database', code, `The database file ${path} does not exist.`, { cause: error })
    throw new SqliteFileError('permission', code, `The database file ${path} cannot be reached (${code}).`, {
      cause: error,
    })
  }
  if (stats.isDirectory()) throw new SqliteFileError('connection', 'EISDIR', `${path} is a directory, not a database.`)
}

/** Tries again while another process holds the file, until the limit; between the tries the process is free. */
export async function retryBusy<T>(
  limitMs: number,
  work: () => T,
  waiting?: (waitedMs: number, error: unknown) => void,
): Promise<T> {
  const started = performance.now()
  for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
    try {
      return work()
    } catch (error) {
      const waited = performance.now() - started
      if (!isBusy(error) || waited >= limitMs) throw error
      waiting?.(waited, error)
      await sleep(Math.max(1, Math.min(pause * (0.75 + Math.random() / 2), limitMs - waited)))
    }
  }
}

/** As long as SQLite may keep the process from hearing of a signal, in milliseconds. */
const DEAF_MS = 20

/** SQLite runs inside this process, so between its statements the process is given turns of the event loop. */
export function turns(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < DEAF_MS) return
    await hearSignals()
    last = performance.now()
  }
}
