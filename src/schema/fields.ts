/** The models of a Prisma schema, read far enough to tell tables, columns and the places of their attributes. Pure. */

import { type Block, blocksOf, type Token, unquote } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'

export interface Attribute {
  /** Without `@`: `id`, `unique`, `db.VarChar`. */
  readonly name: string
  readonly start: number
  readonly end: number
  /** Between the parentheses; undefined without them. */
  readonly arguments: readonly Token[] | undefined
}

export interface Field {
  readonly name: string
  /** `@map`, or the field's own name. */
  readonly column: string
  readonly type: string
  readonly arity: 'required' | 'optional' | 'list'
  readonly attributes: readonly Attribute[]
  /** Where the type's name begins, and where type and arity end. */
  readonly typeStart: number
  readonly typeEnd: number
}

export interface Model {
  readonly name: string
  /** `@@map`, or the model's own name. */
  readonly table: string
  /** `@@schema`. */
  readonly schema: string | undefined
  readonly fields: readonly Field[]
  readonly attributes: readonly Attribute[]
  readonly block: Block
}

/** The models of the schema in the order of its files. */
export function modelsOf(files: readonly SchemaFile[]): Model[] {
  return files.flatMap((file) =>
    blocksOf(file)
      .filter(({ keyword }) => keyword === 'model')
      .map(readModel),
  )
}

/** The values of each enum, with the name that the database knows each by. */
export function enumsOf(files: readonly SchemaFile[]): Map<string, Map<string, string>> {
  const blocks = files.flatMap((file) => blocksOf(file)).filter(({ keyword }) => keyword === 'enum')
  return new Map(
    blocks.map((block) => {
      const values = lines(block).filter(([first]) => first!.kind === 'word')
      return [
        block.name,
        new Map(values.map((line) => [line[0]!.text, mapped(attributes(line.slice(1))) ?? line[0]!.text])),
      ]
    }),
  )
}

/** The name of each enum in the database. */
export function enumTypesOf(files: readonly SchemaFile[]): string[] {
  return files
    .flatMap((file) => blocksOf(file))
    .filter(({ keyword }) => keyword === 'enum')
    .map(
      (block) => mapped(lines(block).flatMap((line) => (line[0]!.text === '@' ? attributes(line) : []))) ?? block.name,
    )
}

/** The fields of a model that are columns: scalars and enums. */
export function columnsOf(model: Model, models: readonly Model[]): Field[] {
  const names = new Set(models.map(({ name }) => name))
  return model.fields.filter(({ type }) => !names.has(type))
}

export function attributeOf(of: { readonly attributes: readonly Attribute[] }, name: string): Attribute | undefined {
  return of.attributes.find((attribute) => attribute.name === name)
}

/** The name of a relation that is named: `@relation("posts")`, `@relation(name: "posts")`. */
export function relationName(field: Field): string | undefined {
  const tokens = attributeOf(field, 'relation')?.arguments ?? []
  const at = tokens.findIndex(({ text }, i) => text === 'name' && tokens[i + 1]?.text === ':')
  const value = at === -1 ? tokens[0] : tokens[at + 2]
  return value?.kind === 'string' ? value.text.slice(1, -1) : undefined
}

/** The text of a named argument: `map` in `@unique(map: "a")`. */
export function textArgument(attribute: Attribute, name: string): string | undefined {
  const tokens = attribute.arguments ?? []
  const at = tokens.findIndex((token, i) => token.text === name && tokens[i + 1]?.text === ':')
  const value = at === -1 ? undefined : tokens[at + 2]
  return value?.kind === 'string' ? unquote(value.text) : undefined
}

