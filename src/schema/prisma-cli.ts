/** The project's own Prisma. The only file that starts it: no shell, no `npx`, no URL on a command line. */
import { type ExecFileException, execFile, spawn } from 'node:child_process'
import { existsSync, promises as fs, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Connection, Engine } from '../../engines/engine.js'
import type { DiffOptions, SchemaEngine, SchemaFile, SchemaState } from '../../engines/schema-engine.js'
import { type DatabaseUrl, redact } from '../../engines/url.js'
import { attend, OWN_GROUP } from '../children.js'
import { ConfigError, FailedError, invalidSchema, UsageError } from '../errors.js'
import { replaceModels } from './models.js'
import { datasourceOf, forEngine, withUrl } from './prisma-schema.js'
import type { SchemaEngineOptions } from './schema-engine.js'

export interface ProjectPrisma {
  /** Absolute path of the program, to be run with Node. */
  readonly program: string
  readonly version: string
  readonly major: number
}

/** The `prisma` that is installed in the project, or undefined. */
export async function findPrisma(root: string): Promise<ProjectPrisma | undefined> {
  let manifest: string
  try {
    manifest = createRequire(path.join(root, 'package.json')).resolve('prisma/package.json')
  } catch {
    return undefined
  }
  const { version, bin } = JSON.parse(await fs.readFile(manifest, 'utf8')) as {
    version: string
    bin?: string | Record<string, string>
  }
  const program = typeof bin === 'string' ? bin : bin?.prisma
  if (program === undefined) return undefined
  return { program: path.resolve(path.dirname(manifest), program), version, major: Number.parseInt(version, 10) }
}

/** rays' stand-in for Prisma's native engine, which Prisma would otherwise download; undefined where it is not there. */
export function engineStandIn(): string | undefined {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const file = path.join(folder, 'bin', 'rays-schema-engine.js')
    if (existsSync(file)) return file
    const parent = path.dirname(folder)
    if (parent === folder) return undefined
    folder = parent
  }
}

export interface GenerateOptions {
  /** Absolute path of the project. */
  readonly root: string
  readonly schemaPath: string
  readonly env: NodeJS.ProcessEnv
  /** What Prisma prints, as it prints it. */
  readonly onOutput: (text: string) => void
  readonly signal: AbortSignal
}

export type GenerateResult =
  | { readonly state: 'done' }
  | { readonly state: 'missing' }
  /** The signal came before it had ended. */
  | { readonly state: 'stopped' }
  | { readonly state: 'failed'; readonly reason: string }

