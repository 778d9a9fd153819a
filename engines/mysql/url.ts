/** MySQL URLs as Prisma understands them. mysql2 never sees the URL itself: it would act on every parameter it knows. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { BadUrlError, type Relation } from '../engine.js'
import { DatabaseUrl, ENCODE, timerMs } from '../url.js'

/** Where a URL points, with its secrets. Never printed, never stored. */
export interface MysqlTarget {
  readonly host: string
  readonly port: number
  readonly socketPath: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** `connect_timeout` of the URL in milliseconds; 0 is no limit. */
  readonly connectTimeoutMs: number | undefined
  readonly tls: TlsTarget | undefined
  /** PlanetScale: no advisory locks, TLS only. */
  readonly planetScale: boolean
}

/** The TLS parameters of a URL; the files are absolute paths. */
export interface TlsTarget {
  /** `sslaccept=accept_invalid_certs` (or `ssl={"rejectUnauthorized":false}`) turns the check of the certificate off. */
  readonly verify: boolean
  /** `sslaccept=strict`: the certificate must also name the host. */
  readonly verifyHost: boolean
  /** `sslcert`: certificates of the authorities to trust. */
  readonly ca: string | undefined
  /** `sslidentity`: PKCS#12 file with the client's own certificate. */
  readonly identity: string | undefined
  /** `sslpassword`: of the PKCS#12 file. */
  readonly passphrase: string | undefined
}

const DEFAULT_PORT = 3306

