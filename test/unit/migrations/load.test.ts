import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Compiled, compile, type Run } from '../../support/compiled.js'

// In processes of Node's own: jest loads modules in its own way.
let rays: Compiled
let project: string
beforeAll(() => {
  rays = compile()
})
afterAll(() => rays.remove())
beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), 'rays-load-'))
})
afterEach(() => rmSync(project, { recursive: true, force: true }))

interface Loaded {
  readonly run: Run
  readonly operations?: readonly string[][]
  readonly transaction?: boolean
  readonly foreignKeysOff?: boolean
  readonly codeHash?: string
  readonly checksum?: string
  readonly ran?: unknown
  readonly error?: { name: string; exitCode: number; message: string; where?: string; hint?: string }
}

const LOADER = `
import { listMigrations } from './src/migrations/directory.js'
import { loadMigration } from './src/migrations/load.js'
const print = (value) => process.stdout.write('\\n@@' + JSON.stringify(value))
try {
  const [migration] = await listMigrations(process.argv[2])
  const loaded = await loadMigration(migration, { runScript: async (script) => 'ran ' + script })
  const ran = await loaded.operations[0]?.[0]({ client: {} })
  print({ ...loaded, migration: undefined, operations: loaded.operations.map((pair) => pair.map((f) => f && f.name)), ran })
} catch (error) {
  print({ error: { ...error, name: error.name, message: error.message, stack: error.stack } })
}
`

/** @param type the "type" of the project's package.json; null for a project without one, undefined for no package.json */
async function load(files: Record<string, string | Buffer>, type?: string | null): Promise<Loaded> {
  if (type !== undefined)
    writeFileSync(path.join(project, 'package.json'), JSON.stringify(type === null ? {} : { type }))
  const folder = path.join(project, 'migrations', '20260101000000_a')
  for (const [name, content] of Object.entries({ 'migration.sql': 'SELECT 1;\n', ...files })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), content)
  }
  const run = await rays.script(LOADER, [path.join(project, 'migrations')])
  const result = run.stdout.split('\n@@')[1]
  if (result === undefined) throw new Error(`the process ended with ${run.code} before it answered:\n${run.stderr}`)
  return { run, ...JSON.parse(result) }
}

const CJS = 'async function up() { return 1 }\nasync function down() {}\nmodule.exports = [[up, down]]\n'
const ESM = 'async function up() { return 1 }\nasync function down() {}\nexport default [[up, down]]\n'

