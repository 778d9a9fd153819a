/** Knex over a client of rays: migrations in Knex's form run on the connection, and in the transaction, that rays holds. */
import type { Knex } from 'knex'
import type { AnsweringClient, Provider } from '../../engines/engine.js'
import { answerOfRows, dialectFor, KNEX_CLIENTS, type KnexClient, type KnexQuery, requireKnex } from './dialects.js'

/** What Knex is given in place of a driver's connection. */
interface Connection {
  readonly client: AnsweringClient
  __knexUid?: string
}

/**
 * A Knex whose every statement goes through `client`. It is a transaction already: `knex.transaction` makes savepoints,
 * or nothing where the database ends transactions by itself.
 * @throws {ConfigError} when Knex is not installed
 */
export function knexOver(client: AnsweringClient, provider: Provider, folder?: string): Knex {
  const knex = requireKnex(folder)
  const name = KNEX_CLIENTS[provider]
  const Base = knex({ client: name, useNullAsDefault: true }).client.constructor as new (
    config: Knex.Config,
  ) => KnexClient
  const dialect = dialectFor(provider)
  const connection: Connection = { client }
  const savepoints = provider !== 'mysql'
  // Knex counts every `?` as a parameter on PostgreSQL only, so only there `\\?` is written without any.
  const unmarked = (sql: string) => (provider === 'postgresql' ? sql.replace(/\\\?/g, '?') : sql)
  class RaysClient extends (Base as unknown as new (
    config: Knex.Config,
  ) => {
    transaction(container: unknown, config?: object, outerTx?: unknown): object
  }) {
    readonly transacting = true

    initializeDriver(): void {}

    initializePool(): void {}

    async acquireConnection(): Promise<Connection> {
      return connection
    }

    async releaseConnection(): Promise<void> {}

    async checkVersion(): Promise<undefined> {
      return undefined
    }

    /** rays marks parameters its own way; without any, the text is sent as it is. */
    positionBindings(sql: string): string {
      return sql
    }

    async _query(_connection: Connection, query: KnexQuery): Promise<KnexQuery> {
      const bindings = (query.bindings ?? []).map((value) => plain(dialect.binding ? dialect.binding(value) : value))
      const sql = bindings.length > 0 ? marked(query.sql) : unmarked(query.sql)
      const params = bindings.length > 0 ? [bindings] : []
      const nothing = !savepoints && TRANSACTION.test(sql)
      const answer =
        nothing || client.answer === undefined
          ? answerOfRows(nothing ? [] : await client.query(sql, ...params), sql)
          : await client.answer(sql, ...params)
      Object.assign(query, dialect.answer(answer, sql))
      return query
    }
  }
  return knex({ client: RaysClient as unknown as typeof Knex.Client, useNullAsDefault: true })
}

const TRANSACTION = /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET TRANSACTION)\b/i

/** Knex's `?` as rays' `:?`; `\?` is a question mark. */
function marked(sql: string): string {
  return sql.replace(/\\?\?/g, (mark) => (mark === '?' ? ':?' : '?'))
}

/** Knex's clients leave it to their drivers what they cannot send. */
function plain(value: unknown): unknown {
  return value === undefined ? null : value
}
