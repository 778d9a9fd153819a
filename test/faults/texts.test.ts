// biome-ignore-all lint/suspicious/noTemplateCurlyInString: hostile texts are what is tested
/** Hostile names, identifiers, texts and values: nothing of them becomes a path, a command or SQL. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { engineFor } from '../../engines/index.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { type FaultCase, fault, hashTree, M1, M2, M3, table } from '../support/faults.js'

const q = (c: FaultCase, name: string) =>
  c.provider === 'mysql' ? `\`${name.replaceAll('`', '``')}\`` : `"${name.replaceAll('"', '""')}"`

/** What a migration is called that is made by this name; undefined where it is refused. */
const NAMES: readonly (readonly [string, string | undefined])[] = [
  ['../../x', 'x'],
  ['a/b', 'a_b'],
  ['a\\b', 'a_b'],
  ['.', undefined],
  ['..', undefined],
  ['', undefined],
  ['-rf', 'rf'],
  ['a;DROP TABLE a', 'a_drop_table_a'],
  ['$(touch x)', 'touch_x'],
  ['`touch x`', 'touch_x'],
  ['n'.repeat(300), 'n'.repeat(200)],
  ['con', 'con'],
  ['a\nb', undefined],
  ['%00', '00'],
  ['ключ', 'klyuch'],
  ['🙂', undefined],
]

fault('no migration name leaves the migrations folder, reaches a shell or becomes SQL', async (c) => {
  await c.fixture()
  const before = await c.state()
  const outside = readdirSync(c.project.folder).sort()
  const wrote: string[] = []
  const make = async ([name, slug]: (typeof NAMES)[number]) => {
    const run = await c.rays(['makemigration', '--blank', '--no-verify', '--json', `--name=${name}`])
    const { data, error } = run.json<{
      data: { migrations: { name: string }[] } | null
      error?: { message: string }
    }>()
    const made = data?.migrations.map((each) => each.name) ?? []
    expect({ name, code: run.code, slug: made[0]?.slice(15), says: error?.message }).toEqual({
      name,
      code: slug === undefined ? 2 : 0,
      slug,
      says: slug === undefined ? expect.stringMatching(/migration name|name of the migration/) : undefined,
    })
    wrote.push(...made)
  }
  // The name becomes a folder before any database is asked: on the servers one of each kind will do.
  const few = ['../../x', '', 'a;DROP TABLE a', '$(touch x)']
  const names = c.provider === 'sqlite' ? NAMES : NAMES.filter(([name]) => few.includes(name))
  for (let i = 0; i < names.length; i += 4) await Promise.all(names.slice(i, i + 4).map(make))
  expect(readdirSync(c.project.folder).sort()).toEqual(outside)
  const folders = readdirSync(path.join(c.project.folder, 'prisma/migrations'))
  expect(folders.sort()).toEqual([M1, M2, M3, ...wrote, 'migration_lock.toml'].sort())
  for (const name of wrote) rmSync(path.dirname(c.file(name)), { recursive: true })
  rmSync(path.join(c.project.folder, 'prisma/migrations/migration_lock.toml'))
  await c.clean(before)
  // Folders that somebody made by hand: their names are in the history, in the plan and in what is printed.
  const hostile = ["x'; DROP TABLE a; --", '"x" `y` $(touch x)', 'back\\slash \\\' \\"', 'ключ 🙂', '%00 ${x} :? ?']
  const made = hostile.map((name, i) => `2026010400000${i}_${name}`)
  for (const [i, name] of made.entries()) c.folder(name, [table(`h${i}`)])
  await c.next()
  const back = await c.rays(['migrate', `--name=${made[0]}`, '--y'])
  expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.applied()).toEqual([M1, M2, M3, made[0]])
  expect(await c.tables()).toEqual(['a', 'b', 'c', 'd', 'h0'])
  await c.agrees()
  expect(readdirSync(c.project.folder).sort()).toEqual(outside)
})

