/** Loads a JavaScript or TypeScript file of the user's, whichever kind of module it is, always fresh. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'

export interface LoadModuleOptions {
  /** Module names that the file may import and that are answered by another file (TypeScript files only). */
  readonly alias?: Readonly<Record<string, string>>
  /** The file's text where it was read already. */
  readonly source?: string
}

/**
 * What the file exports: `module.exports` of a CommonJS file, the namespace of an ES module. A `.js` file is what its
 * text says it is, whichever kind the project around it is.
 * @throws whatever the file throws, and the parser's error
 */
export async function loadModule(file: string, options: LoadModuleOptions = {}): Promise<unknown> {
  if (/\.[cm]?ts$/.test(file) || options.alias) {
    const { createJiti } = await import('jiti')
    return createJiti(import.meta.url, { moduleCache: false, alias: { ...options.alias } }).import(file)
  }
  const source = options.source ?? readFileSync(file, 'utf8')
  return isCommonJs(file, source) ? runCommonJs(file, source) : importFresh(file)
}

const MODULE_SYNTAX =
  /^\s*(export\s*(default\b|const\b|let\b|var\b|function\b|async\b|class\b|\{|\*)|import\s*[\w{*'"])/m

function isCommonJs(file: string, source: string): boolean {
  if (file.endsWith('.cjs')) return true
  if (file.endsWith('.mjs')) return false
  // Template literals hold SQL, whose lines may begin with any word.
  return !MODULE_SYNTAX.test(source.replace(/`(?:\\[\s\S]|[^`\\])*`/g, '``'))
}

function runCommonJs(file: string, source: string): unknown {
  const module = { exports: {} as unknown }
  const code = source.startsWith('#!') ? `//${source}` : source
  const body = vm.compileFunction(code, ['exports', 'require', 'module', '__filename', '__dirname'], {
    filename: file,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  } as vm.CompileFunctionOptions)
  body.call(module.exports, module.exports, createRequire(file), module, file, path.dirname(file))
  return module.exports
}

function importFresh(file: string): Promise<unknown> {
  return import(`${pathToFileURL(file).href}?fresh=${randomUUID()}`)
}

/** The default export of either kind of module. */
export function defaultExport(loaded: unknown): unknown {
  const value = (loaded as { default?: unknown } | undefined)?.default
  return value === undefined ? loaded : value
}