describe('both kinds of modules load, whichever the project is', () => {
  test.each<[string, string, string, string | null | undefined]>([
    ['CommonJS without package.json', 'js', CJS, undefined],
    ['CommonJS in a project without a type', 'js', CJS, null],
    ['CommonJS in a CommonJS project', 'js', CJS, 'commonjs'],
    ['CommonJS in an ES module project', 'js', CJS, 'module'],
    ['ES module without package.json', 'js', ESM, undefined],
    ['ES module in a project without a type', 'js', ESM, null],
    ['ES module in a CommonJS project', 'js', ESM, 'commonjs'],
    ['ES module in an ES module project', 'js', ESM, 'module'],
    ['.cjs in an ES module project', 'cjs', CJS, 'module'],
    ['.mjs in a CommonJS project', 'mjs', ESM, 'commonjs'],
    [
      'TypeScript with export default',
      'ts',
      'type A = string\nconst up = async (): Promise<number> => 1\nconst down = () => {}\nexport default [[up, down]]\n',
      null,
    ],
    ['TypeScript in an ES module project', 'ts', ESM, 'module'],
    ['TypeScript, .mts', 'mts', ESM, null],
    ['TypeScript, .cts with module.exports', 'cts', CJS, 'module'],
    [
      'compiled by another tool (exports.default)',
      'js',
      `${CJS.replace('module.exports =', 'exports.default =')}exports.__esModule = true\n`,
      null,
    ],
    ['CommonJS with a byte order mark', 'js', `\ufeff${CJS}`, null],
    ['CommonJS with a first line for the shell', 'js', `#!/usr/bin/env node\n${CJS}`, null],
    ['CommonJS with both', 'js', `\ufeff#!/usr/bin/env node\n${CJS}`, null],
    ['ES module with a byte order mark', 'js', `\ufeff${ESM}`, 'module'],
    ['ES module with a first line for the shell', 'js', `#!/usr/bin/env node\n${ESM}`, null],
    ['CRLF', 'js', CJS.replace(/\n/g, '\r\n'), null],
    [
      'CommonJS whose SQL begins lines with import and export',
      'js',
      `${CJS}const sql = \`\nexport default x\nimport y from 'z'\n\`\n`,
      null,
    ],
    [
      'CommonJS whose comments talk of import and export',
      'js',
      `/*\nexport default []\nimport a from 'b'\n*/\n${CJS}`,
      'module',
    ],
    [
      'ES module that waits while it loads',
      'js',
      `await new Promise((resolve) => setTimeout(resolve, 5))\n${ESM}`,
      null,
    ],
    [
      'ES module that waits while it loads, in an ES module project',
      'js',
      `await new Promise((resolve) => setTimeout(resolve, 5))\n${ESM}`,
      'module',
    ],
  ])('%s', async (_, extension, code, type) => {
    const loaded = await load({ [`migration.${extension}`]: code }, type)
    expect(loaded.error).toBeUndefined()
    expect(loaded).toMatchObject({ operations: [['up', 'down']], transaction: true, foreignKeysOff: false, ran: 1 })
    expect(loaded.codeHash).toMatch(/^[0-9a-f]{64}$/)
    // Nothing that the user could do nothing about.
    expect(loaded.run.stderr).toBe('')
  })

  test.each<[string, string, string | null]>([
    [
      'require of a file beside it',
      "const { up } = require('./helper.cjs')\nmodule.exports = [[up, null]]\n",
      'module',
    ],
    ['import of a file beside it', "import { up } from './helper.cjs'\nexport default [[up, null]]\n", 'module'],
    [
      'import of a file beside it, without a type',
      "import { up } from './helper.cjs'\nexport default [[up, null]]\n",
      null,
    ],
    [
      'require of a module of Node',
      "const path = require('node:path')\nmodule.exports = [[function up() { return path.basename('a/1') * 1 }, null]]\n",
      null,
    ],
    [
      'import() in CommonJS',
      "module.exports = [[async function up() { return (await import('./helper.cjs')).default.up() }, null]]\n",
      null,
    ],
    [
      '__dirname',
      "module.exports = [[function up() { return require('node:fs').existsSync(__dirname + '/helper.cjs') ? 1 : 0 }, null]]\n",
      'module',
    ],
  ])('a migration may use other modules: %s', async (_, code, type) => {
    const helper = 'exports.up = function up() { return 1 }\n'
    const loaded = await load({ 'migration.js': code, 'helper.cjs': helper }, type)
    expect(loaded.error).toBeUndefined()
    expect(loaded).toMatchObject({ operations: [['up', null]], ran: 1 })
    expect(loaded.run.stderr).toBe('')
  })

  test('paths with spaces, signs and other letters are no difficulty', async () => {
    const odd = path.join(project, "a b%20#é'x")
    mkdirSync(odd)
    project = odd
    for (const [extension, code] of [
      ['cjs', CJS],
      ['mjs', ESM],
    ] as const) {
      const loaded = await load({ [`migration.${extension}`]: code })
      expect(loaded.operations).toEqual([['up', 'down']])
      rmSync(path.join(project, 'migrations'), { recursive: true })
    }
    project = path.dirname(odd)
  })
})

describe('out of the transaction', () => {
  test.each<[string, string, boolean]>([
    ['CommonJS: a property of the array', `${CJS}module.exports.transaction = false\n`, false],
    ['ES module: a named export', `${ESM}export const transaction = false\n`, false],
    [
      'ES module: a property of the array',
      `${ESM.replace('export default [[up, down]]', 'export default Object.assign([[up, down]], { transaction: false })')}`,
      false,
    ],
    ['said to be in it', `${ESM}export const transaction = true\n`, true],
    ['not said', ESM, true],
  ])('%s', async (_, code, transaction) => {
    expect((await load({ 'migration.js': code }, null)).transaction).toBe(transaction)
  })

  test.each(["'false'", '0', 'null + 1', '{}'])('is refused where it is neither true nor false: %s', async (value) => {
    const { error } = await load({ 'migration.js': `${CJS}module.exports.transaction = ${value}\n` })
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('transaction is') })
  })

  test('foreign keys off is seen in the code and in a script', async () => {
    const code = `${CJS}async function x({ client }) { await client.execute('PRAGMA foreign_keys=OFF') }\n`
    expect((await load({ 'migration.js': code })).foreignKeysOff).toBe(true)
    rmSync(path.join(project, 'migrations'), { recursive: true })
    expect(
      (await load({ 'migration.sql': 'PRAGMA defer_foreign_keys=ON;\nPRAGMA foreign_keys = 0;\n' })).foreignKeysOff,
    ).toBe(true)
    rmSync(path.join(project, 'migrations'), { recursive: true })
    expect((await load({ 'migration.sql': 'PRAGMA foreign_keys=ON;\n' })).foreignKeysOff).toBe(false)
  })
})

