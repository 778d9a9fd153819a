/** Fresh databases on the MySQL or MariaDB server of the tests. */
import { randomBytes } from 'node:crypto'
import type { Connection, ConnectOptions } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { DatabaseUrl } from '../../engines/url.js'
import { serverUrl } from '../support/databases.js'

const SERVER = serverUrl('mysql')

/** Skipped where there is no server. */
export const describeMysql = SERVER === undefined ? describe.skip : describe

export const OPTIONS: ConnectOptions = { connectTimeoutMs: 5000, lockTimeoutMs: 2000, statementTimeoutMs: 0 }

export const name = () => `rays_test_${randomBytes(5).toString('hex')}`

/** The server's URL with a database and, where wanted, another user, host or parameters. */
export function urlOf(
  database: string,
  { user, host, query = '' }: { user?: string; host?: string; query?: string } = {},
): DatabaseUrl {
  const [, scheme, info, address] = /^(\w+:\/\/)(?:([^?]*)@)?([^/?]*)/.exec(SERVER as string) as unknown as string[]
  return new DatabaseUrl(
    `${scheme}${user ?? info ?? 'root'}@${host ?? address}/${encodeURIComponent(database)}${query}`,
    process.cwd(),
  )
}

/** The server's host and port. */
export function address(): { host: string; port: number } {
  const { hostname, port } = new URL(urlOf('x').reveal())
  return { host: hostname, port: Number(port || 3306) }
}

/** Runs the work in a new database and drops it afterwards. */
export async function inDatabase<T>(
  work: (connection: Connection, url: DatabaseUrl) => Promise<T>,
  options: Partial<ConnectOptions> = {},
  database = name(),
): Promise<T> {
  const url = urlOf(database)
  await mysql.createDatabase(url, OPTIONS)
  const connection = await mysql.connect(url, { ...OPTIONS, ...options })
  try {
    return await work(connection, url)
  } finally {
    await connection.close()
    const last = await mysql.connect(url, OPTIONS)
    await last.raw(`DROP DATABASE ${mysql.quote(database)}`)
    await last.close()
  }
}

export async function refusal(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: Error) => error,
  )
}
