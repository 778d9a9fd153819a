/** `rays rebase`: one's own migrations come after those of the others, made anew from the newest snapshot, and are applied again. */

import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { shortPath } from '../config/short-path.js'
import { FailedError, RaysError, UsageError } from '../errors.js'
import { AppliedSet } from '../history/applied-set.js'
import type { MigrationRecord } from '../history/recorder.js'
import { appliedIn, historyOf } from '../history/squashed.js'
import { stopIfInterrupted } from '../interruption.js'
import { folderNameOf } from '../knex/names.js'
import { type Answers, NO_ANSWERS, readAnswers } from '../migrations/answers.js'
import { courseOf, writtenStatements } from '../migrations/course.js'
import { nextTimestamp, otherFiles, readScript, readSnapshot, replaceSnapshot } from '../migrations/directory.js'
import { copyWhole, moveWhole } from '../migrations/drafts.js'
import { loadMigration } from '../migrations/load.js'
import type { LoadedMigration, Migration, Operation } from '../migrations/migration.js'
import type { PlannedOperation } from '../migrations/operations.js'
import { renderMigration } from '../migrations/writer.js'
import { mergeSchemas } from '../schema/merge.js'
import { readSchema, replaceModels, sameModels, snapshotOf, writeSchema } from '../schema/prisma-schema.js'
import type { SchemaFile } from '../schema/schema-engine.js'
import { bullets, compareNames } from '../text.js'
import { freePath } from './aside.js'
import { type Branch, explainBranch, findBranches, statementsOf, toldParent } from './branches.js'
import { expectWritable, writtenBy } from './files.js'
import type { Context } from './host.js'
import { generatedFor, makeMigration } from './makemigration.js'
import { type Agreed, type MigrateResult, migrate } from './migrate.js'
import { type ClearShadow, folders, messageOf, openProject, type Project, withConnection } from './project.js'
import { insideSchemaFolder } from './schema-file.js'
import { LEAVING, RESTORING } from './unmodelled.js'

export interface RebaseOptions {
  /** Names of one's own migrations, where the database does not tell them from the others'. */
  readonly own?: readonly string[]
  readonly y?: boolean
  readonly generate?: boolean
  /** Empties a configured shadow database that holds something. */
  readonly clearShadow?: ClearShadow | undefined
}

export interface RebaseResult {
  /** Empty: there was nothing to rebase. */
  readonly rebased: readonly { readonly from: string; readonly to: string; readonly made: 'anew' | 'moved' }[]
  readonly others: readonly string[]
  readonly overlap: readonly string[]
  readonly undone: MigrateResult | null
  readonly applied: MigrateResult | null
}

/** @throws {RaysError}; the folders and the schema are then as they were, unless only applying them failed */
export async function rebase(context: Context, options: RebaseOptions = {}): Promise<RebaseResult> {
  const { host, config } = context
  const project = await openProject(context)
  const all = await folders(project)
  const branches = await findBranches(project, all)
  if (branches.length === 0) return { rebased: [], others: [], overlap: [], undone: null, applied: null }
  for (const branch of branches) host.note(explainBranch(branch))
  const known = await knownHere(project, context, all)
  const applied = appliedIn(known)
  const base = branches[0]!.base
  const after = all.slice(base === undefined ? 0 : all.indexOf(base) + 1)
  const own = ownOf(after, branches, applied, options.own)
  const others = after.filter((migration) => !own.includes(migration))
  const stages = await mergedStages(project, base, others, own)
  // Known before anything is undone: what cannot go on has to be refused while all is in its place.
  const ways: Way[] = []
  for (const migration of own) ways.push(await wayOf({ context, project, all, base, own, others }, migration))
  await stopIfInterrupted(host, 'Interrupted; nothing was changed.')
  await expectWritable([...writtenBy(config), ...own.map(({ directory }) => directory)])
  const kept = config.databaseUrl !== undefined && own.some(({ name }) => applied.has(name))
  const written = project.schema
  const quiet = { generate: false, y: options.y === true }
  const undone = kept ? await migrate(context, { ...quiet, name: base?.name ?? 'zero' }, leavingOf(known, base)) : null
  const aside = await mkdtemp(path.join(path.dirname(config.migrationsDir), 'rays-rebase-'))
  const created: string[] = []
  const rebased: RebaseResult['rebased'][number][] = []
  try {
    for (const { directory, name } of own) await moveWhole(directory, path.join(aside, name))
    for (const [index, migration] of own.entries()) {
      await stopIfInterrupted(host, 'Interrupted; the migrations and the schema are as they were.')
      await putSchema(config.schemaPath, stages[index]!)
      const { made, answers } = ways[index]!
      const moved = { ...migration, ...within(aside, migration) }
      const to =
        made === 'anew'
          ? await makeAnew(context, migration, answers, options.clearShadow)
          : await move(project, moved, stages[index]!)
      if (to !== undefined) created.push(to)
      rebased.push({ from: migration.name, to: to ?? '', made })
    }
  } catch (error) {
    for (const name of created) await rm(path.join(config.migrationsDir, name), { recursive: true, force: true })
    const stranded: string[] = []
    for (const { directory, name } of own) {
      const place = path.join(aside, name)
      if (existsSync(place)) await moveWhole(place, directory).catch(() => stranded.push(name))
    }
    if (stranded.length === 0) await rm(aside, { recursive: true, force: true })
    else host.warn(`Could not be moved back from ${shortPath(config, aside)}: ${stranded.join(', ')}`)
    await putSchema(config.schemaPath, written.files)
    if (kept && error instanceof RaysError)
      host.warn(`The database is at ${base?.name ?? 'zero'}: rays migrate applies all of them as they were.`)
    throw error
  }
  await keepOriginals(context, aside, own, ways)
  const again = kept ? await applyAgain(context, options) : null
  return {
    rebased,
    others: others.map(({ name }) => name),
    overlap: [...new Set(branches.flatMap((branch) => branch.overlap))],
    undone,
    applied: again,
  }
}

