/** Code of a project that ends the process, names an exit code, throws or exports what cannot be read. */
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const NAME = '20260101000000_a'
const FOLDER = `prisma/migrations/${NAME}`

describeDatabases('code that', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: '', config: { generate: false } })
    app.write({
      'prisma/migrations/migration_lock.toml': `provider = "${db.provider}"\n`,
      [`${FOLDER}/migration.sql`]: 'CREATE TABLE a (id INTEGER PRIMARY KEY);\n',
    })
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const code = (text: string) => app.write({ [`${FOLDER}/migration.js`]: text })
  /** An operation that makes a table, and one that does what the test is about. */
  const operation = (text: string) =>
    code(
      `module.exports = [[({ client }) => client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY)'), ({ client }) => client.execute('DROP TABLE a')],\n[async ({ client }) => { ${text} }, () => {}]]\n`,
    )
  const table = () =>
    db.query('SELECT * FROM a').then(
      () => 'there',
      () => 'not there',
    )
  const own = (line = ['migrate']) => app.rays(line, { onStart: () => undefined })
  const applied = async () => (await history(db)).filter((row) => row.finished_at !== null).length

  test.each([
    ['ends the process', 'process.exit(0)', /process\.exit\(0\)/],
    [
      'ends it later, while it runs',
      'setTimeout(() => process.exit(0), 10); await new Promise((r) => setTimeout(r, 100))',
      /process\.exit\(0\)/,
    ],
    ['names an exit code and throws', "process.exitCode = 0; throw new Error('on purpose')", /on purpose/],
    [
      'names an exit code at the end of the process',
      "process.on('exit', () => { process.exitCode = 0 }); throw new Error('on purpose')",
      /on purpose/,
    ],
    [
      'ends the process at its end',
      "process.on('exit', () => process.exit(0)); throw new Error('on purpose')",
      /on purpose/,
    ],
    [
      'names a code soon after',
      "setTimeout(() => { process.exitCode = 0 }, 200); throw new Error('on purpose')",
      /on purpose/,
    ],
    ['names a code and never settles', 'process.exitCode = 0; await new Promise(() => {})', /never finished/],
    [
      'fails in a timer',
      "setTimeout(() => { throw new Error('on purpose') }, 10); await new Promise((r) => setTimeout(r, 100))",
      /on purpose/,
    ],
    [
      'is rejected behind its back',
      "Promise.reject(new Error('on purpose')); await new Promise((r) => setTimeout(r, 100))",
      /on purpose/,
    ],
    ['throws undefined', 'throw undefined', /failed/],
    ['throws null', 'throw null', /threw null/],
    ['throws a circle', 'const a = {}; a.a = a; throw a', /threw/],
    ['throws a bigint', 'throw 5n', /threw 5n/],
    ['throws a frozen error', "throw Object.freeze(new Error('on purpose'))", /on purpose/],
    [
      'throws an error without words',
      "throw Object.defineProperty(new Error(), 'message', { get() { throw new Error('no') } })",
      /cannot be read/,
    ],
    [
      'throws an error whose words are none',
      "throw Object.assign(new Error('x'), { message: { a: 1 }, stack: 5 })",
      /failed/,
    ],
    ['throws a proxy', "throw new Proxy({}, { get() { throw new Error('no') } })", /proxy/],
    ['throws what has no text', 'throw Object.create(null)', /threw/],
    [
      'has no console',
      "console = undefined; process.stdout.write = () => true; throw new Error('on purpose')",
      /on purpose/,
    ],
  ])('%s: it has failed, and is told', async (_, text, told) => {
    operation(text)
    const run = await own()
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(told) })
    expect(run.stderr).not.toMatch(/fault in rays|TypeError/)
    expect([await table(), await applied()]).toEqual(['not there', 0])
  })

  test.each([
    ['names an exit code', 'process.exitCode = 7'],
    ['names one at the end of the process', "process.on('exit', () => { process.exitCode = 7 })"],
  ])('%s, and is done: the code is that of rays', async (_, text) => {
    operation(text)
    expect(await own()).toMatchObject({ code: 0 })
    expect(await applied()).toBe(1)
  })

  test('ends the process once it is done: the run has failed all the same', async () => {
    operation('setTimeout(() => process.exit(0), 1)')
    app.write({
      'prisma/migrations/20260102000000_b/migration.sql': 'CREATE TABLE b (id INTEGER PRIMARY KEY);\n',
      'prisma/migrations/20260102000000_b/migration.js':
        "module.exports = [[async ({ client }) => { await new Promise((r) => setTimeout(r, 300)); await client.execute('CREATE TABLE b (id INTEGER PRIMARY KEY)') }, () => {}]]\n",
    })
    const run = await own()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/process\.exit\(0\)/),
    })
  })

  test.each([
    ["process.kill(process.pid, 'SIGKILL')", 137],
    ['process.abort()', 134],
  ])('%s: the next run finds what is left', async (text, exit) => {
    operation(`${text}; await new Promise(() => setTimeout(() => {}, 60000))`)
    expect((await own()).code).toBe(exit)
    operation('')
    const next = await app.rays(['migrate'])
    if (db.provider === 'mysql') expect(next.code).toBe(3)
    else expect([next.code, await applied()]).toEqual([0, 1])
  })

  if (database.provider !== 'sqlite') return

  const GETTER = "get() { throw new Error('on purpose') }"
  test.each([
    ['a getter for default', `Object.defineProperty(exports, 'default', { ${GETTER} })`],
    [
      'a getter for transaction',
      `module.exports = Object.defineProperty([[() => {}, null]], 'transaction', { ${GETTER} })`,
    ],
    ['a getter for up', `module.exports = { get up() { throw new Error('on purpose') } }`],
    [
      'a getter in the list',
      `module.exports = [[() => {}, null]]; Object.defineProperty(module.exports, 0, { ${GETTER} })`,
    ],
    [
      'a getter in a pair',
      `module.exports = [[() => {}, null]]; Object.defineProperty(module.exports[0], 1, { ${GETTER} })`,
    ],
    [
      'a proxy',
      `module.exports = new Proxy({}, { get() { throw new Error('on purpose') }, ownKeys() { throw new Error('on purpose') } })`,
    ],
    ['a list that is a proxy', `module.exports = new Proxy([], { get() { throw new Error('on purpose') } })`],
    ['a getter that throws no error', `module.exports = { get default() { throw null } }`],
  ])('exports %s is refused by its path', async (_, text) => {
    code(text)
    for (const line of [['migrate'], ['migrate', '--plan'], ['sqlmigrate', NAME]]) {
      const run = await app.rays(line)
      expect({ line, code: run.code, stderr: run.stderr }).toEqual({
        line,
        code: 2,
        stderr: expect.stringMatching(/20260101000000_a\/migration\.js (?:exports cannot be read|cannot be loaded)/),
      })
      expect(run.stderr).not.toMatch(/fault in rays|dist\/src/)
    }
  })

  test('exports functions that answer oddly about themselves runs', async () => {
    code(
      "const up = async ({ client }) => client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY)')\n" +
        "Object.defineProperty(up, 'name', { get() { throw new Error('no') } })\n" +
        "up.toString = () => { throw new Error('no') }\nmodule.exports = [[up, null]]\n",
    )
    expect(await app.rays(['migrate'])).toMatchObject({ code: 0 })
  })

  test.each(['raysconfig.js', 'prisma.config.mjs'])(
    'ends the process while the configuration is read: %s',
    async (name) => {
      operation('')
      app.write({ [name]: 'process.exit(0)\n' })
      const run = await own(['status'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining('process.exit(0)'),
      })
    },
  )

  test.each(['beforeAll', 'beforeEach', 'afterEach', 'afterAll'])('ends the process in %s', async (name) => {
    operation('')
    app.write({
      'raysconfig.js': `module.exports = { databaseUrl: process.env.DATABASE_URL, generate: false, ${name}: () => process.exit(0) }\n`,
    })
    const run = await own()
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('process.exit(0)'),
    })
    expect(await applied()).toBe(name === 'afterAll' ? 1 : 0)
  })
})
