/** The way back from an ALTER TABLE, on tables that hold rows. */
import { GUARD } from '../errors.js'
import { neutral } from '../values.js'
import { castBetween } from './casts.js'
import { hasSupport } from './database-view.js'
import { type Down, withoutKeys } from './down.js'
import {
  alterTable,
  columnText,
  createdDefault,
  indexText,
  modify,
  primaryKey,
  quote,
  type RenderOptions,
  typeText,
} from './render.js'
import type { ServerState } from './server-state.js'
import type { Clause, ColumnPair, Step } from './steps.js'
import type { Column, ColumnType, Table } from './tables.js'
import { splitOnUpdate } from './times.js'
import { removedValues } from './warnings.js'

type AlterTable = Extract<Step, { kind: 'AlterTable' }>

/** The pieces of a down, in the order in which they run. */
class Pieces {
  readonly before: string[] = []
  readonly clauses: string[] = []
  readonly after: string[] = []
  readonly guards: string[] = []
  readonly lossy: string[] = []
}

/** `state` is the state before the step. */
export function alterDown(step: AlterTable, state: ServerState, options: RenderOptions): Down {
  const pieces = new Pieces()
  const way = new WayBack(step.table, pieces, options)
  for (const clause of step.clauses) way.remove(clause)
  // A column comes back behind the one it stood behind, so they come in their old order.
  const positions = new Map(step.table.columns.map(({ name }, i) => [name, i]))
  const returning = step.clauses
    .flatMap((clause) => {
      if (clause.kind === 'DropColumn') return [clause.column]
      return clause.kind === 'RecreateColumn' ? [clause.from] : []
    })
    .sort((a, b) => (positions.get(a.name) ?? 0) - (positions.get(b.name) ?? 0))
  for (const column of returning) way.addBack(column)
  for (const clause of step.clauses) {
    if (clause.kind === 'ModifyColumn' || clause.kind === 'DropDefault') way.modifyBack(clause)
  }
  for (const clause of step.clauses) way.restoreKey(clause, step)
  const { before, clauses, after, guards, lossy } = pieces
  const body = [...before, ...(clauses.length > 0 ? [alterTable(step.table.name, clauses, options)] : []), ...after]
  return {
    down: withoutKeys(step.table.name, keysInTheWayBack(step, state), body, options),
    guards,
    ...(lossy.length > 0 ? { lossy: lossy.join(' ') } : {}),
  }
}

/** The foreign keys that the server does not let stand: their column becomes required, or they lose their index. */
function keysInTheWayBack(step: AlterTable, state: ServerState) {
  const before = state.of(step.table.name)
  const after = state.preview(step).of(step.table.name)
  const required = step.clauses.flatMap((clause) =>
    clause.kind === 'ModifyColumn' && clause.to.nullable && !clause.from.nullable ? [clause.from.name] : [],
  )
  const keyGoes = step.clauses.some(({ kind }) => kind === 'AddPrimaryKey')
  return after.foreignKeys.filter(
    (key) =>
      key.columns.some((name) => required.includes(name)) ||
      (keyGoes && !hasSupport({ primaryKey: undefined, indexes: after.indexes }, key) && hasSupport(before, key)),
  )
}

class WayBack {
  private readonly name: string

  constructor(
    private readonly table: Table,
    private readonly pieces: Pieces,
    private readonly options: RenderOptions,
  ) {
    this.name = quote(table.name, options)
  }

  private quote(name: string): string {
    return quote(name, this.options)
  }

  /** What the step added goes first. */
  remove(clause: Clause): void {
    const { clauses } = this.pieces
    if (clause.kind === 'AddPrimaryKey') clauses.unshift('DROP PRIMARY KEY')
    else if (clause.kind === 'AddIndex') clauses.push(`DROP INDEX ${this.quote(clause.index.name)}`)
    else if (clause.kind === 'AddColumn') clauses.push(`DROP COLUMN ${this.quote(clause.column.name)}`)
    else if (clause.kind === 'RecreateColumn') clauses.push(`DROP COLUMN ${this.quote(clause.to.name)}`)
  }

  /** Keys come last, when their columns are there. */
  restoreKey(clause: Clause, step: AlterTable): void {
    const { clauses, lossy } = this.pieces
    if (clause.kind === 'DropPrimaryKey') {
      clauses.push(`ADD ${primaryKey(clause.columns, this.options)}`)
      // Columns that come back anew, and those that stay the key, are no cause for doubt.
      const names = clause.columns.map(({ name }) => name)
      const next = step.next.primaryKey ?? []
      const stays = next.length === names.length && next.every(({ name }) => names.includes(name))
      const kept = names.every((name) => step.next.columns.some((column) => column.name === name))
      if (kept && !stays)
        lossy.push(
          `The down refuses while rows of ${this.name} are alike in (${names.map((name) => this.quote(name)).join(', ')}).`,
        )
    } else if (clause.kind === 'DropIndex') clauses.push(`ADD ${indexText(clause.index, this.options)}`)
  }

