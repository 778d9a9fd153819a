/** What stands in a database or a folder reaches the terminal and the log without control characters and forged lines. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import type { Output } from '../support/project.js'
import { type Workspace, workspace } from '../support/workspace.js'

const ODD = '\u001b[2J\u001b]0;title\u0007\n::error::made up\r\n##[error]made up ##vso[task.complete]\u009b1m\u202e'
const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/
const COMMAND = /^\s*::[^\n]*::|##(\[|vso\[)/m

describeDatabases('control characters of a database', (on) => {
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: 'model User {\n  id   Int     @id\n  name String?\n}' })
    await ws.ok('makemigration --name init --no-verify')
    await ws.ok('migrate --no-generate')
  })
  afterEach(() => ws.drop())
  const clean = ({ stdout, stderr }: Output) => {
    expect(stdout + stderr).not.toMatch(RAW)
    expect(stdout + stderr).not.toMatch(COMMAND)
  }
  /** A text literal of any characters. */
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
  const migration = (name: string, code: string, sql = '') => {
    const folder = path.join(ws.project.folder, 'prisma/migrations', name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'migration.js'), code)
    writeFileSync(path.join(folder, 'migration.sql'), sql)
  }
  const everywhere = async (line: string) => {
    for (const more of ['', ' --log', ' --json']) clean(await ws.rays(`${line}${more}`))
  }

  test('in rows that an error tells of', async () => {
    await ws.sql(`INSERT INTO "User" (id, name) VALUES (1, ${literal(ODD)})`)
    await ws.sql(`INSERT INTO "User" (id, name) VALUES (2, ${literal(ODD)})`)
    migration(
      '29990101000000_unique',
      `module.exports = [[async ({ client }) => { await client.execute(${JSON.stringify(
        on.provider === 'mysql' ? 'CREATE UNIQUE INDEX u ON `User` (name)' : 'CREATE UNIQUE INDEX u ON "User" (name)',
      )}) }, null]]`,
    )
    await everywhere('migrate --no-generate')
  })

  test('in an error that code throws, and in a statement of its own', async () => {
    migration(
      '29990101000000_code',
      `module.exports = [[async ({ client }) => { await client.query(${JSON.stringify(`SELECT ${literal(ODD)} AS x`)}); throw new Error(${JSON.stringify(ODD)}) }, null]]`,
    )
    await everywhere('migrate --no-generate')
    await everywhere('status')
    // A pipe gets what is in the file.
    const sql = await ws.rays(['sqlmigrate', 'code', '--json'])
    clean(sql)
  })

  test('in the names and notes of the history', async () => {
    const values = `'x', '1', ${literal(`29990101000000_${ODD}`)}, ${literal(ODD)}, 0`
    await ws.sql(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, logs, applied_steps_count) VALUES (${values})`,
    )
    for (const line of ['status', 'migrate', 'migrate --plan', 'migrate --name -1 --plan', 'doctor', 'rollback --plan'])
      await everywhere(line)
    const { stdout } = await ws.rays('status')
    expect(stdout).toContain('\\x1b[2J')
  })

  test('in the names of folders and files', async () => {
    const odd = ODD.replaceAll('/', '')
    migration(`29990101000000_${odd}`, 'module.exports = []')
    for (const line of ['status', 'migrate --plan', 'migrate --no-generate', 'up --preview']) await everywhere(line)
    clean(await ws.rays(['sqlmigrate', odd.slice(0, 9)]))
    clean(await ws.rays(['migrate', '--name', ODD]))
    clean(await ws.rays([ODD]))
    clean(await ws.rays(['--conf', ODD, 'status']))
    clean(await ws.rays(['status', `--${ODD}`]))
    clean(await ws.rays(['status', `--json=${ODD}`]))
  })

  test('in the names of tables and columns', async () => {
    const q = on.provider === 'mysql' ? '`' : '"'
    const name = `a${ODD.slice(0, 30)}`.trim()
    const done = await ws.sql(`CREATE TABLE ${q}${name}${q} (${q}${name}${q} int)`).catch(() => undefined)
    if (done === undefined) return
    for (const line of ['status', 'doctor', 'push', 'prepare', 'migrate --no-generate']) await everywhere(line)
  })
})
