/**
 * The migration lock of SQLite between transactions, while a migration is applied operation by operation: an empty SQLite
 * file beside the database, held by an exclusive transaction that writes nothing. The operating system takes the lock away
 * when the process ends, however that ends, so a file that is left behind holds nobody up.
 *
 * The file is made and removed only by who has the database's own write lock at that moment: no two are ever at it.
 */
import { accessSync, chmodSync, chownSync, constants, existsSync, rmSync, statSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import { EngineError } from '../engine.js'
import { isBusy, type SqliteFileError } from './errors.js'
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
    if (this.#path === undefined || this.#own || !existsSync(this.#path)) return false
    let probe: Database | undefined
    try {
      probe = openBeside(this.handle, this.#path, { readonly: true, fileMustExist: true, timeout: 0 })
      probe.exec('SELECT 1 FROM sqlite_schema')
      return false
    } catch (error) {
      if (isBusy(error)) return true
      // Its holder has removed it.
      if (!existsSync(this.#path)) return false
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
    if (this.#path === undefined || this.#own || !existsSync(this.#path)) return
    this.refuseHeld()
    this.#remove()
  }

  /**
   * Takes it. The caller has the database's write lock. Where no file can be made (a folder that may only be read, in which a
   * database with a write-ahead log can still be written to), nothing is held.
   * @throws {HeldBetweenError}
   */
  take(): void {
    if (this.#path === undefined || this.#own) return
    this.clear()
    let file: Database | undefined
    try {
      // SQLite would open without a word, and lock nothing, what may only be read.
      if (existsSync(this.#path)) accessSync(this.#path, constants.W_OK)
      file = openBeside(this.handle, this.#path)
      // SQLite prepares the first page of an empty file: with a journal on the disk, that would be a second file.
      file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    } catch (error) {
      file?.close()
      if (isBusy(error)) throw new HeldBetweenError()
      if (isRefused(error)) return
      throw error
    }
    this.#own = file
    this.#resemble()
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
      // What has bytes in it is somebody's data.
      if (statSync(this.#path!).size === 0) rmSync(this.#path!)
    } catch {
      // It is not there, or may not be removed: it holds nobody up.
    }
  }

  /** Who may write to the database may take the lock, also when it was left by another user: as SQLite does with its journal. */
  #resemble(): void {
    try {
      const { mode, uid, gid } = statSync(this.#database)
      chmodSync(this.#path!, mode & 0o666)
      if (process.getuid?.() === 0) chownSync(this.#path!, uid, gid)
    } catch {
      // Then it has the rights that new files have.
    }
  }
}

/** The file system lets nobody, or not this user, make the file. */
function isRefused(error: unknown): boolean {
  const { code = '' } = error as Partial<SqliteFileError>
  return /^(?:SQLITE_CANTOPEN|SQLITE_READONLY|EACCES|EPERM|EROFS)/.test(code)
}
