/** Letters beyond U+FFFF and bytes that the catalog, and SHOW CREATE TABLE with it, show as question marks. */
import type { Row } from '../../engine.js'
import type { Batch } from '../catalog.js'
import { escapedText, quote } from '../values.js'
import type { ShownColumn } from './create-table.js'

const fromHex = (hex: unknown) => Buffer.from(String(hex), 'hex').toString('utf8')

const NAME = '`rays reads a value`'

/** Whether the default is a literal that may not be shown as it is. */
const isDoubtful = (shown: ShownColumn | undefined) => /^'.*[?\ufffd]/s.test(shown?.default ?? '')

/** The columns with their literal defaults as the server gives them, where it does not show them. */
export async function withTrueDefaults(
  table: string,
  columns: ReadonlyMap<string, ShownColumn>,
  bytes: (column: string) => boolean,
  batch: Batch,
): Promise<ReadonlyMap<string, ShownColumn>> {
  const doubtful = [...columns].filter(([, shown]) => !shown.inParentheses && isDoubtful(shown)).map(([name]) => name)
  if (doubtful.length === 0) return columns
  const value = (name: string) =>
    bytes(name) ? `DEFAULT(${quote(name)})` : `CONVERT(DEFAULT(${quote(name)}) USING utf8mb4)`
  const list = doubtful.map((name, i) => `HEX(${value(name)}) AS v${i}`).join(', ')
  const row = await defaultsOf(table, doubtful, list, batch)
  if (row === undefined) return columns
  const known = new Map(columns)
  for (const [i, name] of doubtful.entries()) {
    const shown = columns.get(name)
    const hex = row[`v${i}`]
    if (shown && hex != null)
      known.set(name, { ...shown, default: bytes(name) ? `0x${hex}` : escapedText(fromHex(hex)) })
  }
  return known
}

/** Of a table without rows the server gives the defaults of required columns to a new row only. */
async function defaultsOf(table: string, columns: readonly string[], list: string, batch: Batch) {
  const asked = [`SELECT ${list} FROM (SELECT 1) AS one LEFT JOIN ${quote(table)} ON TRUE LIMIT 1`]
  const [rows] = await batch(asked).catch((): Row[][] => [])
  const row = rows?.[0]
  if (row && Object.values(row).every((value) => value !== null)) return row
  const drop = `DROP TEMPORARY TABLE IF EXISTS ${NAME}`
  const made = await batch([
    drop,
    `CREATE TEMPORARY TABLE ${NAME} AS SELECT ${columns.map(quote).join(', ')} FROM ${quote(table)} LIMIT 0`,
    `INSERT INTO ${NAME} () VALUES ()`,
    `SELECT ${list} FROM ${NAME}`,
    drop,
  ]).catch((): Row[][] => [])
  return made[3]?.[0] ?? row
}

/** The type of an enum with its values as rows have them; as it is shown where that cannot be asked. */
export async function trueEnum(table: string, column: string, shown: string, batch: Batch): Promise<string> {
  const count = [...shown.matchAll(/'(?:[^'\\]|\\.|'')*'/gs)].length
  if (!/^enum\(.*\?/is.test(shown) || count === 0) return shown
  const drop = `DROP TEMPORARY TABLE IF EXISTS ${NAME}`
  const rows = await batch([
    drop,
    `CREATE TEMPORARY TABLE ${NAME} AS SELECT ${quote(column)} AS v FROM ${quote(table)} LIMIT 0`,
    `INSERT INTO ${NAME} (v) VALUES ${Array.from({ length: count }, (_, i) => `(${i + 1})`).join(', ')}`,
    `SELECT HEX(CONVERT(v USING utf8mb4)) AS v FROM ${NAME} ORDER BY v + 0`,
    drop,
  ]).catch((): Row[][] => [])
  const values = rows[3]?.map(({ v }) => escapedText(fromHex(v))) ?? []
  return values.length === count ? `enum(${values.join(',')})` : shown
}
