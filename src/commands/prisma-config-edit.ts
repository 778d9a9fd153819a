/** Names tables in the project's prisma.config.*, as a person would do it, whatever shape the file has. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type PrismaConfig, readPrismaConfig } from '../config/prisma-config.js'

/**
 * The file's text with the tables named as external. Undefined where no place for them is found, or where the file would not
 * say the same as before, and this: it is loaded and looked at.
 */
export async function withExternalTables(file: string, names: readonly string[]): Promise<string | undefined> {
  const text = await readFile(file, 'utf8')
  const changed = edited(text, names)
  if (changed === undefined || !/\bexternalTables\s*:\s*true\b/.test(changed)) return undefined
  const before = await told(file)
  // Beside the file, because it may import others.
  const { dir, name, ext } = path.parse(file)
  const tried = path.join(dir, `${name}.rays-${process.pid}${ext}`)
  try {
    await writeFile(tried, changed, { flag: 'wx' })
    const after = await told(tried)
    const wanted = before && { ...before, externalTables: [...names, ...before.externalTables] }
    return after !== undefined && isDeepStrictEqual(after, wanted) ? changed : undefined
  } finally {
    await rm(tried, { force: true })
  }
}

async function told(file: string): Promise<Omit<PrismaConfig, 'file' | 'name'> | undefined> {
  try {
    const environment = { root: path.dirname(file), env: process.env, added: new Map<string, string>() }
    const { file: _file, name: _name, ...rest } = await readPrismaConfig(file, environment)
    return rest
  } catch {
    return undefined
  }
}

function edited(text: string, names: readonly string[]): string | undefined {
  const list = names.map((name) => `'${name}'`).join(', ')
  const experimental = section(text, 'experimental', 'externalTables: true', /\bexternalTables\s*:/)
  if (experimental === undefined) return undefined
  const tables = /\btables\s*:\s*\{/.exec(experimental.text)
  if (tables === null) return inserted(experimental.text, [...experimental.missing, `tables: { external: [${list}] }`])
  const known = /^[^}]*\bexternal\s*:\s*\[/.exec(experimental.text.slice(tables.index))
  const at = tables.index + (known?.[0].length ?? tables[0].length)
  const rest = experimental.text.slice(at)
  const added = known ? `${list}${/^\s*\]/.test(rest) ? '' : ', '}` : ` external: [${list}],`
  return inserted(experimental.text.slice(0, at) + added + rest, experimental.missing)
}

/** The text with an entry in a section that is there, or what is missing where it is not. */
function section(text: string, name: string, entry: string, present: RegExp) {
  const found = new RegExp(`\\b${name}\\s*:\\s*`).exec(text)
  if (found === null) return { text, missing: [`${name}: { ${entry} }`] }
  if (present.test(text)) return { text, missing: [] }
  const at = found.index + found[0].length
  return text[at] === '{' ? { text: `${text.slice(0, at + 1)} ${entry},${text.slice(at + 1)}`, missing: [] } : undefined
}

/** The text with entries at the beginning of the object that the file exports. */
function inserted(text: string, entries: readonly string[]): string | undefined {
  if (entries.length === 0) return text
  const at = beginning(text)
  if (at === undefined) return undefined
  const rest = text.slice(at)
  const [, eol, indent = ''] = /^[ \t]*(\r?\n)([ \t]*)/.exec(rest) ?? []
  const added =
    eol === undefined
      ? ` ${entries.join(', ')}${/^\s*\}/.test(rest) ? '' : ','}${/^\s/.test(rest) ? '' : ' '}`
      : entries.map((entry) => `${eol}${indent || '  '}${entry},`).join('')
  return text.slice(0, at) + added + rest
}

const CALL = String.raw`(?:[\w.$]+\s*\(\s*)?`
const EXPORT = String.raw`(?:export\s+default|module\.exports\s*=|exports\.default\s*=)\s*`

/** Where the entries of the exported object begin: written where it is exported, or in a variable. */
function beginning(text: string): number | undefined {
  const direct = new RegExp(`${EXPORT}${CALL}\\{`).exec(text)
  if (direct) return direct.index + direct[0].length
  const name = (new RegExp(`${EXPORT}${CALL}(\\w+)`).exec(text) ??
    /export\s*\{\s*(\w+)\s+as\s+default\b/.exec(text))?.[1]
  if (name === undefined) return undefined
  const variable = new RegExp(`\\b(?:const|let|var)\\s+${name}\\b[^=]*=\\s*${CALL}\\{`).exec(text)
  return variable ? variable.index + variable[0].length : undefined
}
