/** What can go wrong, in rays' own words. Every error carries what fixes it and the exit code that tells scripts what to do. */

/** 1 failed, database as before · 2 usage or configuration, nothing touched · 3 the database needs a decision · 4 lock not obtained or lost. */
export type ExitCode = 1 | 2 | 3 | 4 | 129 | 130 | 143

export interface RaysErrorOptions {
  /** The command or the change that fixes it. */
  readonly hint?: string
  readonly cause?: unknown
  /** Where it happened: migration, operation, statement. Printed below the message. */
  readonly where?: string
  /** Facts for `--json`, beside the message. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Base of every error that rays raises on purpose. */
export class RaysError extends Error {
  override readonly name: string = 'RaysError'
  /** Stable identifier for programs: `E_USAGE`, `E_LOCK`, ... */
  readonly code: string
  readonly exitCode: ExitCode
  readonly hint: string | undefined
  readonly where: string | undefined
  readonly data: Readonly<Record<string, unknown>> | undefined

  constructor(code: string, exitCode: ExitCode, message: string, options: RaysErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.exitCode = exitCode
    this.hint = options.hint
    this.where = options.where
    this.data = options.data
  }
}

/** Wrong arguments, an unknown target, a question that could not be asked: nothing was touched. Exit 2. */
export class UsageError extends RaysError {
  override readonly name = 'UsageError'
  constructor(message: string, options?: RaysErrorOptions & { readonly code?: string }) {
    super(options?.code ?? 'E_USAGE', 2, message, options)
  }
}

/** The configuration cannot be used; all problems at once. Exit 2. */
export class ConfigError extends RaysError {
  override readonly name = 'ConfigError'
  constructor(message: string, options?: RaysErrorOptions) {
    super('E_CONFIG', 2, message, options)
  }
}

/** The Prisma schema is invalid; the message is the engine's own, with file and line. Exit 2. */
export class SchemaInvalidError extends RaysError {
  override readonly name = 'SchemaInvalidError'
  constructor(message: string, options?: RaysErrorOptions) {
    super('E_SCHEMA', 2, message, options)
  }
}

/** What an engine says of a schema that it cannot read. */
export function invalidSchema(told: string, cause: unknown): SchemaInvalidError {
  return new SchemaInvalidError(`The Prisma schema is not valid.\n${told}`, {
    cause,
    hint: 'Correct the lines named above; prisma validate shows the same.',
  })
}

/** A migration folder or file cannot be used. Exit 2: nothing ran. */
export class MigrationInvalidError extends RaysError {
  override readonly name = 'MigrationInvalidError'
  constructor(message: string, options?: RaysErrorOptions) {
    super('E_MIGRATION', 2, message, options)
  }
}

/** Something failed and the database is as it was. Exit 1. */
export class FailedError extends RaysError {
  override readonly name = 'FailedError'
  constructor(message: string, options?: RaysErrorOptions & { readonly code?: string }) {
    super(options?.code ?? 'E_FAILED', 1, message, options)
  }
}

/** The database needs a person's decision: failed, in doubt, diverged. Exit 3. */
export class DecisionError extends RaysError {
  override readonly name = 'DecisionError'
  constructor(message: string, options?: RaysErrorOptions & { readonly code?: string }) {
    super(options?.code ?? 'E_DECISION', 3, message, options)
  }
}

/** The migration lock was not obtained or was lost, or another session was in the way: try again. Exit 4. See {@link notFree}. */
export class LockError extends RaysError {
  override readonly name = 'LockError'
  constructor(message: string, options?: RaysErrorOptions) {
    super('E_LOCK', 4, message, options)
  }
}

/** What helps where another session was in the way, by the kind of the database's error. */
const IN_THE_WAY: Readonly<Record<string, string>> = {
  'lock-timeout':
    'Another session holds the table or the row. Try again when it is free, or wait longer: --lock-timeout <seconds>.',
  conflict: 'Another session was in the way, and the database gave up this one. Run the command again.',
  busy: 'Another process uses the database. Try again when it is free, or wait longer: --lock-timeout <seconds>.',
}

/** Whether an error of the database says that another session was in the way: later the same may go through. */
export function isInTheWay(kind: string): boolean {
  return kind in IN_THE_WAY
}

export function inTheWayHint(kind: string): string | undefined {
  return IN_THE_WAY[kind]
}

/**
 * The error for what the database refused.
 * @param kind of the database's error
 * @param stays something of what was to be done is in the database all the same
 */
export function refusal(
  kind: string,
  message: string,
  options: RaysErrorOptions & { readonly code?: string },
  stays = false,
): RaysError {
  if (!isInTheWay(kind)) return new FailedError(message, options)
  const { code: _, ...rest } = options
  return stays ? new DecisionError(message, { ...rest, code: 'E_UNFINISHED' }) : new LockError(message, rest)
}

/** The migration lock was held by somebody else all the while. */
export function notFree(error: { readonly holder: string }, waitedMs: number): LockError {
  const seconds = Math.round(waitedMs / 100) / 10
  return new LockError(`The migration lock was not free within ${seconds} s: it is held by ${error.holder}.`, {
    cause: error,
    hint: 'Wait for the other migration to end, or wait longer: --lock-timeout <seconds>.',
  })
}

/** A signal, or "no" at a prompt. */
export class InterruptedError extends RaysError {
  override readonly name = 'InterruptedError'
  constructor(message: string, exitCode: 129 | 130 | 143 = 130, options?: RaysErrorOptions) {
    super('E_INTERRUPTED', exitCode, message, options)
  }
}
