import { COMMANDS } from '../../../src/cli/commands/index.js'
import { readLine as readLineOf } from '../../../src/cli/grammar.js'
import { GLOBAL_OPTIONS, type Option } from '../../../src/cli/options.js'
import { spellings } from '../../../src/cli/split.js'
import { MOST_SECONDS } from '../../../src/config/values.js'

const readLine = (line: readonly string[]) => readLineOf(line, COMMANDS)
/** What keeps a line from running, as text; undefined where it may. */
const problem = async (...line: string[]) => (await readLine(line).problem?.())?.message
const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** The words that a command needs. */
const needed = (usage: string) => usage.replace(/\[\w+(\.\.)?\]/g, '').replace(/<\w+(\.\.)?>/g, 'word')
/** Every option of every command; those that all of them have once. */
const every = COMMANDS.flatMap(({ name: command, usage, options }) =>
  Object.entries<Option>({ ...(command === 'migrate' && GLOBAL_OPTIONS), ...options }).map(
    ([name, option]) => [needed(usage).trim().split(' '), name, option] as const,
  ),
)
const dashes = (spelling: string) => (spelling.length === 1 ? [`-${spelling}`, `--${spelling}`] : [`--${spelling}`])
const typed = (name: string, option: Option) => spellings(name, option).flatMap(dashes)
const of = (type: Option['type']) => every.filter(([, , option]) => option.type === type)

test('there are options of every type to walk over', () => {
  expect(of('boolean').length).toBeGreaterThan(80)
  expect(of('string').length).toBeGreaterThan(20)
  expect(of('number').length).toBeGreaterThan(5)
})

test('one name has one type, whichever command it is of', () => {
  const types = new Map<string, string>()
  for (const [, name, option] of every) {
    for (const spelling of spellings(name, option)) {
      expect([spelling, types.get(spelling) ?? option.type]).toEqual([spelling, option.type])
      types.set(spelling, option.type)
    }
  }
})

test('every command has the options that all of them have', () => {
  for (const { usage } of COMMANDS) {
    const { args, problem } = readLine([...needed(usage).trim().split(' '), '--json=1', '--no-input', '--yes'])
    expect(args).toMatchObject({ json: true, input: false, y: true, color: true })
    expect(problem).toBeUndefined()
  }
})

describe('every switch of every command, in each of its spellings', () => {
  test('means what it says', async () => {
    for (const [words, name, option] of of('boolean')) {
      const value = (...more: string[]) => readLine([...words, ...more]).args[camel(name)]
      for (const flag of typed(name, option)) {
        expect([flag, value(flag)]).toEqual([flag, true])
        expect(await problem(...words, flag)).toBeUndefined()
        for (const on of ['true', '1', 'yes', 'on', 'TRUE', 'Yes'])
          expect([flag, on, value(`${flag}=${on}`)]).toEqual([flag, on, true])
        for (const off of ['false', '0', 'no', 'off', 'FALSE', 'Off'])
          expect([flag, off, value(`${flag}=${off}`)]).toEqual([flag, off, false])
      }
      for (const spelling of spellings(name, option)) expect(value(`--no-${spelling}`)).toBe(false)
      expect(value()).toBe('default' in option ? option.default : undefined)
    }
  })

  test('with anything else stops the line, and says which switch and what it takes', async () => {
    for (const [words, name, option] of of('boolean')) {
      for (const flag of typed(name, option)) {
        for (const wrong of [
          '',
          ' ',
          'plan.json',
          'y',
          'n',
          '2',
          '-1',
          'null',
          'undefined',
          'truee',
          ' true',
          'on,off',
        ]) {
          const told = await problem(...words, `${flag}=${wrong}`)
          const named = option.type === 'boolean' && option.named === true
          if (named && wrong.trim() !== '') {
            expect(told).toBeUndefined()
            continue
          }
          expect(told).toContain(`${flag} `)
          expect(told).toMatch(named ? /it takes a name/ : /it takes =true or =false/)
        }
        for (const spelling of spellings(name, option)) {
          for (const value of ['', 'true', 'false', '1', '0'])
            expect(await problem(...words, `--no-${spelling}=${value}`)).toContain(`--no-${spelling} takes no value`)
        }
      }
    }
  })

  test('given on and off stops the line, the same twice does not', async () => {
    for (const [words, name, option] of of('boolean')) {
      for (const flag of typed(name, option)) {
        for (const second of [`--no-${name}`, `--${name}=false`, `--${name}=0`]) {
          expect(await problem(...words, flag, second)).toMatch(/on and off|not alike/)
          expect(await problem(...words, second, flag)).toMatch(/on and off|not alike/)
        }
        expect(await problem(...words, flag, `--${name}`, `--${name}=yes`)).toBeUndefined()
      }
    }
  })

  test('does not take the next word, nor lets it pass', async () => {
    for (const [words, name, option] of of('boolean')) {
      for (const flag of [...typed(name, option), `--no-${name}`])
        for (const next of ['true', 'false', 'yes', 'no', 'on', 'off', 'False'])
          expect(await problem(...words, flag, next)).toContain(
            `${flag} ${next}: the value of a switch stands behind =`,
          )
    }
  })
})

