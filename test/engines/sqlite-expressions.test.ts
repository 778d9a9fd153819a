/** SQLite: what a column's default computes is computed again wherever its table is made anew, and is never text. */
import type { Connection } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import type { SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { createSchemaEngine } from '../../src/schema/schema-engine.js'
import { connectOptions, describeDatabases, type FreshDatabase } from '../support/databases.js'

const EXPRESSIONS = [
  'CURRENT_TIMESTAMP',
  'CURRENT_DATE',
  'current_time',
  '(CURRENT_TIMESTAMP)',
  "(datetime('now'))",
  "(datetime('now', 'localtime'))",
  '(unixepoch())',
  '(lower(hex(randomblob(4))))',
  "(lower(hex(randomblob(4))) || '-' || substr('89ab', abs(random()) % 4 + 1, 1))",
  "('a' || 'it''s \"b\" \\ (')",
  '((1) + (2))',
  '( ( 1 + 2 ) )',
  '(json_object())',
  "(CAST('1' AS TEXT))",
  "('ü' || '😀')",
]
const TYPES = ['TEXT', 'VARCHAR(20)', 'INTEGER', 'BIGINT', 'REAL', 'DECIMAL', 'BOOLEAN', 'DATETIME', 'BLOB', 'JSONB']
const LITERALS = [
  ['TEXT', "'datetime(''now'')'"],
  ['TEXT', "'(unixepoch())'"],
  ['TEXT', "'it''s'"],
  ['TEXT', "'CURRENT_TIMESTAMP'"],
  ['TEXT', "'__rays_expression_00'"],
  ['INTEGER', '-1'],
  ['INTEGER', '(5)'],
  ['REAL', '1.5'],
  ['BOOLEAN', 'true'],
] as const

describeDatabases(
  'default expressions',
  ({ fresh: make }) => {
    let fresh: FreshDatabase
    let connection: Connection
    beforeEach(async () => {
      fresh = await make()
      connection = await (await engineFor('sqlite')).connect(fresh.url, connectOptions)
    })
    afterEach(async () => {
      await connection.close()
      await fresh.drop()
    })
    const blank: SchemaFile[] = [{ path: 'schema.prisma', content: 'datasource db {\n  provider = "sqlite"\n}\n' }]
    const planner = async () =>
      createSchemaEngine('wasm', await engineFor('sqlite'), { root: '/', schemaPath: '/x', namespace: 'main' })
    const schema = (files: readonly SchemaFile[]): SchemaState => ({ kind: 'schema', files })
    const live = (files: readonly SchemaFile[]): SchemaState => ({ kind: 'database', connection, context: files })
    const defaults = async () =>
      (await connection.raw("SELECT dflt_value AS text FROM pragma_table_info('t') WHERE name LIKE 'c%'")).map((row) =>
        String(row.text)
          .replace(/\s+/g, '')
          .replace(/^\((.*)\)$/, '$1'),
      )

    test.each(TYPES)('a %s keeps each of them: read, made, compared, and built anew', async (type) => {
      const columns = EXPRESSIONS.map((text, i) => `c${i} ${type} DEFAULT ${text}`)
      await connection.script(`CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, ${columns.join(', ')})`)
      const before = await defaults()
      const engine = await planner()
      const files = await engine.introspect(connection, blank)
      const text = files.map(({ content }) => content).join('')
      expect(text.match(/@default\((?:dbgenerated\("|now\(\))/g)).toHaveLength(EXPRESSIONS.length)
      expect(text).not.toContain('__rays')
      await engine.validate(files)
      expect(await engine.diff(live(files), schema(files))).toMatchObject({ empty: true })
      expect(await engine.diff(schema(files), schema(files))).toMatchObject({ empty: true })
      const { script } = await engine.diff({ kind: 'empty' }, schema(files))
      await connection.reset()
      await connection.script(script)
      expect(await engine.diff(live(files), schema(files))).toMatchObject({ empty: true })
      // What is the present time is written in one way.
      const same = (all: readonly string[]) => all.map((each) => each.replace("datetime('now')", 'CURRENT_TIMESTAMP'))
      expect(type === 'DATETIME' ? same(await defaults()) : await defaults()).toEqual(
        type === 'DATETIME' ? same(before) : before,
      )
      // Steps that add a column, and build the table anew.
      const made = await defaults()
      const withField = (field: string) =>
        schema(
          files.map((file) => ({ ...file, content: file.content.replace(/^(\s+id\s+Int.*)$/m, `$1\n  ${field}`) })),
        )
      const steps = [schema(files), withField('u Int @default(1)'), withField('u Int @default(2)')]
      for (const [i, to] of steps.slice(1).entries()) {
        const { script, summary } = await engine.diff(steps[i]!, to)
        expect([script.includes('new_t'), `${script}${summary}`.includes('__rays')]).toEqual([true, false])
        await connection.script(script)
        expect(await defaults()).toEqual(made)
      }
    })

    test.each(LITERALS)('a %s with the value %s keeps the value', async (type, text) => {
      await connection.script(
        `CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, c ${type} DEFAULT ${text})`,
      )
      const value = async () => {
        await connection.script('INSERT INTO t (id) VALUES (NULL)')
        return (await connection.raw('SELECT c, typeof(c) AS t FROM t'))[0]
      }
      const before = await value()
      const engine = await planner()
      const files = await engine.introspect(connection, blank)
      expect(files.map(({ content }) => content).join('')).not.toContain('dbgenerated')
      expect(await engine.diff(live(files), schema(files))).toMatchObject({ empty: true })
      const { script } = await engine.diff({ kind: 'empty' }, schema(files))
      await connection.reset()
      await connection.script(script)
      expect(await value()).toEqual(before)
    })

    test.each(['String', 'Int', 'DateTime', 'Json'])(
      'a new %s field with an expression goes into a table with rows, from a schema and from the database',
      async (type) => {
        const engine = await planner()
        const files = (fields: string) => [
          {
            path: 'schema.prisma',
            content: `${blank[0]!.content}\nmodel t {\n  id Int @id @default(autoincrement())\n${fields}}\n`,
          },
        ]
        const [one, two] = [files(''), files(`  c ${type} @default(dbgenerated("(datetime('now', 'localtime'))"))\n`)]
        for (const from of [schema(one), live(one)]) {
          await connection.reset()
          await connection.script((await engine.diff({ kind: 'empty' }, schema(one))).script)
          await connection.script('INSERT INTO t DEFAULT VALUES')
          await connection.script((await engine.diff(from, schema(two))).script)
          await connection.script('INSERT INTO t DEFAULT VALUES')
          const rows = await connection.raw('SELECT c FROM t ORDER BY id')
          expect(rows[1]).toEqual({ c: expect.stringMatching(/^\d{4}-/) })
          expect(await engine.diff(live(two), schema(two))).toMatchObject({ empty: true })
        }
      },
    )

    test('an expression in place of a text, and back, is a change that is made', async () => {
      const engine = await planner()
      const files = (value: string) => [
        {
          path: 'schema.prisma',
          content: `${blank[0]!.content}\nmodel t {\n  id Int @id\n  c String @default(${value})\n}\n`,
        },
      ]
      const [text, computed] = [files('"CURRENT_DATE"'), files('dbgenerated("(CURRENT_DATE)")')]
      await connection.script((await engine.diff({ kind: 'empty' }, schema(text))).script)
      for (const [from, to, value] of [
        [text, computed, 'CURRENT_DATE'],
        [computed, text, "'CURRENT_DATE'"],
      ] as const) {
        expect(await engine.diff(live(from), schema(to))).toMatchObject({ empty: false })
        const step = await engine.diff(schema(from), schema(to))
        await connection.script(step.script)
        expect(await defaults()).toEqual([value])
        expect(await engine.diff(live(to), schema(to))).toMatchObject({ empty: true })
      }
    })
  },
  (provider) => provider === 'sqlite',
)
