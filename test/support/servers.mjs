// Private database servers for the tests: made in a temporary folder, on a free port, as an unprivileged user, and gone
// afterwards. A server that was not started here is never stopped or configured.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

/**
 * @typedef {{ url: string, version: string, folder?: string, pid?(): number, crash?(): Promise<void>, restart?(): Promise<void>, stop(): Promise<void> }} Server
 */

/** How to get what is missing, for the line that tells about skipped tests. */
export const HOW_TO_GET = {
  postgresql:
    'install PostgreSQL (Debian: apt-get install postgresql), or set RAYS_TEST_POSTGRES_BIN to the folder of its programs or RAYS_TEST_POSTGRES_URL to a server',
  mysql:
    "install MariaDB (Debian: apt-get install mariadb-server), or set RAYS_TEST_MYSQL_BIN to the folder of its or MySQL's programs or RAYS_TEST_MYSQL_URL to a server",
  sqlite: 'npm rebuild better-sqlite3',
}

/**
 * A PostgreSQL server, or undefined where none is installed. RAYS_TEST_POSTGRES_BIN names the folder of the programs to
 * run; RAYS_TEST_POSTGRES_URL a server to use instead: databases are created and dropped there, nothing else is touched.
 * @param {{ settings?: string[], own?: boolean, programs?: string }} options more settings; own: never the given server;
 *   programs: the folder of the programs to run
 * @returns {Promise<Server | undefined>}
 */
export async function startPostgres({
  settings: more = [],
  own = false,
  programs = process.env.RAYS_TEST_POSTGRES_BIN,
} = {}) {
  const given = process.env.RAYS_TEST_POSTGRES_URL
  if (given && !own) return { url: given, version: 'as given', stop: async () => {} }
  const folders = programs ? [programs] : [...postgresFolders(), ...searchPath()]
  const initdb = find('initdb', folders)
  const postgres = find('postgres', folders)
  if (!initdb || !postgres) return missing(programs, 'initdb and postgres')
  return privateServer('postgresql', async (folder, user, port) => {
    const data = path.join(folder, 'data')
    run(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], user, folder)
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${folder}`,
      'fsync=off',
      'synchronous_commit=off',
      'full_page_writes=off',
      'max_connections=200',
      'lc_messages=C',
      ...more,
    ]
    return {
      command: postgres,
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      ready: /ready to accept connections/,
      url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
      version: text(postgres, ['--version']).replace(/^postgres \(PostgreSQL\) /, 'PostgreSQL '),
      signal: 'QUIT',
    }
  })
}

/**
 * A MariaDB or MySQL server, or undefined where none is installed. RAYS_TEST_MYSQL_BIN names the folder of the programs to
 * run, RAYS_TEST_MYSQL_URL a server to use instead.
 * @param {{ settings?: string[], own?: boolean, programs?: string }} options more options of the server, such as
 *   `--lower-case-table-names=1`; own: never the given server; programs: the folder of the programs to run
 * @returns {Promise<Server | undefined>}
 */
export async function startMysql({ settings = [], own = false, programs = process.env.RAYS_TEST_MYSQL_BIN } = {}) {
  const given = process.env.RAYS_TEST_MYSQL_URL
  if (given && settings.length === 0 && !own) return { url: given, version: 'as given', stop: async () => {} }
  const folders = programs
    ? [programs]
    : ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin', '/usr/local/mysql/bin', ...searchPath()]
  const server = find('mariadbd', folders) ?? find('mysqld', folders)
  if (!server) return missing(programs, 'mariadbd or mysqld')
  const version = text(server, ['--no-defaults', '--version'])
  const product = /MariaDB/.test(version) ? mariadb(folders) : ORACLES
  if (!product) return missing(programs, 'mariadb-install-db')
  return privateServer('mysql', async (folder, user, port) => {
    const data = path.join(folder, 'data')
    product.initialise(server, ['--no-defaults', `--datadir=${data}`], settings, user, folder)
    return {
      command: server,
      args: [
        '--no-defaults',
        `--datadir=${data}`,
        `--socket=${path.join(folder, 'mysql.sock')}`,
        `--pid-file=${path.join(folder, 'mysql.pid')}`,
        `--tmpdir=${folder}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        '--skip-log-bin',
        '--innodb-flush-log-at-trx-commit=0',
        // The operating system keeps what a killed server wrote; that is all that the tests need to be safe from.
        '--innodb-flush-method=nosync',
        '--innodb-buffer-pool-size=64M',
        '--max-connections=200',
        ...product.settings,
        ...settings,
      ],
      ready: product.ready(port),
      url: `mysql://root@127.0.0.1:${port}/`,
      version: product.version(version),
      signal: 'KILL',
    }
  })
}

/** What MariaDB has of its own; undefined where the program that makes its data folder is missing. */
function mariadb(folders) {
  const install = find('mariadb-install-db', folders) ?? find('mysql_install_db', folders)
  if (!install) return undefined
  return {
    initialise(server, args, settings, user, folder) {
      const options = ['--auth-root-authentication-method=normal', '--skip-test-db']
      run(install, [...args, ...options, ...besides(server, install), ...settings], user, folder)
    },
    settings: ['--loose-sync-frm=0'],
    ready: () => /ready for connections/,
    version: (text) => text.replace(/^.*Ver (\S+).*$/s, '$1'),
  }
}

