/** MySQL and MariaDB, over mysql2. */
import type { ConnectOptions, Engine } from '../engine.js'
import type { DatabaseUrl } from '../url.js'
import { MysqlConnection } from './connection.js'
import { explain } from './errors.js'
import { historyDialect } from './history.js'
import { Session } from './session.js'
import { MYSQL_SYNTAX } from './settings.js'
import { CHARACTER_SET, openShadow } from './shadow.js'
import { readStructure } from './structure.js'
import { keepsValues } from './types.js'
import { describeTarget, parseUrl, relation, withDatabase } from './url.js'
import { literal, NAME_LIMIT, neutral, quote, sample } from './values.js'

const DATABASE_EXISTS = 1007

async function createDatabase(url: DatabaseUrl, options: ConnectOptions): Promise<boolean> {
  const target = parseUrl(url)
  const session = await Session.open(target, undefined, options)
  try {
    await session.send(`CREATE DATABASE ${quote(target.database)} ${CHARACTER_SET}`)
    return true
  } catch (error) {
    if ((error as { errno?: number }).errno === DATABASE_EXISTS) return false
    // Who may not create databases may still have been given this one.
    if (explain(error).kind === 'permission') {
      const { rows } = await session.send('SELECT 1 AS found FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?', [
        target.database,
      ])
      if (rows.length > 0) return false
    }
    throw error
  } finally {
    await session.close()
  }
}

/** The engine for `provider = "mysql"`: MySQL 5.6 and later, MariaDB, PlanetScale. */
export const mysql: Engine = {
  provider: 'mysql',
  driver: 'mysql2',
  transactionalDdl: false,
  needsServer: true,
  syntax: MYSQL_SYNTAX,
  schemes: ['mysql', 'mariadb'],
  // Characters in fact, which bytes never exceed.
  identifierLimit: NAME_LIMIT,
  quote,
  literal,
  describe: (url) => describeTarget(parseUrl(url)),
  namespace: () => undefined,
  pooled: () => false,
  relation: (a, b) => relation(parseUrl(a), parseUrl(b)),
  connect: async (url, options) => MysqlConnection.open(mysql, parseUrl(url), options),
  createDatabase,
  nameOf: (url) => parseUrl(url).database,
  withDatabase,
  openShadow: (request) => openShadow(mysql, request),
  explain,
  history: historyDialect,
  sample,
  neutral,
  keepsValues,
  structure: readStructure,
  planner: async () => (await import('./schema-engine.js')).createMysqlSchemaEngine(),
}
