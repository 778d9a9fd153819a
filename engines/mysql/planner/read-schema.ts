/** Prisma schema files -> {@link Tables}. */

import { InvalidSchemaError } from '../../engine.js'
import { blocksOf, propertiesOf } from '../../psl.js'
import type { SchemaFile } from '../../schema-engine.js'
import { columnName, type EnumValues, isScalar, readColumn } from './columns.js'
import {
  type Argument,
  type Attribute,
  argument,
  attribute,
  type Block,
  type Expression,
  items,
  type Member,
  names,
  readBlocks,
  text,
} from './members.js'
import { foreignKeyName, indexName, joinTableNames, uniqueName } from './names.js'
import {
  byBytes,
  type Column,
  type ForeignKey,
  type Index,
  type KeyColumn,
  type ReferentialAction,
  type Table,
  type Tables,
} from './tables.js'

const ACTIONS: Readonly<Record<string, ReferentialAction>> = {
  Cascade: 'CASCADE',
  Restrict: 'RESTRICT',
  NoAction: 'NO ACTION',
  SetNull: 'SET NULL',
  SetDefault: 'SET DEFAULT',
}

/**
 * The text without the connection URLs of its datasource. The validator of Prisma 7 rejects them, and a message that
 * quotes the line could show a password. Line numbers stay.
 */
