/** `rays seed`: runs the project's own seed command. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config/config.js'
import { FailedError, UsageError } from '../errors.js'
import { interrupted } from '../interruption.js'
import { runProgram } from '../programs.js'
import type { Context } from './host.js'

export interface SeedResult {
  readonly command: string
  readonly milliseconds: number
}

/** @throws {UsageError} where none is configured; {@link FailedError} when it fails */
export async function seed({ config, host }: Context): Promise<SeedResult> {
  const command = await seedCommand(config)
  if (command === undefined) {
    throw new UsageError('No seed command is configured.', {
      code: 'E_NO_SEED',
      hint: "Set migrations.seed in prisma.config.ts, e.g. seed: 'node prisma/seed.js' (or prisma.seed in package.json).",
    })
  }
  host.note(`Running ${command} …`)
  const started = performance.now()
  const result = await runProgram({
    command,
    shell: true,
    cwd: config.root,
    env: { ...(config.databaseUrl && { DATABASE_URL: config.databaseUrl.reveal() }) },
    onOutput: host.output,
    signal: host.signal,
  })
  if (host.signal.aborted)
    throw interrupted(host.signal, 'Interrupted while the seed ran: what it had done may be in the database.')
  if (result.code !== 0) {
    throw new FailedError(`The seed command failed (${result.why}): ${command}`, {
      code: 'E_SEED',
      hint: 'What it did before it failed may be in the database.',
    })
  }
  return { command, milliseconds: performance.now() - started }
}

/** Prisma: migrations.seed of prisma.config.ts; before Prisma 7 prisma.seed of package.json. */
export async function seedCommand(config: Config): Promise<string | undefined> {
  if (config.seed !== undefined) return config.seed
  try {
    const { prisma } = JSON.parse(await readFile(path.join(config.root, 'package.json'), 'utf8'))
    return typeof prisma?.seed === 'string' && prisma.seed !== '' ? prisma.seed : undefined
  } catch {
    return undefined
  }
}
