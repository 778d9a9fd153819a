/** What a session is set to when it opens, and put back to after each step. */
import type { ConnectOptions, StatementSyntax } from '../engine.js'
import { oneLine } from '../foreign.js'
import { explain } from './errors.js'
import type { Session } from './session.js'
import { literal } from './values.js'

/** Lexical rules of MySQL without special modes. */
export const MYSQL_SYNTAX: StatementSyntax = {
  dialect: 'mysql',
  doubleQuotedStrings: true,
  backslashEscapes: true,
  dollarQuotes: false,
  backticks: true,
  brackets: false,
  nestedComments: false,
  hashComments: true,
  dashNeedsSpace: true,
  compound: 'stored-program',
  placeholder: () => '?',
}

/** The rules under a `sql_mode`. */
export function syntaxFor(sqlMode: string): StatementSyntax {
  const modes = sqlMode.toUpperCase().split(',')
  return {
    ...MYSQL_SYNTAX,
    doubleQuotedStrings: !modes.includes('ANSI_QUOTES'),
    backslashEscapes: !modes.includes('NO_BACKSLASH_ESCAPES'),
  }
}

/** What the server tells of itself and of the session when it begins. */
export interface ServerFacts {
  readonly id: bigint | number
  readonly database: string | null
  readonly version: string
  readonly globalVersion: string
  readonly sqlMode: string
  readonly timeZone: string
  readonly charsetClient: string
  readonly charsetResults: string | null
  readonly collation: string
  readonly lowerCaseTableNames: number
  readonly maxPacket: number
  readonly mariadb: boolean
  readonly vitess: boolean
}

/** Reads {@link ServerFacts} in one statement. */
export async function readFacts(session: Session): Promise<ServerFacts> {
  const { rows } = await session.send(
    'SELECT CONNECTION_ID() AS id, DATABASE() AS db, @@version AS version, @@GLOBAL.version AS globalVersion,' +
      ' @@SESSION.sql_mode AS sqlMode, @@SESSION.time_zone AS timeZone,' +
      ' @@SESSION.character_set_client AS charsetClient, @@SESSION.character_set_results AS charsetResults,' +
      ' @@SESSION.collation_connection AS collation, @@lower_case_table_names AS lowerCase,' +
      ' @@max_allowed_packet AS maxPacket',
  )
  const row = rows[0] as Record<string, unknown>
  const version = oneLine(String(row.version))
  return {
    id: row.id as bigint | number,
    database: row.db as string | null,
    version,
    globalVersion: String(row.globalVersion),
    sqlMode: String(row.sqlMode),
    timeZone: String(row.timeZone),
    charsetClient: String(row.charsetClient),
    charsetResults: row.charsetResults as string | null,
    collation: String(row.collation),
    lowerCaseTableNames: Number(row.lowerCase),
    maxPacket: Number(row.maxPacket),
    // A managed server may say so in the global variable only.
    mariadb: /mariadb/i.test(`${version} ${row.globalVersion}`),
    vitess: /vitess/i.test(version),
  }
}

/** Sets all at once; where one is unknown or forbidden, each by itself and without complaint. */
async function setAll(session: Session, settings: readonly string[]): Promise<void> {
  try {
    await session.send(`SET ${settings.join(', ')}`)
  } catch (error) {
    if (explain(error).kind === 'connection') throw error
    for (const setting of settings) {
      await session.send(`SET ${setting}`).catch((each: unknown) => {
        if (explain(each).kind === 'connection') throw each
      })
    }
  }
}

/** Table locks of other sessions are waited for this long; the server's default is a year. */
function lockWaits(options: ConnectOptions): string[] {
  const seconds = Math.max(1, Math.ceil(options.lockTimeoutMs / 1000))
  return [`SESSION lock_wait_timeout = ${seconds}`, `SESSION innodb_lock_wait_timeout = ${seconds}`]
}

function statementLimit(facts: ServerFacts, options: ConnectOptions): string {
  // MySQL limits SELECT only; everything else is stopped from a second session (see Connection).
  return facts.mariadb
    ? `SESSION max_statement_time = ${options.statementTimeoutMs / 1000}`
    : `SESSION max_execution_time = ${Math.round(options.statementTimeoutMs)}`
}

/** The settings of a fresh session. */
export async function begin(session: Session, facts: ServerFacts, options: ConnectOptions): Promise<void> {
  await setAll(session, [
    ...lockWaits(options),
    'SESSION autocommit = 1',
    // The code of a migration may take its time between two statements.
    'SESSION wait_timeout = GREATEST(@@SESSION.wait_timeout, 28800)',
    statementLimit(facts, options),
    ...(facts.mariadb ? ['SESSION idle_transaction_timeout = 0'] : []),
  ])
  if (options.readOnly) await session.send('SET SESSION TRANSACTION READ ONLY')
}

/**
 * MariaDB compares a parameter by the collation that came with the client's character set, and a literal by that of the
 * connection. Set apart from the other, the character set brings its default collation, and the two cannot be compared.
 */
function characterSet({ charsetClient, collation }: ServerFacts): string[] {
  if (collation === charsetClient || collation.startsWith(`${charsetClient}_`))
    return [`NAMES ${literal(charsetClient)} COLLATE ${literal(collation)}`]
  return [
    `SESSION character_set_client = ${literal(charsetClient)}`,
    `SESSION collation_connection = ${literal(collation)}`,
  ]
}

/**
 * Puts back what an operation may have changed: `sql_mode`, time zone, character set, checks, limits, the database.
 * An open transaction stays open, unless the operation had turned autocommit off.
 */
export async function restore(
  session: Session,
  facts: ServerFacts,
  options: ConnectOptions,
  database: string,
): Promise<void> {
  await setAll(session, [
    `SESSION sql_mode = ${literal(facts.sqlMode)}`,
    `SESSION time_zone = ${literal(facts.timeZone)}`,
    ...characterSet(facts),
    `SESSION character_set_results = ${literal(facts.charsetResults)}`,
    'SESSION foreign_key_checks = 1',
    'SESSION unique_checks = 1',
    'SESSION autocommit = 1',
    ...lockWaits(options),
    statementLimit(facts, options),
  ])
  await session.send(`USE ${database}`)
}
