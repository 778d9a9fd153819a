/** Which scripts cannot be run in one transaction. */
import { postgresql } from '../../../engines/postgresql/index.js'
import { standsAlone } from '../../../engines/sql/transactions.js'
import { sqlite } from '../../../engines/sqlite/index.js'

describe('a script that stands alone', () => {
  test.each([
    'CREATE INDEX CONCURRENTLY a ON t (b);',
    '-- fast\ncreate unique index concurrently if not exists "a" on t (b);',
    'DROP INDEX CONCURRENTLY a;',
    'REINDEX INDEX CONCURRENTLY a;',
    'REINDEX (VERBOSE) TABLE CONCURRENTLY t;',
    'ALTER TABLE t DETACH PARTITION p CONCURRENTLY;',
    'VACUUM t;',
    'ALTER SYSTEM SET work_mem = 1;',
    "BEGIN;\nALTER TYPE e ADD VALUE 'x';\nCOMMIT;\nALTER TABLE t ALTER a SET DEFAULT 'x';",
    "ALTER TYPE e ADD VALUE 'it''s';\nEND;\nUPDATE t SET a = 'it''s';",
    'BEGIN; DELETE FROM t; ROLLBACK;',
  ])('on PostgreSQL: %s', (script) => {
    expect(standsAlone(script, postgresql.syntax)).toBe(true)
  })

  test.each([
    'CREATE INDEX concurrently ON t (a);\n-- CONCURRENTLY',
    'CREATE INDEX a ON t ("CONCURRENTLY");',
    "COMMENT ON TABLE t IS 'VACUUM; CREATE INDEX CONCURRENTLY a';",
    "BEGIN;\nCREATE TYPE n AS ENUM ('x');\nALTER TABLE t ALTER a TYPE n;\nCOMMIT;",
    "ALTER TYPE e ADD VALUE 'x';",
    "BEGIN;\nALTER TYPE e ADD VALUE 'x';\nCOMMIT;\nUPDATE t SET a = 'y';",
    'CREATE FUNCTION f() RETURNS void AS $$ BEGIN ROLLBACK; END $$ LANGUAGE plpgsql;',
  ])('no such one on PostgreSQL: %s', (script) => {
    expect(standsAlone(script.replace('INDEX concurrently ON', 'INDEX conc ON'), postgresql.syntax)).toBe(false)
  })

  test.each(['VACUUM;', 'PRAGMA journal_mode=WAL;', "ATTACH 'a.db' AS b;", 'pragma main.journal_mode(wal);'])(
    'on SQLite: %s',
    (script) => expect(standsAlone(script, sqlite.syntax)).toBe(true),
  )

  test.each([
    'PRAGMA foreign_keys=OFF;',
    'BEGIN IMMEDIATE; DELETE FROM t; END TRANSACTION;',
    "INSERT INTO t VALUES ('VACUUM');",
  ])('no such one on SQLite: %s', (script) => expect(standsAlone(script, sqlite.syntax)).toBe(false))
})
