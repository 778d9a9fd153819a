/** Runs the commands of the development loop. */
import type { MakeMigrationOptions } from '../commands/makemigration.js'
import { readNumber } from '../config/values.js'
import { UsageError } from '../errors.js'
import type { ParsedArguments } from './commands.js'
import * as text from './develop-text.js'
import { clearShadowOf, given, type Handler, show } from './outcome.js'
import { duration } from './terminal.js'

const flag = (args: ParsedArguments, name: string): boolean => args[name] === true

/** The name of a migration, given as words or by its flag. @throws {UsageError} where it is given twice */
export function nameOf(args: ParsedArguments, command: string): string | undefined {
  const words = (args.words as string[] | undefined) ?? []
  const name = given(args, 'name')
  if (words.length > 0 && name !== undefined) {
    throw new UsageError(`The name is given twice: ${words.join(' ')} and --name ${name}.`, {
      hint: `rays ${command} --name add_users`,
    })
  }
  return name ?? (words.length > 0 ? words.join(' ') : undefined)
}

/** The options of a migration that is made. */
export function makingOptions(args: ParsedArguments, command: string): MakeMigrationOptions {
  const name = nameOf(args, command)
  return {
    ...(name !== undefined && { name }),
    autoresolve: flag(args, 'autoresolve'),
    verify: args.verify !== false,
    clearShadow: clearShadowOf(args),
    failOnDestructive: flag(args, 'failOnDestructive'),
    ...answersIn(args),
  }
}

const list = (value: unknown): string[] => [value].flat().map(String)

/** What is answered beforehand; `--no-rename` says that nothing was renamed. */
export function answersIn(args: ParsedArguments): Pick<MakeMigrationOptions, 'rename' | 'defaults'> {
  const renames = [args.rename].flat().filter((value) => value !== false && value !== undefined)
  return {
    ...(args.rename !== undefined && { rename: renames.length > 0 ? list(renames) : false }),
    ...(args.default !== undefined && { defaults: list(args.default) }),
  }
}

const step =
  (direction: 'up' | 'down'): Handler =>
  async (context, args, terminal) => {
    const commands = await import('../commands/up-down.js')
    const target = given(args, 'target')
    const data = await commands[direction](context, {
      ...(target !== undefined && { target }),
      preview: flag(args, 'preview'),
      autoApprove: flag(args, 'autoApprove') || flag(args, 'y'),
      createDb: flag(args, 'createDb'),
      failOnDestructive: flag(args, 'failOnDestructive'),
      ...(args.generate !== undefined && { generate: flag(args, 'generate') }),
    })
    return show(data, (told) => text.steps(told, terminal, context.config, flag(args, 'verbose')), args, terminal)
  }

export const DEVELOP_HANDLERS: Readonly<Record<string, Handler>> = {
  save: async (context, args, terminal) => {
    const { save } = await import('../commands/save.js')
    const data = await save(context, { ...makingOptions(args, 'save'), createDb: flag(args, 'createDb') })
    return show(data, (told) => text.save(told, terminal, context.config), args, terminal)
  },
  up: step('up'),
  down: step('down'),
  commit: async (context, args, terminal) => {
    const { commit } = await import('../commands/commit.js')
    const { name, ...options } = makingOptions(args, 'commit')
    const data = await commit(context, {
      ...options,
      name: name ?? (await context.host.ask({ message: 'Name of the migration:', flag: '--name <name>' })),
    })
    return show(data, (told) => text.commit(told, terminal), args, terminal)
  },
  redo: async (context, args, terminal) => {
    const { redo } = await import('../commands/redo.js')
    const data = await redo(context, {
      ...(args.count !== undefined && { count: readNumber(String(args.count)) ?? Number.NaN }),
      ...(args.generate !== undefined && { generate: flag(args, 'generate') }),
      failOnDestructive: flag(args, 'failOnDestructive'),
      y: flag(args, 'y'),
    })
    return show(data, (told) => text.redo(told, terminal), args, terminal)
  },
  sqlmigrate: async (context, args, terminal) => {
    const { sqlMigrate } = await import('../commands/sqlmigrate.js')
    const data = await sqlMigrate(context, {
      name: given(args, 'name')!,
      down: flag(args, 'down'),
      trace: flag(args, 'trace'),
    })
    if (args.json !== true) terminal.raw(data.sql.trimEnd())
    return { data }
  },
  reset: async (context, args, terminal) => {
    const { reset } = await import('../commands/reset.js')
    const confirm = given(args, 'confirm')
    const data = await reset(context, {
      ...(confirm !== undefined && { confirm }),
      seed: args.seed !== false,
      ...(args.generate !== undefined && { generate: flag(args, 'generate') }),
    })
    return show(data, (told) => text.reset(told, terminal), args, terminal)
  },
  seed: async (context, args, terminal) => {
    const { seed } = await import('../commands/seed.js')
    const data = await seed(context)
    return show(data, ({ milliseconds }) => `Seeded in ${duration(milliseconds)}.`, args, terminal)
  },
  docs: async (_context, args, terminal) => {
    const { docs } = await import('../commands/docs.js')
    const topic = given(args, 'topic')
    const data = await docs(topic === undefined ? {} : { topic })
    if (args.json !== true && data.text !== undefined) terminal.raw(data.text.trimEnd())
    return data.text === undefined ? show(data, (told) => text.docs(told, terminal), args, terminal) : { data }
  },
}
