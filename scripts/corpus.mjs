// Compares the plans of rays with migrations that Prisma wrote.
//
//   node scripts/corpus.mjs <corpus folder> [--verbose] [--only=<text>]
//
// The corpus holds one folder per dialect (`mysql-cases`), with one folder per case: before.prisma, after.prisma,
// expected.sql and SOURCE.txt, whose `note:` lines tell how the case was made. Needs `npm run build`.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
})
const [corpus] = positionals
if (!corpus) {
  console.error('usage: node scripts/corpus.mjs <corpus folder> [--verbose] [--only=<text>]')
  process.exit(2)
}

/** One entry per dialect: `attempts` yields the ways to read a case, each with the text that rays writes. */
const dialects = [{ folder: 'mysql-cases', attempts: mysqlAttempts }]

let failed = false
for (const { folder, attempts } of dialects) {
  const root = join(corpus, folder)
  if (!existsSync(root)) continue
  const tally = new Map()
  const names = readdirSync(root).filter((name) => name.includes(values.only))
  let found = 0
  for (const name of names) {
    const one = readCase(join(root, name))
    const hits = []
    const misses = []
    try {
      for await (const { label, script } of attempts(one)) {
        if (normalise(script) === normalise(one.expected)) hits.push(label)
        else misses.push({ label, script })
      }
    } catch (error) {
      misses.push({ label: 'error', script: error.message })
    }
    for (const label of hits) tally.set(label, (tally.get(label) ?? 0) + 1)
    if (hits.length > 0) found++
    console.log(`${hits.length > 0 ? 'ok  ' : 'MISS'} ${name}  ${hits.join(', ') || reason(one.expected, misses)}`)
    if (values.verbose && hits.length === 0) for (const miss of misses) console.log(difference(one.expected, miss))
  }
  const percent = (n) => `${n}/${names.length} (${((100 * n) / names.length).toFixed(1)}%)`
  console.log(`\n${folder}: ${percent(found)} in some view`)
  for (const [label, n] of [...tally].sort()) console.log(`  ${label}: ${percent(n)}`)
  failed ||= found < names.length * 0.97
}
process.exitCode = failed ? 1 : 0

function readCase(folder) {
  const read = (name) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '')
  const source = read('SOURCE.txt')
  const notes = source.split('\n').filter((line) => line.startsWith('note:'))
  return { before: read('before.prisma'), after: read('after.prisma'), expected: read('expected.sql'), notes }
}

/** The number of an enum is not predictable. */
function normalise(sql) {
  return sql
    .replaceAll('\r\n', '\n')
    .replace(/EnumId\(\d+\)/g, 'EnumId(n)')
    .trim()
}

function statements(sql) {
  return normalise(sql)
    .split(/\n\n(?=-- [A-Z])/)
    .sort()
    .join('\n\n')
}

function reason(expected, misses) {
  const reordered = misses.find(({ script }) => statements(script) === statements(expected))
  if (reordered) return `the same statements in another order (${reordered.label})`
  const error = misses.find(({ label }) => label === 'error')
  return error ? `error: ${error.script}` : 'other statements'
}

/** Lines of either text that the other lacks. */
function difference(expected, { label, script }) {
  const [a, b] = [normalise(expected).split('\n'), normalise(script).split('\n')]
  const lines = [
    ...a.filter((line) => !b.includes(line)).map((line) => `      - ${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `      + ${line}`),
  ]
  return [`    ${label}:`, ...lines].join('\n')
}

async function* mysqlAttempts({ before, after, notes, expected }) {
  const { planMigration, readSchema, warningsComment, NO_TABLES } = await import(
    '../dist/engines/mysql/planner/index.js'
  )
  const read = (content) => readSchema([{ path: 'schema.prisma', content }])
  const from = before.trim() === '' ? NO_TABLES : await read(before)
  const to = await read(after)
  const note = notes.join('\n')
  const externalTables = [...(/externalTables = \[([^\]]*)\]/.exec(note)?.[1].matchAll(/"([^"]*)"/g) ?? [])].map(
    ([, name]) => name,
  )
  const flags = {
    externalTables,
    mariadb: /MariaDB/.test(note),
    lowerCaseTableNames: /lower_case_table_names=1/.test(note),
  }
  // `migrate dev` writes the warnings into the file, `migrate diff` does not.
  const commented = expected.startsWith('/*')
  const variants = [{}, { copyPrisma: true }, { copyPrisma: true, beforePrisma614: true }]
  for (const variant of variants) {
    for (const view of ['schema', 'database']) {
      const plan = planMigration({ from, to, view, ...variant, ...flags })
      const label = [`${view} view`, ...Object.keys(variant)].join(' ')
      yield { label, script: (commented ? warningsComment(plan.warnings) : '') + plan.script }
    }
  }
}