/** A stray `%` is part of the text itself, as in {@link DatabaseUrl.secrets}. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function bad(message: string): BadUrlError {
  return new BadUrlError(
    `the database URL cannot be used: ${message}. Expected mysql://USER:PASSWORD@HOST:PORT/DATABASE`,
  )
}

/** Splits like {@link DatabaseUrl}: the last `@` before the query ends the user information, so `@` and `/` may stand in a password. */
function split(href: string): { info: string; host: string; path: string; query: string } {
  const match = /^(?:mysql|mariadb):\/\/([^?#]*)(?:\?([^#]*))?(?:#.*)?$/is.exec(href)
  if (!match) throw bad('it does not start with mysql:// or mariadb://')
  if (/#.*@/s.test(href)) throw bad(`it contains an unencoded #. ${ENCODE}`)
  const rest = match[1] ?? ''
  const at = rest.lastIndexOf('@')
  const address = rest.slice(at + 1)
  const slash = address.indexOf('/')
  return {
    info: at === -1 ? '' : rest.slice(0, at),
    host: slash === -1 ? address : address.slice(0, slash),
    path: slash === -1 ? '' : address.slice(slash + 1),
    query: match[2] ?? '',
  }
}

function hostAndPort(text: string): { host: string; port: number } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(text)
  if (!match) throw bad(`host and port cannot be told apart (an IPv6 address needs brackets). ${ENCODE}`)
  const port = match[2] ? Number(match[2]) : DEFAULT_PORT
  if (port < 1 || port > 65535) throw bad(`${match[2]} is not a port. ${ENCODE}`)
  return { host: decode((match[1] ?? '').replace(/^\[|\]$/g, '')) || 'localhost', port }
}

/** Prisma: files are named relative to the schema's folder; the working folder is the second guess. */
function file(base: string, path: string | null): string | undefined {
  if (!path) return undefined
  const beside = resolve(base, path)
  return existsSync(beside) ? beside : resolve(path)
}

/** What the words of other clients ask for: those that hosts print into their URLs. */
const MODES: Readonly<Record<string, 'off' | 'on' | 'host'>> = {
  disabled: 'off',
  disable: 'off',
  false: 'off',
  '0': 'off',
  no: 'off',
  off: 'off',
  // Without TLS is as good to them as with it.
  preferred: 'off',
  prefer: 'off',
  allow: 'off',
  required: 'on',
  require: 'on',
  true: 'on',
  '1': 'on',
  yes: 'on',
  on: 'on',
  verify_ca: 'on',
  verify_identity: 'host',
  verify_full: 'host',
}

const MODE_NAMES = new Set(['sslmode', 'ssl', 'usessl', 'requiressl', 'tls'])
const plainName = (name: string) => name.toLowerCase().replace(/[-_]/g, '')

interface Asked {
  readonly mode: 'off' | 'on' | 'host'
  readonly verify?: boolean
  readonly told: string
}

/** `ssl-mode=REQUIRED`, `sslmode=require`, `ssl=true`, `useSSL=true`, `ssl={"rejectUnauthorized":true}`. */
function askedMode(query: URLSearchParams): Asked | undefined {
  const asked = [...query].flatMap(([name, value]): Asked[] => {
    if (!MODE_NAMES.has(plainName(name))) return []
    const told = `${name}=${value}`
    const check = /^\{\s*"rejectUnauthorized"\s*:\s*(true|false)\s*\}$/.exec(value)?.[1]
    if (check !== undefined) return [{ mode: check === 'true' ? 'host' : 'on', verify: check === 'true', told }]
    const mode = MODES[value.toLowerCase().replaceAll('-', '_')]
    if (mode === undefined)
      throw bad(
        `${told} is not understood. TLS is asked for with sslaccept=strict, or sslaccept=accept_invalid_certs without a check of the certificate`,
      )
    return [{ mode, told }]
  })
  const [first] = asked
  const other = asked.find(({ mode }) => (mode === 'off') !== (first?.mode === 'off'))
  if (first && other) throw bad(`${first.told} and ${other.told} contradict each other`)
  return asked.find(({ mode }) => mode === 'host') ?? first
}

/**
 * Prisma: TLS is used where any `ssl*` parameter is given. Unlike Prisma, a certificate is checked unless
 * `sslaccept=accept_invalid_certs` says otherwise, and the words of other clients count.
 */
function tlsOf(query: URLSearchParams, base: string, planetScale: boolean): TlsTarget | undefined {
  const accept = query.get('sslaccept')
  const asked = askedMode(query)
  const own = ['sslaccept', 'sslcert', 'sslidentity'].find((name) => query.has(name))
  if (asked?.mode === 'off' && own !== undefined) throw bad(`${asked.told} and ${own} contradict each other`)
  if (!planetScale && own === undefined && (asked === undefined || asked.mode === 'off')) return undefined
  return {
    verify: accept === null ? asked?.verify !== false : accept !== 'accept_invalid_certs',
    verifyHost: accept === 'strict' || (accept === null && (planetScale || asked?.mode === 'host')),
    ca: file(base, query.get('sslcert')),
    identity: file(base, query.get('sslidentity')),
    passphrase: query.get('sslpassword') ?? undefined,
  }
}

/**
 * Takes a URL apart. Parameters that are not known here (`connection_limit`, `pool_timeout` ...) mean nothing.
 * @throws {BadUrlError} without the URL in its text
 */
export function parseUrl(url: DatabaseUrl): MysqlTarget {
  const { info, host: address, path, query: search } = split(url.reveal())
  const { host, port } = hostAndPort(address)
  const database = decode(path.replace(/\/$/, ''))
  if (database === '') throw bad('it names no database')
  if (database.includes('\0')) throw bad('the name of the database contains a NUL character')
  // URLSearchParams reads `+` as a blank; Prisma does too.
  const query = new URLSearchParams(search)
  const colon = info.indexOf(':')
  const timeout = query.get('connect_timeout')
  const planetScale = /\.psdb\.cloud$/i.test(host)
  return {
    host,
    port,
    socketPath: query.get('socket') || undefined,
    // Prisma: without a user the server's administrator is meant.
    user: decode(colon === -1 ? info : info.slice(0, colon)) || 'root',
    password: colon === -1 ? undefined : decode(info.slice(colon + 1)) || undefined,
    database,
    connectTimeoutMs: timeout !== null && /^\d+$/.test(timeout) ? timerMs(Number(timeout)) : undefined,
    tls: tlsOf(query, url.base, planetScale),
    planetScale,
  }
}

/** `mysql 127.0.0.1:3306/app`. */
export function describeTarget(target: MysqlTarget): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `mysql ${target.socketPath ?? `${host}:${target.port}`}/${target.database}`
}

/** Whether two URLs mean one database. */
export function relation(a: MysqlTarget, b: MysqlTarget): Relation {
  const server = ({ host, port, socketPath }: MysqlTarget) =>
    socketPath !== undefined || /^(?:localhost|127(?:\.\d+){3}|::1)$/i.test(host)
      ? `localhost:${socketPath === undefined ? port : ''}`
      : `${host.toLowerCase()}:${port}`
  const [first, second] = [server(a), server(b)]
  // A socket has no port: it may be that of any server here.
  const beside = first !== second && (first === 'localhost:' || second === 'localhost:')
  if (first !== second && !(beside && first.startsWith('localhost:') && second.startsWith('localhost:'))) return 'other'
  if (a.database === b.database) return beside ? 'perhaps' : 'same'
  // Servers may be set to take upper and lower case for one.
  return a.database.toLowerCase() === b.database.toLowerCase() ? 'perhaps' : 'other'
}

/** The same URL with another database. */
export function withDatabase(url: DatabaseUrl, name: string): DatabaseUrl {
  const href = url.reveal()
  const { path } = split(href)
  const query = href.search(/[?#]/)
  const head = query === -1 ? href : href.slice(0, query)
  const stem = path === '' && !head.endsWith('/') ? `${head}/` : head.slice(0, head.length - path.length)
  return new DatabaseUrl(`${stem}${encodeURIComponent(name)}${query === -1 ? '' : href.slice(query)}`, url.base)
}
