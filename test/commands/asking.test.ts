import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { databases } from '../support/databases.js'
import { project } from '../support/project.js'
import { hasTerminal, raysInTerminal } from '../support/terminal.js'

const V1 = 'model User {\n  id   Int    @id @default(autoincrement())\n  name String\n}\n'
const sqlite = databases.find(({ provider }) => provider === 'sqlite')!
const inTerminal = hasTerminal && sqlite.available ? describe : describe.skip

inTerminal('with a terminal', () => {
  test('save asks for the name, renames and values; up asks whether to go on', async () => {
    const db = await sqlite.fresh()
    const app = project({ provider: 'sqlite', url: db.href, schema: V1, config: { generate: false } })
    const run = (args: string[], answers: { to: RegExp; type: string }[]) =>
      raysInTerminal(app.folder, db.href, args, answers)
    try {
      const saved = await run(['save', '--no-verify'], [{ to: /Name of the migration/, type: 'start here\r' }])
      expect(saved.code).toBe(0)
      expect(saved.shown).toMatch(/\d{14}_start_here/)
      const no = await run(['up'], [{ to: /Apply 1 migration\?/, type: 'n\r' }])
      expect(no.code).toBe(130)
      expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'User'")).toEqual([])
      const yes = await run(['up'], [{ to: /Apply 1 migration\?/, type: 'y\r' }])
      expect(yes.code).toBe(0)
      await db.query(`INSERT INTO "User" (name) VALUES ('Ada')`)

      app.schema(V1.replace('name String', 'fullName String\n  age Int'))
      const changed = await run(
        ['save', 'change', '--no-verify'],
        [
          { to: /Was User.name renamed to User.fullName\?/, type: 'y\r' },
          { to: /User.age is required and new; 1 row/, type: '40 + 2\r' },
        ],
      )
      expect(changed.code).toBe(0)
      expect((await run(['up', '--auto-approve'], [])).code).toBe(0)
      expect(await db.query('SELECT "fullName", age FROM "User"')).toEqual([{ fullName: 'Ada', age: 42 }])
      const newest = readdirSync(path.join(app.folder, 'prisma/migrations'))
        .filter((name) => /^\d/.test(name))
        .at(-1)!
      const readme = readFileSync(path.join(app.folder, 'prisma/migrations', newest, 'README.md'), 'utf8')
      expect(readme).toContain('erDiagram')
    } finally {
      app.remove()
      await db.drop()
    }
  })
})
