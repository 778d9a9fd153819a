import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { type Config, type DatasourceUrls, type LoadConfigOptions, loadConfig } from '../../../src/config/config.js'
import { OPTIONS, variableName } from '../../../src/config/options.js'
import { refuseUnfitUrl } from '../../../src/config/unfit-url.js'
import { ConfigError } from '../../../src/errors.js'
import { type Compiled, compile } from '../../support/compiled.js'

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'rays-config-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const SCHEMA = 'datasource db {\n  provider = "postgresql"\n}\n'
function project(files: Record<string, string> = {}): void {
  for (const [name, text] of Object.entries({ 'package.json': '{}', 'prisma/schema.prisma': SCHEMA, ...files })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), text)
  }
}

interface Sources extends Partial<Omit<LoadConfigOptions, 'readDatasource'>> {
  readonly datasource?: DatasourceUrls
}
const load = ({ datasource, ...options }: Sources = {}): Promise<Config> =>
  loadConfig({ cwd: root, env: {}, readDatasource: async () => datasource, ...options })

async function problems(sources: Sources = {}): Promise<ConfigError> {
  return load(sources).then(
    () => {
      throw new Error('the configuration was accepted')
    },
    (error: unknown) => {
      if (!(error instanceof ConfigError)) throw error
      return error
    },
  )
}

// In a process of Node's own, which has one environment for rays and for the files that it loads.
let rays: Compiled
beforeAll(() => {
  rays = compile()
})
afterAll(() => rays.remove())
async function loadInProcess(): Promise<Record<string, unknown>> {
  const run = await rays.script(
    `import { loadConfig } from './src/config/config.js'
     const config = await loadConfig({ cwd: process.argv[2], readDatasource: async () => undefined })
     const { databaseUrl, shadowDatabaseUrl } = config
     console.log(JSON.stringify({ ...config, url: databaseUrl?.reveal(), shadow: shadowDatabaseUrl?.reveal() }))`,
    [root],
  )
  expect(run.stderr).toBe('')
  return JSON.parse(run.stdout)
}

const js = (value: unknown) => `module.exports = ${JSON.stringify(value)}\n`
const url = (name: string) => `postgresql://u:secret-${name}@host/${name}`
const named = (config: Config) => config.databaseUrl?.reveal().split('/').at(-1)

describe('where the database URL comes from, first to last', () => {
  const sources: [string, () => { files: Record<string, string>; options: Sources }, string, string][] = [
    [
      'the command line',
      () => ({ files: {}, options: { flags: { databaseUrl: url('flag') } } }),
      'flag',
      'command line',
    ],
    [
      'RAYS_DATABASE_URL',
      () => ({ files: {}, options: { env: { RAYS_DATABASE_URL: url('rays') } } }),
      'rays',
      'RAYS_DATABASE_URL',
    ],
    [
      'raysconfig',
      () => ({ files: { 'raysconfig.js': js({ databaseUrl: url('conf') }) }, options: {} }),
      'conf',
      'raysconfig',
    ],
    ['DATABASE_URL', () => ({ files: {}, options: { env: { DATABASE_URL: url('env') } } }), 'env', 'DATABASE_URL'],
    ['.env', () => ({ files: { '.env': `DATABASE_URL=${url('dotenv')}\n` }, options: {} }), 'dotenv', '.env'],
    [
      'prisma.config.ts',
      () => ({
        files: { 'prisma.config.ts': `export default { datasource: { url: '${url('prisma')}' } }` },
        options: {},
      }),
      'prisma',
      'prisma.config.ts',
    ],
    [
      "the schema's directUrl",
      () => ({
        files: {},
        options: {
          datasource: {
            directUrl: { kind: 'literal', value: url('direct') },
            url: { kind: 'literal', value: url('schema') },
          },
        },
      }),
      'direct',
      'the schema',
    ],
    [
      "the schema's url",
      () => ({ files: {}, options: { datasource: { url: { kind: 'literal', value: url('schema') } } } }),
      'schema',
      'the schema',
    ],
  ]

  test.each(sources.map((source, index) => [source[0], index] as const))(
    '%s wins over all that follow',
    async (_, index) => {
      const files: Record<string, string> = {}
      const env: NodeJS.ProcessEnv = {}
      let options: Sources = {}
      for (const [, make] of sources.slice(index).reverse()) {
        const made = make()
        Object.assign(files, made.files)
        Object.assign(env, made.options.env)
        options = { ...options, ...made.options }
      }
      project(files)
      const config = await load({ ...options, env })
      expect(named(config)).toBe(sources[index]![2])
      expect(config.origins.databaseUrl).toBe(sources[index]![3])
    },
  )

  test('nowhere: there is none, which only some commands mind', async () => {
    project()
    const config = await load()
    expect(config.databaseUrl).toBeUndefined()
    expect(config.origins.databaseUrl).toBe('not set')
  })

  test('env() in the schema is read from the environment and from .env', async () => {
    project({ '.env': `OTHER=${url('other')}\n` })
    expect(named(await load({ datasource: { url: { kind: 'env', name: 'OTHER' } } }))).toBe('other')
    expect((await load({ datasource: { url: { kind: 'env', name: 'MISSING' } } })).databaseUrl).toBeUndefined()
  })

  test('databaseUrl: process.env.X counts as not written where X is not set, or is empty', async () => {
    project({ 'raysconfig.js': 'module.exports = { databaseUrl: process.env.RAYS_TEST_NOT_SET, migrationsDir: "m" }' })
    expect(named(await load({ env: { DATABASE_URL: url('env') } }))).toBe('env')
    writeFileSync(path.join(root, 'raysconfig.js'), js({ databaseUrl: '' }))
    expect(named(await load({ env: { DATABASE_URL: url('env') } }))).toBe('env')
  })

  test('--conf staging.js means what it says, whatever DATABASE_URL is', async () => {
    project({ 'staging.js': js({ databaseUrl: url('staging') }), 'raysconfig.js': js({ databaseUrl: url('conf') }) })
    expect(named(await load({ conf: 'staging.js', env: { DATABASE_URL: url('env') } }))).toBe('staging')
  })
})

