/**
 * Reads a command line. The table of options decides, in this one place: what a word cannot mean is refused before
 * anything is opened, and no switch is ever taken for off because its value was not understood.
 */
import { isSeconds, MOST_SECONDS, readNumber, readSwitch } from '../config/values.js'
import { type RaysErrorOptions, UsageError } from '../errors.js'
import type { Command, Value, Values } from './command.js'
import { OVERVIEW } from './commands/overview.js'
import { camelCase, GLOBAL_OPTIONS, type Option, type Options, type Switch } from './options.js'
import { type Given, split } from './split.js'

export interface CommandLine {
  readonly command: Command
  readonly args: Values
  /** `--help` and `--version`: what else the line says does not count. */
  readonly wants: 'help' | 'version' | undefined
  /** What is wrong with the line: nothing may run. */
  readonly problem: (() => Promise<UsageError>) | undefined
}

/** Options that are answered without a command. */
export const ANSWERED = {
  help: { type: 'boolean', alias: 'h', describe: 'show help' },
  version: { type: 'boolean', describe: 'show version number' },
} as const satisfies Options

/**
 * @param line the arguments after `rays`
 * @param commands those that the line may be about
 */
export function readLine(line: readonly string[], commands: readonly Command[]): CommandLine {
  // Before the command is known, these say which options take the next word.
  const every: Options = Object.assign({}, ...commands.map(({ options }) => options), GLOBAL_OPTIONS, ANSWERED)
  const first = split(line, every).words[0]
  const asked = first === 'help'
  const argv = asked ? line.filter((_, index) => index !== line.indexOf('help')) : line
  const word = asked ? split(argv, every).words[0] : first
  const known = word === undefined ? OVERVIEW : commands.find((command) => wordsFor(command).includes(word))
  const command = known ?? OVERVIEW
  const table: Options = { ...GLOBAL_OPTIONS, ...ANSWERED, ...command.options }
  const read = split(argv, table)
  const problems: string[] = []
  const values = valuesOf(table, read.given, command, problems)
  const { help, version, ...options } = values
  // Another program's words are for that program, whatever they look like; elsewhere `--` says that what follows is no
  // option.
  const behind = command.passesOn ? [] : read.rest
  const positions = positionsOf(command, [...read.words, ...behind].slice(word === undefined ? 0 : 1))
  const args = { ...options, ...positions.values, ...(command.passesOn && { rest: read.rest }) }
  const problem = () => {
    if (word !== undefined && known === undefined) return () => unknownCommand(word, commands)
    if (read.unknown !== undefined) return () => unknownOption(read.unknown ?? '', command)
    const text = problems[0] ?? positions.problem
    return text === undefined ? undefined : async () => refusal(text, command, positions.hint)
  }
  return {
    command,
    args,
    wants: help === true || asked ? 'help' : version === true ? 'version' : undefined,
    problem: problem(),
  }
}

function valuesOf(
  options: Options,
  given: readonly Given[],
  command: Command,
  problems: string[],
): Record<string, Value> {
  const values: Record<string, Value> = {}
  for (const [name, option] of Object.entries(options)) {
    const all = given.filter((one) => one.name === name)
    const value = all.length === 0 ? defaultOf(option) : readGiven(option, all, command, problems)
    if (value !== undefined) values[camelCase(name)] = value
  }
  return values
}

function defaultOf(option: Option): Value {
  return 'default' in option ? option.default : undefined
}

function readGiven(option: Option, all: readonly Given[], command: Command, problems: string[]): Value {
  if (option.type === 'boolean') return switchOf(option, all, command, problems)
  const without = all.find(({ no }) => no)
  if (without !== undefined) {
    if (!('none' in option)) problems.push(`${without.typed} means nothing: ${takes(without.name, option)}`)
    else if (without.inline) problems.push(`${without.typed} takes no value.`)
    else if (all.some(({ no }) => !no)) problems.push(`--${without.name} and ${without.typed} exclude each other.`)
    return false
  }
  const values = all.flatMap((one) => {
    const value = oneValue(option, one, problems)
    return value === undefined ? [] : [value]
  })
  if ('array' in option) return values.map(String)
  if (all.length > 1) problems.push(`--${all[0]?.name} is given ${all.length} times; give it once.`)
  return values[0]
}

function switchOf(
  option: Switch,
  all: readonly Given[],
  command: Command,
  problems: string[],
): boolean | string | undefined {
  const values = all.map((one): boolean | string | undefined => {
    if (one.no && one.inline) problems.push(`${one.typed} takes no value: --${one.name}=yes or --${one.name}=no.`)
    else if (one.inline) {
      const text = one.value ?? ''
      const value = readSwitch(text) ?? (option.named && text.trim() !== '' ? text : undefined)
      const got = one.value === '' ? 'is empty' : `cannot be ${JSON.stringify(one.value)}`
      if (value === undefined) problems.push(`${one.typed} ${got}: ${takes(one.name, option)}`)
      return value
    } else if (mistakenFor(one, command)) {
      problems.push(
        `${one.typed} ${one.next}: the value of a switch stands behind =. ${capitalTakes(one.name, option)}`,
      )
    }
    return !one.no
  })
  if (new Set(values).size > 1)
    problems.push(`--${all[0]?.name} is given ${all.length} times, ${option.named ? 'and not alike' : 'on and off'}.`)
  return values[0]
}

