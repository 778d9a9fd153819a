import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  datasourceOf,
  forEngine,
  generatorsOf,
  hasModels,
  readSchema,
  snapshotOf,
  tableNames,
  withUrl,
  writeSchema,
} from '../../../src/schema/prisma-schema.js'

const one = (content: string) => [{ path: 'schema.prisma', content }]

describe('the datasource block', () => {
  test.each([
    [
      'Prisma 7',
      'datasource db {\n  provider = "postgresql"\n}\n',
      { name: 'db', provider: 'postgresql', url: undefined },
    ],
    [
      'Prisma 6 and older',
      'datasource db {\n  provider = "sqlite"\n  url      = env("DATABASE_URL")\n}\n',
      { name: 'db', provider: 'sqlite', url: { kind: 'env', name: 'DATABASE_URL' } },
    ],
    [
      'a literal URL',
      'datasource db {\n  provider = "sqlite"\n  url = "file:./dev.db"\n}\n',
      { name: 'db', provider: 'sqlite', url: { kind: 'literal', value: 'file:./dev.db' } },
    ],
    [
      'another name and the short spelling of PostgreSQL',
      'datasource main { \n provider="postgres"\n url=env( "A" )\n}',
      { name: 'main', provider: 'postgresql', url: { kind: 'env', name: 'A' } },
    ],
    [
      'comments, a brace in a string, Windows line ends and a byte order mark',
      '\uFEFF// datasource x {\r\n/* datasource y {\r\n */\r\ndatasource db { // {\r\n  /// docs }\r\n  provider = "mysql" // "sqlite"\r\n  url = "mysql://u:a}b//c@h/d" // }\r\n}\r\n',
      { name: 'db', provider: 'mysql', url: { kind: 'literal', value: 'mysql://u:a}b//c@h/d' } },
    ],
    [
      'one line, which Prisma itself refuses',
      'datasource db { provider = "sqlite" url = env("U") }\n',
      { name: 'db', provider: 'sqlite', url: { kind: 'env', name: 'U' } },
    ],
  ])('is understood: %s', (_, text, expected) => {
    expect(datasourceOf(one(text))).toMatchObject(expected)
  })

  test('tells the direct and the shadow URL, namespaces over several lines and the relation mode', () => {
    const text = `datasource db {
  provider          = "postgresql"
  url               = env("POOLED")
  directUrl         = env("DIRECT")
  shadowDatabaseUrl = "postgres://localhost/shadow"
  schemas           = [
    "public", // the first
    "auth",
  ]
  relationMode      = "prisma"
}
`
    expect(datasourceOf(one(text))).toEqual({
      name: 'db',
      provider: 'postgresql',
      url: { kind: 'env', name: 'POOLED' },
      directUrl: { kind: 'env', name: 'DIRECT' },
      shadowDatabaseUrl: { kind: 'literal', value: 'postgres://localhost/shadow' },
      schemas: ['public', 'auth'],
      relationMode: 'prisma',
    })
  })

  test('may be in any file of a folder, once', () => {
    const block = 'datasource db {\n  provider = "sqlite"\n}\n'
    expect(
      datasourceOf([
        { path: 'a.prisma', content: 'model A {\n}' },
        { path: 'b.prisma', content: block },
      ]).provider,
    ).toBe('sqlite')
    expect(() =>
      datasourceOf([
        { path: 'a.prisma', content: block },
        { path: 'b.prisma', content: `\n${block}` },
      ]),
    ).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('more than one'),
        where: 'a.prisma:1 and b.prisma:2',
      }),
    )
  })

  test.each(['mongodb', 'sqlserver', 'cockroachdb'])('of %s is refused by name', (provider) => {
    const text = `generator client {\n}\ndatasource db {\n  provider = "${provider}"\n}\n`
    expect(() => datasourceOf(one(text))).toThrow(
      expect.objectContaining({
        code: 'E_SCHEMA',
        message: `The provider "${provider}" is not supported by rays`,
        where: 'schema.prisma:3',
      }),
    )
  })

  test('that is missing or names no provider is an error that says so', () => {
    expect(() => datasourceOf(one('// datasource db {\n'))).toThrow(/no datasource block \(schema\.prisma\)/)
    expect(() => datasourceOf(one('datasource db {\n}\n'))).toThrow(/names no provider/)
  })
})

test('generators are told with their preview features', () => {
  const text = 'generator client {\n  provider = "prisma-client-js"\n  previewFeatures = ["views", "typedSql"]\n}\n'
  expect(generatorsOf(one(text))).toEqual([
    {
      name: 'client',
      provider: { kind: 'literal', value: 'prisma-client-js' },
      previewFeatures: ['views', 'typedSql'],
    },
  ])
  expect(generatorsOf(one('model generator {\n  id Int @id\n}'))).toEqual([])
})

test('tables are told by the names that the database knows', () => {
  const text =
    'model User {\n  id Int @id @map("pk")\n  @@map("users")\n}\nmodel Post {\n  id Int @id\n}\nenum E {\n  A\n  @@map("e")\n}\n'
  expect(tableNames(one(text))).toEqual(['users', 'Post'])
  expect(hasModels(one('datasource db {\n}\ngenerator g {\n}\n'))).toBe(false)
  expect(hasModels(one('enum E {\n  A\n}\n'))).toBe(true)
})

