/** Knex's row and Prisma's of one migration: where one of them cannot be written, neither is, and nothing was done. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { CLIENTS, type KnexProject, knexProject, type Ran } from '../support/knex.js'
import type { Output } from '../support/project.js'

function ok<T extends Ran | Output>(ran: T): T {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

describeDatabases("Knex's row and Prisma's", ({ fresh, provider }) => {
  const q = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  let db: FreshDatabase
  let project: KnexProject
  const start = async () => {
    db = await fresh()
    const files = {
      'knexfile.mjs': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'
export default knexFilePrismaAdapter({ client: '${CLIENTS[provider]}', connection: process.env.DATABASE_URL })
`,
    }
    project = knexProject(db, { schema: 'model One {\n  id Int @id\n}', config: { generate: false }, files })
    await project.given(['makemigration', '--name', 'one'])
    project.schema('model One {\n  id Int @id\n}\n\nmodel Two {\n  id Int @id\n}')
    await project.given(['makemigration', '--name', 'two'])
  }
  afterEach(async () => {
    project.remove()
    await db.drop()
  })
  const made = () => readdirSync(path.join(project.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
  /** What both tables tell, and whether the second table is there. */
  const state = async () => {
    const applied = (await history(db)).filter((row) => row.finished_at !== null && row.rolled_back_at === null)
    const open = (await history(db)).filter((row) => row.finished_at === null && row.rolled_back_at === null)
    return {
      prisma: applied.map((row) => String(row.migration_name)).sort(),
      knex: (await db.query('SELECT name FROM knex_migrations ORDER BY name')).map((row) => String(row.name)),
      two: /\bTwo\b/.test(await dumpSchema(db)),
      open: open.length,
    }
  }
  const locked = async () => Number((await db.query('SELECT is_locked FROM knex_migrations_lock'))[0]!.is_locked)

  /** From now on the database refuses a change of the table's rows. */
  const refuse = async (table: string, change: 'INSERT' | 'UPDATE' | 'DELETE') => {
    const [name, on] = ['refusing', `BEFORE ${change} ON ${table} FOR EACH ROW`]
    const statements = {
      sqlite: [`CREATE TRIGGER ${name} BEFORE ${change} ON ${table} BEGIN SELECT RAISE(ABORT, 'refused here'); END`],
      postgresql: [
        "CREATE OR REPLACE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused here'; END $$",
        `CREATE TRIGGER ${name} ${on} EXECUTE FUNCTION refused()`,
      ],
      mysql: [`CREATE TRIGGER ${name} ${on} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused here'`],
    }[provider]
    for (const statement of statements) await db.query(statement)
    return () => db.query(`DROP TRIGGER ${name}${provider === 'postgresql' ? ` ON ${table}` : ''}`)
  }

  describe.each([
    ['in transactions', []],
    ['without transactions', ['--disable-transactions']],
  ] as const)('Knex runs them %s', (_, flags) => {
    test('an INSERT or a DELETE that the database refuses leaves both as they were, with every row', async () => {
      await start()
      ok(await project.knex('migrate:up', ...flags))
      const [one, two] = made() as [string, string]
      const before = { prisma: [one], knex: [one], two: false, open: 0 }
      const after = { prisma: [one, two], knex: [one, two], two: true, open: 0 }
      for (const [table, change] of [
        ['knex_migrations', 'INSERT'],
        ['_prisma_migrations', 'INSERT'],
      ] as const) {
        const allow = await refuse(table, change)
        for (const _ of [1, 2]) {
          const failed = await project.knex('migrate:latest', ...flags)
          expect([failed.code, failed.stderr + failed.stdout]).toEqual([1, expect.stringContaining('refused here')])
          expect([table, await state(), await locked()]).toEqual([table, before, 0])
        }
        expect(ok(await project.knex('migrate:list')).stdout).toContain('Found 1 Pending')
        await allow()
      }
      expect(ok(await project.knex('migrate:latest', ...flags)).stdout).toContain('Batch 2 run: 1 migrations')
      expect(await state()).toEqual(after)
      await db.query(`INSERT INTO ${q('Two')} VALUES (7)`)
      for (const table of ['knex_migrations', '_prisma_migrations']) {
        // Prisma's row is finished by rays only where it is not deleted.
        const allow = await refuse(table, 'DELETE')
        const failed = await project.knex('migrate:down', ...flags)
        expect([failed.code, failed.stderr + failed.stdout]).toEqual([1, expect.stringContaining('refused here')])
        expect([table, await state(), await locked()]).toEqual([table, after, 0])
        expect(ok(await project.knex('migrate:list')).stdout).toContain('No Pending')
        await allow()
        const kept = table === 'knex_migrations' || (flags.length === 0 && provider !== 'mysql')
        if (kept) expect(await db.query(`SELECT id FROM ${q('Two')}`)).toEqual([{ id: 7 }])
      }
      ok(await project.knex('migrate:down', ...flags))
      expect(await state()).toEqual(before)
      ok(await project.knex('migrate:rollback', '--all', ...flags))
      expect(await state()).toEqual({ ...before, prisma: [], knex: [] })
    })

    test('a key that another row has is met the same way', async () => {
      await start()
      ok(await project.knex('migrate:up', ...flags))
      project.schema('model One {\n  id Int @id\n}\n\nmodel Two {\n  id Int @id\n}\n\nmodel Three {\n  id Int @id\n}')
      await project.given(['makemigration', '--name', 'three'])
      await db.query('CREATE UNIQUE INDEX one_of_each ON knex_migrations (batch)')
      // The last two would be in one batch.
      const failed = await project.knex('migrate:latest', ...flags)
      expect([failed.code, failed.stderr + failed.stdout]).toEqual([1, expect.stringMatching(/unique|duplicate/i)])
      const all = flags.length === 0 && provider !== 'mysql'
      expect(await state()).toEqual({
        prisma: made().slice(0, all ? 1 : 2),
        knex: made().slice(0, all ? 1 : 2),
        two: !all,
        open: 0,
      })
      expect([await locked(), /\bThree\b/.test(await dumpSchema(db))]).toEqual([0, false])
    })
  })

  test('rays that unapplies a migration, and is refused in the history of Knex, has undone nothing', async () => {
    await start()
    ok(await project.knex('migrate:latest'))
    const [one, two] = made() as [string, string]
    const after = { prisma: [one, two], knex: [one, two], two: true, open: 0 }
    await db.query(`INSERT INTO ${q('Two')} VALUES (7)`)
    const allow = await refuse('knex_migrations', 'DELETE')
    for (const words of [
      ['migrate', '--name', '-1', '--y'],
      ['rollback', '--y'],
      ['down', '--y'],
    ]) {
      const failed = await project.rays(words)
      expect([words, failed.code, failed.stderr]).toEqual([words, 1, expect.stringContaining('refused here')])
      expect([await state(), await db.query(`SELECT id FROM ${q('Two')}`)]).toEqual([after, [{ id: 7 }]])
    }
    await allow()
    ok(await project.rays(['migrate', '--name', '-1', '--y']))
    expect(await state()).toEqual({ prisma: [one], knex: [one], two: false, open: 0 })
  })

  test('what only the end meets is brought back: nothing says that it stands as it does not', async () => {
    await start()
    ok(await project.knex('migrate:latest'))
    const name = '29990101000000_extra'
    const [away, back] = [
      'ALTER TABLE knex_migrations RENAME TO elsewhere',
      'ALTER TABLE elsewhere RENAME TO knex_migrations',
    ]
    const [make, drop] = ['CREATE TABLE extra (id INTEGER)', 'DROP TABLE extra']
    const write = (up: readonly string[], down: readonly string[]) => {
      const run = (list: readonly string[]) =>
        `async ({ client }) => { ${list.map((sql) => `await client.execute('${sql}')`).join('; ')} }`
      project.write({
        [`prisma/migrations/${name}/migration.sql`]: '-- extra\n',
        [`prisma/migrations/${name}/migration.js`]: `module.exports = [[${run(up)}, ${run(down)}]]\nmodule.exports.transaction = false\n`,
      })
    }
    const before = await state()
    write([make, away], [drop, back])
    const up = await project.knex('migrate:latest')
    expect([up.code, up.stderr]).toEqual([1, expect.stringContaining('What it had done was undone')])
    expect([await state(), await dumpSchema(db)]).toEqual([before, expect.not.stringContaining('extra')])
    expect(await locked()).toBe(0)
    // The way down, by rays and by Knex.
    write([make], [drop])
    ok(await project.knex('migrate:latest'))
    const after = await state()
    expect(after).toMatchObject({ prisma: made(), knex: made() })
    write([make, back], [drop, away])
    const down = [await project.rays(['migrate', '--name', '-1', '--y']), await project.knex('migrate:down')]
    for (const { code, stderr } of down)
      expect([code, stderr]).toEqual([1, expect.stringContaining('applied as before')])
    expect([await state(), await dumpSchema(db)]).toEqual([after, expect.stringContaining('extra')])
  })

  // MySQL checks foreign keys at once.
  ;(provider === 'mysql' ? test.skip : test)(
    'where COMMIT is what fails, neither has a row, and the application has its connection back',
    async () => {
      await start()
      ok(await project.knex('migrate:latest'))
      await db.query(
        `CREATE TABLE child (id INTEGER PRIMARY KEY, one INTEGER REFERENCES ${q('One')} (id) DEFERRABLE INITIALLY DEFERRED)`,
      )
      const before = await state()
      project.write({
        'prisma/migrations/29990101000000_rows/migration.sql': 'INSERT INTO child VALUES (1, 7);\n',
        'prisma/migrations/29990102000000_none/migration.sql': '-- none\n',
        // Beside one without a transaction, each is in one of its own.
        'prisma/migrations/29990102000000_none/migration.js':
          'module.exports = [[() => {}, () => {}]]\nmodule.exports.transaction = false\n',
      })
      for (const way of ['up', 'latest']) {
        const out = ok(
          await project.node(`import knexModule from 'knex'
import config from './knexfile.mjs'
const knex = knexModule({ ...config, pool: { min: 1, max: 1 } })
const said = [await knex.migrate.${way}().then(() => 'done', (error) => error.message)]
await knex('One').insert({ id: ${way.length} })
await knex.transaction((trx) => trx('One').insert({ id: ${way.length} + 10 }))
await knex.destroy()
console.log(JSON.stringify(said))`),
        )
        expect(out.stdout).toMatch(/foreign key/i)
        expect([await state(), await locked()]).toEqual([before, 0])
      }
      expect(await db.query(`SELECT id FROM ${q('One')}`)).toHaveLength(4)
    },
  )
})
