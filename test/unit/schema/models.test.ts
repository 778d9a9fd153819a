import fc from 'fast-check'
import { blocksOf, tokenize } from '../../../engines/psl.js'
import { replaceModels, sameModels } from '../../../src/schema/models.js'
import type { PrismaSchema } from '../../../src/schema/prisma-schema.js'

const one = (content: string) => [{ path: 'schema.prisma', content }]
const file = (content: string): Omit<PrismaSchema, 'snapshots'> => ({
  path: '/p/schema.prisma',
  layout: 'file',
  files: one(content),
})
const folder = (files: Record<string, string>): Omit<PrismaSchema, 'snapshots'> => ({
  path: '/p/schema',
  layout: 'folder',
  files: Object.entries(files).map(([path, content]) => ({ path, content })),
})

const CONFIG = 'generator client {\n  provider = "prisma-client"\n}\n\ndatasource db {\n  provider = "sqlite"\n}\n'
const USER = 'model User {\n  id   Int    @id\n  name String\n}\n'

describe('two schemas are the same', () => {
  test.each([
    ['white space and line ends', USER.replaceAll('\n', '\r\n').replaceAll('  ', '\t ')],
    ['a byte order mark', `\uFEFF${USER}`],
    ['comments', USER.replace('@id', '@id /// the key').replace('{\n', '{ // x\n /* y\n */')],
    ['datasource and generator blocks', `// about db\n${CONFIG}\n${USER}`],
    ['blank lines in a model', USER.replace('name', '\n\n  name')],
  ])('whatever their %s', (_, text) => {
    expect(sameModels(one(USER), one(text))).toBe(true)
  })

  test('whatever the order of their models and the files they are in', () => {
    const post = 'model Post {\n  id Int @id\n}\n'
    expect(
      sameModels(one(USER + post), [
        { path: 'a.prisma', content: post },
        { path: 'b.prisma', content: USER },
      ]),
    ).toBe(true)
  })

  test('wherever a long attribute is broken', () => {
    const short = 'model A {\n  a Int\n  b Int\n  @@id([a, b])\n}\n'
    expect(sameModels(one(short), one(short.replace('[a, b]', '[\n    a,\n    b]')))).toBe(true)
  })

  test.each([
    ['a field', USER.replace('name String', 'name String?')],
    ['an attribute', USER.replace('@id', '@id @default(autoincrement())')],
    ['a string that looks like a comment', USER.replace('String', 'String @default("//x")')],
    ['the order of fields', 'model User {\n  name String\n  id   Int    @id\n}\n'],
    ['two fields run into one line', USER.replace('@id\n  name', '@id name')],
    ['a model', `${USER}model B {\n  id Int @id\n}\n`],
    ['stray text', `${USER}modell X {\n}\n`],
  ])('not with a change of %s', (_, text) => {
    expect(sameModels(one(USER), one(text))).toBe(false)
  })

  test('not with other comments, where comments count; those of the configuration never do', () => {
    const commented = USER.replace('@id', '@id // key')
    expect(sameModels(one(USER), one(commented), { comments: true })).toBe(false)
    expect(sameModels(one(commented), one(commented.replaceAll('\n', '\r\n')), { comments: true })).toBe(true)
    expect(sameModels(one(`// mine\n${CONFIG}\n${USER}`), one(`${CONFIG}\n${USER}`), { comments: true })).toBe(true)
  })
})