fault('identifiers of any kind reach the database as they are', async (c) => {
  const limit = c.by({ postgresql: 63, mysql: 64, sqlite: 200 })
  // Prisma's engine does not double a quotation mark in a name: such names are refused below.
  const names = [
    ...(c.provider === 'mysql' ? ['say "hi"'] : []),
    'it`s',
    "it's",
    'a;b',
    'two words',
    'naïve 漢字',
    ...(c.provider === 'mysql' ? [] : ['🙂 table']),
    'x'.repeat(limit),
  ]
  const models = names
    .map(
      (name, i) =>
        `model m${i} {\n  id Int @id\n  v${i} String? @map(${JSON.stringify(name)})\n  @@map(${JSON.stringify(name)})\n}\n`,
    )
    .join('\n')
  c.project.schema(models)
  const made = await c.rays(['makemigration', '--name', 'names'])
  expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect((await c.rays(['migrate'])).code).toBe(0)
  expect(await c.tables()).toEqual([...names].sort())
  c.found()
  await c.agrees()
  const status = await c.rays(['status', '--check'])
  expect({ code: status.code, stdout: status.stdout }).toEqual({ code: 0, stdout: expect.any(String) })
  const down = await c.rays(['migrate', '--name', 'zero', '--y'])
  expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.tables()).toEqual([])
  // What the database would cut, or what would end the name early, is refused before anything is written or run.
  const files = hashTree(path.join(c.project.folder, 'prisma/migrations'))
  const unfit = [
    ...c.by({ postgresql: ['y'.repeat(64), '漢'.repeat(22)], mysql: ['y'.repeat(65), '🙂 table'], sqlite: [] }),
    ...(c.provider === 'mysql' ? [] : ['say "hi"']),
  ]
  for (const [i, name] of unfit.entries()) {
    const mapped = JSON.stringify(name)
    const v = i % 2 === 0 ? `  v Int?\n  @@map(${mapped})\n` : `  v Int? @map(${mapped})\n`
    c.project.schema(`${models}\nmodel unfit {\n  id Int @id\n${v}}\n`)
    for (const command of [['makemigration', '--name', 'unfit', '--no-verify'], ['push']]) {
      const run = await c.rays(command)
      expect({ command, code: run.code, stderr: run.stderr }).toEqual({ command, code: 2, stderr: expect.any(String) })
      expect(run.stderr).toMatch(
        /names that cannot be used:\n {2}- .*(?:is longer than|holds a quotation mark|beyond U\+FFFF)/,
      )
      expect(run.stderr).toContain(mapped.slice(1, 8))
    }
  }
  expect(hashTree(path.join(c.project.folder, 'prisma/migrations'))).toBe(files)
  expect(await c.tables()).toEqual([])
  // What a migration by hand makes may be called so: rays counts its rows, and empties the database of it.
  c.project.schema('model a {\n  id Int @id\n}\n')
  const odd = q(c, 'say "hi", it\'s `x`; \\')
  c.folder('20990101000000_odd', [
    {
      up: `await client.execute(${JSON.stringify(`CREATE TABLE ${odd} (id INTEGER PRIMARY KEY)`)})
  await client.execute(${JSON.stringify(`INSERT INTO ${odd} VALUES (1)`)})`,
      down: `await client.execute(${JSON.stringify(`DROP TABLE ${odd}`)})`,
    },
  ])
  expect((await c.rays(['migrate'])).code).toBe(0)
  const asked = await c.rays(['migrate', '--name', '-1'])
  expect({ code: asked.code, stderr: asked.stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/say "hi".*1 row/),
  })
  expect(await c.tables()).toContain('say "hi", it\'s `x`; \\')
  const emptied = await c.rays(['push', '--force-reset', '--y'])
  expect({ code: emptied.code, stderr: emptied.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  expect(await c.tables()).toEqual(['a'])
})

