import { EngineError, type StatementSyntax } from '../engine.js'
import { tokens } from './tokens.js'

/** Parameters and their marks do not agree. Nothing was sent. */
export class PlaceholderError extends EngineError {
  override readonly name = 'PlaceholderError'
}

/**
 * Replaces each `:?` by the database's own placeholder, in order. `:?` in strings, comments, quoted names and
 * dollar-quoted bodies is text, and so are `?`, `::` and `a:b`. `::?` is a cast followed by `?`, never a parameter: in an
 * array slice write `[1: :?]`.
 *
 * To be called only where the caller was given an array of parameters: without one nothing is replaced, so that generated
 * SQL reaches the database as it was written. With one, a placeholder of the database's own (`?` on MySQL and SQLite, `$1`
 * on PostgreSQL) is refused, because it would take a parameter that was meant for a `:?`.
 *
 * @param count how many parameters there are
 * @throws {PlaceholderError} when marks and parameters differ in number, or the two ways of writing them are mixed
 */
export function bindPlaceholders(sql: string, count: number, syntax: StatementSyntax): string {
  const questionMarks = syntax.placeholder(1).startsWith('?')
  let bound = ''
  let copied = 0
  let marks = 0
  let native: { text: string; start: number } | undefined
  let colon = -1
  let doubled = false
  for (const token of tokens(sql, syntax)) {
    const text = token.kind === 'punctuation' ? sql[token.start] : ''
    if (text === '?' && colon === token.start - 1 && colon !== -1 && !doubled) {
      marks++
      bound += sql.slice(copied, colon) + syntax.placeholder(marks)
      copied = token.end
    } else if ((text === '?' && questionMarks) || token.kind === 'parameter') {
      native ??= { text: sql.slice(token.start, token.end), start: token.start }
    }
    if (text === ':') {
      doubled = colon !== -1 && colon === token.start - 1
      colon = token.start
    } else colon = -1
  }
  if (marks !== count) {
    const also = native ? ` The statement also holds \`${native.text}\`, which is no mark of rays: write \`:?\`.` : ''
    throw new PlaceholderError(
      `the statement has ${marks} \`:?\` but ${count} parameter${count === 1 ? ' was' : 's were'} given.${also}`,
    )
  }
  if (native && count > 0)
    throw new PlaceholderError(
      `\`${native.text}\` at offset ${native.start} is a placeholder of the database and would take a parameter meant for a \`:?\`. Write \`:?\` for every parameter.`,
    )
  return bound + sql.slice(copied)
}
