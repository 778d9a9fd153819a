/** Shadow databases: made and dropped here, or configured by the user and then guarded against being the wrong one. */
import {
  type Connection,
  type ConnectOptions,
  type Engine,
  type Shadow,
  ShadowRefusedError,
  type ShadowRequest,
} from '../engine.js'
import { holdsStrangers } from '../shadow-contents.js'
import { isLeftover, shadowName } from '../shadow-name.js'
import type { DatabaseUrl } from '../url.js'
import { dropEverything, otherObjects } from './catalog.js'
import { MysqlConnection } from './connection.js'
import { explain } from './errors.js'
import { Session } from './session.js'
import { type MysqlTarget, parseUrl, withDatabase } from './url.js'
import { NAME_LIMIT, quote } from './values.js'

const SYSTEM = new Set(['mysql', 'sys', 'information_schema', 'performance_schema', 'ndbinfo'])
const ROW_LIMIT = 1000

/** Prisma: the character set and collation of every database that Migrate creates. */
export const CHARACTER_SET = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci'

/** Drops shadows of this database whose makers are gone: old, unused by any session, and of no living process here. */
async function removeLeftovers(session: Session, database: string): Promise<void> {
  const { rows } = await session.send(
    "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%|_rays|_shadow|_%' ESCAPE '|'",
  )
  for (const row of rows) {
    const name = String(row.name)
    if (!isLeftover(name, database.toLowerCase(), NAME_LIMIT)) continue
    const used = await session.send('SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE DB = ?', [name])
    if (Number(used.rows[0]?.n) === 0) await session.send(`DROP DATABASE IF EXISTS ${quote(name)}`)
  }
}

async function create(target: MysqlTarget, connect: ConnectOptions): Promise<string> {
  const session = await Session.open(target, undefined, connect)
  try {
    await removeLeftovers(session, target.database).catch((error: unknown) => {
      if (explain(error).kind === 'connection') throw error
    })
    const name = shadowName(target.database.toLowerCase(), NAME_LIMIT)
    try {
      await session.send(`CREATE DATABASE ${quote(name)} ${CHARACTER_SET}`)
    } catch (error) {
      const { kind, message } = explain(error)
      if (kind === 'connection' || kind === 'disk-full') throw error
      throw Object.assign(error as Error, {
        message: `the shadow database could not be created: ${message}`,
        sqlMessage: `the shadow database could not be created: ${message}`,
        hint: 'Create an empty database for rays to experiment in and name it as shadowDatabaseName in the configuration, or grant CREATE and DROP on it.',
      })
    }
    return name
  } finally {
    await session.close()
  }
}

async function temporary(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  const target = parseUrl(request.url)
  const name = await create(target, request.connect)
  const where = { ...target, database: name }
  const drop = async (use: Pick<Session, 'send'>) => {
    await use.send(`DROP DATABASE IF EXISTS ${quote(name)}`)
  }
  const dropAnew = async () => {
    const session = await Session.open(target, undefined, request.connect)
    await drop(session).finally(() => session.close())
  }
  let connection: Connection
  try {
    connection = await MysqlConnection.open(engine, where, request.connect)
  } catch (error) {
    await dropAnew().catch(() => {})
    throw error
  }
  return {
    connection,
    async dispose() {
      try {
        await connection.raw(`DROP DATABASE IF EXISTS ${quote(name)}`)
      } catch {
        await dropAnew().catch(() => {})
      }
      await connection.close()
    },
  }
}

function refuse(message: string, clearable = false): never {
  throw new ShadowRefusedError(message, clearable)
}

function sameByUrl(a: MysqlTarget, b: MysqlTarget): boolean {
  const host = (t: MysqlTarget) => {
    const name = t.host.toLowerCase()
    return name === 'localhost' || name === '::1' ? '127.0.0.1' : name
  }
  const server = (t: MysqlTarget) => t.socketPath ?? `${host(t)}:${t.port}`
  return server(a) === server(b) && a.database.toLowerCase() === b.database.toLowerCase()
}

