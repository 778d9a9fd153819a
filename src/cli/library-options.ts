/** What a program gives to a method of the library, checked as strictly as a command line: by the same tables. Pure. */
import { isSeconds, MOST_SECONDS } from '../config/values.js'
import { UsageError } from '../errors.js'
import type { NumberOption, Switch, TextOption } from './options.js'
import type { Taken } from './work.js'

type Table = Readonly<Record<string, Taken>>

/** @throws {UsageError} for an option that the method does not have, and for a value that is none of the option's */
export function refuseUnfit(method: string, given: unknown, takes: Table): void {
  if (given === undefined) return
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(`${method} takes its options as an object.`, { hint: `await rays.${method}({ ... })` })
  }
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(takes, name))
  if (unknown.length > 0) {
    const names = Object.keys(takes)
    throw new UsageError(`${method} does not know ${unknown.join(', ')}.`, {
      hint: names.length === 0 ? `${method} takes no options.` : `It takes ${names.join(', ')}.`,
    })
  }
  for (const [name, value] of Object.entries(given)) {
    const option = takes[name]
    const expected = option === undefined || value === undefined ? undefined : lacking(option, value)
    if (option === undefined || expected === undefined) continue
    throw new UsageError(`${method}: ${name} must be ${expected}, not ${shown(value)}.`, {
      hint: `${name}: ${option.describe}.`,
    })
  }
}

/** What a value would have to be; undefined where it is. */
function lacking(option: Taken, value: unknown): string | undefined {
  switch (option.type) {
    case 'boolean':
      return ofSwitch(option, value)
    case 'number':
      return ofNumber(option, value)
    case 'string':
      return 'array' in option ? ofList(option.none === true, value) : ofText(option, value)
    case 'count':
      return typeof value === 'number' ? undefined : 'a number'
    case 'function':
      return typeof value === 'function' ? undefined : 'a function'
    case 'object':
      return typeof value === 'object' && value !== null ? undefined : 'an object'
  }
}

function ofSwitch({ named }: Switch, value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined
  if (!named) return 'true or false'
  return typeof value === 'string' && value.trim() !== '' ? undefined : 'true, false or a name'
}

function ofNumber({ takes }: NumberOption, value: unknown): string | undefined {
  if (takes === 'seconds') {
    return typeof value === 'number' && isSeconds(value) ? undefined : `a number of seconds from 0 to ${MOST_SECONDS}`
  }
  return Number.isSafeInteger(value) ? undefined : 'a whole number'
}

function ofList(mayBeNone: boolean, value: unknown): string | undefined {
  if (mayBeNone && value === false) return undefined
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return undefined
  return mayBeNone ? 'a list of texts, or false' : 'a list of texts'
}

function ofText({ choices }: TextOption, value: unknown): string | undefined {
  if (choices !== undefined) {
    const fits = choices.some((choice) => choice === value)
    return fits ? undefined : choices.map((choice) => JSON.stringify(choice)).join(' or ')
  }
  return typeof value === 'string' ? undefined : 'a text'
}

/** JSON has no bigint, no NaN, no function and no symbol. */
function shown(value: unknown): string {
  if (typeof value !== 'object' && typeof value !== 'string') return String(value)
  try {
    return JSON.stringify(value)
  } catch {
    return 'an object'
  }
}
