/** What a change of type does to a column. */
import type { ColumnType, NativeName } from './tables.js'

/**
 * none: no difference. safe: MODIFY. risky: MODIFY with a warning, values may not fit. impossible: the column is dropped
 * and added again.
 */
export type Cast = 'none' | 'safe' | 'risky' | 'impossible'

/**
 * Prisma's table of casts: one row per old type, one letter per new type in the order of the rows.
 * `=` none, `S` safe, `R` risky, `N` impossible, `*` depends on the arguments ({@link castByArguments}).
 */
const CASTS: Readonly<Record<NativeName, string>> = {
  Int: '=RRRRRRRSRRRR*SSSSSSSSSSSSNNNNRN',
  UnsignedInt: 'R=RRRRRRRRNRRRRRRRRRRRRRRRNRNNRN',
  SmallInt: 'SR=RRRSRSRNRRRRRRRRRRRRRRRNSNNRN',
  UnsignedSmallInt: 'RSR=RRRSRSNRRRRRRRRRRRRRRRNRNNRN',
  TinyInt: 'SRSR=RSRSRNRRRRRRRRRRRRRRRNSNNRN',
  UnsignedTinyInt: 'RSRSR=RSRSNRRRRRRRRRRRRRRRNRNNRN',
  MediumInt: 'RRRRRR=RSRRRR*SSSSSSSSSSSSNNNNRN',
  UnsignedMediumInt: 'RRRRRRR=RRNRRRRRRRRRRRRRRRNRNNRN',
  BigInt: 'RRRRRRRR=R*SSSSSSSSSSSSSSSNSNNRN',
  UnsignedBigInt: 'RRRRRRRRR=NRRRRRRRRRRRRRRRNRNNRN',
  Decimal: 'RRRRRRRRRR*RRRSSSSSSSSSSSSNRNNRR',
  Float: 'SSSSSSSSSSS=S*****SSSSSSSSNSNNSS',
  Double: 'SSSSSSSSSSSS=*****SSSSSSSSNSNNSS',
  Bit: 'SSSSSSSS**RRR*SS*SSSSSSSSSNNNNSN',
  Char: 'RRRRRRRRRRRRRR****SSSSSSSSRRRRRR',
  VarChar: 'RRRRRRRRRRRRRR****SSSSSSSSRRRRRR',
  Binary: 'RRRRRRSRRRSSS*SS*SSSSSSSSSNRNNRN',
  VarBinary: 'NNNNNNNNNNNNNRRR**RSSSRRRRNNNNNN',
  TinyBlob: 'NNNNNNNNNNNNNRRRRR=SSSRRRRNNNNNN',
  Blob: 'NNNNNNNNNNNNNRRRRRS=SSRRRRNNNNNN',
  MediumBlob: 'NNNNNNNNNNNNNRRRRRSS=SRRRRNNNNNN',
  LongBlob: 'NNNNNNNNNNNNNRRRRRSSS=RRRRNNNNNN',
  TinyText: 'RRRRRRRRRRRRRSSSSSRSSS=SSSRRRRRR',
  Text: 'RRRRRRRRRRRRRSSSSSRSSSR=SSRRRRRR',
  MediumText: 'RRRRRRRRRRRRRSSSSSRSSSRS=SRRRRRR',
  LongText: 'RRRRRRRRRRRRRSSSSSRSSSRSS=RRRRRR',
  Date: 'SSNNNNNNSSSSSSSSSSSSSSSSSS=NSNNN',
  Time: 'SSSSSSSSSSSSSSSSSSSSSSSSSSR*RRNN',
  DateTime: 'NNNNNNNNSSNNN*SSSSSSSSSSSSSS*SNN',
  Timestamp: 'NNNNNNNNSSNNN*SSSSSSSSSSSSSSS*NN',
  Year: 'SSSSNNSSSSRSSSSSSSSSSSSSSSNNNN=R',
  Json: 'NNNNNNNNNNNNNNSSSSSSSSSSSSNNNNN=',
}

const NATIVE_NAMES = Object.keys(CASTS) as NativeName[]

const LETTERS: Readonly<Record<string, Cast>> = { '=': 'none', S: 'safe', R: 'risky', N: 'impossible' }

type Native = Extract<ColumnType, { kind: 'native' }>

