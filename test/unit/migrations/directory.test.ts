import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promises as fs } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { FailedError, MigrationInvalidError, UsageError } from '../../../src/errors.js'
import { replaceFile } from '../../../src/files.js'
import {
  checksum,
  checksumMatches,
  listMigrations,
  type NewMigration,
  nextTimestamp,
  readLockProvider,
  readScript,
  readSnapshot,
  safeName,
  writeMigration,
} from '../../../src/migrations/directory.js'

let project: string
let root: string
beforeEach(async () => {
  project = await fs.mkdtemp(path.join(tmpdir(), 'rays-directory-'))
  root = path.join(project, 'migrations')
  await fs.mkdir(root)
})
afterEach(() => fs.rm(project, { recursive: true, force: true }))

async function write(files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name)
    await fs.mkdir(path.dirname(file), { recursive: true })
    await fs.writeFile(file, content)
  }
}

const failure = async (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error as UsageError,
  )

const fresh = (change: Partial<NewMigration> = {}): NewMigration => ({
  safeName: 'add_users',
  script: 'CREATE TABLE "a" ();\n',
  code: 'module.exports = []\n',
  codeExtension: 'js',
  readme: '# add_users\n',
  snapshot: { layout: 'file', files: [{ path: 'schema.prisma', content: 'model A {}\n' }], insideSchemaFolder: false },
  provider: 'postgresql',
  at: new Date('2026-11-20T13:05:01Z'),
  ...change,
})

