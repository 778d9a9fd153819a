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
  const operations = steps.map((step): PlannedOperation => {
    const [from, to, owner] = words(step)
    return {
      up: { name: unique(`rename${owner}${capital(from)}To${capital(to)}`), statements: step.up },
      down: { name: unique(`rename${owner}${capital(to)}To${capital(from)}`), statements: step.down },
      summary: summaryOf(step),
    }
  })
  return { ...plan, operations: [...operations, ...plan.operations] }
}

/** `rename User.name to fullName`. */
export function summaryOf(step: RenameStep): string {
  const [from, to, owner] = words(step)
  return `rename ${owner === '' ? '' : `${owner}.`}${from} to ${to}`
}

/** The script with the renames before everything else, each under the comment that names it, as Prisma does. */
export function scriptWithRenames(script: string, steps: readonly RenameStep[]): string {
  const renames = steps.map(({ comment, up }) => `-- ${comment}\n${up.map((statement) => `${statement};`).join('\n')}`)
  return [...renames, script.trim()].filter((part) => part !== '').join('\n\n')
}

/** From, to, and the model of a field; the database's names where the schema's did not change. */
function words({ rename }: RenameStep): [from: string, to: string, owner: string] {
  const same = rename.from.name === rename.to.name
  if (rename.kind === 'model') {
    return same ? [rename.from.table, rename.to.table, ''] : [rename.from.name, rename.to.name, '']
  }
  const owner = rename.toModel.name
  return same ? [rename.from.column, rename.to.column, owner] : [rename.from.name, rename.to.name, owner]
}

/** A part of a function's name. */
function capital(text: string): string {
  const bare = text.replace(/\W+/g, '_')
  return bare.charAt(0).toUpperCase() + bare.slice(1)
}
