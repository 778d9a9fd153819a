/** Tables x Tables -> the steps between them, in Prisma's order. */
import type { CompareOptions } from './casts.js'
import { clauses } from './clauses.js'
import { asciiLower, compareColumns, sameIndex, sameNames } from './compare.js'
import { supports } from './database-view.js'
import { autoIncrementIndexes, isServerMade, keysInTheWay } from './server-rules.js'
import type { KeyOf, Step, TablePair } from './steps.js'
import type { ForeignKey, Index, ServerFlags, Table, Tables } from './tables.js'

export interface PlanOptions extends ServerFlags {
  /** Tables that are managed elsewhere: neither created, changed nor dropped. */
  readonly externalTables?: readonly string[]
  /**
   * Write what Prisma writes where that is refused by the server, loses an index or never settles. Only for comparing
   * with Prisma; the default writes SQL that works and finds no difference where there is none.
   */
  readonly copyPrisma?: boolean
  /** One of the two is what a server showed of its tables. */
  readonly live?: boolean
  /** Treat indexes under foreign keys as Prisma did before 6.14. Only for comparing with older migrations. */
  readonly beforePrisma614?: boolean
}

/** The steps that lead from the one state to the other, in the order in which they run. */
export function diffTables(from: Tables, to: Tables, options: PlanOptions = {}): Step[] {
  return new Diff(from, to, options).steps()
}

const isJoinTable = ({ columns }: Table) => sameNames(columns.map(({ name }) => name).sort(), ['A', 'B'])

class Diff {
  private readonly previous: readonly Table[]
  private readonly next: readonly Table[]
  private pairs: readonly TablePair[]
  private readonly created: readonly Table[]
  private readonly dropped: readonly Table[]
  private readonly compare: CompareOptions
  private readonly dropKeys = new Set<ForeignKey>()
  /** Those of `dropKeys` that next has under another name. */
  private readonly renamedKeys = new Set<ForeignKey>()
  private readonly addKeys = new Set<ForeignKey>()
  private readonly dropIndexes = new Set<Index>()
  private readonly createIndexes = new Set<Index>()
  private readonly renames = new Map<Index, Index>()

  constructor(
    from: Tables,
    to: Tables,
    private readonly options: PlanOptions,
  ) {
    this.compare = {
      mariadb: options.mariadb,
      serverDefaults: !options.copyPrisma,
      live: options.live,
      plainDefaults: options.plainDefaults,
    }
    const external = new Set((options.externalTables ?? []).map((name) => this.tableKey(unqualified(name))))
    const managed = ({ name }: Table) => name !== '_prisma_migrations' && !external.has(this.tableKey(name))
    this.previous = from.tables.filter(managed)
    this.next = to.tables.filter(managed)
    const nextByKey = new Map(this.next.map((table) => [this.tableKey(table.name), table]))
    const previousKeys = new Set(this.previous.map(({ name }) => this.tableKey(name)))
    this.pairs = this.previous.flatMap((table) => {
      const partner = nextByKey.get(this.tableKey(table.name))
      return partner ? [this.pair(table, partner)] : []
    })
    this.dropped = this.previous.filter(({ name }) => !nextByKey.has(this.tableKey(name)))
    this.created = this.next.filter(({ name }) => !previousKeys.has(this.tableKey(name)))
    this.diffForeignKeys()
    this.diffIndexes()
    if (!options.copyPrisma) {
      for (const key of keysInTheWay(this.pairs, this.dropIndexes, this.keptKeys())) this.recreateKey(key)
      this.pairs = this.pairs.map((pair) => this.withAutoIncrementIndexes(pair))
    }
  }

  /** What table names are compared by. */
  private tableKey(name: string): string {
    return this.options.lowerCaseTableNames ? asciiLower(name) : name
  }

  private pair(previous: Table, next: Table): TablePair {
    const columns = previous.columns.flatMap((from) => {
      const to = next.columns.find(({ name }) => name === from.name)
      return to ? [compareColumns(from, to, this.compare)] : []
    })
    return { previous, next, columns, clauses: clauses(previous, next, columns) }
  }

  // Foreign keys

