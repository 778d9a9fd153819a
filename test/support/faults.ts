/**
 * A fault case: a database and a project of its own, migrations whose operations inject their own faults, the built
 * command in a process of its own, and what must be true afterwards. Every run is verbose and has a password in its URL,
 * and every byte that it prints, records or writes is searched for that password.
 */
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Provider } from '../../engines/engine.js'
import { engineFor } from '../../engines/index.js'
import { shadowPrefix } from '../../engines/shadow-name.js'
import { Recorder } from '../../src/history/recorder.js'
import { createCalls } from '../../src/prisma-engine/calls.js'
import {
  connectOptions,
  databases,
  dumpSchema,
  type FreshDatabase,
  freshSqlite,
  history,
  type TestRow,
} from './databases.js'
import { type Output, project, type RunOptions, type TestProject } from './project.js'

/** Hard to encode, so that a half-encoded copy shows as well. */
export const PASSWORD = 'p@ss/w:rd%21'
const SPELLINGS = [PASSWORD, encodeURIComponent(PASSWORD), encodeURI(PASSWORD), JSON.stringify(PASSWORD).slice(1, -1)]

export const [M1, M2, M3] = ['20260101000000_a', '20260102000000_b', '20260103000000_c'] as const

/** One operation of a fixture: JavaScript statements that may use `client`. A down of null has none. */
export interface Op {
  readonly up: string
  readonly down: string | null
}

/** A run that is still going on. */
export interface Running {
  readonly child: ChildProcess
  readonly output: Promise<Output>
  /** Resolves when the process has printed this. @throws when it ends without it */
  said(what: RegExp): Promise<void>
}

export interface Timed extends Output {
  readonly milliseconds: number
}

/** What a database and a project look like; equal states are equal texts. */
export interface State {
  readonly schema: string
  readonly rows: string
  readonly history: readonly TestRow[]
  readonly files: string
}

export interface Expectation {
  /** Names that the history holds as applied, in order; default: all folders of the fixture. */
  readonly applied?: readonly string[]
  /** The next plain `rays migrate` is refused. */
  readonly refused?: { readonly code: number; readonly says: RegExp }
  readonly args?: readonly string[]
}

/** What Prisma makes of a history. */
interface Diagnosis {
  readonly failed: readonly string[]
  readonly edited: readonly string[]
  readonly pending: readonly string[]
}

export class FaultCase {
  readonly folders = new Map<string, string | undefined>()

  constructor(
    readonly db: FreshDatabase,
    readonly project: TestProject,
    /** The URL with its password, as rays is given it. */
    readonly href: string,
  ) {}

  get provider(): Provider {
    return this.db.provider
  }

  /** DDL is undone by a rollback, so that a failed migration leaves nothing. */
  get atomic(): boolean {
    return this.provider !== 'mysql'
  }

  /** One of three texts. */
  by<T>(texts: { readonly [P in Provider]: T }): T {
    return texts[this.provider]
  }

  file(name: string, part = 'migration.js'): string {
    return path.join(this.project.folder, 'prisma/migrations', name, part)
  }

  /** Writes a migration folder. */
  folder(name: string, ops: readonly Op[], options: { transaction?: false; sql?: string; tail?: string } = {}): void {
    const functions = ops.flatMap(({ up, down }, k) => [
      `async function up${k}({ client }) {\n  ${up}\n}`,
      ...(down === null ? [] : [`async function down${k}({ client }) {\n  ${down}\n}`]),
    ])
    const pairs = ops.map(({ down }, k) => `[up${k}, ${down === null ? 'null' : `down${k}`}]`)
    const code = [
      ...functions,
      `module.exports = [${pairs.join(', ')}]`,
      ...(options.transaction === false ? ['module.exports.transaction = false'] : []),
      options.tail ?? '',
    ].join('\n\n')
    this.code(name, code, options.sql)
  }

  /** Writes a migration folder with any code. */
  code(name: string, code: string | undefined, sql = `-- ${name}\n`): void {
    this.folders.set(name, code)
    const at = `prisma/migrations/${name}`
    if (code === undefined) rmSync(this.file(name), { force: true })
    this.project.write({
      [`${at}/migration.sql`]: sql,
      ...(code !== undefined && { [`${at}/migration.js`]: code }),
    })
  }

