/** The errors of mysql2, of Node's sockets and of the server, told in the engine's vocabulary. */
import type { ErrorInfo } from '../engine.js'
import { quoted } from '../foreign.js'

type Kind = ErrorInfo['kind']

/** Server error numbers; MySQL's and MariaDB's where they differ. */
const BY_NUMBER: Readonly<Record<number, Kind>> = {
  1020: 'conflict', // record changed since last read
  1021: 'disk-full',
  1040: 'connection', // too many connections
  1041: 'other', // out of memory
  1042: 'connection',
  1043: 'connection', // bad handshake
  1044: 'permission',
  1045: 'authentication',
  1049: 'missing-database',
  1053: 'connection', // server shutdown
  1064: 'syntax',
  1114: 'disk-full', // the table is full
  1129: 'connection', // host is blocked
  1130: 'authentication', // host is not allowed
  1142: 'permission',
  1143: 'permission',
  1146: 'missing-table',
  1149: 'syntax',
  1152: 'connection',
  1153: 'packet-too-large',
  1158: 'connection',
  1159: 'connection',
  1160: 'connection',
  1161: 'connection',
  1184: 'connection',
  1203: 'connection', // too many connections of this user
  1205: 'lock-timeout',
  1213: 'conflict', // deadlock
  1226: 'connection', // resource limit of the account
  1227: 'permission',
  1251: 'authentication',
  1290: 'read-only', // --read-only, --super-read-only; see `kindOf` for other options
  1370: 'permission',
  1412: 'conflict', // the table was changed since the transaction began
  1613: 'lock-timeout', // XA
  1614: 'conflict', // XA, deadlock
  1689: 'lock-timeout', // another session is to change the table
  1396: 'permission',
  1410: 'permission',
  1792: 'read-only',
  1836: 'read-only',
  1698: 'authentication',
  1820: 'authentication', // the password must be changed
  1862: 'authentication', // the password has expired
  3118: 'authentication', // the account is locked
  4151: 'authentication', // MariaDB: the account is locked
  3159: 'connection', // TLS is required
  1317: 'cancelled',
  1028: 'cancelled',
  1927: 'connection', // MariaDB: connection was killed
  1969: 'statement-timeout', // MariaDB
  3024: 'statement-timeout', // MySQL
  3101: 'conflict', // group replication took another session's transaction
  3572: 'lock-timeout', // NOWAIT
  3637: 'connection',
  4031: 'connection', // closed for inactivity
  3675: 'disk-full', // cannot create or grow a tablespace
  // What the definitions of other tables or of the server do not allow; see `REFUSALS`.
  1701: 'data', // TRUNCATE of a table that a foreign key refers to
  3730: 'data', // DROP of a table that a foreign key refers to
  3750: 'other', // sql_require_primary_key
  3780: 'other', // the columns of a foreign key are not alike
  3959: 'other', // a check uses the column
  6125: 'other', // a foreign key refers to columns that are not unique
  1030: 'other', // from the storage engine; see `kindOf`
  // Rows that do not fit.
  1022: 'data',
  1048: 'data',
  1062: 'data',
  1138: 'data',
  1169: 'data',
  1216: 'data',
  1217: 'data',
  1242: 'data', // a subquery with two rows: the guard of a down (planner/inverse-alter.ts)
  1263: 'data',
  1264: 'data',
  1265: 'data',
  1292: 'data',
  1364: 'data',
  1366: 'data',
  1367: 'data',
  1406: 'data',
  1411: 'data',
  1425: 'data',
  1441: 'data',
  1451: 'data',
  1452: 'data',
  1525: 'data',
  1526: 'data', // no partition for the value
  1557: 'data',
  1586: 'data',
  1690: 'data',
  1748: 'data',
  1761: 'data',
  1762: 'data',
  1859: 'data',
  3140: 'data', // invalid JSON
  3141: 'data',
  3819: 'data', // CHECK (MySQL)
  4025: 'data', // CHECK (MariaDB)
}

const BY_CODE: Readonly<Record<string, Kind>> = {
  ECONNREFUSED: 'connection',
  ECONNRESET: 'connection',
  ECONNABORTED: 'connection',
  EPIPE: 'connection',
  ENOENT: 'connection', // no such socket file
  ENOTSOCK: 'connection',
  ENOTFOUND: 'connection',
  EAI_AGAIN: 'connection',
  ETIMEDOUT: 'connection',
  EHOSTUNREACH: 'connection',
  EHOSTDOWN: 'connection',
  ENETUNREACH: 'connection',
  ENETDOWN: 'connection',
  EADDRNOTAVAIL: 'connection',
  PROTOCOL_CONNECTION_LOST: 'connection',
  PROTOCOL_ERROR: 'connection',
  PROTOCOL_UNEXPECTED_PACKET: 'connection',
  PROTOCOL_SEQUENCE_TIMEOUT: 'statement-timeout',
  HANDSHAKE_NO_SSL_SUPPORT: 'connection',
  HANDSHAKE_SSL_ERROR: 'connection',
  HANDSHAKE_UNKNOWN_ERROR: 'connection',
  AUTH_SWITCH_PLUGIN_ERROR: 'authentication',
}

