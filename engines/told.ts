/** What is told of transactions that were sent in one message, where every statement is. */
import type { ConnectOptions, SentAtOnce, WholeTransaction } from './engine.js'

/**
 * Tells the texts that were run, each with the time of its transaction, and that they went together.
 * @param elapsed milliseconds that the message took
 */
export function tellAtOnce(
  onStatement: ConnectOptions['onStatement'],
  transactions: readonly WholeTransaction[],
  { committed, failure }: SentAtOnce,
  elapsed: number,
): void {
  if (!onStatement) return
  for (const [k, milliseconds] of committed.entries())
    for (const text of transactions[k]!.texts) onStatement(text, milliseconds)
  const before = committed.reduce((sum, milliseconds) => sum + milliseconds, 0)
  if (failure?.at)
    for (const text of transactions[committed.length]!.texts.slice(0, failure.at.text + 1))
      onStatement(text, Math.max(0, elapsed - before))
  onStatement(`-- ${committed.length} of ${transactions.length} migrations done, in one message`, elapsed)
}
