/**
 * Expression defaults in the words of the server. It stores them with its own parentheses, names of functions and character
 * sets (not even the same ones after CREATE and after ALTER), so it is asked to spell both of two that differ in their text.
 */
import type { Batch } from '../catalog.js'
import { canonicalDefault, defaultsDiffer } from '../planner/compare.js'
import { createdDefault, quote, typeText } from '../planner/render.js'
import type { Column, ColumnDefault, ServerFlags, Table, Tables } from '../planner/tables.js'
import { splitOnUpdate } from '../planner/times.js'
import type { syntaxFor } from '../settings.js'
import { readCreateTable } from './create-table.js'

/** What spells. */
export interface Speller {
  readonly batch: Batch
  readonly flags: ServerFlags
  readonly syntax: ReturnType<typeof syntaxFor>
  /** What one server was asked, and what it said: undefined where it takes no such default. */
  readonly cache: Map<string, string | undefined>
}

const NAME = '`rays spells a default`'
const READ_ONLY = 1792

/** The default of a column alone, as this server writes it down. */
async function spelled(sql: string, column: Column, table: Table, speller: Speller): Promise<string | undefined> {
  const plain = (one: Column) => `${quote(one.name)} ${typeText(one.type)} NULL`
  // An expression may name other columns.
  const others = table.columns.filter(({ name }) => name !== column.name && sql.includes(name))
  const columns = [...others.map(plain), `${plain(column)} DEFAULT ${sql}`]
  const make = `CREATE TEMPORARY TABLE ${NAME} (${columns.join(', ')}) DEFAULT CHARACTER SET utf8mb4`
  if (!speller.cache.has(make)) speller.cache.set(make, await ask(make, column.name, speller))
  return speller.cache.get(make)
}

async function ask(make: string, column: string, { batch, syntax }: Speller): Promise<string | undefined> {
  const drop = `DROP TEMPORARY TABLE IF EXISTS ${NAME}`
  const whole = async () => {
    const [, , shown] = await batch([drop, make, `SHOW CREATE TABLE ${NAME}`, drop])
    const sql = Object.entries(shown?.[0] ?? {}).find(([key]) => /^create table$/i.test(key))?.[1]
    return readCreateTable(String(sql), syntax).get(column)?.default
  }
  try {
    return await whole().catch(async (error: { errno?: number }) => {
      if (error.errno !== READ_ONLY) throw error
      // A session that only reads: a table that nobody else sees is no change.
      await batch(['SET SESSION TRANSACTION READ WRITE'])
      return await whole().finally(() => batch(['SET SESSION TRANSACTION READ ONLY']))
    })
  } catch {
    return undefined
  }
}

const partOf = (column: Column) => {
  const sql = createdDefault(column)
  return sql === undefined ? undefined : splitOnUpdate(sql)
}

/** Whether the server takes the default of the one for that of the other. */
async function sameDefault(live: Column, other: Column, table: Table, speller: Speller): Promise<boolean> {
  const [a, b] = [partOf(live), partOf(other)]
  const onUpdate = (one: typeof a, column: Column) => one?.onUpdate === true || column.beside?.onUpdate === true
  if (b?.onUpdate === true && !onUpdate(a, live)) return false
  const alone = (column: Column, text: string | undefined): Column => ({
    ...column,
    default: text === undefined || text === '' ? undefined : asDefault(column, text),
  })
  const [mine, theirs] = [alone(live, a?.text), alone(other, b?.text)]
  const options = { ...speller.flags, serverDefaults: true, live: true }
  if (!defaultsDiffer(mine, theirs, options)) return true
  if (!mine.default || !theirs.default || a === undefined || b === undefined) return false
  const [first, second] = [await spelled(a.text, other, table, speller), await spelled(b.text, other, table, speller)]
  if (first === undefined || second === undefined) return false
  const canonical = (text: string) => canonicalDefault({ kind: 'dbgenerated', text }, other)
  return canonical(first) === canonical(second)
}

/** The default itself, without ON UPDATE where its text has that. */
function asDefault({ default: value }: Column, text: string): ColumnDefault | undefined {
  return value?.kind === 'dbgenerated' ? { kind: 'dbgenerated', text } : value
}

/** Prisma never gave a JSON column its default, and never misses it. */
const lacksJson = (live: Column, other: Column) =>
  live.default === undefined && other.type.kind === 'native' && other.type.name === 'Json'

/**
 * The live tables, with the defaults (and the values of enums, which the catalog may not show) in the words of the other
 * tables where they mean the same.
 */
export async function inWordsOf(others: Tables, live: Tables, speller: Speller): Promise<Tables> {
  const fold = (name: string) => (speller.flags.lowerCaseTableNames ? name.toLowerCase() : name)
  const known = new Map(others.tables.map((table) => [fold(table.name), table]))
  const tables: Table[] = []
  for (const table of live.tables) {
    const other = known.get(fold(table.name))
    const columns: Column[] = []
    for (const column of table.columns) {
      const same = other?.columns.find(({ name }) => name === column.name)
      columns.push(same && other ? await worded(column, same, other, speller) : column)
    }
    tables.push({ ...table, columns })
  }
  return { tables }
}

async function worded(live: Column, other: Column, table: Table, speller: Speller): Promise<Column> {
  const value = other.default
  if (value === undefined || (value.kind === 'dbgenerated' && value.text === undefined)) return live
  if (JSON.stringify(live.default) === JSON.stringify(value)) return live
  const same = lacksJson(live, other) || (await sameDefault(live, other, table, speller))
  return same ? { ...live, default: value } : live
}