/** How one's own migration comes after the others, and what was answered when it was made. */
interface Way {
  readonly made: 'anew' | 'moved'
  readonly answers: Answers
}

interface Surroundings {
  readonly context: Context
  readonly project: Project
  readonly all: readonly Migration[]
  readonly base: Migration | undefined
  readonly own: readonly Migration[]
  readonly others: readonly Migration[]
}

/**
 * Made anew is only what rays itself would make of the two schemas: a statement, a hook or a file more is somebody's work,
 * and is moved with the rest.
 * @throws {FailedError} for what can be neither
 */
async function wayOf(at: Surroundings, migration: Migration): Promise<Way> {
  const { codeFile } = migration
  const code = codeFile === undefined ? '' : readFileSync(codeFile, 'utf8')
  const answers = codeFile === undefined ? NO_ANSWERS : readAnswers(code)
  const loaded = await loadMigration(migration, { runScript: async () => undefined })
  const knexFile = loaded.knex && knexFileOf(migration, code)
  if (knexFile !== undefined) {
    throw new FailedError(
      `${migration.name} runs a file of Knex's, ${path.relative(at.project.config.root, knexFile)}, that Knex knows by the same name: it cannot be moved. Nothing was changed.`,
      {
        code: 'E_KNEX_FILE',
        hint: 'Take it back (rays migrate down to the one before it), delete its folder and the file, and make it again: npx knex migrate:make <name> | npx rays knex fill.',
      },
    )
  }
  if (await isGenerated(at, migration, loaded, { code, answers })) return { made: 'anew', answers }
  await refuseRebuilding(at, migration, loaded)
  return { made: 'moved', answers }
}

/** Whether its script and its code are, but for layout and comments, what rays writes for its step from one schema to another. */
async function isGenerated(
  { context, project, all, base, own }: Surroundings,
  migration: Migration,
  { operations }: LoadedMigration,
  { code, answers }: { readonly code: string; readonly answers: Answers },
): Promise<boolean> {
  if (migration.codeFile === undefined || otherFiles(migration).length > 0) return false
  const snapshot = await readSnapshot(migration)
  if (snapshot === undefined) return false
  const script = statementsOf(project, await readScript(migration))
  const extra = restoring(operations)
  const told = toldParent(all, migration)
  const before = own[own.indexOf(migration) - 1] ?? base
  for (const parent of new Set([...(told === undefined ? [] : [told === -1 ? undefined : all[told]]), before])) {
    const from = parent && (await readSnapshot(parent))
    if (parent !== undefined && from === undefined) continue
    const made = await generatedFor(context, project, from, snapshot, answers)
    const wanted = statementsOf(project, made.script)
    if (wanted.size !== script.size || [...wanted].some((statement) => !script.has(statement))) continue
    const texts = made.plans.flatMap((plan) =>
      (['commonjs', 'esm'] as const).map((module) =>
        renderMigration({ operations: [...extra, ...plan.operations] }, { module }),
      ),
    )
    if (texts.some((text) => plainCode(text) === plainCode(code))) return true
  }
  return false
}

