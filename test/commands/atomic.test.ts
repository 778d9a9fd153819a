/**
 * The same failing migration of three statements through Prisma and through rays: what stays in the database, what the
 * history says, what the next deploy does. docs/prisma-and-rays.md claims what these tests show, and no more.
 */
import { describeDatabases, history } from '../support/databases.js'
import { prisma } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const NAME = '20260101000000_three'
const THREE = ['CREATE TABLE first (id INTEGER)', 'CREATE TABLE second (id INTEGER)', 'INSERT INTO nowhere VALUES (1)']
const SQL = `${THREE.join(';\n')};\n`
const JS = `module.exports = [
  [({ client }) => client.execute('${THREE[0]}'), ({ client }) => client.execute('DROP TABLE first')],
  [({ client }) => client.execute('${THREE[1]}'), ({ client }) => client.execute('DROP TABLE second')],
  [({ client }) => client.execute('${THREE[2]}'), null],
]
`

describeDatabases('a migration whose third statement fails', (on) => {
  const open = (more: Record<string, string> = {}) =>
    workspace(on, {
      schema: `datasource db {\n  provider = "${on.provider}"\n}\n`,
      files: {
        'prisma.config.ts': `export default { schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } }\n`,
        'prisma/migrations/migration_lock.toml': `provider = "${on.provider}"\n`,
        [`prisma/migrations/${NAME}/migration.sql`]: SQL,
        ...more,
      },
    })
  const deploy = (ws: Workspace) => prisma(ws.project.folder, ['migrate', 'deploy'], { url: ws.db.href })
  const correct = (ws: Workspace, more: Record<string, string> = {}) =>
    ws.project.write({ [`prisma/migrations/${NAME}/migration.sql`]: SQL.replace(`${THREE[2]};\n`, ''), ...more })
  const inside = async (work: (ws: Workspace) => Promise<void>, files: Record<string, string> = {}) => {
    const ws = await open(files)
    try {
      await work(ws)
    } finally {
      await ws.drop()
    }
  }

  test('in Prisma: a failed row that blocks every deploy until somebody resolves it; what stays depends on the database', async () => {
    await inside(async (ws) => {
      const failed = await deploy(ws)
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('P3018')])
      // The stand-in sends the script to PostgreSQL as one message, and so in one transaction.
      expect(await ws.tables()).toEqual(on.provider === 'postgresql' ? [] : ['first', 'second'])
      expect(await history(ws.db)).toMatchObject([
        { migration_name: NAME, finished_at: null, rolled_back_at: null, applied_steps_count: 0 },
      ])
      correct(ws)
      const next = await deploy(ws)
      expect([next.code, next.stderr]).toEqual([1, expect.stringContaining('P3009')])
    })
  }, 60_000)

  test('in rays: the database is as before, nothing is left to resolve, and the next run goes on once it is corrected', async () => {
    const file = `prisma/migrations/${NAME}/migration.js`
    await inside(
      async (ws) => {
        const failed = await ws.fails(1, 'migrate')
        expect(failed.stderr).toContain('nowhere')
        expect(await ws.tables()).toEqual([])
        // Where nothing rolls back, the downs undo what was done, and the row tells so.
        const rows = await history(ws.db)
        if (on.provider === 'mysql')
          expect(rows).toMatchObject([{ finished_at: null, rolled_back_at: expect.anything() }])
        else expect(rows).toEqual([])
        correct(ws, { [file]: JS.replace(/ {2}\[.*nowhere.*\n/, '') })
        await ws.ok('migrate')
        expect(await ws.tables()).toEqual(['first', 'second'])
        const deployed = await deploy(ws)
        expect([deployed.code, deployed.stdout]).toEqual([0, expect.stringContaining('No pending migrations')])
      },
      { [file]: JS },
    )
  }, 60_000)

  test("a folder that has Prisma's script only, in rays", async () => {
    await inside(async (ws) => {
      if (on.provider === 'mysql') {
        // There is no way back from a script alone: rays says so instead of guessing.
        const failed = await ws.fails(3, 'migrate')
        expect(failed.stderr).toContain('nowhere')
        expect(await ws.tables()).toEqual(['first', 'second'])
        expect(await history(ws.db)).toMatchObject([{ finished_at: null, rolled_back_at: null }])
        return
      }
      await ws.fails(1, 'migrate')
      expect(await ws.tables()).toEqual([])
      expect(await history(ws.db)).toEqual([])
      correct(ws)
      await ws.ok('migrate')
      expect(await ws.tables()).toEqual(['first', 'second'])
    })
  }, 60_000)
})
