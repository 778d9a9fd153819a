/** Bad input: what is wrong, where, and what fixes it. Nothing is touched, and no password is ever printed. */

import { symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import type { Provider } from '../../engines/engine.js'
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const MODEL = 'model Item {\n  id Int @id\n}'
const onServers = (provider: Provider) => provider !== 'sqlite'

describeDatabases(
  'what is typed',
  (on) => {
    let ws: Workspace
    beforeAll(async () => {
      ws = await workspace(on, { schema: MODEL })
    })
    afterAll(() => ws.drop())

    test.each([
      ['migrat', 'Did you mean rays migrate?'],
      ['migrate --nam x', 'Did you mean --name?'],
      ['status --json=yes --wrong', 'wrong'],
      ['nonsense', 'rays --help'],
      ['migrate --lock-timeout soon', '--lock-timeout'],
      ['makemigration --from nowhere', 'from'],
      ['makemigration --name //', 'no letter or digit'],
    ])('rays %s is a usage error with help', async (line, text) => {
      const output = await ws.fails(2, line)
      expect(`${output.stderr}${output.stdout}`).toContain(text)
    })

    test.each([
      ['makemigration', '--name'],
      ['push --force-reset', '--y'],
      ['prepare --reset', '--y'],
    ])('without a terminal, rays %s stops at once and names %s', async (line, flag) => {
      for (const more of ['', ' --no-input', ' --json']) {
        const output = await ws.fails(2, `${line}${more}`, { input: 'y\ny\ny\n' })
        expect(more === ' --json' ? output.stdout : output.stderr).toContain(flag)
      }
      expect(await ws.tables()).toEqual([])
      expect(ws.folders()).toEqual([])
    })

    test('--help of every command begins with its purpose and shows an example', async () => {
      for (const command of ['init', 'prepare', 'makemigration', 'migrate', 'push', 'status', 'config']) {
        const { stdout, stderr } = await ws.ok(`${command} --help`)
        expect(stdout).toMatch(/^[A-Z].*\.\n/)
        expect(stdout).toContain(`rays ${command}`)
        expect(stderr).toBe('')
      }
      expect((await ws.ok('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/)
    }, 30_000)
  },
  (provider) => provider === 'sqlite',
)

describeDatabases('JSON', (on) => {
  test('every command answers with one document, errors too', async () => {
    const ws = await workspace(on, { schema: MODEL })
    const lines: [number, string][] = [
      [0, 'makemigration --name one --no-verify'],
      [0, 'makemigration --check'],
      [0, 'migrate --plan'],
      [1, 'migrate --check'],
      [0, 'migrate --sql'],
      [0, 'migrate'],
      [0, 'status'],
      [0, 'push'],
      [0, 'config'],
      [2, 'init'],
      [2, 'prepare'],
      [2, 'migrate --name nowhere'],
      [2, 'migrate --wrong'],
    ]
    for (const [code, line] of lines) {
      const output = await ws.fails(code, `${line} --json`)
      const document = output.json<Record<string, unknown>>()
      expect(document).toMatchObject({ ok: code === 0, warnings: expect.any(Array) })
      expect(Object.keys(document).slice(0, 4)).toEqual(['command', 'ok', 'data', 'warnings'])
      if (code === 2) {
        expect(document.data).toBeNull()
        expect(document.error).toMatchObject({ code: expect.stringMatching(/^E_/), message: expect.any(String) })
        expect(document.error).toHaveProperty('hint')
      } else {
        expect(document.command).toBe(line.split(' ')[0])
        expect(document.data).not.toBeNull()
      }
      expect(output.stderr).toBe('')
    }
    await ws.drop()
  }, 60_000)
})

describeDatabases('a configuration or a schema that cannot be used', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: MODEL })
  })
  afterEach(() => ws.drop())

  test('all problems of the configuration are told at once', async () => {
    ws.project.write({
      'raysconfig.js': `module.exports = { schemaPth: 'x', verboseLogging: 'yes', lockTimeout: -1, schemaPath: 'nowhere.prisma' }`,
    })
    const { stderr } = await ws.fails(2, 'status')
    expect(stderr).toContain('4 problems')
    expect(stderr).toContain('did you mean schemaPath?')
    expect(stderr).toContain('verboseLogging must be true or false')
    expect(stderr).toContain('nowhere.prisma')
  })

  test('a configuration that does not load is told with its reason', async () => {
    ws.project.write({ 'raysconfig.js': `throw new Error('no such secret')` })
    expect((await ws.fails(2, 'status')).stderr).toContain('no such secret')
  })

  test('an invalid schema is told with the line, in the words of the schema engine', async () => {
    ws.project.schema('model Item {\n  id Int @id\n  other Missing\n}')
    const { stderr } = await ws.fails(2, 'makemigration --name one')
    expect(stderr).toMatch(/Missing/)
    expect(stderr).toMatch(/schema\.prisma:8/)
    expect(ws.folders()).toEqual([])
  })

  test('a schema without a datasource, or for another database, is told', async () => {
    ws.project.write({ 'prisma/schema.prisma': MODEL })
    expect((await ws.fails(2, 'migrate')).stderr).toContain('no datasource block')
    ws.project.write({ 'prisma/schema.prisma': `datasource db {\n  provider = "mongodb"\n}\n${MODEL}` })
    expect((await ws.fails(2, 'migrate')).stderr).toContain('"mongodb" is not supported')
  })

  test('a URL of another kind than the provider, and one that is no URL, are told', async () => {
    const other = on.provider === 'sqlite' ? 'postgresql://u:hunter2@localhost/db' : 'file:./dev.db'
    const { stderr } = await ws.fails(2, 'migrate', { env: { DATABASE_URL: other } })
    expect(stderr).toContain(`the schema's provider is ${on.provider}`)
    expect(stderr).not.toContain('hunter2')
    expect((await ws.fails(2, 'status', { env: { DATABASE_URL: 'nonsense' } })).stderr).toContain('no database URL')
    expect((await ws.fails(2, 'status', { env: { DATABASE_URL: '' } })).stderr).toContain('No database URL is set')
  })

  test('migrations of another database are refused', async () => {
    const other = on.provider === 'mysql' ? 'sqlite' : 'mysql'
    ws.project.write({ 'prisma/migrations/migration_lock.toml': `provider = "${other}"\n` })
    for (const line of ['makemigration --name one', 'migrate', 'status']) {
      expect((await ws.fails(2, line)).stderr).toContain(`The migrations are for ${other}`)
    }
  })

  test('a folder that is no migration is named', async () => {
    ws.project.write({ 'prisma/migrations/notes/todo.txt': '' })
    const { stderr } = await ws.fails(2, 'migrate')
    expect(stderr).toContain('notes has neither migration.js nor migration.sql')
  })
})

