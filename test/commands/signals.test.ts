/** A signal that comes while a command works: it ends with the signal's code, and wrote and changed nothing. */
import { cpSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema, type TestDatabase } from '../support/databases.js'
import { pause } from '../support/faults.js'
import type { Output } from '../support/project.js'
import { type Workspace, workspace } from '../support/workspace.js'

const LINES = 'CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY);\n'

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** Sends the signal as soon as the command says the text. */
async function signalAt(ws: Workspace, line: string, signal: Signal, at: RegExp) {
  const before = { files: ws.snapshot(), schema: await dumpSchema(ws.db) }
  let told = ''
  const { code, stderr } = await ws.rays(line, {
    env: { RAYS_VERBOSE_LOGGING: '1' },
    onStart: (child) => {
      child.stderr?.on('data', (chunk: string) => {
        const said = at.test(told)
        told += chunk
        if (!said && at.test(told)) child.kill(signal)
      })
    },
  })
  expect(told).toMatch(at)
  expect({ files: ws.snapshot(), schema: await dumpSchema(ws.db) }).toEqual(before)
  return { code, stderr }
}

describeDatabases('a signal', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: 'model Item {\n  id Int @id\n}' })
  })
  afterAll(() => ws.drop())

  const interrupted = (line: string, signal: Signal, at: RegExp) => signalAt(ws, line, signal, at)

  test('while makemigration proves a migration: nothing is written', async () => {
    const { code, stderr } = await interrupted('makemigration --name one', 'SIGINT', /CREATE TABLE/)
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: expect.stringContaining('Interrupted before one was written'),
    })
  })

  test('while eject proves what it would leave: nothing is moved', async () => {
    await ws.ok('makemigration --name one --no-verify')
    const { code, stderr } = await interrupted('eject --y', 'SIGTERM', /CREATE TABLE/)
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringMatching(/nothing was (?:moved|written)/) })
    rmSync(path.join(ws.project.folder, 'prisma/migrations'), { recursive: true })
  })

  test('while adopt goes through a history: nothing is written', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `202401010000${String(i).padStart(2, '0')}_prisma`)
    ws.project.write({
      'prisma/migrations/migration_lock.toml': `provider = "${on.provider}"\n`,
      ...Object.fromEntries(
        names.map((name, i) => [`prisma/migrations/${name}/migration.sql`, LINES.replace(' t ', ` t${i} `)]),
      ),
    })
    const { code, stderr } = await interrupted('adopt', 'SIGTERM', /Replaying 1 of 12/)
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringContaining('nothing was written') })
  })
})

const items = (count: string) =>
  ['Item', 'Other'].map((name) => `model ${name} {\n  id Int @id\n  count Int${count}\n}\n`).join('')

/**
 * Sends the signal while the first table is being changed, before the second: another session holds the table, or, where
 * the database is a file, there are many rows to copy.
 */
async function inTheMiddle(
  ws: Workspace,
  on: TestDatabase,
  line: string,
  signal: Signal,
  table = 'Item',
): Promise<Output> {
  if (on.provider === 'sqlite') {
    await ws.sql(`INSERT INTO "Item" WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
      SELECT i, i FROM n`)
  }
  const holder = await ws.db.session()
  const waits = {
    postgresql: 'SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL',
    mysql: "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'",
    sqlite: '',
  }[on.provider]
  if (on.provider === 'postgresql') await holder.query(`BEGIN; SELECT * FROM "${table}"`)
  if (on.provider === 'mysql') await holder.query(`LOCK TABLES \`${table}\` READ`)
  const release = () => holder.close()
  let told = ''
  return ws
    .rays(line, {
      env: { RAYS_VERBOSE_LOGGING: '1' },
      onStart: (child) => {
        child.stderr?.on('data', (chunk: string) => {
          const [copies, stopping] = [/CREATE TABLE "new_Item"/, /stopping after the current step/]
          const [copied, stopped] = [copies.test(told), stopping.test(told)]
          told += chunk
          if (!copied && on.provider === 'sqlite' && copies.test(told)) child.kill(signal)
          // What no rollback takes back is not cancelled: it ends when it is done.
          if (!stopped && on.provider === 'mysql' && stopping.test(told)) void release()
        })
        const whenWaiting = async () => {
          while (waits !== '' && child.exitCode === null && (await ws.db.query(waits)).length === 0) await pause(20)
          if (waits !== '') child.kill(signal)
        }
        void whenWaiting()
      },
    })
    .finally(release)
}

