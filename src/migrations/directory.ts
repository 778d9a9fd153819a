/** The migrations folder: listed, read, written. The only file that touches it. */
import { hash } from 'node:crypto'
import { type Dirent, existsSync, promises as fs, readdirSync, type Stats } from 'node:fs'
import path from 'node:path'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { FailedError, MigrationInvalidError, RaysError, UsageError } from '../errors.js'
import { appear, makeFolder, renameDurably, replaceFile, syncFolder, writeDurably } from '../files.js'
import { SNAPSHOT } from '../schema/prisma-schema.js'
import { bullets, compareNames } from '../text.js'
import { isDraft, withDraft, withDraftIn } from './drafts.js'
import { hookFiles, isHookName, nearHooks } from './hooks.js'
import type { Migration } from './migration.js'
import { readText } from './texts.js'

const CODE_FILES = ['migration.js', 'migration.cjs', 'migration.mjs', 'migration.ts', 'migration.cts', 'migration.mts']
/** What lets Prisma overlook a snapshot that lies in a schema folder: it reads every `.prisma` file there. */
const HIDDEN = '.txt'
const LOCK_FILE = 'migration_lock.toml'
/** The names of the migrations that a squashed one stands for. */
const REPLACES = 'replaces.txt'
/** What rays reads of a migration's folder, besides the hooks. */
const OWN_FILES = ['migration.sql', ...CODE_FILES, SNAPSHOT, SNAPSHOT + HIDDEN, REPLACES]
const TIMESTAMP = /^\d{14}/

/** What Prisma writes for a migration that changes nothing (Prisma: create_migration.rs). */
export const EMPTY_SCRIPT = '-- This is an empty migration.'

/**
 * The migrations of a folder, in the byte order of their names. A missing folder has none.
 * @throws {MigrationInvalidError} naming every entry that cannot be a migration
 */
export async function listMigrations(root: string): Promise<Migration[]> {
  const entries = await fs.readdir(root, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new MigrationInvalidError(`The migrations folder ${root} cannot be read: ${error.code ?? error.message}`, {
      cause: error,
      hint: 'Check the path (rays config) and its permissions.',
    })
  })
  const problems: string[] = []
  const migrations: Migration[] = []
  await Promise.all(
    entries.map(async (entry) => {
      const directory = path.join(root, entry.name)
      if (entry.isSymbolicLink()) {
        const target = await fs.stat(directory).catch(() => undefined)
        // One that leads nowhere is somebody's migration all the same, when it is called like one.
        if (target?.isDirectory() || (!target && TIMESTAMP.test(entry.name)))
          problems.push(`${directory} is a symbolic link to a folder; Prisma ignores links, so does rays`)
        return
      }
      if (!entry.isDirectory() || isDraft(entry.name)) return
      const migration = describe(directory, entry.name, problems)
      if (migration) migrations.push(migration)
    }),
  )
  if (problems.length > 0) {
    throw new MigrationInvalidError(`The migrations folder holds what is no migration:\n${bullets(problems)}`, {
      hint: 'Every folder in it counts as a migration, for Prisma as for rays: move the others elsewhere.',
    })
  }
  return migrations.sort((a, b) => compareNames(a.name, b.name))
}

