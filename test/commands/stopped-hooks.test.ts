/** A signal, or the end of the process, while a hook runs: nothing is undone that was not asked for, and nothing forgotten. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { pause } from '../support/faults.js'
import { type Output, project, type TestProject } from '../support/project.js'

const ONE = '20260101000000_one'
const TWO = '20260102000000_two'
const FUNCTIONS = ['beforeAll', 'beforeEach', 'afterEach', 'afterAll']

describeDatabases('a hook that is stopped', (database) => {
  let db: FreshDatabase
  let app: TestProject
  const at = (name: string) => path.join(app.folder, name)

  /** Two migrations; each makes a table with a row. */
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: '', config: { generate: false } })
    const files: Record<string, string> = { 'prisma/migrations/migration_lock.toml': `provider = "${db.provider}"\n` }
    for (const [name, table] of [
      [ONE, 'one'],
      [TWO, 'two'],
    ] as const) {
      files[`prisma/migrations/${name}/migration.sql`] = `CREATE TABLE ${table} (id INTEGER PRIMARY KEY);\n`
      files[`prisma/migrations/${name}/migration.js`] =
        `const run = (...all) => async ({ client }) => { for (const sql of all) await client.execute(sql) }\n` +
        `module.exports = [[run('CREATE TABLE ${table} (id INTEGER PRIMARY KEY)'), run('DROP TABLE ${table}')], [run('INSERT INTO ${table} VALUES (1)'), run('DELETE FROM ${table}')]]\n`
    }
    app.write(files)
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })

  const rows = (table: string) =>
    db.query(`SELECT id FROM ${table}`).then(
      (found) => found.length,
      () => 'no table' as const,
    )
  const applied = async () =>
    (await history(db)).map((row) => [row.migration_name, row.finished_at === null ? 'open' : 'applied'])

  /** A program that says that it runs, and waits, until there is a file `quick`. */
  const waits = (more = '') =>
    `${more}\necho "$DIRECTION" >> ran\n[ -e quick ] || { sleep 30 & echo $! > child; touch running; wait; }\n`
  const ran = () => (existsSync(at('ran')) ? readFileSync(at('ran'), 'utf8').trim().split('\n') : [])
  const hook = (migration: string, name: string, text = waits()) =>
    app.write({ [`prisma/migrations/${migration}/${name}`]: text })

  const stop = async (
    line: readonly string[],
    how: (pid: number) => unknown,
    ready = 'running',
  ): Promise<Output & { seconds: number }> => {
    rmSync(at(ready), { force: true })
    let began = 0
    const output = await app.rays(line, {
      onStart: (child) => {
        void (async () => {
          while (!existsSync(at(ready)) && child.exitCode === null) await pause(20)
          began = performance.now()
          await how(child.pid!)
        })()
      },
    })
    return { ...output, seconds: (performance.now() - began) / 1000 }
  }
  const signal = (name: NodeJS.Signals) => (pid: number) => process.kill(pid, name)
  const isGone = async (file = 'child') => {
    const pid = Number(readFileSync(at(file), 'utf8'))
    for (let i = 0; i < 50; i++) {
      try {
        process.kill(pid, 0)
        // A process that nobody waits for is there until somebody does.
        if (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z')) return true
      } catch {
        return true
      }
      await pause(20)
    }
    return false
  }

  /** Until somebody decides, each command says so, and does nothing. */
  const expectDecision = async (name: string, stands: RegExp) => {
    const before = { history: await history(db), one: await rows('one'), two: await rows('two') }
    const next = await app.rays(['migrate'])
    expect({ code: next.code, stderr: next.stderr }).toEqual({ code: 3, stderr: expect.stringMatching(stands) })
    expect(next.stderr).toContain(`${name} was begun`)
    expect(next.stderr).toMatch(/--resume runs .* again, rays migrate --skip-hook/)
    const status = await app.rays(['status', '--json'])
    expect(status.json<{ data: { migrations: { hook: string | null }[] } }>().data.migrations).toContainEqual(
      expect.objectContaining({ hook: name, state: 'failed', failure: expect.stringMatching(stands) }),
    )
    expect((await app.rays([])).stdout).toContain(name)
    expect({ history: await history(db), one: await rows('one'), two: await rows('two') }).toEqual(before)
  }

  const STOPS: [string, NodeJS.Signals, number][] = [
    ['SIGINT', 'SIGINT', 130],
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGHUP', 'SIGHUP', 129],
    ['kill -9', 'SIGKILL', 137],
  ]
  // How the process hears of signals does not depend on the database.
  const stops = STOPS.filter(([how]) => database.provider === 'sqlite' || ['SIGTERM', 'kill -9'].includes(how))
  for (const [how, name, code] of stops) {
    test(`going up, by ${how}: what is behind it is open, and goes on`, async () => {
      hook(TWO, 'after.sh')
      const run = await stop(['migrate'], signal(name))
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code,
        stderr: expect.not.stringMatching(/Correct the hook/),
      })
      if (name !== 'SIGKILL') {
        expect(run.stderr).toMatch(
          /Interrupted while after\.sh of 20260102000000_two ran\. The migration itself is applied/,
        )
        expect(await isGone()).toBe(true)
      }
      expect(await applied()).toEqual([
        [ONE, 'applied'],
        [TWO, 'open'],
      ])
      expect(await rows('two')).toBe(1)
      await expectDecision('after.sh', /the migration itself is applied/)
      app.write({ quick: '' })
      expect(await app.rays(['migrate', '--resume'])).toMatchObject({ code: 0 })
      expect(await applied()).toEqual([
        [ONE, 'applied'],
        [TWO, 'applied'],
      ])
      expect([ran(), await rows('two')]).toEqual([['up', 'up'], 1])
      expect(await app.rays(['status', '--check'])).not.toMatchObject({ code: 3 })
    })

    test(`going up, by ${how}: what is ahead of it is open, and nothing is done`, async () => {
      hook(TWO, 'before.sh')
      const run = await stop(['migrate'], signal(name))
      expect(run.code).toBe(code)
      expect(await applied()).toEqual([
        [ONE, 'applied'],
        [TWO, 'open'],
      ])
      expect(await rows('two')).toBe('no table')
      await expectDecision('before.sh', /nothing of the migration was done/)
      expect(await app.rays(['migrate', '--skip-hook'])).toMatchObject({ code: 0 })
      expect([ran(), await rows('two')]).toEqual([['up'], 1])
      expect(await applied()).toEqual([
        [ONE, 'applied'],
        [TWO, 'applied'],
      ])
    })

    test(`going down, by ${how}: what is ahead of it is open, and nothing is undone`, async () => {
      await app.rays(['migrate'])
      hook(TWO, 'after.sh')
      const run = await stop(['migrate', '--name', 'zero', '--y'], signal(name))
      expect(run.code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual([1, 1])
      await expectDecision('after.sh', /the migration itself is still applied/)
      app.write({ quick: '' })
      expect(await app.rays(['migrate', '--resume'])).toMatchObject({ code: 0 })
      expect([ran(), await rows('one'), await rows('two')]).toEqual([['down', 'down'], 1, 'no table'])
      expect(await applied()).toEqual([[ONE, 'applied']])
    })

    test(`going down, by ${how}: what is behind it is open, and it is not applied again`, async () => {
      await app.rays(['migrate'])
      hook(TWO, 'before.sh')
      const run = await stop(['migrate', '--name', 'zero', '--y'], signal(name))
      expect(run.code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual([1, 'no table'])
      await expectDecision('before.sh', /the migration itself is undone/)
      app.write({ quick: '' })
      expect(await app.rays(['migrate', '--resume'])).toMatchObject({ code: 0 })
      expect([ran(), await rows('two'), await applied()]).toEqual([['down', 'down'], 'no table', [[ONE, 'applied']]])
    })
  }

  test('it can be gone back from', async () => {
    hook(TWO, 'after.sh')
    await stop(['migrate'], signal('SIGTERM'))
    expect(await app.rays(['migrate', '--undo'])).toMatchObject({ code: 0 })
    expect([await rows('two'), await applied(), ran()]).toEqual(['no table', [[ONE, 'applied']], ['up']])
    hook(TWO, 'before.sh')
    rmSync(at(`prisma/migrations/${TWO}/after.sh`))
    await stop(['migrate'], signal('SIGTERM'))
    expect(await app.rays(['migrate', '--undo'])).toMatchObject({ code: 0 })
    expect([await rows('two'), await applied()]).toEqual(['no table', [[ONE, 'applied']]])
    app.write({ quick: '' })
    expect(await app.rays(['migrate'])).toMatchObject({ code: 0 })
    rmSync(at('quick'))
    await stop(['migrate', '--name', '-1', '--y'], signal('SIGTERM'))
    expect([await rows('two'), (await applied())[1]]).toEqual(['no table', [TWO, 'open']])
    expect(await app.rays(['migrate', '--undo'])).toMatchObject({ code: 0 })
    expect([await rows('two'), (await applied())[1]]).toEqual([1, [TWO, 'applied']])
  })

  test('the words that do not fit are refused', async () => {
    hook(TWO, 'after.sh')
    expect(await app.rays(['migrate', '--skip-hook'])).toMatchObject({ code: 2 })
    await stop(['migrate'], signal('SIGTERM'))
    for (const words of [
      ['--undo', '--skip-hook'],
      ['--resume', '--skip-op', '1'],
      ['--skip-hook', '--plan'],
    ]) {
      const { code, stderr } = await app.rays(['migrate', ...words])
      expect({ words, code, stderr }).toEqual({ words, code: 2, stderr: expect.any(String) })
    }
    expect((await applied())[1]).toEqual([TWO, 'open'])
  })

  test('a resumed one that fails by itself takes the migration back, as ever', async () => {
    hook(TWO, 'after.sh')
    await stop(['migrate'], signal('SIGTERM'))
    hook(TWO, 'after.sh', 'exit 3\n')
    const { code, stderr } = await app.rays(['migrate', '--resume'])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/exit code 3.* was undone/) })
    expect([await rows('two'), await applied()]).toEqual(['no table', [[ONE, 'applied']]])
  })

  test('one that fails behind a migration without a way back stays open', async () => {
    hook(TWO, 'after.sh', 'exit 3\n')
    app.write({
      [`prisma/migrations/${TWO}/migration.js`]:
        "module.exports = [[({ client }) => client.execute('CREATE TABLE two (id INTEGER PRIMARY KEY)'), null]]\n",
    })
    const { code, stderr } = await app.rays(['migrate'])
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/exit code 3.*stays applied[\s\S]*--skip-hook/),
    })
    await expectDecision('after.sh', /the migration itself is applied/)
    expect(await app.rays(['migrate', '--skip-hook'])).toMatchObject({ code: 0 })
    expect((await applied())[1]).toEqual([TWO, 'applied'])
  })

  test('one that somebody else ends is not taken for failed', async () => {
    hook(TWO, 'after.js', "require('node:fs').writeFileSync('running', ''); process.kill(process.pid, 'SIGKILL')\n")
    const { code, stderr } = await app.rays(['migrate'])
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/was ended by signal SIGKILL/) })
    expect([await rows('two'), (await applied())[1]]).toEqual([1, [TWO, 'open']])
  })

  test('where no transaction holds a migration, the program behind it runs when that goes on', async () => {
    hook(TWO, 'after.sh')
    app.write({
      quick: '',
      [`prisma/migrations/${TWO}/migration.js`]:
        "const wait = async ({ client }) => { await client.execute('INSERT INTO two VALUES (1)')\n" +
        "if (!require('node:fs').existsSync('again')) { require('node:fs').writeFileSync('running', ''); await new Promise((r) => setTimeout(r, 30000)) } }\n" +
        "module.exports = [[({ client }) => client.execute('CREATE TABLE two (id INTEGER PRIMARY KEY)'), () => {}], [wait, () => {}]]\n" +
        'module.exports.transaction = false\n',
    })
    await stop(['migrate'], signal('SIGKILL'))
    app.write({ again: '' })
    expect(await app.rays(['migrate', '--resume', '--skip-op', '1'])).toMatchObject({ code: 0 })
    expect([ran(), await rows('two'), (await applied())[1]]).toEqual([['up'], 1, [TWO, 'applied']])
  })

  const functions = () => {
    const each = FUNCTIONS.map(
      (name) =>
        `${name}: async ({ direction, migrations }) => {\n` +
        `  fs.appendFileSync('ran', '${name} ' + direction + ' ' + migrations.length + '\\n')\n` +
        `  if (process.env.WAIT === '${name}') { fs.writeFileSync('running', ''); await new Promise((r) => setTimeout(r, 60000)) }\n}`,
    ).join(',\n')
    app.write({
      'raysconfig.js': `const fs = require('node:fs')\nmodule.exports = { databaseUrl: process.env.DATABASE_URL, generate: false,\n${each} }\n`,
    })
  }
  const wait = (name: string, line: readonly string[], how: NodeJS.Signals) => {
    rmSync(at('running'), { force: true })
    return app.rays(line, {
      env: { WAIT: name },
      onStart: (child) => {
        void (async () => {
          while (!existsSync(at('running')) && child.exitCode === null) await pause(20)
          child.kill(how)
        })()
      },
    })
  }

  for (const [how, code] of [
    ['SIGTERM', 143],
    ['SIGKILL', 137],
  ] as const) {
    test(`beforeAll and afterAll of raysconfig, by ${how}, both ways`, async () => {
      functions()
      expect((await wait('beforeAll', ['migrate'], how)).code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual(['no table', 'no table'])
      await expectDecision('beforeAll', /nothing of the migration was done/)
      expect(await app.rays(['migrate', '--undo'])).toMatchObject({ code: 0 })
      expect(await history(db)).toEqual([])
      expect((await wait('afterAll', ['migrate'], how)).code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual([1, 1])
      await expectDecision('afterAll', /the migration itself is applied/)
      rmSync(at('ran'))
      expect(await app.rays(['migrate', '--resume'])).toMatchObject({ code: 0 })
      expect(ran()).toEqual(['afterAll up 2'])
      const down = ['migrate', '--name', 'zero', '--y']
      expect((await wait('beforeAll', down, how)).code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual([1, 1])
      await expectDecision('beforeAll', /the migration itself is still applied/)
      rmSync(at('ran'))
      expect((await wait('afterAll', ['migrate', '--resume'], how)).code).toBe(code)
      expect([await rows('one'), await rows('two')]).toEqual(['no table', 'no table'])
      expect([ran().at(0), ran().at(-1)]).toEqual(['beforeAll down 2', 'afterAll down 2'])
      await expectDecision('afterAll', /the migration itself is undone/)
      expect(await app.rays(['migrate', '--skip-hook'])).toMatchObject({ code: 0 })
      expect(await history(db)).toEqual([])
    })
  }

  if (database.provider === 'sqlite') {
    test('a program that ignores the signal is ended after some seconds, with what it started', async () => {
      hook(TWO, 'after.sh', "trap '' TERM INT HUP\nsleep 60 & echo $! > child\ntouch running\nwait\nsleep 60\n")
      const run = await stop(['migrate'], signal('SIGTERM'))
      expect(run.code).toBe(143)
      expect(run.seconds).toBeLessThan(30)
      expect(await isGone()).toBe(true)
    })

    test('a second signal ends rays at once, and the program with it', async () => {
      hook(TWO, 'after.sh', "trap '' TERM INT HUP\nsleep 60 & echo $! > child\ntouch running\nwait\nsleep 60\n")
      const run = await stop(['migrate'], async (pid) => {
        process.kill(pid, 'SIGINT')
        await pause(500)
        process.kill(pid, 'SIGINT')
      })
      expect(run.code).toBe(130)
      expect(run.seconds).toBeLessThan(4)
      expect(await isGone()).toBe(true)
      expect((await applied())[1]).toEqual([TWO, 'open'])
    })

    test('a program that the signal reaches first is not taken for failed', async () => {
      hook(
        TWO,
        'after.js',
        "require('node:fs').writeFileSync('hook', String(process.pid)); setTimeout(() => {}, 60000)\n",
      )
      const both = (pid: number) => {
        process.kill(Number(readFileSync(at('hook'), 'utf8')), 'SIGTERM')
        process.kill(pid, 'SIGTERM')
      }
      const run = await stop(
        ['migrate'],
        async (pid) => {
          await pause(200)
          both(pid)
        },
        'hook',
      )
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 143,
        stderr: expect.stringMatching(/Interrupted while after\.js/),
      })
      expect(await rows('two')).toBe(1)
    })

    test('a seed is ended with what it started', async () => {
      app.write({
        'package.json': JSON.stringify({
          name: 'x',
          prisma: { seed: 'sleep 60 & echo $! > child; touch running; wait' },
        }),
      })
      const run = await stop(['seed'], signal('SIGTERM'))
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 143,
        stderr: expect.stringMatching(/may be in the database/),
      })
      expect(await isGone()).toBe(true)
    })
  }
})
