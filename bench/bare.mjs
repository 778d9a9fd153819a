// What a history costs with the driver alone: one transaction for each migration, holding its script and its row. No checks,
// no lock, nothing loaded. Arguments: provider, URL, folder of migrations.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const [provider, url, folder] = process.argv.slice(2)
const migrations = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({ name, script: read(name) }))
/** Without the last semicolon: MySQL takes no empty statement. */
function read(name) {
  return readFileSync(path.join(folder, name, 'migration.sql'), 'utf8')
    .trimEnd()
    .replace(/;$/, '')
}
const HISTORY = 'CREATE TABLE bench_history (name VARCHAR(255) NOT NULL)'
const row = (name) => `INSERT INTO bench_history (name) VALUES ('${name}')`

await { sqlite, postgresql, mysql }[provider]()

async function sqlite() {
  const { default: Driver } = await import('better-sqlite3')
  const database = new Driver(url.slice('file:'.length))
  database.exec(HISTORY)
  for (const { name, script } of migrations) {
    // The switch does nothing inside of the transaction.
    database.pragma(`foreign_keys = ${/foreign_keys=OFF/.test(script) ? 'OFF' : 'ON'}`)
    database.exec(`BEGIN IMMEDIATE; ${script}\n; ${row(name)}; COMMIT`)
  }
  database.close()
}

async function postgresql() {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(HISTORY)
  for (const { name, script } of migrations) await client.query(`BEGIN; ${script}\n; ${row(name)}; COMMIT`)
  await client.end()
}

/** Nothing rolls DDL back, so the row is written before the script and finished after it. */
async function mysql() {
  const { default: driver } = await import('mysql2/promise')
  const connection = await driver.createConnection({ uri: url, multipleStatements: true })
  await connection.query(`${HISTORY.slice(0, -1)}, done BOOLEAN NOT NULL DEFAULT FALSE)`)
  for (const { name, script } of migrations)
    await connection.query(`${row(name)}; ${script}\n; UPDATE bench_history SET done = TRUE WHERE name = '${name}'`)
  await connection.end()
}
