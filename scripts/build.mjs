// Compiles src and engines to dist. Plain Node; installs nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
if (!existsSync(compiler)) {
  console.error('TypeScript is not installed. Run: npm ci')
  process.exit(1)
}
// A file that is gone from the sources must not stay in the package.
rmSync(path.join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [compiler, '-p', root], { stdio: 'inherit' })
process.exit(status ?? 1)
