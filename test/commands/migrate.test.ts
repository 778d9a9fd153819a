/** Where migrate goes, what it shows beforehand, and how it ends. */
import { createHash } from 'node:crypto'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, history } from '../support/databases.js'
import { tablesOf, type Workspace, workspace } from '../support/workspace.js'

const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}`
type Document = {
  command: string
  ok: boolean
  data: { direction: string; target: string | null; migrations: { name: string }[]; dryRun: boolean } | null
  warnings: string[]
  error?: { code: string; message: string; hint: string | null; data?: { done: string[]; notRun: string[] } }
}

/** Three migrations, each with a column more: add_alpha, add_beta, add_gamma. */
async function threeMigrations(ws: Workspace): Promise<void> {
  ws.project.schema(model('alpha Int?'))
  await ws.given('makemigration --name add_alpha')
  ws.project.schema(model('alpha Int?', 'beta Int?'))
  await ws.given('makemigration --name add_beta')
  ws.project.schema(model('alpha Int?', 'beta Int?', 'gamma Int?'))
  await ws.given('makemigration --name add_gamma')
}

describeDatabases('targets of migrate', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on)
    await threeMigrations(ws)
  })
  afterAll(() => ws.drop())
  const reach = async (target: string, expected: string[]) => {
    await ws.ok(['migrate', '--name', target, '--y'])
    expect(await ws.applied()).toEqual(expected)
  }

  test('a part of a name that only one migration has', () => reach('beta', ['add_alpha', 'add_beta']))
  test('a number of steps forward', () => reach('+1', ['add_alpha', 'add_beta', 'add_gamma']))
  test('a full name', () => reach(ws.folder('add_alpha'), ['add_alpha']))
  test('a timestamp', () => reach(ws.folder('add_gamma').slice(0, 14), ['add_alpha', 'add_beta', 'add_gamma']))
  test('a number of steps back', () => reach('-2', ['add_alpha']))
  test('the name as it was given', () => reach('add beta', ['add_alpha', 'add_beta']))
  test('zero', () => reach('zero', []))

  test('a part that several migrations have is refused with their names', async () => {
    const { stderr } = await ws.fails(2, 'migrate --name add')
    for (const name of ws.folders()) expect(stderr).toContain(name)
    expect(await ws.applied()).toEqual([])
  })

  test('an unknown target is refused with the nearest name', async () => {
    const { stderr } = await ws.fails(2, 'migrate --name ad_beta')
    expect(stderr).toContain(`Did you mean ${ws.folder('add_beta')}?`)
  })

  test('more steps than there are migrations are refused', async () => {
    expect((await ws.fails(2, 'migrate --name +9')).stderr).toContain('rays migrate applies all')
    expect((await ws.fails(2, 'migrate --name -9')).stderr).toContain('zero')
  })

  test('a target that is no option is taken for a typing mistake, with the right spelling', async () => {
    expect((await ws.fails(2, 'migrate add_beta')).stderr).toContain('--name add_beta')
  })
})

describeDatabases('what migrate shows before it runs', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on)
    await threeMigrations(ws)
  })
  afterAll(() => ws.drop())

  test('--plan, --sql and --check change nothing, not even the history', async () => {
    const files = ws.snapshot()
    const plan = await ws.ok('migrate --plan')
    expect(plan.stdout).toMatch(/Would apply:\n {2}\+ \d{14}_add_alpha \(\d operations?\)/)
    const { stdout } = await ws.ok('migrate --sql')
    expect(stdout).toMatch(/-- \d{14}_add_alpha \(up\)\n/)
    expect(stdout).toMatch(/CREATE TABLE/)
    await ws.fails(1, 'migrate --check')
    expect(
      await ws.db.query(on.provider === 'sqlite' ? 'SELECT * FROM sqlite_schema' : 'SELECT 1 AS x WHERE 1 = 0'),
    ).toEqual([])
    expect(await ws.tables()).toEqual([])
    expect(await history(ws.db)).toEqual([])
    expect(ws.snapshot()).toEqual(files)
  })

  test('what --sql prints is what migrate would do', async () => {
    const other = await on.fresh()
    try {
      await other.query((await ws.ok('migrate --sql')).stdout)
      await ws.ok('migrate')
      const { stdout } = await ws.ok('push', { env: { DATABASE_URL: other.href } })
      expect(stdout).toContain('Nothing to do')
      expect(await tablesOf(other)).toEqual(['Item'])
    } finally {
      await other.drop()
    }
  })

  test('--check finds nothing once all is applied', async () => {
    expect((await ws.ok('migrate --check')).stdout).toContain('Nothing would run')
  })

  test('--plan and --sql tell the way down, too', async () => {
    expect((await ws.ok('migrate --name -1 --plan')).stdout).toMatch(/Would unapply:\n {2}- \d{14}_add_gamma/)
    expect((await ws.ok('migrate --name -1 --sql')).stdout).toMatch(/\(down\)[\s\S]*(DROP COLUMN|INTO .new_Item)/)
    expect(await ws.applied()).toHaveLength(3)
  })

  test('two ways of running at once are refused', async () => {
    expect((await ws.fails(2, 'migrate --sql --fake')).stderr).toContain('exclude each other')
  })
})

describeDatabases('--fake', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on)
    await threeMigrations(ws)
  })
  afterAll(() => ws.drop())

  test('records forwards without touching the database or the schema file', async () => {
    const schema = ws.read('prisma/schema.prisma')
    await ws.ok('migrate --fake --name add_beta')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta'])
    expect(await ws.tables()).toEqual([])
    expect(ws.read('prisma/schema.prisma')).toBe(schema)
  })

  test('writes the rows that Prisma writes for "resolve --applied"', async () => {
    for (const row of await history(ws.db)) {
      expect(row.started_at).toEqual(row.finished_at)
      expect(row).toMatchObject({ logs: '', rolled_back_at: null })
      expect(Number(row.applied_steps_count)).toBe(0)
      const script = ws.migration(String(row.migration_name).slice(15), 'migration.sql')
      expect(row.checksum).toBe(createHash('sha256').update(script).digest('hex'))
    }
  })

  test('without a target takes all, and backwards removes the record only', async () => {
    await ws.ok('migrate --fake')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta', 'add_gamma'])
    await ws.ok('migrate --fake --name -1')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta'])
    await ws.ok('migrate --fake --name zero')
    expect(await history(ws.db)).toEqual([])
    expect(await ws.tables()).toEqual([])
  })

  test('repairs a history although the code of a migration is broken', async () => {
    const file = `prisma/migrations/${ws.folder('add_alpha')}/migration.js`
    const code = ws.read(file)
    ws.project.write({ [file]: 'this is no code' })
    await ws.ok('migrate --fake --name add_alpha')
    expect(await ws.applied()).toEqual(['add_alpha'])
    await ws.ok('migrate --fake --name zero')
    ws.project.write({ [file]: code })
  })
})

describeDatabases('a run that fails', (on) => {
  let ws: Workspace
  const broken = `module.exports = [
  [async ({ client }) => {
    await client.execute('INSERT INTO ${on.provider === 'mysql' ? '`Item`' : '"Item"'} (id) VALUES (1)')
    await client.execute('INSERT INTO nowhere (id) VALUES (1)')
  }, null],
]
`
  beforeAll(async () => {
    ws = await workspace(on)
    await threeMigrations(ws)
    ws.project.write({ [`prisma/migrations/${ws.folder('add_beta')}/migration.js`]: broken })
  })
  afterAll(() => ws.drop())

  test('keeps what came before, rolls its own step back, and says what was not run', async () => {
    const { stderr } = await ws.fails(1, 'migrate')
    expect(await ws.applied()).toEqual(['add_alpha'])
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    expect(stderr).toContain(ws.folder('add_beta'))
    expect(stderr).toContain('INSERT INTO nowhere')
    expect(stderr).toMatch(/add_beta, operation 0, up/)
    expect(stderr).toMatch(/Done before it, and kept: \d{14}_add_alpha/)
    expect(stderr).toMatch(/Not run: \d{14}_add_gamma/)
  })

  test('says so in JSON as well', async () => {
    const output = await ws.fails(1, 'migrate --json')
    const document = output.json<Document>()
    expect(document).toMatchObject({ command: 'migrate', ok: false, data: null })
    expect(document.error!.code).toBe('E_OPERATION')
    expect(document.error!.data!.notRun).toEqual([ws.folder('add_gamma')])
    expect(output.stderr).toBe('')
  })

  test('a way down that does not exist is refused before anything runs', async () => {
    ws.project.write({
      [`prisma/migrations/${ws.folder('add_beta')}/migration.js`]: 'module.exports = [[async () => {}, null]]',
    })
    await ws.ok('migrate --no-generate')
    const { stderr } = await ws.fails(2, 'migrate --name zero --y')
    expect(stderr).toContain(ws.folder('add_beta'))
    expect(stderr).toContain('rays adopt')
    expect(await ws.applied()).toHaveLength(3)
  })
})

describeDatabases('a history that does not fit the folder', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on)
    await threeMigrations(ws)
  })
  afterEach(() => ws.drop())

  test('an applied migration without a folder stops the way up until it is ignored on purpose', async () => {
    await ws.ok('migrate --name add_beta')
    const beta = ws.folder('add_beta')
    renameSync(path.join(ws.project.folder, 'prisma/migrations', beta), path.join(ws.project.folder, 'elsewhere'))
    const { stderr } = await ws.fails(3, 'migrate')
    expect(stderr).toContain(beta)
    expect(stderr).toContain('--ignore-missing')
    await ws.fails(3, 'migrate --name zero --y')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta'])
    await ws.ok('migrate --ignore-missing')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta', 'add_gamma'])
  })

  test('a folder older than what is applied stops the way up until it is allowed', async () => {
    await ws.ok('migrate')
    const old = path.join(ws.project.folder, 'prisma/migrations/20200101000000_late')
    mkdirSync(old)
    ws.project.write({
      'prisma/migrations/20200101000000_late/migration.js': 'module.exports = []',
      'prisma/migrations/20200101000000_late/migration.sql': '-- This is an empty migration.',
    })
    const { stderr } = await ws.fails(3, 'migrate')
    expect(stderr).toContain('20200101000000_late')
    expect(stderr).toContain('--allow-out-of-order')
    await ws.ok('migrate --allow-out-of-order')
    expect(await ws.applied()).toContain('late')
  })

  test('a failed row stops every run, shows its log, and names both ways out', async () => {
    await ws.ok('migrate --name add_alpha')
    const beta = ws.folder('add_beta')
    await ws.sql(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, logs, applied_steps_count)
       VALUES ('1', '${'0'.repeat(64)}', '${beta}', '2024-05-06 07:08:09', 'the disk was full', 0)`,
    )
    for (const line of ['migrate', 'migrate --name zero --y', 'migrate --plan']) {
      const { stderr } = await ws.fails(3, line)
      expect(stderr).toContain(beta)
      expect(stderr).toContain('the disk was full')
      expect(stderr).toContain('--fake')
    }
    expect(await ws.applied()).toEqual(['add_alpha'])
    await ws.ok('migrate --fake --name add_beta')
    expect(await ws.applied()).toEqual(['add_alpha', 'add_beta'])
    await ws.fails(0, 'migrate --plan')
  })
})

