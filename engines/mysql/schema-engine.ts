/** The schema engine of MySQL: rays' own planner and introspection in place of Prisma's, which has no WebAssembly build. */

import type { Connection } from '../engine.js'
import type { DiffOptions, SchemaDiff, SchemaEngine, SchemaFile, SchemaState } from '../schema-engine.js'
import { MysqlConnection } from './connection.js'
import { type LiveDatabase, readDatabase } from './introspection/read.js'
import { writeSchema } from './introspection/to-schema.js'
import {
  NO_TABLES,
  planMigration,
  readSchema,
  type ServerFlags,
  type Table,
  type Tables,
  validateSchema,
} from './planner/index.js'

async function readLive(connection: Connection): Promise<LiveDatabase> {
  if (!(connection instanceof MysqlConnection)) throw new TypeError('the MySQL planner reads MySQL databases only')
  return readDatabase((sql, params) => connection.raw(sql, params), connection.database, connection.facts)
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

async function diff(
  from: SchemaState,
  to: SchemaState,
  options: DiffOptions,
  lastRead: ServerFlags,
): Promise<SchemaDiff> {
  const liveFrom = from.kind === 'database' ? await readLive(from.connection) : undefined
  const liveTo = to.kind === 'database' ? await readLive(to.connection) : undefined
  const previous = await tablesOf(from, liveFrom)
  const target = await tablesOf(to, liveTo)
  const flags = (liveFrom ?? liveTo)?.flags ?? lastRead
  const next =
    liveTo && !liveFrom && flags.mariadb ? jsonAsIn(previous, target, flags.lowerCaseTableNames === true) : target
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

/**
 * The planner behind `Engine.planner`. An invalid schema is told by an `InvalidSchemaError` with Prisma's own message.
 *
 * Where a database is compared its server decides. Two schemas are compared for the server that was introspected last, as
 * one of them is what it holds (MariaDB redefines indexes, lower_case_table_names changes names); before that, for MySQL 8.
 */
export function createMysqlSchemaEngine(): SchemaEngine {
  let lastRead: ServerFlags = {}
  return {
    diff: (from, to, options = {}) => diff(from, to, options, lastRead),
    validate: (files: readonly SchemaFile[]) => validateSchema(files),
    introspect: async (connection: Connection, context: readonly SchemaFile[]) => {
      const live = await readLive(connection)
      lastRead = live.flags
      return writeSchema(live, context)
    },
  }
}
