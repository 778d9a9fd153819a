/** Names of shadow databases: they tell who made them and when, so that only rays' own are ever dropped. */
import { randomBytes } from 'node:crypto'
import { isAlive } from './process.js'

const PATTERN = /^(.*)_rays_shadow_(\d{1,10})_(\d{9,11})_[0-9a-f]{8}$/s
const AN_HOUR = 3600
const A_DAY = 24 * AN_HOUR

/** `<database>_rays_shadow_<pid>_<unix seconds>_<random>`, the database's name cut so that all fits into `limit` bytes. */
export function shadowName(database: string, limit: number): string {
  const suffix = `_rays_shadow_${process.pid}_${Math.floor(Date.now() / 1000)}_${randomBytes(4).toString('hex')}`
  return `${shadowPrefix(database, limit)}${suffix}`
}

/** The part of the main database's name that its shadows begin with. The longest suffix has 45 bytes. */
export function shadowPrefix(database: string, limit: number): string {
  const room = limit - 45
  let prefix = ''
  for (const character of database) {
    if (Buffer.byteLength(prefix + character) > room) break
    prefix += character
  }
  return prefix
}

/** True for a name that {@link shadowName} made. */
export function isShadowName(name: string): boolean {
  return PATTERN.test(name)
}

/**
 * Whether a shadow of this database was left behind: older than an hour and its maker gone. A process number may belong to
 * another machine or have been given anew, so a day is taken for proof as well; the caller makes sure that nobody is
 * connected.
 */
export function isLeftover(name: string, database: string, limit: number): boolean {
  const match = PATTERN.exec(name)
  if (!match || match[1] !== shadowPrefix(database, limit)) return false
  const age = Date.now() / 1000 - Number(match[3])
  return age > A_DAY || (age > AN_HOUR && !isAlive(Number(match[2])))
}
