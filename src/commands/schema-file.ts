/** The project's schema file follows the database, and the client follows the schema. */
import path from 'node:path'
import type { Config } from '../config/config.js'
import { shortPath } from '../config/short-path.js'
import { interrupted, stopIfInterrupted } from '../interruption.js'
import { hideSnapshots, readSnapshot } from '../migrations/directory.js'
import type { DraftPlace } from '../migrations/draft.js'
import type { Migration } from '../migrations/migration.js'
import {
  generatorsOf,
  type PrismaSchema,
  readSchema,
  replaceModels,
  sameModels,
  sameModelsAs,
  writeSchema,
} from '../schema/prisma-schema.js'
import { bullets } from '../text.js'
import { afterwards } from './files.js'
import type { Context, Host } from './host.js'
import { isEsm } from './module-kind.js'
import type { Project } from './project.js'

export type Followed =
  /** It was replaced by the target's snapshot. */
  | { readonly state: 'replaced'; readonly migration: string }
  /** It is the target's snapshot already. */
  | { readonly state: 'same' }
  /** It was left; why. */
  | { readonly state: 'left'; readonly reason: string }

/**
 * Makes the schema that of the target's snapshot, if the present schema is one that a migration holds. A schema with
 * edits of its own is never overwritten.
 */
export async function followTarget(
  config: Config,
  all: readonly Migration[],
  target: Migration | undefined,
): Promise<Followed> {
  if (target === undefined) return { state: 'left', reason: 'no migration is applied' }
  const snapshot = await readSnapshot(target)
  if (snapshot === undefined) return { state: 'left', reason: `${target.name} has no snapshot` }
  const schema = await readSchema(config.schemaPath)
  if (sameModels(schema.files, snapshot)) return { state: 'same' }
  if (!(await heldBySomeSnapshot(schema, all))) {
    return { state: 'left', reason: 'it has changes that no migration holds' }
  }
  const change = replaceModels(schema, snapshot)
  await writeSchema(schema, change)
  return { state: 'replaced', migration: target.name }
}

async function heldBySomeSnapshot(schema: PrismaSchema, all: readonly Migration[]): Promise<boolean> {
  const same = sameModelsAs(schema.files, { comments: true })
  for (const migration of [...all].reverse()) {
    const snapshot = await readSnapshot(migration)
    if (snapshot && same(snapshot)) return true
  }
  return false
}

export type Generated =
  | { readonly state: 'done' }
  | { readonly state: 'skipped'; readonly reason: string }
  | { readonly state: 'failed'; readonly reason: string }

/**
 * Runs `prisma generate` where the schema has a generator. A failure is a warning: the migration stands.
 * @throws {InterruptedError} where a signal came first
 */
export async function generateClient(config: Config, host: Host, wanted: boolean): Promise<Generated> {
  if (!wanted) return { state: 'skipped', reason: 'not wanted' }
  const instead = 'Run npx prisma generate.'
  const generated = await afterwards(host, { what: "Prisma's client could not be made", instead }, () =>
    generate(config, host),
  )
  return 'failed' in generated ? { state: 'failed', reason: generated.failed } : generated
}

async function generate(config: Config, host: Host): Promise<Generated> {
  const schema = await readSchema(config.schemaPath)
  if (generatorsOf(schema.files).length === 0) return { state: 'skipped', reason: 'the schema has no generator' }
  const { runGenerate } = await import('../schema/prisma-cli.js')
  const stopped = { hint: 'npx prisma generate' }
  await stopIfInterrupted(
    host,
    'Interrupted before prisma generate ran; what was to be done before it is done.',
    stopped,
  )
  const result = await runGenerate({
    root: config.root,
    schemaPath: config.schemaPath,
    env: process.env,
    onOutput: host.output,
    signal: host.signal,
  })
  if (result.state === 'stopped') {
    const message = 'Interrupted while prisma generate ran; what was to be done before it is done.'
    throw interrupted(host.signal, message, stopped)
  }
  if (result.state === 'missing') return { state: 'skipped', reason: 'prisma is not installed in the project' }
  if (result.state === 'failed') {
    const [snapshot] = schema.snapshots
    const why =
      snapshot === undefined
        ? ''
        : ` Prisma takes ${shortPath(config, snapshot)} for a part of the schema: rays adopt renames it.`
    host.warn(`prisma generate failed: ${result.reason}.${why} The database is migrated; run npx prisma generate.`)
    return { state: 'failed', reason: result.reason }
  }
  return { state: 'done' }
}

/** Whether the schema is a folder that contains the migrations, so that Prisma reads every `.prisma` file below them. */
export function insideSchemaFolder(config: Config, schema: Pick<PrismaSchema, 'layout' | 'path'>): boolean {
  const relative = path.relative(schema.path, config.migrationsDir)
  return schema.layout === 'folder' && !relative.startsWith('..') && !path.isAbsolute(relative)
}

/** How the migrations of the project are written. */
export async function placeOf({ config, schema, datasource }: Project): Promise<DraftPlace> {
  return {
    root: config.migrationsDir,
    module: (await isEsm(config.root)) ? 'esm' : 'commonjs',
    layout: schema.layout,
    insideSchemaFolder: insideSchemaFolder(config, schema),
    provider: datasource.provider,
  }
}

/** Where Prisma takes snapshots for a part of the schema, they get names that it does not read. */
export async function keepSnapshotsApart({ config, host }: Context, schema: PrismaSchema): Promise<void> {
  const renamed = await hideSnapshots(schema.snapshots)
  if (renamed.length === 0) return
  host.note(
    `Prisma reads every .prisma file of the schema folder. Renamed, so that it overlooks them:\n${bullets(renamed.map((file) => shortPath(config, file)))}`,
  )
}
