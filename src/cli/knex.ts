/** Runs the commands that have to do with Knex. */
import path from 'node:path'
import { UsageError } from '../errors.js'
import { answersIn } from './develop.js'
import { given, type Handler, show } from './outcome.js'
import * as text from './render.js'

const shown = (root: string, file: string) => path.relative(root, file) || file

const init: Handler = async (context, args, terminal) => {
  const { knexInit } = await import('../commands/knex-init.js')
  const data = await knexInit(context, { y: args.y === true })
  const left = data.steps.filter(({ state }) => state === 'left')
  for (const step of left) context.host.warn(`Left to do: ${step.text}`)
  const lines = data.steps.filter((step) => !left.includes(step)).map((step) => step.text)
  const next = [...lines, 'Next: npx knex migrate:latest'].join('\n')
  return show(data, next, args, terminal, left.length > 0 ? 1 : undefined)
}

const convert: Handler = async (context, args, terminal) => {
  const { knexConvert } = await import('../commands/knex-convert.js')
  const data = await knexConvert(context, { clearShadow: args.clearShadow === true })
  const how = {
    verified: 'its down is proven',
    partial: 'its down does not undo everything',
    missing: 'it has no down',
  }
  const lines = data.converted.map(({ file, down }) => `Wrote ${shown(context.config.root, file)}; ${how[down]}.`)
  return show(data, lines.length > 0 ? lines.join('\n') : 'All migrations are converted.', args, terminal)
}

const fill: Handler = async (context, args, terminal) => {
  const { knexFill } = await import('../commands/knex-fill.js')
  const data = await knexFill(context, {
    file: given(args, 'file') ?? (await standardInput()),
    verify: args.verify !== false,
    clearShadow: args.clearShadow === true,
    ...answersIn(args),
  })
  const file = shown(context.config.root, data.file)
  const lines = data.folder
    ? `Filled ${file}. Prisma and rays know it by ${shown(context.config.root, data.folder)}.\nNext: npx knex migrate:latest`
    : `${data.summary} ${file} was left as it is.`
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
    return show(data, text.migrate(data, terminal), args, terminal)
  },
  unlock: async (context, args, terminal) => {
    const { unlock } = await import('../commands/unlock.js')
    const data = await unlock(context)
    const own =
      data.holder === null
        ? 'Nobody holds the migration lock of rays and Prisma.'
        : `The migration lock of rays and Prisma is held by ${data.holder}; it ends with that session.`
    return show(data, `${data.freed ? "Freed Knex's lock." : "Knex's lock was free."}\n${own}`, args, terminal)
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
      clearShadow: args.clearShadow === true,
    })
    const lines = [
      ...data.imported.map(({ name }) => `Wrote ${name}`),
      data.imported.length === 0 ? 'All of them are imported already.' : '',
      data.recorded > 0 ? `${data.recorded} of them were applied by Knex, and are recorded so.` : '',
    ]
    return show(data, lines.filter(Boolean).join('\n'), args, terminal)
  },
  export: async (context, args, terminal) => {
    onlyKnex(given(args, 'format'), 'export')
    const { exportKnex } = await import('../commands/export-knex.js')
    const folder = given(args, 'folder')
    const data = await exportKnex(context, { ...(folder !== undefined && { folder }) })
    const lines = data.written.map((file) => `Wrote ${shown(context.config.root, file)}`)
    return show(data, lines.length > 0 ? lines.join('\n') : 'All migrations have a file already.', args, terminal)
  },
}
