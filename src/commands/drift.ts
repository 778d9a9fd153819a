/** What was changed in a database beside its migrations, object by object, with the way there and the way back. */
import type { Connection, Structure } from '../../engines/engine.js'
import { readSnapshot } from '../migrations/directory.js'
import type { Migration } from '../migrations/migration.js'
import { replay } from '../proof/replay.js'
import { findReversal, missingExtensions, type Reversal, repairs } from '../proof/reversal.js'
import type { SchemaFile, SchemaState } from '../schema/schema-engine.js'
import type { Host } from './host.js'
import { type ClearShadow, openShadow, type Project } from './project.js'
import { runScript } from './script.js'

export interface Drift {
  /** The structure that the applied migrations lead to, and the one that is there. */
  readonly expected: Structure
  readonly found: Structure
  /** What migrations made and is gone or different. */
  readonly missing: readonly string[]
  /** What is there and no migration made. */
  readonly extra: readonly string[]
}

export interface ExplainedDrift extends Drift {
  readonly previous: readonly SchemaFile[]
  readonly next: readonly SchemaFile[]
  /** From the expected structure to the one found. */
  readonly script: string
  readonly summary: string
  readonly reversal: Reversal
}

const HINT = 'rays doctor --ignore <object> leaves alone what cannot be made anew.'

/** Structures are compared without what is managed elsewhere. */
function without(structure: Structure, ignored: readonly string[]): Structure {
  if (ignored.length === 0) return structure
  const escaped = ignored.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const mentions = new RegExp(`(?:^|[\\s."\`(])(?:${escaped.join('|')})(?:[\\s."\`):,]|$)`)
  return {
    ...structure,
    lines: structure.lines.filter((line) => !mentions.test(line)),
    objects: structure.objects.filter(
      ({ kind, name, table }) => !mentions.test(`${kind} ${name}${table === undefined ? '' : ` ${table}`}`),
    ),
  }
}

/**
 * Works with a shadow database that the migrations were replayed on.
 * @param fromSnapshot the oldest migrations are gone: the newest snapshot says what they led to, as far as Prisma models it
 */
export async function withReplayed<T>(
  project: Project,
  host: Host,
  migrations: readonly Migration[],
  clear: ClearShadow | undefined,
  fromSnapshot: boolean,
  work: (shadow: Connection) => Promise<T>,
): Promise<T> {
  const snapshots = await Promise.all(migrations.slice(-1).map(readSnapshot))
  const known = [project.schema.files, ...snapshots.filter((files) => files !== undefined)]
  const shadow = await openShadow(project, host, 'rays', { clear, known })
  try {
    if (fromSnapshot) {
      const files = snapshots[0]
      const diff = await project.schemaEngine.diff(
        { kind: 'empty' },
        files === undefined ? { kind: 'empty' } : { kind: 'schema', files },
        { ...project.filter, summary: false },
      )
      if (!diff.empty) await shadow.connection.script(diff.script)
    } else await replay(shadow.connection, migrations, host)
    return await work(shadow.connection)
  } finally {
    await shadow.dispose()
  }
}

/** Compares the live database with the shadow that the applied migrations were replayed on. */
export async function compare(
  project: Project,
  shadow: Connection,
  live: Connection,
  ignored: readonly string[],
): Promise<Drift> {
  const { engine, schemas, filter } = project
  const elsewhere = [...(filter.externalTables ?? []), ...(filter.externalEnums ?? [])]
  const names = [...ignored, ...elsewhere.map((name) => name.slice(name.lastIndexOf('.') + 1))]
  const expected = without(await engine.structure(shadow, schemas), names)
  const found = without(await engine.structure(live, schemas), names)
  const [wanted, there] = [new Set(expected.lines), new Set(found.lines)]
  return {
    expected,
    found,
    missing: expected.lines.filter((line) => !there.has(line)),
    extra: found.lines.filter((line) => !wanted.has(line)),
  }
}

/** Finds the script that leads to the drift, and its way back, both proven on the shadow database. */
export async function explain(
  project: Project,
  host: Host,
  shadow: Connection,
  live: Connection,
  migrations: readonly Migration[],
  drift: Drift,
): Promise<ExplainedDrift> {
  const { engine, schemas, schemaEngine, schema, filter } = project
  const newest = migrations.at(-1)
  const previous = (newest && (await readSnapshot(newest))) ?? (await schemaEngine.introspect(shadow, schema.files))
  const next = await schemaEngine.introspect(live, previous)
  const state = (files: readonly SchemaFile[]): SchemaState => ({ kind: 'schema', files })
  const diff = await schemaEngine.diff(state(previous), state(next), { ...filter, summary: true })
  const scripted = [missingExtensions(drift.expected, drift.found), diff.empty ? '' : diff.script]
    .filter(Boolean)
    .join('\n\n')
  await runScript(shadow, scripted, { hint: HINT })
  const rest = repairs(drift.found, await engine.structure(shadow, schemas))
  await runScript(shadow, rest.map((statement) => `${statement};\n`).join(''), { hint: HINT })
  const script = [scripted, ...rest.map((statement) => `${statement};`)].filter(Boolean).join('\n\n')
  const after = await engine.structure(shadow, schemas)
  const base = await schemaEngine.diff({ kind: 'empty' }, state(previous), { ...filter, summary: false })
  const reversal = await findReversal({
    connection: shadow,
    engine,
    schemas,
    script,
    base: base.empty ? '' : base.script,
    before: drift.expected,
    after,
    reverses: [
      async () => {
        const back = await schemaEngine.diff(state(next), state(previous), { ...filter, summary: false })
        return back.empty ? '' : back.script
      },
    ],
    transaction: true,
    rebuild: async () => {
      await shadow.reset(schemas)
      await replay(shadow, migrations, host)
      await runScript(shadow, script, { hint: HINT })
    },
  })
  const told = [...drift.missing.map((line) => `- ${line}`), ...drift.extra.map((line) => `+ ${line}`)]
  return { ...drift, previous, next, script, summary: diff.empty ? told.join('\n') : diff.summary, reversal }
}
