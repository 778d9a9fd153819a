/** What is PostgreSQL's own: URLs, the session's share of the lock, values, namespaces, leftovers. */
import { spawnSync } from 'node:child_process'
import net from 'node:net'
import {
  BadUrlError,
  CommitRefusedError,
  type Connection,
  LockLostError,
  ShadowRefusedError,
  type ShadowRequest,
} from '../../engines/engine.js'
import { postgresql as engine } from '../../engines/postgresql/index.js'
import { parsePostgresUrl } from '../../engines/postgresql/url.js'
import { shadowName } from '../../engines/shadow-name.js'
import { DatabaseUrl } from '../../engines/url.js'
import { connectOptions, describeDatabases, type FreshDatabase, type TestDatabase } from '../support/databases.js'

/** Of this database: other tests hold theirs on the same server. */
const ADVISORY = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

const at = (href: string) => new DatabaseUrl(href, '/project')
const patient = { timeoutMs: 5000, onWait: () => undefined }

describe('PostgreSQL URLs', () => {
  test.each([
    ['postgresql://u:p@h/d', { user: 'u', password: 'p', host: 'h', port: 5432, database: 'd', schema: 'public' }],
    ['postgres://u@h:6543/d?schema=a%20b', { port: 6543, schema: 'a b' }],
    ['postgresql://us%40er:p%40ss%2Fw%3Ard%2521@h/d%2Fe', { user: 'us@er', password: 'p@ss/w:rd%21', database: 'd/e' }],
    ['postgresql://u@[::1]:5433/d', { host: '::1', port: 5433 }],
    ['postgresql://u:p@/d?host=/var/run/postgresql', { host: '/var/run/postgresql', tls: 'disable' }],
    ['postgresql://u@%2Ftmp/d', { host: '/tmp' }],
    ['postgresql://u@LOCALHOST/d', { host: 'localhost' }],
    ['postgresql://h', { user: 'postgres', database: 'postgres' }],
    ['postgresql://h/d?sslmode=require', { tls: 'require' }],
    ['postgresql://h/d?sslmode=disable', { tls: 'disable' }],
    ['postgresql://h/d?sslmode=nonsense', { tls: 'prefer' }],
    [
      'postgresql://h/d?pgbouncer=true&connect_timeout=3&connection_limit=5&pool_timeout=x',
      { pooled: true, connectTimeoutMs: 3000 },
    ],
    ['postgresql://h/d?application_name=me&options=-c%20a%3Db', { applicationName: 'me', options: '-c a=b' }],
  ])('%s', (href, expected) => {
    expect(parsePostgresUrl(at(href))).toMatchObject(expected)
  })

  test.each([
    'postgresql://u:p#w@h/d',
    'postgresql://u:p/w@h/d',
    'mysql://h/d',
    'postgresql://h:port/d',
    'postgresql://h/d?connect_timeout=soon',
    'nonsense',
  ])('%s is refused with an explanation that holds no password', (href) => {
    const refusal = (() => {
      try {
        engine.describe(at(href))
      } catch (error) {
        return error
      }
    })()
    expect(refusal).toBeInstanceOf(BadUrlError)
    expect(String(refusal)).not.toMatch(/p#w|p\/w/)
  })

  test('certificates are checked when asked for, and their files are named when they cannot be read', () => {
    const tls = (query: string) => parsePostgresUrl(at(`postgresql://h.example/d?${query}`)).tlsOptions()
    expect(tls('sslmode=require&sslaccept=strict').rejectUnauthorized).toBe(true)
    expect(tls('sslmode=verify-full').rejectUnauthorized).toBe(true)
    expect(tls('sslmode=require').rejectUnauthorized).toBe(false)
    expect(() => tls('sslcert=none.pem')).toThrow(/\/project\/none\.pem/)
  })

  test('the description names host, port, database and schema', () => {
    expect(engine.describe(at('postgres://u:secret@127.0.0.1/app'))).toBe(
      'postgresql 127.0.0.1:5432/app, schema public',
    )
    expect(engine.withDatabase(at('postgresql://u:p@h/app?schema=x'), 'a b').reveal()).toBe(
      'postgresql://u:p@h/a%20b?schema=x',
    )
  })
})

describeDatabases(
  'PostgreSQL sessions',
  (database: TestDatabase) => {
    let db: FreshDatabase
    const open: Connection[] = []
    const connect = async (query = '', options = {}) => {
      const connection = await engine.connect(at(db.href + query), { ...connectOptions, ...options })
      open.push(connection)
      return connection
    }
    const failure = async (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error: unknown) => error,
      )
    beforeEach(async () => {
      db = await database.fresh()
    })
    afterEach(async () => {
      await Promise.all(open.splice(0).map((connection) => connection.close()))
      await db.drop()
    })

    test('a server that is not there is told as unreachable', async () => {
      for (const href of ['postgresql://u@127.0.0.1:1/d', 'postgresql://u@/d?host=/nowhere'])
        expect(engine.explain(await failure(engine.connect(at(href), connectOptions))).kind).toBe('connection')
    })

    test('a session tells the server who it is and is not ended for idling in a transaction', async () => {
      const connection = await connect()
      expect(
        await connection.raw(
          "SELECT current_setting('application_name') AS name, current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('lock_timeout') AS lock",
        ),
      ).toEqual([{ name: 'rays', idle: '0', lock: '5s' }])
    })

    test('work goes to the namespace of the URL, which is made with the history table', async () => {
      const connection = await connect('?schema=my%20"schema')
      await connection.script(connection.history.createTable)
      await connection.script('CREATE TABLE a (id INTEGER)')
      expect(await db.query(`SELECT count(*)::int AS n FROM "my ""schema".a`)).toEqual([{ n: 0 }])
      expect(await connection.hasTable('_prisma_migrations')).toBe(true)
      expect(await (await connect()).hasTable('_prisma_migrations')).toBe(false)
      expect((await connection.tables()).map((table) => `${table.schema}.${table.name}`)).toEqual(['my "schema.a'])
    })

    test('values come back exact, and times in UTC', async () => {
      const connection = await connect()
      await connection.raw("SET TIME ZONE 'Asia/Kolkata'")
      const [row] =
        await connection.raw(`SELECT 1.10::numeric AS n, '{"a":[1]}'::jsonb AS j, true AS b, '{1,2}'::int8[] AS i,
        '{"a,b",NULL}'::text[] AS t, '2026-01-02 03:04:05.678'::timestamp AS s, '2026-01-02 03:04:05.678+00'::timestamptz AS z,
        '2026-01-02'::date AS d, 'infinity'::timestamp AS f, '0044-03-15 BC'::date AS bc, '\\x00ff'::bytea AS y`)
      expect(row).toEqual({
        n: '1.10',
        j: { a: [1] },
        b: true,
        i: [1, 2],
        t: ['a,b', null],
        s: new Date('2026-01-02T03:04:05.678Z'),
        z: new Date('2026-01-02T03:04:05.678Z'),
        d: new Date('2026-01-02T00:00:00Z'),
        f: 'infinity',
        bc: new Date('-000043-03-15T00:00:00Z'),
        y: Buffer.from([0, 255]),
      })
    })

    test('lists are arrays, Dates are UTC whatever the session says, and text with NUL is refused', async () => {
      const connection = await connect()
      await connection.raw("SET TIME ZONE 'Asia/Kolkata'")
      const date = new Date('2026-01-02T03:04:05.678Z')
      expect(await connection.query('SELECT :?::text[] AS a, :?::timestamp AS t', [['x,"y', "it's"], date])).toEqual([
        { a: ['x,"y', "it's"], t: date },
      ])
      expect(String(await failure(connection.query('SELECT :?::text AS a', ['a\0b'])))).toMatch(/NUL/)
    })

    test('an error tells where in the statement the fault is', async () => {
      const connection = await connect()
      const sql = "SELECT '\u{1F600}', nowhere FROM pg_class"
      expect(engine.explain(await failure(connection.raw(sql))).position).toBe(sql.indexOf('nowhere'))
    })

    test.each([
      ['42501', 'CREATE ROLE r; SET ROLE r; CREATE TABLE public.x ()', 'permission'],
      ['25006', 'SET default_transaction_read_only = on; CREATE TABLE x ()', 'read-only'],
      ['25001', 'BEGIN; VACUUM', 'needs-no-transaction'],
      ['22P02', "SELECT 'x'::int", 'data'],
      ['42P01', 'SELECT * FROM x', 'missing-table'],
      ['55P04', "CREATE TYPE e AS ENUM ('a'); BEGIN; ALTER TYPE e ADD VALUE 'b'; SELECT 'b'::e", 'unsafe-enum'],
    ])('%s is told as it is', async (code, sql, kind) => {
      const connection = await connect()
      let last: unknown
      for (const statement of sql.split('; ')) last = await failure(connection.raw(statement))
      expect(engine.explain(last)).toMatchObject({ code, kind })
      await connection.raw('ROLLBACK')
      await db.query('DROP ROLE IF EXISTS r').catch(() => undefined)
    })

    test('an error that an operation swallowed is noticed, and COMMIT is never taken for done', async () => {
      const connection = await connect()
      const error = await failure(
        connection.transaction({}, async () => {
          await connection.execute('CREATE TABLE a (id INTEGER)')
          await connection.execute('SELEC 1').catch(() => undefined)
        }),
      )
      expect(error).toBeInstanceOf(CommitRefusedError)
      expect(await connection.hasTable('a')).toBe(false)
    })

    test('a constraint that fails at COMMIT undoes the transaction, and the session goes on', async () => {
      const connection = await connect()
      await connection.script(
        'CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)',
      )
      const error = await failure(connection.transaction({}, () => connection.execute('INSERT INTO a VALUES (1, 7)')))
      expect(engine.explain(error).kind).toBe('data')
      expect(connection.inTransaction()).toBe(false)
      expect(await connection.raw('SELECT * FROM a')).toEqual([])
    })

    test('the lock is the one of Prisma Migrate', async () => {
      const connection = await connect()
      await connection.acquireLock(patient)
      const locks = await db.query(`SELECT classid::int, objid::int, objsubid::int FROM pg_locks WHERE ${ADVISORY}`)
      expect(locks).toEqual([{ classid: 0, objid: 72707369, objsubid: 1 }])
      await connection.releaseLock()
      expect(await db.query(`SELECT 1 AS one FROM pg_locks WHERE ${ADVISORY}`)).toEqual([])
    })

    test('asking for the lock twice takes it once', async () => {
      const connection = await connect()
      await connection.acquireLock(patient)
      await connection.acquireLock(patient)
      await connection.releaseLock()
      expect(await connection.holdsLock()).toBe(false)
      expect(await db.query(`SELECT 1 AS one FROM pg_locks WHERE ${ADVISORY}`)).toEqual([])
    })

    test('an operation that gives the lock away is noticed, and the lock is taken again before anybody else can', async () => {
      const connection = await connect()
      const other = await connect()
      await connection.acquireLock(patient)
      await connection.transaction({}, async (transaction) => {
        await connection.execute('SELECT pg_advisory_unlock_all()')
        expect(await db.query('SELECT pg_try_advisory_lock(72707369) AS got')).toEqual([{ got: false }])
        await transaction.check()
      })
      expect(await connection.holdsLock()).toBe(true)
      expect(await failure(other.acquireLock({ ...patient, timeoutMs: 0 }))).toBeDefined()
      await connection.releaseLock()
      await other.acquireLock(patient)
    })

    test('a lock that was lost between two transactions stops the second one, naming poolers', async () => {
      const connection = await connect()
      await connection.acquireLock(patient)
      await connection.raw('SELECT pg_advisory_unlock_all()')
      const other = await connect()
      await other.acquireLock(patient)
      let ran = false
      const error = await failure(
        connection.transaction({}, async () => {
          ran = true
        }),
      )
      expect(error).toBeInstanceOf(LockLostError)
      expect(String(error)).toMatch(/pgbouncer=true/)
      expect(ran).toBe(false)
      expect(connection.inTransaction()).toBe(false)
    })

    test('with pgbouncer=true the lock lives in each transaction and nothing is left in the session', async () => {
      const connection = await connect('?pgbouncer=true')
      const other = await connect('?pgbouncer=true')
      await connection.acquireLock(patient)
      expect(await db.query(`SELECT 1 AS one FROM pg_locks WHERE ${ADVISORY}`)).toEqual([])
      const order: string[] = []
      await other.acquireLock(patient)
      await Promise.all([
        connection.transaction({}, async (transaction) => {
          order.push('first begins')
          await connection.execute('SELECT pg_sleep(0.5)')
          await transaction.check()
          order.push('first ends')
        }),
        new Promise((resolve) => setTimeout(resolve, 150)).then(() =>
          other.transaction({}, async () => {
            order.push('second begins')
          }),
        ),
      ])
      expect(order).toEqual(['first begins', 'first ends', 'second begins'])
    })

    test('PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK switches the lock off', async () => {
      process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK = '1'
      try {
        const connection = await connect()
        await connection.acquireLock(patient)
        expect(await db.query(`SELECT 1 AS one FROM pg_locks WHERE ${ADVISORY}`)).toEqual([])
        expect(await connection.holdsLock()).toBe(true)
      } finally {
        delete process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK
      }
    })

    test('reset by somebody who does not own the namespace drops what is his, and leaves other namespaces alone', async () => {
      const role = `rays_role_${process.pid}`
      await db.query(
        `CREATE ROLE ${role} LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO ${role}; CREATE SCHEMA kept; CREATE TABLE kept.k (id INT)`,
      )
      const connection = await engine.connect(at(db.href.replace(/\/\/[^@/]*@/, `//${role}@`)), connectOptions)
      try {
        await connection.script(`CREATE TYPE "Role" AS ENUM ('a'); CREATE TABLE a (id SERIAL PRIMARY KEY, r "Role");
          CREATE TABLE b (a INT REFERENCES a); CREATE VIEW v AS SELECT * FROM a; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`)
        await connection.reset()
        expect(await connection.tables()).toEqual([])
        const left = `SELECT proname AS n FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION
          SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace`
        expect(await db.query(left)).toEqual([])
        expect(await db.query('SELECT count(*)::int AS n FROM kept.k')).toEqual([{ n: 0 }])
      } finally {
        await connection.close()
        await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      }
    })

    test('reset by the owner keeps the grants and the comment of the namespace', async () => {
      const acl =
        "SELECT nspacl::text AS acl, obj_description(oid) AS comment, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = 'public'"
      await db.query("COMMENT ON SCHEMA public IS 'it''s mine'")
      const before = await db.query(acl)
      const connection = await connect()
      await connection.script('CREATE TABLE a (id INT)')
      await connection.reset()
      expect(await db.query(acl)).toEqual(before)
    })

    test('several namespaces are described and emptied together', async () => {
      await db.query(
        'CREATE SCHEMA x; CREATE SCHEMA y; CREATE TABLE x.a (id INT); CREATE TABLE y.a (id INT); CREATE TABLE z (id INT)',
      )
      const connection = await connect('?schema=x')
      const names = async (schemas?: string[]) => (await connection.tables(schemas)).map((t) => `${t.schema}.${t.name}`)
      expect(await names()).toEqual(['x.a'])
      expect(await names(['x', 'y'])).toEqual(['x.a', 'y.a'])
      await connection.reset(['x', 'y'])
      expect(await names(['x', 'y', 'public'])).toEqual(['public.z'])
    })

    test('enums, arrays, identities and generated columns are told apart', async () => {
      const connection = await connect()
      await connection.script(`CREATE TYPE "Role" AS ENUM ('b', 'a');
        CREATE TABLE t (i INT GENERATED ALWAYS AS IDENTITY, d INT GENERATED BY DEFAULT AS IDENTITY, g INT GENERATED ALWAYS AS (1) STORED, r "Role" DEFAULT 'a', s "Role"[], UNIQUE (d, g))`)
      const [table] = await connection.tables()
      const column = (name: string) => table!.columns.find((c) => c.name === name)
      expect(column('i')).toMatchObject({ generated: true })
      expect(column('d')).toMatchObject({ generated: false, hasDefault: true })
      expect(column('g')).toMatchObject({ generated: true, hasDefault: false })
      expect(column('r')).toMatchObject({ type: '"Role"', enumValues: ['b', 'a'], hasDefault: true })
      expect(column('s')).toMatchObject({ isArray: true, enumValues: ['b', 'a'] })
      expect(table!.uniques).toEqual([['d', 'g']])
    })

    const request = (more: Partial<ShadowRequest> = {}): ShadowRequest => ({
      url: at(db.href),
      purpose: 'rays',
      knownTables: [],
      clear: true,
      connect: connectOptions,
      ...more,
    })

    test('a configured shadow may hold what belongs to known tables, known enums, named schemas and extensions', async () => {
      const other = await database.fresh()
      try {
        await other.query(`CREATE SCHEMA shop; CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE "Role" AS ENUM ('a');
          CREATE TABLE shop.t (id SERIAL PRIMARY KEY, j INT GENERATED ALWAYS AS IDENTITY, r "Role");
          CREATE STATISTICS both_of (dependencies) ON id, j FROM shop.t;
          CREATE TABLE p (id INT) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9)`)
        const configured = { url: at(other.href) }
        const known = { configured, clear: false, knownTables: ['t', 'p'], knownEnums: ['Role'] }
        const error = await failure(engine.openShadow(request(known)))
        expect(String(error)).toContain('no migration knows: schema shop.')
        await (await engine.openShadow(request({ ...known, schemas: ['shop'] }))).dispose()
      } finally {
        await other.drop()
      }
    })

    test('a materialized view of more than 1000 rows in a configured shadow is somebody’s data', async () => {
      const other = await database.fresh()
      try {
        await other.query('CREATE MATERIALIZED VIEW none AS SELECT 1 AS i WITH NO DATA')
        await other.query('CREATE MATERIALIZED VIEW m AS SELECT * FROM generate_series(1, 1001) AS i')
        const error = await failure(engine.openShadow(request({ configured: { url: at(other.href) } })))
        expect(error).toMatchObject({ name: 'ShadowRefusedError', clearable: false })
        expect(await other.query('SELECT count(*)::int AS n FROM m')).toEqual([{ n: 1001 }])
      } finally {
        await other.drop()
      }
    })

    test('another spelling of the main database is refused as a shadow', async () => {
      for (const href of [
        db.href.replace('postgresql://', 'postgres://'),
        db.href.replace('127.0.0.1', 'LOCALHOST'),
        `${db.href}?schema=other`,
      ]) {
        const error = await failure(engine.openShadow(request({ configured: { url: at(href) } })))
        expect(error).toBeInstanceOf(ShadowRefusedError)
      }
    })

    test('an address that only the server knows to be the same is refused by its identity', async () => {
      const main = new URL(db.href)
      const target = { port: Number(main.port || 5432), host: main.hostname }
      const tunnel = net.createServer((socket) => {
        const server = net.connect(target)
        socket.pipe(server).pipe(socket)
        for (const [end, other] of [
          [socket, server],
          [server, socket],
        ] as const)
          end.on('error', () => end.destroy()).on('close', () => other.destroy())
      })
      await new Promise<void>((resolve) => tunnel.listen(0, '127.0.0.1', resolve))
      main.port = String((tunnel.address() as net.AddressInfo).port)
      const error = await failure(engine.openShadow(request({ configured: { url: at(main.href) } })))
      tunnel.close()
      expect(error).toBeInstanceOf(ShadowRefusedError)
      expect(String(error)).toMatch(/main database/)
    })

    test('databases of the server itself are refused', async () => {
      for (const name of ['postgres', 'template1'])
        expect(await failure(engine.openShadow(request({ configured: { name } })))).toBeInstanceOf(ShadowRefusedError)
    })

    test('where the main database has such a name as well, an empty one on another server is none of its own', async () => {
      const own = (href: string) => at(href.replace(/\/[^/?]+(?=\?|$)/, '/postgres'))
      const main = own(db.href)
      const away = own('postgresql://nobody@127.0.0.1:1/x')
      expect(await failure(engine.openShadow(request({ url: main, configured: { url: main } })))).toBeInstanceOf(
        ShadowRefusedError,
      )
      const shadow = await engine.openShadow(request({ url: away, configured: { url: main } }))
      await shadow.dispose()
    })

    test('without the right to create databases the error names the way out', async () => {
      const role = `rays_nodb_${process.pid}`
      await db.query(`CREATE ROLE ${role} LOGIN`)
      try {
        const url = at(db.href.replace(/\/\/[^@/]*@/, `//${role}@`))
        const info = engine.explain(await failure(engine.openShadow(request({ url }))))
        expect(info.kind).toBe('permission')
        expect(info.hint).toMatch(/shadowDatabaseName/)
      } finally {
        await db.query(`DROP ROLE ${role}`)
      }
    })

    test('a shadow that a dead process left is removed after an hour, others are not', async () => {
      const dead = spawnSync(process.execPath, ['-e', '']).pid
      const name = (pid: number, ageHours: number) =>
        shadowName(db.name, 63).replace(
          /_shadow_\d+_\d+_/,
          `_shadow_${pid}_${Math.floor(Date.now() / 1000) - ageHours * 3600}_`,
        )
      const [old, young, alive] = [name(dead, 2), name(dead, 0), name(process.pid, 2)] as const
      for (const each of [old, young, alive]) await db.query(`CREATE DATABASE "${each}"`)
      const shadow = await engine.openShadow(request())
      await shadow.dispose()
      const left = await db.query('SELECT datname AS name FROM pg_database WHERE datname = ANY($1)', [
        [old, young, alive],
      ])
      for (const each of [young, alive]) await db.query(`DROP DATABASE "${each}"`)
      expect(left.map((row) => row.name).sort()).toEqual([young, alive].sort())
    })
  },
  (provider) => provider === 'postgresql',
)