describeDatabases('a signal while a change is applied', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: items('') })
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    ws.project.schema(items(' @default(1)'))
  })
  afterEach(() => ws.drop())

  test('by push: it is rolled back, or what stays is named, and push goes on from there', async () => {
    const before = await dumpSchema(ws.db)
    const { code, stderr } = await inTheMiddle(ws, on, 'push --y --no-generate', 'SIGINT')
    expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringMatching(/^Error: Interrupted/m) })
    if (on.provider === 'mysql') {
      expect(stderr).toMatch(/What was done before it stays:\n {2}- ALTER TABLE `Item`/)
      expect(stderr).not.toMatch(/- ALTER TABLE `Other`|Nothing was changed/)
    } else {
      expect(stderr).toMatch(/Nothing was changed/)
      expect(await dumpSchema(ws.db)).toBe(before)
    }
    await ws.ok('push --y --no-generate')
    await ws.ok('commit second --no-verify')
    await ws.ok('status --check')
  })

  test('by doctor --revert: what stays is named, and it goes on from there', async () => {
    await ws.ok('push --y --no-generate')
    const before = await dumpSchema(ws.db)
    // Going back, Other comes first.
    const { code, stderr } = await inTheMiddle(ws, on, 'doctor --revert --y', 'SIGTERM', 'Other')
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringMatching(/^Error: Interrupted/m) })
    if (on.provider === 'mysql') {
      expect(stderr).toMatch(/What was done before it stays:\n {2}- ALTER TABLE `Other`/)
      expect(stderr).not.toMatch(/- ALTER TABLE `Item`|[Nn]othing was changed/)
    } else {
      expect(stderr).toMatch(/nothing was changed/i)
      expect(await dumpSchema(ws.db)).toBe(before)
    }
    await ws.ok('doctor --revert --y')
    ws.project.schema(items(''))
    await ws.ok('status --check')
  })

  for (const [command, signal, exit] of [
    ['draft', 'SIGTERM', 143],
    ['dev', 'SIGHUP', 129],
  ] as const)
    test(`by ${command}: it is taken back, and nothing is remembered of it`, async () => {
      const before = { files: ws.snapshot(), schema: await dumpSchema(ws.db) }
      const { code, stderr } = await inTheMiddle(ws, on, `${command} --y --no-generate`, signal)
      expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringMatching(/^Error: Interrupted/m) })
      expect(stderr).toMatch(/nothing was changed/i)
      expect({ files: ws.snapshot(), schema: await dumpSchema(ws.db) }).toEqual(before)
      await ws.ok('draft --y --no-generate')
      await ws.ok('makemigration --name second --no-verify')
      await ws.ok('status --check')
    })

  test('by draft --undo: what is applied stays applied, and is remembered', async () => {
    await ws.ok('draft --y --no-generate')
    const before = { files: ws.snapshot(), schema: await dumpSchema(ws.db) }
    const { code, stderr } = await inTheMiddle(ws, on, 'draft --undo --y --no-generate', 'SIGTERM', 'Other')
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringMatching(/^Error: Interrupted/m) })
    expect({ files: ws.snapshot(), schema: await dumpSchema(ws.db) }).toEqual(before)
    await ws.ok('draft --undo --y --no-generate')
    expect(ws.exists('prisma/rays-watch')).toBe(false)
  })
})