function withoutUrls(content: string): string {
  return content.replace(/^[^\S\r\n]*datasource\b[^{]*\{[\s\S]*?^[^\S\r\n]*\}/gm, (block) =>
    block.replace(/^[^\S\r\n]*(?:url|directUrl|shadowDatabaseUrl)[^\S\r\n]*=[^\r\n]*/gm, ''),
  )
}

/**
 * Checks the schema with Prisma's own validator.
 * @throws {InvalidSchemaError} with the validator's message
 */
export async function validateSchema(files: readonly SchemaFile[]): Promise<void> {
  const { default: prisma } = await import('@prisma/prisma-schema-wasm')
  const prismaSchema = files.map((file) => [file.path, withoutUrls(file.content)])
  try {
    prisma.validate(JSON.stringify({ prismaSchema, noColor: true }))
  } catch (error) {
    throw new InvalidSchemaError(validatorMessage(error), { cause: error })
  }
}

/** The validator throws its message as JSON. */
function validatorMessage(error: unknown): string {
  const raw = error instanceof Error ? error.message : String(error)
  try {
    const parsed: unknown = JSON.parse(raw)
    if (parsed && typeof parsed === 'object' && 'message' in parsed) return String(parsed.message)
  } catch {
    // Not JSON: the text itself is the message.
  }
  return raw
}

/**
 * The tables that a schema describes, after checking it with Prisma's validator.
 * @throws {InvalidSchemaError}
 */
export async function readSchema(files: readonly SchemaFile[]): Promise<Tables> {
  await validateSchema(files)
  return readTables(files)
}

/** The tables that a schema describes. The schema must be valid. */
export function readTables(files: readonly SchemaFile[]): Tables {
  return new Schema(files.flatMap(readBlocks), relationMode(files) !== 'prisma').tables()
}

/** Prisma: `relationMode`, in its first versions `referentialIntegrity`. */
function relationMode(files: readonly SchemaFile[]): string | undefined {
  const properties = files.flatMap((file) =>
    blocksOf(file).flatMap((block) => (block.keyword === 'datasource' ? propertiesOf(block) : [])),
  )
  const find = (wanted: string) => properties.find(({ name }) => name === wanted)?.value
  const mode = find('relationMode') ?? find('referentialIntegrity')
  return mode?.kind === 'string' ? mode.value : undefined
}

/** One side of a relation: a field whose type is a model. */
interface RelationField {
  readonly model: Block
  readonly field: Member
  readonly target: Block
  readonly relation: Attribute | undefined
}

class Schema {
  private readonly models: readonly Block[]
  private readonly byName: ReadonlyMap<string, Block>
  private readonly enums: ReadonlyMap<string, EnumValues>

  constructor(
    blocks: readonly Block[],
    private readonly foreignKeysExist: boolean,
  ) {
    this.models = blocks.filter((block) => block.keyword === 'model')
    this.byName = new Map(this.models.map((model) => [model.name, model]))
    this.enums = new Map(
      blocks
        .filter((block) => block.keyword === 'enum')
        .map((block) => [block.name, new Map(block.members.map((value) => [value.name, columnName(value)]))]),
    )
  }

  tables(): Tables {
    return { tables: [...this.models.map((model) => this.table(model)), ...this.joinTables()] }
  }

  private table(model: Block): Table {
    return {
      name: tableName(model),
      columns: this.columnFields(model).map((field) => readColumn(field, this.enums.get(field.type))),
      primaryKey: this.primaryKey(model),
      indexes: this.indexes(model),
      foreignKeys: this.foreignKeysExist ? this.foreignKeys(model) : [],
    }
  }

  private columnFields(model: Block): Member[] {
    return model.members.filter(
      (field) => isScalar(field.type) || this.enums.has(field.type) || field.unsupported !== undefined,
    )
  }

  /** The database name of a model's field. */
  private column(model: Block, field: string): string {
    const found = model.members.find((one) => one.name === field)
    return found ? columnName(found) : field
  }

  private keyColumns(model: Block, value: Expression | undefined): KeyColumn[] {
    return items(value).flatMap((item) => {
      if (item.kind === 'name') return [{ name: this.column(model, item.name) }]
      if (item.kind === 'call') return [keyColumn(this.column(model, item.name), item.args)]
      return []
    })
  }

  private primaryKey(model: Block): KeyColumn[] | undefined {
    for (const field of model.members) {
      const id = attribute(field, 'id')
      if (id) return [keyColumn(columnName(field), id.args)]
    }
    const id = attribute(model, 'id')
    return id && this.keyColumns(model, argument(id, 'fields', 0))
  }

  /** Prisma: field uniques first, then `@@index`, `@@unique` and `@@fulltext`, each in the order written. */
  private indexes(model: Block): Index[] {
    const table = tableName(model)
    const uniques = this.columnFields(model).flatMap((field): Index[] => {
      const unique = attribute(field, 'unique')
      if (!unique) return []
      const column = keyColumn(columnName(field), unique.args)
      const name = text(argument(unique, 'map')) ?? uniqueName(table, [column.name])
      return [{ name, type: 'unique', columns: [column] }]
    })
    const group = (name: 'index' | 'unique' | 'fulltext'): Index[] =>
      model.attributes
        .filter((one) => one.name === name)
        .map((one) => {
          const columns = this.keyColumns(model, argument(one, 'fields', 0))
          // Prisma: a bare `name:` is the old spelling of `map:` on @@index, and client-side elsewhere.
          const written = text(argument(one, 'map')) ?? (name === 'index' ? text(argument(one, 'name')) : undefined)
          const makeName = name === 'unique' ? uniqueName : indexName
          return {
            name:
              written ??
              makeName(
                table,
                columns.map(({ name }) => name),
              ),
            type: name === 'index' ? 'normal' : name,
            columns,
          }
        })
    return [...uniques, ...group('index'), ...group('unique'), ...group('fulltext')]
  }

  /** The fields of the model whose type is a model; those of views are left out. */
  private relationFields(model: Block): RelationField[] {
    return model.members.flatMap((field) => {
      const target = this.byName.get(field.type)
      return target ? [{ model, field, target, relation: attribute(field, 'relation') }] : []
    })
  }

  private foreignKeys(model: Block): ForeignKey[] {
    return this.relationFields(model).flatMap(({ field, target, relation }): ForeignKey[] => {
      const own = names(argument(relation, 'fields'))
      if (own.length === 0) return []
      const columns = own.map((name) => this.column(model, name))
      const required =
        field.arity === 'required' ||
        own.some((name) => model.members.find((one) => one.name === name)?.arity === 'required')
      return [
        {
          name: text(argument(relation, 'map')) ?? foreignKeyName(tableName(model), columns),
          columns,
          references: {
            table: tableName(target),
            columns: names(argument(relation, 'references')).map((name) => this.column(target, name)),
          },
          onDelete: action(argument(relation, 'onDelete')) ?? (required ? 'RESTRICT' : 'SET NULL'),
          onUpdate: action(argument(relation, 'onUpdate')) ?? 'CASCADE',
        },
      ]
    })
  }

  /** Prisma: one table per implicit many-to-many relation, by the position of model A and of its field. */
  private joinTables(): Table[] {
    return this.models.flatMap((model) =>
      this.relationFields(model).flatMap((side) => {
        const other = this.manyToManyPartner(side)
        return other && isSideA(side, other) ? [this.joinTable(side)] : []
      }),
    )
  }

  private manyToManyPartner(side: RelationField): RelationField | undefined {
    if (side.field.arity !== 'list') return undefined
    return this.relationFields(side.target).find(
      (other) =>
        other.target === side.model &&
        other.field.arity === 'list' &&
        other.field !== side.field &&
        relationName(other) === relationName(side),
    )
  }

  private joinTable(side: RelationField): Table {
    const { table, unique, index, keyA, keyB } = joinTableNames(relationName(side))
    const reference = (name: string, column: string, model: Block): ForeignKey => ({
      name,
      columns: [column],
      references: { table: tableName(model), columns: [this.firstKeyColumn(model).name] },
      onDelete: 'CASCADE',
      onUpdate: 'CASCADE',
    })
    const column = (name: string, model: Block): Column => ({
      name,
      type: this.firstKeyColumn(model).type,
      nullable: false,
      default: undefined,
      autoIncrement: false,
    })
    return {
      name: table,
      columns: [column('A', side.model), column('B', side.target)],
      primaryKey: undefined,
      indexes: [
        { name: unique, type: 'unique', columns: [{ name: 'A' }, { name: 'B' }] },
        { name: index, type: 'normal', columns: [{ name: 'B' }] },
      ],
      foreignKeys: this.foreignKeysExist ? [reference(keyA, 'A', side.model), reference(keyB, 'B', side.target)] : [],
    }
  }

  private firstKeyColumn(model: Block): Column {
    const name = this.primaryKey(model)?.[0]?.name
    const field = this.columnFields(model).find((one) => columnName(one) === name)
    if (!field)
      throw new InvalidSchemaError(`The model "${model.name}" has a many-to-many relation but no primary key.`)
    return readColumn(field, this.enums.get(field.type))
  }
}

function tableName(model: Block): string {
  return text(argument(attribute(model, 'map'), 'name', 0)) ?? model.name
}

function keyColumn(name: string, args: readonly Argument[]): KeyColumn {
  const length = argument({ args }, 'length')
  const sort = argument({ args }, 'sort')
  return {
    name,
    ...(length?.kind === 'number' ? { length: Number(length.text) } : {}),
    ...(sort?.kind === 'name' ? { sort: sort.name === 'Desc' ? 'desc' : 'asc' } : {}),
  }
}

function action(value: Expression | undefined): ReferentialAction | undefined {
  return value?.kind === 'name' ? ACTIONS[value.name] : undefined
}

/** Prisma: the name given, or the names of the two models in byte order. */
function relationName(side: RelationField): string {
  const given = text(argument(side.relation, 'name', 0))
  return given ?? [side.model.name, side.target.name].sort(byBytes).join('To')
}

/** Prisma: column `A` refers to the model with the smaller name, in a self relation to the side of the smaller field. */
function isSideA(side: RelationField, other: RelationField): boolean {
  const models = byBytes(side.model.name, other.model.name)
  return models === 0 ? byBytes(side.field.name, other.field.name) < 0 : models < 0
}
