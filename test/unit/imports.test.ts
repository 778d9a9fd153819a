/** The folders are floors: imports point downwards, and no file reaches itself by them. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = process.cwd()
/** From the ground up. What is not named here (files beside the folders) may be imported by everybody. */
const FLOORS = [
  'engines',
  'src/config',
  'src/schema',
  'src/migrations',
  'src/history',
  'src/proof',
  'src/commands',
  'src/cli',
]
/** What has not been put right yet; nothing is added here. */
const CIRCLES = new Set(['engines/engine.ts', 'engines/schema-engine.ts'])

function filesIn(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.split(path.sep).join('/')}`)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
}

/** The files that a file imports or exports from, types included, but not what it loads when it is needed. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8')
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from '(\.[^']*)\.js'|^import '(\.[^']*)\.js'/gm)].map(
    ([, from, bare]) => `${path.posix.join(path.posix.dirname(file), from ?? bare ?? '')}.ts`,
  )
}

const FILES = [...filesIn('engines'), ...filesIn('src')]
const IMPORTS = new Map(FILES.map((file) => [file, importsOf(file)]))
const floorOf = (file: string) => FLOORS.findIndex((floor) => file.startsWith(`${floor}/`))

test('imports point downwards', () => {
  const upwards = [...IMPORTS].flatMap(([file, imports]) =>
    imports.filter((to) => floorOf(file) !== -1 && floorOf(to) > floorOf(file)).map((to) => `${file} -> ${to}`),
  )
  expect(upwards).toEqual([])
})

test('no engine imports another one, and none imports what is built on them', () => {
  const engine = (file: string) => /^engines\/(postgresql|mysql|sqlite)\//.exec(file)?.[1]
  const wrong = [...IMPORTS].flatMap(([file, imports]) =>
    imports
      .filter(
        (to) =>
          file.startsWith('engines/') &&
          (to.startsWith('src/') || (engine(to) && engine(file) && engine(to) !== engine(file))),
      )
      .map((to) => `${file} -> ${to}`),
  )
  expect(wrong).toEqual([])
})

test('no file reaches itself', () => {
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    (IMPORTS.get(from) ?? []).some((next) => {
      if (next === to) return true
      if (seen.has(next)) return false
      seen.add(next)
      return reaches(next, to, seen)
    })
  const circles = FILES.filter((file) => !CIRCLES.has(file) && reaches(file, file, new Set()))
  expect(circles).toEqual([])
})

test('every import leads to a file', () => {
  const known = new Set(FILES)
  const lost = [...IMPORTS].flatMap(([file, imports]) =>
    imports.filter((to) => !known.has(to)).map((to) => `${file} -> ${to}`),
  )
  expect(lost).toEqual([])
})
