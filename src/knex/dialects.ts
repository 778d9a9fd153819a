/** What Knex calls the databases, and how each of its drivers answers. */
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import type { Knex } from 'knex'
import { type Answer, type Leftover, LockTimeoutError, type Provider, type Row } from '../../engines/engine.js'
import { leftover, leftoversSql } from '../../engines/postgresql/catalog.js'
import { LastingLock } from '../../engines/sqlite/lasting-lock.js'
import { ConfigError } from '../errors.js'

/** What Knex's clients have beside their published types (Knex 3.3: lib/client.js). */
export interface KnexClient extends Knex.Client {
  readonly dialect: string
  readonly driverName: string
  readonly transacting?: boolean
  _query(connection: unknown, query: KnexQuery): Promise<KnexQuery>
  prepBindings(bindings: readonly unknown[]): unknown[]
  emit(event: string, ...values: unknown[]): boolean
}

/** A query on its way through a client, and its answer in the driver's own shape. */
export interface KnexQuery {
  sql: string
  bindings?: readonly unknown[] | undefined
  method?: string
  options?: Record<string, unknown>
  response?: unknown
  context?: { changes?: number | bigint; lastID?: number | bigint | string }
}

/** One database as Knex knows it. */
export interface Dialect {
  readonly provider: Provider
  rows(query: KnexQuery): Row[]
  changes(query: KnexQuery): number
  /** The name of the table in which Knex's unqualified names end up: a schema, or a database. */
  readonly namespace: string | undefined
  /** Asks for Prisma's migration lock without waiting; `{ got: 1 }` when it is free. Undefined: a transaction that writes is lock enough. */
  readonly lock: { readonly inTransaction: string; readonly session: string; readonly release: string } | undefined
  /** SQLite: the lock that is held between transactions; undefined for another driver than better-sqlite3, which cannot take it. */
  lasting?(connection: object): LastingLock | undefined
  /** Whether Prisma's history table is there, asked without an error, which would end a transaction. */
  readonly historyExists: string
  /** Appended to a SELECT so that it sees what was committed since the transaction began. */
  readonly latest: string
  /** The time of a row in Knex's history, as SQL. */
  now(): string
  /** How a session shuts out others while it brings Knex's history in step with Prisma's. */
  alone(session: Shutting, table: string, timeoutMs: number): Promise<Alone>
  /** Whether a transaction is open on the connection, whoever began it; false where nobody can tell. */
  inTransaction(session: Shutting, connection: object): Promise<boolean>
  /** What statements outside of a transaction left half-done: how it is asked for, and what a row of the answer is. */
  readonly leftovers?: { readonly ask: string; readonly read: (row: Row) => Leftover }
  /** An answer as Knex's client leaves it behind: the inverse of `rows` and `changes`. */
  answer(answer: Answer, sql: string): Pick<KnexQuery, 'response' | 'context'>
  /** What Knex's client, or its driver, makes of a parameter where a session of rays would make something else of it. */
  binding?(value: unknown): unknown
}

/** What {@link Dialect.alone} needs of a session. */
export interface Shutting {
  /** Knex has a transaction on this connection. */
  readonly transacting: boolean
  raw(sql: string): Promise<Row[]>
  send(sql: string): Promise<KnexQuery>
  isBusy(error: unknown): boolean
}

/** How the others are let in again; undefined where the end of Knex's transaction does it. */
export interface Alone {
  readonly done?: string
  readonly failed?: string
  /** Sent when Knex puts the connection back into its pool. */
  readonly later?: string
}

