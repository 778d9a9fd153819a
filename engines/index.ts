/** The databases that rays knows. A new one is one line in each table. */
import type { Engine, Provider } from './engine.js'
import type { DatabaseUrl } from './url.js'

const ENGINES: { readonly [P in Provider]: () => Promise<Engine> } = {
  postgresql: async () => (await import('./postgresql/index.js')).postgresql,
  mysql: async () => (await import('./mysql/index.js')).mysql,
  sqlite: async () => (await import('./sqlite/index.js')).sqlite,
}

const SCHEMES: Readonly<Record<string, Provider>> = {
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mysql',
  file: 'sqlite',
  sqlite: 'sqlite',
}

/** The engine of a database. Loads its folder, not yet its driver. */
export function engineFor(provider: Provider): Promise<Engine> {
  return ENGINES[provider]()
}

/** The provider that a URL's scheme tells, or undefined for a scheme that no engine has. */
export function providerOfUrl(url: DatabaseUrl): Provider | undefined {
  return Object.hasOwn(SCHEMES, url.scheme) ? SCHEMES[url.scheme] : undefined
}
