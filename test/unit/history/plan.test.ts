import slugify from '@sindresorhus/slugify'
import { DecisionError, type RaysError, UsageError } from '../../../src/errors.js'
import { type PlanOptions, plan } from '../../../src/history/plan.js'
import { type HistoryRow, records } from '../../../src/history/recorder.js'
import type { Migration } from '../../../src/migrations/migration.js'

const A = '20260101000000_init'
const B = '20260102000000_add_lastname'
const C = '20260103000000_add_posts'
const D = '20260104000000_drop_age'

const folder = (name: string): Migration => ({
  name,
  directory: `/project/migrations/${name}`,
  timestamp: /^\d{14}/.exec(name)?.[0],
  codeFile: `/project/migrations/${name}/migration.js`,
  sqlFile: `/project/migrations/${name}/migration.sql`,
  snapshotPath: undefined,
})

let rowNumber = 0
const row = (name: string, change: Partial<HistoryRow> = {}): HistoryRow => ({
  id: `row-${++rowNumber}`,
  name,
  checksum: 'c'.repeat(64),
  startedAt: new Date('2026-02-01T00:00:00Z'),
  finishedAt: new Date('2026-02-01T00:00:01Z'),
  rolledBackAt: null,
  logs: null,
  steps: 1,
  ...change,
})
const failed = (name: string, logs: string | null = null) => row(name, { finishedAt: null, logs })
const rolledBack = (name: string) => row(name, { finishedAt: null, rolledBackAt: new Date() })

function planned(names: string[], rows: (string | HistoryRow)[], options: PlanOptions = {}) {
  const slug = slugify(options.target ?? '', { separator: '_' })
  return plan(names.map(folder), records(rows.map((r) => (typeof r === 'string' ? row(r) : r))), { slug, ...options })
}

function summary(names: string[], rows: (string | HistoryRow)[], options: PlanOptions = {}) {
  const { direction, migrations, target } = planned(names, rows, options)
  return [direction, migrations.map((m) => m.name), target?.name ?? null]
}

function refusal(names: string[], rows: (string | HistoryRow)[], options: PlanOptions = {}): RaysError {
  try {
    planned(names, rows, options)
  } catch (error) {
    return error as RaysError
  }
  throw new Error('the plan was not refused')
}

const ALL = [A, B, C, D]

describe('where a target leads', () => {
  test.each<[string, string | undefined, string[], unknown[]]>([
    ['no target: everything pending', undefined, [A], ['up', [B, C, D], D]],
    ['no target, nothing applied: everything', undefined, [], ['up', ALL, D]],
    ['no target, everything applied: nothing', undefined, ALL, ['up', [], D]],
    ['zero: everything down, newest first', 'zero', [A, B, C], ['down', [C, B, A], null]],
    ['0 is zero', '0', [A], ['down', [A], null]],
    ['zero with nothing applied: nothing', 'zero', [], ['down', [], null]],
    ['+1: the next one', '+1', [A], ['up', [B], B]],
    ['+2: the next two', '+2', [A, B], ['up', [C, D], D]],
    ['-1: the last one', '-1', [A, B, C], ['down', [C], B]],
    ['-2: the last two', '-2', [A, B, C], ['down', [C, B], A]],
    ['-N for all is zero', '-3', [A, B, C], ['down', [C, B, A], null]],
    ['a pending full name: up to it', C, [A], ['up', [B, C], C]],
    ['an applied full name: down to it', A, [A, B, C], ['down', [C, B], A]],
    ['the newest applied: nothing', B, [A, B], ['down', [], B]],
    ['a timestamp', '20260103000000', [A], ['up', [B, C], C]],
    ['a unique part', 'post', [A], ['up', [B, C], C]],
    ['a unique part in another case', 'POST', [A], ['up', [B, C], C]],
    ['part of a timestamp', '20260104', [A], ['up', [B, C, D], D]],
    ['the name as given to makemigration', 'Add Lastname', [A], ['up', [B], B]],
    ['the name in camel case', 'addLastname', [A], ['up', [B], B]],
    ['the safe name', 'add_lastname', [A], ['up', [B], B]],
    ['the name with dashes', 'add-lastname', [A], ['up', [B], B]],
  ])('%s', (_, target, applied, expected) => {
    expect(summary(ALL, applied, target === undefined ? {} : { target })).toEqual(expected)
  })

  test('an exact name wins over names that contain it', () => {
    const names = ['20260101000000_user', '20260102000000_user_email']
    expect(summary(names, [], { target: 'user' })[1]).toEqual([names[0]])
  })

  test('a given name with letters that a folder cannot hold finds its folder', () => {
    const names = ['20260101000000_strasse_und_cafe', '20260102000000_other']
    expect(summary(names, [], { target: 'Straße und Café' })[1]).toEqual([names[0]])
  })

  test('folders without a timestamp are targets, too', () => {
    expect(summary(['0_init', '1_more'], [], { target: '0_init' })).toEqual(['up', ['0_init'], '0_init'])
  })
})