describeDatabases(
  'a server that cannot be used',
  (on) => {
    let ws: Workspace
    const secret = 's3cr3t/pa:ss@word'
    beforeAll(async () => {
      ws = await workspace(on, { schema: MODEL })
    })
    afterAll(() => ws.drop())
    const closedPort = () =>
      new Promise<number>((resolve) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
          const { port } = server.address() as { port: number }
          server.close(() => resolve(port))
        })
      })

    test('an unreachable one is told with host and port; a migration can be written all the same', async () => {
      const port = await closedPort()
      const DATABASE_URL = `${on.provider}://me:${encodeURIComponent(secret)}@127.0.0.1:${port}/shop`
      for (const line of ['migrate', 'status', 'push', 'migrate --log', 'status --json']) {
        const output = await ws.fails(1, line, { env: { DATABASE_URL } })
        const text = `${output.stdout}${output.stderr}`
        expect(text).toContain(`127.0.0.1:${port}`)
        expect(text).toContain('cannot be reached')
        expect(text).not.toContain('s3cr3t')
      }
      const made = await ws.ok('makemigration --name offline', { env: { DATABASE_URL } })
      expect(made.stderr).toContain('not proven')
      expect(made.stderr + made.stdout).not.toContain('s3cr3t')
      expect(ws.folders()).toHaveLength(1)
    })

    test('without any URL a migration can be written and checked', async () => {
      const env = { DATABASE_URL: undefined }
      ws.project.schema('model Item {\n  id Int @id\n  note String?\n}')
      await ws.fails(1, 'makemigration --check', { env })
      const made = await ws.ok('makemigration --name offline_too', { env })
      expect(made.stderr).toContain('no database URL is set')
      await ws.ok('makemigration --check', { env })
    })

    test('no output of any command holds the password', async () => {
      const port = await closedPort()
      const urls = [
        `${on.provider}://me:${secret}@127.0.0.1:${port}/shop`,
        `${on.provider}://me:${encodeURIComponent(secret)}@127.0.0.1:${port}/shop?connect_timeout=1`,
      ]
      for (const DATABASE_URL of urls) {
        for (const line of ['config', 'migrate --log', 'status', 'makemigration --name x --dry-run', 'config --json']) {
          const { stdout, stderr } = await ws.rays(line, { env: { DATABASE_URL } })
          expect(stdout + stderr).not.toMatch(/s3cr3t|pa:ss|pa%3Ass/)
        }
      }
    })
  },
  onServers,
)

