/** Shadow databases, other people's data, consent: what rays must never empty. */
import { existsSync, linkSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { databases } from '../support/databases.js'
import { type FaultCase, fault, hashTree, pause } from '../support/faults.js'
import { alias, lastWords, oneDatabase } from '../support/proxy.js'
import { hasTerminal, onTerminal } from '../support/pseudo-terminal.js'

const MODELS = 'model a {\n  id Int @id\n}\n\nmodel more {\n  id Int @id\n}\n'

/** A project with something to make a migration of. */
async function changed(c: FaultCase): Promise<void> {
  await c.db.query('CREATE TABLE precious (id INTEGER PRIMARY KEY)')
  await c.db.query('INSERT INTO precious VALUES (1)')
  c.project.schema(MODELS)
}

fault('a shadow that is the main database is refused, however it is spelled', async (c) => {
  await changed(c)
  const spellings: string[] = []
  let other: Awaited<ReturnType<typeof alias>>
  if (c.provider === 'sqlite') {
    const file = c.href.replace(/^file:/, '')
    const folder = path.dirname(file)
    mkdirSync(path.join(folder, 'x'))
    symlinkSync(file, path.join(folder, 'link.db'))
    linkSync(file, path.join(folder, 'hard.db'))
    spellings.push(
      c.href,
      `file:${folder}/x/../dev.db`,
      `file:${folder}/link.db`,
      `file:${folder}/hard.db`,
      `file://${file}`,
    )
  } else {
    const to = (change: (url: URL) => void) => {
      const url = new URL(c.href)
      change(url)
      return url.href
    }
    spellings.push(
      c.href,
      to((url) => {
        url.hostname = 'LOCALHOST'
      }),
      to((url) => {
        url.searchParams.set('connection_limit', '3')
      }),
    )
    // Spelled apart from the other in every part, these are told by who answers there.
    other = await alias(c.href, '127.0.0.1', 0)
    spellings.push(
      to((url) => {
        url.port = String(other!.port)
      }),
    )
    const [{ at }] = (await c.db.query(
      c.by({
        postgresql: "SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS at",
        mysql: 'SELECT @@socket AS at',
        sqlite: '',
      }),
    )) as [{ at: string }]
    if (existsSync(at))
      spellings.push(to((url) => url.searchParams.set(c.by({ postgresql: 'host', mysql: 'socket', sqlite: '' }), at)))
    if (c.provider === 'postgresql')
      spellings.push(
        c.href.replace('postgresql://', 'postgres://'),
        to((url) => {
          url.searchParams.set('schema', 'other')
        }),
      )
  }
  const before = await c.state()
  for (const shadow of spellings) {
    const run = await c.rays(['makemigration', '--name', 'more', '--clear-shadow'], {
      env: { RAYS_SHADOW_DATABASE_URL: shadow },
    })
    expect({ shadow, code: run.code, stderr: run.stderr }).toEqual({
      shadow,
      code: 2,
      stderr: expect.stringMatching(/main database/),
    })
  }
  other?.close()
  const named = await c.rays(['makemigration', '--name', 'more', '--clear-shadow'], {
    env: { RAYS_SHADOW_DATABASE_NAME: c.db.name },
  })
  expect({ code: named.code, stderr: named.stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/main database/),
  })
  await c.clean(before)
})

fault("a shadow that holds somebody else's data is refused, and a large one even with consent", async (c) => {
  c.project.schema(MODELS)
  const other = await databases.find((each) => each.provider === c.provider)!.fresh()
  try {
    await other.query('CREATE TABLE theirs (id INTEGER PRIMARY KEY)')
    await other.query('INSERT INTO theirs VALUES (1)')
    const name = c.provider === 'sqlite' ? other.href.replace(/^file:/, '') : other.name
    const make = (...more: string[]) =>
      c.rays(['makemigration', '--name', 'more', ...more], { env: { RAYS_SHADOW_DATABASE_NAME: name } })
    const refused = await make()
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/theirs[\s\S]*--clear-shadow/),
    })
    expect(await other.query('SELECT id FROM theirs')).toHaveLength(1)
    const many = Array.from({ length: 1001 }, (_, i) => `(${i + 2})`).join(',')
    await other.query(`INSERT INTO theirs VALUES ${many}`)
    const large = await make('--clear-shadow')
    expect({ code: large.code, stderr: large.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/more than 1000 rows/),
    })
    expect(await other.query('SELECT id FROM theirs')).toHaveLength(1002)
    await other.query('DELETE FROM theirs WHERE id > 3')
    const made = await make('--clear-shadow')
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  } finally {
    await other.drop()
  }
})

