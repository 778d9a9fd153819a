// Compares what rays plans with migrations that Prisma wrote.
//
//   node scripts/corpus.mjs <corpus folder> [--only=<text>] [--verbose]
//   node scripts/corpus.mjs <corpus folder> --histories --url=<mysql url> [--url=<another>] [--only=<text>] [--verbose]
//
// The corpus holds one folder of cases per database (`mysql-cases`, `postgresql-cases`, `sqlite-cases`), with one folder
// per case: before.prisma, after.prisma, expected.sql, SOURCE.txt and, for some, history.sql (the migrations before). With
// --histories it also needs `mysql/<project>/{schema.prisma,migrations}`, and a server: databases are made there and
// dropped; of several servers (one with lower_case_table_names=1) each history goes to the first that takes it.
// Needs `npm run build`. Exits 1 where less than 97 % of the cases of a database come out.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { histories } from './corpus-histories.mjs'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
    histories: { type: 'boolean', default: false },
    url: { type: 'string', multiple: true, default: [] },
  },
})
const [corpus] = positionals
if (!corpus || (values.histories && values.url.length === 0)) {
  console.error(
    'usage: node scripts/corpus.mjs <corpus folder> [--histories --url=<mysql url>] [--only=<text>] [--verbose]',
  )
  process.exit(2)
}

/** One entry per database: `attempts` yields the ways to plan a case, the default ones first. */
const DIALECTS = [
  { folder: 'mysql-cases', attempts: mysqlAttempts },
  { folder: 'postgresql-cases', attempts: prismaAttempts },
  { folder: 'sqlite-cases', attempts: prismaAttempts },
]

/** Options of the planner that only this script uses, and what a case says that needs them. */
const VARIANTS = [
  { options: {}, why: '' },
  {
    options: { copyPrisma: true },
    why: 'with the changes that Prisma writes again and again or that the server refuses; rays leaves them out',
  },
  {
    options: { copyPrisma: true, beforePrisma614: true },
    why: 'with the rule of Prisma before 6.14 for indexes under foreign keys',
  },
]

const matching = (folder) =>
  existsSync(folder) ? readdirSync(folder).filter((name) => name.includes(values.only)) : []

/** Runs the cases of one folder; true where at least 97 % come out. */
async function compareCases(folder, attempts, wanted = () => true) {
  const root = path.join(corpus, folder)
  const cases = matching(root)
    .map((name) => readCase(root, name))
    .filter(wanted)
  if (cases.length === 0) return true
  const tally = new Map()
  let counted = 0
  for (const one of cases) {
    const { label, note, misses } = await outcome(one, attempts)
    tally.set(label, (tally.get(label) ?? 0) + 1)
    if (label !== 'does not apply') counted++
    console.log(`${label.padEnd(7)} ${one.name}${note ? `  ${note}` : ''}`)
    if (values.verbose && label !== 'ok') for (const miss of misses) console.log(difference(one.expected, miss))
  }
  const share = (n) => `${n}/${counted} (${((100 * n) / Math.max(counted, 1)).toFixed(1)}%)`
  const found = (tally.get('ok') ?? 0) + (tally.get('known') ?? 0)
  console.log(
    `\n${folder}: ${share(tally.get('ok') ?? 0)} as rays plans, ${share(found)} with differences that are known`,
  )
  if (counted < cases.length) console.log(`  ${cases.length - counted} histories are not taken by these servers`)
  console.log()
  return found >= counted * 0.97
}

async function outcome(one, attempts) {
  const misses = []
  try {
    for await (const { label, script, why, orderKnown } of attempts(one)) {
      const same = sameText(script, one.expected) ? 'text' : compared(script, one.expected)
      if (same === 'text' || same === 'statements') {
        const how = `${label}${same === 'text' ? '' : ', statement for statement'}`
        return why ? { label: 'known', note: `${how}: ${why}`, misses } : { label: 'ok', note: how, misses }
      }
      misses.push({ label, script, same, orderKnown })
    }
  } catch (error) {
    if (error.history) return { label: 'does not apply', note: error.message, misses }
    return { label: 'MISS', note: `error: ${error.message}`, misses }
  }
  const reordered = misses.find(({ same }) => same === 'order')
  if (reordered) {
    const label = reordered.orderKnown ? 'known' : 'MISS'
    return { label, note: `the same statements in another order${reordered.orderKnown ?? ''}`, misses }
  }
  return { label: 'MISS', note: 'other statements', misses }
}

