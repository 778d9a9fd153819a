/** Two schemas that grew from one, brought together block by block and line by line. Pure. */
import { type Block, blocksOf, isConfig } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { diffSchemas } from './schema-diff.js'

/** What a change did to one block, as lines without their white space. */
export interface BlockChange {
  readonly keyword: string
  readonly name: string
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

const squeeze = (text: string) => text.replace(/\s+/g, ' ').trim()

/** The changed blocks with their lines. The lines that only open and close a block are left out. */
export function changesOf(before: readonly SchemaFile[] | undefined, after: readonly SchemaFile[]): BlockChange[] {
  return diffSchemas(before, after).map(({ keyword, name, lines }) => {
    const marked = (mark: string) =>
      lines.flatMap((line) => (line.mark === mark && /[^{}\s]/.test(line.text) ? [squeeze(line.text)] : []))
    return { keyword, name, added: marked('+'), removed: marked('-') }
  })
}

/** The changes that a schema does not have: lines that were added and are not there, lines that were removed and still are. */
export function lacking(changes: readonly BlockChange[], schema: readonly SchemaFile[]): BlockChange[] {
  const lines = linesByBlock(schema)
  return changes.filter(({ keyword, name, added, removed }) => {
    const own = lines.get(`${keyword} ${name}`)
    return added.some((line) => !own?.has(line)) || removed.some((line) => own?.has(line))
  })
}

function linesByBlock(files: readonly SchemaFile[]): Map<string, Set<string>> {
  const all = files.flatMap((file) => blocksOf(file))
  return new Map(
    all.map((block) => [`${block.keyword} ${block.name}`, new Set(textOf(block).split(/\r?\n/).map(squeeze))]),
  )
}

const textOf = ({ file, start, end }: Block) => file.content.slice(start, end)

/** Models and fields that two changes both touch: `User.name`, or `User` where both touch the block as a whole. */
export function overlap(a: readonly BlockChange[], b: readonly BlockChange[]): string[] {
  const fields = ({ added, removed }: BlockChange) => new Set([...added, ...removed].map((line) => line.split(' ')[0]!))
  return a.flatMap((mine) => {
    const theirs = b.find(({ keyword, name }) => keyword === mine.keyword && name === mine.name)
    if (!theirs) return []
    const both = [...fields(mine)].filter((field) => fields(theirs).has(field) && /^\w/.test(field))
    return both.length > 0 ? both.map((field) => `${mine.name}.${field}`) : [mine.name]
  })
}

/**
 * `theirs` with the changes that lead from `base` to `ours`. A block that only one side changed is that side's; in one
 * that both changed, our added lines go where they stood and our removed lines go away.
 */
export function mergeSchemas(
  base: readonly SchemaFile[],
  theirs: readonly SchemaFile[],
  ours: readonly SchemaFile[],
): SchemaFile[] {
  const changes = diffSchemas(base, ours)
  const files = theirs.map((file) => ({ ...file }))
  const main = files[0] ?? { path: 'schema.prisma', content: '' }
  for (const change of changes) {
    const isIt = (block: Block) => block.keyword === change.keyword && block.name === change.name
    const file = files.find((candidate) => blocksOf(candidate).some(isIt))
    const block = file && blocksOf(file).find(isIt)
    const mine = ours.flatMap((candidate) => blocksOf(candidate)).find(isIt)
    if (!file || !block) {
      if (mine) {
        const home = files.find(({ path }) => path === mine.file.path) ?? main
        home.content = `${home.content.trimEnd()}\n\n${textOf(mine)}\n`
      }
      continue
    }
    const untouched = base.flatMap((candidate) => blocksOf(candidate)).find(isIt)
    const unchanged = untouched !== undefined && squeeze(textOf(untouched)) === squeeze(textOf(block))
    const text = unchanged ? (mine ? textOf(mine) : '') : mine ? withLines(textOf(block), change.lines) : textOf(block)
    file.content = file.content.slice(0, block.start) + text + file.content.slice(block.end)
  }
  return files.filter((file) => blocksOf(file).some((block) => isConfig(block)) || file.content.trim() !== '')
}

/** The block's text with the removed lines left out and the added lines behind the line that they followed. */
function withLines(text: string, lines: ReturnType<typeof diffSchemas>[number]['lines']): string {
  const result = text.split(/\r?\n/)
  const find = (line: string) => result.findIndex((candidate) => squeeze(candidate) === squeeze(line))
  let after = 0
  for (const { mark, text: line } of lines) {
    const at = find(line)
    if (mark === '-') {
      if (at !== -1) result.splice(at, 1)
      if (at !== -1 && at <= after) after--
    } else if (at !== -1) after = at
    else if (mark === '+') result.splice(++after, 0, line)
  }
  return result.join('\n')
}
