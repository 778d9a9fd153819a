/** The schema between two migrations: PostgreSQL must commit a new enum value before it can be used. */
import { type Block, blocksOf } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { withEdits } from './edits.js'

/**
 * The schema as it was, with the values beside it that its enums get: the state after adding values and before using them. What
 * goes later is there still, for it may be in use.
 */
export function withEnumsOf(before: readonly SchemaFile[], after: readonly SchemaFile[]): SchemaFile[] {
  const next = new Map(enumBlocks(after).map((block) => [block.name, block]))
  const edits = enumBlocks(before).flatMap((block) => {
    const wanted = next.get(block.name)
    if (wanted === undefined) return []
    const known = new Set(valueLines(block).keys())
    const added = [...valueLines(wanted)].flatMap(([name, line]) => (known.has(name) ? [] : [line]))
    if (added.length === 0) return []
    const at = block.end - 1
    const first = block.file.content[at - 1] === '\n' ? '' : '\n'
    return [{ path: block.file.path, start: at, end: at, text: `${first}${added.join('\n')}\n` }]
  })
  return withEdits(before, edits)
}

function enumBlocks(files: readonly SchemaFile[]): Block[] {
  return files.flatMap((file) => blocksOf(file)).filter(({ keyword }) => keyword === 'enum')
}

/** The lines of the values, by name. */
function valueLines({ file, body }: Block): Map<string, string> {
  const lines = new Map<string, string>()
  let before: number | undefined
  for (const { kind, text, start } of body) {
    if (kind === 'newline') before = undefined
    else if (before === undefined && kind === 'word') {
      const end = file.content.indexOf('\n', start)
      lines.set(text, `  ${file.content.slice(start, end === -1 ? undefined : end).trimEnd()}`)
      before = start
    } else before ??= start
  }
  return lines
}
