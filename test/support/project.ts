/** A project in a temporary folder, and the built rays command run in it, in a process of its own or in {@link runResident}'s. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Provider } from '../../engines/engine.js'
import { type Ended, killAfter, residentIsFree, runResident } from './resident.js'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

export interface ProjectOptions {
  readonly provider: Provider
  /** A Prisma schema; a datasource block is put before it where it has none. */
  readonly schema: string
  /** DATABASE_URL, as a user would write it. */
  readonly url: string
  /** More files by path, or instead of those that are made: `raysconfig.js`, `prisma/migrations/.../migration.sql`. */
  readonly files?: Readonly<Record<string, string>>
  /** Options of raysconfig.js beside the paths and the URL. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Text for standard input; without it the input is closed. */
  readonly input?: string
  readonly cwd?: string
  /** Whom to run as, where these tests are root: root may write everywhere. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** Milliseconds after which the process is killed. */
  readonly limitMs?: number
  /** Called with the process when it has been started, to send signals. */
  readonly onStart?: (child: ChildProcess) => void
}

export interface Output {
  /** Exit code; 128 + n where a signal ended the process. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output read as JSON (`--json`). */
  json<T = Record<string, unknown>>(): T
}

export interface TestProject {
  readonly folder: string
  rays(args: readonly string[], options?: RunOptions): Promise<Output>
  /**
   * A migration that a test begins from, not one it is about: `rays <args>` writes it once for each state of the files, and
   * what it wrote is copied after that. It is not proven, and has to be possible without a database.
   */
  given(args: readonly string[]): Promise<void>
  /** Every file but node_modules, with its text. */
  files(): Record<string, string>
  /** Writes files by their path in the project. */
  write(files: Readonly<Record<string, string>>): void
  /** Replaces the models; the datasource block stays. */
  schema(text: string): void
  remove(): void
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGTERM: 15 }

function withDatasource(provider: Provider, schema: string): string {
  if (/^\s*datasource\s/m.test(schema)) return schema
  return `datasource db {\n  provider = "${provider}"\n  url      = env("DATABASE_URL")\n}\n\n${schema}\n`
}

/** Makes the project. */
export function project({ provider, schema, url, files, config }: ProjectOptions): TestProject {
  const folder = mkdtempSync(path.join(tmpdir(), 'rays-test-project-'))
  const write = (more: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(more)) {
      const file = path.join(folder, name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
  }
  const settings = { schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations', ...config }
  write({
    'package.json': '{ "name": "test-project", "private": true }\n',
    'prisma/schema.prisma': withDatasource(provider, schema),
    'raysconfig.js': `module.exports = { databaseUrl: process.env.DATABASE_URL, ...${JSON.stringify(settings)} }\n`,
    ...files,
  })
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'dir')
  const run = (args: readonly string[], options: RunOptions = {}) => runRays(folder, url, args, options)
  return {
    folder,
    write,
    files: () => filesOf(folder),
    schema: (text) => write({ 'prisma/schema.prisma': withDatasource(provider, text) }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
    rays: run,
    async given(args) {
      const before = filesOf(folder)
      const key = JSON.stringify([args, before])
      let written = GIVEN.get(key)
      if (written === undefined) {
        const { code, stderr } = await run([...args, '--no-verify'])
        if (code !== 0) throw new Error(`rays ${args.join(' ')}: exit ${code}\n${stderr}`)
        written = Object.fromEntries(Object.entries(filesOf(folder)).filter(([name, text]) => before[name] !== text))
        GIVEN.set(key, written)
      }
      write(written)
    },
  }
}

/** What was written for a state of the files, in this test file. */
const GIVEN = new Map<string, Record<string, string>>()

function filesOf(folder: string): Record<string, string> {
  const files: Record<string, string> = {}
  const visit = (relative: string) => {
    for (const name of readdirSync(path.join(folder, relative))) {
      if (name === 'node_modules') continue
      const child = path.posix.join(relative, name)
      if (statSync(path.join(folder, child)).isDirectory()) visit(child)
      else files[child] = readFileSync(path.join(folder, child), 'utf8')
    }
  }
  visit('')
  return files
}

function runRays(folder: string, url: string, args: readonly string[], options: RunOptions): Promise<Output> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_OPTIONS: undefined,
    NO_COLOR: '1',
    DATABASE_URL: url,
    ...options.env,
  }
  const cwd = options.cwd ?? folder
  const limitMs = options.limitMs ?? 60_000
  if (sharesProcess(args, options) && residentIsFree()) return runResident({ args, cwd, env, limitMs }).then(outputOf)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(ROOT, 'bin', 'rays.js'), ...args], {
      cwd,
      ...options.user,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    child.on('error', reject)
    const limit = killAfter(limitMs, child, (text) => {
      stderr += text
    })
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      resolve(outputOf({ code, signal, stdout, stderr }))
    })
    options.onStart?.(child)
  })
}

/** The faults are about processes; signals, another user, input and Prisma's own output need one, too. */
function sharesProcess(args: readonly string[], { onStart, user, input }: RunOptions): boolean {
  const { testPath } = expect.getState()
  return !onStart && !user && input === undefined && args[0] !== 'prisma' && !testPath?.includes('/faults/')
}

function outputOf({ code, signal, stdout, stderr }: Ended): Output {
  return {
    code: code ?? 128 + (SIGNALS[signal ?? ''] ?? 0),
    stdout,
    stderr,
    json: <T>() => JSON.parse(stdout) as T,
  }
}