describeDatabases(
  'a signal while the database is emptied',
  (on) => {
    let ws: Workspace
    beforeEach(async () => {
      ws = await workspace(on, { schema: items('') })
      await ws.given('makemigration --name init')
      await ws.ok('migrate --no-generate')
    })
    afterEach(() => ws.drop())

    for (const [command, emptied] of [
      [
        'reset --confirm=NAME',
        /Interrupted; the database was emptied, and no migration is applied\.\nFix: rays migrate/,
      ],
      ['push --force-reset --y', /What was done before it stays:\n {2}- .* was emptied/],
    ] as const)
      test(`by ${command}: nothing is changed, or it is told to be empty`, async () => {
        const before = { files: ws.snapshot(), schema: await dumpSchema(ws.db), applied: await ws.applied() }
        const line = `${command.replace('NAME', ws.db.name)} --no-generate`
        const { code, stderr } = await inTheMiddle(ws, on, line, 'SIGTERM')
        const told =
          on.provider === 'mysql' ? emptied : /Interrupted before the database was emptied; nothing was changed/
        expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringMatching(told) })
        if (on.provider === 'mysql') expect(await ws.tables()).toEqual([])
        else {
          const after = { files: ws.snapshot(), schema: await dumpSchema(ws.db), applied: await ws.applied() }
          expect(after).toEqual(before)
        }
        await ws.ok(line)
        expect(await ws.tables()).toEqual(['Item', 'Other'])
      })
  },
  // A file is emptied at once.
  (provider) => provider !== 'sqlite',
)

describeDatabases('a signal while files are written', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: items('') })
  })
  afterEach(() => ws.drop())

  const interrupted = async (line: string, signal: Signal, at: RegExp) => {
    const { code, stderr } = await signalAt(ws, line, signal, at)
    expect({ code, stderr }).toEqual({
      code: { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal],
      stderr: expect.stringMatching(/^Error: Interrupted/m),
    })
    return stderr
  }

  test('by squash: the migrations are as they were', async () => {
    await ws.given('makemigration --name one')
    ws.project.schema(items(' @default(1)'))
    await ws.given('makemigration --name two')
    const stderr = await interrupted('squash two', 'SIGINT', /Replaying 2 migrations/)
    expect(stderr).toMatch(/nothing was written/i)
    await ws.ok('squash two')
  })

  test('by commit: nothing is written and nothing recorded', async () => {
    await ws.ok('push --y --no-generate')
    const stderr = await interrupted('commit one', 'SIGTERM', /\[\+\] Added tables/)
    expect(stderr).toMatch(/before one was written/)
    await ws.ok('commit one --no-verify')
  })

  test('by prepare: the schema is not written either', async () => {
    await ws.sql('CREATE TABLE "Item" ("id" INTEGER NOT NULL PRIMARY KEY)')
    ws.project.schema('')
    const stderr = await interrupted('prepare --y', 'SIGTERM', /Wrote the models of/)
    expect(stderr).toMatch(/written|nothing was changed/i)
    await ws.ok('prepare --y --no-verify')
  })

  test('by rebase: the migrations and the schema are as they were', async () => {
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    const root = path.join(ws.project.folder, 'prisma/migrations')
    const made: string[] = []
    for (const [name, field] of [
      ['mine', ' @default(1)'],
      ['theirs', ' @unique'],
    ] as const) {
      ws.project.schema(items(field))
      await ws.given(`makemigration --name ${name}`)
      if (name === 'mine') await ws.ok('migrate --no-generate')
      const folder = ws.folder(name)
      cpSync(path.join(root, folder), path.join(ws.project.folder, folder), { recursive: true })
      rmSync(path.join(root, folder), { recursive: true })
      made.push(folder)
    }
    for (const folder of made) {
      cpSync(path.join(ws.project.folder, folder), path.join(root, folder), { recursive: true })
      rmSync(path.join(ws.project.folder, folder), { recursive: true })
    }
    ws.project.schema(items(' @unique @default(1)'))
    await interrupted('rebase --y --no-generate', 'SIGINT', /Two branches|branch/i)
    await ws.ok('rebase --y --no-generate')
  })
})

const SEEDED = '{ "name": "seeded", "prisma": { "seed": "echo sowing; exec sleep 30" } }\n'

describeDatabases(
  'a signal while a seed runs',
  (on) => {
    test('ends it, and what it did may be there', async () => {
      const ws = await workspace(on, { schema: items(''), files: { 'package.json': SEEDED } })
      const { code, stderr } = await signalAt(ws, 'seed', 'SIGTERM', /sowing/).finally(() => ws.drop())
      expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringMatching(/^Error: Interrupted .*may be/m) })
    })
  },
  (provider) => provider === 'sqlite',
)
