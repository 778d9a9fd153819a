/** The project's `.env`, read as Prisma 6 reads it: beside package.json and beside the schema. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { readUtf8 } from '../utf8.js'

/**
 * Adds the variables of `.env` files to the environment, where they are not set. Returns which file set which.
 * @param folders the folders to look in, first come first served
 * @throws {NotUtf8Error}
 * @param environment also `.env.<environment>`, before `.env`: environments
 */
export async function loadDotenv(
  folders: readonly string[],
  env: NodeJS.ProcessEnv,
  environment?: string,
): Promise<Map<string, string>> {
  const origin = new Map<string, string>()
  const names = environment === undefined ? ['.env'] : [`.env.${environment}`, '.env']
  for (const file of new Set(folders.flatMap((folder) => names.map((name) => path.join(folder, name))))) {
    if (!existsSync(file)) continue
    const [{ parse }, { expand }] = await Promise.all([import('dotenv'), import('dotenv-expand')])
    const before = new Set(Object.keys(env))
    const parsed = parse(readUtf8(file))
    const { parsed: expanded = parsed } = expand({
      parsed: { ...parsed },
      processEnv: { ...env } as Record<string, string>,
    })
    for (const [name, value] of Object.entries(expanded)) {
      if (before.has(name)) continue
      env[name] = value
      origin.set(name, file)
    }
  }
  return origin
}
