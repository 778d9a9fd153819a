// Everything: npm test, then the same promises on the other versions of the database servers, as far as the time goes.
// The last lines say what was left out; the very last one is "N passed, N failed".
//   node scripts/ci.mjs [--minutes 75]
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ready } from './ready.mjs'
import { obtain } from './servers.mjs'
import { Suite } from './suite.mjs'
import { everything } from './test.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '75' } } })
const began = performance.now()
const left = () => Number(values.minutes) * 60_000 - (performance.now() - began)

/** Parts that are worth beginning only with so many minutes left; what is begun is ended at the limit. */
const VERSIONS = [
  { server: 'mysql', part: 'engines', args: ['--selectProjects', 'engines'], minutes: 3 },
  { server: 'mysql', part: 'faults', args: ['--selectProjects', 'faults', '-t', '\\(mysql\\)'], minutes: 5 },
  { server: 'mysql', part: 'commands', args: ['--selectProjects', 'commands', '-t', '\\(mysql\\)'], minutes: 5 },
  { server: 'postgresql', part: 'engines', args: ['--selectProjects', 'engines'], minutes: 2 },
  { server: 'postgresql', part: 'faults', args: ['--selectProjects', 'faults', '-t', '\\(postgresql\\)'], minutes: 4 },
  {
    server: 'postgresql',
    part: 'commands',
    args: ['--selectProjects', 'commands', '-t', '\\(postgresql\\)'],
    minutes: 4,
  },
  { server: 'mariadb', part: 'engines', args: ['--selectProjects', 'engines'], minutes: 3 },
]
const TITLES = { mysql: "Oracle's MySQL", postgresql: 'the newest PostgreSQL', mariadb: 'the newest MariaDB' }

ready(root)
const suite = new Suite(root)
const lines = []
await everything(suite)
lines.push(`npm test: ${minutes(performance.now() - began)}`)

for (const server of Object.keys(TITLES)) {
  const parts = VERSIONS.filter((each) => each.server === server)
  let programs
  try {
    programs = obtain(server)
  } catch (error) {
    lines.push(
      `NOT TESTED: ${TITLES[server]} was not tested at all, because it could not be had here: ${error.message}`,
    )
    continue
  }
  for (const { part, args, minutes: least } of parts) await run(server, programs, part, args, least)
}

async function run(server, programs, part, args, least) {
  const title = `${part} on ${TITLES[server]}`
  if (left() < least * 60_000) {
    lines.push(`NOT TESTED: ${title}: no time was left`)
    return
  }
  console.log(`\n${title} …`)
  const database = server === 'postgresql' ? 'postgresql' : 'mysql'
  const start = performance.now()
  const { passed, failed, late } = await suite.jest(args, {
    env: {
      RAYS_TEST_DATABASES: database,
      RAYS_TEST_REQUIRE: database,
      [database === 'mysql' ? 'RAYS_TEST_MYSQL_BIN' : 'RAYS_TEST_POSTGRES_BIN']: programs,
    },
    milliseconds: left(),
  })
  lines.push(
    late
      ? `NOT TESTED: ${title}: the time was up before it ended`
      : `${title}: ${passed} passed, ${failed} failed, ${minutes(performance.now() - start)}`,
  )
}

function minutes(milliseconds) {
  return `${(milliseconds / 60_000).toFixed(1)} min`
}

console.log(`\n${lines.join('\n')}`)
console.log(`${suite.passed} passed, ${suite.failed} failed`)
process.exitCode = suite.failed > 0 ? 1 : 0
