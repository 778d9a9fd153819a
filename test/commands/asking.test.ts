/** What the commands of the development loop ask a person on a terminal. The questions are the same on every database. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { hasTerminal, onTerminal } from '../support/pseudo-terminal.js'
import { type Workspace, workspace } from '../support/workspace.js'

const user = (...fields: string[]) => `model User {\n  id Int @id\n${fields.map((field) => `  ${field}\n`).join('')}}\n`

describeDatabases(
  'asked on a terminal',
  (on) => {
    const onlyHere = hasTerminal ? test : test.skip
    let ws: Workspace
    const type = (line: string, ...talk: [RegExp, string][]) =>
      onTerminal(ws.project.folder, line, { DATABASE_URL: ws.db.href }, talk)
    const users = () => ws.sql('SELECT * FROM "User"')
    beforeEach(async () => {
      ws = await workspace(on, { schema: user('name String'), config: { generate: false } })
    })
    afterEach(() => ws.drop())
    /** One migration, applied, and a row. */
    const begun = async () => {
      await ws.given('makemigration --name start')
      await ws.ok('migrate')
      await ws.sql(`INSERT INTO "User" (id, name) VALUES (1, 'Ada')`)
    }

    onlyHere('save asks for the name, renames and values; up and down ask whether to go on', async () => {
      const saved = await type('save --no-verify', [/Name of the migration/, 'start here\r'])
      expect([saved.code, saved.screen]).toEqual([0, expect.stringMatching(/\d{14}_start_here/)])
      expect((await type('up', [/Apply 1 migration\?/, 'n\r'])).code).toBe(130)
      expect(await ws.tables()).toEqual([])
      expect((await type('up', [/Apply 1 migration\?/, 'y\r'])).code).toBe(0)
      await ws.sql(`INSERT INTO "User" (id, name) VALUES (1, 'Ada')`)

      ws.project.schema(user('fullName String', 'age Int'))
      const changed = await type(
        'save change --no-verify',
        [/Was User.name renamed to User.fullName\?/, 'y\r'],
        [/User.age is required and new; 1 row/, '40 + 2\r'],
      )
      expect(changed.code).toBe(0)
      expect(ws.migration('change', 'README.md')).toContain('erDiagram')
      await ws.ok('up --auto-approve')
      expect(await ws.sql('SELECT "fullName", age FROM "User"')).toEqual([{ fullName: 'Ada', age: 42 }])
      const no = await type('down', [/Roll back 1 migration\?/, '\r'])
      expect(no.code).toBe(130)
      expect(no.screen).toContain('User.age')
      expect((await type('down', [/Roll back 1 migration\?/, 'y\r'])).code).toBe(0)
      expect(await users()).toEqual([{ id: 1, name: 'Ada' }])
    })

    onlyHere('up --create-db creates the database once it is told to go on', async () => {
      const name = `_new_${process.pid}`
      const env = { DATABASE_URL: `${ws.db.href}${name}` }
      await ws.given('makemigration --name start')
      try {
        const no = await onTerminal(ws.project.folder, 'up --create-db', env, [[/Apply 1 migration\?/, 'n\r']])
        expect([no.code, no.screen]).toEqual([130, expect.stringMatching(/model User[\s\S]*Apply 1 migration\?/)])
        expect(no.screen).not.toContain('Created the database')
        expect((await ws.fails(1, 'status', { env })).stderr).toContain('does not exist')
        const alone = await ws.fails(2, 'up --create-db', { env })
        expect(alone.stderr).toContain('--auto-approve')
        expect((await ws.fails(1, 'status', { env })).stderr).toContain('does not exist')
        const yes = await onTerminal(ws.project.folder, 'up --create-db', env, [[/Apply 1 migration\?/, 'y\r']])
        expect([yes.code, yes.screen]).toEqual([0, expect.stringContaining('Created the database')])
        await ws.ok('status --check', { env })
      } finally {
        if (on.provider !== 'sqlite') await ws.sql(`DROP DATABASE IF EXISTS "${ws.db.name}${name}"`)
      }
    })

    onlyHere('redo and reset ask before rows are lost', async () => {
      await begun()
      expect((await type('redo', [/Going down loses this data/, 'n\r'])).code).toBe(130)
      expect(await users()).toHaveLength(1)
      expect((await type('reset', [/Type the name of the database/, 'y\r'])).code).toBe(130)
      expect(await users()).toHaveLength(1)
      expect((await type('redo', [/Going down loses this data/, 'y\r'])).code).toBe(0)
      expect(await users()).toEqual([])
      await ws.sql(`INSERT INTO "User" (id, name) VALUES (1, 'Ada')`)
      expect((await type('reset', [/Type the name of the database/, `${ws.db.name}\r`])).code).toBe(0)
      expect(await users()).toEqual([])
    })

    onlyHere('draft asks before values are lost, and before it takes back; dev goes on after a no', async () => {
      await begun()
      ws.project.schema(user())
      expect((await type('draft', [/Go on\?/, 'n\r'])).code).toBe(130)
      expect(await users()).toEqual([{ id: 1, name: 'Ada' }])
      const dev = await type('dev', [/Go on\?/, 'n\r'], [/Watching/, '\u0003'])
      expect([dev.code, dev.screen]).toEqual([0, expect.stringContaining('nothing was applied')])
      expect(await users()).toEqual([{ id: 1, name: 'Ada' }])
      expect((await type('draft', [/Go on\?/, 'y\r'])).code).toBe(0)
      expect(await users()).toEqual([{ id: 1 }])
      expect((await type('draft --undo', [/Undo 1 change/, 'n\r'])).code).toBe(130)
      expect((await type('draft --undo', [/Undo 1 change/, 'y\r'])).code).toBe(0)
      await ws.ok('status --check')
    })

    onlyHere('push asks about renames; commit asks for the name', async () => {
      await begun()
      ws.project.schema(user('fullName String'))
      const no = await type(
        'push',
        [/Was User.name renamed/, 'n\r'],
        [/User.fullName is required and new/, "'x'\r"],
        [/This loses data/, 'n\r'],
      )
      expect(no.code).toBe(130)
      expect(await users()).toEqual([{ id: 1, name: 'Ada' }])
      expect((await type('push', [/Was User.name renamed/, 'y\r'])).code).toBe(0)
      expect(await users()).toEqual([{ id: 1, fullName: 'Ada' }])
      const committed = await type('commit', [/Name of the migration/, 'full name\r'], [/Was User.name renamed/, 'y\r'])
      expect(committed.code).toBe(0)
      expect(ws.migration('full_name')).toContain('RENAME COLUMN')
      await ws.ok('status --check')
    })

    onlyHere('doctor --revert asks before rows are lost', async () => {
      await begun()
      await ws.sql('CREATE TABLE "Extra" ("id" INTEGER)')
      await ws.sql('INSERT INTO "Extra" VALUES (1)')
      expect((await type('doctor --revert', [/This loses data/, 'n\r'])).code).toBe(130)
      expect(await ws.sql('SELECT * FROM "Extra"')).toHaveLength(1)
      expect((await type('doctor --revert', [/This loses data/, 'y\r'])).code).toBe(0)
      expect(await ws.tables()).toEqual(['User'])
    })

    onlyHere('rebase asks before its own migrations are undone', async () => {
      await begun()
      const folder = (name: string) => path.join(ws.project.folder, 'prisma/migrations', ws.folder(name))
      ws.project.schema(user('name String', 'mine Int?'))
      await ws.given('makemigration --name mine')
      await ws.ok('migrate')
      await ws.sql('UPDATE "User" SET "mine" = 7')
      const mine = Object.fromEntries(
        Object.entries(ws.snapshot()).filter(([name]) => name.includes(ws.folder('mine'))),
      )
      rmSync(folder('mine'), { recursive: true })
      ws.project.schema(user('name String', 'theirs Int?'))
      await ws.given('makemigration --name theirs')
      ws.project.write(mine)
      ws.project.schema(user('name String', 'mine Int?', 'theirs Int?'))
      const before = ws.snapshot()
      expect((await type('rebase', [/Going down loses this data/, 'n\r'])).code).toBe(130)
      expect(ws.snapshot()).toEqual(before)
      expect((await type('rebase', [/Going down loses this data/, 'y\r'])).code).toBe(0)
      expect(await ws.applied()).toEqual(['start', 'theirs', 'mine'])
    })

    onlyHere('prepare asks before it forgets migrations, eject before it moves files', async () => {
      await begun()
      expect((await type('eject', [/Move \d+ files/, 'n\r'])).code).toBe(130)
      expect(ws.exists(`prisma/migrations/${ws.folder('start')}/migration.js`)).toBe(true)
      rmSync(path.join(ws.project.folder, 'prisma/migrations', ws.folder('start')), { recursive: true })
      expect((await type('prepare', [/Forget them/, 'n\r'])).code).toBe(130)
      expect(await ws.applied()).toEqual(['start'])
      expect((await type('prepare', [/Forget them/, 'y\r'])).code).toBe(0)
      expect(await ws.applied()).toEqual(['init'])
      expect((await type('eject', [/Move \d+ files/, 'y\r'])).code).toBe(0)
      expect(ws.exists(`prisma/migrations/${ws.folder('init')}/migration.js`)).toBe(false)
      expect(await users()).toEqual([{ id: 1, name: 'Ada' }])
    })
  },
  (provider) => provider === 'sqlite',
)