for (const stage of ['shadow', 'replay', 'proof', 'write'] as const)
  fault(
    `makemigration killed while it is at its ${stage} leaves a whole folder or none, and the next one works`,
    async (c) => {
      c.project.schema(MODELS)
      const root = path.join(c.project.folder, 'prisma')
      const before = hashTree(root)
      const running = c.start(['makemigration', '--name', 'more'])
      // What is printed tells how far it is; SQLite's shadow is in memory.
      const sign = {
        shadow: c.by({ postgresql: /CREATE DATABASE/, mysql: /CREATE DATABASE|CREATE TABLE/, sqlite: /CREATE TABLE/ }),
        replay: /CREATE TABLE/,
        proof: /DROP TABLE/,
        write: /DROP TABLE[\s\S]*CREATE TABLE/,
      }[stage]
      await Promise.race([running.said(sign), running.output])
      if (stage === 'write') await pause(30)
      running.child.kill('SIGKILL')
      // The folder may just have been written whole when the signal arrives.
      expect(stage === 'write' ? [137, 0] : [137]).toContain((await running.output).code)
      const after = hashTree(root)
      const names = existsSync(path.join(root, 'migrations'))
        ? readdirSync(path.join(root, 'migrations')).filter((name) => /^\d/.test(name))
        : []
      // A draft beside the migrations is nobody's migration; the next run removes it.
      if (names.length === 0) expect(after.replace(/^(migrations|rays-new-\S+) .*\n?/gm, '')).toBe(before)
      for (const name of names)
        expect(readdirSync(path.join(root, 'migrations', name)).sort()).toEqual([
          'README.md',
          'migration.js',
          'migration.schema.prisma',
          'migration.sql',
        ])
      const again = await c.rays(['makemigration', '--name', 'more'])
      expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(hashTree(root)).not.toContain('rays-new-')
      c.found()
      await c.next()
      expect(await c.tables()).toEqual(['a', 'more'])
    },
  )

