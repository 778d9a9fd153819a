/** The schema between two migrations: PostgreSQL must commit a new enum value before it can be used. */

import { blocksOf } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'

/** The schema as it was, with the enums as they will be: the state after adding values and before using them. */
export function withEnumsOf(before: readonly SchemaFile[], after: readonly SchemaFile[]): SchemaFile[] {
  const enums = new Map(
    after.flatMap((file) =>
      blocksOf(file)
        .filter((block) => block.keyword === 'enum')
        .map((block) => [block.name, file.content.slice(block.start, block.end)] as const),
    ),
  )
  return before.map((file) => {
    let text = file.content
    for (const block of blocksOf(file).reverse()) {
      const replacement = block.keyword === 'enum' ? enums.get(block.name) : undefined
      if (replacement !== undefined) text = text.slice(0, block.start) + replacement + text.slice(block.end)
    }
    return { path: file.path, content: text }
  })
}
