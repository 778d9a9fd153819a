/** `rays export knex [folder]`: every migration as a plain Knex migration, which needs neither rays nor Prisma. */
import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { splitStatements } from '../../engines/sql/scanner.js'
import { replaceFile } from '../files.js'
import { type Holding, inKnexTransaction, renderExported, withoutSwitches } from '../knex/exported.js'
import type { Statement } from '../knex/form.js'
import { folderNameOf, isKnexFile } from '../knex/names.js'
import { controlsTransaction } from '../knex/record.js'
import { courseOf, type Part } from '../migrations/course.js'
import { readScript } from '../migrations/directory.js'
import { loadMigration } from '../migrations/load.js'
import type { LoadedMigration, Migration } from '../migrations/migration.js'
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
  /** Files whose migration has code of its own: it stands in them as a comment, to be brought over by hand. */
  readonly incomplete: readonly string[]
}

/** What puts the check of SQLite's foreign keys off, for every migration that comes later. */
const DEFERS = /\bDEFERRABLE\b|\bdefer_foreign_keys\b/i

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
  let defers = false
  for (const migration of all) {
    defers ||= DEFERS.test(await readScript(migration))
    // Knex would run a second file of the same migration, too.
    if (present.has(migration.name)) continue
    const file = path.join(folder, `${migration.name}.js`)
    const { own, ...statements } = await exportOf(project, migration)
    const head = own ? ['This migration has code of its own. Bring over by hand what it does.'] : []
    const { provider } = project.engine
    defers ||= [...statements.up, ...(statements.down ?? [])].some(({ sql }) => DEFERS.test(sql))
    await replaceFile(file, renderExported({ ...statements, notes: [], head, provider, module, defers }))
    written.push(file)
    if (own) {
      incomplete.push(file)
      context.host.warn(
        `${migration.name} asks for rows, or does more than to send statements: bring over by hand what it does, in ${file}.`,
      )
    }
  }
  return { folder, written, already: all.length - written.length, incomplete }
}

interface Statements {
  readonly up: readonly Statement[]
  readonly down: readonly Statement[] | undefined
  readonly holding: Holding
  readonly own: boolean
  readonly foreignKeysOff: boolean
}

async function exportOf({ engine }: Project, migration: Migration): Promise<Statements> {
  const loaded = await loadMigration(migration, { runScript: async () => undefined })
  if (migration.codeFile === undefined) {
    const up = splitStatements(await readScript(migration), engine.syntax).map(({ text }) => ({ sql: text }))
    return held({ up, down: up.length === 0 ? [] : undefined, own: false }, loaded)
  }
  // Knex's own transactions inside of a migration are parts of one.
  const control = !loaded.transaction && loaded.knex === undefined
  const ways = (['up', 'down'] as const).map((direction) => courseOf(loaded.operations, direction))
  const own = ways.some((parts) => parts.some(({ code }) => code !== undefined))
  const [up, down] = ways.map((parts) => exported(parts, control))
  return held({ up: up ?? [], down, own }, loaded)
}

/** What rays wrote as statements, code of one's own as a comment; undefined where there is no such way. */
function exported(parts: readonly Part[], control: boolean): readonly Statement[] | undefined {
  if (parts.some(({ missing }) => missing)) return undefined
  return parts.flatMap(({ operation, name, statements, code }): readonly Statement[] => {
    if (code !== undefined) return [{ sql: '', comment: `Operation ${operation}, ${name}:\n${code}` }]
    return statements.filter(({ sql }) => control || !controlsTransaction(sql))
  })
}

/**
 * A migration is in Knex's transaction where it can: then Knex's row is, too. In it SQLite ignores the pragma that switches
 * foreign keys off, and PostgreSQL does not let the next migration use a value that this one adds to an enum: they begin
 * their own.
 */
function held(
  statements: Pick<Statements, 'up' | 'down' | 'own'>,
  { transaction, foreignKeysOff }: Pick<LoadedMigration, 'transaction' | 'foreignKeysOff'>,
): Statements {
  if (!transaction) return { ...statements, foreignKeysOff, holding: 'none' }
  const { up, down } = statements
  const own = (list: readonly Statement[]) => withoutSwitches(inKnexTransaction(list), foreignKeysOff)
  const addsValue = [...up, ...(down ?? [])].some(({ sql }) => /\bALTER\s+TYPE\b[^;]*\bADD\s+VALUE\b/i.test(sql))
  const holding = foreignKeysOff || addsValue ? 'own' : 'knex'
  return { ...statements, up: own(up), down: down && own(down), foreignKeysOff, holding }
}
