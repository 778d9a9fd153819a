/**
 * Shadow databases of SQLite: in memory, or a file of rays' own where another process has to reach it. A configured file is
 * never worked in, so that a run that is killed leaves nothing in it; it must be one that could be, as it may be emptied.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Engine, type Shadow, ShadowRefusedError, type ShadowRequest } from '../engine.js'
import { guardContents, ROW_LIMIT, type ShadowContents } from '../shadow-contents.js'
import { SqliteConnection } from './connection.js'
import { sameFile } from './files.js'
import { create, open, openInMemory } from './session.js'
import { sqlitePath, withSqliteFile } from './url.js'
import { quote } from './values.js'

/**
 * See Engine.openShadow. In memory (Prisma: the shadow of SQLite is `:memory:`), so that nothing of the live data is ever
 * copied and nothing is left behind.
 */
export async function openShadow(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  if (request.configured) await requireFree(engine, request, request.configured)
  if (request.shared) return openShared(engine, request)
  const connection = new SqliteConnection(engine, await openInMemory(), 'sqlite in memory', request.connect)
  return { connection, dispose: () => connection.close().catch(() => undefined) }
}

/** In a folder that nobody else can enter. */
async function openShared(engine: Engine, request: ShadowRequest): Promise<Shadow> {
  const folder = mkdtempSync(join(tmpdir(), 'rays-shadow-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const path = join(folder, 'shadow.db')
    await create(path, 0o600)
    const file = await open(path, request.connect)
    const connection = new SqliteConnection(engine, file, `sqlite ${path}`, request.connect)
    const dispose = () =>
      connection
        .close()
        .catch(() => undefined)
        .finally(remove)
    return { connection, dispose }
  } catch (error) {
    remove()
    throw error
  }
}

/** Empties a configured file where that was consented to. @throws {ShadowRefusedError} for one that is somebody's */
async function requireFree(
  engine: Engine,
  request: ShadowRequest,
  configured: NonNullable<ShadowRequest['configured']>,
): Promise<void> {
  const url = 'url' in configured ? configured.url : withSqliteFile(request.url, configured.name)
  const path = sqlitePath(url)
  if (sameFile(path, sqlitePath(request.url)))
    throw new ShadowRefusedError(
      `The shadow database ${path} is refused: it is the main database, and a shadow database is emptied. Name another file.`,
    )
  if (!existsSync(path)) return
  const file = await open(path, { ...request.connect, readOnly: true })
  const looking = new SqliteConnection(engine, file, `sqlite ${path}`, request.connect)
  let contents: ShadowContents
  try {
    contents = await readContents(looking, request)
  } finally {
    await looking.close()
  }
  guardContents(contents, { name: path, clear: request.clear })
  if (contents.strangers.length === 0 && contents.tables.length === 0 && contents.history === 0) return
  const connection = new SqliteConnection(engine, await open(path, request.connect), `sqlite ${path}`, request.connect)
  await connection.reset().finally(() => connection.close())
}

async function readContents(connection: SqliteConnection, { knownTables }: ShadowRequest): Promise<ShadowContents> {
  const all = await connection.raw(
    "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' ORDER BY type, name",
  )
  const objects = all
    .map(({ name, type }) => ({ name: String(name), kind: type === 'virtual' ? 'virtual table' : String(type) }))
    .filter(({ name }) => !name.startsWith('sqlite_'))
  const known = new Set([...knownTables, '_prisma_migrations'])
  const counts = new Map<string, number | undefined>()
  for (const { kind, name } of objects) if (kind !== 'view') counts.set(name, await countRows(connection, name))
  return {
    strangers: objects
      .filter(({ kind, name }) => kind === 'view' || !known.has(name))
      .map(({ kind, name }) => `${kind} ${name}`),
    tables: [...counts].flatMap(([name, rows]) => (name === '_prisma_migrations' ? [] : [{ name, rows }])),
    history: counts.has('_prisma_migrations') ? (counts.get('_prisma_migrations') ?? ROW_LIMIT + 1) : 0,
    leftover: false,
  }
}

/** Up to the limit and one more; undefined where the table needs a module that is not here. */
async function countRows(connection: SqliteConnection, name: string): Promise<number | undefined> {
  try {
    const [row] = await connection.raw(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${quote(name)} LIMIT ${ROW_LIMIT + 1})`,
    )
    return Number(row?.count)
  } catch (error) {
    if (!/no such module/.test((error as Error).message)) throw error
    return undefined
  }
}
