/** {@link LiveDatabase} -> the text of a Prisma schema, as `prisma db pull` would write it. */
import type { SchemaFile } from '../../schema-engine.js'
import { indexName, uniqueName } from '../planner/names.js'
import type { Column, ColumnDefault, Index, KeyColumn, Scalar, Table } from '../planner/tables.js'
import { byBytes } from '../planner/tables.js'
import { escapedText } from '../values.js'
import { type ModelNames, nameModels, valueNames } from './names.js'
import type { LiveDatabase } from './read.js'
import { isAddressable, isJoinTable, type RelationField, relationFields } from './relations.js'

/** Prisma: the native type that a scalar has without `@db.`. */
const USUAL: Readonly<Record<Scalar, string>> = {
  String: 'VarChar(191)',
  Int: 'Int',
  BigInt: 'BigInt',
  Float: 'Double',
  Decimal: 'Decimal(65, 30)',
  Boolean: 'TinyInt',
  DateTime: 'DateTime(3)',
  Json: 'Json',
  Bytes: 'LongBlob',
}

/** A string of the schema language. */
function quoted(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
  return `"${escaped}"`
}

const generated = (sql: string) => `@default(dbgenerated(${quoted(sql)}))`

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Without the zeros that say nothing, which the server adds. */
function plainNumber(text: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? []
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

function literalText(value: Extract<ColumnDefault, { kind: 'literal' }>, column: Column, isJson: boolean): string {
  switch (value.of) {
    case 'boolean':
      return `@default(${value.text})`
    case 'number': {
      const text = plainNumber(value.text)
      const isWhole = column.type.kind === 'native' && (column.type.scalar === 'Int' || column.type.scalar === 'BigInt')
      const fits = isWhole ? /^-?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text) : true
      return fits ? `@default(${text})` : generated(text)
    }
    case 'enum': {
      const values = column.type.kind === 'enum' ? column.type.values : []
      const index = values.indexOf(value.text)
      return index === -1 ? generated(escapedText(value.text)) : `@default(${valueNames(values)[index]?.name})`
    }
    default:
      return isJson && !isJsonText(value.text) ? generated(escapedText(value.text)) : `@default(${quoted(value.text)})`
  }
}

function defaultText(column: Column, isJson: boolean): string[] {
  const value = column.default
  if (column.autoIncrement) return ['@default(autoincrement())']
  switch (value?.kind) {
    case undefined:
      return []
    case 'now':
      return ['@default(now())']
    case 'dbgenerated':
      return value.text === undefined ? ['@default(dbgenerated())'] : [generated(value.text)]
    case 'literal':
      return [literalText(value, column, isJson)]
  }
}

class SchemaWriter {
  readonly #models: ReadonlyMap<string, ModelNames>
  readonly #relations: ReadonlyMap<string, readonly RelationField[]>

  constructor(
    private readonly database: LiveDatabase,
    /** The name of the datasource, which native types are written with. */
    private readonly source: string,
    mode: 'foreignKeys' | 'prisma',
  ) {
    const all = nameModels(database.tables)
    const joins = database.tables.tables.filter((table) => isJoinTable(table, all))
    const names = new Set(joins.map((join) => join.name))
    this.#models = nameModels({ tables: database.tables.tables.filter((table) => !names.has(table.name)) })
    this.#relations = relationFields(this.#models, joins, mode)
  }

