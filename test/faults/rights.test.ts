/** Disks that are full, users who may not, histories that cannot be read. */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { databases, freshMysql, freshSqlite } from '../support/databases.js'
import { type FaultCase, fault, hashTree, M1, M2, M3, PASSWORD, walk } from '../support/faults.js'
import { noMount, tmpfs } from '../support/mounts.js'
import { numbers } from '../support/numbers.js'
import type { RunOptions } from '../support/project.js'
import { type Server, startMysql } from '../support/servers.mjs'

const root = process.getuid?.() === 0

/** A server of its own, should it not survive. */
let server: Server | undefined
async function ownMysql(): Promise<Server> {
  // MySQL puts tables only where it was told that there may be some.
  const settings = ['--innodb-flush-log-at-trx-commit=1', `--loose-innodb-directories=${disks}`]
  server ??= await startMysql({ own: true, settings })
  return server!
}
afterAll(async () => {
  await server?.stop()
  rmSync(disks, { recursive: true, force: true })
})
/** The folder of all disks. */
const disks = mkdtempSync(path.join(tmpdir(), 'rays-test-disks-'))
chmodSync(disks, 0o755)

/** The disk of the case, made before its database, which is on it on SQLite, and removed after it. */
let disk: ReturnType<typeof tmpfs>
afterEach(() => {
  disk?.remove()
  disk = undefined
})

fault(
  'a full disk under the database undoes the migration, and with space it goes on',
  async (c) => {
    const { folder } = disk!
    const ballast = path.join(folder, 'ballast')
    try {
      if (c.provider === 'postgresql') {
        const { status, stdout } = spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' })
        const uid = status === 0 ? Number(stdout) : 0
        mkdirSync(path.join(folder, 'space'))
        chownSync(path.join(folder, 'space'), uid, uid)
        await c.db.query(`CREATE TABLESPACE ${c.db.name} LOCATION '${path.join(folder, 'space')}'`)
      }
      // Two operations: where DDL commits, the one that fails has nothing but rows to take back.
      const create = c.by({
        postgresql: `CREATE TABLE big (v TEXT) TABLESPACE ${c.db.name}`,
        mysql: `CREATE TABLE big (v TEXT) DATA DIRECTORY = '${folder}'`,
        sqlite: 'CREATE TABLE big (v TEXT)',
      })
      const fill = c.by({
        postgresql:
          "INSERT INTO big SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 240000) AS n GROUP BY n / 30",
        mysql: `INSERT INTO big SELECT REPEAT('x', 1000) FROM ${numbers(8000)}`,
        sqlite:
          'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 8000) INSERT INTO big SELECT hex(randomblob(500)) FROM n',
      })
      await c.fixture({
        1: {
          up: `await client.execute(${JSON.stringify(create)})`,
          down: `await client.execute('DROP TABLE big')`,
        },
        2: { up: `await client.execute(${JSON.stringify(fill)})`, down: `await client.execute('DELETE FROM big')` },
      })
      // Room for half of the rows. With much less MariaDB cannot even roll back, and ends itself.
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - 4 * 1024 * 1024))
      const before = await c.state()
      const why = c.by({ postgresql: /53100/, sqlite: /SQLITE_FULL/, mysql: /ER_RECORD_FILE_FULL/ })
      const run = await c.rays(['migrate'])
      expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(why) })
      // SQLite keeps the rows in memory until COMMIT, which then fails.
      expect(run.stderr).toMatch(c.provider === 'sqlite' ? new RegExp(`${M2} failed`) : /operation 2\b.* failed/i)
      expect(run.stderr).toMatch(/Free some space/)
      expect(run.stderr).not.toMatch(/no transaction is active|fault in rays/)
      await c.undone(before, why)
      // The same migration, with space.
      rmSync(ballast)
      await c.next()
      expect(Number((await c.db.query('SELECT count(*) AS n FROM big'))[0]!.n)).toBeGreaterThanOrEqual(8000)
    } finally {
      await c.db.query('DROP TABLE IF EXISTS big')
      if (c.provider === 'postgresql') await c.db.query(`DROP TABLESPACE IF EXISTS ${c.db.name}`)
    }
  },
  {
    skip: noMount,
    fresh: async (provider) => {
      disk = tmpfs('40m', disks)
      if (provider === 'sqlite') return freshSqlite(disk!.folder)
      if (provider === 'postgresql') return databases.find((each) => each.provider === provider)!.fresh()
      return freshMysql((await ownMysql()).url)
    },
  },
)

