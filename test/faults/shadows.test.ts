/** Shadow databases, other people's data, consent: what rays must never empty. */
import { existsSync, linkSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { databases } from '../support/databases.js'
import { type FaultCase, fault, hashTree, pause } from '../support/faults.js'
import { alias } from '../support/proxy.js'
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
