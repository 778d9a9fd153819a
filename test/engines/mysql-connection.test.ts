import { createServer, type Socket } from 'node:net'
import { type ErrorInfo, LockLostError, LockTimeoutError } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { DatabaseUrl } from '../../engines/url.js'
import { numbers } from '../support/numbers.js'
import { address, describeMysql, inDatabase, name, OPTIONS, refusal, urlOf } from './mysql-databases.js'

const kindOf = async (promise: Promise<unknown>): Promise<ErrorInfo> => mysql.explain(await refusal(promise))

describeMysql('many statements in few messages', () => {
  const many = (sql: (n: number) => string) => Array.from({ length: 20 }, (_, n) => sql(n))

  test('their rows are those of each, in order and exact; what makes none has none', () =>
    inDatabase(async (db) => {
      await db.batch(many((n) => `CREATE TABLE t${n} (i BIGINT, d DATETIME(3), t TEXT)`))
      await db.batch(
        many((n) => `INSERT INTO t${n} VALUES (9223372036854775807, '2024-02-29 23:59:59.123', 'a;b ${n}')`),
      )
      const rows = await db.batch(many((n) => (n === 7 ? 'DO 1' : `SELECT * FROM t${n}`)))
      const row = (n: number) => ({ i: 9223372036854775807n, d: new Date('2024-02-29T23:59:59.123Z'), t: `a;b ${n}` })
      expect(rows).toEqual(many((n) => String(n)).map((n) => (n === '7' ? [] : [row(Number(n))])))
      expect(await db.batch([])).toEqual([])
      expect(await db.batch(['SELECT 1 AS one'])).toEqual([[{ one: 1 }]])
    }))

  test('one that fails is an error, and those before it are done', () =>
    inDatabase(async (db) => {
      const statements = many((n) => (n === 12 ? 'SELECT * FROM nowhere' : `CREATE TABLE t${n} (i INT)`))
      expect((await kindOf(db.batch(statements))).kind).toBe('missing-table')
      expect((await db.tables()).map(({ name }) => name)).toHaveLength(12)
    }))

  test('the statements of a migration are still one a message', () =>
    inDatabase(async (db) => {
      await db.batch(many((n) => `CREATE TABLE t${n} (i INT)`))
      expect((await kindOf(db.execute('SELECT 1; SELECT 2'))).kind).toBe('syntax')
      expect((await kindOf(db.query("SELECT 'a;b'; DO 1"))).kind).toBe('syntax')
      expect((await kindOf(db.query("SELECT 'a\0b'; DO 1"))).kind).toBe('syntax')
      expect(await db.query("SELECT 'a;b' AS t; -- and no more")).toEqual([{ t: 'a;b' }])
      await db.execute('CREATE TRIGGER tr BEFORE INSERT ON t1 FOR EACH ROW BEGIN SET @a = 1; SET @b = 2; END')
    }))

  test('in a transaction they see what it has done', () =>
    inDatabase(async (db) => {
      await db.execute('CREATE TABLE t (i INT)')
      await db.batch(many((n) => `SELECT ${n}`))
      await db.transaction({}, async () => {
        await db.execute('INSERT INTO t VALUES (1)')
        expect(await db.batch(many(() => 'SELECT count(*) AS n FROM t'))).toEqual(many(() => '').map(() => [{ n: 1 }]))
      })
    }))
})

