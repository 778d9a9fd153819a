import type { Context } from '../../commands/host.js'
import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { work } from '../work.js'

const WORK = work(
  async () => {
    const { docs } = await import('../../commands/docs.js')
    return async (_: Context, options: { readonly topic?: string } = {}) => docs(options)
  },
  { topic: { type: 'string', describe: 'the page to print' } },
)

export const docs = command({
  name: 'docs',
  words: '[topic]',
  completes: { topic: 'topics' },
  purpose: 'list the documentation that came with rays, or print a topic of it',
  options: {},
  examples: [['rays docs development | less', '']],
  library: { docs: WORK },
  run: ({ context, args }) => WORK.run(context, args),
  text: ({ topics, text }, view) => {
    if (text !== undefined) return { raw: text.trimEnd() }
    const width = Math.max(...topics.map(({ topic }) => topic.length))
    return lines(
      ...topics.map(({ topic, title, file }) => `${topic.padEnd(width)}  ${title}  ${view.paint('dim', file)}`),
      next(view, 'rays docs <topic> prints one.'),
    )
  },
})
