/**
 * Addresses of Prisma's own: `prisma+postgres://` and `prisma://`. They lead to a service that takes queries and no
 * migrations; behind it is a PostgreSQL database with an address of its own.
 */

/** The addresses of the database behind a local service, and of the empty one beside it. */
export interface DirectAddresses {
  readonly url: string
  readonly shadow?: string
}

export function isPrismaAddress(href: string): boolean {
  return /^prisma(?:\+postgres(?:ql)?)?:/i.test(href.trim())
}

/**
 * What the key of a local service (`prisma dev`) says: there it is base64 of JSON with both addresses, and no secret.
 * Undefined for every other address, and for a key that says nothing.
 */
export function directAddresses(href: string): DirectAddresses | undefined {
  const address = /^prisma\+postgres(?:ql)?:\/\/(?:[^@/?#]*@)?(\[[^\]]*\]|[^:/?#]*)/i.exec(href.trim())
  if (!address || !/^(?:localhost|127(?:\.\d+){3}|\[(?:::|(?:0:){7})1\])$/i.test(address[1]!)) return undefined
  const key = /[?&]api_key=([^&#]*)/i.exec(href)?.[1]
  if (key === undefined) return undefined
  try {
    const said: unknown = JSON.parse(Buffer.from(decodeURIComponent(key), 'base64').toString('utf8'))
    const { databaseUrl, shadowDatabaseUrl } = said as { databaseUrl?: unknown; shadowDatabaseUrl?: unknown }
    if (!isPostgres(databaseUrl)) return undefined
    return { url: databaseUrl, ...(isPostgres(shadowDatabaseUrl) && { shadow: shadowDatabaseUrl }) }
  } catch {
    return undefined
  }
}

const isPostgres = (value: unknown): value is string =>
  typeof value === 'string' && /^postgres(?:ql)?:\/\//i.test(value)