/** Prisma: `pg_advisory_lock(72707369)`, `GET_LOCK('prisma_migrate', 10)`. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: {
    provider: 'postgresql',
    rows: (query) => (query.response as { rows: Row[] }).rows ?? [],
    changes: (query) => Number((query.response as { rowCount: number | null }).rowCount ?? 0),
    namespace: 'SELECT current_schema() AS namespace',
    lock: {
      inTransaction: 'SELECT pg_try_advisory_xact_lock(72707369)::int AS got',
      session: 'SELECT pg_try_advisory_lock(72707369)::int AS got',
      release: 'SELECT pg_advisory_unlock(72707369)',
    },
    historyExists: `SELECT 1 AS found WHERE to_regclass(quote_ident(current_schema()) || '."_prisma_migrations"') IS NOT NULL`,
    latest: '',
    now: () => 'CURRENT_TIMESTAMP',
    // Stronger than what an INSERT takes, so that a migration that Knex is recording is waited for, too.
    alone: async ({ raw, transacting }, table, timeoutMs) => {
      const lock = `LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`
      if (transacting) {
        await raw(lock)
        return {}
      }
      await raw('BEGIN')
      try {
        await raw(`SET LOCAL lock_timeout = ${Math.max(1, Math.round(timeoutMs))}`)
        await raw(lock)
      } catch (error) {
        await raw('ROLLBACK').catch(() => undefined)
        throw error
      }
      return { done: 'COMMIT', failed: 'ROLLBACK' }
    },
    inTransaction: async () => false,
    leftovers: { ask: leftoversSql(0), read: leftover },
    answer: ({ rows, changes, command }, sql) => ({
      response: { rows, rowCount: changes, command: command ?? firstWord(sql), fields: [] },
    }),
  },
  mysql: {
    provider: 'mysql',
    rows: (query) => asList((query.response as [unknown])[0]),
    changes: (query) => Number((query.response as [{ affectedRows?: number }])[0].affectedRows ?? 0),
    namespace: 'SELECT DATABASE() AS namespace',
    lock: {
      inTransaction: "SELECT GET_LOCK('prisma_migrate', 0) AS got",
      session: "SELECT GET_LOCK('prisma_migrate', 0) AS got",
      release: "SELECT RELEASE_LOCK('prisma_migrate')",
    },
    historyExists:
      "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '_prisma_migrations'",
    // Repeatable reads: a plain SELECT shows what was committed when the transaction first read.
    latest: ' LOCK IN SHARE MODE',
    now: () => 'CURRENT_TIMESTAMP',
    alone: async (session, table, timeoutMs) => {
      // The name is one for the whole server, and has room for 64 characters. Not every server has a function that hashes.
      const [at] = await session.raw('SELECT DATABASE() AS name')
      const hash = createHash('sha256').update(`${at?.name} ${table}`).digest('hex')
      const name = `rays_knex_${hash.slice(0, 40)}`
      const seconds = Math.max(1, Math.ceil(timeoutMs / 1000))
      const [row] = await session.raw(`SELECT GET_LOCK('${name}', ${seconds}) AS got`)
      if (Number(row?.got) !== 1) throw new LockTimeoutError('another session', timeoutMs)
      const release = `SELECT RELEASE_LOCK('${name}')`
      // What a transaction wrote, others see only after it has ended.
      return session.transacting && (await openOnMysql(session))
        ? { later: release }
        : { done: release, failed: release }
    },
    inTransaction: openOnMysql,
    answer: ({ rows, yields, changes, insertId = 0 }) => ({
      response: [yields ? rows : { affectedRows: changes, insertId }, []],
    }),
  },
  sqlite3: {
    provider: 'sqlite',
    rows: (query) => asList(query.response),
    changes: (query) => Number(query.context?.changes ?? 0),
    namespace: undefined,
    lock: undefined,
    lasting: (connection) => ('memory' in connection ? new LastingLock(connection as Database) : undefined),
    historyExists: "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'",
    latest: '',
    now: () => String(Date.now()),
    alone: async (session, _table, timeoutMs) => {
      // Knex took its own lock by writing.
      if (session.transacting) return {}
      const limit = (await session.raw('PRAGMA busy_timeout'))[0]?.timeout ?? 0
      // The driver waits without letting anything else of this process run, perhaps the very one that is waited for.
      await session.raw('PRAGMA busy_timeout = 0')
      try {
        await retryWhile(session.isBusy, timeoutMs, () => session.raw('BEGIN IMMEDIATE'))
      } finally {
        await session.raw(`PRAGMA busy_timeout = ${Number(limit)}`)
      }
      return { done: 'COMMIT', failed: 'ROLLBACK' }
    },
    inTransaction: async (_session, connection) => (connection as { inTransaction?: boolean }).inTransaction === true,
    answer: ({ rows, yields, changes, insertId = 0 }) =>
      yields
        ? { response: rows, context: {} }
        : { response: { changes, lastInsertRowid: insertId }, context: { changes, lastID: insertId } },
    binding: (value) => (value instanceof Date ? value.valueOf() : value),
  },
}

/** The flag is in the answer to a statement that writes nothing. */
async function openOnMysql(session: Shutting): Promise<boolean> {
  const { response } = await session.send('DO 0')
  return (Number((response as [{ serverStatus?: number }])[0]?.serverStatus ?? 0) & 1) !== 0
}

export async function retryWhile<T>(isBusy: (error: unknown) => boolean, timeoutMs: number, work: () => Promise<T>) {
  const started = performance.now()
  for (let pause = 2; ; pause = Math.min(pause * 1.6, 100)) {
    try {
      return await work()
    } catch (error) {
      if (!isBusy(error) || performance.now() - started >= timeoutMs) throw error
    }
    await sleep(pause)
  }
}

/** The name by which Knex makes a client for a provider. */
export const KNEX_CLIENTS: { readonly [P in Provider]: string } = {
  postgresql: 'pg',
  mysql: 'mysql2',
  sqlite: 'better-sqlite3',
}

const asList = (value: unknown): Row[] => (Array.isArray(value) ? (value as Row[]) : [])
const firstWord = (sql: string) => /^\s*(\w+)/.exec(sql)?.[1]?.toUpperCase() ?? ''
const readsRows = (sql: string) =>
  /^(SELECT|SHOW|DESCRIBE|DESC|EXPLAIN|WITH|CHECK|ANALYZE|PRAGMA)$/.test(firstWord(sql))

/** The answer of a client that tells its rows only, as one does that notes statements without a database. */
export function answerOfRows(rows: Row[], sql: string): Answer {
  return { rows, yields: rows.length > 0 || readsRows(sql), changes: rows.length }
}

/** @throws {ConfigError} for a database that Prisma and Knex do not share */
export function dialectOf(client: Pick<KnexClient, 'dialect'>): Dialect {
  if (Object.hasOwn(DIALECTS, client.dialect)) return DIALECTS[client.dialect]!
  throw new ConfigError(`rays does not know Knex's client ${client.dialect}.`, {
    hint: "client: 'pg', 'mysql2' or 'better-sqlite3'.",
  })
}

/** Knex's way to talk to a provider's database. */
export function dialectFor(provider: Provider): Dialect {
  return Object.values(DIALECTS).find((dialect) => dialect.provider === provider)!
}

type KnexModule = (config: Knex.Config) => Knex

/**
 * The project's own Knex, from the folder where it is run, else the one beside rays.
 * @throws {ConfigError} when Knex is not installed
 */
export function requireKnex<T = KnexModule>(folder = process.cwd(), file = 'knex'): T {
  for (const base of [path.join(folder, 'package.json'), import.meta.url]) {
    const require = createRequire(base)
    try {
      return require(require.resolve(file)) as T
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new ConfigError('Knex is not installed in this project.', { hint: 'npm install knex' })
}
