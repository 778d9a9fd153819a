/**
 * rays as plain JavaScript in a temporary folder, for tests that need a process of Node's own: how Node loads a user's
 * modules, and what a person sees on the command line. Types are not checked here.
 */
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import ts from 'typescript'

export interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Compiled {
  /** The package: `bin`, `dist`, `node_modules`. */
  readonly folder: string
  /** Runs `rays`. */
  rays(args: readonly string[], options?: RunOptions): Promise<Run>
  /** Runs a script that may import `./src/...` and `./engines/...`. */
  script(code: string, args?: readonly string[], options?: RunOptions): Promise<Run>
  remove(): void
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** @param root the checkout */
export function compile(root = process.cwd()): Compiled {
  const folder = mkdtempSync(path.join(tmpdir(), 'rays-compiled-'))
  const dist = path.join(folder, 'dist')
  for (const room of ['src', 'engines']) {
    for (const file of readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue
      const target = path.join(dist, room, file.replace(/\.ts$/, '.js'))
      mkdirSync(path.dirname(target), { recursive: true })
      const source = readFileSync(path.join(root, room, file), 'utf8')
      writeFileSync(
        target,
        ts.transpileModule(source, {
          compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
        }).outputText,
      )
    }
  }
  for (const file of ['package.json', 'raysconfig.example.js', 'bin/rays.js']) {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(folder, file))
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  let scripts = 0
  const run = (file: string, args: readonly string[], { cwd = folder, env = {} }: RunOptions = {}) =>
    new Promise<Run>((resolve) => {
      const inherited = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR }
      const child = execFile(
        process.execPath,
        [file, ...args],
        { cwd, env: { ...inherited, ...env } },
        (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
      )
      child.stdin?.end()
    })
  return {
    folder,
    rays: (args, options) => run(path.join(folder, 'bin', 'rays.js'), args, options),
    script: (code, args = [], options = {}) => {
      scripts += 1
      const file = path.join(dist, `script-${scripts}.mjs`)
      writeFileSync(file, code)
      return run(file, args, options)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
