/** A plan for people, in Prisma's style. */
import { asciiLower } from './compare.js'
import { createdDefault } from './render.js'
import type { Clause, ColumnPair, Step } from './steps.js'
import { byBytes, type Column, type Index, type KeyColumn } from './tables.js'

/** `[+] Added tables ...`, `[*] Changed the ... table ...`; '' where there is nothing to do. */
export function summaryOf(steps: readonly Step[]): string {
  const tables = (kind: Step['kind']) => steps.flatMap((step) => (step.kind === kind ? [step.table.name] : []))
  const list = (title: string, names: readonly string[]) =>
    names.length > 0 ? [[title, ...names.map((name) => `  - ${name}`)].join('\n')] : []
  const changes = new Map<string, { readonly name: string; readonly lines: string[] }>()
  for (const step of steps) {
    const lines = linesOf(step)
    if (lines.length === 0) continue
    // Servers with lower_case_table_names = 1 spell a table in two ways.
    const key = asciiLower(step.table.name)
    const entry = changes.get(key) ?? { name: step.table.name, lines: [] }
    entry.lines.push(...lines)
    changes.set(key, entry)
  }
  const changed = [...changes.values()]
    .sort((a, b) => byBytes(a.name, b.name))
    .map(({ name, lines }) => [`[*] Changed the \`${name}\` table`, ...lines.map((line) => `  ${line}`)].join('\n'))
  return [
    ...list('[+] Added tables', tables('CreateTable')),
    ...list('[-] Removed tables', tables('DropTable')),
    ...changed,
  ].join('\n\n')
}

function linesOf(step: Step): string[] {
  switch (step.kind) {
    case 'CreateTable':
      return step.table.indexes.map(addedIndex)
    case 'DropTable':
      return []
    case 'AlterTable':
      return step.clauses.map(clauseLine)
    case 'DropForeignKey':
      return [`[-] Removed foreign key on columns (${step.key.columns.join(', ')})`]
    case 'AddForeignKey':
      return [`[+] Added foreign key on columns (${step.key.columns.join(', ')})`]
    case 'DropIndex':
      return [removedIndex(step.index)]
    case 'CreateIndex':
      return [addedIndex(step.index)]
    case 'RenameIndex':
    case 'RedefineIndex':
      return [`[*] Renamed index \`${step.from.name}\` to \`${step.to.name}\``]
  }
}

const KINDS = { normal: 'index', unique: 'unique index', fulltext: 'fulltext index' } as const
const names = (columns: readonly KeyColumn[]) => columns.map(({ name }) => name).join(', ')
const addedIndex = (index: Index) => `[+] Added ${KINDS[index.type]} on columns (${names(index.columns)})`
const removedIndex = (index: Index) => `[-] Removed ${KINDS[index.type]} on columns (${names(index.columns)})`

function clauseLine(clause: Clause): string {
  switch (clause.kind) {
    case 'DropPrimaryKey':
      return `[-] Dropped the primary key on columns (${names(clause.columns)})`
    case 'AddPrimaryKey':
      return `[+] Added primary key on columns (${names(clause.columns)})`
    case 'DropColumn':
      return `[-] Removed column \`${clause.column.name}\``
    case 'AddColumn':
      return `[+] Added column \`${clause.column.name}\``
    case 'ModifyColumn':
    case 'DropDefault':
      return `[*] Altered column \`${clause.to.name}\` (${columnChanges(clause)})`
    case 'RecreateColumn':
      return `[*] Column \`${clause.to.name}\` would be dropped and recreated (${columnChanges(clause)})`
    case 'AddIndex':
      return addedIndex(clause.index)
    case 'DropIndex':
      return removedIndex(clause.index)
  }
}

function columnChanges(pair: ColumnPair): string {
  const { from, to } = pair
  const arity = ({ nullable }: Column) => (nullable ? 'Nullable' : 'Required')
  const value = (column: Column) => createdDefault(column) ?? 'None'
  return [
    ...(pair.arityChanged ? [`changed from ${arity(from)} to ${arity(to)}`] : []),
    ...(pair.defaultChanged ? [`default changed from \`${value(from)}\` to \`${value(to)}\``] : []),
    ...(pair.cast === 'none' ? [] : ['type changed']),
    ...(pair.autoIncrementChanged
      ? [to.autoIncrement ? 'column became autoincrementing' : 'column is no longer autoincrementing']
      : []),
  ].join(', ')
}
