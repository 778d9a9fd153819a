/**
 * Files and folders that are there whole or not at all, also after the power has failed: what was written is brought to the
 * disk before it gets its name, and after that the folder that holds the name.
 */
import { randomBytes } from 'node:crypto'
import { fchmod, fchown, promises as fs, fsync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

// By descriptors: the open files of Yarn's Plug'n'Play have no sync().
const [sync, setMode, setOwner] = [promisify(fsync), promisify(fchmod), promisify(fchown)]

/** The rights and the owner of a file. */
export interface FileRights {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * Writes a new file and brings it to the disk.
 * @param rights given to it before anything is in it; the owner only by root, who may
 * @throws where the name is taken, be it by a link
 */
export async function writeDurably(file: string, text: string, rights?: FileRights): Promise<void> {
  const handle = await fs.open(file, 'wx', 0o644)
  try {
    if (rights !== undefined) {
      // Root of a container may not give to everybody.
      if (process.getuid?.() === 0) await setOwner(handle.fd, rights.uid, rights.gid).catch(() => undefined)
      await setMode(handle.fd, rights.mode & 0o777)
    }
    await handle.writeFile(text, 'utf8')
    await sync(handle.fd)
  } finally {
    await handle.close()
  }
}

/**
 * Replaces a file's content, or makes the file: at any time it is the old one or the new one, whole. Rights and owner stay.
 * @param followLink a link stays a link, and what it names is replaced; else the link itself is
 */
export async function replaceFile(location: string, text: string, followLink = false): Promise<void> {
  const file = followLink ? await fs.realpath(location).catch(() => location) : location
  const rights = await fs.stat(file).catch(() => undefined)
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await writeDurably(draft, text, rights)
    await renameDurably(draft, file)
  } catch (error) {
    await fs.rm(draft, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Makes a folder with those above it that are missing. Returns the first that was made, or undefined. */
export async function makeFolder(folder: string): Promise<string | undefined> {
  const first = await fs.mkdir(folder, { recursive: true })
  for (let made = folder; first !== undefined; made = path.dirname(made)) {
    await syncFolder(path.dirname(made))
    if (made === first || path.dirname(made) === made) break
  }
  return first
}

/** Gives what was prepared its name. */
export async function appear(draft: string, target: string): Promise<void> {
  await settle(draft)
  await renameDurably(draft, target)
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await fs.rename(from, to)
  await syncFolder(path.dirname(to))
  if (path.dirname(from) !== path.dirname(to)) await syncFolder(path.dirname(from))
}

/** Brings a file, or a folder with all that is in it, to the disk, as far as the system does that. */
export async function settle(place: string): Promise<void> {
  const found = await fs.lstat(place)
  if (found.isDirectory()) for (const name of await fs.readdir(place)) await settle(path.join(place, name))
  // A link is part of its folder.
  if (found.isDirectory() || found.isFile()) await syncPlace(place)
}

/** Brings the names in a folder to the disk, as far as the system does that: Windows does not open folders. */
export const syncFolder = (folder: string): Promise<void> => syncPlace(folder)

async function syncPlace(place: string): Promise<void> {
  try {
    const handle = await fs.open(place, 'r')
    await sync(handle.fd).finally(() => handle.close())
  } catch {
    // The file is written all the same; that it outlasts the power is up to the system then.
  }
}
