/** Names of a schema that the database would not keep as they are, or that Prisma's engine cannot write. */
import type { Engine } from '../../engines/engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { SchemaInvalidError } from '../errors.js'
import { bullets } from '../text.js'
import { enumTypesOf, modelsOf } from './fields.js'

/**
 * @param before the schema that is there: what has such a name already may keep it, as Prisma lets it
 * @param namespace the database schema in which everything is made that names none
 * @throws {SchemaInvalidError} naming every one
 */
export function refuseUnfitNames(
  engine: Pick<Engine, 'quote' | 'planner'>,
  files: readonly SchemaFile[],
  before: readonly SchemaFile[] | undefined,
  namespace: string | undefined,
): void {
  const had = new Set(before === undefined ? [] : namesOf(before))
  const names = new Set([
    ...(namespace === undefined ? [] : [namespace]),
    ...namesOf(files).filter((name) => !had.has(name)),
  ])
  const problems = [...names].flatMap((name) => problemOf(engine, name) ?? [])
  if (problems.length === 0) return
  throw new SchemaInvalidError(`The schema has names that cannot be used:\n${bullets(problems)}`, {
    hint: 'Give them others in the database with @map or @@map; that of a database schema is in the URL or in @@schema.',
  })
}

function namesOf(files: readonly SchemaFile[]): string[] {
  const models = modelsOf(files).flatMap(({ table, schema, fields }) => [
    table,
    ...(schema === undefined ? [] : [schema]),
    ...fields.map(({ column }) => column),
  ])
  return [...models, ...enumTypesOf(files)]
}

function problemOf(engine: Pick<Engine, 'quote' | 'planner'>, name: string): string | undefined {
  let quoted: string
  try {
    quoted = engine.quote(name)
  } catch (error) {
    return (error as Error).message
  }
  const mark = quoted.charAt(0)
  // Prisma's engine puts a name between quotation marks as it is.
  return engine.planner === undefined && name.includes(mark)
    ? `${JSON.stringify(name)} holds a quotation mark, and Prisma's engine does not double it`
    : undefined
}
