/** What a script may destroy (see hazards/), and a script that must become two. */
import type { StatementSyntax } from '../../engines/engine.js'
import { textLiteral } from '../../engines/sql/quoting.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'
import { typeName } from './hazards/rules.js'

export { findHazards } from './hazards/find.js'
export type { Hazard, HazardKind } from './hazards/kinds.js'
export { typeName } from './hazards/rules.js'

/**
 * PostgreSQL refuses a new enum value in the transaction that added it. Where a script adds a value and uses it,
 * the two scripts that must become two migrations: the values first, the rest second. Otherwise undefined.
 */
export function splitUnsafeEnum(
  script: string,
  syntax: StatementSyntax,
): readonly [values: string, rest: string] | undefined {
  const statements = splitStatements(script, syntax).map((statement) => ({
    ...statement,
    effects: describeStatement(statement.text, syntax),
  }))
  const isAddition = ({ effects }: { effects?: readonly Effect[] | undefined }) => effects?.[0]?.object === 'enumValue'
  const added = statements.filter(isAddition).map(({ effects }) => effects![0]!)
  if (added.length === 0) return undefined
  const holds = (sql: string | undefined, { name }: Effect) => sql?.includes(textLiteral(name)) ?? false
  const uses = added.some((value) =>
    statements.some((statement) => {
      if (isAddition(statement) || !holds(statement.text, value)) return false
      if (statement.effects === undefined) return true
      return statement.effects.some((effect) => {
        const columns = effect.definition?.columns ?? [effect]
        return columns.some(
          (column) =>
            holds(column.default, value) && (column.type === undefined || typeName(column.type) === value.type),
        )
      })
    }),
  )
  if (!uses) return undefined
  let values = ''
  let rest = ''
  let at = 0
  for (const [i, statement] of statements.entries()) {
    const gap = script.slice(statement.end, statements[i + 1]?.start)
    const semicolon = [...tokens(gap, syntax)].find(({ kind }) => kind === 'punctuation')
    const end = statement.end + (semicolon?.end ?? 0)
    if (isAddition(statement)) values += script.slice(at, end)
    else rest += script.slice(at, end)
    at = end
  }
  const tidy = (sql: string) => `${sql.trim()}\n`
  return [tidy(values), tidy(rest + script.slice(at))]
}
