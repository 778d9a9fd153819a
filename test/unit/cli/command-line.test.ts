import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { COMMANDS } from '../../../src/cli/commands/index.js'
import { GLOBAL_OPTIONS } from '../../../src/cli/options.js'
import { duration, wantsColor } from '../../../src/cli/terminal.js'
import { type Compiled, compile } from '../../support/compiled.js'

let rays: Compiled
let project: string
beforeAll(() => {
  rays = compile()
})
afterAll(() => rays.remove())
beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), 'rays-cli-'))
  writeFileSync(path.join(project, 'package.json'), '{}')
})
afterEach(() => rmSync(project, { recursive: true, force: true }))

const run = (args: string[], env: NodeJS.ProcessEnv = {}) => rays.rays(args, { cwd: project, env })
function write(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(project, name)), { recursive: true })
  writeFileSync(path.join(project, name), text)
}

describe('help', () => {
  test.each(['--help', '-h', 'help'])(
    'rays %s begins with one line of purpose and lists every command, with examples',
    async (flag) => {
      const { code, stdout, stderr } = await run([flag])
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/^Migrations for Prisma that go both ways\.\n\nUsage: rays <command> \[options\]\n/)
      for (const command of COMMANDS) expect(stdout).toContain(`rays ${command.usage}`)
      for (const option of Object.keys(GLOBAL_OPTIONS))
        expect(stdout).toContain(option.length === 1 ? `-${option}` : `--${option}`)
      expect(stdout).toMatch(/Examples:\n {2}rays init/)
    },
  )

  test.each(COMMANDS.map((command) => [command.name, command] as const))(
    'rays %s --help begins with its purpose and shows its options and examples',
    async (name, command) => {
      const { code, stdout } = await run([name, '--help'])
      expect(code).toBe(0)
      expect(stdout.split('\n')[0]!.toLowerCase()).toBe(`${command.purpose.toLowerCase()}.`)
      for (const option of Object.keys(command.options)) expect(stdout).toContain(`--${option}`)
      if (Object.keys(command.options).length > 0)
        expect(stdout.indexOf('Options:')).toBeLessThan(stdout.indexOf('Everywhere:'))
      for (const [line] of command.examples) expect(stdout).toContain(line)
    },
  )

  test('rays help <command> is its --help', async () => {
    expect((await run(['help', 'migrate'])).stdout).toBe((await run(['migrate', '--help'])).stdout)
  })

  test('with --json even help, the version and a mistyped line are one document', async () => {
    const document = async (args: string[]) => JSON.parse((await run(args)).stdout) as Record<string, unknown>
    expect(await document(['--version', '--json'])).toEqual({
      command: '',
      ok: true,
      data: { version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
      warnings: [],
    })
    expect(await document(['migrate', '--help', '--json'])).toMatchObject({
      command: 'migrate',
      data: { help: expect.stringContaining('Usage: rays migrate') },
    })
    const wrong = await run(['migrate', '--nmae', 'x', '--json'])
    expect(wrong.code).toBe(2)
    expect(JSON.parse(wrong.stdout)).toMatchObject({ command: 'migrate', ok: false, error: { code: 'E_USAGE' } })
  })

  test('rays --version prints the version of the package', async () => {
    const { code, stdout } = await run(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('a command line that is wrong: exit 2, and nothing on stdout', () => {
  test.each<[string, string[], RegExp, RegExp]>([
    ['a mistyped command', ['statsu'], /Unknown command: statsu\./, /Did you mean rays status\? rays --help/],
    ['a mistyped alias', ['showmigration'], /Unknown command/, /Did you mean rays showmigrations\?/],
    ['a letter that is no option', ['status', '-c'], /Unknown option: -c\./, /rays status --help/],
    [
      'a word for a number',
      ['migrate', '--lock-timeout', 'abc'],
      /--lock-timeout cannot be "abc": it takes a number of seconds/,
      /rays migrate --help/,
    ],
    ['a word like no command', ['xyzzyxyzzy'], /Unknown command: xyzzyxyzzy\./, /^Fix: rays --help lists/m],
    [
      'a mistyped command after an option with a value',
      ['--conf', 'staging.js', 'statsu'],
      /Unknown command: statsu\./,
      /rays status\?/,
    ],
    [
      'a mistyped option',
      ['migrate', '--nmae', 'x'],
      /Unknown option: --nmae\./,
      /Did you mean --name\? rays migrate --help/,
    ],
    [
      'a mistyped long option',
      ['migrate', '--allow-out-of-ordr'],
      /Unknown option: --allow-out-of-ordr/,
      /--allow-out-of-order\?/,
    ],
    ['a mistyped option without a command', ['--hlep'], /Unknown option: --hlep/, /Did you mean --help\?/],
    ['an option of another command', ['push', '--fake'], /Unknown option: --fake/, /rays push --help/],
    [
      'a target without --name',
      ['migrate', 'add_lastname'],
      /takes no add_lastname/,
      /Did you mean --name add_lastname\?/,
    ],
    ['an option without its value', ['migrate', '--name'], /name/, /rays migrate --help/],
    [
      'a switch with a word of its own',
      ['migrate', '--plan', 'false'],
      /--plan false: .* behind =/,
      /rays migrate --help/,
    ],
    ['a switch with an odd value', ['migrate', '--plan=x.json'], /--plan cannot be "x\.json"/, /rays migrate --help/],
    ['an option given twice', ['migrate', '--name', 'a', '--to', 'b'], /--name is given 2 times/, /once/],
    ['a choice that is none', ['makemigration', '--from', 'nowhere'], /from/, /rays makemigration --help/],
  ])('%s', async (_, args, message, hint) => {
    const { code, stdout, stderr } = await run(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^Error: /)
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/\nFix: /)
    expect(stderr).toMatch(hint)
    expect(stderr).not.toMatch(/\n +at /)
  })

  test.each(['--json=true', '--json=1', '--json=YES'])('%s prints a document, --json=0 does not', async (flag) => {
    for (const args of [['statsu'], ['migrate', '--plan='], ['migrate', '--name='], ['status']]) {
      const { code, stdout, stderr } = await run([...args, flag])
      expect([code, stderr]).toEqual([2, ''])
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { message: expect.any(String) } })
      const plain = await run([...args, '--json=0'])
      expect([plain.code, plain.stdout]).toEqual([2, ''])
      expect(plain.stderr).toMatch(/^Error: /)
    }
  })

  test('with --json it is one document on stdout', async () => {
    const { code, stdout, stderr } = await run(['statsu', '--json'])
    expect([code, stderr]).toEqual([2, ''])
    expect(JSON.parse(stdout)).toEqual({
      command: '',
      ok: false,
      data: null,
      warnings: [],
      error: {
        code: 'E_USAGE',
        message: 'Unknown command: statsu.',
        hint: 'Did you mean rays status? rays --help lists the commands.',
      },
    })
  })

  test.each(['status', 'migrate', 'push', 'config --conf nowhere.js', 'makemigration --name a', 'prepare'])(
    'rays %s --json without a schema is one document, too',
    async (command) => {
      const { code, stdout } = await run([...command.split(' '), '--json'])
      expect(code).toBe(2)
      expect(JSON.parse(stdout)).toMatchObject({
        command: command.split(' ')[0],
        ok: false,
        error: { code: 'E_CONFIG', hint: expect.any(String) },
      })
    },
  )
})

describe('rays alone', () => {
  test('before there is a database says what comes first', async () => {
    write('prisma/schema.prisma', 'datasource db {\n  provider = "sqlite"\n}\n')
    const empty = await run([], { DATABASE_URL: 'file:./dev.db' })
    expect([empty.code, empty.stderr]).toEqual([0, ''])
    expect(empty.stdout).toMatch(/Next: rays makemigration --name init/)
    write('prisma/migrations/20260101000000_a/migration.sql', '')
    const { code, stdout } = await run([], { DATABASE_URL: 'file:./dev.db' })
    expect(code).toBe(0)
    expect(stdout).toMatch(/Next: rays migrate --create-db/)
  })

  test('in an empty folder points to rays init and changes nothing', async () => {
    const { code, stdout, stderr } = await run([])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/no Prisma schema/)
    expect(stdout).toMatch(/Next: rays init/)
    expect(readdirSync(project)).toEqual(['package.json'])
  })

  test('without a database URL says how to set it', async () => {
    write('prisma/schema.prisma', 'datasource db {\n  provider = "sqlite"\n}\n')
    write('prisma/migrations/20260101000000_a/migration.sql', '')
    const { code, stdout } = await run([])
    expect(code).toBe(0)
    expect(stdout).toMatch(/1 migration in the folder; the database URL is missing\./)
    expect(stdout).toMatch(/Next: set DATABASE_URL/)
  })

  test('with a raysconfig and no schema says where to write it', async () => {
    write('raysconfig.js', "module.exports = { migrationsDir: 'm' }")
    const { code, stdout } = await run([])
    expect(code).toBe(0)
    expect(stdout).toContain('the schema is missing')
  })

  test('prints where things stand and the next command', async () => {
    write('prisma/schema.prisma', 'datasource db {\n  provider = "sqlite"\n}\n\nmodel A {\n  id Int @id\n}\n')
    write('prisma/dev.db', '')
    const before = readdirSync(project, { recursive: true }).sort()
    const { code, stdout, stderr } = await run([], { DATABASE_URL: 'file:./dev.db' })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/0 applied, 0 pending; the schema has changes that no migration has yet\.\n/)
    expect(stdout).toMatch(/Next: .*rays makemigration --name/)
    expect(readdirSync(project, { recursive: true }).sort()).toEqual(before)
  })

  test('--json gives the same as one document', async () => {
    const { code, stdout } = await run(['--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      command: 'overview',
      ok: true,
      data: { state: 'no-project' },
      warnings: [],
    })
  })
})

