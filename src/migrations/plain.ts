/** What an operation sends, where that can be told before it is run: it is a script, or nothing but statements as rays writes them. */
import type { Client } from '../../engines/engine.js'
import type { OperationFunction } from './migration.js'

const scripts = new WeakMap<OperationFunction, string>()

/** Makes known that an operation sends this text and does nothing else. */
export function sendsScript(operation: OperationFunction, script: string): void {
  scripts.set(operation, script)
}

/**
 * The texts that an operation sends, in their order; undefined where it does, or may do, anything besides: takes parameters,
 * reads rows, computes.
 */
export async function textsOf(operation: OperationFunction): Promise<readonly string[] | undefined> {
  const script = scripts.get(operation)
  if (script !== undefined) return [script]
  if (!isPlain(Function.prototype.toString.call(operation))) return undefined
  const texts: string[] = []
  const execute = async (sql: string) => {
    texts.push(sql)
  }
  await operation({ client: { execute } as Client })
  return texts
}

const HEAD = /async function [\w$]+\((?:\{ client \})?\) ?\{/y
const GAP = /(?:\s|\/\/.*)*/y
const CALL = /await client\.execute\(\s*`/y
const TEXT = /[^`\\$]*/y
const ENDING = /`,?\s*\);?/y

/** Whether a function is of the form that rays writes (see writer.ts): it awaits statements that are literals, and does nothing else. */
function isPlain(source: string): boolean {
  let at = 0
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const taken = pattern.test(source)
    if (taken) at = pattern.lastIndex
    return taken
  }
  if (!take(HEAD)) return false
  for (take(GAP); source[at] !== '}'; take(GAP)) {
    if (!take(CALL)) return false
    for (take(TEXT); source[at] !== '`'; take(TEXT)) {
      if (at >= source.length || source.startsWith('${', at)) return false
      at += source[at] === '\\' ? 2 : 1
    }
    if (!take(ENDING)) return false
  }
  return at === source.length - 1
}
