/** Puts the values that a person gave for new required columns into an up script. Pure. */
import { ScriptFacts } from '../../engines/sql/facts.js'
import { type DescribedStatement, type FillingEngine, fillRequired } from '../../engines/sql/fill.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement } from '../../engines/sql/statements.js'

/** The SQL for the rows of a column, by the names that the database knows; undefined where none was given. */
export type GivenValue = (schema: string | undefined, table: string, column: string) => string | undefined

/** The facts of the state that a script leads to. */
export function factsOf(script: string, engine: FillingEngine): ScriptFacts {
  return new ScriptFacts(
    splitStatements(script, engine.syntax).flatMap(({ text }) => describeStatement(text, engine.syntax) ?? []),
  )
}

/** The statements of one step with the values in them. */
export function fillStatements(
  step: readonly DescribedStatement[],
  before: ScriptFacts,
  engine: FillingEngine,
  given: GivenValue,
): string[] {
  return fillRequired(step, { engine, before, after: before, given }).statements
}

/**
 * The script with the values in it: what adds such a column adds it as optional, fills it, and makes it required.
 * @param base the script that builds the state before the migration from nothing
 */
export function fillScript(script: string, base: string, engine: FillingEngine, given: GivenValue): string {
  const before = factsOf(base, engine)
  const statements = splitStatements(script, engine.syntax)
  let result = ''
  let copied = 0
  for (let i = 0; i < statements.length; ) {
    let end = i + 1
    while (end < statements.length && statements[end]!.comment === undefined) end++
    const step = statements.slice(i, end)
    const described = step.map(({ text }) => ({ text, effects: describeStatement(text, engine.syntax) }))
    const filled = fillStatements(described, before, engine, given)
    const changed = filled.length !== step.length || filled.some((text, at) => text !== step[at]!.text)
    if (changed) {
      result += script.slice(copied, step[0]!.start) + filled.join(';\n')
      copied = step.at(-1)!.end
    }
    i = end
  }
  return result + script.slice(copied)
}