fault(
  'a disk without any space under MySQL, and a server that it ends',
  async (c) => {
    const { folder } = disk!
    const ballast = path.join(folder, 'ballast')
    const fillBut = (left: number) => {
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - left))
    }
    await c.fixture({
      1: {
        up: `await client.execute("CREATE TABLE big (v TEXT) DATA DIRECTORY = '${folder}'")`,
        down: `await client.execute('DROP TABLE big')`,
      },
      2: {
        up: `await client.execute("INSERT INTO big SELECT REPEAT('x', 1000) FROM ${numbers(8000)}")`,
        down: `await client.execute('DELETE FROM big')`,
      },
    })
    const before = await c.state()
    // Room for the table, and not for the first rows: MariaDB cannot roll back, and ends itself.
    fillBut(128 * 1024)
    await c.db.close()
    const run = await c.rays(['migrate'])
    rmSync(ballast)
    // Another version may live on; then it is as with a little more space.
    if (run.code === 1) await c.undone(before, /ER_RECORD_FILE_FULL/)
    else {
      await server!.crash!()
      await server!.restart!()
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 3,
        stderr: expect.stringMatching(/connection was lost during operation 2[\s\S]*--undo/),
      })
      await c.gone()
      const row = (await c.history()).find((each) => each.finished_at === null)!
      expect(row).toMatchObject({ migration_name: M2, rolled_back_at: null, applied_steps_count: 2 })
      expect(JSON.parse(String(row.logs))).toMatchObject({ op: 2, state: 'running', dir: 'up' })
      expect(await c.db.query('SELECT v FROM big')).toEqual([])
      await c.next({ refused: { code: 3, says: /operation 2 was started and is in doubt/ } })
      const undone = await c.rays(['migrate', '--undo', '--retry-op', '2'])
      expect({ code: undone.code, stderr: undone.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      expect(await c.state()).toEqual(before)
    }
    // Not even room for the table.
    fillBut(0)
    const now = await c.state()
    const refused = await c.rays(['migrate'])
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /Operation 1 [\s\S]*(?:No more room in record file|disk is full)[\s\S]*Free some space/,
      ),
    })
    await c.undone(now, /No more room in record file|disk is full/)
    rmSync(ballast)
    await c.next()
    expect(await c.db.query('SELECT count(*) AS n FROM big')).toEqual([{ n: 8000 }])
  },
  {
    skip: noMount,
    on: ['mysql'],
    fresh: async () => {
      disk = tmpfs('40m', disks)
      return freshMysql((await ownMysql()).url)
    },
  },
)

fault(
  'a table that is full on MySQL is undone, and with space it goes on',
  async (c) => {
    const fill = `await client.execute('SET max_heap_table_size = 16384')
  await client.execute('CREATE TABLE big (v CHAR(250)) ENGINE=MEMORY')
  await client.execute("INSERT INTO big SELECT REPEAT('x', 250) FROM ${numbers(100_000)}")`
    await c.fixture({ 1: { up: fill, down: `await client.execute('DROP TABLE big')` } })
    const run = await c.rays(['migrate'])
    // One statement of the operation had been done, and MySQL cannot take it back: a person decides.
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/ER_RECORD_FILE_FULL|1114/),
    })
    expect(run.stderr).toMatch(/Free some space/)
    await c.next({ refused: { code: 3, says: /operation 1/ } })
    await c.db.query('DROP TABLE big')
    expect((await c.rays(['migrate', '--undo', '--retry-op', '1'])).code).toBe(0)
    c.repair()
    await c.next()
  },
  { on: ['mysql'] },
)

