/** A signal that comes while a command works: it ends with the signal's code, and wrote and changed nothing. */
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const LINES = 'CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY);\n'

describeDatabases('a signal', (on) => {
  let ws: Workspace
  beforeAll(async () => {
    ws = await workspace(on, { schema: 'model Item {\n  id Int @id\n}' })
  })
  afterAll(() => ws.drop())

  /** Sends the signal as soon as the command says the text. */
  async function interrupted(line: string, signal: 'SIGINT' | 'SIGTERM', at: RegExp) {
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

  test('while makemigration proves a migration: nothing is written', async () => {
    const { code, stderr } = await interrupted('makemigration --name one', 'SIGINT', /CREATE TABLE/)
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: expect.stringContaining('Interrupted before one was written'),
    })
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
