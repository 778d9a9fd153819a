/** Which values survive a change of type in MySQL and MariaDB. */
import { fitsDecimal, readType, type WrittenType } from '../sql/types.js'

const NAMES: Readonly<Record<string, string>> = {
  integer: 'int',
  bool: 'tinyint',
  boolean: 'tinyint',
  numeric: 'decimal',
  dec: 'decimal',
  real: 'double',
  'double precision': 'double',
  'int unsigned': 'int',
}
/** Bytes of the integers. */
const BYTES: Readonly<Record<string, number>> = { tinyint: 1, smallint: 2, mediumint: 3, int: 4, bigint: 8 }
/** Bytes that a text or bytes may have. */
const LENGTHS: Readonly<Record<string, number>> = { tiny: 255, '': 65_535, medium: 16_777_215, long: 4_294_967_295 }
/** Bytes of a character at the most. */
const WIDEST = 4

interface Plain extends WrittenType {
  readonly unsigned: boolean
}

/** Whether every value of one type survives as one of another. */
export function keepsValues(from: string, to: string): boolean {
  const [was, becomes] = [plain(from), plain(to)]
  if (was.name in BYTES) return keepsInteger(was, becomes)
  const [had, room] = [roomOf(was), roomOf(becomes)]
  if (had && room)
    return (
      had.kind === room.kind && (had.characters && room.characters ? had.size <= room.size : had.bytes <= room.bytes)
    )
  if (/^(?:datetime|timestamp|time)$/.test(was.name) && was.name === becomes.name)
    return (becomes.args[0] ?? 0) >= (was.args[0] ?? 0)
  if (was.name === 'date' && becomes.name === 'datetime') return true
  if (was.name === 'float' && becomes.name === 'double') return was.args.length === 0 && becomes.args.length === 0
  if (was.name === 'decimal' && becomes.name === 'decimal') {
    const size = ({ args: [precision = 10, scale = 0] }: WrittenType): [number, number] => [precision, scale]
    return (was.unsigned || !becomes.unsigned) && fitsDecimal(size(was), size(becomes))
  }
  if (was.name === 'enum' || was.name === 'set') return keepsChoice(from, to, becomes)
  return was.name === becomes.name && was.args.join() === becomes.args.join() && was.unsigned === becomes.unsigned
}

function plain(type: string): Plain {
  const { name, args, rest } = readType(type.replace(/'(?:[^']|'')*'/g, (value) => value.replace(/[()]/g, '.')))
  const unsigned = /\b(?:unsigned|zerofill)\b/.test(`${name} ${rest}`)
  const bare = name.replace(/ (?:unsigned|signed|zerofill)\b/g, '')
  return { name: NAMES[bare] ?? bare, args, rest, unsigned }
}

function keepsInteger(was: Plain, becomes: Plain): boolean {
  const size = BYTES[was.name]!
  const room = BYTES[becomes.name]
  if (room !== undefined) {
    if (was.unsigned === becomes.unsigned) return room >= size
    return was.unsigned && room > size
  }
  // Each byte has less than three digits.
  if (becomes.name === 'decimal') {
    const [precision = 10, scale = 0] = becomes.args
    return (was.unsigned || !becomes.unsigned) && precision - scale >= Math.ceil(size * 2.5)
  }
  return becomes.name === 'double' && size <= 4
}

/** How much a text, or bytes, may hold. */
function roomOf({ name, args: [length] }: WrittenType) {
  const [, variable, binary] = /^(var)?(?:char|(binary))$/.exec(name) ?? []
  if (variable !== undefined || name === 'char' || name === 'binary') {
    const size = length ?? 1
    const kind = binary === undefined ? 'text' : 'bytes'
    return { kind, characters: true, size, bytes: binary === undefined ? size * WIDEST : size }
  }
  const [, width = '', what] = /^(tiny|medium|long)?(text|blob)$/.exec(name) ?? []
  if (name === 'json') return { kind: 'json', characters: false, size: 0, bytes: 0 }
  if (what === undefined) return undefined
  return { kind: what === 'text' ? 'text' : 'bytes', characters: false, size: 0, bytes: LENGTHS[width]! }
}

/** An enum that has all the values, or a text that is long enough for each of them. */
function keepsChoice(from: string, to: string, becomes: WrittenType): boolean {
  const values = (type: string) => [...type.matchAll(/'((?:[^']|'')*)'/g)].map(([, value = '']) => value)
  const had = values(from)
  const same = /^\s*(\w+)/.exec(from)?.[1]?.toLowerCase() === becomes.name
  if (same) return had.every((value) => values(to).includes(value))
  const room = roomOf(becomes)
  if (room?.kind !== 'text' || /^\s*set\b/i.test(from)) return false
  return had.every((value) => (room.characters ? value.length <= room.size : value.length * WIDEST <= room.bytes))
}
