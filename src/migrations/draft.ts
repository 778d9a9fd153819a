/**
 * A migration that is not on disk yet: assembled once, proven, written whole. Everybody who makes a migration makes one of
 * these, so that a column of the README or a line of the code is added in this place.
 */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { snapshotOf } from '../schema/prisma-schema.js'
import type { SchemaFile } from '../schema/schema-engine.js'
import type { Answers } from './answers.js'
import { completeMigration, type NewMigration, writeMigration } from './directory.js'
import type { Migration } from './migration.js'
import type { PlannedOperation } from './operations.js'
import { renderMigration, renderReadme } from './writer.js'

/** The text of a migration's code, where its operations alone do not tell it. */
export interface DraftCode {
  readonly text: string
  readonly extension: NewMigration['codeExtension']
}

export interface Draft {
  /** The name behind the timestamp, already safe. */
  readonly slug: string
  /** migration.sql: the way up as Prisma runs it. */
  readonly script: string
  /** The operations; undefined for a migration that stays without code, as Prisma makes it. */
  readonly operations: readonly PlannedOperation[] | undefined
  /** False: it asks to run outside of a transaction. */
  readonly transaction?: boolean
  /** The name of the migration before it; null for the first of all. */
  readonly follows?: string | null
  readonly answers?: Answers
  readonly code?: DraftCode
  /** The schema that it leads to. */
  readonly after: readonly SchemaFile[]
  /** What README.md says beside the SQL; undefined for none. */
  readonly readme?: DraftReadme | undefined
}

export interface DraftReadme {
  /** The difference of the schemas in words; '' where there is none to tell. */
  readonly summary: string
  /** What the up loses or may fail on. */
  readonly warnings: readonly string[]
  /** What the down fills, loses or refuses. */
  readonly notes: readonly string[]
  /** The schema before it (in it undefined: there was none); without this nothing is said of models and fields. */
  readonly from?: { readonly schema: readonly SchemaFile[] | undefined }
}

/** How the migrations of a project are written. */
export interface DraftPlace {
  readonly root: string
  /** What `.js` files of the project are. */
  readonly module: 'commonjs' | 'esm'
  readonly layout: NewMigration['snapshot']['layout']
  readonly insideSchemaFolder: boolean
  readonly provider: string
}

/** The statements of the way down, in the order in which they run. */
export function downOf(operations: readonly PlannedOperation[]): string[] {
  return [...operations].reverse().flatMap(({ down }) => down?.statements ?? [])
}

function codeOf(draft: Draft, module: DraftPlace['module']): DraftCode | undefined {
  const { code, operations, transaction, follows, answers } = draft
  if (code !== undefined || operations === undefined) return code
  const options = {
    module,
    ...(transaction !== undefined && { transaction }),
    ...(follows !== undefined && { follows }),
    ...(answers && { answers }),
  }
  return { text: renderMigration({ operations }, options), extension: 'js' }
}

function readmeOf({ slug, script, operations, answers, after, readme }: Draft): string | undefined {
  if (readme === undefined) return undefined
  const { summary, warnings, notes, from } = readme
  const down = downOf(operations ?? [])
    .map((statement) => `${statement};`)
    .join('\n')
  const schemas = from && {
    before: from.schema && snapshotOf(from.schema),
    after: snapshotOf(after),
    renames: answers?.renames ?? [],
  }
  return renderReadme({
    name: slug,
    schemaDiffSummary: summary,
    ...(schemas && { schemas }),
    up: script,
    down,
    warnings,
    notes,
  })
}

function snapshotIn({ layout, insideSchemaFolder }: DraftPlace, { after }: Draft): NewMigration['snapshot'] {
  return { layout, files: snapshotOf(after), insideSchemaFolder }
}

/**
 * Writes the folder of the migration: whole, or not at all. Returns its name.
 * @param at the moment of its timestamp
 * @throws {FailedError} where the folder cannot be written; nothing is left behind
 */
export function writeDraft(draft: Draft, place: DraftPlace, at?: Date): Promise<{ name: string; directory: string }> {
  const code = codeOf(draft, place.module)
  return writeMigration(place.root, {
    safeName: draft.slug,
    script: draft.script,
    code: code?.text,
    codeExtension: code?.extension ?? 'js',
    readme: readmeOf(draft),
    snapshot: snapshotIn(place, draft),
    provider: place.provider,
    ...(at && { at }),
  })
}

/** Gives a migration that is there the files of the draft that it lacks. */
export function completeFrom(draft: Draft, place: DraftPlace, migration: Migration): Promise<void> {
  const code = codeOf(draft, place.module)
  const readme = readmeOf(draft)
  return completeMigration(migration, {
    ...(code && { code: code.text }),
    ...(readme !== undefined && { readme }),
    snapshot: snapshotIn(place, draft),
  })
}

/**
 * Lays the code and the script of the draft into a folder that is there, to be run from it.
 * @param name what errors call it
 */
export async function layOut(draft: Draft, folder: string, name: string): Promise<Migration> {
  const { text, extension } = draft.code ?? { text: codeOf(draft, 'commonjs')?.text ?? '', extension: 'cjs' }
  const codeFile = path.join(folder, `migration.${extension}`)
  const sqlFile = path.join(folder, 'migration.sql')
  await writeFile(codeFile, text)
  await writeFile(sqlFile, draft.script)
  return { name, directory: folder, timestamp: undefined, codeFile, sqlFile, snapshotPath: undefined }
}
