/** The steps of a plan. Each holds the definitions before and after, so that its inverse can be told exactly. */
import type { Cast } from './casts.js'
import type { Column, ForeignKey, Index, KeyColumn, Table } from './tables.js'

/** One clause of an ALTER TABLE. */
export type Clause =
  | { readonly kind: 'DropPrimaryKey'; readonly columns: readonly KeyColumn[] }
  | { readonly kind: 'DropColumn'; readonly column: Column }
  | { readonly kind: 'AddColumn'; readonly column: Column }
  | ({ readonly kind: 'ModifyColumn' | 'RecreateColumn' | 'DropDefault' } & ColumnPair)
  | { readonly kind: 'AddPrimaryKey'; readonly columns: readonly KeyColumn[] }
  /** Only for AUTO_INCREMENT columns, which the server wants to be in a key at every moment; Prisma has no such clause. */
  | { readonly kind: 'DropIndex' | 'AddIndex'; readonly index: Index }

/** A column that both sides have, and what differs. */
export interface ColumnPair {
  readonly from: Column
  readonly to: Column
  readonly cast: Cast
  readonly arityChanged: boolean
  readonly defaultChanged: boolean
  readonly autoIncrementChanged: boolean
}

/** A foreign key and the table that holds it. */
export interface KeyOf {
  readonly table: Table
  readonly key: ForeignKey
}

/** A table that both sides have. */
export interface TablePair {
  readonly previous: Table
  readonly next: Table
  readonly columns: readonly ColumnPair[]
  readonly clauses: readonly Clause[]
}

/** One step, in Prisma's kinds. `table` is the previous definition where the table existed before. */
export type Step =
  | { readonly kind: 'DropForeignKey'; readonly table: Table; readonly key: ForeignKey }
  | { readonly kind: 'DropIndex'; readonly table: Table; readonly index: Index }
  | { readonly kind: 'AlterTable'; readonly table: Table; readonly next: Table; readonly clauses: readonly Clause[] }
  | { readonly kind: 'DropTable'; readonly table: Table }
  | { readonly kind: 'CreateTable'; readonly table: Table }
  /** `table` is the next definition: its spelling is used. */
  | { readonly kind: 'CreateIndex'; readonly table: Table; readonly index: Index }
  /** `table` is the next definition: its spelling is used. */
  | { readonly kind: 'AddForeignKey'; readonly table: Table; readonly key: ForeignKey }
  | {
      readonly kind: 'RenameIndex' | 'RedefineIndex'
      readonly table: Table
      readonly from: Index
      readonly to: Index
      /** Redefine in one ALTER TABLE: the server itself drops an index that it made as soon as another one does its work. */
      readonly swap?: boolean
    }
