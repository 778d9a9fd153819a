/** Shorthands for planner tests: schemas as text, without the datasource block. */
import {
  type MigrationPlan,
  NO_TABLES,
  type PlanOptions,
  planMigration,
  readSchema,
  type Tables,
} from '../../../engines/mysql/planner/index.js'

export const DATASOURCE = 'datasource db {\n  provider = "mysql"\n}\n'

/** The tables of a schema; '' is the empty database. */
export async function tablesOf(models: string, datasource = DATASOURCE): Promise<Tables> {
  if (models.trim() === '') return NO_TABLES
  return readSchema([{ path: 'schema.prisma', content: `${datasource}\n${models}\n` }])
}

export type PlanTestOptions = PlanOptions & { readonly view?: 'schema' | 'database' }

/** The plan between two schemas. */
export async function planOf(before: string, after: string, options: PlanTestOptions = {}): Promise<MigrationPlan> {
  const { view = 'database', ...rest } = options
  return planMigration({ from: await tablesOf(before), to: await tablesOf(after), view, ...rest })
}

/** The SQL between two schemas. */
export async function sqlOf(before: string, after: string, options?: PlanTestOptions): Promise<string> {
  return (await planOf(before, after, options)).script
}

/** All downs in the order in which they run. */
export function downsOf(plan: MigrationPlan): string[] {
  return [...plan.steps].reverse().flatMap(({ down }) => down)
}
