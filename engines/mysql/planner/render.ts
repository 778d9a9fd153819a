/** Steps -> SQL, byte for byte as Prisma writes it. */
import { textLiteral } from '../../sql/quoting.js'
import { escapedText } from '../values.js'
import type { Clause, Step } from './steps.js'
import {
  type Column,
  type ColumnType,
  type ForeignKey,
  type Index,
  type KeyColumn,
  type NativeName,
  PRISMA_COLLATION,
  type Table,
} from './tables.js'
import { serverTime, splitOnUpdate } from './times.js'

/** How SQL is written. */
export interface RenderOptions {
  /** See `PlanOptions.copyPrisma`. */
  readonly copyPrisma?: boolean
  /** See `ServerFlags.plainDefaults`. */
  readonly plainDefaults?: boolean
}

/** Prisma's text for "nothing to do". */
export const EMPTY_SCRIPT = '-- This is an empty migration.'

/** The whole script: one block per step. */
export function renderScript(steps: readonly Step[], options: RenderOptions = {}): string {
  if (steps.length === 0) return EMPTY_SCRIPT
  return steps
    .map(
      (step) =>
        `-- ${step.kind}\n${withZeroDates(step, statements(step, options), options)
          .map((sql) => `${sql};\n`)
          .join('')}`,
    )
    .join('\n')
}