fault(
  'a schema of PostgreSQL whose name is hostile is quoted wherever it is named',
  async (c) => {
    const at = (schema: string) => ({ env: { DATABASE_URL: `${c.href}?schema=${encodeURIComponent(schema)}` } })
    const tables = async (schema: string) =>
      (await c.db.query('SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema])).map(
        (row) => row.name,
      )
    const ok = async (schema: string, ...args: string[]) => {
      const run = await c.rays(args, at(schema))
      expect({ args, code: run.code, stderr: run.stderr }).toEqual({ args, code: 0, stderr: expect.any(String) })
    }
    const plain = "s'c;h $1 -- `ü"
    await ok(plain, 'makemigration', '--name', 'init')
    await ok(plain, 'migrate')
    await ok(plain, 'status', '--check')
    const agreed = { failed: [], edited: [], pending: [] }
    expect(await c.prismaSays(at(plain).env.DATABASE_URL)).toEqual(agreed)
    expect(await tables(plain)).toEqual(['_prisma_migrations', 'a'])
    await ok(plain, 'migrate', '--name', 'zero', '--y')
    expect(await tables(plain)).toEqual(['_prisma_migrations'])
    // Prisma's engine cannot write this one: rays runs migrations there, and makes none.
    const marked = `s"c'h`
    c.folder(M1, [table('a')])
    await ok(marked, 'migrate', '--name', M1)
    expect(await tables(marked)).toEqual(['_prisma_migrations', 'a'])
    await ok(marked, 'status')
    expect(await c.prismaSays(at(marked).env.DATABASE_URL)).toMatchObject({ failed: [], edited: [] })
    await ok(marked, 'migrate', '--name', 'zero', '--y')
    expect(await tables(marked)).toEqual(['_prisma_migrations'])
    c.project.schema('model a {\n  id Int @id\n}\n\nmodel more {\n  id Int @id\n}\n')
    for (const [schema, command, says] of [
      [marked, 'makemigration', /"s\\"c'h" holds a quotation mark/],
      ['s'.repeat(64), 'migrate', /longer than 63 bytes/],
      ['s\0', 'migrate', /NUL character/],
    ] as const) {
      const run = await c.rays([command, '--name', 'more'], at(schema))
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
    }
    expect(await tables('s'.repeat(63))).toEqual([])
    expect(await c.tables()).toEqual([])
  },
  { on: ['postgresql'] },
)

fault(
  'a database whose name is hostile is quoted wherever it is named',
  async (c) => {
    const name = `r"a'y;s\`${c.db.name.slice(-8)} ü`
    await c.db.query(`CREATE DATABASE ${q(c, name)}`)
    try {
      const href = c.href.replace(/^([^?]*\/\/[^/?]*)\/[^?]*/, `$1/${encodeURIComponent(name)}`)
      c.project.schema('model a {\n  id Int @id\n}\n')
      const env = { DATABASE_URL: href }
      const made = await c.rays(['makemigration', '--name', 'init'], { env })
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect((await c.rays(['migrate'], { env })).code).toBe(0)
      expect((await c.rays(['status', '--check'], { env })).code).toBe(0)
      expect(await c.prismaSays(href)).toEqual({ failed: [], edited: [], pending: [] })
      const shadow = `sh"a'd;ow\` ${c.db.name.slice(-8)}`
      await c.db.query(`CREATE DATABASE ${q(c, shadow)}`)
      c.project.schema('model a {\n  id Int @id\n  more Int?\n}\n')
      const again = await c.rays(['makemigration', '--name', 'more'], {
        env: { ...env, RAYS_SHADOW_DATABASE_NAME: shadow },
      })
      await c.db.query(`DROP DATABASE ${q(c, shadow)}`)
      expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      const push = await c.rays(['push', '--force-reset', '--y'], { env })
      expect({ code: push.code, stderr: push.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    } finally {
      await c.db.query(`DROP DATABASE ${q(c, name)}`)
    }
  },
  { on: ['postgresql', 'mysql'] },
)

fault('bytes that are no UTF-8 are refused with their place; everything else round-trips', async (c) => {
  await c.fixture()
  c.code(M2, undefined, '')
  writeFileSync(c.file(M2, 'migration.sql'), Buffer.from([0x2d, 0x2d, 0x20, 0xff, 0x0a]))
  const before = await c.state()
  const refused = await c.rays(['migrate'])
  expect({ code: refused.code, stderr: refused.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/byte 3\b/) })
  await c.clean(before)
  // NUL outside of a string ends a statement for servers: what follows must not be left out silently.
  const hidden = "INSERT INTO a VALUES (9, 'x'); \0 SELEC"
  for (const write of [
    () => c.folder(M2, [{ up: `await client.execute(${JSON.stringify(hidden)})`, down: '' }]),
    () => c.code(M2, undefined, hidden),
  ]) {
    write()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/NUL character/),
    })
    expect(await c.db.query('SELECT id FROM a')).toEqual([])
  }
  const texts = ['🙂 𝒳', 'שלום', 'a\u202eb', 'tab\tquote\'"`\\', '${x} \u2028']
  const ops = texts.map((text, i) => ({
    up: `await client.execute('INSERT INTO a VALUES (:?, :?)', [${i + 10}, ${JSON.stringify(text)}])`,
    down: '',
  }))
  c.folder(M2, ops)
  await c.next()
  expect((await c.db.query('SELECT v FROM a WHERE id >= 10 ORDER BY id')).map((row) => row.v)).toEqual(texts)
})