describe('listing the migrations', () => {
  test('a folder that does not exist yet has none', async () => {
    expect(await listMigrations(path.join(root, 'missing'))).toEqual([])
  })

  test('every folder is one, in byte order; files beside them are not', async () => {
    await write({
      '20260102000000_b/migration.sql': '',
      '20260101000000_a/migration.js': '',
      '20260101000000_a/migration.sql': '',
      '0_init/migration.sql': '',
      'Z/migration.sql': '',
      'migration_lock.toml': '',
      'README.md': '',
    })
    const all = await listMigrations(root)
    expect(all.map((m) => m.name)).toEqual(['0_init', '20260101000000_a', '20260102000000_b', 'Z'])
    expect(all[1]).toEqual({
      name: '20260101000000_a',
      directory: path.join(root, '20260101000000_a'),
      timestamp: '20260101000000',
      codeFile: path.join(root, '20260101000000_a', 'migration.js'),
      sqlFile: path.join(root, '20260101000000_a', 'migration.sql'),
      snapshotPath: undefined,
      hookFiles: [],
    })
    expect(all[0]).toMatchObject({ timestamp: undefined, codeFile: undefined })
  })

  test.each(['js', 'cjs', 'mjs', 'ts', 'cts', 'mts'])('migration.%s is the code of a migration', async (extension) => {
    await write({ [`1_a/migration.${extension}`]: '' })
    expect((await listMigrations(root))[0]!.codeFile).toBe(path.join(root, '1_a', `migration.${extension}`))
  })

  test('names with any characters are names', async () => {
    const names = ['1_héllo wörld', "2_it's", '3_🎉', '4_$(touch x)']
    for (const name of names) await write({ [`${name}/migration.sql`]: 'SELECT 1' })
    expect((await listMigrations(root)).map((m) => m.name)).toEqual(names)
  })

  test('whatever cannot be a migration is named, all of it at once, exit 2', async () => {
    await write({
      '.git/HEAD': '',
      '1_ok/migration.sql': '',
      '2_two/migration.js': '',
      '2_two/migration.mjs': '',
      '3_dir/migration.js/index.js': '',
      '4_sql/migration.sql/x': '',
      'elsewhere.txt': '',
    })
    await fs.mkdir(path.join(project, 'outside'))
    await fs.symlink(path.join(project, 'outside'), path.join(root, '5_link'))
    const error = await failure(listMigrations(root))
    expect(error).toBeInstanceOf(MigrationInvalidError)
    expect(error.exitCode).toBe(2)
    expect(error.message).toContain(`${path.join(root, '.git')} has neither migration.js nor migration.sql`)
    expect(error.message).toContain('more than one code file: migration.js, migration.mjs')
    expect(error.message).toContain(`${path.join(root, '3_dir', 'migration.js')} is not a file`)
    expect(error.message).toContain(`${path.join(root, '4_sql', 'migration.sql')} is not a file`)
    expect(error.message).toContain(`${path.join(root, '5_link')} is a symbolic link`)
    expect(error.message).not.toContain('1_ok')
    expect(error.message).not.toContain('elsewhere.txt')
  })

  test('links to files and links to nothing are left alone, as Prisma leaves them', async () => {
    await write({ '1_a/migration.sql': '' })
    await fs.symlink(path.join(root, '1_a', 'migration.sql'), path.join(root, 'link.sql'))
    await fs.symlink(path.join(root, 'nowhere'), path.join(root, 'dangling'))
    expect((await listMigrations(root)).map((m) => m.name)).toEqual(['1_a'])
  })

  test('a code file that is a link is refused: its content is not what version control shows', async () => {
    await write({ '1_a/migration.sql': '' })
    await fs.writeFile(path.join(project, 'evil.js'), '')
    await fs.symlink(path.join(project, 'evil.js'), path.join(root, '1_a', 'migration.js'))
    expect((await failure(listMigrations(root))).message).toContain('is not a file')
  })

  const READ = [
    'migration.sql',
    'migration.js',
    'migration.mts',
    'migration.schema.prisma',
    'migration.schema.prisma.txt',
    'replaces.txt',
    'before',
    'after.sql',
    'before.down.sql',
    'after.mjs',
  ]
  const OTHERS: [string, (file: string) => Promise<unknown>][] = [
    ['a link to a file', (file) => fs.symlink(path.join(project, 'outside'), file)],
    ['a link to nothing', (file) => fs.symlink(path.join(project, 'nowhere'), file)],
    ['a link to a file in the same folder', (file) => fs.symlink('README.md', file)],
    ['a link to a folder', (file) => fs.symlink(project, file)],
    ['a pipe', async (file) => execFileSync('mkfifo', [file])],
    ['a folder', (file) => fs.mkdir(file)],
  ]
  test.each(READ.flatMap((name) => OTHERS.map((other) => [name, ...other] as const)))(
    'what rays reads or runs is a file: %s that is %s is refused by its path',
    async (name, kind, make) => {
      if (kind === 'a folder' && name.startsWith('migration.schema.prisma')) return
      await fs.writeFile(path.join(project, 'outside'), 'SELECT 1;')
      await write({ '1_a/README.md': '', ...(name !== 'migration.sql' && { '1_a/migration.sql': '' }) })
      const file = path.join(root, '1_a', name)
      await make(file)
      const error = await failure(listMigrations(root))
      expect(error).toBeInstanceOf(MigrationInvalidError)
      expect(error.message).toContain(`${file} is not a file`)
      if (kind.startsWith('a link')) expect(error.message).toContain('symbolic link')
    },
  )

  test.each([
    ['a file', (link: string) => fs.symlink(path.join(project, 'outside'), link)],
    ['a folder', (link: string) => fs.symlink(project, link)],
    ['nothing', (link: string) => fs.symlink('nowhere', link)],
  ])('no link is followed inside of a snapshot that is a folder: to %s', async (_, make) => {
    await fs.writeFile(path.join(project, 'outside'), 'model A {}')
    await write({ '1_a/migration.sql': '', '1_a/migration.schema.prisma/deep/a.prisma': '' })
    const link = path.join(root, '1_a', 'migration.schema.prisma', 'deep', 'b.prisma')
    await make(link)
    expect((await failure(listMigrations(root))).message).toContain(`${link} is not a file but a symbolic link`)
  })

  test('a link that leads nowhere and is called like a migration is refused', async () => {
    await fs.symlink('nowhere', path.join(root, '20260101000000_a'))
    expect((await failure(listMigrations(root))).message).toContain('20260101000000_a is a symbolic link')
  })

  test('links and folders that rays does not read are left alone', async () => {
    await write({ '1_a/migration.sql': '', '1_a/data/x': '' })
    await fs.symlink('data', path.join(root, '1_a', 'more'))
    await fs.symlink('nowhere', path.join(root, '1_a', 'data.csv'))
    expect((await listMigrations(root)).map(({ name }) => name)).toEqual(['1_a'])
  })

  test.each(['Migration.sql', 'migration.JS', 'MIGRATION.ts', 'Migration.schema.prisma', 'Replaces.txt'])(
    'a name in another case is told: %s',
    async (name) => {
      await write({ '1_a/migration.sql': '', [`1_a/${name}`]: '' })
      const error = await failure(listMigrations(root))
      expect(error.message).toContain(`${path.join(root, '1_a', name)} is not read: it must be called`)
    },
  )

  test('a folder whose name is not UTF-8 is named by its bytes', async () => {
    await fs.mkdir(Buffer.concat([Buffer.from(`${root}/20260101000000_caf`), Buffer.from([0xe9])]))
    const error = await failure(listMigrations(root))
    expect(error.exitCode).toBe(2)
    expect(error.message).toContain('not valid UTF-8 (20260101000000_caf\\xE9)')
  })

  test('so is a file of that kind in a snapshot', async () => {
    await write({ '1_a/migration.sql': '', '1_a/migration.schema.prisma/a.prisma': '' })
    const folder = path.join(root, '1_a', 'migration.schema.prisma')
    await fs.writeFile(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from('.prisma')]), '')
    expect((await failure(listMigrations(root))).message).toContain('(caf\\xE9.prisma)')
  })

  test('a file in place of the folder is an error with its path, not an empty list', async () => {
    const file = path.join(project, 'file')
    await fs.writeFile(file, '')
    const error = await failure(listMigrations(file))
    expect(error.exitCode).toBe(2)
    expect(error.message).toContain(file)
  })
})