  /** The names of the folders that are there; those that rays wrote are from now on among those of the case. */
  found(): string[] {
    const root = path.join(this.project.folder, 'prisma/migrations')
    const names = readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []))
    for (const name of names) if (!this.folders.has(name)) this.folders.set(name, undefined)
    return names.sort()
  }

  /**
   * The three migrations that most cases start from, the first one applied. `change` alters operations of the second.
   */
  async fixture(
    change: { readonly [k: number]: Partial<Op> } = {},
    options: { apply?: boolean; transaction?: false } = {},
  ) {
    this.folder(M1, [table('a', 'id INTEGER PRIMARY KEY, v VARCHAR(50)')])
    this.folder(
      M2,
      SECOND.map((op, k) => ({ ...op, ...change[k] })),
      options,
    )
    this.folder(M3, [table('d')])
    if (options.apply !== false) await this.applyFirst()
  }

  /** The first migration as rays leaves it, without a process of its own. */
  private async applyFirst(): Promise<void> {
    const engine = await engineFor(this.provider)
    const connection = await engine.connect(this.db.url, connectOptions)
    try {
      const recorder = new Recorder(connection)
      await recorder.create()
      await connection.script('CREATE TABLE a (id INTEGER PRIMARY KEY, v VARCHAR(50))')
      const at = new Date()
      const logs = JSON.stringify({ rays: 1, batch: 1, js: sha256(this.folders.get(M1)!) })
      const checksum = sha256(readFileSync(this.file(M1, 'migration.sql')))
      await recorder.insert({ name: M1, checksum, startedAt: at, finishedAt: at, logs, steps: 1 })
    } finally {
      await connection.close()
    }
  }

  /** An operation's code that waits until the gate is opened. */
  gate(): { readonly wait: string; open(): void } {
    const file = path.join(this.project.folder, 'gate')
    return {
      wait: `while (!require('node:fs').existsSync(${JSON.stringify(file)})) await new Promise((r) => setTimeout(r, 20))`,
      open: () => writeFileSync(file, ''),
    }
  }

  /** Puts the second migration right. */
  repair(): void {
    this.folder(M2, SECOND)
  }

  env(more: RunOptions['env'] = {}): RunOptions['env'] {
    // MySQL's lock is the server's: cases in other workers hold it, too.
    return { RAYS_VERBOSE_LOGGING: '1', RAYS_GENERATE: '0', RAYS_LOCK_TIMEOUT: '40', ...more }
  }

  /** Runs the command to its end. */
  async rays(args: readonly string[], options: RunOptions = {}): Promise<Timed> {
    const started = performance.now()
    const output = await this.project.rays(args, { ...options, env: this.env(options.env) })
    this.refuseSecrets(output.stdout + output.stderr, `rays ${args.join(' ')}`)
    return { ...output, milliseconds: performance.now() - started }
  }

  /** Runs the command, which ends with this code and says this. */
  async ends(args: readonly string[], code: number, says: RegExp): Promise<Timed> {
    const run = await this.rays(args)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code, stderr: expect.stringMatching(says) })
    return run
  }

  /** Starts the command and lets it run. */
  start(args: readonly string[], options: RunOptions = {}): Running {
    let child!: ChildProcess
    let text = ''
    const waiting: (() => void)[] = []
    const output = this.rays(args, {
      ...options,
      onStart: (started) => {
        child = started
        for (const stream of [child.stdout, child.stderr])
          stream?.on('data', (chunk) => {
            text += chunk
            for (const wake of waiting.splice(0)) wake()
          })
      },
    })
    const ended = output.then(
      () => 'ended' as const,
      () => 'ended' as const,
    )
    return {
      child,
      output,
      said: async (what) => {
        while (!what.test(text)) {
          const woken = new Promise<'more'>((resolve) => waiting.push(() => resolve('more')))
          if ((await Promise.race([woken, ended])) === 'ended' && !what.test(text))
            throw new Error(`rays ended without saying ${what}:\n${text}`)
        }
      },
    }
  }

  refuseSecrets(text: string, where: string): void {
    if (this.provider === 'sqlite') return
    for (const spelling of SPELLINGS)
      if (text.includes(spelling)) throw new Error(`the password is in ${where}:\n${text}`)
  }

  history(): Promise<TestRow[]> {
    return history(this.db)
  }

  /** Names of the applied migrations. */
  async applied(): Promise<string[]> {
    const rows = await this.history()
    return rows
      .filter((row) => row.finished_at !== null && row.rolled_back_at === null)
      .map((row) => String(row.migration_name))
  }

  async tables(): Promise<string[]> {
    const sql = this.by({
      postgresql: "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
      mysql: 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()',
      sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    })
    const rows = await this.db.query(sql)
    return rows
      .map((row) => String(row.name))
      .filter((name) => name !== '_prisma_migrations')
      .sort()
  }

  async state(): Promise<State> {
    const counts: string[] = []
    for (const name of await this.tables()) {
      const quoted = this.provider === 'mysql' ? `\`${name}\`` : `"${name}"`
      counts.push(`${name} ${(await this.db.query(`SELECT count(*) AS n FROM ${quoted}`))[0]!.n}`)
    }
    return {
      schema: await dumpSchema(this.db),
      rows: counts.join('\n'),
      history: await this.history(),
      files: hashTree(path.join(this.project.folder, 'prisma')),
    }
  }

  /** Nothing changed, and nothing of rays is left on the server. */
  async clean(before: State): Promise<void> {
    await this.gone()
    expect(await this.state()).toEqual(before)
  }

  /**
   * The failed migration left nothing. Where DDL cannot be rolled back its downs took it away, and one more row says that it
   * was rolled back, and why.
   */
  async undone(before: State, why = /operation \d/i, name: string = M2): Promise<void> {
    if (this.atomic) return this.clean(before)
    await this.gone()
    const after = await this.state()
    const rows = after.history.filter((row) => !before.history.some(({ id }) => id === row.id))
    expect({ ...after, history: after.history.filter((row) => !rows.includes(row)) }).toEqual(before)
    expect(rows).toEqual([
      expect.objectContaining({
        migration_name: name,
        finished_at: null,
        rolled_back_at: expect.any(Date),
        applied_steps_count: 0,
        logs: expect.stringMatching(why),
      }),
    ])
  }

  /** No session, no lock and no shadow database of rays is left. Servers take a moment to notice that a client is gone. */
  async gone(limitMs = 5000): Promise<void> {
    const deadline = Date.now() + limitMs
    for (;;) {
      const left = await this.left()
      if (left.length === 0) return
      if (Date.now() > deadline) throw new Error(`left on the server: ${left.join(', ')}`)
      await pause(100)
    }
  }

  private async left(): Promise<string[]> {
    if (this.provider === 'sqlite') {
      await this.db.query('BEGIN IMMEDIATE')
      await this.db.query('ROLLBACK')
      return []
    }
    const prefix = `${shadowPrefix(this.db.name, this.provider === 'mysql' ? 64 : 63)}_rays_shadow_%`.replaceAll(
      '_',
      '\\_',
    )
    const found = await this.db.query(
      this.provider === 'postgresql'
        ? `SELECT 'session ' || pid AS what FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rays'
           UNION ALL SELECT 'lock of ' || pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname LIKE '${prefix}'`
        : `SELECT CONCAT('session ', id) AS what FROM information_schema.processlist WHERE db = DATABASE() AND user = '${MYSQL_USER}'
           UNION ALL SELECT CONCAT('database ', schema_name) FROM information_schema.schemata WHERE schema_name LIKE '${prefix}'`,
    )
    return found.map((row) => String(row.what))
  }

  /** The next plain `rays migrate` does what is promised, and Prisma sees what rays sees. */
  async next(expected: Expectation = {}): Promise<Timed> {
    const run = await this.rays(['migrate', ...(expected.args ?? [])])
    if (expected.refused) {
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: expected.refused.code,
        stderr: expect.stringMatching(expected.refused.says),
      })
    } else {
      if (run.code !== 0) throw new Error(`the next rays migrate ended with ${run.code}:\n${run.stderr}`)
      expect(await this.applied()).toEqual(expected.applied ?? [...this.folders.keys()].sort())
    }
    await this.agrees()
    return run
  }

  /** What Prisma makes of the history is what the rows say to rays. */
  async agrees(): Promise<void> {
    const rows = await this.history()
    const open = rows.filter((row) => row.finished_at === null && row.rolled_back_at === null)
    const applied = new Set(await this.applied())
    const failed = [...new Set(open.map((row) => String(row.migration_name)))].sort()
    const pending = this.onDisk().filter((name) => !applied.has(name) && !failed.includes(name))
    expect(await this.prismaSays()).toMatchObject({ failed, pending })
  }

  /** Prisma's diagnosis, as `prisma migrate status` asks for it: of this case's database, or of the one that is named. */
  async prismaSays(href = this.db.href): Promise<Diagnosis> {
    const says = await this.diagnose(href)
    // Prisma's engine in WebAssembly knows no MySQL ("`mysql` is not a supported connector"). What it makes of a history is
    // the same on every database: so it is asked about the same rows in a file of SQLite's.
    if (this.provider === 'mysql' && href === this.db.href) {
      const copy = await copyOfHistory(await this.history())
      try {
        expect({ engine: "Prisma's", ...(await this.diagnose(copy.href)) }).toEqual({ engine: "Prisma's", ...says })
      } finally {
        await copy.drop()
      }
    }
    return says
  }

  private async diagnose(href: string): Promise<Diagnosis> {
    const said = (await this.prisma('diagnoseMigrationHistory', { optInToShadowDatabase: false }, href)) as {
      failedMigrationNames: string[]
      editedMigrationNames: string[]
      history: { unappliedMigrationNames?: string[] } | null
    }
    return {
      failed: said.failedMigrationNames.sort(),
      edited: said.editedMigrationNames.sort(),
      pending: (said.history?.unappliedMigrationNames ?? []).sort(),
    }
  }

  /** What `prisma migrate deploy` does. The names of what it applied. @throws with the `code` that Prisma shows */
  async prismaDeploys(): Promise<string[]> {
    const said = await this.prisma('applyMigrations', {})
    return (said as { appliedMigrationNames: string[] }).appliedMigrationNames
  }

  /** The migration folders that are there, whoever wrote them. */
  private onDisk(): string[] {
    const root = path.join(this.project.folder, 'prisma/migrations')
    if (!existsSync(root)) return []
    return readdirSync(root)
      .filter((name) => existsSync(this.file(name, 'migration.sql')))
      .sort()
  }

  /** A call that Prisma's command line makes, answered by its own engine (MySQL: by the one that rays has for it). */
  private async prisma(method: string, more: object, href = this.db.href): Promise<unknown> {
    const calls = createCalls({ url: href, shadowUrl: undefined, datamodels: [] } as never, this.project.folder)
    try {
      const migrationDirectories = this.onDisk().map((name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok', value: readFileSync(this.file(name, 'migration.sql'), 'utf8') },
        },
      }))
      const provider = /^file:/.test(href) ? 'sqlite' : this.provider
      return await calls.answer(method, {
        migrationsList: {
          baseDir: path.join(this.project.folder, 'prisma/migrations'),
          lockfile: { path: 'migration_lock.toml', content: `provider = "${provider}"\n` },
          migrationDirectories,
          shadowDbInitScript: '',
        },
        filters: { externalTables: [], externalEnums: [] },
        ...more,
      })
    } finally {
      await calls.close()
    }
  }

  /** Asserts that the password is in no row and in no file of the project. */
  async noSecrets(): Promise<void> {
    if (this.provider === 'sqlite') return
    for (const row of await this.history())
      for (const [column, value] of Object.entries(row)) this.refuseSecrets(String(value), `the ${column} of a row`)
    const inside = readdirSync(this.project.folder).filter((name) => name !== 'node_modules')
    for (const file of inside.flatMap((name) => tree(path.join(this.project.folder, name))))
      if (lstatSync(file).isFile() && lstatSync(file).size < 1_000_000)
        this.refuseSecrets(readFileSync(file, 'latin1'), file)
  }
}

