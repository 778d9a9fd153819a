/** Runs what a person put around migrations: programs in the migration's folder, functions of raysconfig. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Connection } from '../../engines/engine.js'
import type { Hook, ProjectHooks } from '../config/hooks.js'
import { FailedError, LockError, refusal } from '../errors.js'
import type { ExecuteOptions } from '../history/executor.js'
import { listHooks, withHooks } from '../migrations/hooks.js'
import type { LoadedMigration, Operation, ProgramHook } from '../migrations/migration.js'
import { runProgram } from '../programs.js'
import { guardUserCode } from '../user-code.js'
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

/**
 * Calls beforeAll or afterAll. What it sets in the session reaches no migration.
 * @throws {FailedError} with what it threw; {@link LockError} when it gave the migration lock away
 */
export async function runForAll(
  name: 'beforeAll' | 'afterAll',
  { config }: Context,
  connection: Connection,
  direction: 'up' | 'down',
  migrations: readonly string[],
): Promise<void> {
  const hook = config.hooks[name]
  if (!hook) return
  const client = {
    query: connection.query.bind(connection),
    execute: connection.execute.bind(connection),
  }
  try {
    await guardUserCode({ what: name, timeoutMs: config.operationTimeoutMs }, () =>
      hook({ client, direction, migrations }),
    )
    await connection.restoreSettings()
  } catch (error) {
    const message = `${name} of raysconfig failed: ${error instanceof Error ? error.message : String(error)}`
    const first = name === 'beforeAll'
    const hint = first ? 'No migration was run.' : 'The migrations stay as they are: rays status.'
    throw refusal(connection.engine.explain(error).kind, message, { cause: error, code: 'E_HOOK', hint }, !first)
  }
  if (name === 'afterAll' || (await connection.holdsLock())) return
  throw new LockError('beforeAll of raysconfig gave the migration lock away. No migration was run.', {
    hint: 'Take the statement that releases it out of beforeAll, and run the command again.',
  })
}

/**
 * The programs of the folders. They connect by themselves, so they run outside of the migration's transaction: `before` sees
 * the database as it was, `after` as it has become. Going down their order is reversed.
 */
export function programsAround({ config, host }: Context, direction: 'up' | 'down'): ExecuteOptions['around'] {
  const run = async (when: ProgramHook['when'], { migration, programs = [] }: LoadedMigration) => {
    const hook = programs.find((candidate) => candidate.when === when)
    if (!hook) return
    const [command, ...args] = commandOf(hook)
    const name = path.basename(hook.file)
    host.note(`Running ${name} of ${migration.name} (${direction}) …`)
    const ended = await runProgram({
      command: command!,
      args,
      cwd: config.root,
      env: {
        DIRECTION: direction,
        RAYS_MIGRATION: migration.name,
        ...(config.databaseUrl && { DATABASE_URL: config.databaseUrl.reveal() }),
      },
      onOutput: host.output,
      signal: host.signal,
    })
    if (ended.code === 0) return
    throw new FailedError(`${name} of ${migration.name} failed going ${direction}: ${ended.why}.`, {
      code: 'E_HOOK',
      where: hook.file,
      hint: 'Correct the hook and run the command again.',
    })
  }
  const [first, second] = direction === 'up' ? (['before', 'after'] as const) : (['after', 'before'] as const)
  return { before: (loaded) => run(first, loaded), after: (loaded) => run(second, loaded) }
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