describe('migrations made by Prisma', () => {
  test('run their script, and have no down', async () => {
    const loaded = await load({ 'migration.sql': 'CREATE TABLE a ();\n' })
    expect(loaded).toMatchObject({
      operations: [['migration.sql', null]],
      transaction: true,
      ran: 'ran CREATE TABLE a ();\n',
    })
    expect(loaded.codeHash).toBeUndefined()
  })

  test.each(['', '  \n', '-- This is an empty migration.', '-- This is an empty migration.\n'])(
    'that change nothing can go both ways: %j',
    async (script) => {
      const loaded = await load({ 'migration.sql': script })
      expect(loaded.operations).toEqual([['nothing', 'nothing']])
    },
  )
})

describe('code that cannot be used is refused before anything runs, exit 2, with the file', () => {
  test.each<[string, string, RegExp]>([
    ['nothing', '', /exports nothing/],
    ['an object', 'module.exports = { a: 1 }', /exports an object/],
    ['a function', 'module.exports = () => {}', /exports a function/],
    ['a string', "module.exports = 'x'", /exports a string/],
    ['null', 'module.exports = null', /exports null/],
    ['up and down of prisma-rays 1.x', 'exports.up = async () => {}\nexports.down = async () => {}', /1\.x/],
    ['up and down of prisma-rays 1.x as one object', 'module.exports = { up() {}, down() {} }', /1\.x/],
    ['up and down of prisma-rays 1.x in an ES module', 'export default { async up() {}, async down() {} }', /1\.x/],
    [
      'functions without pairs',
      'module.exports = [() => {}, () => {}]',
      /operation 0 is a function.*\n.*operation 1 is a function/,
    ],
    ['an up without a down', 'module.exports = [[() => {}]]', /operation 0 has no down: .*\[up, null\]/],
    ['an up that is no function', "module.exports = [['CREATE TABLE a ()', null]]", /operation 0: the up is a string/],
    ['an up that is null', 'module.exports = [[null, () => {}]]', /operation 0: the up is null/],
    ['a down that is no function', 'module.exports = [[() => {}, undefined]]', /operation 0: the down is undefined/],
    ['four functions in one pair', 'const f = () => {}\nmodule.exports = [[f, f, f, f]]', /operation 0 has 4 entries/],
    ['the second pair', 'const f = () => {}\nmodule.exports = [[f, f], [f, 1]]', /operation 1: the down is a number/],
  ])('%s', async (_, code, message) => {
    const { error } = await load({ 'migration.js': code }, null)
    expect(error).toMatchObject({ name: 'MigrationInvalidError', exitCode: 2 })
    expect(error!.message).toMatch(message)
    expect(error!.message).toContain(path.join('20260101000000_a', 'migration.js'))
    expect(error!.hint).toBeTruthy()
  })

  test.each<[string, string, string, string | null]>([
    ['CommonJS', 'cjs', '\nconst a = ;\n', null],
    ['ES module', 'mjs', 'export const b = 1\nconst a = ;\n', null],
    ['ES module in a project without a type', 'js', 'export const b = 1\nconst a = ;\n', null],
    ['TypeScript', 'ts', 'export const b: number = 1\nconst a = ;\n', null],
  ])('a syntax error, with its line: %s', async (_, extension, code, type) => {
    const { error } = await load({ [`migration.${extension}`]: code }, type)
    expect(error).toMatchObject({ exitCode: 2 })
    expect(`${error!.message}\n${error!.where}`).toMatch(new RegExp(`migration\\.${extension}:2\\b`))
  })

  test.each<[string, string, string | null]>([
    ['CommonJS', '\nthrow new Error("no such luck")\n', null],
    ['ES module', 'export default []\nthrow new Error("no such luck")\n', 'module'],
    ['ES module in a project without a type', 'export default []\nthrow new Error("no such luck")\n', null],
  ])('that throws while it loads, with its line: %s', async (_, code, type) => {
    const { error } = await load({ 'migration.js': code }, type)
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('no such luck') })
    expect(error!.where).toMatch(/migration\.js:2\b/)
  })

  test.each<[string, string]>([
    ['undefined', 'throw undefined'],
    ['a string', 'throw "x"'],
    ['null', 'throw null'],
  ])('that throws what is no error: %s', async (_, code) => {
    expect((await load({ 'migration.js': code })).error).toMatchObject({ exitCode: 2 })
  })

  test('that needs a module which is not there', async () => {
    const { error } = await load({ 'migration.js': "require('no-such-module')\n" })
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('no-such-module') })
  })

  test.each<[string, string, string | null]>([
    ['CommonJS', 'process.exit(0)\n', null],
    ['ES module', 'export default []\nprocess.exit(0)\n', 'module'],
    ['ES module in a project without a type', 'export default []\nprocess.exit(0)\n', null],
    ['caught by the file itself', 'try { process.exit(0) } catch {}\nmodule.exports = []\n', null],
  ])('that calls process.exit: rays goes on and says so: %s', async (_, code, type) => {
    const { error, run } = await load({ 'migration.js': code }, type)
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('process.exit(0)') })
    expect(run.code).toBe(0)
  })

  test('that waits for what never comes', async () => {
    const { error } = await load({ 'migration.mjs': 'await new Promise(() => {})\nexport default []\n' })
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('never finished') })
  })
})