/** Runs the command as a user without rights on files. */
const nobody = root ? { uid: 65534, gid: 65534 } : undefined

fault('a migrations folder that cannot be written leaves no half of a migration', async (c) => {
  await c.fixture()
  c.project.schema(
    'model a {\n  id Int @id\n  v  String? @db.VarChar(50)\n}\nmodel more {\n  id Int @id\n}\n'.replace(
      ' @db.VarChar(50)',
      c.provider === 'sqlite' ? '' : ' @db.VarChar(50)',
    ),
  )
  const prisma = path.join(c.project.folder, 'prisma')
  for (const file of [c.project.folder, ...walk(c.project.folder).filter((file) => !file.includes('node_modules'))])
    chmodSync(file, 0o555)
  const before = hashTree(prisma)
  const run = await c.rays(['makemigration', '--name', 'more', '--no-verify'], nobody ? { user: nobody } : {})
  expect({ code: run.code, stderr: run.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/could not be written: EACCES at \S+\. Nothing was changed/),
  })
  expect(hashTree(prisma)).toBe(before)
  for (const file of [c.project.folder, ...walk(c.project.folder).filter((file) => !file.includes('node_modules'))])
    chmodSync(file, 0o755)
  await c.next()
})

fault(
  'a full disk under the migrations folder leaves no half of a migration',
  async (c) => {
    const disk = tmpfs('64k')!
    try {
      const config = { env: { RAYS_MIGRATIONS_DIR: path.join(disk.folder, 'migrations') } }
      const models = Array.from({ length: 300 }, (_, i) => `model m${i} {\n  id Int @id\n  v  String?\n}\n`).join('')
      c.project.schema(models)
      const schema = hashTree(path.join(c.project.folder, 'prisma'))
      const run = await c.rays(['makemigration', '--name', 'big', '--no-verify'], config)
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/could not be written: ENOSPC[\s\S]*Free some disk space/),
      })
      expect(hashTree(path.join(c.project.folder, 'prisma'))).toBe(schema)
      expect(readdirSync(disk.folder).filter((name) => name !== 'migrations')).toEqual([])
      expect(
        existsSync(path.join(disk.folder, 'migrations')) ? readdirSync(path.join(disk.folder, 'migrations')) : [],
      ).toEqual([])
    } finally {
      disk.remove()
    }
  },
  { skip: noMount, on: ['sqlite'] },
)

