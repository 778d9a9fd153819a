/** What went wrong with the source project, and must not go wrong here. */
import { existsSync, linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { quoted, type Workspace, workspace } from '../support/workspace.js'

const MODEL = 'model Item {\n  id Int @id\n}'
const code = (ws: Workspace, name: string, text: string) =>
  ws.project.write({ [`prisma/migrations/${ws.folder(name)}/migration.js`]: text })
const structure = (dump: string) =>
  dump
    .split('\n')
    .filter((line) => !line.includes('_prisma_migrations'))
    .join('\n')

/** Databases on the server, or files beside the database, that could be left over from shadows. */
async function others(db: FreshDatabase): Promise<string[]> {
  if (db.provider === 'sqlite') return readdirSync(path.dirname(db.href.slice(5)))
  const sql = {
    postgresql: `SELECT datname AS name FROM pg_database WHERE datname LIKE '${db.name}%'`,
    mysql: `SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE '${db.name}%'`,
  }[db.provider]
  return (await db.query(sql)).map((row) => String(row.name))
}

/** Sessions of other programs with databases of this name. */
async function sessions(db: FreshDatabase): Promise<number> {
  if (db.provider === 'sqlite') return 0
  const sql = {
    postgresql: `SELECT count(*) AS n FROM pg_stat_activity WHERE datname LIKE '${db.name}%' AND pid <> pg_backend_pid()`,
    mysql: `SELECT count(*) AS n FROM information_schema.processlist WHERE db LIKE '${db.name}%' AND id <> connection_id()`,
  }[db.provider]
  return Number((await db.query(sql))[0]!.n)
}

describeDatabases('a migration is one unit', (on) => {
  let ws: Workspace
  const item = quoted(on, 'Item')
  const fresh = quoted(on, 'Fresh')
  beforeEach(async () => {
    ws = await workspace(on, { schema: MODEL })
    await ws.given('makemigration --name init')
    await ws.ok('migrate')
    await ws.given('makemigration --name next --blank')
  })
  afterEach(() => ws.drop())

  test('its statements, its rows and its record are undone together when a later operation fails', async () => {
    const before = await dumpSchema(ws.db)
    code(
      ws,
      'next',
      `module.exports = [
  [({ client }) => client.execute('CREATE TABLE ${fresh} (id INTEGER NOT NULL PRIMARY KEY)'), ({ client }) => client.execute('DROP TABLE ${fresh}')],
  [({ client }) => client.execute('INSERT INTO ${item} (id) VALUES (1)'), ({ client }) => client.execute('DELETE FROM ${item}')],
  [({ client }) => client.execute('INSERT INTO ${item} (id) VALUES (1)'), async () => {}],
]`,
    )
    await ws.fails(1, 'migrate')
    expect(structure(await dumpSchema(ws.db))).toBe(structure(before))
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    expect(await ws.applied()).toEqual(['init'])
    // Nothing is in the way of a second try.
    await ws.sql('INSERT INTO "Item" (id) VALUES (2)')
    code(ws, 'next', 'module.exports = []')
    await ws.ok('migrate')
  })

  test('a program that is killed in the middle leaves no table without its record, and no record without its table', async () => {
    code(
      ws,
      'next',
      `module.exports = [[async ({ client }) => {
  await client.execute('CREATE TABLE ${fresh} (id INTEGER NOT NULL PRIMARY KEY)')
  require('node:fs').writeFileSync('half-way', '')
  await new Promise((done) => setTimeout(done, 60_000))
}, async ({ client }) => { await client.execute('DROP TABLE ${fresh}') }]]`,
    )
    const output = await ws.rays('migrate', {
      onStart: async (child) => {
        for (let i = 0; i < 400 && !ws.exists('half-way'); i++) await sleep(50)
        child.kill('SIGKILL')
      },
    })
    expect(output.code).toBe(137)
    for (let i = 0; i < 100 && (await sessions(ws.db)) > 0; i++) await sleep(50)
    expect(await ws.applied()).toEqual(['init'])
    code(
      ws,
      'next',
      `module.exports = [[({ client }) => client.execute('CREATE TABLE ${fresh} (id INTEGER NOT NULL PRIMARY KEY)'), ({ client }) => client.execute('DROP TABLE ${fresh}')]]`,
    )
    if (on.provider === 'mysql') {
      // No transaction can undo a CREATE TABLE here: what is in doubt is told, and nothing is taken for applied.
      expect((await ws.fails(3, 'migrate')).stderr).toContain(ws.folder('next'))
      return
    }
    expect(await ws.tables()).toEqual(['Item'])
    await ws.ok('migrate')
    expect(await ws.tables()).toEqual(['Fresh', 'Item'])
  })

  test('two programs that migrate at once apply it once', async () => {
    code(
      ws,
      'next',
      `module.exports = [[async ({ client }) => {
  await client.execute('INSERT INTO ${item} (id) VALUES (1)')
  await new Promise((done) => setTimeout(done, 300))
}, async () => {}]]`,
    )
    const runs = await Promise.all([ws.rays('migrate'), ws.rays('migrate'), ws.rays('migrate')])
    expect(runs.map((run) => run.code)).toEqual([0, 0, 0])
    expect(runs.filter((run) => run.stdout.includes('Applied: 1 migration'))).toHaveLength(1)
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([{ id: 1 }])
    expect(await history(ws.db)).toHaveLength(2)
  })

  test('a frozen list of operations runs both ways, again and again', async () => {
    code(
      ws,
      'next',
      `const pairs = [1, 2].map((id) => Object.freeze([
  ({ client }) => client.execute('INSERT INTO ${item} (id) VALUES (:?)', [id]),
  ({ client }) => client.execute('DELETE FROM ${item} WHERE id = :?', [id]),
]))
module.exports = Object.freeze(pairs)`,
    )
    for (let round = 0; round < 2; round++) {
      await ws.ok('migrate')
      expect(await ws.sql('SELECT * FROM "Item" ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
      // The rows go with it.
      await ws.ok('migrate --name -1 --y')
      expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    }
  })

  test('an unreadable history or an unreachable database is never taken for an empty one', async () => {
    await ws.sql('ALTER TABLE _prisma_migrations RENAME COLUMN checksum TO sum')
    await ws.fails(1, 'migrate')
    expect(await ws.sql('SELECT migration_name FROM _prisma_migrations')).toHaveLength(1)
  })

  test('a record that was rolled back does not count as applied', async () => {
    await ws.sql(`UPDATE _prisma_migrations SET finished_at = NULL, rolled_back_at = started_at`)
    const { stdout } = await ws.ok('migrate --plan')
    expect(stdout).toContain(ws.folder('init'))
  })

  test('there is a way down to nothing', async () => {
    await ws.ok('migrate')
    await ws.ok('migrate --name zero --y')
    expect(await ws.tables()).toEqual([])
    expect(await history(ws.db)).toEqual([])
  })
})

describeDatabases('text that looks like something else', (on) => {
  let ws: Workspace
  afterEach(() => ws.drop())

  test('semicolons, comments, backticks, dollar signs and backslashes in a default arrive unchanged', async () => {
    const value = "a;b -- c \u0024{process.exit(9)} `tick` it's :? /* x */ # \\d \\n"
    ws = await workspace(on, {
      schema: `model Item {\n  id   Int    @id\n  text String @default(${JSON.stringify(value)})\n}`,
    })
    await ws.ok('makemigration --name odd')
    await ws.ok('migrate')
    await ws.sql('INSERT INTO "Item" (id) VALUES (1)')
    expect(await ws.sql('SELECT text FROM "Item"')).toEqual([{ text: value }])
    const { stdout } = await ws.ok('migrate --sql --name zero')
    expect(stdout).toContain('DROP TABLE')
    expect((await ws.ok('status --check')).stdout).toContain('Everything is in step')
  })

  test('statements by hand are sent whole: a semicolon, a line of dashes and two marks in them', async () => {
    ws = await workspace(on, { schema: 'model Item {\n  id Int @id\n  text String?\n}' })
    await ws.given('makemigration --name init')
    const table = quoted(on, 'Item')
    const insert = `INSERT INTO ${table} (id, text) VALUES (:?, 'x;\n-- :? y')`
    const joined = on.provider === 'mysql' ? 'CONCAT(text, :?, :?)' : 'text || :? || :?'
    const append = `UPDATE ${table} SET text = ${joined} WHERE id = :?`
    code(
      ws,
      'init',
      ws.migration('init').replace(
        /,?\s*\];?\s*$/,
        `, [async ({ client }) => {
    await client.execute(${JSON.stringify(insert)}, [1])
    await client.execute(${JSON.stringify(append)}, ['-', '!', 1])
  }, async () => {}],
]
`,
      ),
    )
    await ws.ok('migrate')
    expect(await ws.sql('SELECT text FROM "Item"')).toEqual([{ text: 'x;\n-- :? y-!' }])
  })

  test('a folder whose name holds quotes is recorded and removed as any other', async () => {
    ws = await workspace(on, { schema: MODEL })
    const name = `20240101000000_o'brien"; DROP TABLE x`
    ws.project.write({
      [`prisma/migrations/${name}/migration.js`]: 'module.exports = []',
      [`prisma/migrations/${name}/migration.sql`]: '-- This is an empty migration.',
    })
    await ws.ok('migrate')
    expect((await history(ws.db)).map((row) => row.migration_name)).toEqual([name])
    await ws.ok('migrate --name zero')
    expect(await history(ws.db)).toEqual([])
  })

  test('a name with the shell’s own signs is only a name', async () => {
    ws = await workspace(on, { schema: MODEL })
    await ws.ok(['makemigration', '--no-verify', '--name', `x; touch pwned $(touch pwned) \`touch pwned\` ../../up '"`])
    expect(ws.folders()).toHaveLength(1)
    expect(ws.folders()[0]).toMatch(/^\d{14}_[a-z0-9_]+$/)
    expect(existsSync(path.join(ws.project.folder, 'pwned'))).toBe(false)
    expect(existsSync(path.join(ws.project.folder, 'up'))).toBe(false)
  })
})

describeDatabases('what is not rays’ business stays as it is', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: MODEL })
  })
  afterEach(() => ws.drop())

  test('makemigration leaves schema, database and server as they were, whether it succeeds or fails', async () => {
    await ws.sql('CREATE TABLE "mine" (id INTEGER NOT NULL PRIMARY KEY)')
    await ws.db.close()
    const schema = path.join(ws.project.folder, 'prisma/schema.prisma')
    const before = { stat: statSync(schema), dump: await dumpSchema(ws.db), others: await others(ws.db) }
    await ws.ok('makemigration --name one')
    const unchanged = async () => {
      expect(statSync(schema)).toMatchObject({ ino: before.stat.ino, mtimeMs: before.stat.mtimeMs })
      expect(await dumpSchema(ws.db)).toBe(before.dump)
      expect(await others(ws.db)).toEqual(before.others)
      expect(await sessions(ws.db)).toBe(0)
      expect(readdirSync(path.join(ws.project.folder, 'prisma')).sort()).toEqual(['migrations', 'schema.prisma'])
    }
    await unchanged()
    // A schema that the engine accepts and the database does not.
    const wrong = `model Item {\n  id Int @id\n  text String @default(dbgenerated("there_is_no_such_function(1)"))\n}`
    writeFileSync(schema, readFileSync(schema, 'utf8').replace(MODEL, wrong))
    before.stat = statSync(schema)
    const { stderr } = await ws.fails(1, 'makemigration --name two')
    expect(stderr).toMatch(/there_is_no_such_function|syntax error/)
    expect(ws.folders()).toHaveLength(1)
    await unchanged()
  })

  test('the schema file is the old one or the new one at any moment, never gone and never half', async () => {
    await ws.given('makemigration --name one')
    ws.project.schema(`${MODEL}\n${'// a long comment\n'.repeat(5000)}\nmodel More {\n  id Int @id\n}`)
    await ws.given('makemigration --name two')
    await ws.ok('migrate')
    const file = path.join(ws.project.folder, 'prisma/schema.prisma')
    const old = readFileSync(file, 'utf8')
    linkSync(file, path.join(ws.project.folder, 'old'))
    const seen = new Set<string>()
    let watching = true
    const watch = (async () => {
      while (watching) {
        seen.add(readFileSync(file, 'utf8'))
        await new Promise((done) => setImmediate(done))
      }
    })()
    await ws.ok('migrate --name -1 --y')
    watching = false
    await watch
    const now = readFileSync(file, 'utf8')
    expect(now).not.toBe(old)
    expect([...seen].every((text) => text === old || text === now)).toBe(true)
    // The old file was not written into: it lives on under its other name.
    expect(ws.read('old')).toBe(old)
  })

  test('the main database is refused as shadow database, before anything in it is dropped', async () => {
    await ws.sql('CREATE TABLE "mine" (id INTEGER NOT NULL PRIMARY KEY)')
    const name = on.provider === 'sqlite' ? ws.db.href.slice(5) : ws.db.name
    await ws.fails(2, 'makemigration --name one --clear-shadow', { env: { RAYS_SHADOW_DATABASE_NAME: name } })
    expect(await ws.tables()).toEqual(['mine'])
  })

  test('a failed command ends its sessions', async () => {
    await ws.given('makemigration --name one')
    code(ws, 'one', `module.exports = [[({ client }) => client.execute('nonsense'), null]]`)
    await ws.fails(1, 'migrate')
    for (let i = 0; i < 40 && (await sessions(ws.db)) > 0; i++) await sleep(50)
    expect(await sessions(ws.db)).toBe(0)
  })
})

