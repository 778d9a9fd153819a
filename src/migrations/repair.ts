/** Mends what Prisma's engine writes and PostgreSQL refuses. A script without such faults is returned as it is. */
import type { StatementSyntax } from '../../engines/engine.js'
import { quotedName, textLiteral } from '../../engines/sql/quoting.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { describeStatement, type Effect } from '../../engines/sql/statements.js'
import { columnId, madeOf, type Rebuild, rebuildOf } from './enums.js'
import { splitUnsafeEnum } from './hazards.js'
import { repairSequences } from './sequences.js'
import { effectsOf, readSteps } from './steps.js'

/**
 * The script in a form that can run: sequences are dropped by the column that owns them, and an enum is built anew when
 * exactly the columns that it retypes have it.
 * @param reverse the script of the other direction, which tells the types of columns that are dropped
 */
export function repairScript(script: string, reverse: string, syntax: StatementSyntax): string {
  return repairZones(repairEnums(repairSequences(script, reverse, syntax), reverse, syntax), reverse, syntax)
}

/** Types of times by whether they know their zone. */
const ZONED = /^timestamptz\b|^timestamp\s*(?:\(\d\)\s*)?with time zone$/i
const UNZONED = /^timestamp\s*(?:\(\d\))?(?:\s*without time zone)?$/i

/**
 * A time that gets a zone, or loses it, keeps its meaning: to Prisma a time without a zone is UTC, and PostgreSQL takes it for
 * one of the session's zone unless it is told otherwise.
 */
function repairZones(script: string, reverse: string, syntax: StatementSyntax): string {
  const before = new Map(typeChanges(reverse, syntax).map((effect) => [columnId(effect), effect.type ?? '']))
  let repaired = script
  for (const { text, start, end } of splitStatements(script, syntax).reverse()) {
    const kept = typeChanges(text, syntax).reduce(
      (statement, effect) => withMeaning(statement, effect, before.get(columnId(effect)) ?? ''),
      text,
    )
    if (kept !== text) repaired = repaired.slice(0, start) + kept + repaired.slice(end)
  }
  return repaired
}

/** The statement with a time's own meaning in it. @param was the column's type before */
function withMeaning(statement: string, { name, type = '' }: Effect, was: string): string {
  if (!((UNZONED.test(was) && ZONED.test(type)) || (ZONED.test(was) && UNZONED.test(type)))) return statement
  const column = quotedName(name)
  const change = `ALTER COLUMN ${column} SET DATA TYPE ${type}`
  const at = statement.indexOf(change)
  // What says by itself how values are converted stays as it is.
  if (at === -1 || !/^\s*(?:,|$)/.test(statement.slice(at + change.length))) return statement
  return `${statement.slice(0, at)}${change} USING ${column} AT TIME ZONE 'UTC'${statement.slice(at + change.length)}`
}

function typeChanges(script: string, syntax: StatementSyntax): Effect[] {
  return splitStatements(script, syntax)
    .flatMap(({ text }) => describeStatement(text, syntax) ?? [])
    .filter(({ object, change }) => object === 'column' && change === 'type')
}

/**
 * A way back that adds a value to an enum and uses it, which PostgreSQL refuses in one transaction (55P04): the enum is built
 * anew instead, as the way up did to remove the value. Any other script is returned as it is.
 * @param up the script of the way up
 * @param base the script that builds the state before the way up from nothing
 */
export function repairAddedValues(back: string, up: string, base: string, syntax: StatementSyntax): string {
  if (!splitUnsafeEnum(back, syntax)) return back
  const steps = readSteps(up, syntax, undefined)
  const texts = stepTexts(up, syntax)
  const values = new Map(
    splitStatements(base, syntax).flatMap(({ text }) => {
      const [effect] = describeStatement(text, syntax) ?? []
      return effect?.action === 'create' && effect.object === 'enum'
        ? [[effect.name, effect.values ?? []] as const]
        : []
    }),
  )
  let repaired = ''
  let copied = 0
  const done = new Set<string>()
  for (const { text, start, end } of splitStatements(back, syntax)) {
    const [effect] = describeStatement(text, syntax) ?? []
    const name = effect?.object === 'enumValue' ? effect.type : undefined
    const at = name === undefined ? -1 : steps.findIndex((step) => rebuildOf(step)?.enums.has(name))
    const all = name === undefined ? undefined : values.get(name)
    if (name === undefined || at === -1 || at >= texts.length || !all) continue
    const list = all.map(textLiteral).join(', ')
    const rebuild = texts[at]!.replace(/^(?:--[^\n]*\n)+/, '')
      .replace(/( AS ENUM )\([^;]*?\);/, (_, words: string) => `${words}(${list});`)
      .replace(/;\s*$/, '')
    repaired += back.slice(copied, start) + (done.has(name) ? 'SELECT 1' : rebuild)
    copied = end
    done.add(name)
  }
  return repaired + back.slice(copied)
}