describe('reading a script', () => {
  const read = async (bytes: Buffer | string) => {
    await write({ '1_a/migration.sql': bytes })
    return readScript((await listMigrations(root))[0]!)
  }

  test.each([
    ['a byte order mark', '\ufeffSELECT 1;'],
    ['emoji and right-to-left text', "SELECT '🎉', 'שלום', '\u202e';"],
    ['a NUL', 'SELECT 1;\0'],
    ['both kinds of line ends', 'SELECT 1;\r\nSELECT 2;\n'],
  ])('keeps %s', async (_, text) => {
    expect(await read(text)).toBe(text)
  })

  test.each([
    ['0xFF', Buffer.from([0x53, 0x45, 0xff, 0x4c]), 2],
    ['Latin-1', Buffer.from("SELECT 'é';", 'latin1'), 9],
    ['a character that is cut off at the end', Buffer.from([0x61, 0xe2, 0x82]), 1],
    ['0xFF as the last byte', Buffer.from([0x61, 0x62, 0xff]), 2],
  ])('refuses bytes that are not UTF-8 and says which: %s', async (_, bytes, offset) => {
    const error = await failure(read(bytes))
    expect(error).toBeInstanceOf(MigrationInvalidError)
    expect(error.message).toContain(path.join('1_a', 'migration.sql'))
    expect(error.message).toContain(`byte ${offset} in line 1 `)
  })

  test('names the line, too', async () => {
    expect((await failure(read(Buffer.from("SELECT 1;\r\n\nSELECT 'é';", 'latin1')))).message).toContain('in line 3 ')
  })

  const utf16 = Buffer.from('\ufeffSELECT 1 AS one;\n', 'utf16le')
  test.each([
    ['with a mark', utf16],
    ['with a mark, the other way round', Buffer.from(utf16).swap16()],
    ['without a mark', utf16.subarray(2)],
    ['without a mark, the other way round', Buffer.from(utf16.subarray(2)).swap16()],
  ])('names UTF-16 for what it is: %s', async (_, bytes) => {
    expect((await failure(read(bytes))).message).toContain('it is saved as UTF-16')
  })

  test('finds a wrong byte in a large file', async () => {
    const bytes = Buffer.alloc(3_000_000, 'é')
    bytes[2_000_000] = 0xff
    expect((await failure(read(bytes))).message).toContain('byte 2000000 ')
  })

  test('a migration without migration.sql is an error that names the folder', async () => {
    await write({ '1_a/migration.js': '' })
    const error = await failure(readScript((await listMigrations(root))[0]!))
    expect(error.exitCode).toBe(2)
    expect(error.message).toContain(path.join(root, '1_a'))
  })
})

