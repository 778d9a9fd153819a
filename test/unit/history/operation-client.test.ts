import Database from 'better-sqlite3'
import type { Connection, Row } from '../../../engines/engine.js'
import { OperationClient } from '../../../src/history/operation-client.js'
import { guardUserCode } from '../../../src/user-code.js'
import { type Compiled, compile } from '../../support/compiled.js'

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A database in memory whose answers take a while, as a server's do. */
function open(delayMs = 5) {
  const database = new Database(':memory:')
  database.exec('CREATE TABLE a (n INTEGER UNIQUE)')
  const run = async (sql: string, params: readonly unknown[] = []): Promise<Row[]> => {
    await sleep(delayMs)
    const statement = database.prepare(sql)
    if (statement.reader) return statement.all(...params) as Row[]
    statement.run(...params)
    return []
  }
  const connection = {
    query: run,
    execute: async (sql: string, params?: readonly unknown[]) => void (await run(sql, params)),
  }
  const count = () => (database.prepare('SELECT COUNT(*) AS n FROM a').get() as { n: number }).n
  return {
    client: new OperationClient(connection as unknown as Connection),
    connection: connection as unknown as Connection,
    count,
  }
}

/** Runs an operation as rays does. */
async function operate(client: OperationClient, operation: (argument: { client: OperationClient }) => unknown) {
  await guardUserCode({ what: 'operation 0 of test' }, async () => {
    await operation({ client })
    await client.settle()
  })
}

const GOOD = 'INSERT INTO a VALUES (1)'
const BAD = 'INSERT INTO missing VALUES (1)'

describe('an operation is over when its last statement is', () => {
  test('slow statements that were not awaited are waited for', async () => {
    const { client, count } = open(30)
    await operate(client, () => {
      void client.execute('INSERT INTO a VALUES (1)')
      void client.execute('INSERT INTO a VALUES (2)')
    })
    expect(count()).toBe(2)
    expect(client.completed).toBe(2)
    expect(client.busy).toBe(false)
  })

  test('so are statements that follow from a statement that was not awaited', async () => {
    const { client, count } = open(10)
    await operate(client, () => {
      void client.execute('INSERT INTO a VALUES (1)').then(() => client.execute('INSERT INTO a VALUES (2)'))
    })
    expect(count()).toBe(2)
  })

  test('rows and parameters pass through', async () => {
    const { client } = open()
    await client.execute('INSERT INTO a VALUES (?)', [7])
    expect(await client.query('SELECT n FROM a WHERE n = ?', [7])).toEqual([{ n: 7 }])
    expect(await client.execute('INSERT INTO a VALUES (8)')).toBeUndefined()
  })

  test('methods work without their object', async () => {
    const { client, count } = open()
    const { execute, query } = client
    await execute(GOOD)
    expect(await query('SELECT 1 AS x')).toEqual([{ x: 1 }])
    expect(count()).toBe(1)
  })
})

