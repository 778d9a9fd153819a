/** A project with a database of its own: what a person has in front of them when they type `rays`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type FreshDatabase, history, type TestDatabase, type TestRow } from './databases.js'
import { type Output, type ProjectOptions, project, type RunOptions, type TestProject } from './project.js'

export interface Workspace {
  readonly db: FreshDatabase
  readonly project: TestProject
  /** Types `rays <line>`; the words are separated by one space. */
  rays(line: string | readonly string[], options?: RunOptions): Promise<Output>
  /** The same, and anything but exit code 0 is the test's failure, with all output. */
  ok(line: string | readonly string[], options?: RunOptions): Promise<Output>
  /** The same, where the command must end with this exit code. */
  fails(code: number, line: string | readonly string[], options?: RunOptions): Promise<Output>
  /** Types `rays <line>` for a migration that the test begins from (see {@link TestProject.given}). */
  given(line: string): Promise<void>
  /** Runs SQL beside rays; "x" is an identifier on every database. */
  sql(text: string): Promise<TestRow[]>
  /** The migration folders' names, oldest first. */
  folders(): string[]
  /** The folder whose name ends with the given one. */
  folder(name: string): string
  read(file: string): string
  /** A file of a migration. */
  migration(name: string, file?: string): string
  exists(file: string): boolean
  /** Every file of the project but node_modules, with its text: equal means that nothing was touched. */
  snapshot(): Record<string, string>
  /** Names of the applied migrations as `_prisma_migrations` has them, without their timestamps. */
  applied(): Promise<string[]>
  /** The names of the tables in the database, sorted, without the history. */
  tables(): Promise<string[]>
  drop(): Promise<void>
}

export type WorkspaceOptions = Partial<Omit<ProjectOptions, 'provider' | 'url'>> & {
  /** DATABASE_URL, if not that of the fresh database. */
  readonly url?: (db: FreshDatabase) => string
  readonly migrationsDir?: string
}

/** Makes a fresh database and a project for it. */
export async function workspace(on: TestDatabase, options: WorkspaceOptions = {}): Promise<Workspace> {
  const db = await on.fresh()
  const made = project({
    provider: on.provider,
    schema: '',
    ...options,
    url: options.url ? options.url(db) : db.href,
  })
  const root = path.join(made.folder, options.migrationsDir ?? 'prisma/migrations')
  const rays = (line: string | readonly string[], run?: RunOptions) =>
    made.rays(typeof line === 'string' ? line.split(' ').filter(Boolean) : line, run)
  const fails = async (code: number, line: string | readonly string[], run?: RunOptions) => {
    const output = await rays(line, run)
    if (output.code === code) return output
    throw new Error(
      `rays ${typeof line === 'string' ? line : line.join(' ')}: exit ${output.code} instead of ${code}\n${output.stdout}\n${output.stderr}`,
    )
  }
  const folders = () =>
    existsSync(root)
      ? readdirSync(root, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => entry.name)
          .sort()
      : []
  const folder = (name: string) => {
    const found = folders().find((candidate) => candidate.endsWith(`_${name}`))
    if (!found) throw new Error(`no migration ${name} in ${folders().join(', ')}`)
    return found
  }
  const sql = (text: string) => db.query(on.provider === 'mysql' ? text.replaceAll('"', '`') : text)
  return {
    db,
    project: made,
    rays,
    ok: (line, run) => fails(0, line, run),
    fails,
    given: (line) => made.given(line.split(' ')),
    sql,
    folders,
    folder,
    read: (file) => readFileSync(path.join(made.folder, file), 'utf8'),
    migration: (name, file = 'migration.js') => readFileSync(path.join(root, folder(name), file), 'utf8'),
    exists: (file) => existsSync(path.join(made.folder, file)),
    snapshot: () => made.files(),
    applied: async () =>
      (await history(db))
        .filter((row) => row.finished_at !== null && row.rolled_back_at === null)
        .map((row) => String(row.migration_name).replace(/^\d+_/, '')),
    tables: () => tablesOf(db),
    async drop() {
      made.remove()
      await db.drop()
    },
  }
}

const TABLES = {
  postgresql: `SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
  mysql: 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()',
  sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
}

/** The names of the tables in a database, sorted, without the history. */
export async function tablesOf(db: FreshDatabase): Promise<string[]> {
  const rows = await db.query(TABLES[db.provider])
  return rows
    .map((row) => String(row.name))
    .filter((name) => name !== '_prisma_migrations')
    .sort()
}

/** The database's own way to say a few things, so that one test can say them on each. */
export const quoted = (on: TestDatabase, identifier: string) =>
  on.provider === 'mysql' ? `\`${identifier}\`` : `"${identifier}"`
