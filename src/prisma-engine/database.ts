/** The database that Prisma means, opened by rays' own engines, and its errors in Prisma's words and codes. */
import {
  type Connection,
  type ConnectOptions,
  type Engine,
  type ErrorInfo,
  LockTimeoutError,
  type Shadow,
  ShadowRefusedError,
} from '../../engines/engine.js'
import { engineFor, providerOfUrl } from '../../engines/index.js'
import { DatabaseUrl, redact } from '../../engines/url.js'
import { SchemaInvalidError } from '../errors.js'
import { EngineRefusal } from '../schema/wasm-runtime.js'
import { CONSENT, consentIn } from './consent.js'

/** An error as Prisma prints it. */
export class PrismaError extends Error {
  override readonly name = 'PrismaError'
  constructor(
    /** `P1003`; undefined where Prisma has no code for it. */
    readonly code: string | undefined,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

// Prisma waits for locks by itself (P1002 after ten seconds), so the session has no limits of its own.
const OPTIONS: ConnectOptions = { connectTimeoutMs: 5_000, lockTimeoutMs: 0, statementTimeoutMs: 0 }

export interface Target {
  readonly engine: Engine
  readonly url: DatabaseUrl
}

/**
 * The engine of a URL.
 * @throws {PrismaError} P1013 for a URL of an unknown kind
 */
export async function targetOf(href: string | undefined, base: string): Promise<Target> {
  if (href === undefined)
    throw new PrismaError('P1013', 'No database URL is set: add datasource.url to prisma.config.ts.')
  const url = new DatabaseUrl(href, base)
  const provider = providerOfUrl(url)
  if (!provider) throw new PrismaError('P1013', `The database URL has a scheme that rays does not know: ${url.scheme}:`)
  const engine = await engineFor(provider)
  try {
    engine.describe(url)
  } catch (error) {
    throw new PrismaError('P1013', `The provided database string is invalid. ${redact(messageOf(error), url.secrets)}`)
  }
  return { engine, url }
}

/** Connects. @throws {PrismaError} P1000, P1001, P1003, P1010 */
export async function connect({ engine, url }: Target): Promise<Connection> {
  try {
    return await engine.connect(url, OPTIONS)
  } catch (error) {
    throw prismaError(error, engine, url)
  }
}

/** Creates the database where it is missing. */
export async function createDatabase({ engine, url }: Target): Promise<boolean> {
  try {
    return await engine.createDatabase(url, OPTIONS)
  } catch (error) {
    throw prismaError(error, engine, url)
  }
}

/**
 * An empty database for Prisma's shadow. Unlike Prisma's own engine, this one does not empty somebody's database unasked.
 * @param known the tables of the schema, which may be in a configured one
 */
export async function openShadow(
  { engine, url }: Target,
  shadowUrl: string | undefined,
  known: readonly string[],
): Promise<Shadow> {
  try {
    return await engine.openShadow({
      url,
      purpose: 'prisma',
      ...(shadowUrl !== undefined && { configured: { url: new DatabaseUrl(shadowUrl, url.base) } }),
      knownTables: known,
      clear: consentIn(process.env),
      connect: OPTIONS,
    })
  } catch (error) {
    if (error instanceof ShadowRefusedError) {
      const consent = error.clearable
        ? ` If all of it may go: rays prisma --clear-shadow=${error.database} -- <command>, or ${CONSENT}='=${error.database}' in the environment.`
        : ''
      throw new PrismaError('P3014', `${error.message}${consent}`, { cause: error })
    }
    const { message, code } = prismaError(error, engine, url)
    throw new PrismaError(
      'P3014',
      `Prisma could not create the shadow database. ${code ? `${code}: ` : ''}${message}`,
      {
        cause: error,
      },
    )
  }
}

/** Any error in Prisma's words; secrets are taken out. */
export function prismaError(error: unknown, engine?: Engine, url?: DatabaseUrl): PrismaError {
  if (error instanceof PrismaError) return error
  if (error instanceof SchemaInvalidError) return new PrismaError('P1012', error.message, { cause: error })
  if (error instanceof LockTimeoutError) {
    const message = `Timed out trying to acquire the migration lock; it is held by ${error.holder}.`
    return new PrismaError('P1002', message, { cause: error })
  }
  if (error instanceof EngineRefusal) return new PrismaError(error.code, redact(error.message, url?.secrets))
  const info = engine?.explain(error)
  const message = redact(info?.message || messageOf(error), url?.secrets)
  const where = engine && url ? engine.describe(url) : 'the database'
  switch (info?.kind) {
    case 'connection':
      return new PrismaError('P1001', `Can't reach database server at ${where}. ${message}`, { cause: error })
    case 'authentication':
      return new PrismaError('P1000', `Authentication failed against ${where}. ${message}`, { cause: error })
    case 'missing-database':
      return new PrismaError('P1003', `Database does not exist: ${where}.`, { cause: error })
    case 'permission':
      return new PrismaError('P1010', `The user was denied access to ${where}. ${message}`, { cause: error })
    case 'busy':
    case 'lock-timeout':
    case 'conflict':
      return new PrismaError('P1002', `The database at ${where} is locked. ${message}`, { cause: error })
    default:
      return new PrismaError(codeOf(info), message, { cause: error })
  }
}

function codeOf(info: ErrorInfo | undefined): string | undefined {
  return info?.kind === 'read-only' ? 'P1010' : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
