/** `schemaEngine: 'prisma-cli'`: the project's own Prisma diffs, and nothing else changes. */

import { engineStandIn } from '../../src/schema/prisma-cli.js'
import { describeDatabases } from '../support/databases.js'
import { workspace } from '../support/workspace.js'

const FIRST = `model User {
  id    Int    @id @default(autoincrement())
  email String @unique
}
`
const SECOND = `model User {
  id    Int     @id @default(autoincrement())
  email String  @unique
  name  String?
  posts Post[]
}

model Post {
  id       Int    @id @default(autoincrement())
  title    String @default("none")
  author   User   @relation(fields: [authorId], references: [id], onDelete: Cascade)
  authorId Int

  @@index([title, authorId])
}
`

describeDatabases('the two schema engines', (on) => {
  const schema = (models: string) => `datasource db {\n  provider = "${on.provider}"\n}\n\n${models}`
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: engineStandIn()!, CHECKPOINT_DISABLE: '1' }

  /** Two migrations up and one down, and what was written for them. */
  async function work(schemaEngine: 'wasm' | 'prisma-cli') {
    const ws = await workspace(on, {
      schema: schema(FIRST),
      files: {
        'prisma.config.ts': `export default { schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } }\n`,
      },
      config: { schemaEngine, generate: false },
    })
    try {
      await ws.ok('makemigration --name first --no-verify', { env, limitMs: 120_000 })
      await ws.ok('migrate', { env })
      ws.project.write({ 'prisma/schema.prisma': schema(SECOND) })
      await ws.ok('makemigration --name second', { env, limitMs: 120_000 })
      await ws.ok('migrate', { env })
      const status = await ws.ok('status --check', { env, limitMs: 120_000 })
      expect(status.stdout).toContain('Everything is in step')
      await ws.ok('migrate --name first --y', { env })
      return {
        scripts: ['first', 'second'].map((name) => ws.migration(name, 'migration.sql')),
        // The folder that a migration follows is named by the second it was made in.
        code: ['first', 'second'].map((name) => ws.migration(name).replace(/Follows \d{14}_/, 'Follows <time>_')),
        tables: await ws.tables(),
      }
    } finally {
      await ws.drop()
    }
  }

  test('write the same migrations, and the way up and down is proven with either', async () => {
    const [wasm, cli] = [await work('wasm'), await work('prisma-cli')]
    expect(wasm.scripts[1]).toMatch(/CREATE TABLE ["`]Post/)
    expect({ scripts: cli.scripts, tables: cli.tables }).toEqual({ scripts: wasm.scripts, tables: wasm.tables })
    // On MySQL the downs of rays' planner say more than those read from a script.
    if (on.provider !== 'mysql') expect(cli.code).toEqual(wasm.code)
  }, 400_000)
})
