/** SQLite URLs, read as Prisma reads them: what follows `file:` is a path as it stands, up to the first `?`. */
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import { BadUrlError } from '../engine.js'
import { DatabaseUrl } from '../url.js'

/** The absolute path of the database file. @throws {BadUrlError} */
export function sqlitePath(url: DatabaseUrl): string {
  const match = /^(?:file|sqlite):([^?]*)/i.exec(url.reveal().trim())
  if (!match) throw new BadUrlError('A SQLite URL starts with file: and names a file, as in file:./dev.db')
  // file:///C:/x on Windows
  const path = match[1]!.replace(/^\/+(?=[a-z]:[\\/])/i, '').replace(/^\/{2,}/, '/')
  if (path === '' || path === '/') throw new BadUrlError('The database URL names no file; write file:./dev.db')
  if (/^:memory:/i.test(path)) throw new BadUrlError('A database in memory is gone when rays ends; name a file.')
  if (path.includes('\0')) throw new BadUrlError('The path in the database URL contains a NUL character.')
  return isAbsolute(path) ? resolve(path) : resolve(url.base, path)
}

/** `sqlite /project/prisma/dev.db`. */
export function describeSqlite(url: DatabaseUrl): string {
  return `sqlite ${sqlitePath(url)}`
}

/** The file's name, as a person would confirm it. */
export function sqliteName(url: DatabaseUrl): string {
  return basename(sqlitePath(url))
}

/** The URL of another file; a relative name lies beside the database. */
export function withSqliteFile(url: DatabaseUrl, name: string): DatabaseUrl {
  const parameters = /\?.*$/s.exec(url.reveal().trim())?.[0] ?? ''
  const bare = name.replace(/^(?:file|sqlite):/i, '')
  return new DatabaseUrl(`file:${resolve(dirname(sqlitePath(url)), bare)}${parameters}`, url.base)
}
