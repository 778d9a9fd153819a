/** PostgreSQL for Prisma's engine in this process: values travel as text, types are told by their OID. */
import type { Client, QueryArrayResult } from 'pg'
import {
  type AdapterDriver,
  type AdapterError,
  type AdapterFactory,
  type AdapterQuery,
  adapterFactory,
  ColumnType,
} from '../prisma-adapter.js'

/** The part of a `pg` client that the adapter needs. */
export type PostgresSession = Pick<Client, 'query'>

export interface PostgresAdapterOptions {
  /** An open session; it is never closed here. */
  readonly client: PostgresSession
  /** The namespace that unqualified names mean: the URL's `schema`, or `public`. */
  readonly namespace: string
  /** The session may not write. */
  readonly readOnly: boolean
  /** How a script is sent, where not as it is. */
  readonly script?: (sql: string) => Promise<void>
  /** Opens an empty database beside the main one; disposed of when the engine is done with it. */
  readonly shadow: () => Promise<{ readonly client: PostgresSession; dispose(): Promise<void> }>
}

/**
 * A driver adapter factory over an open session.
 *
 * Prisma's own adapter (7.10) cannot describe a schema: it rejects the catalog type `"char"`, and it tears scripts apart
 * at every semicolon. Here a script is one message, as the server reads it: one implicit transaction.
 */
export function postgresAdapter(options: PostgresAdapterOptions): AdapterFactory {
  const { client, namespace, readOnly, shadow, script } = options
  return adapterFactory(postgresDriver(client, namespace, readOnly, script), async () => {
    const { client, dispose } = await shadow()
    return { ...postgresDriver(client, namespace, false), dispose }
  })
}

/** Prisma's engine makes the URL's schema whenever it connects, even to look. Without it there is nothing to see, and nothing is made. */
const ENSURE_SCHEMA = /^\s*CREATE SCHEMA (?:IF NOT EXISTS )?"(?:[^"]|"")*"\s*;?\s*$/

function postgresDriver(
  client: PostgresSession,
  namespace: string,
  readOnly: boolean,
  send: (sql: string) => Promise<unknown> = (sql) => client.query(sql),
): AdapterDriver {
  const ignored = (sql: string) => readOnly && ENSURE_SCHEMA.test(sql)
  const run = ({ sql, args, argTypes }: AdapterQuery): Promise<QueryArrayResult<unknown[]>> =>
    client.query<unknown[]>({
      text: sql,
      values: args.map((arg, i) => parameter(arg, argTypes?.[i]?.scalarType)),
      rowMode: 'array',
      types: { getTypeParser: (oid: number) => PARSERS[oid] ?? String },
    })
  return {
    provider: 'postgres',
    connectionInfo: { schemaName: namespace, maxBindValues: 32766, supportsRelationJoins: true },
    query: async (query) => {
      const { fields, rows } = await run(query)
      return {
        columnNames: fields.map((field) => field.name),
        columnTypes: fields.map((field) => TYPES[field.dataTypeID] ?? ColumnType.Text),
        rows,
      }
    },
    execute: async (query) => (ignored(query.sql) ? 0 : ((await run(query)).rowCount ?? 0)),
    script: async (sql) => {
      if (!ignored(sql)) await send(sql)
    },
    explain: explainPostgres,
    dispose: async () => undefined,
  }
}

// OIDs of pg_type, which never change.
const TYPES: Readonly<Record<number, number>> = {
  16: ColumnType.Boolean,
  17: ColumnType.Bytes,
  18: ColumnType.Character,
  20: ColumnType.Int64,
  21: ColumnType.Int32,
  23: ColumnType.Int32,
  26: ColumnType.Int64,
  114: ColumnType.Json,
  700: ColumnType.Float,
  701: ColumnType.Double,
  1002: ColumnType.TextArray,
  1003: ColumnType.TextArray,
  1005: ColumnType.Int32Array,
  1007: ColumnType.Int32Array,
  1009: ColumnType.TextArray,
  1015: ColumnType.TextArray,
  1016: ColumnType.Int64Array,
  1028: ColumnType.Int64Array,
  1082: ColumnType.Date,
  1083: ColumnType.Time,
  1114: ColumnType.DateTime,
  1184: ColumnType.DateTime,
  1700: ColumnType.Numeric,
  2950: ColumnType.Uuid,
  3802: ColumnType.Json,
}

const textArray = (text: string) => arrayElements(text)
const intArray = (text: string) => arrayElements(text).map((element) => (element === null ? null : Number(element)))

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't',
  17: (text) => Buffer.from(text.replace(/^\\x/, ''), 'hex'),
  21: Number,
  23: Number,
  700: Number,
  701: Number,
  1002: textArray,
  1003: textArray,
  1005: intArray,
  1007: intArray,
  1009: textArray,
  1015: textArray,
  1016: textArray,
  1028: textArray,
  1114: (text) => `${text.replace(' ', 'T')}+00:00`,
  // `2026-11-20 12:41:33.74+05:30`, `...+00`: RFC 3339 wants minutes in the offset.
  1184: (text) => text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'),
}

/** The elements of a one-dimensional array as PostgreSQL prints it: `{a,"b c",NULL}`. */
export function arrayElements(text: string): (string | null)[] {
  const elements: (string | null)[] = []
  for (const [, quoted, plain] of text.slice(1, -1).matchAll(/"((?:\\.|[^"\\])*)"|([^,"]+)/gsu)) {
    if (quoted !== undefined) elements.push(quoted.replace(/\\(.)/gsu, '$1'))
    else elements.push(plain === 'NULL' ? null : (plain ?? ''))
  }
  return elements
}

function parameter(value: unknown, type: string | undefined): unknown {
  return type === 'bytes' && typeof value === 'string' ? Buffer.from(value, 'base64') : value
}

/** A driver's error as the engine reads it. */
export function explainPostgres(error: unknown): AdapterError {
  const { code, severity, message, detail, column, hint } = error as Record<string, string | undefined>
  return {
    kind: 'postgres',
    // Without a SQLSTATE it is no answer of the server: the connection, or a fault of ours.
    code: code ?? 'XX000',
    severity: severity ?? 'ERROR',
    message: message || String(error),
    detail,
    column,
    hint,
    originalCode: code ?? 'XX000',
    originalMessage: message || String(error),
  }
}
