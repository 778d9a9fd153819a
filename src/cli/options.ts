/** What an option is, and the options that several commands take. */

interface Told {
  /** What it is for, in a few words. */
  readonly describe: string
  /** Other spellings; one letter is a short one (`-y`). */
  readonly alias?: string | readonly string[]
}

/** On or off: `--plan`, `--no-plan`, `--plan=yes`, `--plan=0`. */
export interface Switch extends Told {
  readonly type: 'boolean'
  readonly default?: boolean
  /** Behind `=` it may have a name as well, and then means that one only. */
  readonly named?: true
}

/** A text, which is never empty. */
export interface TextOption extends Told {
  readonly type: 'string'
  readonly default?: string
  readonly choices?: readonly string[]
}

/** Texts: may be given several times. */
export interface ListOption extends Told {
  readonly type: 'string'
  readonly array: true
  /** `--no-<name>` says that there is none. */
  readonly none?: true
}

export interface NumberOption extends Told {
  readonly type: 'number'
  /** Seconds may have a fraction; an operation is counted from 0. */
  readonly takes: 'seconds' | 'an operation'
}

/** The type is declared always, and says how the option is read. */
export type Option = Switch | TextOption | ListOption | NumberOption
export type Options = Readonly<Record<string, Option>>

export const FAIL_ON_DESTRUCTIVE: Switch = { type: 'boolean', describe: 'exit 1 instead of losing data' }
export const CREATE_DB: Switch = { type: 'boolean', alias: 'c', describe: 'create the database where it is missing' }
export const VERIFY: Switch = { type: 'boolean', default: true, describe: 'prove the migration on shadow databases' }
export const CLEAR_SHADOW: Switch = {
  type: 'boolean',
  named: true,
  describe: 'empty a configured shadow database that holds something; =<name>: only that one',
}
export const GENERATE: Switch = {
  type: 'boolean',
  describe: 'run prisma generate afterwards (--no-generate skips it)',
}

/** What a migration that is made takes, besides its name. */
export const MAKING_OPTIONS = {
  rename: {
    type: 'string',
    array: true,
    none: true,
    describe: 'a rename that keeps the data: User.name:fullName, User:Person (--no-rename: there is none)',
  },
  default: {
    type: 'string',
    array: true,
    describe: 'the SQL that rows get in a new required field: User.age=0',
  },
} as const satisfies Options

export const LOCK_TIMEOUT: NumberOption = {
  type: 'number',
  takes: 'seconds',
  describe: 'seconds to wait for the lock and for locked tables',
}
export const SINGLE_TRANSACTION: Switch = {
  type: 'boolean',
  describe: 'all migrations in one transaction: all are done, or none',
}