/** The rows of another database's history as Prisma keeps them in SQLite. */
async function copyOfHistory(rows: readonly TestRow[]): Promise<FreshDatabase> {
  const copy = await freshSqlite()
  if (rows.length === 0) return copy
  await copy.query(`CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, finished_at DATETIME,
    migration_name TEXT NOT NULL, logs TEXT, rolled_back_at DATETIME, started_at DATETIME NOT NULL, applied_steps_count INTEGER NOT NULL)`)
  for (const row of rows) {
    const values = Object.values(row).map((value) => (value instanceof Date ? value.getTime() : value))
    const sql = `INSERT INTO _prisma_migrations (${Object.keys(row).join(', ')}) VALUES (${values.map(() => '?').join(', ')})`
    await copy.query(sql, values)
  }
  return copy
}

/** An operation that creates a table, and its down. */
export function table(name: string, columns = 'id INTEGER PRIMARY KEY'): Op {
  return {
    up: `await client.execute('CREATE TABLE ${name} (${columns})')`,
    down: `await client.execute('DROP TABLE ${name}')`,
  }
}

/** An operation's code that sends a statement. */
export const say = (sql: string) => `await client.execute(${JSON.stringify(sql)})`

/** The second migration of the fixture: DDL, data, DDL. */
export const SECOND: readonly Op[] = [
  table('b'),
  {
    up: `await client.execute("INSERT INTO a VALUES (1, 'x'), (2, 'y')")`,
    down: `await client.execute('DELETE FROM a WHERE id IN (1, 2)')`,
  },
  table('c'),
]

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Everything below the folder, sorted; not the node_modules of this checkout, which a project of the tests links to. */
export function walk(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('node_modules'))
    .sort()
    .map((name) => path.join(folder, name))
}

