/** Runs the commands that repair and reshape histories. */
import { UsageError } from '../errors.js'
import { answersIn } from './develop.js'
import * as text from './histories-text.js'
import { clearShadowOf, given, type Handler, show } from './outcome.js'

export const HISTORIES_HANDLERS: Readonly<Record<string, Handler>> = {
  doctor: async (context, args, terminal) => {
    const { doctor } = await import('../commands/doctor.js')
    const adopt = given(args, 'adopt')
    const data = await doctor(context, {
      ...(adopt !== undefined && { adopt }),
      revert: args.revert === true,
      ...(args.ignore !== undefined && { ignore: [args.ignore].flat().map(String) }),
      y: args.y === true,
      clearShadow: clearShadowOf(args),
    })
    return show(
      data,
      (told) => text.doctor(told, terminal),
      args,
      terminal,
      args.check === true && data.findings.length > 0 ? 1 : undefined,
    )
  },
  squash: async (context, args, terminal) => {
    const { squash } = await import('../commands/squash.js')
    const range = [args.range].flat().map(String)
    const to = range.at(-1)
    if (to === undefined || range.length > 2) {
      throw new UsageError('squash takes one migration or two: rays squash [<from>] <to>.')
    }
    const name = given(args, 'name')
    const data = await squash(context, {
      ...(range.length === 2 && { from: range[0]! }),
      to,
      ...(name !== undefined && { name }),
      dryRun: args.dryRun === true,
      clearShadow: clearShadowOf(args),
    })
    return show(data, (told) => text.squash(told, terminal), args, terminal)
  },
  rebase: async (context, args, terminal) => {
    const { rebase } = await import('../commands/rebase.js')
    const data = await rebase(context, {
      ...(args.own !== undefined && { own: [args.own].flat().map(String) }),
      y: args.y === true,
      clearShadow: clearShadowOf(args),
      ...(args.generate !== undefined && { generate: args.generate === true }),
    })
    return show(data, (told) => text.rebase(told, terminal), args, terminal)
  },
  upgrade: async (context, args, terminal) => {
    const { upgrade } = await import('../commands/upgrade.js')
    const data = await upgrade(context, { dryRun: args.dryRun === true })
    const bad = data.migrations.some(({ state }) => state === 'unusable')
    return show(data, (told) => text.upgrade(told, terminal), args, terminal, bad ? 1 : undefined)
  },
  eject: async (context, args, terminal) => {
    const { eject } = await import('../commands/eject.js')
    const data = await eject(context, {
      y: args.y === true,
      verify: args.verify !== false,
      dryRun: args.dryRun === true,
      clearShadow: clearShadowOf(args),
    })
    return show(data, (told) => text.eject(told, terminal), args, terminal)
  },
  dev: async (context, args, terminal) => {
    const { dev } = await import('../commands/development.js')
    const data = await dev(context, {
      y: args.y === true,
      clearShadow: clearShadowOf(args),
      ...(args.generate !== undefined && { generate: args.generate === true }),
      onChange: (result) => {
        if (result.applied.length > 0) terminal.note(text.draft(result, terminal))
      },
    })
    return show(data, () => '', args, terminal)
  },
  draft: async (context, args, terminal) => {
    const { draft } = await import('../commands/development.js')
    const data = await draft(context, {
      ...answersIn(args),
      undo: args.undo === true,
      clearShadow: clearShadowOf(args),
      y: args.y === true,
      ...(args.generate !== undefined && { generate: args.generate === true }),
    })
    return show(data, (told) => text.draft(told, terminal), args, terminal)
  },
}