describeDatabases('the lock', (on) => {
  test('a run that does not get it ends with exit 4 and names the holder; nothing is changed', async () => {
    const ws = await workspace(on)
    await threeMigrations(ws)
    const holder = await ws.db.session()
    try {
      await holder.query(
        {
          postgresql: 'SELECT pg_advisory_lock(72707369)',
          mysql: "SELECT GET_LOCK('prisma_migrate', 5)",
          sqlite: 'BEGIN IMMEDIATE',
        }[on.provider],
      )
      const output = await ws.fails(4, 'migrate --lock-timeout 1 --json')
      const { error } = output.json<Document>()
      expect(error!.code).toBe('E_LOCK')
      expect(error!.message).toMatch(/held by/)
      expect(error!.hint).toContain('--lock-timeout')
    } finally {
      await holder.close()
    }
    expect(await ws.tables()).toEqual([])
    await ws.ok('migrate')
    await ws.drop()
  })
})

describeDatabases('a database that does not exist yet', (on) => {
  let ws: Workspace
  const name = `_new_${process.pid}`
  beforeAll(async () => {
    ws = await workspace(on, { url: (db) => `${db.href}${name}` })
    ws.project.schema(model())
    await ws.given('makemigration --name init')
  })
  const drop = async () => {
    if (on.provider === 'sqlite') rmSync(`${ws.db.href}${name}`.replace('file:', ''), { force: true })
    else await ws.sql(`DROP DATABASE IF EXISTS "${ws.db.name}${name}"`)
  }
  afterAll(async () => {
    await drop()
    await ws.drop()
  })

  test('is an error that names --create-db, and is not created by looking', async () => {
    for (const line of ['up --create-db --preview', 'migrate', 'migrate --plan', 'status', 'push']) {
      const { stderr } = await ws.fails(1, line)
      expect(stderr).toContain('does not exist')
      expect(stderr).toContain('--create-db')
    }
  })

  test('is created by --create-db', async () => {
    for (const line of ['up --create-db --auto-approve', 'migrate --create-db']) {
      await drop()
      const { stderr } = await ws.ok(line)
      expect(stderr).toContain('Created the database')
      expect((await ws.ok('status --check')).stdout).toContain('1 applied, 0 pending')
    }
  })
})