describe('.env', () => {
  test('is read beside package.json, in prisma/ and beside the schema; what is set already stays', async () => {
    project({
      '.env': 'A=root\nB=root\n',
      'prisma/.env': 'B=prisma\nC=prisma\n',
      'db/schema.prisma': SCHEMA,
      'db/.env': 'C=db\nD=db\n',
      'raysconfig.js': js({ schemaPath: 'db/schema.prisma' }),
    })
    const env: NodeJS.ProcessEnv = { A: 'set' }
    await load({ env })
    expect(env).toEqual({ A: 'set', B: 'root', C: 'prisma', D: 'db' })
  })

  test('expands variables, of its own and of the environment', async () => {
    project({
      '.env': `PGUSER=me\nDATABASE_URL="postgresql://$PGUSER:x@$\{PGHOST}/$\{NAME:-fallback}"\nRAW=a\\$b\n`,
    })
    const env: NodeJS.ProcessEnv = { PGHOST: 'db.example' }
    const config = await load({ env })
    expect(config.databaseUrl?.reveal()).toBe('postgresql://me:x@db.example/fallback')
    expect(env.RAW).toBe('a$b')
  })

  test('is there before raysconfig is read', async () => {
    project({
      '.env': 'RAYS_TEST_DIR=from-dotenv\n',
      'raysconfig.js': 'module.exports = { migrationsDir: process.env.RAYS_TEST_DIR }',
    })
    expect((await loadInProcess()).migrationsDir).toBe(path.join(root, 'from-dotenv'))
  })

  test('may set RAYS_ variables', async () => {
    project({ '.env': 'RAYS_LOCK_TIMEOUT=3\n' })
    expect((await load()).lockTimeoutMs).toBe(3000)
  })
})

describe('raysconfig', () => {
  test('of the source project is understood as it is', async () => {
    project({
      'raysconfig.js': `module.exports = {
        migrationsDir: 'prisma/migrations',
        schemaPath: 'prisma/schema.prisma',
        databaseUrl: process.env.RAYS_TEST_NOT_SET || 'postgresql://u:p@h/db',
        shadowDatabaseName: 'my_shadow',
        verboseLogging: true,
      }`,
    })
    expect(await load()).toMatchObject({
      root,
      file: path.join(root, 'raysconfig.js'),
      migrationsDir: path.join(root, 'prisma', 'migrations'),
      schemaPath: path.join(root, 'prisma', 'schema.prisma'),
      shadowDatabaseName: 'my_shadow',
      verboseLogging: true,
      schemaEngine: 'wasm',
      generate: true,
      lock: 'session',
    })
  })

  test.each<[string, string]>([
    ['raysconfig.js', "module.exports = { migrationsDir: 'here' }"],
    ['raysconfig.js', "export default { migrationsDir: 'here' }"],
    ['raysconfig.cjs', "module.exports = { migrationsDir: 'here' }"],
    ['raysconfig.ts', "const dir: string = 'here'\nexport default { migrationsDir: dir }"],
    ['raysconfig.json', '{ "migrationsDir": "here" }'],
    ['raysconfig.json', '\ufeff{ "migrationsDir": "here" }'],
    ['package.json', '{ "name": "x", "rays": { "migrationsDir": "here" } }'],
  ])('may be %s: %s', async (name, text) => {
    project({ [name]: text })
    const config = await load()
    expect(config.migrationsDir).toBe(path.join(root, 'here'))
    expect(config.file).toBe(path.join(root, name))
  })

  test('is found from a folder below', async () => {
    project({ 'raysconfig.js': js({ migrationsDir: 'here' }), 'src/deep/x.txt': '' })
    const config = await load({ cwd: path.join(root, 'src', 'deep') })
    expect(config).toMatchObject({ root, migrationsDir: path.join(root, 'here') })
  })

  test('of another project above is not taken', async () => {
    project({ 'raysconfig.js': js({ migrationsDir: 'here' }), 'apps/a/package.json': '{}' })
    const config = await load({ cwd: path.join(root, 'apps', 'a') })
    expect(config).toMatchObject({ root: path.join(root, 'apps', 'a'), file: undefined })
  })

  test('is not needed', async () => {
    project({ 'src/x.txt': '' })
    const config = await load({ cwd: path.join(root, 'src') })
    expect(config).toMatchObject({
      root,
      file: undefined,
      schemaPath: path.join(root, 'prisma', 'schema.prisma'),
      migrationsDir: path.join(root, 'prisma', 'migrations'),
    })
  })

  test('that --conf names must exist; paths start from it', async () => {
    project({ 'conf/staging.cjs': js({ migrationsDir: 'm', schemaPath: '../prisma/schema.prisma' }) })
    expect(await load({ conf: 'conf/staging.cjs' })).toMatchObject({
      migrationsDir: path.join(root, 'conf', 'm'),
      schemaPath: path.join(root, 'prisma', 'schema.prisma'),
    })
    const error = await problems({ conf: 'nowhere.js' })
    expect(error.exitCode).toBe(2)
    expect(error.message).toContain(path.join(root, 'nowhere.js'))
  })
})

