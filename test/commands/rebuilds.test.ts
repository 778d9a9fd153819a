/** On SQLite a changed table is built anew. What a Prisma schema does not model stays on it. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { databases, type FreshDatabase } from '../support/databases.js'
import { knexProject } from '../support/knex.js'
import { project, type TestProject } from '../support/project.js'

const ACCOUNT =
  'model Account {\n  id      Int     @id @default(autoincrement())\n  owner   String\n  balance Int     @default(0)\n  note    String?\n  old     String?\n\n  @@index([owner])\n}\n'
const LOG = 'model Log {\n  id   Int    @id @default(autoincrement())\n  text String\n}\n'

/** The table as the first migration makes it, with checks, and everything else that no schema knows. */
const BY_HAND = [
  'DROP TABLE Account',
  `CREATE TABLE "Account" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner" TEXT NOT NULL COLLATE NOCASE,
    "loud" TEXT GENERATED ALWAYS AS (upper("owner")) VIRTUAL,
    "balance" INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
    "note" TEXT,
    "old" TEXT,
    CONSTRAINT "owner_named" CHECK (length("owner") > 0),
    CHECK ("old" <> 'never')
  )`,
  'CREATE INDEX "Account_owner_idx" ON "Account"("owner")',
  'CREATE UNIQUE INDEX rich ON Account(owner) WHERE balance > 1000',
  'CREATE INDEX shout ON Account(upper(owner))',
  'CREATE INDEX aged ON Account(old) WHERE old IS NOT NULL',
  `CREATE TRIGGER told AFTER UPDATE OF balance ON Account BEGIN INSERT INTO Log (text) VALUES (NEW.owner || ' ' || NEW.balance); END`,
  'CREATE TRIGGER counted AFTER INSERT ON Log BEGIN UPDATE Account SET note = NEW.text WHERE id = -1; END',
  'CREATE VIEW wealth AS SELECT owner, balance FROM Account WHERE balance > 0',
  `INSERT INTO Account (owner, balance) VALUES ('Ada', 5), ('Bob', 2000), ('Eve', 1)`,
  `DELETE FROM Account WHERE owner = 'Eve'`,
]

const { available, fresh } = databases.find(({ provider }) => provider === 'sqlite')!

describe('a table that is built anew', () => {
  const run = available ? test : test.skip
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await fresh()
    app = project({ provider: 'sqlite', url: db.href, schema: ACCOUNT + LOG, config: { generate: false } })
    await ok('makemigration', '--name', 'first')
    await ok('migrate')
    for (const sql of BY_HAND) await db.query(sql)
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })

  async function ok(...args: string[]) {
    const output = await app.rays(args)
    expect([args, output.code, output.stderr]).toEqual([args, 0, expect.any(String)])
    return output
  }
  const names = async () =>
    (await db.query("SELECT name FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL"))
      .map(({ name }) => name)
      .sort()
  const refused = (sql: string) =>
    db.query(sql).then(
      () => false,
      () => true,
    )
  /** The objects are not only there: they work. */
  async function works() {
    expect(await refused(`INSERT INTO Account (owner, balance) VALUES ('Zoe', -1)`)).toBe(true)
    expect(await refused(`INSERT INTO Account (owner) VALUES ('')`)).toBe(true)
    expect(await refused(`INSERT INTO Account (owner, balance) VALUES ('Bob', 3000)`)).toBe(true)
    await db.query(`DELETE FROM Log`)
    await db.query(`UPDATE Account SET balance = balance + 1 WHERE owner = 'Ada'`)
    expect(await db.query('SELECT text FROM Log')).toEqual([{ text: expect.stringMatching(/^Ada \d+$/) }])
    expect(await db.query('SELECT owner FROM wealth ORDER BY owner')).toEqual([{ owner: 'Ada' }, { owner: 'Bob' }])
    expect(await db.query(`SELECT loud FROM Account WHERE owner = 'aDA'`)).toEqual([{ loud: 'ADA' }])
    // AUTOINCREMENT: the number of a row that was deleted is not given again.
    await db.query(`INSERT INTO Account (owner) VALUES ('New')`)
    const [row] = await db.query(`SELECT id FROM Account WHERE owner = 'New'`)
    await db.query(`DELETE FROM Account WHERE owner = 'New'`)
    return Number(row!.id)
  }

  run('keeps triggers, checks, partial indexes, views and its count, up and down', async () => {
    const before = await names()
    app.schema(ACCOUNT.replace('note    String?', 'note    String  @default("")') + LOG)
    const made = await ok('makemigration', '--name', 'second')
    expect(made.stdout).toContain('Proven')
    await ok('migrate')
    expect(await names()).toEqual(before)
    expect(await works()).toBe(4)
    await ok('migrate', '--name', '-1', '--y')
    expect(await names()).toEqual(before)
    expect(await works()).toBe(5)
    await ok('migrate')
    expect(await works()).toBe(6)
    expect((await ok('status', '--check')).stdout).toContain('Everything is in step')
    expect((await ok('doctor')).stdout).toContain('told')
  })

  run('gives up an index and a check together with the column they are about', async () => {
    const before = await names()
    app.schema(ACCOUNT.replace('  old     String?\n', '') + LOG)
    await ok('makemigration', '--name', 'second')
    await ok('migrate')
    expect(await names()).toEqual(before.filter((name) => name !== 'aged'))
    await works()
  })

  run('is left as it was where a trigger would no longer work on it', async () => {
    await db.query(
      `CREATE TRIGGER aging AFTER INSERT ON Account BEGIN UPDATE Account SET note = NEW.old WHERE id = NEW.id; END`,
    )
    const before = await db.query('SELECT sql FROM sqlite_schema ORDER BY name')
    app.schema(ACCOUNT.replace('  old     String?\n', '') + LOG)
    await ok('makemigration', '--name', 'second')
    const output = await app.rays(['migrate'])
    expect(output.code).toBe(1)
    expect(output.stderr).toMatch(/trigger aging does not work .*no such column: NEW.old.*Drop or change the trigger/s)
    expect(await db.query('SELECT sql FROM sqlite_schema ORDER BY name')).toEqual(before)
  })

  run('keeps them when the schema is pushed, and in draft', async () => {
    const before = await names()
    app.schema(ACCOUNT.replace('note    String?', 'note    String  @default("")') + LOG)
    await ok('push', '--y')
    expect(await names()).toEqual(before)
    await works()
    app.schema(ACCOUNT.replace('note    String?', 'note    String  @default("x")') + LOG)
    await ok('draft', '--y')
    expect(await names()).toEqual(before)
    await works()
  })

  run('keeps them when Knex runs the migration', async () => {
    const before = await names()
    app.schema(ACCOUNT.replace('note    String?', 'note    String  @default("")') + LOG)
    await ok('makemigration', '--name', 'second')
    const withKnex = knexProject(db, { schema: '' })
    try {
      withKnex.write(
        Object.fromEntries(
          readdirSync(path.join(app.folder, 'prisma'), { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map(({ parentPath, name }) => {
              const file = path.join(parentPath, name)
              return [path.relative(app.folder, file), readFileSync(file, 'utf8')]
            }),
        ),
      )
      for (const command of ['migrate:up', 'migrate:down', 'migrate:latest']) {
        const ran = await withKnex.knex(command)
        expect([command, ran.code, ran.stderr]).toEqual([command, 0, expect.any(String)])
        expect(await names()).toEqual(before)
        await works()
      }
    } finally {
      withKnex.remove()
    }
  })
})
