/** Shadow databases of PostgreSQL: made and dropped by rays, or a configured one that is emptied. */
import {
  type ConnectOptions,
  type Engine,
  EngineError,
  type ErrorInfo,
  type Row,
  type Shadow,
  ShadowNotApartError,
  ShadowRefusedError,
  type ShadowRequest,
} from '../engine.js'
import { guardContents, ROW_LIMIT, type ShadowContents } from '../shadow-contents.js'
import { MARK } from '../shadow-mark.js'
import { isLeftover, isShadowName, shadowName } from '../shadow-name.js'
import type { DatabaseUrl } from '../url.js'
import { dropObjectsSql, emptySchemaSql, extensionSchemas, looseObjects, ownSchemas, userSchemas } from './catalog.js'
import { PostgresConnection } from './connection.js'
import { explainPostgres } from './errors.js'
import { open, type Session } from './session.js'
import { claim, isLeftToItself, type Marked, sees, writeMark } from './shadow-mark.js'
import { parsePostgresUrl, samePostgresDatabase, withPostgresDatabase } from './url.js'
import { IDENTIFIER_LIMIT, literal, quote } from './values.js'

/** Databases of the server or of its host. */
const SYSTEM = /^(?:postgres|template[01]|rdsadmin|cloudsqladmin|azure_maintenance|azure_sys|alloydbadmin)$/
/** The right to create databases is missing. */
class NoCreateDatabaseError extends EngineError {
  override readonly name = 'NoCreateDatabaseError'
  readonly kind: ErrorInfo['kind'] = 'permission'
  readonly hint =
    'Grant CREATEDB to the user, or make an empty database and name it in shadowDatabaseName of raysconfig.js.'
}

/** A session that can create and drop databases: with the database itself, or with one that every server has. */
async function openMaintenance(url: DatabaseUrl, options: ConnectOptions): Promise<Session> {
  const database = parsePostgresUrl(url).database
  let first: unknown
  for (const name of new Set([database, 'postgres', 'template1'])) {
    try {
      return await open(withPostgresDatabase(url, name), options)
    } catch (error) {
      first ??= error
      if (explainPostgres(error).kind !== 'missing-database') throw first
    }
  }
  throw first
}

async function withMaintenance<T>(
  url: DatabaseUrl,
  options: ConnectOptions,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const session = await openMaintenance(url, options)
  try {
    return await work(async (sql, params) => (await session.send(sql, params)).at(-1)?.rows ?? [])
  } finally {
    await session.close()
  }
}

type Query = (sql: string, params?: readonly unknown[]) => Promise<Row[]>

/** Creates the database where it is missing, and nothing in it. */
function createOnly(url: DatabaseUrl, options: ConnectOptions): Promise<boolean> {
  const { database } = parsePostgresUrl(url)
  return withMaintenance(url, options, async (query) => {
    const [found] = await query('SELECT 1 AS one FROM pg_database WHERE datname = $1', [database])
    if (found) return false
    try {
      await query(`CREATE DATABASE ${quote(database)}`)
      return true
    } catch (error) {
      // Somebody else was first.
      if ((error as { code?: string }).code === '42P04') return false
      throw permission(error, database)
    }
  })
}

/** See Engine.createDatabase. Creates the namespace of the URL as well. */
export async function createDatabase(engine: Engine, url: DatabaseUrl, options: ConnectOptions): Promise<boolean> {
  const { schema } = parsePostgresUrl(url)
  const created = await createOnly(url, options)
  if (!created && schema === 'public') return false
  const connection = await PostgresConnection.start(engine, await open(url, options))
  try {
    await createSchema(connection, schema)
  } finally {
    await connection.close()
  }
  return created
}

async function createSchema(connection: PostgresConnection, schema: string): Promise<void> {
  const [found] = await connection.raw('SELECT 1 AS one FROM pg_namespace WHERE nspname = $1', [schema])
  if (!found) await connection.raw(`CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`)
}

function permission(error: unknown, database: string): unknown {
  if (explainPostgres(error).kind !== 'permission') return error
  return new NoCreateDatabaseError(`The user may not create the database ${database}.`, { cause: error })
}

/** See Engine.openShadow. */
export async function openShadow(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  return request.configured ? openConfigured(engine, request, request.configured) : openOwn(engine, request)
}

async function openOwn(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  const { url, connect } = request
  const main = parsePostgresUrl(url).database
  const name = shadowName(main, IDENTIFIER_LIMIT)
  const drop = () => dropDatabase(url, connect, name).catch(() => undefined)
  // Closed before the shadow is opened: a pooler may have one session for all.
  const place = await withMaintenance(url, connect, async (query) => {
    await dropLeftovers(query, main)
    try {
      await query(`CREATE DATABASE ${quote(name)} TEMPLATE template0 ${await likeMain(query, main)}`)
    } catch (error) {
      throw permission(error, name)
    }
    return placeOf(query)
  })
  const connection = await openApart(engine, request, name, place).catch(async (error) => {
    await drop()
    throw error
  })
  const dispose = async () => {
    await connection.close()
    await drop()
  }
  return { connection, dispose }
}