describe('passwords', () => {
  const DATABASE_URL = 'postgresql://someone:hunter2@127.0.0.1:1/app?sslpassword=hunter3'

  test.each([[[]], [['--json']]])(
    'rays config %j prints URLs without them, and where they came from',
    async (flags: string[]) => {
      write('prisma/schema.prisma', 'datasource db {\n  provider = "postgresql"\n}\n')
      const { code, stdout, stderr } = await run(['config', ...flags], { DATABASE_URL })
      expect(code).toBe(0)
      expect(stdout).toContain('postgresql://someone:***@127.0.0.1:1/app?sslpassword=***')
      expect(stdout).toContain('DATABASE_URL')
      expect(stdout + stderr).not.toMatch(/hunter/)
    },
  )

  test.each([[[]], [['--json']], [['--log']]])(
    'rays status %j does not tell them where the database cannot be reached',
    async (flags: string[]) => {
      write('prisma/schema.prisma', 'datasource db {\n  provider = "postgresql"\n}\n')
      const { code, stdout, stderr } = await run(['status', ...flags], { DATABASE_URL })
      expect(code).toBe(1)
      expect(stdout + stderr).toContain('127.0.0.1')
      expect(stdout + stderr).not.toMatch(/hunter/)
    },
  )

  test('a password that is a common word garbles no document', async () => {
    write('prisma/schema.prisma', 'datasource db {\n  provider = "postgresql"\n}\n')
    const { stdout } = await run(['config', '--json'], { DATABASE_URL: 'postgresql://u:ok@127.0.0.1:1/name' })
    expect(JSON.parse(stdout)).toMatchObject({ command: 'config', ok: true })
  })
})

