/** PostgreSQL's errors in the vocabulary of the contract (SQLSTATE: PostgreSQL manual, appendix A). */
import { EngineError, type ErrorInfo } from '../engine.js'
import { quoted } from '../foreign.js'

type Kind = ErrorInfo['kind']

/** Whole codes before their classes. */
const CODES: Readonly<Record<string, Kind>> = {
  '3D000': 'missing-database',
  '42P01': 'missing-table',
  '42501': 'permission',
  '25006': 'read-only',
  '55P03': 'lock-timeout',
  '40P01': 'conflict', // deadlock
  '40001': 'conflict', // serialization failure
  '25001': 'needs-no-transaction',
  '25P02': 'aborted-transaction',
  '55P04': 'unsafe-enum',
  '53100': 'disk-full',
  '53300': 'connection',
  '57P01': 'connection',
  '57P02': 'connection',
  '57P03': 'connection',
  '57P04': 'connection',
  '57P05': 'connection',
  '25P03': 'connection',
  '57014': 'cancelled',
  '42601': 'syntax',
  '42809': 'other',
  '54000': 'packet-too-large',
}

const CLASSES: Readonly<Record<string, Kind>> = {
  '08': 'connection',
  '28': 'authentication',
  '22': 'data',
  '23': 'data',
}

/** What Node and the driver say of a lost or refused connection; these errors have no SQLSTATE. */
const NETWORK =
  /^(?:E(?:CONN|PIPE|HOST|NET|TIMEDOUT|AI_|ADDR|ACCES|NOTFOUND|PROTO)|ENOTFOUND|ENOENT|ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/
const LOST =
  /Connection terminated|connection error and is not queryable|Client was closed|timeout expired|Connection ended|not queryable|does not support SSL|stream.*(?:ended|destroyed)|socket hang up/i

interface DriverError {
  readonly code?: string
  readonly message?: string
  readonly detail?: string
  readonly hint?: string
  readonly position?: string
  readonly statementOffset?: number
  readonly errors?: readonly unknown[]
}

function kindOf(code: string, message: string): Kind {
  const exact = CODES[code]
  if (exact === 'cancelled' && /statement timeout/i.test(message)) return 'statement-timeout'
  if (exact === 'cancelled' && /lock timeout/i.test(message)) return 'lock-timeout'
  if (exact) return exact
  if (/^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)) return CLASSES[code.slice(0, 2)] ?? 'other'
  if (NETWORK.test(code) || LOST.test(message)) return 'connection'
  if (/SASL|password must be a string/i.test(message)) return 'authentication'
  return 'other'
}

/** Who is refused a query because a policy would hide rows from it. */
const SEES_ALL =
  'A policy hides rows from this role. A role that sees all of them can run it (ALTER ROLE ... BYPASSRLS); or the owner of the table lifts FORCE around it: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY, and FORCE again behind it.'

function hintOf(kind: Kind, code: string, message: string, given: string | undefined): string | undefined {
  if (code === '42501' && /create database/i.test(message))
    return 'Grant CREATEDB to the user, or make an empty database and name it in shadowDatabaseName.'
  if (/affected by row-level security/i.test(message)) return SEES_ALL
  if (code === '53300') return 'The server has no free connections.'
  if (kind === 'connection' && code === 'ECONNREFUSED') return 'Is the server running, and are host and port right?'
  return given
}

/** Tells a driver's error in the contract's words. Takes anything. */
export function explainPostgres(error: unknown): ErrorInfo {
  if (error instanceof EngineError) {
    const { kind = 'other', hint } = error as { kind?: Kind; hint?: string }
    return { kind, code: error.name, message: error.message, ...(hint && { hint }) }
  }
  const e = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as DriverError
  // Node: a host with several addresses fails with an AggregateError that has no message of its own.
  const inner = (e.errors?.[0] ?? e) as DriverError
  const code = e.code ?? inner.code ?? ''
  const message = e.message || inner.message || code
  const kind = kindOf(code, message)
  const hint = hintOf(kind, code, message, e.hint)
  return {
    kind,
    code: quoted(code) || (kind === 'connection' ? 'CONNECTION' : 'ERROR'),
    message: quoted(message),
    ...(e.detail && { detail: quoted(e.detail) }),
    ...(hint && { hint: quoted(hint) }),
    ...(e.statementOffset !== undefined && { position: e.statementOffset }),
  }
}

/**
 * Notes on the error where in the statement the fault is. PostgreSQL counts characters from 1; JavaScript counts UTF-16
 * units from 0.
 */
export function notePosition(error: unknown, sql: string): void {
  const position = Number((error as DriverError | null)?.position)
  if (!Number.isInteger(position) || position < 1) return
  let offset = 0
  for (let i = 1; i < position && offset < sql.length; i++) offset += sql.codePointAt(offset)! > 0xffff ? 2 : 1
  Object.defineProperty(error, 'statementOffset', { value: offset, configurable: true })
}

/** Where the fault is, counted from the start of a part of what was sent. */
export function movePosition(error: unknown, start: number): void {
  const { statementOffset } = error as { statementOffset?: number }
  if (statementOffset === undefined) return
  Object.defineProperty(error, 'statementOffset', { value: statementOffset - start, configurable: true })
}
