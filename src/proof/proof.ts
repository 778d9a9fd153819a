/**
 * The round trip that proves a migration before it is written: up, down and up again on one shadow database, and
 * Prisma's script on another. After each step the live schema must be the one that it should be, and the rows that
 * both schemas can hold must still be there.
 */
import type { Connection, ErrorInfo, Shadow, ShadowRequest } from '../../engines/engine.js'
import type { DiffOptions, SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { splitStatements, tokens } from '../../engines/sql/scanner.js'
import { FailedError } from '../errors.js'
import { runDirection } from '../history/direction.js'
import { OperationFailure, operationError } from '../history/operation.js'
import type { LoadedMigration } from '../migrations/migration.js'
import { createExternal } from './external.js'
import { type Contents, type FilledColumns, fillTables, lostRows, readContents } from './rows.js'

export interface ProofRequest {
  readonly schemaEngine: SchemaEngine
  /** The schema before the migration; undefined for the very first. */
  readonly previous: readonly SchemaFile[] | undefined
  readonly next: readonly SchemaFile[]
  /** The migration's code, loaded from the draft of the file that will be written. */
  readonly load: (connection: Connection) => Promise<LoadedMigration>
  /** The text of migration.sql. */
  readonly script: string
  /** The script that builds a schema from nothing. */
  readonly build: (files: readonly SchemaFile[]) => Promise<string>
  /** Opens an empty shadow database. */
  readonly openShadow: OpenShadow
  /** The two shadow databases are surely two: both may be open at once. */
  readonly apart: boolean
  /** Builds the state before the migration where the snapshot alone cannot (extensions, hand-made objects). */
  readonly replay: ((connection: Connection) => Promise<void>) | undefined
  readonly schemas: readonly string[]
  readonly filter?: DiffOptions
  /** Columns that get a value where they have none. */
  readonly filled?: FilledColumns | undefined
  /** The migration changes data or code of its own; only the schema is proven. */
  readonly onStage?: (stage: string) => void
}

export interface Proof {
  /** What the proof found out about filled tables: where the up or the down refuses. */
  readonly notes: readonly string[]
  /** The rows that the round trip was made with. */
  readonly rows: 'kept' | 'none'
}

/** The migration does not do what it should; it is not written. */
export class ProofError extends FailedError {
  constructor(stage: string, difference: string, options: { cause?: unknown; hint?: string } = {}) {
    super(`The migration was not written, because it failed its proof on the shadow database: ${stage}`, {
      code: 'E_PROOF',
      where: difference,
      hint:
        options.hint ??
        'This is the difference between what the migration does and what it should do. --no-verify writes it all the same.',
      cause: options.cause,
    })
  }
}

/** @throws {ProofError} naming the stage and the difference */
export async function prove(request: ProofRequest): Promise<Proof> {
  const shadows = new Shadows(request.openShadow, request.apart)
  try {
    const reference = await proveScript(request, await shadows.open('prisma'))
    await shadows.drop('prisma')
    return await proveOperations(request, await shadows.open('rays'), reference)
  } finally {
    await shadows.dropAll()
  }
}

type Purpose = ShadowRequest['purpose']
type OpenShadow = (purpose: Purpose) => Promise<Shadow>

/**
 * The two shadow databases. A server takes a while to make one and to drop one; where the two are apart, both are done
 * while the other is in use.
 */
class Shadows {
  readonly #opening = new Map<Purpose, Promise<Shadow>>()
  readonly #dropping = new Map<Purpose, Promise<void>>()

  constructor(
    readonly openShadow: OpenShadow,
    readonly apart: boolean,
  ) {}

  async open(purpose: Purpose): Promise<Connection> {
    const opening = this.#start(purpose)
    if (this.apart) this.#start('rays')
    return (await opening).connection
  }

  /** Waits for the end of it only where the other database needs it gone. */
  async drop(purpose: Purpose): Promise<void> {
    const dropping = this.#drop(purpose)
    if (!this.apart) await dropping
  }

  async dropAll(): Promise<void> {
    await Promise.all([...this.#opening.keys()].map((purpose) => this.#drop(purpose)))
  }

  #start(purpose: Purpose): Promise<Shadow> {
    const opening = this.#opening.get(purpose) ?? this.openShadow(purpose)
    this.#opening.set(purpose, opening)
    // Whoever uses it is told; until then nobody waits for it.
    opening.catch(() => undefined)
    return opening
  }

  #drop(purpose: Purpose): Promise<void> {
    const dropping =
      this.#dropping.get(purpose) ??
      this.#opening.get(purpose)!.then(
        (shadow) => shadow.dispose(),
        () => undefined,
      )
    this.#dropping.set(purpose, dropping)
    dropping.catch(() => undefined)
    return dropping
  }
}

