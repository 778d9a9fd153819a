/** Runs what a person put around migrations: programs in the migration's folder, functions of raysconfig. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Connection } from '../../engines/engine.js'
import type { Hook, ProjectHooks } from '../config/hooks.js'
import { DecisionError, FailedError, InterruptedError, LockError, refusal, UsageError } from '../errors.js'
import { isBehind, isForAll, noteHook, waysOn, whereItStands } from '../history/hook-notes.js'
import type { HookNote } from '../history/note.js'
import { Recorder } from '../history/recorder.js'
import type { Around } from '../history/running.js'
import { cancellable, interrupted, stopIfInterrupted } from '../interruption.js'
import { listHooks, withHooks } from '../migrations/hooks.js'
import type { LoadedMigration, Operation, ProgramHook } from '../migrations/migration.js'
import { runProgram } from '../programs.js'
import { capital } from '../text.js'
import { guardUserCode, saying } from '../user-code.js'
import type { Context } from './host.js'

/** The migration with its folder's hooks: the SQL as operations of its own, the programs to be run around it. */
export function withFolderHooks(loaded: LoadedMigration, connection: Pick<Connection, 'syntax'>): LoadedMigration {
  return withHooks(loaded, listHooks(loaded.migration), connection.syntax)
}

/**
 * The migration with raysconfig's beforeEach and afterEach as operations of its own. Only for running it: what lists the
 * statements of operations calls them.
 */
export function withFunctions(loaded: LoadedMigration, { beforeEach, afterEach }: ProjectHooks): LoadedMigration {
  const migrations = [loaded.migration.name]
  const run = (name: string, hook: Hook | undefined, direction: 'up' | 'down') => {
    const operation = (argument: { client: Parameters<Hook>[0]['client'] }) =>
      hook?.({ client: argument.client, direction, migrations })
    return Object.defineProperty(operation, 'name', { value: name })
  }
  if (!beforeEach && !afterEach) return loaded
  // Downs run from last to first, so what comes last in the list comes first going down.
  const first: Operation = [run('beforeEach', beforeEach, 'up'), run('afterEach', afterEach, 'down')]
  const last: Operation = [run('afterEach', afterEach, 'up'), run('beforeEach', beforeEach, 'down')]
  return { ...loaded, operations: [first, ...loaded.operations, last] }
}

/** A run of migrations that beforeAll and afterAll are called around. */
export interface Run {
  readonly direction: 'up' | 'down'
  /** In the order in which they run. */
  readonly migrations: readonly LoadedMigration[]
  readonly batch: number
}

/**
 * Calls beforeAll or afterAll. What it sets in the session reaches no migration. Until it has ended the first migration of the run, or the last, says so in its row.
 * @throws {FailedError} with what it threw; {@link LockError} when it gave the migration lock away; {@link InterruptedError},
 * and then the row stays as it is
 */
export async function runForAll(
  name: 'beforeAll' | 'afterAll',
  context: Context,
  connection: Connection,
  { direction, migrations, batch }: Run,
): Promise<void> {
  const about = migrations.at(name === 'beforeAll' ? 0 : -1)
  if (!context.config.hooks[name] || !about) return
  if (name === 'beforeAll') await stopIfInterrupted(context.host, 'Interrupted before beforeAll ran; nothing was done.')
  // Whoever comes meanwhile must not take the row for what a dead process left.
  const release = await connection.holdLock?.()
  try {
    const recorder = new Recorder(connection)
    const run = migrations.map(({ migration }) => migration.name)
    const { note, remove } = await noteHook(recorder, about, { hook: name, direction, batch, run })
    try {
      await callForAll(context, connection, note)
    } catch (error) {
      if (!(error instanceof InterruptedError)) await remove(recorder)
      throw error
    }
    await remove(recorder)
  } finally {
    await release?.()
  }
}