/** The name of the column of a query that fails where a table has rows. */
export const GUARD = 'fails if there are such rows'

interface DriverError extends Error {
  code?: string
  errno?: number
  sqlState?: string
  sqlMessage?: string
  sql?: string
  fatal?: boolean
  errors?: readonly Error[]
  /** Set where rays knows the way out. */
  hint?: string
}

/** Where in a script the failing statement begins; set by {@link atOffset}. */
const offsets = Symbol('offset of the statement in its script')

/** Marks an error with the place of its statement in the script that it belongs to. */
export function atOffset(error: unknown, offset: number): unknown {
  if (typeof error === 'object' && error !== null) {
    Object.defineProperty(error, offsets, { value: offset, configurable: true })
  }
  return error
}

/** An error of the server that rays saw coming: same shape as mysql2's, so that `explain` reads both. */
export function serverError(code: string, errno: number, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), {
    code,
    errno,
    sqlMessage: message,
  })
}

/** True for errors after which the session is gone. */
export function isLost(error: unknown): boolean {
  const found = error as DriverError
  if (found?.fatal === true) return true
  return explain(error).kind === 'connection'
}

function kindOf(error: DriverError): Kind {
  const code = error.code ?? ''
  if (typeof error.errno === 'number' && error.errno > 0) {
    // Disk full shows as an engine error 28 (ENOSPC) inside 1030, as 1026 or 3 when writing files, and as 28 or 135
    // (HA_ERR_RECORD_FILE_FULL) inside 1005 when a table is made.
    if (/\b(?:errno|error)[: ]+(?:28|135)\b|No space left on device/i.test(error.message)) return 'disk-full'
    if (error.errno === 1290) return /read.only/i.test(error.message) ? 'read-only' : 'permission'
    const kind = BY_NUMBER[error.errno]
    if (kind) return kind
  }
  if (code in BY_CODE) return BY_CODE[code] as Kind
  if (/^(?:CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(code)) return 'connection'
  if (error.fatal === true || /connection is in closed state|Connection lost/i.test(error.message)) return 'connection'
  return 'other'
}

const HINTS: Readonly<Record<string, string>> = {
  ER_NET_PACKET_TOO_LARGE:
    'Split the statement into smaller ones, or raise max_allowed_packet on the server (SET GLOBAL max_allowed_packet = ...).',
  ER_SECURE_TRANSPORT_REQUIRED: 'Add sslaccept=strict (and sslcert=<file of the authority>) to the URL.',
  ER_LOCK_WAIT_TIMEOUT: 'Another session holds the table or row; see SHOW PROCESSLIST.',
  ER_CON_COUNT_ERROR: 'The server has no free connection; close some, or raise max_connections.',
}

/** A table cannot go while a foreign key refers to it: on MariaDB with the number that rows in the way have, too. */
const dropsReferred = ({ errno, sql }: DriverError) =>
  (errno === 1451 || errno === 1217) && /^\s*(?:\/\*.*?\*\/\s*)?DROP\s+TABLE\b/is.test(sql?.slice(0, 2000) ?? '')

const REFERRED =
  'A foreign key of another table refers to this table: drop that key (ALTER TABLE ... DROP FOREIGN KEY), or its table, first.'
const UNLIKE =
  'The columns of a foreign key need the same type on both sides (signedness too), and texts the same character set and collation: SHOW CREATE TABLE shows both. Give the new column the type and collation of the one that it refers to (COLLATE ...), or change that one first.'
const NOT_UNIQUE =
  'A foreign key has to refer to a primary key or a unique index of exactly these columns: add that first (@unique, @@unique). A key to anything else needs restrict_fk_on_non_standard_key = OFF on the server.'
const IN_FOREIGN_KEY =
  'A foreign key needs this column or index: drop the key first (ALTER TABLE ... DROP FOREIGN KEY), and add it again afterwards.'

/** What definitions in the way ask for, by the number of the server. */
const REFUSALS: Readonly<Record<number, string>> = {
  1215: UNLIKE,
  1553: IN_FOREIGN_KEY,
  1701: REFERRED,
  1822: NOT_UNIQUE,
  1824: 'The table that the foreign key refers to is not there: make it first, or correct its name.',
  1828: IN_FOREIGN_KEY,
  1829: IN_FOREIGN_KEY,
  1832: IN_FOREIGN_KEY,
  1833: IN_FOREIGN_KEY,
  3730: REFERRED,
  3750: 'The server wants a primary key in every table (sql_require_primary_key): give the model an @id or @@id, and drop and add a primary key in one ALTER TABLE.',
  3780: UNLIKE,
  3959: 'A check constraint uses this column: drop it first (ALTER TABLE ... DROP CHECK), and add one that fits afterwards.',
  6125: NOT_UNIQUE,
}

function refusalHint(error: DriverError): string | undefined {
  if (dropsReferred(error)) return REFERRED
  // MariaDB has one number for all that is wrong with a foreign key.
  if ((error.errno === 1005 || error.errno === 1025) && /errno: 150\b/.test(error.message))
    return `${UNLIKE} What it refers to has to be there, with an index that begins with these columns. SHOW WARNINGS and SHOW ENGINE INNODB STATUS tell which of these it is.`
  if (error.errno === 1067 && /\b0000-00-00\b/.test(error.sql ?? ''))
    return "The server's sql_mode refuses 0000-00-00 (NO_ZERO_DATE). Where the column needs that default: SET SESSION sql_mode without NO_ZERO_DATE and NO_ZERO_IN_DATE in the same operation before this statement."
  return REFUSALS[error.errno ?? 0]
}

const TLS_HINT =
  'Check user and password in the database URL; special characters must be percent-encoded. An account that demands TLS (REQUIRE SSL) is refused like this, too, where the URL asks for none: add sslaccept=strict (with sslcert=<file of the authority> where that is no public one), or sslaccept=accept_invalid_certs.'

/** An account that may come in over TLS only is refused like a wrong password: the way out tells of both. */
export function withoutTls(error: unknown): unknown {
  if (error instanceof Error && explain(error).kind === 'authentication') Object.assign(error, { hint: TLS_HINT })
  return error
}

function hintOf(error: DriverError): string | undefined {
  if (error.hint !== undefined) return error.hint
  const code = error.code ?? ''
  if (code in HINTS) return HINTS[code]
  const refused = refusalHint(error)
  if (refused !== undefined) return refused
  if (/match certificate's altnames/.test(error.message)) {
    return 'The certificate names another host: connect by that name, or leave sslaccept=strict out to check the authority only.'
  }
  const untrusted = code === 'HANDSHAKE_SSL_ERROR' && /certificate/.test(error.message)
  if (untrusted || /^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT)/.test(code)) {
    return 'Name the certificate of the authority with sslcert=<file> in the URL, or skip the check with sslaccept=accept_invalid_certs.'
  }
  if (/\bDELIMITER\b/i.test(error.sql?.slice(0, 2000) ?? '') && error.errno === 1064) {
    return 'DELIMITER is a command of the mysql program, not SQL: leave it out, stored programs are recognised as they are.'
  }
  return undefined
}