/** A state of a live database that is known to be right. */
interface Reference {
  /** Its whole structure: a database with the same is right, and the schema engine need not be asked again. */
  readonly structure: string
  /** What differs between it and its schema for ever: the noise to expect. Undefined where it was not looked for. */
  readonly noise: string | undefined
}

/** Prisma's script on its own shadow. Returns the state that it led to. */
async function proveScript(request: ProofRequest, connection: Connection): Promise<Reference> {
  request.onStage?.('migration.sql')
  refuseBackslashes(connection, request.script)
  await buildPrevious(connection, request)
  await connection.script(request.script).catch((error: unknown) => {
    throw scriptError(connection, error, request.script)
  })
  const structure = await structureOf(connection, request)
  const difference = await residual(request, connection, request.next)
  if (difference === '') return { structure, noise: '' }
  // Some schemas differ from their own database for ever (Prisma normalises defaults): that is no fault of the script.
  await connection.reset(request.schemas)
  await buildFrom(connection, request, request.next)
  const noise = await residual(request, connection, request.next)
  if (noise !== difference)
    throw new ProofError('after migration.sql the database differs from the schema.', difference)
  return { structure, noise }
}

/** A server may read a backslash in a text as it stands, and not as the scripts that are generated for its kind mean it. */
function refuseBackslashes({ engine, syntax }: Connection, script: string): void {
  if (syntax.backslashEscapes === engine.syntax.backslashEscapes || !script.includes('\\')) return
  const texts = [...tokens(script, engine.syntax)].filter(({ kind }) => kind === 'string')
  const found = texts.map(({ start, end }) => script.slice(start, end)).find((text) => text.includes('\\'))
  if (found === undefined) return
  throw new ProofError(
    'this server takes a backslash in a text for itself (NO_BACKSLASH_ESCAPES), and migration.sql writes it as an escape.',
    found,
    {
      hint: 'Leave the backslash out of the schema and set it in an operation of your own, or take NO_BACKSLASH_ESCAPES out of the sql_mode of the server.',
    },
  )
}

function scriptError(connection: Connection, error: unknown, script: string): ProofError {
  const info: ErrorInfo = connection.engine.explain(error)
  const near = info.position === undefined ? '' : `\n${script.slice(info.position, info.position + 200).split('\n')[0]}`
  return new ProofError(
    `the database refused migration.sql: ${info.message} (${info.code})`,
    `${info.detail ?? ''}${near}`.trim(),
    {
      cause: error,
      hint: 'The schema asks for something that the database does not accept; correct the schema.',
    },
  )
}

async function proveOperations(request: ProofRequest, connection: Connection, reference: Reference): Promise<Proof> {
  await buildPrevious(connection, request)
  const loaded = await request.load(connection)
  const previous = { structure: await structureOf(connection, request), noise: undefined }
  const round = new RoundTrip(request, connection, loaded, { previous, next: reference })
  const filled = request.previous === undefined ? { tables: [] } : await fillTables(connection, request.schemas)
  if (filled.tables.length === 0) {
    await round.run(false)
    return { notes: [], rows: 'none' }
  }
  const refusal = await round.run(true)
  if (refusal === undefined) return { notes: [], rows: 'kept' }
  // Rows that do not fit are the person's to decide; the schema must be proven all the same.
  await connection.reset(request.schemas)
  await buildPrevious(connection, request)
  await round.run(false)
  return { notes: [refusal], rows: 'none' }
}

class RoundTrip {
  constructor(
    readonly request: ProofRequest,
    readonly connection: Connection,
    readonly loaded: LoadedMigration,
    readonly reference: { readonly previous: Reference; readonly next: Reference },
  ) {}

