/** What a configured shadow database holds, and whether it may be emptied: the same rules and words for every engine. Pure. */
import { ShadowRefusedError } from './engine.js'

const SHOWN = 10

/** Prisma: a shadow that holds more rows than this is somebody's data, whatever was consented to. */
export const ROW_LIMIT = 1000

export interface ShadowContents {
  /** What would go and no snapshot knows, each with its kind: `view v`, `function lib.f(integer)`. */
  readonly strangers: readonly string[]
  /**
   * Tables, known or not, with the number of their rows: counted up to {@link ROW_LIMIT} and one more, undefined where they
   * cannot be counted.
   */
  readonly tables: readonly { readonly name: string; readonly rows: number | undefined }[]
  /** Rows of `_prisma_migrations`: somebody applied migrations here. 0 where there is no such table. */
  readonly history: number
  /** A run of rays that was killed left all of it: nobody came after its mark. */
  readonly leftover: boolean
}

export interface Consent {
  /** The name of the database, as the person who consents has to write it. */
  readonly name: string
  /** See ShadowRequest.clear. */
  readonly clear: boolean | string
}

/** Whether this database was consented to: by its name, or without one. */
function consents({ name, clear }: Consent): boolean {
  return clear === true || clear === name
}

function list(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  return `${names.slice(0, SHOWN).join(', ')}${more}`
}

function counted(rows: number | undefined): string {
  if (rows === undefined) return 'rows that cannot be counted'
  return rows === 1 ? '1 row' : `${rows} rows`
}

/** Why it is somebody's, in a sentence; undefined where it holds nothing that would be missed. */
function reason({ strangers, tables, history }: ShadowContents): string | undefined {
  const filled = tables.filter(({ rows }) => rows !== 0)
  const told = [
    history > 0 ? `a history of migrations (${counted(history)} in _prisma_migrations)` : '',
    filled.length > 0 ? `rows: ${list(filled.map(({ name, rows }) => `${name} (${counted(rows)})`))}` : '',
    strangers.length > 0
      ? `${strangers.every((name) => name.startsWith('table ')) ? 'tables' : 'objects'} that no migration knows: ${list(strangers)}`
      : '',
  ].filter((text) => text !== '')
  return told.length === 0 ? undefined : `it holds ${told.join('; and ')}. Use an empty database.`
}

/**
 * To be called before anything is dropped.
 * @throws {ShadowRefusedError} unless it is empty, left by rays, or consented to; with consent still for very many rows
 */
export function guardContents(contents: ShadowContents, consent: Consent): void {
  if (contents.leftover && contents.history === 0) return
  const refuse = (why: string, clearable: boolean): never => {
    throw new ShadowRefusedError(`The shadow database ${consent.name} is refused: ${why}`, clearable, consent.name)
  }
  const rows = contents.tables.reduce((sum, table) => sum + (table.rows ?? 0), contents.history)
  if (rows > ROW_LIMIT)
    refuse(`it holds more than ${ROW_LIMIT} rows, so it is somebody's data. Use an empty database.`, false)
  const why = reason(contents)
  if (why !== undefined && !consents(consent)) refuse(why, true)
}
