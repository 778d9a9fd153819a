/** Tables and enums that are managed elsewhere, in a shadow database: keys of the managed tables refer to them. */
import type { Connection } from '../../engines/engine.js'
import type { DiffOptions, SchemaEngine, SchemaFile } from '../../engines/schema-engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'

/**
 * Makes what the schema shows of them, without their own foreign keys. What the database does not take is left out: the
 * statement that needs it will say so.
 */
export async function createExternal(
  connection: Connection,
  schemaEngine: SchemaEngine,
  files: readonly SchemaFile[],
  { externalTables = [], externalEnums = [] }: DiffOptions,
): Promise<void> {
  const text = files.map(({ content }) => content).join('\n')
  const names = [...externalTables, ...externalEnums].map((name) => name.slice(name.lastIndexOf('.') + 1))
  if (!names.some((name) => text.includes(name))) return
  const { script } = await schemaEngine.diff({ kind: 'empty' }, { kind: 'schema', files }, { summary: false })
  for (const { text: sql } of splitStatements(script, connection.syntax)) {
    const effects = describeStatement(sql, connection.syntax) ?? []
    if (effects.some((effect) => belongs(effect, externalTables, externalEnums)))
      await connection.raw(sql).catch(() => undefined)
  }
}

function belongs(effect: Effect, tables: readonly string[], enums: readonly string[]): boolean {
  if (effect.action !== 'create' || effect.object === 'foreignKey') return false
  const list = effect.object === 'enum' ? enums : tables
  const name = effect.object === 'enum' ? effect.name : effect.table
  return list.some((one) => {
    if (effect.schema !== undefined && one.includes('.')) return one === `${effect.schema}.${name}`
    return one.slice(one.lastIndexOf('.') + 1) === name
  })
}
