/** `rays squash [<from>] <to>`: many migrations become one that leads to the very same structure. */

import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Connection, Engine, StatementSyntax, Structure } from '../../engines/engine.js'
import { describeStatement } from '../../engines/sql/statements.js'
import { shortPath } from '../config/short-path.js'
import { FailedError, UsageError } from '../errors.js'
import { settle } from '../files.js'
import { runDirection } from '../history/direction.js'
import { plan } from '../history/plan.js'
import { stopIfInterrupted } from '../interruption.js'
import { type Part as Course, courseOf } from '../migrations/course.js'
import { readScript, readSnapshot, safeName, targetOf } from '../migrations/directory.js'
import { type Draft, type DraftCode, type DraftPlace, layOut, writeDraft } from '../migrations/draft.js'
import { readForeign, runForeign } from '../migrations/foreign.js'
import { loadMigration } from '../migrations/load.js'
import type { LoadedMigration, Migration } from '../migrations/migration.js'
import type { PlannedOperation } from '../migrations/operations.js'
import { renderMigration } from '../migrations/writer.js'
import { replay } from '../proof/replay.js'
import { findReversal, missingExtensions, repairs } from '../proof/reversal.js'
import type { SchemaFile, SchemaState } from '../schema/schema-engine.js'
import { bullets } from '../text.js'
import { freePath, moveAll } from './aside.js'
import type { Context, Host } from './host.js'
import { type ClearShadow, folders, openProject, openShadow, type Project } from './project.js'
import { placeOf } from './schema-file.js'
import { runScript } from './script.js'

export interface SquashOptions {
  /** The first migration; default: the oldest. */
  readonly from?: string
  readonly to: string
  readonly name?: string
  readonly dryRun?: boolean
  readonly clearShadow?: ClearShadow | undefined
}

export interface SquashResult {
  readonly name: string
  readonly replaces: readonly string[]
  /** Migrations whose operations are code or change rows: kept as they are, in their order. */
  readonly kept: readonly string[]
  readonly operations: readonly string[]
  readonly script: string
  readonly written: boolean
  /** Where the originals were moved to; null where nothing was written. */
  readonly originals: string | null
}

/** @throws {UsageError} for a range that cannot be squashed; {@link FailedError} when the proof fails. Nothing is written then */
export async function squash(context: Context, options: SquashOptions): Promise<SquashResult> {
  const project = await openProject(context)
  const all = await folders(project)
  const range = await rangeOf(all, options)
  await refuseUnfit(range)
  const before = all.slice(0, all.indexOf(range[0]!))
  const shadow = await openShadow(project, context.host, 'rays', {
    clear: options.clearShadow,
    known: [project.schema.files],
  })
  // Beside the migrations and as deep, so that what kept code imports is found from here, too.
  const staging = await mkdtemp(path.join(path.dirname(project.config.migrationsDir), 'rays-squash-'))
  try {
    context.host.note(`Replaying ${range.length} migrations on a shadow database …`)
    const maker = new Squash(project, context.host, shadow.connection, before, range)
    const made = await maker.run()
    const last = range.at(-1)!
    const slug = await safeName(options.name ?? `${last.name.replace(/^\d{14}_?/, '') || 'migrations'}_squashed`)
    const place = await placeOf(project)
    const replaces = range.flatMap((migration) => [...(migration.replaces ?? []), migration.name])
    const draft = draftOf(made, { slug, replaces, code: renderCode(made, place.module === 'esm') })
    await maker.prove(path.join(staging, 'draft'), made, draft)
    await rm(path.join(staging, 'draft'), { recursive: true })
    const result = {
      replaces,
      kept: made.kept.map(({ name }) => name),
      operations: made.operations.map(({ summary }) => summary),
      script: made.script,
    }
    await stopIfInterrupted(context.host, 'Interrupted; nothing was written.')
    if (options.dryRun) return { ...result, name: slug, written: false, originals: null }
    return {
      ...result,
      ...(await write(project, { ...place, root: staging }, { draft, made, range, replaces })),
      written: true,
    }
  } finally {
    await rm(staging, { recursive: true, force: true })
    await shadow.dispose()
  }
}

async function rangeOf(all: readonly Migration[], { from, to }: SquashOptions): Promise<readonly Migration[]> {
  const find = async (given: string) => plan(all, [], { ...(await targetOf(given)), fake: true }).target
  const last = await find(to)
  const first = from === undefined ? all[0] : await find(from)
  if (!last || !first)
    throw new UsageError('There is nothing to squash.', { hint: 'rays status lists the migrations.' })
  const range = all.slice(all.indexOf(first), all.indexOf(last) + 1)
  if (range.length < 2) {
    throw new UsageError(`From ${first.name} to ${last.name} there are not two migrations.`, {
      hint: 'Name the oldest and the newest that are to become one: rays squash <from> <to>.',
    })
  }
  return range
}