describe('code is UTF-8, or it is refused before anything of it runs', () => {
  const latin1 = (text: string) => Buffer.from(text.replace('TEXT', "'café'"), 'latin1')
  const refused = (name: string) => ({
    name: 'MigrationInvalidError',
    exitCode: 2,
    message: expect.stringMatching(
      new RegExp(`${name.replaceAll('.', '\\.')} is not valid UTF-8: byte \\d+ in line 2 `),
    ),
  })

  test.each<[string, string]>([
    ['js', `\nconst x = TEXT\n${CJS}`],
    ['cjs', `\nconst x = TEXT\n${CJS}`],
    ['mjs', `\nconst x = TEXT\n${ESM}`],
    ['ts', `\nconst x = TEXT\n${ESM}`],
    ['mts', `\nconst x = TEXT\n${ESM}`],
    ['cts', `\nconst x = TEXT\n${CJS}`],
  ])('migration.%s', async (extension, code) => {
    const name = `migration.${extension}`
    expect((await load({ [name]: latin1(code) }, null)).error).toMatchObject(refused(name))
  })

  test('UTF-16 is named', async () => {
    const { error } = await load({ 'migration.js': Buffer.from(`\ufeff${CJS}`, 'utf16le') }, null)
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('saved as UTF-16') })
  })

  test.each<[string, string, string]>([
    ['import', 'mjs', "import { text } from './helper.mjs'\nexport default [[function up() { return text }, null]]\n"],
    ['import of what it exports', 'mjs', "export * from './helper.mjs'\nexport default [[function up() {}, null]]\n"],
    ['import, in TypeScript', 'ts', "import { text } from './helper'\nexport default [[() => text as string, null]]\n"],
    ['import()', 'js', "module.exports = [[async () => (await import('./helper.mjs')).text, null]]\n"],
    ['require', 'js', "const { text } = require('./helper')\nmodule.exports = [[() => text, null]]\n"],
    ['require of what is worked out', 'js', "require(__dirname + '/help' + 'er.cjs')\nmodule.exports = []\n"],
  ])('neither is what it loads of its own, by %s', async (_, extension, code) => {
    const helper = latin1('\nexport const text = TEXT\n')
    const name = `helper.${extension === 'js' ? (code.includes('import(') ? 'mjs' : 'cjs') : extension}`
    const { error } = await load({ [`migration.${extension}`]: code, [name]: helper }, null)
    expect(error).toMatchObject(refused(name))
  })

  test('nor what that loads in turn, outside of the folder', async () => {
    writeFileSync(path.join(project, 'far.mjs'), latin1('\nexport const text = TEXT\n'))
    writeFileSync(path.join(project, 'near.mjs'), "import './near.mjs'\nexport * from './far.mjs'\n")
    const code = "import { text } from '../../near.mjs'\nexport default [[() => text, null]]\n"
    expect((await load({ 'migration.mjs': code }, null)).error).toMatchObject(refused('far.mjs'))
  })

  test('a file that nobody loads may be anything', async () => {
    const { error } = await load({ 'migration.js': CJS, 'data.csv': latin1('TEXT') }, null)
    expect(error).toBeUndefined()
  })
})

test('a file is read anew each time', async () => {
  const file = path.join(project, 'a.mjs')
  writeFileSync(file, 'export const n = 1')
  const run = await rays.script(
    `
    import { writeFileSync } from 'node:fs'
    import { loadModule } from './src/modules.js'
    const seen = []
    for (const n of [1, 2]) {
      for (const [extension, code] of [['mjs', 'export const n = ' + n], ['cjs', 'exports.n = ' + n], ['ts', 'export const n: number = ' + n], ['js', 'export const n = ' + n]]) {
        const file = process.argv[2] + '/a.' + extension
        writeFileSync(file, code)
        seen.push((await loadModule(file)).n)
      }
    }
    console.log(JSON.stringify(seen))
    `,
    [project],
  )
  expect(JSON.parse(run.stdout)).toEqual([1, 1, 1, 1, 2, 2, 2, 2])
})
