import fc from 'fast-check'
import type { Connection } from '../../engines/engine.js'
import { MysqlConnection } from '../../engines/mysql/connection.js'
import { readDatabase } from '../../engines/mysql/introspection/read.js'
import {
  NO_TABLES,
  type PlanOptions,
  planMigration,
  type Table,
  type Tables,
} from '../../engines/mysql/planner/index.js'
import { databases } from '../unit/mysql-planner/arbitrary.js'
import { describeMysql, inDatabase } from './mysql-databases.js'

/** Parts that run at the same time, each in a database of its own. */
const SHARDS = 3
const RUNS = 300
const seed = Number(process.env.RAYS_TEST_SEED ?? Date.now() % 2 ** 31)

function readLive(db: Connection) {
  if (!(db instanceof MysqlConnection)) throw new Error('not a MySQL connection')
  return readDatabase((sql, params) => db.raw(sql, params), db.database, db.facts)
}

/** The tables as the server tells them. Columns keep their order; that of keys means nothing to it. */
async function shown(db: Connection): Promise<string> {
  const tables = (await db.raw('SHOW TABLES')).map((row) => String(Object.values(row)[0])).sort()
  const texts: string[] = []
  for (const table of tables) {
    const [row] = await db.raw(`SHOW CREATE TABLE \`${table}\``)
    const lines = String(row?.['Create Table'])
      .replace(/ AUTO_INCREMENT=\d+/, '')
      .split('\n')
      .map((line) => line.replace(/,$/, ''))
    const isColumn = (line: string) => line.startsWith('  `')
    texts.push([...lines.filter(isColumn), ...lines.filter((line) => !isColumn(line)).sort()].join('\n'))
  }
  return texts.join('\n\n')
}

/** What still has to be done on the server for it to hold these tables. */
async function missing(db: Connection, to: Tables, options: PlanOptions): Promise<string> {
  const live = await readLive(db)
  const plan = planMigration({ from: live.tables, to, view: 'schema', ...live.flags, ...options })
  return plan.empty ? '' : plan.script
}

async function run(db: Connection, statements: readonly string[]): Promise<void> {
  for (const sql of statements) {
    await db.raw(sql).catch((error: Error) => {
      throw new Error(`${error.message}\n${sql}`, { cause: error })
    })
  }
}

async function drop(db: Connection): Promise<void> {
  await run(db, ['SET foreign_key_checks = 0'])
  const tables = (await db.raw('SHOW TABLES')).map((row) => `\`${Object.values(row)[0]}\``)
  if (tables.length > 0) await run(db, [`DROP TABLE ${tables.join(', ')}`])
  await run(db, ['SET foreign_key_checks = 1'])
}

const names = ({ tables }: Tables) => tables.map(({ name }: Table) => name).join(', ')

interface Edit {
  readonly from: Tables
  readonly to: Tables
  /** Planned from the schema text, as makemigration does, or from the live database. */
  readonly view: 'database' | 'live'
  /** Whether it fails once on the way, and where between the steps, as a fraction. */
  readonly failure: number | undefined
}

const edits: fc.Arbitrary<Edit> = fc.record({
  from: databases,
  to: databases,
  view: fc.constantFrom('database', 'live'),
  failure: fc.option(fc.double({ min: 0, max: 0.999, noNaN: true }), { nil: undefined, freq: 1 }),
})

async function thereAndBack(db: Connection, { from, to, view, failure }: Edit): Promise<void> {
  await drop(db)
  const { flags } = await readLive(db)
  const build = planMigration({ from: NO_TABLES, to: from, view: 'schema', ...flags })
  for (const { up } of build.steps) await run(db, up)
  expect(await missing(db, from, {})).toBe('')
  const before = await shown(db)

  const { steps } =
    view === 'live'
      ? planMigration({ from: (await readLive(db)).tables, to, view: 'schema', ...flags })
      : planMigration({ from, to, view, ...flags })
  const undo = async (count: number) => {
    for (const { down } of steps.slice(0, count).reverse()) await run(db, down)
    expect(await shown(db)).toBe(before)
  }
  if (failure !== undefined) {
    const done = Math.floor(failure * steps.length)
    for (const { up } of steps.slice(0, done)) await run(db, up)
    await undo(done)
  }
  for (const { up } of steps) await run(db, up)
  expect(await missing(db, to, {})).toBe('')
  await undo(steps.length)
  expect(await missing(db, from, {})).toBe('')
}

async function part(db: Connection, shard: number): Promise<void> {
  const property = fc.asyncProperty(edits, async (edit) => {
    await thereAndBack(db, edit).catch((error: Error) => {
      throw new Error(`${names(edit.from)} -> ${names(edit.to)}: ${error.message}`, { cause: error })
    })
  })
  await fc.assert(property, { numRuns: RUNS / SHARDS, seed: seed + shard })
}

describeMysql('for any two schemas', () => {
  test('the planned steps lead from one to the other, a failure at any of them leads back exactly, and so do the downs', async () => {
    const parts = [...Array(SHARDS).keys()].map((shard) => inDatabase((db) => part(db, shard)))
    for (const result of await Promise.allSettled(parts)) if (result.status === 'rejected') throw result.reason
  }, 900_000)
})
