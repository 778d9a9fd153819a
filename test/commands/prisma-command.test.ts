/** `rays prisma -- <command>`: Prisma's own command line, offline, on every database. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { project } from '../support/project.js'
import { type Workspace, workspace } from '../support/workspace.js'

const MODEL = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}'
const CONFIG = `import { defineConfig, env } from 'prisma/config'
export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: env('DATABASE_URL') } })
`

describeDatabases('rays prisma', (on) => {
  const schema = (models: string) => `datasource db {\n  provider = "${on.provider}"\n}\n\n${models}\n`
  let ws: Workspace
  beforeEach(async () => {
    ws = await workspace(on, { schema: schema(MODEL), files: { 'prisma.config.ts': CONFIG } })
  })
  afterEach(() => ws.drop())

  test("runs the project's own Prisma offline and ends as it ends", async () => {
    const made = await ws.ok('prisma -- migrate dev --name first')
    expect(made.stdout).toContain('in sync with your schema')
    expect((await ws.ok('prisma -- migrate status')).stdout).toContain('up to date')
    expect((await ws.ok('prisma -- migrate deploy')).stdout).toContain('No pending migrations')
    ws.project.write({ 'prisma/schema.prisma': schema(MODEL.replace('@unique', '@unique\n  name  String?')) })
    const diff = 'migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code'
    expect((await ws.fails(2, `prisma -- ${diff} --script`)).stdout).toMatch(/ADD COLUMN +["`]name/)
    await ws.ok('prisma -- db push')
    const failed = await ws.fails(1, 'prisma -- migrate resolve --applied nothing')
    expect(failed.stderr).toContain('P3017')
    // Without options of its own the command needs no `--`.
    await ws.ok('prisma migrate status')
  }, 120_000)

  test('takes the database from where rays has it, unless the environment says otherwise', async () => {
    ws.project.write({ '.env': `DATABASE_URL=${JSON.stringify(ws.db.href)}\n` })
    await ws.ok('makemigration --name first')
    await ws.ok('prisma -- migrate deploy', { env: { DATABASE_URL: undefined } })
    expect(await ws.tables()).toEqual(['User'])
  }, 60_000)
})

describe('rays prisma', () => {
  test('without a command, without Prisma: says which command helps, exit 2', async () => {
    const made = project({ provider: 'sqlite', schema: MODEL, url: 'file:./dev.db' })
    const folder = mkdtempSync(path.join(tmpdir(), 'rays-no-prisma-'))
    try {
      const bare = await made.rays(['prisma'])
      expect([bare.code, bare.stderr]).toEqual([2, expect.stringContaining('rays prisma -- migrate status')])
      writeFileSync(path.join(folder, 'package.json'), '{}\n')
      const missing = await made.rays(['prisma', '--', 'migrate', 'status'], { cwd: folder })
      expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('npm install --save-dev prisma')])
    } finally {
      made.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test("Prisma's options are Prisma's, and rays' help is rays'", async () => {
    const made = project({ provider: 'sqlite', schema: MODEL, url: 'file:./dev.db' })
    try {
      const theirs = await made.rays(['prisma', '--', '--help'])
      expect([theirs.code, theirs.stdout]).toEqual([0, expect.stringContaining('prisma [command]')])
      const ours = await made.rays(['prisma', '--help'])
      expect([ours.code, ours.stdout]).toEqual([0, expect.stringContaining('rays prisma -- migrate status')])
      const version = await made.rays(['prisma', '--', '--version'])
      expect(version.stdout).toMatch(/prisma +: 7\./)
    } finally {
      made.remove()
    }
  })
})
