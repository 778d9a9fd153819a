import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type FreshDatabase } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const USER =
  'model User {\n  id    Int    @id @default(autoincrement())\n  name  String\n  email String @unique\n  posts Post[]\n\n  @@index([name])\n}\n'
const POST =
  'model Post {\n  id       Int  @id @default(autoincrement())\n  authorId Int\n  author   User @relation(fields: [authorId], references: [id])\n\n  @@index([authorId])\n}\n'

interface Made {
  readonly data: {
    readonly migrations: readonly { readonly name: string; readonly proof: string; readonly operations: string[] }[]
  }
  readonly warnings: readonly string[]
}

describeDatabases('renames', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: USER + POST, config: { generate: false } })
    await app.given(['save', 'start'])
    expect((await app.rays(['up', '--y'])).code).toBe(0)
    await db.query(`INSERT INTO ${q('User')} (${q('name')}, ${q('email')}) VALUES ('Ada', 'a'), ('Bob', 'b')`)
    await db.query(`INSERT INTO ${q('Post')} (${q('authorId')}) VALUES (1), (2)`)
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const rows = (sql: string) => db.query(sql)
  const file = (migration: string, name: string) =>
    readFileSync(path.join(app.folder, 'prisma/migrations', migration, name), 'utf8')

  /** Saves and applies; what comes out must be the very schema that Prisma would make, and going down gives the old one back. */
  async function roundTrip(args: readonly string[], between: () => Promise<void>): Promise<string> {
    const before = await dumpSchema(db)
    const saved = await app.rays(['save', 'change', ...args, '--json'])
    expect(saved.stderr + (saved.code === 0 ? '' : saved.stdout)).toBe('')
    const [migration] = saved.json<Made>().data.migrations
    expect(migration!.proof).toBe('proven')
    const up = await app.rays(['up', '--y'])
    expect([up.code, up.stderr]).toEqual([0, expect.not.stringContaining('Error')])
    expect((await app.rays(['status', '--json'])).json<{ data: { drift: unknown } }>().data.drift).toMatchObject({
      state: 'none',
    })
    await between()
    const down = await app.rays(['down', '--y'])
    expect([down.code, down.stderr]).toEqual([
      0,
      expect.not.stringMatching(/Table .* is dropped|column "(name|fullName)"/),
    ])
    // SQLite writes renamed tables and columns down anew, in other words.
    if (db.provider !== 'sqlite') expect(await dumpSchema(db)).toBe(before)
    return migration!.name
  }

  test('a renamed field keeps its values both ways, in migration.js and in migration.sql', async () => {
    app.schema((USER + POST).replace('name  String', 'fullName String').replace('[name]', '[fullName]'))
    const name = await roundTrip(['--rename', 'User.name:fullName'], async () => {
      expect((await rows(`SELECT ${q('fullName')} AS n FROM ${q('User')} ORDER BY id`)).map((r) => r.n)).toEqual([
        'Ada',
        'Bob',
      ])
    })
    expect((await rows(`SELECT ${q('name')} AS n FROM ${q('User')} ORDER BY id`)).map((r) => r.n)).toEqual([
      'Ada',
      'Bob',
    ])
    expect(file(name, 'migration.sql')).toContain(`RENAME COLUMN ${q('name')} TO ${q('fullName')}`)
    expect(file(name, 'migration.sql')).not.toMatch(/DROP COLUMN|DROP TABLE/)
    expect(file(name, 'migration.js')).toContain('[renameUserNameToFullName, renameUserFullNameToName]')
  })

  test('a renamed model keeps its rows, keys and indexes both ways', async () => {
    app.schema((USER + POST).replaceAll('User', 'Person'))
    const name = await roundTrip(['--rename', 'User:Person'], async () => {
      expect((await rows(`SELECT ${q('name')} AS n FROM ${q('Person')} ORDER BY id`)).map((r) => r.n)).toEqual([
        'Ada',
        'Bob',
      ])
      const again = db.query(`INSERT INTO ${q('Person')} (${q('name')}, ${q('email')}) VALUES ('x', 'a')`)
      expect(
        await again.then(
          () => 'accepted',
          () => 'refused',
        ),
      ).toBe('refused')
    })
    expect((await rows(`SELECT ${q('name')} AS n FROM ${q('User')} ORDER BY id`)).map((r) => r.n)).toEqual([
      'Ada',
      'Bob',
    ])
    expect(file(name, 'migration.sql')).not.toMatch(/DROP TABLE "?`?User/)
  })

  test('a model and its fields, relations included, are renamed together, with other changes beside', async () => {
    const next = (USER + POST)
      .replaceAll('Post', 'Article')
      .replaceAll('authorId', 'writerId')
      .replace('email String @unique', 'email String @unique\n  age   Int?')
    app.schema(next)
    await roundTrip(['--rename', 'Post:Article', '--rename', 'Article.authorId:writerId'], async () => {
      expect(
        (await rows(`SELECT ${q('writerId')} AS n FROM ${q('Article')} ORDER BY id`)).map((r) => Number(r.n)),
      ).toEqual([1, 2])
    })
  })

  test('a changed @map or @@map renames the column or table', async () => {
    app.schema(
      (USER + POST)
        .replace('name  String', 'name String @map("full_name")')
        .replace('@@index([name])', '@@index([name])\n  @@map("users")'),
    )
    await roundTrip(['--rename', 'User:User', '--rename', 'User.name:name'], async () => {
      expect((await rows(`SELECT full_name AS n FROM users ORDER BY id`)).map((r) => r.n)).toEqual(['Ada', 'Bob'])
    })
  })

  test('without a terminal nothing is taken for a rename, and the flag is named', async () => {
    app.schema((USER + POST).replace('name  String', 'fullName String?').replace('[name]', '[fullName]'))
    const saved = await app.rays(['save', 'change', '--json', '--no-verify'])
    expect(saved.code).toBe(0)
    expect(saved.json<Made>().warnings.join('\n')).toContain('--rename User.name:fullName')
    expect(file(saved.json<Made>().data.migrations[0]!.name, 'migration.sql')).not.toContain('RENAME COLUMN')
    const quiet = await app.rays(['save', 'more', '--json', '--no-rename', '--no-verify'])
    expect(quiet.json<Made>().warnings.join('\n')).not.toContain('--rename')
  })

  test('a rename that the schemas do not bear out is refused', async () => {
    app.schema((USER + POST).replace('name  String', 'fullName String?').replace('[name]', '[fullName]'))
    const saved = await app.rays(['save', 'change', '--rename', 'User.nick:fullName'])
    expect([saved.code, saved.stderr]).toEqual([2, expect.stringContaining('--rename User.nick:fullName fits nothing')])
  })
})