/** The next word looks like the switch's value. A number is one only where the command takes none. */
function mistakenFor({ next }: Given, command: Command): boolean {
  if (next === undefined || readSwitch(next) === undefined) return false
  return !(command.counts === true && /^\d$/.test(next))
}

function oneValue(option: Exclude<Option, Switch>, one: Given, problems: string[]): string | number | undefined {
  const { value, typed, name } = one
  const expected = takes(name, option)
  // Only a number may begin with a sign (`--name -1`): another option that follows is no value.
  const missing = value === undefined || (!one.inline && /^-(?!\d+$)/.test(value))
  if (missing || value.trim() === '') {
    problems.push(`${typed} ${missing ? 'is given no value' : 'is empty'}: ${expected}`)
    return undefined
  }
  if (option.type === 'string') {
    if (!('choices' in option) || option.choices === undefined || option.choices.includes(value)) return value
    problems.push(`${typed} cannot be ${JSON.stringify(value)}: ${expected}`)
    return undefined
  }
  const number = readNumber(value)
  const fits = option.takes === 'seconds' ? isSeconds : Number.isSafeInteger
  if (number !== undefined && fits(number)) return number
  problems.push(`${typed} cannot be ${JSON.stringify(value)}: ${expected}`)
  return undefined
}

/** What an option takes, as a sentence. */
function takes(name: string, option: Option): string {
  if (option.type === 'boolean' && option.named) return `it takes a name (--${name}=app_shadow), or nothing: --${name}.`
  if (option.type === 'boolean') return `it takes =true or =false (1, yes, on; 0, no, off), or nothing: --${name}.`
  if (option.type === 'number') {
    return option.takes === 'seconds'
      ? `it takes a number of seconds, at most ${MOST_SECONDS}: --${name} 30.`
      : `it takes the number of an operation: --${name} 2.`
  }
  if ('choices' in option && option.choices) return `it takes ${option.choices.join(' or ')}.`
  return `it takes a value (${option.describe}).`
}

const capitalTakes = (name: string, option: Option) => takes(name, option).replace(/^it/, 'It')

interface Positions {
  readonly values: Values
  readonly problem?: string
  readonly hint?: string
}

export interface Word {
  readonly name: string
  readonly needed: boolean
  /** It takes all that is left. */
  readonly many: boolean
}

/** The words that a command takes, as its usage has them: `<needed>`, `[optional]`, `[many..]`. */
export function wordsOf({ usage }: Pick<Command, 'usage'>): Word[] {
  return [...usage.matchAll(/([<[])(\w+)(\.\.)?[\]>]/g)].map(([, open, name = '', many]) => ({
    name,
    needed: open === '<',
    many: many !== undefined,
  }))
}

/** Gives the words of a line the names that the command's usage has for them: `import <format> <folder>`. */
function positionsOf(command: Command, words: readonly string[]): Positions {
  const values: Record<string, Value> = {}
  const empty = words.find((word) => word.trim() === '')
  if (empty !== undefined) return { values, problem: `rays ${command.name} is given an empty word.` }
  const left = [...words]
  for (const { name, needed, many } of wordsOf(command)) {
    const taken = left.splice(0, many ? left.length : 1)
    if (taken.length === 0 && needed) return { values, problem: `rays ${command.name} needs <${name}>.` }
    if (many) values[name] = taken
    else if (taken[0] !== undefined) values[name] = taken[0]
  }
  if (left.length === 0) return { values }
  const meant = 'name' in command.options ? `Did you mean --name ${left[0]}? ` : ''
  return { values, problem: `rays ${command.name} takes no ${left.join(', ')}.`, hint: meant }
}

/** A command's name and its aliases. */
function wordsFor({ name, aliases = [] }: Command): string[] {
  return [name, ...aliases]
}

const helpOf = (command: Command) => (command === OVERVIEW ? 'rays --help' : `rays ${command.name} --help`)

function refusal(message: string, command: Command, before = ''): UsageError {
  const options: RaysErrorOptions = { hint: `${before}${helpOf(command)} lists the options.` }
  return new UsageError(message, options)
}

async function unknownCommand(word: string, commands: readonly Command[]): Promise<UsageError> {
  const near = await nearest(word, commands.flatMap(wordsFor))
  return new UsageError(`Unknown command: ${word}.`, {
    hint: `${near === undefined ? '' : `Did you mean rays ${near}? `}rays --help lists the commands.`,
  })
}

async function unknownOption(typed: string, command: Command): Promise<UsageError> {
  const names = Object.entries<Option>({ ...GLOBAL_OPTIONS, ...ANSWERED, ...command.options })
    .flatMap(([name, option]) => [name, ...[option.alias ?? []].flat()])
    .filter((name) => name.length > 1)
  const bare = typed.replace(/^-+/, '')
  const near = bare.length === 1 ? undefined : await nearest(bare, names)
  return refusal(`Unknown option: ${typed}.`, command, near === undefined ? '' : `Did you mean --${near}? `)
}

async function nearest(word: string, words: readonly string[]): Promise<string | undefined> {
  const { closest, distance } = await import('fastest-levenshtein')
  const near = closest(word, words)
  return distance(word, near) <= 3 ? near : undefined
}
