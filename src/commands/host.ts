/** What a command is given besides its options: a way to say and to ask, without knowing to whom. */
import type { Config } from '../config/config.js'
import type { InterruptedError } from '../errors.js'
import type { Progress } from '../history/running.js'
import type { BlockDiff } from '../schema/schema-diff.js'

export interface Question {
  readonly message: string
  /** The flag that answers it without asking: `--y`. */
  readonly flag: string
}

export interface Host {
  /** One line about what is being done. */
  readonly note: (message: string) => void
  /** Something that the person should know; also collected in the result. */
  readonly warn: (message: string) => void
  readonly progress: (progress: Progress) => void
  /** Lines that another program printed (prisma generate). */
  readonly output: (text: string) => void
  /** The changes of the schema that a question or an action is about. */
  readonly changes: (diff: readonly BlockDiff[]) => void
  /** Whether somebody can be asked. */
  readonly canAsk: boolean
  /** Asks y/N. @throws {UsageError} where nobody can be asked, naming the flag; {@link InterruptedError} for Ctrl-C */
  readonly confirm: (question: Question) => Promise<boolean>
  /** Asks for a text. @throws as confirm */
  readonly ask: (question: Question & { readonly fallback?: string }) => Promise<string>
  /** Every statement, when verbose; undefined otherwise. */
  readonly onStatement?: (sql: string, milliseconds: number) => void
  readonly signal: AbortSignal
  readonly now: () => Date
}

export interface Context {
  readonly config: Config
  readonly host: Host
}
