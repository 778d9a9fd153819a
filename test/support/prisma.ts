/**
 * The real `prisma` command of node_modules, offline: rays' stand-in answers for its native engine. Tests assume that
 * `npm run build` was done, because the command starts bin/rays-schema-engine.js.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

export interface PrismaOutput {
  readonly code: number
  /** Without colours. */
  readonly stdout: string
  readonly stderr: string
}

export interface PrismaOptions {
  /** `DATABASE_URL`, which prisma.config.ts of {@link prismaProject} reads. */
  readonly url: string
  readonly shadowUrl?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** What the command needs in its environment. */
export const offline = {
  NODE_OPTIONS: '',
  CI: '1',
  NO_COLOR: '1',
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  PRISMA_SCHEMA_ENGINE_BINARY: path.join(ROOT, 'bin/rays-schema-engine.js'),
}

/** Makes a folder a project of Prisma 7: schema, prisma.config.ts, and this repository's node_modules. */
export async function prismaProject(directory: string, schema: string): Promise<string> {
  await mkdir(path.join(directory, 'prisma'), { recursive: true })
  await writeFile(path.join(directory, 'package.json'), '{ "name": "a-project", "private": true }\n')
  await writeFile(path.join(directory, 'prisma/schema.prisma'), schema)
  await writeFile(
    path.join(directory, 'prisma.config.ts'),
    `export default {
  schema: 'prisma/schema.prisma',
  datasource: { url: process.env.DATABASE_URL, shadowDatabaseUrl: process.env.SHADOW_DATABASE_URL },
}
`,
  )
  const modules = path.join(directory, 'node_modules')
  if (!existsSync(modules)) await symlink(path.join(ROOT, 'node_modules'), modules)
  return directory
}

/** Runs `prisma <args>` in the project. An exit code is an answer, not an error. */
export function prisma(directory: string, args: readonly string[], options: PrismaOptions): Promise<PrismaOutput> {
  const env = {
    ...process.env,
    ...offline,
    DATABASE_URL: options.url,
    ...(options.shadowUrl !== undefined && { SHADOW_DATABASE_URL: options.shadowUrl }),
    ...options.env,
  }
  return new Promise((resolve, reject) => {
    const program = path.join(ROOT, 'node_modules/prisma/build/index.js')
    const child = execFile(process.execPath, [program, ...args], { cwd: directory, env }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') return reject(error)
      const code = typeof error?.code === 'number' ? error.code : 0
      resolve({ code, stdout: plain(stdout), stderr: plain(stderr) })
    })
    child.stdin?.end(options.input ?? '')
  })
}

function plain(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, '')
}