/** What is in the way of a migration's being read is added to the problems. */
function describe(directory: string, name: string, problems: string[]): Migration | undefined {
  // Hundreds of small folders and files are read several times faster one after the other than by promises.
  const entries = entriesOf(directory, problems)
  if (entries === undefined) return undefined
  const before = problems.length
  problems.push(...unusable(directory, entries.values()))
  const code = CODE_FILES.filter((candidate) => entries.has(candidate))
  if (code.length > 1) problems.push(`${directory} has more than one code file: ${code.join(', ')}`)
  if (problems.length > before) return undefined
  const file = (fileName: string | undefined) =>
    fileName !== undefined && entries.has(fileName) ? path.join(directory, fileName) : undefined
  const sqlFile = file('migration.sql')
  if (code.length === 0 && sqlFile === undefined) {
    problems.push(`${directory} has neither migration.js nor migration.sql`)
    return undefined
  }
  const near = nearHooks(entries.values())
  return {
    name,
    directory,
    timestamp: TIMESTAMP.exec(name)?.[0],
    codeFile: file(code[0]),
    sqlFile,
    snapshotPath: file(SNAPSHOT) ?? file(SNAPSHOT + HIDDEN),
    hookFiles: hookFiles(entries.values()),
    ...(near.length > 0 && { nearHooks: near }),
    ...(entries.has(REPLACES) && { replaces: readLines(path.join(directory, REPLACES)) }),
  }
}

/** What lies in a folder, by name; undefined with a problem where it cannot be listed. */
function entriesOf(directory: string, problems: string[]): Map<string, Dirent> | undefined {
  try {
    return new Map(readdirSync(directory, { withFileTypes: true }).map((entry) => [entry.name, entry]))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' && directory.includes('\ufffd')
        ? `has a name that is not valid UTF-8 (${rawName(directory)}): give it another`
        : `cannot be read: ${code ?? message}`
    problems.push(`${directory} ${why}`)
    return undefined
  }
}

