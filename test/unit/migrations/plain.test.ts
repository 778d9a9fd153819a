// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is code that is read here
/** What an operation sends is known beforehand only where it surely does nothing else. */
import vm from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import type { OperationFunction } from '../../../src/migrations/migration.js'
import { textsOf } from '../../../src/migrations/plain.js'
import { renderMigration, templateLiteral } from '../../../src/migrations/writer.js'

const operation = (code: string) => vm.runInThisContext(`(${code})`) as OperationFunction

describe('a function in the form that rays writes', () => {
  test.each([
    ['one statement', 'async function a({ client }) {\n  await client.execute(`SELECT 1`);\n}', ['SELECT 1']],
    ['none', 'async function a() {}', []],
    ['comments', 'async function a({ client }) {\n  // `${never}`\n  await client.execute(`A`);\n  // }\n}', ['A']],
    [
      'several, broken as Prettier does',
      'async function a({ client }) {\n  await client.execute(\n    `A`,\n  );\n  await client.execute(`B`);\n}',
      ['A', 'B'],
    ],
    [
      'escapes',
      'async function a({ client }) {\n  await client.execute(`\\`\\${x}\\\\ $ \\u2028`);\n}',
      ['`${x}\\ $ \u2028'],
    ],
    ['CRLF', 'async function a({ client }) {\r\n  await client.execute(`A\r\nB`)\r\n}', ['A\nB']],
  ])('%s', async (_, code, texts) => {
    expect(await textsOf(operation(code))).toEqual(texts)
  })

  test('whatever the statement holds', async () => {
    for (const sql of ['`', '\\', '${x}', '$', '$$a$$', '\\`${', 'a\r\nb\tc', '\u2028\ufeff\ud800', '}', '`);\n}']) {
      const code = `async function a({ client }) {\n  await client.execute(${templateLiteral(sql)});\n}`
      expect(await textsOf(operation(code))).toEqual([sql])
    }
  })

  test('as a whole migration', async () => {
    const up = { name: 'up', statements: ['CREATE TABLE "A" (\n  "id" INTEGER\n)', 'B'], note: 'A note.' }
    const code = renderMigration({ operations: [{ up, down: null }] } as never, { module: 'commonjs' })
    const module = { exports: [] as unknown as [[OperationFunction, null]] }
    vm.runInThisContext(`(function (module) { ${code} })`)(module)
    expect(await textsOf(module.exports[0][0])).toEqual(up.statements)
  })
})

describe('anything else is run, and not read', () => {
  test.each([
    ['a parameter', 'async function a({ client }) { await client.execute(`A :?`, [1]) }'],
    ['a value', 'async function a({ client }) { await client.execute(`A ${1}`) }'],
    ['a value after an escape', 'async function a({ client }) { await client.execute(`\\\\${1}`) }'],
    ['another literal', "async function a({ client }) { await client.execute('A') }"],
    ['rows', 'async function a({ client }) { await client.query(`A`) }'],
    ['a condition', 'async function a({ client }) { if (1) await client.execute(`A`) }'],
    ['something before', 'async function a({ client }) { console.log(1); await client.execute(`A`) }'],
    ['something after', 'async function a({ client }) { await client.execute(`A`); return 1 }'],
    ['something behind', 'async function a({ client }) { await client.execute(`A`).then(() => 1) }'],
    ['no await', 'async function a({ client }) { client.execute(`A`) }'],
    ['a default', 'async function a({ client = other }) { await client.execute(`A`) }'],
    ['an arrow', 'async ({ client }) => { await client.execute(`A`) }'],
    ['not async', 'function a({ client }) {}'],
    ['bound', '(async function a({ client }) { await client.execute(`A`) }).bind(null)'],
    ['hidden', 'Object.assign(async function a({ client }) { f() }, { toString: () => "async function a() {}" })'],
  ])('%s', async (_, code) => {
    expect(await textsOf(operation(code))).toBeUndefined()
  })
})
