/** Types as they are written, taken apart: what widening is, in every database. */

export interface WrittenType {
  /** In lower case, without its arguments, one space between words. */
  readonly name: string
  readonly args: readonly number[]
  /** What is written behind the arguments: `unsigned`, `with time zone`, `[]`. */
  readonly rest: string
}

/** `VARCHAR(30)`, `numeric(10, 2)`, `timestamp(3) without time zone`, `int unsigned`. */
export function readType(type: string): WrittenType {
  const text = type.trim().toLowerCase().replace(/\s+/g, ' ')
  const [, name = text, args = '', rest = ''] = /^([^(]*?) ?\(([^)]*)\)(.*)$/.exec(text) ?? []
  const numbers = args.split(',').flatMap((arg) => (/^ ?\d+ ?$/.test(arg) ? [Number(arg)] : []))
  return { name, args: numbers, rest: rest.trim() }
}

/** Whether every number of so many digits, and so many of them behind the point, fits. */
export function fitsDecimal(from: readonly [number, number], to: readonly [number, number]): boolean {
  return to[1] >= from[1] && to[0] - to[1] >= from[0] - from[1]
}
