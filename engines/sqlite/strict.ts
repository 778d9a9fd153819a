/** STRICT tables know few types of columns, and Prisma's are mostly others. */
import type { Structure } from '../engine.js'
import { describeStatement } from '../sql/statements.js'
import { definitionOf } from './definition.js'
import { syntax } from './syntax.js'

/** https://www.sqlite.org/stricttables.html */
const TYPES = new Set(['INT', 'INTEGER', 'REAL', 'TEXT', 'BLOB', 'ANY'])

/** Why statements do not fit the tables that are there, for a person; undefined where they do. */
export function unfitForStrict(statements: readonly string[], { tables = new Map() }: Structure): string | undefined {
  const strict = new Set(
    [...tables].flatMap(([name, sql]) =>
      /\bSTRICT\b/i.test(definitionOf(sql, syntax).options) ? [name.toLowerCase()] : [],
    ),
  )
  if (strict.size === 0) return undefined
  for (const effect of statements.flatMap((text) => describeStatement(text, syntax) ?? [])) {
    if (effect.action !== 'create') continue
    const table = (effect.object === 'column' ? effect.table : effect.name.replace(/^new_/, '')) ?? ''
    if (!strict.has(table.toLowerCase())) continue
    const columns =
      effect.object === 'column' ? [effect] : effect.object === 'table' ? (effect.definition?.columns ?? []) : []
    const unknown = columns.find(({ type }) => type !== undefined && !TYPES.has(type.toUpperCase()))
    if (unknown)
      return `${table} is a STRICT table, and STRICT knows no ${unknown.type}, the type of ${table}.${unknown.name}.`
  }
  return undefined
}