function readCase(root, name) {
  const read = (file) => {
    const at = path.join(root, name, file)
    return existsSync(at) ? readFileSync(at, 'utf8') : ''
  }
  return {
    name,
    before: read('before.prisma'),
    after: read('after.prisma'),
    expected: read('expected.sql'),
    history: read('history.sql'),
    source: read('SOURCE.txt'),
  }
}

const schema = (content) =>
  content.trim() === '' ? { kind: 'empty' } : { kind: 'schema', files: [{ path: 'schema.prisma', content }] }

/** The number of an enum in a warning is not predictable. */
const normalised = (sql) =>
  sql
    .replaceAll('\r\n', '\n')
    .replace(/EnumId\(\d+\)/g, 'EnumId(n)')
    .trim()
const sameText = (a, b) => normalised(a) === normalised(b)

/**
 * The statements alone: without comments, PRAGMA lines (versions of Prisma differ in them), CREATE SCHEMA (written since
 * Prisma 6) and the name of the usual namespace (before tables that were there, since 6.14).
 */
function statements(sql) {
  return normalised(sql)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^--.*$/gm, '')
    .replaceAll('"public".', '')
    .split(/;[^\S\n]*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '' && !/^(?:PRAGMA|CREATE SCHEMA)\b/.test(statement))
}

function compared(a, b) {
  const [one, other] = [statements(a), statements(b)]
  if (one.join(';\n') === other.join(';\n')) return 'statements'
  const unordered = (list) =>
    list
      .map((statement) => statement.split(/,?\n/).sort().join('\n'))
      .sort()
      .join(';\n')
  return unordered(one) === unordered(other) ? 'order' : 'no'
}

/** Statements of either text that the other lacks. */
function difference(expected, { label, script }) {
  const [a, b] = [statements(expected), statements(script)]
  const lines = [
    ...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`),
  ]
  return [`    ${label}:`, ...lines.flatMap((line) => line.split('\n').map((text) => `      ${text}`))].join('\n')
}

/** PostgreSQL and SQLite: Prisma's engine in this process. */
async function* prismaAttempts({ before, after }) {
  const { createWasmEngine } = await import('../dist/src/schema/wasm-engine.js')
  const { script } = await createWasmEngine().diff(schema(before), schema(after), { summary: false })
  yield { label: 'schema', script, orderKnown: ': `migrate dev` lists tables and keys as the database does' }
}

/** MySQL: the planner, from the schema before it as it is and as a server would show it. */
async function* mysqlAttempts({ before, after, expected, source }) {
  const { planMigration, readSchema, warningsComment, NO_TABLES } = await import(
    '../dist/engines/mysql/planner/index.js'
  )
  const read = (content) => readSchema([{ path: 'schema.prisma', content }])
  const from = before.trim() === '' ? NO_TABLES : await read(before)
  const to = await read(after)
  const flags = {
    externalTables: externalTables(source),
    mariadb: /^note:.*MariaDB/m.test(source),
    lowerCaseTableNames: /^note:.*lower_case_table_names=1/m.test(source),
  }
  // Prisma 4.0 ordered foreign keys by both of their models, later versions by the fields.
  const old = /^prisma-version: \^?4\.0\./m.test(source)
  // `migrate dev` writes the warnings into the file, `migrate diff` does not.
  const comment = (plan) => (expected.startsWith('/*') ? warningsComment(plan.warnings) : '')
  for (const { options, why } of VARIANTS) {
    for (const view of ['database', 'schema']) {
      const plan = planMigration({ from, to, view, ...options, ...flags })
      yield {
        label: `${view} view`,
        script: comment(plan) + plan.script,
        why,
        ...(old && { orderKnown: ': that of Prisma 4.0 for foreign keys' }),
      }
    }
  }
}

/** The filter that a case was made with. */
function externalTables(source) {
  const list = /externalTables = \[([^\]]*)\]/.exec(source)?.[1] ?? ''
  return [...list.matchAll(/"([^"]*)"/g)].map(([, name]) => name)
}

let failed = false
if (values.histories)
  failed = !(await histories({
    corpus,
    urls: values.url,
    variants: VARIANTS,
    matching,
    verbose: values.verbose,
    externalTables,
    compareCases,
  }))
else for (const { folder, attempts } of DIALECTS) failed = !(await compareCases(folder, attempts)) || failed
process.exitCode = failed ? 1 : 0
