/** What an option is, and the options that several commands take. Nothing but data and types. */
import type { OptionName } from '../config/options.js'

interface Described {
  /** What it is for, in a few words. */
  readonly describe: string
  /** Other spellings; one letter is a short one (`-y`). */
  readonly alias?: string | readonly string[]
  /** The option of the configuration that it sets: the command itself does not see it. */
  readonly sets?: OptionName
  /** What a shell offers for its value. */
  readonly completes?: Completes
}

/** What can be meant: names of migrations, those and `zero`, `+1`, `-1`, pages of the documentation, paths, or one of these. */
export type Completes = 'migrations' | 'targets' | 'topics' | 'files' | 'folders' | readonly string[]

/** On or off: `--plan`, `--no-plan`, `--plan=yes`, `--plan=0`. */
export interface Switch extends Described {
  readonly type: 'boolean'
  readonly default?: boolean
  /** Behind `=` it may have a name as well, and then means that one only. */
  readonly named?: boolean
}

/** A text, which is never empty. */
export interface TextOption extends Described {
  readonly type: 'string'
  readonly default?: string
  readonly choices?: readonly string[]
}

/** Texts: may be given several times. */
export interface ListOption extends Described {
  readonly type: 'string'
  readonly array: true
  /** `--no-<name>` says that there is none. */
  readonly none?: boolean
}

export interface NumberOption extends Described {
  readonly type: 'number'
  /** Seconds may have a fraction; an operation is counted from 0. */
  readonly takes: 'seconds' | 'an operation'
}

/** The type is declared always, and says how the option is read. */
export type Option = Switch | TextOption | ListOption | NumberOption
export type Options = Readonly<Record<string, Option>>

/** What an option is read as, where it is given. */
export type ValueOf<O extends Option> = O extends NumberOption
  ? number
  : O extends Switch
    ? O extends { readonly named: true }
      ? boolean | string
      : boolean
    : O extends ListOption
      ? O extends { readonly none: true }
        ? readonly string[] | false
        : readonly string[]
      : O extends { readonly choices: readonly (infer Choice)[] }
        ? Choice
        : string

/** `clear-shadow` is `clearShadow` in code. */
export type CamelCase<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : Name

export function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

export const GLOBAL_OPTIONS = {
  conf: { type: 'string', describe: 'which raysconfig file', completes: 'files' },
  env: { type: 'string', describe: 'which of the environments of the configuration' },
  log: { type: 'boolean', describe: 'show every statement with its time' },
  json: { type: 'boolean', describe: 'print one JSON document' },
  input: { type: 'boolean', describe: 'ask questions (--no-input never asks)', default: true },
  color: { type: 'boolean', describe: 'colours (--no-color for none)', default: true },
  y: { type: 'boolean', alias: 'yes', describe: 'answer yes where data would be lost' },
} as const satisfies Options

export const NAME = {
  type: 'string',
  alias: 'n',
  describe: 'the name of the migration',
} as const satisfies Option
export const AUTORESOLVE = {
  type: 'boolean',
  describe: 'group operations whose ups and downs do not pair, without a note',
} as const satisfies Option
export const FAIL_ON_DESTRUCTIVE = {
  type: 'boolean',
  describe: 'exit 1 instead of losing data',
} as const satisfies Option
export const CREATE_DB = {
  type: 'boolean',
  alias: 'c',
  describe: 'create the database where it is missing',
} as const satisfies Option
export const VERIFY = {
  type: 'boolean',
  default: true,
  describe: 'prove the migration on shadow databases',
} as const satisfies Option
export const CLEAR_SHADOW = {
  type: 'boolean',
  named: true,
  describe: 'empty a configured shadow database that holds something; =<name>: only that one',
} as const satisfies Option
export const GENERATE = {
  type: 'boolean',
  describe: 'run prisma generate afterwards (--no-generate skips it)',
} as const satisfies Option

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

export const LOCK_TIMEOUT = {
  type: 'number',
  takes: 'seconds',
  sets: 'lockTimeout',
  describe: 'seconds to wait for the lock and for locked tables',
} as const satisfies Option
export const STATEMENT_TIMEOUT = {
  type: 'number',
  takes: 'seconds',
  sets: 'statementTimeout',
  describe: 'seconds a statement may run',
} as const satisfies Option
export const SINGLE_TRANSACTION = {
  type: 'boolean',
  sets: 'singleTransaction',
  describe: 'all migrations in one transaction: all are done, or none',
} as const satisfies Option

/** What `up` and `down` take. */
export const STEPPING_OPTIONS = {
  preview: { type: 'boolean', alias: 'p', describe: 'show the changes; run nothing' },
  'auto-approve': { type: 'boolean', describe: 'do not ask' },
  verbose: { type: 'boolean', describe: 'show whole statements' },
  'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
  'single-transaction': SINGLE_TRANSACTION,
  generate: GENERATE,
} as const satisfies Options

export interface Candidate {
  readonly value: string
  /** One line, or nothing. */
  readonly purpose: string
}
