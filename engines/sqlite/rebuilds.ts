/**
 * What a table keeps when it is built anew. Prisma changes a SQLite table by making `new_T`, copying the rows, dropping `T` and
 * renaming `new_T`; everything of `T` that no Prisma schema models would go with it: triggers, partial and expression
 * indexes, checks, collations, generated columns, STRICT, and the count of AUTOINCREMENT. And the renaming fails while a view or a trigger elsewhere names `T`.
 */
import { EngineError, type Row, type StatementSyntax } from '../engine.js'
import { describeStatement } from '../sql/statements.js'
import { definitionOf, merged, withoutSpecial, withoutUnique, wordsOf } from './definition.js'
import { inlineUniques } from './inline-unique.js'
import { withTexts } from './quoted-texts.js'
import { literal, quote } from './values.js'

/** Sends one statement with nothing added to it. */
export type Send = (sql: string, params?: readonly unknown[]) => Promise<Row[]>

interface Kept {
  readonly objects: readonly { readonly kind: string; readonly name: string; readonly sql: string }[]
  readonly columns: ReadonlySet<string>
  readonly sequence: unknown
  /** The statement that made the table. */
  readonly sql: string
}

const PREFIX = 'new_'
const MARK = '"rays rebuild"'
const SUSPECT = /^\s*(?:--[^\n]*\n\s*)*(?:(?:CREATE|DROP|ALTER)\s+TABLE|DROP\s+INDEX)\b/i
/** In place of a statement that has been seen to. */
const NOTHING = 'SELECT 1 WHERE 0'

/** The tables that a session is building anew. */
export class Rebuilds {
  readonly #send: Send
  readonly #syntax: StatementSyntax
  readonly #begun = new Set<string>()
  readonly #kept = new Map<string, Kept>()
  /** The columns of the UNIQUE that a table is built anew without. */
  #givenUp: readonly string[] | undefined
  /** The names by which UNIQUE of tables went before something was renamed, and SQLite's own by now. */
  readonly #former = new Map<string, string>()

  constructor(send: Send, syntax: StatementSyntax) {
    this.#send = send
    this.#syntax = syntax
  }

