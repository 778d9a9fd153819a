/** What a program gives to the library's methods is checked by the tables of the command line. */
import { COMMANDS } from '../../../src/cli/commands/index.js'
import { refuseUnfit } from '../../../src/cli/library-options.js'
import type { Taken, Work } from '../../../src/cli/work.js'
import { UsageError } from '../../../src/errors.js'

const METHODS = COMMANDS.flatMap(({ library }) => Object.entries<Work>(library))
const OPTIONS = METHODS.flatMap(([method, { takes }]) =>
  Object.entries(takes).map(([name, option]) => [method, name, option, takes] as const),
)
const kind = (option: Taken) =>
  option.type === 'string' && 'array' in option
    ? 'list'
    : 'choices' in option && option.choices !== undefined
      ? 'choice'
      : option.type

const FIT: Readonly<Record<string, readonly unknown[]>> = {
  boolean: [true, false, undefined],
  string: ['a', undefined],
  choice: ['snapshot', 'migrations', undefined],
  list: [[], ['a', 'b'], Object.freeze(['a']), undefined],
  number: [0, 2, undefined],
  count: [1, 2, undefined],
  function: [() => undefined, undefined],
  object: [{}, undefined],
}
const UNFIT: Readonly<Record<string, readonly unknown[]>> = {
  boolean: ['', 0, 1, null, [], {}, () => true],
  string: [1, true, null, ['a'], {}, Symbol('a')],
  choice: ['', 'nowhere', 1, null, ['snapshot']],
  list: ['a', ['a', 1], { length: 0 }, null, true, 1n],
  number: ['2', 1.5, Number.NaN, Number.POSITIVE_INFINITY, null, [2]],
  count: ['2', null, true],
  function: ['f', {}, null],
  object: ['{}', null, 1, () => undefined],
}

test('every method and every kind of option is walked over', () => {
  expect(METHODS.length).toBeGreaterThan(30)
  expect(new Set(OPTIONS.map(([, , option]) => kind(option)))).toEqual(new Set(Object.keys(FIT)))
})

test.each(OPTIONS)('%s: %s takes what its type says, and nothing else', (method, name, option, takes) => {
  for (const value of FIT[kind(option)] ?? []) expect(() => refuseUnfit(method, { [name]: value }, takes)).not.toThrow()
  for (const value of UNFIT[kind(option)] ?? []) {
    const refused = () => refuseUnfit(method, { [name]: value }, takes)
    expect(refused).toThrow(UsageError)
    expect(refused).toThrow(new RegExp(`^${method}: ${name} must be .+, not .*\\.$`, 's'))
  }
})

test('a switch that may have a name takes one, a list that may be none takes false', () => {
  const named = OPTIONS.filter(([, , option]) => option.type === 'boolean' && option.named === true)
  const none = OPTIONS.filter(([, , option]) => 'none' in option)
  expect([named.length > 5, none.length > 3]).toEqual([true, true])
  for (const [method, name, , takes] of named)
    expect(() => refuseUnfit(method, { [name]: 'app_shadow' }, takes)).not.toThrow()
  for (const [method, name, , takes] of none) expect(() => refuseUnfit(method, { [name]: false }, takes)).not.toThrow()
  for (const [method, name, option, takes] of OPTIONS) {
    if (kind(option) === 'boolean' && !named.some((one) => one[2] === option))
      expect(() => refuseUnfit(method, { [name]: 'yes' }, takes)).toThrow('must be true or false, not "yes"')
    if (kind(option) === 'list' && !('none' in option))
      expect(() => refuseUnfit(method, { [name]: false }, takes)).toThrow('must be a list of texts, not false')
  }
})

test('a value that cannot be shown is refused as well', () => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  const takes = { name: { type: 'string', describe: 'the name' } } as const
  expect(() => refuseUnfit('migrate', { name: circle }, takes)).toThrow('migrate: name must be a text, not an object.')
  expect(() => refuseUnfit('migrate', 'name', takes)).toThrow('migrate takes its options as an object.')
})