/** A file, or everything in a folder. */
function tree(at: string): string[] {
  return lstatSync(at).isDirectory() ? walk(at) : [at]
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** One text for a folder: every path, and the hash of what is in it. */
export function hashTree(folder: string): string {
  return walk(folder)
    .map((file) => {
      const stats = lstatSync(file)
      const content = stats.isSymbolicLink() ? readlinkSync(file) : stats.isFile() ? readFileSync(file) : ''
      return `${path.relative(folder, file)} ${createHash('sha256').update(content).digest('hex')}`
    })
    .join('\n')
}

const MYSQL_USER = 'rays_deployer'

/** The URL that rays is given: with a password wherever the server is the tests' own. */
async function withPassword(db: FreshDatabase): Promise<string> {
  if (db.provider === 'sqlite' || /\/\/[^/@]*:[^/@]+@/.test(db.href)) return db.href
  const secret = encodeURIComponent(PASSWORD)
  // The private PostgreSQL trusts everybody, whatever the password.
  if (db.provider === 'postgresql') return db.href.replace(/\/\/([^/@]+)@/, `//$1:${secret}@`)
  await db.query(`CREATE USER IF NOT EXISTS '${MYSQL_USER}'@'%' IDENTIFIED BY '${PASSWORD}'`)
  await db.query(`GRANT ALL PRIVILEGES ON *.* TO '${MYSQL_USER}'@'%' WITH GRANT OPTION`)
  return db.href.replace(/\/\/[^/@]*@/, `//${MYSQL_USER}:${secret}@`)
}

export interface FaultOptions {
  /** The databases to which it applies; default: all. */
  readonly on?: readonly Provider[]
  /** Why it cannot run here, or undefined. */
  readonly skip?: string | undefined
  readonly timeoutMs?: number
  /** The Prisma schema; default: one model that no case looks at. */
  readonly schema?: string
  /** Instead of the shared server, a database made in this way. */
  readonly fresh?: (provider: Provider) => Promise<FreshDatabase>
  readonly config?: Readonly<Record<string, unknown>>
}

/** Opens a case; the caller removes it. */
export async function openCase(provider: Provider, options: FaultOptions = {}): Promise<FaultCase> {
  const db = await (options.fresh?.(provider) ?? databases.find((each) => each.provider === provider)!.fresh())
  const href = await withPassword(db)
  const schema = options.schema ?? 'model a {\n  id Int @id\n  v  String?\n}\n'
  return new FaultCase(
    db,
    project({ provider, schema, url: href, ...(options.config && { config: options.config }) }),
    href,
  )
}

/** One test for each database that a fault applies to. The reporter counts them by the name in parentheses. */
export function fault(title: string, body: (c: FaultCase) => Promise<unknown>, options: FaultOptions = {}): void {
  for (const { provider, available } of databases) {
    if (options.on && !options.on.includes(provider)) continue
    const reason = options.skip ?? (available ? undefined : `no ${provider}`)
    if (reason !== undefined) {
      test.skip(`${title} [skipped: ${reason}] (${provider})`, () => undefined)
      continue
    }
    test(
      `${title} (${provider})`,
      async () => {
        const c = await openCase(provider, options)
        try {
          await body(c)
          await c.agrees()
          await c.noSecrets()
        } finally {
          await c.db.drop()
          c.project.remove()
        }
      },
      options.timeoutMs ?? 120_000,
    )
  }
}
