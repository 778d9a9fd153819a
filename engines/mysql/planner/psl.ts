/**
 * A reader of Prisma schema text, for the facts that Prisma's own validator keeps to itself: ignored and unsupported
 * fields, names of foreign keys, the relation mode and the digits of a default. It expects valid text (see
 * `read-schema.ts`, which validates first) and keeps everything in the order written.
 */

/** A value in an attribute or a property. */
export type Expression =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly text: string }
  /** `true`, `Cascade`, `Desc`, a field's or enum value's name. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Argument[] }
  | { readonly kind: 'array'; readonly items: readonly Expression[] }

/** One argument; without `name` it is positional. */
export interface Argument {
  readonly name?: string
  readonly value: Expression
}

/** `@id`, `@db.VarChar(191)` or, on a block, `@@index([a])`: the name is written without its at-signs. */
export interface Attribute {
  readonly name: string
  readonly args: readonly Argument[]
}

/** One field of a model, or one value of an enum (which has no type). */
export interface Member {
  readonly name: string
  readonly type: string
  /** The SQL in `Unsupported("...")`. */
  readonly unsupported?: string
  readonly arity: 'required' | 'optional' | 'list'
  readonly attributes: readonly Attribute[]
}

/** A block: `model User { ... }`, `datasource db { ... }`. */
export interface Block {
  readonly keyword: string
  readonly name: string
  /** `key = value` lines of a datasource or generator. */
  readonly properties: ReadonlyMap<string, Expression>
  readonly members: readonly Member[]
  readonly attributes: readonly Attribute[]
}

interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'sign' | 'newline' | 'end'
  readonly text: string
}

const TOKEN =
  /[^\S\r\n]+|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/|(?<newline>\r\n|\n|\r)|(?<string>"(?:\\[\s\S]|[^"\\])*")|(?<number>-?\d+(?:\.\d+)?(?![\p{L}\p{N}_-]))|(?<word>[\p{L}\p{N}_][\p{L}\p{N}_-]*)|(?<sign>[\s\S])/uy

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' }

function unquote(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex: string | undefined, char: string) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[char] ?? char),
    )
}

function tokenise(text: string): Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const groups = match.groups ?? {}
    for (const kind of ['newline', 'string', 'number', 'word', 'sign'] as const) {
      const found = groups[kind]
      if (found !== undefined) tokens.push({ kind, text: kind === 'string' ? unquote(found) : found })
    }
  }
  tokens.push({ kind: 'end', text: '' })
  return tokens
}

/** Walks over the tokens of one file. */
class Reader {
  private at = 0

  constructor(private readonly tokens: readonly Token[]) {}

  peek(): Token {
    return this.tokens[Math.min(this.at, this.tokens.length - 1)] as Token
  }

  next(): Token {
    const token = this.peek()
    this.at++
    return token
  }

  /** Consumes the sign if it comes next. */
  take(sign: string): boolean {
    const token = this.peek()
    if (token.kind !== 'sign' || token.text !== sign) return false
    this.at++
    return true
  }

  skipNewlines(): void {
    while (this.peek().kind === 'newline') this.at++
  }

  skipLine(): void {
    while (this.peek().kind !== 'newline' && this.peek().kind !== 'end') this.at++
  }

  blocks(): Block[] {
    const blocks: Block[] = []
    for (;;) {
      this.skipNewlines()
      const keyword = this.next()
      if (keyword.kind === 'end') return blocks
      if (keyword.kind !== 'word') continue
      const name = this.peek().kind === 'word' ? this.next().text : ''
      if (this.take('{')) blocks.push(this.block(keyword.text, name))
    }
  }