async function refuseUnfit(range: readonly Migration[]): Promise<void> {
  const bare = range.filter((migration) => migration.codeFile === undefined || migration.snapshotPath === undefined)
  if (bare.length > 0) {
    throw new UsageError(`Made by Prisma, without a way back:\n${bullets(bare.map(({ name }) => name))}`, {
      hint: 'rays adopt first.',
    })
  }
  for (const migration of range) {
    if (!(await hasKnexForm(migration))) continue
    throw new UsageError(
      `${migration.name} has Knex's form (${path.basename(migration.codeFile!)}): Knex knows it by its name, and its code cannot become part of another migration.`,
      { hint: 'Squash the migrations before it and those after it.' },
    )
  }
  for (const { directory, name } of range) {
    const hooks = (await readdir(directory)).filter((file) => /^(before|after)(\.\w+)?$/.test(file))
    if (hooks.length > 0) {
      throw new UsageError(`${name} has hooks (${hooks.join(', ')}), and a hook belongs to one migration.`, {
        hint: 'Squash the migrations before it and those after it.',
      })
    }
  }
}

/** Whether the code is one that `rays knex convert` or `fill` made. */
async function hasKnexForm(migration: Migration): Promise<boolean> {
  if (!/\.m[jt]s$/.test(migration.codeFile ?? '')) return false
  return (await loadMigration(migration, { runScript: async () => undefined })).knex !== undefined
}

/** One part of the squashed migration: a change of the schema, or a migration that is kept as it is. */
type Part =
  | { readonly kind: 'schema'; readonly operations: readonly PlannedOperation[]; readonly script: string }
  | { readonly kind: 'kept'; readonly migration: Migration; readonly script: string }

interface Made {
  readonly parts: readonly Part[]
  readonly script: string
  readonly operations: readonly PlannedOperation[]
  readonly kept: readonly Migration[]
  readonly notes: readonly string[]
  readonly snapshot: readonly SchemaFile[]
}

class Squash {
  #start: Structure | undefined
  #end: Structure | undefined

  constructor(
    readonly project: Project,
    readonly host: Host,
    readonly connection: Connection,
    readonly before: readonly Migration[],
    readonly range: readonly Migration[],
  ) {}

