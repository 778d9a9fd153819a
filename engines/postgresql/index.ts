/** PostgreSQL, over the driver `pg`. */
import type { Engine, StatementSyntax } from '../engine.js'
import { historyDialect, PostgresConnection } from './connection.js'
import { explainPostgres } from './errors.js'
import { open } from './session.js'
import { createDatabase, openShadow } from './shadow.js'
import { readStructure } from './structure.js'
import { keepsValues } from './types.js'
import { describePostgres, parsePostgresUrl, postgresRelation, withPostgresDatabase } from './url.js'
import { IDENTIFIER_LIMIT, literal, neutral, quote, sample } from './values.js'

const syntax: StatementSyntax = {
  dialect: 'postgresql',
  doubleQuotedStrings: false,
  backslashEscapes: false,
  dollarQuotes: true,
  backticks: false,
  brackets: false,
  nestedComments: true,
  hashComments: false,
  dashNeedsSpace: false,
  foldsNames: true,
  compound: 'atomic',
  placeholder: (n) => `$${n}`,
}

/** The PostgreSQL engine. */
export const postgresql: Engine = {
  provider: 'postgresql',
  driver: 'pg',
  transactionalDdl: true,
  needsServer: true,
  syntax,
  schemes: ['postgresql', 'postgres'],
  identifierLimit: IDENTIFIER_LIMIT,
  quote,
  literal,
  describe: (url) => describePostgres(parsePostgresUrl(url)),
  namespace: (url) => parsePostgresUrl(url).schema,
  pooled: (url) => parsePostgresUrl(url).pooled,
  relation: (a, b) => postgresRelation(parsePostgresUrl(a), parsePostgresUrl(b)),
  async connect(url, options) {
    const session = await open(url, options)
    try {
      return await PostgresConnection.start(postgresql, session)
    } catch (error) {
      await session.close()
      throw error
    }
  },
  createDatabase: (url, options) => createDatabase(postgresql, url, options),
  nameOf: (url) => parsePostgresUrl(url).database,
  withDatabase: withPostgresDatabase,
  openShadow: (request) => openShadow(postgresql, request),
  explain: explainPostgres,
  // The query then fails where a policy would hide a row from it, and sees all of them where it may.
  seeingAllRows: { before: 'SET LOCAL row_security = off', after: 'SET LOCAL row_security TO DEFAULT' },
  history: historyDialect,
  sample,
  neutral,
  keepsValues,
  structure: (connection, schemas = []) => readStructure(connection, schemas),
}
