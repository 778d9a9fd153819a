/**
 * The order of operations where a database cannot take back a statement (MySQL): what may fail on rows runs before what
 * loses rows, on the way up and on the way down. A failure then finds every value still there. Pure.
 */
import type { Effect } from '../../engines/sql/statements.js'
import { columnId, type Pair } from './enums.js'
import { effectsOf, type Step } from './steps.js'

/**
 * What loses more comes later on its way up, and of what is alike there, what loses more on the way down comes earlier, since
 * downs run from the last to the first. Nothing passes what it has to do with.
 */
export function lossesLast(pairs: readonly Pair[]): Pair[] {
  const weights = pairs.map(({ ups, downs }) => [weight(ups, downs), -weight(downs, ups)] as const)
  const before = (a: number, b: number) => {
    const [[upA, downA], [upB, downB]] = [weights[a]!, weights[b]!]
    return upA - upB || downA - downB || a - b
  }
  const places = pairs.map((_, place) => place)
  if (places.every((place) => place === 0 || before(place - 1, place) < 0)) return [...pairs]
  const waitsFor = dependencies(pairs)
  const left = new Set(places)
  const ordered: Pair[] = []
  while (left.size > 0) {
    let next: number | undefined
    for (const place of left) {
      const ready = [...waitsFor[place]!].every((earlier) => !left.has(earlier))
      if (ready && (next === undefined || before(place, next) < 0)) next = place
    }
    left.delete(next!)
    ordered.push(pairs[next!]!)
  }
  return ordered
}

/** For each pair the earlier ones that it must not pass. */
function dependencies(pairs: readonly Pair[]): Set<number>[] {
  const touching = new Map<string, number[]>()
  const opaque: number[] = []
  const add = (key: string, place: number) => touching.set(key, [...(touching.get(key) ?? []), place])
  return pairs.map((pair, place) => {
    const touched = touchedBy(pair)
    const keys = [
      ...[...touched.columns].map((name) => `column ${name}`),
      ...[...touched.names].map((name) => `name ${name}`),
    ]
    const those = [
      ...keys,
      ...[...touched.whole].map((name) => `table ${name}`),
      ...[...touched.tables].map((name) => `whole ${name}`),
    ].flatMap((key) => touching.get(key) ?? [])
    const earlier = new Set(touched.opaque ? Array.from({ length: place }, (_, i) => i) : [...those, ...opaque])
    for (const key of keys) add(key, place)
    for (const name of touched.tables) add(`table ${name}`, place)
    for (const name of touched.whole) add(`whole ${name}`, place)
    if (touched.opaque) opaque.push(place)
    return earlier
  })
}

/**
 * Where steps belong on their way, from the first to the last: 0 what loses nothing; 1 and 2 what may be refused and loses
 * precision or whole values if it is not; 3 and 4 what loses them and is never refused.
 */
function weight(steps: readonly Step[], inverse: readonly Step[]): number {
  const effects = (of: readonly Step[]) => of.flatMap(({ statements }) => effectsOf(statements))
  const before = effects(inverse)
  const judged = effects(steps).map((effect) => {
    const was = before.find(({ object, table, name }) => {
      return object === 'column' && table === effect.table && name === effect.name
    })
    return { loss: lossOf(effect, was), refused: mayBeRefused(effect, was) }
  })
  const loss = Math.max(0, ...judged.map((each) => each.loss))
  return loss === 0 || judged.some(({ refused }) => refused) ? loss : loss + 2
}

/** What is lost without an error: 2 whole values, 1 their precision. @param was the column as it was, in the inverse */
function lossOf(effect: Effect, was: Effect | undefined): 0 | 1 | 2 {
  if (effect.action === 'drop') return effect.object === 'table' || effect.object === 'column' ? 2 : 0
  return retyped(effect, was) && rounds(was!.type!, effect.type!) ? 1 : 0
}

/** Whether the rows can make the database refuse it. */
function mayBeRefused(effect: Effect, was: Effect | undefined): boolean {
  if (effect.action === 'drop') return false
  if (['uniqueIndex', 'primaryKey', 'foreignKey'].includes(effect.object)) return true
  if (effect.object !== 'column') return false
  if (effect.action === 'create') return effect.notNull === true && !effect.hasDefault
  const stricter = effect.notNull === true && was?.notNull !== true
  return stricter || (retyped(effect, was) && !rounds(was!.type!, effect.type!))
}

