// npm test: makes the checkout usable, checks format and types, then runs jest; its arguments are passed on.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ready } from './ready.mjs'
import { Suite } from './suite.mjs'

/** What `npm test` runs. @param {Suite} suite @param {readonly string[]} args jest's */
export async function everything(suite, args = []) {
  await suite.check('Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '.'])
  await suite.check('Types', 'node_modules/typescript/bin/tsc', ['-p', 'tsconfig.test.json'])
  if (args.length > 0) return void (await suite.jest(args))
  // What is pure fails within seconds; what needs servers and processes comes after it.
  await suite.jest(['--selectProjects', 'unit'])
  await suite.jest(['--ignoreProjects', 'unit'])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
  ready(root)
  const suite = new Suite(root)
  await everything(suite, process.argv.slice(2))
  console.log(`${suite.passed} passed, ${suite.failed} failed`)
  process.exitCode = suite.failed > 0 ? 1 : 0
}
