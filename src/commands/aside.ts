/** Moves folders out of the way: all of them, or none, and never over another. */
import { existsSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import path from 'node:path'
import { FailedError } from '../errors.js'
import { makeFolder } from '../files.js'
import { moveWhole } from '../migrations/drafts.js'

export interface Move {
  readonly from: string
  readonly to: string
}

/** The path of this name in a folder, or where that is taken (it may be all that is left of something) with a number. */
export function freePath(folder: string, name: string): string {
  for (let n = 1; ; n++) {
    const candidate = path.join(folder, n === 1 ? name : `${name}-${n}`)
    if (!existsSync(candidate)) return candidate
  }
}

/**
 * Makes the folder and moves everything, in this order.
 * @throws {FailedError} where something cannot be moved; what was moved is back in its place then
 */
export async function moveAll(folder: string, moves: readonly Move[]): Promise<void> {
  const done: Move[] = []
  let made: string | undefined
  try {
    made = await makeFolder(folder)
    for (const move of moves) {
      await moveWhole(move.from, move.to)
      done.push(move)
    }
  } catch (error) {
    const stranded: string[] = []
    for (const { from, to } of done.reverse())
      await moveWhole(to, from).catch(() => stranded.push(`${to} could not be moved back to ${from}`))
    if (made !== undefined) await rmdir(folder).catch(() => undefined)
    const { code, path: where, dest } = error as NodeJS.ErrnoException & { readonly dest?: string }
    if (code === undefined) throw error
    const undone = stranded.length === 0 ? 'Nothing was changed.' : stranded.join('\n')
    throw new FailedError(
      `The migrations could not be moved: ${code} at ${where ?? folder}${dest === undefined ? '' : `, to ${dest}`}. ${undone}`,
      { cause: error, code: 'E_WRITE', hint: `Check the permissions of ${path.dirname(folder)}.` },
    )
  }
}
