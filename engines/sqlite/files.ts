/**
 * Files beside a database. The folder may be somebody else's: what lies in it under a name that rays would use is looked at
 * without following it, and rays itself makes new files only.
 */
import { constants, lstatSync, openSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What has this name, or undefined. A link is the link itself, not what it points to. */
export function nodeAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/**
 * Makes an empty file and opens it. Returns its descriptor, or undefined where the name is taken, be it by a link to nothing.
 * @param mode its rights, less the umask
 */
export function makeEmpty(path: string, mode: number): number | undefined {
  try {
    // Windows has no O_NOFOLLOW. Exclusive creation follows no link anywhere; the flag is for file systems that forget.
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}

/** Whether two absolute paths are one file: by what they resolve to, and by the file on the disk. */
export function sameFile(a: string, b: string): boolean {
  if (a === b || resolved(a) === resolved(b)) return true
  const [first, second] = [a, b].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }))
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino
}

/** Without links, also for a file that is not there yet. */
function resolved(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return dirname(path) === path ? path : join(resolved(dirname(path)), basename(path))
  }
}
