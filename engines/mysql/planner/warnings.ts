/** What the steps may lose or fail on, in Prisma's words. */
import type { Clause, ColumnPair, Step } from './steps.js'
import type { Column, ColumnType, Index, Tables } from './tables.js'

/**
 * The warnings of a plan, as Prisma orders them: first what loses data or may not hold, then what fails if the table has
 * rows. They are told from the definitions alone: no data is looked at.
 */
export function warningsOf(steps: readonly Step[], from: Tables, to: Tables): string[] {
  const warnings: string[] = []
  const blockers: string[] = []
  for (const step of steps) {
    if (step.kind === 'DropTable') {
      warnings.push(
        `You are about to drop the \`${step.table.name}\` table. If the table is not empty, all the data it contains will be lost.`,
      )
    } else if (step.kind === 'CreateIndex' && step.index.type === 'unique') {
      warnings.push(addedUnique(step.index, step.table.name).text)
    } else if (step.kind === 'AlterTable') {
      for (const clause of step.clauses) {
        const found = clauseWarning(clause, step.table.name, step.next.name, from, to)
        if (found) (found.blocks ? blockers : warnings).push(found.text)
      }
    }
  }
  return [...warnings, ...blockers]
}

/** The comment that `migrate dev` writes on top of a file, or '' where there is nothing to say. */
export function warningsComment(warnings: readonly string[]): string {
  if (warnings.length === 0) return ''
  return `/*\n  Warnings:\n\n${warnings.map((text) => `  - ${text}\n`).join('')}\n*/\n`
}

interface Warning {
  readonly text: string
  readonly blocks: boolean
}

const warning = (text: string): Warning => ({ text, blocks: false })
const blocker = (text: string): Warning => ({ text, blocks: true })

function clauseWarning(clause: Clause, table: string, next: string, from: Tables, to: Tables): Warning | undefined {
  switch (clause.kind) {
    case 'DropPrimaryKey':
      return warning(
        `The primary key for the \`${table}\` table will be changed. If it partially fails, the table could be left without primary key constraint.`,
      )
    case 'DropColumn':
      return warning(
        `You are about to drop the column \`${clause.column.name}\` on the \`${table}\` table. All the data in the column will be lost.`,
      )
    case 'AddColumn':
      return isRequiredWithoutDefault(clause.column) ? addedRequired(clause.column, next) : undefined
    case 'RecreateColumn':
      return recreated(clause, table, next)
    case 'ModifyColumn':
      return modified(clause, table, from, to)
    case 'AddIndex':
      return clause.index.type === 'unique' ? addedUnique(clause.index, next) : undefined
    case 'DropDefault':
    case 'AddPrimaryKey':
    case 'DropIndex':
      return undefined
  }
}

function addedUnique(index: Index, table: string): Warning {
  const columns = index.columns.map(({ name }) => name).join(',')
  return warning(
    `A unique constraint covering the columns \`[${columns}]\` on the table \`${table}\` will be added. If there are existing duplicate values, this will fail.`,
  )
}

/** Prisma: AUTO_INCREMENT and defaults of the client do not count as defaults here. */
const isRequiredWithoutDefault = (column: Column) => !column.nullable && column.default === undefined

function addedRequired(column: Column, table: string): Warning {
  return blocker(
    column.clientDefault
      ? `The required column \`${column.name}\` was added to the \`${table}\` table with a prisma-level default value. This is not possible if the table is not empty. Please add this column as optional, then populate it before making it required.`
      : `Added the required column \`${column.name}\` to the \`${table}\` table without a default value. This is not possible if the table is not empty.`,
  )
}

function recreated({ from, to }: ColumnPair, table: string, next: string): Warning {
  if (!isRequiredWithoutDefault(to)) {
    return warning(
      `The \`${to.name}\` column on the \`${table}\` table would be dropped and recreated. This will lead to data loss if there is data in the column.`,
    )
  }
  if (from.nullable) return addedRequired(to, next)
  return blocker(
    `Changed the type of \`${to.name}\` on the \`${table}\` table. No cast exists, the column would be dropped and recreated, which cannot be done if there is data, since the column is required.`,
  )
}

function modified(pair: ColumnPair, table: string, previous: Tables, next: Tables): Warning | undefined {
  const { from, to, cast } = pair
  if (from.nullable && !to.nullable) {
    return blocker(
      `Made the column \`${to.name}\` on table \`${table}\` required. This step will fail if there are existing NULL values in that column.`,
    )
  }
  const onlyType = !pair.arityChanged && !pair.defaultChanged && !pair.autoIncrementChanged
  if (onlyType && from.type.kind === 'enum' && to.type.kind === 'enum') {
    const removed = removedValues(from.type.values, to.type.values)
    if (removed.length === 0) return undefined
    const name = enumOf(next, to.type.name)?.name ?? to.type.name
    return warning(
      `The values [${removed.join(',')}] on the enum \`${name}\` will be removed. If these variants are still used in the database, this will fail.`,
    )
  }
  if (cast !== 'risky') return undefined
  return warning(
    `You are about to alter the column \`${to.name}\` on the \`${table}\` table. The data in that column could be lost. The data in that column will be cast from \`${typeName(from.type, previous)}\` to \`${typeName(to.type, next)}\`.`,
  )
}

/** The values that next lacks. */
export function removedValues(previous: readonly string[], next: readonly string[]): string[] {
  return previous.filter((value) => !next.includes(value))
}

/**
 * Prisma numbers enums by the columns that use them, over all tables; columns with the same Prisma enum share number and
 * name of the last one.
 */
function enumOf({ tables }: Tables, name: string): { readonly id: number; readonly name: string } | undefined {
  const columns = tables.flatMap((table) =>
    table.columns.flatMap((column) => (column.type.kind === 'enum' ? [{ table, column, enum: column.type.name }] : [])),
  )
  const id = columns.findLastIndex((one) => one.enum === name)
  const last = columns[id]
  return last && { id, name: `${last.table.name}_${last.column.name}` }
}

/** The type as Prisma names it in messages: `VarChar(191)`, `Decimal(65,30)`. */
function typeName(type: ColumnType, tables: Tables): string {
  switch (type.kind) {
    case 'enum':
      return `Enum(EnumId(${enumOf(tables, type.name)?.id ?? 0}))`
    case 'unsupported':
    case 'untyped':
      return `Unsupported("${type.text}")`
    case 'native':
      return type.args.length > 0 ? `${type.name}(${type.args.join(',')})` : type.name
  }
}
