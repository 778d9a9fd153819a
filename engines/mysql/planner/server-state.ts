/** What the server holds between two steps, the indexes that it makes and drops by itself included. */
import { asciiLower } from './compare.js'
import { hasSupport, implicitIndex, supports, withForeignKeyIndexes } from './database-view.js'
import { isServerMade } from './server-rules.js'
import type { Clause, Step } from './steps.js'
import type { ForeignKey, Index, KeyColumn, ServerFlags, Table, Tables } from './tables.js'

/** A table's keys, which is all that the steps need to know of its past. */
export interface Keys {
  readonly primaryKey: readonly KeyColumn[] | undefined
  readonly indexes: readonly Index[]
  readonly foreignKeys: readonly ForeignKey[]
}

/** The keys of all tables, moving along with the steps. */
export class ServerState {
  private readonly tables: Map<string, Keys>

  constructor(
    previous: Tables,
    private readonly flags: ServerFlags,
  ) {
    this.tables = new Map(withForeignKeyIndexes(previous).tables.map((table) => [this.key(table.name), keysOf(table)]))
  }

  private key(name: string): string {
    return this.flags.lowerCaseTableNames ? asciiLower(name) : name
  }

  /** The keys that the table has now. */
  of(table: string): Keys {
    return this.tables.get(this.key(table)) ?? { primaryKey: undefined, indexes: [], foreignKeys: [] }
  }

  /** The state after the step; this one stays. */
  preview(step: Step): ServerState {
    const copy = new ServerState({ tables: [] }, this.flags)
    for (const [name, keys] of this.tables) copy.tables.set(name, keys)
    copy.apply(step)
    return copy
  }

  /** Carries the step out. */
  apply(step: Step): void {
    const table = step.table.name
    if (step.kind === 'DropTable') this.tables.delete(this.key(table))
    else this.tables.set(this.key(table), this.after(step, this.of(table)))
  }

  /** The keys of the step's table after the step. */
  private after(step: Exclude<Step, { kind: 'DropTable' }>, keys: Keys): Keys {
    switch (step.kind) {
      case 'CreateTable':
        return { ...keysOf(step.table), foreignKeys: [] }
      case 'AlterTable':
        return step.clauses.reduce(alteredKeys, keys)
      case 'DropIndex':
        return { ...keys, indexes: without(keys.indexes, step.index.name) }
      case 'CreateIndex':
        return { ...keys, indexes: [...keys.indexes.filter((one) => !isCovered(keys, one, step.index)), step.index] }
      case 'RenameIndex':
      case 'RedefineIndex':
        return { ...keys, indexes: keys.indexes.map((one) => (one.name === step.from.name ? step.to : one)) }
      case 'DropForeignKey':
        return { ...keys, foreignKeys: without(keys.foreignKeys, step.key.name) }
      case 'AddForeignKey': {
        const indexes = hasSupport(keys, step.key) ? keys.indexes : [...keys.indexes, implicitIndex(step.key)]
        return { ...keys, indexes, foreignKeys: [...keys.foreignKeys, step.key] }
      }
    }
  }

  /** The foreign keys whose server-made index goes, or may have gone, when this index comes. */
  takenOver(table: string, added: Index): ForeignKey[] {
    const keys = this.of(table)
    const gone = keys.indexes.filter((index) => isCovered(keys, index, added))
    return keys.foreignKeys.filter((key) => gone.some((index) => supports(index.columns, key.columns)))
  }
}

/** InnoDB drops an index that it made as soon as another one covers its columns. */
function isCovered(keys: Keys, index: Index, added: Index): boolean {
  const names = index.columns.map(({ name }) => name)
  return added.type !== 'fulltext' && isServerMade(keys, index) && supports(added.columns, names)
}

function keysOf({ primaryKey, indexes, foreignKeys }: Table): Keys {
  return { primaryKey, indexes, foreignKeys }
}

function without<T extends { readonly name: string }>(list: readonly T[], name: string): T[] {
  return list.filter((one) => one.name !== name)
}

function alteredKeys(keys: Keys, clause: Clause): Keys {
  switch (clause.kind) {
    case 'DropPrimaryKey':
      return { ...keys, primaryKey: undefined }
    case 'AddPrimaryKey':
      return { ...keys, primaryKey: clause.columns }
    case 'DropIndex':
      return { ...keys, indexes: without(keys.indexes, clause.index.name) }
    case 'AddIndex':
      return { ...keys, indexes: [...keys.indexes, clause.index] }
    case 'DropColumn':
      return { ...keys, indexes: withoutColumn(keys.indexes, clause.column.name) }
    case 'RecreateColumn':
      return { ...keys, indexes: withoutColumn(keys.indexes, clause.from.name) }
    default:
      return keys
  }
}

/** A dropped column leaves its indexes; an index without columns goes. */
function withoutColumn(indexes: readonly Index[], column: string): Index[] {
  return indexes
    .map((index) => ({ ...index, columns: without(index.columns, column) }))
    .filter(({ columns }) => columns.length > 0)
}
