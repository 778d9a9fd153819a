/** Runs the commands that repair and reshape histories. */
import * as text from './histories-text.js'
import { given, type Handler, show } from './outcome.js'

export const HISTORIES_HANDLERS: Readonly<Record<string, Handler>> = {
  doctor: async (context, args, terminal) => {
    const { doctor } = await import('../commands/doctor.js')
    const adopt = given(args, 'adopt')
    const data = await doctor(context, {
      ...(adopt !== undefined && { adopt }),
      revert: args.revert === true,
      ...(args.ignore !== undefined && { ignore: [args.ignore].flat().map(String) }),
      y: args.y === true,
      clearShadow: args.clearShadow === true,
    })
    return show(
      data,
      text.doctor(data, terminal),
      args,
      terminal,
      args.check === true && data.findings.length > 0 ? 1 : undefined,
    )
  },
}
