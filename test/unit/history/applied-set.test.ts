import { AppliedSet } from '../../../src/history/applied-set.js'

const set = (applied: string, failed = '') =>
  AppliedSet.read([
    ...[...applied].map((name) => ({ name, unfinished: 0 })),
    ...[...failed].map((name) => ({ name, unfinished: 1 })),
  ])

const done = (before: string, now: AppliedSet, direction: 'up' | 'down', left: string) => {
  try {
    return set(before).doneElsewhere(now, direction, [...left])
  } catch (error) {
    return (error as { exitCode: number }).exitCode
  }
}

describe('what another run did meanwhile', () => {
  test.each([
    ['a', 'a', 'up', 'bc', 0],
    ['a', 'ab', 'up', 'bc', 1],
    ['a', 'abc', 'up', 'bc', 2],
    ['abc', 'ab', 'down', 'cb', 1],
    ['abc', 'a', 'down', 'cb', 2],
    ['abc', 'abc', 'down', 'c', 0],
  ] as const)('%s has become %s: of %s %s, %i are done', (before, now, direction, left, count) => {
    expect(done(before, set(now), direction, left)).toBe(count)
  })

  test.each([
    ['a', '', 'up', 'bc'],
    ['a', 'ac', 'up', 'bc'],
    ['a', 'abcd', 'up', 'bc'],
    ['a', 'bc', 'up', 'bc'],
    ['abc', 'a', 'down', 'c'],
    ['abc', 'ac', 'down', 'cb'],
    ['abc', 'abcd', 'down', 'cb'],
    ['ab', 'abc', 'down', 'b'],
    ['abc', '', 'down', 'cb'],
  ] as const)('%s has become %s: what was to go %s, %s, no longer fits', (before, now, direction, left) => {
    expect(done(before, set(now), direction, left)).toBe(4)
  })

  test('a migration that another run is at is not free', () => {
    expect(done('a', set('a', 'b'), 'up', 'bc')).toBe(4)
    expect(done('abc', set('ab', 'c'), 'down', 'c')).toBe(4)
  })

  test('a name with a finished and an unfinished row is unfinished', () => {
    expect(done('a', set('ab', 'b'), 'up', 'b')).toBe(4)
    expect(done('ab', AppliedSet.read([...'abb'].map((name) => ({ name, unfinished: 0 }))), 'up', 'c')).toBe(0)
  })

  test('moves with what the run itself does', () => {
    expect(set('a').after('up', ['b']).doneElsewhere(set('ab'), 'up', ['c'])).toBe(0)
    expect(set('ab').after('down', ['b']).doneElsewhere(set('a'), 'down', ['a'])).toBe(0)
  })
})
