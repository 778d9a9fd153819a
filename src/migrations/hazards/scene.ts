/** What a migration has done before a statement, and what is known to come after it. */
import type { StatementSyntax } from '../../../engines/engine.js'
import { tokens } from '../../../engines/sql/scanner.js'
import type { ColumnDefinition } from '../../../engines/sql/statements.js'
import { type Act, actsOf } from './acts.js'
import type { Finding } from './kinds.js'

/** Rows that were copied, whole, out of a table into one that the migration made. */
export interface Copy {
  readonly into: string
  /** Columns that get a value, and by what it is selected; undefined: all that there are. */
  readonly columns: readonly string[] | undefined
  readonly selected: readonly string[]
  /** The columns of the table that was copied which go into it; undefined: all. */
  readonly kept: readonly string[] | undefined
  /** How the new table was made, where that is understood. */
  readonly definition: readonly ColumnDefinition[] | undefined
}

type Place = { readonly schema?: string }
const id = ({ schema }: Place, name: string) => `${schema ?? ''}\0${name}`

export class Scene {
  /** Everything that is known of, also what comes later. */
  readonly all: Act[] = []
  /** The script of the other direction, if there is one. */
  readonly back: readonly Act[]
  readonly #made = new Map<string, Act>()
  /** Of those made: the ones with rows that were there before, whose table is gone. */
  readonly #holding = new Set<string>()
  readonly #copies = new Map<string, Copy>()
  readonly #newColumns = new Set<string>()
  readonly #former = new Map<string, NonNullable<Finding['before']>>()

  constructor(
    readonly syntax: StatementSyntax,
    reverse = '',
  ) {
    this.back = reverse === '' ? [] : actsOf(reverse, syntax)
  }

  /** The table was made by this migration, and holds nothing that was there before. */
  isFresh(place: Place, table: string): boolean {
    return this.#made.has(id(place, table)) && !this.#holding.has(id(place, table))
  }

  /** The table was built anew from one that had rows. */
  isRebuilt(place: Place, table: string): boolean {
    return this.#holding.has(id(place, table))
  }

  isNewColumn(place: Place, table: string, column: string): boolean {
    return this.#newColumns.has(`${id(place, table)}\0${column}`)
  }

  copyOf(place: Place, table: string): Copy | undefined {
    return this.#copies.get(id(place, table))
  }

  /** What the table, and its columns, were called before the migration; undefined: as now. */
  before(place: Place, table: string): Finding['before'] {
    return this.#former.get(id(place, table))
  }

  /** The name that a table or type which is built under another name gets in the end. */
  finalName(object: 'table' | 'enum', name: string): string | undefined {
    return this.all.find((act) => act.action === 'rename' && act.object === object && act.name === name)?.newName
  }

  /** Another one is given this name. */
  isReplaced(object: 'table' | 'enum', name: string): boolean {
    return this.all.some((act) => act.action === 'rename' && act.object === object && act.newName === name)
  }

  /** The columns that the other direction says a table has in the end, where it makes it. */
  columnsBefore(table: string): readonly ColumnDefinition[] | undefined {
    const renamed = this.back.find((act) => act.object === 'table' && act.action === 'rename' && act.newName === table)
    return this.back.find((act) => act.action === 'create' && act.object === 'table' && act.name === renamed?.name)
      ?.definition?.columns
  }

  /** Goes on behind an act. */
  pass(act: Act): void {
    const { action, object, name, table } = act
    if (object === 'table') this.#passTable(act)
    else if (object !== 'column' || table === undefined) return
    else if (action === 'create') this.#newColumns.add(`${id(act, table)}\0${name}`)
    else if (action === 'rename' && !this.isFresh(act, table)) {
      const known = this.#former.get(id(act, table)) ?? { table, columns: {} }
      const columns = { ...known.columns, [act.newName ?? name]: known.columns[name] ?? name }
      this.#former.set(id(act, table), { ...known, columns })
    }
  }

  #passTable(act: Act): void {
    const { action, name } = act
    const here = id(act, name)
    if (action === 'create' && !act.perhaps) {
      this.#made.set(here, act)
      if (act.from !== undefined && !act.temporary) this.#noteCopy(act, act)
    } else if (action === 'insert') {
      const made = this.#made.get(here)
      if (made && !made.temporary) this.#noteCopy(act, made)
    } else if (action === 'rename') this.#renameTable(act, id(act, act.newName ?? name))
    else if (action === 'drop') {
      const copy = this.#copies.get(here)
      if (copy && !this.isFresh(act, name)) {
        this.#holding.add(id(act, copy.into))
        this.#former.set(id(act, copy.into), this.#former.get(here) ?? { table: name, columns: {} })
      }
      this.#made.delete(here)
      this.#holding.delete(here)
      this.#copies.delete(here)
    }
  }

  #noteCopy(act: Act, made: Act): void {
    const { from = '', selected = [], columns } = act
    const every = selected.includes('*')
    const kept = every ? undefined : selected.flatMap((text) => namesIn(text, this.syntax))
    const other = this.#copies.get(id(act, from))
    // A table may be split: each part keeps some of it.
    const whole = every || (other !== undefined && other.kept === undefined)
    this.#copies.set(id(act, from), {
      into: act.name,
      columns: every ? undefined : (columns ?? selected.map(bare)),
      selected,
      kept: whole ? undefined : [...(other?.kept ?? []), ...(kept ?? [])],
      definition: made.definition?.columns,
    })
  }

  #renameTable(act: Act, there: string): void {
    const here = id(act, act.name)
    const made = this.#made.get(here)
    const known = this.#former.get(here)
    if (made) this.#made.set(there, made)
    else this.#former.set(there, known ?? { table: act.name, columns: {} })
    if (made && known) this.#former.set(there, known)
    if (this.#holding.delete(here)) this.#holding.add(there)
    this.#made.delete(here)
    this.#former.delete(here)
    const copy = this.#copies.get(here)
    if (copy) this.#copies.set(there, copy)
    this.#copies.delete(here)
    for (const [from, other] of this.#copies)
      if (other.into === act.name) this.#copies.set(from, { ...other, into: act.newName ?? act.name })
  }
}

export const bare = (selected: string) => selected.replace(/^["`[]|["`\]]$/g, '')

/** The names that an expression may read from: words and identifiers that are no functions, and not the one it gives. */
export function namesIn(expression: string, syntax: StatementSyntax): string[] {
  const lexemes = [...tokens(expression, syntax)].filter(({ kind }) => kind !== 'comment')
  const text = (at: number) => expression.slice(lexemes[at]?.start ?? 0, lexemes[at]?.end ?? 0)
  return lexemes.flatMap(({ kind }, at) => {
    const named = kind === 'word' || kind === 'identifier'
    if (!named || text(at + 1) === '(' || /^as$/i.test(text(at - 1)) || /^(?:as|null|true|false)$/i.test(text(at)))
      return []
    return [bare(text(at))]
  })
}