/** A user who may only read. */
async function reader(c: FaultCase, grants: readonly string[]): Promise<{ href: string; drop(): Promise<void> }> {
  const name = `${c.db.name}_r`.slice(-32)
  const secret = encodeURIComponent(PASSWORD)
  if (c.provider === 'postgresql') {
    await c.db.query(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`)
    await c.db.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
    for (const grant of grants) await c.db.query(`GRANT ${grant} TO ${name}`)
    const drop = async () => {
      await c.db.query(`DROP OWNED BY ${name}`)
      await c.db.query(`DROP ROLE ${name}`)
    }
    return { href: c.href.replace(/\/\/[^@]*@/, `//${name}:${secret}@`), drop }
  }
  await c.db.query(`CREATE USER '${name}'@'%' IDENTIFIED BY '${PASSWORD}'`)
  for (const grant of grants) await c.db.query(`GRANT ${grant} TO '${name}'@'%'`)
  return {
    href: c.href.replace(/\/\/[^@]*@/, `//${name}:${secret}@`),
    drop: async () => void (await c.db.query(`DROP USER '${name}'@'%'`)),
  }
}

/** The status tells what is applied and what is not, and its check says no. */
async function sees(c: FaultCase, options: RunOptions = {}): Promise<void> {
  const status = await c.rays(['status', '--check', '--json'], options)
  const { data } = status.json<{ data: { migrations: { name: string; state: string }[] } }>()
  expect({ code: status.code, states: data.migrations.map(({ name, state }) => [name, state]) }).toEqual({
    code: 1,
    states: [
      [M1, 'applied'],
      [M2, 'pending'],
      [M3, 'pending'],
    ],
  })
  expect((await c.rays(['status'], options)).code).toBe(0)
}

fault(
  'a user who may only read sees the status, and changes nothing',
  async (c) => {
    await c.fixture()
    const who = await reader(
      c,
      c.by({
        postgresql: ['SELECT ON ALL TABLES IN SCHEMA public'],
        mysql: [`SELECT ON \`${c.db.name}\`.*`],
        sqlite: [],
      }),
    )
    try {
      const before = await c.state()
      const run = await c.rays(['migrate'], { env: { DATABASE_URL: who.href } })
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          c.by({ postgresql: /42501/, mysql: /ER_TABLEACCESS_DENIED_ERROR|1142/, sqlite: /./ }),
        ),
      })
      await c.clean(before)
      await sees(c, { env: { DATABASE_URL: who.href } })
      await c.clean(before)
    } finally {
      await who.drop()
    }
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'prepare by a user who may not create the history leaves nothing behind, and works once he may',
  async (c) => {
    c.project.schema('model a {\n  id Int @id\n}')
    await c.db.query('CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY)')
    const who = await reader(
      c,
      c.by({
        postgresql: ['SELECT, INSERT ON ALL TABLES IN SCHEMA public'],
        mysql: [`SELECT, INSERT ON \`${c.db.name}\`.*`],
        sqlite: [],
      }),
    )
    try {
      const prepare = () => c.rays(['prepare', '--no-verify'], { env: { DATABASE_URL: who.href } })
      const files = hashTree(c.project.folder)
      const run = await prepare()
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          c.by({ postgresql: /42501/, mysql: /ER_TABLEACCESS_DENIED_ERROR|1142/, sqlite: /./ }),
        ),
      })
      expect(hashTree(c.project.folder)).toBe(files)
      const name = new URL(who.href).username
      await c.db.query(
        c.by({
          postgresql: `GRANT CREATE ON SCHEMA public TO ${name}`,
          mysql: `GRANT CREATE ON \`${c.db.name}\`.* TO '${name}'@'%'`,
          sqlite: '',
        }),
      )
      const again = await prepare()
      expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    } finally {
      await who.drop()
    }
  },
  { on: ['postgresql', 'mysql'] },
)

fault(
  'a session that the server makes read-only changes nothing',
  async (c) => {
    await c.fixture()
    await c.db.query(`ALTER DATABASE ${c.db.name} SET default_transaction_read_only = on`)
    await c.db.close()
    const before = await c.state()
    const run = await c.rays(['migrate'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/25006/) })
    await sees(c)
    await c.clean(before)
    await c.db.query('SET default_transaction_read_only = off')
    await c.db.query(`ALTER DATABASE ${c.db.name} RESET default_transaction_read_only`)
    await c.db.close()
    await c.next()
  },
  { on: ['postgresql'] },
)

fault(
  'a SQLite file that may only be read sees the status, and changes nothing',
  async (c) => {
    await c.fixture()
    const before = await c.state()
    const file = c.href.replace(/^file:/, '')
    await c.db.close()
    chmodSync(file, 0o444)
    for (const at of [c.project.folder, path.dirname(file)]) chmodSync(at, 0o755)
    const run = await c.rays(['migrate'], nobody ? { user: nobody } : {})
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/SQLITE_READONLY/),
    })
    await sees(c, nobody ? { user: nobody } : {})
    chmodSync(file, 0o644)
    await c.clean(before)
    await c.next()
  },
  { on: ['sqlite'] },
)

