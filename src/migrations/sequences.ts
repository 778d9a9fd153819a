/** Sequences of PostgreSQL that number a column: what Prisma's engine writes of them, put right. Pure. */
import type { StatementSyntax } from '../../engines/engine.js'
import { qualifiedName, quotedName, textLiteral } from '../../engines/sql/quoting.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { SEQUENCE_REPAIR } from './steps.js'

/** The script with sequences as SERIAL would have them: their names, their types, their owners, and where they go on. */
export function repairSequences(script: string, reverse: string, syntax: StatementSyntax): string {
  return repairAdded(repairSerials(repairDropped(script, reverse, syntax), syntax), syntax)
}

/** SQL that tells the sequence which a column owns, when it runs. */
function sequenceOf(schema: string | undefined, table: string, column: string): string {
  return `pg_get_serial_sequence(${textLiteral(qualifiedName(schema, table))}, ${textLiteral(column)})`
}

/**
 * Prisma's engine retypes a column that numbers itself as SERIAL, which is no type but a word of CREATE TABLE. The type is
 * that of the numbers, and the sequence has to count as far.
 */
function repairSerials(script: string, syntax: StatementSyntax): string {
  if (!/SET DATA TYPE (?:BIG|SMALL)?SERIAL\b/.test(script)) return script
  let repaired = ''
  let copied = 0
  for (const { text, start, end } of splitStatements(script, syntax)) {
    const widened: string[] = []
    for (const { change, schema, table, name, type } of describeStatement(text, syntax) ?? []) {
      const number = SERIALS[type?.toUpperCase() ?? '']
      if (change !== 'type' || number === undefined || table === undefined) continue
      widened.push(
        `;\n\nDO $rays$ DECLARE owned text := ${sequenceOf(schema, table, name)}; BEGIN IF owned IS NOT NULL THEN EXECUTE 'ALTER SEQUENCE ' || owned || ' AS ${number.toLowerCase()}'; END IF; END $rays$`,
      )
    }
    if (widened.length === 0) continue
    const typed = text.replace(
      /(SET DATA TYPE )((?:BIG|SMALL)?SERIAL)\b/g,
      (_, words: string, type: string) => words + SERIALS[type],
    )
    repaired += script.slice(copied, start) + typed + widened.join('')
    copied = end
  }
  return repaired + script.slice(copied)
}

const SERIALS: Readonly<Record<string, string>> = { SERIAL: 'INTEGER', BIGSERIAL: 'BIGINT', SMALLSERIAL: 'SMALLINT' }

/**
 * Prisma's engine, when it compares two schema texts, does not know the name of a sequence that goes with a column and
 * writes `DROP SEQUENCE ""`, which PostgreSQL rejects; where another column of the schema has one still it writes nothing. The
 * column that loses its default owns the sequence, so it is looked up when the statement runs.
 * @param reverse the script of the other direction, which tells what numbered itself
 */
function repairDropped(script: string, reverse: string, syntax: StatementSyntax): string {
  const numbered = numberedIn(reverse, syntax)
  let repaired = ''
  let copied = 0
  let owners: string[] = []
  for (const { text, start, end, comment } of splitStatements(script, syntax)) {
    if (comment !== undefined) owners = []
    let dropped = ''
    for (const { change, schema, table, name } of describeStatement(text, syntax) ?? []) {
      if (change !== 'drop-default' || table === undefined) continue
      if (numbered.has(JSON.stringify([table, name]))) dropped += `;\n${dropping(sequenceOf(schema, table, name))}`
      else owners.push(sequenceOf(schema, table, name))
    }
    if (text === NAMELESS) {
      const sequence = owners.shift()
      if (sequence === undefined && numbered.size === 0) continue
      const before = script.slice(copied, start)
      // Those of columns that number themselves on the way back have gone with their defaults.
      repaired += sequence === undefined ? before.replace(/;\s*$/, '') : before + dropping(sequence)
      copied = end
    } else if (dropped !== '' && !script.slice(end).startsWith(dropped)) {
      repaired += script.slice(copied, end) + dropped
      copied = end
    }
  }
  return repaired + script.slice(copied)
}

const NAMELESS = 'DROP SEQUENCE ""'

function dropping(sequence: string): string {
  return `${SEQUENCE_REPAIR} := ${sequence}; BEGIN IF owned IS NOT NULL THEN EXECUTE 'DROP SEQUENCE ' || owned; END IF; END $rays$`
}

