/** `rays export knex [folder]`: every migration as a plain Knex migration, which needs neither rays nor Prisma. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { splitStatements } from '../../engines/sql/scanner.js'
import { replaceFile } from '../files.js'
import { renderKnexMigration, type Statement, usesAnswers } from '../knex/form.js'
import { folderNameOf, isKnexFile } from '../knex/names.js'
import { recordOperations } from '../knex/record.js'
import { readScript } from '../migrations/directory.js'
import { loadMigration } from '../migrations/load.js'
import type { Migration } from '../migrations/migration.js'
import type { Context } from './host.js'
import { isEsm } from './module-kind.js'
import { folders, openProject, type Project } from './project.js'

export interface ExportKnexOptions {
  /** Default: `migrations` in the project's folder, which is Knex's. */
  readonly folder?: string
}

export interface ExportKnexResult {
  readonly folder: string
  readonly written: readonly string[]
  /** Migrations that had a file already, whatever its extension and however wide its number. */
  readonly already: number
  /** Files whose migration asks for rows: they hold what it sends where there are none. */
  readonly incomplete: readonly string[]
}

/** @throws {RaysError} */
export async function exportKnex(context: Context, options: ExportKnexOptions = {}): Promise<ExportKnexResult> {
  const project = await openProject(context)
  const folder = path.resolve(context.config.root, options.folder ?? 'migrations')
  await mkdir(folder, { recursive: true })
  const module = (await isEsm(folder)) ? ('esm' as const) : ('commonjs' as const)
  const written: string[] = []
  const incomplete: string[] = []
  const all = await folders(project)
  const there = (await readdir(folder)).filter(isKnexFile)
  const present = new Set(there.flatMap((file) => [path.parse(file).name, folderNameOf(file)]))
  for (const migration of all) {
    // Knex would run a second file of the same migration, too.
    if (present.has(migration.name)) continue
    const file = path.join(folder, `${migration.name}.js`)
    const { up, down, transaction, reads } = withOwnTransaction(await statementsOf(project, migration))
    const notes = reads ? ['This migration asks for rows. Bring over by hand what it does with them.'] : []
    const provider = project.engine.provider
    await replaceFile(file, renderKnexMigration({ up, down, notes: [], head: notes, provider, module, transaction }))
    written.push(file)
    if (reads) {
      incomplete.push(file)
      context.host.warn(`${migration.name} asks for rows: bring over by hand what it does with them, in ${file}.`)
    }
  }
  return { folder, written, already: all.length - written.length, incomplete }
}

interface Statements {
  readonly up: readonly Statement[]
  readonly down: readonly Statement[] | undefined
  readonly transaction: boolean
  readonly reads: boolean
  readonly foreignKeysOff: boolean
}

/**
 * In Knex's transaction SQLite ignores the pragma, and dropping the old of a rebuilt table would empty its children: such a
 * migration begins its own transaction after the pragma.
 */
function withOwnTransaction(statements: Statements): Statements {
  if (!statements.foreignKeysOff) return statements
  const wrap = (list: readonly Statement[]) => [
    { sql: 'PRAGMA foreign_keys=OFF' },
    { sql: 'BEGIN' },
    ...list.filter(({ sql }) => !/^\s*PRAGMA\s+foreign_keys\b/i.test(sql)),
    { sql: 'COMMIT' },
    { sql: 'PRAGMA foreign_keys=ON' },
  ]
  const { up, down } = statements
  return { ...statements, up: wrap(up), down: down && wrap(down), transaction: false }
}

async function statementsOf({ engine }: Project, migration: Migration): Promise<Statements> {
  const loaded = await loadMigration(migration, { runScript: async () => undefined })
  if (migration.codeFile === undefined) {
    const up = splitStatements(await readScript(migration), engine.syntax).map(({ text }) => ({ sql: text }))
    const { foreignKeysOff } = loaded
    return { up, down: up.length === 0 ? [] : undefined, transaction: true, reads: false, foreignKeysOff }
  }
  const up = await recordOperations(loaded.operations, 'up')
  const down = await recordOperations(loaded.operations, 'down')
  const directions = [up, down]
  // Knex tells its code the keys and the number of rows; a client of rays tells rows only.
  const uses = loaded.knex !== undefined && usesAnswers(await readFile(migration.codeFile, 'utf8'))
  return {
    up: up?.statements ?? [],
    down: down?.statements,
    transaction: loaded.transaction,
    reads: directions.some((each) => each?.reads === true || (uses && each?.counts === true)),
    foreignKeysOff: loaded.foreignKeysOff,
  }
}
