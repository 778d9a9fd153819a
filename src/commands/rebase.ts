/** `rays rebase`: one's own migrations come after those of the others, made anew from the newest snapshot, and are applied again. */
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { RaysError, UsageError } from '../errors.js'
import { appliedOf } from '../history/squashed.js'
import { type Answers, NO_ANSWERS, readAnswers } from '../migrations/answers.js'
import { nextTimestamp, readSnapshot, replaceSnapshot } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { mergeSchemas } from '../schema/merge.js'
import { readSchema, replaceModels, sameModels, snapshotOf, writeSchema } from '../schema/prisma-schema.js'
import type { SchemaFile } from '../schema/schema-engine.js'
import { bullets } from '../text.js'
import { type Branch, explainBranch, findBranches } from './branches.js'
import type { Context } from './host.js'
import { makeMigration } from './makemigration.js'
import { type MigrateResult, migrate } from './migrate.js'
import { folders, openProject, type Project, withConnection } from './project.js'
import { insideSchemaFolder } from './schema-file.js'
import { onlyChangesSchema } from './squash.js'

export interface RebaseOptions {
  /** Names of one's own migrations, where the database does not tell them from the others'. */
  readonly own?: readonly string[]
  readonly y?: boolean
  readonly generate?: boolean
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
  const applied = await appliedHere(project, context, all)
  const base = branches[0]!.base
  const after = all.slice(base === undefined ? 0 : all.indexOf(base) + 1)
  const own = ownOf(after, branches, applied, options.own)
  const others = after.filter((migration) => !own.includes(migration))
  const stages = await mergedStages(project, base, others, own)
  const kept = config.databaseUrl !== undefined && own.some(({ name }) => applied.has(name))
  const written = project.schema
  const quiet = { generate: false, y: options.y === true }
  const undone = kept ? await migrate(context, { ...quiet, name: base?.name ?? 'zero' }) : null
  const aside = await mkdtemp(path.join(path.dirname(config.migrationsDir), 'rays-rebase-'))
  const created: string[] = []
  const rebased: RebaseResult['rebased'][number][] = []
  try {
    for (const { directory, name } of own) await rename(directory, path.join(aside, name))
    for (const [index, migration] of own.entries()) {
      await putSchema(config.schemaPath, stages[index]!)
      const moved = { ...migration, ...within(aside, migration) }
      const answers = moved.codeFile === undefined ? NO_ANSWERS : readAnswers(readFileSync(moved.codeFile, 'utf8'))
      const answered = answers.renames.length + answers.defaults.length > 0
      const anew = await onlyChangesSchema(project, moved, answered)
      const to = anew ? await makeAnew(context, migration, answers) : await move(project, moved, stages[index]!)
      if (to !== undefined) created.push(to)
      rebased.push({ from: migration.name, to: to ?? '', made: anew ? 'anew' : 'moved' })
    }
  } catch (error) {
    for (const name of created) await rm(path.join(config.migrationsDir, name), { recursive: true, force: true })
    for (const { directory, name } of own) await rename(path.join(aside, name), directory).catch(() => undefined)
    await rm(aside, { recursive: true, force: true })
    await putSchema(config.schemaPath, written.files)
    if (kept && error instanceof RaysError)
      host.warn(`The database is at ${base?.name ?? 'zero'}: rays migrate applies all of them as they were.`)
    throw error
  }
  await rm(aside, { recursive: true, force: true })
  const again = kept ? await applyAgain(context, options) : null
  return {
    rebased,
    others: others.map(({ name }) => name),
    overlap: [...new Set(branches.flatMap((branch) => branch.overlap))],
    undone,
    applied: again,
  }
}

async function applyAgain(context: Context, { generate }: RebaseOptions): Promise<MigrateResult> {
  try {
    return await migrate(context, { ...(generate !== undefined && { generate }) })
  } catch (error) {
    context.host.warn('The migrations are rebased. They could not be applied yet: rays migrate does it.')
    throw error
  }
}

async function appliedHere(project: Project, context: Context, all: readonly Migration[]): Promise<Set<string>> {
  if (project.config.databaseUrl === undefined) return new Set()
  return withConnection(project, context.host, { readOnly: true }, (connection) => appliedOf(connection, all))
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

async function makeAnew(context: Context, { name }: Migration, known: Answers): Promise<string | undefined> {
  const made = await makeMigration(context, {
    name: name.replace(/^\d{14}_?/, '') || 'migration',
    rename: false,
    known,
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
  await cp(migration.directory, directory, { recursive: true, errorOnExist: true, force: false })
  await replaceSnapshot(directory, {
    layout: schema.layout,
    files: snapshotOf(files),
    insideSchemaFolder: insideSchemaFolder(config, schema),
  })
  return name
}
