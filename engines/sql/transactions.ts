/** What scripts say of transactions: which statements begin and end one, and which scripts cannot be in one. Pure. */
import type { StatementSyntax } from '../engine.js'
import { textLiteral } from './quoting.js'
import { splitStatements, tokens } from './scanner.js'
import { describeStatement } from './statements.js'

/** By which databases refuse a statement in a transaction: its first words, and one that follows anywhere, if need be. */
interface Alone {
  readonly first: readonly string[]
  readonly also?: string
}

// ALONE: one entry a database that has transactions for DDL (PostgreSQL: PreventInTransactionBlock; SQLite: "from within a transaction").
const ALONE: Readonly<Partial<Record<StatementSyntax['dialect'], readonly Alone[]>>> = {
  postgresql: [
    { first: ['CREATE', 'INDEX', 'CONCURRENTLY'] },
    { first: ['CREATE', 'UNIQUE', 'INDEX', 'CONCURRENTLY'] },
    { first: ['DROP', 'INDEX', 'CONCURRENTLY'] },
    { first: ['REINDEX'], also: 'CONCURRENTLY' },
    { first: ['REINDEX', 'DATABASE'] },
    { first: ['REINDEX', 'SYSTEM'] },
    { first: ['REINDEX', 'SCHEMA'] },
    { first: ['ALTER', 'TABLE'], also: 'CONCURRENTLY' },
    { first: ['VACUUM'] },
    { first: ['ALTER', 'SYSTEM'] },
    { first: ['CREATE', 'DATABASE'] },
    { first: ['DROP', 'DATABASE'] },
    { first: ['CREATE', 'TABLESPACE'] },
    { first: ['DROP', 'TABLESPACE'] },
    { first: ['DISCARD', 'ALL'] },
  ],
  sqlite: [
    { first: ['VACUUM'] },
    { first: ['ATTACH'] },
    { first: ['DETACH'] },
    { first: ['PRAGMA'], also: 'JOURNAL_MODE' },
  ],
}

const CONTROL = /^(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT)$/

/**
 * Whether a script of Prisma's cannot be run in one transaction: a statement in it is refused there, or one uses an enum's value
 * after the COMMIT that makes it usable (PostgreSQL), or it rolls something back by itself. Prisma runs it as it is.
 */
export function standsAlone(script: string, syntax: StatementSyntax): boolean {
  const rules = ALONE[syntax.dialect] ?? []
  const added: string[] = []
  const usable: string[] = []
  for (const { text } of splitStatements(script, syntax)) {
    const words = wordsOf(text, syntax)
    if (rules.some((rule) => fits(rule, words))) return true
    const [effect] = describeStatement(text, syntax) ?? []
    // With a level of isolation, a chain or a name of its own it cannot be taken off.
    if (effect === undefined && CONTROL.test(words[0] ?? '') && words[1] !== 'TO') return true
    if (effect?.object === 'transaction') {
      if (effect.name === 'rollback') return true
      if (effect.name === 'commit') usable.push(...added.splice(0))
    } else if (effect?.object === 'enumValue') added.push(effect.name)
    else if (usable.some((value) => text.includes(textLiteral(value)))) return true
  }
  return false
}

/** Whether a statement of the script takes back what others of it did. */
export function takesBack(script: string, syntax: StatementSyntax): boolean {
  return splitStatements(script, syntax).some(({ text }) => {
    const [first, second] = wordsOf(text, syntax)
    return (first === 'ROLLBACK' && second !== 'TO') || (first === 'ABORT' && syntax.dialect === 'postgresql')
  })
}

/** Whether a statement of the script ends a transaction and keeps what was done in it. */
export function commits(script: string, syntax: StatementSyntax): boolean {
  return splitStatements(script, syntax).some(({ text }) => /^(?:COMMIT|END)$/.test(wordsOf(text, syntax)[0] ?? ''))
}

function fits({ first, also }: Alone, words: readonly string[]): boolean {
  return first.every((word, i) => words[i] === word) && (also === undefined || words.slice(first.length).includes(also))
}

function wordsOf(text: string, syntax: StatementSyntax): string[] {
  return [...tokens(text, syntax)]
    .filter(({ kind }) => kind === 'word')
    .map(({ start, end }) => text.slice(start, end).toUpperCase())
}
