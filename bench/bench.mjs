// Measures rays beside Prisma's CLI and Knex, in the same run on the same machine. See README.md.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from './databases.mjs'
import { farAway } from './far.mjs'
import { makeProject } from './history.mjs'
import { measure, median } from './measure.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BARE = path.join(ROOT, 'bench/bare.mjs')
const STAND_IN = path.join(ROOT, 'bin/rays-schema-engine.js')
const resolve = createRequire(import.meta.url).resolve
const RAYS = path.join(ROOT, 'bin/rays.js')
const KNEX = path.join(path.dirname(resolve('knex/package.json')), 'bin/cli.js')
const PRISMA = path.join(path.dirname(resolve('prisma/package.json')), 'build/index.js')

const { values } = parseArgs({
  options: {
    databases: { type: 'string', default: 'sqlite,postgresql,mysql' },
    runs: { type: 'string', default: '5' },
    long: { type: 'string', default: '500' },
    short: { type: 'string', default: '10' },
    only: { type: 'string', default: '' },
    latency: { type: 'string', default: '0' },
    json: { type: 'string' },
  },
})
const RUNS = Number(values.runs)
const COUNTS = { short: Number(values.short), long: Number(values.long) }
const folder = mkdtempSync(path.join(tmpdir(), 'rays-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const engine = prismaEngine()
console.log(`Node ${process.version}, ${cpus().length} CPUs; median of ${RUNS} interleaved runs.`)
console.log(`Prisma's CLI ${version('prisma')} with ${engine.what}. Knex ${version('knex')}.`)
const report = []
for (const provider of values.databases.split(',')) {
  const near = await open(provider, folder)
  const database = near && (await farAway(near, Number(values.latency)))
  if (!database) {
    console.log(`\n${provider}: no server here, left out.`)
    continue
  }
  try {
    console.log(`\n${database.version}${database === near ? '' : `, ${values.latency} ms away`}`)
    const results = await benchmark(database)
    report.push({ database: database.version, provider, results })
    print(results)
  } finally {
    await database.stop()
  }
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)

/** Prisma's own engine where it was downloaded, or the one that is named, or rays' stand-in. */
function prismaEngine() {
  const named = process.env.PRISMA_SCHEMA_ENGINE_BINARY
  if (named) return { what: `the schema engine ${named}`, env: { PRISMA_SCHEMA_ENGINE_BINARY: named } }
  const engines = path.dirname(resolve('@prisma/engines/package.json'))
  const native = readdirSync(engines).find((name) => name.startsWith('schema-engine'))
  if (native) return { what: 'its own schema engine', env: {} }
  return {
    what: "rays' stand-in for its schema engine (its own is not installed)",
    env: { PRISMA_SCHEMA_ENGINE_BINARY: STAND_IN },
  }
}

function version(name) {
  return createRequire(import.meta.url)(`${name}/package.json`).version
}

async function benchmark(database) {
  const results = {}
  const projects = {}
  for (const [name, count] of Object.entries(COUNTS)) {
    const scratch = await database.fresh()
    projects[name] = await makeProject(path.join(folder, `${database.provider}-${name}`), database, scratch.url, count)
    await scratch.drop()
  }
  const wanted = (name) => values.only === '' || values.only.split(',').includes(name)
  const work = { makemigration, migrate, status }
  for (const [name, run] of Object.entries(work)) {
    if (wanted(name)) Object.assign(results, await run(database, projects))
  }
  return results
}

/** A step of a measurement: the tool's command line, where, and what must be put back before the next run. */
function tool(name, project, url, database) {
  const shared = {
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    DATABASE_URL: url,
    RAYS_BENCH_KNEX: JSON.stringify(database.knex(url)),
  }
  const programs = {
    rays: { script: RAYS, env: {} },
    prisma: { script: PRISMA, env: engine.env },
    knex: { script: KNEX, env: {} },
  }
  const { script, env } = programs[name]
  return (args, options = {}) =>
    measure([script, ...args], { cwd: project.folder, env: { ...shared, ...env }, ...options })
}

/** Runs every measurement once per round, so that a busy moment of the machine hits all of them. */
async function rounds(measurements) {
  const found = Object.fromEntries(Object.keys(measurements).map((name) => [name, []]))
  for (let round = 0; round < RUNS; round++) {
    for (const [name, run] of Object.entries(measurements)) {
      if (found[name].failed) continue
      try {
        found[name].push(await run())
      } catch (error) {
        // What Prisma's engine does not do here is told; what rays or Knex cannot do is a failure of the benchmark.
        if (!name.startsWith('prisma')) throw error
        found[name].failed = error.message.split('\n').find((line) => /Error|not/.test(line)) ?? error.message
      }
    }
  }
  return Object.fromEntries(
    Object.entries(found).map(([name, all]) => [
      name,
      all.failed
        ? { failed: all.failed.trim() }
        : {
            ms: median(all.map((r) => r.ms)),
            mb: Math.max(...all.map((r) => r.mb)),
            all: all.map((r) => Math.round(r.ms)),
          },
    ]),
  )
}

async function makemigration(database, projects) {
  const measurements = {}
  const databases = []
  for (const [name, project] of Object.entries(projects)) {
    const fresh = await database.fresh()
    databases.push(fresh)
    const rays = tool('rays', project, fresh.url, database)
    const prisma = tool('prisma', project, fresh.url, database)
    await rays(['migrate', '--no-generate'])
    project.next()
    const folders = path.join(project.folder, 'prisma/migrations')
    const making = (run) => async () => {
      const before = readdirSync(folders)
      try {
        return await run()
      } finally {
        const made = readdirSync(folders).filter((entry) => !before.includes(entry))
        for (const entry of made) rmSync(path.join(folders, entry), { recursive: true })
      }
    }
    const after = `after ${COUNTS[name]}`
    measurements[`rays makemigration ${after}`] = making(() => rays(['makemigration', '--name', 'bench']))
    measurements[`rays makemigration --no-verify ${after}`] = making(() =>
      rays(['makemigration', '--name', 'bench', '--no-verify']),
    )
    measurements[`prisma migrate dev --create-only ${after}`] = making(() =>
      prisma(['migrate', 'dev', '--create-only', '--name', 'bench']),
    )
  }
  try {
    return await rounds(measurements)
  } finally {
    for (const project of Object.values(projects)) project.current()
    for (const fresh of databases) await fresh.drop()
  }
}

async function migrate(database, { long: project }) {
  const up = (name, args) => async () => {
    const fresh = await database.fresh()
    const run = tool(name, project, fresh.url, database)
    try {
      return await run(args)
    } finally {
      await fresh.drop()
    }
  }
  const down = (name, there, back) => async () => {
    const fresh = await database.fresh()
    const run = tool(name, project, fresh.url, database)
    try {
      await run(there)
      const measured = await run(back)
      // Going back sets the schema file back as well.
      project.current()
      return measured
    } finally {
      await fresh.drop()
    }
  }
  const bare = async () => {
    const fresh = await database.fresh()
    const folders = path.join(project.folder, 'prisma/migrations')
    try {
      return await measure([BARE, database.provider, fresh.url, folders], { cwd: project.folder })
    } finally {
      await fresh.drop()
    }
  }
  const n = COUNTS.long
  return rounds({
    [`rays migrate, ${n} up`]: up('rays', ['migrate', '--no-generate']),
    ...(database.provider !== 'mysql' && {
      [`rays migrate --single-transaction, ${n} up`]: up('rays', ['migrate', '--no-generate', '--single-transaction']),
    }),
    [`driver alone, a transaction each, ${n}`]: bare,
    [`knex migrate:latest, ${n}`]: up('knex', ['migrate:latest']),
    [`prisma migrate deploy, ${n}`]: up('prisma', ['migrate', 'deploy']),
    [`rays migrate --name zero, ${n} down`]: down(
      'rays',
      ['migrate', '--no-generate'],
      ['migrate', '--name', 'zero', '--y', '--no-generate'],
    ),
    [`knex migrate:rollback --all, ${n}`]: down('knex', ['migrate:latest'], ['migrate:rollback', '--all']),
  })
}

async function status(database, { long: project }) {
  const fresh = await database.fresh()
  const other = await database.fresh()
  try {
    const rays = tool('rays', project, fresh.url, database)
    const prisma = tool('prisma', project, fresh.url, database)
    const knex = tool('knex', project, other.url, database)
    await rays(['migrate', '--no-generate'])
    await knex(['migrate:latest'])
    const n = COUNTS.long
    return await rounds({
      [`rays status, ${n}`]: () => rays(['status']),
      [`prisma migrate status, ${n}`]: () => prisma(['migrate', 'status']),
      [`knex migrate:list, ${n}`]: () => knex(['migrate:list']),
    })
  } finally {
    await fresh.drop()
    await other.drop()
  }
}

function print(results) {
  const width = Math.max(...Object.keys(results).map((name) => name.length))
  for (const [name, result] of Object.entries(results)) {
    const value = result.failed
      ? `  -  ${result.failed}`
      : `${`${Math.round(result.ms)} ms`.padStart(9)}  ${`${Math.round(result.mb)} MB`.padStart(7)}   [${result.all.join(' ')}]`
    console.log(`  ${name.padEnd(width)}  ${value}`)
  }
  for (const [what, ratio, limit] of ratios(results)) {
    console.log(`  ${what}: ${ratio.toFixed(2)} (${/^(?:at|below)/.test(limit) ? 'to reach: ' : ''}${limit})`)
  }
}

/** The figures to reach, where both sides were measured. */
function ratios(results) {
  const { short, long } = COUNTS
  const ms = (name) => results[name]?.ms
  const made = ms(`rays makemigration after ${long}`)
  const pairs = [
    [`makemigration after ${long} / after ${short}`, made, ms(`rays makemigration after ${short}`), 'at most 1.2'],
    [
      `prisma migrate dev --create-only / makemigration after ${long}`,
      ms(`prisma migrate dev --create-only after ${long}`),
      made,
      'at least 8',
    ],
    [
      `migrate ${long} up / knex migrate:latest`,
      ms(`rays migrate, ${long} up`),
      ms(`knex migrate:latest, ${long}`),
      'at most 1',
    ],
    [
      `migrate ${long} up in one transaction, as Knex does / knex migrate:latest`,
      ms(`rays migrate --single-transaction, ${long} up`),
      ms(`knex migrate:latest, ${long}`),
      'at most 1',
    ],
    [
      `driver alone, a transaction each / knex migrate:latest`,
      ms(`driver alone, a transaction each, ${long}`),
      ms(`knex migrate:latest, ${long}`),
      "the least that rays' promise of one transaction each can cost",
    ],
    ['status / 400 ms', ms(`rays status, ${long}`), 400, 'below 1'],
  ]
  const most = Math.max(...Object.entries(results).flatMap(([name, { mb }]) => (name.startsWith('rays') ? [mb] : [])))
  return [
    ...pairs.flatMap(([what, a, b, limit]) => (a && b ? [[what, a / b, limit]] : [])),
    ...(Number.isFinite(most) ? [['largest rays process / 150 MB', most / 150, 'below 1']] : []),
  ]
}
