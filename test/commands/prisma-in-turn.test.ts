/** The real Prisma CLI and rays take turns on one database, and neither notices the other. */
import { describeDatabases, history } from '../support/databases.js'
import { prisma } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const FIRST = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}'
const SECOND =
  'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n  name  String @default("nobody")\n  posts Post[]\n}\nmodel Post {\n  id       Int  @id\n  authorId Int\n  author   User @relation(fields: [authorId], references: [id], onDelete: Cascade)\n}'

const CONFIG = `import { defineConfig, env } from 'prisma/config'
export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: env('DATABASE_URL') } })
`

describeDatabases(
  'Prisma and rays in turn',
  (on) => {
    const schema = (models: string) => `datasource db {\n  provider = "${on.provider}"\n}\n\n${models}\n`
    const open = () => workspace(on, { schema: schema(FIRST), files: { 'prisma.config.ts': CONFIG } })
    const run = (ws: Workspace, line: string) => prisma(ws.project.folder, line.split(' '), { url: ws.db.href })
    const upToDate = async (ws: Workspace) => {
      const status = await run(ws, 'migrate status')
      expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('Database schema is up to date!')])
      const deploy = await run(ws, 'migrate deploy')
      expect([deploy.code, deploy.stdout]).toEqual([0, expect.stringContaining('No pending migrations to apply')])
      const diff = await run(ws, 'migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code')
      expect([diff.code, diff.stdout]).toEqual([0, expect.stringContaining('No difference detected')])
    }

    test('what rays migrated is up to date for Prisma, up, down and up again', async () => {
      const ws = await open()
      try {
        await ws.ok('makemigration --name first')
        await ws.ok('migrate')
        await upToDate(ws)
        ws.project.write({ 'prisma/schema.prisma': schema(SECOND) })
        await ws.ok('makemigration --name second')
        const pending = await run(ws, 'migrate status')
        expect([pending.code, pending.stdout]).toEqual([1, expect.stringContaining('have not yet been applied')])
        await ws.ok('migrate')
        await upToDate(ws)
        await ws.ok('migrate --name first --y')
        const back = await run(ws, 'migrate status')
        expect([back.code, back.stdout]).toEqual([1, expect.stringContaining('have not yet been applied')])
        // Prisma goes forward over what rays took back; rays finds nothing left to do.
        expect((await run(ws, 'migrate deploy')).code).toBe(0)
        expect((await ws.ok('migrate')).stdout).toContain('Nothing to do')
        await upToDate(ws)
        await ws.ok('status --strict')
        // And rays goes back over what Prisma applied.
        await ws.ok('migrate --name zero --y')
        expect(await ws.tables()).toEqual([])
        expect(await history(ws.db)).toEqual([])
      } finally {
        await ws.drop()
      }
    })

    test('a database that Prisma deployed is taken over without a word', async () => {
      const ws = await open()
      try {
        const made = await run(ws, 'migrate dev --name first')
        expect([made.code, made.stderr]).toEqual([0, expect.any(String)])
        const taken = await ws.ok('migrate')
        expect(taken.stdout).toContain('Nothing to do')
        expect(taken.stderr).toBe('')
        await ws.sql(`INSERT INTO "User" (email) VALUES ('ada')`)
        ws.project.write({ 'prisma/schema.prisma': schema(SECOND) })
        await ws.ok('makemigration --name second')
        await ws.ok('migrate')
        await upToDate(ws)
        expect(await ws.sql('SELECT email, name FROM "User"')).toEqual([{ email: 'ada', name: 'nobody' }])
        await ws.ok('migrate --name -1 --y')
        expect(await ws.sql('SELECT email FROM "User"')).toEqual([{ email: 'ada' }])
      } finally {
        await ws.drop()
      }
    })

    test('--fake writes the very row that prisma migrate resolve --applied writes', async () => {
      const ws = await open()
      try {
        await ws.ok('makemigration --name first')
        await ws.ok('push')
        const [folder] = ws.folders()
        await ws.ok('migrate --fake')
        const facts = async () =>
          (await history(ws.db)).map((row) => {
            const record = row as unknown as Record<string, unknown>
            return { ...record, id: null, started_at: null, finished_at: null, startedAt: null, finishedAt: null }
          })
        const ours = await facts()
        expect(ours).toHaveLength(1)
        await upToDate(ws)
        await ws.ok('migrate --fake --name zero')
        expect((await run(ws, `migrate resolve --applied ${folder}`)).code).toBe(0)
        expect(await facts()).toEqual(ours)
        await ws.ok('status --strict')
      } finally {
        await ws.drop()
      }
    })

    test('a migration that failed in Prisma stops rays with exit 3, and the commands that it names lead on', async () => {
      const ws = await open()
      try {
        await ws.ok('makemigration --name first')
        const [folder] = ws.folders()
        const good = ws.migration('first', 'migration.sql')
        const file = `prisma/migrations/${folder}/migration.sql`
        ws.project.write({ [file]: 'SELECT * FROM nowhere_at_all;' })
        expect((await run(ws, 'migrate deploy')).code).toBe(1)
        ws.project.write({ [file]: good })
        const refused = await ws.fails(3, 'migrate')
        expect(refused.stderr).toContain(folder)
        expect(refused.stderr).toContain('resolve --rolled-back')
        expect((await run(ws, `migrate resolve --rolled-back ${folder}`)).code).toBe(0)
        await ws.ok('migrate')
        await upToDate(ws)
      } finally {
        await ws.drop()
      }
    })

    test('the baseline that rays prepares is one for Prisma', async () => {
      const ws = await open()
      try {
        await ws.ok('push')
        await ws.sql(`INSERT INTO "User" (email) VALUES ('ada')`)
        await ws.ok('prepare')
        await upToDate(ws)
        expect(await ws.sql('SELECT email FROM "User"')).toEqual([{ email: 'ada' }])
      } finally {
        await ws.drop()
      }
    })
  },
  (provider) => provider !== 'mysql',
)
