/** Which values survive a change of type in PostgreSQL. */
import { fitsDecimal, readType, type WrittenType } from '../sql/types.js'

/** Other spellings of the same. */
const NAMES: Readonly<Record<string, string>> = {
  int2: 'smallint',
  smallserial: 'smallint',
  serial2: 'smallint',
  int: 'integer',
  int4: 'integer',
  serial: 'integer',
  serial4: 'integer',
  int8: 'bigint',
  bigserial: 'bigint',
  serial8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  float: 'double precision',
  decimal: 'numeric',
  bool: 'boolean',
  varchar: 'character varying',
  char: 'character',
  bpchar: 'character',
  timestamptz: 'timestamp with time zone',
  timetz: 'time with time zone',
}
/** Digits that the integers may have. */
const DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 }
const TEXTS = new Set(['character varying', 'character', 'text', 'citext'])
/** The floating types, and the integers that each holds exactly. */
const EXACT: Readonly<Record<string, readonly string[]>> = {
  real: ['smallint'],
  'double precision': ['smallint', 'integer', 'real'],
}
const UNLIMITED = 131_072

/** Whether every value of one type survives as one of another. */
export function keepsValues(from: string, to: string): boolean {
  const [was, becomes] = [plain(from), plain(to)]
  const lists = [was, becomes].filter(({ rest }) => rest.endsWith('[]')).length
  if (lists === 1) return false
  const bare = ({ rest, ...type }: WrittenType) => ({ ...type, rest: rest.replace(/(?:\[\d*\])+$/, '').trim() })
  return keeps(bare(was), bare(becomes))
}

function plain(type: string): WrittenType {
  const { name, args, rest } = readType(type.replace(/^(?:"?pg_catalog"?|"?public"?)\./i, ''))
  const list = /(?:\[\d*\])+$/.exec(name)?.[0] ?? ''
  const whole = name.slice(0, name.length - list.length).replace(/ without time zone$/, '')
  const zone = /^with time zone/.test(rest) ? ' with time zone' : ''
  const other = rest.replace(/^with(?:out)? time zone/, '').trim()
  return { name: (NAMES[whole] ?? whole) + zone, args, rest: `${list}${other}` }
}

function keeps(was: WrittenType, becomes: WrittenType): boolean {
  const { name } = becomes
  if (TEXTS.has(name)) return keepsText(was, becomes)
  const digits = DIGITS[was.name]
  if (name in DIGITS) return digits !== undefined && digits <= DIGITS[name]!
  if (name === 'numeric') return keepsNumber(was, becomes)
  if (EXACT[name]?.includes(was.name)) return true
  if (/^time(?:stamp)?\b/.test(name)) {
    const day = was.name === 'date' && name === 'timestamp'
    return day || (was.name === name && (becomes.args[0] ?? 6) >= (was.args[0] ?? 6))
  }
  if (name === 'json' && was.name === 'jsonb') return true
  return was.name === name && was.args.join() === becomes.args.join() && was.rest === becomes.rest
}

/** Everything but bytes has a text, from which it can be read again. */
function keepsText(was: WrittenType, becomes: WrittenType): boolean {
  const most = becomes.name === 'character' ? (becomes.args[0] ?? 1) : becomes.args[0]
  if (was.name === 'bytea') return false
  if (most === undefined) return true
  const had = was.name === 'character' ? (was.args[0] ?? 1) : was.args[0]
  return TEXTS.has(was.name) && had !== undefined && had <= most
}

function keepsNumber(was: WrittenType, becomes: WrittenType): boolean {
  const digits = DIGITS[was.name]
  if (was.name !== 'numeric' && digits === undefined) return false
  const [precision, scale = 0] = becomes.args
  if (precision === undefined) return true
  const [had = UNLIMITED, hadScale = was.args.length > 0 ? 0 : UNLIMITED] =
    digits === undefined ? was.args : [digits, 0]
  return fitsDecimal([had, hadScale], [precision, scale])
}
