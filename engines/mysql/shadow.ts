/** Shadow databases: made and dropped here, or configured by the user and then guarded against being the wrong one. */
import {
  type ConnectOptions,
  type Engine,
  EngineError,
  type Shadow,
  ShadowNotApartError,
  ShadowRefusedError,
  type ShadowRequest,
} from '../engine.js'
import { guardContents, ROW_LIMIT, type ShadowContents } from '../shadow-contents.js'
import { MARK } from '../shadow-mark.js'
import { isLeftover, isShadowName, shadowName } from '../shadow-name.js'
import type { DatabaseUrl } from '../url.js'
import { otherObjects } from './catalog.js'
import { MysqlConnection } from './connection.js'
import { explain } from './errors.js'
import { Session } from './session.js'
import { claim, isLeftToItself, type Marked, sees, writeMark } from './shadow-mark.js'
import { type MysqlTarget, parseUrl, withDatabase } from './url.js'
import { NAME_LIMIT, quote } from './values.js'

const SYSTEM = new Set(['mysql', 'sys', 'information_schema', 'performance_schema', 'ndbinfo'])

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

/** Makes a database, and answers what the session saw of it before anything else is done there. */
async function create(session: Session, target: MysqlTarget): Promise<string> {
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
}

/** Only for names that {@link shadowName} made in this process, and only where the server means the same by them. */
async function drop(session: Session, name: string): Promise<void> {
  if (!isShadowName(name)) throw new EngineError(`${name} is not a shadow database`)
  const { rows } = await session.send(
    'SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
    [name],
  )
  if (rows.length === 1 && String(rows[0]?.name) === name) await session.send(`DROP DATABASE IF EXISTS ${quote(name)}`)
}

async function temporary(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  const target = parseUrl(request.url)
  const { connect } = request
  const withSession = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await Session.open(target, undefined, connect)
    return work(session).finally(() => session.close())
  }
  let name = ''
  const dropAnew = () => withSession((session) => drop(session, name)).catch(() => undefined)
  const connection = await withSession(async (session) => {
    name = await create(session, target)
    return openApart(engine, { ...target, database: name }, request, session).catch(async (error) => {
      await dropAnew()
      throw error
    })
  })
  return {
    connection,
    async dispose() {
      await connection.close()
      await dropAnew()
    },
  }
}