describe('the checksum of a script', () => {
  const sha = (text: string) => createHash('sha256').update(Buffer.from(text)).digest('hex')

  test('is sha256 of its bytes, as Prisma records it', () => {
    expect(checksum('-- This is an empty migration.')).toBe(sha('-- This is an empty migration.'))
    expect(checksum('\ufeffé')).toBe(
      createHash('sha256')
        .update(Buffer.from([0xef, 0xbb, 0xbf, 0xc3, 0xa9]))
        .digest('hex'),
    )
    expect(checksum('')).toMatch(/^e3b0c442[0-9a-f]{56}$/)
  })

  test.each([
    ['as it is', 'a\nb\n', 'a\nb\n', true],
    ['recorded with CRLF, checked out with LF', 'a\r\nb\r\n', 'a\nb\n', true],
    ['recorded with LF, checked out with CRLF', 'a\nb\n', 'a\r\nb\r\n', true],
    ['recorded with LF, checked out mixed', 'a\nb\n', 'a\r\nb\n', true],
    ['another text', 'a\nb\n', 'a\nc\n', false],
    ['white space at the end', 'a\n', 'a\n ', false],
    ['empty', 'a', '', false],
  ])('matches whatever line ends git made of it: %s', (_, recorded, present, expected) => {
    expect(checksumMatches(sha(recorded), present)).toBe(expected)
  })

  test('matches what old versions of Prisma recorded, without leading zeros', () => {
    const old = (text: string) =>
      [...createHash('sha256').update(text).digest()].map((byte) => byte.toString(16)).join('')
    const text = ['SELECT 1', 'SELECT 2', 'SELECT 3', 'SELECT 4'].find((candidate) => old(candidate).length < 64)!
    expect(old(text).length).toBeLessThan(64)
    expect(checksumMatches(old(text), text)).toBe(true)
    expect(checksumMatches(old(text), `${text} `)).toBe(false)
  })

  test('an empty record matches nothing', () => {
    expect(checksumMatches('', '')).toBe(false)
  })
})

describe('the timestamp of a new migration', () => {
  const now = new Date('2026-11-20T13:05:01.999Z')
  test.each<[string, string | undefined, string]>([
    ['the first: now, in UTC', undefined, '20261120130501'],
    ['after older ones: now', '20260101000000', '20261120130501'],
    ['in the same second: one second later', '20261120130501', '20261120130502'],
    ['the clock was set back: one second after the newest', '20270101000000', '20270101000001'],
    ['over the end of a year', '20271231235959', '20280101000000'],
    ['over a leap day', '20280228235959', '20280229000000'],
    ['a folder that counts from zero', '00000000000000', '20261120130501'],
    ['a folder with a number that is no date', '20269999999999', '20340611044040'],
    ['a number beyond all dates', '99999999999998', '99999999999999'],
  ])('%s', (_, newest, expected) => {
    const stamp = nextTimestamp(now, newest)
    expect(stamp).toMatch(/^\d{14}$/)
    if (newest !== undefined) expect(stamp > newest).toBe(true)
    expect(stamp).toBe(expected)
  })

  test('there is none after the greatest number: a person must rename that folder', () => {
    expect(() => nextTimestamp(now, '99999999999999')).toThrow(UsageError)
  })

  test('does not depend on the time zone of the machine', () => {
    const zone = process.env.TZ
    try {
      process.env.TZ = 'Pacific/Kiritimati'
      expect(nextTimestamp(now, undefined)).toBe('20261120130501')
    } finally {
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    }
  })
})

describe('a name made safe, as Prisma does it', () => {
  test.each([
    ['Add Lastname', 'add_lastname'],
    ['addLastname', 'add_lastname'],
    ['add_lastname', 'add_lastname'],
    ['add-last.name', 'add_last_name'],
    ['  spaces  ', 'spaces'],
    ['Straße', 'strasse'],
    ['HTTPServer2', 'http_server2'],
    ['a & b', 'a_and_b'],
    ['Ünïcödé ♥ unicorn', 'uenicoede_love_unicorn'],
  ])('%j -> %j', async (given, safe) => {
    expect(await safeName(given)).toBe(safe)
  })

  test.each([
    '../../x',
    'a/b',
    'a\\b',
    '-rf',
    'a;DROP TABLE a',
    '$(touch x)',
    '`touch x`',
    'con',
    '%00',
    '%2e%2e%2f',
    'x'.repeat(300),
    '\u202egnp.exe',
    'a%00b',
    'C:\\x',
    'file:///etc/passwd',
    'schema.prisma',
  ])('is one harmless path segment: %j', async (given) => {
    const safe = await safeName(given)
    expect(safe).toMatch(/^[a-z0-9_]{1,200}$/)
    expect(path.basename(safe)).toBe(safe)
  })

  test.each(['', '.', '..', '   ', '---', '/', '🎉', 'a\nb', 'a\u0000b', '\u001b[31m', 'a\r', '\t'])(
    'is refused where nothing is left or it would garble a terminal: %j',
    async (given) => {
      const error = await failure(safeName(given))
      expect(error).toBeInstanceOf(UsageError)
      expect(error.exitCode).toBe(2)
      expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
    },
  )
})

