import { inspect } from 'node:util'

/** What to do about a URL that is cut in the wrong places. */
export const ENCODE =
  'Special characters in the user, password or database name must be percent-encoded: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25.'

/** Every spelling of every secret of every URL that this process has read. */
const known = new Set<string>()

/** What the texts of drivers and servers are searched for, whichever URL it is of. */
export function knownSecrets(): ReadonlySet<string> {
  return known
}

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
    for (const secret of secretsOf(href)) known.add(secret)
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
      for (const spelling of [decoded, encodeURIComponent(decoded), encodeURI(decoded)]) found.add(spelling)
    } catch {
      // A stray % is part of the password itself.
    }
  }
  const info = userInfo(href)
  if (info) add(info.password)
  for (const match of href.matchAll(SECRET_PARAMETERS)) add(match[2] ?? '')
  for (const secret of [...found]) found.add(JSON.stringify(secret).slice(1, -1))
  return [...found].sort((a, b) => b.length - a.length)
}

/**
 * Whether a secret may be an ordinary word, name or number (`rays`, `my-app`, `pg15`, `1`, `/`). Such a one is hidden only
 * where it stands as a password: hidden elsewhere, it would garble the text, and tell what it is.
 */
function isWord(secret: string): boolean {
  const short = secret.length < 4 || (secret.length < 6 && /^[\p{L}\p{N}_.-]+$/u.test(secret))
  return short || (secret.length < 20 && /^(?:\p{L}+(?:[_.-]\p{L}+)*|\p{N}{1,6})$/u.test(secret))
}

/** Whether a secret is nothing that rays would say for another reason, so that it can be looked for everywhere. */
function isUnmistakable(secret: string): boolean {
  return !isWord(secret) && (secret.length >= 12 || (secret.length >= 6 && /[^\p{L}\p{N}_.-]/u.test(secret)))
}

/**
 * Hides what stands as a password: in a URL, behind `password=` of one, behind `PASSWORD` and `IDENTIFIED BY` of a statement;
 * and every known secret that is no ordinary word, wherever it stands. A secret inside a longer word is not one.
 */
export function redact(text: string, secrets: Iterable<string> = []): string {
  let result = text
  for (const secret of secrets) {
    if (isWord(secret)) continue
    const literal = secret.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const word = isUnmistakable(secret) ? ['', ''] : ['(?<![\\p{L}\\p{N}])', '(?![\\p{L}\\p{N}])']
    result = result.replace(new RegExp(word.join(literal), 'gu'), '***')
  }
  return result.replace(URL_PASSWORD, '$1:***@').replace(SECRET_PARAMETERS, '$1***').replace(SQL_PASSWORD, "$1'***'")
}

/** For a text that is rays' own with others' in it: only what can be nothing but a secret is hidden. */
export function redactOwn(text: string, secrets: Iterable<string> = known): string {
  return redact(text, [...secrets].filter(isUnmistakable))
}

// Bounded, so that the time stays in proportion to the text, whatever is in it.
const URL_PASSWORD = /(:\/\/[^\s:/@"'`]{0,256}):([^\s"'`]{0,1024})@/g
const SQL_PASSWORD = /(\b(?:PASSWORD|IDENTIFIED\s{1,9}BY(?:\s{1,9}PASSWORD)?)\s{1,9})'[^'\n"]{1,1024}'/gi