describe('each option', () => {
  type Written = Exclude<keyof typeof OPTIONS, 'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll'>
  const values: Record<Written, [written: unknown, text: string]> = {
    migrationsDir: ['m', 'm'],
    schemaPath: ['prisma/schema.prisma', 'prisma/schema.prisma'],
    databaseUrl: ['postgresql://h/d', 'postgresql://h/d'],
    shadowDatabaseName: ['shadow', 'shadow'],
    shadowDatabaseUrl: ['postgresql://h/s', 'postgresql://h/s'],
    verboseLogging: [true, 'true'],
    schemaEngine: ['prisma-cli', 'prisma-cli'],
    generate: [false, 'no'],
    lockTimeout: [2.5, '2.5'],
    statementTimeout: [60, '60'],
    connectTimeout: [1, '1'],
    operationTimeout: [9, '9'],
    singleTransaction: [true, 'on'],
    lock: ['transaction', 'transaction'],
    externalTables: [['a', 'b'], 'a, b'],
    externalEnums: [['c'], 'c'],
  }

  const written = (Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]).filter((name) => OPTIONS[name].kind !== 'function')
  test.each(written as Written[])('%s can be written in raysconfig and in the environment', async (name) => {
    project({ 'raysconfig.js': js({ [name]: values[name][0] }) })
    const written = await load()
    rmSync(path.join(root, 'raysconfig.js'))
    const set = await load({ env: { [variableName(name)]: values[name][1] } })
    const { file: _, origins, ...rest } = written
    const { file: __, origins: setOrigins, ...setRest } = set
    expect(JSON.stringify(setRest)).toBe(JSON.stringify(rest))
    expect([origins[name], setOrigins[name]]).toEqual(['raysconfig', variableName(name)])
    const { file: ___, origins: ____, ...plain } = await load()
    if (name !== 'schemaPath') expect(JSON.stringify(plain)).not.toBe(JSON.stringify(rest))
  })

  test('hooks are functions of raysconfig, and nothing else', async () => {
    project({ 'raysconfig.js': 'module.exports = { beforeAll: () => 1, afterEach() {} }' })
    expect(Object.keys((await load()).hooks)).toEqual(['beforeAll', 'afterEach'])
    project({ 'raysconfig.js': js({ beforeAll: 'x' }) })
    expect((await problems()).message).toContain('beforeAll must be a function')
  })

  test('a variable wins over raysconfig, and the command line over both', async () => {
    project({ 'raysconfig.js': js({ lockTimeout: 1 }) })
    const env = { RAYS_LOCK_TIMEOUT: '2' }
    expect((await load()).lockTimeoutMs).toBe(1000)
    expect((await load({ env })).lockTimeoutMs).toBe(2000)
    expect((await load({ env, flags: { lockTimeout: 3 } })).lockTimeoutMs).toBe(3000)
  })

  test.each([
    ['yes', true],
    ['1', true],
    ['True', true],
    ['0', false],
    ['off', false],
  ])('a switch of the environment means what it says: %s', async (text, meant) => {
    project({ 'raysconfig.js': js({ singleTransaction: !meant }) })
    expect((await load({ env: { RAYS_SINGLE_TRANSACTION: text } })).singleTransaction).toBe(meant)
  })

  test.each(['', ' ', 'y', '2', 'true ', 'plan.json'])('and is refused where it says nothing: %j', async (text) => {
    project({ 'raysconfig.js': js({ singleTransaction: true }) })
    const { message } = await problems({ env: { RAYS_SINGLE_TRANSACTION: text } })
    expect(message).toContain('singleTransaction must be true or false')
  })

  test.each(['', ' 5', '10s', '1e3', '0x10', '-1', 'NaN', 'Infinity', '2147484', '9'.repeat(400)])(
    'a time is plain digits, and none that cannot be waited: %j',
    async (text) => {
      project()
      for (const name of ['LOCK', 'STATEMENT', 'CONNECT', 'OPERATION']) {
        const { message } = await problems({ env: { [`RAYS_${name}_TIMEOUT`]: text } })
        expect(message).toContain('a number of seconds from 0 to 2147483')
      }
    },
  )

  test.each(["'10s'", "'10'", 'NaN', 'Infinity', '-1', '1e12', 'true', 'null', '10n', '[10]'])(
    'raysconfig has no time %s',
    async (value) => {
      project({ 'raysconfig.js': `module.exports = { lockTimeout: ${value} }` })
      expect((await problems()).message).toContain('lockTimeout must be a number of seconds from 0 to 2147483')
    },
  )

  test.each(["'yes'", "'false'", '1', '0', 'null', '[]'])('raysconfig has no switch %s', async (value) => {
    project({ 'raysconfig.js': `module.exports = { singleTransaction: ${value}, generate: ${value} }` })
    expect((await problems()).message).toMatch(
      /generate must be true or false.*singleTransaction must be true or false/s,
    )
  })

  test('the longest time and the shortest one are none of the two that mean no limit', async () => {
    project({ 'raysconfig.js': js({ lockTimeout: 2147483, statementTimeout: 0.0001 }) })
    expect(await load()).toMatchObject({ lockTimeoutMs: 2147483000, statementTimeoutMs: 1 })
  })

  test('an empty path is none', async () => {
    project()
    expect((await problems({ env: { RAYS_MIGRATIONS_DIR: '' } })).message).toContain('migrationsDir must be a path')
  })

  test('the result cannot be changed', async () => {
    project()
    expect(Object.isFrozen(await load())).toBe(true)
  })
})

