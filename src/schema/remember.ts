/** Asks a schema engine each question about schema texts once. */
import type { Connection } from '../../engines/engine.js'
import type { Beside, DiffOptions, SchemaDiff, SchemaEngine, SchemaState } from './schema-engine.js'

/**
 * The engine with its diffs between two texts kept: the steps of a command ask for the same ones, and the answer can only
 * be the same. A live database is looked at every time.
 */
export function rememberTexts(engine: SchemaEngine): SchemaEngine {
  const known = new Map<string, Promise<SchemaDiff>>()
  const { beside } = engine
  return {
    introspect: (connection, context) => engine.introspect(connection, context),
    validate: (files) => engine.validate(files),
    ...(beside && { beside: (connection: Connection) => beside(connection) }),
    diff: async (from, to, options = {}) => {
      const [question, whole] = [keyOf(from, to, options, false), keyOf(from, to, options, true)]
      if (question === undefined || whole === undefined) return engine.diff(from, to, options)
      const wanted = options.summary === false ? question : whole
      // An answer with the summary answers the question without it as well.
      const found = known.get(whole) ?? known.get(wanted)
      if (found) return found
      const answer = engine.diff(from, to, options)
      known.set(wanted, answer)
      return answer
    },
  }
}

const read = new WeakMap<Beside, number>()
let count = 0

/** The same for what was read at one time. */
function numberOf(beside: Beside | undefined): number | undefined {
  if (beside === undefined) return undefined
  const number = read.get(beside) ?? ++count
  read.set(beside, number)
  return number
}

function keyOf(from: SchemaState, to: SchemaState, options: DiffOptions, summary: boolean): string | undefined {
  if (from.kind === 'database' || to.kind === 'database') return undefined
  return JSON.stringify([from, to, { ...options, beside: numberOf(options.beside), summary }])
}
