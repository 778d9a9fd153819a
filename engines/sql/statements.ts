/** Reads the DDL that Prisma's engine and rays' planner write, so that others can reason about it without SQL. */
import type { StatementSyntax } from '../engine.js'
import { tokens } from './tokens.js'

export type EffectAction = 'create' | 'drop' | 'alter' | 'rename' | 'insert' | 'control'

export type EffectObject =
  | 'table'
  | 'column'
  | 'index'
  | 'uniqueIndex'
  | 'constraint'
  | 'foreignKey'
  | 'primaryKey'
  | 'enum'
  | 'enumValue'
  | 'schema'
  | 'extension'
  | 'sequence'
  | 'view'
  | 'transaction'
  | 'pragma'

/** A column as a statement defines it. */
export interface ColumnDefinition {
  readonly name: string
  /** The type as written: `TEXT`, `"Role"`, `VARCHAR(191)`, `TEXT[]`. */
  readonly type: string
  readonly notNull: boolean
  /** The expression after DEFAULT, as written. */
  readonly default?: string
  /** A value comes without being given: DEFAULT (not NULL), SERIAL, AUTO_INCREMENT, identity, generated. */
  readonly hasDefault: boolean
  readonly primaryKey: boolean
  readonly unique: boolean
}

/** A key that a CREATE TABLE or ALTER TABLE declares. */
export interface KeyDefinition {
  readonly kind: 'primaryKey' | 'uniqueIndex' | 'foreignKey' | 'index' | 'constraint'
  readonly name: string
  readonly columns: readonly string[]
}

/** What one clause of a statement does. `name` is that of the object itself, `table` that of the table it belongs to. */
export interface Effect {
  readonly action: EffectAction
  readonly object: EffectObject
  readonly name: string
  readonly schema?: string
  readonly table?: string
  readonly columns?: readonly string[]
  /** Of a column: its (new) type as written. */
  readonly type?: string
  readonly notNull?: boolean
  readonly default?: string
  readonly hasDefault?: boolean
  readonly newName?: string
  /** What an `alter column` changes; `definition` restates all of it (MySQL's MODIFY). */
  readonly change?: 'type' | 'set-not-null' | 'drop-not-null' | 'set-default' | 'drop-default' | 'definition'
  /** Of a created enum: its values. Of an added enum value it is `name`. */
  readonly values?: readonly string[]
  /** Of a created table. */
  readonly definition?: { readonly columns: readonly ColumnDefinition[]; readonly keys: readonly KeyDefinition[] }
  /** Of INSERT ... SELECT and CREATE TABLE ... AS SELECT: what is selected, in order, as written; and the table it comes from. */
  readonly selected?: readonly string[]
  readonly from?: string
  /** Of a column clause: where its text lies in the statement. */
  readonly span?: readonly [start: number, end: number]
}

/** The effects of one statement, or undefined where it is of no kind that is known here (opaque). */
export function describeStatement(text: string, syntax: StatementSyntax): readonly Effect[] | undefined {
  try {
    return new Parser(text, syntax).statement()
  } catch (error) {
    if (error instanceof Unknown) return undefined
    throw error
  }
}

/** Thrown where the statement leaves the known kinds. */
class Unknown extends Error {}

interface Lexeme {
  readonly kind: 'word' | 'name' | 'string' | 'other'
  /** Words in upper case, names and strings without their quotes, the rest as written. */
  readonly value: string
  /** What it names, as the database stores it: a bare word may be folded. */
  readonly name: string
  readonly start: number
  readonly end: number
}

type Named = { readonly schema?: string; readonly name: string }

/** Words that end the type of a column. */
const AFTER_TYPE = new Set(
  'NOT NULL DEFAULT PRIMARY UNIQUE REFERENCES CHECK CONSTRAINT GENERATED COLLATE AUTO_INCREMENT AUTOINCREMENT ON COMMENT CHARSET USING AS AFTER FIRST VIRTUAL STORED'.split(
    ' ',
  ),
)
const IMPLICIT_VALUE = /^(small|big)?serial\d?$/i

