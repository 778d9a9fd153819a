// Starts the database servers once for all test files; the tests find them through the environment.
import { readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { HOW_TO_GET, startMysql, startPostgres } from './servers.mjs'

/** @param {{ maxWorkers: number, nonFlagArgs?: string[] }} config jest's */
export default async function globalSetup({ maxWorkers, nonFlagArgs = [] }) {
  removeLeftovers()
  const required = databasesIn('RAYS_TEST_REQUIRE') ?? []
  const wanted = databasesIn('RAYS_TEST_DATABASES') ?? Object.keys(HOW_TO_GET)
  // One file is run by one worker.
  const workers = nonFlagArgs.length === 1 && nonFlagArgs[0].endsWith('.ts') ? 1 : maxWorkers
  const starting = {
    postgresql: () => [startPostgres()],
    // The migration lock is one for a whole server of MySQL: workers that shared it would wait for each other's migrations.
    mysql: () => Array.from({ length: process.env.RAYS_TEST_MYSQL_URL ? 1 : workers }, () => startMysql()),
    sqlite: () => [sqlite()],
  }
  globalThis.__raysServers = []
  const lines = []
  const started = Object.entries(starting).flatMap(([name, begin]) => (wanted.includes(name) ? [[name, begin()]] : []))
  for (const [name, start] of started) {
    const settled = await Promise.allSettled(start)
    const servers = settled.flatMap(({ value }) => value ?? [])
    const reason = settled.find((each) => each.reason)?.reason.message ?? 'not found'
    globalThis.__raysServers.push(...servers)
    if (servers.length === start.length) {
      process.env[`RAYS_TESTS_RUN_${name.toUpperCase()}`] = servers.map(({ url }) => url).join(' ')
      lines.push(`${name} (${servers[0].version}${servers.length > 1 ? `, ${servers.length} servers` : ''})`)
    } else if (required.includes(name)) {
      for (const other of globalThis.__raysServers) await other.stop()
      throw new Error(
        `${name} is required (RAYS_TEST_REQUIRE) and cannot be used: ${reason}. To get it: ${HOW_TO_GET[name]}`,
      )
    } else {
      process.stderr.write(
        `\nThe tests on ${name} are skipped: ${reason.split('\n')[0]}. To run them: ${HOW_TO_GET[name]}\n`,
      )
    }
  }
  process.stderr.write(`\nDatabases: ${lines.join(', ')}\n`)
}

/** The databases that a variable lists, separated by commas; undefined where it is not set. */
function databasesIn(variable) {
  const names = process.env[variable]?.split(',').filter(Boolean)
  const unknown = names?.filter((name) => !(name in HOW_TO_GET)) ?? []
  if (unknown.length > 0)
    throw new Error(`${variable} names ${unknown.join(', ')}; known: ${Object.keys(HOW_TO_GET).join(', ')}`)
  return names
}

async function sqlite() {
  const { default: Database } = await import('better-sqlite3')
  const database = new Database(':memory:')
  const version = database.prepare('SELECT sqlite_version()').pluck().get()
  database.close()
  return { url: 'file:', version: `SQLite ${version}`, stop: async () => {} }
}

/** Folders of tests that were killed. The folders of servers are removed by their watchers, however the tests end. */
function removeLeftovers() {
  const aDay = 24 * 3600 * 1000
  for (const name of readdirSync(tmpdir())) {
    if (!/^rays-test-(?:project|sqlite|run)-/.test(name)) continue
    const folder = path.join(tmpdir(), name)
    try {
      if (Date.now() - statSync(folder).mtimeMs > aDay) rmSync(folder, { recursive: true, force: true })
    } catch {
      // Another run was faster, or it belongs to another user.
    }
  }
}
