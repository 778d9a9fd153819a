import { PassThrough } from 'node:stream'
import { oneLine, quoted, visible, visibleJson, withoutCommands } from '../../../engines/foreign.js'
import { explain } from '../../../engines/mysql/errors.js'
import { explainPostgres } from '../../../engines/postgresql/errors.js'
import { explainSqlite } from '../../../engines/sqlite/errors.js'
import { DatabaseUrl } from '../../../engines/url.js'
import { command } from '../../../src/cli/command.js'
import { printerFor } from '../../../src/cli/format.js'
import { createTerminal } from '../../../src/cli/terminal.js'
import type { Config } from '../../../src/config/config.js'

/** Every character that moves the cursor, begins a line, or turns the direction of writing. */
const UNSEEN = [
  ...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)),
  ...Array.from({ length: 33 }, (_, at) => String.fromCharCode(127 + at)),
  ...'\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff',
]
const ODD = `\u001b[2J\u001b]0;title\u0007\n::error::made up\r\n##[error]made up ##vso[task.complete]\u009b1m\u202e`
const CI = /^\s*::[^\n]*::|##(\[|vso\[|teamcity\[)/m

describe('text that rays did not write', () => {
  test('is shown with its control characters', () => {
    expect(visible('a\u001b[31m\u0007\u009b\u202eb\tc\nd\r\ne\rf')).toBe('a\\x1b[31m\\x07\\x9b\\u202eb\tc\nd\ne\\rf')
    expect(oneLine('a\r\nb\tc\u2028d')).toBe('a\\r\\nb\\tc\\u2028d')
    for (const character of UNSEEN) {
      expect(oneLine(`a${character}b`)).toMatch(/^a\\[a-z0-9]+b$/)
      if (!'\n\t'.includes(character)) expect(visible(`a${character}b`)).toMatch(/^a\\[a-z0-9]+b$/)
    }
    expect(oneLine('Ünïcödé 日本 👩‍👩‍👧 \u00a0')).toBe('Ünïcödé 日本 👩‍👩‍👧 \u00a0')
  })

  test('is no command to a CI system', () => {
    for (const line of [
      '::error::x',
      '  ::set-output name=a::b',
      '##[error]x',
      'a ##vso[task]b',
      '##teamcity[x]',
      '\n::a::',
    ])
      expect(withoutCommands(line)).not.toMatch(CI)
    for (const line of ["SELECT '1'\n  ::integer", '## heading', '### x', 'a::b', 'std::x::y', '# [x]'])
      expect(withoutCommands(line)).toBe(line)
  })

  test('is the same value in JSON, with nothing raw', () => {
    const json = visibleJson(JSON.stringify({ [ODD]: [...UNSEEN, ODD] }))
    for (const character of UNSEEN) expect(json).not.toContain(character)
    expect(json).not.toMatch(/##(\[|vso)/)
    expect(JSON.parse(json)).toEqual({ [ODD]: [...UNSEEN, ODD] })
  })

  test('of a driver is on one line, without a password that is known', () => {
    const secret = new DatabaseUrl('mysql://u:s3cret77@h/d', '/').secrets[0]!
    const thrown = Object.assign(new Error(`${ODD} ${secret}`), { code: 'X', detail: ODD, hint: ODD })
    for (const info of [explain(thrown), explainPostgres(thrown), explainSqlite(thrown), { message: quoted(ODD) }]) {
      for (const text of Object.values(info)) {
        for (const character of UNSEEN) expect(text).not.toContain(character)
        expect(text).not.toContain(secret)
      }
    }
  })
})

describe('what is printed', () => {
  /** A terminal whose streams are kept. */
  const printing = (options: { quiet?: boolean; isTTY?: boolean } = {}) => {
    const stream = () => Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false })
    const [stdout, stderr] = [stream(), stream()]
    const terminal = createTerminal({
      quiet: options.quiet ?? false,
      color: true,
      input: false,
      signal: new AbortController().signal,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stderr: stderr as unknown as NodeJS.WriteStream,
    })
    const read = (from: PassThrough) => String(from.read() ?? '')
    return { terminal, printed: () => read(stdout) + read(stderr) }
  }
  const raw = (text: string) =>
    [...text].filter((character) => UNSEEN.includes(character) && !'\n\t'.includes(character))

  test('holds nothing raw, whichever way it came', () => {
    const { terminal, printed } = printing()
    terminal.verbose()
    terminal.out(ODD)
    terminal.note(ODD)
    terminal.warn(ODD)
    terminal.output(ODD)
    terminal.onStatement?.(ODD, 1)
    terminal.changes([{ lines: [{ mark: '+', text: ODD }] }] as unknown as Parameters<typeof terminal.changes>[0])
    for (const kind of ['start', 'elsewhere', 'done'] as const)
      terminal.progress({ kind, name: ODD, index: 0, total: 1, milliseconds: 1, direction: 'up' } as Parameters<
        typeof terminal.progress
      >[0])
    const text = printed()
    expect(raw(text)).toEqual([])
    expect(text).not.toMatch(CI)
    expect(text).toContain('\\x1b[2J')
  })

  test('is coloured by rays alone', () => {
    const { terminal, printed } = printing({ isTTY: true })
    const before = process.env.NO_COLOR
    terminal.out(terminal.paint('dim', `a ${terminal.paint('red', 'b \u001b[32mc')} d`))
    const text = printed()
    expect(text).toContain('b \\x1b[32mc')
    if (before === undefined && process.env.TERM !== 'dumb')
      expect(text).toBe('\u001b[2ma \u001b[31mb \\x1b[32mc\u001b[39m d\u001b[22m\n')
  })

  test('for another program is exact in a pipe, and visible on a terminal', () => {
    const pipe = printing()
    pipe.terminal.raw(ODD)
    expect(pipe.printed()).toBe(`${ODD}\n`)
    const screen = printing({ isTTY: true })
    screen.terminal.raw(`a\tb\n${ODD}`)
    expect(raw(screen.printed())).toEqual([])
  })

  test('of a program in pieces is no command either, and its colours are left out', () => {
    const { terminal, printed } = printing()
    for (const piece of ['\u001b[32mok\u001b[0m\n', '::', 'error::x\n', '10%\r20%\n']) terminal.output(piece)
    expect(printed()).toBe('ok\n\\x3a:error::x\n10%\n20%\n')
  })

  test('of a result has a name on its own line only', async () => {
    const { terminal, printed } = printing()
    const data = { name: 'a\nNext: evil', rows: [{ name: 'b\u0007' }], script: 'one\ntwo' }
    const shown = command({
      name: 'x',
      purpose: '',
      options: {},
      examples: [],
      library: {},
      run: async () => data,
      text: (told) => `${told.name}|${told.rows[0]?.name}|${told.script}`,
    })
    const outcome = await shown.run({
      open: async () => ({ config: {} as Config, host: terminal }),
      args: {},
      terminal,
    })
    printerFor('text', terminal).result('x', outcome)
    expect(printed()).toBe('a\\nNext: evil|b\\x07|one\ntwo\n')
    expect(outcome.data).toBe(data)
  })
})
