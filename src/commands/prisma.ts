/** `rays prisma -- <command>`: the project's own Prisma, with rays in place of the engine that it would download. */
import { ConfigError, FailedError, UsageError } from '../errors.js'
import { CONSENT } from '../prisma-engine/consent.js'
import { engineStandIn, findPrisma, runPrisma } from '../schema/prisma-cli.js'
import type { Context } from './host.js'
import type { ClearShadow } from './project.js'

export interface PrismaResult {
  /** Prisma's own; 128 and the signal's number where a signal ended it. */
  readonly exitCode: number
  readonly version: string
}

/**
 * Runs the command with this process's own input and output.
 * @throws {UsageError} without a command; {@link ConfigError} where Prisma is not installed or is too old
 */
export async function prisma(
  { config, host }: Context,
  args: readonly string[],
  options: { readonly clearShadow?: ClearShadow | undefined } = {},
): Promise<PrismaResult> {
  if (args.length === 0) {
    throw new UsageError('Which command of Prisma?', { hint: 'rays prisma -- migrate status' })
  }
  const found = await findPrisma(config.root)
  if (!found) {
    throw new ConfigError(`Prisma is not installed in ${config.root}.`, { hint: 'npm install --save-dev prisma' })
  }
  if (found.major < 6) {
    throw new ConfigError(`Prisma ${found.version} is installed, and rays knows the words of 6 and 7.`, {
      hint: 'npm install --save-dev prisma@7',
    })
  }
  const engine = engineStandIn()
  if (!engine) throw new FailedError('bin/rays-schema-engine.js is missing.', { hint: 'Install prisma-rays again.' })
  const exitCode = await runPrisma(found, args, {
    engine,
    cwd: process.cwd(),
    // What rays was told by raysconfig or .env; the environment itself goes first, as everywhere in rays.
    env: {
      ...process.env,
      ...(!process.env.DATABASE_URL && config.databaseUrl && { DATABASE_URL: config.databaseUrl.reveal() }),
      ...(options.clearShadow && { [CONSENT]: options.clearShadow === true ? '1' : `=${options.clearShadow}` }),
    },
    signal: host.signal,
  })
  return { exitCode, version: found.version }
}
