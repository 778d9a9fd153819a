// Runs a command as a process of its own and measures it: wall time, and the most memory of any one process it started.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const PEAK = fileURLToPath(new URL('peak.cjs', import.meta.url))
let runs = 0

/**
 * @param {string[]} args of Node: the script and its arguments
 * @param {{ cwd: string, env?: Record<string, string>, expect?: number }} options
 * @returns {Promise<{ ms: number, mb: number, stdout: string }>} `mb` is the peak of the largest process
 * @throws when the exit code is not the expected one (0)
 */
export async function measure(args, { cwd, env = {}, expect = 0 }) {
  const peaks = path.join(tmpdir(), `rays-bench-peak-${process.pid}-${++runs}`)
  const child = {
    ...process.env,
    CI: '1',
    NO_COLOR: '1',
    ...env,
    NODE_OPTIONS: `--require ${PEAK}`,
    RAYS_BENCH_PEAK: peaks,
  }
  const started = performance.now()
  const { code, stdout, stderr } = await run(args, { cwd, env: child })
  const ms = performance.now() - started
  const mb = Math.max(0, ...lines(peaks).map((line) => Number.parseInt(line, 10) / 1024))
  rmSync(peaks, { force: true })
  if (code !== expect) throw new Error(`${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
  return { ms, mb, stdout }
}

function run(args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (chunk) => {
        text[name] += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code: code ?? signal, ...text }))
  })
}

function lines(file) {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