describe('a target that cannot be reached', () => {
  test.each<[string, string, string, RegExp]>([
    [
      'unknown, with the nearest name as suggestion',
      'add_lastnam3',
      'E_UNKNOWN_TARGET',
      /Did you mean 20260102000000_add_lastname/,
    ],
    ['a mistyped part of a name', 'lastnme', 'E_UNKNOWN_TARGET', /Did you mean 20260102000000_add_lastname/],
    ['unknown and like nothing', 'xyzzyxyzzyxyzzyxyzzy', 'E_UNKNOWN_TARGET', /rays status lists all/],
    ['empty', '', 'E_UNKNOWN_TARGET', /./],
    ['white space', '   ', 'E_UNKNOWN_TARGET', /./],
    ['more than there is to apply', '+9', 'E_UNKNOWN_TARGET', /applies all/],
    ['more than there is to undo', '-9', 'E_UNKNOWN_TARGET', /zero/],
    ['a path', '../../etc/passwd', 'E_UNKNOWN_TARGET', /./],
    ['SQL', "x'; DROP TABLE a; --", 'E_UNKNOWN_TARGET', /./],
    ['a regular expression', '.*', 'E_UNKNOWN_TARGET', /./],
  ])('%s: a usage error, exit 2', (_, target, code, hint) => {
    const error = refusal(ALL, [A], { target })
    expect(error).toBeInstanceOf(UsageError)
    expect([error.code, error.exitCode]).toEqual([code, 2])
    expect(error.hint).toMatch(hint)
  })

  test('a target that can mean several migrations lists them', () => {
    const error = refusal(ALL, [], { target: 'add' })
    expect([error.code, error.exitCode]).toEqual(['E_AMBIGUOUS_TARGET', 2])
    expect(error.message).toContain(B)
    expect(error.message).toContain(C)
    expect(error.message).not.toContain(D)
  })

  test('the same given name twice is ambiguous, and the timestamp decides', () => {
    const names = ['20260101000000_fix', '20260102000000_fix']
    expect(refusal(names, [], { target: 'fix' }).code).toBe('E_AMBIGUOUS_TARGET')
    expect(summary(names, [], { target: '20260102000000' })[1]).toEqual(names)
  })

  test('in a project without migrations the hint says how to make one', () => {
    expect(refusal([], [], { target: 'x' }).hint).toContain('rays makemigration')
  })

  test('a very long target is answered quickly and shortly', () => {
    const error = refusal(ALL, [], { target: 'a'.repeat(100_000) })
    expect(error.message.length).toBeLessThan(1000)
  })

  test('a migration that only the database knows is said to have no folder', () => {
    const error = refusal([A, C], [A, B, C], { target: B })
    expect([error.code, error.exitCode]).toEqual(['E_MISSING_FOLDER', 3])
  })
})

describe('a failed migration', () => {
  test.each([{}, { target: 'zero' }, { target: A }])('stops every way, exit 3: %j', (options) => {
    const error = refusal(ALL, [A, failed(B, 'relation "x" does not exist')], options)
    expect(error).toBeInstanceOf(DecisionError)
    expect([error.code, error.exitCode]).toEqual(['E_FAILED_ROW', 3])
    expect(error.message).toContain('relation "x" does not exist')
    expect(error.hint).toContain(`rays migrate --fake --name ${B}`)
    expect(error.hint).toContain(`prisma migrate resolve --rolled-back ${B}`)
    expect(error.data).toEqual({ failed: [B] })
  })

  test('with a journal names the operation in doubt and the ways out', () => {
    const note = JSON.stringify({ rays: 1, dir: 'up', ops: 5, op: 3, state: 'running' })
    const error = refusal(ALL, [A, failed(B, note)])
    expect(error.message).toMatch(/operation 3 was started and is in doubt, of 5 operations, going up/)
    expect(error.hint).toMatch(/--resume.*--undo/)
  })

  test('that was rolled back by hand is pending again', () => {
    expect(summary(ALL, [A, rolledBack(B)])).toEqual(['up', [B, C, D], D])
  })

  test('beside an applied row of the same name still stops', () => {
    expect(refusal(ALL, [A, B, failed(B)]).code).toBe('E_FAILED_ROW')
  })

  test('is recorded as applied by --fake', () => {
    expect(summary(ALL, [A, failed(B)], { fake: true, target: B })).toEqual(['up', [B], B])
  })

  test('loses its row when --fake goes below it', () => {
    expect(summary(ALL, [A, failed(B)], { fake: true, target: A })).toEqual(['down', [B], A])
  })
})

