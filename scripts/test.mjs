// npm test: makes the checkout usable, checks format and types, then runs jest; its arguments are passed on.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ready } from './ready.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const args = process.argv.slice(2)
ready(root)

const folder = mkdtempSync(path.join(tmpdir(), 'rays-test-run-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let failed = 0
let passed = 0

check('Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '.'])
check('Types', 'node_modules/typescript/bin/tsc', ['-p', 'tsconfig.test.json'])
if (args.length > 0) jest(args)
else {
  // What is pure fails within seconds; what needs servers and processes comes after it.
  jest(['--selectProjects', 'unit'])
  jest(['--ignoreProjects', 'unit'])
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

function run(script, scriptArgs, env = {}) {
  const { status } = spawnSync(process.execPath, [path.join(root, script), ...scriptArgs], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  })
  return status ?? 1
}

/** A check counts as one failure; it is not among the tests that pass. */
function check(title, script, scriptArgs) {
  console.log(`${title} …`)
  if (run(script, scriptArgs) === 0) return
  failed += 1
  console.error(`${title}: failed.`)
}

function jest(jestArgs) {
  const report = path.join(folder, `${passed + failed}-${Date.now()}.json`)
  const options = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim()
  const cache = path.join(tmpdir(), 'rays-test-transformed')
  const status = run(
    'node_modules/jest/bin/jest.js',
    ['--passWithNoTests', '--json', `--outputFile=${report}`, `--cacheDirectory=${cache}`, ...jestArgs],
    { NODE_OPTIONS: options, TMPDIR: quickest() },
  )
  let failures = 0
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'))
    passed += result.numPassedTests
    // A file that could not even be loaded has no tests; it counts as one.
    failures = result.numFailedTests + result.numRuntimeErrorTestSuites
  } catch {
    // Jest wrote no report: it ended before the tests.
  }
  failed += status === 0 ? failures : Math.max(failures, 1)
}

/** Where servers, databases and projects of the tests live: in memory where there is room, which saves a quarter of the time. */
function quickest() {
  const [memory, enough] = ['/dev/shm', 4 * 1024 ** 3]
  try {
    const { bavail, bsize } = statfsSync(memory)
    return process.env.TMPDIR === undefined && bavail * bsize > enough ? memory : tmpdir()
  } catch {
    return tmpdir()
  }
}