  /** Up, down, up. Returns why filled tables refuse it, where they do; undefined when all went well. */
  async run(filled: boolean): Promise<string | undefined> {
    const { request, connection, reference } = this
    const before = filled ? await readContents(connection, request.schemas) : undefined
    request.onStage?.('up')
    const upRefusal = await this.#direction('up', filled)
    if (upRefusal) return `The up refuses tables with rows: ${upRefusal}`
    const wrong = await this.#difference(request.next, reference.next)
    if (wrong) throw new ProofError('after the up the database differs from the schema.', wrong)
    const middle = await this.#compare('the up', before, [])
    if (this.loaded.operations.some((pair) => pair[1] === null)) return undefined
    request.onStage?.('down')
    const downRefusal = await this.#direction('down', filled)
    if (downRefusal) return `The down refuses tables with rows: ${downRefusal}`
    const doubt = await this.#difference(request.previous, reference.previous)
    await this.#compare('up and down', before, middle ? [middle] : [])
    request.onStage?.('up again')
    const again = await this.#upAgain(filled).catch((error: unknown) => ({ error }))
    if (doubt && doubt !== (await this.#noiseOfPrevious()))
      throw new ProofError('after the down the database differs from the schema before it.', doubt)
    if (typeof again === 'object') throw again.error
    return again
  }

  async #upAgain(filled: boolean): Promise<string | undefined> {
    const { request, reference } = this
    const refusal = await this.#direction('up', filled)
    if (refusal) return `The up refuses tables with rows: ${refusal}`
    const wrong = await this.#difference(request.next, reference.next)
    if (wrong) throw new ProofError('after up, down and up again the database differs from the schema.', wrong)
    return undefined
  }

  async #direction(direction: 'up' | 'down', filled: boolean): Promise<string | undefined> {
    const { connection, loaded } = this
    try {
      await runDirection({ connection, loaded, direction })
      return undefined
    } catch (error) {
      const cause = error instanceof OperationFailure ? error.cause : error
      const info = connection.engine.explain(cause)
      if (filled && info.kind === 'data') return info.message
      const told = operationError(error, { connection, direction }, loaded, '')
      throw new ProofError(`the ${direction} failed: ${told.message.trim()}`, told.where ?? '', { cause: error })
    }
  }

  /** How the database differs from what it should be, or ''. */
  async #difference(files: readonly SchemaFile[] | undefined, reference: Reference): Promise<string> {
    if ((await structureOf(this.connection, this.request)) === reference.structure) return ''
    const difference = await residual(this.request, this.connection, files)
    if (difference === (reference.noise ?? '')) return ''
    return difference === '' ? reference.noise! : difference
  }

  /** What the state before the migration differs in from its own schema for ever. Takes the database for it. */
  async #noiseOfPrevious(): Promise<string> {
    const { request, connection } = this
    await connection.reset(request.schemas)
    await buildPrevious(connection, request)
    return residual(request, connection, request.previous)
  }

  async #compare(what: string, before: Contents | undefined, held: readonly Contents[]): Promise<Contents | undefined> {
    if (before === undefined) return undefined
    const now = await readContents(this.connection, this.request.schemas)
    const lost = lostRows(before, now, held, this.request.filled)
    if (lost.length > 0) throw new ProofError(`${what} lost rows that both schemas can hold.`, lost.join('\n'))
    return now
  }
}

/** The script from the live database to a schema: '' when they are the same. */
async function residual(
  request: ProofRequest,
  connection: Connection,
  files: readonly SchemaFile[] | undefined,
): Promise<string> {
  const to: SchemaState = files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
  const diff = await request.schemaEngine.diff(
    { kind: 'database', connection, context: files ?? request.next },
    to,
    request.filter,
  )
  return diff.empty ? '' : diff.script.trim()
}

/** The structure as one text; the order of columns does not count, as it does not for Prisma. */
async function structureOf(connection: Connection, { schemas }: ProofRequest): Promise<string> {
  return (await connection.engine.structure(connection, schemas)).lines.join('\n')
}

async function buildPrevious(connection: Connection, request: ProofRequest): Promise<void> {
  if (request.previous === undefined) return makeExternal(connection, request)
  try {
    await buildFrom(connection, request, request.previous)
  } catch (error) {
    if (request.replay === undefined) throw error
    await connection.reset(request.schemas)
    await makeExternal(connection, request)
    await request.replay(connection)
  }
}

async function buildFrom(connection: Connection, request: ProofRequest, files: readonly SchemaFile[]): Promise<void> {
  await makeExternal(connection, request)
  const script = await request.build(files)
  if (script === '') return
  // Where a script is a message for each statement, a server that is far away is spared most of them.
  if (!connection.engine.transactionalDdl) {
    const statements = splitStatements(script, connection.syntax).map(({ text }) => text)
    const built = await connection.batch(statements).catch(() => undefined)
    if (built) return
    await connection.reset(request.schemas)
    await makeExternal(connection, request)
  }
  await connection.script(script)
}

/** What is managed elsewhere is there before and after the migration, as the newer schema that knows it shows it. */
async function makeExternal(connection: Connection, { schemaEngine, next, previous, filter }: ProofRequest) {
  for (const files of [next, previous ?? []]) await createExternal(connection, schemaEngine, files, filter ?? {})
}
