import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Connection, ConnectOptions } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { createMysqlSchemaEngine } from '../../engines/mysql/schema-engine.js'
import type { SchemaFile } from '../../engines/schema-engine.js'
import { DatabaseUrl } from '../../engines/url.js'
import { project } from '../support/project.js'
import { type Server, startMysql } from '../support/servers.mjs'
import { describeMysql, name, OPTIONS } from './mysql-databases.js'

const MODE = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'
const schema = (models: string): SchemaFile[] => [
  { path: 'schema.prisma', content: `datasource db {\n  provider = "mysql"\n}\n\n${models}` },
]
const text = (files: readonly SchemaFile[]) => ({ kind: 'schema', files }) as const

const USER = 'model User {\n  id Int @id @default(autoincrement())\n  posts Post[]\n}\n'
const POST = 'model Post {\n  id Int @id\n  title String @default("it\'s \\"so\\"")\n  userId Int\n'
const RELATION = '  user User @relation(fields: [userId], references: [id])\n}\n'
const BEFORE = schema(USER + POST + RELATION)
const AFTER = schema(
  `${USER}${POST}  body String? @unique\n${RELATION.replace('references: [id]', 'references: [id], onDelete: Cascade')}`,
)

/** A certificate for `localhost`, signed by itself; undefined where openssl is not installed. */
function certificate(): { folder: string; cert: string; key: string } | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'rays-test-tls-'))
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const made = spawnSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
    { stdio: 'ignore' },
  )
  if (made.status !== 0) {
    rmSync(folder, { recursive: true })
    return undefined
  }
  // The server runs as another user.
  chmodSync(folder, 0o755)
  chmodSync(key, 0o644)
  return { folder, cert, key }
}

