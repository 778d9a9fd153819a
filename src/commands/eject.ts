/** `rays eject`: the way back to Prisma Migrate. What is rays' own is moved out; folders, scripts and history stay. */

import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Structure } from '../../engines/engine.js'
import { shortPath } from '../config/short-path.js'
import { FailedError, InterruptedError, UsageError } from '../errors.js'
import { stopIfInterrupted } from '../interruption.js'
import { moveWhole } from '../migrations/drafts.js'
import type { Migration } from '../migrations/migration.js'
import { replay } from '../proof/replay.js'
import { bullets } from '../text.js'
import type { Context } from './host.js'
import { type ClearShadow, folders, openProject, openShadow, type Project } from './project.js'
import { status } from './status.js'

export interface EjectOptions {
  readonly y?: boolean
  /** Prove that the scripts alone lead where the operations lead. Default: true. */
  readonly verify?: boolean
  readonly clearShadow?: ClearShadow | undefined
  readonly dryRun?: boolean
}

export interface EjectResult {
  /** Files that were moved, relative to the project. */
  readonly moved: readonly string[]
  readonly to: string
  readonly written: boolean
  /** What Prisma does not know how to do: going down, code. */
  readonly notes: readonly string[]
}

/** What Prisma reads of a migration folder. */
const PRISMA_FILES = new Set(['migration.sql'])
const ASIDE = 'rays-ejected'

/** @throws {FailedError} where Prisma would not go on as rays does; nothing was moved then */
export async function eject(context: Context, options: EjectOptions = {}): Promise<EjectResult> {
  const { config, host } = context
  const project = await openProject(context)
  const all = await folders(project)
  const bare = all.filter((migration) => migration.sqlFile === undefined)
  if (bare.length > 0) {
    throw new UsageError(
      `Without migration.sql, which is all that Prisma runs:\n${bullets(bare.map(({ name }) => name))}`,
      {
        hint: 'Restore it from version control.',
      },
    )
  }
  if (config.databaseUrl !== undefined) await requireSettled(context)
  if (options.verify !== false && all.length > 0) await proveScripts(project, context, all, options.clearShadow)
  const files = await ownFiles(project, all)
  const notes = await notesOn(all)
  for (const note of notes) host.warn(note)
  const short = files.map((file) => shortPath(config, file))
  const result = { moved: short, to: ASIDE, notes }
  if (options.dryRun) return { ...result, written: false }
  if (!options.y) {
    const yes = await host.confirm({ message: `Move ${files.length} files of rays to ${ASIDE}?`, flag: '--y' })
    if (!yes) throw new InterruptedError('Not confirmed; nothing was changed.')
  }
  await stopIfInterrupted(host, 'Interrupted; nothing was moved.')
  for (const file of files) {
    const target = path.join(config.root, ASIDE, path.relative(config.root, file))
    await mkdir(path.dirname(target), { recursive: true })
    await moveWhole(file, target)
  }
  return { ...result, written: true }
}

/** Prisma is left a history that it agrees with: nothing failed, nothing missing. Pending ones it can apply itself. */
async function requireSettled(context: Context): Promise<void> {
  const { counts, migrations } = await status(context)
  const squashed = migrations.filter(({ state }) => ['running', 'failed', 'missing'].includes(state))
  if (counts.running + counts.failed + counts.missing === 0) return
  throw new FailedError(
    `The history is not in order:\n${bullets(squashed.map(({ name, state }) => `${name}: ${state}`))}`,
    {
      code: 'E_HISTORY',
      hint: 'rays doctor names the repair of each.',
    },
  )
}

/** @throws {FailedError} where migration.sql does something else than migration.js */
async function proveScripts(
  project: Project,
  { host }: Context,
  all: readonly Migration[],
  clear: ClearShadow | undefined,
): Promise<void> {
  const shadow = await openShadow(project, host, 'rays', { clear, known: [project.schema.files] })
  try {
    const look = (): Promise<Structure> => project.engine.structure(shadow.connection, project.schemas)
    await replay(shadow.connection, all, host)
    const wanted = await look()
    await shadow.connection.reset(project.schemas)
    await replay(
      shadow.connection,
      all.map((migration) => ({ ...migration, codeFile: undefined })),
      host,
    )
    const found = await look()
    const [there, here] = [new Set(wanted.lines), new Set(found.lines)]
    const told = [
      ...wanted.lines.filter((line) => !here.has(line)).map((line) => `- ${line}`),
      ...found.lines.filter((line) => !there.has(line)).map((line) => `+ ${line}`),
    ]
    if (told.length === 0) return
    throw new FailedError('migration.sql alone, which is what Prisma runs, leads elsewhere than migration.js.', {
      code: 'E_PROOF',
      where: told.slice(0, 20).join('\n'),
      hint: 'Write what is missing into a migration of its own (rays makemigration), or go without the proof: --no-verify.',
    })
  } finally {
    await shadow.dispose()
  }
}

async function ownFiles({ config }: Project, all: readonly Migration[]): Promise<string[]> {
  const files: string[] = []
  for (const { directory } of all) {
    for (const name of await readdir(directory)) if (!PRISMA_FILES.has(name)) files.push(path.join(directory, name))
  }
  for (const name of await readdir(config.migrationsDir).catch(() => [])) {
    if (name === 'rays-ignore.txt') files.push(path.join(config.migrationsDir, name))
  }
  if (config.file !== undefined && path.basename(config.file) !== 'package.json') files.push(config.file)
  return files
}

async function notesOn(all: readonly Migration[]): Promise<string[]> {
  const { readScript, EMPTY_SCRIPT } = await import('../migrations/directory.js')
  const notes: string[] = []
  for (const migration of all) {
    if (migration.codeFile === undefined || (await readScript(migration)).trim() !== EMPTY_SCRIPT) continue
    notes.push(`${migration.name} is code only: on a new database Prisma runs nothing for it.`)
  }
  return notes
}
