/** SQLite for Prisma's engine in this process. */
import type { Database, Statement } from 'better-sqlite3'
import type { Row } from '../engine.js'
import {
  type AdapterDriver,
  type AdapterError,
  type AdapterFactory,
  type AdapterQuery,
  adapterFactory,
  ColumnType,
} from '../prisma-adapter.js'
import { textLiteral } from '../sql/quoting.js'
import { splitStatements } from '../sql/scanner.js'
import { type InlineUnique, inlineUniques } from './inline-unique.js'
import { withTexts } from './quoted-texts.js'
import { syntax } from './syntax.js'

export interface SqliteAdapterOptions {
  /** An open database; it is never closed here. */
  readonly database: Database
  /** Opens an empty database; disposed of when the engine is done with it. */
  readonly shadow: () => Promise<{ readonly database: Database; dispose(): Promise<void> }>
}

/** A driver adapter factory over an open database. */
export function sqliteAdapter({ database, shadow }: SqliteAdapterOptions): AdapterFactory {
  return adapterFactory(sqliteDriver(database), async () => {
    const { database, dispose } = await shadow()
    return { ...sqliteDriver(database), dispose }
  })
}

/**
 * The engine is told of a UNIQUE written into a table as of the index that Prisma would make, and asks for that by its name.
 */
class InlineUniques {
  #all: readonly InlineUnique[] = []

  async look(database: Database): Promise<void> {
    this.#all = await inlineUniques((sql) => database.prepare(sql).all() as Row[])
  }

  /** The rows of a list of indexes. @param at the place of their names */
  told(rows: unknown[][], at: number): unknown[][] {
    return rows.flatMap((row) => {
      const found = this.#all.find(({ index }) => index === row[at])
      if (!found) return [row]
      return found.alias === undefined ? [] : [row.map((value, i) => (i === at ? found.alias : value))]
    })
  }

  /** A question with SQLite's own names. */
  asked(sql: string): string {
    const found = this.#all.find(({ alias }) => alias !== undefined && sql.includes(`"${alias}"`))
    return found && ASKS_INDEX.test(sql) ? sql.replace(`"${found.alias}"`, `"${found.index}"`) : sql
  }
}

const LISTS_INDEXES = /^\s*PRAGMA index_list\b/i
const ASKS_INDEX = /^\s*(?:PRAGMA index_x?info\b|SELECT sql FROM sqlite_master WHERE type = 'index' AND name = )/i

/** Prisma: sql-schema-describer names an index as `name = "x"`, which this SQLite takes for a column. */
function standard(sql: string): string {
  const found = /^(SELECT sql FROM sqlite_master WHERE type = 'index' AND name = )"(.*)";?\s*$/s.exec(sql)
  return found ? found[1]! + textLiteral(found[2]!) : sql
}

function sqliteDriver(database: Database): AdapterDriver {
  const uniques = new InlineUniques()
  const prepare = ({ sql, args, argTypes }: AdapterQuery): Statement =>
    database.prepare(standard(uniques.asked(sql))).bind(args.map((arg, i) => parameter(arg, argTypes?.[i]?.scalarType)))
  return {
    provider: 'sqlite',
    connectionInfo: { maxBindValues: 999, supportsRelationJoins: false },
    query: async (query) => {
      try {
        const listed = LISTS_INDEXES.test(query.sql)
        if (listed) await uniques.look(database)
        const statement = prepare(query)
        if (!statement.reader) {
          statement.run()
          return NOTHING
        }
        const columns = statement.columns()
        const all = statement.safeIntegers(true).raw().all() as unknown[][]
        const rows = LISTS_TABLES.test(query.sql)
          ? all.filter(isModelled(database, columns))
          : listed
            ? uniques.told(
                all,
                columns.findIndex(({ name }) => name === 'name'),
              )
            : all
        const columnTypes = columns.map((column, i) => columnType(column.type, rows, i))
        return {
          columnNames: columns.map((column) => column.name),
          columnTypes,
          rows: rows.map((row) => row.map((value, i) => result(value, columnTypes[i]!))),
        }
      } catch (error) {
        // To the engine a missing history is an empty one; told as an error it becomes P1014, and nothing works.
        if (/^no such table: (main\.)?_prisma_migrations$/.test((error as Error).message)) return NOTHING
        throw error
      }
    },
    execute: async (query) => {
      // The engine sends whole migrations this way when it replays them on a shadow database.
      if (query.args.length === 0) {
        const changes = database.prepare('SELECT total_changes()').pluck()
        const before = Number(changes.get())
        await runScript(database, query.sql)
        return Number(changes.get()) - before
      }
      const statement = prepare(query)
      if (!statement.reader) return statement.run().changes
      statement.all()
      return 0
    },
    script: async (sql) => runScript(database, sql),
    explain: explainSqlite,
    dispose: async () => undefined,
  }
}

