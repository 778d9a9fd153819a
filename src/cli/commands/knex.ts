import path from 'node:path'
import type { KnexConvertResult } from '../../commands/knex-convert.js'
import type { KnexFillResult } from '../../commands/knex-fill.js'
import type { KnexInitResult } from '../../commands/knex-init.js'
import { UsageError } from '../../errors.js'
import { command, type View } from '../command.js'
import { CLEAR_SHADOW, GLOBAL_OPTIONS, MAKING_OPTIONS, type Options } from '../options.js'
import { work } from '../work.js'

const OPTIONS = {
  verify: { type: 'boolean', default: true, describe: 'fill: prove the migration on shadow databases' },
  'clear-shadow': CLEAR_SHADOW,
  rename: { ...MAKING_OPTIONS.rename, describe: `fill: ${MAKING_OPTIONS.rename.describe}` },
  default: { ...MAKING_OPTIONS.default, describe: `fill: ${MAKING_OPTIONS.default.describe}` },
} as const satisfies Options

const INIT = work(async () => (await import('../../commands/knex-init.js')).knexInit, { y: GLOBAL_OPTIONS.y })
const CONVERT = work(async () => (await import('../../commands/knex-convert.js')).knexConvert, {
  clearShadow: CLEAR_SHADOW,
})
const FILL = work(async () => (await import('../../commands/knex-fill.js')).knexFill, {
  file: { type: 'string', describe: 'the file, or what knex migrate:make printed about it' },
  verify: OPTIONS.verify,
  clearShadow: CLEAR_SHADOW,
  rename: OPTIONS.rename,
  defaults: OPTIONS.default,
})

type KnexResult = KnexInitResult | KnexConvertResult | KnexFillResult

export const knex = command({
  name: 'knex',
  words: '<action> [file]',
  completes: { action: ['init', 'convert', 'fill'], file: 'files' },
  purpose: 'let Knex run the migrations: init sets it up, convert and fill write migrations in its form',
  options: OPTIONS,
  examples: [
    ['rays knex init', 'knexfile, script, tables and history; each step is asked about'],
    ['rays knex convert', 'Prisma migrations get a migration.mjs with a way down'],
    ['npx knex migrate:make add_age | npx rays knex fill', "put the schema's changes into the new file"],
  ],
  library: { knexInit: INIT, knexConvert: CONVERT, knexFill: FILL },
  run: async ({ context, args }): Promise<KnexResult> => {
    switch (args.action) {
      case 'init': {
        const result = await INIT.run(context, args)
        for (const { text } of left(result)) context.host.warn(`Left to do: ${text}`)
        return result
      }
      case 'convert':
        return CONVERT.run(context, args)
      case 'fill':
        return FILL.run(context, { ...args, file: args.file ?? (await standardInput()), defaults: args.default })
      default:
        throw new UsageError(`rays knex does not know ${args.action}.`, {
          hint: 'rays knex init, rays knex convert or rays knex fill.',
        })
    }
  },
  text: (result, view) => {
    if ('steps' in result) return setUp(result)
    return 'converted' in result ? converted(result, view) : filled(result, view)
  },
  exitCode: (result) => ('steps' in result && left(result).length > 0 ? 1 : 0),
})

/** The steps that a person declined, or has to take. */
function left({ steps }: KnexInitResult): KnexInitResult['steps'] {
  return steps.filter(({ state }) => state === 'left')
}

function setUp({ steps }: KnexInitResult): string {
  const taken = steps.filter(({ state }) => state !== 'left').map(({ text }) => text)
  return [...taken, 'Next: npx knex migrate:latest'].join('\n')
}

const DOWNS = {
  verified: 'its down is proven',
  partial: 'its down does not undo everything',
  missing: 'it has no down',
} as const

function converted({ converted }: KnexConvertResult, view: View): string {
  if (converted.length === 0) return 'All migrations are converted.'
  return converted.map(({ file, down }) => `Wrote ${inProject(view, file)}; ${DOWNS[down]}.`).join('\n')
}

function filled({ file, folder, summary }: KnexFillResult, view: View): string {
  if (!folder) return `${summary} ${inProject(view, file)} was left as it is.`
  return `Filled ${inProject(view, file)}. Prisma and rays know it by ${inProject(view, folder)}.\nNext: npx knex migrate:latest`
}

function inProject({ config }: View, file: string): string {
  return path.relative(config.root, file) || file
}

async function standardInput(): Promise<string> {
  if (process.stdin.isTTY) return ''
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
