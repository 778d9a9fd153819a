/** What every database must do for rays. A new engine passes this suite. */
import fc from 'fast-check'
import {
  type Connection,
  type Engine,
  type LockOptions,
  LockTimeoutError,
  type Provider,
  ShadowRefusedError,
  type ShadowRequest,
  TransactionEndedError,
} from '../../engines/engine.js'
import { engineFor, providerOfUrl } from '../../engines/index.js'
import { DatabaseUrl } from '../../engines/url.js'
import {
  connectOptions,
  describeDatabases,
  dumpSchema,
  type FreshDatabase,
  type TestDatabase,
} from '../support/databases.js'

const soon: LockOptions = { timeoutMs: 400, onWait: () => undefined }
const patient: LockOptions = { timeoutMs: 8000, onWait: () => undefined }

describeDatabases('the contract', (database: TestDatabase) => {
  let engine: Engine
  let db: FreshDatabase
  const open: Connection[] = []
  const connect = async (options: Partial<typeof connectOptions> & { readOnly?: boolean } = {}) => {
    const connection = await engine.connect(db.url, { ...connectOptions, ...options })
    open.push(connection)
    return connection
  }
  const p = (n: number) => engine.syntax.placeholder(n)
  const q = (name: string) => engine.quote(name)
  const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => {
        throw new Error('it should have failed')
      },
      (error: unknown) => error,
    )
  const kindOf = async (work: Promise<unknown>) => engine.explain(await failure(work)).kind

  beforeAll(async () => {
    engine = await engineFor(database.provider)
  })
  beforeEach(async () => {
    db = await database.fresh()
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connection) => connection.close().catch(() => undefined)))
    await db.drop()
  })

  describe('connecting', () => {
    test('tells the database it is connected to, and never a password', async () => {
      const connection = await connect()
      expect(connection.target).toContain(db.name)
      expect(connection.target).toBe(engine.describe(db.url))
      expect(connection.version).toMatch(/^(PostgreSQL|MySQL|MariaDB|SQLite) \d+\.\d+/)
      expect(providerOfUrl(db.url)).toBe(database.provider)
      expect(connection.engine.provider).toBe(database.provider)
    })

    test('a missing database is told as such and never created by connecting; createDatabase creates it once', async () => {
      const url = engine.withDatabase(db.url, `${db.name}_new`)
      expect(await kindOf(engine.connect(url, connectOptions))).toBe('missing-database')
      expect(await kindOf(engine.connect(url, connectOptions))).toBe('missing-database')
      expect(await engine.createDatabase(url, connectOptions)).toBe(true)
      expect(await engine.createDatabase(url, connectOptions)).toBe(false)
      const connection = await engine.connect(url, connectOptions)
      expect(await connection.tables()).toEqual([])
      if (engine.needsServer) await (await connect()).raw(`SELECT 1`)
      await connection.close()
      if (engine.needsServer) await db.query(`DROP DATABASE ${q(`${db.name}_new`)}`)
    })

    test('closing twice is harmless, and a closed session refuses statements', async () => {
      const connection = await connect()
      await connection.close()
      await connection.close()
      await failure(connection.raw('SELECT 1'))
    })

    test('a session for reading only writes nothing', async () => {
      await db.query('CREATE TABLE a (id INTEGER)')
      const connection = await connect({ readOnly: true })
      expect(await connection.raw('SELECT * FROM a')).toEqual([])
      expect(['read-only', 'permission']).toContain(await kindOf(connection.raw('INSERT INTO a VALUES (1)')))
    })

    test('two sessions with one database have one identity, and another database has another', async () => {
      const identity = await (await connect()).identify()
      expect(await (await connect()).identify()).toBe(identity)
      const other = await database.fresh()
      const connection = await engine.connect(other.url, connectOptions)
      expect(await connection.identify()).not.toBe(identity)
      await connection.close()
      await other.drop()
    })
  })

  describe('statements and values', () => {
    test('parameters go where `:?` stands outside of strings and comments', async () => {
      const connection = await connect()
      const rows = await connection.query(`SELECT :? AS a, ':?' AS b /* :? */, :? AS c -- :?`, ['x', "it's"])
      expect(rows).toEqual([{ a: 'x', b: ':?', c: "it's" }])
      await failure(connection.query('SELECT :?', []))
      await failure(connection.query('SELECT :?', [1, 2]))
    })

    test('raw uses the placeholders of the database, and change counts rows', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)')
      expect(await connection.raw(`SELECT id FROM a WHERE id = ${p(1)}`, [2])).toEqual([{ id: 2 }])
      expect(await connection.change('UPDATE a SET id = id + 10')).toBe(2)
      expect(await connection.change(`DELETE FROM a WHERE id = ${p(1)}`, [99])).toBe(0)
    })

    test('undefined is refused before anything is sent, and objects become JSON text, as literals, too', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (x VARCHAR(100))')
      const error = await failure(connection.execute('INSERT INTO a VALUES (:?)', [undefined]))
      expect(String(error)).toMatch(/parameter 1 is undefined/)
      const value = { a: "it's \\", b: [1] }
      await connection.execute('INSERT INTO a VALUES (:?)', [value])
      await connection.raw(`INSERT INTO a VALUES (${engine.literal(value)})`)
      const row = { x: JSON.stringify(value) }
      expect(await connection.query('SELECT x FROM a')).toEqual([row, row])
    })

    test('64-bit integers keep every digit', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (x BIGINT)')
      for (const value of [9007199254740993n, -9223372036854775808n, 9223372036854775807n]) {
        await connection.execute('INSERT INTO a VALUES (:?)', [value])
        expect(await connection.query('SELECT x FROM a WHERE x = :?', [value])).toEqual([{ x: value }])
        expect(await connection.query(`SELECT x FROM a WHERE x = ${engine.literal(value)}`)).toEqual([{ x: value }])
      }
      await connection.execute('INSERT INTO a VALUES (:?)', [5])
      expect(await connection.query('SELECT x FROM a WHERE x = 5')).toEqual([{ x: 5 }])
    })

    test('texts come back as they went, as parameters and as literals', async () => {
      const connection = await connect()
      const table =
        database.provider === 'mysql' ? 'CREATE TABLE a (x LONGTEXT CHARACTER SET utf8mb4)' : 'CREATE TABLE a (x TEXT)'
      await connection.script(table)
      const check = async (text: string) => {
        await connection.raw('DELETE FROM a')
        await connection.execute('INSERT INTO a VALUES (:?)', [text])
        await connection.raw(`INSERT INTO a VALUES (${engine.literal(text)})`)
        expect(await connection.query('SELECT x FROM a')).toEqual([{ x: text }, { x: text }])
      }
      for (const text of [
        "it's",
        'a\\b\\\'c"d`e',
        "\\'; DROP TABLE a; --",
        ':? ? $1 $$',
        '\u{1F600} \u202E rtl',
        'a\r\nb\tc',
        '',
      ])
        await check(text)
      const texts = fc
        .string({ unit: 'binary', maxLength: 40 })
        .filter((text) => !text.includes('\0') && !/[\ud800-\udfff]/u.test(text))
      await fc.assert(fc.asyncProperty(texts, check), { numRuns: 30 })
    })

    test('the literals of numbers, booleans, bytes, null and times mean their values', async () => {
      const connection = await connect()
      const value = async (literal: string) => Object.values((await connection.raw(`SELECT ${literal} AS v`))[0]!)[0]
      expect(Number(await value(engine.literal(-1.5)))).toBe(-1.5)
      expect(Number(await value(engine.literal(true)))).toBe(1)
      expect(await value(engine.literal(null))).toBeNull()
      expect(
        Buffer.from((await value(engine.literal(new Uint8Array([0, 39, 92, 255])))) as Uint8Array).toString('hex'),
      ).toBe('00275cff')
      expect(() => engine.literal(undefined)).toThrow()
      const at = new Date('2026-11-20T12:41:33.741Z')
      const type = { postgresql: 'TIMESTAMP(3)', mysql: 'DATETIME(3)', sqlite: 'DATETIME' }[database.provider]
      await connection.script(`CREATE TABLE a (x ${type})`)
      await connection.raw(`INSERT INTO a VALUES (${engine.literal(at)})`)
      await connection.execute('INSERT INTO a VALUES (:?)', [at])
      for (const row of await connection.query('SELECT x FROM a')) expect(new Date(row.x as string | Date)).toEqual(at)
    })

    test('names with any characters are quoted, and those that would be cut are refused', async () => {
      const connection = await connect()
      for (const name of ['a b', 'q"q', 'b`b', "s's", ';x', 'ü\u{1F600}', 'select']) {
        if (database.provider === 'mysql' && name.includes('\u{1F600}')) continue // MySQL: names are in the BMP
        await connection.raw(`CREATE TABLE ${q(name)} (${q(name)} INTEGER)`)
        expect(await connection.hasTable(name)).toBe(true)
      }
      expect(() => engine.quote('a\0b')).toThrow()
      if (engine.identifierLimit) expect(() => engine.quote('x'.repeat(engine.identifierLimit! + 1))).toThrow()
    })

    test('a text with NUL never runs half a statement', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER)')
      await connection.raw('INSERT INTO a VALUES (1) /* \0 */ ').catch(() => undefined)
      const rows = await connection.raw('SELECT id FROM a')
      expect(rows.length).toBeLessThanOrEqual(1)
      await failure(connection.raw('DELETE FROM a \0 WHERE id = 7'))
      expect(await connection.raw('SELECT id FROM a')).toEqual(rows)
    })

    test('tells each statement it sends, without its parameters', async () => {
      const seen: string[] = []
      const connection = await engine.connect(db.url, {
        ...connectOptions,
        onStatement: (sql, ms) => seen.push(`${sql} ${ms >= 0}`),
      })
      open.push(connection)
      seen.length = 0
      await connection.query('SELECT :? AS a', ['secret'])
      expect(seen).toHaveLength(1)
      expect(seen[0]).toMatch(/^SELECT .* true$/)
      expect(seen[0]).not.toContain('secret')
    })
  })

  describe('errors are told in one vocabulary', () => {
    test.each([
      ['syntax', 'SELEC 1'],
      ['missing-table', 'SELECT * FROM nowhere'],
      ['data', 'INSERT INTO a VALUES (1)'],
      ['data', 'INSERT INTO a VALUES (NULL)'],
    ])('%s: %s', async (kind, sql) => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER NOT NULL UNIQUE); INSERT INTO a VALUES (1)')
      const info = engine.explain(await failure(connection.raw(sql)))
      expect(info.kind).toBe(kind)
      expect(info.code).not.toBe('')
      expect(info.message).not.toBe('')
    })

    test('anything that is thrown can be told', () => {
      for (const thrown of [undefined, null, 'text', 7, new Error('x'), {}])
        expect(engine.explain(thrown)).toMatchObject({ kind: 'other', message: expect.any(String) })
    })
  })

  describe('the history table', () => {
    test('is created once, and its times come back exactly', async () => {
      const connection = await connect()
      expect(await connection.hasTable('_prisma_migrations')).toBe(false)
      await connection.script(connection.history.createTable)
      await connection.script(connection.history.createTable)
      expect(await connection.hasTable('_prisma_migrations')).toBe(true)
      const at = new Date('2026-11-20T12:41:33.741Z')
      const { table, time, readTime, timeColumn } = connection.history
      await connection.change(
        `INSERT INTO ${table} (id, checksum, migration_name, started_at, finished_at) VALUES ('1', 'c', 'm', ${p(1)}, ${p(2)})`,
        [time(at), time(at)],
      )
      const [row] = await connection.raw(
        `SELECT ${timeColumn('started_at')} AS started_at, ${timeColumn('rolled_back_at')} AS rolled_back_at FROM ${table}`,
      )
      expect(readTime(row!.started_at)).toEqual(at)
      expect(readTime(row!.rolled_back_at)).toBeNull()
      expect(await connection.tables()).toEqual([])
    })
  })

  describe('transactions', () => {
    test('everything is kept, or nothing', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER)')
      await connection.acquireLock(patient)
      const result = await connection.transaction({}, async (transaction) => {
        expect(connection.inTransaction()).toBe(true)
        await connection.execute('INSERT INTO a VALUES (1)')
        await transaction.check()
        return 'result'
      })
      expect(result).toBe('result')
      expect(connection.inTransaction()).toBe(false)
      const boom = new Error('boom')
      expect(
        await failure(
          connection.transaction({}, async () => {
            await connection.execute('INSERT INTO a VALUES (2)')
            throw boom
          }),
        ),
      ).toBe(boom)
      expect(connection.inTransaction()).toBe(false)
      expect(await db.query('SELECT id FROM a')).toEqual([{ id: 1 }])
    })

    test('a failed statement undoes the statements before it', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER)')
      const before = await dumpSchema(db)
      await failure(
        connection.transaction({}, async () => {
          if (engine.transactionalDdl) await connection.execute('CREATE TABLE b (id INTEGER)')
          await connection.execute('INSERT INTO a VALUES (1)')
          await connection.execute('SELEC 1')
        }),
      )
      expect(await dumpSchema(db)).toBe(before)
      expect(await db.query('SELECT id FROM a')).toEqual([])
      expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })

    test.each([
      ['COMMIT', ['COMMIT']],
      ['ROLLBACK', ['ROLLBACK']],
      ['COMMIT and BEGIN', ['COMMIT', 'BEGIN']],
    ])('an operation that ends the transaction with %s is noticed', async (_title, statements) => {
      const connection = await connect()
      if (!engine.transactionalDdl) return
      const error = await failure(
        connection.transaction({}, async (transaction) => {
          for (const sql of statements) await connection.execute(sql)
          await transaction.check()
        }),
      )
      expect(error).toBeInstanceOf(TransactionEndedError)
      expect(connection.inTransaction()).toBe(false)
      expect(await connection.transaction({}, async () => 'again')).toBe('again')
    })

    test('settings that an operation changed are put back', async () => {
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INTEGER PRIMARY KEY)')
      const change = {
        postgresql:
          "SELECT set_config('search_path', '', false); SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = 7",
        mysql: "SET sql_mode = 'ANSI_QUOTES', time_zone = '+09:00'",
        sqlite: 'PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON',
      }[database.provider]
      const settings = {
        postgresql:
          "SELECT current_setting('search_path') AS a, current_setting('TimeZone') AS b, current_setting('statement_timeout') AS c",
        mysql: 'SELECT @@sql_mode AS a, @@time_zone AS b',
        sqlite: 'SELECT * FROM pragma_foreign_keys, pragma_ignore_check_constraints',
      }[database.provider]
      const before = await connection.raw(settings)
      await connection.script(change)
      expect(await connection.raw(settings)).not.toEqual(before)
      await connection.restoreSettings()
      expect(await connection.raw(settings)).toEqual(before)
      expect(await connection.raw('SELECT id FROM a')).toEqual([])
    })
  })

  describe('the migration lock', () => {
    test('excludes a second session, which is told of the holder and gets it afterwards', async () => {
      const first = await connect()
      const second = await connect()
      await first.acquireLock(patient)
      expect(await first.holdsLock()).toBe(true)
      if (!engine.needsServer) return // The lock of a file belongs to the transaction; see the next test.
      const heard: string[] = []
      const started = performance.now()
      const error = await failure(second.acquireLock({ timeoutMs: 1500, onWait: (holder) => heard.push(holder) }))
      expect(error).toBeInstanceOf(LockTimeoutError)
      expect((error as LockTimeoutError).holder).not.toBe('')
      expect(performance.now() - started).toBeLessThan(6000)
      expect(heard.length).toBeGreaterThan(0)
      const waiting = second.acquireLock(patient)
      await first.releaseLock()
      await waiting
      expect(await second.holdsLock()).toBe(true)
    })

    test('a transaction of another writer is waited for, and a busy database is told at the limit', async () => {
      if (engine.needsServer) return
      await db.query('CREATE TABLE a (id INTEGER)')
      const other = await db.session()
      await other.query('BEGIN IMMEDIATE')
      const connection = await connect()
      const error = await failure(connection.acquireLock(soon))
      expect(error).toBeInstanceOf(LockTimeoutError)
      expect((error as LockTimeoutError).message).toMatch(/Prisma Studio/)
      setTimeout(() => void other.query('COMMIT'), 300)
      await connection.acquireLock(patient)
      await connection.transaction({}, async () => connection.execute('INSERT INTO a VALUES (1)'))
      expect(await db.query('SELECT id FROM a')).toEqual([{ id: 1 }])
    })

    test('what was released is free', async () => {
      const first = await connect()
      await first.acquireLock(patient)
      await first.releaseLock()
      const second = await connect()
      await second.acquireLock(soon)
      await second.releaseLock()
    })

    test('a session that ends lets go of the lock', async () => {
      const first = await connect()
      await first.acquireLock(patient)
      await first.close()
      const second = await connect()
      await second.acquireLock(patient)
      expect(await second.holdsLock()).toBe(true)
    })

    test('waiting stops when asked to', async () => {
      const holder = await db.session()
      if (database.provider === 'sqlite') await holder.query('BEGIN IMMEDIATE')
      if (database.provider === 'postgresql') await holder.query('SELECT pg_advisory_lock(72707369)')
      if (database.provider === 'mysql') await holder.query("SELECT GET_LOCK('prisma_migrate', 1)")
      const connection = await connect()
      const stop = new AbortController()
      setTimeout(() => stop.abort(143), 200)
      const started = performance.now()
      await failure(connection.acquireLock({ ...patient, signal: stop.signal }))
      expect(performance.now() - started).toBeLessThan(4000)
      await holder.close()
    })
  })

  describe('stopping', () => {
    test('a running statement is cancelled from outside', async () => {
      if (!engine.needsServer) return
      const connection = await connect()
      const sleep = { postgresql: 'SELECT pg_sleep(30)', mysql: 'SELECT SLEEP(30)', sqlite: '' }[database.provider]
      const started = performance.now()
      const running = connection.raw(sleep).then(
        () => 'ended',
        (error) => engine.explain(error).kind,
      )
      await new Promise((resolve) => setTimeout(resolve, 300))
      await connection.cancel()
      // MariaDB: SLEEP answers 1 when it is killed, instead of failing.
      expect(['cancelled', ...(database.provider === 'mysql' ? ['ended'] : [])]).toContain(await running)
      expect(performance.now() - started).toBeLessThan(10_000)
      expect(await connection.raw('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })

    test('cancelling when nothing runs is harmless', async () => {
      const connection = await connect()
      await connection.cancel()
      expect(await connection.raw('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })

    test('a statement over its time limit is ended', async () => {
      if (!engine.needsServer) return
      const connection = await connect({ statementTimeoutMs: 300 })
      const sleep = { postgresql: 'SELECT pg_sleep(30)', mysql: 'SELECT SLEEP(30)', sqlite: '' }[database.provider]
      expect(await kindOf(connection.raw(sleep))).toBe('statement-timeout')
    })

    test('a table that another session holds is given up after the lock limit', async () => {
      if (!engine.needsServer) return
      await db.query('CREATE TABLE a (id INTEGER PRIMARY KEY)')
      const other = await db.session()
      await other.query('BEGIN')
      await other.query('SELECT * FROM a')
      const connection = await connect({ lockTimeoutMs: 1000 })
      expect(await kindOf(connection.raw('ALTER TABLE a ADD COLUMN x INTEGER'))).toBe('lock-timeout')
    })

    test('a session that the server ends is told once, to whoever listens', async () => {
      if (!engine.needsServer) return
      const connection = await connect()
      const id = {
        postgresql: 'SELECT pg_backend_pid() AS id',
        mysql: 'SELECT CONNECTION_ID() AS id',
        sqlite: '',
      }[database.provider]
      const kill = async (target: Connection) => {
        const [row] = await target.raw(id)
        return database.provider === 'mysql' ? `KILL ${row!.id}` : `SELECT pg_terminate_backend(${row!.id})`
      }
      const heard: Error[] = []
      connection.onLost((error) => heard.push(error))
      await db.query(await kill(connection))
      for (let i = 0; i < 100 && heard.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 100))
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(heard).toHaveLength(1)
      expect(await kindOf(connection.raw('SELECT 1'))).toBe('connection')

      const busy = await connect()
      const late: Error[] = []
      busy.onLost((error) => late.push(error))
      const order = await kill(busy)
      const running = kindOf(busy.raw(database.provider === 'mysql' ? 'SELECT SLEEP(20)' : 'SELECT pg_sleep(20)'))
      setTimeout(() => void db.query(order), 200)
      expect(await running).toBe('connection')
    })
  })

  describe('what the database holds', () => {
    const parent = () =>
      `CREATE TABLE ${q('Parent')} (id INTEGER NOT NULL, ${q('code')} VARCHAR(20) NOT NULL, note VARCHAR(50) DEFAULT 'x', PRIMARY KEY (id))`
    const child = () =>
      `CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, parent_id INTEGER, CHECK (id > 0), CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES ${q('Parent')} (id))`

    test('tables with columns, keys and references', async () => {
      const connection = await connect()
      await connection.raw(parent())
      await connection.raw(`CREATE UNIQUE INDEX u ON ${q('Parent')} (${q('code')})`)
      await connection.raw(child())
      await connection.raw('CREATE VIEW v AS SELECT id FROM child')
      const tables = await connection.tables()
      expect(tables.map((table) => table.name).sort()).toEqual(['Parent', 'child'])
      const [one, two] = [
        tables.find((table) => table.name === 'Parent')!,
        tables.find((table) => table.name === 'child')!,
      ]
      expect(one.primaryKey).toEqual(['id'])
      expect(one.uniques).toEqual([['code']])
      expect(one.columns.map(({ name, nullable, generated }) => ({ name, nullable, generated }))).toEqual([
        { name: 'id', nullable: false, generated: false },
        { name: 'code', nullable: false, generated: false },
        { name: 'note', nullable: true, generated: false },
      ])
      expect(one.columns[2]!.hasDefault).toBe(true)
      expect(one.columns[1]!.type).toMatch(/^(character varying|varchar)\(20\)$/)
      expect(two.checks).toBe(1)
      expect(two.foreignKeys).toHaveLength(1)
      expect(two.foreignKeys[0]).toMatchObject({
        columns: ['parent_id'],
        references: { table: 'Parent', columns: ['id'] },
      })
    })

    test('reset leaves nothing, whatever refers to whatever, and the session goes on', async () => {
      const connection = await connect()
      const empty = await dumpSchema(db)
      await connection.script(connection.history.createTable)
      await connection.raw(parent())
      await connection.raw(child())
      await connection.raw(`INSERT INTO ${q('Parent')} (id, code) VALUES (1, 'a')`)
      await connection.raw('INSERT INTO child VALUES (1, 1)')
      await connection.raw('CREATE VIEW v AS SELECT id FROM child')
      await connection.reset()
      expect(await dumpSchema(db)).toBe(empty)
      expect(await connection.hasTable('_prisma_migrations')).toBe(false)
      await connection.raw(parent())
    })

    test('made-up rows fit their columns and differ, and the neutral values of types are accepted', async () => {
      const connection = await connect()
      const types: Record<Provider, string[]> = {
        postgresql: [
          'TEXT',
          'VARCHAR(3)',
          'INTEGER',
          'SMALLINT',
          'BIGINT',
          'BOOLEAN',
          'DOUBLE PRECISION',
          'DECIMAL(65,30)',
          'DECIMAL(5,2)',
          'TIMESTAMP(3)',
          'TIMESTAMPTZ(6)',
          'DATE',
          'TIME(3)',
          'JSONB',
          'JSON',
          'BYTEA',
          'UUID',
          'INET',
          'BIT(4)',
          'VARBIT(8)',
          'XML',
          'MONEY',
          'CHAR(2)',
          'TEXT[]',
          '"Role"',
          '"Role"[]',
          'REAL',
        ],
        mysql: [
          'VARCHAR(191)',
          'INTEGER',
          'BIGINT',
          'BOOLEAN',
          'DOUBLE',
          'DECIMAL(65,30)',
          'DATETIME(3)',
          'DATE',
          'TIME',
          'LONGBLOB',
          "ENUM('a','b')",
        ],
        sqlite: ['TEXT', 'INTEGER', 'BIGINT', 'BOOLEAN', 'REAL', 'DECIMAL', 'DATETIME', 'BLOB', 'JSONB'],
      }
      if (database.provider === 'postgresql') await connection.raw(`CREATE TYPE "Role" AS ENUM ('A', 'B')`)
      for (const type of types[database.provider]) {
        await connection.raw(`CREATE TABLE a (x ${type})`)
        const [column] = (await connection.tables()).find((table) => table.name === 'a')!.columns
        for (const n of [0, 1, 2]) {
          const value = engine.sample(column!, n)
          if (value === undefined) throw new Error(`no sample for ${type} (${column!.type})`)
          await connection.raw(`INSERT INTO a VALUES (${value})`)
        }
        const neutral = engine.neutral(type)
        if (neutral === undefined) throw new Error(`no neutral value for ${type}`)
        await connection.raw(`INSERT INTO a VALUES (${neutral})`)
        await connection.raw('DROP TABLE a')
      }
      expect(engine.neutral('GEOMETRY(POINT, 4326)')).toBe(database.provider === 'sqlite' ? '0' : undefined)
    })
  })

  describe('shadow databases', () => {
    const request = (more: Partial<ShadowRequest> = {}): ShadowRequest => ({
      url: db.url,
      purpose: 'rays',
      knownTables: [],
      clear: false,
      connect: connectOptions,
      ...more,
    })

    test('a new one is empty, works, is another database, and is gone afterwards', async () => {
      await db.query('CREATE TABLE mine (id INTEGER); INSERT INTO mine VALUES (1)')
      const connection = await connect()
      const one = await engine.openShadow(request())
      const two = await engine.openShadow(request({ purpose: 'prisma' }))
      expect(await one.connection.tables()).toEqual([])
      await one.connection.script('CREATE TABLE a (id INTEGER)')
      expect(await two.connection.tables()).toEqual([])
      const identities = [await connection.identify(), await one.connection.identify(), await two.connection.identify()]
      expect(new Set(identities).size).toBe(3)
      const name = one.connection.database
      await one.dispose()
      await one.dispose()
      await two.dispose()
      if (engine.needsServer)
        expect(await kindOf(engine.connect(engine.withDatabase(db.url, name), connectOptions))).toBe('missing-database')
      expect(await db.query('SELECT id FROM mine')).toEqual([{ id: 1 }])
    })

    test('the main database is refused under each of its names, and stays as it is', async () => {
      await db.query('CREATE TABLE mine (id INTEGER)')
      const before = await dumpSchema(db)
      const extra = new DatabaseUrl(`${db.href}${db.href.includes('?') ? '&' : '?'}connection_limit=1`, db.url.base)
      for (const configured of [{ url: db.url }, { name: db.name }, { url: extra }]) {
        const error = await failure(engine.openShadow(request({ configured, clear: true, knownTables: ['mine'] })))
        expect(error).toBeInstanceOf(ShadowRefusedError)
        expect(String(error)).toMatch(/main database/)
      }
      expect(await dumpSchema(db)).toBe(before)
    })

    test('a configured one with unknown tables is refused unless clearing it is consented to; it is emptied and kept', async () => {
      const shadow = await database.fresh()
      await shadow.query('CREATE TABLE stranger (id INTEGER); INSERT INTO stranger VALUES (1)')
      const configured = { url: shadow.url }
      const error = await failure(engine.openShadow(request({ configured })))
      expect(error).toBeInstanceOf(ShadowRefusedError)
      expect(String(error)).toMatch(/stranger/)
      expect(await shadow.query('SELECT id FROM stranger')).toEqual([{ id: 1 }])
      await shadow.query('DELETE FROM stranger')
      const { connection, dispose } = await engine.openShadow(request({ configured, knownTables: ['stranger'] }))
      expect(await connection.tables()).toEqual([])
      await connection.script('CREATE TABLE left_over (id INTEGER)')
      await dispose()
      await shadow.close()
      const after = await engine.connect(shadow.url, connectOptions)
      expect(await after.tables()).toEqual([])
      await after.close()
      await shadow.query('CREATE TABLE stranger (id INTEGER)')
      const cleared = await engine.openShadow(request({ configured, clear: true }))
      expect(await cleared.connection.tables()).toEqual([])
      await cleared.dispose()
      await shadow.drop()
    })

    test('a row in a table that is known, or in the history, needs consent as well, and consent is to one name', async () => {
      const shadow = await database.fresh()
      const name = engine.nameOf(shadow.url)
      const known = { configured: { url: shadow.url }, knownTables: ['known'] }
      try {
        await shadow.query('CREATE TABLE known (id INTEGER)')
        await (await engine.openShadow(request(known))).dispose()
        for (const [table, told] of [
          ['known', /rows: (?:public\.)?known \(1 row\)/],
          ['_prisma_migrations', /history of migrations/],
        ] as const) {
          await shadow.query(`DROP TABLE IF EXISTS ${table}`)
          await shadow.query(`CREATE TABLE ${table} (id INTEGER)`)
          await shadow.query(`INSERT INTO ${table} VALUES (1)`)
          for (const clear of [false, 'another', `${name}x`]) {
            const error = await failure(engine.openShadow(request({ ...known, clear })))
            expect(error).toBeInstanceOf(ShadowRefusedError)
            expect(error).toMatchObject({ clearable: true, database: name })
            expect(String(error)).toMatch(told)
          }
          expect(await shadow.query(`SELECT id FROM ${table}`)).toEqual([{ id: 1 }])
          await (await engine.openShadow(request({ ...known, clear: name }))).dispose()
          await (await engine.openShadow(request({ configured: known.configured }))).dispose()
        }
      } finally {
        await shadow.drop()
      }
    })

    test("a configured one is one run's at a time", async () => {
      if (!engine.needsServer) return
      const shadow = await database.fresh()
      const configured = { url: shadow.url }
      const soon = { ...connectOptions, lockTimeoutMs: 300 }
      try {
        const first = await engine.openShadow(request({ configured }))
        await first.connection.script('CREATE TABLE a (id INTEGER)')
        const error = await failure(engine.openShadow(request({ configured, clear: true, connect: soon })))
        expect(error).toBeInstanceOf(LockTimeoutError)
        expect(await first.connection.tables()).toHaveLength(1)
        await first.dispose()
        await (await engine.openShadow(request({ configured, connect: soon }))).dispose()
      } finally {
        await shadow.drop()
      }
    })

    test('a configured one without any table, but with other objects, is refused with their names, and keeps them', async () => {
      const objects = {
        postgresql: [
          [
            'function lib.f(integer)',
            'CREATE SCHEMA lib; CREATE FUNCTION lib.f(i INT) RETURNS INT LANGUAGE SQL AS $$ SELECT i $$',
          ],
          ['materialized view lib.m', 'CREATE MATERIALIZED VIEW lib.m AS SELECT * FROM generate_series(1, 10) AS i'],
          ['schema lib', ''],
          ['view public.v', 'CREATE VIEW v AS SELECT 1 AS one'],
          ['sequence public.s', 'CREATE SEQUENCE s'],
          ['enum public.mood', "CREATE TYPE mood AS ENUM ('good')"],
          ['domain public.d', 'CREATE DOMAIN d AS INT CHECK (VALUE > 0)'],
          ['type public.r', 'CREATE TYPE r AS RANGE (SUBTYPE = INT)'],
          ['collation public.c', `CREATE COLLATION c FROM "C"`],
        ],
        mysql: [
          ['view v', 'CREATE VIEW v AS SELECT 1 AS one'],
          ['function f', 'CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1'],
          ['procedure p', 'CREATE PROCEDURE p() SELECT 1'],
          ['event e', 'CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 DAY DO SELECT 1'],
        ],
        sqlite: [
          ['view v', 'CREATE VIEW v AS SELECT 1 AS one'],
          ['virtual table search', 'CREATE VIRTUAL TABLE search USING fts5(body)'],
        ],
      }[database.provider] as [string, string][]
      const shadow = await database.fresh()
      const [version] = database.provider === 'mysql' ? await shadow.query('SELECT VERSION() AS v') : []
      if (/mariadb/i.test(String(version?.v))) objects.push(['sequence s', 'CREATE SEQUENCE s'])
      try {
        for (const [, make] of objects) if (make !== '') await shadow.query(make)
        const before = await dumpSchema(shadow)
        const error = await failure(engine.openShadow(request({ configured: { url: shadow.url } })))
        expect(error).toBeInstanceOf(ShadowRefusedError)
        expect(error).toMatchObject({ clearable: true })
        for (const [name] of objects) expect(String(error)).toContain(name)
        expect(await dumpSchema(shadow)).toBe(before)
        await (await engine.openShadow(request({ configured: { url: shadow.url }, clear: true }))).dispose()
        await (await engine.openShadow(request({ configured: { url: shadow.url } }))).dispose()
      } finally {
        await shadow.drop()
      }
    })

    test('a configured one with more than 1000 rows is refused whatever was consented to', async () => {
      const shadow = await database.fresh()
      await shadow.query('CREATE TABLE stranger (id INTEGER)')
      const values = Array.from({ length: 1001 }, (_, i) => `(${i})`).join(', ')
      await shadow.query(`INSERT INTO stranger VALUES ${values}`)
      const configured = { url: shadow.url }
      const error = await failure(engine.openShadow(request({ configured, clear: true, knownTables: ['stranger'] })))
      expect(error).toBeInstanceOf(ShadowRefusedError)
      expect(Number((await shadow.query('SELECT count(*) AS n FROM stranger'))[0]!.n)).toBe(1001)
      await shadow.drop()
    })
  })
})
