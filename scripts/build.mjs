// Compiles src and engines to dist. Plain Node; installs nothing.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
if (!existsSync(compiler)) {
  console.error('TypeScript is not installed. Run: npm ci')
  process.exit(1)
}
const { status } = spawnSync(process.execPath, [compiler, '-p', root], { stdio: 'inherit' })
// For require: a thin entry, and declarations that stand alone, because those of a CommonJS module cannot import a module's.
const knex = (name) => path.join(root, 'dist/src/knex', name)
if (status === 0) {
  const declarations = readFileSync(knex('adapter.d.ts'), 'utf8')
  if (/from '\./.test(declarations)) throw new Error('src/knex/adapter.ts: its declarations must import packages alone')
  writeFileSync(knex('index.d.cts'), declarations)
  copyFileSync(path.join(root, 'src/knex/index.cjs'), knex('index.cjs'))
}
// A file that is gone from the sources must not stay in the package. Removed last, one by one, so that a running rays
// finds its files at any time.
const dist = path.join(root, 'dist')
for (const entry of existsSync(dist) ? readdirSync(dist, { recursive: true, withFileTypes: true }) : []) {
  if (!entry.isFile()) continue
  const built = path.join(entry.parentPath, entry.name)
  const source = path.join(root, path.relative(dist, built).replace(/(\.d\.c?ts|\.js|\.js\.map)$/, ''))
  if (!existsSync(`${source}.ts`) && !existsSync(source)) rmSync(built)
}
process.exit(status ?? 1)
