/** Literals of DateTime columns in the words of the server. */
import type { ColumnType } from './tables.js'

/**
 * A literal in RFC 3339 as every server takes it: in UTC and without an offset, which MariaDB and MySQL before 8.0.19 refuse
 * in a default (error 1067); of a Date the day alone, of a Time the time. What cannot be read stays as it is.
 */
export function serverTime(text: string, type: ColumnType): string {
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) return text
  const [day = '', time = ''] = at.toISOString().slice(0, 19).split('T')
  const name = type.kind === 'native' ? type.name : undefined
  if (name === 'Date') return day
  // Prisma's fraction may be finer than the milliseconds of a Date.
  const fraction = /\.(\d+)/.exec(text)?.[1]?.replace(/0+$/, '')
  const whole = fraction ? `${time}.${fraction}` : time
  return name === 'Time' ? whole : `${day} ${whole}`
}

/** A literal as a server shows it, without the zeros at the end of the fraction, which follow from the column's precision. */
export function plainTime(shown: string): string {
  return shown.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
}

/** `CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)`: the default, and whether the server keeps the time by itself. */
export function splitOnUpdate(text: string): { readonly text: string; readonly onUpdate: boolean } {
  const found =
    /(?:^|\s+)on\s+update\s+(?:current_timestamp|now|localtime|localtimestamp)\s*(?:\(\s*\d*\s*\))?\s*$/i.exec(text)
  return found ? { text: text.slice(0, found.index), onUpdate: true } : { text, onUpdate: false }
}
