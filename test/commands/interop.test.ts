/** Prisma and rays on one project: folders by both, files that a checkout has touched. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, history } from '../support/databases.js'
import { prisma } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const CONFIG = `import { defineConfig, env } from 'prisma/config'
export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: env('DATABASE_URL') } })
`
const user = (...fields: string[]) =>
  `model User {\n  id    Int    @id @default(autoincrement())\n${fields.map((field) => `  ${field}\n`).join('')}}`

describeDatabases('a project that Prisma and rays share', (on) => {
  const schema = (models: string) => `datasource db {\n  provider = "${on.provider}"\n}\n\n${models}\n`
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: schema(user('email String @unique')), files: { 'prisma.config.ts': CONFIG } })
  })
  afterEach(() => ws.drop())
  const write = (...fields: string[]) => ws.project.write({ 'prisma/schema.prisma': schema(user(...fields)) })
  const run = (line: string) => prisma(ws.project.folder, line.split(' '), { url: ws.db.href })
  const agree = async () => {
    const status = await run('migrate status')
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('Database schema is up to date!')])
    const diff = await run('migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code')
    expect([diff.code, diff.stdout]).toEqual([0, expect.stringContaining('No difference detected')])
    await ws.ok('status --strict')
  }
  const script = (name: string) => path.join(ws.project.folder, 'prisma/migrations', ws.folder(name), 'migration.sql')

  test('folders by both in any order: each goes on from the other, and rays goes back over its own', async () => {
    await ws.ok('makemigration --name first')
    await ws.ok('migrate')
    write('email String @unique', 'name  String?')
    const second = await run('migrate dev --name second')
    expect([second.code, second.stderr]).toEqual([0, expect.not.stringContaining('Error')])
    expect((await ws.ok('migrate')).stdout).toContain('Nothing to do')
    await agree()
    // Prisma's folder has no snapshot, so rays replays the migrations to know where it stands.
    write('email String @unique', 'name  String?', 'age   Int?')
    await ws.ok('makemigration --name third')
    expect((await run('migrate deploy')).code).toBe(0)
    expect(await ws.applied()).toEqual(['first', 'second', 'third'])
    await agree()
    await ws.ok('migrate --name -1 --y')
    expect(await ws.applied()).toEqual(['first', 'second'])
    const back = await ws.fails(2, 'migrate --name -1 --y')
    expect(back.stderr).toContain('rays adopt')
    expect(await ws.applied()).toEqual(['first', 'second'])
    await ws.ok('migrate')
    await agree()
  }, 180_000)

  test('a checkout that changes the ends of lines changes no migration; an edit does', async () => {
    await ws.ok('makemigration --name first')
    await ws.ok('migrate')
    const text = ws.migration('first', 'migration.sql')
    writeFileSync(script('first'), text.replaceAll('\n', '\r\n'))
    expect((await ws.ok('migrate')).stderr).not.toContain('edited')
    await agree()
    expect((await run('migrate dev --name nothing')).stdout).not.toContain('modified')
    writeFileSync(script('first'), `${text}-- later\n`)
    expect((await ws.ok('migrate')).stderr).toContain('was edited after it was applied')
    await ws.fails(1, 'status --strict')
    const dev = await run('migrate dev --name nothing')
    expect(dev.stdout + dev.stderr).toMatch(/modified after it was applied/)
  }, 120_000)

  test('a migration that failed in Prisma and was put right by hand is accepted with --fake, as by resolve', async () => {
    await ws.ok('makemigration --name first')
    const text = ws.migration('first', 'migration.sql')
    writeFileSync(script('first'), 'SELECT * FROM nowhere_at_all;\n')
    expect((await run('migrate deploy')).code).toBe(1)
    writeFileSync(script('first'), text)
    const refused = await ws.fails(3, 'migrate')
    expect(refused.stderr).toContain('rays migrate --fake')
    await ws.ok('push --y')
    await ws.ok('migrate --fake')
    const rows = await history(ws.db)
    expect(rows).toHaveLength(2)
    expect(rows.filter((row) => row.rolled_back_at !== null)).toHaveLength(1)
    await agree()
    expect((await run('migrate deploy')).code).toBe(0)
  }, 120_000)
})
