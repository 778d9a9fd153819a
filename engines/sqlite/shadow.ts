/** Shadow databases of SQLite: in memory, or a configured file that is emptied. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Engine, type Shadow, ShadowRefusedError, type ShadowRequest } from '../engine.js'
import { holdsStrangers } from '../shadow-contents.js'
import { DatabaseUrl } from '../url.js'
import { SqliteConnection } from './connection.js'
import { sameFile } from './files.js'
import { create, open, openInMemory } from './session.js'
import { sqlitePath, withSqliteFile } from './url.js'
import { quote } from './values.js'

/** Prisma: a shadow that holds more rows than this is somebody's data, whatever was consented to. */
const ROW_LIMIT = 1000

/**
 * See Engine.openShadow. In memory (Prisma: the shadow of SQLite is `:memory:`), so that nothing of the live data is ever
 * copied and nothing is left behind.
 */
export async function openShadow(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  if (request.configured) return openConfigured(engine, request, request.configured)
  if (request.shared) return openShared(engine, request)
  const connection = new SqliteConnection(engine, await openInMemory(), 'sqlite in memory', request.connect)
  return { connection, dispose: () => connection.close().catch(() => undefined) }
}

async function openShared(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  const folder = mkdtempSync(join(tmpdir(), 'rays-shadow-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const shadow = await openConfigured(engine, request, {
      url: new DatabaseUrl(`file:${join(folder, 'shadow.db')}`, folder),
    })
    return { ...shadow, dispose: () => shadow.dispose().finally(remove) }
  } catch (error) {
    remove()
    throw error
  }
}

async function openConfigured(
  engine: Engine,
  request: ShadowRequest,
  configured: NonNullable<ShadowRequest['configured']>,
): Promise<Shadow> {
  const url = 'url' in configured ? configured.url : withSqliteFile(request.url, configured.name)
  const path = sqlitePath(url)
  const refuse = (why: string, clearable = false): never => {
    throw new ShadowRefusedError(`The shadow database ${path} is refused: ${why}`, clearable)
  }
  if (sameFile(path, sqlitePath(request.url)))
    refuse('it is the main database, and a shadow database is emptied. Name another file.')
  // Nobody else reads what is tried here, not even its names.
  const created = !existsSync(path) && (await create(path, 0o600))
  const connection = new SqliteConnection(engine, await open(path, request.connect), `sqlite ${path}`, request.connect)
  try {
    await guardContents(connection, request, refuse)
    await connection.reset()
  } catch (error) {
    await connection.close()
    throw error
  }
  const dispose = async () => {
    try {
      await connection.restoreSettings()
      await connection.reset()
      await connection.close()
      if (created) rmSync(path, { force: true })
    } catch {
      await connection.close().catch(() => undefined)
    }
  }
  return { connection, dispose }
}

async function guardContents(
  connection: SqliteConnection,
  { knownTables, clear }: ShadowRequest,
  refuse: (why: string, clearable?: boolean) => never,
): Promise<void> {
  const all = await connection.raw(
    "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' ORDER BY type, name",
  )
  const objects = all
    .map(({ name, type }) => ({ name: String(name), kind: type === 'virtual' ? 'virtual table' : String(type) }))
    .filter(({ name }) => !name.startsWith('sqlite_') && name !== '_prisma_migrations')
  const known = new Set(knownTables)
  const unknown = objects.filter(({ kind, name }) => kind === 'view' || !known.has(name))
  if (unknown.length > 0 && !clear) refuse(holdsStrangers(unknown.map(({ kind, name }) => `${kind} ${name}`)), true)
  let rows = 0
  for (const table of objects.filter(({ kind }) => kind !== 'view')) {
    const [row] = await connection.raw(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${quote(table.name)} LIMIT ${ROW_LIMIT + 1})`,
    )
    rows += Number(row!.count)
    if (rows > ROW_LIMIT)
      refuse(`it holds more than ${ROW_LIMIT} rows, so it is somebody's data. Use an empty database.`)
  }
}