describe('writing a migration', () => {
  test('all files are there, byte for byte', async () => {
    const { name, directory } = await writeMigration(root, fresh())
    expect(name).toBe('20261120130501_add_users')
    expect(directory).toBe(path.join(root, name))
    expect((await fs.readdir(directory)).sort()).toEqual(
      ['README.md', 'migration.js', 'migration.schema.prisma', 'migration.sql'].sort(),
    )
    const [written] = await listMigrations(root)
    expect(await readScript(written!)).toBe('CREATE TABLE "a" ();\n')
    expect(await readSnapshot(written!)).toEqual([{ path: 'schema.prisma', content: 'model A {}\n' }])
    expect(await readLockProvider(root)).toBe('postgresql')
    expect(await fs.readdir(project)).toEqual(['migrations'])
  })

  test('makes the migrations folder, too', async () => {
    const deep = path.join(project, 'a', 'b', 'migrations')
    const { name } = await writeMigration(deep, fresh())
    expect((await listMigrations(deep)).map((m) => m.name)).toEqual([name])
  })

  test('a schema folder is kept as a folder', async () => {
    const files = [
      { path: 'models/a.prisma', content: 'model A {}' },
      { path: 'schema.prisma', content: 'generator g {}' },
    ]
    await writeMigration(root, fresh({ snapshot: { layout: 'folder', files, insideSchemaFolder: false } }))
    expect(await readSnapshot((await listMigrations(root))[0]!)).toEqual(files)
  })

  test('inside a schema folder no file of the snapshot is one that Prisma would read', async () => {
    const files = [
      { path: 'a.prisma', content: 'model A {}' },
      { path: 'deep/b.prisma', content: 'model B {}' },
    ]
    const { directory } = await writeMigration(
      root,
      fresh({ snapshot: { layout: 'folder', files, insideSchemaFolder: true } }),
    )
    const below = await fs.readdir(path.join(directory, 'migration.schema.prisma'), { recursive: true })
    expect(below.filter((name) => name.endsWith('.prisma'))).toEqual([])
    expect(await readSnapshot((await listMigrations(root))[0]!)).toEqual(files)
  })

  test('is newer than every folder, also than one from the future', async () => {
    await write({ '20300101000000_future/migration.sql': '' })
    expect((await writeMigration(root, fresh())).name).toBe('20300101000001_add_users')
  })

  test('many writers of one name in one second all get a whole folder of their own', async () => {
    const written = await Promise.all(
      Array.from({ length: 8 }, (_, n) => writeMigration(root, fresh({ script: `-- ${n}\n` }))),
    )
    const names = written.map((w) => w.name)
    expect(new Set(names).size).toBe(8)
    const all = await listMigrations(root)
    expect(all.map((m) => m.name)).toEqual([...names].sort())
    const scripts = await Promise.all(all.map((m) => readScript(m)))
    expect(scripts.sort()).toEqual(Array.from({ length: 8 }, (_, n) => `-- ${n}\n`))
    for (const m of all) expect((await fs.readdir(m.directory)).length).toBe(4)
    expect((await fs.readdir(project)).sort()).toEqual(['migrations'])
  })

  test('where it cannot write it says so and leaves nothing behind', async () => {
    const file = path.join(project, 'file')
    await fs.writeFile(file, 'mine')
    const error = await failure(writeMigration(path.join(file, 'migrations'), fresh()))
    expect(error).toBeInstanceOf(FailedError)
    expect([error.code, error.exitCode]).toEqual(['E_WRITE', 1])
    expect(await fs.readFile(file, 'utf8')).toBe('mine')
    expect((await fs.readdir(project)).sort()).toEqual(['file', 'migrations'])
  })

  test('when a later file fails the earlier ones go away again', async () => {
    const files = [
      { path: 'a.prisma', content: '' },
      { path: 'a.prisma/b.prisma', content: '' },
    ]
    const snapshot = { layout: 'folder' as const, files, insideSchemaFolder: false }
    expect((await failure(writeMigration(root, fresh({ snapshot })))).code).toBe('E_WRITE')
    expect(await fs.readdir(root)).toEqual([])
    expect(await fs.readdir(project)).toEqual(['migrations'])
  })

  test('"nothing was changed" is true where only migration_lock.toml could not be written', async () => {
    await fs.mkdir(path.join(root, 'migration_lock.toml'))
    const error = await failure(writeMigration(root, fresh()))
    expect(error.message).toContain('Nothing was changed')
    expect(await fs.readdir(root)).toEqual(['migration_lock.toml'])
    expect(await fs.readdir(project)).toEqual(['migrations'])
  })
})