test('a number behind a switch is the command\u2019s only where the command takes one', async () => {
  expect(readLine(['down', '--preview', '1']).args).toMatchObject({ target: '1', preview: true })
  expect(await problem('down', '--preview', '1')).toBeUndefined()
  expect(await problem('redo', '-y', '0')).toBeUndefined()
  for (const command of ['migrate', 'makemigration', 'save', 'commit', 'squash', 'status'])
    for (const number of ['0', '1']) expect(await problem(command, '--json', number)).toContain(`--json ${number}:`)
})

describe('every option with a value', () => {
  test('is refused without one, and with an empty one', async () => {
    for (const [words, name, option] of every.filter(([, , { type }]) => type !== 'boolean')) {
      for (const flag of typed(name, option)) {
        expect(await problem(...words, flag)).toMatch(/ is given no value: it takes /)
        for (const next of ['--json', '-y', '--', '-x'])
          expect(await problem(...words, flag, next)).toMatch(/ is given no value: it takes /)
        for (const empty of ['', ' ', '\t']) {
          expect(await problem(...words, flag, empty)).toMatch(/ is empty: it takes /)
          expect(await problem(...words, `${flag}=${empty}`)).toMatch(/ is empty: it takes /)
        }
      }
      if (!('none' in option)) expect(await problem(...words, `--no-${name}`)).toMatch(/ means nothing: it takes /)
    }
  })

  test('given twice is refused, but for lists', async () => {
    for (const [words, name, option] of every.filter(([, , { type }]) => type !== 'boolean')) {
      const value = option.type === 'number' ? '3' : 'choices' in option ? option.choices![0]! : 'a'
      const twice = [...words, `--${name}`, value, `--${name}=${value}`]
      if ('array' in option) expect(readLine(twice).args[camel(name)]).toEqual([value, value])
      else expect(await problem(...twice)).toContain(`--${name} is given 2 times`)
    }
  })

  test('takes its value as it is', () => {
    for (const text of ["'x'", '"x"', '1e3', '007', '-1', '+2', 'a=b', 'a b', 'a\nb', 'true'])
      expect(readLine(['migrate', '--name', text]).args.name).toBe(text)
    expect(readLine(['migrate', '-n', 'x']).problem).toBeDefined()
    expect(readLine(['makemigration', '-n=x']).args.name).toBe('x')
    expect(readLine(['makemigration', '--default=User.age=0', '--default', "User.a='x'"]).args.default).toEqual([
      'User.age=0',
      "User.a='x'",
    ])
  })
})

test('every number is digits, within what can be waited, and an operation a whole one', async () => {
  for (const [words, name, option] of of('number')) {
    const wrong = [
      '10s',
      '1e3',
      '0x10',
      ' 5',
      '5 ',
      '-1',
      '+1',
      '.5',
      '5.',
      '1,5',
      '1_000',
      'NaN',
      'Infinity',
      'ten',
      '٣',
    ]
    const more =
      option.type === 'number' && option.takes === 'seconds'
        ? [`${MOST_SECONDS + 1}`, '9'.repeat(400)]
        : ['1.5', '9007199254740993']
    for (const value of [...wrong, ...more]) {
      for (const flag of typed(name, option)) {
        expect(await problem(...words, `${flag}=${value}`)).toContain(`${flag} cannot be ${JSON.stringify(value)}`)
        expect(await problem(...words, flag, value)).toMatch(
          /it takes (a number of seconds, at most 2147483|the number of an operation)/,
        )
      }
    }
    for (const value of ['0', '7'])
      expect(readLine([...words, `--${name}=${value}`]).args[camel(name)]).toBe(Number(value))
  }
  expect(readLine(['migrate', '--lock-timeout', '0.5']).args.lockTimeout).toBe(0.5)
  expect(await problem('migrate', '--lock-timeout', `${MOST_SECONDS}`)).toBeUndefined()
})

