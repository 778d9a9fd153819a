/**
 * The longest first, so that no worker ends with a long one while the others are done. Jest knows how long files took in
 * earlier runs of a checkout; of a fresh one it knows only their sizes, which say little.
 */
const { default: Sequencer } = require('@jest/test-sequencer')

const LONG = [
  'commands/interop',
  'commands/prisma-command',
  'faults/properties',
  'faults/volume',
  'faults/crashes',
  'engines/mysql-properties',
  'commands/migrate',
  'engines/prisma-cli',
  'commands/renames',
  'commands/defaults',
  'commands/known-defects',
  'commands/knex-commands',
  'commands/schemas',
  'commands/schema-engines',
]

class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const at = LONG.findIndex((name) => path.endsWith(`/test/${name}.test.ts`))
      return at === -1 ? LONG.length : at
    }
    return [...super.sort(tests)].sort((a, b) => place(a) - place(b))
  }
}

module.exports = LongestFirst
