import { COMMANDS } from '../../../src/cli/commands/index.js'
import { commandsFor } from '../../../src/cli/commands/load.js'
import { readLine } from '../../../src/cli/grammar.js'

test('a line that begins with its command loads that command alone', async () => {
  for (const command of COMMANDS) expect(await commandsFor([command.name, '--json'])).toEqual([command])
})

test('options alone load none', async () => {
  for (const line of [[], ['--version'], ['-h'], ['--json', '--no-color']]) expect(await commandsFor(line)).toEqual([])
})

test('whatever else loads all', async () => {
  for (const line of [
    ['latest'],
    ['--conf', 'status', 'migrate'],
    ['-y', 'migrate'],
    ['help'],
    ['statsu'],
    [''],
    ['-1'],
  ])
    expect(await commandsFor(line)).toBe(COMMANDS)
  for (const word of ['constructor', 'toString', '__proto__']) expect(await commandsFor([word])).toBe(COMMANDS)
})

test('what a line says does not depend on which commands were loaded for it', async () => {
  const lines = [
    ['migrate', '--name', 'status', '--plan'],
    ['up', '-1', '-p'],
    ['import', 'knex', './migrations'],
    ['prisma', '--', 'migrate', 'status'],
    ['status', 'migrate'],
    ['push', '--fake'],
    ['--json', '--version'],
    ['--hlep'],
    [],
  ]
  for (const line of lines) {
    const [alone, among] = [readLine(line, await commandsFor(line)), readLine(line, COMMANDS)]
    expect([alone.command, alone.args, alone.wants]).toEqual([among.command, among.args, among.wants])
    expect(await alone.problem?.()).toEqual(await among.problem?.())
  }
})
