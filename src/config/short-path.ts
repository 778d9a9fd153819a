import path from 'node:path'
import type { Config } from './config.js'

/** A path as a person in the project's folder would type it. */
export function shortPath(config: Config, file: string): string {
  const relative = path.relative(config.root, file)
  return relative === '' || relative.startsWith('..') ? file : relative
}
