/** `rays knex init`: everything that a project needs so that Knex runs its migrations. Each step is asked about; safe to repeat. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Knex } from 'knex'
import type { Provider } from '../../engines/engine.js'
import { blocksOf, isConfig } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import type { Config } from '../config/config.js'
import { replaceFile } from '../files.js'
import { KNEX_CLIENTS, requireKnex } from '../knex/dialects.js'
import type { KnexTable } from '../knex/histories.js'
import { keepTables, knexModels } from '../knex/models.js'
import { isWrapped } from '../knex/source.js'
import { readSnapshot } from '../migrations/directory.js'
import { writeDraft } from '../migrations/draft.js'
import { tableNames } from '../schema/prisma-schema.js'
import type { Context } from './host.js'
import { inRoot, knexfileOf, knexTable, loadKnexfile, recordKnexRuns, tableOf } from './knex-history.js'
import { withExternalTables } from './prisma-config-edit.js'
import { folders, openProject, type Project, withConnection, withLock } from './project.js'
import { placeOf } from './schema-file.js'

export interface KnexInitOptions {
  /** Take every step without asking. */
  readonly y?: boolean
}

export interface KnexInitStep {
  readonly step: 'knexfile' | 'script' | 'tables' | 'history'
  /**
   * present: it was there already. manual: it is for a person to do, as the text says. left: rays could not do it, and the
   * text says what is left to do; the command ends with 1.
   */
  readonly state: 'done' | 'present' | 'declined' | 'manual' | 'left' | 'skipped'
  readonly text: string
}

export interface KnexInitResult {
  readonly steps: readonly KnexInitStep[]
}

type Step = Omit<KnexInitStep, 'step'>

/** @throws {UsageError} where nobody can be asked and `y` was not given */
export async function knexInit(context: Context, options: KnexInitOptions = {}): Promise<KnexInitResult> {
  const project = await openProject(context)
  const sure = async (message: string) => options.y === true || context.host.confirm({ message, flag: '--y' })
  const steps: KnexInitStep[] = []
  steps.push({ step: 'knexfile', ...(await knexfile(project, sure)) })
  steps.push({ step: 'script', ...(await script(project, sure)) })
  steps.push({ step: 'tables', ...(await tables(context, project, sure)) })
  steps.push({ step: 'history', ...(await history(context, project, sure)) })
  return { steps }
}

type Sure = (message: string) => Promise<boolean>

async function knexfile({ config, engine }: Project, sure: Sure): Promise<Step> {
  const file = knexfileOf(config)
  if (file !== undefined) {
    const existing = path.basename(file)
    const text = await readFile(file, 'utf8')
    if (text.includes('knexFilePrismaAdapter')) return { state: 'present', text: `${existing} is wrapped already.` }
    return {
      state: 'manual',
      text: `${existing} is yours and was left as it is. Wrap what it exports:\n  import { knexFilePrismaAdapter } from 'prisma-rays/knex'\n  export default knexFilePrismaAdapter({ ... })`,
    }
  }
  if (!(await sure('Write knexfile.mjs?'))) return { state: 'declined', text: 'No knexfile was written.' }
  await replaceFile(path.join(config.root, 'knexfile.mjs'), knexfileText(engine.provider))
  return { state: 'done', text: 'Wrote knexfile.mjs.' }
}

function knexfileText(provider: Provider): string {
  return `import { knexFilePrismaAdapter } from 'prisma-rays/knex'

export default knexFilePrismaAdapter({
  // Without a connection it is the database that rays uses, in the environment that --env names.
  client: '${KNEX_CLIENTS[provider]}',
  migrations: {
    // Your own Knex migrations, and where \`knex migrate:make\` puts new ones.
    directory: './migrations',
  },
})
`
}

const CREATE_MIGRATION = 'prisma migrate dev --create-only && rays knex convert'

async function script({ config }: Project, sure: Sure): Promise<Step> {
  const file = path.join(config.root, 'package.json')
  if (!existsSync(file)) return { state: 'skipped', text: 'There is no package.json.' }
  const text = await readFile(file, 'utf8')
  const manifest = JSON.parse(text) as { scripts?: Record<string, string> }
  const present = manifest.scripts?.['create-migration']
  if (present === CREATE_MIGRATION) return { state: 'present', text: 'package.json has the script create-migration.' }
  const question =
    present === undefined
      ? 'Add the script create-migration to package.json?'
      : `Replace the script create-migration (${present}) in package.json?`
  if (!(await sure(question)))
    return { state: 'declined', text: `The script would be: "create-migration": "${CREATE_MIGRATION}"` }
  manifest.scripts = { ...manifest.scripts, 'create-migration': CREATE_MIGRATION }
  const indent = /^([ \t]+)"/m.exec(text)?.[1] ?? '  '
  await replaceFile(file, `${JSON.stringify(manifest, null, indent)}\n`)
  return { state: 'done', text: 'Added the script create-migration to package.json.' }
}

