/** What a shell is offered, by the words before the cursor. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { COMMANDS } from '../../../src/cli/commands/index.js'
import { candidatesFor } from '../../../src/cli/complete.js'
import { GLOBAL_OPTIONS, type Option } from '../../../src/cli/options.js'
import type { Context } from '../../../src/commands/host.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rays-complete-'))
  for (const name of [
    '20260101000000_init',
    '20260102000000_add_lastname',
    '20260103000000_add_lastname_again',
    '20260104000000_$(touch evil)',
    '20260105000000_`touch evil`',
    '20260106000000_a b',
    '20260107000000_a\u001b[31m',
  ]) {
    mkdirSync(path.join(folder, name))
    writeFileSync(path.join(folder, name, 'migration.sql'), '')
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open = async () => ({ config: { migrationsDir: folder } }) as Context
const offered = async (...line: string[]) => (await candidatesFor(line, open)).map(({ value }) => value)
const NAMES = ['20260103000000_add_lastname_again', '20260102000000_add_lastname', '20260101000000_init']

test('the first word is a command; aliases are offered to those who begin one', async () => {
  expect(await offered('')).toEqual(COMMANDS.map(({ name }) => name))
  expect(await offered()).toEqual(COMMANDS.map(({ name }) => name))
  expect(await offered('mi')).toEqual(['migrate'])
  expect(await offered('lat')).toEqual(['latest'])
  expect(await offered('--conf', 'x.js', '--json', 'st')).toEqual(['status'])
  expect(await offered('help', 'st')).toEqual(['status'])
  expect(await offered('status', '')).toEqual([])
})

test('every option of every command is offered in the form that changes something, the own ones first', async () => {
  for (const { name, options } of COMMANDS) {
    const all = await offered(name, '-')
    for (const [option, { describe, ...spec }] of Object.entries<Option>({ ...options, ...GLOBAL_OPTIONS })) {
      const on = spec.type === 'boolean' && spec.default === true
      expect([name, all.includes(`--${option}`)]).toEqual([name, !on])
      if (on || describe.includes(`--no-${option}`)) expect(all).toContain(`--no-${option}`)
    }
    const first = Object.keys(options)[0]
    if (first !== undefined) expect(all[0]).toMatch(new RegExp(`^--(no-)?${first}$`))
  }
  expect(await offered('latest', '--pl')).toEqual(['--plan'])
})

test('an option is offered once, a list again', async () => {
  expect(await offered('migrate', '--plan', '--pl')).toEqual([])
  expect(await offered('up', '-p', '--pre')).toEqual([])
  expect(await offered('doctor', '--ignore', 'a', '--ig')).toEqual(['--ignore'])
})

test('a target is zero, one step, or a migration, the newest first', async () => {
  for (const line of [
    ['migrate', '--name'],
    ['migrate', '--to'],
    ['latest', '--plan', '--target'],
  ])
    expect(await offered(...line, '')).toEqual(['zero', '-1', '+1', ...NAMES])
  expect(await offered('migrate', '--name', '20260101')).toEqual(['20260101000000_init'])
  expect(await offered('migrate', '--name=z')).toEqual(['--name=zero'])
  expect(await offered('migrate', '--name=in')).toEqual(['--name=init'])
})

test('a migration is one of the folder; by its given name only where that means one', async () => {
  for (const command of ['up', 'down', 'sqlmigrate', 'squash']) expect(await offered(command, '')).toEqual(NAMES)
  expect(await offered('squash', 'init', '')).toEqual(NAMES)
  expect(await offered('sqlmigrate', 'init', '')).toEqual([])
  expect(await offered('up', 'add')).toEqual(['add_lastname_again'])
  expect(await offered('rebase', '--own', 'i')).toEqual(['init'])
})

test('choices, pages and paths', async () => {
  expect(await offered('makemigration', '--from', '')).toEqual(['snapshot', 'migrations'])
  expect(await offered('makemigration', '--from=m')).toEqual(['--from=migrations'])
  expect(await offered('knex', 'f')).toEqual(['fill'])
  expect(await offered('import', '')).toEqual(['knex'])
  expect(await offered('import', 'knex', './m')).toEqual([':folders'])
  expect(await offered('--conf', '')).toEqual([':files'])
  expect(await offered('status', '--conf=./x')).toEqual([':files'])
  expect(await offered('docs', 'lib')).toEqual(['library'])
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish'])
})

test('behind a switch comes the next word, behind another option its value', async () => {
  expect(await offered('up', '--preview', 'i')).toEqual(['init'])
  expect(await offered('makemigration', '--name', '')).toEqual([])
  expect(await offered('makemigration', '--name', 'x', '--bl')).toEqual(['--blank'])
})

test('where nothing is known nothing is offered: after --, an unknown command, without a project', async () => {
  for (const line of [
    ['prisma', '--', ''],
    ['statsu', ''],
    ['statsu', '--'],
    ['migrate', '--name=x', ''],
  ])
    expect(await offered(...line)).toEqual([])
  const broken = async () => {
    throw new Error('no project')
  }
  expect(await candidatesFor(['up', ''], broken)).toEqual([])
  expect((await candidatesFor(['up', '--pre'], broken)).map(({ value }) => value)).toEqual(['--preview'])
  expect(readdirSync(folder)).not.toContain('evil')
})