/** The names in the first list of an attribute, or in the list that is named so: `fields: [a, b(sort: Desc)]`. */
export function listArgument(attribute: Attribute, name?: string): string[] {
  const tokens = attribute.arguments ?? []
  const from =
    name === undefined ? 0 : tokens.findIndex((token, i) => token.text === name && tokens[i + 1]?.text === ':')
  if (from === -1) return []
  const open = tokens.findIndex((token, i) => i >= from && token.text === '[')
  const names: string[] = []
  let depth = 0
  for (const token of open === -1 ? [] : tokens.slice(open + 1)) {
    if (token.text === ']' && depth === 0) break
    if (token.text === '(') depth++
    else if (token.text === ')') depth--
    else if (depth === 0 && token.kind === 'word') names.push(token.text)
  }
  return names
}

function readModel(block: Block): Model {
  const fields: Field[] = []
  const own: Attribute[] = []
  for (const line of lines(block)) {
    const [first, type] = line
    if (first!.text === '@') own.push(...attributes(line))
    else if (first!.kind === 'word' && type?.kind === 'word') fields.push(readField(line))
  }
  const schema = own.find(({ name }) => name === 'schema')?.arguments?.find(({ kind }) => kind === 'string')
  return {
    name: block.name,
    table: mapped(own) ?? block.name,
    schema: schema && unquote(schema.text),
    fields,
    attributes: own,
    block,
  }
}

function readField(line: readonly Token[]): Field {
  const [name, type] = line as [Token, Token]
  let at = 2
  let text = type.text
  if (line[at]?.text === '(') {
    // Unsupported("circle")
    const close = line.findIndex((token, i) => i > at && token.text === ')')
    text += line
      .slice(at, close + 1)
      .map((token) => token.text)
      .join('')
    at = close + 1
  }
  const list = line[at]?.text === '[' && line[at + 1]?.text === ']'
  const optional = line[at]?.text === '?'
  const end = list ? at + 2 : optional ? at + 1 : at
  const found = attributes(line.slice(end))
  return {
    name: name.text,
    column: mapped(found) ?? name.text,
    type: text,
    arity: list ? 'list' : optional ? 'optional' : 'required',
    attributes: found,
    typeStart: type.start,
    typeEnd: line[end - 1]!.end,
  }
}

/** The lines of a block, without comments; what stands in parentheses or brackets goes on over line ends. */
function lines(block: Block): Token[][] {
  const result: Token[][] = [[]]
  let depth = 0
  for (const token of block.body) {
    if (token.kind === 'comment') continue
    if (token.kind === 'newline') {
      if (depth === 0) result.push([])
      continue
    }
    if (token.kind === 'symbol' && '([{'.includes(token.text)) depth++
    if (token.kind === 'symbol' && ')]}'.includes(token.text)) depth--
    if (token.text !== '}' || depth >= 0) result.at(-1)!.push(token)
  }
  return result.filter((line) => line.length > 0)
}

function attributes(line: readonly Token[]): Attribute[] {
  const found: Attribute[] = []
  let i = 0
  while (i < line.length) {
    if (line[i]!.text !== '@') {
      i++
      continue
    }
    const start = line[i]!.start
    while (line[i]?.text === '@') i++
    let name = line[i]?.text ?? ''
    let end = line[i]?.end ?? start
    i++
    while (line[i]?.text === '.') {
      name += `.${line[i + 1]?.text ?? ''}`
      end = line[i + 1]?.end ?? end
      i += 2
    }
    let inside: Token[] | undefined
    if (line[i]?.text === '(') {
      inside = []
      let depth = 0
      for (; i < line.length; i++) {
        const { text } = line[i]!
        if (text === '(') depth++
        if (text === ')') depth--
        if (depth === 0) break
        if (depth > 1 || text !== '(' || inside.length > 0) inside.push(line[i]!)
      }
      end = line[i]?.end ?? end
      i++
    }
    found.push({ name, start, end, arguments: inside })
  }
  return found
}

function mapped(attributes: readonly Attribute[]): string | undefined {
  const name = attributes
    .find((attribute) => attribute.name === 'map')
    ?.arguments?.find(({ kind }) => kind === 'string')
  return name && unquote(name.text)
}
