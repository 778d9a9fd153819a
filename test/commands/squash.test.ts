/** Making one migration of many. */
import { cpSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { prisma, prismaProject } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const user = (more = '') => `model User {\n  id Int @id\n${more}}\n`
const STAGES = {
  one: user(),
  two: user('  name String?\n'),
  three: `${user('  name String?\n')}\nmodel Post {\n  id Int @id\n  userId Int\n}\n`,
  four: `${user('  name String?\n  nick String?\n')}\nmodel Post {\n  id Int @id\n}\n`,
}

const KNEX_FORM = `export const up = (knex) => knex.schema.alterTable('User', (table) => table.string('name'))
export const down = (knex) => knex.schema.alterTable('User', (table) => table.dropColumn('name'))
`

interface Told {
  data: { name: string; replaces: string[]; kept: string[]; script: string }
}

const COLUMNS = `SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" AS line
  FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY line`

/** SQLite keeps a table's text as it was written; what counts are its columns. */
const structure = async ({ db }: Workspace) =>
  db.provider === 'sqlite'
    ? (await db.query(COLUMNS)).map((row) => row.line).join('\n')
    : (await dumpSchema(db)).split('\n').sort().join('\n')

describeDatabases('squash', (on) => {
  let ws: Workspace
  let originals: string[]
  let full: string
  const place = (name: string) => path.join(ws.project.folder, 'prisma', name)

  beforeAll(async () => {
    ws = await workspace(on, { schema: STAGES.one })
    for (const [name, schema] of Object.entries(STAGES)) {
      ws.project.schema(schema)
      await ws.given(`makemigration --name ${name}`)
    }
    await ws.ok('makemigration --name after --blank')
    await ws.ok('migrate --no-generate')
    await ws.sql(`INSERT INTO "User" ("id", "name") VALUES (1, 'Ada')`)
    originals = ws.folders()
    full = await structure(ws)
  })
  afterAll(() => ws.drop())

  test('a dry run shows the one migration and writes nothing', async () => {
    const before = ws.snapshot()
    const { stdout } = await ws.ok('squash four --dry-run')
    expect(stdout).toContain('Would write four_squashed')
    expect(ws.snapshot()).toEqual(before)
  })

  test('the originals make way for one that names them and leads to the same schema', async () => {
    cpSync(place('migrations'), place('saved'), { recursive: true })
    const { data } = (await ws.ok('squash four --json')).json<Told>()
    expect(data.replaces).toEqual(originals.slice(0, 4))
    expect(data.kept).toEqual([])
    expect(ws.folders()).toEqual([data.name, originals[4]])
    expect(data.script.match(/CREATE TABLE/g)).toHaveLength(2)
    expect(ws.exists(`prisma/squashed-migrations/${originals[0]}/migration.sql`)).toBe(true)
    expect(ws.migration('four_squashed', 'README.md')).toContain(originals[1])
  })

  test('a database that has the originals is recognised: nothing runs, and Prisma agrees', async () => {
    await ws.ok('status --check --strict')
    expect((await ws.ok('doctor')).stdout).not.toContain('[edited]')
    expect((await ws.ok('migrate --check --no-generate')).stdout).toContain('Nothing would run')
    const before = await structure(ws)
    const { stderr } = await ws.ok('migrate --no-generate')
    expect(stderr).toContain('in place of the 4 migrations')
    expect(stderr).not.toContain('edited')
    expect(await structure(ws)).toBe(before)
    expect(await ws.sql('SELECT name FROM "User"')).toEqual([{ name: 'Ada' }])
    expect((await history(ws.db)).map((row) => row.migration_name)).toEqual(ws.folders())
    await ws.ok('status --check --strict')
    await ws.ok('makemigration --check')
  })

  test('the prisma command sees a history in order', async () => {
    if (on.provider === 'mysql') return // Its engine in this process does not know MySQL.
    const folder = await prismaProject(place('for-prisma'), ws.read('prisma/schema.prisma').replace(/^\s*url .*$/m, ''))
    cpSync(place('migrations'), path.join(folder, 'prisma/migrations'), { recursive: true })
    const seen = await prisma(folder, ['migrate', 'status'], { url: ws.db.href })
    expect(seen.stdout + seen.stderr).toContain('Database schema is up to date')
    expect(seen.code).toBe(0)
    rmSync(folder, { recursive: true })
  })

  test('on a new database the one migration does it all, and goes down again', async () => {
    await ws.ok('migrate --name zero --y --no-generate')
    expect(await ws.tables()).toEqual([])
    await ws.ok('migrate --no-generate')
    expect(await structure(ws)).toBe(full)
  })

  test('a database with only some of the originals needs a decision, and is told which are missing', async () => {
    const squashed = ws.folders()[0]!
    await ws.ok('migrate --name zero --y --no-generate')
    cpSync(place('migrations'), place('kept-aside'), { recursive: true })
    rmSync(place('migrations'), { recursive: true })
    cpSync(place('saved'), place('migrations'), { recursive: true })
    await ws.ok('migrate --name two --no-generate')
    rmSync(place('migrations'), { recursive: true })
    cpSync(place('kept-aside'), place('migrations'), { recursive: true })
    const before = await history(ws.db)
    const { stderr } = await ws.fails(3, 'migrate --no-generate')
    for (const name of [squashed, originals[2]!, originals[3]!]) expect(stderr).toContain(name)
    expect(await history(ws.db)).toEqual(before)
  })
})

describeDatabases('squash, where a database has the originals', (on) => {
  const fields = (...names: string[]) => user(names.map((name) => `  ${name} Int?\n`).join(''))
  const made = async (runs: readonly (readonly string[])[]) => {
    const ws = await workspace(on, { schema: fields() })
    const names: string[] = []
    for (const run of runs) {
      for (const name of run) {
        names.push(name)
        ws.project.schema(fields(...names))
        await ws.given(`makemigration --name ${name}`)
      }
      await ws.ok('migrate --no-generate')
    }
    return ws
  }

  test('what they made is no drift, nothing counts as not applied, and a rollback undoes the one and nothing else', async () => {
    const ws = await made([
      ['a', 'b'],
      ['c', 'd'],
    ])
    try {
      await ws.sql('INSERT INTO "User" VALUES (1, 2, 3, 4, 5)')
      await ws.ok('squash c d --name both')
      await ws.ok('doctor --check')
      expect((await ws.fails(2, 'doctor --revert --y')).stderr).toContain('nothing to repair')
      expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, a: 2, b: 3, c: 4, d: 5 }])
      await ws.ok('draft --no-generate')
      expect((await ws.fails(1, 'commit --name nothing')).stderr).toContain('no changes')
      const schema = ws.read('prisma/schema.prisma')
      ws.project.schema(fields('a', 'b'))
      await ws.ok('makemigration --name back --dry-run')
      ws.project.write({ 'prisma/schema.prisma': schema })
      await ws.ok('rollback --y --no-generate')
      expect(await ws.applied()).toEqual(['a', 'b'])
      expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, a: 2, b: 3 }])
      await ws.ok('rollback --y --no-generate')
      expect(await ws.applied()).toEqual([])
    } finally {
      await ws.drop()
    }
  })

  test('the one stays in the batch of its originals once it is recorded, with what was applied beside them', async () => {
    const ws = await made([['a'], ['b', 'c', 'd']])
    try {
      await ws.ok('squash b c --name both')
      await ws.ok('migrate --no-generate')
      expect(await ws.applied()).toEqual(expect.arrayContaining(['a', 'both', 'd']))
      await ws.ok('status --check --strict')
      await ws.ok('rollback --y --no-generate')
      expect(await ws.applied()).toEqual(['a'])
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases('squash of migrations with code', (on) => {
  test('operations that change rows are kept as they are, in their order', async () => {
    const ws = await workspace(on, { schema: STAGES.one })
    try {
      await ws.given('makemigration --name one')
      ws.project.schema(STAGES.two)
      await ws.given('makemigration --name two')
      await ws.ok('makemigration --name fill --blank')
      const statement =
        on.provider === 'mysql' ? 'INSERT INTO `User` VALUES (:?, :?)' : 'INSERT INTO "User" VALUES (:?, :?)'
      const remove = statement.replace(/INSERT INTO (\S+).*/, 'DELETE FROM $1')
      ws.project.write({
        [`prisma/migrations/${ws.folder('fill')}/migration.js`]: `module.exports = [[
  ({ client }) => client.execute(${JSON.stringify(statement)}, [1, 'Ada']),
  ({ client }) => client.execute(${JSON.stringify(remove)}),
]]`,
      })
      ws.project.schema(STAGES.three)
      await ws.given('makemigration --name three')
      const { data } = (await ws.ok('squash three --name all --json')).json<Told>()
      expect(data.kept.map((name) => name.slice(15))).toEqual(['fill'])
      await ws.ok('migrate --no-generate')
      expect(await ws.tables()).toEqual(['Post', 'User'])
      expect(await ws.sql('SELECT name FROM "User"')).toEqual([{ name: 'Ada' }])
      await ws.ok('migrate --name zero --y --no-generate')
      expect(await ws.tables()).toEqual([])
    } finally {
      await ws.drop()
    }
  })

  test('folders that were deleted, oldest first, are not missed', async () => {
    const ws = await workspace(on, { schema: STAGES.one })
    try {
      for (const name of ['one', 'two', 'three'] as const) {
        ws.project.schema(STAGES[name])
        await ws.given(`makemigration --name ${name}`)
      }
      await ws.ok('migrate --no-generate')
      rmSync(path.join(ws.project.folder, 'prisma/migrations', ws.folder('one')), { recursive: true })
      await ws.ok('status --check')
      ws.project.schema(STAGES.four)
      await ws.ok('makemigration --name four')
      await ws.ok('migrate --no-generate')
      await ws.ok('doctor --check')
      expect(await ws.applied()).toEqual(['one', 'two', 'three', 'four'])
    } finally {
      await ws.drop()
    }
  })

  test('originals that were squashed before are in nobody’s way, and where one cannot be moved, all stay in their places', async () => {
    const ws = await workspace(on, { schema: STAGES.one })
    const place = (name: string) => path.join(ws.project.folder, 'prisma', name)
    try {
      for (const name of ['one', 'two', 'three', 'four'] as const) {
        ws.project.schema(STAGES[name])
        await ws.given(`makemigration --name ${name}`)
      }
      const [, two] = ws.folders()
      cpSync(place('migrations'), place('saved'), { recursive: true })
      await ws.ok('squash two three --name some')
      rmSync(place('migrations'), { recursive: true })
      cpSync(place('saved'), place('migrations'), { recursive: true })
      // The name of the new folder is taken, by something that is no migration.
      const last = `prisma/migrations/${ws.folders().at(-1)!.slice(0, 14)}_all`
      ws.project.write({ [last]: '' })
      const before = ws.snapshot()
      const { stderr } = await ws.fails(1, 'squash one four --name all')
      expect(stderr).toMatch(/could not be moved[\s\S]*Nothing was changed/)
      expect(ws.snapshot()).toEqual(before)
      rmSync(path.join(ws.project.folder, last))
      await ws.ok('squash one four --name all')
      expect(ws.folders().map((name) => name.slice(15))).toEqual(['all'])
      for (const name of [two, `${two}-2`])
        expect(ws.exists(`prisma/squashed-migrations/${name}/migration.js`)).toBe(true)
      await ws.ok('migrate --no-generate')
      expect(await ws.tables()).toEqual(['Post', 'User'])
    } finally {
      await ws.drop()
    }
  })

  test('code in Knex’s form is refused before anything is moved', async () => {
    const ws = await workspace(on, { schema: STAGES.one })
    try {
      await ws.given('makemigration --name one')
      ws.project.schema(STAGES.two)
      await ws.given('makemigration --name two')
      const folder = path.join(ws.project.folder, 'prisma/migrations', ws.folder('two'))
      rmSync(path.join(folder, 'migration.js'))
      ws.project.write({
        [`prisma/migrations/${ws.folder('two')}/migration.mjs`]: KNEX_FORM,
      })
      const before = ws.snapshot()
      expect((await ws.fails(2, 'squash two')).stderr).toContain("has Knex's form")
      expect(ws.snapshot()).toEqual(before)
    } finally {
      await ws.drop()
    }
  })

  test('a range of one, or an unknown name, is refused', async () => {
    const ws = await workspace(on, { schema: STAGES.one })
    try {
      await ws.given('makemigration --name one')
      await ws.fails(2, 'squash one')
      await ws.fails(2, 'squash nowhere')
    } finally {
      await ws.drop()
    }
  })
})

describeDatabases('squash of migrations that take rows along', (on) => {
  test('keeps renames and given values, on databases that have rows', async () => {
    const item = (...fields: string[]) => `model Item {\n  id Int @id\n${fields.map((f) => `  ${f}\n`).join('')}}\n`
    const ws = await workspace(on, { schema: item('name String?') })
    try {
      await ws.given('makemigration --name start')
      await ws.ok('migrate --no-generate')
      await ws.sql(`INSERT INTO "Item" ("id", "name") VALUES (1, 'Ada')`)
      ws.project.schema(item('title String?'))
      await ws.given('makemigration --name renamed --rename Item.name:title')
      ws.project.schema(item('title String?', 'age Int'))
      await ws.given('makemigration --name aged --default Item.age=7')
      ws.project.schema(item('title String?', 'age Int', 'size Int?'))
      await ws.given('makemigration --name sized')
      await ws.ok('squash renamed sized --name all')
      await ws.ok('migrate --no-generate')
      expect(await ws.sql('SELECT "id", "title", "age", "size" FROM "Item"')).toEqual([
        { id: 1, title: 'Ada', age: 7, size: null },
      ])
      await ws.ok('status --check')
      await ws.ok('migrate --name -1 --y --no-generate')
      expect(await ws.sql('SELECT "name" FROM "Item"')).toEqual([{ name: 'Ada' }])
    } finally {
      await ws.drop()
    }
  })
})
