/** A changed `@default` reaches the database, whichever kinds of literals stand on both sides. */
import type { Connection } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import type { SchemaState } from '../../engines/schema-engine.js'
import { createSchemaEngine } from '../../src/schema/schema-engine.js'
import { connectOptions, describeDatabases, type FreshDatabase } from '../support/databases.js'

const NEW_YEAR = '"2026-01-01T00:00:00.000Z"'
const MAY = '"2026-05-01T00:00:00.000Z"'

describeDatabases('a default that changes', ({ provider, fresh: make }) => {
  let fresh: FreshDatabase
  let connection: Connection
  beforeEach(async () => {
    fresh = await make()
    connection = await (await engineFor(provider)).connect(fresh.url, connectOptions)
  })
  afterEach(async () => {
    await connection.close()
    await fresh.drop()
  })
  const schema = (type: string, value: string): SchemaState & { kind: 'schema' } => ({
    kind: 'schema',
    files: [
      {
        path: 'schema.prisma',
        content: `datasource db {\n  provider = "${provider}"\n}\n\nmodel M {\n  id Int  @id\n  x  ${type} @default(${value})\n}\n`,
      },
    ],
  })

  test.each([
    ['a time to another', 'DateTime', NEW_YEAR, 'DateTime', MAY],
    ['a time to now', 'DateTime', NEW_YEAR, 'DateTime', 'now()'],
    ['a time to a text', 'DateTime', NEW_YEAR, 'String', '"never"'],
    ['a time to a number', 'DateTime', NEW_YEAR, 'Int', '7'],
    ['a document to another', 'Json', '"{}"', 'Json', '"[1]"'],
    ['a document to a text', 'Json', '"{}"', 'String', '"none"'],
    ['a document with quotes to a plain one', 'Json', `"{\\"a\\": \\"it's\\"}"`, 'Json', '"5"'],
    ['a number to another', 'Int', '7', 'Int', '8'],
    ['a number to a text', 'Int', '7', 'String', '"7"'],
  ])('from %s, and back', async (_, type, value, nextType, nextValue) => {
    const engine = await createSchemaEngine('wasm', await engineFor(provider), { root: '/', schemaPath: '/x' })
    const [before, after] = [schema(type, value), schema(nextType, nextValue)]
    const build = async (...steps: SchemaState[]) => {
      await connection.reset(['public'])
      let from: SchemaState = { kind: 'empty' }
      for (const to of steps) {
        await connection.script((await engine.diff(from, to)).script)
        from = to
      }
      const last = steps.at(-1)
      if (last?.kind !== 'schema') throw new Error('no schema')
      const live: SchemaState = { kind: 'database', connection, context: last.files }
      expect(await engine.diff(live, last)).toMatchObject({ empty: true })
      return (await connection.engine.structure(connection, ['public'])).lines
    }
    expect(await build(before, after)).toEqual(await build(after))
    expect(await build(before, after, before)).toEqual(await build(before))
    expect((await engine.diff(after, after)).empty).toBe(true)
  })
})
