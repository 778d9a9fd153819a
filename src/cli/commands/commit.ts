import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { MAKING, nameOf } from '../making.js'
import { AUTORESOLVE, CLEAR_SHADOW, FAIL_ON_DESTRUCTIVE, MAKING_OPTIONS, NAME, VERIFY } from '../options.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/commit.js')).commit, MAKING)

export const commit = command({
  name: 'commit',
  words: '[words..]',
  purpose: 'make a migration of what was pushed to the database, recorded as applied; no data is touched',
  options: {
    name: NAME,
    ...MAKING_OPTIONS,
    autoresolve: AUTORESOLVE,
    verify: VERIFY,
    'clear-shadow': CLEAR_SHADOW,
    'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
  },
  examples: [['rays push && rays commit add_users', 'once the schema is settled']],
  library: { commit: WORK },
  run: async ({ context, args }) => {
    const given = nameOf(args, 'commit')
    const name = given ?? (await context.host.ask({ message: 'Name of the migration:', flag: '--name <name>' }))
    return WORK.run(context, { ...args, name, defaults: args.default })
  },
  text: ({ migrations, target }, view) =>
    lines(
      `Wrote ${migrations.map(({ name }) => name).join(', ')} and recorded ${migrations.length === 1 ? 'it' : 'them'} as applied in ${target}. No data was touched.`,
      next(view, 'commit the folder to version control; elsewhere rays migrate applies it.'),
    ),
})
