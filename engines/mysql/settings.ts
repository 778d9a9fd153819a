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

/** What {@link begin} and {@link restore} set, as the servers call it; each knows some of these. */
const SET = [
  'autocommit',
  'character_set_client',
  'character_set_results',
  'collation_connection',
  'foreign_key_checks',
  'idle_transaction_timeout',
  'information_schema_stats_expiry',
  'innodb_lock_wait_timeout',
  'lock_wait_timeout',
  'max_execution_time',
  'max_statement_time',
  'sql_mode',
  'time_zone',
  'transaction_read_only',
  'tx_read_only',
  'unique_checks',
  'wait_timeout',
]

/** The session's own values of what is set here: for {@link leave}. */
export async function readSettings(session: Session): Promise<ReadonlyMap<string, string>> {
  const { rows } = await session.send(`SHOW SESSION VARIABLES WHERE Variable_name IN (${SET.map(literal).join(', ')})`)
  return new Map(rows.map((row) => [String(row.Variable_name), String(row.Value)]))
}

const NUMBER = /^\d+(?:\.\d+)?$/

/**
 * Leaves the session as it was found: some proxies give it to the next client as it is. Never throws.
 * @param deep code of a migration had the session: it may have left more than settings
 */
export async function leave(
  session: Session,
  before: ReadonlyMap<string, string>,
  database: string,
  deep: boolean,
): Promise<void> {
  const told = { told: false }
  const send = (sql: string) => session.sendAll([sql], told)
  try {
    if (session.inTransaction || deep) await send('ROLLBACK')
    if (deep) await send('SELECT RELEASE_ALL_LOCKS()').catch(() => undefined)
    const value = (text: string) => (NUMBER.test(text) ? text : text === '' ? "''" : literal(text))
    const settings = [...before].map(([name, text]) => `SESSION ${name} = ${value(text)}`)
    await setAll(session, settings)
    if (deep) await send(`USE ${database}`)
  } catch {
    // It ends here: the server forgets what was set.
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

/** What rays leaves as the server has it, and what changes which rows a statement finds or writes. */
const SERVERS_OWN = [
  'sql_select_limit',
  'sql_safe_updates',
  'sql_auto_is_null',
  'group_concat_max_len',
  'auto_increment_increment',
  'auto_increment_offset',
  'default_storage_engine',
]

/**
 * Puts back what an operation, or a function or trigger that it called, may have changed: `sql_mode`, time zone, character
 * set, checks, limits.
 * An open transaction stays open, unless the operation had turned autocommit off.
 */
export async function restore(session: Session, facts: ServerFacts, options: ConnectOptions): Promise<void> {
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
    ...SERVERS_OWN.map((name) => `SESSION ${name} = DEFAULT`),
    // What reads only was set so when the session began.
    ...(options.readOnly
      ? []
      : (facts.mariadb ? ['tx_isolation', 'tx_read_only'] : ['transaction_isolation', 'transaction_read_only']).map(
          (name) => `SESSION ${name} = DEFAULT`,
        )),
  ])
}
