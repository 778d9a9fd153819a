// The second half of corpus.mjs: whole histories and cases on a live MySQL or MariaDB.
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const OPTIONS = { connectTimeoutMs: 15_000, lockTimeoutMs: 10_000, statementTimeoutMs: 0 }
const file = (content) => [{ path: 'schema.prisma', content }]

/** A history that none of the servers takes: nothing that rays could be measured by. */
class NotTaken extends Error {
  history = true
}

/**
 * Applies each history, introspects and compares; then the cases that have a history, in the view of the live database.
 * True where all is as it should be.
 */
export async function histories({ corpus, urls, variants, matching, verbose, externalTables, compareCases }) {
  const { mysql } = await import('../dist/engines/mysql/index.js')
  const { DatabaseUrl } = await import('../dist/engines/url.js')
  const { createMysqlSchemaEngine } = await import('../dist/engines/mysql/schema-engine.js')
  const engine = createMysqlSchemaEngine()

  /** Runs the work in a new database of the server, and drops it. */
  async function inDatabase(server, work) {
    const name = `rays_corpus_${randomBytes(6).toString('hex')}`
    const url = mysql.withDatabase(new DatabaseUrl(server.replace(/\/?$/, '/x'), process.cwd()), name)
    await mysql.createDatabase(url, OPTIONS)
    const connection = await mysql.connect(url, OPTIONS)
    try {
      return await work(connection)
    } finally {
      await connection.raw(`DROP DATABASE ${mysql.quote(name)}`)
      await connection.close()
    }
  }

  /** Runs the work on the first server that takes the scripts; first on those with lower-case names, where wanted. */
  async function applied(scripts, work, lowerCase) {
    const reasons = []
    const isLower = (connection) => connection.facts.lowerCaseTableNames === 1
    const passes =
      lowerCase === undefined
        ? [() => true]
        : [(one) => isLower(one) === lowerCase, (one) => isLower(one) !== lowerCase]
    for (const [pass, server] of passes.flatMap((pass) => urls.map((url) => [pass, url]))) {
      const done = await inDatabase(server, async (connection) => {
        if (!pass(connection)) return undefined
        for (const { name, sql } of scripts) {
          try {
            await connection.script(sql)
          } catch (error) {
            reasons.push(`${name}: ${mysql.explain(error).message}`)
            return undefined
          }
        }
        return { result: await work(connection, server) }
      })
      if (done) return done.result
    }
    throw new NotTaken(reasons.at(-1))
  }

  /** Introspected, planned from nothing, applied and introspected again, it must be the same. */
  async function fixedPoint(connection, server, context) {
    const found = await engine.introspect(connection, context)
    const again = await engine.diff({ kind: 'database', connection, context }, { kind: 'schema', files: found })
    if (!again.empty) return `differs from its own introspection:\n${again.script}`
    const { script, empty } = await engine.diff({ kind: 'empty' }, { kind: 'schema', files: found })
    return inDatabase(server, async (copy) => {
      if (!empty) await copy.script(script)
      const [before, after] = [found, await engine.introspect(copy, context)].map((files) => sorted(files[0].content))
      return before === after ? '' : `comes back changed:\n${lineDifference(before, after)}`
    })
  }

  const root = path.join(corpus, 'mysql')
  let good = true
  const count = { applied: 0, fixed: 0, same: 0, all: 0 }
  for (const name of matching(root)) {
    count.all++
    const context = file(readFileSync(path.join(root, name, 'schema.prisma'), 'utf8'))
    try {
      await applied(migrations(path.join(root, name, 'migrations')), async (connection, server) => {
        count.applied++
        const { script, empty } = await engine.diff(
          { kind: 'database', connection, context },
          { kind: 'schema', files: context },
        )
        const moved = await fixedPoint(connection, server, context)
        if (empty) count.same++
        if (moved === '') count.fixed++
        else good = false
        console.log(
          `${moved === '' ? 'ok     ' : 'MISS   '} ${name}  ${moved || 'a fixed point'}; ${empty ? 'as its schema' : differing(script)}`,
        )
        if (verbose && !empty) console.log(script.replace(/^/gm, '      '))
      })
    } catch (error) {
      if (!error.history) throw error
      console.log(`does not apply ${name}  ${error.message}`)
    }
  }
  const of = (n) => `${n}/${count.applied}`
  console.log(
    `\nmysql: ${count.applied}/${count.all} histories apply, ${of(count.fixed)} are fixed points, ${of(count.same)} are as their schema\n`,
  )

  const { planMigration, readSchema, warningsComment } = await import('../dist/engines/mysql/planner/index.js')
  const { readDatabase } = await import('../dist/engines/mysql/introspection/read.js')
  async function* live({ history, before, after, source, expected }) {
    const to = await readSchema(file(after))
    const from = await applied(
      [{ name: 'history.sql', sql: history }],
      (connection) => readDatabase((sql, params) => connection.raw(sql, params), connection.database, connection.facts),
      /^note:.*lower_case_table_names=1/m.test(source),
    )
    const options = (flags) => ({ to, view: 'schema', externalTables: externalTables(source), ...from.flags, ...flags })
    const old = /^prisma-version: \^?4\.0\./m.test(source)
    const elsewhere = 'on MySQL, which renames indexes where MariaDB makes them anew, and has a Json type of its own'
    const all = variants.flatMap((one) => [
      one,
      { options: { ...one.options, mariadb: false }, why: [one.why, elsewhere].filter(Boolean).join('; ') },
    ])
    for (const { options: variant, why } of all) {
      const tables = variant.mariadb === false ? asOnMysql(from.tables) : from.tables
      const plan = planMigration({ from: tables, ...options(variant) })
      yield {
        label: 'live',
        script: (expected.startsWith('/*') ? warningsComment(plan.warnings) : '') + plan.script,
        why,
        ...(old && { orderKnown: ': that of Prisma 4.0 for foreign keys' }),
      }
    }
    // Where the history holds what the schema before it did not, the two cannot come to the same migration.
    const astray = planMigration({ ...options({}), from: from.tables, to: await readSchema(file(before)) })
    const known = planMigration({ ...options({}), from: await readSchema(file(before)), view: 'database' })
    if (!astray.empty)
      yield { label: 'from before.prisma', script: known.script, why: 'its history does not lead to its schema' }
  }
  const cases = await compareCases('mysql-cases', live, ({ history }) => history !== '')
  return good && cases
}

