/** What is written is on the disk before it has its name: the order in which files are brought there, and a Node without sync(). */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Compiled, compile } from '../../support/compiled.js'

let root: string
let rays: Compiled
beforeAll(() => {
  rays = compile()
})
afterAll(() => rays.remove())
beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'rays-files-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Runs code with every fsync and rename in `seen`, and with open files that, as in Yarn's Plug'n'Play, have no sync(). */
async function traced(code: string): Promise<string[]> {
  const run = await rays.script(
    `import fs from 'node:fs'
     import { syncBuiltinESMExports } from 'node:module'
     import path from 'node:path'
     const root = process.argv[2]
     const names = new Map()
     const seen = []
     const short = (file) => (path.relative(root, file) || '.').replace(/rays-new-[^/]*/, 'NEW').replace(/\\.[0-9a-f]{12}\\./, '.DRAFT.')
     const { open, rename } = fs.promises
     const { fsync } = fs
     const handle = await open(process.argv[1], 'r')
     const missing = () => { throw new Error('Method not implemented.') }
     Object.assign(Object.getPrototypeOf(handle), { sync: missing, datasync: missing, utimes: missing })
     await handle.close()
     fs.promises.open = async (file, ...rest) => {
       const opened = await open(file, ...rest)
       names.set(opened.fd, file)
       return opened
     }
     fs.promises.rename = async (from, to) => {
       seen.push('rename ' + short(from) + ' ' + short(to))
       await rename(from, to)
     }
     fs.fsync = (fd, done) => {
       seen.push('sync ' + short(names.get(fd)))
       if (fs.fails && fs.statSync(names.get(fd)).isDirectory()) return done(Object.assign(new Error('EINVAL'), { code: 'EINVAL' }))
       fsync(fd, done)
     }
     syncBuiltinESMExports()
     ${code}
     console.log(JSON.stringify(seen))`,
    [root],
  )
  expect(run.stderr).toBe('')
  return JSON.parse(run.stdout)
}

const MIGRATION = `{
  safeName: 'init', script: 'SELECT 1', code: 'x', codeExtension: 'js', readme: 'y', provider: 'sqlite', at: new Date(0),
  snapshot: { layout: 'folder', files: [{ path: 'a/b.prisma', content: 'z' }], insideSchemaFolder: false },
}`
const NAME = '19700101000000_init'

test('a migration: its files, its folders, its name, the folder that has it', async () => {
  const seen = await traced(
    `const { writeMigration } = await import('./src/migrations/directory.js')
     await writeMigration(path.join(root, 'prisma', 'migrations'), ${MIGRATION})`,
  )
  const named = seen.indexOf(`rename prisma/NEW/draft prisma/migrations/${NAME}`)
  expect(named).toBeGreaterThan(0)
  for (const part of [
    '',
    '/migration.sql',
    '/migration.js',
    '/README.md',
    '/migration.schema.prisma',
    '/migration.schema.prisma/a',
    '/migration.schema.prisma/a/b.prisma',
  ])
    expect(seen.slice(0, named)).toContain(`sync prisma/NEW/draft${part}`)
  // The folders themselves are new, too.
  expect(seen.slice(0, named)).toEqual(expect.arrayContaining(['sync .', 'sync prisma']))
  expect(seen[named + 1]).toBe('sync prisma/migrations')
  const lock = seen.findIndex((line) => line.endsWith(' prisma/migrations/migration_lock.toml'))
  expect(seen.slice(lock - 1, lock + 2)).toEqual([
    'sync prisma/migrations/.migration_lock.toml.DRAFT.tmp',
    'rename prisma/migrations/.migration_lock.toml.DRAFT.tmp prisma/migrations/migration_lock.toml',
    'sync prisma/migrations',
  ])
})

test('a file of the schema that is replaced, through the link that it is', async () => {
  mkdirSync(path.join(root, 'shared'))
  writeFileSync(path.join(root, 'shared', 'main.prisma'), 'old', { mode: 0o640 })
  chmodSync(path.join(root, 'shared', 'main.prisma'), 0o640)
  symlinkSync('shared/main.prisma', path.join(root, 'schema.prisma'))
  const seen = await traced(
    `const { writeSchema } = await import('./src/schema/prisma-schema.js')
     const file = (content) => ({ path: 'schema.prisma', content })
     await writeSchema({ path: path.join(root, 'schema.prisma'), layout: 'file', files: [file('old')], snapshots: [] }, { write: [file('new')], remove: [] })`,
  )
  expect(seen).toEqual([
    'sync shared/.main.prisma.DRAFT.tmp',
    'rename shared/.main.prisma.DRAFT.tmp shared/main.prisma',
    'sync shared',
  ])
  expect(readFileSync(path.join(root, 'schema.prisma'), 'utf8')).toBe('new')
  expect(statSync(path.join(root, 'shared', 'main.prisma')).mode & 0o777).toBe(0o640)
})

test('what is copied and moved', async () => {
  mkdirSync(path.join(root, 'migrations', 'a'), { recursive: true })
  mkdirSync(path.join(root, 'aside'))
  writeFileSync(path.join(root, 'migrations', 'a', 'migration.sql'), '')
  const seen = await traced(
    `const { copyWhole, moveWhole } = await import('./src/migrations/drafts.js')
     await copyWhole(path.join(root, 'migrations', 'a'), path.join(root, 'migrations', 'b'))
     await moveWhole(path.join(root, 'migrations', 'a'), path.join(root, 'aside', 'a'))`,
  )
  expect(seen).toEqual([
    'sync NEW/draft/migration.sql',
    'sync NEW/draft',
    'rename NEW/draft migrations/b',
    'sync migrations',
    'sync NEW',
    'rename migrations/a aside/a',
    'sync aside',
    'sync migrations',
  ])
})

test('a system that does not bring folders to the disk is no obstacle', async () => {
  await traced(
    `fs.fails = true
     const { writeMigration } = await import('./src/migrations/directory.js')
     await writeMigration(path.join(root, 'migrations'), ${MIGRATION})`,
  )
  expect(readdirSync(path.join(root, 'migrations')).sort()).toEqual([NAME, 'migration_lock.toml'])
})

const asRoot = process.getuid?.() === 0 ? test : test.skip
asRoot('a file that root replaces stays its owner’s', async () => {
  const file = path.join(root, 'schema.prisma')
  await traced(
    `const { replaceFile } = await import('./src/files.js')
     fs.writeFileSync(path.join(root, 'schema.prisma'), 'old')
     fs.chownSync(path.join(root, 'schema.prisma'), 65534, 65534)
     await replaceFile(path.join(root, 'schema.prisma'), 'new')`,
  )
  expect([readFileSync(file, 'utf8'), statSync(file).uid, statSync(file).gid]).toEqual(['new', 65534, 65534])
})