/** How columns are compared. */
export interface CompareOptions {
  readonly mariadb?: boolean | undefined
  /** Types without arguments mean what the server makes of them (`Timestamp` is `Timestamp(0)`); Prisma tells them apart. */
  readonly serverDefaults?: boolean | undefined
  /** One of the two is what a server showed. */
  readonly live?: boolean | undefined
  /** See `ServerFlags.plainDefaults`. */
  readonly plainDefaults?: boolean | undefined
}

/** Catalogs are of three-byte characters: they show all others as question marks. */
export const shown = (text: string) => text.replace(/[\u{10000}-\u{10ffff}]/gu, '?')

/** What it takes to turn the one type into the other. */
export function castBetween(previous: ColumnType, next: ColumnType, options: CompareOptions): Cast {
  if (previous.kind === 'enum' && next.kind === 'enum') {
    const values = (type: typeof previous) => (options.live ? type.values.map(shown) : type.values)
    return castBetweenEnums(values(previous), values(next))
  }
  // Prisma: an enum against a type it does not know, or against any other type.
  if (previous.kind === 'enum' || next.kind === 'enum') return 'risky'
  // Prisma sees no change where one side has no native type.
  if (previous.kind !== 'native' || next.kind !== 'native') return 'none'
  // MariaDB stores Json as LONGTEXT.
  if (options.mariadb && previous.name === 'LongText' && next.name === 'Json') return 'none'
  const [from, to] = options.serverDefaults ? [withArguments(previous), withArguments(next)] : [previous, next]
  const letter = CASTS[from.name][NATIVE_NAMES.indexOf(to.name)] ?? '='
  return LETTERS[letter] ?? castByArguments(from, to)
}

function castBetweenEnums(previous: readonly string[], next: readonly string[]): Cast {
  if (previous.length === next.length && previous.every((value, i) => value === next[i])) return 'none'
  return previous.every((value) => next.includes(value)) ? 'safe' : 'risky'
}

/** The type as the server stores it: without an argument a fraction has no digits and a decimal is (10, 0). */
export function withArguments(type: Native): Native {
  if (type.args.length > 0) return type
  if (type.name === 'Time' || type.name === 'DateTime' || type.name === 'Timestamp') return { ...type, args: [0] }
  if (type.name === 'Decimal') return { ...type, args: [10, 0] }
  return type
}

const grown = (from: number, to: number, otherwise: Cast): Cast => (to > from ? 'safe' : otherwise)
const atLeast = (least: number, to: number, then: Cast, otherwise: Cast): Cast => (to >= least ? then : otherwise)

/** Prisma: the pairs of types whose arguments decide. */
function castByArguments(from: Native, to: Native): Cast {
  const [old] = from.args
  const [wide] = to.args
  const o = old ?? 0
  const n = wide ?? 0
  const same =
    from.name === to.name && from.args.length === to.args.length && from.args.every((x, i) => x === to.args[i])
  if (same) return 'none'
  switch (from.name) {
    case 'Char':
    case 'VarChar':
      return atLeast(o, n, 'safe', 'risky')
    case 'Binary':
      return to.name === 'Bit' ? atLeast(8 * o, n, 'safe', 'risky') : grown(o, n, 'risky')
    case 'VarBinary':
      return grown(o, n, 'risky')
    case 'Bit':
      if (to.name === 'Bit') return grown(o, n, 'risky')
      if (to.name === 'Binary') return o >= 8 * n ? 'safe' : 'impossible'
      return o === 64 ? 'safe' : 'risky'
    case 'BigInt':
      return n - (to.args[1] ?? 0) >= 20 ? 'safe' : 'impossible'
    case 'Decimal':
      return 'risky'
    case 'Int':
    case 'MediumInt':
      return atLeast(32, n, 'safe', 'risky')
    case 'Float':
      return to.name === 'Bit' ? atLeast(32, n, 'safe', 'impossible') : atLeast(32, n, 'risky', 'impossible')
    case 'Double':
      if (to.name === 'Bit') return n === 64 ? 'safe' : 'impossible'
      return atLeast(32, n, 'risky', 'impossible')
    case 'DateTime':
    case 'Timestamp':
      if (to.name === 'Bit') return n === 64 ? 'safe' : 'impossible'
      return (wide ?? -1) > (old ?? -1) ? 'safe' : 'risky'
    case 'Time':
      // Prisma: "no argument" and (0) are the same here, and only here.
      return wide === undefined && o === 0 ? 'none' : 'safe'
    default:
      return 'risky'
  }
}
