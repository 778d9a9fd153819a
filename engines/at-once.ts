/** Sending whole transactions in one message, whatever the database: what came of them, and what is told of it. */
import { CommitUnknownError, type ConnectOptions, type SentAtOnce, type WholeTransaction } from './engine.js'

/** How a database does it. */
export interface Message {
  /** Sends it; how many milliseconds each transaction took, of `elapsed` so far. */
  send(elapsed: () => number): Promise<readonly number[]>
  isLost(error: unknown): boolean
  /** What became of the transactions where the driver's error came, after so many milliseconds. */
  failed(error: unknown, elapsed: number): SentAtOnce | Promise<SentAtOnce>
}

/** Sends the message; every statement that was run is told with the time of its transaction. Never rejects. */
export async function sendMessage(
  transactions: readonly WholeTransaction[],
  message: Message,
  onStatement: ConnectOptions['onStatement'],
): Promise<SentAtOnce> {
  const started = performance.now()
  const elapsed = () => performance.now() - started
  const sent = await message.send(elapsed).then(
    (committed): SentAtOnce => ({ committed }),
    (error: unknown) => (message.isLost(error) ? lost(error) : message.failed(error, elapsed())),
  )
  if (onStatement) tell(transactions, sent, elapsed(), onStatement)
  return sent
}

function lost(cause: unknown): SentAtOnce {
  return {
    committed: [],
    failure: { error: new CommitUnknownError('the connection was lost while committing', { cause }) },
  }
}

function tell(
  transactions: readonly WholeTransaction[],
  { committed, failure }: SentAtOnce,
  elapsed: number,
  onStatement: NonNullable<ConnectOptions['onStatement']>,
): void {
  for (const [k, milliseconds] of committed.entries())
    for (const { text } of transactions[k]!.texts) onStatement(text, milliseconds)
  const before = committed.reduce((sum, milliseconds) => sum + milliseconds, 0)
  if (failure?.at)
    for (const { text } of transactions[committed.length]!.texts.slice(0, failure.at.text + 1))
      onStatement(text, Math.max(0, elapsed - before))
  onStatement(`-- ${committed.length} of ${transactions.length} migrations done, in one message`, elapsed)
}