/** The installer looks for its other files where it was built for, unless told that it lies elsewhere. */
function besides(server, install) {
  const base = path.dirname(path.dirname(realpathSync(server)))
  return path.dirname(path.dirname(realpathSync(install))) === base && base !== '/usr' ? [`--basedir=${base}`] : []
}

/** What Oracle's MySQL has of its own. */
const ORACLES = {
  initialise(server, args, settings, user, folder) {
    run(server, [...args, '--initialize-insecure', ...settings], user, folder)
  },
  settings: ['--mysqlx=OFF', '--secure-file-priv=', '--innodb-redo-log-capacity=32M'],
  // It says so once for the server that makes the data folder ready, without a port.
  ready: (port) => new RegExp(`ready for connections.*port: ${port}\\b`),
  version: (text) => text.replace(/^.*Ver (\S+).*$/s, 'MySQL $1'),
}

/** @throws where a folder of programs was named: its absence is a mistake then, not a reason to skip tests */
function missing(programs, what) {
  if (programs) throw new Error(`there is no ${what} in ${programs}`)
  return undefined
}

/** Runs a server in a folder of its own, as another user where rays runs as root: neither server starts as root. */
async function privateServer(name, prepare) {
  const folder = mkdtempSync(path.join(tmpdir(), `rays-test-${name}-`))
  const user = unprivileged(name)
  if (user) chownSync(folder, user.uid, user.gid)
  chmodSync(folder, 0o700)
  try {
    // Between finding a free port and using it somebody else may take it.
    for (let attempt = 1; ; attempt++) {
      const plan = await prepare(folder, user, await freePort())
      const started = await launch(plan, folder, user)
      if (started.ok) return running(plan, folder, user, started)
      await started.stop(false)
      if (attempt === 3 || !/in use/i.test(started.log)) throw new Error(`${name} did not start:\n${started.log}`)
      rmSync(path.join(folder, 'data'), { recursive: true, force: true })
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** A server that can be ended as if by a crash, and started again on the same port and data. */
function running(plan, folder, user, first) {
  let started = first
  return {
    url: plan.url,
    version: plan.version,
    folder,
    pid: () => started.pid,
    crash: () => started.stop(false),
    async restart() {
      started = await launch(plan, folder, user)
      if (!started.ok) throw new Error(`the server did not start again:\n${started.log}`)
    },
    stop: () => started.stop(),
  }
}

/** Starts the server with a watcher beside it, and waits until it says that it is ready. */
async function launch(plan, folder, user) {
  // A session of its own: Ctrl-C in the terminal reaches the tests, and they end the server.
  const server = spawn(plan.command, plan.args, {
    ...user,
    cwd: folder,
    env: plainEnv(),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((resolve) => server.once('exit', resolve).once('error', resolve))
  const watcher = watch(server.pid, plan.signal, folder)
  let log = ''
  const ok = await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 60_000)
    const read = (chunk) => {
      if (log.length < 100_000) log += chunk
      if (plan.ready.test(log)) {
        clearTimeout(timer)
        resolve(true)
      }
    }
    server.stdout.on('data', read)
    server.stderr.on('data', read)
    ended.then(() => {
      clearTimeout(timer)
      resolve(false)
    })
  })
  for (const handle of [server, server.stdout, server.stderr]) handle.unref()
  const stop = async (remove = true) => {
    watcher.keep(!remove)
    await watcher.stop()
  }
  return { ok, log, pid: server.pid, stop }
}

/**
 * A small shell process that ends the server and removes its folder as soon as this process closes the pipe to it: by
 * stop(), by ending in any way, or by being killed.
 */
function watch(pid, signal, folder) {
  const script = `read keep; kill -${signal} ${pid} 2>/dev/null
    n=0; while kill -0 ${pid} 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
    kill -KILL ${pid} 2>/dev/null; [ "$keep" = keep ] || rm -rf "$1"`
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = new Promise((resolve) => watcher.once('exit', resolve))
  let keep = false
  watcher.stdin.on('error', () => {})
  watcher.unref()
  watcher.stdin.unref()
  return {
    keep(value) {
      keep = value
    },
    async stop() {
      watcher.ref()
      watcher.stdin.end(keep ? 'keep\n' : '\n')
      await ended
    },
  }
}

function run(command, args, user, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...user,
    cwd,
    env: plainEnv(),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${path.basename(command)} failed: ${error?.message ?? `${stdout}\n${stderr}`}`)
}

function text(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() ?? ''
}

/** Nothing of the caller's PG... or MYSQL... variables may lead a private server astray. */
function plainEnv() {
  return { PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C', HOME: '/nonexistent' }
}

/** Uid and gid of a user without rights, where this process is root. */
function unprivileged(name) {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const wanted of [name === 'mysql' ? 'mysql' : 'postgres', 'nobody']) {
    const found = users.find(([user]) => user === wanted)
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) }
  }
  throw new Error('the tests run as root, and there is no user like nobody to run a database server as')
}

function find(name, folders) {
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
}

function searchPath() {
  return (process.env.PATH ?? '').split(path.delimiter)
}

/** Debian keeps the server's programs outside of PATH; the newest version first. */
function postgresFolders() {
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : []
  return [...versions.map((version) => path.join(base, version, 'bin')), '/opt/homebrew/bin', '/usr/local/pgsql/bin']
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
