/** `rays import knex <folder>`: plain Knex migrations become migrations of rays, by running them on a shadow database. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Connection, Structure } from '../../engines/engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { bindPlaceholders } from '../../engines/sql/placeholders.js'
import { FailedError, UsageError } from '../errors.js'
import { renameDurably } from '../files.js'
import { stopIfInterrupted } from '../interruption.js'
import { withoutHelpers } from '../knex/exported.js'
import { isKnexForm, type Statement, usesAnswers } from '../knex/form.js'
import { folderNameOf, isKnexFile } from '../knex/names.js'
import { knexOver } from '../knex/over-client.js'
import { RecordingClient } from '../knex/record.js'
import { writeDraft } from '../migrations/draft.js'
import type { KnexForm } from '../migrations/migration.js'
import type { PlannedOperation } from '../migrations/operations.js'
import { loadModule } from '../modules.js'
import { replay } from '../proof/replay.js'
import { hasModels, writeSchema } from '../schema/prisma-schema.js'
import { compareNames } from '../text.js'
import type { Context } from './host.js'
import { knexTable, recordKnexRuns } from './knex-history.js'
import {
  type ClearShadow,
  folders,
  messageOf,
  openProject,
  openShadow,
  type Project,
  withConnection,
  withLock,
} from './project.js'
import { placeOf } from './schema-file.js'

export interface ImportKnexOptions {
  readonly folder: string
  readonly clearShadow?: ClearShadow | undefined
}

export interface ImportedMigration {
  readonly name: string
  readonly from: string
  readonly down: 'verified' | 'different' | 'missing'
  readonly notes: readonly string[]
}

export interface ImportKnexResult {
  readonly imported: readonly ImportedMigration[]
  /** Files that had a folder already. */
  readonly already: number
  /** How many of them the database had from Knex, and now has in `_prisma_migrations`, too. */
  readonly recorded: number
}

/** @throws {UsageError} for a folder without Knex migrations; {@link FailedError} when one does not run */
export async function importKnex(context: Context, options: ImportKnexOptions): Promise<ImportKnexResult> {
  const project = await openProject(context)
  const folder = path.resolve(context.config.root, options.folder)
  const files = await knexFiles(folder)
  const existing = await folders(project)
  const known = new Set(existing.map(({ name }) => name))
  const open = files.filter((file) => !known.has(folderNameOf(file)))
  const shadow = await openShadow(project, context.host, 'rays', {
    clear: options.clearShadow,
    known: [project.schema.files],
  })
  const found: Found[] = []
  // What leads to the present state of the shadow: once more, where a way down has left it elsewhere.
  const ran: (() => Promise<unknown>)[] = []
  try {
    const names = [...known, ...open.map(folderNameOf)].sort(compareNames)
    for (const name of names) {
      const migration = existing.find((candidate) => candidate.name === name)
      if (migration) {
        const again = () => replay(shadow.connection, [migration], context.host)
        await again()
        ran.push(again)
      } else {
        const file = path.join(folder, open.find((candidate) => folderNameOf(candidate) === name)!)
        const work = new Import(project, shadow.connection)
        const result = await work.run(file, name)
        ran.push(() => work.up(file))
        found.push(result)
        if (result.down === 'verified') continue
        await shadow.connection.reset(project.schemas)
        for (const again of ran) await again()
      }
    }
  } finally {
    await shadow.dispose()
  }
  await stopIfInterrupted(context.host, 'Interrupted; nothing was written.')
  for (const each of found) await write(context, project, each)
  const last = found.at(-1)
  if (last && !hasModels(project.schema.files)) {
    const before = new Map(project.schema.files.map((file) => [file.path, file.content]))
    await writeSchema(project.schema, {
      write: last.schema.filter((file) => before.get(file.path) !== file.content),
      remove: [],
    })
    context.host.note(`Wrote the models to ${context.config.schemaPath}.`)
  }
  for (const { name, notes } of found) for (const note of notes) context.host.warn(`${name}: ${note}`)
  const recorded = context.config.databaseUrl === undefined ? 0 : await recordRuns(context, project)
  return {
    imported: found.map(({ name, file, down, notes }) => ({ name, from: file, down, notes })),
    already: files.length - open.length,
    recorded,
  }
}

async function knexFiles(folder: string): Promise<string[]> {
  if (!existsSync(folder))
    throw new UsageError(`There is no folder ${folder}.`, { hint: 'rays import knex ./migrations' })
  const files = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isFile() && isKnexFile(entry.name))
    .map((entry) => entry.name)
    .sort(compareNames)
  if (files.length === 0)
    throw new UsageError(`${folder} holds no Knex migrations.`, { hint: 'rays import knex ./migrations' })
  return files
}

interface Found extends ImportedMigration {
  readonly file: string
  readonly up: readonly string[]
  readonly back: readonly string[] | undefined
  readonly schema: readonly SchemaFile[]
  readonly transaction: boolean
}

/** One file, run up, down and up again. */
class Import {
  readonly #project: Project
  readonly #connection: Connection

  constructor(project: Project, connection: Connection) {
    this.#project = project
    this.#connection = connection
  }

