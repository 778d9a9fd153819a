// Writes docs/commands.md from what --help prints. `--check` writes nothing and exits 1 where the file is out of date.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ready } from './ready.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const check = process.argv.includes('--check')
if (!check) ready(root)
const { COMMANDS } = await import('../dist/src/cli/commands/index.js')

const help = (...words) => {
  const run = spawnSync(process.execPath, [path.join(root, 'bin', 'rays.js'), ...words, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', COLUMNS: '100' },
  })
  if (run.status !== 0) throw new Error(`rays ${words.join(' ')} --help: ${run.stderr}`)
  return run.stdout.trimEnd()
}
// The options that every command has are told once.
const withoutGlobals = (text) =>
  text
    .replace(/\nEverywhere:\n(?: .*\n?)+/, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()
const block = (text) => `\`\`\`text\n${text}\n\`\`\``

const page = [
  '# Commands',
  'This page is written from `--help` (`node scripts/docs.mjs`).',
  block(help()),
  ...COMMANDS.flatMap(({ name }) => [`## rays ${name}`, block(withoutGlobals(help(name)))]),
].join('\n\n')

const file = path.join(root, 'docs', 'commands.md')
if (check) {
  if (readFileSync(file, 'utf8') === `${page}\n`) process.exit(0)
  console.error('docs/commands.md is out of date: node scripts/docs.mjs')
  process.exit(1)
}
writeFileSync(file, `${page}\n`)
