/**
 * What the planner knows of a MySQL database: plain data, the same whether it was read from a Prisma schema or from
 * `information_schema`. All lists are ordered and the order matters: it decides the order of the generated statements.
 *
 * Order when read from a schema: models in file order, then the join tables of implicit many-to-many relations; columns
 * and keys in field order; indexes as Prisma lists them (field `@unique`, `@@index`, `@@unique`, `@@fulltext`).
 * Order when read from a database: tables by the bytes of their name, columns by ordinal position, indexes and foreign
 * keys by the bytes of their name.
 */

/** Prisma's scalar types. */
export type Scalar = 'String' | 'Int' | 'BigInt' | 'Float' | 'Decimal' | 'Boolean' | 'DateTime' | 'Json' | 'Bytes'

/** The names that Prisma writes after `@db.`. */
export type NativeName =
  | 'Int'
  | 'UnsignedInt'
  | 'SmallInt'
  | 'UnsignedSmallInt'
  | 'TinyInt'
  | 'UnsignedTinyInt'
  | 'MediumInt'
  | 'UnsignedMediumInt'
  | 'BigInt'
  | 'UnsignedBigInt'
  | 'Decimal'
  | 'Float'
  | 'Double'
  | 'Bit'
  | 'Char'
  | 'VarChar'
  | 'Binary'
  | 'VarBinary'
  | 'TinyBlob'
  | 'Blob'
  | 'MediumBlob'
  | 'LongBlob'
  | 'TinyText'
  | 'Text'
  | 'MediumText'
  | 'LongText'
  | 'Date'
  | 'Time'
  | 'DateTime'
  | 'Timestamp'
  | 'Year'
  | 'Json'

/** The type of a column. */
export type ColumnType =
  | {
      readonly kind: 'native'
      /** Tells `BOOLEAN` from `TINYINT`; for every other type the native type alone decides. */
      readonly scalar: Scalar
      readonly name: NativeName
      /**
       * The arguments as written: `[191]`, `[65, 30]`, `[]`. A database always tells those of Char, VarChar, Binary,
       * VarBinary, Bit, Decimal, Time, DateTime and Timestamp; for all others the list is empty.
       */
      readonly args: readonly number[]
      /** A JSON column of MariaDB, which is LongText to Prisma. Only from a database; it is made again as JSON. */
      readonly json?: true
    }
  | {
      readonly kind: 'enum'
      /** The Prisma enum's name; `{table}_{column}` when read from a database. */
      readonly name: string
      /** The values as the database has them, in order. */
      readonly values: readonly string[]
    }
  /** A type that Prisma does not know; `text` is its SQL, as in `Unsupported("point")`. */
  | { readonly kind: 'unsupported'; readonly text: string }
  /** A type that reads as String but has no native type (`SET(...)`); `text` is its SQL. Only from a database. */
  | { readonly kind: 'untyped'; readonly text: string }

/** The DEFAULT of a column. */
export type ColumnDefault =
  | {
      readonly kind: 'literal'
      /** What the text stands for. A database never yields `datetime`, `json` or `bytes`. */
      readonly of: 'string' | 'enum' | 'number' | 'boolean' | 'datetime' | 'json' | 'bytes'
      /** Numbers with their digits as written (`1.50`), `true`/`false`, everything else without quotes and unescaped. */
      readonly text: string
    }
  /** `CURRENT_TIMESTAMP` with any precision. */
  | { readonly kind: 'now' }
  /** An expression. Without text (`@default(dbgenerated())`): some default that the schema does not know. */
  | { readonly kind: 'dbgenerated'; readonly text: string | undefined }

/** What a column has beside what a Prisma schema can say. Only a database tells it; it goes with the column's definition. */
export interface Beside {
  /** Its collation, where that is not its table's. */
  readonly collation?: string
  /** `GENERATED ALWAYS AS (...) STORED` */
  readonly generated?: string
  /** `ON UPDATE CURRENT_TIMESTAMP` */
  readonly onUpdate?: true
  readonly invisible?: true
  readonly comment?: string
  /** `CHECK (...)` of the column itself (MariaDB). */
  readonly check?: string
  /** The spatial reference system, as a clause: `SRID 4326`. */
  readonly reference?: string
}

/** One column. */
export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly default: ColumnDefault | undefined
  readonly autoIncrement: boolean
  /** The schema has a default that Prisma's client computes (`uuid()`, `cuid()`): the database knows nothing of it. */
  readonly clientDefault?: boolean
  readonly beside?: Beside
}

/** One column of a key or index. */
export interface KeyColumn {
  readonly name: string
  /** Length of the indexed prefix. */
  readonly length?: number
  /** Only where written in the schema; a database tells it for every column. Absent means ascending. */
  readonly sort?: 'asc' | 'desc'
}

/** An index other than the primary key. */
export interface Index {
  readonly name: string
  readonly type: 'normal' | 'unique' | 'fulltext'
  readonly columns: readonly KeyColumn[]
  /** The schema does not declare it: the server makes it for the foreign key of the same name (see `databaseView`). */
  readonly implicit?: boolean
}

/** What happens to the referencing row. */
export type ReferentialAction = 'CASCADE' | 'RESTRICT' | 'NO ACTION' | 'SET NULL' | 'SET DEFAULT'

/** A foreign key of the table that holds it. */
export interface ForeignKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly references: { readonly table: string; readonly columns: readonly string[] }
  readonly onDelete: ReferentialAction
  readonly onUpdate: ReferentialAction
}

/** One table. */
export interface Table {
  readonly name: string
  readonly columns: readonly Column[]
  /** Undefined: the table has no primary key. It has no name on MySQL. */
  readonly primaryKey: readonly KeyColumn[] | undefined
  readonly indexes: readonly Index[]
  readonly foreignKeys: readonly ForeignKey[]
  /** That of a table in a database; without one it is Prisma's ({@link PRISMA_COLLATION}). */
  readonly collation?: string
}

/** The collation of the tables that Prisma makes. */
export const PRISMA_COLLATION = 'utf8mb4_unicode_ci'

/** All tables of one database, without `_prisma_migrations` and without views. */
export interface Tables {
  readonly tables: readonly Table[]
}

/** What differs between the servers that speak MySQL's protocol. All false or absent: MySQL 8. */
export interface ServerFlags {
  /** `@@version` contains "MariaDB". */
  readonly mariadb?: boolean
  /** `@@version` starts with 5.6. */
  readonly mysql56?: boolean
  /** `@@lower_case_table_names = 1`: table names compare without case (2 does not count). */
  readonly lowerCaseTableNames?: boolean
  /** Defaults are values only (MySQL before 8.0.13, MariaDB before 10.2.1). */
  readonly plainDefaults?: boolean
}

/** A database without tables. */
export const NO_TABLES: Tables = { tables: [] }

/** Compares by UTF-8 bytes, as Prisma and the server's binary collation do. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
