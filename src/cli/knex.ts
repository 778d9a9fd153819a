/** Runs the commands that have to do with Knex. */
import path from 'node:path'
import { UsageError } from '../errors.js'
import { answersIn } from './develop.js'
import { clearShadowOf, given, type Handler, show } from './outcome.js'
import * as text from './render.js'

const shown = (root: string, file: string) => path.relative(root, file) || file

const init: Handler = async (context, args, terminal) => {
  const { knexInit } = await import('../commands/knex-init.js')
  const data = await knexInit(context, { y: args.y === true })
  const left = data.steps.filter(({ state }) => state === 'left')
  for (const step of left) context.host.warn(`Left to do: ${step.text}`)
  const lines = ({ steps }: typeof data) => [
    ...steps.filter(({ state }) => state !== 'left').map((step) => step.text),
    'Next: npx knex migrate:latest',
  ]
  return show(data, (told) => lines(told).join('\n'), args, terminal, left.length > 0 ? 1 : undefined)
}

const convert: Handler = async (context, args, terminal) => {
  const { knexConvert } = await import('../commands/knex-convert.js')
  const data = await knexConvert(context, { clearShadow: clearShadowOf(args) })
  const how = {
    verified: 'its down is proven',
    partial: 'its down does not undo everything',
    missing: 'it has no down',
  }
  const lines = ({ converted }: typeof data) =>
    converted.map(({ file, down }) => `Wrote ${shown(context.config.root, file)}; ${how[down]}.`).join('\n')
  return show(data, (told) => lines(told) || 'All migrations are converted.', args, terminal)
}

const fill: Handler = async (context, args, terminal) => {
  const { knexFill } = await import('../commands/knex-fill.js')
  const data = await knexFill(context, {
    file: given(args, 'file') ?? (await standardInput()),
    verify: args.verify !== false,
    clearShadow: clearShadowOf(args),
    ...answersIn(args),
  })
  const lines = ({ file, folder, summary }: typeof data) =>
    folder
      ? `Filled ${shown(context.config.root, file)}. Prisma and rays know it by ${shown(context.config.root, folder)}.\nNext: npx knex migrate:latest`
      : `${summary} ${shown(context.config.root, file)} was left as it is.`
  return show(data, lines, args, terminal)
}

async function standardInput(): Promise<string> {
  if (process.stdin.isTTY) return ''
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function onlyKnex(format: string | undefined, command: string): void {
  if (format === 'knex') return
  throw new UsageError(`rays does not know ${format}.`, { hint: `rays ${command} knex ./migrations` })
}

export const KNEX_HANDLERS: Readonly<Record<string, Handler>> = {
  rollback: async (context, args, terminal) => {
    const { rollback } = await import('../commands/rollback.js')
    const data = await rollback(context, {
      all: args.all === true,
      y: args.y === true,
      plan: args.plan === true,
      ...(args.generate !== undefined && { generate: args.generate === true }),
    })
    return show(data, (told) => text.migrate(told, terminal), args, terminal)
  },
  unlock: async (context, args, terminal) => {
    const { unlock } = await import('../commands/unlock.js')
    const data = await unlock(context)
    const own = ({ holder }: typeof data) =>
      holder === null
        ? 'Nobody holds the migration lock of rays and Prisma.'
        : `The migration lock of rays and Prisma is held by ${holder}; it ends with that session.`
    const freed = data.freed ? "Freed Knex's lock." : "Knex's lock was free."
    return show(data, (told) => `${freed}\n${own(told)}`, args, terminal)
  },
  knex: async (context, args, terminal) => {
    const actions: Readonly<Record<string, Handler>> = { init, convert, fill }
    const action = given(args, 'action') ?? ''
    if (!Object.hasOwn(actions, action)) {
      throw new UsageError(`rays knex does not know ${action}.`, {
        hint: 'rays knex init, rays knex convert or rays knex fill.',
      })
    }
    return actions[action]!(context, args, terminal)
  },
  import: async (context, args, terminal) => {
    onlyKnex(given(args, 'format'), 'import')
    const { importKnex } = await import('../commands/import-knex.js')
    const data = await importKnex(context, {
      folder: given(args, 'folder')!,
      clearShadow: clearShadowOf(args),
    })
    const lines = ({ imported, recorded }: typeof data) => [
      ...imported.map(({ name }) => `Wrote ${name}`),
      imported.length === 0 ? 'All of them are imported already.' : '',
      recorded > 0 ? `${recorded} of them were applied by Knex, and are recorded so.` : '',
    ]
    return show(data, (told) => lines(told).filter(Boolean).join('\n'), args, terminal)
  },
  export: async (context, args, terminal) => {
    onlyKnex(given(args, 'format'), 'export')
    const { exportKnex } = await import('../commands/export-knex.js')
    const folder = given(args, 'folder')
    const data = await exportKnex(context, { ...(folder !== undefined && { folder }) })
    const lines = ({ written }: typeof data) =>
      written.map((file) => `Wrote ${shown(context.config.root, file)}`).join('\n')
    return show(data, (told) => lines(told) || 'All migrations have a file already.', args, terminal)
  },
}
