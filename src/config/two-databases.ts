/** Whether rays and Prisma mean one database. Two tools that mean two without a word is how the wrong one is migrated. */
import type { Relation } from '../../engines/engine.js'
import { engineFor, providerOfUrl } from '../../engines/index.js'
import type { DatabaseUrl } from '../../engines/url.js'
import { isPrismaAddress } from './prisma-postgres.js'

/** A URL and where it stands. */
export interface Named {
  readonly url: DatabaseUrl
  readonly origin: string
}

export interface TwoDatabases {
  /** One line that names both. */
  readonly message: string
  /** By what the URLs say it may be one database after all. */
  readonly perhaps: boolean
}

/**
 * Compares what rays uses with what Prisma uses.
 * @param theirs every address that Prisma's configuration has for its database: a direct one, a pooled one
 */
export async function compareWithPrisma(ours: Named, theirs: readonly Named[]): Promise<TwoDatabases | undefined> {
  const relations = await Promise.all(theirs.map(({ url }) => relationOf(ours.url, url)))
  const [first] = theirs
  if (first === undefined || relations.includes('same')) return undefined
  const perhaps = relations.includes('perhaps')
  const [own, other] = await Promise.all([describe(ours), describe(first)])
  return {
    message: `rays works on ${own}; Prisma, by ${first.origin}, ${perhaps ? 'perhaps on another database' : 'on another database'}: ${other}.`,
    perhaps,
  }
}

async function relationOf(a: DatabaseUrl, b: DatabaseUrl): Promise<Relation> {
  if (a.reveal().trim() === b.reveal().trim() && a.base === b.base) return 'same'
  const [provider, other] = [providerOfUrl(a), providerOfUrl(b)]
  // What is behind a service, its address does not tell.
  if (isPrismaAddress(a.reveal()) || isPrismaAddress(b.reveal())) return 'perhaps'
  if (provider === undefined || provider !== other) return 'other'
  const engine = await engineFor(provider)
  try {
    return engine.relation(a, b)
  } catch {
    return 'perhaps'
  }
}

async function describe({ url, origin }: Named): Promise<string> {
  const provider = providerOfUrl(url)
  try {
    return `${provider === undefined ? url : (await engineFor(provider)).describe(url)} (${origin})`
  } catch {
    return `${url} (${origin})`
  }
}