test('all configuration problems come in one error, exit 2', async () => {
  write('raysconfig.js', 'module.exports = { migrationDir: 1, lock: "x", lockTimeout: -1 }')
  const { code, stderr } = await run(['status'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/3 problems/)
  expect(stderr).toMatch(/did you mean migrationsDir\?/)
})

describe('the terminal', () => {
  const stream = (isTTY: boolean) => ({ isTTY }) as NodeJS.WriteStream
  test.each<[string, boolean, NodeJS.ProcessEnv, boolean, boolean]>([
    ['a terminal', true, {}, true, true],
    ['no terminal', false, {}, true, false],
    ['--no-color', true, {}, false, false],
    ['NO_COLOR', true, { NO_COLOR: '1' }, true, false],
    ['TERM=dumb', true, { TERM: 'dumb' }, true, false],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, true, true],
  ])('is coloured where that is wanted: %s', (_, isTTY, env, flag, expected) => {
    expect(wantsColor(stream(isTTY), env, flag)).toBe(expected)
  })

  test.each([
    [0, '0 ms'],
    [12.4, '12 ms'],
    [3400, '3.4 s'],
    [999.6, '1.0 s'],
    [59_999, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [119_999, '2 min 0 s'],
    [-5, '0 ms'],
  ])('tells %d ms as %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text)
  })

  test('a reader that stops reading does no harm', async () => {
    const { execFileSync } = await import('node:child_process')
    const bin = path.join(rays.folder, 'bin', 'rays.js')
    const out = execFileSync('bash', ['-c', `node ${bin} --help | head -1; echo "\${PIPESTATUS[0]}"`], {
      encoding: 'utf8',
      cwd: project,
    })
    expect(out).toBe('Migrations for Prisma that go both ways.\n0\n')
  })
})
