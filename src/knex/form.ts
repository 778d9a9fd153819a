/** Migrations in Knex's form: an ES module with `up(knex)` and `down(knex)`, as `migration.mjs` in a folder or as a file of Knex's. */
import type { Knex } from 'knex'
import type { Client, Provider } from '../../engines/engine.js'
import type { KnexForm } from '../migrations/migration.js'
import { standsFor } from '../migrations/plain.js'
import { templateLiteral } from '../migrations/writer.js'

/** Whether a module's exports have Knex's form. */
export function isKnexForm(loaded: unknown): loaded is KnexForm {
  const { up, down } = (loaded ?? {}) as Record<string, unknown>
  return typeof up === 'function' && typeof down === 'function'
}

/** What makes Knex build a table of SQLite's anew. */
const REBUILDS =
  /\.(?:dropColumns?|alter|alterTable|dropForeign|dropPrimary|dropTimestamps|setNullable|dropNullable|foreign|primary|references)\s*\(/
/** SQLite ignores this pragma inside a transaction, so it must be known before the transaction begins. */
export const FOREIGN_KEYS_OFF = /PRAGMA\s+foreign_keys\s*=\s*(off|0|false|no)\b/i

/**
 * Whether SQLite's foreign keys have to be off while the code runs: in a transaction its own pragma does nothing, and where
 * Knex drops the old of a table that it has built anew, the rows of its children would go, too.
 */
export function needsForeignKeysOff(code: Pick<KnexForm, 'up' | 'down'> | undefined): boolean {
  return [code?.up, code?.down].some(
    (f) => f !== undefined && (FOREIGN_KEYS_OFF.test(sourceOf(f)) || REBUILDS.test(sourceOf(f))),
  )
}

/**
 * An `await` whose value goes somewhere, or a `then` that takes one. What a function returns is used where it is called, and
 * there it is awaited again.
 */
const USES_ANSWERS =
  /(?:[=([,!<?:&|+*%-]|(?<!=)>|\b(?:of|in|case|typeof))\s*await\b|\.then\s*\(\s*(?!(?:async\s*)?(?:\(\s*\)|function\s*\w*\s*\(\s*\)))/

/** Whether code may use what a statement answers: then what it sends next is not the same in every database. */
export function usesAnswers(source: string): boolean {
  return USES_ANSWERS.test(source)
}

/** An operation that runs one direction on the connection that rays holds. */
export function overClient(
  run: (knex: Knex) => unknown,
  provider: Provider,
  folder: string,
): (argument: { client: Client }) => Promise<void> {
  const operation = async ({ client }: { client: Client }) => {
    const { knexOver } = await import('./over-client.js')
    await run(knexOver(client, provider, folder))
  }
  Object.defineProperty(operation, 'name', {
    value: typeof run.name === 'string' && run.name !== '' ? run.name : 'knex',
  })
  standsFor(operation, run)
  return operation
}

/** One statement of a migration with its parameters. */
export interface Statement {
  readonly sql: string
  readonly params?: readonly unknown[]
  /** Instead of a statement: code that somebody has to bring over, as a comment. */
  readonly comment?: string
}

export interface RenderKnex {
  readonly up: readonly Statement[]
  /** Undefined: there is no way down. */
  readonly down: readonly Statement[] | undefined
  readonly notes: readonly string[]
  readonly provider: Provider
  readonly module: 'esm' | 'commonjs' | 'typescript'
  readonly transaction?: boolean
  /** Comment lines at the top. */
  readonly head?: readonly string[]
  readonly wrapping?: Wrapping
}

/** What is around the statements of each direction. */
export interface Wrapping {
  /** Calls to which the statements are given as a function, the outermost first, each up to its last argument. */
  readonly calls: readonly string[]
  /** Inside of them: statements before and after, which are not themselves inside of `call`. */
  readonly inside?: {
    readonly before: readonly string[]
    readonly call: string | undefined
    readonly after: readonly string[]
  }
  /** The functions that are called, as they stand at the end of the file. */
  readonly helpers: readonly string[]
}

/** The text of a migration in Knex's form. */
export function renderKnexMigration(migration: RenderKnex): string {
  const { module, provider } = migration
  const type = module === 'typescript' ? ': Knex' : ''
  const returns = module === 'typescript' ? ': Promise<void>' : ''
  const name = (way: string) =>
    module === 'commonjs'
      ? `exports.${way} = async function ${way}(knex)`
      : `export async function ${way}(knex${type})${returns}`
  const end = module === 'commonjs' ? '};' : '}'
  const body = (statements: readonly Statement[]) => wrapped(statements, provider, migration.wrapping)
  const up = [`${name('up')} {`, ...body(migration.up), end]
  const notes = migration.notes.map((note) => `  // ${note.replace(/\s+/g, ' ')}`)
  const down = [
    `${name('down')} {`,
    ...notes,
    ...(migration.down ? body(migration.down) : ["  throw new Error('This migration cannot be undone.');"]),
    end,
  ]
  const config =
    migration.transaction === false
      ? [`${module === 'commonjs' ? 'exports.config =' : 'export const config ='} { transaction: false };`]
      : []
  const head = [
    ...(migration.head ?? []).map((line) => `// ${line}`),
    ...(module === 'typescript' ? ["import type { Knex } from 'knex';"] : []),
  ]
  const helpers = (migration.wrapping?.helpers ?? []).map((helper) => [helper])
  return `${[head, up, down, config, ...helpers]
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n')}\n`
}

/** The lines of a direction. */
function wrapped(statements: readonly Statement[], provider: Provider, wrapping?: Wrapping): string[] {
  const { calls = [], inside } = wrapping ?? {}
  const render = (list: readonly Statement[]) => list.map((statement) => line(statement, provider))
  const texts = (list: readonly string[] = []) => render(list.map((sql) => ({ sql })))
  const within = (call: string, lines: readonly string[]) => [
    `  await ${call}async (knex) => {`,
    ...lines.map((each) => `  ${each}`),
    '  });',
  ]
  if (statements.length === 0) return []
  const all = inside?.call === undefined ? render(statements) : within(inside.call, render(statements))
  return calls.reduceRight(
    (lines, call) => within(call, lines),
    [...texts(inside?.before), ...all, ...texts(inside?.after)],
  )
}

function line({ sql, params = [], comment }: Statement, provider: Provider): string {
  if (comment !== undefined) return comment.replace(/^/gm, '  // ').replace(/ +$/gm, '')
  const marks = params.length > 0
  // Knex takes `?` for a parameter: everywhere on PostgreSQL, elsewhere only beside parameters.
  const escaped = marks
    ? sql.replace(/:\?|\?/g, (mark) => (mark === ':?' ? '?' : '\\?'))
    : provider === 'postgresql'
      ? sql.replace(/\?/g, '\\?')
      : sql
  return `  await knex.raw(${templateLiteral(escaped)}${marks ? `, [${params.map(code).join(', ')}]` : ''});`
}

/** A parameter as code. */
function code(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Date) return `new Date(${JSON.stringify(value.toISOString())})`
  if (value instanceof Uint8Array) return `Buffer.from('${Buffer.from(value).toString('base64')}', 'base64')`
  return JSON.stringify(value) ?? 'null'
}

/** Its text, whatever it answers itself. */
function sourceOf(f: unknown): string {
  return typeof f === 'function' ? Function.prototype.toString.call(f) : ''
}
