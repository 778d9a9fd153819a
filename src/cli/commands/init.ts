import { shortPath } from '../../config/short-path.js'
import { command } from '../command.js'
import { lines, next } from '../format/text.js'
import { GLOBAL_OPTIONS } from '../options.js'
import { work } from '../work.js'

const FORCE = { type: 'boolean', describe: 'replace an existing raysconfig' } as const
const WORK = work(async () => (await import('../../commands/init.js')).init, { force: FORCE, y: GLOBAL_OPTIONS.y })

export const init = command({
  name: 'init',
  purpose: 'write raysconfig.js from what the project already says',
  options: { force: FORCE },
  examples: [['rays init', 'write raysconfig.js']],
  library: { init: WORK },
  run: ({ context, args }) => WORK.run(context, { force: args.force }),
  text: (result, view) =>
    lines(
      `Wrote ${shortPath(view.config, result.file)} (schema ${result.schemaPath}, migrations ${result.migrationsDir}, URL from ${result.variable}).`,
      !result.hasSchema && `There is no ${result.schemaPath} yet: write your Prisma schema first.`,
      !result.hasUrl && `${result.variable} is not set yet: put it into .env or the environment.`,
      next(view, 'rays makemigration --name init for a new project, rays prepare for an existing database.'),
    ),
})
