/** Closed pipes, odd URLs, hosts that do not answer, and secrets. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FaultCase, fault, M1, M2, PASSWORD, SECOND } from '../support/faults.js'
import { alias } from '../support/proxy.js'

const BIN = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../bin/rays.js')

/**
 * Runs a shell line in which `rays` is the command; what comes out of it is searched for the password. The exit code of rays
 * itself, whatever it is piped into; 255 where it hangs.
 */
function shell(c: FaultCase, line: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      DATABASE_URL: c.href,
      LANG: 'C',
      LC_ALL: 'C',
      RAYS_GENERATE: '0',
      RAYS_VERBOSE_LOGGING: '1',
    }
    const rays = `"${process.execPath}" "${BIN}"`
    const child = spawn('/bin/bash', ['-c', `${line.replaceAll('rays', rays)}; exit \${PIPESTATUS[0]}`], {
      cwd: c.project.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
      killSignal: 'SIGKILL',
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
    child.on('close', (code) => {
      try {
        c.refuseSecrets(text, line)
        resolve(code ?? 255)
      } catch (error) {
        reject(error)
      }
    })
  })
}

fault('a migration does not depend on anybody reading what it prints', async (c) => {
  const noisy = `for (let i = 0; i < 2000; i++) console.log('x'.repeat(200))`
  await c.fixture({ 1: { up: `${noisy}\n  ${SECOND[1]!.up}` } })
  const before = await c.state()
  for (const line of [
    'rays migrate | head -1',
    'rays migrate 2>&1 | head -c 10',
    'rays migrate >&-',
    'rays migrate >&- 2>&-',
    'rays migrate 2>/dev/full >/dev/full',
  ]) {
    const code = await shell(c, line)
    expect({ line, code, applied: (await c.applied()).length }).toEqual({ line, code: 0, applied: 3 })
    await c.gone()
    const down = await c.rays(['migrate', '--name', M1, '--y'])
    expect({ code: down.code, stderr: down.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    await c.clean(before)
  }
  // Nor does it end in success when it fails and nobody hears it.
  c.folder(M2, [SECOND[0]!, { ...SECOND[1]!, up: `${SECOND[1]!.up}\n  ${noisy}\n  throw new Error('unheard')` }])
  for (const line of ['rays migrate 2>&1 | head -1', 'rays migrate >&- 2>&-']) {
    const failing = await c.state()
    expect({ line, code: await shell(c, line) }).toEqual({ line, code: 1 })
    await c.undone(failing, /unheard/)
  }
  c.repair()
  await c.next()
})

fault(
  'URLs are read as Prisma reads them',
  async (c) => {
    await c.fixture()
    const url = new URL(c.href)
    const variants: string[] = []
    url.searchParams.set('connection_limit', '5')
    url.searchParams.set('pool_timeout', '3')
    url.searchParams.set('something_unknown', 'yes')
    variants.push(url.href)
    if (c.provider === 'postgresql') {
      variants.push(`${c.href}?sslmode=disable`, `${c.href}?schema=public`, c.href.replace('127.0.0.1', 'localhost'))
      const [{ dir }] = (await c.db.query(
        "SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS dir",
      )) as [{ dir: string }]
      if (dir && process.getuid?.() === 0)
        variants.push(c.href.replace(/@[^/]+\//, `@localhost:${url.port}/`).concat(`?host=${encodeURIComponent(dir)}`))
    } else {
      variants.push(c.href.replace('127.0.0.1', 'localhost'))
      const [{ socket }] = (await c.db.query('SELECT @@socket AS socket')) as [{ socket: string }]
      // With a port that nobody listens at: it is the socket that is used.
      const beside = c.href.replace(`:${url.port}/`, ':1/')
      if (socket && existsSync(socket)) variants.push(`${beside}?socket=${encodeURIComponent(socket)}`)
    }
    const at = (host: string) => c.href.replace(/@[^/]+\//, `@${host}/`)
    const six = await alias(c.href, '::1', 0)
    if (six) variants.push(at(`[::1]:${six.port}`))
    // An address of this test's own, so that the default port is free there.
    const own = `127.${[0, 0, 0].map(() => 2 + Math.floor(Math.random() * 250)).join('.')}`
    const standard = await alias(c.href, own, c.by({ postgresql: 5432, mysql: 3306, sqlite: 0 }))
    if (standard) variants.push(at(own))
    try {
      for (const href of variants) {
        const run = await c.rays(['status', '--json'], { env: { DATABASE_URL: href } })
        expect({ href, code: run.code, output: run.stdout + run.stderr }).toMatchObject({ href, code: 0 })
        expect(run.stdout + run.stderr).not.toMatch(/something_unknown/)
        // It is this database that was read, and no other that happens to be there.
        const { data } = run.json<{ data: { migrations: { name: string; state: string }[] } }>()
        expect(data.migrations[0]).toMatchObject({ name: M1, state: 'applied' })
      }
    } finally {
      six?.close()
      standard?.close()
    }
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a host that does not answer ends the run within the limit, and no password is told on any path',
  async (c) => {
    await c.fixture()
    const silent = createServer((socket) => socket.on('error', () => undefined).resume())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const url = (change: (url: URL) => void) => {
      const href = new URL(c.href)
      change(href)
      return href.href
    }
    const bad = [
      url((u) => {
        u.port = String(port)
      }),
      url((u) => {
        u.port = '1'
      }),
      url((u) => {
        u.hostname = 'no-such-host.invalid'
      }),
      url((u) => {
        u.pathname = '/no_such_database'
      }),
      url((u) => {
        u.username = 'nobody_there'
      }),
      c.href.replace(encodeURIComponent(PASSWORD), PASSWORD),
      c.href.replace(encodeURIComponent(PASSWORD), `${encodeURIComponent(PASSWORD)}#`),
    ]
    for (const href of bad)
      for (const command of [
        ['migrate'],
        ['status', '--json'],
        ['makemigration', '--name', 'x'],
        ['config'],
        ['lock'],
      ]) {
        if (command[0] !== 'migrate' && href !== bad[1] && href !== bad[5]) continue
        const run = await c.rays([...command, '--log'], { env: { DATABASE_URL: href, RAYS_CONNECT_TIMEOUT: '2' } })
        expect(run.milliseconds).toBeLessThan(10_000)
        if (command[0] === 'migrate') expect([1, 2]).toContain(run.code)
      }
    await new Promise<void>((resolve) => silent.close(() => resolve()))
    // Operations that fail with what they read from the URL: the row that MySQL keeps must not hold it.
    const secret = `decodeURIComponent(new URL(process.env.DATABASE_URL).password)`
    for (const [up, code] of [
      [`throw new Error('cannot use ' + process.env.DATABASE_URL)`, 1],
      [`throw new Error('no right password: ' + ${secret})`, 1],
      [`await client.execute("SELECT '" + ${secret} + "' FROM nowhere")`, 1],
      // Undoing fails as well: MySQL keeps both errors.
      [`globalThis.undo = true; throw new Error('the password ' + ${secret} + ' is wrong')`, c.atomic ? 1 : 3],
    ] as const) {
      await c.fixture({ 1: { up } }, { apply: false })
      const drop = `if (globalThis.undo) throw new Error('and so is ' + ${secret})\n  ${SECOND[0]!.down}`
      c.folder(M2, [{ up: SECOND[0]!.up, down: drop }, { up, down: '' }, SECOND[2]!])
      for (const format of code === 1 ? [['--json']] : [[]]) {
        const run = await c.rays(['migrate', '--log', ...format])
        expect({ up, code: run.code, output: run.stdout + run.stderr }).toEqual({
          up,
          code,
          output: expect.stringMatching(/\*\*\*/),
        })
      }
      await c.noSecrets()
      if (code === 1) continue
      const kept = (await c.history()).find((row) => row.migration_name === M2 && row.rolled_back_at === null)!
      expect(String(kept.logs)).toMatch(/the password \*\*\* is wrong[\s\S]*and so is \*\*\*/)
      await c.db.query('DROP TABLE b')
      await c.db.query(`DELETE FROM _prisma_migrations WHERE migration_name = '${M2}'`)
    }
    // What looks at the project and writes into it.
    for (const command of [['init', '--force'], ['doctor'], ['status', '--strict']]) await c.rays(command)
    await c.noSecrets()
    // The title of the process, as others on this machine see it.
    c.folder('20260102000000_b', [{ up: 'await new Promise((r) => setTimeout(r, 1500))', down: '' }])
    const running = c.start(['migrate'])
    await running.said(/SELECT COUNT/)
    const title = readFileSync(`/proc/${running.child.pid}/cmdline`, 'utf8')
    c.refuseSecrets(title, 'the title of the process')
    await running.output
    c.repair()
    await c.next()
  },
  { on: ['postgresql', 'mysql'], timeoutMs: 120_000, skip: process.platform === 'linux' ? undefined : 'needs /proc' },
)
