/**
 * Several runs at once, at random, in processes of their own: the history is one that a serial order gives, and the schema is the
 * history's. By hand, on a built clone:
 *
 *     node test/faults/chaos.mjs --database sqlite|postgresql|mysql [--url <server>] [--pooled] [--rounds 100] [--seed 1]
 *
 * `--url` is the server on which a database is made and dropped, `--pooled` takes the lock in each transaction. Ends with 1 after
 * the first round that goes wrong, whose seed is printed.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const NAMES = ['a', 'b', 'c', 'd', 'e'].map((name, k) => `2026010${k + 1}000000_${name}`)
const require = createRequire(import.meta.url)

/** A process that runs what it is told, one command after the other, as the command line would. */
async function serve() {
  const { createRays } = await import(path.join(ROOT, 'dist/src/index.js'))
  process.on('message', async ({ cwd, url, pooled, command, options }) => {
    const said = []
    const rays = createRays({
      cwd,
      env: {
        ...process.env,
        DATABASE_URL: url,
        RAYS_LOCK_TIMEOUT: '60',
        RAYS_GENERATE: '0',
        ...(pooled && { RAYS_LOCK: 'transaction' }),
      },
      onMessage: ({ text }) => said.push(text),
      onProgress: ({ kind, name }) => ['done', 'elsewhere'].includes(kind) && said.push(`${kind} ${name.slice(15)}`),
    })
    const ended = await rays[command](options).then(
      () => ({ code: 0 }),
      (error) => ({ code: error.exitCode ?? 'thrown', message: error.message ?? String(error), stack: error.stack }),
    )
    process.send({ ...ended, said })
  })
  process.send({ ready: true })
}