/** Statement by statement, texts in double quotes as Prisma's own SQLite reads them. */
async function runScript(database: Database, script: string): Promise<void> {
  for (const { text } of splitStatements(script, syntax)) await run(database, text)
}

async function run(database: Database, sql: string): Promise<void> {
  try {
    database.exec(sql)
  } catch (error) {
    const mended = await withTexts(sql, error, syntax, async (text) => refusalOf(database, text))
    if (mended === undefined) throw error
    database.exec(mended)
  }
}

/** What a statement would be refused with. */
function refusalOf(database: Database, sql: string): unknown {
  try {
    database.prepare(sql)
    return undefined
  } catch (error) {
    return error
  }
}

/** Prisma: the lists of tables of sql-schema-connector's SQLite flavour, and of sql-schema-describer. */
const LISTS_TABLES = /\bFROM sqlite_master\s+WHERE type='table'/

/**
 * Whether a table is one that a schema can have. `sqlite_sequence` outlives the tables it was made for, and the engine would
 * take the database for a filled one (P3005); virtual tables, and those that they keep their contents in, are no models.
 */
function isModelled(
  database: Database,
  columns: readonly { readonly name: string }[],
): (row: readonly unknown[]) => boolean {
  const others = database
    .prepare("SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')")
    .pluck()
    .all()
  const out = new Set(['sqlite_sequence', ...others])
  const at = columns.findIndex(({ name }) => name === 'table_name' || name === 'name')
  return (row) => !out.has(row[at])
}

const NOTHING = { columnNames: [], columnTypes: [], rows: [] }

// Declared types, as Prisma's own SQLite adapters read them; anything else is told by its values.
const DECLARED: Readonly<Record<string, number>> = {
  DATETIME: ColumnType.DateTime,
  TIMESTAMP: ColumnType.DateTime,
  BOOLEAN: ColumnType.Boolean,
  BIGINT: ColumnType.Int64,
  DECIMAL: ColumnType.Numeric,
  JSONB: ColumnType.Json,
}

function columnType(declared: string | null, rows: readonly unknown[][], column: number): number {
  const known = DECLARED[declared?.toUpperCase() ?? '']
  if (known !== undefined) return known
  const value = rows.find((row) => row[column] !== null)?.[column]
  if (typeof value === 'string') return ColumnType.Text
  if (typeof value === 'number') return ColumnType.Double
  if (value instanceof Uint8Array) return ColumnType.Bytes
  const fits = rows.every((row) => typeof row[column] !== 'bigint' || Number(row[column]) === (Number(row[column]) | 0))
  return fits ? ColumnType.Int32 : ColumnType.Int64
}

function result(value: unknown, type: number): unknown {
  if (type === ColumnType.DateTime && value !== null) return time(value)
  if (typeof value !== 'bigint') return value
  if (type === ColumnType.Boolean) return value !== 0n
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
}

/** A time in any form in which Prisma ever stored one: integer milliseconds, RFC 3339, SQLite's own `current_timestamp`. */
function time(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return new Date(Number(value)).toISOString()
  const text = String(value)
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/.test(text) ? `${text.replace(' ', 'T')}+00:00` : text
}

function parameter(value: unknown, type: string | undefined): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'string') return value
  // Prisma's native engine stores integer milliseconds; rows of both kinds sort together only so.
  if (type === 'datetime') return Date.parse(value)
  if (type === 'int' || type === 'bigint') return BigInt(value)
  if (type === 'float' || type === 'decimal') return Number(value)
  return type === 'bytes' ? Buffer.from(value, 'base64') : value
}

/** https://www.sqlite.org/rescode.html#busy */
const BUSY = 5

/** A driver's error as the engine reads it. */
export function explainSqlite(error: unknown): AdapterError {
  const { code, message } = error as { code?: string; message?: string }
  const text = message || String(error)
  const original = { originalCode: code ?? 'SQLITE_ERROR', originalMessage: text }
  // Prisma's own adapter calls a busy file a SocketTimeout, which its schema engine does not know.
  const extendedCode = code?.startsWith('SQLITE_BUSY') ? BUSY : 1
  return { kind: 'sqlite', extendedCode, message: text, ...original }
}
