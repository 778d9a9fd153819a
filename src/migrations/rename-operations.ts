/** Renames as operations of a migration and as a part of its script. Pure. */
import type { RenameStep } from '../schema/renames.js'
import type { OperationPlan, PlannedOperation } from './operations.js'

/** The plan with the renames before everything else. */
export function withRenames(plan: OperationPlan, steps: readonly RenameStep[]): OperationPlan {
  const taken = new Set(plan.operations.flatMap(({ up, down }) => [up.name, down?.name]))
  const unique = (name: string) => {
    let free = name
    for (let n = 2; taken.has(free); n++) free = `${name}${n}`
    taken.add(free)
    return free
  }
  const operations = steps.map(
    ({ names, up, down, summary }): PlannedOperation => ({
      up: { name: unique(names.up), statements: up },
      down: { name: unique(names.down), statements: down },
      summary,
    }),
  )
  return { ...plan, operations: [...operations, ...plan.operations] }
}

/** The script with the renames before everything else, each under the comment that names it, as Prisma does. */
export function scriptWithRenames(script: string, steps: readonly RenameStep[]): string {
  const renames = steps.map(({ comment, up }) => `-- ${comment}\n${up.map((statement) => `${statement};`).join('\n')}`)
  return [...renames, script.trim()].filter((part) => part !== '').join('\n\n')
}
