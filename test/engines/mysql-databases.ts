/** Fresh databases on the MySQL or MariaDB server that RAYS_TEST_MYSQL_URL names. */
import { randomBytes } from 'node:crypto'
import type { Connection, ConnectOptions } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { DatabaseUrl } from '../../engines/url.js'

export const SERVER = process.env.RAYS_TEST_MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/'

export const OPTIONS: ConnectOptions = { connectTimeoutMs: 5000, lockTimeoutMs: 2000, statementTimeoutMs: 0 }

export const name = () => `e_eng_${randomBytes(5).toString('hex')}`

/** The server's URL with a database and, where wanted, parameters. */
export function urlOf(database: string, query = ''): DatabaseUrl {
  const [head] = SERVER.split('?')
  return new DatabaseUrl(
    `${(head as string).replace(/\/[^/@]*$/, '')}/${encodeURIComponent(database)}${query}`,
    process.cwd(),
  )
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
