/** Shadow databases of PostgreSQL: made and dropped by rays, or a configured one that is emptied. */
import {
  type ConnectOptions,
  type Engine,
  EngineError,
  type ErrorInfo,
  type Row,
  type Shadow,
  ShadowRefusedError,
  type ShadowRequest,
} from '../engine.js'
import { holdsStrangers } from '../shadow-contents.js'
import { isLeftover, shadowName } from '../shadow-name.js'
import type { DatabaseUrl } from '../url.js'
import { emptySchemaSql, looseObjects, ownSchemas, userSchemas } from './catalog.js'
import { PostgresConnection } from './connection.js'
import { explainPostgres } from './errors.js'
import { open, type Session } from './session.js'
import { parsePostgresUrl, samePostgresDatabase, withPostgresDatabase } from './url.js'
import { IDENTIFIER_LIMIT, literal, quote } from './values.js'

/** Databases of the server or of its host. */
const SYSTEM = /^(?:postgres|template[01]|rdsadmin|cloudsqladmin|azure_maintenance|azure_sys|alloydbadmin)$/
/** Prisma: a shadow that holds more rows than this is somebody's data, whatever was consented to. */
const ROW_LIMIT = 1000

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
  work: (query: (sql: string, params?: readonly unknown[]) => Promise<Row[]>) => Promise<T>,
): Promise<T> {
  const session = await openMaintenance(url, options)
  try {
    return await work(async (sql, params) => (await session.send(sql, params)).at(-1)?.rows ?? [])
  } finally {
    await session.close()
  }
}

/** See Engine.createDatabase. Creates the namespace of the URL as well. */
export async function createDatabase(engine: Engine, url: DatabaseUrl, options: ConnectOptions): Promise<boolean> {
  const { database, schema } = parsePostgresUrl(url)
  const created = await withMaintenance(url, options, async (query) => {
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
  await withMaintenance(url, connect, async (query) => {
    await dropLeftovers(query, main)
    try {
      await query(`CREATE DATABASE ${quote(name)} TEMPLATE template0 ${await likeMain(query, main)}`)
    } catch (error) {
      throw permission(error, name)
    }
  })
  const drop = () => dropDatabase(url, connect, name).catch(() => undefined)
  try {
    const connection = await connectShadow(engine, withPostgresDatabase(url, name), request)
    const dispose = async () => {
      await connection.close()
      await drop()
    }
    return { connection, dispose }
  } catch (error) {
    await drop()
    throw error
  }
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

async function connectShadow(engine: Engine, url: DatabaseUrl, request: ShadowRequest): Promise<PostgresConnection> {
  const connection = await PostgresConnection.start(engine, await open(url, request.connect))
  try {
    await createSchema(connection, connection.session.url.schema)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
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
  const refuse = (why: string, clearable = false): never => {
    throw new ShadowRefusedError(`The shadow database ${wanted.database} is refused: ${why}`, clearable)
  }
  if (samePostgresDatabase(wanted, parsePostgresUrl(request.url)))
    refuse('it is the main database, and a shadow database is emptied. Name another one.')
  if (SYSTEM.test(wanted.database)) refuse('it belongs to the server itself. Make an empty database for it.')
  if ('name' in configured) await createDatabase(engine, url, request.connect)
  const connection = await connectShadow(engine, url, request)
  try {
    if ((await connection.identify()) === (await identityOfMain(engine, request)))
      refuse('by another address it is the main database, and a shadow database is emptied. Name another one.')
    await guardContents(connection, request, refuse)
    await empty(connection)
  } catch (error) {
    await connection.close()
    throw error
  }
  const dispose = async () => {
    await empty(connection).catch(() => undefined)
    await connection.close()
  }
  return { connection, dispose }
}

/** Undefined where there is no main database to be mistaken for the shadow. */
async function identityOfMain(engine: Engine, { url, connect }: ShadowRequest): Promise<string | undefined> {
  try {
    const main = await PostgresConnection.start(engine, await open(url, { ...connect, readOnly: true }))
    try {
      return await main.identify()
    } finally {
      await main.close()
    }
  } catch (error) {
    const { kind } = explainPostgres(error)
    if (kind === 'missing-database' || kind === 'connection') return undefined
    throw error
  }
}

async function guardContents(
  connection: PostgresConnection,
  { knownTables, knownEnums = [], schemas: named = [], clear }: ShadowRequest,
  refuse: (why: string, clearable?: boolean) => never,
): Promise<void> {
  const query = (sql: string, params?: readonly unknown[]) => connection.raw(sql, params)
  const schemas = await userSchemas(query)
  const tables = await connection.tables(schemas)
  const known = new Set(knownTables)
  const unknown = tables.filter((table) => !known.has(table.name) && !known.has(`${table.schema}.${table.name}`))
  const objects = await looseObjects(query, schemas)
  const enums = new Set(knownEnums)
  const keep = new Set(['public', connection.session.url.schema, ...named])
  if (!clear) {
    const strangers = [
      ...unknown.map((table) => `table ${table.schema}.${table.name}`),
      ...objects.filter(({ kind, name }) => kind !== 'enum' || !enums.has(name)).map((o) => `${o.kind} ${o.identity}`),
      ...(await ownSchemas(query)).filter((schema) => !keep.has(schema)).map((schema) => `schema ${schema}`),
    ]
    if (strangers.length > 0) refuse(holdsStrangers(strangers), true)
  }
  const filled = objects.filter(({ kind }) => kind === 'materialized view').map(({ identity }) => identity)
  let rows = 0
  for (const table of [...tables.map(({ schema, name }) => `${quote(schema!)}.${quote(name)}`), ...filled]) {
    const [row] = await connection
      .raw(`SELECT count(*) AS count FROM (SELECT FROM ${table} LIMIT ${ROW_LIMIT + 1}) t`)
      .catch((error: { code?: string }) => {
        // A materialized view that was never filled cannot be read, and holds nothing.
        if (error.code === '55000') return [{ count: 0 }]
        throw error
      })
    rows += Number(row!.count)
    if (rows > ROW_LIMIT)
      refuse(`it holds more than ${ROW_LIMIT} rows, so it is somebody's data. Use an empty database.`)
  }
}

/** Every namespace but the server's own; namespaces other than the URL's and `public` go as a whole. */
async function empty(connection: PostgresConnection): Promise<void> {
  await connection.restoreSettings()
  const query = (sql: string, params?: readonly unknown[]) => connection.raw(sql, params)
  const keep = new Set(['public', connection.session.url.schema])
  for (const schema of await userSchemas(query)) {
    if (keep.has(schema)) await connection.script(await emptySchemaSql(query, schema))
    else await connection.script(`DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE`)
  }
}
