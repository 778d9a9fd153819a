import type { SaveResult } from '../../commands/save.js'
import { shortPath } from '../../config/short-path.js'
import { command, type View } from '../command.js'
import { lines, next } from '../format/text.js'
import { MAKING_ALL, nameOf } from '../making.js'
import { AUTORESOLVE, CLEAR_SHADOW, CREATE_DB, FAIL_ON_DESTRUCTIVE, MAKING_OPTIONS, NAME, VERIFY } from '../options.js'
import { work } from '../work.js'

const WORK = work(async () => (await import('../../commands/save.js')).save, { ...MAKING_ALL, createDb: CREATE_DB })

export const save = command({
  name: 'save',
  words: '[words..]',
  purpose: "write a migration from the schema's changes, after showing them and asking for its name",
  options: {
    name: NAME,
    'create-db': CREATE_DB,
    autoresolve: AUTORESOLVE,
    verify: VERIFY,
    'clear-shadow': CLEAR_SHADOW,
    'fail-on-destructive': FAIL_ON_DESTRUCTIVE,
    ...MAKING_OPTIONS,
  },
  examples: [
    ['rays save', 'asks for the name'],
    ['rays save --name "add unique to email"', ''],
  ],
  library: { save: WORK },
  run: ({ context, args }) => WORK.run(context, { ...args, name: nameOf(args, 'save'), defaults: args.default }),
  text: saved,
})

function saved(result: SaveResult, view: View): string {
  const { migrations } = result
  if (migrations.length === 0) return lines(result.summary, next(view, 'edit the schema.'))
  return lines(
    `rays just created your ${migrations.length === 1 ? 'migration' : 'migrations'}:\n`,
    `  ${shortPath(view.config, view.config.migrationsDir)}/`,
    ...result.files.flatMap(({ migration, files }, at) => tree(migration, files, at === result.files.length - 1)),
    migrations.some(({ proof }) => proof !== 'skipped') &&
      view.paint('dim', '\nProven: up, down and up again on a shadow database.'),
    next(view, result.recorded ? 'rays status' : 'rays up applies it.'),
  )
}

function tree(folder: string, files: readonly string[], last: boolean): string[] {
  return [
    `  ${last ? '└─' : '├─'} ${folder}/`,
    ...files.map((file, at) => `  ${last ? ' ' : '│'}  ${at === files.length - 1 ? '└─' : '├─'} ${file}`),
  ]
}