// In a process of Node's own: jest keeps rejections that nobody handles to itself.
describe('failing statements', () => {
  const NEGLECTED: Record<string, string> = {
    'not awaited': '({ client }) => void client.execute(BAD)',
    'not awaited, before one that is': 'async ({ client }) => { client.execute(BAD); await client.execute(GOOD) }',
    'not awaited, in a loop': '({ client }) => { for (const sql of [GOOD, BAD]) client.execute(sql) }',
    'forEach with an async function':
      '({ client }) => [GOOD, BAD].forEach(async (sql) => { await client.execute(sql) })',
    'then without catch': '({ client }) => void client.execute(BAD).then(() => client.execute(GOOD))',
    'finally without catch': '({ client }) => void client.execute(BAD).finally(() => {})',
    awaited: 'async ({ client }) => { await client.execute(BAD) }',
    returned: '({ client }) => client.execute(BAD)',
    'Promise.all': '({ client }) => Promise.all([client.execute(GOOD), client.execute(BAD)])',
    'Promise.all, both failing': '({ client }) => Promise.all([client.execute(BAD), client.execute(BAD)])',
    'Promise.all, not awaited': '({ client }) => void Promise.all([client.execute(GOOD), client.execute(BAD)])',
    query: "({ client }) => void client.query('SELECT * FROM missing')",
  }
  const DEALT_WITH: Record<string, string> = {
    'try and catch': 'async ({ client }) => { try { await client.execute(BAD) } catch { await client.execute(GOOD) } }',
    '.catch': 'async ({ client }) => { await client.execute(BAD).catch(() => {}); await client.execute(GOOD) }',
    '.then with two functions':
      'async ({ client }) => { await client.execute(BAD).then(() => {}, () => {}); await client.execute(GOOD) }',
    'Promise.allSettled': '({ client }) => Promise.allSettled([client.execute(BAD), client.execute(GOOD)])',
    'caught later':
      'async ({ client }) => { const late = client.execute(BAD); await client.execute(GOOD); await sleep(10); await late.catch(() => {}) }',
    'caught, not awaited': '({ client }) => { client.execute(BAD).catch(() => {}); client.execute(GOOD) }',
  }
  let outcomes: Record<string, { error: string | null; statement?: string; count: number }>
  let rays: Compiled

  beforeAll(async () => {
    rays = compile()
    const cases = Object.entries({ ...NEGLECTED, ...DEALT_WITH }).map(
      ([title, code]) => `[${JSON.stringify(title)}, ${code}]`,
    )
    const run = await rays.script(`
      import Database from 'better-sqlite3'
      import { runOperation } from './src/history/operation.js'
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      const GOOD = 'INSERT INTO a VALUES (1)'
      const BAD = 'INSERT INTO missing VALUES (1)'
      const outcomes = {}
      for (const [title, operation] of [${cases.join(',\n')}]) {
        const database = new Database(':memory:')
        database.exec('CREATE TABLE a (n INTEGER)')
        const execute = async (sql) => { await sleep(3); database.prepare(sql).run() }
        const connection = { query: execute, execute, engine: { transactionalDdl: true } }
        const loaded = { migration: { name: 'test' }, operations: [[operation, null]] }
        const run = { connection, loaded, operation: 0, direction: 'up', operationTimeoutMs: 0 }
        const failure = await runOperation(run).then(() => undefined, (error) => error)
        const count = database.prepare('SELECT COUNT(*) AS n FROM a').get().n
        outcomes[title] = { error: failure ? failure.cause.message : null, statement: failure?.statement, count }
      }
      console.log(JSON.stringify(outcomes))
    `)
    expect(run.stderr).toBe('')
    outcomes = JSON.parse(run.stdout)
  })
  afterAll(() => rays.remove())

  test.each(Object.keys(NEGLECTED))('that nobody looks at fail the operation: %s', (title) => {
    expect(outcomes[title]!.error).toBe('no such table: missing')
  })

  test('are named, also when another statement was sent after them', () => {
    expect(outcomes['not awaited, before one that is']).toMatchObject({ statement: BAD, count: 1 })
  })

  test.each(Object.keys(DEALT_WITH))('that the operation deals with do not: %s', (title) => {
    expect(outcomes[title]).toEqual({ error: null, count: 1 })
  })
})

describe('what is no statement', () => {
  test.each([undefined, null, 1, {}, ['SELECT 1']])('%j is refused with its type', async (sql) => {
    const { client } = open()
    await expect(client.query(sql as unknown as string)).rejects.toThrow(/must be a string/)
  })
})

test('a statement after the end is refused, loudly', async () => {
  const { client, count } = open()
  await operate(client, () => undefined)
  await expect(client.execute(GOOD)).rejects.toThrow(/after its operation had ended/)
  expect(count()).toBe(0)
})

test('an interruption is asked for before each statement, and nothing is sent after it', async () => {
  const { connection, count } = open()
  let sent = 0
  const client = new OperationClient(connection, () => {
    sent += 1
    if (sent > 1) throw new Error('interrupted')
  })
  const operation = async () => {
    await client.execute('INSERT INTO a VALUES (1)')
    await client.execute('INSERT INTO a VALUES (2)')
  }
  await expect(operate(client, operation)).rejects.toThrow('interrupted')
  expect(count()).toBe(1)
})

describe('the code of an operation', () => {
  test('has its time limit', async () => {
    let told = 0
    const guarded = guardUserCode(
      {
        what: 'operation 3 of x',
        timeoutMs: 20,
        onTimeout: () => {
          told += 1
        },
      },
      () => sleep(200),
    )
    await expect(guarded).rejects.toThrow('operation 3 of x did not end within 0.02 s')
    expect(told).toBe(1)
  })

  test('cannot end the process, and process.exit is itself again afterwards', async () => {
    const exit = process.exit
    await expect(guardUserCode({ what: 'it' }, () => process.exit(0))).rejects.toThrow('it called process.exit(0)')
    await expect(
      guardUserCode({ what: 'it' }, async () => {
        try {
          process.exit(3)
        } catch {
          /* as some programs do */
        }
        return 'done'
      }),
    ).rejects.toThrow('it called process.exit(3)')
    expect(process.exit).toBe(exit)
  })

  test('gives its result, and leaves no listener behind', async () => {
    const before = [process.listenerCount('beforeExit'), process.listenerCount('unhandledRejection')]
    expect(await guardUserCode({ what: 'it' }, async () => 7)).toBe(7)
    expect([process.listenerCount('beforeExit'), process.listenerCount('unhandledRejection')]).toEqual(before)
  })
})
