/** What changed between two schemas, line by line, as a person would read it. Pure. */

import { type Block, blocksOf, isConfig } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'

export interface DiffLine {
  /** `+` is new, `-` is gone, ` ` stays. */
  readonly mark: '+' | '-' | ' '
  readonly text: string
}

/** One changed block with all of its lines. */
export interface BlockDiff {
  readonly keyword: string
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly lines: readonly DiffLine[]
}

/**
 * The models, enums, types and views that differ, each with all of its lines. White space alone is no difference;
 * datasource and generator blocks are left out.
 */
export function diffSchemas(before: readonly SchemaFile[] | undefined, after: readonly SchemaFile[]): BlockDiff[] {
  const old = blocks(before ?? [])
  const now = blocks(after)
  const diffs: BlockDiff[] = []
  for (const [key, block] of now) {
    const previous = old.get(key)
    const lines = diffLines(previous ? linesOf(previous) : [], linesOf(block))
    if (previous && lines.every(({ mark }) => mark === ' ')) continue
    diffs.push({ keyword: block.keyword, name: block.name, change: previous ? 'changed' : 'added', lines })
  }
  for (const [key, block] of old) {
    if (now.has(key)) continue
    diffs.push({ keyword: block.keyword, name: block.name, change: 'removed', lines: diffLines(linesOf(block), []) })
  }
  return diffs
}

/** The diff as text: each line behind its mark, blocks apart by an empty line. */
export function diffText(diffs: readonly BlockDiff[]): string {
  return diffs.map(({ lines }) => lines.map(({ mark, text }) => `${mark} ${text}`.trimEnd()).join('\n')).join('\n\n')
}

function blocks(files: readonly SchemaFile[]): Map<string, Block> {
  const found = files.flatMap((file) => blocksOf(file)).filter((block) => !isConfig(block))
  return new Map(found.map((block) => [`${block.keyword} ${block.name}`, block]))
}

function linesOf({ file, start, end }: Block): string[] {
  const lines = file.content.slice(start, end).split(/\r\n|\n|\r/)
  return lines.map((line) => line.trimEnd()).filter((line) => line.trim() !== '')
}

/** The longest common subsequence of lines stays; what compares equal but for white space is shown as it is now. */
function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const same = (i: number, j: number) => squeeze(before[i]!) === squeeze(after[j]!)
  const longest = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      longest[i]![j] = same(i, j) ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!)
    }
  }
  const lines: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && same(i, j)) {
      lines.push({ mark: ' ', text: after[j++]! })
      i++
    } else if (i < before.length && (j === after.length || longest[i + 1]![j]! >= longest[i]![j + 1]!)) {
      lines.push({ mark: '-', text: before[i++]! })
    } else lines.push({ mark: '+', text: after[j++]! })
  }
  return lines
}

const squeeze = (line: string) => line.trim().replace(/\s+/g, ' ')