describe('applied migrations without a folder', () => {
  test('the oldest ones may have been pruned: up goes on with a warning', () => {
    const result = planned([C, D], [A, B, C])
    expect(result.migrations.map((m) => m.name)).toEqual([D])
    expect(result.warnings.join()).toContain(`${A}, ${B}`)
  })

  test.each<[string, string[], string[]]>([
    ['in the middle', [A, C, D], [A, B, C]],
    ['the newest', [A, B], [A, B, C]],
    ['all of them', [], [A]],
  ])('%s: up is refused, exit 3, with their names', (_, names, applied) => {
    const error = refusal(names, applied)
    expect([error.code, error.exitCode]).toEqual(['E_MISSING_FOLDER', 3])
    const missing = applied.filter((name) => !names.includes(name))
    expect(error.data).toEqual({ missing })
    for (const name of missing) expect(error.message).toContain(name)
    expect(error.hint).toContain('--ignore-missing')
  })

  test('--ignore-missing lets up go on with a warning', () => {
    const result = planned([A, C, D], [A, B, C], { ignoreMissing: true })
    expect(result.migrations.map((m) => m.name)).toEqual([D])
    expect(result.warnings.join()).toContain(B)
  })

  test.each<[string, string[]]>([
    ['in the middle', [A, C, D]],
    ['pruned', [C, D]],
  ])('down past them is refused, even with --ignore-missing: %s', (_, names) => {
    const error = refusal(names, [A, B, C], { target: 'zero', ignoreMissing: true })
    expect([error.code, error.exitCode]).toEqual(['E_MISSING_FOLDER', 3])
    expect(error.message).toContain(B)
  })

  test('down that does not reach them goes', () => {
    expect(summary([A, C, D], [A, B, C, D], { target: C })).toEqual(['down', [D], C])
  })

  test('--fake takes their records away', () => {
    expect(summary([A, C], [A, B, C], { target: 'zero', fake: true })).toEqual(['down', [C, B, A], null])
  })

  test('--fake goes up over them', () => {
    expect(summary([A, C, D], [A, B, C], { fake: true })).toEqual(['up', [D], D])
  })

  test('a rolled-back row without a folder is no missing migration', () => {
    expect(summary([A, C], [A, rolledBack(B)])).toEqual(['up', [C], C])
  })
})

describe('a folder older than the newest applied migration', () => {
  test('is refused, exit 3, with both names', () => {
    const error = refusal(ALL, [A, C])
    expect([error.code, error.exitCode]).toEqual(['E_OUT_OF_ORDER', 3])
    expect(error.data).toEqual({ outOfOrder: [B], newest: C })
    expect(error.message).toContain(B)
    expect(error.message).toContain(C)
    expect(error.hint).toContain('--allow-out-of-order')
  })

  test('is refused as a target of its own, too', () => {
    expect(refusal(ALL, [A, C], { target: B }).code).toBe('E_OUT_OF_ORDER')
  })

  test('is applied with --allow-out-of-order, in the order of the names', () => {
    expect(summary(ALL, [A, C], { allowOutOfOrder: true })).toEqual(['up', [B, D], D])
  })

  test('leaves the database at the newest applied migration, not at itself', () => {
    expect(summary([A, B, C], [A, C], { allowOutOfOrder: true })).toEqual(['up', [B], C])
  })

  test('is recorded by --fake', () => {
    expect(summary([A, B, C], [A, C], { fake: true })).toEqual(['up', [B], C])
  })

  test('does not stand in the way down', () => {
    expect(summary(ALL, [A, C], { target: A })).toEqual(['down', [C], A])
  })
})

describe('odd histories', () => {
  test('two applied rows of one migration count once and are told', () => {
    const result = planned([A, B], [A, A])
    expect(result.migrations.map((m) => m.name)).toEqual([B])
    expect(result.warnings.join()).toContain(`${A} is recorded as applied 2 times`)
  })

  test('two applied rows of one migration are one step down', () => {
    expect(summary([A, B], [A, B, B], { target: A })).toEqual(['down', [B], A])
  })

  test('a row with both times set counts as not applied, as for Prisma', () => {
    const both = row(B, { rolledBackAt: new Date() })
    expect(summary([A, B], [A, both])).toEqual(['up', [B], B])
  })

  test('rows may say that they were started in the future, and in another order', () => {
    const late = row(A, { startedAt: new Date('2999-01-01'), finishedAt: new Date('2999-01-01') })
    expect(summary(ALL, [late, B], { target: '-1' })).toEqual(['down', [B], A])
  })

  test('the order is that of the bytes, and where Prisma would choose another one it is told', () => {
    const names = ['20260101000000_B', '20260101000000_a']
    const result = planned(names, [])
    expect(result.migrations.map((m) => m.name)).toEqual(names)
    expect(result.warnings.join()).toMatch(/20260101000000_B before 20260101000000_a/)
    expect(planned(ALL, []).warnings).toEqual([])
  })
})

test('planning changes neither the folders nor the records', () => {
  const folders = Object.freeze(ALL.map((name) => Object.freeze(folder(name))))
  const known = Object.freeze(records([row(A), row(B)]))
  plan(folders, known, { target: 'zero' })
  plan(folders, known)
  expect(known.map((record) => record.name)).toEqual([A, B])
})