fault(
  'a SQLite file in a folder that may only be read is migrated, in a transaction and outside of one',
  async (c) => {
    const file = c.href.replace(/^file:/, '')
    await c.fixture({}, { transaction: false })
    // Only with a write-ahead log can anybody write there.
    await c.db.query('PRAGMA journal_mode = WAL; CREATE TABLE log (id INTEGER)')
    for (const name of [file, `${file}-wal`, `${file}-shm`]) chmodSync(name, 0o666)
    chmodSync(path.dirname(file), 0o555)
    chmodSync(c.project.folder, 0o755)
    const run = await c.rays(['migrate'], nobody ? { user: nobody } : {})
    chmodSync(path.dirname(file), 0o755)
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    expect(await c.applied()).toEqual([M1, M2, M3])
    await c.next()
  },
  { on: ['sqlite'] },
)

fault(
  'a user who may not create databases is told of shadowDatabaseName',
  async (c) => {
    await c.fixture()
    c.project.schema('model a {\n  id Int @id\n  v  String? @db.VarChar(50)\n}\nmodel more {\n  id Int @id\n}\n')
    const who = await reader(
      c,
      c.by({
        postgresql: [`ALL ON DATABASE ${c.db.name}`, 'ALL ON SCHEMA public', 'ALL ON ALL TABLES IN SCHEMA public'],
        mysql: [`ALL PRIVILEGES ON \`${c.db.name}\`.*`],
        sqlite: [],
      }),
    )
    try {
      const before = await c.state()
      const run = await c.rays(['makemigration', '--name', 'more', '--from', 'migrations'], {
        env: { DATABASE_URL: who.href },
      })
      expect({ code: run.code, stderr: run.stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/shadowDatabaseName/),
      })
      await c.clean(before)
    } finally {
      await who.drop()
    }
    await c.next()
  },
  { on: ['postgresql', 'mysql'] },
)

fault('a history that cannot be read is never taken for an empty one', async (c) => {
  await c.fixture()
  const before = await c.state()
  const commands = [['migrate'], ['status'], ['migrate', '--fake'], ['migrate', '--name', 'zero', '--y']]
  const refused = async (says: RegExp, some = commands, env = {}) => {
    for (const command of some) {
      const run = await c.rays(command, { env })
      expect({ command, code: run.code, stderr: run.stderr }).toEqual({
        command,
        code: 1,
        stderr: expect.stringMatching(says),
      })
    }
  }
  if (c.provider !== 'sqlite') {
    // A user who may do everything but read the history.
    const who = await reader(
      c,
      c.by({
        postgresql: [`ALL ON DATABASE ${c.db.name}`, 'ALL ON SCHEMA public', 'ALL ON a'],
        mysql: [`CREATE, DROP ON \`${c.db.name}\`.*`, `ALL ON \`${c.db.name}\`.a`],
        sqlite: [],
      }),
    )
    try {
      const says = c.by({ postgresql: /42501/, mysql: /ER_TABLEACCESS_DENIED_ERROR|1142/, sqlite: /./ })
      await refused(new RegExp(`cannot be read[\\s\\S]*(?:${says.source})[\\s\\S]*SELECT`), commands.slice(0, 2), {
        DATABASE_URL: who.href,
      })
      await c.clean(before)
    } finally {
      await who.drop()
    }
  }
  await c.db.query('ALTER TABLE _prisma_migrations RENAME TO kept')
  await c.db.query('CREATE TABLE _prisma_migrations (id INTEGER, name VARCHAR(20))')
  const tables = await c.tables()
  await refused(/cannot be read/)
  expect(await c.tables()).toEqual(tables)
  expect(await c.db.query('SELECT * FROM _prisma_migrations')).toEqual([])
  await c.db.query('DROP TABLE _prisma_migrations')
  await c.db.query('ALTER TABLE kept RENAME TO _prisma_migrations')
  await c.clean(before)
  await c.next()
})
