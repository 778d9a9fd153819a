/** Differences that a schema has for ever from a database that was built from it: no drift, and nothing to apply. */
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import type { Project } from './project.js'

/**
 * Whether a database that is built from the schema differs from it just so. Only where a shadow database is a file or in
 * memory: elsewhere one would have to be created, and neither `status` nor `push` creates any.
 * @param difference the script between the database in question and the schema
 * @param to whether the script leads to the database or to the schema
 */
export async function differsByItself(
  project: Project,
  files: readonly SchemaFile[],
  difference: string,
  to: 'database' | 'schema',
): Promise<boolean> {
  const { schemaEngine, filter, engine, config } = project
  if (engine.needsServer || config.databaseUrl === undefined) return false
  const quiet = { ...filter, summary: false }
  const schema: SchemaState = { kind: 'schema', files }
  const { connection, dispose } = await engine.openShadow({
    url: config.databaseUrl,
    purpose: 'rays',
    knownTables: [],
    clear: false,
    connect: { connectTimeoutMs: 10_000, lockTimeoutMs: 10_000, statementTimeoutMs: 0 },
  })
  try {
    await connection.script((await schemaEngine.diff({ kind: 'empty' }, schema, quiet)).script)
    const fresh: SchemaState = { kind: 'database', connection, context: files }
    const again = to === 'database' ? schemaEngine.diff(schema, fresh, quiet) : schemaEngine.diff(fresh, schema, quiet)
    return (await again).script === difference
  } finally {
    await dispose()
  }
}
