import { command } from '../command.js'
import { CLEAR_SHADOW } from '../options.js'

export const prisma = command({
  name: 'prisma',
  words: '[words..]',
  passesOn: true,
  purpose: "run Prisma's own command line offline, with rays in place of the engine that it downloads",
  options: { 'clear-shadow': CLEAR_SHADOW },
  examples: [
    ['rays prisma -- migrate status', 'is Prisma of the same opinion?'],
    ['rays prisma -- migrate diff --from-empty --to-schema prisma/schema.prisma', ''],
    ['rays prisma -- db pull --print', ''],
  ],
  // It prints for itself, which a library does not.
  library: {},
  run: async ({ context, args }) => {
    const { prisma } = await import('../../commands/prisma.js')
    return prisma(context, [...args.words, ...(args.rest ?? [])], { clearShadow: args.clearShadow })
  },
  text: () => '',
  exitCode: ({ exitCode }) => exitCode,
})