/** Opens the database that has just been made, and makes nothing in it before it is known to be that one. */
async function openApart(
  engine: Engine,
  where: MysqlTarget,
  request: ShadowRequest,
  other: Session,
): Promise<MysqlConnection> {
  const connection = await MysqlConnection.open(engine, where, request.connect)
  try {
    const main = parseUrl(request.url).database
    const { id, database } = connection.facts
    const [mine] = (await other.send('SELECT CONNECTION_ID() AS id')).rows
    const apart = database === where.database && String(mine?.id) !== String(id)
    if (!apart || (await seenElsewhere(connection, other, main)))
      throw new ShadowNotApartError(
        `The shadow database is refused: this server leads every name to the same database (a connection to ${where.database}, which was just made, came to ${database ?? 'none'}), and a shadow database is emptied.`,
      )
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Whether an empty table of the one shows in the other, as it would where a proxy takes one name for the other. */
async function seenElsewhere(connection: MysqlConnection, other: Session, main: string): Promise<boolean> {
  const marked = await writeMark(connection)
  try {
    return await sees((sql, params) => other.send(sql, params).then(({ rows }) => rows), main, marked)
  } finally {
    await marked.remove()
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

/** A session that only looks at the main database; undefined where there is none. */
async function openMain(
  engine: Engine,
  main: MysqlTarget,
  connect: ConnectOptions,
): Promise<MysqlConnection | undefined> {
  try {
    return await MysqlConnection.open(engine, main, { ...connect, readOnly: true })
  } catch (error) {
    const { kind } = explain(error)
    if (kind === 'missing-database' || kind === 'connection') return undefined
    throw error
  }
}

async function readContents(shadow: MysqlConnection, request: ShadowRequest): Promise<ShadowContents> {
  const listed = await shadow.raw(
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME <> ? ORDER BY TABLE_NAME",
    [shadow.database, MARK],
  )
  const names = listed.map((row) => String(row.name))
  const objects = await otherObjects((sql, params) => shadow.raw(sql, params), shadow.database)
  const fold = (name: string) => (shadow.facts.lowerCaseTableNames === 0 ? name : name.toLowerCase())
  const known = new Set([...request.knownTables, '_prisma_migrations'].map(fold))
  const unknown = names.filter((name) => !known.has(fold(name)))
  const counts = new Map<string, number | undefined>()
  for (const name of names) counts.set(name, await countRows(shadow, name))
  return {
    strangers: [
      ...unknown.map((name) => `table ${name}`),
      ...objects.map(({ kind, name }) => `${kind.toLowerCase()} ${name}`),
    ],
    tables: names.flatMap((name) => (name === '_prisma_migrations' ? [] : [{ name, rows: counts.get(name) }])),
    history: counts.has('_prisma_migrations') ? (counts.get('_prisma_migrations') ?? ROW_LIMIT + 1) : 0,
    leftover: await isLeftToItself(shadow),
  }
}

/** Up to the limit and one more; undefined where this user may not read the table. */
async function countRows(shadow: MysqlConnection, name: string): Promise<number | undefined> {
  const table = `${quote(shadow.database)}.${quote(name)}`
  try {
    const [row] = await shadow.raw(`SELECT COUNT(*) AS n FROM (SELECT 1 FROM ${table} LIMIT ${ROW_LIMIT + 1}) AS t`)
    return Number(row?.n)
  } catch (error) {
    if (explain(error).kind !== 'permission') throw error
    return undefined
  }
}

function isEmpty({ strangers, tables, history }: ShadowContents): boolean {
  return strangers.length === 0 && history === 0 && tables.every(({ rows }) => rows === 0)
}

async function configured(engine: Engine, request: ShadowRequest, url: DatabaseUrl): Promise<Shadow> {
  const where = parseUrl(request.url)
  const target = parseUrl(url)
  if (SYSTEM.has(target.database.toLowerCase()))
    refuse(
      `The shadow database ${target.database} is refused: it belongs to the server itself. Make an empty database for it.`,
    )
  if (sameByUrl(where, target)) {
    refuse(
      `The shadow database ${target.database} is refused: it is the main database, and a shadow database is emptied. Name another one.`,
    )
  }
  // A name is that of a database on the same server, which is made where it is missing.
  if (request.configured && 'name' in request.configured) await engine.createDatabase(url, request.connect)
  const connection = await MysqlConnection.open(engine, target, request.connect)
  let main: MysqlConnection | undefined
  let marked: Marked | undefined
  try {
    main = await openMain(engine, where, request.connect)
    if (main && (main.facts.id === connection.facts.id || (await main.identify()) === (await connection.identify())))
      refuse(
        `The shadow database ${connection.database} is refused: by another address it is the main database, and a shadow database is emptied. Name another one.`,
      )
    await claim(connection, request.connect.lockTimeoutMs)
    const contents = await readContents(connection, request)
    guardContents(contents, { name: target.database, clear: request.clear })
    if (main === undefined && !isEmpty(contents) && !contents.leftover)
      refuse(
        `The shadow database ${connection.database} is refused: the main database cannot be reached, so nobody can tell that it is another one. Use an empty database.`,
      )
    await connection.reset()
    marked = await writeMark(connection)
    const { raw } = main ?? {}
    if (main && raw && (await sees((sql, params) => raw.call(main, sql, params), undefined, marked)))
      refuse(
        `The shadow database ${connection.database} is refused: what is written to it appears in the main database, so the two are one. Name another one.`,
      )
  } catch (error) {
    await marked?.remove()
    await connection.close()
    throw error
  } finally {
    await main?.close()
  }
  return {
    connection,
    async dispose() {
      await connection
        .reset()
        .then(() => marked?.remove())
        .catch(() => cleanUp(engine, target, request.connect))
      await connection.close()
    },
  }
}

/** The session of the proof is gone: another one empties the database, unless another run has it by now. Never throws. */
async function cleanUp(engine: Engine, target: MysqlTarget, connect: ConnectOptions): Promise<void> {
  const connection = await MysqlConnection.open(engine, target, connect).catch(() => undefined)
  if (!connection) return
  try {
    await claim(connection, 1000)
    if (!(await isLeftToItself(connection))) return
    await connection.reset()
    await connection.raw(`DROP TABLE IF EXISTS ${quote(MARK)}`)
  } catch {
    // The mark tells the next run whose it is.
  } finally {
    await connection.close()
  }
}

/** Opens a shadow database; see {@link ShadowRequest}. */
export function openShadow(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  if (request.configured === undefined) return temporary(engine, request)
  const url = 'name' in request.configured ? withDatabase(request.url, request.configured.name) : request.configured.url
  return configured(engine, request, url)
}