const GENRE = 'model Genre {\n  code  String @id\n  films Film[]\n  liked Film[] @relation("likes")\n}\n'
const FILM =
  'model Film {\n  id     Int     @id\n  genres Genre[]\n  likers Genre[] @relation("likes")\n  parts  Film[]  @relation("parts")\n  whole  Film[]  @relation("parts")\n}\n'

describeDatabases('renames of models that many-to-many relations join', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: FILM + GENRE, config: { generate: false } })
    await app.given(['save', 'start'])
    expect((await app.rays(['up', '--y'])).code).toBe(0)
    await db.query(`INSERT INTO ${q('Film')} (id) VALUES (1), (2)`)
    await db.query(`INSERT INTO ${q('Genre')} (code) VALUES ('noir'), ('war')`)
    for (const table of ['_FilmToGenre', '_likes'])
      await db.query(`INSERT INTO ${q(table)} (${q('A')}, ${q('B')}) VALUES (1, 'war'), (2, 'noir'), (2, 'war')`)
    await db.query(`INSERT INTO ${q('_parts')} (${q('A')}, ${q('B')}) VALUES (1, 2)`)
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const q = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const accepted = (sql: string) =>
    db.query(sql).then(
      () => true,
      () => false,
    )
  const pairs = async (table: string) =>
    (await db.query(`SELECT ${q('A')} AS a, ${q('B')} AS b FROM ${q(table)}`)).map(({ a, b }) => `${a} ${b}`).sort()

  test.each([
    ['whose order stays', 'Film', 'Clip', '_ClipToGenre', '_FilmToGenre', ['1 war', '2 noir', '2 war']],
    ['whose order changes', 'Film', 'Movie', '_GenreToMovie', '_FilmToGenre', ['noir 2', 'war 1', 'war 2']],
    ['whose order changes by the other', 'Genre', 'Art', '_ArtToFilm', '_FilmToGenre', ['noir 2', 'war 1', 'war 2']],
  ])('%s: the pairs are kept both ways', async (_, from, to, table, former, kept) => {
    const before = await dumpSchema(db)
    app.schema((FILM + GENRE).replaceAll(from, to))
    const saved = await app.rays(['save', 'change', '--rename', `${from}:${to}`, '--json'])
    expect([saved.code, saved.stderr]).toEqual([0, ''])
    expect(saved.json<Made>().data.migrations[0]!.proof).toBe('proven')
    for (const _turn of [1, 2]) {
      const up = await app.rays(['up', '--y'])
      expect([up.code, up.stderr]).toEqual([0, expect.not.stringMatching(/Error|dropped/)])
      const status = await app.rays(['status', '--check', '--json'])
      expect(status.json<{ data: { drift: unknown } }>().data.drift).toEqual({ state: 'none', summary: '' })
      expect(await pairs(table)).toEqual(kept)
      expect(await pairs('_likes')).toEqual(kept)
      expect(await pairs('_parts')).toEqual(['1 2'])
      const [a, b] = kept[0]!.split(' ')
      expect(await accepted(`INSERT INTO ${q(table)} VALUES ('${a}', '${b}')`)).toBe(false)
      if (db.provider === 'sqlite') await db.query('PRAGMA foreign_keys = ON')
      expect(await accepted(`INSERT INTO ${q(table)} VALUES ('77', '77')`)).toBe(false)
      const down = await app.rays(['down', '--y'])
      expect([down.code, down.stderr]).toEqual([0, expect.not.stringMatching(/Error|dropped/)])
      expect(await pairs(former)).toEqual(['1 war', '2 noir', '2 war'])
      expect(await pairs('_likes')).toEqual(['1 war', '2 noir', '2 war'])
      if (db.provider !== 'sqlite') expect(await dumpSchema(db)).toBe(before)
    }
  })
})
