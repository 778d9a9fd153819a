/** `rays docs`: the documentation that came with this version; works offline. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../errors.js'

export interface DocsResult {
  readonly folder: string
  readonly topics: readonly { readonly topic: string; readonly title: string; readonly file: string }[]
  /** The text of the topic that was asked for. */
  readonly text?: string
}

/** @throws {UsageError} for an unknown topic */
export async function docs({ topic }: { readonly topic?: string } = {}): Promise<DocsResult> {
  const folder = docsFolder()
  const files = (await readdir(folder)).filter((name) => name.endsWith('.md')).sort()
  const texts = await Promise.all(files.map((name) => readFile(path.join(folder, name), 'utf8')))
  const topics = files.map((name, index) => ({
    topic: name.replace(/\.md$/, ''),
    title: /^# (.+)$/m.exec(texts[index]!)?.[1] ?? name,
    file: path.join(folder, name),
  }))
  if (topic === undefined) return { folder, topics }
  const index = topics.findIndex((entry) => entry.topic === topic.toLowerCase())
  if (index === -1) {
    throw new UsageError(`There is no documentation on ${topic}.`, {
      hint: `rays docs lists what there is: ${topics.map((entry) => entry.topic).join(', ')}.`,
    })
  }
  return { folder, topics, text: texts[index]! }
}

/** The package's docs folder, above this file. */
function docsFolder(): string {
  const here = path.dirname(fileURLToPath(import.meta.url))
  for (let folder = here; path.dirname(folder) !== folder; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'docs')
    if (existsSync(path.join(folder, 'package.json')) && existsSync(candidate)) return candidate
  }
  throw new Error('the docs folder is missing from the package')
}