describe('all problems are told at once', () => {
  test('with the option, what it must be, and where it was written; exit 2', async () => {
    project({
      'raysconfig.js': js({
        migrationsDir: 7,
        schemaPath: 'nowhere.prisma',
        migrationDir: 'x',
        verboseLogging: 'yes',
        lockTimeout: -1,
        lock: 'none',
        externalTables: 'a',
        toString: 1,
      }),
    })
    const error = await problems({ env: { RAYS_GENERATE: 'perhaps', RAYS_STATEMENT_TIMEOUT: 'soon' } })
    expect(error.exitCode).toBe(2)
    for (const part of [
      'migrationsDir must be a string, not 7 (raysconfig)',
      `there is no ${path.join(root, 'nowhere.prisma')}`,
      'unknown option migrationDir; did you mean migrationsDir?',
      'unknown option toString',
      'verboseLogging must be true or false, not "yes" (raysconfig)',
      'lockTimeout must be a number of seconds from 0 to 2147483, not -1 (raysconfig)',
      'lock must be "session" or "transaction", not "none" (raysconfig)',
      'externalTables must be a list of names',
      'generate must be true or false, not "perhaps" (RAYS_GENERATE)',
      'statementTimeout must be a number of seconds from 0 to 2147483, not "soon" (RAYS_STATEMENT_TIMEOUT)',
      '10 problems',
    ])
      expect(error.message).toContain(part)
  })

  test.each<[string, string, RegExp]>([
    ['throws', 'throw new Error("no luck")', /raysconfig\.js cannot be loaded: no luck/],
    ['does not parse', 'module.exports = {', /raysconfig\.js cannot be loaded/],
    ['exports no object', 'module.exports = 7', /must export an object/],
    ['exports a list', 'module.exports = []', /must export an object/],
  ])('a raysconfig that %s', async (_, text, message) => {
    project({ 'raysconfig.js': text })
    const error = await problems()
    expect(error.exitCode).toBe(2)
    expect(error.message).toMatch(message)
  })

  test.each(['', '{', '7', '{ "databaseUrl": postgresql://u:hunter2@h/d }'])(
    'a raysconfig.json that is none: %j',
    async (text) => {
      project({ 'raysconfig.json': text })
      const { message } = await problems()
      expect(message).toContain('raysconfig.json')
      expect(message).not.toContain('hunter2')
    },
  )
})

describe('prisma.config.ts', () => {
  test('is read without prisma and dotenv being installed, with env() and external tables', async () => {
    project({
      'prisma.config.ts': `
          import 'dotenv/config'
          import { defineConfig, env } from 'prisma/config'
          type Name = string
          const name: Name = 'schema.prisma'
          export default defineConfig({
            schema: \`db/\${name}\`,
            migrations: { path: 'db/changes', seed: 'node seed.js' },
            datasource: { url: env('MAIN_URL'), shadowDatabaseUrl: env('SHADOW_URL') },
            tables: { external: ['public.users', 'audit'] },
            enums: { external: ['Role'] },
          })`,
      'db/schema.prisma': SCHEMA,
      '.env': `MAIN_URL=${url('main')}\nSHADOW_URL=${url('shadow')}\n`,
    })
    expect(await loadInProcess()).toMatchObject({
      prismaConfigFile: path.join(root, 'prisma.config.ts'),
      schemaPath: path.join(root, 'db', 'schema.prisma'),
      migrationsDir: path.join(root, 'db', 'changes'),
      url: url('main'),
      shadow: url('shadow'),
      externalTables: ['public.users', 'audit'],
      externalEnums: ['Role'],
      seed: 'node seed.js',
      origins: { schemaPath: 'prisma.config.ts', migrationsDir: 'prisma.config.ts', databaseUrl: 'prisma.config.ts' },
    })
  })

  test.each(['prisma.config.js', 'prisma.config.mjs', '.config/prisma.ts'])('may be %s', async (name) => {
    project({ [name]: `export default { datasource: { url: '${url('prisma')}' } }` })
    expect(named(await load())).toBe('prisma')
  })

  test('raysconfig wins over it, option by option', async () => {
    project({
      'prisma.config.ts': `export default { schema: 'prisma/schema.prisma', migrations: { path: 'theirs' }, tables: { external: ['a'] } }`,
      'raysconfig.js': js({ migrationsDir: 'ours', externalTables: ['b'] }),
    })
    expect(await load()).toMatchObject({ migrationsDir: path.join(root, 'ours'), externalTables: ['b'] })
  })

  test.each(['export default 7', 'throw new Error("no luck")', 'export default {'])(
    'that cannot be used is a problem with its name: %s',
    async (text) => {
      project({ 'prisma.config.ts': text })
      const error = await problems()
      expect(error.exitCode).toBe(2)
      expect(error.message).toContain('prisma.config.ts')
    },
  )
})