/** The bytes of a name that were decoded with replacement characters, those that are no ASCII as `\xE9`. */
function rawName(file: string): string {
  const names = readdirSync(path.dirname(file), { encoding: 'buffer' })
  const raw = names.find((name) => name.toString('utf8') === path.basename(file)) ?? Buffer.alloc(0)
  const spelled = (letter: string) => `\\x${letter.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return raw.toString('latin1').replace(/[^\x20-\x7e]/g, spelled)
}

/** The files that rays reads or runs must be files: what a link leads to is not what version control shows. */
function unusable(directory: string, entries: Iterable<Dirent>): string[] {
  return [...entries].flatMap((entry) => {
    const { name } = entry
    const file = path.join(directory, name)
    const own = OWN_FILES.find((known) => known.toLowerCase() === name.toLowerCase())
    if (own !== undefined && own !== name) return [`${file} is not read: it must be called ${own}`]
    if (own === undefined && !isHookName(name)) return []
    if (own?.startsWith(SNAPSHOT) && entry.isDirectory()) return unusableIn(file)
    return entry.isFile() ? [] : [notAFile(file, entry)]
  })
}

/** The same within a snapshot that is a folder. */
function unusableIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((entry) => {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.name.includes('\ufffd') && !existsSync(file))
      return [`${file} has a name that is not valid UTF-8 (${rawName(file)}): give it another`]
    return entry.isFile() || entry.isDirectory() ? [] : [notAFile(file, entry)]
  })
}

function notAFile(file: string, entry: Dirent | Stats): string {
  if (entry.isSymbolicLink()) return `${file} is not a file but a symbolic link, which rays does not follow`
  return `${file} is not a file${entry.isDirectory() ? ' but a folder' : ''}`
}

/** What lies in a migration's folder besides the files that {@link writeMigration} writes: somebody put it there. */
export function otherFiles({ directory }: Migration): string[] {
  const own = ['migration.sql', 'migration.js', 'README.md', SNAPSHOT, SNAPSHOT + HIDDEN]
  return readdirSync(directory).filter((name) => !own.includes(name) && !isDraft(name))
}

function readLines(file: string): string[] {
  return readText(file)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
}

/** The script of a migration, as Node reads it. @throws {MigrationInvalidError} for bytes that are not UTF-8 */
export async function readScript(migration: Migration): Promise<string> {
  if (migration.sqlFile === undefined) {
    throw new MigrationInvalidError(`${migration.directory} has no migration.sql`, {
      hint: 'Restore it from version control: Prisma and rays record its checksum.',
    })
  }
  return readText(migration.sqlFile)
}

/** sha256 of a script's text, in 64 lower-case hexadecimal digits (Prisma: checksum.rs). */
export function checksum(text: string): string {
  return hash('sha256', text)
}

/**
 * Whether a recorded checksum is that of the text, with either kind of line end; old versions of Prisma wrote the
 * digits without leading zeros of each byte (Prisma: checksum.rs).
 */
export function checksumMatches(recorded: string, text: string): boolean {
  const variants = [() => text, () => text.replace(/\r\n/g, '\n'), () => text.replace(/\r?\n/g, '\r\n')]
  return variants.some((variant) => {
    const sum = checksum(variant())
    return recorded === sum || (recorded.length !== 64 && recorded === unpadded(sum))
  })
}

function unpadded(sum: string): string {
  return (sum.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16).toString(16)).join('')
}

/** The snapshot of a migration: the schema after it. Undefined where Prisma made the folder and there is none. */
export async function readSnapshot(migration: Migration): Promise<SchemaFile[] | undefined> {
  const root = migration.snapshotPath
  if (root === undefined) return undefined
  if ((await fs.lstat(root)).isFile()) return [{ path: 'schema.prisma', content: readText(root) }]
  const files: SchemaFile[] = []
  for (const entry of await fs.readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.prisma(\.txt)?$/.test(entry.name)) continue
    const file = path.join(entry.parentPath, entry.name)
    const relative = path.relative(root, file).split(path.sep).join('/')
    files.push({ path: relative.replace(/\.txt$/, ''), content: readText(file) })
  }
  return files.sort((a, b) => compareNames(a.path, b.path))
}

export interface NewMigration {
  /** The given name, already made safe by {@link safeName}. */
  readonly safeName: string
  readonly script: string
  /** The text of migration.js, or undefined for a migration of Prisma's kind. */
  readonly code: string | undefined
  readonly codeExtension: 'js' | 'cjs' | 'mjs' | 'ts'
  readonly readme: string | undefined
  readonly snapshot: {
    readonly layout: 'file' | 'folder'
    readonly files: readonly SchemaFile[]
    /** The schema folder contains the migrations, so Prisma would read every `.prisma` file below it. */
    readonly insideSchemaFolder: boolean
  }
  readonly provider: string
  /** The timestamp to use, or undefined for now. */
  readonly at?: Date
}

/**
 * Writes a migration folder: whole, or not at all. Returns its name.
 * @throws {FailedError} when the folder cannot be written; nothing is left behind
 */
export async function writeMigration(
  root: string,
  migration: NewMigration,
): Promise<{ name: string; directory: string }> {
  try {
    await makeFolder(root)
    const name = await withDraft(root, async (draft) => {
      await fs.mkdir(draft)
      await writeFiles(draft, migration)
      return claimName(root, draft, migration)
    })
    const directory = path.join(root, name)
    try {
      await writeLockFile(root, migration.provider)
    } catch (error) {
      await fs.rm(directory, { recursive: true, force: true })
      throw error
    }
    return { name, directory }
  } catch (error) {
    if (error instanceof RaysError) throw error
    const { code, path: where } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new FailedError(
      `The migration could not be written: ${code}${where ? ` at ${where}` : ''}. Nothing was changed.`,
      {
        cause: error,
        code: 'E_WRITE',
        hint:
          code === 'ENOSPC' ? 'Free some disk space and run the command again.' : `Check the permissions of ${root}.`,
      },
    )
  }
}

/**
 * Sees how the migrations folder is now. What it returns takes back what was written since: the given migrations, and the
 * lock file and the folder itself where they were not there.
 */
export async function rememberFolder(root: string): Promise<(names: readonly string[]) => Promise<void>> {
  const isThere = (file: string) =>
    fs.stat(file).then(
      () => true,
      () => false,
    )
  const lockFile = path.join(root, LOCK_FILE)
  const [hadRoot, hadLock] = [await isThere(root), await isThere(lockFile)]
  return async (names) => {
    for (const name of names) await fs.rm(path.join(root, name), { recursive: true, force: true })
    if (!hadLock) await fs.rm(lockFile, { force: true })
    // Somebody else may have written to it meanwhile: then it stays.
    if (!hadRoot) await fs.rmdir(root).catch(() => undefined)
  }
}

async function writeFiles(draft: string, migration: NewMigration): Promise<void> {
  const write = (name: string, text: string) => writeDurably(path.join(draft, name), text)
  await write('migration.sql', migration.script)
  if (migration.code !== undefined) await write(`migration.${migration.codeExtension}`, migration.code)
  if (migration.readme !== undefined) await write('README.md', migration.readme)
  await writeSnapshot(draft, migration.snapshot)
}

async function writeSnapshot(folder: string, { layout, files, insideSchemaFolder }: NewMigration['snapshot']) {
  if (layout === 'file') {
    await writeDurably(path.join(folder, SNAPSHOT), files.map((file) => file.content).join('\n'))
    return
  }
  for (const file of files) {
    const target = path.join(folder, SNAPSHOT, ...file.path.split('/'))
    await fs.mkdir(path.dirname(target), { recursive: true })
    await writeDurably(insideSchemaFolder ? target + HIDDEN : target, file.content)
  }
}

/** Gives snapshot files names that Prisma overlooks in a schema folder; returns them. A file that is gone is none. */
export async function hideSnapshots(files: readonly string[]): Promise<string[]> {
  const hidden: string[] = []
  for (const file of files) {
    try {
      await renameDurably(file, file + HIDDEN)
      hidden.push(file + HIDDEN)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return hidden
}

/** Replaces the snapshot of a migration. */
export async function replaceSnapshot(directory: string, snapshot: NewMigration['snapshot']): Promise<void> {
  for (const name of [SNAPSHOT, SNAPSHOT + HIDDEN])
    await fs.rm(path.join(directory, name), { recursive: true, force: true })
  await writeSnapshot(directory, snapshot)
  await syncFolder(directory)
}

/**
 * Gives a migration the files that it lacks; what is there stays as it is. The code comes last: a folder that has it has
 * the others, too.
 */
export async function completeMigration(
  migration: Migration,
  files: Pick<NewMigration, 'snapshot'> & { readonly code?: string; readonly readme?: string },
): Promise<void> {
  if (migration.snapshotPath === undefined) {
    await withDraftIn(migration.directory, async (draft) => {
      await fs.mkdir(draft)
      await writeSnapshot(draft, files.snapshot)
      await appear(path.join(draft, SNAPSHOT), path.join(migration.directory, SNAPSHOT))
    })
  }
  const write = async (name: string, text: string | undefined) => {
    const file = path.join(migration.directory, name)
    const exists = await fs.stat(file).then(
      () => true,
      () => false,
    )
    if (text !== undefined && !exists) await replaceFile(file, text)
  }
  await write('README.md', files.readme)
  if (migration.codeFile === undefined) await write('migration.js', files.code)
}

/** Renames the draft to the first free name whose timestamp is greater than the newest folder's. */
async function claimName(root: string, draft: string, migration: NewMigration): Promise<string> {
  for (;;) {
    const names = (await fs.readdir(root, { withFileTypes: true })).filter((e) => e.isDirectory()).map((e) => e.name)
    const newest = names
      .map((name) => /^\d{14}/.exec(name)?.[0])
      .reduce((a, b) => (b !== undefined && (a === undefined || b > a) ? b : a), undefined)
    const name = `${nextTimestamp(migration.at ?? new Date(), newest)}_${migration.safeName}`
    try {
      // rename(2) refuses a target folder that has content, so of two writers of one name exactly one wins.
      await appear(draft, path.join(root, name))
      return name
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    }
  }
}

/** The UTC timestamp `YYYYMMDDHHMMSS` of a moment, or one second past the newest where that is not older. */
export function nextTimestamp(now: Date, newest: string | undefined): string {
  const stamp = (at: Date) => at.toISOString().replace(/\D/g, '').slice(0, 14)
  const wanted = stamp(now)
  if (newest === undefined || wanted > newest) return wanted
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(newest)!.map(Number) as number[]
  const next = new Date(Date.UTC(y!, mo! - 1, d!, h!, mi!, s! + 1))
  const text = Number.isNaN(next.getTime()) ? '' : stamp(next)
  // Timestamps that are no dates are counted on as numbers.
  const later = text.length === 14 && text > newest ? text : String(BigInt(newest) + 1n).padStart(14, '0')
  if (later.length === 14) return later
  throw new UsageError(`No timestamp is newer than that of the folder ${newest}_…`, { hint: 'Rename that folder.' })
}

/** Writes migration_lock.toml as Prisma does, where it is missing or names another provider. */
async function writeLockFile(root: string, provider: string): Promise<void> {
  const file = path.join(root, LOCK_FILE)
  if ((await readLockProvider(root).catch(() => undefined)) === provider) return
  const text = [
    '# Please do not edit this file manually',
    '# It should be added in your version-control system (e.g., Git)',
    `provider = "${provider}"`,
    '',
  ].join('\n')
  await replaceFile(file, text)
}

/**
 * The provider that migration_lock.toml names; undefined where the file is missing.
 * @throws {MigrationInvalidError} for a file without a provider (Prisma: P3019)
 */
export async function readLockProvider(root: string): Promise<string | undefined> {
  const file = path.join(root, LOCK_FILE)
  const hint = 'It must be a file, as Prisma writes it; restore it from version control.'
  let text: string
  try {
    const entry = await fs.lstat(file)
    if (!entry.isFile()) throw new MigrationInvalidError(notAFile(file, entry), { hint })
    text = readText(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (error instanceof RaysError) throw error
    throw new MigrationInvalidError(`${file} cannot be read: ${code ?? message}`, { cause: error, hint })
  }
  const line = text.split(/\r?\n/).find((candidate) => candidate.startsWith('provider'))
  const provider = line === undefined ? undefined : /^provider\s*=\s*"?([a-z]+)"?\s*$/.exec(line)?.[1]
  if (provider === undefined) {
    throw new MigrationInvalidError(`${file} names no provider`, {
      hint: 'It needs a line such as: provider = "postgresql"',
    })
  }
  return provider
}

const SAFE = /^[a-z0-9]+(?:_[a-z0-9]+)*$/

/** A name as {@link safeName} writes it; '' where nothing is left. What is safe already is not looked at further. */
async function slugOf(given: string): Promise<string> {
  if (SAFE.test(given)) return given.slice(0, 200)
  // Loaded where it is needed: it is a tenth of the time that a command takes.
  const { default: slugify } = await import('@sindresorhus/slugify')
  return slugify(given.slice(0, 1000), { separator: '_' }).slice(0, 200)
}

/** A target of {@link plan} with what a migration of that name would be called. */
export async function targetOf(
  given: string | undefined,
): Promise<{ readonly target?: string; readonly slug?: string }> {
  if (given === undefined) return {}
  return { target: given, slug: /^[+-]\d+$/.test(given) ? '' : await slugOf(given) }
}

/**
 * The name of a migration made safe as Prisma does it: slugified with `_`, at most 200 characters (Prisma:
 * promptForMigrationName.ts).
 * @throws {UsageError} for names that leave nothing or hold a control character
 */
export async function safeName(given: string): Promise<string> {
  if (/[\u0000-\u001f\u007f]/.test(given)) throw new UsageError('A migration name cannot hold control characters.')
  const safe = await slugOf(given)
  if (safe === '') {
    throw new UsageError(
      `The migration name ${JSON.stringify(given)} has no letter or digit to make a folder name of.`,
      {
        hint: 'rays makemigration --name add_users',
      },
    )
  }
  return safe
}
