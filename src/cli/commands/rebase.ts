import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { CLEAR_SHADOW, GENERATE, GLOBAL_OPTIONS, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  own: {
    type: 'string',
    array: true,
    completes: 'migrations',
    describe: 'which are yours; default: those that are applied',
  },
  'clear-shadow': CLEAR_SHADOW,
  generate: GENERATE,
} as const satisfies Options

const WORK = work(async () => (await import('../../commands/rebase.js')).rebase, {
  own: OPTIONS.own,
  y: GLOBAL_OPTIONS.y,
  generate: GENERATE,
  clearShadow: CLEAR_SHADOW,
})

export const rebase = command({
  name: 'rebase',
  purpose: "put your own migrations after the others' that were made on another branch, made anew",
  options: OPTIONS,
  examples: [['rays rebase', 'after git merge or git pull']],
  library: { rebase: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ rebased, others, overlap, applied }, view) => {
    if (rebased.length === 0) return 'Nothing to rebase: every migration knows those before it.'
    return lines(
      ...rebased.map(({ from, to, made }) =>
        to === ''
          ? `${from} is gone: the others did the same.`
          : `${from} is ${to} now${made === 'moved' ? ' (moved as it was: it holds work of your own)' : ''}.`,
      ),
      `They come after ${others.join(', ')}.`,
      overlap.length > 0 && `Look at what both sides touch: ${overlap.join(', ')}.`,
      next(view, applied === null ? 'rays migrate' : 'rays status'),
    )
  },
})
