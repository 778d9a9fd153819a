import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { project } from '../support/project.js'

const CAT =
  'model Cat {\n  id Int @id\n  ownerId Int\n  owner Owner @relation(fields: [ownerId], references: [id])\n}\n'
const OWNER = 'model Owner {\n  id Int @id\n  email String @unique\n  cats Cat[]\n}\n'

describeDatabases('tables that are managed elsewhere', (database) => {
  test('are not written into a migration, and are there when it is proven that refers to them', async () => {
    const db = await database.fresh()
    const external = db.provider === 'postgresql' ? 'public.Owner' : 'Owner'
    const config = { generate: false, externalTables: [external] }
    const app = project({ provider: db.provider, url: db.href, schema: CAT + OWNER, config })
    try {
      const made = await app.rays(['makemigration', '--name', 'cats', '--json'])
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(made.json()).toMatchObject({ data: { migrations: [{ proof: 'proven' }] } })
      const folder = path.join(app.folder, 'prisma/migrations')
      const [name] = readdirSync(folder).filter((each) => /_cats$/.test(each))
      const sql = readFileSync(path.join(folder, String(name), 'migration.sql'), 'utf8')
      expect(sql).toMatch(/CREATE TABLE [`"]Cat[`"]/)
      expect(sql).not.toMatch(/CREATE TABLE [`"]Owner[`"]/)

      const q = (identifier: string) => (db.provider === 'mysql' ? `\`${identifier}\`` : `"${identifier}"`)
      await db.query(`CREATE TABLE ${q('Owner')} (${q('id')} INTEGER NOT NULL PRIMARY KEY)`)
      for (const args of [['migrate'], ['migrate', '--name', 'zero', '--yes'], ['migrate']]) {
        const run = await app.rays(args)
        expect({ args, code: run.code, stderr: run.stderr }).toMatchObject({ code: 0 })
      }
      await db.query(`SELECT ${q('ownerId')} FROM ${q('Cat')}`)
    } finally {
      app.remove()
      await db.drop()
    }
  })
})
