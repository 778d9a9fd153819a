import type { Engine, StatementSyntax } from '../../engines/engine.js'
import type { DescribedStatement } from '../../engines/sql/fill.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'
import { type Transition, transitionsOf } from './transitions.js'

/** Statements of a script that belong together, because its writer put them under one comment. */
export interface Step {
  readonly statements: readonly DescribedStatement[]
  /** What is run for it. Differs from `statements` where rows have to be filled. */
  readonly sql: readonly string[]
  /** Net effect; undefined where a statement is not understood. */
  readonly transitions: readonly Transition[] | undefined
  readonly notes: readonly string[]
}

export const effectsOf = (statements: readonly DescribedStatement[]): Effect[] =>
  statements.flatMap(({ effects }) => effects ?? [])

/**
 * The steps of a script. Prisma's engine writes a comment before each step; a statement without one goes on with the step
 * before. BEGIN and COMMIT (around enums that lose values) are left out: rays runs operations in its own transaction.
 * @param namespace the schema that counts as no schema
 */
export function readSteps(script: string, syntax: StatementSyntax, namespace: string | undefined): Step[] {
  const steps: DescribedStatement[][] = []
  let open = false
  for (const { text, comment } of splitStatements(script, syntax)) {
    const effects = describe(text, syntax)?.map((effect) => {
      if (effect.schema === undefined || effect.schema !== namespace) return effect
      const { schema: _, ...rest } = effect
      return rest
    })
    if (comment !== undefined || !open) {
      steps.push([])
      open = comment !== undefined
    }
    const control = effects?.[0]?.object === 'transaction' ? effects[0].name : undefined
    if (control === 'begin') open = true
    else if (control !== 'commit') steps.at(-1)!.push({ text, effects })
  }
  return steps.filter((step) => step.length > 0).map(stepOf)
}

/** Begins the statement that stands for Prisma's `DROP SEQUENCE ""`. */
export const SEQUENCE_REPAIR = 'DO $rays$ DECLARE owned text'

function describe(text: string, syntax: StatementSyntax): readonly Effect[] | undefined {
  if (text.startsWith(SEQUENCE_REPAIR)) return [{ action: 'drop', object: 'sequence', name: '' }]
  return describeStatement(text, syntax)
}

/** A step of these statements, run as they are. */
export function stepOf(statements: readonly DescribedStatement[]): Step {
  const understood = statements.every(({ effects }) => effects !== undefined)
  return {
    statements,
    sql: statements.map(({ text }) => text),
    transitions: understood ? transitionsOf(effectsOf(statements)) : undefined,
    notes: [],
  }
}

/**
 * The schema that one script writes out and the other leaves out: from and to an empty state, Prisma's engine qualifies
 * only one of the two.
 */
export function implicitNamespace(up: string, down: string, syntax: StatementSyntax): string | undefined {
  const effects = [up, down].flatMap((script) =>
    splitStatements(script, syntax).flatMap(({ text }) => describeStatement(text, syntax) ?? []),
  )
  const inSchemas = effects.filter(({ object }) => !['schema', 'extension', 'transaction', 'pragma'].includes(object))
  if (!inSchemas.some(({ schema }) => schema === undefined)) return undefined
  const named = new Set(inSchemas.flatMap(({ schema }) => schema ?? []))
  return named.size === 1 ? [...named][0] : undefined
}

/** The script without `"namespace".` before names, so that the down of an unqualified up works in any namespace. */
export function withoutNamespace(script: string, namespace: string, engine: Pick<Engine, 'syntax' | 'quote'>): string {
  const qualifier = engine.quote(namespace)
  let result = ''
  let copied = 0
  let candidate: { start: number; end: number } | undefined
  for (const { kind, start, end } of tokens(script, engine.syntax)) {
    const text = script.slice(start, Math.min(end, start + qualifier.length + 1))
    if (text === '.' && candidate?.end === start) {
      result += script.slice(copied, candidate.start)
      copied = end
    }
    // A name after a dot is qualified itself: `"a"."public"."b"` loses nothing.
    candidate = kind === 'identifier' && text === qualifier && script[start - 1] !== '.' ? { start, end } : undefined
  }
  return result + script.slice(copied)
}