describe('a word with one dash', () => {
  test('is letters of switches, or refused as a whole', async () => {
    expect(readLine(['up', '-pcy']).args).toMatchObject({ preview: true, createDb: true, y: true })
    for (const [line, near] of [
      [['migrate', '-plan'], '--plan'],
      [['migrate', '-fake'], '--fake'],
      [['makemigration', '-name', 'x'], '--name'],
      [['makemigration', '-nx'], undefined],
      [['up', '-preview'], '--preview'],
      [['migrate', '-yes'], '--yes'],
      [['migrate', '-json'], '--json'],
    ] as const) {
      const refused = await readLine(line).problem?.()
      expect(refused?.message).toBe(`Unknown option: ${line[1]}.`)
      if (near) expect(refused?.hint).toContain(`Did you mean ${near}?`)
    }
  })

  test('is a number of migrations', () => {
    expect(readLine(['up', '-12']).args.target).toBe('-12')
    expect(readLine(['migrate', '--name', '-12']).args.name).toBe('-12')
    expect(readLine(['migrate', '-12']).problem).toBeDefined()
  })
})

describe('--', () => {
  test('ends the options', async () => {
    expect(readLine(['makemigration', '--', '--weird', '-y']).args).toMatchObject({ words: ['--weird', '-y'] })
    expect(readLine(['makemigration', '--', '--json']).args.json).toBeUndefined()
    expect(await problem('migrate', '--', '--plan')).toBe('rays migrate takes no --plan.')
    expect(await problem('makemigration', '--name', '--', 'x')).toContain('--name is given no value')
  })

  test('gives the rest to Prisma as it is', () => {
    const rest = ['migrate', '--schema=x', '--json', '', '--', '-y']
    expect(readLine(['prisma', 'a', '--', ...rest]).args).toMatchObject({ words: ['a'], rest })
    expect(readLine(['prisma', '--', ...rest]).args.json).toBeUndefined()
    expect(readLine(['prisma', '--', ...rest]).problem).toBeUndefined()
  })
})

test('--no-rename says that there is none; with a rename it is refused', async () => {
  for (const command of ['makemigration', 'save', 'commit', 'push', 'draft']) {
    expect(readLine([command, '--no-rename']).args.rename).toBe(false)
    expect(readLine([command, '--no-rename', '--no-rename']).problem).toBeUndefined()
    expect(await problem(command, '--no-rename', '--rename', 'A:B')).toContain('exclude each other')
    expect(await problem(command, '--no-rename=A:B')).toContain('--no-rename takes no value')
  }
})

test('an empty word is none: a variable of a script was not set', async () => {
  for (const line of [
    ['up', ''],
    ['sqlmigrate', ''],
    ['makemigration', 'add', ' '],
    ['squash', 'a', ''],
  ])
    expect(await problem(...line)).toBe(`rays ${line[0]} is given an empty word.`)
  expect(await problem('')).toBe('Unknown command: .')
})

test('the command is found behind options that take a value, whichever command they are of', () => {
  for (const line of [
    ['--conf', 'status', 'migrate'],
    ['--name', 'status', 'migrate'],
    ['--json', '--lock-timeout', '3', 'migrate', '--name=status'],
    ['-y', 'latest'],
  ])
    expect(readLine(line).command.name).toBe('migrate')
})

test('the words of a command get their names', async () => {
  expect(readLine(['makemigration', 'add', 'last', 'name', '--blank']).args.words).toEqual(['add', 'last', 'name'])
  expect(readLine(['import', 'knex', './1e3']).args).toMatchObject({ format: 'knex', folder: './1e3' })
  expect(readLine(['squash', 'a', 'b', 'c']).args.range).toEqual(['a', 'b', 'c'])
  expect(await problem('sqlmigrate')).toBe('rays sqlmigrate needs <name>.')
  expect(await problem('squash')).toBe('rays squash needs <range>.')
  expect(await problem('import', 'knex')).toBe('rays import needs <folder>.')
})

test('what the line wants of --json, --input and --color is known although the line is wrong', async () => {
  const { args, problem: wrong } = readLine(['migrate', '--json=yes', '--plan=maybe', '--no-input', '--color=off'])
  expect(args).toMatchObject({ json: true, input: false, color: false })
  expect(wrong).toBeDefined()
  expect(readLine(['statsu', '--json']).args.json).toBe(true)
})

test('help wins over everything', () => {
  for (const line of [
    ['--help'],
    ['-h'],
    ['help'],
    ['help', 'migrate'],
    ['migrate', '--nope', '--help'],
    ['statsu', '-h'],
  ])
    expect(readLine(line).wants).toBe('help')
  expect(readLine(['migrate', '--help=no']).wants).toBeUndefined()
  expect(readLine(['--version']).wants).toBe('version')
})