describe("the engine's copy of a schema", () => {
  test('has no URLs, and every other character is where it was', () => {
    const text =
      '\uFEFFdatasource db {\r\n  provider = "postgresql"\r\n  url = env("A") // keep\r\n  directUrl=env("B")\r\n  shadowDatabaseUrl = "x"\r\n}\r\nmodel url {\r\n  url String @default("url = 1")\r\n}\r\n'
    const [file] = forEngine(one(text))
    const lines = file!.content.split('\r\n')
    const before = text.slice(1).split('\r\n')
    expect(lines).toHaveLength(before.length)
    expect(lines[2]).toBe(`${' '.repeat('  url = env("A")'.length)} // keep`)
    expect(lines[3]!.trim()).toBe('')
    expect(lines[4]!.trim()).toBe('')
    expect(lines.filter((_, i) => i < 2 || i > 4)).toEqual(before.filter((_, i) => i < 2 || i > 4))
  })

  test('has no preview features that only older versions of Prisma knew', () => {
    const text = 'generator c {\n  previewFeatures = [\n    "metrics",\n    "views"\n  ]\n}\nmodel A {\n}\n'
    const [file] = forEngine(one(text))
    expect(generatorsOf([file!])[0]!.previewFeatures).toEqual(['views'])
    expect(file!.content.split('\n').indexOf('model A {')).toBe(text.split('\n').indexOf('model A {'))
  })

  test('for Prisma 6 reads its URL from one variable', () => {
    const text = 'datasource db {\n  provider = "sqlite"\n  url = "file:x"\n}\n'
    expect(datasourceOf(withUrl(one(text), 'V')).url).toEqual({ kind: 'env', name: 'V' })
    expect(datasourceOf(withUrl(one('datasource db {\n  provider = "sqlite"\n}\n'), 'V')).url).toEqual({
      kind: 'env',
      name: 'V',
    })
  })
})

test('a snapshot is the schema as it is, but never holds a password', () => {
  const text = (url: string) =>
    `datasource db {\n  provider = "postgresql"\n  url = ${url} // main\n  directUrl = "postgres://u:s3cret@h/db"\n}\n// end`
  const [file] = snapshotOf(one(text('"postgres://u:s3cret@h/db"')))
  expect(file!.content).not.toContain('s3cret')
  expect(file!.content).toBe(text('env("DATABASE_URL")').replace('"postgres://u:s3cret@h/db"', 'env("DIRECT_URL")'))
  const harmless = 'datasource db {\n  provider = "sqlite"\n  url = "file:./dev.db"\n}\n'
  expect(snapshotOf(one(harmless))).toEqual(one(harmless))
})

describe('on disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rays-schema-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('a schema is one file, or every .prisma file below a folder', async () => {
    await mkdir(path.join(folder, 'models/deep'), { recursive: true })
    await writeFile(path.join(folder, 'models/b.prisma'), 'B')
    await writeFile(path.join(folder, 'models/a.prisma'), 'A')
    await writeFile(path.join(folder, 'models/deep/c.prisma'), 'C')
    await writeFile(path.join(folder, 'models/notes.md'), 'N')
    await symlink('..', path.join(folder, 'models/deep/loop'))
    const single = await readSchema(path.join(folder, 'models/a.prisma'))
    expect(single).toMatchObject({ layout: 'file', files: [{ path: 'a.prisma', content: 'A' }] })
    const many = await readSchema(path.join(folder, 'models'))
    expect(many.layout).toBe('folder')
    expect(many.files.map((file) => [file.path, file.content])).toEqual([
      ['a.prisma', 'A'],
      ['b.prisma', 'B'],
      ['deep/c.prisma', 'C'],
    ])
  })

  test('a schema that is missing, empty or not UTF-8 is an error with the path', async () => {
    await expect(readSchema(path.join(folder, 'none.prisma'))).rejects.toThrow(/none\.prisma cannot be read: ENOENT/)
    await expect(readSchema(folder)).rejects.toThrow(/holds no \.prisma file/)
    await writeFile(path.join(folder, 'x.prisma'), Buffer.from([0x41, 0xff]))
    await expect(readSchema(path.join(folder, 'x.prisma'))).rejects.toThrow(/x\.prisma is not valid UTF-8/)
  })

  test('is replaced whole, keeps its mode, and a link stays a link', async () => {
    const real = path.join(folder, 'real.prisma')
    await writeFile(real, 'old', { mode: 0o640 })
    await symlink('real.prisma', path.join(folder, 'schema.prisma'))
    const schema = await readSchema(path.join(folder, 'schema.prisma'))
    await writeSchema(schema, { write: [{ path: 'schema.prisma', content: 'new' }], remove: [] })
    expect(await readFile(real, 'utf8')).toBe('new')
    expect((await stat(real)).mode & 0o777).toBe(0o640)
    expect((await readdir(folder)).sort()).toEqual(['real.prisma', 'schema.prisma'])
  })

  test('is left alone when someone edited it meanwhile', async () => {
    const file = path.join(folder, 'schema.prisma')
    await writeFile(file, 'as read')
    const schema = await readSchema(file)
    await writeFile(file, 'edited')
    const change = { write: [{ path: 'schema.prisma', content: 'ours' }], remove: [] }
    await expect(writeSchema(schema, change)).rejects.toThrow(/changed by someone else meanwhile/)
    expect(await readFile(file, 'utf8')).toBe('edited')
  })

  test('is never written outside of its folder', async () => {
    await mkdir(path.join(folder, 'schema'))
    await writeFile(path.join(folder, 'schema/a.prisma'), '')
    const schema = await readSchema(path.join(folder, 'schema'))
    const change = { write: [{ path: '../evil.prisma', content: '' }], remove: [] }
    await expect(writeSchema(schema, change)).rejects.toThrow(/outside of the schema folder/)
    expect(await readdir(folder)).toEqual(['schema'])
  })
})