/** The server quotes the rest of the statement from the fault on, and counts lines from 1. */
function positionOf(error: DriverError): number | undefined {
  const sql = error.sql
  const match = /near '([\s\S]*)' at line (\d+)$/.exec(error.sqlMessage ?? error.message)
  if (sql === undefined || !match) return undefined
  const near = match[1] as string
  if (near === '') return sql.length
  let from = 0
  for (let line = Number(match[2]); line > 1; line -= 1) {
    const end = sql.indexOf('\n', from)
    if (end === -1) break
    from = end + 1
  }
  const found = sql.indexOf(near, from)
  const position = found === -1 ? sql.indexOf(near) : found
  return position === -1 ? undefined : position
}

/** Tells what a thrown value means; follows `cause` where the error is not one of the driver. */
export function explain(thrown: unknown): ErrorInfo {
  const error = thrown as DriverError
  if (typeof error !== 'object' || error === null) return { kind: 'other', code: '', message: quoted(String(thrown)) }
  const kind = kindOf(error)
  if (kind === 'other' && !error.errno && error.cause !== undefined) {
    const inner = explain(error.cause)
    if (inner.kind !== 'other') return inner
  }
  const nested = error.errors?.map((each) => each.message).join('; ')
  const within = positionOf(error)
  const offset = (error as { [offsets]?: number })[offsets]
  const position = offset === undefined ? within : offset + (within ?? 0)
  const hint = hintOf(error)
  return {
    kind,
    code: quoted(error.code ?? ''),
    message:
      error.errno === 1242 && error.sql?.includes(GUARD)
        ? 'the table has rows, and no value can be made up for them'
        : quoted(error.sqlMessage ?? (error.message || nested || error.code || 'unknown error')),
    ...(error.sqlState === undefined ? {} : { detail: `SQLSTATE ${error.sqlState}` }),
    ...(hint === undefined ? {} : { hint: quoted(hint) }),
    ...(position === undefined ? {} : { position }),
  }
}