fault('only real placeholders are bound, and values never become SQL', async (c) => {
  const json = c.by({
    postgresql: `SELECT '{"a":1}'::jsonb ? 'a' AS has, ':?' AS text, :? AS v`,
    mysql: `SELECT ':?' AS text, "?" AS has, :? AS v /* :? */ -- :?`,
    sqlite: `SELECT ':?' AS text, '?' AS "has :?", :? AS v -- :?`,
  })
  await c.fixture({
    1: {
      up: `const [row] = await client.query(${JSON.stringify(json)}, ["x' OR 1=1; --"])
  if (row.text !== ':?' || row.v !== "x' OR 1=1; --") throw new Error(JSON.stringify(row))
  await client.execute('CREATE TABLE v (n BIGINT, t VARCHAR(200))')
  await client.execute('INSERT INTO v VALUES (:?, :?)', [9007199254740993n, "quote ' and \\\\ and ?"])
  await client.execute('INSERT INTO v VALUES (:?, :?)', [-9223372036854775808n, null])
  const rows = await client.query('SELECT n, t FROM v ORDER BY n')
  if (rows[1].n !== 9007199254740993n || rows[0].n !== -9223372036854775808n) throw new Error(String(rows.map((r) => r.n)))
  if (rows[1].t !== "quote ' and \\\\ and ?") throw new Error(rows[1].t)
  const counts = []
  for (const params of [[], [1, 2]])
    try { await client.query('SELECT :? AS one', params); counts.push('sent') } catch (error) { counts.push(error.message) }
  if (counts.includes('sent')) throw new Error(counts.join())`,
      down: `await client.execute('DROP TABLE v')`,
    },
  })
  await c.next()
  expect(await c.tables()).toEqual(['a', 'b', 'c', 'd', 'v'])
})

/** Values that are kept as one, and what a text column then holds; undefined: it is refused before anything is sent. */
const VALUES: readonly (readonly [string, Readonly<Record<'sqlite' | 'postgresql' | 'mysql', string | undefined>>])[] =
  [
    ['{ id: 1 }', { sqlite: '{"id":1}', postgresql: '{"id":1}', mysql: '{"id":1}' }],
    // The pg driver's own form of an array.
    ['[1, 2]', { sqlite: '[1,2]', postgresql: '{"1","2"}', mysql: '[1,2]' }],
    ['{ toSqlString: () => "1); DROP TABLE a; --" }', { sqlite: '{}', postgresql: '{}', mysql: '{}' }],
    ["'a\\0b'", { sqlite: 'a\0b', postgresql: undefined, mysql: 'a\0b' }],
    [
      "new Date('2026-01-02T03:04:05.678Z')",
      {
        sqlite: '2026-01-02T03:04:05.678+00:00',
        postgresql: '2026-01-02 03:04:05.678+00',
        mysql: '2026-01-02 03:04:05.678000',
      },
    ],
    ["'\ud83d\ude42'", { sqlite: '\ud83d\ude42', postgresql: '\ud83d\ude42', mysql: '\ud83d\ude42' }],
    ['undefined', { sqlite: undefined, postgresql: undefined, mysql: undefined }],
    ["Symbol('x')", { sqlite: undefined, postgresql: undefined, mysql: undefined }],
    ['() => 1', { sqlite: undefined, postgresql: undefined, mysql: undefined }],
    ["new Date('x')", { sqlite: undefined, postgresql: undefined, mysql: undefined }],
  ]

