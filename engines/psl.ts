/**
 * Reads the text of Prisma schema files far enough to find their blocks and the properties of datasource and generator
 * blocks. Prisma's own engine judges the rest. Pure.
 */
import type { SchemaFile } from './schema-engine.js'

export interface Token {
  readonly kind: 'word' | 'string' | 'comment' | 'newline' | 'symbol'
  readonly text: string
  readonly start: number
  readonly end: number
}

// Prisma: schema-ast's grammar. A string ends with its line; `///` and `//` run to the end of theirs; `/* */` may span lines.
const TOKEN =
  /(\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)|("(?:\\.|[^"\\\r\n])*"?)|(\r\n|\n|\r)|(?:[^\S\r\n]+|\uFEFF)|([\p{L}\p{N}_-]+)|(.)/gsuy
/** The kinds by the groups of {@link TOKEN}, from 1. */
const KINDS = ['comment', 'string', 'newline', 'word', 'symbol'] as const

/** The tokens of a schema file; white space is left out. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(TOKEN)) {
    const kind = KINDS[match.indexOf(match[0], 1) - 1]
    if (kind) tokens.push({ kind, text: match[0], start: match.index, end: match.index + match[0].length })
  }
  return tokens
}

/** A value in a datasource or generator block. */
export type Value =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'word'; readonly value: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Value[] }
  | { readonly kind: 'list'; readonly items: readonly Value[] }

export interface Property {
  readonly name: string
  readonly value: Value
  readonly start: number
  readonly valueStart: number
  readonly end: number
}

/** A top-level block: `model User { ... }`. Offsets are into the file's content. */
export interface Block {
  readonly file: SchemaFile
  readonly keyword: string
  readonly name: string
  readonly start: number
  /** Behind the closing brace, or the end of the file where there is none. */
  readonly end: number
  /** The tokens between the braces. */
  readonly body: readonly Token[]
}

const KEYWORDS = new Set(['datasource', 'generator', 'model', 'enum', 'type', 'view'])

/** The top-level blocks of a file, in order. What is no block (comments, stray text) lies between them. */
export function blocksOf(file: SchemaFile, tokens: readonly Token[] = tokenize(file.content)): Block[] {
  const code = tokens.filter((token) => token.kind !== 'comment' && token.kind !== 'newline')
  const blocks: Block[] = []
  for (let i = 0; i < code.length; i++) {
    const [keyword, name, open] = [code[i]!, code[i + 1], code[i + 2]]
    if (keyword.kind !== 'word' || !KEYWORDS.has(keyword.text) || name?.kind !== 'word' || open?.text !== '{') continue
    let depth = 1
    let last = i + 3
    for (; last < code.length; last++) {
      const token = code[last]!
      if (token.kind !== 'symbol') continue
      if (token.text === '{') depth++
      else if (token.text === '}' && --depth === 0) break
    }
    const close = code[last]
    const bodyEnd = close?.start ?? file.content.length
    blocks.push({
      file,
      keyword: keyword.text,
      name: name.text,
      start: keyword.start,
      end: close?.end ?? file.content.length,
      body: tokens.filter((token) => token.start >= open.end && token.end <= bodyEnd),
    })
    i = last
  }
  return blocks
}

/** Whether the block says how to connect and what to generate, and nothing of the database's shape. */
export function isConfig(block: Block): boolean {
  return block.keyword === 'datasource' || block.keyword === 'generator'
}

/** The `name = value` pairs of a datasource or generator block, also where several stand on one line. */
export function propertiesOf(block: Block): Property[] {
  const tokens = block.body.filter((token) => token.kind !== 'comment' && token.kind !== 'newline')
  const properties: Property[] = []
  let i = 0
  const value = (): Value | undefined => {
    const token = tokens[i++]
    if (token?.kind === 'string') return { kind: 'string', value: unquote(token.text) }
    if (token?.kind === 'word') {
      if (tokens[i]?.text !== '(') return { kind: 'word', value: token.text }
      i++
      return { kind: 'call', name: token.text, args: list(')') }
    }
    if (token?.text === '[') return { kind: 'list', items: list(']') }
    return undefined
  }
  const list = (close: string): Value[] => {
    const items: Value[] = []
    while (i < tokens.length && tokens[i]!.text !== close) {
      if (tokens[i]!.text === ',') i++
      else {
        const item = value()
        if (item) items.push(item)
      }
    }
    i++
    return items
  }
  while (i < tokens.length) {
    const key = tokens[i]!
    if (key.kind !== 'word' || tokens[i + 1]?.text !== '=') {
      i++
      continue
    }
    i += 2
    const first = tokens[i]
    const parsed = value()
    const last = tokens[Math.min(i, tokens.length) - 1]
    if (!first || !parsed || !last) continue
    properties.push({ name: key.text, value: parsed, start: key.start, valueStart: first.start, end: last.end })
  }
  return properties
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** The text of a string token. */
export function unquote(literal: string): string {
  return literal
    .replace(/^"|"$/g, '')
    .replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex: string | undefined, char: string) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[char] ?? char),
    )
}

/** 1-based line of an offset, counting every kind of line end. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|\n|\r/).length
}
