/** Environments of a configuration, as Knex has them, and database URLs that come in parts. */
import type { Provider } from '../../engines/engine.js'

/** The values that are in force: those of the environment before those that all environments share. */
export interface Selected {
  /** The environment; undefined where the configuration has none and none was asked for. */
  readonly name: string | undefined
  readonly values: Record<string, unknown>
}

/**
 * Picks the environment that `--env` or `RAYS_ENV` names; else, where the configuration has environments, that of
 * `NODE_ENV`, or `development`.
 * @param wanted the name that was asked for, if any
 */
export function selectEnvironment(
  raw: Record<string, unknown>,
  wanted: string | undefined,
  env: NodeJS.ProcessEnv,
  problems: string[],
): Selected {
  const { environments, ...shared } = raw
  if (environments === undefined) return { name: wanted, values: shared }
  if (!isObject(environments) || !Object.values(environments).every(isObject)) {
    problems.push('environments must be an object with one object of options for each environment')
    return { name: wanted, values: shared }
  }
  const name = wanted ?? [env.NODE_ENV, 'development'].find((known) => known && Object.hasOwn(environments, known))
  if (name === undefined) return { name, values: shared }
  if (!Object.hasOwn(environments, name)) {
    problems.push(`there is no environment ${name}; the configuration has ${Object.keys(environments).join(', ')}`)
    return { name, values: shared }
  }
  return { name, values: { ...shared, ...(environments[name] as Record<string, unknown>) } }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What the variables of the parts begin with, and the database where the name tells it. */
const PREFIXES: readonly (readonly [prefix: string, provider: Provider | undefined])[] = [
  ['SUPABASE_DB_', 'postgresql'],
  ['DB_', undefined],
]

/**
 * A database URL from `SUPABASE_DB_HOST`, `_PORT`, `_NAME`, `_USER` and `_PASSWORD`, or the same with `DB_`. Host and
 * name must be there. Undefined where they are not.
 */
export function urlFromParts(
  env: NodeJS.ProcessEnv,
  provider: Provider | undefined,
): { readonly value: string; readonly origin: string } | undefined {
  for (const [prefix, fixed] of PREFIXES) {
    const scheme = fixed ?? provider
    const part = (name: string) => env[`${prefix}${name}`] || undefined
    const [host, database] = [part('HOST'), part('NAME')]
    if (!host || !database || scheme === undefined || scheme === 'sqlite') continue
    if (fixed !== undefined && provider !== undefined && provider !== fixed) continue
    const user = part('USER') ?? (scheme === 'postgresql' ? 'postgres' : 'root')
    const password = part('PASSWORD')
    const login = `${encodeURIComponent(user)}${password === undefined ? '' : `:${encodeURIComponent(password)}`}`
    const port = part('PORT') ?? (scheme === 'postgresql' ? '5432' : '3306')
    return {
      value: `${scheme}://${login}@${host}:${port}/${encodeURIComponent(database)}`,
      origin: `${prefix}HOST`,
    }
  }
  return undefined
}
