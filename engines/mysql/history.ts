/** `_prisma_migrations` on MySQL. Its times are UTC, whatever the zones of session, server and this machine are. */
import type { HistoryDialect } from '../engine.js'
import { quote } from './values.js'

/** @param database the table is always named with its database: an operation may have said `USE` */
export function historyDialect(database: string): HistoryDialect {
  const table = `${quote(database)}.\`_prisma_migrations\``
  return {
    table,
    beside: (name) => `${quote(database)}.${quote(name)}`,
    // Prisma: the schema engine's own statement, made harmless where the table exists.
    createTable: `CREATE TABLE IF NOT EXISTS ${table} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             DATETIME(3),
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          DATETIME(3),
    started_at              DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    applied_steps_count     INTEGER UNSIGNED NOT NULL DEFAULT 0
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
    // Text without a zone is stored in a DATETIME as it is.
    time: (at) => at.toISOString().replace('T', ' ').replace('Z', ''),
    readTime(value) {
      if (value === null || value === undefined) return null
      const date = value instanceof Date ? value : new Date(`${String(value).replace(' ', 'T')}Z`)
      return Number.isNaN(date.getTime()) ? null : date
    },
    since: (sent) => `TIMESTAMP(${sent}) + INTERVAL ${PASSED} MICROSECOND`,
    // Two rows with one key are refused, whatever the mode; a statement that fails writes none.
    insertUnless: (columns, values, stop) =>
      `INSERT INTO ${table} (${columns}) SELECT ${values} FROM (SELECT 1 AS n UNION ALL SELECT 2) AS twice WHERE n = 1 OR ${stop}`,
    timeColumn: (column) => `CAST(${quote(column)} AS CHAR)`,
    // The column's collation takes `a` for `A` and for `ä`; its character set is not utf8mb4 in every table.
    isNamed: (name) => `${bytes('migration_name')} = ${bytes(name)}`,
  }
}

/** Notes when a message came: MySQL's clock tells when a statement began. */
export const SENT = 'SET @rays_sent = UTC_TIMESTAMP(6)'
const PASSED = 'TIMESTAMPDIFF(MICROSECOND, @rays_sent, UTC_TIMESTAMP(6))'
/** The condition that the message has been worked on for a second. */
export const LATE = `${PASSED} > 1000000`

function bytes(text: string): string {
  return `CAST(CONVERT(${text} USING utf8mb4) AS BINARY)`
}