/** Code without its layout and the comments that fill a line. */
function plainCode(code: string): string {
  return code.replace(/^\s*\/\/.*$/gm, '').replace(/[\s;,]+/g, '')
}

/** What rays has added to bring back objects that no schema knows: made anew, it is added again. */
function restoring(operations: readonly Operation[]): PlannedOperation[] {
  const [up, down] = operations[0] ?? []
  if (up?.name !== LEAVING || down?.name !== RESTORING) return []
  const sent = writtenStatements([[up, down]], 'down') ?? []
  return [
    {
      up: { name: LEAVING, statements: [] },
      down: { name: RESTORING, statements: sent.map(({ sql }) => sql) },
      summary: '',
    },
  ]
}

/** The file of Knex's own that the code of a migration points to (`rays knex fill`). */
function knexFileOf({ name, directory }: Migration, code: string): string | undefined {
  return [...code.matchAll(/\bfrom\s*['"](\.{1,2}\/[^'"]+)['"]/g)]
    .map(([, file]) => path.resolve(directory, file!))
    .find((file) => path.dirname(file) !== directory && folderNameOf(file) === name)
}

/** As it is, a migration that builds a table anew would take back what the others did to that table. */
async function refuseRebuilding(
  { project, others }: Surroundings,
  migration: Migration,
  loaded: LoadedMigration,
): Promise<void> {
  const { syntax } = project.engine
  const effects = (script: string) =>
    splitStatements(script, syntax).flatMap(({ text }) => describeStatement(text, syntax) ?? [])
  // What code of its own shows that it may send counts as sent.
  const sent = courseOf(loaded.operations, 'up').flatMap(({ statements }) => statements.map(({ sql }) => `${sql};\n`))
  const own = effects(`${await readScript(migration)}\n;\n${sent.join('')}`)
  const renamed = new Set(own.flatMap((e) => (e.action === 'rename' && e.object === 'table' ? [e.newName] : [])))
  const rebuilt = own.flatMap((e) =>
    e.action === 'drop' && e.object === 'table' && renamed.has(e.name) ? [e.name] : [],
  )
  if (rebuilt.length === 0) return
  for (const other of others) {
    const touched = new Set(effects(await readScript(other)).flatMap((e) => (e.object === 'table' ? e.name : e.table)))
    const table = rebuilt.find((name) => touched.has(name))
    if (table === undefined) continue
    throw new FailedError(
      `${migration.name} holds work of your own, so it cannot be made anew, and it builds the table ${table} anew as it was before ${other.name}: moved as it is, it would take that back. Nothing was changed.`,
      {
        code: 'E_REBASE',
        hint: `Put what you wrote into a migration of its own (rays makemigration --blank), leave in ${migration.name} what rays wrote, and run rays rebase again.`,
      },
    )
  }
}

/** What was moved is whole in its new folder. What was made anew may have had a comment or a note that is not. */
async function keepOriginals(
  { config, host }: Context,
  aside: string,
  own: readonly Migration[],
  ways: readonly Way[],
): Promise<void> {
  const anew = own.filter((_, index) => ways[index]!.made === 'anew')
  if (anew.length > 0) {
    const folder = path.join(path.dirname(config.migrationsDir), 'rebased-migrations')
    try {
      await mkdir(folder, { recursive: true })
      for (const { name } of anew) await moveWhole(path.join(aside, name), freePath(folder, name))
      host.note(`The migrations as they were are in ${shortPath(config, folder)}.`)
    } catch (error) {
      host.warn(`The migrations as they were stay in ${shortPath(config, aside)}: ${messageOf(error)}`)
      return
    }
  }
  await rm(aside, { recursive: true, force: true })
}

async function applyAgain(context: Context, { generate }: RebaseOptions): Promise<MigrateResult> {
  try {
    return await migrate(context, { ...(generate !== undefined && { generate }) })
  } catch (error) {
    context.host.warn('The migrations are rebased. They could not be applied yet: rays migrate does it.')
    throw error
  }
}

