/**
 * Random schemas and random edits to them: for each edit makemigration writes a migration that is applied, undone and
 * applied again; the live schema is the snapshot at every point, and the rows that both schemas can hold are still there.
 */
import { rmSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import type { Host } from '../../src/commands/host.js'
import { makeMigration } from '../../src/commands/makemigration.js'
import { migrate } from '../../src/commands/migrate.js'
import { status } from '../../src/commands/status.js'
import { loadConfig } from '../../src/config/config.js'
import { FailedError } from '../../src/errors.js'
import { databases, type FreshDatabase } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

/** Schemas by database, 210 in all; RAYS_PROPERTY_RUNS multiplies them, RAYS_PROPERTY_SEED repeats a run. */
const RUNS = { sqlite: 90, postgresql: 70, mysql: 50 }
const TIMES = Number(process.env.RAYS_PROPERTY_RUNS ?? 1)
const SEED =
  process.env.RAYS_PROPERTY_SEED === undefined
    ? Math.floor(Math.random() * 2 ** 31)
    : Number(process.env.RAYS_PROPERTY_SEED)

interface Field {
  readonly name: string
  readonly type: 'Int' | 'String' | 'Boolean' | 'Float' | 'DateTime'
  readonly optional: boolean
  readonly default: boolean
  readonly index: boolean
}
interface Model {
  readonly name: string
  readonly fields: readonly Field[]
  /** The model that it refers to, by its place; -1 for none. */
  readonly parent: number
}
type Schema = readonly Model[]

const field = fc.record({
  name: fc.constantFrom('title', 'count', 'flag', 'size', 'at', 'order'),
  type: fc.constantFrom('Int' as const, 'String' as const, 'Boolean' as const, 'Float' as const, 'DateTime' as const),
  optional: fc.boolean(),
  default: fc.boolean(),
  index: fc.boolean(),
})
const model = fc.record({
  name: fc.constantFrom('User', 'Post', 'Tag', 'group', 'Comment'),
  fields: fc.uniqueArray(field, { selector: (each) => each.name, maxLength: 4 }),
  parent: fc.integer({ min: -1, max: 2 }),
})
const schema: fc.Arbitrary<Schema> = fc.uniqueArray(model, {
  selector: (each) => each.name,
  minLength: 1,
  maxLength: 3,
})

/** A schema and what becomes of it: some fields and models go, change or come. */
const history = fc.tuple(schema, schema).map(([first, other]): [Schema, Schema] => {
  const kept = first.filter((_, i) => i % 3 !== 2)
  const names = new Set(kept.map((each) => each.name))
  const changed = kept.map((each, i) => {
    const twin = other.find((candidate) => candidate.name === each.name) ?? other[i]
    if (!twin) return each
    const own = each.fields.slice(0, Math.max(1, each.fields.length - 1))
    const taken = new Set(own.map((f) => f.name))
    return { ...each, fields: [...own, ...twin.fields.filter((f) => !taken.has(f.name))], parent: twin.parent }
  })
  return [first, [...changed, ...other.filter((each) => !names.has(each.name))]]
})

const DEFAULTS = {
  Int: '7',
  String: '"some text"',
  Boolean: 'true',
  Float: '1.5',
  DateTime: '"2026-01-02T03:04:05.000Z"',
}

/** A value of each type that most other types can take. */
const VALUES = { Int: '7', String: "'5'", Boolean: 'true', Float: '1.5', DateTime: "'2026-01-02 03:04:05'" }
const DO_NOT_FIT =
  /\((?:22\w{3}|23\w{3}|42804|ER_TRUNCATED\w*|WARN_DATA_TRUNCATED|ER_WARN_DATA\w*|ER_BAD_NULL_ERROR|ER_INVALID_USE_OF_NULL|SQLITE_CONSTRAINT\w*)\)/

function print(models: Schema): string {
  return models
    .map((each) => {
      const parent = models[each.parent]
      const children = models.filter((child) => models[child.parent] === each)
      const lines = each.fields.map(
        (f) =>
          `  ${f.name} ${f.type}${f.optional ? '?' : ''}${f.default || !f.optional ? ` @default(${DEFAULTS[f.type]})` : ''}`,
      )
      if (parent)
        lines.push(
          `  of${parent.name}Id Int?`,
          `  parent ${parent.name}? @relation("${each.name}Parent", fields: [of${parent.name}Id], references: [id])`,
        )
      for (const child of children) lines.push(`  all${child.name} ${child.name}[] @relation("${child.name}Parent")`)
      for (const f of each.fields) if (f.index && f.type !== 'String') lines.push(`  @@index([${f.name}])`)
      return `model ${each.name} {\n  id Int @id\n${lines.join('\n')}\n}\n`
    })
    .join('\n')
}

function host(): Host & { said: string[] } {
  const said: string[] = []
  return {
    said,
    note: (message) => void said.push(message),
    warn: (message) => void said.push(message),
    progress: () => undefined,
    output: () => undefined,
    changes: () => undefined,
    canAsk: false,
    confirm: async () => true,
    ask: async () => 'x',
    signal: new AbortController().signal,
    now: () => new Date(),
  }
}

const q = (db: FreshDatabase, name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)

/** The ids of every table that is there, with the columns that both schemas have in the same form. */
async function data(db: FreshDatabase, models: Schema, other: Schema): Promise<string> {
  const lines: string[] = []
  for (const each of models) {
    const twin = other.find((candidate) => candidate.name === each.name)
    if (!twin) continue
    const same = each.fields.filter((f) =>
      twin.fields.some((g) => g.name === f.name && g.type === f.type && g.optional === f.optional),
    )
    const columns = ['id', ...same.map((f) => f.name)].map((name) => q(db, name)).join(', ')
    lines.push(
      `${each.name} ${JSON.stringify(await db.query(`SELECT ${columns} FROM ${q(db, each.name)} ORDER BY id`))}`,
    )
  }
  return lines.join('\n')
}

async function oneHistory(
  db: FreshDatabase,
  p: TestProject,
  [first, second]: [Schema, Schema],
  verify: boolean,
): Promise<void> {
  const config = await loadConfig({ cwd: p.folder, flags: {}, readDatasource: async () => undefined })
  const context = { config, host: host() }
  const inSync = async (where: string) => {
    const now = await status(context)
    expect({ where, drift: now.drift }).toEqual({ where, drift: { state: 'none', summary: '' } })
  }
  p.schema(print(first))
  await makeMigration(context, { name: 'first', verify })
  await migrate(context, { y: true, generate: false })
  await inSync('after the first')
  for (const each of first)
    for (const id of [1, 2]) {
      const columns = ['id', ...each.fields.map((f) => f.name)].map((name) => q(db, name)).join(', ')
      const values = each.fields.map((f) =>
        f.type === 'Boolean' && db.provider !== 'postgresql' ? '1' : VALUES[f.type],
      )
      await db.query(`INSERT INTO ${q(db, each.name)} (${columns}) VALUES (${[id, ...values].join(', ')})`)
    }
  p.schema(print(second))
  const made = await makeMigration(context, { name: 'second', verify })
  if (!made.changes) return
  const before = await data(db, first, second)
  for (const target of [undefined, '-1', undefined]) {
    const here = await data(db, target === undefined ? first : second, target === undefined ? first : second)
    try {
      await migrate(context, { ...(target && { name: target }), y: true, generate: false })
    } catch (error) {
      // Rows that do not fit another type: refused, and everything is as it was.
      if (!(error instanceof FailedError) || !DO_NOT_FIT.test(error.message)) throw error
      expect(await data(db, target === undefined ? first : second, target === undefined ? first : second)).toBe(here)
      await inSync('refused')
      return
    }
    await inSync(target === undefined ? 'up' : 'down')
    expect(await data(db, target === undefined ? second : first, target === undefined ? first : second)).toBe(before)
  }
  await migrate(context, { name: 'zero', y: true, generate: false })
}

for (const { provider, available, fresh } of databases) {
  const run = available ? test : test.skip
  run(
    `${RUNS[provider] * TIMES} random schemas and edits go up, down and up again without losing what both can hold (${provider})`,
    async () => {
      process.stderr.write(`\nRandom schemas on ${provider}: RAYS_PROPERTY_SEED=${SEED}\n`)
      const db = await fresh()
      const p = project({ provider, schema: '', url: db.href, config: { databaseUrl: db.href, generate: false } })
      p.write({
        'raysconfig.json': JSON.stringify({
          databaseUrl: db.href,
          schemaPath: 'prisma/schema.prisma',
          migrationsDir: 'prisma/migrations',
          generate: false,
        }),
      })
      rmSync(path.join(p.folder, 'raysconfig.js'))
      let count = 0
      try {
        await fc.assert(
          fc.asyncProperty(history, async (states) => {
            rmSync(path.join(p.folder, 'prisma/migrations'), { recursive: true, force: true })
            await empty(db)
            // Making and dropping shadow databases takes most of the time: on the servers every tenth is proven as well.
            await oneHistory(db, p, states, provider === 'sqlite' || count++ % 10 === 0)
          }),
          {
            seed: SEED,
            numRuns: RUNS[provider] * TIMES,
            endOnFailure: false,
            interruptAfterTimeLimit: 280_000,
            markInterruptAsFailure: true,
          },
        )
      } finally {
        await db.drop()
        p.remove()
      }
    },
    300_000,
  )
}

/** Whatever a failed example left. */
async function empty(db: FreshDatabase): Promise<void> {
  if (db.provider === 'postgresql') {
    await db.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    return
  }
  const names = await db.query(
    db.provider === 'mysql'
      ? 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()'
      : "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
  )
  await db.query(db.provider === 'mysql' ? 'SET foreign_key_checks = 0' : 'PRAGMA foreign_keys = OFF')
  for (const { name } of names) await db.query(`DROP TABLE ${q(db, String(name))}`)
  await db.query(db.provider === 'mysql' ? 'SET foreign_key_checks = 1' : 'PRAGMA foreign_keys = ON')
}
