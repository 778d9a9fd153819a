/** What is asked on a terminal, and what each answer does. */
import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, history } from '../support/databases.js'
import { hasTerminal, onTerminal } from '../support/pseudo-terminal.js'
import { type Workspace, workspace } from '../support/workspace.js'

const model = (...fields: string[]) => `model Item {\n  id Int @id\n  ${fields.join('\n  ')}\n}`
if (!hasTerminal) {
  process.stderr.write('\nThe tests on a terminal are skipped: there is no `script` of util-linux here.\n')
}

describeDatabases('on a terminal', (on) => {
  const onlyHere = hasTerminal ? test : test.skip
  let ws: Workspace
  const type = (line: string, ...talk: [RegExp, string][]) =>
    onTerminal(ws.project.folder, line, { DATABASE_URL: ws.db.href }, talk)
  beforeAll(async () => {
    ws = await workspace(on, { schema: model('note String?') })
  })
  afterAll(() => ws.drop())

  onlyHere('makemigration asks for the name', async () => {
    const { code, screen } = await type('makemigration --no-verify', [/Name of the migration/, 'first steps\r'])
    expect(screen).toContain('Wrote')
    expect(code).toBe(0)
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['first_steps'])
  })

  onlyHere('Ctrl-C at a question ends with 130 and changes nothing', async () => {
    const { code, screen } = await type('makemigration --blank', [/Name of the migration/, '\u0003'])
    expect(screen).toContain('nothing was changed')
    expect(code).toBe(130)
    expect(ws.folders()).toHaveLength(1)
  })

  onlyHere('going up asks nothing, and shows progress', async () => {
    const { code, screen } = await type('migrate')
    expect(code).toBe(0)
    expect(screen).toMatch(/Applying \d{14}_first_steps \(1\/1\)/)
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'x')`)
  })

  onlyHere('going down with loss asks; no is the default and ends with 130', async () => {
    for (const answer of ['\r', 'n\r', '\u0003']) {
      const { code, screen } = await type('migrate --name zero', [/Going down loses this data/, answer])
      expect(screen).toContain('(y/N)')
      expect(screen).toContain('1 row')
      expect(code).toBe(130)
    }
    expect(await ws.sql('SELECT * FROM "Item"')).toHaveLength(1)
    expect(await ws.applied()).toEqual(['first_steps'])
  })

  onlyHere('--no-input never asks', async () => {
    const { code, screen } = await type('migrate --name zero --no-input')
    expect(code).toBe(2)
    expect(screen).toContain('--y')
  })

  onlyHere('push with loss asks, too', async () => {
    ws.project.schema(model())
    expect((await type('push', [/This loses data/, 'n\r'])).code).toBe(130)
    expect(await ws.sql('SELECT note FROM "Item"')).toEqual([{ note: 'x' }])
    expect((await type('push', [/This loses data/, 'y\r'])).code).toBe(0)
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([{ id: 1 }])
  })

  onlyHere('emptying a database asks for its name', async () => {
    const wrong = await type('push --force-reset', [/Type its name/, 'y\r'])
    expect(wrong.code).toBe(130)
    expect(await ws.sql('SELECT * FROM "Item"')).toHaveLength(1)
    const right = await type('push --force-reset', [/Type its name/, `${ws.db.name}\r`])
    expect(right.code).toBe(0)
    expect(await ws.sql('SELECT * FROM "Item"')).toEqual([])
    expect(await history(ws.db)).toEqual([])
  })

  onlyHere('a terminal that is closed while it asks ends the command, which leaves nothing locked', async () => {
    ws.project.schema(model())
    const script = await new Promise<ChildProcess>((resolve) => {
      void onTerminal(ws.project.folder, 'push --force-reset', { DATABASE_URL: ws.db.href }, [], (child, screen) => {
        if (/Type/.test(screen)) resolve(child)
      })
    })
    script.kill('SIGKILL')
    await ws.ok('migrate --fake --lock-timeout 5')
    await ws.ok('migrate --fake --name zero --lock-timeout 5')
  })

  onlyHere('while it asks, nobody waits for the lock; what changed meanwhile is not undone unseen', async () => {
    ws.project.schema(model('note String?'))
    await ws.ok('push')
    await ws.ok('migrate --fake')
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'x')`)
    let others: Promise<unknown> | undefined
    const { code, screen } = await onTerminal(
      ws.project.folder,
      'migrate --name zero',
      { DATABASE_URL: ws.db.href },
      [[/Going down loses this data/, '']],
      (child, text) => {
        if (others !== undefined || !/Going down loses this data/.test(text)) return
        others = ws.ok('migrate --fake --name zero --lock-timeout 5').finally(() => child.stdin?.write('y\r'))
      },
    )
    await others
    expect(screen).toContain('was unapplied by another rays meanwhile')
    expect(code).toBe(0)
    expect(await ws.sql('SELECT * FROM "Item"')).toHaveLength(1)
    await ws.sql('DROP TABLE "Item"')
  })

  onlyHere('rays down undoes what it showed, or nothing', async () => {
    for (const name of ['20990101000000_one', '20990102000000_two'])
      ws.project.write({
        [`prisma/migrations/${name}/migration.sql`]: '',
        [`prisma/migrations/${name}/migration.js`]: 'module.exports = [[async () => {}, async () => {}]]\n',
      })
    await ws.ok('migrate --fake')
    let others: Promise<unknown> | undefined
    const { code, screen } = await onTerminal(
      ws.project.folder,
      'down',
      { DATABASE_URL: ws.db.href },
      [[/Roll back 1 migration\?/, '']],
      (child, text) => {
        if (others !== undefined || !/Roll back 1 migration\?/.test(text)) return
        others = ws.ok('migrate --name -1').finally(() => child.stdin?.write('y\r'))
      },
    )
    await others
    expect([code, screen]).toEqual([0, expect.stringContaining('two was unapplied by another rays meanwhile')])
    expect((await ws.applied()).at(-1)).toBe('one')
    await ws.ok('migrate --fake --name zero')
    for (const name of ['one', 'two'])
      rmSync(path.join(ws.project.folder, 'prisma/migrations', ws.folder(name)), { recursive: true })
  })

  onlyHere('yes goes down', async () => {
    ws.project.schema(model('note String?'))
    await ws.ok('push')
    await ws.ok('migrate --fake')
    await ws.sql(`INSERT INTO "Item" (id, note) VALUES (1, 'x')`)
    const { code } = await type('migrate --name zero', [/Going down loses this data/, 'y\r'])
    expect(code).toBe(0)
    expect(await ws.tables()).toEqual([])
  })

  onlyHere('Ctrl-C while a migration runs undoes that migration and ends with 130', async () => {
    await ws.ok('makemigration --name slow --blank --no-verify')
    ws.project.write({
      [`prisma/migrations/${ws.folder('slow')}/migration.js`]: `module.exports = [[async ({ client }) => {
  console.error('now it runs')
  for (let i = 0; i < 30; i++) {
    await client.query('SELECT 1 AS one')
    await new Promise((done) => setTimeout(done, 100))
  }
}, async () => {}]]`,
    })
    const { code, screen } = await type('migrate', [/now it runs/, '\u0003'])
    expect(screen).toContain('SIGINT')
    // Where nothing rolls back, the operation is finished before the run stops; here it was all that was asked for.
    expect(code).toBe(on.provider === 'mysql' ? 0 : 130)
    expect(await ws.applied()).toEqual(on.provider === 'mysql' ? ['first_steps', 'slow'] : ['first_steps'])
  })
})
