/** Working on the schema with a database that follows. */
import { pathToFileURL } from 'node:url'
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const user = (...fields: string[]) => `model User {\n  id Int @id\n${fields.map((field) => `  ${field}\n`).join('')}}\n`

describeDatabases('draft', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: user() })
    await ws.ok('makemigration --name init --no-verify')
    await ws.ok('migrate --no-generate')
    await ws.sql('INSERT INTO "User" ("id") VALUES (1)')
  })
  afterAll(() => ws.drop())

  test('applies the changes without a migration, and that is no drift', async () => {
    ws.project.schema(user('a Int?'))
    await ws.ok('draft --no-generate')
    ws.project.schema(user('a Int?', 'b Int?'))
    await ws.ok('draft --no-generate')
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, a: null, b: null }])
    expect(await ws.applied()).toEqual(['init'])
    expect(ws.folders()).toHaveLength(1)
    await ws.ok('status --check')
    const { data } = (await ws.ok('doctor --json')).json<{ data: { findings: { code: string }[] } }>()
    expect(data.findings.map(({ code }) => code)).toEqual(['schema-changed'])
    expect((await ws.ok('draft --no-generate')).stdout).toContain('Nothing to do')
  })

  test('the next migration holds all of it, recorded as applied, without touching data', async () => {
    await ws.sql('UPDATE "User" SET "a" = 5')
    ws.project.schema(user('a Int?', 'b Int?', 'c Int?'))
    await ws.ok('makemigration --name everything')
    expect(await ws.applied()).toEqual(['init', 'everything'])
    expect(ws.exists('prisma/rays-watch')).toBe(false)
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, a: 5, b: null, c: null }])
    for (const column of ['a', 'b', 'c'])
      expect(ws.migration('everything', 'migration.sql')).toMatch(new RegExp(`["\`]${column}["\`]`))
    await ws.ok('status --check --strict')
    await ws.ok('doctor --check')
    await ws.ok('migrate --name -1 --y --no-generate')
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1 }])
    await ws.ok('migrate --no-generate')
  })

  test('an edit that is taken back is a change like any other', async () => {
    const now = ['a Int?', 'b Int?', 'c Int?']
    ws.project.schema(user(...now, 'd Int?'))
    await ws.ok('draft --no-generate')
    ws.project.schema(user(...now, 'd Int?', 'e Int?'))
    await ws.ok('draft --no-generate')
    ws.project.schema(user(...now, 'd Int?'))
    await ws.fails(2, 'draft --no-generate')
    await ws.ok('draft --y --no-generate')
    expect(Object.keys((await ws.sql('SELECT * FROM "User"'))[0]!)).toEqual(['id', 'a', 'b', 'c', 'd'])
    ws.project.schema(user(...now))
    expect((await ws.ok('status')).stdout).toContain('rays draft')
    await ws.ok('draft --y --no-generate')
    expect((await ws.ok('makemigration --name nothing')).stdout).toContain('No schema changes detected')
    expect(ws.exists('prisma/rays-watch')).toBe(false)
    await ws.ok('status --check --strict')
    await ws.ok('doctor --check')
  })

  test('--undo takes everything back that has no migration', async () => {
    const before = await dumpSchema(ws.db)
    ws.project.schema(user('a Int?', 'b Int?', 'c Int?', 'd Int?'))
    await ws.ok('draft --no-generate')
    await ws.fails(2, 'draft --undo')
    await ws.ok('draft --undo --y --no-generate')
    if (on.provider !== 'sqlite') expect(await dumpSchema(ws.db)).toBe(before)
    expect(await dumpSchema(ws.db)).not.toMatch(/["`]d["`]/)
    expect(ws.exists('prisma/rays-watch')).toBe(false)
  })

  test('it asks where values would be lost, and applies nothing until then', async () => {
    ws.project.schema(user('b Int?', 'c Int?'))
    await ws.sql('UPDATE "User" SET "a" = 5')
    const before = [await dumpSchema(ws.db), ws.exists('prisma/rays-watch')]
    expect((await ws.fails(2, 'draft')).stderr).toContain('User.a')
    expect([await dumpSchema(ws.db), ws.exists('prisma/rays-watch')]).toEqual(before)
    await ws.ok('draft --y --no-generate')
    await ws.ok('makemigration --name no_a')
    expect(await ws.applied()).toEqual(['init', 'everything', 'no_a'])
  })

  test('what was answered meanwhile is known to the one migration', async () => {
    await ws.sql('UPDATE "User" SET "b" = 5')
    ws.project.schema(user('bee Int?', 'c Int?'))
    await ws.ok('draft --rename User.b:bee --no-generate')
    ws.project.schema(user('beta Int?', 'c Int?', 'n Int'))
    await ws.ok('draft --rename User.bee:beta --default User.n=3 --no-generate')
    await ws.ok('makemigration --name answered')
    expect(ws.migration('answered', 'migration.sql')).toContain('RENAME COLUMN')
    await ws.ok('migrate --name -1 --y --no-generate')
    expect(await ws.sql('SELECT "b" FROM "User"')).toEqual([{ b: 5 }])
    await ws.ok('migrate --no-generate')
    expect(await ws.sql('SELECT "beta", "n" FROM "User"')).toEqual([{ beta: 5, n: 3 }])
    ws.project.schema(user('b Int?', 'c Int?'))
    await ws.ok('makemigration --name back --rename User.beta:b')
    await ws.ok('migrate --y --no-generate')
    await ws.ok('status --check')
  })

  test('a pending migration comes first', async () => {
    await ws.ok('makemigration --name blank --blank')
    expect((await ws.fails(2, 'draft')).stderr).toContain('rays migrate')
    await ws.ok('migrate --no-generate')
  })
})

describeDatabases('a change that fails', (on) => {
  let ws: Workspace
  const start = user('email String')
  beforeEach(async () => {
    ws = await workspace(on, { schema: start })
  })
  afterEach(() => ws.drop())
  const begin = async (schema: string) => {
    ws.project.schema(schema)
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    await ws.sql(`INSERT INTO "User" ("id", "email") VALUES (1, 'x'), (2, 'x')`)
  }
  const correct = () => ws.sql(`UPDATE "User" SET "email" = 'y' WHERE "id" = 2`)

  test('leaves nothing behind, and can be applied once the rows are corrected', async () => {
    await begin(start)
    const before = await dumpSchema(ws.db)
    ws.project.schema(user('email String @unique', 'a Int?'))
    expect((await ws.fails(1, 'draft --y --no-generate')).stderr).toMatch(/nothing was changed/i)
    expect([await dumpSchema(ws.db), ws.exists('prisma/rays-watch')]).toEqual([before, false])
    await correct()
    await ws.ok('draft --y --no-generate')
    await ws.ok('makemigration --name both --no-verify')
    await ws.ok('status --check')
  })

  if (on.provider === 'postgresql') {
    const kinds = (values: string) => `enum Kind {\n  ${values.replaceAll(' ', '\n  ')}\n}\n`
    const change = kinds('A B C') + user('email String @unique', 'kind Kind @default(C)')

    test('an enum value that was committed before is told, and known to the next draft', async () => {
      await begin(kinds('A B') + user('email String', 'kind Kind @default(A)'))
      ws.project.schema(change)
      const { stderr } = await ws.fails(1, 'draft --y --no-generate')
      expect(stderr).toMatch(/What was done before it stays:\n {2}- watch-\d{14}, .*rays draft --undo/)
      expect(stderr).not.toContain('Nothing was changed')
      await correct()
      await ws.ok('draft --y --no-generate')
      await ws.ok('makemigration --name third --no-verify')
      await ws.ok('status --check')
    })

    test('push tells what was committed before', async () => {
      await begin(kinds('A B') + user('email String', 'kind Kind @default(A)'))
      ws.project.schema(change)
      const { stderr } = await ws.fails(1, 'push --y --no-generate')
      expect(stderr).toMatch(/What was done before it stays:\n {2}- ALTER TYPE "Kind" ADD VALUE 'C'/)
      expect(stderr).not.toContain('Nothing was changed')
      await correct()
      await ws.ok('push --y --no-generate')
    })
  }
})

describeDatabases('dev', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: user() })
    await ws.ok('makemigration --name init --no-verify')
    await ws.ok('migrate --no-generate')
  })
  afterEach(() => ws.drop())

  /** `rays dev`, which says what it does. */
  const start = (env: Record<string, string> = {}) => {
    let told = ''
    let stop: () => void = () => undefined
    const running = ws.rays('dev --no-generate', {
      env,
      onStart: (child) => {
        child.stderr?.on('data', (chunk: string) => {
          told += chunk
        })
        stop = () => void child.kill('SIGINT')
      },
    })
    const until = async (text: string | RegExp) => {
      for (let i = 0; i < 300 && told.search(text) === -1; i++) await new Promise((resolve) => setTimeout(resolve, 100))
      if (told.search(text) === -1) throw new Error(`${text} was not told:\n${told}`)
      told = told.slice(told.search(text) + 1)
    }
    const end = () => {
      stop()
      return running
    }
    return { until, end }
  }

  test('follows each change of the schema at once, waits out a wrong one, and save makes one migration', async () => {
    const { until, end } = start()
    await until('Watching')
    ws.project.schema(user('a Int?'))
    await until(/Applied without a migration: watch-\d{14}/)
    ws.project.schema('model User {')
    await until('Warning')
    ws.project.schema(user('a Int?', 'b Int?'))
    await until('Applied without a migration')
    await end()
    expect(await ws.applied()).toEqual(['init'])
    await ws.ok('save --name both --no-verify')
    expect(await ws.applied()).toEqual(['init', 'both'])
    await ws.ok('status --check --strict')
  })

  test('where the system has no watches left it looks at the files again and again, and says so', async () => {
    ws.project.write({
      'used-up.mjs': `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
fs.watch = () => {
  throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' })
}
syncBuiltinESMExports()
`,
    })
    const { until, end } = start({ NODE_OPTIONS: `--import=${pathToFileURL(`${ws.project.folder}/used-up.mjs`)}` })
    await until(/no notice of changes \(ENOSPC/)
    ws.project.schema(user('a Int?'))
    await until(/Applied without a migration: watch-\d{14}/)
    await end()
  })
})
