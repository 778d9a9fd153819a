/** The operations of a migration that somebody else wrote. Pure: whether they are right is found out on a shadow database. */
import type { DatabaseObject, Engine } from '../../engines/engine.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { type ForeignStatement, readForeign } from './foreign.js'
import { groupOperations, type OperationPlan, type PlannedOperation, planOperations } from './operations.js'

export interface Takeover {
  /** The text of migration.sql. */
  readonly script: string
  /** The script from the schema after it to the schema before it. */
  readonly reverse: string
  /** The script that builds the schema before it from nothing. */
  readonly base: string
  readonly engine: Engine
  /** Objects that Prisma does not model and that the script made: removed before everything else on the way down. */
  readonly remove: readonly DatabaseObject[]
  /** The statements that make the tables as they were before the script, where the database keeps them. */
  readonly tables?: ReadonlyMap<string, string>
  /** Statements at the end of the way down, for what the reverse script leaves different. */
  readonly repair: readonly string[]
}

export interface TakeoverPlan extends OperationPlan {
  /** Statements that nothing here undoes: each has an operation whose down is null. */
  readonly irreversible: readonly string[]
}

/** Operations for a script: paired where `paired` is wanted and possible, else grouped; data changes on their own. */
export function planTakeover(input: Takeover, paired: boolean): TakeoverPlan {
  const statements = readForeign(input.script, input.engine.syntax)
  const lasting = statements.filter(({ kind }) => kind === 'data' || kind === 'other')
  const scripts = { up: input.script, down: input.reverse, base: input.base, engine: input.engine }
  const plain = input.remove.length + input.repair.length + lasting.length === 0
  if (plain && paired && statements.every(({ kind }) => kind === 'schema' || kind === 'session')) {
    return { ...planOperations(scripts), irreversible: [] }
  }
  const group = groupOperations(scripts).operations[0]
  const back = [
    ...input.remove.map(({ remove }) => remove),
    ...withTables(group?.down?.statements ?? [], input),
    ...input.repair,
  ]
  const notes = (group?.down?.note ?? '').split('\n').filter(Boolean)
  const operations = inSegments(statements, back, notes.join('\n'))
  return {
    operations,
    grouped: statements.length > 1,
    notes: [
      ...notes,
      ...lasting.map(
        ({ text, kind }) =>
          `${kind === 'data' ? 'Rows are changed' : 'Something is done'} that nothing undoes: ${firstLine(text)}`,
      ),
    ],
    irreversible: lasting.map(({ text }) => text),
  }
}

/**
 * Tables that the way back builds anew are built as they were written: with the checks and collations that a Prisma
 * schema does not know.
 */
function withTables(statements: readonly string[], { tables, engine }: Takeover): readonly string[] {
  if (tables === undefined) return statements
  const effects = statements.map((text) => describeStatement(text, engine.syntax)?.[0])
  return statements.map((text, i) => {
    const effect = effects[i]
    if (effect?.action !== 'create' || effect.object !== 'table') return text
    const renamed = effects.find((e) => e?.action === 'rename' && e.object === 'table' && e.name === effect.name)
    const written = tables.get(renamed?.newName ?? effect.name)
    const body = written?.indexOf('(') ?? -1
    return body === -1 ? text : `CREATE TABLE ${engine.quote(effect.name)} ${written!.slice(body)}`
  })
}

/**
 * One operation for each run of schema statements and one for each run of others. The whole way back of the schema
 * belongs to the first: it runs last, so that the downs of the others, once a person has written them, still meet the
 * columns that they changed.
 */
function inSegments(
  statements: readonly ForeignStatement[],
  back: readonly string[],
  note: string,
): PlannedOperation[] {
  const runs: { lasting: boolean; texts: string[] }[] = []
  for (const { text, kind } of statements) {
    const lasting = kind === 'data' || kind === 'other'
    const last = runs.at(-1)
    if (last && last.lasting === lasting) last.texts.push(text)
    else runs.push({ lasting, texts: [text] })
  }
  if (!runs.some((run) => !run.lasting) && back.length > 0) runs.unshift({ lasting: false, texts: [] })
  let schema = 0
  let data = 0
  return runs.map(({ lasting, texts }): PlannedOperation => {
    const n = lasting ? ++data : ++schema
    const suffix = n === 1 ? '' : String(n)
    if (lasting) {
      return {
        up: {
          name: `changeData${suffix}`,
          statements: texts,
          note: 'Write the down if it can be undone; null means that it cannot.',
        },
        down: null,
        summary: 'data change, cannot be undone',
      }
    }
    const down =
      n === 1
        ? { name: `revertChanges${suffix}`, statements: back, ...(note !== '' && { note }) }
        : { name: `revertChanges${suffix}`, statements: [], note: 'Undone by revertChanges.' }
    return { up: { name: `applyChanges${suffix}`, statements: texts }, down, summary: 'all changes together' }
  })
}

/** The same operations with no way back, where none was found that restores the structure. */
export function withoutDowns(plan: TakeoverPlan, why: readonly string[]): TakeoverPlan {
  return {
    ...plan,
    operations: plan.operations.map((operation) => ({ ...operation, down: null })),
    notes: [...plan.notes, ...why],
  }
}

function firstLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 120 ? `${line.slice(0, 119)}…` : line
}