  /** A column whose values are gone. */
  addBack(column: Column): void {
    const { clauses, after, lossy, guards } = this.pieces
    const lost = `The values of ${this.name}.${this.quote(column.name)} are not brought back`
    const position = this.position(column)
    const definition = columnText(column, this.options)
    const hasDefault = createdDefault(column, this.options) !== undefined
    if (column.beside?.generated !== undefined) {
      // The server computes its values.
      clauses.push(`ADD COLUMN ${definition}${position}`)
      return
    }
    if (column.autoIncrement || (column.nullable && !hasDefault)) {
      clauses.push(`ADD COLUMN ${definition}${position}`)
      lossy.push(`${lost}: ${column.autoIncrement ? 'the rows are numbered anew' : 'the rows get NULL'}.`)
      return
    }
    const filler = neutral(typeText(column.type, this.options))
    const reason = this.noValue(column) ?? (filler || hasDefault ? undefined : this.noFiller(column))
    if (reason || hasDefault) {
      clauses.push(`ADD COLUMN ${definition}${position}`)
      if (reason) guards.push(this.guard(''))
      lossy.push(
        reason
          ? `${lost}, and the down refuses while ${this.name} has rows: ${reason}.`
          : `${lost}: the rows get its default.`,
      )
      return
    }
    lossy.push(`${lost}: the rows get ${filler}.`)
    if (takesDefault(column.type)) {
      clauses.push(`ADD COLUMN ${definition} DEFAULT ${filler}${position}`)
      after.push(alterTable(this.table.name, [`ALTER COLUMN ${this.quote(column.name)} DROP DEFAULT`], this.options))
    } else {
      // MySQL takes no literal default for these types.
      clauses.push(`ADD COLUMN ${columnText({ ...column, nullable: true }, this.options)}${position}`)
      this.fill(column, filler as string)
    }
  }

  private position({ name }: Column): string {
    const before = this.table.columns[this.table.columns.findIndex((column) => column.name === name) - 1]
    return before ? ` AFTER ${this.quote(before.name)}` : ' FIRST'
  }

  /** After the column is there and nullable: gives its rows a value and makes it required. */
  private fill(column: Column, value: string): void {
    const name = this.quote(column.name)
    this.pieces.after.push(
      `UPDATE ${this.name} SET ${name} = ${value} WHERE ${name} IS NULL`,
      alterTable(this.table.name, [modify(column, this.options)], this.options),
    )
  }

  /** Why no one value is right for all rows of this column, or undefined. */
  private noValue(column: Column): string | undefined {
    const has = (columns: readonly { readonly name: string }[] = []) => columns.some(({ name }) => name === column.name)
    if (has(this.table.primaryKey)) return 'a key needs a value of its own for every row'
    if (this.table.indexes.some((index) => index.type === 'unique' && has(index.columns))) {
      return 'a unique column needs a value of its own for every row'
    }
    if (this.table.foreignKeys.some((key) => key.columns.includes(column.name))) {
      return 'a foreign key needs a row to refer to'
    }
    return undefined
  }

  private noFiller(column: Column): string {
    return `no value can be made up for the type ${typeText(column.type)}`
  }

  /** A query that fails if the table has such rows: a subquery with two rows is an error. MySQL has no other refusal in plain SQL. */
  private guard(where: string): string {
    return `SELECT (SELECT 1 UNION ALL (SELECT 1 FROM ${this.name}${where} LIMIT 1)) AS \`${GUARD}\``
  }

  /** A column that becomes what it was. */
  modifyBack({ from, to, arityChanged }: ColumnPair): void {
    this.noteCast(from, to)
    if (!arityChanged || from.nullable || from.beside?.generated !== undefined) {
      this.pieces.clauses.push(modify(from, this.options))
      return
    }
    const name = this.quote(from.name)
    const what = `${this.name}.${name}`
    const value = createdDefault(from, this.options)
    const filler =
      value === undefined ? neutral(typeText(from.type, this.options)) : splitOnUpdate(value).text || undefined
    const reason = this.noValue(from) ?? (filler ? undefined : this.noFiller(from))
    if (reason || filler === undefined) {
      this.pieces.guards.push(this.guard(` WHERE ${name} IS NULL`))
      this.pieces.lossy.push(`The down refuses while ${what} holds NULL: ${reason}.`)
      this.pieces.clauses.push(modify(from, this.options))
      return
    }
    this.pieces.lossy.push(`Where ${what} holds NULL the down writes ${filler}.`)
    this.pieces.clauses.push(modify({ ...from, nullable: true }, this.options))
    this.fill(from, filler)
  }

  private noteCast(from: Column, to: Column): void {
    const what = `${this.name}.${this.quote(from.name)}`
    const { lossy } = this.pieces
    if (from.type.kind === 'enum' && to.type.kind === 'enum') {
      const added = removedValues(to.type.values, from.type.values)
      if (added.length > 0) lossy.push(`The down refuses while ${what} holds one of: ${added.join(', ')}.`)
      return
    }
    const cast = castBetween(from.type, to.type, { serverDefaults: true })
    if (cast === 'risky') {
      lossy.push(`What ${what} lost when it became ${typeText(to.type, this.options)} is not brought back.`)
    }
    const back = castBetween(to.type, from.type, { serverDefaults: true })
    if ((back === 'risky' || back === 'impossible') && !holdsEveryValue(from.type, to.type)) {
      lossy.push(`The down refuses values of ${what} that ${typeText(from.type, this.options)} cannot hold.`)
    }
  }
}

/** Whether the text type holds every value of the enum. */
function holdsEveryValue(text: ColumnType, type: ColumnType): boolean {
  if (type.kind !== 'enum' || text.kind !== 'native' || text.scalar !== 'String') return false
  const [limit = Number.POSITIVE_INFINITY] = text.args
  return type.values.every((value) => [...value].length <= limit)
}

/** Whether a literal DEFAULT is allowed: not for texts, blobs and JSON. */
function takesDefault(type: ColumnType): boolean {
  return type.kind !== 'native' || !/Text$|Blob$|^Json$/.test(type.name)
}
