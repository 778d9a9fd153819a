/**
 * The files of one's own that a module loads. Node and the transpiler decode them with replacement characters, so their bytes
 * are looked at before.
 */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { readUtf8 } from './utf8.js'

/** Code without these words is all that is loaded. */
export const LOADS_OTHERS = /\b(?:require|import|from)\b/

const CODE = /\.[cm]?[jt]sx?$/
/** A path relative to the module, in any of the ways in which one is imported. */
const RELATIVE = /(?:\bfrom|\bimport|\brequire|\bresolve)\s*\(?\s*(['"`])(\.{1,2}(?:\/[^'"`\n$]*)?)\1/g
const ENDINGS = ['', '.js', '.cjs', '.mjs', '.ts', '.cts', '.mts', '.jsx', '.tsx', '.json']

/**
 * Looks at every file that the module imports by a relative path, and at what those import. Packages are none of the user's
 * text. A path that is worked out while the code runs is not seen; {@link refuseCodeIn} looks at a whole folder.
 * @param seen the files that were looked at already
 * @throws {NotUtf8Error}
 */
export function refuseImports(file: string, source: string, seen = new Set<string>()): void {
  seen.add(file)
  if (!LOADS_OTHERS.test(source)) return
  for (const [, , specifier = ''] of source.matchAll(RELATIVE)) {
    const imported = resolved(path.resolve(path.dirname(file), specifier))
    if (imported === undefined || seen.has(imported)) continue
    const text = readUtf8(imported)
    if (CODE.test(imported)) refuseImports(imported, text, seen)
  }
}

/** Looks at every code file of a folder, whichever of them is loaded. @throws {NotUtf8Error} */
export function refuseCodeIn(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isFile() && CODE.test(entry.name)) readUtf8(path.join(folder, entry.name))
}

/** The file that an import without an ending, or of a folder, or of what a compiler would make of it, means. */
function resolved(target: string): string | undefined {
  const bare = target.replace(/\.([cm]?)js(x?)$/, '')
  const candidates = [
    ...ENDINGS.map((ending) => target + ending),
    ...(bare === target ? [] : ENDINGS.slice(1).map((ending) => bare + ending)),
    ...ENDINGS.slice(1).map((ending) => path.join(target, `index${ending}`)),
  ]
  return candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile())
}
