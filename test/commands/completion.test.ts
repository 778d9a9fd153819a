/** The scripts in the shells that they are for. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const RAYS = path.resolve('bin/rays.js')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rays-completion-'))
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  write('package.json', '{}')
  // Nothing answers there, and nobody asks it.
  write('prisma/schema.prisma', 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n')
  write('.env', 'DATABASE_URL=postgresql://u:p@127.0.0.1:1/app\n')
  write('raysconfig.js', "console.log('loading'); module.exports = {}")
  for (const name of ['20260101000000_init', '20260102000000_add_lastname', '20260103000000_$(touch evil)'])
    write(`prisma/migrations/${name}/migration.sql`, '')
  write('some folder/file', '')
  mkdirSync(path.join(folder, 'node_modules/.bin'), { recursive: true })
  symlinkSync(RAYS, path.join(folder, 'node_modules/.bin/rays'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0
const env = { ...process.env, NODE_OPTIONS: '', DATABASE_URL: undefined, HOME: tmpdir() }
const script = (shell: string) =>
  execFileSync(process.execPath, [RAYS, 'completion', shell], { encoding: 'utf8', env, cwd: tmpdir() })
const lines = (text: string) => text.split('\n').filter((line) => line !== '')

/** What bash offers for a line with the cursor at its end; its words as bash splits them. */
function bash(...words: string[]): string[] {
  const call = `${script('bash')}
complete -p rays >&2 || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
_rays
printf '%s\\n' "\${COMPREPLY[@]}"`
  const run = spawnSync('bash', ['--norc', '-uc', call, 'bash', ...words], { encoding: 'utf8', env, cwd: folder })
  expect([run.status, run.stderr]).toEqual([0, 'complete -F _rays rays\n'])
  return lines(run.stdout)
}

describe('bash', () => {
  test('completes commands, options, targets and migrations', () => {
    expect(bash('rays', 'mig')).toEqual(['migrate'])
    expect(bash('rays', 'migrate', '--fa')).toEqual(['--fake', '--fail-on-destructive'])
    expect(bash('rays', 'up', '')).toEqual(['20260102000000_add_lastname', '20260101000000_init'])
    expect(bash('rays', 'down', 'ad')).toEqual(['add_lastname'])
    expect(readdirSync(folder)).not.toContain('evil')
  })

  test('completes a value behind =, which bash has split off', () => {
    expect(bash('rays', 'migrate', '--name', '=', 'z')).toEqual(['zero'])
    expect(bash('rays', 'makemigration', '--from', '=')).toEqual(['snapshot', 'migrations'])
    expect(bash('rays', 'migrate', '--name', '=', 'init', '--pl')).toEqual(['--plan'])
  })

  test('completes paths by itself', () => {
    expect(bash('rays', '--conf', 'rays')).toEqual(['raysconfig.js'])
    expect(bash('rays', '--conf', '=', 'rays')).toEqual(['raysconfig.js'])
    expect(bash('rays', 'import', 'knex', 'so')).toEqual(['some folder'])
  })

  test('is silent where nothing is to be offered', () => {
    expect(bash('rays', 'nonsense', '')).toEqual([])
    expect(bash('rays', 'status', '')).toEqual([])
    expect(bash('/nowhere/rays', 'up', 'i')).toEqual(['init'])
  })
})

const onFish = has('fish') ? test : test.skip
onFish('fish completes commands with their purposes, options and migrations', () => {
  const fish = (line: string) => {
    const call = `${script('fish')}\ncomplete -C ${JSON.stringify(line)}`
    const run = spawnSync('fish', ['--no-config', '-c', call], { encoding: 'utf8', env, cwd: folder })
    expect([run.status, run.stderr]).toEqual([0, ''])
    return lines(run.stdout)
  }
  expect(fish('rays mig')).toEqual(['migrate\tbring the database to a migration, up or down'])
  expect(fish('rays migrate --pl')).toEqual(['--plan\tlist what would run'])
  expect(fish('rays up ').sort()).toEqual(['20260101000000_init', '20260102000000_add_lastname'])
  expect(fish('rays migrate --name=z')).toEqual(['--name=zero\tundo all'])
  expect(fish('rays --conf raysc')).toEqual(['raysconfig.js'])
  expect(fish('rays status ')).toEqual([])
})

const onZsh = has('zsh') ? test : test.skip
onZsh('zsh completes commands, options and migrations', () => {
  writeFileSync(path.join(folder, '_rays'), script('zsh'))
  /** A shell on a terminal of its own, which is given the line and a tab; what the line is then. */
  const zsh = (line: string) => {
    const call = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; zle -N shown; shown() { print -r -- "<<$BUFFER>>" }; bindkey "^X" shown; print rea""dy'
while zpty -r shell said; do case $said in *ready*) break ;; esac; done
zpty -w -n shell "$1"$'\\t\\x18'
while zpty -r shell said; do
  case $said in *'<<'*'>>'*) print -r -- "\${\${said#*<<}%%>>*}"; break ;; esac
done
zpty -d shell`
    const run = spawnSync('zsh', ['-fc', call, 'zsh', line], { encoding: 'utf8', env, cwd: folder, timeout: 60_000 })
    return run.stdout.trim()
  }
  expect(zsh('rays mig')).toBe('rays migrate')
  expect(zsh('rays migrate --pl')).toBe('rays migrate --plan')
  expect(zsh('rays up ad')).toBe('rays up add_lastname')
  expect(zsh('rays migrate --name=z')).toBe('rays migrate --name=zero')
  expect(zsh('rays --conf raysc')).toBe('rays --conf raysconfig.js')
})

test('a shell that has none is a mistake; what is asked while typing never is', () => {
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [RAYS, 'completion', ...words], { encoding: 'utf8', env, cwd: tmpdir() })
  expect(run('tcsh')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining('no completion for tcsh'),
  })
  expect(run('words', '--', 'up', '')).toMatchObject({ status: 0, stdout: '', stderr: '' })
  expect(run('words')).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(run('words', '--json', '--', 'knex', 'c').stdout)).toMatchObject({
    data: { candidates: [{ value: 'convert', purpose: '' }] },
  })
})
