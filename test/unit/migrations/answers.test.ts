import { composeAnswers, readAnswers } from '../../../src/migrations/answers.js'
import { readFollows, renderMigration } from '../../../src/migrations/writer.js'

const answers = (renames: string[], defaults: string[] = []) => ({ renames, defaults })

test('the code of a migration keeps what it follows and what was answered, whatever stands in it', () => {
  const given = answers(['User:Person', 'Person.name:fullName'], ["Person.note='a\n-- b'", 'Person.age=0'])
  const code = renderMigration({ operations: [] }, { module: 'esm', follows: '20261120130501_init', answers: given })
  expect(readAnswers(code)).toEqual(given)
  expect(readFollows(code)).toBe('20261120130501_init')
  expect(readFollows(renderMigration({ operations: [] }, { module: 'esm', follows: null }))).toBe(null)
  const bare = renderMigration({ operations: [] }, { module: 'esm' })
  expect([readFollows(bare), readAnswers(bare)]).toEqual([undefined, answers([])])
})

test.each([
  ['a field twice', [answers(['U.a:b']), answers(['U.b:c'])], answers(['U.a:c'])],
  ['a model twice', [answers(['U:P']), answers(['P:Q'])], answers(['U:Q'])],
  ['a field, then its model', [answers(['U.a:b']), answers(['U:P'])], answers(['U:P', 'P.a:b'])],
  ['a model, then its field', [answers(['U:P']), answers(['P.a:b'])], answers(['U:P', 'P.a:b'])],
  [
    'a value for a field that is renamed later, with its model',
    [answers([], ['U.n=1']), answers(['U.n:m', 'U:P'])],
    answers(['U:P', 'P.n:m'], ['P.m=1']),
  ],
])('answers of several migrations become those of one: %s', (_, all, expected) => {
  expect(composeAnswers(all)).toEqual(expected)
})