describe('the file of Prisma’s that is read', () => {
  const ENDINGS = ['js', 'ts', 'mjs', 'cjs', 'mts', 'cts']
  // In the order in which Prisma 7.10 looks for them.
  const places = [
    ...['prisma7.config', '.config/prisma7'].flatMap((base) => ENDINGS.map((end) => `${base}.${end}`)),
    ...['prisma.config', '.config/prisma', '.config/prisma.config'].flatMap((base) => [
      ...ENDINGS.map((end) => `${base}.${end}`),
      ...ENDINGS.map((end) => `${base}/index.${end}`),
    ]),
  ]
  const text = (name: string) => {
    const code = `{ datasource: { url: '${url(encodeURIComponent(name))}' } }`
    return /\.c[jt]s$/.test(name) ? `module.exports = ${code}\n` : `export default ${code}\n`
  }

  test.each(places)('may be %s, and is named', async (name) => {
    project({ [name]: text(name) })
    const config = await load()
    expect([named(config), config.prismaConfigFile, config.origins.databaseUrl]).toEqual([
      encodeURIComponent(name),
      path.join(root, name),
      name,
    ])
  })

  test('of two is the one that Prisma takes', async () => {
    for (const name of [...places].reverse()) {
      project({ [name]: text(name) })
      expect((await load()).prismaConfigFile).toBe(path.join(root, name))
    }
  })

  test('is prisma.config.ts beside prisma7.config.ts where the installed Prisma knows no other', async () => {
    project({ 'prisma7.config.ts': text('new'), 'prisma.config.ts': text('old') })
    const installed = async (version: string) => {
      project({ 'node_modules/prisma/package.json': JSON.stringify({ name: 'prisma', version }) })
      return named(await load())
    }
    for (const version of ['6.19.3', '7.9.1']) expect(await installed(version)).toBe('old')
    for (const version of ['7.10.0', '7.11.2', '8.0.0-rc.1']) expect(await installed(version)).toBe('new')
  })

  test('is what its function returns', async () => {
    project({ 'prisma7.config.ts': `export default async () => ({ datasource: { url: '${url('made')}' } })` })
    expect(named(await load())).toBe('made')
  })
})

describe('what Prisma’s configuration takes from the environment', () => {
  const config = (lines: string, name = 'DATABASE_URL') =>
    `${lines}\nimport { defineConfig } from 'prisma/config'\nexport default defineConfig({ datasource: { url: process.env["${name}"] } })\n`

  test('is .env where it imports dotenv/config, as prisma init writes it', async () => {
    project({ 'prisma7.config.ts': config("import 'dotenv/config'"), '.env': 'DATABASE_URL=file:./dev.db\n' })
    const loaded = await loadInProcess()
    expect(loaded).toMatchObject({ url: 'file:./dev.db', warnings: [] })
    expect(loaded.refusal).toBeUndefined()
  })

  test('is .env all the same where something else reads it, as Bun does', async () => {
    project({ 'prisma7.config.ts': config('', 'MY_URL'), '.env': `MY_URL=${url('mine')}\n` })
    expect(await loadInProcess()).toMatchObject({ url: url('mine'), origins: { databaseUrl: 'prisma7.config.ts' } })
  })

  test('is the file that it reads itself, whatever .env says', async () => {
    project({
      'prisma7.config.ts': `import { readFileSync } from 'node:fs'
        process.env.DATABASE_URL ??= readFileSync('${path.join(root, '.env.local')}', 'utf8').slice('DATABASE_URL='.length).trim()
        export default { datasource: { url: process.env.DATABASE_URL } }`,
      '.env': `DATABASE_URL=${url('env')}\n`,
      '.env.local': `DATABASE_URL=${url('local')}\n`,
    })
    const loaded = await loadInProcess()
    expect(loaded).toMatchObject({ url: url('env') })
    expect(loaded.refusal).toMatch(/host:5432\/env.*\(\.env\).*prisma7\.config\.ts.*host:5432\/local/)
    expect(loaded.refusal).not.toContain('secret')
  })
})

