/** What status and the bare command say of each state, and that they only read. */
import { chmodSync, renameSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, history } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}`
interface Status {
  data: {
    migrations: { name: string; state: string; edited: string | null; appliedAt: string | null; batch: number | null }[]
    counts: Record<string, number>
    drift: { state: string; summary: string }
    schema: { state: string; summary: string }
    next: string
  }
}

describeDatabases('status', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: model() })
  })
  afterAll(() => ws.drop())
  const status = async () => (await ws.ok('status --json')).json<Status>().data

  test('on an empty database and an empty folder reads only, and says what comes next', async () => {
    const before = await dumpSchema(ws.db)
    const files = ws.snapshot()
    const { stdout } = await ws.ok('status')
    expect(stdout).toContain('0 applied, 0 pending')
    expect(stdout).toContain('rays makemigration')
    expect((await ws.ok('')).stdout).toContain('rays --help')
    expect(await dumpSchema(ws.db)).toBe(before)
    expect(ws.snapshot()).toEqual(files)
  })

  test('pending: exit 0, and 1 for --check', async () => {
    await ws.given('makemigration --name one')
    const { stdout } = await ws.ok('status')
    expect(stdout).toMatch(/\[ \] \d{14}_one {2}pending/)
    expect(stdout).toContain('Next: Apply what is pending: rays migrate.')
    await ws.fails(1, 'status --check')
    expect(await dumpSchema(ws.db)).not.toContain('_prisma_migrations')
  })

  test('applied: when and in which batch', async () => {
    const before = Date.now() - 1000
    await ws.ok('migrate')
    const [one] = (await status()).migrations
    expect(one).toMatchObject({ state: 'applied', batch: 1, edited: null })
    expect(Date.parse(one!.appliedAt!)).toBeGreaterThan(before)
    expect(Date.parse(one!.appliedAt!)).toBeLessThan(Date.now() + 1000)
    await ws.ok('status --check --strict')
    for (const alias of ['showmigrations', 'list']) expect((await ws.ok(alias)).stdout).toContain('1 applied')
  })

  test('a schema with changes that no migration has', async () => {
    ws.project.schema(model('more Int?'))
    const data = await status()
    expect(data.schema.state).toBe('changed')
    expect(data.schema.summary).toContain('more')
    expect(data.next).toContain('rays makemigration')
    await ws.ok('status --check')
    await ws.fails(1, 'makemigration --check')
    ws.project.schema(model())
    await ws.ok('makemigration --check')
  })

  test('drift: a database that was changed without a migration', async () => {
    await ws.sql('ALTER TABLE "Item" ADD COLUMN "byhand" INTEGER')
    const { stdout } = await ws.fails(1, 'status --check')
    expect(stdout).toContain('drift')
    expect(stdout).toContain('byhand')
    await ws.ok('status')
    await ws.sql('ALTER TABLE "Item" DROP COLUMN "byhand"')
    expect((await status()).drift.state).toBe('none')
  })

  test('edited: a script that differs from what was applied, but not in line ends', async () => {
    const file = `prisma/migrations/${ws.folder('one')}/migration.sql`
    const script = ws.read(file)
    ws.project.write({ [file]: script.replace(/\n/g, '\r\n') })
    expect((await status()).counts.edited).toBe(0)
    ws.project.write({ [file]: `${script}-- more\n` })
    expect((await status()).migrations[0]!.edited).toBe('migration.sql')
    await ws.ok('status --check')
    const { stdout } = await ws.fails(1, 'status --strict')
    expect(stdout).toContain('edited: migration.sql')
    expect((await ws.ok('migrate')).stderr).toContain('was edited after it was applied')
    ws.project.write({ [file]: script })
  })

  test('edited: code that differs from what was run', async () => {
    const file = `prisma/migrations/${ws.folder('one')}/migration.js`
    const code = ws.read(file)
    ws.project.write({ [file]: `${code}// more\n` })
    expect((await status()).migrations[0]!.edited).toBe('migration.js')
    ws.project.write({ [file]: code })
    expect((await status()).migrations[0]!.edited).toBeNull()
  })

  test('failed: the log of the run that failed', async () => {
    await ws.sql(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, logs, applied_steps_count)
       VALUES ('f', 'x', '20990101000000_broken', '2024-05-06 07:08:09', 'no space left', 0)`,
    )
    const { stdout } = await ws.fails(1, 'status --check')
    expect(stdout).toMatch(/\[!\] 20990101000000_broken/)
    expect(stdout).toContain('no space left')
    await ws.sql(`DELETE FROM _prisma_migrations WHERE id = 'f'`)
  })

  test('missing: applied, and no folder here', async () => {
    const migrations = path.join(ws.project.folder, 'prisma/migrations')
    const name = ws.folder('one')
    renameSync(path.join(migrations, name), path.join(ws.project.folder, 'away'))
    const { stdout } = await ws.fails(1, 'status --check')
    expect(stdout).toContain(`[?] ${name}`)
    expect(stdout).toContain('no folder here')
    renameSync(path.join(ws.project.folder, 'away'), path.join(migrations, name))
    await ws.ok('status --check')
  })

  test('a rolled back row means not applied', async () => {
    const [row] = await history(ws.db)
    await ws.sql(`UPDATE _prisma_migrations SET rolled_back_at = started_at, finished_at = NULL`)
    expect((await status()).migrations[0]!.state).toBe('pending')
    await ws.sql(`DELETE FROM _prisma_migrations WHERE id = '${row!.id}'`)
    await ws.ok('migrate --fake')
    expect((await status()).migrations[0]!.state).toBe('applied')
  })

  test('a database with tables and without a history is told how to be taken over', async () => {
    await ws.sql('DELETE FROM _prisma_migrations')
    expect((await status()).next).toContain('rays migrate --fake')
  })

  test('a history that cannot be read is an error, never an empty history', async () => {
    await ws.sql('ALTER TABLE _prisma_migrations RENAME COLUMN checksum TO sum')
    for (const line of ['status', 'migrate', 'migrate --plan']) {
      const { stderr } = await ws.fails(1, line)
      expect(stderr).toContain('cannot be read')
    }
  })
})

describeDatabases(
  'status on a database file that nobody may write',
  (on) => {
    test('works, and leaves no file beside it', async () => {
      const ws = await workspace(on, { schema: model() })
      await ws.given('makemigration --name one')
      await ws.ok('migrate')
      await ws.db.close()
      const file = ws.db.href.slice('file:'.length)
      chmodSync(file, 0o444)
      expect((await ws.ok('status --check')).stdout).toContain('1 applied')
      await ws.drop()
    })
  },
  (provider) => provider === 'sqlite',
)

describeDatabases(
  "status where the URL's schema does not exist yet",
  (on) => {
    test('finds nothing in it, and does not make it', async () => {
      const url = ({ href }: { href: string }) => `${href}${href.includes('?') ? '&' : '?'}schema=later`
      const ws = await workspace(on, { schema: model(), url })
      await ws.given('makemigration --name one')
      const { data } = (await ws.ok('status --json')).json<Status>()
      expect(data).toMatchObject({ counts: { pending: 1 }, drift: { state: 'none' } })
      expect(await ws.sql(`SELECT nspname FROM pg_namespace WHERE nspname = 'later'`)).toEqual([])
      await ws.ok('migrate')
      await ws.ok('status --check --strict')
      await ws.drop()
    })
  },
  (provider) => provider === 'postgresql',
)
