import { explain } from '../../../engines/mysql/errors.js'
import { readCreateTable } from '../../../engines/mysql/introspection/create-table.js'
import { syntaxFor } from '../../../engines/mysql/settings.js'
import { parseUrl } from '../../../engines/mysql/url.js'
import { DatabaseUrl } from '../../../engines/url.js'

const tls = (query: string) => parseUrl(new DatabaseUrl(`mysql://u:p@db.example.org/app?${query}`, '/')).tls

describe('the words for TLS in a URL', () => {
  test.each([
    ['sslmode=require', true, false],
    ['ssl-mode=REQUIRED', true, false],
    ['ssl=true', true, false],
    ['useSSL=true', true, false],
    ['sslMode=VERIFY_CA', true, false],
    ['ssl-mode=VERIFY_IDENTITY', true, true],
    ['sslmode=verify-full', true, true],
    ['ssl={"rejectUnauthorized":true}', true, true],
    ['ssl={"rejectUnauthorized":false}', false, false],
    ['sslmode=require&sslaccept=accept_invalid_certs', false, false],
    ['sslaccept=strict&ssl=true', true, true],
  ])('%s asks for it', (query, verify, verifyHost) => {
    expect(tls(query)).toMatchObject({ verify, verifyHost })
  })

  test.each(['', 'sslmode=disable', 'ssl-mode=DISABLED', 'ssl=false', 'useSSL=false', 'sslmode=prefer'])(
    '%s asks for none',
    (query) => expect(tls(query)).toBeUndefined(),
  )

  test.each([
    'sslmode=maybe',
    'ssl=',
    'ssl={"ca":"x"}',
    'sslmode=disable&sslaccept=strict',
    'ssl=true&sslmode=disable',
  ])('%s is refused', (query) => expect(() => tls(query)).toThrow(/not understood|contradict/))
})

describe('what the server refuses', () => {
  const told = (errno: number, message = 'x', sql = 'ALTER TABLE t') =>
    explain(Object.assign(new Error(message), { errno, code: 'ER_X', sqlMessage: message, sql }))

  test.each([
    [3780, /collation/i],
    [3750, /primary key/i],
    [3959, /check constraint/i],
    [6125, /unique/i],
  ])('%i comes with a way out', (errno, word) => {
    expect(told(errno)).toMatchObject({ kind: 'other', hint: expect.stringMatching(word) })
  })

  test('MariaDB: a key that is formed wrongly, a table that is referred to', () => {
    expect(
      told(1005, 'Can\'t create table `x`.`c` (errno: 150 "Foreign key constraint is incorrectly formed")').hint,
    ).toMatch(/collation/)
    expect(told(1451, 'Cannot delete or update a parent row', 'DROP TABLE p')).toMatchObject({
      kind: 'data',
      hint: expect.stringMatching(/foreign key/i),
    })
    for (const errno of [1701, 3730])
      expect(told(errno)).toMatchObject({ kind: 'data', hint: expect.stringMatching(/foreign key/i) })
    expect(told(1451, 'Cannot delete or update a parent row', 'DELETE FROM p').hint).toBeUndefined()
  })

  test('a default of 0000-00-00', () => {
    expect(
      told(1067, "Invalid default value for 'at'", "ALTER TABLE t ADD at DATETIME DEFAULT '0000-00-00'").hint,
    ).toMatch(/NO_ZERO_DATE/)
  })
})

test('SHOW CREATE TABLE is read column by column', () => {
  const sql = `CREATE TABLE \`t\` (
  \`a\`\`b\` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'x, ''y'' DEFAULT \\\\' COMMENT 'c,) ''x',
  \`e\` int DEFAULT ((1 + 2) * (3)) /*!80023 INVISIBLE */,
  \`g\` varchar(60) GENERATED ALWAYS AS (concat(lower(\`u\`),_utf8mb4')')) STORED NOT NULL,
  \`m\` int(11) INVISIBLE DEFAULT (1 + 1) CHECK (\`m\` > (0)),
  \`p\` point NOT NULL /*!80003 SRID 4326 */,
  \`u\` timestamp(3) NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
  PRIMARY KEY (\`e\`)
) ENGINE=InnoDB COMMENT='t (x)'`
  const columns = readCreateTable(sql, syntaxFor(''))
  expect([...columns.keys()]).toEqual(['a`b', 'e', 'g', 'm', 'p', 'u'])
  expect(columns.get('a`b')).toMatchObject({ default: "'x, ''y'' DEFAULT \\\\'", comment: "c,) 'x", invisible: false })
  expect(columns.get('e')).toMatchObject({ default: '(1 + 2) * (3)', inParentheses: true, invisible: true })
  expect(columns.get('g')).toMatchObject({
    default: undefined,
    generated: "GENERATED ALWAYS AS (concat(lower(`u`),_utf8mb4')')) STORED",
  })
  expect(columns.get('m')).toMatchObject({ default: '1 + 1', invisible: true, check: 'CHECK (`m` > (0))' })
  expect(columns.get('p')).toMatchObject({ reference: 'SRID 4326' })
  expect(columns.get('u')).toMatchObject({ default: 'current_timestamp(3)', onUpdate: true })
})
