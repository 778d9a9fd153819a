/**
 * SQLite as most programs have it, Prisma's among them, takes `"x"` for a text where there is no column `x`. The driver of rays is
 * built without that (SQLITE_DQS=0, https://www.sqlite.org/quirks.html#dblquote), so that a column that is gone is an error and
 * no text. In scripts that Prisma would run, and only there, texts are read as Prisma reads them.
 */
import type { StatementSyntax } from '../engine.js'
import { quotedName } from '../sql/quoting.js'
import { wordsOf } from './definition.js'
import { literal } from './values.js'

const NO_COLUMN = /no such column: "(.+)" - should this be a string literal in single-quotes\?$/s

/** The name in double quotes that an error says is no column. */
function missing(error: unknown): string | undefined {
  return NO_COLUMN.exec((error as { message?: string } | undefined)?.message ?? '')?.[1]
}

/**
 * The statement with texts in place of what is no column, each where SQLite itself would take it for one; undefined where the
 * error is another one.
 * @param error what the statement was refused with: SQLite reads all of it before it does anything
 * @param refusal what a statement would be refused with, without doing anything of it; undefined: it would be taken
 */
export async function withTexts(
  sql: string,
  error: unknown,
  syntax: StatementSyntax,
  refusal: (sql: string) => Promise<unknown>,
): Promise<string | undefined> {
  const name = missing(error)
  if (name === undefined) return undefined
  const wanted = quotedName(name)
  const places = wordsOf(sql, syntax).filter(({ text }) => text === wanted)
  const written = (texts: readonly (typeof places)[number][]) =>
    texts.reduceRight((all, { start, end }) => all.slice(0, start) + literal(name) + all.slice(end), sql)
  const isRight = async (texts: typeof places) => missing(await refusal(written(texts))) !== name
  let texts = places
  if (texts.length === 0 || !(await isRight(texts))) return undefined
  // The same name may be that of a column, a table or an alias in another place.
  for (const place of places) {
    const fewer = texts.filter((each) => each !== place)
    if (fewer.length > 0 && (await isRight(fewer))) texts = fewer
  }
  const mended = written(texts)
  const next = await refusal(mended)
  return (await withTexts(mended, next, syntax, refusal)) ?? mended
}