  private diffForeignKeys(): void {
    for (const table of this.dropped) for (const key of table.foreignKeys) this.dropKeys.add(key)
    for (const table of this.created) for (const key of table.foreignKeys) this.addKeys.add(key)
    for (const pair of this.pairs) {
      const matched = new Set<ForeignKey>()
      const joinTables = isJoinTable(pair.previous) && isJoinTable(pair.next)
      for (const key of pair.previous.foreignKeys) {
        const partner = this.partnerOf(pair, key)
        if (partner) matched.add(partner)
        if (!partner) this.dropKeys.add(key)
        // Foreign keys cannot be renamed on MySQL. Prisma leaves those of join tables, which had no names before 3.14.
        else if (partner.name !== key.name && !joinTables) {
          this.renamedKeys.add(key)
          this.dropKeys.add(key)
          this.addKeys.add(partner)
        }
      }
      for (const key of pair.next.foreignKeys) if (!matched.has(key)) this.addKeys.add(key)
    }
  }

  /** The same key in next, whatever its name. */
  private partnerOf(pair: TablePair, key: ForeignKey): ForeignKey | undefined {
    const disturbed = key.columns.some((name) => {
      const column = pair.columns.find(({ from }) => from.name === name)
      return column && (column.cast !== 'none' || (column.from.nullable && !column.to.nullable))
    })
    if (disturbed) return undefined
    const same = pair.next.foreignKeys.filter(
      (other) =>
        this.tableKey(other.references.table) === this.tableKey(key.references.table) &&
        sameNames(other.columns, key.columns) &&
        sameNames(other.references.columns, key.references.columns) &&
        other.onDelete === key.onDelete &&
        other.onUpdate === key.onUpdate,
    )
    return same.find((other) => other.name === key.name) ?? same[0]
  }

  /** The foreign keys that stay as they are. */
  private keptKeys(): KeyOf[] {
    return this.pairs.flatMap(({ previous }) =>
      previous.foreignKeys.filter((key) => !this.dropKeys.has(key)).map((key) => ({ table: previous, key })),
    )
  }

  /** Drops the key before the other steps and adds the same key after them. */
  private recreateKey({ table, key }: KeyOf): void {
    const pair = this.pairs.find(({ previous }) => previous === table)
    const partner = pair && this.partnerOf(pair, key)
    if (!partner) return
    this.dropKeys.add(key)
    this.addKeys.add(partner)
  }

  // Indexes

  private diffIndexes(): void {
    for (const { previous, next, clauses } of this.pairs) {
      // A column that is dropped and added again leaves its indexes; Prisma forgets them.
      const recreated = new Set(
        this.options.copyPrisma ? [] : clauses.flatMap((one) => (one.kind === 'RecreateColumn' ? [one.to.name] : [])),
      )
      const lost = (index: Index) => index.columns.some(({ name }) => recreated.has(name))
      for (const index of previous.indexes) {
        const partner = next.indexes.find((other) => sameIndex(index, other))
        if (!partner) this.dropUnlessNeeded(previous, index)
        else if (lost(index)) this.dropIndex(previous, index)
        else if (
          partner.name !== index.name &&
          previous.indexes.filter((other) => sameIndex(index, other)).length === 1
        ) {
          this.renames.set(index, partner)
        }
      }
      for (const index of next.indexes) {
        if (lost(index) || !previous.indexes.some((other) => sameIndex(index, other))) this.createIndexes.add(index)
      }
    }
  }

  /** Prisma 6.14: an index of exactly a foreign key's columns is taken for the one that the server made for it. */
  private dropUnlessNeeded(table: Table, index: Index): void {
    if (this.options.beforePrisma614) {
      const isForKey = (key: ForeignKey) => key.columns.length === index.columns.length && leads(index, key)
      if (index.type !== 'normal' || !table.foreignKeys.some(isForKey)) this.dropIndexes.add(index)
      return
    }
    const keys = this.keysOver(table, index)
    if (index.type === 'normal' && keys.some(({ key }) => key.columns.length === index.columns.length)) return
    this.dropIndex(table, index)
  }

  private dropIndex(table: Table, index: Index): void {
    for (const key of this.keysOver(table, index)) this.recreateKey(key)
    this.dropIndexes.add(index)
  }

  /** The foreign keys that stay, if under another name, and that the server may look up in this index. */
  private keysOver(table: Table, index: Index): KeyOf[] {
    if (index.type === 'fulltext') return []
    return table.foreignKeys
      .filter((key) => (this.renamedKeys.has(key) || !this.dropKeys.has(key)) && leads(index, key))
      .map((key) => ({ table, key }))
  }

  private withAutoIncrementIndexes(pair: TablePair): TablePair {
    const { dropped, created } = autoIncrementIndexes(pair, this.dropIndexes, this.createIndexes)
    for (const index of dropped) this.dropIndexes.delete(index)
    for (const index of created) this.createIndexes.delete(index)
    return {
      ...pair,
      clauses: [
        ...dropped.map((index) => ({ kind: 'DropIndex', index }) as const),
        ...pair.clauses,
        ...created.map((index) => ({ kind: 'AddIndex', index }) as const),
      ],
    }
  }