describeDatabases(
  'a password',
  (on) => {
    test('is in no message and no log, whatever fails', async () => {
      const ws = await workspace(on, { schema: MODEL })
      await ws.given('makemigration --name one')
      const port = await new Promise<number>((resolve) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
          const { port } = server.address() as { port: number }
          server.close(() => resolve(port))
        })
      })
      const reachable = ws.db.href.replace(/\/\/(\w+)@/, '//$1:Tr0ub4dor%263@')
      const urls = [`${on.provider}://me:Tr0ub4dor%263@127.0.0.1:${port}/shop`, reachable]
      for (const DATABASE_URL of urls) {
        for (const line of [
          'migrate --log',
          'status --log',
          'makemigration --name two --blank --log',
          'config',
          'push --json',
        ]) {
          const { stdout, stderr } = await ws.rays(line, { env: { DATABASE_URL } })
          expect(stdout + stderr).not.toContain('Tr0ub4dor')
        }
      }
      await ws.drop()
    })
  },
  (provider) => provider !== 'sqlite',
)

describeDatabases(
  'SQLite',
  (on) => {
    test('a table that is built anew keeps the rows of its children and the order of foreign keys', async () => {
      const schema = (type: string) => `model Parent {
  id Int @id
  name ${type}
  children Child[]
}

model Child {
  id Int @id
  parentId Int
  parent Parent @relation(fields: [parentId], references: [id], onDelete: Cascade)
}`
      const ws = await workspace(on, { schema: schema('String?') })
      await ws.given('makemigration --name one')
      await ws.ok('migrate')
      await ws.sql(`INSERT INTO "Parent" (id, name) VALUES (1, 'a')`)
      await ws.sql('INSERT INTO "Child" (id, "parentId") VALUES (1, 1), (2, 1)')
      ws.project.schema(schema('String @default("x")'))
      await ws.ok('makemigration --name two')
      expect(ws.migration('two', 'migration.sql')).toContain('PRAGMA foreign_keys=OFF')
      await ws.ok('migrate')
      expect(await ws.sql('SELECT * FROM "Child"')).toHaveLength(2)
      await ws.ok('migrate --name -1 --y')
      expect(await ws.sql('SELECT * FROM "Child"')).toHaveLength(2)
      await ws.drop()
    })

    test('rows that break a foreign key after such a migration undo it', async () => {
      const ws = await workspace(on, {
        schema:
          'model A {\n  id Int @id\n  bs B[]\n}\n\nmodel B {\n  id Int @id\n  aId Int\n  a A @relation(fields: [aId], references: [id])\n}',
      })
      await ws.given('makemigration --name one')
      await ws.ok('makemigration --name two --blank')
      code(
        ws,
        'two',
        `module.exports = [[async ({ client }) => {
  await client.execute('PRAGMA foreign_keys=OFF')
  await client.execute('INSERT INTO "B" (id, "aId") VALUES (1, 99)')
}, async () => {}]]`,
      )
      const { stderr } = await ws.fails(1, 'migrate')
      expect(stderr).toContain('rolled back')
      expect(await ws.sql('SELECT * FROM "B"')).toEqual([])
      expect(await ws.applied()).toEqual(['one'])
      await ws.drop()
    })
  },
  (provider) => provider === 'sqlite',
)
