import type { Provider } from '../../../engines/engine.js'
import { bindPlaceholders, PlaceholderError } from '../../../engines/sql/placeholders.js'
import { syntaxes } from './syntaxes.js'

const bound: [Provider, string, number, string][] = [
  ['postgresql', 'SELECT :?, :?', 2, 'SELECT $1, $2'],
  [
    'postgresql',
    `SELECT ':?', ":?", $$:?$$, $a$ :? $a$, :? -- :?\n /* :? */`,
    1,
    `SELECT ':?', ":?", $$:?$$, $a$ :? $a$, $1 -- :?\n /* :? */`,
  ],
  ['postgresql', `SELECT E'\\':?', :?::int`, 1, `SELECT E'\\':?', $1::int`],
  ['postgresql', `SELECT '{}'::jsonb ? :?, j ?| a, j ?& b`, 1, `SELECT '{}'::jsonb ? $1, j ?| a, j ?& b`],
  ['postgresql', 'SELECT a[1:2], x::text, b::?', 0, 'SELECT a[1:2], x::text, b::?'],
  ['postgresql', 'SELECT a[1: :?]', 1, 'SELECT a[1: $1]'],
  ['postgresql', 'SELECT a:b, c : ? d', 0, 'SELECT a:b, c : ? d'],
  [
    'postgresql',
    `${'SELECT :?'.repeat(1)}${', :?'.repeat(10)}`,
    11,
    'SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11',
  ],
  ['sqlite', 'SELECT [:?], `:?`, ":?", :?', 1, 'SELECT [:?], `:?`, ":?", ?'],
  ['mysql', `SELECT ':?\\':?', ":?", \`:?\`, :? # :?`, 1, `SELECT ':?\\':?', ":?", \`:?\`, ? # :?`],
  ['mysql', 'SELECT /*!40000 :? */ 1', 1, 'SELECT /*!40000 ? */ 1'],
  ['mysql', `SELECT '?', "?", \`?\` /* ? */, :?`, 1, `SELECT '?', "?", \`?\` /* ? */, ?`],
]

describe('`:?` marks a parameter, and only outside strings, names, comments and bodies:', () => {
  for (const [provider, sql, count, expected] of bound)
    test(`${sql} (${provider})`, () => {
      expect(bindPlaceholders(sql, count, syntaxes[provider])).toBe(expected)
    })
})

describe('a statement whose marks and parameters do not agree is refused before it is sent:', () => {
  const refused: [Provider, string, number, RegExp][] = [
    ['postgresql', 'SELECT :?', 0, /has 1 `:\?` but 0 parameters were given/],
    ['postgresql', "SELECT ':?'", 1, /has 0 `:\?` but 1 parameter was given/],
    ['sqlite', 'SELECT :?, :?', 3, /has 2 `:\?` but 3 parameters were given/],
    ['mysql', 'SELECT ?', 1, /no mark of rays: write `:\?`/],
    ['postgresql', 'SELECT $1', 1, /no mark of rays: write `:\?`/],
    ['mysql', 'SELECT ?, :?', 1, /`\?` at offset 7 is a placeholder of the database/],
    ['sqlite', 'SELECT :?, ?', 1, /would take a parameter meant for a `:\?`/],
    ['postgresql', 'SELECT :?, $1', 1, /`\$1` at offset 11/],
  ]
  for (const [provider, sql, count, message] of refused)
    test(`${sql} with ${count} (${provider})`, () => {
      const bind = () => bindPlaceholders(sql, count, syntaxes[provider])
      expect(bind).toThrow(PlaceholderError)
      expect(bind).toThrow(message)
    })
})
