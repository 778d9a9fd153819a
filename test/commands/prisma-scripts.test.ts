/** What `prisma migrate deploy` runs, rays runs: folders with a migration.sql alone. */
import { describeDatabases } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

describeDatabases(
  'a folder of Prisma',
  (on) => {
    let ws: Workspace
    beforeEach(async () => {
      ws = await workspace(on, {
        schema:
          'enum Kind {\n  A\n  B\n}\n\nmodel Item {\n  id   Int  @id\n  kind Kind @default(B)\n  n    Int?\n\n  @@index([n])\n}\n',
        config: { generate: false },
      })
      write(
        '20250101000000_init',
        `CREATE TYPE "Kind" AS ENUM ('A');\nCREATE TABLE "Item" ("id" INTEGER NOT NULL, "kind" "Kind" NOT NULL DEFAULT 'A', "n" INTEGER, CONSTRAINT "Item_pkey" PRIMARY KEY ("id"));\n`,
      )
      write('20250102000000_index', '-- on a large table\nCREATE INDEX CONCURRENTLY "Item_n_idx" ON "Item"("n");\n')
      write(
        '20250103000000_kind',
        `BEGIN;\nALTER TYPE "Kind" ADD VALUE 'B';\nCOMMIT;\n\nALTER TABLE "Item" ALTER COLUMN "kind" SET DEFAULT 'B';\n`,
      )
    })
    afterEach(() => ws.drop())
    const write = (name: string, script: string) =>
      ws.project.write({
        [`prisma/migrations/${name}/migration.sql`]: script,
        'prisma/migrations/migration_lock.toml': 'provider = "postgresql"\n',
      })

    test('with statements that no transaction takes is applied whole, and the plan says how', async () => {
      const plan = await ws.ok('migrate --plan')
      expect(plan.stderr).toMatch(/Outside of a transaction.*20250102000000_index, 20250103000000_kind\./)
      await ws.ok('migrate')
      expect(await ws.applied()).toEqual(['init', 'index', 'kind'])
      await ws.sql('INSERT INTO "Item" ("id") VALUES (1)')
      expect(await ws.sql('SELECT "kind" FROM "Item"')).toEqual([{ kind: 'B' }])
      await ws.ok('status --check')
      // Replays run it in the same way.
      await ws.ok('makemigration --check --from migrations')
      await ws.ok('adopt')
      await ws.ok('doctor --check')
      await ws.sql('DELETE FROM "Item"')
      await ws.ok('migrate --name init --y')
      await ws.ok('migrate')
      await ws.ok('status --check')
    })

    test('that has committed something before it fails is left to a person, and never called undone', async () => {
      await ws.ok('migrate')
      write(
        '20250104000000_half',
        'BEGIN;\nINSERT INTO "Item" ("id") VALUES (1);\nCOMMIT;\nDROP INDEX CONCURRENTLY "gone";\n',
      )
      const failed = await ws.fails(3, 'migrate')
      expect(failed.stderr).not.toMatch(/as it was before/)
      expect(await ws.sql('SELECT "id" FROM "Item"')).toEqual([{ id: 1 }])
      await ws.fails(3, 'migrate')
    })

    test('that ends inside a transaction is not recorded as applied', async () => {
      await ws.ok('migrate')
      for (const script of [
        'BEGIN;\nINSERT INTO "Item" ("id") VALUES (1);\nROLLBACK;\nBEGIN;\nINSERT INTO "Item" ("id") VALUES (2);\n',
        'BEGIN;\nINSERT INTO "Item" ("id") VALUES (3);\nCOMMIT AND CHAIN;\nINSERT INTO "Item" ("id") VALUES (4);\n',
      ]) {
        write('20250104000000_open', script)
        const { code, stderr } = await ws.rays('migrate')
        expect({ code: code === 1 || code === 3, stderr }).toEqual({
          code: true,
          stderr: expect.stringMatching(/ends inside a transaction/),
        })
        expect(await ws.applied()).toEqual(['init', 'index', 'kind'])
        expect(await ws.sql('SELECT "id" FROM "Item" WHERE "id" IN (2, 4)')).toEqual([])
        await ws.sql(`DELETE FROM "_prisma_migrations" WHERE migration_name LIKE '%open'`)
      }
    })

    test('that fails half-way outside of a transaction says so, and goes on', async () => {
      write('20250104000000_two', 'DROP INDEX CONCURRENTLY "Item_gone_idx";\n')
      const failed = await ws.fails(1, 'migrate')
      expect(failed.stderr).toMatch(/Item_gone_idx/)
      expect(failed.stderr).not.toMatch(/Take the migration out of it/)
      expect(await ws.applied()).toEqual(['init', 'index', 'kind'])
      write('20250104000000_two', 'DROP INDEX CONCURRENTLY "Item_n_idx";\n')
      await ws.ok('migrate')
      expect(await ws.applied()).toEqual(['init', 'index', 'kind', 'two'])
    })
  },
  (provider) => provider === 'postgresql',
)
