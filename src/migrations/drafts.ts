/**
 * Folders that appear whole or not at all: what is to appear is prepared as a draft and renamed. A rename needs draft and
 * target on one mounted file system, and the migrations may be one of their own (a volume of a container).
 */
import { randomBytes } from 'node:crypto'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { isAlive } from '../../engines/process.js'
import { appear, renameDurably } from '../files.js'

const DRAFT = /^rays-new-(\d+)-[0-9a-f]{12}$/

/** Whether an entry of a migrations folder is no migration, but what rays prepares or has left when it was killed. */
export const isDraft = (name: string): boolean => DRAFT.test(name)

/**
 * Runs the work with the path of a draft, which does not exist yet and can be renamed into the folder `root`. Where the work
 * cannot be done with one draft, it is done again with another. No draft is left behind.
 * @throws what the work threw last
 */
export async function withDraft<T>(root: string, work: (draft: string) => Promise<T>): Promise<T> {
  try {
    return await withDraftIn(path.dirname(root), work)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
  // In the newest migration nobody looks for migrations. Only the first one has to be prepared where they are looked for.
  const folders = await foldersOf(root)
  for (const folder of [root, ...folders]) await removeDrafts(folder).catch(() => undefined)
  const newest = folders.at(-1)
  try {
    if (newest !== undefined) return await withDraftIn(newest, work)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
  return withDraftIn(root, work)
}

/** Runs the work with the path of a draft somewhere in a folder. No draft is left behind. */
export async function withDraftIn<T>(place: string, work: (draft: string) => Promise<T>): Promise<T> {
  const folder = path.join(place, `rays-new-${process.pid}-${randomBytes(6).toString('hex')}`)
  try {
    await removeDrafts(place)
    await fs.mkdir(folder)
    // One level deeper: whoever takes the folder for a migration finds no migration.sql in it.
    return await work(path.join(folder, 'draft'))
  } finally {
    await fs.rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

async function foldersOf(root: string): Promise<string[]> {
  const entries = await fs.readdir(root, { withFileTypes: true })
  const names = entries.flatMap((entry) => (entry.isDirectory() && !isDraft(entry.name) ? entry.name : []))
  return names.sort().map((name) => path.join(root, name))
}

/** Drafts of processes that were killed while they wrote. */
async function removeDrafts(place: string): Promise<void> {
  for (const name of await fs.readdir(place)) {
    const maker = DRAFT.exec(name)?.[1]
    if (maker === undefined) continue
    const draft = path.join(place, name)
    if (await isWritten(draft, Number(maker))) continue
    await fs.rm(draft, { recursive: true, force: true }).catch(() => undefined)
  }
}

async function isWritten(draft: string, maker: number): Promise<boolean> {
  // In containers, one process after the other has the same number.
  if (maker === process.pid)
    return ((await fs.stat(draft).catch(() => undefined))?.mtimeMs ?? 0) >= performance.timeOrigin
  return isAlive(maker)
}

/** Copies a file or a folder to a path that does not exist yet, with a change of the copy before it appears there. */
export async function copyWhole(from: string, to: string, change?: (copy: string) => Promise<void>): Promise<void> {
  await withDraft(path.dirname(to), async (draft) => {
    await fs.cp(from, draft, { recursive: true, verbatimSymlinks: true })
    await change?.(draft)
    await appear(draft, to)
  })
}

/** Moves a file or a folder to a path that does not exist yet, on whatever file system that is. */
export async function moveWhole(from: string, to: string): Promise<void> {
  try {
    await renameDurably(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    await copyWhole(from, to)
    // A folder goes at once, too, where its file system can rename it.
    if ((await fs.stat(from)).isDirectory())
      await withDraft(path.dirname(from), (draft) => renameDurably(from, draft)).catch(() => undefined)
    await fs.rm(from, { recursive: true, force: true })
  }
}
