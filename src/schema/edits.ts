/** Changes to the text of schema files. Pure. */
import type { SchemaFile } from '../../engines/schema-engine.js'

export interface Edit {
  readonly path: string
  /** The characters that are replaced, by their places in the file. */
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The files with all changes made, which do not overlap. */
export function withEdits(files: readonly SchemaFile[], edits: readonly Edit[]): SchemaFile[] {
  return files.map((file) => ({
    ...file,
    content: edits
      .filter(({ path }) => path === file.path)
      .sort((a, b) => b.start - a.start)
      .reduce((content, { start, end, text }) => content.slice(0, start) + text + content.slice(end), file.content),
  }))
}