describeDatabases('destructive steps', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: model('note String @default("")') })
    await ws.given('makemigration --name init')
    await ws.ok('migrate')
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'a'), (2, 'b'), (3, 'c')`)
    ws.project.schema(model())
  })
  afterAll(() => ws.drop())

  test('--fail-on-destructive keeps makemigration from writing one', async () => {
    const { stderr } = await ws.fails(1, 'makemigration --name drop_note --no-verify --fail-on-destructive')
    expect(stderr).toMatch(/note/)
    expect(ws.folders()).toHaveLength(1)
  })

  test('makemigration warns with the column and the number of rows, and the README repeats it', async () => {
    const { stderr } = await ws.ok('makemigration --name drop_note')
    expect(stderr).toMatch(/Warning: .*note.*\(3 rows\)/)
    expect(ws.migration('drop_note', 'README.md')).toMatch(/note.*\(3 rows\)/)
  })

  test('migrate warns again, and --fail-on-destructive refuses it', async () => {
    const { stderr } = await ws.fails(1, 'migrate --fail-on-destructive')
    expect(stderr).toMatch(/note.*\(3 rows\)/)
    expect(await ws.sql('SELECT note FROM "Item"')).toHaveLength(3)
    expect((await ws.ok('migrate --plan')).stdout).toMatch(/! .*note.*\(3 rows\)/)
  })

  test('going up asks nothing', async () => {
    const { stderr } = await ws.ok('migrate')
    expect(stderr).toMatch(/Warning: .*note.*\(3 rows\)/)
    expect(await ws.sql('SELECT * FROM "Item" ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
  })

  test('going down re-adds the required column with the neutral value of its type', async () => {
    await ws.ok('migrate --name -1')
    expect(await ws.sql('SELECT id, note FROM "Item" ORDER BY id')).toEqual([
      { id: 1, note: '' },
      { id: 2, note: '' },
      { id: 3, note: '' },
    ])
  })

  test('going down where rows would be lost asks; without a terminal it stops and names --y', async () => {
    const { stderr } = await ws.fails(2, 'migrate --name zero')
    expect(stderr).toMatch(/Item.*\(3 rows\)/)
    expect(stderr).toContain('--y')
    expect(await ws.sql('SELECT * FROM "Item"')).toHaveLength(3)
    expect(await ws.applied()).toEqual(['init'])
    await ws.ok('migrate --name zero --y')
    expect(await ws.tables()).toEqual([])
  })
})
