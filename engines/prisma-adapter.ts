/**
 * The shape in which Prisma's engine, as WebAssembly, expects a database: Prisma's driver adapters, with every result
 * and every error wrapped. The names and numbers are Prisma's (driver-adapter-utils, quaint).
 */

/** Prisma: driver-adapter-utils, ColumnTypeEnum. The array of a type is 64 more, up to Boolean 69 and Text 71. */
export const ColumnType = {
  Int32: 0,
  Int64: 1,
  Float: 2,
  Double: 3,
  Numeric: 4,
  Boolean: 5,
  Character: 6,
  Text: 7,
  Date: 8,
  Time: 9,
  DateTime: 10,
  Json: 11,
  Bytes: 13,
  Uuid: 15,
  Int32Array: 64,
  Int64Array: 65,
  TextArray: 71,
} as const

export interface AdapterQuery {
  readonly sql: string
  readonly args: readonly unknown[]
  readonly argTypes?: readonly { readonly scalarType: string; readonly arity: string }[]
}

export interface ResultSet {
  readonly columnNames: readonly string[]
  readonly columnTypes: readonly number[]
  readonly rows: readonly (readonly unknown[])[]
}

/** An error as the engine reads it: one of Prisma's kinds and what that kind needs. */
export interface AdapterError {
  readonly kind: string
  readonly originalCode?: string
  readonly originalMessage?: string
  readonly [fact: string]: unknown
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: AdapterError }

/** What a database has to be able to do; the rest of the adapter is the same for all. */
export interface AdapterDriver {
  readonly provider: 'postgres' | 'sqlite'
  readonly connectionInfo: {
    readonly schemaName?: string
    readonly maxBindValues: number
    readonly supportsRelationJoins: boolean
  }
  query(query: AdapterQuery): Promise<ResultSet>
  /** Returns the number of changed rows. */
  execute(query: AdapterQuery): Promise<number>
  script(sql: string): Promise<void>
  /** The driver's error in Prisma's words. */
  explain(error: unknown): AdapterError
  /** Gives the session back; only sessions that were opened for the adapter are closed. */
  dispose(): Promise<void>
}

/** A wrapped adapter: one session. */
export type Adapter = ReturnType<typeof adapterOf>

/** What the engine is given: it connects once when it starts, and to the shadow database when it replays migrations. */
export interface AdapterFactory {
  readonly provider: string
  readonly adapterName: string
  connect(): Promise<Outcome<Adapter>>
  connectToShadowDb(): Promise<Outcome<Adapter>>
}

const ADAPTER_NAME = 'rays'

/** The factory over a session that is open already. */
export function adapterFactory(
  driver: AdapterDriver,
  shadow: () => Promise<AdapterDriver>,
  connect: () => Promise<AdapterDriver> = async () => driver,
): AdapterFactory {
  return {
    provider: driver.provider,
    adapterName: ADAPTER_NAME,
    connect: () => outcome(async () => adapterOf(await connect()), driver.explain),
    connectToShadowDb: () => outcome(async () => adapterOf(await shadow()), driver.explain),
  }
}

/** Wraps a driver so that nothing it does ever throws into the engine: a thrown value would end the engine. */
export function adapterOf(driver: AdapterDriver) {
  const run = <T>(work: () => Promise<T>) => outcome(work, driver.explain)
  const queryable = {
    provider: driver.provider,
    adapterName: ADAPTER_NAME,
    queryRaw: (query: AdapterQuery) => run(() => driver.query(query)),
    executeRaw: (query: AdapterQuery) => run(() => driver.execute(query)),
  }
  return {
    ...queryable,
    executeScript: (sql: string) => run(() => driver.script(sql)),
    getConnectionInfo: () => ({ ok: true as const, value: driver.connectionInfo }),
    dispose: () => run(() => driver.dispose()),
    startTransaction: () =>
      run(async () => {
        await driver.script('BEGIN')
        // Prisma: the engine itself sends COMMIT or ROLLBACK when phantom queries are off.
        const nothing = () => run(async () => undefined)
        return { ...queryable, options: { usePhantomQuery: false }, commit: nothing, rollback: nothing }
      }),
  }
}

/**
 * The adapter for an engine that is not to know of partial indexes. Prisma: they are a preview feature; without it the
 * engine writes them into the schema that it reads from a database, and then refuses that schema.
 */
export function withoutPartialIndexes(factory: AdapterFactory): AdapterFactory {
  return withResults(factory, ordinaryIndexes)
}

/** The adapter with other answers to what the engine asks. */
export function withResults(factory: AdapterFactory, change: (result: ResultSet) => ResultSet): AdapterFactory {
  const changing = async (connecting: Promise<Outcome<Adapter>>): Promise<Outcome<Adapter>> => {
    const connected = await connecting
    if (!connected.ok) return connected
    const adapter = connected.value
    const queryRaw = async (query: AdapterQuery) => {
      const result = await adapter.queryRaw(query)
      return result.ok ? { ok: true as const, value: change(result.value) } : result
    }
    return { ok: true, value: { ...adapter, queryRaw } }
  }
  return {
    ...factory,
    connect: () => changing(factory.connect()),
    connectToShadowDb: () => changing(factory.connectToShadowDb()),
  }
}

/** Prisma: what sql-schema-describer asks for. PostgreSQL: the list of index columns; SQLite: `PRAGMA index_list`. */
function ordinaryIndexes(result: ResultSet): ResultSet {
  const at = (name: string) => result.columnNames.indexOf(name)
  const partial = at('seq') !== -1 && at('origin') !== -1 ? at('partial') : -1
  const predicate = at('index_name') !== -1 && at('column_index') !== -1 ? at('predicate') : -1
  if (partial === -1 && predicate === -1) return result
  const rows = result.rows.filter((row) => (predicate === -1 ? Number(row[partial]) === 0 : row[predicate] === null))
  return { ...result, rows }
}

async function outcome<T>(work: () => Promise<T>, explain: AdapterDriver['explain']): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    return { ok: false, error: explain(error) }
  }
}
