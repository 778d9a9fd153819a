import fc from 'fast-check'
import type { Provider } from '../../../engines/engine.js'
import { ScriptError, splitStatements } from '../../../engines/sql/scanner.js'
import { syntaxes } from './syntaxes.js'

const split = (provider: Provider, script: string) =>
  splitStatements(script, syntaxes[provider]).map(({ text }) => text)

/** Scripts whose parts, joined with `;` and a line break, must come out as these very parts. */
const whole: Record<string, [Provider, ...string[]]> = {
  'doubled quotes in strings': ['postgresql', `SELECT 'it''s; fine'`, 'SELECT 2'],
  'a backslash that is just a character': ['postgresql', `SELECT 'c:\\'`, `SELECT 'x;y'`],
  'escapes in an E string': ['postgresql', `SELECT E'it\\'s; fine'`, 'SELECT 2'],
  'an E string that goes on in the next line': ['postgresql', `SELECT E'a'\n  'b\\'; c'`, 'SELECT 2'],
  'an E that ends a longer word': ['postgresql', `SELECT name'\\'`, 'SELECT 2'],
  'Unicode strings and names': ['postgresql', `SELECT U&'\\0041;' AS U&"d;\\0061"`, 'SELECT 2'],
  'quoted names': ['postgresql', 'CREATE TABLE "a;""b" (x int)', 'SELECT 2'],
  'dollar quotes': ['postgresql', 'DO $$ BEGIN PERFORM 1; END $$', 'SELECT 2'],
  'nested dollar quotes': ['postgresql', `DO $a$ BEGIN EXECUTE $b$ SELECT ';' $$;$$ $b$; END $a$`, 'SELECT 2'],
  'dollar quotes with letters beyond ASCII': ['postgresql', 'SELECT $té$;$té$', 'SELECT 2'],
  'parameters, which are no dollar quotes': ['postgresql', 'PREPARE p AS SELECT $1, $2', 'EXECUTE p(1, 2)', 'SELECT 3'],
  'a dollar inside a name': ['postgresql', 'SELECT a$b$', 'SELECT c$b$'],
  'nested comments': ['postgresql', 'SELECT /* a; /* b; */ c; */ 1', 'SELECT 2'],
  'comments within a line': ['postgresql', "SELECT 1 -- it's; here\n + 2", 'SELECT 2'],
  'casts and slices': ['postgresql', `SELECT '{1}'::int[], (ARRAY[1,2])[1:2]`, 'SELECT 2'],
  'a rule with several actions': [
    'postgresql',
    'CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)',
    'SELECT 2',
  ],
  'a function with an SQL body': [
    'postgresql',
    'CREATE OR REPLACE FUNCTION f(i int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN i > 1 THEN 2 END; END',
    'SELECT 2',
  ],
  'a transaction, which is no body': ['postgresql', 'BEGIN', 'SELECT 1', 'END', 'BEGIN', 'COMMIT'],
  'brackets and backticks as names': ['sqlite', 'CREATE TABLE [a;b] (`c;``d` int)', 'SELECT 2'],
  'comments that do not nest': ['sqlite', 'SELECT /* /* ; */ 1', 'SELECT 2'],
  'a trigger': [
    'sqlite',
    "CREATE TRIGGER t AFTER UPDATE ON a BEGIN UPDATE b SET x = CASE WHEN new.y THEN 1 ELSE 2 END; DELETE FROM c WHERE d = 'END;'; END",
    'SELECT 2',
  ],
  'a temporary trigger with a condition': [
    'sqlite',
    'CREATE TEMP TRIGGER IF NOT EXISTS t AFTER INSERT ON a WHEN CASE WHEN 1 THEN 1 END BEGIN SELECT 1; END',
    'SELECT 2',
  ],
  'a transaction on SQLite': ['sqlite', 'BEGIN', 'SELECT 1', 'END', 'SELECT 2'],
  'backslashes in strings': ['mysql', `INSERT INTO t VALUES ('it\\'s; fine', "a\\";b", "it""s;")`, 'SELECT 2'],
  'two dashes that are an operator': ['mysql', 'SELECT 5--3', 'SELECT 2 -- really;\n + 1', 'SELECT 3 --\n + 1'],
  'a hash comment': ['mysql', "SELECT 1 # it's; here\n + 2", 'SELECT 2'],
  'hints, which are code': [
    'mysql',
    "/*!40101 SET NAMES 'a*/b;' */",
    'CREATE TABLE t (a int) /*!50100 PARTITION BY HASH (a) */',
    'SELECT 2',
  ],
  'a procedure': [
    'mysql',
    `CREATE DEFINER=\`root\`@\`%\` PROCEDURE p(IN n INT)
     BEGIN
       DECLARE done INT DEFAULT IF(n > 1, 0, 1);
       DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END;
       DROP TABLE IF EXISTS t;
       outer_loop: LOOP
         IF (n > 2) THEN LEAVE outer_loop; ELSEIF n = 3 THEN SET n = 4; ELSE IF n THEN SET n = 1; END IF; END IF;
         WHILE n < 3 DO SET n = n + 1; END WHILE;
         REPEAT SET n = REPEAT('a', 3); UNTIL n END REPEAT;
         CASE n WHEN 1 THEN SELECT CASE WHEN n THEN IF(n, 1, 2) ELSE IF(n, 3, 4) END; ELSE IF n THEN SELECT 1; END IF; END CASE;
       END LOOP outer_loop;
     END`,
    'SELECT 2',
  ],
  'a trigger whose body is one IF': [
    'mysql',
    'CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW IF NOT EXISTS (SELECT 1) THEN SET new.b = IF(1, 2, 3); END IF',
    'SELECT 2',
  ],
  'a trigger that follows another': [
    'mysql',
    'CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW FOLLOWS other IF new.b THEN SET new.c = 1; END IF',
    'SELECT 2',
  ],
  'a function that returns at once': [
    'mysql',
    'CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN IF(a, 1, 2)',
    'SELECT 2',
  ],
  'an event': [
    'mysql',
    'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END',
    'SELECT 2',
  ],
  'a table with the name of a program': ['mysql', 'CREATE TABLE `trigger` (`begin` int)', 'SELECT 2'],
  'a block outside a program': ['mysql', 'BEGIN NOT ATOMIC SELECT 1; SELECT 2; END', 'SELECT 3'],
  'a transaction on MySQL': ['mysql', 'BEGIN', 'INSERT INTO t VALUES (1)', 'COMMIT'],
}

