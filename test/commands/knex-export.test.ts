/** Exported migrations in plain Knex: whatever fails, the application's connection, its settings and Knex's lock are in order. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase } from '../support/databases.js'
import { CLIENTS, type KnexProject, knexProject, type Ran } from '../support/knex.js'
import type { Output } from '../support/project.js'

function ok<T extends Ran | Output>(ran: T): T {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

const PARENT = 'model Parent {\n  id Int @id @default(autoincrement())\n  name String\n  children Child[]\n}'
const CHILD =
  'model Child {\n  id Int @id @default(autoincrement())\n  parentId Int\n  parent Parent @relation(fields: [parentId], references: [id], onDelete: Cascade)\n}'

describeDatabases('exported migrations', ({ fresh, provider }) => {
  const q = (name: string) => (provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const pg = provider === 'postgresql'
  let db: FreshDatabase
  let project: KnexProject
  const start = async (schema: string) => {
    db = await fresh()
    project = knexProject(db, { schema, config: { generate: false } })
  }
  afterEach(async () => {
    project.remove()
    await db.drop()
  })

  /** As a person writes it, with statements of each direction. */
  const byHand = (name: string, ups: readonly string[], downs: readonly string[], transaction = true) => {
    const run = (list: readonly string[]) =>
      `async ({ client }) => { ${list.map((sql) => `await client.execute(${JSON.stringify(sql)})`).join('; ')} }`
    project.write({
      [`prisma/migrations/${name}/migration.sql`]: ups.map((sql) => `${sql};\n`).join(''),
      [`prisma/migrations/${name}/migration.js`]: `module.exports = [[${run(ups)}, ${run(downs)}]]\n${transaction ? '' : 'module.exports.transaction = false\n'}`,
      'prisma/migrations/migration_lock.toml': `provider = "${provider}"\n`,
    })
  }

  const exported = async () => {
    ok(await project.rays(['export', 'knex', 'plain']))
    return readdirSync(path.join(project.folder, 'plain')).map((name) => path.join(project.folder, 'plain', name))
  }

  /** What a program of the project prints as JSON; `knex` is plain Knex with one connection that has settings of its own. */
  const program = async <T>(code: string, pool = '{ min: 1, max: 1, afterCreate }') => {
    const connection =
      provider === 'sqlite' ? `{ filename: ${JSON.stringify(db.href.replace('file:', ''))} }` : JSON.stringify(db.href)
    const settings = {
      sqlite: 'PRAGMA recursive_triggers = ON',
      postgresql: "SET timezone = 'Asia/Tokyo'",
      mysql: 'SET SESSION foreign_key_checks = 1, sql_mode = "ANSI_QUOTES"',
    }[provider]
    const ran = ok(
      await project.node(`import knexModule from 'knex'
const afterCreate = (connection, done) => {
  ${provider === 'sqlite' ? `connection.exec('${settings}'); done(null, connection)` : `connection.query(${JSON.stringify(settings)}, (error) => done(error, connection))`}
}
const silent = { warn() {}, error() {}, deprecate() {}, debug() {} }
const knex = knexModule({ client: '${CLIENTS[provider]}', connection: ${connection}, useNullAsDefault: true, pool: ${pool}, log: silent, migrations: { directory: './plain' } })
const settings = async () => {
  ${
    {
      sqlite:
        "return [await knex.raw('PRAGMA foreign_keys'), await knex.raw('PRAGMA recursive_triggers'), await knex.raw('PRAGMA legacy_alter_table')]",
      postgresql:
        "return (await knex.raw(\"SELECT current_setting('timezone') a, current_setting('search_path') b, current_setting('role') c\")).rows",
      mysql: "return (await knex.raw('SELECT @@foreign_key_checks a, @@sql_mode b, @@unique_checks c'))[0]",
    }[provider]
  }
}
const said = []
try {
${code}
} finally {
  await knex.destroy()
}
console.log('said ' + JSON.stringify(said))`),
    )
    return JSON.parse(/^said (.*)$/m.exec(ran.stdout)![1]!) as T
  }

  const migrations = async () =>
    (await db.query('SELECT name FROM knex_migrations ORDER BY id')).map((row) => String(row.name))
  const locked = async () => Number((await db.query('SELECT is_locked FROM knex_migrations_lock'))[0]!.is_locked)

  /** The file, so that it does `by` where `process.env.STOP` says: before the nth statement of a direction. */
  const stoppable = (text: string, by: string) => {
    const counts: Record<string, number> = { up: 0, down: 0 }
    let direction = ''
    const lines = text.split('\n').flatMap((line) => {
      direction = /function (up|down)\(/.exec(line)?.[1] ?? (/^}/.test(line) ? '' : direction)
      if (direction === '' || !/^ *await knex\.raw\(/.test(line)) return [line]
      counts[direction]! += 1
      return [`if (process.env.STOP === '${direction} ${counts[direction]}') { ${by} }`, line]
    })
    return { text: lines.join('\n'), ups: counts.up!, downs: counts.down! }
  }

  /** The statements of a migration that changes settings, and would leave them so. */
  const settings = {
    sqlite: ['PRAGMA legacy_alter_table = ON', 'PRAGMA recursive_triggers = OFF'],
    postgresql: ["SELECT set_config('timezone', 'UTC', false)", 'SET search_path = public, pg_temp'],
    mysql: ['SET FOREIGN_KEY_CHECKS = 0', "SET @a = 1, SESSION sql_mode = '', unique_checks = 0"],
  }[provider]

  test.each([
    ['that builds a table anew', true],
    ['that changes settings', true],
    ['that changes settings, outside of a transaction', false],
    ['that begins and ends transactions itself', false],
  ])('a migration %s, stopped at each of its statements, leaves the application what it had', async (what, whole) => {
    await start(`${PARENT}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'first'])
    if (what === 'that builds a table anew') {
      project.schema(`${PARENT.replace('name String', 'name String @unique\n  age Int @default(1)')}\n\n${CHILD}`)
      await project.given(['makemigration', '--name', 'second'])
    } else {
      const begin = what.includes('begins')
      byHand(
        '29990101000000_second',
        [
          ...settings,
          ...(begin ? ['BEGIN'] : []),
          `CREATE TABLE ${q('extra')} (a INTEGER)`,
          `INSERT INTO ${q('extra')} VALUES (1)`,
          ...(begin ? ['COMMIT'] : []),
        ],
        [...settings, `DROP TABLE ${q('extra')}`],
        whole,
      )
    }
    const [, file] = await exported()
    const { text, ups, downs } = stoppable(readFileSync(file!, 'utf8'), "throw new Error('stopped here')")
    writeFileSync(file!, text)
    expect([ups > 1, downs > 1]).toEqual([true, true])
    await program('await knex.migrate.up()')
    await db.query(`INSERT INTO ${q('Parent')} (name) VALUES ('a')`)
    await db.query(`INSERT INTO ${q('Child')} (${q('parentId')}) SELECT id FROM ${q('Parent')}`)
    const all = async () => Number((await db.query(`SELECT COUNT(*) AS n FROM ${q('Parent')}`))[0]!.n)
    /** Runs a direction, stopped before each of the statements, or not at all. */
    const run = async (direction: 'up' | 'down', stops: readonly (number | '')[]) => {
      const put = { up: 'DROP TABLE IF EXISTS', down: 'CREATE TABLE IF NOT EXISTS' }[direction]
      const mend = what.includes('anew') ? '' : `${put} extra${direction === 'down' ? ' (a INTEGER)' : ''}`
      return program<unknown[]>(`
  for (const stop of ${JSON.stringify(stops)}) {
    process.env.STOP = '${direction} ' + stop
    const before = JSON.stringify(await settings())
    const migrated = await knex.migrate.${direction}().then(() => 'yes', (error) => error.message)
    const same = JSON.stringify(await settings()) === before
    await knex('Parent').insert({ name: 'later' + Math.random() })
    const own = await knex.transaction((trx) => trx('Parent').insert({ name: 'own' + Math.random() })).then(() => true, (error) => error.message)
    said.push([stop, migrated, same, own, (await knex('knex_migrations_lock').first()).is_locked])
    if (stop !== '' && ${JSON.stringify(mend)} !== '') await knex.raw(${JSON.stringify(mend)})
  }`)
    }
    // Where nothing rolls a change of a table back, a failure after it is not brought back either.
    const rolledBack = provider !== 'mysql' || !what.includes('anew')
    for (const [direction, count, recorded] of [
      ['up', ups, 1],
      ['down', downs, 2],
    ] as const) {
      const [there, rows] = [await dumpSchema(db), await all()]
      const stops = Array.from({ length: rolledBack ? count : 1 }, (_, i) => i + 1)
      expect(await run(direction, stops)).toEqual(
        stops.map((stop) => [stop, expect.stringContaining('stopped here'), true, true, 0]),
      )
      expect(await dumpSchema(db)).toBe(there)
      expect([await all(), (await migrations()).length]).toEqual([rows + 2 * stops.length, recorded])
      expect(await run(direction, [''])).toEqual([['', 'yes', true, true, 0]])
      expect([await all(), (await migrations()).length]).toEqual([rows + 2 * stops.length + 2, 3 - recorded])
      expect(await db.query(`SELECT id FROM ${q('Child')}`)).toHaveLength(1)
    }
  })

  test('several at once: those before the one that fails are recorded or taken back, and the rest goes on later', async () => {
    await start(`${PARENT}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'first'])
    project.schema(`${PARENT.replace('name String', 'name String @unique')}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'second'])
    project.schema(`${PARENT.replace('name String', 'name String @unique\n  age Int @default(1)')}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'third'])
    const files = await exported()
    const text = readFileSync(files[2]!, 'utf8')
    writeFileSync(files[2]!, stoppable(text, "throw new Error('stopped here')").text)
    const latest = (pool?: string) =>
      program<unknown[]>(
        `process.env.STOP = 'up 1'
  said.push(await knex.migrate.latest().then(() => 'yes', (error) => error.message))
  said.push(await knex.raw('SELECT 1').then(() => true))`,
        pool,
      )
    for (const pool of [undefined, '{ min: 0, max: 4, afterCreate }'])
      expect(await latest(pool)).toEqual(['stopped here', true])
    // One transaction holds all of them where it can.
    expect([await locked(), (await migrations()).length]).toEqual([0, pg ? 0 : 2])
    if (pg) expect(await dumpSchema(db)).not.toContain('Parent')
    writeFileSync(files[2]!, text)
    expect(await latest('{ min: 0, max: 4, afterCreate }')).toEqual(['yes', true])
    expect(await migrations()).toEqual(files.map((file) => path.basename(file)))
  })

  // MySQL checks foreign keys at once.
  ;(provider === 'mysql' ? test.skip : test).each(['', 'of its own'])(
    'where COMMIT of a transaction %s is what fails, nothing stays open',
    async (own) => {
      await start('')
      const extra =
        own === ''
          ? []
          : { sqlite: ['PRAGMA foreign_keys = OFF'], postgresql: ["ALTER TYPE kind ADD VALUE 'b'"], mysql: [] }[
              provider
            ]
      byHand(
        '20260101000000_first',
        [
          ...(pg ? ["CREATE TYPE kind AS ENUM ('a')"] : []),
          'CREATE TABLE parent (id INTEGER PRIMARY KEY)',
          'CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)',
        ],
        [],
      )
      byHand(
        '20260102000000_second',
        [...extra, 'INSERT INTO child VALUES (1, 7)', 'CREATE TABLE more (a INTEGER)'],
        [...extra.slice(1), 'INSERT INTO child VALUES (2, 7)'],
      )
      await exported()
      const run = (direction: string) =>
        program<unknown[]>(`
  const before = JSON.stringify(await settings())
  said.push(await knex.migrate.${direction}().then(() => 'yes', (error) => error.message))
  said.push(JSON.stringify(await settings()) === before)
  await knex.raw('CREATE TABLE IF NOT EXISTS seen (a INTEGER)')
  await knex('seen').insert({ a: 1 })
  said.push(await knex.transaction((trx) => trx('seen').insert({ a: 2 })).then(() => true, (error) => error.message))`)
      expect(await run('up')).toEqual(['yes', true, true])
      const failed = [expect.stringMatching(/foreign key/i), true, true]
      for (const rows of [4, 6]) {
        expect(await run('latest')).toEqual(failed)
        expect([(await db.query('SELECT a FROM seen')).length, await locked()]).toEqual([rows, 0])
        expect([await db.query('SELECT id FROM child'), await migrations()]).toEqual([[], ['20260101000000_first.js']])
        expect(await dumpSchema(db)).not.toContain('more')
      }
      await db.query('INSERT INTO parent VALUES (7)')
      expect(await run('latest')).toEqual(['yes', true, true])
      await db.query(
        pg
          ? 'DELETE FROM child; DELETE FROM parent'
          : 'PRAGMA foreign_keys = OFF; DELETE FROM child; DELETE FROM parent',
      )
      if (own === '') expect(await run('down')).toEqual(failed)
      expect(await db.query('SELECT id FROM child')).toEqual([])
    },
  )

  // Where nothing rolls back, a killed process leaves what it had done.
  ;(provider === 'mysql' ? test.skip : test)(
    'a process that is killed inside of a migration leaves the database as it was; Knex only has to be unlocked',
    async () => {
      await start(`${PARENT}\n\n${CHILD}`)
      await project.given(['makemigration', '--name', 'first'])
      project.schema(`${PARENT.replace('name String', 'name String @unique\n  age Int @default(1)')}\n\n${CHILD}`)
      await project.given(['makemigration', '--name', 'second'])
      const [, file] = await exported()
      const text = readFileSync(file!, 'utf8')
      await program('await knex.migrate.up()')
      await db.query(`INSERT INTO ${q('Parent')} (name) VALUES ('a')`)
      await db.query(`INSERT INTO ${q('Child')} (${q('parentId')}) SELECT id FROM ${q('Parent')}`)
      const before = await dumpSchema(db)
      const { text: changed, ups } = stoppable(
        text,
        "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})",
      )
      writeFileSync(file!, changed)
      for (const n of new Set([2, Math.ceil(ups / 2), ups])) {
        const killed = program(`process.env.STOP = 'up ${n}'; await knex.migrate.latest()`)
        await expect(killed).rejects.toThrow(/exit/)
        expect([await dumpSchema(db), (await migrations()).length]).toEqual([before, 1])
        await program('await knex.migrate.forceFreeMigrationsLock()')
      }
      writeFileSync(file!, text)
      await program('await knex.migrate.latest()')
      expect(await db.query(`SELECT age FROM ${q('Parent')}`)).toEqual([{ age: 1 }])
      expect(await db.query(`SELECT id FROM ${q('Child')}`)).toHaveLength(1)
    },
  )

  ;(pg ? test : test.skip)(
    'an enum that gets a value, and a column that uses it at once, go in one migrate:latest',
    async () => {
      await start('enum Kind {\n  A\n}\n\nmodel Item {\n  id Int @id\n  kind Kind @default(A)\n}')
      await project.given(['makemigration', '--name', 'first'])
      project.schema('enum Kind {\n  A\n  B\n}\n\nmodel Item {\n  id Int @id\n  kind Kind @default(B)\n}')
      await project.given(['makemigration', '--name', 'second'])
      const files = await exported()
      await program(
        'await knex.migrate.latest()\nawait knex.raw(\'INSERT INTO "Item" (id) VALUES (1)\')',
        '{ min: 0, max: 3 }',
      )
      expect(await db.query('SELECT kind FROM "Item"')).toEqual([{ kind: 'B' }])
      await db.query('DELETE FROM "Item"')
      await program('await knex.migrate.rollback(undefined, true)')
      expect(await migrations()).toEqual([])
      await program('await knex.migrate.latest()')
      expect(await migrations()).toEqual(files.map((file) => path.basename(file)))
    },
  )

  test('an exported migration is imported again as it was', async () => {
    await start(`${PARENT}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'first'])
    project.schema(`${PARENT.replace('name String', 'name String @unique\n  age Int @default(1)')}\n\n${CHILD}`)
    await project.given(['makemigration', '--name', 'second'])
    ok(await project.rays(['migrate']))
    const before = await dumpSchema(db)
    await exported()
    const again = await fresh()
    const other = knexProject(again, { schema: '', config: { generate: false } })
    try {
      const back = ok(await other.rays(['import', 'knex', path.join(project.folder, 'plain')]))
      expect(back.stderr).not.toContain('look at migration.js')
      ok(await other.rays(['migrate']))
      expect((await dumpSchema(again)).replace(/\s+/g, '')).toBe(before.replace(/\s+/g, ''))
    } finally {
      other.remove()
      await again.drop()
    }
  })
})
