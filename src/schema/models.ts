/** The models of a schema apart from its configuration: comparing them, and putting those of a snapshot in their place. Pure. */

import { type Block, blocksOf, isConfig, tokenize } from '../../engines/psl.js'
import type { SchemaFile } from '../../engines/schema-engine.js'

export interface SchemaSource {
  /** Absolute path of the schema file or of the folder. */
  readonly path: string
  readonly layout: 'file' | 'folder'
  /** In byte order of their paths, which are relative to the folder that holds the file or is the schema. */
  readonly files: readonly SchemaFile[]
}

/**
 * Whether two schemas describe the same database: the same models, enums, types and views, whatever the order, the
 * files, the white space and the datasource and generator blocks. Comments count only when asked for: two schemas that
 * differ in comments make the same database, but replacing one by the other would lose someone's text.
 */
export function sameModels(
  a: readonly SchemaFile[],
  b: readonly SchemaFile[],
  options: { readonly comments?: boolean } = {},
): boolean {
  return sameModelsAs(a, options)(b)
}

/** {@link sameModels} for one schema that is compared with many. */
export function sameModelsAs(
  a: readonly SchemaFile[],
  { comments = false }: { readonly comments?: boolean } = {},
): (b: readonly SchemaFile[]) => boolean {
  let wanted: string | undefined
  return (b) => {
    if (a.length === 1 && b.length === 1 && a[0]!.content === b[0]!.content) return true
    wanted ??= fingerprint(a, comments)
    return fingerprint(b, comments) === wanted
  }
}

function fingerprint(files: readonly SchemaFile[], comments: boolean): string {
  const parts: string[] = []
  for (const file of files) {
    const tokens = tokenize(file.content)
    const blocks = blocksOf(file, tokens)
    for (const block of blocks) {
      if (!isConfig(block)) parts.push(`${block.keyword} ${block.name} {${bodyText(block, comments)}}`)
    }
    // What lies outside of every block: comments, and stray text that the engine is going to refuse.
    let at = 0
    for (const token of tokens) {
      while (at < blocks.length && blocks[at]!.end < token.end) at++
      if (at < blocks.length && token.start >= blocks[at]!.start) continue
      if (token.kind === 'newline' || (token.kind === 'comment' && !comments)) continue
      if (token.kind === 'comment' && configComment(file, blocks, token.start)) continue
      parts.push(token.text.trimEnd())
    }
  }
  return JSON.stringify(parts.sort())
}

function bodyText(block: Block, comments: boolean): string {
  let text = ''
  let depth = 0
  let pendingLine = false
  for (const token of block.body) {
    if (token.kind === 'comment' && !comments) continue
    if (token.kind === 'newline') {
      if (depth === 0) pendingLine = text !== ''
      continue
    }
    if (token.kind === 'symbol' && '([{'.includes(token.text)) depth++
    if (token.kind === 'symbol' && ')]}'.includes(token.text)) depth--
    text += `${pendingLine ? '\n' : ' '}${token.text.trimEnd()}`
    pendingLine = false
  }
  return text
}

function configComment(file: SchemaFile, blocks: readonly Block[], offset: number): boolean {
  return blocks.some(
    (block) => isConfig(block) && offset >= startWithComments(file.content, block) && offset < block.end,
  )
}

/** Where a block begins, with the lines of comment directly above it. */
function startWithComments(text: string, block: Block): number {
  let start = text.lastIndexOf('\n', block.start - 1) + 1
  if (text.slice(start, block.start).replace('\uFEFF', '').trim() !== '') return block.start
  while (start > 0) {
    const above = text.lastIndexOf('\n', start - 2) + 1
    if (!text.slice(above, start).replace('\uFEFF', '').trimStart().startsWith('//')) break
    start = above
  }
  return start === 0 && text.startsWith('\uFEFF') ? 1 : start
}

export interface SchemaChange {
  readonly write: readonly SchemaFile[]
  /** Paths, relative to the schema's root. */
  readonly remove: readonly string[]
}

/**
 * What has to be written so that the schema holds the models, enums, types and views of a snapshot, while datasource and
 * generator blocks stay as they are now, in the files in which they are now. Line ends and byte order mark stay, too.
 * Where the schema was split into files after the snapshot, each block goes to the file that holds it now.
 */