async function main() {
  const { values } = parseArgs({
    options: {
      database: { type: 'string', default: 'sqlite' },
      url: { type: 'string' },
      pooled: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  })
  const seed = Number(values.seed)
  console.log(`${values.database}${values.pooled ? ', a lock for each transaction' : ''}: seed ${seed}`)
  const random = randomOf(seed)
  const folder = mkdtempSync(path.join(tmpdir(), 'rays-chaos-'))
  const database = await DATABASES[values.database](values.url, folder)
  const runs = await Promise.all([1, 2, 3].map(() => worker()))
  const counts = {}
  try {
    makeProject(folder, values.database, random)
    for (let round = 1; round <= Number(values.rounds); round++) {
      const before = (await database.look()).applied
      const many = random(4) === 0 ? 3 : 2
      const commands = runs.slice(0, many).map(() => pick(random, database.name))
      const pauses = commands.map(() => random(3) * random(60))
      const ended = await Promise.all(
        commands.map(async (each, k) => {
          await sleep(pauses[k])
          return runs[k].run({ cwd: folder, url: database.url, pooled: values.pooled, ...each })
        }),
      )
      for (const { code } of ended) counts[code] = (counts[code] ?? 0) + 1
      const wrong = judge(before, await database.look(), commands, ended, values.pooled)
      if (wrong === undefined) continue
      console.log(`seed ${seed}, round ${round}: ${wrong}\nbefore: ${before}`)
      for (const [k, { command, options }] of commands.entries())
        console.log(
          `after ${pauses[k]} ms: ${command} ${JSON.stringify(options)} -> ${ended[k].code} ${ended[k].message ?? ''}\n  ${ended[k].said.join('\n  ')}`,
        )
      return 1
    }
    console.log(`${values.rounds} rounds, exit codes ${JSON.stringify(counts)}`)
    return 0
  } finally {
    for (const { child } of runs) child.kill()
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Numbers from 0 to below n, the same ones for a seed (mulberry32). */
function randomOf(seed) {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

async function worker() {
  const child = fork(fileURLToPath(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const next = () => once(child, 'message').then(([answer]) => answer)
  await next()
  const run = async (what) => {
    const answer = next()
    child.send(what)
    return answer
  }
  return { child, run }
}

/** Some go in one message, some take their time between two statements, and hooks run around one. */
function makeProject(folder, provider, random) {
  const write = (name, text) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
  write('package.json', '{ "name": "chaos", "private": true }\n')
  write(
    'prisma/schema.prisma',
    `datasource db {\n  provider = "${provider}"\n  url      = env("DATABASE_URL")\n}\n\nmodel a {\n  id Int @id\n}\n`,
  )
  for (const [k, name] of NAMES.entries()) {
    const wait = k % 2 === 1 ? `await new Promise((r) => setTimeout(r, ${20 + random(40)}))\n  ` : ''
    const table = name.slice(15)
    write(`prisma/migrations/${name}/migration.sql`, `CREATE TABLE ${table} (id INTEGER PRIMARY KEY);\n`)
    write(
      `prisma/migrations/${name}/migration.js`,
      `async function up({ client }) {\n  ${wait}await client.execute('CREATE TABLE ${table} (id INTEGER PRIMARY KEY)')\n}\n\nasync function down({ client }) {\n  ${wait}await client.execute('DROP TABLE ${table}')\n}\n\nmodule.exports = [[up, down]]\n`,
    )
  }
  write(`prisma/migrations/${NAMES[2]}/after.sh`, 'sleep 0.05\n')
}

function pick(random, database) {
  const to = () => NAMES[random(NAMES.length)]
  const all = [
    () => ['migrate', {}],
    () => ['migrate', {}],
    () => ['up', { autoApprove: true }],
    () => ['up', { target: '1', autoApprove: true }],
    () => ['migrate', { name: to(), y: true }],
    () => ['migrate', { name: 'zero', y: true }],
    () => ['migrate', { name: '-1', y: true }],
    () => ['migrate', { name: '-1', y: true }],
    () => ['migrate', { name: '-2', y: true }],
    () => ['migrate', { name: '+1', y: true }],
    () => ['down', { y: true }],
    () => ['rollback', { y: true }],
    () => ['redo', { y: true }],
    () => ['reset', { confirm: database, seed: false }],
  ]
  const [command, options] = all[random(all.length)]()
  return { command, options }
}

/** What is wrong with the state after the runs; undefined for nothing. */
function judge(before, { applied, tables, rows, unfinished }, commands, ended, pooled) {
  // Behind a pooler nobody can know whether a hook that is noted still runs: whoever comes then is told to look.
  const cannotKnow = ({ code, message }) => code === 3 && pooled && /has not ended/.test(message)
  const thrown = ended.find((each) => ![0, 2, 4].includes(each.code) && !cannotKnow(each))
  if (thrown) return `a run ended with ${thrown.code}: ${thrown.stack ?? thrown.message}`
  if (unfinished > 0) return 'a row is unfinished'
  if (rows !== applied.length) return `${rows} rows for ${applied.length} migrations`
  if (applied !== 'abcde'.slice(0, applied.length)) return `the history has a hole: ${applied}`
  if (tables !== applied) return `the tables are ${tables}, the history says ${applied}`
  if (ended.some(({ code }) => code !== 0)) return undefined
  const ends = serial(before.length, commands)
  return ends.has(applied.length)
    ? undefined
    : `no order of the runs leads from ${before || 'nothing'} to ${applied || 'nothing'}`
}

/** Where the runs lead, one after the other, in any order; a number of steps may be counted from where all of them began. */
function serial(start, commands) {
  const ends = new Set()
  const met = between(start, commands)
  const go = (at, left) => {
    if (left.length === 0) ends.add(at)
    for (const [k, each] of left.entries()) for (const to of leads(each, at, met)) go(to, left.toSpliced(k, 1))
  }
  go(start, commands)
  return ends
}

/** Where a run may find the database when it is given: on any step of another one's way. */
function between(start, commands) {
  const ways = { reset: [0, NAMES.length], redo: [Math.max(start - 1, 0)] }
  const ends = commands.flatMap((each) => ways[each.command] ?? leads(each, start, [start]))
  const [low, high] = [Math.min(start, ...ends), Math.max(start, ...ends)]
  return Array.from({ length: high - low + 1 }, (_, k) => low + k)
}

function leads({ command, options: { name, target } }, at, met) {
  const most = NAMES.length
  // Counted from where it was given, and done as far as another run has left it to be done.
  const steps = (n) => {
    const ends = [at, ...met].map((from) => from + n)
    return [...new Set(ends)].filter((to) => to >= 0 && to <= most && (n < 0 ? to <= at : to >= at))
  }
  if (command === 'redo') return [at]
  if (command === 'reset') return [most]
  if (command === 'rollback') return Array.from({ length: at + 1 }, (_, to) => to)
  if (command === 'down') return at === 0 ? [0] : steps(-1)
  if (command === 'up') return target === '1' ? steps(1) : [most]
  if (name === undefined) return [most]
  if (name === 'zero') return [0]
  if (/^[+-]/.test(name)) return steps(Number(name))
  return [NAMES.indexOf(name) + 1]
}

function seen(names, history) {
  const live = history.filter(({ rolled_back_at }) => rolled_back_at === null)
  const applied = [...new Set(live.map((row) => row.migration_name.slice(15)))].sort().join('')
  const tables = names
    .filter((name) => /^[a-e]$/.test(name))
    .sort()
    .join('')
  return { applied, tables, rows: live.length, unfinished: live.filter((row) => row.finished_at === null).length }
}

const HISTORY = 'SELECT migration_name, finished_at, rolled_back_at FROM _prisma_migrations'
const none = () => []

const DATABASES = {
  async sqlite(_, folder) {
    const Database = require('better-sqlite3')
    const file = path.join(folder, 'chaos.db')
    const db = new Database(file, { timeout: 10_000 })
    db.exec('PRAGMA user_version = 1')
    const look = async () => {
      const names = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .all()
        .map(({ name }) => name)
      return seen(names, names.includes('_prisma_migrations') ? db.prepare(HISTORY).all() : [])
    }
    return { name: 'chaos.db', url: `file:${file}`, look, drop: async () => db.close() }
  },
  async postgresql(server = 'postgresql://postgres@127.0.0.1:5432/postgres') {
    const { Client } = require('pg')
    const name = `rays_chaos_${process.pid}`
    const url = new URL(server)
    url.pathname = `/${name}`
    const open = async (href) => {
      const client = new Client({ connectionString: href.replace(/\?.*/, '') })
      await client.connect()
      return client
    }
    const admin = await open(server)
    await admin.query(`CREATE DATABASE ${name}`)
    const db = await open(url.href)
    const look = async () => {
      const tables = await db.query("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
      const history = await db.query(HISTORY).then(({ rows }) => rows, none)
      return seen(
        tables.rows.map((row) => row.name),
        history,
      )
    }
    const drop = async () => {
      await db.end()
      await sleep(200)
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await admin.end()
    }
    return { name, url: url.href, look, drop }
  },
  async mysql(server = 'mysql://root@127.0.0.1:3306/') {
    const mysql = require('mysql2/promise')
    const name = `rays_chaos_${process.pid}`
    const url = new URL(server)
    url.pathname = `/${name}`
    const admin = await mysql.createConnection(server)
    await admin.query(`CREATE DATABASE ${name}`)
    const db = await mysql.createConnection(url.href)
    const look = async () => {
      const [tables] = await db.query(
        'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()',
      )
      const history = await db.query(HISTORY).then(([rows]) => rows, none)
      return seen(
        tables.map((row) => row.name),
        history,
      )
    }
    const drop = async () => {
      await db.end()
      await admin.query(`DROP DATABASE ${name}`)
      await admin.end()
    }
    return { name, url: url.href, look, drop }
  },
}

if (process.send) await serve()
else process.exitCode = await main()
