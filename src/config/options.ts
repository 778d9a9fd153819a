/** The options of raysconfig, in one table: name, kind, environment variable, default, and what it is for. */
import { isSeconds, MOST_SECONDS, readNumber, readSwitch } from './values.js'

export interface OptionSpec {
  readonly kind: 'string' | 'string-or-null' | 'boolean' | 'number' | 'choice' | 'strings' | 'function'
  readonly choices?: readonly string[]
  readonly fallback?: unknown
  readonly describe: string
}

/** Every option that raysconfig knows. Environment variables are RAYS_ and the name in upper case with underscores. */
export const OPTIONS = {
  migrationsDir: { kind: 'string', describe: 'the folder of the migrations; default: migrations beside the schema' },
  schemaPath: { kind: 'string', describe: 'the Prisma schema: a file, or a folder of files' },
  databaseUrl: { kind: 'string', describe: 'the URL of the database' },
  shadowDatabaseName: {
    kind: 'string-or-null',
    fallback: null,
    describe:
      'a database on the same server for rays to experiment in (SQLite: a file); default: one is created and dropped',
  },
  shadowDatabaseUrl: {
    kind: 'string-or-null',
    fallback: null,
    describe:
      "the URL of the second shadow database, for migration.sql; default: prisma.config.ts or the schema's shadowDatabaseUrl",
  },
  verboseLogging: { kind: 'boolean', fallback: false, describe: 'show every statement, as --log does' },
  schemaEngine: {
    kind: 'choice',
    choices: ['wasm', 'prisma-cli'],
    fallback: 'wasm',
    describe: "who diffs schemas: Prisma's engine in this process (wasm), or the project's own prisma (prisma-cli)",
  },
  generate: { kind: 'boolean', fallback: true, describe: 'run prisma generate after migrate' },
  lockTimeout: {
    kind: 'number',
    fallback: 10,
    describe: 'seconds to wait for the migration lock and for locked tables',
  },
  statementTimeout: { kind: 'number', fallback: 0, describe: 'seconds a statement may run; 0 is no limit' },
  connectTimeout: { kind: 'number', fallback: 15, describe: 'seconds to wait for a connection' },
  operationTimeout: { kind: 'number', fallback: 0, describe: 'seconds an operation may take; 0 is no limit' },
  singleTransaction: {
    kind: 'boolean',
    fallback: false,
    describe: 'all migrations of a run in one transaction: all are done, or none (not MySQL)',
  },
  lock: {
    kind: 'choice',
    choices: ['session', 'transaction'],
    fallback: 'session',
    describe: 'transaction: lock per transaction, for transaction poolers such as PgBouncer',
  },
  externalTables: { kind: 'strings', describe: 'tables that are managed elsewhere and left alone' },
  externalEnums: { kind: 'strings', describe: 'enums that are managed elsewhere and left alone' },
  beforeAll: { kind: 'function', describe: 'a function that is called before the first migration of a run' },
  beforeEach: { kind: 'function', describe: 'a function that is called in each transaction, before the migration' },
  afterEach: { kind: 'function', describe: 'a function that is called in each transaction, after the migration' },
  afterAll: { kind: 'function', describe: 'a function that is called after the last migration of a run' },
} as const satisfies Record<string, OptionSpec>

export type OptionName = keyof typeof OPTIONS

/** `lockTimeout` -> `RAYS_LOCK_TIMEOUT`. */
export function variableName(option: string): string {
  return `RAYS_${option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** JSON has no bigint, no NaN and no function. */
function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'function'
    ? String(value)
    : (JSON.stringify(value) ?? String(value))
}

/**
 * Checks one value. Returns the value in its right type, or what is wrong with it.
 * @param text the value came from the environment or the command line, as text
 */
export function checkOption(name: OptionName, value: unknown, text: boolean): { value: unknown } | { problem: string } {
  const spec: OptionSpec = OPTIONS[name]
  const wrong = (expected: string) => ({
    problem: `${name} must be ${expected}, not ${shown(value)}`,
  })
  switch (spec.kind) {
    case 'string':
      // An empty path would be the folder around it.
      if (text && value === '' && name !== 'databaseUrl') return wrong('a path')
      return typeof value === 'string' ? { value } : wrong('a string')
    case 'string-or-null':
      if (text && value === '') return { value: null }
      return typeof value === 'string' || value === null
        ? { value: value === '' ? null : value }
        : wrong('a string or null')
    case 'boolean': {
      const read = text && typeof value === 'string' ? readSwitch(value) : value
      return typeof read === 'boolean' ? { value: read } : wrong('true or false')
    }
    case 'number': {
      const number = text && typeof value === 'string' ? readNumber(value) : value
      return typeof number === 'number' && isSeconds(number)
        ? { value: number }
        : wrong(`a number of seconds from 0 to ${MOST_SECONDS}`)
    }
    case 'choice':
      return spec.choices!.includes(value as string)
        ? { value }
        : wrong(spec.choices!.map((c) => `"${c}"`).join(' or '))
    case 'function':
      return typeof value === 'function' ? { value } : { problem: `${name} must be a function` }
    case 'strings': {
      const list = text
        ? String(value)
            .split(',')
            .map((item) => item.trim())
            .filter(Boolean)
        : value
      return Array.isArray(list) && list.every((item) => typeof item === 'string')
        ? { value: list }
        : wrong('a list of names')
    }
  }
}
