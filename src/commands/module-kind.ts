/** Which kind of module the project's own files are. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

/** Whether `.js` files of the project are ES modules. */
export async function isEsm(root: string): Promise<boolean> {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json')
    if (existsSync(file)) {
      try {
        return (JSON.parse(await readFile(file, 'utf8')) as { type?: string }).type === 'module'
      } catch {
        return false
      }
    }
    if (path.dirname(folder) === folder) return false
  }
}