describeDatabases('a shadow database that is not rays’ to empty', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: MODEL })
    await ws.sql('CREATE TABLE "precious" (id INTEGER NOT NULL PRIMARY KEY)')
    await ws.sql('INSERT INTO "precious" (id) VALUES (1)')
  })
  afterEach(() => ws.drop())
  const refused = async (env: Record<string, string>, line = 'makemigration --name one') => {
    const before = await dumpSchema(ws.db)
    const { stderr } = await ws.fails(2, line, { env })
    expect(stderr).toContain('shadow')
    expect(await dumpSchema(ws.db)).toBe(before)
    expect(await ws.sql('SELECT * FROM "precious"')).toEqual([{ id: 1 }])
    expect(ws.folders()).toEqual([])
    return stderr
  }

  test('the main database itself is refused in any spelling, even with --clear-shadow', async () => {
    const href = ws.db.href
    const spellings =
      on.provider === 'sqlite'
        ? [href, href.replace('/dev.db', '/./dev.db'), `${href}?connection_limit=1`]
        : [href, href.replace('127.0.0.1', 'localhost'), `${href}?connection_limit=1`]
    if (on.provider === 'postgresql') spellings.push(href.replace('postgresql:', 'postgres:'))
    if (on.provider === 'sqlite') {
      symlinkSync(href.slice(5), path.join(ws.project.folder, 'link.db'))
      spellings.push(`file:${path.join(ws.project.folder, 'link.db')}`)
    }
    for (const RAYS_SHADOW_DATABASE_URL of spellings) await refused({ RAYS_SHADOW_DATABASE_URL })
    const name = on.provider === 'sqlite' ? href.slice(5) : ws.db.name
    await refused({ RAYS_SHADOW_DATABASE_NAME: name })
    await refused({ RAYS_SHADOW_DATABASE_NAME: name }, 'makemigration --name one --clear-shadow')
  }, 60_000)

  test('one that holds a view or tables of somebody else is refused, until --clear-shadow consents', async () => {
    const other = await on.fresh()
    try {
      const name = on.provider === 'sqlite' ? other.href.slice(5) : other.name
      const env = { RAYS_SHADOW_DATABASE_NAME: name }
      for (const make of ['VIEW theirs AS SELECT 1 AS id', 'TABLE others (id INTEGER NOT NULL PRIMARY KEY)']) {
        await other.query(`CREATE ${make}`)
        const stderr = await refused(env)
        expect(stderr).toMatch(/view (?:public\.)?theirs/)
        expect(stderr).toContain('--clear-shadow')
        expect(await dumpSchema(other)).toContain('theirs')
      }
      await ws.ok('makemigration --name one --clear-shadow', { env })
      expect(await dumpSchema(other)).not.toMatch(/theirs|others/)
    } finally {
      await other.drop()
    }
  })

  test('a name that is not there yet is made, on the same server; a URL that leads nowhere is told as such', async () => {
    if (on.provider === 'sqlite') return
    const [mine, gone] = [await on.fresh(), await on.fresh()]
    await mine.drop()
    await gone.drop()
    try {
      const { stdout } = await ws.ok('makemigration --name one', { env: { RAYS_SHADOW_DATABASE_NAME: mine.name } })
      expect(stdout).toContain('Proven')
    } finally {
      await ws.sql(`DROP DATABASE "${mine.name}"`)
    }
    ws.project.schema('model Item {\n  id Int @id\n  more Int?\n}')
    const env = { RAYS_SHADOW_DATABASE_URL: gone.href }
    const { stderr } = await ws.fails(2, 'makemigration --name two', { env })
    expect(stderr).toContain('The shadow database does not exist')
    expect(stderr).toContain(gone.name)
  })

  test('an empty one is used, and left empty', async () => {
    const [mine, prismas] = [await on.fresh(), await on.fresh()]
    try {
      const env = {
        RAYS_SHADOW_DATABASE_NAME: on.provider === 'sqlite' ? mine.href.slice(5) : mine.name,
        RAYS_SHADOW_DATABASE_URL: prismas.href,
      }
      const { stdout } = await ws.ok('makemigration --name one', { env })
      expect(stdout).toContain('Proven')
      for (const shadow of [mine, prismas]) expect(await dumpSchema(shadow)).not.toMatch(/Item|_prisma_migrations/)
      expect(await ws.sql('SELECT * FROM "precious"')).toHaveLength(1)
    } finally {
      await mine.drop()
      await prismas.drop()
    }
  })
})