  private block(keyword: string, name: string): Block {
    const properties = new Map<string, Expression>()
    const members: Member[] = []
    const attributes: Attribute[] = []
    for (;;) {
      this.skipNewlines()
      if (this.take('}') || this.peek().kind === 'end') break
      if (this.take('@')) {
        this.take('@')
        attributes.push(this.attribute())
        continue
      }
      const word = this.next()
      if (word.kind !== 'word' && word.kind !== 'number') {
        this.skipLine()
      } else if (this.take('=')) {
        properties.set(word.text, this.expression())
      } else {
        members.push(this.member(word.text))
      }
    }
    return { keyword, name, properties, members, attributes }
  }

  private member(name: string): Member {
    let type = ''
    let unsupported: string | undefined
    let arity: Member['arity'] = 'required'
    // Prisma still reads the spelling `name: Type` of its first versions.
    this.take(':')
    if (this.peek().kind === 'word') {
      type = this.next().text
      if (type === 'Unsupported' && this.take('(')) {
        unsupported = this.next().text
        this.take(')')
      }
      if (this.take('[')) {
        this.take(']')
        arity = 'list'
      }
      if (this.take('?')) arity = 'optional'
    }
    const attributes: Attribute[] = []
    while (this.take('@')) attributes.push(this.attribute())
    this.skipLine()
    return { name, type, arity, attributes, ...(unsupported === undefined ? {} : { unsupported }) }
  }

  /** After the at-signs. */
  private attribute(): Attribute {
    const name = this.path()
    return { name, args: this.take('(') ? this.args() : [] }
  }

  private path(): string {
    let name = this.next().text
    while (this.take('.')) name += `.${this.next().text}`
    return name
  }

  /** After the opening parenthesis, to the closing one. */
  private args(): Argument[] {
    const args: Argument[] = []
    for (;;) {
      this.skipNewlines()
      if (this.take(')') || this.peek().kind === 'end') return args
      if (this.take(',')) continue
      const value = this.expression()
      this.skipNewlines()
      if (value.kind === 'name' && this.take(':')) {
        this.skipNewlines()
        args.push({ name: value.name, value: this.expression() })
      } else {
        args.push({ value })
      }
    }
  }

  private expression(): Expression {
    this.skipNewlines()
    const token = this.peek()
    if (token.kind === 'string') {
      this.at++
      return { kind: 'string', value: token.text }
    }
    if (token.kind === 'number') {
      this.at++
      return { kind: 'number', text: token.text }
    }
    if (this.take('[')) {
      const items: Expression[] = []
      for (;;) {
        this.skipNewlines()
        if (this.take(']') || this.peek().kind === 'end') return { kind: 'array', items }
        if (!this.take(',')) items.push(this.expression())
      }
    }
    const name = this.path()
    return this.take('(') ? { kind: 'call', name, args: this.args() } : { kind: 'name', name }
  }
}

/** The blocks of one schema file, in order. The text must be valid. */
export function readBlocks(text: string): Block[] {
  return new Reader(tokenise(text)).blocks()
}

/** The attribute of that name, if there. */
export function attribute(owner: { readonly attributes: readonly Attribute[] }, name: string): Attribute | undefined {
  return owner.attributes.find((one) => one.name === name)
}

/** The named argument, or the first positional one when `position` is 0. */
export function argument(owner: { readonly args: readonly Argument[] } | undefined, name: string, position?: 0) {
  const named = owner?.args.find((arg) => arg.name === name)
  if (named) return named.value
  return position === 0 ? owner?.args.find((arg) => arg.name === undefined)?.value : undefined
}

/** The text of a string expression. */
export function text(value: Expression | undefined): string | undefined {
  return value?.kind === 'string' ? value.value : undefined
}

/** The items of `[a, b]`; Prisma takes a single one without brackets. */
export function items(value: Expression | undefined): readonly Expression[] {
  if (value?.kind === 'array') return value.items
  return value ? [value] : []
}

/** The names in `[a, b]`. */
export function names(value: Expression | undefined): string[] {
  return items(value).flatMap((item) => (item.kind === 'name' || item.kind === 'call' ? [item.name] : []))
}
