// Fresh databases to measure on: a file, or a database on a server that test/support/servers.mjs started or was given.
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { startMysql, startPostgres } from '../test/support/servers.mjs'

/**
 * @typedef {{ url: string, drop(): Promise<void> }} Fresh
 * @typedef {{ provider: string, version: string, fresh(): Promise<Fresh>, knex(url: string): object, stop(): Promise<void> }} Database
 */

/** @returns {Promise<Database | undefined>} undefined where there is no such server */
export async function open(provider, folder) {
  if (provider === 'sqlite') return sqlite(folder)
  const server = await (provider === 'postgresql' ? startPostgres() : startMysql())
  return server && (provider === 'postgresql' ? postgres(server) : mysql(server))
}

const unique = () => `rays_bench_${process.pid}_${randomBytes(4).toString('hex')}`

async function sqlite(folder) {
  const { default: Driver } = await import('better-sqlite3')
  const memory = new Driver(':memory:')
  const version = `SQLite ${memory.prepare('SELECT sqlite_version()').pluck().get()}`
  memory.close()
  return {
    provider: 'sqlite',
    version,
    fresh: async () => {
      const file = path.join(folder, `${unique()}.db`)
      writeFileSync(file, '')
      const drop = async () => {
        for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(file + suffix, { force: true })
      }
      return { url: `file:${file}`, drop }
    },
    knex: (url) => ({
      client: 'better-sqlite3',
      connection: { filename: url.slice('file:'.length) },
      useNullAsDefault: true,
    }),
    stop: async () => {},
  }
}

async function postgres(server) {
  const { default: pg } = await import('pg')
  const run = async (sql) => {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  return {
    provider: 'postgresql',
    version: server.version,
    fresh: async () => {
      const name = unique()
      await run(`CREATE DATABASE "${name}" TEMPLATE template0`)
      const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
      return { url, drop: () => run(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) }
    },
    knex: (url) => ({ client: 'pg', connection: url }),
    stop: server.stop,
  }
}

async function mysql(server) {
  const { default: driver } = await import('mysql2/promise')
  const run = async (sql) => {
    const client = await driver.createConnection(server.url)
    await client.query(sql).finally(() => client.end())
  }
  return {
    provider: 'mysql',
    version: server.version,
    fresh: async () => {
      const name = unique()
      await run(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`)
      const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
      return { url, drop: () => run(`DROP DATABASE IF EXISTS \`${name}\``) }
    },
    knex: (url) => ({ client: 'mysql2', connection: url }),
    stop: server.stop,
  }
}