describe('rays and Prisma mean', () => {
  const prisma7 = (href: string, more = '') => ({
    'prisma7.config.ts': `export default { datasource: { url: '${href}'${more} } }`,
  })
  const verdict = async (sources: Sources = {}) => {
    const { refusal, warnings } = await load(sources)
    expect(refusal === undefined || warnings.length === 0).toBe(true)
    return refusal !== undefined ? 'refused' : warnings.length > 0 ? 'told' : 'one'
  }
  const both = async (ours: string, theirs: string) => {
    project({ ...prisma7(theirs), '.env': `DATABASE_URL="${ours}"\n` })
    return verdict()
  }

  test.each([
    ['postgresql://u:p@localhost:5432/app', 'postgres://other:q@127.0.0.1/app?schema=public'],
    ['postgresql://u@LOCALHOST/app?connection_limit=1', 'postgresql://u@[::1]:5432/app?sslmode=disable'],
    ['postgresql://u@localhost/app?host=/var/run/postgresql', 'postgresql://u@localhost/app'],
    ['postgresql://u@db:6432/app?pgbouncer=true', 'postgresql://u@db:5432/app'],
    ['postgresql://u@db:6543/app', 'postgresql://u@db/app'],
    [
      'postgresql://u@ep-a-b-1-pooler.eu-central-1.aws.neon.tech/app',
      'postgresql://u@ep-a-b-1.eu-central-1.aws.neon.tech/app',
    ],
    [
      'postgresql://postgres.abc:p@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true',
      'postgresql://postgres:p@db.abc.supabase.co:5432/postgres',
    ],
    [
      'postgresql://postgres.abc:p@aws-0-eu.pooler.supabase.com:6543/postgres',
      'postgresql://postgres.abc:p@aws-0-eu.pooler.supabase.com:5432/postgres',
    ],
    ['postgres://k:s@pooled.db.prisma.io/postgres', 'postgres://k:s@db.prisma.io:5432/postgres'],
    ['mysql://u:p@localhost/app', 'mysql://root@127.0.0.1:3306/app?sslaccept=strict'],
    ['file:./dev.db', 'file:dev.db?connection_limit=1'],
    ['file:./prisma/../dev.db', 'file:./dev.db'],
  ])('one database: %s and %s', async (ours, theirs) => {
    expect(await both(ours, theirs)).toBe('one')
    expect(await both(theirs, ours)).toBe('one')
  })

  test.each([
    ['postgresql://u@pooler.internal:6432/app', 'postgresql://u@db.internal/app'],
    ['postgresql://u@db/app?schema=a', 'postgresql://u@db/app?schema=b'],
    ['postgresql://u@db:25061/pool?pgbouncer=true', 'postgresql://u@db:25060/app'],
    ['mysql://u@localhost/app?socket=/run/mysqld.sock', 'mysql://u@localhost:3307/app'],
    ['postgresql://u@db/app', 'prisma+postgres://accelerate.prisma-data.net/?api_key=hunter2'],
  ])('perhaps two, which is told: %s and %s', async (ours, theirs) => {
    expect(await both(ours, theirs)).toBe('told')
  })

  test.each([
    ['postgresql://u@db/app', 'postgresql://u@db/other'],
    ['postgresql://u@db:5432/app', 'postgresql://u@db:5433/app'],
    ['postgresql://u@staging/app', 'postgresql://u@production/app'],
    ['postgresql://u@pool-a:6432/app', 'postgresql://u@pool-b:6432/app'],
    [
      'postgresql://postgres.abc:p@aws-0-eu.pooler.supabase.com:6543/postgres',
      'postgresql://postgres:p@db.xyz.supabase.co/postgres',
    ],
    ['postgresql://u@ep-a.neon.tech/app', 'postgresql://u@ep-b-pooler.neon.tech/app'],
    ['mysql://u@db/app', 'mysql://u@db/other'],
    ['mysql://u@db:3306/app', 'mysql://u@db:3307/app'],
    ['file:./dev.db', 'file:./real.db'],
    ['file:./dev.db', 'postgresql://u@db/app'],
    ['file:./dev.db', 'libsql://db.turso.io'],
  ])('two databases, and what only .env says is refused: %s and %s', async (ours, theirs) => {
    expect(await both(ours, theirs)).toBe('refused')
  })

  test('one file of SQLite, by whatever link', async () => {
    mkdirSync(path.join(root, 'data'))
    symlinkSync('data', path.join(root, 'link'))
    expect(await both('file:./link/dev.db', 'file:./data/dev.db')).toBe('one')
    writeFileSync(path.join(root, 'data', 'dev.db'), '')
    symlinkSync('data/dev.db', path.join(root, 'dev.db'))
    expect(await both('file:./dev.db', 'file:./link/dev.db')).toBe('one')
  })

  test('the direct or the pooled address of one database', async () => {
    const files = prisma7('postgresql://u@direct/app', ", directUrl: 'postgresql://u@migrations/app'")
    for (const ours of ['postgresql://u@direct/app', 'postgresql://u@migrations/app']) {
      project({ ...files, '.env': `DATABASE_URL=${ours}\n` })
      expect(await verdict()).toBe('one')
    }
    project({ '.env': 'DATABASE_URL=postgresql://u@pool:6432/app\n', 'prisma7.config.ts': 'export default {}' })
    const datasource: DatasourceUrls = {
      url: { kind: 'env', name: 'DATABASE_URL' },
      directUrl: { kind: 'literal', value: 'postgresql://u@db/app' },
    }
    expect(await verdict({ datasource })).toBe('one')
  })

  test('two, in Prisma 6, where the schema names another variable than .env', async () => {
    project({ '.env': `DATABASE_URL=${url('a')}\nSHOP_URL=${url('b')}\n` })
    expect(await verdict({ datasource: { url: { kind: 'env', name: 'SHOP_URL' } } })).toBe('refused')
    expect(await verdict({ datasource: { url: { kind: 'env', name: 'DATABASE_URL' } } })).toBe('one')
  })

  test.each<[string, Record<string, string>, Sources]>([
    ['the command line', {}, { flags: { databaseUrl: url('ours') } }],
    ['RAYS_DATABASE_URL', {}, { env: { RAYS_DATABASE_URL: url('ours') } }],
    ['raysconfig', { 'raysconfig.js': js({ databaseUrl: url('ours') }) }, {}],
    ['--conf', { 'staging.js': js({ databaseUrl: url('ours') }) }, { conf: 'staging.js' }],
    ['--env', { '.env.staging': `DATABASE_URL=${url('ours')}\n` }, { environment: 'staging' }],
    ['DATABASE_URL', {}, { env: { DATABASE_URL: url('ours') } }],
  ])('two, and %s wins with one line that names both', async (_, files, sources) => {
    project({ ...prisma7(url('theirs')), ...files })
    const config = await load(sources)
    expect([named(config), config.refusal]).toEqual(['ours', undefined])
    expect(config.warnings).toEqual([
      expect.stringMatching(/^[^\n]*host:5432\/ours[^\n]*prisma7\.config\.ts[^\n]*host:5432\/theirs[^\n]*$/),
    ])
    expect(config.warnings[0]).not.toContain('secret')
  })
})