/** Prisma 7 is told of tables that are managed elsewhere; before it, models keep Prisma from dropping them. */
async function tables(context: Context, project: Project, sure: Sure): Promise<Step> {
  const { config, engine } = project
  const table = await knexTable(context)
  if (tableNames(project.schema.files).includes(table.name))
    return { state: 'present', text: "The schema has models for Knex's tables." }
  // While older migrations are the newest applied ones, the schema is theirs.
  if (tableNames(await migrated(project)).includes(table.name))
    return { state: 'present', text: "The newest migration has models for Knex's tables." }
  const namespace = table.schema ?? (config.databaseUrl && engine.namespace(config.databaseUrl))
  const names = [table.name, `${table.name}_lock`].map((name) => (namespace ? `${namespace}.${name}` : name))
  const file = config.prismaConfigFile
  if (file === undefined) return models(context, project, sure, table)
  if (names.every((name) => config.externalTables.includes(name)))
    return { state: 'present', text: `${path.basename(file)} names Knex's tables as external.` }
  const list = names.map((name) => `'${name}'`).join(', ')
  const lines = `  experimental: { externalTables: true },\n  tables: { external: [${list}] },\n`
  const missing = names.filter((name) => !config.externalTables.includes(name))
  const changed = await withExternalTables(file, missing)
  if (changed === undefined) {
    const name = path.basename(file)
    return {
      state: 'left',
      text: `${name} could not be changed. Add Knex's tables to it by hand, or Prisma would drop them:\n${lines}`,
    }
  }
  if (!(await sure(`Name Knex's tables as external in ${path.basename(file)}?`)))
    return { state: 'declined', text: `${path.basename(file)} would need:\n${lines}` }
  await replaceFile(file, changed)
  return { state: 'done', text: `Named Knex's tables as external in ${path.basename(file)}.` }
}

/** The schema that the migrations lead to: the newest snapshot; without any migration no more than the configuration blocks. */
async function migrated(project: Project): Promise<readonly SchemaFile[]> {
  const { files } = project.schema
  const newest = (await folders(project)).at(-1)
  if (newest !== undefined) return (await readSnapshot(newest)) ?? files
  return files.map((file) => ({
    path: file.path,
    content: blocksOf(file)
      .filter(isConfig)
      .map(({ start, end }) => `${file.content.slice(start, end)}\n`)
      .join('\n'),
  }))
}

async function models({ host }: Context, project: Project, sure: Sure, table: KnexTable): Promise<Step> {
  const { schema, engine, schemaEngine } = project
  const block = knexModels(engine.provider, table.name)
  if (block === undefined || table.schema !== undefined) {
    const list = [table.name, `${table.name}_lock`].map((name) => (table.schema ? `${table.schema}.${name}` : name))
    return {
      state: 'left',
      text: `Prisma can have no models of Knex's tables. Name them by hand in externalTables of raysconfig.js: ${list.join(', ')}.`,
    }
  }
  if (!(await sure("Add models for Knex's tables, which Prisma's client ignores, to the schema, and their migration?")))
    return { state: 'declined', text: `The schema would need:\n${block}` }
  const first = schema.files[0]!
  const target = schema.files.find((each) => path.basename(each.path) === 'schema.prisma') ?? first
  const content = `${target.content.trimEnd()}\n\n${block}`
  const files = schema.files.map((each) => (each === target ? { ...each, content } : each))
  await schemaEngine.validate(files)
  // The migration holds these two models alone: what else the schema has since the newest migration is for the next one.
  const before = await migrated(project)
  const last = before.findIndex((each) => each.path === target.path)
  const after = before.map((each, i) =>
    i === Math.max(last, 0) ? { ...each, content: `${each.content.trimEnd()}\n\n${block}` } : each,
  )
  // Unfiltered: rays itself takes Knex's tables for what they are and leaves them out.
  const { script: made } = await schemaEngine.diff(
    { kind: 'schema', files: before },
    { kind: 'schema', files: after },
    { summary: false },
  )
  const sql = made.replace(/CREATE TABLE (?!IF NOT EXISTS)/g, 'CREATE TABLE IF NOT EXISTS ')
  const operations = [keepTables(sql, engine.syntax)]
  const draft = { slug: 'knex_tables', script: sql, operations, after }
  const { name } = await writeDraft(draft, await placeOf(project), host.now())
  const root = schema.layout === 'file' ? path.dirname(schema.path) : schema.path
  await replaceFile(path.join(root, target.path), content)
  return { state: 'done', text: `Added models for Knex's tables to the schema, and their migration ${name}.` }
}

/** Once per environment: what Knex ran before is recorded for Prisma, and Knex learns what Prisma and rays applied. */
async function history(context: Context, project: Project, sure: Sure): Promise<Step> {
  const { config, host } = context
  if (config.databaseUrl === undefined)
    return { state: 'skipped', text: 'No database URL is set: repeat this where one is.' }
  const file = knexfileOf(config)
  if (file === undefined) return { state: 'skipped', text: 'There is no knexfile, so the history was not copied.' }
  if (!(await sure(`Copy the history of ${project.engine.describe(config.databaseUrl)} for Knex?`)))
    return { state: 'declined', text: 'The history was not copied.' }
  const knexfile = await loadKnexfile(config, file)
  const recorded = await withConnection(project, host, {}, (connection) =>
    withLock(config, host, connection, () => recordKnexRuns(project, connection, tableOf(knexfile))),
  )
  const told = recorded > 0 ? ` ${recorded} that Knex had run are now in _prisma_migrations.` : ''
  if (!isWrapped(knexfile)) {
    const name = path.basename(file)
    return {
      state: 'manual',
      text: `When ${name} is wrapped, repeat this: only then Knex learns what is applied.${told}`,
    }
  }
  const count = await listWithKnex(config, knexfile)
  return { state: 'done', text: `Knex knows ${count} applied migrations.${told}` }
}

/** Listing is enough: the adapter brings Knex's history in step before it is read. */
function listWithKnex(config: Config, knexfile: Knex.Config): Promise<number> {
  return inRoot(config, async () => {
    const knex = requireKnex<(config: Knex.Config) => Knex>(config.root)(knexfile)
    try {
      const [completed] = (await knex.migrate.list()) as [unknown[]]
      return completed.length
    } finally {
      await knex.destroy()
    }
  })
}
