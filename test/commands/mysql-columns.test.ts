/** What a database of MySQL has beside a Prisma schema, from `prepare` to later migrations. */
import { describeDatabases } from '../support/databases.js'
import { type Workspace, workspace } from '../support/workspace.js'

const edit = (ws: Workspace, from: string | RegExp, to: string) =>
  ws.project.write({ 'prisma/schema.prisma': ws.read('prisma/schema.prisma').replace(from, to) })

describeDatabases(
  'a database that others made',
  (on) => {
    let ws: Workspace
    beforeEach(async () => {
      ws = await workspace(on, { schema: '', config: { generate: false } })
    })
    afterEach(() => ws.drop())
    const shown = async (table: string) => Object.values((await ws.sql(`SHOW CREATE TABLE ${table}`))[0] ?? {}).join()
    const inStep = async () => {
      await ws.ok('status --check')
      await ws.ok('makemigration --check --from migrations')
      await ws.ok('doctor --check')
    }

    test('is taken over as it is, and its columns keep what they have when they are changed', async () => {
      await ws.sql(`CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, code VARCHAR(20) COLLATE utf8mb4_bin NOT NULL COMMENT 'case counts',
        token VARCHAR(64) NOT NULL DEFAULT (REPLACE(UUID(), '-', '')), low VARCHAR(20) GENERATED ALWAYS AS (LOWER(code)) STORED,
        updated TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)) DEFAULT CHARSET utf8mb4`)
      await ws.sql("INSERT INTO t (code) VALUES ('abc'), ('ABC')")
      const { stderr, stdout } = await ws.ok('prepare')
      expect(stderr + stdout).toContain('another collation than those that Prisma makes')
      await inStep()
      const before = await shown('t')
      edit(ws, /(code\s+String\s+@db\.VarChar)\(20\)/, '$1(30)')
      edit(ws, /(low\s+String\?\s+@db\.VarChar)\(20\)/, '$1(30)')
      edit(ws, /(updated\s+DateTime) /, '$1? ')
      await ws.ok('makemigration --name wider')
      await ws.ok('migrate -y')
      const after = await shown('t')
      expect(after).toMatch(/`code` varchar\(30\) .*COLLATE utf8mb4_bin NOT NULL COMMENT 'case counts'/)
      expect(after).toMatch(/`low` varchar\(30\) .*GENERATED ALWAYS AS/)
      expect(after).toMatch(/`updated` timestamp\(3\) NULL .*ON UPDATE current_timestamp\(3\)/i)
      expect(await ws.sql('SELECT low FROM t')).toEqual([{ low: 'abc' }, { low: 'abc' }])
      await inStep()
      await ws.ok('migrate --name -1 -y')
      expect(await shown('t')).toBe(before)
    })

    test('has columns that keep what they have under another name, and in a table with another name', async () => {
      await ws.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_bin NOT NULL COMMENT 'case counts')",
      )
      await ws.ok('prepare')
      edit(ws, 'model t ', 'model u ')
      edit(ws, /code\s+String\s+@db\.VarChar\(20\)/, 'word String @db.VarChar(30)')
      await ws.ok('makemigration --name renamed --rename t:u --rename u.code:word')
      await ws.ok('migrate -y')
      expect(await shown('u')).toMatch(/`word` varchar\(30\) .*COLLATE utf8mb4_bin NOT NULL COMMENT 'case counts'/)
      await ws.ok('migrate --name -1 -y')
      expect(await shown('t')).toMatch(/`code` varchar\(20\) .*COLLATE utf8mb4_bin NOT NULL COMMENT 'case counts'/)
    })

    test('takes a relation to one of its tables, whatever the collation of that', async () => {
      await ws.sql('CREATE TABLE account (id CHAR(36) PRIMARY KEY) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci')
      await ws.sql("INSERT INTO account VALUES ('a')")
      await ws.ok('prepare')
      await inStep()
      edit(ws, /(\n\s+id\s+String[^\n]*)/, '$1\n  kids child[]\n  tags tag[]')
      edit(
        ws,
        /$/,
        '\nmodel child {\n  id Int @id @default(autoincrement())\n  accountId String @db.Char(36)\n  account account @relation(fields: [accountId], references: [id])\n}\n\nmodel tag {\n  id Int @id\n  accounts account[]\n}\n',
      )
      await ws.ok('makemigration --name child')
      await ws.ok('migrate')
      await ws.sql("INSERT INTO child (accountId) VALUES ('a')")
      await inStep()
      expect((await ws.ok('push -y')).stdout).toContain('Nothing to do')
    })

    test('keeps a default of 0000-00-00, which a strict server does not take', async () => {
      await ws.sql(
        "SET SESSION sql_mode = ''; CREATE TABLE old (id INT PRIMARY KEY, n INT, at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00')",
      )
      await ws.ok('prepare')
      edit(ws, /(\n\s+n\s+Int\?)/, '$1\n  m String?')
      await ws.ok('makemigration --name m')
      await ws.ok('migrate')
      expect(await shown('old')).toContain("DEFAULT '0000-00-00 00:00:00'")
    })
  },
  (provider) => provider === 'mysql',
)
