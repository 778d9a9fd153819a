import { readNumber } from '../../config/values.js'
import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { FAIL_ON_DESTRUCTIVE, GENERATE, GLOBAL_OPTIONS } from '../options.js'
import { duration } from '../terminal.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/redo.js')).redo, {
  count: { type: 'count', describe: 'how many migrations' },
  y: GLOBAL_OPTIONS.y,
  generate: GENERATE,
  failOnDestructive: FAIL_ON_DESTRUCTIVE,
})

export const redo = command({
  name: 'redo',
  words: '[count]',
  counts: true,
  purpose: 'undo the last migrations and apply them again',
  options: { 'fail-on-destructive': FAIL_ON_DESTRUCTIVE, generate: GENERATE },
  examples: [
    ['rays redo', 'the last one'],
    ['rays redo 2', 'the last two'],
  ],
  library: { redo: WORK },
  run: ({ context, args: { count, ...args } }) =>
    // A word that is no number is refused by the work, as a number below 1 is.
    WORK.run(context, { ...args, count: count === undefined ? undefined : (readNumber(count) ?? Number.NaN) }),
  text: ({ up: { migrations } }, view) => {
    const total = migrations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    return lines(
      `Undone and applied again: ${migrations.map(({ name }) => name).join(', ')} (${duration(total)}).`,
      next(view, 'rays status'),
    )
  },
})