const isZeroDate = ({ default: value }: Column) =>
  value?.kind === 'dbgenerated' && /^[\s(]*'0000-00-00/.test(value.text ?? '')

/**
 * A server of today refuses every ALTER of a table that has 0000-00-00 for a default (1067), also one that leaves the column
 * alone, unless its sql_mode allows such dates.
 */
export function withZeroDates(step: Step, sql: readonly string[], { copyPrisma }: RenderOptions): string[] {
  const columns = [...step.table.columns, ...(step.kind === 'AlterTable' ? step.next.columns : [])]
  if (copyPrisma || sql.length === 0 || !columns.some(isZeroDate)) return [...sql]
  const allowed = "REPLACE(REPLACE(@@SESSION.sql_mode, 'NO_ZERO_IN_DATE', ''), 'NO_ZERO_DATE', '')"
  return [
    `SET @rays_sql_mode = @@SESSION.sql_mode, SESSION sql_mode = ${allowed}`,
    ...sql,
    'SET SESSION sql_mode = @rays_sql_mode',
  ]
}

/** A name in backticks. */
export function quote(name: string, { copyPrisma }: RenderOptions = {}): string {
  return `\`${copyPrisma ? name : name.replaceAll('`', '``')}\``
}

/** The statements of one step, without final semicolons. */
export function statements(step: Step, options: RenderOptions = {}): string[] {
  const q = (name: string) => quote(name, options)
  switch (step.kind) {
    case 'DropForeignKey':
      return [`ALTER TABLE ${q(step.table.name)} DROP FOREIGN KEY ${q(step.key.name)}`]
    case 'DropIndex':
      return [`DROP INDEX ${q(step.index.name)} ON ${q(step.table.name)}`]
    case 'AlterTable':
      return [
        alterTable(
          step.table.name,
          step.clauses.flatMap((clause) => clauseTexts(clause, options)),
          options,
        ),
      ]
    case 'DropTable':
      return [`DROP TABLE ${q(step.table.name)}`]
    case 'CreateTable':
      return [createTable(step.table, options)]
    case 'CreateIndex':
      return [createIndex(step.table.name, step.index, options)]
    case 'AddForeignKey':
      return [alterTable(step.table.name, [`ADD ${foreignKey(step.key, options)}`], options)]
    case 'RenameIndex':
      return [`ALTER TABLE ${q(step.table.name)} RENAME INDEX ${q(step.from.name)} TO ${q(step.to.name)}`]
    case 'RedefineIndex':
      if (step.swap) return [swapIndex(step.table.name, step.from, step.to, options)]
      return [
        createIndex(step.table.name, step.to, options),
        `DROP INDEX ${q(step.from.name)} ON ${q(step.table.name)}`,
      ]
  }
}

/** One ALTER TABLE. */
export function alterTable(table: string, clauses: readonly string[], options: RenderOptions = {}): string {
  return `ALTER TABLE ${quote(table, options)} ${clauses.join(',\n    ')}`
}

/** Replaces an index by another in one statement, so that a foreign key never stands without one. */
export function swapIndex(table: string, from: Index, to: Index, options: RenderOptions = {}): string {
  return alterTable(table, [`DROP INDEX ${quote(from.name, options)}`, `ADD ${indexText(to, options)}`], options)
}

function clauseTexts(clause: Clause, options: RenderOptions): string[] {
  switch (clause.kind) {
    case 'DropPrimaryKey':
      return ['DROP PRIMARY KEY']
    case 'DropColumn':
      return [`DROP COLUMN ${quote(clause.column.name, options)}`]
    case 'AddColumn':
      return [`ADD COLUMN ${columnText(clause.column, options)}`]
    case 'RecreateColumn':
      return [`DROP COLUMN ${quote(clause.from.name, options)}`, `ADD COLUMN ${columnText(clause.to, options)}`]
    case 'DropDefault':
      return [`ALTER COLUMN ${quote(clause.from.name, options)} DROP DEFAULT`]
    case 'ModifyColumn':
      return [modify(clause.to, options)]
    case 'AddPrimaryKey':
      return [`ADD ${primaryKey(clause.columns, options)}`]
    case 'DropIndex':
      return [`DROP INDEX ${quote(clause.index.name, options)}`]
    case 'AddIndex':
      return [`ADD ${indexText(clause.index, options)}`]
  }
}

/** `MODIFY` with the complete definition; the order of its parts differs from that of a new column. */
export function modify(column: Column, options: RenderOptions = {}): string {
  // Prisma writes literal defaults of Json and Bytes here, unquoted: the server refuses them.
  const text = options.copyPrisma ? defaultText(column, options) : createdDefault(column, options)
  return [
    `MODIFY ${headText(column, options)}`,
    ...(text === undefined ? [] : [`DEFAULT ${text}`]),
    ...besideTexts(column, text, options),
    ...(column.autoIncrement ? ['AUTO_INCREMENT'] : []),
  ].join(' ')
}

/** The definition of a column in CREATE TABLE and ADD COLUMN. */
export function columnText(column: Column, options: RenderOptions = {}): string {
  const text = createdDefault(column, options)
  return [
    headText(column, options),
    ...(column.autoIncrement ? ['AUTO_INCREMENT'] : []),
    ...(text === undefined ? [] : [`DEFAULT ${text}`]),
    ...besideTexts(column, text, options),
  ].join(' ')
}

/** Name, type and whether it may be NULL, which MariaDB does not let one say of a generated column. */
function headText(column: Column, options: RenderOptions): string {
  const { collation, generated, reference } = column.beside ?? {}
  return [
    `${quote(column.name, options)} ${typeText(column.type, options)}`,
    ...(collation === undefined ? [] : [`COLLATE ${collation}`]),
    ...(reference === undefined ? [] : [reference]),
    ...(generated === undefined ? [] : [generated]),
    ...(generated !== undefined && column.nullable ? [] : [column.nullable ? 'NULL' : 'NOT NULL']),
  ].join(' ')
}

function besideTexts(column: Column, text: string | undefined, options: RenderOptions): string[] {
  const { onUpdate, invisible, comment, check } = column.beside ?? {}
  return [
    ...(onUpdate && !splitOnUpdate(text ?? '').onUpdate ? [`ON UPDATE ${nowText(column.type, options)}`] : []),
    ...(invisible ? ['INVISIBLE'] : []),
    ...(comment === undefined ? [] : [`COMMENT ${stringLiteral(comment, options)}`]),
    ...(check === undefined ? [] : [check]),
  ]
}

/** The SQL after DEFAULT when the column is made: Prisma gives none to Json, and none to Bytes from a literal. */
export function createdDefault(column: Column, options: RenderOptions = {}): string | undefined {
  if (column.type.kind !== 'native' || column.type.name !== 'Json')
    return isRawLiteral(column) ? undefined : defaultText(column, options)
  return options.copyPrisma || options.plainDefaults ? undefined : jsonDefault(column, options)
}

/** Servers take the default of a JSON column as an expression only. */
function jsonDefault({ default: value }: Column, options: RenderOptions): string | undefined {
  if (value?.kind === 'literal') return `(${stringLiteral(value.text, options)})`
  const text = value?.kind === 'dbgenerated' ? value.text : undefined
  return text === undefined || text.startsWith('(') ? text : `(${text})`
}

function isRawLiteral({ default: value }: Column): boolean {
  return value?.kind === 'literal' && (value.of === 'json' || value.of === 'bytes')
}

const NATIVE_TEXTS: Readonly<Partial<Record<NativeName, string>>> = {
  Int: 'INTEGER',
  UnsignedInt: 'INTEGER UNSIGNED',
  UnsignedSmallInt: 'SMALLINT UNSIGNED',
  UnsignedTinyInt: 'TINYINT UNSIGNED',
  UnsignedMediumInt: 'MEDIUMINT UNSIGNED',
  UnsignedBigInt: 'BIGINT UNSIGNED',
}

/** The type as SQL. */
export function typeText(type: ColumnType, options: RenderOptions = {}): string {
  if (type.kind === 'unsupported' || type.kind === 'untyped') return type.text
  // Prisma leaves quotes in enum values as they are.
  const value = (text: string) => (options.copyPrisma ? `'${text}'` : stringLiteral(text, options))
  if (type.kind === 'enum') return `ENUM(${type.values.map(value).join(', ')})`
  if (type.json) return 'JSON'
  if (type.scalar === 'Boolean' && type.name === 'TinyInt') return 'BOOLEAN'
  const name = NATIVE_TEXTS[type.name] ?? type.name.toUpperCase()
  return type.args.length > 0 ? `${name}(${type.args.join(', ')})` : name
}

function stringLiteral(text: string, { copyPrisma }: RenderOptions): string {
  // Prisma leaves backslashes, which MySQL then reads as escapes.
  return copyPrisma ? textLiteral(text) : escapedText(text)
}

/** The SQL after DEFAULT, or undefined. */
function defaultText(column: Column, options: RenderOptions): string | undefined {
  const value = column.default
  switch (value?.kind) {
    case undefined:
      return undefined
    case 'now':
      return nowText(column.type, options)
    case 'dbgenerated':
      return value.text
    case 'literal':
      if (value.of === 'datetime' && !options.copyPrisma) return `'${serverTime(value.text, column.type)}'`
      return value.of === 'string' || value.of === 'enum' || value.of === 'datetime'
        ? stringLiteral(value.text, options)
        : value.text
  }
}

/**
 * Prisma: the precision of the type, or 3. The server wants the precision of the column (none is 0), and takes a date or a
 * time only from an expression.
 */
function nowText(type: ColumnType, { copyPrisma }: RenderOptions): string {
  const { name, args } = type.kind === 'native' ? type : { name: 'DateTime', args: [3] }
  const [precision] = args
  if (copyPrisma) return `CURRENT_TIMESTAMP(${precision ?? 3})`
  if (name === 'Date') return '(CURRENT_DATE)'
  if (name === 'Time') return `(CURRENT_TIME(${precision ?? 0}))`
  return `CURRENT_TIMESTAMP(${precision ?? 0})`
}

function keyColumns(columns: readonly KeyColumn[], options: RenderOptions): string {
  return columns
    .map(({ name, length, sort }) => {
      const prefix = length === undefined ? '' : `(${length})`
      const direction = sort ? ` ${sort.toUpperCase()}` : ''
      return `${quote(name, options)}${prefix}${direction}`
    })
    .join(', ')
}

/** `PRIMARY KEY (...)`. */
export function primaryKey(columns: readonly KeyColumn[], options: RenderOptions = {}): string {
  return `PRIMARY KEY (${keyColumns(columns, options)})`
}

const INDEX_TEXTS = { normal: 'INDEX', unique: 'UNIQUE INDEX', fulltext: 'FULLTEXT INDEX' } as const

/** `UNIQUE INDEX name(columns)`, as in CREATE TABLE and ADD. */
export function indexText(index: Index, options: RenderOptions = {}): string {
  return `${INDEX_TEXTS[index.type]} ${quote(index.name, options)}(${keyColumns(index.columns, options)})`
}

/** `CREATE INDEX ...`. */
export function createIndex(table: string, index: Index, options: RenderOptions = {}): string {
  const name = quote(index.name, options)
  return `CREATE ${INDEX_TEXTS[index.type]} ${name} ON ${quote(table, options)}(${keyColumns(index.columns, options)})`
}

/** `CONSTRAINT name FOREIGN KEY ...`. */
export function foreignKey(key: ForeignKey, options: RenderOptions = {}): string {
  const list = (names: readonly string[]) => names.map((name) => quote(name, options)).join(', ')
  const target = `${quote(key.references.table, options)}(${list(key.references.columns)})`
  return `CONSTRAINT ${quote(key.name, options)} FOREIGN KEY (${list(key.columns)}) REFERENCES ${target} ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`
}

/** `CREATE TABLE` with its indexes and without its foreign keys. */
export function createTable(table: Table, options: RenderOptions = {}): string {
  const columns = table.columns.map((column) => `    ${columnText(column, options)}`)
  const keys = [
    ...table.indexes.map((index) => `    ${indexText(index, options)}`),
    ...(table.primaryKey ? [`    ${primaryKey(table.primaryKey, options)}`] : []),
  ]
  const body = [columns, keys].filter((part) => part.length > 0).map((part) => part.join(',\n'))
  const collation = table.collation ?? PRISMA_COLLATION
  const charset = collation.replace(/_.*/, '')
  return `CREATE TABLE ${quote(table.name, options)} (\n${body.join(',\n\n')}\n) DEFAULT CHARACTER SET ${charset} COLLATE ${collation}`
}