/** Where a session is, as the server tells. */
interface Place {
  readonly database: string
  /** The server's process of the session. */
  readonly process: string
  /** As Connection.identify tells it; undefined where the server does not know its own database. */
  readonly identity: string | undefined
}

async function placeOf(query: Query): Promise<Place> {
  const [row] = await query(
    `SELECT current_database() AS name, pg_backend_pid()::text AS process, extract(epoch FROM pg_postmaster_start_time())::text
        || ':' || current_setting('port') || ':' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS identity`,
  )
  return {
    database: String(row?.name),
    process: String(row?.process),
    identity: row?.identity === null || row?.identity === undefined ? undefined : String(row.identity),
  }
}

/** Opens the database that has just been made, and makes nothing in it before it is known to be that one. */
async function openApart(
  engine: Engine,
  request: ShadowRequest,
  name: string,
  other: Place,
): Promise<PostgresConnection> {
  const connection = await PostgresConnection.start(
    engine,
    await open(withPostgresDatabase(request.url, name), request.connect),
  )
  try {
    const place = await placeOf((sql) => connection.raw(sql))
    if (place.database !== name || isSamePlace(place, other))
      throw new ShadowNotApartError(
        `The shadow database is refused: this server leads every name to the same database (a connection to ${name}, which was just made, came to ${place.database}), and a shadow database is emptied.`,
      )
    await createSchema(connection, connection.session.url.schema)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** What cannot be told apart is the same. */
function isSamePlace(a: Place, b: Place): boolean {
  return a.process === b.process || a.identity === undefined || a.identity === b.identity
}

/** Encoding and sort order of the main database, so that what works in the shadow works there. */
async function likeMain(query: (sql: string, params?: readonly unknown[]) => Promise<Row[]>, main: string) {
  const [row] = await query(
    `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype FROM pg_database
      WHERE datname = $1`,
    [main],
  )
  if (!row?.collate || !row.ctype) return ''
  return `ENCODING ${literal(row.encoding)} LC_COLLATE ${literal(row.collate)} LC_CTYPE ${literal(row.ctype)}`
}

/** Never drops what is in use: a leftover has no sessions. */
async function dropLeftovers(query: (sql: string) => Promise<Row[]>, main: string): Promise<void> {
  const names = await query(
    `SELECT datname AS name FROM pg_database d WHERE datname LIKE '%\\_rays\\_shadow\\_%'
      AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)`,
  )
  for (const { name } of names)
    if (isLeftover(String(name), main, IDENTIFIER_LIMIT))
      await query(`DROP DATABASE IF EXISTS ${quote(String(name))}`).catch(() => undefined)
}

/** Only for names that {@link shadowName} made in this process. */
async function dropDatabase(url: DatabaseUrl, options: ConnectOptions, name: string): Promise<void> {
  if (!isShadowName(name)) throw new EngineError(`${name} is not a shadow database`)
  await withMaintenance(url, options, async (query) => {
    try {
      await query(`DROP DATABASE IF EXISTS ${quote(name)} WITH (FORCE)`)
    } catch (error) {
      // Before PostgreSQL 13 there is no FORCE.
      if (explainPostgres(error).kind !== 'syntax') throw error
      await query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
      await query(`DROP DATABASE IF EXISTS ${quote(name)}`)
    }
  })
}

type Configured = NonNullable<ShadowRequest['configured']>

async function openConfigured(engine: Engine, request: ShadowRequest, configured: Configured): Promise<Shadow> {
  const url = 'url' in configured ? configured.url : withPostgresDatabase(request.url, configured.name)
  const wanted = parsePostgresUrl(url)
  const refuse = (why: string): never => {
    throw new ShadowRefusedError(`The shadow database ${wanted.database} is refused: ${why}`)
  }
  if (samePostgresDatabase(wanted, parsePostgresUrl(request.url)))
    refuse('it is the main database, and a shadow database is emptied. Name another one.')
  // Where the main database has such a name as well (a local `prisma dev`, some hosts), it is a place for anybody's tables.
  const isSystem = SYSTEM.test(wanted.database) && wanted.database !== parsePostgresUrl(request.url).database
  if (isSystem) refuse('it belongs to the server itself. Make an empty database for it.')
  if ('name' in configured) await createOnly(url, request.connect)
  const main = await lookAtMain(request, placeOf)
  const connection = await PostgresConnection.start(engine, await open(url, request.connect))
  let marked: Marked | undefined
  try {
    const query: Query = (sql, params) => connection.raw(sql, params)
    if (main && isSamePlace(await placeOf(query), main))
      refuse('by another address it is the main database, and a shadow database is emptied. Name another one.')
    await claim(connection.session, request.connect.lockTimeoutMs)
    const contents = await readContents(connection, request)
    guardContents(contents, { name: wanted.database, clear: request.clear })
    if (main === undefined && !isEmpty(contents) && !contents.leftover)
      refuse('the main database cannot be reached, so nobody can tell that it is another one. Use an empty database.')
    await empty(connection)
    const mark = await writeMark(connection)
    marked = mark
    if (mark && main && (await lookAtMain(request, (query) => sees(query, mark))))
      refuse('what is written to it appears in the main database: the two are one. Name another one.')
    await createSchema(connection, wanted.schema)
  } catch (error) {
    await marked?.remove()
    await connection.close()
    throw error
  }
  const dispose = async () => {
    await empty(connection)
      .then(() => marked?.remove())
      .catch(() => undefined)
    await connection.close()
  }
  return { connection, dispose }
}

/** Looks at the main database in a session of its own; undefined where there is none. */
async function lookAtMain<T>(
  { url, connect }: ShadowRequest,
  look: (query: Query) => Promise<T>,
): Promise<T | undefined> {
  let session: Session
  try {
    session = await open(url, connect)
  } catch (error) {
    const { kind } = explainPostgres(error)
    if (kind === 'missing-database' || kind === 'connection') return undefined
    throw error
  }
  return look(async (sql, params) => (await session.send(sql, params)).at(-1)?.rows ?? []).finally(() =>
    session.close(),
  )
}

function isEmpty({ strangers, tables, history }: ShadowContents): boolean {
  return strangers.length === 0 && history === 0 && tables.every(({ rows }) => rows === 0)
}

/** A policy would hide rows: meanwhile the server refuses to count instead. */
async function readContents(connection: PostgresConnection, request: ShadowRequest): Promise<ShadowContents> {
  await connection.raw('SET row_security = off')
  try {
    return await look(connection, request)
  } finally {
    await connection.raw('SET row_security = on').catch(() => undefined)
  }
}

async function look(
  connection: PostgresConnection,
  { knownTables, knownEnums = [], schemas: named = [] }: ShadowRequest,
): Promise<ShadowContents> {
  const query: Query = (sql, params) => connection.raw(sql, params)
  const schemas = (await userSchemas(query)).filter((schema) => schema !== MARK)
  const tables = await connection.tables(schemas)
  const known = new Set(knownTables)
  const unknown = tables.filter((table) => !known.has(table.name) && !known.has(`${table.schema}.${table.name}`))
  const objects = await looseObjects(query, schemas)
  const enums = new Set(knownEnums)
  const keep = new Set(['public', connection.session.url.schema, MARK, ...named, ...(await extensionSchemas(query))])
  const strangers = [
    ...unknown.map((table) => `table ${table.schema}.${table.name}`),
    ...objects.filter(({ kind, name }) => kind !== 'enum' || !enums.has(name)).map((o) => `${o.kind} ${o.identity}`),
    ...(await ownSchemas(query)).filter((schema) => !keep.has(schema)).map((schema) => `schema ${schema}`),
  ]
  const filled = objects.filter(({ kind }) => kind === 'materialized view').map(({ identity }) => identity)
  const histories = await query(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE tablename = '_prisma_migrations' AND schemaname = ANY($1)`,
    [schemas],
  )
  const counts = await countRows(connection, [
    ...histories.map((row) => String(row.name)),
    ...tables.map(({ schema, name }) => `${quote(schema ?? 'public')}.${quote(name)}`),
    ...filled,
  ])
  const history = counts.slice(0, histories.length)
  return {
    strangers,
    tables: [
      ...tables.map(({ schema, name }) => ({ name: `${schema}.${name}` })),
      ...filled.map((name) => ({ name })),
    ].map((table, k) => ({ ...table, rows: counts[histories.length + k] })),
    history: history.reduce<number>((sum, n) => sum + (n ?? ROW_LIMIT + 1), 0),
    leftover: await isLeftToItself(query, schemas),
  }
}

/** Of each table, up to the limit and one more; undefined where this user is not shown all of its rows. */
async function countRows(connection: PostgresConnection, tables: readonly string[]): Promise<(number | undefined)[]> {
  const counts: (number | undefined)[] = []
  for (const table of tables) {
    const rows = await connection
      .raw(`SELECT count(*) AS count FROM (SELECT FROM ${table} LIMIT ${ROW_LIMIT + 1}) t`)
      .catch((error: unknown) => {
        // A materialized view that was never filled cannot be read, and holds nothing.
        if ((error as { code?: string }).code === '55000') return [{ count: 0 }]
        if (explainPostgres(error).kind === 'permission') return []
        throw error
      })
    counts.push(rows[0] === undefined ? undefined : Number(rows[0].count))
  }
  return counts
}

/**
 * Every namespace but the server's own and that of the mark. Namespaces other than the URL's and `public` go as a whole;
 * those that extensions live in stay, with the extensions.
 */
async function empty(connection: PostgresConnection): Promise<void> {
  await connection.restoreSettings()
  const query: Query = (sql, params) => connection.raw(sql, params)
  const keep = new Set(['public', connection.session.url.schema])
  const homes = new Set(await extensionSchemas(query))
  for (const schema of await userSchemas(query)) {
    if (schema === MARK) continue
    if (keep.has(schema)) await connection.script(await emptySchemaSql(query, schema))
    else if (homes.has(schema)) await connection.script(await dropObjectsSql(query, schema))
    else await connection.script(`DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE`)
  }
}
