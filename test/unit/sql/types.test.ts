/** Which changes of type keep every value, in the words of each database. */
import { describe, expect, test } from '@jest/globals'
import { keepsValues as mysql } from '../../../engines/mysql/types.js'
import { keepsValues as postgresql } from '../../../engines/postgresql/types.js'
import { keepsValues as sqlite } from '../../../engines/sqlite/types.js'

type Pair = [from: string, to: string]
const CASES: [string, (from: string, to: string) => boolean, kept: Pair[], lost: Pair[]][] = [
  [
    'PostgreSQL',
    postgresql,
    [
      ['integer', 'BIGINT'],
      ['character varying(20)', 'VARCHAR(30)'],
      ['character varying(20)', 'TEXT'],
      ['integer', 'TEXT'],
      ['numeric(10,2)', 'DECIMAL(12,2)'],
      ['integer', 'DECIMAL(65,30)'],
      ['real', 'DOUBLE PRECISION'],
      ['timestamp(3) without time zone', 'TIMESTAMP(6)'],
      ['timestamp(3) with time zone', 'TIMESTAMPTZ(3)'],
      ['integer[]', 'BIGINT[]'],
      ['jsonb', 'JSONB'],
      ['"Role"', '"Role"'],
    ],
    [
      ['bigint', 'INTEGER'],
      ['text', 'VARCHAR(30)'],
      ['character varying(30)', 'VARCHAR(20)'],
      ['numeric(12,2)', 'DECIMAL(12,3)'],
      ['bigint', 'DOUBLE PRECISION'],
      ['timestamp(3) without time zone', 'TIMESTAMP(0)'],
      ['timestamp(3) without time zone', 'TIMESTAMPTZ(3)'],
      ['integer', 'INTEGER[]'],
      ['text', 'INTEGER'],
      ['bytea', 'TEXT'],
    ],
  ],
  [
    'MySQL',
    mysql,
    [
      ['int(11)', 'BIGINT'],
      ['int', 'INTEGER'],
      ['int unsigned', 'BIGINT'],
      ['varchar(20)', 'VARCHAR(30)'],
      ['varchar(191)', 'TEXT'],
      ['text', 'LONGTEXT'],
      ["enum('a','b')", "ENUM('a', 'b', 'c')"],
      ["enum('a','b')", 'VARCHAR(10)'],
      ['datetime(3)', 'DATETIME(6)'],
      ['decimal(10,2)', 'DECIMAL(12,2)'],
      ['int', 'DECIMAL(65, 30)'],
      ['tinyint(1)', 'BOOLEAN'],
      ['timestamp(3)', 'TIMESTAMP(3)'],
    ],
    [
      ['bigint', 'INTEGER'],
      ['int', 'INT UNSIGNED'],
      ['varchar(30)', 'VARCHAR(20)'],
      ['text', 'VARCHAR(191)'],
      ["enum('a','b')", "ENUM('a')"],
      ['datetime(3)', 'DATETIME(0)'],
      ['double', 'DECIMAL(65,30)'],
      ['bigint', 'DOUBLE'],
      ['json', 'LONGTEXT'],
    ],
  ],
  [
    'SQLite',
    sqlite,
    [
      ['integer', 'BIGINT'],
      ['varchar(255)', 'VARCHAR(100)'],
      ['text', 'VARCHAR(3)'],
      ['integer', 'REAL'],
      ['integer', 'TEXT'],
      ['decimal', 'NUMERIC'],
    ],
    [
      ['text', 'INTEGER'],
      ['real', 'INTEGER'],
      ['datetime', 'BOOLEAN'],
      ['text', 'BLOB'],
      ['bigint', 'REAL'],
    ],
  ],
]

describe.each(CASES)('%s', (_, keeps, kept, lost) => {
  test.each(kept)('%s to %s keeps every value', (from, to) => expect(keeps(from, to)).toBe(true))
  test.each(lost)('%s to %s may not', (from, to) => expect(keeps(from, to)).toBe(false))
})