  async #code(file: string): Promise<KnexForm> {
    const loaded = await loadModule(file)
    const code = [loaded, (loaded as { default?: unknown } | undefined)?.default].find(isKnexForm)
    if (code === undefined) throw new UsageError(`${file} exports no up and down.`, { hint: 'Move it elsewhere.' })
    return code
  }

  /** Runs the up alone. */
  async up(file: string): Promise<void> {
    await this.#record(await this.#code(file), 'up', file)
  }

  async run(file: string, name: string): Promise<Found> {
    const code = await this.#code(file)
    const { schemaEngine, schema, schemas, engine } = this.#project
    const before = await engine.structure(this.#connection, schemas)
    const up = await this.#record(code, 'up', file)
    const after = await this.#introspect(schemaEngine, schema.files)
    const notes: string[] = []
    const source = withoutHelpers(await readFile(file, 'utf8'))
    notes.push(...notesOf('up', up, source))
    let back: RecordingClient | undefined
    let down: Found['down'] = 'missing'
    try {
      back = await this.#record(code, 'down', file)
      down = same(before, await engine.structure(this.#connection, schemas)) ? 'verified' : 'different'
      if (down === 'different') notes.push('Its down does not lead back to the structure before it.')
      notes.push(...notesOf('down', back, source))
      if (down === 'verified') await this.#record(code, 'up', file)
    } catch (error) {
      if (back !== undefined) throw error
      notes.push(`Its down fails: ${messageOf(error)}`)
    }
    return {
      name,
      file,
      from: file,
      up: this.#withForeignKeysOff(up.statements.map((statement) => this.#text(statement))),
      back: back && this.#withForeignKeysOff(back.statements.map((statement) => this.#text(statement))),
      schema: after,
      transaction: code.config?.transaction !== false,
      down,
      notes,
    }
  }

  async #record(code: KnexForm, direction: 'up' | 'down', file: string): Promise<RecordingClient> {
    const recording = new RecordingClient(this.#connection)
    const work = async () => {
      await code[direction](knexOver(recording, this.#project.engine.provider, this.#project.config.root))
    }
    try {
      if (this.#connection.engine.transactionalDdl && code.config?.transaction !== false)
        await this.#connection.transaction({ foreignKeysOff: true }, work)
      else await work()
      await this.#connection.restoreSettings()
      return recording
    } catch (error) {
      throw new FailedError(`The ${direction} of ${file} failed on the shadow database: ${messageOf(error)}`, {
        cause: error,
        hint: 'Nothing was written. Correct the file, or move it elsewhere.',
      })
    }
  }

  #introspect(engine: Project['schemaEngine'], context: readonly SchemaFile[]): Promise<SchemaFile[]> {
    return engine.introspect(this.#connection, context)
  }

  /** Where Knex has built a table of SQLite's anew, it was with foreign keys off, and has to be again. */
  #withForeignKeysOff(statements: readonly string[]): readonly string[] {
    const rebuilds =
      statements.some((text) => /^\s*DROP\s+TABLE\b/i.test(text)) &&
      statements.some((text) => /\bRENAME\s+TO\b/i.test(text))
    if (this.#project.engine.provider !== 'sqlite' || !rebuilds) return statements
    return ['PRAGMA foreign_keys=OFF', ...statements, 'PRAGMA foreign_keys=ON']
  }

  /** Parameters become literals, so that migration.sql says the same. */
  #text({ sql, params = [] }: Statement): string {
    if (params.length === 0) return sql
    const { literal } = this.#project.engine
    const placeholder = (n: number) => literal(params[n - 1])
    return bindPlaceholders(sql, params.length, { ...this.#connection.syntax, placeholder })
  }
}

/** What of a direction is not in its statements alone. */
function notesOf(direction: 'up' | 'down', { reads, counts }: RecordingClient, source: string): string[] {
  if (reads) return [`Its ${direction} reads rows, so what it changes depends on them: look at migration.js.`]
  if (!counts || !usesAnswers(source)) return []
  return [
    `Its ${direction} changes rows and may use their keys or their number, which are then those of an empty database: look at migration.js.`,
  ]
}

function same(a: Structure, b: Structure): boolean {
  return a.lines.join('\n') === b.lines.join('\n')
}

async function write({ config }: Context, project: Project, found: Found): Promise<void> {
  const operation: PlannedOperation = {
    up: { name: 'up', statements: found.up },
    down: found.back === undefined ? null : { name: 'down', statements: found.back },
    summary: found.name,
  }
  const script = found.up.map((statement) => `${statement.replace(/;\s*$/, '')};\n`).join('')
  const draft = {
    slug: found.name,
    script,
    operations: found.up.length + (found.back?.length ?? 0) > 0 ? [operation] : [],
    transaction: found.transaction,
    after: found.schema,
    readme: { summary: '', warnings: [], notes: found.notes },
  }
  const written = await writeDraft(draft, await placeOf(project))
  // Knex's own timestamp, so that the order stays.
  await renameDurably(written.directory, path.join(config.migrationsDir, found.name))
}

/** In a database that does not exist yet, nothing has run. */
async function recordRuns(context: Context, project: Project): Promise<number> {
  const table = await knexTable(context)
  try {
    return await withConnection(project, context.host, {}, (connection) =>
      withLock(context.config, context.host, connection, () => recordKnexRuns(project, connection, table)),
    )
  } catch (error) {
    if (error instanceof FailedError && error.code === 'E_NO_DATABASE') return 0
    throw error
  }
}