fault('an object, a date, a missing value are refused, or sent as one value; they never expand into SQL', async (c) => {
  const kept = VALUES.flatMap(([code, as]) => (c.by(as) === undefined ? [] : [code]))
  const refused = VALUES.flatMap(([code, as]) => (c.by(as) === undefined ? [code] : []))
  const json = c.by({ postgresql: 'JSONB', mysql: 'JSON', sqlite: 'TEXT' })
  const time = c.by({ postgresql: 'TIMESTAMPTZ(3)', mysql: 'DATETIME(3)', sqlite: 'DATETIME' })
  await c.fixture()
  const values = {
    up: `const kept = [${kept.join(', ')}]
  for (const [i, value] of kept.entries()) await client.execute('INSERT INTO a (id, v) VALUES (:?, :?)', [i + 10, value])
  const said = []
  for (const value of [${refused.join(', ')}])
    try { await client.execute('INSERT INTO a (id, v) VALUES (7, :?)', [value]); said.push('sent') } catch (error) { said.push(error.message) }
  if (!said.every((message) => /parameter 1|invalid Date/.test(message))) throw new Error(said.join())
  await client.execute('CREATE TABLE typed (j ${json}, t ${time})')
  await client.execute('INSERT INTO typed VALUES (:?, :?)', [{ a: "it's", b: [1, null] }, new Date('2026-01-02T03:04:05.678Z')])`,
    down: `await client.execute('DROP TABLE typed')`,
  }
  // One that nobody catches is the operation's failure, and nothing of it was sent.
  c.folder(M2, [{ up: `await client.execute('INSERT INTO a (id, v) VALUES (7, :?)', [undefined])`, down: '' }])
  const uncaught = await c.rays(['migrate'])
  expect({ code: uncaught.code, stderr: uncaught.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/Operation 0 \(up0\) of 20260102000000_b failed: parameter 1 is undefined/),
  })
  expect(await c.db.query('SELECT id FROM a')).toEqual([])
  await c.agrees()
  c.folder(M2, [values])
  await c.next()
  const rows = await c.db.query('SELECT v FROM a WHERE id >= 10 ORDER BY id')
  // In a column of text a time has as many digits as the server gives it: MariaDB six, MySQL none.
  const read = rows.map(({ v }) => (c.provider === 'mysql' && v === '2026-01-02 03:04:05' ? `${v}.678000` : v))
  expect(read).toEqual(VALUES.flatMap(([, as]) => (c.by(as) === undefined ? [] : [c.by(as)])))
  expect(await c.db.query('SELECT id FROM a WHERE id < 10')).toEqual([])
  const [{ j, t }] = (await c.db.query('SELECT j, t FROM typed')) as [{ j: unknown; t: string | Date }]
  expect(typeof j === 'string' ? JSON.parse(j) : j).toEqual({ a: "it's", b: [1, null] })
  expect(new Date(t).toISOString()).toBe('2026-01-02T03:04:05.678Z')
})