/** Calls the function that a row says is unfinished. @throws as {@link runForAll} */
export async function callForAll({ config, host }: Context, connection: Connection, note: HookNote): Promise<void> {
  const { hook: name, dir: direction, run: migrations = [] } = note
  const hook = isForAll(name) ? config.hooks[name] : undefined
  const done = isBehind(note) ? 'The migrations are done' : 'No migration was run'
  const left = { hint: waysOn(note) }
  if (host.signal.aborted) throw interrupted(host.signal, `Interrupted before ${name} ran. ${done}.`, left)
  const whileItRan = () => interrupted(host.signal, `Interrupted while ${name} ran. ${done}.`, left)
  const allowed = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A) => {
      if (host.signal.aborted) throw whileItRan()
      return call(...args)
    }
  }
  const client = {
    query: allowed(connection.query.bind(connection)),
    execute: allowed(connection.execute.bind(connection)),
  }
  try {
    const call = (until: Promise<never>) =>
      guardUserCode({ what: name, timeoutMs: config.operationTimeoutMs, until }, () =>
        hook?.({ client, direction, migrations }),
      )
    await stopping(host.signal, connection, call)
    await connection.restoreSettings()
  } catch (error) {
    if (host.signal.aborted) throw whileItRan()
    const message = `${name} of raysconfig failed: ${saying(error)}`
    const first = name === 'beforeAll'
    const hint = first ? 'No migration was run.' : 'The migrations stay as they are: rays status.'
    throw refusal(connection.engine.explain(error).kind, message, { cause: error, code: 'E_HOOK', hint }, !first)
  }
  if (name === 'afterAll' || (await connection.holdsLock())) return
  throw new LockError('beforeAll of raysconfig gave the migration lock away. No migration was run.', {
    hint: 'Take the statement that releases it out of beforeAll, and run the command again.',
  })
}

/** Milliseconds that a function has to end after a signal. */
const GRACE_MS = 5_000

/** A signal cancels the statement that runs; what waits for something else is waited for a few seconds and then left. */
async function stopping<T>(
  signal: AbortSignal,
  connection: Connection,
  work: (until: Promise<never>) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let onAbort = () => {}
  const until = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(new Error('it did not end')), GRACE_MS)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await cancellable(signal, connection, () => work(until))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * The programs of the folders. They connect by themselves, so they run outside of the migration's transaction: `before` sees
 * the database as it was, `after` as it has become. Going down their order is reversed.
 * @param skipped the one that counts as ended
 */
export function programsAround(
  { config, host }: Context,
  direction: 'up' | 'down',
  skipped?: { readonly migration: string; readonly hook: string },
): Around {
  const named = (loaded: LoadedMigration, matches: (hook: ProgramHook) => boolean) => {
    const hook = loaded.programs?.find(matches)
    const name = hook && path.basename(hook.file)
    return name === skipped?.hook && loaded.migration.name === skipped?.migration ? undefined : hook
  }
  return {
    hookOf: (loaded, place) => {
      const when = (place === 'ahead') === (direction === 'up') ? 'before' : 'after'
      const hook = named(loaded, (candidate) => candidate.when === when)
      return hook && path.basename(hook.file)
    },
    run: async (loaded, note) => {
      const hook = named(loaded, ({ file }) => path.basename(file) === note.hook)
      const what = `${note.hook} of ${loaded.migration.name}`
      if (!hook) throw gone(what, note)
      const stands = `${capital(whereItStands(note))}.`
      const left = { hint: waysOn(note) }
      if (host.signal.aborted) throw interrupted(host.signal, `Interrupted before ${what} began. ${stands}`, left)
      host.note(`Running ${what} (${direction}) …`)
      const [command = '', ...args] = commandOf(hook)
      const ended = await runProgram({
        command,
        args,
        cwd: config.root,
        env: {
          DIRECTION: direction,
          RAYS_MIGRATION: loaded.migration.name,
          ...(config.databaseUrl && { DATABASE_URL: config.databaseUrl.reveal() }),
        },
        onOutput: host.output,
        signal: host.signal,
      })
      const unfinished = `${stands} Whether ${note.hook} has done its work is not known.`
      if (host.signal.aborted) throw interrupted(host.signal, `Interrupted while ${what} ran. ${unfinished}`, left)
      if (ended.stopped) {
        const message = `${what} was ended by ${ended.why}. ${unfinished}`
        throw new DecisionError(message, { ...left, code: 'E_HOOK_ENDED', where: hook.file })
      }
      if (ended.code === 0) return
      throw new FailedError(`${what} failed going ${direction}: ${ended.why}.`, {
        code: 'E_HOOK',
        where: hook.file,
        hint: 'Correct the hook and run the command again.',
      })
    },
  }
}

function gone(what: string, note: HookNote): UsageError {
  return new UsageError(`${what} is not there any more. ${capital(whereItStands(note))}; nothing was run.`, {
    code: 'E_HOOK_GONE',
    hint: `Restore it from version control; or: rays migrate --skip-hook goes on as if it had ended well.`,
  })
}

function commandOf({ kind, file }: ProgramHook): string[] {
  switch (kind) {
    case 'sh':
    case 'bash':
      return [kind, file]
    case 'js':
      return [process.execPath, file]
    case 'ts':
      return [process.execPath, fileURLToPath(new URL('../run-typescript.js', import.meta.url)), file]
    case 'executable':
      return [file]
  }
}
