/**
 * What a shell offers where the cursor stands, by the table of commands. Reads the migrations folder and nothing of a
 * database; what goes wrong offers nothing, because nobody wants an error while typing.
 */
import type { Context } from '../commands/host.js'
import type { Command } from './command.js'
import { COMMANDS } from './commands/index.js'
import { OVERVIEW } from './commands/overview.js'
import { ANSWERED, wordsOf } from './grammar.js'
import { type Candidate, type Completes, GLOBAL_OPTIONS, type Option, type Options } from './options.js'
import { split } from './split.js'

/** Instead of candidates, where the shell itself knows better: `:files`, `:folders`. */
const PATHS = { files: ':files', folders: ':folders' } as const

/**
 * @param line the words behind `rays`, of which the last is the one that is being typed; it may be empty
 * @param open the project, for names of migrations
 */
export async function candidatesFor(line: readonly string[], open: () => Promise<Context>): Promise<Candidate[]> {
  const current = line.at(-1) ?? ''
  const before = line.slice(0, -1)
  try {
    const found = await offered(before, current, open)
    return found.filter(({ value }) => value.startsWith(current) || value.startsWith(':')).filter(isPlain)
  } catch {
    return []
  }
}

/** A folder may have any name. What a shell would take for more than a name, or show as something else, is left out. */
function isPlain({ value, purpose }: Candidate): boolean {
  return /^[\w:=+./-]+$/.test(value) && !/[\p{Cc}\p{Cf}]/u.test(purpose)
}

async function offered(
  before: readonly string[],
  current: string,
  open: () => Promise<Context>,
): Promise<readonly Candidate[]> {
  const { command, at } = commandIn(before)
  if (command === undefined || before.includes('--')) return []
  const table: Options = { ...command.options, ...GLOBAL_OPTIONS, ...ANSWERED }
  const { given } = split(before, table)
  const last = before.at(-1)
  const waiting = given.find(
    ({ typed, option, value }) => typed === last && option.type !== 'boolean' && value === undefined,
  )
  if (waiting !== undefined) return valuesOf(completesOf(waiting.option), current, open)
  const [, typed, start] = /^(--?[\w-]+)=(.*)$/s.exec(current) ?? []
  if (typed !== undefined) {
    const option = split([`${typed}=`], table).given[0]?.option
    const values = await valuesOf(option && completesOf(option), start ?? '', open)
    return values.map(({ value, purpose }) => ({ value: value.startsWith(':') ? value : `${typed}=${value}`, purpose }))
  }
  if (current.startsWith('-') && !/^-\d/.test(current)) return optionsOf(table, new Set(given.map(({ name }) => name)))
  if (at === 0) return commandWords(current)
  const words = wordsOf(command)
  const word = words[at - 1] ?? words.findLast(({ many }) => many)
  return valuesOf(word && command.completes?.[word.name], current, open)
}

/** The command of a line, and how many words stand before the cursor. Undefined where it has a word that is none. */
function commandIn(before: readonly string[]): { readonly command: Command | undefined; readonly at: number } {
  const every: Options = Object.assign({}, ...COMMANDS.map(({ options }) => options), GLOBAL_OPTIONS, ANSWERED)
  const words = split(before, every).words.filter((word, index) => index > 0 || word !== 'help')
  const [word] = words
  if (word === undefined) return { command: OVERVIEW, at: 0 }
  const command = COMMANDS.find(({ name, aliases = [] }: Command) => name === word || aliases.includes(word))
  return { command, at: words.length }
}

function commandWords(current: string): Candidate[] {
  return COMMANDS.flatMap(({ name, aliases = [], purpose }: Command) =>
    // Aliases are for those who know them from elsewhere, and begin to type them.
    [name, ...(current === '' ? [] : aliases)].map((value) => ({ value, purpose })),
  )
}

/** The options that are not there yet, in the form that changes something. */
function optionsOf(table: Options, given: ReadonlySet<string>): Candidate[] {
  return Object.entries<Option>(table).flatMap(([name, option]) => {
    if (given.has(name) && !('array' in option)) return []
    const forms = [...(isOn(option) ? [] : [`--${name}`]), ...(canBeOff(name, option) ? [`--no-${name}`] : [])]
    return forms.map((value) => ({ value, purpose: option.describe }))
  })
}

/** On unless it is switched off. */
function isOn(option: Option): boolean {
  return option.type === 'boolean' && option.default === true
}

/** Not what is off anyway; of the others, what is on by default, what may be none, and what its own text says. */
function canBeOff(name: string, option: Option): boolean {
  return isOn(option) || ('none' in option && option.none === true) || option.describe.includes(`--no-${name}`)
}

function completesOf(option: Option): Completes | undefined {
  return option.completes ?? ('choices' in option ? option.choices : undefined)
}

async function valuesOf(
  completes: Completes | undefined,
  current: string,
  open: () => Promise<Context>,
): Promise<readonly Candidate[]> {
  const plain = (values: readonly string[]) => values.map((value) => ({ value, purpose: '' }))
  switch (completes) {
    case undefined:
      return []
    case 'files':
    case 'folders':
      return plain([PATHS[completes]])
    case 'topics': {
      const { docs } = await import('../commands/docs.js')
      return (await docs()).topics.map(({ topic, title }) => ({ value: topic, purpose: title }))
    }
    case 'migrations':
      return plain(await migrations(current, open))
    case 'targets':
      return [...TARGETS, ...plain(await migrations(current, open))]
    default:
      return plain(completes)
  }
}

const TARGETS: readonly Candidate[] = [
  { value: 'zero', purpose: 'undo all' },
  { value: '-1', purpose: 'undo the last one' },
  { value: '+1', purpose: 'apply the next one' },
]

/** The newest first. By its given name, where that is begun and means one migration only. */
async function migrations(current: string, open: () => Promise<Context>): Promise<string[]> {
  const { config } = await open()
  const { listMigrations } = await import('../migrations/directory.js')
  const names = (await listMigrations(config.migrationsDir)).map(({ name }) => name).reverse()
  if (current === '' || /^\d/.test(current)) return names
  return names
    .map((name) => name.replace(/^\d{14}_/, ''))
    .filter((part) => names.filter((name) => name.includes(part)).length === 1)
}