  /**
   * Runs a statement, and around it what the table that it builds anew has to keep.
   * @param work sends the statement that it is given: the one that came, or the one that takes its place
   * @throws {EngineError} for a trigger that the table as it is now would break
   */
  async run<T>(sql: string, work: (sql: string) => Promise<T>): Promise<T> {
    const [effect] = SUSPECT.test(sql) ? (describeStatement(sql, this.#syntax) ?? []) : []
    if (effect?.object === 'index' && effect.action === 'drop' && (await this.#dropUnique(effect.name)))
      return work(NOTHING)
    if (effect?.object === 'column' && effect.action === 'rename') return this.#renaming(() => work(sql))
    if (effect?.object !== 'table') return work(sql)
    const { action, name } = effect
    if (action === 'create' && name.startsWith(PREFIX)) {
      const result = await work(sql)
      this.#begun.add(name.slice(PREFIX.length))
      return result
    }
    if (action === 'drop' && this.#begun.has(name)) {
      const kept = await this.#read(name)
      const result = await work(sql)
      this.#kept.set(name, kept)
      return result
    }
    const kept = this.#kept.get(effect.newName ?? '')
    if (action !== 'rename') return work(sql)
    if (!kept || name !== PREFIX + effect.newName)
      return this.#renaming(() => work(sql), [name, effect.newName ?? name])
    const result =
      (await this.#completed(name, effect.newName!, kept, work)) ?? (await this.#unchecked(() => work(sql)))
    this.#begun.delete(effect.newName!)
    this.#kept.delete(effect.newName!)
    await this.#restore(effect.newName!, kept)
    return result
  }

  /** A script that renames a table or a column drops its indexes by the names that they had before. */
  async #renaming<T>(work: () => Promise<T>, [from, to]: readonly [string, string] = ['', '']): Promise<T> {
    const before = await inlineUniques((sql) => this.#send(sql))
    const result = await work()
    for (const { index, table, alias } of before) {
      const now = table === from ? index.replace(`sqlite_autoindex_${from}_`, `sqlite_autoindex_${to}_`) : index
      for (const [former, known] of this.#former) if (known === index) this.#former.set(former, now)
      if (alias !== undefined) this.#former.set(alias.toLowerCase(), now)
    }
    return result
  }

  /** A statement of a script of Prisma's that was refused, as Prisma reads it; undefined where that is no other one. */
  asPrismaReads(sql: string, error: unknown): Promise<string | undefined> {
    return withTexts(sql, error, this.#syntax, (text) =>
      this.#send(`EXPLAIN ${text}`).then(
        () => undefined,
        (refusal: unknown) => refusal,
      ),
    )
  }

  /** SQLite: a renaming checks every view and trigger, unless it is done as of old, which leaves other tables' keys alone. */
  async #unchecked<T>(work: () => Promise<T>): Promise<T> {
    const [before] = await this.#send('PRAGMA legacy_alter_table')
    await this.#send('PRAGMA legacy_alter_table = ON')
    try {
      return await work()
    } finally {
      if (Number(before?.legacy_alter_table) !== 1) await this.#send('PRAGMA legacy_alter_table = OFF')
    }
  }

  async #columns(table: string): Promise<Set<string>> {
    const rows = await this.#send(`SELECT name FROM pragma_table_info(${literal(table)})`)
    return new Set(rows.map(({ name }) => String(name).toLowerCase()))
  }

  async #read(table: string): Promise<Kept> {
    const rows = await this.#send(
      "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('trigger', 'index') AND sql IS NOT NULL ORDER BY rowid",
      [table],
    )
    const objects = rows.map(({ type, name, sql }) => ({ kind: String(type), name: String(name), sql: String(sql) }))
    const counts = (await this.#send("SELECT 1 AS found FROM sqlite_schema WHERE name = 'sqlite_sequence'")).length > 0
    const [counted] = counts ? await this.#send('SELECT seq FROM sqlite_sequence WHERE name = ?', [table]) : []
    return {
      objects: [...objects.filter(({ kind, sql }) => kind === 'trigger' || !isPlain(sql, this.#syntax))],
      columns: await this.#columns(table),
      sequence: counted?.seq,
      sql: String((await this.#tableSql(table)) ?? ''),
    }
  }

  async #restore(table: string, { objects, columns, sequence }: Kept): Promise<void> {
    const now = await this.#columns(table)
    const gone = [...columns].filter((column) => !now.has(column))
    for (const { kind, name, sql } of objects) {
      const [there] = await this.#send('SELECT 1 AS found FROM sqlite_schema WHERE type = ? AND name = ?', [kind, name])
      if (there) continue
      // As in other databases, an index goes with a column of its own.
      if (kind === 'index' && mentions(sql, gone, this.#syntax)) continue
      await this.#send(sql)
      if (kind === 'trigger') await this.#tryTrigger(table, name, sql)
    }
    if (sequence === undefined || sequence === null) return
    const [counted] = await this.#send('SELECT seq FROM sqlite_sequence WHERE name = ?', [table])
    if (!counted) await this.#send('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', [table, sequence])
    else if (BigInt(String(counted.seq)) < BigInt(String(sequence)))
      await this.#send('UPDATE sqlite_sequence SET seq = ? WHERE name = ?', [sequence, table])
  }

  /** A trigger is compiled only with the statement that fires it. */
  async #tryTrigger(table: string, name: string, sql: string): Promise<void> {
    const event = /\b(INSERT|UPDATE|DELETE)\b/i.exec(sql.slice(sql.search(/\bTRIGGER\b/i)))?.[1]?.toUpperCase()
    const [column] = await this.#columns(table)
    const firing =
      event === 'DELETE'
        ? `DELETE FROM ${quote(table)}`
        : event === 'UPDATE'
          ? `UPDATE ${quote(table)} SET ${quote(column!)} = ${quote(column!)}`
          : `INSERT INTO ${quote(table)} DEFAULT VALUES`
    try {
      await this.#send(`EXPLAIN ${firing}`)
    } catch (error) {
      throw new EngineError(
        `the table ${table} is built anew, and its trigger ${name} does not work on it any more: ${(error as Error).message}. Drop or change the trigger in an operation before it`,
        { cause: error },
      )
    }
  }

  /**
   * An index that stands for a UNIQUE written into a table is taken away by building the table anew without that. Returns
   * whether the index was one.
   * @throws {EngineError} where rows of other tables would go with it
   */
  async #dropUnique(name: string): Promise<boolean> {
    const [there] = await this.#send("SELECT 1 AS found FROM sqlite_schema WHERE type = 'index' AND name = ?", [name])
    if (there) return false
    const all = await inlineUniques((sql) => this.#send(sql))
    const unique =
      all.find(({ alias }) => alias?.toLowerCase() === name.toLowerCase()) ??
      all.find(({ index }) => index === this.#former.get(name.toLowerCase()))
    if (unique === undefined) return false
    const { table, columns } = unique
    const definition = definitionOf(String(await this.#tableSql(table)), this.#syntax)
    const list = withoutUnique(definition, columns, this.#syntax)
    if (list === undefined) return false
    await this.#refuseReferred(table, name)
    const indexes = await this.#send(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type = 'index' AND sql IS NOT NULL ORDER BY rowid",
      [table],
    )
    const kept = (await this.#send(`SELECT name FROM pragma_table_info(${literal(table)}) ORDER BY cid`))
      .map((row) => quote(String(row.name)))
      .join(', ')
    const made = quote(PREFIX + table)
    this.#givenUp = columns
    const statements = [
      `CREATE TABLE ${made} (${list})${definition.options === '' ? '' : ` ${definition.options}`}`,
      `INSERT INTO ${made} (${kept}) SELECT ${kept} FROM ${quote(table)}`,
      `DROP TABLE ${quote(table)}`,
      `ALTER TABLE ${made} RENAME TO ${quote(table)}`,
      ...indexes.map((row) => String(row.sql)).filter((sql) => isPlain(sql, this.#syntax)),
    ]
    try {
      for (const sql of statements) await this.run(sql, (text) => this.#send(text))
    } finally {
      this.#givenUp = undefined
    }
    return true
  }

  /** SQLite: where foreign keys are on, a table that is dropped takes the rows along that refer to it. */
  async #refuseReferred(table: string, index: string): Promise<void> {
    const [keys] = await this.#send('PRAGMA foreign_keys')
    if (Number(keys?.foreign_keys) !== 1) return
    const [child] = await this.#send(
      'SELECT m.name AS name FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = ? AND lower(f."table") = lower(?) LIMIT 1',
      ['table', table],
    )
    if (child === undefined) return
    throw new EngineError(
      `${index} stands for a UNIQUE that is written into the table ${table}: only building the table anew takes it away, and rows of ${child.name} refer to it. Write PRAGMA foreign_keys=OFF; as the first statement of the migration`,
    )
  }

  async #tableSql(table: string): Promise<unknown> {
    const [row] = await this.#send("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [table])
    return row?.sql
  }

  /**
   * Makes the table with what the definition of the one that it replaces has beyond it, but for what is about columns that
   * are gone. That is known only now: a table `new_T` beside `T` may be a table of its own. Undefined: there is nothing
   * beyond it, and the table has only to be renamed.
   */
  async #completed<T>(
    made: string,
    table: string,
    kept: Kept,
    work: (sql: string) => Promise<T>,
  ): Promise<T | undefined> {
    const next = definitionOf(String((await this.#tableSql(made)) ?? ''), this.#syntax)
    const old = withoutSpecial(definitionOf(kept.sql, this.#syntax), this.#givenUp)
    const whole = merged(old, next, (text, columns) => mentions(text, columns, this.#syntax))
    if (whole === next.sql) return undefined
    const objects = await this.#send(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('trigger', 'index') AND sql IS NOT NULL ORDER BY rowid",
      [made],
    )
    const body = renamed(`(${whole.slice(next.start)}`, made, table, this.#syntax)
    // Together, also where the migration is in no transaction.
    await this.#send(`SAVEPOINT ${MARK}`)
    try {
      const result = await work(`CREATE TABLE ${quote(table)} ${body}`)
      // Those that are computed are not among them.
      const had = await this.#columns(made)
      const list = (await this.#send(`SELECT name FROM pragma_table_info(${literal(table)}) ORDER BY cid`))
        .filter(({ name }) => had.has(String(name).toLowerCase()))
        .map(({ name }) => quote(String(name)))
        .join(', ')
      await this.#send(`INSERT INTO ${quote(table)} (${list}) SELECT ${list} FROM ${quote(made)}`)
      await this.#send(`DROP TABLE ${quote(made)}`)
      for (const { sql } of objects) await this.#send(renamed(String(sql), made, table, this.#syntax))
      await this.#send(`RELEASE ${MARK}`)
      return result
    } catch (error) {
      // A full disk and the like have rolled back everything already.
      await this.#send(`ROLLBACK TO ${MARK}`).catch(() => undefined)
      await this.#send(`RELEASE ${MARK}`).catch(() => undefined)
      throw error
    }
  }
}

/** The statement with the table called otherwise; a column may have the same name. */
function renamed(sql: string, from: string, to: string, syntax: StatementSyntax): string {
  const words = wordsOf(sql, syntax)
  const names = words.filter(
    ({ text }, i) =>
      text.replace(/^["`[]|["`\]]$/g, '').toLowerCase() === from.toLowerCase() &&
      /^(?:on|references|into|update|from|join)$/i.test(words[i - 1]?.text ?? ''),
  )
  return names.reduceRight((text, { start, end }) => text.slice(0, start) + quote(to) + text.slice(end), sql)
}

/** A full index on columns alone, which a Prisma schema models: the script makes it where the schema has it. */
function isPlain(sql: string, syntax: StatementSyntax): boolean {
  const words = wordsOf(sql, syntax)
  const open = words.findIndex(({ text }) => text === '(')
  return !words.some(({ text }) => /^where$/i.test(text)) && !words.slice(open + 1).some(({ text }) => text === '(')
}

function mentions(sql: string, columns: readonly string[], syntax: StatementSyntax): boolean {
  if (columns.length === 0) return false
  return wordsOf(sql, syntax).some(
    ({ kind, text }) =>
      (kind === 'word' || kind === 'identifier') && columns.includes(text.replace(/^["`[]|["`\]]$/g, '').toLowerCase()),
  )
}