describe('going to a snapshot', () => {
  test('takes the models and leaves the configuration as it is now', () => {
    const now = file(
      `${CONFIG.replace('prisma-client"', 'prisma-client"\n  output = "../x"')}\n${USER}\nmodel New {\n  id Int @id\n}\n`,
    )
    const change = replaceModels(now, one(`${CONFIG}\n${USER}`))
    expect(change).toEqual({
      write: [
        {
          path: 'schema.prisma',
          content: `${CONFIG.replace('prisma-client"', 'prisma-client"\n  output = "../x"')}\n${USER}`,
        },
      ],
      remove: [],
    })
  })

  test('writes nothing where nothing changes', () => {
    expect(replaceModels(file(`${CONFIG}\n${USER}`), one(`${CONFIG}\n${USER}`))).toEqual({ write: [], remove: [] })
  })

  test('comes back to the very same text', () => {
    const before = `// top\n${CONFIG}\n// users\n${USER}`
    const after = `// top\n${CONFIG}\n// users\n${USER}\nenum Role {\n  A\n}\n`
    const down = replaceModels(file(after), one(before)).write[0]!.content
    expect(down).toBe(before)
    expect(replaceModels(file(down), one(after)).write[0]!.content).toBe(after)
  })

  test('keeps line ends and byte order mark of the present file', () => {
    const now = `\uFEFF${CONFIG}\n${USER}model B {\n  id Int @id\n}\n`.replaceAll('\n', '\r\n')
    expect(replaceModels(file(now), one(`${CONFIG}\n${USER}`)).write[0]!.content).toBe(
      `\uFEFF${CONFIG}\n${USER}`.replaceAll('\n', '\r\n'),
    )
  })

  test('adds a generator that is newer than the snapshot and drops one that is gone', () => {
    const erd = 'generator erd {\n  provider = "erd"\n}\n'
    const zod = '// validation\ngenerator zod {\n  provider = "zod"\n}\n'
    const result = replaceModels(
      file(`${CONFIG}\n${zod}\n${USER}`),
      one(`${erd}\n${CONFIG}\nmodel Old {\n  id Int @id\n}\n`),
    )
    expect(result.write[0]!.content).toBe(`${CONFIG}\n${zod}\nmodel Old {\n  id Int @id\n}\n`)
  })

  test('in a folder writes what differs, removes what is newer, and keeps the file of the datasource', () => {
    const now = folder({
      'base.prisma': CONFIG,
      'post.prisma': 'model Post {\n  id Int @id\n}\n',
      'user.prisma': USER.replace('name', 'nick'),
    })
    const change = replaceModels(now, [
      { path: 'base.prisma', content: CONFIG },
      { path: 'old.prisma', content: 'model Old {\n  id Int @id\n}\n' },
      { path: 'user.prisma', content: USER },
    ])
    expect(change).toEqual({
      write: [
        { path: 'user.prisma', content: USER },
        { path: 'old.prisma', content: 'model Old {\n  id Int @id\n}\n' },
      ],
      remove: ['post.prisma'],
    })
  })

  test('in a folder that was one file then, each model goes to the file that holds it now', () => {
    const now = folder({ 'base.prisma': CONFIG, 'user.prisma': USER.replace('name', 'nick') })
    const change = replaceModels(now, one(`${CONFIG}\n${USER}\nmodel Old {\n  id Int @id\n}\n`))
    expect(change.write).toEqual([
      { path: 'base.prisma', content: `${CONFIG}\nmodel Old {\n  id Int @id\n}\n` },
      { path: 'user.prisma', content: USER },
    ])
    expect(change.remove).toEqual([])
  })

  test('in one file that was a folder then, everything is joined', () => {
    const change = replaceModels(file(`${CONFIG}\nmodel New {\n  id Int @id\n}\n`), [
      { path: 'base.prisma', content: CONFIG },
      { path: 'user.prisma', content: USER },
    ])
    expect(change.write[0]!.content).toBe(`${CONFIG}\n${USER}`)
  })
})

test('tokens never overlap and leave out nothing but white space', () => {
  const text = fc
    .array(fc.constantFrom('"', '\\', '/', '*', '{', '}', '\n', '\r', ' ', 'model', 'é', '\uFEFF', '😀', '(', '='))
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, (content) => {
      let position = 0
      for (const token of tokenize(content)) {
        expect(content.slice(position, token.start).replace('\uFEFF', '').trim()).toBe('')
        expect(content.slice(token.start, token.end)).toBe(token.text)
        position = token.end
      }
      expect(content.slice(position).replaceAll('\uFEFF', '').trim()).toBe('')
      blocksOf({ path: 'x', content })
    }),
  )
})