class Parser {
  readonly #text: string
  readonly #lexemes: Lexeme[] = []
  #i = 0

  constructor(text: string, syntax: StatementSyntax) {
    this.#text = text
    for (const token of tokens(text, syntax)) {
      if (token.kind === 'comment') continue
      const raw = text.slice(token.start, token.end)
      const lexeme = (kind: Lexeme['kind'], value: string, name = value) =>
        this.#lexemes.push({ kind, value, name, start: token.start, end: token.end })
      if (token.kind === 'word') lexeme('word', raw.toUpperCase(), syntax.foldsNames ? raw.toLowerCase() : raw)
      else if (token.kind === 'identifier') lexeme('name', unquote(raw))
      else if (token.kind === 'string')
        lexeme('string', raw.startsWith("'") || raw.startsWith('"') ? unquote(raw) : raw)
      else lexeme('other', raw)
    }
  }

  statement(): Effect[] {
    const effects = this.#kinds()
    if (this.#i < this.#lexemes.length) throw new Unknown()
    return effects
  }

  #kinds(): Effect[] {
    if (this.#take('CREATE')) return this.#create()
    if (this.#take('DROP')) return this.#drop()
    if (this.#take('ALTER')) return this.#alter()
    if (this.#take('INSERT')) return this.#insert()
    if (this.#take('RENAME', 'TABLE')) {
      const from = this.#named()
      this.#need('TO')
      return [{ action: 'rename', object: 'table', ...from, table: from.name, newName: this.#named().name }]
    }
    if (this.#take('PRAGMA')) {
      const name = this.#name()
      this.#rest()
      return [{ action: 'control', object: 'pragma', name: name.toLowerCase() }]
    }
    const control = this.#control()
    if (control !== undefined) return [{ action: 'control', object: 'transaction', name: control }]
    throw new Unknown()
  }

  /** `begin`, `commit` or `rollback`, in any of the words for it; with a level of isolation it is none of them. */
  #control(): string | undefined {
    const begins = this.#take('BEGIN')
    if (begins) this.#take('DEFERRED') || this.#take('IMMEDIATE') || this.#take('EXCLUSIVE')
    const name =
      begins || this.#take('START', 'TRANSACTION')
        ? 'begin'
        : this.#take('COMMIT') || this.#take('END')
          ? 'commit'
          : this.#take('ROLLBACK')
            ? 'rollback'
            : undefined
    if (name !== undefined) this.#take('TRANSACTION') || this.#take('WORK')
    return name
  }

  #create(): Effect[] {
    if (this.#take('SCHEMA')) {
      this.#take('IF', 'NOT', 'EXISTS')
      return [{ action: 'create', object: 'schema', name: this.#name() }]
    }
    if (this.#take('EXTENSION')) {
      this.#take('IF', 'NOT', 'EXISTS')
      const name = this.#name()
      this.#rest()
      return [{ action: 'create', object: 'extension', name }]
    }
    if (this.#take('SEQUENCE')) {
      const named = this.#named()
      this.#rest()
      return [{ action: 'create', object: 'sequence', ...named }]
    }
    if (this.#take('TYPE')) {
      const named = this.#named()
      this.#need('AS', 'ENUM')
      const values = this.#list().map((item) => {
        if (item.length !== 1 || item[0]!.kind !== 'string') throw new Unknown()
        return item[0]!.value
      })
      return [{ action: 'create', object: 'enum', ...named, values }]
    }
    if (this.#take('TABLE')) {
      this.#take('IF', 'NOT', 'EXISTS')
      const named = this.#named()
      if (this.#take('AS', 'SELECT'))
        return [{ action: 'create', object: 'table', ...named, table: named.name, ...this.#selection() }]
      const definition = tableDefinition(this.#list(), this.#text)
      this.#rest()
      return [{ action: 'create', object: 'table', ...named, table: named.name, definition }]
    }
    const unique = this.#take('UNIQUE')
    if (!unique && (this.#take('FULLTEXT') || this.#take('SPATIAL'))) {
      // Kinds of index that MySQL names before INDEX.
    }
    if (this.#take('INDEX')) {
      this.#take('CONCURRENTLY')
      this.#take('IF', 'NOT', 'EXISTS')
      const name = this.#name()
      this.#need('ON')
      this.#take('ONLY')
      const table = this.#named()
      if (this.#take('USING')) this.#name()
      const columns = this.#list().map(indexColumn)
      this.#rest()
      return [
        {
          action: 'create',
          object: unique ? 'uniqueIndex' : 'index',
          ...(table.schema === undefined ? {} : { schema: table.schema }),
          table: table.name,
          name,
          columns,
        },
      ]
    }
    throw new Unknown()
  }

  #drop(): Effect[] {
    const kinds = { TABLE: 'table', TYPE: 'enum', SEQUENCE: 'sequence', EXTENSION: 'extension', VIEW: 'view' } as const
    for (const [word, object] of Object.entries(kinds)) {
      if (!this.#take(word)) continue
      this.#take('IF', 'EXISTS')
      const named = this.#named()
      if (!this.#take('CASCADE')) this.#take('RESTRICT')
      return [{ action: 'drop', object, ...named, ...(object === 'table' ? { table: named.name } : {}) }]
    }
    if (this.#take('INDEX')) {
      this.#take('CONCURRENTLY')
      this.#take('IF', 'EXISTS')
      const named = this.#named()
      const table = this.#take('ON') ? this.#named().name : undefined
      return [{ action: 'drop', object: 'index', ...named, ...(table === undefined ? {} : { table }) }]
    }
    throw new Unknown()
  }

  #alter(): Effect[] {
    if (this.#take('TYPE')) {
      const named = this.#named()
      if (this.#take('RENAME', 'TO')) return [{ action: 'rename', object: 'enum', ...named, newName: this.#name() }]
      this.#need('ADD', 'VALUE')
      this.#take('IF', 'NOT', 'EXISTS')
      const value = this.#next()
      if (value.kind !== 'string') throw new Unknown()
      if (this.#take('BEFORE') || this.#take('AFTER')) this.#next()
      const schema = named.schema === undefined ? {} : { schema: named.schema }
      return [{ action: 'create', object: 'enumValue', ...schema, type: named.name, name: value.value }]
    }
    if (this.#take('INDEX')) {
      this.#take('IF', 'EXISTS')
      const named = this.#named()
      this.#need('RENAME', 'TO')
      return [{ action: 'rename', object: 'index', ...named, newName: this.#name() }]
    }
    if (this.#take('SEQUENCE')) {
      const named = this.#named()
      this.#rest()
      return [{ action: 'alter', object: 'sequence', ...named }]
    }
    this.#need('TABLE')
    this.#take('IF', 'EXISTS')
    this.#take('ONLY')
    const { schema, name: table } = this.#named()
    const owner = { ...(schema === undefined ? {} : { schema }), table }
    const effects: Effect[] = []
    for (const clause of split(this.#lexemes.slice(this.#i))) effects.push(new Clause(clause, this.#text).effect(owner))
    this.#i = this.#lexemes.length
    return effects
  }

  #insert(): Effect[] {
    this.#need('INTO')
    const into = this.#named()
    const columns = this.#list().map((item) => item[0]!.name)
    this.#need('SELECT')
    const { selected, from } = this.#selection()
    if (selected.length !== columns.length) throw new Unknown()
    return [{ action: 'insert', object: 'table', ...into, table: into.name, columns, selected, from }]
  }

  /** What follows SELECT, up to the end: columns of one whole table. */
  #selection(): { selected: string[]; from: string } {
    const rest = this.#lexemes.slice(this.#i)
    const at = topLevel(rest, 'FROM')
    if (at === -1) throw new Unknown()
    this.#i += at + 1
    const { name } = this.#named()
    if (this.#i < this.#lexemes.length) throw new Unknown()
    return { selected: split(rest.slice(0, at)).map((item) => slice(this.#text, item)), from: name }
  }

  #next(): Lexeme {
    const lexeme = this.#lexemes[this.#i++]
    if (!lexeme) throw new Unknown()
    return lexeme
  }

  #take(...words: string[]): boolean {
    if (!startsWith(this.#lexemes, this.#i, words)) return false
    this.#i += words.length
    return true
  }

  #need(...words: string[]) {
    if (!this.#take(...words)) throw new Unknown()
  }

  #name(): string {
    return nameOf(this.#next())
  }

  #named(): Named {
    const name = this.#name()
    if (this.#lexemes[this.#i]?.value !== '.' || this.#lexemes[this.#i]?.kind !== 'other') return { name }
    this.#i++
    return { schema: name, name: this.#name() }
  }

  /** The items of a list in parentheses. */
  #list(): Lexeme[][] {
    if (this.#next().value !== '(') throw new Unknown()
    const start = this.#i
    for (let depth = 1; depth > 0; ) {
      const lexeme = this.#next()
      if (lexeme.kind !== 'other') continue
      if (lexeme.value === '(') depth++
      else if (lexeme.value === ')') depth--
    }
    return split(this.#lexemes.slice(start, this.#i - 1))
  }

  /** What is left (storage options, WHERE of an index) changes nothing that is described here. */
  #rest() {
    this.#i = this.#lexemes.length
  }
}

/** One clause of an ALTER TABLE. */
class Clause {
  readonly #lexemes: readonly Lexeme[]
  readonly #text: string
  #i = 0

  constructor(lexemes: readonly Lexeme[], text: string) {
    this.#lexemes = lexemes
    this.#text = text
  }

  effect(owner: { readonly schema?: string; readonly table: string }): Effect {
    const span = [this.#lexemes[0]?.start ?? 0, this.#lexemes.at(-1)?.end ?? 0] as const
    const column = (definition: ColumnDefinition) => ({
      object: 'column' as const,
      ...owner,
      name: definition.name,
      type: definition.type,
      notNull: definition.notNull,
      hasDefault: definition.hasDefault,
      ...(definition.default === undefined ? {} : { default: definition.default }),
      span,
    })
    if (this.#take('ADD')) {
      const key = keyDefinition(this.#lexemes.slice(this.#i))
      if (key) return { action: 'create', object: key.kind, ...owner, name: key.name, columns: key.columns, span }
      this.#take('COLUMN')
      this.#take('IF', 'NOT', 'EXISTS')
      return { action: 'create', ...column(this.#column()) }
    }
    if (this.#take('MODIFY')) {
      this.#take('COLUMN')
      return { action: 'alter', ...column(this.#column()), change: 'definition' }
    }
    if (this.#take('CHANGE')) {
      this.#take('COLUMN')
      const name = this.#name()
      const definition = this.#column()
      const described = { ...column(definition), name, change: 'definition' as const }
      if (definition.name === name) return { action: 'alter', ...described }
      return { action: 'rename', ...described, newName: definition.name }
    }
    if (this.#take('DROP')) {
      if (this.#take('PRIMARY', 'KEY')) return this.#end({ action: 'drop', object: 'primaryKey', ...owner, name: '' })
      const object: EffectObject = this.#take('CONSTRAINT')
        ? 'constraint'
        : this.#take('FOREIGN', 'KEY')
          ? 'foreignKey'
          : this.#take('INDEX')
            ? 'index'
            : 'column'
      if (object === 'column') this.#take('COLUMN')
      this.#take('IF', 'EXISTS')
      const name = this.#name()
      this.#take('CASCADE')
      return this.#end({ action: 'drop', object, ...owner, name, span })
    }
    if (this.#take('RENAME')) {
      if (this.#take('TO'))
        return this.#end({ action: 'rename', object: 'table', ...owner, name: owner.table, newName: this.#name() })
      const object = this.#take('CONSTRAINT') ? 'constraint' : this.#take('INDEX') ? 'index' : 'column'
      if (object === 'column') this.#take('COLUMN')
      const name = this.#name()
      if (!this.#take('TO')) throw new Unknown()
      return this.#end({ action: 'rename', object, ...owner, name, newName: this.#name() })
    }
    if (!this.#take('ALTER')) throw new Unknown()
    this.#take('COLUMN')
    return this.#alterColumn(owner, this.#name(), span)
  }

  #alterColumn(owner: { schema?: string; table: string }, name: string, span: readonly [number, number]): Effect {
    const altered = { action: 'alter' as const, object: 'column' as const, ...owner, name, span }
    if (this.#take('SET', 'NOT', 'NULL')) return this.#end({ ...altered, change: 'set-not-null', notNull: true })
    if (this.#take('DROP', 'NOT', 'NULL')) return this.#end({ ...altered, change: 'drop-not-null', notNull: false })
    if (this.#take('DROP', 'DEFAULT')) return this.#end({ ...altered, change: 'drop-default', hasDefault: false })
    if (this.#take('SET', 'DEFAULT'))
      return {
        ...altered,
        change: 'set-default',
        hasDefault: true,
        default: slice(this.#text, this.#lexemes.slice(this.#i)),
      }
    this.#take('SET', 'DATA')
    if (!this.#take('TYPE')) throw new Unknown()
    const rest = this.#lexemes.slice(this.#i)
    const using = rest.findIndex((lexeme) => lexeme.kind === 'word' && AFTER_TYPE.has(lexeme.value))
    const type = using === -1 ? rest : rest.slice(0, using)
    if (type.length === 0) throw new Unknown()
    return { ...altered, change: 'type', type: slice(this.#text, type) }
  }

  #column(): ColumnDefinition {
    return columnDefinition(this.#lexemes.slice(this.#i), this.#text)
  }

  #end(effect: Effect): Effect {
    if (this.#i < this.#lexemes.length) throw new Unknown()
    return effect
  }

  #take(...words: string[]): boolean {
    if (!startsWith(this.#lexemes, this.#i, words)) return false
    this.#i += words.length
    return true
  }

  #name(): string {
    const lexeme = this.#lexemes[this.#i++]
    if (!lexeme) throw new Unknown()
    return nameOf(lexeme)
  }
}

function tableDefinition(items: readonly Lexeme[][], text: string): NonNullable<Effect['definition']> {
  const columns: ColumnDefinition[] = []
  const keys: KeyDefinition[] = []
  for (const item of items) {
    const key = keyDefinition(item)
    if (key) keys.push(key)
    else columns.push(columnDefinition(item, text))
  }
  return { columns, keys }
}

/** `[CONSTRAINT n] PRIMARY KEY|UNIQUE [INDEX]|FOREIGN KEY|CHECK ...`, `[FULLTEXT] INDEX n(...)`; undefined for a column. */
function keyDefinition(item: readonly Lexeme[]): KeyDefinition | undefined {
  let i = 0
  let name = ''
  if (startsWith(item, 0, ['CONSTRAINT'])) {
    name = item[1]?.value ?? ''
    i = 2
  }
  const kinds = [
    [['PRIMARY', 'KEY'], 'primaryKey'],
    [['FOREIGN', 'KEY'], 'foreignKey'],
    [['UNIQUE', 'INDEX'], 'uniqueIndex'],
    [['UNIQUE', 'KEY'], 'uniqueIndex'],
    [['UNIQUE'], 'uniqueIndex'],
    [['FULLTEXT', 'INDEX'], 'index'],
    [['INDEX'], 'index'],
    [['CHECK'], 'constraint'],
  ] as const
  for (const [words, kind] of kinds) {
    if (!startsWith(item, i, words)) continue
    i += words.length
    if (item[i]?.kind === 'name') name = item[i++]!.value
    if (kind === 'constraint') return { kind, name, columns: [] }
    const open = item.findIndex((lexeme, at) => at >= i && lexeme.value === '(' && lexeme.kind === 'other')
    if (open === -1) throw new Unknown()
    let depth = 0
    const close = item.findIndex((lexeme, at) => {
      if (at < open || lexeme.kind !== 'other') return false
      if (lexeme.value === '(') depth++
      return lexeme.value === ')' && --depth === 0
    })
    return { kind, name, columns: split(item.slice(open + 1, close)).map(indexColumn) }
  }
  if (i > 0) throw new Unknown()
  return undefined
}

function columnDefinition(item: readonly Lexeme[], text: string): ColumnDefinition {
  const [first, ...rest] = item
  if (first === undefined) throw new Unknown()
  const after = (lexeme: Lexeme, at: number) =>
    lexeme.kind === 'word' &&
    (AFTER_TYPE.has(lexeme.value) || (lexeme.value === 'CHARACTER' && rest[at + 1]?.value === 'SET'))
  const typeEnd = rest.findIndex(after)
  const type = slice(text, typeEnd === -1 ? rest : rest.slice(0, typeEnd))
  const options = typeEnd === -1 ? [] : rest.slice(typeEnd)
  const has = (...words: string[]) => options.some((_, at) => startsWith(options, at, words))
  const at = options.findIndex((lexeme) => lexeme.kind === 'word' && lexeme.value === 'DEFAULT')
  let value: string | undefined
  if (at !== -1) {
    const expression = options.slice(at + 1)
    let depth = 0
    const stop = expression.findIndex((lexeme, index) => {
      if (lexeme.kind === 'other') depth += lexeme.value === '(' ? 1 : lexeme.value === ')' ? -1 : 0
      return index > 0 && depth === 0 && lexeme.kind === 'word' && AFTER_TYPE.has(lexeme.value)
    })
    value = slice(text, stop === -1 ? expression : expression.slice(0, stop))
  }
  const implicit = IMPLICIT_VALUE.test(type) || has('AUTO_INCREMENT') || has('AUTOINCREMENT') || has('GENERATED')
  return {
    name: nameOf(first),
    type,
    notNull: has('NOT', 'NULL') || has('PRIMARY', 'KEY'),
    ...(value === undefined ? {} : { default: value }),
    hasDefault: implicit || (value !== undefined && value.toUpperCase() !== 'NULL'),
    primaryKey: has('PRIMARY', 'KEY'),
    unique: has('UNIQUE'),
  }
}

/** The column of an item like `"a" DESC`, `a(10)` or `"a" jsonb_path_ops`; an expression counts as its text. */
function indexColumn(item: readonly Lexeme[]): string {
  const [first, next] = item
  return (next?.value === '(' ? first?.value : first?.name) ?? ''
}

function startsWith(lexemes: readonly Lexeme[], at: number, words: readonly string[]): boolean {
  return words.every((word, i) => lexemes[at + i]?.kind === 'word' && lexemes[at + i]?.value === word)
}

function nameOf(lexeme: Lexeme): string {
  if (lexeme.kind === 'other') throw new Unknown()
  return lexeme.name
}

function slice(text: string, lexemes: readonly Lexeme[]): string {
  const first = lexemes[0]
  return first === undefined ? '' : text.slice(first.start, lexemes.at(-1)!.end)
}

/** Splits at the commas outside parentheses and brackets. */
function split(lexemes: readonly Lexeme[]): Lexeme[][] {
  const items: Lexeme[][] = [[]]
  let depth = 0
  for (const lexeme of lexemes) {
    if (lexeme.kind === 'other') {
      if (lexeme.value === '(' || lexeme.value === '[') depth++
      else if (lexeme.value === ')' || lexeme.value === ']') depth--
      else if (lexeme.value === ',' && depth === 0) {
        items.push([])
        continue
      }
    }
    items.at(-1)!.push(lexeme)
  }
  return items
}

function topLevel(lexemes: readonly Lexeme[], word: string): number {
  let depth = 0
  return lexemes.findIndex((lexeme) => {
    if (lexeme.kind === 'other') depth += lexeme.value === '(' ? 1 : lexeme.value === ')' ? -1 : 0
    return depth === 0 && lexeme.kind === 'word' && lexeme.value === word
  })
}

function unquote(raw: string): string {
  const quote = raw[0]
  if (quote === '[') return raw.slice(1, -1)
  return raw.slice(1, -1).replaceAll(`${quote}${quote}`, quote!)
}
