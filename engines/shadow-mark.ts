/**
 * The mark of a configured shadow database while rays works in it. It is written when the database is empty and taken away
 * when it is empty again, so that what is found beside it was left by a run that was killed, or came after it.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

/** The name of what holds the mark: a namespace where there are any, a table elsewhere. */
export const MARK = '_rays_shadow'

export interface Mark {
  /** Different for every run: looked for in the main database, it tells that the two are one. */
  readonly id: string
  readonly pid: number
  readonly host: string
}

export function newMark(): Mark {
  return { id: randomUUID(), pid: process.pid, host: hostname().slice(0, 100) }
}
