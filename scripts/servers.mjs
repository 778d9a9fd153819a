// Database servers that this machine's own Debian release does not have: Oracle's MySQL, and the newest PostgreSQL and MariaDB,
// from Debian's unstable suite. Each lies in a folder of its own with its own libraries; nothing is installed, no service is
// started, and no rights are needed beyond those of apt-get download.
//
//   node scripts/servers.mjs get mysql|postgresql|mariadb     gets it once and prints the folder of its programs
//   node scripts/servers.mjs start mysql|postgresql|mariadb   runs one on a free port until Ctrl-C, and prints its URL
//
// They lie in $RAYS_SERVERS (default: rays-test-servers-<user> in the folder for temporary files).
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is taken from the suite, and which of its programs are run. */
const SERVERS = {
  mysql: { packages: () => ['mysql-server-core'], programs: [['usr/sbin', ['mysqld']]] },
  mariadb: {
    packages: () => ['mariadb-server-core', 'mariadb-client-core'],
    programs: [
      ['usr/sbin', ['mariadbd']],
      ['usr/bin', ['mariadb-install-db', 'my_print_defaults', 'resolveip']],
    ],
  },
  postgresql: {
    packages: (apt) => [newest(apt(['apt-cache', 'search', '--names-only', '^postgresql-[0-9]+$']))],
    programs: [['usr/lib/postgresql/*/bin', ['postgres', 'initdb', 'pg_ctl', 'psql']]],
  },
}

/** Where the programs of a server are, once they are there. */
const PROGRAMS = 'programs'

/**
 * The folder with the programs of a server; got from the suite where it is not there yet.
 * @param {'mysql' | 'mariadb' | 'postgresql'} name
 * @returns {string}
 * @throws where there is no apt, or the suite cannot be reached
 */
export function obtain(name) {
  const base = process.env.RAYS_SERVERS ?? path.join(tmpdir(), `rays-test-servers-${userInfo().username}`)
  const root = path.join(base, name)
  const programs = path.join(root, PROGRAMS)
  if (existsSync(programs)) return programs
  mkdirSync(base, { recursive: true, mode: 0o755 })
  // Made beside its place and moved there: whoever finds it finds all of it, and two who get it at once do no harm.
  const fresh = mkdtempSync(path.join(base, `.${name}-`))
  chmodSync(fresh, 0o755)
  try {
    unpack(name, fresh, root)
    if (!existsSync(programs)) renameSync(fresh, root)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return programs
}

/** @param {string} root where the folder is going to lie: the programs hold its path */
function unpack(name, fresh, root) {
  const packages = path.join(fresh, '.packages')
  const apt = suite(packages)
  apt(['apt-get', 'update'])
  const { packages: wanted, programs } = SERVERS[name]
  const plan = apt(['apt-get', 'install', '-y', '--print-uris', ...wanted(apt)])
  const all = [...plan.matchAll(/^'[^']*' ([^_\s]+)_/gm)].map(([, each]) => each)
  apt(['apt-get', 'download', ...all])
  for (const file of readdirSync(packages)) {
    if (file.endsWith('.deb')) run(['dpkg-deb', '-x', path.join(packages, file), fresh])
  }
  rmSync(packages, { recursive: true, force: true })
  mkdirSync(path.join(fresh, '.made'))
  for (const [pattern, names] of programs) {
    const folder = only(fresh, pattern)
    for (const each of names) {
      wrap(fresh, root, path.join(folder, each))
      symlinkSync(path.join('..', folder, each), path.join(fresh, '.made', each))
    }
  }
  renameSync(path.join(fresh, '.made'), path.join(fresh, PROGRAMS))
}

/** Runs apt's programs with the unstable suite of the mirror that this machine uses, and with lists of their own. */
function suite(folder) {
  for (const each of ['lists/partial', 'archives/partial']) mkdirSync(path.join(folder, each), { recursive: true })
  const targets = run(['apt-get', 'indextargets', '--format', '$(REPO_URI)'])
  const mirror = targets.split('\n').find((uri) => /\/debian\/?$/.test(uri))
  if (mirror === undefined) throw new Error('apt knows no mirror of Debian')
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(path.join(folder, 'sources.list'), `deb [signed-by=${keys}] ${mirror} sid main\n`)
  const options = {
    'Dir::Etc::sourcelist': path.join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::Lists': path.join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': folder,
    'APT::Install-Recommends': '0',
    'APT::Sandbox::User': userInfo().username,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '30',
  }
  const set = Object.entries(options).map(([key, value]) => `-o${key}=${value}`)
  return ([program, ...args]) => run([program, '-qq', ...set, ...args], folder)
}

/** A program that is started with the loader and the libraries of its own suite; scripts stay as they are. */
function wrap(fresh, root, program) {
  const file = path.join(fresh, program)
  if (!isBinary(file)) return
  renameSync(file, `${file}.program`)
  const loader = path.join(root, 'usr/lib64/ld-linux-x86-64.so.2')
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib/mysql/private'].map((each) => path.join(root, each)).join(':')
  const line = [loader, '--library-path', libraries, '--argv0', path.join(root, program)]
  writeFileSync(
    file,
    `#!/bin/sh\nexec ${line.map((each) => `'${each}'`).join(' ')} '${path.join(root, program)}.program' "$@"\n`,
  )
  chmodSync(file, 0o755)
}

function isBinary(file) {
  const descriptor = openSync(file, 'r')
  try {
    const start = Buffer.alloc(4)
    readSync(descriptor, start)
    return start.toString('latin1') === '\x7fELF'
  } finally {
    closeSync(descriptor)
  }
}

/** The one folder that a path with a star in it means. */
function only(root, pattern) {
  const [before, after] = pattern.split('/*/')
  if (after === undefined) return pattern
  const [version] = readdirSync(path.join(root, before))
  return path.join(before, version, after)
}

function newest(found) {
  const versions = [...found.matchAll(/^postgresql-(\d+)\b/gm)].map(([, version]) => Number(version))
  if (versions.length === 0) throw new Error('the suite has no PostgreSQL')
  return `postgresql-${Math.max(...versions)}`
}

function run([program, ...args], cwd) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...(cwd && { cwd }),
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return stdout
  const why = error?.message ?? stderr.trim().split('\n').slice(-3).join('; ')
  throw new Error(`${program} ${args.find((arg) => !arg.startsWith('-')) ?? ''} failed: ${why}`)
}

async function main([verb, name]) {
  if (!['get', 'start'].includes(verb) || !(name in SERVERS)) {
    const header = readFileSync(fileURLToPath(import.meta.url), 'utf8').match(/^(?:\/\/.*\n)+/)[0]
    process.stderr.write(header.replace(/^\/\/ ?/gm, ''))
    return 2
  }
  const folder = obtain(name)
  if (verb === 'get') {
    console.log(folder)
    return 0
  }
  const { startMysql, startPostgres } = await import('../test/support/servers.mjs')
  const server = await (name === 'postgresql' ? startPostgres : startMysql)({ programs: folder })
  console.log(server.url)
  console.error(`${server.version} until Ctrl-C`)
  const waiting = setInterval(() => {}, 60_000)
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
  clearInterval(waiting)
  await server.stop()
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    console.error(`Error: ${error.message}`)
    process.exitCode = 1
  }
}
