// Loaded into every Node process of a measured command (NODE_OPTIONS): notes the most memory that the process ever had.
const { appendFileSync, readFileSync } = require('node:fs')

process.on('exit', () => {
  const file = process.env.RAYS_BENCH_PEAK
  if (!file) return
  appendFileSync(file, `${peak()} ${process.argv[1] ?? ''}\n`)
})

/** Kilobytes. Linux counts what the parent had before exec into maxRSS; VmHWM is this program's own. */
function peak() {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  } catch {
    return process.resourceUsage().maxRSS
  }
}