describe('migration_lock.toml', () => {
  test('is written as Prisma writes it', async () => {
    await writeMigration(root, fresh({ provider: 'mysql' }))
    expect(await fs.readFile(path.join(root, 'migration_lock.toml'), 'utf8')).toMatch(
      /^#.*\n#.*\nprovider = "mysql"\n$/,
    )
  })

  test('is left alone where it is right', async () => {
    const text = '# mine\r\nprovider = "postgresql"\r\n'
    await write({ 'migration_lock.toml': text })
    await writeMigration(root, fresh())
    expect(await fs.readFile(path.join(root, 'migration_lock.toml'), 'utf8')).toBe(text)
  })

  test.each([
    ['# comment\nprovider = "postgresql"\n', 'postgresql'],
    ['provider = "sqlite"', 'sqlite'],
    ['provider="mysql"\r\n', 'mysql'],
    ['# provider = "mysql"\nprovider = "sqlite"\n', 'sqlite'],
  ])('%j names %s', async (text, provider) => {
    await write({ 'migration_lock.toml': text })
    expect(await readLockProvider(root)).toBe(provider)
  })

  test('may be missing', async () => {
    expect(await readLockProvider(root)).toBeUndefined()
    expect(await readLockProvider(path.join(root, 'nowhere'))).toBeUndefined()
  })

  test.each(['', '# only a comment\n', 'nonsense', 'provider = \n', 'provider = "a" and more', '\0\0'])(
    'without a provider is an error with its path, exit 2: %j',
    async (text) => {
      await write({ 'migration_lock.toml': text })
      const error = await failure(readLockProvider(root))
      expect(error.exitCode).toBe(2)
      expect(error.message).toContain('migration_lock.toml')
    },
  )

  test('that is a folder is an error with its path, exit 2', async () => {
    await fs.mkdir(path.join(root, 'migration_lock.toml'))
    expect((await failure(readLockProvider(root))).exitCode).toBe(2)
  })

  test.each(['lock.toml', 'nowhere'])('that is a link, to %s, is refused by its path', async (target) => {
    await write({ 'lock.toml': 'provider = "mysql"\n' })
    await fs.symlink(target, path.join(root, 'migration_lock.toml'))
    const error = await failure(readLockProvider(root))
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('migration_lock.toml is not a file') })
  })

  test('that is not UTF-8 is refused', async () => {
    await write({ 'migration_lock.toml': Buffer.from('# é\nprovider = "mysql"\n', 'latin1') })
    expect(await failure(readLockProvider(root))).toMatchObject({ exitCode: 2 })
  })
})

describe('replacing a file', () => {
  test('keeps its mode and leaves no draft', async () => {
    const file = path.join(project, 'schema.prisma')
    await fs.writeFile(file, 'old', { mode: 0o600 })
    await replaceFile(file, 'new')
    expect(await fs.readFile(file, 'utf8')).toBe('new')
    expect((await fs.stat(file)).mode & 0o777).toBe(0o600)
    expect((await fs.readdir(project)).sort()).toEqual(['migrations', 'schema.prisma'])
  })

  test('that fails leaves what was there', async () => {
    await write({ '1_a/migration.sql': 'SELECT 1' })
    await expect(replaceFile(path.join(root, '1_a'), 'new')).rejects.toThrow()
    expect(await fs.readFile(path.join(root, '1_a', 'migration.sql'), 'utf8')).toBe('SELECT 1')
    expect(await fs.readdir(root)).toEqual(['1_a'])
  })
})
