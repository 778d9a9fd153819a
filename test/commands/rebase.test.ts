/** Two branches made migrations from the same snapshot. */
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, dumpSchema } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const user = (...fields: string[]) => `model User {\n  id Int @id\n${fields.map((field) => `  ${field}\n`).join('')}}\n`
const POST = '\nmodel Post {\n  id Int @id\n}\n'

describeDatabases('two branches', (on) => {
  let ws: Workspace
  const migrations = () => path.join(ws.project.folder, 'prisma/migrations')

  /** Makes a migration as on a branch of its own: from the base, with only its own folder beside those of the base. */
  const branch = async (schema: string, name: string, apply: boolean): Promise<() => void> => {
    ws.project.schema(schema)
    await ws.given(`makemigration --name ${name}`)
    if (apply) await ws.ok('migrate --no-generate')
    const folder = ws.folder(name)
    const saved = path.join(ws.project.folder, 'saved', folder)
    cpSync(path.join(migrations(), folder), saved, { recursive: true })
    rmSync(path.join(migrations(), folder), { recursive: true })
    return () => cpSync(saved, path.join(migrations(), folder), { recursive: true })
  }

  beforeEach(async () => {
    ws = await workspace(on, { schema: user() })
    await ws.given('makemigration --name init')
    await ws.ok('migrate --no-generate')
    await ws.sql('INSERT INTO "User" ("id") VALUES (1)')
  })
  afterEach(() => ws.drop())

  test('are found from the snapshots, in CI too, and explained with both names and what both touch', async () => {
    const merge = [await branch(user('name String?'), 'mine', false), await branch(user('name Int?'), 'theirs', false)]
    for (const add of merge) add()
    ws.project.schema(user('name String?'))
    const { stderr } = await ws.fails(1, 'makemigration --check', { env: { CI: '1' } })
    for (const word of [ws.folder('mine'), ws.folder('theirs'), ws.folder('init'), 'User.name', 'rays rebase'])
      expect(stderr).toContain(word)
    await ws.fails(1, 'makemigration --name more')
  })

  test('are brought into one line: own ones undone, made anew after the others, proven and applied again', async () => {
    const mine = await branch(user('mine Int?'), 'mine', true)
    const theirs = await branch(user('theirs Int?') + POST, 'theirs', false)
    mine()
    theirs()
    ws.project.schema(user('mine Int?', 'theirs Int?') + POST)
    const { data } = (await ws.ok('rebase --y --no-generate --json')).json<{
      data: { rebased: { made: string }[]; overlap: string[] }
    }>()
    expect(data.rebased.map(({ made }) => made)).toEqual(['anew'])
    expect(data.overlap).toEqual(['User'])
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init', 'theirs', 'mine'])
    expect(await ws.applied()).toEqual(['init', 'theirs', 'mine'])
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, mine: null, theirs: null }])
    await ws.ok('makemigration --check')
    await ws.ok('status --check --strict')
    await ws.ok('migrate --name init --y --no-generate')
    expect(await ws.tables()).toEqual(['User'])
  })

  test('where one cannot be made anew, every folder is as it was, with the code that somebody wrote', async () => {
    ws.project.schema(user('mine Int?'))
    await ws.given('makemigration --name code')
    ws.project.write({
      [`prisma/migrations/${ws.folder('code')}/migration.js`]: `${ws.migration('code')}\n// Written by hand.\nmodule.exports.push([async ({ client }) => client.query('SELECT 1'), null]);\n`,
    })
    // No proof: what the database refuses is found when it is made anew.
    ws.project.schema(user('mine Int?', 'bad Int @default(dbgenerated("nosuch()"))'))
    await ws.given('makemigration --name bad')
    const own = ['code', 'bad'].map((name) => ws.folder(name))
    const saved = path.join(ws.project.folder, 'saved')
    for (const name of own) {
      cpSync(path.join(migrations(), name), path.join(saved, name), { recursive: true })
      rmSync(path.join(migrations(), name), { recursive: true })
    }
    const theirs = await branch(user() + POST, 'theirs', false)
    theirs()
    for (const name of own) cpSync(path.join(saved, name), path.join(migrations(), name), { recursive: true })
    ws.project.schema(user('mine Int?', 'bad Int @default(dbgenerated("nosuch()"))') + POST)
    const before = ws.snapshot()
    const { stderr } = await ws.fails(1, `rebase --own ${own[0]} --own ${own[1]} --y --no-generate`)
    expect(stderr).toContain('proof')
    expect(ws.snapshot()).toEqual(before)
  })

  test('a schema that was not merged yet is merged on the way', async () => {
    const mine = await branch(user('mine Int?'), 'mine', true)
    const theirs = await branch(user('theirs Int?') + POST, 'theirs', false)
    mine()
    theirs()
    ws.project.schema(user('mine Int?'))
    await ws.ok('rebase --y --no-generate')
    const schema = ws.read('prisma/schema.prisma')
    for (const word of ['mine', 'theirs', 'model Post']) expect(schema).toContain(word)
    await ws.ok('status --check')
  })

  test('code of one’s own is moved as it is, with the snapshot that it leads to now', async () => {
    ws.project.schema(user('mine Int?'))
    await ws.given('makemigration --name mine')
    const folder = ws.folder('mine')
    const file = `prisma/migrations/${folder}/migration.js`
    const table = on.provider === 'mysql' ? '`User`' : '"User"'
    ws.project.write({
      [file]: ws
        .read(file)
        .replace(
          /module\.exports = \[/,
          `$&[({ client }) => client.execute('UPDATE ${table} SET id = id + :?', [0]), async () => {}], `,
        ),
    })
    await ws.ok('migrate --no-generate')
    const saved = path.join(ws.project.folder, 'saved', folder)
    cpSync(path.join(migrations(), folder), saved, { recursive: true })
    rmSync(path.join(migrations(), folder), { recursive: true })
    const theirs = await branch(user() + POST, 'theirs', false)
    cpSync(saved, path.join(migrations(), folder), { recursive: true })
    theirs()
    ws.project.schema(user('mine Int?') + POST)
    expect((await ws.ok('rebase --y --no-generate')).stdout).toContain('moved as it was')
    expect(await ws.applied()).toEqual(['init', 'theirs', 'mine'])
    expect(ws.migration('mine')).toContain('id + :?')
    await ws.ok('status --check')
  })

  test('without a database that tells, one’s own are named; then the folders alone are put right', async () => {
    const mine = await branch(user('mine Int?'), 'mine', false)
    const theirs = await branch(user('theirs Int?'), 'theirs', false)
    mine()
    theirs()
    ws.project.schema(user('mine Int?', 'theirs Int?'))
    const before = ws.snapshot()
    expect((await ws.fails(2, 'rebase')).stderr).toContain('--own')
    expect(ws.snapshot()).toEqual(before)
    await ws.ok('rebase --own mine')
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init', 'theirs', 'mine'])
    expect(await ws.applied()).toEqual(['init'])
    await ws.ok('migrate --no-generate')
    await ws.ok('status --check')
  })

  test('work of one’s own beside what rays wrote is moved with it: statements, hooks, notes', async () => {
    ws.project.schema(user('mine Int?'))
    await ws.given('makemigration --name mine')
    const at = `prisma/migrations/${ws.folder('mine')}`
    const [index, back] =
      on.provider === 'mysql'
        ? ['CREATE TRIGGER by_hand BEFORE INSERT ON `User` FOR EACH ROW SET NEW.mine = 1', 'DROP TRIGGER by_hand']
        : ['CREATE INDEX by_hand ON "User"(mine) WHERE mine > 0', 'DROP INDEX by_hand']
    ws.project.write({
      [`${at}/migration.sql`]: `${ws.read(`${at}/migration.sql`)}\n${index};\n`,
      [`${at}/migration.js`]: `${ws.read(`${at}/migration.js`)}\nmodule.exports.push([({ client }) => client.execute(${JSON.stringify(index)}), ({ client }) => client.execute('${back}')]);\n`,
    })
    await ws.ok('migrate --no-generate')
    ws.project.schema(user('mine Int?', 'noted Int?'))
    await ws.given('makemigration --name noted')
    const noted = `prisma/migrations/${ws.folder('noted')}`
    ws.project.write({ [`${noted}/after.js`]: '// after\n', [`${noted}/NOTES.md`]: 'Why.\n' })
    await ws.ok('migrate --no-generate')
    const names = ['mine', 'noted'].map((name) => ws.folder(name))
    for (const name of names) {
      cpSync(path.join(migrations(), name), path.join(ws.project.folder, 'saved', name), { recursive: true })
      rmSync(path.join(migrations(), name), { recursive: true })
    }
    const theirs = await branch(user('theirs Int?') + POST, 'theirs', false)
    theirs()
    for (const name of names)
      cpSync(path.join(ws.project.folder, 'saved', name), path.join(migrations(), name), { recursive: true })
    ws.project.schema(user('mine Int?', 'noted Int?', 'theirs Int?') + POST)
    const { data } = (await ws.ok('rebase --y --no-generate --json')).json<{ data: { rebased: { made: string }[] } }>()
    expect(data.rebased.map(({ made }) => made)).toEqual(['moved', 'moved'])
    expect(ws.folders().map((name) => name.slice(15))).toEqual(['init', 'theirs', 'mine', 'noted'])
    expect(ws.migration('mine')).toContain('by_hand')
    expect(ws.migration('noted', 'NOTES.md')).toBe('Why.\n')
    expect(ws.migration('noted', 'after.js')).toBe('// after\n')
    expect(await dumpSchema(ws.db)).toContain('by_hand')
    await ws.ok('status --check')
  })

  test('what is made anew is kept as it was beside the migrations, with the comments in it', async () => {
    const mine = await branch(user('mine Int?'), 'mine', true)
    const theirs = await branch(user('theirs Int?'), 'theirs', false)
    mine()
    theirs()
    const folder = ws.folder('mine')
    ws.project.write({ [`prisma/migrations/${folder}/README.md`]: 'Mine.\n' })
    ws.project.schema(user('mine Int?', 'theirs Int?'))
    await ws.ok('rebase --y --no-generate')
    expect(ws.read(`prisma/rebased-migrations/${folder}/README.md`)).toBe('Mine.\n')
  })

  test('is refused before anything is undone, where work of one’s own is in a table built anew that the others changed', async () => {
    if (on.provider !== 'sqlite') return // Elsewhere no table is built anew.
    ws.project.schema(user('old Int?'))
    await ws.given('makemigration --name old')
    await ws.ok('migrate --no-generate')
    ws.project.schema(user('need Int @default(1)'))
    await ws.given('makemigration --name mine')
    const at = `prisma/migrations/${ws.folder('mine')}`
    ws.project.write({
      [`${at}/migration.js`]: `${ws.migration('mine')}\nmodule.exports.push([({ client }) => client.execute('UPDATE "User" SET "need" = 2'), async () => {}]);\n`,
    })
    await ws.ok('migrate --no-generate')
    const saved = path.join(ws.project.folder, 'saved')
    cpSync(path.join(ws.project.folder, at), saved, { recursive: true })
    rmSync(path.join(ws.project.folder, at), { recursive: true })
    const theirs = await branch(user('old Int?', 'theirs Int?'), 'theirs', false)
    theirs()
    cpSync(saved, path.join(ws.project.folder, at), { recursive: true })
    ws.project.schema(user('need Int @default(1)', 'theirs Int?'))
    const before = ws.snapshot()
    const { stderr } = await ws.fails(1, 'rebase --y --no-generate')
    expect(stderr).toContain('builds the table User anew')
    expect(ws.snapshot()).toEqual(before)
    expect(await ws.applied()).toEqual(['init', 'old', 'mine'])
  })

  test('code in Knex’s form is moved; one that runs a file of Knex’s own is refused before anything is undone', async () => {
    const mine = await branch(user('mine Int?'), 'mine', true)
    mine()
    const folder = ws.folder('mine')
    const at = `prisma/migrations/${folder}`
    rmSync(path.join(migrations(), folder, 'migration.js'))
    const code = `export const up = (knex) => knex.schema.alterTable('User', (table) => table.integer('mine'))
export const down = (knex) => knex.schema.alterTable('User', (table) => table.dropColumn('mine'))
`
    ws.project.write({
      [`migrations/${folder}.mjs`]: code,
      [`${at}/migration.mjs`]: `export { up, down } from '../../../migrations/${folder}.mjs'\n`,
    })
    const again = path.join(ws.project.folder, 'saved', 'again')
    cpSync(path.join(migrations(), folder), again, { recursive: true })
    rmSync(path.join(migrations(), folder), { recursive: true })
    const theirs = await branch(user() + POST, 'theirs', false)
    theirs()
    cpSync(again, path.join(migrations(), folder), { recursive: true })
    ws.project.schema(user('mine Int?') + POST)
    const before = ws.snapshot()
    const { stderr } = await ws.fails(1, 'rebase --y --no-generate')
    expect(stderr).toContain(`migrations/${folder}.mjs`)
    expect(ws.snapshot()).toEqual(before)
    expect(await ws.applied()).toEqual(['init', 'mine'])
    ws.project.write({ [`${at}/migration.mjs`]: code })
    await ws.ok('rebase --y --no-generate')
    expect(ws.migration('mine', 'migration.mjs')).toBe(code)
    expect(await ws.applied()).toEqual(['init', 'theirs', 'mine'])
    await ws.ok('status --check')
  })

  test('migrations that undo one another are no branches', async () => {
    ws.project.schema(user('a Int?'))
    await ws.given('makemigration --name add')
    ws.project.schema(user('b Int?'))
    await ws.given('makemigration --name other')
    await ws.ok('makemigration --check')
    expect((await ws.ok('rebase')).stdout).toContain('Nothing to rebase')
  })

  test('a migration that renames everything before it is none, whether its code tells what it follows or not', async () => {
    ws.project.schema(user().replace('User', 'Person'))
    await ws.ok('makemigration --name renamed --rename User:Person --no-verify')
    expect(ws.migration('renamed')).toContain(`// Follows ${ws.folder('init')}.`)
    ws.project.schema(user('age Int?').replace('User', 'Person'))
    await ws.ok('makemigration --name aged --no-verify')
    const file = path.join(migrations(), ws.folder('renamed'), 'migration.js')
    writeFileSync(file, ws.migration('renamed').replace(/^\/\/ Follows .*\n/m, ''))
    ws.project.schema(user('age Int?', 'size Int?').replace('User', 'Person'))
    await ws.ok('makemigration --name sized --no-verify')
    await ws.ok('migrate --no-generate')
    await ws.ok('status --check')
  })

  test('are not applied one over the other: what the first added would be lost where a table is built anew', async () => {
    const mine = await branch(user('nick String?'), 'mine', true)
    const theirs = await branch(user('code String @default("z")'), 'theirs', false)
    await ws.sql(`UPDATE "User" SET "nick" = 'kept'`)
    mine()
    theirs()
    ws.project.schema(
      `<<<<<<< HEAD\n${user('nick String?')}=======\n${user('code String @default("z")')}>>>>>>> theirs\n`,
    )
    const check = await ws.fails(1, 'makemigration --check')
    expect(check.stderr).toContain('were made on two branches')
    const { stderr } = await ws.fails(1, 'migrate')
    for (const word of [ws.folder('mine'), ws.folder('theirs'), 'rays rebase', '--allow-out-of-order'])
      expect(stderr).toContain(word)
    expect(await ws.sql('SELECT "nick" FROM "User"')).toEqual([{ nick: 'kept' }])
    ws.project.schema(user('nick String?', 'code String @default("z")'))
    await ws.ok('rebase --y --no-generate')
    await ws.ok('status --check')
  })

  test('a rename of one’s own stays a rename, and its values stay', async () => {
    ws.project.schema(user('name String?'))
    await ws.ok('makemigration --name named --no-verify')
    await ws.ok('migrate --no-generate')
    await ws.sql(`UPDATE "User" SET "name" = 'Ada'`)
    ws.project.schema(user('title String?'))
    await ws.ok('makemigration --name mine --rename User.name:title --no-verify')
    await ws.ok('migrate --no-generate')
    const folder = ws.folder('mine')
    const saved = path.join(ws.project.folder, 'saved', folder)
    cpSync(path.join(migrations(), folder), saved, { recursive: true })
    rmSync(path.join(migrations(), folder), { recursive: true })
    const theirs = await branch(user('name String?', 'theirs Int @default(1)'), 'theirs', false)
    cpSync(saved, path.join(migrations(), folder), { recursive: true })
    theirs()
    ws.project.schema(user('title String?', 'theirs Int @default(1)'))
    await ws.ok('rebase --y --no-generate')
    expect(ws.migration('mine', 'migration.sql')).toContain('RENAME COLUMN')
    expect(await ws.sql('SELECT "title" FROM "User"')).toEqual([{ title: 'Ada' }])
    await ws.ok('status --check')
  })
})