const retyped = (effect: Effect, was: Effect | undefined) =>
  effect.object === 'column' &&
  effect.action !== 'create' &&
  effect.type !== undefined &&
  was?.type !== undefined &&
  was.type.toUpperCase() !== effect.type.toUpperCase()

const EXACT = /^(?:(?:TINY|SMALL|MEDIUM|BIG)?INT|INTEGER|DECIMAL|NUMERIC|YEAR)/i
const INEXACT = /^(?:FLOAT|DOUBLE|REAL|DECIMAL|NUMERIC)/i
const TIMES = /^(?:DATETIME|TIMESTAMP|DATE|TIME)/i

/** MySQL rounds numbers and cuts times without an error, even in strict mode (Reference Manual, Rounding Behavior; DATETIME fractions). */
function rounds(from: string, to: string): boolean {
  return (INEXACT.test(from) && (EXACT.test(to) || INEXACT.test(to))) || (TIMES.test(from) && TIMES.test(to))
}

/** What a pair reads or changes, by column; `whole` holds the tables of which it is not known how much. */
interface Touched {
  readonly columns: ReadonlySet<string>
  readonly tables: ReadonlySet<string>
  readonly whole: ReadonlySet<string>
  /** Constraints and indexes: the names of foreign keys are those of the whole database. */
  readonly names: ReadonlySet<string>
  /** A statement that is not understood. */
  readonly opaque: boolean
}

/** What lists its columns where it is made. */
const KEYS = /index|foreignKey/i
const REFERENCES = /\bREFERENCES\s+`((?:[^`]|``)+)`\s*\(([^)]*)\)/gi

function touchedBy({ ups, downs }: Pair): Touched {
  const columns = new Set<string>()
  const tables = new Set<string>()
  const whole = new Set<string>()
  const names = new Set<string>()
  let opaque = false
  const indexed = new Map(
    [...ups, ...downs]
      .flatMap(({ statements }) => effectsOf(statements))
      .flatMap(({ object, name, columns }) => (KEYS.test(object) && columns ? [[name, columns] as const] : [])),
  )
  for (const { statements, sql } of [...ups, ...downs]) {
    // Values that are filled in read whatever their SQL says.
    if (sql.length !== statements.length) opaque = true
    for (const { text, effects } of statements) {
      const filled = filledTable(text)
      if (filled !== undefined) whole.add(filled)
      else if (effects === undefined) opaque = true
      for (const [, table, list] of text.matchAll(REFERENCES)) {
        tables.add(table!)
        for (const [, name] of list!.matchAll(/`((?:[^`]|``)+)`/g))
          columns.add(columnId({ table: table!, name: name! }))
      }
      for (const effect of effects ?? []) {
        const table = effect.object === 'table' ? effect.name : effect.table
        if (table !== undefined) tables.add(table)
        if (effect.newName !== undefined) for (const name of [table ?? effect.name, effect.newName]) whole.add(name)
        if (effect.object === 'column')
          columns.add(columnId({ name: effect.name, ...(table !== undefined && { table }) }))
        else {
          names.add(effect.name)
          // To drop a key says nothing of its columns; to make it again does.
          const listed = KEYS.test(effect.object) ? indexed.get(effect.name) : undefined
          if (table !== undefined && listed === undefined) whole.add(table)
          for (const name of listed ?? []) columns.add(columnId({ name, ...(table !== undefined && { table }) }))
        }
      }
    }
  }
  return { columns, tables, whole, names, opaque }
}

/** What the MySQL planner's downs give to the rows of a column that is required again. */
const FILL =
  /^UPDATE `((?:[^`]|``)+)` SET `(?:[^`]|``)+` = (?:'(?:[^'\\]|'')*'|[\w.()-]+) WHERE `(?:[^`]|``)+` IS NULL$/

/** The table whose rows the statement gives a value to; undefined for any other statement. */
export function filledTable(statement: string): string | undefined {
  return FILL.exec(statement)?.[1]
}
