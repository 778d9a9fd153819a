// Makes a fresh clone usable: installs the dependencies and builds, each only where that is missing or out of date.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** @param {string} root the checkout */
export function ready(root) {
  if (!installed(root))
    run(root, 'Installing the dependencies', npm(), ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (!built(root)) run(root, 'Building', process.execPath, [path.join(root, 'scripts', 'build.mjs')])
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm'
}

function run(root, what, command, args) {
  console.log(`${what} …`)
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status === 0) return
  console.error(`${what} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}

/** Whether every package of the lock file is there, in its version. */
function installed(root) {
  const packages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages
  try {
    const present = packages(path.join(root, 'node_modules', '.package-lock.json'))
    const wanted = Object.entries(packages(path.join(root, 'package-lock.json')))
    return wanted.every(
      ([name, { version, optional }]) =>
        name === '' || (optional && !present[name]) || present[name]?.version === version,
    )
  } catch {
    return false
  }
}

function built(root) {
  const output = path.join(root, 'dist', 'src', 'cli.js')
  if (!existsSync(output)) return false
  const time = statSync(output).mtimeMs
  return (
    newest(path.join(root, 'src')) <= time &&
    newest(path.join(root, 'engines')) <= time &&
    statSync(path.join(root, 'tsconfig.json')).mtimeMs <= time
  )
}

function newest(folder) {
  return Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(path.join(entry.parentPath, entry.name)).mtimeMs),
  )
}
