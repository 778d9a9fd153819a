/** Migrations on a file system of their own: a volume of a container, a bind mount, with a project that is read-only. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { databases } from '../support/databases.js'
import { mount, noMount } from '../support/mounts.js'
import { prisma, prismaProject } from '../support/prisma.js'
import { type Workspace, workspace } from '../support/workspace.js'

const on = databases.find(({ provider }) => provider === 'sqlite')!
const user = (...fields: string[]) => `model User {\n  id Int @id\n${fields.map((field) => `  ${field}\n`).join('')}}\n`
/** A process that is no more. */
const GONE = 4_194_303

const describeMounts = noMount === undefined ? describe : describe.skip
describeMounts(`migrations on another file system${noMount === undefined ? '' : ` (skipped: ${noMount})`}`, () => {
  let ws: Workspace
  let unmount: (() => void)[]
  const at = (...parts: string[]) => path.join(ws.project.folder, 'prisma', ...parts)
  const mounted = (args: readonly string[], folder: string) => {
    const undo = mount(args, folder)
    if (undo === undefined) throw new Error(`mount ${args.join(' ')} ${folder} failed`)
    unmount.unshift(undo)
  }
  /** What rays prepared and did not take away, anywhere in the project. */
  const drafts = () =>
    (readdirSync(ws.project.folder, { recursive: true }) as string[]).filter(
      (name) => !name.startsWith('node_modules') && /(^|\/)rays-(new|squash|rebase)-|\.tmp/.test(name),
    )
  const kinds = {
    'a tmpfs': () => mounted(['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs'], at('migrations')),
    'a bind mount of the same file system': () => {
      mkdirSync(path.join(ws.project.folder, 'volume'))
      mounted(['--bind', path.join(ws.project.folder, 'volume')], at('migrations'))
    },
  }

  beforeEach(async () => {
    unmount = []
    ws = await workspace(on, { schema: user() })
  })
  afterEach(async () => {
    for (const undo of unmount) undo()
    await ws.drop()
  })

  for (const [kind, make] of Object.entries(kinds)) {
    test(`${kind}: migrations are made, squashed and ejected, and nothing is left beside them`, async () => {
      make()
      await ws.ok('makemigration --name one --no-verify')
      ws.project.schema(user('a Int?'))
      await ws.ok('makemigration --name two --no-verify')
      ws.project.schema(user('a Int?', 'b Int?'))
      await ws.ok('makemigration --name three --no-verify')
      const [one, two, three] = ws.folders()
      expect(readdirSync(at('migrations', two!)).sort()).toEqual([
        'README.md',
        'migration.js',
        'migration.schema.prisma',
        'migration.sql',
      ])
      await ws.ok(`squash ${one} ${two}`)
      expect(ws.folders()).toEqual([expect.stringMatching(/_two_squashed$/), three])
      expect(readdirSync(at('squashed-migrations')).sort()).toEqual([one, two])
      expect(readdirSync(at('squashed-migrations', one!)).sort()).toEqual(readdirSync(at('migrations', three!)).sort())
      await ws.ok('migrate --no-generate')
      expect(await ws.applied()).toEqual(['two_squashed', 'three'])
      await ws.ok('eject --no-verify --y')
      expect(ws.folders()).toHaveLength(2)
      for (const name of ws.folders()) expect(readdirSync(at('migrations', name))).toEqual(['migration.sql'])
      expect(existsSync(path.join(ws.project.folder, 'rays-ejected'))).toBe(true)
      expect(drafts()).toEqual([])
    })
  }

  test('two branches are brought into one line', async () => {
    kinds['a tmpfs']()
    await ws.ok('makemigration --name init --no-verify')
    const made = async (schema: string, name: string) => {
      ws.project.schema(schema)
      await ws.ok(`makemigration --name ${name} --no-verify`)
      const folder = ws.folder(name)
      cpSync(at('migrations', folder), path.join(ws.project.folder, 'saved', folder), { recursive: true })
      rmSync(at('migrations', folder), { recursive: true })
      return folder
    }
    // Both may get the same second; then their names decide.
    const mine = await made(user('mine Int?'), 'mine')
    const hand = await made(user('hand Int?'), 'mine_by_hand')
    const code = path.join(ws.project.folder, 'saved', hand, 'migration.js')
    writeFileSync(
      code,
      `${ws.read(`saved/${hand}/migration.js`)}\n// By hand.\nmodule.exports.push([async ({ client }) => client.query('SELECT 1'), null]);\n`,
    )
    const theirs = await made(user('theirs Int?'), 'theirs')
    for (const name of [mine, hand, theirs])
      cpSync(path.join(ws.project.folder, 'saved', name), at('migrations', name), { recursive: true })
    ws.project.schema(user('mine Int?', 'hand Int?', 'theirs Int?'))
    await ws.ok(`rebase --own ${mine} --own ${hand} --y --no-generate`)
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init', 'theirs', 'mine', 'mine_by_hand'])
    expect(readdirSync(at('rebased-migrations'))).toEqual([mine])
    expect(drafts()).toEqual([])
    await ws.ok('makemigration --check')
  })

  test('what Prisma made is adopted', async () => {
    kinds['a tmpfs']()
    await ws.ok('makemigration --name one --no-verify')
    const folder = ws.folder('one')
    for (const file of ['migration.js', 'README.md', 'migration.schema.prisma']) rmSync(at('migrations', folder, file))
    await ws.ok('adopt')
    expect(readdirSync(at('migrations', folder)).sort()).toEqual([
      'README.md',
      'migration.js',
      'migration.schema.prisma',
      'migration.sql',
    ])
    expect(drafts()).toEqual([])
  })

  test('a project that is read-only around it does not matter', async () => {
    mounted(['--bind', at()], at())
    mkdirSync(at('migrations'))
    kinds['a tmpfs']()
    if (mount(['-o', 'remount,ro,bind'], at()) === undefined) throw new Error('remount failed')
    await ws.ok('makemigration --name one --no-verify')
    await ws.ok('migrate --no-generate')
    expect(await ws.applied()).toEqual(['one'])
  })

  test('what a killed process left there is no migration to rays, none that Prisma runs, and goes with the next one', async () => {
    kinds['a tmpfs']()
    await prismaProject(ws.project.folder, ws.read('prisma/schema.prisma').replace(/ +url .*\n/, ''))
    const draft = `rays-new-${GONE}-0123456789ab`
    const leave = (...folder: string[]) => {
      mkdirSync(at('migrations', ...folder, draft, 'migration'), { recursive: true })
      writeFileSync(at('migrations', ...folder, draft, 'migration/migration.sql'), 'DROP TABLE "User";\n')
    }
    leave()
    await ws.ok('status')
    await ws.ok('makemigration --name one --no-verify')
    expect(ws.folders()).toHaveLength(1)
    leave(ws.folder('one'))
    await ws.ok('migrate --no-generate')
    const { code, stdout } = await prisma(ws.project.folder, ['migrate', 'status'], { url: ws.db.href })
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('up to date') })
    ws.project.schema(user('a Int?'))
    await ws.ok('makemigration --name two --no-verify')
    expect(drafts()).toEqual([])
  })
})
