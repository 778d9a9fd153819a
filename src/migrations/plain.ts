/** What an operation sends, where that can be told before it is run: it is a script, or nothing but statements as rays writes them. */
import type { OperationFunction } from './migration.js'
import { cooked } from './source.js'

const scripts = new WeakMap<OperationFunction, string>()

/** Makes known that an operation sends this text and does nothing else. */
export function sendsScript(operation: OperationFunction, script: string): void {
  scripts.set(operation, script)
}

const told = new WeakMap<OperationFunction, Told>()

/** What is known of an operation: the statements that it sends, or the code that tells. */
export type Told = { readonly texts: readonly string[] } | { readonly code: unknown }

/** Makes known which statements an operation sends through its client, and that it does nothing else. */
export function sendsStatements(operation: OperationFunction, texts: readonly string[]): void {
  told.set(operation, { texts })
}

/** Makes known that an operation runs this function of a person's, whose source tells what it sends. */
export function standsFor(operation: OperationFunction, code: unknown): void {
  told.set(operation, { code })
}

/** What is known of an operation without running it. */
export function toldOf(operation: OperationFunction): Told {
  const script = scripts.get(operation)
  return script === undefined ? (told.get(operation) ?? { code: operation }) : { texts: [script] }
}

/** The script that an operation sends past its client; undefined where it is none of that kind. */
export function scriptOf(operation: OperationFunction): string | undefined {
  return scripts.get(operation)
}

/**
 * The texts that an operation sends, in their order, by its source alone; undefined where it does, or may do, anything besides:
 * takes parameters, reads rows, computes.
 */
export function textsOf(operation: OperationFunction): readonly string[] | undefined {
  const script = scripts.get(operation)
  return script === undefined ? textsIn(Function.prototype.toString.call(operation)) : [script]
}

const HEAD = /async function [\w$]+\((?:\{ client \})?\) ?\{/y
const GAP = /(?:\s|\/\/.*)*/y
const CALL = /await client\.execute\(\s*`/y
const TEXT = /[^`\\$]*/y
const ENDING = /`,?\s*\);?/y

/** The texts of a function of the form that rays writes (see writer.ts): it awaits statements that are literals, and does nothing else. */
function textsIn(source: string): readonly string[] | undefined {
  const texts: string[] = []
  let at = 0
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const taken = pattern.test(source)
    if (taken) at = pattern.lastIndex
    return taken
  }
  if (!take(HEAD)) return undefined
  for (take(GAP); source[at] !== '}'; take(GAP)) {
    if (!take(CALL)) return undefined
    const start = at
    for (take(TEXT); source[at] !== '`'; take(TEXT)) {
      if (at >= source.length || source.startsWith('${', at)) return undefined
      at += source[at] === '\\' ? 2 : 1
    }
    texts.push(cooked(source.slice(start, at).replace(/\r\n?/g, '\n')))
    if (!take(ENDING)) return undefined
  }
  return at === source.length - 1 ? texts : undefined
}
