/** Looks for what a script may destroy, and where it may fail on rows that exist. Rows are counted elsewhere. */
import type { StatementSyntax } from '../../../engines/engine.js'
import { type Act, actsOf } from './acts.js'
import type { Hazard } from './kinds.js'
import { RULES } from './rules.js'
import { Scene } from './scene.js'

/**
 * The hazards of a script, in its order. Statements that are not understood have none.
 * @param reverse the script of the other direction, if there is one: only it names the columns that a table built anew
 *   (SQLite) loses. Without it, compare the `columns` of a `rebuild-table` with those of the live table.
 */
export function findHazards(script: string, syntax: StatementSyntax, reverse = ''): Hazard[] {
  return lookAt(actsOf(script, syntax), new Scene(syntax, reverse))
}

/** The hazards of what is done next. */
export function lookAt(acts: readonly Act[], scene: Scene): Hazard[] {
  scene.all.push(...acts)
  return findIn(acts, scene)
}

/** The same of acts that the scene has been told of. */
export function findIn(acts: readonly Act[], scene: Scene): Hazard[] {
  return acts.flatMap((act) => {
    const found = RULES.flatMap((rule) =>
      rule.find(act, scene).map((finding): Hazard => {
        const { values: _, how: __, ...rest } = finding
        return { kind: rule.kind, ...rest, message: rule.words(finding, scene.syntax) }
      }),
    )
    scene.pass(act)
    return found
  })
}
