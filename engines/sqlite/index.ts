/** SQLite, over the driver `better-sqlite3`. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Engine } from '../engine.js'
import { SqliteConnection } from './connection.js'
import { explainSqlite } from './errors.js'
import { expressions } from './expressions.js'
import { sameFile } from './files.js'
import { Rebuilds } from './rebuilds.js'
import { create, open } from './session.js'
import { openShadow } from './shadow.js'
import { unfitForStrict } from './strict.js'
import { readStructure } from './structure.js'
import { syntax } from './syntax.js'
import { keepsValues } from './types.js'
import { describeSqlite, sqlitePath, withSqliteFile } from './url.js'
import { historyDialect, literal, neutral, quote, sample } from './values.js'

/** The SQLite engine. */
export const sqlite: Engine = {
  provider: 'sqlite',
  driver: 'better-sqlite3',
  transactionalDdl: true,
  needsServer: false,
  syntax,
  schemes: ['file', 'sqlite'],
  quote,
  literal,
  describe: describeSqlite,
  namespace: () => undefined,
  pooled: () => false,
  relation: (a, b) => (sameFile(sqlitePath(a), sqlitePath(b)) ? 'same' : 'other'),
  async connect(url, options) {
    const handle = await open(sqlitePath(url), options)
    return new SqliteConnection(sqlite, handle, describeSqlite(url), options)
  },
  async createDatabase(url) {
    const path = sqlitePath(url)
    if (existsSync(path)) return false
    mkdirSync(dirname(path), { recursive: true })
    return create(path)
  },
  rebuilds: (send) => new Rebuilds(send, syntax),
  nameOf: sqlitePath,
  withDatabase: withSqliteFile,
  openShadow: (request) => openShadow(sqlite, request),
  explain: explainSqlite,
  expressions,
  history: () => historyDialect,
  sample,
  neutral,
  keepsValues,
  structure: readStructure,
  unfit: unfitForStrict,
}
