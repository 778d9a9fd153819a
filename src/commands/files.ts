/** Files beside a database: what is asked of them before the database is changed, and what is told when it is done. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config/config.js'
import { InterruptedError, UsageError } from '../errors.js'
import type { Host } from './host.js'
import { messageOf } from './project.js'

/**
 * Does what is to be written after the database was changed. The database is done, so a file that cannot be written is a
 * warning: the command again would change the database again.
 * @param what went wrong if it fails: `the schema file could not be written`
 * @param instead a command or a step that makes up for it and leaves the database alone
 */
export async function afterwards<T>(
  host: Host,
  { what, instead }: { readonly what: string; readonly instead: string },
  work: () => Promise<T>,
): Promise<T | { readonly failed: string }> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    const failed = messageOf(error)
    host.warn(`The database is done, but ${what}: ${failed}. ${instead}`)
    return { failed }
  }
}

/**
 * Before a database is changed by what can only end well if files can be written, too.
 * @param places files and folders; of one that is not there, the folder in which it would be made
 * @throws {UsageError} where one of them cannot be written
 */
export async function expectWritable(places: readonly string[]): Promise<void> {
  for (const place of places) {
    const refused = await refusal(place)
    if (refused === undefined) continue
    throw new UsageError(`${refused.place} cannot be written (${refused.code}), so nothing was changed.`, {
      code: 'E_WRITE',
      hint: `Make it writable for this user, and run the command again.`,
    })
  }
}

/** Where migrations are moved and the schema is replaced. */
export function writtenBy(config: Config): string[] {
  // A file is replaced by another one of its folder.
  return [config.migrationsDir, path.dirname(config.migrationsDir), path.dirname(config.schemaPath)]
}

async function refusal(place: string): Promise<{ readonly place: string; readonly code: string } | undefined> {
  try {
    await access(place, constants.W_OK)
    return undefined
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? messageOf(error)
    const parent = path.dirname(place)
    return code === 'ENOENT' && parent !== place ? refusal(parent) : { place, code }
  }
}
