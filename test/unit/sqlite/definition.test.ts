import { definitionOf, merged, wordsOf } from '../../../engines/sqlite/definition.js'
import { sqlite } from '../../../engines/sqlite/index.js'

const { syntax } = sqlite
const mentions = (text: string, columns: readonly string[]) =>
  wordsOf(text, syntax).some((word) => columns.includes(word.text.replace(/"/g, '').toLowerCase()))
const onto = (old: string, next: string) => merged(definitionOf(old, syntax), definitionOf(next, syntax), mentions)

test.each([
  [
    'nothing to keep',
    'CREATE TABLE a (b INT)',
    'CREATE TABLE new_a (b INT, c INT)',
    'CREATE TABLE new_a (b INT, c INT)',
  ],
  [
    'a check of a column and one of the table',
    'CREATE TABLE a (b INT CHECK (b > (1 + 1)), c TEXT, CONSTRAINT "is, x" CHECK (c <> \'),(\'))',
    'CREATE TABLE new_a (b INT, c TEXT)',
    'CREATE TABLE new_a (\n    b INT,\n    c TEXT,\n    CHECK (b > (1 + 1)),\n    CONSTRAINT "is, x" CHECK (c <> \'),(\')\n)',
  ],
  [
    'no check on a column that is gone, and none twice',
    'CREATE TABLE a (b INT CHECK (b > 1), c TEXT CHECK (c > 2))',
    'CREATE TABLE new_a (c TEXT CHECK(c>2))',
    'CREATE TABLE new_a (c TEXT CHECK(c>2))',
  ],
  [
    'a collation, unless the new definition has its own',
    'CREATE TABLE a (b TEXT COLLATE NOCASE, c TEXT COLLATE RTRIM)',
    'CREATE TABLE new_a (b TEXT NOT NULL, c TEXT COLLATE BINARY)',
    'CREATE TABLE new_a (\n    b TEXT NOT NULL COLLATE NOCASE,\n    c TEXT COLLATE BINARY\n)',
  ],
  [
    'a generated column, before the constraints of the table',
    'CREATE TABLE a (b INT, d INT AS (b * 2) STORED)',
    'CREATE TABLE new_a (b INT, FOREIGN KEY (b) REFERENCES x(y))',
    'CREATE TABLE new_a (\n    b INT,\n    d INT AS (b * 2) STORED,\n    FOREIGN KEY (b) REFERENCES x(y)\n)',
  ],
  [
    'the options of the table',
    'CREATE TABLE a (b INT PRIMARY KEY) STRICT, WITHOUT ROWID',
    'CREATE TABLE new_a (b INT PRIMARY KEY)',
    'CREATE TABLE new_a (b INT PRIMARY KEY) STRICT, WITHOUT ROWID',
  ],
])('a table that is built anew takes along: %s', (_, old, next, expected) => {
  expect(onto(old, next)).toBe(expected)
})