describe('prisma+postgres://', () => {
  const key = (said: object, encoding: 'base64' | 'base64url' = 'base64url') =>
    encodeURIComponent(Buffer.from(JSON.stringify(said)).toString(encoding))
  const said = {
    databaseUrl: 'postgres://postgres:hunter2@localhost:51214/template1?sslmode=disable',
    name: 'default',
    shadowDatabaseUrl: 'postgres://postgres:hunter2@localhost:51215/template1?x=>>>???',
  }
  test.each(['localhost:51213', '127.0.0.1', '[::1]:51213'])('of %s is the address in its key', async (host) => {
    for (const encoding of ['base64', 'base64url'] as const) {
      project({ '.env': `DATABASE_URL="prisma+postgres://${host}/?api_key=${key(said, encoding)}"\n` })
      const config = await load()
      expect(config.databaseUrl?.reveal()).toBe(said.databaseUrl)
      expect(config.shadowDatabaseUrl?.reveal()).toBe(said.shadowDatabaseUrl)
      expect(config.origins.databaseUrl).toBe('.env, out of its api_key')
      expect(inspect(config, { depth: 9 })).not.toMatch(/hunter2|eyJ/)
    }
  })

  test('gives no shadow database where one is configured', async () => {
    project({ 'raysconfig.js': js({ shadowDatabaseUrl: url('shadow') }) })
    const env = { DATABASE_URL: `prisma+postgres://localhost:1/?api_key=${key(said)}` }
    expect((await load({ env })).shadowDatabaseUrl?.reveal()).toBe(url('shadow'))
  })

  test.each([
    'prisma+postgres://accelerate.prisma-data.net/?api_key=hunter2',
    'prisma://accelerate.prisma-data.net/?api_key=hunter2',
    'prisma+postgres://localhost:51213/',
    'prisma+postgres://localhost:51213/?api_key=hunter2',
    `prisma+postgres://localhost:51213/?api_key=${key({ databaseUrl: 'file:./dev.db', secret: 'hunter2' })}`,
    `prisma+postgres://evil.example/?api_key=${key(said)}`,
  ])('%s: it says where the direct address is, unless the project has one', async (href) => {
    project({ '.env': `DATABASE_URL="${href}"\n` })
    const config = await load()
    const refuse = () => refuseUnfitUrl(config)
    expect(refuse).toThrow(ConfigError)
    expect(refuse).toThrow(/\.env.*no migrations/)
    try {
      refuse()
    } catch (error) {
      expect((error as ConfigError).hint).toMatch(/direct address/)
      expect(inspect(error)).not.toMatch(/hunter2|eyJ/)
    }
    const datasource: DatasourceUrls = {
      url: { kind: 'env', name: 'DATABASE_URL' },
      directUrl: { kind: 'literal', value: url('direct') },
    }
    const direct = await load({ datasource })
    expect([named(direct), direct.origins.databaseUrl, direct.refusal]).toEqual(['direct', 'the schema', undefined])
  })
})

describe('the schema and the migrations, where nothing names them', () => {
  test.each<[string, Record<string, string>, string, string]>([
    ['prisma/schema.prisma', {}, 'prisma/schema.prisma', 'prisma/migrations'],
    ['schema.prisma', { 'schema.prisma': SCHEMA }, 'schema.prisma', 'migrations'],
  ])('%s', async (_, files, schema, migrations) => {
    project(files)
    const config = await load()
    expect([config.schemaPath, config.migrationsDir]).toEqual([path.join(root, schema), path.join(root, migrations)])
  })

  test('a schema folder has its migrations inside, unless they are beside it', async () => {
    project({ 'raysconfig.js': js({ schemaPath: 'db/schema' }), 'db/schema/a.prisma': SCHEMA })
    expect((await load()).migrationsDir).toBe(path.join(root, 'db', 'schema', 'migrations'))
    mkdirSync(path.join(root, 'db', 'migrations'))
    expect((await load()).migrationsDir).toBe(path.join(root, 'db', 'migrations'))
  })
})