  #look(): Promise<Structure> {
    return this.project.engine.structure(this.connection, this.project.schemas)
  }

  async #rebuild(migrations: readonly Migration[]): Promise<void> {
    await this.connection.reset(this.project.schemas)
    await replay(this.connection, migrations, this.host)
  }

  async run(): Promise<Made> {
    const { connection, before, range } = this
    await this.#rebuild(before)
    this.#start = await this.#look()
    const stops: { migration: Migration; kept: boolean; after: Structure; snapshot: readonly SchemaFile[] }[] = []
    for (const migration of range) {
      const loaded = await this.#load(migration)
      const kept = !changesSchemaOnly(loaded, connection.engine)
      if (kept && connection.engine.transactionalDdl && !loaded.transaction) {
        throw new UsageError(
          `${migration.name} runs code outside of a transaction; the others could not be undone with it.`,
          {
            hint: 'Squash the migrations before it and those after it.',
          },
        )
      }
      await replay(connection, [migration], this.host)
      stops.push({ migration, kept, after: await this.#look(), snapshot: (await readSnapshot(migration))! })
    }
    this.#end = stops.at(-1)!.after
    await this.#rebuild(before)
    const parts: Part[] = []
    const notes: string[] = []
    const done: Migration[] = [...before]
    let snapshot: readonly SchemaFile[] | undefined =
      before.length === 0 ? undefined : await readSnapshot(before.at(-1)!)
    let pending: typeof stops = []
    const flush = async () => {
      const target = pending.at(-1)
      if (!target) return
      const made = await this.#schemaPart(snapshot, target, parts, done)
      parts.push(...made.parts)
      notes.push(...made.notes)
      snapshot = target.snapshot
      pending = []
    }
    for (const stop of stops) {
      if (!stop.kept) {
        pending.push(stop)
        continue
      }
      await flush()
      await replay(connection, [stop.migration], this.host)
      parts.push({ kind: 'kept', migration: stop.migration, script: await readScript(stop.migration) })
      snapshot = stop.snapshot
    }
    await flush()
    return {
      parts,
      notes,
      script: parts
        .map(({ script }) => script.trim())
        .filter((text) => text !== '')
        .join('\n\n')
        .concat('\n'),
      operations: parts.flatMap((part) => (part.kind === 'schema' ? part.operations : [])),
      kept: parts.flatMap((part) => (part.kind === 'kept' ? [part.migration] : [])),
      snapshot: stops.at(-1)!.snapshot,
    }
  }

  /** The change from where the shadow is to a structure that the originals led to, with its proven way back. */
  async #schemaPart(
    previous: readonly SchemaFile[] | undefined,
    target: { after: Structure; snapshot: readonly SchemaFile[] },
    earlier: readonly Part[],
    done: readonly Migration[],
  ): Promise<{ parts: Part[]; notes: readonly string[] }> {
    const { project, connection } = this
    const { engine, schemas } = project
    const begin = await this.#look()
    const state = (files: readonly SchemaFile[] | undefined): SchemaState =>
      files === undefined ? { kind: 'empty' } : { kind: 'schema', files }
    const scripted = [missingExtensions(begin, target.after), await this.#diff(state(previous), state(target.snapshot))]
      .filter(Boolean)
      .join('\n\n')
    await runScript(connection, scripted)
    const rest = repairs(target.after, await this.#look())
    await runScript(connection, rest.map((statement) => `${statement};\n`).join(''))
    const after = await this.#look()
    expectSame('the squashed changes lead elsewhere', target.after, after)
    const script = [scripted, ...rest.map((statement) => `${statement};`)].filter((text) => text !== '').join('\n\n')
    if (script === '') return { parts: [], notes: [] }
    const { plan } = await findReversal({
      connection,
      engine,
      schemas,
      script,
      base: previous === undefined ? '' : await this.#diff(state(undefined), state(previous)),
      before: begin,
      after,
      reverses: [() => this.#diff(state(target.snapshot), state(previous))],
      transaction: true,
      rebuild: async () => {
        await this.#rebuild(done)
        for (const part of earlier) {
          if (part.kind === 'kept') await replay(connection, [part.migration], this.host)
          else await runScript(connection, part.script)
        }
        await runScript(connection, script)
      },
    })
    return { parts: [{ kind: 'schema', operations: plan.operations, script }], notes: plan.notes }
  }

  async #diff(from: SchemaState, to: SchemaState): Promise<string> {
    const diff = await this.project.schemaEngine.diff(from, to, { ...this.project.filter, summary: false })
    return diff.empty ? '' : diff.script
  }

  #load(migration: Migration): Promise<LoadedMigration> {
    const { connection } = this
    return loadMigration(migration, {
      runScript: (script) => runForeign(connection, script),
      ...(connection.engine.transactionalDdl && { inTransaction: connection.syntax }),
    })
  }

  /** The files as they will be written, up and down, and migration.sql by itself. @throws {FailedError} */
  async prove(folder: string, made: Made, draft: Draft): Promise<void> {
    const { connection, before } = this
    await mkdir(folder)
    await copyKept(folder, made)
    const migration = await layOut(draft, folder, 'the squashed migration')
    await this.#rebuild(before)
    await runScript(connection, made.script)
    expectSame('migration.sql leads elsewhere than the originals', this.#end!, await this.#look())
    await this.#rebuild(before)
    await replay(connection, [migration], this.host)
    expectSame('the squashed migration leads elsewhere than the originals', this.#end!, await this.#look())
    const loaded = await this.#load(migration)
    if (loaded.operations.some((pair) => pair[1] === null)) return
    await runDirection({ connection, loaded, direction: 'down' })
    expectSame('its way back leads elsewhere than the way back of the originals', this.#start!, await this.#look())
  }
}

function expectSame(what: string, wanted: Structure, found: Structure): void {
  const [there, here] = [new Set(wanted.lines), new Set(found.lines)]
  const told = [
    ...wanted.lines.filter((line) => !here.has(line)).map((line) => `- ${line}`),
    ...found.lines.filter((line) => !there.has(line)).map((line) => `+ ${line}`),
  ]
  if (told.length === 0) return
  throw new FailedError(`Nothing was written: ${what}.`, {
    code: 'E_PROOF',
    where: told.slice(0, 20).join('\n'),
    hint: 'Squash a smaller range: rays squash <from> <to>.',
  })
}

/** Whether going up takes rows along that two schemas do not tell of: renames, and values for columns. */
function movesRows(statements: readonly string[], syntax: StatementSyntax): boolean {
  const effects = statements.map((text) => describeStatement(text, syntax) ?? [])
  const made = new Set(effects.flat().flatMap((e) => (e.action === 'create' && e.object === 'table' ? [e.name] : [])))
  return effects.some(
    (each, i) =>
      /^\s*UPDATE\b/i.test(statements[i]!) ||
      each.some(
        (e) =>
          (e.action === 'rename' && (e.object === 'column' || (e.object === 'table' && !made.has(e.name)))) ||
          // Prisma copies a column as it is, or guarded by its default.
          (e.action === 'insert' && e.selected?.some((text) => !/^(?:["`].*["`]|coalesce\(.*)$/is.test(text))),
      ),
  )
}

/** Whether the migration only sends statements that change the schema, whatever the rows are. Its code is read, not run. */
function changesSchemaOnly({ operations }: LoadedMigration, { syntax }: Pick<Engine, 'syntax'>): boolean {
  const [ups, downs] = [courseOf(operations, 'up'), courseOf(operations, 'down')]
  const isPlain = ({ code, statements }: Course) =>
    code === undefined && statements.every(({ params }) => params === undefined)
  // Downs fill columns that become required again: that is part of the schema's way back.
  if (![...ups, ...downs].every(isPlain) || ups.some(({ statements }) => statements.length === 0)) return false
  const statements = ups.flatMap((part) => part.statements.map(({ sql }) => sql.trimEnd().replace(/;$/, '')))
  if (movesRows(statements, syntax)) return false
  const script = statements.map((statement) => `${statement};\n`).join('')
  return readForeign(script, syntax).every(({ kind }) => kind === 'schema' || kind === 'session')
}

const keptFile = ({ name, codeFile }: Migration) => `${name}${path.extname(codeFile!)}`

/** Where code is kept, it is imported from a copy of its own file, so that helpers and imports of it go on working. */
function renderCode({ parts, kept }: Made, project: boolean): DraftCode {
  const taken = new Set<string>()
  const unique = (name: string): string => {
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : `${name}${n}`
      if (taken.has(candidate)) continue
      taken.add(candidate)
      return candidate
    }
  }
  const marks: string[] = []
  const operations = parts.flatMap((part): PlannedOperation[] => {
    if (part.kind === 'kept') {
      const name = unique(`kept${marks.length + 1}`)
      marks.push(name)
      return [{ up: { name, statements: [] }, down: null, summary: '' }]
    }
    return part.operations.map(({ up, down, summary }) => ({
      up: { ...up, name: unique(up.name) },
      down: down && { ...down, name: unique(down.name) },
      summary,
    }))
  })
  const esm = kept.length > 0 || project
  let text = renderMigration({ operations }, { module: esm ? 'esm' : 'commonjs' })
  for (const name of marks) {
    text = text.replace(`async function ${name}() {}\n\n`, '').replace(`[${name}, null]`, `...${name}`)
  }
  const imports = kept.map((migration, i) => `import ${marks[i]} from './${keptFile(migration)}';\n`).join('')
  const typescript = kept.some(({ codeFile }) => /\.[cm]?ts$/.test(codeFile!))
  return {
    text: imports === '' ? text : `${imports}\n${text}`,
    extension: kept.length === 0 ? 'js' : typescript ? 'ts' : 'mjs',
  }
}

async function copyKept(folder: string, { kept }: Made): Promise<void> {
  for (const migration of kept) await copyFile(migration.codeFile!, path.join(folder, keptFile(migration)))
}

function draftOf(made: Made, at: { slug: string; replaces: readonly string[]; code: DraftCode }): Draft {
  const kept = made.kept.map(
    ({ name }) => `The operations of ${name} are kept as they were: ${name} is code or changes rows.`,
  )
  return {
    slug: at.slug,
    script: made.script,
    operations: made.operations,
    code: at.code,
    after: made.snapshot,
    readme: {
      summary: `Stands for ${at.replaces.length} migrations:\n${bullets(at.replaces)}`,
      warnings: [],
      notes: [...kept, ...made.notes],
    },
  }
}

async function write(
  { config }: Project,
  staging: DraftPlace,
  at: { draft: Draft; made: Made; range: readonly Migration[]; replaces: readonly string[] },
): Promise<{ name: string; originals: string }> {
  const { draft, made, range } = at
  const aside = path.join(path.dirname(config.migrationsDir), 'squashed-migrations')
  const written = await writeDraft(draft, staging)
  await copyKept(written.directory, made)
  await writeFile(path.join(written.directory, 'replaces.txt'), `${at.replaces.join('\n')}\n`)
  await settle(written.directory)
  const name = `${range.at(-1)?.timestamp ?? written.name.slice(0, 14)}_${draft.slug}`
  const moves = range.map(({ directory, name: original }) => ({ from: directory, to: freePath(aside, original) }))
  await moveAll(aside, [...moves, { from: written.directory, to: path.join(config.migrationsDir, name) }])
  return { name, originals: shortPath(config, aside) }
}
