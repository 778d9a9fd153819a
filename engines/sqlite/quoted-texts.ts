/**
 * SQLite as most programs have it, Prisma's among them, takes `"x"` for a text where there is no column `x`. The driver of rays is
 * built without that (SQLITE_DQS=0, https://www.sqlite.org/quirks.html#dblquote), and says so: the text is then written as one.
 */
import type { StatementSyntax } from '../engine.js'
import { wordsOf } from './definition.js'
import { literal } from './values.js'

const NO_COLUMN = /^no such column: "(.+)" - should this be a string literal in single-quotes\?$/s

/** Before a name of a table, an index, a trigger or a column that is made or named. */
const NAMES =
  /^(?:into|update|from|join|table|view|trigger|index|references|column|to|as|constraint|savepoint|release|collate)$/i

/**
 * The statement with texts in place of what the error names; undefined where the error is another one. SQLite reads a whole
 * statement before it does anything of it, so it can be sent again.
 */
export function withTexts(sql: string, error: unknown, syntax: StatementSyntax): string | undefined {
  const name = NO_COLUMN.exec((error as Error).message ?? '')?.[1]
  if (name === undefined) return undefined
  const words = wordsOf(sql, syntax)
  const wanted = `"${name.replaceAll('"', '""')}"`
  const texts = words.filter(({ text }, i) => {
    const [before, after] = [words[i - 1]?.text ?? '', words[i + 1]?.text ?? '']
    return text === wanted && before !== '.' && after !== '.' && !NAMES.test(before)
  })
  if (texts.length === 0) return undefined
  return texts.reduceRight((mended, { start, end }) => mended.slice(0, start) + literal(name) + mended.slice(end), sql)
}
