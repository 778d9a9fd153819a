/** SQLite's errors in the vocabulary of the contract. */
import { EngineError, type ErrorInfo } from '../engine.js'
import { quoted } from '../foreign.js'

type Kind = ErrorInfo['kind']

/** A database file that cannot be opened: missing, a directory, not a database. */
export class SqliteFileError extends EngineError {
  override readonly name = 'SqliteFileError'
  constructor(
    readonly kind: Kind,
    readonly code: string,
    message: string,
    options?: ErrorOptions & { readonly hint?: string },
  ) {
    super(message, options)
    this.hint = options?.hint
  }
  readonly hint: string | undefined
}

/** By result code, extended codes cut to their base (https://www.sqlite.org/rescode.html). */
const CODES: Readonly<Record<string, Kind>> = {
  SQLITE_BUSY: 'busy',
  SQLITE_LOCKED: 'busy',
  SQLITE_CONSTRAINT: 'data',
  SQLITE_MISMATCH: 'data',
  SQLITE_READONLY: 'read-only',
  SQLITE_FULL: 'disk-full',
  SQLITE_TOOBIG: 'packet-too-large',
  SQLITE_PERM: 'permission',
  SQLITE_AUTH: 'permission',
  SQLITE_CANTOPEN: 'connection',
  SQLITE_NOTADB: 'connection',
  SQLITE_CORRUPT: 'connection',
  SQLITE_INTERRUPT: 'cancelled',
}

/** SQLITE_ERROR is told apart by its text. */
const MESSAGES: readonly (readonly [RegExp, Kind])[] = [
  [/^no such table/, 'missing-table'],
  [/cannot VACUUM from within|inside a transaction|from within a transaction/, 'needs-no-transaction'],
  [/syntax error|incomplete input|unrecognized token/, 'syntax'],
]

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /^unknown datatype for/,
    'The table is STRICT, which knows INT, INTEGER, REAL, TEXT, BLOB and ANY: make an ordinary table of it in an operation before this one.',
  ],
  [/cannot VACUUM/, 'Take the migration out of its transaction: transaction = false.'],
]

/** Tells an error of better-sqlite3 in the contract's words. Takes anything. */
export function explainSqlite(error: unknown): ErrorInfo {
  const e = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown; message?: unknown }
  const message = typeof e.message === 'string' ? e.message : typeof error === 'object' ? 'no reason' : String(error)
  const code = typeof e.code === 'string' ? e.code : error instanceof EngineError ? error.name : 'ERROR'
  if (error instanceof EngineError) {
    const { kind = 'other', hint } = error as { kind?: Kind; hint?: string }
    return { kind, code, message, ...(hint && { hint }) }
  }
  const base = /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? ''
  const kind = CODES[base] ?? MESSAGES.find(([pattern]) => pattern.test(message))?.[1] ?? 'other'
  const hint = HINTS.find(([pattern]) => pattern.test(message))?.[1]
  return { kind, code, message: quoted(message), ...(hint && { hint }) }
}

/** Whether another process stands in the way for now. */
export function isBusy(error: unknown): boolean {
  return explainSqlite(error).kind === 'busy'
}
