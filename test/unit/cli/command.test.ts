/** What a handler is given, and what the compiler says of a table that does not fit the work. */
import { type Arguments, command } from '../../../src/cli/command.js'
import { COMMANDS } from '../../../src/cli/commands/index.js'
import type { Outcome } from '../../../src/cli/format.js'
import { readLine } from '../../../src/cli/grammar.js'
import { createTerminal } from '../../../src/cli/terminal.js'
import { work } from '../../../src/cli/work.js'
import type { Context } from '../../../src/commands/host.js'
import type { Config } from '../../../src/config/config.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only where it is true. */
const holds = <_ extends true>() => undefined

type Args = Arguments<
  {
    readonly plan: { type: 'boolean'; describe: '' }
    readonly verify: { type: 'boolean'; default: true; describe: '' }
    readonly 'clear-shadow': { type: 'boolean'; named: true; describe: '' }
    readonly name: { type: 'string'; describe: '' }
    readonly from: { type: 'string'; choices: readonly ['snapshot', 'migrations']; default: 'snapshot'; describe: '' }
    readonly ignore: { type: 'string'; array: true; describe: '' }
    readonly rename: { type: 'string'; array: true; none: true; describe: '' }
    readonly 'lock-timeout': { type: 'number'; takes: 'seconds'; describe: '' }
  },
  '<needed> [optional] [many..]'
>

test('what a handler is given is inferred from options and words', () => {
  holds<Same<Args['plan'], boolean | undefined>>()
  holds<Same<Args['verify'], boolean>>()
  holds<Same<Args['clearShadow'], boolean | string | undefined>>()
  holds<Same<Args['name'], string | undefined>>()
  holds<Same<Args['from'], 'snapshot' | 'migrations'>>()
  holds<Same<Args['ignore'], readonly string[] | undefined>>()
  holds<Same<Args['rename'], readonly string[] | false | undefined>>()
  holds<Same<Args['lockTimeout'], number | undefined>>()
  holds<Same<Args['needed'], string>>()
  holds<Same<Args['optional'], string | undefined>>()
  holds<Same<Args['many'], readonly string[]>>()
  holds<Same<Args['json'], boolean | undefined>>()
  holds<Same<Args['input'], boolean>>()
  // @ts-expect-error there is no such option
  holds<Same<Args['clear-shadow'], boolean>>()
})

test('a table that does not fit the work does not compile', () => {
  const task = async (_context: Context, options: { readonly fake?: boolean; readonly name?: string } = {}) => options
  const load = async () => task
  const fake = { type: 'boolean', describe: '' } as const
  const name = { type: 'string', describe: '' } as const
  work(load, { fake, name })
  // @ts-expect-error name is missing
  work(load, { fake })
  // @ts-expect-error more is superfluous
  work(load, { fake, name, more: fake })
  // @ts-expect-error name is a text, and not a switch
  work(load, { fake, name: fake })
  // @ts-expect-error fake has no name
  work(load, { fake: { type: 'boolean', named: true, describe: '' }, name })
})

/** A command that says what it was given, and the line that is read by its own table. */
const told = command({
  name: 'told',
  words: '<first> [more..]',
  purpose: '',
  options: { 'dry-run': { type: 'boolean', describe: '' }, n: { type: 'number', takes: 'an operation', describe: '' } },
  examples: [],
  library: {},
  run: async ({ args: { first, more, dryRun, n } }) => ({ first, more, dryRun, n }),
  text: ({ first }, { args }) => `${first} ${args.more.length}`,
  exitCode: (_, { dryRun }) => (dryRun ? 1 : 0),
})

async function run(...line: string[]): Promise<Outcome> {
  const terminal = createTerminal({ quiet: true, color: false, input: false, signal: new AbortController().signal })
  const { args } = readLine(['told', ...line], [told])
  return told.run({ open: async () => ({ config: {} as Config, host: terminal }), args, terminal })
}

test('a line reaches the handler as its type says, and the result its text and exit code', async () => {
  const { data, exitCode, text } = await run('a', 'b', 'c', '--dry-run', '--n', '2')
  expect(data).toEqual({ first: 'a', more: ['b', 'c'], dryRun: true, n: 2 })
  expect([exitCode, text((_, shown) => shown)]).toEqual([1, 'a 2'])
  expect((await run('a')).data).toEqual({ first: 'a', more: [], dryRun: undefined, n: undefined })
  expect(told.usage).toBe('told <first> [more..]')
})

test('the work is called with the options that it takes, and no other', async () => {
  const seen: unknown[] = []
  const task = async (_: Context, options: { readonly fake?: boolean; readonly name?: string } = {}) =>
    seen.push(options)
  const WORK = work(async () => task, {
    fake: { type: 'boolean', describe: '' },
    name: { type: 'string', describe: '' },
  })
  const args = { fake: true, name: undefined, json: true, toString: 1 }
  await WORK.run({} as Context, args)
  expect(seen).toEqual([{ fake: true }])
})

test('no option of a command is lost between the line and the work', () => {
  /** What the handlers themselves read. */
  const ownUse = [
    'check',
    'strict',
    'verbose',
    // As `defaults`.
    'default',
  ]
  for (const { name, options, library } of COMMANDS) {
    if (name === 'prisma') continue
    const taken = Object.values(library).flatMap(({ takes }) => Object.keys(takes))
    for (const [option, { sets }] of Object.entries(options)) {
      const camel = option.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      expect([name, option, taken.includes(camel) || sets !== undefined || ownUse.includes(camel)]).toEqual([
        name,
        option,
        true,
      ])
    }
  }
})
