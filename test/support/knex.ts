/** A project that has Knex and rays installed, and the real `knex` command run in it as a process of its own. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Provider } from '../../engines/engine.js'
import type { FreshDatabase } from './databases.js'
import { offline } from './prisma.js'
import { type ProjectOptions, project, type TestProject } from './project.js'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

export const CLIENTS: { readonly [P in Provider]: string } = {
  postgresql: 'pg',
  mysql: 'mysql2',
  sqlite: 'better-sqlite3',
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface KnexProject extends TestProject {
  /** Runs `knex <args>`. An exit code is an answer, not an error. */
  knex(...args: string[]): Promise<Ran>
  /** Runs one of the project's npm scripts, with the options that an offline Prisma needs. */
  npm(...args: string[]): Promise<Ran>
  /** Runs a script of the project's, as an ES module. */
  node(code: string, env?: Readonly<Record<string, string>>): Promise<Ran>
}

/** A project with a knexfile that is wrapped by the adapter. */
export function knexProject(
  db: FreshDatabase,
  options: Pick<ProjectOptions, 'schema'> & Partial<ProjectOptions>,
): KnexProject {
  const made = project({ provider: db.provider, url: db.href, ...options })
  installIn(made.folder)
  if (!options.files?.['knexfile.mjs']) {
    made.write({
      'knexfile.mjs': `import { knexFilePrismaAdapter } from 'prisma-rays/knex'
export default knexFilePrismaAdapter({ client: '${CLIENTS[db.provider]}', connection: process.env.DATABASE_URL })
`,
    })
  }
  const env = {
    ...process.env,
    NODE_OPTIONS: undefined,
    NO_COLOR: '1',
    DATABASE_URL: db.href,
    NODE_ENV: 'development',
    TS_NODE_TRANSPILE_ONLY: '1',
  }
  const start = (program: string, args: readonly string[], more = {}) =>
    new Promise<Ran>((resolve) => {
      const child = execFile(
        program,
        [...args],
        { cwd: made.folder, env: { ...env, ...more } },
        (_error, stdout, stderr) => resolve({ code: child.exitCode ?? 128, stdout, stderr }),
      )
      child.stdin?.end()
    })
  const run = (args: readonly string[], more = {}) => start(process.execPath, args, more)
  const cli = path.join(ROOT, 'node_modules/knex/bin/cli.js')
  return {
    ...made,
    knex: (...args) => run([cli, ...args]),
    npm: (...args) => start('npm', ['run', '--silent', ...args], offline),
    node: (code, more) => {
      made.write({ 'script.mjs': code })
      return run(['script.mjs'], more)
    },
  }
}

/** The checkout's packages, and rays itself under its name. */
export function installIn(folder: string): void {
  const modules = path.join(folder, 'node_modules')
  rmSync(modules, { recursive: true, force: true })
  mkdirSync(modules)
  for (const name of readdirSync(path.join(ROOT, 'node_modules'))) {
    // Not the folder of the commands: what is written into a link to it would be written into the checkout's.
    if (name !== 'prisma-rays' && !name.startsWith('.'))
      symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name))
  }
  symlinkSync(ROOT, path.join(modules, 'prisma-rays'), 'dir')
  mkdirSync(path.join(modules, '.bin'))
  symlinkSync(path.join(ROOT, 'bin/rays.js'), path.join(modules, '.bin/rays'))
  symlinkSync(path.join(ROOT, 'node_modules/knex/bin/cli.js'), path.join(modules, '.bin/knex'))
  symlinkSync(path.join(ROOT, 'node_modules/prisma/build/index.js'), path.join(modules, '.bin/prisma'))
}
