/** What Knex's files and rays' folders are called, for one and the same migration. */
import path from 'node:path'

/** The folder's name for a file of Knex's: the file's without its extension, its number as wide as a timestamp. */
export function folderNameOf(file: string): string {
  const stem = path.parse(file).name
  const [, digits = '', rest = stem] = /^(\d+)(.*)$/.exec(stem) ?? []
  const padded = digits.padStart(14, '0')
  return `${padded}${rest.startsWith('_') || rest === '' ? '' : '_'}${rest}`
}

/** Whether a file of that name can be a migration of Knex's: code, and no declarations of types. */
export function isKnexFile(name: string): boolean {
  return /(?<!\.d)\.[cm]?[jt]s$/.test(name)
}

/** The kind of module that a Knex file is, by its extension. */
export function moduleOf(file: string, esm: boolean): 'esm' | 'commonjs' | 'typescript' {
  if (/\.[cm]?ts$/.test(file)) return 'typescript'
  if (file.endsWith('.mjs')) return 'esm'
  return file.endsWith('.cjs') || !esm ? 'commonjs' : 'esm'
}