/** Compares with the live main database. One that does not exist yet cannot be the shadow, which does. */
async function refuseMain(
  engine: Engine,
  main: MysqlTarget,
  shadow: Connection,
  connect: ConnectOptions,
): Promise<void> {
  let connection: Connection
  try {
    connection = await MysqlConnection.open(engine, main, { ...connect, readOnly: true })
  } catch (error) {
    // Without a look at the main database only the URLs count, and those were compared.
    const { kind } = explain(error)
    if (kind === 'missing-database' || kind === 'connection') return
    throw error
  }
  try {
    if ((await connection.identify()) === (await shadow.identify())) {
      refuse(
        `The shadow database ${shadow.database} is refused: by another address it is the main database, and a shadow database is emptied. Name another one.`,
      )
    }
  } finally {
    await connection.close()
  }
}

async function refuseForeign(shadow: MysqlConnection, request: ShadowRequest): Promise<void> {
  const rows = await shadow.raw(
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
    [shadow.database],
  )
  const names = rows.map((row) => String(row.name))
  const objects = await otherObjects((sql, params) => shadow.raw(sql, params), shadow.database)
  const fold = (name: string) => (shadow.facts.lowerCaseTableNames === 0 ? name : name.toLowerCase())
  const known = new Set([...request.knownTables, '_prisma_migrations'].map(fold))
  const unknown = names.filter((name) => !known.has(fold(name)))
  const strangers = [
    ...unknown.map((name) => `table ${name}`),
    ...objects.map(({ kind, name }) => `${kind.toLowerCase()} ${name}`),
  ]
  if (strangers.length > 0 && !request.clear)
    refuse(`The shadow database ${shadow.database} is refused: ${holdsStrangers(strangers)}`, true)
  let count = 0
  for (const name of names) {
    const table = `${quote(shadow.database)}.${quote(name)}`
    const [row] = await shadow.raw(`SELECT COUNT(*) AS n FROM (SELECT 1 FROM ${table} LIMIT ${ROW_LIMIT + 1}) AS t`)
    count += Number(row?.n)
    if (count > ROW_LIMIT) {
      refuse(
        `The shadow database ${shadow.database} is refused: it holds more than ${ROW_LIMIT} rows, so it is somebody's data. Use an empty database.`,
      )
    }
  }
}

async function configured(engine: Engine, request: ShadowRequest, url: DatabaseUrl): Promise<Shadow> {
  const main = parseUrl(request.url)
  const target = parseUrl(url)
  if (SYSTEM.has(target.database.toLowerCase()))
    refuse(
      `The shadow database ${target.database} is refused: it belongs to the server itself. Make an empty database for it.`,
    )
  if (sameByUrl(main, target)) {
    refuse(
      `The shadow database ${target.database} is refused: it is the main database, and a shadow database is emptied. Name another one.`,
    )
  }
  // A name is that of a database on the same server, which is made where it is missing.
  if (request.configured && 'name' in request.configured) await engine.createDatabase(url, request.connect)
  const connection = await MysqlConnection.open(engine, target, request.connect)
  try {
    await refuseMain(engine, main, connection, request.connect)
    await refuseForeign(connection, request)
    await connection.reset()
  } catch (error) {
    await connection.close()
    throw error
  }
  return {
    connection,
    async dispose() {
      try {
        await connection.reset()
      } catch {
        const session = await Session.open(target, target.database, request.connect).catch(() => undefined)
        if (session) {
          await dropEverything(session, target.database).catch(() => {})
          await session.close()
        }
      }
      await connection.close()
    },
  }
}

/** Opens a shadow database; see {@link ShadowRequest}. */
export function openShadow(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  if (request.configured === undefined) return temporary(engine, request)
  const url = 'name' in request.configured ? withDatabase(request.url, request.configured.name) : request.configured.url
  return configured(engine, request, url)
}
