import { parseNote, readNote } from '../../../src/history/note.js'
import { type HistoryRow, nextBatch, records } from '../../../src/history/recorder.js'

const T = new Date('2026-02-01T00:00:00Z')
const row = (name: string, change: Partial<HistoryRow> = {}): HistoryRow => ({
  id: Math.random().toString(36),
  name,
  checksum: 'c'.repeat(64),
  startedAt: T,
  finishedAt: T,
  rolledBackAt: null,
  logs: null,
  steps: 1,
  ...change,
})
const failed = { finishedAt: null }
const rolledBack = { finishedAt: null, rolledBackAt: T }

describe('what the rows of a migration say together', () => {
  test.each<[string, Partial<HistoryRow>[], string]>([
    ['finished: applied', [{}], 'applied'],
    ['prisma migrate resolve --applied (same times, no steps): applied', [{ logs: '', steps: 0 }], 'applied'],
    ['started only: failed', [failed], 'failed'],
    ['failed with logs: failed', [{ ...failed, logs: 'syntax error' }], 'failed'],
    ['rolled back: absent', [rolledBack], 'absent'],
    ['both times set: absent, Prisma would apply it again', [{ rolledBackAt: T }], 'absent'],
    ['rolled back, then applied: applied', [rolledBack, {}], 'applied'],
    ['applied, then a rolled-back row: applied', [{}, rolledBack], 'applied'],
    ['rolled back twice: absent', [rolledBack, rolledBack], 'absent'],
    ['rolled back, then failed: failed', [rolledBack, failed], 'failed'],
    ['applied and failed: failed', [{}, failed], 'failed'],
    ['applied twice: applied', [{}, {}], 'applied'],
    ['no start time at all: applied', [{ startedAt: null }], 'applied'],
    ['started in the future: applied', [{ startedAt: new Date('2999-01-01') }], 'applied'],
    ['a checksum of an old Prisma: applied', [{ checksum: 'a'.repeat(59) }], 'applied'],
  ])('%s', (_, rows, state) => {
    const all = records(rows.map((change) => row('m', change)))
    expect(all).toHaveLength(1)
    expect(all[0]).toMatchObject({ name: 'm', state })
    expect(all[0]!.rows).toHaveLength(rows.length)
  })

  test('the row that decides is the one that is shown', () => {
    const rows = [row('m', rolledBack), row('m', { logs: '{"rays":1,"batch":4}' })]
    expect(records(rows)[0]!.row).toBe(rows[1])
    expect(records(rows)[0]!.note).toEqual({ rays: 1, batch: 4 })
  })

  test('migrations are in byte order of their names, whatever the order of the rows', () => {
    expect(records(['b', 'a', 'B', 'é', 'z'].map((name) => row(name))).map((r) => r.name)).toEqual([
      'B',
      'a',
      'b',
      'z',
      'é',
    ])
  })

  test('names that are properties of objects are names', () => {
    expect(records([row('__proto__'), row('constructor')]).map((r) => r.name)).toEqual(['__proto__', 'constructor'])
  })

  test('a hundred thousand rows are no difficulty', () => {
    const all = records(Array.from({ length: 100_000 }, (_, n) => row(`m${n}`, { logs: '{"rays":1,"batch":7}' })))
    expect(nextBatch(all)).toBe(8)
  })
})

describe('the note of rays in the logs', () => {
  test.each<[string, string | null]>([
    ['none', null],
    ['empty logs, as prisma migrate resolve writes them', ''],
    ['an error text of Prisma', 'A migration failed to apply. {"rays":1}'],
    ['cut off', '{"rays":1,"batch":'],
    ['of a later format', '{"rays":2,"batch":1}'],
    ['a batch that is no number', '{"rays":1,"batch":"1e9"}'],
    ['an operation that is no number', '{"rays":1,"dir":"up","op":"0; DROP TABLE x"}'],
    ['a direction that is none', '{"rays":1,"dir":"sideways","op":1}'],
    ['a fractional operation', '{"rays":1,"dir":"up","op":1.5}'],
    ['null in a field', '{"rays":1,"batch":null}'],
  ])('is not taken from what is none: %s', (_, logs) => {
    expect(parseNote(logs)).toBeUndefined()
  })

  const journal = { rays: 1, dir: 'up', ops: 2, op: 1, state: 'running' }
  test.each<[string, object]>([
    ['an operation beyond the last', { op: 99 }],
    ['a running one behind the last', { op: 2 }],
    ['a negative one', { op: -1 }],
    ['one below zero going down', { dir: 'down', op: -2 }],
    ['a running one before the first', { dir: 'undo', op: -1 }],
    ['nothing left to do while it runs', { ops: 0, op: 0 }],
    ['all of them still applied, and one more', { dir: 'down', op: 2, state: 'idle' }],
    ['an unknown direction', { dir: 'left' }],
    ['an unknown state', { state: 'waiting' }],
    ['no number of operations', { ops: undefined }],
    ['no state', { state: undefined }],
    ['a number that is none', { op: '1' }],
    ['a number that is too great', { op: 1e300, ops: 1e301 }],
    ['a time that is none', { finished: 'yesterday' }],
    ['a list that is none', { invalid: 'tn' }],
    ['another version', { rays: 2 }],
  ])('is damaged, and says where nobody can be: %s', (_, change) => {
    const read = readNote(JSON.stringify({ ...journal, ...change }))
    expect(read).toEqual({ damaged: expect.any(String) })
  })

  test.each([
    [{}],
    [{ op: 2, state: 'idle' }],
    [{ op: 0 }],
    [{ dir: 'down', op: -1, state: 'idle' }],
    [{ dir: 'undo', op: 1, finished: '2026-01-01T00:00:00.000Z', invalid: ['index 1 "a"."b"'] }],
  ])('is no other than what rays can have written: %j', (change) => {
    const note = { ...journal, ...change }
    expect(readNote(`  ${JSON.stringify(note, null, 2)}`)).toEqual({ note })
  })

  test('cut off by whoever wrote it, is told as damaged; a list or a text of somebody is none', () => {
    expect(readNote('{"rays":1,"dir":"up","op":')).toEqual({ damaged: expect.any(String) })
    for (const logs of [
      '[{"rays":1}]',
      '"rays"',
      '{"error":"rays failed"}',
      '{ not "rays": JSON',
      'x'.repeat(5_000_000),
    ])
      expect(readNote(logs)).toEqual({})
  })

  test('is read where rays wrote it', () => {
    const note = { rays: 1, batch: 2, js: 'ab', dir: 'undo', ops: 3, op: -1, state: 'idle', error: 'why' }
    expect(parseNote(JSON.stringify(note))).toEqual(note)
  })
})

describe('the number of a run', () => {
  test('is 1 for the first', () => expect(nextBatch([])).toBe(1))

  test('is one more than the greatest of an applied migration', () => {
    const all = records([
      row('a', { logs: '{"rays":1,"batch":1}' }),
      row('b', { logs: '{"rays":1,"batch":3}' }),
      row('c', { ...rolledBack, logs: '{"rays":1,"batch":9}' }),
      row('d', { logs: 'by Prisma' }),
    ])
    expect(nextBatch(all)).toBe(4)
  })
})