fault(
  'functions, triggers, procedures and semicolons inside of texts are split where the server splits them',
  async (c) => {
    const script = c.by({
      postgresql: `CREATE TABLE made_t (id INTEGER PRIMARY KEY, v TEXT DEFAULT 'a;b');
CREATE FUNCTION made_f() RETURNS trigger LANGUAGE plpgsql AS $a$ BEGIN NEW.v := $b$;$b$ || '; -- no end'; RETURN NEW; END; $a$;
/* ; /* nested ; */ */
CREATE PROCEDURE made_p(n INTEGER) LANGUAGE plpgsql AS $a$ DECLARE s TEXT := $b$ ' ; " $c$ ; $b$; BEGIN IF n > 0 THEN UPDATE made_t SET v = $b$;$b$ || s WHERE id = n; END IF; END; $a$;
CREATE FUNCTION made_g() RETURNS INTEGER LANGUAGE SQL BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;
CREATE TRIGGER made_tr BEFORE INSERT ON made_t FOR EACH ROW EXECUTE FUNCTION made_f();
INSERT INTO made_t VALUES (1, E'it\\'s; fine');`,
      mysql: `CREATE TABLE made_t (id INTEGER PRIMARY KEY, v VARCHAR(50) DEFAULT 'a;b');
CREATE TRIGGER made_tr BEFORE INSERT ON made_t FOR EACH ROW BEGIN SET NEW.v = CONCAT(';', '; -- no end'); IF NEW.id = 2 THEN SET NEW.v = 'two'; END IF; END;
# ; a comment
CREATE PROCEDURE made_p(n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < 2 DO SET i = i + 1; END WHILE; IF n > 0 THEN UPDATE made_t SET v = CONCAT(';', ' '' ; " $c$ ; ') WHERE id = n; END IF; END;
CREATE FUNCTION made_g() RETURNS INT DETERMINISTIC BEGIN CASE WHEN TRUE THEN RETURN 2; ELSE RETURN 1; END CASE; END;
INSERT INTO made_t VALUES (1, 'it\\'s; fine');`,
      sqlite: `CREATE TABLE made_t (id INTEGER PRIMARY KEY, v TEXT DEFAULT 'a;b');
CREATE TRIGGER made_tr AFTER INSERT ON made_t BEGIN UPDATE made_t SET v = ';' || '; -- no end' WHERE id = NEW.id; SELECT CASE WHEN 1 THEN 2 END; END;
-- ; a comment
INSERT INTO made_t VALUES (1, 'it''s; fine');`,
    })
    c.code(M1, undefined, script)
    await c.next()
    const works = async () => {
      expect(await c.db.query('SELECT v FROM made_t')).toEqual([{ v: ';; -- no end' }])
      if (c.provider === 'sqlite') return
      await c.db.query('CALL made_p(1)')
      expect(await c.db.query('SELECT v, made_g() AS g FROM made_t')).toEqual([{ v: `; ' ; " $c$ ; `, g: 2 }])
    }
    const { schema } = await c.state()
    await works()
    // The statements become operations, each with its way back: what the script made goes, and comes again.
    const adopted = await c.rays(['adopt'])
    expect({ code: adopted.code, stderr: adopted.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    const down = await c.rays(['migrate', '--name', 'zero', '--y'])
    expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect((await c.state()).schema).not.toMatch(/made_/)
    await c.next()
    expect((await c.state()).schema).toBe(schema)
    await works()
  },
)

fault(
  'DELIMITER is refused with an explanation',
  async (c) => {
    await c.fixture()
    c.code(M3, undefined, 'DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\n')
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/DELIMITER is a command of the mysql/),
    })
    await c.clean(before)
    c.folder(M3, [table('d')])
    await c.next()
  },
  { on: ['mysql'] },
)

fault('the code that is generated evaluates to the very same SQL', async (c) => {
  const nasty = 'tick ` dollar ${x} back \\ slash */ \'quote\' "double" line \u2028 and \u2029 :? ? $1 -- end'
  c.project.schema(
    `/// ${nasty}\nmodel a {\n  id Int @id\n  /// */ ${nasty}\n  v  String @default(${JSON.stringify(nasty)})\n  w  Int? @map("tick \` \${x} */ \\\\ \u2028")\n}\n`,
  )
  const made = await c.rays(['makemigration', '--name', 'nasty'])
  expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  const [name] = c.found() as [string]
  const sql = readFileSync(c.file(name, 'migration.sql'), 'utf8')
  const { default: operations } = (await import(pathToFileURL(c.file(name)).href)) as {
    default: ((arg: object) => Promise<void>)[][]
  }
  const sent: string[] = []
  for (const [up] of operations) await up!({ client: { execute: async (text: string) => void sent.push(text) } })
  const { syntax } = await engineFor(c.provider)
  const plain = (text: string) => text.replace(/;$/, '').trim()
  expect(sent.map(plain)).toEqual(splitStatements(sql, syntax).map(({ text }) => plain(text)))
  expect((await c.rays(['migrate'])).code).toBe(0)
  await c.agrees()
  await c.db.query('INSERT INTO a (id) VALUES (1)')
  expect((await c.db.query('SELECT * FROM a'))[0]).toEqual({ id: 1, v: nasty, 'tick ` ${x} */ \\ \u2028': null })
  expect((await c.rays(['status', '--check'])).code).toBe(0)
})