/** The columns that a script makes number themselves. */
function numberedIn(script: string, syntax: StatementSyntax): Set<string> {
  return new Set(
    splitStatements(script, syntax).flatMap(({ text }) =>
      (describeStatement(text, syntax) ?? []).flatMap(({ object, table, name, default: value }) =>
        object === 'column' && table !== undefined && /^nextval\s*\(/i.test(value ?? '')
          ? [JSON.stringify([table, name])]
          : [],
      ),
    ),
  )
}

/** Prisma: `CREATE SEQUENCE user_id_seq`, `CREATE SEQUENCE "shop".user_id_seq`, with the name in lower case and no quotes. */
const NAME = String.raw`((?:"(?:[^"]|"")*"\.)?[^\s"';]+)`
const CREATED = new RegExp(`^CREATE SEQUENCE ${NAME}$`)
const OWNED = new RegExp(
  String.raw`^ALTER SEQUENCE ${NAME} OWNED BY (?:"((?:[^"]|"")*)"\.)?"((?:[^"]|"")*)"\."((?:[^"]|"")*)"$`,
)

/**
 * A column that begins to number itself gets a sequence whose numbers begin at 1, where rows may have them already, which counts
 * further than the column, and which has another name than SERIAL gives: the column of a fresh database would differ for ever.
 */
function repairAdded(script: string, syntax: StatementSyntax): string {
  const statements = splitStatements(script, syntax)
  const created = new Set(statements.flatMap(({ text }) => CREATED.exec(text)?.[1] ?? []))
  const owned = statements.flatMap(({ text }) => ownedBy(text) ?? []).filter(({ name }) => created.has(name))
  let repaired = script
  for (const { text, start, end } of statements.reverse()) {
    const own = owned.find(({ name }) => names(text, name))
    if (own === undefined) continue
    const renamed = text.replace(`SEQUENCE ${own.name}`, `SEQUENCE ${own.sequence}`)
    repaired =
      repaired.slice(0, start) + others(renamed, owned) + (ownedBy(text) ? goesOn(own) : '') + repaired.slice(end)
  }
  return repaired
}

interface Owned {
  /** As Prisma calls it. */
  readonly name: string
  /** As SERIAL would call it, quoted, with its schema. */
  readonly sequence: string
  readonly schema: string | undefined
  readonly table: string
  readonly column: string
}

function ownedBy(text: string): Owned | undefined {
  const [, name, schema, table, column] = OWNED.exec(text) ?? []
  if (name === undefined || table === undefined || column === undefined) return undefined
  const plain = (part: string) => part.replaceAll('""', '"')
  const own = { name, schema: schema && plain(schema), table: plain(table), column: plain(column) }
  return { ...own, sequence: qualifiedName(own.schema, serialName(own.table, own.column)) }
}

const names = (text: string, name: string) =>
  text === `CREATE SEQUENCE ${name}` ||
  text.startsWith(`ALTER SEQUENCE ${name} `) ||
  text.includes(`nextval('${name}')`)

/** One ALTER TABLE may name several. */
function others(text: string, owned: readonly Owned[]): string {
  return owned.reduce(
    (all, { name, sequence }) => all.replace(`nextval('${name}')`, `nextval(${textLiteral(sequence)})`),
    text,
  )
}

/** PostgreSQL (makeObjectName): `<table>_<column>_seq` in 63 bytes, of which the longer of the two names gives up its end. */
function serialName(table: string, column: string): string {
  const bytes = (text: string) => Buffer.byteLength(text)
  let [first, second] = [table, column]
  while (bytes(first) + bytes(second) + 5 > 63) {
    if (bytes(first) > bytes(second)) first = [...first].slice(0, -1).join('')
    else second = [...second].slice(0, -1).join('')
  }
  return `${first}_${second}_seq`
}

/** It counts as far as the column does, and goes on behind the greatest number that is there. */
function goesOn({ schema, table, column }: Owned): string {
  const parent = qualifiedName(schema, table)
  const type = `(SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = ${textLiteral(parent)}::regclass AND attname = ${textLiteral(column)})`
  return `;\n${SEQUENCE_REPAIR} := ${sequenceOf(schema, table, column)}; BEGIN EXECUTE 'ALTER SEQUENCE ' || owned || ' AS ' || ${type}; PERFORM setval(owned::regclass, GREATEST((SELECT max(${quotedName(column)}) FROM ${parent}), 0) + 1, false); END $rays$`
}
