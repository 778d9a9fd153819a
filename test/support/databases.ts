/**
 * The databases on which tests run, and a fresh one for each test. The servers are started by global-setup.mjs; a
 * database that is not there shows as skipped tests.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ConnectOptions, Provider } from '../../engines/engine.js'
import { DatabaseUrl } from '../../engines/url.js'

export type TestRow = Record<string, unknown>

/** A database of a test's own, reached beside rays, with the driver itself. */
export interface FreshDatabase {
  readonly provider: Provider
  readonly name: string
  /** As a user would write it. */
  readonly href: string
  readonly url: DatabaseUrl
  /** Runs any number of statements; the rows of the last one. */
  query(sql: string, params?: readonly unknown[]): Promise<TestRow[]>
  /** Another session, to hold locks with; closed by drop(). */
  session(): Promise<{ query(sql: string): Promise<TestRow[]>; close(): Promise<void> }>
  /** Closes all sessions of this helper. */
  close(): Promise<void>
  /** Closes and removes the database. */
  drop(): Promise<void>
}

export interface TestDatabase {
  readonly provider: Provider
  readonly available: boolean
  fresh(): Promise<FreshDatabase>
}

/** Patient enough for a busy machine. */
export const connectOptions: ConnectOptions = { connectTimeoutMs: 15_000, lockTimeoutMs: 5_000, statementTimeoutMs: 0 }

/** The URL of the server on which this worker's databases are made; undefined where there is none. */
export function serverUrl(provider: Provider): string | undefined {
  const urls = process.env[`RAYS_TESTS_RUN_${provider.toUpperCase()}`]?.split(' ')
  return urls?.[(Number(process.env.JEST_WORKER_ID ?? 1) - 1) % urls.length]
}

const database = (provider: Provider, fresh: (server: string) => Promise<FreshDatabase>): TestDatabase => ({
  provider,
  available: serverUrl(provider) !== undefined,
  fresh: () => {
    const url = serverUrl(provider)
    if (url === undefined) throw new Error(`there is no ${provider} for the tests`)
    return fresh(url)
  },
})

/** Every database that rays knows. */
export const databases: readonly TestDatabase[] = [
  database('sqlite', () => freshSqlite()),
  database('postgresql', freshPostgres),
  database('mysql', freshMysql),
]

/** One `describe` for each database, skipped where it is not there. `only` leaves out those for which the promise makes no sense. */
export function describeDatabases(
  title: string,
  body: (database: TestDatabase) => void,
  only: (provider: Provider) => boolean = () => true,
): void {
  for (const each of databases) {
    if (!only(each.provider)) continue
    const run = each.available ? describe : describe.skip
    run(`${title} (${each.provider})`, () => body(each))
  }
}

/** A name that no other test, worker or run uses. */
function uniqueName(): string {
  return `rays_test_${process.pid}_${randomBytes(5).toString('hex')}`
}

interface Handle {
  query(sql: string, params?: readonly unknown[]): Promise<TestRow[]>
  close(): Promise<void>
}

/** Sessions that are opened when first needed and closed together. */
function sessions(open: () => Promise<Handle>) {
  const all: Handle[] = []
  let first: Promise<Handle> | undefined
  const session = async () => {
    const handle = await open()
    all.push(handle)
    return handle
  }
  return {
    session,
    async query(sql: string, params?: readonly unknown[]) {
      first ??= session()
      return (await first).query(sql, params)
    },
    async close() {
      first = undefined
      await Promise.all(all.splice(0).map((handle) => handle.close()))
    },
  }
}

async function openPostgres(href: string): Promise<Handle> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: href, application_name: 'test' })
  client.on('error', () => undefined)
  await client.connect()
  return {
    async query(sql, params) {
      const result = await client.query(params ? { text: sql, values: [...params] } : sql)
      return (Array.isArray(result) ? result.at(-1) : result).rows
    },
    close: () => client.end().catch(() => undefined),
  }
}

