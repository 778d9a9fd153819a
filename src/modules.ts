/** Loads a JavaScript or TypeScript file of the user's, whichever kind of module it is, always fresh. */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'
import { refuseImports } from './imports.js'
import { guardUserCode } from './user-code.js'
import { readUtf8 } from './utf8.js'

export interface LoadModuleOptions {
  /** Module names that the file may import and that are answered by another file. */
  readonly alias?: Readonly<Record<string, string>>
  /** The file's text where it was read already. */
  readonly source?: string
}

/**
 * What the file exports: `module.exports` of a CommonJS file, the namespace of an ES module. A `.js` file is what its
 * text says it is, whichever kind the project around it is.
 * @throws {NotUtf8Error} for it, and for what it imports of its own, before anything runs; whatever the file throws, and the
 * parser's error
 */
export async function loadModule(file: string, options: LoadModuleOptions = {}): Promise<unknown> {
  const source = options.source ?? readUtf8(file)
  refuseImports(file, source)
  return guardUserCode({ what: 'it' }, () => load(file, source, options))
}

async function load(file: string, source: string, options: LoadModuleOptions): Promise<unknown> {
  if (/\.[cm]?ts$/.test(file) || options.alias) return transpileAndRun(file, options.alias)
  if (file.endsWith('.mjs')) return importFresh(file)
  const code = compileCommonJs(file, source)
  if (code !== undefined) {
    // Compiled code may use import() only by an interface of Node that prints a warning.
    return /\bimport\s*\(/.test(source) ? transpileAndRun(file) : runCommonJs(file, code, source)
  }
  // Node runs a .js file with ES syntax only in a project that says "type": "module"; without a type it does so with a
  // warning that the user can do nothing about, and with "commonjs" it refuses.
  return isModuleProject(file) ? importFresh(file) : transpileAndRun(file)
}

async function transpileAndRun(file: string, alias: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const { createJiti } = await import('jiti')
  // No cache on disk: what runs is the file, not what another program left in a shared temporary folder.
  return createJiti(import.meta.url, { moduleCache: false, fsCache: false, alias: { ...alias } }).import(file)
}

type CommonJs = (this: unknown, ...scope: unknown[]) => unknown

/** What V8 says of a file that must be an ES module (Node decides by the same texts: `--experimental-detect-module`). */
const MODULE_ONLY = [
  'Cannot use import statement outside a module',
  "Unexpected token 'export'",
  "Cannot use 'import.meta' outside a module",
  'await is only valid in async functions and the top level bodies of modules',
]

/** The file as a CommonJS function, or undefined where its syntax is that of an ES module. */
function compileCommonJs(file: string, source: string): CommonJs | undefined {
  const text = source.replace(/^\ufeff/, '')
  try {
    const scope = ['exports', 'require', 'module', '__filename', '__dirname']
    return vm.compileFunction(text.startsWith('#!') ? `//${text}` : text, scope, { filename: file }) as CommonJs
  } catch (error) {
    const { message } = error as Error
    if (!file.endsWith('.cjs') && MODULE_ONLY.some((text) => message.includes(text))) return undefined
    throw error
  }
}

function runCommonJs(file: string, code: CommonJs, source: string): unknown {
  const module = { exports: {} as unknown }
  // Most migrations do not name it, and making one takes longer than running them.
  const require = /\b(?:require|eval|Function)\b/.test(source) ? createRequire(file) : undefined
  code.call(module.exports, module.exports, require, module, file, path.dirname(file))
  return module.exports
}

async function importFresh(file: string): Promise<unknown> {
  const { href } = pathToFileURL(file)
  try {
    return await import(`${href}?fresh=${randomUUID()}`)
  } catch (error) {
    // Node does not tell where the parser stopped; nothing has run yet, and the other way of loading tells.
    if (error instanceof SyntaxError && !error.stack?.includes(href)) return transpileAndRun(file)
    throw error
  }
}

/** Whether the nearest package.json says `"type": "module"`. */
function isModuleProject(file: string): boolean {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json')
    if (existsSync(manifest)) {
      try {
        return JSON.parse(readFileSync(manifest, 'utf8')).type === 'module'
      } catch {
        return false
      }
    }
    if (path.dirname(folder) === folder) return false
  }
}

/** The default export of either kind of module. */
export function defaultExport(loaded: unknown): unknown {
  const value = (loaded as { default?: unknown } | undefined)?.default
  return value === undefined ? loaded : value
}