async function knownHere(project: Project, context: Context, all: readonly Migration[]): Promise<MigrationRecord[]> {
  if (project.config.databaseUrl === undefined) return []
  return withConnection(project, context.host, { readOnly: true }, (connection) => historyOf(connection, all))
}

/** What goes down, so that nothing goes with it that another run has applied meanwhile. */
function leavingOf(known: readonly MigrationRecord[], base: Migration | undefined): Agreed {
  const names = known.flatMap(({ name, state }) =>
    state === 'applied' && (base === undefined || compareNames(name, base.name) > 0) ? [name] : [],
  )
  return { direction: 'down', names: names.reverse(), base: AppliedSet.of(known) }
}

/** Own are those that this database has, while it does not have the others' yet. */
function ownOf(
  after: readonly Migration[],
  branches: readonly Branch[],
  applied: ReadonlySet<string>,
  named: readonly string[] | undefined,
): Migration[] {
  const own = named
    ? after.filter(({ name }) => named.some((given) => name === given || name.replace(/^\d{14}_?/, '') === given))
    : after.filter(({ name }) => applied.has(name))
  if (own.length > 0 && own.length < after.length && (!named || own.length === named.length)) return own
  throw new UsageError(
    `${branches.map(explainBranch).join('\n')}\nWhich of them are yours cannot be told from the database: it has ${own.length === 0 ? 'none' : 'all'} of them.`,
    {
      code: 'E_WHOSE',
      hint: `Name yours: rays rebase --own <name>. There are:\n${bullets(after.map(({ name }) => name))}`,
    },
  )
}

/** The schema after each of one's own migrations, once they follow the others. The last is the present schema where that is merged. */
async function mergedStages(
  project: Project,
  base: Migration | undefined,
  others: readonly Migration[],
  own: readonly Migration[],
): Promise<readonly (readonly SchemaFile[])[]> {
  const start = base === undefined ? [] : ((await readSnapshot(base)) ?? [])
  const snapshots = async (all: readonly Migration[]) =>
    Promise.all(all.map(async (migration) => (await readSnapshot(migration)) ?? []))
  // Those of the others follow one another already: the newest of them holds what all of them did.
  const theirs = (await snapshots(others)).reduce<readonly SchemaFile[]>((_, files) => files, start)
  const ours = await snapshots(own)
  const stages = ours.map((files) => mergeSchemas(start, theirs, files))
  const present = project.schema.files
  const unmerged = [theirs, ours.at(-1)!].some((files) => sameModels(present, files))
  const last = unmerged ? stages.at(-1)! : present
  await project.schemaEngine.validate(last)
  return [...stages.slice(0, -1), last]
}

async function putSchema(schemaPath: string, files: readonly SchemaFile[]): Promise<void> {
  const schema = await readSchema(schemaPath)
  await writeSchema(schema, replaceModels(schema, files))
}

function within(
  folder: string,
  migration: Migration,
): Pick<Migration, 'directory' | 'codeFile' | 'sqlFile' | 'snapshotPath'> {
  const directory = path.join(folder, migration.name)
  const moved = (file: string | undefined) =>
    file === undefined ? undefined : path.join(directory, path.basename(file))
  return {
    directory,
    codeFile: moved(migration.codeFile),
    sqlFile: moved(migration.sqlFile),
    snapshotPath: moved(migration.snapshotPath),
  }
}

async function makeAnew(
  context: Context,
  { name }: Migration,
  known: Answers,
  clearShadow: ClearShadow | undefined,
): Promise<string | undefined> {
  const made = await makeMigration(context, {
    name: name.replace(/^\d{14}_?/, '') || 'migration',
    rename: false,
    known,
    clearShadow,
  })
  return made.migrations.at(-1)?.name
}

/** Code of one's own cannot be made anew: the folder gets a new name and the snapshot that it leads to now. */
async function move(project: Project, migration: Migration, files: readonly SchemaFile[]): Promise<string> {
  const { config, schema } = project
  const newest = (await folders(project)).at(-1)?.timestamp
  const name = `${nextTimestamp(new Date(), newest)}_${migration.name.replace(/^\d{14}_?/, '')}`
  const directory = path.join(config.migrationsDir, name)
  // A copy: if a later one cannot be made, the original goes back to its place.
  await copyWhole(migration.directory, directory, (copy) =>
    replaceSnapshot(copy, {
      layout: schema.layout,
      files: snapshotOf(files),
      insideSchemaFolder: insideSchemaFolder(config, schema),
    }),
  )
  return name
}