export async function freshPostgres(server: string): Promise<FreshDatabase> {
  const name = uniqueName()
  const admin = async (sql: string) => {
    const handle = await openPostgres(server)
    await handle.query(sql).finally(() => handle.close())
  }
  await admin(`CREATE DATABASE "${name}" TEMPLATE template0`)
  const href = server.replace(/^([^?]*\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`)
  const mine = sessions(() => openPostgres(href))
  return {
    provider: 'postgresql',
    name,
    href,
    url: new DatabaseUrl(href, tmpdir()),
    ...mine,
    async drop() {
      await mine.close()
      await admin(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)
    },
  }
}

async function openMysql(href: string): Promise<Handle> {
  const { default: mysql } = await import('mysql2/promise')
  const at = new URL(href)
  const connection = await mysql.createConnection({
    host: at.hostname,
    port: Number(at.port || 3306),
    user: decodeURIComponent(at.username),
    password: decodeURIComponent(at.password),
    ...(at.pathname.length > 1 && { database: decodeURIComponent(at.pathname.slice(1)) }),
    multipleStatements: true,
    timezone: 'Z',
  })
  connection.on('error', () => undefined)
  return {
    async query(sql, params) {
      const [rows] = await connection.query(sql, params ? [...params] : undefined)
      if (!Array.isArray(rows)) return []
      const last = rows.at(-1)
      return (Array.isArray(last) ? last : rows) as TestRow[]
    },
    close: () => connection.end().catch(() => undefined),
  }
}

export async function freshMysql(server: string): Promise<FreshDatabase> {
  const name = uniqueName()
  const admin = async (sql: string) => {
    const handle = await openMysql(server)
    await handle.query(sql).finally(() => handle.close())
  }
  await admin(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
  const href = server.replace(/^([^?]*\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`)
  const mine = sessions(() => openMysql(href))
  return {
    provider: 'mysql',
    name,
    href,
    url: new DatabaseUrl(href, tmpdir()),
    ...mine,
    async drop() {
      await mine.close()
      await admin(`DROP DATABASE IF EXISTS \`${name}\``)
    },
  }
}

async function openSqlite(file: string): Promise<Handle> {
  const { default: Database } = await import('better-sqlite3')
  const handle = new Database(file)
  return {
    async query(sql, params) {
      try {
        const statement = handle.prepare(sql)
        if (statement.reader) return statement.all(...(params ?? [])) as TestRow[]
        statement.run(...(params ?? []))
      } catch (error) {
        // Not instanceof: jest gives each test file a RangeError of its own.
        if ((error as Error).name !== 'RangeError') throw error
        handle.exec(sql)
      }
      return []
    },
    async close() {
      handle.close()
    },
  }
}

/** @param parent the folder for its folder */
export async function freshSqlite(parent = tmpdir()): Promise<FreshDatabase> {
  const folder = mkdtempSync(path.join(parent, 'rays-test-sqlite-'))
  const file = path.join(folder, 'dev.db')
  writeFileSync(file, '')
  const mine = sessions(() => openSqlite(file))
  return {
    provider: 'sqlite',
    name: 'dev.db',
    href: `file:${file}`,
    url: new DatabaseUrl(`file:${file}`, folder),
    ...mine,
    async drop() {
      await mine.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The rows of `_prisma_migrations` in the order of the names; [] where there is no table. */
export async function history(db: FreshDatabase): Promise<TestRow[]> {
  try {
    return await db.query('SELECT * FROM _prisma_migrations ORDER BY migration_name, started_at')
  } catch (error) {
    if (/does(?:n't| not) exist|no such table/.test(String(error))) return []
    throw error
  }
}

const POSTGRES_DUMP = `
  SELECT line FROM (
    SELECT format('table %I.%I', n.nspname, c.relname) || ' kind ' || c.relkind::text AS line FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL SELECT format('column %s.%I %s null %s default %s %s', a.attrelid::regclass, a.attname,
        format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text || a.attgenerated::text)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
        AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    UNION ALL SELECT format('constraint %s %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE conrelid <> 0
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT format('enum %s %s', enumtypid::regtype, string_agg(enumlabel, ',' ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid
    UNION ALL SELECT 'routine ' || pg_get_functiondef(oid) FROM pg_proc WHERE prokind IN ('f', 'p')
      AND pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'view ' || viewname || ' ' || definition FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
  ) AS dump WHERE line !~ '^table (pg_|information_schema)' ORDER BY line`

/** The structure of the whole database as text, one object a line, in a fixed order: equal texts are equal structures. */
export async function dumpSchema(db: FreshDatabase): Promise<string> {
  if (db.provider === 'postgresql') return (await db.query(POSTGRES_DUMP)).map((row) => row.line).join('\n')
  if (db.provider === 'sqlite') {
    const rows = await db.query('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name')
    return rows.map((row) => `${row.type} ${row.name} ${row.sql}`).join('\n')
  }
  const tables = await db.query('SHOW FULL TABLES')
  const lines: string[] = []
  for (const row of tables) {
    const [created] = await db.query(`SHOW CREATE TABLE \`${String(Object.values(row)[0]).replaceAll('`', '``')}\``)
    lines.push(String(Object.values(created!)[1]).replace(/ AUTO_INCREMENT=\d+/, ''))
  }
  const code = await db.query(`
    SELECT CONCAT_WS(' ', 'trigger', trigger_name, action_timing, event_manipulation, event_object_table, action_statement) AS line
      FROM information_schema.triggers WHERE trigger_schema = DATABASE()
    UNION ALL SELECT CONCAT_WS(' ', routine_type, routine_name, dtd_identifier, routine_definition)
      FROM information_schema.routines WHERE routine_schema = DATABASE()`)
  lines.push(...code.map((row) => String(row.line)))
  return lines.sort().join('\n')
}
