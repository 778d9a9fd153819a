/** The schema engine of MySQL: rays' own planner and introspection in place of Prisma's, which has no WebAssembly build. */

import type { Connection } from '../engine.js'
import type {
  AlsoNamed,
  Beside,
  DiffOptions,
  SchemaDiff,
  SchemaEngine,
  SchemaFile,
  SchemaState,
} from '../schema-engine.js'
import { MysqlConnection } from './connection.js'
import { type LiveDatabase, readDatabase } from './introspection/read.js'
import { inWordsOf } from './introspection/spelling.js'
import { writeSchema } from './introspection/to-schema.js'
import { withBeside } from './planner/beside.js'
import {
  NO_TABLES,
  PRISMA_COLLATION,
  planMigration,
  readSchema,
  readTables,
  type ServerFlags,
  type Table,
  type Tables,
  validateSchema,
} from './planner/index.js'

function own(connection: Connection): MysqlConnection {
  if (!(connection instanceof MysqlConnection)) throw new TypeError('the MySQL planner reads MySQL databases only')
  return connection
}

async function readLive(connection: Connection): Promise<LiveDatabase> {
  const db = own(connection)
  return readDatabase(
    (sql, params) => db.raw(sql, params),
    db.database,
    db.facts,
    (queries) => db.batch(queries),
  )
}

async function tablesOf(state: SchemaState, live: LiveDatabase | undefined): Promise<Tables> {
  if (live) return live.tables
  return state.kind === 'schema' ? readSchema(state.files) : NO_TABLES
}

const isNative = (table: Table | undefined, column: string, name: string) => {
  const type = table?.columns.find((each) => each.name === column)?.type
  return type?.kind === 'native' && type.name === name
}

/** A JSON column of MariaDB is LongText to Prisma: it is Json where the other side, a schema, calls it so. */
function jsonAsIn(schema: Tables, live: Tables, ignoreCase: boolean): Tables {
  const fold = (name: string) => (ignoreCase ? name.toLowerCase() : name)
  return {
    tables: live.tables.map((table) => {
      const other = schema.tables.find((each) => fold(each.name) === fold(table.name))
      if (!other?.columns.some((column) => isNative(other, column.name, 'Json'))) return table
      const columns = table.columns.map((column) =>
        isNative(table, column.name, 'LongText') && isNative(other, column.name, 'Json')
          ? { ...column, type: { kind: 'native', scalar: 'Json', name: 'Json', args: [] } as const }
          : column,
      )
      return { ...table, columns }
    }),
  }
}

/** What is remembered between two calls. */
interface Memory {
  lastRead: ServerFlags
  /** What servers said of expressions, by server. */
  readonly spellings: Map<string, Map<string, string | undefined>>
}

/** The live tables with their defaults in the words of the others, where they are the same to the server. */
function worded(others: Tables, live: LiveDatabase, connection: Connection, { spellings }: Memory): Promise<Tables> {
  const db = own(connection)
  const server = `${db.facts.version} ${db.facts.sqlMode}`
  const cache = spellings.get(server) ?? new Map<string, string | undefined>()
  spellings.set(server, cache)
  const { tables, flags } = live
  return inWordsOf(others, tables, { batch: (queries) => db.batch(queries), flags, syntax: db.syntax, cache })
}

/** What was read for `DiffOptions.beside`. */
class ReadBeside implements Beside {
  readonly collations: readonly string[]

  constructor(readonly live: LiveDatabase) {
    this.collations = [...new Set(live.tables.tables.flatMap(({ collation }) => collation ?? []))]
      .filter((collation) => collation !== PRISMA_COLLATION)
      .sort()
  }

  alsoNamed(names: readonly AlsoNamed[]): Beside {
    const { tables } = this.live.tables
    const columnsToo = tables.map((table) => {
      const added = table.columns.flatMap((column) =>
        names
          .filter((one) => one.table === table.name && one.column === column.name)
          .flatMap(({ toColumn }) => (toColumn === undefined ? [] : [{ ...column, name: toColumn }])),
      )
      return added.length === 0 ? table : { ...table, columns: [...table.columns, ...added] }
    })
    const tablesToo = columnsToo.flatMap((table) =>
      [...new Set(names.filter((one) => one.table === table.name).map(({ toTable }) => toTable))]
        .filter((name) => !tables.some((other) => other.name === name))
        .map((name) => ({ ...table, name })),
    )
    return new ReadBeside({ ...this.live, tables: { tables: [...columnsToo, ...tablesToo] } })
  }
}

async function diff(from: SchemaState, to: SchemaState, options: DiffOptions, memory: Memory): Promise<SchemaDiff> {
  const liveFrom = from.kind === 'database' ? await readLive(from.connection) : undefined
  const liveTo = to.kind === 'database' ? await readLive(to.connection) : undefined
  let previous = await tablesOf(from, liveFrom)
  let next = await tablesOf(to, liveTo)
  const beside = options.beside instanceof ReadBeside ? options.beside.live : undefined
  const known = liveFrom ?? liveTo ?? beside
  const flags = known?.flags ?? memory.lastRead
  const ignoreCase = flags.lowerCaseTableNames === true
  if (liveTo && !liveFrom && flags.mariadb) next = jsonAsIn(previous, next, ignoreCase)
  if (liveFrom && from.kind === 'database') previous = await worded(next, liveFrom, from.connection, memory)
  else if (liveTo && to.kind === 'database')
    next = await worded(previous, { ...liveTo, tables: next }, to.connection, memory)
  if (known && !liveFrom) previous = withBeside(previous, known.tables, ignoreCase)
  if (known && !liveTo) next = withBeside(next, known.tables, ignoreCase)
  const plan = planMigration({
    from: previous,
    to: next,
    // `migrate dev` compares with a database: of a schema, what a database would show of it.
    view: liveFrom ? 'schema' : 'database',
    live: (liveFrom ?? liveTo) !== undefined,
    ...flags,
    ...(options.externalTables ? { externalTables: options.externalTables } : {}),
  })
  return { empty: plan.empty, script: plan.script, summary: plan.summary, steps: plan.steps, warnings: plan.warnings }
}

/** The tables of the project's schema; none where it is no schema (yet). */
function contextTables(context: readonly SchemaFile[]): Tables {
  try {
    return readTables(context)
  } catch {
    return NO_TABLES
  }
}

/**
 * The planner behind `Engine.planner`. An invalid schema is told by an `InvalidSchemaError` with Prisma's own message.
 *
 * Where a database is compared its server decides. Two schemas are compared for the server that was introspected last, as
 * one of them is what it holds (MariaDB redefines indexes, lower_case_table_names changes names); before that, for MySQL 8.
 */
export function createMysqlSchemaEngine(): SchemaEngine {
  const memory: Memory = { lastRead: {}, spellings: new Map() }
  return {
    diff: (from, to, options = {}) => diff(from, to, options, memory),
    validate: (files: readonly SchemaFile[]) => validateSchema(files),
    introspect: async (connection: Connection, context: readonly SchemaFile[]) => {
      const live = await readLive(connection)
      memory.lastRead = live.flags
      return writeSchema({ ...live, tables: await worded(contextTables(context), live, connection, memory) }, context)
    },
    beside: async (connection) => new ReadBeside(await readLive(connection)),
  }
}