  // Order

  steps(): Step[] {
    const dropForeignKeys = this.previous.flatMap((table) =>
      table.foreignKeys
        .filter((key) => this.dropKeys.has(key))
        .map((key): Step => ({ kind: 'DropForeignKey', table, key })),
    )
    const dropIndexes = this.previous.flatMap((table) =>
      table.indexes
        .filter((index) => this.dropIndexes.has(index))
        .map((index): Step => ({ kind: 'DropIndex', table, index })),
    )
    const alterTables = this.pairs.flatMap(({ previous, next, clauses }): Step[] =>
      clauses.length > 0 ? [{ kind: 'AlterTable', table: previous, next, clauses }] : [],
    )
    const createIndexes = this.pairs.flatMap(({ next }) =>
      next.indexes
        .filter((index) => this.createIndexes.has(index))
        .map((index): Step => ({ kind: 'CreateIndex', table: next, index })),
    )
    const addForeignKeys = this.next.flatMap((table) =>
      table.foreignKeys
        .filter((key) => this.addKeys.has(key))
        .map((key): Step => ({ kind: 'AddForeignKey', table, key })),
    )
    const renames = this.pairs.flatMap(({ previous, next }) => this.renameSteps(previous, next))
    // The server drops an index that it made when another one covers it: such an index is replaced before that happens.
    const isEarly = (step: Step) => step.kind === 'RedefineIndex' && step.swap === true
    return moveDropsBehindPrimaryKeys([
      ...dropForeignKeys,
      ...dropIndexes,
      ...alterTables,
      ...this.dropped.map((table): Step => ({ kind: 'DropTable', table })),
      ...this.created.map((table): Step => ({ kind: 'CreateTable', table })),
      ...renames.filter(isEarly),
      ...createIndexes,
      ...addForeignKeys,
      ...renames.filter((step) => !isEarly(step)),
    ])
  }

  private renameSteps(table: Table, next: Table): Step[] {
    const redefine = this.options.mariadb || this.options.mysql56
    const created = next.indexes.filter((index) => this.createIndexes.has(index))
    return table.indexes.flatMap((from): Step[] => {
      const to = this.renames.get(from)
      if (!to) return []
      const covered = redefine || created.some((index) => index.columns[0]?.name === from.columns[0]?.name)
      if (!this.options.copyPrisma && covered && isServerMade(table, from)) {
        return [{ kind: 'RedefineIndex', table, from, to, swap: true }]
      }
      return [{ kind: redefine ? 'RedefineIndex' : 'RenameIndex', table, from, to }]
    })
  }
}

const unqualified = (name: string) => name.slice(name.lastIndexOf('.') + 1)

/** Whether the key's columns lead the index; Prisma does not ask for prefix lengths. */
function leads(index: Index, key: ForeignKey): boolean {
  return supports(
    index.columns.map(({ name }) => ({ name })),
    key.columns,
  )
}

/** Prisma: a unique index whose columns become the first primary key is dropped after the key is there, not before. */
function moveDropsBehindPrimaryKeys(steps: readonly Step[]): Step[] {
  const moved = new Map<Step, Step[]>()
  const drops = new Set<Step>()
  for (const drop of steps) {
    if (drop.kind !== 'DropIndex' || drop.index.type !== 'unique' || drop.table.primaryKey) continue
    const names = drop.index.columns.map(({ name }) => name)
    const alter = steps.find(
      (step) => step.kind === 'AlterTable' && step.table === drop.table && becomesKey(step, names),
    )
    if (!alter) continue
    drops.add(drop)
    moved.set(alter, [...(moved.get(alter) ?? []), drop])
  }
  return steps.filter((step) => !drops.has(step)).flatMap((step) => [step, ...(moved.get(step) ?? [])])
}

function becomesKey(step: Extract<Step, { kind: 'AlterTable' }>, names: readonly string[]): boolean {
  const added = step.clauses.find((clause) => clause.kind === 'AddPrimaryKey')
  const gone = step.clauses.some(
    (clause) =>
      (clause.kind === 'DropColumn' && names.includes(clause.column.name)) ||
      (clause.kind === 'RecreateColumn' && names.includes(clause.from.name)),
  )
  return (
    added !== undefined &&
    !gone &&
    sameNames(
      added.columns.map(({ name }) => name),
      names,
    )
  )
}
