/** How each database renames what holds rows, and which of its names Prisma makes from those of tables and columns. */
import type { Engine, Provider } from '../engine.js'
import { qualifiedName, quotedName } from './quoting.js'

export interface RenameDialect {
  /** Bytes that Prisma allows in a name that it makes up. */
  readonly limit: number
  /** Primary keys have names of their own. */
  readonly namedPrimaryKeys: boolean
  /** Foreign keys have names that Prisma compares. */
  readonly namedForeignKeys: boolean
  /** Columns that number themselves have a sequence that is named after them. */
  readonly sequences: boolean
  /** What ALTER TABLE calls the drop of a foreign key. */
  readonly dropForeignKey: string
  /** Names that differ only in upper and lower case are one. */
  readonly foldsNames: boolean
  /** Renames an index where it is; undefined: it is dropped and made anew. */
  readonly renameIndex:
    | ((index: { schema?: string | undefined; table: string; from: string; to: string }) => string)
    | undefined
}

const tick = (name: string) => `\`${name.replaceAll('`', '``')}\``

// RENAMES: one entry a database.
const DIALECTS: Readonly<Record<Provider, RenameDialect>> = {
  postgresql: {
    limit: 63,
    namedPrimaryKeys: true,
    namedForeignKeys: true,
    sequences: true,
    foldsNames: false,
    dropForeignKey: 'DROP CONSTRAINT',
    // An index can be there under the name of another version of Prisma.
    renameIndex: ({ schema, from, to }) =>
      `ALTER INDEX IF EXISTS ${qualifiedName(schema, from)} RENAME TO ${quotedName(to)}`,
  },
  mysql: {
    limit: 64,
    namedPrimaryKeys: false,
    namedForeignKeys: true,
    sequences: false,
    foldsNames: false,
    dropForeignKey: 'DROP FOREIGN KEY',
    renameIndex: ({ table, from, to }) => `ALTER TABLE ${tick(table)} RENAME INDEX ${tick(from)} TO ${tick(to)}`,
  },
  sqlite: {
    limit: 10_000,
    namedPrimaryKeys: false,
    namedForeignKeys: false,
    sequences: false,
    foldsNames: true,
    dropForeignKey: 'DROP CONSTRAINT',
    renameIndex: undefined,
  },
}

export function renameDialect({ provider }: Pick<Engine, 'provider'>): RenameDialect {
  return DIALECTS[provider]
}

type Quoting = Pick<Engine, 'provider' | 'quote'>

const qualified = ({ quote }: Quoting, schema: string | undefined, name: string) =>
  `${schema === undefined ? '' : `${quote(schema)}.`}${quote(name)}`

/**
 * The three databases say it in the same words (MySQL from 8.0, MariaDB from 10.5, SQLite from 3.25). Where `User` is the name of
 * `user` as well, the table goes by another one in between.
 */
export function renameTable(engine: Quoting, schema: string | undefined, from: string, to: string): string[] {
  const rename = (a: string, b: string) => `ALTER TABLE ${qualified(engine, schema, a)} RENAME TO ${engine.quote(b)}`
  if (!renameDialect(engine).foldsNames || from.toLowerCase() !== to.toLowerCase()) return [rename(from, to)]
  const between = `rays_${to}`
  return [rename(from, between), rename(between, to)]
}

export function renameColumn(
  engine: Quoting,
  schema: string | undefined,
  table: string,
  from: string,
  to: string,
): string {
  return `ALTER TABLE ${qualified(engine, schema, table)} RENAME COLUMN ${engine.quote(from)} TO ${engine.quote(to)}`
}

/** The sequence of a SERIAL column, where its name was not cut; none where it was renamed or never made. */
export function renameSequence(
  engine: Quoting,
  schema: string | undefined,
  from: readonly [table: string, column: string],
  to: readonly [table: string, column: string],
): string[] {
  if (!renameDialect(engine).sequences) return []
  const [old, now] = [from, to].map((parts) => `${parts.join('_')}_seq`) as [string, string]
  if (old === now || [old, now].some((name) => Buffer.byteLength(name) > 63)) return []
  return [`ALTER SEQUENCE IF EXISTS ${qualified(engine, schema, old)} RENAME TO ${engine.quote(now)}`]
}
