/** What is SQLite's own: files, foreign keys that are switched off, other writers, stored times. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  BadUrlError,
  EngineError,
  ForeignKeyError,
  LockTimeoutError,
  ShadowRefusedError,
  type ShadowRequest,
} from '../../engines/engine.js'
import { sqlite as engine } from '../../engines/sqlite/index.js'
import { DatabaseUrl } from '../../engines/url.js'
import { connectOptions, describeDatabases, type FreshDatabase, type TestDatabase } from '../support/databases.js'

describe('SQLite URLs', () => {
  const describeUrl = (href: string) => engine.describe(new DatabaseUrl(href, '/project/prisma'))
  test.each([
    ['file:./dev.db', '/project/prisma/dev.db'],
    ['file:dev.db?connection_limit=1', '/project/prisma/dev.db'],
    ['file:../x/./dev.db', '/project/x/dev.db'],
    ['file:///abs/dev.db', '/abs/dev.db'],
    ['file:/abs/my db.sqlite', '/abs/my db.sqlite'],
    ['sqlite:dev.db', '/project/prisma/dev.db'],
  ])('%s', (href, file) => {
    expect(describeUrl(href)).toBe(`sqlite ${file}`)
  })

  test.each(['file:', 'file::memory:', 'dev.db', 'postgresql://h/d'])('%s is refused', (href) => {
    expect(() => describeUrl(href)).toThrow(BadUrlError)
  })
})

describe('times that Prisma ever stored in SQLite', () => {
  test.each([
    [1607009338225, '2020-12-03T15:28:58.225Z'],
    [1607009338225n, '2020-12-03T15:28:58.225Z'],
    ['2026-11-20T12:41:33.741+00:00', '2026-11-20T12:41:33.741Z'],
    ['2026-11-20 12:41:33', '2026-11-20T12:41:33.000Z'],
    ['Fri, 20 Nov 2026 12:41:33 +0000', '2026-11-20T12:41:33.000Z'],
  ])('%s', async (stored, expected) => {
    const { readTime } = await import('../../engines/sqlite/values.js')
    expect(readTime(stored)?.toISOString()).toBe(expected)
  })

  test('nothing and nonsense are no time', async () => {
    const { readTime } = await import('../../engines/sqlite/values.js')
    for (const value of [null, undefined, '', 'yesterday']) expect(readTime(value)).toBeNull()
  })
})

describeDatabases(
  'SQLite files',
  (database: TestDatabase) => {
    let db: FreshDatabase
    let folder: string
    const at = (href: string) => new DatabaseUrl(href, folder)
    const failure = async (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error: unknown) => error,
      )
    const use = async <T>(
      work: (connection: Awaited<ReturnType<typeof engine.connect>>) => Promise<T>,
      lockTimeoutMs = 500,
    ) => {
      const connection = await engine.connect(db.url, { ...connectOptions, lockTimeoutMs })
      try {
        return await work(connection)
      } finally {
        await connection.close()
      }
    }
    beforeEach(async () => {
      db = await database.fresh()
      folder = mkdtempSync(path.join(tmpdir(), 'rays-test-sqlite-'))
    })
    afterEach(async () => {
      await db.drop()
      rmSync(folder, { recursive: true, force: true })
    })

    test('a missing file, a directory and a file of another kind are told with their path', async () => {
      mkdirSync(path.join(folder, 'dir'))
      writeFileSync(path.join(folder, 'text.db'), 'this is no database, it is only a text of some length\n'.repeat(50))
      for (const [name, kind] of [
        ['none.db', 'missing-database'],
        ['no/such/folder.db', 'missing-database'],
        ['dir', 'connection'],
        ['text.db', 'connection'],
      ] as const) {
        const info = engine.explain(await failure(engine.connect(at(`file:./${name}`), connectOptions)))
        expect(info).toMatchObject({ kind, message: expect.stringContaining(path.join(folder, name)) })
      }
      expect(readdirSync(folder).sort()).toEqual(['dir', 'text.db'])
    })

    test('createDatabase makes the folders on the way', async () => {
      expect(await engine.createDatabase(at('file:./a/b/dev.db'), connectOptions)).toBe(true)
      const connection = await engine.connect(at('file:a/b/dev.db'), connectOptions)
      await connection.script('CREATE TABLE a (id INTEGER)')
      await connection.close()
    })

    const family = `CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
      INSERT INTO parent VALUES (1); INSERT INTO child VALUES (10, 1); INSERT INTO child VALUES (11, 1)`
    const redefine = [
      'CREATE TABLE new_parent (id INTEGER PRIMARY KEY, x TEXT)',
      'INSERT INTO new_parent (id) SELECT id FROM parent',
      'DROP TABLE parent',
      'ALTER TABLE new_parent RENAME TO parent',
    ]

    test('a table that others refer to is redefined without losing their rows, and foreign keys are on afterwards', async () => {
      await db.query(family)
      await use(async (connection) => {
        await connection.transaction({ foreignKeysOff: true }, async (transaction) => {
          for (const sql of ['PRAGMA foreign_keys=OFF', ...redefine, 'PRAGMA foreign_keys=ON']) {
            await connection.execute(sql)
            await transaction.check()
          }
        })
        expect(await connection.query('SELECT id FROM child ORDER BY id')).toEqual([{ id: 10 }, { id: 11 }])
        expect(await connection.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
      })
    })

    test('rows that lost their parent undo the migration and are listed; older ones are not its fault', async () => {
      await db.query(family)
      await db.query('PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (12, 99)')
      await use(async (connection) => {
        await connection.transaction({ foreignKeysOff: true }, () =>
          connection.execute('CREATE TABLE other (id INTEGER)'),
        )
        const error = await failure(
          connection.transaction({ foreignKeysOff: true }, () => connection.execute('DELETE FROM parent')),
        )
        expect(error).toBeInstanceOf(ForeignKeyError)
        expect(String(error)).toMatch(/child row 10 .*child row 11/)
        expect(String(error)).not.toMatch(/row 12/)
        expect(await connection.query('SELECT id FROM parent')).toEqual([{ id: 1 }])
        expect(await connection.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
      })
    })

    const rebuild = (table: string, columns: string) => [
      `CREATE TABLE new_${table} (${columns})`,
      `INSERT INTO new_${table} SELECT * FROM ${table}`,
      `DROP TABLE ${table}`,
      `ALTER TABLE new_${table} RENAME TO ${table}`,
    ]
    const inOne = (statements: readonly string[]) =>
      use((connection) =>
        failure(
          connection.transaction({ foreignKeysOff: true }, async () => {
            for (const sql of statements) await connection.execute(sql)
          }),
        ),
      )
    const refers = 'p INTEGER REFERENCES parent (id)'

    test.each([
      ['a text as the key', `id TEXT PRIMARY KEY, ${refers}`, "('a', 1), ('b', 98), ('c', 99)", "('d', 97)", 'row d '],
      ['no key', refers, '(1), (98), (99)', '(97)', 'row 3 '],
      ['no rowid', `id TEXT PRIMARY KEY, ${refers}`, "('a', 1), ('b', 98), ('c', 99)", "('d', 97)", 'child \\('],
      ['a number as the key', `id INTEGER PRIMARY KEY, ${refers}`, '(7, 1), (8, 98), (9, 99)', '(10, 97)', 'row 10 '],
    ])(
      'rows without a parent are known again in a table that is built anew: %s',
      async (title, columns, rows, row, told) => {
        const options = title === 'no rowid' ? 'WITHOUT ROWID' : ''
        await db.query(`PRAGMA foreign_keys = OFF; CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);
        CREATE TABLE child (${columns}) ${options}; INSERT INTO child VALUES ${rows}; DELETE FROM child WHERE p = 1`)
        const anew = rebuild('child', columns)
        expect(await inOne(anew)).toBeUndefined()
        const error = await inOne([...anew, `INSERT INTO child VALUES ${row}`])
        expect(error).toBeInstanceOf(ForeignKeyError)
        expect(String(error)).toMatch(new RegExp(`exist: (?:child )?${told}`))
        expect(await inOne(['DELETE FROM child WHERE p = 98', ...anew])).toBeUndefined()
      },
    )

    test('a row that had no parent hides neither another without one nor its own other parent', async () => {
      const columns = `id INTEGER PRIMARY KEY, ${refers}, q INTEGER REFERENCES parent (id)`
      await db.query(`PRAGMA foreign_keys = OFF; CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);
        CREATE TABLE child (${columns}); INSERT INTO child VALUES (10, 99, NULL);
        CREATE TABLE loose (id TEXT PRIMARY KEY, ${refers}) WITHOUT ROWID; INSERT INTO loose VALUES ('a', 99)`)
      for (const sql of [
        'UPDATE child SET q = 98',
        'UPDATE child SET p = NULL, q = 99',
        'INSERT INTO child VALUES (11, 99, NULL)',
        'DELETE FROM child; INSERT INTO child VALUES (11, 99, NULL)',
        "INSERT INTO loose VALUES ('b', 99)",
      ])
        expect([sql, await inOne([sql])]).toEqual([sql, expect.any(ForeignKeyError)])
      for (const statements of [
        ['ALTER TABLE child RENAME COLUMN p TO other'],
        rebuild(
          'child',
          `id TEXT PRIMARY KEY, q INTEGER REFERENCES parent (id), other INTEGER REFERENCES parent (id)`,
        ).map((sql) => sql.replace('SELECT *', 'SELECT id, q, other')),
        ['UPDATE child SET other = 97'],
      ])
        expect([statements, await inOne(statements)]).toEqual([statements, undefined])
    })

    const sqlOf = async (table: string) =>
      String((await db.query(`SELECT sql FROM sqlite_schema WHERE name = '${table}'`))[0]?.sql)

    test('a new table beside one with a like name is a table of its own, and takes nothing from it', async () => {
      const own = 'CREATE TABLE new_item (id INTEGER PRIMARY KEY, price INTEGER, name TEXT)'
      await db.query(
        'CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER CHECK (price > 0), name TEXT COLLATE NOCASE, loud TEXT AS (upper(name)))',
      )
      const before = await sqlOf('item')
      expect(await inOne([own, 'INSERT INTO new_item (price) VALUES (-1)'])).toBeUndefined()
      expect([await sqlOf('new_item'), await sqlOf('item')]).toEqual([own, before])
    })

    test('a table that is built anew keeps its checks, and its new indexes and triggers; a column called like it is none', async () => {
      await db.query(
        "CREATE TABLE price (id TEXT PRIMARY KEY, new_price INTEGER CHECK (new_price > 0)); INSERT INTO price VALUES ('a', 1)",
      )
      const steps = [
        'CREATE TABLE new_price (id TEXT PRIMARY KEY, new_price INTEGER, up TEXT REFERENCES new_price (id))',
        'CREATE INDEX dear ON new_price (new_price)',
        'CREATE TRIGGER told AFTER INSERT ON new_price BEGIN UPDATE new_price SET up = id; END',
        'INSERT INTO new_price SELECT id, new_price, NULL FROM price',
        'DROP TABLE price',
        'ALTER TABLE new_price RENAME TO price',
      ]
      expect(await inOne(steps)).toBeUndefined()
      expect(String(await inOne(["INSERT INTO price VALUES ('b', 0, NULL)"]))).toMatch(/CHECK/)
      expect(await inOne(["INSERT INTO price VALUES ('b', 2, NULL)"])).toBeUndefined()
      expect(await db.query('SELECT up FROM price WHERE new_price = 2')).toEqual([{ up: 'b' }])
      expect(await sqlOf('dear')).toMatch(/ON "price" \(new_price\)/)
      expect(await sqlOf('new_price')).toBe('undefined')
    })

    test('a table that cannot be completed is left with its rows, in no transaction either', async () => {
      await db.query(
        'CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER CHECK (price > 0)); INSERT INTO item VALUES (1, 5)',
      )
      const steps = rebuild('item', 'id INTEGER PRIMARY KEY, price INTEGER').map((sql) =>
        sql.replace('SELECT *', 'SELECT id, -price'),
      )
      await use(async (connection) => {
        for (const sql of steps.slice(0, -1)) await connection.execute(sql)
        expect(String(await failure(connection.execute(steps.at(-1)!)))).toMatch(/CHECK/)
        expect(connection.inTransaction()).toBe(false)
        expect(await connection.query('SELECT price FROM new_item')).toEqual([{ price: -5 }])
        expect(await connection.hasTable('item')).toBe(false)
      })
    })

    test.each([
      [
        'p INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED',
        'p INTEGER REFERENCES parent (id) ON DELETE CASCADE',
      ],
      [
        'p INTEGER, CONSTRAINT k FOREIGN KEY (p) REFERENCES "parent" ("id") ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED',
        'p INTEGER NOT NULL, CONSTRAINT "k" FOREIGN KEY ("p") REFERENCES "parent" ("id") ON DELETE NO ACTION ON UPDATE CASCADE',
      ],
    ])('a foreign key that is checked at COMMIT is so in a table that is built anew: %s', async (before, after) => {
      await db.query(
        `CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, ${before})`,
      )
      await use(async (connection) => {
        await connection.transaction({ foreignKeysOff: true }, async () => {
          for (const sql of rebuild('child', `id INTEGER PRIMARY KEY, ${after}`)) await connection.execute(sql)
        })
        await connection.transaction({}, () =>
          connection.script('INSERT INTO child VALUES (1, 7); INSERT INTO parent VALUES (7)'),
        )
        const orphan = connection.transaction({}, () => connection.execute('INSERT INTO child VALUES (2, 8)'))
        expect(String(await failure(orphan))).toContain('rows refer to rows that do not exist: child row 2')
      })
      expect(await sqlOf('child')).toContain('DEFERRABLE INITIALLY DEFERRED')
    })

    test('switching foreign keys off where it has no effect is refused before rows are lost', async () => {
      await db.query(family)
      for (const sql of [
        'PRAGMA foreign_keys=OFF',
        '-- RedefineTables\npragma main.foreign_keys = 0',
        "/* x */ PRAGMA foreign_keys('no')",
        'SELECT 1; PRAGMA foreign_keys=OFF',
      ])
        await use(async (connection) => {
          const error = await failure(connection.transaction({}, () => connection.execute(sql)))
          expect(engine.explain(error)).toMatchObject({
            message: expect.stringMatching(/no effect inside a transaction/),
          })
        })
      await use((connection) => connection.transaction({}, () => connection.execute('PRAGMA foreign_keys=ON')))
    })

    test('a full database is rolled back by SQLite itself, and rays does not stumble over it', async () => {
      await use(async (connection) => {
        await connection.script('CREATE TABLE a (x BLOB); PRAGMA max_page_count = 10')
        const error = await failure(
          connection.transaction({}, () => connection.execute('INSERT INTO a VALUES (zeroblob(1000000))')),
        )
        expect(engine.explain(error).kind).toBe('disk-full')
        expect(connection.inTransaction()).toBe(false)
        expect(await connection.query('SELECT count(*) AS n FROM a')).toEqual([{ n: 0 }])
      })
    })

    test('is made through a link to nothing of one own, and not through that of another user', async () => {
      const [link, file] = [path.join(folder, 'new.db'), path.join(folder, 'data.db')]
      symlinkSync('data.db', link)
      if (process.getuid?.() === 0) {
        lchownSync(link, 65534, 65534)
        const error = await failure(engine.createDatabase(at('file:new.db'), connectOptions))
        expect(error).toMatchObject({ kind: 'permission', message: expect.stringContaining(link) })
        expect(existsSync(file)).toBe(false)
        lchownSync(link, 0, 0)
      }
      expect(await engine.createDatabase(at('file:new.db'), connectOptions)).toBe(true)
      expect(lstatSync(file).isFile()).toBe(true)
      expect(await engine.createDatabase(at('file:new.db'), connectOptions)).toBe(false)
      rmSync(file)
      rmSync(link)
      symlinkSync('new.db', link)
      expect(await engine.createDatabase(at('file:new.db'), connectOptions)).toBe(false)
    })

    test('a reader that holds up COMMIT is waited for', async () => {
      await db.query('CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1)')
      const reader = await db.session()
      await reader.query('BEGIN')
      await reader.query('SELECT * FROM a')
      setTimeout(() => void reader.query('COMMIT'), 250)
      const insert = (connection: Awaited<ReturnType<typeof engine.connect>>) =>
        connection.transaction({}, () => connection.execute('INSERT INTO a VALUES (2)'))
      await use(insert, 20_000)
      expect(await db.query('SELECT count(*) AS n FROM a')).toEqual([{ n: 2 }])
    })

    test('what is only in the write-ahead log counts', async () => {
      await db.query('PRAGMA journal_mode = WAL; CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (7)')
      await use(async (connection) => expect(await connection.query('SELECT id FROM a')).toEqual([{ id: 7 }]))
    })

    describe('the lock that outlasts a transaction', () => {
      const soon = { timeoutMs: 150, onWait: () => undefined }
      const lockFile = () => `${db.href.replace('file:', '')}-rays-lock`
      const begun = (connection: Awaited<ReturnType<typeof engine.connect>>) =>
        failure(connection.transaction({}, async () => undefined))

      test('shuts out other connections, under each name of the file, and not its own', async () => {
        symlinkSync(db.href.replace('file:', ''), path.join(folder, 'link.db'))
        await use(async (first) => {
          await first.acquireLock(soon)
          const release = await first.holdLock!()
          expect(await begun(first)).toBeUndefined()
          await (await first.holdLock!())()
          await use(async (second) => {
            expect(await failure(second.acquireLock(soon))).toMatchObject({ holder: expect.stringMatching(/rays/) })
            expect(await begun(second)).toBeInstanceOf(LockTimeoutError)
            expect(await failure(second.holdLock!())).toBeInstanceOf(LockTimeoutError)
            expect(await second.lockHolder({ migrating: true })).toMatch(/another rays/)
          })
          const third = await engine.connect(at('file:link.db'), { ...connectOptions, readOnly: true })
          expect(await third.lockHolder({ migrating: true })).toMatch(/another rays/)
          await third.close()
          expect(existsSync(lockFile())).toBe(true)
          await release()
          expect(existsSync(lockFile())).toBe(false)
          await use((second) => second.acquireLock(soon))
        }, 150)
      })

      test('ends with its connection, and what is left of it goes with the next transaction', async () => {
        await use((first) => first.holdLock!())
        expect(existsSync(lockFile())).toBe(true)
        await use(async (second) => {
          expect(await second.lockHolder()).toBeUndefined()
          await second.acquireLock(soon)
        })
        expect(existsSync(lockFile())).toBe(false)
      })

      test('is given up although another process writes all the while', async () => {
        const writer = await db.session()
        await use(async (first) => {
          const release = await first.holdLock!()
          await writer.query('BEGIN IMMEDIATE')
          await release()
          await writer.query('ROLLBACK')
          await use(async (second) => (await second.holdLock!())())
        })
        expect(existsSync(lockFile())).toBe(false)
      })

      test('takes no data away that has its name, and has the rights of the database', async () => {
        const file = db.href.replace('file:', '')
        chmodSync(file, 0o660)
        await use(async (first) => {
          const release = await first.holdLock!()
          expect(statSync(lockFile()).mode & 0o777).toBe(0o660)
          await release()
        })
        await db.query(`ATTACH '${lockFile()}' AS other; CREATE TABLE other.a (id INTEGER); DETACH other`)
        await use(async (first) => {
          await first.acquireLock(soon)
          await (await first.holdLock!())()
        })
        expect(statSync(lockFile()).size).toBeGreaterThan(0)
      })

      describe('under its name lies', () => {
        const target = () => path.join(folder, 'target')
        const others: [string, () => void][] = [
          ['a symbolic link to nothing', () => symlinkSync(target(), lockFile())],
          [
            'a symbolic link to an empty file',
            () => {
              writeFileSync(target(), '', { mode: 0o640 })
              symlinkSync(target(), lockFile())
            },
          ],
          [
            'a symbolic link to a file',
            () => {
              writeFileSync(target(), 'mine', { mode: 0o640 })
              symlinkSync(target(), lockFile())
            },
          ],
          [
            'a hard link to a file',
            () => {
              writeFileSync(target(), 'mine', { mode: 0o640 })
              linkSync(target(), lockFile())
            },
          ],
          ['a file of another program', () => writeFileSync(lockFile(), 'mine')],
          ['a folder', () => mkdirSync(lockFile())],
          ['a pipe', () => expect(spawnSync('mkfifo', [lockFile()]).status).toBe(0)],
        ]
        const seen = () => {
          const found = lstatSync(target(), { throwIfNoEntry: false })
          return found && [found.size, found.mode, found.uid, found.nlink]
        }

        test.each(others)('%s: it is named, left as it is, and holds up no transaction', async (_, lay) => {
          if (process.getuid?.() === 0) chownSync(db.href.replace('file:', ''), 65534, 65534)
          lay()
          const before = [seen(), lstatSync(lockFile()).ino]
          await use(async (connection) => {
            expect(await connection.lockHolder()).toBeUndefined()
            expect(await begun(connection)).toBeUndefined()
            const error = await failure(connection.holdLock!())
            expect(error).toBeInstanceOf(EngineError)
            expect((error as Error).message).toContain(lockFile())
            expect(engine.explain(error).hint).toMatch(/remove it/)
            expect([seen(), lstatSync(lockFile()).ino]).toEqual(before)
            rmSync(lockFile(), { recursive: true })
            await (await connection.holdLock!())()
          })
        })

        test('a hard link to an empty file: it goes, the file stays', async () => {
          writeFileSync(target(), '', { mode: 0o640 })
          linkSync(target(), lockFile())
          await use(async (connection) => {
            const release = await connection.holdLock!()
            expect(lstatSync(lockFile()).ino).not.toBe(lstatSync(target()).ino)
            await release()
          })
          expect([existsSync(lockFile()), lstatSync(target()).size]).toEqual([false, 0])
        })
      })

      test('is not needed in memory', async () => {
        const shadow = await engine.openShadow({
          url: db.url,
          purpose: 'rays',
          knownTables: [],
          clear: false,
          connect: connectOptions,
        })
        const release = await shadow.connection.holdLock!()
        expect(await begun(shadow.connection)).toBeUndefined()
        await release()
        await shadow.dispose()
      })
    })

    test('a text in double quotes is one in scripts of Prisma alone, where there is no such column', async () => {
      await use(async (connection) => {
        const script = `CREATE TABLE t (a TEXT CHECK (a <> "no"));
INSERT INTO t VALUES ("it's"), ("a ""b""");
CREATE TABLE u (b TEXT, t TEXT);
INSERT INTO u ("b", "t") SELECT "a", "t" FROM t UNION ALL SELECT "a", "a" FROM t;
UPDATE "u" SET "b" = "u" WHERE "b" = "it's"`
        const ran = await connection.foreignScript?.(script)
        expect(ran).toBe(
          script
            .replace('"no"', "'no'")
            .replace('"it\'s"', "'it''s'")
            .replace('"a ""b"""', '\'a "b"\'')
            .replace('"a", "t" FROM t', '"a", \'t\' FROM t')
            .replace('= "u"', "= 'u'")
            .replace('= "it\'s"', "= 'it''s'"),
        )
        expect(await connection.query('SELECT b, t FROM u ORDER BY b, t')).toEqual([
          { b: 'a "b"', t: 'a "b"' },
          { b: 'a "b"', t: 't' },
          { b: 'u', t: "it's" },
          { b: 'u', t: 't' },
        ])
        for (const wrong of ['SELECT "x" FROM t', 'DELETE FROM t WHERE "x" IS NOT NULL', 'INSERT INTO t VALUES ("x")'])
          await failure(connection.execute(wrong))
        await failure(connection.script('UPDATE t SET a = "x"'))
        expect(await connection.query('SELECT a FROM t')).toHaveLength(2)
      })
    })

    test('statements that answer with rows may be executed, and comments alone are nothing to do', async () => {
      await use(async (connection) => {
        await connection.execute('PRAGMA journal_mode')
        await connection.execute('-- This is an empty migration.')
        await connection.script('-- This is an empty migration.')
        expect(await connection.change('CREATE TABLE a (id INTEGER)')).toBe(0)
        expect(await connection.raw('INSERT INTO a VALUES (1), (2) RETURNING id')).toEqual([{ id: 1 }, { id: 2 }])
      })
    })

    test('a parameter is stored as Prisma stores it', async () => {
      await use(async (connection) => {
        await connection.script('CREATE TABLE a (d DATETIME, b BOOLEAN, j JSONB, n BIGINT)')
        await connection.execute('INSERT INTO a VALUES (:?, :?, :?, :?)', [
          new Date('2026-11-20T12:41:33.741Z'),
          true,
          { x: [1] },
          1607009338225,
        ])
        expect(await connection.query('SELECT d, b, j, n, typeof(n) AS t FROM a')).toEqual([
          { d: '2026-11-20T12:41:33.741+00:00', b: 1, j: '{"x":[1]}', n: 1607009338225, t: 'integer' },
        ])
      })
    })

    test('virtual tables, triggers and the counters of AUTOINCREMENT go with a reset', async () => {
      await db.query(`CREATE VIRTUAL TABLE search USING fts5(body); CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT);
        INSERT INTO a DEFAULT VALUES; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; CREATE VIEW v AS SELECT * FROM a; CREATE VIEW w AS SELECT * FROM v`)
      await use(async (connection) => {
        expect((await connection.tables()).map((table) => table.name)).toEqual(['a'])
        await connection.reset()
      })
      expect(await db.query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")).toEqual([])
      expect(await db.query('SELECT * FROM sqlite_sequence')).toEqual([])
    })

    test('the main file is refused as a shadow under each of its names', async () => {
      await db.query('CREATE TABLE mine (id INTEGER)')
      const file = db.href.slice('file:'.length)
      symlinkSync(file, path.join(folder, 'symbolic.db'))
      linkSync(file, path.join(folder, 'hard.db'))
      const request: ShadowRequest = {
        url: db.url,
        purpose: 'rays',
        knownTables: ['mine'],
        clear: true,
        connect: connectOptions,
      }
      const dir = path.dirname(file)
      for (const href of [
        `file:${dir}/x/../dev.db`,
        `sqlite:${file}`,
        `file:${folder}/symbolic.db`,
        `file:${folder}/hard.db`,
      ]) {
        const error = await failure(engine.openShadow({ ...request, configured: { url: new DatabaseUrl(href, dir) } }))
        expect(error).toBeInstanceOf(ShadowRefusedError)
      }
      expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'mine'")).toHaveLength(1)
    })

    test('a configured file is not worked in, and one that is missing is not made', async () => {
      const request: ShadowRequest = {
        url: db.url,
        purpose: 'rays',
        knownTables: [],
        clear: false,
        connect: connectOptions,
      }
      const shadow = await engine.openShadow({ ...request, configured: { name: 'shadow.db' } })
      await shadow.connection.script('CREATE TABLE a (id INTEGER)')
      const dir = path.dirname(db.href.slice('file:'.length))
      expect(readdirSync(dir)).not.toContain('shadow.db')
      await shadow.dispose()
      expect(readdirSync(dir)).not.toContain('shadow.db')
    })
  },
  (provider) => provider === 'sqlite',
)