describe('a script is split as the database itself would read it:', () => {
  for (const [title, [provider, ...parts]] of Object.entries(whole))
    test(`${title} (${provider})`, () => {
      expect(split(provider, parts.map((part) => `${part};\n`).join(''))).toEqual(parts)
      expect(split(provider, parts.join(';'))).toEqual(parts)
    })

  test('a byte order mark and empty statements are no statements', () => {
    expect(split('postgresql', '\uFEFF;; SELECT 1;;\n-- the end\n;')).toEqual(['SELECT 1'])
    expect(split('postgresql', '\uFEFF')).toEqual([])
  })

  test('the comments before a statement are kept beside it, without their marks', () => {
    const script =
      '-- CreateTable\r\nCREATE TABLE "a" (x int); -- done\n/* Warnings: none */\n\n-- AlterTable\nSELECT /* in */ 1 -- out\n;'
    expect(splitStatements(script, syntaxes.postgresql)).toEqual([
      { text: 'CREATE TABLE "a" (x int)', comment: 'CreateTable', start: 16, end: 40 },
      {
        text: 'SELECT /* in */ 1',
        comment: 'Warnings: none\nAlterTable',
        start: 86,
        end: 103,
      },
    ])
  })
})

describe('what a client program would understand and the database would not is refused with its place:', () => {
  const refused: [Provider, string, RegExp, number, number][] = [
    ['mysql', 'SELECT 1;\nDELIMITER //\nSELECT 2//', /DELIMITER is a command of the mysql client/, 2, 1],
    ['postgresql', 'SELECT 1;\n  \\connect app\n', /belongs to psql/, 2, 3],
    ['postgresql', 'COPY t (a, b) FROM stdin;\n1\t2\n\\.\n', /INSERT statements/, 1, 20],
    ['sqlite', '.mode csv\n', /sqlite3 shell/, 1, 1],
    ['postgresql', "SELECT 1;\nSELECT 'open", /this string never ends/, 2, 8],
    ['postgresql', 'SELECT $a$ open $b$', /body quoted with \$a\$ never ends/, 1, 8],
    ['postgresql', 'SELECT 1 /* /* */', /comment never ends/, 1, 10],
    ['sqlite', 'SELECT [open', /quoted name never ends/, 1, 8],
    ['mysql', 'SELECT `open', /quoted name never ends/, 1, 8],
    ['mysql', "SELECT 'open\\'", /string never ends/, 1, 8],
  ]
  for (const [provider, script, message, line, column] of refused)
    test(`${JSON.stringify(script)} (${provider})`, () => {
      let error: unknown
      try {
        splitStatements(script, syntaxes[provider])
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(ScriptError)
      expect((error as ScriptError).message).toMatch(message)
      expect(error).toMatchObject({ line, column })
    })

  test('DELIMITER as an ordinary name is no command, nor is COPY FROM a file', () => {
    expect(split('mysql', 'SELECT delimiter FROM t')).toHaveLength(1)
    expect(split('postgresql', "COPY t FROM 'stdin'; COPY t TO STDOUT")).toHaveLength(2)
  })
})

describe('nothing of a script is lost:', () => {
  const pieces = fc.constantFrom(
    ...[
      "'",
      "''",
      '"',
      '`',
      '[',
      ']',
      '$$',
      '$a$',
      '$1',
      '--',
      '-- ',
      '/*',
      '*/',
      '/*!',
      '#',
      ';',
      '\n',
      ' ',
      '\\',
      '(',
      ')',
    ],
    ...['BEGIN', 'END', 'CREATE', 'TRIGGER', 'CASE', 'IF', 'x', 'E', ':', '?', '😀', '\uFEFF', '\u2028', '\0'],
  )
  for (const provider of ['postgresql', 'sqlite', 'mysql'] as const)
    test(`the statements and what lies between them are the script (${provider})`, () => {
      const seed = Number(process.env.RAYS_SEED ?? Date.now() % 2 ** 31)
      let read = 0
      const report = fc.check(
        fc.property(fc.array(pieces, { maxLength: 25 }), (parts) => {
          const script = parts.join('')
          let statements: ReturnType<typeof splitStatements>
          try {
            statements = splitStatements(script, syntaxes[provider])
          } catch (error) {
            expect(error).toBeInstanceOf(ScriptError)
            return
          }
          read++
          let at = 0
          for (const { text, start, end } of statements) {
            expect(start).toBeGreaterThanOrEqual(at)
            expect(text).toBe(script.slice(start, end))
            expect(text).toBe(text.replace(/^[ \n]+|[ \n]+$/g, ''))
            at = end
          }
          // Reading a statement by itself yields the same statement (only a script can begin with a byte order mark).
          for (const { text } of statements.slice(0, -1))
            if (!text.startsWith('\uFEFF')) expect(split(provider, `${text};`)).toEqual([text])
        }),
        { seed, numRuns: 3000 },
      )
      if (report.failed) throw new Error(`seed ${seed}: ${fc.defaultReportMessage(report)}`)
      expect(read).toBeGreaterThan(300)
    })
})

/** How many times as long the work takes the processor for ten times the size. */
function growth(work: (size: number) => void): number {
  const cost = (size: number) => {
    const started = process.cpuUsage()
    work(size)
    return process.cpuUsage(started).user
  }
  // The compiler's time is no part of it.
  work(1)
  const small = cost(1)
  return cost(10) / small
}

test('a script of ten megabytes takes about ten times as long as one of one megabyte', () => {
  const row = "INSERT INTO \"t\" (a, b) VALUES ('some text; with ''quotes''', 12345); -- a remark\n"
  const grown = growth((megabytes) => {
    const rows = row.repeat(Math.ceil((megabytes * 1_000_000) / row.length))
    const script = `${rows}SELECT '${'\\'.repeat(megabytes * 10_000)}'`
    expect(splitStatements(script, syntaxes.postgresql).length).toBeGreaterThan(megabytes * 10_000)
  })
  // Were it to grow with the square, it would be a hundred.
  expect(grown).toBeLessThan(40)
})

test('many unclosed openings cost no more than linear time', () => {
  const grown = growth((size) => {
    expect(split('postgresql', '$a$b '.repeat(2).repeat(size * 10_000))).toHaveLength(1)
    expect(split('postgresql', '$'.repeat(size * 20_000 + 1))).toHaveLength(1)
    expect(() => split('postgresql', '/*'.repeat(size * 50_000))).toThrow(ScriptError)
    expect(split('sqlite', 'CASE '.repeat(size * 20_000))).toHaveLength(1)
  })
  expect(grown).toBeLessThan(40)
})
