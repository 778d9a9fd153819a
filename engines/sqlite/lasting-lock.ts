/**
 * The migration lock of SQLite between transactions, while a migration is applied operation by operation: an empty SQLite
 * file beside the database, held by an exclusive transaction that writes nothing. The operating system takes the lock away
 * when the process ends, however that ends, so a file that is left behind holds nobody up.
 *
 * The file is made and removed only by who has the database's own write lock at that moment: no two are ever at it.
 *
 * The folder may be another user's, who has put something else under the file's name: nothing there is followed, opened or
 * changed but a file of one name (see {@link makeEmpty}).
 */
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import type { Database } from 'better-sqlite3'
import { EngineError } from '../engine.js'
import { isBusy, SqliteFileError } from './errors.js'
import { makeEmpty, nodeAt } from './files.js'
import { openBeside } from './session.js'

/** SQLite does not tell who holds its lock. */
export const WRITER = 'another process that is writing to the file (Prisma Migrate, Prisma Studio, the application)'
/** Nor which process it is. */
export const MIGRATOR =
  'another rays that is applying a migration operation by operation, outside of a transaction (transaction = false)'

/** Another connection is at the database, operation by operation. */
export class HeldBetweenError extends EngineError {
  override readonly name = 'HeldBetweenError'
  readonly kind = 'busy'
  constructor() {
    super(`the migration lock is held by ${MIGRATOR}`)
  }
}

/** Who stands in the way, by the error that tells so. */
export function holderOf(error: unknown): string {
  return error instanceof HeldBetweenError ? MIGRATOR : WRITER
}

/** How long the end of the lock waits for another process that is writing. */
export const RELEASE_MS = 1000

export class LastingLock {
  /** The database's file as SQLite knows it: absolute, whatever link or relative path led there. */
  readonly #database: string
  /** Undefined for a database in memory, which no other process knows. */
  readonly #path: string | undefined
  #own: Database | undefined

  /** @param handle the database whose lock it is */
  constructor(private readonly handle: Database) {
    const [main] = handle.pragma('database_list') as { file: string }[]
    this.#database = main!.file
    this.#path = this.#database === '' ? undefined : `${this.#database}-rays-lock`
  }

  get isOwn(): boolean {
    return this.#own !== undefined
  }

  /** Whether another connection holds it. Changes nothing, and needs no right to write. */
  isHeld(): boolean {
    // No rays holds a lock on anything but a file, and opening a pipe would wait for ever.
    if (this.#path === undefined || this.#own || !nodeAt(this.#path)?.isFile()) return false
    let probe: Database | undefined
    try {
      probe = openBeside(this.handle, this.#path, { readonly: true, fileMustExist: true, timeout: 0 })
      probe.exec('SELECT 1 FROM sqlite_schema')
      return false
    } catch (error) {
      if (isBusy(error)) return true
      // Its holder has removed it.
      if (nodeAt(this.#path) === undefined || isNoDatabase(error)) return false
      throw error
    } finally {
      probe?.close()
    }
  }

  /** @throws {HeldBetweenError} when another connection holds it */
  refuseHeld(): void {
    if (this.isHeld()) throw new HeldBetweenError()
  }

  /**
   * Makes sure that nobody holds it, and removes what a dead process left. The caller has the database's write lock.
   * @throws {HeldBetweenError}
   */
  clear(): void {
    if (this.#path === undefined || this.#own || nodeAt(this.#path) === undefined) return
    this.refuseHeld()
    this.#remove()
  }

  /**
   * Takes it. The caller has the database's write lock. Where no file can be made (a folder that may only be read, in which a
   * database with a write-ahead log can still be written to), nothing is held.
   * @throws {HeldBetweenError}; {@link SqliteFileError} where something that is no such file has its name
   */
  take(): void {
    if (this.#path === undefined || this.#own) return
    this.clear()
    let file: Database | undefined
    try {
      const prepared = this.#prepare(this.#path)
      file = openBeside(this.handle, this.#path, { fileMustExist: true })
      // SQLite prepares the first page of an empty file: with a journal on the disk, that would be a second file.
      file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
      const now = nodeAt(this.#path)
      if (now?.ino !== prepared.ino || now.dev !== prepared.dev)
        throw foreign(this.#path, 'was replaced by another file')
    } catch (error) {
      file?.close()
      if (isBusy(error)) throw new HeldBetweenError()
      if (isRefused(error)) return
      throw isNoDatabase(error) ? foreign(this.#path, 'is a file of another program') : error
    }
    this.#own = file
  }

  /** The file, made or left by a dead process, which SQLite may open. */
  #prepare(path: string): Stats {
    const { mode, uid, gid } = statSync(this.#database)
    const made = makeEmpty(path, mode & 0o666)
    if (made === undefined) {
      const found = nodeAt(path)
      if (!found?.isFile()) throw foreign(path, `is ${found?.isSymbolicLink() ? 'a symbolic link' : 'no file'}`)
      if (found.nlink > 1) throw foreign(path, 'is a hard link to another file')
      // SQLite would open without a word, and lock nothing, what may only be read.
      accessSync(path, constants.W_OK)
      return found
    }
    try {
      // Who may write to the database may take the lock, also when it was left by another user: as SQLite does with its journal.
      fchmodSync(made, mode & 0o666)
      if (process.getuid?.() === 0) fchownSync(made, uid, gid)
    } catch {
      // Then it has the rights that new files have.
    }
    try {
      return fstatSync(made)
    } finally {
      // Before SQLite opens it: closing a file gives up every lock that the process has on it.
      closeSync(made)
    }
  }

  /** @param alone whether the caller has the database's write lock: only then the file goes as well */
  release(alone: boolean): void {
    if (!this.#own) return
    this.#own.close()
    this.#own = undefined
    if (alone) this.#remove()
  }

  #remove(): void {
    try {
      const found = nodeAt(this.#path!)
      // What has bytes in it is somebody's data.
      if (found?.isFile() && found.size === 0) rmSync(this.#path!)
    } catch {
      // It may not be removed: it holds nobody up.
    }
  }
}

function foreign(path: string, what: string): SqliteFileError {
  return new SqliteFileError(
    'other',
    'LOCK_FILE',
    `The migration lock cannot be taken: ${path} ${what}, which rays leaves alone.`,
    { hint: 'Somebody who may write to that folder put it there. Look at it, remove it, and run the command again.' },
  )
}

const isNoDatabase = (error: unknown) => (error as Partial<SqliteFileError>).code === 'SQLITE_NOTADB'

/** The file system lets nobody, or not this user, make the file. */
function isRefused(error: unknown): boolean {
  const { code = '' } = error as Partial<SqliteFileError>
  return /^(?:SQLITE_CANTOPEN|SQLITE_READONLY|EACCES|EPERM|EROFS)/.test(code)
}
