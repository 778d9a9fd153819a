import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version of rays, from its own package.json. */
export function version(): string {
  const here = path.dirname(fileURLToPath(import.meta.url))
  for (const above of ['../../..', '../..']) {
    const found = versionIn(path.join(here, above, 'package.json'))
    if (found !== undefined) return found
  }
  throw new Error('package.json is missing from the package')
}

function versionIn(file: string): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8'))
    return name === 'prisma-rays' ? version : undefined
  } catch {
    return undefined
  }
}
