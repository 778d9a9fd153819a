/**
 * Runs an ES module that needs no transpiler, as most files called prisma.config.ts are: a TypeScript transpiler takes
 * longer to load than all else that a command does, and twice the memory.
 */
import { createRequire, isBuiltin } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'

/** What may stand before and between imports. */
const BLANK = /(?:\s|\/\/[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/y
const IMPORT = /import\b\s*(?:([^'"`;()]+?)\s*\bfrom\b\s*)?(['"])([^'"\n]+)\2[ \t]*;?/y
const DEFAULT = /^([ \t]*)export default\b(?!\s+(?:async|function|class|abstract|interface)\b)/gm

/**
 * The module's exports, or undefined where the text is not surely plain: anything that could be a type, imports other
 * than Node's own modules and those of `alias`, exports other than one default. Nothing has run then.
 * @param alias files that answer for module names
 * @throws whatever the module throws
 */
export async function runPlainModule(
  file: string,
  source: string,
  alias: Readonly<Record<string, string>>,
): Promise<{ readonly default: unknown } | undefined> {
  const head = readImports(source, alias)
  if (head === undefined) return undefined
  const rest = source.slice(head.end)
  // `f<T>(x)` is a type argument in TypeScript and two comparisons in JavaScript; import() and import.meta need a module.
  if (/<|\bimport\b/.test(rest) || rest.match(DEFAULT)?.length !== 1) return undefined
  const code = `'use strict';${head.code}${rest.replace(DEFAULT, '$1exports.default =')}`
  const scope = ['exports', 'require', 'module', '__filename', '__dirname', '__imported']
  let run: (...values: unknown[]) => void
  try {
    run = vm.compileFunction(code, scope, { filename: file }) as typeof run
  } catch {
    return undefined
  }
  const imported = await Promise.all(head.modules.map((name) => import(name)))
  const module = { exports: {} as { default: unknown } }
  run(module.exports, createRequire(file), module, file, path.dirname(file), imported)
  return module.exports
}

/** The imports at the beginning of the text, as JavaScript of as many lines that takes them from `__imported`. */
function readImports(source: string, alias: Readonly<Record<string, string>>) {
  const modules: string[] = []
  let code = ''
  let end = 0
  for (;;) {
    const blank = matchAt(BLANK, source, end)!
    const found = matchAt(IMPORT, source, end + blank[0].length)
    if (found === undefined) return { modules, code, end }
    const [text, clause, , name] = found
    const target = alias[name!]
    if (target === undefined && !isBuiltin(name!)) return undefined
    const binding = clause === undefined ? '' : bindingOf(clause, modules.length)
    if (binding === undefined) return undefined
    modules.push(target === undefined ? name! : pathToFileURL(target).href)
    code += blank[0] + binding + '\n'.repeat(text.split('\n').length - 1)
    end += blank[0].length + text.length
  }
}

function matchAt(pattern: RegExp, text: string, index: number): RegExpExecArray | undefined {
  pattern.lastIndex = index
  return pattern.exec(text) ?? undefined
}

/** `const` for an import clause: `a`, `* as a`, `{ a, b as c }`, `a, { b }`; undefined for any other, such as types. */
function bindingOf(clause: string, index: number): string | undefined {
  const match = /^(?:([\w$]+)\s*(?:,\s*|$))?(?:\*\s*as\s+([\w$]+)|\{([\w$\s,]*)\})?$/.exec(clause.trim())
  if (!match) return undefined
  const [, main, all, named] = match
  const parts = (named ?? '').split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim().split(/\s+as\s+/)]))
  if (parts.some((part) => part.some((name) => !/^[\w$]+$/.test(name)))) return undefined
  const from = `__imported[${index}]`
  const bindings = [
    ...(main ? [`${main} = ${from}.default`] : []),
    ...(all ? [`${all} = ${from}`] : []),
    ...(parts.length > 0
      ? [`{ ${parts.map(([name, local = name]) => `${name}: ${local}`).join(', ')} } = ${from}`]
      : []),
  ]
  return bindings.length === 0 ? '' : `const ${bindings.join(', ')};`
}
