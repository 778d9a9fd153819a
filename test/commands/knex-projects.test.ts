/** Whole projects with Knex: the guide's sample migrations, deployments, environments, and whoever migrates at the same time. */
import { execFile } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeDatabases, dumpSchema, type FreshDatabase, history } from '../support/databases.js'
import { CLIENTS, type KnexProject, knexProject, type Ran } from '../support/knex.js'
import type { Output } from '../support/project.js'

const EXAMPLES = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../examples/knex')
const MODEL = 'model Account {\n  id   Int    @id @default(autoincrement())\n  name String\n}'

function ok<T extends Ran | Output>(ran: T): T {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

const migration = (up: string, down: string) =>
  `exports.up = async function up(knex) {\n${up}\n}\n\nexports.down = async function down(knex) {\n${down}\n}\n`

/** The kinds of migrations that guides to Knex show. */
const SAMPLES: Readonly<Record<string, string>> = {
  '20250101000000_users.js': migration(
    "  await knex.schema.createTable('users', (table) => {\n    table.increments('id')\n    table.string('email')\n  })",
    "  await knex.schema.dropTable('users')",
  ),
  '20250102000000_posts.js': migration(
    "  await knex.transaction(async (trx) => {\n    await trx.schema.createTable('posts', (table) => {\n      table.increments('id')\n    })\n    await trx.schema.createTable('profiles', (table) => {\n      table.increments('id')\n      table.integer('user_id').unsigned().references('id').inTable('users')\n    })\n  })",
    "  await knex.schema.dropTable('profiles')\n  await knex.schema.dropTable('posts')",
  ),
  '20250103000000_phone.js': migration(
    "  await knex.schema.table('users', (table) => {\n    table.string('phone').nullable()\n  })",
    "  await knex.schema.table('users', (table) => {\n    table.dropColumn('phone')\n  })",
  ),
  '20250104000000_index.js': migration(
    "  await knex.schema.table('users', (table) => {\n    table.index('email')\n  })",
    "  await knex.schema.table('users', (table) => {\n    table.dropIndex('email')\n  })",
  ),
  '20990101000000_user_of_post.js': migration(
    "  await knex.schema.table('posts', (table) => {\n    table.integer('user_id').unsigned().references('id').inTable('users')\n  })",
    "  await knex.schema.table('posts', (table) => {\n    table.dropForeign('user_id')\n    table.dropColumn('user_id')\n  })",
  ),
  '20990102000000_rows.js': migration(
    "  await knex('users').insert({ email: 'a@b.c' })",
    "  await knex('users').where({ email: 'a@b.c' }).del()",
  ),
}

describeDatabases('projects with Knex', ({ fresh, provider }) => {
  let db: FreshDatabase
  let project: KnexProject
  const start = async (files: Readonly<Record<string, string>> = {}) => {
    db = await fresh()
    const config = {
      generate: false,
      externalTables: ['users', 'posts', 'profiles'].map((name) =>
        provider === 'postgresql' ? `public.${name}` : name,
      ),
    }
    project = knexProject(db, { schema: MODEL, config, files })
    return ok(await project.rays(['makemigration', '--name', 'accounts', '--json'])).json<{
      data: { migrations: { name: string }[] }
    }>().data.migrations[0]!.name
  }
  afterEach(async () => {
    project.remove()
    await db.drop()
  })
  const applied = async () => (await history(db)).map((row) => row.migration_name)
  const knexRows = async () => (await db.query('SELECT name FROM knex_migrations ORDER BY id')).map((row) => row.name)

  test('ordinary Knex migrations run unchanged beside those of rays, in one order, and roll back', async () => {
    const own = await start(
      Object.fromEntries(Object.entries(SAMPLES).map(([name, text]) => [`migrations/${name}`, text])),
    )
    ok(await project.knex('migrate:latest'))
    const names = Object.keys(SAMPLES)
    expect(await knexRows()).toEqual([...names.slice(0, 4), own, ...names.slice(4)])
    expect(await applied()).toEqual([own])
    expect(ok(await project.rays(['status', '--check'])).code).toBe(0)
    const full = await dumpSchema(db)
    ok(await project.knex('migrate:rollback'))
    expect(await knexRows()).toEqual([])
    expect(await applied()).toEqual([])
    ok(await project.knex('migrate:latest'))
    const bare = (text: string) => text.replace(/\s+/g, '')
    expect(bare(await dumpSchema(db))).toBe(bare(full))
    // One of the middle alone, by its name.
    ok(await project.knex('migrate:down', own))
    expect([await applied(), (await knexRows()).length]).toEqual([[], names.length])
    ok(await project.knex('migrate:up', own))
    expect([await applied(), bare(await dumpSchema(db))]).toEqual([[own], bare(full)])
  })

  test('migrations that Prisma applied are never run again, and are batches of their own before and after rays', async () => {
    const first = await start()
    const second = '29990101000000_second'
    const third = '29990102000000_third'
    const blank = (name: string) => project.write({ [`prisma/migrations/${name}/migration.sql`]: '' })
    await db.query(readFileSync(path.join(project.folder, 'prisma/migrations', first, 'migration.sql'), 'utf8'))
    ok(await project.rays(['migrate', '--fake']))
    blank(second)
    ok(await project.rays(['migrate']))
    blank(third)
    ok(await project.rays(['migrate', '--fake']))
    expect(ok(await project.knex('migrate:latest')).stdout).toContain('Already up to date')
    expect(ok(await project.knex('migrate:list')).stdout).toContain('Found 3 Completed')
    const batches = async () =>
      (await db.query('SELECT name, batch FROM knex_migrations ORDER BY id')).map((row) => [row.name, row.batch])
    expect(await batches()).toEqual([
      [first, 1],
      [second, 2],
      [third, 3],
    ])
    // Run again, the older one is in the newest batch, which cannot be undone from the newest migration on.
    ok(await project.knex('migrate:down', second))
    ok(await project.knex('migrate:up', second))
    expect((await batches()).at(-1)).toEqual([second, 4])
    const refused = await project.rays(['rollback', '--y'])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('cannot be undone alone')])
    expect(ok(await project.knex('migrate:rollback')).stdout).toContain('1 migrations')
    expect(await applied()).toEqual([first, third])
  })

  test('the example deploys: separate variables, environments, scripts, and several replicas at once', async () => {
    const own = await start()
    for (const name of ['knexfile.mjs', 'entrypoint.sh'])
      copyFileSync(path.join(EXAMPLES, name), path.join(project.folder, name))
    const { scripts } = JSON.parse(readFileSync(path.join(EXAMPLES, 'package.json'), 'utf8'))
    project.write({
      'package.json': JSON.stringify({ name: 'app', private: true, scripts }),
      'raysconfig.js': 'module.exports = { generate: false }\n',
      'migrations/20300101000000_own.js':
        "exports.up = (knex) => knex.schema.createTable('own', (t) => t.increments())\nexports.down = (knex) => knex.schema.dropTable('own')\n",
    })
    const at = provider === 'sqlite' ? undefined : new URL(db.href)
    const prefix = provider === 'postgresql' ? 'SUPABASE_DB_' : 'DB_'
    const parts = at
      ? {
          [`${prefix}HOST`]: at.hostname,
          [`${prefix}PORT`]: at.port,
          [`${prefix}NAME`]: at.pathname.slice(1),
          [`${prefix}USER`]: decodeURIComponent(at.username),
          [`${prefix}PASSWORD`]: decodeURIComponent(at.password),
        }
      : { DATABASE_URL: db.href }
    const { DATABASE_URL: _, NODE_OPTIONS: __, ...inherited } = process.env
    const env = { ...inherited, ...parts, DB_CLIENT: CLIENTS[provider], NO_COLOR: '1', NODE_ENV: 'development' }
    const run = (file: string, args: string[]) =>
      new Promise<Ran>((resolve) => {
        const child = execFile(file, args, { cwd: project.folder, env }, (_error, stdout, stderr) =>
          resolve({ code: child.exitCode ?? 128, stdout, stderr }),
        )
      })
    const replicas = await Promise.all([1, 2, 3].map((n) => run('./entrypoint.sh', ['echo', `replica ${n} is up`])))
    for (const [n, replica] of replicas.entries()) expect(ok(replica).stdout).toContain(`replica ${n + 1} is up`)
    expect(await applied()).toEqual([own])
    expect(await db.query('SELECT * FROM own')).toEqual([])
    const script = (name: string, ...args: string[]) => run('npm', ['run', '--silent', name, '--', ...args])
    expect(ok(await script('migrate:status')).stdout).toContain('Found 2 Completed')
    ok(await script('migrate:down'))
    ok(await script('migrate:down'))
    expect(await applied()).toEqual([])
    ok(await script('migrate:up'))
    expect(ok(await script('migrate:prod')).stdout).toContain('Using environment: production')
    ok(await script('migrate:rollback', '--all'))
    ok(await script('migrate:rehearse'))
    expect(await applied()).toEqual([own])
    ok(await script('migrate:rollback:prod'))
    expect(ok(await script('migrate:make', 'more')).stdout).toContain('Created Migration')
  })

  const locked = {
    postgresql: 'SELECT pg_advisory_lock(72707369)',
    mysql: "SELECT GET_LOCK('prisma_migrate', 5)",
    sqlite: '',
  }[provider]
  ;(locked === '' ? test.skip : test)(
    'while rays or Prisma migrates, Knex waits, and then says what it waited for',
    async () => {
      await start({ '.env': 'RAYS_LOCK_TIMEOUT=0.5\n' })
      const session = await db.session()
      await session.query(locked)
      const refused = await project.knex('migrate:latest')
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('migration lock was not free')])
      expect(await applied()).toEqual([])
      await session.close()
      ok(await project.knex('migrate:latest'))
      expect(await applied()).toHaveLength(1)
      // Knex gave the lock back.
      ok(await project.rays(['migrate', '--name', 'zero', '--y']))
    },
  )

  test('a knexfile may be a function, its other options stay, and folders may be missing', async () => {
    await start({
      'knexfile.mjs': '// elsewhere\n',
      'config.mjs': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'
export default knexFilePrismaAdapter(async () => ({
  client: '${CLIENTS[provider]}',
  connection: process.env.DATABASE_URL,
  pool: { min: 0, max: 1 },
  acquireConnectionTimeout: 5000,
  migrations: { tableName: 'my_history', directory: ['./one', './two'] },
}))
`,
      'two/20200101000000_first.js': migration(
        "  await knex.schema.createTable('users', (t) => t.increments())",
        "  await knex.schema.dropTable('users')",
      ),
    })
    // Outside of a transaction it needs a connection besides that of the history, and the pool has one.
    project.write({
      'prisma/migrations/29990101000000_outside/migration.sql': '-- outside\n',
      'prisma/migrations/29990101000000_outside/migration.mjs': `export const config = { transaction: false }
export const up = (knex) => knex.schema.createTable('posts', (table) => table.increments())
export const down = (knex) => knex.schema.dropTable('posts')
`,
    })
    ok(await project.knex('migrate:latest', '--knexfile', 'config.mjs'))
    expect((await db.query('SELECT name FROM my_history')).length).toBe(3)
    expect(await db.query('SELECT * FROM posts')).toEqual([])
    ok(await project.knex('migrate:rollback', '--knexfile', 'config.mjs'))
    expect(await applied()).toEqual([])
    // The lock that was taken for it is free again.
    ok(await project.rays(['migrate', '--lock-timeout', '1']))
  })

  // What a database may refuse in a transaction is the only thing here that differs between them.
  ;(provider === 'mysql' ? test.skip : test)("Knex's own options and kinds of files stay as they are", async () => {
    const table = (name: string) =>
      migration(
        `  await knex.schema.createTable('${name}', (t) => t.increments())`,
        `  await knex.schema.dropTable('${name}')`,
      )
    const own = await start({
      'knexfile.mjs': '// elsewhere\n',
      'app/knexfile.cjs': `const { knexFilePrismaAdapter } = require('prisma-rays/knex')
module.exports = knexFilePrismaAdapter(
  { client: '${CLIENTS[provider]}', connection: process.env.DATABASE_URL, migrations: { loadExtensions: ['.cjs', '.mjs'] } },
  { root: '..', migrationsDir: 'prisma/migrations' },
)
`,
      'app/stub.txt': '// from the stub\nexports.up = async () => {}\nexports.down = async () => {}\n',
      'app/migrations/20200101000000_a.cjs': table('users'),
      'app/elsewhere/20990101000000_b.mjs': table('posts').replaceAll('exports.', 'export const '),
      'app/elsewhere/20990102000000_left.txt': '',
    })
    const app = path.join(project.folder, 'app')
    const knex = (...args: string[]) => project.knex('--cwd', 'app', '--knexfile', 'knexfile.cjs', ...args)
    const tables = ['--migrations-directory', 'elsewhere', '--migrations-table-name', 'other']
    ok(await knex('migrate:latest', ...tables))
    expect((await db.query('SELECT name FROM other ORDER BY id')).map((row) => row.name)).toEqual([
      own,
      '20990101000000_b.mjs',
    ])
    ok(await knex('migrate:latest'))
    expect((await knexRows()).sort()).toEqual(['20200101000000_a.cjs', own])
    ok(await knex('migrate:make', 'more', '-x', 'cjs', '--stub', './stub.txt'))
    const made = readdirSync(path.join(app, 'migrations')).at(-1)!
    expect([made, readFileSync(path.join(app, 'migrations', made), 'utf8')]).toEqual([
      expect.stringMatching(/^\d{14}_more\.cjs$/),
      expect.stringContaining('from the stub'),
    ])
    // What cannot be in a transaction.
    const alone = provider === 'sqlite' ? 'VACUUM' : 'CREATE INDEX CONCURRENTLY more ON "Account" (name)'
    project.write({ 'prisma/migrations/29990101000000_alone/migration.sql': `${alone};\n` })
    const inside = await knex('migrate:latest')
    expect([inside.code, inside.stderr]).toEqual([1, expect.stringMatching(/transaction/i)])
    ok(await knex('migrate:latest', '--disable-transactions'))
    expect(await applied()).toEqual([own, '29990101000000_alone'])
    const listed = ok(
      await project.node(`import knexModule from 'knex'
import { knexFilePrismaAdapter } from 'prisma-rays/knex'
const shared = { client: '${CLIENTS[provider]}', connection: process.env.DATABASE_URL }
const pending = async (migrations) => {
  const knex = knexModule(knexFilePrismaAdapter({ ...shared, migrations }))
  const [, open] = await knex.migrate.list()
  await knex.destroy()
  return open.map(({ file }) => file)
}
const migrationSource = {
  getMigrations: async () => ['2099_z', '2099_a'],
  getMigrationName: (name) => name,
  getMigration: async () => ({ up: async () => {}, down: async () => {} }),
}
const directory = ['./app/elsewhere', './app/migrations']
const tableName = 'separate'
console.log(JSON.stringify([
  await pending({ directory, tableName, loadExtensions: ['.mjs', '.cjs'] }),
  await pending({ directory, tableName, loadExtensions: ['.mjs', '.cjs'], sortDirsSeparately: true }),
  await pending({ migrationSource, tableName }),
]))`),
    ).stdout
    expect(JSON.parse(listed)).toEqual([
      ['20200101000000_a.cjs', made, '20990101000000_b.mjs'],
      ['20990101000000_b.mjs', '20200101000000_a.cjs', made],
      ['2099_z', '2099_a'],
    ])
  })

  test('knexfile and migrations may be TypeScript', async () => {
    const own = await start({
      'knexfile.mjs': '// elsewhere\n',
      'tsconfig.json':
        '{ "compilerOptions": { "module": "commonjs", "moduleResolution": "node10", "esModuleInterop": true } }\n',
      'knexfile.ts': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'
const config = { client: '${CLIENTS[provider]}' as string }
export default knexFilePrismaAdapter(config)
`,
      'migrations/20990101000000_typed.ts': `import type { Knex } from 'knex'
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (table) => {
    table.increments('id')
  })
}
export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('users')
}
`,
    })
    const options = ['--knexfile', 'knexfile.ts']
    ok(await project.knex('migrate:latest', ...options))
    expect(await knexRows()).toEqual([own, '20990101000000_typed.ts'])
    ok(await project.knex('migrate:rollback', ...options))
    expect(await applied()).toEqual([])
  })

  ;(provider === 'postgresql' ? test : test.skip)(
    'the schema that a Prisma URL names is where Knex migrates',
    async () => {
      const own = await start()
      const href = `${db.href}${db.href.includes('?') ? '&' : '?'}schema=app`
      await db.query('CREATE SCHEMA app')
      ok(
        await project.node(
          `import knexModule from 'knex'
import config from './knexfile.mjs'
import { knexFilePrismaAdapter } from 'prisma-rays/knex'
const knex = knexModule(config)
await knex.migrate.latest()
await knex.destroy()
const without = knexModule(knexFilePrismaAdapter({ client: 'pg' }))
const [done] = await without.migrate.list()
if (done.length !== 1) throw new Error('without a connection string: ' + done.length)
await without.destroy()`,
          { DATABASE_URL: href },
        ),
      )
      const found = await db.query("SELECT tablename FROM pg_tables WHERE schemaname = 'app' ORDER BY 1")
      expect(found.map((row) => row.tablename)).toEqual([
        'Account',
        '_prisma_migrations',
        'knex_migrations',
        'knex_migrations_lock',
      ])
      const status = await project.rays(['status', '--check', '--json'], { env: { DATABASE_URL: href } })
      expect([status.code, own]).toEqual([0, expect.any(String)])
    },
  )
})
