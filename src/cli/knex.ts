import { UsageError } from '../errors.js'

/** The other tool whose migrations `import` and `export` know. @throws {UsageError} for any other */
export function onlyKnex(format: string, command: string): void {
  if (format === 'knex') return
  throw new UsageError(`rays does not know ${format}.`, { hint: `rays ${command} knex ./migrations` })
}
