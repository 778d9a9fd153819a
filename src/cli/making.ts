/** What the commands that make a migration share. */
import { UsageError } from '../errors.js'
import { AUTORESOLVE, CLEAR_SHADOW, FAIL_ON_DESTRUCTIVE, MAKING_OPTIONS, NAME, VERIFY } from './options.js'

/** The options of making a migration, as they are called in code. */
export const MAKING = {
  name: NAME,
  autoresolve: AUTORESOLVE,
  verify: VERIFY,
  clearShadow: CLEAR_SHADOW,
  failOnDestructive: FAIL_ON_DESTRUCTIVE,
  rename: MAKING_OPTIONS.rename,
  defaults: MAKING_OPTIONS.default,
} as const

/** The same, with what only `makemigration` can be asked for on the command line. */
export const MAKING_ALL = {
  ...MAKING,
  blank: { type: 'boolean', describe: 'write an empty migration where nothing changed' },
  check: { type: 'boolean', describe: 'exit 1 if a migration is missing; write nothing' },
  dryRun: { type: 'boolean', describe: 'show the migration; write nothing' },
  from: {
    type: 'string',
    choices: ['snapshot', 'migrations'],
    default: 'snapshot',
    describe: 'where the present state is taken from',
  },
  known: { type: 'object', describe: 'what was answered before about the same changes' },
  anyState: { type: 'boolean', describe: 'the schema may be that of an older migration' },
} as const

interface Named {
  readonly words: readonly string[]
  readonly name: string | undefined
}

/** The name of a migration, given as words or by its flag. @throws {UsageError} where it is given twice */
export function nameOf({ words, name }: Named, command: string): string | undefined {
  if (words.length > 0 && name !== undefined) {
    throw new UsageError(`The name is given twice: ${words.join(' ')} and --name ${name}.`, {
      hint: `rays ${command} --name add_users`,
    })
  }
  return name ?? (words.length > 0 ? words.join(' ') : undefined)
}
