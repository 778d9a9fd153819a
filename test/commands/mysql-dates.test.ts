import { describeDatabases } from '../support/databases.js'
import { project } from '../support/project.js'

describeDatabases(
  'dates that are none',
  (database) => {
    test('do not end the proof: MySQL gives 0000-00-00 to the rows of a new required column', async () => {
      const db = await database.fresh()
      const before = 'model A {\n  id Int @id\n}\n'
      const app = project({ provider: db.provider, url: db.href, schema: before, config: { generate: false } })
      try {
        expect((await app.rays(['makemigration', '--name', 'a'])).code).toBe(0)
        app.schema('model A {\n  id Int @id\n  at DateTime\n}\n')
        const made = await app.rays(['makemigration', '--name', 'at'])
        expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        expect(made.stderr).toContain('A.at is added as required without a default')
      } finally {
        app.remove()
        await db.drop()
      }
    })
  },
  (provider) => provider === 'mysql',
)
