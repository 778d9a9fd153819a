/**
 * What is in the blocks of a Prisma schema, for the facts that Prisma's own validator keeps to itself: ignored and
 * unsupported fields, names of foreign keys and the digits of a default. It expects valid text (see `read-schema.ts`,
 * which validates first) and keeps everything in the order written.
 */
import * as psl from '../../psl.js'
import type { SchemaFile } from '../../schema-engine.js'

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

/** A model, view, type or enum with its members. */
export interface Block {
  readonly keyword: string
  readonly name: string
  readonly members: readonly Member[]
  readonly attributes: readonly Attribute[]
}

const END: psl.Token = { kind: 'newline', text: '', start: 0, end: 0 }

/** Walks over the tokens of one block. */
class Reader {
  private readonly tokens: readonly psl.Token[]
  private at = 0

  constructor(private readonly from: psl.Block) {
    this.tokens = from.body.filter(({ kind }) => kind !== 'comment')
  }

  private peek(): psl.Token {
    return this.tokens[this.at] ?? END
  }

  private ended(): boolean {
    return this.at >= this.tokens.length
  }

  private next(): psl.Token {
    const token = this.peek()
    this.at++
    return token
  }

  /** Consumes the symbol if it comes next. */
  private take(symbol: string): boolean {
    const token = this.peek()
    if (token.kind !== 'symbol' || token.text !== symbol) return false
    this.at++
    return true
  }

  private skipNewlines(): void {
    while (!this.ended() && this.peek().kind === 'newline') this.at++
  }

  private skipLine(): void {
    while (!this.ended() && this.peek().kind !== 'newline') this.at++
  }

  block(): Block {
    const members: Member[] = []
    const attributes: Attribute[] = []
    for (;;) {
      this.skipNewlines()
      if (this.ended()) break
      if (this.take('@')) {
        this.take('@')
        attributes.push(this.attribute())
        continue
      }
      const word = this.next()
      if (word.kind === 'word') members.push(this.member(word.text))
      else this.skipLine()
    }
    return { keyword: this.from.keyword, name: this.from.name, members, attributes }
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
        unsupported = psl.unquote(this.next().text)
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
      if (this.take(')') || this.ended()) return args
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
      return { kind: 'string', value: psl.unquote(token.text) }
    }
    if (token.kind === 'word' && /^-?\d+$/.test(token.text)) {
      this.at++
      return { kind: 'number', text: this.take('.') ? `${token.text}.${this.next().text}` : token.text }
    }
    if (this.take('[')) {
      const items: Expression[] = []
      for (;;) {
        this.skipNewlines()
        if (this.take(']') || this.ended()) return { kind: 'array', items }
        if (!this.take(',')) items.push(this.expression())
      }
    }
    const name = this.path()
    return this.take('(') ? { kind: 'call', name, args: this.args() } : { kind: 'name', name }
  }
}

/** The models, views, types and enums of a schema file, in order. The text must be valid. */
export function readBlocks(file: SchemaFile): Block[] {
  return psl
    .blocksOf(file)
    .filter((block) => !psl.isConfig(block))
    .map((block) => new Reader(block).block())
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