describe('a relative SQLite path starts from', () => {
  const base = async (sources: Sources) => (await load(sources)).databaseUrl?.base

  test("the schema's folder, as in Prisma 6", async () => {
    project()
    expect(await base({ datasource: { url: { kind: 'literal', value: 'file:./dev.db' } } })).toBe(
      path.join(root, 'prisma'),
    )
    expect(await base({ env: { DATABASE_URL: 'file:./dev.db' } })).toBe(path.join(root, 'prisma'))
  })

  test('the schema folder itself where the schema is a folder', async () => {
    project({ 'raysconfig.js': js({ schemaPath: 'db' }), 'db/a.prisma': SCHEMA })
    expect(await base({ env: { DATABASE_URL: 'file:./dev.db' } })).toBe(path.join(root, 'db'))
  })

  test('the folder of prisma.config.ts where that names the URL, as in Prisma 7', async () => {
    project({ 'prisma.config.ts': `export default { datasource: { url: 'file:./dev.db' } }` })
    expect(await base({})).toBe(root)
    expect(await base({ env: { DATABASE_URL: 'file:./dev.db' } })).toBe(root)
  })

  test('the project’s folder where a file in .config names the URL, or the variable that it names is not set', async () => {
    project({ '.config/prisma.ts': `export default { datasource: { url: 'file:./dev.db' } }` })
    expect(await base({})).toBe(root)
    rmSync(path.join(root, '.config'), { recursive: true })
    project({ 'prisma7.config.ts': 'export default { datasource: { url: process.env.RAYS_TEST_NOT_SET } }' })
    expect(await base({ env: { RAYS_DATABASE_URL: 'file:./dev.db' } })).toBe(root)
  })

  test('the schema’s folder where prisma.config.ts is of Prisma 6', async () => {
    const theirs = `engine: 'classic', datasource: { url: 'file:./dev.db' }`
    project({ 'prisma.config.ts': `export default { ${theirs} }` })
    expect(await base({})).toBe(path.join(root, 'prisma'))
  })
})

describe('the second shadow database', () => {
  test('comes from raysconfig, prisma.config.ts or the schema; null in raysconfig means none', async () => {
    const datasource: DatasourceUrls = { shadowDatabaseUrl: { kind: 'literal', value: url('schema') } }
    const shadow = async () => (await load({ datasource })).shadowDatabaseUrl?.reveal().split('/').at(-1)
    project()
    expect(await shadow()).toBe('schema')
    project({ 'prisma.config.ts': `export default { datasource: { shadowDatabaseUrl: '${url('prisma')}' } }` })
    expect(await shadow()).toBe('prisma')
    project({ 'raysconfig.js': js({ shadowDatabaseUrl: url('conf') }) })
    expect(await shadow()).toBe('conf')
    project({ 'raysconfig.js': js({ shadowDatabaseUrl: null }) })
    expect(await shadow()).toBeUndefined()
  })
})

describe('no password is ever told', () => {
  test.each<[string, unknown]>([
    ['an object', { url: 'postgresql://u:hunter2@h/d' }],
    ['a list', ['postgresql://u:hunter2@h/d']],
    ['without a scheme', 'u:hunter2@h/d'],
    ['with a broken scheme', '://u:hunter2@h/d'],
    ['a number', 7],
  ])('in the error for a URL that cannot be used: %s', async (_, databaseUrl) => {
    project({ 'raysconfig.js': js({ databaseUrl, shadowDatabaseUrl: databaseUrl === 7 ? 8 : null }) })
    const error = await problems()
    expect(error.message).toContain('databaseUrl')
    for (const text of [error.message, inspect(error), JSON.stringify(error), String(error.stack)])
      expect(text).not.toContain('hunter2')
  })

  test('in an error that a configuration throws', async () => {
    project({ 'raysconfig.js': 'throw new Error("cannot use postgresql://u:hunter2@h/d")' })
    expect((await problems()).message).not.toContain('hunter2')
  })

  test('in an option that is no URL', async () => {
    project({ 'raysconfig.js': js({ lock: 'postgresql://u:hunter2@h/d' }) })
    expect((await problems()).message).not.toContain('hunter2')
  })

  test('by whatever prints the configuration', async () => {
    project()
    const config = await load({ env: { DATABASE_URL: 'postgresql://u:hunter2@h/d?sslpassword=hunter3' } })
    for (const text of [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      String(config.databaseUrl),
      `${config.databaseUrl}`,
    ]) {
      expect(text).not.toMatch(/hunter/)
    }
  })
})

test('the schema may be named in package.json, as Prisma 6 and older have it', async () => {
  project({ 'package.json': '{ "prisma": { "schema": "db/main.prisma" } }', 'db/main.prisma': SCHEMA })
  const config = await load()
  expect(config.schemaPath).toBe(path.join(root, 'db', 'main.prisma'))
  expect(config.migrationsDir).toBe(path.join(root, 'db', 'migrations'))
  expect(config.origins.schemaPath).toBe('package.json')
})
