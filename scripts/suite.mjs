// Runs checks and jest, and counts what passed and failed.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A run of checks and tests in a checkout. */
export class Suite {
  passed = 0
  failed = 0
  #root
  #folder
  #reports = 0
  /** The process that runs now, and all that it started. */
  #running

  /** @param {string} root the checkout */
  constructor(root) {
    this.#root = root
    this.#folder = mkdtempSync(path.join(tmpdir(), 'rays-test-run-'))
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }))
    // The processes are in a group of their own, which Ctrl-C does not reach by itself.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(signal, () => {
        if (this.#running) killGroup(this.#running, signal)
        process.exitCode = 1
        setTimeout(() => process.exit(1), 10_000).unref()
      })
    }
  }

  /** A check counts as one failure; it is not among the tests that pass. */
  async check(title, script, args) {
    console.log(`${title} …`)
    const { code } = await this.#run(script, args, {})
    if (code === 0) return
    this.failed += 1
    console.error(`${title}: failed.`)
  }

  /**
   * Runs jest and counts its tests.
   * @param {readonly string[]} args jest's
   * @param {{ env?: Record<string, string>, milliseconds?: number }} options more of the environment; how long it may take
   * @returns {Promise<{ passed: number, failed: number, late: boolean }>} late: it was ended at the limit, and counts as nothing
   */
  async jest(args, { env = {}, milliseconds } = {}) {
    const report = path.join(this.#folder, `${++this.#reports}.json`)
    const options = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim()
    const cache = path.join(tmpdir(), 'rays-test-transformed')
    const { code, late } = await this.#run(
      'node_modules/jest/bin/jest.js',
      ['--passWithNoTests', '--json', `--outputFile=${report}`, `--cacheDirectory=${cache}`, ...args],
      { NODE_OPTIONS: options, TMPDIR: quickest(), ...env },
      milliseconds,
    )
    if (late) return { passed: 0, failed: 0, late }
    let [passed, failures] = [0, 0]
    try {
      const result = JSON.parse(readFileSync(report, 'utf8'))
      passed = result.numPassedTests
      // A file that could not even be loaded has no tests; it counts as one.
      failures = result.numFailedTests + result.numRuntimeErrorTestSuites
    } catch {
      // Jest wrote no report: it ended before the tests.
    }
    const failed = code === 0 ? failures : Math.max(failures, 1)
    this.passed += passed
    this.failed += failed
    return { passed, failed, late }
  }

  async #run(script, args, env, milliseconds) {
    const child = spawn(process.execPath, [path.join(this.#root, script), ...args], {
      cwd: this.#root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    })
    this.#running = child
    let late = false
    let after
    const limit =
      milliseconds === undefined
        ? undefined
        : setTimeout(() => {
            late = true
            killGroup(child, 'SIGTERM')
            after = setTimeout(() => killGroup(child, 'SIGKILL'), 10_000)
          }, milliseconds)
    const code = await new Promise((resolve) => child.once('exit', resolve).once('error', () => resolve(1)))
    clearTimeout(limit)
    clearTimeout(after)
    this.#running = undefined
    return { code: code ?? 1, late }
  }
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended meanwhile.
  }
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
