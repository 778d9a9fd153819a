/** PostgreSQL URLs, read as Prisma reads them. */
import { readFileSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { BadUrlError, type Relation } from '../engine.js'
import { DatabaseUrl, ENCODE, timerMs } from '../url.js'
import { IDENTIFIER_LIMIT } from './values.js'

/** How much TLS: `prefer` falls back to plain text where the server has none (Prisma's default). */
export type TlsMode = 'disable' | 'prefer' | 'require'

/** What a URL says. The password leaves it only towards the driver. */
export interface PostgresUrl {
  readonly user: string
  readonly password: string
  /** A name, an address without brackets, or the folder of a unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  /** `schema=`, by default `public`. */
  readonly schema: string
  readonly pooled: boolean
  readonly tls: TlsMode
  readonly applicationName: string
  /** Command-line options for the server, as in `options=-c role=x`. */
  readonly options: string | undefined
  /** Milliseconds; 0 is no limit, undefined where the URL says nothing. */
  readonly connectTimeoutMs: number | undefined
  /** Reads the certificate files; called when connecting. */
  tlsOptions(): TlsOptions
}

const TLS_MODES: Readonly<Record<string, TlsMode>> = {
  disable: 'disable',
  require: 'require',
  'no-verify': 'require',
  'verify-ca': 'require',
  'verify-full': 'require',
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function whole(value: string | null, name: string): number | undefined {
  if (value === null || value === '') return undefined
  if (!/^\d{1,9}$/.test(value)) throw new BadUrlError(`The database URL has ${name}=${value}, which is not a number.`)
  return Number(value)
}

/**
 * Reads a URL. Parameters that only Prisma's connection pool knows (`connection_limit`, `pool_timeout`,
 * `socket_timeout`, `statement_cache_size`, ...) are ignored, and so are unknown ones.
 * @throws {BadUrlError}
 */
export function parsePostgresUrl(url: DatabaseUrl): PostgresUrl {
  const href = url.reveal().trim()
  if (!/^postgres(?:ql)?:\/\//i.test(href))
    throw new BadUrlError('A PostgreSQL URL starts with postgresql:// (or postgres://).')
  let parsed: URL
  try {
    // libpq and Prisma allow an empty host before a socket parameter; WHATWG does not.
    parsed = new URL(href.replace(/^([^?#]*@)(?=[/?])/, '$1localhost'))
  } catch {
    throw new BadUrlError(`The database URL cannot be read: ${url}. ${ENCODE}`)
  }
  if (parsed.hash !== '') throw new BadUrlError(`The database URL contains an unencoded #. ${ENCODE}`)
  const path = parsed.pathname.slice(1)
  if (path.includes('/')) throw new BadUrlError(`The database name in the URL contains an unencoded /. ${ENCODE}`)
  const param = (name: string) => parsed.searchParams.get(name)
  const host = param('host') || decode(parsed.hostname).replace(/^\[|\]$/g, '') || 'localhost'
  const sslmode = param('sslmode')?.toLowerCase() ?? ''
  const database = decode(path) || 'postgres'
  const schema = param('schema') || 'public'
  for (const name of [database, schema]) {
    if (name.includes('\0'))
      throw new BadUrlError('The database URL has a NUL character in the name of the database or the schema.')
    if (Buffer.byteLength(name) > IDENTIFIER_LIMIT)
      throw new BadUrlError(
        `The database URL has a name that is longer than ${IDENTIFIER_LIMIT} bytes, and PostgreSQL would cut it: ${name}`,
      )
  }
  const connectTimeout = whole(param('connect_timeout'), 'connect_timeout')
  return Object.defineProperty(
    {
      user: decode(parsed.username) || 'postgres',
      password: '',
      host: host.startsWith('/') ? host : host.toLowerCase(),
      port: whole(parsed.port || param('port'), 'port') ?? 5432,
      database,
      schema,
      pooled: param('pgbouncer')?.toLowerCase() === 'true',
      tls: host.startsWith('/') ? 'disable' : (TLS_MODES[sslmode] ?? 'prefer'),
      applicationName: param('application_name') || 'rays',
      options: param('options') ?? undefined,
      connectTimeoutMs: connectTimeout === undefined ? undefined : timerMs(connectTimeout),
      tlsOptions: () => tlsOptions(parsed.searchParams, sslmode, host, url.base),
    } as const,
    'password',
    { value: decode(parsed.password), enumerable: false },
  )
}

/**
 * Prisma: `sslaccept=strict` checks the server's certificate; `accept_invalid_certs`, the default with `require` and
 * `prefer`, encrypts without checking, as these modes do in libpq. `verify-ca` and `verify-full` always check.
 */
function tlsOptions(params: URLSearchParams, sslmode: string, host: string, base: string): TlsOptions {
  const read = (name: string) => {
    const file = params.get(name)
    if (!file) return undefined
    const path = isAbsolute(file) ? file : resolve(base, file)
    try {
      return readFileSync(path)
    } catch (error) {
      const { code } = error as { code?: string }
      throw new BadUrlError(`The file of ${name} in the database URL cannot be read: ${path} (${code}).`, {
        cause: error,
      })
    }
  }
  const key = read('sslkey')
  // Prisma: sslcert is the certificate of the server's authority. With a key beside it (libpq) it is the client's own.
  const certificate = read('sslcert')
  const ca = read('sslrootcert') ?? (key ? undefined : certificate)
  const pfx = read('sslidentity')
  const strict = params.get('sslaccept') === 'strict' || sslmode.startsWith('verify-')
  return {
    ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
    ...(ca && { ca }),
    ...(key && { key, cert: certificate }),
    ...(pfx && { pfx, passphrase: params.get('sslpassword') ?? '' }),
    rejectUnauthorized: strict,
    ...(sslmode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  }
}

/** `127.0.0.1:5432/app, schema public`. */
export function describePostgres(url: PostgresUrl): string {
  const host = url.host.includes(':') ? `[${url.host}]` : url.host
  return `postgresql ${host}:${url.port}/${url.database}, schema ${url.schema}`
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1)$/

/** Whether the host is this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** Whether two URLs denote the same database, however they are spelled; the schema makes no difference. */
export function samePostgresDatabase(a: PostgresUrl, b: PostgresUrl): boolean {
  const host = (url: PostgresUrl) => (isLoopback(url.host) || url.host.startsWith('/') ? 'localhost' : url.host)
  return host(a) === host(b) && a.port === b.port && a.database === b.database
}

/** Ports that poolers have by custom: PgBouncer, Supabase. */
const POOLER_PORTS: ReadonlySet<number> = new Set([6432, 6543])

/** The server behind an address; hosters that give a database two names have rules for them. */
function serverOf(url: PostgresUrl): { readonly name: string; readonly pooled: boolean; readonly known: boolean } {
  const pooled = url.pooled || POOLER_PORTS.has(url.port)
  const host = url.host
  if (isLoopback(host) || host.startsWith('/')) return { name: 'localhost', pooled, known: false }
  if (/\.neon\.tech$/.test(host))
    return {
      name: host.replace(/^([^.]*)-pooler\./, '$1.'),
      pooled: pooled || /^[^.]*-pooler\./.test(host),
      known: true,
    }
  if (/^(?:pooled\.)?db\.prisma\.io$/.test(host))
    return { name: 'db.prisma.io', pooled: pooled || host.startsWith('pooled.'), known: true }
  const direct = /^db\.([a-z0-9]+)\.supabase\.(?:co|com)$/.exec(host)?.[1]
  if (direct !== undefined) return { name: `supabase ${direct}`, pooled, known: true }
  const project = /\.pooler\.supabase\.com$/.test(host) ? /\.([a-z0-9]+)$/.exec(url.user)?.[1] : undefined
  if (project !== undefined) return { name: `supabase ${project}`, pooled: true, known: true }
  return { name: host, pooled, known: false }
}

/**
 * Whether two URLs mean one database: a pooled and a direct address do. Users, passwords and parameters make no difference;
 * the schema does not make it another database, but another place in it.
 */
export function postgresRelation(a: PostgresUrl, b: PostgresUrl): Relation {
  const [first, second] = [serverOf(a), serverOf(b)]
  const between = first.pooled !== second.pooled
  if (first.name !== second.name) {
    const hidden = between && !first.known && !second.known && a.database === b.database
    return hidden ? 'perhaps' : 'other'
  }
  if (a.port !== b.port && !between && !(first.pooled && first.known)) return 'other'
  // Poolers may have names of their own for a database.
  if (a.database !== b.database) return between ? 'perhaps' : 'other'
  return a.schema === b.schema ? 'same' : 'perhaps'
}

/** The URL with another database name. */
export function withPostgresDatabase(url: DatabaseUrl, name: string): DatabaseUrl {
  const href = url.reveal().trim()
  const match = /^([a-z]+:\/\/[^/?#]*)(?:\/[^?#]*)?(\?.*)?$/is.exec(href)
  if (!match) throw new BadUrlError(`The database URL cannot be read: ${url}. ${ENCODE}`)
  return new DatabaseUrl(`${match[1]}/${encodeURIComponent(name)}${match[2] ?? ''}`, url.base)
}