/** The tables that MariaDB shows, as MySQL would show them: a column that was made as JSON is JSON. */
function asOnMysql({ tables }) {
  const type = (one) => (one.json ? { kind: 'native', scalar: 'Json', name: 'Json', args: [] } : one)
  const column = (one) => ({ ...one, type: type(one.type) })
  return { tables: tables.map((table) => ({ ...table, columns: table.columns.map(column) })) }
}

function migrations(folder) {
  return readdirSync(folder)
    .filter((name) => existsSync(path.join(folder, name, 'migration.sql')))
    .sort()
    .map((name) => ({ name, sql: readFileSync(path.join(folder, name, 'migration.sql'), 'utf8') }))
}

/** Columns that were added later stand elsewhere in a new table: order means nothing. */
const sorted = (text) =>
  text
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .sort()
    .join('\n')

function lineDifference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')]
  return [
    ...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`),
  ].join('\n')
}

/** What a database has beside its schema file, by the kinds of steps between the two. */
function differing(script) {
  const kinds = [...script.matchAll(/^-- (\w+)/gm)].map(([, kind]) => kind)
  const leftovers = script
    .split(/^-- /m)
    .slice(1)
    .every((step) => /^DropIndex\nDROP INDEX `\w*(?:_fkey|_idx)` /.test(step))
  const what = leftovers
    ? 'indexes are left of keys that the schema no longer has'
    : 'the schema file is ahead of its history'
  return `${what}: ${[...new Set(kinds)].map((kind) => `${kinds.filter((one) => one === kind).length} ${kind}`).join(', ')}`
}
