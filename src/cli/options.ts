/** The options that several commands take. */
import type { Options } from 'yargs'

export const FAIL_ON_DESTRUCTIVE: Options = { type: 'boolean', describe: 'exit 1 instead of losing data' }
export const CREATE_DB: Options = { type: 'boolean', alias: 'c', describe: 'create the database where it is missing' }
export const VERIFY: Options = { type: 'boolean', default: true, describe: 'prove the migration on shadow databases' }
export const CLEAR_SHADOW: Options = {
  type: 'boolean',
  describe: 'empty a configured shadow database that holds other tables',
}
export const GENERATE: Options = {
  type: 'boolean',
  describe: 'run prisma generate afterwards (--no-generate skips it)',
}

/** What a migration that is made takes, besides its name. */
export const MAKING_OPTIONS = {
  rename: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'a rename that keeps the data: User.name:fullName, User:Person (--no-rename: there is none)',
  },
  default: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'the SQL that rows get in a new required field: User.age=0',
  },
} as const satisfies Record<string, Options>

export const LOCK_TIMEOUT: Options = {
  type: 'number',
  requiresArg: true,
  describe: 'seconds to wait for the lock and for locked tables',
}
export const SINGLE_TRANSACTION: Options = {
  type: 'boolean',
  describe: 'all migrations in one transaction: all are done, or none',
}
