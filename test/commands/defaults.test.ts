import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const V1 = 'model User {\n  id    Int     @id @default(autoincrement())\n  name  String\n  nick  String?\n}\n'

describeDatabases('a new required field on a filled table', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: V1, config: { generate: false } })
    await app.given(['save', 'start'])
    expect((await app.rays(['up', '--y'])).code).toBe(0)
    await db.query(`INSERT INTO ${q('User')} (${q('name')}) VALUES ('Ada'), ('Bob')`)
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)

  test('gets the given values, in one migration that goes both ways, and migration.sql does the same', async () => {
    const before = await dumpSchema(db)
    app.schema(V1.replace('nick  String?', 'nick  String\n  age   Int\n  slug  String @unique\n  bio   String?'))
    const saved = await app.rays([
      'save',
      'required',
      '--default',
      'User.age=7',
      '--default',
      'User.slug=lower(name)',
      '--default',
      "User.nick='none'",
      '--json',
    ])
    expect(saved.code).toBe(0)
    const { data } = saved.json<{
      data: { migrations: { name: string; proof: string }[]; hazards: { kind: string }[] }
    }>()
    expect(data.migrations[0]!.proof).toBe('proven')
    expect(data.hazards.map(({ kind }) => kind)).not.toContain('required-column')
    const up = await app.rays(['up', '--y'])
    expect([up.code, up.stderr]).toEqual([0, expect.stringContaining('Applied')])
    const rows = await db.query(`SELECT age, slug, nick FROM ${q('User')} ORDER BY id`)
    expect(rows.map((row) => [Number(row.age), row.slug, row.nick])).toEqual([
      [7, 'ada', 'none'],
      [7, 'bob', 'none'],
    ])
    expect((await app.rays(['status', '--json'])).json<{ data: { drift: unknown } }>().data.drift).toMatchObject({
      state: 'none',
    })
    expect((await app.rays(['down', '--y'])).code).toBe(0)
    if (db.provider !== 'sqlite') expect(await dumpSchema(db)).toBe(before)
    expect((await db.query(`SELECT name FROM ${q('User')} ORDER BY id`)).map((row) => row.name)).toEqual(['Ada', 'Bob'])
    // Prisma runs this file as it is.
    const sql = readFileSync(
      path.join(app.folder, 'prisma/migrations', data.migrations[0]!.name, 'migration.sql'),
      'utf8',
    )
    await db.query(sql)
    expect((await db.query(`SELECT slug FROM ${q('User')} ORDER BY id`)).map((row) => row.slug)).toEqual(['ada', 'bob'])
  })

  test('without a terminal the flag is named', async () => {
    app.schema(V1.replace('name  String', 'name  String\n  age   Int'))
    const saved = await app.rays(['save', 'required', '--json', '--no-verify'])
    expect(saved.json<{ warnings: string[] }>().warnings.join('\n')).toContain('--default User.age=<SQL>')
  })

  test('a value for a field that needs none is refused', async () => {
    app.schema(V1.replace('name  String', 'name  String\n  age   Int?'))
    const saved = await app.rays(['save', 'required', '--default', 'User.age=1'])
    expect([saved.code, saved.stderr]).toEqual([2, expect.stringContaining('--default User.age')])
  })
})

describeDatabases('a new required enum', (database) => {
  test('takes the bare name of a value', async () => {
    const db = await database.fresh()
    const app = project({ provider: db.provider, url: db.href, schema: V1, config: { generate: false } })
    try {
      await app.given(['save', 'start'])
      await app.rays(['up', '--y'])
      const name = db.provider === 'mysql' ? '`User`' : '"User"'
      await db.query(`INSERT INTO ${name} (name) VALUES ('Ada')`)
      app.schema(`enum Role {\n  ADMIN\n  READER\n}\n\n${V1.replace('nick  String?', 'nick  String?\n  role  Role')}`)
      expect((await app.rays(['save', 'roles', '--default', 'User.role=READER'])).code).toBe(0)
      expect((await app.rays(['up', '--y'])).code).toBe(0)
      expect((await db.query(`SELECT role FROM ${name}`))[0]!.role).toBe('READER')
    } finally {
      app.remove()
      await db.drop()
    }
  })
})

describeDatabases('a relation that becomes required', (database) => {
  test('takes a value for the rows without one, and the proof knows', async () => {
    const post = (mark: string) =>
      `model User {\n  id    Int    @id\n  posts Post[]\n}\n\nmodel Post {\n  id       Int   @id\n  authorId Int${mark}\n  author   User${mark} @relation(fields: [authorId], references: [id])\n}\n`
    const db = await database.fresh()
    const app = project({ provider: db.provider, url: db.href, schema: post('?'), config: { generate: false } })
    const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
    try {
      await app.given(['save', 'start'])
      await app.rays(['up', '--y'])
      await db.query(`INSERT INTO ${q('User')} (id) VALUES (1)`)
      await db.query(`INSERT INTO ${q('Post')} (id) VALUES (1)`)
      app.schema(post(''))
      const saved = await app.rays(['save', 'required', '--default', 'Post.authorId=1', '--json'])
      expect([saved.code, saved.stderr]).toEqual([0, ''])
      expect(saved.json<{ data: { migrations: { proof: string }[] } }>().data.migrations[0]!.proof).toBe('proven')
      expect((await app.rays(['up', '--y'])).code).toBe(0)
      expect((await db.query(`SELECT ${q('authorId')} AS a FROM ${q('Post')}`)).map(({ a }) => Number(a))).toEqual([1])
    } finally {
      app.remove()
      await db.drop()
    }
  })
})

describeDatabases('a required key that goes', (database) => {
  test('is written, and the way back says that it refuses tables with rows', async () => {
    const item = (...fields: string[]) => `model Item {\n  id Int @id\n${fields.map((f) => `  ${f}\n`).join('')}}\n`
    const db = await database.fresh()
    const app = project({
      provider: db.provider,
      url: db.href,
      schema: item('code Int @unique'),
      config: { generate: false },
    })
    try {
      await app.given(['save', 'start'])
      await app.rays(['up', '--y'])
      await db.query(`INSERT INTO ${db.provider === 'mysql' ? '`Item`' : '"Item"'} (id, code) VALUES (1, 1), (2, 2)`)
      app.schema(item())
      const saved = await app.rays(['save', 'gone', '--json'])
      expect([saved.code, saved.stderr]).toEqual([0, ''])
      expect(saved.json<{ warnings: string[] }>().warnings.join('\n')).toContain('The down refuses tables with rows')
      expect((await app.rays(['up', '--y'])).code).toBe(0)
      const down = await app.rays(['down', '--y'])
      expect([down.code, down.stderr]).toEqual([1, expect.stringMatching(/operation \d, down/)])
      if (db.provider === 'mysql') expect(down.stderr).toContain('no value can be made up for them')
      expect((await app.rays(['status', '--check'])).code).toBe(0)
    } finally {
      app.remove()
      await db.drop()
    }
  })
})