describeMysql('values', () => {
  test('keep every digit and every byte, as parameters and as literals', () =>
    inDatabase(async (db) => {
      await db.execute(
        'CREATE TABLE v (i BIGINT, u BIGINT UNSIGNED, d DECIMAL(40,20), f DOUBLE, t TEXT, j JSON, b BLOB, n INT, at DATETIME(3)) CHARACTER SET utf8mb4',
      )
      const at = new Date('2024-02-29T23:59:59.123Z')
      const text = 'it\'s \\ "quoted" `x` \0 ? :? 😀 %s\n'
      const values = [
        -9223372036854775808n,
        18446744073709551615n,
        '12345678901234567890.12345678901234567890',
        0.1,
        text,
        { a: [1, { b: "'; DROP TABLE v; --" }] },
        new Uint8Array([0, 255, 39, 92]),
        null,
        at,
      ]
      await db.execute('INSERT INTO v VALUES (:?, :?, :?, :?, :?, :?, :?, :?, :?)', values)
      const literals = values.map((value) => mysql.literal(value))
      await db.execute(`INSERT INTO v VALUES (${literals.join(', ')})`)
      const rows = await db.query('SELECT * FROM v')
      expect(rows).toHaveLength(2)
      for (const row of rows) {
        expect(row).toMatchObject({
          i: -9223372036854775808n,
          u: 18446744073709551615n,
          d: '12345678901234567890.12345678901234567890',
          f: 0.1,
          t: text,
          n: null,
          at,
        })
        expect([...(row.b as Buffer)]).toEqual([0, 255, 39, 92])
        expect(typeof row.j === 'string' ? JSON.parse(row.j) : row.j).toEqual(values[5])
      }
      expect(await db.query('SELECT n FROM v WHERE i = :? LIMIT :?', [-9223372036854775808n, 1])).toEqual([{ n: null }])
      expect(await db.query('SELECT CAST(5 AS SIGNED) AS small')).toEqual([{ small: 5 }])
    }))

  test('that mean nothing to SQL are refused before anything is sent', () =>
    inDatabase(async (db) => {
      await expect(db.query('SELECT :?', [undefined])).rejects.toThrow('parameter 1 is undefined')
      await expect(db.query('SELECT :?', [Number.NaN])).rejects.toThrow('parameter 1 is NaN')
      await expect(db.query('SELECT :?', [() => 1])).rejects.toThrow('parameter 1 is a function')
      await expect(db.query('SELECT :?, :?', [1])).rejects.toThrow(/2 `:\?` but 1 parameter/)
      expect(() => mysql.literal(undefined)).toThrow('undefined')
    }))

  test('stay literals under NO_BACKSLASH_ESCAPES and ANSI_QUOTES', () =>
    inDatabase(async (db) => {
      await db.execute("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
      expect(db.syntax).toMatchObject({ doubleQuotedStrings: false, backslashEscapes: false })
      const hostile = "\\' OR 1=1 -- \\"
      expect(await db.query(`SELECT ${mysql.literal(hostile)} AS a, :? AS b`, [hostile])).toEqual([
        { a: hostile, b: hostile },
      ])
      await db.execute('CREATE TABLE log (t TEXT)')
      await db.execute('CREATE TABLE x (i INT)')
      // A trigger has no parameters: they become literals.
      await db.execute('CREATE TRIGGER tr AFTER INSERT ON x FOR EACH ROW INSERT INTO log VALUES (:?)', [hostile])
      await db.execute('INSERT INTO x VALUES (1)')
      expect(await db.query('SELECT t FROM log')).toEqual([{ t: hostile }])
      await db.restoreSettings()
      expect(db.syntax).toMatchObject({ doubleQuotedStrings: true, backslashEscapes: true })
    }))

  test('of hostile names are quoted', () =>
    inDatabase(
      async (db) => {
        const table = 'a`b"c\'d;e f?é'
        await db.execute(`CREATE TABLE ${mysql.quote(table)} (${mysql.quote('x`')} INT PRIMARY KEY)`)
        expect((await db.tables()).map((each) => [each.name, each.primaryKey])).toEqual([[table, ['x`']]])
        expect(await db.hasTable(table)).toBe(true)
        expect(await db.hasTable('missing')).toBe(false)
        expect(() => mysql.quote('a\0')).toThrow('NUL')
        expect(() => mysql.quote('x'.repeat(65))).toThrow('64')
      },
      {},
      `${name()}_\`"';é`,
    ))
})

describeMysql('a session', () => {
  test('tells whether a transaction is open, also after DDL ended it', () =>
    inDatabase(async (db) => {
      await db.execute('CREATE TABLE a (i INT)')
      const seen: boolean[] = []
      await db.transaction({}, async () => {
        await db.execute('INSERT INTO a VALUES (1)')
        seen.push(db.inTransaction())
        await db.execute('CREATE TABLE b (i INT)')
        seen.push(db.inTransaction())
      })
      expect(seen).toEqual([true, false])
      expect(await db.query('SELECT COUNT(*) AS n FROM a')).toEqual([{ n: 1 }])
      // One that was begun anew does not hold what came before it.
      for (const [statements, open] of [
        [['SAVEPOINT s', 'INSERT INTO a VALUES (2)', 'ROLLBACK TO s'], true],
        [['/* anew */ BEGIN'], false],
        [['COMMIT AND CHAIN'], false],
        [['CREATE TABLE c (i INT)', 'START TRANSACTION', 'INSERT INTO a VALUES (3)'], false],
      ] as const)
        await db.transaction({}, async () => {
          for (const statement of statements) await db.execute(statement)
          expect({ statements, open: db.inTransaction() }).toEqual({ statements, open })
        })
    }))

  test('rolls back what an operation wrote when it fails', () =>
    inDatabase(async (db) => {
      await db.execute('CREATE TABLE a (i INT)')
      await expect(
        db.transaction({}, async () => {
          await db.execute('INSERT INTO a VALUES (1)')
          throw new Error('no')
        }),
      ).rejects.toThrow('no')
      expect(db.inTransaction()).toBe(false)
      expect(await db.query('SELECT * FROM a')).toEqual([])
    }))

  test('runs scripts statement by statement, and names the place of the fault', () =>
    inDatabase(async (db) => {
      await db.script(`
        -- a procedure; with semicolons
        CREATE PROCEDURE p() BEGIN SELECT 1; SELECT ';'; END;
        CREATE TABLE a (t TEXT); /* ; */
        INSERT INTO a VALUES ('x;y'), ("z;");
        SET sql_mode = 'ANSI_QUOTES';
        CREATE TABLE "b;c" (i INT);
      `)
      expect((await db.tables()).map((table) => table.name)).toEqual(['a', 'b;c'])
      const script = "INSERT INTO a VALUES ('1');\nINSERT INTO a\n  VALUSE ('2');\nDROP TABLE a;"
      const { kind, position } = await kindOf(db.script(script))
      expect(kind).toBe('syntax')
      expect(script.slice(position)).toMatch(/^(?:VALUSE|\('2'\))/)
      expect(await db.query('SELECT COUNT(*) AS n FROM a')).toEqual([{ n: 3 }])
    }))

  test('puts back what an operation changed', () =>
    inDatabase(async (db) => {
      const read = () =>
        db.raw(
          'SELECT @@sql_mode AS m, @@time_zone AS z, @@foreign_key_checks AS f, @@unique_checks AS u, @@autocommit AS a, DATABASE() AS d',
        )
      const before = await read()
      await db.execute(
        "SET sql_mode = '', time_zone = '+05:00', foreign_key_checks = 0, unique_checks = 0, autocommit = 0",
      )
      await db.execute('USE information_schema')
      await db.restoreSettings()
      expect(await read()).toEqual(before)
    }))

  test('compares a literal with a parameter, before and after its settings are put back', () =>
    inDatabase(async (db) => {
      await db.execute('CREATE TABLE c (v VARCHAR(9)) CHARACTER SET utf8mb4')
      await db.execute("INSERT INTO c VALUES ('ä')")
      const facts = 'SELECT @@character_set_client AS client, @@collation_connection AS collation'
      const before = await db.query(facts)
      const made = new Set<string>()
      for (const when of ['fresh', 'put_back', 'put_back_again']) {
        await db.execute(`CREATE TABLE ${when} (v VARCHAR(9), w VARCHAR(9) CHARACTER SET utf8mb4)`)
        const [table] = await db.query(`SHOW CREATE TABLE ${when}`)
        made.add(String(table!['Create Table']).replace(when, ''))
        expect(await db.query("SELECT 'ä' = :? AS same", ['ä'])).toEqual([{ same: 1 }])
        await db.execute("UPDATE c SET v = CONCAT('ä', :?) WHERE 'x' < :?", ['ö', 'ß'])
        expect(await db.query('SELECT v FROM c WHERE v = :?', ['äö'])).toEqual([])
        await db.execute('SET NAMES latin1')
        await db.restoreSettings()
        expect(await db.query(facts)).toEqual(before)
      }
      // What a statement leaves open comes from the database, whatever the session.
      expect(made.size).toBe(1)
    }))

  test('writes the history in UTC, whatever the zone of the session', () =>
    inDatabase(async (db) => {
      await db.execute("SET time_zone = '+09:00'")
      await db.execute(db.history.createTable)
      await db.execute(db.history.createTable)
      const at = new Date('2026-11-20T23:30:00.007Z')
      await db.raw(
        `INSERT INTO ${db.history.table} (id, checksum, migration_name, started_at, finished_at) VALUES (?, '', 'x', ?, UTC_TIMESTAMP(3))`,
        ['1', db.history.time(at)],
      )
      const [row] = await db.raw(
        `SELECT ${db.history.timeColumn('started_at')} AS s, ${db.history.timeColumn('finished_at')} AS f, ${db.history.timeColumn('rolled_back_at')} AS r FROM ${db.history.table}`,
      )
      expect(db.history.readTime(row?.s)).toEqual(at)
      expect(Math.abs(Number(db.history.readTime(row?.f)) - Date.now())).toBeLessThan(120_000)
      expect(db.history.readTime(row?.r)).toBeNull()
      expect(await db.hasTable('_prisma_migrations')).toBe(true)
      expect(await db.tables()).toEqual([])
    }))

  test('counts the rows that a statement met', () =>
    inDatabase(async (db) => {
      await db.execute('CREATE TABLE a (i INT)')
      expect(await db.change('INSERT INTO a VALUES (?), (?)', [1, 2])).toBe(2)
      expect(await db.change('UPDATE a SET i = 1')).toBe(2)
      expect(await db.change('DELETE FROM a WHERE i = ?', [7])).toBe(0)
    }))

  test('removes everything of its database and nothing of the database itself', () =>
    inDatabase(async (db) => {
      await db.script(`
        CREATE TABLE p (id INT PRIMARY KEY, c INT);
        CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p(id));
        ALTER TABLE p ADD FOREIGN KEY (c) REFERENCES c(id);
        CREATE VIEW v AS SELECT * FROM p;
        CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW SET NEW.c = NULL;
        CREATE PROCEDURE pr() SELECT 1;
        CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
        CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1;
      `)
      await db.execute(db.history.createTable)
      await db.reset()
      for (const [view, column] of [
        ['TABLES', 'TABLE_SCHEMA'],
        ['ROUTINES', 'ROUTINE_SCHEMA'],
        ['EVENTS', 'EVENT_SCHEMA'],
        ['TRIGGERS', 'TRIGGER_SCHEMA'],
      ]) {
        expect(
          await db.raw(`SELECT COUNT(*) AS n FROM information_schema.${view} WHERE ${column} = DATABASE()`),
        ).toEqual([{ n: 0 }])
      }
      expect(await db.raw('SELECT @@foreign_key_checks AS f, DATABASE() AS d')).toEqual([{ f: 1, d: db.database }])
    }))

  test('describes tables: types, keys, generated columns, JSON, checks', () =>
    inDatabase(async (db) => {
      await db.script(`
        CREATE TABLE p (a INT, b INT, PRIMARY KEY (b, a));
        CREATE TABLE t (
          id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
          e ENUM('x', 'it''s, y') NOT NULL DEFAULT 'x',
          n VARCHAR(191) NULL, j JSON NOT NULL,
          g INT AS (u1 * 2) VIRTUAL,
          pa INT, pb INT, u1 INT, u2 INT,
          UNIQUE (u1, u2), INDEX (n),
          CONSTRAINT small CHECK (u1 < 10),
          FOREIGN KEY (pb, pa) REFERENCES p (b, a)
        );
        CREATE VIEW v AS SELECT * FROM p;
      `)
      const [p, t] = await db.tables()
      expect(p?.primaryKey).toEqual(['b', 'a'])
      expect(t).toMatchObject({ name: 't', primaryKey: ['id'], uniques: [['u1', 'u2']], checks: 1 })
      expect(t?.foreignKeys).toEqual([{ columns: ['pb', 'pa'], references: { table: 'p', columns: ['b', 'a'] } }])
      const column = (wanted: string) => t?.columns.find((each) => each.name === wanted)
      expect(column('id')).toMatchObject({ nullable: false, hasDefault: true, generated: false })
      expect(column('id')?.type).toMatch(/^int(\(10\))? unsigned$/)
      expect(column('e')).toMatchObject({ enumValues: ['x', "it's, y"], hasDefault: true })
      expect(column('n')).toMatchObject({ type: 'varchar(191)', nullable: true, hasDefault: false })
      expect(column('j')).toMatchObject({ type: 'json', nullable: false, hasDefault: false })
      expect(column('g')).toMatchObject({ generated: true })
    }))

  test('makes up rows that the tables take', () =>
    inDatabase(async (db) => {
      await db.execute(`CREATE TABLE t (
        a TINYINT, b BOOLEAN, c SMALLINT UNSIGNED, d MEDIUMINT, e INT, f BIGINT UNSIGNED, g DECIMAL(5,2), h FLOAT, i DOUBLE,
        j CHAR(3), k VARCHAR(191), l TINYTEXT, m LONGTEXT, n BLOB, o BINARY(4), p VARBINARY(2), q ENUM('a','b'), r SET('a','b'),
        s JSON, t DATE, u TIME(3), v DATETIME(6), w TIMESTAMP NULL, x YEAR, y BIT(3), z POINT)`)
      const [table] = await db.tables()
      for (const n of [1, 2, 500, 100_000]) {
        const values = table?.columns.map((column) => mysql.sample(column, n) ?? `no sample for ${column.type}`)
        await db.execute(`INSERT INTO t VALUES (${values?.join(', ')})`)
      }
      const neutral = table?.columns.map((column) => mysql.neutral(column.type) ?? 'NULL')
      await db.execute(`INSERT INTO t VALUES (${neutral?.join(', ')})`)
      expect(await db.query('SELECT COUNT(*) AS n, COUNT(DISTINCT k) AS k FROM t')).toEqual([{ n: 5, k: 5 }])
      expect(mysql.neutral("ENUM('it''s', \"b\")")).toBe("'it''s'")
      expect(mysql.neutral('GEOMETRY')).toBeUndefined()
    }))
})

describeMysql('the migration lock', () => {
  const wait = (timeoutMs: number) => ({ timeoutMs, onWait: () => {} })

  test('is held by one session at a time, which is named to the others', () =>
    inDatabase(async (a, url) => {
      const b = await mysql.connect(url, OPTIONS)
      try {
        await a.acquireLock(wait(30_000))
        expect([await a.holdsLock(), await b.holdsLock()]).toEqual([true, false])
        const waits: string[] = []
        const started = Date.now()
        const error = await refusal(b.acquireLock({ timeoutMs: 1500, onWait: (holder) => waits.push(holder) }))
        expect(error).toBeInstanceOf(LockTimeoutError)
        expect((error as LockTimeoutError).holder).toMatch(/^session \d+ \(user \w+, /)
        expect(waits[0]).toMatch(/^session \d+/)
        expect(Date.now() - started).toBeLessThan(4000)
        const later = b.acquireLock(wait(30_000))
        await a.releaseLock()
        await later
        expect([await a.holdsLock(), await b.holdsLock()]).toEqual([false, true])
      } finally {
        await b.close()
      }
    }))

  test('is missed at once when an operation gives it away, and survives DDL', () =>
    inDatabase(async (db) => {
      await db.acquireLock(wait(30_000))
      await db.transaction({}, async (transaction) => {
        await db.execute('CREATE TABLE a (i INT)')
        await transaction.check()
      })
      const lost = db.transaction({}, async (transaction) => {
        await db.execute('DO RELEASE_LOCK(:?)', ['prisma_migrate'])
        await transaction.check()
      })
      expect(await refusal(lost)).toBeInstanceOf(LockLostError)
    }))

  test('can be switched off as in Prisma, and waiting for it can be called off', () =>
    inDatabase(async (a, url) => {
      const b = await mysql.connect(url, OPTIONS)
      try {
        await a.acquireLock(wait(30_000))
        const abort = new AbortController()
        setTimeout(() => abort.abort(), 300)
        await expect(b.acquireLock({ ...wait(50_000), signal: abort.signal })).rejects.toThrow(/abort/i)
        process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK = '1'
        await b.acquireLock(wait(0))
        expect(await b.holdsLock()).toBe(true)
      } finally {
        delete process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK
        await b.close()
      }
    }))
})

/** Takes minutes. A SLEEP that is stopped is no failure to MySQL: it answers 1. */
const LONG = `SELECT COUNT(*) AS n FROM ${numbers(100_000)} CROSS JOIN ${numbers(100_000).replace(/numbers$/, 'others')} WHERE numbers.seq + others.seq < 0`

describeMysql('what goes wrong', () => {
  test('is told in one vocabulary', () =>
    inDatabase(async (db) => {
      await db.script(`
        CREATE TABLE p (id INT PRIMARY KEY);
        CREATE TABLE c (id INT PRIMARY KEY, p INT NOT NULL, t VARCHAR(2), FOREIGN KEY (p) REFERENCES p(id));
        INSERT INTO p VALUES (1);
        INSERT INTO c VALUES (1, 1, 'a');
      `)
      const cases: [string, ErrorInfo['kind']][] = [
        ['SELEC 1', 'syntax'],
        ['SELECT * FROM missing', 'missing-table'],
        ['INSERT INTO p VALUES (1)', 'data'],
        ['INSERT INTO c VALUES (2, NULL, NULL)', 'data'],
        ["INSERT INTO c VALUES (2, 1, 'long')", 'data'],
        ['INSERT INTO c VALUES (2, 9, NULL)', 'data'],
        ['DELETE FROM p', 'data'],
        ['DROP TABLE p', 'data'],
        ['INSERT INTO c (id) VALUES (3)', 'data'],
      ]
      for (const [sql, kind] of cases) expect([sql, (await kindOf(db.execute(sql))).kind]).toEqual([sql, kind])
      const { position, code } = await kindOf(db.execute('SELECT 1,\n  SELEC 2'))
      expect(code).toBe('ER_PARSE_ERROR')
      expect('SELECT 1,\n  SELEC 2'.slice(position)).toMatch(/^(?:SELEC )?2$/)
    }))

  test('with a statement larger than the server takes does not cost the session', () =>
    inDatabase(async (db) => {
      const [row] = await db.raw('SELECT @@max_allowed_packet AS n')
      const error = await kindOf(db.execute(`SELECT '${'x'.repeat(Number(row?.n))}'`))
      expect(error).toMatchObject({ kind: 'packet-too-large', code: 'ER_NET_PACKET_TOO_LARGE' })
      expect(error.hint).toMatch('max_allowed_packet')
      const parameter = await kindOf(db.execute('SELECT LENGTH(:?)', ['ü'.repeat(Number(row?.n) / 2)]))
      expect(parameter.kind).toBe('packet-too-large')
      expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
    }))

  test('on connecting is a missing database, a wrong password or an unreachable server', async () => {
    const password = 'p@ss/w:rd%21'
    expect((await kindOf(mysql.connect(urlOf(name()), OPTIONS))).kind).toBe('missing-database')
    const url = urlOf('x', { user: `nobody_${name()}:${password}` })
    const denied = await refusal(mysql.connect(url, OPTIONS))
    expect(['authentication', 'permission']).toContain(mysql.explain(denied).kind)
    expect(`${denied.stack} ${JSON.stringify(denied)} ${mysql.describe(url)}`).not.toContain('p@ss')
    const refused = await kindOf(mysql.connect(new DatabaseUrl('mysql://root@127.0.0.1:1/x', '/'), OPTIONS))
    expect(refused).toMatchObject({ kind: 'connection', code: 'ECONNREFUSED' })
    expect(refused.message).not.toBe('')
    const started = Date.now()
    const silent = createServer(() => {}).listen(0)
    const { port } = silent.address() as { port: number }
    const late = mysql.connect(new DatabaseUrl(`mysql://root@127.0.0.1:${port}/x?connect_timeout=1`, '/'), OPTIONS)
    expect((await kindOf(late)).kind).toBe('connection')
    expect(Date.now() - started).toBeLessThan(3000)
    silent.close()
  })

  test('with a table that another session holds ends after the lock timeout', () =>
    inDatabase(
      async (a, url) => {
        await a.execute('CREATE TABLE t (i INT)')
        const b = await mysql.connect(url, OPTIONS)
        try {
          await b.raw('START TRANSACTION')
          await b.raw('SELECT * FROM t')
          const started = Date.now()
          expect((await kindOf(a.execute('ALTER TABLE t ADD j INT'))).kind).toBe('lock-timeout')
          expect(Date.now() - started).toBeLessThan(4000)
        } finally {
          await b.close()
        }
      },
      { lockTimeoutMs: 1000 },
    ))

  test('with a statement that takes too long, or is called off, leaves the session usable', () =>
    inDatabase(async (db, url) => {
      const limited = await mysql.connect(url, { ...OPTIONS, statementTimeoutMs: 500 })
      try {
        expect((await kindOf(limited.execute(LONG))).kind).toBe('statement-timeout')
        await limited.acquireLock({ timeoutMs: 30_000, onWait: () => {} })
        await limited.releaseLock()
      } finally {
        await limited.close()
      }
      await db.raw('START TRANSACTION')
      const slow = kindOf(db.execute(`CREATE TABLE slow AS ${LONG}`))
      await new Promise((resolve) => setTimeout(resolve, 300))
      await db.cancel()
      expect((await slow).kind).toBe('cancelled')
      expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
    }))

  test('with a limit for each statement never stops the one after it', () =>
    inDatabase(async (_, url) => {
      const limited = await mysql.connect(url, { ...OPTIONS, statementTimeoutMs: 200 })
      try {
        for (let n = 0; n < 20; n++) {
          await limited.execute(`DO SLEEP(${0.19 + n * 0.001})`).catch(() => undefined)
          expect(Number((await limited.query('SELECT SLEEP(0.05) AS stopped'))[0]!.stopped)).toBe(0)
        }
        // Those that wait for their turn are not late for it.
        const together = Array.from({ length: 5 }, (_, n) => limited.query(`SELECT ${n} AS n, SLEEP(0.08) AS s`))
        expect((await Promise.all(together)).map(([row]) => Number(row!.n))).toEqual([0, 1, 2, 3, 4])
        for (const sql of [LONG, `CREATE TABLE slow AS ${LONG}`])
          expect((await kindOf(limited.execute(sql))).kind).toBe('statement-timeout')
        expect(await limited.tables()).toEqual([])
      } finally {
        await limited.close()
      }
    }))

  test('that is called off is not the one after it, whenever that comes', () =>
    inDatabase(async (db) => {
      for (let n = 0; n < 20; n++) {
        const first = db.query(`SELECT SLEEP(${0.02 + n * 0.001}) AS s`).catch(() => [])
        await new Promise((resolve) => setTimeout(resolve, 25))
        const stopping = db.cancel()
        await first
        expect((await db.query('SELECT 7 AS seven FROM (SELECT SLEEP(0.03)) AS t')).length).toBe(1)
        await stopping
      }
      await db.cancel()
      expect(Number((await db.query('SELECT SLEEP(0.05) AS s'))[0]!.s)).toBe(0)
    }))

  test('when the session is killed is told once: to the running statement, or to the listener', () =>
    inDatabase(async (db, url) => {
      const victim = await mysql.connect(url, OPTIONS)
      const events: Error[] = []
      victim.onLost((error) => events.push(error))
      const [me] = await victim.raw('SELECT CONNECTION_ID() AS id')
      const running = kindOf(victim.execute('DO SLEEP(20)'))
      await new Promise((resolve) => setTimeout(resolve, 300))
      await db.raw(`KILL ${me?.id}`)
      expect((await running).kind).toBe('connection')
      expect((await kindOf(victim.query('SELECT 1'))).kind).toBe('connection')
      expect(events).toEqual([])
      await victim.close()

      const idle = await mysql.connect(url, OPTIONS)
      const [id] = await idle.raw('SELECT CONNECTION_ID() AS id')
      const lost = new Promise<Error>((resolve) => idle.onLost(resolve))
      await db.raw(`KILL ${id?.id}`)
      expect(mysql.explain(await lost).kind).toBe('connection')
      await idle.close()
    }))

  test('when the connection is cut while committing is not guessed', () =>
    inDatabase(async (db) => {
      const { host, port } = address()
      const sockets: Socket[] = []
      let cut = false
      const { connect } = await import('node:net')
      const proxy = createServer((client) => {
        const server = connect(port, host)
        sockets.push(client, server)
        client.on('data', (data) => {
          if (data.includes('COMMIT')) cut = true
          if (cut) for (const socket of sockets) socket.destroy()
          else server.write(data)
        })
        server.on('data', (data) => client.write(data))
        for (const socket of [client, server]) socket.on('error', () => {})
      }).listen(0)
      const far = urlOf(db.database, { host: `127.0.0.1:${(proxy.address() as { port: number }).port}` })
      const session = await mysql.connect(far, OPTIONS)
      const error = await refusal(session.transaction({}, async () => undefined))
      expect(error.name).toBe('CommitUnknownError')
      expect(mysql.explain(error).kind).toBe('connection')
      await session.close()
      proxy.close()
    }))
})

describeMysql('a URL', () => {
  const describeUrl = (href: string) => mysql.describe(new DatabaseUrl(href, '/project'))

  test('is read as Prisma reads it', () => {
    expect(describeUrl('mysql://u:p@host/db')).toBe('mysql host:3306/db')
    expect(describeUrl('mariadb://u@[::1]:3307/my%20db?connection_limit=5&pool_timeout=3&unknown=1')).toBe(
      'mysql [::1]:3307/my db',
    )
    expect(describeUrl('mysql://u:p%40s@localhost/db?socket=/run/mysqld/mysqld.sock')).toBe(
      'mysql /run/mysqld/mysqld.sock/db',
    )
    expect(describeUrl('MYSQL://u:p@ss/w:rd%21@host:1/db')).toBe('mysql host:1/db')
    for (const wrong of [
      'postgresql://u:secret@h/db',
      'mysql://u:secret@h',
      'mysql://u:secret@h/',
      'mysql://u:secret@h:99999/db',
      'nonsense',
    ]) {
      expect(() => describeUrl(wrong)).toThrow(/mysql:\/\/USER/)
      expect(() => describeUrl(wrong)).not.toThrow(/secret/)
    }
  })

  test('names another database on the same server', () => {
    const other = mysql.withDatabase(new DatabaseUrl('mysql://u:p%2F@h:1/db?socket=/a/b#x', '/'), 'e f/g')
    expect(other.reveal()).toBe('mysql://u:p%2F@h:1/e%20f%2Fg?socket=/a/b#x')
    expect(mysql.withDatabase(new DatabaseUrl('mysql://h', '/'), 'x').reveal()).toBe('mysql://h/x')
  })

  test('of a database that is missing can create it', async () => {
    const database = name()
    expect(await mysql.createDatabase(urlOf(database), OPTIONS)).toBe(true)
    expect(await mysql.createDatabase(urlOf(database), OPTIONS)).toBe(false)
    const db = await mysql.connect(urlOf(database), OPTIONS)
    expect(await db.raw('SELECT @@collation_database AS c')).toEqual([{ c: 'utf8mb4_unicode_ci' }])
    await db.raw(`DROP DATABASE ${database}`)
    await db.close()
  })

  test('opened for reading writes nothing', () =>
    inDatabase(async (db, url) => {
      await db.execute('CREATE TABLE t (i INT)')
      const reader = await mysql.connect(url, { ...OPTIONS, readOnly: true })
      expect((await kindOf(reader.execute('INSERT INTO t VALUES (1)'))).kind).toBe('read-only')
      expect((await kindOf(reader.execute('DROP TABLE t'))).kind).toBe('read-only')
      expect(await reader.query('SELECT * FROM t')).toEqual([])
      await reader.close()
    }))
})