describeMysql('a server with lower-case names, ANSI_QUOTES and NO_BACKSLASH_ESCAPES', () => {
  let server: Server | undefined
  const tls = certificate()
  beforeAll(async () => {
    const files = tls ? [`--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key}`] : []
    server = await startMysql({ own: true, settings: ['--lower-case-table-names=1', `--sql-mode=${MODE}`, ...files] })
  })
  afterAll(async () => {
    await server?.stop()
    if (tls) rmSync(tls.folder, { recursive: true })
  })

  /** Runs the work in a new database of this server; `test` passes where no server is installed to be started. */
  async function onServer(
    work: (connection: Connection, url: DatabaseUrl, own: Server) => Promise<void>,
    options: ConnectOptions = OPTIONS,
  ): Promise<void> {
    if (!server) return console.warn('Skipped: no server is installed that the tests could start.')
    const url = mysql.withDatabase(new DatabaseUrl(`${server.url}x`, process.cwd()), name())
    await mysql.createDatabase(url, options)
    const connection = await mysql.connect(url, options)
    await work(connection, url, server).finally(() => connection.close())
  }

  test('holds what the schema says under its own names, and is no different from it', () =>
    onServer(async (db) => {
      const engine = createMysqlSchemaEngine()
      await db.script((await engine.diff({ kind: 'empty' }, text(BEFORE))).script)
      expect((await db.tables()).map((table) => table.name).sort()).toEqual(['post', 'user'])
      expect(await db.hasTable('Post')).toBe(true)
      const live = { kind: 'database', connection: db, context: BEFORE } as const
      expect(await engine.diff(live, text(BEFORE))).toMatchObject({ empty: true })
      expect(await engine.diff(text(BEFORE), live)).toMatchObject({ empty: true })
    }))

  test('is altered, not dropped and made again, when the present state is read from it', () =>
    onServer(async (db) => {
      const engine = createMysqlSchemaEngine()
      await db.script((await engine.diff({ kind: 'empty' }, text(BEFORE))).script)
      const found = await engine.introspect(db, BEFORE)
      expect(found[0]?.content).toContain('model post {')
      const plan = await engine.diff(text(found), text(AFTER))
      expect(plan.script).toContain('ALTER TABLE `post` ADD COLUMN `body` VARCHAR(191) NULL')
      expect(plan.script).not.toMatch(/(?:DROP|CREATE) TABLE/)
      const steps = plan.steps ?? []
      for (const { up } of steps) for (const sql of up) await db.raw(sql)
      const live = { kind: 'database', connection: db, context: AFTER } as const
      expect(await engine.diff(live, text(AFTER))).toMatchObject({ empty: true })
      for (const { down } of [...steps].reverse()) for (const sql of down) await db.raw(sql)
      expect(await engine.diff(live, text(BEFORE))).toMatchObject({ empty: true })
    }))

  test('gets no migration with a backslash in a text, which would mean two', () =>
    onServer(async (_, url) => {
      const models = 'model Path {\n  id Int @id\n  root String @default("c:\\\\")\n}\n'
      const app = project({ provider: 'mysql', url: url.reveal(), schema: models, config: { generate: false } })
      try {
        const made = await app.rays(['makemigration', '--name', 'path'])
        expect(made).toMatchObject({ code: 1, stderr: expect.stringContaining('NO_BACKSLASH_ESCAPES') })
        expect(Object.keys(app.files()).filter((file) => file.endsWith('migration.sql'))).toEqual([])
      } finally {
        app.remove()
      }
    }))

  test('has its strings, names and parameters read as its sql_mode says', () =>
    onServer(async (db) => {
      expect(db.syntax).toMatchObject({ doubleQuotedStrings: false, backslashEscapes: false })
      await db.script(
        'CREATE TABLE "a;b" (t TEXT); INSERT INTO "a;b" VALUES (\'x\\\'); INSERT INTO "a;b" VALUES (\';\\\')',
      )
      expect(await db.query('SELECT t FROM "a;b" WHERE t <> :? ORDER BY t', ["'\\"])).toEqual([
        { t: ';\\' },
        { t: 'x\\' },
      ])
    }))

  test('lets in a user whose password needs every kind of escape, over TCP and over its socket', () =>
    onServer(async (db, url, own) => {
      const password = 'p@ss/w:rd%21?#&=+ ü"\'\\'
      const user = 'ann@home'
      for (const host of ['localhost', '%']) {
        await db.raw(`CREATE USER 'ann@home'@'${host}' IDENTIFIED BY '${password.replaceAll("'", "''")}'`)
        await db.raw(`GRANT ALL ON *.* TO 'ann@home'@'${host}'`)
      }
      const info = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
      const href = url.reveal().replace(/\/\/root@/, `//${info}@`)
      const socket = `?socket=${encodeURIComponent(`${own.folder}/mysql.sock`)}`
      for (const query of ['', socket]) {
        const hers = await mysql.connect(new DatabaseUrl(`${href}${query}`, process.cwd()), OPTIONS)
        const [row] = await hers.query('SELECT USER() AS who')
        expect(row?.who).toMatch(/^ann@home@(?:localhost|127\.0\.0\.1)$/)
        expect(hers.target).toContain(query === '' ? '127.0.0.1' : 'mysql.sock')
        expect(`${hers.target} ${mysql.describe(new DatabaseUrl(href, ''))}`).not.toContain('p@ss')
        await hers.close()
      }
    }))

  test('is trusted over TLS as far as the URL says, and never without a word', () =>
    onServer(async (_, url) => {
      if (!tls) return console.warn('Skipped: openssl is not installed.')
      const connect = (host: string, query: string) =>
        mysql.connect(new DatabaseUrl(`${url.reveal().replace('127.0.0.1', host)}${query}`, process.cwd()), OPTIONS)
      const cipher = async (host: string, query: string) => {
        const connection = await connect(host, query)
        const [row] = await connection.query("SHOW STATUS LIKE 'Ssl_cipher'")
        await connection.close()
        return row?.Value
      }
      const trusted = `sslcert=${encodeURIComponent(tls.cert)}`
      expect(await cipher('127.0.0.1', '')).toBe('')
      expect(await cipher('localhost', `?${trusted}&sslaccept=strict`)).not.toBe('')
      expect(await cipher('127.0.0.1', `?${trusted}`)).not.toBe('')
      expect(await cipher('127.0.0.1', '?sslaccept=accept_invalid_certs')).not.toBe('')
      // Another name, and an authority that nobody knows.
      for (const query of [`?${trusted}&sslaccept=strict`, '?sslaccept=strict']) {
        const error = await connect('127.0.0.1', query).catch((each: unknown) => each)
        expect(mysql.explain(error)).toMatchObject({ kind: 'connection' })
        expect(String(error)).toMatch(/certificate|altnames/i)
      }
    }))
})
