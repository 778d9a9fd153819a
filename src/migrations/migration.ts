/** The core types of a migration. */

import type { Knex } from 'knex'
import type { Client } from '../../engines/engine.js'

/** One direction of an operation. Its result is ignored; a rejection undoes the migration. */
export type OperationFunction = (argument: { client: Client }) => unknown

/** An up and its down. A down of `null` means that the operation cannot be undone. */
export type Operation = readonly [up: OperationFunction, down: OperationFunction | null]

/** A migration folder, as listed. Nothing of its content was read yet. */
export interface Migration {
  /** The folder's name, which is the migration's name in `_prisma_migrations`. */
  readonly name: string
  /** Absolute path of the folder. */
  readonly directory: string
  /** The leading 14 digits of the name, or undefined where the name has none. */
  readonly timestamp: string | undefined
  /** Absolute path of migration.js, .cjs, .mjs or .ts; undefined for a folder made by Prisma. */
  readonly codeFile: string | undefined
  /** Absolute path of migration.sql; undefined where it is missing. */
  readonly sqlFile: string | undefined
  /** Absolute path of the snapshot (a file or a folder); undefined where there is none. */
  readonly snapshotPath: string | undefined
  /** The migrations that this one stands for (replaces.txt), oldest first; undefined for any but a squashed one. */
  readonly replaces?: readonly string[]
  /** The names of its hooks, where the folder was listed. */
  readonly hookFiles?: readonly string[]
  /** What looks like a hook and is none, where the folder was listed. */
  readonly nearHooks?: readonly { readonly name: string; readonly meant: boolean }[]
}

/** A program that runs before or after a migration, both ways. */
export interface ProgramHook {
  readonly when: 'before' | 'after'
  readonly kind: 'sh' | 'bash' | 'js' | 'ts' | 'executable'
  readonly file: string
}

/** A migration whose code was loaded and checked. */
export interface LoadedMigration {
  readonly migration: Migration
  readonly operations: readonly Operation[]
  /** False: the migration asked to run outside a transaction. */
  readonly transaction: boolean
  /** The code or script turns foreign keys off (SQLite table redefinitions). */
  readonly foreignKeysOff: boolean
  /** The text of migration.sql, where it was read. */
  readonly script?: string
  /** sha256 of migration.sql, as Prisma records it. */
  readonly checksum: string
  /** sha256 of the code file; undefined where the script itself is run. */
  readonly codeHash: string | undefined
  /** The programs of its folder, which run around it. */
  readonly programs?: readonly ProgramHook[]
  /** The exports of a migration.mjs in Knex's form. */
  readonly knex?: KnexForm
}

/** The exports of a migration in Knex's form. */
export interface KnexForm {
  readonly up: (knex: Knex) => unknown
  readonly down: (knex: Knex) => unknown
  readonly config?: { readonly transaction?: boolean }
}