/** Runs `prisma generate`. Never throws: the database is migrated already, and a failure must not hide that. */
export async function runGenerate({
  root,
  schemaPath,
  env,
  onOutput,
  signal,
}: GenerateOptions): Promise<GenerateResult> {
  try {
    const prisma = await findPrisma(root)
    if (!prisma) return { state: 'missing' }
    const child = spawn(process.execPath, [prisma.program, 'generate', '--schema', schemaPath], {
      ...OWN_GROUP,
      cwd: root,
      // Prisma wants its schema engine to be there for every command; generating does not use it.
      env: { PRISMA_SCHEMA_ENGINE_BINARY: engineStandIn(), ...quiet(env) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let last = ''
    const output = (chunk: string) => {
      onOutput(chunk)
      last = (last + chunk).slice(-2000)
    }
    child.stdout.setEncoding('utf8').on('data', output)
    child.stderr.setEncoding('utf8').on('data', output)
    const { code, killedBy, error, stopped } = await attend(child, signal, true)
    if (error) return { state: 'failed', reason: error.message }
    if (stopped) return { state: 'stopped' }
    if (code === 0) return { state: 'done' }
    const line = plain(last).trim().split('\n').filter(Boolean).at(-1)
    const end = killedBy ? `it was ended by ${killedBy}` : `it ended with exit code ${code}`
    return { state: 'failed', reason: redact(line ? `${end}: ${line}` : end) }
  } catch (error) {
    return { state: 'failed', reason: redact(error instanceof Error ? error.message : String(error)) }
  }
}

export interface RunPrismaOptions {
  /** The program that answers for Prisma's schema engine. */
  readonly engine: string
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** Runs a command of Prisma's on this process's own input and output. Returns the exit code. */
export async function runPrisma(
  prisma: ProjectPrisma,
  args: readonly string[],
  options: RunPrismaOptions,
): Promise<number> {
  const { engine, cwd, signal } = options
  const env: NodeJS.ProcessEnv = { ...quiet(options.env), PRISMA_SCHEMA_ENGINE_BINARY: engine }
  const words = [...args]
  // Prisma 6 fetches a query engine before anything else. Where there is none, the name of any file will do, as long as
  // no client is generated from it.
  if (prisma.major < 7 && !options.env.PRISMA_QUERY_ENGINE_LIBRARY && !hasQueryEngine(prisma) && !generates(words)) {
    env.PRISMA_QUERY_ENGINE_LIBRARY = engine
    if (generatesAfterwards(words) && !words.includes('--skip-generate')) words.push('--skip-generate')
  }
  // It asks on the terminal, so it stays in the group that the terminal belongs to.
  const child = spawn(process.execPath, [prisma.program, ...words], { cwd, env, stdio: 'inherit' })
  const { code, killedBy, error, stopped } = await attend(child, signal, false)
  if (error) throw error
  if (stopped) return signal.reason
  return code ?? 128 + (killedBy ? constants.signals[killedBy] : 0)
}

function hasQueryEngine({ program }: ProjectPrisma): boolean {
  try {
    const engines = createRequire(program).resolve('@prisma/engines/package.json')
    return readdirSync(path.dirname(engines)).some((name) => /query_engine.*\.node$/.test(name))
  } catch {
    return false
  }
}

const generates = ([command]: readonly string[]) => command === 'generate'
const generatesAfterwards = ([command, verb]: readonly string[]) =>
  (command === 'migrate' && (verb === 'dev' || verb === 'reset')) || (command === 'db' && verb === 'push')

/** The variable through which a URL reaches Prisma. */
const URL_VARIABLE = 'RAYS_PRISMA_URL'

/** Prisma: `migrate diff --exit-code`, 2 for a difference. */
const DIFFERENT = 2

/** A schema engine that asks the project's own Prisma, in the words of the installed version. */
export async function createPrismaCliEngine(engine: Engine, options: SchemaEngineOptions): Promise<SchemaEngine> {
  const found = await findPrisma(options.root)
  if (!found) {
    throw new ConfigError(`Prisma is not installed in ${options.root}, and schemaEngine is "prisma-cli"`, {
      hint: 'npm install --save-dev prisma, or remove schemaEngine from raysconfig.js.',
    })
  }
  const prisma = found

  async function run(workspace: Workspace, args: readonly string[]): Promise<Output> {
    const config = prisma.major >= 7 ? ['--config', workspace.config] : []
    const output = await execute(prisma, [...args, ...config], {
      cwd: options.root,
      env: { ...quiet(process.env), [URL_VARIABLE]: workspace.url?.reveal() ?? '' },
    })
    const clean = plain(output.stderr).replaceAll(workspace.copies, '')
    return { code: output.code, stdout: output.stdout, stderr: redact(clean, workspace.url?.secrets).trim() }
  }

  async function diff(from: SchemaState, to: SchemaState, diffOptions: DiffOptions = {}) {
    if (from.kind === 'empty' && to.kind === 'empty') return { empty: true, script: EMPTY_SCRIPT, summary: '' }
    if (from.kind === 'database' && to.kind === 'database') {
      throw new UsageError("Prisma's command line cannot compare two databases", {
        hint: 'Remove schemaEngine from raysconfig.js: the engine in this process can.',
      })
    }
    const live = from.kind === 'database' ? from : to.kind === 'database' ? to : undefined
    const url = live && (await urlOf(engine, options.url, live.connection))
    return withWorkspace(prisma, url, diffOptions, async (workspace) => {
      const flags = [...(await flag(workspace, 'from', from)), ...(await flag(workspace, 'to', to))]
      const ask = async (script: string[]) => {
        const output = await run(workspace, ['migrate', 'diff', ...flags, ...script, '--exit-code'])
        if (output.code !== 0 && output.code !== DIFFERENT) throw refusal(output)
        return output
      }
      const script = await ask(['--script'])
      const empty = script.code === 0
      const summary = empty || diffOptions.summary === false ? '' : (await ask([])).stdout.trim()
      return { empty, script: empty ? EMPTY_SCRIPT : script.stdout.trim(), summary }
    })
  }

  async function flag(workspace: Workspace, side: 'from' | 'to', state: SchemaState): Promise<string[]> {
    if (state.kind === 'empty') return [`--${side}-empty`]
    const files = state.kind === 'schema' ? state.files : state.context
    const location = await workspace.write(side, files)
    if (prisma.major >= 7) {
      if (state.kind === 'schema') return [`--${side}-schema`, location]
      await workspace.configure(location)
      return [`--${side}-config-datasource`]
    }
    return [`--${side}-schema-${state.kind === 'schema' ? 'datamodel' : 'datasource'}`, location]
  }

  async function introspect(connection: Connection, context: readonly SchemaFile[]): Promise<SchemaFile[]> {
    const url = await urlOf(engine, options.url, connection)
    return withWorkspace(prisma, url, {}, async (workspace) => {
      const location = await workspace.write('context', context)
      await workspace.configure(location)
      const output = await run(workspace, ['db', 'pull', '--schema', location])
      const empty = /P4001/.test(output.stderr)
      if (output.code !== 0 && !empty) throw refusal(output)
      const found = empty ? [] : await workspace.read('context')
      const layout = context.length > 1 ? 'folder' : 'file'
      const { write, remove } = replaceModels({ path: '/', layout, files: context }, found)
      const files = new Map(context.map((file) => [file.path, file]))
      for (const file of write) files.set(file.path, file)
      for (const name of remove) files.delete(name)
      return [...files.values()]
    })
  }

  return {
    diff,
    introspect,
    validate: (files) =>
      withWorkspace(prisma, undefined, {}, async (workspace) => {
        const location = await workspace.write('schema', files)
        await workspace.configure(location)
        const output = await run(workspace, ['validate', '--schema', location])
        if (output.code !== 0) throw refusal(output)
      }),
  }
}

const EMPTY_SCRIPT = '-- This is an empty migration.'

/**
 * The URL by which Prisma reaches the database of a session.
 * @throws {UsageError} where the URL would lead elsewhere
 */
async function urlOf(engine: Engine, main: DatabaseUrl | undefined, connection: Connection): Promise<DatabaseUrl> {
  if (!main) {
    throw new ConfigError('No database URL is set, and Prisma connects by itself.', {
      hint: 'Set DATABASE_URL in the environment or in .env, or databaseUrl in raysconfig.js.',
    })
  }
  const timeouts = { connectTimeoutMs: 10_000, lockTimeoutMs: 10_000, statementTimeoutMs: 0, readOnly: true }
  const identity = await connection.identify()
  for (const url of [main, engine.withDatabase(main, connection.place)]) {
    const other = await engine.connect(url, timeouts).catch(() => undefined)
    const same = other !== undefined && (await other.identify()) === identity
    await other?.close()
    if (same) return url
  }
  throw new UsageError(`Prisma's command line cannot be told how to reach ${connection.target}`, {
    hint: 'Remove schemaEngine from raysconfig.js: the engine in this process uses the open session.',
  })
}

interface Workspace {
  /** How the paths of the copied schema files begin; left out of messages, so that they name the project's files. */
  readonly copies: RegExp
  readonly config: string
  readonly url: DatabaseUrl | undefined
  /** Writes a schema below a name of its own; returns the path to give to Prisma. */
  write(name: string, files: readonly SchemaFile[]): Promise<string>
  read(name: string): Promise<SchemaFile[]>
  /** Names the schema whose datasource is meant. */
  configure(schema: string): Promise<void>
}

/** A folder that only this user can read, and that is gone afterwards. */
async function withWorkspace<T>(
  prisma: ProjectPrisma,
  url: DatabaseUrl | undefined,
  diffOptions: DiffOptions,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  const folder = await fs.realpath(await fs.mkdtemp(path.join(tmpdir(), 'rays-prisma-')))
  const config = path.join(folder, 'prisma.config.mjs')
  const configure = (schema?: string) =>
    fs.writeFile(
      config,
      `export default ${JSON.stringify({
        ...(schema !== undefined && { schema }),
        experimental: { externalTables: true },
        tables: { external: diffOptions.externalTables ?? [] },
        enums: { external: diffOptions.externalEnums ?? [] },
      }).replace(/}$/, `,"datasource":{"url":process.env.${URL_VARIABLE}}}`)}\n`,
      { mode: 0o600 },
    )
  try {
    await configure()
    return await work({
      copies: /\S*rays-prisma-\w+[\\/](?:from|to|context|schema)[\\/]/g,
      config,
      url,
      configure,
      write: async (name, files) => {
        const root = path.join(folder, name)
        datasourceOf(files)
        for (const file of prisma.major >= 7 ? forEngine(files) : withUrl(files, URL_VARIABLE)) {
          const target = path.join(root, file.path)
          await fs.mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
          await fs.writeFile(target, file.content, { mode: 0o600 })
        }
        return files.length === 1 ? path.join(root, files[0]!.path) : root
      },
      read: async (name) => {
        const root = path.join(folder, name)
        const entries = await fs.readdir(root, { recursive: true })
        const names = entries.filter((entry) => entry.endsWith('.prisma'))
        return Promise.all(
          names.map(async (entry) => ({
            path: entry.split(path.sep).join('/'),
            content: await fs.readFile(path.join(root, entry), 'utf8'),
          })),
        )
      },
    })
  } finally {
    await fs.rm(folder, { recursive: true, force: true })
  }
}

interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function execute(
  prisma: ProjectPrisma,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const limits = { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const
    const told = (error: ExecFileException | null, stdout: string, stderr: string) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    }
    const child = execFile(process.execPath, [prisma.program, ...args], { ...options, ...limits }, told)
    // It answers what a step needs, so it ends by itself; but it does not outlive rays.
    void attend(child, undefined, false)
  })
}

function quiet(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' }
}

function refusal({ stderr, stdout }: Output): Error {
  const message = stderr || plain(stdout).trim()
  if (/P1012|Prisma schema validation/.test(message)) {
    return invalidSchema(message, undefined)
  }
  return new FailedError(`Prisma refused: ${message}`, {
    code: 'E_ENGINE',
    hint: /ENOTFOUND|binaries\.prisma\.sh/.test(message)
      ? "Prisma wanted to download its engine. Remove schemaEngine from raysconfig.js: rays' own needs no download."
      : undefined,
  })
}

function plain(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, '')
}