/**
 * Prisma's engine builds an enum anew at the start of a script. PostgreSQL refuses that while a column which the script drops
 * later still has the old type, or while a column that is to be retyped was not added yet.
 */
function repairEnums(script: string, reverse: string, syntax: StatementSyntax): string {
  const steps = readSteps(script, syntax, undefined)
  if (!steps.some(rebuildOf)) return script
  const texts = stepTexts(script, syntax)
  if (texts.length !== steps.length) return script
  const back = readSteps(reverse, syntax, undefined).flatMap(({ statements }) => effectsOf(statements))
  const all = steps.flatMap(({ statements }) => effectsOf(statements))
  const order = steps.map((_, i) => i)
  for (const [i, step] of steps.entries()) {
    const rebuild = rebuildOf(step)
    if (!rebuild) continue
    const retyped = new Set(rebuild.retyped.map(columnId))
    const dropped = new Set(madeOf(rebuild.enums, back))
    const place = order.indexOf(i)
    const relation = order.map((at): 'before' | 'after' | 'any' => {
      if (at === i) return 'any'
      const effects = effectsOf(steps[at]!.statements)
      const made = madeOf(rebuild.enums, effects)
      if (made.some((column) => retyped.has(column))) return 'before'
      if (made.length > 0) return 'after'
      const drops = effects.some(
        (effect) =>
          effect.action === 'drop' &&
          (effect.object === 'table'
            ? [...dropped].some((column) => column.startsWith(columnId({ ...effect, name: '' })))
            : effect.object === 'column' && dropped.has(columnId(effect))),
      )
      return drops ? 'before' : 'any'
    })
    const last = relation.lastIndexOf('before')
    if (last < place || relation.slice(place, last).includes('after')) continue
    order.splice(place, 1)
    order.splice(last, 0, i)
  }
  const cut = texts.map((text, i) => {
    const rebuild = rebuildOf(steps[i]!)
    return rebuild ? withoutStrayDefaults(text, rebuild, [...back, ...all], syntax) : text
  })
  if (order.every((at, i) => at === i) && cut.every((text, i) => text === texts[i])) return script
  return `${order.map((at) => cut[at]).join('\n\n')}\n`
}

/** A column that is dropped before the enum is built anew, or added after it, has no default to drop in between. */
function withoutStrayDefaults(
  text: string,
  rebuild: Rebuild,
  made: readonly Effect[],
  syntax: StatementSyntax,
): string {
  const retyped = new Set(rebuild.retyped.map(columnId))
  const passing = new Set(madeOf(rebuild.enums, made).filter((column) => !retyped.has(column)))
  return splitStatements(text, syntax)
    .reverse()
    .reduce((rest, statement) => {
      const [effect] = describeStatement(statement.text, syntax) ?? []
      if (effect?.change !== 'drop-default' || !passing.has(columnId(effect))) return rest
      return rest.slice(0, statement.start).trimEnd() + rest.slice(statement.end).replace(/^\s*;/, '')
    }, text)
}

/** The text of each step with its comments. */
function stepTexts(script: string, syntax: StatementSyntax): string[] {
  const texts: string[] = []
  let at = 0
  let begun = false
  for (const [i, { end, comment, text }] of splitStatements(script, syntax).entries()) {
    const gap = script.slice(end)
    const semicolon = tokens(gap, syntax).next().value
    const stop = semicolon && gap[semicolon.start] === ';' ? end + semicolon.end : end
    const piece = script.slice(at, stop)
    if (comment !== undefined || i === 0 || !begun) texts.push(piece.trim())
    else texts[texts.length - 1] += piece
    begun ||= comment !== undefined || /^begin$/i.test(text)
    at = stop
  }
  return texts
}