fault(
  'a parent table is rebuilt, up and down, and its children keep their rows',
  async (c) => {
    const base = (extra: string) =>
      `model parent {\n  id Int @id\n${extra}  children child[]\n  others other[]\n}\n\nmodel child {\n  id Int @id\n  parentId Int\n  parent parent @relation(fields: [parentId], references: [id], onDelete: Cascade)\n}\n\nmodel other {\n  id Int @id\n  parentId Int?\n  parent parent? @relation(fields: [parentId], references: [id], onDelete: SetNull)\n}\n`
    c.project.schema(base('  note Int?\n'))
    expect((await c.rays(['makemigration', '--name', 'one'])).code).toBe(0)
    expect((await c.rays(['migrate'])).code).toBe(0)
    await c.db.query('INSERT INTO parent (id, note) VALUES (1, 1)')
    await c.db.query('INSERT INTO child VALUES (1, 1), (2, 1), (3, 1)')
    await c.db.query('INSERT INTO other VALUES (1, 1)')
    c.project.schema(base('  note String @default("x")\n'))
    expect((await c.rays(['makemigration', '--name', 'two', '--y'])).code).toBe(0)
    const count = async () => [
      (await c.db.query('SELECT count(*) AS n FROM child'))[0]!.n,
      (await c.db.query('SELECT parentId FROM other'))[0]!.parentId,
    ]
    for (const target of ['two', 'one', 'two']) {
      const run = await c.rays(['migrate', '--name', target, '--y'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await count()).toEqual([3, 1])
      c.found()
      await c.agrees()
    }
    // Foreign keys are off for the migration that asks for it, and on again for the next one of the same run.
    const on = `const [row] = await client.query('PRAGMA foreign_keys')
  if (Number(Object.values(row)[0]) !== 1) throw new Error('foreign keys are off')`
    c.code(
      '20990101000000_off',
      `module.exports = [[async ({ client }) => { await client.execute('PRAGMA foreign_keys=OFF'); await client.execute('UPDATE parent SET id = 1') }, null]]`,
    )
    c.folder('20990101000001_on', [{ up: on, down: '' }])
    await c.next()
    expect(await count()).toEqual([3, 1])
    await c.db.query('PRAGMA foreign_keys = ON')
    // A migration that breaks a reference while foreign keys are off.
    const bad = '20990101000002_bad'
    c.code(
      bad,
      `async function up({ client }) { await client.execute('PRAGMA foreign_keys=OFF'); await client.execute('INSERT INTO child VALUES (9, 99)') }\nmodule.exports = [[up, null]]`,
    )
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/child/) })
    await c.clean(before)
    await c.agrees()
    c.folder(bad, [{ up: on, down: '' }])
    await c.next()
  },
  { on: ['sqlite'] },
)

fault(
  'a SQLite file that others use, or that is none',
  async (c) => {
    await c.fixture()
    const reader = await c.db.session()
    await reader.query('PRAGMA journal_mode = WAL')
    await reader.query('BEGIN')
    await reader.query('SELECT * FROM a')
    await c.next({ args: ['--name', M2], applied: [M1, M2] })
    await reader.query('ROLLBACK')
    // What another process has only written to the log so far is there for rays, and what it is writing is waited for.
    await reader.query("INSERT INTO a VALUES (20, 'in the log')")
    await reader.query('BEGIN IMMEDIATE')
    const held = await c.state()
    const waited = await c.rays(['migrate', '--lock-timeout', '1'])
    expect({ code: waited.code, stderr: waited.stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/held by another process that is writing to the file/),
    })
    await reader.query('ROLLBACK')
    await c.clean(held)
    c.folder('20260104000000_wal', [
      {
        up: `if ((await client.query('SELECT v FROM a WHERE id = 20')).length !== 1) throw new Error('not there')`,
        down: '',
      },
    ])
    await c.next()
    const folder = path.dirname(c.href.replace(/^file:/, ''))
    writeFileSync(path.join(folder, 'garbage.db'), 'this is not a database, whatever its name says\n'.repeat(100))
    for (const [file, code, says] of [
      ['garbage.db', 1, /garbage\.db is not a SQLite database/],
      ['missing.db', 1, /missing\.db does not exist[\s\S]*--create-db/],
      ['.', 1, /is a directory/],
    ] as const) {
      const before = hashTree(folder)
      const run = await c.rays(['migrate'], { env: { DATABASE_URL: `file:${path.join(folder, file)}` } })
      expect({ file, code: run.code, stderr: run.stderr }).toEqual({ file, code, stderr: expect.stringMatching(says) })
      expect(hashTree(folder)).toBe(before)
    }
  },
  { on: ['sqlite'] },
)