fault(
  'a shadow database that was left behind is removed when its maker is gone and it is an hour old',
  async (c) => {
    c.project.schema(MODELS)
    const prefix = c.db.name.slice(0, c.provider === 'mysql' ? 64 - 45 : 63 - 45)
    const gone = 4_000_000
    const hours = (n: number) => Math.floor(Date.now() / 1000) - n * 3600
    const [old, young] = [
      `${prefix}_rays_shadow_${gone}_${hours(2)}_0123abcd`,
      `${prefix}_rays_shadow_${gone}_${hours(0)}_0123abcd`,
    ]
    for (const name of [old, young]) await c.db.query(`CREATE DATABASE ${name}`)
    const run = await c.rays(['makemigration', '--name', 'more'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    const left = await c.db.query(
      c.provider === 'mysql'
        ? `SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name IN ('${old}', '${young}')`
        : `SELECT datname AS name FROM pg_database WHERE datname IN ('${old}', '${young}')`,
    )
    expect(left.map((row) => row.name)).toEqual([young])
    await c.db.query(`DROP DATABASE ${young}`)
  },
  { on: ['postgresql', 'mysql'] },
)

fault('two makemigrations at once write two migrations, or one of them says why not', async (c) => {
  c.project.schema(MODELS)
  const runs = await Promise.all([1, 2].map(() => c.rays(['makemigration', '--name', 'more', '--json'])))
  expect(runs.filter((run) => run.code === 0).length).toBeGreaterThan(0)
  const names = readdirSync(path.join(c.project.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
  expect(new Set(names.map((name) => name.slice(0, 14))).size).toBe(names.length)
  // The later one may have found that nothing is left to do.
  const written = runs.filter((run) => run.code === 0 && run.json<{ data: { written: boolean } }>().data.written)
  expect(names).toHaveLength(written.length)
  expect(written.length).toBeGreaterThan(0)
  for (const name of names)
    expect(readdirSync(path.join(c.project.folder, 'prisma/migrations', name)).sort()).toEqual([
      'README.md',
      'migration.js',
      'migration.schema.prisma',
      'migration.sql',
    ])
  await c.gone()
  expect((await c.rays(['migrate', '--plan'])).code).toBe(0)
  c.found()
  await c.agrees()
})

fault('nothing is emptied without consent, and consent shows what it is given for', async (c) => {
  await changed(c)
  const before = await c.state()
  // Host, port and database; the password is looked for in every output.
  const target = c.provider === 'sqlite' ? c.href.replace(/^file:/, '') : `${new URL(c.href).host}/${c.db.name}`
  for (const command of [['push', '--force-reset'], ['prepare', '--reset'], ['push']]) {
    const run = await c.rays(command, { env: { CI: '1' } })
    expect({ command, code: run.code, stderr: run.stderr }).toEqual({
      command,
      code: 2,
      stderr: expect.stringMatching(/--y/),
    })
    expect(run.stderr).toContain(target)
  }
  await c.clean(before)
  const running = c.start(['push', '--force-reset', '--y'])
  await running.said(/DROP|Emptied/)
  running.child.kill('SIGKILL')
  await running.output
  const again = await c.rays(['push', '--force-reset', '--y'])
  expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: expect.stringContaining(target) })
  expect(await c.tables()).toEqual(['a', 'more'])
  // Asked on a terminal, with the target before the eyes; the answer is "no".
  if (!hasTerminal) return
  await c.db.query('INSERT INTO more VALUES (1)')
  const full = await c.state()
  const env = { ...c.env(), DATABASE_URL: c.href, RAYS_VERBOSE_LOGGING: undefined }
  const asked = await onTerminal(c.project.folder, 'push --force-reset', env, [[/\?[^\n]*$/, '\u0003']])
  c.refuseSecrets(asked.screen, 'the screen')
  expect({ code: asked.code, screen: asked.screen }).toEqual({ code: 130, screen: expect.stringContaining(target) })
  await c.clean(full)
})

/** Another database of the same kind, and how the environment names it as the shadow. */
async function another(c: FaultCase) {
  const other = await databases.find((each) => each.provider === c.provider)!.fresh()
  const name = c.provider === 'sqlite' ? other.href.replace(/^file:/, '') : other.name
  return { other, name, env: { RAYS_SHADOW_DATABASE_NAME: name } }
}

fault(
  'a shadow with rows in known tables, or with a history, needs consent to its name from every command',
  async (c) => {
    c.project.schema(MODELS)
    const { other, name, env } = await another(c)
    try {
      c.folder(
        '20260101000000_theirs',
        [
          {
            up: "await client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY)')",
            down: "await client.execute('DROP TABLE a')",
          },
        ],
        {
          sql: 'CREATE TABLE a (id INTEGER PRIMARY KEY);\n',
        },
      )
      c.folder('20260102000000_second', [{ up: '', down: '' }], { sql: '-- nothing\n' })
      await other.query('CREATE TABLE a (id INTEGER PRIMARY KEY)')
      await other.query('INSERT INTO a VALUES (1), (2)')
      const commands = [
        ['makemigration', '--name', 'more', '--from', 'migrations'],
        ['save', '--name', 'more'],
        ['makemigration', '--name', 'more', '--no-verify', '--from', 'migrations'],
        ['eject', '--y'],
        ['doctor'],
      ]
      for (const command of commands) {
        const run = await c.rays(command, { env })
        expect({ command, code: run.code, said: run.stderr }).toEqual({
          command,
          code: 2,
          said: expect.stringContaining('rows: '),
        })
        expect(run.stderr).toContain(`--clear-shadow=${name}`)
        const wrong = await c.rays([...command, '--clear-shadow=nothing_of_the_kind'], { env })
        expect({ command, code: wrong.code }).toEqual({ command, code: 2 })
        for (const word of ['nothing_of_the_kind', name]) expect(wrong.stderr).toContain(word)
        expect(await other.query('SELECT id FROM a')).toHaveLength(2)
      }
      const made = await c.rays(
        ['makemigration', '--name', 'more', '--no-verify', '--from', 'migrations', `--clear-shadow=${name}`],
        { env },
      )
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      c.found()
    } finally {
      await other.drop()
    }
  },
)

fault(
  'a run that is killed on a configured shadow leaves what the next one empties unasked, unless somebody came after it',
  async (c) => {
    c.project.schema(MODELS)
    const { other, name, env } = await another(c)
    const mark = () =>
      c.provider === 'postgresql'
        ? other.query("SELECT 1 FROM pg_namespace WHERE nspname = '_rays_shadow'")
        : c.provider === 'mysql'
          ? other.query(
              `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${other.name}' AND TABLE_NAME = '_rays_shadow'`,
            )
          : []
    const gate = c.gate()
    const ops = (wait: string) => [
      { up: "await client.execute('CREATE TABLE a (id INTEGER PRIMARY KEY)')", down: null },
      { up: "await client.execute('INSERT INTO a VALUES (1), (2), (3), (4), (5)')", down: null },
      { up: wait, down: null },
    ]
    const make = ['makemigration', '--name', 'more', '--from', 'migrations']
    const killed = async () => {
      c.folder('20260101000000_theirs', ops(`console.error('WAITING'); ${gate.wait}`), {
        transaction: false,
        sql: 'CREATE TABLE a (id INTEGER PRIMARY KEY);\n',
      })
      const running = c.start(make, { env })
      await running.said(/WAITING/)
      running.child.kill('SIGKILL')
      await running.output
      c.folder('20260101000000_theirs', ops(''), {
        transaction: false,
        sql: 'CREATE TABLE a (id INTEGER PRIMARY KEY);\n',
      })
      if (c.provider === 'sqlite') return
      expect(await other.query('SELECT id FROM a')).toHaveLength(5)
      expect(await mark()).toHaveLength(1)
      // The server's session may take a moment to notice; its clock counts in seconds on MySQL.
      await pause(1500)
    }
    const refused = async (says: RegExp) => {
      const run = await c.rays(make, { env })
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
    }
    try {
      const come: [string, string, RegExp][] = [
        ['INSERT INTO a VALUES (100)', 'SELECT id FROM a WHERE id = 100', /rows: (?:public\.)?a/],
        ['CREATE TABLE precious (id INTEGER); INSERT INTO precious VALUES (1)', 'SELECT id FROM precious', /precious/],
        [
          'CREATE TABLE _prisma_migrations (id INTEGER); INSERT INTO _prisma_migrations VALUES (1)',
          'SELECT id FROM _prisma_migrations',
          /history/,
        ],
      ]
      for (const [statements, look, says] of come) {
        await killed()
        if (c.provider === 'sqlite') await other.query('CREATE TABLE a (id INTEGER PRIMARY KEY)')
        for (const sql of statements.split('; ')) await other.query(sql)
        await refused(says)
        expect(await other.query(look)).toHaveLength(1)
        const cleared = await c.rays([...make, '--dry-run', `--clear-shadow=${name}`], { env })
        expect({ code: cleared.code, stderr: cleared.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      }
      await killed()
      const made = await c.rays(make, { env })
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await mark()).toEqual([])
      c.found()
    } finally {
      await other.drop()
    }
  },
)

fault(
  'where every name leads to one database, nothing is made or dropped there, and the way out is told',
  async (c) => {
    await changed(c)
    const provider = c.provider === 'mysql' ? 'mysql' : 'postgresql'
    const server = await oneDatabase(c.href, provider, c.db.name)
    const { other, env } = await another(c)
    const before = await c.state()
    try {
      const through = { DATABASE_URL: server.href, RAYS_DATABASE_URL: server.href }
      for (const more of [{}, { RAYS_SHADOW_DATABASE_URL: server.href.replace(c.db.name, other.name) }, env]) {
        const run = await c.rays(['makemigration', '--name', 'more', '--clear-shadow'], {
          env: { ...through, ...more },
        })
        expect({ more, code: run.code, stderr: run.stderr }).toEqual({
          more,
          code: 2,
          stderr: expect.stringMatching(/same database|main database/),
        })
        expect(run.stderr).not.toMatch(/correct the schema/)
        expect(run.stderr).toMatch(/shadowDatabaseUrl/)
      }
      await c.clean(before)
      await c.gone()
      // A shadow on another server serves both purposes.
      const made = await c.rays(['makemigration', '--name', 'more'], {
        env: { ...through, RAYS_SHADOW_DATABASE_URL: c.href.replace(c.db.name, other.name) },
      })
      expect({ code: made.code, stdout: made.stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Proven') })
      c.found()
    } finally {
      await server.close()
      await other.drop()
    }
  },
  { on: ['postgresql', 'mysql'] },
)

/** The texts among the bytes. */
const readable = (answer: string) => answer.split(/[^\x20-\x7e]+/).filter((text) => text.length > 1)

/** Comes, sets nothing, and goes. */
async function bare(href: string, provider: 'postgresql' | 'mysql'): Promise<void> {
  if (provider === 'postgresql') {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: href })
    await client.connect()
    await client.end()
    return
  }
  const { createConnection } = await import('mysql2/promise')
  // As rays says which of the protocol's flags it wants: one of them changes sql_mode.
  const client = await createConnection({ uri: href, flags: ['-IGNORE_SPACE'] })
  await client.end()
}

fault(
  'a session is left as it was found',
  async (c) => {
    c.project.schema(MODELS)
    await c.fixture({
      1: {
        up: c.by({
          postgresql:
            "await client.execute('SET work_mem = 65432'); await client.execute('SET statement_timeout = 98765'); await client.execute('CREATE TEMPORARY TABLE own (i INTEGER)'); await client.execute('LISTEN rays_test'); await client.execute('PREPARE own AS SELECT 1'); await client.execute('SELECT pg_advisory_lock(4711)')",
          mysql:
            "await client.execute(\"SET SESSION sql_mode = ''\"); await client.execute(\"SET time_zone = '+05:00'\"); await client.execute('SET SESSION lock_wait_timeout = 7')",
          sqlite: '',
        }),
      },
    })
    const provider = c.provider === 'mysql' ? 'mysql' : 'postgresql'
    const names = [
      'autocommit',
      'lock_wait_timeout',
      'innodb_lock_wait_timeout',
      'wait_timeout',
      'sql_mode',
      'time_zone',
      'foreign_key_checks',
      'unique_checks',
      'character_set_client',
      'collation_connection',
      'transaction_read_only',
      'tx_read_only',
      'max_statement_time',
      'max_execution_time',
      'idle_transaction_timeout',
    ]
    const query =
      provider === 'mysql'
        ? `SHOW SESSION VARIABLES WHERE Variable_name IN (${names.map((name) => `'${name}'`).join(', ')})`
        : `SELECT name || '=' || setting FROM pg_settings WHERE name <> 'application_name' AND name NOT LIKE 'plpgsql.%' UNION ALL SELECT 'temporary ' || relname FROM pg_class
          WHERE relnamespace = pg_my_temp_schema() UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements
          UNION ALL SELECT 'channel ' || pg_listening_channels() UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() ORDER BY 1`
    const server = await lastWords(c.href, provider, query)
    const fresh = await lastWords(c.href, provider, query)
    try {
      const env = { DATABASE_URL: server.href, RAYS_DATABASE_URL: server.href }
      for (const [command, code] of [
        [['status'], 0],
        [['migrate'], 0],
        [['migrate', '--name', '-1'], 0],
        [['migrate'], 0],
        [['makemigration', '--name', 'other'], 0],
        [['doctor'], 0],
        [['migrate', '--name', 'no_such'], 2],
      ] as const) {
        const run = await c.rays(command, { env })
        expect({ command, code: run.code, stderr: run.stderr }).toEqual({ command, code, stderr: expect.any(String) })
      }
      await bare(fresh.href, provider)
      const [wanted] = await fresh.heard()
      const heard = await server.heard()
      const answered = heard.filter((answer) => !answer.includes('terminating connection'))
      expect(answered.length).toBeGreaterThan(6)
      for (const answer of answered) expect(readable(answer)).toEqual(readable(wanted ?? ''))
    } finally {
      await server.close()
      await fresh.close()
    }
  },
  { on: ['postgresql', 'mysql'] },
)
