// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is code that is read here
/** What an operation sends is read from its source; nothing is called. */
import vm from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import { courseOf, notLookedAt, sqlOfCourse, writtenStatements } from '../../../src/migrations/course.js'
import type { OperationFunction } from '../../../src/migrations/migration.js'

const read = (code: string) => courseOf([[vm.runInThisContext(`(${code})`) as OperationFunction, null]], 'up')[0]!

describe('a function that does nothing but send statements is known whole:', () => {
  test.each([
    ['async function a({ client }) { await client.execute(`A`); await client.query("B") }', ['A', 'B']],
    ["({ client }) => client.execute('it\\'s')", ["it's"]],
    ['async ({ client }) => { client.execute("A"); /* ; */ return client.execute(`B\\n`) }', ['A', 'B\n']],
    [
      'async function a({ client }) { await client.execute(`\\`\\${x}\\u0041\\x42`, [1, -2n, "c", null, true]) }',
      ['`${x}AB'],
    ],
    ['function nothing() {}', []],
    ['() => {}', []],
    ['async function up(knex) { await knex.raw(`A \\\\? B`) }', ['A ? B']],
  ])('%s', (code, statements) => {
    const part = read(code)
    expect(part.code).toBeUndefined()
    expect(part.statements.map(({ sql }) => sql)).toEqual(statements)
  })

  test('with the parameters that are written out', () => {
    const { statements } = read('({ client }) => client.execute(`A :?`, [1, -2n, "c", null, 1_000.5])')
    expect(statements).toEqual([{ sql: 'A :?', params: [1, -2n, 'c', null, 1000.5] }])
  })
})

describe('of any other the statements are known that stand in it, and that there may be more:', () => {
  test.each([
    ['async ({ client }) => { if (process.env.X) await client.execute("DROP TABLE a") }', ['DROP TABLE a']],
    ['async ({ client }) => { for (const x of [1]) await client.execute(`A ${x}`) }', []],
    ['async ({ client }) => { await client.execute("A" + "B") }', []],
    ['async ({ client: other }) => { await other.query("A", [f()]) }', ['A']],
    ['async ({ client }) => { const s = "client.execute(\'A\')"; s.split(/`"/); await client.execute("B") }', ['B']],
    ['async ({ client = f() }) => { await client.execute("A") }', ['A']],
    ['async ({ client }) => { await client.execute(`A`, [f()]) }', ['A']],
  ])('%s', (code, statements) => {
    const part = read(code)
    expect(part.code).toBe(code)
    expect(part.statements.map(({ sql }) => sql)).toEqual(statements)
  })
})

test('as SQL the code is a comment with the name of its function, and the way back runs from last to first', () => {
  let called = 0
  const own = function own() {
    called += 1
  }
  const written = vm.runInThisContext(
    '(async function b({ client }) { await client.execute(`B;`) })',
  ) as OperationFunction
  const operations = [
    [own, written],
    [written, null],
  ] as const
  expect(sqlOfCourse(courseOf(operations, 'up'))).toMatch(/^-- Operation 0, own, [^\n]*\n(?:--[^\n]*\n)+B;\n$/)
  expect(sqlOfCourse(courseOf(operations, 'down'))).toBe('-- There is no down for this operation.\nB;\n')
  expect(notLookedAt(operations, 'up')).toEqual(['operation 0 (own)'])
  expect(writtenStatements(operations, 'down')).toBeUndefined()
  expect(called).toBe(0)
})
