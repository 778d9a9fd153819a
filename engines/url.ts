import { inspect } from 'node:util'

/** What to do about a URL that is cut in the wrong places. */
export const ENCODE =
  'Special characters in the user, password or database name must be percent-encoded: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25.'

/**
 * A database URL that cannot be printed by accident: every way of turning it into text leaves the secrets out.
 * Only an engine calls {@link DatabaseUrl.reveal}, when it connects.
 */
export class DatabaseUrl {
  readonly #href: string
  /** The folder to which a relative SQLite path is relative. */
  readonly base: string

  /**
   * @param href the URL as the user wrote it
   * @param base absolute path of the folder that relative SQLite paths start from
   */
  constructor(href: string, base: string) {
    this.#href = href
    this.base = base
  }

  /** The URL with its password. For an engine's `connect` only. */
  reveal(): string {
    return this.#href
  }

  /** The scheme in lower case without the colon (`postgresql`, `mysql`, `file`), or '' where the text has none. */
  get scheme(): string {
    return /^([a-z][a-z0-9+.-]*):/i.exec(this.#href)?.[1]?.toLowerCase() ?? ''
  }

  /** Every spelling of every secret in the URL, for the redactor. */
  get secrets(): string[] {
    return secretsOf(this.#href)
  }

  toString(): string {
    return redactUrl(this.#href)
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/** Seconds of a URL as milliseconds that a timer can wait: Node takes more than that for none at all. */
export function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, 2 ** 31 - 1)
}

const SECRET_PARAMETERS = /([?&](?:password|sslpassword|api_key|apikey|token)=)([^&#\s]*)/gi
// A text without `://` is no URL, but may be one that lost its beginning, password and all; a file has no user.
const USER_INFO = /^((?!file:|sqlite:)(?:[a-z][a-z0-9+.-]*:\/\/)?)(.*)$/is

/**
 * Splits `user:password@rest` at the last `@` that is not part of the parameters, so that an unencoded `@`, `/`, `#` or `?`
 * in a password counts as password. Parameters are what follows a `?` and has a `=` before any further `@`.
 */
function userInfo(href: string): { before: string; user: string; password: string; after: string } | undefined {
  const match = USER_INFO.exec(href)
  if (!match) return undefined
  const [, before, rest] = match as unknown as [string, string, string]
  const query = rest.search(/\?[^?@]*=/)
  const inAuthority = rest.lastIndexOf('@', query === -1 ? rest.length : query)
  const at = inAuthority === -1 ? rest.lastIndexOf('@') : inAuthority
  if (at === -1) return undefined
  const info = rest.slice(0, at)
  const colon = info.indexOf(':')
  if (colon === -1) return undefined
  return { before, user: info.slice(0, colon), password: info.slice(colon + 1), after: rest.slice(at) }
}

/** The URL with its password and secret parameters replaced by `***`. */
export function redactUrl(href: string): string {
  const info = userInfo(href)
  const text = info ? `${info.before}${info.user}:***${info.after}` : href
  return text.replace(SECRET_PARAMETERS, '$1***')
}

function secretsOf(href: string): string[] {
  const found = new Set<string>()
  const add = (raw: string) => {
    if (raw === '') return
    found.add(raw)
    try {
      const decoded = decodeURIComponent(raw)
      found.add(decoded)
      found.add(encodeURIComponent(decoded))
    } catch {
      // A stray % is part of the password itself.
    }
  }
  const info = userInfo(href)
  if (info) add(info.password)
  for (const match of href.matchAll(SECRET_PARAMETERS)) add(match[2] ?? '')
  return [...found].sort((a, b) => b.length - a.length)
}

/**
 * Replaces every known secret, and whatever looks like a password in a URL, by `***`. A secret inside a longer word is not
 * one: with the password `postgres`, `postgresql` stays readable.
 */
export function redact(text: string, secrets: Iterable<string> = []): string {
  let result = text
  for (const secret of secrets) {
    if (secret.length === 0) continue
    const literal = secret.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    result = result.replace(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'gu'), '***')
  }
  return result.replace(URL_PASSWORD, '$1:***@').replace(SECRET_PARAMETERS, '$1***')
}

// Bounded, so that the time stays in proportion to the text, whatever is in it.
const URL_PASSWORD = /(:\/\/[^\s:/@"'`]{0,256}):([^\s"'`]{0,1024})@/g