export function replaceModels(current: SchemaSource, snapshot: readonly SchemaFile[]): SchemaChange {
  const targets = current.layout === 'file' ? joined(current, snapshot) : spread(current, snapshot)
  const write: SchemaFile[] = []
  const remove: string[] = []
  for (const file of current.files) {
    const target = targets.get(file.path)
    targets.delete(file.path)
    const content = merge(file, target)
    if (content === undefined) remove.push(file.path)
    else if (content !== file.content) write.push({ path: file.path, content })
  }
  for (const [name, content] of targets) {
    const created = merge({ path: name, content: '' }, content, lineEnd(current.files[0]?.content ?? ''))
    if (created !== undefined) write.push({ path: name, content: created })
  }
  return { write, remove }
}

/** A schema of one file: the snapshot's text, all of it. */
function joined(current: SchemaSource, snapshot: readonly SchemaFile[]): Map<string, string> {
  const text = snapshot.map((file) => file.content.replace(/^\uFEFF/, '')).join(snapshot.length > 1 ? '\n' : '')
  return new Map([[current.files[0]!.path, text]])
}

function spread(current: SchemaSource, snapshot: readonly SchemaFile[]): Map<string, string> {
  const only = snapshot[0]
  if (!only || snapshot.length > 1 || current.files.length === 1) {
    return new Map(snapshot.map((file) => [file.path, file.content]))
  }
  const homes = new Map<string, string>()
  for (const file of current.files) {
    for (const block of blocksOf(file)) homes.set(`${block.keyword} ${block.name}`, file.path)
  }
  const main = current.files.find((file) => blocksOf(file).some((block) => block.keyword === 'datasource'))
  const fallback = (main ?? current.files[0]!).path
  const texts = new Map<string, string[]>()
  for (const block of blocksOf(only)) {
    if (isConfig(block)) continue
    const home = homes.get(`${block.keyword} ${block.name}`) ?? fallback
    const text = only.content.slice(startWithComments(only.content, block), block.end)
    texts.set(home, [...(texts.get(home) ?? []), text])
  }
  return new Map([...texts].map(([file, parts]) => [file, `${parts.join('\n\n')}\n`]))
}

/** The target's text with the config blocks of the present file; undefined where nothing would be left. */
function merge(file: SchemaFile, target: string | undefined, newline = lineEnd(file.content)): string | undefined {
  const own = blocksOf(file).filter(isConfig)
  const ownText = (block: Block) => file.content.slice(startWithComments(file.content, block), block.end)
  if (target === undefined) {
    return own.length === 0 ? undefined : withLineEnds(`${own.map(ownText).join('\n\n')}\n`, newline, file.content)
  }
  const bare = target.replace(/^\uFEFF/, '')
  const old = blocksOf({ path: file.path, content: bare }).filter(isConfig)
  const unplaced = new Set(own)
  let result = ''
  let position = 0
  let afterConfig = 0
  for (const block of old) {
    const start = startWithComments(bare, block)
    const match = own.find((o) => o.keyword === block.keyword && o.name === block.name && unplaced.has(o))
    result += bare.slice(position, start)
    position = block.end
    if (match) {
      result += ownText(match)
      unplaced.delete(match)
    } else {
      // The block's own line end and the blank lines behind it go with it.
      position += /^[^\S\r\n]*(?:\r\n|\n|\r)?(?:[^\S\r\n]*(?:\r\n|\n|\r))*/.exec(bare.slice(position))![0].length
    }
    afterConfig = result.length
  }
  const rest = bare.slice(position)
  const added = [...unplaced].map(ownText)
  if (added.length > 0) {
    const head = result.slice(0, afterConfig).replace(/[^\S\r\n]+$/, '')
    const tail = (result.slice(afterConfig) + rest).replace(/^\r?\n/, '')
    const above = head === '' || /\n\s*\n$/.test(head) ? '' : head.endsWith('\n') ? '\n' : '\n\n'
    const below = tail.trim() === '' || /^\r?\n/.test(tail) ? '' : '\n'
    result = `${head}${above}${added.join('\n\n')}\n${below}${tail}`
  } else result += rest
  if (result.trim() === '') return undefined
  return withLineEnds(result, newline, file.content)
}

function lineEnd(text: string): '\r\n' | '\n' {
  return text.includes('\r\n') ? '\r\n' : '\n'
}

function withLineEnds(text: string, newline: string, model: string): string {
  const bom = model.startsWith('\uFEFF') ? '\uFEFF' : ''
  // A text that mixes both kinds keeps its mixture: nothing of it is ours to repair.
  const mixed = /[^\r]\n/.test(model) && model.includes('\r\n')
  return bom + (mixed ? text : text.replace(/\r?\n/g, newline))
}
