/** What a hazard is. */

export type HazardKind =
  | 'drop-table'
  | 'drop-schema'
  | 'drop-column'
  /** Rows are deleted. */
  | 'delete-rows'
  /** A table is built anew (SQLite) and only `columns` are copied: what else it holds is lost. */
  | 'rebuild-table'
  /** A column is dropped and added again under its name: its values are lost. */
  | 'recreate-column'
  /** A column without a default is added as required: fails where the table has rows. */
  | 'required-column'
  /** A column becomes required: fails where it holds NULL. */
  | 'set-required'
  | 'type-change'
  /** A unique key is added: fails where values repeat. */
  | 'unique'
  | 'primary-key'
  | 'drop-enum'
  /** An enum is built anew without some of its values: fails where they are in use. */
  | 'drop-enum-value'

/** What a rule finds in a statement. */
export interface Finding {
  readonly schema?: string
  /** The table; the enum or schema where the hazard is one of that. */
  readonly table: string
  readonly column?: string
  /** Of a changed type: the new one, as written. */
  readonly type?: string
  /** Of a changed type: the one before, where the script of the other direction tells. */
  readonly was?: string
  /** Of a key: all its columns. Of a table that is built anew: those that are copied. */
  readonly columns?: readonly string[]
  /** Of an enum: the values that it keeps. */
  readonly values?: readonly string[]
  /** Of deleted rows: the FROM clause that finds them, where one can be told; else all rows of the table may be meant. */
  readonly taken?: string
  /** How many parameters that clause has. */
  readonly marks?: number
  /** What is done, where one kind is done in several ways. */
  readonly how?: 'copies-nothing' | 'redefined' | 'is-required' | 'empties'
  /** What the table is called when the statement is sent, where that is another name. */
  readonly now?: string
  /** What the script has renamed before: the table's former name, and those of its columns by their new ones. */
  readonly before?: { readonly table: string; readonly columns: Readonly<Record<string, string>> }
}

export interface Hazard extends Omit<Finding, 'values' | 'how'> {
  readonly kind: HazardKind
  /** The parameters of its statement, where they are known. */
  readonly params?: readonly unknown[]
  readonly message: string
}