  blocks(): string[] {
    const models = [...this.#models.values()].sort((a, b) => byBytes(a.table.name, b.table.name))
    return [...models.map((model) => this.#model(model)), ...models.flatMap((model) => this.#enums(model))]
  }

  #model(model: ModelNames): string {
    const { table } = model
    const ignored = !isAddressable(table)
    const uniques = this.#fieldUniques(table)
    const fields = table.columns.map((column) => this.#field(model, column, uniques.get(column.name)))
    const relations = (this.#relations.get(table.name) ?? []).map((field) => this.#relation(field, ignored))
    const rest = table.indexes.filter((index) => ![...uniques.values()].includes(index))
    const attributes = [
      ...(table.primaryKey && table.primaryKey.length > 1 ? [`@@id(${this.#columns(model, table.primaryKey)})`] : []),
      ...rest.filter(({ type }) => type === 'unique').map((index) => this.#index(model, index)),
      ...rest.filter(({ type }) => type === 'normal').map((index) => this.#index(model, index)),
      ...rest.filter(({ type }) => type === 'fulltext').map((index) => this.#index(model, index)),
      ...(model.map === undefined ? [] : [`@@map(${quoted(model.map)})`]),
      ...(ignored ? ['@@ignore'] : []),
    ]
    return [
      ...(ignored ? ['/// This table has no key of required columns: Prisma Client cannot use it.'] : []),
      `model ${model.name} {`,
      ...[...fields, ...relations].map((line) => `  ${line}`),
      ...(attributes.length > 0 ? ['', ...attributes.map((line) => `  ${line}`)] : []),
      '}',
    ].join('\n')
  }

  /** Prisma: the unique index of one column is an attribute of its field, the first one if there are several. */
  #fieldUniques(table: Table): Map<string, Index> {
    const found = new Map<string, Index>()
    const id = table.primaryKey?.length === 1 ? table.primaryKey[0]?.name : undefined
    for (const index of table.indexes) {
      const column = index.columns[0]?.name
      if (index.type !== 'unique' || index.columns.length !== 1 || column === undefined || column === id) continue
      if (!found.has(column)) found.set(column, index)
    }
    return found
  }

  #field(model: ModelNames, column: Column, unique: Index | undefined): string {
    const { table } = model
    const isJson = this.database.json.has(`${table.name}\0${column.name}`)
    const field = model.fields.get(column.name)
    const id =
      table.primaryKey?.length === 1 && table.primaryKey[0]?.name === column.name ? table.primaryKey[0] : undefined
    const arity = column.nullable ? '?' : ''
    return [
      field?.name,
      `${this.#type(model, column, isJson)}${arity}`,
      ...(id ? [keyAttribute('@id', keyArguments(id))] : []),
      ...(unique
        ? [keyAttribute('@unique', [...mapArgument(unique, table), ...keyArguments(unique.columns[0] as KeyColumn)])]
        : []),
      ...defaultText(column, isJson),
      ...(field?.map === undefined ? [] : [`@map(${quoted(field.map)})`]),
      ...(isJson ? [] : this.#native(column)),
    ].join(' ')
  }

  #type(model: ModelNames, column: Column, isJson: boolean): string {
    switch (column.type.kind) {
      case 'native':
        return isJson ? 'Json' : column.type.scalar
      case 'enum':
        return model.enums.get(column.name) as string
      case 'unsupported':
        return `Unsupported(${quoted(column.type.text)})`
      case 'untyped':
        return 'String'
    }
  }

  #native({ type }: Column): string[] {
    if (type.kind !== 'native') return []
    const text = type.args.length === 0 ? type.name : `${type.name}(${type.args.join(', ')})`
    return text === USUAL[type.scalar] ? [] : [`@${this.source}.${text}`]
  }

  #relation(field: RelationField, ignored: boolean): string {
    const target = this.#models.get(field.target)
    const hide = !ignored && target !== undefined && !isAddressable(target.table)
    return [field.name, `${field.type}${field.arity}`, field.relation, hide ? '@ignore' : '']
      .filter((part) => part !== '')
      .join(' ')
  }

  #columns(model: ModelNames, columns: readonly KeyColumn[]): string {
    return `[${columns.map((column) => keyAttribute(model.fields.get(column.name)?.name ?? column.name, keyArguments(column))).join(', ')}]`
  }

  #index(model: ModelNames, index: Index): string {
    const name = { unique: '@@unique', normal: '@@index', fulltext: '@@fulltext' }[index.type]
    return `${name}(${[this.#columns(model, index.columns), ...mapArgument(index, model.table)].join(', ')})`
  }

  #enums(model: ModelNames): string[] {
    return [...model.enums].map(([column, name]) => {
      const type = model.table.columns.find((each) => each.name === column)?.type
      const values = valueNames(type?.kind === 'enum' ? type.values : [])
      return [
        `enum ${name} {`,
        ...values.map((value) => `  ${value.name}${value.map === undefined ? '' : ` @map(${quoted(value.map)})`}`),
        '}',
      ].join('\n')
    })
  }
}

function keyArguments(column: KeyColumn): string[] {
  return [
    ...(column.length === undefined ? [] : [`length: ${column.length}`]),
    ...(column.sort === 'desc' ? ['sort: Desc'] : []),
  ]
}

const keyAttribute = (name: string, args: readonly string[]) =>
  args.length === 0 ? name : `${name}(${args.join(', ')})`

function mapArgument(index: Index, table: Table): string[] {
  const columns = index.columns.map((column) => column.name)
  const usual = index.type === 'unique' ? uniqueName(table.name, columns) : indexName(table.name, columns)
  return index.name === usual ? [] : [`map: ${quoted(index.name)}`]
}

const KEPT = /(?:^[^\S\r\n]*\/\/[^\r\n]*\r?\n)*^[^\S\r\n]*(?:datasource|generator)\b[^{\r\n]*\{[\s\S]*?^[^\S\r\n]*\}/gm

/**
 * The schema of a live database. Datasource and generator blocks stay in their files, with the comments right above them;
 * the models go behind the datasource.
 */
export async function writeSchema(database: LiveDatabase, context: readonly SchemaFile[]): Promise<SchemaFile[]> {
  const isSource = (block: string) => /^[^\S\r\n]*datasource\b/m.test(block)
  const found = context.map(({ path, content }) => ({ path, blocks: [...(content.match(KEPT) ?? [])] }))
  const home = found.find(({ blocks }) => blocks.some(isSource)) ?? found[0] ?? { path: 'schema.prisma', blocks: [] }
  if (!home.blocks.some(isSource)) home.blocks.push('datasource db {\n  provider = "mysql"\n}')
  const kept = [home, ...found.filter((file) => file !== home && file.blocks.length > 0)]
  const source = home.blocks.find(isSource) ?? ''
  const name = /datasource\s+(\w+)/.exec(source)?.[1] ?? 'db'
  const mode = /^\s*(?:relationMode|referentialIntegrity)\s*=\s*"prisma"/m.test(source) ? 'prisma' : 'foreignKeys'
  const models = new SchemaWriter(database, name, mode).blocks()
  return Promise.all(
    kept.map(async ({ path, blocks }) => ({
      path,
      content: await formatted([...blocks, ...(path === home.path ? models : [])].join('\n\n').concat('\n')),
    })),
  )
}

/** Prisma's own formatter. */
async function formatted(content: string): Promise<string> {
  const { default: prisma } = await import('@prisma/prisma-schema-wasm')
  const options = { textDocument: { uri: 'file:/schema.prisma' }, options: { tabSize: 2, insertSpaces: true } }
  const [[, text]] = JSON.parse(
    prisma.format(JSON.stringify([['schema.prisma', content]]), JSON.stringify(options)),
  ) as [[string, string]]
  return text
}
